"""Readers of measurement files: every error names the file, the line and the column."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvsim.errors import ConfigError


@dataclass(frozen=True)
class Row:
    """A row of a CSV file.

    Attributes
    ----------
    where : str
        File and line, for errors.
    cells : dict of str
        Text by column.
    """

    where: str
    cells: dict[str, str]

    def number(self, name: str, *, least: float = 0.0, above: bool = False) -> float:
        """Return a cell as a number of `least` or more (`above`: more) and below 10^12.

        Raises
        ------
        ConfigError
            If it is none.
        """
        value = _float(self.cells[name])
        if not least <= value < 1e12 or (above and value == least):
            raise self.error(name, f"a number {'above' if above else 'from'} {least:g}")
        return value

    def whole(self, name: str) -> int:
        """Return a cell as a whole number from 1 below 2^31.

        Raises
        ------
        ConfigError
            If it is none.
        """
        value = _float(self.cells[name])
        if not 1 <= value < 2**31 or value != int(value):
            raise self.error(name, "a whole number from 1")
        return int(value)

    def measured(self, name: str) -> float | None:
        """Return a measured latency, None where there is none (empty, NaN).

        Raises
        ------
        ConfigError
            If it is no number, or negative.
        """
        if self.cells[name].lower() in ("", "nan", "none", "null"):
            return None
        return self.number(name)

    def error(self, name: str, allowed: str) -> ConfigError:
        """Return the error of a cell."""
        return ConfigError(f"{self.where}: {name}: got {self.cells[name]!r}; allowed: {allowed}")


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_csv(path: str | Path, needed: Sequence[str], row_is: str) -> list[Row]:
    """Read a CSV file with a header, in UTF-8.

    Column names count without case and blanks around them, further columns are kept, empty lines
    are left out.

    Raises
    ------
    ConfigError
        If it is no text, lacks columns, has no rows or a row that ends early.
    OSError
        If it cannot be opened.
    """
    try:
        # newline="": the quoting of csv decides what ends a row.
        reader = csv.reader(io.StringIO(_text(path), newline=""), skipinitialspace=True)
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(path, header, needed)
        rows = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(header):
                raise ConfigError(
                    f"{where}: got {len(cells)} cells; allowed: {len(header)}, one a column"
                )
            stripped = (cell.strip() for cell in cells)
            rows.append(Row(where, dict(zip(header, stripped, strict=True))))
    except csv.Error as error:
        raise ConfigError(f"{path}: no CSV: {error}") from None
    if not rows:
        raise ConfigError(f"{path}: got no rows; allowed: one row {row_is}")
    return rows


def _check_header(path: str | Path, header: Sequence[str], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        raise ConfigError(
            f"{path}: lacks the columns {', '.join(missing)}; needed, with commas between: "
            f"{', '.join(needed)}"
        )
    twice = sorted({name for name in needed if header.count(name) > 1})
    if twice:
        raise ConfigError(f"{path}: has more than one column {', '.join(twice)}; allowed: one each")


def read_object(path: str | Path, what: str) -> dict[str, Any]:
    """Read a JSON file with an object in it, in UTF-8.

    Raises
    ------
    ConfigError
        If it is no JSON, no object, or names a key twice.
    OSError
        If it cannot be opened.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigError(f"{path}: {twice[0]}: named twice; allowed: once")
        return dict(pairs)

    try:
        document = json.loads(_text(path), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: no JSON: nested too deeply") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: got a {type(document).__name__}; allowed: {what}")
    return document


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is no UTF-8; allowed: a text file in UTF-8"
        ) from None
