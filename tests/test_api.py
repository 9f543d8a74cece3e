"""The public API on tiny trained runs: the five lines, what they refuse, and that they measure what `evaluate` does."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import CONFIG

import repobe
from repobe import zoo
from repobe.images.resizing import images as at_size
from repobe.runs.files import replace as write
from repobe.runs.grid import grid
from repobe.runs.seeds import seed
from repobe.stages import pipeline

METHODS = {
    "repobe": {},
    "repobe_reconstruction": {"method": "repobe", "task": "reconstruction", "hyper": {"key_schedule": "per_message"}},
    "per_message": {"method": "repobe", "hyper": {"key_schedule": "per_message"}},
    "undefended": {},
    "jpeg2000": {"hyper": {"symbols": 1568}},
    "necst_dp": {},
}


@pytest.fixture(scope="module")
def results(digits_file, tmp_path_factory):
    """Runs of a few methods, trained for a few epochs; the first is evaluated, without attacks."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "data").mkdir()
    shutil.copy(digits_file, folder / "data" / "digits.safetensors")
    torch.set_num_threads(1)
    config = CONFIG | {"methods": METHODS, "training": CONFIG["training"] | {"epochs": 4, "learning_rate": 0.1}}
    config["datasets"] = {"digits": {"image_size": 16}}
    config["evaluation"] = {"draws": 2, "attacks": {}}
    for spec in grid(config):
        if spec.label != "repobe":
            spec = replace(spec, training=replace(spec.training, epochs=1))
        run = folder / "runs" / spec.path
        run.mkdir(parents=True)
        write(run / "spec.yaml", spec.dump())
        pipeline.train(run / "spec.yaml", "cpu")
    pipeline.evaluate(folder / "runs" / "digits/awgn/repobe/seed0/spec.yaml", "cpu")
    return folder


def opened(results, method: str) -> repobe.Run:
    return repobe.load(results / "runs" / "digits" / "awgn" / method / "seed0", "cpu")


def test_importing_the_package_does_not_import_torch():
    light = "import repobe, sys; assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0


def test_the_five_lines_give_logits_or_images(results):
    images = torch.rand(3, 1, 40, 28)
    run = opened(results, "repobe")
    symbols = run.transmit(images)
    assert (symbols.symbols.shape, symbols.symbols.dtype) == ((3, 2 * 2 * 2), torch.complex64)
    torch.testing.assert_close(symbols.symbols.abs().square().mean(dim=1), torch.ones(3))
    for snr_db in (7, 7.0, np.int64(7), np.float32(7)):
        assert run.receive(run.channel(symbols, snr_db)).shape == (3, 10)
    run = opened(results, "repobe_reconstruction")
    picture = run.receive(run.channel(run.transmit(images), snr_db=7))
    assert picture.shape == (3, 1, 16, 16)
    assert 0 <= picture.min() <= picture.max() <= 1


def test_classifiers_of_one_run_use_no_key_twice(results):
    """Each counts its messages from 0, so each needs a session of its own."""
    run = opened(results, "per_message")
    images, _ = run.test(2)
    for snr_db in (23, 7):
        assert run.classifier(snr_db)(images).shape == (2, 10)


@pytest.mark.parametrize(
    ("asked", "line"), [("draws", "draws is 0; it counts draws"), ("images", "the test split has")]
)
def test_a_number_below_one_is_refused(asked, line, results):
    run = opened(results, "repobe")
    with pytest.raises(ValueError, match=line):
        run.classifier(23, draws=0) if asked == "draws" else run.test(0)


def test_it_measures_what_the_evaluation_measures(results):
    """The same air, in the same batches of 250: exactly the accuracy that evasion.csv holds."""
    run = opened(results, "repobe")
    pixels, label = run.data.test
    table = pd.read_csv(results / "runs/digits/awgn/repobe/seed0/evasion.csv")
    for snr_db in (7, 23):
        right = []
        for draw in range(2):
            air = torch.Generator().manual_seed(seed("evaluate", "digits", "awgn", 0, snr_db, draw))
            for part, y in zip(pixels.split(250), label.split(250), strict=True):
                logits = run.receive(run.channel(run.transmit(part), snr_db, air))
                right.append(logits.argmax(dim=1) == y)
        (row,) = table[(table["metric"] == "natural_accuracy") & (table["snr_test_db"] == snr_db)].itertuples()
        assert torch.cat(right).double().mean().item() == pytest.approx(row.value, abs=1e-12)
        assert row.value > 0.5


