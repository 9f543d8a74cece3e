"""Adversarial examples: one PGD for training, torchattacks' own for evaluation."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from repobe.cipher.keys import FixedKey, PerMessageKeys
from repobe.images.metrics import correct
from repobe.runs.spec import Attack
from repobe.systems.system import System

SELECTION = 20  # fresh draws at least, by which one of several attacks on an image is picked


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
    """The white box that is attacked: Image [b, c, S, S] to Logits, each image through `draws` fresh channel draws.

    With the keys in hand, or with FixedKey(None): as the attacker's own copy without a shuffle at either end. Of
    several draws the logits are the log of the mean probability, log 1/D Σ softmax (Salman et al. 2019): expectation
    over transformation in one call, where torchattacks' own would run the encoder anew for each draw.
    """

    def __init__(self, system: System, n0: float, keys: FixedKey | PerMessageKeys, generator: torch.Generator) -> None:
        super().__init__()
        self.system, self.n0, self.keys, self.generator = system, n0, keys, generator
        self.draws, self.sent = 1, 0

    def over(self, draws: int) -> "NoisyClassifier":
        """Itself, from now on over so many draws."""
        self.draws = draws
        return self

    def forward(self, image: Tensor) -> Tensor:
        return averaged(self.each(image, self.draws))

    def each(self, image: Tensor, draws: int) -> Tensor:
        """Logits [draws, b, classes]."""
        count = len(image) * draws
        key = self.keys.sending(self.sent, count)
        self.sent += count
        return through(self.system, image, self.n0, key, isinstance(self.keys, FixedKey), self.generator, draws)

    def frozen(self, image: Tensor, draws: int) -> "FrozenClassifier":
        """The same for these images, with draws of their own, named by torch's global stream."""
        return FrozenClassifier(self.system, self.n0, self.keys, int(torch.randint(2**62, ())), image, draws).eval()


class FrozenClassifier(nn.Module):
    """The same with `draws` of transmitter, key, h and noise for each of the images under attack that never change.

    Deterministic, as AutoAttack `standard` and attacks by queries need it: they keep an image at its first misread
    query, which of a noisy model is luck. An attack regroups its images, so what it asks about is given the draws of
    the image [n, c, S, S] under attack that is nearest in L∞: the right one inside balls that do not meet (`apart`).
    """

    def __init__(self, system: System, n0: float, keys, seed: int, image: Tensor, draws: int) -> None:
        super().__init__()
        self.system, self.n0, self.seed, self.draws, self.known = system, n0, seed, draws, image.flatten(1)
        self.fixed, self.key = isinstance(keys, FixedKey), keys.receiving(0, len(image))
        self.gain = self.noise = None
        if not (system.digital or system.random_transmitter):
            generator = torch.Generator(image.device).manual_seed(seed)
            with torch.no_grad():
                sent = system.transmit(image, self.key, n0).repeat(draws, 1)
                gain, self.noise = system.channel.draw(sent, generator)
            self.gain = None if gain is None else gain.unflatten(0, (draws, -1))
            self.noise = self.noise.unflatten(0, (draws, -1))

    def forward(self, image: Tensor) -> Tensor:
        which = torch.cdist(image.detach().flatten(1), self.known, p=torch.inf).argmin(dim=1)
        if self.noise is None:
            # One by one, for such systems draw for a whole batch what its images must each have of their own.
            return torch.cat([self.alone(one, int(i)) for one, i in zip(image.split(1), which, strict=True)])
        sent = self.system.transmit(image, self.key and self.key[which.cpu()], self.n0).repeat(self.draws, 1)
        draw = [part if part is None else part[:, which].flatten(0, 1) for part in (self.gain, self.noise)]
        heard = self.system.channel.apply(sent, self.n0, draw)
        logits = self.system.receive(heard, self.key and self.key[which.cpu().repeat(self.draws)], self.n0)
        return averaged(logits.unflatten(0, (self.draws, -1)))

    def alone(self, image: Tensor, number: int) -> Tensor:
        """Logits [1, classes] of Image [1, c, S, S]."""
        generator = torch.Generator(image.device).manual_seed(self.seed + number)
        key = self.key and self.key[torch.full((self.draws,), number)]
        return averaged(through(self.system, image, self.n0, key, self.fixed, generator, self.draws))


