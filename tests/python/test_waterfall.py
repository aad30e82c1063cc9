"""Where the time went: the columns, what is taken from them, the pictures."""

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvsim
from kvsim import plots
from kvsim._waterfall import PARTS

mpl.use("Agg")
BASE = kvsim.Scenario(
    model="llama-3-8b",
    gpu="h100-sxm",
    engine={"preset": "vllm-0.33", "num_gpu_blocks": 500, "max_num_seqs": 16},
    workload=kvsim.Workload(
        num_requests=150,
        arrivals=kvsim.Poisson(rate_per_s=40),
        lengths=kvsim.UniformLengths(
            prompt_min_tokens=10, prompt_max_tokens=900, output_min_tokens=1, output_max_tokens=400
        ),
    ),
    record="steps",
)


@pytest.fixture(scope="module")
def result() -> kvsim.Result:
    run = kvsim.simulate(BASE)
    assert run.summary["preemptions"] > 0  # so that every part occurs
    return run


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@settings(max_examples=25, deadline=None)
@given(
    stages=st.sampled_from([1, 2, 4]),
    asynchronous=st.booleans(),
    blocks=st.sampled_from([120, 200, 2000]),
    chunk=st.sampled_from([64, 512, 8192]),
    frontend=st.sampled_from([0.0, 5.0]),
    outputs=st.sampled_from([1, 2, 3, 400]),
    seed=st.integers(0, 100),
)
def test_parts_add_up_to_the_nanosecond(
    *,
    stages: int,
    asynchronous: bool,
    blocks: int,
    chunk: int,
    frontend: float,
    outputs: int,
    seed: int,
) -> None:
    run = kvsim.simulate(
        BASE.replace(
            {
                "pipeline_parallel_size": stages,
                "engine.async_scheduling": asynchronous,
                "engine.num_gpu_blocks": blocks,
                "engine.max_model_len": 1400,
                "engine.max_num_batched_tokens": chunk,
                "engine.frontend_ms": frontend,
                "workload.num_requests": 60,
                "workload.lengths.output_max_tokens": outputs,
                "seed": seed,
            }
        )
    )
    r = run.requests
    e2e = sum(r[f"{p}_ns"] for p in PARTS)
    assert (e2e == r["e2e_ns"]).all()
    ttft = r["frontend_ns"] + r["queue_ns"] + sum(r[f"ttft_{p}_ns"] for p in PARTS[2:])
    assert (ttft == r["ttft_ns"]).all()
    for part in PARTS[2:]:
        assert (r[f"ttft_{part}_ns"] <= r[f"{part}_ns"]).all()
        assert (r[f"ttft_{part}_ns"] >= 0).all()


@pytest.mark.parametrize("metric", ["ttft", "e2e"])
def test_choices_of_requests(result: kvsim.Result, metric: str) -> None:
    latency = result.requests[f"{metric}_ns"] / 1e6
    mean = result.waterfall(metric)
    assert mean.total_ms == pytest.approx(latency.mean())
    assert mean.requests == 150
    assert result.waterfall(metric, request=7).total_ms == pytest.approx(latency[7])
    tail = result.waterfall(metric, percentile=99)
    ordered = np.sort(latency)
    assert tail.label == f"P99 {metric.upper()}"
    assert tail.requests == 3  # 147.75 to 149.25 of 150
    assert tail.total_ms == pytest.approx(ordered[147:150].mean())
    top = result.waterfall(metric, percentile=100)
    assert top.total_ms <= ordered[-1]
    bands = result.waterfalls(metric)
    assert sum(w.requests for w in bands) >= 150
    assert [w.total_ms for w in bands] == sorted(w.total_ms for w in bands)


def test_a_step(result: kvsim.Result) -> None:
    found = result.waterfall(step=5)
    assert found.total_ms == pytest.approx(result.steps["dur_ns"][5] / 1e6)
    assert set(found.parts_ms) == {"host", "compute", "hbm", "comm"}


def test_as_a_table(result: kvsim.Result) -> None:
    table = kvsim.waterfall_table([*result.waterfalls("ttft"), result.waterfall(step=0)])
    assert {len(column) for column in table.values()} == {5}
    for i in range(5):
        parts = [table[f"{p}_ms"][i] for p in PARTS]
        assert sum(parts) == pytest.approx(table["total_ms"][i])
    assert "queue" in str(result.waterfall("ttft", percentile=99))
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(table).shape == (5, 3 + len(PARTS))


