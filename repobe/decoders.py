"""The networks that an inversion attacker learns: Symbols Complex[b, k] to an image [b, C, 32, 32] in [0, 1]."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from repobe.networks import image_decoder
from repobe.system import features, resize

SCORED = 32  # pixels: every reconstruction is compared at this size (D14)
PATCH = 4  # pixels of a side that one query of the attention decoder paints
TOKENS = 64  # at most so many of a message without places: attention costs their square


class Convolutional(nn.Module):
    """The legitimate user's architecture; symbols without places are first laid out on 4×4 of them."""

    def __init__(self, colours: int, k: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        if grid == (1, 1):
            laid_out = [nn.Flatten(), nn.Linear(2 * k, 64 * 4 * 4), nn.ReLU(inplace=True), nn.Unflatten(1, (64, 4, 4))]
            self.decoder = nn.Sequential(*laid_out, image_decoder(colours, 64))
        else:
            self.decoder = image_decoder(colours, 2 * k // (grid[0] * grid[1]))

    def forward(self, symbols: Tensor) -> Tensor:
        return resize(self.decoder(features(symbols, self.grid)), SCORED)


class FullyConnected(nn.Module):
    """Three layers that see every symbol at once: no shuffle of places makes their task harder."""

    def __init__(self, colours: int, k: int, grid: tuple[int, int], width: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * k, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, colours * SCORED * SCORED),
            nn.Sigmoid(),
            nn.Unflatten(1, (colours, SCORED, SCORED)),
        )

    def forward(self, symbols: Tensor) -> Tensor:
        return self.layers(torch.view_as_real(symbols).flatten(1))


class Attention(nn.Module):
    """Places as tokens through self-attention; queries, one a patch of the image, read them by cross-attention.

    A message without places goes in tokens of neighbouring symbols. ordered: each place has an embedding of its own;
    without, the image is the same for every order of places, so that it paints what no shuffle can hide (a set
    transformer, Lee et al. 2019).
    """

    def __init__(self, colours: int, k: int, grid: tuple[int, int], ordered: bool = True, width: int = 64) -> None:
        super().__init__()
        self.size = k // (grid[0] * grid[1]) if grid != (1, 1) else -(-k // TOKENS)
        tokens = -(-k // self.size)
        self.missing = tokens * self.size - k
        self.token = nn.Linear(2 * self.size, width)
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width)) if ordered else None
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0, batch_first=True, norm_first=True)
        self.mix = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.queries = nn.Parameter(0.02 * torch.randn((SCORED // PATCH) ** 2, width))
        self.read = nn.MultiheadAttention(width, 4, batch_first=True)
        self.paint = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, colours * PATCH * PATCH)
        )
        self.assemble = nn.Fold((SCORED, SCORED), PATCH, stride=PATCH)

    def forward(self, symbols: Tensor) -> Tensor:
        symbols = pad(symbols, (0, self.missing)).unflatten(1, (-1, self.size))
        tokens = self.token(torch.view_as_real(symbols).flatten(2))
        tokens = self.mix(tokens if self.place is None else tokens + self.place)
        queries = self.queries.expand(len(symbols), -1, -1)
        read, _ = self.read(queries, tokens, tokens, need_weights=False)
        return torch.sigmoid(self.assemble(self.paint(queries + read).mT))


def unordered(colours: int, k: int, grid: tuple[int, int]) -> Attention:
    """The attention decoder that does not see the order of places."""
    return Attention(colours, k, grid, ordered=False)
