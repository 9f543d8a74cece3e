"""NECST's discrete code: its networks, its System, and one training loss, for whichever baseline sends such bits.

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

GREY, COLOUR = 28, 32  # pixels that the networks work on: MNIST's and CIFAR-10's own
GREY_BITS, COLOUR_BITS = 100, 500  # Choi et al. 2019: MNIST at 100 bits, CIFAR-10 at 500
HIDDEN = 500  # as the released defaults: encoder 500, decoder 500, 500
SLOPE = 0.2  # of TensorFlow's leaky ReLU, which the released code takes

Protect = Callable[[Tensor, torch.Generator | None], Tensor]  # Symbols, generator to Symbols


def as_they_are(symbols: Tensor, generator: torch.Generator | None) -> Tensor:
    """No protection."""
    return symbols


def dense(inputs: int, outputs: int) -> nn.Sequential:
    """A layer without bias, as the released decoder's are."""
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.LeakyReLU(SLOPE))


def bit_encoder(colours: int, bits: int) -> nn.Sequential:
    """Image [b, 1, 28, 28] or [b, 3, 32, 32] to the logits [b, bits] of its bits."""
    if colours == 1:
        hidden = [nn.Flatten(), nn.Linear(GREY**2, HIDDEN), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*hidden, nn.Linear(HIDDEN, bits, bias=False))
    widths = [(colours, 64), (64, 32), (32, 16)]
    layers = [layer for pair in widths for layer in (convolution(*pair), nn.MaxPool2d(2))]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * (COLOUR // 8) ** 2, bits, bias=False))


def bit_decoder(bits: int, outputs: int) -> nn.Sequential:
    """Bits to `outputs` numbers through two layers of 500: MNIST's published decoder, and any classifier here."""
    return nn.Sequential(dense(bits, HIDDEN), dense(HIDDEN, HIDDEN), nn.Linear(HIDDEN, outputs, bias=False))


def bit_image_decoder(colours: int, bits: int) -> nn.Sequential:
    """Bits to an image [b, C, 28, 28] or [b, C, 32, 32] in [0, 1]; in colour the encoder's mirror."""
    if colours == 1:
        return nn.Sequential(bit_decoder(bits, GREY**2), nn.Sigmoid(), nn.Unflatten(1, (1, GREY, GREY)))
    small = COLOUR // 8
    layers = [layer for pair in [(16, 16), (16, 32), (32, 64)] for layer in (convolution(*pair), nn.Upsample(None, 2))]
    first = [nn.Linear(bits, 16 * small**2, bias=False), nn.Unflatten(1, (16, small, small))]
    return nn.Sequential(*first, *layers, nn.Conv2d(64, colours, 3, padding=1), nn.Sigmoid())


class BitSystem(System):
    """Hard bits by BPSK, k = their number: `bits`, or if 0 the published 100 of a grey and 500 of a colour image.

    protect: what the sender does to its symbols before they are on the air. Both decisions, the sender's for the more
    likely bit and the receiver's by sign, have straight-through gradients: an attack on the image follows the bits'
    probabilities.
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
        """See System; deterministic, but for what `protect` draws."""
        return self.protect(bits_to_symbols(harden(torch.sigmoid(self.logits(image)))), generator)

    def receive(self, symbols, key=None, n0=None) -> Tensor:
        """See System."""
        output = self.decoder(symbols_to_bits(symbols))
        return resize(output, self.image_size).clamp(0, 1) if self.reconstruct else output

    def distortion(self, bits: Tensor, image: Tensor, label: Tensor) -> Tensor:
        """Minus the log-likelihood [K, b] of what K codewords [K, b, k] stand for, in nats but for a constant.

        Cross-entropy of the class; or a Gaussian likelihood of variance 1/2, Σ (x − x̂)² over the native pixels, as in
        the released code.
        """
        output = self.decoder(bits.flatten(0, 1)).unflatten(0, bits.shape[:2])
        if self.reconstruct:
            return (output - resize(image, self.native)).square().flatten(2).sum(dim=2)
        return cross_entropy(output.permute(1, 2, 0), label[:, None].expand(-1, len(bits)), reduction="none").T

    def loss(self, image: Tensor, label: Tensor, rate: float | Tensor, samples: int, released_sign: bool) -> Tensor:
        """VIMCO's bound, a batch's mean: `samples` codewords an image, each bit flipped at `rate` (the collapsed
        Bernoulli s + ε − 2sε of Choi et al. 2019), one for all images or Float[b, 1]; draws from torch's global stream.
        """
        logits = self.logits(image)
        probability = flipped(torch.sigmoid(logits.detach()), rate)
        bits = torch.bernoulli(probability.expand(samples, -1, -1))
        log_q = log_probability(bits, logits, rate)
        return vimco(self.distortion(bits, image, label), log_q, released_sign).mean()


def adam(system: BitSystem, learning_rate: float, encoder_l2: float) -> Adam:
    """Adam with λ/2 ‖w‖² on the encoder's weights alone, biases and batch norms free, as in the released code."""
    decayed = [p for p in system.encoder.parameters() if p.dim() > 1]
    free = [p for p in system.encoder.parameters() if p.dim() == 1] + list(system.decoder.parameters())
    return Adam([{"params": decayed, "weight_decay": encoder_l2}, {"params": free}], learning_rate, fused=True)
