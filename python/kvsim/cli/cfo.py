"""`kvsim cfo`: the cheapest configuration whose P99 is no worse than the baseline's."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from kvsim._cfo import Answer, CfoResult, cfo
from kvsim.cli.costs import Capital, Owned, UsdPerHour, chosen_price
from kvsim.cli.options import console, number, progress, read_scenario, table
from kvsim.cli.parameters import AsJson, Changes, Confidence, Quiet, Threads


def challenge(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="Baseline as JSON; default: Llama-3-70B, BF16, 8 H100, Azure's trace.",
        ),
    ] = "",
    *,
    load: Annotated[
        float | None,
        typer.Option("--load", metavar="X", help="Baseline's rate as a share of its capacity."),
    ] = 0.6,
    keep_rate: Annotated[
        bool, typer.Option("--keep-rate", help="The scenario's own rate instead of --load.")
    ] = False,
    trials: Annotated[int, typer.Option("--trials", metavar="N", help="Of the search.")] = 48,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the search.")] = 0,
    final_replications: Annotated[
        int, typer.Option("--final-replications", metavar="N", help="Pairs of runs.")
    ] = 8,
    confidence: Confidence = 0.95,
    usd_per_gpu_hour: UsdPerHour = None,
    owned: Owned = False,
    capital: Capital = None,
    changes: Changes = None,
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Find the cheapest configuration whose P99 is no worse than the baseline's (a minute)."""
    base: Any = None
    if scenario:
        base = read_scenario(scenario, changes or [])
    elif changes:
        from kvsim._cfo_space import scenario as usual
        from kvsim.cli.options import parse_value, set_path, split

        base = usual()
        for change in changes:
            name, value = split(change, "--set")
            set_path(base, name, parse_value(value))
    found = cfo(
        base, load=None if keep_rate else load, trials=trials, seed=seed,
        price=chosen_price(usd_per_gpu_hour, capital, owned=owned), threads=threads,
        final_replications=final_replications, confidence=confidence, progress=progress(quiet),
    )  # fmt: skip
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        show(found)


def show(found: CfoResult) -> None:
    """Print the answer, what paid for it and how far each lever goes."""
    print(
        f"baseline: {found.baseline_gpus} GPUs, {found.baseline_rate_per_s:.4g} requests/s, "
        f"{found.baseline_usd:.3f} USD per million output tokens"
    )
    best = found.best
    if best is None:
        print(f"of {found.tried} configurations none is cheaper with a P99 that is no worse")
    else:
        print(f"cheapest of {found.tried} configurations: {_what(best)}")
        print(
            f"  {best.gpus} GPUs, {best.rate_per_s:.4g} requests/s, {best.usd:.3f} USD per "
            "million output tokens"
        )
        low, high = best.possible.low, best.possible.high
        print(
            f"saving {best.saving:.1%} (at that rate every P99 is no worse with "
            f"{found.confidence:.0%} confidence; the most that a run would allow: "
            f"{best.possible.estimate:.1%}, interval {low:.1%} to {high:.1%})"
        )
        if best.saving < 0.5:
            print("50 % is not reached; how far each lever goes stands below")
        _tables(found, best)
    for text in found.assumptions:
        print(f"note: {text}")


def _tables(found: CfoResult, best: Answer) -> None:
    out = console()
    rows = [
        [c.metric, number(c.a), number(c.b), f"{number(c.low)} to {number(c.high)}"]
        for c in best.p99
    ]
    out.print(table("P99 in pairs of runs", ["", "baseline", "here", "difference"], rows))
    rows = [
        [name, f"{a:.3f}", f"{b:.3f}", f"{a - b:+.3f}"] for name, (a, b) in found.terms_usd.items()
    ]
    whole = [sum(pair[i] for pair in found.terms_usd.values()) for i in (0, 1)]
    rows.append(["all", f"{whole[0]:.3f}", f"{whole[1]:.3f}", f"{whole[0] - whole[1]:+.3f}"])
    title = f"USD per million output tokens by what GPUs do ({found.paid_by} paid most)"
    out.print(table(title, ["term", "baseline", "here", "saved"], rows))
    rows = []
    for lever, answer in found.levers.items():
        alone = "layout" if lever == "layout" else f"layout and {lever}"
        if answer is None:
            near = found.nearest[lever]
            runs = near.saving == near.saving
            far = f"{near.saving:.1%}" if runs else "at no rate: " + ", ".join(near.broken)
            confirmed = "not confirmed" if runs and near.saving > 0 else "nothing cheaper"
            other = ", ".join(near.chosen.values())
            rows.append([alone, other, far, confirmed] if other else [alone, "no other", "-", "-"])
            continue
        chosen = {k: v for k, v in answer.chosen.items() if k in ("layout", lever)}
        rows.append(
            [alone, ", ".join(chosen.values()), f"{answer.saving:.1%}",
             f"{answer.possible.low:.1%} to {answer.possible.high:.1%}"]
        )  # fmt: skip
    out.print(table("each lever alone", ["levers", "choice", "saving", "a run allows"], rows))


def _what(answer: Answer) -> str:
    return ", ".join(f"{lever} {choice}" for lever, choice in answer.chosen.items())
