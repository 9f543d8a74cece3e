"""Adversarial images of an attack on a trained run, batch by batch: never more than a batch or two at S×S."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from repobe.attacks.evasion import SELECTION, most_harmful, of_kind, pgd5
from repobe.attacks.noisy import NoisyClassifier
from repobe.cipher.keys import FixedKey
from repobe.images.resizing import Resized, at_once
from repobe.phy.channels import noise_power
from repobe.runs.seeds import seed
from repobe.runs.spec import Attack, Spec
from repobe.stages.transmission import BATCH, generator_for
from repobe.systems.folding import folded
from repobe.training.method import Method, parts

CANDIDATES = BATCH // 10  # images at most at once, where each meets many draws at once


@dataclass(frozen=True)
class Victim:
    """A trained run under attack. image, label: the test images; surrogates: trained runs by their labels, which
    transfer attacks are crafted on.
    """

    trained: Method
    spec: Spec
    image: Resized
    label: Tensor
    surrogates: dict[str, Method]


def crafted(victim: Victim, name: str, attack: Attack, eps: float, snr_db: float, within: str = "") -> Iterator[Tensor]:
    """The attack's adversarial images Float[b, c, S, S] in batches; at one name, eps and SNR always the same.

    The very images of the paper's attack are candidates of eot_pgd, which therefore is never weaker but by the noise
    of the draws that pick: where the paper's attack has fewer images, as it would craft them for as many.

    within: the attack that crafts them as its candidates, in a session of its own: no key serves two messages.
    """
    spec, image, label = victim.spec, victim.image, victim.label
    stream = (name, eps, spec.dataset, spec.channel, spec.seed, snr_db)
    run = victim.surrogates[attack.surrogate] if attack.kind == "transfer" else victim.trained
    session = ("attack", *stream, *([within] if within else []))
    keys = FixedKey(None) if attack.kind == "keyless" else run.keys.session(*session)
    air = generator_for(image.device, "attack", *stream)
    model = NoisyClassifier(folded(run.system), noise_power(snr_db), keys, air).eval()
    drawn = GlobalStream(seed("start", *stream), image.device)
    candidates_of = of_kind(attack.kind)
    if candidates_of is pgd5:
        size = at_once(image.size, BATCH)
    else:  # a key or a transmitter that differs from draw to draw sends an image anew for each
        anew = run.system.random_transmitter or not isinstance(keys, FixedKey)
        size = at_once(image.size, CANDIDATES, max(SELECTION, attack.eot or 0) if anew else 1)
    cut = list(parts(min(attack.images, len(image)), size))
    with_paper = attack.kind == "eot_pgd" and name != "paper"
    weak = _papers(victim, name, attack, eps, snr_db, cut) if with_paper else None
    for p in cut:
        x, y = image[p], label[p]
        first = [] if weak is None else [next(weak)]
        with drawn():
            candidates = first + candidates_of(model, x, y, eps, attack)
            best = most_harmful(model, candidates, y) if len(candidates) > 1 else candidates[0]
        yield best


def _papers(victim: Victim, name: str, attack: Attack, eps: float, snr_db: float, cut: list[slice]) -> Iterator[Tensor]:
    """The images of the paper's attack at another's radius, in that one's batches."""
    paper = victim.spec.evaluation.attacks.get("paper", Attack("pgd", attack.images))
    # Whole batches of it, because the noise that an image meets depends on its batch's size.
    size = at_once(victim.image.size, BATCH)
    whole = min(paper.images, -(-attack.images // size) * size)
    paper = replace(paper, images=max(whole, attack.images))
    return regrouped(crafted(victim, "paper", paper, eps, snr_db, within=name), (p.stop - p.start for p in cut))


def regrouped(batches: Iterator[Tensor], sizes: Iterable[int]) -> Iterator[Tensor]:
    """The same images in the same order, in batches of these sizes; what has been handed on is not kept."""
    held = next(batches)
    for size in sizes:
        while len(held) < size:
            held = torch.cat([held, next(batches)])
        yield held[:size]
        held = held[size:]


class GlobalStream:
    """A random stream of its own in the place of torch's global one, from block to block: torchattacks draws there.

        drawn = GlobalStream(seed, device)
        with drawn(): …    # torch.rand() goes on where the block before it stopped

    After a block the global stream, of the CPU and of that device, is what it was before it.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.devices = [device] if device.type == "cuda" else []
        self.state = torch.Generator().manual_seed(seed).get_state()
        self.on_device = [torch.Generator(one).manual_seed(seed).get_state() for one in self.devices]

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """A block that draws from this stream."""
        with torch.random.fork_rng(self.devices):
            torch.set_rng_state(self.state)
            for one, state in zip(self.devices, self.on_device, strict=True):
                torch.cuda.set_rng_state(state, one)
            yield
            self.state, self.on_device = torch.get_rng_state(), [torch.cuda.get_rng_state(one) for one in self.devices]
