"""Intervals within one run: batch means of its requests' latencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvsim._columns import Array
from kvsim.result import SUMMARY
from kvsim.statistics import Interval, batch_means, batch_means_of

if TYPE_CHECKING:
    from kvsim.result import Result

_LATENCY = {"ttft": "ttft_ns", "tpot": "tpot_ns", "e2el": "e2e_ns", "queue": "queue_ns"}
_QUANTILE = {"mean": None, "median": 0.5, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99,
             "p99.9": 0.999}  # fmt: skip


def batch_figures() -> dict[str, tuple[str, float | None]]:
    """Return the figures that batch means have intervals for: their column and percentile."""
    found = {}
    for name in SUMMARY:
        which, _, rest = name.removesuffix("_ms").partition("_")
        if which in _QUANTILE and rest in _LATENCY and name.endswith("_ms"):
            found[name] = (_LATENCY[rest], _QUANTILE[which])
    return found


def run_interval(result: Result, name: str, confidence: float) -> Interval:
    """Return the interval of a figure of a run whose requests were kept, in ms."""
    column, q = batch_figures()[name]
    return batch_means(_series(result, column), q, confidence)


def run_intervals(result: Result, confidence: float) -> dict[str, Interval]:
    """Return the intervals in ms of all figures of a run whose requests were kept."""
    figures: dict[str, dict[str, float | None]] = {}
    for name, (column, q) in batch_figures().items():
        figures.setdefault(column, {})[name] = q
    out: dict[str, Interval] = {}
    for column, quantiles in figures.items():
        series = _series(result, column)
        if len(series):
            found = batch_means_of(list(quantiles.values()), series, confidence)
            out |= dict(zip(quantiles, found, strict=True))
    return out


def _series(result: Result, column: str) -> Array:
    """Return a latency in ms by order of arrival, of what was completed after the warm-up."""
    order = np.argsort(result.requests["arrival_ns"], kind="stable")
    if "outcome" in result.requests:
        order = order[result.requests["outcome"][order] == 0]
    order = order[int(result.summary["warmup_requests"] or 0) :]
    values = np.asarray(result.requests[column], dtype=np.float64)[order] / 1e6
    return values[np.isfinite(values)]
