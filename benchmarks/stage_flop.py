"""FLOP of a run's stages: how often each image passes each piece, times what the piece costs (benchmarks.pieces)."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from benchmarks import pieces
from benchmarks.passes import Passes, crafting
from benchmarks.pieces import Pieces
from repobe.attacks import cryptanalysis
from repobe.attacks import inversion as attackers
from repobe.attacks.evasion import SELECTION
from repobe.images.datasets import AUGMENTED, CLASSES, VALIDATION, Data, build
from repobe.images.published import IDX
from repobe.images.resizing import batch_size_for
from repobe.images.sources import CIFAR
from repobe.runs.folders import data_file
from repobe.runs.spec import Attack, Spec
from repobe.stages.audit import AUDITED, KEY_TRIALS
from repobe.stages.evaluate import SCORED_DRAWS, attacks_at
from repobe.stages.invert import OVERHEARD
from repobe.stages.transmission import BATCH
from repobe.training.loop import VALIDATED
from repobe.training.validation_schedule import validations_per_epoch


@dataclass(frozen=True)
class Shape:
    """A dataset without its images: how many there are, of which shape [colours, height, width]."""

    name: str
    classes: int
    image: tuple[int, int, int]
    train: int
    validation: int
    test: int

    def sample(self) -> Data:
        """Random images of this shape, one of each class: FLOP do not depend on what they show."""
        images = max(self.classes, pieces.COUNTED)

        def split() -> tuple[torch.Tensor, torch.Tensor]:
            return torch.randint(256, (images, *self.image), dtype=torch.uint8), torch.arange(images) % self.classes

        augmented = self.name in AUGMENTED
        return Data(self.name, self.classes, augmented, split(), split(), split(), torch.arange(images))


def shape(name: str, source: str | None, results: Path) -> Shape:
    """The shape of a dataset, as published or as its files have it.

    results: the results folder, whose file of the dataset is read if it exists. ValueError as in datasets.build.
    """
    classes = CLASSES.get(name, 10)
    if name in IDX:
        return Shape(name, classes, (1, 28, 28), 60_000 - VALIDATION, VALIDATION, 10_000)
    if name in CIFAR:
        return Shape(name, classes, (3, 32, 32), 50_000 - VALIDATION, VALIDATION, 10_000)
    if (built := data_file(results, name)).exists():
        return _of(built)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.safetensors"
        build(name, None, path, Path(source) if source else None)
        return _of(path)


def _of(path: Path) -> Shape:
    """The shape from the header of a dataset's file."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        sizes = {part: file.get_slice(f"{part}_image").get_shape() for part in ("train", "validation", "test")}
    counts = {part: size[0] for part, size in sizes.items()}
    return Shape(
        about["name"], about.get("classes", CLASSES.get(about["name"], 10)), tuple(sizes["test"][1:]), **counts
    )


