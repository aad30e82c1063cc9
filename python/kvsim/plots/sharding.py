"""Tensor against pipeline parallelism, for one request and under load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kvsim.plots import parts
from kvsim.plots.style import figure_of, marks, styled
from kvsim.plots.waterfall import stack

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._sharding import Sharding, Split


# As in `stack`, of a panel that is a third of the figure.
_CHARACTER = 0.026


@styled
def sharding(found: Sharding, axes: Sequence[Axes] | None = None) -> Axes:
    """Draw every split: TTFT and TPOT of one request by parts, throughput and TPOT under load.

    Parameters
    ----------
    found : Sharding
        What `kvsim.sharding` returned.
    axes : sequence of three Axes, optional
        Where to draw; otherwise side by side in a new figure.

    Returns
    -------
    Axes
        The first.

    Raises
    ------
    ValueError
        If no split can be, or there are not three axes.

    Examples
    --------
    >>> sharding(kvsim.sharding("llama-3-70b"))  # doctest: +SKIP
    <Axes: ...>
    """
    from matplotlib.patches import Patch

    able = [s for s in found.splits if s.ttft_parts is not None]
    if not able:
        raise ValueError(f"splits: got none that can be ({found.splits[0].reason})")
    if axes is None:
        import matplotlib.pyplot as plt

        figure, made = plt.subplots(1, 3, figsize=(12.5, 3.9), width_ratios=(1.25, 1, 1))
        axes = list(made)
        figure.suptitle(found.title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    if len(axes) != 3:
        raise ValueError(f"axes: got {len(axes)}; allowed: three")
    first, second, third = axes
    used = _ttft(first, able, found.target_ttft_ms) | _tpot(second, able)
    _load(third, able)
    order = [p for p in able[0].ttft_parts.parts_ms if p in used] if able[0].ttft_parts else []
    figure_of(first).legend(
        [Patch(**parts.look(p)) for p in order], [parts.name(p) for p in order],
        loc="outside lower left", ncols=len(order),
    )  # fmt: skip
    return first


def _ttft(ax: Axes, splits: Sequence[Split], target_ms: float) -> set[str]:
    longest = max(s.ttft_ms or 0.0 for s in splits)
    used: set[str] = set()
    highs = []
    for row, split in enumerate(splits):
        assert split.ttft_parts is not None
        stack(ax, row, split.ttft_parts.parts_ms, longest, _CHARACTER)
        used |= {p for p, ms in split.ttft_parts.parts_ms.items() if ms > 0}
        total = split.ttft_parts.total_ms
        low, high = split.ttft_band_ms or (total, total)
        highs.append(high)
        if high > low:
            ax.plot([low, high], [row - 0.38] * 2, color="#000000", linewidth=1.4, zorder=5)
            for end in (low, high):
                ax.plot([end] * 2, [row - 0.44, row - 0.32], color="#000000", linewidth=1.4)
        ax.annotate(
            f"{total:.1f} ms", (max(total, high), row), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8.5,
        )  # fmt: skip
    ax.axvline(target_ms, color="#000000", linewidth=1, linestyle=(0, (1, 2)), zorder=4)
    ax.annotate(
        f"target {target_ms:g} ms", (target_ms, 0), xycoords=("data", "axes fraction"),
        xytext=(3, 3), textcoords="offset points", fontsize=8,
        bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8}, zorder=6,
    )  # fmt: skip
    _rows(ax, splits)
    ax.set_xlim(0, 1.22 * max(*highs, longest, target_ms))
    ax.set_xlabel("TTFT of one request (ms); line: 90 % of measurements")
    return used


def _tpot(ax: Axes, splits: Sequence[Split]) -> set[str]:
    longest = max(s.tpot_ms or 0.0 for s in splits)
    used: set[str] = set()
    for row, split in enumerate(splits):
        assert split.tpot_parts_ms is not None
        stack(ax, row, split.tpot_parts_ms, longest, _CHARACTER)
        used |= {p for p, ms in split.tpot_parts_ms.items() if ms > 0}
        ax.annotate(
            f"{split.tpot_ms:.1f} ms", (split.tpot_ms or 0.0, row), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8.5,
        )  # fmt: skip
    _rows(ax, splits)
    ax.set_xlim(0, 1.2 * longest)
    ax.set_xlabel("TPOT of one request (ms)")
    return used


def _rows(ax: Axes, splits: Sequence[Split]) -> None:
    ax.set_yticks(range(len(splits)), [s.name for s in splits])
    ax.set_ylim(len(splits) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")


def _load(ax: Axes, splits: Sequence[Split]) -> None:
    for index, split in enumerate(splits):
        x = [point.output_throughput for point in split.load]
        y = [point.mean_tpot_ms for point in split.load]
        ax.plot(x, y, label=split.name, **marks(index))
    clients = ", ".join(str(point.concurrency) for point in splits[0].load)
    ax.set_xlabel("output tokens/s of all clients")
    ax.set_ylabel("mean TPOT (ms)")
    ax.set_title(f"under load: {clients} clients", fontsize=9.5, fontweight="normal")
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1.35 * max(point.mean_tpot_ms for split in splits for point in split.load))
    ax.legend(loc="upper left", ncols=2)
