"""Many simulations at once."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim._execute import Cancel, Execution, Sink
from kvsim._export import input_hash
from kvsim._inputs import check_deadline
from kvsim._memory import check_memory
from kvsim._progress import Progress, Watch, watching
from kvsim._replicate import BatchMeans, Plan, Replications, base_seed, plan
from kvsim._runs import Batch, Runs, Table
from kvsim._store import Store, as_store
from kvsim._store_writer import Writer
from kvsim._sweep_cache import SweepCache
from kvsim._sweep_result import SweepResult
from kvsim._sweep_row import SweepRow
from kvsim.design import Design, as_design, check_size
from kvsim.errors import ConfigError, StoreError, SweepInterrupted

if TYPE_CHECKING:
    from kvsim._simulate import ScenarioLike
    from kvsim.datasets import Trace

Axes = Design | Mapping[str, Any] | Sequence[Mapping[str, Any]]

RECORDS = ("summary", "requests", "steps", "all")
_MAX_THREADS = 1024


def sweep(
    base: ScenarioLike,
    axes: Axes,
    *,
    threads: int | None = None,
    executor: Any = None,
    chunk_points: int | None = None,
    progress: Progress = None,
    deadline_s: float | None = None,
    cancel: Cancel | None = None,
    record: str = "summary",
    store: str | os.PathLike[str] | Store | None = None,
    replications: int | None = None,
    common_random_numbers: bool = True,
    precision: Mapping[str, float] | None = None,
    max_replications: int | None = None,
    intervals: str | None = None,
    confidence: float = 0.95,
    max_points: int = 10**6,
    max_memory_gb: float | None = None,
    cache: SweepCache | None = None,
    datasets: Mapping[str, Trace] | None = None,
) -> SweepResult:
    """Simulate a scenario with other values of some fields, on all cores.

    Points run in C++ with the GIL released; the result does not depend on the number of threads. A
    point's own error never raises: the point stays in the table with its status and the reason.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        What all points share.
    axes : Design, mapping, sequence of mappings, or DataFrame
        A design of `kvsim.design`; dotted paths and their values, which is a grid in the order
        given, the last axis fastest; or a list of points, each a mapping of paths to values.
    threads : int, optional
        Worker threads; by default one for each core that this process may use, and with an executor
        one a chunk.
    executor : concurrent.futures.Executor or distributed.Client, optional
        Whose workers simulate, in chunks; by default this process' threads. The figures are the
        same to the bit. On a cluster, chunks of lost workers are repeated.
    chunk_points : int, optional
        Simulations sent to an executor's worker at a time; by default about a second's worth.
    progress : bool or callable, optional
        True shows a bar (tqdm: terminal or notebook); a callable gets (points done, points in all)
        from time to time in the calling thread. What it raises ends the sweep and has the finished
        rows as its attribute `sweep_result`.
    deadline_s : float, optional
        Seconds after which no further point starts and running ones stop.
    cancel : Event, optional
        Anything with `is_set()`, such as a `threading.Event`, which another thread sets to end the
        sweep as a deadline does.
    record : {"summary", "requests", "steps", "all"}
        What each point keeps, instead of the base's own `record`. Beyond `summary`,
        `SweepResult.results` has a whole `Result` for each point, which may take much memory.
    store : path or Store, optional
        A folder that keeps finished rows (`kvsim.Store`; needs pyarrow). Rows that it has are not
        simulated again, so a killed sweep goes on where it was.
    replications : int, optional
        Runs of each point, with seeds counted up from the base's. Figures are then means over them
        and have intervals; a point of which half or more drift is `unstable` and has no figures.
        Default: 1, or 5 with `precision`.
    common_random_numbers : bool
        Run i of every point has the same seed, so that differences between points are exact
        (`SweepResult.compare`). False: each run has a seed of its own.
    precision : mapping, optional
        Figures and the relative half width that their intervals must reach, such as
        ``{"p99_ttft_ms": 0.05}``: points that have not get twice the runs, up to
        `max_replications` (default 100).
    intervals : {"replications", "batch_means"}, optional
        `batch_means`: intervals from within the one run of each point, for latencies; on this
        process' threads only. Default: from replications, if there are any.
    confidence : float
        Of the intervals.
    max_points : int
        Sweeps of more simulations are refused before memory is taken.
    max_memory_gb : float, optional
        Sweeps that are estimated to need more (10^9 bytes) are refused: the table, and the requests
        of one point for each thread.
    cache : SweepCache, optional
        Where results of equal inputs are looked up, and kept.
    datasets : mapping, optional
        Your own traces by the names that the scenario uses.

    Returns
    -------
    SweepResult
        One row a finished point; `unfinished` lists points that a deadline cut off.

    Raises
    ------
    ConfigError
        If the base is invalid, an axis is unknown or has no values, or there are too many points.
    StoreError
        If the store cannot be read or written; names the file. Finished rows are in its attribute
        `sweep_result`.
    SweepInterrupted
        At Ctrl-C, within 0.2 s; its `result` has the points that were finished.

    Examples
    --------
    >>> import kvsim
    >>> base = {
    ...     "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
    ...     "step_time": {"kind": "affine"},
    ...     "workload": {"num_requests": 200},
    ... }
    >>> axes = {"workload.arrivals.rate_per_s": [1, 10], "engine.block_size": [16, 32]}
    >>> result = kvsim.sweep(base, axes)
    >>> len(result), result.status
    (4, ['ok', 'ok', 'ok', 'ok'])
    >>> result["workload.arrivals.rate_per_s"]
    array([ 1,  1, 10, 10])
    """
    execution = _execution(threads, executor, chunk_points, deadline_s, cancel)
    how = plan(
        replications, max_replications, precision,
        common=common_random_numbers, confidence=confidence, intervals=intervals,
    )  # fmt: skip
    kept = as_store(store)
    design = as_design(axes, max_points)
    check_size(len(design) * how.replications, max_points)
    _check_record(record, execution, kept, how)
    job: _Single | _Replicated
    if how.replicated:
        job = _Replicated(base, design, how, execution, datasets)
    else:
        job = _Single(
            base, design, how, execution,
            datasets=datasets, record=record, copy=kept is not None,
        )  # fmt: skip
    check_memory(job.runs, how, execution.threads, max_memory_gb)

    def simulate() -> SweepResult:
        with watching(progress, len(design) * how.replications) as watch:
            execution.watch = watch
            try:
                interrupted = job.run(kept)
            except Exception as error:
                _attach(error, job.result())
                raise
        if interrupted:
            raise SweepInterrupted(job.result())
        return job.result()

    if cache is None:
        return simulate()
    key = input_hash(job.runs.scenario_json, design, job.runs.all_hashes(), f"{how} {record}")
    return cache.get(key, simulate)


def iter_sweep(
    base: ScenarioLike,
    axes: Axes,
    *,
    threads: int | None = None,
    executor: Any = None,
    chunk_points: int | None = None,
    deadline_s: float | None = None,
    cancel: Cancel | None = None,
    store: str | os.PathLike[str] | Store | None = None,
    max_points: int = 10**6,
    datasets: Mapping[str, Trace] | None = None,
) -> Generator[SweepRow, None, None]:
    """Simulate as `sweep` does and yield rows as they finish, in that order.

    Simulation goes on while the caller works with a row. Leaving the loop (or Ctrl-C) ends it.

    Parameters
    ----------
    base, axes, threads, executor, chunk_points, deadline_s, cancel, store, max_points, datasets
        As for `sweep`. Rows that a store has come first.

    Yields
    ------
    SweepRow
        What the point sets, status and figures, and how far the sweep is: points done and in all,
        points per second, seconds left.

    Raises
    ------
    ConfigError
        At the first row asked for, as `sweep` does.

    Examples
    --------
    >>> import kvsim
    >>> base = {
    ...     "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
    ...     "step_time": {"kind": "affine"},
    ...     "workload": {"num_requests": 200},
    ... }
    >>> for row in kvsim.iter_sweep(base, {"seed": [1, 2]}):
    ...     print(row.done, row.total, row.status, row["completed"])
    1 2 ok 200
    2 2 ok 200
    """
    execution = _execution(threads, executor, chunk_points, deadline_s, cancel)
    kept = as_store(store)
    design = as_design(axes, max_points)
    runs = Runs(base, design, datasets=datasets, threads=execution.threads)
    stop = threading.Event()
    execution.cancel = _Either(cancel, stop)
    rows: queue.SimpleQueue[Batch | BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            run_all(runs, execution, kept, rows.put)
        except BaseException as error:
            rows.put(error)
        rows.put(None)

    start = time.monotonic()
    done = 0
    thread = threading.Thread(target=work, name="kvsim.iter_sweep", daemon=True)
    thread.start()
    try:
        while (batch := rows.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            elapsed = max(time.monotonic() - start, 1e-9)
            known = done + len(batch)
            for k in range(len(batch)):
                done += 1
                yield SweepRow(
                    runs.design, batch, k, done=done, total=len(runs), rate_per_s=known / elapsed
                )
    finally:
        stop.set()
        thread.join()


def run_all(runs: Runs, execution: Execution, store: Store | None, sink: Sink | None) -> bool:
    """Simulate all runs that a store has not; hand over those that it has first.

    Returns whether Ctrl-C ended it. What is finished is in the store, whatever happens.
    """
    if store is None or sink is None:
        return execution.run(runs, np.arange(len(runs)), sink)
    writer = Writer(store, runs)
    missing, known = writer.known()
    if len(known):
        sink(known)
    if execution.watch is not None:
        watch, before, total = execution.watch, len(known), len(runs)
        execution.watch = lambda done, _: watch(before + done, total)
        if before:
            execution.watch(0, total)

    def keep(batch: Batch) -> None:
        sink(batch)
        writer.add(batch)

    failed = True
    try:
        interrupted = execution.run(runs, missing, keep)
        failed = False
    finally:
        # If writing is what failed, it fails once more and its first error is the one that counts.
        with contextlib.suppress(StoreError) if failed else contextlib.nullcontext():
            writer.flush()
    return interrupted


def worker_threads(threads: int | None) -> int:
    """Return how many threads to use: as asked, or one for each core of this process."""
    if threads is None:
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    if (
        isinstance(threads, bool)
        or not isinstance(threads, int)
        or not 1 <= threads <= _MAX_THREADS
    ):
        raise ConfigError(f"threads: got {threads!r}; allowed: 1 to {_MAX_THREADS}")
    return threads


# ---- helpers


@dataclass(frozen=True)
class _Either:
    """Set if one of two is."""

    first: Cancel | None
    second: Cancel

    def is_set(self) -> bool:
        return self.second.is_set() or (self.first is not None and self.first.is_set())


class _Single:
    """One run a point. Rows stay in the engine's columns if it ran all of them, else are copied."""

    def __init__(
        self,
        base: ScenarioLike,
        design: Design,
        how: Plan,
        execution: Execution,
        *,
        datasets: Mapping[str, Trace] | None,
        record: str,
        copy: bool,
    ) -> None:
        record = "requests" if how.batches and record == "summary" else record
        self.runs = Runs(base, design, datasets=datasets, record=record, threads=execution.threads)
        copied = copy or execution.executor is not None
        self._copy = Table(len(design), self.runs.scenario_json) if copied else None
        self._batches = BatchMeans(len(design), how.confidence) if how.batches else None
        if self._batches is not None:
            execution.inspect = self._batches.inspect
        self._execution = execution

    def run(self, store: Store | None) -> bool:
        sink: Sink | None = None if self._copy is None else self._copy.add
        if self._batches is not None:
            sink = _ignore
        return run_all(self.runs, self._execution, store, sink)

    def result(self) -> SweepResult:
        table = self.runs.native if self._copy is None else self._copy
        known = None if self._batches is None else self._batches.uncertainty(table.finished)
        return SweepResult(table, self.runs.design, hashes=self.runs.hashes, uncertainty=known)


