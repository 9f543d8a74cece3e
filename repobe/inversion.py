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

from repobe.networks import image_decoder
from repobe.system import features, resize

SCORED = 32  # pixels: every reconstruction is compared at this size (D14)


@dataclass(frozen=True)
class Knowledge:
    """What an attacker owns: pairs of the same kind, and functions it can evaluate; never the System.

    image: Float[n, c, SCORED, SCORED]; sent: Complex[n, k], what a stolen encoder makes of each, under no key;
    grid: (H, W) of the feature map, public; air: Symbols to Symbols as the eavesdropper's receiver hears them.
    """

    image: Tensor
    sent: Tensor
    grid: tuple[int, int]
    air: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tap:
    """All that an attacker is given. heard: Complex[n, k], the messages in the air, the key in force."""

    heard: Tensor
    knowledge: Knowledge


Reconstruct = Callable[[Tensor], Tensor]  # Symbols to Image [b, c, SCORED, SCORED]


def keyless(tap: Tap, epochs: int, generator: torch.Generator) -> Reconstruct:
    """The paper's implicit attacker (Figs. 3d, 3e): a decoder trained on a stolen encoder's unshuffled features.

    It meets the shuffled ones with no key; a system that does not shuffle is met in its own form.
    """
    return train_decoder(tap.knowledge, epochs, generator)


def train_decoder(known: Knowledge, epochs: int, generator: torch.Generator) -> Reconstruct:
    """An image decoder (the legitimate user's architecture) trained from received symbols to images.

    Every epoch hears every message through fresh air. Adam, one cycle with a peak of 1e-3.
    """
    batch, image = 64, known.image
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        decoder = decoder_for(image.shape[1], known.sent.shape[1], known.grid)
    decoder.to(image.device, memory_format=torch.channels_last)
    optimiser = Adam(decoder.parameters())
    schedule = OneCycleLR(optimiser, 1e-3, epochs * -(-len(image) // batch) + 1)
    for _ in range(epochs):
        for index in torch.randperm(len(image), generator=generator).to(image.device).split(batch):
            heard = features(known.air(known.sent[index]), known.grid)
            loss = mse_loss(resize(decoder(heard), SCORED), image[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    decoder.eval()

    @torch.no_grad()
    def reconstruct(symbols: Tensor) -> Tensor:
        return resize(decoder(features(symbols, known.grid)), SCORED)

    return reconstruct


def decoder_for(colours: int, k: int, grid: tuple[int, int]) -> nn.Module:
    """Features [b, 2m, H, W] to an image; symbols without places are first laid out on 4×4 of them."""
    if grid != (1, 1):
        return image_decoder(colours, 2 * k // (grid[0] * grid[1]))
    laid_out = [nn.Flatten(), nn.Linear(2 * k, 64 * 4 * 4), nn.ReLU(inplace=True), nn.Unflatten(1, (64, 4, 4))]
    return nn.Sequential(*laid_out, image_decoder(colours, 64))


def mean_image(image: Tensor) -> Reconstruct:
    """The floor: the mean of the attacker's images, whatever it hears."""
    mean = image.mean(dim=0, keepdim=True)
    return lambda symbols: mean.expand(len(symbols), -1, -1, -1)


# The attackers that a config names, each with what the tables call its knowledge.
ATTACKERS: dict[str, tuple[Callable[[Tap, int, torch.Generator], Reconstruct], str]] = {
    "keyless": (keyless, "encoder"),
}
