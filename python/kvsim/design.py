"""Designs: which points a sweep has.

A design is a table of values by dotted path, a row a point. `grid` has every combination, `points`
what you list, `zipped` values side by side, `sobol` and `latin_hypercube` samples of a space of
axes `Uniform`, `LogUniform`, `Integers` and `Choice`. `a * b` combines every point of `a` with
every point of `b`, `a + b` has both's points; `only_if` limits an axis to some values of another.

Examples
--------
>>> from kvsim import design
>>> engines = design.zipped({"engine.max_num_seqs": [64, 256], "engine.block_size": [16, 32]})
>>> engines * design.grid({"workload.arrivals.rate_per_s": [1, 2, 4]})
<Design: 6 points, engine.max_num_seqs (2 values), engine.block_size (2 values),
 workload.arrivals.rate_per_s (3 values)>
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kvsim._design_axes import (
    Axis,
    Choice,
    Floats,
    Integers,
    LogUniform,
    OnlyIf,
    Uniform,
    check_values,
    identity,
    only_if,
)
from kvsim._encode import encode
from kvsim._schema import check_path
from kvsim.errors import ConfigError

__all__ = [
    "Choice",
    "Design",
    "Integers",
    "LogUniform",
    "OnlyIf",
    "Uniform",
    "grid",
    "latin_hypercube",
    "only_if",
    "points",
    "sobol",
    "zipped",
]

MAX_POINTS = 10**6
Codes = npt.NDArray[np.intp]
_ABSENT = -1  # the code of a point that does not set a path


class Design:
    """A table of points: values by dotted path. The functions of this module make it.

    Attributes
    ----------
    values : dict
        The different values of each path.
    kind : str
        `grid`, `points`, `zipped`, `sobol`, `latin_hypercube`, `product` or `sum`.
    """

    def __init__(
        self, kind: str, values: Mapping[str, list[Any]], codes: Mapping[str, Codes], size: int
    ) -> None:
        self.kind = kind
        self.values = dict(values)
        self._codes = dict(codes)
        self._size = size
        self._part_texts: dict[str, list[str]] = {}

    def __len__(self) -> int:
        """Return the number of points."""
        return self._size

    @property
    def paths(self) -> list[str]:
        """Dotted paths that points set."""
        return list(self.values)

    @property
    def full_grid(self) -> bool:
        """Whether the points are every combination of the values, the last path fastest."""
        return self.kind == "grid" and self._size == math.prod(map(len, self.values.values()))

    def codes(self, path: str) -> Codes:
        """Return which of `values[path]` each point has, -1 where it does not set the path."""
        return self._codes[path]

    def column(self, path: str, rows: Codes | None = None) -> list[Any]:
        """Return the value of each point (or of some), None where it does not set the path."""
        values = [*self.values[path], None]
        codes = self._codes[path] if rows is None else self._codes[path][rows]
        return [values[code] for code in codes.tolist()]

    def points(self, rows: Codes | None = None) -> list[dict[str, Any]]:
        """Return what each point (or some) sets."""
        chosen = {p: c if rows is None else c[rows] for p, c in self._codes.items()}
        size = self._size if rows is None else len(rows)
        out: list[dict[str, Any]] = [{} for _ in range(size)]
        for path, codes in chosen.items():
            values = self.values[path]
            for point, code in zip(out, codes.tolist(), strict=True):
                if code >= 0:
                    point[path] = values[code]
        return out

    def texts(self, rows: Codes) -> list[str]:
        """Return what some points set, each as JSON text."""
        columns: list[list[str | None]] = []
        for path, codes in self._codes.items():
            parts = [*self._parts(path), None]
            columns.append([parts[code] for code in codes[rows].tolist()])
        if not columns:
            return ["{}"] * len(rows)
        everywhere = all(codes[rows].min(initial=0) >= 0 for codes in self._codes.values())
        points = zip(*columns, strict=True)
        if everywhere:
            return [f"{{{','.join(point)}}}" for point in points]
        return [f"{{{','.join(filter(None, point))}}}" for point in points]

    def _parts(self, path: str) -> list[str]:
        """Return each value of a path as a member of a JSON object."""
        if path not in self._part_texts:
            name = encode(path, {}, "axes")
            self._part_texts[path] = [
                f"{name}:{encode(value, {}, 'axes')}" for value in self.values[path]
            ]
        return self._part_texts[path]

    def take(self, rows: Codes) -> Design:
        """Return some of the points, in this order."""
        return Design(
            "points", self.values, {p: c[rows] for p, c in self._codes.items()}, len(rows)
        )

    def with_values(self, path: str, values: list[Any]) -> Design:
        """Return the same points with other values of a path, in the order of the old ones."""
        return Design(self.kind, {**self.values, path: values}, self._codes, self._size)

    def with_column(self, path: str, values: Sequence[Any]) -> Design:
        """Return the same points that also set a path, to one value each."""
        distinct: dict[Any, int] = {}
        codes = [distinct.setdefault(value, len(distinct)) for value in values]
        return Design(
            "points",
            {**self.values, path: list(distinct)},
            {**self._codes, path: np.array(codes, dtype=np.intp)},
            self._size,
        )

    def __mul__(self, other: Design) -> Design:
        """Combine every point with every point of another design, the other's fastest."""
        if not isinstance(other, Design):
            return NotImplemented
        for path in other.values:
            if path in self.values:
                raise ConfigError(f"axes: got {path!r} in both designs; allowed: in one of them")
        check_size(self._size * other._size, MAX_POINTS)
        codes = {p: np.repeat(c, other._size) for p, c in self._codes.items()}
        codes |= {p: np.tile(c, self._size) for p, c in other._codes.items()}
        both_full = self.full_grid and other.full_grid
        return Design(
            "grid" if both_full else "product",
            {**self.values, **other.values},
            codes,
            self._size * other._size,
        )

    def __add__(self, other: Design) -> Design:
        """Return the points of both designs."""
        if not isinstance(other, Design):
            return NotImplemented
        values = {p: list(v) for p, v in self.values.items()}
        codes: dict[str, Codes] = {}
        for path in dict.fromkeys([*self.values, *other.values]):
            shift = len(values.setdefault(path, []))
            values[path] += other.values.get(path, [])
            first = self._codes.get(path, np.full(self._size, _ABSENT))
            second = other._codes.get(path, np.full(other._size, _ABSENT))
            codes[path] = np.concatenate([first, np.where(second < 0, _ABSENT, second + shift)])
        return Design("sum", values, codes, self._size + other._size)

    def __repr__(self) -> str:
        """Return the number of points and the paths."""
        shown = [f"{path} ({len(v):,} values)" for path, v in self.values.items()]
        return f"<Design: {self._size:,} points, {', '.join(shown)}>"


