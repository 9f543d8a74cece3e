"""Gray-mapped BPSK, QPSK, 16-QAM and 64-QAM with unit power, and the log-likelihood ratios of their bits."""

import torch
from torch import Tensor

from repobe.phy.bpsk import bits_to_symbols

BITS = {"BPSK": 1, "QPSK": 2, "16-QAM": 4, "64-QAM": 6}  # bits of a symbol


def levels(bits: int) -> Tensor:
    """Float[2^bits]: the amplitude in one real dimension of each bit pattern, which is read as a number.

    Odd integers, not scaled; the pattern of zeros has the greatest. Neighbouring amplitudes differ in one bit.
    """
    place = torch.arange(2**bits)
    amplitude = torch.empty(2**bits)
    amplitude[place ^ (place >> 1)] = (2**bits - 1 - 2 * place).float()  # the Gray number of each place
    return amplitude


def patterns(bits: int) -> Tensor:
    """Bool[2^bits, bits]: the bits of each number, the most significant first."""
    number = torch.arange(2**bits)[:, None]
    return (number >> torch.arange(bits - 1, -1, -1)) & 1 == 1


def _dimensions(modulation: str) -> tuple[int, Tensor]:
    """(bits of one real dimension, its levels where the symbol has unit power); BPSK uses the real dimension only."""
    bits = max(1, BITS[modulation] // 2)
    level = levels(bits)
    used = 1 if modulation == "BPSK" else 2
    return bits, level / (used * level.square().mean()).sqrt()


def modulate(code: Tensor, modulation: str) -> Tensor:
    """Bits Bool[b, n] to Symbols Complex[b, n / bits]: the first half of a symbol's bits make its real part."""
    if modulation == "BPSK":  # a 0 is +1 here, as in `llr`
        return bits_to_symbols(1 - code.float())
    bits, level = _dimensions(modulation)
    weight = 2 ** torch.arange(bits - 1, -1, -1, device=code.device)
    number = (code.unflatten(1, (-1, bits)) * weight).sum(dim=2)
    real = level.to(code.device)[number]
    return torch.complex(real[:, 0::2], real[:, 1::2])


def llr(y: Tensor, n0: float | Tensor, modulation: str) -> Tensor:
    """log P(bit = 0 | y) − log P(bit = 1 | y) for y = x + n, n ~ CN(0, n0): Complex[b, s] to Float[b, s · bits].

    Exact, not max-log. n0: a float, or a tensor that broadcasts to y where each symbol was divided by its own h.
    """
    bits, level = _dimensions(modulation)
    level, one = level.to(y.device), patterns(bits).to(y.device)
    n0 = torch.as_tensor(n0, device=y.device, dtype=level.dtype).expand(y.shape)
    parts = [y.real] if modulation == "BPSK" else [y.real, y.imag]
    ratios = []
    for part in parts:
        metric = -(part[..., None] - level).square() / n0[..., None]
        zero = [metric[..., ~one[:, bit]].logsumexp(dim=2) for bit in range(bits)]
        ratios += [zero[bit] - metric[..., one[:, bit]].logsumexp(dim=2) for bit in range(bits)]
    return torch.stack(ratios, dim=2).flatten(1)
