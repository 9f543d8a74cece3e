"""Real feature maps as complex symbols on the air, and back: two channels of a place make one symbol (D1, D13)."""

import torch
from torch import Tensor

from repobe.phy.channels import normalise_power


def symbols(features: Tensor) -> Tensor:
    """Real features [b, 2m, H, W] to Symbols Complex[b, H·W·m] of unit power; the m symbols of a place are neighbours.

    Channels 2a and 2a+1 are the real and the imaginary part of symbol a of a place, so that shuffling places shuffles
    whole symbols (D13). Copies nothing if the features are channels last.
    """
    features = features.float() if features.dtype == torch.bfloat16 else features  # symbols are never in bfloat16
    places = features.permute(0, 2, 3, 1).unflatten(3, (-1, 2)).contiguous()
    return normalise_power(torch.view_as_complex(places).flatten(1))


def features(symbols: Tensor, grid: tuple[int, int]) -> Tensor:
    """Symbols Complex[b, H·W·m] back to real features [b, 2m, H, W], channels last; grid: (H, W)."""
    places = torch.view_as_real(symbols.unflatten(1, (*grid, -1))).flatten(3)
    return places.permute(0, 3, 1, 2)
