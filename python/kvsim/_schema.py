"""The engine's description of a scenario: every dotted path and what stands there."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
from dataclasses import dataclass
from typing import Any

from kvsim import _native
from kvsim.errors import ConfigError


@dataclass(frozen=True)
class FieldAbout:
    """A field of a scenario.

    Attributes
    ----------
    path : str
        Where it stands, such as ``workload.arrivals.rate_per_s``.
    type : str
        `int`, `float`, `bool`, `str`, `choice`, `object` or `list`.
    unit, doc : str
        Unit, empty if it has none; one sentence.
    default : value
        As in JSON; for an object, its kind or None.
    allowed : str
        Range or choices in words, empty if there is no limit.
    kinds : tuple of str
        The kinds of the object above it that have this field; empty if it always exists.
    nullable : bool
        Whether None is allowed.
    """

    path: str
    type: str
    unit: str
    doc: str
    default: Any
    allowed: str
    kinds: tuple[str, ...]
    nullable: bool


@functools.cache
def schema() -> dict[str, Any]:
    """Return the description as the engine writes it (see cpp/kvsim/scenario/field_schema.hpp)."""
    parsed: dict[str, Any] = json.loads(_native.schema_json())
    return parsed


@functools.cache
def paths() -> dict[str, FieldAbout]:
    """Return every dotted path that a scenario can have.

    Examples
    --------
    >>> about = paths()["workload.arrivals.rate_per_s"]
    >>> about.unit, about.allowed, about.kinds
    ('1/s', 'above 0 up to 1000000000', ('poisson', 'gamma', 'deterministic', 'trace'))
    """
    structs = {s["name"]: s for s in schema()["structs"]}
    found: dict[str, FieldAbout] = {}
    _walk(structs, schema()["root"], "", (), found)
    return found


@functools.cache
def preset_structs() -> dict[str, str]:
    """Return the paths of objects that the name of a preset may stand for, and their structs.

    Examples
    --------
    >>> preset_structs()["engine"]
    'Engine'
    """
    structs = {s["name"]: s for s in schema()["structs"]}
    found: dict[str, str] = {}

    def walk(name: str, prefix: str) -> None:
        for field in structs[name]["fields"]:
            inner = field["type"].get("of", field["type"])
            if inner["type"] == "struct":
                path = prefix + field["name"]
                if structs[inner["struct"]]["presets"]:
                    found[path] = inner["struct"]
                walk(inner["struct"], f"{path}.")

    walk(schema()["root"], "")
    return found


def check_path(path: Any, where: str) -> None:
    """Fail unless scenarios can have a field at this dotted path; suggests the nearest ones."""
    known = paths()
    if path in known:
        return
    # The last component alone may tell what was meant.
    last = str(path).rpartition(".")[2]
    close = [p for p in known if p.rpartition(".")[2] == last][:3]
    close = close or difflib.get_close_matches(str(path), known, n=3, cutoff=0.5)
    guess = f"did you mean {' or '.join(map(repr, close))}?" if close else "see `kvsim fields`"
    raise ConfigError(f"{where}: got unknown path {path!r}; {guess}")


_TYPES = {
    "bool": "bool", "int32": "int", "int64": "int", "uint64": "int", "double": "float",
    "string": "str", "enum": "choice", "struct": "object", "variant": "object",
    "name_or_struct": "str", "list": "list",
}  # fmt: skip


def _walk(
    structs: dict[str, Any],
    name: str,
    prefix: str,
    kinds: tuple[str, ...],
    found: dict[str, FieldAbout],
) -> None:
    for field in structs[name]["fields"]:
        path = prefix + field["name"]
        inner = field["type"]
        nullable = inner["type"] == "optional"
        if nullable:
            inner = inner["of"]
        default = field["default"]
        if path in found:
            # The same field of another kind; the first one's description stands for both.
            found[path] = dataclasses.replace(found[path], kinds=(*found[path].kinds, *kinds))
            continue
        found[path] = FieldAbout(
            path=path,
            type=_TYPES[inner["type"]],
            unit=field["unit"],
            doc=field["doc"],
            default=default.get("kind") if isinstance(default, dict) else default,
            allowed=_allowed(field, inner),
            kinds=kinds,
            nullable=nullable,
        )
        if inner["type"] in ("struct", "name_or_struct"):
            _walk(structs, inner["struct"], f"{path}.", (), found)
        elif inner["type"] == "variant":
            found[f"{path}.kind"] = FieldAbout(
                f"{path}.kind", "choice", "", f"Which of the forms {path} has.", default["kind"],
                ", ".join(inner["kinds"]), (), nullable=False,
            )  # fmt: skip
            for kind, struct in zip(inner["kinds"], inner["structs"], strict=True):
                _walk(structs, struct, f"{path}.", (kind,), found)


def _allowed(field: dict[str, Any], inner: dict[str, Any]) -> str:
    if inner["type"] == "enum":
        values = {e["name"]: e["values"] for e in schema()["enums"]}
        return ", ".join(values[inner["enum"]])
    if inner["type"] == "variant":
        return ", ".join(inner["kinds"])
    parts = []
    if field["min"] is not None:
        parts.append(f"{'above' if field['exclusive_min'] else 'from'} {_number(field['min'])}")
    if field["max"] is not None:
        parts.append(f"up to {_number(field['max'])}")
    return " ".join(parts)


def _number(bound: float) -> str:
    whole = float(bound).is_integer() and abs(bound) < 1e10
    return str(int(bound)) if whole else f"{bound:g}"
