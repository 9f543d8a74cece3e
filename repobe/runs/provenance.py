"""What made a trained run: its spec, the code, the machine and the time. Tables and the report read it."""

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch

from repobe.runs import devices
from repobe.runs.code import trained_by
from repobe.runs.files import replace
from repobe.runs.progress import digest
from repobe.runs.spec import Spec

ROOT = Path(__file__).parents[2]
CODE = ("repobe", "baselines", "workflow", "pyproject.toml")  # a change in one of these may change the numbers


def write(run: Path, spec: Spec, device: torch.device, seconds: float, data_sha256: str) -> None:
    """Writes <run>/provenance.json; seconds: of the clock, for the training; data_sha256: of the dataset."""
    about = {
        "run": spec.path,
        "spec_sha256": digest(spec),
        "data_sha256": data_sha256,
        "commit": commit(),
        "code": trained_by(spec.method),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "device": devices.called(device),
        **devices.arithmetic(device),
        "threads": spec.threads,
        "train_wall_seconds": round(seconds, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    replace(run / "provenance.json", json.dumps(about, indent=1) + "\n")


def commit() -> str:
    """The commit of the code, with "+changes" where CODE differs from it (new files count).

    Else "not in git", or "unknown" without a git that runs: a training that has ended never fails for that.
    """
    try:
        head, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", *CODE)
    except OSError:
        return "unknown"
    return head + ("+changes" if changed else "") or "not in git"


def _git(*arguments: str) -> str:
    """What git prints; nothing outside a repository."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
