"""The most memory that a piece of work takes at one time, above what its process held before it."""

import ctypes
import resource  # not on Windows, where the suite's snakemake does not run either
import sys
from pathlib import Path

import torch

PROCESS = Path("/proc/self")
RESET = "5\n"  # proc(5), clear_refs: the peak of the resident set starts again from what is resident now


class Peak:
    """The peak memory since this object was made, so without torch's import and the data.

    On a GPU: the memory that torch's allocator gave out on that device. On Linux: the resident set, whose peak the
    kernel can reset. Elsewhere the peak cannot be reset: there it is the rise of the process's own peak, which is too
    small if the process held more before.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.before = torch.cuda.memory_allocated(device)
        else:
            self.reset = _peak_reset()
            self.before = _resident("VmRSS") if self.reset else _highest()

    def bytes(self) -> int:
        """The highest point since then."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) - self.before
        return max(0, (_resident("VmHWM") if self.reset else _highest()) - self.before)


def _peak_reset() -> bool:
    """Whether the kernel now counts the peak from here: only Linux does, and some containers forbid it.

    Freed memory that is kept for later use goes back to the kernel first; otherwise its reuse would not count.
    """
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if give_back is not None:
        give_back(0)
    try:
        (PROCESS / "clear_refs").write_text(RESET, encoding="utf-8")
    except OSError:
        return False
    return True


def _resident(field: str) -> int:
    """VmRSS or VmHWM, the resident set and its peak, in bytes."""
    lines = (PROCESS / "status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def _highest() -> int:
    """The highest point of this process's life, in bytes; macOS gives bytes, other systems kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
