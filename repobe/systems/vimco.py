"""VIMCO: the gradient of a loss through discrete bits that were drawn (Mnih & Rezende 2016)."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


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
