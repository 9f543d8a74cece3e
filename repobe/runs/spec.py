"""Spec: everything that describes one run. `grid` makes the specs of a config."""

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from repobe.runs import checksums, names, plugins

ATTACK_KINDS = ("pgd", "keyless", "transfer", "eot_pgd", "autoattack_rand", "autoattack_standard", "square")
TASKS = ("classification", "reconstruction")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Training:
    """epochs: passes over the training split; learning_rate: the peak of the one-cycle schedule (D10)."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 5e-4  # D10, Pang et al. 2021
    cycle_momentum: bool = True  # D10, Smith 2018: 0.95, 0.85 at the peak of the rate, 0.95; else constantly 0.9
    precision: str = "float32"  # or bfloat16: of training's convolutions; everything else is float32 in both

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision '{self.precision}' is unknown; it is one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class Attack:
    """One entry of `evaluation.attacks`: an attack of `attacks.evasion`, run at each radius eps in [0, 1] pixels.

    images: how many test images are attacked, from the first on; snr_db: the SNRs at which it runs, None for every SNR;
    steps, restarts, eot (channel draws that a step or a query averages over): None for the value in the attack's
    publication; surrogate: the label of the run that a transfer attack is crafted on.
    """

    kind: str
    images: int
    eps: tuple[float, ...] = (0.016,)  # Sec. 4.2
    snr_db: tuple[float, ...] | None = None
    steps: int | None = None
    restarts: int = 1
    eot: int | None = None
    surrogate: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ATTACK_KINDS and not plugins.is_file(self.kind):
            known = ", ".join(ATTACK_KINDS)
            raise ValueError(f"kind '{self.kind}' is unknown; it is one of {known}, or the path of a .py file")
        if not all(0 <= eps <= 1 for eps in self.eps):
            raise ValueError(f"eps {', '.join(f'{eps:g}' for eps in self.eps)}: a radius lies between 0 and 1")


@dataclass(frozen=True)
class Evaluation:
    """draws: channel realisations per image and SNR (D4); attacks: by their names in the tables."""

    draws: int
    attacks: dict[str, Attack]


@dataclass(frozen=True)
class Inversion:
    """snr_db: the eavesdropper's SNRs; epochs, images: how long and on how many images (None: all) attackers train."""

    attackers: tuple[str, ...]
    snr_db: tuple[float, ...]
    epochs: int
    images: int | None = None


@dataclass(frozen=True)
class Audit:
    """trials: how many keys are attacked at each SNR and number of known messages."""

    trials: int
    snr_db: tuple[float, ...]
    known_messages: tuple[int, ...]


