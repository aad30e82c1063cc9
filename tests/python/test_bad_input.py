"""Wrong input: each is an error that names the field, the value and what is allowed."""

import json
import re
from typing import Any

import numpy as np
import pytest

import kvsim

BASE: dict[str, Any] = {
    "engine": {"num_gpu_blocks": 500, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {"num_requests": 10},
}
MODEL = {"model": "llama-3-70b", "gpu": "h100-sxm", "tensor_parallel_size": 8}


def changed(path: str, value: Any, base: dict[str, Any] | None = None) -> dict[str, Any]:
    """The base with one field, by its dotted path, at another value."""
    scenario: dict[str, Any] = json.loads(json.dumps(base or BASE))
    *above, last = path.split(".")
    node = scenario
    for part in above:
        node = node.setdefault(part, {})
    node[last] = value
    return scenario


def rate(value: Any) -> dict[str, Any]:
    return changed("workload.arrivals", {"kind": "poisson", "rate_per_s": value})


INFINITE = float("inf")
# (scenario, words that the message has)
CONFIG: dict[str, tuple[Any, list[str]]] = {
    "unknown field": (changed("engine.max_num_seq", 4), ["engine.max_num_seq", "max_num_seqs"]),
    "unknown field at the top": (changed("modle", "x"), ["modle", "model"]),
    "unknown model": (changed("model", "lama-3-70b"), ["model", "lama-3-70b", "llama-3-70b"]),
    "unknown gpu": (changed("gpu", "h100"), ["gpu", "h100", "h100-sxm"]),
    "unknown kind": (changed("workload.arrivals", {"kind": "poison"}), ["arrivals", "poisson"]),
    "unknown dataset": (
        changed("workload.lengths", "azure-2023-conversations"),
        ["workload.lengths.name", '"azure-2023-conversations"', "nearest: azure-2023-conversation"],
    ),
    "unknown choice": (changed("engine.scheduling_policy", "lifo"), ["lifo", "fcfs", "priority"]),
    "negative rate": (rate(-1), ["workload.arrivals.rate_per_s", "-1", "> 0"]),
    "zero rate": (rate(0), ["workload.arrivals.rate_per_s", "> 0"]),
    "NaN rate": (rate(float("nan")), ["workload.arrivals.rate_per_s: got NaN; allowed"]),
    "a rate that takes centuries": (
        rate(1e-300),
        ["workload.arrivals.rate_per_s: got 1e-300; allowed", "146 years"],
    ),
    "a seed beyond uint64": (changed("seed", 2**64), [f"seed: got {2**64};", "2^64"]),
    "a budget below the requests": (
        changed("engine", {"max_num_batched_tokens": 63, "max_num_seqs": 64}),
        ["engine.max_num_batched_tokens: got 63", "max_num_seqs = 64"],
    ),
    "infinite rate": (rate(INFINITE), ["rate_per_s: got Infinity;"]),
    "minus infinity": (rate(-INFINITE), ["rate_per_s: got -Infinity;"]),
    "rate as text": (rate("fast"), ["workload.arrivals.rate_per_s", '"fast"', "number"]),
    "zero requests": (changed("workload.num_requests", 0), ["workload.num_requests", "0", "1"]),
    "no requests": (changed("workload.num_requests", None), ["num_requests", "null", "dataset"]),
    "block size 0": (changed("engine.block_size", 0), ["engine.block_size", "0", "1"]),
    "fractional count": (changed("engine.block_size", 1.5), ["engine.block_size", "1.5"]),
    "truth value for a count": (changed("engine.block_size", True), ["engine.block_size", "true"]),
    "beyond int64": (changed("engine.max_num_seqs", 10**30), ["engine.max_num_seqs", str(10**30)]),
    "lengths beyond int range": (
        changed("workload.lengths", {"kind": "fixed", "prompt_tokens": 2**40}),
        ["workload.lengths.prompt_tokens", str(2**40), "1073741824"],
    ),
    "prompt over max_model_len": (
        changed("workload.lengths", {"kind": "fixed", "prompt_tokens": 5000}),
        ["5000", "max_model_len", "4095"],
    ),
    "TP that does not divide the heads": (
        {**BASE, **MODEL, "tensor_parallel_size": 7},
        ["tensor_parallel_size", "7", "64"],
    ),
    "a list for an object": (changed("engine", [1]), ["engine", "an array", "object"]),
    "an object that is no JSON": (changed("seed", 1) | {"slo": {1, 2}}, ["slo"]),
    "newer schema": (changed("schema_version", 99) | {"news": 1}, ["schema_version", "99", "1"]),
}


@pytest.mark.parametrize("name", CONFIG)
def test_wrong_scenarios(name: str) -> None:
    scenario, words = CONFIG[name]
    with pytest.raises(kvsim.ConfigError) as caught:
        kvsim.simulate(scenario)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    assert isinstance(caught.value, ValueError)


TYPED: dict[str, tuple[Any, str]] = {
    "unknown field": (lambda: kvsim.Engine(max_num_seq=4), "did you mean 'max_num_seqs'"),  # type: ignore[call-arg]
    "range": (lambda: kvsim.Engine(block_size=0), "block_size: got 0; allowed: .*1"),
    "NaN": (lambda: kvsim.Poisson(rate_per_s=float("nan")), "rate_per_s: got NaN; allowed"),
    "type": (lambda: kvsim.SLO(ttft_ms="x"), 'ttft_ms: got "x"'),  # type: ignore[arg-type]
    "nested": (
        lambda: kvsim.Scenario(engine={"block_size": 0}),
        "engine.block_size: got 0",
    ),
    "choice": (lambda: kvsim.Scenario(mode="jump", workload={"num_requests": 1}), "mode: got"),  # type: ignore[arg-type]
    "no JSON": (lambda: kvsim.Scenario(model=object()), "model: got a object"),  # type: ignore[arg-type]
    "no mapping": (lambda: kvsim.Engine.from_dict([1]), "Engine: got a list"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", TYPED)
def test_wrong_objects(name: str) -> None:
    make, message = TYPED[name]
    with pytest.raises(kvsim.ConfigError, match=message):
        make()


def test_pool_smaller_than_a_request() -> None:
    with pytest.raises(kvsim.InfeasibleError, match=r"request 0 needs 40 .*blocks.*only 9"):
        kvsim.simulate(changed("engine.num_gpu_blocks", 10))


def test_model_that_does_not_fit_names_the_missing_gb() -> None:
    scenario = {**MODEL, "tensor_parallel_size": 1, "workload": {"num_requests": 10}}
    with pytest.raises(kvsim.InfeasibleError, match=r"\d+(\.\d+)? GB"):
        kvsim.simulate(scenario)


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.99])
def test_truncated_json(cut: float) -> None:
    text = json.dumps(BASE)
    with pytest.raises(kvsim.ConfigError, match=r"line 1, column \d+"):
        kvsim.simulate(text[: int(cut * len(text))])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"x"', '{"seed": NaN}', '{"seed": 1, "seed": 2}']
)
def test_json_that_is_no_scenario(text: str) -> None:
    with pytest.raises(kvsim.ConfigError):
        kvsim.simulate(text)