def grid(axes: Mapping[str, Any], *, max_points: int = MAX_POINTS) -> Design:
    """Return every combination of some values, in the order given, the last axis fastest.

    Parameters
    ----------
    axes : mapping
        Dotted paths and their values; a value may be `only_if(...)`.
    max_points : int
        Larger grids are refused before memory is taken.

    Raises
    ------
    ConfigError
        If a path is unknown, an axis has no values or the same twice, or there are too many points.

    Examples
    --------
    >>> len(grid({"engine.max_num_seqs": [64, 256], "engine.block_size": [16, 32, 64]}))
    6
    """
    listed = {path: _grid_axis(path, axis, max_points) for path, axis in axes.items()}
    if not any(isinstance(axis, OnlyIf) for axis in axes.values()):
        check_size(math.prod(len(values) for values in listed.values()), max_points)
    values = {path: as_list(v) for path, v in listed.items()}
    codes: dict[str, Codes] = {}
    size = 1
    for path, axis in axes.items():
        check_values(f"axes[{path!r}]", values[path])
        applies = _applies(path, axis, values, codes, size)
        counts = np.where(applies, len(values[path]), 1)
        check_size(int(counts.sum()), max_points)
        parent = np.repeat(np.arange(size), counts)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        within = np.arange(len(parent)) - first[parent]
        codes = {p: c[parent] for p, c in codes.items()}
        codes[path] = np.where(applies[parent], within, _ABSENT).astype(np.intp)
        size = len(parent)
    return Design("grid", values, codes, size)


def points(table: Any, *, max_points: int = MAX_POINTS) -> Design:
    """Return a list of points as a design.

    Parameters
    ----------
    table : sequence of mappings, or a pandas or polars DataFrame
        What each point sets, by dotted path. Empty cells of a DataFrame are not set.
    max_points : int
        Longer lists are refused.

    Raises
    ------
    ConfigError
        If there is no point, too many, or an unknown path.

    Examples
    --------
    >>> points([{"seed": 1}, {"seed": 2, "engine.block_size": 32}]).column("engine.block_size")
    [None, 32]
    """
    listed = _rows_of(table, max_points)
    values: dict[str, list[Any]] = {}
    distinct: dict[str, dict[Any, int]] = {}
    codes: dict[str, Codes] = {}
    for i, point in enumerate(listed):
        if not isinstance(point, Mapping):
            kind = type(point).__name__
            raise ConfigError(f"axes[{i}]: got a {kind}; allowed: a mapping of paths to values")
        for path, value in point.items():
            if path not in values:
                check_path(path, f"axes[{i}]")
                values[path] = []
                distinct[path] = {}
                codes[path] = np.full(len(listed), _ABSENT, dtype=np.intp)
            scalar = isinstance(value, bool | int | float | str)
            key = (type(value), value) if scalar else (None, i)
            codes[path][i] = code = distinct[path].setdefault(key, len(values[path]))
            if code == len(values[path]):
                values[path].append(value)
    return Design("points", values, codes, len(listed))


