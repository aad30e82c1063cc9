"""The state of a run over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvsim.plots.style import COLOURS, axes, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim.result import Result

# More points than a figure has pixels are thinned: each bin keeps its lowest and highest value.
_BINS = 1500


@styled
def timeline(result: Result, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw running and waiting requests (left axis) and the KV cache's use (right axis).

    Parameters
    ----------
    result : Result
        Recorded with `steps` or `all`.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.

    Returns
    -------
    Axes
        The left one; the right one shares its x axis.

    Raises
    ------
    ValueError
        If steps were not recorded.

    Examples
    --------
    >>> timeline(kvsim.simulate(scenario.replace(record="steps")))  # doctest: +SKIP
    <Axes: ...>
    """
    series = result.time_series()
    ax = axes(ax)
    t = (series["t_ns"] - series["t_ns"][0]) / 1e9
    right = ax.twinx()
    right.spines["top"].set_visible(False)
    right.spines["right"].set_visible(True)
    right.grid(visible=False)
    x, low, high = _envelope(t, 100 * series["kv_usage"])
    right.fill_between(x, 0, high, step="post", color="#D9D9D9", linewidth=0, zorder=0)
    right.plot(x, high, color="#8C8C8C", linewidth=0.8, drawstyle="steps-post", label="KV cache")
    right.set_ylim(0, 105)
    right.set_ylabel("KV cache in use (% of blocks, shaded)")
    # The left axis above the shading of the right one.
    ax.set_zorder(right.get_zorder() + 1)
    ax.patch.set_visible(False)
    for name, colour, line in (("running", COLOURS[0], "-"), ("waiting", COLOURS[3], (0, (4, 1)))):
        x, low, high = _envelope(t, series[name])
        ax.fill_between(x, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
        ax.plot(
            x, high, color=colour, linewidth=1.2, linestyle=line, label=name, drawstyle="steps-post"
        )
    ax.set_xlim(0, max(float(t[-1]), 1e-9))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("requests")
    if title:
        ax.set_title(title)
    handles, labels = ax.get_legend_handles_labels()
    more, names = right.get_legend_handles_labels()
    ax.legend(handles + more, labels + names, loc="upper left", ncols=3)
    return ax


def _envelope(t: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times and the lowest and highest value within each of at most `_BINS` bins of time."""
    if len(t) <= _BINS:
        return t, y, y
    starts = np.unique(np.searchsorted(t, np.linspace(t[0], t[-1], _BINS)))
    return t[starts], np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
