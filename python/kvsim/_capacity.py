"""Capacity: steady completions per second under permanent backlog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from kvsim.result import Result

RATED = ("poisson", "gamma", "deterministic", "trace")
# With fewer requests than this many times the batch, the backlog is over before it is steady.
_BATCHES = 4


def backlog_patch(scenario: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that turn a canonical scenario into one under permanent backlog.

    All requests wait from the start. If they are few for the batch, more of the same law are taken.

    Raises
    ------
    ConfigError
        If the scenario's arrivals have no rate, so that it has no load to vary.
    """
    workload = scenario["workload"]
    kind = workload["arrivals"]["kind"]
    if kind not in RATED:
        allowed = ", ".join(RATED)
        raise ConfigError(
            f"workload.arrivals.kind: got {kind!r}; allowed: one with a rate ({allowed})"
        )
    patch: dict[str, Any] = {"workload.arrivals": {"kind": "burst"}}
    few = _BATCHES * scenario["engine"]["max_num_seqs"]
    asked = workload["num_requests"]
    if asked is not None and asked < few and workload["prefixes"]["kind"] == "none":
        patch["workload.num_requests"] = few
    return patch


def backlog_throughput(result: Result) -> float | None:
    """Return completions per second in the steady part of a run under backlog.

    The window begins when the batch has turned over twice (with a quarter of the completions, if
    that is earlier) and ends when the last request is admitted.

    Returns
    -------
    float or None
        None if no time passes in the window.
    """
    return result._native.backlog_throughput()
