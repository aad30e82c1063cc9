"""`kvsim validate`: predictions against measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kvsim.cli.parameters import AsJson
from kvsim.errors import ConfigError


def step_time(
    *,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="FILE.csv", help="Measured closed-loop runs, a row a run."),
    ] = None,
    conditions: Annotated[
        Path | None,
        typer.Option("--conditions", metavar="FILE.json", help="How these runs were made."),
    ] = None,
    requests: Annotated[
        Path | None,
        typer.Option("--requests", metavar="FILE.csv", help="One measured run, a row a request."),
    ] = None,
    meta: Annotated[
        Path | None,
        typer.Option("--meta", metavar="FILE.json", help="The engine's settings in that run."),
    ] = None,
    gpu: Annotated[
        str, typer.Option("--gpu", metavar="NAME", help="The GPU of that run (kvsim catalog gpus).")
    ] = "",
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", help="Simulations of each closed-loop run.")
    ] = 10,
    tables: Annotated[
        str, typer.Option("--tables", metavar="KIND", help="auto, measured or fitted.")
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Errors of step times: of your files, or of all that comes with kvsim."""
    from kvsim import validate

    if seeds < 1:
        raise ConfigError(f"--seeds: got {seeds}; allowed: 1 or more")
    form = {"kind": "kernels", "tables": tables}
    report: dict[str, Any] = {}
    texts: list[str] = []
    _check_together(rows, conditions, requests, meta, gpu)
    if rows is not None:
        scored = validate.score_rows(
            rows, conditions, seeds=range(seeds), step_time=form, explain=True
        )
        report["rows"] = scored.to_dict()
        texts.append(scored.table())
    if requests is not None and meta is not None:
        by_request = validate.score_requests(requests, meta, gpu, step_time=form)
        report["requests"] = by_request.to_dict()
        texts.append(by_request.table())
    if rows is None and requests is None:
        everything = validate.score_packaged(seeds=range(seeds))
        report = everything.to_dict()
        texts.append(everything.table())
    print(json.dumps(report, indent=2, allow_nan=False) if as_json else "\n\n".join(texts))


def _check_together(
    rows: Path | None, conditions: Path | None, requests: Path | None, meta: Path | None, gpu: str
) -> None:
    if conditions is not None and rows is None:
        raise ConfigError("--conditions: got a file without --rows; allowed: both")
    given = {"--requests": requests, "--meta": meta, "--gpu": gpu or None}
    missing = [name for name, value in given.items() if value is None]
    if missing and len(missing) < len(given):
        there = ", ".join(name for name in given if name not in missing)
        raise ConfigError(f"{there}: needs {', '.join(missing)} as well")
