"""Confidence intervals: over replications, or by batch means within one long run.

Sweeps apply these (`kvsim.sweep(..., replications=10)`); the functions are here for series of your
own. Student's t is scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kvsim.errors import ConfigError

__all__ = ["Comparison", "Interval", "batch_means", "compare", "replications"]

Floats = npt.NDArray[np.float64]

# Numbers of batches and the excursions into the tail that a series must have for so many: more
# batches make narrower intervals, if each is long enough. Measured (docs/sweeps.md).
_FOR_QUANTILE = {32: 160, 16: 80, 8: 20}
_FOR_MEAN = {32: 192, 16: 96, 8: 48}
# Of a mean the tail beyond this percentile.
_TAIL_FOR_MEAN = 0.9


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

    The series is cut into 32, 16 or 8 equal batches. For a mean their means are taken as
    independent values. For a percentile it is the shares of values beyond the estimate: their
    spread says how far off the estimate's rank may be, and the values of the series at the ranks
    there are the bounds, which need not be at equal distance. (A batch's own percentile is biased,
    as it has few values beyond it, and all together far too much alike.)

    What makes a series long enough is how often it went into its tail: visits beyond the estimate
    (for a mean, beyond P90), with a visit to the other half or so of the values in between, at
    least 20 (48), or there is no interval. So many values in a single excursion count as one.
    Sources: Law, "Simulation Modeling and Analysis", section 9.5; Seila (1982), Management Science
    28, for percentiles as shares.

    Parameters
    ----------
    series : array of float
        Values in order of time, after the warm-up.
    q : float, optional
        The percentile, between 0 and 1; None is the mean.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    Interval
        With NaN for bounds, and no samples, if the series is too short.

    Examples
    --------
    >>> x = np.random.default_rng(1).exponential(size=20_000)
    >>> interval = batch_means(x)
    >>> interval.low < 1 < interval.high, interval.samples
    (True, 32)
    >>> bool(np.isnan(batch_means(np.cumsum(x)).low))
    True
    """
    return batch_means_of([q], series, confidence)[0]


def batch_means_of(
    quantiles: Sequence[float | None], series: npt.ArrayLike, confidence: float = 0.95
) -> list[Interval]:
    """Return what `batch_means` does for several percentiles (None: the mean) of one series."""
    check_confidence(confidence)
    x = np.asarray(series, dtype=np.float64)
    if x.ndim != 1 or len(x) < 1:
        raise ConfigError(f"series: got shape {x.shape}; allowed: one dimension, 1 value or more")
    for q in quantiles:
        if q is not None and not 0 < q < 1:
            raise ConfigError(f"q: got {q!r}; allowed: between 0 and 1")
    ranked = np.sort(x)
    return [
        _of_mean(x, ranked, confidence) if q is None else _of_quantile(x, ranked, q, confidence)
        for q in quantiles
    ]


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


def _of_mean(x: Floats, ranked: Floats, confidence: float) -> Interval:
    estimate = float(x.mean())
    visits = _excursions(x, ranked, _TAIL_FOR_MEAN)
    batches = _num_batches(visits, _FOR_MEAN)
    if ranked[0] == ranked[-1]:
        return _batched(estimate, estimate, estimate, confidence, len(x))
    if not batches:
        return _batched(estimate, math.nan, math.nan, confidence, 0)
    half = _half_width(x, batches, confidence)
    return _batched(estimate, estimate - half, estimate + half, confidence, batches)


def _of_quantile(x: Floats, ranked: Floats, q: float, confidence: float) -> Interval:
    n = len(x)
    estimate = float(ranked[_rank(q, n)])
    if ranked[0] == ranked[-1]:
        return _batched(estimate, estimate, estimate, confidence, n)
    batches = _num_batches(_excursions(x, ranked, q), _FOR_QUANTILE)
    if batches:
        half = _half_width((x > estimate).astype(np.float64), batches, confidence)
        if q - half > 0 and q + half < 1:
            low, high = (float(ranked[_rank(p, n)]) for p in (q - half, q + half))
            return _batched(estimate, low, high, confidence, batches)
    # Also if not even the tail's share is known to be above 0: there is no bound on that side.
    return _batched(estimate, math.nan, math.nan, confidence, 0)


def _batched(estimate: float, low: float, high: float, confidence: float, n: int) -> Interval:
    return Interval(estimate, low, high, confidence, "batch means", n)


def _half_width(x: Floats, batches: int, confidence: float) -> float:
    size = len(x) // batches
    # The first values are left out rather than the last: less of the warm-up.
    means = x[len(x) - size * batches :].reshape(batches, size).mean(axis=1)
    return t_quantile(confidence, batches - 1) * float(means.std(ddof=1)) / math.sqrt(batches)


def _num_batches(excursions: int, needed: Mapping[int, int]) -> int:
    """Return the greatest number of batches that have excursions enough, 0 if none has."""
    return next((batches for batches, least in needed.items() if excursions >= least), 0)


def _excursions(x: Floats, ranked: Floats, q: float) -> int:
    """Return how often a series went beyond a percentile and came back to the other half or so.

    Beyond is above for the median and higher ones, below for lower ones.
    """
    n = len(x)
    if q >= 0.5:
        outside, back = x > ranked[_rank(q, n)], x <= ranked[_rank(q / 2, n)]
    else:
        outside, back = x < ranked[_rank(q, n)], x >= ranked[_rank((1 + q) / 2, n)]
    # Where it is neither it stays what it was.
    state = outside[outside | back]
    return int(np.count_nonzero(state[1:] & ~state[:-1])) + int(state[:1].sum())
