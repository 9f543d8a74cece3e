"""One step of gradient descent, the same for every network of the suite."""

from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def optimizer_step(loss: Tensor, optimiser: Optimizer, scheduler: LRScheduler, max_norm: float | None = None) -> None:
    """One step down the gradient of `loss`, its norm over all of the optimiser's parameters clipped at `max_norm`."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if max_norm is not None:
        clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], max_norm)
    optimiser.step()
    scheduler.step()
