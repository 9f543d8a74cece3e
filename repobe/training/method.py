"""Method: how a system learns. One module a method; its name is the module's name, the file is the registry."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from repobe.cipher.keys import FixedKey, Key, Keys
from repobe.images.resizing import Resized, at_once
from repobe.phy.channel import Channel
from repobe.runs import plugins
from repobe.runs.spec import from_plain
from repobe.systems.fitting import descend
from repobe.systems.system import System

MAX_GRADIENT_NORM = 1.0  # D19: without it Eq. 16 diverges in its first epochs


@dataclass(frozen=True)
class Problem:
    """What a method is asked to solve: image [colours, S, S], through `channel`, to a class or to itself.

    updates: how many batches the whole training has (schedules span them); seed: of its key and the like.
    """

    colours: int
    classes: int
    image_size: int
    channel: Channel
    reconstruct: bool
    updates: int
    learning_rate: float
    weight_decay: float
    seed: int
    cycle_momentum: bool = True


class Method(nn.Module, ABC):
    """Owns a System, the keys its two ends share, and in training its optimisers; buffers survive an interruption.

    keys: what a message is shuffled by, None for a method that does not shuffle; max_gradient_norm: what `descend`
    clips at, None in a published recipe that clips nothing; autocasts: whether `update` may run its convolutions in
    bfloat16, False where what is learnt needs float32 throughout.
    """

    system: System
    keys: Keys = FixedKey(None)
    max_gradient_norm: float | None = MAX_GRADIENT_NORM
    autocasts: bool = True

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        self.optimisers: list[Optimizer] = []
        self.schedulers: list[LRScheduler] = []
        self.sent: dict[str, int] = {}  # messages so far, by the purpose that they were sent for

    @property
    def shuffles(self) -> bool:
        """Whether a key moves its messages' places: what an audit attacks."""
        return isinstance(self.keys.receiving(0, 1), Key)

    def prepare(self, teacher: "Method | None", image: Resized, label: Tensor, n0: float) -> None:
        """Once before training: the trained method that `after` names, and the training images in [0, 1].

        `image` makes its S×S images when a slice of it is asked for: take them batch by batch (`parts`).
        """

    def parts(self, count: int) -> Iterator[slice]:
        """Slices that cut so many S×S images into batches of at most 500."""
        return parts(count, at_once(self.problem.image_size, 500))

    @abstractmethod
    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        """One step on a batch: image Float[b, c, S, S] in [0, 1]; the loss terms, detached, by name."""

    def finish(self, image: Resized, label: Tensor) -> None:
        """Once after training, in evaluation mode and with the weights that selection kept: the validation images that
        it looked at. What the system's buffers then hold is stored with the weights.
        """

    def score(self, image: Tensor, label: Tensor, n0: Tensor, generator: torch.Generator) -> Tensor:
        """Float[b], what selection on validation averages: correctness, or −MSE of a reconstruction."""
        key = self.next_key(len(image), "score")
        with torch.no_grad():
            output = self.system(image, n0, key, generator)
        if self.problem.reconstruct:
            return -(output - image).square().mean(dim=(1, 2, 3))
        return (output.argmax(dim=1) == label).float()

    def next_key(self, messages: int, purpose: str = ""):
        """The keys of the next so many messages of a purpose, "" for training's own; None without a key.

        A training that was killed within an epoch sends all messages since its checkpoint again, under the same keys.
        """
        first = self.sent.get(purpose, 0)
        self.sent[purpose] = first + messages
        return (self.keys.session(purpose) if purpose else self.keys).sending(first, messages)

    def get_extra_state(self) -> dict[str, dict[str, int]]:
        """How many messages were sent, so that a continued training uses no key twice."""
        return {"sent": self.sent}

    def set_extra_state(self, state: dict[str, dict[str, int]]) -> None:
        """Takes it from a checkpoint."""
        self.sent = dict(state["sent"])

    def descend(self, loss: Tensor, turn: int = 0) -> None:
        """One step of one optimiser, what it moves clipped by its gradient (D19); players in turn have one each."""
        descend(loss, self.optimisers[turn], self.schedulers[turn], self.max_gradient_norm)

    def optimise(self) -> None:
        """Makes the optimisers, which only training needs: SGD with Nesterov momentum, in one cycle (D10)."""
        self.optimisers = [
            SGD(
                self.system.parameters(),
                self.problem.learning_rate,
                momentum=0.9,
                weight_decay=self.problem.weight_decay,
                nesterov=True,
                fused=True,
            )
        ]
        cycled = {"cycle_momentum": self.problem.cycle_momentum}
        updates = self.problem.updates + 1
        self.schedulers = [OneCycleLR(self.optimisers[0], self.problem.learning_rate, updates, **cycled)]


def load(name: str, problem: Problem, hyper: dict) -> Method:
    """The method of repobe.training.algorithm (`repobe`), of baselines.<name> or of a file, path.py.

    hyper: departures from its Hyper. ValueError names an unknown method or hyper-parameter.
    """
    module = plugins.imported(name) if plugins.is_file(name) else _module(name)
    return module.Method(problem, from_plain(module.Hyper, hyper, f"hyper of {name}"))


def _module(name: str) -> ModuleType:
    path = "repobe.training.algorithm" if name == "repobe" else f"baselines.{name}"
    if not name.isidentifier():
        raise ValueError(f"method '{name}' is not the name of a module in baselines/")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise ValueError(f"method '{name}' is unknown: baselines/{name}.py does not exist") from None


def parts(count: int, size: int, first: int = 0) -> Iterator[slice]:
    """Slices that cut things `first` … `count` − 1 into batches for evaluation."""
    return (slice(start, min(start + size, count)) for start in range(first, count, size))


@contextmanager
def evaluating(module: nn.Module):
    """Batch norm in evaluation mode for the block (D7), the former mode after it."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
