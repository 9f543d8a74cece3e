"""What MLflow shows of a run, and that each run is there once: on a database made for the test."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import CONFIG
from tracked_runs import COMMIT, make_run

from repobe.report.tracking.contents import Seed, configuration, configuration_of, contents, measured
from repobe.report.tracking.runs import track
from repobe.runs.grid import grid
from repobe.runs.spec import Spec
from repobe.tables.results import read
from repobe.tables.schema import KEYS

REFERENCE = Path(__file__).parent.parent / "results" / "reference"
ENDED = 1767323045000  # 2026-01-02T03:04:05Z: date -d 2026-01-02T03:04:05Z +%s


@pytest.fixture
def results(beside_mlflow) -> Path:
    return beside_mlflow


def client(results: Path):
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{results / 'mlflow' / 'mlflow.db'}")


def found(results: Path, query: str = "") -> list:
    there = client(results)
    return [*there.search_runs([there.get_experiment_by_name("repobe").experiment_id], query)]


def tracked(results: Path, specs: list[Path], uri: str | None = None) -> dict[str, str]:
    track(results, results.parent / "figures", specs, uri)
    return json.loads((results / "tracked.json").read_text())


def test_metrics_are_named_with_the_snr_and_without_spaces(tmp_path):
    spec = make_run(tmp_path)
    named = {metric.name: metric.value for metric in contents(Spec.load(spec), spec.parent).metrics if not metric.step}
    assert named == {
        "natural_accuracy/7.5dB": 0.9,
        "natural_accuracy/-0.5dB": 0.9,
        "adversarial_accuracy/paper_eps0.016_7.5dB": 0.5,
        "inversion_ssim/keyless_23dB": 0.25,
        "audit_key_recovered/4x4_fixed_1known_-10dB": 1.0,
        "cost/parameters": 1000,
        "cost/symbols_k": 8,
        "cost/flops": 2000,
        "cost/train_seconds": 60,
        "cost/images_per_second": 5,
        "cost/peak_memory_mb": 10,
    }


@pytest.mark.parametrize("name", sorted(path.parents[1].name for path in REFERENCE.glob("*/tables/cost.csv")))
def test_every_row_of_a_committed_run_is_a_metric_of_its_own(name):
    tables = {table: read(REFERENCE / name / "tables" / f"{table}.csv") for table in KEYS}
    run = ["method", "dataset", "channel", "snr_train_db", "seed"]
    parts = {table: dict([*frame.groupby([frame[key].astype(str) for key in run])]) for table, frame in tables.items()}
    assert parts["cost"]
    for one in parts["cost"]:
        mine = {table: of.get(one, tables[table][:0]) for table, of in parts.items()}
        metrics = measured(mine, 0)
        assert len({metric.name for metric in metrics}) == sum(map(len, mine.values())) - 1 + 6  # a cost row is six
        assert not any(" " in metric.name for metric in metrics)


def test_two_rows_of_one_name_are_an_error_that_says_it(tmp_path):
    spec = make_run(tmp_path)
    row = pd.read_csv(spec.parent / "inversion.csv")
    pd.concat([row, row.assign(knowledge="more")]).to_csv(spec.parent / "inversion.csv", index=False)
    with pytest.raises(ValueError, match="inversion_ssim/keyless_23dB"):
        contents(Spec.load(spec), spec.parent)


def test_validations_have_their_own_step_and_time(tmp_path):
    """The parts of the training took 10, 20 and 30 s, and the last ended with it."""
    spec = make_run(tmp_path)
    shown = contents(Spec.load(spec), spec.parent)
    losses = [(m.step, m.time_ms - ENDED, m.value) for m in shown.metrics if m.name == "training/loss"]
    assert losses == [(1, -50_000, 3.0), (2, -30_000, 2.0), (3, 0, 1.0)]
    assert (shown.began_ms, shown.ended_ms) == (ENDED - 100_000, ENDED)


@pytest.mark.parametrize(
    ("commit", "tag", "changed"), [(COMMIT, COMMIT, "false"), (f"{COMMIT}+changes", COMMIT, "true")]
)
def test_the_commit_is_mlflows_own_tag(commit, tag, changed, tmp_path):
    spec = make_run(tmp_path, commit=commit)
    tags = contents(Spec.load(spec), spec.parent).tags
    assert (tags["mlflow.source.git.commit"], tags["uncommitted_changes"]) == (tag, changed)


def test_code_outside_git_has_no_commit(tmp_path):
    spec = make_run(tmp_path, commit="not in git")
    assert "mlflow.source.git.commit" not in contents(Spec.load(spec), spec.parent).tags


def test_a_configuration_is_the_mean_of_what_all_its_seeds_have(tmp_path):
    specs = [make_run(tmp_path, seed, accuracy) for seed, accuracy in ((0, 0.9), (1, 0.7))]
    history = pd.DataFrame({"epoch": [1, 2], "loss": [5.0, 4.0], "seconds": [10.0, 20.0]})
    history.to_csv(specs[1].parent / "history.csv", index=False)
    evasion = pd.read_csv(specs[1].parent / "evasion.csv")
    evasion[evasion["attack"] == "none"].to_csv(specs[1].parent / "evasion.csv", index=False)
    shown = configuration([Seed(Spec.load(path), path.parent) for path in specs])
    mean = {(m.name, m.step): m.value for m in shown.metrics}
    assert mean["natural_accuracy/-0.5dB", 0] == pytest.approx(0.8)
    assert ("adversarial_accuracy/paper_eps0.016_7.5dB", 0) not in mean
    losses = [(step, value) for (name, step), value in mean.items() if name == "training/loss"]
    assert losses == [(1, (3 + 5) / 2), (2, (2 + 4) / 2)]


def test_the_models_of_a_matched_configuration_are_apart():
    specs = grid(CONFIG | {"only": "*/repobe", "methods": {"repobe": {"snr_train_db": "matched"}}})
    assert [configuration_of(spec) for spec in specs] == ["digits/awgn/repobe/7db", "digits/awgn/repobe/23db"]


def test_a_run_is_found_by_its_tags_and_has_its_times_and_its_user(results):
    spec = make_run(results)
    made = tracked(results, [spec])
    (run,) = found(
        results,
        "tags.dataset = 'digits' and tags.channel = 'awgn' and tags.method = 'repobe' and tags.task = 'classification' "
        "and tags.seed = '0' and tags.image_size = '16' and tags.precision = 'float32' and tags.level = 'seed' "
        "and metrics.`natural_accuracy/-0.5dB` > 0.8",
    )
    assert run.info.run_id == made["digits/awgn/repobe/seed0"]
    assert (run.info.start_time, run.info.end_time, run.info.status) == (ENDED - 100_000, ENDED, "FINISHED")
    assert run.data.tags["mlflow.source.git.commit"] == COMMIT
    assert run.info.user_id == run.data.tags["mlflow.user"] != ""
    assert run.data.params["training.learning_rate"] == "0.05"
    assert run.data.params["snr_db"] == "[7, 23]"
    steps = client(results).get_metric_history(run.info.run_id, "training/loss")
    assert [(m.step, m.timestamp - ENDED, m.value) for m in steps] == [(1, -50_000, 3), (2, -30_000, 2), (3, 0, 1)]
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", ("ab" * 32)[:36])


def test_seeds_lie_below_their_configuration_and_the_figures_in_one_run(results):
    for name in ("fig3a.png", "fig3a.csv", "fig3b.png"):
        (results.parent / "figures").mkdir(exist_ok=True)
        (results.parent / "figures" / name).write_bytes(name.encode())
    (results / "report.html").write_text("<html>")
    made = tracked(results, [make_run(results, seed) for seed in (0, 1)])
    assert [*made] == ["digits/awgn/repobe", "digits/awgn/repobe/seed0", "digits/awgn/repobe/seed1", "grid"]
    below = found(results, f"tags.`mlflow.parentRunId` = '{made['digits/awgn/repobe']}'")
    assert {run.info.run_id for run in below} == {made[f"digits/awgn/repobe/seed{k}"] for k in (0, 1)}
    files = {path: _files(results, key) for path, key in made.items()}
    assert files["grid"] == ["fig3a.png", "fig3b.png", "report.html"]
    assert files["digits/awgn/repobe"] == []
    tables = [f"tables/{name}.csv" for name in ("audit", "cost", "evasion", "history", "inversion")]
    own = ["model.safetensors", "pictures/keyless.png", "provenance.json", "spec.yaml", *tables]
    assert files["digits/awgn/repobe/seed0"] == own


def _files(results: Path, key: str) -> list[str]:
    folder = results / "mlflow" / "mlartifacts" / "repobe" / key / "artifacts"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_weights_take_no_space_twice(results):
    spec = make_run(results)
    made = tracked(results, [spec])["digits/awgn/repobe/seed0"]
    copy = results / "mlflow" / "mlartifacts" / "repobe" / made / "artifacts" / "model.safetensors"
    assert copy.samefile(spec.parent / "model.safetensors")


def test_tracking_again_changes_nothing_and_reads_no_table(results, monkeypatch):
    specs = [make_run(results, seed) for seed in (0, 1)]
    first = tracked(results, specs)
    monkeypatch.delattr("repobe.report.tracking.contents.read")
    assert tracked(results, specs) == first
    assert len(found(results)) == 4


def test_a_run_that_was_trained_anew_replaces_its_predecessor(results):
    first = tracked(results, [make_run(results, seed) for seed in (0, 1)])
    again = tracked(results, [make_run(results, 0, accuracy=0.8), make_run(results, 1)])
    other = {path for path in first if first[path] != again[path]}
    assert other == {"digits/awgn/repobe", "digits/awgn/repobe/seed0"}
    assert {run.info.run_id for run in found(results)} == {*again.values()}
    assert _files(results, first["digits/awgn/repobe/seed0"]) == []
    kept = client(results).get_run(again["digits/awgn/repobe/seed1"])
    assert kept.data.tags["mlflow.parentRunId"] == again["digits/awgn/repobe"]


def test_a_run_that_a_killed_tracking_left_is_made_anew(results):
    specs = [make_run(results)]
    first = tracked(results, specs)
    client(results).set_terminated(first["digits/awgn/repobe/seed0"], "KILLED")
    again = tracked(results, specs)
    assert again["digits/awgn/repobe/seed0"] != first["digits/awgn/repobe/seed0"]
    assert {run.info.run_id for run in found(results)} == {*again.values()}


def test_two_results_folders_share_a_store_and_delete_nothing_of_each_other(results, tmp_path):
    """The same paths with other numbers, brought in turns."""
    uri = f"sqlite:///{results / 'mlflow' / 'mlflow.db'}"
    folders = [tmp_path / "a", tmp_path / "b"]
    specs = [[make_run(folder, accuracy=0.5 + k / 10)] for k, folder in enumerate(folders)]
    first = [tracked(folder, mine, uri) for folder, mine in zip(folders, specs, strict=True)]
    assert [tracked(folder, mine, uri) for folder, mine in zip(folders, specs, strict=True)] == first
    assert {run.info.run_id for run in found(results)} == {*first[0].values(), *first[1].values()}
    assert len(found(results)) == 6
    assert {run.data.tags["results"] for run in found(results)} == {str(folder) for folder in folders}


def test_a_copy_of_a_results_folder_is_another_one(results, tmp_path):
    uri = f"sqlite:///{results / 'mlflow' / 'mlflow.db'}"
    first = tracked(tmp_path / "a", [make_run(tmp_path / "a")], uri)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    make_run(tmp_path / "b", accuracy=0.1)  # trained anew there
    second = tracked(tmp_path / "b", [*(tmp_path / "b").rglob("spec.yaml")], uri)
    assert {run.info.run_id for run in found(results)} == {*first.values(), *second.values()}


SERVED = """
import os, sys
from mlflow.server import app
answer = app.test_client().get(f"/get-artifact?path={sys.argv[1]}&run_uuid={sys.argv[2]}")
sys.stdout.buffer.write(answer.data)
"""


def test_a_moved_folder_shows_its_artifacts_and_takes_nothing_for_new(results, tmp_path):
    """As `mlflow ui`, started in the moved folder without options, serves them."""
    first = tracked(results, [make_run(results)])
    moved = tmp_path / "elsewhere" / "of it"
    moved.parent.mkdir()
    results.rename(moved)
    from mlflow.server import ARTIFACTS_DESTINATION_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, SERVE_ARTIFACTS_ENV_VAR

    serving = {BACKEND_STORE_URI_ENV_VAR: "sqlite:///mlflow.db", ARTIFACTS_DESTINATION_ENV_VAR: "./mlartifacts"}
    done = subprocess.run(
        [sys.executable, "-c", SERVED, "spec.yaml", first["digits/awgn/repobe/seed0"]],
        cwd=moved / "mlflow",
        env={"PATH": "/usr/bin:/bin", SERVE_ARTIFACTS_ENV_VAR: "true"} | serving,
        capture_output=True,
        check=True,
    )
    assert yaml.safe_load(done.stdout)["label"] == "repobe"
    assert tracked(moved, [*moved.rglob("runs/**/spec.yaml")]) == first
    assert len(found(moved)) == 3


def test_the_experiment_opens_on_runs_and_not_on_the_page_for_language_models(results):
    tracked(results, [make_run(results)])
    assert client(results).get_experiment_by_name("repobe").tags["mlflow.experimentKind"] == "custom_model_development"
