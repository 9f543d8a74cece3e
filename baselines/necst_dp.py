"""NECST-DP: NECST whose bits the sender randomises before they are sent. The paper names it and defines it nowhere.

Known: NECST (see necst.py); that the suffix runs from 0.05, the worst, to 0.9, good enough to show. Ours: all else.
A suffix that gets better as it grows behaves as a privacy budget, so each bit goes through randomised response, flipped
with probability 1/(1+e^budget): 0.4875 at 0.05, 0.289 at 0.9. That is budget-local differential privacy of each bit;
of all k bits it is k times the budget, and a message sent again is drawn again. Training knows ε ⊕ ρ, the air's and the
mechanism's flips in cascade. The other reading, a Gaussian mechanism whose standard deviation is the suffix, is a
variant; under it 0.05 protects least and fares best. k = 100 (grey), 500 (colour), one bit a symbol.
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
    """budget: of randomised response its ε of differential privacy; of `gaussian` the noise's standard deviation."""

    budget: float = 0.9  # Figs. 3d, 3e: NECST-DP0.9
    mechanism: str = "randomised_response"  # not stated in the paper; or gaussian
    samples: int = 5  # VIMCO's K: Choi et al. 2019
    learning_rate: float = 1e-3  # Adam's: Choi et al. 2019
    last_learning_rate: float = 0.0  # by a cosine, as all that is compared here decays; published: constant, 1e-3
    encoder_l2: float = 1e-4  # the released default
    released_sign: bool = False  # the published form, Mnih & Rezende 2016


def flip_probability(budget: float) -> float:
    """1/(1+e^budget), so that no answer is e^budget times as likely from one bit as from the other (Warner 1965)."""
    return 1 / (1 + math.exp(budget))


def randomised_response(budget: float, symbols: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """BPSK Symbols with each bit flipped, which negates its symbol; the gradient knows which were."""
    draw = torch.rand(symbols.shape, device=symbols.device, generator=generator)
    return torch.where(draw < flip_probability(budget), -symbols, symbols)


def gaussian(deviation: float, symbols: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Symbols with CN(0, deviation²) added, then of unit power again."""
    return normalise_power(symbols + deviation * complex_normal(symbols.shape, symbols, generator))


MECHANISMS = {"randomised_response": randomised_response, "gaussian": gaussian}


class Method(method.Method):
    """NECST's training with the flips of mechanism and air together.

    Problem's learning rate and weight decay are not NECST's and not used.
    """

    autocasts = False  # dense layers gain nothing, and its bits' probabilities need float32
    max_gradient_norm = None  # as NECST: no clipping is published

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.mechanism not in MECHANISMS:
            raise ValueError(f"hyper.mechanism: '{hyper.mechanism}' is none of {', '.join(MECHANISMS)}")
        if hyper.budget < 0:
            raise ValueError(f"hyper.budget: {hyper.budget} is below zero")
        if hyper.samples < 2:
            raise ValueError(f"hyper.samples: {hyper.samples} leaves none out; VIMCO needs two or more")
        self.hyper = hyper
        # An eavesdropper hears the symbols after it.
        protect = partial(MECHANISMS[hyper.mechanism], hyper.budget)
        self.system = BitSystem(
            problem.colours, problem.classes, problem.image_size, problem.channel, problem.reconstruct, protect
        )

    def rate(self, n0: float) -> float:
        """How likely a bit arrives flipped, by the mechanism or by the air."""
        if self.hyper.mechanism == "gaussian":
            return self.problem.channel.bit_error_rate(n0, self.hyper.budget**2)
        return flipped(flip_probability(self.hyper.budget), self.problem.channel.bit_error_rate(n0))

    def optimise(self) -> None:
        self.optimisers = [adam(self.system, self.hyper.learning_rate, self.hyper.encoder_l2)]
        self.schedulers = [CosineAnnealingLR(self.optimisers[0], self.problem.updates, self.hyper.last_learning_rate)]

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        loss = self.system.loss(image, label, self.rate(n0), self.hyper.samples, self.hyper.released_sign)
        self.descend(loss)
        return {"loss": loss.detach()}
