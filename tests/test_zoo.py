"""The model zoo: rounded weights under a name, anyone's adversarial images, and the list of what is known."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
import yaml

import repobe
from repobe import zoo
from repobe.__main__ import main
from repobe.images.resizing import Resized
from repobe.report import zoo_table as listed
from repobe.runs import checksums
from repobe.runs.spec import Spec
from repobe.stages import evaluate, pipeline
from repobe.stages.crafting import Victim, crafted
from repobe.stages.opening import open_run

ROOT = Path(__file__).parents[1]
NAME = "tiny/awgn/repobe"


@pytest.fixture
def published(run, tmp_path, monkeypatch) -> Path:
    """The folder of a tiny run in a zoo of its own; its dataset is not there yet."""
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo")
    return zoo.publish(run / "spec.yaml", tmp_path / "zoo" / "tiny")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def test_published_weights_are_rounded_and_all_else_is_the_same(run, published):
    ours, theirs = weights(published), weights(run)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if value.is_floating_point():
            assert ours[name].dtype == torch.bfloat16
            # Eight significant bits: rounding moves a number by at most 2⁻⁹ of its binary order, and so of itself.
            torch.testing.assert_close(ours[name].float(), value, rtol=2**-8, atol=0)
        else:
            assert torch.equal(ours[name], value)
    assert Spec.load(published / "spec.yaml") == Spec.load(run / "spec.yaml")
    assert (published / "cost.csv").read_bytes() == (run / "cost.csv").read_bytes()
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (published, run)]
    assert sizes[0] < 0.62 * sizes[1]  # half, but for the header


def test_a_model_of_the_zoo_is_loaded_by_its_name_and_its_dataset_is_made(published):
    run = repobe.load(NAME, "cpu")
    assert (published.parents[4] / "data" / "digits.safetensors").exists()
    stored = weights(published)
    for name, value in run.method.system.state_dict().items():
        assert torch.equal(value, stored[name].to(value.dtype))
    assert run.receive(run.channel(run.transmit(run.test(3)[0]), snr_db=7)).shape == (3, 10)


def test_an_unknown_name_lists_what_the_zoo_holds(published):
    with pytest.raises(ValueError, match=r"tiny/awgn/necst is neither .*; the zoo holds tiny/awgn/repobe$"):
        repobe.load("tiny/awgn/necst")


def test_a_second_seed_of_a_model_is_refused_and_so_are_two_folders_of_one_name(run, published):
    spec = replace(Spec.load(run / "spec.yaml"), seed=1)
    (other := run.with_name("seed1")).mkdir()
    for path in run.iterdir():
        if path.is_file() and path.name != "spec.sha256.json":
            (other / path.name).write_bytes(path.read_bytes())
    (other / "spec.yaml").write_text(spec.dump())
    with pytest.raises(ValueError, match=r"repobe/seed0 has the same name in the zoo; publish into another"):
        zoo.publish(other / "spec.yaml", published.parents[4])
    (published.with_name("seed1")).mkdir()
    (published.with_name("seed1") / "spec.yaml").write_text(spec.dump())
    with pytest.raises(ValueError, match=r"seed0 and .*seed1 are both tiny/awgn/repobe; move one"):
        repobe.load(NAME, "cpu")


def test_only_a_folder_with_a_spec_is_a_second_model(run, published):
    """git leaves ignored files behind where a model was deleted."""
    (left := published.with_name("seed1")).mkdir()
    (left / "evasion.csv").write_text("")
    assert list(zoo.models()) == [NAME]
    assert zoo.publish(run / "spec.yaml", published.parents[4]) == published


def test_a_model_of_the_same_method_on_another_dataset_has_the_same_name(run, published):
    """The name <config>/<channel>/<method> has no dataset; so has it no SNR where there is a model for each."""
    results, spec = published.parents[4], Spec.load(run / "spec.yaml")
    one_snr = replace(spec, matched=True, snr_train_db=(7,), snr_db=(7,))
    for other in (replace(spec, dataset="mnist"), one_snr):
        shutil.move(published, folder := results / "runs" / other.path)
        (folder / "spec.yaml").write_text(other.dump())
        with pytest.raises(ValueError, match=f"{other.path} has the same name in the zoo"):
            zoo.publish(run / "spec.yaml", results)
        shutil.move(folder, published)


def test_weights_published_again_lose_what_was_measured_on_the_old_ones(run, published):
    repobe.load(NAME, "cpu")  # makes the dataset
    pipeline.evaluate(published / "spec.yaml", "cpu")
    assert (published / "evasion.csv").exists()
    zoo.publish(run / "spec.yaml", published.parents[4])
    assert not [path.name for path in published.iterdir() if path.name.startswith(("ev", "outcomes"))]


def test_an_untrained_run_is_not_published(run, tmp_path):
    (run / "history.csv").unlink()
    with pytest.raises(ValueError, match=r"history\.csv does not exist; train the run first"):
        zoo.publish(run / "spec.yaml", tmp_path / "zoo")


def test_damaged_weights_are_not_published(run, tmp_path):
    path = run / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not what was written"):
        zoo.publish(run / "spec.yaml", tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


def test_the_classifier_to_attack_is_the_link_itself(run):
    """Its logits are those of transmit, channel and receive on the same draw."""
    opened = repobe.load(run, "cpu")
    image, _ = opened.test(5)
    link = opened.classifier(23, generator=torch.Generator().manual_seed(3))
    heard = opened.channel(opened.transmit(image), 23, torch.Generator().manual_seed(3))
    torch.testing.assert_close(link(image), opened.receive(heard))


def test_several_draws_give_the_log_of_their_mean_probability(run):
    opened = repobe.load(run, "cpu")
    image, _ = opened.test(4)
    together = opened.classifier(0, draws=2, generator=torch.Generator().manual_seed(5))(image)
    twice = opened.classifier(0, generator=torch.Generator().manual_seed(5))(torch.cat([image, image]))
    torch.testing.assert_close(together, twice.softmax(dim=1).unflatten(0, (2, 4)).mean(dim=0).log())


def test_its_gradient_reaches_the_image(run):
    opened = repobe.load(run, "cpu")
    image, label = opened.test(4)
    image.requires_grad_()
    torch.nn.functional.cross_entropy(opened.classifier(23)(image), label).backward()
    assert (image.grad.flatten(1).abs().amax(dim=1) > 0).all()


def test_images_of_the_suites_own_attack_score_as_in_its_table(run, tmp_path, capsys, monkeypatch):
    # So short a training calls all images the same digit; this "correct" differs from image to image.
    monkeypatch.setattr("repobe.images.metrics.correct", lambda output, label: (output[:, 0] * 1e4).floor() % 2)
    opened = open_run(run / "spec.yaml", "cpu")
    spec, (pixels, label) = opened.spec, opened.data.test
    victim = Victim(opened.trained(), spec, Resized(pixels, spec.image_size), label, {})
    attack = spec.evaluation.attacks["paper"]
    image = torch.cat([*crafted(victim, "paper", attack, 0.016, 23)])
    np.savez(tmp_path / "mine.npz", images=image.numpy())
    scoring = ["rescore", str(run), str(tmp_path / "mine.npz"), "--eps", "0.016", "--snr-db", "23", "--device", "cpu"]
    assert main(scoring) == 0
    (entry,) = yaml.safe_load(capsys.readouterr().out)
    scored = evaluate.attacked(victim, "paper", attack, 0.016, 23, 20)["scored"]
    assert entry["accuracy"] == pytest.approx(scored.mean().item(), abs=5e-5)
    assert (entry["images"], entry["draws"], entry["eps"], entry["snr_db"]) == (20, 5, 0.016, 23)


def test_23_and_23_0_hear_the_same_noise_and_a_radius_that_is_no_number_is_refused(run, monkeypatch):
    monkeypatch.setattr("repobe.images.metrics.correct", lambda output, label: (output[:, 0] * 1e4).floor() % 2)
    image = repobe.load(run, "cpu").test(20)[0]
    assert zoo.rescored(run, image, 0.0, 23.0, "cpu") == zoo.rescored(run, image, 0.0, 23, "cpu")
    for eps, snr_db, said in ((float("nan"), 23, "--eps nan should be"), (0.016, float("inf"), "--snr-db inf should")):
        with pytest.raises(ValueError, match=said):
            zoo.rescored(run, image, eps, snr_db, "cpu")


def test_what_is_told_of_the_images_without_an_attack_is_what_they_themselves_score(run, capsys, monkeypatch):
    # So short a training calls all images the same digit; this "correct" differs from image to image.
    monkeypatch.setattr("repobe.images.metrics.correct", lambda output, label: (output[:, 0] * 1e4).floor() % 2)
    clean = repobe.load(run, "cpu").test(20)[0]
    noisy = (clean + 0.3 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    own = zoo.rescored(run, clean, 0.0, 7, "cpu")["accuracy"]
    assert zoo.rescored(run, noisy, 1.0, 7, "cpu")["accuracy"] != own
    told = f"accuracy on the same 20 images without an attack: {own:.4f}"
    assert [line for line in capsys.readouterr().err.splitlines() if told in line] == [f"repobe: {told}"] * 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda image: image + 0.02, "from its original in L∞, further than eps = 0.016"),
        (lambda image: image - 0.01, r"values outside \[0, 1\]"),
        (lambda image: image * torch.nan, r"values outside \[0, 1\]"),
        (lambda image: image[:, :, 1:], r"images have the shape \[n, 1, 16, 16\]"),
        (lambda image: image[:0], r"images have the shape \[n, 1, 16, 16\]"),
    ],
)
def test_images_that_break_the_rules_are_refused(run, changed, message):
    image = repobe.load(run, "cpu").test(4)[0].clamp(0, 0.9)  # of digits: at most 0.0627 from the original
    limit = 0.016 if "L∞" in message else 1.0
    with pytest.raises(ValueError, match=message):
        zoo.rescored(run, changed(image), limit, 23, "cpu")


def test_a_file_that_holds_no_images_is_named(tmp_path):
    for name, content in (("empty.npz", b""), ("page.npz", b"<html>"), ("cut.npz", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name} is not a \.npz that holds one array of images"):
            zoo.stored_images(tmp_path / name)
    np.savez(tmp_path / "objects.npz", images=np.array([{}], dtype=object))  # would be a pickle
    with pytest.raises(ValueError, match=r"objects\.npz is not a \.npz"):
        zoo.stored_images(tmp_path / "objects.npz")
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    with pytest.raises(ValueError, match=r"two\.npz is not a \.npz that holds one array"):
        zoo.stored_images(tmp_path / "two.npz")
    np.savez(tmp_path / "texts.npz", images=np.array(["a"]))
    with pytest.raises(ValueError, match=r"texts\.npz is not a \.npz that holds one array"):
        zoo.stored_images(tmp_path / "texts.npz")
    np.savez(tmp_path / "numbers.npz", images=np.zeros((1, 1, 2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match=r"holds torch\.int64"):
        zoo.stored_images(tmp_path / "numbers.npz")


def test_bytes_are_images_of_255_levels(tmp_path):
    np.savez(tmp_path / "bytes.npz", images=np.array([[[[0, 51, 255]]]], dtype=np.uint8))
    torch.testing.assert_close(zoo.stored_images(tmp_path / "bytes.npz"), torch.tensor([[[[0.0, 0.2, 1.0]]]]))


def entry(**changed) -> dict:
    return {"model": NAME, "eps": 0.016, "snr_db": 23, "images": 200, "draws": 5, "accuracy": 0.1234,
            "attack": "EOT-APGD", "by": "A. Tacker", "link": "https://example.org/a"} | changed  # fmt: skip


def test_the_list_shows_what_is_printed_ours_and_the_best_known(published, capsys):
    zoo.folder_of(NAME)  # makes the dataset
    pipeline.evaluate(published / "spec.yaml", "cpu")
    folder = published.parents[5]
    (row,) = listed.models(folder)
    table = pd.read_csv(published / "evasion.csv").query("snr_test_db == 23")
    natural = table.query("metric == 'natural_accuracy'")["value"].item()
    attacked = table.query("attack == 'paper'")["value"].item()
    assert (row["model"], row["natural"], row["attacked"], row["best_known"]) == (NAME, natural, attacked, None)
    # Neither a weaker attack, nor another model's, nor one of a larger radius or another SNR is the best known.
    others = [{"accuracy": 0.2}, {"model": "another"}, {"accuracy": 0, "eps": 0.0169}, {"accuracy": 0, "snr_db": 7}]
    (folder / "best_known.yaml").write_text(yaml.safe_dump([entry(eps=4 / 255), *(entry(**one) for one in others)]))
    assert main(["zoo", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert f"| `{NAME}` | 16 | 23 dB | – | {natural:.4f} | – | {attacked:.4f} |" in shown
    assert "| 0.1234 ([EOT-APGD, A. Tacker](https://example.org/a), 200 images) |" in shown
    assert main(["zoo", str(folder), "--json"]) == 0


def test_the_papers_numbers_of_a_method_stand_beside_it(published):
    spec = Spec.load(published / "spec.yaml")
    assert listed._printed(replace(spec, dataset="mnist"), "natural_accuracy", 23) == 0.9966  # n02
    assert listed._printed(spec, "natural_accuracy", 23) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (yaml.safe_dump([entry(accuracy="low")]), "entry 1"),
        (yaml.safe_dump([{k: v for k, v in entry().items() if k != "link"}]), "entry 1.*link"),
        ("model: x", "is not a list of submissions"),
        ("[", "is not YAML"),
    ],
)
def test_a_wrong_submission_is_named(tmp_path, text, message):
    (tmp_path / "best_known.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        listed.submissions(tmp_path)


def test_the_committed_list_is_what_the_command_prints(capsys):
    assert main(["zoo", str(ROOT / "results" / "zoo")]) == 0
    printed = capsys.readouterr()
    assert printed.out in (ROOT / "results" / "zoo" / "README.md").read_text()
    assert ("is empty" in printed.err) == (not zoo.models())


def test_every_committed_model_is_whole():
    for name, folder in zoo.models().items():
        assert set(checksums.compared(folder).values()) == {True}, name
