"""RepObE's network without shuffle and adversarial training: the "baseline" of Fig. 4, and the teacher of D9.

Known: the paper's network and cross-entropy (L_rec for reconstruction). Ours: nothing. k = 2·(S/8)².
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from repobe.systems.system import SemanticSystem
from repobe.training import method
from repobe.training.method import Problem


@dataclass(frozen=True)
class Hyper:
    """No settings; the optimiser is D10's."""


class Method(method.Method):
    """Cross-entropy on natural images, or the mean squared error of the reconstruction."""

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        self.system = SemanticSystem(
            problem.colours, problem.classes, problem.image_size, problem.channel, problem.reconstruct
        )

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        output = self.system(image, n0)
        loss = mse_loss(output, image) if self.problem.reconstruct else cross_entropy(output, label)
        self.optimizer_step(loss)
        return {"loss": loss.detach()}
