"""The user's settings stay out of the results, or one line says what is in the way."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ASCII

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "results" / "reference" / "mnist32"


def python(*arguments: str, without: str = "", **env: str) -> subprocess.CompletedProcess:
    """Python from the root of the suite, with these variables and without another."""
    clean = {name: value for name, value in os.environ.items() if name != without}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=clean | env, capture_output=True, check=False)


@pytest.mark.parametrize("command", [["show", "c04", "--results", str(TABLES)], ["status"]])
def test_an_ascii_locale_changes_no_byte_of_what_is_printed(command):
    plain, ascii_only = python("-m", "repobe", *command), python("-m", "repobe", *command, **ASCII)
    assert (ascii_only.returncode, ascii_only.stderr) == (0, b"")
    assert ascii_only.stdout == plain.stdout
    assert ascii_only.stdout.decode("utf-8")


def test_each_text_file_is_opened_with_its_encoding():
    """Without it, Python takes the locale's, which is another on another machine."""
    found = []
    for room in ("repobe", "baselines", "figures", "benchmarks", "examples"):
        for path in sorted((ROOT / room).rglob("*.py")):
            calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
            found += [f"{path.relative_to(ROOT)}:{call.lineno}" for call in calls if _takes_the_locale(call)]
    # The kernel's own text is ASCII, and an edit of that file would change the code digest of every table.
    assert [place for place in found if not place.startswith("repobe/systems/precision.py:")] == []


def _takes_the_locale(call: ast.Call) -> bool:
    named = {word.arg for word in call.keywords}
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if "encoding" in named or (
        isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) in ("Image", "os", "archive")  # a ZipFile opens bytes
    ):
        return False
    if called == "open":
        mode = [word.value for word in call.keywords if word.arg == "mode"] + call.args[
            isinstance(call.func, ast.Name) :
        ]
        return not any(isinstance(one, ast.Constant) and "b" in str(one.value) for one in mode)
    return called in ("read_text", "write_text") or (called in ("run", "Popen", "check_output") and "text" in named)


def test_a_machine_without_a_home_still_answers():
    done = python("-m", "repobe", "show", "n21", "--results", str(TABLES), without="HOME")
    assert (done.returncode, done.stderr) == (0, b"")


STATUS, FIGURES = ["repobe", "status"], ["figures", "results", "drawn"]


@pytest.mark.parametrize(
    ("module", "command"), [("numpy.py", STATUS), ("calendar.py", FIGURES), ("pandas/__init__.py", STATUS)]
)
def test_packages_that_would_replace_ours_are_refused_in_one_line(module, command, tmp_path):
    path = tmp_path / module
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    done = python("-m", *command, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"repobe: PYTHONPATH names {tmp_path}, whose {Path(module).parts[0].removesuffix('.py')}")
    assert "unset PYTHONPATH" in line


def test_a_folder_of_ones_own_modules_is_welcome(tmp_path):
    (tmp_path / "my_method.py").write_text("")
    assert python("-m", "repobe", "status", PYTHONPATH=str(tmp_path)).returncode == 0
