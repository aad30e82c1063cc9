"""What the commands share: reading scenarios, values and axes; tables; progress."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MISSING = "-"
# Numbers with colons between mean a range, also where one of its three is missing.
_RANGE = re.compile(r"(?=.*:)[-+.\d:eE\s]*\d[-+.\d:eE\s]*")


def console() -> Console:
    """Return where tables go: stdout, as wide as it must be when it is no terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 160
    return Console(width=width, highlight=False, soft_wrap=False)


def read_scenario(path: str, changes: Sequence[str]) -> dict[str, Any]:
    """Return the scenario in a JSON file (`-`: standard input) with `path=value` changes made.

    Raises
    ------
    ConfigError
        If the file cannot be read, the text is no JSON object or a change is not of that form.
    """
    where = "standard input" if path == "-" else path
    text = _read_text(path, where)
    try:
        scenario = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{where}: {place}: no valid JSON ({error.msg})") from None
    if not isinstance(scenario, dict):
        raise ConfigError(f"{where}: got {type(scenario).__name__}; allowed: a JSON object")
    for change in changes:
        name, value = split(change, "--set")
        set_path(scenario, name, parse_value(value))
    return scenario


def _read_text(path: str, where: str) -> str:
    allowed = "a scenario's JSON file, or - for standard input"
    try:
        if path == "-":
            return sys.stdin.read()
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"scenario: got {path!r} ({reason}); allowed: {allowed}") from None
    except UnicodeDecodeError as error:
        got = f"byte {error.start + 1} is not UTF-8"
        raise ConfigError(f"{where}: {got}; allowed: {allowed}") from None


def split(text: str, option: str) -> tuple[str, str]:
    """Return path and value of `path=value`."""
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise ConfigError(f"{option}: got {text!r}; allowed: path=value")
    return path.strip(), value.strip()


def set_path(scenario: dict[str, Any], path: str, value: Any) -> None:
    """Set a field by its dotted path; the path must be one that scenarios can have."""
    from kvsim._schema import check_path

    check_path(path, "--set")
    *above, last = path.split(".")
    node = scenario
    for part in above:
        inner = node.get(part)
        if isinstance(inner, str) and part == "lengths":
            inner = {"kind": "dataset", "name": inner}
        elif isinstance(inner, str) and part == "engine":
            inner = {"preset": inner}
        if not isinstance(inner, dict):
            inner = {}
        # A form is named when the first of its fields is set.
        if "kind" not in inner and last != "kind" and (kind := _default_kind(path, part)):
            inner["kind"] = kind
        node[part] = inner
        node = inner
    node[last] = value


def _default_kind(path: str, part: str) -> str | None:
    from kvsim._schema import paths

    head = path[: path.index(part) + len(part)]
    about = paths().get(f"{head}.kind")
    return None if about is None else str(about.default)


def parse_value(text: str) -> Any:
    """Return a value as JSON if it is JSON, else as text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def parse_axis(text: str, option: str = "--axis") -> tuple[str, list[Any]]:
    """Return path and values of `path=1,2,5`, `path=START:STOP:N` or `path=[JSON, ...]`."""
    path, values = split(text, option)
    return path, parse_values(values, f"{option} {path}")


def parse_values(text: str, where: str) -> list[Any]:
    """Return the values of `1,2,5`, `START:STOP:N` (both ends included) or `[JSON, ...]`."""
    if text.startswith("["):
        parsed = parse_value(text)
        if not isinstance(parsed, list):
            raise ConfigError(f"{where}: got {text!r}, which is no JSON list")
        return parsed
    if text.count(":") == 2 or _RANGE.fullmatch(text):
        return _linear(text, where)
    return [parse_value(part.strip()) for part in text.split(",") if part.strip()]


def _linear(text: str, where: str) -> list[Any]:
    try:
        start, stop, count = (float(part) for part in text.split(":"))
    except ValueError:
        allowed = "START:STOP:N, three numbers, or a JSON list"
        raise ConfigError(f"{where}: got {text!r}; allowed: {allowed}") from None
    if not (count >= 1 and count == int(count) and math.isfinite(start) and math.isfinite(stop)):
        raise ConfigError(f"{where}: got {text!r}; allowed: finite START:STOP:N, N from 1 on")
    if count > 10**6:
        raise ConfigError(f"{where}: got {int(count):,} values; allowed: at most 1,000,000")
    values = np.linspace(start, stop, int(count)).tolist()
    whole = all(float(v).is_integer() for v in values) and "." not in text
    return [int(v) for v in values] if whole else values


def number(value: float | int | str | bool | None, digits: int = 4) -> str:
    """Return a figure as a reader wants it in a table.

    Examples
    --------
    >>> number(12345.6), number(0.123456), number(3), number(None)
    ('12,346', '0.1235', '3', '-')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return MISSING
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def table(title: str, headers: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """Return a table whose columns, the first excepted, are aligned to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    out = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for index, header in enumerate(headers):
        out.add_column(header, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        out.add_row(*map(escape, row))
    return out


def progress(quiet: bool) -> bool | None:
    """Return whether to show a bar: on a terminal only."""
    return True if sys.stderr.isatty() and not quiet else None
