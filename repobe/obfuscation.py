"""The confusion offset: a feature map's positions shuffled by a shared key (Sec. 3.2, Eqs. 4-11).

F ─ rows by K_r ─ shift row i by i+c ─ columns by K_c ─ shift column j by j+r ─▶ F_en
"""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Key:
    """K = (K_r, K_c, r, c) for H×W feature maps; its text form hides its values, so that no log shows them.

    rows: a permutation of range(H); columns: of range(W); r in [0, H) and c in [0, W) are the offset bases.
    ValueError where it is not.
    """

    rows: tuple[int, ...] = field(repr=False)
    columns: tuple[int, ...] = field(repr=False)
    r: int = field(repr=False)
    c: int = field(repr=False)

    def __post_init__(self) -> None:
        for name, values in (("K_r", self.rows), ("K_c", self.columns)):
            if sorted(values) != list(range(len(values))) or not values:
                raise ValueError(f"key: {name} is not a permutation of 0 … {len(values) - 1}")
        if not 0 <= self.r < len(self.rows) or not 0 <= self.c < len(self.columns):
            raise ValueError("key: the offset r must lie in [0, H) and c in [0, W)")

    @classmethod
    def random(cls, height: int, width: int, generator: torch.Generator) -> "Key":
        """A key uniform over the H!·W!·H·W of Eq. 12, for experiments: the generator is not a secret."""
        rows = torch.randperm(height, generator=generator).tolist()
        columns = torch.randperm(width, generator=generator).tolist()
        r = torch.randint(height, (), generator=generator).item()
        c = torch.randint(width, (), generator=generator).item()
        return cls(tuple(rows), tuple(columns), r, c)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)"""
        return len(self.rows), len(self.columns)

    @cached_property
    def permutation(self) -> Tensor:
        """Int64[H·W]: encrypted position i·W + j carries plain position permutation[i·W + j].

        The closed form of Eqs. 4-7: F_en[i, j] = F[K_r[i'], (K_c[j] + i' + c) mod W] with i' = (i + j + r) mod H.
        """
        height, width = self.shape
        rows, columns = torch.tensor(self.rows), torch.tensor(self.columns)
        i, j = torch.arange(height)[:, None], torch.arange(width)[None, :]
        moved = (i + j + self.r) % height
        return (rows[moved] * width + (columns[j] + moved + self.c) % width).flatten()

    @cached_property
    def inverse(self) -> Tensor:
        """Int64[H·W]: the permutation of the receiver (Eqs. 8-11)."""
        return torch.argsort(self.permutation)


def encrypt(x: Tensor, key: Key) -> Tensor:
    """[..., H·W] to [..., H·W]: one index in place of the four steps of Eqs. 4-7."""
    _check(x, key)
    return x.index_select(-1, key.permutation.to(x.device))


def decrypt(x: Tensor, key: Key) -> Tensor:
    """Undoes encrypt bit for bit (Eqs. 8-11)."""
    _check(x, key)
    return x.index_select(-1, key.inverse.to(x.device))


def _check(x: Tensor, key: Key) -> None:
    height, width = key.shape
    if x.shape[-1] != height * width:
        raise ValueError(f"key is for {height}×{width} = {height * width} positions, the message has {x.shape[-1]}")
