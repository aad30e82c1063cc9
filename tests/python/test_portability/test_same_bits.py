"""The same scenario gives the same result, byte for byte, on every platform."""

import csv
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

import kvsim
from fleet_cases import random_fleet
from hosts import EngineError, Run
from kvsim import datasets
from kvsim._verify import case_scenario

GOLDEN = Path(__file__).parents[2] / "golden"


def random_scenario(seed: int) -> dict[str, Any]:
    """Return a scenario that uses many of the engine's parts, some by chance."""
    rng = random.Random(seed)
    rate = rng.uniform(2, 20)
    arrivals = rng.choice(
        [
            {"kind": "poisson", "rate_per_s": rate},
            {"kind": "gamma", "rate_per_s": rate, "cv": rng.uniform(0.3, 3)},
            {"kind": "deterministic", "rate_per_s": rate},
            {"kind": "closed_loop", "concurrency": rng.randint(1, 40), "think_time_ms": 7.5},
        ]
    )
    lengths = rng.choice(
        [
            {"kind": "lognormal", "prompt_mean_tokens": 700, "output_mean_tokens": 90},
            {"kind": "uniform", "prompt_min_tokens": 1, "prompt_max_tokens": 2000},
            {"kind": "random_range", "random_input_len": 500, "random_range_ratio": 0.7},
        ]
    )
    lengths |= {"lognormal": {"prompt_max_tokens": 6000, "output_max_tokens": 900}}.get(
        lengths["kind"], {}
    )
    prefixes = rng.choice(
        [
            {"kind": "none"},
            {"kind": "groups", "num_groups": 5, "prefix_tokens": 200, "zipf_exponent": 1.1},
        ]
    )
    if arrivals["kind"] != "closed_loop" and rng.random() < 0.4:
        prefixes = {"kind": "sessions", "turns": 3, "think_time_s": 2.5}
    step_time = {"kind": rng.choice(["affine", "roofline", "polynomial", "kernels"])}
    return {
        "model": "llama-3-70b",
        "gpu": "h100-sxm",
        "tensor_parallel_size": 4,
        "weight_dtype": rng.choice(["bf16", "fp8"]),
        "engine": {
            "block_size": rng.choice([8, 16, 32]),
            "num_gpu_blocks": rng.randint(3000, 5000),
            "max_model_len": 24000,
            "max_num_seqs": rng.choice([8, 64, 256]),
            "max_num_batched_tokens": rng.choice([512, 2048, 8192]),
            "enable_prefix_caching": rng.random() < 0.7,
            "scheduling_policy": rng.choice(["fcfs", "priority"]),
        },
        "step_time": step_time,
        "workload": {
            "arrivals": arrivals,
            "lengths": lengths,
            "prefixes": prefixes,
            "num_requests": 400,
            "priority_levels": rng.choice([1, 3]),
        },
        "slo": {"ttft_ms": 300, "tpot_ms": 40},
        "record": "all",
        "mode": rng.choice(["leap", "step"]),
        "seed": rng.randrange(2**63),
    }


@pytest.mark.parametrize("seed", range(12))
def test_random_scenarios(native: Run, elsewhere: Run, seed: int) -> None:
    scenario = json.dumps(random_scenario(seed))
    assert elsewhere(scenario, {}) == native(scenario, {})


@pytest.mark.parametrize("seed", range(12))
def test_random_fleets(native: Run, elsewhere: Run, seed: int) -> None:
    scenario = json.dumps(random_fleet(seed))
    assert elsewhere(scenario, {}) == native(scenario, {})


@pytest.mark.parametrize("mode", ["step", "leap"])
@pytest.mark.parametrize(
    "case",
    [
        "sync/o02_mempressure",
        "sync/o09_prefix_evict",
        "sync/o16_prio_prefix",
        "sync/o19_draft_model",
        "async_pp/q04_async_prefix_evict",
        "async_pp/q12_async_pp4",
    ],
)
def test_golden_cases(elsewhere: Run, case: str, mode: str) -> None:
    folder = GOLDEN / case
    config, trace = datasets.from_vllm_case(folder)
    scenario = json.dumps(case_scenario(config, trace, mode))
    steps = json.loads(elsewhere(scenario, {"case": trace}))["steps"]
    with gzip.open(folder / "steps.csv.gz", "rt", newline="") as file:
        recorded = list(csv.DictReader(file))
    assert [f"{hashed:016x}" for hashed in steps["blocks_hash"]] == [
        r["blocks_h"] for r in recorded
    ]
    assert steps["dur_ns"] == [int(row["dur_ns"]) for row in recorded]
    assert steps["running"] == [int(row["running"]) for row in recorded]


@pytest.mark.parametrize("name", ["azure-2023-conversation", "mooncake-conversation"])
def test_traces(native: Run, elsewhere: Run, name: str) -> None:
    trace = datasets.load(name)
    scenario = random_scenario(0)
    scenario["workload"] = {
        "arrivals": {"kind": "trace"},
        "lengths": {"kind": "dataset", "name": name},
        "prefixes": {"kind": "trace" if trace.hash_ids is not None else "none"},
        "num_requests": 500,
    }
    scenario["engine"] |= {"num_gpu_blocks": 20000, "max_model_len": 200000}
    text = json.dumps(scenario)
    assert elsewhere(text, {name: trace}) == native(text, {name: trace})


def test_python_sees_the_same_result(native: Run) -> None:
    scenario = random_scenario(3)
    here = json.loads(native(json.dumps(scenario), {}))
    result = kvsim.simulate(scenario)
    for name, column in here["requests"].items():
        assert result.requests[name].tolist() == column, name
    for name, value in here["summary"].items():
        assert result.summary[name] == value, name


def test_errors_are_the_same(native: Run, elsewhere: Run) -> None:
    scenario = json.dumps({"workload": {"arrivals": {"kind": "poisson", "rate_per_s": -1}}})
    with pytest.raises(EngineError) as here:
        native(scenario, {})
    with pytest.raises(EngineError) as there:
        elsewhere(scenario, {})
    assert str(here.value) == str(there.value)
    assert "workload.arrivals.rate_per_s: got -1" in str(here.value)
