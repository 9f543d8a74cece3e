"""Kills of the whole workflow and of its stages: the same command again makes the files of an undisturbed run.

REPOBE_KILLS: how many SIGKILLs of the whole workflow, and how many kills of single stages; 20 by default.
"""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml

from repobe.__main__ import main

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("REPOBE_KILLS", "20"))
SEED = os.environ.get("REPOBE_SEED", "0")
TABLES = ("evasion.csv", "inversion.csv", "outcomes.parquet", "reconstructions.npz")
DERIVED = ("claims.csv", "evidence.csv", "comparison.csv", "decisions.csv", "readings.csv")
CLOCKED = ["seconds", "train_seconds", "images_per_second", "peak_memory_mb"]

RUN = "runs/digits/awgn/repobe/seed0"
STAGES = {  # each command with what it makes; of tables with a clock's columns, all but those is compared
    ("classifier", "data/digits.safetensors", "data/digits.classifier.safetensors", "--epochs", "1"): [
        "data/digits.classifier.safetensors"
    ],
    ("train", f"{RUN}/spec.yaml", "--device", "cpu"): [
        *(f"{RUN}/{name}" for name in ("model.safetensors", "history.csv", "cost.csv"))
    ],
    ("measure", f"{RUN}/spec.yaml", "--device", "cpu"): [
        *(f"{RUN}/{name}" for name in (*TABLES, "audit.csv")),
    ],
    ("tables", ".", f"{RUN}/spec.yaml"): [*(f"tables/{name}" for name in (*TABLES, "audit.csv", "cost.csv"))],
    ("claims", "."): ["claims.csv", "evidence.csv"],
}

pytestmark = pytest.mark.slow


