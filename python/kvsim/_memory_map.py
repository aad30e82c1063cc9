"""The picture of a run's KV memory as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from kvsim import _native

CLASSES = ("free", "tokens", "reserved", "internal", "rounding", "external", "cached")
"""Names of the classes, by their number in `MemoryMap.slot_class`."""
_COLUMNS = {
    "free": "free_slots", "tokens": "token_slots", "reserved": "reserved_slots",
    "internal": "internal_slots", "rounding": "rounding_slots", "external": "external_slots",
    "cached": "cached_slots",
}  # fmt: skip


@dataclass(frozen=True)
class MemoryMap:
    """The KV memory at up to 1,024 moments, equally far apart, and at up to 512 places.

    Attributes
    ----------
    t_ns : array of int64, shape (moments,)
        The moments.
    row_slot : array of int64, shape (rows,)
        The token slot that each row shows: with more slots than rows they are samples, one of
        every block or of every few.
    slot_class : array of uint8, shape (rows, moments)
        Index into `CLASSES`: free, tokens (holds a token), reserved (its request will fill it
        later), internal (its request never will), rounding (added by the placement), external
        (free, and the request at the head of the queue does not fit), cached (free, and a prefix
        may find it).
    owner : array of int32, shape (rows, moments)
        The request that holds the slot, -1 = nobody.
    slots : dict of arrays of int64, shape (moments,)
        Number of slots of the whole memory in each class.
    preemptions, evictions : array of int32, shape (moments,)
        How many since the moment before; evicted are blocks with a content that could be found.
    block_size : int
        Tokens of a block.
    """

    t_ns: npt.NDArray[np.int64]
    row_slot: npt.NDArray[np.int64]
    slot_class: npt.NDArray[np.uint8]
    owner: npt.NDArray[np.int32]
    slots: Mapping[str, npt.NDArray[np.int64]]
    preemptions: npt.NDArray[np.int32]
    evictions: npt.NDArray[np.int32]
    block_size: int

    @property
    def num_slots(self) -> int:
        """Slots of the memory."""
        return int(sum(int(column[0]) for column in self.slots.values()))


def read_memory_map(native: _native.Result, block_size: int) -> MemoryMap:
    """Return the map of a result that has one."""
    c: dict[str, npt.NDArray[Any]] = native.columns("heatmap")
    shape = (len(c["t_ns"]), len(c["row_slot"]))
    return MemoryMap(
        t_ns=c["t_ns"],
        row_slot=c["row_slot"],
        slot_class=c["slot_class"].reshape(shape).T,
        owner=c["owner"].reshape(shape).T,
        slots={name: c[column] for name, column in _COLUMNS.items()},
        preemptions=c["preemptions"],
        evictions=c["evictions"],
        block_size=block_size,
    )
