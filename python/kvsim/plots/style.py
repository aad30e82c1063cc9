"""Colours, markers and settings that all pictures share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design, https://jfly.uni-koeln.de/color/; ordered so that
# neighbours differ in lightness too. Yellow is left out: it is too light for lines on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)), (0, (8, 3, 2, 3)), "-")
GREY = "#6E6E6E"
LIGHT = "#D9D9D9"

_SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#4D4D4D",
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.figsize": (7.2, 4.4),
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "xtick.color": "#4D4D4D",
    "ytick.color": "#4D4D4D",
}


def style() -> AbstractContextManager[None]:
    """Return matplotlib settings for a `with` block around figures of your own.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> with style():
    ...     figure, ax = plt.subplots()
    >>> ax.spines["top"].get_visible()
    False
    >>> plt.close(figure)
    """
    import matplotlib as mpl

    settings: Any = _SETTINGS  # matplotlib's stub wants literal keys
    return mpl.rc_context(settings)


P = ParamSpec("P")
T = TypeVar("T")


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Make a function draw with these settings, on whatever axes."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with style():
            return draw(*args, **kwargs)

    return wrapped


def axes(ax: Axes | None) -> Axes:
    """Return `ax`, or a new one in this style."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def marks(index: int) -> dict[str, Any]:
    """Return colour, marker and line style of the series with this index, distinct up to seven."""
    i = index % len(COLOURS)
    return {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": LINES[i]}


def save(
    ax: Axes, path: str | os.PathLike[str], *, formats: tuple[str, ...] = ("png",)
) -> list[Path]:
    """Write the figure of `ax`, once for each format, and close it.

    Parameters
    ----------
    ax : Axes
        What a plot returned.
    path : path
        File name without its ending; missing folders are made.
    formats : tuple of str
        Endings that matplotlib knows: png, pdf, svg, ...

    Returns
    -------
    list of Path
        The files.

    Examples
    --------
    >>> save(frontier.plot(), "out/frontier", formats=("png", "pdf"))  # doctest: +SKIP
    [PosixPath('out/frontier.png'), PosixPath('out/frontier.pdf')]
    """
    import matplotlib.pyplot as plt

    figure = figure_of(ax)
    files = [Path(f"{os.fspath(path)}.{ending}") for ending in formats]
    with style():
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(file)
    plt.close(figure)
    return files


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure that `ax` stands in."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def unit_of(lowest_ms: float) -> tuple[str, float]:
    """Return the unit in which a reader wants times from `lowest_ms` on, and how many it is a ms.

    Examples
    --------
    >>> unit_of(20.0), unit_of(4800.0)
    (('ms', 1.0), ('s', 0.001))
    """
    return ("s", 1e-3) if lowest_ms >= 1000 else ("ms", 1.0)


def plain_ticks(ax: Axes, which: str = "y") -> None:
    """Label a log axis with plain numbers (20, 500, 10 000) rather than powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = ax.yaxis if which == "y" else ax.xaxis
    low, high = sorted(axis.get_view_interval())
    subs = (1.0,) if low <= 0 or high / low > 300 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis.set_minor_formatter(NullFormatter())


def plain_values(values: Any) -> list[float | None]:
    """Return figures as a list that JSON has: None for what is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> plain_values(np.array([1.0, np.nan]))
    [1.0, None]
    """
    import numpy as np

    return [v if np.isfinite(v) else None for v in np.asarray(values, dtype=np.float64).tolist()]


def rate(value: float) -> str:
    """Return a rate with three digits, also those that are 0.

    Examples
    --------
    >>> rate(8.0), rate(12.34), rate(0.5), rate(1234.5)
    ('8.00', '12.3', '0.500', '1234')
    """
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def plain(value: float) -> str:
    r"""Return a number as a reader writes it.

    Examples
    --------
    >>> plain(0.05), plain(20.0), plain(15000.0)
    ('0.05', '20', '15\xa0000')
    """
    return f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}") if value >= 1 else f"{value:g}"
