"""The confusion offset: the places of a feature map shuffled by a shared key (Sec. 3.2, Eqs. 4-11).

F ─ rows by K_r (4) ─ shift row i by i+c (5) ─ columns by K_c (6) ─ shift column j by j+r (7) ─▶ F_en

The eight steps are below as printed, for tests and the audit. The suite itself runs Key.permutation, which combines the
four steps of encryption in one permutation of places.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from repobe.cipher.keys import Key

WIDE = torch.complex128  # 16 bytes: the two complex64 symbols of a place


def row_confusion(f: Tensor, key: Key) -> Tensor:
    """F_1[a, i, :] = F_s[a, K_r[i], :] (Eq. 4). This and the next seven steps: [..., H, W] to the same shape."""
    return _take(f, key.rows[..., :, None], -2)


def column_offset(f: Tensor, key: Key) -> Tensor:
    """F_2[a, i, j] = F_1[a, i, (j + i + c) mod W] (Eq. 5)."""
    i, j = _grid(key)
    return _take(f, (j + i + key.c[..., None, None]) % key.shape[1], -1)


def column_confusion(f: Tensor, key: Key) -> Tensor:
    """F_3[a, :, j] = F_2[a, :, K_c[j]] (Eq. 6)."""
    return _take(f, key.columns[..., None, :], -1)


def row_offset(f: Tensor, key: Key) -> Tensor:
    """F_en[a, i, j] = F_3[a, (i + j + r) mod H, j] (Eq. 7)."""
    i, j = _grid(key)
    return _take(f, (i + j + key.r[..., None, None]) % key.shape[0], -2)


def inverse_row_offset(f: Tensor, key: Key) -> Tensor:
    """F'_1[a, i, j] = F_en[a, (i − j − r) mod H, j] (Eq. 8)."""
    i, j = _grid(key)
    return _take(f, (i - j - key.r[..., None, None]) % key.shape[0], -2)


def inverse_column_confusion(f: Tensor, key: Key) -> Tensor:
    """F'_2[a, :, K_c[j]] = F'_1[a, :, j] (Eq. 9)."""
    return _take(f, key.columns.argsort(dim=-1)[..., None, :], -1)


def inverse_column_offset(f: Tensor, key: Key) -> Tensor:
    """F'_3[a, i, j] = F'_2[a, i, (j − i − c) mod W] (Eq. 10)."""
    i, j = _grid(key)
    return _take(f, (j - i - key.c[..., None, None]) % key.shape[1], -1)


def inverse_row_confusion(f: Tensor, key: Key) -> Tensor:
    """F_de[a, K_r[i], :] = F'_3[a, i, :]: Eq. 11, which prints K_r without its index."""
    return _take(f, key.rows.argsort(dim=-1)[..., :, None], -2)


ENCRYPTION = (row_confusion, column_offset, column_confusion, row_offset)
DECRYPTION = (inverse_row_offset, inverse_column_confusion, inverse_column_offset, inverse_row_confusion)


def _take(f: Tensor, index: Tensor, dim: int) -> Tensor:
    dimensions = max(f.ndim, index.ndim)
    f, index = (x[(None,) * (dimensions - x.ndim)] for x in (f, index))
    return f.take_along_dim(index, dim)


def _grid(key: Key) -> tuple[Tensor, Tensor]:
    height, width = key.shape
    return torch.arange(height)[:, None], torch.arange(width)


def step_by_step(f: Tensor, key: Key, steps: tuple[Callable[[Tensor, Key], Tensor], ...]) -> Tensor:
    """Applies steps in turn: ENCRYPTION is Eqs. 4-7, DECRYPTION is Eqs. 8-11."""
    return functools.reduce(lambda moved, step: step(moved, key), steps, f)


def encrypt(x: Tensor, key: Key) -> Tensor:
    """Moves the places of [b, H·W, m] by one index, instead of the four steps of Eqs. 4-7.

    ValueError where the key is for another size or another number of messages.
    """
    _check(x, key)
    return _Move.apply(x, *key.indices(x.device, len(x)))


def decrypt(x: Tensor, key: Key) -> Tensor:
    """The inverse of encrypt, bit for bit (Eqs. 8-11)."""
    _check(x, key)
    forth, back = key.indices(x.device, len(x))
    return _Move.apply(x, back, forth)


def shuffle(symbols: Tensor, key: Key | None, move: Callable[[Tensor, Key], Tensor] = encrypt) -> Tensor:
    """Moves the H·W places of Symbols Complex[b, H·W·m] by the key; without a key they stay.

    move: encrypt, or decrypt to shuffle back. ValueError where the key does not fit the number of symbols.
    """
    if key is None:
        return symbols
    height, width = key.shape
    places = height * width
    if symbols.shape[1] % places:
        raise ValueError(f"key is for {height}×{width} places, the message has {symbols.shape[1]} symbols")
    return move(symbols.unflatten(1, (places, -1)), key).flatten(1)


class _Move(torch.autograd.Function):
    """x[:, index]. Its gradient is moved back by the inverse index, which is faster than autograd's scatter-add."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(index, inverse)
        return _moved(x, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        index, inverse = ctx.saved_tensors
        return _Move.apply(gradient, inverse, index), None, None


def _moved(x: Tensor, index: Tensor) -> Tensor:
    if x.is_contiguous() and x.element_size() * x.shape[2] == WIDE.itemsize:  # one wide number a place: far faster
        return x.flatten().view(WIDE).view(x.shape[:2]).gather(1, index).view(x.dtype).view(x.shape)
    return x.gather(1, index[:, :, None].expand(x.shape))


def _check(x: Tensor, key: Key) -> None:
    height, width = key.shape
    if x.ndim != 3 or x.shape[1] != height * width:
        raise ValueError(f"key is for [messages, {height}×{width} = {height * width} places, m], not {tuple(x.shape)}")
    if key.messages not in (None, len(x)):
        raise ValueError(f"keys are for {key.messages} messages, not {len(x)}")
