"""Intervals, replications with common random numbers, precision, comparisons."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import kvsim
import mm1
from kvsim import statistics
from kvsim.errors import ConfigError

RATE = "workload.arrivals.rate_per_s"
SEQS = "engine.max_num_seqs"
BASE = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=200, arrivals=kvsim.Poisson(rate_per_s=4)),
    seed=7,
)


# ---- the formulas, against scipy's


def test_the_interval_over_replications_is_student_s() -> None:
    x = np.random.default_rng(1).gamma(2, size=9)
    mine = statistics.replications(x, 0.9)
    low, high = stats.t.interval(0.9, 8, x.mean(), stats.sem(x))
    assert (mine.low, mine.high) == pytest.approx((low, high))
    assert mine.half_width == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("paired", [True, False])
def test_comparisons_are_scipy_s(paired: bool) -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(5, 1, size=12)
    b = a + rng.normal(0.3, 0.2, size=12)
    mine = statistics.compare(a, b, paired=paired)
    test = stats.ttest_rel(b, a) if paired else stats.ttest_ind(b, a, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert (mine.low, mine.high) == pytest.approx((interval.low, interval.high))
    assert mine.significant == (test.pvalue < 0.05)
    assert (mine.variance_ratio > 5) == paired


def test_batch_means_of_a_correlated_series_are_wider() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=40_000)
    ar = np.empty_like(noise)
    ar[0] = noise[0]
    for i in range(1, len(ar)):
        ar[i] = 0.98 * ar[i - 1] + noise[i]
    naive = 1.96 * ar.std() / math.sqrt(len(ar))
    mine = statistics.batch_means(ar)
    # The variance of an AR(1) mean is (1 + phi) / (1 - phi) = 99 times that of white noise.
    assert mine.half_width / naive == pytest.approx(math.sqrt(99), rel=0.5)
    assert statistics.batch_means(ar[:100]).samples == 0
    assert math.isnan(statistics.batch_means(np.arange(1000.0)).low)
    assert math.isnan(statistics.batch_means(noise[:500], 0.99).low), "too few in the tail"
    assert statistics.batch_means(np.ones(100)).half_width == 0
    assert statistics.batch_means(np.ones(100), 0.9).half_width == 0


def test_many_values_in_one_excursion_are_one() -> None:
    rng = np.random.default_rng(4)
    series = rng.exponential(size=100_000)
    assert statistics.batch_means(series, 0.99).samples == 32
    # The same values, but the greatest ones stand together.
    great = series > np.quantile(series, 0.98)
    together = np.concatenate([series[~great][:50_000], series[great], series[~great][50_000:]])
    assert statistics.batch_means(together, 0.99).samples == 0
    assert statistics.batch_means(together, 0.5).samples == 32


@pytest.mark.parametrize("q", [0.01, 0.2, 0.5, 0.9, 0.99])
def test_percentiles_of_independent_values_have_the_intervals_of_order_statistics(q: float) -> None:
    n, repetitions = 20_000, 200
    rng = np.random.default_rng(6)
    found = [statistics.batch_means(rng.normal(size=n), q) for _ in range(repetitions)]
    truth = stats.norm.ppf(q)
    # Of 200 intervals of 95 %, fewer than 180 would be inside with probability 2e-3.
    assert sum(i.low <= truth <= i.high for i in found) >= 180
    exact = stats.norm.ppf(q + 1.96 * math.sqrt(q * (1 - q) / n)) - truth
    assert np.mean([i.high - i.estimate for i in found]) == pytest.approx(exact, rel=0.15)
    mirrored = statistics.batch_means(-rng.normal(size=n), 1 - q)
    assert mirrored.samples == 32


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda: statistics.replications([1.0]), "2 values or more"),
        (lambda: statistics.replications([1.0, 2.0], 1.0), "confidence: got 1.0"),
        (lambda: statistics.batch_means([], 0.5), "series: got"),
        (lambda: statistics.batch_means([1.0], 1.5), "q: got 1.5"),
        (lambda: statistics.compare([1.0], [1.0, 2.0], paired=False), "got 1 runs"),
    ],
)
def test_errors_of_the_formulas(use: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        use()


# ---- replications in a sweep


def test_figures_are_means_over_seeds() -> None:
    axes = {RATE: [1.0, 4.0], SEQS: [8, 64]}
    result = kvsim.sweep(BASE, axes, replications=6, threads=2)
    single = kvsim.sweep(BASE, {**axes, "seed": range(7, 13)})
    for name in ("p99_ttft_ms", "mean_e2el_ms", "request_throughput"):
        runs = single[name].reshape(4, 6)
        assert result[name] == pytest.approx(runs.mean(axis=1), rel=1e-12)
        expected = [statistics.replications(r).half_width for r in runs]
        assert result.half_width(name) == pytest.approx(expected, rel=1e-9)
        low, high = result.interval(name)
        assert result[f"{name}_low"].tolist() == low.tolist()
        assert ((low <= result[name]) & (result[name] <= high)).all()
    assert result.replications.tolist() == [6] * 4
    assert sorted(set(result.runs["seed"].tolist())) == list(range(7, 13))
    assert len(result.select({SEQS: 8}).runs) == 12
    assert result.rows()[0]["p99_ttft_ms_high"] == result["p99_ttft_ms_high"][0]
    assert "p99_ttft_ms_low" in result.to_pandas()
    assert "p99_ttft_ms_low" in result.to_xarray()
    assert result.confidence == 0.95
    assert result.interval_method == "replications"


def test_without_common_random_numbers_every_run_has_its_seed() -> None:
    result = kvsim.sweep(BASE, {SEQS: [8, 64]}, replications=4, common_random_numbers=False)
    assert len(set(result.runs["seed"].tolist())) == 8
    assert not result.compare(0, 1).paired


def test_replications_anywhere_are_the_same(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    axes = {RATE: [1.0, 4.0], SEQS: [0, 64]}
    options: dict[str, Any] = {"replications": 5}
    here = kvsim.sweep(BASE, axes, **options).to_json()
    with ThreadPoolExecutor(2) as pool:
        assert kvsim.sweep(BASE, axes, executor=pool, **options).to_json() == here
    assert kvsim.sweep(BASE, axes, store=tmp_path / "s", **options).to_json() == here
    assert kvsim.sweep(BASE, axes, store=tmp_path / "s", **options).to_json() == here
    assert len(kvsim.Store(tmp_path / "s")) == 20


def test_common_random_numbers_make_differences_exact() -> None:
    points = {"engine.max_num_batched_tokens": [2048, 8192]}
    common = kvsim.sweep(BASE, points, replications=10).compare(0, 1, "mean_ttft_ms")
    apart = kvsim.sweep(BASE, points, replications=10, common_random_numbers=False)
    independent = apart.compare(0, 1, "mean_ttft_ms")
    assert common.paired
    assert common.variance_ratio > 5
    assert (independent.high - independent.low) > 2 * (common.high - common.low)


def test_unstable_points_are_marked_and_not_averaged() -> None:
    base = BASE.replace({"workload.num_requests": 1000})
    result = kvsim.sweep(base, {RATE: [2.0, 1e4]}, replications=4)
    assert result.status == ["ok", "unstable"]
    assert "4 of 4 replications drift" in result.reason[1]
    assert np.isfinite(result["p99_ttft_ms"][0])
    assert np.isnan(result["p99_ttft_ms"][1])
    assert np.isnan(result.half_width("p99_ttft_ms")[1])
    assert np.isfinite(result.runs["p99_ttft_ms"]).all(), "the runs themselves are kept"
    with pytest.raises(ValueError, match="is unstable"):
        result.compare(0, 1)


def test_points_that_cannot_run_keep_their_reason() -> None:
    result = kvsim.sweep(BASE, {"engine.num_gpu_blocks": [5, 300]}, replications=3)
    assert result.status == ["infeasible", "ok"]
    assert "num_gpu_blocks" in result.reason[0]


def test_precision_adds_runs_until_intervals_are_narrow() -> None:
    goal = {"mean_ttft_ms": 0.05, "p99_e2el_ms": 0.05}
    calls: list[tuple[int, int]] = []
    result = kvsim.sweep(
        BASE, {RATE: [0.5, 9.0]}, precision=goal, max_replications=200,
        progress=lambda *a: calls.append(a),
    )  # fmt: skip
    few, many = result.replications.tolist()
    assert 5 <= few < many <= 200
    for name, share in goal.items():
        reached = result.half_width(name) <= share * result[name]
        assert (reached | (result.replications == 200)).all()
    fixed = kvsim.sweep(BASE, {RATE: [9.0]}, replications=many)
    assert result["mean_ttft_ms"][1] == pytest.approx(fixed["mean_ttft_ms"][0], rel=1e-12)
    assert calls[-1][0] == few + many
    limited = kvsim.sweep(BASE, {RATE: [9.0]}, precision={"p99_e2el_ms": 1e-4}, max_replications=12)
    assert limited.replications.tolist() == [12]


def test_a_deadline_leaves_points_without_enough_runs_unfinished() -> None:
    base = BASE.replace({
        "mode": "step", "workload.num_requests": 20_000, "engine.max_model_len": 40_000,
        "engine.num_gpu_blocks": 100_000, "workload.lengths.output_tokens": 30_000,
        "workload.arrivals": kvsim.Burst(),
    })  # fmt: skip
    points = [{"workload.num_requests": 5, "workload.lengths.output_tokens": 3}, {}]
    result = kvsim.sweep(base, points, replications=3, deadline_s=1.0, threads=1)
    assert result.unfinished == [1]
    assert len(result) == 1
    assert len(result.runs) == 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"replications": 0}, "replications: got 0"),
        ({"replications": 1, "intervals": "replications"}, "2 or more"),
        ({"intervals": "bootstrap"}, "intervals: got 'bootstrap'"),
        ({"intervals": "batch_means", "replications": 3}, "with replications"),
        ({"precision": {}}, "precision: got"),
        ({"precision": {"p99": 0.1}}, "unknown figure 'p99'"),
        ({"precision": {"p99_ttft_ms": 2}}, "between 0 and 1"),
        ({"precision": {"p99_ttft_ms": 0.1}, "replications": 1}, "2 or more with precision"),
        ({"max_replications": 10}, "without precision"),
        ({"confidence": 0}, "confidence: got 0"),
        ({"replications": 2, "record": "requests"}, "with replications"),
        ({"replications": 300_000, "max_points": 10}, "300,000 points"),
    ],
)
def test_bad_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        kvsim.sweep(BASE, {SEQS: [8]}, **options)


def test_replications_of_an_axis_of_seeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="an axis 'seed'"):
        kvsim.sweep(BASE, {"seed": [1, 2]}, replications=2)


# ---- within one run


def test_batch_means_in_a_sweep_are_those_of_each_result() -> None:
    base = BASE.replace(
        {"workload.num_requests": 4000, "warmup": kvsim.FirstRequests(num_requests=100)}
    )
    result = kvsim.sweep(
        base, {RATE: [1.0, 4.0], SEQS: [0, 64]}, intervals="batch_means", threads=2
    )
    assert result.interval_method == "batch means"
    assert result.results == [None] * 4, "requests are not kept"
    for row, point in enumerate(result.points):
        if result.status[row] != "ok":
            assert np.isnan(result.half_width("mean_ttft_ms")[row])
            continue
        alone = kvsim.simulate(base.replace({**point, "record": "requests"}))
        for name in ("mean_ttft_ms", "p90_e2el_ms", "p99_queue_ms"):
            interval = alone.interval(name)
            assert interval.estimate == pytest.approx(result[name][row])
            assert result.half_width(name)[row] == pytest.approx(interval.half_width, nan_ok=True)
            bounds = [bound[row] for bound in result.interval(name)]
            assert bounds == pytest.approx([interval.low, interval.high], nan_ok=True)
    assert np.isfinite(result.half_width("mean_ttft_ms")).sum() == 2


def test_a_run_too_short_for_an_interval_says_so() -> None:
    result = kvsim.sweep(BASE, {RATE: [4.0], SEQS: [0, 64]}, intervals="batch_means")
    (text,) = [t for t in result.warnings if "too short" in t]
    assert "p99.9_ttft_ms" in text
    assert result.warnings[text] == [1]
    assert np.isnan(result.half_width("p99.9_ttft_ms")).all()


def test_intervals_of_a_result_say_what_is_missing() -> None:
    result = kvsim.simulate(BASE)
    with pytest.raises(KeyError, match="no interval of 'steps'"):
        result.interval("steps")
    with pytest.raises(ValueError, match="requests were not kept"):
        kvsim.simulate(BASE.replace(record="summary")).interval("p99_ttft_ms")


# ---- coverage


def test_the_queue_is_m_m_1() -> None:
    trace = mm1.service()
    for load, tolerance in ((0.5, 0.02), (0.8, 0.05)):
        result = kvsim.simulate(mm1.scenario(load, 300_000, trace))
        for name, value in mm1.truth_ms(load, trace).items():
            assert result.summary[name] == pytest.approx(value, rel=tolerance)


def test_intervals_contain_the_truth() -> None:
    inside = mm1.coverage(0.5, repetitions=60, runs=8, num_requests=5000)
    # Of 60 intervals of 95 %, fewer than 50 would be inside with probability 3e-4.
    assert inside["mean_e2el_ms"] >= 50 / 60
    assert inside["p99_e2el_ms"] >= 50 / 60


def test_batch_means_contain_the_truth_or_give_no_interval() -> None:
    # A run that is long enough has an interval for the P99, and one that is not has none.
    enough = mm1.batch_coverage(0.5, repetitions=60, num_requests=40_000)
    assert enough["none_p99_e2el_ms"] == 0
    assert enough["p99_e2el_ms"] >= 50 / 60
    assert enough["mean_e2el_ms"] >= 50 / 60
    short = mm1.batch_coverage(0.9, repetitions=20, num_requests=20_000)
    assert short["none_p99_e2el_ms"] == 1


def test_intervals_that_are_too_narrow_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "t_quantile", lambda *_: 1.0)
    inside = mm1.coverage(0.5, repetitions=60, runs=8, num_requests=5000)
    assert inside["mean_e2el_ms"] < 50 / 60


# ---- warm-up

BUSY = {
    "engine": {"num_gpu_blocks": 2000, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {
        "num_requests": 300,
        "arrivals": {"kind": "poisson", "rate_per_s": 6},
        "lengths": {"kind": "uniform"},
    },
    "record": "all",
}


def gaps_from(result: kvsim.Result, first: int) -> list[int]:
    """Gaps between tokens, in steps that begin after the arrival of a request, by the records."""
    q, steps, entries = result.requests, result.steps, result.entries
    sampled = entries["sampled"] > 0
    step, request = entries["step"][sampled], entries["request"][sampled]
    found: list[int] = []
    for r in range(len(q["arrival_ns"])):
        at = step[request == r]
        late = steps["t_ns"][at[1:]] >= q["arrival_ns"][first]
        found += np.diff(steps["end_ns"][at])[late].tolist()
    return sorted(found)


@pytest.mark.parametrize(
    "engine", [{}, {"async_scheduling": True}, {"long_prefill_token_threshold": 64}]
)
@pytest.mark.parametrize("mode", ["leap", "step"])
def test_a_warm_up_leaves_out_gaps_too(mode: str, engine: dict[str, Any]) -> None:
    scenario = {**BUSY, "engine": BUSY["engine"] | engine, "mode": mode}  # type: ignore[operator]
    whole = kvsim.simulate(scenario)
    cut = kvsim.simulate({**scenario, "warmup": {"kind": "requests", "num_requests": 60}})
    values = cut.itl()
    found = np.repeat(values.values_ns, values.counts).tolist()
    if engine.get("async_scheduling"):
        # Steps overlap: the gap of a step in flight when the request is seen counts.
        assert len(gaps_from(whole, 60)) == pytest.approx(len(found), rel=0.01)
    else:
        assert found == gaps_from(whole, 60)
        assert cut.summary["mean_itl_ms"] == pytest.approx(np.mean(found) / 1e6)
    assert cut.summary["mean_itl_ms"] != whole.summary["mean_itl_ms"]
    for column in whole.requests:
        assert np.array_equal(whole.requests[column], cut.requests[column])


@pytest.mark.parametrize("fleet", [None, {"num_servers": 1}, {"num_servers": 3}])
def test_mser_5_leaves_out_the_gaps_of_the_requests_that_it_cuts(fleet: Any) -> None:
    # Starts empty and fills up.
    arrivals = {"kind": "poisson", "rate_per_s": 20}
    workload = {**BUSY["workload"], "arrivals": arrivals}  # type: ignore[dict-item]
    slow = {**BUSY, "workload": workload, "record": "requests", "fleet": fleet}
    found = kvsim.simulate({**slow, "warmup": {"kind": "mser5"}})
    n = int(found.summary["warmup_requests"] or 0)
    assert n > 0
    told = kvsim.simulate({**slow, "warmup": {"kind": "requests", "num_requests": n}})
    assert told.summary == found.summary
    assert found.summary["mean_itl_ms"] != kvsim.simulate(slow).summary["mean_itl_ms"]


def test_a_fleet_of_one_leaves_out_the_same_gaps() -> None:
    scenario = {**BUSY, "record": "requests", "warmup": {"kind": "requests", "num_requests": 80}}
    alone = kvsim.simulate(scenario).summary
    fleet = kvsim.simulate({**scenario, "fleet": {"num_servers": 1}}).summary
    names = [n for n in alone if n.endswith("_itl_ms")]
    assert [fleet[n] for n in names] == [alone[n] for n in names]
