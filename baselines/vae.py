"""VAE: a Gaussian variational autoencoder as joint source-channel code, a rival in Fig. 3c.

The paper cites a VAE for point processes (Mehrara et al. 2019) and does not say how it applies to images. So all of
this is ours: the code z = μ + σ·ε is sent without further coding, and two decoders read it, one for classes and one for
images. Both tasks train the same network on CE + MSE + β·KL to N(0, I); the task selects which decoder's output is
scored. The network works at 32×32 pixels, which suffices for all the datasets. k = 2·(S/8)² as RepObE's, or `symbols`,
for instance 128. cost.csv counts the parameters of both decoders, because training needs both, but only the operations
of the decoder that the task uses.

image ─ resize to 32×32 ─ encoder ─▶ μ, log σ² ─ z ─ pair, unit power ═ air ═▶ class decoder, image decoder
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from repobe.images.resizing import resize
from repobe.phy.mapping import features, symbols
from repobe.systems.networks import ResidualBlock, ScaleToSymmetric, convolution
from repobe.systems.system import System
from repobe.training import method
from repobe.training.method import Problem

SIDE = 32  # pixels


@dataclass(frozen=True)
class Hyper:
    """symbols: k, the channel uses per image; 0 for RepObE's."""

    symbols: int = 0  # ours: RepObE's k; the variant with 128 is ours too
    beta: float = 1e-3  # ours: the MSE is a mean over 1024 pixels, so this is about the bound's own weight
    learning_rate: float = 1e-3  # ours: Adam's default (Kingma and Ba 2015)
    last_learning_rate: float = 1e-4  # ours: end of the cosine


def kl_to_standard_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """D_KL(N(μ, σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − log σ²), in nats (Kingma and Welling 2014, Appendix B).

    μ, log σ²: Float[b, d] twice to Float[b].
    """
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(dim=1)


class VariationalCode(System):
    """`transmit` sends the mean of the code, so it is deterministic; only training samples the code."""

    def __init__(self, problem: Problem, k: int) -> None:
        super().__init__()
        self.image_size, self.k, self.channel = problem.image_size, k, problem.channel
        self.reconstruct = problem.reconstruct
        self.encoder = nn.Sequential(
            ScaleToSymmetric(),
            convolution(problem.colours, 32, stride=2),
            ResidualBlock(32, 64, 2),
            ResidualBlock(64, 64),
            ResidualBlock(64, 128, 2),
            ResidualBlock(128, 128),
            convolution(128, 64, 1),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 2 * 2 * k),
        )
        self.class_decoder = nn.Sequential(
            nn.Linear(2 * k, 512),
            nn.ReLU(inplace=True),
            nn.Linear(512, 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, problem.classes),
        )
        self.image_decoder = nn.Sequential(
            nn.Linear(2 * k, 64 * 4 * 4),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (64, 4, 4)),
            ResidualBlock(64, 64),
            double(64, 64),
            ResidualBlock(64, 64),
            double(64, 32),
            ResidualBlock(32, 32),
            nn.ConvTranspose2d(32, problem.colours, 4, 2, 1),
            nn.Sigmoid(),
        )

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(μ, log σ²), Float[b, 2k] each; log σ² is clamped to ±10, so that its exponential stays finite."""
        mu, log_var = self.encoder(resize(image, SIDE)).chunk(2, dim=1)
        return mu, log_var.clamp(-10, 10)

    def send(self, z: Tensor) -> Tensor:
        """A code Float[b, 2k] as Symbols: neighbours are the real and the imaginary part of a symbol."""
        return symbols(z[:, :, None, None])

    def transmit(self, image, key=None, n0=None, generator=None) -> Tensor:
        return self.send(self.encode(image)[0])

    def both(self, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, Image [b, C, 32, 32]) of equalised Symbols."""
        z = features(symbols, self.grid).flatten(1)
        return self.class_decoder(z), self.image_decoder(z)

    def receive(self, symbols, key=None, n0=None) -> Tensor:
        z = features(symbols, self.grid).flatten(1)
        return resize(self.image_decoder(z), self.image_size) if self.reconstruct else self.class_decoder(z)


def double(inputs: int, outputs: int) -> nn.Sequential:
    """[b, inputs, h, w] to [b, outputs, 2h, 2w]."""
    up = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
    return nn.Sequential(up, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Method(method.Method):
    """CE + MSE + β·KL for either task. Adam with a cosine over the whole training, no weight decay."""

    autocasts = False  # its dense layers, its bound and its pixels need float32

    def __init__(self, problem: Problem, hyper: Hyper) -> None:
        super().__init__(problem)
        if hyper.symbols < 0:
            raise ValueError(
                f"hyper.symbols: {hyper.symbols} is negative; it is the number of channel uses, and 0 means RepObE's"
            )
        self.hyper = hyper
        self.system = VariationalCode(problem, hyper.symbols or 2 * (problem.image_size // 8) ** 2)

    def update(self, image: Tensor, label: Tensor, n0: float) -> dict[str, Tensor]:
        system = self.system
        mu, log_var = system.encode(image)
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
        logits, picture = system.both(system.channel(system.send(z), n0))
        terms = {
            "cross_entropy": cross_entropy(logits, label),
            "mse": mse_loss(picture, resize(image, SIDE)),
            "kl": kl_to_standard_normal(mu, log_var).mean(),
        }
        loss = terms["cross_entropy"] + terms["mse"] + self.hyper.beta * terms["kl"]
        self.optimizer_step(loss)
        return {name: value.detach() for name, value in ({"loss": loss} | terms).items()}

    def optimise(self) -> None:
        self.optimisers = [Adam(self.system.parameters(), self.hyper.learning_rate, fused=True)]
        self.schedulers = [
            CosineAnnealingLR(self.optimisers[0], self.problem.updates, self.hyper.last_learning_rate),
        ]
