"""AT: adversarial training (Madry et al. 2018) on RepObE's network without the shuffle, a rival in Figs. 4c-d.

Known: the loss is the cross-entropy on PGD's examples alone, and PGD starts from a uniform draw. Ours: the radius and
the steps are RepObE's (D7), and so are the optimiser and early stopping (D10). To use the published recipe's ten steps
of eps/4: `hyper: {steps: 10, step: 0.004}`.
k = 2·(S/8)².
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from repobe.attacks.pgd import pgd
from repobe.systems.folding import folded
from repobe.systems.system import SemanticSystem
from repobe.training import method
from repobe.training.method import Problem


@dataclass(frozen=True)
class Hyper:
    """Radius and steps of PGD, in [0, 1] pixels of the S×S image."""

    eps: float = 0.016  # Sec. 4.2 of the RepObE paper
    step: float = 0.0032  # D7, as RepObE; Madry et al. 2018, CIFAR-10: 2/255 of 8/255
    steps: int = 5  # Sec. 4.2 of the RepObE paper; Pang et al. 2021: 10


class Method(method.Method):
    """min_θ E max_{‖δ‖∞ ≤ eps} CE(M(I + δ), y) (Madry et al. 2018, Eq. 2.1)."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if problem.reconstruct:
            raise ValueError("adversarial_training has no task: reconstruction, because its loss compares classes")
        self.hyper = hyper
        self.system = SemanticSystem(problem.colours, problem.classes, problem.image_size, problem.channel)

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        loss = cross_entropy(self.system(self.craft(image, label, n0), n0), label)
        self.optimizer_step(loss)
        return {"loss": loss.detach()}

    def craft(self, image: Tensor, label: Tensor, n0: float | Tensor, generator: torch.Generator | None = None):
        """PGD on the cross-entropy from a uniform start in the ball: Image. Each step draws fresh noise."""

        hyper, system = self.hyper, folded(self.system)

        def loss(x: Tensor) -> Tensor:
            return cross_entropy(system(x, n0, generator=generator), label, reduction="sum")

        uniform = 2 * torch.rand(image.shape, generator=generator, device=image.device) - 1
        return pgd(loss, image, image + hyper.eps * uniform, hyper.eps, hyper.step, hyper.steps)

    def score(self, image: Tensor, label: Tensor, n0: Tensor, generator: torch.Generator) -> Tensor:
        """Adversarial correctness on fresh noise (D10)."""
        return super().score(self.craft(image, label, n0, generator), label, n0, generator)
