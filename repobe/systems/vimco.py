"""VIMCO: the gradient of a loss through discrete bits that were drawn (Mnih & Rezende 2016)."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def log_probability(bits: Tensor, logits: Tensor, rate: float | Tensor) -> Tensor:
    """log q(bits) [..., b] of Bernoulli(sigmoid(logits) ⊕ rate), summed over the k bits; finite for every rate.

    bits: [..., b, k]; logits: [b, k]; rate: the probability of a flip, one for all or Float[b, 1].
    """
    rate = torch.as_tensor(rate, dtype=torch.float64)  # a scalar stays on the host: no copy to wait for
    likely = (2 * bits - 1) * logits
    kept = logsigmoid(likely) + torch.log1p(-rate.clamp_max(1 - 1e-15)).to(logits.dtype)
    moved = logsigmoid(-likely) + rate.clamp_min(1e-300).log().to(logits.dtype)
    return torch.logaddexp(kept, moved).sum(dim=-1)


def vimco(loss: Tensor, log_q: Tensor, released_sign: bool = False) -> Tensor:
    """−L̂ [b], to be minimised, from the losses [K, b] and log q [K, b] of K samples (Mnih & Rezende 2016).

    L̂ = log 1/K Σ f with log f = −loss. Its gradient is Σ (L̂ − L̂₋ₖ) ∇log q(sample k) + ∇L̂, where L̂₋ₖ is L̂ with the f
    of sample k replaced by the geometric mean of the others. This adds no bias, because L̂₋ₖ does not depend on
    sample k.
    released_sign: as the released code of NECST, which takes log f = +loss and minimises +L̂. Then the worst samples
    have the greatest weight; in the published form the best have.
    """
    sign, samples = 1 if released_sign else -1, len(loss)
    log_f = sign * loss
    bound = log_f.logsumexp(dim=0) - math.log(samples)
    with torch.no_grad():
        others = (log_f.sum(dim=0) - log_f) / (samples - 1)
        own = torch.eye(samples, dtype=torch.bool, device=loss.device)[:, :, None]
        without = torch.where(own, others[:, None], log_f).logsumexp(dim=1) - math.log(samples)
        signal = bound - without
    # log_q − log_q is zero: it keeps the value and adds the gradient of the score function.
    return sign * (bound + (signal * (log_q - log_q.detach())).sum(dim=0))
