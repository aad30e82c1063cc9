"""What a simulation returns."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim import _native, _waterfall
from kvsim._columns import Array, Columns
from kvsim._kv_budget import KvBudget
from kvsim._memory_map import MemoryMap, read_memory_map
from kvsim._pandas import frame
from kvsim._waterfall import Waterfall
from kvsim.errors import ConfigError
from kvsim.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from kvsim.statistics import Interval

# Names of the summary's figures, in order; docs/metrics.md defines each.
SUMMARY: tuple[str, ...] = tuple(name for name, _, _ in _native.summary_fields())
# Of these, the ones that count something.
COUNTS = frozenset(
    {
        "completed", "total_input_tokens", "total_output_tokens", "max_running", "max_waiting",
        "preemptions", "swaps", "preemption_waits", "steps", "lazy_steps", "warmup_requests",
        "rejected", "lost", "retries",
    }
)  # fmt: skip
_TABLES = ("requests", "steps", "entries", "fleet_events")
_BANDS = ("ttft", "tpot", "e2e")


@dataclass(frozen=True)
class Trust:
    """What a prediction of step times rests on, and how far measurements of its class were from it.

    Attributes
    ----------
    calibration : {"table", "fitted", "spec_sheet", "given"}
        Products and all-reduces measured on this GPU; formulas fitted to operators measured on it;
        such formulas scaled by the data sheet of a GPU that was not measured; your own numbers.
    residuals : mapping or None
        `name`, `of` (what was measured), `number`, and the 5th and 95th percentile of
        measured / simulated - 1 for `ttft`, `tpot` and `e2e`. None if nothing of the kind was
        measured.
    """

    calibration: str
    residuals: Mapping[str, Any] | None

    def band(self, metric: str, value: float) -> tuple[float, float] | None:
        """Return the range in which nine of ten measurements would lie, None if not known.

        Parameters
        ----------
        metric : {"ttft", "tpot", "e2e"}
            Of which latency, in the mean over requests.
        value : float
            What was simulated, in any unit.

        Raises
        ------
        ValueError
            If there is no such metric.
        """
        if metric not in _BANDS:
            raise ValueError(f"metric: got {metric!r}; allowed: {', '.join(_BANDS)}")
        if self.residuals is None:
            return None
        low, high = self.residuals[metric]
        return value * (1 + low), value * (1 + high)


class Result:
    """The result of one simulation; `simulate` makes it.

    Columns are numpy arrays without a copy, read-only, and keep the engine's memory alive.

    Attributes
    ----------
    status : str
        `ok`, or `unstable` if the queue drifts up over the window (docs/metrics.md).
    reason : str
        Why it is not ok, else empty.
    warnings : tuple of str
        What a reader of the figures should know.

    Examples
    --------
    >>> import kvsim
    >>> result = kvsim.simulate(
    ...     {
    ...         "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
    ...         "step_time": {"kind": "affine"},
    ...         "workload": {"num_requests": 100},
    ...     }
    ... )
    >>> result.status, result.summary["completed"]
    ('ok', 100)
    >>> result.requests["ttft_ns"].shape
    (100,)
    """

    __slots__ = ("__dict__", "_native", "reason", "status", "warnings")

    def __init__(self, native: _native.Result, datasets: Mapping[str, str] | None = None) -> None:
        self._native = native
        self._dataset_hashes = dict(datasets or {})
        self.status: str = native.status
        self.reason: str = native.reason
        self.warnings: tuple[str, ...] = tuple(native.warnings)

    # ---- what was simulated

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario, with every default filled in."""
        return Scenario.from_json(self._native.scenario_json)

    @property
    def run_id(self) -> str:
        """SHA-256 of the canonical scenario and of the traces that were handed over with it.

        Equal to `scenario.run_id` if there were none.
        """
        return run_id(self._native.scenario_json, self._dataset_hashes)

    # ---- figures

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Figures of the run by name (`kvsim fields summary` lists them); None where undefined."""
        figures: dict[str, Any] = self._native.summary()
        for name in COUNTS:
            if (value := figures[name]) is not None:
                figures[name] = int(value)
        return figures

    @cached_property
    def totals(self) -> dict[str, int]:
        """Exact integer sums over the run: steps, tokens, preemptions, time integrals, ..."""
        return self._native.totals()

    @cached_property
    def kv_budget(self) -> KvBudget:
        """The KV pool and how a GPU's memory is divided."""
        return KvBudget(**self._native.kv_budget())

    @cached_property
    def trust(self) -> Trust:
        """What the step times rest on, and the residuals of that class."""
        return Trust(**self._native.trust())

    @property
    def calibration(self) -> str:
        """`table`, `fitted`, `spec_sheet` or `given`: see `Trust`."""
        return self.trust.calibration

    def error_band(self, metric: str = "ttft") -> tuple[float, float] | None:
        """Return the range in which nine of ten measurements of a mean latency would lie, in ms.

        None if nothing of the kind was measured, or no request has this latency. docs/fidelity.md
        has the measurements; `warnings` names what of a run lies outside of them.

        Parameters
        ----------
        metric : {"ttft", "tpot", "e2e"}
            Which latency.

        Raises
        ------
        ValueError
            If there is no such metric.
        """
        value = (
            self.summary[f"mean_{'e2el' if metric == 'e2e' else metric}_ms"]
            if (metric in _BANDS)
            else 0.0
        )
        return None if value is None else self.trust.band(metric, value)

    # ---- tables

    @cached_property
    def requests(self) -> Columns:
        """One row a request, in order of id: the engine's columns and some derived ones.

        Stored: arrival_ns, scheduled_ns, first_token_ns, finish_ns, prompt_tokens, output_tokens,
        num_preemptions, cached_tokens, finish_reason (0 length, 1 stop) and, with
        `record_waterfall`, frontend_ns, queue_ns, host_ns, compute_ns, hbm_ns, comm_ns,
        preempted_ns, redo_ns and bubble_ns, which add up to finish_ns - arrival_ns exactly; and
        ttft_host_ns to ttft_bubble_ns, which with frontend_ns and queue_ns add up to ttft_ns.
        Of a fleet also gateway_ns, dispatch_ns, network_ns, which count in the first sum, server,
        copies and outcome (0 completed, 1 rejected, 2 lost; then all moments are that of its end).
        With engine.preemption.at_limit "reject", outcome too.
        Derived: ttft_ns, e2e_ns (int64), tpot_ns (float64, NaN with one output token).
        """
        return self._table("requests", _REQUESTS, "record is 'summary'")

    @cached_property
    def steps(self) -> Columns:
        """One row a step (record `steps` or `all`)."""
        return self._table("steps", _STEPS, "only record='steps' and 'all' keep steps")

    @cached_property
    def entries(self) -> Columns:
        """One row a request in a step (record `all`); kind is 0 new, 1 resumed, 2 running."""
        return self._table("entries", {}, "only record='all' keeps entries")

    @cached_property
    def memory_map(self) -> MemoryMap:
        """The KV memory place by place over time (`record_memory` heatmap).

        Raises
        ------
        ValueError
            If it was not recorded.
        """
        if self.scenario.record_memory != "heatmap":
            raise ValueError("record_memory: no map was kept; allowed: record_memory='heatmap'")
        return read_memory_map(self._native, self.totals["block_size"])

    @cached_property
    def fleet_events(self) -> Columns:
        """One row a change at a server of a fleet (record `steps` or `all`).

        Columns: t_ns, kind (0 sent, 1 served, 2 hedged, 3 cancelled, 4 failed, 5 recovered,
        6 rejected), server, outstanding (sub-requests waiting and running there, after it), request
        (-1: none in particular).
        """
        return self._table("fleet_events", {}, "only fleets with record='steps' or 'all' keep them")

    def _table(self, name: str, derived: Mapping[str, Any], missing: str) -> Columns:
        stored: dict[str, Array] = self._native.columns(name)
        if not stored:
            return Columns(name, {}, missing=missing)
        usable = {k: f for k, f in derived.items() if k not in stored}
        return Columns(name, stored, usable)

    # ---- where the time went

    def waterfall(
        self,
        metric: str = "e2e",
        *,
        request: int | None = None,
        percentile: float | None = None,
        step: int | None = None,
    ) -> Waterfall:
        """Return the parts of a latency: the mean over all requests if nothing is chosen.

        Parameters
        ----------
        metric : {"e2e", "ttft", "tpot"}
            Of which latency; a TPOT's parts are a token's, of requests with two or more.
        request : int, optional
            Of this request alone.
        percentile : float, optional
            Of the requests around this percentile (within half a percent): 99 answers what P99 is
            made of.
        step : int, optional
            Of this step's duration (record `steps` or `all`); `metric` has no meaning then.

        Raises
        ------
        ConfigError
            If the parts were not kept, more than one thing is chosen, or there is no such thing.

        Examples
        --------
        >>> import kvsim
        >>> result = kvsim.simulate(
        ...     {
        ...         "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
        ...         "step_time": {"kind": "affine"},
        ...         "workload": {"num_requests": 100},
        ...     }
        ... )
        >>> tail = result.waterfall("ttft", percentile=99)
        >>> tail.label, tail.requests
        ('P99 TTFT', 2)
        """
        chosen = [x for x in (request, percentile, step) if x is not None]
        if len(chosen) > 1:
            raise ConfigError("waterfall: got several of request, percentile, step; allowed: one")
        if request is not None:
            return _waterfall.of_request(self, metric, request)
        if percentile is not None:
            return _waterfall.of_percentile(self, metric, percentile)
        if step is not None:
            return _waterfall.of_step(self, step)
        return _waterfall.of_band(self, metric, 0, 100)

    def waterfalls(
        self, metric: str = "e2e", bands: Sequence[tuple[float, float]] = _waterfall.BANDS
    ) -> list[Waterfall]:
        """Return the mean parts of each band of requests, by percentiles of the latency.

        `kvsim.waterfall_table` makes columns of them.

        Parameters
        ----------
        metric : {"e2e", "ttft", "tpot"}
            Of which latency.
        bands : sequence of (float, float)
            From one percentile to another.

        Raises
        ------
        ConfigError
            If the parts were not kept or a band is empty.
        """
        return [_waterfall.of_band(self, metric, low, high) for low, high in bands]

    def time_series(self) -> Columns:
        """Return the state over time, a row a step (record `steps` or `all`).

        Columns: t_ns, running, waiting, used_blocks (after scheduling), kv_usage (share of the
        usable blocks).

        Raises
        ------
        ValueError
            If steps were not recorded.
        """
        steps = self.steps
        if not len(steps):
            raise ValueError("record: steps were not kept; allowed: record='steps' or 'all'")
        usable = self.kv_budget.usable_blocks
        used = usable - steps["free_blocks_scheduled"]
        return Columns(
            "time series",
            {
                "t_ns": steps["t_ns"],
                "running": steps["running"],
                "waiting": steps["waiting"],
                "used_blocks": used,
                "kv_usage": used / usable,
            },
        )

    def itl(self) -> ItlDistribution:
        """Return the distribution of every inter-token gap."""
        return ItlDistribution(self._native)

    def interval(self, name: str, confidence: float = 0.95) -> Interval:
        """Return a latency figure's confidence interval by batch means within this run (scipy).

        Its bounds are NaN if the run is too short for one; see `kvsim.statistics.batch_means`.
        Intervals over several runs are safer at high load (docs/sweeps.md).

        Parameters
        ----------
        name : str
            A mean or percentile of TTFT, TPOT, E2E or queue, such as ``p99_ttft_ms``.
        confidence : float
            Share of such intervals that contain the true value.

        Raises
        ------
        KeyError
            If the figure is none of these.
        ValueError
            If requests were not recorded.

        Examples
        --------
        >>> import kvsim
        >>> result = kvsim.simulate(
        ...     {
        ...         "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
        ...         "step_time": {"kind": "affine"},
        ...         "workload": {"num_requests": 5000},
        ...     }
        ... )
        >>> interval = result.interval("mean_ttft_ms")
        >>> interval.low < result.summary["mean_ttft_ms"] < interval.high
        True
        """
        from kvsim._batch_means import batch_figures, run_interval
        from kvsim._names import nearest

        if name not in batch_figures():
            raise KeyError(f"no interval of {name!r}{nearest(name, list(batch_figures()))}")
        self._recorded("requests")
        return run_interval(self, name, confidence)

    # ---- other forms

    def to_pandas(self, table: str = "requests") -> pd.DataFrame:
        """Return a table as a pandas DataFrame.

        Parameters
        ----------
        table : {"requests", "steps", "entries", "fleet_events"}
            Which one.

        Raises
        ------
        ValueError
            If the table was not recorded, or there is none of this name.
        PandasMissingError
            If pandas is not installed.
        """
        columns = self._recorded(table)
        rows = columns.num_rows
        return frame({k: v for k, v in columns.items() if len(v) == rows})

    def to_dict(self, *, tables: Sequence[str] = ()) -> dict[str, Any]:
        """Return everything as plain Python values: no NaN and no infinity, None instead.

        Parameters
        ----------
        tables : sequence of str
            Tables whose columns to include as lists; none by default, as they may be long.

        Raises
        ------
        ValueError
            If a table was not recorded, or there is none of this name.
        """
        out: dict[str, Any] = {
            "run_id": self.run_id,
            "scenario": json.loads(self._native.scenario_json),
            "status": self.status,
            "reason": self.reason,
            "warnings": list(self.warnings),
            "calibration": self.calibration,
            "residuals": None if self.trust.residuals is None else dict(self.trust.residuals),
            "summary": dict(self.summary),
            "kv_budget": dataclasses.asdict(self.kv_budget),
            "totals": dict(self.totals),
        }
        for table in tables:
            out[table] = {k: plain_list(v) for k, v in self._recorded(table).items()}
        return out

    def to_json(self, *, tables: Sequence[str] = (), indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(tables=tables), indent=indent, allow_nan=False)

    def _recorded(self, table: str) -> Columns:
        if table not in _TABLES:
            raise ValueError(f"table: got {table!r}; allowed: {', '.join(_TABLES)}")
        columns: Columns = getattr(self, table)
        if not len(columns):
            raise ValueError(f"record: {table} were not kept (record={self.scenario.record!r})")
        return columns

    def __repr__(self) -> str:
        """Status and the most asked-for figures."""
        shown = ", ".join(f"{k}={_short(self.summary.get(k))}" for k in _HEADLINE)
        return f"<Result {self.status}: {shown}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{name}</td><td style='text-align:right'>{_short(value)}</td></tr>"
            for name, value in self.summary.items()
        )
        reason = f" ({self.reason})" if self.reason else ""
        return (
            f"<details><summary><code>{_escape(repr(self))}</code>{_escape(reason)}</summary>"
            f"<table>{rows}</table></details>"
        )


