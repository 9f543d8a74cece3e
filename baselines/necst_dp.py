"""NECST-DP: NECST whose sender randomises the bits before it sends them. The paper names it but does not define it.

Known: NECST (see necst.py); the number in the name runs from 0.05, which performs worst, to 0.9, which the paper plots.
Ours: all else. Performance grows with the number, as with a privacy budget, so we take it for one: randomised response
flips each bit with probability 1/(1+e^budget), which is 0.4875 at 0.05 and 0.289 at 0.9. Each bit then has
budget-local differential privacy, all k bits together k times the budget; a repeated message is randomised again.
Training uses ε ⊕ ρ, the flips of the channel and of the mechanism in cascade. The number could also be the standard
deviation of a Gaussian mechanism. That is a variant; in it, 0.05 protects least and performs best.
k = 100 (grey), 500 (colour): one bit per symbol.
"""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from repobe.phy.bpsk import flipped
from repobe.phy.channel import complex_normal
from repobe.phy.channels import normalise_power
from repobe.systems.bitcode import BitSystem, adam
from repobe.training import method
from repobe.training.method import Problem


@dataclass(frozen=True)
class Hyper:
    """budget: the ε of randomised response; for `gaussian`, the standard deviation of the noise."""

    budget: float = 0.9  # Figs. 3d, 3e: NECST-DP0.9
    mechanism: str = "randomised_response"  # not stated in the paper; or gaussian
    samples: int = 5  # VIMCO's K: Choi et al. 2019
    learning_rate: float = 1e-3  # Adam's: Choi et al. 2019
    last_learning_rate: float = 0.0  # ours: end of the cosine; published: constant, 1e-3
    encoder_l2: float = 1e-4  # the released default
    released_sign: bool = False  # the published form, Mnih & Rezende 2016


def flip_probability(budget: float) -> float:
    """1/(1+e^budget): an answer is at most e^budget times as likely for one bit as for the other (Warner 1965)."""
    return 1 / (1 + math.exp(budget))


def randomised_response(budget: float, symbols: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """BPSK Symbols, some negated because their bit is flipped; the gradient passes with the same signs."""
    draw = torch.rand(symbols.shape, device=symbols.device, generator=generator)
    return torch.where(draw < flip_probability(budget), -symbols, symbols)


def gaussian(deviation: float, symbols: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Symbols plus CN(0, deviation²), scaled back to unit power."""
    return normalise_power(symbols + deviation * complex_normal(symbols.shape, symbols, generator))


MECHANISMS = {"randomised_response": randomised_response, "gaussian": gaussian}


class Method(method.Method):
    """NECST's training, with the flips of the mechanism and of the channel together.

    NECST has its own learning rate and weight decay, not Problem's.
    """

    autocasts = False  # dense layers gain nothing, and the probabilities of bits need float32
    max_gradient_norm = None  # as NECST: no clipping is published

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.mechanism not in MECHANISMS:
            raise ValueError(f"hyper.mechanism: '{hyper.mechanism}' is unknown; it is one of {', '.join(MECHANISMS)}")
        if hyper.budget < 0:
            raise ValueError(f"hyper.budget: {hyper.budget} is negative; a privacy budget is 0 or more")
        if hyper.samples < 2:
            raise ValueError(f"hyper.samples: {hyper.samples} is too few; VIMCO needs two or more")
        self.hyper = hyper
        # The mechanism acts before the air, so an eavesdropper hears its output.
        protect = partial(MECHANISMS[hyper.mechanism], hyper.budget)
        self.system = BitSystem(
            problem.colours, problem.classes, problem.image_size, problem.channel, problem.reconstruct, protect
        )
        self.side = self.system.native

    def rate(self, n0: float) -> float:
        """The probability that a bit arrives flipped, by the mechanism or by the channel."""
        if self.hyper.mechanism == "gaussian":
            return self.problem.channel.bit_error_rate(n0, self.hyper.budget**2)
        return flipped(flip_probability(self.hyper.budget), self.problem.channel.bit_error_rate(n0))

    def optimise(self) -> None:
        self.optimisers = [adam(self.system, self.hyper.learning_rate, self.hyper.encoder_l2)]
        self.schedulers = [CosineAnnealingLR(self.optimisers[0], self.problem.updates, self.hyper.last_learning_rate)]

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        loss = self.system.loss(image, label, self.rate(n0), self.hyper.samples, self.hyper.released_sign)
        self.optimizer_step(loss)
        return {"loss": loss.detach()}
