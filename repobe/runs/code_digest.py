"""Which code made a number: a digest of the rooms that train, measure or judge, and of the method's own file.

A digest is of the syntax tree without docstrings and without the texts of exceptions. So a comment, a docstring, a line
break or a clearer message does not change it.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from repobe.runs.config import source_of
from repobe.runs.files import about, cells
from repobe.runs.plugins import ROOT

CLASSIFIER = ROOT / "repobe" / "training" / "evaluation_classifier.py"
TRAINS = ("runs/seeds.py", "runs/devices.py", "images", "phy", "cipher", "systems", "attacks/pgd.py", "training")
# These make the data, which a run names by its own hash, or describe a network: no number of a run depends on them.
IGNORED_FILES = {"custom.py", "sources.py", "published.py", "layer_table.py"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
MEASURES = (*TRAINS, "attacks", "stages", "tables/schema.py")  # the schema says how many images an audit reads
VERDICT_CODE = ("tables", "verdicts")
REPORT_CODE = (*VERDICT_CODE, "report")


def trained_by(method: str) -> str:
    """The code that a training of `method` runs, as <rooms>-<method's file>, eight hexadecimal digits each."""
    return _both(TRAINS, method)


def measured_by(method: str) -> str:
    """The same of the code that evaluates, inverts and audits it, which contains the training code."""
    return _both(MEASURES, method)


def judged_by() -> str:
    """The code that makes tables, summaries and verdicts."""
    return digest(files_of(VERDICT_CODE))


def shown_by() -> str:
    """The code of the page and of what MLflow shows, which contains that of the verdicts."""
    return digest(files_of(REPORT_CODE))


def _both(rooms: tuple[str, ...], method: str) -> str:
    return f"{digest(files_of(rooms))}-{digest([ROOT / source_of(method)])}"


def files_of(rooms: tuple[str, ...]) -> list[Path]:
    """The Python files of these rooms, and those that the tuple names itself, without IGNORED_FILES ones."""
    suite = ROOT / "repobe"
    files = {path for room in rooms for path in ([suite / room] if room.endswith(".py") else (suite / room).rglob("*"))}
    return sorted(path for path in files if path.suffix == ".py" and path.name not in IGNORED_FILES)


def same_method(method: str, run: Path) -> bool:
    """Whether the method's own file has the content that trained a run; its time may be that of a copy."""
    return recorded(run / "cost.csv").partition("-")[2] == digest([ROOT / source_of(method)])


def of_classifier() -> str:
    """The code that trains the evaluation classifier, without the networks that it uses."""
    return digest([CLASSIFIER])


def same_classifier(weights: Path) -> bool:
    """Whether that code has the content that trained the evaluation classifier in this file."""
    return weights.exists() and about(weights).get("code") == of_classifier()


def recorded(table: Path) -> str:
    """The code that made a run's table; empty if the table is missing, has no rows or names no code."""
    if not table.exists():
        return ""
    head, first = [*cells(table), [], []][:2]
    return dict(zip(head, first, strict=False)).get("code", "")


def digest(files: list[Path]) -> str:
    """Eight hexadecimal digits of what these Python files do; OSError or SyntaxError name a faulty file."""
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.name}\n{_syntax(path)}\n".encode())
    return found.hexdigest()[:8]


@cache
def _syntax(path: Path) -> str:
    """The file's syntax tree as text, read once in a process, which imports a file once, too.

    So an edit during a long training does not change which code the training names. It also saves time: a stage asks
    ten times, and parsing all files takes a third of a second.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
    return ast.dump(tree)


def mixed(codes: dict[str, str]) -> list[str]:
    """The runs of {run: <rooms>-<file>} whose code differs from the majority's: by rooms, or within a method by file.

    A run is named <dataset>/<channel>/<method>/seed<k>; runs without recorded code are left out.
    """
    known = {run: code.split("-") for run, code in codes.items() if code}
    odd = set(_unlike({run: rooms for run, (rooms, _) in known.items()}))
    for method in {run.split("/")[2] for run in known}:
        odd |= set(_unlike({run: file for run, (_, file) in known.items() if run.split("/")[2] == method}))
    return sorted(odd)


def _unlike(values: dict[str, str]) -> list[str]:
    counted = list(values.values())
    most = max(counted, key=counted.count, default=None)
    return [run for run, value in values.items() if value != most]
