"""NECST (Choi et al., ICML 2019): a discrete code for a channel that flips bits, learned with VIMCO.

Known: the MNIST networks 784-500-100 bits and 500-500, the CIFAR-10 encoder (convolutions of 64, 32, 16, 500 bits),
the collapsed Bernoulli, five VIMCO samples, Adam 1e-3, L2 1e-4 on the encoder.

Ours: the decoder classifies, and cross-entropy replaces the reconstruction likelihood; for reconstruction we use the
Gaussian likelihood of the released code. The learning rate decays to zero by a cosine; with the published
constant rate, accuracy on MNIST stayed at 0.968 through a hundred epochs. Bits are sent as BPSK symbols over the
suite's channels. In training, as published, each bit flips independently, at the channel's mean bit error rate at the
batch's SNR. Over block fading, a receiver instead gets some messages whole and others with half their bits wrong;
`training_channel: block` trains on those.
k = 100 (grey), 500 (colour), or `bits`: one bit per symbol.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from repobe.phy.bpsk import message_error_rates
from repobe.systems.bitcode import BitSystem, adam
from repobe.training import method
from repobe.training.method import Problem


@dataclass(frozen=True)
class Hyper:
    """bits: k, 0 for the published number.

    training_channel: `flips` flips each bit at the channel's mean error rate; `block` at the error rate of its
    message's fading. Without block fading both are the same.
    released_sign: use the released code's sign of VIMCO's learning signal, see repobe.systems.vimco.
    """

    bits: int = 0  # Choi et al. 2019: 100 of MNIST, 500 of CIFAR-10
    training_channel: str = "flips"  # Choi et al. 2019, Sec. 3: a binary symmetric channel
    samples: int = 5  # VIMCO's K: Choi et al. 2019
    learning_rate: float = 1e-3  # Adam's: Choi et al. 2019
    last_learning_rate: float = 0.0  # ours: end of the cosine; published: constant, 1e-3
    encoder_l2: float = 1e-4  # the released default
    released_sign: bool = False  # the published form, Mnih & Rezende 2016


class Method(method.Method):
    """Maximises VIMCO's multi-sample bound. NECST has its own learning rate and weight decay, not Problem's."""

    autocasts = False  # dense layers gain nothing, and the probabilities of bits need float32
    max_gradient_norm = None  # Choi et al. 2019: no clipping is published

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.samples < 2:
            raise ValueError(f"hyper.samples: {hyper.samples} is too few; VIMCO needs two or more")
        if hyper.bits < 0:
            raise ValueError(f"hyper.bits: {hyper.bits} is negative; 0 means the published number of bits")
        if hyper.training_channel not in ("flips", "block"):
            raise ValueError(f"hyper.training_channel: '{hyper.training_channel}' is unknown; it is flips or block")
        self.hyper = hyper
        self.system = BitSystem(
            problem.colours,
            problem.classes,
            problem.image_size,
            problem.channel,
            problem.reconstruct,
            bits=hyper.bits,
        )
        self.side = self.system.native

    def rate(self, n0: float, image: Tensor) -> float | Tensor:
        """The probability that a bit arrives flipped: one for all messages, or Float[b, 1]."""
        if self.hyper.training_channel == "flips":
            return self.problem.channel.bit_error_rate(n0)
        return message_error_rates(self.problem.channel, n0, len(image), image.device)

    def optimise(self) -> None:
        self.optimisers = [adam(self.system, self.hyper.learning_rate, self.hyper.encoder_l2)]
        self.schedulers = [CosineAnnealingLR(self.optimisers[0], self.problem.updates, self.hyper.last_learning_rate)]

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        loss = self.system.loss(image, label, self.rate(n0, image), self.hyper.samples, self.hyper.released_sign)
        self.optimizer_step(loss)
        return {"loss": loss.detach()}
