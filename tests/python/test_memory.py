"""Runs that this machine's memory does not suffice for."""

import subprocess
import sys

import pytest

import kvsim

# In a process of its own, which may take so many MB more than it has.
LIMITED = """
import resource, sys, kvsim
base = {
    "engine": {"num_gpu_blocks": 500, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {"num_requests": 10},
}
kvsim.simulate(base)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1]) * 10**6
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
recorded = {**base, "record": sys.argv[3]}
try:
    print(kvsim.simulate({**recorded, "workload": {"num_requests": int(sys.argv[2])}}).status)
except (MemoryError, ValueError) as error:
    print(type(error).__name__, error)
print(kvsim.simulate(base).status)
"""


def limited(mb: int, requests: int, record: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(mb), str(requests), record],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_too_many_requests_are_refused_with_the_memory_that_they_need() -> None:
    refused, after = limited(600, 10**9, "summary")
    assert "ConfigError workload.num_requests: got 1000000000; allowed: what fits" in refused
    assert "about 181 GB, and 0." in refused
    assert after == "ok"
    assert limited(600, 10**6, "summary") == ["ok", "ok"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_what_a_run_records_may_take_all_memory() -> None:
    ended, after = limited(400, 10**5, "all")
    assert ended.startswith("MemoryError the run needs more memory than there is (")
    assert "record less" in ended
    assert after == "ok"


def test_in_a_sweep_it_is_a_point_that_is_invalid() -> None:
    base = {"step_time": {"kind": "affine"}, "engine": {"num_gpu_blocks": 500}}
    result = kvsim.sweep(
        base | {"workload": {"num_requests": 5}}, {"workload.num_requests": [5, 10**9]}
    )
    assert result.status == ["ok", "invalid"]
    assert "what fits into memory" in result.reason[1]
