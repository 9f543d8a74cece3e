import copy
import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from repobe.runs.grid import grid
from repobe.runs.spec import Spec

# Under `make test` a test's own `make` would take itself for a part of it: other lines, other options.
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(name, None)


# Files go to the cores in this order; one that takes minutes and starts last leaves the other cores with nothing to do.
# `testpaths` cannot say it: of two folders, one in the other, pytest keeps the outer one and goes by the alphabet.
LONGEST = ["test_workflow.py", "test_methods.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # the last two switch Python's own remedy off
CONFIG = {
    "results_dir": "results",
    "figures_dir": "figures",
    "data_dir": None,
    "mlflow_uri": None,
    "only": "*",
    "datasets": {"digits": {"image_size": 16, "train_images": 128}},
    "channels": ["awgn"],
    "methods": {
        "undefended": {},
        "repobe": {},
        "repobe_adversarial": {"method": "repobe", "hyper": {"adversarial": True}, "after": "undefended"},
        "repobe_reconstruction": {"method": "repobe", "task": "reconstruction"},
    },
    "seeds": [0],
    "snr_db": [7, 23],
    "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.05},
    "evaluation": {"draws": 2, "attacks": {"paper": {"kind": "pgd", "images": 20}}},
    "inversion": {"attackers": ["keyless"], "snr_db": [23], "epochs": 1, "images": 100},
    "audit": {"trials": 2, "snr_db": [23], "known_messages": [1]},
    "threads": 1,
}


EVASION_ROW = {
    "method": "repobe", "dataset": "mnist", "image_size": 64, "channel": "awgn", "snr_train_db": "mixed",
    "snr_test_db": 7.0, "attack": "none", "eps": 0.0, "seed": 0, "split": "test", "metric": "natural_accuracy",
    "value": 0.99, "images_sd": float("nan"), "draws_sd": 0.001, "n": 10_000, "draws": 5, "symbols_k": 128,
    "code": None,
}  # fmt: skip


def evasion(*departures: dict) -> pd.DataFrame:
    """Rows of evasion.csv, each EVASION_ROW but for its departures."""
    return pd.DataFrame([EVASION_ROW | departure for departure in departures])


def outcomes_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the same two images for each row of evasion.csv."""
    return rows.merge(pd.DataFrame({"image": [0, 1]}), how="cross")


def put(config: dict, path: str, value) -> dict:
    """A copy of the config with another value at a.b.c."""
    config = copy.deepcopy(config)
    *folders, key = path.split(".")
    where = config
    for folder in folders:
        where = where.setdefault(folder, {})
    where[key] = value
    return config


@pytest.fixture
def config() -> dict:
    return CONFIG


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    from tracked_runs import empty_store

    return empty_store(tmp_path_factory.mktemp("fresh") / "results")


@pytest.fixture
def beside_mlflow(tmp_path, empty_database) -> Path:
    """A results folder with an MLflow database that has no runs."""
    (tmp_path / "results" / "mlflow").mkdir(parents=True)
    shutil.copy(empty_database, tmp_path / "results" / "mlflow")
    return tmp_path / "results"


@pytest.fixture
def specs() -> dict[str, Spec]:
    return {spec.label: spec for spec in grid(CONFIG)}


@pytest.fixture(scope="session")
def digits_file(tmp_path_factory):
    from repobe.images.datasets import build

    path = tmp_path_factory.mktemp("data") / "digits.safetensors"
    build("digits", None, path)
    return path


@pytest.fixture(scope="session")
def colour_file(tmp_path_factory):
    from repobe.images.datasets import build

    path = tmp_path_factory.mktemp("data") / "digits_rgb.safetensors"
    build("digits_rgb", None, path)
    return path


@pytest.fixture
def dataset(digits_file, colour_file):
    """By the number of colours, with 64 training images."""
    from repobe.images.datasets import load

    return {1: load(digits_file).limit(64), 3: load(colour_file).limit(64)}


@pytest.fixture
def digits(digits_file):
    from repobe.images.datasets import load

    return load(digits_file).limit(128)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, digits_file) -> Path:
    """A results folder made by the command line: the data, one run trained and measured, its tables, what follows.

    The run's last checkpoint lies beside it, because measuring removes it.
    """
    results = tmp_path_factory.mktemp("finished") / "results"
    (spec,) = (spec for spec in grid(CONFIG) if spec.label == "repobe")
    run, data = results / "runs" / spec.path, results / "data" / "digits.safetensors"
    data.parent.mkdir(parents=True)
    shutil.copy(digits_file, data)
    described = str(run / "spec.yaml")
    _all_succeed(
        ["spec", json.dumps(spec.as_dict()), described],
        ["classifier", str(data), str(data.with_name("digits.classifier.safetensors")), "--epochs", "1"],
        ["train", described, "--device", "cpu"],
    )
    shutil.copy(run / "resume.pt", results.parent)
    _all_succeed(
        ["measure", described, "--device", "cpu"],
        ["cipher_audit", json.dumps(dataclasses.asdict(spec.audit)), str(results / "cipher_audit.csv")],
        ["tables", str(results), described],
        *([stage, str(results)] for stage in ("summary", "compare", "claims", "decisions", "readings")),
    )
    return results


def _all_succeed(*commands: list[str]) -> None:
    from repobe.__main__ import main

    for command in commands:
        assert main(command) == 0


@pytest.fixture
def results(finished, tmp_path) -> Path:
    """A copy of `finished`, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


@pytest.fixture
def run(results) -> Path:
    """The folder of the copy's run."""
    return results / "runs" / "digits" / "awgn" / "repobe" / "seed0"


def uncached(name: str, compute: Callable[[], dict], **settings: object) -> dict:
    """In place of a `ResultCache`: computes each part and keeps none."""
    return compute()


def step_not_taken(student, image, label, term: str) -> float:
    """A term of the loss of an update that moves no weight, with the same draws each time."""
    optimizer_step, student.optimizer_step = student.optimizer_step, lambda *_, **__: None
    torch.manual_seed(1)
    terms = student.update(image, label, 0.01)
    student.optimizer_step = optimizer_step
    return terms[term].item()


def spread(student, image):
    """An untrained network's distributions are all nearly the same; afterwards its logits deviate by 2."""
    logits = student.system(image, 0.0, student.keys.sending(0, 8)).detach()
    head, scale = student.system.decoder.head, 2 / logits.std(dim=0).mean()
    head.weight.data *= scale
    head.bias.data = scale * (head.bias.data - logits.mean(dim=0))


def share_that_moved(image, start, moved, p, q, label) -> dict[str, float]:
    """By what a step of PGD, 0.02 in a ball of 0.5, may ascend: the share of pixels that it moves from start to moved.

    p, q: the probabilities of the image, without gradient, and of start. D_KL(P ‖ Q) is `kl`.
    """
    readings = {
        "kl": (p * (p / q).log()).sum(),
        "reversed": (q * (q / p).log()).sum(),
        "cross_entropy": -q[range(len(label)), label].log().sum(),
    }
    upward = {name: torch.autograd.grad(r, start, retain_graph=True)[0].sign() for name, r in readings.items()}
    step = {name: (image + (start + 0.02 * up - image).clamp(-0.5, 0.5)).clamp(0, 1) for name, up in upward.items()}
    return {name: torch.isclose(moved, there, atol=1e-6).float().mean().item() for name, there in step.items()}
