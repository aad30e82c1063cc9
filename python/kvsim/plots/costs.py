"""What a model costs over its life, and what speculation gains under load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.plots.style import COLOURS, GREY, LINES, axes, marks, plain_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim.costs import ServingLife


@styled
def cost_dominance(
    life: ServingLife,
    ax: Axes | None = None,
    *,
    days: float = 730.0,
    gain: float = 0.1,
    title: str | None = None,
) -> Axes:
    """Draw what training and serving have cost by each day, and what serving for less would save.

    Parameters
    ----------
    life : ServingLife
        The costs.
    ax : Axes, optional
        Where to draw.
    days : float
        How far to draw.
    gain : float
        How much less a query could cost; its worth is the band.
    title : str, optional
        Heading.

    Raises
    ------
    ConfigError
        If the number of days is not above 0, or the gain not from 0 to 1.

    Examples
    --------
    >>> cost_dominance(kvsim.costs.ServingLife(2e6, 0.001, 50e6))  # doctest: +SKIP
    <Axes: ...>
    """
    from matplotlib.ticker import FuncFormatter

    from kvsim.errors import ConfigError

    if not 0 < days < 1e6:
        raise ConfigError(f"days: got {days!r}; allowed: above 0, below 1,000,000")
    worth = life.gain(gain, days)
    ax = axes(ax)
    t = np.linspace(0, days, 201)
    whole = life.cumulative_usd(t)
    unit, divisor = _unit(float(whole[-1]))
    total, serving = whole / divisor, life.serving_usd(t) / divisor
    ax.plot(t, total, color=COLOURS[0], linestyle=LINES[0], label="training and serving")
    ax.plot(t, serving, color=COLOURS[3], linestyle=LINES[1], label="serving")
    ax.plot(
        [0, days], [life.training_usd / divisor] * 2, color=GREY, linestyle=LINES[2],
        label="training",
    )  # fmt: skip
    ax.fill_between(
        t, total - gain * serving, total, color=COLOURS[1], alpha=0.45, linewidth=0,
        label=f"a query {gain:.0%} cheaper: {_usd(worth.usd)} by day {days:g}", zorder=1.5,
    )  # fmt: skip
    even = life.break_even_days
    if even <= days:
        ax.plot([even], [life.training_usd / divisor], "o", color="#000000", zorder=4)
        ax.annotate(
            f"day {even:,.0f}: serving has cost as much as training",
            (days, life.training_usd / divisor), xytext=(-4, 3), textcoords="offset points",
            ha="right", va="bottom", fontsize=8.5,
        )  # fmt: skip
    share = float(life.serving_share(days))
    ax.annotate(
        f"{_usd(float(whole[-1]))}, serving {share:.1%}", (days, total[-1]), xytext=(-4, 6),
        textcoords="offset points", ha="right", fontsize=8.5,
    )  # fmt: skip
    ax.set_xlim(0, days)
    ax.set_ylim(0, 1.12 * float(total.max()))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.set_xlabel("days since the launch")
    ax.set_ylabel(f"spent so far ({unit})")
    ax.set_title(title or "Training is paid once, serving every day")
    ax.legend(loc="upper left")
    return ax


def _unit(largest: float) -> tuple[str, float]:
    for name, divisor in (("billion USD", 1e9), ("million USD", 1e6), ("thousand USD", 1e3)):
        if largest >= divisor:
            return name, divisor
    return "USD", 1.0


def _usd(value: float) -> str:
    for ending, divisor in ((" billion", 1e9), (" million", 1e6), ("k", 1e3)):
        if value >= divisor:
            return f"{value / divisor:,.3g}{ending} USD"
    return f"{value:,.3g} USD"


@styled
def speculation_gain(
    rows: Sequence[Mapping[str, Any]], ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """Draw what speculation gains against the batch, a curve for each acceptance.

    Parameters
    ----------
    rows : sequence of mapping
        What `kvsim.speculation.gain` returned.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If there is nothing to draw.

    Examples
    --------
    >>> speculation_gain(kvsim.speculation.gain(scenario))  # doctest: +SKIP
    <Axes: ...>
    """
    if not rows:
        raise ValueError("rows: got none; allowed: at least one")
    ax = axes(ax)
    for index, alpha in enumerate(dict.fromkeys(row["alpha"] for row in rows)):
        mine = [row for row in rows if row["alpha"] == alpha]
        ax.plot(
            [row["batch"] for row in mine], [row["gain"] for row in mine],
            label=f"acceptance {alpha:g}", **marks(index),
        )  # fmt: skip
    ax.axhline(1, color=GREY, linewidth=1.2, linestyle=(0, (4, 2)))
    ax.annotate("no gain", (1, 1), xycoords=("axes fraction", "data"), xytext=(-2, 3),
                textcoords="offset points", ha="right", fontsize=8.5, color=GREY)  # fmt: skip
    ax.set_xscale("log", base=2)
    plain_ticks(ax, "x")
    ax.set_xticks(sorted({row["batch"] for row in rows}))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("clients, each with one request under way")
    ax.set_ylabel("output tokens/s, over without speculation")
    drafts = rows[0]["drafts"]
    ax.set_title(title or f"What {drafts} drafts a pass gain, against the batch")
    ax.legend(loc="upper right")
    return ax
