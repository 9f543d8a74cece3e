"""Folders that are links, elsewhere or renamed: code comes from the suite's own folder, data from the results."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repobe.runs import provenance
from repobe.runs.folders import results_of
from repobe.runs.spec import Spec
from repobe.verdicts.rerun_commands import Commands

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("linked", ["results", "runs", "digits", "seed0"])
def test_a_link_to_a_scratch_disk_at_any_depth_keeps_a_run_in_its_results(linked, specs, tmp_path):
    spec = specs["repobe"]
    run = tmp_path / "results" / "runs" / spec.path
    real = run if linked == "seed0" else next(folder for folder in run.parents if folder.name == linked)
    scratch = tmp_path / "scratch" / "somewhere"
    scratch.mkdir(parents=True)
    real.parent.mkdir(parents=True, exist_ok=True)
    real.symlink_to(scratch)
    run.mkdir(parents=True, exist_ok=True)
    (run / "spec.yaml").write_text(spec.dump())
    assert results_of(run / "spec.yaml", Spec.load(run / "spec.yaml")) == tmp_path / "results"


def test_a_way_with_dots_leads_to_the_same_results(specs, tmp_path, monkeypatch):
    run = tmp_path / "results" / "runs" / specs["repobe"].path
    run.mkdir(parents=True)
    (run.parent / "seed1").mkdir()
    monkeypatch.chdir(run.parent / "seed1")
    assert results_of(Path("../seed0/spec.yaml"), specs["repobe"]) == tmp_path / "results"


def dry(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "-n", "--nolock", "--cores", "1", *arguments]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def here() -> str:
    """What a plan of the miniature in the suite's own folder says."""
    return dry(ROOT, "--configfile", "config/miniature.yaml", "--forceall")


def test_the_suite_runs_from_another_folder(here, tmp_path):
    """By -s, by --directory and as a module: the same jobs, whose results lie in that folder."""
    jobs = [line.split() for line in here.splitlines() if re.fullmatch(r"\w+ +\d+", line)]
    assert ["train", "3"] in jobs
    config = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"theirs": config}))
    (tmp_path / "Snakefile").write_text(
        f"configfile: 'mine.yaml'\nmodule theirs:\n    snakefile: {str(ROOT / 'Snakefile')!r}\n"
        "    config: config['theirs']\nuse rule * from theirs as theirs_*\nrule here:\n    default_target: True\n"
        "    input: rules.theirs_all.input\n"
    )
    mini = ["--configfile", str(ROOT / "config" / "miniature.yaml")]
    (tmp_path / "empty").mkdir()
    from_elsewhere = dry(tmp_path / "empty", "-s", str(ROOT / "Snakefile"), *mini)
    by_directory = dry(ROOT, "--directory", str(tmp_path / "empty"), *mini)
    as_module = dry(tmp_path)
    for said, prefix in ((from_elsewhere, ""), (by_directory, ""), (as_module, "theirs_")):
        counted = [line.split() for line in said.splitlines()]
        for job, count in jobs:
            if job not in ("all", "total"):
                assert [f"{prefix}{job}", count] in counted
        assert "output: results/miniature/report.html" in said


