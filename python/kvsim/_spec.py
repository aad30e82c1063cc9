"""What the generated classes of `kvsim._fields` have in common."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self, dataclass_transform

from kvsim import _native
from kvsim._encode import Encodable, Traces, content_name, encode
from kvsim._names import nearest
from kvsim.catalog import Gpu, Model
from kvsim.datasets import Trace
from kvsim.errors import ConfigError

# Turns what a caller may write for a field into what the object keeps. Values that it does not know
# pass unchanged: the engine has refused them by then.
Rule = Callable[[Any], Any]


# Stands for an object with all its defaults, where such an object need not be valid by itself.
DEFAULTS: Mapping[str, Any] = MappingProxyType({})


class _DataclassFields:
    """`__dataclass_fields__` of a class of specs, made by `dataclasses` when it is asked for."""

    def __get__(self, _: object, cls: type[Spec]) -> dict[str, dataclasses.Field[Any]]:
        annotations = [(name, vars(cls)["__annotations__"][name]) for name in cls._defaults]
        like = dataclasses.make_dataclass(cls.__name__, annotations)
        return {field.name: field for field in dataclasses.fields(like)}


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Spec(Encodable):
    """A frozen, checked part of a scenario. The engine does the checking, in one place.

    Its classes are what `dataclass(frozen=True)` would make of them, to users and to mypy.
    `dataclass` itself compiles the methods of each class when it is imported, a fifth of a second
    for all of them on a slow machine.
    """

    __dataclass_fields__ = _DataclassFields()
    _type: ClassVar[str]
    _kind: ClassVar[str | None] = None
    _shorthand: ClassVar[str | None] = None
    _defaults: ClassVar[dict[str, Any]] = {}
    _rules: ClassVar[Mapping[str, Rule]] = {}

    def __init_subclass__(cls) -> None:
        """Let `__init__` suggest names for fields that it does not know."""
        init = vars(cls).get("__init__")
        if init is None:
            return
        names = list(init.__kwdefaults__ or {})
        cls._defaults = dict(init.__kwdefaults__ or {})
        type.__setattr__(cls, "__match_args__", tuple(names))

        @functools.wraps(init)
        def named(self: Spec, **fields: Any) -> None:
            for name in fields:
                if name not in names:
                    raise ConfigError(f"{name}: no field of {cls._type}{nearest(name, names)}")
            init(self, **fields)

        type.__setattr__(cls, "__init__", named)

    def _set(self, **values: Any) -> None:
        """Check all fields by the engine, then keep them."""
        traces: Traces = {}
        simple: dict[str, Any] = {} if self._kind is None else {"kind": self._kind}
        parts: list[str] = []
        for name, value in values.items():
            if isinstance(value, Encodable):
                traces.update(value._find_traces())
                parts.append(f'"{name}":{value._json}')
            else:
                simple[name] = value
        text = encode(simple, traces, "")
        if parts:
            text = "".join((text[:-1], "," if simple else "", ",".join(parts), "}"))
        _native.check(self._type, text)
        for name, value in values.items():
            rule = self._rules.get(name)
            object.__setattr__(self, name, value if rule is None else rule(value))
        object.__setattr__(self, "_json", text)
        object.__setattr__(self, "_traces", traces)

    def _find_traces(self) -> Traces:
        traces: Traces = vars(self)["_traces"]
        return traces

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._defaults)

    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same class and has equal fields."""
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        """Of the fields, as of a frozen dataclass."""
        return hash(self._values())

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: `replace` makes a changed copy."""
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        """Refuse, as assignment."""
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __repr__(self) -> str:
        """Fields that differ from their defaults."""
        shown = []
        for name, default in self._defaults.items():
            value = getattr(self, name)
            usual = (
                repr(value) == f"{type(value)._type}()" if default is DEFAULTS else value == default
            )
            if not usual:
                shown.append(f"{name}={value!r}")
        return f"{self._type}({', '.join(shown)})"

    # ---- as data

    def to_dict(self) -> dict[str, Any]:
        """Return every field, nested ones too, as plain Python values."""
        out: dict[str, Any] = {} if self._kind is None else {"kind": self._kind}
        for name in self._defaults:
            out[name] = _to_plain(getattr(self, name))
        return out

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Make an object of a mapping such as `to_dict` returns; missing fields are defaults.

        Raises
        ------
        ConfigError
            If a field is unknown or its value is not allowed; names field and value.
        """
        check_mapping(cls._type, fields)
        _native.check(cls._type, encode(fields, {}, ""))
        if "preset" in fields:
            return cls.preset(
                fields["preset"], **{k: v for k, v in fields.items() if k != "preset"}
            )
        return cls(**{name: value for name, value in fields.items() if name != "kind"})

    @classmethod
    def preset(cls, preset: str, /, **fields: Any) -> Self:
        """Make an object of a named set of values, with some of them replaced.

        The engine has presets: a version of vLLM as it is deployed. In JSON the same is written
        ``{"preset": NAME, ...}``, or the name alone.

        Parameters
        ----------
        preset : str
            One of those that docs/fields.md lists.
        **fields
            Fields with other values.

        Raises
        ------
        ConfigError
            If there is no preset of this name (the nearest are given), or a field is wrong.

        Examples
        --------
        >>> import kvsim
        >>> engine = kvsim.Engine.preset("vllm-0.33", max_num_seqs=64)
        >>> engine.async_scheduling, engine.max_num_seqs
        (True, 64)
        """
        from kvsim._schema import schema

        presets = next(s["presets"] for s in schema()["structs"] if s["name"] == cls._type)
        if preset not in presets:
            raise ConfigError(f"{cls._type}: got preset {preset!r}{nearest(str(preset), presets)}")
        return cls(**{**presets[preset], **fields})

    def to_json(self) -> str:
        """Return canonical JSON: every field, keys sorted, no blanks; equal objects, equal text."""
        return _native.canonical(self._type, self._json)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make an object of JSON text.

        Raises
        ------
        ConfigError
            If the text is no JSON (line and column are named), or a field is wrong.
        """
        _native.check(cls._type, text)
        return cls.from_dict(json.loads(text))

    def replace(self, changes: Mapping[str, Any] | None = None, /, **named: Any) -> Self:
        """Return a copy with other values of some fields.

        Parameters
        ----------
        changes : mapping
            Dotted paths and values, such as ``{"engine.max_num_seqs": 64}``.
        **named
            The same for fields of the object itself.

        Raises
        ------
        ConfigError
            If a path is unknown or a value not allowed.

        Examples
        --------
        >>> import kvsim
        >>> scenario = kvsim.Scenario(workload=kvsim.Workload(num_requests=9), seed=1)
        >>> scenario.replace({"engine.max_num_seqs": 64}, seed=2)
        Scenario(engine=Engine(max_num_seqs=64), workload=Workload(num_requests=9), seed=2)
        """
        own: dict[str, Any] = {name: getattr(self, name) for name in self._defaults}
        inner: dict[str, dict[str, Any]] = {}
        for path, value in {**(changes or {}), **named}.items():
            name, _, rest = path.partition(".")
            if name not in own:
                raise ConfigError(f"{path}: no field of {self._type}{nearest(name, own)}")
            if rest:
                inner.setdefault(name, {})[rest] = value
            else:
                own[name] = value
        # Together, as one change may be wrong without the other.
        for name, values in inner.items():
            part = self._rules[name](own[name]) if name in self._rules else own[name]
            if isinstance(part, Model | Gpu):
                own[name] = type(part).from_dict({**part.to_dict(), **values})
                continue
            if not isinstance(part, Spec):
                path = f"{name}.{next(iter(values))}"
                raise ConfigError(f"{path}: {name} is {part!r}, which has no fields to replace")
            try:
                own[name] = part.replace(values)
            except ConfigError as error:
                raise ConfigError(f"{name}.{error}") from None
        return type(self)(**own)


class RootSpec(Spec):
    """A whole scenario."""

    @property
    def run_id(self) -> str:
        """SHA-256 of the canonical JSON: the name of a run of it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def check_mapping(name: str, value: object) -> None:
    """Fail unless a value is a mapping."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}: got a {type(value).__name__}; allowed: a mapping of its fields")


def _to_plain(value: Any) -> Any:
    if isinstance(value, Spec | Model | Gpu):
        return value.to_dict()
    if isinstance(value, Trace):
        return content_name(value)
    return [_to_plain(v) for v in value] if isinstance(value, tuple) else value


# ---- rules


def real(value: Any) -> Any:
    """Keep a number as float."""
    return value if value is None else float(value)


def whole(value: Any) -> Any:
    """Keep a number as int."""
    return value if value is None else int(value)


def flag(value: Any) -> Any:
    """Keep a truth value as bool."""
    return bool(value)


def listed(rule: Rule) -> Rule:
    """Keep a sequence as a tuple, by a rule for its values."""

    def all_by_rule(values: Any) -> Any:
        return tuple(rule(value) for value in values)

    return all_by_rule


def struct(cls: type[Spec]) -> Rule:
    """Keep mappings, and names of presets, as objects of a class."""

    def rule(value: Any) -> Any:
        if isinstance(value, str):
            return cls.preset(value)
        return cls.from_dict(value) if isinstance(value, Mapping) else value

    return rule


def variant(*classes: type[Spec]) -> Rule:
    """Keep mappings as objects of the class of their kind, shorthands as the class that has one."""
    by_kind = {cls._kind: cls for cls in classes}
    short = [(cls, cls._shorthand) for cls in classes if cls._shorthand is not None]

    def rule(value: Any) -> Any:
        if isinstance(value, Mapping):
            return by_kind[value["kind"]].from_dict(value)
        if isinstance(value, str | int | float | Trace) and short:
            cls, name = short[0]
            return cls(**{name: value})
        return value

    return rule


def named(cls: type[Model] | type[Gpu]) -> Rule:
    """Keep inline mappings as catalogue objects; names stay names."""

    def rule(value: Any) -> Any:
        return cls.from_dict({"name": "custom", **value}) if isinstance(value, Mapping) else value

    return rule
