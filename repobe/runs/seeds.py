"""Named seeds and secrets: the name alone decides a random stream, not the order of the calls."""

import hashlib


def seed(*parts: object) -> int:
    """A 63-bit seed named by `parts`, so that no random stream depends on the order of calls."""
    return int.from_bytes(_digest(parts)[:8], "big") >> 1


def secret(*parts: object) -> bytes:
    """The 256-bit secret of an experiment's two ends; anyone with the spec can compute it, so it protects nothing."""
    return _digest(("secret", *parts))


def _digest(parts: tuple) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()
