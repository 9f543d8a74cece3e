"""What a run measures on: device, datasets, and whether it is only a smoke test."""

import functools
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.timing import Times, interleaved
from repobe.images.datasets import AUGMENTED, Data, build, load
from repobe.images.sources import EMBEDDED

SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
RANDOM = 2048  # images of each split where no files are given


@dataclass(frozen=True)
class Setup:
    """quick: one round of single calls, on random images; every line runs, but the figures mean nothing."""

    device: torch.device
    quick: bool = False

    def times(self, candidates: dict[str, Callable[[], object]], rounds: int = 7, seconds: float = 0.2) -> Times:
        """The times of each candidate, measured by benchmarks.timing."""
        return interleaved(candidates, *((1, 0.0) if self.quick else (rounds, seconds)))

    def data(self, name: str) -> Data:
        """The dataset on the device: embedded, from the folder in REPOBE_DATA, or random images of its shape."""
        return _data(name, self.device, self.source(name) == "random images")

    def source(self, name: str) -> str:
        """The text about a dataset's images in the table."""
        if name in EMBEDDED or ("REPOBE_DATA" in os.environ and not self.quick):
            return name
        return "random images"


def first(data: Data, images: int) -> Data:
    """The same with only the first `images` test images."""
    image, label = data.test
    return replace(data, test=(image[:images], label[:images]), test_number=data.test_number[:images])


@functools.cache
def _data(name: str, device: torch.device, random: bool) -> Data:
    if random:
        split = torch.randint(256, (RANDOM, *SHAPES[name]), dtype=torch.uint8), torch.arange(RANDOM) % 10
        split = tuple(tensor.to(device) for tensor in split)
        return Data(name, 10, name in AUGMENTED, split, split, split, torch.arange(RANDOM))
    folder = None if name in EMBEDDED else Path(os.environ["REPOBE_DATA"])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.safetensors"
        build(name, folder, path)
        return load(path, device)