class _Replicated:
    """Several runs a point, in rounds until the intervals are narrow enough."""

    def __init__(
        self,
        base: ScenarioLike,
        design: Design,
        how: Plan,
        execution: Execution,
        datasets: Mapping[str, Trace] | None,
    ) -> None:
        self._base, self._design, self._execution = base, design, execution
        self._datasets = datasets
        # Checks the base and says what memory a point takes; the rounds have runs of their own.
        self.runs = Runs(base, design, datasets=datasets)
        self._scenario_json = self.runs.scenario_json
        self._replications = Replications(design, how, base_seed(self.runs))
        self._hashes: dict[str, str] = {}

    def run(self, store: Store | None) -> bool:
        watch, before = self._execution.watch, 0
        while (todo := self._replications.next_round()) is not None:
            design, point = todo
            runs = Runs(
                self._base, design, datasets=self._datasets, threads=self._execution.threads
            )
            self._hashes |= runs.hashes
            self._execution.watch = _shifted(watch, before)
            try:
                interrupted = run_all(runs, self._execution, store, self._replications.sink(point))
            finally:
                self._replications.close_round(design, point)
            before += len(runs)
            if interrupted or self._execution.stopped():
                return interrupted
        return False

    def result(self) -> SweepResult:
        gathered = self._replications
        table, known = gathered.averaged(self._scenario_json)
        runs = SweepResult(
            gathered.table(self._scenario_json), gathered.design, hashes=self._hashes
        )
        return SweepResult(
            table,
            self._design,
            hashes=self._hashes,
            uncertainty=known,
            runs=runs,
            point_of_run=gathered.point,
        )