def config(folder: Path, **departures) -> str:
    """The miniature with its results in `folder`; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    values = yaml.safe_load((ROOT / "config" / "miniature.yaml").read_text())
    values |= {"results_dir": str(folder / "results"), "figures_dir": str(folder / "figures")} | departures
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    return str(folder / "config.yaml")


def command(chosen: str, *options: str) -> list[str]:
    return ["snakemake", "--cores", "2", "--configfile", chosen, *options]


def snakemake(chosen: str, *options: str) -> subprocess.CompletedProcess:
    done = subprocess.run(command(chosen, *options), cwd=ROOT, capture_output=True, text=True, check=False)
    done.stdout += done.stderr
    return done


def begun(chosen: str, *options: str) -> subprocess.Popen:
    """A snakemake that leads a process group of its own."""
    with Path(chosen).with_name("console").open("w") as console:
        return subprocess.Popen(
            command(chosen, *options), cwd=ROOT, stdout=console, stderr=subprocess.STDOUT, start_new_session=True
        )


def without_clocks(path: Path) -> str:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    if "quantity" in frame:
        frame = frame[frame["quantity"] != "recovery_seconds"]
    return frame.drop(columns=[name for name in CLOCKED if name in frame]).to_csv()


def assert_same(one: Path, other: Path) -> None:
    """Byte for byte, but for what a clock has said."""
    if one.name in ("history.csv", "cost.csv", "audit.csv"):
        assert without_clocks(one) == without_clocks(other), one.name
    else:
        assert one.read_bytes() == other.read_bytes(), one.name


def assert_same_tables(one: Path, other: Path) -> None:
    inner = (*TABLES, "history.csv", "cost.csv", "audit.csv")
    for name in [*(f"tables/{name}" for name in inner), *DERIVED]:
        assert_same(one / name, other / name)


class Undisturbed(NamedTuple):
    """A run that nobody killed: its results folder, and how many seconds it took."""

    results: Path
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Undisturbed:
    chosen, began = config(tmp_path_factory.mktemp("reference")), time.monotonic()
    done = snakemake(chosen, "--nolock")
    assert done.returncode == 0, done.stdout[-4000:]
    return Undisturbed(Path(chosen).with_name("results"), time.monotonic() - began)


@pytest.fixture
def reference(undisturbed) -> Path:
    return undisturbed.results


def at_work(results: Path) -> str:
    """The stage that began last, by its log; "planning" before the first."""
    logs = [path for path in (results / "logs").rglob("*.log") if path.is_file()]
    newest = max(logs, key=lambda path: path.stat().st_mtime_ns, default=None)
    return newest.relative_to(results / "logs").parts[0].removesuffix(".log") if newest else "planning"


@pytest.mark.parametrize(("sent", "most"), [(signal.SIGKILL, KILLS), (signal.SIGTERM, 3)], ids=["kill", "term"])
def test_kills_of_the_whole_group_at_random_times_change_no_table(sent, most, undisturbed, tmp_path, capsys):
    """Each after a part of the time that the whole takes here: on a slow machine too, they fall on every stage."""
    chance, killed, rounds = random.Random(SEED), Counter(), 0
    while killed.total() < most:
        chosen, ended, rounds = config(tmp_path / str(rounds)), False, rounds + 1
        results = Path(chosen).with_name("results")
        while killed.total() < most and not ended:
            process = begun(chosen, "--nolock")
            try:
                process.wait(chance.uniform(0.05, 0.5) * undisturbed.seconds)
                ended = True
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, sent)
                process.wait(120)
                killed[at_work(results)] += 1
        done = snakemake(chosen, "--nolock")
        assert done.returncode == 0, done.stdout[-4000:]
        assert_same_tables(results, undisturbed.results)
        assert main(["verify", str(results)]) == 0
    with capsys.disabled():
        print(f"\n{killed.total()} kills of {rounds} workflows, by the stage that began last: {dict(killed)}")
    assert most < 20 or len(killed) >= 4  # they are spread over the workflow


def test_kills_of_single_stages_at_random_times_change_no_file(finished, tmp_path, monkeypatch):
    """SIGKILL and SIGTERM in turns; as Snakemake does, the outputs of a killed job are deleted before it runs again."""
    chance, kills, stages = random.Random(SEED), 0, itertools.cycle(STAGES.items())
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    while kills < KILLS:
        results = Path(shutil.copytree(finished, tmp_path / "results"))
        monkeypatch.chdir(results)
        stage, made = next(stages)
        _delete(results, made)
        process = subprocess.Popen(
            [sys.executable, "-m", "repobe", *stage], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(1, 8))
        if process.poll() is None:
            process.send_signal((signal.SIGKILL, signal.SIGTERM)[kills % 2])
            kills += process.wait() < 0  # unless it ended at that very moment
            _delete(results, made)
            assert main([*stage]) == 0
        for name in made:
            assert_same(results / name, finished / name)
        assert not list(results.rglob("*.part"))
        shutil.rmtree(results)


def _delete(results: Path, made: list[str]) -> None:
    for name in made:
        (results / name).unlink(missing_ok=True)


def test_a_snakemake_killed_alone_leaves_an_orphan_whose_successor_is_told_of_unlock(tmp_path):
    chosen = config(tmp_path, training={"epochs": 12, "batch_size": 64, "learning_rate": 0.05}, only="*/undefended")
    runs = tmp_path / "results" / "runs"
    process = begun(chosen)
    try:
        deadline = time.monotonic() + 120
        while not list(runs.rglob("resume.pt")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()  # the one process, as `kill -9` does: its training runs on
        process.wait()
        refused = snakemake(chosen)
        assert refused.returncode != 0
        assert "LockException" in refused.stdout
        assert "--unlock" in refused.stdout
        assert snakemake(chosen, "--unlock").returncode == 0
        done = snakemake(chosen)
        assert done.returncode == 0, done.stdout[-4000:]
    finally:
        with suppress(ProcessLookupError):  # the orphan has ended
            os.killpg(process.pid, signal.SIGKILL)
    (history,) = runs.rglob("history.csv")
    assert list(pd.read_csv(history)["epoch"]) == [*range(1, 13)]
    assert not list(runs.rglob("*.part"))
    assert main(["verify", str(tmp_path / "results")]) == 0


def test_of_two_snakemakes_in_one_folder_one_is_refused_and_the_other_ends_well(reference, tmp_path):
    chosen = config(tmp_path)
    first = begun(chosen)
    time.sleep(6)  # the lock is taken once the jobs are planned
    second = snakemake(chosen)
    assert first.wait() == 0
    assert second.returncode != 0 or "Nothing to be done" in second.stdout
    assert_same_tables(tmp_path / "results", reference)


def test_two_snakemakes_that_ignore_the_lock_never_leave_wrong_tables(reference, tmp_path):
    """They delete each other's files, so one may fail; the same command again ends well."""
    chosen = config(tmp_path)
    first, second = begun(chosen, "--nolock"), begun(chosen, "--nolock")
    first.wait(), second.wait()
    done = snakemake(chosen, "--nolock")
    assert done.returncode == 0, done.stdout[-4000:]
    assert_same_tables(tmp_path / "results", reference)
    assert main(["verify", str(tmp_path / "results")]) == 0
