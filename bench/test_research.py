"""What sweeps for research must reach: size, store, resume, cluster, coverage, pairs, backend."""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import kvsim
import mm1

HERE = Path(__file__).parent
Benchmark = Any
Report = Any


def scenario(name: str, **changes: Any) -> dict[str, Any]:
    """Return a committed scenario with fields of its workload replaced."""
    loaded: dict[str, Any] = json.loads((HERE / "scenarios" / f"{name}.json").read_text())
    loaded["workload"] |= changes
    return loaded


def axes(points: int) -> dict[str, list[Any]]:
    """Return a grid of so many points (a multiple of 20)."""
    return {
        "workload.arrivals.rate_per_s": [2 + 10 * i / (points // 20) for i in range(points // 20)],
        "engine.max_num_seqs": [64, 128, 192, 256],
        "engine.max_num_batched_tokens": [1024, 2048, 4096, 8192, 16384],
    }


SWEEP = """
import json, resource, sys, time
import kvsim
base, axes, threads, store = json.loads(sys.argv[1])
kvsim.sweep(base, {path: values[:1] for path, values in axes.items()})
start, start_cpu = time.perf_counter(), time.process_time()
result = kvsim.sweep(base, axes, threads=threads, store=store)
seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, cpu, len(result))
"""


def swept(points: int, threads: int, store: Path | None) -> tuple[float, float, float]:
    """Return seconds, peak GiB and processor seconds of a sweep in a process of its own."""
    call = [scenario("sweep_point", num_requests=500), axes(points), threads, store and str(store)]
    command = [sys.executable, "-c", SWEEP, json.dumps(call)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(out[3]) == points
    return float(out[0]), float(out[1]), float(out[2])


def test_a_hundred_thousand_points(benchmark: Benchmark, figure: Report, tmp_path: Path) -> None:
    """10^5 points of 500 requests into a store; one thread and no store on fewer, in one run."""
    seconds, peak_gib, _ = benchmark.pedantic(swept, args=(100_000, 2, tmp_path / "all"), rounds=1)
    figure("sweep of 10^5 points to a store, 2 threads", seconds, "s", at_most=60)
    figure("sweep of 10^5 points, peak memory", peak_gib * 1.073741824, "GB", at_most=1)
    # Ratios from runs side by side, so that what else the machine does hits all alike; long enough
    # for the import of pyarrow not to count for more than it does in a whole sweep.
    some = 40_000
    rounds = [
        {
            (threads, stored): swept(some, threads, tmp_path / f"{i}{threads}" if stored else None)
            for threads in (2, 1)
            for stored in (False, True)
        }
        for i in range(3)
    ]
    cost = statistics.median(r[2, True][0] / r[2, False][0] - 1 for r in rounds)
    figure("store overhead", 100 * cost, "%", at_most=10)
    work = statistics.median(r[2, True][2] / r[2, False][2] - 1 for r in rounds)
    figure("store overhead, processor time", 100 * work, "%", at_most=10)
    speedup = statistics.median(r[1, True][0] / r[2, True][0] for r in rounds)
    figure("sweep to a store, 2 threads over 1", speedup, "x", at_least=1.8)
    bare = statistics.median(r[1, False][0] / r[2, False][0] for r in rounds)
    figure("sweep without a store, 2 threads over 1", bare, "x")


KILLED = """
import json, sys
import kvsim
base, axes, store = json.loads(sys.argv[1])
kvsim.sweep(base, axes, threads=2, store=store, progress=lambda done, _: print(done, flush=True))
"""


def test_resume_after_kills(benchmark: Benchmark, figure: Report, tmp_path: Path) -> None:
    """Kill -9 at 20 random moments; how many runs are simulated twice, and the same table."""
    base, grid = scenario("sweep_point", num_requests=500), axes(20_000)
    call = [base, grid, str(tmp_path / "killed")]
    moments = random.Random(1)
    repeated = []
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, json.dumps(call)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        done = 0
        for _ in range(moments.randrange(1, 60)):
            line = process.stdout.readline()
            if not line:
                break
            done = int(line)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        repeated.append(done - len(kvsim.Store(tmp_path / "killed")))
    resumed = benchmark.pedantic(
        kvsim.sweep, args=(base, grid), kwargs={"store": tmp_path / "killed"}, rounds=1
    )
    assert resumed.to_csv() == kvsim.sweep(base, grid).to_csv()
    figure("runs repeated after kill -9, worst of 20", max(repeated), "runs", at_most=8192)


def test_dask(benchmark: Benchmark, figure: Report) -> None:
    """2,000 points on a LocalCluster of two processes, against one; a worker is killed once."""
    distributed = pytest.importorskip("distributed")
    base, grid = scenario("sweep_point"), axes(2_000)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    pools: dict[int, list[float]] = {1: [], 2: []}
    tables = []
    for workers in (1, 2, 1, 2, 1, 2):
        with (
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            kvsim.sweep(base, axes(20), executor=client)  # workers have imported kvsim
            start = time.perf_counter()
            tables.append(kvsim.sweep(base, grid, executor=client).to_csv())
            seconds[workers].append(time.perf_counter() - start)
        # What two processes gain on this machine just now, without a cluster around them.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            kvsim.sweep(base, axes(20), executor=pool)
            start = time.perf_counter()
            tables.append(kvsim.sweep(base, grid, executor=pool).to_csv())
            pools[workers].append(time.perf_counter() - start)
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        pid = next(iter(client.run(os.getpid).values()))
        killed: list[int] = []

        def kill(done: int, total: int) -> None:
            if not killed and 0 < done < total:
                os.kill(pid, signal.SIGKILL)
                killed.append(done)

        tables.append(kvsim.sweep(base, grid, executor=client, progress=kill).to_csv())
        assert killed
    here = benchmark.pedantic(kvsim.sweep, args=(base, grid), rounds=1)
    assert {here.to_csv()} == set(tables)
    ratio = statistics.median(a / b for a, b in zip(seconds[1], seconds[2], strict=True))
    figure("Dask, 2 processes over 1", ratio, "x", at_least=1.5)
    ratio = statistics.median(a / b for a, b in zip(pools[1], pools[2], strict=True))
    figure("plain process pool, 2 processes over 1", ratio, "x")


@pytest.mark.parametrize(("load", "requests"), [(0.5, 20_000), (0.9, 200_000)])
def test_coverage(benchmark: Benchmark, figure: Report, load: float, requests: int) -> None:
    """95 % intervals on M/M/1: 400 repetitions of 10 replications, and of one long run."""
    inside = benchmark.pedantic(
        mm1.coverage,
        args=(load,),
        kwargs={"repetitions": 400, "runs": 10, "num_requests": requests},
        rounds=1,
    )
    # One run has to be longer than each of ten, or it gives no interval.
    long = 100_000 if load < 0.9 else 800_000
    batches = mm1.batch_coverage(load, repetitions=400, num_requests=long)
    for name, what in (("mean_e2el_ms", "mean"), ("p99_e2el_ms", "P99")):
        text = f"coverage at load {load}, {what}"
        figure(f"{text}, replications", 100 * inside[name], "%", at_least=92, at_most=98)
        figure(f"{text}, batch means", 100 * batches[name], "%", at_least=92, at_most=98)
        none = 100 * batches[f"none_{name}"]
        figure(f"runs without an interval at load {load}, {what}, batch means", none, "%")


def test_common_random_numbers(benchmark: Benchmark, figure: Report) -> None:
    """Variance of a difference of mean TTFT at 80 % load: independent seeds over common ones."""
    base = kvsim.Scenario.from_dict(scenario("frontier_point", num_requests=2_000))
    rate = "workload.arrivals.rate_per_s"
    capacity = kvsim.frontier(base, [1.0]).capacity_per_s
    assert capacity is not None
    loaded = base.replace({rate: 0.8 * capacity})
    points = {"engine.max_num_batched_tokens": [2048, 8192]}
    common = benchmark.pedantic(
        kvsim.sweep, args=(loaded, points), kwargs={"replications": 50}, rounds=1
    ).compare(0, 1, "mean_ttft_ms")
    apart = kvsim.sweep(loaded, points, replications=50, common_random_numbers=False)
    independent = apart.compare(0, 1, "mean_ttft_ms")
    ratio = ((independent.high - independent.low) / (common.high - common.low)) ** 2
    figure("variance of a difference, independent over common", ratio, "x", at_least=5)


def test_backend_request(benchmark: Benchmark, figure: Report) -> None:
    """A frontier of 20 points x 10,000 requests from a backend's thread, JSON out."""
    from concurrent.futures import ThreadPoolExecutor

    base = scenario("frontier_point")
    grid = {"workload.arrivals.rate_per_s": [1 + 0.8 * i for i in range(20)]}

    def ask() -> str:
        return kvsim.sweep(base, grid, threads=2).to_json()

    with ThreadPoolExecutor(1) as pool:
        benchmark.pedantic(lambda: pool.submit(ask).result(), rounds=7, warmup_rounds=1)
    median = float(benchmark.stats["median"])
    figure("backend: frontier of 20 points to JSON", 1e3 * median, "ms", at_most=200)
