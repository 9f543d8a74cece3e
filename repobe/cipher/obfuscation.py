"""The confusion offset: a feature map's places shuffled by a shared key (Sec. 3.2, Eqs. 4-11), and keys themselves.

F ─ rows by K_r (4) ─ shift row i by i+c (5) ─ columns by K_c (6) ─ shift column j by j+r (7) ─▶ F_en

The eight literal steps stand below as printed. What runs is the one permutation of places that the four of them make.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from torch import Tensor

SECRET_BYTES = 32
WIDE = torch.complex128  # 16 bytes: a place's two complex64 symbols


@dataclass(frozen=True, eq=False)
class Key:
    """K = (K_r, K_c, r, c) for H×W feature maps: one for all messages, or one for each of b messages.

    rows: Int64[H] or [b, H], each a permutation of range(H); columns: of range(W); the offset bases r in [0, H) and
    c in [0, W), Int64[] or [b]. ValueError where they are not whole numbers or not these. The text form hides all
    values, so that no log shows them.
    """

    rows: Tensor = field(repr=False)
    columns: Tensor = field(repr=False)
    r: Tensor = field(repr=False)
    c: Tensor = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "r", "c"):
            given = torch.as_tensor(getattr(self, name))
            whole = given.to(torch.int64)
            if (whole != given).any():
                raise ValueError("key: K_r, K_c, r and c must be whole numbers")
            object.__setattr__(self, name, whole)
        for name, values in (("K_r", self.rows), ("K_c", self.columns)):
            if values.ndim not in (1, 2) or values.shape[-1] == 0:
                raise ValueError(f"key: {name} must have the shape [n] or [messages, n], not {tuple(values.shape)}")
            if not (values.sort(dim=-1).values == torch.arange(values.shape[-1])).all():
                raise ValueError(f"key: {name} is not a permutation of 0 … {values.shape[-1] - 1}")
        messages = self.rows.shape[:-1]
        if not messages == self.columns.shape[:-1] == self.r.shape == self.c.shape:
            raise ValueError("key: K_r, K_c, r and c are not for the same number of messages")
        height, width = self.shape
        if not (((self.r >= 0) & (self.r < height)).all() and ((self.c >= 0) & (self.c < width)).all()):
            raise ValueError("key: the offset r must lie in [0, H) and c in [0, W)")

    @classmethod
    def random(cls, height: int, width: int, generator: torch.Generator) -> "Key":
        """A key uniform over the H!·W!·H·W of Eq. 12, for experiments: the generator is not a secret."""
        return cls(
            torch.randperm(height, generator=generator),
            torch.randperm(width, generator=generator),
            torch.randint(height, (), generator=generator),
            torch.randint(width, (), generator=generator),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)"""
        return self.rows.shape[-1], self.columns.shape[-1]

    @property
    def messages(self) -> int | None:
        """How many messages it has a key each for; None where one key serves all."""
        return len(self.rows) if self.rows.ndim == 2 else None

    def __getitem__(self, which: slice) -> "Key":
        """The keys of those messages; the one key itself where it serves all."""
        if self.messages is None:
            return self
        return Key(self.rows[which], self.columns[which], self.r[which], self.c[which])

    @functools.cached_property
    def permutation(self) -> Tensor:
        """Int64[H·W] or [b, H·W]: encrypted place i·W + j carries plain place permutation[i·W + j].

        The four steps applied to the numbers of the places. In closed form F_en[i, j] = F[K_r[i'], (K_c[j] + i' + c)
        mod W] with i' = (i + j + r) mod H.
        """
        height, width = self.shape
        places = torch.arange(height * width).unflatten(0, self.shape)
        return through(places, self, ENCRYPTION).flatten(-2)

    @functools.cached_property
    def inverse(self) -> Tensor:
        """Int64[H·W] or [b, H·W]: the permutation of the receiver (Eqs. 8-11)."""
        return torch.argsort(self.permutation, dim=-1)

    def indices(self, device: torch.device, messages: int) -> tuple[Tensor, Tensor]:
        """(permutation, inverse) as Int64[messages, H·W] on a device: moved and spread out once for each batch size."""
        moved = self.__dict__.setdefault("_moved", {})
        if (device, messages) not in moved:
            size = (messages, self.permutation.shape[-1])
            both = (self.permutation, self.inverse)
            moved[device, messages] = tuple(index.expand(size).contiguous().to(device) for index in both)
        return moved[device, messages]


def row_confusion(f: Tensor, key: Key) -> Tensor:
    """F_1[a, i, :] = F_s[a, K_r[i], :] (Eq. 4). This and the next seven: [..., H, W] to the same."""
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


def through(f: Tensor, key: Key, steps: tuple[Callable[[Tensor, Key], Tensor], ...]) -> Tensor:
    """The steps one after another: ENCRYPTION is Eqs. 4-7, DECRYPTION Eqs. 8-11."""
    return functools.reduce(lambda moved, step: step(moved, key), steps, f)


