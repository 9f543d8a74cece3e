"""The encoder and the two decoders (Sec. 3.1, Eqs. 1-2; layer counts D5), for a C×S×S image, S a multiple of 8.

image C×S×S ─ encoder ─▶ 4×S/8×S/8 ═ air ═▶ class decoder ─▶ logits   or   image decoder ─▶ C×S×S
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, relu

from repobe.systems.precision import Float32Linear
from repobe.systems.recompute import CheckpointedSequential
from repobe.systems.stem import Stem

FEATURES = 4  # channels of the transmitted feature map: 4×28×28 at S = 224 (Sec. 3.1)
ATTENTION_BLOCKS = 2  # D5: "subsequent residual blocks with an SE module", how many is not stated


class SameConv2d(nn.Conv2d):
    """A same-padded convolution. On a map of one pixel (the last if S < 48), it uses only the kernel's centre.

    The eight other taps see nothing but padding, and took a quarter of the training step on a CPU.

    A 1×1 kernel with a stride reads every second pixel alone, so these pixels are taken first. The result is the same.
    oneDNN's own strided kernel for AVX2 writes past its workspace if there are fewer than 8 input channels (oneDNN's
    issue 6035): the weights' gradient was wrong without an error, or the process died.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel_size == (1, 1):
            down, across = self.stride
            return conv2d(x[:, :, ::down, ::across], self.weight, self.bias)
        if x.shape[-2:] != (1, 1):
            return super().forward(x)
        centre = self.weight[:, :, self.padding[0], self.padding[1]]
        return linear(x.flatten(1), centre, self.bias)[:, :, None, None]


def bare_conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> SameConv2d:
    """A convolution without bias, because a batch norm follows."""
    return SameConv2d(inputs, outputs, size, stride, size // 2, bias=False)


class SqueezeExcitation(nn.Module):
    """F' = w·F, w = σ(w₂ ReLU(w₁ GAP(F))) (Eq. 2); reduction 16, at least 2 units (D5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(2, channels // 16)
        self.w1 = nn.Linear(channels, hidden)
        self.w2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.w2(relu(self.w1(x.mean(dim=(2, 3))))))
        return x * weight[:, :, None, None]


class ResidualBlock(nn.Module):
    """y = ReLU(F(x) + x): two 3×3 convolutions, x projected 1×1 where the shape changes (Eq. 1)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, attention: bool = False) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            bare_conv(inputs, outputs, stride=stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            bare_conv(outputs, outputs),
            nn.BatchNorm2d(outputs),
            SqueezeExcitation(outputs) if attention else nn.Identity(),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(bare_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.residual(x)
        y += self.shortcut(x)  # in place: neither batch norm nor the attention's product needs its own output
        return relu(y, inplace=True)


def convolution(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(bare_conv(inputs, outputs, size, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ScaleToSymmetric(nn.Module):
    """Pixels in [0, 1] to [-1, 1]. A layer of the network, so that images are in [0, 1] everywhere else."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x - 1


def encoder(colours: int, attention_blocks: int = ATTENTION_BLOCKS) -> nn.Sequential:
    """Image [b, C, S, S] to features [b, 4, S/8, S/8]; the last convolution has a bias and no batch norm."""
    return CheckpointedSequential(
        ScaleToSymmetric(),
        nn.Sequential(Stem(colours, 64), nn.BatchNorm2d(64)),
        nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.ReLU(inplace=True)),  # same result, with ReLU on a quarter of the map
        ResidualBlock(64, 64),
        ResidualBlock(64, 64),
        ResidualBlock(64, 96, 2, attention=True),
        *(ResidualBlock(96, 96, attention=True) for _ in range(attention_blocks - 1)),
        convolution(96, 4),
        convolution(4, 32),
        SqueezeExcitation(32),
        nn.Conv2d(32, FEATURES, 3, padding=1),
        stem_modules=3,
    )


class ClassDecoder(nn.Module):
    """Features [b, 4, S/8, S/8] to the embedding z [b, 256] and logits [b, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.trunk = CheckpointedSequential(
            ResidualBlock(FEATURES, 64, 2),
            ResidualBlock(64, 64),
            ResidualBlock(64, 128, 2),
            ResidualBlock(128, 128),
            ResidualBlock(128, 256, 2),
            ResidualBlock(256, 256),
        )
        self.head = Float32Linear(256, classes)

    def embed(self, features: Tensor) -> Tensor:
        """z [b, 256], the mean of the last feature map, which the contrastive loss compares (D39)."""
        return self.trunk(features).mean(dim=(2, 3), dtype=features.dtype)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.embed(features))


class Float32Sigmoid(nn.Sigmoid):
    """Pixels in float32 under autocast too: bfloat16 has 128 levels between 1/2 and 1."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float() if x.dtype == torch.bfloat16 else x)


def image_decoder(colours: int, inputs: int = FEATURES, doublings: int = 3) -> nn.Sequential:
    """Features [b, 4, S/8, S/8] to an image [b, C, S, S] in [0, 1], through three doublings of its side.

    Attackers use the same architecture, with fewer doublings where that is large enough to be compared.
    """
    layers: list[nn.Module] = []
    for number, outputs in enumerate((64, 32, 16)[:doublings]):
        if number:
            up = nn.ConvTranspose2d(inputs, inputs, 4, 2, 1, bias=False)
            layers.append(nn.Sequential(up, nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)))
        layers += [ResidualBlock(inputs, outputs), ResidualBlock(outputs, outputs)]
        inputs = outputs
    return CheckpointedSequential(*layers, nn.ConvTranspose2d(inputs, colours, 4, 2, 1), Float32Sigmoid())
