"""A row of a sweep that is still at work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kvsim import _native
from kvsim._names import nearest
from kvsim._runs import Batch
from kvsim.design import Design
from kvsim.result import COUNTS, SUMMARY

_TEXTS = ("status", "reason", "calibration")


class SweepRow(Mapping[str, Any]):
    """One finished point of `iter_sweep`: a mapping from names to values, as a table's row.

    Attributes
    ----------
    index : int
        Number of the point in the design.
    point : dict
        What it sets.
    status, reason, calibration : str
        As in a `SweepResult`.
    warnings : list of str
        What a reader of its figures should know.
    done, total : int
        Points finished with this one, and in all.
    rate_per_s, left_s : float
        Points per second so far, seconds left at this rate.
    """

    def __init__(
        self, design: Design, batch: Batch, k: int, *, done: int, total: int, rate_per_s: float
    ) -> None:
        self.index = int(batch.index[k])
        self.point = design.points(np.array([self.index]))[0]
        self.status = _native.status_names()[batch.status[k]]
        self.calibration = _native.calibration_names()[batch.calibration[k]]
        self.reason = batch.reasons.get(self.index, "")
        self.warnings = batch.warnings.get(self.index, [])
        self.done = done
        self.total = total
        self.rate_per_s = rate_per_s
        self._figures = batch.figures[k]

    @property
    def left_s(self) -> float:
        """Seconds left at the rate so far."""
        return (self.total - self.done) / self.rate_per_s

    def __getitem__(self, name: str) -> Any:
        """Return what a column of a table has in its row, None where undefined."""
        if name in self.point:
            return self.point[name]
        if name in _TEXTS:
            return getattr(self, name)
        if name not in SUMMARY:
            raise KeyError(f"row has no {name!r}{nearest(name, [*self])}")
        value = float(self._figures[SUMMARY.index(name)])
        if not math.isfinite(value):
            return None
        return int(value) if name in COUNTS else value

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter([*self.point, *_TEXTS, *SUMMARY])

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self.point) + len(_TEXTS) + len(SUMMARY)

    def __repr__(self) -> str:
        """Return how far the sweep is, the point and its status."""
        return f"<SweepRow {self.done} of {self.total}: {self.point}, {self.status}>"
