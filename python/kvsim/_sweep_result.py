"""The table that a sweep returns."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim import _analysis, _export
from kvsim._analysis import Effect, Pivot
from kvsim._binding import binding_constraints
from kvsim._knee import Knee, find_knee
from kvsim._names import nearest
from kvsim._pandas import frame
from kvsim._sweep_table import SweepTable
from kvsim.result import SUMMARY
from kvsim.statistics import Comparison, compare

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import xarray as xr


class SweepResult(SweepTable):
    """One row a point, in the order of the points.

    `result[name]` is a column: an axis by its path, or a figure of the summary, NaN where
    undefined. Points that a deadline or Ctrl-C cut off have no row; `unfinished` lists them.

    Examples
    --------
    >>> import kvsim
    >>> base = {
    ...     "engine": {"num_gpu_blocks": 100, "max_model_len": 4096},
    ...     "step_time": {"kind": "affine"},
    ...     "workload": {"num_requests": 50},
    ... }
    >>> result = kvsim.sweep(base, {"engine.num_gpu_blocks": [10, 100]})
    >>> result.status
    ['infeasible', 'ok']
    >>> result.select(status="ok").points
    [{'engine.num_gpu_blocks': 100}]
    """

    # ---- what the table says

    def knee(
        self,
        metric: str = "p99_ttft_ms",
        *,
        rate: str = _analysis.RATE,
        capacity_per_s: float | None = None,
    ) -> Knee | None:
        """Return the lowest rate at which a latency is five times its value at the lowest rate.

        Parameters
        ----------
        metric : str
            A figure of the summary.
        rate : str
            The axis that is the load; all other axes must have one value (see `select`).
        capacity_per_s : float, optional
            Capacity, of which the knee's `load` is a share.

        Returns
        -------
        Knee or None
            None if the latency stays below five times its low-load value.

        Raises
        ------
        ValueError
            If another axis has several values.
        KeyError
            If the metric or the axis is not known.
        """
        for path in self._axes:
            if path != rate and len(np.unique(self.design.codes(path)[self._rows])) > 1:
                raise ValueError(f"axes: {path} has several values; select one first")
        # A value that is no number makes its point invalid.
        numbers = [v if isinstance(v, int | float) else np.nan for v in self[rate].tolist()]
        load = np.array(numbers, dtype=np.float64)
        return find_knee(load, self["request_throughput"], self[metric], capacity_per_s)

    def slice(self, where: Mapping[str, Any]) -> SweepResult:
        """Return the rows at given values of axes; of numbers, the nearest that there are.

        Raises
        ------
        KeyError
            If there is no such axis.
        """
        return self.take(_analysis.nearest_rows(self, where))

    def pareto(
        self,
        minimize: str | Sequence[str] = "p99_ttft_ms",
        maximize: str | Sequence[str] = "request_throughput",
    ) -> SweepResult:
        """Return the rows that are `ok` and that no other such row beats.

        Parameters
        ----------
        minimize, maximize : str or sequence of str
            Figures.

        Examples
        --------
        >>> import kvsim
        >>> base = {
        ...     "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
        ...     "step_time": {"kind": "affine"},
        ...     "workload": {"num_requests": 300},
        ... }
        >>> result = kvsim.sweep(base, {"workload.arrivals.rate_per_s": [2, 4, 8]})
        >>> len(result.pareto("mean_tpot_ms", "request_throughput"))
        3
        """
        return self.take(_analysis.pareto(self, _listed(minimize), _listed(maximize)))

    def best(
        self,
        *,
        minimize: str | None = None,
        maximize: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> SweepResult:
        """Return the one row with the best figure among those that are `ok` and keep the limits.

        Parameters
        ----------
        minimize, maximize : str
            The figure; one of both.
        limits : mapping, optional
            Figures and what they may be at most, such as ``{"p99_ttft_ms": 500}``.

        Raises
        ------
        ValueError
            If no row keeps the limits, or not one figure is given.
        """
        if (minimize is None) == (maximize is None):
            raise ValueError("best: got none or both of minimize and maximize; allowed: one")
        rows = _analysis.within(self, limits or {})
        name = minimize or maximize or ""
        values = self[name][rows]
        rows, values = rows[np.isfinite(values)], values[np.isfinite(values)]
        if not len(rows):
            raise ValueError(f"best: no row is ok and keeps {dict(limits or {})}")
        at = values.argmin() if maximize is None else values.argmax()
        return self.take(rows[[at]])

    def pivot(self, rows: str, columns: str, metric: str = "p99_ttft_ms") -> Pivot:
        """Return a figure over two axes.

        Raises
        ------
        ValueError
            If another axis has several values (see `select`), or several rows stand at one place.
        KeyError
            If an axis or the figure is not known.
        """
        return _analysis.pivot(self, rows, columns, metric)

    def effects(self, metric: str = "p99_ttft_ms") -> list[Effect]:
        """Return how much each axis moves a figure, the greatest first.

        An effect is the range of the figure's mean over the rows at each value of the axis, and its
        `share` of the variance, on a full grid Sobol's first-order index. Axes of numbers with more
        than eight values are taken in eight groups.

        Raises
        ------
        KeyError
            If the figure is not known.
        """
        return _analysis.effects(self, metric)

    def binding_constraints(self) -> list[str | None]:
        """Return what keeps each row's waiting requests out (docs/metrics.md)."""
        return binding_constraints(self)

    def plot(self, kind: str, *args: Any, ax: Any = None, **options: Any) -> Any:
        """Draw the table with a plot of `kvsim.plots` and return its axes.

        Parameters
        ----------
        kind : {"frontier", "heatmap", "small_multiples", "waterfall", "tornado"}
            Which plot; `kvsim.plots` has their options.
        ax : Axes, optional
            Where to draw, by default on a new figure.

        Raises
        ------
        ValueError
            If there is none of this kind.
        """
        from importlib import import_module

        plots = import_module("kvsim.plots")  # by name: results do not depend on pictures
        if kind not in plots.SWEEP_PLOTS:
            raise ValueError(f"kind: got {kind!r}; allowed: {', '.join(plots.SWEEP_PLOTS)}")
        return plots.SWEEP_PLOTS[kind](self, *args, **options).plot(ax)

    def compare(
        self, a: Mapping[str, Any] | int, b: Mapping[str, Any] | int, metric: str = "p99_ttft_ms"
    ) -> Comparison:
        """Return the interval of a figure's difference between two points, b minus a.

        With common random numbers (the default of replications) the runs are paired, which takes
        what both points have in common out of the difference.

        Parameters
        ----------
        a, b : mapping or int
            What distinguishes a point (paths and values that one row has), or a row's number.
        metric : str
            A figure of the summary.

        Raises
        ------
        ValueError
            If there are no replications, not one row is meant, or a point is not `ok`.
        KeyError
            If a path or the figure is not known.

        Examples
        --------
        >>> import kvsim
        >>> base = {
        ...     "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
        ...     "step_time": {"kind": "affine"},
        ...     "workload": {"num_requests": 300, "arrivals": {"kind": "poisson", "rate_per_s": 9}},
        ... }
        >>> axes = {"engine.max_num_seqs": [12, 64]}
        >>> result = kvsim.sweep(base, axes, replications=5)
        >>> difference = result.compare(0, 1, "mean_ttft_ms")
        >>> difference.paired, difference.replications, difference.difference < 0
        (True, 5, True)
        """
        known = self._uncertainty
        if known is None or self._runs is None or self._point_of_run is None:
            raise ValueError("compare: got a sweep without replications; allowed: 2 or more")
        if metric not in SUMMARY:
            raise KeyError(f"sweep has no figure {metric!r}{nearest(metric, SUMMARY)}")
        values = []
        for which in (a, b):
            row = self._one_row(which)
            if self.status[row] != "ok":
                raise ValueError(f"compare: the point {which!r} is {self.status[row]}")
            mine = self._point_of_run[self._runs.indices] == self._rows[row]
            values.append(self._runs[metric][mine])
        return compare(*values, paired=known.common, confidence=known.confidence, metric=metric)

    def _one_row(self, which: Mapping[str, Any] | int) -> int:
        if isinstance(which, Mapping):
            found = self.select(which).indices
            if len(found) != 1:
                raise ValueError(f"got {len(found)} rows for {dict(which)!r}; allowed: one")
            return int(np.flatnonzero(self._rows == found[0])[0])
        if not -len(self) <= which < len(self):
            raise ValueError(f"got row {which!r}; allowed: 0 to {len(self) - 1}")
        return which % len(self)

    # ---- other forms

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame.

        Raises
        ------
        PandasMissingError
            If pandas is not installed.
        """
        return frame(self.table())

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table (needs pyarrow); values that are objects are JSON."""
        return _export.to_arrow(self)

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a polars DataFrame (needs polars and pyarrow)."""
        return _export.to_polars(self)

    def to_xarray(self) -> xr.Dataset:
        """Return the figures as an xarray Dataset (needs xarray).

        Rows of a grid have its axes as dimensions, named by their paths, NaN where there is no row;
        rows of another design have the dimension `point`, with the axes as coordinates on it.
        """
        return _export.to_xarray(self)

    def to_dict(self, metric: str = "p99_ttft_ms") -> dict[str, Any]:
        """Return everything as plain Python values (no NaN, no infinity: None).

        This is the JSON that backends read; `kvsim schema sweep` prints its JSON Schema.

        Parameters
        ----------
        metric : str
            The latency that `frontier` and `knees` are about.

        Raises
        ------
        KeyError
            If there is no such figure.
        """
        return _export.to_dict(self, metric)

    def to_json(self, *, indent: int | None = None, metric: str = "p99_ttft_ms") -> str:
        """Return `to_dict` as JSON text."""
        from kvsim._encode import encode_strict

        text = encode_strict(self.to_dict(metric), "sweep")
        return text if indent is None else json.dumps(json.loads(text), indent=indent)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the rows as CSV with a header, and write them to `path` if it is given.

        Undefined figures are empty cells; values that are no scalars are JSON.
        """
        text = _export.to_csv(self)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def __repr__(self) -> str:
        """Size, axes and how many points have which status."""
        counts = {s: self.status.count(s) for s in dict.fromkeys(self.status)}
        shown = ", ".join(f"{n} {s}" for s, n in counts.items())
        cut = f", {len(self.unfinished)} unfinished" if self.unfinished else ""
        return f"<SweepResult: {len(self)} points over {', '.join(self._axes)}: {shown}{cut}>"

    def _repr_html_(self) -> str:
        return _export.to_html(self)


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
