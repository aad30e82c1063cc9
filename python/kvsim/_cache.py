"""The prefix cache on its own: how many blocks of a trace it finds, by size and eviction policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from kvsim import _fields, _native
from kvsim._inputs import check_trace
from kvsim._names import nearest
from kvsim.datasets import Trace, load
from kvsim.errors import ConfigError, InfeasibleError

_MOST_BLOCKS = 1 << 30


def eviction_policies() -> tuple[str, ...]:
    """Return the names that `Engine.prefix_eviction` knows."""
    return get_args(_fields.PrefixEviction)


@dataclass(frozen=True)
class HitRates:
    """Hit rates of a prefix cache against its size.

    Attributes
    ----------
    capacities : array of int64, shape (sizes,)
        Sizes of the cache in blocks.
    block_tokens : int
        Tokens of a block.
    rates : dict
        Hit rate of each policy, in 0..1, an array of shape (sizes,); NaN where the cache cannot
        hold the trace's longest request.
    unlimited : float
        Hit rate of a cache that never evicts.
    trace : str
        Name of the trace.
    """

    capacities: npt.NDArray[np.int64]
    block_tokens: int
    rates: Mapping[str, npt.NDArray[np.float64]]
    unlimited: float
    trace: str


def prefix_hit_rates(
    trace: Trace | str,
    capacities: Sequence[int],
    policies: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> HitRates:
    """Replay a trace's prefix blocks through caches of several sizes and policies.

    No engine is simulated: requests come one after the other in the order of the trace, each finds
    the leading blocks that are cached and leaves its others in the cache. The same cache and the
    same policies serve `Engine.prefix_eviction`, where blocks in use cannot be evicted.

    Parameters
    ----------
    trace : Trace or str
        With `hash_ids`, such as "mooncake-conversation".
    capacities : sequence of int
        Sizes of the cache in blocks of the trace.
    policies : sequence of str, optional
        All by default.
    seed : int
        Of the policy `random`.

    Returns
    -------
    HitRates

    Raises
    ------
    ConfigError
        If the trace has no hash ids, a size is not 1 or more, or a policy is not known.

    Examples
    --------
    >>> import kvsim
    >>> found = kvsim.prefix_hit_rates("mooncake-conversation", [2000, 20_000], ["lru", "belady"])
    >>> [round(float(rate), 3) for rate in found.rates["lru"]], round(found.unlimited, 3)
    ([0.054, 0.288], 0.366)
    """
    trace = load(trace) if isinstance(trace, str) else check_trace("trace", trace)
    if trace.hash_offset is None or trace.hash_ids is None or trace.hash_block_tokens is None:
        raise ConfigError(
            f"trace: got {trace.name!r}, which has no hash ids; allowed: a trace with hash ids"
        )
    known = eviction_policies()
    for policy in policies or ():
        if policy not in known:
            raise ConfigError(f"policies: got {policy!r}{nearest(policy, known)}")
    sizes = np.array([_capacity(size) for size in capacities], dtype=np.int64)
    keys, ids = np.unique(trace.hash_ids, return_inverse=True)
    blocks = _native.BlockTrace(
        trace.hash_offset - trace.hash_offset[0], ids.astype(np.uint32), len(keys)
    )

    def rate(size: int, policy: str) -> float:
        try:
            hits, asked = _native.replay_cache(blocks, size, policy, seed)
        except InfeasibleError:
            return float("nan")
        return hits / asked if asked else float("nan")

    rates = {p: np.array([rate(int(size), p) for size in sizes]) for p in policies or known}
    unlimited = rate(max(len(keys), 1), "lru")
    return HitRates(sizes, trace.hash_block_tokens, rates, unlimited, trace.name)


def _capacity(size: object) -> int:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ConfigError(f"capacities: got {size!r}; allowed: whole numbers of blocks, 1 or more")
    if size > _MOST_BLOCKS:
        raise ConfigError(f"capacities: got {size}; allowed: at most {_MOST_BLOCKS} blocks")
    return int(size)
