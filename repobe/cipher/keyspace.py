"""How many keys the paper counts, and how many of them differ."""

import math


def log2_keys_printed(height: int, width: int) -> float:
    """log2 of H!·W!·H·W, the key space that the paper prints (Eq. 12)."""
    return _log2_factorial(height) + _log2_factorial(width) + math.log2(height * width)


def log2_keys_effective(size: int) -> float:
    """log2 of H!·W! for H = W = size: the offsets are absorbed, for the keys (K_r, K_c, r, c) and
    (K_r rolled by r, K_c + r + c, 0, 0) are one and the same cipher.
    """
    return 2 * _log2_factorial(size)


def _log2_factorial(n: int) -> float:
    return math.lgamma(n + 1) / math.log(2)
