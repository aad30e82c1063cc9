"""Leaping gives the bits of stepping, from Python, on random scenarios of every kind."""

from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import kvsim
from kvsim.errors import InfeasibleError, LivelockError

CONTEXT = 300


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    """Small scenarios: tiny pools, odd block sizes, priorities, thresholds, shared prefixes."""
    block_size = draw(st.sampled_from([1, 3, 8, 16, 16, 32]))
    most = -(-CONTEXT // block_size)
    engine = {
        "block_size": block_size,
        "max_model_len": CONTEXT,
        "num_gpu_blocks": 1 + most + draw(st.integers(0, 3 * most)),
        "max_num_seqs": draw(st.integers(1, 24)),
        "max_num_batched_tokens": draw(st.sampled_from([24, 50, 128, 1024])),
        "enable_prefix_caching": draw(st.booleans()),
        "scheduling_policy": draw(st.sampled_from(["fcfs", "priority"])),
        "long_prefill_token_threshold": draw(st.sampled_from([0, 0, 24])),
        "scheduler_reserve_full_isl": draw(st.booleans()),
        "watermark": draw(st.sampled_from([0.0, 0.0, 0.1])),
        "prefill_schedule_interval": draw(st.sampled_from([1, 1, 3])),
        "async_scheduling": draw(st.booleans()),
    }
    arrivals = draw(
        st.sampled_from(
            [
                {"kind": "poisson", "rate_per_s": 200.0},
                {"kind": "gamma", "rate_per_s": 200.0, "cv": 3.0},
                {"kind": "burst"},
                {"kind": "closed_loop", "concurrency": 6},
            ]
        )
    )
    prefixes = draw(
        st.sampled_from(
            [
                {"kind": "none"},
                {"kind": "groups", "num_groups": 3, "prefix_tokens": 70},
            ]
        )
    )
    return {
        "engine": engine,
        "step_time": {"kind": "affine", "a_ns": 1e6, "b_ns_per_token": 1e4},
        "workload": {
            "arrivals": arrivals,
            "lengths": {
                "kind": "uniform",
                "prompt_min_tokens": 1,
                "prompt_max_tokens": 140,
                "output_min_tokens": 1,
                "output_max_tokens": 80,
            },
            "prefixes": prefixes,
            "num_requests": draw(st.integers(1, 60)),
            "priority_levels": draw(st.sampled_from([1, 3])),
        },
        "seed": draw(st.integers(0, 2**32)),
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios())
def test_leap_is_step(scenario: dict[str, Any]) -> None:
    """Every column, the latencies of all tokens and the summary are equal to the bit."""
    try:
        step = kvsim.simulate(scenario | {"mode": "step"})
    except (LivelockError, InfeasibleError) as error:
        with np.testing.assert_raises(type(error)):
            kvsim.simulate(scenario)
        assume(False)
    leap = kvsim.simulate(scenario)
    for name in step.requests:
        np.testing.assert_array_equal(step.requests[name], leap.requests[name], err_msg=name)
    same = set(step.summary) - {"lazy_steps"}
    assert {k: step.summary[k] for k in same} == {k: leap.summary[k] for k in same}
    assert step.status == leap.status


@settings(max_examples=60, deadline=None)
@given(scenarios())
def test_waterfall_adds_up(scenario: dict[str, Any]) -> None:
    """Each request's parts sum to its latency, in whole nanoseconds, none negative."""
    try:
        requests = kvsim.simulate(scenario).requests
    except (LivelockError, InfeasibleError):
        assume(False)
    parts = [
        f"{part}_ns"
        for part in ("queue", "host", "compute", "hbm", "comm", "preempted", "redo", "bubble")
        if f"{part}_ns" in requests and requests[f"{part}_ns"].size
    ]
    total = np.sum([requests[part] for part in parts], axis=0)
    if "frontend_ns" in requests and requests["frontend_ns"].size:
        total = total + requests["frontend_ns"]
    np.testing.assert_array_equal(total, requests["finish_ns"] - requests["arrival_ns"])
    assert all((requests[part] >= 0).all() for part in parts)
