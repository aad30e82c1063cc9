"""Scenarios, points and values as the JSON text that the engine reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from kvsim.catalog import Gpu, Model
from kvsim.datasets import Trace
from kvsim.errors import ConfigError

Traces = dict[str, Trace]


class Encodable:
    """What has a JSON text of its own."""

    _json: str

    def _find_traces(self) -> Traces:
        """Return the traces that stand in it, by the names that the text has for them."""
        raise AssertionError("subclasses define it")


def encode_scenario(scenario: Any, traces: Traces) -> str:
    """Return a scenario's JSON text; traces that stand in it are added to `traces` by name.

    Raises
    ------
    ConfigError
        If it is no scenario, or something in it is no JSON, naming the field.
    """
    if isinstance(scenario, Encodable):
        traces.update(scenario._find_traces())
        return scenario._json
    if isinstance(scenario, str):
        return scenario
    if not isinstance(scenario, Mapping):
        kind = type(scenario).__name__
        raise ConfigError(f"scenario: got a {kind}; allowed: Scenario, mapping or JSON text")
    return encode(scenario, traces, "")


def encode(value: Any, traces: Traces, path: str) -> str:
    """Return JSON text; `path` begins the names of fields in errors.

    NaN and infinities, which JSON has not, stand in it as Python writes them: the engine refuses
    them by the field's name and range.
    """

    def default(item: Any) -> Any:
        return _plain(item, traces)

    try:
        return json.dumps(value, default=default, separators=(",", ":"))
    except _NoJsonError as error:
        at = _find(value, error.item, path) or path or "scenario"
        kind = type(error.item).__name__
        raise ConfigError(f"{at}: got a {kind}; allowed: a value that JSON has") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path or 'scenario'}: got no JSON ({error})") from None


def encode_strict(value: Any, path: str) -> str:
    """Return JSON text for any reader: NaN and infinities become strings."""
    text = encode(value, {}, path)
    if "NaN" in text or "Infinity" in text:
        text = json.dumps(_finite(json.loads(text)), separators=(",", ":"), allow_nan=False)
    return text


def content_name(trace: Trace) -> str:
    """Return the name by which a trace stands in a scenario: the hash of its columns."""
    return f"sha256-{trace.sha256}"


class _NoJsonError(Exception):
    def __init__(self, item: Any) -> None:
        self.item = item


def _plain(item: Any, traces: Traces) -> Any:
    """Return what `json.dumps` can write instead of an object that it does not know."""
    if isinstance(item, Encodable):
        traces.update(item._find_traces())
        return json.loads(item._json)
    if isinstance(item, Trace):
        name = content_name(item)
        traces[name] = item
        return name
    if isinstance(item, Model | Gpu):
        return item.to_dict()
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, np.ndarray):
        return item.tolist()
    if isinstance(item, Mapping):
        return dict(item)
    if isinstance(item, Sequence | Set) and not isinstance(item, bytes | bytearray | memoryview):
        return list(item)
    raise _NoJsonError(item)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value


def _find(value: Any, item: Any, path: str) -> str | None:
    """Return the dotted path of an object inside nested mappings and sequences."""
    if value is item:
        return path
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inside = list(value.items())
    elif isinstance(value, list | tuple):
        inside = list(enumerate(value))
    for key, part in inside:
        if (found := _find(part, item, f"{path}.{key}" if path else str(key))) is not None:
            return found
    return None
