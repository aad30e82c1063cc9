"""Costs of GPUs, runs, sweeps and of a model's life."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvsim
from kvsim import costs
from kvsim.costs import Owned, Rented, ServingLife

ONE = {"workload": {"num_requests": 1}}
SCENARIO = {
    "model": "llama-3-8b",
    "gpu": "h100-sxm",
    "workload": {
        "arrivals": {"kind": "poisson", "rate_per_s": 4},
        "num_requests": 300,
        "lengths": {"kind": "fixed", "prompt_tokens": 200, "output_tokens": 50},
    },
    "slo": {"ttft_ms": 200},
}


def test_the_dominance_law_of_the_reference_is_exact() -> None:
    life = ServingLife(training_usd=2e6, usd_per_query=0.001, queries_per_day=1e6 * 50)
    assert life.serving_usd(365) == 18.25e6
    assert life.serving_usd(365) / life.training_usd == 9.125
    assert life.break_even_days == 40
    assert life.gain(0.1, 365).usd == pytest.approx(1.825e6, rel=1e-15)
    assert life.serving_share(365) == pytest.approx(18.25 / 20.25, rel=1e-15)
    assert life.cumulative_usd([0, 365]).tolist() == [2e6, 20.25e6]


@given(
    training=st.floats(1, 1e9),
    query=st.floats(1e-6, 1),
    traffic=st.floats(1, 1e9),
    growth=st.floats(-0.5, 5),
)
def test_at_break_even_serving_has_cost_the_training(
    training: float, query: float, traffic: float, growth: float
) -> None:
    life = ServingLife(training, query, traffic, growth)
    day = life.break_even_days
    if math.isfinite(day):
        assert life.serving_usd(day) == pytest.approx(training, rel=1e-6)
        assert life.serving_share(day) == pytest.approx(0.5, rel=1e-6)
    else:
        assert growth < 0
        assert life.serving_usd(1e7) < training


def test_costs_of_a_run_are_the_price_over_what_it_did() -> None:
    result = kvsim.simulate(SCENARIO)
    s = result.summary
    cost = costs.serving_cost(result, Rented(3.6))
    assert cost.gpus == 1
    assert cost.usd_per_hour == 3.6
    hours = s["duration_s"] / 3600
    assert cost.usd_per_request == pytest.approx(3.6 * hours / s["completed"])
    assert cost.usd_per_million_output_tokens == pytest.approx(
        3.6e6 * hours / s["total_output_tokens"]
    )
    within = cost.usd_per_request * s["request_throughput"] / s["request_goodput"]
    assert cost.usd_per_good_request == pytest.approx(within)
    users = s["mean_running"] + s["mean_waiting"]
    assert cost.usd_per_concurrent_user_hour == pytest.approx(3.6 / users)
    gpu = kvsim.catalog.gpu("h100-sxm")
    power = gpu.idle_w + (gpu.tdp_w - gpu.idle_w) * s["utilization"]
    assert cost.gpu_energy_per_output_token_j == pytest.approx(power / s["output_throughput"])
    without = kvsim.simulate({**SCENARIO, "slo": {}})
    assert costs.serving_cost(without, Rented(3.6)).usd_per_good_request is None


def test_an_owned_gpu_costs_capital_and_electricity() -> None:
    price = Owned(
        87600, amortization_years=5, usd_per_kwh=0.1, pue=1.5, host_w_per_gpu=300,
        upkeep_per_year=0.1,
    )  # fmt: skip
    assert price.usd_per_hour(700) == pytest.approx(2 + 1 + 1.5 * 0.1)
    result = kvsim.simulate(SCENARIO)
    cost = costs.serving_cost(result, price)
    assert cost.usd_per_hour == pytest.approx(price.usd_per_hour(cost.gpu_power_w))


def test_every_gpu_of_a_fleet_is_paid_for() -> None:
    fleet = {"groups": [{"count": 2}, {"count": 1, "gpu": "a100-80", "tensor_parallel_size": 2}]}
    scenario = {**SCENARIO, "fleet": fleet}
    assert costs.gpus_of(scenario) == {"h100-sxm": 2, "a100-80": 2}
    prices = {"h100-sxm": Rented(3.0), "a100-80": Rented(1.5)}
    assert costs.serving_cost(kvsim.simulate(scenario), prices).usd_per_hour == 9.0
    with pytest.raises(kvsim.ConfigError, match="a100-80"):
        costs.serving_cost(kvsim.simulate(scenario), {"h100-sxm": Rented(3.0)})
    pipelined = {**SCENARIO, "tensor_parallel_size": 2, "pipeline_parallel_size": 2}
    assert costs.gpus_of(pipelined) == {"h100-sxm": 4}


def test_costs_of_a_sweep_are_those_of_its_runs() -> None:
    axes = {"tensor_parallel_size": [1, 2], "fleet.num_servers": [1, 3]}
    table = kvsim.sweep(SCENARIO, axes)
    columns = costs.columns(table, Rented(2.0))
    assert columns["gpus"].tolist() == [1, 3, 2, 6]
    for row, point in enumerate(table.points):
        fleet = {"num_servers": point["fleet.num_servers"]}
        tp = point["tensor_parallel_size"]
        alone = kvsim.simulate({**SCENARIO, "tensor_parallel_size": tp, "fleet": fleet})
        cost = costs.serving_cost(alone, Rented(2.0))
        for name, value in cost.to_dict().items():
            assert columns[name][row] == pytest.approx(value)


def test_costs_over_replications_have_intervals() -> None:
    table = kvsim.sweep(SCENARIO, {"tensor_parallel_size": [1, 2, 3]}, replications=4)
    mean, low, high = costs.intervals(table, "usd_per_request", Rented(2.0))
    runs = table.runs
    for row in (0, 1):
        tp = row + 1
        mine = np.array(runs.axis("tensor_parallel_size")) == tp
        per_run = 2.0 * tp / 3600 / runs["request_throughput"][mine]
        assert mean[row] == pytest.approx(per_run.mean())
        expected = kvsim.statistics.replications(per_run)
        assert (low[row], high[row]) == pytest.approx((expected.low, expected.high))
    assert np.isnan(mean[2])  # three do not divide the heads


def test_prices_have_source_and_date() -> None:
    rows = costs.price_table()
    assert {row["kind"] for row in rows} == {"rented", "owned"}
    for row in rows:
        assert row["gpu"] in kvsim.catalog.gpus()
        assert row["as_of"]
        assert "http" in row["source"] or "docs.google.com" in row["source"]
        if row["kind"] == "rented":
            assert row["low"] <= row["usd"] <= row["high"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rented(-1), "usd_per_gpu_hour: got -1; allowed: a number, 0 or more"),
        (lambda: Rented(float("nan")), "usd_per_gpu_hour: got nan"),
        (lambda: Owned(-5), "capital_usd_per_gpu: got -5"),
        (lambda: Owned(5, amortization_years=0), "amortization_years: got 0; allowed: .* above 0"),
        (lambda: Owned(5, pue=0.9), "pue: got 0.9; allowed: a number, 1 or more"),
        (lambda: Owned(5, usd_per_kwh=-0.1), "usd_per_kwh: got -0.1"),
        (lambda: costs.price("l4"), "no rented price; allowed: h100-sxm, a100-80, h200"),
        (lambda: costs.price("l4", "bought"), "kind: got 'bought'; allowed: rented, owned"),
        (lambda: ServingLife(-1, 1, 1), "training_usd: got -1"),
        (lambda: ServingLife(1, 1, 1, -1), "growth_per_year: got -1"),
        (lambda: ServingLife(1, True, 1), "usd_per_query: got True"),
        (lambda: ServingLife(1, 1, 1).gain(1.5), "share: got 1.5"),
        (lambda: ServingLife(1, 1, 1).serving_usd(-1), "days: got -1"),
        (lambda: costs.gpus_of({"workload": {"num_requests": 1}}), "gpu: got null"),
        (
            lambda: costs.gpus_of({**ONE, "fleet": {"server": {"kind": "one_shot"}}}),
            "one-shot servers, which have no GPU",
        ),
    ],
)
def test_bad_prices_are_refused(make: object, message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        make()  # type: ignore[operator]


def test_a_cost_that_does_not_exist_names_the_nearest() -> None:
    table = kvsim.sweep(SCENARIO, {"seed": [1]})
    with pytest.raises(KeyError, match="usd_per_request"):
        costs.intervals(table, "usd_per_requests")


def test_the_command_line_prints_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kvsim.cli import main

    file = tmp_path / "scenario.json"
    file.write_text(json.dumps(SCENARIO))
    with pytest.raises(SystemExit) as left:
        main(["costs", "run", str(file), "--usd-per-gpu-hour", "3.6", "--json"])
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["usd_per_hour"] == 3.6
    with pytest.raises(SystemExit) as left:
        main(["costs", "run", str(file), "--usd-per-gpu-hour", "-1"])
    assert left.value.code == 2
    assert "usd_per_gpu_hour: got -1" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["costs", "dominance", "--json"])
    assert json.loads(capsys.readouterr().out)["break_even_days"] == 40