def _ignore(_: Batch) -> None:
    """Take rows that stay where they are."""


def _shifted(watch: Watch, before: int) -> Watch:
    if watch is None:
        return None
    return lambda done, total: watch(before + done, before + total)


def _execution(
    threads: int | None,
    executor: Any,
    chunk_points: int | None,
    deadline_s: float | None,
    cancel: Cancel | None,
) -> Execution:
    limit_s = check_deadline(deadline_s)
    workers = 1 if threads is None and executor is not None else worker_threads(threads)
    if chunk_points is not None:
        if executor is None:
            raise ConfigError("chunk_points: got a size without an executor; allowed: with one")
        whole = isinstance(chunk_points, int) and not isinstance(chunk_points, bool)
        if not whole or chunk_points < 1:
            raise ConfigError(f"chunk_points: got {chunk_points!r}; allowed: from 1 on")
    if cancel is not None and not callable(getattr(cancel, "is_set", None)):
        raise ConfigError(f"cancel: got a {type(cancel).__name__}; allowed: a threading.Event")
    end = None if limit_s is None else time.monotonic() + limit_s
    return Execution(workers, executor, chunk_points, end, cancel)


def _check_record(record: str, execution: Execution, store: Store | None, how: Plan) -> None:
    if record not in RECORDS:
        raise ConfigError(f"record: got {record!r}; allowed: {', '.join(RECORDS)}")
    obstacle = (
        "an executor" if execution.executor is not None
        else "a store" if store is not None
        else "replications" if how.replicated
        else None
    )  # fmt: skip
    if record != "summary" and obstacle is not None:
        raise ConfigError(f"record: got {record!r} with {obstacle}; allowed: 'summary'")
    if how.batches and obstacle is not None:
        raise ConfigError(f"intervals: got 'batch_means' with {obstacle}; allowed: without")
    if how.batches and record != "summary":
        raise ConfigError(f"record: got {record!r} with batch means; allowed: 'summary'")


def _attach(error: Exception, result: SweepResult) -> None:
    """Give the finished rows to an error that ends a sweep."""
    error.sweep_result = result  # type: ignore[attr-defined]
    error.add_note(f"{len(result)} of {result.num_points} points were finished: .sweep_result")
