"""Print what is generated from the engine's description of a scenario.

    python tools/generate_fields.py python    # python/kvsim/_fields.py
    python tools/generate_fields.py docs      # docs/fields.md

The description is C++ (`fields()` of each struct); `make stubs` writes both files anew.
"""

import importlib.util
import json
import sys
import textwrap
from types import ModuleType
from typing import Any

# Structs that the package has under other names, with more to them.
CATALOG = {"ModelSpec": "Model", "GpuSpec": "Gpu"}
SCALARS = {
    "bool": "bool", "int32": "int", "int64": "int", "uint64": "int", "double": "float",
    "string": "str",
}  # fmt: skip
ROOT = "Scenario"
# Structs that may be given by the name of a preset; `describe` fills it.
PRESETS: set[str] = set()


def native() -> ModuleType:
    """Return the native module without `import kvsim`, which needs the file generated here."""
    spec = importlib.util.find_spec("kvsim")
    if spec is None or spec.submodule_search_locations is None:
        sys.exit("kvsim is not installed; run `make build`")
    package = ModuleType("kvsim")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["kvsim"] = package
    return importlib.import_module("kvsim._native")


def describe() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the structs that get a class, those they use first, and the enums."""
    schema = json.loads(native().schema_json())
    PRESETS.update(s["name"] for s in schema["structs"] if s["presets"])
    return [s for s in schema["structs"] if s["name"] not in CATALOG], schema["enums"]


# ---- the Python classes


def annotation(kind: dict[str, Any], field: dict[str, Any], *, given: bool) -> str:
    """Return a type: of what an object keeps, or, with `given`, of what a caller may write."""
    mapping = " | Mapping[str, Any]" if given else ""
    match kind["type"]:
        case "enum":
            return str(kind["enum"])
        case "struct":
            preset = " | str" if given and kind["struct"] in PRESETS else ""
            return f"{CATALOG.get(kind['struct'], kind['struct'])}{mapping}{preset}"
        case "optional":
            return annotation(kind["of"], field, given=given) + " | None"
        case "list":
            inner = annotation(kind["of"], field, given=given)
            return f"Sequence[{inner}]" if given else f"tuple[{inner}, ...]"
        case "variant":
            short = " | str | Trace" if given and "DatasetLengths" in kind["structs"] else ""
            return f"{alias(field)}{mapping}{short}"
        case "name_or_struct":
            return f"str | {CATALOG[kind['struct']]}" + mapping
        case "string" if field["choices_from"] == "datasets":
            return "str | Trace"
        case scalar:
            return SCALARS[str(scalar)]


def alias(field: dict[str, Any]) -> str:
    """Return the name of a variant: StepTime for step_time."""
    return "".join(part.capitalize() for part in field["name"].split("_"))


def rule(kind: dict[str, Any]) -> str | None:
    """Return the expression that turns what a caller wrote into what the object keeps."""
    match kind["type"]:
        case "double":
            return "real"
        case "int32" | "int64" | "uint64":
            return "whole"
        case "bool":
            return "flag"
        case "struct":
            return f"struct({kind['struct']})"
        case "variant":
            return f"variant({', '.join(kind['structs'])})"
        case "name_or_struct":
            return f"named({CATALOG[kind['struct']]})"
        case "list":
            inner = rule(kind["of"])
            return "tuple" if inner is None else f"listed({inner})"
        case "optional":
            return rule(kind["of"])
        case _:
            return None


def default(field: dict[str, Any], structs: dict[str, dict[str, Any]]) -> str:
    """Return the Python expression of a field's default."""
    kind, value = field["type"], field["default"]
    if value is None:
        return "None"
    if kind["type"] == "struct":
        return "DEFAULTS"
    if kind["type"] == "list":
        return repr(tuple(value))
    if kind["type"] == "variant":
        name = kind["structs"][kind["kinds"].index(value["kind"])]
        plain = {f["name"]: f["default"] for f in structs[name]["fields"]}
        if plain != {k: v for k, v in value.items() if k != "kind"}:
            sys.exit(f"{field['name']}: its default is not that of {name}")
        return f"{name}()"
    return repr(value)