def zipped(axes: Mapping[str, Any]) -> Design:
    """Return points that take the values of all axes side by side, first with first and so on.

    Raises
    ------
    ConfigError
        If a path is unknown, an axis is empty or their lengths differ.

    Examples
    --------
    >>> zipped({"engine.max_num_seqs": [64, 256], "engine.block_size": [16, 32]}).points()
    [{'engine.max_num_seqs': 64, 'engine.block_size': 16},
     {'engine.max_num_seqs': 256, 'engine.block_size': 32}]
    """
    values = {path: as_list(_grid_axis(path, axis, MAX_POINTS)) for path, axis in axes.items()}
    lengths = {path: len(v) for path, v in values.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{path}: {n}" for path, n in lengths.items())
        raise ConfigError(f"zipped: got axes of different lengths ({shown}); allowed: equal ones")
    size = next(iter(lengths.values()), 0)
    if size == 0:
        raise ConfigError("zipped: got no axes; allowed: at least one")
    check_size(size, MAX_POINTS)
    return Design("zipped", values, {p: np.arange(size, dtype=np.intp) for p in values}, size)


def sobol(axes: Mapping[str, Any], num_points: int, *, seed: int = 0) -> Design:
    """Return a scrambled Sobol sequence over a space (scipy.stats.qmc; needs scipy).

    Parameters
    ----------
    axes : mapping
        Dotted paths and `Uniform`, `LogUniform`, `Integers` or `Choice`, each possibly in
        `only_if`: the axis keeps its dimension and is not set where the condition does not hold.
        A plain list stands for `Choice`.
    num_points : int
        Number of points; powers of two keep the sequence balanced.
    seed : int
        Seed of the scrambling.

    Raises
    ------
    ConfigError
        If a path is unknown, an axis is of another kind, or the number is not allowed.

    Examples
    --------
    >>> space = {"engine.max_num_seqs": Integers(1, 8), "engine.block_size": Choice([16, 32])}
    >>> sorted(sobol(space, 8).column("engine.max_num_seqs"))
    [1, 2, 3, 4, 5, 6, 7, 8]
    """
    from scipy.stats import qmc

    axes_, num = _space(axes, num_points)
    sampler = _seeded(qmc.Sobol, len(axes_), seed)
    return _sampled("sobol", axes_, sampler.random_base2(max(num - 1, 1).bit_length())[:num])


def latin_hypercube(axes: Mapping[str, Any], num_points: int, *, seed: int = 0) -> Design:
    """Return a Latin hypercube sample of a space (scipy.stats.qmc; needs scipy).

    Each axis is cut into as many pieces of equal probability as there are points, and every piece
    has one point. Parameters and errors are those of `sobol`.

    Examples
    --------
    >>> space = {"engine.max_num_seqs": Integers(1, 8)}
    >>> sorted(latin_hypercube(space, 8).column("engine.max_num_seqs"))
    [1, 2, 3, 4, 5, 6, 7, 8]
    """
    from scipy.stats import qmc

    axes_, num = _space(axes, num_points)
    return _sampled(
        "latin_hypercube", axes_, _seeded(qmc.LatinHypercube, len(axes_), seed).random(num)
    )


def as_design(axes: Any, max_points: int) -> Design:
    """Return what a sweep's `axes` stands for: a design, a grid's mapping, or a list of points."""
    if isinstance(axes, Design):
        check_size(len(axes), max_points)
        return axes
    if isinstance(axes, Mapping):
        return grid(axes, max_points=max_points)
    return points(axes, max_points=max_points)


def check_size(num_points: int, max_points: int) -> None:
    """Fail if there are more points than allowed."""
    if num_points > max_points:
        raise ConfigError(
            f"axes: got {num_points:,} points; allowed: max_points = {max_points:,} "
            "(raise it if you mean it)"
        )


def as_list(values: Any) -> list[Any]:
    """Return an axis' values as a list of plain values."""
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


# ---- helpers


def _grid_axis(path: str, axis: Any, max_points: int) -> Any:
    """Return an axis' values as a sequence whose length is known, after checks."""
    check_path(path, "axes")
    values = axis.axis if isinstance(axis, OnlyIf) else axis
    if isinstance(values, Axis):
        raise ConfigError(
            f"axes[{path!r}]: got {values!r}; allowed: a list of values (a range of numbers needs "
            "design.sobol or design.latin_hypercube)"
        )
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ConfigError(f"axes[{path!r}]: got {values!r}; allowed: a list of values")
    # A range of 10^9 numbers is not made a list before its size is known.
    if not isinstance(values, Sequence | np.ndarray):
        values = list(itertools.islice(values, max_points + 1))
    if len(values) == 0:
        raise ConfigError(f"axes[{path!r}]: got no values; allowed: at least one")
    return values


def _applies(
    path: str,
    axis: Any,
    values: Mapping[str, list[Any]],
    codes: Mapping[str, Codes],
    size: int,
    *,
    all_known: bool = True,
) -> npt.NDArray[np.bool_]:
    """Return at which points an axis' condition holds; `values` may be all there are, or drawn."""
    holds = np.ones(size, dtype=bool)
    if not isinstance(axis, OnlyIf):
        return holds
    for other, wanted in axis.condition.items():
        if other not in codes:
            known = ", ".join(codes) or "none"
            raise ConfigError(
                f"axes[{path!r}]: its condition names {other!r}; allowed: an axis before it "
                f"({known})"
            )
        listed = wanted if isinstance(wanted, list | tuple | set) else [wanted]
        accepted = {identity(v) for v in listed}
        fits = np.array([identity(v) in accepted for v in values[other]] + [False])
        if all_known and not fits.any():
            raise ConfigError(
                f"axes[{path!r}]: its condition wants {other} = {wanted!r}, which is none of its "
                "values"
            )
        holds &= fits[codes[other]]
    return holds


def _rows_of(table: Any, max_points: int) -> list[Any]:
    """Return a list of points, or the rows of a DataFrame without what is empty in them."""
    if hasattr(table, "columns") and hasattr(table, "to_dict"):
        check_size(len(table), max_points)
        rows = table.to_dicts() if hasattr(table, "to_dicts") else table.to_dict("records")
        listed = [{k: v for k, v in row.items() if not _empty(v)} for row in rows]
    elif isinstance(table, str | bytes) or not isinstance(table, Iterable):
        kind = type(table).__name__
        raise ConfigError(f"axes: got a {kind}; allowed: a mapping of paths or a list of points")
    else:
        listed = list(itertools.islice(table, max_points + 1))
        check_size(len(table) if isinstance(table, Sequence) else len(listed), max_points)
    if not listed:
        raise ConfigError("axes: got no points; allowed: at least one")
    return listed


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _space(axes: Mapping[str, Any], num_points: int) -> tuple[dict[str, Any], int]:
    if not isinstance(axes, Mapping) or not axes:
        raise ConfigError(f"axes: got {axes!r}; allowed: a mapping of paths to axes")
    whole = isinstance(num_points, int | np.integer) and not isinstance(num_points, bool)
    if not whole or num_points < 1:
        raise ConfigError(f"num_points: got {num_points!r}; allowed: a whole number from 1 on")
    check_size(int(num_points), MAX_POINTS)
    out: dict[str, Any] = {}
    for path, given in axes.items():
        check_path(path, "axes")
        axis = given.axis if isinstance(given, OnlyIf) else given
        if not isinstance(axis, Axis):
            axis = Choice(as_list(_grid_axis(path, given, MAX_POINTS)))
        out[path] = OnlyIf(given.condition, axis) if isinstance(given, OnlyIf) else axis
    return out, int(num_points)


def _seeded(sampler: Any, dimensions: int, seed: int) -> Any:
    """Return a sampler; scipy renamed `seed` to `rng` in 1.15."""
    generator = np.random.default_rng(seed)
    try:
        return sampler(dimensions, rng=generator)
    except TypeError:
        return sampler(dimensions, seed=generator)


def _sampled(kind: str, axes: Mapping[str, Any], quantiles: Floats) -> Design:
    size = len(quantiles)
    values: dict[str, list[Any]] = {}
    codes: dict[str, Codes] = {}
    for k, (path, axis) in enumerate(axes.items()):
        inner = axis.axis if isinstance(axis, OnlyIf) else axis
        drawn = inner.at(quantiles[:, k])
        applies = _applies(path, axis, values, codes, size, all_known=False)
        distinct: dict[Any, int] = {}
        values[path] = []
        at = np.full(size, _ABSENT, dtype=np.intp)
        for i in np.flatnonzero(applies).tolist():
            code = distinct.setdefault(identity(drawn[i]), len(values[path]))
            if code == len(values[path]):
                values[path].append(drawn[i])
            at[i] = code
        codes[path] = at
    return Design(kind, values, codes, size)
