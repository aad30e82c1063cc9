"""The highest rate that keeps an SLO, with a stated confidence."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim._capacity import backlog_patch, backlog_throughput
from kvsim._frontier import RATE, raise_status
from kvsim._goals import Limit, figure, limits_of_slo
from kvsim._inputs import check_deadline
from kvsim._pandas import frame
from kvsim._progress import Progress
from kvsim._simulate import canonical
from kvsim._sweep import sweep
from kvsim.errors import ConfigError, DeadlineExceeded
from kvsim.statistics import check_confidence

if TYPE_CHECKING:
    import pandas as pd

    from kvsim._simulate import ScenarioLike
    from kvsim.costs.serving import Prices
    from kvsim.datasets import Trace

_SHARES = np.linspace(1 / 8, 1, 8)  # of the capacity, tried first
_INNER = 4  # rates between the last that passes and the first that fails
_MOST_ROUNDS = 12


@dataclass(frozen=True)
class CapacityResult:
    """How much load a scenario bears within an SLO; `capacity` makes it.

    Attributes
    ----------
    rate_per_s : float
        Highest rate tested at which every limit is met with the confidence, and at every lower rate
        tested too; 0 if there is none.
    fails_at_per_s : float or None
        Lowest rate tested at which one is not; None if all rates pass.
    backlog_per_s : float
        Completions per second under permanent backlog, whatever the latency.
    binding : str
        The limit that is broken most at `fails_at_per_s`, or that the queue drifts; empty if none.
    limits : tuple of Limit
    confidence : float
        That all limits hold at once.
    replications : int
        Runs of each rate.
    rows : tuple of dict
        What was tested, lowest rate first: rate, status, whether all limits are met, and of each
        limit's figure the mean and the bound that was compared.
    """

    rate_per_s: float
    fails_at_per_s: float | None
    backlog_per_s: float
    binding: str
    limits: tuple[Limit, ...]
    confidence: float
    replications: int
    rows: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            **{k: v for k, v in self.__dict__.items() if k not in ("limits", "rows")},
            "limits": [str(limit) for limit in self.limits],
            "rows": [dict(row) for row in self.rows],
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return the rates that were tested as a pandas DataFrame (needs pandas)."""
        return frame(list(self.rows))

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw with `kvsim.plots.slo_capacity`."""
        from importlib import import_module

        plots = import_module("kvsim.plots")  # by name: results do not depend on pictures
        return plots.slo_capacity(self, ax, **options)

    def __str__(self) -> str:
        """One line."""
        what = ", ".join(map(str, self.limits))
        if self.rate_per_s == 0:
            least = self.rows[0]["rate_per_s"] if self.rows else 0.0
            return f"no rate from {least:.3g}/s on keeps {what} ({self.binding})"
        above = (
            f"at {self.fails_at_per_s:.4g}/s it does not: {self.binding}"
            if self.fails_at_per_s is not None
            else "no rate tested fails"
        )
        return (
            f"{self.rate_per_s:.4g} requests/s keep {what} with {self.confidence:.0%} confidence "
            f"({self.replications} runs a rate); {above}; backlog: {self.backlog_per_s:.4g}/s"
        )


def capacity(
    base: ScenarioLike,
    slo: Any = None,
    *,
    percentile: str = "p99",
    confidence: float = 0.95,
    replications: int = 5,
    precision: float = 0.02,
    price: Prices = None,
    threads: int | None = None,
    progress: Progress = None,
    deadline_s: float | None = None,
    datasets: Mapping[str, Trace] | None = None,
) -> CapacityResult:
    """Find the highest rate that keeps an SLO with a stated confidence.

    At each rate so many runs are made, with the same random numbers at every rate. A rate keeps the
    SLO if its runs do not drift (`unstable`) and the one-sided confidence bound of every figure's
    mean is within its limit, all limits together (Bonferroni). Rates are tried from an eighth of
    the capacity under backlog upwards, then between the last that passes and the first that fails.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        The scenario; its arrivals must have a rate.
    slo : SLO or mapping, optional
        Limits in ms for `ttft_ms`, `tpot_ms`, `e2e_ms`, or of figures: ``{"p99_ttft_ms": 500,
        "usd_per_request": 0.01, "request_goodput": (4, None)}``. By default the scenario's own.
    percentile : {"p99", "mean", "p50", "p90", "p95", "p99.9"}
        What of each latency an SLO's limit is about.
    confidence : float
        That all limits hold at the rate found; above .5.
    replications : int
        Runs of each rate, 2 or more.
    precision : float
        Width of what remains between passing and failing, as a share of the capacity.
    price, threads, progress, deadline_s, datasets
        As for `costs.serving_cost` and `sweep`.

    Returns
    -------
    CapacityResult

    Raises
    ------
    ConfigError
        If there is no limit, a figure does not exist, or the arrivals have no rate.
    InfeasibleError, LivelockError
        If the scenario cannot run.
    DeadlineExceeded
        If the deadline is over before the search.

    Examples
    --------
    >>> import kvsim
    >>> base = {
    ...     "engine": {"num_gpu_blocks": 1000, "max_num_seqs": 1, "max_model_len": 4096},
    ...     "step_time": {"kind": "affine"},
    ...     "workload": {"num_requests": 2000, "lengths": {"kind": "fixed", "prompt_tokens": 16,
    ...                                                    "output_tokens": 4}},
    ... }
    >>> found = kvsim.capacity(base, {"p99_ttft_ms": 100}, precision=0.05)
    >>> 0.5 < found.rate_per_s / found.backlog_per_s < 0.9
    True
    """
    plain = json.loads(canonical(base))
    limits = limits_of_slo(plain["slo"] if slo is None else slo, percentile, "slo")
    _check(confidence, replications, precision)
    backlogged = backlog_patch(plain)
    limit_s = check_deadline(deadline_s)
    end = None if limit_s is None else time.monotonic() + limit_s

    def run(points: Any, *, record: str, runs: int, confidence: float) -> Any:
        left = None if end is None else max(end - time.monotonic(), 1e-6)
        table = sweep(
            base, points, threads=threads, progress=progress, deadline_s=left, record=record,
            replications=runs, confidence=confidence, datasets=datasets,
        )  # fmt: skip
        if table.unfinished:
            raise DeadlineExceeded("deadline_s: the search was not finished in time")
        return table

    backlog = run([backlogged], record="requests", runs=1, confidence=0.95)
    if backlog.results[0] is None:
        raise_status(backlog.status[0], backlog.reason[0])
    most = backlog_throughput(backlog.results[0])
    if most is None:
        raise ConfigError("workload.num_requests: got too few to measure a capacity; allowed: more")
    # One-sided at `confidence` for all limits together.
    each = 1 - (1 - confidence) / len(limits)

    def test(rates: Any) -> list[dict[str, Any]]:
        table = run({RATE: list(rates)}, record="summary", runs=replications,
                    confidence=2 * each - 1)  # fmt: skip
        return _rows(table, limits, price)

    rows = _search(test, most, precision)
    passed, failed = _bracket(rows)
    return CapacityResult(
        passed["rate_per_s"] if passed else 0.0,
        failed["rate_per_s"] if failed else None,
        most,
        failed["binding"] if failed else "",
        limits,
        confidence,
        replications,
        tuple(rows),
    )


def _check(confidence: float, replications: int, precision: float) -> None:
    check_confidence(confidence)
    if confidence <= 0.5:
        raise ConfigError(f"confidence: got {confidence!r}; allowed: above 0.5, below 1")
    if isinstance(replications, bool) or not isinstance(replications, int) or replications < 2:
        raise ConfigError(f"replications: got {replications!r}; allowed: a whole number from 2 on")
    number = isinstance(precision, int | float) and not isinstance(precision, bool)
    if not number or not 1e-4 <= precision < 1:
        raise ConfigError(f"precision: got {precision!r}; allowed: from 0.0001, below 1")


def _search(test: Any, most: float, precision: float) -> list[dict[str, Any]]:
    """Return all rates tested, in rising order."""
    rows: list[dict[str, Any]] = test(_SHARES * most)
    # Few requests do not fill the server: also beyond what it bears for ever.
    if all(row["met"] for row in rows):
        rows += test(most * np.array([1.1, 1.25, 1.5, 2.0]))
    for _ in range(_MOST_ROUNDS):
        rows.sort(key=lambda row: row["rate_per_s"])
        passed, failed = _bracket(rows)
        low = passed["rate_per_s"] if passed else 0.0
        if failed is None or failed["rate_per_s"] - low <= precision * most:
            break
        rows += test(np.linspace(low, failed["rate_per_s"], _INNER + 2)[1:-1])
    rows.sort(key=lambda row: row["rate_per_s"])
    return rows


def _bracket(rows: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Return the last row before the first that fails, and that one."""
    passed = None
    for row in rows:
        if not row["met"]:
            return passed, row
        passed = row
    return passed, None


def _rows(table: Any, limits: tuple[Limit, ...], price: Prices) -> list[dict[str, Any]]:
    figures = {limit.figure: figure(table, limit.figure, price) for limit in limits}
    out = []
    for i, rate in enumerate(table.axis(RATE)):
        row: dict[str, Any] = {"rate_per_s": float(rate), "status": table.status[i]}
        broken = []
        for limit in limits:
            mean, low, high = (column[i : i + 1] for column in figures[limit.figure])
            bound = float(high[0] if limit.high is not None else low[0])
            row[limit.figure] = _plain(float(mean[0]))
            row[f"{limit.figure}_bound"] = _plain(bound)
            if not limit.met(low, high)[0]:
                worst = high if limit.high is not None else low
                broken.append((float(limit.excess(worst)[0]), f"{limit} is broken"))
        row["met"] = table.status[i] == "ok" and not broken
        drifts = "the queue drifts up" if table.status[i] == "unstable" else table.reason[i]
        row["binding"] = "" if row["met"] else drifts if table.status[i] != "ok" else max(broken)[1]
        out.append(row)
    return out


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None
