"""Confidence intervals: over replications, or by batch means within one long run.

Sweeps apply these (`kvsim.sweep(..., replications=10)`); the functions are here for series of your
own. Student's t is scipy's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kvsim.errors import ConfigError

__all__ = ["Comparison", "Interval", "batch_means", "compare", "replications"]

Floats = npt.NDArray[np.float64]

# Batches that batch means begin with, and the fewest that they end with.
_MOST_BATCHES = 32
_LEAST_BATCHES = 8
# Values above (or below) the quantile that a batch must have for its quantile to mean something.
_LEAST_IN_TAIL = 10
# One-sided 10 % point of the normal distribution: batches more alike than that are dependent.
_DEPENDENT = 1.2816


@dataclass(frozen=True)
class Interval:
    """An estimate and where the true value is with some confidence.

    Attributes
    ----------
    estimate, low, high : float
        The bounds are NaN if the data do not allow an interval.
    confidence : float
        Share of such intervals that contain the true value.
    method : str
        `replications` or `batch means`.
    samples : int
        Replications or batches.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    method: str
    samples: int

    @property
    def half_width(self) -> float:
        """Half the width, in the estimate's unit."""
        return (self.high - self.low) / 2

    @property
    def relative(self) -> float:
        """Half the width as a share of the estimate."""
        return self.half_width / abs(self.estimate) if self.estimate else math.nan


@dataclass(frozen=True)
class Comparison:
    """The difference of a figure between two points of a sweep, b minus a.

    Attributes
    ----------
    metric : str
        The figure.
    a, b, difference, low, high : float
        Means, their difference and its interval.
    confidence : float
        Of the interval.
    replications : int
        Pairs, or runs of the point that has fewer.
    paired : bool
        Whether run i of both had the same random numbers, so that the interval is that of the
        differences within pairs.
    variance_ratio : float
        Variance of the difference if the runs were independent, over what pairing made of it; 1
        without pairs.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    confidence: float
    replications: int
    paired: bool
    variance_ratio: float

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def replications(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the t interval of the mean of independent runs' figures.

    Of a percentile it is that of the mean of the runs' percentiles.

    Parameters
    ----------
    values : array of float
        One value a run.
    confidence : float
        Between 0 and 1.

    Examples
    --------
    >>> interval = replications([10.0, 12.0, 11.0, 13.0])
    >>> interval.estimate, round(interval.low, 2), round(interval.high, 2)
    (11.5, 9.45, 13.55)
    """
    check_confidence(confidence)
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2:
        raise ConfigError(f"values: got shape {x.shape}; allowed: one dimension, 2 values or more")
    half = t_quantile(confidence, len(x) - 1) * float(x.std(ddof=1)) / math.sqrt(len(x))
    mean = float(x.mean())
    return Interval(mean, mean - half, mean + half, confidence, "replications", len(x))


def batch_means(
    series: npt.ArrayLike, q: float | None = None, confidence: float = 0.95
) -> Interval:
    """Return the interval of a mean or a percentile of one long, correlated series.

    The series is cut into equal batches, and their means (or percentiles) are taken as independent
    values. It begins with 32 batches and halves them down to 8 while von Neumann's ratio says (at
    10 %, one-sided) that neighbours are alike; if they still are, or a batch has fewer than ten
    values beyond the percentile, there is no interval: the run is too short for one. Sources: Law,
    "Simulation Modeling and Analysis", section 9.5; von Neumann (1941), Ann. Math. Statist. 12.

    Parameters
    ----------
    series : array of float
        Values in order of time, after the warm-up.
    q : float, optional
        The percentile, between 0 and 1; None is the mean.
    confidence : float
        Between 0 and 1.

    Examples
    --------
    >>> x = np.random.default_rng(1).exponential(size=20_000)
    >>> interval = batch_means(x)
    >>> interval.low < 1 < interval.high, interval.samples
    (True, 32)
    >>> bool(np.isnan(batch_means(np.cumsum(x)).low))
    True
    """
    check_confidence(confidence)
    x = np.asarray(series, dtype=np.float64)
    if x.ndim != 1 or len(x) < 1:
        raise ConfigError(f"series: got shape {x.shape}; allowed: one dimension, 1 value or more")
    if q is not None and not 0 < q < 1:
        raise ConfigError(f"q: got {q!r}; allowed: between 0 and 1")
    estimate = float(x.mean() if q is None else np.partition(x, _rank(q, len(x)))[_rank(q, len(x))])
    batches = _MOST_BATCHES
    while batches >= _LEAST_BATCHES:
        size = len(x) // batches
        enough = size >= 1 and (q is None or size * min(q, 1 - q) >= _LEAST_IN_TAIL)
        if enough:
            # The first values are left out rather than the last: less of the warm-up.
            values = _of_batches(x[len(x) - size * batches :].reshape(batches, size), q)
            if not _dependent(values):
                spread = float(values.std(ddof=1)) / math.sqrt(batches)
                half = t_quantile(confidence, batches - 1) * spread
                return Interval(
                    estimate, estimate - half, estimate + half, confidence, "batch means", batches
                )
        batches //= 2
    return Interval(estimate, math.nan, math.nan, confidence, "batch means", 0)


