"""What a sweep writes to a store, and finds in it."""

from __future__ import annotations

import json
import time

import numpy as np

from kvsim import _native
from kvsim._runs import SCHEMA_VERSION, Batch, Runs
from kvsim._store import Store
from kvsim._store_rows import as_bytes, found, table
from kvsim.design import Codes
from kvsim.result import SUMMARY

# Rows wait so long, or until they are so many, before they are written: what a kill may cost.
_FLUSH_ROWS = 8192
_FLUSH_S = 2.0


class Writer:
    """Gathers a sweep's finished runs and writes them to a store, part by part."""

    def __init__(self, store: Store, runs: Runs) -> None:
        store.probe()
        runs.note_keys()
        self._store = store
        self._runs = runs
        self._about = {
            "format": "kvsim-part",
            "schema_version": str(SCHEMA_VERSION),
            "kvsim_version": _native.__version__,
            "base": runs.scenario_json,
            "datasets": json.dumps(runs.hashes, sort_keys=True),
        }
        self._waiting: list[Batch] = []
        self._num_waiting = 0
        self._flushed_s = time.monotonic()

    def known(self) -> tuple[Codes, Batch]:
        """Return the runs that are not in the store yet, and those that are, read from it."""
        none = Batch(
            np.empty(0, np.int64),
            np.empty(0, np.uint8),
            np.empty(0, np.uint8),
            np.empty((0, len(SUMMARY)), np.float64),
        )
        everything = np.arange(len(self._runs))
        tables = list(self._store.tables())
        if not tables:
            return everything, none
        rows_of: dict[bytes, list[int]] = {}
        for i, key in enumerate(as_bytes(self._runs.keys(everything))):
            rows_of.setdefault(key, []).append(i)
        known = [batch for _, t in tables if (batch := found(t, rows_of)) is not None]
        if not known:
            return everything, none
        have = Batch.joined(known)
        return np.setdiff1d(everything, have.index), have

    def add(self, batch: Batch) -> None:
        """Take finished runs; write if many wait, or for long."""
        batch = batch.lasting()
        self._waiting.append(batch)
        self._num_waiting += len(batch)
        late = time.monotonic() - self._flushed_s >= _FLUSH_S
        if late or self._num_waiting >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits.

        Raises
        ------
        StoreError
            If the disk is full or read-only. What was written before is whole.
        """
        if self._num_waiting:
            batch = Batch.joined(self._waiting)
            rows = batch.index.astype(np.intp)
            points = self._runs.design.texts(rows)
            self._store.write(table(batch, self._runs.keys(rows), points, self._about))
        self._waiting, self._num_waiting = [], 0
        self._flushed_s = time.monotonic()
