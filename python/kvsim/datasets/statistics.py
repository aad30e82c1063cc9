"""Statistics of a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from kvsim.datasets.trace import Trace


class Lengths(TypedDict):
    """A column of lengths, in tokens; percentiles are nearest-rank."""

    mean: float
    median: int
    p99: int
    min: int
    max: int
    sum: int


class Arrivals(TypedDict):
    """Arrival times. `gap_cv` is the standard deviation of the gaps over their mean."""

    duration_s: float
    rate_per_s: float | None
    gap_cv: float | None
    longest_gap_s: float | None
    longest_gap_before_row: int | None


class Prefixes(TypedDict):
    """Prefix blocks, and how many an unlimited cache would hit (leading run of known ids)."""

    blocks: int
    unique_blocks: int
    hit_blocks: int
    hit_fraction: float


class Description(TypedDict):
    """What `Trace.describe()` returns; JSON-able, None where a part does not exist."""

    name: str
    requests: int
    arrivals: Arrivals | None
    prompt_tokens: Lengths
    output_tokens: Lengths
    prefixes: Prefixes | None
    sessions: int | None


def describe(trace: Trace) -> Description:
    """Statistics of the trace's columns."""
    sessions = trace.session_id
    return {
        "name": trace.name,
        "requests": len(trace),
        "arrivals": None if trace.arrival_ns is None else _arrivals(trace.arrival_ns),
        "prompt_tokens": _lengths(trace.prompt_tokens),
        "output_tokens": _lengths(trace.output_tokens),
        "prefixes": _prefixes(trace),
        "sessions": None if sessions is None else len(np.unique(sessions[sessions >= 0])),
    }


def _lengths(column: npt.NDArray[np.int32]) -> Lengths:
    ordered = np.sort(column)
    n = len(ordered)
    return {
        "mean": float(column.mean(dtype=np.float64)),
        "median": int(ordered[-(-n // 2) - 1]),
        "p99": int(ordered[-(-99 * n // 100) - 1]),
        "min": int(ordered[0]),
        "max": int(ordered[-1]),
        "sum": int(column.sum(dtype=np.int64)),
    }


def _arrivals(times: npt.NDArray[np.int64]) -> Arrivals:
    gaps = np.diff(times)
    duration_s = float(times[-1] - times[0]) / 1e9
    mean = float(gaps.mean()) if len(gaps) else 0.0
    return {
        "duration_s": duration_s,
        "rate_per_s": len(times) / duration_s if duration_s else None,
        "gap_cv": float(gaps.std()) / mean if mean else None,
        "longest_gap_s": float(gaps.max()) / 1e9 if len(gaps) else None,
        "longest_gap_before_row": int(gaps.argmax()) + 2 if len(gaps) else None,
    }


def _prefixes(trace: Trace) -> Prefixes | None:
    ids, starts = trace.hash_ids, trace.hash_offset
    if ids is None or starts is None:
        return None
    first_seen = np.zeros(len(ids), bool)
    unique, at = np.unique(ids, return_index=True)
    first_seen[at] = True
    # A request hits up to its first block that nobody had before.
    position: npt.NDArray[Any] = np.where(
        first_seen, np.arange(len(ids)), starts[1:].repeat(np.diff(starts))
    )
    hits = int((np.minimum.reduceat(position, starts[:-1]) - starts[:-1]).sum())
    return {
        "blocks": len(ids),
        "unique_blocks": len(unique),
        "hit_blocks": hits,
        "hit_fraction": hits / len(ids),
    }
