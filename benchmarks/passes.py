"""How often one attacked image passes the system, counted from the attack's own parameters.

It is the worst case: no image is misread before an attack ends, and the balls around the images meet, so that frozen
draws are attacked image by image. The formulas follow torchattacks; a test counts what the real attacks do.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass

from repobe.attacks.evasion import SELECTION
from repobe.runs.resources import DEFAULT_DRAWS, DEFAULT_STEPS
from repobe.runs.spec import Attack


@dataclass(frozen=True)
class Passes:
    """Passes of one image through the transmitter and the receiver, forward and back (`_back`) to the image."""

    sent: float = 0
    heard: float = 0
    sent_back: float = 0
    heard_back: float = 0

    def __add__(self, other: "Passes") -> "Passes":
        return Passes(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __rmul__(self, times: float) -> "Passes":
        return Passes(*(times * each for each in astuple(self)))


def look(draws: int, again: bool) -> Passes:
    """One image through `draws` draws of the channel; again: each draw sends it anew."""
    return Passes(draws if again else 1, draws)


def step(draws: int, again: bool) -> Passes:
    """A gradient of the image over `draws` draws."""
    sent = draws if again else 1
    return Passes(sent, draws, sent, draws)


@dataclass(frozen=True)
class Link:
    """What decides how an attack calls a system.

    own_keys: each message has its own key; random: the transmitter draws random numbers; digital: as System has it.
    """

    own_keys: bool
    random: bool
    digital: bool

    def again(self, attack: Attack) -> bool:
        """Whether each fresh draw sends the image anew."""
        return self.random or (self.own_keys and attack.kind != "keyless")

    @property
    def freezing(self) -> Passes:
        """Frozen draws are made for the symbols of the clean image, except where a call draws them itself."""
        return Passes() if self.digital or self.random else Passes(sent=1)


def crafting(link: Link, attack: Attack, classes: int, rivals: int = 0) -> Passes:
    """Passes of one image until the most harmful of all candidates is picked.

    rivals: candidates that another attack crafted for this one. ValueError for a kind of the user's own.
    """
    if attack.kind not in KINDS:
        raise ValueError(f"{attack.kind}: the passes of an attack of your own are not known")
    candidates, passes = KINDS[attack.kind](link, attack, classes)
    picked = candidates + rivals > 1
    return passes + (candidates + rivals) * picked * look(SELECTION, link.again(attack))


def _steps(attack: Attack) -> int:
    return attack.steps or DEFAULT_STEPS[attack.kind]


def _pgd(link: Link, attack: Attack, _: int) -> tuple[int, Passes]:
    return 1, _steps(attack) * step(1, link.again(attack))


def _eot_pgd(link: Link, attack: Attack, _: int) -> tuple[int, Passes]:
    steps = attack.restarts * _steps(attack)
    return attack.restarts, steps * step(attack.eot or DEFAULT_DRAWS, link.again(attack))


def _rand(link: Link, attack: Attack, _: int) -> tuple[int, Passes]:
    """The clean image; APGD on two losses."""
    asked = attack.eot or DEFAULT_DRAWS, link.again(attack)
    return 3, 2 * (look(*asked) + attack.restarts * (1 + _steps(attack)) * step(*asked))


def _standard(link: Link, attack: Attack, classes: int) -> tuple[int, Passes]:
    """The clean image; APGD, APGD-T, FAB-T, Square on one frozen draw, a look after each, one to count the classes."""
    steps, restarts = _steps(attack), attack.restarts
    seen, taken, targets = look(1, link.random), step(1, link.random), restarts * (classes - 1)
    apgd = seen + restarts * (1 + steps) * taken
    targeted = seen + targets * (seen + (1 + steps) * taken)
    fab = seen + targets * ((3 + steps) * seen + steps * taken)
    square = seen + restarts * (2 + 50 * steps) * seen
    return 2, link.freezing + 5 * seen + apgd + targeted + fab + square


def _square(link: Link, attack: Attack, _: int) -> tuple[int, Passes]:
    """The clean image; stripes first, then the queries."""
    queries = (1 + _steps(attack)) * look(attack.eot or DEFAULT_DRAWS, link.random)
    return 1 + attack.restarts, attack.restarts * (link.freezing + queries)


KINDS: dict[str, Callable[[Link, Attack, int], tuple[int, Passes]]] = {  # to (candidates, passes)
    "pgd": _pgd,
    "keyless": _pgd,
    "transfer": _eot_pgd,
    "eot_pgd": _eot_pgd,
    "autoattack_rand": _rand,
    "autoattack_standard": _standard,
    "square": _square,
}
