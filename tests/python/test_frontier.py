"""`frontier`: capacity, knee and the curve between."""

import json

import numpy as np
import pytest

import kvsim
from kvsim._capacity import backlog_patch
from kvsim._knee import find_knee

RATE = "workload.arrivals.rate_per_s"
# One request at a time, exponential service times: M/M/1. A step lasts 1 ms, so a request with n
# output tokens holds the server for n ms; lengths are geometric in the limit of a log-normal law's
# stead, hence only bounds below.
SERVER = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=4000, max_num_seqs=1, max_model_len=20000),
    step_time=kvsim.Affine(a_ns=1e6, b_ns_per_token=0, c_ns_per_context_token=0),
    workload=kvsim.Workload(
        num_requests=20_000,
        lengths=kvsim.LogNormalLengths(
            prompt_mean_tokens=1, prompt_cv=0, output_mean_tokens=100, output_cv=1,
            output_max_tokens=10_000,
        ),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def result() -> kvsim.FrontierResult:
    return kvsim.frontier(SERVER, num_points=12, metric="p99_e2el_ms")


def test_capacity_is_the_reciprocal_of_the_mean_service_time(result: kvsim.FrontierResult) -> None:
    assert result.capacity_per_s == pytest.approx(10, rel=0.03)
    assert result.practical_limit_per_s == pytest.approx(8, rel=0.03)


def test_curve(result: kvsim.FrontierResult) -> None:
    (series,) = result.series
    assert series.offered_per_s[0] == pytest.approx(0.02 * series.capacity_per_s)
    assert series.offered_per_s[-1] == pytest.approx(1.08 * series.capacity_per_s)
    stable = np.asarray(series.status) == "ok"
    assert stable[:8].all()
    assert not stable[-1]
    offered, achieved = series.offered_per_s[stable], series.achieved_per_s[stable]
    assert np.allclose(offered, achieved, rtol=0.05)
    latency = series.latency_ms("p99_e2el_ms")[stable]
    assert (np.diff(latency) > 0).all()


def test_knee_is_near_that_of_mg1(result: kvsim.FrontierResult) -> None:
    assert result.knee is not None
    # cs = 1 as M/M/1's, but a heavier tail at low load than an exponential, so a later knee.
    assert 0.75 < result.knee.load < 0.95
    rows = result.knees()
    assert [r["metric"] for r in rows] == ["p99_ttft_ms", "p99_tpot_ms", "p99_e2el_ms"]
    assert rows[1]["load"] is None, "a decode alone takes 1 ms at any load"


@pytest.mark.parametrize("points", [5, 20, 200])
def test_knee_of_an_exact_mm1_curve(points: int) -> None:
    load = np.linspace(0.001, 0.97, points)
    knee = find_knee(load * 7, load * 7, np.log(100) / (1 - load), 7.0)
    assert knee is not None
    assert knee.load == pytest.approx(0.8, abs=0.001)
    assert find_knee(load[:2], load[:2], np.ones(2), 1.0) is None
    assert find_knee(load[:1], load[:1], np.ones(1), 1.0) is None


def test_overlay_goes_through_the_first_point(result: kvsim.FrontierResult) -> None:
    series = result.series[0]
    curve = series.mm1("p99_e2el_ms")
    assert curve is not None
    x, y = curve
    first = series.achieved_per_s[0], series.latency_ms("p99_e2el_ms")[0]
    assert np.interp(first[0], x, y) == pytest.approx(first[1], rel=1e-3)
    assert x[-1] < series.capacity_per_s


def test_given_rates_and_series() -> None:
    short = SERVER.replace({"workload.num_requests": 500})
    result = kvsim.frontier(short, [4, 2, 2], series={"engine.max_num_seqs": [1, 4]})
    assert [s.label for s in result.series] == ["max_num_seqs 1", "max_num_seqs 4"]
    for s in result.series:
        assert s.offered_per_s.tolist() == [2, 4]
    slow, fast = (s.capacity_per_s for s in result.series)
    assert fast > 3 * slow
    named = kvsim.frontier(short, [2], series={"one": {"engine.max_num_seqs": 1}, "same": {}})
    assert [s.label for s in named.series] == ["one", "same"]
    assert named.series[0].capacity_per_s == slow
    assert len(named.rows()) == 2
    assert len(named.to_pandas()) == 2
    parsed = json.loads(named.to_json())
    assert parsed["series"][0]["capacity_per_s"] == slow
    assert "one: capacity" in repr(named)


def test_a_series_that_cannot_run_keeps_its_reason() -> None:
    short = SERVER.replace({"workload.num_requests": 100})
    result = kvsim.frontier(short, num_points=3, series={"engine.num_gpu_blocks": [4000, 10]})
    good, bad = result.series
    assert good.capacity_per_s is not None
    assert bad.capacity_per_s is None
    assert "needs" in bad.reason
    assert len(bad.table) == 0
    assert bad.knee("p99_ttft_ms") is None
    with pytest.raises(kvsim.InfeasibleError, match="needs"):
        kvsim.frontier(short.replace({"engine.num_gpu_blocks": 10}))


def test_few_requests_get_a_longer_backlog() -> None:
    patch = backlog_patch(SERVER.replace({"workload.num_requests": 2}).to_dict())
    assert patch == {"workload.arrivals": {"kind": "burst"}, "workload.num_requests": 4}


def test_threads_change_nothing() -> None:
    short = SERVER.replace({"workload.num_requests": 300})
    one, three = (kvsim.frontier(short, num_points=5, threads=n).to_json() for n in (1, 3))
    assert one == three


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": []}, "rates: got no values"),
        ({"rates": [1, -2]}, "rates: got -2"),
        ({"rates": [float("nan")]}, "rates: got nan"),
        ({"rates": ["x"]}, "rates: got 'x'"),
        ({"num_points": 2}, "num_points: got 2"),
        ({"metric": "p99_ttft"}, "metric: got 'p99_ttft'; did you mean 'p99_ttft_ms'"),
        ({"series": {"engine.max_num_seqs": []}}, "series.*no values"),
        ({"series": {"engine.max_seqs": [1]}}, "unknown path 'engine.max_seqs'"),
        ({"deadline_s": -1}, "deadline_s: got -1"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        kvsim.frontier(SERVER.replace({"workload.num_requests": 20}), **arguments)  # type: ignore[arg-type]


def test_arrivals_without_a_rate() -> None:
    closed = SERVER.replace({"workload.arrivals": kvsim.ClosedLoop(concurrency=4)})
    with pytest.raises(kvsim.ConfigError, match=r"workload.arrivals.kind: got 'closed_loop'"):
        kvsim.frontier(closed)


def test_a_deadline_ends_it() -> None:
    with pytest.raises(kvsim.DeadlineExceeded):
        kvsim.frontier(
            SERVER.replace({"mode": "step", "workload.num_requests": 10**6}), deadline_s=0.05
        )
