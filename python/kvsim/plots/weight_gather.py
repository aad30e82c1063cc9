"""Where gathering weights moves less than reducing activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.plots.style import GREY, axes, marks, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from kvsim.catalog import Model


@styled
def weight_gather(
    model: str | Model | Mapping[str, Any],
    ax: Axes | None = None,
    *,
    gpus: int = 8,
    link_gb_per_s: float = 450.0,
    weight_dtypes: Sequence[str] = ("bf16", "fp8"),
    max_num_batched_tokens: int = 8192,
    title: str | None = None,
) -> Axes:
    """Draw the communication of a step over its tokens in both forms, their crossings marked.

    Closed forms of `kvsim.parallelism`: rings, no latency of hops.

    Parameters
    ----------
    model : str, Model or mapping
        Name in the catalogue, or an inline model.
    ax : Axes, optional
        Where to draw.
    gpus : int
        GPUs that share every layer.
    link_gb_per_s : float
        Link between two of them, per direction.
    weight_dtypes : sequence of str
        Gathered weights are drawn for each.
    max_num_batched_tokens : int
        An engine's budget, which is drawn too: no step has more tokens.
    title : str, optional
        Heading.

    Raises
    ------
    ValueError
        If model or data type are not known, or there are no two GPUs or no link.

    Examples
    --------
    >>> weight_gather("llama-3-70b")  # doctest: +SKIP
    <Axes: ...>
    """
    from kvsim import catalog, parallelism

    known = catalog.as_model(model)
    if not gpus >= 2:
        raise ValueError(f"gpus: got {gpus}; allowed: 2 or more")
    crossings = [parallelism.weight_gather_tokens(known, dtype) for dtype in weight_dtypes]
    ax = axes(ax)
    most = 1.5 * max(*crossings, max_num_batched_tokens)
    tokens = np.linspace(0, most, 9)
    width = 2 * known.hidden_size  # bytes of a token's activations
    reduced = (
        2
        * known.layers
        * np.array(parallelism.all_reduce_ms(gpus, tokens * width, link_gb_per_s=link_gb_per_s))
    )
    ax.plot(tokens, reduced, label="two all-reduces a layer", **marks(0))
    for index, (dtype, at) in enumerate(zip(weight_dtypes, crossings, strict=True), start=1):
        ms = parallelism.weight_gather_ms(
            known, gpus, link_gb_per_s=link_gb_per_s, weight_dtype=dtype
        )
        look = marks(index)
        ax.plot(
            tokens, np.full(tokens.shape, ms), label=f"weights gathered, {dtype.upper()}", **look
        )
        ax.plot([at], [ms], marker="o", markersize=11, color="none", markeredgecolor="#000000")
        ax.annotate(
            f"{at:,.0f} tokens", (at, ms), xytext=(9, -13), textcoords="offset points",
            fontsize=8.5,
        )  # fmt: skip
    ax.axvline(max_num_batched_tokens, color=GREY, linewidth=1.2, linestyle=(0, (1, 2)))
    ax.annotate(
        f"budget {max_num_batched_tokens:,}", (max_num_batched_tokens, 0),
        xycoords=("data", "axes fraction"), xytext=(4, 4), textcoords="offset points", fontsize=8.5,
    )  # fmt: skip
    ax.set_xlim(0, most)
    ax.set_ylim(0, 1.05 * float(reduced[-1]))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("tokens of a step")
    ax.set_ylabel("communication of a step (ms)")
    ax.set_title(title or f"{known.name} over {gpus} GPUs, {link_gb_per_s:g} GB/s each way")
    ax.legend(loc="lower right")
    return ax
