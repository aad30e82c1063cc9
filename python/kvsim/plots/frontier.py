"""The latency-throughput frontier: how the tail grows with load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim._frontier import FrontierResult
from kvsim.plots.labels import metric_label
from kvsim.plots.style import (
    GREY,
    axes,
    marks,
    plain_ticks,
    plain_values,
    rate,
    styled,
    unit_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._frontier import FrontierSeries
    from kvsim._knee import Floats


class LatencyThroughputFrontier:
    """P99 latency (y) against the achieved rate (x), a curve for each series.

    Marked are the knee (the lowest load whose latency is five times its low-load value), the
    capacity (steady completions per second under permanent backlog) and 80 % of it. Points at
    which the queue drifts up are hollow: their latency depends on how long the run is. With
    replications, bands are confidence intervals.

    Parameters
    ----------
    frontier : FrontierResult or sequence of FrontierSeries
        What to draw; at most seven series.
    metric : str, optional
        A latency of the summary in ms, such as `p99_ttft_ms`; by default the frontier's own.
    log : bool
        Logarithmic latency axis.
    mm1 : bool
        Overlay of an M/M/1 queue of the same capacity, scaled to the low-load latency: the shape
        1 / (1 - load) that a single server would have. Drawn for the first series.
    slo_ms : float, optional
        A horizontal line at the objective.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If there is no series, or more than can be told apart.
    KeyError
        If the metric is not known.

    Examples
    --------
    >>> LatencyThroughputFrontier(frontier, metric="p99_e2el_ms").plot()  # doctest: +SKIP
    <Axes: ...>
    """

    def __init__(
        self,
        frontier: FrontierResult | Sequence[FrontierSeries],
        metric: str | None = None,
        *,
        log: bool = True,
        mm1: bool = True,
        slo_ms: float | None = None,
        title: str | None = None,
    ) -> None:
        listed = frontier.series if isinstance(frontier, FrontierResult) else frontier
        self.series = tuple(listed)
        if not 1 <= len(self.series) <= 7:
            raise ValueError(f"series: got {len(self.series)}; allowed: 1 to 7")
        usual = frontier.metric if isinstance(frontier, FrontierResult) else "p99_ttft_ms"
        self.metric = usual if metric is None else metric
        self.log = log
        self.mm1 = mm1
        self.slo_ms = slo_ms
        self.title = title
        for series in self.series:
            series.latency_ms(self.metric)

    @property
    def _unit(self) -> tuple[str, float]:
        """Unit of the latency axis, and how many of it a ms is."""
        y = np.concatenate([s.latency_ms(self.metric) for s in self.series])
        y = y[np.isfinite(y)]
        return unit_of(float(y.min()) if len(y) else 0.0)

    def _latency(self, series: FrontierSeries) -> Floats:
        return series.latency_ms(self.metric) * self._unit[1]

    def data(self) -> dict[str, Any]:
        """Return what is drawn as plain lists, for other tools to draw."""
        return {
            "metric": self.metric,
            "slo_ms": self.slo_ms,
            "series": [self._series_data(s) for s in self.series],
        }

    def _series_data(self, series: FrontierSeries) -> dict[str, Any]:
        knee = series.knee(self.metric)
        curve = series.mm1(self.metric) if self.mm1 else None
        return {
            "label": series.label,
            "capacity_per_s": series.capacity_per_s,
            "achieved_per_s": plain_values(series.achieved_per_s),
            "offered_per_s": plain_values(series.offered_per_s),
            "latency_ms": plain_values(series.latency_ms(self.metric)),
            "low_ms": plain_values(series.table.interval(self.metric)[0]),
            "high_ms": plain_values(series.table.interval(self.metric)[1]),
            "status": list(series.status),
            "knee": None if knee is None else knee.to_dict(),
            "mm1": None
            if curve is None
            else {"x": plain_values(curve[0]), "y": plain_values(curve[1])},
        }

    @styled
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw on `ax`, or on a new one, and return it."""
        ax = axes(ax)
        if self.log:
            ax.set_yscale("log")
        several = len(self.series) > 1
        unit, per_ms = self._unit
        for index, series in enumerate(self.series):
            self._draw(ax, series, index, several)
        self._limits(ax)
        self._capacities(ax)
        if self.slo_ms is not None:
            slo = self.slo_ms * per_ms
            ax.axhline(slo, color="#000000", linewidth=1, linestyle=(0, (1, 2)), zorder=1)
            ax.annotate(
                f"objective {slo:g} {unit}",
                (0.005, slo),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                fontsize=8,
            )
        if self.log:
            plain_ticks(ax)
        ax.set_xlabel("achieved rate (requests/s)")
        ax.set_ylabel(metric_label(self.metric, unit))
        if self.title:
            ax.set_title(self.title)
        self._legend(ax)
        return ax

    def _draw(self, ax: Axes, series: FrontierSeries, index: int, several: bool) -> None:
        look = marks(index)
        colour = look["color"]
        x, y = series.achieved_per_s, self._latency(series)
        shown = np.isfinite(x) & np.isfinite(y)
        ok = shown & (np.asarray(series.status) == "ok")
        hollow = shown & ~ok
        knee = series.knee(self.metric)
        label = series.label or "simulated"
        if several and knee is not None:
            share = f", {knee.load:.0%}" if knee.load is not None else ""
            label += f" (knee at {rate(knee.offered_per_s)}/s offered{share})"
        # The line goes to the last steady point; a thin one leads on to those that never settle.
        rows = np.flatnonzero(shown)
        last = int(np.flatnonzero(ok)[-1]) if ok.any() else -1
        solid, lead = rows[rows <= last], rows[rows >= last]
        ax.plot(x[solid], y[solid], label=label, zorder=3, **look)
        ax.plot(x[lead], y[lead], color=colour, linewidth=0.8, linestyle=":", zorder=2)
        bottom, top = (end * self._unit[1] for end in series.table.interval(self.metric))
        band = ok & np.isfinite(bottom)
        if band.any():
            ax.fill_between(
                x[band], np.maximum(bottom[band], 1e-6), top[band], color=colour, alpha=0.2,
                linewidth=0, zorder=1.5,
            )  # fmt: skip
        if hollow.any():
            ax.plot(
                x[hollow],
                y[hollow],
                linestyle="none",
                marker=look["marker"],
                markerfacecolor="white",
                color=colour,
                zorder=3.5,
            )
        if self.mm1 and index == 0 and (curve := series.mm1(self.metric)) is not None:
            of = f" ({series.label})" if several and not self._alike() else ""
            ax.plot(
                curve[0],
                curve[1] * self._unit[1],
                color=GREY,
                linewidth=1.2,
                linestyle=(0, (4, 1.5, 1, 1.5)),
                zorder=1.5,
                label=f"M/M/1 of equal capacity{of}",
            )
        if knee is None:
            return
        ax.plot(
            [knee.achieved_per_s],
            [knee.latency_ms * self._unit[1]],
            marker="*",
            markersize=16,
            # Hollow, so that a point below it stays in sight.
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=1.3,
            linestyle="none",
            zorder=5,
        )
        if not several:
            share = f", {knee.load:.0%} of capacity" if knee.load is not None else ""
            ax.annotate(
                f"knee at {rate(knee.offered_per_s)}/s offered{share}",
                (knee.achieved_per_s, knee.latency_ms * self._unit[1]),
                xytext=(-10, 4),
                textcoords="offset points",
                ha="right",
                fontsize=8.5,
                zorder=5,
            )

    def _limits(self, ax: Axes) -> None:
        x = np.concatenate([s.achieved_per_s for s in self.series])
        y = np.concatenate([self._latency(s) for s in self.series])
        capacities = [s.capacity_per_s for s in self.series if s.capacity_per_s is not None]
        right = max([*x[np.isfinite(x)], *capacities], default=1.0)
        ax.set_xlim(0, right * 1.06)
        y = y[np.isfinite(y)]
        if not len(y):
            return
        # Curves go up steeply, so the legend's lines need room of their own above them.
        room = 0.055 * (len(self.series) + 1 + self.mm1)
        if self.log:
            low, high = 0.7 * y.min(), 1.2 * max(y.max(), 10 * y.min())
            ax.set_ylim(low, high * (high / low) ** (room / (1 - room)))
        else:
            steady = [self._latency(s)[np.asarray(s.status) == "ok"] for s in self.series]
            settled = np.concatenate(steady)
            settled = settled[np.isfinite(settled)]
            ax.set_ylim(0, 1.1 / (1 - room) * (settled.max() if len(settled) else y.max()))

    def _capacities(self, ax: Axes) -> None:
        """Draw a line at each capacity and at 80 % of it; one pair in grey if they are alike."""
        known = [(i, s.capacity_per_s) for i, s in enumerate(self.series) if s.capacity_per_s]
        alike = self._alike()
        for index, capacity in known[:1] if alike else known:
            colour = "#4D4D4D" if alike else marks(index)["color"]
            for share, width, line in ((1.0, 1.2, "-"), (0.8, 1.0, (0, (5, 3)))):
                at = capacity * share
                ax.axvline(at, color=colour, linewidth=width, linestyle=line, zorder=1)
                ax.annotate(
                    f"capacity {rate(capacity)}/s" if share == 1.0 else "80 %",
                    (at, 0),
                    xycoords=("data", "axes fraction"),
                    xytext=(-3, 4),
                    textcoords="offset points",
                    rotation=90,
                    ha="right",
                    va="bottom",
                    fontsize=8,
                    color=colour,
                    bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
                    zorder=4,
                )

    def _alike(self) -> bool:
        """Whether the capacities are too near to each other to draw more than one."""
        values = [s.capacity_per_s for s in self.series if s.capacity_per_s]
        return bool(values) and max(values) < 1.02 * min(values)

    def _legend(self, ax: Axes) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles, _ = ax.get_legend_handles_labels()
        # The overlay last, below what it is compared with.
        handles.sort(key=lambda handle: str(handle.get_label()).startswith("M/M/1"))
        if any(status != "ok" for s in self.series for status in s.status):
            handles.append(
                Line2D(
                    [], [], linestyle="none", marker="o", color=GREY, markerfacecolor="white",
                    label="queue drifts up",
                )
            )  # fmt: skip
        confidence = self.series[0].table.confidence
        if confidence is not None:
            handles.append(Patch(color=GREY, alpha=0.3, label=f"{confidence:.0%} interval"))
        ax.legend(handles=handles, loc="upper left", frameon=True, edgecolor="none", framealpha=0.9)
