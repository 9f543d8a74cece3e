"""A dataset of the user's own, read from a folder of class folders or from an .npz file; every fault is one line.

    source/<class>/*.png                              a fifth of every class becomes the test split
    source/train/<class>/*.png, source/test/<class>/… the split is as it stands
    source.npz                                        train_images, train_labels, test_images, test_labels

Classes are numbered in the order of their folders' names. Pictures may be PNG, JPEG, BMP, GIF, TIFF or WebP, all of one
size; if all are grey there is one colour channel, else there are three. The arrays of an .npz are uint8 [n, h, w] or
[n, h, w, c], c 1 or 3, and whole numbers [n] or [n, 1] (as in MedMNIST); other arrays in it are ignored.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from repobe.images.sources import Split
from repobe.images.subsets import stratified
from repobe.runs import custom_data_checks

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")  # no format that Pillow hands to another program
GREY = ("1", "L", "LA")
COLOURED = ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
TEST = 1 / 5  # of every class, if the source has no test split; as in the digits


def read(name: str, source: Path) -> tuple[Split, Split, int]:
    """(train, test, the number of classes): uint8 [n, c, h, w] and int64 [n] each.

    ValueError names what is missing, damaged, of another size or of another type.
    """
    custom_data_checks.refuse(source)
    train, test = _folder(name, source) if source.is_dir() else _npz(source)
    present, classes = train[1].unique().tolist(), int(max(train[1].max(), test[1].max())) + 1
    # One wrong label may be huge, so no list of all classes.
    lacking = next((number for number, one in enumerate(sorted(present)) if number != one), len(present))
    if lacking < classes:
        raise ValueError(f"{source}: no training image has the class {lacking}; number classes from 0 without a gap")
    if classes < 2:
        raise ValueError(f"{source}: there is only one class; a dataset needs two or more")
    return train, test, classes


def _folder(name: str, source: Path) -> tuple[Split, Split]:
    inside = _folders(source)
    if {folder.name for folder in inside} != {"train", "test"}:
        image, label = _class_folders([source])[0]
        order = stratified(label, "test of", name)
        held = int(len(label) * TEST)
        if held == 0:
            raise ValueError(
                f"{source} holds {len(label)} images; a fifth becomes the test split, so it needs five or more"
            )
        test, train = order[:held].sort().values, order[held:].sort().values
        return (image[train], label[train]), (image[test], label[test])
    train, test = source / "train", source / "test"
    known, other = ([folder.name for folder in _folders(part)] for part in (train, test))
    if known != other:
        odd = sorted(set(known) ^ set(other))[0]
        raise ValueError(f"{source}: the class {odd} is in train or in test, not in both; make the folder in both")
    splits = _class_folders([train, test])
    return splits[0], splits[1]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _class_folders(parts: list[Path]) -> list[Split]:
    """Each part's class folders; the colours are decided over all of them."""
    found: list[tuple[list[np.ndarray], list[int]]] = []
    size, first, coloured = None, None, False
    for part in parts:
        arrays, labels = [], []
        for number, folder in enumerate(_folders(part)):
            paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
            if not paths:
                raise ValueError(f"{folder} is empty; put its images there or remove it")
            for path in paths:
                if path.is_dir():
                    what = f"{path} is a folder inside the class {folder.name}"
                    raise ValueError(f"{what}; give folders of images, alone or within train and test")
                array = _picture(path)
                first, size = first or path, size or array.shape[:2]
                if array.shape[:2] != size:
                    sizes = "{}×{}".format(*array.shape[:2]), "{}×{}".format(*size)
                    raise ValueError(f"{path} is {sizes[0]}, {first} is {sizes[1]}: all images must have one size")
                coloured = coloured or array.ndim == 3
                arrays.append(array)
                labels.append(number)
        if not arrays:
            raise ValueError(f"{part} has no class folders; put the images of each class in a folder of its own")
        found.append((arrays, labels))
    return [(_stacked(arrays, coloured), torch.tensor(labels)) for arrays, labels in found]


def _picture(path: Path) -> np.ndarray:
    """uint8 [h, w] of a grey picture, else [h, w, 3]."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.mode not in (*GREY, *COLOURED):  # as 16-bit grey, whose values would be cut at 255
                raise ValueError(f"its pixels are {picture.mode}; save it as 8-bit grey or RGB")
            return np.asarray(picture.convert("L" if picture.mode in GREY else "RGB"))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is not a picture that can be read ({reason}); replace or remove it") from None


def _stacked(arrays: list[np.ndarray], coloured: bool) -> Tensor:
    if not coloured:
        return torch.from_numpy(np.stack(arrays))[:, None]
    same = [array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in arrays]
    return torch.from_numpy(np.stack(same)).permute(0, 3, 1, 2).contiguous()


def _npz(source: Path) -> tuple[Split, Split]:
    """What `custom_data_checks.refuse` let through: the arrays are there, with those types and shapes."""
    try:
        with np.load(source, allow_pickle=False) as file:  # pickles run code
            held = {name: file[name] for name in custom_data_checks.ARRAYS}
    except Exception as error:  # a damaged archive can raise anything: BadZipFile, zlib.error, NotImplementedError, …
        raise ValueError(f"{source}: {' '.join(str(error).split())}") from None
    splits = []
    for part in ("train", "test"):
        image, label = held[f"{part}_images"], held[f"{part}_labels"]
        image = image[..., None] if image.ndim == 3 else image
        label = label.reshape(-1)
        if label.min() < 0:
            raise ValueError(f"{source}: {part}_labels hold {label.min()}; they are whole numbers from 0 up")
        splits.append(
            (torch.from_numpy(image).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(label.astype(np.int64)))
        )
    return splits[0], splits[1]
