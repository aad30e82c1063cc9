"""Sweeps on a Dask cluster: the same bits, also when a worker is lost."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import kvsim
from kvsim.errors import ConfigError

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.full,
    # Dask's own: closing sockets and loops of killed workers.
    pytest.mark.filterwarnings("ignore"),
]

RATE = "workload.arrivals.rate_per_s"
BASE = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=2000),
)
AXES = {RATE: np.linspace(0.5, 6, 20).tolist(), "engine.max_num_seqs": [2, 8, 64, 0, 256]}


@pytest.fixture
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as c,
        distributed.Client(c) as client,
    ):
        yield client


def test_a_cluster_gives_the_same_bits_and_survives_a_killed_worker(client: Any) -> None:
    here = kvsim.sweep(BASE, AXES).to_json()
    own = kvsim.Trace(prompt_tokens=np.array([40, 50]), output_tokens=np.array([3, 2]))
    assert kvsim.sweep(BASE, AXES, executor=client).to_json() == here
    with_trace = BASE.replace({"workload.lengths": "mine"})
    there = kvsim.sweep(with_trace, {RATE: [1.0]}, executor=client, datasets={"mine": own})
    assert (
        there.to_json() == kvsim.sweep(with_trace, {RATE: [1.0]}, datasets={"mine": own}).to_json()
    )

    pids = list(client.run(os.getpid).values())
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if not killed and 0 < done < total:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    result = kvsim.sweep(BASE, AXES, executor=client, chunk_points=4, progress=kill)
    assert killed
    assert result.to_json() == here


def test_a_closed_client_is_refused(client: Any) -> None:
    client.close()
    with pytest.raises(ConfigError, match="closed"):
        kvsim.sweep(BASE, {RATE: [1.0]}, executor=client)
