"""A verdict as text, such as `reproduced, at 32×32` or `inconclusive: not trained`, and what can be read from it."""

from collections.abc import Iterable

from repobe.tables.statistics import UNKNOWN
from repobe.verdicts import paper

ALONE = " alone"
REBUILT_ALONE = "only a rebuilt rival is against it"  # D27; after the colon of an inconclusive verdict


def qualified(verdict: str, sizes: set[int], spreads: Iterable[str], alone: Iterable[str] = ()) -> str:
    """A verdict with what limits it: the datasets if the claim names more, the image size below the paper's, and a
    training without any second seed.

    spreads: for each comparison that the verdict needs, the source of what is known about other seeds. alone: the
    datasets that ran, if others did not.
    """
    small = sorted(size for size in sizes if size < paper.SIZE)
    limits = [f"on {' and '.join(map(paper.title, alone))}{ALONE}"] if alone else []
    limits += [f"at {' and '.join(f'{size}×{size}' for size in small)}"] if small else []
    limits += ["one training"] if UNKNOWN in spreads else []
    return ", ".join([verdict, *limits])


def of_a_part(verdict: str) -> bool:
    """Whether the claim names datasets that did not run."""
    return ALONE in verdict


def size_of(scale: str) -> str:
    """`32×32` of the column `scale`, as in `32×32, k = 32; the paper 224×224, k = 1568`."""
    return scale.partition(",")[0]


def plain(verdict: str) -> str:
    """The verdict without what qualifies it, and without the gate that leaves it inconclusive."""
    return verdict.partition(",")[0].partition(":")[0]
