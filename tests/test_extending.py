"""Extension by one file outside the repository: the snippets of docs/extending.md as they stand, run and measured."""

import copy
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import CONFIG
from PIL import Image

import repobe
from repobe.__main__ import main
from repobe.images import custom, sources
from repobe.images.datasets import build, load
from repobe.phy.channels import named, noise_power
from repobe.runs import custom_data_checks, names, plugin_signatures
from repobe.runs.config import ROOT, check, source_of
from repobe.runs.config import load as load_config
from repobe.runs.grid import grid
from repobe.runs.spec import Spec
from repobe.training.loop import train

DOC = (ROOT / "docs" / "extending.md").read_text()
CONFIGS = dict(re.findall(r"```yaml file=(\S+)\n(.*?)```", DOC, re.DOTALL))
FILES = dict(re.findall(r"```python file=(\S+)\n(.*?)```", DOC, re.DOTALL))
ENTRIES = [yaml.safe_load(text) for text in re.findall(r"```yaml config\n(.*?)```", DOC, re.DOTALL)]


@pytest.fixture
def folder(tmp_path):
    """The files of the page, in a folder whose name a shell would take apart."""
    place = tmp_path / "my files; $(x)"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text)
    return place


def config_of(folder, *keys: str) -> dict:
    """A small config with the page's entries of those keys."""
    config = copy.deepcopy(CONFIG) | {"methods": {"undefended": {}}, "training": CONFIG["training"] | {"epochs": 1}}
    config["inversion"] = config["inversion"] | {"attackers": []}
    for entry in ENTRIES:
        config |= {key: value for key, value in entry.items() if key in keys}
    return json.loads(json.dumps(config).replace("path/to", json.dumps(str(folder))[1:-1]))


def class_folders(folder, counts: dict[str, int], size=(9, 12), mode="L"):
    """Pictures whose grey tells their class."""
    generator = np.random.default_rng(0)
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for which in range(count):
            pixels = (40 * number + generator.integers(0, 40, size)).astype(np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{which}.png")
    return folder


def run_all(config: dict, results) -> list[Spec]:
    """The stages of every run by the command line; the folder of its data must be filled."""
    specs = grid(config)
    for spec in specs:
        path = results / "runs" / spec.path / "spec.yaml"
        assert main(["spec", json.dumps(spec.as_dict()), str(path)]) == 0
        for stage in ("train", "measure"):
            assert main([stage, str(path), "--device", "cpu"]) == 0
    return specs


@pytest.fixture
def results(tmp_path, digits_file):
    (tmp_path / "results" / "data").mkdir(parents=True)
    (tmp_path / "results" / "data" / "digits.safetensors").symlink_to(digits_file)
    return tmp_path / "results"


def test_the_page_has_a_snippet_for_each_kind():
    assert set(FILES) == {"mine.py", "weibull.py", "fgsm.py"}
    assert [next(iter(entry)) for entry in ENTRIES] == ["methods", "datasets", "channels", "evaluation"]


def test_the_pages_whole_config_describes_runs_of_what_is_ones_own(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"```python\n(import numpy.*?)```", DOC, re.DOTALL)
    exec(code, {})  # makes cells.npz
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(yaml.safe_load(CONFIGS["own.yaml"])).replace("path/to", json.dumps(str(folder))[1:-1]))
    assert [spec.path for spec in grid(load_config(path))] == [
        f"cells/weibull/{label}/seed0" for label in ("undefended", "repobe", "mine")
    ]
    command = [sys.executable, "-m", "snakemake", "-n", "--nolock", "--cores", "1", "-s", str(ROOT / "Snakefile")]
    planned = subprocess.run([*command, "--configfile", str(path)], capture_output=True, text=True, check=False)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout, re.MULTILINE))
    assert (jobs["data"], jobs["train"], jobs["measure"]) == ("1", "3", "3")
    together = grid(load_config(ROOT / "config" / "miniature.yaml", path) | {"only": "cells/*"})
    assert {(spec.dataset, spec.channel) for spec in together} == {("cells", "weibull")}  # of two lists the later
    assert {spec.label for spec in together} > {"repobe_adversarial", "mine"}  # of two mappings both