def encrypt(x: Tensor, key: Key) -> Tensor:
    """[b, H·W, m], what stands at each place, to the same: one index in place of the four steps of Eqs. 4-7.

    ValueError where the key is for another size or number of messages.
    """
    _check(x, key)
    return _Move.apply(x, *key.indices(x.device, len(x)))


def decrypt(x: Tensor, key: Key) -> Tensor:
    """Undoes encrypt bit for bit (Eqs. 8-11)."""
    _check(x, key)
    forth, back = key.indices(x.device, len(x))
    return _Move.apply(x, back, forth)


class _Move(torch.autograd.Function):
    """x[:, index]; its gradient moves back by the inverse index, where autograd would add up place by place."""

    @staticmethod
    def forward(ctx, x: Tensor, index: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(index, inverse)
        return _moved(x, index)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        index, inverse = ctx.saved_tensors
        return _Move.apply(gradient, inverse, index), None, None


def _moved(x: Tensor, index: Tensor) -> Tensor:
    if x.is_contiguous() and x.element_size() * x.shape[2] == WIDE.itemsize:  # a place is one wide number: far faster
        return x.flatten().view(WIDE).view(x.shape[:2]).gather(1, index).view(x.dtype).view(x.shape)
    return x.gather(1, index[:, :, None].expand(x.shape))


def _check(x: Tensor, key: Key) -> None:
    height, width = key.shape
    if x.ndim != 3 or x.shape[1] != height * width:
        raise ValueError(f"key is for [messages, {height}×{width} = {height * width} places, m], not {tuple(x.shape)}")
    if key.messages not in (None, len(x)):
        raise ValueError(f"keys are for {key.messages} messages, not {len(x)}")


class PerMessageKeys:
    """A fresh key for each message (D6), both ends deriving it from a 256-bit secret and the message's number.

    HKDF-SHA256 turns the secret into a ChaCha20 key, the message's number is ChaCha20's nonce, and the stream's 64-bit
    words order the rows and the columns and give the offsets: uniform up to 2^-50.
    """

    def __init__(self, secret: bytes, height: int, width: int) -> None:
        if not isinstance(secret, bytes):
            raise ValueError(f"the secret must be bytes, not {type(secret).__name__}")
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the secret must have {SECRET_BYTES} bytes, not {len(secret)}")
        self._secret, self._shape, self._unused = secret, (height, width), 0
        self._sessions: dict[str, PerMessageKeys] = {}

    def session(self, *name) -> "PerMessageKeys":
        """Keys of their own, counted from 0, for a session that both ends name; no two sessions share a key.

        Named again it goes on where it stands. What was sent is remembered by this object and no longer: who goes on in
        another process must count on from where the last one ended.
        """
        purpose = f"session {name!r}"
        if purpose not in self._sessions:
            self._sessions[purpose] = PerMessageKeys(_derive(self._secret, purpose), *self._shape)
        return self._sessions[purpose]

    def sending(self, first: int, count: int) -> Key:
        """Of messages first … first+count−1, to encrypt with; ValueError where one of them has been sent already."""
        _check_counters(first, count)
        if first < self._unused:
            raise ValueError(
                f"message counter {first} is used already, the next is {self._unused}: "
                "a counter gives one key, and a key serves one message"
            )
        self._unused = first + count
        return self.receiving(first, count)

    def receiving(self, first: int, count: int) -> Key:
        """Of the same messages, to decrypt with."""
        _check_counters(first, count)
        height, width = self._shape
        cipher_key, blank = _derive(self._secret, "messages"), bytes(8 * (height + width + 2))
        streams = []
        for message in range(first, first + count):
            nonce = bytes(4) + message.to_bytes(12, "big")  # ChaCha20's own block counter, then RFC 8439's nonce
            streams.append(Cipher(ChaCha20(cipher_key, nonce), mode=None).encryptor().update(blank))
        words = np.frombuffer(b"".join(streams), "<u8").reshape(count, height + width + 2)
        rows, columns, (r, c) = words[:, :height], words[:, height:-2], words[:, -2:].T
        return Key(rows.argsort(axis=1), columns.argsort(axis=1), (r % height).astype(int), (c % width).astype(int))


class FixedKey:
    """One key for every message (D6: what the equations say), or none: key None shuffles nothing."""

    def __init__(self, key: Key | None) -> None:
        self._key = key

    @classmethod
    def derive(cls, secret: bytes, height: int, width: int) -> "FixedKey":
        """The key of a 256-bit secret."""
        keys = PerMessageKeys(secret, height, width).receiving(0, 1)
        return cls(Key(keys.rows[0], keys.columns[0], keys.r[0], keys.c[0]))

    def session(self, *name) -> "FixedKey":
        """Itself: no session changes the key."""
        return self

    def sending(self, first: int, count: int) -> Key | None:
        """The key."""
        return self._key

    receiving = sending


def _check_counters(first: int, count: int) -> None:
    if count < 1:
        raise ValueError(f"keys are for one message or more, not {count}")
    if first < 0 or first + count > 2**63:
        raise ValueError(f"message counters lie in [0, 2^63), not {first} … {first + count - 1}")


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), SECRET_BYTES, salt=None, info=f"repobe {purpose}".encode()).derive(secret)
