"""`kvsim validate queueing`, `tail`, `speculation`, `cost`: simulations against theory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kvsim.cli.parameters import AsJson
from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from kvsim.validate.checks import Report

Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="Seeds 0 to N - 1.")]
Effort = Annotated[
    float, typer.Option("--effort", metavar="X", help="Factor of the number of requests.")
]


def queueing(*, seeds: Seeds = 10, effort: Effort = 1.0, as_json: AsJson = False) -> None:
    """Mean waits and P99s of M/M/1, M/M/8, M/D/1, M/G/1 against closed forms; Little's law."""
    from kvsim.validate.queueing import check_queueing

    _check(seeds, effort)
    _show(check_queueing(range(seeds), effort=effort), as_json=as_json)


def tail(
    *,
    seeds: Seeds = 3,
    effort: Effort = 1.0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Draw hedging's frontier there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fan-out, hedging (BigTable's too) and routers against closed forms and published figures."""
    from kvsim.validate.tail import check_tail, hedging_curves

    _check(seeds, effort)
    report = check_tail(range(seeds), effort=effort)
    if out is not None:
        from kvsim import plots

        drawn = plots.hedging_frontier(*hedging_curves(num_requests=max(5000, int(2e5 * effort))))
        for file in plots.save(drawn, out / "hedging"):
            print(file, file=sys.stderr if as_json else sys.stdout)
    _show(report, as_json=as_json)


def speculation(
    *,
    seeds: Seeds = 10,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Draw gain against load there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check tokens a pass and speed-up (Leviathan's closed forms), gain under load, memory."""
    from kvsim.validate.speculation import check_speculation, loaded

    _check(seeds, 1.0)
    report = check_speculation(range(seeds))
    if out is not None:
        import kvsim
        from kvsim import plots

        drawn = plots.speculation_gain(kvsim.speculation.gain(loaded()))
        for file in plots.save(drawn, out / "speculation_gain"):
            print(file, file=sys.stderr if as_json else sys.stdout)
    _show(report, as_json=as_json)


def cost(*, as_json: AsJson = False) -> None:
    """Check the cost dominance law, closed forms of speculation, a run's costs; all exact."""
    from kvsim.validate.cost import check_cost

    _show(check_cost(), as_json=as_json)


def _check(seeds: int, effort: float) -> None:
    if seeds < 1:
        raise ConfigError(f"--seeds: got {seeds}; allowed: 1 or more")
    if not 0 < effort <= 100:
        raise ConfigError(f"--effort: got {effort}; allowed: above 0 up to 100")


def _show(report: Report, *, as_json: bool) -> None:
    print(json.dumps(report.to_dict(), indent=2) if as_json else report.table())
    if not report.ok:
        raise typer.Exit(1)
