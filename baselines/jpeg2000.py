"""JPEG2000 over a digital link: source and channel coded apart, then a classifier of what was decoded.

image ─ native pixels ─ JPEG2000 in as many bytes as the link carries at this SNR ─▶ link ─▶ decoded, or the mean image
decoded ─ classifier ─▶ logits   or, as it is, the reconstruction

Known: separation is the classical rival; the channel's capacity bounds what it can send. Ours: all the rest, for the
paper has no such rival. k = 2·(S/8)², RepObE's, or Hyper.symbols. With the 1568 symbols of S = 224 the ideal link
carries 507, 737, 985, 1240 and 1498 bytes at 7, 11, 15, 19 and 23 dB over AWGN. MNIST is 784 bytes raw: there the
source coder is nearly lossless. With the 32 symbols of S = 32 it carries 10 to 30 bytes, where OpenJPEG needs about 20
to 40 for anything at all: nearly every receiver sees the mean image, and guesses, unless Hyper.symbols says otherwise.

Images are coded at their own 28×28 (grey) or 32×32 pixels (colour), at S×S where that is less. What the receiver can
rebuild is not sent: the header (98 bytes in colour, constant but for the length) and the encoder's comment (39 bytes).
A message arrives whole or not at all; one that did not, or does not fit, or does not decode shows the mean training
image. `transmit` gives what the transmitter's own decoder makes of the message, `deliver` draws what the link loses.

The bits on the air are a public code's: no key, and whoever hears them decodes as well as the receiver. Rayleigh fading
without channel state (`rayleigh_blind`) counts as block fading with it: a pilot is one symbol of the k.

Gradients: coding counts as the identity (BPDA, Athalye et al. 2018); the mean image has none.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate, mse_loss

from repobe.images.resizing import SCORED, resize
from repobe.phy import block_errors as blocks
from repobe.phy.links import Coded, Ideal
from repobe.systems.jpeg2000 import Codec
from repobe.systems.system import System
from repobe.training import evaluation_classifier as judge
from repobe.training import method
from repobe.training.method import Problem

NATIVE = {1: 28, 3: 32}  # pixels: MNIST and its kin are grey, CIFAR in colour
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Hyper:
    """link: ideal, or ldpc; outage: of block fading and blocks that fail, the rate that delivers most (0), or the best
    that loses so many messages at most; symbols: k, 0 for RepObE's; blocks: the table of block error rates, from the
    suite's root; fine_tune: the second half of training sees decoded images, each batch at its SNR, in place of clean.
    """

    link: str = "ideal"  # decision: capacity, an upper bound of every code; ldpc is what a real one does
    outage: float = 0.0  # decision: the greatest expected payload, as for ldpc; 0.1 is a common target
    symbols: int = 0  # decision: RepObE's k, so that both spend the same air
    blocks: str = "results/reference/blocks.csv"  # decision: simulated once, a row ends at 1,000 blocks or
    # at 100 that failed
    fine_tune: bool = False  # decision: the classifier that is not told of the codec is the reference


class DigitalSystem(System):
    """Codec, link and classifier. `symbols` of the interface are decoded images [b, C, n, n] here, n native pixels."""

    digital = True

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__()
        self.image_size, self.channel = problem.image_size, problem.channel
        self.k = hyper.symbols or 2 * (problem.image_size // 8) ** 2
        self.pixels = min(problem.image_size, NATIVE[problem.colours])
        self.codec = Codec(problem.colours, self.pixels)
        if hyper.link == "ideal":
            self.link = Ideal(self.channel, self.k, hyper.outage)
        else:
            self.link = Coded(self.channel, self.k, blocks.read(ROOT / hyper.blocks), hyper.outage)
        self.classifier = None if problem.reconstruct else judge.network(problem.colours, problem.classes)
        self.register_buffer("mean", torch.full((1, problem.colours, self.pixels, self.pixels), 0.5))
        enlarge = resize_matrix(self.pixels, problem.image_size)
        self.register_buffer("shrink", torch.linalg.pinv(enlarge).float(), persistent=False)

    def native(self, image: Tensor) -> Tensor:
        """Image [b, C, h, w] as [b, C, n, n]: the least-squares inverse of the enlargement to S×S.

        An image of the dataset comes back as it was; resizing once more would blur it.
        """
        image = resize(image, self.image_size)
        if self.image_size == self.pixels:
            return image
        return (self.shrink @ image @ self.shrink.T).clamp(0, 1)

    def coded(self, native: Tensor, n0: Tensor) -> tuple[Tensor, Tensor]:
        """(what decodes to, [b, C, n, n]; Bool[b]: whether anything did) at each message's own SNR."""
        pixels = (native * 255).round().byte().cpu()
        decoded, fits = self.mean.repeat(len(native), 1, 1, 1), torch.zeros(len(native), dtype=torch.bool)
        for number, n in enumerate(n0.tolist()):
            message = self.codec.encode(pixels[number], self.link.budget(n))
            image = None if message is None else self.codec.decode(message)
            if image is not None:
                decoded[number], fits[number] = image.to(decoded) / 255, True
        return decoded, fits.to(native.device)

    def transmit(self, image, key=None, n0=None, generator=None) -> Tensor:
        if n0 is None:
            raise ValueError("a digital transmitter needs n0: the rate depends on it")
        native = self.native(image)
        decoded, fits = self.coded(native.detach(), each(n0, native))
        return torch.where(fits[:, None, None, None], native + (decoded - native).detach(), decoded)

    def receive(self, symbols, key=None, n0=None) -> Tensor:
        if self.classifier is None:
            return resize(symbols, self.image_size).clamp(0, 1)
        return self.classifier(resize(symbols, SCORED))

    def classify(self, image: Tensor) -> Tensor:
        """Image [b, C, h, w] to the logits of its classifier where no codec and no link has touched it."""
        return self.receive(self.native(image))

    def deliver(self, symbols, n0, key=None, generator=None) -> Tensor:
        arrives = self.link.arrives(each(n0, symbols), generator)
        return self.receive(torch.where(arrives[:, None, None, None], symbols, self.mean), key, n0)


