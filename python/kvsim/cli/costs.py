"""`kvsim costs`: what serving costs, an hour, a token, a request and over years."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import kvsim
from kvsim.cli.options import console, number, read_scenario, table
from kvsim.cli.parameters import AsJson, Changes, Scenario
from kvsim.errors import ConfigError

UsdPerHour = Annotated[
    float | None,
    typer.Option("--usd-per-gpu-hour", metavar="USD", help="A rented GPU; default: the table's."),
]
Capital = Annotated[
    float | None,
    typer.Option("--capital", metavar="USD", help="Price of a GPU that is owned, server included."),
]
Years = Annotated[float, typer.Option("--years", metavar="N", help="Amortisation.")]
Pue = Annotated[float, typer.Option("--pue", metavar="X", help="Power usage effectiveness.")]
Kwh = Annotated[float, typer.Option("--usd-per-kwh", metavar="USD", help="Electricity.")]
Owned = Annotated[bool, typer.Option("--owned", help="Owned instead of rented, by the table.")]


def commands(guarded: Callable[..., Any]) -> typer.Typer:
    """Return the group of commands."""
    group = typer.Typer(help="What serving costs.", no_args_is_help=True)
    group.command("run")(guarded(run))
    group.command("prices")(guarded(prices))
    group.command("dominance")(guarded(dominance))
    return group


def chosen_price(
    usd_per_gpu_hour: float | None,
    capital: float | None,
    *,
    owned: bool,
    years: float = 4.0,
    pue: float = 1.2,
    usd_per_kwh: float = 0.08,
) -> kvsim.costs.Price | str:
    """Return the price that options stand for.

    Raises
    ------
    ConfigError
        If both kinds are asked for, or a price is negative.
    """
    if usd_per_gpu_hour is not None and (owned or capital is not None):
        raise ConfigError("--usd-per-gpu-hour: got a rented and an owned price; allowed: one")
    if usd_per_gpu_hour is not None:
        return kvsim.costs.Rented(usd_per_gpu_hour)
    if capital is not None:
        return kvsim.costs.Owned(
            capital, amortization_years=years, pue=pue, usd_per_kwh=usd_per_kwh
        )
    return "owned" if owned else "rented"


def run(
    scenario: Scenario,
    *,
    usd_per_gpu_hour: UsdPerHour = None,
    owned: Owned = False,
    capital: Capital = None,
    years: Years = 4.0,
    pue: Pue = 1.2,
    usd_per_kwh: Kwh = 0.08,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Simulate one scenario and print what it costs."""
    price = chosen_price(
        usd_per_gpu_hour, capital, owned=owned, years=years, pue=pue, usd_per_kwh=usd_per_kwh
    )
    result = kvsim.simulate(read_scenario(scenario, changes or []))
    cost = kvsim.costs.serving_cost(result, price)
    if as_json:
        print(json.dumps({"status": result.status, **_finite(cost.to_dict())}, indent=2))
        return
    print(f"status {result.status}" + (f": {result.reason}" if result.reason else ""))
    print(cost)


def prices(as_json: AsJson = False) -> None:
    """List the packaged prices with source and date."""
    rows = kvsim.costs.price_table()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    headers = ["GPU", "kind", "price (USD)", "of", "lowest", "highest", "as of", "source"]
    listed = (
        [row["gpu"], row["kind"], number(row["usd"]), row["unit"].removeprefix("usd_"),
         number(row["low"]), number(row["high"]), row["as_of"], row["source"]]
        for row in rows
    )  # fmt: skip
    console().print(table("", headers, listed))


def dominance(
    *,
    training_usd: Annotated[
        float, typer.Option("--training-usd", metavar="USD", help="Paid once.")
    ] = 2e6,
    usd_per_query: Annotated[
        float, typer.Option("--usd-per-query", metavar="USD", help="Cost of serving one.")
    ] = 0.001,
    queries_per_day: Annotated[
        float, typer.Option("--queries-per-day", metavar="N", help="On the first day.")
    ] = 50e6,
    growth_per_year: Annotated[
        float, typer.Option("--growth-per-year", metavar="X", help="1: twice after a year.")
    ] = 0.0,
    gain: Annotated[
        float, typer.Option("--gain", metavar="X", help="How much cheaper a query could be.")
    ] = 0.1,
    days: Annotated[float, typer.Option("--days", metavar="N", help="How far to look.")] = 730.0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Draw cost_dominance.png there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Training against serving over time: break-even day, share, what serving for less is worth."""
    life = kvsim.costs.ServingLife(training_usd, usd_per_query, queries_per_day, growth_per_year)
    worth = life.gain(gain, days)
    if as_json:
        found = {"break_even_days": life.break_even_days, "gain": vars(worth), "rows": life.rows()}
        print(json.dumps(_finite(found), indent=2))
    else:
        headers = ["day", "serving (USD)", "all (USD)", "serving's share", "10 % are worth (USD)"]
        rows = (
            [number(r["days"]), number(r["serving_usd"]), number(r["cumulative_usd"]),
             f"{r['serving_share']:.1%}", number(r["gain_10_percent_usd"])]
            for r in life.rows()
        )  # fmt: skip
        console().print(table("", headers, rows))
        even = life.break_even_days
        shown = f"on day {even:,.1f}" if even < float("inf") else "never"
        print(f"serving has cost as much as training {shown}")
        print(
            f"a query {gain:.0%} cheaper saves {worth.usd:,.0f} USD by day {days:g}: "
            f"{worth.of_total:.1%} of all that is spent, {worth.trainings:.3g} trainings"
        )
    if out is not None:
        from kvsim import plots

        for file in plots.save(life.plot(days=days, gain=gain), out / "cost_dominance"):
            print(file)


def _finite(value: Any) -> Any:
    """Return plain values with null for what is not finite."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
