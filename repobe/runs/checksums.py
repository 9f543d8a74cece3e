"""SHA-256 checksums: a stage writes them at its end; the readers of its files, and `verify`, compare them.

Each stage leaves a list {name: SHA-256} beside its files, <stage>.sha256.json (for gathered tables, sha256.json). A
file that is in no list is accepted, because results of earlier versions have no lists. A file that is rewritten while a
stage works carries its own checksum at its end instead (`sealed`), because after a kill a list might not match it.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from repobe.runs.files import replace

FIX = "restore it, or delete it and run again"
SEAL = b"\nSHA-256 "  # then 64 hexadecimal digits


def of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(folder: Path, stage: str, names: Iterable[str]) -> None:
    """Writes the list of a stage's files in `folder`; the stage's last act."""
    listed = {name: of(folder / name) for name in names}
    replace(folder / f"{stage}.sha256.json".removeprefix("."), json.dumps(listed, indent=1) + "\n")


def recorded(folder: Path) -> dict[str, str]:
    """The checksums of a folder's files as they were written, by name; ValueError names a list that is damaged."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*sha256.json")):
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
            found |= {str(name): str(value) for name, value in listed.items()}
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{path}, a list of checksums, is damaged ({error}); {FIX}") from None
    return found


def check(path: Path) -> None:
    """ValueError if a file is no longer what its stage wrote. If it is missing, its reader reports that."""
    expected = recorded(path.parent).get(path.name)
    if expected is not None and path.is_file() and of(path) != expected:
        raise ValueError(f"{path} is not what was written (its SHA-256 differs from its list's); {FIX}")


def compared(folder: Path) -> dict[str, bool | None]:
    """Whether each file that a folder's lists name is as it was written, by name; None where it is missing."""
    files = {name: (folder / name, expected) for name, expected in recorded(folder).items()}
    return {name: of(path) == expected if path.is_file() else None for name, (path, expected) in files.items()}


def of_specs(texts: Iterable[str]) -> str:
    """The SHA-256 of the texts of several spec.yaml, in order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def sealed(content: bytes) -> bytes:
    """The content with its own checksum at its end."""
    return content + SEAL + hashlib.sha256(content).hexdigest().encode()


def unsealed(path: Path) -> bytes:
    """What was sealed and written to `path`; ValueError, without the name, if it was cut or altered."""
    content, seal, digest = path.read_bytes().rpartition(SEAL)
    if not seal or hashlib.sha256(content).hexdigest().encode() != digest:
        raise ValueError("its checksum differs")
    return content
