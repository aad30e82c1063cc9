"""Distributions of latencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kvsim.plots.style import axes, marks, plain_ticks, styled, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim.result import Result

_LABELS = {
    "ttft_ns": "time to first token",
    "tpot_ns": "time per output token",
    "e2e_ns": "end-to-end latency",
    "queue_ns": "time in the queue",
}


@styled
def latency_cdf(
    results: Result | Mapping[str, Result],
    column: str = "ttft_ns",
    ax: Axes | None = None,
    *,
    slo_ms: float | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the share of requests (y) whose latency is at most x, with P50, P90 and P99 marked.

    Parameters
    ----------
    results : Result or mapping
        One run, or several by label; recorded with `requests` or more.
    column : str
        A column of `Result.requests` in ns: ttft_ns, tpot_ns, e2e_ns, queue_ns.
    ax : Axes, optional
        Where to draw.
    slo_ms : float, optional
        A vertical line at the objective.
    title : str, optional
        Heading.

    Raises
    ------
    KeyError
        If the column is not there.

    Examples
    --------
    >>> latency_cdf({"8/s": low, "12/s": high}, "tpot_ns")  # doctest: +SKIP
    <Axes: ...>
    """
    ax = axes(ax)
    named = results if isinstance(results, Mapping) else {"": results}
    sorted_ms = {}
    for label, result in named.items():
        x = np.asarray(result.requests[column], dtype=np.float64) / 1e6
        sorted_ms[label] = np.sort(x[np.isfinite(x)])
    lowest = min((float(x[0]) for x in sorted_ms.values() if len(x)), default=0.0)
    unit, per_ms = unit_of(lowest)
    for index, (label, ms) in enumerate(sorted_ms.items()):
        x = ms * per_ms
        share = np.arange(1, len(x) + 1) / max(len(x), 1)
        look = marks(index)
        ax.plot(
            x, share, drawstyle="steps-post", color=look["color"], linestyle=look["linestyle"],
            label=label or None,
        )  # fmt: skip
        for q in (0.5, 0.9, 0.99) if len(x) else ():
            rank = int(np.ceil(q * len(x))) - 1
            ax.plot([x[rank]], [q], marker=look["marker"], color=look["color"], zorder=4)
    ax.set_xscale("log")
    plain_ticks(ax, "x")
    ax.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 0.99], ["0", "25 %", "50 %", "75 %", "90 %", "99 %"])
    ax.set_ylim(0, 1.01)
    if slo_ms is not None:
        ax.axvline(slo_ms * per_ms, color="#000000", linewidth=1, linestyle=(0, (1, 2)))
        ax.annotate(
            f"objective {slo_ms * per_ms:g} {unit}", (slo_ms * per_ms, 0.015),
            xycoords=("data", "axes fraction"), xytext=(-2, 0), textcoords="offset points",
            fontsize=8, rotation=90, ha="right",
            va="bottom",
        )  # fmt: skip
    ax.set_xlabel(f"{_LABELS.get(column, column)} ({unit})")
    ax.set_ylabel("share of requests")
    if title:
        ax.set_title(title)
    if len(named) > 1:
        ax.legend(loc="lower right")
    return ax


@styled
def itl_distribution(
    results: Result | Mapping[str, Result], ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """Draw the share of inter-token gaps (y, logarithmic) that are longer than x.

    Every token counts, so rare stalls show: a prompt of another request that was computed in the
    same step, or a preemption.

    Parameters
    ----------
    results : Result or mapping
        One run, or several by label.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.

    Examples
    --------
    >>> itl_distribution(result)  # doctest: +SKIP
    <Axes: ...>
    """
    ax = axes(ax)
    named = results if isinstance(results, Mapping) else {"": results}
    lowest, longest_ms = 1.0, 0.0
    for index, (label, result) in enumerate(named.items()):
        values, share = result.itl().cdf()
        if not len(values):
            continue
        # Above the largest gap there is nothing, so the curve ends one gap above zero.
        longer = np.concatenate([[1.0], 1 - share[:-1]])
        lowest = min(lowest, float(longer[-1]))
        longest_ms = max(longest_ms, float(values[-1]) / 1e6)
        look = marks(index)
        ax.plot(
            values / 1e6, longer, drawstyle="steps-pre", color=look["color"],
            linestyle=look["linestyle"], label=label or None,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    plain_ticks(ax, "x")
    for q in (0.5, 0.01, 0.001):
        if q > lowest:
            ax.axhline(q, color="#8C8C8C", linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
            ax.annotate(
                f"P{100 * (1 - q):g}", (1, q), xycoords=("axes fraction", "data"),
                xytext=(-2, 2), textcoords="offset points", ha="right", fontsize=8,
            )  # fmt: skip
    if longest_ms > 0:
        ax.set_xlim(right=1.35 * longest_ms)  # beyond the curves there is room for the names
    ax.set_ylim(lowest * 0.7, 1.3)
    ax.set_xlabel("gap between two tokens (ms)")
    ax.set_ylabel("share of gaps that are longer")
    if title:
        ax.set_title(title)
    if len(named) > 1:
        ax.legend(loc="lower left")
    return ax
