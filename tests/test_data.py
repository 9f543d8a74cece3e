import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from repobe.images import datasets as data
from repobe.images import sources

REAL = Path(os.environ.get("REPOBE_DATA", ""))
needs_mnist = pytest.mark.skipif(not (REAL / "MNIST").exists(), reason="REPOBE_DATA has no MNIST")


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_embedded_digits_have_fixed_disjoint_splits(digits_file, tmp_path):
    loaded = data.load(digits_file)
    assert [len(split[1]) for split in (loaded.train, loaded.validation, loaded.test)] == [1257, 180, 360]
    assert loaded.train[0].dtype == torch.uint8
    assert loaded.train[0].shape[1:] == (1, 32, 32)
    data.build("digits", None, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == digits_file.read_bytes()


def test_digits_in_colour_share_labels_and_splits_with_the_grey_ones(digits_file, tmp_path):
    data.build("digits_rgb", None, tmp_path / "rgb.safetensors")
    colour, grey = data.load(tmp_path / "rgb.safetensors"), data.load(digits_file)
    assert colour.colours == 3
    assert torch.equal(colour.test[1], grey.test[1])
    assert colour.train[0].float().std(dim=1).mean() > 1  # colours, not three times grey


def test_an_unknown_dataset_is_named_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"dataset 'minst' is unknown; it is one of digits, .*mnist") as error:
        data.build("minst", None, tmp_path / "x")
    one_line(error)


@pytest.mark.parametrize("name", ["mnist", "kmnist", "cifar10", "cifar100"])
def test_a_folder_without_the_files_is_named_with_the_fix(name, tmp_path):
    with pytest.raises(ValueError, match=r"data_dir \(or REPOBE_DATA\) must be the folder") as error:
        data.build(name, tmp_path, tmp_path / "x")
    assert str(tmp_path) in one_line(error)


def test_without_a_network_the_message_says_the_fix(tmp_path, monkeypatch):
    from torchvision.datasets import utils

    def unreachable(*args, **kwargs):
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    monkeypatch.setattr(utils, "download_url", unreachable)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"mnist could not be downloaded .*REPOBE_DATA") as error:
        data.build("mnist", None, tmp_path / "x")
    one_line(error)


def idx(folder: Path, content: bytes) -> None:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(content)


def test_a_truncated_idx_file_is_named(tmp_path):
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (60_000, 28, 28))
    idx(tmp_path, gzip.compress(header + bytes(1000)))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz is not the IDX file of 60000×28×28") as error:
        data.build("mnist", tmp_path, tmp_path / "x")
    one_line(error)


def test_a_truncated_gzip_is_named(tmp_path):
    idx(tmp_path, gzip.compress(np.random.default_rng(0).bytes(5000))[:2000])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz is cut or corrupt") as error:
        data.build("mnist", tmp_path, tmp_path / "x")
    one_line(error)


def test_a_truncated_parquet_is_named(tmp_path):
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "train-00000-of-00001.parquet").write_bytes(b"PAR1" + bytes(500))
    with pytest.raises(ValueError, match=r"train-00000-of-00001.parquet is cut or corrupt") as error:
        data.build("cifar10", tmp_path, tmp_path / "x")
    one_line(error)


def test_a_dataset_file_cut_in_half_or_altered_is_refused(digits_file, tmp_path):
    whole = digits_file.read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut.safetensors is damaged .*delete it and run again"):
        data.load(cut)
    cut.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="checksum differs"):
        data.load(cut)
    safetensors.torch.save_file({"a": torch.zeros(1)}, cut, {"about": '{"classes": 10}'})  # another file of the suite
    with pytest.raises(ValueError, match=r"cut.safetensors is damaged .*delete it and run again"):
        data.load(cut)


def test_a_pass_gives_every_image_once_in_another_order():
    image, label = torch.arange(10).reshape(10, 1, 1, 1), torch.arange(10)
    seen = [(x.flatten(), y) for x, y in data.batches(image, label, 4)]
    assert [len(y) for _, y in seen] == [4, 4, 2]
    assert all(torch.equal(x, y) for x, y in seen)
    assert torch.cat([y for _, y in seen]).sort().values.tolist() == list(range(10))


def test_augmentation_shifts_and_mirrors_each_image_by_its_own():
    image = torch.zeros(400, 3, 32, 32, dtype=torch.uint8)
    image[:, :, 16, 10] = 255
    moved = data.augment(image)
    places = {tuple(index.tolist()) for index in moved[:, 0].nonzero()[:, 1:]}
    assert (moved.flatten(1).sum(dim=1) == 3 * 255).all()
    assert {row for row, _ in places} == set(range(12, 21))
    # 10 shifted by −4 … 4, or its mirror image 21.
    assert {column for _, column in places} == set(range(6, 15)) | set(range(17, 26))


@needs_mnist
def test_mnist_is_read_as_torchvision_reads_it(tmp_path):
    from torchvision.datasets.mnist import read_image_file, read_label_file

    (train, _), (test, label) = sources.idx("mnist", REAL)
    for packed in (REAL / "MNIST" / "raw").glob("t10k-*.gz"):
        (tmp_path / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    assert torch.equal(test[:, 0], read_image_file(str(tmp_path / "t10k-images-idx3-ubyte")))
    assert torch.equal(label, read_label_file(str(tmp_path / "t10k-labels-idx1-ubyte")))
    assert train.shape == (60_000, 1, 28, 28)


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "cifar10").exists(), reason="REPOBE_DATA has no cifar10")
def test_cifar10_from_parquet_has_5000_training_images_of_each_class():
    (image, label), (_, test) = sources.cifar("cifar10", REAL)
    assert image.shape == (50_000, 3, 32, 32)
    assert torch.bincount(label).tolist() == [5000] * 10
    assert torch.bincount(test).tolist() == [1000] * 10
