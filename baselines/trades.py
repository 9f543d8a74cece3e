"""TRADES (Zhang et al. 2019) on RepObE's network without the shuffle, a rival in Figs. 4c-d.

Known: CE(nat) + β·KL(nat ‖ adv) with β = 6; PGD on that KL from x + 0.001·randn; batch norm in evaluation mode while
crafting. Ours: the radius and the steps are RepObE's (D7), and so are the optimiser and early stopping (D10). Natural
and adversarial images pass the network as one batch, each with its own noise, as in RepObE. To use the published
recipe's ten steps of eps/4: `hyper: {steps: 10, step: 0.004}`. k = 2·(S/8)².
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from repobe.attacks.pgd import craft
from repobe.systems.folding import folded
from repobe.systems.system import SemanticSystem
from repobe.training import losses, method
from repobe.training.method import Problem


@dataclass(frozen=True)
class Hyper:
    """The trade-off β, and PGD's radius, steps and start in [0, 1] pixels of the S×S image."""

    beta: float = 6.0  # Zhang et al. 2019, Sec. 5: 1/λ
    eps: float = 0.016  # Sec. 4.2 of the RepObE paper
    step: float = 0.0032  # D7, as RepObE; Zhang et al. 2019, CIFAR-10: 0.007 of 0.031, about eps/4
    steps: int = 5  # Sec. 4.2 of the RepObE paper; Zhang et al. 2019, CIFAR-10: 10
    start: float = 0.001  # Zhang et al. 2019, Algorithm 1: standard deviation of the starting noise


class Method(method.Method):
    """min_θ E CE(M(I), y) + β max_{‖δ‖∞ ≤ eps} D_KL(M(I) ‖ M(I + δ)) (Zhang et al. 2019, Eq. 5)."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if problem.reconstruct:
            raise ValueError("trades has no task: reconstruction, because its loss compares classes")
        self.hyper = hyper
        self.system = SemanticSystem(problem.colours, problem.classes, problem.image_size, problem.channel)

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        adversarial = self.craft(image, label, n0)
        nat, adv = self.system(torch.cat([image, adversarial]), n0).chunk(2)
        loss = losses.trades(nat, adv, label, self.hyper.beta)
        self.optimizer_step(loss)
        return {"loss": loss.detach()}

    def craft(self, image: Tensor, label: Tensor, n0: float | Tensor, generator: torch.Generator | None = None):
        """PGD on D_KL(M(I_nat) ‖ M(I_adv)): Image. Each step draws fresh channel noise."""

        hyper, system = self.hyper, folded(self.system)

        def model(x: Tensor) -> Tensor:
            return system(x, n0, generator=generator)

        return craft(model, losses.kl_divergence, image, hyper.start, hyper.eps, hyper.step, hyper.steps, generator)

    def score(self, image: Tensor, label: Tensor, n0: Tensor, generator: torch.Generator) -> Tensor:
        """Adversarial correctness on fresh noise (D10)."""
        return super().score(self.craft(image, label, n0, generator), label, n0, generator)
