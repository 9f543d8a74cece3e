"""Whole splits of a dataset through a trained system, and how far what arrives is from what was sent."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from repobe.cipher.keys import Key
from repobe.images import metrics
from repobe.images.resizing import SCORED, resize, scored
from repobe.runs.seeds import seed
from repobe.tables.schema import is_proportion
from repobe.training.method import Method, parts

BATCH = 250


def generator_for(device: torch.device, *parts) -> torch.Generator:
    """A generator of its own for each named random stream."""
    return torch.Generator(device).manual_seed(seed(*parts))


@torch.no_grad()
def on_air(trained: Method, image: Tensor, n0: float, *session) -> tuple[Tensor, Key | None]:
    """(what a whole split is on the air, Complex[n, k]; its keys): sent once."""
    key = trained.keys.session(*session).sending(0, len(image))
    own = generator_for(image.device, "transmitter", *session)
    cut = parts(len(image), BATCH)
    return torch.cat([trained.system.transmit(image[p], key and key[p], n0, own) for p in cut]), key


@torch.no_grad()
def stolen(trained: Method, image: Tensor, n0: float) -> Tensor:
    """Symbols Complex[n, k] that a copy of the encoder makes, under no key."""
    own = generator_for(image.device, "stolen transmitter")
    return torch.cat([trained.system.transmit(image[p], None, n0, own) for p in parts(len(image), BATCH)])


@torch.no_grad()
def received(trained: Method, symbols: Tensor, key: Key | None, n0: float, generator: torch.Generator) -> Tensor:
    """Logits or images of a whole split after one channel draw."""
    cut = parts(len(symbols), BATCH)
    return torch.cat([trained.system.deliver(symbols[p], n0, key and key[p], generator) for p in cut])


def deliveries(
    trained: Method, image: Tensor, n0: float, airs: Iterable[torch.Generator], *session
) -> Iterator[Tensor]:
    """Logits or images of a whole split, once for each of the airs, which are channel draws.

    Sent once for all of them, but by a transmitter that draws something anew for each, under keys of its own.
    """
    sent = None
    for draw, air in enumerate(airs):
        if trained.system.random_transmitter:
            sent = on_air(trained, image, n0, *session, draw)
        elif sent is None:
            sent = on_air(trained, image, n0, *session)
        yield received(trained, *sent, n0, air)


def fidelity(output: Tensor, pixels: Tensor, size: int) -> dict[str, Tensor]:
    """Each image's mse, psnr_db and ssim at 32×32 pixels (D14)."""
    x, y = resize(output, SCORED).clamp(0, 1), scored(pixels, size)
    return {"mse": metrics.mse(x, y), "psnr_db": metrics.psnr_db(x, y), "ssim": metrics.ssim(x, y)}


def images_sd(metric: str, value: Tensor) -> float | None:
    """The standard deviation of Float[n] over images; None of a proportion, whose value and n say it."""
    return None if is_proportion(metric) or len(value) < 2 else value.double().std().item()
