"""`kvsim catalog`, `kvsim fields`, `kvsim --version`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

import kvsim
from kvsim._names import nearest
from kvsim._schema import paths
from kvsim.cli.options import MISSING, console, number, table
from kvsim.errors import ConfigError
from kvsim.result import summary_fields

_CATALOGUES = ("models", "gpus", "datasets")


def version_option(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Simulate LLM serving: latency, throughput, KV memory."""
    if version:
        print(kvsim.__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def catalog(
    what: Annotated[str, typer.Argument(help="models, gpus or datasets; all if left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """List models, GPUs and datasets that come with kvsim, with their sources."""
    if what and what not in _CATALOGUES:
        raise ConfigError(f"catalog: got {what!r}{nearest(what, _CATALOGUES)}")
    chosen = [what] if what else list(_CATALOGUES)
    if as_json:
        print(json.dumps({name: _entries(name) for name in chosen}, indent=2))
        return
    out = console()
    for name in chosen:
        out.print({"models": _models, "gpus": _gpus, "datasets": _datasets}[name]())


def _entries(name: str) -> list[dict[str, Any]]:
    if name == "models":
        return [m.to_dict() for m in kvsim.catalog.models().values()]
    if name == "gpus":
        return [g.to_dict() for g in kvsim.catalog.gpus().values()]
    return [vars(kvsim.datasets.info(n)) for n in kvsim.datasets.names()]


def _models() -> Any:
    headers = ["model", "parameters (10^9)", "layers", "heads", "KV heads", "context (tokens)"]
    headers += ["KV (bytes/token)", "weights (GB, bf16)"]
    rows = (
        [
            m.name, number(m.parameters / 1e9), str(m.layers), str(m.heads), str(m.kv_heads),
            number(m.max_position_embeddings), number(m.kv_bytes_per_token()),
            number(m.weight_bytes() / 1e9),
        ]
        for m in kvsim.catalog.models().values()
    )  # fmt: skip
    return table("models", headers, rows)


def _gpus() -> Any:
    headers = ["gpu", "memory (GB)", "HBM (TB/s)", "FP16 (TFLOP/s)", "FP8 (TFLOP/s)", "link"]
    headers += ["link (GB/s, one way)", "power (W)"]
    rows = (
        [
            g.name, number(g.memory_bytes / 1e9), number(g.hbm_bytes_per_s / 1e12),
            number(g.flops_fp16 / 1e12), number(g.flops_fp8 and g.flops_fp8 / 1e12), g.link,
            number(g.link_bytes_per_s / 1e9), number(g.tdp_w),
        ]
        for g in kvsim.catalog.gpus().values()
    )  # fmt: skip
    return table("gpus", headers, rows)


def _datasets() -> Any:
    names = kvsim.datasets.names()
    about = [kvsim.datasets.info(name) for name in names]
    rows = ([d.name, number(d.requests), d.licence, d.source] for d in about)
    return table("datasets", ["dataset", "requests", "licence", "source"], rows)


def fields(
    prefix: Annotated[
        str,
        typer.Argument(help="Only paths that begin so, such as engine; summary: a run's figures."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """List every field of a scenario: path, type, unit, default, what is allowed, what it is."""
    if prefix == "summary":
        _summary_fields(as_json)
        return
    found = [f for f in paths().values() if f.path == prefix or f.path.startswith(prefix)]
    if not found:
        raise ConfigError(f"fields: got {prefix!r}{nearest(prefix, paths())}")
    if as_json:
        print(json.dumps([vars(f) for f in found], indent=2))
        return
    rows = (
        [
            f.path, f.type + (" or null" if f.nullable else ""), f.unit,
            "null" if f.default is None else json.dumps(f.default), f.allowed,
            f.doc + (f" (of: {', '.join(f.kinds)})" if f.kinds else ""),
        ]
        for f in found
    )  # fmt: skip
    headers = ["field", "type", "unit", "default", "allowed", "what it is"]
    out = table("", headers, rows)
    for column in out.columns:
        column.justify = "left"
    console().print(out)


def schema(
    kind: Annotated[str, typer.Argument(help="scenario, or sweep: what `sweep --json` prints.")],
) -> None:
    """Print a JSON Schema."""
    print(json.dumps(kvsim.json_schema(kind), indent=2))


def _summary_fields(as_json: bool) -> None:
    listed = summary_fields()
    if as_json:
        print(json.dumps([dict(zip(("name", "unit", "doc"), f, strict=True)) for f in listed]))
        return
    out = table("", ["figure", "unit", "what it is"], ([n, u or MISSING, d] for n, u, d in listed))
    for column in out.columns:
        column.justify = "left"
    console().print(out)
