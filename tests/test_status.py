import errno
import json
import os
import shutil
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
import yaml

from repobe.__main__ import main
from repobe.runs import devices, gpus, locks, progress
from repobe.runs.progress import Progress, clock
from repobe.runs.result_cache import ResultCache
from repobe.runs.status import FAULT, STAGES, is_finished, lost_files, state_of
from repobe.stages import pipeline
from repobe.systems import precision


@pytest.fixture
def run(specs, tmp_path):
    folder = tmp_path / "runs" / specs["repobe"].path
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(specs["repobe"].dump())
    return folder


def leave(run, *stages: str) -> None:
    for stage in stages:
        for name in STAGES[stage]:
            (run / name).touch()


def log(tmp_path, spec, stage: str, text: str) -> None:
    path = tmp_path / "logs" / stage / f"{spec.path}.log"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_a_log_has_rare_plain_lines_with_the_time_left(specs, run, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LOG_INTERVAL_S", 1000.0)
    with Progress(specs["repobe"], run, "train", 3) as told:
        for score in (0.1, 0.2, 0.3):
            told.step(f"validation {score}")
    lines = capsys.readouterr().err.splitlines()
    assert [line[20:] for line in lines] == [  # after the date and the time
        f"train {specs['repobe'].path}: 3 steps",
        f"train {specs['repobe'].path}: 3 of 3, validation 0.3, 0:00 left",
    ]


def test_the_file_says_where_a_stage_is_and_goes_with_its_end(specs, run):
    with Progress(specs["repobe"], run, "train", 8, done=3) as told:
        told.began -= 10  # ten seconds ago
        told.step()
        state = json.loads((run / "train.progress.json").read_text())
        assert (state["done"], state["total"], state["pid"]) == (4, 8, os.getpid())
        assert state["seconds_left"] == pytest.approx(40, abs=1)
    assert not (run / "train.progress.json").exists()
    with pytest.raises(KeyError), Progress(specs["repobe"], run, "train", 8):
        raise KeyError
    assert (run / "train.progress.json").exists()


def test_steps_that_an_earlier_job_kept_do_not_make_the_time_left_shorter(specs, run, capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with Progress(specs["repobe"], run, "evaluate", 12) as told:

        def left() -> float | None:
            return json.loads((run / "evaluate.progress.json").read_text())["seconds_left"]

        for _ in range(7):
            told.step("read back", True)
        assert left() is None  # nothing tells yet how long a step takes
        now += 30
        told.step("new")
        assert left() == 4 * 30  # by all eight steps it would be 15
        told.step("read back", True)
        assert left() == 3 * 30
        now += 10
        told.step("new")
        assert left() == 2 * 20  # 40 seconds for two
        assert told.done == 10
    lines = capsys.readouterr().err.splitlines()
    assert [line[20:].partition(": ")[2] for line in lines] == [
        "12 steps", "8 of 12, new, 2:00 left", "10 of 12, new, 0:40 left",
    ]  # fmt: skip


def test_a_result_that_is_kept_says_so_where_it_is_told(tmp_path):
    (tmp_path / "model").write_text("weights")
    told = []
    for names in (["a"], ["a", "b"]):
        cache = ResultCache(tmp_path / "partial", tmp_path / "model", told=lambda *what: told.append(what))
        for name in names:
            cache(name, lambda: {"value": 1})
    assert told == [("a", False), ("a", True), ("b", False)]


def test_a_part_that_a_killed_job_left_hides_no_packed_one_of_other_settings(tmp_path):
    """A radius is tried, and the old one asked for again."""
    (tmp_path / "model").write_text("weights")
    told = []

    def job() -> ResultCache:
        return ResultCache(tmp_path / "partial", tmp_path / "model", told=lambda *what: told.append(what))

    first = job()
    first("a", lambda: {"value": 1}, eps=0.1)
    first.pack()
    job()("a", lambda: {"value": 2}, eps=0.2)  # killed before it is packed
    for _ in range(2):
        last = job()
        assert last("a", lambda: {"value": 3}, eps=0.1) == {"value": 1}
        last.pack()
    assert told == [("a", False), ("a", False), ("a", True), ("a", True)]


def test_a_damaged_part_takes_no_packed_one_away(tmp_path):
    """The job that finds it does not ask for it: its attack is left out for a while."""
    (tmp_path / "model").write_text("weights")

    def job() -> ResultCache:
        return ResultCache(tmp_path / "partial", tmp_path / "model")

    first = job()
    first("a", lambda: {"value": 1})
    first.pack()
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "a.pt").write_bytes(b"half a part")
    job().pack()
    assert job()("a", lambda: {"value": 2}) == {"value": 1}


def test_times_are_written_as_on_a_clock():
    assert [clock(s) for s in (0, 59.6, 61, 3725)] == ["0:00", "1:00", "1:01", "1:02:05"]


def test_a_run_is_not_started_then_at_work_then_waiting_then_done(specs, run, tmp_path):
    spec = specs["repobe"]
    assert state_of(spec, tmp_path) == ("not started", "")
    with Progress(spec, run, "train", 3) as told:
        told.step()
        state, note = state_of(spec, tmp_path)
        assert state == "running"
        assert note.startswith("train: step 1 of 3, 0:00 left, reported 0:00 ago")
    leave(run, "train")
    assert state_of(spec, tmp_path) == ("waiting", "for measure")
    leave(run, "measure")
    assert state_of(spec, tmp_path) == ("done", "")


def test_a_measurement_goes_on_only_with_the_same_data_on_the_same_kind_of_device(specs):
    """A GPU draws other noise from the same seed, so kept parts and new ones would not fit together."""

    def opened(sha256: str, device: str) -> SimpleNamespace:
        return SimpleNamespace(spec=specs["repobe"], data=SimpleNamespace(sha256=sha256, device=torch.device(device)))

    same, again, other_data, other_device = (
        pipeline._measuring(opened(*one)) for one in (("a", "cpu"), ("a", "cpu"), ("b", "cpu"), ("a", "cuda:1"))
    )
    assert same == again
    assert len({same, other_data, other_device}) == 3
    assert other_device == pipeline._measuring(opened("a", "cuda:0"))


def test_a_measuring_job_says_which_of_its_parts_it_is_at(specs, run, tmp_path):
    leave(run, "train")
    with Progress(specs["repobe"], run, "invert", 2):
        state, note = state_of(specs["repobe"], tmp_path)
    assert state == "running"
    assert note.startswith("measure: step 0 of 2")


def test_a_damaged_file_of_a_run_is_named_and_one_of_its_progress_says_nothing(specs, run, tmp_path):
    (run / "train.progress.json").write_text("[]")
    assert state_of(specs["repobe"], tmp_path) == ("not started", "")
    leave(run, "train", "measure")
    (run / "cost.csv").write_bytes(b"code\n\xff\n")
    with pytest.raises(ValueError, match=r"cost.csv is damaged .*; delete it and run again"):
        state_of(specs["repobe"], tmp_path)
    (run / "spec.yaml").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"spec.yaml is damaged .*; delete it and run again"):
        state_of(specs["repobe"], tmp_path)