def test_a_report_made_elsewhere_names_the_suites_snakefile(tmp_path, monkeypatch):
    (tmp_path / "mini.yaml").write_text((ROOT / "config" / "miniature.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    row = {"dataset": "digits", "channel": "awgn", "method": "undefended"}
    command = Commands(["mini.yaml"], ["digits/awgn/undefended/seed0"]).measures(row, "evasion")
    program, option, snakefile, target, *_ = shlex.split(command)
    assert (program, option) == ("snakemake", "-s")
    assert Path(snakefile).samefile(ROOT / "Snakefile")
    assert target == "results/miniature/runs/digits/awgn/undefended/seed0/evasion.csv"


def test_the_default_config_is_found_from_another_folder(tmp_path):
    assert "results/report.html" in dry(tmp_path, "-s", str(ROOT / "Snakefile"))


def test_the_same_folder_has_the_same_inputs_by_any_name(here, tmp_path):
    """Snakemake makes again what has other inputs, and takes another way to a file for another input."""
    (tmp_path / "link").symlink_to(ROOT)
    by_link = dry(
        ROOT, "-s", str(tmp_path / "link" / "Snakefile"), "--configfile", "config/miniature.yaml", "--forceall"
    )
    inputs = [sorted(line for line in said.splitlines() if "input: " in line) for said in (here, by_link)]
    assert inputs[0] == inputs[1]
    assert any("baselines/undefended.py" in line for line in inputs[0])


@pytest.mark.slow
def test_every_output_is_the_same_to_the_byte_from_elsewhere_and_in_hostile_surroundings(tmp_path):
    """As a module of a workflow in a folder with an umlaut, with runs on a scratch disk, without a home, in ASCII.

    And the suite's folder stays as it is: it may be read-only.
    """
    plain, odd = tmp_path / "plain", tmp_path / "Büro o'clock"
    for folder in (plain, odd / "results", tmp_path / "scratch"):
        folder.mkdir(parents=True)
    (odd / "results" / "runs").symlink_to(tmp_path / "scratch")
    settings = tmp_path / "matplotlibrc"
    settings.write_text("text.usetex: True\nfont.family: serif\nsavefig.dpi: 30\n")
    (tmp_path / "shadows").mkdir()
    (tmp_path / "shadows" / "seaborn.py").write_text("raise ImportError('a shadow')\n")
    hostile = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": str(settings)}
    hostile |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/nonexistent"}
    hostile |= {"PYTHONPATH": str(tmp_path / "shadows"), "GIT_DIR": str(tmp_path)}
    config = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    config |= {"results_dir": "results", "figures_dir": "figures"}
    (plain / "mini.yaml").write_text(yaml.safe_dump(config))
    (odd / "mini.yaml").write_text(yaml.safe_dump(config))
    (odd / "Snakefile").write_text(
        f"configfile: 'mini.yaml'\nmodule theirs:\n    snakefile: {str(ROOT / 'Snakefile')!r}\n    config: config\n"
        "use rule * from theirs\n"
    )
    before = _files(ROOT)
    _run(plain, {}, "-s", str(ROOT / "Snakefile"), "--configfile", "mini.yaml")
    _run(odd, hostile)
    assert _files(ROOT) == before
    compared = [
        path.relative_to(plain) for kind in ("csv", "npz", "parquet", "pdf", "svg") for path in plain.rglob(f"*.{kind}")
    ]
    timed = ("cost.csv", "fig_cost.csv", "fig_cost.pdf", "fig_cost.svg")
    compared = [path for path in compared if path.name not in timed and "mlflow" not in path.parts]
    assert len(compared) > 80
    assert [str(path) for path in compared if _timeless(odd / path) != _timeless(plain / path)] == []
    assert {
        json.loads(path.read_text())["commit"] for path in tmp_path.rglob("provenance.json") if "runs" in path.parts
    } == {provenance.commit()}


def _timeless(path: Path) -> bytes | list[dict[str, str]]:
    """A file's bytes; of a CSV its cells, without those that say how long something took."""
    if path.suffix != ".csv":
        return path.read_bytes()
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "recovery_seconds" not in row.values()]
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in rows]


def _files(folder: Path) -> dict[str, int]:
    """What lies in a folder, and when it was changed; without Python's and Snakemake's own notes."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    own = {"__pycache__", ".snakemake", ".venv", ".git", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
    return {str(path): path.stat().st_mtime_ns for path in paths if not own & {*path.parts}}


def _run(folder: Path, env: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=os.environ | path | env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]


def test_make_runs_the_snakemake_of_its_own_environment(tmp_path):
    """In a folder that was renamed, whose scripts name a Python that is not there; another snakemake lies in PATH."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "pyproject.toml").touch()
    ours, theirs = tmp_path / ".venv" / "bin", tmp_path / "system"
    ours.mkdir(parents=True)
    theirs.mkdir()
    _script(ours / "python", "#!/bin/sh\necho ours: $PYTHONPATH $@ > said\n")
    _script(ours / "snakemake", f"#!{tmp_path}/former/bin/python\n")
    _script(theirs / "snakemake", "#!/bin/sh\necho theirs > said\n")
    (tmp_path / ".venv" / ".ready").touch()
    env = os.environ | {"PATH": f"{theirs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": "shadows"}
    subprocess.run(["make", "demo"], cwd=tmp_path, env=env, check=True, capture_output=True)
    assert (tmp_path / "said").read_text() == "ours: -m snakemake --cores all\n"


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
