"""What a sweep simulates: a base, a design and the data that they name; and how finished runs come.

A run is one simulation. Without replications there is one a point.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim import _fields, _native
from kvsim._columns import Array
from kvsim._encode import Traces, encode, encode_scenario
from kvsim._inputs import Resolver, native_catalog
from kvsim._schema import preset_structs
from kvsim._spec import Spec
from kvsim.design import Codes, Design
from kvsim.result import SUMMARY

if TYPE_CHECKING:
    from kvsim.datasets import Trace

Int64 = npt.NDArray[np.int64]
FIGURE = {name: i for i, name in enumerate(SUMMARY)}
# In the reason of a run that another machine, or this one later, may have the memory for
# (cpp/runner/memory.cpp).
OF_THIS_MACHINE = "allowed: what fits into memory"
# Between two looks at Ctrl-C.
_HASHED_AT_ONCE = 4096


@dataclass(frozen=True)
class Batch:
    """Finished runs.

    Attributes
    ----------
    index : array of int64
        Numbers of the runs.
    status, calibration : array of uint8
        Their statuses and what their step times rest on, as `_native.status_names` and
        `_native.calibration_names` have them.
    figures : array of float64, shape (runs, figures)
        Their summaries, NaN where undefined; in memory a figure after the other.
    reasons, warnings : dict
        By number, of the runs that have any.
    seconds : float
        Wall time that the batch took, 0 if that is not known.
    """

    index: Int64
    status: npt.NDArray[np.uint8]
    calibration: npt.NDArray[np.uint8]
    figures: npt.NDArray[np.float64]
    reasons: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.index)

    @classmethod
    def taken(cls, native: _native.Sweep, seconds: float = 0.0) -> Batch:
        """Return what has finished since the last call."""
        index, status, calibration, figures, reasons, warnings = native.take_rows()
        return cls(index, status, calibration, figures.T, reasons, warnings, seconds)

    @classmethod
    def joined(cls, batches: list[Batch]) -> Batch:
        """Return several batches as one, in order of number, each run once."""
        index = np.concatenate([b.index for b in batches])
        _, first = np.unique(index, return_index=True)
        return cls(
            index[first],
            np.concatenate([b.status for b in batches])[first],
            np.concatenate([b.calibration for b in batches])[first],
            np.concatenate([b.figures.T for b in batches], axis=1).take(first, axis=1).T,
            {i: text for b in batches for i, text in b.reasons.items()},
            {i: texts for b in batches for i, texts in b.warnings.items()},
        )

    def lasting(self) -> Batch:
        """Return the runs without those that only this machine's memory does not suffice for."""
        refused = [i for i, text in self.reasons.items() if OF_THIS_MACHINE in text]
        if not refused:
            return self
        keep = ~np.isin(self.index, refused)
        return Batch(
            self.index[keep],
            self.status[keep],
            self.calibration[keep],
            self.figures[keep],
            {i: text for i, text in self.reasons.items() if i not in refused},
            self.warnings,
            self.seconds,
        )

    def renumbered(self, rows: Codes) -> Batch:
        """Return the batch with number i replaced by `rows[i]`."""
        return Batch(
            np.asarray(rows[self.index], dtype=np.int64),
            self.status,
            self.calibration,
            self.figures,
            {int(rows[i]): text for i, text in self.reasons.items()},
            {int(rows[i]): texts for i, texts in self.warnings.items()},
            self.seconds,
        )


@dataclass(frozen=True)
class Task:
    """Some runs as another process gets them."""

    base_json: str
    points_json: str
    datasets: dict[str, Trace]
    threads: int
    deadline_s: float | None

    def run(self) -> Batch:
        """Simulate them and return those that are finished."""
        start = time.perf_counter()
        resolver = Resolver(self.datasets, {})
        native = _native.Sweep(
            self.base_json, self.points_json, False, native_catalog(), resolver, "summary",
            self.threads,
        )  # fmt: skip
        native.run(None, self.deadline_s)
        return Batch.taken(native, time.perf_counter() - start)


