"""Where time goes along an axis, and which axis matters."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim._analysis import effects, several
from kvsim._waterfall import FLEET_PARTS, PARTS
from kvsim.plots import parts
from kvsim.plots.labels import axis_label, metric_label, value_label
from kvsim.plots.style import COLOURS, axes, plain, plain_values, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._sweep_result import SweepResult


class WaterfallBars:
    """Mean time of a request, split into its parts, as a bar for each value of an axis.

    Parameters
    ----------
    result : SweepResult
        What to draw; other axes must have one value (see `select`).
    axis : str
        Path of the axis.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If another axis has several values, or no row has a waterfall.
    KeyError
        If there is no such axis.

    Examples
    --------
    >>> result.plot("waterfall", "engine.max_num_seqs")  # doctest: +SKIP
    <Axes: ...>
    """

    def __init__(self, result: SweepResult, axis: str, *, title: str | None = None) -> None:
        self.axis = axis
        self.title = title
        values = result.axis(axis)
        for path in several(result, [axis]):
            raise ValueError(f"axes: {path} has several values; select one first")
        columns = {part: result[f"mean_{part}_ms"] for part in (*FLEET_PARTS, *PARTS)}
        self._parts = {part: c for part, c in columns.items() if np.isfinite(c).any()}
        if "host" not in self._parts:
            raise ValueError("waterfall: no row has one; allowed: record_waterfall=True")
        self._values, self._status = values, result.status

    def data(self) -> dict[str, Any]:
        """Return what is drawn as plain lists."""
        return {
            "axis": self.axis,
            "values": self._values,
            "status": self._status,
            "mean_ms": {part: plain_values(v) for part, v in self._parts.items()},
        }

    @styled
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw on `ax`, or on a new one, and return it."""
        ax = axes(ax)
        place = np.arange(len(self._values))
        bottom = np.zeros(len(place))
        total = np.nansum([*self._parts.values()], axis=0).max()
        for part, column in self._parts.items():
            height = np.nan_to_num(column)
            if height.max() < 1e-4 * total:
                continue
            look = parts.look(part)
            ax.bar(place, height, 0.72, bottom, label=parts.name(part), zorder=2, **look)
            bottom += height
        # What never settles would dwarf the rest: such bars are cut off, and say so.
        settled = bottom[np.array(self._status) == "ok"]
        top = 1.15 * (settled.max() if len(settled) and settled.max() > 0 else total or 1.0)
        ax.set_ylim(0, top)
        for i, status in enumerate(self._status):
            if status == "ok":
                continue
            text = "queue drifts up" if status == "unstable" else status
            if bottom[i] > top:
                text += f": {plain(bottom[i])} ms"
            high = bottom[i] > top / 2
            ax.annotate(
                text, (i, min(bottom[i], top)), xytext=(0, -4 if high else 4), rotation=90,
                textcoords="offset points", ha="center", va="top" if high else "bottom", fontsize=8,
                bbox={"boxstyle": "square,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.85},
                zorder=4,
            )  # fmt: skip
        ax.grid(visible=False, axis="x")
        ax.set_xticks(place, [value_label(v) for v in self._values])
        if len(place) > 12:
            ax.tick_params(axis="x", rotation=60)
        ax.set_xlabel(axis_label(self.axis))
        ax.set_ylabel("mean time of a request (ms)")
        handles, labels = ax.get_legend_handles_labels()
        # In the order of the stack, the top first.
        ax.legend(
            handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False
        )
        if self.title:
            ax.set_title(self.title)
        return ax


class Tornado:
    """How far each axis moves a figure, the greatest at the top.

    A bar goes from the least to the greatest mean of the figure over the points at one value of the
    axis, all other axes averaged; the share is that of the variance which the axis alone explains,
    on a full grid Sobol's first-order index (`SweepResult.effects`).

    Parameters
    ----------
    result : SweepResult
        What to draw.
    metric : str
        A figure of the summary.
    most : int
        Axes that are shown.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If no axis varies the figure.
    KeyError
        If the figure is not known.

    Examples
    --------
    >>> result.plot("tornado", "p99_ttft_ms")  # doctest: +SKIP
    <Axes: ...>
    """

    def __init__(
        self,
        result: SweepResult,
        metric: str = "p99_ttft_ms",
        *,
        most: int = 10,
        title: str | None = None,
    ) -> None:
        self.metric = metric
        self.title = title
        self.effects = effects(result, metric)[:most]
        if not self.effects:
            raise ValueError(f"metric: no axis varies {metric}")
        self._mean = float(np.nanmean(result[metric]))

    def data(self) -> dict[str, Any]:
        """Return what is drawn as plain values."""
        return {
            "metric": self.metric,
            "mean": self._mean,
            "effects": [dataclasses.asdict(effect) for effect in self.effects],
        }

    @styled
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw on `ax`, or on a new one, and return it."""
        ax = axes(ax)
        place = np.arange(len(self.effects))[::-1]
        low = np.array([e.low for e in self.effects])
        high = np.array([e.high for e in self.effects])
        left, right = self._mean - low, high - self._mean
        ax.barh(place, -left, 0.55, self._mean, color=COLOURS[4], edgecolor="white", zorder=2)
        ax.barh(place, right, 0.55, self._mean, color=COLOURS[0], edgecolor="white", zorder=2)
        ax.axvline(self._mean, color="#000000", linewidth=1, zorder=3)
        widest = float((high - low).max())
        for y, effect in zip(place, self.effects, strict=True):
            if effect.high - effect.low < 0.01 * widest:
                continue  # too small to say which value is high
            for x, value, side in (
                (effect.low, effect.low_value, "right"),
                (effect.high, effect.high_value, "left"),
            ):
                shift = -4 if side == "right" else 4
                ax.annotate(
                    value_label(value), (x, y), xytext=(shift, 0), textcoords="offset points",
                    ha=side, va="center", fontsize=8,
                )  # fmt: skip
        labels = [f"{e.path.rpartition('.')[2]}\n{e.share:.0%} of variance" for e in self.effects]
        ax.set_yticks(place, labels, fontsize=8.5)
        ax.grid(visible=False, axis="y")
        room = 0.18 * (high.max() - low.min())
        ax.set_xlim(low.min() - room, high.max() + room)
        ax.set_ylim(-0.6, len(place) - 0.4)
        ax.set_xlabel(f"{metric_label(self.metric)}; line: mean of all points")
        if self.title:
            ax.set_title(self.title)
        return ax
