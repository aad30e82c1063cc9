"""Figures that a search is about, the summary's and costs, and limits on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim import costs
from kvsim._encode import Encodable
from kvsim._names import nearest
from kvsim.errors import ConfigError
from kvsim.result import SUMMARY

if TYPE_CHECKING:
    from kvsim._sweep_result import SweepResult
    from kvsim.costs.serving import Prices

Array = npt.NDArray[np.float64]
# What more is better of.
_GOOD = (
    "throughput", "goodput", "achieved_rate", "completed", "hit_rate", "acceptance", "win_rate",
)  # fmt: skip
DIRECTIONS = ("minimize", "maximize")


def known_figures() -> list[str]:
    """Return every figure that a goal or a limit may be about."""
    return [*SUMMARY, *(name for name in costs.FIGURES if name not in SUMMARY)]


def check_figure(name: Any, where: str) -> str:
    """Fail unless a figure exists; names the nearest."""
    known = known_figures()
    if name not in known:
        raise ConfigError(f"{where}: got {name!r}{nearest(str(name), known)}")
    return str(name)


def figure(table: SweepResult, name: str, price: Prices) -> tuple[Array, Array, Array]:
    """Return a figure of each row with its bounds, NaN where a row has none."""
    if name in costs.FIGURES:
        return costs.intervals(table, name, price)
    low, high = table.interval(name)
    return np.asarray(table[name], dtype=np.float64), low, high


def run_values(table: SweepResult, name: str, price: Prices) -> Array:
    """Return a figure of each row of a table of single runs."""
    if name in costs.FIGURES:
        return costs.columns(table, price)[name]
    return np.asarray(table[name], dtype=np.float64)


def parse_goals(objectives: Any) -> dict[str, str]:
    """Return figures and whether to minimize or maximize each.

    Raises
    ------
    ConfigError
        If there is none, one does not exist, or a direction is neither.
    """
    if isinstance(objectives, str):
        objectives = [objectives]
    if not isinstance(objectives, Mapping):
        if not isinstance(objectives, Iterable):
            raise ConfigError(f"objectives: got {objectives!r}; allowed: names of figures")
        objectives = {name: _direction(str(name)) for name in objectives}
    if not objectives:
        raise ConfigError("objectives: got none; allowed: at least one figure")
    for name, direction in objectives.items():
        check_figure(name, "objectives")
        if direction not in DIRECTIONS:
            raise ConfigError(
                f"objectives[{name!r}]: got {direction!r}; allowed: {', '.join(DIRECTIONS)}"
            )
    return dict(objectives)


def _direction(name: str) -> str:
    good = any(word in name for word in _GOOD) and not name.startswith("usd")
    return "maximize" if good else "minimize"


@dataclass(frozen=True)
class Limit:
    """What a figure must keep: at least `low`, at most `high`; None where there is no limit."""

    figure: str
    low: float | None
    high: float | None

    def met(self, low: Array, high: Array) -> npt.NDArray[np.bool_]:
        """Return where both bounds of an interval keep the limit."""
        fits = np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):
            if self.low is not None:
                fits &= low >= self.low
            if self.high is not None:
                fits &= high <= self.high
        return fits

    def excess(self, values: Array) -> Array:
        """Return by what share of the limit a figure breaks it; 0 or less where it keeps it."""
        worst = np.full(len(values), -np.inf)
        if self.high is not None:
            worst = np.maximum(worst, (values - self.high) / (abs(self.high) or 1.0))
        if self.low is not None:
            worst = np.maximum(worst, (self.low - values) / (abs(self.low) or 1.0))
        return np.where(np.isfinite(values), worst, np.inf)

    def __str__(self) -> str:
        """`p99_ttft_ms <= 500`."""
        parts = [] if self.low is None else [f"{self.figure} >= {self.low:g}"]
        parts += [] if self.high is None else [f"{self.figure} <= {self.high:g}"]
        return " and ".join(parts)


def parse_limits(limits: Any, where: str) -> tuple[Limit, ...]:
    """Return the limits that a mapping of figures to numbers or (low, high) stands for.

    Raises
    ------
    ConfigError
        If a figure does not exist, or a limit is no number.
    """
    if limits is None:
        return ()
    if not isinstance(limits, Mapping):
        raise ConfigError(f"{where}: got {limits!r}; allowed: figures and their limits")
    found = []
    for name, value in limits.items():
        check_figure(name, where)
        pair = value if isinstance(value, tuple | list) else (None, value)
        if len(pair) != 2 or all(v is None for v in pair) or not all(map(_limit, pair)):
            raise ConfigError(
                f"{where}[{name!r}]: got {value!r}; allowed: the most that it may be, or (least, "
                "most) with None for no limit"
            )
        found.append(Limit(name, *pair))
    return tuple(found)


def _limit(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and math.isfinite(value))


_OF_SLO = {"ttft_ms": "ttft_ms", "tpot_ms": "tpot_ms", "e2e_ms": "e2el_ms"}
PERCENTILES = ("mean", "p50", "p90", "p95", "p99", "p99.9")


def limits_of_slo(slo: Any, percentile: str, where: str) -> tuple[Limit, ...]:
    """Return an SLO as limits on a percentile; a mapping may also name figures.

    Raises
    ------
    ConfigError
        If it sets no limit, or the percentile is unknown.
    """
    import json

    if percentile not in PERCENTILES:
        raise ConfigError(f"percentile: got {percentile!r}; allowed: {', '.join(PERCENTILES)}")
    plain = json.loads(slo._json) if isinstance(slo, Encodable) else slo
    if not isinstance(plain, Mapping):
        raise ConfigError(f"{where}: got {slo!r}; allowed: an SLO, or figures and their limits")
    named = {
        f"{percentile}_{_OF_SLO[key]}" if key in _OF_SLO else key: value
        for key, value in plain.items()
        if value is not None
    }
    if not named:
        raise ConfigError(
            f"{where}: got no limit; allowed: at least one of {', '.join(_OF_SLO)}, or a figure"
        )
    return parse_limits(named, where)
