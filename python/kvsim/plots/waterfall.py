"""What latencies consist of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kvsim._waterfall import FLEET_PARTS, PARTS, Waterfall
from kvsim.plots import parts
from kvsim.plots.style import axes, styled
from kvsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Drawable = Result | Waterfall
# Width of a character as a share of the axis, in a figure of the usual width.
_CHARACTER = 0.016


@styled
def waterfall(
    what: Drawable | Sequence[Drawable] | Mapping[str, Drawable],
    ax: Axes | None = None,
    *,
    metric: str = "e2e",
    percentile: float | None = None,
    request: int | None = None,
    step: int | None = None,
    previous: Drawable | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the parts of a latency: one as steps from zero to its total, several as stacked bars.

    Parameters
    ----------
    what : Result, Waterfall, sequence or mapping of them
        A run (of whose requests the mean is taken), or what `Result.waterfall` and
        `Result.waterfalls` return. A mapping gives labels.
    ax : Axes, optional
        Where to draw.
    metric : {"e2e", "ttft", "tpot"}
        Of runs: which latency.
    percentile : float, optional
        Of runs: the requests around this percentile instead of the mean.
    request, step : int, optional
        Of runs: this request, or this step.
    previous : Result or Waterfall, optional
        Another run, as a ghost behind the one that is drawn.
    title : str, optional
        Heading; otherwise what it is of.

    Raises
    ------
    ConfigError
        If a run did not keep the parts.
    ValueError
        If there is nothing to draw, or a ghost behind several bars.

    Examples
    --------
    >>> waterfall(result, percentile=99, metric="ttft", previous=before)  # doctest: +SKIP
    <Axes: ...>
    >>> waterfall(result.waterfalls("ttft"))  # doctest: +SKIP
    <Axes: ...>
    """

    def resolve(thing: Drawable) -> Waterfall:
        if isinstance(thing, Waterfall):
            return thing
        return thing.waterfall(metric, percentile=percentile, request=request, step=step)

    ax = axes(ax)
    if isinstance(what, Result | Waterfall):
        ghost = None if previous is None else resolve(previous)
        return _steps(ax, resolve(what), ghost, title)
    named = what if isinstance(what, Mapping) else {resolve(w).label: w for w in what}
    if not named:
        raise ValueError("what: got nothing to draw; allowed: at least one")
    if previous is not None:
        raise ValueError("previous: got a ghost behind several bars; allowed: one bar")
    return _stacked(ax, {label: resolve(w) for label, w in named.items()}, title)


def _steps(ax: Axes, now: Waterfall, ghost: Waterfall | None, title: str | None) -> Axes:
    shown = [
        p for p in now.parts_ms if now.parts_ms[p] > 0 or (ghost and ghost.parts_ms.get(p, 0) > 0)
    ]
    longest = max(now.total_ms, ghost.total_ms if ghost else 0.0) or 1.0
    rows = range(len(shown) + 1)
    for which, source in ((0, ghost), (1, now)):
        if source is None:
            continue
        at = 0.0
        for row, part in enumerate(shown):
            value = source.parts_ms.get(part, 0.0)
            _bar(ax, row, at, value, part, ghost=which == 0)
            if which == 1:
                _number(ax, row, end=at + value, value=value, ghost=ghost, part=part)
            at += value
        _bar(ax, len(shown), 0.0, at, None, ghost=which == 0)
    _number(ax, len(shown), end=now.total_ms, value=now.total_ms, ghost=ghost, part=None)
    ax.set_yticks(list(rows), [*(parts.name(p) for p in shown), "total"])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.25 * longest)
    ax.set_xlabel("time (ms)")
    ax.grid(visible=False, axis="y")
    ax.set_title(title or now.label)
    if ghost is not None:
        from matplotlib.patches import Patch

        key = Patch(facecolor="none", edgecolor="#000000", linestyle=(0, (3, 2)), linewidth=1)
        ax.legend([key], [f"before: {_milliseconds(ghost.total_ms)}"], loc="upper right")
    return ax


def _bar(ax: Axes, row: int, left: float, width: float, part: str | None, *, ghost: bool) -> None:
    if ghost:
        ax.barh(
            row, width, left=left, height=0.86, facecolor="none", edgecolor="#000000",
            linestyle=(0, (3, 2)), linewidth=1, zorder=3,
        )  # fmt: skip
        return
    look = parts.look(part) if part else {"facecolor": "#4D4D4D", "edgecolor": "#4D4D4D"}
    ax.barh(row, width, left=left, height=0.6, zorder=2, **look)


def _number(
    ax: Axes, row: int, *, end: float, value: float, ghost: Waterfall | None, part: str | None
) -> None:
    """Write a bar's value behind it, with the difference to the ghost's."""
    text = _milliseconds(value)
    right = end
    if ghost is not None:
        before = ghost.total_ms if part is None else ghost.parts_ms.get(part, 0.0)
        change = value - before
        text += f" ({change:+,.0f})" if abs(change) >= 100 else f" ({change:+.3g})"
        names = list(ghost.parts_ms)
        stop = names.index(part) + 1 if part in names else len(names)
        right = max(right, sum(ghost.parts_ms[n] for n in names[:stop]))
    ax.annotate(
        text, (right, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5,
        zorder=4,
    )  # fmt: skip


def _stacked(ax: Axes, named: Mapping[str, Waterfall], title: str | None) -> Axes:
    from matplotlib.patches import Patch

    longest = max(w.total_ms for w in named.values()) or 1.0
    used: set[str] = set()
    for row, drawn in enumerate(named.values()):
        stack(ax, row, drawn.parts_ms, longest)
        used |= {p for p, ms in drawn.parts_ms.items() if ms > 0}
        ax.annotate(
            _milliseconds(drawn.total_ms), (drawn.total_ms, row), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8.5,
        )  # fmt: skip
    labels = [
        label + (f"\n{w.requests} requests" if w.requests > 1 else "") for label, w in named.items()
    ]
    ax.set_yticks(range(len(named)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.15 * longest)
    ax.set_xlabel("time (ms)")
    ax.grid(visible=False, axis="y")
    if title:
        ax.set_title(title)
    order = [p for p in (*FLEET_PARTS, *PARTS) if p in used]
    ax.legend(
        [Patch(**parts.look(p)) for p in order], [parts.name(p) for p in order], loc="upper left",
        bbox_to_anchor=(0, -0.14), ncols=min(6, len(order)),
        columnspacing=1.2,
    )  # fmt: skip
    return ax


def stack(
    ax: Axes,
    row: float,
    values: Mapping[str, float],
    longest: float,
    character: float = _CHARACTER,
) -> None:
    """Draw one bar of parts after another, with numbers where there is room.

    `character` is the width of a character as a share of the axis, which is a fifth longer than
    `longest`.
    """
    left = 0.0
    for part, value in values.items():
        if value <= 0:
            continue
        ax.barh(row, value, left=left, height=0.6, zorder=2, **parts.look(part))
        text = _figure(value)
        if value > 1.2 * longest * character * (len(text) + 0.5):
            hatched = bool(parts.look(part)["hatch"])
            box = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75}
            ax.annotate(
                text, (left + value / 2, row), ha="center", va="center", fontsize=8,
                color="#000000" if hatched else parts.ink(part), zorder=4,
                bbox=box if hatched else None,
            )  # fmt: skip
        left += value


def _milliseconds(value: float) -> str:
    return f"{_figure(value)} ms"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
