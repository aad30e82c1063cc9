"""The error of everything that reads traces, and where in a file it points to."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


class TraceError(ValueError):
    """A trace that cannot be used.

    The message names the file, the data row (from 1, the header not counted), the line in the file
    (from 1) and the column, as far as they apply; the same are attributes.

    Examples
    --------
    >>> error = TraceError("prompt length is -3", file="t.csv", row=2, line=3, column="prompt")
    >>> print(error)
    t.csv: row 2 (line 3), column 'prompt': prompt length is -3
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str,
        row: int | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        self.reason = reason
        self.file = file
        self.row = row
        self.line = line
        self.column = column
        place = []
        if row is not None:
            place.append(f"row {row} (line {line})" if line is not None else f"row {row}")
        elif line is not None:
            place.append(f"line {line}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{file}: {', '.join(place)}{': ' if place else ''}{reason}")

    def __reduce__(self) -> tuple[Callable[[], TraceError], tuple[()]]:
        """Pickle with all attributes."""
        place = {"row": self.row, "line": self.line, "column": self.column}
        return functools.partial(TraceError, self.reason, file=self.file, **place), ()  # type: ignore[arg-type]


class Where:
    """Turns a row index (from 0) into a place in a file when something is wrong there."""

    def __init__(
        self, file: str | os.PathLike[str], line_of: Callable[[int], int | None] | None = None
    ) -> None:
        self.file = os.fspath(file)
        self._line_of = line_of

    def fail(self, reason: str, index: int | None = None, column: str | None = None) -> NoReturn:
        """Raise a `TraceError` for the row with this index, or for the whole file."""
        line = self._line_of(index) if index is not None and self._line_of is not None else None
        row = None if index is None else index + 1
        raise TraceError(reason, file=self.file, row=row, line=line, column=column)
