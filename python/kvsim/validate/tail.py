"""Fan-out, hedging and routing against closed forms, published figures and one another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kvsim import queueing
from kvsim._simulate import simulate
from kvsim.validate.checks import Check, Report, checked_seeds, one_shot

_STANDARD_ERRORS = 3.0
ROUTERS: dict[str, dict[str, Any]] = {
    "random": {"kind": "random"},
    "round robin": {"kind": "round_robin"},
    "two choices": {"kind": "power_of_d", "choices": 2},
    "least outstanding": {"kind": "least_outstanding"},
}


def bigtable_law() -> dict[str, list[float]]:
    """Return a law of latencies in ms that fits what Dean and Barroso report of BigTable.

    Their law is not published. For 100 independent reads, P(X > 10 ms) = .02,
    P(X > 1800 ms) = 1e-5 and P(X > 74) P(X > 64) = 1e-5 give their P99.9 of 1,800 and, hedged after
    10 ms, of 74 ms. The tail between these points is a power law on each side of 74 ms.

    Examples
    --------
    >>> law = bigtable_law()
    >>> tail = lambda t: sum(w for v, w in zip(law["values"], law["weights"]) if v > t)
    >>> round(tail(10), 3), round(tail(1800) / 1e-5, 1), round(tail(74) * tail(64) / 1e-5, 1)
    (0.02, 1.0, 1.0)
    """
    first = math.log(40) / math.log(6.4 * 7.4)
    at_74 = 0.02 * 7.4**-first
    second = math.log(at_74 / 1e-5) / math.log(1800 / 74)

    def survival(t: float) -> float:
        return float(0.02 * (t / 10) ** -first if t <= 74 else at_74 * (t / 74) ** -second)

    edges = np.concatenate([np.geomspace(10, 74, 201), np.geomspace(74, 18_000, 601)[1:]])
    values, weights = [1.0, 5.0], [0.5, 0.48]
    for low, high in itertools.pairwise(edges):
        values.append(float(high))
        weights.append(survival(low) - survival(high))
    values.append(18_000.0)
    weights.append(survival(18_000))
    return {"values": values, "weights": weights}


def check_tail(seeds: Iterable[int] = range(3), *, effort: float = 1.0) -> Report:
    """Check fan-out, hedging and routers.

    Parameters
    ----------
    seeds : iterable of int
        Each check is made for each.
    effort : float
        Factor of the number of requests.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError
        If there is no seed.
    """
    all_seeds = checked_seeds(seeds)
    checks: list[Check] = []
    for seed in all_seeds:
        checks += _fan_out(seed, effort)
        checks += _bigtable(seed, effort)
        checks += _load(seed, effort)
        checks += _routers(seed, effort)
    return Report("Fan-out, hedging, routers", tuple(checks))


def _within(name: str, simulated: float, reference: float, error: float) -> Check:
    half = _STANDARD_ERRORS * error
    return Check(name, simulated, reference, half, "within 3 standard errors",
                 abs(simulated - reference) <= half)  # fmt: skip


def _fan_out(seed: int, effort: float) -> list[Check]:
    """Parts that never queue: each finds a worker free."""
    n = max(2000, int(effort * 200_000))
    checks = []
    for parts, p in ((10, 0.01), (100, 0.01), (2000, 0.0001)):
        requests = max(1000, n * 10 // parts)
        law = {"kind": "empirical", "values": [1.0, 10.0], "weights": [1 - p, p]}
        server = {"s0_ms": 1.0, "workers": 65_536, "jitter": law}
        scenario = one_shot(1.0, requests, server, fan_out={"parts": parts})
        result = simulate(scenario | {"record": "requests", "seed": seed})
        slow = float(np.mean(result.requests["e2e_ns"] > 5_000_000))
        exact = queueing.any_slow_probability(p, parts)
        error = math.sqrt(exact * (1 - exact) / requests)
        checks.append(_within(f"any of {parts} slow, p {p}, seed {seed}", slow, exact, error))
    server = {"s0_ms": 1.0, "workers": 65_536, "jitter": {"kind": "exponential"}}
    scenario = one_shot(1.0, n, server, fan_out={"parts": 10})
    result = simulate(scenario | {"record": "requests", "seed": seed})
    e2e_ms = result.requests["e2e_ns"] / 1e6
    error = float(e2e_ms.std()) / math.sqrt(n)
    exact = queueing.max_exponential_mean_s(10, 1.0)
    checks.append(
        _within(f"mean of the largest of 10, seed {seed}", float(e2e_ms.mean()), exact, error)
    )
    return checks


def _bigtable(seed: int, effort: float) -> list[Check]:
    """100 reads a request on servers that never queue, with and without a hedge after 10 ms."""
    n = max(2000, int(effort * 300_000))
    server = {"s0_ms": 1.0, "workers": 1024, "jitter": {"kind": "empirical", **bigtable_law()}}
    scenario = one_shot(10.0, n, server, num_servers=100, fan_out={"parts": 100})
    plain = simulate(scenario | {"seed": seed}).summary
    scenario["fleet"]["hedge"] = {"kind": "delay", "delay_ms": 10.0}
    hedged = simulate(scenario | {"seed": seed}).summary
    checks = []
    for name, value, reference in (
        ("BigTable P99.9, ms", plain["p99.9_e2el_ms"], 1800.0),
        ("the same, hedged after 10 ms", hedged["p99.9_e2el_ms"], 74.0),
        ("and its second copies, %", hedged["hedge_percent"], 2.0),
    ):
        ok = abs(value / reference - 1) <= 0.1
        checks.append(Check(f"{name}, seed {seed}", value, reference, 0.0, "within 10 %", ok))
    return checks


def hedging_scenario(load: float, num_requests: int, delay_ms: float | None) -> dict[str, Any]:
    """Return 20 servers whose service is now and then 20 times slower, hedged or not.

    The mean service time is 1.19 ms; the load counts first copies only.
    """
    law = {"kind": "empirical", "values": [1.0, 20.0], "weights": [0.99, 0.01]}
    rate = load * 20 * 1e3 / 1.19
    scenario = one_shot(rate, num_requests, {"s0_ms": 1.0, "jitter": law},
                        num_servers=20, router={"kind": "random"})  # fmt: skip
    if delay_ms is not None:
        scenario["fleet"]["hedge"] = {"kind": "delay", "delay_ms": delay_ms, "cancel": "none"}
    return scenario


def hedging_curves(
    loads: Sequence[float] = (0.2, 0.4, 0.5, 0.6),
    delays_ms: Sequence[float] = (40.0, 30.0, 25.0, 20.0, 15.0, 10.0, 5.0, 3.0, 2.0),
    num_requests: int = 200_000,
    seed: int = 0,
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, float], dict[str, tuple[float, float]]]:
    """Return what `plots.hedging_frontier` draws, of `hedging_scenario`.

    Parameters
    ----------
    loads : sequence of float
        Of first copies.
    delays_ms : sequence of float
        Before the second copy, from few copies to many.
    num_requests, seed : int
        Of each run.

    Returns
    -------
    curves : dict
        Label of a load to points: second copies in percent, P99.9 in ms; up to the first run in
        which the queue drifts up, since copies fill the servers.
    unhedged_ms : dict
        P99.9 without them.
    drifting : dict
        That first run's point, where there is one.

    Examples
    --------
    >>> curves, unhedged_ms, drifting = hedging_curves([0.2], [3.0], num_requests=5_000)
    >>> curves["load 0.2"][0][1] < unhedged_ms["load 0.2"], drifting
    (True, {})
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    unhedged_ms = {}
    drifting = {}
    for load in loads:
        label = f"load {load:g}"
        curves[label] = []
        for delay in (None, *delays_ms):
            run = simulate(hedging_scenario(load, num_requests, delay) | {"seed": seed})
            point = run.summary["hedge_percent"], run.summary["p99.9_e2el_ms"]
            if run.status != "ok":
                drifting[label] = point
                break
            if delay is None:
                unhedged_ms[label] = point[1]
            else:
                curves[label].append(point)
    return curves, unhedged_ms, drifting