@pytest.mark.parametrize("method", ["repobe_reconstruction", "repobe"])
def test_only_the_key_turns_the_symbols_back(method, results):
    """Without noise to speak of, the key gives the places back, and without it they stay where the cipher put them."""
    run = opened(results, method)
    image = run.data.test[0][:64]
    heard = run.channel(run.transmit(image), snr_db=100)
    plain = run.method.system.receive(run.method.system.transmit(at_size(image, 16)))
    torch.testing.assert_close(run.receive(heard), plain, atol=1e-3, rtol=1e-3)
    assert (run.receive(heard, key=False) - plain).abs().mean() > 0.01


def test_every_message_has_a_key_of_its_own_and_is_read_in_any_order(results):
    run = opened(results, "repobe_reconstruction")
    image = run.data.test[0][:1]
    sent = [run.channel(run.transmit(image), snr_db=100) for _ in range(8)]
    assert [one.first for one in sent] == list(range(8))
    assert len({tuple(one.symbols[0].real.round(decimals=2).tolist()) for one in sent}) > 1
    back = [run.receive(one) for one in reversed(sent)]
    for one in back:
        torch.testing.assert_close(one, back[0], atol=1e-3, rtol=1e-3)


def test_a_run_with_a_key_for_each_message_is_scored(results):
    """A key serves one message, so the images and their originals are sent under keys of their own."""
    run = results / "runs" / "digits" / "awgn" / "per_message" / "seed0"
    image, _ = repobe.load(run, "cpu").test(20)
    entry = zoo.rescored(run, image, 0.0, 23, "cpu")
    assert (entry["images"], entry["draws"]) == (20, 5)


def test_another_process_reads_what_was_sent_by_the_numbers_that_come_with_it(results):
    ours, theirs = (opened(results, "repobe_reconstruction") for _ in range(2))
    ours.transmit(torch.rand(5, 1, 16, 16))
    heard = ours.channel(ours.transmit(torch.rand(2, 1, 16, 16)), snr_db=23)
    assert torch.equal(theirs.receive(heard), ours.receive(heard))


def test_equal_seeds_give_equal_air(results):
    run = opened(results, "undefended")
    symbols = run.transmit(torch.rand(2, 1, 16, 16))
    heard = [run.channel(symbols, 7, torch.Generator().manual_seed(s)).symbols for s in (1, 1, 2)]
    assert torch.equal(heard[0], heard[1])
    assert not torch.equal(heard[0], heard[2])


def test_the_channel_delivers_the_snr_that_it_is_asked_for(results):
    run = opened(results, "undefended")
    symbols = run.transmit(torch.rand(2000, 1, 16, 16))
    noise = run.channel(symbols, snr_db=7, generator=torch.Generator().manual_seed(0)).symbols - symbols.symbols
    assert -10 * noise.abs().square().mean().log10() == pytest.approx(7, abs=0.1)


def test_a_transmitter_that_draws_random_numbers_draws_them_from_the_generator(results):
    run = opened(results, "necst_dp")
    image = torch.rand(2, 1, 16, 16)
    sent = [run.transmit(image, generator=torch.Generator().manual_seed(s)).symbols for s in (1, 1, 2)]
    assert torch.equal(sent[0], sent[1])
    assert not torch.equal(sent[0], sent[2])


def test_bytes_and_arrays_are_images_too(results):
    run = opened(results, "undefended")
    pixels = run.data.test[0][:4]
    sent = [run.transmit(one).symbols for one in (pixels, pixels.float() / 255, pixels.double().numpy() / 255)]
    torch.testing.assert_close(sent[1], sent[0])
    torch.testing.assert_close(sent[2], sent[0])


