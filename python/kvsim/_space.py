"""Spaces of configurations: axes, and named options that set several fields at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kvsim._design_axes import Choice, Integers, LogUniform, OnlyIf, Uniform, identity
from kvsim._schema import check_path
from kvsim.errors import ConfigError

Ranges = Uniform | LogUniform | Integers


@dataclass(frozen=True)
class Dimension:
    """One choice: a list of values (labels, of named options) or a range.

    Attributes
    ----------
    name : str
        A dotted path, or the name of the options.
    values : list or None
        The values; None for a range.
    range : Uniform, LogUniform, Integers or None
    options : mapping or None
        What each label sets, by dotted path.
    condition : mapping
        Names of dimensions before it and the values at which this one applies.
    """

    name: str
    values: list[Any] | None
    range: Ranges | None
    options: Mapping[Any, Mapping[str, Any]] | None
    condition: Mapping[str, Any]

    def sets(self, value: Any) -> dict[str, Any]:
        """Return the fields that a value of this dimension sets."""
        return dict(self.options[value]) if self.options is not None else {self.name: value}

    def applies(self, chosen: Mapping[str, Any]) -> bool:
        """Whether its condition holds."""
        for other, wanted in self.condition.items():
            listed = wanted if isinstance(wanted, list | tuple | set) else [wanted]
            if other not in chosen or identity(chosen[other]) not in {identity(v) for v in listed}:
                return False
        return True


class Space:
    """All configurations that a search may try.

    Raises
    ------
    ConfigError
        If it is empty, a path is unknown, a dimension has no values, or two set the same field.
    """

    def __init__(self, space: Any) -> None:
        if not isinstance(space, Mapping) or not space:
            raise ConfigError(f"space: got {space!r}; allowed: at least one dimension")
        self.dimensions: list[Dimension] = []
        owner: dict[str, str] = {}
        for name, given in space.items():
            dimension = _dimension(str(name), given)
            known = [d.name for d in self.dimensions]
            for other in dimension.condition:
                if other not in known:
                    raise ConfigError(
                        f"space[{name!r}]: its condition names {other!r}; allowed: a dimension "
                        f"before it ({', '.join(known) or 'none'})"
                    )
            for path in _paths(dimension):
                if path in owner:
                    raise ConfigError(
                        f"space[{name!r}]: sets {path}, as {owner[path]!r} does; allowed: one of "
                        "them"
                    )
                owner[path] = dimension.name
            self.dimensions.append(dimension)

    @property
    def finite(self) -> bool:
        """Whether every dimension is a list."""
        return all(d.values is not None for d in self.dimensions)

    def choose(self, pick: Callable[[Dimension], Any]) -> dict[str, Any]:
        """Return a configuration by name of dimension: `pick` gives the value of each in turn."""
        chosen: dict[str, Any] = {}
        for d in self.dimensions:
            if d.applies(chosen):
                chosen[d.name] = pick(d)
        return chosen

    def point(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that a configuration sets, by dotted path."""
        point: dict[str, Any] = {}
        for d in self.dimensions:
            if d.name in chosen:
                point |= d.sets(chosen[d.name])
        return point

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield every configuration of a finite space, each once, the last dimension fastest."""
        seen = set()
        for values in itertools.product(*(d.values or [] for d in self.dimensions)):
            given = {d.name: v for d, v in zip(self.dimensions, values, strict=True)}
            chosen = self.choose(lambda d, given=given: given[d.name])  # type: ignore[misc]
            key = tuple((name, identity(value)) for name, value in chosen.items())
            if key not in seen:
                seen.add(key)
                yield chosen


def _dimension(name: str, given: Any) -> Dimension:
    condition: Mapping[str, Any] = {}
    if isinstance(given, OnlyIf):
        condition, given = given.condition, given.axis
    where = f"space[{name!r}]"
    if isinstance(given, Mapping):
        if not given:
            raise ConfigError(f"{where}: got no options; allowed: at least one")
        for label, sets in given.items():
            if not isinstance(sets, Mapping):
                raise ConfigError(f"{where}[{label!r}]: got {sets!r}; allowed: paths and values")
            for path in sets:
                check_path(path, f"{where}[{label!r}]")
        return Dimension(name, list(given), None, dict(given), condition)
    check_path(name, "space")
    if isinstance(given, Uniform | LogUniform | Integers):
        return Dimension(name, None, given, None, condition)
    if isinstance(given, Choice):
        return Dimension(name, given.values, None, None, condition)
    if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
        raise ConfigError(f"{where}: got {given!r}; allowed: a list of values, an axis or options")
    try:
        return Dimension(name, Choice(given).values, None, None, condition)
    except ConfigError as error:
        raise ConfigError(str(error).replace("Choice", where, 1)) from None


def _paths(d: Dimension) -> list[str]:
    if d.options is None:
        return [d.name]
    return list(dict.fromkeys(path for sets in d.options.values() for path in sets))
