"""The configurations that nothing beats: exhaustive over a grid, or by Optuna."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim._analysis import nondominated
from kvsim._goals import Limit, parse_goals, parse_limits
from kvsim._inputs import check_deadline
from kvsim._pandas import frame
from kvsim._progress import Progress
from kvsim._search import Bench, Configuration, costs_of, in_order, search
from kvsim._space import Space
from kvsim.errors import ConfigError
from kvsim.statistics import check_confidence

if TYPE_CHECKING:
    import pandas as pd

    from kvsim._simulate import ScenarioLike
    from kvsim.costs.serving import Prices
    from kvsim.datasets import Trace

METHODS = ("auto", "grid", "search")
_GRID = 256  # finite spaces up to this size are tried in full
_ROUNDS = 4  # of finalists, while none of them is feasible


@dataclass(frozen=True)
class OptimizeResult:
    """What a search found; `optimize` makes it.

    Attributes
    ----------
    objectives : dict
        Figures and whether each is minimized or maximized.
    limits : tuple of Limit
    pareto : tuple of Configuration
        Feasible ones that no other feasible one beats or equals in every objective and beats in
        one, by means of runs with fresh seeds; best first by the first objective. Empty if none is
        feasible.
    finalists : tuple of Configuration
        All that were simulated again with fresh seeds.
    tried : tuple of Configuration
        All that were tried, by the figures of the search.
    method : str
        `grid` or `search`.
    confidence : float
        Of the intervals.
    replications : int
        Runs of each finalist.
    """

    objectives: dict[str, str]
    limits: tuple[Limit, ...]
    pareto: tuple[Configuration, ...]
    finalists: tuple[Configuration, ...]
    tried: tuple[Configuration, ...]
    method: str
    confidence: float
    replications: int

    @property
    def best(self) -> Configuration | None:
        """The best by the first objective; None if none is feasible."""
        return self.pareto[0] if self.pareto else None

    def rows(self) -> list[dict[str, Any]]:
        """Return the Pareto set, a row a configuration."""
        return [c.to_dict() for c in self.pareto]

    def to_pandas(self) -> pd.DataFrame:
        """Return the Pareto set as a pandas DataFrame (needs pandas)."""
        return frame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "objectives": self.objectives,
            "limits": [str(limit) for limit in self.limits],
            "method": self.method,
            "confidence": self.confidence,
            "replications": self.replications,
            "pareto": self.rows(),
            "finalists": [c.to_dict() for c in self.finalists],
            "tried": [c.to_dict() for c in self.tried],
        }

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw with `kvsim.plots.cost_latency_frontier`, which takes the options."""
        from importlib import import_module

        plots = import_module("kvsim.plots")  # by name: results do not depend on pictures
        return plots.cost_latency_frontier(self, ax, **options)

    def __str__(self) -> str:
        """Text: the Pareto set, or why it is empty."""
        tried = f"{len(self.tried)} configurations tried ({self.method})"
        if not self.pareto:
            counts: dict[str, int] = {}
            for c in self.tried:
                for why in c.broken or (c.status,):
                    counts[why] = counts.get(why, 0) + 1
            shown = "; ".join(f"{why}: {n}" for why, n in counts.items())
            return f"{tried}, none feasible: {shown}"
        lines = [
            f"{tried}, {len(self.pareto)} that nothing beats, intervals at {self.confidence:.0%} "
            f"from {self.replications} runs with fresh seeds"
        ]
        for c in self.pareto:
            what = ", ".join(f"{_short(k)}={_text(v)}" for k, v in c.chosen.items())
            shown = ", ".join(
                f"{name} {mean:.5g}" + (f" ({low:.5g} to {high:.5g})" if np.isfinite(low) else "")
                for name, (mean, low, high) in c.figures.items()
            )
            lines.append(f"  {what}: {shown}")
        return "\n".join(lines)


