"""Batch norm folded into the convolution before it: the same function in evaluation mode, fewer passes over memory.

Crafting needs many image gradients of a network with constant weights, so a folded copy pays off after one step.
"""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(module: nn.Module) -> nn.Module:
    """A copy of `module` in evaluation mode, batch norm folded into convolutions; no parameter requires a gradient.

    Exact up to rounding: y = γ (w ∗ x − μ) / √(σ² + ε) + β is one convolution with a bias. Inside autocast the weights
    are cast once here and not again at every call. The module itself stays as it is.
    """
    twin = copy.deepcopy(module).eval().requires_grad_(False)
    for block in [m for m in twin.modules() if isinstance(m, nn.Sequential)]:
        for place in range(len(block) - 1):
            layer, norm = block[place], block[place + 1]
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                block[place] = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
                block[place + 1] = nn.Identity()
    device = next((p.device.type for p in twin.parameters()), "cpu")
    if torch.is_autocast_enabled(device):
        for layer in twin.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.to(torch.get_autocast_dtype(device))
    return twin.requires_grad_(False)
