"""The parts of what is measured on a run, kept beside it: a killed job repeats none, and a new attack adds its own."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils._pytree import tree_map_only

from repobe.runs import checksums, files


class ResultCache:
    """Results by name in a folder of their own, each with the digest of what it was computed from.

    sources: the files that all of them depend on; code: the digest of the code. told: called once each result exists,
    with its name and whether an earlier job kept it.
    """

    def __init__(
        self, folder: Path, *sources: Path, code: str = "", told: Callable[[str, bool], None] = lambda name, kept: None
    ) -> None:
        self.folder, self.told = folder, told
        self.file = folder.with_suffix(".pt")
        self.packed = _read(self.file)
        self.digest = hashlib.sha256(code.encode() + b"".join(path.read_bytes() for path in sources)).hexdigest()

    def __call__(self, name: str, compute: Callable[[], dict], **settings: object) -> dict:
        """The result of compute(), a dict of tensors, numbers, text and more dicts; read back where an earlier job
        kept it. Its tensors are on the CPU in both cases, so that kept and new results fit together.

        settings: what this result depends on besides the sources, in plain values. A kept result counts only if it was
        computed from the same sources and settings by the same code.
        """
        path = self.folder / f"{name}.pt"
        digest = hashlib.sha256((self.digest + json.dumps(settings, sort_keys=True)).encode()).hexdigest()
        kept = self.packed.get(name, {})
        if kept.get("digest") == digest:
            path.unlink(missing_ok=True)  # `pack` would prefer what a killed job left there for other settings
        else:
            kept = _read(path)
        if kept.get("digest") == digest:
            self.told(name, True)
            return kept["result"]
        result = tree_map_only(torch.Tensor, torch.Tensor.cpu, compute())
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(path, {"digest": digest, "result": result})
        self.told(name, False)
        return result

    def pack(self) -> None:
        """Puts the kept results into one file, `<folder>.pt`, once the stage has written its own files.

        A cluster's file systems count files, and a run may have dozens of parts.
        """
        left = {path.stem: _read(path) for path in self.folder.glob("*.pt")}
        if new := {name: kept for name, kept in left.items() if kept}:  # a damaged one would take a good one away
            self.packed |= new
            _write(self.file, self.packed)
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> dict:
    """What `_write` wrote; empty for a file that is missing or damaged, so that its results are computed again."""
    try:
        return torch.load(io.BytesIO(checksums.unsealed(path)), map_location="cpu", weights_only=True)
    except Exception:  # a damaged file can raise anything
        return {}


def _write(path: Path, kept: dict) -> None:
    content = io.BytesIO()
    torch.save(kept, content)
    files.replace(path, checksums.sealed(content.getvalue()))
