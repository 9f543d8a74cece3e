"""The size of the key space: as the paper prints it, and counting only keys that differ in what they do."""

import math


def log2_keys_printed(height: int, width: int) -> float:
    """log2(H!·W!·H·W), the key space that the paper prints (Eq. 12)."""
    return _log2_factorial(height) + _log2_factorial(width) + math.log2(height * width)


def log2_keys_effective(size: int) -> float:
    """log2(H!·W!) for H = W = size, because the offsets r and c add no ciphers.

    The keys (K_r, K_c, r, c) and (K_r rolled by r, K_c + r + c, 0, 0) shuffle alike.
    """
    return 2 * _log2_factorial(size)


def _log2_factorial(n: int) -> float:
    return math.lgamma(n + 1) / math.log(2)
