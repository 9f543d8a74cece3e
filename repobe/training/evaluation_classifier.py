"""The evaluation classifier: it reads the class of an image, clean or degraded, and is independent of every method."""

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR

from repobe.images.datasets import Data, augment, batches
from repobe.images.resizing import SCORED, images
from repobe.runs import checksums
from repobe.runs.seeds import seed
from repobe.systems.networks import ResidualBlock, ScaleToSymmetric, convolution
from repobe.systems.optimizer_step import optimizer_step
from repobe.systems.precision import Float32Linear


def network(colours: int, classes: int) -> nn.Sequential:
    """Image [b, C, 32, 32] in [0, 1] to Logits [b, classes]: a small residual network."""
    return nn.Sequential(
        ScaleToSymmetric(),
        convolution(colours, 16),
        ResidualBlock(16, 32, 2),
        ResidualBlock(32, 64, 2),
        ResidualBlock(64, 128, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        Float32Linear(128, classes),
    )


def degrade(image: Tensor) -> Tensor:
    """Degrades half the images Float[b, c, h, w] as an attacker's decoder does, each to its own random degree.

    It blurs, lowers the contrast over a brighter (in colour, tinted) background, and adds noise. A classifier that has
    learned only clean images sees a single class in everything that a decoder rebuilds, even in legible digits.
    """
    blur, pale, noise = torch.rand(3, len(image), 1, 1, 1, device=image.device).unbind()
    ground = torch.rand(*image.shape[:2], 1, 1, device=image.device)
    seen = torch.lerp(image, avg_pool2d(image, 5, 1, 2, count_include_pad=False), blur)
    seen = seen * (1 - 0.6 * pale) + 0.1 * ground + 0.1 * noise * torch.randn_like(image)
    spoilt = torch.rand(len(image), 1, 1, 1, device=image.device) < 0.5
    return torch.where(spoilt, seen.clamp(0, 1), image)


def train(data: Data, epochs: int) -> nn.Sequential:
    """Trains a dataset's evaluation classifier; returns it in evaluation mode. Augments where training does."""
    torch.manual_seed(seed("judge", data.name))  # a stream's name: another name would change every number
    classifier = network(data.colours, data.classes).to(data.device)
    batch_size = 64 if len(data.train[0]) < 10_000 else 256
    updates = epochs * -(-len(data.train[0]) // batch_size)
    optimiser = SGD(classifier.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True, fused=True)
    schedule = OneCycleLR(optimiser, 0.1, updates + 1)
    for _ in range(epochs):
        for pixels, label in batches(*data.train, batch_size):
            pixels = augment(pixels) if data.augmented else pixels
            loss = cross_entropy(classifier(degrade(images(pixels, SCORED))), label)
            optimizer_step(loss, optimiser, schedule)
    return classifier.eval()


def load(data: Data, path: Path) -> nn.Sequential:
    """The trained classifier from its file, in evaluation mode."""
    classifier = network(data.colours, data.classes).to(data.device)
    checksums.check(path)
    try:
        classifier.load_state_dict(safetensors.torch.load_file(path))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; `python -m repobe classifier` makes it") from None
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged ({str(error).splitlines()[0]}); delete it and run again") from None
    return classifier.eval()
