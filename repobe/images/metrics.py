"""Every measure of an output: one value an image, not pooled. Images are Float[b, c, h, w] in [0, 1]."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d


def correct(logits: Tensor, label: Tensor) -> Tensor:
    """Float[b]: 1 where the largest logit is the label's, else 0."""
    return (logits.argmax(dim=1) == label).float()


def mse(image: Tensor, reference: Tensor) -> Tensor:
    """Float[b], mean squared error over pixels and colours."""
    return (image - reference).square().mean(dim=(1, 2, 3))


def psnr_db(image: Tensor, reference: Tensor) -> Tensor:
    """Float[b] in dB for a peak of 1; at most 100 dB, so that a perfect image leaves means finite."""
    return -10 * mse(image, reference).clamp_min(1e-10).log10()


def ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Float[b], structural similarity (Wang et al. 2004): Gaussian window of 11 taps, sigma 1.5.

    The mean over colours and over places where the window fits; ValueError below 11 pixels.
    """
    if min(image.shape[-2:]) < 11:
        raise ValueError(f"ssim needs images of 11 pixels and more, got {tuple(image.shape[-2:])}")
    taps = torch.arange(-5, 6, device=image.device, dtype=image.dtype)
    window = torch.exp(-taps.square() / (2 * 1.5**2))
    window = window / window.sum()

    def blur(x: Tensor) -> Tensor:
        x = x.flatten(0, 1)[:, None]
        return conv2d(conv2d(x, window[None, None, :, None]), window[None, None, None, :])

    mean_x, mean_y = blur(image), blur(reference)
    variance_x = blur(image.square()) - mean_x.square()
    variance_y = blur(reference.square()) - mean_y.square()
    covariance = blur(image * reference) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    )
    return similarity.mean(dim=(1, 2, 3)).unflatten(0, image.shape[:2]).mean(dim=1)
