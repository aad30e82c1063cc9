"""What a table of points says: Pareto set, best point, pivot, knees, what limits each point."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim._columns import as_array
from kvsim._pandas import frame
from kvsim.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from kvsim._knee import Knee
    from kvsim._sweep_result import SweepResult

RATE = "workload.arrivals.rate_per_s"
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Pivot:
    """A figure over two axes.

    Attributes
    ----------
    rows, columns : str
        Paths of the axes.
    row_values, column_values : list
        Their values, numbers in rising order.
    metric : str
        The figure.
    values : array of float64, shape (row values, column values)
        NaN where there is no figure.
    status : array of str, same shape
        Status of the point, empty where there is none.
    """

    rows: str
    columns: str
    row_values: list[Any]
    column_values: list[Any]
    metric: str
    values: Floats
    status: npt.NDArray[np.object_]

    def to_pandas(self) -> pd.DataFrame:
        """Return the figure as a DataFrame .

        Raises
        ------
        PandasMissingError
            If pandas is not installed.
        """
        table = frame(self.values)
        table.index, table.columns = self.row_values, self.column_values
        return table.rename_axis(index=self.rows, columns=self.columns)


def pivot(result: SweepResult, rows: str, columns: str, metric: str) -> Pivot:
    """Return a figure over two axes; see `SweepResult.pivot`."""
    for path in (rows, columns):
        if path not in result.design.values:
            raise KeyError(f"sweep has no axis {path!r}; it has {', '.join(result.design.paths)}")
    if rows == columns:
        raise ValueError(f"pivot: got {rows!r} twice; allowed: two axes")
    for path in several(result, (rows, columns)):
        raise ValueError(f"axes: {path} has several values; select one first")
    figure = result[metric]
    row_values, row_of = _ordered(result, rows)
    column_values, column_of = _ordered(result, columns)
    values = np.full((len(row_values), len(column_values)), np.nan)
    status = np.full(values.shape, "", dtype=object)
    values[row_of, column_of] = figure
    status[row_of, column_of] = result.status
    if (status != "").sum() < len(result):
        raise ValueError("pivot: several rows have the same values of both axes; select some first")
    return Pivot(rows, columns, row_values, column_values, metric, values, status)


def _ordered(result: SweepResult, path: str) -> tuple[list[Any], Indices]:
    """Return an axis' values in order, and the place of each row's value among them."""
    column = result.axis(path)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in column)
    values: list[Any] = []
    for value in column:
        if value not in values:
            values.append(value)
    if numbers:
        values.sort()
    return values, np.array([values.index(v) for v in column], dtype=np.intp)


def several(result: SweepResult, but: Iterable[str]) -> list[str]:
    """Return the paths that have several values, some excepted."""
    left = [p for p in result.design.paths if p not in set(but)]
    return [p for p in left if len(np.unique(result.codes(p))) > 1]


def pareto(result: SweepResult, minimize: Sequence[str], maximize: Sequence[str]) -> Indices:
    """Return the rows that no other row beats or equals in everything and beats in something.

    Rows that are not `ok`, or have an undefined figure among these, are left out.
    """
    costs = [result[n] for n in minimize] + [-result[n] for n in maximize]
    if not costs:
        raise ConfigError("pareto: got no figures; allowed: at least one to minimize or maximize")
    table = np.stack([np.asarray(c, dtype=np.float64) for c in costs], axis=1)
    usable = np.isfinite(table).all(axis=1) & (np.asarray(result.status) == "ok")
    rows = np.flatnonzero(usable)
    return np.sort(rows[nondominated(table[rows])])


def nondominated(costs: Floats) -> Indices:
    """Return the rows that no other row beats or equals in every cost and beats in one.

    Examples
    --------
    >>> nondominated(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 4.0]])).tolist()
    [0, 1]
    """
    # In lexical order a row can only be beaten by one before it.
    order = np.lexsort(costs.T[::-1])
    front: list[int] = []
    kept = np.empty(costs.shape)
    for row in order.tolist():
        before = kept[: len(front)]
        no_worse = (before <= costs[row]).all(axis=1)
        if not (no_worse & (before < costs[row]).any(axis=1)).any():
            kept[len(front)] = costs[row]
            front.append(row)
    return np.array(front, dtype=np.intp)


def within(result: SweepResult, limits: Mapping[str, float]) -> Indices:
    """Return the rows that are `ok` and keep every upper limit."""
    fits = np.asarray(result.status) == "ok"
    for name, limit in limits.items():
        with np.errstate(invalid="ignore"):
            fits &= result[name] <= limit
    return np.flatnonzero(fits)


def nearest_rows(result: SweepResult, where: Mapping[str, Any]) -> Indices:
    """Return the rows whose axes have the given values, numbers the nearest that there are."""
    keep = np.ones(len(result), dtype=bool)
    for path, wanted in where.items():
        if path not in result.design.values:
            raise KeyError(f"sweep has no axis {path!r}; it has {', '.join(result.design.paths)}")
        column = result.axis(path)
        number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
        known = [v for v in column if isinstance(v, int | float) and not isinstance(v, bool)]
        target = min(known, key=lambda v: abs(v - wanted)) if number and known else wanted
        keep &= np.fromiter((v == target for v in column), dtype=bool, count=len(result))
    return np.flatnonzero(keep)


def knees(result: SweepResult, metric: str, rate: str = RATE) -> list[dict[str, Any]]:
    """Return the knee of every combination of the other axes: `at` (their values) and `knee`."""
    if rate not in result.design.values:
        return []
    others = [p for p in result.design.paths if p != rate]
    codes = [result.codes(p).tolist() for p in others]
    groups: dict[tuple[int, ...], list[int]] = {}
    for row in range(len(result)):
        groups.setdefault(tuple(c[row] for c in codes), []).append(row)
    out = []
    for key, rows in groups.items():
        values = {
            p: ([*result.design.values[p], None])[c] for p, c in zip(others, key, strict=True)
        }
        knee: Knee | None = result.take(np.array(rows, dtype=np.intp)).knee(metric, rate=rate)
        out.append({"at": values, "knee": None if knee is None else knee.to_dict()})
    return out


# ---- which axis matters


@dataclass(frozen=True)
class Effect:
    """How much an axis moves a figure.

    Attributes
    ----------
    path : str
        The axis.
    low, high : float
        Least and greatest mean of the figure over the rows at one value of the axis (or one group
        of values), all else averaged.
    low_value, high_value : value
        The values of the axis there; for groups, their middle.
    share : float
        Share of the figure's variance that the axis alone explains, the variance of these means
        over the variance of all: on a full grid exactly Sobol's first-order index of a uniform
        choice among the values.
    """

    path: str
    low: float
    high: float
    low_value: Any
    high_value: Any
    share: float


_GROUPS = 8


def effects(result: SweepResult, metric: str) -> list[Effect]:
    """Return the effect of each axis that varies, the greatest first; see `Effect`.

    Rows without the figure are left out. An axis of numbers with more than eight values is cut into
    eight groups of equal size.
    """
    figure = np.asarray(result[metric], dtype=np.float64)
    rows = np.flatnonzero(np.isfinite(figure))
    y = figure[rows]
    if len(rows) < 2 or y.var() == 0:
        return []
    found = []
    for path in result.design.paths:
        labels, group = _grouped(result, path, rows)
        if len(labels) < 2:
            continue
        counts = np.bincount(group, minlength=len(labels))
        means = np.bincount(group, y, len(labels)) / counts
        between = float((counts * (means - y.mean()) ** 2).sum() / len(y))
        low, high = int(means.argmin()), int(means.argmax())
        found.append(
            Effect(
                path,
                float(means[low]),
                float(means[high]),
                labels[low],
                labels[high],
                between / float(y.var()),
            )
        )
    return sorted(found, key=lambda e: e.low - e.high)


def _grouped(result: SweepResult, path: str, rows: Indices) -> tuple[list[Any], Indices]:
    """Return the values (or middles of groups) of an axis, and the group of each row."""
    column = [result.axis(path)[i] for i in rows.tolist()]
    distinct = list(dict.fromkeys(map(_hashable, column)))
    if len(distinct) <= _GROUPS:
        at = {key: i for i, key in enumerate(distinct)}
        first = {_hashable(v): v for v in reversed(column)}
        return [first[k] for k in distinct], np.array([at[_hashable(v)] for v in column])
    values = as_array(column)
    if values.dtype.kind not in "if":
        raise ValueError(f"axes: {path} has {len(distinct)} values that are no numbers")
    rank = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    group = rank * _GROUPS // len(values)
    middles = [float(np.median(values[group == g])) for g in range(_GROUPS)]
    return middles, group.astype(np.intp)


def _hashable(value: Any) -> Any:
    from kvsim._encode import encode

    simple = isinstance(value, bool | int | float | str | None)
    return (type(value), value) if simple else encode(value, {}, "axes")


def short(path: str) -> str:
    """Return an axis as a label has it: the last part of its path.

    Examples
    --------
    >>> short("engine.max_num_seqs"), short("workload.arrivals.rate_per_s")
    ('max_num_seqs', 'rate_per_s')
    """
    return path.rpartition(".")[2]


def combinations(result: SweepResult, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return the combinations of some axes' values that rows have, in order."""
    seen: dict[tuple[int, ...], dict[str, Any]] = {}
    codes = [result.codes(p).tolist() for p in paths]
    for key in itertools.islice(zip(*codes, strict=True), len(result)) if paths else [()]:
        values = [[*result.design.values[p], None][c] for p, c in zip(paths, key, strict=True)]
        seen.setdefault(tuple(key), dict(zip(paths, values, strict=True)))
    return list(seen.values())
