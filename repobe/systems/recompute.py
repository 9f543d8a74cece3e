"""Activations computed twice instead of kept: the same training in less memory (Chen et al. 2016)."""

from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class CheckpointedSequential(nn.Sequential):
    """Modules one after another. With `recompute`, a training step keeps only the activations between stages.

    The backward pass computes the inside of each stage again, bit for bit; a natural step then costs a third more. The
    first `stem_modules` modules form one stage, the stem, whose maps are the largest.
    """

    recompute = False

    def __init__(self, *modules: nn.Module, stem_modules: int = 1) -> None:
        super().__init__(*modules)
        self.stem_modules = stem_modules

    def forward(self, x: Tensor) -> Tensor:
        """The output of nn.Sequential."""
        if not (self.recompute and self.training and torch.is_grad_enabled()):
            return super().forward(x)
        modules = list(self)
        for stage in (nn.Sequential(*modules[: self.stem_modules]), *modules[self.stem_modules :]):
            again = _CountedOnce(stage)
            # No stage draws random numbers.
            x = checkpoint(
                stage, x, use_reentrant=False, preserve_rng_state=False, context_fn=partial(_contexts, again)
            )
        return x


def recompute(module: nn.Module) -> None:
    """From now on, all `CheckpointedSequential` in a module recompute."""
    for one in module.modules():
        if isinstance(one, CheckpointedSequential):
            one.recompute = True


class _CountedOnce:
    """A block in which batch norm uses its batch's statistics and adds nothing to the running ones."""

    def __init__(self, stage: nn.Module) -> None:
        self.norms = [m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)]

    def __enter__(self) -> None:
        self.before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 0.0

    def __exit__(self, *error) -> None:
        for norm, (momentum, batches) in zip(self.norms, self.before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(batches)


def _contexts(again: _CountedOnce) -> tuple[nullcontext, _CountedOnce]:
    """The contexts of the first and of the second time that a stage is computed."""
    return nullcontext(), again
