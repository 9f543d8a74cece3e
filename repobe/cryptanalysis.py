"""The cipher itself, measured: how many keys differ in what they do (against Eq. 12)."""

import math
from itertools import permutations, product

import torch

from repobe.obfuscation import Key, decrypt, encrypt


def log2_keys_printed(height: int, width: int) -> float:
    """log2 of H!·W!·H·W, the key space that the paper prints (Eq. 12)."""
    return _log2_factorial(height) + _log2_factorial(width) + math.log2(height * width)


def log2_keys_effective(size: int) -> float:
    """log2 of H!·W! for H = W = size: the offsets are absorbed, for the keys (K_r, K_c, r, c) and
    (K_r rolled by r, K_c + r + c, 0, 0) are one and the same cipher.
    """
    return 2 * _log2_factorial(size)


def distinct_ciphers(height: int, width: int) -> int:
    """How many different permutations the H!·W!·H·W keys make, by trying every key."""
    keys = product(permutations(range(height)), permutations(range(width)), range(height), range(width))
    return len({tuple(Key(*key).permutation.tolist()) for key in keys})


def roundtrip_errors(height: int, width: int, trials: int, generator: torch.Generator) -> int:
    """Positions that differ in a bit after encrypt and decrypt, over `trials` random keys and messages."""
    errors = 0
    for _ in range(trials):
        key = Key.random(height, width, generator)
        message = torch.randn(4, height * width, generator=generator)
        errors += int((decrypt(encrypt(message, key), key) != message).sum())
    return errors


def _log2_factorial(n: int) -> float:
    return math.lgamma(n + 1) / math.log(2)