class Runs:
    """The runs of a sweep, in order.

    Raises
    ------
    ConfigError
        If the base is invalid or a value is none that JSON has.
    """

    def __init__(
        self,
        base: Any,
        design: Design,
        *,
        datasets: Mapping[str, Trace] | None = None,
        record: str = "summary",
        threads: int = 1,
    ) -> None:
        traces: Traces = {}
        self.design = design
        self._whole = _whole(design)
        self.record = record
        self.threads = threads
        self._base_text = encode_scenario(base, traces)
        if design.full_grid:
            text = encode(list(self._whole.values.items()), traces, "axes")
        else:
            text = encode(self._whole.points(), traces, "axes")
        self.resolver = Resolver(datasets, traces)
        self._data: dict[str, Trace] = {**traces, **(datasets or {})}
        self.native = self._sweep(text, grid=design.full_grid)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.design)

    @property
    def scenario_json(self) -> str:
        """The base with every default filled in, canonical."""
        return self.native.scenario_json

    @property
    def hashes(self) -> dict[str, str]:
        """Contents of the traces that were handed over under a name of the caller's choice."""
        return self.resolver.hashes

    def all_hashes(self) -> dict[str, str]:
        """Contents of all traces that came with the call."""
        return {name: trace.sha256 for name, trace in self._data.items()}

    def dataset_rows(self, name: str) -> int | None:
        """Return how many requests a dataset has, None if nothing has this name."""
        found = self.resolver(name)
        return None if found is None else len(found)

    def part(self, rows: Codes) -> _native.Sweep:
        """Return some of the runs for this process."""
        if len(rows) == len(self):
            return self.native
        return self._sweep(encode(self._whole.points(rows), {}, "axes"), grid=False)

    def task(self, rows: Codes, threads: int, deadline_s: float | None) -> Task:
        """Return some of the runs for another process."""
        return Task(
            self.scenario_json,
            encode(self._whole.points(rows), {}, "axes"),
            self._data,
            threads,
            deadline_s,
        )

    def _sweep(self, text: str, *, grid: bool) -> _native.Sweep:
        return _native.Sweep(
            self._base_text, text, grid, native_catalog(), self.resolver, self.record, self.threads
        )

    def note_keys(self, hashes: dict[str, str] | None = None) -> None:
        """Let the threads note the content hash of each run (see `keys`).

        Contents of traces are those that came with the call, or given by name.
        """
        self.native.note_keys(self.hashes if hashes is None else hashes, _VERSION)

    def keys(self, rows: Codes) -> npt.NDArray[np.uint8]:
        """Return content hashes, 32 bytes a row: of scenarios, traces, kvsim's version and schema.

        After `note_keys`. cpp/runner/content_keys.hpp defines them.
        """
        out = np.empty((len(rows), 32), np.uint8)
        for first in range(0, len(rows), _HASHED_AT_ONCE):
            some = rows[first : first + _HASHED_AT_ONCE]
            out[first : first + len(some)] = self.native.keys(some)
        return out


def _whole(design: Design) -> Design:
    """Return a design with objects for the names of presets, so that axes may set fields within."""
    for path, name in preset_structs().items():
        if path in design.values:
            form: type[Spec] = getattr(_fields, name)
            design = design.with_values(path, [_object(form, v) for v in design.values[path]])
    return design


def _object(form: type[Spec], value: Any) -> Any:
    if isinstance(value, str):
        return form.preset(value)
    if isinstance(value, Mapping) and "preset" in value:
        return form.from_dict(value)
    return value


# Of the table that a store keeps; a part of it by another schema is never taken for this one's.
SCHEMA_VERSION = 1
_VERSION = f"\nkvsim={_native.__version__}\nschema={SCHEMA_VERSION}"


class Table:
    """Rows of finished runs as columns in memory, as `_native.Sweep` has them too."""

    def __init__(self, num_points: int, scenario_json: str) -> None:
        self.num_points = num_points
        self.scenario_json = scenario_json
        self.finished = np.zeros(num_points, dtype=bool)
        self.status = np.zeros(num_points, dtype=np.uint8)
        self.calibration = np.zeros(num_points, dtype=np.uint8)
        self.figures = np.full((len(SUMMARY), num_points), np.nan)
        self._reasons: dict[int, str] = {}
        self._warnings: dict[int, list[str]] = {}

    def add(self, batch: Batch) -> None:
        """Take finished runs."""
        self.finished[batch.index] = True
        self.status[batch.index] = batch.status
        self.calibration[batch.index] = batch.calibration
        self.figures[:, batch.index] = batch.figures.T
        self._reasons.update(batch.reasons)
        self._warnings.update(batch.warnings)

    def column(self, name: str) -> Array:
        """Return a figure of every run."""
        column: Array = self.figures[FIGURE[name]].view()
        return column

    def note(self, reasons: dict[int, str], warnings: dict[int, list[str]]) -> None:
        """Take reasons and warnings of rows by number."""
        self._reasons.update(reasons)
        self._warnings.update(warnings)

    def reasons(self) -> dict[int, str]:
        """Return why runs are not ok, by number."""
        return self._reasons

    def warnings(self) -> dict[str, list[int]]:
        """Return each warning and the numbers of the runs that have it."""
        out: dict[str, list[int]] = {}
        for i, texts in sorted(self._warnings.items()):
            for text in texts:
                out.setdefault(text, []).append(i)
        return dict(sorted(out.items()))

    def result(self, _: int) -> None:
        """Return None: only native sweeps keep whole results."""
        return