class ItlDistribution:
    """Every inter-token gap of a run, as a histogram of whole nanoseconds.

    Attributes
    ----------
    values_ns : array of int64
        The different gaps, rising.
    counts : array of int64
        How often each occurred.
    exact : bool
        False if there were more than 2^20 different values; then bins of 0.1 % were used.
    """

    def __init__(self, native: _native.Result) -> None:
        self._native = native
        self.values_ns: npt.NDArray[np.int64]
        self.counts: npt.NDArray[np.int64]
        self.values_ns, self.counts, self.exact = native.itl()

    @property
    def total(self) -> int:
        """Number of gaps."""
        return int(self.counts.sum())

    def quantile_ns(self, q: float) -> int | None:
        """Return the nearest-rank quantile, sorted[ceil(q n) - 1], in ns; None if there is no gap.

        Raises
        ------
        ValueError
            Unless 0 < q <= 1.
        """
        if not 0 < q <= 1:
            raise ValueError(f"q: got {q!r}; allowed: above 0, up to 1")
        return self._native.itl_quantile_ns(q) if self.total else None

    def cdf(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the gaps in ns and the share of gaps up to each."""
        return self.values_ns, np.cumsum(self.counts) / max(self.total, 1)

    def __repr__(self) -> str:
        """Return the number of gaps and of different values."""
        return f"<ItlDistribution: {self.total} gaps, {len(self.counts)} different>"


def summary_fields() -> list[tuple[str, str, str]]:
    """Return (name, unit, what it is) of every figure of a summary.

    Examples
    --------
    >>> summary_fields()[0]
    ('completed', 'requests', 'Requests that finished.')
    """
    fields: list[tuple[str, str, str]] = _native.summary_fields()
    return fields


def run_id(canonical: str, dataset_hashes: Mapping[str, str]) -> str:
    """Return the SHA-256 that names a run."""
    digest = hashlib.sha256(canonical.encode())
    for name, content in sorted(dataset_hashes.items()):
        digest.update(f"\n{name}={content}".encode())
    return digest.hexdigest()


def plain_list(column: Array) -> list[Any]:
    """Return a column as a list of Python values, None for NaN and infinities.

    Examples
    --------
    >>> plain_list(np.array([1.5, np.nan]))
    [1.5, None]
    """
    if column.dtype.kind == "f":
        finite = np.isfinite(column)
        if not finite.all():
            return [
                v if ok else None for v, ok in zip(column.tolist(), finite.tolist(), strict=True)
            ]
    return list(column.tolist())


_HEADLINE = ("completed", "request_throughput", "p99_ttft_ms", "p99_tpot_ms", "p99_e2el_ms")


def _tpot(c: Columns) -> Array:
    gaps = c["output_tokens"].astype(np.float64) - 1.0
    gaps[gaps <= 0] = np.nan
    return np.asarray((c["finish_ns"] - c["first_token_ns"]) / gaps)


_REQUESTS = {
    "queue_ns": lambda c: c["scheduled_ns"] - c["arrival_ns"] - c.get("frontend_ns", 0),
    "ttft_ns": lambda c: c["first_token_ns"] - c["arrival_ns"],
    "tpot_ns": _tpot,
    "e2e_ns": lambda c: c["finish_ns"] - c["arrival_ns"],
}
_STEPS = {"end_ns": lambda c: c["t_ns"] + c["dur_ns"]}


def _short(value: float | int | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