def resize_matrix(pixels: int, size: int) -> Tensor:
    """Float64[size, pixels]: what `resize` does to each row and each column of an image."""
    identity = torch.eye(pixels, dtype=torch.float64)[None, None]
    return interpolate(identity, size=(size, pixels), mode="bilinear", align_corners=False, antialias=True)[0, 0]


def each(n0: float | Tensor, like: Tensor) -> Tensor:
    """n0 as Float64[b], so that both ends reckon with the very same number."""
    return torch.as_tensor(n0, dtype=torch.float64, device=like.device).expand(len(like))


class Method(method.Method):
    """Trains the classifier alone; where the image itself is asked for there is nothing to train."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.link not in ("ideal", "ldpc"):
            raise ValueError(f"hyper.link: '{hyper.link}' is neither ideal nor ldpc")
        if not 0 <= hyper.outage < 1:
            raise ValueError(f"hyper.outage: {hyper.outage} is not a probability below 1")
        if hyper.symbols < 0:
            raise ValueError(f"hyper.symbols: {hyper.symbols} is not a number of channel uses; 0 stands for RepObE's")
        self.hyper = hyper
        self.system = DigitalSystem(problem, hyper)
        self.register_buffer("updated", torch.zeros((), dtype=torch.int64))

    def prepare(self, teacher: method.Method | None, image: Tensor, label: Tensor, n0: float) -> None:
        """The mean training image, which both ends know."""
        total = sum(self.system.native(image[p]).sum(dim=0, keepdim=True) for p in method.parts(len(image)))
        self.system.mean.copy_(total / len(image))

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        """Cross-entropy on clean images, or on decoded ones: all of a batch is coded, 128 of CIFAR-10 in 0.1 s."""
        if self.problem.reconstruct:
            with torch.no_grad():
                return {"loss": mse_loss(self.system(image, n0), image)}
        tuning = self.hyper.fine_tune and self.updated >= self.problem.updates // 2
        with torch.no_grad():
            seen = self.system.transmit(image, n0=n0) if tuning else self.system.native(image)
        loss = cross_entropy(self.system.receive(seen), label)
        self.descend(loss)
        self.updated += 1
        return {"loss": loss.detach()}

    def optimise(self) -> None:
        if not self.problem.reconstruct:
            super().optimise()
