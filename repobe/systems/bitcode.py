"""NECST's discrete code, which two baselines share: its networks, its System and its training loss.

image ─ resize ─ encoder ─ more likely bits ─ BPSK ─ protect ═ air ═ sign ─ bits ─ decoder ─▶ logits or image
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam

from repobe.images.resizing import resize
from repobe.phy.bpsk import bits_to_symbols, flipped, harden, symbols_to_bits
from repobe.phy.channel import Channel
from repobe.systems.networks import convolution
from repobe.systems.system import System
from repobe.systems.vimco import log_probability, vimco

GREY, COLOUR = 28, 32  # pixels of the images that the networks work on, as those of MNIST and CIFAR-10
GREY_BITS, COLOUR_BITS = 100, 500  # Choi et al. 2019: MNIST at 100 bits, CIFAR-10 at 500
HIDDEN = 500  # the released defaults: encoder 500, decoder 500, 500
SLOPE = 0.2  # the leaky ReLU of TensorFlow, which the released code uses

Protect = Callable[[Tensor, torch.Generator | None], Tensor]  # Symbols, generator to Symbols


def as_they_are(symbols: Tensor, generator: torch.Generator | None) -> Tensor:
    """No protection."""
    return symbols


def dense(inputs: int, outputs: int) -> nn.Sequential:
    """A layer without bias, as in the released decoder."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.LeakyReLU(SLOPE))


def bit_encoder(colours: int, bits: int) -> nn.Sequential:
    """Image [b, 1, 28, 28] or [b, 3, 32, 32] to the log-odds [b, bits] of its bits."""
    if colours == 1:
        hidden = [nn.Flatten(), nn.Linear(GREY**2, HIDDEN), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*hidden, nn.Linear(HIDDEN, bits, bias=False))
    widths = [(colours, 64), (64, 32), (32, 16)]
    layers = [layer for pair in widths for layer in (convolution(*pair), nn.MaxPool2d(2))]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * (COLOUR // 8) ** 2, bits, bias=False))


def bit_decoder(bits: int, outputs: int) -> nn.Sequential:
    """Bits to `outputs` numbers by two layers of 500: the published decoder for MNIST, and every classifier here."""
    return nn.Sequential(dense(bits, HIDDEN), dense(HIDDEN, HIDDEN), nn.Linear(HIDDEN, outputs, bias=False))


def bit_image_decoder(colours: int, bits: int) -> nn.Sequential:
    """Bits to an image [b, C, 28, 28] or [b, C, 32, 32] in [0, 1]; in colour the mirror of the encoder."""
    if colours == 1:
        return nn.Sequential(bit_decoder(bits, GREY**2), nn.Sigmoid(), nn.Unflatten(1, (1, GREY, GREY)))
    small = COLOUR // 8
    layers = [layer for pair in [(16, 16), (16, 32), (32, 64)] for layer in (convolution(*pair), nn.Upsample(None, 2))]
    first = [nn.Linear(bits, 16 * small**2, bias=False), nn.Unflatten(1, (16, small, small))]
    return nn.Sequential(*first, *layers, nn.Conv2d(64, colours, 3, padding=1), nn.Sigmoid())


class BitSystem(System):
    """Hard bits over BPSK, one a symbol: k = `bits`, or if 0 the published 100 (grey) or 500 (colour).

    protect: what the sender does to its symbols before it sends them. The decisions of the sender (the more likely bit)
    and of the receiver (the sign) have straight-through gradients, so an attack can follow the bits' probabilities.
    """

    def __init__(
        self,
        colours: int,
        classes: int,
        image_size: int,
        channel: Channel,
        reconstruct: bool = False,
        protect: Protect = as_they_are,
        bits: int = 0,
    ) -> None:
        super().__init__()
        self.image_size, self.channel, self.reconstruct, self.protect = image_size, channel, reconstruct, protect
        self.random_transmitter = protect is not as_they_are
        self.native, published = (GREY, GREY_BITS) if colours == 1 else (COLOUR, COLOUR_BITS)
        self.k = bits or published
        self.encoder = bit_encoder(colours, self.k)
        self.decoder = bit_image_decoder(colours, self.k) if reconstruct else bit_decoder(self.k, classes)

    def logits(self, image: Tensor) -> Tensor:
        """Image [b, c, h, w] to the log-odds [b, k] of its bits."""
        return self.encoder(resize(image, self.native))

    def transmit(self, image, key=None, n0=None, generator=None) -> Tensor:
        """See System; deterministic, except for what `protect` draws."""
        return self.protect(bits_to_symbols(harden(torch.sigmoid(self.logits(image)))), generator)

    def receive(self, symbols, key=None, n0=None) -> Tensor:
        """See System."""
        output = self.decoder(symbols_to_bits(symbols))
        return resize(output, self.image_size).clamp(0, 1) if self.reconstruct else output

    def distortion(self, bits: Tensor, image: Tensor, label: Tensor) -> Tensor:
        """The negative log-likelihood [K, b] of the decoded codewords [K, b, k], in nats and up to a constant.

        Cross-entropy of the class; or, as in the released code, that of a Gaussian with variance 1/2: Σ (x − x̂)² over
        the native pixels.
        """
        output = self.decoder(bits.flatten(0, 1)).unflatten(0, bits.shape[:2])
        if self.reconstruct:
            return (output - resize(image, self.native)).square().flatten(2).sum(dim=2)
        return cross_entropy(output.permute(1, 2, 0), label[:, None].expand(-1, len(bits)), reduction="none").T

    def loss(self, image: Tensor, label: Tensor, rate: float | Tensor, samples: int, released_sign: bool) -> Tensor:
        """The mean of VIMCO's bound over a batch, with `samples` codewords for each image.

        rate: the probability that a bit flips, one for all images or Float[b, 1]; bits are drawn with it included
        (the collapsed Bernoulli s + ε − 2sε of Choi et al. 2019), from torch's global generator.
        """
        logits = self.logits(image)
        probability = flipped(torch.sigmoid(logits.detach()), rate)
        bits = torch.bernoulli(probability.expand(samples, -1, -1))
        log_q = log_probability(bits, logits, rate)
        return vimco(self.distortion(bits, image, label), log_q, released_sign).mean()


def adam(system: BitSystem, learning_rate: float, encoder_l2: float) -> Adam:
    """Adam with λ/2 ‖w‖² on the weights of the encoder only, not on biases or batch norms, as in the released code."""
    decayed = [p for p in system.encoder.parameters() if p.dim() > 1]
    free = [p for p in system.encoder.parameters() if p.dim() == 1] + list(system.decoder.parameters())
    return Adam([{"params": decayed, "weight_decay": encoder_l2}, {"params": free}], learning_rate, fused=True)
