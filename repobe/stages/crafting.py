"""Adversarial images of an attack on a trained run, one batch at a time: memory holds a batch or two at S×S."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from repobe.attacks.evasion import SELECTION, most_harmful, of_kind, pgd5
from repobe.attacks.noisy import NoisyClassifier
from repobe.cipher.keys import FixedKey
from repobe.images.resizing import Resized, batch_size_for
from repobe.phy.channels import noise_power
from repobe.runs.devices import forked_random, random_state, set_random_state
from repobe.runs.seeds import seed
from repobe.runs.spec import Attack, Spec
from repobe.stages.transmission import BATCH, generator_for
from repobe.systems.folding import folded
from repobe.training.method import Method, parts

CANDIDATES = BATCH // 10  # batch size when averaging over draws


@dataclass(frozen=True)
class Victim:
    """A trained run under attack.

    image, label: the test images; surrogates: the trained runs, by label, on which transfer attacks are crafted.
    """

    trained: Method
    spec: Spec
    image: Resized
    label: Tensor
    surrogates: dict[str, Method]


def crafted(victim: Victim, name: str, attack: Attack, eps: float, snr_db: float, within: str = "") -> Iterator[Tensor]:
    """The attack's adversarial images Float[b, c, S, S] in batches; the same for the same name, eps and SNR.

    eot_pgd also considers the paper attack's images, so it is never weaker, up to sampling noise. If the paper's
    attack covers fewer images, it is run on as many as eot_pgd needs. At a radius of 0 the images are the clean ones.

    within: the attack that wants these images as candidates. It gets its own key session: no key serves twice.
    """
    spec, image, label = victim.spec, victim.image, victim.label
    if eps == 0:
        yield from (image[p] for p in parts(min(attack.images, len(image)), batch_size_for(image.size, BATCH)))
        return
    stream = (name, eps, spec.dataset, spec.channel, spec.seed, snr_db)
    run = victim.surrogates[attack.surrogate] if attack.kind == "transfer" else victim.trained
    session = ("attack", *stream, *([within] if within else []))
    keys = FixedKey(None) if attack.kind == "keyless" else run.keys.session(*session)
    air = generator_for(image.device, "attack", *stream)
    model = NoisyClassifier(folded(run.system), noise_power(snr_db), keys, air).eval()
    drawn = GlobalStream(seed("start", *stream), image.device)
    candidates_of = of_kind(attack.kind)
    if candidates_of is pgd5:
        size = batch_size_for(image.size, BATCH)
    else:  # if key or transmitter differ between draws, each draw sends the image again
        fresh = run.system.random_transmitter or not isinstance(keys, FixedKey)
        size = batch_size_for(image.size, CANDIDATES, max(SELECTION, attack.eot or 0) if fresh else 1)
    cut = list(parts(min(attack.images, len(image)), size))
    with_paper = attack.kind == "eot_pgd" and name != "paper"
    weak = _paper_attack_images(victim, name, attack, eps, snr_db, cut) if with_paper else None
    for p in cut:
        x, y = image[p], label[p]
        first = [] if weak is None else [next(weak)]
        with drawn():
            candidates = first + candidates_of(model, x, y, eps, attack)
            best = most_harmful(model, candidates, y) if len(candidates) > 1 else candidates[0]
        yield best


def _paper_attack_images(
    victim: Victim, name: str, attack: Attack, eps: float, snr_db: float, cut: list[slice]
) -> Iterator[Tensor]:
    """The images of the paper's attack at radius eps, in the batches `cut` of `attack`."""
    paper = victim.spec.evaluation.attacks.get("paper", Attack("pgd", attack.images))
    # Whole batches, because the noise of an image depends on the size of its batch.
    size = batch_size_for(victim.image.size, BATCH)
    whole = min(paper.images, -(-attack.images // size) * size)
    paper = replace(paper, images=max(whole, attack.images))
    return regrouped(crafted(victim, "paper", paper, eps, snr_db, within=name), (p.stop - p.start for p in cut))


def regrouped(batches: Iterator[Tensor], sizes: Iterable[int]) -> Iterator[Tensor]:
    """The same images in the same order, in batches of these sizes; keeps nothing that it has yielded."""
    held = next(batches)
    for size in sizes:
        while len(held) < size:
            held = torch.cat([held, next(batches)])
        yield held[:size]
        held = held[size:]


class GlobalStream:
    """Replaces torch's global random stream inside blocks, because torchattacks draws from the global one.

        drawn = GlobalStream(seed, device)
        with drawn(): …    # torch.rand() continues where the previous block stopped

    After a block, the global streams of the CPU and of the device are as they were before it.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.state = torch.Generator().manual_seed(seed).get_state()
        self.on_device = None if device.type == "cpu" else torch.Generator(device).manual_seed(seed).get_state()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """A block that draws from this stream."""
        with forked_random(self.device):
            torch.set_rng_state(self.state)
            set_random_state(self.device, self.on_device)
            yield
            self.state, self.on_device = torch.get_rng_state(), random_state(self.device)
