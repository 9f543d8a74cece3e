"""The attacks of the evaluation, by the kinds that a config names. torchattacks runs them on a noisy classifier."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from repobe.attacks.noisy import NoisyClassifier, frozen
from repobe.images.metrics import correct
from repobe.runs import plugins
from repobe.runs.spec import Attack

SLACK = 1e-6  # of a radius, for sums in single precision
COMPARED = {"autoattack_rand": 3, "autoattack_standard": 4}  # classes that the DLR losses compare (Croce and Hein 2020)
SELECTION = 20  # fresh draws, at least, that decide which attack on an image is the most harmful


def pgd5(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack) -> list[Tensor]:
    """The paper's attack: PGD of 5 steps of eps/steps (0.0032 at 0.016), cross-entropy (Sec. 4.2, D11)."""
    import torchattacks

    steps = settings.steps or 5
    return [torchattacks.PGD(model.over(1), eps=eps, alpha=eps / steps, steps=steps, random_start=True)(image, label)]


def eot_pgd(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack) -> list[Tensor]:
    """PGD with 50 steps, each along the gradient of the log of the mean probability over `eot` (20) channel draws
    (Athalye et al. 2018; Salman et al. 2019). Each restart gives one candidate.
    """
    import torchattacks

    steps = settings.steps or 50
    step = 2.5 * eps / steps  # Madry et al. 2018: reaches the border from any start, then moves along it
    strong = torchattacks.PGD(model.over(settings.eot or 20), eps=eps, alpha=step, steps=steps, random_start=True)
    return [strong(image, label) for _ in range(settings.restarts)]


def autoattack_rand(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack) -> list[Tensor]:
    """AutoAttack `rand` (Croce & Hein 2020): APGD on cross-entropy and on DLR, 100 iterations, 20 draws a step.

    Each returns its image of highest mean loss. One draw that is misread may be chance, so it does not end the search.
    """
    model = model.over(settings.eot or 20)
    return [image, *(apgd.perturb(image, label, best_loss=True)[1] for apgd in rand(model, eps, settings))]


def rand(model: nn.Module, eps: float, settings: Attack) -> list:
    """torchattacks' `rand` with the published 100 steps; its own APGD takes 10."""
    import torchattacks

    steps = settings.steps or 100
    return [
        torchattacks.APGD(model, eps=eps, steps=steps, n_restarts=settings.restarts, loss=loss)
        for loss in ("ce", "dlr")
    ]


def autoattack_standard(
    model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack
) -> list[Tensor]:
    """AutoAttack `standard` (Croce & Hein 2020), each image against its own frozen draw."""
    import torchattacks

    def attacker(deterministic):
        return torchattacks.MultiAttack(standard(deterministic, eps, settings, classes_of(deterministic, image)))

    return [image, frozen(attacker, model, image, label, eps, 1)]


def standard(model: nn.Module, eps: float, settings: Attack, classes: int) -> list:
    """torchattacks' `standard` with the published 100 steps (its own APGD, APGD-T, FAB take 10) and 5000 queries."""
    import torchattacks

    steps = settings.steps or 100
    common = {"eps": eps, "n_restarts": settings.restarts}
    return [
        torchattacks.APGD(model, steps=steps, loss="ce", seed=fresh(), **common),
        torchattacks.APGDT(model, steps=steps, n_classes=classes, seed=fresh(), **common),
        torchattacks.FAB(model, steps=steps, multi_targeted=True, n_classes=classes, seed=fresh(), **common),
        torchattacks.Square(model, n_queries=50 * steps, seed=fresh(), **common),
    ]


def square(model: NoisyClassifier, image: Tensor, label: Tensor, eps: float, settings: Attack) -> list[Tensor]:
    """Square (Andriushchenko et al. 2020) with `steps` (5000) queries. Masked gradients do not stop it.

    It stops once the mean probability over the image's own `eot` (20) frozen draws favours a wrong class. If that
    never happens, it returns the image that came closest, where torchattacks' own call returns the clean one. Each
    restart gives one candidate.
    """
    import torchattacks

    def attacker(deterministic):
        search = torchattacks.Square(deterministic, eps=eps, n_queries=settings.steps or 5000)

        @torch.no_grad()
        def searched(x, y):
            search.init_hyperparam(x)
            return search.attack_single_run(x, y)[1]

        return searched

    draws = settings.eot or 20
    return [image, *(frozen(attacker, model, image, label, eps, draws) for _ in range(settings.restarts))]


def fresh() -> int:
    """A seed from torch's global stream, because torchattacks would use the same seed for every image."""
    return int(torch.randint(2**31, ()))


@torch.no_grad()
def classes_of(model: nn.Module, image: Tensor) -> int:
    """The number of classes of a model."""
    return model(image[:1]).shape[1]


def most_harmful(model: NoisyClassifier, candidates: list[Tensor], label: Tensor) -> Tensor:
    """For each image, the candidate misread most often on fresh draws; the mean loss breaks ties."""
    harm = torch.stack([_harm(model, candidate, label) for candidate in candidates])
    return torch.stack(candidates)[harm.argmax(dim=0), torch.arange(len(label), device=label.device)]


@torch.no_grad()
def _harm(model: NoisyClassifier, image: Tensor, label: Tensor) -> Tensor:
    """Float[b]: the number of draws in which an image is misread, plus a term below 1 that grows with its loss."""
    wrong = torch.zeros(len(image), device=image.device)
    loss = torch.zeros_like(wrong)
    for logits in model.each(image, SELECTION):
        wrong += 1 - correct(logits, label)
        loss += cross_entropy(logits, label, reduction="none") / SELECTION
    return wrong + loss / (1 + loss)


# An attack returns candidates, from which `most_harmful` picks one per image.
Candidates = Callable[[NoisyClassifier, Tensor, Tensor, float, Attack], list[Tensor]]
# An attack by the kind that a config names. `keyless` and `transfer` attack another model: the attacker's copy
# without a shuffle, and the surrogate.
KINDS: dict[str, Candidates] = {
    "pgd": pgd5,
    "keyless": pgd5,
    "transfer": eot_pgd,
    "eot_pgd": eot_pgd,
    "autoattack_rand": autoattack_rand,
    "autoattack_standard": autoattack_standard,
    "square": square,
}


def of_kind(kind: str) -> Candidates:
    """The attack of a kind: one of KINDS, or the function `attack` of a file, path.py; ValueError without it."""
    if not plugins.is_file(kind):
        return KINDS[kind]
    found = getattr(plugins.imported(kind), "attack", None)
    if not callable(found):
        raise ValueError(f"{kind} has no function attack")
    return lambda *asked: _allowed(kind, found(*asked), *asked)


def _allowed(kind: str, candidates: list[Tensor], model, image: Tensor, label, eps: float, settings) -> list[Tensor]:
    """The candidates of a user's own attack; ValueError where one is outside the ball or is no image."""
    if candidates is None or (isinstance(candidates, list) and not candidates):
        raise ValueError(f"{kind}: `attack` returned no images; return a list with one image batch or more")
    if not isinstance(candidates, list):
        raise ValueError(f"{kind}: `attack` returned a {type(candidates).__name__}; return a list of image batches")
    for candidate in candidates:
        if candidate.shape != image.shape:
            raise ValueError(f"{kind}: `attack` returned {[*candidate.shape]} for the images {[*image.shape]}")
        if not ((candidate - image).abs() <= eps + SLACK).all() or not ((candidate >= 0) & (candidate <= 1)).all():
            raise ValueError(f"{kind}: `attack` returned NaN, pixels outside [0, 1] or changes above {eps:g}")
    return [candidate.detach() for candidate in candidates]
