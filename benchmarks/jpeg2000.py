"""JPEG2000, coding and decoding at the byte budgets of k = 1568 symbols, on one core; the slowest budget counts."""

from collections.abc import Iterator

from benchmarks.setup import Setup
from benchmarks.table import Goal, Row, alone
from benchmarks.timing import median
from repobe.phy.channels import AWGN, FastRayleigh, Rayleigh, noise_power
from repobe.phy.links import Ideal
from repobe.systems.jpeg2000 import Codec
from repobe.verdicts.paper import SNR_DB, K

IMAGES_A_SECOND = 500.0


def rows(setup: Setup) -> Iterator[Row]:
    """One row a channel. It needs photographs, because noise codes more slowly; else, digits over photographs."""
    name = "cifar10" if setup.source("cifar10") == "cifar10" else "digits_rgb"
    pixels = setup.data(name).test[0][: 2 if setup.quick else 200].cpu()
    goal = Goal(IMAGES_A_SECOND) if name == "cifar10" else None
    codec = Codec(pixels.shape[1], pixels.shape[2])
    for channel in (AWGN(), FastRayleigh(), Rayleigh()):
        budgets = {f"{snr_db:g} dB": Ideal(channel, K).budget(noise_power(snr_db)) for snr_db in SNR_DB}

        def both_ways(budget: int) -> None:
            for image in pixels:
                message = codec.encode(image, budget)
                if message is not None:
                    codec.decode(message)

        times = setup.times({at: lambda b=b: both_ways(b) for at, b in budgets.items()}, rounds=3)
        rate = min(len(pixels) / median(times, at) for at in budgets)
        subject = f"{type(channel).__name__}, {min(budgets.values())} to {max(budgets.values())} bytes"
        yield alone("jpeg2000", subject, rate, "images a second", goal, name)
