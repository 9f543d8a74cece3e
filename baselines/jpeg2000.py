"""JPEG2000 over a digital link: separate source and channel coding, then a classifier of the decoded image.

image ─ native pixels ─ JPEG2000, as many bytes as the link carries at this SNR ─▶ link ─▶ decoded, or the mean image
decoded ─ enlarged to S×S ─ classifier ─▶ logits   (for reconstruction, the decoded image is the output)

The classifier is RepObE's own network, its encoder and class decoder with no air between them. So the two systems
differ in how they send, and not in how well they classify.

Known: separate coding is the classical rival; the channel's capacity bounds what it can send. Ours: all the rest,
because the paper gives no more than the name JPEG2000. k = 2·(S/8)² as RepObE's, or Hyper.symbols. With the 1568
symbols of S = 224, the ideal link carries 507, 737, 985, 1240 and 1498 bytes at 7, 11, 15, 19 and 23 dB over AWGN. A
raw MNIST image has 784 bytes, so the source coder is nearly lossless there. With the 32 symbols of S = 32, the link
carries 10 to 30 bytes, but OpenJPEG needs about 20 to 40 for any image at all. Then nearly every receiver sees the mean
image and guesses, unless Hyper.symbols gives more.

Over block fading, and with codes that can fail, the link offers many rates: a higher rate carries a better image and
is lost more often. The transmitter takes the rate with the greatest expected accuracy, P(arrives)·A(bytes) +
P(lost)·A(mean image), where A(bytes) is the classifier's accuracy on validation images coded in that many bytes. The
curve A is measured once after training and stored with the system, so evaluation needs no validation images. The table
compares this choice with the rate that delivers most bytes (`rate: payload`): CIFAR-10 at 32×32 over Rayleigh fading,
k = 1568, 12 epochs, accuracy on the 10,000 test images at 7, 11, 15, 19, 23 dB, and the fraction of lost messages. The
classifier was a smaller one, `evaluation_classifier.network`; it reads 0.837 of images that were never coded.

    ideal  payload   0.518 0.571 0.613 0.648 0.676   lost 43, 36, 31, 26, 22 %
           accuracy  0.630 0.717 0.774 0.802 0.817   lost 20, 10,  6,  4,  2 %
    ldpc   payload   0.518 0.472 0.614 0.617 0.658   lost 41, 49, 30, 30, 24 %
           accuracy  0.590 0.689 0.752 0.790 0.810   lost 24, 16,  7,  4,  2 %

Images are coded at their native 28×28 (grey) or 32×32 pixels (colour), or at S×S if that is less. The receiver can
rebuild the header (98 bytes in colour, constant except for the length) and the encoder's comment (39 bytes), so neither
is sent. A message arrives whole or not at all. If it is lost, does not fit or does not decode, the receiver uses the
mean training image. `transmit` returns the image that the receiver will decode if the message arrives; `deliver` draws
which messages are lost.

The link uses a public code and no key, so anyone who hears the bits decodes as well as the receiver. Rayleigh fading
without channel state (`rayleigh_blind`) is treated as block fading with it, because a pilot costs one symbol of the k.

Gradients: the codec counts as the identity (BPDA, Athalye et al. 2018); the mean image has none.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, mse_loss

from repobe.images import metrics
from repobe.images.resizing import Resized, resize
from repobe.phy import block_errors
from repobe.phy.links import Coded, Ideal
from repobe.runs.plugins import ROOT
from repobe.systems.jpeg2000 import Codec
from repobe.systems.networks import ClassDecoder, encoder
from repobe.systems.system import System
from repobe.training import method
from repobe.training.method import Problem

# Message sizes in bytes at which the curve A is measured, up to a raw image; densest where the curve bends.
SIZES = (0, 16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 512, 768)
NATIVE = {1: 28, 3: 32}  # pixels by colour channels: MNIST and similar sets are grey, CIFAR is in colour


@dataclass(frozen=True)
class Hyper:
    """What a config may set.

    link: `ideal` or `ldpc`.
    rate: `accuracy` takes the rate with the greatest expected accuracy on validation images, `payload` the one that
        delivers most bytes.
    outage: the largest fraction of messages that may be lost; 0 sets no limit beside the choice of the rate.
    symbols: k; 0 for RepObE's.
    block_error_rates: the table of block error rates, relative to the suite's root.
    fine_tune: in the second half of training, the classifier sees decoded images instead of clean ones. Each batch is
        coded for its SNR at the rate that delivers most bytes, because no accuracy is known yet.
    """

    link: str = "ideal"  # decision: capacity, an upper bound of every code; ldpc is a real code
    rate: str = "accuracy"  # decision: the strongest rival that the classifier allows; see the table above
    outage: float = 0.0  # decision: no limit beside the choice of the rate; 0.1 is a common target
    symbols: int = 0  # decision: RepObE's k, so that both use the same number of channel uses
    block_error_rates: str = "results/reference/block_error_rates.csv"  # decision: simulated once; a row ends after
    # 1,000 blocks or 100 failed ones
    fine_tune: bool = False  # decision: the reference classifier never sees coded images


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
            self.link = Ideal(self.channel, self.k, hyper.outage, self.worth)
        else:
            self.link = Coded(
                self.channel, self.k, block_errors.read(ROOT / hyper.block_error_rates), hyper.outage, self.worth
            )
        self.classifier = (
            None if problem.reconstruct else nn.Sequential(encoder(problem.colours), ClassDecoder(problem.classes))
        )
        self.register_buffer("mean", torch.full((1, problem.colours, self.pixels, self.pixels), 0.5))
        sizes = torch.tensor([*SIZES, problem.colours * self.pixels**2], dtype=torch.float64).unique()
        self.register_buffer("curve", torch.stack([sizes, sizes]))  # until `Method.finish`, the score is the size
        enlarge = resize_matrix(self.pixels, problem.image_size)
        self.register_buffer("shrink", torch.linalg.pinv(enlarge).float(), persistent=False)

    def native(self, image: Tensor) -> Tensor:
        """Image [b, C, h, w] as [b, C, n, n]: the least-squares inverse of the enlargement to S×S.

        It returns an image of the dataset unchanged; resizing again would blur it.
        """
        image = resize(image, self.image_size)
        if self.image_size == self.pixels:
            return image
        with torch.autocast(image.device.type, enabled=False):  # bfloat16 would round pixels by up to half a level
            return (self.shrink @ image @ self.shrink.T).clamp(0, 1)

    def worth(self, size: np.ndarray, delivery: np.ndarray) -> np.ndarray:
        """The expected score of messages of `size` bytes that arrive with probability `delivery`.

        `curve` is Float64[2, m]: sizes in bytes from 0 on, and the mean score of images coded in that many bytes. A
        lost message scores as the mean image does; that is the score at 0 bytes.
        """
        sizes, score = self.curve.cpu().numpy()
        return delivery * np.interp(size, sizes, score) + (1 - delivery) * score[0]

    def coded(self, native: Tensor, budgets: list[int]) -> tuple[Tensor, Tensor]:
        """(decoded images [b, C, n, n]; Bool[b], whether coding succeeded); budgets: most bytes per image."""
        pixels = (native * 255).round().byte().cpu()
        decoded, fits = self.mean.repeat(len(native), 1, 1, 1), torch.zeros(len(native), dtype=torch.bool)
        for number, budget in enumerate(budgets):
            message = self.codec.encode(pixels[number], budget) if budget else None
            image = None if message is None else self.codec.decode(message)
            if image is not None:
                decoded[number], fits[number] = image.to(decoded) / 255, True
        return decoded, fits.to(native.device)

    def transmit(self, image, key=None, n0=None, generator=None) -> Tensor:
        if n0 is None:
            raise ValueError("a digital transmitter needs n0: the rate depends on it")
        native = self.native(image)
        powers = each(n0, native).tolist()
        budgets = {n: self.link.budget(n) for n in set(powers)}
        decoded, fits = self.coded(native.detach(), [budgets[n] for n in powers])
        return torch.where(fits[:, None, None, None], native + (decoded - native).detach(), decoded)

    def receive(self, symbols, key=None, n0=None) -> Tensor:
        image = resize(symbols, self.image_size)
        return image.clamp(0, 1) if self.classifier is None else self.classifier(image)

    def classify(self, image: Tensor) -> Tensor:
        """Image [b, C, h, w] to the classifier's logits, without codec and link."""
        return self.receive(self.native(image))

    def carried(self, symbols, n0, generator=None) -> Tensor:
        arrives = self.link.arrives(each(n0, symbols), generator)
        return torch.where(arrives[:, None, None, None], symbols, self.mean)


