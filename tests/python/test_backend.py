"""What a backend needs: JSON and its schema, limits, threads, a cache."""

import json
import subprocess
import sys
import threading
from typing import Any

import jsonschema
import pytest

import kvsim
from kvsim.errors import ConfigError

RATE = "workload.arrivals.rate_per_s"
SEQS = "engine.max_num_seqs"
BASE: dict[str, Any] = {
    "engine": {"num_gpu_blocks": 300, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {"num_requests": 300},
}
AXES = {RATE: [0.5, 2.0, 6.0, 9.0, 50.0], SEQS: [4, 64, 0]}


def valid(kind: str, value: Any) -> None:
    jsonschema.validate(value, kvsim.json_schema(kind), cls=jsonschema.Draft202012Validator)


def test_a_cache_keeps_no_row_that_memory_did_not_suffice_for() -> None:
    cache = kvsim.SweepCache()
    huge = {"workload.num_requests": [10, 10**9]}
    first = kvsim.sweep(BASE, huge, cache=cache)
    assert first.status == ["ok", "invalid"]
    assert "fits into memory" in first.reason[1]
    assert len(cache) == 0
    assert kvsim.sweep(BASE, huge, cache=cache) is not first
    kvsim.sweep(BASE, {"workload.num_requests": [10, 0]}, cache=cache)
    assert len(cache) == 1, "a value that is not allowed stays so"


def test_the_json_of_a_sweep() -> None:
    answer = json.loads(kvsim.sweep(BASE, AXES).to_json(metric="p99_e2el_ms"))
    valid("sweep", answer)
    assert answer["schema_version"] == 1
    assert answer["seed"] == 0
    assert answer["inputs"]["axes"] == AXES
    assert len(answer["points"]) == 15
    for i in answer["frontier"]:
        assert answer["points"][i]["status"] == "ok"
    knees = {k["at"][SEQS]: k["knee"] for k in answer["knees"]}
    assert set(knees) == {4, 64, 0}
    assert knees[4]["offered_per_s"] < 50
    assert knees[0] is None
    limits = {p["binding_constraint"] for p in answer["points"]}
    assert limits >= {"arrivals", "max_num_seqs", None}
    assert answer["provenance"]["kvsim_version"] == kvsim.__version__


@pytest.mark.parametrize(
    "options", [{}, {"replications": 3}, {"intervals": "batch_means"}, {"deadline_s": 1e-6}]
)
def test_every_kind_of_sweep_keeps_the_schema(options: dict[str, Any]) -> None:
    design = kvsim.design.sobol({RATE: kvsim.design.Uniform(1, 9), "workload.lengths": [
        {"kind": "fixed"}, {"kind": "uniform"}]}, 8)  # fmt: skip
    valid("sweep", json.loads(kvsim.sweep(BASE, design, **options).to_json()))


@pytest.mark.parametrize("change", [{"points": 3}, {"schema_version": 2}, {"frontier": [-1]}])
def test_the_schema_of_sweeps_refuses_what_is_none(change: dict[str, Any]) -> None:
    answer = json.loads(kvsim.sweep(BASE, {SEQS: [4]}).to_json())
    valid("sweep", answer)
    with pytest.raises(jsonschema.ValidationError):
        valid("sweep", {**answer, **change})


@pytest.mark.parametrize(
    "scenario",
    [
        BASE,
        {"model": "llama-3-8b", "gpu": "h100-sxm", "workload": {"lengths": "sharegpt-300"}},
        {"warmup": {"kind": "requests", "num_requests": 3}, "slo": {"ttft_ms": 5}},
        {"workload": {"arrivals": {"kind": "closed_loop", "concurrency": 4}, "num_requests": 3}},
        {"engine": "vllm-0.33"},
        {"engine": {"preset": "vllm-0.33", "block_size": 32}},
        {"fleet": {"num_servers": 2, "router": {"kind": "random"}, "groups": [{"count": 2}]}},
    ],
)
def test_the_schema_of_scenarios(scenario: dict[str, Any]) -> None:
    valid("scenario", scenario)


def test_canonical_scenarios_keep_the_schema() -> None:
    fleet = {
        "workload": BASE["workload"],
        "fleet": {"server": {"kind": "one_shot"}, "power": {"idle_mw": 1}},
    }
    for scenario in (BASE, fleet, {**BASE, "engine": "vllm-0.33"}):
        valid("scenario", kvsim.Scenario.from_dict(scenario).to_dict())


@pytest.mark.parametrize(
    "scenario",
    [
        {"engine": {"block_size": 0}},
        {"engine": {"blocksize": 16}},
        {"engine": "vllm-0.3"},
        {"fleet": {"servers": 2}},
        {"workload": {"arrivals": {"kind": "poisson", "cv": 2}}},
        {"weight_dtype": "int3"},
        {"seed": -1},
        {"model": 3},
    ],
)
def test_the_schema_of_scenarios_refuses_what_kvsim_refuses(scenario: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        valid("scenario", scenario)
    with pytest.raises(ConfigError):
        kvsim.simulate({**BASE, **scenario})


def test_the_command_prints_the_schema() -> None:
    command = [sys.executable, "-m", "kvsim", "schema", "sweep"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == kvsim.json_schema("sweep")
    with pytest.raises(ConfigError, match="schema: got 'model'"):
        kvsim.json_schema("model")


def test_limits_on_memory() -> None:
    kvsim.sweep(BASE, {"seed": [1]}, max_memory_gb=0.1)
    for axes in (
        {"workload.num_requests": [10**8]},
        {"workload": [{"num_requests": 10**8}]},
        {"seed": range(900_000)},
    ):
        with pytest.raises(ConfigError, match=r"max_memory_gb: the sweep needs about .* GB"):
            kvsim.sweep(BASE, axes, max_memory_gb=0.5)
    with pytest.raises(ConfigError, match="max_memory_gb: got 0"):
        kvsim.sweep(BASE, {"seed": [1]}, max_memory_gb=0)
    rates = {RATE: range(1, 10**5)}
    with pytest.raises(ConfigError, match="max_memory_gb: the sweep"):
        kvsim.sweep(BASE, rates, replications=10, max_memory_gb=0.9)


def test_a_trace_counts_with_its_rows() -> None:
    base = {**BASE, "workload": {"lengths": "mooncake-conversation"}}
    with pytest.raises(ConfigError, match="max_memory_gb"):
        kvsim.sweep(base, {"seed": [1]}, max_memory_gb=0.05)


def test_threads_share_everything() -> None:
    expected = kvsim.sweep(BASE, AXES).to_json()
    answers: list[str] = []

    def ask() -> None:
        answers.append(kvsim.sweep(dict(BASE), dict(AXES), threads=2).to_json())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 8


def test_the_cache_knows_equal_inputs() -> None:
    cache = kvsim.SweepCache(2)
    scenario = kvsim.Scenario.from_dict(BASE)
    first = kvsim.sweep(BASE, AXES, cache=cache)
    assert kvsim.sweep(scenario, kvsim.design.grid(AXES), cache=cache) is first
    assert kvsim.sweep(scenario.to_json(), AXES, cache=cache, threads=1) is first
    others: list[dict[str, Any]] = [
        {"base": {**BASE, "seed": 1}},
        {"axes": {**AXES, SEQS: [4, 64]}},
        {"replications": 2},
        {"record": "requests"},
    ]
    for change in others:
        call = {"base": BASE, "axes": AXES, **change}
        other = kvsim.sweep(call.pop("base"), call.pop("axes"), cache=cache, **call)
        assert other is not first
    assert (len(cache), cache.hits, cache.misses) == (2, 2, 5)
    assert kvsim.sweep(BASE, AXES, cache=cache) is not first, "dropped: the least recently used"


def test_the_cache_tells_traces_apart() -> None:
    cache = kvsim.SweepCache()
    base = {**BASE, "workload": {"lengths": "mine"}}
    totals = []
    for tokens in (40, 50, 40):
        trace = kvsim.Trace(prompt_tokens=[tokens], output_tokens=[3])  # type: ignore[arg-type]
        result = kvsim.sweep(base, {"seed": [1]}, datasets={"mine": trace}, cache=cache)
        totals.append(result["total_input_tokens"][0])
    assert totals == [40, 50, 40]
    assert cache.hits == 1


def test_the_cache_simulates_once_for_many_threads_and_keeps_nothing_unfinished() -> None:
    cache = kvsim.SweepCache()
    results: list[kvsim.SweepResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(kvsim.sweep(BASE, AXES, cache=cache)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.misses == 1
    assert len({id(result) for result in results}) == 1
    stopped = threading.Event()
    stopped.set()
    cut = kvsim.sweep(BASE, {"seed": range(1000)}, cancel=stopped, cache=cache)
    assert cut.unfinished
    assert len(cache) == 1
    with pytest.raises(ConfigError, match="max_entries: got 0"):
        kvsim.SweepCache(0)
