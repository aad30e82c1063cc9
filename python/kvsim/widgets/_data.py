"""What instruments draw, from Python's results: the same shapes as the engine's in a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from kvsim._frontier import FrontierResult
from kvsim._memory_map import MemoryMap
from kvsim.result import Result

# A picture has at most so many places and moments.
_MOST_ROWS, _MOST_COLUMNS = 256, 320
_WATERFALLS = {"mean": None, "p50": 50.0, "p99": 99.0}
_COLUMNS = {
    "free": "free_slots", "tokens": "token_slots", "reserved": "reserved_slots",
    "internal": "internal_slots", "rounding": "rounding_slots", "external": "external_slots",
    "cached": "cached_slots",
}  # fmt: skip


def frontier_data(found: FrontierResult, run_id: str) -> dict[str, Any]:
    """Return a frontier's first series as `instruments/frontier.js` takes it."""
    series = found.series[0]
    knee = series.knee(found.metric)
    rows = series.table.rows()
    shown = ("request_throughput", found.metric)
    return {
        "metric": found.metric,
        "offered_per_s": _plain(series.offered_per_s),
        "capacity_per_s": series.capacity_per_s,
        "capacity_run": {"id": f"{run_id}/capacity"},
        "knee": knee and knee.to_dict(),
        "reason": series.reason,
        "runs": [
            {
                "id": f"{run_id}/{i}",
                "status": row["status"],
                "reason": row["reason"],
                "summary": {name: row[name] for name in shown},
            }
            for i, row in enumerate(rows)
        ],
    }


def run_data(result: Result, run_id: str) -> dict[str, Any]:
    """Return a run as `instruments/waterfall.js` takes it."""
    return {
        "id": run_id,
        "status": result.status,
        "reason": result.reason,
        "waterfalls": {
            metric: {
                which: {"parts_ms": dict(result.waterfall(metric, percentile=at).parts_ms)}
                for which, at in _WATERFALLS.items()
            }
            for metric in ("ttft", "e2e")
        },
    }


def heatmap_data(result: Result, run_id: str) -> dict[str, Any]:
    """Return a run's memory as `instruments/heatmap.js` takes it, thinned to what a screen has."""
    return {
        "id": run_id,
        "status": result.status,
        "reason": result.reason,
        "columns": {"heatmap": _thinned(result.memory_map)},
    }


def failed_data(status: str, reason: str, run_id: str) -> dict[str, Any]:
    """Return a run that could not be made; every instrument says so in its place."""
    none: dict[str, Any] = {"id": run_id, "status": status, "reason": reason}
    return {
        **none, "waterfalls": None, "columns": {}, "metric": "p99_ttft_ms", "offered_per_s": [],
        "capacity_per_s": None, "capacity_run": none, "knee": None, "runs": [],
    }  # fmt: skip


def _thinned(found: MemoryMap) -> dict[str, Any]:
    rows = _picked(len(found.row_slot), _MOST_ROWS)
    columns = _picked(len(found.t_ns), _MOST_COLUMNS)
    # Of what happened between two moments, all counts for the later one.
    ends = columns + 1
    since = {
        name: np.diff(np.concatenate([[0], np.cumsum(column)])[np.concatenate([[0], ends])])
        for name, column in (("preemptions", found.preemptions), ("evictions", found.evictions))
    }
    picture = np.ix_(rows, columns)
    return {
        "t_ns": _plain(found.t_ns[columns]),
        "row_slot": _plain(found.row_slot[rows]),
        "slot_class": _plain(found.slot_class[picture].T.ravel()),
        "owner": _plain(found.owner[picture].T.ravel()),
        **{column: _plain(found.slots[name][columns]) for name, column in _COLUMNS.items()},
        **{name: _plain(counts) for name, counts in since.items()},
    }


def _picked(count: int, most: int) -> Any:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _plain(values: Any) -> Any:
    """Return an array as lists that JSON has."""
    return np.asarray(values).tolist()
