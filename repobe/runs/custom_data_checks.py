"""Checks the data with the config: that `data_dir` or a dataset's source exists, and the headers of an .npz file.

It reads no image: `images.custom` does that when the data are made, after the same checks.
"""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


class Header(NamedTuple):
    """The header of an array in an .npz file: the name and the kind of its type, and its shape."""

    dtype: str
    kind: str
    shape: tuple[int, ...]


def refuse(source: Path) -> None:
    """ValueError, one line, unless the source can be a folder of class folders or an .npz file of images and labels."""
    if source.is_dir():
        if not any(path.is_dir() and not path.name.startswith(".") for path in source.iterdir()):
            raise ValueError(f"{source} has no class folders; put the images of each class in a folder of its own")
    elif source.is_file() and source.suffix == ".npz":
        _refuse_arrays(source, _headers(source))
    else:
        what = "is neither a folder nor an .npz file" if source.exists() else "does not exist"
        raise ValueError(f"{source} {what}; the dataset's source is a folder of class folders, or an .npz file")


def refuse_data_dir(folder: Path) -> None:
    """ValueError, one line, unless `data_dir` is a folder."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        fix = f"name the datasets' folder, or null to download{start_of(folder)}"
        raise ValueError(f"data_dir: {folder} {what}; {fix}")


def start_of(path: Path) -> str:
    """Where a relative path of data starts, in brackets; empty for a path that exists or that is absolute."""
    missing = not path.is_absolute() and not path.exists()
    return f" (relative paths of data start at {Path.cwd()})" if missing else ""


def _refuse_arrays(source: Path, held: dict[str, Header]) -> None:
    if missing := [name for name in ARRAYS if name not in held]:
        raise ValueError(f"{source}: has no array {missing[0]}; it needs {', '.join(ARRAYS)}")
    sizes = []
    for part in ("train", "test"):
        image, label = held[f"{part}_images"], held[f"{part}_labels"]
        if image.dtype != "uint8":
            raise ValueError(f"{source}: {part}_images are {image.dtype}; make them uint8, 0 to 255")
        shape = image.shape if len(image.shape) != 3 else (*image.shape, 1)
        if len(shape) != 4 or shape[3] not in (1, 3) or 0 in shape:
            raise ValueError(f"{source}: {part}_images have the shape {[*shape]}; it is [n, h, w] or [n, h, w, 1 or 3]")
        flat = label.shape[:1] if len(label.shape) == 2 and label.shape[1] == 1 else label.shape
        if label.kind not in "iu" or flat != shape[:1]:
            said = f"{label.dtype} {[*flat]}"
            raise ValueError(f"{source}: {part}_labels are {said}; they are {shape[0]} whole numbers from 0 up")
        sizes.append([shape[3], *shape[1:3]])
    if sizes[0] != sizes[1]:
        raise ValueError(f"{source}: train images are {sizes[0]} [c, h, w], test images {sizes[1]}; make them equal")


def _headers(source: Path) -> dict[str, Header]:
    """The header of each array; ValueError where the file is no archive of arrays."""
    from numpy.lib import format as npy  # most configs have no file of this kind, and need no numpy

    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    found = {}
    try:
        with zipfile.ZipFile(source) as archive:
            for name in ARRAYS:
                if f"{name}.npy" in archive.namelist():
                    with archive.open(f"{name}.npy") as array:
                        shape, _, dtype = read[npy.read_magic(array)](array)
                    found[name] = Header(str(dtype), dtype.kind, shape)
    except Exception as error:  # a damaged archive can raise anything: BadZipFile, zlib.error, NotImplementedError, …
        said = " ".join(str(error).split())
        raise ValueError(f"{source} is not a whole .npz file ({said}); write or copy it again") from None
    return found


def gone(datasets: dict[str, dict[str, Any]]) -> list[str]:
    """A line for each dataset of a config whose source is not there: what was read from a source before is used."""
    sources = {name: described.get("source") for name, described in datasets.items()}
    return [
        f"datasets.{name}.source: {source} does not exist; the images that an earlier run read are used"
        for name, source in sources.items()
        if source and not Path(source).exists()
    ]
