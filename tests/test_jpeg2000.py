"""The separated rival: byte budgets, what is not sent, what is lost, and its gradients."""

import io
import math
from dataclasses import replace
from functools import partialmethod

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import CONFIG, uncached
from PIL import Image
from scipy.integrate import quad

from repobe.images.datasets import build as build_data
from repobe.images.datasets import load
from repobe.images.metrics import psnr_db
from repobe.images.resizing import Resized, images
from repobe.phy import block_errors as blocks
from repobe.phy import channels
from repobe.phy.channels import BY_NAME, noise_power
from repobe.phy.links import Ideal
from repobe.runs.grid import grid
from repobe.runs.spec import Evaluation
from repobe.stages.evaluate import evasion
from repobe.systems.jpeg2000 import Codec
from repobe.systems.precision import autocast
from repobe.training.loop import build, restore, train

SNR_DB = (7, 11, 15, 19, 23)
AWGN_BYTES = [507, 737, 985, 1240, 1498]  # worked apart from this code, k = 1568
ERGODIC_BYTES = [422, 621, 847, 1090, 1341]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """uint8 [n, 3, 32, 32]: digits over photographs."""
    path = tmp_path_factory.mktemp("data") / "digits_rgb.safetensors"
    build_data("digits_rgb", None, path)
    return load(path).train[0]


def spec_of(specs, task="classification", channel="awgn", size=16, **hyper):
    hyper = {"symbols": 1568} | hyper
    label = "repobe_reconstruction" if task == "reconstruction" else "undefended"
    return replace(specs[label], label="jpeg2000", method="jpeg2000", channel=channel, image_size=size, hyper=hyper)


def written_out(pixels):
    """The image as float in [0, 1] of a uint8 tensor."""
    return pixels.float() / 255


@pytest.mark.parametrize("kind", ["grey", "colour", "noise", "grey noise"])
def test_no_message_is_longer_than_its_budget_and_every_one_decodes(kind, photographs, digits):
    pixels = {
        "grey": digits.test[0][:, :, 2:30, 2:30],
        "colour": photographs,
        "noise": torch.randint(256, (300, 3, 32, 32), dtype=torch.uint8),
        "grey noise": torch.randint(256, (300, 1, 28, 28), dtype=torch.uint8),
    }[kind][:300]
    codec = Codec(pixels.shape[1], pixels.shape[2])
    sent = 0
    for number, image in enumerate(pixels):
        budget = [20, 45, 100, 507, 737, 810, 985, 1240, 1498, 3000][number % 10]
        message = codec.encode(image, budget)
        if message is not None:
            sent += 1
            assert len(message) <= budget
            decoded = codec.decode(message)
            assert decoded.shape == image.shape
            assert decoded.dtype == torch.uint8
    assert len(pixels) == 300
    assert sent >= 240  # of the ten budgets only the two smallest may be too small
    assert codec.failures == 0


def test_every_budget_above_the_smallest_codestream_is_met(photographs, digits):
    """No number of bytes is rounded the wrong way: at 375, in single precision, one was."""
    for image, budgets in ((photographs[0], range(60, 1500)), (digits.test[0][0, :, 2:30, 2:30], range(60, 1500, 7))):
        codec = Codec(image.shape[0], image.shape[1])
        messages = [codec.encode(image, budget) for budget in budgets]
        assert all(0 < len(message) <= budget for message, budget in zip(messages, budgets, strict=True))


def test_the_header_is_constant_98_bytes_and_the_message_may_be_padded_with_zeros(photographs):
    """So neither header nor length need be sent: decoding is the same from the rebuilt codestream, padded or not."""
    codec = Codec(3, 32)
    assert codec.header == 98
    assert codec.comment == 39
    for image in photographs[:100]:
        raw = codec._codestream(image.permute(1, 2, 0).numpy(), 3072 / 600)
        start = raw.index(b"\xff\x64")
        tile = raw.index(b"\xff\x90", start)
        assert raw[:start] == codec.main
        assert tile - start == 39
        assert raw[tile : tile + 6] + raw[tile + 10 : tile + 14] == codec.tile[:6] + codec.tile[10:]
        whole = torch.from_numpy(np.array(Image.open(io.BytesIO(raw)))).permute(2, 0, 1)
        message = raw[tile + 14 : -2]
        assert torch.equal(codec.decode(message), whole)
        assert torch.equal(codec.decode(message + bytes(507)), whole)
    assert codec.failures == 0


