"""The goals of kvsim's speed, each on a committed scenario (bench/scenarios) or vLLM case."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kvsim
from kvsim._cache import eviction_policies
from kvsim._verify import case_scenario
from kvsim.datasets import from_vllm_case

HERE = Path(__file__).parent
Benchmark = Any
Report = Any


def scenario(name: str, **changes: object) -> dict[str, Any]:
    """Return a committed scenario with top-level fields replaced."""
    loaded: dict[str, Any] = json.loads((HERE / "scenarios" / f"{name}.json").read_text())
    return loaded | changes


def simulated(benchmark: Benchmark, point: dict[str, Any], rounds: int = 9) -> kvsim.Result:
    """Time whole calls of simulate from Python; the dataset is in memory after the warm-up."""
    result: kvsim.Result = benchmark.pedantic(
        kvsim.simulate, args=(point,), rounds=rounds, warmup_rounds=1
    )
    return result


def median(benchmark: Benchmark) -> float:
    """Return the median of the timed rounds in seconds."""
    return float(benchmark.stats["median"])


def timed(work: Callable[[], object], rounds: int) -> float:
    """Return the median time of a call in seconds, for ratios taken in one run."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def test_azure_below_the_knee(benchmark: Benchmark, figure: Report) -> None:
    """20,000 requests with records, by leaps and by steps, and their ratio."""
    point = scenario("azure_below_knee")
    result = simulated(benchmark, point)
    assert result.status == "ok"
    leap = median(benchmark)
    step = timed(lambda: kvsim.simulate(point | {"mode": "step"}), 5)
    figure("azure below the knee, leap", 20_000 / leap, "requests/s", at_least=1.5e6)
    figure("azure below the knee, step", 20_000 / step, "requests/s", at_least=0.6e6)
    figure("step/leap, azure below the knee", step / leap, "x")


def ratio_of(slow: dict[str, Any], fast: dict[str, Any], rounds: int = 9) -> float:
    """Return the median ratio of two scenarios' processor times, each pair taken in turn."""
    kvsim.simulate(slow)
    kvsim.simulate(fast)
    ratios = []
    for _ in range(rounds):
        start = time.process_time()
        kvsim.simulate(slow)
        middle = time.process_time()
        kvsim.simulate(fast)
        ratios.append((middle - start) / (time.process_time() - middle))
    return statistics.median(ratios)


def asynchronous(point: dict[str, Any]) -> dict[str, Any]:
    """Return the scenario with asynchronous scheduling."""
    return point | {"engine": point["engine"] | {"async_scheduling": True}}


def test_kernels(benchmark: Benchmark, figure: Report) -> None:
    """Step times from measured kernels against the roofline's, a step."""
    point = scenario("azure_kernels")
    steps = simulated(benchmark, point).summary["steps"]
    figure("azure, kernels", 20_000 / median(benchmark), "requests/s", at_least=1.5e6)
    roofline = scenario("azure_below_knee")
    more_steps = steps / kvsim.simulate(roofline).summary["steps"]
    ratio = ratio_of(point, roofline) / more_steps
    figure("kernels/roofline, time a step", ratio, "x", at_most=1.1)


@pytest.mark.parametrize("name", ["azure_below_knee", "azure_kernels", "decode_heavy"])
def test_asynchronous(benchmark: Benchmark, figure: Report, name: str) -> None:
    """Asynchronous against synchronous scheduling, a step."""
    point = scenario(name)
    steps = simulated(benchmark, asynchronous(point)).summary["steps"]
    more_steps = steps / kvsim.simulate(point).summary["steps"]
    ratio = ratio_of(asynchronous(point), point) / more_steps
    figure(f"async/sync, time a step, {name}", ratio, "x", at_most=1.0)


@pytest.mark.parametrize(("stages", "gpus", "rate_per_s"), [(2, 4, 8.0), (4, 2, 4.0)])
def test_pipeline(
    benchmark: Benchmark, figure: Report, stages: int, gpus: int, rate_per_s: float
) -> None:
    """Azure's lengths below the knee on stages of `gpus` GPUs, asynchronous and synchronous."""
    point = scenario("azure_pipeline")
    point |= {"pipeline_parallel_size": stages, "tensor_parallel_size": gpus}
    point["workload"]["arrivals"]["rate_per_s"] = rate_per_s
    result = simulated(benchmark, point, rounds=5)
    assert result.status == "ok"
    figure(f"pipeline of {stages}", 20_000 / median(benchmark), "requests/s", at_least=0.3e6)
    synchronous = point | {"engine": point["engine"] | {"async_scheduling": False}}
    seconds = timed(lambda: kvsim.simulate(synchronous), 5)
    figure(f"pipeline of {stages}, synchronous", 20_000 / seconds, "requests/s", at_least=0.3e6)


