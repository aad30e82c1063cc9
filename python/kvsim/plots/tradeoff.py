"""TTFT against TPOT: parts, and the paths of three levers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kvsim.plots import parts
from kvsim.plots.style import GREY, figure_of, marks, plain_ticks, styled
from kvsim.plots.waterfall import stack

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._latency_tradeoff import LatencyTradeoff
    from kvsim._waterfall import Waterfall

_NAMES = {
    "batch": "batch (max_num_seqs)",
    "chunk": "chunk (max_num_batched_tokens)",
    "load": "load (of the capacity)",
}


@styled
def latency_tradeoff(found: LatencyTradeoff, axes: Sequence[Axes] | None = None) -> Axes:
    """Draw the parts of TTFT and of TPOT, and where each lever moves both.

    Parameters
    ----------
    found : LatencyTradeoff
        What `kvsim.latency_tradeoff` returned.
    axes : sequence of three Axes, optional
        For the parts of TTFT, those of TPOT, and the paths; otherwise a new figure.

    Returns
    -------
    Axes
        That of the paths.

    Raises
    ------
    ValueError
        If there are not three axes.

    Examples
    --------
    >>> latency_tradeoff(kvsim.latency_tradeoff(scenario))  # doctest: +SKIP
    <Axes: ...>
    """
    from matplotlib.patches import Patch

    if axes is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(10.5, 4.6))
        grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.35))
        axes = [
            figure.add_subplot(grid[0, 0]),
            figure.add_subplot(grid[1, 0]),
            figure.add_subplot(grid[:, 1]),
        ]
    if len(axes) != 3:
        raise ValueError(f"axes: got {len(axes)}; allowed: three")
    used = _bar(axes[0], found.ttft, "TTFT") | _bar(axes[1], found.tpot, "TPOT")
    _paths(axes[2], found)
    order = [p for p in found.ttft.parts_ms if p in used]
    figure_of(axes[2]).legend(
        [Patch(**parts.look(p)) for p in order], [parts.name(p) for p in order],
        loc="outside lower left", ncols=min(6, len(order)),
    )  # fmt: skip
    return axes[2]


def _bar(ax: Axes, what: Waterfall, name: str) -> set[str]:
    stack(ax, 0, what.parts_ms, what.total_ms or 1.0, character=0.026)
    ax.set_yticks([])
    ax.set_ylim(-0.5, 0.5)
    ax.set_xlim(0, 1.2 * (what.total_ms or 1.0))
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"parts of the mean {name} (ms)")
    ax.set_title(f"{name} {what.total_ms:,.3g} ms", fontsize=9.5)
    return {p for p, ms in what.parts_ms.items() if ms > 0}


def _paths(ax: Axes, found: LatencyTradeoff) -> None:
    left_out: list[str] = []
    for index, (lever, name) in enumerate(_NAMES.items()):
        rows = [r for r in found.of(lever) if r["mean_tpot_ms"] is not None]
        ok = [r for r in rows if r["status"] == "ok"]
        look = marks(index)
        ax.plot(
            [r["mean_ttft_ms"] for r in ok], [r["mean_tpot_ms"] for r in ok], label=name, **look
        )
        drifting = [_value(lever, r["value"]) for r in rows if r["status"] != "ok"]
        left_out += [f"{lever} {', '.join(drifting)}"] if drifting else []
        for row, place in ((ok[0], (-4, -11)), (ok[-1], (4, 5))) if len(ok) > 1 else ():
            if abs(row["mean_ttft_ms"] / found.ttft.total_ms - 1) < 0.02:
                continue  # the star stands there
            ax.annotate(
                _value(lever, row["value"]), (row["mean_ttft_ms"], row["mean_tpot_ms"]),
                xytext=place, textcoords="offset points", fontsize=8, color=look["color"],
            )  # fmt: skip
    ax.plot(
        [found.ttft.total_ms], [found.tpot.total_ms], marker="*", markersize=13, color="#000000",
        linestyle="none", label=f"as it is (load {found.base_load:.0%})", zorder=5,
    )  # fmt: skip
    if left_out:
        # What has no steady state has no latency.
        shown = f"not drawn, the queue drifts up: {'; '.join(left_out)}"
        ax.annotate(shown, (1, 0.02), xycoords="axes fraction", ha="right", fontsize=8, color=GREY)
    ax.set_xscale("log")
    plain_ticks(ax, "x")
    ax.set_ylim(bottom=0)
    ax.margins(x=0.12)
    ax.set_xlabel("mean TTFT (ms)")
    ax.set_ylabel("mean TPOT (ms)")
    ax.set_title("What moves them apart", fontsize=9.5)
    ax.legend(loc="best")


def _value(lever: str, value: Any) -> str:
    return f"{value:.0%}" if lever == "load" else f"{value:,}"
