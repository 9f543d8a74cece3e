"""Sends splits of a dataset through a trained system, batch by batch, and compares what arrives with what was sent."""

from collections.abc import Iterator

import torch
from torch import Tensor

from repobe.cipher.interface import MessageKeys
from repobe.cipher.keys import Key
from repobe.images import metrics
from repobe.images.resizing import SCORED, Resized, batch_size_for, gathered, resize
from repobe.runs.seeds import seed
from repobe.tables.schema import is_proportion
from repobe.training.method import Method, parts

BATCH = 250  # most messages that are sent and received together


def generator_for(device: torch.device, *parts) -> torch.Generator:
    """The generator of the random stream with this name."""
    return torch.Generator(device).manual_seed(seed(*parts))


def batches(trained: Method, count: int, first: int = 0) -> Iterator[slice]:
    """Slices of images `first` … `count` − 1 for sending and receiving; their size depends on the system's S."""
    return parts(count, batch_size_for(trained.system.image_size, BATCH), first)


@torch.no_grad()
def on_air(trained: Method, image: Resized, n0: float, *session) -> tuple[Tensor, Key | None]:
    """Sends a split once: (Symbols Complex[n, k] on the air, keys)."""
    key = trained.keys.session(*session).sending(0, len(image))
    own = generator_for(image.device, "transmitter", *session)
    sent = (trained.system.transmit(image[p], key and key[p], n0, own) for p in batches(trained, len(image)))
    return gathered(sent, len(image)), key


@torch.no_grad()
def stolen(trained: Method, image: Resized, n0: float) -> Tensor:
    """Symbols Complex[n, k] from a copy of the encoder, without a key."""
    own = generator_for(image.device, "stolen transmitter")
    sent = (trained.system.transmit(image[p], None, n0, own) for p in batches(trained, len(image)))
    return gathered(sent, len(image))


@torch.no_grad()
def received(
    trained: Method, symbols: Tensor, key: Key | None, n0: float, generator: torch.Generator
) -> Iterator[Tensor]:
    """Logits or images of a split after one channel draw, in batches."""
    for p in batches(trained, len(symbols)):
        yield trained.system.deliver(symbols[p], n0, key and key[p], generator)


class Draws:
    """Sends a split through several channel draws, batch by batch.

    Each draw's generator and keys continue from batch to batch, so an image sees the same channel whether memory holds
    the whole split or not. channel_generators: one for each draw. An image is sent once for all draws, but a random
    transmitter sends it again for each draw, under that draw's own keys.

    kept: symbols that the same split's pass at another SNR has sent, by the number of their first image. Encoding is
    most of what a pass costs. A transmitter may know the SNR, or a key may be another's; so the first batch is always
    sent, and if its symbols are not the kept ones, the others are sent, too. The first pass fills `kept`.
    """

    def __init__(
        self,
        trained: Method,
        n0: float,
        channel_generators: list[torch.Generator],
        *session,
        kept: dict[int, Tensor] | None = None,
    ) -> None:
        self.system, self.n0, self.channel_generators, self.sent = trained.system, n0, channel_generators, 0
        random = trained.system.random_transmitter
        sessions = [(*session, draw) for draw in range(len(channel_generators))] if random else [session]
        self.keys = [trained.keys.session(*one) for one in sessions]
        self.own = [generator_for(channel_generators[0].device, "transmitter", *one) for one in sessions]
        # What a digital transmitter returns are images at S×S, of which memory holds no split.
        self.kept = None if random or trained.system.digital else kept

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Iterator[Tensor]:
        """Sends the split's next batch, Image [b, c, S, S]; yields each draw's logits or images in turn."""
        for draw, air in enumerate(self.channel_generators):
            if draw < len(self.keys):
                key = self.keys[draw].sending(self.sent, len(image))
                symbols = self._symbols(image, key, draw)
            yield self.system.deliver(symbols, self.n0, key, air)
        self.sent += len(image)

    def _symbols(self, image: Tensor, key: MessageKeys | None, draw: int) -> Tensor:
        known = None if self.kept is None else self.kept.get(self.sent)
        if known is not None and self.sent > 0:
            return known
        symbols = self.system.transmit(image, key, self.n0, self.own[draw])
        if known is not None and not torch.equal(known, symbols):
            self.kept = None
        if self.kept is not None:
            self.kept[self.sent] = symbols
        return symbols


def fidelity(output: Tensor, image: Tensor) -> dict[str, Tensor]:
    """Each image's mse, psnr_db and ssim at 32×32 pixels (D14): two images [b, c, h, w], each of any size.

    `image` must be the S×S image that was sent. Against the native image, enlarging and shrinking alone would limit a
    perfect receiver of CIFAR-10 to 31 dB.
    """
    x, y = (resize(one, SCORED).clamp(0, 1) for one in (output, image))
    return {"mse": metrics.mse(x, y), "psnr_db": metrics.psnr_db(x, y), "ssim": metrics.ssim(x, y)}


def images_sd(metric: str, value: Tensor) -> float | None:
    """The standard deviation of Float[n] over images; None for a proportion, where value and n determine it."""
    return None if is_proportion(metric) or len(value) < 2 else value.double().std().item()
