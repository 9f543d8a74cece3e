"""Method: how a system learns. Each method is a module, and the module's name is the method's name."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from repobe.cipher.interface import Keys, MessageKeys
from repobe.cipher.keys import FixedKey, Key
from repobe.images import metrics
from repobe.images.resizing import Resized, batch_size_for
from repobe.phy.channel import Channel
from repobe.runs import plugins
from repobe.runs.spec import from_plain
from repobe.systems.optimizer_step import optimizer_step
from repobe.systems.system import System

MAX_GRADIENT_NORM = 1.0  # D19: without it Eq. 16 diverges in its first epochs


@dataclass(frozen=True)
class Problem:
    """The task of a method: send an image [colours, S, S] through `channel`, and classify or reconstruct it.

    updates: number of batches of the whole training, which schedules span; seed: the run's seed, for keys for instance.
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
    """Owns a System, the keys that its two ends share and, in training, the optimisers.

    Registered buffers survive an interruption of the training.
    keys: keys of the messages; FixedKey(None) if the method has no key.
    max_gradient_norm: the norm at which `optimizer_step` clips; None if the published recipe does not clip.
    autocasts: whether `update` may run convolutions in bfloat16; False if the method needs float32 throughout.
    side: `update` resizes its images to side×side pixels and uses no others, so that the training may resize each image
    once and not in every epoch; None if it uses S×S pixels.
    """

    system: System
    keys: Keys = FixedKey(None)
    max_gradient_norm: float | None = MAX_GRADIENT_NORM
    autocasts: bool = True
    side: int | None = None

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        self.optimisers: list[Optimizer] = []
        self.schedulers: list[LRScheduler] = []
        self.sent: dict[str, int] = {}  # number of messages sent so far, by purpose
        self.updated = 0  # number of steps of its first optimiser

    @property
    def device(self) -> torch.device:
        """The device that holds its weights."""
        return next(chain(self.parameters(), self.buffers())).device

    @property
    def shuffles(self) -> bool:
        """Whether a key permutes the places of its messages, so that an audit can attack it."""
        return isinstance(self.keys.receiving(0, 1), Key)

    def prepare(self, teacher: "Method | None", image: Resized, label: Tensor, n0: float) -> None:
        """Called once before training, with the trained method that `after` names and the training images in [0, 1].

        n0: the noise power at the highest training SNR. `image` resizes to S×S only the slice that is taken from it, so
        take batches (`parts`).
        """

    def parts(self, count: int) -> Iterator[slice]:
        """Slices that split `count` S×S images into batches of at most 500."""
        return parts(count, batch_size_for(self.problem.image_size, 500))

    @abstractmethod
    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        """One step on a batch, image Float[b, c, S, S] in [0, 1]. Returns the detached loss terms by name."""

    def finish(self, image: Resized, label: Tensor) -> None:
        """Called once after training with the validation images, in evaluation mode and with the selected weights.

        The system's buffers are stored with the weights afterwards, so a method can keep results in them.
        """

    def score(self, image: Tensor, label: Tensor, n0: Tensor, generator: torch.Generator) -> Tensor:
        """Float[b]: the validation score of each image, correctness or, for reconstruction, −MSE."""
        key = self.next_key(len(image), "score")
        with torch.no_grad():
            output = self.system(image, n0, key, generator)
        if self.problem.reconstruct:
            return -metrics.mse(output, image)
        return metrics.correct(output, label)

    def next_key(self, messages: int, purpose: str = "") -> MessageKeys | None:
        """The keys of the next `messages` messages of a purpose ("" is training itself); None without a key.

        A killed training resumes from its checkpoint and sends the later messages again, under the same keys.
        """
        first = self.sent.get(purpose, 0)
        self.sent[purpose] = first + messages
        return (self.keys.session(purpose) if purpose else self.keys).sending(first, messages)

    def get_extra_state(self) -> dict:
        """The numbers of messages sent, so that a resumed training uses no key twice, and of updates made.

        They are Python's integers: to read a counter on a GPU, the host would wait for the GPU.
        """
        return {"sent": self.sent, "updated": self.updated}

    def set_extra_state(self, state: dict) -> None:
        """Restores both from a checkpoint."""
        self.sent, self.updated = dict(state["sent"]), state["updated"]

    def optimizer_step(self, loss: Tensor, turn: int = 0) -> None:
        """One step of optimiser `turn` (one for each player of a method) with clipped gradients (D19)."""
        optimizer_step(loss, self.optimisers[turn], self.schedulers[turn], self.max_gradient_norm)
        self.updated += turn == 0

    def optimise(self) -> None:
        """Makes the optimisers for training: SGD with Nesterov momentum, in one cycle (D10)."""
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

    hyper: changes to its defaults. ValueError names an unknown method or hyper-parameter.
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
    """Slices that split items `first` … `count` − 1 into batches of `size`."""
    return (slice(start, min(start + size, count)) for start in range(first, count, size))


@contextmanager
def evaluating(module: nn.Module):
    """Context manager: evaluation mode of batch norm inside the block (D7), the previous mode after it."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
