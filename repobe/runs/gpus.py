"""Which GPU of a machine a job takes: the one that the fewest jobs hold.

A job holds a GPU by a lock on a file of this machine. The kernel releases the lock when the process ends, however it
ends. So the jobs of several snakemakes of one user also spread over the GPUs.
"""

import fcntl
import itertools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from repobe.runs.console import tell

VISIBLE = "CUDA_VISIBLE_DEVICES"
_held: list[IO[str]] = []  # open until the process ends


def visible() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES spells them, without importing torch."""
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        try:
            done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return []
        return done.stdout.split() if done.returncode == 0 else []
    # As CUDA reads it: the list ends at the first entry that is no device.
    return [*itertools.takewhile(lambda one: one not in ("", "-1", "NoDevFiles"), map(str.strip, chosen.split(",")))]


def take(count: int, device: str) -> None:
    """Leaves this process and its children one GPU, or none if count is 0; call it before the first use of CUDA.

    device: the value of the option --device; if it names a GPU (cuda:1), nothing changes.
    """
    if device == "cpu" or ":" in device:
        return
    if count == 0:
        os.environ[VISIBLE] = ""
    elif len(gpus := visible()) > 1:
        os.environ[VISIBLE] = held = _claim(gpus)
        tell(f"repobe: takes GPU {held} of {', '.join(gpus)}")


def _claim(gpus: list[str]) -> str:
    """The first GPU of those with the fewest holders: a GPU's holders lock its files .0, .1 and so on."""
    folder = Path(tempfile.gettempdir()) / f"repobe-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for holders in itertools.count():
        for gpu in gpus:
            file = (folder / f"{gpu.replace('/', '_')}.{holders}").open("a", encoding="utf-8")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            return gpu
    raise AssertionError("there is always one holder more")
