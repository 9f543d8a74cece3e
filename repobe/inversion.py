"""Model inversion: what an eavesdropper rebuilds from what is on the air.

    image ─ transmitter, key ═ the eavesdropper's air ═▶ Tap.observe ─ attacker ─▶ image
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from repobe.networks import image_decoder
from repobe.system import features, resize

SCORED = 32  # pixels: every reconstruction is compared at this size (D14)


@dataclass(frozen=True)
class Knowledge:
    """What an attacker owns: images of the same kind, and functions it can evaluate, never the System.

    image: Float[n, c, SCORED, SCORED]; encode: Image to Symbols as received under no key (a stolen encoder
    and the eavesdropper's air), None where it has none; grid: (H, W) of the feature map, public.
    """

    image: Tensor
    grid: tuple[int, int]
    encode: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Tap:
    """All that an attacker is given. observe: Image to Symbols Complex[b, k] as it hears them, key in force."""

    observe: Callable[[Tensor], Tensor]
    knowledge: Knowledge


Reconstruct = Callable[[Tensor], Tensor]  # Symbols to Image [b, c, SCORED, SCORED]


def keyless(tap: Tap, epochs: int, generator: torch.Generator) -> Reconstruct:
    """The paper's implicit attacker (Figs. 3d, 3e): a decoder trained on a stolen encoder's unshuffled features.

    It meets the shuffled ones with no key; a system that does not shuffle is met in its own form.
    """
    known = tap.knowledge
    return train_decoder(known.encode, known.image, known.grid, epochs, generator)


def train_decoder(
    hear: Callable[[Tensor], Tensor], image: Tensor, grid: tuple[int, int], epochs: int, generator: torch.Generator
) -> Reconstruct:
    """An image decoder (the legitimate user's architecture) trained from what `hear` gives to the image.

    image: Float[n, c, SCORED, SCORED]; every epoch hears every image anew. Adam 1e-3 at its peak, one cycle.
    """
    batch = 64
    per_symbol = hear(image[:1]).shape[1] // (grid[0] * grid[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        decoder = image_decoder(image.shape[1], 2 * per_symbol).to(image.device)
    updates = epochs * -(-len(image) // batch)
    optimiser = Adam(decoder.parameters())
    schedule = OneCycleLR(optimiser, 1e-3, updates + 1)
    for _ in range(epochs):
        for index in torch.randperm(len(image), generator=generator).to(image.device).split(batch):
            target = image[index]
            loss = mse_loss(_fit(decoder(features(hear(target), grid))), target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    decoder.eval()

    @torch.no_grad()
    def reconstruct(symbols: Tensor) -> Tensor:
        return _fit(decoder(features(symbols, grid)))

    return reconstruct


def mean_image(image: Tensor) -> Reconstruct:
    """The floor: the mean of the attacker's images, whatever it hears."""
    mean = image.mean(dim=0, keepdim=True)
    return lambda symbols: mean.expand(len(symbols), -1, -1, -1)


def _fit(image: Tensor) -> Tensor:
    return resize(image, SCORED)


# The attackers that a config names, each with what the tables call its knowledge.
ATTACKERS: dict[str, tuple[Callable[[Tap, int, torch.Generator], Reconstruct], str]] = {
    "keyless": (keyless, "encoder"),
}
