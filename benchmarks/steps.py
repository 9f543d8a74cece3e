"""The training steps that are timed: the suite's own, and the straightforward one of the same method and data."""

import functools
import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks import plain, straightforward
from repobe.images.datasets import Data, augment, batches
from repobe.images.resizing import images
from repobe.phy.channels import noise_power
from repobe.runs.spec import Audit, Evaluation, Inversion, Spec, Training
from repobe.systems.precision import autocast
from repobe.training import loop
from repobe.training.method import Method

EPOCHS = 10_000  # the schedule's length: more than any measurement takes
# By the name in the table: the suite's method and its hyper-parameters, and the straightforward loss.
STEPS = {
    "RepObE natural": ("repobe", {}, straightforward.natural),
    "AT and TRADES natural": ("undefended", {}, straightforward.natural),
    "RepObE Eq. 16": ("repobe", {"adversarial": True}, None),
    "AT": ("adversarial_training", {}, straightforward.adversarial_training),
    "TRADES": ("trades", {}, straightforward.trades),
}


def specified(data: Data, method: str, size: int, training: Training, hyper: dict | None = None) -> Spec:
    """The run of a benchmark."""
    return Spec(
        dataset=data.name,
        channel="awgn",
        label=method,
        method=method,
        seed=0,
        image_size=size,
        snr_db=straightforward.SNR_DB,
        snr_train_db=straightforward.SNR_DB,
        training=training,
        evaluation=Evaluation(5, {}),
        inversion=Inversion((), (23,), 1),
        audit=Audit(1, (23,), (1,)),
        hyper=hyper or {},
    )


def trainable(spec: Spec, data: Data) -> Method:
    """The untrained method of a spec; random prototypes replace a teacher's, and cost the same."""
    student = loop.build(spec, data)
    student.optimise()
    if spec.hyper.get("adversarial"):
        student.prototypes.normal_()
        student.first_epoch.fill_(len(data.train[0]))
    return student.train()


def taking(student: Method, spec: Spec, data: Data) -> Callable[[], dict[str, Tensor]]:
    """One step of the suite at each call, from the uint8 images on, as repobe.training.loop does it."""
    n0 = [noise_power(snr_db) for snr_db in spec.snr_train_db]

    def endless() -> Iterator[dict[str, Tensor]]:
        while True:
            for pixels, label in batches(*data.train, spec.training.batch_size):
                pixels = augment(pixels) if data.augmented else pixels
                with autocast(spec.training.precision, data.device):
                    terms = student.update(images(pixels, spec.image_size), label, n0[torch.randint(len(n0), ())])
                yield terms  # outside autocast, which would stay on for the next candidate

    return functools.partial(next, endless())


def suite(name: str, data: Data, size: int, batch: int, precision: str = "float32") -> Callable[[], dict[str, Tensor]]:
    """One step of the suite, of a method of its own, at each call."""
    method, hyper, _ = STEPS[name]
    spec = specified(data, method, size, Training(EPOCHS, batch, 0.01, precision=precision), hyper)
    return taking(trainable(spec, data), spec, data)


def by_hand(name: str, data: Data, size: int, batch: int) -> Callable[[], float]:
    """One step of the straightforward loop at each call, its DataLoader's work included.

    Without worker processes on a CPU: they would take cores that the suite does not use.
    """
    method, _, loss_of = STEPS[name]
    shuffled = torch.randperm((size // 8) ** 2) if method == "repobe" else None
    model = plain.System(data.colours, data.classes, shuffled).to(data.device)
    loss_of = loss_of or straightforward.Equation16(torch.randn(data.classes, data.classes, device=data.device))
    workers = min(8, os.cpu_count() or 1) if data.device.type == "cuda" else 0
    loader = straightforward.loader(*data.train, size, batch, data.augmented, workers)
    return functools.partial(next, straightforward.steps(model, loader, loss_of, EPOCHS * len(loader)))
