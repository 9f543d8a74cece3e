"""The device and the number of threads of a stage."""

import torch


def choose(name: str, threads: int) -> torch.device:
    """The device called `name` (auto: a GPU where there is one), with `threads` CPU threads.

    ValueError if torch cannot use the device.
    """
    torch.set_num_threads(threads)  # weights differ in their last bits between thread counts
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: {str(error).splitlines()[0]}; use cpu or leave it out") from None
