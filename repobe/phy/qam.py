"""Gray-mapped BPSK, QPSK, 16-QAM and 64-QAM of unit power, and the log-likelihood ratios of their bits."""

import torch
from torch import Tensor

from repobe.phy.bpsk import bits_to_symbols

BITS = {"BPSK": 1, "QPSK": 2, "16-QAM": 4, "64-QAM": 6}  # a symbol


def levels(bits: int) -> Tensor:
    """Float[2^bits]: the amplitude of each pattern, read as a number, in one dimension; neighbours differ in one bit.

    Unscaled: odd integers, all bits 0 the greatest.
    """
    place = torch.arange(2**bits)
    amplitude = torch.empty(2**bits)
    amplitude[place ^ (place >> 1)] = (2**bits - 1 - 2 * place).float()  # the Gray number of each place
    return amplitude


def patterns(bits: int) -> Tensor:
    """Bool[2^bits, bits]: the bits of each number, the first the most significant."""
    number = torch.arange(2**bits)[:, None]
    return (number >> torch.arange(bits - 1, -1, -1)) & 1 == 1


def _dimensions(modulation: str) -> tuple[int, Tensor]:
    """(bits of one real dimension, its levels at unit power of the symbol); BPSK leaves the imaginary one empty."""
    bits = max(1, BITS[modulation] // 2)
    level = levels(bits)
    used = 1 if modulation == "BPSK" else 2
    return bits, level / (used * level.square().mean()).sqrt()


def modulate(code: Tensor, modulation: str) -> Tensor:
    """Bits Bool[b, n] to Symbols Complex[b, n / bits]: half of a symbol's bits to its real part, half to the other."""
    if modulation == "BPSK":  # a 0 is +1 here, as in `llr`
        return bits_to_symbols(1 - code.float())
    bits, level = _dimensions(modulation)
    weight = 2 ** torch.arange(bits - 1, -1, -1, device=code.device)
    number = (code.unflatten(1, (-1, bits)) * weight).sum(dim=2)
    real = level.to(code.device)[number]
    return torch.complex(real[:, 0::2], real[:, 1::2])


def llr(y: Tensor, n0: float | Tensor, modulation: str) -> Tensor:
    """log P(bit = 0 | y) − log P(bit = 1 | y), exact, of y = x + n, n ~ CN(0, n0): Complex[b, s] to Float[b, s · bits].

    n0 is a float or broadcasts to y, as where each symbol has faded and been divided by its own h.
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
