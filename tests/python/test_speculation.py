"""Speculative decoding: closed forms, the engine against them, time and memory of drafts."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import kvsim
from kvsim import plots, speculation
from kvsim.validate.speculation import check_speculation

MODES = ("step", "leap")

# Leviathan et al. (2023), table 4: drafts, acceptance, cost of a draft, expected speed-up as
# printed (to one digit, from unrounded values).
TABLE_4 = [
    (7, 0.75, 0.02, 3.2), (7, 0.80, 0.04, 3.3), (7, 0.82, 0.11, 2.5), (7, 0.62, 0.02, 2.3),
    (5, 0.68, 0.04, 2.4), (3, 0.71, 0.11, 2.0), (5, 0.65, 0.02, 2.4), (5, 0.73, 0.04, 2.6),
    (3, 0.74, 0.11, 2.0), (5, 0.53, 0.02, 1.9), (3, 0.55, 0.04, 1.8), (3, 0.56, 0.11, 1.6),
]  # fmt: skip


@pytest.mark.parametrize(("drafts", "acceptance", "cost", "printed"), TABLE_4)
def test_the_speedup_is_the_papers(
    drafts: int, acceptance: float, cost: float, printed: float
) -> None:
    assert speculation.speedup(acceptance, drafts, cost) == pytest.approx(printed, abs=0.11)


def test_five_drafts_of_a_model_20_times_faster() -> None:
    assert speculation.speedup([0.9, 0.7, 0.5], 5, 0.05) == pytest.approx(
        [3.75, 2.35, 1.58], abs=0.006
    )


def test_places_of_equal_acceptance_are_the_closed_form() -> None:
    for a in (0.0, 0.4, 1.0):
        assert speculation.tokens_per_pass_by_position([a] * 5) == speculation.tokens_per_pass(a, 5)


def test_bad_values_are_refused() -> None:
    with pytest.raises(kvsim.ConfigError, match=r"acceptance: got 1\.5"):
        speculation.tokens_per_pass(1.5, 3)
    with pytest.raises(kvsim.ConfigError, match="drafts: got -1"):
        speculation.tokens_per_pass(0.5, -1)
    with pytest.raises(kvsim.ConfigError, match="draft_cost"):
        speculation.speedup(0.5, 3, -0.1)


# ---- the engine


def lone(**engine: object) -> dict[str, Any]:
    drafts = {"spec_method": "draft_model", "num_spec_tokens": 4, **engine}
    return {
        "engine": {"num_gpu_blocks": 2000, "max_model_len": 8192, **drafts},
        "step_time": {"kind": "affine"},
        "workload": {
            "num_requests": 4,
            "lengths": {"kind": "fixed", "prompt_tokens": 16, "output_tokens": 3000},
        },
    }


LLAMA: dict[str, Any] = {
    "model": "llama-3-70b",
    "gpu": "h100-sxm",
    "tensor_parallel_size": 4,
    "weight_dtype": "fp8",
    "engine": {
        "max_model_len": 4096, "spec_method": "draft_model", "num_spec_tokens": 3,
        "spec_acceptance": {"kind": "constant", "alpha": 0.7},
        "spec_draft": {"model": "llama-3.2-1b"},
    },
    "workload": {"num_requests": 20, "lengths": {"kind": "lognormal"}},
}  # fmt: skip


def test_simulated_speculation_is_leviathans() -> None:
    report = check_speculation([0], load=False)
    assert report.ok, report.table()


@pytest.mark.parametrize("wrong", [{"alpha_error": 0.02}, {"alpha_error": -0.02}])
def test_a_wrong_acceptance_is_noticed(wrong: dict[str, float]) -> None:
    report = check_speculation([0], load=False, **wrong)  # type: ignore[arg-type]
    assert sum(not c.ok for c in report.checks) > len(report.checks) * 0.9, report.table()


def test_a_wrong_cost_of_drafts_is_noticed() -> None:
    report = check_speculation([0], load=False, cost_error=0.01)
    assert all(c.ok == ("speed-up" not in c.name) for c in report.checks), report.table()


@pytest.mark.full
def test_simulated_speculation_is_leviathans_for_ten_seeds_and_under_load() -> None:
    report = check_speculation(range(10))
    assert report.ok, report.table()


def test_gain_falls_with_load_and_slots_cause_preemptions() -> None:
    report = check_speculation([0], outputs=2000)
    mine = [c for c in report.checks if "seed" not in c.name]
    assert len(mine) == 8
    assert all(c.ok for c in mine), report.table()


def test_acceptance_by_place_and_by_request() -> None:
    places = [0.9, 0.6, 0.3, 0.1]
    law = {"kind": "by_position", "alphas": places}
    found = kvsim.simulate(lone(spec_acceptance=law)).summary["mean_acceptance_length"]
    assert found == pytest.approx(speculation.tokens_per_pass_by_position(places), rel=0.03)
    beta = kvsim.simulate(lone(spec_acceptance={"kind": "beta", "mean": 0.7, "sd": 0.2}))
    rates = beta.requests["e2e_ns"]
    assert len(set(rates.tolist())) == 4
    # Convex in alpha: requests that differ need fewer passes in the mean than their mean does.
    other = kvsim.simulate({**lone(spec_acceptance={"kind": "constant", "alpha": 0.7}), "seed": 5})
    assert other.summary["mean_acceptance_length"] == pytest.approx(
        speculation.tokens_per_pass(0.7, 4), rel=0.03
    )


def test_ngram_proposes_when_it_finds_a_match() -> None:
    def steps(match: float) -> int:
        law = {"kind": "constant", "alpha": 1.0}
        scenario = lone(spec_method="ngram", spec_acceptance=law, spec_match_probability=match)
        scenario["workload"]["num_requests"] = 1
        return kvsim.simulate(scenario).totals["steps"]

    assert steps(1.0) == 1 + 600
    # (5 + 1) / 2 tokens a step.
    assert steps(0.5) == pytest.approx(3000 / 3, rel=0.05)
    assert steps(0.0) == 3000


def test_drafts_take_time_and_memory() -> None:
    with_ = kvsim.simulate(LLAMA)
    engine = {k: v for k, v in LLAMA["engine"].items() if not k.startswith(("spec", "num_spec"))}
    plain = kvsim.simulate({**LLAMA, "engine": engine})
    budget, alone = with_.kv_budget, plain.kv_budget
    assert budget.draft_weight_bytes == pytest.approx(1.236e9 * 2 / 4, rel=0.35)
    assert budget.kv_bytes == pytest.approx(alone.kv_bytes - budget.draft_weight_bytes)
    assert budget.kv_bytes_per_token > alone.kv_bytes_per_token
    assert budget.num_gpu_blocks < alone.num_gpu_blocks
    share = with_.summary["draft_time_share"]
    assert 0.05 < share < 0.5
    assert with_.totals["draft_ns"] == pytest.approx(share * with_.totals["busy_ns"])
    assert plain.summary["draft_time_share"] is None
    head = {**LLAMA["engine"], "spec_method": "mtp", "spec_draft": {}}
    mtp = kvsim.simulate({**LLAMA, "engine": head}).kv_budget
    # A layer of 80, without embeddings.
    assert mtp.kv_bytes_per_token == pytest.approx(alone.kv_bytes_per_token * 81 / 80)
    assert 0 < mtp.draft_weight_bytes < alone.weight_bytes / 30


def test_step_and_leap_are_the_same_run() -> None:
    for engine in (LLAMA["engine"], {**LLAMA["engine"], "spec_method": "mtp", "spec_draft": {}}):
        runs = [kvsim.simulate({**LLAMA, "engine": engine, "mode": mode}) for mode in MODES]
        for name in runs[0].requests:
            assert np.array_equal(runs[0].requests[name], runs[1].requests[name])
        assert runs[0].summary == runs[1].summary


def test_a_fleets_replicas_draw_for_their_own_requests() -> None:
    law = {"kind": "constant", "alpha": 0.5}
    base = lone(spec_acceptance=law)
    base["workload"] |= {"num_requests": 40, "arrivals": {"kind": "burst"}}
    base["workload"]["lengths"]["output_tokens"] = 200
    fleet = kvsim.simulate({**base, "fleet": {"num_servers": 2}, "record": "requests"})
    # With the same luck on both replicas, requests 2 i and 2 i + 1 would finish together.
    finish = fleet.requests["finish_ns"]
    assert np.mean(finish[::2] == finish[1::2]) < 0.5
    assert fleet.summary["mean_acceptance_length"] == pytest.approx(
        speculation.tokens_per_pass(0.5, 4), rel=0.05
    )


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"spec_acceptance": {"kind": "constant", "alpha": 1.2}}, r"alpha: got 1\.2; allowed: "),
        ({"spec_acceptance": {"kind": "constant", "alpha": -0.1}}, r"alpha: got -0\.1"),
        (
            {"spec_acceptance": {"kind": "beta", "mean": 0.5, "sd": 0.5}},
            r"sd: got 0\.5; allowed: 0, or below sqrt",
        ),
        (
            {"spec_acceptance": {"kind": "by_position", "alphas": [0.5]}},
            "alphas: got 1 values; allowed: num_spec_tokens = 4",
        ),
        ({"num_spec_tokens": 0}, "num_spec_tokens: got 0; allowed: 1 or more"),
        ({"num_spec_tokens": -2}, "num_spec_tokens: got -2"),
        (
            {"num_spec_tokens": 63, "max_num_batched_tokens": 64, "max_num_seqs": 8},
            "num_spec_tokens: got 63; allowed: at most max_num_batched_tokens - 2 = 62",
        ),
        ({"spec_match_probability": 0.5}, r"spec_match_probability: got 0\.5; allowed: 1 unless"),
        (
            {"spec_method": "mtp", "spec_draft": {"model": "llama-3-8b"}},
            r"spec_draft\.model: got a model; allowed: null with spec_method \"mtp\"",
        ),
        (
            {"num_gpu_blocks": None, "spec_draft": {"step_time": {"kind": "affine"}}},
            r"spec_draft\.model: got null; allowed: one of the catalogue",
        ),
        (
            {"spec_method": None, "num_spec_tokens": 0,
             "spec_acceptance": {"kind": "constant", "alpha": 0.5}},
            'spec_acceptance: got "constant"; allowed: its default, since spec_method is null',
        ),
        (
            {"spec_method": None, "num_spec_tokens": 0, "spec_draft": {}},
            "spec_draft: got an object; allowed: null, since spec_method is null",
        ),
    ],
)  # fmt: skip
def test_bad_speculation_is_refused(engine: dict[str, Any], message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        kvsim.simulate(lone(**engine))


def test_a_draft_model_that_does_not_fit_names_the_gb() -> None:
    engine = {**LLAMA["engine"], "spec_draft": {"model": "llama-3-70b"}}
    small = {**LLAMA, "tensor_parallel_size": 2, "engine": engine}
    with pytest.raises(kvsim.InfeasibleError, match=r"draft model does not fit .* GB a GPU"):
        kvsim.simulate(small)


def test_drafts_that_cost_nothing_are_noted() -> None:
    law = {"kind": "constant", "alpha": 0.5}
    noted = kvsim.simulate(lone(spec_acceptance=law)).warnings
    assert any("drafting takes neither time nor memory" in text for text in noted)


def test_the_picture_of_gain_against_load_draws() -> None:
    mpl.use("Agg")
    rows = speculation.gain(LLAMA, alphas=[0.5], batches=[1, 4], waves=1)
    assert [row["batch"] for row in rows] == [1, 4]
    assert "over without" in plots.speculation_gain(rows).get_ylabel()
    with pytest.raises(ValueError, match="rows: got none"):
        plots.speculation_gain([])
    with pytest.raises(kvsim.ConfigError, match="a scenario that speculates"):
        speculation.gain({"step_time": {"kind": "affine"}, "workload": {"num_requests": 1},
                          "engine": {"num_gpu_blocks": 10}})  # fmt: skip
