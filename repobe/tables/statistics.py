"""Statistics: intervals over seeds and over images, paired tests, multiple comparisons. All at the 95 % level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtr, ndtri, stdtr, stdtrit  # scipy.stats takes a second to import

LEVEL = 0.95
Z = ndtri((1 + LEVEL) / 2)
MIN_LOG_P = -700.0  # log p; below it, p counts as 0
UNKNOWN = "none known"  # the source of a spread between seeds, where no training has a second seed
ENOUGH = 4  # degrees of freedom from which a spread stands alone (D34): with 2 Student's t is 4.3, and Holm makes it 40


def interval(
    values: np.ndarray, n: int, proportion: bool, sd: float = np.nan, images: int | None = None
) -> tuple[float, float]:
    """Wilson's over the n images or keys (or Student's from their sd), widened by Student's t over the seeds.

    values: Float[seeds]; their tests share the n images, so the images' uncertainty stays however many seeds there are.
    images: of a mean over keys that is an accuracy, the number of test images that all keys share; Wilson's interval
    over them widens Student's over the keys, because with the right key only the noise varies between keys.
    For one seed the interval is for this trained model only; another seed may lie outside it. Without an sd only the
    seeds count; one seed then has (nan, nan).
    """
    mean = values.mean()
    low, high = wilson(mean, n) if proportion else student(mean, sd, n)
    if images:
        least, most = wilson(mean, images)
        low, high = mean - np.hypot(mean - low, mean - least), mean + np.hypot(high - mean, most - mean)
    if len(values) > 1 and np.isnan(low):
        low = high = mean
    low, high = over_seeds(values, low, high)
    return (max(0.0, low), min(1.0, high)) if proportion else (low, high)


def over_seeds(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """An interval over images, widened by Student's t over the values of the seeds, Float[seeds]; unchanged for one."""
    if len(values) == 1:
        return low, high
    return widened(values.mean(), low, high, len(values), Spread(values.std(ddof=1), len(values) - 1, "seeds"))


def student(mean: float, sd: float, n: int) -> tuple[float, float]:
    """Student's t interval for a mean of n values; (nan, nan) for one value."""
    if n < 2:
        return np.nan, np.nan
    half = stdtrit(n - 1, (1 + LEVEL) / 2) * sd / np.sqrt(n)
    return mean - half, mean + half


def wilson(p: float, n: int) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion. n·p need not be an integer: p is a mean over channel draws."""
    centre, half = p + Z * Z / (2 * n), Z * np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + Z * Z / n)), min(1.0, (centre + half) / (1 + Z * Z / n))


def newcombe(p: float, n: int, q: float, m: int) -> tuple[float, float]:
    """Interval of p − q for two independent proportions of n and m trials (Newcombe 1998, method 10)."""
    (p_low, p_high), (q_low, q_high) = wilson(p, n), wilson(q, m)
    return p - q - np.hypot(p - p_low, q_high - q), p - q + np.hypot(p_high - p, q - q_low)


def mcnemar(more: int, fewer: int) -> float:
    """McNemar's exact two-sided p: half of the `more` + `fewer` discordant pairs are expected on each side."""
    return min(1.0, 2 * float(bdtr(min(more, fewer), more + fewer, 0.5)))


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down (1979): each p times the number of p not smaller, made monotone, at most 1."""
    return np.minimum(1, np.asarray(p, float) * holm_factors(p))


def holm_factors(p: Sequence[float]) -> np.ndarray:
    """The factor by which Holm multiplies each p, between 1 and their number.

    An interval at the level 1 − 0.05/factor excludes the margin exactly where Holm's p is below 0.05.
    """
    raw = np.asarray(p, float)
    order = np.argsort(raw, kind="stable")
    step = np.arange(len(raw), 0, -1)
    monotone = np.maximum.accumulate(raw[order] * step)
    factors = np.empty_like(raw)
    factors[order] = np.divide(monotone, raw[order], out=step.astype(float), where=raw[order] > 0)
    return factors


@dataclass(frozen=True)
class Spread:
    """The spread of a figure between seeds: standard deviation, degrees of freedom, source."""

    sd: float
    df: float
    source: str


@dataclass(frozen=True)
class Difference:
    """Ours minus a rival's: difference, interval, two-sided p for "equals the margin", and the test used.

    spread: the source of the uncertainty between seeds: `seeds`, `pooled from …` or UNKNOWN. centre, errors
    (standard error and degrees of freedom of each source) and bound (the largest possible difference) give the interval
    at other levels.
    """

    difference: float
    low: float
    high: float
    p: float
    test: str
    spread: str
    centre: float
    errors: tuple[tuple[float, float], ...]
    bound: float = math.inf

    def interval(self, factor: float) -> tuple[float, float]:
        """(low, high) at the level 1 − 0.05/factor, for one of several comparisons (see `holm_factors`)."""
        half = _half_width((1 - LEVEL) / factor, self.errors)
        return max(-self.bound, self.centre - half), min(self.bound, self.centre + half)


def paired(each: np.ndarray, margin: float, pooled: Spread | None) -> Difference:
    """The mean of paired differences Float[images, seeds] in [−1, 1].

    each: per image and seed, one method's fraction of correct draws minus the other's. Two sources of uncertainty add
    up (Bouthillier et al. 2021). Images: the standard error of Agresti and Min's interval (2005, Wald+2), which adds
    half an image to each of the four cells, so no interval has width zero. Trainings: the standard deviation over the
    seeds; with fewer than ENOUGH degrees of freedom, that of such a difference in `pooled`. If no spread is known and
    every image is a clear win, loss or draw (one channel draw), p against a margin of 0 is McNemar's exact p.
    """
    n = len(each)
    image = each.mean(axis=1)
    centre = image.sum() / (n + 2)
    image_se = np.sqrt(((image**2).sum() + 1) / (n + 2) - centre**2) / np.sqrt(n + 2)
    seeds, spread = _errors_between_seeds(each.mean(axis=0), pooled)
    found = _difference(image.mean(), centre, [(image_se, np.inf), *seeds], margin, "paired", spread, bound=1.0)
    if not seeds and margin == 0 and np.isin(image, (-1, 0, 1)).all():
        p = mcnemar(int((image > 0).sum()), int((image < 0).sum()))
        return replace(found, p=p, test="exact McNemar over images")
    return found


def unpaired(each: np.ndarray, image_variance: np.ndarray, margin: float, pooled: Spread | None) -> Difference:
    """The mean of differences Float[seeds] of two means over images, without pairing the images.

    image_variance: for each seed, the sum of the two squared standard errors over images. This treats the two means as
    independent, so it is conservative: the interval is too wide if an easy image is easy for both.
    """
    seeds, spread = _errors_between_seeds(each, pooled)
    image_se = np.sqrt(image_variance.mean())
    return _difference(each.mean(), each.mean(), [(image_se, np.inf), *seeds], margin, "unpaired", spread)


def widened(mean: float, low: float, high: float, seeds: int, spread: Spread) -> tuple[float, float]:
    """An interval over images, widened by the spread of a mean over seeds: Newcombe's (1998) square-and-add."""
    half = float(stdtrit(spread.df, (1 + LEVEL) / 2)) * spread.sd / np.sqrt(seeds)
    return mean - np.hypot(mean - low, half), mean + np.hypot(high - mean, half)


