"""The lab's instruments as widgets of Jupyter and marimo (`pip install 'kvsim[notebook]'`).

The engine runs in Python; what it gives is drawn by the modules that draw the lab's pages.

Examples
--------
>>> from kvsim import widgets  # doctest: +SKIP
>>> frontier = widgets.Frontier(base, {"engine.max_num_seqs": [16, 64, 256]})  # doctest: +SKIP
>>> frontier  # a cell that ends so shows it  # doctest: +SKIP
>>> frontier.result.knee  # after a slider was moved  # doctest: +SKIP
"""

from __future__ import annotations

try:
    from kvsim.widgets._instruments import Frontier, KVCacheHeatmap, Waterfall
except ModuleNotFoundError as error:
    if error.name not in ("anywidget", "traitlets"):
        raise
    raise ModuleNotFoundError(
        f"{error.name} is missing; install it with: pip install 'kvsim[notebook]'", name=error.name
    ) from None

__all__ = ["Frontier", "KVCacheHeatmap", "Waterfall"]
