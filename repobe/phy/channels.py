"""The air: unit power, noise, fading and what the receiver does about it (Sec. 3.1, decisions D1 and D3).

Everything is complex baseband, one number a channel use: Symbols are Complex[b, k].
"""

import torch
from torch import Tensor


def noise_power(snr_db: float) -> float:
    """n0 per complex symbol for E|x|² = 1: half of it falls on each real dimension (D1)."""
    return 10 ** (-snr_db / 10)


def normalise_power(z: Tensor) -> Tensor:
    """ẑ = sqrt(k p) z / sqrt(z* z) with p = 1 (Eq. 3): Complex[b, k] of any power to E|x|² = 1 for each image.

    An image whose symbols are all zero stays zero.
    """
    energy = (z.real.square() + z.imag.square()).mean(dim=1, keepdim=True)
    return z * torch.rsqrt(energy.clamp_min(1e-12))


def complex_normal(shape, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """CN(0, 1): each of the real and the imaginary part has variance 1/2."""
    parts = torch.randn(*shape, 2, device=like.device, dtype=like.real.dtype, generator=generator)
    return torch.view_as_complex(parts) * 0.5**0.5


class Channel:
    """y = h x + n with n ~ CN(0, n0), then equalised.

    A draw (gain, unit noise) is apart from its application, so that two systems can be given one and the same air.
    """

    def gain(self, x: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """h for Symbols x: None (a wire), Complex[b, 1] or Complex[b, k]."""
        raise NotImplementedError

    def draw(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor | None, Tensor]:
        """(h, noise of unit power) for Symbols x."""
        return self.gain(x, generator), complex_normal(x.shape, x, generator)

    def apply(self, x: Tensor, n0: float | Tensor, draw: tuple[Tensor | None, Tensor]) -> Tensor:
        """What the receiver reads; n0 is the noise power per complex symbol, a float or Float[b]."""
        h, noise = draw
        n0 = n0.reshape(-1, 1) if isinstance(n0, Tensor) else n0
        y = (x if h is None else h * x) + n0**0.5 * noise
        return y if h is None else self.equalise(y, h, n0)

    def equalise(self, y: Tensor, h: Tensor, n0: float | Tensor) -> Tensor:
        """The MMSE estimate of unit-power symbols, for a receiver that knows h (D12)."""
        return h.conj() * y / (h.real.square() + h.imag.square() + n0)

    def __call__(self, x: Tensor, n0: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.apply(x, n0, self.draw(x, generator))


class AWGN(Channel):
    """Additive white Gaussian noise alone."""

    def gain(self, x, generator):
        return None


class Rayleigh(Channel):
    """Block fading: one h ~ CN(0, 1) for each image (D3)."""

    def gain(self, x, generator):
        return complex_normal((x.shape[0], 1), x, generator)


class FastRayleigh(Channel):
    """Fast fading: one h ~ CN(0, 1) for each symbol, as under ideal interleaving (D3)."""

    def gain(self, x, generator):
        return complex_normal(x.shape, x, generator)


class BlindRayleigh(Channel):
    """Block fading without channel state at the receiver: y as it comes, its phase and size unknown (D3)."""

    def gain(self, x, generator):
        return complex_normal((x.shape[0], 1), x, generator)

    def equalise(self, y, h, n0):
        return y


# What a spec's `channel` names; repobe.runs.spec.CHANNELS lists the same names without importing torch.
BY_NAME = {"awgn": AWGN, "rayleigh": Rayleigh, "rayleigh_fast": FastRayleigh, "rayleigh_blind": BlindRayleigh}
