"""Answers to calls that have been asked before, in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from kvsim._sweep_result import SweepResult


class SweepCache:
    """Results of sweeps by the hash of their inputs, the least recently used dropped first.

    Threads may share one. Two that ask for the same sweep at once simulate it once. Sweeps that a
    deadline or an event cut off are not kept, nor those with a point that was refused for lack of
    memory: there may be more of it later.

    Parameters
    ----------
    max_entries : int
        Results that are kept.

    Examples
    --------
    >>> import kvsim
    >>> cache = kvsim.SweepCache(10)
    >>> base = {
    ...     "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
    ...     "step_time": {"kind": "affine"},
    ...     "workload": {"num_requests": 100},
    ... }
    >>> first = kvsim.sweep(base, {"seed": [1, 2]}, cache=cache)
    >>> kvsim.sweep(base, {"seed": [1, 2]}, cache=cache) is first, cache.hits
    (True, 1)
    """

    def __init__(self, max_entries: int = 128) -> None:
        whole = isinstance(max_entries, int) and not isinstance(max_entries, bool)
        if not whole or max_entries < 1:
            raise ConfigError(f"max_entries: got {max_entries!r}; allowed: from 1 on")
        self._max_entries = max_entries
        self._entries: OrderedDict[str, SweepResult] = OrderedDict()
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self._entries)

    def get(self, key: str, simulate: Callable[[], SweepResult]) -> SweepResult:
        """Return the result of a key; the first who asks simulates it, others wait."""
        with self._lock:
            turn = self._busy.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    self.hits += 1
                    return self._entries[key]
                self.misses += 1
            try:
                result = simulate()
                if result.lasting:
                    self._keep(key, result)
            finally:
                with self._lock:
                    self._busy.pop(key, None)
            return result

    def _keep(self, key: str, result: SweepResult) -> None:
        with self._lock:
            self._entries[key] = result
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
