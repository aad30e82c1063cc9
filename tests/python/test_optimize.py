"""Searches: the load within an SLO, configurations that nothing beats, TTFT against TPOT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import kvsim
from kvsim import costs, design, plots, queueing

mpl.use("Agg")
# A token-level server that is an M/D/1 queue: one request at a time, each 20 ms + 4 steps.
QUEUE = {
    "engine": {"num_gpu_blocks": 1000, "max_num_seqs": 1, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {
        "num_requests": 3000,
        "lengths": {"kind": "fixed", "prompt_tokens": 16, "output_tokens": 4},
    },
}
SERVED = {
    "model": "llama-3-8b",
    "gpu": "h100-sxm",
    "workload": {
        "num_requests": 150,
        "lengths": {"kind": "fixed", "prompt_tokens": 300, "output_tokens": 60},
        "arrivals": {"kind": "poisson", "rate_per_s": 10},
    },
}
SPACE: dict[str, Any] = {
    "tensor_parallel_size": [1, 2, 4],
    "engine.max_num_seqs": [16, 64],
    "quantization": {"none": {}, "fp8": {"weight_dtype": "fp8"}},
}
GOALS = ["usd_per_million_output_tokens", "p99_e2el_ms"]
PRICE = costs.Rented(3.0)


def test_the_highest_rate_within_an_slo_is_that_of_theory() -> None:
    found = kvsim.capacity(QUEUE, {"mean_e2el_ms": 60}, precision=0.01, replications=8)
    # Mean time in M/D/1 is S + rho S / (2 (1 - rho)).
    service = 1 / found.backlog_per_s
    rate = found.rate_per_s
    predicted = 1e3 * (service + queueing.md1_mean_wait_s(rate, service))
    assert 52 < predicted < 61
    assert found.fails_at_per_s is not None
    assert found.fails_at_per_s - rate <= 0.011 * found.backlog_per_s
    assert found.binding == "mean_e2el_ms <= 60 is broken"
    below = [row for row in found.rows if row["rate_per_s"] <= rate]
    assert all(row["met"] for row in below)


def test_more_confidence_means_less_load() -> None:
    sure = kvsim.capacity(QUEUE, {"p99_ttft_ms": 150}, confidence=0.999, replications=4)
    bold = kvsim.capacity(QUEUE, {"p99_ttft_ms": 150}, confidence=0.6, replications=4)
    assert sure.rate_per_s <= bold.rate_per_s
    assert "99.9%" in str(sure).replace("100%", "99.9%")
    assert sure.plot() is not None


def test_an_slo_that_no_rate_keeps_says_so() -> None:
    found = kvsim.capacity(QUEUE, kvsim.SLO(ttft_ms=1), precision=0.2, replications=2)
    assert found.rate_per_s == 0
    assert "no rate from" in str(found)
    assert json.dumps(found.to_dict())


def test_the_scenarios_own_slo_is_taken() -> None:
    base = {**QUEUE, "slo": {"ttft_ms": 150}}
    found = kvsim.capacity(base, percentile="mean", precision=0.1, replications=2)
    assert [str(limit) for limit in found.limits] == ["mean_ttft_ms <= 150"]


@pytest.fixture(scope="module")
def grid() -> kvsim.OptimizeResult:
    return kvsim.optimize(SERVED, SPACE, GOALS, price=PRICE, final_replications=4)


def test_nothing_beats_the_pareto_set(grid: kvsim.OptimizeResult) -> None:
    assert grid.method == "grid"
    assert len(grid.tried) == 12
    assert grid.pareto
    for mine in grid.pareto:
        assert mine.feasible
        assert mine.confirmed
        for other in grid.finalists:
            worse = [other.figures[g][0] >= mine.figures[g][0] for g in GOALS]
            assert any(worse) or other is mine
        mean, low, high = mine.figures[GOALS[0]]
        assert low < mean < high
    costs_ = [c.figures[GOALS[0]][0] for c in grid.pareto]
    assert costs_ == sorted(costs_)
    assert grid.best is grid.pareto[0]
    assert grid.plot() is not None
    assert json.dumps(grid.to_dict())
    assert len(grid.to_pandas()) == len(grid.pareto)


def test_finalists_have_fresh_seeds(grid: kvsim.OptimizeResult) -> None:
    best = grid.pareto[0]
    again = kvsim.sweep(
        {**SERVED, "seed": 3}, [best.point], replications=4, confidence=0.95
    )  # after the search's seeds 0, 1, 2
    mean, low, high = costs.intervals(again, GOALS[0], PRICE)
    assert best.figures[GOALS[0]] == pytest.approx((mean[0], low[0], high[0]))


def test_limits_are_kept_with_confidence() -> None:
    free = kvsim.optimize(SERVED, SPACE, GOALS[0], price=PRICE, final_replications=4)
    assert free.best is not None
    latency = kvsim.sweep(SERVED, [free.best.point])["p99_e2el_ms"][0]
    limited = kvsim.optimize(
        SERVED, SPACE, GOALS[0], {"p99_e2el_ms": 0.8 * latency}, price=PRICE, final_replications=4
    )
    assert limited.best is not None
    assert limited.best.figures["p99_e2el_ms"][2] <= 0.8 * latency
    assert limited.best.figures[GOALS[0]][0] > free.best.figures[GOALS[0]][0]
    none = kvsim.optimize(SERVED, SPACE, GOALS[0], {"p99_e2el_ms": 1.0}, price=PRICE)
    assert none.best is None
    assert "none feasible: p99_e2el_ms <= 1: 12" in str(none)


def test_a_search_finds_what_the_grid_finds_and_is_reproducible(
    grid: kvsim.OptimizeResult, tmp_path: Path
) -> None:
    def search(storage: Path | None) -> kvsim.OptimizeResult:
        return kvsim.optimize(
            SERVED, SPACE, GOALS, price=PRICE, method="search", trials=40, seed=1,
            final_replications=4, storage=storage,
        )  # fmt: skip

    first = search(tmp_path)
    assert first.method == "search"
    chosen = {tuple(c.chosen.items()) for c in first.pareto}
    assert chosen & {tuple(c.chosen.items()) for c in grid.pareto}
    # Started again it finds every answer in the store; without one it asks the same questions.
    rows = kvsim.Store(tmp_path).table().num_rows
    assert search(tmp_path).to_dict() == first.to_dict()
    assert kvsim.Store(tmp_path).table().num_rows == rows
    assert search(None).to_dict() == first.to_dict()


def test_ranges_and_conditions_are_searched() -> None:
    space = {
        "engine.enable_prefix_caching": [True, False],
        "engine.block_size": design.only_if({"engine.enable_prefix_caching": True}, [16, 32]),
        "engine.max_num_seqs": design.Integers(8, 64, log=True),
        "engine.gpu_memory_utilization": design.Uniform(0.7, 0.95),
    }
    found = kvsim.optimize(SERVED, space, "p99_e2el_ms", trials=16, replications=1)
    assert found.method == "search"
    for c in found.tried:
        assert ("engine.block_size" in c.chosen) == c.chosen["engine.enable_prefix_caching"]
        assert 8 <= c.chosen["engine.max_num_seqs"] <= 64
    with pytest.raises(kvsim.ConfigError, match="'grid' with a range"):
        kvsim.optimize(SERVED, space, "p99_e2el_ms", method="grid")


def test_configurations_that_cannot_run_stay_in_the_list() -> None:
    space = {"tensor_parallel_size": [1, 3], "engine.max_num_seqs": [16]}
    found = kvsim.optimize(SERVED, space, "p99_e2el_ms", final_replications=2)
    assert [c.status for c in found.tried] == ["ok", "invalid"]
    assert not found.tried[1].feasible


def test_parts_of_ttft_and_tpot_add_up() -> None:
    result = kvsim.simulate({**SERVED, "record": "requests"})
    for metric in ("ttft", "tpot"):
        parts = result.waterfall(metric)
        assert parts.total_ms == pytest.approx(result.summary[f"mean_{metric}_ms"], rel=1e-12)
    one = result.waterfall("tpot", request=3)
    assert one.total_ms == pytest.approx(result.requests["tpot_ns"][3] / 1e6, rel=1e-12)
    tail = result.waterfall("tpot", percentile=99)
    assert tail.total_ms == pytest.approx(result.summary["p99_tpot_ms"], rel=0.02)


def test_levers_move_ttft_and_tpot_apart() -> None:
    base = {**SERVED, "workload": {
        "num_requests": 400, "arrivals": {"kind": "poisson", "rate_per_s": 20},
        "lengths": {"kind": "fixed", "prompt_tokens": 1000, "output_tokens": 100}}}  # fmt: skip
    found = kvsim.latency_tradeoff(base, batches=[4, 64], chunks=[256, 8192], loads=[0.2, 0.9])
    small, large = found.of("batch")
    assert small["mean_ttft_ms"] > large["mean_ttft_ms"]
    assert small["mean_tpot_ms"] < large["mean_tpot_ms"]
    low, high = found.of("load")
    assert low["mean_ttft_ms"] < high["mean_ttft_ms"]
    assert low["mean_tpot_ms"] < high["mean_tpot_ms"]
    assert found.ttft.total_ms == pytest.approx(sum(found.ttft.parts_ms.values()))
    assert found.plot() is not None
    assert json.dumps(found.to_dict())
    with pytest.raises(kvsim.ConfigError, match="lever: got 'speed'"):
        found.of("speed")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kvsim.optimize(SERVED, {}, "p99_ttft_ms"), "space: got {}; allowed: at least one"),
        (lambda: kvsim.optimize(SERVED, {"seed": []}, "p99_ttft_ms"), r"space\['seed'\]: got no"),
        (
            lambda: kvsim.optimize(SERVED, {"engine.max_seqs": [1]}, "p99_ttft_ms"),
            "unknown path 'engine.max_seqs'",
        ),
        (lambda: kvsim.optimize(SERVED, SPACE, []), "objectives: got none"),
        (lambda: kvsim.optimize(SERVED, SPACE, "p99_ttf_ms"), "did you mean 'p99_ttft_ms'"),
        (
            lambda: kvsim.optimize(SERVED, SPACE, {"p99_ttft_ms": "least"}),
            "got 'least'; allowed: minimize, maximize",
        ),
        (
            lambda: kvsim.optimize(SERVED, SPACE, "p99_ttft_ms", {"p99_tpt_ms": 5}),
            "constraints: got 'p99_tpt_ms'; did you mean 'p99_tpot_ms'",
        ),
        (
            lambda: kvsim.optimize(SERVED, SPACE, "p99_ttft_ms", {"p99_tpot_ms": "5"}),
            "allowed: the most that it may be",
        ),
        (lambda: kvsim.optimize(SERVED, SPACE, "p99_ttft_ms", trials=0), "trials: got 0"),
        (lambda: kvsim.optimize(SERVED, SPACE, "p99_ttft_ms", method="x"), "method: got 'x'"),
        (
            lambda: kvsim.optimize(
                SERVED,
                {"engine.max_num_seqs": [4], "batch": {"a": {"engine.max_num_seqs": 8}}},
                "p99_ttft_ms",
            ),
            "sets engine.max_num_seqs, as 'engine.max_num_seqs' does",
        ),
        (lambda: kvsim.capacity(QUEUE), "slo: got no limit"),
        (lambda: kvsim.capacity(QUEUE, {"p99": 5}), "slo: got 'p99'"),
        (lambda: kvsim.capacity(QUEUE, {"ttft_ms": 5}, percentile="p42"), "percentile: got 'p42'"),
        (lambda: kvsim.capacity(QUEUE, {"ttft_ms": 5}, confidence=0.4), "confidence: got 0.4"),
        (lambda: kvsim.capacity(QUEUE, {"ttft_ms": 5}, replications=1), "replications: got 1"),
        (lambda: kvsim.capacity(QUEUE, {"ttft_ms": 5}, precision=0), "precision: got 0"),
        (
            lambda: kvsim.capacity(
                {**QUEUE, "workload": {**QUEUE["workload"], "arrivals": {"kind": "burst"}}},
                {"ttft_ms": 5},
            ),
            "allowed: one with a rate",
        ),
        (lambda: kvsim.latency_tradeoff(QUEUE, loads=[0]), "loads: got 0"),
    ],
)
def test_bad_searches_are_refused(call: Any, message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        call()


def test_pictures_of_nothing_are_errors(grid: kvsim.OptimizeResult) -> None:
    with pytest.raises(ValueError, match="figures: got"):
        plots.cost_latency_frontier(grid, x="p99_ttft_ms")


def test_the_command_line_searches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kvsim.cli import main

    file = tmp_path / "scenario.json"
    file.write_text(json.dumps(SERVED))

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main([*arguments])
        shown = capsys.readouterr()
        return int(str(left.value.code)), shown.out + shown.err

    code, text = run(
        "optimize", str(file), "--axis", "tensor_parallel_size=1,2", "--minimize",
        "usd_per_request", "--limit", "p99_ttft_ms<=5000", "--usd-per-gpu-hour", "3", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(text)["pareto"][0]["tensor_parallel_size"] == 1
    code, text = run("capacity", str(file), "--limit", "p99_ttft_ms<=x")
    assert (code, "allowed: FIGURE<=NUMBER" in text) == (2, True)
    code, text = run("tradeoff", str(file), "--out", str(tmp_path))
    assert code == 0
    assert (tmp_path / "latency_tradeoff.png").exists()
    assert np.isfinite(kvsim.simulate(SERVED).summary["p99_ttft_ms"])
