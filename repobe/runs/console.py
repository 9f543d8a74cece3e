"""What a stage tells its user: lines on stderr, which is the log of a job of the workflow."""

import errno
import sys

from repobe.runs.files import unwritten

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # whatever wrote; a file that may not be read is another matter


def tell(line: str) -> None:
    """Prints a line on stderr, or on stdout (the console) if the disk of the log is full."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        print(line, flush=True)


def in_a_line(error: Exception) -> str:
    """An error's words as one line; of a full or read-only disk, with the fix."""
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return unwritten(error.filename or "the log, or a file in the folder of temporary files,", error)
    return " ".join(str(error).split()) or type(error).__name__