def optimize(
    base: ScenarioLike,
    space: Mapping[str, Any],
    objectives: Any,
    constraints: Mapping[str, Any] | None = None,
    *,
    method: str = "auto",
    trials: int = 64,
    seed: int = 0,
    replications: int = 3,
    final_replications: int = 8,
    finalists: int = 8,
    confidence: float = 0.95,
    price: Prices = None,
    storage: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress = None,
    deadline_s: float | None = None,
    datasets: Mapping[str, Trace] | None = None,
) -> OptimizeResult:
    """Search a space of configurations for those that no other beats.

    Every configuration is simulated with the same random numbers. Those that meet the limits and
    are best by these runs, and the next best behind them, are simulated again with fresh seeds, so
    that luck in the search does not flatter them; the Pareto set and its intervals are of those
    runs.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        What all configurations share.
    space : mapping
        Dotted paths and lists of values, or `Integers`, `Uniform`, `LogUniform`, `Choice` of
        `kvsim.design`, each possibly in `only_if`; or a name and options that set several fields:
        ``{"quantization": {"none": {}, "fp8": {"weight_dtype": "fp8", "kv_cache_dtype": "fp8"}}}``.
    objectives : str, sequence or mapping
        Figures of the summary or of `costs.FIGURES`. Rates are maximized, all else is minimized; a
        mapping says it: ``{"usd_per_request": "minimize"}``.
    constraints : mapping, optional
        Figures and what they may be at most, or (least, most).
    method : {"auto", "grid", "search"}
        All of a finite space; or Optuna's TPE sampler (needs optuna), asked eight at a time. `auto`
        is the grid up to 256 configurations.
    trials : int
        Of a search.
    seed : int
        Of a search; the runs' is the base's.
    replications, final_replications : int
        Runs of each configuration while searching, and of each finalist.
    finalists : int
        How many configurations are simulated again at least, if so many ran.
    confidence : float
        Of the intervals, and at which limits must be met.
    price : Rented, Owned, mapping, "rented" or "owned", optional
        As for `costs.serving_cost`.
    storage : path, optional
        A folder that keeps finished runs (needs pyarrow). A search that was stopped and is started
        again asks the same questions, finds their answers there and ends with the same result.
    threads, progress, deadline_s, datasets
        As for `sweep`.

    Returns
    -------
    OptimizeResult

    Raises
    ------
    ConfigError
        If the space is empty, a figure does not exist, or an argument is not allowed.
    DeadlineExceeded
        If the deadline is over; with `storage` what is finished is kept.

    Examples
    --------
    >>> import kvsim
    >>> base = {"model": "llama-3-8b", "gpu": "h100-sxm",
    ...         "workload": {"num_requests": 200, "arrivals": {"kind": "poisson", "rate_per_s": 8}}}
    >>> found = kvsim.optimize(base, {"tensor_parallel_size": [1, 2]},
    ...                        ["usd_per_million_output_tokens", "p99_ttft_ms"],
    ...                        price=kvsim.costs.Rented(3.0))
    >>> [c.chosen["tensor_parallel_size"] for c in found.pareto]
    [1, 2]
    """
    goals = parse_goals(objectives)
    limits = parse_limits(constraints, "constraints")
    dimensions = Space(space)
    check_confidence(confidence)
    for name, value, least in (
        ("trials", trials, 1), ("replications", replications, 1),
        ("final_replications", final_replications, 2), ("finalists", finalists, 1),
    ):  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name}: got {value!r}; allowed: a whole number from {least} on")
    limit_s = check_deadline(deadline_s)
    bench = Bench(
        base, dimensions, list(dict.fromkeys([*goals, *(x.figure for x in limits)])), limits,
        confidence, price, store=None if storage is None else Path(storage), threads=threads,
        progress=progress, end=None if limit_s is None else time.monotonic() + limit_s,
        datasets=datasets,
    )  # fmt: skip
    how = _method(method, dimensions)
    if how == "grid":
        tried = bench.measure(list(dimensions.all()), replications)
    else:
        tried = search(bench, dimensions, goals, trials=trials, runs=replications, seed=seed)
    again = _confirm(bench, in_order(tried, goals), finalists, replications, final_replications)
    feasible = [c for c in again if c.feasible]
    front = [feasible[i] for i in nondominated(costs_of(feasible, goals))] if feasible else []
    front.sort(key=lambda c: float(costs_of([c], goals)[0, 0]))
    return OptimizeResult(
        goals, limits, tuple(front), tuple(again), tuple(tried), how, confidence,
        final_replications,
    )  # fmt: skip


def _confirm(
    bench: Bench, ordered: list[Configuration], number: int, searched: int, runs: int
) -> list[Configuration]:
    """Simulate the best anew with fresh seeds, and those behind them until one is feasible."""
    again: list[Configuration] = []
    for first in range(0, min(len(ordered), _ROUNDS * number), number):
        chosen = [c.chosen for c in ordered[first : first + number]]
        again += bench.measure(chosen, runs, shift=searched, confirmed=True)
        if any(c.feasible for c in again):
            break
    return again


def _method(method: str, space: Space) -> str:
    if method not in METHODS:
        raise ConfigError(f"method: got {method!r}; allowed: {', '.join(METHODS)}")
    if method == "grid" and not space.finite:
        ranges = next(d.name for d in space.dimensions if d.values is None)
        raise ConfigError(f"method: got 'grid' with a range ({ranges}); allowed: lists of values")
    if method != "auto":
        return method
    size = 1
    for d in space.dimensions:
        size *= len(d.values) if d.values is not None else _GRID + 1
    return "grid" if size <= _GRID else "search"


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _text(value: Any) -> str:
    from kvsim._frontier import brief

    return brief(value)