def test_a_method_outside_the_repository_trains_and_is_measured(folder, results):
    config = config_of(folder, "methods")
    check(config)
    specs = run_all(config, results)
    assert [spec.label for spec in specs] == ["mine", "mine_strong"]
    for spec, smoothing in zip(specs, (0.1, 0.3), strict=True):
        run = results / "runs" / spec.path
        assert repobe.load(run, "cpu").method.hyper.smoothing == smoothing
        assert set(pd.read_csv(run / "evasion.csv")["method"]) == {spec.label}


def test_where_a_methods_file_lies_changes_no_number(folder, digits, tmp_path):
    models = []
    for place in (folder, tmp_path / "elsewhere"):
        place.mkdir(exist_ok=True)
        (place / "mine.py").write_text(FILES["mine.py"])
        config = config_of(place, "methods")
        train(grid(config)[0], digits, place)
        models.append((place / "model.safetensors").read_bytes())
    assert models[0] == models[1]


def test_a_channel_outside_the_repository_trains_and_is_measured(folder, results):
    config = config_of(folder, "channels")
    check(config)
    assert [spec.channel for spec in grid(config)] == ["awgn", "weibull", "weibull_b3.5"]
    specs = run_all(config | {"only": "*/weibull*/*"}, results)
    assert [spec.channel for spec in specs] == ["weibull", "weibull_b3.5"]
    assert Spec.load(results / "runs" / specs[1].path / "spec.yaml") == specs[1]
    assert (results / "runs/digits/weibull_b3.5/undefended/seed0/evasion.csv").exists()


def test_the_pages_channel_is_rayleigh_fading_at_b_1_and_has_unit_power_at_any_b(folder):
    source = str(folder / "weibull.py")
    for label, b in (("weibull_b1", 1.0), ("weibull", 2.0), ("weibull_b3.5", 3.5)):
        channel = named(label, source)
        assert (channel.b, channel.label) == (b, label)
        h = channel.gain(torch.zeros(200_000, 1, dtype=torch.complex64), torch.Generator().manual_seed(0))
        assert h.abs().square().mean() == pytest.approx(1, abs=0.01)
    ours, theirs, n0 = named("weibull_b1", source), named("rayleigh"), noise_power(7)
    assert ours.ergodic_capacity(n0) == pytest.approx(theirs.ergodic_capacity(n0), rel=1e-3)
    assert ours.bit_error_rate(n0) == pytest.approx(theirs.bit_error_rate(n0), rel=1e-3)


def test_an_attack_outside_the_repository_is_scored_at_each_radius(folder, results):
    config = config_of(folder, "evaluation")
    check(config)
    (spec,) = run_all(config, results)
    table = pd.read_csv(results / "runs" / spec.path / "evasion.csv")
    rows = table[table["attack"] == "fgsm"]
    assert sorted(set(rows["eps"])) == [0.016, 0.05]
    assert set(rows["n"]) == {200}
    assert set(table["attack"]) == {"none", "fgsm", "ensemble"}


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        ("[(image + 2 * eps).clamp(0, 1)]", "changes above 0.1"),
        ("[image - eps]", r"pixels outside \[0, 1\]"),
        ("[image * float('nan')]", "returned NaN"),
        ("[image[:1]]", r"returned \[1, 1, 4, 4\] for the images \[2, 1, 4, 4\]"),
        ("[]", "returned no images"),
        ("None", "returned no images"),
        ("image", "returned a Tensor; return a list of image batches"),
    ],
)
def test_an_attack_that_breaks_the_rules_stops_the_evaluation(returned, line, tmp_path):
    from repobe.attacks.evasion import of_kind

    path = tmp_path / "bad.py"
    path.write_text(f"def attack(model, image, label, eps, settings):\n    return {returned}\n")
    with pytest.raises(ValueError, match=line) as raised:
        of_kind(str(path))(None, torch.zeros(2, 1, 4, 4), None, 0.1, None)
    assert str(path) in str(raised.value)


