"""Model inversion: what an eavesdropper rebuilds from what is on the air.

image ─ transmitter, key ═ the eavesdropper's air ═▶ Tap.heard ─ attacker ─▶ image
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from repobe.attacks.cryptanalysis import recover
from repobe.attacks.decoders import Attention, Convolutional, Decoder, FullyConnected, unordered
from repobe.cipher.keys import Key, PerMessageKeys
from repobe.cipher.obfuscation import decrypt, shuffle
from repobe.phy.channels import normalise_power
from repobe.phy.mapping import features
from repobe.runs.devices import forked_random
from repobe.systems.fitting import descend


@dataclass(frozen=True)
class Knowledge:
    """What an attacker owns: pairs of an image and its message, and the air; never the System.

    image: Float[n, c, 32, 32]; sent: Complex[n, k], the message of each as the attacker has it: of a stolen encoder
    under no key, under the key in force, or each under a key unknown to it; grid: (H, W) of the feature map, public;
    air: Symbols to Symbols, as the eavesdropper's receiver hears them, after a shuffle of its own if it adds one.
    Beside a stolen encoder, key: the key, leaked; overheard: Complex[p, k], what was on the air for the first p of its
    images.
    """

    image: Tensor
    sent: Tensor
    grid: tuple[int, int]
    air: Callable[[Tensor], Tensor]
    key: Key | None = None
    overheard: Tensor | None = None


@dataclass(frozen=True)
class Tap:
    """All that an attacker is given. heard: Complex[n, k], the messages in the air that it wants to see."""

    heard: Tensor
    knowledge: Knowledge


Reconstruct = Callable[[Tensor], Tensor]  # Symbols to Image [b, c, 32, 32]
BATCH, HELD = 64, 0.1  # of its pairs an attacker keeps a tenth, to choose among its decoders
LOOKS = 8  # at the pairs held back, in a training: the weights that do best on them are kept
# (peak of the learning rate, updates of an epoch at least, over the same pairs again where they are few): dense layers
# want some hundreds of updates in all; convolutions are there after half of them, each at three times the cost.
DENSE, CONVOLVED = (3e-3, 40), (2e-3, 20)


def train_decoder(
    known: Knowledge, network: Callable, epochs: int, generator: torch.Generator
) -> tuple[Reconstruct, float]:
    """(a decoder trained from received symbols to images, its mean squared error on the pairs held back).

    Every update hears its messages through fresh air. Adam, one cycle.
    """
    learned = len(known.image) - max(1, int(HELD * len(known.image)))
    with forked_random(known.image.device):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        decoder = Decoder(network, known.image[:learned].mean(dim=0), known.sent.shape[1], known.grid)
    decoder.to(known.image.device, memory_format=torch.channels_last)
    rate, least_updates = CONVOLVED if network is Convolutional else DENSE
    updates = epochs * max(-(-learned // BATCH), least_updates)
    optimiser = Adam(decoder.parameters(), fused=True)
    schedule = OneCycleLR(optimiser, rate, updates + 1)

    @torch.no_grad()
    def reconstruct(symbols: Tensor) -> Tensor:
        return torch.cat([decoder(part) for part in symbols.split(250)])

    held = known.air(known.sent[learned:])
    least, best = float("inf"), {}
    batches = iter(())
    for update in range(1, updates + 1):
        index = next(batches, None)
        if index is None:
            batches = iter(torch.randperm(learned, generator=generator).to(known.image.device).split(BATCH))
            index = next(batches)
        loss = mse_loss(decoder(known.air(known.sent[index])), known.image[index])
        descend(loss, optimiser, schedule)
        if update * LOOKS // updates > (update - 1) * LOOKS // updates:
            decoder.eval()
            error = mse_loss(reconstruct(held), known.image[learned:]).item()
            if error < least:
                least, best = error, {name: value.clone() for name, value in decoder.state_dict().items()}
            decoder.train()
    decoder.load_state_dict(best)
    decoder.eval()
    return reconstruct, least


def train_decoders(
    known: Knowledge, networks: dict[str, Callable], epochs: int, generator: torch.Generator
) -> tuple[dict[str, Reconstruct], str]:
    """(decoders by the names of their networks, the name of the best: on pairs held back, by the attacker's lights)."""
    decoders, errors = {}, {}
    for name, network in networks.items():
        decoders[name], errors[name] = train_decoder(known, network, epochs, generator)
    return decoders, min(errors, key=errors.get)


ORDERED = {"conv": Convolutional, "fc": FullyConnected, "attention": Attention}
SHUFFLED = {"conv": Convolutional, "set": unordered}  # where every message has another order


def with_stolen_encoder(taps: dict[str, Tap], epochs: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The best decoder of a stolen encoder's own features, shown what each of these attackers makes of the air.

    keyless: the messages as they are, shuffled, the paper's implicit attacker (Figs. 3d, 3e); known_plaintext and
    with_key: `opened`. Their pairs and air are the same, so that one training serves those of them that `taps` holds.
    """
    decoders, best = train_decoders(next(iter(taps.values())).knowledge, ORDERED, epochs, generator)
    return {attacker: decoders[best](opened(tap)) for attacker, tap in taps.items()}


def with_pairs(name: str, networks: dict[str, Callable], tap: Tap, epochs: int, generator) -> dict[str, Tensor]:
    """An attacker that learns from messages as they are on the air: each decoder's images, and as `name` the best's."""
    decoders, best = train_decoders(tap.knowledge, networks, epochs, generator)
    images = {f"{name}_{kind}": reconstruct(tap.heard) for kind, reconstruct in decoders.items()}
    return images | {name: images[f"{name}_{best}"]}


def with_own_keys(known: Knowledge, secret: bytes) -> Knowledge:
    """What an attacker without the key makes of a stolen encoder: its own messages, shuffled by keys of its own.

    Each message gets a fresh random key each time it is heard, in training and among the pairs held back, so that a
    decoder can learn only what holds under every key.
    """
    keys, sent = PerMessageKeys(secret, *known.grid), 0

    def air(symbols: Tensor) -> Tensor:
        nonlocal sent
        key = keys.sending(sent, len(symbols))
        sent += len(symbols)
        return known.air(shuffle(symbols, key))

    return replace(known, air=air)


def opened(tap: Tap) -> Tensor:
    """heard Complex[n, k], unshuffled: by the key where it has leaked, by the one that known messages give away where
    there are some, else as it is.
    """
    known = tap.knowledge
    key = known.key
    if key is None and known.overheard is not None:
        pair = known.sent[: len(known.overheard)], known.overheard
        key = recover(*(features(normalise_power(side), known.grid).cpu() for side in pair))
    return shuffle(tap.heard, key, decrypt)


def mean_image(image: Tensor, messages: int) -> Tensor:
    """The floor: the mean of the attacker's images, whatever it hears."""
    return image.mean(dim=0, keepdim=True).expand(messages, -1, -1, -1)
