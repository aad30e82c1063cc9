"""The axes that samples are drawn from, and conditions on axes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kvsim.errors import ConfigError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Uniform:
    """Real numbers from `low` to `high`, uniform.

    Examples
    --------
    >>> Uniform(1, 3).at(np.array([0.0, 0.5]))
    [1.0, 2.0]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the bounds."""
        check_bounds(self, self.low, self.high, positive=False)

    def at(self, u: Floats) -> list[Any]:
        """Return the values at the quantiles `u`, in [0, 1)."""
        values: list[Any] = (self.low + u * (self.high - self.low)).tolist()
        return values


@dataclass(frozen=True)
class LogUniform:
    """Real numbers from `low` to `high`, uniform in their logarithm.

    Examples
    --------
    >>> LogUniform(1, 100).at(np.array([0.0, 0.5]))
    [1.0, 10.0]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the bounds."""
        check_bounds(self, self.low, self.high, positive=True)

    def at(self, u: Floats) -> list[Any]:
        """Return the values at the quantiles `u`, in [0, 1)."""
        values: list[Any] = (self.low * (self.high / self.low) ** u).tolist()
        return values


@dataclass(frozen=True)
class Integers:
    """Whole numbers from `low` to `high`, both included; with `log` uniform in the logarithm.

    Examples
    --------
    >>> Integers(1, 4).at(np.array([0.0, 0.3, 0.99]))
    [1, 2, 4]
    """

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        """Check the bounds."""
        for bound in (self.low, self.high):
            if isinstance(bound, bool) or not isinstance(bound, int | np.integer):
                raise ConfigError(f"Integers: got {bound!r}; allowed: whole numbers")
        check_bounds(self, self.low, self.high, positive=self.log)

    def at(self, u: Floats) -> list[Any]:
        """Return the values at the quantiles `u`, in [0, 1): each has the same share of them."""
        above = self.high + 1
        real = self.low * (above / self.low) ** u if self.log else self.low + u * (above - self.low)
        return [min(max(math.floor(x), self.low), self.high) for x in real.tolist()]


class Choice:
    """One of some values, in equal shares: quantile u is the value number floor(u * k) of k.

    This is how a Sobol or Latin hypercube design has a categorical axis: [0, 1) is cut into k equal
    pieces, in the order given.

    Examples
    --------
    >>> Choice(["fcfs", "priority"]).at(np.array([0.2, 0.7]))
    ['fcfs', 'priority']
    """

    def __init__(self, values: Iterable[Any]) -> None:
        if isinstance(values, str | bytes | Mapping):
            raise ConfigError(f"Choice: got {values!r}; allowed: a list of values")
        self.values = list(values)
        check_values("Choice", self.values)

    def at(self, u: Floats) -> list[Any]:
        """Return the values at the quantiles `u`, in [0, 1)."""
        k = len(self.values)
        return [self.values[min(int(x * k), k - 1)] for x in u.tolist()]

    def __repr__(self) -> str:
        """Return the values."""
        return f"Choice({self.values!r})"


Axis = Uniform | LogUniform | Integers | Choice


@dataclass(frozen=True)
class OnlyIf:
    """An axis that applies only at some values of axes before it; see `only_if`."""

    condition: Mapping[str, Any]
    axis: Any


def only_if(condition: Mapping[str, Any], axis: Any) -> OnlyIf:
    """Limit an axis to points at which other axes have certain values.

    Parameters
    ----------
    condition : mapping
        Paths of axes that stand before this one, and a value or a list of values each. All must
        hold.
    axis : list of values, or Uniform, LogUniform, Integers, Choice
        The axis. Where the condition does not hold its path is not set: in a grid there is one
        point instead of one for each value.

    Examples
    --------
    >>> axes = {
    ...     "engine.enable_prefix_caching": [True, False],
    ...     "engine.block_size": only_if({"engine.enable_prefix_caching": True}, [16, 32]),
    ... }
    >>> from kvsim.design import grid
    >>> grid(axes).points()
    [{'engine.enable_prefix_caching': True, 'engine.block_size': 16},
     {'engine.enable_prefix_caching': True, 'engine.block_size': 32},
     {'engine.enable_prefix_caching': False}]
    """
    if not isinstance(condition, Mapping) or not condition:
        raise ConfigError(f"only_if: got {condition!r}; allowed: paths and values")
    return OnlyIf(dict(condition), axis)


def check_bounds(axis: object, low: float, high: float, *, positive: bool) -> None:
    name = type(axis).__name__
    for bound in (low, high):
        number = isinstance(bound, int | float | np.number) and not isinstance(bound, bool)
        if not number or not math.isfinite(bound):
            raise ConfigError(f"{name}: got {bound!r}; allowed: finite numbers")
    if not low < high or (positive and low <= 0):
        above = " above 0" if positive else ""
        raise ConfigError(f"{name}: got {low!r} to {high!r}; allowed: low < high{above}")


def identity(value: Any) -> Any:
    """Return what two values share if a scenario cannot tell them apart."""
    if isinstance(value, bool | np.bool_):
        return ("bool", bool(value))
    if isinstance(value, int | float | str | np.number | None):
        return value
    from kvsim._encode import encode

    return json.dumps(json.loads(encode(value, {}, "axes")), sort_keys=True)


def check_values(where: str, values: Sequence[Any]) -> None:
    """Fail if there is no value, or one twice."""
    if not values:
        raise ConfigError(f"{where}: got no values; allowed: at least one")
    seen: set[Any] = set()
    for value in values:
        key = identity(value)
        if key in seen:
            raise ConfigError(f"{where}: got {value!r} twice; allowed: different values")
        seen.add(key)
