"""The paper's attack without a random start (D11)."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from repobe.attacks.noisy import NoisyClassifier
from repobe.attacks.pgd import pgd
from repobe.runs.spec import Attack


def attack(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack) -> list[Tensor]:
    """PGD of 5 steps of eps/steps from the image itself; image: Float[b, c, S, S] in [0, 1], label: Int64[b]."""
    steps, model = settings.steps or 5, model.over(1)
    return [pgd(lambda x: cross_entropy(model(x), label, reduction="sum"), image, image, eps, eps / steps, steps)]
