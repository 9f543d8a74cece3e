"""The channels, and power: SNR to noise, symbols to unit power (Sec. 3.1, Eq. 3, decisions D1 and D3).

Everything is complex baseband, one number a channel use: Symbols are Complex[b, k]. A channel is a class of this file.
A config calls it by its `name`, followed by the parameters that depart from the defaults, as in `rician_k10`.
"""

import math
from abc import ABC
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from repobe.phy.channel import Channel, Fading, complex_normal
from repobe.runs import names, plugins
from repobe.runs.devices import forked_random


def noise_power(snr_db: float) -> float:
    """n0, the noise power per complex symbol at E|x|² = 1: half of it is on each real dimension (D1)."""
    return 10 ** (-snr_db / 10)


def normalise_power(z: Tensor) -> Tensor:
    """ẑ = sqrt(k p) z / sqrt(z* z) with p = 1 (Eq. 3): Complex[b, k] of any power to mean power 1 for each image.

    Symbols that are all zero stay zero.
    """
    energy = (z.real.square() + z.imag.square()).mean(dim=1, keepdim=True)
    return z * torch.rsqrt(energy.clamp_min(1e-12))


class AWGN(Channel):
    """Additive white Gaussian noise alone: capacity log₂(1 + 1/n0), bit error rate Q(√(2/n0))."""

    name = "awgn"

    def gain(self, x, generator):
        return None

    def ergodic_capacity(self, n0):
        return float(np.log2(1 + 1 / n0))

    def bit_error_rate(self, n0, spread=0.0):
        return math.erfc((spread + n0 * (1 + spread)) ** -0.5) / 2


class RayleighFading(Fading, ABC):
    """h ~ CN(0, 1), so that |h|² ~ Exp(1): what its three variants share, in closed form."""

    def power_distribution(self, g):
        return -np.expm1(-g)

    def power_quantile(self, p):
        return -np.log1p(-p)

    def ergodic_capacity(self, n0):
        """e^{n0} E₁(n0) / ln 2."""
        from scipy.special import exp1

        return float(np.exp(n0) * exp1(n0) / np.log(2))

    def outage_rate(self, n0, outage):
        """A message is lost with probability 1 − exp(−(2^R − 1) n0).

        The delivered rate R exp(−(2^R − 1) n0) is greatest at R = W(1/n0)/ln 2, where W is Lambert's function.
        """
        from scipy.special import lambertw

        return super().outage_rate(n0, outage) if outage else float(lambertw(1 / n0).real / np.log(2))

    def bit_error_rate(self, n0, spread=0.0):
        """½(1 − √(γ/(1+γ))) with γ = 1/n0 (Proakis, Digital Communications, 5th ed., Sec. 13.3)."""
        return super().bit_error_rate(n0, spread) if spread else (1 - (1 + n0) ** -0.5) / 2


class Rayleigh(RayleighFading):
    """Block fading: one h for each image (D3)."""

    name = "rayleigh"

    def gain(self, x, generator):
        return complex_normal((x.shape[0], 1), x, generator)


class FastRayleigh(RayleighFading):
    """Fast fading: one h for each symbol, as under ideal interleaving (D3)."""

    name = "rayleigh_fast"
    block = False

    def gain(self, x, generator):
        return complex_normal(x.shape, x, generator)


class BlindRayleigh(RayleighFading):
    """Block fading without channel state at the receiver, which reads y as it is: phase and size are unknown (D3)."""

    name = "rayleigh_blind"
    coherent = False

    def gain(self, x, generator):
        return complex_normal((x.shape[0], 1), x, generator)

    def bit_error_rate(self, n0, spread=0.0):
        """One half: the phase of h is uniform."""
        return 0.5