def test_bad_choices(result: kvsim.Result) -> None:
    for arguments, message in (
        ({"metric": "itl"}, "metric: got 'itl'; allowed: e2e, ttft, tpot"),
        ({"request": 150}, "request: got 150; allowed: 0 to 149"),
        ({"request": -1}, "request: got -1"),
        ({"percentile": 0}, "percentile: got 0"),
        ({"step": 10**9}, "step: got 1000000000"),
        ({"step": 1, "request": 1}, "got several of"),
    ):
        with pytest.raises(kvsim.ConfigError, match=message):
            result.waterfall(**arguments)  # type: ignore[arg-type]
    with pytest.raises(kvsim.ConfigError, match=r"band: got \(5, 5\)"):
        result.waterfalls(bands=[(5, 5)])
    bare = kvsim.simulate(BASE.replace(record_waterfall=False))
    with pytest.raises(kvsim.ConfigError, match="record_waterfall=True"):
        bare.waterfall()
    with pytest.raises(kvsim.ConfigError, match="record='steps'"):
        kvsim.simulate(BASE.replace(record="requests")).waterfall(step=0)


def drawn(ax: plt.Axes) -> list[str]:
    ax.figure.canvas.draw()
    legend = ax.get_legend()
    texts = [t.get_text() for t in (legend.get_texts() if legend else [])]
    texts += [t.get_text() for t in (*ax.texts, *ax.get_yticklabels())]
    return [*texts, ax.get_title(), ax.get_xlabel()]


def test_a_picture_ends_at_the_total_and_has_a_ghost(result: kvsim.Result) -> None:
    before = kvsim.simulate(BASE.replace({"engine.num_gpu_blocks": 2000}))
    ax = plots.waterfall(result, metric="ttft", percentile=99, previous=before)
    now = result.waterfall("ttft", percentile=99)
    bars = [(p.get_x(), p.get_width()) for p in ax.patches]
    assert max(x + w for x, w in bars) >= now.total_ms * 0.999
    assert any(w == pytest.approx(now.total_ms) for _, w in bars)
    texts = drawn(ax)
    assert "total" in texts
    assert any(t.startswith("before: ") for t in texts)
    assert "time (ms)" in texts


def test_a_picture_of_one_request_and_of_one_step(result: kvsim.Result) -> None:
    for choice in ({"request": 7}, {"step": 5}):
        ax = plots.waterfall(result, **choice)  # type: ignore[arg-type]
        total = result.waterfall(**choice).total_ms  # type: ignore[arg-type]
        assert any(p.get_width() == pytest.approx(total) for p in ax.patches)
    with pytest.raises(kvsim.ConfigError, match="got several of"):
        plots.waterfall(result, request=7, step=5)


def test_bands_as_stacked_bars(result: kvsim.Result) -> None:
    ax = plots.waterfall(result.waterfalls("e2e"))
    assert sum(p.get_width() for p in ax.patches) == pytest.approx(
        sum(w.total_ms for w in result.waterfalls("e2e"))
    )
    assert any("P99 to P100" in t for t in drawn(ax))
    plots.waterfall({"a": result, "b": result.waterfall(step=3)})
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.waterfall([])
    with pytest.raises(ValueError, match="a ghost behind several"):
        plots.waterfall([result], previous=result)


def test_memory_as_one_bar() -> None:
    one: dict[str, object] = {"gpu": "h100-sxm", "workload": {"num_requests": 1}}
    run = kvsim.simulate({**one, "model": "llama-3-70b", "tensor_parallel_size": 4})
    parts = run.kv_budget.parts_gb()
    assert sum(parts.values()) == pytest.approx(run.kv_budget.memory_bytes / 1e9)
    assert parts["weights"] == pytest.approx(35.3, abs=0.1)
    ax = plots.memory(run, title="memory")
    assert sum(p.get_width() for p in ax.patches) == pytest.approx(sum(parts.values()), abs=0.01)
    assert "memory of one GPU (GB)" in drawn(ax)
    few = kvsim.simulate({**one, "model": "llama-3-8b", "engine": {"num_gpu_blocks": 10_000}})
    assert few.kv_budget.parts_gb()["free"] > 30
    blocks = {"num_gpu_blocks": 1000, "max_model_len": 4096}
    blind = kvsim.simulate({**one, "engine": blocks, "step_time": {"kind": "affine"}})
    with pytest.raises(ValueError, match="no byte figures"):
        plots.memory(blind)
