"""Capacity, outage rate and bit error rate of a fading channel, from the distribution of |h|².

g = |h|², E g = 1; n0 is the noise power per complex symbol, so that g/n0 is the SNR while h lasts. Every integral is
over the distribution function P(g < x), by Gauss-Legendre quadrature.
"""

import math
from collections.abc import Callable

import numpy as np

Distribution = Callable[[np.ndarray], np.ndarray]  # x to P(g < x)
Quantile = Callable[[np.ndarray], np.ndarray]  # its inverse

PANELS, NODES = 256, 16  # of the quadrature: relative errors stay below 1e-6 for K and m up to 1000
FAR = 40.0  # standard deviations; the Gaussian tail beyond is 0 in double precision
RARE = 1e-15  # gains that are less probable add nothing to a mean
QUANTILES = 2000  # gains, to average over fading what only a table gives


def ergodic_capacity(distribution: Distribution, quantile: Quantile, n0: float) -> float:
    """E log₂(1 + g/n0) = ∫ P(log₂(1 + g/n0) > R) dR, in bits a symbol."""
    rate, weight = _quadrature(float(np.log2(1 + quantile(np.array(1 - RARE)) / n0)))
    return float(weight @ (1 - distribution((2**rate - 1) * n0)))


def outage_rate(distribution: Distribution, quantile: Quantile, n0: float, outage: float) -> float:
    """The rate R, in bits a symbol, of a code that meets one h: it is lost if log₂(1 + g/n0) < R.

    outage: the probability of loss; at 0, R maximises the delivered rate R · P(log₂(1 + g/n0) ≥ R).
    """
    if outage:
        return float(np.log2(1 + quantile(np.array(outage)) / n0))
    low, high = 0.0, float(np.log2(1 + quantile(np.array(1 - RARE)) / n0))
    for _ in range(3):  # each grid is a thousand times as fine as the one before
        rate = np.linspace(low, high, 2001)
        best = int((rate * (1 - distribution((2**rate - 1) * n0))).argmax())
        low, high = rate[max(best - 1, 0)], rate[min(best + 1, len(rate) - 1)]
    return float(rate[best])


def bit_error_rate(distribution: Distribution, n0: float, spread: float = 0.0) -> float:
    """E Q(√(2g / (g σ² + n0 (1 + σ²)))), the error rate of coherent BPSK; without spread, E Q(√(2g/n0)).

    spread: σ² of the noise CN(0, σ²) that the sender adds before it scales its symbols to unit power.
    Q(a) = P(z > a) for a standard normal z, and a < z means g < z² n0 (1 + σ²) / (2 − z² σ²). Therefore the rate is
    ∫ φ(z) P(g < z² n0 (1 + σ²) / (2 − z² σ²)) dz over z > 0.
    """
    end = min(FAR, math.sqrt(2 / spread)) if spread else FAR
    z, weight = _quadrature(end)
    below = distribution(z**2 * n0 * (1 + spread) / (2 - z**2 * spread))
    always = math.erfc(end / math.sqrt(2)) / 2  # P(z > end): there the sender's own noise makes the error
    return float(weight @ (np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * below)) + always


def equally_likely(quantile: Quantile) -> np.ndarray:
    """QUANTILES equally likely gains g: an expectation over fading is the mean over them."""
    return quantile((np.arange(QUANTILES) + 0.5) / QUANTILES)


def _quadrature(end: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of an integral from 0 to `end`."""
    node, weight = np.polynomial.legendre.leggauss(NODES)
    width = end / PANELS
    centre = (np.arange(PANELS) + 0.5)[:, None] * width
    return (centre + node * width / 2).ravel(), np.tile(weight * width / 2, PANELS)
