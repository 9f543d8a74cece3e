"""Python files of a user's own: a config names a method, a channel or an attack by the path of its file.

A path is absolute, or relative to the root of the repository. Naming a file runs its code, as importing does: run only
configs that you trust.
"""

import ast
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

ROOT = Path(__file__).parents[2]
MODULE = "repobe plugin "  # how the name of such a file's module begins


def is_file(name: str) -> bool:
    """Whether a name in a config is the path of a Python file."""
    return name.endswith(".py")


def parsed(path: str | Path) -> ast.Module:
    """The syntax tree, without running the file; ValueError, one line, where it does not exist or is not Python."""
    try:
        return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise ValueError(f"{path} {reason}; relative paths start at {ROOT}") from None
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not Python ({error})") from None


Definition = TypeVar("Definition", ast.ClassDef, ast.FunctionDef)


def defines(path: str | Path, kind: type[Definition], name: str) -> Definition:
    """The class or function of that name at the top of the file; ValueError where there is none."""
    for node in parsed(path).body:
        if isinstance(node, kind) and node.name == name:
            return node
    raise ValueError(f"{path} has no {'class' if kind is ast.ClassDef else 'function'} {name}")


def imported(path: str) -> ModuleType:
    """The module of the file, run once in a process; ValueError as `parsed`. Errors of the file itself pass through."""
    parsed(path)
    return _imported((ROOT / path).resolve())


@cache
def _imported(path: Path) -> ModuleType:
    # Dataclasses look up their module by its name, so it must be listed, and no two files may share a name.
    name = f"{MODULE}{path}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # as for every .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def passed_through(error: BaseException) -> tuple[Path, int, str] | None:
    """(file, line, function) where an error last came through a user's own file; None where it came through none."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__")).startswith(MODULE):
            code = trace.tb_frame.f_code
            found = Path(code.co_filename), trace.tb_lineno, code.co_name
        trace = trace.tb_next
    return found
