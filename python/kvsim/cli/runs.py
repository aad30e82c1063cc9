"""`kvsim run`, `kvsim sweep`, `kvsim frontier`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import kvsim
from kvsim.cli.options import (
    console,
    number,
    parse_axis,
    parse_values,
    progress,
    read_scenario,
    table,
)
from kvsim.cli.parameters import AsJson, Changes, Deadline, Quiet, Scenario, Threads
from kvsim.errors import ConfigError, SweepInterrupted

_SHOWN = (
    ("rates", ("completed", "duration_s", "request_throughput", "output_throughput",
               "total_token_throughput", "request_goodput")),
    ("load", ("utilization", "mean_running", "max_running", "mean_waiting", "max_waiting",
              "mean_kv_use", "max_kv_use", "preemptions", "prefix_hit_rate",
              "peak_bisection_utilization")),
    ("a request's time", ("mean_frontend_ms", "mean_queue_ms", "mean_host_ms", "mean_compute_ms",
                          "mean_hbm_ms", "mean_comm_ms", "mean_preempted_ms", "mean_redo_ms",
                          "mean_bubble_ms")),
)  # fmt: skip
# Shown if they are there: with record_memory; where they are not all 0.
_MEMORY = (
    "mean_token_slots", "mean_reserved_slots", "mean_internal_slots", "mean_rounding_slots",
    "mean_external_slots", "mean_cached_slots", "mean_free_slots",
)  # fmt: skip
_SOMETIMES = ("swaps", "preemption_waits", "rejected", "lost")
_RAN = ("ok", "unstable")
_PARTS = ("mean", "p50", "p90", "p95", "p99", "p99.9")
_LATENCIES = (
    ("ttft", "time to first token"),
    ("tpot", "time per output token"),
    ("itl", "gap between tokens"),
    ("e2el", "arrival to last token"),
)


def run(
    scenario: Scenario,
    *,
    changes: Changes = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Write result.json, what is recorded as CSV, PNG."
        ),
    ] = None,
    deadline: Deadline = None,
    quiet: Quiet = False,
) -> None:
    """Simulate one scenario."""
    result = kvsim.simulate(
        read_scenario(scenario, changes or []), deadline_s=deadline, progress=progress(quiet)
    )
    if out is not None:
        written = write(result, out)
    if as_json:
        print(result.to_json(indent=2))
        return
    show(result)
    if out is not None:
        print("\n".join(map(str, written)))


def write(result: kvsim.Result, folder: Path) -> list[Path]:
    """Write a result to a folder, a file a recorded table; return the files."""
    import csv

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "result.json"]
    files[0].write_text(result.to_json(indent=2) + "\n", encoding="utf-8")
    for name in ("requests", "steps", "entries"):
        columns = getattr(result, name)
        if not columns.num_rows:
            continue
        path = folder / f"{name}.csv"
        chosen = {k: v for k, v in columns.items() if len(v) == columns.num_rows}
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(chosen)
            lists = (kvsim.result.plain_list(v) for v in chosen.values())
            writer.writerows(zip(*lists, strict=True))
        files.append(path)
    if result.scenario.record_memory == "heatmap":
        from kvsim import plots

        files += plots.save(plots.KVCacheHeatmap(result).plot(), folder / "kv_memory")
    return files


def show(result: kvsim.Result) -> None:
    """Print a result as tables."""
    out = console()
    status = result.status + (f": {result.reason}" if result.reason else "")
    out.print(f"status {status}")
    for warning in result.warnings:
        out.print(f"note: {warning}")
    budget = result.kv_budget
    out.print(
        f"KV pool {number(budget.num_gpu_blocks)} blocks, {number(budget.usable_tokens)} tokens"
    )
    if budget.weight_bytes > 0 and budget.memory_bytes > 0:
        shares = ", ".join(f"{name} {gb:.1f}" for name, gb in budget.parts_gb().items())
        out.print(f"memory of a GPU (GB): {shares}")
    out.print(_trust_line(result))
    figures = result.summary
    rows = (
        [text, *(number(figures[f"{part}_{key}_ms"]) for part in _PARTS)]
        for key, text in _LATENCIES
    )
    out.print(table("", ["latency (ms)", *_PARTS], rows))
    units = {name: unit for name, unit, _ in kvsim.result.summary_fields()}
    groups = list(_SHOWN)
    if figures["mean_token_slots"] is not None:
        groups.append(("shares of the KV memory", _MEMORY))
    some = tuple(name for name in _SOMETIMES if figures[name])
    if some:
        groups.append(("what became of requests", some))
    for title, names in groups:
        listed = ([name, number(figures[name]), units[name]] for name in names)
        out.print(table("", [title, "", "unit"], listed))


def _trust_line(result: kvsim.Result) -> str:
    text = f"step times: {result.calibration}"
    bands = {metric: result.error_band(metric) for metric in ("ttft", "tpot", "e2e")}
    known = [f"{m.upper()} {b[0]:,.4g} to {b[1]:,.4g} ms" for m, b in bands.items() if b]
    return text + (f"; nine of ten measured means: {', '.join(known)}" if known else "")


def sweep(
    scenario: Scenario,
    *,
    axis: Annotated[
        list[str],
        typer.Option(
            "--axis", metavar="PATH=VALUES", help="1,2,5 or START:STOP:N or a JSON list; repeat."
        ),
    ],
    changes: Changes = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.csv", help="Write all figures as CSV.")
    ] = None,
    figures: Annotated[
        str, typer.Option("--figures", metavar="NAME,...", help="Columns of the table.")
    ] = "request_throughput,p50_ttft_ms,p99_ttft_ms,p99_tpot_ms,p99_e2el_ms,preemptions",
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="DIR", help="Keep rows there; do not repeat those it has."),
    ] = None,
    size: Annotated[
        bool, typer.Option("--size", help="Print the number of points and simulate none.")
    ] = False,
    threads: Threads = None,
    deadline: Deadline = None,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario at every combination of some fields' values, on all cores."""
    axes: dict[str, list[Any]] = {}
    for text in axis:
        path, values = parse_axis(text)
        if path in axes:
            raise ConfigError(f"--axis: got {path!r} twice; allowed: once")
        axes[path] = values
    design = kvsim.design.grid(axes)
    if size:
        print(f"{len(design):,} points")
        return
    interrupted: SweepInterrupted | None = None
    try:
        result = kvsim.sweep(
            read_scenario(scenario, changes or []), design, threads=threads, deadline_s=deadline,
            progress=progress(quiet), store=store,
        )  # fmt: skip
    except SweepInterrupted as error:
        interrupted, result = error, error.result
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        result.to_csv(out)
    if as_json:
        print(result.to_json(indent=2))
    else:
        _show_sweep(result, axes, [name.strip() for name in figures.split(",")])
        if out is not None:
            print(out)
    if interrupted is not None:
        raise interrupted
    if result.unfinished:
        raise typer.Exit(1)


