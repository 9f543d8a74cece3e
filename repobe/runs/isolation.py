"""Keeps the user's settings out of the results: the language of the terminal, and packages that shadow ours."""

import io
import os
import pkgutil
import sys
import sysconfig
from pathlib import Path

from repobe.runs.plugins import ROOT


def speak_utf8() -> None:
    """Makes stdout and stderr UTF-8, whatever the locale: in an ASCII one, printing a minus sign is an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def refuse_shadows() -> None:
    """ValueError if a folder of PYTHONPATH has a module that would replace one of Python's or of the environment's."""
    environment = sysconfig.get_path("purelib")
    ours = sys.stdlib_module_names | _modules(environment)
    for folder in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if Path(folder).absolute() not in (ROOT, Path(environment)) and (shadows := sorted(ours & _modules(folder))):
            what = f"PYTHONPATH names {folder}, whose {shadows[0]} would replace the environment's"
            raise ValueError(f"{what}; unset PYTHONPATH and run again")


def _modules(folder: str) -> set[str]:
    return {module.name for module in pkgutil.iter_modules([folder])}
