"""`kvsim concurrency` and `kvsim hit-rates`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import kvsim
from kvsim.cli.options import console, number, parse_values, read_scenario, table
from kvsim.cli.parameters import AsJson, Changes, Scenario


def concurrency(
    scenario: Scenario,
    *,
    num_requests: Annotated[
        int, typer.Option("--num-requests", metavar="N", help="Of each simulation.")
    ] = 2000,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Simulations.")] = 5,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Say how many users fit, in closed form and simulated under churn, and which cap binds."""
    base = read_scenario(scenario, changes or [])
    found = kvsim.concurrency(base, num_requests=num_requests, seeds=range(seeds))
    if as_json:
        print(json.dumps(asdict(found), indent=2, allow_nan=False))
        return
    rows = [
        ["KV memory (token slots)", number(found.slots)],
        ["slots a request holds: at its end, mean as it grows",
         f"{number(found.slots_at_end)}, {number(found.slots_held)}"],
        ["users, closed form: all at full length, of all ages",
         f"{number(found.users_at_end)}, {number(found.users_steady)}"],
        ["users, simulated, queue never empty",
         f"{number(found.running)} +- {number(found.running_ci)}"],
        ["requests/s", f"{number(found.throughput)} +- {number(found.throughput_ci)}"],
        ["preemptions a request", number(found.preemptions)],
        ["binds", ", ".join(
            f"{name} {100 * share:.0f} % of the time"
            for name, share in found.limit_shares.items() if share > 0
        )],
    ]  # fmt: skip
    console().print(table("", ["", f"{seeds} seeds, 95 % intervals"], rows))


def hit_rates(
    trace: Annotated[
        str, typer.Argument(help="Trace with prefix blocks (kvsim catalog datasets).")
    ] = "mooncake-conversation",
    *,
    capacities: Annotated[
        str, typer.Option("--capacities", metavar="N,...", help="Sizes of the cache in blocks.")
    ] = "1000,5000,20000,80000",
    policies: Annotated[
        str | None, typer.Option("--policies", metavar="NAME,...", help="Default: all.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Draw hit_rates.png there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a trace's prefix blocks through caches of several sizes and eviction policies."""
    chosen = None if policies is None else [p.strip() for p in policies.split(",")]
    found = kvsim.prefix_hit_rates(trace, parse_values(capacities, "--capacities"), chosen)
    rates = {
        policy: [None if math.isnan(rate) else float(rate) for rate in values]
        for policy, values in found.rates.items()
    }  # fmt: skip
    if as_json:
        values = {"trace": found.trace, "block_tokens": found.block_tokens, "rates": rates}
        values |= {"capacities": found.capacities.tolist(), "unlimited": found.unlimited}
        print(json.dumps(values, indent=2, allow_nan=False))
    else:
        title = f"{found.trace}: % of the blocks hit; without limit {100 * found.unlimited:.1f}"
        headers = [f"blocks of {found.block_tokens} tokens", *map(str, found.capacities)]
        rows = [
            [policy, *("-" if r is None else f"{100 * r:.1f}" for r in row)]
            for policy, row in rates.items()
        ]  # fmt: skip
        console().print(table(title, headers, rows))
    if out is not None:
        from kvsim import plots

        for file in plots.save(plots.hit_rates(found), out / "hit_rates"):
            print(file)
