"""One way to time: the candidates take turns, round by round, so that a busy machine slows all of them alike."""

import gc
import math
import statistics
import time
from collections.abc import Callable

import torch

Times = dict[str, list[float]]  # seconds a call of each candidate, one figure a round


def interleaved(candidates: dict[str, Callable[[], object]], rounds: int = 7, seconds: float = 0.2) -> Times:
    """Seconds a call of each candidate: in each round the mean of a block of calls that lasts about `seconds`.

    Within a block, freed memory is used again; a single call after another candidate's would pay for new pages. The
    first call of a candidate, which chooses kernels, is not counted.
    """
    calls = {}
    for name, run in candidates.items():
        first = clocked(run, 1)
        calls[name] = 1 if first >= seconds else max(1, math.ceil(seconds / clocked(run, 1)))
    times: Times = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            times[name].append(clocked(run, calls[name]) / calls[name])
    return times


def clocked(run: Callable[[], object], calls: int) -> float:
    """Seconds of `calls` calls one after another, with the GPU's work and without the garbage collector's."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        _settle()
        began = time.perf_counter()
        for _ in range(calls):
            run()
        _settle()
        return time.perf_counter() - began
    finally:
        if collecting:
            gc.enable()


def median(times: Times, name: str) -> float:
    """Seconds a call of one candidate: the median over rounds."""
    return statistics.median(times[name])


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
