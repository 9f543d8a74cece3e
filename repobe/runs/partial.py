"""Intermediate results of a long stage, kept beside the run until the stage ends, so that a killed job repeats none."""

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils._pytree import tree_map_only

from repobe.runs import checksums, files


class Partial:
    """Results by name in a folder of their own, each with the digest of what it was computed from.

    sources: the files, code: the digest of the code. told: called with the name of each result once it exists.
    """

    def __init__(
        self, folder: Path, *sources: Path, code: str = "", told: Callable[[str], None] = lambda name: None
    ) -> None:
        self.folder, self.told = folder, told
        self.digest = hashlib.sha256(code.encode() + b"".join(path.read_bytes() for path in sources)).hexdigest()

    def __call__(self, name: str, compute: Callable[[], dict]) -> dict:
        """The result of compute(), a dict of tensors, numbers, text and more dicts; read back where an earlier job
        kept it. Its tensors are on the CPU in both cases, so that kept and new results fit together.

        A kept result counts only if it was computed from the same sources by the same code.
        """
        path = self.folder / f"{name}.pt"
        if path.exists():
            try:
                content = io.BytesIO(checksums.unsealed(path))
                kept = torch.load(content, map_location="cpu", weights_only=True)
            except Exception:  # a damaged file can raise anything; its result is computed again
                kept = {}
            if kept.get("digest") == self.digest:
                self.told(name)
                return kept["result"]
        result = tree_map_only(torch.Tensor, torch.Tensor.cpu, compute())
        self.folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save({"digest": self.digest, "result": result}, content)
        files.replace(path, checksums.sealed(content.getvalue()))
        self.told(name)
        return result

    def clear(self) -> None:
        """Deletes the folder, once the stage has written its own files."""
        shutil.rmtree(self.folder, ignore_errors=True)
