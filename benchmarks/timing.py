"""One way to time: torch's own timer, the candidates in turn so that a busy machine slows all alike."""

import statistics
from collections.abc import Callable

import torch
from torch.utils.benchmark import Timer


def medians(candidates: dict[str, Callable[[], object]], rounds: int = 7, seconds: float = 0.2) -> dict[str, float]:
    """Seconds of each candidate, by name: the median over rounds of a block of calls, as a training's steps follow.

    Within a block memory that was freed is used again; a lone call after another candidate's would pay for its pages.
    """
    timers = {
        name: Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
        for name, run in candidates.items()
    }
    each: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, timer in timers.items():
            each[name].append(timer.blocked_autorange(min_run_time=seconds).median)
    return {name: statistics.median(times) for name, times in each.items()}