def test_a_killed_process_leaves_a_run_interrupted_and_another_hosts_is_believed(specs, run, tmp_path):
    spec = specs["repobe"]
    Progress(spec, run, "train", 3)
    path = run / "train.progress.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"pid": 2**22 + 1}))  # above Linux' largest
    assert state_of(spec, tmp_path)[0] == "interrupted"
    path.write_text(json.dumps(state | {"pid": 2**22 + 1, "host": "elsewhere"}))
    assert state_of(spec, tmp_path)[0] == "running"
    path.write_text(json.dumps(state | {"spec_sha256": "of another run"}))
    assert state_of(spec, tmp_path)[0] == "not started"


@pytest.mark.parametrize(
    ("last", "state"),
    [
        ("repobe: the term 'loss' is nan by epoch 2", "failed"),
        ("torch.OutOfMemoryError: CUDA out of memory", "failed"),
        ("KeyboardInterrupt", "failed"),
        ("repobe: interrupted", "interrupted"),
        ("Killed", "failed"),
        ("2026-11-24 21:00:00 train digits/awgn/repobe/seed0: 1 of 3, 0:10 left", "not started"),
        ("/usr/lib/python3/x.py:3: UserWarning: Error in the weather", "not started"),
    ],
)
def test_a_log_that_ends_in_an_error_is_a_failure(last, state, specs, run, tmp_path):
    log(tmp_path, specs["repobe"], "train", f"first\n{last}\n")
    assert state_of(specs["repobe"], tmp_path)[0] == state


