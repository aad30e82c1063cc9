"""Pictures: what they show, and that they draw."""

import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import kvsim
from kvsim import plots
from kvsim.plots.style import COLOURS, figure_of, marks, rate

mpl.use("Agg")
SCENARIO = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_num_seqs=4, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=400, lengths=kvsim.UniformLengths()),
    record="steps",
)


@pytest.fixture(scope="module")
def frontier() -> kvsim.FrontierResult:
    return kvsim.frontier(SCENARIO, num_points=8, series={"engine.max_num_seqs": [2, 8]})


@pytest.fixture(scope="module")
def result() -> kvsim.Result:
    return kvsim.simulate(SCENARIO.replace({"workload.arrivals.rate_per_s": 4}))


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def texts(ax: "plt.Axes") -> str:
    """All that is written on the axes."""
    legend = ax.get_legend()
    labels = [t.get_text() for t in legend.get_texts()] if legend else []
    return "\n".join([ax.get_xlabel(), ax.get_ylabel(), *labels, *(t.get_text() for t in ax.texts)])


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("metric", ["p99_ttft_ms", "p99_e2el_ms"])
def test_frontier(frontier: kvsim.FrontierResult, metric: str, log: bool) -> None:
    ax = plots.LatencyThroughputFrontier(frontier, metric, log=log, slo_ms=500).plot()
    figure_of(ax).canvas.draw()
    written = texts(ax)
    for text in (
        "achieved rate (requests/s)", "max_num_seqs 2", "max_num_seqs 8", "80 %",
        "capacity", "M/M/1", "objective 500 ms", "queue drifts up",
    ):  # fmt: skip
        assert text in written
    assert ax.get_yscale() == ("log" if log else "linear")
    knees = [s.knee(metric) for s in frontier.series]
    shown = [f"(knee at {rate(k.offered_per_s)}/s offered" for k in knees if k is not None]
    assert shown
    assert written.count("(knee ") == len(shown)
    assert all(text in written for text in shown)


def test_the_knee_hides_no_point(frontier: kvsim.FrontierResult) -> None:
    ax = plots.LatencyThroughputFrontier(frontier, "p99_e2el_ms").plot()
    stars = [line for line in ax.lines if line.get_marker() == "*"]
    assert stars
    for star in stars:
        assert star.get_markerfacecolor() == "none"
    knees = [s.knee("p99_e2el_ms") for s in frontier.series]
    at = [k.achieved_per_s for k in knees if k is not None]
    assert [float(np.asarray(star.get_xdata())[0]) for star in stars] == at


LONG = SCENARIO.replace({"workload.lengths": kvsim.FixedLengths(output_tokens=400)})


def test_long_times_are_in_seconds() -> None:
    long = kvsim.frontier(LONG, num_points=3)
    for metric, unit, factor in (("p99_tpot_ms", "ms", 1.0), ("p99_e2el_ms", "s", 1e-3)):
        lowest = long.series[0].latency_ms(metric).min()
        ax = plots.LatencyThroughputFrontier(long, metric, slo_ms=2500).plot()
        assert ax.get_ylabel().endswith(f"({unit})")
        assert f"objective {2500 * factor:g} {unit}" in texts(ax)
        drawn = np.concatenate([np.atleast_1d(line.get_ydata()) for line in ax.lines[:2]])
        assert np.isclose(drawn.min(), lowest * factor)
    result = kvsim.simulate(LONG.replace({"workload.arrivals.rate_per_s": 0.5}))
    for column, unit, ns in (("tpot_ns", "ms", 1e6), ("e2e_ns", "s", 1e9)):
        ax = plots.latency_cdf(result, column, slo_ms=2500)
        assert ax.get_xlabel().endswith(f"({unit})")
        first = np.asarray(ax.lines[0].get_xdata())[0]
        assert first == pytest.approx(result.requests[column].min() / ns)


def test_frontier_of_one_series_names_its_knee(frontier: kvsim.FrontierResult) -> None:
    ax = plots.LatencyThroughputFrontier(frontier.series[:1], "p99_e2el_ms", mm1=False).plot()
    assert "of capacity" in texts(ax)
    assert "M/M/1" not in texts(ax)


