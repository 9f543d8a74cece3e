"""The stage that measures what a trained run's eavesdroppers rebuild: every attacker of repobe.inversion at the tap."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from repobe import metrics
from repobe.channels import noise_power
from repobe.data import Data
from repobe.decoders import SCORED
from repobe.inversion import (
    ATTACKERS,
    Knowledge,
    Tap,
    fresh_key,
    mean_image,
    open_by_known_messages,
    same_key,
    with_stolen_encoder,
)
from repobe.method import Method
from repobe.obfuscation import Key, PerMessageKeys, decrypt
from repobe.spec import Spec, secret
from repobe.splits import BATCH, fidelity, generator_for, images_sd, on_air, prepared, received, scored, stolen
from repobe.system import resize, shuffle
from repobe.training import images

SHOWN = 2  # reconstructions of each class kept as pictures


def inversion_steps(spec: Spec) -> int:
    """How many parts `inversion` keeps, at most: without a shuffle there are fewer attackers."""
    kinds = {"encoder" if a in ("keyless", "known_plaintext", "with_key") else a for a in spec.inversion.attackers}
    return len(spec.inversion.snr_db) * (1 + len(kinds))


def inversion(
    trained: Method, spec: Spec, data: Data, classifier: nn.Module, keep: Callable[[str, Callable], dict]
) -> tuple[list[dict], dict[str, Tensor]]:
    """Rows of inversion.csv, and the pictures: uint8 [m, c, 32, 32] by attacker, with `original` and `label`.

    The attackers learn from the training split; test images are what they are judged on. The pictures are of the
    highest SNR.
    """
    pixels, label = data.test
    shown = _first_of_each_class(label, data.classes)
    pictures = {"original": _bytes(images(pixels[shown], SCORED)), "label": label[shown]}
    rows = []

    def note(snr_db: float, found: dict[str, dict[str, Tensor]]) -> None:
        for attacker, measured in found.items():
            what = KNOWLEDGE.get(attacker) or ATTACKERS[max((a for a in ATTACKERS if attacker.startswith(a)), key=len)]
            for metric, value in measured.items():
                if metric != "shown":
                    rows.append(_inversion_row(spec, snr_db, attacker, what, metric, value, trained.system.k))
                elif snr_db == max(spec.inversion.snr_db) and attacker != "mean_image":
                    pictures[attacker] = value

    def measure(found: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {
            attacker: _seen(image, pixels, spec.image_size, label, shown, classifier)
            for attacker, image in found.items()
        }

    for snr_db in spec.inversion.snr_db:
        situation = Situation(trained, spec, data, snr_db)
        note(
            snr_db,
            keep(
                f"plain {snr_db:g} dB",
                lambda s=situation: measure(s.without_attacker())
                | {"original": {"attacker_accuracy": judged(classifier, scored(pixels, spec.image_size), label)}},
            ),
        )
        for name, attack in situation.attacks().items():
            note(snr_db, keep(f"{name} {snr_db:g} dB", lambda attack=attack: measure(attack())))
    return rows, pictures


KNOWLEDGE = {"original": "images", "mean_image": "images", "legitimate": "key"}  # of those that attack nothing


class Situation:
    """One eavesdropper's SNR: what is in the air, and what each kind of attacker owns of it."""

    def __init__(self, trained: Method, spec: Spec, data: Data, snr_db: float) -> None:
        self.trained, self.spec, self.data, self.snr_db = trained, spec, data, snr_db
        self.n0, self.grid = noise_power(snr_db), trained.system.grid
        self.name = (spec.dataset, spec.channel, spec.label, spec.seed, snr_db)
        self.known = data.limit(spec.inversion.images).train[0]
        self.target = scored(self.known, spec.image_size)
        self.test = prepared(data.test[0], spec.image_size)
        self.symbols, self.key = on_air(trained, self.test, self.n0, "invert", snr_db)

    def air(self, symbols: Tensor, purpose: str) -> Tensor:
        """Symbols after the eavesdropper's channel."""
        generator = generator_for(self.data.device, purpose, *self.name)
        return torch.cat([self.trained.system.channel(part, self.n0, generator) for part in symbols.split(BATCH)])

    def knowledge(self, sent: Tensor, attacker: str) -> Knowledge:
        """Of pairs (image, sent); training hears each message anew."""
        generator = generator_for(self.data.device, "attacker's air", attacker, *self.name)
        channel = partial(self.trained.system.channel, n0=self.n0, generator=generator)
        return Knowledge(self.target, sent, self.grid, channel)

    def without_attacker(self) -> dict[str, Tensor]:
        """The floor, and of a reconstructing system the ceiling."""
        found = {"mean_image": mean_image(self.target, len(self.test))}
        if self.spec.task == "reconstruction":
            legitimate = generator_for(self.data.device, "legitimate", *self.name)
            found["legitimate"] = received(self.trained, self.symbols, self.key, self.n0, legitimate)
        return found

    def attacks(self) -> dict[str, Callable[[], dict[str, Tensor]]]:
        """Whole attacks to run by name; of a system without a shuffle those that need no key to differ in.

        None where bits of a public code are on the air: whoever hears them decodes what the receiver does.
        """
        if self.trained.system.digital:
            return {}
        wanted = [a for a in self.spec.inversion.attackers if isinstance(self.key, Key) or a in ("keyless", "same_key")]
        chosen = {}
        if {"keyless", "known_plaintext", "with_key"} & set(wanted):
            chosen["encoder"] = partial(self.by_encoder, wanted)
        if "same_key" in wanted:
            chosen["same_key"] = self.by_pairs
        if "fresh_key" in wanted:
            chosen["fresh_key"] = self.by_fresh_pairs
        return chosen

    def by_encoder(self, wanted: list[str]) -> dict[str, Tensor]:
        """keyless, known_plaintext, with_key: a stolen encoder, applied once to every known image."""
        plain = prepared(self.known, self.spec.image_size)
        knowledge = self.knowledge(stolen(self.trained, plain, self.n0), "encoder")
        heard = self.air(self.symbols, "tap")
        taps = {"keyless": Tap(heard, knowledge)}
        if "known_plaintext" in wanted:
            one, _ = on_air(self.trained, plain[:1], self.n0, "known message", self.snr_db)
            known = self.air(one, "known message")
            taps["known_plaintext"] = Tap(
                open_by_known_messages(knowledge.sent[:1], known, heard, self.grid), knowledge
            )
        if "with_key" in wanted:
            taps["with_key"] = Tap(shuffle(heard, self.key, decrypt), knowledge)
        generator = generator_for(torch.device("cpu"), "encoder", *self.name)
        return with_stolen_encoder(taps, self.spec.inversion.epochs, generator)

    def by_pairs(self) -> dict[str, Tensor]:
        """same_key: pairs observed under the key in force."""
        plain = prepared(self.known, self.spec.image_size)
        sent, _ = on_air(self.trained, plain, self.n0, "observed pairs", self.snr_db)
        tap = Tap(self.air(self.symbols, "tap"), self.knowledge(sent, "same_key"))
        generator = generator_for(torch.device("cpu"), "same_key", *self.name)
        return same_key("same_key", tap, self.spec.inversion.epochs, generator)

    def by_fresh_pairs(self) -> dict[str, Tensor]:
        """fresh_key: pairs and messages each under a key of its own, whatever the run's own schedule."""
        keys = PerMessageKeys(secret("fresh keys", *self.name), *self.grid)
        sent = stolen(self.trained, prepared(self.known, self.spec.image_size), self.n0)
        sent = shuffle(sent, keys.session("pairs").sending(0, len(sent)))
        heard = stolen(self.trained, self.test, self.n0)
        heard = shuffle(heard, keys.session("messages").sending(0, len(heard)))
        tap = Tap(self.air(heard, "fresh tap"), self.knowledge(sent, "fresh_key"))
        generator = generator_for(torch.device("cpu"), "fresh_key", *self.name)
        return fresh_key("fresh_key", tap, self.spec.inversion.epochs, generator)


