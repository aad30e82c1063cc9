"""How a GPU's memory is divided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvsim._kv_budget import KvBudget
from kvsim.plots import parts
from kvsim.plots.style import axes, styled
from kvsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_READABLE = 0.06


@styled
def memory(what: Result | KvBudget, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw what takes a GPU's memory as one bar, in GB: weights, activations, runtime, KV cache.

    Parameters
    ----------
    what : Result or KvBudget
        A run or its `kv_budget`; model and GPU must be named in the scenario.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If the byte figures are not known.

    Examples
    --------
    >>> memory(kvsim.simulate(scenario))  # doctest: +SKIP
    <Axes: ...>
    """
    from matplotlib.patches import Patch

    budget = what.kv_budget if isinstance(what, Result) else what
    if budget.memory_bytes <= 0 or budget.weight_bytes <= 0:
        raise ValueError("kv_budget: got no byte figures; allowed: of a run with model and gpu")
    if ax is None:
        ax = axes(None)
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.set_size_inches(7.2, 2.6)
    allowed = budget.memory_bytes / 1e9
    sizes = {name: gb for name, gb in budget.parts_gb().items() if gb > 0.005}
    total = sum(sizes.values())
    left = 0.0
    for name, gb in sizes.items():
        ax.barh(0, gb, left=left, height=0.5, zorder=2, **parts.look(name))
        if gb >= _READABLE * total:
            ax.annotate(
                f"{gb:.1f}", (left + gb / 2, 0), ha="center", va="center", fontsize=9,
                color=parts.ink(name) if not parts.look(name)["hatch"] else "#000000", zorder=4,
                bbox={"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75}
                if parts.look(name)["hatch"]
                else None,
            )  # fmt: skip
        left += gb
    ax.axvline(allowed, color="#000000", linewidth=1.2, linestyle=(0, (4, 2)), zorder=3)
    ax.annotate(
        f"{allowed:.1f} GB for the engine", (allowed, 1), xycoords=("data", "axes fraction"),
        xytext=(-3, -2), textcoords="offset points", ha="right", va="top", fontsize=8,
    )  # fmt: skip
    ax.set_xlim(0, 1.02 * max(total, allowed))
    ax.set_ylim(-0.5, 0.7)
    ax.set_yticks([])
    ax.set_xlabel("memory of one GPU (GB)")
    ax.grid(visible=False, axis="y")
    if title:
        ax.set_title(title)
    keys = [Patch(**parts.look(name)) for name in sizes]
    names = [f"{name} {gb:.1f}" for name, gb in sizes.items()]
    ax.legend(keys, names, loc="upper left", bbox_to_anchor=(0, -0.32), ncols=len(sizes))
    return ax
