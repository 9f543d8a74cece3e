"""The device of a stage: its choice, name, arithmetic and random stream."""

from contextlib import AbstractContextManager

import torch

from repobe.runs.console import tell


def choose(name: str, threads: int) -> torch.device:
    """The device called `name`, with `threads` CPU threads; `auto` takes a GPU if there is one, and says so on stderr.

    ValueError where torch cannot use the device: a stage that asks for a GPU never runs on a CPU.
    """
    torch.set_num_threads(threads)  # weights differ in their last bits between thread counts
    asked, automatic = name, name == "auto"
    if automatic:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"--device {asked}: {reason}; use cpu or auto (the option --device, or `device` in the config)"
        ) from None
    settle_arithmetic()
    if automatic:
        name = "" if device.type == "cpu" else f", {called(device)}"
        tell(f"repobe: --device auto takes {device}{name}")
    return device


def settle_arithmetic() -> None:
    """Makes a GPU's float32 float32, and its convolutions the same in every run (D35).

    TF32 would round their inputs to 10 bits of mantissa. cuDNN's search for the fastest algorithm may choose a
    different one after every start. It would sum in a different order, so that a resumed training would differ.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True


def arithmetic(device: torch.device) -> dict[str, bool | int]:
    """The settings that decide a GPU's last bits, for provenance; none for a CPU, where threads decide."""
    if device.type != "cuda":
        return {}
    cudnn = torch.backends.cudnn
    return {
        "tf32": torch.backends.cuda.matmul.allow_tf32 or cudnn.allow_tf32,
        "cudnn": cudnn.version(),
        "cudnn_benchmark": cudnn.benchmark,
        "cudnn_deterministic": cudnn.deterministic,
    }


def called(device: torch.device) -> str:
    """The name of this GPU, or cpu."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def random_state(device: torch.device) -> torch.Tensor | None:
    """The state of the global random stream of that GPU; None for the CPU, whose stream is torch's own."""
    return None if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)


def set_random_state(device: torch.device, state: torch.Tensor | None) -> None:
    """Continues that stream; without a state (a training that began on the CPU) it stays as it is."""
    if device.type != "cpu" and state is not None:
        torch.get_device_module(device).set_rng_state(state, device)


def forked_random(device: torch.device) -> AbstractContextManager[None]:
    """Restores torch's global random streams afterwards: the CPU's and that of this device, no other GPU's."""
    return torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type)
