"""JSON Schemas (draft 2020-12) of what kvsim reads and of what sweeps write."""

from __future__ import annotations

from typing import Any

from kvsim import _export, _native
from kvsim._binding import CONSTRAINTS
from kvsim._schema import schema
from kvsim.errors import ConfigError
from kvsim.result import summary_fields

DRAFT = "https://json-schema.org/draft/2020-12/schema"
KINDS = ("scenario", "sweep")

_SCALARS: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "int32": {"type": "integer"},
    "int64": {"type": "integer"},
    "uint64": {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
    "double": {"type": "number"},
    "string": {"type": "string"},
}


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a scenario, or of what `SweepResult.to_dict` returns.

    A scenario's has every field with its range; rules between fields are not in it.

    Parameters
    ----------
    kind : {"scenario", "sweep"}
        Of what.

    Raises
    ------
    ConfigError
        If it is another kind.

    Examples
    --------
    >>> json_schema("scenario")["$ref"]
    '#/$defs/Scenario'
    """
    if kind not in KINDS:
        raise ConfigError(f"schema: got {kind!r}; allowed: {', '.join(KINDS)}")
    return _scenario() if kind == "scenario" else _sweep()


def _definitions() -> dict[str, Any]:
    about = schema()
    enums = {e["name"]: {"enum": e["values"]} for e in about["enums"]}
    shorthands = {s["name"]: s.get("shorthand") for s in about["structs"]}
    return {s["name"]: _struct(s, enums, shorthands) for s in about["structs"]}


def _scenario() -> dict[str, Any]:
    root = schema()["root"]
    return {
        "$schema": DRAFT,
        "title": f"kvsim scenario, kvsim {_native.__version__}",
        "$ref": f"#/$defs/{root}",
        "$defs": _definitions(),
    }


def _struct(
    about: dict[str, Any], enums: dict[str, Any], shorthands: dict[str, Any]
) -> dict[str, Any]:
    properties = {f["name"]: _field(f, enums, shorthands) for f in about["fields"]}
    if about["presets"]:
        properties["preset"] = {"enum": list(about["presets"])}
    return {
        "type": "object",
        "description": about["doc"],
        "properties": properties,
        "additionalProperties": False,
    }


def _field(
    field: dict[str, Any], enums: dict[str, Any], shorthands: dict[str, Any]
) -> dict[str, Any]:
    out = _type(field["type"], enums, shorthands)
    unit = f" [{field['unit']}]" if field["unit"] else ""
    out = {**out, "description": field["doc"] + unit, "default": field["default"]}
    low = "exclusiveMinimum" if field["exclusive_min"] else "minimum"
    if field["min"] is not None:
        out[low] = field["min"]
    if field["max"] is not None:
        out["maximum"] = field["max"]
    return out


def _type(
    about: dict[str, Any], enums: dict[str, Any], shorthands: dict[str, Any]
) -> dict[str, Any]:
    kind = about["type"]
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if kind == "enum":
        return dict(enums[about["enum"]])
    if kind == "optional":
        inner = _type(about["of"], enums, shorthands)
        if isinstance(inner.get("type"), str):
            return {**inner, "type": [inner["type"], "null"]}
        return {"anyOf": [inner, {"type": "null"}]}
    if kind == "list":
        return {"type": "array", "items": _type(about["of"], enums, shorthands)}
    if kind == "struct":
        whole = {"$ref": f"#/$defs/{about['struct']}"}
        presets = next(s for s in schema()["structs"] if s["name"] == about["struct"])["presets"]
        return {"anyOf": [{"enum": list(presets)}, whole]} if presets else whole
    if kind == "name_or_struct":
        return {"anyOf": [{"type": "string"}, {"$ref": f"#/$defs/{about['struct']}"}]}
    assert kind == "variant", kind
    forms: list[dict[str, Any]] = [
        _form(name, struct) for name, struct in zip(about["kinds"], about["structs"], strict=True)
    ]
    if any(shorthands.get(struct) for struct in about["structs"]):
        forms.append({"type": ["string", "number"]})
    return {"anyOf": forms}


def _form(kind: str, struct: str) -> dict[str, Any]:
    """Return one form of a variant: its kind, and the fields of its struct."""
    fields = next(s for s in schema()["structs"] if s["name"] == struct)["fields"]
    inside = {f["name"]: {"$ref": f"#/$defs/{struct}/properties/{f['name']}"} for f in fields}
    return {
        "type": "object",
        "properties": {"kind": {"const": kind}, **inside},
        "required": ["kind"],
        "additionalProperties": False,
    }


def _sweep() -> dict[str, Any]:
    number = {"type": ["number", "null"]}
    figures = {
        name: {**number, "description": doc + (f" [{unit}]" if unit else "")}
        for name, unit, doc in summary_fields()
    }
    indices = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    knee = {
        "type": ["object", "null"],
        "properties": dict.fromkeys(
            ("offered_per_s", "achieved_per_s", "latency_ms", "low_load_ms", "load"), number
        ),
    }
    point = {
        "type": "object",
        "description": "Values by path, figures, and bounds of intervals (_low, _high).",
        "properties": {
            "status": {"enum": _native.status_names()},
            "reason": {"type": "string"},
            "calibration": {"enum": _native.calibration_names()},
            "binding_constraint": {"enum": [*CONSTRAINTS, None]},
            **figures,
        },
        "required": ["status", "reason", "calibration", "binding_constraint", *figures],
    }
    properties: dict[str, Any] = {
        "format": {"const": "kvsim-sweep"},
        "schema_version": {"const": _export.SCHEMA_VERSION},
        "inputs": {
            "type": "object",
            "properties": {
                "scenario": {"$ref": f"#/$defs/{schema()['root']}"},
                "axes": {"type": "object", "additionalProperties": {"type": "array"}},
                "design": {"type": "string"},
            },
            "required": ["scenario", "axes", "design"],
        },
        "seed": {"type": "integer"},
        "num_points": {"type": "integer"},
        "unfinished": {**indices, "description": "Points that a deadline or cancelling cut off."},
        "points": {"type": "array", "items": point},
        "metric": {"type": "string"},
        "frontier": {**indices, "description": "Points on the Pareto set, by place in `points`."},
        "knees": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"at": {"type": "object"}, "knee": knee},
                "required": ["at", "knee"],
            },
        },
        "warnings": {"type": "object", "additionalProperties": indices},
        "confidence": number,
        "interval_method": {"enum": ["replications", "batch means", None]},
        "provenance": {
            "type": "object",
            "properties": {
                "kvsim_version": {"type": "string"},
                "input_sha256": {"type": "string"},
                "datasets": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["kvsim_version", "input_sha256", "datasets"],
        },
    }
    return {
        "$schema": DRAFT,
        "title": f"kvsim sweep, kvsim {_native.__version__}",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": _definitions(),
    }
