"""The serving cost dominance law: training is paid once, serving every day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kvsim import _native
from kvsim._each import Floats, each
from kvsim.errors import ConfigError


@dataclass(frozen=True)
class Gain:
    """What serving for less is worth by some day.

    Attributes
    ----------
    share : float
        How much less a query costs, .1 for 10 %.
    days : float
    usd : float
        Saved by then.
    of_total : float
        As a share of all that was spent by then, training included.
    trainings : float
        In trainings of the model; infinite if training was free.
    """

    share: float
    days: float
    usd: float
    of_total: float
    trainings: float


@dataclass(frozen=True)
class ServingLife:
    """A model's costs over its life: C(t) = C_train + c Q(t), with Q(t) the queries served by t.

    With growth the traffic is q0 e^(r t), r = ln(1 + growth) / 365, so Q = q0 (e^(r t) - 1) / r;
    without, Q = q0 t. The engine computes them (`cpp/kvsim/theory/economics.hpp`).

    Parameters
    ----------
    training_usd : float
        Paid once, in USD.
    usd_per_query : float
        Cost of serving one, in USD.
    queries_per_day : float
        On the first day.
    growth_per_year : float
        1: twice the traffic after a year; above -1.

    Raises
    ------
    ConfigError
        If an amount is negative or not finite, or the growth -1 or less.

    Examples
    --------
    A million users with 50 queries a day at .001 USD: in a year serving costs 9.1 times as much as
    a training of 2 M USD, and as much on day 40.

    >>> life = ServingLife(2e6, 0.001, 50e6)
    >>> life.serving_usd(365), life.break_even_days
    (18250000.0, 40.0)
    >>> round(life.serving_share(365), 3), round(life.gain(0.1, 365).usd)
    (0.901, 1825000)
    """

    training_usd: float
    usd_per_query: float
    queries_per_day: float
    growth_per_year: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("training_usd", "usd_per_query", "queries_per_day", "growth_per_year"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{name}: got {value!r}; allowed: a number")
        _native.costs_cumulative_usd(*self._terms, 0.0)

    @property
    def _terms(self) -> tuple[float, float, float, float]:
        return self.training_usd, self.usd_per_query, self.queries_per_day, self.growth_per_year

    def queries(self, days: Floats) -> Any:
        """Return queries served by a day (a number or an array)."""
        return each(_native.costs_queries_served, *self._terms, days)

    def serving_usd(self, days: Floats) -> Any:
        """Return what serving has cost by a day."""
        return each(_native.costs_serving_usd, *self._terms, days)

    def cumulative_usd(self, days: Floats) -> Any:
        """Return what everything has cost by a day, training included."""
        return each(_native.costs_cumulative_usd, *self._terms, days)

    def serving_share(self, days: Floats) -> Any:
        """Return serving's share of all that was spent by a day."""
        return each(_native.costs_serving_share, *self._terms, days)

    @property
    def break_even_days(self) -> float:
        """The day on which serving has cost as much as training; infinite if it never does."""
        return _native.costs_break_even_days(*self._terms)

    def gain(self, share: float = 0.1, days: float = 365.0) -> Gain:
        """Return what it is worth by a day if a query costs `share` less.

        Raises
        ------
        ConfigError
            If the share is not from 0 to 1.
        """
        if isinstance(share, bool) or not 0 <= share <= 1:
            raise ConfigError(f"share: got {share!r}; allowed: 0 to 1")
        usd = share * float(self.serving_usd(days))
        total = float(self.cumulative_usd(days))
        return Gain(
            share,
            days,
            usd,
            usd / total if total > 0 else 0.0,
            usd / self.training_usd if self.training_usd > 0 else float("inf"),
        )

    def rows(self, days: Sequence[float] = (30, 90, 180, 365, 730, 1095)) -> list[dict[str, float]]:
        """Return a row a day: what was spent by then, serving's share, what 10 % are worth."""
        return [
            {
                "days": float(day),
                "queries": float(self.queries(day)),
                "serving_usd": float(self.serving_usd(day)),
                "cumulative_usd": float(self.cumulative_usd(day)),
                "serving_share": float(self.serving_share(day)),
                "gain_10_percent_usd": self.gain(0.1, day).usd,
            }
            for day in days
        ]

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw with `kvsim.plots.cost_dominance`, which takes the options."""
        from importlib import import_module

        plots = import_module("kvsim.plots")  # by name: results do not depend on pictures
        return plots.cost_dominance(self, ax, **options)
