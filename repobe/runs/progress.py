"""Progress of a long stage: a bar on a terminal, a few plain lines in a log, and a small file that `status` reads.

The file, <run>/<stage>.progress.json, exists while the stage works. It stays if the stage is killed.
"""

import hashlib
import json
import math
import os
import socket
import sys
import time
from pathlib import Path

from tqdm import tqdm

from repobe.runs.console import tell
from repobe.runs.files import replace
from repobe.runs.spec import Spec

LOG_INTERVAL_S = 10.0  # between two lines of a log, at least


class Progress:
    """Counts the `total` steps of one stage of a run; `done` of them were made before this process began.

    A context manager, which removes its file only on success.
    """

    def __init__(self, spec: Spec, run: Path, stage: str, total: int, done: int = 0) -> None:
        self.name, self.total, self.done, self.before = f"{stage} {spec.path}", total, done, done
        self.file = run / f"{stage}.progress.json"
        self.about = {"spec_sha256": digest(spec), "pid": os.getpid(), "host": socket.gethostname()}
        # With the time left of `step`: tqdm's own takes kept steps for fast ones.
        shown = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
        options = {"desc": self.name, "disable": None, "file": sys.stderr, "bar_format": shown}
        self.bar = tqdm(total=total, initial=done, **options)
        self.began, self.last_line = time.monotonic(), -math.inf
        self._tell(f"{done} of {total} done before" if done else f"{total} steps")

    def step(self, what: str = "", kept: bool = False) -> None:
        """Counts one step; `what` describes it in the log. kept: it was made before this process began, too."""
        self.done += 1
        self.before += kept
        made = self.done - self.before  # 0: nothing tells yet how long a step takes
        seconds = (time.monotonic() - self.began) / made * (self.total - self.done) if made else None
        left = "" if seconds is None else f"{clock(seconds)} left"
        said = ", ".join(filter(None, (what, left)))
        self.bar.update()
        self.bar.set_postfix_str(said)
        self._tell(f"{self.done} of {self.total}, {said}", seconds)

    def _tell(self, line: str, seconds: float | None = None) -> None:
        state = {"done": self.done, "total": self.total, "seconds_left": seconds, "told": time.time()}
        replace(self.file, json.dumps(self.about | state) + "\n")
        now = time.monotonic()
        if self.bar.disable and (self.done == self.total or now - self.last_line >= LOG_INTERVAL_S):
            self.last_line = now
            tell(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self.name}: {line}")

    def close(self) -> None:
        """Removes the file, because the stage is done."""
        self.bar.close()
        self.file.unlink(missing_ok=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type | None, error: object, trace: object) -> None:
        if kind is None:
            self.close()


def digest(spec: Spec) -> str:
    """Identifies a spec, so that progress left by another run in the same folder is not taken for this one's."""
    return hashlib.sha256(spec.dump().encode()).hexdigest()


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or as m:ss below an hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
