"""What searches found: the load that an SLO bears, and what nothing beats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.plots.labels import metric_label
from kvsim.plots.style import COLOURS, GREY, LIGHT, axes, marks, plain_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._max_rate import CapacityResult
    from kvsim._optimize import OptimizeResult
    from kvsim._search import Configuration


@styled
def slo_capacity(found: CapacityResult, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Draw each limited figure's bound as a share of its limit against the rate.

    Parameters
    ----------
    found : CapacityResult
        What `kvsim.capacity` returned.
    ax : Axes, optional
        Where to draw.
    title : str
        Heading; by default the rate found.

    Examples
    --------
    >>> slo_capacity(kvsim.capacity(scenario, {"p99_ttft_ms": 500}))  # doctest: +SKIP
    <Axes: ...>
    """
    ax = axes(ax)
    rates = [row["rate_per_s"] for row in found.rows]
    for index, limit in enumerate(found.limits):
        bound = limit.high if limit.high is not None else limit.low
        shares = [_share(row[f"{limit.figure}_bound"], bound) for row in found.rows]
        ax.plot(rates, shares, label=str(limit), **marks(index))
    ax.axhline(1, color=GREY, linestyle=(0, (4, 2)), linewidth=1.2)
    ax.annotate("the limit", (0, 1), xytext=(4, 3), textcoords="offset points", fontsize=8.5,
                color=GREY)  # fmt: skip
    if found.rate_per_s > 0:
        ax.axvline(found.rate_per_s, color="#000000", linewidth=1)
        ax.annotate(
            f"{found.rate_per_s:.4g}/s", (found.rate_per_s, ax.get_ylim()[0]), xytext=(-3, 6),
            textcoords="offset points", ha="right", fontsize=9,
        )  # fmt: skip
    ax.set_yscale("log")
    plain_ticks(ax)
    ax.set_xlim(left=0)
    ax.set_xlabel("offered rate (1/s)")
    ax.set_ylabel(f"{found.confidence:.0%} bound of the figure / its limit")
    ax.set_title(title or f"{found.rate_per_s:.4g} requests/s keep the limits")
    ax.legend(loc="upper left")
    return ax


def _share(value: float | None, limit: float | None) -> float:
    return float("nan") if value is None or not limit else value / limit


@styled
def cost_latency_frontier(
    found: OptimizeResult,
    ax: Axes | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    label: bool = True,
    title: str | None = None,
) -> Axes:
    """Draw all configurations tried over two figures, and those that nothing beats.

    Parameters
    ----------
    found : OptimizeResult
        What `kvsim.optimize` returned.
    ax : Axes, optional
        Where to draw.
    x, y : str, optional
        Objectives or limited figures; by default the first two.
    label : bool
        Write what the configurations of the Pareto set are (up to eight).
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If there are not two figures, or one is unknown.

    Examples
    --------
    >>> found = kvsim.optimize(base, space, ["usd_per_request", "p99_ttft_ms"])  # doctest: +SKIP
    >>> cost_latency_frontier(found)  # doctest: +SKIP
    <Axes: ...>
    """
    names = list(dict.fromkeys([*found.objectives, *(limit.figure for limit in found.limits)]))
    x = x or names[0]
    y = y or next((n for n in names if n != x), None)
    if x not in names or y not in names:
        raise ValueError(f"figures: got {x!r} and {y!r}; allowed: two of {', '.join(names)}")
    ax = axes(ax)
    _cloud(ax, [c for c in found.tried if c.status == "ok" and c.broken], x, y,
           label="breaks a limit", marker="x", color=GREY)  # fmt: skip
    _cloud(ax, [c for c in found.tried if c.feasible], x, y, label="tried", marker="o",
           color=LIGHT)  # fmt: skip
    _front(ax, found, x, y)
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(_label(x))
    ax.set_ylabel(_label(y))
    ax.set_title(title or "What nothing beats")
    ax.legend(loc="upper right")
    if label and len(found.pareto) <= 8:
        for numbers, (at_x, at_y) in _places(found, x, y, ax):
            ax.annotate(
                ", ".join(map(str, numbers)), (at_x, at_y), xytext=(5, 5),
                textcoords="offset points", fontsize=8.5,
            )  # fmt: skip
        ax.annotate(
            "\n".join(f"{i}: {_what(c)}" for i, c in enumerate(found.pareto, 1)), (0, -0.17),
            xycoords="axes fraction", va="top", fontsize=8, annotation_clip=False,
        )  # fmt: skip
    return ax


def _cloud(ax: Axes, listed: list[Configuration], x: str, y: str, **look: Any) -> None:
    if listed:
        ax.plot(
            [c.figures[x][0] for c in listed], [c.figures[y][0] for c in listed],
            linestyle="none", markersize=4.5, markeredgecolor=GREY, zorder=2, **look,
        )  # fmt: skip


def _front(ax: Axes, found: OptimizeResult, x: str, y: str) -> None:
    listed = sorted(found.pareto, key=lambda c: c.figures[x][0])
    if not listed:
        return
    mean, low, high = (np.array([c.figures[x][k] for c in listed]) for k in range(3))
    mean_y, low_y, high_y = (np.array([c.figures[y][k] for c in listed]) for k in range(3))
    ax.errorbar(
        mean, mean_y, xerr=[mean - low, high - mean], yerr=[mean_y - low_y, high_y - mean_y],
        color=COLOURS[0], marker="o", linestyle="-", linewidth=1.4, capsize=2.5, zorder=3,
        label=f"nothing beats it, {found.confidence:.0%} intervals",
    )  # fmt: skip


def _places(
    found: OptimizeResult, x: str, y: str, ax: Axes
) -> list[tuple[list[int], tuple[float, float]]]:
    """Return the numbers of the Pareto set by place; those that would overlap share one."""
    wide, high = ax.get_xlim()[1], ax.get_ylim()[1]
    places: list[tuple[list[int], tuple[float, float]]] = []
    for number, c in enumerate(found.pareto, 1):
        here = c.figures[x][0], c.figures[y][0]
        for numbers, (at_x, at_y) in places:
            if abs(here[0] - at_x) < 0.03 * wide and abs(here[1] - at_y) < 0.04 * high:
                numbers.append(number)
                break
        else:
            places.append(([number], here))
    return places


def _label(name: str) -> str:
    from kvsim.costs import FIGURES

    if name.startswith("usd_"):
        return "USD " + name.removeprefix("usd_").replace("_", " ")
    if name in FIGURES:
        return f"{name.replace('_', ' ')} ({FIGURES[name]})"
    return metric_label(name)


def _what(c: Configuration) -> str:
    from kvsim.plots.labels import value_label

    shown = ", ".join(f"{name.rpartition('.')[2]} {value_label(v)}" for name, v in c.chosen.items())
    return shown if len(shown) < 130 else shown[:127] + "..."
