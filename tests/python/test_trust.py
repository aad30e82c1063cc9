"""What a prediction rests on, its error band, and the page of errors."""

from pathlib import Path

import pytest

import kvsim
import write_fidelity
from kvsim import validate
from kvsim.validate.packaged import band

ROOT = Path(__file__).parents[2]
BASE = {
    "model": "llama-3.1-70b", "gpu": "h100-sxm", "tensor_parallel_size": 8, "weight_dtype": "fp8",
    "workload": {"num_requests": 20},
}  # fmt: skip


def run(**changes: object) -> kvsim.Result:
    return kvsim.simulate({**BASE, **changes})


@pytest.fixture(scope="module")
def score() -> validate.PackagedScore:
    return validate.score_packaged()


def test_the_engine_has_the_bands_that_the_measurements_give(
    score: validate.PackagedScore,
) -> None:
    bands = score.bands()
    kernels = {"kind": "kernels", "tables": "fitted"}
    runs = {
        "table": run(),
        "fitted": run(step_time=kernels),
        "roofline": run(step_time={"kind": "roofline"}),
        "spec_sheet": run(gpu="b200"),
        "experts": run(model="qwen3-30b-a3b", tensor_parallel_size=1),
    }
    assert set(runs) == set(bands)
    for name, result in runs.items():
        residuals = result.trust.residuals
        assert residuals is not None
        assert residuals["name"] == name
        scored = score.runs.get(name) or score.requests[name]
        rows = scored.rows if isinstance(scored, validate.StepTimeScore) else None
        number = scored.num_requests if rows is None else len(rows)  # type: ignore[union-attr]
        assert residuals["number"] == number
        for metric, ends in bands[name].items():
            assert residuals[metric] == pytest.approx(ends, abs=6e-4)


@pytest.mark.parametrize(
    ("changes", "calibration"),
    [
        ({}, "table"),
        ({"gpu": "h200"}, "table"),
        ({"weight_dtype": "int8"}, "fitted"),
        ({"gpu": "b200"}, "spec_sheet"),
        ({"step_time": {"kind": "roofline"}}, "fitted"),
        ({"step_time": {"kind": "roofline"}, "gpu": "b200"}, "spec_sheet"),
        ({"step_time": {"kind": "affine"}}, "given"),
        ({"step_time": {"kind": "polynomial"}}, "given"),
    ],
)
def test_calibration(changes: dict[str, object], calibration: str) -> None:
    result = run(**changes)
    assert result.calibration == calibration
    assert result.to_dict()["calibration"] == calibration
    assert kvsim.sweep({**BASE, **changes}, {"seed": [0, 1]}).calibration == [calibration] * 2


def test_a_band_is_of_its_latency() -> None:
    result = run()
    low, high = result.error_band("tpot") or (0, 0)
    residuals = result.trust.residuals
    assert residuals is not None
    mean = result.summary["mean_tpot_ms"]
    assert (low, high) == pytest.approx([mean * (1 + r) for r in residuals["tpot"]])
    assert result.error_band("e2e") is not None
    with pytest.raises(ValueError, match="metric: got 'itl'; allowed: ttft, tpot, e2e"):
        result.error_band("itl")


def test_what_was_not_measured_has_no_band_and_a_warning() -> None:
    for changes, warning in (
        ({"weight_dtype": "int4"}, "int4 weights were measured"),
        ({"step_time": {"kind": "kernels", "tensor_parallel_form": "weight_gather"}},
         "weight_gather is a model"),
    ):  # fmt: skip
        result = run(**changes)
        assert result.error_band() is None
        assert any(warning in w for w in result.warnings)
    assert run(step_time={"kind": "affine"}).error_band() is None
    one = kvsim.simulate({**BASE, "workload": {"num_requests": 1, "lengths": {
        "kind": "fixed", "prompt_tokens": 5, "output_tokens": 1}}})  # fmt: skip
    assert one.error_band("tpot") is None
    assert run().warnings == ()


def test_a_gpu_with_other_numbers_is_another_whatever_its_name() -> None:
    h100 = kvsim.catalog.gpu("h100-sxm").to_dict()
    assert run(gpu=h100).to_dict()["summary"] == run().to_dict()["summary"]
    larger = run(
        gpu={**h100, "memory_bytes": 2 * h100["memory_bytes"], "node_gpus": 4},
        step_time={"kind": "kernels", "node_link_gb_per_s": 400},
        tensor_parallel_size=4,
    )
    assert larger.calibration == "table"
    for step_time in ({"kind": "kernels"}, {"kind": "roofline"}):
        twice = run(gpu={**h100, "hbm_bytes_per_s": 6.7e12}, step_time=step_time)
        assert twice.calibration == "spec_sheet"
    kernels = run(gpu={**h100, "hbm_bytes_per_s": 6.7e12})
    assert any("h100-sxm, with other numbers than the catalogue's," in w for w in kernels.warnings)
    renamed = run(gpu={**h100, "hbm_bytes_per_s": 6.7e12, "name": "mine"})
    assert renamed.summary["mean_tpot_ms"] == kernels.summary["mean_tpot_ms"]


def test_bands_are_nearest_ranks() -> None:
    assert band([i / 100 for i in range(100)]) == (0.04, 0.94)
    assert band([0.5]) == (0.5, 0.5)


def test_errors_stay_within_the_goals(score: validate.PackagedScore) -> None:
    mape = score.runs["table"].mape
    assert mape["ttft_ms"] <= 6.2
    assert mape["tpot_ms"] <= 2.9
    assert mape["e2e_ms"] <= 2.8
    assert max(abs(r.errors["ttft_ms"]) for r in score.runs["table"].rows if r.at_wall) <= 0.10
    # The step time that a scenario has if it names no other is the best of them.
    assert all(mape[m] < score.runs["roofline"].mape[m] for m in mape)


def test_operators_by_the_engine_are_as_the_fit_says(score: validate.PackagedScore) -> None:
    import json

    data = ROOT / "python" / "kvsim" / "data" / "step_time" / "fit.json"
    fitted = json.loads(data.read_text(encoding="ascii"))["operators"]
    names = {"product_bf16": "gemm bf16", "product_fp8": "gemm fp8", "all_reduce": "all-reduce"}
    fitted_to = [s for s in score.operators if s.gpu != "a100-80"]
    assert len(fitted_to) == 9
    for found in fitted_to:
        name = names.get(found.operator, found.operator.replace("_", " "))
        median, p90 = fitted[name]["median_and_p90_error_percent"][found.gpu]
        assert found.median == pytest.approx(median, abs=0.1)
        assert found.p90 == pytest.approx(p90, abs=0.1)


def test_products_carry_over_to_a_gpu_that_nothing_was_fitted_to(
    score: validate.PackagedScore,
) -> None:
    (a100,) = (s for s in score.operators if s.gpu == "a100-80")
    assert a100.operator == "product_bf16"
    assert a100.number > 300
    assert a100.median < 15


@pytest.mark.full
def test_the_page_is_what_the_measurements_give() -> None:
    committed = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert write_fidelity.page() == committed, "run `make fidelity`"
