"""`kvsim demo`: the question that kvsim is for, answered on a real trace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

import kvsim
from kvsim._names import nearest
from kvsim.cli.options import progress
from kvsim.cli.runs import show_frontier

SCENARIO: dict[str, Any] = {
    "model": "llama-3-70b",
    "gpu": "h100-sxm",
    "tensor_parallel_size": 8,
    "workload": {
        "arrivals": {"kind": "trace", "rate_per_s": 5.53},
        "lengths": "azure-2023-conversation",
    },
    "slo": {"ttft_ms": 500, "tpot_ms": 50},
    "seed": 0,
}
# The trace's own arrival times, scaled, against a Poisson process of the same rate.
_SERIES = {
    "arrival times of the trace": {"workload.arrivals": {"kind": "trace", "rate_per_s": 1.0}},
    "Poisson arrivals": {"workload.arrivals": {"kind": "poisson"}},
}
_RATE = "workload.arrivals.rate_per_s"


def demo(
    track: Annotated[
        str | None,
        typer.Argument(
            help="A track instead: cloud_titan, edge_guardian, mobile_nomad or tiny_pioneer."
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where pictures go.")] = Path(
        "out"
    ),
    requests: Annotated[
        int | None,
        typer.Option(
            "--requests",
            metavar="N",
            help="Requests a point: 19366, the whole trace, or a track's own.",
        ),
    ] = None,
    points: Annotated[int, typer.Option("--points", metavar="N", help="Points of the curve.")] = 20,
) -> None:
    """How P99 latency grows with load: Llama-3-70B on 8 H100, Azure 2023 conversations.

    With a track: its crisis, what each remedy gives, and its picture.
    """
    if track is not None:
        _track(track, out, requests)
        return
    requests = 19_366 if requests is None else requests
    scenario = {**SCENARIO, "workload": {**SCENARIO["workload"], "num_requests": requests}}
    print(
        "Llama-3-70B (BF16) on 8 H100 (tensor parallel), Azure 2023 conversation trace, "
        f"{requests:,} requests a point;\nwith the trace's arrival times, scaled to each rate, and "
        "with Poisson arrivals"
    )
    start = time.perf_counter()
    result = kvsim.frontier(
        scenario,
        num_points=points,
        series=_SERIES,
        progress=progress(quiet=False),
    )
    spent = time.perf_counter() - start
    show_frontier(result)
    simulated = 2 * requests * (points + 1)
    print(f"{simulated:,} requests simulated in {spent:.2f} s ({simulated / spent:,.0f}/s)")
    capacity = result.capacity_per_s
    assert capacity is not None
    base = kvsim.Scenario.from_dict(scenario).replace(record="steps")
    runs = {
        f"{rate:.3g} requests/s": kvsim.simulate(base.replace({_RATE: rate}))
        for rate in (0.5 * capacity, 0.65 * capacity, 0.8 * capacity)
    }
    for file in draw(result, runs, out):
        print(file)


def _track(name: str, out: Path, requests: int | None) -> None:
    if name not in kvsim.tracks.TRACKS:
        raise kvsim.ConfigError(f"track: got {name!r}{nearest(name, kvsim.tracks.TRACKS)}")
    track = kvsim.tracks.TRACKS[name]()
    rows = track.run(num_requests=requests)
    print(track.table(rows))
    for file in track.draw(rows, out):
        print(file)


def draw(result: kvsim.FrontierResult, runs: dict[str, kvsim.Result], folder: Path) -> list[Path]:
    """Draw everything; return the files."""
    from kvsim import plots

    title = "Llama-3-70B on 8 H100, Azure 2023 conversations"
    slo = SCENARIO["slo"]
    limits = {"p99_ttft_ms": slo["ttft_ms"], "p99_tpot_ms": slo["tpot_ms"], "p99_e2el_ms": None}
    files = []
    for metric, limit in limits.items():
        ax = result.plot(metric=metric, slo_ms=limit, title=title)
        name = metric.removeprefix("p99_").removesuffix("_ms").removesuffix("l")
        files += plots.save(ax, folder / f"frontier_{name}")
    label, busy = list(runs.items())[-1]
    files += plots.save(plots.timeline(busy, title=f"{title}: {label}"), folder / "timeline")
    for column in ("ttft_ns", "tpot_ns"):
        ax = plots.latency_cdf(runs, column, slo_ms=slo[column.replace("_ns", "_ms")], title=title)
        files += plots.save(ax, folder / f"cdf_{column.removesuffix('_ns')}")
    files += plots.save(plots.itl_distribution(runs, title=title), folder / "itl")
    (calm_label, calm), (some_label, some), *_ = runs.items()
    heading = f"P99 TTFT at {some_label}, dashed at {calm_label}"
    ax = plots.waterfall(some, metric="ttft", percentile=99, previous=calm, title=heading)
    files += plots.save(ax, folder / "waterfall")
    files += plots.save(plots.memory(busy, title=title), folder / "memory")
    return files
