"""Fleets: tails, queues over time, what hedging costs, power against latency, the knee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kvsim.plots.style import COLOURS, GREY, LINES, MARKERS, axes, marks, plain_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim.result import Result

_FAILED, _RECOVERED, _HEDGED = 4, 5, 2
_NAMES = {"e2e_ns": "end-to-end latency", "ttft_ns": "time to first token"}


@styled
def tail(
    results: Mapping[str, Result],
    column: str = "e2e_ns",
    ax: Axes | None = None,
    *,
    limit_ms: float | None = None,
    allowed: float | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the share of requests that take longer than x, on logarithmic axes.

    Parameters
    ----------
    results : mapping
        Runs by label, recorded with `requests` or more.
    column : str
        A column of `Result.requests` in ns.
    ax : Axes, optional
        Where to draw.
    limit_ms, allowed : float, optional
        The objective: a limit and the share of requests that may be beyond it, drawn as a corner
        that a curve has to pass below and to the left of.
    title : str, optional
        Heading.

    Examples
    --------
    >>> tail({"plain": a, "hedged": b}, limit_ms=10, allowed=0.001)  # doctest: +SKIP
    <Axes: ...>
    """
    ax = axes(ax)
    lowest = 1.0
    for i, (label, result) in enumerate(results.items()):
        # Once more for each line style, without markers: there are too many points for them.
        values = np.sort(result.requests[column]) / 1e6
        share = 1.0 - np.arange(1, len(values) + 1) / len(values)
        lowest = min(lowest, 1 / len(values))
        ax.step(
            values[:-1], share[:-1], where="post", label=label, color=COLOURS[i % len(COLOURS)],
            linestyle=LINES[i % len(LINES)],
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(lowest, 1)
    if limit_ms is not None:
        share_allowed = lowest if allowed is None else allowed
        ax.plot([limit_ms, limit_ms], [share_allowed, 1], color=GREY, linewidth=1)
        right = ax.get_xlim()[1]
        ax.plot([limit_ms, right], [share_allowed, share_allowed], color=GREY, linewidth=1)
        ax.set_xlim(right=right)
        ax.text(
            0.99, 0.97, f"objective: at most {100 * share_allowed:.3g} % beyond {limit_ms:.4g} ms",
            transform=ax.transAxes, ha="right", va="top", fontsize=8.5, color=GREY,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )  # fmt: skip
    plain_ticks(ax, "x")
    ax.set_xlabel(f"{_NAMES.get(column, column)} (ms)")
    ax.set_ylabel("share of requests that take longer")
    if title:
        ax.set_title(title)
    ax.legend(loc="lower left")
    return ax


@styled
def queues(
    result: Result,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    bins: int = 600,
) -> Axes:
    """Draw sub-requests at each server over time, failures and hedges marked.

    Shading is the number waiting and running at a server, at most within a bin of time; a black bar
    is a time in which it was down or slow; a tick above is a second copy that was sent.

    Parameters
    ----------
    result : Result
        Of a fleet, recorded with `steps` or `all`.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.
    bins : int
        Bins of time.

    Raises
    ------
    KeyError
        If events were not recorded.

    Examples
    --------
    >>> queues(kvsim.simulate(fleet.replace(record="steps")))  # doctest: +SKIP
    <Axes: ...>
    """
    ax = axes(ax)
    events = result.fleet_events
    t = events["t_ns"] / 1e9
    kind, server = events["kind"], events["server"]
    servers = result.totals["servers"]
    edges = np.linspace(0, max(float(t[-1]), 1e-9), bins + 1)
    grid = np.zeros((servers, bins))
    for s in range(servers):
        mine = server == s
        at, count = t[mine], events["outstanding"][mine]
        if len(at) == 0:
            continue
        place = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, bins - 1)
        last = np.searchsorted(at, edges[:-1], side="right") - 1
        grid[s] = np.where(last >= 0, count[np.maximum(last, 0)], 0)
        np.maximum.at(grid[s], place, count)
    mesh = ax.pcolormesh(
        edges, np.arange(servers + 1) - 0.5, grid, cmap="Greys", vmin=0,
        vmax=max(1.0, float(np.quantile(grid, 0.999))), rasterized=True,
    )  # fmt: skip
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02)
    bar.set_label("sub-requests waiting and running")
    _draw_outages(ax, t, (kind, server), servers, float(edges[-1]))
    hedged = t[kind == _HEDGED]
    if len(hedged):
        ax.plot(
            hedged, np.full(len(hedged), servers - 0.3), "|", color=COLOURS[3], markersize=5,
            label=f"{len(hedged):,} second copies",
        )  # fmt: skip
    ax.set_xlim(0, edges[-1])
    ax.set_ylim(-0.5, servers + 0.1)
    ax.grid(visible=False)
    step = max(1, servers // 10)
    ax.set_yticks(range(0, servers, step))
    ax.set_xlabel("time (s)")
    ax.set_ylabel("server")
    if title:
        ax.set_title(title, pad=22)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
    return ax


def _draw_outages(
    ax: Axes, t: np.ndarray, events: tuple[np.ndarray, np.ndarray], servers: int, end: float
) -> None:
    kind, server = events
    label: str | None = "down or slow"
    for s in range(servers):
        fails = t[(kind == _FAILED) & (server == s)]
        back = t[(kind == _RECOVERED) & (server == s)]
        for start in fails:
            later = back[back > start]
            stop = float(later[0]) if len(later) else end
            ax.plot(
                [start, stop], [s, s], color=COLOURS[1], linewidth=3, solid_capstyle="butt",
                label=label,
            )  # fmt: skip
            label = None


@styled
def hedging_frontier(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    unhedged_ms: Mapping[str, float],
    drifting: Mapping[str, tuple[float, float]] | None = None,
    ax: Axes | None = None,
    *,
    title: str | None = None,
) -> Axes:
    """Draw P99.9 against the extra load of second copies, one curve a load.

    Parameters
    ----------
    curves : mapping
        Label to points (extra load in percent, P99.9 in ms), from few copies to many.
    unhedged_ms : mapping
        P99.9 without hedging by the same labels, drawn at extra load 0.
    drifting : mapping, optional
        A point of a run by the same labels in which the queue drifts up: drawn hollow, its P99.9
        grows with the run.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.

    Examples
    --------
    >>> hedging_frontier({"load .3": [(1, 20), (5, 12)]}, {"load .3": 30})  # doctest: +SKIP
    <Axes: ...>
    """
    ax = axes(ax)
    beyond = drifting or {}
    for i, (label, points) in enumerate(curves.items()):
        x = [0.0, *(p[0] for p in points)]
        y = [unhedged_ms[label], *(p[1] for p in points)]
        ax.plot(x, y, label=label, **marks(i))
        ax.plot([0], [y[0]], marker=MARKERS[i % len(MARKERS)], markersize=9, color="none",
                markeredgecolor=COLOURS[i % len(COLOURS)], clip_on=False)  # fmt: skip
        if label in beyond:
            ax.plot([x[-1], beyond[label][0]], [y[-1], beyond[label][1]],
                    color=COLOURS[i % len(COLOURS)], linestyle=":", linewidth=1)  # fmt: skip
            ax.plot(*beyond[label], marker=MARKERS[i % len(MARKERS)], markerfacecolor="white",
                    color=COLOURS[i % len(COLOURS)])  # fmt: skip
    if beyond:
        ax.plot([], [], marker="o", markerfacecolor="white", color="0.4", linestyle="none",
                label="queue drifts up")  # fmt: skip
    ax.set_yscale("log")
    ax.set_xscale("symlog", linthresh=0.5)
    ax.set_xlim(left=0)
    ticks = [0, 0.5, 1, 2, 5, 10, 20, 50, 100]
    most = max(p[0] for c in (*curves.values(), [*beyond.values()]) for p in c)
    shown = [t for t in ticks if t <= 1.2 * most]
    ax.set_xticks(shown, [f"{t:g}" for t in shown], minor=False)
    ax.set_xticks([], minor=True)
    plain_ticks(ax)
    ax.set_xlabel("second copies (% of the sub-requests); at 0, ringed: no hedging")
    ax.set_ylabel("P99.9 latency (ms)")
    if title:
        ax.set_title(title)
    ax.legend()
    return ax


@styled
def seesaw(
    points: Mapping[str, tuple[float, float]],
    limit_ms: float,
    limit_mw: float,
    ax: Axes | None = None,
    *,
    title: str | None = None,
) -> Axes:
    """Draw power against P99 latency, with the corner that both limits leave.

    Parameters
    ----------
    points : mapping
        Label to (P99 in ms, power in mW).
    limit_ms, limit_mw : float
        The objective.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.

    Examples
    --------
    >>> seesaw({"window 7 ms": (8.7, 0.9)}, 10, 1)  # doctest: +SKIP
    <Axes: ...>
    """
    ax = axes(ax)
    ordered = sorted(points.items(), key=lambda item: item[1])
    ax.plot([p[0] for _, p in ordered], [p[1] for _, p in ordered], color=COLOURS[0], marker="o")
    for label, (x, y) in ordered:
        ax.annotate(label, (x, y), xytext=(7, 5), textcoords="offset points", fontsize=8.5)
    ax.set_xscale("log")
    ax.set_yscale("log")
    left, bottom = ax.get_xlim()[0], min(ax.get_ylim()[0], 0.5 * limit_mw)
    ax.set_ylim(bottom=bottom)
    ax.set_xlim(left, ax.get_xlim()[1] * 1.6)
    ax.fill_between([left, limit_ms], bottom, limit_mw, color="#D9D9D9", zorder=0, linewidth=0)
    ax.annotate(
        f"below {limit_ms:.3g} ms and {limit_mw:.3g} mW", (left, bottom), xytext=(5, 6),
        textcoords="offset points", fontsize=8.5, color=GREY,
    )  # fmt: skip
    plain_ticks(ax, "x")
    plain_ticks(ax, "y")
    ax.set_xlabel("P99 latency (ms)")
    ax.set_ylabel("power (mW)")
    if title:
        ax.set_title(title)
    return ax
