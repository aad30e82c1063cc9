"""Where runs are simulated: on this process' threads, or on an executor's workers.

Results do not depend on where, in which chunks or on how many workers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kvsim import _native
from kvsim._progress import Watch, fail_type
from kvsim._runs import Batch, Runs, Task
from kvsim.design import Codes
from kvsim.errors import ConfigError

# A chunk takes about so long on a worker: long beside the milliseconds that sending it costs, short
# beside what is lost with a worker or waited for at the end.
_CHUNK_S = 1.0
_FIRST_CHUNK = 8
_CHUNKS_A_WORKER = 2  # sent ahead, so that no worker waits for its next chunk
_POLL_S = 0.1
_RETRIES = 3  # of a chunk whose worker is lost, on a cluster

Sink = Callable[[Batch], object]
Inspect = Callable[[_native.Sweep, int], object]


class Cancel(Protocol):
    """What stops a sweep from outside, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop."""


@dataclass
class Execution:
    """How runs are executed, and who watches.

    Attributes
    ----------
    threads : int
        Worker threads of this process, or of each chunk on an executor.
    executor : Executor, distributed.Client or None
        None: this process.
    chunk : int or None
        Runs sent to a worker at a time; None: so many as take about a second.
    end_s : float or None
        `time.monotonic()` after which nothing more starts.
    cancel : Event or None
        Stops when set.
    watch : callable or None
        Gets (runs done, runs in all) from time to time, in the calling thread.
    inspect : callable or None
        Gets the sweep and a run's number when it has finished, in this process only.
    """

    threads: int
    executor: Any = None
    chunk: int | None = None
    end_s: float | None = None
    cancel: Cancel | None = None
    watch: Watch = None
    inspect: Inspect | None = None

    def run(self, runs: Runs, rows: Codes, sink: Sink | None) -> bool:
        """Simulate some runs, hand over what is finished as it comes; return if Ctrl-C ended it.

        Without a sink, they stay in `runs.native`.

        Whatever `watch` or `sink` raises leaves after everything finished has been handed over.
        """
        if len(rows) == 0:
            return False
        if self.executor is None:
            return self._here(runs, rows, sink)
        assert sink is not None
        return self._elsewhere(runs, rows, sink)

    def left_s(self) -> float | None:
        """Seconds until the deadline, if there is one."""
        return None if self.end_s is None else max(self.end_s - time.monotonic(), 1e-6)

    def stopped(self) -> bool:
        """Whether someone has cancelled, or time is over."""
        cancelled = self.cancel is not None and self.cancel.is_set()
        return cancelled or (self.end_s is not None and time.monotonic() >= self.end_s)

    # ---- this process

    def _here(self, runs: Runs, rows: Codes, sink: Sink | None) -> bool:
        native = runs.part(rows)
        whole = native is runs.native
        told = -1

        def take() -> None:
            if sink is None:
                return
            batch = Batch.taken(native)
            if self.inspect is not None:
                for i in batch.index.tolist():
                    self.inspect(native, i)
            if len(batch):
                sink(batch if whole else batch.renumbered(rows))

        def poll(done: int) -> bool:
            nonlocal told
            take()
            if self.watch is not None and done != told:
                told = done
                self.watch(done, len(rows))
            return self.cancel is None or not self.cancel.is_set()

        failed = False
        try:
            return native.run(poll, self.left_s())
        except BaseException:
            failed = True
            raise
        finally:
            _last(take, failed)

    # ---- elsewhere

    def _elsewhere(self, runs: Runs, rows: Codes, sink: Sink) -> bool:
        chunks = _Chunks(self, runs, rows, sink)
        failed = True
        try:
            while chunks.pending or len(chunks.left):
                if self.stopped():
                    chunks.stop()
                else:
                    chunks.send()
                taken = chunks.take()
                if self.watch is not None and taken:
                    self.watch(chunks.done, len(rows))
            failed = False
        except KeyboardInterrupt:
            return True
        finally:
            chunks.stop()
            _last(chunks.take_finished, failed)
        return False


class _Chunks:
    """Runs on their way to an executor's workers and back."""

    def __init__(self, how: Execution, runs: Runs, rows: Codes, sink: Sink) -> None:
        self._how, self._runs, self._sink = how, runs, sink
        self._pool, self._workers = as_pool(how.executor)
        self._size = how.chunk or _FIRST_CHUNK
        self.left: Codes | list[int] = rows
        self.pending: dict[futures.Future[Batch], Codes] = {}
        self.done = 0

    def send(self) -> None:
        """Send chunks until every worker has its next one."""
        how = self._how
        while len(self.left) and len(self.pending) < _CHUNKS_A_WORKER * self._workers:
            some = np.asarray(self.left[: self._size])
            task = self._runs.task(some, how.threads, how.left_s())
            self.pending[_submit(self._pool, task)] = some
            self.left = self.left[len(some) :]

    def stop(self) -> None:
        """Send no more, and call back what no worker has begun."""
        self.left = []
        for future in self.pending:
            future.cancel()

    def take(self) -> bool:
        """Wait a moment for a chunk; hand over those that are back; return if there were any."""
        ready, _ = futures.wait(self.pending, _POLL_S, futures.FIRST_COMPLETED)
        for future in ready:
            some = self.pending.pop(future)
            if future.cancelled():
                continue
            batch = future.result()
            self.done += len(batch)
            self._sink(batch.renumbered(some))
            if self._how.chunk is None and len(batch):
                self._size = _next_size(batch, len(self.left), self._workers)
        return bool(ready)

    def take_finished(self) -> None:
        """Hand over what is back, without waiting; chunks that failed are left out."""
        for future, some in self.pending.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                self._sink(future.result().renumbered(some))


def _last(take: Callable[[], object], failed: bool) -> None:
    """Hand over what was finished at the end; an error on the way counts for more than this one."""
    try:
        take()
    except Exception:
        if not failed:
            raise


def _run_task(task: Task) -> Batch:
    return task.run()


def _submit(pool: Any, task: Task) -> futures.Future[Batch]:
    try:
        future: futures.Future[Batch] = pool.submit(_run_task, task)
    except RuntimeError as error:
        if isinstance(error, futures.BrokenExecutor):
            raise
        raise ConfigError(f"executor: got a closed one ({error}); allowed: an open one") from None
    return future


def _next_size(batch: Batch, left: int, workers: int) -> int:
    """Return how many runs take about a second, and leave some for every worker."""
    wanted = _CHUNK_S * len(batch) / max(batch.seconds, 1e-6)
    share = math.ceil(left / (_CHUNKS_A_WORKER * workers))
    return int(np.clip(wanted, 1, max(share, 1)))


def as_pool(executor: Any) -> tuple[Any, int]:
    """Return an executor in the standard library's form and its number of workers.

    Parameters
    ----------
    executor : concurrent.futures.Executor or distributed.Client
        A Dask client is used through its own executor, with retries.

    Raises
    ------
    ConfigError
        If it is neither, or a client that is closed.
    """
    if isinstance(executor, futures.Executor):
        return executor, max(int(getattr(executor, "_max_workers", 0) or 4), 1)
    if hasattr(executor, "get_executor") and hasattr(executor, "scheduler_info"):
        if executor.status != "running":
            raise ConfigError(f"executor: got {executor!r}, which is {executor.status}")
        workers = sum(executor.nthreads().values())
        return executor.get_executor(pure=False, retries=_RETRIES), max(workers, 1)
    return fail_type("executor", executor, "a concurrent.futures.Executor or a distributed.Client")
