"""Splits of a model over GPUs."""

import json
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import kvsim
from kvsim import plots

mpl.use("Agg")


@pytest.fixture(scope="module")
def found() -> kvsim.Sharding:
    return kvsim.sharding("llama-3-70b", 8, 50.0, concurrencies=[1, 8])


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_all_splits_with_what_is_asked(found: kvsim.Sharding) -> None:
    sizes = [(s.tensor_parallel_size, s.pipeline_parallel_size) for s in found.splits]
    assert sizes == [(8, 1), (4, 2), (2, 4), (1, 8)]
    for s in found.splits:
        assert s.status == "ok"
        assert s.ttft_ms is not None
        assert s.ttft_band_ms is not None
        assert s.ttft_parts is not None
        assert s.tpot_parts_ms is not None
        assert s.ttft_parts.total_ms == pytest.approx(s.ttft_ms)
        assert sum(s.tpot_parts_ms.values()) == pytest.approx(s.tpot_ms, rel=1e-3)
        assert s.ttft_band_ms[0] < s.ttft_band_ms[1]
        assert s.kv_tokens is not None
        assert s.kv_tokens > 100_000
        assert s.load[1].output_throughput > s.load[0].output_throughput
        assert s.calibration == "table"
    # Tensor parallelism shortens one request, stages do not.
    ttft = [s.ttft_ms for s in found.splits if s.ttft_ms is not None]
    assert ttft == sorted(ttft)
    assert ttft[3] > 3 * ttft[0]
    assert found.best is found.splits[0]


def test_the_50_ms_question(found: kvsim.Sharding) -> None:
    (bf16, *_) = found.splits
    assert bf16.ttft_ms is not None
    assert 50 < bf16.ttft_ms < 56  # narrowly misses
    assert bf16.verdict is not None
    assert bf16.verdict.startswith("misses")
    (fp8, *_) = kvsim.sharding("llama-3-70b", weight_dtype="fp8", concurrencies=[1]).splits
    assert fp8.ttft_ms is not None
    assert fp8.ttft_band_ms is not None
    assert fp8.verdict == "meets, within the band"
    assert fp8.ttft_band_ms[0] < 45


def test_it_is_what_simulate_says(found: kvsim.Sharding) -> None:
    run = kvsim.simulate(
        {
            "model": "llama-3-70b", "gpu": "h100-sxm", "engine": "vllm-0.33",
            "tensor_parallel_size": 2, "pipeline_parallel_size": 4,
            "workload": {"num_requests": 1, "arrivals": {"kind": "burst"},
                         "lengths": {"kind": "fixed", "prompt_tokens": 1024, "output_tokens": 256}},
        }
    )  # fmt: skip
    assert found.splits[2].ttft_ms == pytest.approx(run.summary["mean_ttft_ms"], rel=1e-12)
    assert found.splits[2].tpot_ms == run.summary["mean_tpot_ms"]


def test_splits_that_cannot_be_say_why() -> None:
    # 64 heads do not divide by 5, 80 layers do; 70 GB of weights a GPU leave no room on 40 GB.
    found = kvsim.sharding("llama-3-70b", 5, concurrencies=[1])
    assert [s.status for s in found.splits] == ["invalid", "ok"]
    assert "tensor_parallel_size: got 5" in found.splits[0].reason
    three = kvsim.sharding("llama-3-70b", 3, concurrencies=[1])
    assert "pipeline_parallel_size: got 3" in three.splits[-1].reason
    small = kvsim.sharding("llama-3-70b", 2, gpu="a100-40", concurrencies=[1])
    assert {s.status for s in small.splits} == {"infeasible"}
    assert "GB a GPU are missing" in str(small)
    assert small.best is None
    with pytest.raises(ValueError, match="got none that can be"):
        small.plot()
    nodes = kvsim.sharding("llama-3-70b", 16, concurrencies=[1])
    assert all("node_link_gb_per_s" in s.reason for s in nodes.splits if s.status == "invalid")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gpus": 0}, "gpus: got 0; allowed: a whole number above 0"),
        ({"gpus": 2.5}, "gpus: got 2.5"),
        ({"target_ttft_ms": -1}, "target_ttft_ms: got -1"),
        ({"concurrencies": []}, "concurrencies: got none"),
        ({"concurrencies": [0]}, "concurrencies: got 0"),
        ({"engine": "vllm-1"}, "engine"),
        ({"weight_dtype": "fp6"}, "weight_dtype"),
        ({"weight_dtype": "fp8", "gpu": "a100-80"}, "what gpu .*nearest: int8"),
        ({"gpu": "h300"}, 'gpu: got "h300"'),
    ],
)
def test_bad_input(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        kvsim.sharding("llama-3-70b", **arguments)  # type: ignore[arg-type]


def test_an_inline_model_and_gpu_without_names() -> None:
    model = {k: v for k, v in kvsim.catalog.model("llama-3-8b").to_dict().items() if k != "name"}
    gpu = {k: v for k, v in kvsim.catalog.gpu("l40s").to_dict().items() if k != "name"}
    found = kvsim.sharding(model, 2, gpu=gpu, concurrencies=[1])
    assert found.title.startswith("custom (bf16) on 2 custom")
    assert found.weight_gather_tokens == 13312
    assert found.splits[0].status == "ok"


def test_other_forms(found: kvsim.Sharding) -> None:
    rows = found.rows()
    json.dumps(rows, allow_nan=False)
    assert rows[0]["split"] == "TP 8 x PP 1"
    assert sum(v for k, v in rows[0].items() if k in (
        "ttft_frontend_ms", "ttft_queue_ms", "ttft_host_ms", "ttft_compute_ms", "ttft_hbm_ms",
        "ttft_comm_ms", "ttft_bubble_ms", "ttft_preempted_ms", "ttft_redo_ms",
    )) == pytest.approx(rows[0]["ttft_ms"])  # fmt: skip
    assert "misses" in str(found)
    assert "above 26,112 tokens a step" in str(found)


def test_picture(found: kvsim.Sharding) -> None:
    ax = found.plot()
    figure = ax.figure
    figure.canvas.draw()
    texts = [t.get_text() for a in figure.axes for t in (*a.texts, *a.get_yticklabels())]
    assert "target 50 ms" in texts
    assert texts.count("TP 8 x PP 1") == 2
    with pytest.raises(ValueError, match="axes: got 1"):
        plots.sharding(found, [ax])
