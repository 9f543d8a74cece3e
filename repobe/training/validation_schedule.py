"""How often a training validates: at least ten times, because it keeps its best weights and resumes from there.

At 224×224 an epoch takes half an hour.
"""

from torch import Tensor

MIN_VALIDATIONS = 10  # validations per training, at least
MIN_BATCHES = 30  # batches between two validations, at least: a short epoch is not split


def validations_per_epoch(epochs: int, batches: int) -> int:
    """The number of parts that an epoch is split into, with a validation after each; 1 from ten epochs on."""
    return max(1, min(-(-MIN_VALIDATIONS // epochs), batches // MIN_BATCHES))


def part(order: list[Tensor], number: int, parts: int) -> list[Tensor]:
    """The batches of part `number` of an epoch; the sizes of the parts differ by at most one batch."""
    first, last = (len(order) * edge // parts for edge in (number, number + 1))
    return order[first:last]