def _load(seed: int, effort: float) -> list[Check]:
    """Hedging helps while there is room, and hurts where its own load queues."""
    n = max(20_000, int(effort * 400_000))
    checks = []
    for load, helps in ((0.2, True), (0.7, False)):
        tail = []
        for delay in (None, 3.0):
            scenario = hedging_scenario(load, n, delay)
            tail.append(simulate(scenario | {"seed": seed}).summary["p99.9_e2el_ms"])
        ok = (tail[1] < tail[0]) == helps
        rule = "hedged is better" if helps else "hedged is worse"
        checks.append(
            Check(f"P99.9 at load {load}, ms, hedged against not, seed {seed}", tail[1], tail[0],
                  0.0, rule, ok)
        )  # fmt: skip
    return checks


def _routers(seed: int, effort: float) -> list[Check]:
    """100 servers at load .9: random > round robin > two choices > least outstanding in P99."""
    n = max(50_000, int(effort * 1_000_000))
    server = {"s0_ms": 1e3, "jitter": {"kind": "exponential"}}
    found = {}
    for name, router in ROUTERS.items():
        scenario = one_shot(90.0, n, server, num_servers=100, router=router)
        found[name] = simulate(scenario | {"seed": seed}).summary
    checks = []
    names = list(ROUTERS)
    for worse, better in itertools.pairwise(names):
        a, b = found[worse]["p99_e2el_ms"] / 1e3, found[better]["p99_e2el_ms"] / 1e3
        checks.append(Check(f"P99 by {better} against {worse}, seed {seed}", b, a, 0.0, "less",
                            b < a))  # fmt: skip
    # 100 servers are not infinitely many: Mitzenmacher finds 1 to 2 % at this load.
    mean = found["two choices"]["mean_e2el_ms"] / 1e3
    limit = queueing.power_of_d_mean_sojourn_s(0.9, 1.0, 2)
    checks.append(Check(f"mean sojourn by two choices, seed {seed}", mean, limit, 0.0,
                        "within 3 % of the limit", abs(mean / limit - 1) <= 0.03))  # fmt: skip
    return checks
