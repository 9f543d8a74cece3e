"""One process at a time works on a run. The system drops the lock when its process ends, in whatever way it ends."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from repobe.runs.console import tell

UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def alone(folder: Path, name: str = "") -> Iterator[None]:
    """Holds <folder>/.<name>lock inside the block; waits while another process holds it, and says so on stdout.

    A training that outlived its snakemake thus ends first, and its successor finds what it left. Removes what a killed
    process left half written. OSError names the file and the fix.
    """
    path = folder / f".{name}lock"
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise OSError(f"{path} cannot be written ({error.strerror}); fix its folder, and rerun") from None
    with file:
        _take(file, folder / name)
        if not name:  # nobody else may write here now
            for part in folder.glob("*.part"):
                part.unlink(missing_ok=True)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _take(file: IO[str], what: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read() or "another process"
        print(f"repobe: {holder} is at work on {what}; waiting until it ends", flush=True)  # stderr is the log
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        tell(f"repobe: this file system has no lock for {what}: run one snakemake at a time")
