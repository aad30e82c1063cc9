"""Intervals within one run: batch means of its requests' latencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvsim._columns import Array
from kvsim.result import SUMMARY
from kvsim.statistics import Interval, batch_means

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


def run_half_widths(result: Result, confidence: float, names: list[str]) -> dict[str, float]:
    """Return half widths in ms of a run whose requests were kept."""
    known = batch_figures()
    series: dict[str, Array] = {}
    out: dict[str, float] = {}
    for name in names:
        column, q = known[name]
        if column not in series:
            series[column] = _series(result, column)
        if len(series[column]):
            out[name] = batch_means(series[column], q, confidence).half_width
    return out


def _series(result: Result, column: str) -> Array:
    """Return a latency in ms by order of arrival, of what was completed after the warm-up."""
    order = np.argsort(result.requests["arrival_ns"], kind="stable")
    if "outcome" in result.requests:
        order = order[result.requests["outcome"][order] == 0]
    order = order[int(result.summary["warmup_requests"] or 0) :]
    values = np.asarray(result.requests[column], dtype=np.float64)[order] / 1e6
    return values[np.isfinite(values)]
