"""Files that are not the dataset they are named after are refused in one line that names the file."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from repobe.images import published, sources
from repobe.images.datasets import build

REAL = Path(os.environ.get("REPOBE_DATA", ""))
needs_mnist = pytest.mark.skipif(not (REAL / "MNIST").exists(), reason="REPOBE_DATA has no MNIST")
needs_cifar = pytest.mark.skipif(not (REAL / "cifar10").exists(), reason="REPOBE_DATA has no cifar10")
SHAPES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}


def refusal(name: str, folder: Path | None) -> str:
    """The one line that `data` refuses the folder with."""
    with pytest.raises(ValueError, match=r".") as error:
        sources.read(name, folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def idx(values: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def made_up(kind: str, folder: Path, balanced: bool = True) -> Path:
    """Random images with labels in turn, in torchvision's layout; returns the folder of the four files."""
    random, raw = np.random.default_rng(0), folder / kind / "raw"
    raw.mkdir(parents=True)
    for stem, shape in SHAPES.items():
        values = random.integers(0, 256, shape, np.uint8) if len(shape) == 3 else np.arange(shape[0]) % 10
        if not balanced:
            values = np.zeros(shape)
        (raw / stem).write_bytes(idx(values.astype(np.uint8)))
    return raw


@needs_mnist
def test_the_checksums_are_those_of_the_real_mnist():
    for stem in SHAPES:
        content = gzip.decompress((REAL / "MNIST" / "raw" / f"{stem}.gz").read_bytes())
        assert published.CONTENT[hashlib.sha256(content).hexdigest()] == ("mnist", stem)


@needs_cifar
@pytest.mark.slow
def test_the_checksums_are_those_of_the_real_cifar10_and_another_pixel_is_refused(tmp_path):
    image, label = sources.cifar("cifar10", REAL)[1]
    image[7, 0, 3, 3] ^= 1
    with pytest.raises(ValueError, match=r"the test images are not those of cifar10 \(their SHA-256 differs\)"):
        published.check_images(tmp_path, "cifar10", "test", image.numpy(), label.byte().numpy(), 10)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_files_of_zeros_with_the_right_sizes_are_not_the_dataset(name, tmp_path):
    raw = made_up(published.IDX[name], tmp_path, balanced=False)
    assert str(raw / "train-images-idx3-ubyte") in refusal(name, tmp_path)


def test_labels_of_zeros_are_found_where_no_checksum_is_published(tmp_path):
    raw = made_up("KMNIST", tmp_path)
    (raw / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(10_000, np.uint8)))
    line = refusal("kmnist", tmp_path)
    assert (
        line
        == f"{raw / 't10k-labels-idx1-ubyte'} does not hold as many labels of each of 10 classes; download it again"
    )


def test_unpacked_files_without_a_published_checksum_are_used_and_reported_as_unchecked(tmp_path, capsys):
    made_up("FashionMNIST", tmp_path)
    (image, label), _ = sources.idx("fashion_mnist", tmp_path)
    assert image.shape == (60_000, 1, 28, 28)
    assert torch.bincount(label).tolist() == [6000] * 10
    assert capsys.readouterr().err.count("no checksum is published that it could be compared with") == 4


@needs_mnist
@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist"])
def test_mnist_under_another_datasets_name_is_recognised(name, tmp_path):
    (tmp_path / published.IDX[name]).symlink_to(REAL / "MNIST", target_is_directory=True)
    line = refusal(name, tmp_path)
    assert f"is train-images-idx3-ubyte of mnist, not train-images-idx3-ubyte of {name}" in line


@needs_mnist
def test_training_and_test_files_of_mnist_that_changed_places_are_recognised(tmp_path):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    for stem in SHAPES:
        other = stem.replace("train", "t10k") if "labels" in stem else stem
        (tmp_path / "MNIST" / "raw" / f"{stem}.gz").symlink_to(REAL / "MNIST" / "raw" / f"{other}.gz")
    assert "train-labels-idx1-ubyte.gz is not the IDX file of 60000 bytes" in refusal("mnist", tmp_path)


