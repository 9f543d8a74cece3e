"""The command line: each subcommand's own help, answers as JSON, and ends that are no errors."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repobe.__main__ import _parser, main

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "results" / "reference" / "mnist32"


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (found,) = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return found.choices


@pytest.mark.parametrize("name", subcommands())
def test_help_names_ones_own_arguments_and_no_other_commands(name):
    others = "|".join(other for other in subcommands() if other != name)
    for action in subcommands()[name]._actions:
        assert action.help, action
        assert not re.search(rf"\bof ({others})\b", action.help)


def test_show_as_json_has_what_its_text_says(capsys):
    assert main(["show", "n21", "--results", str(TABLES), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["kind"], told["stated"]["value"]) == ("n21", "number", 0.7912)  # Fig. 4b prints 79.12 %
    (compared,) = told["comparison"]
    assert main(["show", "n21", "--results", str(TABLES)]) == 0
    text = capsys.readouterr().out
    assert f"{compared['ours']:.4f} [{compared['low']:.4f}, {compared['high']:.4f}]" in text
    assert compared["verdict"] in text
    assert {row["method"] for row in told["rows"]} == {"undefended"}


@pytest.mark.parametrize(
    ("name", "kind", "table"),
    [("c01", "claim", "evidence"), ("D1", "decision", "decisions"), ("p01", "contradiction", None)],
)
def test_each_kind_has_its_rows(name, kind, table, capsys, tmp_path):
    assert main(["show", name, "--results", str(TABLES), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["kind"]) == (name, kind)
    if table:
        assert told[table]
    assert main(["show", name, "--results", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out).get(table) is None


def test_verify_ends_with_the_answer(capsys):
    small = TABLES.with_name("attacks")
    assert main(["verify", str(small)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all agree"
    assert main(["verify", str(small), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["line"] for one in told] == lines[:-1]
    assert all(one["agrees"] is True for one in told)


QUICK = ("cifar64", "mnist224", "mnist32")  # whose verdicts the documents quote most; `attacks` is verified above


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in sorted(path.parent.name for path in TABLES.parent.glob("*/claims.csv"))
    ],
)
def test_the_committed_tables_follow_from_their_raw_rows(name):
    assert main(["verify", str(TABLES.with_name(name))]) == 0


def test_status_as_json_has_every_run(config, tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config | {"results_dir": str(tmp_path), "only": "*/repobe"}))
    assert main(["status", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs"] == [{"run": "digits/awgn/repobe/seed0", "state": "not started", "note": ""}]
    assert told["counts"] == {"not started": 1}
    assert sorted(told["left_out"]) == ["repobe_adversarial", "repobe_reconstruction", "undefended"]


@pytest.mark.parametrize(
    "asked",
    [
        ["classifier", "d", "o", "--threads", "0"],
        ["classifier", "d", "o", "--epochs", "-1"],
        ["block_error_rates", "o", "--blocks", "0"],
    ],
)
def test_a_number_below_one_is_refused_with_its_option(asked, capsys):
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 2
    said = f"argument {asked[-2]}: '{asked[-1]}' should be a whole number, 1 or more"
    assert said in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_error():
    """`python -m repobe show c01 | head -1`"""
    command = [sys.executable, "-m", "repobe", "show", "c01", "--results", str(TABLES), "--json"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait() == 0


def test_help_comes_at_once():
    """No subcommand's help imports what takes a second."""
    code = "import sys; from repobe.__main__ import main\ntry: main(['show', '--help'])\nexcept SystemExit: pass\n"
    code += "heavy = {'torch', 'pandas', 'numpy', 'matplotlib', 'mlflow', 'snakemake'} & set(sys.modules)\n"
    code += "assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ, check=True, stdout=subprocess.DEVNULL)


def test_a_shell_completes_subcommands_and_their_options():
    """As a shell that has read README's line for completion does; `ve` has one continuation, `show --r` another."""
    script = """
        eval "$(activate-global-python-argcomplete --dest=-)"
        COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _python_argcomplete_global "$1"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    assert '`eval "$(activate-global-python-argcomplete --dest=-)"`' in (ROOT / "README.md").read_text("utf-8")
    for line, continued in [("python -m repobe ve", "verify"), ("python -m repobe show --r", "--results")]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        asked = ["bash", "-c", script, "bash", *line.split()]
        done = subprocess.run(asked, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, encoding="utf-8")
        assert done.stdout.split() == [continued], done.stderr
