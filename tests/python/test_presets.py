"""Engines by the name of a version."""

import json

import pytest

import kvsim
from kvsim.cli.options import set_path

WORKLOAD = {"num_requests": 20}
NAMES = ("vllm-0.33", "vllm-0.33-small", "vllm-0.12", "vllm-0.12-small")


def test_a_name_stands_for_an_engine_in_every_form() -> None:
    engine = kvsim.Engine.preset("vllm-0.33")
    assert engine.async_scheduling
    assert (engine.max_num_seqs, engine.max_num_batched_tokens) == (1024, 8192)
    assert engine.frontend_ms == 5
    for scenario in (
        kvsim.Scenario(engine="vllm-0.33", workload=WORKLOAD),
        kvsim.Scenario.from_dict({"engine": "vllm-0.33", "workload": WORKLOAD}),
        kvsim.Scenario.from_json(
            '{"engine": {"preset": "vllm-0.33"}, "workload": {"num_requests": 20}}'
        ),
    ):
        assert scenario.engine == engine
        assert json.loads(scenario.to_json())["engine"] == engine.to_dict()


def test_fields_beside_a_preset_replace_its_own() -> None:
    given = {"preset": "vllm-0.12-small", "max_num_seqs": 7, "async_scheduling": True}
    engine = kvsim.Engine.preset("vllm-0.12-small", max_num_seqs=7, async_scheduling=True)
    assert kvsim.Engine.from_dict(given) == engine
    assert kvsim.Scenario(engine=given, workload=WORKLOAD).engine == engine
    assert engine.max_num_batched_tokens == 2048


def test_the_plain_defaults_stay_those_of_the_rules() -> None:
    assert not kvsim.Engine().async_scheduling
    assert kvsim.Engine().frontend_ms == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_runs(name: str) -> None:
    run = kvsim.simulate(
        {"model": "llama-3-8b", "gpu": "h100-sxm", "engine": name, "workload": {"num_requests": 20}}
    )
    assert run.summary["completed"] == 20
    assert run.scenario.engine == kvsim.Engine.preset(name)


def test_an_unknown_preset_names_the_nearest() -> None:
    for make in (
        lambda: kvsim.Scenario(engine="vllm-0.3", workload=WORKLOAD),
        lambda: kvsim.simulate({"engine": {"preset": "vllm-0.3"}}),
    ):
        with pytest.raises(kvsim.ConfigError, match=r"engine.*vllm-0.3.*nearest: vllm-0.33"):
            make()
    with pytest.raises(kvsim.ConfigError, match=r"did you mean 'vllm-0.33'"):
        kvsim.Engine.preset("vllm-0.3")
    with pytest.raises(kvsim.ConfigError, match="got preset 'x'"):
        kvsim.SLO.preset("x")
    with pytest.raises(kvsim.ConfigError, match=r"engine\.max_num_seq"):
        kvsim.Scenario(engine={"preset": "vllm-0.33", "max_num_seq": 4}, workload=WORKLOAD)


def test_a_sweep_compares_presets_and_sets_fields_within_them() -> None:
    base = {"model": "llama-3-8b", "gpu": "h100-sxm", "workload": {"num_requests": 20}}
    axes = {"engine": ["vllm-0.12", "vllm-0.33"], "engine.max_num_seqs": [2, 64]}
    result = kvsim.sweep(base, axes, record="requests")
    assert result.status == ["ok"] * 4
    assert result.calibration == ["table"] * 4
    runs = [r.scenario.engine for r in result.results if r is not None]
    assert [(e.async_scheduling, e.max_num_seqs) for e in runs] == [
        (False, 2), (False, 64), (True, 2), (True, 64),
    ]  # fmt: skip


def test_the_command_line_sets_fields_within_a_preset() -> None:
    scenario: dict[str, object] = {"engine": "vllm-0.33"}
    set_path(scenario, "engine.max_num_seqs", 3)
    assert scenario == {"engine": {"preset": "vllm-0.33", "max_num_seqs": 3}}


@pytest.mark.parametrize("engine", ["vllm-0.33", {"num_gpu_blocks": 500}])
def test_speculation_with_batches_in_flight_is_refused(engine: object) -> None:
    stages = 2 if isinstance(engine, dict) else 1
    drafts = {"spec_method": "ngram", "num_spec_tokens": 3}
    given = {"preset": engine, **drafts} if isinstance(engine, str) else {**engine, **drafts}
    refusal = (
        r"engine\.spec_method: got speculative decoding with batches in flight; "
        r"allowed: null with engine\.async_scheduling or pipeline_parallel_size > 1"
    )
    with pytest.raises(kvsim.ConfigError, match=refusal):
        kvsim.simulate(
            {"model": "llama-3-8b", "gpu": "h100-sxm", "engine": given,
             "pipeline_parallel_size": stages, "workload": {"num_requests": 2}}
        )  # fmt: skip
