"""How latency grows with load: capacity, knee and the points between."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kvsim._capacity import backlog_patch, backlog_throughput
from kvsim._encode import Encodable
from kvsim._inputs import check_deadline
from kvsim._knee import Floats, Knee, find_knee
from kvsim._names import nearest
from kvsim._pandas import frame
from kvsim._progress import Progress, Watch, watching
from kvsim._replicate import plan
from kvsim._simulate import canonical
from kvsim._sweep import sweep
from kvsim.design import as_list
from kvsim.errors import ConfigError, DeadlineExceeded, InfeasibleError, KvsimError, LivelockError

if TYPE_CHECKING:
    import pandas as pd

    from kvsim._simulate import ScenarioLike
    from kvsim._sweep_result import SweepResult
    from kvsim.datasets import Trace

RATE = "workload.arrivals.rate_per_s"
LATENCIES = ("p99_ttft_ms", "p99_tpot_ms", "p99_e2el_ms")
# Loads at which the low-load value is taken and up to which the curve goes, in shares of capacity.
_LOWEST, _HIGHEST = 0.02, 1.08


@dataclass(frozen=True, eq=False)
class FrontierSeries:
    """One curve: a scenario at rising offered rates.

    Attributes
    ----------
    label : str
        What distinguishes the series, empty if there is but one.
    parameters : dict
        The same as dotted paths and values.
    capacity_per_s : float or None
        Steady completions per second under permanent backlog; None if it has none, see `reason`.
    reason : str
        Why there is no capacity, else empty.
    table : SweepResult
        The points, lowest rate first.
    """

    label: str
    parameters: dict[str, Any]
    capacity_per_s: float | None
    reason: str
    table: SweepResult

    @property
    def status(self) -> list[str]:
        """Status of each point."""
        return self.table.status

    @property
    def offered_per_s(self) -> Floats:
        """Offered rate of each point, in requests/s."""
        return np.asarray(self.table[RATE], dtype=np.float64)

    @property
    def achieved_per_s(self) -> Floats:
        """Achieved rate of each point: completions per second over the measured window."""
        return self.table["request_throughput"]

    def latency_ms(self, metric: str) -> Floats:
        """Return a latency of each point, in ms, NaN where undefined.

        Raises
        ------
        KeyError
            If there is none of this name.
        """
        return self.table[metric]

    def knee(self, metric: str) -> Knee | None:
        """Return the lowest load whose latency is five times its low-load value, if any."""
        return find_knee(
            self.offered_per_s, self.achieved_per_s, self.latency_ms(metric), self.capacity_per_s
        )

    def mm1(self, metric: str) -> tuple[Floats, Floats] | None:
        """Return the curve of an M/M/1 queue of this capacity, as rates and latencies in ms.

        Its quantiles are proportional to 1 / (1 - load); the factor is such that the curve passes
        through the first point. None without a capacity or such a point.
        """
        x, y = self.achieved_per_s, self.latency_ms(metric)
        if self.capacity_per_s is None or not len(x) or not np.isfinite(x[0] + y[0]):
            return None
        load = np.concatenate([np.linspace(0, 0.9, 61), 1 - np.geomspace(0.1, 0.005, 40)[1:]])
        scale = y[0] * (1 - x[0] / self.capacity_per_s)
        return load * self.capacity_per_s, scale / (1 - load)


class FrontierResult:
    """Curves of latency against load; `frontier` makes it.

    Attributes
    ----------
    series : tuple of FrontierSeries
        One curve each.
    metric : str
        The latency that `knee` and a plot take if not told otherwise.
    """

    def __init__(self, series: Iterable[FrontierSeries], metric: str) -> None:
        self.series = tuple(series)
        self.metric = metric

    @property
    def capacity_per_s(self) -> float | None:
        """Capacity of the first series: steady completions per second under permanent backlog."""
        return self.series[0].capacity_per_s

    @property
    def practical_limit_per_s(self) -> float | None:
        """80 % of the capacity of the first series."""
        capacity = self.capacity_per_s
        return None if capacity is None else 0.8 * capacity

    @property
    def knee(self) -> Knee | None:
        """Knee of the first series, by `metric`."""
        return self.series[0].knee(self.metric)

    @property
    def warnings(self) -> list[str]:
        """What a reader of the figures should know, each once."""
        texts = (text for s in self.series for text in s.table.warnings)
        return list(dict.fromkeys(texts))

    def knees(self) -> list[dict[str, Any]]:
        """Return the knees of all series by every P99 latency, as rows; None where none is."""
        rows: list[dict[str, Any]] = []
        for s, metric in itertools.product(self.series, LATENCIES):
            knee = s.knee(metric)
            shown = dict.fromkeys(("offered_per_s", "latency_ms", "load"))
            if knee is not None:
                shown = {k: v for k, v in knee.to_dict().items() if k in shown}
            rows.append({"series": s.label, "metric": metric, **shown})
        return rows

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw with `kvsim.plots.LatencyThroughputFrontier`, which takes the options."""
        from importlib import import_module

        plots = import_module("kvsim.plots")  # by name: results do not depend on pictures
        return plots.LatencyThroughputFrontier(self, **options).plot(ax)

    def rows(self) -> list[dict[str, Any]]:
        """Return all points as dicts: series, axes, status, reason, figures."""
        return [{"series": s.label, **row} for s in self.series for row in s.table.rows()]

    def to_pandas(self) -> pd.DataFrame:
        """Return all points as a pandas DataFrame.

        Raises
        ------
        PandasMissingError
            If pandas is not installed.
        """
        return frame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values (no NaN, no infinity: None)."""
        return {
            "metric": self.metric,
            "warnings": self.warnings,
            "series": [
                {
                    "label": s.label,
                    "parameters": s.parameters,
                    "capacity_per_s": s.capacity_per_s,
                    "reason": s.reason,
                    "knees": {m: k and k.to_dict() for m in LATENCIES for k in [s.knee(m)]},
                    "rows": s.table.rows(),
                }
                for s in self.series
            ],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        """Capacity and knee of each series."""
        parts = []
        for s in self.series:
            knee = s.knee(self.metric)
            at = "none" if knee is None else f"{knee.offered_per_s:.3g}/s"
            capacity = "none" if s.capacity_per_s is None else f"{s.capacity_per_s:.3g}/s"
            name = f"{s.label}: " if s.label else ""
            parts.append(f"{name}capacity {capacity}, knee {at}")
        return f"<FrontierResult by {self.metric}: {'; '.join(parts)}>"


def frontier(
    base: ScenarioLike,
    rates: Iterable[float] | None = None,
    *,
    num_points: int = 20,
    series: Mapping[str, Any] | None = None,
    metric: str = "p99_ttft_ms",
    threads: int | None = None,
    progress: Progress = None,
    deadline_s: float | None = None,
    replications: int = 1,
    confidence: float = 0.95,
    datasets: Mapping[str, Trace] | None = None,
) -> FrontierResult:
    """Measure the capacity of a scenario, then its latency at rates up to and beyond it.

    The capacity is measured with the same requests all waiting from the start: completions per
    second from when the batch has turned over twice until the last request is admitted.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        The scenario; its arrivals must have a rate.
    rates : iterable of float, optional
        Offered rates in requests/s; by default `num_points` shares of each series' capacity, from
        2 % to 108 %, denser near the top.
    num_points : int
        How many rates to choose, at least 3.
    series : mapping, optional
        Dotted paths and values: a curve for every combination. Or names of curves and what each
        sets: ``{"small": {"engine.max_num_seqs": 64}, "large": {...}}``.
    metric : str
        The latency whose knee is asked for: p99_ttft_ms, p99_tpot_ms, p99_e2el_ms, ...
    replications, confidence
        As in `sweep`: runs of each point but the capacity's, for intervals.
    threads, progress, deadline_s, datasets
        As in `sweep`. A deadline holds for all in all; points that it cuts off are missing.

    Returns
    -------
    FrontierResult

    Raises
    ------
    ConfigError
        If the scenario, a rate or a path is wrong, or the arrivals have no rate.
    InfeasibleError, LivelockError
        If no series can run.
    SweepInterrupted
        At Ctrl-C.

    Examples
    --------
    >>> import kvsim
    >>> base = {
    ...     "engine": {"num_gpu_blocks": 1000, "max_num_seqs": 1, "max_model_len": 4096},
    ...     "step_time": {"kind": "affine"},
    ...     "workload": {"num_requests": 2000, "lengths": {"kind": "fixed", "prompt_tokens": 16,
    ...                                                    "output_tokens": 4}},
    ... }
    >>> result = kvsim.frontier(base, num_points=8)
    >>> round(result.capacity_per_s, 1)
    49.1
    """
    backlogged = backlog_patch(json.loads(canonical(base)))
    if isinstance(num_points, bool) or not isinstance(num_points, int) or num_points < 3:
        raise ConfigError(f"num_points: got {num_points!r}; allowed: a whole number from 3 on")
    chosen = None if rates is None else _rates(rates)
    limit_s = check_deadline(deadline_s)
    end = None if limit_s is None else time.monotonic() + limit_s
    named = _combinations(series)
    points = list(named.values())
    runs = plan(
        replications, None, None, common=True, confidence=confidence, intervals=None
    ).replications
    total = len(points) * (1 + runs * (num_points if chosen is None else len(chosen)))
    with watching(progress, total) as watch:

        def run(
            listed: list[dict[str, Any]], record: str, done: int, replications: int
        ) -> SweepResult:
            left = None if end is None else max(end - time.monotonic(), 1e-6)
            return sweep(
                base, listed, threads=threads, progress=_shifted(watch, done, total),
                deadline_s=left, record=record, datasets=datasets, max_points=len(listed) * runs,
                replications=replications, confidence=confidence,
            )  # fmt: skip

        backlog = run([{**point, **backlogged} for point in points], "requests", 0, 1)
        if metric not in backlog.columns:
            raise ConfigError(f"metric: got {metric!r}{nearest(metric, backlog.columns)}")
        capacities = _capacities(backlog, len(points))
        if all(c is None for c, _, _ in capacities):
            _raise_first(capacities)
        rows: list[dict[str, Any]] = []
        owner: list[int] = []
        for i, (point, (capacity, _, _)) in enumerate(zip(points, capacities, strict=True)):
            at = chosen if chosen is not None else _shares(num_points) * (capacity or 0.0)
            for rate in at.tolist() if capacity is not None else ():
                rows.append({**point, RATE: rate})
                owner.append(i)
        table = run(rows, "summary", len(points), runs)
    return FrontierResult(
        (
            FrontierSeries(
                label=label,
                parameters=dict(point),
                capacity_per_s=capacity,
                reason=reason,
                table=table.take(np.flatnonzero(np.asarray(owner)[table.indices] == i)),
            )
            for i, (label, point, (capacity, _, reason)) in enumerate(
                zip(named, points, capacities, strict=True)
            )
        ),
        metric,
    )


def _rates(rates: Iterable[float]) -> Floats:
    values = as_list(rates) if isinstance(rates, np.ndarray) else list(rates)
    for value in values:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not 0 < value < float("inf"):
            raise ConfigError(f"rates: got {value!r}; allowed: finite numbers above 0")
    if not values:
        raise ConfigError("rates: got no values; allowed: at least one")
    return np.unique(np.asarray(values, dtype=np.float64))


def _shares(num_points: int) -> Floats:
    """Return loads from 2 % to 108 % of capacity, twice as dense in the upper half.

    Examples
    --------
    >>> _shares(6).round(2).tolist()
    [0.02, 0.35, 0.68, 0.81, 0.95, 1.08]
    """
    knots = np.array([0, 0.4, 1])
    at = np.interp(np.linspace(0, 1, num_points), knots, [_LOWEST, 0.68, _HIGHEST])
    return np.asarray(at, dtype=np.float64)


def _combinations(series: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return what each curve sets, by its label."""
    if not series:
        return {"": {}}
    if all(isinstance(point, Mapping) for point in series.values()):
        return {label: dict(point) for label, point in series.items() if isinstance(point, Mapping)}
    lists = {path: list(values) for path, values in series.items()}
    for path, values in lists.items():
        if not values:
            raise ConfigError(f"series[{path!r}]: got no values; allowed: at least one")
    points = [
        dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())
    ]
    return {_label(point): point for point in points}


