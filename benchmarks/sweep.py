"""SNR sweeps of RepObE's network: one encoding for all SNRs against one at each, and the evaluation's sweep."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks import steps
from benchmarks.setup import Setup, first
from benchmarks.straightforward import SNR_DB
from benchmarks.table import FASTER, Goal, Row, compared, scaled
from repobe.cipher.keys import Key
from repobe.images.resizing import Resized, images
from repobe.phy.channels import noise_power
from repobe.runs.spec import Training
from repobe.stages.evaluate import unattacked
from repobe.systems.system import System
from repobe.training.loop import build

DATASET, IMAGES = "cifar10", 250
GOAL = Goal(3.0)


def rows(setup: Setup) -> Iterator[Row]:
    """One channel draw an SNR, as for a quick look at the curve, and the evaluation, which has five."""
    small, large = (16, 24) if setup.quick else (32, 64)
    data = first(setup.data(DATASET), 8 if setup.quick else IMAGES)
    for size in (small, large):
        spec = steps.specified(data, "repobe", size, Training(1, 128, 0.01))
        trained = build(spec, data).eval()
        image, key = images(data.test[0], size), trained.keys.receiving(0, len(data.test[0]))
        system, draws = trained.system, spec.evaluation.draws
        once, every = _from_one(system, image, key), _again(system, image, key, 1)
        yield _row(setup, f"5 SNRs from one encoding, S = {size}", once, "encoding at every SNR", every, GOAL)
        if size == small:
            ours = _evaluation(trained, spec, data)
            every, again = _again(system, image, key, draws), "encoding at every SNR and draw"
            yield _row(setup, f"the evaluation's 5 SNRs of {draws} draws, S = {size}", ours, again, every)


def _from_one(system: System, image: Tensor, key: Key) -> Callable[[], list[Tensor]]:
    @torch.no_grad()
    def run() -> list[Tensor]:
        sent = system.transmit(image, key)
        return [system.deliver(sent, noise_power(snr_db), key) for snr_db in SNR_DB]

    return run


def _again(system: System, image: Tensor, key: Key, draws: int) -> Callable[[], list[Tensor]]:
    @torch.no_grad()
    def run() -> list[Tensor]:
        return [system(image, noise_power(snr_db), key) for snr_db in SNR_DB for _ in range(draws)]

    return run


def _evaluation(trained, spec, data) -> Callable[[], list]:
    image, label = Resized(data.test[0], spec.image_size), data.test[1]

    def run() -> list:
        sent: dict[int, torch.Tensor] = {}
        return [unattacked(trained, spec, image, label, snr_db, sent) for snr_db in SNR_DB]

    return run


def _row(setup: Setup, subject: str, ours: Callable, beside: str, other: Callable, goal: Goal | None = None) -> Row:
    times = setup.times({"ours": ours, "other": other}, rounds=5)
    a, b = (scaled(times[name], 1000) for name in ("ours", "other"))
    return compared("sweep", subject, a, beside, b, FASTER, goal=goal, data=setup.source(DATASET))
