"""No stage holds a split at S×S: images are made batch by batch, and a batch has a bounded number of pixels."""

import sys
from dataclasses import replace

import pytest
import torch
from conftest import uncached

from repobe.attacks import inversion as attackers
from repobe.images import resizing
from repobe.images.resizing import MAX_BATCH_PIXELS, Resized, batch_size_for, gathered, images, scored
from repobe.runs.memory import Peak
from repobe.runs.spec import Attack, Inversion
from repobe.stages.audit import audit
from repobe.stages.evaluate import evasion
from repobe.stages.invert import inversion
from repobe.training.evaluation_classifier import network
from repobe.training.loop import build, validate

FEW = 7  # images at once


@pytest.mark.parametrize("size", [16, 32, 64])
def test_an_image_is_the_same_whether_it_is_made_alone_in_a_batch_or_with_all_others(size):
    pixels = torch.randint(256, (20, 3, 32, 32), dtype=torch.uint8)
    split, whole = Resized(pixels, size), images(pixels, size)
    assert (len(split), split.device) == (20, pixels.device)
    assert torch.equal(torch.cat([split[i : i + FEW] for i in range(0, 20, FEW)]), whole)
    assert torch.equal(split[torch.tensor([3, 11])], whole[[3, 11]])


def test_an_image_is_enlarged_around_the_centres_of_its_pixels_worked_by_hand():
    """Two pixels to four: their centres lie at −1/4, 1/4, 3/4 and 5/4 of the old ones, beyond which nothing changes."""
    row = torch.tensor([0.0, 1.0]).expand(1, 1, 2, 2)
    torch.testing.assert_close(resizing.resize(row, 4)[0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]).expand(4, 4))
    # Four to two, antialiased: from the first one's centre three pixels lie 1/2, 1/2 and 3/2 away, weigh 3, 3, 1 of 7.
    four = torch.tensor([0.0, 8, 0, 0]).expand(1, 1, 4, 4)
    assert resizing.resize(four, 2)[0, 0, 0].tolist() == pytest.approx([24 / 7, 8 / 7])


def test_what_is_compared_at_32_pixels_has_been_through_the_size_that_is_sent(monkeypatch):
    monkeypatch.setattr(resizing, "MAX_BATCH_PIXELS", FEW * 64**2)
    pixels = torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8)
    assert torch.equal(scored(pixels, 64), resizing.resize(images(pixels, 64), 32).clamp(0, 1))


def test_a_batch_is_whole_up_to_100_pixels_a_side_and_never_empty():
    assert [batch_size_for(size, 250) for size in (16, 32, 64, 96, 100)] == 5 * [250]
    assert batch_size_for(224, 250) * 224**2 <= MAX_BATCH_PIXELS < (batch_size_for(224, 250) + 1) * 224**2
    assert batch_size_for(224, 25, copies=20) * 20 * 224**2 <= MAX_BATCH_PIXELS
    assert batch_size_for(8000, 250) == 1


def test_what_batches_give_stands_in_one_tensor_in_their_order():
    whole = torch.arange(22.0).view(11, 2)
    assert torch.equal(gathered(iter(whole.split(4)), 11), whole)
    assert torch.equal(gathered(iter([whole]), 11), whole)
    picture = torch.rand(6, 3, 4, 4).to(memory_format=torch.channels_last)
    assert gathered(iter(picture.split(4)), 6).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is counted anew on Linux alone")
def test_memory_does_not_grow_with_the_number_of_batches():
    """Images of 4 MB a batch, and a few bytes kept of each: in gaps between images they cost 2 MB a batch."""
    pixels = torch.randint(256, (10, 3, 32, 32), dtype=torch.uint8)

    def taken(batches: int) -> int:
        peak = Peak(torch.device("cpu"))
        gathered((images(pixels, 192).square().mean(dim=(1, 2, 3)) for _ in range(batches)), batches * len(pixels))
        return peak.bytes()

    taken(5)
    assert taken(60) < taken(5) + 20 * 2**20


@pytest.fixture
def made(monkeypatch) -> list[int]:
    """How many images are made at S×S each time, where memory has room for FEW of 16×16."""
    counts, real = [], resizing.images
    monkeypatch.setattr(resizing, "MAX_BATCH_PIXELS", FEW * 16**2)
    monkeypatch.setattr(resizing, "images", lambda pixels, size: counts.append(len(pixels)) or real(pixels, size))
    monkeypatch.setattr("repobe.training.loop.images", resizing.images)
    return counts


@pytest.mark.parametrize(
    ("label", "method"),
    [("repobe_adversarial", "repobe"), ("repobe_reconstruction", "escst"), ("repobe", "jpeg2000")],
)
def test_preparing_and_selecting_take_the_images_batch_by_batch(label, method, specs, digits, made):
    spec = specs[label]
    spec = spec if method == "repobe" else replace(spec, method=method, label=method, hyper={})
    student = build(spec, digits)
    student.prepare(build(specs["undefended"], digits), Resized(digits.train[0], 16), digits.train[1], 0.1)
    assert sum(made) == len(digits.train[0])
    validate(student, spec, digits)
    assert sum(made) == len(digits.train[0]) + len(digits.validation[0])
    assert max(made) == FEW


@pytest.mark.parametrize("schedule", ["fixed", "per_message"])
@pytest.mark.parametrize("label", ["repobe", "repobe_reconstruction"])
def test_evaluation_inversion_and_audit_take_the_images_batch_by_batch(
    label, schedule, specs, digits, made, monkeypatch
):
    monkeypatch.setattr(attackers, "DENSE", (1e-3, 1))
    monkeypatch.setattr(attackers, "CONVOLVED", (1e-3, 1))
    attacks = {
        "paper": Attack("pgd", 30, steps=1),
        "strong": Attack("eot_pgd", 12, steps=1, eot=2),
        "square": Attack("square", 9, steps=2, eot=2),
    }
    spec = replace(specs[label], hyper={"key_schedule": schedule}, snr_db=(23,))
    spec = replace(spec, evaluation=replace(spec.evaluation, attacks=attacks))
    spec = replace(spec, inversion=Inversion(("keyless", "same_key", "fresh_key"), (23,), epochs=1, images=100))
    digits = replace(digits, test=(digits.test[0][:40], digits.test[1][:40]))
    trained = build(spec, digits).eval()
    rows, _ = evasion(trained, spec, digits, {}, uncached)
    assert {row["n"] for row in rows if row["attack"] == "none"} == {40}
    assert {row["n"] for row in rows if row["attack"] == "paper"} == ({30} if spec.task == "classification" else set())
    inversion(trained, spec, digits, network(1, 10).eval(), uncached)
    audit(trained, spec, digits)
    assert max(made) == FEW