def apart(image: Tensor, eps: float) -> bool:
    """Whether the L∞ balls of radius eps around these images do not meet."""
    distance = torch.cdist(image.flatten(1), image.flatten(1), p=torch.inf)
    distance.fill_diagonal_(torch.inf)
    return bool(distance.min() > 2 * eps)


def frozen(
    attacker: Callable[[nn.Module], Callable[[Tensor, Tensor], Tensor]],
    model: NoisyClassifier,
    image: Tensor,
    label: Tensor,
    eps: float,
    draws: int,
) -> Tensor:
    """What an attack on a deterministic model finds, on all images at once where their balls do not meet."""
    together = len(image) if apart(image, eps) else 1
    each = zip(image.split(together), label.split(together), strict=True)
    return torch.cat([attacker(model.frozen(x, draws))(x, y) for x, y in each])


def through(system: System, image: Tensor, n0: float, key, fixed: bool, generator, draws: int) -> Tensor:
    """Logits [draws, b, classes]: each image sent once for all its draws, unless key or transmitter differ in them.

    key: one for all (`fixed`, or None), or those of draws·b messages.
    """
    if draws == 1:
        return system(image, n0, key, generator)[None]
    if fixed and not system.random_transmitter:
        sent = system.transmit(image, key, n0, generator)
        sent = sent.repeat(draws, *[1] * (sent.dim() - 1))
    else:
        sent = system.transmit(image.repeat(draws, 1, 1, 1), key, n0, generator)
    return system.deliver(sent, n0, key, generator).unflatten(0, (draws, len(image)))


def averaged(logits: Tensor) -> Tensor:
    """Logits [draws, b, classes] as those [b, classes] of the mean probability; of one draw, its own."""
    if len(logits) == 1:
        return logits[0]
    return log_softmax(logits, dim=2).logsumexp(dim=0) - math.log(len(logits))


def pgd5(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, attack: Attack) -> list[Tensor]:
    """The paper's attack: PGD of 5 steps of eps/steps (0.0032 at 0.016), cross-entropy (Sec. 4.2, D11)."""
    import torchattacks

    steps = attack.steps or 5
    return [torchattacks.PGD(model.over(1), eps=eps, alpha=eps / steps, steps=steps, random_start=True)(image, label)]


def eot_pgd(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, attack: Attack) -> list[Tensor]:
    """PGD whose every step follows the gradient over `eot` (20) channel draws (Athalye et al. 2018), 50 steps; a
    candidate a restart.
    """
    import torchattacks

    steps = attack.steps or 50
    step = 2.5 * eps / steps  # Madry et al. 2018: enough to cross the ball and to stay near its border
    strong = torchattacks.PGD(model.over(attack.eot or 20), eps=eps, alpha=step, steps=steps, random_start=True)
    return [strong(image, label) for _ in range(attack.restarts)]


def autoattack_rand(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, attack: Attack) -> list[Tensor]:
    """AutoAttack `rand` (Croce & Hein 2020): APGD on cross-entropy and on DLR, 100 iterations, 20 draws a step.

    Each gives the image of the highest loss over its draws, for the one that was misread in one draw was unlucky.
    """
    model = model.over(attack.eot or 20)
    return [image, *(apgd.perturb(image, label, best_loss=True)[1] for apgd in rand(model, eps, attack))]


def rand(model: nn.Module, eps: float, attack: Attack) -> list:
    """torchattacks' `rand`, whose APGD takes 10 steps, with the published 100."""
    import torchattacks

    steps = attack.steps or 100
    return [
        torchattacks.APGD(model, eps=eps, steps=steps, n_restarts=attack.restarts, loss=loss) for loss in ("ce", "dlr")
    ]


