"""The stage that measures how well eavesdroppers rebuild a trained run's images (`attacks.inversion`)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from repobe.attacks.inversion import (
    ORDERED,
    SHUFFLED,
    Knowledge,
    Tap,
    mean_image,
    with_own_keys,
    with_pairs,
    with_stolen_encoder,
)
from repobe.cipher.keys import Key
from repobe.images import metrics
from repobe.images.datasets import Data
from repobe.images.resizing import SCORED, Resized, gathered, images, resize, scored
from repobe.phy.channels import noise_power
from repobe.runs.seeds import secret
from repobe.runs.spec import Spec
from repobe.stages.transmission import BATCH, fidelity, generator_for, images_sd, on_air, received, stolen
from repobe.tables.schema import NO_ATTACKER
from repobe.training.method import Method

SHOWN = 2  # reconstructions per class that are kept as pictures
OVERHEARD = 2000  # test images overheard, from the first: scoring 10,000 costs as much as the attackers
WITH_ENCODER = ("keyless", "ciphertext_only", "known_plaintext", "with_key")  # they share one decoder
WITHOUT_KEY = ("keyless", "keyless_adaptive")


def inversion_steps(spec: Spec) -> int:
    """The most parts that `inversion` keeps; without a shuffle there are fewer attackers."""
    kinds = {"encoder" if attacker in WITH_ENCODER else attacker for attacker in spec.inversion.attackers}
    return len(spec.inversion.snr_db) * (1 + len(kinds))


def inversion(
    trained: Method, spec: Spec, data: Data, classifier: nn.Module, cached: Callable[..., dict]
) -> tuple[list[dict], dict[str, Tensor]]:
    """Rows of inversion.csv, and the pictures: uint8 [m, c, 32, 32] by attacker, with `original` and `label`.

    The attackers learn from the training split and are measured on the first OVERHEARD test images. The pictures
    are of the highest SNR. cached: a `ResultCache`; attackers that learn from the same pairs share a result.
    """
    pixels, label = (part[:OVERHEARD] for part in data.test)
    shown, target = _first_of_each_class(label, data.classes), scored(pixels, spec.image_size)
    pictures = {"original": _bytes(images(pixels[shown], SCORED)), "label": label[shown]}
    rows = []

    def note(situation: "Situation", found: dict[str, dict[str, Tensor]]) -> None:
        for attacker, measured in found.items():
            for metric, value in measured.items():
                if metric != "shown":
                    what = situation.known_to(attacker)
                    row = (spec, situation.snr_db, attacker, what, metric, value, trained.system.k)
                    rows.append(_inversion_row(*row))
                elif situation.snr_db == max(spec.inversion.snr_db) and attacker != "mean_image":
                    pictures[attacker] = value

    def measure(found: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {attacker: _seen(image, target, label, shown, classifier) for attacker, image in found.items()}

    for snr_db in spec.inversion.snr_db:
        situation = Situation(trained, spec, data, snr_db)
        plain = cached(
            f"plain {snr_db:g} dB",
            lambda s=situation: measure(s.without_attacker())
            | {"original": {"attacker_accuracy": classified(classifier, target, label)}},
            images=spec.inversion.images,  # of which the mean image is the mean
            **situation.heard_at,
        )
        note(situation, plain)
        for name, attack in situation.attacks().items():
            found = cached(f"{name} {snr_db:g} dB", lambda attack=attack: measure(attack()), **situation.settings(name))
            note(situation, found)
    return rows, pictures


class Situation:
    """One eavesdropper's SNR: the symbols on the air, and what each kind of attacker has of them.

    The legitimate link has its own SNR, the highest of the run's `snr_db`. The transmitter adapts to it and the
    receiver hears at its own SNR, which is independent of the eavesdropper's.
    """

    def __init__(self, trained: Method, spec: Spec, data: Data, snr_db: float) -> None:
        self.trained, self.spec, self.data, self.snr_db = trained, spec, data, snr_db
        self.n0, self.link_n0, self.grid = noise_power(snr_db), noise_power(max(spec.snr_db)), trained.system.grid
        self.run = (spec.dataset, spec.channel, spec.label, spec.seed)
        self.name = (*self.run, snr_db)
        self.known = data.limit(spec.inversion.images).train[0]
        self.plain = Resized(self.known, spec.image_size)
        self.heard_at = {"snr_db": snr_db, "link_db": max(spec.snr_db)}
        self.target = scored(self.known, spec.image_size)
        self.test = Resized(data.test[0][:OVERHEARD], spec.image_size)
        self.symbols, self.key = on_air(trained, self.test, self.link_n0, "invert", snr_db)
        self.known_messages = min(spec.audit.known_messages)

    @property
    def fixed(self) -> bool:
        """Whether all messages share one key or have none; otherwise each has its own."""
        return self.key is None or (isinstance(self.key, Key) and self.key.messages is None)

    def known_to(self, attacker: str) -> str:
        """The name of an attacker's knowledge in the tables."""
        if attacker in NO_ATTACKER:
            return "key" if attacker == "legitimate" else "images"
        if attacker.startswith("same_key"):
            return "pairs under the key" if self.key is not None else "pairs"
        if attacker.startswith("fresh_key"):
            return "pairs under unknown keys"
        if attacker.startswith("keyless_adaptive"):
            return "encoder" + (" and keys of its own" if self.key is not None else "")
        known = f"{self.known_messages} known message{'s' if self.known_messages > 1 else ''}"
        also = {"ciphertext_only": f"{len(self.test)} overheard messages", "known_plaintext": known, "with_key": "key"}
        return f"encoder and {also[attacker]}" if attacker in also else "encoder"

    def air(self, symbols: Tensor, purpose: str) -> Tensor:
        """Symbols as the eavesdropper hears them."""
        generator = generator_for(self.data.device, purpose, *self.name)
        heard = (self.trained.system.channel(part, self.n0, generator) for part in symbols.split(BATCH))
        return gathered(heard, len(symbols))

    def knowledge(self, sent: Tensor, attacker: str) -> Knowledge:
        """Knowledge of pairs (image, sent). Training draws the channel again each time it uses a message."""
        generator = generator_for(self.data.device, "attacker's air", attacker, *self.name)
        channel = partial(self.trained.system.channel, n0=self.n0, generator=generator)
        return Knowledge(self.target, sent, self.grid, channel)

    def without_attacker(self) -> dict[str, Tensor]:
        """The floor; for a reconstructing system, also what its receiver sees.

        The receiver is no upper bound: an attacker may see more if its decoder trains longer, or for this SNR only.
        """
        found = {"mean_image": mean_image(self.target, len(self.test))}
        if self.spec.task == "reconstruction":
            legitimate = generator_for(self.data.device, "legitimate", *self.run)
            heard = received(self.trained, self.symbols, self.key, self.link_n0, legitimate)
            found["legitimate"] = gathered((resize(image, SCORED) for image in heard), len(self.symbols))
        return found

    def attacks(self) -> dict[str, Callable[[], dict[str, Tensor]]]:
        """The attacks to run, by name: those that the spec asks for and that make sense for the system's keys.

        - A digital system sends bits of a public code: no attack, because everyone decodes what the receiver does.
        - No key: a stolen encoder makes the same pairs as those observed, so both keyless attackers equal same_key.
        - One key per message: observed pairs never share a key, so same_key becomes fresh_key.
        - One key for all: no pairs under fresh keys can be observed. keyless_adaptive makes such pairs itself.
        - A key that is no shuffle (ESCST's bits): a stolen encoder with the attacker's own bits makes the same pairs as
          those observed, so keyless_adaptive equals fresh_key. ciphertext_only and known_plaintext solve the equations
          of a shuffle, and there is none. with_key would have the bits and the network that reads them: the receiver.
        """
        wanted = set(self.spec.inversion.attackers)
        if self.trained.system.digital:
            return {}
        if self.key is None:
            wanted &= {*WITHOUT_KEY, "same_key"}
            return {"same_key": partial(self.by_pairs, "same_key", ORDERED, wanted)} if wanted else {}
        shuffled = isinstance(self.key, Key)
        of_encoder = [a for a in WITH_ENCODER if a in wanted and (a == "keyless" or shuffled)]
        chosen = {"encoder": partial(self.by_encoder, of_encoder)} if of_encoder else {}
        if shuffled and "keyless_adaptive" in wanted:
            chosen["keyless_adaptive"] = self.by_own_keys
        if self.fixed and "same_key" in wanted:
            chosen["same_key"] = partial(self.by_pairs, "same_key", ORDERED, {"same_key"})
        if not self.fixed:
            names = {"fresh_key"} if wanted & {"same_key", "fresh_key"} else set()
            names |= set() if shuffled else wanted & {"keyless_adaptive"}
            if names:
                chosen["fresh_key"] = partial(self.by_pairs, "fresh_key", SHUFFLED, names)
        return chosen

    def settings(self, name: str) -> dict:
        """What an attack of `attacks` depends on besides the trained run: what it learns from, and which attackers."""
        wanted = {*WITH_ENCODER} if name == "encoder" else {*WITHOUT_KEY, "same_key", "fresh_key"}
        asked = self.spec.inversion
        learned = {"epochs": asked.epochs, "images": asked.images, "known_messages": self.known_messages}
        return learned | self.heard_at | {"attackers": sorted(wanted & {*asked.attackers})}

    def by_encoder(self, wanted: list[str]) -> dict[str, Tensor]:
        """The attackers WITH_ENCODER: a stolen encoder, run once on every known image."""
        stolen_pairs = self.knowledge(stolen(self.trained, self.plain, self.link_n0), "encoder")
        heard = self.air(self.symbols, "tap")
        knows = {"keyless": stolen_pairs, "ciphertext_only": replace(stolen_pairs, by_moments=True)}
        knows["with_key"] = replace(stolen_pairs, key=self.key)
        if "known_plaintext" in wanted:
            first = Resized(self.known[: self.known_messages], self.spec.image_size)
            sent, _ = on_air(self.trained, first, self.link_n0, "known message", self.snr_db)
            knows["known_plaintext"] = replace(stolen_pairs, known_heard=self.air(sent, "known message"))
        generator = generator_for(torch.device("cpu"), "encoder", *self.name)
        taps = {attacker: Tap(heard, knows[attacker]) for attacker in wanted}
        return with_stolen_encoder(taps, self.spec.inversion.epochs, generator)

    def by_pairs(self, name: str, networks: dict[str, Callable], wanted: set[str]) -> dict[str, Tensor]:
        """Observed pairs: same_key if all share one key or have none, else fresh_key."""
        sent, _ = on_air(self.trained, self.plain, self.link_n0, "observed pairs", self.snr_db)
        tap = Tap(self.air(self.symbols, "tap"), self.knowledge(sent, name))
        generator = generator_for(torch.device("cpu"), name, *self.name)
        found = with_pairs(name, networks, tap, self.spec.inversion.epochs, generator)
        same = {other: found[name] for other in WITHOUT_KEY if other in wanted}
        return same | (found if name in wanted else {})

    def by_own_keys(self) -> dict[str, Tensor]:
        """keyless_adaptive: learns from a stolen encoder's features, shuffled with the attacker's own keys. The
        messages that it wants to see are the run's own, under the key in use.
        """
        owned = self.knowledge(stolen(self.trained, self.plain, self.link_n0), "keyless_adaptive")
        tap = Tap(self.air(self.symbols, "tap"), with_own_keys(owned, secret("the attacker's own keys", *self.name)))
        generator = generator_for(torch.device("cpu"), "keyless_adaptive", *self.name)
        return with_pairs("keyless_adaptive", SHUFFLED, tap, self.spec.inversion.epochs, generator)


def _seen(image: Tensor, target: Tensor, label: Tensor, shown: Tensor, classifier: nn.Module) -> dict[str, Tensor]:
    measured = fidelity(image, target) | {"attacker_accuracy": classified(classifier, image, label)}
    return measured | {"shown": _bytes(resize(image[shown], SCORED).clamp(0, 1))}


@torch.no_grad()
def classified(classifier: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """Float[n]: whether the evaluation classifier reads the right class from each image."""
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
