"""Trainings side by side, a process each: how much they slow one another."""

import multiprocessing
import os
from collections import defaultdict

import torch

from benchmarks import steps
from benchmarks.setup import Setup
from benchmarks.timing import clocked

STEP, SIZE, BATCH, STEPS = "RepObE natural", 32, 128, 10
WAIT = 300  # seconds until a process that does not come to the start is given up


def training(setup: Setup) -> dict[int, list[float]]:
    """Seconds of the slowest of 1, 2, 4 … trainings at once, as many as there are cores; one figure a round.

    On random images, because otherwise each process would read a dataset's files.
    """
    most = min(os.cpu_count() or 1, 2 if setup.quick else 64)
    counts = [2**power for power in range(most.bit_length()) if 2**power <= most]
    rounds = 1 if setup.quick else 5
    spawn = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    barrier, told = spawn.Barrier(counts[-1]), spawn.Queue()
    arguments = (counts, rounds, setup.device, torch.get_num_threads(), setup.quick, barrier, told)
    workers = [spawn.Process(target=_work, args=(index, *arguments), daemon=True) for index in range(counts[-1])]
    for worker in workers:
        worker.start()
    seconds: dict[tuple[int, int], list[float]] = defaultdict(list)
    for _ in range(rounds * sum(counts)):
        place, value = told.get(timeout=WAIT)
        seconds[place].append(value)
    for worker in workers:
        worker.join()
    return {count: [max(seconds[turn, count]) for turn in range(rounds)] for count in counts}


def _work(index: int, counts, rounds: int, device: torch.device, threads: int, quick: bool, barrier, told) -> None:
    """One process: trains when at least index + 1 train at once, and waits when fewer do."""
    torch.set_num_threads(threads)
    size, batch, calls = (16, 4, 1) if quick else (SIZE, BATCH, STEPS)
    step = steps.suite(STEP, Setup(device, quick=True).data("cifar10"), size, batch)
    step()
    for turn in range(rounds):
        for count in counts:
            barrier.wait(WAIT)
            if index < count:
                told.put(((turn, count), clocked(step, calls)))