def between_seeds(sd: float, seeds: int, pooled: Spread | None) -> Spread | None:
    """The spread of so many seeds' own values, or where they are few that of all methods (D34); None if unknown."""
    if seeds > ENOUGH or (pooled is None and seeds > 1):
        return Spread(sd, seeds - 1, "seeds")
    return pooled


def _errors_between_seeds(each: np.ndarray, pooled: Spread | None) -> tuple[list[tuple[float, float]], str]:
    """([(standard error of the difference, degrees of freedom)], source); the list is empty if none is known."""
    spread = between_seeds(each.std(ddof=1) if len(each) > 1 else np.nan, len(each), pooled)
    return ([], UNKNOWN) if spread is None else ([(spread.sd / np.sqrt(len(each)), spread.df)], spread.source)


def _difference(
    reported: float, centre: float, errors: list, margin: float, kind: str, spread: str, bound: float = math.inf
) -> Difference:
    """Half-widths add in quadrature, so another source never narrows the interval."""
    over = "z over images" if len(errors) == 1 else "over images and seeds"
    p = _p(centre - margin, errors)
    found = Difference(float(reported), np.nan, np.nan, p, f"{kind} {over}", spread, centre, tuple(errors), bound)
    low, high = found.interval(1)
    return replace(found, low=low, high=high)


def _half_width(p: float, parts: Sequence[tuple[float, float]]) -> float:
    return math.hypot(*(-stdtrit(df, p / 2) * se for se, df in parts))


def _p(distance: float, parts: list[tuple[float, float]]) -> float:
    """The two-sided p: the level at which the interval just reaches the margin."""
    if any(math.isnan(se) for se, _ in parts):
        return 1.0  # an unknown uncertainty excludes nothing
    parts = [(se, df) for se, df in parts if se > 0]
    if not parts:
        return 0.0 if distance else 1.0
    if len(parts) == 1:
        ((se, df),) = parts
        return float(2 * stdtr(df, -abs(distance) / se))

    from scipy.optimize import brentq  # half a second to import, and only two sources of error need it

    def lacking(log_p: float) -> float:
        return _half_width(np.exp(log_p), parts) - abs(distance)

    return 0.0 if lacking(MIN_LOG_P) < 0 else float(np.exp(brentq(lacking, MIN_LOG_P, 0.0, xtol=1e-13)))
