"""`kvsim capacity`, `kvsim optimize`, `kvsim tradeoff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

import kvsim
from kvsim.cli.costs import Capital, Owned, UsdPerHour, chosen_price
from kvsim.cli.options import (
    console,
    number,
    parse_axis,
    progress,
    read_scenario,
    table,
)
from kvsim.cli.parameters import (
    AsJson,
    Changes,
    Confidence,
    Deadline,
    Quiet,
    Scenario,
    Threads,
)
from kvsim.errors import ConfigError

Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Draw a picture there.")]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="FIGURE<=VALUE", help="Or FIGURE>=VALUE; may be repeated."),
]


def capacity(
    scenario: Scenario,
    *,
    limit: Limits = None,
    percentile: Annotated[
        str, typer.Option("--percentile", metavar="P", help="Of the scenario's SLO: p99, mean, ...")
    ] = "p99",
    confidence: Confidence = 0.95,
    replications: Annotated[
        int, typer.Option("--replications", metavar="N", help="Runs of each rate.")
    ] = 5,
    precision: Annotated[
        float, typer.Option("--precision", metavar="X", help="As a share of the capacity.")
    ] = 0.02,
    changes: Changes = None,
    out: Out = None,
    as_json: AsJson = False,
    threads: Threads = None,
    deadline: Deadline = None,
    quiet: Quiet = False,
) -> None:
    """Find the highest rate that keeps an SLO with a stated confidence."""
    found = kvsim.capacity(
        read_scenario(scenario, changes or []), parse_limits(limit), percentile=percentile,
        confidence=confidence, replications=replications, precision=precision, threads=threads,
        progress=progress(quiet), deadline_s=deadline,
    )  # fmt: skip
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        figures = [limit.figure for limit in found.limits]
        headers = ["rate (1/s)", "status", *(f"{f}, bound" for f in figures), "kept"]
        rows = (
            [number(row["rate_per_s"]), row["status"],
             *(f"{number(row[f])}, {number(row[f'{f}_bound'])}" for f in figures),
             "yes" if row["met"] else "no"]
            for row in found.rows
        )  # fmt: skip
        console().print(table("", headers, rows))
        print(found)
    _draw(found.plot, out, "slo_capacity")


def optimize(
    scenario: Scenario,
    *,
    axis: Annotated[
        list[str] | None,
        typer.Option("--axis", metavar="PATH=VALUES", help="1,2,5 or a JSON list; repeat."),
    ] = None,
    minimize: Annotated[
        list[str] | None, typer.Option("--minimize", metavar="FIGURE", help="May be repeated.")
    ] = None,
    maximize: Annotated[
        list[str] | None, typer.Option("--maximize", metavar="FIGURE", help="May be repeated.")
    ] = None,
    limit: Limits = None,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="auto, grid or search (Optuna).")
    ] = "auto",
    trials: Annotated[int, typer.Option("--trials", metavar="N", help="Of a search.")] = 64,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of a search.")] = 0,
    replications: Annotated[
        int, typer.Option("--replications", metavar="N", help="Runs of each while searching.")
    ] = 3,
    final_replications: Annotated[
        int, typer.Option("--final-replications", metavar="N", help="Runs of each finalist.")
    ] = 8,
    confidence: Confidence = 0.95,
    storage: Annotated[
        Path | None,
        typer.Option("--storage", metavar="DIR", help="Keep runs there; go on from them."),
    ] = None,
    usd_per_gpu_hour: UsdPerHour = None,
    owned: Owned = False,
    capital: Capital = None,
    changes: Changes = None,
    out: Out = None,
    as_json: AsJson = False,
    threads: Threads = None,
    deadline: Deadline = None,
    quiet: Quiet = False,
) -> None:
    """Search configurations for those that no other beats in cost, latency, any figures."""
    space: dict[str, Any] = {}
    for text in axis or []:
        path, values = parse_axis(text)
        if path in space:
            raise ConfigError(f"--axis: got {path!r} twice; allowed: once")
        space[path] = values
    goals = dict.fromkeys(minimize or [], "minimize") | dict.fromkeys(maximize or [], "maximize")
    found = kvsim.optimize(
        read_scenario(scenario, changes or []), space, goals, parse_limits(limit) or {},
        method=method, trials=trials, seed=seed, replications=replications,
        final_replications=final_replications, confidence=confidence, storage=storage,
        price=chosen_price(usd_per_gpu_hour, capital, owned=owned), threads=threads,
        progress=progress(quiet), deadline_s=deadline,
    )  # fmt: skip
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print(found)
    if out is not None and len(found.objectives) + len(found.limits) > 1:
        _draw(found.plot, out, "cost_latency_frontier")


def tradeoff(
    scenario: Scenario,
    *,
    changes: Changes = None,
    out: Out = None,
    as_json: AsJson = False,
    threads: Threads = None,
) -> None:
    """Say what TTFT and TPOT are made of, and how batch, chunk size and load move them apart."""
    found = kvsim.latency_tradeoff(read_scenario(scenario, changes or []), threads=threads)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        print(found.ttft)
        print(found.tpot)
        headers = ["lever", "value", "status", "mean TTFT (ms)", "P99 TTFT (ms)"]
        headers += ["mean TPOT (ms)", "P99 TPOT (ms)"]
        names = ("mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_tpot_ms")
        rows = (
            [row["lever"], number(row["value"]), row["status"], *(number(row[n]) for n in names)]
            for row in found.rows
        )
        console().print(table("", headers, rows))
        print(f"capacity under backlog {found.capacity_per_s:.4g} requests/s")
        for text in found.warnings:
            print(f"note: {text}")
    _draw(found.plot, out, "latency_tradeoff")


def parse_limits(texts: list[str] | None) -> dict[str, Any] | None:
    """Return limits of `figure<=value` and `figure>=value`; None if there are none.

    Raises
    ------
    ConfigError
        If a text is not of that form.
    """
    if not texts:
        return None
    found: dict[str, list[float | None]] = {}
    for text in texts:
        sign = "<=" if "<=" in text else ">="
        name, _, value = text.partition(sign)
        try:
            bound = float(value)
        except ValueError:
            allowed = "FIGURE<=NUMBER or FIGURE>=NUMBER"
            raise ConfigError(f"--limit: got {text!r}; allowed: {allowed}") from None
        found.setdefault(name.strip(), [None, None])[sign == "<="] = bound
    return dict(found)


def _draw(plot: Any, out: Path | None, name: str) -> None:
    if out is None:
        return
    from kvsim import plots

    for file in plots.save(plot(), out / name):
        print(file)
