"""The paper's attack with Eq. 14 in place of cross-entropy (D11).

It raises the divergence from the clean image's logits. It starts at I_nat + 0.001·randn, as the crafting of Eq. 16
does (D7).
"""

from torch import Tensor

from repobe.attacks.noisy import NoisyClassifier
from repobe.attacks.pgd import craft
from repobe.runs.spec import Attack
from repobe.training.losses import kl_divergence

START = 0.001


def attack(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack) -> list[Tensor]:
    """PGD of 5 steps of eps/steps; image: Float[b, c, S, S] in [0, 1]. The label is not used."""
    steps = settings.steps or 5
    return [craft(model.over(1), kl_divergence, image, START, eps, eps / steps, steps)]