def _seen(
    image: Tensor, pixels: Tensor, size: int, label: Tensor, shown: Tensor, classifier: nn.Module
) -> dict[str, Tensor]:
    measured = fidelity(image, pixels, size) | {"attacker_accuracy": judged(classifier, image, label)}
    return measured | {"shown": _bytes(resize(image[shown], SCORED).clamp(0, 1))}


@torch.no_grad()
def judged(classifier: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """Float[n]: whether the judge sees the right class in a picture."""
    small = resize(image, SCORED).clamp(0, 1)
    return metrics.correct(torch.cat([classifier(part) for part in small.split(BATCH)]), label)


def _first_of_each_class(label: Tensor, classes: int) -> Tensor:
    return torch.cat([(label == c).nonzero().flatten()[:SHOWN] for c in range(classes)])


def _bytes(image: Tensor) -> Tensor:
    return (image * 255).round().byte().cpu()


def _inversion_row(spec: Spec, snr_db, attacker: str, what: str, metric: str, value: Tensor, k: int) -> dict:
    return spec.columns | {
        "snr_tap_db": snr_db,
        "attacker": attacker,
        "knowledge": what,
        "metric": metric,
        "value": value.double().mean().item(),
        "images_sd": images_sd(metric, value),
        "n": len(value),
        "symbols_k": k,
    }
