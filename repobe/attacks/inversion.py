"""Model inversion: an eavesdropper rebuilds images from the symbols that it hears.

image ─ transmitter, key ═ the eavesdropper's air ═▶ Tap.heard ─ attacker ─▶ image
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from repobe.attacks.cryptanalysis import maps, moments, recover, recover_from_moments
from repobe.attacks.decoders import Attention, Convolutional, Decoder, FullyConnected, unordered
from repobe.cipher.keys import Key, PerMessageKeys
from repobe.cipher.obfuscation import decrypt, shuffle
from repobe.runs.devices import forked_random
from repobe.systems.optimizer_step import optimizer_step


@dataclass(frozen=True)
class Knowledge:
    """What an attacker owns: pairs of an image and its message, and a channel; never the System.

    image: Float[n, c, 32, 32].
    sent: Complex[n, k], the messages of these images as the attacker has them: from a stolen encoder without a key,
        under the key in use, or each under an unknown key.
    grid: (H, W) of the feature map, public.
    air: Symbols to Symbols, the eavesdropper's channel, after the attacker's own shuffle if it adds one.
    key: the leaked key, for an attacker with a stolen encoder.
    known_heard: Complex[p, k], what was on the air for the first p images, for an attacker with a stolen encoder.
    by_moments: whether an attacker with a stolen encoder compares the moments of its own messages and of those heard.
    """

    image: Tensor
    sent: Tensor
    grid: tuple[int, int]
    air: Callable[[Tensor], Tensor]
    key: Key | None = None
    known_heard: Tensor | None = None
    by_moments: bool = False


@dataclass(frozen=True)
class Tap:
    """All that an attacker gets. heard: Complex[n, k], the overheard messages whose images it wants to rebuild."""

    heard: Tensor
    knowledge: Knowledge


Reconstruct = Callable[[Tensor], Tensor]  # Symbols to Image [b, c, 32, 32]
BATCH, VALIDATION_FRACTION = 64, 0.1  # an attacker holds back a tenth of its pairs to choose among its decoders
VALIDATIONS = 8  # validations on the held-back pairs during a training; the best weights are kept
# (peak learning rate, fewest updates per epoch; few pairs are repeated to reach them). Dense layers need some hundreds
# of updates in all; convolutions need half as many, but each costs three times as much.
DENSE, CONVOLVED = (3e-3, 40), (2e-3, 20)


def train_decoder(
    known: Knowledge, network: Callable, epochs: int, generator: torch.Generator
) -> tuple[Reconstruct, float]:
    """(a decoder from received symbols to images, its mean squared error on the held-back pairs).

    Every update sends its messages through fresh channel draws. Adam, one cycle.
    """
    learned = len(known.image) - max(1, int(VALIDATION_FRACTION * len(known.image)))
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
        optimizer_step(loss, optimiser, schedule)
        if update * VALIDATIONS // updates > (update - 1) * VALIDATIONS // updates:
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
    """(decoders by the names of their networks, name of the decoder with the least error on the held-back pairs)."""
    decoders, errors = {}, {}
    for name, network in networks.items():
        decoders[name], errors[name] = train_decoder(known, network, epochs, generator)
    return decoders, min(errors, key=errors.get)


ORDERED = {"conv": Convolutional, "fc": FullyConnected, "attention": Attention}
SHUFFLED = {"conv": Convolutional, "set": unordered}  # for messages that are each shuffled differently


def with_stolen_encoder(taps: dict[str, Tap], epochs: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Images by attacker: the best decoder for a stolen encoder's features, applied to what each attacker hears.

    keyless decodes the shuffled messages as they are; it is the paper's implicit attacker (Figs. 3d, 3e).
    ciphertext_only, known_plaintext and with_key first unshuffle them (`opened`). Pairs and channel are the same for
    all attackers in `taps`, so one training serves them all.
    """
    decoders, best = train_decoders(next(iter(taps.values())).knowledge, ORDERED, epochs, generator)
    return {attacker: decoders[best](opened(tap)) for attacker, tap in taps.items()}


def with_pairs(name: str, networks: dict[str, Callable], tap: Tap, epochs: int, generator) -> dict[str, Tensor]:
    """An attacker that learns from messages as sent: images of each decoder, and those of the best as `name`."""
    decoders, best = train_decoders(tap.knowledge, networks, epochs, generator)
    images = {f"{name}_{kind}": reconstruct(tap.heard) for kind, reconstruct in decoders.items()}
    return images | {name: images[f"{name}_{best}"]}


def with_own_keys(known: Knowledge, secret: bytes) -> Knowledge:
    """Knowledge of an attacker that has a stolen encoder but no key, and shuffles its own messages with its own keys.

    Each message gets a fresh random key every time it is heard, in training and in validation, so a decoder can learn
    only what holds under every key.
    """
    keys, sent = PerMessageKeys(secret, *known.grid), 0

    def air(symbols: Tensor) -> Tensor:
        nonlocal sent
        key = keys.sending(sent, len(symbols))
        sent += len(symbols)
        return known.air(shuffle(symbols, key))

    return replace(known, air=air)


def opened(tap: Tap) -> Tensor:
    """The heard messages, Complex[n, k], unshuffled with the leaked key or with the key that the attacker recovers,
    from known messages or from moments; unchanged if it has no means to a key.
    """
    known, key = tap.knowledge, tap.knowledge.key
    if key is None and known.by_moments:
        mine, theirs = known.air(known.sent), tap.heard
        key = recover_from_moments(*(moments(maps(side, known.grid)).cpu() for side in (mine, theirs)))
    elif key is None and known.known_heard is not None:
        pair = known.sent[: len(known.known_heard)], known.known_heard
        key = recover(*(maps(side, known.grid).cpu() for side in pair))
    return shuffle(tap.heard, key, decrypt)


def mean_image(image: Tensor, messages: int) -> Tensor:
    """The floor: the mean of the attacker's images, for every message."""
    return image.mean(dim=0, keepdim=True).expand(messages, -1, -1, -1)
