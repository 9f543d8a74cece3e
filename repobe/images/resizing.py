"""Resizes uint8 pixels to the S×S images that are sent, and images to the 32×32 pixels that are compared."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SCORED = 32  # pixels: every reconstruction is compared at this size (D14)
MAX_BATCH_PIXELS = 2_500_000  # in a batch that may be split: 250 images up to S = 100, 49 at 224


def resize(image: Tensor, size: int) -> Tensor:
    """[b, c, h, w] to [b, c, size, size], bilinear and antialiased; the identity where it fits already (D5)."""
    if image.shape[-2:] == (size, size):
        return image
    return interpolate(image, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def images(pixels: Tensor, size: int) -> Tensor:
    """uint8 [b, c, h, w] to Float[b, c, size, size] in [0, 1], on the device where the pixels are."""
    return resize(pixels.float() / 255, size).clamp(0, 1)


def batch_size_for(size: int, most: int, copies: int = 1) -> int:
    """The batch size for S×S images: `most`, or as many as memory has room for; each image counts `copies` times.

    Memory grows with the pixels: a white-box attack takes 22 MB for an image at S = 224. The batch size does not depend
    on the device, because the noise of an image depends on its batch.
    """
    return max(1, min(most, MAX_BATCH_PIXELS // (size**2 * copies)))


def gathered(parts: Iterable[Tensor], count: int) -> Tensor:
    """Puts the results of batches, one after another, into one tensor of `count` rows, each as it comes.

    A list for torch.cat would keep small results in the gaps that large images leave, and the next images would need
    new memory: glibc's heap grew by 12 MB with each batch at 224, and an audit of 30,000 images by 11 GB.
    """
    parts = iter(parts)
    first = next(parts)
    # In the layout of the parts, as torch.cat does, because sums over a channels-last image run in another order.
    last = first.ndim == 4 and not first.is_contiguous() and first.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    shape, end = (count, *first.shape[1:]), len(first)
    whole = torch.empty(shape, dtype=first.dtype, device=first.device, memory_format=layout)
    whole[:end] = first
    del first
    for part in parts:
        whole[end : end + len(part)] = part
        end += len(part)
    assert end == count
    return whole


class Resized:
    """A split as S×S images, each resized when it is asked for, so that memory never holds the whole split at S×S.

    pixels: uint8 [n, c, h, w]; an index (a slice, or Int64[b]) gives Float[b, c, S, S] in [0, 1].
    """

    def __init__(self, pixels: Tensor, size: int) -> None:
        self.pixels, self.size = pixels, size

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, which: slice | Tensor) -> Tensor:
        return images(self.pixels[which], self.size)

    @property
    def device(self) -> torch.device:
        """Where the images are made."""
        return self.pixels.device


def through(pixels: Tensor, size: int, side: int) -> Tensor:
    """Float[n, c, side, side]: the S×S images of a split, resized again to side×side pixels."""
    parts = pixels.split(batch_size_for(size, 1000))
    return gathered((resize(images(part, size), side) for part in parts), len(pixels))


def scored(pixels: Tensor, size: int) -> Tensor:
    """Float[b, c, 32, 32]: the S×S images that are sent, at the size that they are compared at (D14).

    It resizes through S×S; otherwise enlarging and shrinking alone would limit a perfect receiver of CIFAR-10 to 31 dB.
    """
    return through(pixels, size, SCORED).clamp_(0, 1)
