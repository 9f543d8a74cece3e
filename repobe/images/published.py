"""Whether files are the dataset that they are named after: MNIST, Fashion-MNIST and KMNIST share names and sizes.

torchvision's source has MD5 checksums of the .gz files of all three. CONTENT has SHA-256 checksums of what is inside,
from the real MNIST and from the real CIFAR-10 in parquet shards, because a .gz can be packed again. Content that
neither knows must at least be plausible: equally many images of every class.
"""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

IDX = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}  # names of torchvision's classes
CONTENT = {
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db": ("mnist", "train-images-idx3-ubyte"),
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5": ("mnist", "train-labels-idx1-ubyte"),
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7": ("mnist", "t10k-images-idx3-ubyte"),
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": ("mnist", "t10k-labels-idx1-ubyte"),
    "92beae6c00e61eba766f386a1092169de875783ec92d5019c85ddd1e86897ac9": ("cifar10", "train"),
    "e7857e8856239d0a354c6b02b38c14272434fe040406440573666d2cf6460490": ("cifar10", "test"),
}


def check_idx(path: Path, name: str, stem: str, content: bytes) -> None:
    """ValueError if an IDX file of an image dataset is not the one of that name; content: what is in it."""
    own = ""
    if path.suffix == ".gz":
        own = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    packed, inside = _of_torchvision().get(own), CONTENT.get(hashlib.sha256(content).hexdigest())
    found = packed or inside
    if found == (name, stem):
        return
    if found:
        raise ValueError(f"{path} is {found[1]} of {found[0]}, not {stem} of {name}; put the right file there")
    if (name, stem) in CONTENT.values():
        raise ValueError(f"{path} is not {stem} of {name} (its SHA-256 differs); download it again")
    values = np.frombuffer(content, np.uint8, offset=8 if "labels" in stem else 16)
    _check_plausible(path, values, 10 if "labels" in stem else None)


def check_images(path: Path, name: str, part: str, image: np.ndarray, label: np.ndarray, classes: int) -> None:
    """ValueError if a split that was read from shards is not that of the dataset; uint8 [n, c, h, w], uint8 [n]."""
    digest = hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()
    if CONTENT.get(digest) == (name, part):
        return
    if (name, part) in CONTENT.values():
        raise ValueError(
            f"{path}: the {part} images are not those of {name} (their SHA-256 differs); download them again"
        )
    _check_plausible(path, label, classes)
    _check_plausible(path, image, None)


def _check_plausible(path: Path, values: np.ndarray, classes: int | None) -> None:
    """ValueError for labels that are not equally many in each class, and for images that are all one grey."""
    counts = np.bincount(values.ravel(), minlength=classes or 0) if classes else np.empty(0)
    if classes and (len(counts) > classes or (counts != len(values) // classes).any()):
        raise ValueError(f"{path} does not hold as many labels of each of {classes} classes; download it again")
    if not classes and values.min() == values.max():
        raise ValueError(f"{path} holds no images: every value in it is {values.flat[0]}; download it again")
    print(f"{path}: no checksum is published that it could be compared with; taken as it is", file=sys.stderr)


def _of_torchvision() -> Mapping[str, tuple[str, str]]:
    """{MD5 of a .gz file: (dataset, the file's name without .gz)}."""
    from torchvision import datasets

    return {
        md5: (name, file.removesuffix(".gz"))
        for name, kind in IDX.items()
        for file, md5 in getattr(datasets, kind).resources
    }