@pytest.mark.parametrize("scenario", [None, 3, [1], b"{}"])
def test_what_is_no_scenario_at_all(scenario: Any) -> None:
    with pytest.raises(kvsim.ConfigError, match="scenario: got a "):
        kvsim.simulate(scenario)


def test_arguments() -> None:
    for arguments, message in (
        ({"deadline_s": 0}, "deadline_s: got 0"),
        ({"deadline_s": float("nan")}, "deadline_s: got nan"),
        ({"deadline_s": "1"}, "deadline_s: got '1'"),
        ({"datasets": {"x": [1, 2]}}, r"datasets\['x'\]: got a list"),
    ):
        with pytest.raises(kvsim.ConfigError, match=message):
            kvsim.simulate(BASE, **arguments)  # type: ignore[arg-type]


# ---- traces

COLUMNS = {"arrival_ns": [0, 1, 2], "prompt_tokens": [1, 2, 3], "output_tokens": [1, 1, 1]}
TRACES: dict[str, tuple[dict[str, Any], str]] = {
    "decreasing times": ({"arrival_ns": [0, 5, 3]}, r"row 3, column 'arrival_ns'.*before"),
    "missing times": ({"arrival_ns": [0, 1]}, "column 'arrival_ns': has 2 entries"),
    "not a number": ({"prompt_tokens": [1, "x", 3]}, "column 'prompt_tokens'"),
    "NaN": ({"prompt_tokens": [1, float("nan"), 3]}, "column 'prompt_tokens'"),
    "zero tokens": ({"output_tokens": [1, 0, 1]}, "row 2, column 'output_tokens'.*is 0"),
    "beyond int range": ({"prompt_tokens": [1, 2, 2**31]}, "row 3, column 'prompt_tokens'"),
    "no rows": ({k: np.array([], np.int64) for k in COLUMNS}, "no requests"),
}


@pytest.mark.parametrize("name", TRACES)
def test_wrong_traces(name: str) -> None:
    columns, message = TRACES[name]
    with pytest.raises(ValueError, match=message):
        kvsim.Trace(**{**COLUMNS, **columns})


