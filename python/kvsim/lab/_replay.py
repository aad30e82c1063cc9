"""A lab's ledger run again: every number in it must come out with the same bits."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from kvsim import __version__
from kvsim._simulate import simulate
from kvsim.errors import ConfigError, InfeasibleError, LivelockError
from kvsim.result import Result

# As `site/ledger.js` writes them.
SCHEMA = "kvsim.ledger"
SCHEMA_VERSION = 1
_KEYS = {
    "scenario": Mapping, "seed": int, "version": str, "engine_run_id": str, "status": str,
    "numbers": Mapping,
}  # fmt: skip


class LedgerError(ConfigError):
    """A file that is no ledger, or one that was changed or damaged; says where and how."""


@dataclass(frozen=True)
class Difference:
    """A number of a ledger that did not come out again.

    Attributes
    ----------
    entry : int
        Index of the entry.
    engine_run_id : str
        The run in the page that gave the number.
    key : str
        Which number.
    recorded, replayed : float, str or None
        What stands in the ledger, and what came out.
    version : str
        Version that wrote the entry.
    """

    entry: int
    engine_run_id: str
    key: str
    recorded: Any
    replayed: Any
    version: str

    def __str__(self) -> str:
        """One line."""
        text = (
            f"entry {self.entry} (run {self.engine_run_id}), {self.key}: the ledger has "
            f"{self.recorded!r}, the simulation gives {self.replayed!r}"
        )
        if self.version != __version__:
            text += f"; written by kvsim {self.version}, this is {__version__}"
        return text


@dataclass(frozen=True)
class Replay:
    """What a replay found.

    Attributes
    ----------
    runs, numbers : int
        How many were simulated and compared.
    difference : Difference or None
        The first number that is not the same.
    """

    runs: int
    numbers: int
    difference: Difference | None

    @property
    def ok(self) -> bool:
        """Whether every number came out with the same bits."""
        return self.difference is None


def replay(ledger: str | os.PathLike[str] | Mapping[str, Any]) -> Replay:
    """Simulate every run of a ledger again and compare its numbers, bit for bit.

    Parameters
    ----------
    ledger : path or mapping
        The JSON file that the lab exports, or its content.

    Returns
    -------
    Replay
        Ends at the first difference.

    Raises
    ------
    LedgerError
        If it is no ledger, or was damaged or changed.

    Examples
    --------
    >>> replay({"schema": "kvsim.ledger", "schema_version": 1, "entries": []}).ok
    True
    """
    document = ledger if isinstance(ledger, Mapping) else _read(Path(ledger))
    compared = 0
    entries = list(_entries(document))
    for index, entry in enumerate(entries):
        figures = _Figures(entry["scenario"])
        for key, recorded in {"status": entry["status"], **entry["numbers"]}.items():
            try:
                value = figures[key]
            except KeyError:
                raise LedgerError(
                    f"entries[{index}].numbers: got {key!r}, which no result has"
                ) from None
            if not _same(recorded, value):
                difference = Difference(
                    index, entry["engine_run_id"], key, recorded, value, entry["version"]
                )
                return Replay(index + 1, compared + 1, difference)
            compared += 1
    return Replay(len(entries), compared, None)


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LedgerError(f"ledger: got {str(path)!r} ({reason})") from None
    except UnicodeDecodeError as error:
        raise LedgerError(f"{path}: byte {error.start + 1} is not UTF-8") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise LedgerError(f"{path}: {where}: no valid JSON ({error.msg})") from None
    except RecursionError:
        raise LedgerError(f"{path}: nested too deeply") from None


def _entries(document: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise LedgerError(f"ledger: has no schema {SCHEMA!r}: not a ledger of this lab")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise LedgerError(
            f"schema_version: got {document.get('schema_version')!r}; allowed: {SCHEMA_VERSION}"
        )
    entries = document.get("entries")
    if not isinstance(entries, list):
        raise LedgerError("entries: missing or no list")
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise LedgerError(f"entries[{index}]: got {type(entry).__name__}; allowed: an object")
        for key, kind in _KEYS.items():
            if not isinstance(entry.get(key), kind) or isinstance(entry[key], bool):
                raise LedgerError(f"entries[{index}].{key}: missing or of another type")
        _check_identity(index, entry)
        yield entry


def _check_identity(index: int, entry: Mapping[str, Any]) -> None:
    scenario, run_id = entry["scenario"], entry["engine_run_id"]
    if scenario.get("seed", 0) != entry["seed"]:
        raise LedgerError(
            f"entries[{index}].seed: got {entry['seed']}, but the scenario has "
            f"{scenario.get('seed', 0)}"
        )
    if run_id.partition("-")[0] != _hash(_js_text(scenario)):
        raise LedgerError(
            f"entries[{index}].scenario: is not that of run {run_id}; it was changed or damaged"
        )


class _Figures:
    """Status and summary of a run, by name."""

    def __init__(self, scenario: Mapping[str, Any]) -> None:
        self._result: Result | None = None
        self._status = ""
        try:
            self._result = simulate(scenario)
            self._status = self._result.status
        except InfeasibleError:
            self._status = "infeasible"
        except LivelockError:
            self._status = "livelock"
        except ConfigError:
            self._status = "invalid"

    def __getitem__(self, key: str) -> Any:
        if key == "status":
            return self._status
        return None if self._result is None else self._result.summary[key]


def _same(recorded: Any, value: Any) -> bool:
    """Return whether two figures are the same, zeros by their sign; JSON has 1.0 as 1."""
    if isinstance(value, bool) or isinstance(recorded, bool):
        return recorded is value
    if isinstance(recorded, str) and isinstance(value, int):  # beyond 2^53 in JSON
        return recorded == str(value)
    if not isinstance(recorded, int | float) or not isinstance(value, int | float):
        return type(recorded) is type(value) and bool(recorded == value)
    if recorded != value:
        return False
    return math.copysign(1.0, recorded) == math.copysign(1.0, value)


def _hash(text: str) -> str:
    """Return FNV-1a of 64 bits, as `hash` in site/fields.js has it."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def _js_text(value: Any) -> str:
    """Return JSON as JavaScript writes it, keys in order.

    Examples
    --------
    >>> _js_text({"b": 1e-07, "a": [2.0, 1e16, "x", None, True], "c": 16.158372907191911})
    '{"a":[2,10000000000000000,"x",null,true],"b":1e-7,"c":16.15837290719191}'
    """
    if isinstance(value, Mapping):
        inner = (f"{_js_text(str(k))}:{_js_text(value[k])}" for k in sorted(value))
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_js_text, value)) + "]"
    if isinstance(value, float):
        return _js_number(value)
    return json.dumps(value, ensure_ascii=False)


def _js_number(value: float) -> str:
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f")
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}".replace("e+-", "e-")
