"""Which machine measured, and of which code."""

import os
import platform
import re
import time
from pathlib import Path

import torch

from repobe.runs.provenance import commit

CODE = ("repobe", "baselines", "benchmarks")  # what a measurement depends on, new files included


def name(device: torch.device) -> str:
    """The model of the GPU, or of the processor with its number of cores; never a host's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {os.cpu_count()} cores"


def stem(machine: str) -> str:
    """A machine's name as a file name: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")


def provenance(device: torch.device) -> dict[str, str]:
    """The columns that every row of a measurement shares: machine, threads, torch, commit and date."""
    threads = torch.get_num_threads()
    return {
        "machine": name(device),
        "threads": f"{threads} thread{'s' if threads > 1 else ''}",
        "torch": torch.__version__,
        "commit": re.sub(r"^([0-9a-f]{7})[0-9a-f]{33}", r"\1", commit(CODE)),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
