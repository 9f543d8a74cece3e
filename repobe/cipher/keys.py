"""Keys of the confusion offset, and how both ends agree on them: one key for all messages, or one for each.

secret (256 bits) ─ HKDF-SHA256 ─ ChaCha20, nonce = number of the message ─▶ K = (K_r, K_c, r, c)
"""

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from torch import Tensor

from repobe.cipher.interface import MessageKeys

SECRET_BYTES = 32


@dataclass(frozen=True, eq=False)
class Key:
    """K = (K_r, K_c, r, c) for H×W feature maps: one for all messages, or one for each of b messages.

    rows: Int64[H] or [b, H], each a permutation of range(H); columns: of range(W); the offset bases r in [0, H) and
    c in [0, W), Int64[] or [b]. ValueError if they are not integers, or not permutations or offsets in these ranges.
    The text form hides all values, so that no log shows them.
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
    def _valid(cls, rows: Tensor, columns: Tensor, r: Tensor, c: Tensor) -> Self:
        """A key from parts known to be valid. It skips the checks, whose sorting costs more than deriving the key."""
        key = object.__new__(cls)
        vars(key).update(rows=rows, columns=columns, r=r, c=c)
        return key

    @classmethod
    def random(cls, height: int, width: int, generator: torch.Generator) -> Self:
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
        """The number of messages that have a key each; None if one key serves all."""
        return len(self.rows) if self.rows.ndim == 2 else None

    def __getitem__(self, which: int | slice | Tensor) -> Self:
        """The keys of those messages, or of one message; this key itself if it serves all."""
        if self.messages is None:
            return self
        return self._valid(self.rows[which], self.columns[which], self.r[which], self.c[which])

    def to(self, device: torch.device) -> Self:
        """The same keys on a device; this object if they are there already."""
        parts = (part.to(device) for part in (self.rows, self.columns, self.r, self.c))
        return self if self.rows.device == device else self._valid(*parts)

    @functools.cached_property
    def permutation(self) -> Tensor:
        """Int64[H·W] or [b, H·W]: encrypted place i·W + j carries plain place permutation[i·W + j].

        The four steps of Eqs. 4-7 in closed form: F_en[i, j] = F[K_r[i'], (K_c[j] + i' + c) mod W] with
        i' = (i + j + r) mod H. i' takes only H values, so only one lookup and one sum run over all H·W places.
        """
        height, width = self.shape
        device = self.rows.device
        i, j = torch.arange(height, device=device), torch.arange(width, device=device)
        moved = (i + self.r[..., None]) % height  # i' where i + j is 0 … H − 1
        start = self.rows.gather(-1, moved) * width  # the first place of plain row K_r[i']
        shift = (moved + self.c[..., None]) % width
        which = (i[:, None] + j) % height
        column = self.columns[..., None, :] + shift[..., which]
        column = torch.where(column < width, column, column - width)  # mod W, of numbers below 2W
        return (start[..., which] + column).flatten(-2)

    @functools.cached_property
    def inverse(self) -> Tensor:
        """Int64[H·W] or [b, H·W]: the permutation of the receiver (Eqs. 8-11)."""
        forth = self.permutation
        places = torch.arange(forth.shape[-1], device=forth.device).expand(forth.shape)
        return torch.empty_like(forth).scatter_(-1, forth, places)

    def indices(self, device: torch.device, messages: int) -> tuple[Tensor, Tensor]:
        """(permutation, inverse) as Int64[messages, H·W], computed on that device once for each batch size."""
        made = self.__dict__.setdefault("_indices", {})
        if (device, messages) not in made:
            here = self.to(device)
            both = (here.permutation, here.inverse)
            made[device, messages] = tuple(index.expand(messages, -1).contiguous() for index in both)
        return made[device, messages]


class CountedKeys(ABC):
    """A fresh key for each message, which both ends derive from a 256-bit secret and the number of the message.

    Sending the same message number twice is refused, because a key serves one message. ValueError if the secret is not
    32 bytes. This object remembers what was sent; another process must continue the count itself.
    """

    def __init__(self, secret: bytes) -> None:
        if not isinstance(secret, bytes):
            raise ValueError(f"the secret must be bytes, not {type(secret).__name__}")
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the secret must have {SECRET_BYTES} bytes, not {len(secret)}")
        self._secret, self._unused = secret, 0
        self._sessions: dict[str, Self] = {}

    @abstractmethod
    def _open(self, name: tuple) -> Self:
        """The keys of a new session; they share no key with those of another name."""

    @abstractmethod
    def _derived(self, first: int, count: int) -> MessageKeys:
        """The keys of messages first … first+count−1."""

    def session(self, *name: object) -> Self:
        """The keys of a session that both ends name, counted from 0; the same name continues its counter."""
        if repr(name) not in self._sessions:
            self._sessions[repr(name)] = self._open(name)
        return self._sessions[repr(name)]

    def sending(self, first: int, count: int) -> MessageKeys:
        """The keys of messages first … first+count−1, to encrypt with; ValueError where one was sent already."""
        _check_counters(first, count)
        if first < self._unused:
            raise ValueError(
                f"message counter {first} is used already, the next is {self._unused}: "
                "a counter gives one key, and a key serves one message"
            )
        self._unused = first + count
        return self.receiving(first, count)

    def receiving(self, first: int, count: int) -> MessageKeys:
        """The keys of the same messages, to decrypt with."""
        _check_counters(first, count)
        return self._derived(first, count)


class PerMessageKeys(CountedKeys):
    """A fresh Key for each message (D6).

    HKDF-SHA256 turns the secret into a ChaCha20 key, the number of the message is the nonce of ChaCha20, and the 64-bit
    words of its stream order the rows and the columns and give the offsets: uniform up to 2^-50.
    """

    def __init__(self, secret: bytes, height: int, width: int) -> None:
        super().__init__(secret)
        self._shape = (height, width)
        self._cipher_key = derive(secret, "messages")

    def _open(self, name: tuple) -> "PerMessageKeys":
        return PerMessageKeys(derive(self._secret, f"session {name!r}"), *self._shape)

    def _derived(self, first: int, count: int) -> Key:
        height, width = self._shape
        blank, streams = bytes(8 * (height + width + 2)), []
        for message in range(first, first + count):
            nonce = bytes(4) + message.to_bytes(12, "big")  # ChaCha20's own block counter, then RFC 8439's nonce
            streams.append(Cipher(ChaCha20(self._cipher_key, nonce), mode=None).encryptor().update(blank))
        words = np.frombuffer(b"".join(streams), "<u8").reshape(count, height + width + 2)
        rows, columns = words[:, :height].argsort(axis=1), words[:, height:-2].argsort(axis=1)
        r, c = (words[:, -2] % height).astype(np.int64), (words[:, -1] % width).astype(np.int64)
        return Key._valid(*(torch.from_numpy(part) for part in (rows, columns, r, c)))


class FixedKey:
    """One key for every message (D6: what the equations say), or none: key None shuffles nothing."""

    def __init__(self, key: Key | None) -> None:
        self._key = key

    @classmethod
    def derive(cls, secret: bytes, height: int, width: int) -> "FixedKey":
        """The key of a 256-bit secret."""
        return cls(PerMessageKeys(secret, height, width)._derived(0, 1)[0])

    def session(self, *name: object) -> "FixedKey":
        """Itself: no session changes the key."""
        return self

    def sending(self, first: int, count: int) -> Key | None:
        """The key."""
        return self._key

    receiving = sending


def derive(secret: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose from a secret, by HKDF-SHA256 (RFC 5869)."""
    return HKDF(SHA256(), SECRET_BYTES, salt=None, info=f"repobe {purpose}".encode()).derive(secret)


def _check_counters(first: int, count: int) -> None:
    if count < 1:
        raise ValueError(f"keys are for one message or more, not {count}")
    if first < 0 or first + count > 2**63:
        raise ValueError(f"message counters lie in [0, 2^63), not {first} … {first + count - 1}")
