"""Nothing crashes or stalls on a GPU, shown without one: on a device that refuses what CUDA refuses (see fake_device).

Its arithmetic is the CPU's, so that every result there must be the CPU's, bit for bit.
"""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from fake_device import fake_device, no_waiting
from test_methods import VARIANTS

from repobe.images.datasets import load
from repobe.images.resizing import Resized, images
from repobe.runs.spec import Attack, Audit, Evaluation, Inversion
from repobe.training.loop import build

SIZE, N0 = 16, 0.05
ATTACKERS = ("keyless", "keyless_adaptive", "same_key", "known_plaintext", "fresh_key", "with_key")
STEPS = {"steps": 1}  # of PGD while training
CASES = {name: (*variant, "classification") for name, variant in VARIANTS.items()} | {
    "adversarial_training": ("adversarial_training", STEPS, "classification"),
    "trades": ("trades", STEPS, "classification"),
    "repobe, Eq. 16": ("repobe", {"adversarial": True, **STEPS}, "classification"),
    "repobe, a key a message": ("repobe", {"key_schedule": "per_message"}, "classification"),
    "repobe, pictures": ("repobe", {}, "reconstruction"),
    "escst, pictures": ("escst", {}, "reconstruction"),
    "ibal, pictures": ("ibal", {}, "reconstruction"),
    "jpeg2000, pictures": ("jpeg2000", {"symbols": 1568}, "reconstruction"),
    "jpeg2000, tuned": ("jpeg2000", {"symbols": 1568, "fine_tune": True}, "classification"),
    "necst, pictures": ("necst", {}, "reconstruction"),
}
# What a step must copy to the device: keys that the host derives for each message.
COPIES = {"escst": 1, "escst, pictures": 1, "repobe, a key a message": 4}


def spec_of(specs, case, channel="rayleigh"):
    method, hyper, task = CASES[case]
    spec = replace(specs["undefended"], label=method, method=method, hyper=hyper, task=task, channel=channel)
    return replace(
        spec,
        snr_db=(23,),
        training=replace(spec.training, epochs=2, batch_size=32),
        evaluation=Evaluation(draws=2, attacks={"paper": Attack("pgd", 6, steps=2)}),
        inversion=Inversion(attackers=ATTACKERS, snr_db=(23,), epochs=1, images=100),
        audit=Audit(trials=1, snr_db=(23,), known_messages=(1,)),
    )


def data_on(device, file):
    """64 images to learn from, 20 to select by, 12 to test on."""
    data = load(file, device).limit(64)
    short = {"validation": 20, "test": 12}
    return replace(data, **{name: tuple(part[:n] for part in getattr(data, name)) for name, n in short.items()})


def trained_steps(spec, data, waits: bool) -> tuple[dict, int]:
    """(what a method's update and score give, by name; how often the update copied to the device).

    The second of two updates counts, because the optimiser's state and a fixed key come to the device with the first.
    """
    student, teacher = build(spec, data), build(replace(spec, method="undefended", hyper={}), data)
    pixels, label = (part[:8] for part in data.train)
    image, n0 = images(pixels, SIZE), torch.full((8,), N0, device=data.device)
    student.optimise()
    student.train()
    student.prepare(teacher, Resized(data.train[0], SIZE), data.train[1], N0)
    torch.manual_seed(1)
    generator = torch.Generator(data.device).manual_seed(1)
    student.update(image, label, N0)
    with nullcontext({}) if waits else no_waiting() as copies:
        told = student.update(image, label, N0)
        copied = sum(copies.values())
        told["score"] = student.eval().score(image, label, n0, generator)
    assert all(value.device.type == data.device.type for value in told.values())
    return {name: value.cpu() for name, value in told.items()}, copied


@pytest.mark.parametrize("case", CASES)
def test_every_methods_update_and_score_wait_for_nothing_and_give_the_cpus_numbers(case, specs, digits_file):
    spec = spec_of(specs, case)
    expected, _ = trained_steps(spec, data_on("cpu", digits_file), True)
    with fake_device() as device:
        told, copied = trained_steps(spec, data_on(device, digits_file), case.startswith("jpeg2000"))
    same(told, expected)
    assert copied == COPIES.get(case, 0)


def same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert torch.equal(value, expected[name]), name