def autoattack_standard(
    model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, attack: Attack
) -> list[Tensor]:
    """AutoAttack `standard` (Croce & Hein 2020), each image against one frozen draw of its own."""
    import torchattacks

    def attacker(deterministic):
        return torchattacks.MultiAttack(standard(deterministic, eps, attack, classes_of(deterministic, image)))

    return [image, frozen(attacker, model, image, label, eps, 1)]


def standard(model: nn.Module, eps: float, attack: Attack, classes: int) -> list:
    """torchattacks' `standard`, whose APGD, APGD-T and FAB take 10 steps, with the published 100; 5000 queries."""
    import torchattacks

    steps = attack.steps or 100
    common = {"eps": eps, "n_restarts": attack.restarts}
    return [
        torchattacks.APGD(model, steps=steps, loss="ce", seed=fresh(), **common),
        torchattacks.APGDT(model, steps=steps, n_classes=classes, seed=fresh(), **common),
        torchattacks.FAB(model, steps=steps, multi_targeted=True, n_classes=classes, seed=fresh(), **common),
        torchattacks.Square(model, n_queries=50 * steps, seed=fresh(), **common),
    ]


def square(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, attack: Attack) -> list[Tensor]:
    """Square (Andriushchenko et al. 2020) of `steps` (5000) queries: without gradients, so masked ones do not stop it.

    Until the mean probability over `eot` (20) frozen draws of an image's own speaks for a wrong class; where none
    does, the image nearest to that, for which torchattacks' own call gives the clean one. A candidate a restart.
    """
    import torchattacks

    def attacker(deterministic):
        search = torchattacks.Square(deterministic, eps=eps, n_queries=attack.steps or 5000)

        @torch.no_grad()
        def searched(x, y):
            search.init_hyperparam(x)
            return search.attack_single_run(x, y)[1]

        return searched

    draws = attack.eot or 20
    return [image, *(frozen(attacker, model, image, label, eps, draws) for _ in range(attack.restarts))]


def fresh() -> int:
    """A seed from torch's global stream: torchattacks would start every image from the same one."""
    return int(torch.randint(2**31, ()))


@torch.no_grad()
def classes_of(model: nn.Module, image: Tensor) -> int:
    """How many classes a model tells apart."""
    return model(image[:1]).shape[1]


def most_harmful(model: NoisyClassifier, candidates: list[Tensor], label: Tensor) -> Tensor:
    """Of each image the candidate that is misread oftenest on fresh draws, of equals the one of the highest loss."""
    harm = torch.stack([_harm(model, candidate, label) for candidate in candidates])
    return torch.stack(candidates)[harm.argmax(dim=0), torch.arange(len(label), device=label.device)]


@torch.no_grad()
def _harm(model: NoisyClassifier, image: Tensor, label: Tensor) -> Tensor:
    """Float[b]: in how many draws an image is misread, its mean loss breaking ties."""
    wrong = torch.zeros(len(image), device=image.device)
    loss = torch.zeros_like(wrong)
    for logits in model.each(image, SELECTION):
        wrong += 1 - correct(logits, label)
        loss += cross_entropy(logits, label, reduction="none") / SELECTION
    return wrong + loss / (1 + loss)


# What a config calls an attack's kind: candidates for each image, of which `most_harmful` picks. `keyless` and
# `transfer` are attacks on another model: the attacker's copy without a shuffle, and the surrogate.
KINDS: dict[str, Callable[[NoisyClassifier, Tensor, Tensor, float, Attack], list[Tensor]]] = {
    "pgd": pgd5,
    "keyless": pgd5,
    "transfer": eot_pgd,
    "eot_pgd": eot_pgd,
    "autoattack_rand": autoattack_rand,
    "autoattack_standard": autoattack_standard,
    "square": square,
}