@dataclass(frozen=True)
class Rician(Fading):
    """Block fading around a line of sight: h = √(K/(K+1)) + CN(0, 1/(K+1)) for each image.

    k: the factor K, the power of the direct path over the power of all others; 0 is Rayleigh fading. The phase of the
    direct path is set to 0, because a receiver that knows h removes it.
    """

    name = "rician"
    k: float = 8.0  # 9 dB, the mean of an urban line of sight: 3GPP TR 38.901, Table 7.5-6

    def __post_init__(self) -> None:
        if not 0 <= self.k < math.inf:
            raise ValueError(f"channel rician: k is {self.k:g}; K must be 0 or more")

    def gain(self, x, generator):
        scattered = complex_normal((x.shape[0], 1), x, generator)
        return (self.k / (self.k + 1)) ** 0.5 + scattered * (1 / (self.k + 1)) ** 0.5

    def power_distribution(self, g):
        """2(K+1)|h|² is non-central χ² of two degrees of freedom and non-centrality 2K."""
        from scipy.special import chndtr

        return chndtr(2 * (self.k + 1) * g, 2, 2 * self.k)

    def power_quantile(self, p):
        from scipy.special import chndtrix

        return chndtrix(p, 2, 2 * self.k) / (2 * (self.k + 1))


@dataclass(frozen=True)
class Nakagami(Fading):
    """Block fading with |h|² ~ Gamma(m, 1/m) and a uniform phase, for each image (Nakagami 1960).

    m: at least 1/2, the most severe fading; 1 is Rayleigh fading, and a large m approaches AWGN.
    """

    name = "nakagami"
    m: float = 2.0  # between Rayleigh and AWGN: |h|² has half the variance of Rayleigh's

    def __post_init__(self) -> None:
        if not 0.5 <= self.m < math.inf:
            raise ValueError(f"channel nakagami: m is {self.m:g}; it must be 1/2 or more")

    def gain(self, x, generator):
        shape = torch.full((x.shape[0], 1), self.m, device=x.device, dtype=x.real.dtype)
        # torch.distributions.Gamma draws by this function too, but takes no generator.
        power = torch._standard_gamma(shape, generator=generator) / self.m
        phase = 2 * math.pi * torch.rand(shape.shape, device=x.device, dtype=x.real.dtype, generator=generator)
        return torch.polar(power.sqrt(), phase)

    def power_distribution(self, g):
        from scipy.special import gammainc

        return gammainc(self.m, self.m * g)

    def power_quantile(self, p):
        from scipy.special import gammaincinv

        return gammaincinv(self.m, p) / self.m


BY_NAME: dict[str, type[Channel]] = {
    kind.name: kind
    for kind in list(vars().values())
    if isinstance(kind, type) and issubclass(kind, Channel) and hasattr(kind, "name")
}


def named(label: str, source: str | None = None) -> Channel:
    """The channel with that label in a config; source: the file of its class, if it is not this one.

    ValueError if there is no such channel, if a parameter is out of range, or if the class is incomplete.
    """
    name, parameters = names.channel(label, source)
    if source is None:
        return BY_NAME[name](**parameters)
    for kind in vars(plugins.imported(source)).values():
        if isinstance(kind, type) and vars(kind).get("name") == name:
            if not issubclass(kind, Channel):
                raise ValueError(f"{source}: {kind.__name__} must be a subclass of repobe.phy.channel.Channel")
            if missing := sorted(kind.__abstractmethods__):
                raise ValueError(f"{source}: {kind.__name__} does not define {', '.join(missing)}")
            return _checked(kind(**parameters), source)
    raise ValueError(f"{source} defines no class with name = '{name}'")


def _checked(channel: Channel, source: str) -> Channel:
    """A channel of the user's own; ValueError if 20,000 of its gains have another shape or another mean power than 1.

    Their mean |h|² has a standard deviation of 0.7 % over Rayleigh fading, so 10 % are no chance, but a wrong SNR.
    """
    x = torch.ones(20_000, 4, dtype=torch.complex64)
    with forked_random(x.device):  # a gain may draw from the global generator
        h = channel.gain(x, torch.Generator().manual_seed(0))
    if h is None:
        return channel
    where = f"{source}: {type(channel).__name__}.gain"
    if not (isinstance(h, Tensor) and h.is_complex() and h.shape in (x.shape, x[:, :1].shape)):
        what = f"{h.dtype}{list(h.shape)}" if isinstance(h, Tensor) else type(h).__name__
        raise ValueError(f"{where} returns {what} for symbols {list(x.shape)}; return None, complex [b, 1] or [b, k]")
    if not 0.9 < (power := h.abs().square().mean().item()) < 1.1:
        raise ValueError(f"{where} has a mean |h|² of {power:.3g}; scale it to 1, or every SNR is another than stated")
    return channel