def allowed(field: dict[str, Any]) -> str:
    """Return the range of a field in words, empty if there is none."""
    low, high = field["min"], field["max"]
    parts = []
    if low is not None:
        parts.append(f"above {number(low)}" if field["exclusive_min"] else f"from {number(low)}")
    if high is not None:
        parts.append(f"up to {number(high)}")
    return " ".join(parts)


def number(value: float) -> str:
    """Return a bound as a reader writes it."""
    whole = float(value).is_integer() and abs(value) < 1e10
    return str(int(value)) if whole else f"{value:g}"


def parameter(field: dict[str, Any], structs: dict[str, dict[str, Any]]) -> str:
    """Return a field's entry of a docstring in numpy's style."""
    kind = annotation(field["type"], field, given=False)
    unit = f", in {field['unit']}" if field["unit"] else ""
    extent = f" ({allowed(field)})" if allowed(field) else ""
    value = default(field, structs)
    shown = "" if value == "DEFAULTS" else f", default {value}"
    head = f"{field['name']} : {kind}{unit}{shown}"
    return "\n".join([wrap(head, 4), wrap(field["doc"].rstrip(".") + extent + ".", 8)])


def wrap(text: str, indent: int) -> str:
    """Return text in lines of at most 100 columns."""
    blank = " " * indent
    return textwrap.fill(
        text, 100, initial_indent=blank, subsequent_indent=blank, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def python_class(about: dict[str, Any], structs: dict[str, dict[str, Any]]) -> str:
    """Return the class of a struct."""
    fields = about["fields"]
    base = "RootSpec" if about["name"] == ROOT else "Spec"
    lines = ["@final", f"class {about['name']}({base}):"]
    lines += [wrap('"""' + about["doc"], 4)]
    if fields:
        lines += ["", "    Parameters", "    ----------"]
        lines += [parameter(f, structs) for f in fields]
    lines += ['    """', ""]
    lines += [f"    {f['name']}: {annotation(f['type'], f, given=False)}" for f in fields]
    lines += ["", f'    _type: ClassVar[str] = "{about["name"]}"']
    if about["kind"] is not None:
        lines += [f'    _kind: ClassVar[str | None] = "{about["kind"]}"']
    if about["shorthand"] is not None:
        lines += [f'    _shorthand: ClassVar[str | None] = "{about["shorthand"]}"']
    rules = {f["name"]: r for f in fields if (r := rule(f["type"]))}
    if rules:
        inner = ", ".join(f'"{name}": {r}' for name, r in rules.items())
        lines += [f"    _rules: ClassVar[Mapping[str, Rule]] = {{{inner}}}"]
    arguments = [
        f"{f['name']}: {annotation(f['type'], f, given=True)} = {default(f, structs)}"
        for f in fields
    ]
    star = "self, *, " + ", ".join(arguments) if arguments else "self"
    lines += ["", f"    def __init__({star}) -> None:"]
    passed = ", ".join(f"{f['name']}={f['name']}" for f in fields)
    lines += [f"        self._set({passed})"]
    return "\n".join(lines)


def python_file() -> str:
    """Return the text of python/kvsim/_fields.py."""
    structs, enums = describe()
    by_name = {s["name"]: s for s in structs}
    lists = any(f["type"]["type"] == "list" for s in structs for f in s["fields"])
    head = [
        '"""The classes of a scenario. Generated by tools/generate_fields.py.',
        "",
        "Change the description in the engine instead, then run `make stubs`. What a class is made",
        "of stands before it, `Scenario` last; docs/fields.md has it in tables, `Scenario` first.",
        '"""',
        "",
        "# ruff: noqa: B008, D205",
        "from __future__ import annotations",
        "",
        f"from collections.abc import {', '.join(['Mapping'] + ['Sequence'] * lists)}",
        "from typing import Any, ClassVar, Literal, final",
        "",
        "from kvsim._spec import DEFAULTS, RootSpec, Rule, Spec",
        "from kvsim._spec import flag, listed, named, real, struct, variant, whole",
        "from kvsim.catalog import Gpu, Model",
        "from kvsim.datasets import Trace",
        "",
    ]
    names = [e["name"] for e in enums] + list(by_name)
    names += sorted({alias(f) for s in structs for f in variants(s)})
    head += [
        "__all__ = [",
        *(f'    "{name}",' for name in sorted(names, key=lambda n: (not n.isupper(), n))),
        "]",
        "",
    ]
    aliases = [f"{e['name']} = Literal[{', '.join(repr(v) for v in e['values'])}]" for e in enums]
    # A variant's alias stands before the class that has the field.
    classes = []
    seen: set[str] = set()
    for s in structs:
        fresh = [f for f in variants(s) if alias(f) not in seen]
        seen.update(alias(f) for f in fresh)
        forms = [f"{alias(f)} = {' | '.join(f['type']['structs'])}" for f in fresh]
        classes.append("\n\n".join([*forms, "\n" * bool(fresh) + python_class(s, by_name)]))
    return "\n".join([*head, *aliases, "", ""]) + "\n\n\n".join(classes) + "\n"


def variants(about: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of a struct that have one of several forms."""
    return [f for f in about["fields"] if f["type"]["type"] == "variant"]


# ---- the page


def docs_file() -> str:
    """Return the text of docs/fields.md."""
    structs, enums = describe()
    lines = [
        "# Fields of a scenario",
        "",
        "Generated by `tools/generate_fields.py` from the engine's own description.",
        "`kvsim fields` prints the same in a terminal.",
    ]
    order = [ROOT, *(s["name"] for s in structs if s["name"] != ROOT)]
    by_name = {s["name"]: s for s in structs}
    values = {e["name"]: e["values"] for e in enums}
    for name in order:
        about = by_name[name]
        title = f"## {name}" + (f" (`kind`: `{about['kind']}`)" if about["kind"] else "")
        lines += ["", title, "", about["doc"]]
        if about["fields"]:
            lines += [
                "",
                "| field | type | default | unit | allowed | |",
                "|---|---|---|---|---|---|",
            ]
        for f in about["fields"]:
            kind = f["type"].get("of", f["type"])
            extent = allowed(f)
            if kind["type"] == "enum":
                extent = ", ".join(f"`{v}`" for v in values[kind["enum"]])
            elif kind["type"] == "variant":
                extent = ", ".join(f"`{k}`" for k in kind["kinds"])
            shown = json.dumps(f["default"]) if not isinstance(f["default"], dict) else "see there"
            if kind["type"] == "variant":
                shown = f["default"]["kind"]
            shown_type = annotation(f["type"], f, given=False).replace("|", "\\|")
            cells = [f"`{f['name']}`", shown_type]
            cells += [f"`{shown}`", f["unit"], extent, f["doc"]]
            lines += ["| " + " | ".join(cells) + " |"]
        lines += preset_table(about)
    return "\n".join([*lines, ""])


def preset_table(about: dict[str, Any]) -> list[str]:
    """Return the lines that list a struct's presets, none if it has none."""
    presets = about["presets"]
    if not presets:
        return []
    defaults = {f["name"]: f["default"] for f in about["fields"]}
    shown = [f for f in defaults if any(p[f] != defaults[f] for p in presets.values())]
    lines = [
        "",
        f"Presets: the name alone stands for a whole {about['name']}, in JSON "
        '`{"preset": NAME, ...}` for one with some fields replaced, in Python '
        f"`{about['name']}.preset(NAME, ...)`. They differ from the defaults in:",
        "",
        "| preset | " + " | ".join(f"`{name}`" for name in shown) + " |",
        "|---|" + "---|" * len(shown),
    ]
    return lines + [
        f"| `{name}` | " + " | ".join(f"`{json.dumps(p[f])}`" for f in shown) + " |"
        for name, p in presets.items()
    ]


if __name__ == "__main__":
    if sys.argv[1:] not in (["python"], ["docs"]):
        sys.exit(__doc__)
    sys.stdout.write(python_file() if sys.argv[1] == "python" else docs_file())
