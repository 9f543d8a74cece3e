"""uint8 pixels as the S×S images that are sent, and both as the 32×32 images that are compared."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SCORED = 32  # pixels: every reconstruction is compared at this size (D14)


def resize(image: Tensor, size: int) -> Tensor:
    """[b, c, h, w] to [b, c, size, size], bilinear and antialiased; the identity where it fits already (D5)."""
    if image.shape[-2:] == (size, size):
        return image
    return interpolate(image, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def images(pixels: Tensor, size: int) -> Tensor:
    """uint8 [b, c, h, w] to Float[b, c, size, size] in [0, 1], on the device where the pixels are."""
    return resize(pixels.float() / 255, size).clamp(0, 1)


def prepared(pixels: Tensor, size: int) -> Tensor:
    """All of a split as Float[n, c, size, size], batch by batch."""
    return torch.cat([images(part, size) for part in pixels.split(1000)])


def scored(pixels: Tensor, size: int) -> Tensor:
    """Float[b, c, 32, 32]: the S×S images that are sent, at the size that they are compared at (D14).

    Through S×S, else enlarging and shrinking alone would cost a perfect receiver of CIFAR-10 all above 31 dB.
    """
    return torch.cat([resize(images(part, size), SCORED).clamp(0, 1) for part in pixels.split(1000)])