def _label(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{path.rpartition('.')[2]} {brief(v)}" for path, v in point.items())


def brief(value: Any) -> str:
    """Return a value as a label has it: an object by its kind or name."""
    if isinstance(value, Encodable):
        value = json.loads(value._json)
    if isinstance(value, Mapping):
        value = value.get("kind", value.get("name", value))
    return str(value)


def _shifted(watch: Watch, done: int, total: int) -> Progress:
    return None if watch is None else lambda n, _: watch(done + n, total)


def _capacities(backlog: SweepResult, num: int) -> list[tuple[float | None, str, str]]:
    """Return capacity, status and reason of every series."""
    found: list[tuple[float | None, str, str]] = [
        (None, "unfinished", "the deadline is over")
    ] * num
    columns = (backlog.indices.tolist(), backlog.results, backlog.status, backlog.reason)
    for i, result, status, reason in zip(*columns, strict=True):
        capacity = None if result is None else backlog_throughput(result)
        found[i] = (capacity, status, reason)
    return found


def _raise_first(capacities: list[tuple[float | None, str, str]]) -> None:
    _, status, reason = capacities[0]
    raise_status(status, reason)


def raise_status(status: str, reason: str) -> NoReturn:
    """Raise what `simulate` would have raised for a point of this status."""
    kinds: dict[str, type[KvsimError]] = {
        "infeasible": InfeasibleError,
        "livelock": LivelockError,
        "invalid": ConfigError,
        "unfinished": DeadlineExceeded,
    }
    raise kinds.get(status, KvsimError)(reason)
