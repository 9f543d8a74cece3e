"""Where the known datasets come from: embedded ones, torchvision's downloads, and folders of the user's.

The embedded `digits` and `digits_rgb` need nothing. The others come from torchvision's download, or from a folder in
torchvision's layout or with parquet shards (columns img.bytes, label). Each reader gives uint8 images and int64 labels.
"""

import gzip
import io
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from repobe.runs.seeds import seed

IDX = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "kmnist": "KMNIST",
}  # names of torchvision's classes
CIFAR = {"cifar10": ("CIFAR10", "label"), "cifar100": ("CIFAR100", "fine_label")}
EMBEDDED = ("digits", "digits_rgb")
NAMES = (*EMBEDDED, *IDX, *CIFAR)

Split = tuple[Tensor, Tensor]  # uint8 [n, c, h, w], int64 [n]


def digits(colour: bool) -> dict[str, Split]:
    """scikit-learn's 1797 handwritten digits, 8×8 enlarged to 32×32: 1257 train, 180 validation, 360 test.

    In colour each is blended over a patch of the two photos that scikit-learn ships, |patch − digit| as in MNIST-M
    (Ganin et al. 2016); train, validation and test patches come from separate bands of the photos.
    """
    from sklearn.datasets import load_digits, load_sample_images
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    digit = torch.from_numpy(bunch.images).float()[:, None] / 16
    digit = interpolate(digit, size=(32, 32), mode="bilinear", align_corners=False)
    label = torch.from_numpy(bunch.target).long()
    every = np.arange(len(label))
    rest, test = train_test_split(every, test_size=360, random_state=0, stratify=bunch.target)
    train, validation = train_test_split(rest, test_size=180, random_state=0, stratify=bunch.target[rest])
    photos = [torch.tensor(photo).permute(2, 0, 1).float() / 255 for photo in load_sample_images().images]
    bands = {"train": (0, 0.6), "validation": (0.6, 0.75), "test": (0.75, 1)}  # of the photos' width
    splits = {}
    for name, index in (("train", train), ("validation", validation), ("test", test)):
        image = digit[index]
        if colour:
            image = (_patches(photos, bands[name], len(index), name) - image).abs()
        splits[name] = ((image * 255).round().byte(), label[index])
    return splits


def _patches(photos: list[Tensor], band: tuple[float, float], count: int, name: str) -> Tensor:
    """Float[count, 3, 32, 32], 32×32 pixels from random places of a vertical band of the photos."""
    generator = torch.Generator().manual_seed(seed("patches", name))
    patches = []
    for _ in range(count):
        photo = photos[int(torch.randint(len(photos), (), generator=generator))]
        _, height, width = photo.shape
        first, last = int(band[0] * width), int(band[1] * width) - 32
        top = int(torch.randint(height - 31, (), generator=generator))
        left = int(torch.randint(first, last + 1, (), generator=generator))
        patches.append(photo[:, top : top + 32, left : left + 32])
    return torch.stack(patches)


def download(name: str) -> Path:
    """torchvision's own download into the user's cache, checked by torchvision's checksums."""
    from torchvision import datasets

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repobe"
    kind = IDX[name] if name in IDX else CIFAR[name][0]
    try:
        getattr(datasets, kind)(cache, download=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{name} could not be downloaded ({reason}); connect to the internet, or set data_dir in the config "
            "or the variable REPOBE_DATA to a folder with its files"
        ) from None
    return cache


def idx(name: str, folder: Path) -> tuple[Split, Split]:
    """(train, test) from IDX files in <folder>/<torchvision's name>/raw; ValueError names the file and the fix."""
    raw = folder / IDX[name] / "raw"
    splits = []
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        image = _read_idx(name, raw, f"{part}-images-idx3-ubyte", (count, 28, 28))
        label = _read_idx(name, raw, f"{part}-labels-idx1-ubyte", (count,))
        splits.append((torch.from_numpy(image)[:, None], torch.from_numpy(label).long()))
    return splits[0], splits[1]


def _read_idx(name: str, folder: Path, stem: str, shape: tuple[int, ...]) -> np.ndarray:
    """The IDX format: 0, 0, type 8 (uint8), dimensions; each size as a big-endian int32; then the bytes."""
    plain, packed = folder / stem, folder / f"{stem}.gz"
    path = plain if plain.exists() else packed
    if not path.exists():
        raise ValueError(
            f"{name}: {packed} does not exist; data_dir (or REPOBE_DATA) must be the folder that holds "
            f"{IDX[name]}/raw, or unset, to download"
        )
    try:
        content = path.read_bytes() if path is plain else gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is cut or corrupt ({error}); get it anew") from None
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    if content[: len(header)] != header or len(content) != len(header) + int(np.prod(shape)):
        raise ValueError(f"{path} is not the IDX file of {'×'.join(map(str, shape))} bytes it should be; get it anew")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy()


def cifar(name: str, folder: Path) -> tuple[Split, Split]:
    """(train, test) from parquet shards in <folder>/<name>, or from torchvision's batches; ValueError as in `idx`."""
    kind, column = CIFAR[name]
    if (folder / name).is_dir():
        splits = [_parquet(name, folder / name, part, column) for part in ("train", "test")]
        return splits[0], splits[1]
    from torchvision import datasets

    splits = []
    for train in (True, False):
        try:  # torchvision unpickles only what its own checksums have passed
            dataset = getattr(datasets, kind)(folder, train=train)
        except RuntimeError:
            base = getattr(datasets, kind).base_folder
            raise ValueError(
                f"{name}: {folder} holds neither {name}/*.parquet nor a whole {base}; data_dir (or REPOBE_DATA) must "
                "be the folder that holds one of them, or unset, to download"
            ) from None
        image = torch.from_numpy(dataset.data).permute(0, 3, 1, 2)
        splits.append((image, torch.tensor(dataset.targets)))
    return splits[0], splits[1]


def _parquet(name: str, folder: Path, part: str, column: str) -> Split:
    """All shards <part>-*.parquet in order: PNG bytes in img.bytes and the label."""
    import pyarrow.parquet
    from PIL import Image

    paths = sorted(folder.glob(f"{part}-*.parquet"))
    if not paths:
        raise ValueError(f"{name}: {folder} holds no {part}-*.parquet; get the shards of both train and test")
    images, labels = [], []
    for path in paths:
        try:
            table = pyarrow.parquet.read_table(path, columns=["img", column])
            for item in table.column("img").to_pylist():
                with Image.open(io.BytesIO(item["bytes"])) as png:
                    images.append(np.asarray(png.convert("RGB")))
            labels += table.column(column).to_pylist()
        except (OSError, ValueError, KeyError, TypeError, SyntaxError, pyarrow.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path} is cut or corrupt ({reason}); get it anew") from None
    expected = 50_000 if part == "train" else 10_000
    if len(images) != expected or any(image.shape != (32, 32, 3) for image in images):
        raise ValueError(f"{folder}: {len(images)} {part} images where 32×32 {expected} should be; get all shards")
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), torch.tensor(labels)