def _show_sweep(result: kvsim.SweepResult, axes: dict[str, Any], names: list[str]) -> None:
    for name in names:
        _ = result[name]  # an unknown one is an error that suggests others
    headers = [path.removeprefix("workload.") for path in axes] + ["status", *names]
    rows = [
        [*(_cell(row[path]) for path in axes), row["status"], *(number(row[n]) for n in names)]
        for row in result
    ]
    console().print(table("", headers, rows))
    for status in dict.fromkeys(result.status):
        if status != "ok":
            reasons = [r for s, r in zip(result.status, result.reason, strict=True) if s == status]
            print(f"{status}: {len(reasons)}, the first: {reasons[0]}")
    ran = [c for c, s in zip(result.calibration, result.status, strict=True) if s in _RAN]
    if ran:
        print(f"step times: {', '.join(dict.fromkeys(ran))}")
    for text, noted in result.warnings.items():
        print(f"note ({len(noted)} of {len(result)} points): {text}")
    if result.unfinished:
        print(f"unfinished: {len(result.unfinished)} of {result.num_points} (deadline)")


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)


def frontier(
    scenario: Scenario,
    *,
    rates: Annotated[
        str,
        typer.Option("--rates", metavar="VALUES", help="Offered rates (1/s): 1,2,5 or 1:20:20."),
    ] = "",
    points: Annotated[
        int, typer.Option("--points", metavar="N", help="Rates to choose if none are given.")
    ] = 20,
    series: Annotated[
        list[str] | None,
        typer.Option("--series", metavar="PATH=VALUES", help="A curve for each value; repeat."),
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="The latency drawn.")
    ] = "p99_ttft_ms",
    slo: Annotated[
        float | None, typer.Option("--slo", metavar="MS", help="Draw a line at this latency.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw to FILE (.png, .pdf, .svg)."),
    ] = None,
    changes: Changes = None,
    as_json: AsJson = False,
    threads: Threads = None,
    deadline: Deadline = None,
    quiet: Quiet = False,
) -> None:
    """Measure capacity, then latency at rates up to and beyond it; find the knee."""
    curves = dict(parse_axis(text, "--series") for text in series or [])
    result = kvsim.frontier(
        read_scenario(scenario, changes or []),
        parse_values(rates, "--rates") if rates else None,
        num_points=points,
        series=curves or None,
        metric=metric,
        threads=threads,
        deadline_s=deadline,
        progress=progress(quiet),
    )
    if plot is not None:
        from kvsim import plots

        if plot.suffix.removeprefix(".") not in ("png", "pdf", "svg"):
            raise ConfigError(f"--plot: got {str(plot)!r}; allowed: a name in .png, .pdf or .svg")
        plots.save(
            result.plot(slo_ms=slo), plot.with_suffix(""), formats=(plot.suffix.removeprefix("."),)
        )
    if as_json:
        print(result.to_json(indent=2))
        return
    show_frontier(result)
    if plot is not None:
        print(plot)


