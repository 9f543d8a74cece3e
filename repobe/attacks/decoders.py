"""The networks that an inversion attacker trains: Symbols Complex[b, k] to Float[b, C, 32, 32]. `Decoder` adds their
output to the logits of the mean image.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from repobe.images.resizing import SCORED, resize
from repobe.phy.mapping import features
from repobe.systems.networks import image_decoder

TOKENS = 64  # most tokens that attend to each other directly: the cost is quadratic, and 28×28 places are 784
POINTS = 32  # learned points through which more tokens attend: Lee et al. 2019 use 16 to 64
WIDTH = 512  # units of the hidden layers before the pixels


class Decoder(nn.Module):
    """Symbols to an image [b, C, 32, 32] in [0, 1]: σ(logit(mean image) + network(symbols)).

    Training starts at the mean image. From grey, attackers spent their few hundred updates learning it: on digits,
    the attention decoder and the unordered network ended no better than the mean image.
    """

    def __init__(self, network: Callable, mean: Tensor, k: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.network = network(len(mean), k, grid)
        self.mean = nn.Parameter(mean.clamp(0.01, 0.99).logit())

    def forward(self, symbols: Tensor) -> Tensor:
        return torch.sigmoid(self.mean + self.network(symbols))


class Convolutional(nn.Module):
    """The receiver's own architecture. It outputs logits at the 32 pixels that are compared, not at the receiver's S.

    At 28×28 places, this reduces the cost of an update to an eighth. A linear layer first maps symbols without places
    to a 4×4 grid.
    """

    def __init__(self, colours: int, k: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        if grid == (1, 1):
            laid_out = [nn.Flatten(), nn.Linear(2 * k, 64 * 4 * 4), nn.ReLU(inplace=True), nn.Unflatten(1, (64, 4, 4))]
            self.decoder = nn.Sequential(*laid_out, image_decoder(colours, 64)[:-1])
        else:
            doublings = next((n for n in (1, 2) if min(grid) * 2**n >= SCORED), 3)
            self.decoder = image_decoder(colours, 2 * k // (grid[0] * grid[1]), doublings)[:-1]

    def forward(self, symbols: Tensor) -> Tensor:
        return resize(self.decoder(features(symbols, self.grid)), SCORED)


class FullyConnected(nn.Module):
    """Three dense layers over all symbols: a fixed shuffle of places does not make their task harder."""

    def __init__(self, colours: int, k: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * k, WIDTH),
            nn.ReLU(inplace=True),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(inplace=True),
            *_pixels(colours),
        )

    def forward(self, symbols: Tensor) -> Tensor:
        return self.layers(torch.view_as_real(symbols).flatten(1))


class InducedAttention(nn.Module):
    """Self-attention through POINTS learned points (ISAB, Lee et al. 2019), at a cost linear in the tokens.

    Float[b, tokens, width] to the same shape. It is equivariant: permuted tokens give the permuted output.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.randn(POINTS, width))
        self.gather = nn.MultiheadAttention(width, heads, batch_first=True)
        self.spread = nn.MultiheadAttention(width, heads, batch_first=True)
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(inplace=True), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        seen = self.before(tokens)
        gathered, _ = self.gather(self.points.expand(len(tokens), -1, -1), seen, seen, need_weights=False)
        told, _ = self.spread(seen, gathered, gathered, need_weights=False)
        tokens = tokens + told
        return tokens + self.feed(self.after(tokens))


class Attention(nn.Module):
    """Self-attention over places as tokens; a few learned queries read the tokens, and two layers map them to pixels.

    More than TOKENS tokens attend through learned points. If a message has no places, a token is a group of
    neighbouring symbols. ordered: each place has its own embedding. Without it, the image does not depend on the order
    of places, so the decoder uses only what no shuffle can hide (a set transformer, Lee et al. 2019).
    """

    def __init__(
        self, colours: int, k: int, grid: tuple[int, int], ordered: bool = True, width: int = 64, queries: int = 8
    ) -> None:
        super().__init__()
        self.size = k // (grid[0] * grid[1]) if grid != (1, 1) else -(-k // TOKENS)
        tokens = -(-k // self.size)
        self.missing = tokens * self.size - k
        self.token = nn.Sequential(
            nn.Linear(2 * self.size, 2 * width), nn.ReLU(inplace=True), nn.Linear(2 * width, width)
        )
        self.place = nn.Parameter(torch.randn(tokens, width)) if ordered else None
        if tokens <= TOKENS:
            self.mix = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0, batch_first=True, norm_first=True)
        else:
            self.mix = InducedAttention(width, 4)
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.read = nn.MultiheadAttention(width, 4, batch_first=True)
        self.paint = nn.Sequential(
            nn.Flatten(),
            nn.LayerNorm(queries * width),
            nn.Linear(queries * width, WIDTH),
            nn.ReLU(inplace=True),
            *_pixels(colours),
        )

    def forward(self, symbols: Tensor) -> Tensor:
        symbols = pad(symbols, (0, self.missing)).unflatten(1, (-1, self.size))
        tokens = self.token(torch.view_as_real(symbols).flatten(2))
        tokens = self.mix(tokens if self.place is None else tokens + self.place)
        queries = self.queries.expand(len(symbols), -1, -1)
        read, _ = self.read(queries, tokens, tokens, need_weights=False)
        return self.paint(read)


def unordered(colours: int, k: int, grid: tuple[int, int]) -> Attention:
    """The attention decoder that ignores the order of places."""
    return Attention(colours, k, grid, ordered=False)


def _pixels(colours: int) -> tuple[nn.Module, nn.Module]:
    return nn.Linear(WIDTH, colours * SCORED * SCORED), nn.Unflatten(1, (colours, SCORED, SCORED))
