"""What made a trained run: its spec, the code, the machine and the time. Tables and the report read it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import torch

from repobe.runs import devices
from repobe.runs.code_digest import trained_by
from repobe.runs.files import replace
from repobe.runs.plugins import ROOT
from repobe.runs.progress import digest
from repobe.runs.spec import Spec

CODE = ("repobe", "baselines", "workflow", "pyproject.toml")  # a change in one of these may change the numbers


def write(run: Path, spec: Spec, device: torch.device, seconds: float, data_sha256: str) -> None:
    """Writes <run>/provenance.json; seconds: wall-clock time of the training, by all jobs; data_sha256: of the data."""
    about = {
        "run": spec.path,
        "spec_sha256": digest(spec),
        "data_sha256": data_sha256,
        "commit": commit(),
        "code": trained_by(spec.method),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "torchattacks": version("torchattacks"),
        "device": devices.called(device),
        **devices.arithmetic(device),
        "threads": spec.threads,
        "train_wall_seconds": round(seconds, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    replace(run / "provenance.json", json.dumps(about, indent=1) + "\n")


def commit(code: Iterable[str] = CODE) -> str:
    """The commit of the suite, with "+changes" if its `code` differs from that commit (new files count).

    Without a commit it returns the reason: a missing commit must not fail a training that has ended. The commit of a
    repository around the suite does not count, because it does not describe the suite's code.
    """
    try:
        top = _git("rev-parse", "--show-toplevel")
        if top.returncode:
            return _reason(top.stderr)
        if not Path(top.stdout.strip()).samefile(ROOT):
            return "not in git: the repository around it is not the suite's"
        head, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", *code)
    except OSError as error:
        return f"unknown: git cannot be run ({error.strerror})"
    if head.returncode or changed.returncode:
        return _reason(head.stderr or changed.stderr)
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def _reason(said: str) -> str:
    line = next(iter(said.strip().splitlines()), "it failed").removeprefix("fatal: ")
    return "not in git" if line.startswith("not a git repository") else f"unknown: git says: {line}"


def _git(*arguments: str) -> subprocess.CompletedProcess:
    """Runs git on the suite's folder, in English, without the variables that name another repository."""
    env = {name: value for name, value in os.environ.items() if not re.match("GIT_(?!CONFIG)", name)}
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", env=env | {"LC_ALL": "C"}, check=False
    )
