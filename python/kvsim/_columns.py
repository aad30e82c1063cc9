"""Columns of one table by name: the engine's without a copy, some others computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kvsim._names import nearest

Array = npt.NDArray[Any]


class Columns(Mapping[str, Array]):
    """A read-only mapping from a column's name to a numpy array; names are attributes too.

    Arrays that the engine made are views of its memory, which they keep alive. Derived columns are
    computed when they are first asked for.

    Examples
    --------
    >>> import numpy as np
    >>> table = Columns("requests", {"a_ns": np.array([1, 2])}, {"b_ns": lambda c: 2 * c["a_ns"]})
    >>> list(table), len(table)
    (['a_ns', 'b_ns'], 2)
    >>> table["b_ns"]
    array([2, 4])
    >>> table["c_ns"]
    Traceback (most recent call last):
    ...
    KeyError: "requests has no column 'c_ns'; did you mean 'b_ns' or 'a_ns'? Known: 'a_ns', 'b_ns'"
    """

    def __init__(
        self,
        table: str,
        stored: Mapping[str, Array],
        derived: Mapping[str, Callable[[Columns], Array]] | None = None,
        missing: str = "",
    ) -> None:
        self._table = table
        self._stored = dict(stored)
        self._derived = dict(derived or {})
        self._names = (*self._stored, *self._derived)
        self._missing = missing

    def __getitem__(self, name: str) -> Array:
        """Return a column, computing it if it is a derived one."""
        if name in self._stored:
            return self._stored[name]
        if name not in self._derived:
            if self._missing:
                raise KeyError(f"{self._table} has no column {name!r}: {self._missing}")
            raise KeyError(f"{self._table} has no column {name!r}{nearest(name, self._names)}")
        column = self._derived[name](self)
        column.flags.writeable = False
        self._stored[name] = column
        return column

    def __getattr__(self, name: str) -> Array:
        """Return a column as an attribute."""
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __dir__(self) -> list[str]:
        """Names of the columns besides those of methods."""
        return [*super().__dir__(), *self._names]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, the engine's columns first."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._names)

    @property
    def num_rows(self) -> int:
        """Number of rows, 0 if the table was not recorded; lists in a row have offset columns."""
        return len(next(iter(self._stored.values()), ()))

    def __repr__(self) -> str:
        """Size and names; values are too long to print."""
        return f"<{self._table}: {self.num_rows} rows, columns {', '.join(self._names)}>"


def as_array(values: list[Any]) -> Array:
    """Return an axis as a numeric array if it is one, else as an array of objects."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return np.asarray(values)
    if all(isinstance(v, bool) for v in values) or all(isinstance(v, str) for v in values):
        return np.asarray(values)
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
