"""What the two ends of any method share: the interface of its keys, whether a key is a shuffle or bits."""

from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor


class MessageKeys(Protocol):
    """The keys of some messages, one each or one for all."""

    def __getitem__(self, which: slice | Tensor) -> Self:
        """The keys of some messages: `which` is a slice, or an index on the device of the keys."""

    def to(self, device: torch.device) -> Self:
        """The same keys on a device; this object if they are there already."""


@runtime_checkable
class Keys(Protocol):
    """The keys of all messages. Messages of a session are counted from 0."""

    def session(self, *name: object) -> "Keys":
        """The keys of a session that both ends name; the same name continues the same session."""

    def sending(self, first: int, count: int) -> MessageKeys | None:
        """The keys of messages first … first+count−1, to encrypt with; None where the method has no key."""

    def receiving(self, first: int, count: int) -> MessageKeys | None:
        """The keys of the same messages, to decrypt with."""