def test_a_dataset_of_class_folders_is_split_counted_and_its_checksum_is_in_the_provenance(folder, results):
    class_folders(folder / "leaves", {"elm": 60, "oak": 80, "ash": 100})
    config = config_of(folder, "datasets")
    del config["datasets"]["cells"]
    check(config)
    file = results / "data" / "leaves.safetensors"
    assert main(["data", "leaves", str(file), "--source", str(folder / "leaves")]) == 0
    data = load(file)
    assert (data.classes, data.colours, data.augmented) == (3, 1, False)
    # 240 images: a fifth is 48, of the other 192 an eighth is 24; ash, elm, oak by name.
    assert [len(split[1]) for split in (data.train, data.validation, data.test)] == [168, 24, 48]
    assert data.test[1].bincount().tolist() == [20, 12, 16]
    assert data.train[0].shape[1:] == (1, 9, 12)
    for image, label in (data.train, data.validation, data.test):  # elm is 0 to 39, oak 40 to 79, ash 80 to 119
        grey = image.float().mean(dim=(1, 2, 3)).div(40).long()
        assert torch.equal(torch.tensor([1, 2, 0])[grey], label)
    again = file.with_name("again.safetensors")
    build("leaves", None, again, folder / "leaves")
    assert again.read_bytes() == file.read_bytes()

    (spec,) = run_all(config, results)
    told = json.loads((results / "runs" / spec.path / "provenance.json").read_text())
    assert told["data_sha256"] == data.sha256
    assert len(data.sha256) == 64


def test_a_dataset_with_a_test_folder_keeps_that_split_and_one_colour_picture_makes_three_channels(tmp_path):
    source = class_folders(tmp_path / "own" / "train", {"a": 16, "b": 16}).parent
    class_folders(source / "test", {"a": 3, "b": 2}, mode="RGB")
    (source / "train" / "a" / ".DS_Store").write_text("not a picture")
    train, test, classes = custom.read("own", source)
    assert (len(train[1]), len(test[1]), classes) == (32, 5, 2)
    assert train[0].shape[1:] == test[0].shape[1:] == (3, 9, 12)
    assert torch.equal(train[0][:, 0], train[0][:, 2])


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", np.uint16), ("F", np.float32)])
def test_pictures_of_more_than_8_bits_are_refused_because_their_values_would_be_cut(mode, dtype, tmp_path):
    class_folders(tmp_path / "own", {"a": 5, "b": 5})
    Image.fromarray(np.full((9, 12), 300, dtype)).save(tmp_path / "own" / "a" / "0.tiff")
    with pytest.raises(ValueError, match=rf"0.tiff is not .* \(its pixels are {mode}; save it as 8-bit grey or RGB\)"):
        custom.read("own", tmp_path / "own")


def test_a_grey_picture_with_transparency_is_grey(tmp_path):
    class_folders(tmp_path / "own", {"a": 5, "b": 5}, mode="LA")
    assert custom.read("own", tmp_path / "own")[0][0].shape[1:] == (1, 9, 12)


def arrays(**departures) -> dict:
    found = {
        "train_images": np.arange(20 * 6 * 5, dtype=np.uint32).astype(np.uint8).reshape(20, 6, 5),
        "train_labels": np.arange(20) % 2,
        "test_images": np.full((4, 6, 5), 7, np.uint8),
        "test_labels": np.array([[0], [1], [1], [0]]),
    }
    return found | departures


def test_an_npz_of_images_and_labels_is_a_dataset(tmp_path):
    np.savez(tmp_path / "cells.npz", **arrays(), extra=np.zeros(3))
    build("cells", None, tmp_path / "cells.safetensors", tmp_path / "cells.npz")
    data = load(tmp_path / "cells.safetensors")
    assert (data.classes, data.colours, data.name) == (2, 1, "cells")
    assert [len(split[1]) for split in (data.train, data.validation, data.test)] == [18, 2, 4]
    at = data.test_number.argsort()
    assert data.test[1][at].tolist() == [0, 1, 1, 0]
    np.savez(
        tmp_path / "rgb.npz",
        **arrays(train_images=np.zeros((20, 6, 5, 3), np.uint8), test_images=np.zeros((4, 6, 5, 3), np.uint8)),
    )
    assert custom.read("rgb", tmp_path / "rgb.npz")[0][0].shape == (20, 3, 6, 5)


