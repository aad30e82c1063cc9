"""Tracks: what they report is what is simulated; the pictures of fleets."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import kvsim
from kvsim import links, plots, tracks

mpl.use("agg")

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", tracks.TRACKS)
def test_a_track_runs_reports_and_draws(name: str, tmp_path: Path) -> None:
    track = tracks.TRACKS[name]()
    assert track.name == name
    rows = track.run(num_requests=1500)
    assert [r.name for r in rows] == [v.name for v in track.variants]
    for row in rows:
        late = np.mean(row.result.requests[track.column] > track.limit_ms * 1e6)
        assert row.late == pytest.approx(late)
    text = track.table(rows)
    assert track.crisis in text
    assert "assumed" in text
    (picture,) = track.draw(rows, tmp_path)
    assert picture.stat().st_size > 10_000


def test_crises_and_remedies_are_what_the_simulation_gives() -> None:
    kept = {
        name: [row.kept for row in make().run()]
        for name, make in tracks.TRACKS.items()
        if name != "cloud_titan"
    }
    assert kept == {
        # Tied copies do not help an idle fleet: both would start at once.
        "edge_guardian": [False, True, False, True],
        "mobile_nomad": [False, False, True, False],
        "tiny_pioneer": [False, False, False, True, False],
    }


@pytest.mark.full
def test_paging_gets_the_cloud_titan_past_its_wall() -> None:
    rows = tracks.cloud_titan().run()
    assert [row.kept for row in rows] == [False, True, True]
    assert rows[1].figures["most running"] > rows[0].figures["most running"]


def test_longest_stutter() -> None:
    assert tracks.longest_stutter(np.array([], dtype=bool)) == 0
    assert tracks.longest_stutter(np.array([True, True, False, True])) == 2


def test_bad_requests_are_refused() -> None:
    with pytest.raises(kvsim.ConfigError, match="num_requests: got 0"):
        tracks.tiny_pioneer().run(num_requests=0)
    with pytest.raises(kvsim.ConfigError, match="wifi-6-mesh"):
        links.preset("wifi-6")


@pytest.mark.parametrize("name", links.PRESETS)
def test_presets_of_links_are_links_and_have_a_source(name: str) -> None:
    link = kvsim.Link.from_dict(links.preset(name, message_bytes=1000))
    assert link.message_bytes == 1000
    assert links.SOURCES[name]


def fleet(record: str = "steps") -> kvsim.Result:
    """Return a run of one-shot servers with a failure and hedges."""
    return kvsim.simulate(
        {
            "workload": {
                "arrivals": {"kind": "poisson", "rate_per_s": 300},
                "num_requests": 3000,
            },
            "fleet": {
                "num_servers": 5,
                "server": {"kind": "one_shot", "s0_ms": 10, "jitter": {"kind": "exponential"}},
                "hedge": {"kind": "quantile", "quantile": 0.98},
                "outages": [{"server": 2, "start_s": 2, "duration_s": 3}],
            },
            "record": record,
        }
    )


def test_queues_over_time_mark_failures_and_hedges() -> None:
    result = fleet()
    ax = plots.queues(result, title="five")
    assert ax.get_ylabel() == "server"
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == ["down or slow", f"{result.totals['hedges']:,} second copies"]
    (bar,) = [line for line in ax.lines if line.get_label() == "down or slow"]
    assert list(bar.get_xdata()) == pytest.approx([2, 5])
    plt.close(ax.figure)
    with pytest.raises(KeyError):
        plots.queues(fleet("requests"))


def test_tails_and_frontiers_have_labels_and_limits() -> None:
    result = fleet("requests")
    ax = plots.tail({"a": result, "b": result}, limit_ms=20, allowed=0.01)
    assert "longer" in ax.get_ylabel()
    assert "20 ms" in ax.texts[0].get_text()
    plt.close(ax.figure)
    ax = plots.hedging_frontier(
        {"load .5": [(1, 20), (5, 12)], "load .7": []},
        {"load .5": 30, "load .7": 50},
        {"load .7": (60, 900)},
    )
    assert list(ax.lines[0].get_xdata()) == [0, 1, 5]
    assert any(list(line.get_xdata()) == [60] for line in ax.lines)
    assert "queue drifts up" in [text.get_text() for text in ax.get_legend().get_texts()]
    plt.close(ax.figure)
    ax = plots.seesaw({"x": (5, 2), "y": (50, 0.5)}, 10, 1)
    assert ax.get_xlabel() == "P99 latency (ms)"
    plt.close(ax.figure)


def test_the_knee_of_an_mm1_queue_is_at_80_percent() -> None:
    """Part 1 of the lab: the frontier finds capacity and knee of one-shot servers too."""
    scenario = {
        "workload": {
            "arrivals": {"kind": "poisson", "rate_per_s": 1},
            "num_requests": 40_000,
        },
        "fleet": {"server": {"kind": "one_shot", "s0_ms": 10, "jitter": {"kind": "exponential"}}},
    }
    found = kvsim.frontier(scenario, num_points=16)
    assert found.capacity_per_s == pytest.approx(100, rel=0.03)
    assert found.knee is not None
    assert found.knee.offered_per_s == pytest.approx(80, rel=0.06)


def test_a_batch_window_costs_latency_at_low_load_and_nothing_at_capacity() -> None:
    """Rate and window as axes: the example of docs/fleets.md."""
    scenario = json.loads((ROOT / "examples" / "batch_window.json").read_text())
    windows = {str(w): {"fleet.server.window_ms": w} for w in (0, 60, 200)}
    found = kvsim.frontier(scenario, num_points=12, series=windows)
    low = []
    for series in found.series:
        # A batch of 32 in 50 + .5 * 32 ms, always full under a backlog.
        assert series.capacity_per_s == pytest.approx(32 / 0.066, rel=0.01)
        knee = series.knee("p99_e2el_ms")
        assert knee is not None
        assert 0.9 < knee.offered_per_s / series.capacity_per_s < 1.1
        low.append(float(series.table["p99_e2el_ms"][0]))
    # At a few requests a second a request is alone: it waits for the whole window, then for one
    # other batch at most.
    assert low[0] < 110
    assert low[1] == pytest.approx(60 + 50.5, abs=12)
    assert low[2] == pytest.approx(200 + 52, abs=15)
