"""What a channel of gain h can carry and how often BPSK errs on it, from the distribution of |h|² alone.

g = |h|², E g = 1; n0 is the noise power per complex symbol, so that g/n0 is the SNR while h lasts. Every integral is
over the distribution function P(g < x), by Gauss-Legendre quadrature.
"""

import math
from collections.abc import Callable

import numpy as np

Distribution = Callable[[np.ndarray], np.ndarray]  # x to P(g < x)
Quantile = Callable[[np.ndarray], np.ndarray]  # its inverse

PANELS, NODES = 256, 16  # of the quadrature: relative errors stay below 1e-6 for K and m up to 1000
FAR = 40.0  # standard deviations: the Gaussian tail beyond is 0 in double precision
RARE = 1e-15  # a gain this improbable adds nothing to a mean
QUANTILES = 2000  # what a mean over fading is taken at where it is of a table and not of a formula


def ergodic_capacity(distribution: Distribution, quantile: Quantile, n0: float) -> float:
    """E log₂(1 + g/n0) = ∫ P(log₂(1 + g/n0) > R) dR, bits a symbol of a code that meets every fade."""
    rate, weight = _quadrature(float(np.log2(1 + quantile(np.array(1 - RARE)) / n0)))
    return float(weight @ (1 - distribution((2**rate - 1) * n0)))


def outage_rate(distribution: Distribution, quantile: Quantile, n0: float, outage: float) -> float:
    """The rate R, in bits a symbol, of a code that meets one h and is lost where log₂(1 + g/n0) < R.

    outage: how often that may be; at 0 the rate that delivers most, the greatest R · P(log₂(1 + g/n0) ≥ R).
    """
    if outage:
        return float(np.log2(1 + quantile(np.array(outage)) / n0))
    low, high = 0.0, float(np.log2(1 + quantile(np.array(1 - RARE)) / n0))
    for _ in range(3):  # each look is a thousand times as fine as the one before
        rate = np.linspace(low, high, 2001)
        best = int((rate * (1 - distribution((2**rate - 1) * n0))).argmax())
        low, high = rate[max(best - 1, 0)], rate[min(best + 1, len(rate) - 1)]
    return float(rate[best])


def bit_error_rate(distribution: Distribution, n0: float, spread: float = 0.0) -> float:
    """E Q(√(2g / (g σ² + n0 (1 + σ²)))): how often coherent BPSK errs; at spread σ² = 0, E Q(√(2g/n0)).

    spread: the noise CN(0, σ²) that the sender adds before it scales to unit power. Q(a) is P(z > a) of a standard
    normal z, and a < z means g < z² n0 (1 + σ²) / (2 − z² σ²): so the rate is ∫ φ(z) P(g < that) dz over z > 0.
    """
    end = min(FAR, math.sqrt(2 / spread)) if spread else FAR
    z, weight = _quadrature(end)
    below = distribution(z**2 * n0 * (1 + spread) / (2 - z**2 * spread))
    always = math.erfc(end / math.sqrt(2)) / 2  # beyond, the sender's own noise alone is enough for an error
    return float(weight @ (np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * below)) + always


def equally_likely(quantile: Quantile) -> np.ndarray:
    """QUANTILES gains g, equally likely each: an expectation over fading is the mean over them."""
    return quantile((np.arange(QUANTILES) + 0.5) / QUANTILES)


def _quadrature(end: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of an integral from 0 to `end`."""
    node, weight = np.polynomial.legendre.leggauss(NODES)
    width = end / PANELS
    centre = (np.arange(PANELS) + 0.5)[:, None] * width
    return (centre + node * width / 2).ravel(), np.tile(weight * width / 2, PANELS)
