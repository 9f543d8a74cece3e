"""The paper's system as a table of its layers, recorded from the modules themselves. The block diagram draws it."""

import torch
from torch import Tensor, nn

from repobe.cipher.keys import FixedKey
from repobe.phy.channels import AWGN, noise_power
from repobe.systems.networks import FEATURES, ResidualBlock, ScaleToSymmetric, SqueezeExcitation
from repobe.systems.system import SemanticSystem

COLUMNS = ["part", "layer", "kind", "size", "stride", "channels", "height", "width", "parameters"]
LAYER_NAMES = {
    ScaleToSymmetric: "normalisation",
    nn.Conv2d: "convolution",
    nn.ConvTranspose2d: "transposed convolution",
    nn.MaxPool2d: "max pooling",
    nn.Linear: "linear",
    nn.Sigmoid: "sigmoid",
    SqueezeExcitation: "squeeze and excitation",
}


def layers(image_size: int = 224, colours: int = 3, classes: int = 10) -> list[dict]:
    """One row for each layer, in the order of the data: its part, kind and output shape for a C×S×S image.

    part: image, encoder, air, class decoder or image decoder. size and stride in pixels, of convolutions and pooling.
    """
    image = torch.zeros(1, colours, image_size, image_size)
    key = FixedKey.derive(bytes(32), image_size // 8, image_size // 8).sending(0, 1)
    rows = [_row("image", "image", image)]
    for reconstruct in (False, True):
        system = SemanticSystem(colours, classes, image_size, AWGN(), reconstruct).eval()
        decoder = "image decoder" if reconstruct else "class decoder"
        seen: list[dict] = []
        hooks = [
            module.register_forward_hook(_recorder(part, module, seen))
            for part, blocks in [("encoder", system.encoder), (decoder, system.decoder)]
            for module in (blocks if isinstance(blocks, nn.Sequential) else [*blocks.trunk, blocks.head])
        ]
        with torch.no_grad():
            system(image, noise_power(23), key)
        for hook in hooks:
            hook.remove()
        if not reconstruct:
            places = {"channels": FEATURES, "height": system.grid[0], "width": system.grid[1], "parameters": 0}
            air = {"part": "air", "channels": system.k, "height": 1, "width": 1, "parameters": 0}
            rows += [row for row in seen if row["part"] == "encoder"]
            rows.append({"part": "air", "layer": "unit power", "kind": "signal"} | places)
            rows.append({"part": "air", "layer": "shuffle", "kind": "signal"} | places)
            rows.append(air | {"layer": "channel", "kind": "signal"})
            rows.append({"part": "air", "layer": "unshuffle", "kind": "signal"} | places)
        rows += [row for row in seen if row["part"] == decoder]
    return rows


def _recorder(part: str, module: nn.Module, rows: list[dict]):
    def record(_, inputs: tuple, output: Tensor) -> None:
        (given,) = inputs
        if isinstance(module, nn.Linear):  # the mean over places is a function, so no hook sees it
            rows.append(_row(part, "global average pool", given))
        rows.append(_row(part, type(module).__name__, output, module))

    return record


def _row(part: str, name: str, output: Tensor, module: nn.Module | None = None) -> dict:
    shape = [*output.shape[1:], 1, 1][:3]
    row = {"part": part, "layer": name, "kind": name} | dict(zip(("channels", "height", "width"), shape, strict=True))
    row["parameters"] = sum(p.numel() for p in module.parameters()) if module else 0
    if module is None:
        return row
    # A residual block is named as such; a single layer, or convolution + norm + ReLU, after its convolution.
    first = next((m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.MaxPool2d)), None)
    if first is not None:
        row["size"], row["stride"] = (v[0] if isinstance(v, tuple) else v for v in (first.kernel_size, first.stride))
    if isinstance(module, ResidualBlock):
        attentive = any(isinstance(m, SqueezeExcitation) for m in module.modules())
        return row | {"kind": "residual block, SE" if attentive else "residual block"}
    layer = first if isinstance(module, nn.Sequential) else module
    return row | {"kind": next(name for kind, name in LAYER_NAMES.items() if isinstance(layer, kind))}
