"""The KV memory over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim._fields import PagedAllocator
from kvsim._memory_map import CLASSES
from kvsim.plots.style import GREY, figure_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._memory_map import MemoryMap
    from kvsim.result import Result

# Okabe and Ito's, moved in lightness so that each differs from the others in grey.
_COLOURS = {
    "tokens": "#003B6F", "reserved": "#E69F00", "internal": "#A83E00", "rounding": "#CC79A7",
    "cached": "#7CC4EE", "external": "#CFCFCF", "free": "#FFFFFF",
}  # fmt: skip
_LABELS = {
    "tokens": "tokens", "reserved": "reserved, filled later", "internal": "reserved, never filled",
    "rounding": "added by the placement", "cached": "free, cached",
    "external": "free, too little for the next request", "free": "free",
}  # fmt: skip


class KVCacheHeatmap:
    """Memory occupancy and fragmentation: physical block (y) against time (x).

    Beneath stand the shares of all classes of the whole memory; above, marks at the times of
    preemptions and evictions. With a contiguous allocator fragmentation is seen as holes.

    Parameters
    ----------
    result : Result
        Of a run with `record_memory="heatmap"`.
    by : {"class", "owner"}
        Colour by what a block holds, or by the request that holds it (12 shades in turn).

    Raises
    ------
    ValueError
        If the run recorded no map, or `by` is something else.

    Examples
    --------
    >>> KVCacheHeatmap(result, by="owner").plot()  # doctest: +SKIP
    <Axes: ...>
    """

    def __init__(self, result: Result, by: str = "class") -> None:
        if by not in ("class", "owner"):
            raise ValueError(f"by: got {by!r}; allowed: 'class', 'owner'")
        self.map: MemoryMap = result.memory_map
        self.by = by
        self._paged = isinstance(result.scenario.engine.kv_allocator, PagedAllocator)

    @styled
    def plot(self, ax: Axes | None = None, *, title: str | None = None) -> Axes:
        """Draw the map on `ax` (or on a new one) and the shares beneath it; return the upper axes.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw, of a grid of axes; the shares take the lower part of its place. Make the
            grid within `plots.style()`, whose layout leaves room for the legends.
        title : str, optional
            Heading.
        """
        ax, below = _two_axes(ax)
        scale, unit = _time_unit(int(self.map.t_ns[-1] - self.map.t_ns[0]))
        t = (self.map.t_ns - self.map.t_ns[0]) / scale
        self._draw_cells(ax, t)
        self._draw_marks(ax, t)
        self._draw_shares(below, t, unit)
        ax.tick_params(labelbottom=False)
        ax.grid(visible=False)
        if title:
            ax.set_title(title, pad=20)
        return ax

    def _draw_cells(self, ax: Axes, t: Any) -> None:
        from matplotlib.colors import ListedColormap

        cells = self.map.slot_class
        colours: list[Any] = [_COLOURS[name] for name in CLASSES]
        if self.by == "owner":
            # Neighbouring requests get distant shades; what nobody holds stays pale.
            shades = 12
            held = self.map.owner >= 0
            cells = np.where(held, len(CLASSES) + (self.map.owner * 5) % shades, cells)
            colours += [_shade(i / shades) for i in range(shades)]
        rows = self.map.row_slot / (self.map.block_size if self._paged else 1)
        ax.pcolormesh(
            _edges(t), _edges(rows), cells, cmap=ListedColormap(colours), vmin=-0.5,
            vmax=len(colours) - 0.5, rasterized=True,
        )  # fmt: skip
        place = "physical block" if self._paged else "token slot"
        ax.set_ylabel(place if self.by == "class" else f"{place} (a shade a request)")

    def _draw_marks(self, ax: Axes, t: Any) -> None:
        from matplotlib.lines import Line2D

        handles = []
        for counts, marker, colour, height, what in (
            (self.map.preemptions, "v", "#D55E00", 1.015, "preemptions"),
            (self.map.evictions, "|", GREY, 1.05, "evictions"),
        ):
            if not counts.any():
                continue
            at = t[counts > 0]
            ax.plot(
                at, np.full(len(at), height), marker, color=colour, markersize=3, clip_on=False,
                transform=ax.get_xaxis_transform(),
            )  # fmt: skip
            label = f"{what} ({int(counts.sum())})"
            handles.append(Line2D([], [], marker=marker, linestyle="", color=colour, label=label))
        if handles:
            ax.legend(
                handles=handles, loc="lower right", bbox_to_anchor=(1, 1.06), ncols=2,
                borderaxespad=0.2, handletextpad=0.2,
            )  # fmt: skip

    def _draw_shares(self, ax: Axes, t: Any, unit: str) -> None:
        from matplotlib.ticker import PercentFormatter

        total = self.map.num_slots
        means = {name: 100 * float(self.map.slots[name].mean()) / total for name in _COLOURS}
        present = [name for name in _COLOURS if self.map.slots[name].any()]
        ax.stackplot(
            t, [100 * self.map.slots[name] / total for name in present],
            colors=[_COLOURS[name] for name in present],
            labels=[
                f"{_LABELS[name]} {means[name]:.1f} %" if means[name] >= 0.05 else "_"
                for name in present
            ],
            step="post", linewidth=0.3, edgecolor="#4D4D4D",
        )  # fmt: skip
        ax.set_ylim(0, 100)
        ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        ax.set_ylabel("share of slots")
        ax.set_xlabel(f"time ({unit})")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.42), ncols=3)


def _two_axes(ax: Axes | None) -> tuple[Axes, Axes]:
    """Return axes for the cells and, beneath, for the shares."""
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.figure(figsize=(7.2, 5.4)).add_subplot()
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError("ax: got axes outside a grid; allowed: such as plt.subplots makes")
    grid = place.subgridspec(2, 1, height_ratios=(2.6, 1), hspace=0.05)
    ax.set_subplotspec(grid[0])
    return ax, figure_of(ax).add_subplot(grid[1], sharex=ax)


def _edges(centres: Any) -> Any:
    """Return the borders of cells around (or, in time, behind) these places."""
    if len(centres) == 1:
        return np.array([centres[0], centres[0] + 1])
    step = centres[1] - centres[0]
    return np.append(centres, centres[-1] + step)


def _shade(x: float) -> tuple[float, float, float]:
    """Return a colour of the viridis-like range without its palest end."""
    import matplotlib as mpl

    red, green, blue, _ = mpl.colormaps["viridis"](0.85 * x)
    return red, green, blue


def _time_unit(span_ns: int) -> tuple[float, str]:
    return (1e9, "s") if span_ns > 2e9 else (1e6, "ms")
