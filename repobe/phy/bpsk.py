"""Bits on the air: BPSK and its error rates, and VIMCO, which learns through bits that were drawn.

A bit is 0.0 or 1.0 in a Float tensor; one is sent a complex symbol, as −1 or +1 (D1: unit power).
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from repobe.phy.channels import AWGN, BlindRayleigh, Channel, FastRayleigh, Rayleigh

GAINS = 10_000  # quantiles of |h|² that an average over fading is taken at: exact to 1e-5


def harden(p: Tensor) -> Tensor:
    """The more likely bit of each probability p; its gradient is p's own (straight-through), else attacks had none."""
    return (p > 0.5).to(p.dtype) + (p - p.detach())


def modulate(bits: Tensor) -> Tensor:
    """BPSK: bits [b, k] to Symbols Complex[b, k] of ±1."""
    x = 2 * bits - 1
    return torch.complex(x, torch.zeros_like(x))


def demodulate(symbols: Tensor) -> Tensor:
    """Equalised Symbols to bits by the sign of the real part, straight-through as in `harden`."""
    return harden((symbols.real + 1) / 2)


def flipped(p: float | Tensor, rate: float | Tensor) -> float | Tensor:
    """p ⊕ ε = p + ε − 2pε: how likely a bit is 1 that was 1 with probability p and flipped with probability ε.

    The same sum makes one binary symmetric channel of two in cascade (Choi et al. 2019).
    """
    return p + rate - 2 * p * rate


def bit_error_rate(channel: Channel, n0: float, spread: float = 0.0) -> float:
    """Mean probability that `demodulate` errs, in closed form (Proakis, Digital Communications, 5th ed., Sec. 13.3).

    AWGN: Q(√(2/n0)); Rayleigh known to the receiver: ½(1 − √(γ/(1+γ))) with γ = 1/n0; not known to it: one half.
    spread: σ² of Gaussian noise CN(0, σ²) that the sender adds before unit power. An air of |h|² = g then errs with
    Q(√(2g / (gσ² + n0(1+σ²)))); over fading that is averaged numerically.
    """
    if isinstance(channel, BlindRayleigh):
        return 0.5
    if isinstance(channel, AWGN):
        return math.erfc((spread + n0 * (1 + spread)) ** -0.5) / 2
    if not isinstance(channel, Rayleigh | FastRayleigh):
        raise ValueError(f"no bit error rate is known of {type(channel).__name__}")
    if not spread:
        return (1 - (1 + n0) ** -0.5) / 2
    gain = -torch.log((torch.arange(GAINS, dtype=torch.float64) + 0.5) / GAINS)
    return (torch.erfc((gain / (gain * spread + n0 * (1 + spread))).sqrt()) / 2).mean().item()


def message_error_rates(channel: Channel, n0: float, messages: int, device: torch.device | None = None) -> Tensor:
    """Float[messages, 1]: how likely a bit of each message arrives flipped, given the fading that the message meets.

    Block fading: Q(√(2|h|²/n0)) with one h of the channel for each message, drawn from torch's global stream; where the
    receiver does not know h, Q(√(2/n0)·Re h), above one half for every second message. Without blocks all messages
    share `bit_error_rate`.
    """
    if not isinstance(channel, Rayleigh | BlindRayleigh):
        return torch.full((messages, 1), bit_error_rate(channel, n0), device=device)
    h = channel.gain(torch.empty(messages, 1, dtype=torch.complex64, device=device), None)
    amplitude = h.real if isinstance(channel, BlindRayleigh) else h.abs()
    return torch.erfc(amplitude / n0**0.5) / 2


def log_probability(bits: Tensor, logits: Tensor, rate: float | Tensor) -> Tensor:
    """log q(bits) [..., b] of Bernoulli(sigmoid(logits) ⊕ rate), summed over the k bits; no rate makes it infinite.

    rate: one for all, or Float[b, 1].
    """
    rate = torch.as_tensor(rate, dtype=torch.float64, device=logits.device)
    likely = (2 * bits - 1) * logits
    kept = logsigmoid(likely) + torch.log1p(-rate.clamp_max(1 - 1e-15)).to(logits.dtype)
    moved = logsigmoid(-likely) + rate.clamp_min(1e-300).log().to(logits.dtype)
    return torch.logaddexp(kept, moved).sum(dim=-1)


def vimco(loss: Tensor, log_q: Tensor, released_sign: bool = False) -> Tensor:
    """−L̂ of each image [b], to be minimised, of K samples' losses [K, b] and log q [K, b] (Mnih & Rezende 2016).

    L̂ = log 1/K Σ f with log f = −loss. Its gradient is Σ (L̂ − L̂₋ₖ) ∇log q(sample k) + ∇L̂, L̂₋ₖ being L̂ with f of
    sample k replaced by the geometric mean of the others'; no bias comes of it, for sample k has no part in L̂₋ₖ.
    released_sign: what NECST's released code feeds, log f = +loss, and then minimises +L̂: the samples that fare worst
    weigh most, where in the published form those do that fare best.
    """
    sign, samples = 1 if released_sign else -1, len(loss)
    log_f = sign * loss
    bound = log_f.logsumexp(dim=0) - math.log(samples)
    with torch.no_grad():
        others = (log_f.sum(dim=0) - log_f) / (samples - 1)
        own = torch.eye(samples, dtype=torch.bool, device=loss.device)[:, :, None]
        without = torch.where(own, others[:, None], log_f).logsumexp(dim=1) - math.log(samples)
        signal = bound - without
    # The difference is zero: it leaves the value and brings the score function's gradient.
    return sign * (bound + (signal * (log_q - log_q.detach())).sum(dim=0))
