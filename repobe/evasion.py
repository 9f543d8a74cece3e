"""Adversarial examples: one PGD for training, torchattacks' own for evaluation."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from repobe.obfuscation import FixedKey, PerMessageKeys
from repobe.system import System


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

    From I_nat + start·randn; a model with a channel in it meets fresh noise at each call.
    """
    with torch.no_grad():
        natural = model(image)
    noise = torch.randn(image.shape, generator=generator, device=image.device)
    return pgd(lambda x: divergence(natural, model(x)).sum(), image, image + start * noise, eps, step, steps)


class NoisyClassifier(nn.Module):
    """Image [b, c, S, S] to Logits through a fresh channel draw: the white box, keys in hand, that is attacked."""

    def __init__(self, system: System, n0: float, keys: FixedKey | PerMessageKeys, generator: torch.Generator) -> None:
        super().__init__()
        self.system, self.n0, self.keys, self.generator = system, n0, keys, generator
        self.sent = 0

    def forward(self, image: Tensor) -> Tensor:
        key = self.keys.sending(self.sent, len(image))
        self.sent += len(image)
        return self.system(image, self.n0, key, self.generator)


def paper(model: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """The paper's attack: PGD-5, eps 0.016, step 0.0032, cross-entropy, by torchattacks (Sec. 4.2, D11)."""
    import torchattacks

    return torchattacks.PGD(model, eps=0.016, alpha=0.0032, steps=5, random_start=True)(image, label)


# Each attack's row: its function, and the radius that the tables print.
ATTACKS: dict[str, tuple[Callable[[nn.Module, Tensor, Tensor], Tensor], float]] = {"paper": (paper, 0.016)}
