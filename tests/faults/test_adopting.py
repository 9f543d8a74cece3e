"""Finished results whose times a copy has lost: `adopt` looks at their content, and gives them times in order."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from conftest import CONFIG

from repobe.__main__ import main
from repobe.runs.adopting import _in_order
from repobe.runs.folders import run_folder

INPUTS = ("data/digits.safetensors", "data/digits.classifier.safetensors")


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """<results> as a copy without times may leave it: what was made first is the newest."""
    results = tmp_path / "results"
    shutil.copytree(finished, results)
    for place, path in enumerate(sorted(results.rglob("*"), key=lambda path: -path.stat().st_mtime_ns)):
        os.utime(path, (1_000_000 + place, 1_000_000 + place))
    return results


def adopt(results: Path, capsys, **departures) -> list[str]:
    path = results.parent / "config.yaml"
    methods = {"methods": {"repobe": {}}}
    path.write_text(yaml.safe_dump(CONFIG | methods | {"results_dir": str(results)} | departures))
    assert main(["adopt", str(path)]) == 0
    return capsys.readouterr().out.splitlines()


def times(results: Path, run: Path) -> list[int]:
    files = [results / name for name in INPUTS] + [run / "spec.yaml", run / "model.safetensors", run / "evasion.csv"]
    return [path.stat().st_mtime_ns for path in files]


def test_a_finished_run_gets_times_in_the_order_of_its_making(copied, capsys):
    run = copied / "runs/digits/awgn/repobe/seed0"
    assert times(copied, run) != sorted(times(copied, run))
    assert adopt(copied, capsys) == [f"{copied}: 1 of 1 runs adopted"]
    assert times(copied, run) == sorted(times(copied, run))
    assert min(times(copied, run)) > 1_000_000_000_000_000_000  # today


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.safetensors", "model.safetensors is not what was written"),
        ("evasion.csv", "evasion.csv is not what was written"),
    ],
)
def test_a_run_that_was_altered_is_left_alone_and_named(name, reason, copied, capsys):
    run = copied / "runs/digits/awgn/repobe/seed0"
    (run / name).write_bytes((run / name).read_bytes() + b"\n")
    before = times(copied, run)
    lines = adopt(copied, capsys)
    assert lines[0] == f"digits/awgn/repobe/seed0: not adopted, {reason}"
    assert lines[1] == f"{copied}: 0 of 1 runs adopted"
    assert times(copied, run)[2:] == before[2:]


def test_a_classifier_that_was_not_copied_is_named_and_another_datasets_does_not_matter(copied, capsys):
    record = copied / "data" / "other.sha256.json"
    record.write_text('{"other.safetensors": "0"}')
    assert adopt(copied, capsys) == [f"{copied}: 1 of 1 runs adopted"]
    (copied / "data" / "digits.classifier.safetensors").unlink()
    assert adopt(copied, capsys)[0].endswith("not adopted, digits.classifier.safetensors is missing; copy it too")


def test_each_model_is_younger_than_its_teacher_also_in_a_chain_of_them(tmp_path, specs):
    """c teaches b, which teaches a."""
    chain = {"a": "b", "b": "c", "c": None}
    runs = [replace(specs["repobe"], label=label, after=teacher) for label, teacher in chain.items()]
    for spec in runs:
        model = run_folder(tmp_path, spec.path) / "model.safetensors"
        model.parent.mkdir(parents=True)
        model.touch()
    models = [file.parts[-3] for file in _in_order(runs, tmp_path)]
    assert models == ["c", "b", "a"]


def test_where_no_run_lies_one_line_says_so(tmp_path, capsys):
    (line,) = adopt(tmp_path / "nothing", capsys)
    assert line == f"{tmp_path}/nothing: nothing to adopt, none of the 1 runs is there; copy {tmp_path}/nothing/ first"


def test_a_run_of_another_config_of_other_data_or_unfinished_is_not_adopted(copied, finished, capsys):
    run = copied / "runs/digits/awgn/repobe/seed0"
    (line, _) = adopt(copied, capsys, training=CONFIG["training"] | {"epochs": 9})
    assert line.endswith("its folder holds a run of another config")
    text = (run / "provenance.json").read_text()
    (run / "train.sha256.json").unlink()
    assert adopt(copied, capsys)[0].endswith("not adopted, it has no checksums")
    shutil.copy(finished / "runs/digits/awgn/repobe/seed0/train.sha256.json", run)
    assert text == (run / "provenance.json").read_text()
    (run / "audit.csv").unlink()
    assert "not adopted, waiting for measure" in adopt(copied, capsys)[0]
    shutil.copy(finished / "runs/digits/awgn/repobe/seed0/audit.csv", run)
    (copied / "data" / "digits.safetensors").unlink()
    assert adopt(copied, capsys)[0].endswith("digits.safetensors is not there; copy it too")
