"""Writing result files, each whole or not at all, and reading what a model file says about itself."""

import contextlib
import csv
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

LONGEST = 100_000_000  # bytes of a header, as safetensors itself allows


def replace(path: Path, content: bytes | str) -> None:
    """Writes `content` to `path`. A killed job or a full disk leaves the old file, never half a file.

    OSError names the file and the fix.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")  # unique: two processes may write one file
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    except OSError as error:
        raise OSError(unwritten(path, error)) from None
    finally:
        with contextlib.suppress(OSError):  # it would hide the line above
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` at the end; if anything fails before, the old one stays.

    OSError if another process writes `folder` at the same time; it says where the old one is then.
    """
    part, old = (folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.{end}") for end in ("part", "old"))
    try:
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        if old.exists() and not folder.exists():  # it may be the only copy
            old.rename(folder)
        replaced = not part.exists()  # asked of the disk, because an interruption may come right after the swap
        shutil.rmtree(part, ignore_errors=True)
        if replaced:
            shutil.rmtree(old, ignore_errors=True)
        elif old.exists():
            said = "was written by another process, too; what it held before is in"
            raise OSError(f"{folder} {said} {old}; keep one of the two")


def unwritten(path: Path | str, error: OSError) -> str:
    """What is said of a file or a folder that cannot be written."""
    return f"{path} cannot be written ({error.strerror or error}); free some space or fix its folder, and rerun"


def text_of(path: Path) -> str:
    """The text of a file; ValueError names one that is damaged."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged ({error.reason}); delete it and run again") from None


def cells(path: Path) -> list[list[str]]:
    """The lines of a CSV, as text; ValueError names one that is damaged."""
    try:
        return list(csv.reader(io.StringIO(text_of(path), newline="")))
    except csv.Error as error:
        raise ValueError(f"{path} is not a CSV table ({error}); delete it and run again") from None


def table(path: Path, rows: list[dict], columns: list[str] | None = None) -> None:
    """Writes `rows` as a CSV. A value that a row lacks, or that is not a number (NaN), is left empty.

    columns: their order; by default the order in which they first appear. Uses csv, which imports much faster than
    pandas and writes numbers alike.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(dict.fromkeys(k for row in rows for k in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value != value else value for name, value in row.items()} for row in rows)
    replace(path, text.getvalue())


def arrays(path: Path, named: dict) -> None:
    """Writes numpy arrays by name as a compressed .npz."""
    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, **named)
    replace(path, content.getvalue())


def about(model: Path) -> dict:
    """The description in the header of a safetensors file; reads no weights, and imports neither torch nor safetensors.

    The format: the header's length as a little-endian int64, then the header as JSON. ValueError names the file that is
    missing or damaged.
    """
    try:
        with model.open("rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), LONGEST)))
        return json.loads(header.get("__metadata__", {}).get("about", "{}"))
    except FileNotFoundError:
        raise ValueError(f"{model} does not exist; train the run first") from None
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{model} is damaged ({error}); delete it and run again") from None
