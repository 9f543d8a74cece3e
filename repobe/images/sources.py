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

from repobe.images.published import IDX, check_idx, check_images
from repobe.runs.seeds import seed

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


def read(name: str, folder: Path | None) -> tuple[Split, Split]:
    """(train, test) of a known dataset; without a folder, from the user's cache, downloaded where it is not complete.

    ValueError names the file and the fix.
    """
    reader = idx if name in IDX else cifar
    if folder is not None:
        return reader(name, folder)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repobe"
    try:
        return reader(name, cache)
    except ValueError:  # nothing was fetched yet, or a download was cut
        download(name, cache)
    return reader(name, cache)


def download(name: str, cache: Path) -> None:
    """torchvision's own download, which fetches a file again if its checksum is wrong; ValueError names the fix."""
    from torchvision import datasets

    try:
        if name in CIFAR:
            getattr(datasets, CIFAR[name][0])(cache, download=True)
            return
        kind = getattr(datasets, IDX[name])
        for file, md5 in kind.resources:  # kept packed, because torchvision never checks unpacked files
            _fetch(kind.mirrors, file, cache / IDX[name] / "raw", md5)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{name} could not be downloaded ({reason}); connect to the internet, or set data_dir in the config "
            "or the variable REPOBE_DATA to a folder with its files"
        ) from None


def _fetch(mirrors: list[str], file: str, folder: Path, md5: str) -> None:
    """Downloads a file from the first mirror that has it, unless it is there whole; raises the last mirror's error."""
    from torchvision.datasets.utils import download_url

    errors = []
    for mirror in mirrors:
        try:
            return download_url(mirror + file, folder, file, md5)
        except (OSError, RuntimeError) as error:
            errors.append(error)
    raise errors[-1]


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
    """uint8 [*shape] from <stem>.gz, else from the unpacked <stem>; ValueError names the first that is wrong."""
    there = [path for path in (folder / f"{stem}.gz", folder / stem) if path.exists()]
    if not there:
        raise ValueError(
            f"{name}: {folder / stem}.gz does not exist; data_dir (or REPOBE_DATA) must be the folder that holds "
            f"{IDX[name]}/raw, or unset, to download"
        )
    faults = []
    for path in there:
        try:
            content = _idx_content(path, shape)
            check_idx(path, name, stem, content)
        except ValueError as error:
            faults.append(error)
            continue
        return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape).copy()
    raise faults[0]


def _idx_content(path: Path, shape: tuple[int, ...]) -> bytes:
    """The IDX format: 0, 0, type 8 (uint8), dimensions; each size as a big-endian int32; then the bytes."""
    content = _bytes(path)
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is cut or corrupt ({error}); download it again") from None
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    if content[: len(header)] != header or len(content) != len(header) + int(np.prod(shape)):
        raise ValueError(
            f"{path} is not the IDX file of {'×'.join(map(str, shape))} bytes it should be; download it again"
        )
    return content


def _bytes(path: Path) -> bytes:
    """A file's bytes; ValueError where it is empty, or where a web page was saved in its place."""
    content = path.read_bytes()
    if not content:
        raise ValueError(f"{path} is empty; download it again")
    if content.lstrip()[:1] == b"<":
        raise ValueError(f"{path} is a web page, not the file that it is named after; download it again")
    return content


def cifar(name: str, folder: Path) -> tuple[Split, Split]:
    """(train, test) from parquet shards in <folder>/<name>, or from torchvision's batches; ValueError as in `idx`."""
    if any((folder / name).glob("*.parquet")):
        return _parquet(name, folder / name, "train"), _parquet(name, folder / name, "test")
    from torchvision import datasets

    kind, splits = getattr(datasets, CIFAR[name][0]), []
    for train in (True, False):
        try:  # torchvision unpickles only what its own checksums have passed
            dataset = kind(folder, train=train)
        except RuntimeError:
            raise ValueError(_not_whole(name, folder, kind)) from None
        image = torch.from_numpy(dataset.data).permute(0, 3, 1, 2)
        splits.append((image, torch.tensor(dataset.targets)))
    return splits[0], splits[1]


def _not_whole(name: str, folder: Path, kind) -> str:
    """What is wrong with torchvision's batches, by the checksums of its class `kind`."""
    from torchvision.datasets.utils import check_integrity

    base = folder / kind.base_folder
    for file, md5 in kind.train_list + kind.test_list + [(kind.meta["filename"], kind.meta["md5"])]:
        if base.is_dir() and not check_integrity(base / file, md5):
            what = "is not what torchvision publishes (its MD5 differs)" if (base / file).exists() else "does not exist"
            return f"{base / file} {what}; download {name} again"
    return (
        f"{name}: {folder} holds neither {name}/*.parquet nor {kind.base_folder}; data_dir (or REPOBE_DATA) must be "
        "the folder that holds one of them, or unset, to download"
    )


def _parquet(name: str, folder: Path, part: str) -> Split:
    """All shards <part>-*.parquet in order: PNG bytes in img.bytes and the label."""
    import pyarrow.parquet
    from PIL import Image

    column, paths = CIFAR[name][1], sorted(folder.glob(f"{part}-*.parquet"))
    if not paths:
        raise ValueError(f"{name}: {folder} holds no {part}-*.parquet; get the shards of both train and test")
    images, labels = [], []
    for path in paths:
        content = _bytes(path)
        try:
            table = pyarrow.parquet.read_table(io.BytesIO(content), columns=["img", column])
            for item in table.column("img").to_pylist():
                with Image.open(io.BytesIO(item["bytes"])) as png:
                    images.append(np.asarray(png.convert("RGB")))
            labels += table.column(column).to_pylist()
        except (OSError, ValueError, KeyError, TypeError, SyntaxError, pyarrow.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path} is cut or corrupt ({reason}); download it again") from None
    expected = 50_000 if part == "train" else 10_000
    if len(images) != expected or any(image.shape != (32, 32, 3) for image in images):
        raise ValueError(f"{folder}: {len(images)} {part} images where 32×32 {expected} should be; get all shards")
    classes = 100 if name == "cifar100" else 10
    image, label = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)
    if label.min() < 0 or label.max() >= classes:
        raise ValueError(
            f"{folder}: the {part} labels do not lie between 0 and {classes - 1}; download all shards again"
        )
    check_images(folder, name, part, image.numpy(), label.byte().numpy(), classes)
    return image, label
