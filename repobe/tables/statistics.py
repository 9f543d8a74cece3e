"""How sure: intervals over seeds and over images, tests of paired outcomes, many comparisons at once. All at 95 %."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
Z = stats.norm.ppf((1 + LEVEL) / 2)


def interval(values: np.ndarray, n: int, proportion: bool, images_sd: float = np.nan) -> tuple[float, float]:
    """Student's t over seeds; of one seed over its n images: Wilson's, or Student's from their standard deviation.

    The images' says how sure the figure is of this model, not how another seed's would turn out. (nan, nan) where
    neither is known.
    """
    if len(values) > 1:
        low, high = student(values.mean(), values.std(ddof=1), len(values))
        return (max(0.0, low), min(1.0, high)) if proportion else (low, high)
    return wilson(values[0], n) if proportion else student(values[0], images_sd, n)


def student(mean: float, sd: float, n: int) -> tuple[float, float]:
    """Student's t interval of a mean of n values; (nan, nan) of one."""
    if n < 2:
        return np.nan, np.nan
    half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * sd / np.sqrt(n)
    return mean - half, mean + half


def wilson(p: float, n: int) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion; n·p need not be whole: it is a mean over channel draws."""
    centre, half = p + Z * Z / (2 * n), Z * np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + Z * Z / n)), min(1.0, (centre + half) / (1 + Z * Z / n))


def newcombe(p: float, n: int, q: float, m: int) -> tuple[float, float]:
    """The difference p − q of two independent proportions of n and m (Newcombe 1998, method 10)."""
    (p_low, p_high), (q_low, q_high) = wilson(p, n), wilson(q, m)
    return p - q - np.hypot(p - p_low, q_high - q), p - q + np.hypot(p_high - p, q - q_low)


def mcnemar(more: int, fewer: int) -> float:
    """McNemar's exact two-sided p: of `more` + `fewer` discordant pairs, half are expected on either side."""
    return float(stats.binomtest(more, more + fewer).pvalue) if more + fewer else 1.0


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down (1979): each p times how many are not smaller, never below the one before, at most 1."""
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


@dataclass(frozen=True)
class Difference:
    """Ours less a rival's: its interval, the two-sided p that it equals the margin, and what test gave that."""

    difference: float
    low: float
    high: float
    p: float
    test: str


def over_seeds(each: np.ndarray, margin: float) -> Difference:
    """From two or more seeds' differences: each seed's two models meet the same images and the same air."""
    mean, sd, n = each.mean(), each.std(ddof=1), len(each)
    low, high = student(mean, sd, n)
    return Difference(mean, low, high, _p(mean - margin, sd / np.sqrt(n), n - 1), "paired t over seeds")


def over_images(each: np.ndarray, margin: float) -> Difference:
    """From one seed's differences image by image, Float[n] in [−1, 1]: an image's fraction of correct draws, less
    the rival's.

    Against a margin of 0 the exact McNemar test, in which an image counts for whichever was right in more of its
    draws (with one draw, McNemar's own; with more, the sign test over images, sure of nothing where the mean points
    the other way). The interval, and p against any other
    margin, are Agresti and Min's (2005, Wald+2): half an image is added to each of the four cells, so that no
    interval has width zero; with several draws the same half images are added to the fractions.
    """
    n = len(each)
    mean = each.sum() / (n + 2)
    se = np.sqrt(((each**2).sum() + 1) / (n + 2) - mean**2) / np.sqrt(n + 2)
    low, high = max(-1.0, mean - Z * se), min(1.0, mean + Z * se)
    if margin == 0:
        more, fewer = int((each > 0).sum()), int((each < 0).sum())
        # Apart where more images are won, but in fewer draws than the others are lost in.
        p = mcnemar(more, fewer) if (more - fewer) * mean > 0 else 1.0
        return Difference(each.mean(), low, high, p, "exact McNemar over images")
    return Difference(each.mean(), low, high, _p(mean - margin, se), "paired z over images")


def apart(mean: float, sd: float, n: int, other: float, other_sd: float, other_n: int, margin: float) -> Difference:
    """From two means over images whose pairs are not kept: taken for independent, the interval is wider than need be
    where an easy image is easy for both.
    """
    difference, se = mean - other, np.sqrt(sd**2 / n + other_sd**2 / other_n)
    p = _p(difference - margin, se)
    return Difference(difference, difference - Z * se, difference + Z * se, p, "z over images, unpaired")


def _p(distance: float, se: float, df: float = np.inf) -> float:
    if se == 0:
        return 0.0 if distance else 1.0
    return float(2 * stats.t.sf(abs(distance) / se, df))
