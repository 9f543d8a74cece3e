"""A verdict as text, such as `reproduced, at 32×32` or `inconclusive: not trained`, and what can be read from it."""

from repobe.verdicts import paper


def at_scale(verdict: str, sizes: set[int]) -> str:
    """A verdict, with the image size that it holds at if that is below the paper's."""
    small = sorted(size for size in sizes if size < paper.SIZE)
    return verdict + (f", at {' and '.join(f'{size}×{size}' for size in small)}" if small else "")


def size_of(scale: str) -> str:
    """`32×32` of the column `scale`, as in `32×32, k = 32; the paper 224×224, k = 1568`."""
    return scale.partition(",")[0]


def plain(verdict: str) -> str:
    """The verdict without the size or the gate that qualifies it."""
    return verdict.partition(",")[0].partition(":")[0]
