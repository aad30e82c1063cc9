"""A sweep's table: columns, rows and how exact they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kvsim import _native
from kvsim._columns import Array, as_array
from kvsim._names import nearest
from kvsim._replicate import Uncertainty
from kvsim._runs import OF_THIS_MACHINE, Table
from kvsim.design import Design
from kvsim.result import COUNTS, SUMMARY, Result, plain_list
from kvsim.scenario import Scenario
from kvsim.statistics import by_point

_BOUNDS = ("low", "high")


class SweepTable:
    """Rows of points; `SweepResult` is what users see of it."""

    def __init__(
        self,
        table: _native.Sweep | Table,
        design: Design,
        *,
        hashes: Mapping[str, str],
        rows: npt.NDArray[np.intp] | None = None,
        uncertainty: Uncertainty | None = None,
        runs: Self | None = None,
        point_of_run: npt.NDArray[np.intp] | None = None,
    ) -> None:
        self._table = table
        self._uncertainty = uncertainty
        self._runs = runs
        self._point_of_run = point_of_run
        self.design = design
        self._axes = design.values
        self._hashes = dict(hashes)
        self._rows: npt.NDArray[np.intp] = (
            np.flatnonzero(table.finished).astype(np.intp) if rows is None else rows
        )
        self._cache: dict[str, Array] = {}

    # ---- size and shape

    def __len__(self) -> int:
        """Return the number of rows, that is of finished points."""
        return len(self._rows)

    @property
    def num_points(self) -> int:
        """Number of points that were asked for, finished or not."""
        return self._table.num_points

    @property
    def indices(self) -> npt.NDArray[np.intp]:
        """Number of each row's point, in the order of the points."""
        return self._rows

    @cached_property
    def unfinished(self) -> list[int]:
        """Points that a deadline or Ctrl-C cut off, by number."""
        return np.flatnonzero(~self._table.finished).tolist()

    @property
    def lasting(self) -> bool:
        """Whether every point is there, none refused for what this machine has free just now."""
        refused = any(OF_THIS_MACHINE in text for text in self._table.reasons().values())
        return not self.unfinished and not refused

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Paths and their values: an axis' values of a grid, else one value a point."""
        if self.design.full_grid:
            return {path: list(values) for path, values in self._axes.items()}
        return {path: self.design.column(path) for path in self._axes}

    @property
    def hashes(self) -> dict[str, str]:
        """Contents of the traces that were handed over, by the names that the scenarios use."""
        return dict(self._hashes)

    @cached_property
    def scenario(self) -> Scenario:
        """The base, with every default filled in."""
        return Scenario.from_json(self._table.scenario_json)

    @property
    def scenario_json(self) -> str:
        """The base as canonical JSON."""
        return self._table.scenario_json

    # ---- columns

    @property
    def columns(self) -> list[str]:
        """Names of all columns: axes, the summary's figures, bounds of intervals."""
        bounds = [f"{n}_{end}" for n in self._with_intervals for end in _BOUNDS]
        return [*self._axes, *SUMMARY, *bounds]

    def __getitem__(self, name: str) -> Array:
        """Return a column.

        Raises
        ------
        KeyError
            If there is none of this name; the nearest are given.
        """
        if name not in self._cache:
            if name in self._axes:
                column = as_array(self._axis(name))
            elif name in SUMMARY:
                column = self._table.column(name)
                if len(self._rows) < self.num_points:
                    column = column[self._rows]
            elif name in self.columns:
                figure, _, end = name.rpartition("_")
                column = self.interval(figure)[_BOUNDS.index(end)]
            else:
                raise KeyError(f"sweep has no column {name!r}{nearest(name, self.columns)}")
            column.flags.writeable = False
            self._cache[name] = column
        return self._cache[name]

    def _axis(self, path: str) -> list[Any]:
        return self.design.column(path, self._rows)

    @cached_property
    def status(self) -> list[str]:
        """Status of each row: ok, infeasible, unstable, livelock or invalid."""
        names = _native.status_names()
        return [names[code] for code in self._table.status[self._rows].tolist()]

    @cached_property
    def calibration(self) -> list[str]:
        """What each row's step times rest on (`Trust`); `given` for rows that failed."""
        names = _native.calibration_names()
        return [names[code] for code in self._table.calibration[self._rows].tolist()]

    @cached_property
    def reason(self) -> list[str]:
        """Why a row is not ok, else empty."""
        reasons = self._table.reasons()
        return [reasons.get(i, "") for i in self._rows.tolist()]

    @cached_property
    def warnings(self) -> dict[str, list[int]]:
        """What a reader of the figures should know: each warning and the rows that have it."""
        row_of = {point: row for row, point in enumerate(self._rows.tolist())}
        found: dict[str, list[int]] = {}
        for text, points in self._table.warnings().items():
            rows = [row_of[point] for point in points if point in row_of]
            if rows:
                found[text] = rows
        short = {} if self._uncertainty is None else self._uncertainty.too_short
        for point in sorted(short.keys() & row_of):
            text = (
                f"the run is too short for an interval by batch means of {', '.join(short[point])}"
            )
            found.setdefault(text, []).append(row_of[point])
        return found

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """What each row's point sets: paths and values."""
        columns = {path: self._axis(path) for path in self._axes}
        if not columns:
            return [{} for _ in range(len(self))]
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, values, strict=True)) for values in rows]

    @cached_property
    def results(self) -> list[Result | None]:
        """The whole result of each row (if `record` was more than `summary`); None if it failed."""
        out: list[Result | None] = []
        for i in self._rows.tolist():
            native = self._table.result(i)
            out.append(None if native is None else Result(native, self._hashes))
        return out

    def axis(self, path: str) -> list[Any]:
        """Return an axis' value of each row, None where the point does not set it.

        Raises
        ------
        KeyError
            If there is no such axis.
        """
        if path not in self._axes:
            raise KeyError(f"sweep has no axis {path!r}{nearest(path, list(self._axes))}")
        return self._axis(path)

    def codes(self, path: str) -> npt.NDArray[np.intp]:
        """Return which of `design.values[path]` each row has, -1 where it does not set the path."""
        return self.design.codes(path)[self._rows]

    def table(self) -> dict[str, Any]:
        """Return all columns by name: axes, status, reason, calibration, figures, bounds."""
        several = {} if self._runs is None else {"replications": self.replications}
        figures = self.columns[len(self._axes) :]
        return {
            **{path: self._axis(path) for path in self._axes},
            "status": self.status,
            "reason": self.reason,
            "calibration": self.calibration,
            **{name: self[name] for name in figures},
            **several,
        }

    # ---- uncertainty

    @property
    def confidence(self) -> float | None:
        """Confidence of the intervals, None if there are none."""
        return None if self._uncertainty is None else self._uncertainty.confidence

    @property
    def interval_method(self) -> str | None:
        """`replications` or `batch means`, None if there are no intervals."""
        return None if self._uncertainty is None else self._uncertainty.method

    @property
    def replications(self) -> npt.NDArray[np.int64]:
        """Finished runs of each row's point; figures are means over them."""
        if self._uncertainty is None:
            return np.ones(len(self), dtype=np.int64)
        return self._uncertainty.replications[self._rows]

    @property
    def runs(self) -> Self:
        """Every single run of the rows, with its `seed` as a further axis."""
        if self._runs is None or self._point_of_run is None:
            return self
        mine = np.isin(self._point_of_run[self._runs.indices], self._rows)
        return self._runs.take(np.flatnonzero(mine))

    def half_width(self, name: str) -> Array:
        """Return half the width of each row's interval of a figure, NaN where there is none.

        Raises
        ------
        KeyError
            If there is no such figure.
        """
        if name not in SUMMARY:
            raise KeyError(f"sweep has no figure {name!r}{nearest(name, SUMMARY)}")
        if self._uncertainty is None:
            return np.full(len(self), np.nan)
        half: Array = self._uncertainty.half_width[SUMMARY.index(name), self._rows]
        return half

    def interval(self, name: str) -> tuple[Array, Array]:
        """Return lower and upper bounds of a figure, a value a row, NaN where there is none.

        Raises
        ------
        KeyError
            If there is no such figure.
        """
        half = self.half_width(name)
        known = self._uncertainty
        middle = self[name]
        if known is not None and known.shift is not None:
            middle = middle + known.shift[SUMMARY.index(name), self._rows]
        return middle - half, middle + half

    def of_runs(self, figure: Callable[[Self], Array]) -> tuple[Array, Array]:
        """Return mean and half width, a value a row, of a figure that follows from a table's rows.

        The figure is taken of every run and averaged as the summary's are: a ratio's mean is that
        of the runs' ratios. Without replications it is the rows' own, and the half widths are NaN.

        Parameters
        ----------
        figure : callable
            From a table to a value a row.
        """
        known = self._uncertainty
        if known is None or self._runs is None or self._point_of_run is None:
            values = np.asarray(figure(self), dtype=np.float64)
            return values, np.full(len(self), np.nan)
        runs = self.runs
        row_of = np.full(self.num_points, -1, dtype=np.intp)
        row_of[self._rows] = np.arange(len(self))
        of = row_of[self._point_of_run[runs.indices]]
        mean, half = by_point(
            np.asarray(figure(runs), dtype=np.float64), of, len(self), known.confidence
        )
        ok = np.array([s == "ok" for s in self.status], dtype=bool)
        mean[~ok] = half[~ok] = np.nan
        return mean, half

    @cached_property
    def _with_intervals(self) -> list[str]:
        """Figures that have an interval in some row."""
        if self._uncertainty is None:
            return []
        known = np.isfinite(self._uncertainty.half_width[:, self._rows]).any(axis=1)
        return [SUMMARY[f] for f in np.flatnonzero(known)]

    # ---- rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over rows as `rows` returns them."""
        return iter(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows as dicts: axes, status, reason, figures (None where undefined)."""
        columns = {name: self._plain(name, values) for name, values in self.table().items()}
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, values, strict=True)) for values in rows]

    def _plain(self, name: str, values: Any) -> list[Any]:
        """Return a column as a list: None if undefined, whole numbers if it counts something."""
        if not isinstance(values, np.ndarray):
            return list(values)
        out = plain_list(values)
        means = self._runs is not None  # of several runs
        if means or name not in COUNTS:
            return out
        return [None if v is None else int(v) for v in out]

    def select(self, where: Mapping[str, Any] | None = None, /, **named: Any) -> Self:
        """Return the rows in which axes (or `status`) have the given values.

        Parameters
        ----------
        where : mapping
            Paths and values, such as ``{"engine.max_num_seqs": 64}``.
        **named
            The same for names without a dot, such as ``status="ok"``.

        Raises
        ------
        KeyError
            If there is no such column.
        """
        keep = np.ones(len(self), dtype=bool)
        for name, value in {**(where or {}), **named}.items():
            if name == "status":
                keep &= np.fromiter((s == value for s in self.status), bool, len(self))
            elif name in self._axes:
                # The last stands for points that do not set the path.
                equal = np.array([v == value for v in [*self._axes[name], None]], dtype=bool)
                keep &= equal[self.design.codes(name)[self._rows]]
            else:
                known = [*self._axes, "status"]
                raise KeyError(f"sweep has no axis {name!r}{nearest(name, known)}")
        return self.take(np.flatnonzero(keep))

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return the rows with these numbers, in this order."""
        return type(self)(
            self._table,
            self.design,
            hashes=self._hashes,
            rows=self._rows[rows],
            uncertainty=self._uncertainty,
            runs=self._runs,
            point_of_run=self._point_of_run,
        )
