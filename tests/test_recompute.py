import dataclasses

import pytest
import torch
from torch import nn

from repobe.images.resizing import Resized
from repobe.runs.memory import Peak
from repobe.systems.precision import autocast
from repobe.systems.recompute import CheckpointedSequential, recompute
from repobe.training.loop import build, train

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("label", "precision"),
    [pytest.param("repobe_adversarial", "bfloat16", marks=pytest.mark.slow)]
    + [(label, "float32") for label in ("repobe", "repobe_adversarial", "repobe_reconstruction", "trades", "escst")],
)
def test_a_training_that_recomputes_is_bit_identical_running_statistics_included(label, precision, specs, digits):
    spec = specs[label] if label in specs else dataclasses.replace(specs["undefended"], label=label, method=label)
    teacher = build(specs["undefended"], digits).eval()
    found = []
    for again in (False, True):
        student = build(spec, digits)
        if again:
            recompute(student)
        student.optimise()
        split = Resized(digits.train[0], 16)
        student.prepare(teacher, split, digits.train[1], 0.1)
        torch.manual_seed(1)
        student.train()
        with autocast(precision, CPU):
            losses = [student.update(split[p], digits.train[1][p], 0.1)["loss"] for p in (slice(40), slice(40, 80))]
        found.append([*losses, *student.parameters(), *student.buffers()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert any(isinstance(m, CheckpointedSequential) and m.recompute for m in student.modules())


def test_recomputing_keeps_less_and_computes_more():
    """Four stages that need six maps each: 24 are kept, or four and the inside of one stage.

    Maps of 34 MB, which glibc asks of the kernel one by one: smaller ones may leave gaps that count too.
    """
    image, calls, peaks = torch.rand(128, 16, 64, 64), [], []
    for again in (False, True):
        network = CheckpointedSequential(
            *(nn.Sequential(nn.Conv2d(16, 16, 1), *(nn.ReLU() for _ in range(6))) for _ in range(4))
        )
        for stage in network:
            stage.register_forward_pre_hook(lambda *_: calls.append(1))
        if again:
            recompute(network)
        network(image[:1]).sum().backward()  # what torch itself needs once
        calls.clear()
        peak = Peak(CPU)
        network(image).sum().backward()
        peaks.append(peak.bytes())
        assert len(calls) == 4 * (1 + again)
    assert peaks[1] < 0.6 * peaks[0]


def test_nothing_is_computed_twice_where_no_gradient_of_weights_is_wanted(specs, digits):
    student = build(specs["repobe"], digits)
    recompute(student)
    calls = []
    student.system.encoder[3].register_forward_hook(lambda *_: calls.append(1))
    image = torch.rand(2, 1, 16, 16, requires_grad=True)
    student.eval()
    student.system(image, 0.1).sum().backward()
    with torch.no_grad():
        student.train()
        student.system(image, 0.1)
    assert len(calls) == 2


@pytest.mark.parametrize("change", [{"recompute": True}, {"snr_db": (30.0, 7.0)}])
def test_neither_memory_nor_another_snr_of_the_evaluation_is_a_reason_to_train_again(change, specs, digits, tmp_path):
    spec = dataclasses.replace(specs["undefended"], **change)
    assert spec.as_trained() == specs["undefended"].as_trained()
    assert spec.dump() != specs["undefended"].dump()
    for name, one in (("kept", specs["undefended"]), ("twice", spec)):
        (tmp_path / name).mkdir()
        train(one, digits, tmp_path / name)
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in ("kept", "twice")}) == 1
