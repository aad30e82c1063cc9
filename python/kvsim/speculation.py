"""Closed forms of speculative decoding (Leviathan et al., 2023), computed by the engine.

`acceptance` is the probability that a drafted token is accepted if all before it were, `drafts` how
many are drafted a pass, `draft_cost` the time of one draft step over that of a pass of the target.
The speed-up is that of one sequence whose pass takes the same time however many tokens it verifies;
`kvsim.simulate` says what is left of it in a batch (docs/speculation.md).

Examples
--------
>>> from kvsim import speculation
>>> speculation.speedup([0.9, 0.7, 0.5], drafts=5, draft_cost=0.05).round(3)
array([3.748, 2.353, 1.575])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kvsim import _native
from kvsim._each import Floats
from kvsim._each import each as _each
from kvsim.errors import ConfigError

__all__ = ["best_drafts", "gain", "speedup", "tokens_per_pass", "tokens_per_pass_by_position"]


def tokens_per_pass(acceptance: Floats, drafts: int) -> Any:
    """Return the mean number of tokens that a pass makes, (1 - a^(g + 1)) / (1 - a).

    Examples
    --------
    >>> round(tokens_per_pass(0.8, 7), 3)
    4.161
    """
    return _each(_native.speculation_tokens_per_pass, acceptance, drafts)


def tokens_per_pass_by_position(acceptance: Sequence[float]) -> float:
    """Return the same where each place has a probability of its own, 1 + a1 + a1 a2 + ...

    Examples
    --------
    >>> round(tokens_per_pass_by_position([0.8, 0.5]), 3)
    2.2
    """
    return _native.speculation_tokens_per_pass_by_position([float(a) for a in acceptance])


def speedup(acceptance: Floats, drafts: int, draft_cost: Floats) -> Any:
    """Return the speed-up over one token a pass, (1 - a^(g + 1)) / ((1 - a) (g c + 1)).

    Examples
    --------
    >>> round(speedup(0.75, 7, 0.02), 2)
    3.16
    """
    return _each(_native.speculation_speedup, acceptance, drafts, draft_cost)


def best_drafts(acceptance: float, draft_cost: float, most: int = 32) -> int:
    """Return the number of drafts a pass, 0 up to `most`, with the greatest speed-up.

    Examples
    --------
    >>> best_drafts(0.8, 0.05), best_drafts(0.1, 0.2)
    (8, 0)
    """
    return _native.speculation_best_drafts(acceptance, draft_cost, most)


def gain(
    base: Any,
    *,
    alphas: Sequence[float] = (0.4, 0.6, 0.8),
    batches: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256),
    waves: int = 3,
    threads: int | None = None,
) -> list[dict[str, Any]]:
    """Simulate what speculation gains against the batch: its benefit falls with load.

    Closed loops of so many clients run with and without speculation; the gain is the ratio of their
    output throughputs. `kvsim.plots.speculation_gain` draws the rows.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        A scenario that speculates; its arrivals, number of requests and acceptance are replaced.
    alphas : sequence of float
        Constant acceptances.
    batches : sequence of int
        Clients of the loops.
    waves : int
        Requests of each client.
    threads : int, optional
        As for `sweep`.

    Returns
    -------
    list of dict
        A row an acceptance and batch: `alpha`, `batch`, `gain`, `drafts` (a pass), `passes`,
        `plain_step_ms` (mean step without speculation), `draft_ms_per_pass` (mean of a step's
        drafting), `output_throughput`, `status`.

    Raises
    ------
    ConfigError
        If the scenario does not speculate, or a value is not allowed.
    """
    import json

    from kvsim._simulate import canonical
    from kvsim._sweep import sweep

    plain = json.loads(canonical(base))
    drafts = plain["engine"]["num_spec_tokens"]
    if not drafts:
        raise ConfigError("engine.spec_method: got null; allowed: a scenario that speculates")
    loads = [
        {
            "workload.arrivals": {"kind": "closed_loop", "concurrency": batch},
            "workload.num_requests": waves * batch,
        }
        for batch in batches
    ]
    off = {
        "engine.spec_method": None, "engine.num_spec_tokens": 0, "engine.spec_draft": None,
        "engine.spec_acceptance": {"kind": "hash"}, "engine.spec_match_probability": 1.0,
    }  # fmt: skip
    without = sweep(base, [{**off, **load} for load in loads], threads=threads)
    rows = []
    for alpha in alphas:
        law = {"kind": "constant", "alpha": alpha}
        with_ = sweep(
            base, [{"engine.spec_acceptance": law, **load} for load in loads], threads=threads
        )
        for i, batch in enumerate(batches):
            if with_.status[i] != "ok" or without.status[i] != "ok":
                raise ConfigError(f"base: {with_.reason[i] or without.reason[i]}")
            busy_ms = 1e3 * with_["utilization"][i] * with_["duration_s"][i]
            rows.append(
                {
                    "alpha": float(alpha),
                    "batch": int(batch),
                    "gain": float(with_["output_throughput"][i] / without["output_throughput"][i]),
                    "drafts": int(drafts),
                    "passes": int(with_["steps"][i]),
                    "plain_step_ms": float(without["mean_tpot_ms"][i]),
                    "draft_ms_per_pass": float(
                        with_["draft_time_share"][i] * busy_ms / with_["steps"][i]
                    ),
                    "output_throughput": float(with_["output_throughput"][i]),
                    "status": with_.status[i],
                }
            )
    return rows
