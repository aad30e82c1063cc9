"""Pictures of sweeps: what they show, and that they draw."""

import json
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import kvsim
from kvsim import plots
from kvsim.plots.style import figure_of

mpl.use("Agg")
RATE = "workload.arrivals.rate_per_s"
SEQS = "engine.max_num_seqs"
BLOCKS = "engine.num_gpu_blocks"
BASE = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=400),
)


@pytest.fixture(scope="module")
def grid() -> kvsim.SweepResult:
    return kvsim.sweep(BASE, {RATE: [1.0, 4.0, 1e4], SEQS: [2, 8, 64], BLOCKS: [9, 300]})


@pytest.fixture(scope="module")
def replicated() -> kvsim.SweepResult:
    return kvsim.sweep(BASE, {RATE: [1.0, 3.0, 5.0], SEQS: [8, 64]}, replications=4)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def texts(ax: "plt.Axes") -> str:
    """All that is written on the axes."""
    legend = ax.get_legend()
    labels = [t.get_text() for t in legend.get_texts()] if legend else []
    ticks = [t.get_text() for t in [*ax.get_xticklabels(), *ax.get_yticklabels()]]
    written = [t.get_text() for t in ax.texts]
    return "\n".join(
        [ax.get_xlabel(), ax.get_ylabel(), ax.get_title("left"), *labels, *ticks, *written]
    )


def test_every_kind_is_one_call_that_takes_and_returns_axes(
    grid: kvsim.SweepResult, replicated: kvsim.SweepResult
) -> None:
    some = grid.select({BLOCKS: 300})
    calls: list[tuple[kvsim.SweepResult, str, list[Any]]] = [
        (replicated, "frontier", []),
        (some, "heatmap", [RATE, SEQS]),
        (some.select({RATE: 4.0}), "waterfall", [SEQS]),
        (grid, "tornado", ["mean_e2el_ms"]),
    ]
    assert {kind for _, kind, _ in calls} | {"small_multiples"} == set(plots.SWEEP_PLOTS)
    for result, kind, arguments in calls:
        _, ax = plt.subplots()
        assert result.plot(kind, *arguments, ax=ax) is ax
        figure_of(ax).canvas.draw()
        assert figure_of(result.plot(kind, *arguments)) is not figure_of(ax)
        data = plots.SWEEP_PLOTS[kind](result, *arguments).data()
        json.dumps(data, allow_nan=False)
    with pytest.raises(ValueError, match="kind: got 'pie'; allowed: frontier, heatmap"):
        grid.plot("pie")


def test_a_frontier_has_bands_and_the_pareto_set(replicated: kvsim.SweepResult) -> None:
    plot = plots.SweepFrontier(replicated, "p99_e2el_ms", title="heading")
    written = texts(plot.plot())
    for text in ("max_num_seqs 8", "Pareto set", "95% interval", "heading", "request throughput"):
        assert text in written
    data = plot.data()
    assert [s["label"] for s in data["series"]] == ["max_num_seqs 8", "max_num_seqs 64"]
    for series in data["series"]:
        for y, low, high in zip(series["y"], series["low"], series["high"], strict=True):
            assert low < y < high
    front = sum(sum(s["pareto"]) for s in data["series"])
    assert front == len(replicated.pareto("p99_e2el_ms"))
    many = kvsim.sweep(BASE, {RATE: [1.0], "seed": range(9)})
    with pytest.raises(ValueError, match="9 combinations; allowed: 7"):
        many.plot("frontier")


def test_a_heatmap_hatches_what_cannot_run(grid: kvsim.SweepResult) -> None:
    ax = grid.select({SEQS: 64}).plot("heatmap", RATE, BLOCKS, "mean_e2el_ms", log=True)
    written = texts(ax)
    for text in ("infeasible", "queue drifts up", "rate (1/s)", "num_gpu_blocks (blocks)"):
        assert text in written
    hatched = {p.get_hatch() for p in ax.patches}
    assert hatched == {"////", "...."}
    data = plots.Heatmap(grid.select({SEQS: 64}), RATE, BLOCKS).data()
    assert data["x_values"] == [1.0, 4.0, 1e4]
    assert data["status"][0] == ["infeasible"] * 3
    assert data["values"][0] == [None] * 3
    with pytest.raises(ValueError, match=f"{SEQS} has several values"):
        grid.plot("heatmap", RATE, BLOCKS)
    with pytest.raises(ValueError, match="no point has request_goodput"):
        grid.select({SEQS: 64}).plot("heatmap", RATE, BLOCKS, "request_goodput")
    with pytest.raises(ValueError, match="log: preemptions is 0"):
        grid.select({SEQS: 64}).plot("heatmap", RATE, BLOCKS, "preemptions", log=True)


def test_small_multiples_share_their_scales(replicated: kvsim.SweepResult) -> None:
    drawn = replicated.plot("small_multiples", RATE, SEQS, "p99_e2el_ms")
    assert len(drawn) == 2
    assert drawn[0].get_ylim() == drawn[1].get_ylim()
    assert [ax.get_title("left") for ax in drawn] == ["max_num_seqs 8", "max_num_seqs 64"]
    _, given = plt.subplots(1, 3)
    assert replicated.plot("small_multiples", RATE, SEQS, ax=given) == list(given[:2])
    with pytest.raises(ValueError, match="got 1 axes; allowed: 2"):
        replicated.plot("small_multiples", RATE, SEQS, ax=[given[0]])
    named = kvsim.sweep(BASE, {"engine.scheduling_policy": ["fcfs", "priority"], SEQS: [2]})
    with pytest.raises(ValueError, match="no numbers"):
        named.plot("small_multiples", "engine.scheduling_policy", SEQS)


def test_waterfall_bars_are_the_mean_time(grid: kvsim.SweepResult) -> None:
    some = grid.select({RATE: 4.0, BLOCKS: 300})
    ax = some.plot("waterfall", SEQS, title="4/s")
    written = texts(ax)
    for text in ("queue", "compute", "mean time of a request (ms)", "4/s", "64"):
        assert text in written
    parts = plots.WaterfallBars(some, SEQS).data()["mean_ms"]
    total = np.sum([np.array(v) for v in parts.values()], axis=0)
    assert total == pytest.approx(some["mean_e2el_ms"])
    none = kvsim.sweep(BASE.replace(record_waterfall=False), {SEQS: [2]})
    with pytest.raises(ValueError, match="no row has one"):
        none.plot("waterfall", SEQS)


def test_a_tornado_is_sorted_by_effect(grid: kvsim.SweepResult) -> None:
    plot = plots.Tornado(grid, "mean_e2el_ms")
    assert [e.path for e in plot.effects] == [e.path for e in grid.effects("mean_e2el_ms")]
    ax = plot.plot()
    assert "of variance" in texts(ax)
    with pytest.raises(ValueError, match="no axis varies"):
        kvsim.sweep(BASE, {SEQS: [64]}).plot("tornado")


def test_the_frontier_of_replications_has_bands() -> None:
    frontier = kvsim.frontier(BASE, num_points=5, replications=3)
    ax = frontier.plot()
    assert "95% interval" in texts(ax)
    data = plots.LatencyThroughputFrontier(frontier).data()["series"][0]
    assert data["low_ms"][0] < data["latency_ms"][0] < data["high_ms"][0]
