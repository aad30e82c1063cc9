"""How much memory a sweep will need, before it takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kvsim._encode import Encodable
from kvsim._replicate import Plan
from kvsim._runs import Runs
from kvsim.errors import ConfigError
from kvsim.result import SUMMARY

# Bytes of a request in a running simulation: its columns (arrival to waterfall), the request table
# and the scheduler's state of it. Measured: 150 to 300, by what is recorded.
_REQUEST_BYTES = 320
_BASE_BYTES = 50e6


def check_memory(runs: Runs, how: Plan, threads: int, limit_gb: float | None) -> None:
    """Fail if a sweep is estimated to need more memory than allowed."""
    if limit_gb is None:
        return
    number = isinstance(limit_gb, int | float) and not isinstance(limit_gb, bool)
    if not number or not limit_gb > 0:
        raise ConfigError(f"max_memory_gb: got {limit_gb!r}; allowed: above 0")
    needed = estimated_bytes(runs, how, threads) / 1e9
    if needed > limit_gb:
        raise ConfigError(
            f"max_memory_gb: the sweep needs about {needed:.2g} GB; allowed: {limit_gb:g}"
        )


def estimated_bytes(runs: Runs, how: Plan, threads: int) -> float:
    """Return about how many bytes a sweep needs at its peak."""
    points = len(runs)
    simulated = points * how.replications
    # Values of the engine and a copy in a table; reasons, warnings, statuses.
    table = simulated * (2 * 8 * len(SUMMARY) + 200)
    requests = most_requests(runs) * _REQUEST_BYTES
    at_once = points if runs.record != "summary" and not how.batches else min(threads, points)
    return _BASE_BYTES + table + at_once * requests


def most_requests(runs: Runs) -> int:
    """Return the most requests that a point of a sweep can have."""
    base = json.loads(runs.scenario_json)["workload"]
    found = [_requests(runs, base)]
    for path, values in runs.design.values.items():
        for value in values if path.startswith("workload") else ():
            plain = json.loads(value._json) if isinstance(value, Encodable) else value
            if path == "workload" and isinstance(plain, Mapping):
                found.append(_requests(runs, plain))
            elif path == "workload.num_requests" and isinstance(plain, int):
                found.append(plain)
            elif path.startswith("workload.lengths"):
                found.append(_rows(runs, plain))
    return max(found)


def _requests(runs: Runs, workload: Mapping[str, Any]) -> int:
    asked = workload.get("num_requests")
    return asked if isinstance(asked, int) else _rows(runs, workload.get("lengths"))


def _rows(runs: Runs, lengths: Any) -> int:
    from kvsim._encode import content_name
    from kvsim.datasets import Trace

    name = lengths.get("name") if isinstance(lengths, Mapping) else lengths
    if isinstance(name, Trace):
        name = content_name(name)
    return (runs.dataset_rows(name) or 0) if isinstance(name, str) else 0
