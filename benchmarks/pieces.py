"""FLOP of one image through each piece of a run, counted by torch on a batch or two of the run's own networks.

A multiplication and an addition are two FLOP, in convolutions and matrix products; all else counts as none. `flops` in
cost.csv counts in the same way.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import mse_loss
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.passes import Link, Passes
from repobe.attacks import leakage
from repobe.attacks.decoders import Decoder
from repobe.attacks.inversion import ORDERED, SHUFFLED
from repobe.cipher.keys import FixedKey
from repobe.images.datasets import Data
from repobe.images.resizing import SCORED, Resized
from repobe.phy.channels import noise_power
from repobe.runs.spec import Spec
from repobe.stages.invert import WITHOUT_KEY, Situation
from repobe.stages.transmission import fidelity
from repobe.systems.recompute import recompute
from repobe.training import evaluation_classifier
from repobe.training.loop import build, precision_of
from repobe.training.method import Method

COUNTED = 2  # images of a batch: FLOP are proportional to them, except Eq. 13's dot products, a 100,000th of its step


class _Untracked(contextlib.nullcontext):
    """Replaces the counter's own module tracker, whose hooks fail if the image itself has a gradient."""

    parents = frozenset({"Global"})


def flop(run: Callable[[], object]) -> int:
    """FLOP of a call, forward and backward; attention counts as its matrix products."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _Untracked()
    with sdpa_kernel(SDPBackend.MATH), counter:
        run()
    return counter.get_total_flops()


@dataclass(frozen=True)
class Attacker:
    """The decoders that an inversion attacker trains.

    taps: how many attackers share the best decoder, 0 if each decoder rebuilds for itself; seen: how many sets of
    images are compared; known_plaintext: whether one of the attackers hears known messages.
    """

    networks: tuple[Callable, ...]
    taps: int
    seen: int
    known_plaintext: bool = False


@dataclass(frozen=True)
class Pieces:
    """FLOP of one image.

    prepared: before a training; update: in it; score: at each validation; finished: after it. sent, heard: through the
    transmitter and the receiver; their `_back`: the gradients on the way back. classified: without codec and link.
    weights: bytes of the model's file; precision: the precision of the training.
    """

    prepared: float
    update: float
    score: float
    finished: float
    sent: float
    heard: float
    sent_back: float
    heard_back: float
    classified: float
    link: Link
    attackers: tuple[Attacker, ...]
    shuffles: bool
    grid: tuple[int, int]
    k: int
    weights: int
    precision: str

    def of(self, passes: Passes) -> float:
        """FLOP of these passes."""
        forward = passes.sent * self.sent + passes.heard * self.heard
        return forward + passes.sent_back * self.sent_back + passes.heard_back * self.heard_back


def counted(spec: Spec, data: Data, teacher: Spec | None) -> Pieces:
    """The pieces of an untrained run.

    data: a few images of the dataset's shape, each class among those of training; teacher: the run that `after` names.
    """
    student = build(spec, data)
    if spec.recompute:
        recompute(student)
    student.optimise()
    pixels, label = (part[:COUNTED] for part in data.train)
    image, n0 = Resized(pixels, spec.image_size), noise_power(max(spec.snr_db))
    power = torch.full((COUNTED,), n0)
    taught, whole = build(teacher, data).eval() if teacher else None, Resized(data.train[0], spec.image_size)
    prepared = flop(lambda: student.prepare(taught, whole, data.train[1], n0)) / len(whole)
    each = [
        flop(lambda: student.train().update(image[:], label, n0)),
        flop(lambda: student.eval().score(image[:], label, power, torch.Generator())),
        flop(lambda: student.finish(image, label)),
    ]
    system = student.system.requires_grad_(False)
    each += [*_passed(student, image[:], n0), flop(lambda: system.classify(image[:])) if system.digital else 0]
    return Pieces(
        prepared,
        *(count / COUNTED for count in each),
        link=Link(not isinstance(student.keys, FixedKey), system.random_transmitter, system.digital),
        attackers=_attackers(student, spec, data) if spec.inversion.attackers else (),
        shuffles=student.shuffles,
        grid=system.grid,
        k=system.k,
        weights=sum(tensor.nbytes for tensor in system.state_dict().values()),
        precision=precision_of(student, spec),
    )


def _passed(trained: Method, image: Tensor, n0: float) -> tuple[int, int, int, int]:
    """FLOP of a batch: transmit, receive, and both of their gradients."""
    system, key = trained.system, trained.keys.session("cost").sending(0, len(image))
    image.requires_grad_()
    heard = system.transmit(image, key, n0).detach().requires_grad_()

    def back(run: Callable[[], Tensor], source: Tensor) -> int:
        output = run()
        output = torch.view_as_real(output) if output.is_complex() else output
        return flop(lambda: torch.autograd.grad(output.square().sum(), source, allow_unused=True))

    transmit = functools.partial(system.transmit, image, key, n0)
    receive = functools.partial(system.receive, heard, key, n0)
    return flop(transmit), flop(receive), back(transmit, image), back(receive, heard)


def _attackers(trained: Method, spec: Spec, data: Data) -> tuple[Attacker, ...]:
    """The attackers that make sense for a run's keys, chosen as the stage itself chooses them."""
    found = []
    for name, attack in Situation(trained, spec, data, max(spec.inversion.snr_db)).attacks().items():
        if name == "encoder":
            (wanted,) = attack.args
            found.append(Attacker(tuple(ORDERED.values()), len(wanted), len(wanted), "known_plaintext" in wanted))
        elif name == "keyless_adaptive":
            found.append(Attacker(tuple(SHUFFLED.values()), 0, len(SHUFFLED) + 1))
        else:
            _, networks, wanted = attack.args
            alike = len(wanted & {*WITHOUT_KEY})
            found.append(Attacker(tuple(networks.values()), 0, alike + (name in wanted) * (len(networks) + 1)))
    return tuple(found)


@functools.cache
def decoding(network: Callable, colours: int, k: int, grid: tuple[int, int]) -> tuple[float, float]:
    """FLOP of (an update, a reconstruction) of an attacker's decoder, per message."""
    decoder = Decoder(network, torch.zeros(colours, SCORED, SCORED), k, grid)
    symbols = torch.randn(COUNTED, k, dtype=torch.complex64)
    target = torch.zeros(COUNTED, colours, SCORED, SCORED)
    update = flop(lambda: mse_loss(decoder(symbols), target).backward())
    return update / COUNTED, flop(lambda: decoder(symbols)) / COUNTED


@functools.cache
def reading(places: int, inputs: int, classes: int) -> tuple[float, float]:
    """FLOP of (an update, a look) of the audit's DeepSet, per message."""
    network, heard = leakage.DeepSet(inputs, classes), torch.randn(COUNTED, places, inputs)
    return flop(lambda: network(heard).sum().backward()) / COUNTED, flop(lambda: network(heard)) / COUNTED


@functools.cache
def classifying(colours: int, classes: int) -> tuple[float, float]:
    """FLOP of (an update, a look) of the evaluation classifier, per image."""
    network, image = evaluation_classifier.network(colours, classes), torch.rand(COUNTED, colours, SCORED, SCORED)
    return flop(lambda: network(image).sum().backward()) / COUNTED, flop(lambda: network(image)) / COUNTED


@functools.cache
def comparing(colours: int) -> float:
    """FLOP of an image's fidelity: those of its SSIM."""
    image = torch.rand(COUNTED, colours, SCORED, SCORED)
    return flop(lambda: fidelity(image, image)) / COUNTED