def resize_matrix(pixels: int, size: int) -> Tensor:
    """Float64[size, pixels]: what `resize` does to each row and each column of an image."""
    identity = torch.eye(pixels, dtype=torch.float64)[None, None]
    return interpolate(identity, size=(size, pixels), mode="bilinear", align_corners=False, antialias=True)[0, 0]


def each(n0: float | Tensor, like: Tensor) -> Tensor:
    """n0 as Float64[b], so that both ends compute with exactly the same number."""
    return torch.as_tensor(n0, dtype=torch.float64, device=like.device).expand(len(like))


class Method(method.Method):
    """Trains the classifier only; for reconstruction there is nothing to train."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.link not in ("ideal", "ldpc"):
            raise ValueError(f"hyper.link: '{hyper.link}' is unknown; it is ideal or ldpc")
        if hyper.rate not in ("accuracy", "payload"):
            raise ValueError(f"hyper.rate: '{hyper.rate}' is unknown; it is accuracy or payload")
        if not 0 <= hyper.outage < 1:
            raise ValueError(f"hyper.outage: {hyper.outage} must lie in [0, 1)")
        if hyper.symbols < 0:
            raise ValueError(f"hyper.symbols: {hyper.symbols} is negative; it counts channel uses, 0 for RepObE's")
        self.hyper = hyper
        self.system = DigitalSystem(problem, hyper)

    def prepare(self, teacher: method.Method | None, image: Resized, label: Tensor, n0: float) -> None:
        """The mean training image, which both ends know."""
        total = sum(self.system.native(image[p]).sum(dim=0, keepdim=True) for p in self.parts(len(image)))
        self.system.mean.copy_(total / len(image))

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        """Cross-entropy on clean or decoded images. Coding a batch of 128 CIFAR-10 images takes 0.1 s."""
        if self.problem.reconstruct:
            with torch.no_grad():
                return {"loss": mse_loss(self.system(image, n0), image)}
        tuning = self.hyper.fine_tune and self.updated >= self.problem.updates // 2
        with torch.no_grad():
            seen = self.system.transmit(image, n0=n0) if tuning else self.system.native(image)
        loss = cross_entropy(self.system.receive(seen), label)
        self.optimizer_step(loss)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def finish(self, image: Resized, label: Tensor) -> None:
        """Measures the curve A by which the link chooses rates: codes all validation images in each size."""
        system = self.system
        if self.hyper.rate == "payload":
            return
        for place, size in enumerate(system.curve[0].tolist()):
            scores = torch.empty(len(image), device=image.device)
            for p in self.parts(len(image)):
                native = system.native(image[p])
                decoded, _ = system.coded(native, [int(size)] * len(native))
                if self.problem.reconstruct:
                    scores[p] = -metrics.mse(decoded, native)
                else:
                    scores[p] = metrics.correct(system.receive(decoded), label[p])
            system.curve[1, place] = scores.double().mean()

    def optimise(self) -> None:
        if not self.problem.reconstruct:
            super().optimise()
