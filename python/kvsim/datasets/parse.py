"""Cells of a file (text of a CSV, values of a JSON object) to numpy columns, exactly.

Nothing passes through a float: numbers are parsed as integers or as decimals.
"""

from __future__ import annotations

import decimal
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvsim.datasets.errors import Where

Int64 = npt.NDArray[np.int64]
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

# Powers of ten from a unit to nanoseconds.
UNITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}

_WALL = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_LIST_SPLIT = re.compile(r"[\s,;]+")
# Wide enough that no decimal a file may hold is rounded before the final rounding to whole ns.
_EXACT = decimal.Context(prec=400, rounding=decimal.ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Cells:
    """Cells of one column, and where they stand: `first` is the row index of the first one."""

    values: Sequence[Any]
    where: Where
    column: str
    first: int

    def fail(self, index: int, reason: str) -> NoReturn:
        """Raise an error for the cell with this index among `values`."""
        self.where.fail(reason, self.first + index, self.column)


def shown(cell: Any) -> str:
    """Return the cell as an error message shows it, cut to a readable length."""
    text = str(cell) if isinstance(cell, decimal.Decimal) else repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."


def is_missing(cell: Any) -> bool:
    """Tell whether the cell has no content: empty text or JSON null."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def to_decimal(cell: Any) -> decimal.Decimal | None:
    """Return the cell's exact value, or None if it is not a finite number."""
    if isinstance(cell, bool) or not isinstance(cell, int | str | decimal.Decimal):
        return None
    if isinstance(cell, str) and "_" in cell:  # Python's digit separator is not data
        return None
    try:
        value = decimal.Decimal(cell.strip() if isinstance(cell, str) else cell)
    except decimal.InvalidOperation:
        return None
    return value if value.is_finite() else None


def _plain_ints(cells: Sequence[Any]) -> Int64 | None:
    """Fast path: whole numbers that fit 64 bits; None if any cell needs a closer look."""
    kinds = set(map(type, cells))
    if kinds == {str}:
        if any("_" in cell for cell in cells):
            return None
    elif kinds != {int}:
        return None
    try:
        return np.fromiter(map(int, cells), np.int64, len(cells))
    except (ValueError, OverflowError):
        return None


def parse_ints(cells: Cells, low: int, high: int, what: str) -> Int64:
    """Parse whole numbers in [low, high]; `what` names the quantity in errors."""
    values = _plain_ints(cells.values)
    if values is not None:
        outside = (values < low) | (values > high)
        if not outside.any():
            return values
        _one_int(cells, int(outside.argmax()), low, high, what)
    return np.array(
        [_one_int(cells, i, low, high, what) for i in range(len(cells.values))], np.int64
    )


def _one_int(cells: Cells, index: int, low: int, high: int, what: str) -> int:
    return _whole_number(cells.values[index], cells, index, (low, high), what)


def _whole_number(cell: Any, cells: Cells, index: int, bounds: tuple[int, int], what: str) -> int:
    """Parse one value that belongs to the row of cell `index`."""
    low, high = bounds
    if is_missing(cell):
        cells.fail(index, f"{what} is missing")
    value = to_decimal(cell)
    if value is None:
        cells.fail(index, f"{what} is {shown(cell)}, not a number")
    if value != value.to_integral_value(context=_EXACT):
        cells.fail(index, f"{what} is {shown(value)}, not a whole number")
    if value < low:
        cells.fail(index, f"{what} is {shown(value)}; it must be at least {low}")
    if value > high:
        cells.fail(index, f"{what} is {shown(value)}; it must be at most {high}")
    return int(value)


def looks_like_wall_clock(cell: Any) -> bool:
    """Tell a date and time from a number or something unreadable."""
    return isinstance(cell, str) and _WALL.fullmatch(cell.strip()) is not None


def parse_times(cells: Cells, exponent: int | None) -> Int64:
    """Parse times to ns: dates and times if `exponent` is None, else numbers of 10**exponent ns."""
    rows = range(len(cells.values))
    if exponent is None:
        values = _plain_wall_clock(cells.values)
        if values is not None:
            return values
        return np.array([_one_wall_clock(cells, i) for i in rows], np.int64)
    limit = INT64_MAX // 10**exponent
    whole = _plain_ints(cells.values)
    if whole is not None and not ((whole > limit) | (whole < -limit)).any():
        return whole * np.int64(10**exponent)
    return np.array([_one_time(cells, i, exponent) for i in rows], np.int64)


def _one_time(cells: Cells, index: int, exponent: int) -> int:
    cell = cells.values[index]
    if is_missing(cell):
        cells.fail(index, "the arrival time is missing")
    value = to_decimal(cell)
    if value is None:
        hint = " (other rows hold numbers)" if looks_like_wall_clock(cell) else ""
        cells.fail(index, f"the arrival time is {shown(cell)}, not a number{hint}")
    # First by magnitude: 1e999999 must not become an int.
    time_ns = 0 if value.adjusted() > 30 else _round_to_ns(value, exponent)
    if value.adjusted() > 30 or abs(time_ns) > INT64_MAX:
        cells.fail(index, f"the arrival time {shown(cell)} is beyond int64 nanoseconds")
    return time_ns


def _round_to_ns(value: decimal.Decimal, exponent: int) -> int:
    return int(_EXACT.to_integral_value(_EXACT.scaleb(value, exponent)))


def _plain_wall_clock(cells: Sequence[Any]) -> Int64 | None:
    """Fast path: numpy parses ISO dates with up to 9 decimals into whole ns."""
    if set(map(type, cells)) != {str}:
        return None
    for cell in cells:
        match = _WALL.fullmatch(cell)
        if match is None or match[4] or len(match[3] or "") > 9 or "," in cell:
            return None
    if min(cells) < "1700" or max(cells) >= "2200":
        return None
    try:
        return np.array(cells, "datetime64[ns]").astype(np.int64)
    except ValueError:  # a month 13 and the like
        return None


def _one_wall_clock(cells: Cells, index: int) -> int:
    cell = cells.values[index]
    if is_missing(cell):
        cells.fail(index, "the arrival time is missing")
    match = _WALL.fullmatch(cell.strip()) if isinstance(cell, str) else None
    if match is None:
        like = "2023-11-16 18:15:46.6805900"
        cells.fail(index, f"the arrival time is {shown(cell)}, not a time like {like!r}")
    day, clock, fraction, zone = match.groups()
    if not "1700" <= day < "2200":
        cells.fail(index, f"the arrival time {cell!r} is not between 1700 and 2199")
    try:
        seconds = int(np.datetime64(f"{day}T{clock}", "s").astype(np.int64))
    except ValueError:
        cells.fail(index, f"the arrival time {cell!r} is no date and time of day")
    if zone and zone != "Z":
        offset = 3600 * int(zone[1:3]) + 60 * int(zone[-2:])
        seconds -= offset if zone[0] == "+" else -offset
    below = decimal.Decimal(f"0.{fraction}") if fraction else decimal.Decimal(0)
    return seconds * 10**9 + _round_to_ns(below, 9)


def parse_lists(cells: Cells, high: int, what: str) -> tuple[Int64, Int64]:
    """Parse lists of whole numbers in [0, high] to (length of each, all of them).

    A text cell holds numbers between blanks, commas or semicolons, with or without brackets.
    """
    lists: list[Any] = [
        _split(cell) if isinstance(cell, str) and cell.strip() else cell for cell in cells.values
    ]
    for i, items in enumerate(lists):
        if is_missing(items):
            cells.fail(i, f"the {what} are missing")
        if not isinstance(items, list):
            cells.fail(i, f"the {what} are {shown(items)}, not a list")
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    flat = _plain_ints(list(itertools.chain.from_iterable(lists))) if counts.any() else None
    if flat is not None and not ((flat < 0) | (flat > high)).any():
        return counts, flat
    one = f"one of the {what}"
    values = [
        _whole_number(item, cells, i, (0, high), one)
        for i, items in enumerate(lists)
        for item in items
    ]
    return counts, np.array(values, np.int64)


def _split(cell: str) -> list[str]:
    inner = cell.strip().removeprefix("[").removesuffix("]").strip()
    return _LIST_SPLIT.split(inner) if inner else []