def test_points_that_drift_are_hollow(frontier: kvsim.FrontierResult) -> None:
    ax = plots.LatencyThroughputFrontier(frontier.series[:1]).plot()
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    drifting = [s for s in frontier.series[0].status if s == "unstable"]
    assert drifting
    assert sum(len(np.atleast_1d(line.get_xdata())) for line in hollow) == len(drifting)


def test_data_is_what_is_drawn(frontier: kvsim.FrontierResult) -> None:
    drawn = plots.LatencyThroughputFrontier(frontier)
    data = json.loads(json.dumps(drawn.data(), allow_nan=False))
    assert data["metric"] == frontier.metric
    for s, series in zip(data["series"], frontier.series, strict=True):
        assert s["latency_ms"] == series.latency_ms(frontier.metric).tolist()
        assert s["capacity_per_s"] == series.capacity_per_s
    line = drawn.plot().lines[0]
    shown = np.asarray(line.get_ydata())
    assert set(shown.tolist()) <= set(data["series"][0]["latency_ms"])


def test_wrong_arguments(frontier: kvsim.FrontierResult, result: kvsim.Result) -> None:
    with pytest.raises(ValueError, match="series: got 0"):
        plots.LatencyThroughputFrontier([])
    with pytest.raises(KeyError, match="no column 'p99_ttft'"):
        plots.LatencyThroughputFrontier(frontier, "p99_ttft")
    with pytest.raises(ValueError, match="steps were not kept"):
        plots.timeline(kvsim.simulate(SCENARIO.replace(record="summary")))
    with pytest.raises(KeyError, match="did you mean 'ttft_ns'"):
        plots.latency_cdf(result, "tttft_ns")


def test_on_axes_of_ones_own(frontier: kvsim.FrontierResult, result: kvsim.Result) -> None:
    _, grid = plt.subplots(2, 2)
    before = plt.rcParams.copy()
    assert frontier.plot(grid[0, 0]) is grid[0, 0]
    assert plots.timeline(result, grid[0, 1]) is grid[0, 1]
    assert plots.latency_cdf(result, ax=grid[1, 0]) is grid[1, 0]
    assert plots.itl_distribution(result, grid[1, 1]) is grid[1, 1]
    assert plt.rcParams.copy() == before
    figure_of(grid[0, 0]).canvas.draw()


def test_cdf_marks_the_percentiles_of_the_summary(result: kvsim.Result) -> None:
    ax = plots.latency_cdf({"a": result, "b": result}, slo_ms=100)
    points = {
        round(float(y), 3): float(x)
        for line in ax.lines
        if len(np.atleast_1d(line.get_xdata())) == 1
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    for q, key in ((0.5, "p50_ttft_ms"), (0.9, "p90_ttft_ms"), (0.99, "p99_ttft_ms")):
        assert points[q] == pytest.approx(result.summary[key])
    assert "objective 100 ms" in texts(ax)


def test_timeline_keeps_peaks_when_there_are_more_rows_than_pixels() -> None:
    long = kvsim.simulate(SCENARIO.replace({"workload.arrivals.rate_per_s": 4, "mode": "step"}))
    assert long.steps.num_rows > 3000
    ax = plots.timeline(long, title="t")
    waiting = next(line for line in ax.lines if line.get_label() == "waiting")
    assert np.max(waiting.get_ydata()) == long.summary["max_waiting"]


def test_save(result: kvsim.Result, tmp_path: Path) -> None:
    files = plots.save(
        plots.itl_distribution(result), tmp_path / "a" / "itl", formats=("png", "pdf")
    )
    assert [f.name for f in files] == ["itl.png", "itl.pdf"]
    assert all(f.stat().st_size > 5000 for f in files)
    assert plt.get_fignums() == []


def test_series_differ_in_more_than_colour() -> None:
    looks = [marks(i) for i in range(7)]
    for key in ("color", "marker"):
        assert len({look[key] for look in looks}) == 7
    assert len({str(look["linestyle"]) for look in looks}) == 6
    assert COLOURS[0] == "#0072B2"
