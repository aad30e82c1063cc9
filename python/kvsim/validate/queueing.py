"""Simulated queues against the closed forms of queueing theory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvsim import queueing
from kvsim._simulate import simulate
from kvsim.errors import ConfigError
from kvsim.validate.checks import (
    Check,
    Report,
    checked_seeds,
    interval,
    one_shot,
    replications,
)

LOADS = (0.5, 0.8, 0.9)
JOINT_CONFIDENCE = 0.99
WIDEST = 0.02  # half-width of an interval, relative to the reference
# Independent runs of a queue and seed: at least so many, of at most so many requests.
RUNS = 64
LONGEST = 1_000_000
# Millions of requests for a half-width of 2 % in all columns that are checked, ten seeds together:
# the heavier the load, the longer a queue remembers; of M/M/8 few requests wait at low load.
_MILLIONS: dict[str, dict[float, float]] = {
    "M/M/1": {0.5: 4.2, 0.8: 36, 0.9: 140},
    "M/M/8": {0.5: 42, 0.8: 30, 0.9: 70},
    "M/D/1": {0.5: 1.4, 0.8: 5, 0.9: 19},
    "M/G/1": {0.5: 4.2, 0.8: 24, 0.9: 60},
}
_GENERAL_CV = 1.5


@dataclass(frozen=True)
class Cell:
    """A queue, and what theory says of it; service times are 1 s."""

    system: str
    what: str
    load: float
    servers: int
    jitter: dict[str, Any]
    column: str
    reference: float


def cells(loads: Iterable[float] = LOADS) -> Iterator[Cell]:
    """Yield the queues that are checked."""
    exponential = {"kind": "exponential"}
    for rho in loads:
        yield Cell(
            "M/M/1", "mean wait", rho, 1, exponential, "mean_queue_ms",
            queueing.mm1_mean_wait_s(rho, 1.0),
        )  # fmt: skip
        yield Cell(
            "M/M/8", "mean wait", rho, 8, exponential, "mean_queue_ms",
            queueing.mmc_mean_wait_s(8 * rho, 1.0, 8),
        )  # fmt: skip
        yield Cell(
            "M/D/1", "mean wait", rho, 1, {"kind": "constant"}, "mean_queue_ms",
            queueing.md1_mean_wait_s(rho, 1.0),
        )  # fmt: skip
        yield Cell(
            "M/G/1", "mean wait", rho, 1, {"kind": "gamma", "cv": _GENERAL_CV}, "mean_queue_ms",
            queueing.mg1_mean_wait_s(rho, 1.0, _GENERAL_CV),
        )  # fmt: skip
        for c in (1, 8):
            yield Cell(
                f"M/M/{c}", "P99 sojourn", rho, c, exponential, "p99_e2el_ms",
                queueing.mmc_sojourn_quantile_s(c * rho, 1.0, c, 0.99),
            )  # fmt: skip


def check_queueing(
    seeds: Iterable[int] = range(10),
    *,
    loads: Iterable[float] = LOADS,
    service_factor: float = 1.0,
    effort: float = 1.0,
) -> Report:
    """Compare mean waits and P99s with their closed forms, and Little's law exactly.

    Every queue and seed is 64 or more independent runs; their mean has an interval at a confidence
    of 99 % for all checks together (Bonferroni). The closed form has to lie in it, and its
    half-width has to be at most 2 % of it.

    Parameters
    ----------
    seeds : iterable of int
        Each is a whole set of runs.
    loads : iterable of float
        Utilisations, of .5, .8 and .9.
    service_factor : float
        Factor of the service times against what the closed forms are told: 1.03 is an engine that
        is 3 % wrong, which the check has to notice.
    effort : float
        Factor of the number of requests; below 1 the intervals may be wider than allowed.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError
        If a load is none of those listed, or there is no seed.
    """
    all_seeds = checked_seeds(seeds)
    chosen = list(loads)
    for rho in chosen:
        if rho not in LOADS:
            raise ConfigError(f"loads: got {rho!r}; allowed: {', '.join(map(str, LOADS))}")
    todo = list(cells(chosen))
    confidence = 1 - (1 - JOINT_CONFIDENCE) / (len(todo) * len(all_seeds))
    checks = []
    for seed in all_seeds:
        runs: dict[Any, Any] = {}
        for cell in todo:
            key = (cell.load, cell.system)
            if key not in runs:
                runs[key] = _run(cell, seed, service_factor, effort)
            mean, half = interval(runs[key][cell.column] / 1e3, confidence)
            inside = abs(mean - cell.reference) <= half <= WIDEST * cell.reference
            name = f"{cell.system} {cell.what}, load {cell.load}, seed {seed}"
            checks.append(Check(name, mean, cell.reference, half, "inside, +- 2 %", inside))
    checks += [_little(seed) for seed in all_seeds]
    return Report("Queues against closed forms (times in units of the mean service)", tuple(checks))


def _run(cell: Cell, seed: int, service_factor: float, effort: float) -> Any:
    server = {"s0_ms": 1e3 * service_factor, "workers": cell.servers, "jitter": cell.jitter}
    wanted = max(1000 * RUNS, int(effort * 1e6 * _MILLIONS[cell.system][cell.load]))
    runs = max(RUNS, -(-wanted // LONGEST))
    scenario = one_shot(cell.load * cell.servers, -(-wanted // runs), server)
    return replications(scenario, range(1000 * seed, 1000 * seed + runs))


def _little(seed: int) -> Check:
    """L = lambda W, in integers: time integrals against the requests' own times."""
    server = {"s0_ms": 1e3, "workers": 3, "max_batch": 4, "window_ms": 200.0,
              "jitter": {"kind": "lognormal", "cv": 1.0}}  # fmt: skip
    scenario: dict[str, Any] = one_shot(8.0, 20_000, server) | {"record": "requests", "seed": seed}
    result = simulate(scenario)
    sojourn = int(np.sum(result.requests["finish_ns"] - result.requests["arrival_ns"]))
    integral = result.totals["waiting_integral"] + result.totals["running_integral"]
    return Check(
        f"Little's law, batches on 3 workers, seed {seed}", integral / 1e9, sojourn / 1e9, 0.0,
        "equal in ns", integral == sojourn,
    )  # fmt: skip
