"""Hit rates of prefix caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvsim.plots.style import GREY, axes, marks, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kvsim._cache import HitRates


@styled
def hit_rates(found: HitRates, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Draw hit rate (y) against the size of the prefix cache (x), a line a policy.

    Parameters
    ----------
    found : HitRates
        From `kvsim.prefix_hit_rates`.
    ax : Axes, optional
        Where to draw.
    title : str, optional
        Heading.

    Examples
    --------
    >>> found = kvsim.prefix_hit_rates("mooncake-synthetic", [1000, 5000])  # doctest: +SKIP
    >>> hit_rates(found)  # doctest: +SKIP
    <Axes: ...>
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

    ax = axes(ax)
    for index, (policy, rates) in enumerate(found.rates.items()):
        look = marks(index)
        if policy == "belady":  # a bound, not a policy that could be built
            look = {"color": GREY, "marker": "", "linestyle": "-"}
        ax.plot(found.capacities, 100 * np.asarray(rates), label=policy, **look)
    ax.axhline(100 * found.unlimited, color="#000000", linewidth=1, linestyle=(0, (1, 2)))
    ax.annotate(
        f"never evicts: {100 * found.unlimited:.1f} %", (0.01, 100 * found.unlimited),
        xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points", fontsize=8,
    )  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    ax.set_ylim(0, None)
    ax.set_xlabel(f"size of the cache (blocks of {found.block_tokens} tokens)")
    ax.set_ylabel("blocks found")
    ax.set_title(title if title is not None else found.trace)
    ax.legend(loc="lower right")
    return ax
