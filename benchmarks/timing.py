"""One way to time: the median of repeated calls, the candidates in turn so that a busy machine slows all alike."""

import statistics
import time
from collections.abc import Callable

import torch


def medians(candidates: dict[str, Callable[[], object]], repeats: int = 50) -> dict[str, float]:
    """Seconds of each candidate, by name."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(repeats + 3):  # the first three warm up
        for name, run in candidates.items():
            began = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if repeat >= 3:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}
