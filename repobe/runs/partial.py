"""What a long stage has finished, kept beside the run until the stage is done: a killed job repeats nothing."""

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from repobe.runs import files


class Partial:
    """Results by name in a folder of their own, each with the digest of what it was computed from.

    told: hears the name of each as it is there.
    """

    def __init__(self, folder: Path, *sources: Path, told: Callable[[str], None] = lambda name: None) -> None:
        self.folder, self.told = folder, told
        self.digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()

    def __call__(self, name: str, compute: Callable[[], dict]) -> dict:
        """compute(), a dict of tensors, numbers and text, unless an earlier job has done it from the same sources."""
        path = self.folder / f"{name}.pt"
        if path.exists():
            try:
                kept = torch.load(path, map_location="cpu", weights_only=True)
            except Exception:  # of whatever kind: what cannot be read is computed again
                kept = {}
            if kept.get("digest") == self.digest:
                self.told(name)
                return kept["result"]
        result = compute()
        self.folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save({"digest": self.digest, "result": result}, content)
        files.replace(path, content.getvalue())
        self.told(name)
        return result

    def clear(self) -> None:
        """Once the stage's own files are written."""
        shutil.rmtree(self.folder, ignore_errors=True)