@dataclass(frozen=True)
class Spec:
    """The only description of a run. `label` names it in every table; `method` is the module that trains it.

    image_size: S in pixels; snr_db: the SNRs of the evaluation; snr_train_db: the SNRs that training batches draw from
    (D2); matched: whether this run is one of several, each trained and evaluated at one SNR; after: the label of a run
    whose trained model this one needs (D9); hyper: departures from the method's Hyper; recompute: whether training
    computes activations twice in place of keeping them, with the same result in less memory.
    """

    dataset: str
    channel: str
    label: str
    method: str
    seed: int
    image_size: int
    snr_db: tuple[float, ...]
    snr_train_db: tuple[float, ...]
    training: Training
    evaluation: Evaluation
    inversion: Inversion
    audit: Audit
    matched: bool = False
    task: str = "classification"
    after: str | None = None
    train_images: int | None = None
    threads: int = 1
    hyper: dict = field(default_factory=dict)
    recompute: bool = False
    channel_source: str | None = None

    def __post_init__(self) -> None:
        names.channel(self.channel, self.channel_source)
        if self.task not in TASKS:
            raise ValueError(f"task '{self.task}' of '{self.label}' is unknown; it is one of {', '.join(TASKS)}")
        if self.image_size < 16 or self.image_size % 8:
            raise ValueError(f"image_size {self.image_size} of '{self.dataset}' is not a multiple of 8 from 16 up")

    @property
    def path(self) -> str:
        """The folder of the run below <results>/runs; that of a matched run ends with its SNR."""
        at = f"_{self.snr_train_name}db" if self.matched else ""
        return f"{self.dataset}/{self.channel}/{self.label}/seed{self.seed}{at}"

    @property
    def teacher(self) -> str | None:
        """The path of the run that `after` names (D9)."""
        return self.sibling(self.after) if self.after else None

    def sibling(self, label: str) -> str:
        """The path of the run of that label on the same dataset and channel with the same seed."""
        return f"{self.dataset}/{self.channel}/{label}/seed{self.seed}"

    @property
    def surrogates(self) -> dict[str, str]:
        """The paths of the other runs that transfer attacks are crafted on, by their labels."""
        labels = {attack.surrogate for attack in self.evaluation.attacks.values() if attack.surrogate} - {self.label}
        return {label: self.sibling(label) for label in sorted(labels)}

    @property
    def snr_train_name(self) -> str:
        """The training SNRs as tables name them: `mixed`, or the one value."""
        return f"{self.snr_train_db[0]:g}" if len(self.snr_train_db) == 1 else "mixed"

    @property
    def columns(self) -> dict:
        """The columns that every table row of this run begins with."""
        return {
            "method": self.label,
            "dataset": self.dataset,
            "image_size": self.image_size,
            "channel": self.channel,
            "snr_train_db": self.snr_train_name,
            "seed": self.seed,
        }

    def as_dict(self) -> dict:
        """The spec as plain lists, dicts and scalars, for YAML and JSON."""
        plain = _plain(dataclasses.asdict(self))
        if self.channel_source is None:  # so that specs of before this key are still the same
            del plain["channel_source"]
        return plain

    def as_trained(self) -> dict:
        """The part of as_dict that decides the trained model: without its memory and what is measured on it."""
        without = ("recompute", "evaluation", "inversion", "audit")
        return {key: value for key, value in self.as_dict().items() if key not in without}

    def dump(self) -> str:
        """The text of spec.yaml."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)

    @classmethod
    def from_dict(cls, values: dict) -> "Spec":
        """The inverse of as_dict; ValueError names an unknown key."""
        nested = {"training": Training, "evaluation": Evaluation, "inversion": Inversion, "audit": Audit}
        return from_plain(
            cls, {k: from_plain(nested[k], v, k) if k in nested else v for k, v in values.items()}, "spec"
        )

    @classmethod
    def load(cls, path: Path | str) -> "Spec":
        """Reads spec.yaml; ValueError names the file and the fix."""
        checksums.check(Path(path))
        try:
            values = yaml.safe_load(Path(path).read_text())
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist; snakemake writes it from the config") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not YAML ({' '.join(str(error).split())}); delete it and run again") from None
        if not isinstance(values, dict):
            raise ValueError(f"{path} describes no run; delete it and run snakemake again")
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def from_plain(cls: Any, values: dict, where: str) -> Any:
    """A dataclass from plain values; ValueError names the key that is unknown, missing or of another type.

    where: the place of the values in the file, for the message.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where}: {values!r} is not a mapping of keys to values")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := set(values) - set(fields):
        raise ValueError(f"{where}: unknown key {', '.join(sorted(unknown))}; known are {', '.join(fields)}")
    needed = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [n for n in needed if n not in values]:
        raise ValueError(f"{where}: missing key {', '.join(missing)}")
    values = {key: tuple(item) if isinstance(item, list) else item for key, item in values.items()}
    if cls is Evaluation:
        attacks = values["attacks"].items()
        values["attacks"] = {name: from_plain(Attack, attack, f"evaluation.attacks.{name}") for name, attack in attacks}
    kinds = typing.get_type_hints(cls)
    for key, value in values.items():
        if not _is(value, kind := kinds[key]):
            wanted = kind.__name__ if type(kind) is type else kind
            raise ValueError(f"{where}: {key} is {value!r}; it should be {wanted}")
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _is(value: object, kind: Any) -> bool:
    """Whether a plain value has the type of a field; an integer is also accepted as a float."""
    inner = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return any(_is(value, one) for one in inner)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is(item, inner[0]) for item in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else typing.get_origin(kind) or kind)
