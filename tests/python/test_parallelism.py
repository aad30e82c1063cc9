"""Closed forms of parallelism against published numbers and the simulation."""

from collections.abc import Callable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import kvsim
from kvsim import parallelism as p
from kvsim import plots

mpl.use("Agg")


def test_all_reduces_of_8_mb() -> None:
    # NVLink with both directions added and with one, HDR InfiniBand, 100 Gbit/s Ethernet.
    links = {900: 0.016, 450: 0.031, 25: 0.56, 12.5: 1.12}
    for gb_per_s, ms in links.items():
        assert p.all_reduce_ms(8, 8e6, link_gb_per_s=gb_per_s) == pytest.approx(ms, abs=0.005)
    ring = p.all_reduce_ms(8, [0, 8e6], link_gb_per_s=450, link_latency_us=1)
    assert ring[0] == pytest.approx(14e-3)  # 2 (N - 1) hops
    tree = p.all_reduce_ms(8, 0, link_gb_per_s=450, link_latency_us=1, algorithm="tree")
    assert tree == pytest.approx(6e-3)  # 2 log2 N


def test_a_prompt_on_paper() -> None:
    assert p.prefill_ms("llama-3-70b", 2048, 8)["total"] == pytest.approx(98, abs=1)
    slow = p.prefill_ms("llama-3-70b", 1024, 8, link_gb_per_s=45)
    assert slow["comm"] > 8 * p.prefill_ms("llama-3-70b", 1024, 8)["comm"]


@pytest.mark.parametrize("dtype", ["bf16", "fp8"])
def test_weights_are_gathered_from_where_it_moves_less(dtype: str) -> None:
    crossing = p.weight_gather_tokens("llama-3-70b", dtype)
    assert crossing == {"bf16": 26112, "fp8": 13056}[dtype]
    gathered = p.weight_gather_ms("llama-3-70b", 4, link_gb_per_s=450, weight_dtype=dtype)
    reduced = 160 * p.all_reduce_ms(4, crossing * 2 * 8192, link_gb_per_s=450)
    assert gathered == pytest.approx(reduced)
    # The engine changes over at the same size.
    base = {
        "model": "llama-3-70b", "gpu": "h100-sxm", "tensor_parallel_size": 8, "weight_dtype": dtype,
        "engine": {"max_num_batched_tokens": 32768, "max_model_len": 40000, "num_gpu_blocks": 9000},
        "workload": {"num_requests": 1},
    }  # fmt: skip

    def comm_ms(tokens: int, form: str) -> float:
        lengths = {"kind": "fixed", "prompt_tokens": tokens, "output_tokens": 1}
        run = kvsim.simulate(
            {**base, "step_time": {"kind": "kernels", "tensor_parallel_form": form},
             "workload": {"num_requests": 1, "lengths": lengths}}
        )  # fmt: skip
        return run.waterfall("ttft").parts_ms["comm"]

    for tokens, same in ((int(crossing) - 1, True), (int(crossing), False)):
        assert (comm_ms(tokens, "weight_gather") == comm_ms(tokens, "all_reduce")) is same


def test_the_crossings_are_marked() -> None:
    ax = plots.weight_gather("llama-3-70b")
    texts = [t.get_text() for t in ax.texts]
    assert texts == ["26,112 tokens", "13,056 tokens", "budget 8,192"]
    reduced, gathered, *_ = (line.get_ydata() for line in ax.lines)
    tokens = ax.lines[0].get_xdata()
    assert np.interp(26112, tokens, reduced) == pytest.approx(np.asarray(gathered)[0])
    plt.close("all")


def test_an_inline_model_needs_no_name() -> None:
    """Its closed forms and their picture are those of the catalogue's."""
    inline = {k: v for k, v in kvsim.catalog.model("llama-3-8b").to_dict().items() if k != "name"}
    assert p.weight_gather_tokens(inline) == p.weight_gather_tokens("llama-3-8b")
    ax = plots.weight_gather(inline)
    assert ax.get_title(loc="left").startswith("custom over 8 GPUs")
    plt.close("all")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: p.all_reduce_ms(8, 1, link_gb_per_s=0), "link_gb_per_s: got 0"),
        (lambda: p.all_reduce_ms(0, 1, link_gb_per_s=1), "gpus: got 0"),
        (lambda: p.all_reduce_ms(8, 1, link_gb_per_s=float("nan")), "link_gb_per_s: got nan"),
        (
            lambda: p.all_reduce_ms(8, 1, link_gb_per_s=1, link_latency_us=-1),
            "link_latency_us: got -1; allowed: a number, 0 or more",
        ),
        (lambda: p.all_reduce_ms(8, 1, link_gb_per_s=1, algorithm="star"), "allowed: ring, tree"),
        (lambda: p.weight_gather_tokens("llama-3-70b", "fp6"), "weight_dtype is 'fp6'"),
        (lambda: p.weight_gather_tokens("llama-9"), "model 'llama-9' is not in"),
        (lambda: p.bubble_fraction(0, 4), "stages: got 0"),
        (lambda: p.prefill_ms("llama-3-70b", 1024, 8, flop_efficiency=0), "flops_per_gpu: got 0"),
        (lambda: plots.weight_gather("llama-3-70b", gpus=1), "gpus: got 1"),
    ],
)
def test_bad_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
