"""Datasets as whole uint8 tensors with fixed splits, in one checksummed file each.

Where the images come from is in `sources`; a dataset of the user's own is read by `custom`.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.functional import pad

from repobe.images import custom, sources
from repobe.images.sources import Split
from repobe.images.subsets import stratified
from repobe.runs import files
from repobe.runs.seeds import seed

CLASSES = {"cifar100": 100}  # all others have ten
AUGMENTED = ("cifar10", "cifar100")  # crop and flip; flipping would change what a digit means (D10)
VALIDATION = 5000  # images kept from the training split of the downloaded datasets


@dataclass(frozen=True)
class Data:
    """A dataset on its device. `augmented`: its training crops and flips (D10).

    Validation and test images are in a drawn order whose first m images, for every m, hold all classes evenly (D29), a
    fair sample. `test_number`, int64 [n]: the index of each test image in the dataset's own test split.
    """

    name: str
    classes: int
    augmented: bool
    train: Split
    validation: Split
    test: Split
    test_number: Tensor
    sha256: str = ""  # of all images and labels in the file; empty for random data
    limited: bool = False  # whether the training split is a drawn part, in drawn order

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

    folder: holds the files of a known dataset; None downloads them into the user's cache. source: for a dataset of the
    user's own, its folder of class folders or its .npz file (see `custom`).

    ValueError names what is unknown, missing, cut or corrupt, and the fix.
    """
    if source is None and name not in sources.NAMES:
        known = ", ".join(sources.NAMES)
        raise ValueError(f"dataset '{name}' is unknown; it is one of {known}, or one of your own with --source")
    classes = CLASSES.get(name, 10)
    if source is not None:
        train, test, classes = custom.read(name, source)
        splits = _held_out(name, train, test, min(VALIDATION, max(1, len(train[1]) // 8)))
    elif name in sources.EMBEDDED:
        splits = sources.digits(colour=name == "digits_rgb")
    else:
        train, test = sources.read(name, folder)
        splits = _held_out(name, train, test, VALIDATION)
    tensors = {}
    for split, (image, label) in splits.items():
        if len(image) != len(label) or label.min() < 0 or label.max() >= classes:
            raise ValueError(f"{name}: the {split} labels do not fit its {len(image)} images; download its files again")
        tensors |= {f"{split}_image": image.contiguous(), f"{split}_label": label.contiguous()}
    about = {"name": name, "sha256": _digest(tensors)} | ({} if source is None else {"classes": classes})
    out.parent.mkdir(parents=True, exist_ok=True)
    files.replace(out, safetensors.torch.save(tensors, {"about": json.dumps(about)}))


def _held_out(name: str, train: Split, test: Split, validation: int) -> dict[str, Split]:
    """The three splits: `validation` drawn training images become the validation split."""
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
            name, written = about["name"], about["sha256"]
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, not a dict
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); {fix}") from None
    if _digest(tensors) != written:
        raise ValueError(f"{path} is not what was written (its checksum differs); {fix}")
    split = {part: (tensors[f"{part}_image"], tensors[f"{part}_label"]) for part in ("train", "validation", "test")}
    order = {part: stratified(split[part][1], part) for part in ("validation", "test")}
    split |= {part: (split[part][0][at], split[part][1][at]) for part, at in order.items()}
    split = {part: (image.to(device), label.to(device)) for part, (image, label) in split.items()}
    classes = about.get("classes", CLASSES.get(name, 10))
    return Data(name, classes, name in AUGMENTED, **split, test_number=order["test"], sha256=written)


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