def test_the_pages_npz_is_a_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(import numpy.*?)```", DOC, re.DOTALL)
    exec(code, {})
    train, test, classes = custom.read("cells", tmp_path / "cells.npz")
    assert (len(train[1]), len(test[1]), classes) == (400, 80, 4)


@pytest.mark.parametrize(
    ("departure", "line"),
    [
        ({"train_images": np.zeros((20, 6, 5))}, "train_images are float64; make them uint8"),
        ({"train_images": np.zeros((20, 6, 5, 4), np.uint8)}, r"have the shape \[20, 6, 5, 4\]"),
        ({"train_images": np.zeros((20, 5, 6), np.uint8)}, r"train images are \[1, 5, 6\] .* test images \[1, 6, 5\]"),
        ({"train_labels": np.arange(19) % 2}, r"train_labels are int64 \[19\]; they are 20 whole numbers"),
        ({"train_labels": np.arange(20) / 2}, "train_labels are float64"),
        ({"train_labels": np.arange(20) % 2 - 1}, "whole numbers from 0 up"),
        ({"train_labels": 2 * (np.arange(20) % 2)}, "no training image has the class 1"),
        ({"train_labels": np.full(20, 2**40)}, "no training image has the class 0"),  # a list of them would fill memory
        ({"train_labels": np.zeros(20, int), "test_labels": np.zeros(4, int)}, "there is only one class"),
        (
            {"train_labels": np.array([{}] * 20, dtype=object)},
            r"train_labels are object \[20\]; they are 20 whole numbers",
        ),
    ],
)
def test_an_npz_that_does_not_fit_is_refused_in_one_line(departure, line, tmp_path):
    path = tmp_path / "cells.npz"
    np.savez(path, **arrays(**departure))
    with pytest.raises(ValueError, match=line) as raised:
        custom.read("cells", path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "departure",
    [
        {"train_images": np.zeros((20, 6, 5))},
        {"train_images": np.zeros((20, 6, 5, 4), np.uint8)},
        {"train_images": np.zeros((20, 6), np.uint8)},
        {"test_images": np.zeros((0, 6, 5), np.uint8)},
        {"train_images": np.zeros((20, 5, 6), np.uint8)},
        {"train_labels": np.arange(19) % 2},
        {"test_labels": np.arange(8).reshape(4, 2)},
        {"train_labels": np.arange(20) / 2},
    ],
)
def test_what_the_headers_of_an_npz_show_is_refused_with_the_config_in_the_words_of_its_reader(departure, tmp_path):
    path = tmp_path / "cells.npz"
    np.savez(path, **arrays(**departure))
    with pytest.raises(ValueError, match=r".") as late:
        custom.read("cells", path)
    with pytest.raises(ValueError, match=r".") as early:
        check(CONFIG | on(name="cells", source=str(path)))
    assert str(early.value) == f"datasets.cells.source: {late.value}"


def test_the_headers_are_read_and_not_the_images(tmp_path):
    """Headers of a million images of which not one pixel follows."""
    path = tmp_path / "large.npz"
    with zipfile.ZipFile(path, "w") as file:
        for part, kind, size in (("images", "|u1", (6, 5)), ("labels", "<i8", ())):
            for split in ("train", "test"):
                with file.open(f"{split}_{part}.npy", "w") as array:
                    header = {"descr": kind, "fortran_order": False, "shape": (10**6, *size)}
                    np.lib.format.write_array_header_1_0(array, header)
    check(CONFIG | on(name="large", source=str(path)))


def test_a_source_that_is_gone_is_no_mistake_where_its_data_were_made(tmp_path):
    config = CONFIG | on(name="cells", source=str(tmp_path / "gone.npz")) | {"results_dir": str(tmp_path)}
    with pytest.raises(ValueError, match=r"^datasets.cells.source: .* does not exist"):
        check(config)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cells.safetensors").touch()
    check(config)


def test_a_source_that_is_gone_is_told(tmp_path):
    """A mistyped one would pass for it."""
    datasets = {"digits": {}, "cells": {"source": str(tmp_path / "typo.npz")}, "leaves": {"source": str(tmp_path)}}
    told = f"datasets.cells.source: {tmp_path}/typo.npz does not exist; the images that an earlier run read are used"
    assert custom_data_checks.gone(datasets) == [told]


def test_a_source_that_does_not_fit_names_its_key_in_the_data_stage_too(tmp_path, capfd):
    np.savez(tmp_path / "cells.npz", **arrays(train_labels=np.zeros(20, int), test_labels=np.zeros(4, int)))
    assert main(["data", "cells", str(tmp_path / "x"), "--source", str(tmp_path / "cells.npz")]) == 2
    assert capfd.readouterr().err.startswith(f"repobe: datasets.cells.source: {tmp_path}/cells.npz: there is only one")
    assert main(["data", "cells", str(tmp_path / "x")]) == 2
    assert "or one of your own with --source" in capfd.readouterr().err


def test_a_source_that_is_no_dataset_is_refused_in_one_line(tmp_path):
    empty, odd = tmp_path / "empty", class_folders(tmp_path / "odd", {"a": 4, "b": 4})
    empty.mkdir()
    Image.fromarray(np.zeros((9, 13), np.uint8)).save(odd / "b" / "z.png")
    damaged = class_folders(tmp_path / "damaged", {"a": 4, "b": 4})
    (damaged / "b" / "notes.txt").write_text("no picture")
    third = class_folders(tmp_path / "third" / "train", {"a": 4, "b": 4}).parent
    for part in ("test", "val"):
        class_folders(third / part, {"a": 4, "b": 4})
    split = class_folders(tmp_path / "split" / "train", {"a": 4, "b": 4}).parent
    class_folders(split / "test", {"a": 4})
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "lacking.npz", train_images=np.zeros((2, 4, 4), np.uint8))
    for source, line in [
        (tmp_path / "missing", "does not exist; the dataset's source is a folder of class folders, or an .npz file"),
        (odd / "b" / "z.png", "is neither a folder nor an .npz file"),
        (empty, "empty has no class folders"),
        (odd, r"z.png is 9×13, .*0.png is 9×12: all images must have one size"),
        (damaged, "notes.txt is not a picture that can be read"),
        (third, "test/a is a folder inside the class test; give folders of images, alone or within train and test"),
        (split, "the class b is in train or in test, not in both"),
        (tmp_path / "cut.npz", "cut.npz is not a whole .npz file"),
        (tmp_path / "lacking.npz", "has no array train_labels; it needs train_images, train_labels"),
    ]:
        with pytest.raises(ValueError, match=line) as raised:
            custom.read("own", source)
        assert "\n" not in str(raised.value)


def attacked_by(kind: str) -> dict:
    return {"evaluation": {"draws": 1, "attacks": {"a": {"kind": kind, "images": 1}}}}


def trained_by(method: str, **hyper) -> dict:
    return {"methods": {"a": {"method": method, "hyper": hyper}}}


def on(**dataset) -> dict:
    return {"datasets": {dataset.pop("name"): {"image_size": 16} | dataset}}


@pytest.mark.parametrize(
    ("departure", "line"),
    [
        (on(name="leaves"), "datasets.leaves: 'leaves' is not one of digits"),
        (on(name="mnist", source="x"), "datasets.mnist.source: 'mnist' is a dataset of"),
        (on(name="a/b", source="x"), "datasets: 'a/b' should be at most 64 small letters"),
        (on(name="a", source="x\ny"), "datasets.a.source: 'x\\ny' has the character '\\n'"),
        (trained_by("nowhere/a.py"), "methods.a: nowhere/a.py does not exist; relative paths start at"),
        (trained_by("HERE/fgsm.py"), "methods.a: HERE/fgsm.py has no class Method"),
        (trained_by("HERE/mine.py", smoth=1), "methods.a.hyper: no such hyper-parameter: 'smoth'"),
        ({"channels": ["nowhere/a.py:b"]}, "channels.0: nowhere/a.py does not exist"),
        ({"channels": ["HERE/weibull.py:rice"]}, "channels.0: channel 'rice' is unknown; it is one of weibull"),
        ({"channels": ["HERE/mine.py:mine"]}, "channels.0: HERE/mine.py has no channel"),
        ({"channels": ["HERE/taken.py:awgn"]}, "channels.0: HERE/taken.py: a channel of the suite is called 'awgn'"),
        ({"channels": ["HERE/unsafe.py:../x"]}, "channels.0: HERE/unsafe.py: '../x' cannot name a folder"),
        (
            {"channels": ["HERE/weibull.py:weibull", "HERE/./weibull.py:weibull"]},
            "channels: 'HERE/weibull.py:weibull' occurs twice",
        ),
        ({"channels": ["HERE/broken.py:a"]}, "channels.0: HERE/broken.py is not Python"),
        (
            {"channels": ["HERE/weibull.py"]},
            "channels.0: 'HERE/weibull.py' names no channel in that file; add a colon and the label: "
            "'HERE/weibull.py:weibull'",
        ),
        (
            {"channels": ["raylegh"]},
            "channels.0: channel 'raylegh' is unknown; did you mean rayleigh? it is one of awgn",
        ),
        (
            trained_by("repobee"),
            "methods.a: method 'repobee' is unknown; did you mean repobe? it is one of repobe, adversarial_training",
        ),
        (
            on(name="cells", source="HERE/none.npz"),
            "datasets.cells.source: HERE/none.npz does not exist; the dataset's",
        ),
        (on(name="cells", source="HERE"), "datasets.cells.source: HERE has no class folders; put the images of each"),
        ({"datasets": {"digits": {}}}, "datasets.digits: missing key 'image_size' (S in pixels, a multiple of 8)"),
        (attacked_by("nowhere/a.py"), "evaluation.attacks.a.kind: nowhere/a.py does not exist"),
        (attacked_by("HERE/mine.py"), "evaluation.attacks.a.kind: HERE/mine.py has no function attack"),
        (attacked_by("nothing"), "evaluation.attacks.a.kind: 'nothing' is unknown; it is one of pgd"),
        (attacked_by("eot_pdg"), "evaluation.attacks.a.kind: 'eot_pdg' is unknown; did you mean eot_pgd? it is one of"),
    ],
)
def test_a_mistake_in_naming_a_file_is_one_line_that_names_the_key(departure, line, folder):
    (folder / "taken.py").write_text("class A:\n    name = 'awgn'\n")
    (folder / "unsafe.py").write_text("class A:\n    name = '../x'\n")
    (folder / "broken.py").write_text("class A\n")
    departure = json.loads(json.dumps(departure).replace("HERE", str(folder)))
    with pytest.raises(ValueError, match=r".") as raised:
        check(CONFIG | departure)
    assert str(raised.value).startswith(line.replace("HERE", str(folder)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (
            "torch.ones(x.shape[0], 2, 1)",
            r"returns torch.float32\[20000, 2, 1\] for symbols \[20000, 4\]; return None, com",
        ),
        ("torch.ones(x.shape[0], 1)", r"returns torch.float32\[20000, 1\]"),
        ("3", "returns int"),
        ("2**0.5 * torch.ones_like(x)", r"has a mean \|h\|² of 2; scale it to 1, or every SNR is another than stated"),
    ],
)
def test_a_gain_of_another_shape_or_power_is_refused(returned, line, tmp_path):
    path = tmp_path / "own.py"
    path.write_text("import torch\n" + CHANNEL.replace("generator): ...", f"generator): return {returned}", 1))
    with pytest.raises(ValueError, match=line) as raised:
        named("mine", str(path))
    assert str(raised.value).startswith(f"{path}: Mine.gain ")


def test_the_gain_of_ones_own_channel_is_tried_without_a_trace_in_the_random_numbers(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        "import torch\n" + CHANNEL.replace("generator): ...", "generator): return torch.randn(1) * 0 + x", 1)
    )
    before = torch.random.get_rng_state()
    assert named("mine", str(path)).name == "mine"
    assert torch.equal(torch.random.get_rng_state(), before)


METHOD = """
from dataclasses import dataclass
from repobe.training import method
@dataclass
class Hyper: ...
class Method(method.Method):
    def __init__(self, problem, hyper): ...
    def update(self, image, label, n0): ...
"""
CHANNEL = """
from repobe.phy.channel import Fading
class Mine(Fading):
    name = "mine"
    def gain(self, x, generator): ...
    def power_distribution(self, g): ...
    def power_quantile(self, p): ...
"""


@pytest.mark.parametrize(
    ("text", "departure", "line"),
    [
        (
            "def attack(model, image): ...",
            attacked_by("FILE"),
            "evaluation.attacks.a.kind: FILE, line 1: attack(model, image) must take (model, image, label, eps, "
            "settings)",
        ),
        (
            "def attack(model, image, label, eps, settings, steps): ...",
            attacked_by("FILE"),
            "evaluation.attacks.a.kind: FILE, line 1: attack(model, image, label, eps, settings, steps) must take (",
        ),
        (
            "def attack(model, image, label, eps, settings, *, steps): ...",
            attacked_by("FILE"),
            "evaluation.attacks.a.kind: FILE, line 1: attack(",
        ),
        (
            METHOD.replace("label, n0", "label"),
            trained_by("FILE"),
            "methods.a: FILE, line 8: update(self, image, label) must take (self, image, label, n0)",
        ),
        (
            METHOD.replace("problem, hyper", "problem"),
            trained_by("FILE"),
            "methods.a: FILE, line 7: __init__(self, problem) must take (self, problem, hyper)",
        ),
        (
            METHOD.replace("update", "step"),
            trained_by("FILE"),
            "methods.a: FILE, line 6: class Method does not define up",
        ),
        (
            METHOD.replace("__init__", "init"),
            trained_by("FILE"),
            "methods.a: FILE, line 6: class Method does not define",
        ),
        (
            METHOD.replace("(method.Method)", ""),
            trained_by("FILE"),
            "methods.a: FILE, line 6: Method must be a subclass of repobe.training.method.Method",
        ),
        (
            METHOD + "    def finish(self): ...",
            trained_by("FILE"),
            "methods.a: FILE, line 9: finish(self) must take (self, image, label)",
        ),
        (
            CHANNEL.replace("x, generator", "x"),
            {"channels": ["FILE:mine"]},
            "channels.0: FILE, line 5: gain(self, x) must take (self, x, generator)",
        ),
        (
            CHANNEL.replace("power_quantile", "quantile"),
            {"channels": ["FILE:mine"]},
            "channels.0: FILE, line 3: class Mine does not define power_quantile",
        ),
        (
            CHANNEL.replace("Fading)", "Channel)"),
            {"channels": ["FILE:mine"]},
            "channels.0: FILE, line 3: class Mine does not define ergodic_capacity, bit_error_rate",
        ),
    ],
)
def test_a_wrong_signature_is_refused_with_the_config_in_one_line(text, departure, line, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(text)
    departure = json.loads(json.dumps(departure).replace("FILE", str(path)))
    with pytest.raises(ValueError, match=r".") as raised:
        check(CONFIG | departure)
    assert str(raised.value).startswith(line.replace("FILE", str(path)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "def attack(a, b, c, d, e): ...",
        "def attack(model, image, label, eps, settings, steps=7): ...",
        "def attack(model, *rest): ...",
        "import functools\n@functools.cache\ndef attack(*asked): ...",
    ],
)
def test_what_can_be_called_as_the_evaluation_calls_it_is_accepted(text, tmp_path):
    (tmp_path / "own.py").write_text(text)
    check(CONFIG | attacked_by(str(tmp_path / "own.py")))


@pytest.mark.parametrize("name", ["repobe", "undefended", "jpeg2000", "trades"])
def test_the_suites_own_methods_have_the_signatures_that_are_asked(name):
    plugin_signatures.refuse_method(source_of(name))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise KeyError('x')", "evaluation.attacks.fgsm.kind, FILE, line 2 in attack: KeyError: 'x'"),
        ("return 1 / 0", "evaluation.attacks.fgsm.kind, FILE, line 2 in attack: ZeroDivisionError: division by zero"),
        ("raise ValueError('no')", "evaluation.attacks.fgsm.kind, FILE, line 2 in attack: no"),
        (
            "return [3]",
            "AttributeError: 'int' object has no attribute 'shape'; the suite's code ",
        ),
    ],
)
def test_what_a_file_raises_while_it_runs_names_the_key_the_file_and_the_line(body, line, folder, results, capfd):
    config = config_of(folder, "evaluation")
    (folder / "fgsm.py").write_text(f"def attack(model, image, label, eps, settings):\n    {body}\n")
    (spec,) = grid(config)
    path = results / "runs" / spec.path / "spec.yaml"
    assert main(["spec", json.dumps(spec.as_dict()), str(path)]) == 0
    assert main(["train", str(path), "--device", "cpu"]) == 0
    capfd.readouterr()
    assert main(["evaluate", str(path), "--device", "cpu"]) in (1, 2)
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith(f"repobe: {line.replace('FILE', str(folder / 'fgsm.py'))}")
    assert "evaluation.attacks.fgsm.kind" in last
    assert str(folder / "fgsm.py") in last


@pytest.mark.parametrize(("kind", "least"), [("autoattack_rand", 3), ("autoattack_standard", 4)])
def test_an_attack_that_compares_more_classes_than_there_are_is_refused_before_training(kind, least, tmp_path, capfd):
    source = class_folders(tmp_path / "pictures", {"cat": 60, "dog": 60})
    config = config_of(tmp_path) | {"datasets": {"pets": {"source": str(source), "image_size": 16}}}
    config["evaluation"] = {"draws": 1, "attacks": {"all": {"kind": kind, "images": 5}}}
    (spec,) = grid(config)
    path = tmp_path / "results" / "runs" / spec.path / "spec.yaml"
    assert main(["data", "pets", str(tmp_path / "results" / "data" / "pets.safetensors"), "--source", str(source)]) == 0
    assert main(["spec", json.dumps(spec.as_dict()), str(path)]) == 0
    assert main(["train", str(path), "--device", "cpu"]) == 2
    line = f"repobe: evaluation.attacks.all: {kind} compares {least} classes, and pets has 2; leave it out for this"
    assert capfd.readouterr().err.splitlines()[-1].startswith(line)
    rebuilds = replace(spec, task="reconstruction", method="repobe", label="rebuilds")  # which is not attacked
    path = tmp_path / "results" / "runs" / rebuilds.path / "spec.yaml"
    assert main(["spec", json.dumps(rebuilds.as_dict()), str(path)]) == 0
    assert main(["train", str(path), "--device", "cpu"]) == 0


def test_an_incomplete_channel_class_is_refused(tmp_path):
    path = tmp_path / "half.py"
    path.write_text(
        "from repobe.phy.channel import Channel\nclass A(Channel):\n    name = 'half'\nclass B:\n    name = 'other'\n"
    )
    with pytest.raises(ValueError, match="A does not define bit_error_rate, ergodic_capacity, gain"):
        named("half", str(path))
    with pytest.raises(ValueError, match="B must be a subclass"):
        named("other", str(path))


def test_a_config_may_name_every_dataset_that_the_suite_has():
    assert names.DATASETS == sources.NAMES


def test_a_run_on_the_suites_own_channels_is_described_as_before_there_were_others(specs):
    assert "channel_source" not in specs["repobe"].dump()