def test_azure_trace_polynomial(benchmark: Benchmark, figure: Report) -> None:
    """The whole trace on the peer's own step times: 443,928 passes, 1.27 s there."""
    result = simulated(benchmark, scenario("azure_trace_polynomial"))
    assert result.summary["steps"] == 443_928
    figure("azure trace, 443,928 passes", 1e3 * median(benchmark), "ms", at_most=12)


def test_azure_beyond_the_knee(benchmark: Benchmark, figure: Report) -> None:
    """Preemptions and a queue that grows."""
    result = simulated(benchmark, scenario("azure_beyond_knee"))
    assert result.summary["preemptions"] > 100
    figure("azure beyond the knee", 20_000 / median(benchmark), "requests/s", at_least=0.8e6)


def test_decode_heavy(benchmark: Benchmark, figure: Report) -> None:
    """1,000 output tokens, batch 256: prompt and output tokens per second."""
    result = simulated(benchmark, scenario("decode_heavy"))
    tokens = result.summary["total_input_tokens"] + result.summary["total_output_tokens"]
    figure("decode-heavy", tokens / median(benchmark), "tokens/s", at_least=2.5e9)


@pytest.mark.parametrize(
    ("case", "goal_ms"), [("b1_mid", 0.8), ("b2_prefix", 0.9), ("b3_preempt", 1.0)]
)
def test_vllm_bench(benchmark: Benchmark, figure: Report, case: str, goal_ms: float) -> None:
    """Inputs that the real scheduler needs 4.4, 3.75 and 4.1 s for; the scheduling loop alone."""
    config, trace = from_vllm_case(HERE / "vllm" / case)
    point = case_scenario(config, trace, "leap") | {"record_waterfall": False}
    # The same point many times over: a sweep builds the requests and their prefix keys once.
    points = [{"record": "summary"}] * 100
    benchmark.pedantic(
        kvsim.sweep,
        args=(point, points),
        kwargs={"threads": 1, "datasets": {"case": trace}},
        rounds=9,
        warmup_rounds=1,
    )
    figure(case, 1e3 * median(benchmark) / len(points), "ms", at_most=goal_ms)


def test_contiguous_memory(benchmark: Benchmark, figure: Report) -> None:
    """The load beyond the knee, in contiguous memory handed out by buddies."""
    point = scenario("azure_beyond_knee")
    point["engine"] = point["engine"] | {
        "max_model_len": 16_384,
        "kv_allocator": {"kind": "contiguous", "reservation": "pow2", "placement": "buddy"},
    }
    simulated(benchmark, point)
    figure("contiguous memory, buddies", 20_000 / median(benchmark), "requests/s", at_least=0.3e6)


def test_memory_record(benchmark: Benchmark, figure: Report) -> None:
    """What the account of every slot and the picture of the memory cost, pairs taken in turn.

    The picture's size is bounded, so it weighs more in a short run.
    """
    short = scenario("azure_beyond_knee")
    simulated(benchmark, short)
    long = scenario("azure_beyond_knee")
    long["workload"]["num_requests"] = 200_000
    figure(
        "record_memory classes over none",
        ratio_of(short | {"record_memory": "classes"}, short),
        "x",
    )
    recorded = {"record_memory": "heatmap"}
    figure(
        "record_memory heatmap over none, 20,000 requests", ratio_of(short | recorded, short), "x"
    )
    ratio = ratio_of(long | recorded, long, rounds=5)
    figure("record_memory heatmap over none", ratio, "x", at_most=1.3)


def test_eviction_policies(benchmark: Benchmark, figure: Report) -> None:
    """Each policy over LRU on a trace whose cache evicts all the time; Belady aside."""
    lru = scenario("mooncake_conversation")
    simulated(benchmark, lru, rounds=3)
    for policy in eviction_policies():
        if policy in {"lru", "belady"}:
            continue
        other = lru | {"engine": lru["engine"] | {"prefix_eviction": policy}}
        figure(f"prefix_eviction {policy} over lru", ratio_of(other, lru, 5), "x", at_most=2)


def test_mooncake(benchmark: Benchmark, figure: Report) -> None:
    """12,031 requests, 145 M prompt tokens, prefix cache on, finite pool."""
    result = simulated(benchmark, scenario("mooncake_conversation"), rounds=3)
    assert result.summary["prefix_hit_rate"] == pytest.approx(0.0605, abs=0.0005)
    figure("mooncake conversation", median(benchmark), "s", at_most=1.0)


def test_sweep(benchmark: Benchmark, figure: Report) -> None:
    """1,000 points of 2,000 requests on two threads, against one thread in the same run."""
    base = scenario("sweep_point")
    axes = {
        "workload.arrivals.rate_per_s": [2 + 0.2 * i for i in range(50)],
        "engine.max_num_seqs": [64, 128, 192, 256],
        "engine.max_num_batched_tokens": [1024, 2048, 4096, 8192, 16384],
    }
    result = benchmark.pedantic(
        kvsim.sweep, args=(base, axes), kwargs={"threads": 2}, rounds=3, warmup_rounds=1
    )
    assert len(result) == 1_000
    one = timed(lambda: kvsim.sweep(base, axes, threads=1), 1)
    figure("sweep of 1,000 points, 2 threads", median(benchmark), "s", at_most=1.5)
    figure("sweep, 2 threads over 1", one / median(benchmark), "x", at_least=1.8)


