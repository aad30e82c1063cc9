"""An M/M/1 queue as a scenario, with its closed forms: what intervals are checked against."""

import math
from typing import Any

import numpy as np

import kvsim

# Exponential service: one step of 1,000 tokens in the mean at 1 us a token, from a table of the
# distribution's quantiles that every request draws from.
_MEAN_TOKENS = 1000
_NS_PER_TOKEN = 1000.0
_ROWS = 100_000


def service() -> kvsim.Trace:
    """Return prompt lengths whose distribution is exponential."""
    u = (np.arange(_ROWS) + 0.5) / _ROWS
    tokens = np.maximum(1, np.rint(-np.log1p(-u) * _MEAN_TOKENS)).astype(np.int32)
    return kvsim.Trace(prompt_tokens=tokens, output_tokens=np.ones(_ROWS, np.int32), name="service")


def scenario(load: float, num_requests: int, trace: kvsim.Trace, **changes: Any) -> kvsim.Scenario:
    """Return a queue at this load."""
    mean_s = float(trace.prompt_tokens.mean()) * _NS_PER_TOKEN / 1e9
    return kvsim.Scenario(
        engine=kvsim.Engine(
            max_num_seqs=1,
            num_gpu_blocks=3000,
            max_model_len=40_000,
            max_num_batched_tokens=40_000,
            enable_prefix_caching=False,
        ),
        step_time=kvsim.Affine(a_ns=0, b_ns_per_token=_NS_PER_TOKEN, c_ns_per_context_token=0),
        workload=kvsim.Workload(
            arrivals=kvsim.Poisson(rate_per_s=load / mean_s),
            lengths=kvsim.DatasetLengths(name=trace, order="resample"),
            num_requests=num_requests,
        ),
        record_waterfall=False,
        **changes,
    )


def truth_ms(load: float, trace: kvsim.Trace) -> dict[str, float]:
    """Return mean and P99 of the time in the system, exponential of mean 1 / (mu - lambda)."""
    mean_ms = float(trace.prompt_tokens.mean()) * _NS_PER_TOKEN / 1e6 / (1 - load)
    return {"mean_e2el_ms": mean_ms, "p99_e2el_ms": mean_ms * math.log(100)}


def coverage(load: float, *, repetitions: int, runs: int, num_requests: int) -> dict[str, float]:
    """Return the share of 95 % intervals over replications that contain the truth, by figure."""
    trace = service()
    first = kvsim.FirstRequests(num_requests=num_requests // 50)
    base = scenario(load, num_requests, trace, warmup=first)
    # One sweep of all runs; groups of `runs` of them are a repetition.
    result = kvsim.sweep(base, {"seed": range(repetitions * runs)})
    inside = {}
    for name, value in truth_ms(load, trace).items():
        groups = result[name].reshape(repetitions, runs)
        intervals = [kvsim.statistics.replications(group) for group in groups]
        inside[name] = float(np.mean([i.low <= value <= i.high for i in intervals]))
    return inside


def batch_coverage(load: float, *, repetitions: int, num_requests: int) -> dict[str, float]:
    """Return the same for batch means within one run; `none_...`: share without an interval."""
    trace = service()
    first = kvsim.FirstRequests(num_requests=num_requests // 50)
    base = scenario(load, num_requests, trace, warmup=first)
    result = kvsim.sweep(base, {"seed": range(repetitions)}, intervals="batch_means")
    shares = {}
    for name, value in truth_ms(load, trace).items():
        low, high = result.interval(name)
        known = np.isfinite(low)
        shares[name] = float(np.mean((low <= value) & (value <= high))) / max(known.mean(), 1e-9)
        shares[f"none_{name}"] = float(1 - known.mean())
    return shares