def show_frontier(result: kvsim.FrontierResult) -> None:
    """Print the points, the capacity and the knees of every series."""
    out = console()
    headers = ["offered (1/s)", "of capacity", "achieved (1/s)", "P50 TTFT (ms)", "P99 TTFT (ms)"]
    headers += ["P99 TPOT (ms)", "P99 E2E (s)", "running", "KV use", "status"]
    for s in result.series:
        figures = s.table
        rows = []
        for i, row in enumerate(figures.rows()):
            load = None if s.capacity_per_s is None else s.offered_per_s[i] / s.capacity_per_s
            e2e = row["p99_e2el_ms"]
            rows.append([
                number(float(s.offered_per_s[i]), 3), _percent(load),
                number(row["request_throughput"], 3), number(row["p50_ttft_ms"], 3),
                number(row["p99_ttft_ms"], 3), number(row["p99_tpot_ms"], 3),
                number(None if e2e is None else e2e / 1e3, 3), number(row["mean_running"], 3),
                _percent(row["mean_kv_use"]), row["status"],
            ])  # fmt: skip
        out.print(table(s.label, headers, rows))
        if s.capacity_per_s is None:
            out.print(f"no capacity: {s.reason}")
            continue
        out.print(
            f"capacity {s.capacity_per_s:.3g} requests/s (steady, under permanent backlog); "
            f"80 % of it: {0.8 * s.capacity_per_s:.3g}/s"
        )
        for metric in dict.fromkeys([*_KNEES, result.metric]):
            out.print(f"knee of {metric}: {_knee(s.knee(metric))}")
    for text in result.warnings:
        out.print(f"note: {text}", markup=False)


_KNEES = ("p99_ttft_ms", "p99_tpot_ms", "p99_e2el_ms")


def _knee(knee: kvsim.Knee | None) -> str:
    if knee is None:
        return "none (below five times its low-load value throughout)"
    load = "" if knee.load is None else f", {knee.load:.0%} of capacity"
    return (
        f"{knee.offered_per_s:.3g} requests/s{load} "
        f"(from {number(knee.low_load_ms, 3)} to {number(knee.latency_ms, 3)} ms)"
    )


def _percent(share: float | None) -> str:
    return number(None) if share is None else f"{share:.1%}"
