"""What figures and axes are called in a picture."""

from __future__ import annotations

from typing import Any

from kvsim._schema import paths
from kvsim.result import summary_fields

_LATENCY = {
    "ttft": "time to first token",
    "tpot": "time per output token",
    "itl": "inter-token gap",
    "e2el": "end-to-end latency",
    "queue": "time in the queue",
}


def metric_label(metric: str, unit: str = "ms") -> str:
    """Return a figure with its unit; of a latency, the one that it is drawn in.

    Examples
    --------
    >>> metric_label("p99_ttft_ms"), metric_label("request_throughput")
    ('P99 time to first token (ms)', 'request throughput (1/s)')
    """
    units = {name: unit for name, unit, _ in summary_fields()}
    which, _, rest = metric.removesuffix("_ms").partition("_")
    if metric.endswith("_ms") and rest in _LATENCY:
        return f"{which.upper() if which.startswith('p') else which} {_LATENCY[rest]} ({unit})"
    of = f" ({units[metric]})" if units.get(metric) else ""
    name = metric
    for ending in ("_ms", "_per_s", "_s"):
        name = name.removesuffix(ending)
    return name.replace("_", " ") + of


def axis_label(path: str) -> str:
    """Return an axis with its unit, by the last part of its path.

    Examples
    --------
    >>> axis_label("workload.arrivals.rate_per_s"), axis_label("engine.max_num_seqs")
    ('rate (1/s)', 'max_num_seqs (requests)')
    """
    name = path.rpartition(".")[2]
    unit = paths()[path].unit if path in paths() else ""
    if not unit:
        return name
    return f"{name.removesuffix('_per_s')} ({unit})"


def value_label(value: Any) -> str:
    """Return an axis' value as a tick has it: numbers short, objects by kind or name.

    Examples
    --------
    >>> value_label(0.25), value_label(16384), value_label({"kind": "fixed"}), value_label(None)
    ('0.25', '16384', 'fixed', 'base')
    """
    from kvsim._frontier import brief

    if value is None:
        return "base"
    return f"{value:.4g}" if isinstance(value, float) else brief(value)
