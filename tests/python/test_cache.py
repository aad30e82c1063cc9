"""The prefix cache on its own, against an independent library and against known figures."""

from collections.abc import Sequence

import numpy as np
import pytest

import kvsim
from kvsim._cache import eviction_policies
from kvsim.datasets import Trace

POLICIES = eviction_policies()
# Where libCacheSim has the same policy. Its random generator is another one, and its GDSF does
# not let in what it would evict first.
PEERS = {"lru": "LRU", "fifo": "FIFO", "lfu": "LFU", "sieve": "Sieve", "s3_fifo": "S3FIFO"}


def block_trace(ids: Sequence[int]) -> Trace:
    """A trace of requests with one prefix block each."""
    n = len(ids)
    return Trace(
        prompt_tokens=np.full(n, 16), output_tokens=np.full(n, 1), hash_block_tokens=16,
        hash_offset=np.arange(n + 1), hash_ids=np.asarray(ids, dtype=np.int64), name="blocks",
    )  # fmt: skip


def zipf(seed: int, n: int, contents: int) -> list[int]:
    """Popular and rare blocks, and a scan now and then."""
    rng = np.random.default_rng(seed)
    ids = (rng.zipf(1.1, n) % contents).tolist()
    for start in range(n // 4, n, n // 4):
        ids[start : start + contents // 3] = range(contents, contents + contents // 3)
    return [int(i) for i in ids[:n]]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("policy", PEERS)
def test_hits_equal_libcachesim(policy: str, seed: int) -> None:
    libcachesim = pytest.importorskip("libcachesim")
    ids = zipf(seed, 20_000, 1500)
    for capacity in (20, 90, 400, 1000):
        peer = getattr(libcachesim, PEERS[policy])(cache_size=capacity)
        hits = 0
        for i in ids:
            request = libcachesim.Request()
            request.obj_id, request.obj_size = i, 1
            hits += peer.get(request)
        found = kvsim.prefix_hit_rates(block_trace(ids), [capacity], [policy])
        assert round(float(found.rates[policy][0]) * len(ids)) == hits


def gdsf_hits(ids: Sequence[int], capacity: int) -> int:
    """The definition of GDSF for blocks of one cost: age + uses, of equals the longest unused."""
    cache: dict[int, tuple[int, int, int]] = {}  # id: priority, last use, uses
    age = hits = 0
    for now, i in enumerate(ids):
        if i in cache:
            hits += 1
        elif len(cache) == capacity:
            victim = min(cache, key=cache.__getitem__)
            age = cache.pop(victim)[0]
        uses = cache[i][2] + 1 if i in cache else 1
        cache[i] = (age + uses, now, uses)
    return hits


def test_gdsf_is_its_definition() -> None:
    ids = zipf(5, 3000, 400)
    for capacity in (20, 90, 200):
        found = kvsim.prefix_hit_rates(block_trace(ids), [capacity], ["gdsf"])
        assert round(float(found.rates["gdsf"][0]) * len(ids)) == gdsf_hits(ids, capacity)


@pytest.mark.parametrize(
    ("name", "published"), [("mooncake-conversation", 36.6), ("mooncake-synthetic", 64.0)]
)
def test_mooncake(name: str, published: float) -> None:
    sizes = [500, 2000, 10_000, 50_000, 200_000]
    found = kvsim.prefix_hit_rates(name, sizes)
    assert 100 * found.unlimited == pytest.approx(published, abs=0.05)
    for policy, rates in found.rates.items():
        assert (rates <= found.rates["belady"]).all(), policy
        assert rates[-1] == found.unlimited
        assert rates[1] < rates[-1]
    assert (np.diff(found.rates["lru"]) >= 0).all()  # a larger LRU holds all that a smaller does


def test_the_engine_uses_the_policy() -> None:
    base = kvsim.Scenario(
        engine=kvsim.Engine(num_gpu_blocks=8000, block_size=512, max_model_len=200_000),
        step_time=kvsim.Affine(),
        workload=kvsim.Workload(
            arrivals=kvsim.Poisson(rate_per_s=1), lengths="mooncake-synthetic",
            prefixes=kvsim.TracePrefixes(),
        ),
        seed=1,
    )  # fmt: skip
    sweep = kvsim.sweep(base, {"engine.prefix_eviction": list(POLICIES)})
    rates = dict(zip(POLICIES, sweep["prefix_hit_rate"], strict=True))
    assert len(set(rates.values())) == len(POLICIES)  # none is another one in disguise
    assert max(rates, key=lambda p: float(rates[p])) == "belady"


def test_random_follows_its_seed() -> None:
    trace = block_trace(zipf(3, 5000, 300))
    rates = [kvsim.prefix_hit_rates(trace, [50], ["random"], seed=s).rates["random"][0]
             for s in (1, 1, 2)]  # fmt: skip
    assert rates[0] == rates[1] != rates[2]


def test_a_cache_too_small_for_a_request_has_no_rate() -> None:
    found = kvsim.prefix_hit_rates("mooncake-conversation", [100], ["lru"])
    assert np.isnan(found.rates["lru"][0])


@pytest.mark.parametrize(
    ("trace", "capacities", "policies", "words"),
    [
        ("azure-2023-code", [10], ["lru"], "no hash ids"),
        ("mooncake-synthetic", [0], ["lru"], "capacities: got 0"),
        ("mooncake-synthetic", [1.5], ["lru"], "capacities: got 1.5"),
        ("mooncake-synthetic", [1 << 40], ["lru"], "at most"),
        ("mooncake-synthetic", [10], ["siev"], "did you mean 'sieve'"),
        (7, [10], ["lru"], "trace: got a int"),
    ],
)
def test_bad_input(trace: str, capacities: list[int], policies: list[str], words: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=words):
        kvsim.prefix_hit_rates(trace, capacities, policies)


@pytest.mark.parametrize(
    ("engine", "workload", "words"),
    [
        ({"prefix_eviction": "sieved"}, {}, "nearest: sieve"),
        ({"prefix_eviction": "fifo", "enable_prefix_caching": False}, {}, '"lru"'),
        ({"prefix_eviction": "belady", "scheduling_policy": "priority"}, {}, "priority"),
        ({"prefix_eviction": "belady"}, {"prefixes": {"kind": "sessions"}}, "sessions"),
    ],
)
def test_bad_policies(engine: dict[str, object], workload: dict[str, object], words: str) -> None:
    scenario = {
        "engine": {"num_gpu_blocks": 100} | engine, "step_time": {"kind": "affine"},
        "workload": {"num_requests": 10} | workload,
    }  # fmt: skip
    with pytest.raises(kvsim.ConfigError, match=words):
        kvsim.simulate(scenario)
