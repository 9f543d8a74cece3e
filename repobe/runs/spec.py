"""Spec: everything that describes one run. `grid` makes the specs of a config."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from repobe.runs import checksums, names, plugins, values
from repobe.runs.checking import checked
from repobe.runs.console import in_a_line

ATTACK_KINDS = ("pgd", "keyless", "transfer", "eot_pgd", "autoattack_rand", "autoattack_standard", "square")
KNOWN = ConfigDict(extra="forbid")
Task = Literal["classification", "reconstruction"]
Attacker = Literal[
    "keyless", "keyless_adaptive", "ciphertext_only", "same_key", "known_plaintext", "fresh_key", "with_key"
]


def attack_kind(kind: str) -> str:
    """The kind; ValueError unless the suite has it or it is a file."""
    if kind not in ATTACK_KINDS and not plugins.is_file(kind):
        near = names.nearest(kind, ATTACK_KINDS)
        raise ValueError(
            f"{kind!r} is unknown; {near}it is one of {', '.join(ATTACK_KINDS)}, or the path of a .py file"
        )
    return values.file(kind) if plugins.is_file(kind) else kind


def in_order(attacks: dict) -> dict:
    """Sorts attacks by their kind, from weak to strong as in ATTACK_KINDS, then by their names.

    Tables list them in this order, and the ensemble takes the first of several attacks that harm an image equally. So
    neither depends on the order in a config.
    """

    def rank(name: str) -> tuple:
        kind = attacks[name].kind
        return ATTACK_KINDS.index(kind) if kind in ATTACK_KINDS else len(ATTACK_KINDS), kind, name

    return {name: attacks[name] for name in sorted(attacks, key=rank)}


Kind = Annotated[
    str,
    AfterValidator(attack_kind),
    WithJsonSchema({"anyOf": [{"enum": list(ATTACK_KINDS)}, {"type": "string", "pattern": r"\.py$"}]}),
]
AttackName = Annotated[
    values.Name,
    *values.spelled("(?!(none|worst|ensemble|paper_common)$).*", "another name: tables use this one for their own"),
]
Hyper = Annotated[dict, AfterValidator(values.plain)]


@dataclass(frozen=True, config=KNOWN)
class Training:
    """epochs: passes over the training split; learning_rate: the peak of the one-cycle schedule (D10)."""

    epochs: values.Epochs
    batch_size: values.Batch
    learning_rate: values.Rate
    weight_decay: values.Decay = 5e-4  # D10, Pang et al. 2021
    cycle_momentum: values.Flag = True  # D10, Smith 2018: 0.95, 0.85 at the peak of the rate, 0.95; else constantly 0.9
    precision: Literal["float32", "bfloat16"] = "float32"  # of training's convolutions; the rest is float32 in both


UNREAD = {"pgd": ("restarts", "eot"), "keyless": ("restarts", "eot"), "autoattack_standard": ("eot",)}  # by each kind
INSTEAD = {"pgd": ", or take kind eot_pgd", "autoattack_standard": ", or take kind autoattack_rand"}


@dataclass(frozen=True, config=KNOWN)
class Attack:
    """One entry of `evaluation.attacks`: an attack of `attacks.evasion`, run at each radius eps in [0, 1] pixels.

    images: how many test images are attacked, from the first on; snr_db: the SNRs at which it runs, None for every SNR;
    steps, restarts, eot (channel draws that a step or a query averages over): None for the value in the attack's
    publication; surrogate: the label of the run that a transfer attack is crafted on.
    """

    kind: Kind
    images: values.Images
    eps: values.UniqueTuple[values.Radius] = (0.016,)  # Sec. 4.2
    snr_db: values.SNRs | None = None
    steps: values.Steps | None = None
    restarts: values.RepeatCount = 1
    eot: values.RepeatCount | None = None
    surrogate: values.Name | None = None

    def __post_init__(self) -> None:
        if self.kind == "transfer" and self.surrogate is None:
            raise ValueError("kind transfer needs a surrogate: the label of the run that it is crafted on")
        if self.kind != "transfer" and self.surrogate is not None:
            raise ValueError(f"kind {self.kind} has no surrogate; leave it out, or take kind transfer")
        if unread := [name for name in UNREAD.get(self.kind, ()) if getattr(self, name) not in (None, 1)]:
            raise ValueError(f"kind {self.kind} does not read {unread[0]}; leave it out{INSTEAD.get(self.kind, '')}")


@dataclass(frozen=True, config=KNOWN)
class Evaluation:
    """draws: channel realisations per image and SNR (D4); attacks: by their names in the tables."""

    draws: values.Draws
    attacks: Annotated[dict[AttackName, Attack], AfterValidator(in_order)]


@dataclass(frozen=True, config=KNOWN)
class Inversion:
    """snr_db: the eavesdropper's SNRs; epochs, images: how long and on how many images (None: all) attackers train."""

    attackers: Annotated[tuple[Attacker, ...], AfterValidator(values.distinct)]
    snr_db: values.SNRs
    epochs: values.Epochs
    images: values.TrainImages | None = None