def test_more_bytes_are_a_better_image_and_enough_are_nearly_the_image(photographs):
    codec = Codec(3, 32)
    mean = []
    for budget in (100, 200, 507, 1000, 3000):
        decoded = torch.stack([codec.decode(codec.encode(image, budget)) for image in photographs[:40]])
        mean.append(psnr_db(written_out(decoded), written_out(photographs[:40])).mean().item())
    assert mean == sorted(mean)
    assert mean[-1] > 45


def test_a_damaged_message_raises_nothing_and_is_counted_if_it_gives_no_image(photographs):
    codec = Codec(3, 32)
    message = codec.encode(photographs[0], 507)
    generator = np.random.default_rng(0)
    outcomes = []
    for trial in range(200):
        damaged = bytearray(message)
        for place in generator.integers(len(damaged), size=1 + trial % 40):
            damaged[place] = generator.integers(256)
        damaged = bytes(damaged[: generator.integers(len(damaged) + 1)]) if trial % 2 else bytes(damaged)
        outcomes.append(codec.decode(damaged))
    assert codec.failures == sum(image is None for image in outcomes)
    assert all(image is None or image.shape == (3, 32, 32) for image in outcomes)
    before = codec.failures
    whole = codec.main
    codec.main = whole[:40]  # a header cut short
    assert codec.decode(message) is None
    codec.main = whole.replace((32).to_bytes(4, "big"), (16).to_bytes(4, "big"))  # another size
    assert codec.decode(message) is None
    assert codec.failures == before + 2


def test_the_ideal_links_budgets_are_the_capacities():
    """The ergodic bytes are a quadrature's."""
    ideal, fast = Ideal(channels.AWGN(), 1568), Ideal(channels.FastRayleigh(), 1568)
    assert [ideal.budget(noise_power(snr)) for snr in SNR_DB] == AWGN_BYTES
    for snr_db, printed in zip(SNR_DB, ERGODIC_BYTES, strict=True):
        n0 = noise_power(snr_db)
        mean, _ = quad(lambda gain, n0=n0: math.log2(1 + gain / n0) * math.exp(-gain), 0, 60, epsabs=1e-10, limit=200)
        assert fast.channel.ergodic_capacity(n0) == pytest.approx(mean, rel=1e-6)
        assert fast.budget(n0) == int(1568 * mean / 8)
        assert 0 <= fast.budget(n0) - printed <= 1
    n0 = torch.full((50,), 0.1)
    assert ideal.arrives(n0).all()
    assert fast.arrives(n0).all()


@pytest.mark.parametrize("snr_db", [7, 23])
def test_over_block_fading_no_other_rate_delivers_more(snr_db):
    outage_rate, n0 = channels.Rayleigh().outage_rate, noise_power(snr_db)
    rate = np.linspace(0.01, 12, 200_000)
    delivered = rate * np.exp(-(2**rate - 1) * n0)
    assert outage_rate(n0, 0) == pytest.approx(rate[delivered.argmax()], abs=1e-3)
    assert math.exp(-(2 ** outage_rate(n0, 0.1) - 1) * n0) == pytest.approx(0.9)


@pytest.mark.parametrize("outage", [0, 0.1])
def test_messages_are_lost_as_often_as_theory_says(outage):
    link, n0 = Ideal(channels.Rayleigh(), 1568, outage), noise_power(11)
    arrives = link.arrives(torch.full((20_000,), n0, dtype=torch.float64), torch.Generator().manual_seed(0))
    assert arrives.double().mean().item() == pytest.approx(math.exp(-(2 ** link.rate(n0) - 1) * n0), abs=0.012)


