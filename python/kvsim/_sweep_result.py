"""The table that a sweep returns."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim import _native
from kvsim._columns import Array
from kvsim._knee import Knee, find_knee
from kvsim._names import nearest
from kvsim._pandas import frame
from kvsim.result import COUNTS, SUMMARY, Result, plain_list
from kvsim.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

_RATE = "workload.arrivals.rate_per_s"


class SweepResult:
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

    def __init__(
        self,
        native: _native.Sweep,
        axes: Mapping[str, Sequence[Any]],
        *,
        grid: bool,
        hashes: Mapping[str, str],
        rows: npt.NDArray[np.intp] | None = None,
    ) -> None:
        self._native = native
        self._axes = dict(axes)
        self._grid = grid
        self._hashes = dict(hashes)
        self._rows: npt.NDArray[np.intp] = (
            np.flatnonzero(native.finished).astype(np.intp) if rows is None else rows
        )
        self._cache: dict[str, Array] = {}

    # ---- size and shape

    def __len__(self) -> int:
        """Return the number of rows, that is of finished points."""
        return len(self._rows)

    @property
    def num_points(self) -> int:
        """Number of points that were asked for, finished or not."""
        return self._native.num_points

    @property
    def indices(self) -> npt.NDArray[np.intp]:
        """Number of each row's point, in the order of the points."""
        return self._rows

    @cached_property
    def unfinished(self) -> list[int]:
        """Points that a deadline or Ctrl-C cut off, by number."""
        return np.flatnonzero(~self._native.finished).tolist()

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Paths and their values: an axis' values of a grid, else one value a point."""
        return {path: list(values) for path, values in self._axes.items()}

    @cached_property
    def scenario(self) -> Scenario:
        """The base, with every default filled in."""
        return Scenario.from_json(self._native.scenario_json)

    # ---- columns

    @property
    def columns(self) -> list[str]:
        """Names of all columns: axes, then the summary's figures."""
        return [*self._axes, *SUMMARY]

    def __getitem__(self, name: str) -> Array:
        """Return a column.

        Raises
        ------
        KeyError
            If there is none of this name; the nearest are given.
        """
        if name not in self._cache:
            if name in self._axes:
                column = _array(self._axis(name))
            elif name in SUMMARY:
                column = self._native.column(name)
                if len(self._rows) < self.num_points:
                    column = column[self._rows]
            else:
                raise KeyError(f"sweep has no column {name!r}{nearest(name, self.columns)}")
            column.flags.writeable = False
            self._cache[name] = column
        return self._cache[name]

    def _axis(self, path: str) -> list[Any]:
        values = self._axes[path]
        if not self._grid:
            return [values[i] for i in self._rows.tolist()]
        names = list(self._axes)
        stride = 1
        for later in names[names.index(path) + 1 :]:
            stride *= len(self._axes[later])
        return [values[i] for i in (self._rows // stride % len(values)).tolist()]

    @cached_property
    def status(self) -> list[str]:
        """Status of each row: ok, infeasible, unstable, livelock or invalid."""
        names = _native.status_names()
        return [names[code] for code in self._native.status[self._rows].tolist()]

    @cached_property
    def calibration(self) -> list[str]:
        """What each row's step times rest on (`Trust`); `given` for rows that failed."""
        names = _native.calibration_names()
        return [names[code] for code in self._native.calibration[self._rows].tolist()]

    @cached_property
    def reason(self) -> list[str]:
        """Why a row is not ok, else empty."""
        reasons = self._native.reasons()
        return [reasons.get(i, "") for i in self._rows.tolist()]

    @cached_property
    def warnings(self) -> dict[str, list[int]]:
        """What a reader of the figures should know: each warning and the rows that have it."""
        row_of = {point: row for row, point in enumerate(self._rows.tolist())}
        found: dict[str, list[int]] = {}
        for text, points in self._native.warnings().items():
            rows = [row_of[point] for point in points if point in row_of]
            if rows:
                found[text] = rows
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
            native = self._native.result(i)
            out.append(None if native is None else Result(native, self._hashes))
        return out

    # ---- rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over rows as `rows` returns them."""
        return iter(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows as dicts: axes, status, reason, figures (None where undefined)."""
        names = [*self._axes, "status", "reason", "calibration", *SUMMARY]
        columns = [
            *(self._axis(path) for path in self._axes),
            self.status,
            self.reason,
            self.calibration,
            *(self._figures(name) for name in SUMMARY),
        ]
        rows = zip(*columns, strict=True)
        return [dict(zip(names, values, strict=True)) for values in rows]

    def _figures(self, name: str) -> list[Any]:
        """Return a figure of each row: whole numbers if it counts something, None if undefined."""
        values = plain_list(self[name])
        return [None if v is None else int(v) for v in values] if name in COUNTS else values

    def select(self, where: Mapping[str, Any] | None = None, /, **named: Any) -> SweepResult:
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
                column: list[Any] = self.status
            elif name in self._axes:
                column = self._axis(name)
            else:
                known = [*self._axes, "status"]
                raise KeyError(f"sweep has no axis {name!r}{nearest(name, known)}")
            keep &= np.fromiter((v == value for v in column), dtype=bool, count=len(self))
        return self.take(np.flatnonzero(keep))

    def take(self, rows: npt.NDArray[np.intp]) -> SweepResult:
        """Return the rows with these numbers, in this order."""
        return SweepResult(
            self._native, self._axes, grid=self._grid, hashes=self._hashes, rows=self._rows[rows]
        )

    def knee(
        self,
        metric: str = "p99_ttft_ms",
        *,
        rate: str = _RATE,
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
            if path != rate and any(v != self._axis(path)[0] for v in self._axis(path)):
                raise ValueError(f"axes: {path} has several values; select one first")
        load = np.asarray(self[rate], dtype=np.float64)
        return find_knee(load, self["request_throughput"], self[metric], capacity_per_s)

    # ---- other forms

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame.

        Raises
        ------
        PandasMissingError
            If pandas is not installed.
        """
        data: dict[str, Any] = {path: self._axis(path) for path in self._axes}
        data |= {"status": self.status, "reason": self.reason, "calibration": self.calibration}
        data |= {name: self[name] for name in SUMMARY}
        return frame(data)

    def to_dict(self) -> dict[str, Any]:
        """Return base, axes and rows as plain Python values (no NaN, no infinity: None)."""
        return {
            "scenario": json.loads(self._native.scenario_json),
            "num_points": self.num_points,
            "unfinished": self.unfinished,
            "warnings": self.warnings,
            "rows": self.rows(),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        from kvsim._encode import encode_strict

        text = encode_strict(self.to_dict(), "sweep")
        return text if indent is None else json.dumps(json.loads(text), indent=indent)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the rows as CSV with a header, and write them to `path` if it is given.

        Undefined figures are empty cells; values that are no scalars are JSON.
        """
        from kvsim._encode import encode_strict

        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        names = [*self._axes, "status", "reason", "calibration", *SUMMARY]
        writer.writerow(names)
        for row in self.rows():
            cells = (row[name] for name in names)
            writer.writerow(
                v if v is None or isinstance(v, str | int | float) else encode_strict(v, "axes")
                for v in cells
            )
        text = stream.getvalue()
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
        return f"<code>{repr(self).replace('<', '&lt;').replace('>', '&gt;')}</code>"


def _array(values: list[Any]) -> Array:
    """Return an axis as a numeric array if it is one, else as an array of objects."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return np.asarray(values)
    if all(isinstance(v, bool) for v in values) or all(isinstance(v, str) for v in values):
        return np.asarray(values)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
