"""One process at a time works on a run. The system drops the lock when its process ends, in whatever way it ends."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from repobe.runs.console import tell
from repobe.runs.files import unwritten

UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def alone(folder: Path, name: str = "") -> Iterator[None]:
    """Holds <folder>/.<name>lock inside the block; waits while another process holds it, and says so on stdout.

    name: one item in a folder of several; without it, the folder is a run. So a training that outlived its snakemake
    ends first, and its successor finds the results; half-written files of a killed process are removed. OSError names
    the file and the fix.
    """
    path = folder / f".{name}lock"
    with _opened(path) as file:
        _take(file, folder / name)
        for part in () if name else folder.glob("*.part"):  # nobody else writes here now
            part.unlink(missing_ok=True)
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        except OSError as error:
            raise OSError(unwritten(path, error)) from None
        yield


def _opened(path: Path) -> FileIO:
    try:
        return FileIO(path, "a+")
    except OSError as error:
        raise OSError(unwritten(path, error)) from None


def _take(file: FileIO, what: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().decode(errors="replace") or "another process"
        print(f"repobe: {holder} is at work on {what}; waiting until it ends", flush=True)  # stderr is the log
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        tell(f"repobe: this file system has no lock for {what}: run one snakemake at a time")