@pytest.mark.parametrize("snr_db", [7, 23])
def test_over_block_fading_the_rate_is_the_safest_that_carries_what_is_needed(snr_db):
    """Who needs 400 of k = 1568 symbols' bytes needs 2.04 bits a symbol; the grid's next rate is a tenth riskier."""
    n0, needed = noise_power(snr_db), 400
    link = Ideal(channels.Rayleigh(), 1568, value=lambda size, delivery: delivery * (size >= needed))
    lost = 1 - math.exp(-(2 ** (8 * needed / 1568) - 1) * n0)
    assert link.budget(n0) >= needed
    assert lost <= 1 - link.delivery(n0) < 1.13 * lost
    most = Ideal(channels.Rayleigh(), 1568)
    assert most.delivery(n0) * most.budget(n0) > link.delivery(n0) * link.budget(n0)
    arrives = link.arrives(torch.full((20_000,), n0, dtype=torch.float64), torch.Generator().manual_seed(0))
    assert arrives.double().mean().item() == pytest.approx(link.delivery(n0), abs=0.012)


@pytest.fixture(scope="module")
def classifier(digits_file):
    """(digits, the weights of a system at 32 pixels that reads most of them)."""
    data = load(digits_file)
    spec = spec_of({spec.label: spec for spec in grid(CONFIG)}, channel="rayleigh", size=32)
    torch.manual_seed(0)
    student = build(replace(spec, training=replace(spec.training, batch_size=32, epochs=2, learning_rate=0.1)), data)
    student.optimise()
    student.prepare(None, Resized(data.train[0], 32), data.train[1], 0.1)
    for _ in range(2):
        for pixels, label in zip(data.train[0].split(32), data.train[1].split(32), strict=True):
            student.update(images(pixels, 32), label, 0.1)
    return data, student.system.state_dict()


def finished(specs, classifier, **hyper):
    """That classifier, its rates chosen on the validation images."""
    data, weights = classifier
    student = build(spec_of(specs, channel="rayleigh", size=32, **hyper), data).eval()
    student.system.load_state_dict(weights)
    student.finish(Resized(data.validation[0], 32), data.validation[1])
    return student.system


def test_the_curve_of_rates_is_the_accuracy_on_validation_images_coded_in_so_many_bytes(specs, classifier):
    system, (pixels, label) = finished(specs, classifier), classifier[0].validation
    sizes, accuracy = system.curve
    assert sizes[0] == 0
    assert sizes[-1] == 784
    guess = system.receive(system.mean).argmax()
    assert accuracy[0].item() == pytest.approx((label == guess).double().mean().item())
    assert accuracy[-1] > 0.8
    codec, native = Codec(1, 28), (system.native(images(pixels, 32)) * 255).round().byte()
    shown = torch.stack([codec.decode(codec.encode(one, 96)) for one in native]) / 255
    right = (system.receive(shown).argmax(dim=1) == label).double().mean().item()
    assert accuracy[sizes.tolist().index(96)].item() == pytest.approx(right)


def test_the_curve_of_a_reconstruction_is_its_negative_squared_error_so_that_more_bytes_are_worth_more(specs, digits):
    trained = build(spec_of(specs, "reconstruction", size=16), digits)
    pixels, label = (part[:20] for part in digits.validation)
    trained.finish(Resized(pixels, 16), label)
    system, native = trained.system, images(pixels, 16)
    score = system.curve[1]
    assert score[0].item() == pytest.approx(-(system.mean - native).square().mean().item(), rel=1e-5)
    assert score[0] < score[-1] <= 0
    arrives = np.ones(2)
    few, many = system.worth(np.array([0.0, 256.0]), arrives)
    assert few < many


