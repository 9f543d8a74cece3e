"""Work that was done stays done: a step that fails after the last checkpoint, a kill, an orphan and its successor."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from baselines import undefended
from repobe.__main__ import main
from repobe.images import datasets
from repobe.runs import checksums, files, locks, provenance
from repobe.runs.spec import Spec
from repobe.stages import evaluate, pipeline
from repobe.training import algorithm

TRAINED = ("model.safetensors", "history.csv", "cost.csv", "provenance.json")
MEASURED = ("evasion.csv", "outcomes.parquet", "inversion.csv", "reconstructions.npz", "audit.csv")


def fails(*_, **__):
    raise OSError("the step after it failed")


def untouched(*_, **__):
    raise AssertionError("it was done again")


def as_snakemake_does(run: Path, names: tuple[str, ...]) -> None:
    """A job that failed, or that was not noted as done: Snakemake deletes its outputs."""
    for name in names:
        (run / name).unlink(missing_ok=True)


@pytest.mark.parametrize("step", [(provenance, "write"), (checksums, "record"), (None, "killed before it was noted")])
def test_a_training_that_ended_is_not_trained_again_whatever_fails_after_it(step, run, monkeypatch, capsys):
    before = (run / "model.safetensors").read_bytes()
    train = ["train", str(run / "spec.yaml"), "--device", "cpu"]
    as_snakemake_does(run, TRAINED)
    with monkeypatch.context() as patched:
        if step[0]:
            patched.setattr(*step, fails)
        assert main(train) == (2 if step[0] else 0)
        assert not step[0] or capsys.readouterr().err.endswith("repobe: the step after it failed\n")
    as_snakemake_does(run, TRAINED)
    monkeypatch.setattr(algorithm.Method, "update", untouched)
    assert main(train) == 0
    assert (run / "model.safetensors").read_bytes() == before
    assert (run / "resume.pt").exists()  # until the run is measured
    assert main(["measure", str(run / "spec.yaml"), "--device", "cpu"]) == 0
    assert not (run / "resume.pt").exists()


def test_what_was_measured_of_another_test_split_is_measured_again(run, monkeypatch, capsys):
    """The training does not see the test split, so the weights, and all else that is kept, stay the same."""
    data = run.parents[4] / "data" / "digits.safetensors"
    held, about = load_file(data), files.about(data)
    held["test_label"] = held["test_label"].flip(0).contiguous()
    save_file(held, data, {"about": json.dumps(about | {"sha256": datasets._digest(held)})})
    (data.parent / "digits.sha256.json").unlink(missing_ok=True)
    as_snakemake_does(run, MEASURED)
    monkeypatch.setattr(evaluate, "unattacked", fails)
    assert main(["measure", str(run / "spec.yaml"), "--device", "cpu"]) == 2
    assert "the step after it failed" in capsys.readouterr().err


def test_without_git_a_training_ends_well_and_its_commit_is_unknown(run, tmp_path):
    as_snakemake_does(run, TRAINED)
    command = [sys.executable, "-m", "repobe", "train", str(run / "spec.yaml"), "--device", "cpu"]
    env = os.environ | {"PATH": str(tmp_path / "nothing")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"commit": "unknown' in (run / "provenance.json").read_text()


def test_a_measurement_that_ended_is_not_measured_again_if_its_last_step_fails(run, monkeypatch, capsys):
    before = {name: (run / name).read_bytes() for name in MEASURED}
    measure = ["measure", str(run / "spec.yaml"), "--device", "cpu"]
    as_snakemake_does(run, MEASURED)
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "_write_audit", fails)
        assert main(measure) == 2
    as_snakemake_does(run, MEASURED)
    monkeypatch.setattr(evaluate, "unattacked", untouched)
    monkeypatch.setattr(evaluate, "attacked", untouched)
    assert main(measure) == 0
    after = {name: (run / name).read_bytes() for name in MEASURED}
    differ = {name for name in MEASURED if after[name] != before[name]}
    assert differ <= {"audit.csv"}  # it has the seconds that a recovery took


def test_other_code_does_not_go_on_with_what_earlier_code_began(run, finished, monkeypatch, capsys):
    as_snakemake_does(run, TRAINED)
    shutil.copy(finished.parent / "resume.pt", run)
    monkeypatch.setattr("repobe.training.loop.code_digest.trained_by", lambda method: "other-code")
    assert main(["train", str(run / "spec.yaml"), "--device", "cpu"]) == 0
    assert "was saved by another training or by other code: starting again" in capsys.readouterr().err


@pytest.fixture
def long(results) -> Path:
    """The spec.yaml of a run of 20 epochs of `undefended`."""
    values = Spec.load(results / "runs/digits/awgn/repobe/seed0/spec.yaml").as_dict()
    values |= {"label": "undefended", "method": "undefended", "training": values["training"] | {"epochs": 20}}
    spec = Spec.from_dict(values)
    path = results / "runs" / spec.path / "spec.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(spec.dump())
    return path


def begun(spec: Path) -> subprocess.Popen:
    """A training of its own process, once its first epoch is saved."""
    command = [sys.executable, "-m", "repobe", "train", str(spec), "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 120
    while not (spec.parent / "resume.pt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    return process


def test_an_orphans_successor_waits_for_it_names_it_and_trains_nothing_again(long, monkeypatch, capsys):
    """As after `kill -9` of snakemake: its training runs on, and the next snakemake begins the same one."""
    orphan = begun(long)
    monkeypatch.setattr(undefended.Method, "update", untouched)
    assert main(["train", str(long), "--device", "cpu"]) == 0
    assert orphan.wait() == 0
    assert f"repobe: process {orphan.pid} on " in capsys.readouterr().out
    assert len(pd.read_csv(long.parent / "history.csv")) == 20
    assert all(checksums.compared(long.parent).values())


@pytest.mark.parametrize("sent", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_lock_of_a_killed_training_is_gone_with_it_and_its_epochs_stay(sent, long, monkeypatch, capsys):
    """SIGTERM is what a cluster sends."""
    killed = begun(long)
    killed.send_signal(sent)
    assert killed.wait() == -sent
    kept = len(torch.load(long.parent / "resume.pt", weights_only=True)["history"])
    update, updates = undefended.Method.update, []
    monkeypatch.setattr(undefended.Method, "update", lambda *batch: updates.append(batch) or update(*batch))
    (long.parent / "model.safetensors.0badcafe.part").write_bytes(b"half a file")
    assert main(["train", str(long), "--device", "cpu"]) == 0
    assert "at work" not in capsys.readouterr().out
    assert len(updates) == 2 * (20 - kept)  # 128 images in batches of 64
    assert not list(long.parent.glob("*.part"))


def test_a_file_system_without_locks_is_said_and_the_work_is_done(tmp_path, monkeypatch, capsys):
    def unsupported(*_):
        raise OSError(locks.errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    with locks.alone(tmp_path):
        pass
    assert "this file system has no lock for" in capsys.readouterr().err
