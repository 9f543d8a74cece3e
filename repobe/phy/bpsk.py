"""BPSK: bits as complex symbols of unit power and back, with gradients, and how often they flip on the air.

A bit is 0.0 or 1.0 in a Float tensor; a symbol carries one, as −1 or +1 (D1).
"""

import torch
from torch import Tensor

from repobe.phy.channel import Channel


def harden(p: Tensor) -> Tensor:
    """The more likely bit for each probability p, with the gradient of p itself (straight-through).

    A hard decision has no gradient, and an attack by gradients would then find nothing.
    """
    return (p > 0.5).to(p.dtype) + (p - p.detach())


def bits_to_symbols(bits: Tensor) -> Tensor:
    """Bits [b, k] to Symbols Complex[b, k]: 0 is −1, 1 is +1."""
    x = 2 * bits - 1
    return torch.complex(x, torch.zeros_like(x))


def symbols_to_bits(symbols: Tensor) -> Tensor:
    """Equalised Symbols Complex[b, k] to bits [b, k] by the sign of the real part, straight-through as in `harden`."""
    return harden((symbols.real + 1) / 2)


def flipped(p: float | Tensor, rate: float | Tensor) -> float | Tensor:
    """p ⊕ ε = p + ε − 2pε: the probability of a 1 after a bit, 1 with probability p, was flipped with probability ε.

    It is also the error rate of two binary symmetric channels in a row (Choi et al. 2019).
    """
    return p + rate - 2 * p * rate


def message_error_rates(channel: Channel, n0: float, messages: int, device: torch.device | None = None) -> Tensor:
    """Float[messages, 1]: the probability that a bit of each message arrives flipped, given the fading of that message.

    Block fading: Q(√(2|h|²/n0)) with one h for each message, drawn from torch's global generator. If the receiver does
    not know h, Q(√(2/n0)·Re h), which exceeds one half for every second message. If h does not last for a message, all
    messages have the channel's mean bit error rate.
    """
    if not channel.block:
        return torch.full((messages, 1), channel.bit_error_rate(n0), device=device)
    h = channel.gain(torch.empty(messages, 1, dtype=torch.complex64, device=device), None)
    assert h is not None  # block fading draws one for each message
    amplitude = h.abs() if channel.coherent else h.real
    return torch.erfc(amplitude / n0**0.5) / 2
