"""Many simulations at once."""

from __future__ import annotations

import difflib
import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim import _native
from kvsim._encode import Traces, encode, encode_scenario
from kvsim._fields import Engine
from kvsim._inputs import Resolver, check_deadline, native_catalog
from kvsim._progress import Progress, watching
from kvsim._schema import paths
from kvsim._sweep_result import SweepResult
from kvsim.errors import ConfigError, SweepInterrupted

if TYPE_CHECKING:
    from kvsim._simulate import ScenarioLike
    from kvsim.datasets import Trace

Axes = Mapping[str, Any] | Sequence[Mapping[str, Any]]

RECORDS = ("summary", "requests", "steps", "all")
_MAX_THREADS = 1024


def sweep(
    base: ScenarioLike,
    axes: Axes,
    *,
    threads: int | None = None,
    progress: Progress = None,
    deadline_s: float | None = None,
    record: str = "summary",
    max_points: int = 10**6,
    datasets: Mapping[str, Trace] | None = None,
) -> SweepResult:
    """Simulate a scenario with other values of some fields, on all cores.

    Points run in C++ with the GIL released; the result does not depend on the number of threads. A
    point's own error never raises: the point stays in the table with its status and the reason.

    Parameters
    ----------
    base : Scenario, mapping or JSON text
        What all points share.
    axes : mapping or sequence of mappings
        Dotted paths and their values: a grid in the order given, the last axis fastest; or a list
        of points, each a mapping of dotted paths to values.
    threads : int, optional
        Worker threads; by default one for each core that this process may use.
    progress : bool or callable, optional
        True shows a bar (tqdm, on stderr); a callable gets (points done, points in all) from time
        to time in the calling thread. What it raises ends the sweep.
    deadline_s : float, optional
        Seconds after which no further point starts and running ones stop.
    record : {"summary", "requests", "steps", "all"}
        What each point keeps, instead of the base's own `record`. Beyond `summary`,
        `SweepResult.results` has a whole `Result` for each point, which may take much memory.
    max_points : int
        Larger sweeps are refused before memory is taken.
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
    if record not in RECORDS:
        raise ConfigError(f"record: got {record!r}; allowed: {', '.join(RECORDS)}")
    workers = worker_threads(threads)
    limit_s = check_deadline(deadline_s)
    traces: Traces = {}
    grid = isinstance(axes, Mapping)
    if isinstance(axes, Mapping):
        columns = _grid(axes, max_points)
        num_points = math.prod(map(len, columns.values()))
        whole = {path: [_whole(path, v) for v in values] for path, values in columns.items()}
        text = encode(list(whole.items()), traces, "axes")
    else:
        points = _listed(axes, max_points)
        columns = _as_columns(points)
        num_points = len(points)
        whole_points = [{path: _whole(path, v) for path, v in point.items()} for point in points]
        text = encode(whole_points, traces, "axes")
    base_text = encode_scenario(base, traces)
    resolver = Resolver(datasets, traces)
    native = _native.Sweep(base_text, text, grid, native_catalog(), resolver, record, workers)
    with watching(progress, num_points) as watch:
        interrupted = native.run(watch, limit_s)
    result = SweepResult(native, columns, grid=grid, hashes=resolver.hashes)
    if interrupted:
        raise SweepInterrupted(result)
    return result


def _whole(path: str, value: Any) -> Any:
    """Return what a value stands for, so that other axes may set fields within it."""
    if path == "engine" and isinstance(value, str):
        return Engine.preset(value)
    return value


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


def check_path(path: Any, where: str) -> None:
    """Fail unless scenarios can have a field at this dotted path; suggests the nearest ones."""
    known = paths()
    if path in known:
        return
    # The last component alone may tell what was meant.
    last = str(path).rpartition(".")[2]
    close = [p for p in known if p.rpartition(".")[2] == last][:3]
    close = close or difflib.get_close_matches(str(path), known, n=3, cutoff=0.5)
    guess = f"did you mean {' or '.join(map(repr, close))}?" if close else "see `kvsim fields`"
    raise ConfigError(f"{where}: got unknown path {path!r}; {guess}")


def _grid(axes: Mapping[str, Any], max_points: int) -> dict[str, Sequence[Any]]:
    columns: dict[str, Any] = {}
    for path, values in axes.items():
        check_path(path, "axes")
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise ConfigError(f"axes[{path!r}]: got {values!r}; allowed: a list of values")
        # A range of 10^9 numbers is not made a list before its size is known.
        columns[path] = (
            values
            if isinstance(values, Sequence | np.ndarray)
            else list(itertools.islice(values, max_points + 1))
        )
        if len(columns[path]) == 0:
            raise ConfigError(f"axes[{path!r}]: got no values; allowed: at least one")
    _check_size(math.prod(map(len, columns.values())), max_points)
    return {path: as_list(values) for path, values in columns.items()}


def _listed(points: Any, max_points: int) -> list[dict[str, Any]]:
    if isinstance(points, str | bytes) or not isinstance(points, Iterable):
        kind = type(points).__name__
        raise ConfigError(f"axes: got a {kind}; allowed: a mapping of paths or a list of points")
    listed = list(itertools.islice(points, max_points + 1))
    if not listed:
        raise ConfigError("axes: got no points; allowed: at least one")
    _check_size(len(points) if isinstance(points, Sequence) else len(listed), max_points)
    seen: set[Any] = set()
    for i, point in enumerate(listed):
        if not isinstance(point, Mapping):
            kind = type(point).__name__
            raise ConfigError(f"axes[{i}]: got a {kind}; allowed: a mapping of paths to values")
        for path in point.keys() - seen:
            check_path(path, f"axes[{i}]")
            seen.add(path)
    return [dict(point) for point in listed]


def _check_size(num_points: int, max_points: int) -> None:
    if num_points > max_points:
        raise ConfigError(
            f"axes: got {num_points:,} points; allowed: max_points = {max_points:,} "
            "(raise it if you mean it)"
        )


def _as_columns(points: list[dict[str, Any]]) -> dict[str, Sequence[Any]]:
    names = list(dict.fromkeys(itertools.chain.from_iterable(points)))
    return {name: [point.get(name) for point in points] for name in names}


def as_list(values: Sequence[Any] | np.ndarray) -> list[Any]:
    """Return an axis' values as a list of plain values."""
    return values.tolist() if isinstance(values, np.ndarray) else list(values)