@pytest.mark.parametrize("link", ["ideal", pytest.param("ldpc", marks=pytest.mark.slow)])
def test_validation_accuracy_chooses_a_rate_that_beats_the_greatest_payload(link, specs, classifier):
    """Measured over 15 draws of the air on the very validation images: as expected from the curve, and ahead."""
    pixels, label = classifier[0].validation
    measured = {}
    for rate in ("payload", "accuracy"):
        system = finished(specs, classifier, link=link, rate=rate)
        for n0 in (noise_power(7), noise_power(19)):
            sent = system.transmit(images(pixels, 32), n0=n0)
            generator = torch.Generator().manual_seed(2)
            seen = [system.deliver(sent, n0, generator=generator).argmax(dim=1) == label for _ in range(15)]
            measured[rate, n0] = torch.stack(seen).double().mean().item()
            if rate == "accuracy":
                size, delivery = np.array([system.link.budget(n0)]), np.array([system.link.delivery(n0)])
                assert measured[rate, n0] == pytest.approx(system.worth(size, delivery).item(), abs=0.03)
    for n0 in (noise_power(7), noise_power(19)):
        assert measured["accuracy", n0] > measured["payload", n0] - 0.01
    assert (
        measured["accuracy", noise_power(7)] > measured["payload", noise_power(7)] + 0.05
    )  # a digit fits in few bytes


def test_the_chosen_rates_are_stored_with_the_trained_system(specs, digits, tmp_path):
    """So that evaluation needs no validation data."""
    spec = spec_of(specs, channel="rayleigh")
    spec = replace(spec, training=replace(spec.training, epochs=1))
    train(spec, digits, tmp_path)
    trained, untrained = restore(spec, digits, tmp_path), build(spec, digits)
    stored = trained.system.curve.clone()
    assert not torch.equal(stored, untrained.system.curve)
    trained.finish(Resized(digits.validation[0], 16), digits.validation[1])
    assert torch.equal(trained.system.curve, stored)
    payload = build(replace(spec, hyper=spec.hyper | {"rate": "payload"}), digits)
    payload.finish(Resized(digits.validation[0], 16), digits.validation[1])
    assert torch.equal(payload.system.curve, untrained.system.curve)


@pytest.mark.parametrize(("size", "native"), [(32, 28), (40, 28), (64, 28), (224, 28), (24, 24), (16, 16)])
def test_an_image_of_the_dataset_comes_back_as_it_was(size, native, specs, digits):
    pixels = torch.randint(256, (3, 1, native, native), dtype=torch.uint8)
    system = build(spec_of(specs, size=size), digits).system
    assert system.pixels == native
    assert torch.equal((system.native(images(pixels, size)) * 255).round().byte(), pixels)


def test_each_image_is_coded_for_its_own_snr_and_is_what_the_codec_decodes(specs, digits):
    trained = build(spec_of(specs, size=32), digits)
    image = images(digits.test[0][:4], 32)
    n0 = torch.tensor([noise_power(snr) for snr in (7, 7, 23, 23)])
    together = trained.system.transmit(image, n0=n0)
    alone = torch.cat([trained.system.transmit(image[i : i + 1], n0=n0[i].item()) for i in range(4)])
    torch.testing.assert_close(together, alone)
    codec, pixels = Codec(1, 28), (trained.system.native(image) * 255).round().byte()
    expected = [codec.decode(codec.encode(p, b)) for p, b in zip(pixels, (507, 507, 1498, 1498), strict=True)]
    torch.testing.assert_close(together, torch.stack(expected) / 255)
    with pytest.raises(ValueError, match="needs n0"):
        trained.system.transmit(image)


def prepared(student, digits, size):
    image = images(digits.train[0], size)
    student.prepare(None, image, digits.train[1], 0.1)
    return student.eval()


