"""How near each training step is to the machine's limit: its FLOP/s beside measured peaks of the same precision."""

from collections.abc import Iterator

import torch
from torch.nn.functional import conv2d

from benchmarks import steps, training
from benchmarks.pieces import flop
from benchmarks.setup import Setup
from benchmarks.table import SHARE, Row, alone, compared

COUNTED = 8  # images of the step whose FLOP are counted; they are proportional to the batch
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def rows(setup: Setup) -> Iterator[Row]:
    """The peaks, then every step that the training part measures."""
    convolution = {}
    for precision, kind in TYPES.items():
        product, convolution[precision] = _products(setup, kind)
        yield _peak(f"matrix product, {precision}", product)
        yield _peak(f"3×3 convolution, 64 channels of 56×56, {precision}", convolution[precision])
    yield alone("limits", "memory copy, bytes read and written", _copied(setup) / 1e9, "GB/s")
    for dataset, size in training.cases(setup):
        for name in steps.STEPS:
            work = flop_of_an_image(name, setup, dataset, size) * training.batch_of(setup, size)
            times = training.measured(setup, dataset, size, name)
            for precision in TYPES:
                achieved = [work / seconds / 1e9 for seconds in times[precision]]
                peak = [convolution[precision] / 1e9] * len(achieved)
                subject = f"{name}, S = {size}, {precision}"
                yield compared(
                    "limits", subject, achieved, "the convolution's", peak, SHARE, "GFLOP/s", data=setup.source(dataset)
                )


def flop_of_an_image(name: str, setup: Setup, dataset: str, size: int) -> float:
    """FLOP of convolutions and matrix products, crafting, forward and backward."""
    return flop(steps.suite(name, setup.data(dataset), size, COUNTED)) / COUNTED


def _peak(subject: str, flop_per_second: float) -> Row:
    return alone("limits", subject, flop_per_second / 1e9, "GFLOP/s")


@torch.no_grad()
def _products(setup: Setup, kind: torch.dtype) -> tuple[float, float]:
    """FLOP/s of a matrix product and of a convolution of the network's own shape."""
    side = 64 if setup.quick else 8192 if setup.device.type == "cuda" else 2048
    batch = 1 if setup.quick else 256 if setup.device.type == "cuda" else 32
    matrix = torch.randn(side, side, device=setup.device, dtype=kind)
    image = torch.randn(batch, 64, 56, 56, device=setup.device, dtype=kind).contiguous(
        memory_format=torch.channels_last
    )
    weight = torch.randn(64, 64, 3, 3, device=setup.device, dtype=kind).contiguous(memory_format=torch.channels_last)
    runs = {"product": lambda: matrix @ matrix, "convolution": lambda: conv2d(image, weight, padding=1)}
    times = setup.times(runs, rounds=5)
    work = {"product": 2 * side**3, "convolution": 2 * batch * 56 * 56 * 64 * 64 * 9}
    product, convolution = (work[name] / min(times[name]) for name in runs)
    return product, convolution


def _copied(setup: Setup) -> float:
    """Bytes a second that a copy reads and writes, of more data than the caches hold."""
    source = torch.ones(2**16 if setup.quick else 2**26, device=setup.device)
    target = torch.empty_like(source)
    times = setup.times({"copy": lambda: target.copy_(source)}, rounds=5)
    return 2 * source.nbytes / min(times["copy"])