def compare(
    a: npt.ArrayLike, b: npt.ArrayLike, *, paired: bool, confidence: float = 0.95, metric: str = ""
) -> Comparison:
    """Return the interval of the difference of two means, b minus a.

    Parameters
    ----------
    a, b : array of float
        One value a run.
    paired : bool
        Run i of both had the same random numbers: the t interval of the differences. Else Welch's
        interval (1947, Biometrika 34), which does not assume equal variances.

    Examples
    --------
    >>> compare([1.0, 2.0, 3.0], [2.0, 3.1, 4.0], paired=True).significant
    True
    """
    check_confidence(confidence)
    x, y = (np.asarray(v, dtype=np.float64) for v in (a, b))
    n = min(len(x), len(y))
    if n < 2:
        raise ConfigError(f"compare: got {n} runs of a point; allowed: 2 or more")
    if paired:
        x, y = x[:n], y[:n]
    variances = float(x.var(ddof=1)) / len(x), float(y.var(ddof=1)) / len(y)
    independent = sum(variances)
    squared, df, ratio = independent, float(n - 1), 1.0
    if paired:
        squared = float((y - x).var(ddof=1)) / n
        ratio = independent / squared if squared else math.inf
    elif independent > 0:
        parts = sum(v**2 / (len(z) - 1) for v, z in zip(variances, (x, y), strict=True))
        df = independent**2 / parts
    half = t_quantile(confidence, df) * math.sqrt(squared)
    means = float(x.mean()), float(y.mean())
    gap = means[1] - means[0]
    return Comparison(metric, *means, gap, gap - half, gap + half, confidence, n, paired, ratio)


def t_quantile(confidence: float, df: float) -> float:
    """Return the two-sided quantile of Student's t (scipy).

    Examples
    --------
    >>> round(t_quantile(0.95, 9), 3)
    2.262
    """
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + confidence / 2))


def check_confidence(confidence: float) -> None:
    """Fail unless a confidence is between 0 and 1."""
    number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not number or not 0 < confidence < 1:
        raise ConfigError(f"confidence: got {confidence!r}; allowed: between 0 and 1")


def by_point(
    values: Floats, point: npt.NDArray[np.intp], num_points: int, confidence: float
) -> tuple[Floats, Floats]:
    """Return mean and half width of each point's runs; NaN for points of fewer than two runs.

    Parameters
    ----------
    values : array of float
        A figure of every run.
    point : array of int
        The point that each run is of.
    """
    count = np.bincount(point, minlength=num_points)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(point, values, num_points) / count
        squares = np.bincount(point, (values - mean[point]) ** 2, num_points)
        error = np.sqrt(squares / (count - 1) / count)
    factor = {int(n): t_quantile(confidence, int(n) - 1) if n > 1 else math.nan for n in set(count)}
    return mean, error * np.array([factor[int(n)] for n in count])


# ---- helpers


def _rank(q: float, n: int) -> int:
    """Return the place of the nearest-rank quantile in a sorted list."""
    return max(math.ceil(q * n), 1) - 1


def _of_batches(batches: Floats, q: float | None) -> Floats:
    if q is None:
        return np.asarray(batches.mean(axis=1))
    rank = _rank(q, batches.shape[1])
    return np.asarray(np.partition(batches, rank, axis=1)[:, rank])


def _dependent(values: Floats) -> bool:
    """Whether neighbouring values are alike, by von Neumann's ratio."""
    n = len(values)
    squares = float(((values - values.mean()) ** 2).sum())
    if squares == 0:
        return False
    statistic = 1 - float((np.diff(values) ** 2).sum()) / (2 * squares)
    return statistic > _DEPENDENT * math.sqrt((n - 2) / (n * n - 1))
