"""Compares a user's own Python file with what the suite asks of it, without running it.

The suite's own code defines what is asked: an attack has the parameters of `attacks.evasion.square`, and a function
that a method or a channel overrides has the parameters of the suite's function. So a wrong signature is found before
the training.
"""

import ast
from functools import cache

from repobe.runs import names, plugins

Functions = dict[str, ast.FunctionDef]
METHOD = "repobe/training/method.py"
CHANNEL = "repobe/phy/channel.py"
EVASION = "repobe/attacks/evasion.py"
INIT_SIGNATURE = "def __init__(self, problem, hyper): ..."  # as `training.method.load` calls it


def refuse_attack(path: str) -> None:
    """ValueError unless the file has a function `attack` that can be called as the evaluation calls it."""
    given, asked = plugins.defines(path, ast.FunctionDef, "attack"), plugins.defines(EVASION, ast.FunctionDef, "square")
    _refuse_signature(path, given, asked)


def refuse_method(path: str) -> None:
    """ValueError unless the file's class Method has an `update`, and its overrides have the right parameters."""
    _refuse_class(path, plugins.defines(path, ast.ClassDef, "Method"), METHOD, "Method", INIT_SIGNATURE)


def refuse_channel(path: str, name: str) -> None:
    """ValueError unless the file's channel of that name has the functions of `phy.channel` with their parameters."""
    _refuse_class(path, names.class_of(path, name), CHANNEL, "Channel")


def _refuse_class(path: str, given: ast.ClassDef, home: str, base: str, more: str = "") -> None:
    """home: the suite's file of the abstract classes; base: the most general of them; more: further functions."""
    parents = [ast.unparse(parent).rpartition(".")[2] for parent in given.bases]
    if not parents:
        module = home.removesuffix(".py").replace("/", ".")
        raise ValueError(f"{path}, line {given.lineno}: {given.name} must be a subclass of {module}.{base}")
    own = _functions(given)
    parent = next((one for one in parents if one in _classes(home)), base)
    demanded = {node.name: node for node in ast.parse(more).body if isinstance(node, ast.FunctionDef)}
    asked = _interface(home, parent) | demanded
    missing = [name for name in asked if (name in demanded or _is_abstract(asked[name])) and name not in own]
    if missing and parents == [parent]:  # another base may define them
        raise ValueError(f"{path}, line {given.lineno}: class {given.name} does not define {', '.join(missing)}")
    for name in own:
        if name in asked and (name in demanded or not name.startswith("__")):
            _refuse_signature(path, own[name], asked[name])


def _refuse_signature(path: str, given: ast.FunctionDef, asked: ast.FunctionDef) -> None:
    """ValueError unless `given` can be called with the positional arguments of `asked`."""
    if any(not _is_abstract(function) and function.decorator_list for function in (given, asked)):
        return  # a decorator may change the parameters
    own, theirs = _positional(given), _positional(asked)
    most, least = len(theirs), len(theirs) - len(asked.args.defaults)
    too_few = len(own) < most and not given.args.vararg
    too_many = len(own) - len(given.args.defaults) > least
    if too_few or too_many or None in given.args.kw_defaults:
        said = f"{given.name}({ast.unparse(given.args)}) must take ({', '.join(theirs)})"
        raise ValueError(f"{path}, line {given.lineno}: {said}")


def _positional(function: ast.FunctionDef) -> list[str]:
    return [one.arg for one in (*function.args.posonlyargs, *function.args.args)]


def _is_abstract(function: ast.FunctionDef) -> bool:
    return [ast.unparse(one) for one in function.decorator_list] == ["abstractmethod"]


def _functions(kind: ast.ClassDef) -> Functions:
    return {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}


@cache
def _classes(home: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in plugins.parsed(home).body if isinstance(node, ast.ClassDef)}


def _interface(home: str, name: str) -> Functions:
    """The functions of one of the suite's abstract classes, with those that it inherits within its file."""
    kind = _classes(home)[name]
    found: Functions = {}
    for parent in map(ast.unparse, kind.bases):
        if parent in _classes(home):
            found |= _interface(home, parent)
    return found | _functions(kind)
