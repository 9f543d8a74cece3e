"""Peak memory of the stages of config/paper.yaml above their weights and optimiser, each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator

import torch

from benchmarks.setup import Setup
from benchmarks.table import Goal, Row, alone
from repobe.runs.config import ROOT

GOALS = {"cpu": 2.0, "cuda": 12.0}  # GiB
PLACES = (("mnist", 32), ("mnist", 224), ("cifar10", 224))  # dataset, S
# (label, stage) that are measured in all places.
EVERYWHERE = [
    ("undefended", "train"),
    ("repobe_adversarial", "train"),
    ("trades", "train"),
    ("escst", "train"),
    ("repobe_reconstruction", "train"),
    ("repobe_adversarial", "evaluate"),
    ("repobe_reconstruction", "evaluate"),
    ("repobe_adversarial", "paper"),
    ("repobe_reconstruction", "invert"),
    ("repobe", "audit"),
]
# Measured in the last place only: all other methods and attacks, and messages with a key each (escst).
LARGEST = [
    *((label, "train") for label in ("repobe", "adversarial_training", "necst", "necst_dp_09", "ibal", "vae")),
    *((label, "train") for label in ("jpeg2000", "necst_reconstruction", "ibal_reconstruction")),
    *(("repobe_adversarial", attack) for attack in ("strong", "autoattack_rand", "autoattack_standard", "square")),
    ("repobe", "invert"),
    ("escst", "invert"),
]
# Departures: float32 where the config says bfloat16, and activations computed twice (`recompute: true`).
VARIANTS = [
    (label, precision, again)
    for label in ("undefended", "repobe_adversarial", "repobe_reconstruction")
    for precision, again in (("bfloat16", True), ("float32", False), ("float32", True))
]


def rows(setup: Setup) -> Iterator[Row]:
    """GiB of every stage."""
    if setup.quick:
        yield _row(setup, "mnist", "undefended", 16, "train")
        return
    for dataset, size in PLACES:
        for label, stage in EVERYWHERE:
            yield _row(setup, dataset, label, size, stage)
    for label, stage in LARGEST:
        yield _row(setup, dataset, label, size, stage)
    for label, precision, again in VARIANTS:
        yield _row(setup, dataset, label, size, "train", precision=precision, recompute=again)


def _row(setup: Setup, dataset: str, label: str, size: int, stage: str, **departures) -> Row:
    """ValueError where the stage's process ends without a figure."""
    asked = {"dataset": dataset, "label": label, "size": size, "stage": stage, "device": str(setup.device)}
    command = [sys.executable, "-m", "benchmarks.stage_memory", json.dumps(asked | departures)]
    done = subprocess.run(
        [*command, str(torch.get_num_threads())], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise ValueError(f"{stage} of {label}: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}")
    what = "".join(f", {name}" if value is True else f", {value}" for name, value in departures.items() if value)
    subject = f"{stage} {label}, {dataset}, S = {size}{what}"
    gibibytes = int(done.stdout.splitlines()[-1]) / 2**30
    return alone("memory", subject, gibibytes, "GiB", Goal(GOALS[setup.device.type], at_least=False))


if __name__ == "__main__":
    from benchmarks.__main__ import main

    sys.exit(main(["--only", "memory", *sys.argv[1:]]))
