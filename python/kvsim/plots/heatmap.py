"""A figure over two axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.plots.labels import axis_label, metric_label, value_label
from kvsim.plots.style import axes, plain_values, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._sweep_result import SweepResult

_LABELLED_CELLS = 120


class Heatmap:
    """A figure as colour over two axes; what could not run, or drifts, is hatched.

    Parameters
    ----------
    result : SweepResult
        What to draw; other axes must have one value (see `select`).
    x, y : str
        Paths of the axes.
    metric : str
        A figure of the summary.
    log : bool
        Logarithmic colour scale.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If another axis has several values, or no cell has a figure.
    KeyError
        If an axis or the figure is not known.

    Examples
    --------
    >>> result.plot("heatmap", RATE, "engine.max_num_seqs", log=True)  # doctest: +SKIP
    <Axes: ...>
    """

    def __init__(
        self,
        result: SweepResult,
        x: str,
        y: str,
        metric: str = "p99_ttft_ms",
        *,
        log: bool = False,
        title: str | None = None,
    ) -> None:
        self.pivot = result.pivot(y, x, metric)
        self.log = log
        self.title = title
        shown = self.pivot.values[np.isfinite(self.pivot.values)]
        if not len(shown):
            raise ValueError(f"metric: no point has {metric}")
        if log and shown.min() <= 0:
            raise ValueError(f"log: {metric} is {shown.min():g} at a point; allowed: above 0")

    def data(self) -> dict[str, Any]:
        """Return what is drawn as plain lists, a list a row."""
        p = self.pivot
        return {
            "x": p.columns, "y": p.rows, "metric": p.metric,
            "x_values": p.column_values, "y_values": p.row_values,
            "values": [plain_values(row) for row in p.values],
            "status": p.status.tolist(),
        }  # fmt: skip

    @styled
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw on `ax`, or on a new one, and return it."""
        from matplotlib.colors import LogNorm, Normalize

        ax = axes(ax)
        p = self.pivot
        finite = p.values[np.isfinite(p.values)]
        kind = LogNorm if self.log else Normalize
        norm = kind(float(finite.min()), float(finite.max()))
        # Cividis rises evenly in lightness, so that it reads in grey and without red or green.
        image = ax.imshow(
            np.ma.masked_invalid(p.values), aspect="auto", origin="lower", cmap="cividis", norm=norm
        )
        ax.grid(visible=False)
        ax.set_xticks(range(len(p.column_values)), [value_label(v) for v in p.column_values])
        ax.set_yticks(range(len(p.row_values)), [value_label(v) for v in p.row_values])
        if len(p.column_values) > 10:
            ax.tick_params(axis="x", rotation=60)
        ax.set_xlabel(axis_label(p.columns))
        ax.set_ylabel(axis_label(p.rows))
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
        bar.set_label(metric_label(p.metric))
        self._hatch(ax)
        if p.values.size <= _LABELLED_CELLS:
            self._write(ax, norm)
        if self.title:
            ax.set_title(self.title)
        return ax

    def _hatch(self, ax: Axes) -> None:
        from matplotlib.patches import Patch, Rectangle

        seen: dict[str, Patch] = {}
        for (row, column), status in np.ndenumerate(self.pivot.status):
            if status == "ok":
                continue
            drifts = status == "unstable"
            text = "queue drifts up" if drifts else status or "no point"
            hatch = "...." if drifts else "xx" if status in ("", "invalid") else "////"
            empty = not np.isfinite(self.pivot.values[row, column])
            look: dict[str, Any] = {
                "facecolor": "#EEEEEE" if empty else "none",
                "hatch": hatch,
                "edgecolor": "#555555" if empty else "white",
                "linewidth": 0.0,
            }
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **look))
            face: dict[str, Any] = {"facecolor": "#EEEEEE", "edgecolor": "#555555"}
            seen.setdefault(text, Patch(**{**look, **face}, label=text))
        if seen:
            ax.legend(
                handles=list(seen.values()), loc="upper left", bbox_to_anchor=(0, -0.13), ncols=3,
                frameon=False, borderaxespad=0.2,
            )  # fmt: skip

    def _write(self, ax: Axes, norm: Any) -> None:
        for (row, column), value in np.ndenumerate(self.pivot.values):
            if not np.isfinite(value):
                continue
            light = float(norm(value)) > 0.55
            text = f"{value:.3g}" if value < 1000 else f"{value:,.0f}".replace(",", "\u00a0")
            drifts = self.pivot.status[row, column] == "unstable"
            box = {"boxstyle": "square,pad=0.15", "fc": "#FFFFFF", "ec": "none", "alpha": 0.85}
            ax.text(
                column, row, text, ha="center", va="center", fontsize=7.5,
                color="#000000" if light or drifts else "#FFFFFF",
                bbox=box if drifts else None,
            )  # fmt: skip
