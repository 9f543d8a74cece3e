"""Datasets as whole uint8 tensors with fixed splits, in one checksummed file each.

The embedded `digits` and `digits_rgb` need nothing; the others come from torchvision's download, or from a folder
in torchvision's layout or with parquet shards (columns img.bytes, label). A dataset of the user's own: see `own`.
"""

import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.functional import interpolate, pad

from repobe.images import own
from repobe.images.subsets import stratified
from repobe.runs import files
from repobe.runs.seeds import seed

IDX = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "kmnist": "KMNIST",
}  # names of torchvision's classes
CIFAR = {"cifar10": ("CIFAR10", "label"), "cifar100": ("CIFAR100", "fine_label")}
EMBEDDED = ("digits", "digits_rgb")
NAMES = (*EMBEDDED, *IDX, *CIFAR)
CLASSES = {"cifar100": 100}  # all others have ten
AUGMENTED = ("cifar10", "cifar100")  # crop and flip; flipping would change what a digit means (D10)
VALIDATION = 5000  # images kept from the training split of the downloaded datasets

Split = tuple[Tensor, Tensor]  # uint8 [n, c, h, w], int64 [n]


@dataclass(frozen=True)
class Data:
    """A dataset on its device. `augmented`: its training crops and flips (D10).

    Validation and test images stand in a drawn order whose every beginning holds all classes evenly (D29), so the
    first so many are a fair sample. `test_number`, int64 [n]: which image of the dataset's own test split each is.
    """

    name: str
    classes: int
    augmented: bool
    train: Split
    validation: Split
    test: Split
    test_number: Tensor
    sha256: str = ""  # of the whole file's images and labels; of random data none
    limited: bool = False  # whether the training split is a drawn part, in the order that it was drawn in

    @property
    def colours(self) -> int:
        """1 or 3."""
        return self.train[0].shape[1]

    @property
    def device(self) -> torch.device:
        """Where all tensors are."""
        return self.train[0].device

    def limit(self, images: int | None) -> "Data":
        """The same with at most `images` of the training split, drawn evenly from all classes (D29); None keeps all.

        A smaller number gives the first images of a larger number.
        """
        image, label = self.train
        if images is None or images >= len(label):
            return self
        kept = slice(images) if self.limited else stratified(label, "train")[:images]
        return replace(self, train=(image[kept], label[kept]), limited=True)


def build(name: str, folder: Path | None, out: Path, source: Path | None = None) -> None:
    """Writes a dataset's file.

    folder: where the files of a known dataset lie; None downloads them into the user's cache. source: of a dataset of
    the user's own, its folder of class folders or its .npz file (see `own`).

    ValueError names what is unknown, missing, cut or corrupt, and the fix.
    """
    if source is None and name not in NAMES:
        known = ", ".join(NAMES)
        raise ValueError(f"dataset '{name}' is unknown; it is one of {known}, or one of your own, which needs a source")
    classes = CLASSES.get(name, 10)
    if source is not None:
        train, test, classes = own.read(name, source)
        splits = _held_out(name, train, test, min(VALIDATION, max(1, len(train[1]) // 8)))
    elif name in EMBEDDED:
        splits = _digits(colour=name == "digits_rgb")
    else:
        read = _idx if name in IDX else _cifar
        train, test = read(name, folder if folder is not None else _download(name))
        splits = _held_out(name, train, test, VALIDATION)
    tensors = {}
    for split, (image, label) in splits.items():
        if len(image) != len(label) or label.min() < 0 or label.max() >= classes:
            raise ValueError(f"{name}: the {split} labels do not fit its {len(image)} images; get its files anew")
        tensors |= {f"{split}_image": image.contiguous(), f"{split}_label": label.contiguous()}
    about = {"name": name, "sha256": _digest(tensors)} | ({} if source is None else {"classes": classes})
    out.parent.mkdir(parents=True, exist_ok=True)
    files.replace(out, safetensors.torch.save(tensors, {"about": json.dumps(about)}))


def _held_out(name: str, train: Split, test: Split, validation: int) -> dict[str, Split]:
    """The three splits: so many drawn training images become the validation split."""
    order = torch.randperm(len(train[1]), generator=torch.Generator().manual_seed(seed("split", name)))
    held, kept = order[:validation].sort().values, order[validation:]
    parts = {"train": kept, "validation": held}
    return {part: (train[0][at], train[1][at]) for part, at in parts.items()} | {"test": test}


def load(path: Path | str, device: str | torch.device = "cpu") -> Data:
    """Reads and checks a dataset's file; ValueError where it is missing, cut or altered."""
    fix = "delete it and run again"
    if not Path(path).exists():
        raise ValueError(f"{path} does not exist; `python -m repobe data NAME {path}` makes it")
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, not a dict
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); {fix}") from None
    if _digest(tensors) != about["sha256"]:
        raise ValueError(f"{path} is not what was written (its checksum differs); {fix}")
    name = about["name"]
    split = {part: (tensors[f"{part}_image"], tensors[f"{part}_label"]) for part in ("train", "validation", "test")}
    order = {part: stratified(split[part][1], part) for part in ("validation", "test")}
    split |= {part: (split[part][0][at], split[part][1][at]) for part, at in order.items()}
    split = {part: (image.to(device), label.to(device)) for part, (image, label) in split.items()}
    classes = about.get("classes", CLASSES.get(name, 10))
    return Data(name, classes, name in AUGMENTED, **split, test_number=order["test"], sha256=about["sha256"])


def batches(image: Tensor, label: Tensor, size: int) -> Iterator[Split]:
    """One shuffled pass over a split, by torch's global random stream; the tensors never leave their device.

    A last batch of one image joins the batch before it, because batch norm needs two.
    """
    for index in shuffled(len(label), size, image.device):
        yield image[index], label[index]


def shuffled(count: int, size: int, device: torch.device) -> list[Tensor]:
    """The batches of one shuffled pass as indices, Int64[size] each, by torch's global random stream."""
    cut = list(torch.randperm(count, device=device).split(size))
    if len(cut) > 1 and len(cut[-1]) == 1:  # batch norm needs two images
        cut[-2:] = [torch.cat(cut[-2:])]
    return cut


def augment(image: Tensor) -> Tensor:
    """Each image of [b, c, h, w] shifted by up to h/8 pixels (4 of 32) into zeros, and mirrored half the time (D10)."""
    count, _, height, width = image.shape
    margin = height // 8
    top, left = torch.randint(2 * margin + 1, (2, count), device=image.device).unbind()
    mirrored = torch.rand(count, device=image.device) < 0.5
    rows = top[:, None] + torch.arange(height, device=image.device)
    columns = torch.arange(width, device=image.device).expand(count, -1)
    columns = left[:, None] + torch.where(mirrored[:, None], columns.flip(1), columns)
    padded = pad(image, [margin] * 4)
    which = torch.arange(count, device=image.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(f"{key}{tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].numpy().tobytes())
    return digest.hexdigest()


def _digits(colour: bool) -> dict[str, Split]:
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


def _download(name: str) -> Path:
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


def _idx(name: str, folder: Path) -> tuple[Split, Split]:
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


def _cifar(name: str, folder: Path) -> tuple[Split, Split]:
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
