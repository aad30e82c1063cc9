"""What keeps waiting requests out, point by point."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from kvsim._sweep_result import SweepResult

CONSTRAINTS = (
    "arrivals", "kv_cache", "max_num_seqs", "max_num_batched_tokens", "step_time", "servers",
)  # fmt: skip

# Requests that wait at a server in the mean below which it is taken to keep up at once.
_NO_QUEUE = 0.5
_FULL = 0.95


def binding_constraints(result: SweepResult) -> list[str | None]:
    """Return what keeps each row's waiting requests out; docs/metrics.md defines the words.

    One of `CONSTRAINTS`; None for a row without figures.
    """
    waiting, preemptions, running, tokens = (
        result[n] for n in ("mean_waiting", "preemptions", "max_running", "mean_tokens_per_step")
    )
    servers, seqs, budget, one_shot = _limits(result)
    with np.errstate(invalid="ignore", divide="ignore"):
        # The most that was in use, and one more request of the mean size, at one server.
        mean_size = servers * result["mean_kv_use"] / result["mean_running"]
        one_more = result["max_kv_use"] + mean_size
    out: list[str | None] = []
    for i in range(len(result)):
        if not np.isfinite(waiting[i]):
            out.append(None)
        elif waiting[i] < _NO_QUEUE * servers[i]:
            out.append("arrivals")
        elif one_shot[i]:
            out.append("servers")
        elif preemptions[i] > 0 or one_more[i] >= 1:
            out.append("kv_cache")
        elif running[i] >= seqs[i]:
            out.append("max_num_seqs")
        elif tokens[i] >= _FULL * budget[i]:
            out.append("max_num_batched_tokens")
        else:
            out.append("step_time")
    return out


def _limits(result: SweepResult) -> tuple[Any, list[int], list[int], list[bool]]:
    """Return servers, most sequences and most tokens at one of them, and whether one-shot."""
    seqs = setting(result, "engine.max_num_seqs")
    budget = setting(result, "engine.max_num_batched_tokens")
    groups = setting(result, "fleet.groups")
    counts = setting(result, "fleet.num_servers")
    kinds = setting(result, "fleet.server.kind")
    servers = [1 if n is None else n for n in counts]
    one_shot = [kind == "one_shot" for kind in kinds]
    for i, listed in enumerate(groups):
        if not listed:
            continue
        servers[i] = sum(group["count"] for group in listed)
        one_shot[i] = any(group["one_shot"] is not None for group in listed) or one_shot[i]
        engines = [group["engine"] or {} for group in listed]
        seqs[i] = max(e.get("max_num_seqs", seqs[i]) for e in engines)
        budget[i] = max(e.get("max_num_batched_tokens", budget[i]) for e in engines)
    return np.array(servers), seqs, budget, one_shot


def setting(result: SweepResult, path: str) -> list[Any]:
    """Return the value of a field at each row: what the point sets, else the base's.

    None where there is no such field, as in a scenario without a fleet.
    """
    column: list[Any] = [_at(json.loads(result.scenario_json), path.split("."))] * len(result)
    head = path.split(".")
    # The further inside a point sets something the later it does, whatever the axes' order.
    for n in range(1, len(head) + 1):
        above = ".".join(head[:n])
        if above not in result.design.values:
            continue
        found = [_whole(result, above, v, path) for v in result.design.values[above]]
        for row, code in enumerate(result.codes(above).tolist()):
            if code >= 0:
                column[row] = found[code]
    return column


def _whole(result: SweepResult, above: str, value: Any, path: str) -> Any:
    """Return a field in or at what an axis sets, with the defaults of what it does not name."""
    if above == path and isinstance(value, bool | int | float | str | None):
        return value
    try:
        changed = result.scenario.replace({above: value})
    except ConfigError:  # such a row has no figures, or other axes make it valid
        plain = value.to_dict() if hasattr(value, "to_dict") else value
        return _at(plain, path.split(".")[above.count(".") + 1 :])
    return _at(json.loads(changed.to_json()), path.split("."))


def _at(value: Any, rest: Sequence[str]) -> Any:
    for part in rest:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