def test_the_budget_too_small_for_anything_shows_the_mean_training_image(specs, digits):
    """RepObE's k at S = 32 is 32: 10 bytes at 7 dB."""
    student = prepared(build(spec_of(specs, size=32, symbols=0), digits), digits, 32)
    assert student.system.k == 32
    assert student.system.link.budget(noise_power(7)) == 10
    image = images(digits.test[0][:5], 32).requires_grad_()
    sent = student.system.transmit(image, n0=noise_power(7))
    mean = student.system.native(images(digits.train[0], 32)).mean(dim=0)
    torch.testing.assert_close(sent, mean.expand(5, -1, -1, -1), atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(sent.sum(), image)
    assert not gradient.any()
    assert student.system.codec.failures == 0


def test_an_outage_and_a_message_that_does_not_decode_show_the_mean_image(specs, digits):
    spec = spec_of(specs, "reconstruction", "rayleigh")
    system = prepared(build(spec, digits), digits, 16).system
    image, n0 = images(digits.test[0][:60], 16), noise_power(7)
    sent = system.transmit(image, n0=n0)
    shown = system.deliver(sent, n0, generator=torch.Generator().manual_seed(3))
    arrives = system.link.arrives(torch.full((60,), n0, dtype=torch.float64), torch.Generator().manual_seed(3))
    assert 20 < arrives.sum() < 50  # 0.575 of 60 by Lambert's rule
    torch.testing.assert_close(shown[arrives], sent[arrives])
    torch.testing.assert_close(shown[~arrives], system.mean.expand(int((~arrives).sum()), -1, -1, -1))
    system.codec.main = b"no header"
    torch.testing.assert_close(system.transmit(image, n0=n0), system.mean.expand(60, -1, -1, -1))
    assert system.codec.failures == 60


def test_the_codec_has_the_gradient_of_the_identity_and_an_outage_has_none(specs, digits):
    system = build(spec_of(specs, "reconstruction", "rayleigh", size=32), digits).system
    image = images(digits.test[0][:30], 32).requires_grad_()
    n0, weight = noise_power(7), torch.randn(30, 1, 28, 28)
    sent = system.transmit(image, n0=n0)
    assert not torch.equal(sent, system.native(image))
    (through,) = torch.autograd.grad((sent * weight).sum(), image)
    (identity,) = torch.autograd.grad((system.native(image) * weight).sum(), image)
    assert torch.equal(through, identity)
    shown = system(image, n0, generator=torch.Generator().manual_seed(3))
    (gradient,) = torch.autograd.grad(shown.square().sum(), image)
    arrives = system.link.arrives(torch.full((30,), n0, dtype=torch.float64), torch.Generator().manual_seed(3))
    assert torch.equal(gradient.flatten(1).any(dim=1), arrives)


@pytest.fixture(scope="module")
def rates(tmp_path_factory) -> str:
    """A coarse table of block error rates, of QPSK alone."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("rates") / "rates.csv"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "STEP_DB", 3.0)
        patched.setattr(blocks.qam, "BITS", {"QPSK": 2})
        blocks.simulate(10, lengths=(240,)).to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("channel", BY_NAME)
@pytest.mark.parametrize("task", ["classification", "reconstruction"])
def test_both_links_deliver_over_every_channel(channel, task, colours, specs, dataset, rates):
    digits = dataset[colours]
    image = images(digits.test[0][:20], 16)
    for hyper in ({}, {"link": "ldpc", "block_error_rates": rates}):
        system = prepared(build(spec_of(specs, task, channel, **hyper), digits), digits, 16).system
        output = system(image, noise_power(15), generator=torch.Generator().manual_seed(0))
        assert output.shape == ((20, 10) if task == "classification" else (20, colours, 16, 16))
        assert output.isfinite().all()
        assert 0 < system.link.budget(noise_power(15)) < 1568
    ideal = Ideal(BY_NAME[channel](), 1568).budget(noise_power(15))
    assert system.link.budget(noise_power(15)) < ideal  # no code beats capacity


@pytest.mark.parametrize("colours", [1, 3])
def test_training_sees_clean_images_and_fine_tuning_decoded_ones_in_its_second_half(
    colours, specs, dataset, monkeypatch
):
    digits = dataset[colours]
    image, label = images(digits.train[0][:16], 16), digits.train[1][:16]
    encode = Codec.encode

    def noting(self, budgets, pixels, budget):
        budgets.append(budget)
        return encode(self, pixels, budget)

    for tuned, expected in ((False, 0), (True, 3 * 16)):
        spec = spec_of(specs, fine_tune=tuned)
        spec = replace(spec, training=replace(spec.training, epochs=6))  # of one batch each
        student = build(spec, digits)
        assert student.problem.updates == 6
        student.optimise()
        coded = []
        monkeypatch.setattr(Codec, "encode", partialmethod(noting, coded))
        losses = [student.update(image, label, noise_power(7))["loss"].item() for _ in range(6)]
        assert len(coded) == expected
        assert set(coded) <= {507}
        assert losses[-1] < losses[0]
        again = build(spec, digits)
        again.load_state_dict(student.state_dict())
        assert again.updated == 6


def test_the_classifier_is_repobes_network_on_the_whole_image_with_no_air_between(specs, digits):
    """So the two systems differ in how they send: an image that is never coded reaches the classifier at S×S."""
    spec = spec_of(specs, size=64)
    system = build(spec, digits).eval().system
    repobe = build(replace(spec, method="undefended", hyper={}), digits).system
    assert [one.shape for one in system.classifier.parameters()] == [one.shape for one in repobe.parameters()]
    image = images(digits.test[0][:20], 64)
    with torch.no_grad():
        assert torch.allclose(system.classify(image), system.classifier(image), atol=1e-4)


def test_training_in_bfloat16_sees_the_same_pixels_and_enlarges_them(specs, digits):
    student = build(spec_of(specs, size=64), digits)
    student.optimise()
    image = images(digits.train[0][:32], 64)
    exact = student.system.native(image)
    with autocast("bfloat16", torch.device("cpu")):
        assert torch.equal(student.system.native(image), exact)
        assert student.update(image, digits.train[1][:32], noise_power(7))["loss"].isfinite()


def test_the_classifier_of_clean_images_is_measured_once_beside_the_highest_snr(specs, classifier):
    """By counting: with a link that carries nothing the receiver guesses, its classifier does not."""
    digits, weights = classifier
    spec = replace(spec_of(specs, size=32, symbols=1), snr_db=(7, 23))
    spec = replace(spec, evaluation=Evaluation(draws=2, attacks={}))
    student = build(spec, digits).eval()
    student.system.load_state_dict(weights)
    right = student.system.classifier(images(digits.test[0], 32)).argmax(dim=1) == digits.test[1]
    rows, counts = evasion(student, spec, digits, {}, uncached)
    (clean,) = (row for row in rows if row["metric"] == "clean_accuracy")
    assert (clean["snr_test_db"], clean["n"], clean["draws"]) == (23, len(right), 1)
    assert clean["value"] == pytest.approx(right.float().mean().item())
    mean = student.system.receive(student.system.mean).argmax()  # all that ever arrives
    natural = [row["value"] for row in rows if row["metric"] == "natural_accuracy"]
    assert natural == pytest.approx([(digits.test[1] == mean).float().mean().item()] * 2)
    assert clean["value"] != natural[1]
    assert set(counts) == {(7, "none"), (23, "none")}


def test_a_reconstruction_has_nothing_to_train(specs, digits):
    student = build(spec_of(specs, "reconstruction"), digits)
    student.optimise()
    assert student.optimisers == []
    assert not list(student.parameters())
    loss = student.update(images(digits.train[0][:8], 16), digits.train[1][:8], noise_power(23))["loss"]
    assert 0 < loss < 1e-3


def test_a_wrong_hyperparameter_is_named(specs, digits):
    for key, value in (("link", "turbo"), ("rate", "best"), ("outage", 1.0), ("symbols", -1)):
        with pytest.raises(ValueError, match=rf"hyper.{key}: '?{value}'? (is (unknown|negative);|must lie in)"):
            build(spec_of(specs, **{key: value}), digits)
    with pytest.raises(ValueError, match="does not exist; `python -m repobe block_error_rates"):
        build(spec_of(specs, link="ldpc", block_error_rates="results/none.csv"), digits)


def test_a_training_without_weights_goes_on_too(specs, dataset, tmp_path, capsys):
    """It has an epoch for its validation; the second job finds its resume.pt."""
    spec = spec_of(specs, "reconstruction")
    for _ in range(2):
        train(spec, dataset[1], tmp_path)
    assert "done before" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "history.csv")) == spec.training.epochs
