"""`iter_sweep`: rows as they finish; cancelling; callbacks that raise; executors."""

import threading
from concurrent import futures
from typing import Any

import numpy as np
import pytest

import kvsim
from kvsim.errors import ConfigError

RATE = "workload.arrivals.rate_per_s"
BASE = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=150),
)
AXES = {RATE: [1.0, 4.0, 20.0, 1e4], "engine.max_num_seqs": [2, 64, 0]}
# Runs far longer than a test waits.
LONG = BASE.replace({
    "engine.num_gpu_blocks": 100_000, "engine.max_model_len": 40_000, "mode": "step",
    "workload.num_requests": 20_000, "workload.lengths.output_tokens": 30_000,
    "workload.arrivals": kvsim.Burst(),
})  # fmt: skip
MIXED = [
    *({"workload.num_requests": 5, "workload.lengths.output_tokens": 3, "seed": i}
      for i in range(9)),
    *({"seed": i} for i in range(30)),
]  # fmt: skip


def test_rows_are_those_of_the_sweep() -> None:
    result = kvsim.sweep(BASE, AXES)
    rows = list(kvsim.iter_sweep(BASE, AXES, threads=2))
    assert [row.done for row in rows] == list(range(1, 13))
    assert {row.total for row in rows} == {12}
    assert sorted(row.index for row in rows) == list(range(12))
    for row in rows:
        assert dict(row) == result.rows()[row.index]
        assert row.point == result.points[row.index]
        assert row.rate_per_s > 0
        assert row.left_s == (12 - row.done) / row.rate_per_s
    assert rows[-1].left_s == 0
    with pytest.raises(KeyError, match="did you mean 'p99_ttft_ms'"):
        rows[0]["p99_tft_ms"]


def test_leaving_the_loop_ends_the_sweep() -> None:
    before = threading.active_count()
    rows = kvsim.iter_sweep(LONG, MIXED, threads=1)
    assert next(rows)["completed"] == 5
    rows.close()
    assert threading.active_count() == before


def test_rows_come_before_the_end() -> None:
    seen = 0
    for row in kvsim.iter_sweep(LONG, MIXED, threads=1):
        seen += 1
        if row.done == 9:
            break
    assert seen == 9


def test_errors_of_the_base_come_at_the_first_row() -> None:
    with pytest.raises(ConfigError, match=r"engine\.block_size: got 0"):
        next(kvsim.iter_sweep({"engine": {"block_size": 0}}, {"seed": [1]}))


def test_cancelling_from_another_thread() -> None:
    event = threading.Event()
    result = kvsim.sweep(
        LONG, MIXED, threads=1, cancel=event,
        progress=lambda done, _: event.set() if done == 9 else None,
    )  # fmt: skip
    assert len(result) == 9
    assert len(result.unfinished) == 30


def test_a_callback_that_raises_keeps_finished_rows() -> None:
    def progress(done: int, _: int) -> None:
        if done == 9:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        kvsim.sweep(LONG, MIXED, threads=1, progress=progress)
    assert len(caught.value.sweep_result) == 9  # type: ignore[attr-defined]
    assert "9 of 39 points" in caught.value.__notes__[0]


def same(a: kvsim.SweepResult, b: kvsim.SweepResult) -> bool:
    """Whether two tables are the same to the bit."""
    equal = all(
        np.array_equal(a[n].view(np.uint64), b[n].view(np.uint64))
        for n in a.columns if a[n].dtype == np.float64
    )  # fmt: skip
    return equal and a.to_json() == b.to_json()


@pytest.mark.parametrize("chunk", [None, 1, 5])
@pytest.mark.parametrize("kind", [futures.ThreadPoolExecutor, futures.ProcessPoolExecutor])
def test_executors_give_the_same_bits(kind: Any, chunk: int | None) -> None:
    own = kvsim.Trace(prompt_tokens=np.array([40, 50]), output_tokens=np.array([3, 2]))
    axes = {**AXES, "workload.lengths": [own, "mine", "sharegpt-300"]}
    options: dict[str, Any] = {"datasets": {"mine": own}}
    with kind(2) as pool:
        there = kvsim.sweep(BASE, axes, executor=pool, chunk_points=chunk, **options)
        rows = list(kvsim.iter_sweep(BASE, axes, executor=pool, chunk_points=chunk, **options))
    here = kvsim.sweep(BASE, axes, **options)
    assert same(here, there)
    assert [dict(r) for r in sorted(rows, key=lambda r: r.index)] == here.rows()


def test_deadlines_and_cancelling_reach_executors() -> None:
    with futures.ThreadPoolExecutor(1) as pool:
        result = kvsim.sweep(LONG, MIXED, executor=pool, chunk_points=3, deadline_s=1.0)
    assert len(result) == 9


class Lost(futures.Executor):
    """An executor whose worker dies in the third chunk."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        future: futures.Future[Any] = futures.Future()
        if self.calls == 3:
            future.set_exception(futures.BrokenExecutor("worker died"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_an_executor_that_breaks_leaves_what_is_finished() -> None:
    with pytest.raises(futures.BrokenExecutor) as caught:
        kvsim.sweep(BASE, {"seed": range(12)}, executor=Lost(), chunk_points=2)
    assert len(caught.value.sweep_result) >= 4  # type: ignore[attr-defined]


def test_bad_executors() -> None:
    pool = futures.ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(ConfigError, match="executor: got a closed one"):
        kvsim.sweep(BASE, {"seed": [1]}, executor=pool)
    with pytest.raises(ConfigError, match="executor: got a int"):
        kvsim.sweep(BASE, {"seed": [1]}, executor=3)
    with pytest.raises(ConfigError, match="chunk_points: got a size without"):
        kvsim.sweep(BASE, {"seed": [1]}, chunk_points=3)
    with pytest.raises(ConfigError, match="record: got 'requests' with an executor"):
        kvsim.sweep(BASE, {"seed": [1]}, executor=Lost(), record="requests")
    with pytest.raises(ConfigError, match="cancel: got a int"):
        kvsim.sweep(BASE, {"seed": [1]}, cancel=1)  # type: ignore[arg-type]
