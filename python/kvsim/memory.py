"""Closed forms of KV memory, computed by the engine.

How many users fit if each holds so many slots, and what is lost in pages that are not full. Lengths
are `min(X, max_tokens)` with X exponential of the given mean. `kvsim.concurrency` answers for any
law of lengths, model, GPU and allocator, also by simulation (docs/memory_wall.md).

Examples
--------
>>> from kvsim import memory
>>> memory.users_that_fit(80e9, 35.3e9, 327_680, 4096)
33
"""

from __future__ import annotations

from typing import Any

from kvsim import _native
from kvsim._each import Floats
from kvsim._each import each as _each

__all__ = ["mean_blocks", "paged_internal_waste", "users_that_fit"]


def users_that_fit(
    memory_bytes: Floats,
    weight_bytes: Floats,
    kv_bytes_per_token: Floats,
    slots_per_user: Floats,
    reserve_bytes: Floats = 0,
) -> Any:
    """Return floor((memory - weights - reserve) / (KV bytes a token * slots a user)), 0 at least.

    Parameters
    ----------
    memory_bytes, weight_bytes, reserve_bytes : float or array
        Of all GPUs together; the reserve is what is left for other things.
    kv_bytes_per_token : float or array
        2 * layers * kv_heads * head_dim * bytes.
    slots_per_user : float or array
        Token slots that each user holds.

    Examples
    --------
    >>> users_that_fit(640e9, 141.2e9, 327_680, 131_072, reserve_bytes=20e9)
    11
    >>> users_that_fit(80e9, 35.3e9, 327_680, [4096, 8192]).tolist()
    [33, 16]
    """
    return _each(
        _native.users_that_fit, memory_bytes, weight_bytes, reserve_bytes, kv_bytes_per_token,
        slots_per_user,
    )  # fmt: skip


def mean_blocks(mean_tokens: Floats, max_tokens: int, block_size: int = 16) -> Any:
    """Return the mean blocks, (1 - r^K) / (1 - r) with r = e^(-block / mean), K = max / block.

    Parameters
    ----------
    mean_tokens : float or array
        Of the exponential law before it is cut.
    max_tokens : int
        Where it is cut; a multiple of block_size.
    block_size : int
        Tokens of a block.

    Examples
    --------
    >>> round(mean_blocks(512.2, 4096), 2)
    32.5
    """
    return _each(_native.mean_blocks, mean_tokens, max_tokens, block_size)


def paged_internal_waste(mean_tokens: Floats, max_tokens: int, block_size: int = 16) -> Any:
    """Return the share of the slots of these blocks that hold no token, requests at full length.

    Examples
    --------
    >>> [round(100 * paged_internal_waste(mean, 4096), 3) for mean in (512.2, 1044.7, 2570.2)]
    [1.546, 0.762, 0.311]
    """
    return _each(_native.paged_internal_waste, mean_tokens, max_tokens, block_size)
