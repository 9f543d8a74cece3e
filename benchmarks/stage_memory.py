"""One stage of config/paper.yaml in this process, for the memory that it takes: what benchmarks.memory starts.

What sets the peak is as in the config: batches, S, draws, restarts, candidates, and how many messages inversion and
audit hold. The rest is cut short: epochs, updates, attack steps, wrong keys, images whose batch is freed before the
next, and encoding where only the messages are held (most batches send the one before again).
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import SGD

from benchmarks.setup import SHAPES
from repobe.attacks import inversion as attackers
from repobe.attacks.evasion import KINDS, pgd5
from repobe.images.datasets import AUGMENTED, Data
from repobe.images.resizing import batch_size_for
from repobe.runs.config import ROOT, load
from repobe.runs.grid import grid
from repobe.runs.memory import Peak
from repobe.runs.spec import Spec
from repobe.stages import audit
from repobe.stages.crafting import CANDIDATES
from repobe.stages.evaluate import evasion
from repobe.stages.invert import inversion
from repobe.stages.transmission import BATCH
from repobe.training import evaluation_classifier, loop
from repobe.training.method import Method
from repobe.verdicts.gates import TRAINING_IMAGES

PAPER = ROOT / "config" / "paper.yaml"
TEST = 10_000
ENCODED = 40  # one of so many batches is really encoded, if only messages are held
PAIRS = 640  # that an attacker's decoder learns from, of all that it holds


def specs() -> dict[tuple[str, str], Spec]:
    """Runs of the paper's grid by dataset and label, over AWGN with the first seed."""
    config = load(PAPER)
    first = min(config["seeds"])
    return {(s.dataset, s.label): s for s in grid(config) if s.channel == "awgn" and s.seed == first}


def measured(dataset: str, label: str, size: int, stage: str, device: torch.device, **departures) -> int:
    """Bytes at the highest point of a stage, above its weights and optimiser.

    stage: train, invert, audit, evaluate, or an attack of the config's evaluation; departures: precision, recompute.
    """
    spec = replace(specs()[dataset, label], image_size=size, snr_db=(23,), recompute=departures.get("recompute", False))
    precision = departures.get("precision", spec.training.precision)
    spec = replace(spec, training=replace(spec.training, epochs=1, precision=precision))
    if stage == "train":
        return _training(spec, device)
    spec = replace(spec, training=replace(spec.training, precision="float32"))
    if stage == "invert":
        return _inversion(spec, device)
    return _audit(spec, device) if stage == "audit" else _evaluation(spec, stage, device)


def _training(spec: Spec, device: torch.device) -> int:
    batch = spec.training.batch_size
    data = _data(spec.dataset, device, train=batch + 2, validation=batch_size_for(spec.image_size, BATCH) + 1)
    teacher = _trained(specs()[spec.dataset, spec.after], spec.image_size, data) if spec.after else None
    with tempfile.TemporaryDirectory() as folder:
        peak = Peak(device)
        loop.train(spec, data, Path(folder), teacher)
        return peak.bytes() - _weights(spec, data)


def _weights(spec: Spec, data: Data) -> int:
    """Bytes of a method's weights and buffers, and of its optimisers: one momentum per weight, or two for Adam."""
    student = loop.build(spec, data)
    student.optimise()
    held = [*student.parameters(), *student.buffers()]
    for optimiser in student.optimisers:
        held += [p for group in optimiser.param_groups for p in group["params"]] * (2 - isinstance(optimiser, SGD))
    return sum(tensor.nbytes for tensor in held)


def _evaluation(spec: Spec, stage: str, device: torch.device) -> int:
    images = 2 * batch_size_for(spec.image_size, BATCH)
    attacks = {}
    if stage != "evaluate":
        attack = spec.evaluation.attacks[stage]
        two = images if KINDS[attack.kind] is pgd5 else CANDIDATES + 1
        attacks[stage] = replace(attack, images=two, eps=attack.eps[-1:], steps=1, snr_db=(23,))
    spec = replace(spec, evaluation=replace(spec.evaluation, attacks=attacks))
    data = _data(spec.dataset, device, test=images)
    trained = _trained(spec, spec.image_size, data)
    import torchattacks  # noqa: F401  its memory does not count as the attack's

    peak = Peak(device)
    evasion(trained, spec, data, {}, lambda _, compute, **settings: compute())
    return peak.bytes()


def _inversion(spec: Spec, device: torch.device) -> int:
    attackers.DENSE, attackers.CONVOLVED = (1e-3, 1), (1e-3, 1)
    train = attackers.train_decoder

    def hasty(known: attackers.Knowledge, *rest) -> tuple[Callable[[Tensor], Tensor], float]:
        return train(replace(known, image=known.image[:PAIRS], sent=known.sent[:PAIRS]), *rest)

    attackers.train_decoder = hasty
    spec = replace(spec, inversion=replace(spec.inversion, epochs=1))
    data = _data(spec.dataset, device, train=TRAINING_IMAGES[spec.dataset], test=TEST)
    trained = _sparing(_trained(spec, spec.image_size, data))
    classifier = evaluation_classifier.network(data.colours, data.classes).to(device).eval()
    peak = Peak(device)
    inversion(trained, spec, data, classifier, lambda _, compute, **settings: compute())
    return peak.bytes()


def _audit(spec: Spec, device: torch.device) -> int:
    spec = replace(spec, inversion=replace(spec.inversion, epochs=1), audit=replace(spec.audit, trials=1))
    data = _data(spec.dataset, device, train=TRAINING_IMAGES[spec.dataset], test=TEST)
    trained = _sparing(_trained(spec, spec.image_size, data))
    audit.KEY_TRIALS = 2
    import sklearn.linear_model  # noqa: F401  as torchattacks

    peak = Peak(device)
    audit.audit(trained, spec, data)
    return peak.bytes()


def _data(dataset: str, device: torch.device, train: int = 100, validation: int = 2, test: int = 2) -> Data:
    """Random images of a dataset's shape; memory does not depend on what they show."""

    def split(images: int) -> tuple[Tensor, Tensor]:
        image = torch.randint(256, (images, *SHAPES[dataset]), dtype=torch.uint8)
        return image.to(device), (torch.arange(images) % 10).to(device)

    parts = [split(train), split(validation), split(test)]
    return Data(dataset, 10, dataset in AUGMENTED, *parts, torch.arange(test))


def _trained(spec: Spec, size: int, data: Data) -> Method:
    """A method with random weights: memory does not depend on their values."""
    return loop.build(replace(spec, image_size=size), data).eval()


def _sparing(trained: Method) -> Method:
    """Encodes one batch in ENCODED, and each batch of a new size; for all others it sends the last one again."""
    encode, sent, calls = trained.system.transmit, torch.empty(0), 0

    def transmit(image: Tensor, *rest) -> Tensor:
        nonlocal sent, calls
        calls += 1
        if len(sent) != len(image) or calls % ENCODED == 0:
            sent = encode(image, *rest)
        return sent.clone()

    nn.Module.__setattr__(trained.system, "transmit", transmit)
    return trained


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    asked = json.loads(sys.argv[1])
    print(measured(**asked | {"device": torch.device(asked["device"])}))
