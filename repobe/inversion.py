"""Model inversion: what an eavesdropper rebuilds from what is on the air.

image ─ transmitter, key ═ the eavesdropper's air ═▶ Tap.heard ─ attacker ─▶ image
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from repobe.cryptanalysis import recover
from repobe.decoders import Attention, Convolutional, FullyConnected, unordered
from repobe.obfuscation import decrypt
from repobe.system import features, shuffle


@dataclass(frozen=True)
class Knowledge:
    """What an attacker owns: pairs of an image and its message, and the air; never the System.

    image: Float[n, c, 32, 32]; sent: Complex[n, k], the message of each as the attacker has it: of a stolen encoder
    under no key, under the key in force, or each under a key unknown to it; grid: (H, W) of the feature map, public;
    air: Symbols to Symbols, as the eavesdropper's receiver hears them.
    """

    image: Tensor
    sent: Tensor
    grid: tuple[int, int]
    air: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tap:
    """All that an attacker is given. heard: Complex[n, k], the messages in the air that it wants to see."""

    heard: Tensor
    knowledge: Knowledge


Reconstruct = Callable[[Tensor], Tensor]  # Symbols to Image [b, c, 32, 32]
BATCH, HELD = 64, 0.1  # of its pairs an attacker keeps a tenth, to choose among its decoders


def train_decoder(
    known: Knowledge, network: Callable, epochs: int, generator: torch.Generator
) -> tuple[Reconstruct, float]:
    """(a decoder trained from received symbols to images, its mean squared error on the pairs held back).

    Every epoch hears every message through fresh air. Adam, one cycle with a peak of 1e-3.
    """
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        decoder: nn.Module = network(known.image.shape[1], known.sent.shape[1], known.grid)
    decoder.to(known.image.device, memory_format=torch.channels_last)
    learned = len(known.image) - max(1, int(HELD * len(known.image)))
    optimiser = Adam(decoder.parameters(), fused=True)
    schedule = OneCycleLR(optimiser, 1e-3, epochs * -(-learned // BATCH) + 1)
    for _ in range(epochs):
        for index in torch.randperm(learned, generator=generator).to(known.image.device).split(BATCH):
            loss = mse_loss(decoder(known.air(known.sent[index])), known.image[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    decoder.eval()

    @torch.no_grad()
    def reconstruct(symbols: Tensor) -> Tensor:
        return torch.cat([decoder(part) for part in symbols.split(250)])

    error = mse_loss(reconstruct(known.air(known.sent[learned:])), known.image[learned:]).item()
    return reconstruct, error


def with_stolen_encoder(taps: dict[str, Tap], epochs: int, generator: torch.Generator) -> dict[str, Tensor]:
    """One decoder, trained on a stolen encoder's own features, shown what each of these attackers has made of the air.

    keyless: the shuffled messages as they are, the paper's implicit attacker (Figs. 3d, 3e); known_plaintext: opened by
    a key recovered from known messages; with_key: opened by the leaked key. Those of them that `taps` holds.
    """
    decoder, _ = train_decoder(taps["keyless"].knowledge, Convolutional, epochs, generator)
    return {attacker: decoder(tap.heard) for attacker, tap in taps.items()}


def with_pairs(decoders: dict[str, Callable]) -> Callable[[str, Tap, int, torch.Generator], dict[str, Tensor]]:
    """Attackers that learn from messages as they are on the air: each decoder's images, and those of the best.

    The best is the one with the least error on the pairs held back, by the attacker's own lights.
    """

    def attack(name: str, tap: Tap, epochs: int, generator: torch.Generator) -> dict[str, Tensor]:
        images, errors = {}, {}
        for kind, network in decoders.items():
            reconstruct, errors[f"{name}_{kind}"] = train_decoder(tap.knowledge, network, epochs, generator)
            images[f"{name}_{kind}"] = reconstruct(tap.heard)
        return images | {name: images[min(errors, key=errors.get)]}

    return attack


same_key = with_pairs({"conv": Convolutional, "fc": FullyConnected, "attention": Attention})
fresh_key = with_pairs({"conv": Convolutional, "set": unordered})


def open_by_known_messages(plain: Tensor, known: Tensor, heard: Tensor, grid: tuple[int, int]) -> Tensor:
    """heard Complex[n, k], unshuffled by the key found from known messages: plain and known Complex[p, k]."""
    key = recover(features(plain, grid).cpu(), features(known, grid).cpu())
    return shuffle(heard, key, decrypt)


def mean_image(image: Tensor, messages: int) -> Tensor:
    """The floor: the mean of the attacker's images, whatever it hears."""
    return image.mean(dim=0, keepdim=True).expand(messages, -1, -1, -1)


# What a config may ask for, each with what the tables call its knowledge.
ATTACKERS = {
    "keyless": "encoder",
    "same_key": "pairs under the key",
    "known_plaintext": "encoder and one known message",
    "fresh_key": "pairs under unknown keys",
    "with_key": "encoder and key",
}
