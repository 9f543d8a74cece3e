"""Projected gradient descent. All attacks in training use it; they differ only in the loss."""

from collections.abc import Callable

import torch
from torch import Tensor


def pgd(loss: Callable[[Tensor], Tensor], x: Tensor, start: Tensor, eps: float, step: float, steps: int) -> Tensor:
    """Maximises loss(x_adv) inside ‖x_adv − x‖∞ ≤ eps and [0, 1] by `steps` signed steps (Madry et al. 2018).

    x, start: Image [b, c, h, w]; eps and step in [0, 1] pixels. TRADES, PGD-AT and EOT differ only in `loss`.
    """
    x_adv = project(start, x, eps)
    for _ in range(steps):
        x_adv.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x_adv), x_adv)
        x_adv = project(x_adv.detach() + step * gradient.sign(), x, eps)
    return x_adv


def project(x_adv: Tensor, x: Tensor, eps: float) -> Tensor:
    """The nearest image inside the ball around x and inside [0, 1]."""
    return (x + (x_adv - x).clamp(-eps, eps)).clamp(0, 1).detach()


def craft(
    model: Callable[[Tensor], Tensor],
    divergence: Callable[[Tensor, Tensor], Tensor],
    image: Tensor,
    start: float,
    eps: float,
    step: float,
    steps: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """PGD as TRADES begins it (Zhang et al. 2019, Algorithm 1): raises divergence(M(I_nat), M(I_adv)), Float[b].

    It starts at I_nat + start·randn. A model that contains a channel draws fresh noise at each call.
    """
    with torch.no_grad():
        natural = model(image)
    noise = torch.randn(image.shape, generator=generator, device=image.device)
    return pgd(lambda x: divergence(natural, model(x)).sum(), image, image + start * noise, eps, step, steps)
