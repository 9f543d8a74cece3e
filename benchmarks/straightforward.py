"""A user's own training of RepObE, AT and TRADES: what one afternoon gives, and what the suite is compared with.

torchvision's way to images (a Dataset of PIL images, Resize, ToTensor, DataLoader), float32, channels first,
torchattacks in the loop. It takes only the losses of Sec. 3.3 from the suite; their cost is nothing beside a network's.
"""

from collections.abc import Callable, Iterator

import torch
import torchattacks
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.plain import System
from repobe.training import losses

EPS, STEP, STEPS = 0.016, 0.0032, 5  # Sec. 4.2, D7
SNR_DB = (7, 11, 15, 19, 23)
Loss = Callable[[System, Tensor, Tensor], Tensor]


class Pictures(Dataset):
    """Like torchvision's MNIST and CIFAR10 once loaded: arrays in memory; an item is a PIL image, transformed."""

    def __init__(self, pixels: Tensor, label: Tensor, transform) -> None:
        self.arrays = pixels.cpu().permute(0, 2, 3, 1).squeeze(3).numpy()
        self.label, self.transform = label.tolist(), transform

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.label[index]


def loader(pixels: Tensor, label: Tensor, size: int, batch: int, augmented: bool, workers: int) -> DataLoader:
    """Shuffled batches (Image [b, c, size, size], Int64[b]); the suite's crop and flip where `augmented` (D10)."""
    cropped = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augmented else []
    transform = transforms.Compose([*cropped, transforms.Resize(size), transforms.ToTensor()])
    dataset = Pictures(pixels, label, transform)
    return DataLoader(dataset, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)


def steps(model: System, batches: DataLoader, loss_of: Loss, updates: int) -> Iterator[float]:
    """Trains without end, one step at a time, and yields its loss; one learning-rate cycle of `updates` steps."""
    device = next(model.parameters()).device
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, updates)
    model.train()
    while True:
        for image, label in batches:
            image, label = image.to(device), label.to(device)
            model.n0 = 10 ** (-SNR_DB[torch.randint(len(SNR_DB), ())] / 10)
            loss = loss_of(model, image, label)
            optimiser.zero_grad()
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)  # D19
            optimiser.step()
            schedule.step()
            yield loss.item()


def natural(model: System, image: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy."""
    return cross_entropy(model(image), label)


def adversarial_training(model: System, image: Tensor, label: Tensor) -> Tensor:
    """Madry et al. 2018."""
    return natural(model, torchattacks.PGD(model, EPS, STEP, STEPS)(image, label), label)


def trades(model: System, image: Tensor, label: Tensor) -> Tensor:
    """Zhang et al. 2019."""
    adversarial = torchattacks.TPGD(model, EPS, STEP, STEPS)(image, label)
    nat, adv = model(torch.cat([image, adversarial])).chunk(2)
    return losses.trades(nat, adv, label, beta=6.0)


class Equation16(nn.Module):
    """RepObE's loss in full. prototypes: Float[classes, classes], each class's mean logits (Eq. 19)."""

    def __init__(self, prototypes: Tensor) -> None:
        super().__init__()
        self.register_buffer("prototypes", prototypes)

    def forward(self, model: System, image: Tensor, label: Tensor) -> Tensor:
        """Crafts by KL as TRADES does, and weighs the divergence by distance from the prototypes (Eqs. 20-21)."""
        return self.loss(model, image, torchattacks.TPGD(model, EPS, STEP, STEPS)(image, label), label)

    def loss(self, model: System, image: Tensor, adversarial: Tensor, label: Tensor) -> Tensor:
        """L_class of a crafted batch."""
        z, logits = model.embed(torch.cat([image, adversarial]))
        (z_nat, z_adv), (nat, adv) = z.chunk(2), logits.chunk(2)
        own = self.prototypes[label]
        tau = losses.squared_distance(nat.detach(), own).mean()
        divergence = losses.prototype_weights(adv, own, tau) * losses.kl_divergence(nat, adv)
        return losses.contrastive(z_adv, z_nat, 0.5) + cross_entropy(nat, label) + 6.0 * divergence.mean()
