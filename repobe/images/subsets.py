"""Draws the images of a smaller set by a seed, class by class, so that the order of a file does not matter."""

import torch
from torch import Tensor

from repobe.runs.seeds import seed


def stratified(label: Tensor, *name) -> Tensor:
    """An order of all images, int64 [n], whose first m images, for every m, hold each class as often as the whole.

    An image gets the position (its place in its class + 1/2)/n_c, where n_c is the size of its class. So among the
    first m images, classes of equal size differ by at most one image. The places are drawn by a seed that `name` names,
    and a smaller subset is always part of a larger one.
    """
    drawn = torch.randperm(len(label), generator=torch.Generator().manual_seed(seed("stratified", *name)))
    of = label.cpu()[drawn]
    way = torch.empty(len(label), dtype=torch.float64)
    for one in of.unique():
        mine = (of == one).nonzero().flatten()
        way[mine] = (torch.arange(len(mine), dtype=torch.float64) + 0.5) / len(mine)
    # Stable: among equal positions, the order in which they were drawn.
    return drawn[torch.sort(way, stable=True).indices].to(label.device)
