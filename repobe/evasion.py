"""Adversarial examples: one PGD for training, torchattacks' own for evaluation."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from repobe.metrics import correct
from repobe.obfuscation import FixedKey, PerMessageKeys
from repobe.spec import Attack
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
    """Image [b, c, S, S] to Logits through a fresh channel draw: the white box that is attacked.

    With the keys in hand, or with FixedKey(None): as the attacker's own copy without a shuffle at either end.
    """

    def __init__(self, system: System, n0: float, keys: FixedKey | PerMessageKeys, generator: torch.Generator) -> None:
        super().__init__()
        self.system, self.n0, self.keys, self.generator = system, n0, keys, generator
        self.sent = 0

    def forward(self, image: Tensor) -> Tensor:
        key = self.keys.sending(self.sent, len(image))
        self.sent += len(image)
        return self.system(image, self.n0, key, self.generator)


class FrozenClassifier(nn.Module):
    """The same through one channel draw that never changes: deterministic, as AutoAttack `standard` needs it.

    One draw for all images, for the attack regroups them; without the shuffle, which commutes with the channel.
    """

    def __init__(self, system: System, n0: float, seed: int) -> None:
        super().__init__()
        self.system, self.n0, self.seed = system, n0, seed

    def forward(self, image: Tensor) -> Tensor:
        generator = torch.Generator(image.device).manual_seed(self.seed)
        symbols = self.system.transmit(image, None, self.n0, generator)
        if self.system.digital:
            return self.system.deliver(symbols, self.n0, None, generator)
        gain, noise = self.system.channel.draw(symbols[:1], generator)
        gain = gain if gain is None else gain.expand(len(symbols), -1)
        heard = self.system.channel.apply(symbols, self.n0, (gain, noise.expand(len(symbols), -1)))
        return self.system.receive(heard, None, self.n0)


def pgd5(model: nn.Module, image: Tensor, label: Tensor, eps: float, attack: Attack) -> Tensor:
    """The paper's attack: PGD of `steps` (5) steps of eps/steps (0.0032 at 0.016), cross-entropy (Sec. 4.2, D11)."""
    import torchattacks

    return torchattacks.PGD(model, eps=eps, alpha=eps / attack.steps, steps=attack.steps, random_start=True)(
        image, label
    )


def eot_pgd(model: nn.Module, image: Tensor, label: Tensor, eps: float, attack: Attack) -> Tensor:
    """PGD whose every step averages the gradient over `eot` channel draws (Athalye et al. 2018), with restarts.

    Of the restarts, and of the paper's own attack, each image keeps the one that it survives least on `eot` fresh
    draws, of equals the one of the highest loss.
    """
    import torchattacks

    step = 2.5 * eps / attack.steps  # Madry et al. 2018: enough to cross the ball and to stay near its border
    strong = torchattacks.EOTPGD(model, eps=eps, alpha=step, steps=attack.steps, eot_iter=attack.eot)
    weak = Attack("pgd", attack.images)
    candidates = [pgd5(model, image, label, eps, weak)] + [strong(image, label) for _ in range(attack.restarts)]
    harm = torch.stack([_harm(model, candidate, label, attack.eot) for candidate in candidates])
    return torch.stack(candidates)[harm.argmax(dim=0), torch.arange(len(image), device=image.device)]


@torch.no_grad()
def _harm(model: nn.Module, image: Tensor, label: Tensor, draws: int) -> Tensor:
    """Float[b]: the fraction of draws in which an image is misread, its loss breaking ties."""
    wrong = torch.zeros(len(image), device=image.device)
    loss = torch.zeros_like(wrong)
    for _ in range(draws):
        logits = model(image)
        wrong += 1 - correct(logits, label)
        loss += cross_entropy(logits, label, reduction="none")
    return wrong + loss / (draws + loss)


def autoattack(version: str) -> Callable[..., Tensor]:
    """AutoAttack (Croce & Hein 2020): `rand`, 20 draws a step, or `standard`, for a model whose noise is frozen."""

    def attacked(model: nn.Module, image: Tensor, label: Tensor, eps: float, attack: Attack) -> Tensor:
        import torchattacks

        with torch.no_grad():
            classes = model(image[:1]).shape[1]
        return torchattacks.AutoAttack(model, eps=eps, version=version, n_classes=classes, seed=0)(image, label)

    return attacked


def square(model: nn.Module, image: Tensor, label: Tensor, eps: float, attack: Attack) -> Tensor:
    """Square (Andriushchenko et al. 2020) of `steps` queries: without gradients, so masked ones do not stop it."""
    import torchattacks

    return torchattacks.Square(model, eps=eps, n_queries=attack.steps, n_restarts=attack.restarts, seed=0)(image, label)


# What a config calls an attack's kind. `keyless` and `transfer` are the paper's attack on another model: the attacker's
# copy without a shuffle, and the surrogate.
KINDS: dict[str, Callable[[nn.Module, Tensor, Tensor, float, Attack], Tensor]] = {
    "pgd": pgd5,
    "keyless": pgd5,
    "transfer": pgd5,
    "eot_pgd": eot_pgd,
    "autoattack_rand": autoattack("rand"),
    "autoattack_standard": autoattack("standard"),
    "square": square,
}
