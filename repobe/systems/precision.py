"""The precision of training: float32, or bfloat16 where convolutions run, with float32 at every network's border.

Weights, batch-norm statistics, symbols, noise, losses and optimisers are float32 in both. Selection, evaluation and its
attacks always run in float32.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

NATIVE = {"avx512_bf16", "amx_bf16", "bf16"}  # as /proc/cpuinfo names it on x86, and on ARM


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context of a training step: bfloat16 convolutions where `precision` says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


class Float32Linear(nn.Linear):
    """A linear layer that stays in float32 under autocast: logits in bfloat16 would be rounded to 0.03 at 8."""

    def forward(self, x: Tensor) -> Tensor:
        """Float[b, inputs] or BFloat16 to Float[b, outputs]."""
        with torch.autocast(x.device.type, enabled=False):
            return linear(x.float() if x.dtype == torch.bfloat16 else x, self.weight, self.bias)


def warn_where_emulated(precision: str, device: torch.device) -> None:
    """Warns on stderr if bfloat16 is asked of hardware that only emulates it: results are right, but no faster."""
    if precision == "bfloat16" and not native(device):
        print(
            f"repobe: this {device.type} cannot compute in bfloat16 natively; precision: float32 is faster here",
            file=sys.stderr,
        )


def native(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; True if its processor does not say."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no Linux
        return True
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), None)
    return flags is None or bool(NATIVE & set(flags.split()))