def test_what_a_job_says_before_its_first_step_is_no_failure(specs, run, tmp_path, capsys, monkeypatch):
    """The prototypes of Eq. 16 take minutes at S = 224, and until then the log ends in such a line."""
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: False)
    devices.choose("auto", 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(gpus, "_claim", lambda names: names[0])
    gpus.take(1, "auto")
    monkeypatch.setattr(precision, "native", lambda device: False)
    precision.warn_where_emulated("bfloat16", torch.device("cpu"))
    monkeypatch.setattr(locks.fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "none")))
    with locks.alone(tmp_path):
        pass
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert not FAULT.match(line)
    log(tmp_path, specs["repobe"], "train", lines[0])
    assert state_of(specs["repobe"], tmp_path)[0] == "not started"


def test_what_another_config_left_does_not_count(specs, run, tmp_path):
    leave(run, *STAGES)
    (run / "spec.yaml").write_text(specs["undefended"].dump())
    assert state_of(specs["repobe"], tmp_path) == ("not started", "its folder holds a run of another config")


def test_the_command_line_counts_a_grid(config, specs, run, tmp_path, capsys):
    leave(run, *STAGES)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config | {"results_dir": str(tmp_path)}))
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))
    assert main(["status", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["digits/awgn/repobe/seed0", "done"] in [line.split() for line in lines]
    assert lines[-1] == f"{path}: 4 runs in {tmp_path}: 1 done, 3 not started"
    assert "left out" not in lines[-3]
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


def test_methods_that_only_leaves_out_are_named(config, tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config | {"only": "*/repobe */undefended"}))
    assert main(["status", str(path)]) == 0
    assert "left out by the config's `only`: repobe_adversarial, repobe_reconstruction" in capsys.readouterr().out


def test_a_file_that_is_no_config_gets_one_line(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    for text in (None, "seeds: [0]", "a: [", "just words"):
        if text is not None:
            path.write_text(text)
        assert main(["status", str(path)]) == 2
        error = capsys.readouterr().err
        assert str(path) in error
        assert len(error.splitlines()) == 1


def test_a_run_is_finished_if_every_file_is_there_and_the_config_is_the_same(specs, run, tmp_path):
    assert not is_finished(specs["repobe"], tmp_path)
    leave(run, *STAGES)
    assert is_finished(specs["repobe"], tmp_path)
    (run / "spec.yaml").write_text(specs["undefended"].dump())  # made with other settings
    assert not is_finished(specs["repobe"], tmp_path)
    (run / "spec.yaml").write_text(specs["repobe"].dump())
    (run / "audit.csv").unlink()
    assert not is_finished(specs["repobe"], tmp_path)


def test_a_file_that_lacks_in_a_runs_folder_is_lost_and_a_folder_that_is_gone_is_not(specs, run, tmp_path):
    leave(run, *STAGES)
    assert lost_files(specs["repobe"], tmp_path) == []
    (run / "model.safetensors").unlink()
    (run / "audit.csv").unlink()
    assert lost_files(specs["repobe"], tmp_path) == [str(run / "model.safetensors"), str(run / "audit.csv")]
    shutil.rmtree(run)
    assert lost_files(specs["repobe"], tmp_path) == []
