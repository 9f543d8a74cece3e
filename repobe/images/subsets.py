"""Which images a smaller set holds: drawn by a seed, class by class, so that no order of a file decides."""

import torch
from torch import Tensor

from repobe.runs.seeds import seed


def stratified(label: Tensor, *name) -> Tensor:
    """An order of all images, int64 [n], whose every beginning holds each class as often as the whole does.

    An image stands at (its place in its class + 1/2)/n_c of the way, where n_c is how many its class has; so among the
    first m images, classes of one size differ by one image at most. The places are drawn by a seed that `name` names,
    and a smaller subset is always part of a larger one.
    """
    drawn = torch.randperm(len(label), generator=torch.Generator().manual_seed(seed("stratified", *name)))
    of = label.cpu()[drawn]
    way = torch.empty(len(label), dtype=torch.float64)
    for one in of.unique():
        mine = (of == one).nonzero().flatten()
        way[mine] = (torch.arange(len(mine), dtype=torch.float64) + 0.5) / len(mine)
    # Stable: of equals the one that was drawn first.
    return drawn[torch.sort(way, stable=True).indices].to(label.device)
