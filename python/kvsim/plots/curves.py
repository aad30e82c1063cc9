"""A figure against load, or against any axis in panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim._analysis import RATE, combinations, pareto, several
from kvsim.plots.labels import axis_label, metric_label, value_label
from kvsim.plots.style import GREY, axes, marks, plain_ticks, plain_values, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._sweep_result import SweepResult

_MOST_CURVES = 7


class SweepFrontier:
    """A latency (y) against the achieved rate (x), a curve for each combination of other axes.

    Bands are the confidence intervals, if the sweep has any; ringed points are the Pareto set (no
    other point has both more throughput and less latency); points that are not `ok` are hollow.

    Parameters
    ----------
    result : SweepResult
        What to draw; at most seven curves.
    metric : str
        A figure of the summary.
    x : str
        The figure on the horizontal axis.
    log : bool
        Logarithmic vertical axis.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If there are more curves than can be told apart.
    KeyError
        If a figure is not known.

    Examples
    --------
    >>> result.plot("frontier", "p99_e2el_ms")  # doctest: +SKIP
    <Axes: ...>
    """

    def __init__(
        self,
        result: SweepResult,
        metric: str = "p99_ttft_ms",
        *,
        x: str = "request_throughput",
        log: bool = True,
        title: str | None = None,
    ) -> None:
        self.result = result
        self.metric = metric
        self.x = x
        self.log = log
        self.title = title
        self._front = set(pareto(result, [metric], [x]).tolist())
        self._series = curves(result, several(result, [RATE]))

    def data(self) -> dict[str, Any]:
        """Return what is drawn as plain lists."""
        return {
            "metric": self.metric,
            "x": self.x,
            "confidence": self.result.confidence,
            "series": [self._curve(label, rows) for label, rows in self._series],
        }

    def _curve(self, label: str, rows: list[int]) -> dict[str, Any]:
        low, high = self.result.interval(self.metric)
        x = self.result[self.x]
        order = sorted(rows, key=lambda i: (not np.isfinite(x[i]), x[i]))
        return {
            "label": label,
            "x": plain_values(x[order]),
            "y": plain_values(self.result[self.metric][order]),
            "low": plain_values(low[order]),
            "high": plain_values(high[order]),
            "status": [self.result.status[i] for i in order],
            "pareto": [i in self._front for i in order],
        }

    @styled
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw on `ax`, or on a new one, and return it."""
        ax = axes(ax)
        if self.log:
            ax.set_yscale("log")
        listed = self.data()["series"]
        for index, curve in enumerate(listed):
            draw_curve(ax, curve, index)
        front = [
            (x, y) for c in listed for x, y, p in zip(c["x"], c["y"], c["pareto"], strict=True) if p
        ]
        if front:
            ax.plot(
                *zip(*front, strict=True), linestyle="none", marker="o", markersize=11,
                markerfacecolor="none", markeredgecolor=GREY, label="Pareto set", zorder=2,
            )  # fmt: skip
        if self.log:
            plain_ticks(ax)
        ax.set_xlabel(metric_label(self.x))
        ax.set_ylabel(metric_label(self.metric))
        finish(ax, self.result, listed, self.title)
        return ax


