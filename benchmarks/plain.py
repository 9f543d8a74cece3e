"""RepObE's system as a user writes it from Sec. 3.1: plain torch modules, channels first, float32, over AWGN.

It uses nothing of the suite, so that what makes the suite fast does not make this fast too. A test gives both the same
weights and compares what they compute.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class SqueezeExcitation(nn.Module):
    """Eq. 2, reduction 16, at least 2 units."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(2, channels // 16))
        self.excite = nn.Linear(max(2, channels // 16), channels)

    def forward(self, x: Tensor) -> Tensor:
        """Float[b, c, h, w] to the same."""
        return x * torch.sigmoid(self.excite(relu(self.squeeze(x.mean((2, 3))))))[:, :, None, None]


class Block(nn.Module):
    """Eq. 1."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, attention: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.attention = SqueezeExcitation(outputs) if attention else nn.Identity()
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Float[b, inputs, h, w] to Float[b, outputs, h/stride, w/stride]."""
        y = relu(self.norm1(self.conv1(x)))
        return relu(self.attention(self.norm2(self.conv2(y))) + self.shortcut(x))


def _convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class System(nn.Module):
    """Encoder, shuffle, noise, inverse shuffle, classifier. permutation: Int64[H·W], or None for no shuffle."""

    def __init__(self, colours: int, classes: int, permutation: Tensor | None) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _convolution(colours, 64, 7, 2),
            nn.MaxPool2d(3, 2, 1),
            Block(64, 64),
            Block(64, 64),
            Block(64, 96, 2, attention=True),
            Block(96, 96, attention=True),
            _convolution(96, 4, 3, 1),
            _convolution(4, 32, 3, 1),
            SqueezeExcitation(32),
            nn.Conv2d(32, 4, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            Block(4, 64, 2), Block(64, 64), Block(64, 128, 2), Block(128, 128), Block(128, 256, 2), Block(256, 256)
        )
        self.head = nn.Linear(256, classes)
        self.register_buffer("permutation", permutation)
        self.n0 = 0.1  # noise power per complex symbol, set for each batch

    def embed(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(z [b, 256], logits [b, classes]) of Image [b, c, S, S]."""
        features = self.encoder(2 * image - 1)
        shape = features.shape
        sent = features.flatten(2)
        if self.permutation is not None:
            sent = sent[:, :, self.permutation]
        # A complex symbol of power 1 is two reals whose squares add up to 1 on average.
        sent = sent / (2 * sent.square().mean((1, 2), keepdim=True)).sqrt()
        heard = sent + (self.n0 / 2) ** 0.5 * torch.randn_like(sent)
        if self.permutation is not None:
            heard = heard[:, :, self.permutation.argsort()]
        z = self.decoder(heard.view(shape)).mean((2, 3))
        return z, self.head(z)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [b, classes]."""
        return self.embed(image)[1]