@needs_mnist
def test_one_pixel_of_mnist_changed_is_refused_and_a_whole_copy_beside_it_is_taken(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem in SHAPES:
        (raw / f"{stem}.gz").symlink_to(REAL / "MNIST" / "raw" / f"{stem}.gz")
    packed = raw / "t10k-images-idx3-ubyte.gz"
    content = bytearray(gzip.decompress(packed.read_bytes()))
    whole = bytes(content)
    content[5000] ^= 1
    packed.unlink()
    packed.write_bytes(gzip.compress(bytes(content), 1))
    assert refusal("mnist", tmp_path) == (
        f"{packed} is not t10k-images-idx3-ubyte of mnist (its SHA-256 differs); download it again"
    )
    (raw / "t10k-images-idx3-ubyte").write_bytes(whole)
    assert sources.idx("mnist", tmp_path)[1][0].shape == (10_000, 1, 28, 28)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; download it again"),
        (b"\n<!DOCTYPE html><html><title>Sign in</title></html>", "is a web page, not the file that it is named after"),
        (gzip.compress(np.random.default_rng(0).bytes(5000), mtime=0)[:2000], "is cut or corrupt"),
    ],
)
@pytest.mark.parametrize("name", ["MNIST/raw/train-images-idx3-ubyte.gz", "cifar10/train-00000-of-00001.parquet"])
def test_an_empty_file_a_web_page_and_a_cut_file_are_named(name, content, words, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    line = refusal("cifar10" if "cifar" in name else "mnist", tmp_path)
    assert line.startswith(f"{path} {words}")


def batches(folder: Path, **content: bytes) -> Path:
    """CIFAR-10 in torchvision's layout, each file as given."""
    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True)
    for name, value in content.items():
        (base / name).write_bytes(value)
    return base


def test_an_empty_folder_of_shards_does_not_hide_the_batches_beside_it(tmp_path):
    (tmp_path / "cifar10").mkdir()
    base = batches(tmp_path, data_batch_1=b"cut")
    line = refusal("cifar10", tmp_path)  # the batches were read: it is they that are found wanting
    assert (
        line == f"{base / 'data_batch_1'} is not what torchvision publishes (its MD5 differs); download cifar10 again"
    )
    (base / "data_batch_1").unlink()
    assert refusal("cifar10", tmp_path) == f"{base / 'data_batch_1'} does not exist; download cifar10 again"


@needs_mnist
def test_a_cut_download_is_downloaded_again(tmp_path, monkeypatch):
    """The user's cache, as a killed download left it: what is wrong is fetched, what is right is not."""
    from torchvision.datasets import utils

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    raw, fetched = tmp_path / "repobe" / "MNIST" / "raw", []
    raw.mkdir(parents=True)
    whole = {f"{stem}.gz": (REAL / "MNIST" / "raw" / f"{stem}.gz").read_bytes() for stem in SHAPES}
    for name, content in whole.items():
        (raw / name).write_bytes(content[:2000] if name.startswith("t10k-images") else content)
    (raw / "t10k-images-idx3-ubyte").write_bytes(b"what was unpacked of it")

    def from_the_net(url, root, filename, md5):
        fetched.append(filename)
        (Path(root) / filename).write_bytes(whole[filename])

    monkeypatch.setattr(utils, "download_url", from_the_net)
    build("mnist", None, tmp_path / "mnist.safetensors")
    assert "t10k-images-idx3-ubyte.gz" in fetched
    fetched.clear()
    build("mnist", None, tmp_path / "again.safetensors")
    assert fetched == []  # a whole cache needs no network
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "mnist.safetensors").read_bytes()


@pytest.mark.parametrize("cut", [0, 10, 0.5])
def test_a_datasets_own_npz_that_is_cut_is_named(cut, tmp_path):
    path = tmp_path / "mine.npz"
    image, label = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2
    np.savez_compressed(path, train_images=image, train_labels=label, test_images=image, test_labels=label)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole)) if cut < 1 else cut])
    with pytest.raises(ValueError, match=r"mine\.npz is not a whole \.npz file") as error:
        build("mine", None, tmp_path / "out", path)
    assert "\n" not in str(error.value)