def test_a_digital_run_knows_its_snr_at_both_ends(results):
    run = opened(results, "jpeg2000")
    image = run.data.test[0][:20]
    with pytest.raises(ValueError, match="give transmit and channel the same snr_db"):
        run.transmit(image)
    sent = run.transmit(image, snr_db=23)
    assert run.receive(run.channel(sent, snr_db=23)).shape == (20, 10)
    with pytest.raises(ValueError, match="coded for 23 dB, not for 7 dB"):
        run.channel(sent, snr_db=7)


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (torch.rand(3, 16, 16), r"\[b, 1, h, w\] for this run, not \[3, 16, 16\]"),
        (torch.rand(2, 3, 16, 16), r"\[b, 1, h, w\] for this run, not \[2, 3, 16, 16\]"),
        (torch.rand(0, 1, 16, 16), r"not \[0, 1, 16, 16\]"),
        (torch.full((1, 1, 16, 16), 1.001), r"outside \[0, 1\] or NaN"),
        (torch.full((1, 1, 16, 16), -0.001), r"outside \[0, 1\] or NaN"),
        (torch.full((1, 1, 16, 16), float("nan")), r"outside \[0, 1\] or NaN"),
        (torch.ones(1, 1, 16, 16, dtype=torch.int64), "uint8, not torch.int64"),
        (torch.ones(1, 1, 16, 16, dtype=torch.complex64), "uint8, not torch.complex64"),
        (np.array([["a"]]), "images are a tensor or an array"),
        ("picture.png", "images are a tensor or an array"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line_and_uses_no_message_number(images, line, results):
    run = opened(results, "undefended")
    with pytest.raises(ValueError, match=line) as raised:
        run.transmit(images)
    assert "\n" not in str(raised.value)
    assert run.transmit(torch.rand(1, 1, 16, 16)).first == 0


def test_symbols_go_once_over_the_channel_and_come_back_to_their_own_run(results):
    run, other = opened(results, "undefended"), opened(results, "repobe")
    sent = run.transmit(torch.rand(1, 1, 16, 16))
    heard = run.channel(sent, snr_db=7)
    for wrong, line in [
        (lambda: run.receive(sent), "have not crossed the channel"),
        (lambda: run.channel(heard, snr_db=7), "have crossed the channel already"),
        (lambda: other.channel(sent, snr_db=7), "another key and network"),
        (lambda: other.receive(heard), "another key and network"),
        (lambda: run.receive(heard.symbols), "are a Transmission, as transmit and channel give it, not Tensor"),
        (lambda: run.channel(sent, snr_db=float("inf")), "finite number in dB, not inf"),
        (lambda: run.channel(sent, snr_db="loud"), "finite number in dB, not 'loud'"),
        (lambda: run.channel(sent, snr_db=None), "finite number in dB, not None"),
    ]:
        with pytest.raises(ValueError, match=line):
            wrong()


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"spec.yaml does not exist"):
        repobe.load(tmp_path)


@pytest.mark.parametrize("method", ["repobe", "repobe_reconstruction", "necst_dp"])
def test_the_example_draws_one_image_on_its_way(method, results, tmp_path):
    """It has 5 panels of 3 inches at 150 dots an inch; a wrong number is one line and exit code 2."""
    from PIL import Image

    from examples.one_image import main

    run = results / "runs" / "digits" / "awgn" / method / "seed0"
    out = tmp_path / "new folder" / "one.png"
    assert main([str(run), str(out), "--snr-db", "7"]) == 0
    with Image.open(out) as picture:
        assert picture.size == (2250, 540)
        shades = picture.convert("L").resize((15, 4)).tobytes()
    assert len(set(shades)) > 10


def test_the_example_says_in_one_line_what_it_cannot_draw(results, tmp_path, capsys):
    from examples.one_image import main

    runs = results / "runs" / "digits" / "awgn"
    for arguments, line in [
        ([str(runs / "repobe/seed0"), "--number", "9999"], "--number 9999: the test images have the numbers 0 to 359"),
        ([str(runs / "jpeg2000/seed0")], "jpeg2000 sends bits of a public code"),
        ([str(tmp_path)], "spec.yaml does not exist"),
    ]:
        assert main([arguments[0], str(tmp_path / "one.png"), *arguments[1:]]) == 2
        said = capsys.readouterr().err
        assert line in said
        assert sum(told.startswith("one_image: ") for told in said.splitlines()) == 1
