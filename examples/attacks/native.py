"""The paper's attack on the pixels that the dataset has: its change is enlarged to S×S, as the image was (D37).

The suite's attacks change each pixel of the enlarged image. Fewer pixels to change make a weaker attack.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from baselines.jpeg2000 import NATIVE
from repobe.attacks.noisy import NoisyClassifier
from repobe.attacks.pgd import pgd
from repobe.images.resizing import resize
from repobe.runs.spec import Attack

GREY = 0.5  # `pgd` keeps images in [0, 1], so it changes a grey one, whose change is added to the image


def attack(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack) -> list[Tensor]:
    """PGD of 5 steps of eps/steps, cross-entropy, uniform start; image: Float[b, c, S, S] in [0, 1], label: Int64[b].

    Resizing is linear, and its weights add up to 1. So no pixel at S×S changes by more than eps.
    """
    steps, model = settings.steps or 5, model.over(1)
    pixels = min(NATIVE[image.shape[1]], image.shape[-1])
    grey = torch.full((*image.shape[:2], pixels, pixels), GREY, device=image.device)

    def changed(native: Tensor) -> Tensor:
        return (image + resize(native - GREY, image.shape[-1])).clamp(0, 1)

    def loss(native: Tensor) -> Tensor:
        return cross_entropy(model(changed(native)), label, reduction="sum")

    start = grey + eps * (2 * torch.rand_like(grey) - 1)
    return [changed(pgd(loss, grey, start, eps, eps / steps, steps))]
