"""Where the time of requests and steps went, as one row of parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from kvsim.result import Result

PARTS = (
    "frontend", "queue", "host", "compute", "hbm", "comm", "bubble", "preempted", "redo",
)  # fmt: skip
# Of a fleet's requests too, before the others.
FLEET_PARTS = ("gateway", "dispatch", "network")
STEP_PARTS = ("host", "compute", "hbm", "comm")
METRICS = ("e2e", "ttft", "tpot")
# Of the requests, from one percentile up to another.
BANDS = ((0.0, 50.0), (50.0, 90.0), (90.0, 99.0), (99.0, 100.0))
# Half the width of the band that stands for one percentile.
_HALF_BAND = 0.5
_SHARED = (*FLEET_PARTS, "frontend", "queue")


@dataclass(frozen=True)
class Waterfall:
    """One latency, or one step's duration, and its parts (docs/metrics.md defines each).

    Attributes
    ----------
    label : str
        What it is of.
    parts_ms : mapping
        Milliseconds by part; of several requests, means. They add up to `total_ms`.
    requests : int
        How many requests the means are over; 0 for a step.
    """

    label: str
    parts_ms: Mapping[str, float]
    requests: int

    @property
    def total_ms(self) -> float:
        """The latency, or the step's duration."""
        return math.fsum(self.parts_ms.values())

    @property
    def largest(self) -> str:
        """Name of the largest part."""
        return max(self.parts_ms, key=lambda name: self.parts_ms[name])

    def to_dict(self) -> dict[str, Any]:
        """Return label, number of requests, total and parts in one flat mapping."""
        parts = {f"{name}_ms": value for name, value in self.parts_ms.items()}
        return {"label": self.label, "requests": self.requests, "total_ms": self.total_ms, **parts}

    def __str__(self) -> str:
        """Text, a line a part."""
        total = self.total_ms
        lines = [f"{self.label}: {total:.3f} ms"]
        for name, value in self.parts_ms.items():
            share = 100 * value / total if total else 0.0
            lines.append(f"  {name:<10}{value:>12.3f} ms{share:>7.1f} %")
        return "\n".join(lines)


def of_request(result: Result, metric: str, request: int) -> Waterfall:
    """Return the parts of one request's latency."""
    columns = _columns(result, metric)
    number = len(columns["queue"])
    if isinstance(request, bool) or not 0 <= request < number:
        raise ConfigError(f"request: got {request!r}; allowed: 0 to {number - 1}")
    if metric == "tpot" and result.requests["output_tokens"][request] < 2:
        raise ConfigError(f"request: got {request}, which has one token; allowed: two or more")
    parts = {name: column[request] / 1e6 for name, column in columns.items()}
    return Waterfall(f"{_NAMES[metric]} of request {request}", parts, 1)


def of_band(result: Result, metric: str, low: float, high: float) -> Waterfall:
    """Return the mean parts of the requests between two percentiles of the latency."""
    _check_metric(metric)
    if not 0 <= low < high <= 100:
        raise ConfigError(f"band: got {(low, high)!r}; allowed: 0 <= low < high <= 100")
    label = (
        f"{_NAMES[metric]}, P{low:g} to P{high:g}"
        if (low, high) != (0, 100)
        else (f"mean {_NAMES[metric]}")
    )
    return _of_ranks(result, metric, low, high, label)


def of_percentile(result: Result, metric: str, percentile: float) -> Waterfall:
    """Return the mean parts of the requests within half a percent of a percentile."""
    if not 0 < percentile <= 100:
        raise ConfigError(f"percentile: got {percentile!r}; allowed: above 0, up to 100")
    _check_metric(metric)
    low, high = max(0.0, percentile - _HALF_BAND), min(100.0, percentile + _HALF_BAND)
    return _of_ranks(result, metric, low, high, f"P{percentile:g} {_NAMES[metric]}")


def of_step(result: Result, step: int) -> Waterfall:
    """Return the parts of one step's duration."""
    steps = result.steps
    if not len(steps):
        raise ConfigError("step: steps were not kept; allowed: record='steps' or 'all'")
    number = steps.num_rows
    if isinstance(step, bool) or not 0 <= step < number:
        raise ConfigError(f"step: got {step!r}; allowed: 0 to {number - 1}")
    parts = {name: float(steps[f"{name}_ns"][step]) / 1e6 for name in STEP_PARTS}
    return Waterfall(f"step {step} ({steps['tokens'][step]} tokens)", parts, 0)


def waterfall_table(waterfalls: Sequence[Waterfall]) -> dict[str, list[Any]]:
    """Return columns: label, requests, total_ms and a column a part; `pandas.DataFrame` takes it.

    Examples
    --------
    >>> waterfall_table([Waterfall("step 0", {"host": 1.0, "compute": 2.0}, 0)])["total_ms"]
    [3.0]
    """
    rows = [w.to_dict() for w in waterfalls]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name, 0.0) for row in rows] for name in names}


_NAMES = {"e2e": "E2E", "ttft": "TTFT", "tpot": "TPOT"}


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise ConfigError(f"metric: got {metric!r}; allowed: {', '.join(METRICS)}")


def _columns(result: Result, metric: str) -> dict[str, Any]:
    """Return the parts' columns in ns, by part."""
    _check_metric(metric)
    columns = result.requests
    if metric == "tpot":
        # What a request's latency has beyond its TTFT, over the tokens after the first.
        gaps = np.maximum(columns["output_tokens"] - 1, 1)
        first = _columns(result, "ttft")
        return {name: (all_ - first[name]) / gaps for name, all_ in _columns(result, "e2e").items()}
    prefix = "ttft_" if metric == "ttft" else ""
    if "host_ns" not in columns:
        raise ConfigError(
            "record: the parts of requests were not kept; allowed: record='requests' or more, with "
            "record_waterfall=True"
        )
    if f"{prefix}host_ns" not in columns:
        raise ConfigError("metric: got 'ttft'; allowed: 'e2e' for one-shot servers")
    names = (*FLEET_PARTS, *PARTS) if "gateway_ns" in columns else PARTS
    return {name: columns[f"{'' if name in _SHARED else prefix}{name}_ns"] for name in names}


def _of_ranks(result: Result, metric: str, low: float, high: float, label: str) -> Waterfall:
    columns = _columns(result, metric)  # says what is missing
    if metric != "tpot":
        requests, parts = result._native.mean_parts(metric == "ttft", low, high)
        return Waterfall(label, parts, requests)
    latency = result.requests["tpot_ns"]
    order = np.argsort(latency, kind="stable")
    order = order[np.isfinite(latency[order])]  # none of one token
    if not len(order):
        raise ConfigError("metric: got 'tpot'; allowed: another, no request has two tokens")
    first = math.floor(low / 100 * len(order))
    last = max(first + 1, math.ceil(high / 100 * len(order)))
    chosen = order[min(first, len(order) - 1) : last]
    means = {name: float(column[chosen].mean()) / 1e6 for name, column in columns.items()}
    return Waterfall(label, means, len(chosen))