class SmallMultiples:
    """A figure against an axis, a panel for each value of another, on common scales.

    Parameters
    ----------
    result : SweepResult
        What to draw.
    x : str
        Path of the axis of numbers on the horizontal axis.
    panels : str
        Path of the axis that the panels are of; at most 12 values.
    metric : str
        A figure of the summary.
    log : bool
        Logarithmic vertical axis.
    columns : int
        Panels in a row.

    Raises
    ------
    ValueError
        If there are too many panels, or curves in one.
    KeyError
        If an axis or figure is not known.

    Examples
    --------
    >>> result.plot("small_multiples", RATE, "engine.block_size")  # doctest: +SKIP
    [<Axes: ...>, ...]
    """

    def __init__(
        self,
        result: SweepResult,
        x: str,
        panels: str,
        metric: str = "p99_ttft_ms",
        *,
        log: bool = False,
        columns: int = 3,
    ) -> None:
        self.result = result
        self.x, self.panels, self.metric, self.log = x, panels, metric, log
        values = result.axis(x)
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            raise ValueError(f"x: the values of {x} are no numbers")
        result.axis(panels)
        self._values = [c[panels] for c in combinations(result, [panels])]
        if len(self._values) > 12:
            raise ValueError(f"panels: {panels} has {len(self._values)} values; allowed: 12")
        self._columns = max(1, min(columns, len(self._values)))
        lines = several(result, [x, panels])
        self._series = curves(result, lines)

    def data(self) -> dict[str, Any]:
        """Return what is drawn as plain lists."""
        low, high = self.result.interval(self.metric)
        x = np.asarray(self.result.axis(self.x), dtype=np.float64)
        at = self.result.axis(self.panels)
        y = self.result[self.metric]
        panels = []
        for value in self._values:
            series = []
            for label, rows in self._series:
                mine = sorted((i for i in rows if at[i] == value), key=lambda i: x[i])
                series.append({
                    "label": label,
                    "x": plain_values(x[mine]),
                    "y": plain_values(y[mine]),
                    "low": plain_values(low[mine]),
                    "high": plain_values(high[mine]),
                    "status": [self.result.status[i] for i in mine],
                })  # fmt: skip
            panels.append({"value": value, "series": series})
        return {"metric": self.metric, "x": self.x, "panel": self.panels, "panels": panels}

    @styled
    def plot(self, ax: Sequence[Axes] | None = None) -> list[Axes]:
        """Draw on as many axes as there are panels, or on a new figure, and return them."""
        listed = self.data()["panels"]
        if ax is None:
            drawn = self._new_axes(len(listed))
        else:
            drawn = list(np.ravel(np.asarray(ax, dtype=object)))
            if len(drawn) < len(listed):
                raise ValueError(f"ax: got {len(drawn)} axes; allowed: {len(listed)} or more")
        for k, (one, panel) in enumerate(zip(drawn, listed, strict=False)):
            if self.log:
                one.set_yscale("log")
            for index, curve in enumerate(panel["series"]):
                draw_curve(one, curve, index)
            name = self.panels.rpartition(".")[2]
            one.set_title(f"{name} {value_label(panel['value'])}", fontsize=9.5)
            if k >= len(listed) - self._columns:
                one.set_xlabel(axis_label(self.x))
                one.tick_params(labelbottom=True)
            if k % self._columns == 0:
                one.set_ylabel(metric_label(self.metric), fontsize=9)
        everything = [c for p in listed for c in p["series"]]
        finish(drawn[0], self.result, everything, None, place="best")
        return drawn[: len(listed)]

    def _new_axes(self, count: int) -> list[Axes]:
        import matplotlib.pyplot as plt

        rows = -(-count // self._columns)
        size = (min(3.1 * self._columns + 0.8, 11), 2.6 * rows + 0.4)
        _, grid = plt.subplots(
            rows, self._columns, figsize=size, sharex=True, sharey=True, squeeze=False
        )
        flat: list[Axes] = list(grid.ravel())
        for one in flat[count:]:
            one.set_visible(False)
        return flat


def curves(result: SweepResult, paths: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Return label and rows of each combination of some axes' values, at most seven."""
    found = combinations(result, paths)
    if len(found) > _MOST_CURVES:
        shown = ", ".join(paths)
        raise ValueError(
            f"series: {shown} have {len(found)} combinations; allowed: {_MOST_CURVES} (select some)"
        )
    columns = {p: result.axis(p) for p in paths}
    out = []
    for point in found:
        rows = [i for i in range(len(result)) if all(columns[p][i] == v for p, v in point.items())]
        label = ", ".join(f"{p.rpartition('.')[2]} {value_label(v)}" for p, v in point.items())
        out.append((label, rows))
    return out


def draw_curve(ax: Axes, curve: dict[str, Any], index: int) -> None:
    """Draw a curve, its band and, hollow, its points that are not ok."""
    look = marks(index)
    x, y, low, high = (np.array(curve[k], dtype=np.float64) for k in ("x", "y", "low", "high"))
    ok = np.array([s == "ok" for s in curve["status"]], dtype=bool)
    label = curve["label"] or "simulated"
    ax.plot(x[ok], y[ok], label=label, zorder=3, **look)
    band = ok & np.isfinite(low)
    if band.any():
        ax.fill_between(
            x[band], low[band], high[band], color=look["color"], alpha=0.2, linewidth=0, zorder=1.5
        )
    hollow = ~ok & np.isfinite(y)
    if hollow.any():
        ax.plot(
            x[hollow], y[hollow], linestyle="none", marker=look["marker"], color=look["color"],
            markerfacecolor="white", zorder=3,
        )  # fmt: skip


def finish(
    ax: Axes,
    result: SweepResult,
    listed: Sequence[dict[str, Any]],
    title: str | None,
    place: Any = "upper left",
) -> None:
    """Add what explains the curves."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles, _ = ax.get_legend_handles_labels()
    handles = [h for h in handles if h.get_label() != "simulated"]
    banded = any(v is not None for c in listed for v in c["low"])
    if banded and result.confidence is not None:
        handles.append(Patch(color=GREY, alpha=0.3, label=f"{result.confidence:.0%} interval"))
    drawn = [s for c in listed for s, y in zip(c["status"], c["y"], strict=True) if y is not None]
    if any(s != "ok" for s in drawn):
        handles.append(
            Line2D(
                [], [], linestyle="none", marker="o", color=GREY, markerfacecolor="white",
                label="queue drifts up",
            )
        )  # fmt: skip
    if handles:
        ax.legend(handles=handles, loc=place, frameon=True, edgecolor="none", framealpha=0.9)
    if title:
        ax.set_title(title)
