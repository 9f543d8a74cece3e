"""Every attack of the evaluation against torchattacks called plainly on the system as a module, step for step."""

from collections.abc import Callable, Iterator

import torch
import torchattacks
from torch import Tensor, nn

from benchmarks import steps
from benchmarks.setup import Setup
from benchmarks.table import FASTER, Row, compared, scaled
from repobe.attacks.evasion import KINDS
from repobe.attacks.noisy import NoisyClassifier
from repobe.cipher.keys import FixedKey, Key
from repobe.images.datasets import Data
from repobe.images.resizing import images
from repobe.phy.channels import noise_power
from repobe.runs.spec import UNREAD, Attack, Training
from repobe.systems.folding import folded
from repobe.systems.system import System

DATASET = "digits"  # embedded: the same everywhere, learnt in seconds
EPS, DRAWS, CLASSES = 0.016, 20, 10
N0 = noise_power(23)
LEARNT = Training(6, 64, 0.05)  # without it attacks end at once, because they stop at images that are misread
QUERIES = 10  # of Square, for each step of the other attacks


class Plain(nn.Module):
    """The system as a module: each call sends the image; with several draws, log of the mean probability."""

    def __init__(self, system: System, key: Key | None, draws: int = 1) -> None:
        super().__init__()
        self.system, self.key, self.draws = system, key, draws

    def forward(self, image: Tensor) -> Tensor:
        """Logits [b, classes] of Image [b, c, S, S]."""
        logits = [self.system(image, N0, self.key) for _ in range(self.draws)]
        if self.draws == 1:
            return logits[0]
        return torch.stack(logits).softmax(dim=2).mean(dim=0).log()


def rows(setup: Setup) -> Iterator[Row]:
    """Milliseconds an image at S = 32, with equal steps, queries and draws on both sides."""
    data = setup.data(DATASET)
    size, count = (16, 2) if setup.quick else (32, 10)
    system, keys = _trained(setup, data, size)
    attacked = folded(system)  # once for all images of an attack, as the evaluation does
    image, label = images(data.test[0][:count], size), data.test[1][:count]
    key = keys.receiving(0, count)
    torch.manual_seed(0)
    for kind, (number, plain) in _plainly(system, key, 1 if setup.quick else 5).items():
        draws = None if "eot" in UNREAD.get(kind, ()) else DRAWS
        surrogate = "undefended" if kind == "transfer" else None
        attack = Attack(kind, count, steps=number, eot=draws, surrogate=surrogate)
        known = FixedKey(None) if kind in ("keyless", "transfer") else keys
        air = torch.Generator(setup.device).manual_seed(0)

        def ours(kind=kind, attack=attack, known=known, air=air) -> list[Tensor]:
            model = NoisyClassifier(attacked, N0, known, air).eval()
            return KINDS[kind](model, image, label, EPS, attack)

        def theirs(plain=plain) -> list[Tensor]:
            return [attack(image, label) for attack in plain]

        times = setup.times({"ours": ours, "theirs": theirs}, rounds=3)
        each = {name: scaled(t, 1000 / count) for name, t in times.items()}
        what = f"{number} queries" if kind == "square" else f"{number} steps"
        yield compared(
            "attacks",
            f"{kind}, {what}",
            each["ours"],
            f"torchattacks' {_names(plain)}",
            each["theirs"],
            FASTER,
            "ms an image",
            data=setup.source(DATASET),
        )


def _names(plain: list[torchattacks.attack.Attack]) -> str:
    """The names of the attack classes, including those inside a MultiAttack."""
    return ", ".join(type(one).__name__ for attack in plain for one in getattr(attack, "attacks", [attack]))


def _trained(setup: Setup, data: Data, size: int) -> tuple[System, FixedKey]:
    """RepObE's system after a few updates, and its key."""
    spec = steps.specified(data, "repobe", size, LEARNT)
    student = steps.trainable(spec, data)
    step = steps.taking(student, spec, data)
    for _ in range(1 if setup.quick else student.problem.updates):
        step()
    return student.eval().system, student.keys


def _plainly(system: System, key: Key, number: int) -> dict[str, tuple[int, list[Callable]]]:
    """By the evaluation's kind: (steps or queries, the attacks that run in turn), with the receiver's key or none."""
    keyed, keyless = Plain(system, key).eval(), Plain(system, None).eval()
    step, common = EPS / number, {"eps": EPS, "steps": number}
    eot = {"alpha": 2.5 * step, "eot_iter": DRAWS}
    standard = [
        torchattacks.APGD(keyed, loss="ce", **common),
        torchattacks.APGDT(keyed, n_classes=CLASSES, **common),
        torchattacks.FAB(keyed, multi_targeted=True, n_classes=CLASSES, **common),
        torchattacks.Square(keyed, eps=EPS, n_queries=50 * number),
    ]
    return {
        "pgd": (number, [torchattacks.PGD(keyed, alpha=step, **common)]),
        "keyless": (number, [torchattacks.PGD(keyless, alpha=step, **common)]),
        "eot_pgd": (number, [torchattacks.EOTPGD(keyed, **common, **eot)]),
        "transfer": (number, [torchattacks.EOTPGD(keyless, **common, **eot)]),
        "autoattack_rand": (
            number,
            [torchattacks.APGD(keyed, loss=loss, eot_iter=DRAWS, **common) for loss in ("ce", "dlr")],
        ),
        "autoattack_standard": (number, [torchattacks.MultiAttack(standard)]),
        "square": (
            QUERIES * number,
            [torchattacks.Square(Plain(system, key, DRAWS).eval(), eps=EPS, n_queries=QUERIES * number)],
        ),
    }