class Counted:
    """The runs of a grid, each piece counted once for all channels and seeds.

    every: all runs of the config, including those that `only` leaves out; shapes: by dataset.
    """

    def __init__(self, every: list[Spec], shapes: dict[str, Shape]) -> None:
        self.every, self.shapes = {spec.path: spec for spec in every}, shapes
        self._pieces: dict[tuple, Pieces] = {}

    def pieces(self, spec: Spec) -> Pieces:
        """The pieces of the run's network; they do not depend on channel, seed or SNR."""
        name = spec.dataset, spec.label, spec.inversion.attackers  # attackers: `inversion.only` gives them to some runs
        if name not in self._pieces:
            teacher = self.every[spec.teacher] if spec.teacher else None
            self._pieces[name] = pieces.counted(spec, self.shapes[spec.dataset].sample(), teacher)
        return self._pieces[name]

    def parts(self, spec: Spec) -> dict[str, float]:
        """FLOP of a run by part, in the order in which they run."""
        found = {"training": self.training(spec), "selection": self.selection(spec), "natural": self.natural(spec)}
        for name, work in self.attacks(spec):
            found[name] = found.get(name, 0) + work
        return found | {"inversion": self.inversion(spec), "audit": self.audit(spec)}

    def training(self, spec: Spec) -> float:
        """All updates, in the precision of the training."""
        return spec.training.epochs * self._train(spec) * self.pieces(spec).update

    def selection(self, spec: Spec) -> float:
        """The rest of a training: preparation (prototypes …), validation, last measurements, one image for cost.csv."""
        piece, train = self.pieces(spec), self._train(spec)
        looks = spec.training.epochs * validations_per_epoch(
            spec.training.epochs, -(-train // spec.training.batch_size)
        )
        validated = min(VALIDATED, self.shapes[spec.dataset].validation)
        one = piece.of(Passes(1, 1))
        return train * piece.prepared + validated * (looks * piece.score + piece.finished) + one

    def natural(self, spec: Spec) -> float:
        """The test split at every SNR over all draws.

        One encoding serves all SNRs, except for the first batch. Where an own key, a random or a digital transmitter
        sends an image otherwise at each, each has its own.
        """
        piece, shape, draws = self.pieces(spec), self.shapes[spec.dataset], spec.evaluation.draws
        link, first, others = piece.link, batch_size_for(spec.image_size, BATCH), len(spec.snr_db) - 1
        again = shape.test if link.own_keys or link.random or link.digital else min(first, shape.test)
        sent = _sent(piece, draws).sent * (shape.test + others * again)
        heard = draws * shape.test * len(spec.snr_db)
        work = piece.of(Passes(sent, heard))
        if spec.task == "reconstruction":
            return work + heard * pieces.comparing(shape.image[0])
        return work + shape.test * piece.classified

    def attacks(self, spec: Spec) -> Iterator[tuple[str, float]]:
        """(name, FLOP) of each attack at each SNR and radius; at a radius of 0 the images are scored only."""
        test = self.shapes[spec.dataset].test
        for snr_db in spec.snr_db:
            attacks = attacks_at(spec, snr_db)
            common = min([test, *(attack.images for _, attack, _ in attacks)])
            for name, attack, eps in attacks:
                images = min(attack.images, test)
                yield name, self._scored(spec, images, common) + (eps > 0) * self._crafted(spec, name, attack, images)

    def _scored(self, spec: Spec, images: int, common: int) -> float:
        """The fresh draws that score each image, and those that pick the attack of an ensemble."""
        piece = self.pieces(spec)
        scored = _sent(piece, max(SCORED_DRAWS, spec.evaluation.draws))
        return images * piece.of(scored) + common * piece.of(_sent(piece, SELECTION))

    def _crafted(self, spec: Spec, name: str, attack: Attack, images: int) -> float:
        piece, work = self.pieces(spec), 0.0
        attacked, rivals, classes = piece, 0, self.shapes[spec.dataset].classes
        if attack.kind == "transfer":
            surrogate = self.every[spec.sibling(attack.surrogate)] if attack.surrogate else spec
            attacked = self.pieces(surrogate)
        if attack.kind == "eot_pgd" and name != "paper":
            rivals = 1
            paper = spec.evaluation.attacks.get("paper", Attack("pgd", attack.images))
            size = batch_size_for(spec.image_size, BATCH)
            whole = min(max(min(paper.images, -(-images // size) * size), images), self.shapes[spec.dataset].test)
            work += whole * piece.of(crafting(piece.link, paper, classes))
        return work + images * attacked.of(crafting(attacked.link, attack, classes, rivals))

    def inversion(self, spec: Spec) -> float:
        """The messages, the attackers' pairs and decoders, and what the evaluation classifier reads of all images."""
        if not spec.inversion.attackers:
            return 0.0
        piece, shape = self.pieces(spec), self.shapes[spec.dataset]
        colours, overheard, known = shape.image[0], min(OVERHEARD, shape.test), self._known(spec)
        legitimate = spec.task == "reconstruction"
        sent = overheard + len(piece.attackers) * known
        seen = 1 + legitimate + sum(attacker.seen for attacker in piece.attackers)
        looked = pieces.classifying(colours, shape.classes)[1]
        work = sent * piece.sent + legitimate * overheard * piece.heard
        work += overheard * (seen * (looked + pieces.comparing(colours)) + looked)
        for attacker in piece.attackers:
            if attacker.known_plaintext:
                work += min(spec.audit.known_messages) * piece.sent
            each = [pieces.decoding(network, colours, piece.k, piece.grid) for network in attacker.networks]
            for network, (update, rebuilt) in zip(attacker.networks, each, strict=True):
                work += _decoder(network, known, spec.inversion.epochs, update, rebuilt)
            read = [rebuilt for _, rebuilt in each]
            work += overheard * (attacker.taps * max(read) if attacker.taps else sum(read))
        return len(spec.inversion.snr_db) * work

    def audit(self, spec: Spec) -> float:
        """What no shuffle hides, wrong keys, right ones and those found from overheard messages.

        Key recovery is left out, because FLOP do not determine its time: 2 to 16 ms a trial (part `recovery`).
        """
        piece, shape = self.pieces(spec), self.shapes[spec.dataset]
        if not piece.shuffles:
            return 0.0
        overheard, known = min(AUDITED, shape.test), self._known(spec)
        places = piece.grid[0] * piece.grid[1]
        work = (overheard + min(AUDITED, self._train(spec)) + known + shape.test) * piece.sent
        if spec.task == "classification" and piece.grid != (1, 1):
            work += overheard * piece.of(Passes(1, KEY_TRIALS * (2 + len(cryptanalysis.counts(overheard)))))
        update, looked = pieces.reading(places, 2 * piece.k // places, shape.classes)
        return work + spec.inversion.epochs * known * update + shape.test * looked

    def _train(self, spec: Spec) -> int:
        return min(self.shapes[spec.dataset].train, spec.train_images or 10**12)

    def _known(self, spec: Spec) -> int:
        return min(self._train(spec), spec.inversion.images or 10**12)


def classifier(shape: Shape) -> float:
    """FLOP of a dataset's evaluation classifier, which is trained once."""
    epochs = 7 if shape.train < 10_000 else 4
    return epochs * shape.train * pieces.classifying(shape.image[0], shape.classes)[0]


def _sent(piece: Pieces, draws: int) -> Passes:
    """An image through several draws of the evaluation: one message serves all, unless its transmitter is random."""
    return Passes(draws if piece.link.random else 1, draws)


def _decoder(network: Callable, known: int, epochs: int, update: float, rebuilt: float) -> float:
    """FLOP of an attacker's decoder: whole passes over its pairs, a part of one, and looks at the held-back pairs."""
    learned = known - max(1, int(attackers.VALIDATION_FRACTION * known))
    a_pass = -(-learned // attackers.BATCH)
    _, least = attackers.CONVOLVED if network is attackers.Convolutional else attackers.DENSE
    updates = epochs * max(a_pass, least)
    passes, rest = divmod(updates, a_pass)
    looks = min(attackers.VALIDATIONS, updates) * (known - learned)
    return (passes * learned + rest * attackers.BATCH) * update + looks * rebuilt
