"""Full disks and read-only folders: the reason reaches the console, and the same command goes on afterwards."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repobe.__main__ import main
from repobe.runs.config import ROOT


def mounted(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted(folder, "size=96m"):
        pytest.skip("mounting a tmpfs is refused here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def on_disk(finished, disk) -> Path:
    """The spec.yaml of a run that is not trained yet, with its data, on that disk."""
    for name in ("data", "runs/digits/awgn/repobe/seed0"):
        (disk / "results" / name).mkdir(parents=True)
    for name in ("data/digits.safetensors", "runs/digits/awgn/repobe/seed0/spec.yaml"):
        (disk / "results" / name).write_bytes((finished / name).read_bytes())
    return disk / "results" / "runs/digits/awgn/repobe/seed0/spec.yaml"


def fill(disk: Path, leave: int) -> None:
    """Fills the disk but for so many bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(max(0, free - leave)))


def train(spec: Path, log: Path) -> subprocess.CompletedProcess:
    return stage("train", spec, log)


def stage(name: str, spec: Path, log: Path) -> subprocess.CompletedProcess:
    """As a rule runs it: stderr is the log, stdout the console."""
    command = [sys.executable, "-m", "repobe", name, str(spec), "--device", "cpu"]
    with log.open("w") as stderr:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False)


@pytest.mark.parametrize("leave", [0, pytest.param(4_000_000, marks=pytest.mark.slow), 16_000_000])
def test_a_full_disk_is_named_on_the_console_and_the_same_command_goes_on(leave, on_disk, disk, finished):
    """The log lies on the full disk, as a run's log lies beside the run."""
    fill(disk, leave)
    done = train(on_disk, disk / "log")
    said = done.stdout + (disk / "log").read_text()
    assert done.returncode != 0
    assert "Traceback" not in said
    reasons = [line for line in said.splitlines() if line.startswith("repobe: ") and "No space left on device" in line]
    assert reasons, said
    assert str(on_disk.parent) in reasons[-1]
    (disk / "filler").unlink()
    assert main(["train", str(on_disk), "--device", "cpu"]) == 0
    assert not list(on_disk.parent.glob("*.part"))
    made, reference = (
        folder / "model.safetensors" for folder in (on_disk.parent, finished / "runs/digits/awgn/repobe/seed0")
    )
    assert made.read_bytes() == reference.read_bytes()


def test_a_measurement_on_a_full_disk_is_named_and_goes_on(disk, finished):
    """Where the log has room for a line."""
    results = Path(shutil.copytree(finished, disk / "results"))
    run, made = results / "runs/digits/awgn/repobe/seed0", ("evasion.csv", "outcomes.parquet", "reconstructions.npz")
    for name in (*made, "inversion.csv", "audit.csv"):
        (run / name).unlink()
    fill(disk, 8_192)
    done = stage("measure", run / "spec.yaml", disk / "log")
    said = done.stdout + (disk / "log").read_text()
    assert done.returncode != 0
    assert "Traceback" not in said
    assert any(
        line.startswith("repobe: ") and f"{run}/" in line and "No space left on device" in line
        for line in said.splitlines()
    ), said
    (disk / "filler").unlink()
    assert main(["measure", str(run / "spec.yaml"), "--device", "cpu"]) == 0
    for name in made:
        assert (run / name).read_bytes() == (finished / "runs/digits/awgn/repobe/seed0" / name).read_bytes()


# The commands that write tables and the report, and for some how many bytes are free besides none: the first files are
# written, a later one is not.
WRITERS = {
    "tables": (["tables", "results", "results/runs/digits/awgn/repobe/seed0/spec.yaml"], 0, 8_192),
    "merge": (["merge", "merged", "results"], 0, 8_192),
    "summary": (["summary", "results"], 0, 8_192),
    "compare": (["compare", "results"], 0),
    "claims": (["claims", "results"], 0),
    "decisions": (["decisions", "results"], 0),
    "readings": (["readings", "results"], 0),
    "collect": (["collect", "all", "results"], 0),
    "report": (["report", "results", "figures", "--configfile", str(ROOT / "config" / "config.yaml")], 0),
}


@pytest.mark.parametrize(("name", "leave"), [(name, leave) for name, (_, *free) in WRITERS.items() for leave in free])
def test_a_table_or_a_report_on_a_full_disk_is_named_and_nothing_is_lost(
    name, leave, disk, finished, monkeypatch, capsys
):
    """Whoever writes anew what is there already: each file stays whole, and the same command goes on."""

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in disk.rglob("*") if path.is_file() and path.name != "filler"}

    shutil.copytree(finished, disk / "results")
    (disk / "results" / "summary" / "layer_table.csv").write_text("layer\n")
    (disk / "figures").mkdir()
    monkeypatch.chdir(disk)
    command = WRITERS[name][0]
    assert main(command) == 0
    before = files()
    fill(disk, leave)
    capsys.readouterr()
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r"repobe: (results|merged|all)/\S+ cannot be written \(No space left on device\); free some ", line)
    assert files() == before
    (disk / "filler").unlink()
    assert main(command) == 0
    assert files() == before


def test_the_console_hears_the_reason_where_only_the_logs_disk_is_full(disk, run):
    """A damaged model's line, whose log cannot take it."""
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    fill(disk, 0)
    command = [sys.executable, "-m", "repobe", "measure", str(run / "spec.yaml"), "--device", "cpu"]
    with (disk / "log").open("w") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
    assert done.returncode != 0
    assert f"repobe: {path} is not what was written" in done.stdout.splitlines()[-1]


def test_a_read_only_folder_is_one_line_that_names_it(on_disk, disk, tmp_path):
    remount(disk, "ro")
    try:
        done = train(on_disk, tmp_path / "log")
    finally:
        remount(disk, "rw")
    assert done.returncode == 2
    line = (tmp_path / "log").read_text().splitlines()[-1]
    assert line.startswith(f"repobe: {on_disk.parent}")
    assert "Read-only file system" in line
    assert "fix its folder" in line


@pytest.mark.parametrize("name", ["tables", "merge", "summary", "collect"])
def test_a_folder_that_cannot_be_made_is_named_with_the_fix(name, disk, finished, monkeypatch, capsys):
    """The commands that make one are tried."""
    made = {"tables": "results/tables", "merge": "merged", "summary": "results/summary", "collect": "all"}[name]
    shutil.copytree(finished, disk / "results")
    (disk / "results" / "summary" / "layer_table.csv").write_text("layer\n")
    if name in ("tables", "summary"):
        shutil.rmtree(disk / made)
    monkeypatch.chdir(disk)
    remount(disk, "ro")
    try:
        assert main(WRITERS[name][0]) == 2
    finally:
        remount(disk, "rw")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"repobe: {made}")
    assert "(Read-only file system); free some space or fix its folder" in line
