"""How often a training looks at validation: at least ten times, so that the end of its rise can be seen (D32).

A look also is where a killed training goes on: at 224×224 an epoch takes half an hour.
"""

from torch import Tensor

LOOKS = 10  # in a training, at least
BATCHES = 30  # between two looks, at least: a short epoch is not cut


def looks_an_epoch(epochs: int, batches: int) -> int:
    """Into how many parts an epoch of so many batches is cut; 1 from ten epochs up."""
    return max(1, min(-(-LOOKS // epochs), batches // BATCHES))


def part(order: list[Tensor], number: int, parts: int) -> list[Tensor]:
    """The batches of one of an epoch's parts, which differ by one batch at most."""
    first, last = (len(order) * edge // parts for edge in (number, number + 1))
    return order[first:last]
