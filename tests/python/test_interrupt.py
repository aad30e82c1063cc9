"""Ctrl-C and deadlines: calls stop at once and keep what is finished."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import kvsim

RATE = "workload.arrivals.rate_per_s"
# Runs far longer than a test waits; a run that were not stopped would raise nothing.
LONG = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=100_000, max_model_len=40_000, max_num_seqs=64),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(
        num_requests=20_000,
        arrivals=kvsim.Burst(),
        lengths=kvsim.FixedLengths(prompt_tokens=8, output_tokens=30_000),
    ),
    mode="step",
)
QUICK = LONG.replace({"workload.num_requests": 5, "workload.lengths.output_tokens": 3})
# Finished points first, then ones that never end.
MIXED = [
    *(
        {"workload.num_requests": 5, "workload.lengths.output_tokens": 3, "seed": i}
        for i in range(9)
    ),
    *({"seed": i} for i in range(30)),
]


def test_deadline_of_a_run() -> None:
    with pytest.raises(kvsim.DeadlineExceeded, match=r"deadline_s: .*0\.1 s") as caught:
        kvsim.simulate(LONG, deadline_s=0.1)
    assert isinstance(caught.value, TimeoutError)
    assert kvsim.simulate(QUICK, deadline_s=1e12).status == "ok"


def test_deadline_of_a_sweep_keeps_what_is_finished() -> None:
    result = kvsim.sweep(LONG, MIXED, deadline_s=1.0, threads=2)
    assert len(result) == 9
    assert result.unfinished == list(range(9, 39))
    assert result.indices.tolist() == list(range(9))
    assert result["completed"].tolist() == [5] * 9
    assert result.to_dict()["unfinished"] == result.unfinished
    assert "30 unfinished" in repr(result)
    assert result["seed"].tolist() == list(range(9))


@pytest.fixture
def interrupting() -> Iterator[None]:
    """Send this process Ctrl-C a moment after the call has begun."""
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    yield
    timer.cancel()


@pytest.mark.usefixtures("interrupting")
def test_ctrl_c_ends_a_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        kvsim.simulate(LONG)


def test_ctrl_c_ends_a_sweep_and_keeps_what_is_finished() -> None:
    def progress(done: int, _: int) -> None:
        if done == 9:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(kvsim.SweepInterrupted, match="9 of 39 points") as caught:
        kvsim.sweep(LONG, MIXED, threads=2, progress=progress)
    result = caught.value.result
    assert isinstance(caught.value, KeyboardInterrupt)
    assert len(result) == 9
    assert np.isfinite(result["mean_ttft_ms"]).all()
    assert len(result.unfinished) == 30


@pytest.mark.usefixtures("interrupting")
def test_ctrl_c_inside_the_progress_callback() -> None:
    def progress(*_: int) -> None:
        time.sleep(1)

    with pytest.raises(kvsim.SweepInterrupted):
        kvsim.sweep(LONG, MIXED, threads=2, progress=progress)


@pytest.mark.usefixtures("interrupting")
def test_ctrl_c_ends_a_frontier() -> None:
    with pytest.raises(KeyboardInterrupt):
        kvsim.frontier(LONG.replace({"workload.arrivals": kvsim.Poisson()}))


def test_what_another_signals_handler_raises_ends_a_run() -> None:
    def handler(*_: object) -> None:
        raise LookupError("alarm")

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(LookupError, match="alarm"):
            kvsim.simulate(LONG)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_a_call_in_a_thread_does_not_take_the_main_threads_signals() -> None:
    found: list[object] = []

    def work() -> None:
        try:
            kvsim.simulate(LONG, deadline_s=1.0)
        except kvsim.KvsimError as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    thread.join()
    assert isinstance(found[0], kvsim.DeadlineExceeded)


def test_ctrl_c_in_a_process_of_its_own() -> None:
    code = f"""
        import kvsim
        scenario = kvsim.Scenario.from_json({LONG.to_json()!r})
        def progress(done, total):
            if done == 9:
                print("ready", flush=True)
        try:
            kvsim.sweep(scenario, {MIXED!r}, threads=2, progress=progress)
        except kvsim.SweepInterrupted as error:
            print(len(error.result), flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "9\n"
    assert process.returncode == 0
