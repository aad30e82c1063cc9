"""TTFT against TPOT: what each is made of, and what moves them apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvsim._capacity import backlog_patch, backlog_throughput
from kvsim._frontier import RATE, raise_status
from kvsim._pandas import frame
from kvsim._simulate import canonical, simulate
from kvsim._sweep import sweep
from kvsim._waterfall import Waterfall
from kvsim.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from kvsim._simulate import ScenarioLike
    from kvsim.datasets import Trace

BATCH = "engine.max_num_seqs"
CHUNK = "engine.max_num_batched_tokens"
LEVERS = {"batch": BATCH, "chunk": CHUNK, "load": RATE}
BATCHES = (8, 16, 32, 64, 128, 256)
CHUNKS = (512, 1024, 2048, 4096, 8192, 16384)
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class LatencyTradeoff:
    """What TTFT and TPOT consist of, and how three levers move them; `latency_tradeoff` makes it.

    Attributes
    ----------
    ttft, tpot : Waterfall
        Mean parts at the scenario itself; those of TPOT are a token's.
    capacity_per_s : float
        Completions per second under permanent backlog, of which the loads are shares.
    base_load : float
        The scenario's own rate as such a share.
    rows : tuple of dict
        One a run: `lever` (batch, chunk, load), its `value`, `status`, mean and P99 of both
        latencies in ms.
    warnings : tuple of str
    """

    ttft: Waterfall
    tpot: Waterfall
    capacity_per_s: float
    base_load: float
    rows: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]

    def of(self, lever: str) -> list[dict[str, Any]]:
        """Return the rows of one lever.

        Raises
        ------
        ConfigError
            If there is no such lever.
        """
        if lever not in LEVERS:
            raise ConfigError(f"lever: got {lever!r}; allowed: {', '.join(LEVERS)}")
        return [row for row in self.rows if row["lever"] == lever]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "ttft": self.ttft.to_dict(),
            "tpot": self.tpot.to_dict(),
            "capacity_per_s": self.capacity_per_s,
            "base_load": self.base_load,
            "rows": [dict(row) for row in self.rows],
            "warnings": list(self.warnings),
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame (needs pandas)."""
        return frame(list(self.rows))

    def plot(self, axes: Sequence[Any] | None = None) -> Any:
        """Draw with `kvsim.plots.latency_tradeoff`."""
        from importlib import import_module

        plots = import_module("kvsim.plots")  # by name: results do not depend on pictures
        return plots.latency_tradeoff(self, axes)


def latency_tradeoff(
    base: ScenarioLike,
    *,
    batches: Sequence[int] = BATCHES,
    chunks: Sequence[int] = CHUNKS,
    loads: Sequence[float] = LOADS,
    threads: int | None = None,
    datasets: Mapping[str, Trace] | None = None,
) -> LatencyTradeoff:
    """Say what TTFT and TPOT are made of, and how batch, chunk size and load move them apart.

    The parts add up exactly: of each request, TTFT is the sum of its parts, and TPOT the parts of
    the rest over the tokens after the first. Each lever is moved alone, from the scenario.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        The scenario; its arrivals must have a rate.
    batches : sequence of int
        Values of `engine.max_num_seqs`.
    chunks : sequence of int
        Values of `engine.max_num_batched_tokens`, so the largest chunk of a prompt; one below
        `max_num_seqs` also lowers that, as vLLM demands.
    loads : sequence of float
        Rates as shares of the capacity under backlog, above 0.
    threads, datasets
        As for `sweep`.

    Returns
    -------
    LatencyTradeoff

    Raises
    ------
    ConfigError
        If a value is not allowed, or the arrivals have no rate.
    InfeasibleError
        If the scenario cannot run.

    Examples
    --------
    >>> import kvsim
    >>> base = {"model": "llama-3-8b", "gpu": "h100-sxm",
    ...         "workload": {"num_requests": 200, "arrivals": {"kind": "poisson", "rate_per_s": 8},
    ...                      "lengths": {"kind": "fixed", "prompt_tokens": 1000,
    ...                                  "output_tokens": 100}}}
    >>> found = kvsim.latency_tradeoff(base, batches=[8, 64], chunks=[512, 8192], loads=[0.3, 0.8])
    >>> found.ttft.largest, found.tpot.largest
    ('compute', 'hbm')
    >>> small, large = found.of("chunk")
    >>> small["mean_tpot_ms"] < large["mean_tpot_ms"]
    True
    """
    plain = json.loads(canonical(base))
    backlogged = backlog_patch(plain)
    for load in loads:
        if isinstance(load, bool) or not isinstance(load, int | float) or not 0 < load < 10:
            raise ConfigError(f"loads: got {load!r}; allowed: above 0, below 10")
    full = sweep(base, [backlogged], record="requests", threads=threads, datasets=datasets)
    if full.results[0] is None:
        raise_status(full.status[0], full.reason[0])
    capacity = backlog_throughput(full.results[0])
    if capacity is None:
        raise ConfigError("workload.num_requests: got too few to measure a capacity; allowed: more")
    points: list[dict[str, Any]] = []
    labels: list[tuple[str, float]] = []
    for batch in batches:
        points.append({BATCH: batch})
        labels.append(("batch", batch))
    seqs = plain["engine"]["max_num_seqs"]
    for chunk in chunks:
        points.append({CHUNK: chunk} | ({BATCH: chunk} if chunk < seqs else {}))
        labels.append(("chunk", chunk))
    for load in loads:
        points.append({RATE: load * capacity})
        labels.append(("load", load))
    table = sweep(base, points, threads=threads, datasets=datasets)
    names = ("mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms")
    rows = []
    for row, (lever, value) in zip(table.rows(), labels, strict=True):
        rows.append(
            {"lever": lever, "value": value, "status": row["status"], "reason": row["reason"]}
            | {name: row[name] for name in names}
        )
    itself = simulate(_with_requests(base), datasets=datasets)
    rate = itself.summary["offered_rate_per_s"] or 0.0
    return LatencyTradeoff(
        itself.waterfall("ttft"),
        itself.waterfall("tpot"),
        capacity,
        rate / capacity,
        tuple(rows),
        tuple(dict.fromkeys([*table.warnings, *itself.warnings])),
    )


def _with_requests(base: Any) -> Any:
    changed = {"record": "requests", "record_waterfall": True}
    if isinstance(base, str):
        return {**json.loads(base), **changed}
    return {**base, **changed} if isinstance(base, Mapping) else base.replace(changed)
