"""The losses of Sec. 3.3: tensors in, tensors out."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, normalize


def contrastive(z_adv: Tensor, z_nat: Tensor, temperature: float) -> Tensor:
    """Pulls each adversarial embedding to its natural twin, away from the batch (Eq. 13).

    z_adv, z_nat: Float[b, d]. The similarity is the cosine, and the sum runs over all natural embeddings of the batch,
    including the twin (D39). Returns Float[], the mean over the batch.
    """
    similarity = normalize(z_adv, dim=1) @ normalize(z_nat, dim=1).T
    return cross_entropy(similarity / temperature, torch.arange(len(z_adv), device=z_adv.device))


def kl_divergence(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """D_KL(P ‖ Q) = Σ P log(P/Q) of the two softmax distributions (Eq. 17): Logits [b, K] twice to Float[b]."""
    log_p, log_q = log_softmax(logits_p, dim=1), log_softmax(logits_q, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def prototypes(logits: Tensor, label: Tensor, classes: int) -> Tensor:
    """p_y, the mean logits of each class (Eqs. 18-19): Logits [n, K] to Float[classes, K].

    ValueError if a class has no sample, because then it has no mean.
    """
    count = torch.bincount(label, minlength=classes)
    if (count == 0).any():
        empty = (count == 0).nonzero().flatten().tolist()
        raise ValueError(f"classes {empty} have no training image, so no prototype (Eq. 19); raise train_images")
    total = torch.zeros(classes, logits.shape[1], device=logits.device, dtype=logits.dtype)
    return total.index_add(0, label, logits) / count[:, None]


def squared_distance(logits: Tensor, prototype: Tensor) -> Tensor:
    """‖M(I) − p_y‖² (below Eq. 20): Float[b, K] twice to Float[b]."""
    return (logits - prototype).square().sum(dim=1)


def prototype_weights(logits_adv: Tensor, prototype: Tensor, tau: float | Tensor) -> Tensor:
    """ŵ = N w / Σ w with w = 1 − exp(−‖M(I_adv) − p_y‖² / τ) (Eqs. 20-21): Float[b] of mean 1.

    prototype: Float[b, K], the p_y of each image. The weights are constants for the gradient, because training must
    lower the loss, not the weights (D17).
    """
    weight = -torch.expm1(-squared_distance(logits_adv, prototype).detach() / tau)
    return weight / weight.mean().clamp_min(torch.finfo(weight.dtype).tiny)


def trades(logits_nat: Tensor, logits_adv: Tensor, label: Tensor, beta: float) -> Tensor:
    """CE(M(I_nat), y) + β D_KL(M(I_nat) ‖ M(I_adv)) (Zhang et al. 2019, Eq. 5)."""
    return cross_entropy(logits_nat, label) + beta * kl_divergence(logits_nat, logits_adv).mean()