@dataclass(frozen=True, config=KNOWN)
class Audit:
    """trials: how many keys are attacked at each SNR and number of known messages."""

    trials: values.RepeatCount
    snr_db: values.SNRs
    known_messages: values.UniqueTuple[values.Messages]


@dataclass(frozen=True, config=KNOWN)
class Spec:
    """The only description of a run. `label` names it in every table; `method` is the module that trains it.

    image_size: S in pixels; snr_db: the SNRs of the evaluation; snr_train_db: the SNRs that training batches draw from
    (D2); matched: whether this run is one of several, each trained and evaluated at one SNR; after: the label of a run
    whose trained model this one needs (D9); hyper: departures from the method's Hyper; recompute: whether training
    computes activations twice in place of keeping them, with the same result in less memory.
    """

    dataset: values.Name
    channel: str
    label: values.Name
    method: str
    seed: values.Seed
    image_size: values.Size
    snr_db: values.SNRs
    snr_train_db: values.SNRs
    training: Training
    evaluation: Evaluation
    inversion: Inversion
    audit: Audit
    matched: values.Flag = False
    task: Task = "classification"
    after: values.Name | None = None
    train_images: values.TrainImages | None = None
    threads: values.Threads = 1
    hyper: Hyper = Field(default_factory=dict)
    recompute: values.Flag = False
    channel_source: values.File | None = None

    def __post_init__(self) -> None:
        names.channel(self.channel, self.channel_source)

    @property
    def path(self) -> str:
        """The folder of the run below <results>/runs; that of a matched run ends with its SNR."""
        return self.sibling(self.label) + (f"_{self.snr_train_name}db" if self.matched else "")

    @property
    def teacher(self) -> str | None:
        """The path of the run that `after` names (D9)."""
        return self.sibling(self.after) if self.after else None

    def sibling(self, label: str) -> str:
        """The path of the run of that label on the same dataset and channel with the same seed."""
        return names.run_name(self.dataset, self.channel, label, self.seed)

    @property
    def surrogates(self) -> dict[str, str]:
        """The paths of the other runs that transfer attacks are crafted on, by label; none if it sends pictures."""
        attacks = self.evaluation.attacks.values() if self.task == "classification" else ()
        labels = {attack.surrogate for attack in attacks if attack.surrogate} - {self.label}
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
        plain = json.loads(json.dumps(dataclasses.asdict(self)))
        if self.channel_source is None:  # so that specs from before this key stay the same
            del plain["channel_source"]
        return plain

    def as_trained(self) -> dict:
        """The part of as_dict that decides the trained model. Its noise comes from snr_train_db, never from snr_db."""
        without = ("recompute", "snr_db", "evaluation", "inversion", "audit")
        return {key: value for key, value in self.as_dict().items() if key not in without}

    def dump(self) -> str:
        """The text of spec.yaml."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)

    @classmethod
    def from_dict(cls, values: dict) -> "Spec":
        """The inverse of as_dict; ValueError names an unknown key."""
        return checked(cls, values, "spec")

    @classmethod
    def load(cls, path: Path | str) -> "Spec":
        """Reads spec.yaml; ValueError names the file and the fix."""
        checksums.check(Path(path))
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist; snakemake writes it from the config") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not YAML ({in_a_line(error)}); delete it and run again") from None
        if not isinstance(values, dict):
            raise ValueError(f"{path} describes no run; delete it and run snakemake again")
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def from_plain(cls: type, values: dict, where: str) -> Any:
    """A dataclass from plain values, as a method's Hyper; ValueError names the key that is unknown, missing or wrong.

    where: the place of the values in the file, for the message.
    """
    known = [field.name for field in dataclasses.fields(cls)]
    # pydantic ignores unknown keys of a dataclass that is not its own.
    if isinstance(values, dict) and (unknown := sorted(set(values) - set(known))):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known here: {', '.join(known)}")
    return checked(cls, values, where, strict=True)