def test_trace_arrivals_need_times() -> None:
    lengths = kvsim.Trace(prompt_tokens=np.array([5]), output_tokens=np.array([5]))
    scenario = changed("workload", {"arrivals": {"kind": "trace"}, "lengths": "mine"})
    with pytest.raises(kvsim.ConfigError, match=r"workload.arrivals.*mine"):
        kvsim.simulate(scenario, datasets={"mine": lengths})


# ---- sweeps

RATE = "workload.arrivals.rate_per_s"
SWEEPS: dict[str, tuple[Any, str]] = {
    "axis without values": ({RATE: []}, rf"axes\['{re.escape(RATE)}'\]: got no values"),
    "no points": ([], "axes: got no points"),
    "unknown path": ({"engine.max_num_seq": [1]}, "did you mean 'engine.max_num_seqs'"),
    "unknown path in a list": ([{RATE: 1}, {"rate_per_s": 2}], rf"axes\[1\].*'{re.escape(RATE)}'"),
    "a scalar": ({RATE: 5}, "got 5; allowed: a list of values"),
    "a string": ({RATE: "abc"}, "got 'abc'; allowed: a list"),
    "no mapping": (5, "axes: got a int"),
    "a point that is no mapping": ([{RATE: 1}, 3], r"axes\[1\]: got a int"),
    "10^9 points": (
        {"seed": range(1000), RATE: range(1, 1001), "engine.max_num_seqs": range(1, 1001)},
        "1,000,000,000 points; allowed: max_points = 1,000,000",
    ),
    "one huge axis": ({"seed": range(10**12)}, "1,000,000,000,000 points"),
    "an endless axis": ({"seed": iter(range(10**12))}, "1,000,001 points"),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_wrong_axes(name: str) -> None:
    axes, message = SWEEPS[name]
    with pytest.raises(kvsim.ConfigError, match=message):
        kvsim.sweep(BASE, axes)


def test_sweep_arguments() -> None:
    for arguments, message in (
        ({"threads": 0}, "threads: got 0"),
        ({"threads": 1.5}, "threads: got 1.5"),
        ({"record": "everything"}, "record: got 'everything'"),
        ({"progress": 3}, "progress: got a int"),
        ({"deadline_s": -1}, "deadline_s: got -1"),
    ):
        with pytest.raises(kvsim.ConfigError, match=message):
            kvsim.sweep(BASE, {"seed": [1]}, **arguments)  # type: ignore[arg-type]


def test_a_wrong_base_raises() -> None:
    with pytest.raises(kvsim.ConfigError, match=r"engine.block_size"):
        kvsim.sweep(changed("engine.block_size", 0), {"seed": [1]})


def test_an_unknown_dataset_reads_alike_everywhere() -> None:
    own = {"mine": kvsim.Trace(prompt_tokens=np.array([5]), output_tokens=np.array([5]))}
    for wrong, near in (("azure", "azure-2023-code"), ("mime", "mine")):
        with pytest.raises(kvsim.ConfigError) as caught:
            kvsim.simulate(changed("workload.lengths", wrong), datasets=own)
        message = str(caught.value)
        assert message.startswith(f'workload.lengths.name: got "{wrong}"; allowed: ')
        for name in (*kvsim.datasets.names(), "mine"):
            assert f'"{name}"' in message
        assert f"nearest: {near}" in message
        swept = kvsim.sweep(BASE, {"workload.lengths": [wrong, "sharegpt-300"]}, datasets=own)
        assert swept.reason[0] == message
    with pytest.raises(
        ValueError, match="did you mean 'azure-2023-conversation' or 'azure-2023-code'"
    ):
        kvsim.datasets.load("azure")


def test_a_newer_schema_reads_alike_everywhere() -> None:
    with pytest.raises(kvsim.ConfigError) as caught:
        kvsim.simulate(changed("schema_version", 99))
    assert kvsim.sweep(BASE, {"schema_version": [99]}).reason == [str(caught.value)]


def test_wrong_values_are_points_that_are_invalid() -> None:
    axes = {RATE: [1, -1, float("nan"), "x"], "engine.max_num_seqs": [4, 0]}
    result = kvsim.sweep(BASE, axes)
    assert result.status == ["ok"] + ["invalid"] * 7
    assert "engine.max_num_seqs: got 0" in result.reason[1]
    assert f"{RATE}: got -1" in result.reason[2]
    assert "NaN" in result.reason[4]
    assert result.to_json()
    unknown = kvsim.sweep(BASE, {"workload.lengths.name": ["nope"], "model": ["nope"]})
    assert unknown.status == ["invalid"]
