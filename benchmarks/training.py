"""Training steps, from stored pixels to moved weights, against the straightforward loop's."""

import functools
from collections.abc import Iterator

from benchmarks import steps
from benchmarks.setup import Setup
from benchmarks.table import FASTER, Goal, Row, compared, scaled
from benchmarks.timing import Times

PRECISIONS = ("float32", "bfloat16")
CASES = (("mnist", 32), ("cifar10", 32), ("cifar10", 64), ("mnist", 224))  # dataset, S
BATCH = {16: 8, 32: 128, 64: 64, 224: 8}  # by S: at 224 on a CPU three rounds of 8 images take two minutes
CUDA_BATCH = 128
GOALS = {"natural": {"float32": 1.3, "bfloat16": 2.5}, "adversarial": {"float32": 1.5, "bfloat16": 4.0}}  # at 64
MS_AT_224 = 125.0  # an image of Eq. 16's step in bfloat16, on one thread
BY_HAND = "straightforward"
ROUNDS = 3


def rows(setup: Setup) -> Iterator[Row]:
    """Milliseconds an image of every step at every size."""
    on_cpu = setup.device.type == "cpu"  # the goals are for a CPU
    for dataset, size in cases(setup):
        batch = batch_of(setup, size)
        for name in steps.STEPS:
            times = {key: scaled(t, 1000 / batch) for key, t in measured(setup, dataset, size, name).items()}
            for precision in PRECISIONS:
                goal = _goal(name, size, precision) if on_cpu else None
                subject = f"{name}, S = {size}, batch {batch}, {precision}"
                ours, other, source = times[precision], times[BY_HAND], setup.source(dataset)
                yield compared(
                    "training", subject, ours, "straightforward loop", other, FASTER, "ms an image", goal, source
                )


def _goal(name: str, size: int, precision: str) -> Goal | None:
    """The goal of a step, on one thread of a CPU; only some steps have one."""
    if (name, size, precision) == ("RepObE Eq. 16", 224, "bfloat16"):
        return Goal(MS_AT_224, at_least=False, of_value=True)
    return Goal(GOALS["natural" if "natural" in name else "adversarial"][precision]) if size == 64 else None


def cases(setup: Setup) -> tuple[tuple[str, int], ...]:
    """The (dataset, S) that are measured."""
    return (("cifar10", 16),) if setup.quick else CASES


def batch_of(setup: Setup, size: int) -> int:
    """The number of images in a step."""
    return CUDA_BATCH if setup.device.type == "cuda" else BATCH[size]


@functools.cache
def measured(setup: Setup, dataset: str, size: int, name: str) -> Times:
    """Seconds of one kind of step, by hand and in each precision; measured once for all parts of a run."""
    batch, data = batch_of(setup, size), setup.data(dataset)
    candidates = {BY_HAND: steps.by_hand(name, data, size, batch)}
    candidates |= {precision: steps.suite(name, data, size, batch, precision) for precision in PRECISIONS}
    return setup.times(candidates, ROUNDS, 0.5)