def test_sweep_python_overhead(benchmark: Benchmark, figure: Report) -> None:
    """Points so small that the engine hardly counts: what a sweep costs beside it."""
    tiny = scenario("sweep_overhead")
    axes = {"seed": list(range(1_000))}
    result = benchmark.pedantic(
        kvsim.sweep, args=(tiny, axes), kwargs={"threads": 1}, rounds=5, warmup_rounds=1
    )
    assert len(result) == 1_000
    figure("sweep, all in all a point", 1e6 * median(benchmark) / 1_000, "us", at_most=30)


def test_frontier(benchmark: Benchmark, figure: Report) -> None:
    """20 points of 10,000 requests each, two threads, call to result: with capacity and knee."""
    base = scenario("frontier_point")

    def answer() -> kvsim.Knee | None:
        result = kvsim.frontier(base, num_points=20, threads=2)
        assert len(result.series[0].table) == 20
        return result.series[0].knee("p99_ttft_ms")

    knee = benchmark.pedantic(answer, rounds=5, warmup_rounds=1)
    assert knee is not None
    figure("frontier of 20 points, capacity, knee", 1e3 * median(benchmark), "ms", at_most=150)


TEN_MILLION = """
import json, resource, sys, time
import kvsim
point = json.load(open(sys.argv[1]))
point["workload"]["num_requests"] = int(sys.argv[2])
kvsim.simulate(point | {"workload": point["workload"] | {"num_requests": 100}})
start = time.perf_counter()
result = kvsim.simulate(point)
seconds = time.perf_counter() - start
assert result.requests["ttft_ns"].size == int(sys.argv[2])
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
"""


def test_ten_million_requests(benchmark: Benchmark, figure: Report) -> None:
    """Linear in the requests, bounded memory; in processes of their own for the peak."""
    path = str(HERE / "scenarios" / "ten_million.json")

    def run(requests: int) -> tuple[float, float]:
        out = subprocess.run(
            [sys.executable, "-c", TEN_MILLION, path, str(requests)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        return float(out[0]), float(out[1])

    small = statistics.median(run(1_000_000)[0] for _ in range(3))
    # A first run, so that a virtual machine has the memory by then: getting it is the host's time.
    seconds, peak_gib = benchmark.pedantic(run, args=(10_000_000,), rounds=1, warmup_rounds=1)
    figure("10 M requests over 1 M", seconds / small, "x", at_most=11)
    figure("10 M requests", 1e7 / seconds, "requests/s")
    figure("10 M requests, peak memory", peak_gib * 1.073741824, "GB", at_most=1.5)


def test_fleet_azure(benchmark: Benchmark, figure: Report) -> None:
    """Four replicas, round robin, the whole conversation trace: 51 s in Vidur."""
    result = simulated(benchmark, scenario("fleet_azure"))
    assert result.summary["completed"] == 19_366
    figure("4 replicas, azure trace", 1e3 * median(benchmark), "ms", at_most=40)


def test_fleet_million(benchmark: Benchmark, figure: Report) -> None:
    """100 replicas, 1 M requests, each to the least outstanding."""
    result = simulated(benchmark, scenario("fleet_million"), rounds=3)
    assert result.summary["completed"] == 1_000_000
    figure("100 replicas, 1 M requests", median(benchmark), "s", at_most=3)


@pytest.mark.parametrize(("name", "goal"), [("fan_out", 8e6), ("fan_out_hedged", 4e6)])
def test_fan_out(benchmark: Benchmark, figure: Report, name: str, goal: float) -> None:
    """10^6 one-shot requests of ten sub-requests each, records of the parents."""
    result = simulated(benchmark, scenario(name), rounds=3)
    assert result.totals["sub_requests"] == 10_000_000
    figure(name.replace("_", "-"), 1e7 / median(benchmark), "sub-requests/s", at_least=goal)


FIRST_OBJECT = "import kvsim; kvsim.Workload(num_requests=1)"


def test_import(benchmark: Benchmark, figure: Report) -> None:
    """Importing kvsim in a fresh interpreter, over an interpreter that imports nothing."""

    def start(code: str) -> None:
        subprocess.run(
            [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": "0"}
        )

    benchmark.pedantic(start, args=("import kvsim",), rounds=9, warmup_rounds=1)
    bare = timed(lambda: start("pass"), 9)
    figure("import kvsim", median(benchmark) - bare, "s", at_most=0.2)
    # With numpy, which is what most of it is.
    figure("import kvsim, first object", timed(lambda: start(FIRST_OBJECT), 9) - bare, "s")
