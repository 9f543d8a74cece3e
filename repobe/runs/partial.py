"""The parts of what is measured on a run, kept beside it: a killed job repeats none, and a new attack adds its own."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils._pytree import tree_map_only

from repobe.runs import checksums, files


class Partial:
    """Results by name in a folder of their own, each with the digest of what it was computed from.

    sources: the files that all of them depend on; code: the digest of the code. told: called with the name of each
    result once it exists.
    """

    def __init__(
        self, folder: Path, *sources: Path, code: str = "", told: Callable[[str], None] = lambda name: None
    ) -> None:
        self.folder, self.told = folder, told
        self.digest = hashlib.sha256(code.encode() + b"".join(path.read_bytes() for path in sources)).hexdigest()

    def __call__(self, name: str, compute: Callable[[], dict], **settings: object) -> dict:
        """The result of compute(), a dict of tensors, numbers, text and more dicts; read back where an earlier job
        kept it. Its tensors are on the CPU in both cases, so that kept and new results fit together.

        settings: what this result depends on beside the sources, in plain values. A kept result counts only if it was
        computed from the same sources and settings by the same code.
        """
        path = self.folder / f"{name}.pt"
        digest = hashlib.sha256((self.digest + json.dumps(settings, sort_keys=True)).encode()).hexdigest()
        if path.exists():
            try:
                content = io.BytesIO(checksums.unsealed(path))
                kept = torch.load(content, map_location="cpu", weights_only=True)
            except Exception:  # a damaged file can raise anything; its result is computed again
                kept = {}
            if kept.get("digest") == digest:
                self.told(name)
                return kept["result"]
        result = tree_map_only(torch.Tensor, torch.Tensor.cpu, compute())
        self.folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save({"digest": digest, "result": result}, content)
        files.replace(path, checksums.sealed(content.getvalue()))
        self.told(name)
        return result
