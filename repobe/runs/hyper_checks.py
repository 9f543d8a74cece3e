"""Reads from a method's file what its constructor refuses: importing it would import torch, which takes seconds.

It finds the statements `if <condition>: raise ValueError(<text>)` of `Method.__init__` whose condition is made of
`hyper.…`, `problem.reconstruct` and plain values, so the method's file stays the one home of its bounds. Any other
check is left to the constructor, when the training starts.
"""

import ast
from types import SimpleNamespace
from typing import Any

from repobe.runs import plugins

UNDERSTOOD = (
    *(ast.Attribute, ast.Name, ast.Constant, ast.Tuple, ast.List, ast.Set, ast.JoinedStr, ast.FormattedValue),
    *(ast.Compare, ast.BoolOp, ast.UnaryOp, ast.cmpop, ast.boolop, ast.unaryop, ast.expr_context),
)


def refusal(path: str, hyper: dict, reconstruct: bool) -> str | None:
    """The error text of this file's method for these changes to its defaults; None if it accepts them.

    reconstruct: whether the method's task is to rebuild the picture. ValueError where the file has no Hyper or Method.
    """
    defaults = _plain_values(plugins.defines(path, ast.ClassDef, "Hyper"))
    known = _plain_values(plugins.parsed(path))
    known |= {"hyper": SimpleNamespace(**defaults | hyper), "problem": SimpleNamespace(reconstruct=reconstruct)}
    for condition, text in checks(path):
        if _value(condition, known):
            return str(_value(text, known) or f"its constructor refuses {ast.unparse(condition)}")
    return None


def checks(path: str) -> list[tuple[ast.expr, ast.expr]]:
    """(condition, text) of each refusal in the method's constructor."""
    made = plugins.defines(path, ast.ClassDef, "Method").body
    bodies = [node.body for node in made if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    found = []
    for statement in (statement for body in bodies for statement in body):
        match statement:
            case ast.If(test=condition, body=[ast.Raise(exc=ast.Call(func=ast.Name("ValueError"), args=[text]))]):
                found.append((condition, text))
    return found


def _plain_values(scope: ast.Module | ast.ClassDef) -> dict[str, Any]:
    """The names that get plain values in a file or a class; for a dictionary of other values, its keys."""
    values = {}
    for node in scope.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
            ):
                try:
                    keys = [ast.literal_eval(key) for key in value.keys if key] if isinstance(value, ast.Dict) else None
                    values[name] = ast.literal_eval(value) if keys is None else keys
                except (ValueError, TypeError):
                    continue  # only running the file would give this value
    return values


def _value(expression: ast.expr, known: dict[str, Any]) -> Any:
    """The value of an expression that runs no code but comparisons; None if it contains anything else."""
    if not all(isinstance(node, UNDERSTOOD) or _joins(node) for node in ast.walk(expression)):
        return None
    try:
        return eval(compile(ast.Expression(expression), "condition", "eval"), {"__builtins__": {}}, known)
    except (NameError, AttributeError, TypeError, ValueError):
        return None


def _joins(node: ast.AST) -> bool:
    """Whether it is a call of a text's join, with which messages list names."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Constant)
    )
