"""The CFO's challenge: the cheapest configuration whose P99 is no worse than the baseline's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim import _cfo_space, costs, statistics
from kvsim._capacity import backlog_patch, backlog_throughput
from kvsim._frontier import RATE, raise_status
from kvsim._goals import parse_limits, run_values
from kvsim._progress import Progress
from kvsim._search import Bench, Configuration, in_order, search
from kvsim._simulate import canonical
from kvsim._space import Space
from kvsim._sweep import sweep
from kvsim.errors import ConfigError
from kvsim.statistics import Comparison, Interval, check_confidence

if TYPE_CHECKING:
    from kvsim.costs.serving import Prices

GOAL = "usd_per_million_offered_output_tokens"
P99 = ("p99_ttft_ms", "p99_tpot_ms", "p99_e2el_ms")
TERMS = ("host", "compute", "hbm", "comm", "idle")
# Traffic of a GPU, over the baseline's, that a configuration is first tried at.
_COARSE = (0.4, 0.6, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0)
_FINE = 4  # rates between the last that keeps the limits and the first that does not
# Traffic that a finalist is simulated anew at, over what the search found for it.
_AGAIN = (0.8, 0.84, 0.88, 0.91, 0.94, 0.97, 1.0, 1.03, 1.06, 1.1, 1.15)
_FINALISTS = 3
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """A configuration against the baseline, by runs with fresh seeds in pairs.

    Attributes
    ----------
    chosen : dict
        What it is, by lever; empty for the baseline.
    point : dict
        What it sets, by dotted path.
    gpus : int
    rate_per_s : float
        The traffic that its GPUs serve.
    usd : float
        Per 10^6 output tokens, in the long run.
    saving : float
        Share of the baseline's cost saved at this rate, at which every P99 is no worse with the
        confidence.
    possible : Interval
        Of the share saved by the highest rate at which a run's P99s are no worse than those of the
        baseline's run with the same seed: mean over the runs.
    p99 : tuple of Comparison
        P99 of TTFT, TPOT and E2E at the rate, the configuration's minus the baseline's.
    """

    chosen: dict[str, Any]
    point: dict[str, Any]
    gpus: int
    rate_per_s: float
    usd: float
    saving: float
    possible: Interval
    p99: tuple[Comparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "chosen": self.chosen,
            "gpus": self.gpus,
            "rate_per_s": self.rate_per_s,
            GOAL: self.usd,
            "saving": self.saving,
            "possible": {
                "estimate": self.possible.estimate,
                "low": self.possible.low,
                "high": self.possible.high,
            },
            "p99": {
                c.metric: {"baseline": c.a, "here": c.b, "low": c.low, "high": c.high}
                for c in self.p99
            },
        }


@dataclass(frozen=True)
class Nearest:
    """How far a lever goes that saves nothing, by the runs of the search.

    Attributes
    ----------
    chosen : dict
        The options, by lever, of the cheapest configuration in which the lever is not as in the
        baseline.
    saving : float
        Share of the baseline's cost saved at the highest rate tried that keeps the limits: 0 or
        less, or not confirmed by runs with fresh seeds. NaN if there is no such rate.
    broken : tuple of str
        P99s above the baseline's at the lowest rate, then; or the status of a run that failed.
    """

    chosen: dict[str, Any]
    saving: float
    broken: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        saving = None if np.isnan(self.saving) else self.saving
        return {"chosen": self.chosen, "saving": saving, "broken": list(self.broken)}


@dataclass(frozen=True)
class CfoResult:
    """What the search for the cheapest configuration found; `cfo` makes it.

    Attributes
    ----------
    baseline_gpus : int
    baseline_rate_per_s, baseline_usd : float
        The baseline's traffic, and its cost of 10^6 output tokens.
    best : Answer or None
        The cheapest found whose P99s are no worse; None if nothing is cheaper than the baseline.
    levers : dict
        Each lever with the layout (TP and replicas), all else as the baseline: the cheapest answer,
        None if nothing is cheaper.
    nearest : dict
        For each lever without an answer: what came nearest.
    terms_usd : dict
        USD per 10^6 output tokens by term of the steps' time, and GPUs idle: baseline, best. They
        add up to the costs.
    tried : int
        Configurations that were simulated, each at several rates.
    confidence : float
        Of each interval.
    assumptions : tuple of str
    """

    baseline_gpus: int
    baseline_rate_per_s: float
    baseline_usd: float
    best: Answer | None
    levers: dict[str, Answer | None]
    nearest: dict[str, Nearest]
    terms_usd: dict[str, tuple[float, float]]
    tried: int
    confidence: float
    assumptions: tuple[str, ...]

    @property
    def paid_by(self) -> str:
        """The term whose cost fell most; empty if nothing is cheaper."""
        if self.best is None:
            return ""
        return max(self.terms_usd, key=lambda t: self.terms_usd[t][0] - self.terms_usd[t][1])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "baseline": {
                "gpus": self.baseline_gpus,
                "rate_per_s": self.baseline_rate_per_s,
                GOAL: self.baseline_usd,
            },
            "best": self.best and self.best.to_dict(),
            "levers": {k: v and v.to_dict() for k, v in self.levers.items()},
            "nearest": {k: v.to_dict() for k, v in self.nearest.items()},
            "terms_usd_per_million_output_tokens": {
                k: {"baseline": a, "best": b} for k, (a, b) in self.terms_usd.items()
            },
            "paid_by": self.paid_by,
            "tried": self.tried,
            "confidence": self.confidence,
            "assumptions": list(self.assumptions),
        }


def cfo(
    base: Any = None,
    space: Mapping[str, Any] | None = None,
    *,
    load: float | None = 0.6,
    price: Prices = None,
    trials: int = 48,
    seed: int = 0,
    replications: int = 2,
    final_replications: int = 8,
    confidence: float = 0.95,
    threads: int | None = None,
    progress: Progress = None,
) -> CfoResult:
    """Find the cheapest configuration whose P99 is no worse than the baseline's.

    Traffic is divided among as many copies of a configuration as it takes, so what counts is the
    cost of an output token at the highest rate that a copy bears with P99 of TTFT, TPOT and E2E at
    or below the baseline's. A seeded search (Optuna) looks for the least, each lever is tried alone
    beside the layout, and the cheapest are simulated again in pairs with the baseline, with fresh
    seeds, at rates around the one found: the answer's is the highest at which all three differences
    are at or below 0 with confidence.

    Parameters
    ----------
    base : Scenario or mapping, optional
        The baseline; its arrivals must have a rate. By default Llama-3-70B in BF16 on eight H100
        under Azure's conversation trace (`_cfo_space.scenario`).
    space : mapping, optional
        Named options by lever, one of them `layout`; the first option of each is the baseline's.
    load : float, optional
        The baseline's rate as a share of its capacity; None keeps the scenario's.
    price : Rented, Owned, mapping, "rented" or "owned", optional
        As for `costs.serving_cost`.
    trials, seed : int
        Of the search.
    replications, final_replications : int
        Runs of each configuration and rate in the search, and of each pair.
    confidence : float
        Of each interval.
    threads, progress
        As for `sweep`.

    Returns
    -------
    CfoResult

    Raises
    ------
    ConfigError
        If an argument is not allowed, or Optuna is missing.
    InfeasibleError
        If the baseline cannot run.
    """
    check_confidence(confidence)
    plain = json.loads(canonical(_cfo_space.scenario() if base is None else base))
    known = _cfo_space.levers() if space is None else space
    dimensions = Space(known)
    for d in dimensions.dimensions:
        if d.options is None:
            raise ConfigError(f"space[{d.name!r}]: got values without names; allowed: options")
    if load is not None:
        plain = _at_load(plain, load, threads)
    judge = _Judge(plain, dimensions, price, replications, final_replications, confidence,
                   threads, progress)  # fmt: skip
    tried = search(
        judge.bench, dimensions, {GOAL: "minimize"}, trials=trials, runs=replications, seed=seed
    )
    alone: dict[str, list[Configuration]] = {}
    for d in dimensions.dimensions:
        alone[d.name] = judge.alone(d.name)
        tried += alone[d.name]
    best = judge.cheapest(tried)
    answers = {lever: judge.cheapest(listed) for lever, listed in alone.items()}
    return CfoResult(
        judge.gpus,
        judge.rate,
        judge.usd,
        best,
        answers,
        {lever: judge.nearest(lever, alone[lever]) for lever, a in answers.items() if a is None},
        _terms(judge, best),
        len({json.dumps(_without_rate(c.chosen), sort_keys=True) for c in tried}),
        confidence,
        _assumptions(plain, known),
    )


def _at_load(plain: dict[str, Any], load: float, threads: int | None) -> dict[str, Any]:
    if isinstance(load, bool) or not isinstance(load, int | float) or not 0 < load < 2:
        raise ConfigError(f"load: got {load!r}; allowed: above 0, below 2")
    full = sweep(plain, [backlog_patch(plain)], record="requests", threads=threads)
    if full.results[0] is None:
        raise_status(full.status[0], full.reason[0])
    capacity = backlog_throughput(full.results[0])
    if capacity is None:
        raise ConfigError("workload.num_requests: got too few to measure a capacity; allowed: more")
    changed: dict[str, Any] = json.loads(json.dumps(plain))
    changed["workload"]["arrivals"]["rate_per_s"] = float(f"{load * capacity:.3g}")
    return changed


class _RateBench(Bench):
    """Measures a configuration at the highest rate at which it keeps the limits."""

    def setup(self, per_gpu: float) -> None:
        """Take the baseline's rate of a GPU, which rates are multiples of."""
        self._per_gpu = per_gpu

    def point(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that a configuration sets, with its rate if it has one."""
        point = super().point(chosen)
        if RATE in chosen:
            point[RATE] = chosen[RATE]
        return point

    def measure(
        self,
        listed: Sequence[dict[str, Any]],
        runs: int,
        *,
        shift: int = 0,
        confirmed: bool = False,
    ) -> list[Configuration]:
        """Return each configuration at its best rate, or its lowest if it keeps the limits at none.

        Raises
        ------
        DeadlineExceeded
            If the deadline is over.
        """
        del confirmed
        at = [[m * self._per_gpu * _gpus_of(super(_RateBench, self).point(c)) for m in _COARSE]
              for c in listed]  # fmt: skip
        coarse = self._at_rates(listed, at, runs, shift)
        inner = []
        for tried in coarse:
            passed, failed = _edge(tried)
            low = passed.chosen[RATE] if passed else 0.0
            # Neither below the lowest rate nor beyond the highest: nothing of interest is there.
            narrow = passed is not None and failed is not None
            high = failed.chosen[RATE] if failed else 0.0
            steps = np.geomspace(low, high, _FINE + 2)[1:-1].tolist() if narrow else []
            inner.append(steps)
        fine = self._at_rates(listed, inner, runs, shift)
        found = []
        for first, second in zip(coarse, fine, strict=True):
            every = sorted([*first, *second], key=lambda c: c.chosen[RATE])
            passed, _ = _edge(every)
            found.append(passed or every[0])
        return found

    def _at_rates(
        self, listed: Sequence[dict[str, Any]], rates: list[list[float]], runs: int, shift: int
    ) -> list[list[Configuration]]:
        asked = [{**c, RATE: r} for c, at in zip(listed, rates, strict=True) for r in at]
        if not asked:
            return [[] for _ in listed]
        measured = iter(super().measure(asked, runs, shift=shift))
        return [list(itertools.islice(measured, len(at))) for at in rates]


def _edge(tried: Sequence[Configuration]) -> tuple[Configuration | None, Configuration | None]:
    """Return the last of rising rates before the first that fails, and that one."""
    passed = None
    for c in tried:
        if not c.feasible:
            return passed, c
        passed = c
    return passed, None


def _gpus_of(point: Mapping[str, Any]) -> int:
    fleet = point.get("fleet") or {}
    servers = fleet.get("num_servers", point.get("fleet.num_servers", 1))
    return int(servers * point.get("tensor_parallel_size", 1))


def _without_rate(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in chosen.items() if k != RATE}


class _Judge:
    """Compares configurations with the baseline in pairs of runs."""

    def __init__(  # noqa: PLR0917
        self, plain: dict[str, Any], space: Space, price: Prices, searched: int, runs: int,
        confidence: float, threads: int | None, progress: Progress,
    ) -> None:  # fmt: skip
        """Measure the baseline, which sets the limits."""
        self._plain, self._space, self._price = plain, space, price
        self._searched, self._runs, self._confidence = searched, runs, confidence
        self._threads, self._progress = threads, progress
        self._answers: dict[str, Answer | None] = {}
        self.gpus = sum(costs.gpus_of(json.dumps(plain)).values())
        self.rate = float(plain["workload"]["arrivals"]["rate_per_s"])
        first = {"seed": [(plain["seed"] + r) % 2**64 for r in range(searched)]}
        table = sweep(plain, first, threads=threads)
        for status, reason in zip(table.status, table.reason, strict=True):
            if status != "ok":
                raise_status(status, f"baseline: {reason}")
        # Rounding may not turn an equal away.
        limits = parse_limits({m: float(table[m].mean()) * (1 + 1e-9) for m in P99}, "p99")
        self.bench = _RateBench(
            plain, space, [GOAL, *P99], limits, confidence, price, store=None, threads=threads,
            progress=progress, end=None, datasets=None,
        )  # fmt: skip
        self.bench.setup(self.rate / self.gpus)
        again = self._fresh([{}])
        self.usd = float(run_values(again.runs, GOAL, price).mean())

    def alone(self, lever: str) -> list[Configuration]:
        """Return what comes of one lever beside the layout."""
        mine = [d for d in self._space.dimensions if d.name in ("layout", lever)]
        others = [d for d in self._space.dimensions if d.name not in ("layout", lever)]
        usual = {d.name: (d.values or [None])[0] for d in others}
        listed = [
            {**usual, **{d.name: v for d, v in zip(mine, values, strict=True)}}
            for values in itertools.product(*(d.values or [] for d in mine))
        ]
        return self.bench.measure(listed, self._searched)

    def cheapest(self, tried: Sequence[Configuration]) -> Answer | None:
        """Return the cheapest that is cheaper than the baseline and no worse, None if none is."""
        ordered = in_order(tried, {GOAL: "minimize"})
        found: list[Answer] = []
        seen: set[str] = set()
        for c in ordered:
            key = json.dumps(_without_rate(c.chosen), sort_keys=True)
            if key in seen or c.figures[GOAL][0] >= self.usd:
                continue
            seen.add(key)
            answer = self._confirmed(key, c)
            if answer is not None and answer.saving > 0:
                found.append(answer)
            if len(seen) >= _FINALISTS and found:
                break
            if len(seen) >= 4 * _FINALISTS:
                break
        return min(found, key=lambda a: a.usd, default=None)

    def nearest(self, lever: str, tried: Sequence[Configuration]) -> Nearest:
        """Return the cheapest in which the lever is not at its first option."""
        usual = {d.name: (d.values or [None])[0] for d in self._space.dimensions}
        moved = [c for c in tried if c.chosen[lever] != usual[lever]]
        if not moved:
            return Nearest({}, float("nan"), ())
        ordered = in_order(moved, {GOAL: "minimize"})
        c = ordered[0] if ordered else min(moved, key=lambda c: len(c.broken) or len(P99) + 1)
        chosen = {d: v for d, v in c.chosen.items() if d in ("layout", lever)}
        if not ordered:
            return Nearest(chosen, float("nan"), c.broken or (c.status,))
        # The baseline by the same runs, so that the difference is not that of seeds.
        same = [b for b in tried if _without_rate(b.chosen) == usual and b.feasible]
        whole = same[0].figures[GOAL][0] if same else self.usd
        return Nearest(chosen, 1 - c.figures[GOAL][0] / whole, ())

    def _confirmed(self, key: str, c: Configuration) -> Answer | None:
        if key not in self._answers:
            self._answers[key] = self._pairs(c)
        return self._answers[key]

    def _pairs(self, c: Configuration) -> Answer | None:
        rates = [m * c.chosen[RATE] for m in _AGAIN]
        point = self._space.point(_without_rate(c.chosen))
        table = self._fresh([{}, *({**point, RATE: rate} for rate in rates)])
        shape = (1 + len(rates), self._runs)
        usd = run_values(table.runs, GOAL, self._price).reshape(shape)
        p99 = [np.asarray(table.runs[m]).reshape(shape) for m in P99]
        kept = 0
        for row in range(1, 1 + len(rates)):
            if table.status[row] != "ok":
                break
            pairs = [table.compare(0, row, metric) for metric in P99]
            if any(pair.high > 0 for pair in pairs):
                break
            kept = row
        if kept == 0:
            return None
        saved = 1 - usd.mean(axis=1) / usd[0].mean()
        return Answer(
            _without_rate(c.chosen),
            point,
            int(costs.columns(table, self._price)["gpus"][kept]),
            rates[kept - 1],
            float(usd[kept].mean()),
            float(saved[kept]),
            statistics.replications(_most_saved(p99, saved), self._confidence),
            tuple(table.compare(0, kept, metric) for metric in P99),
        )

    def _fresh(self, points: list[dict[str, Any]]) -> Any:
        seed = (self._plain["seed"] + self._searched) % 2**64
        return sweep(
            {**self._plain, "seed": seed}, points, replications=self._runs,
            confidence=self._confidence, threads=self._threads, progress=self._progress,
        )  # fmt: skip

    def terms(self, point: Mapping[str, Any]) -> dict[str, float]:
        """Return USD per 10^6 output tokens by what the GPUs do, over the runs of the pairs."""
        seed = self._plain["seed"] + self._searched
        rows = [{**point, "seed": (seed + r) % 2**64} for r in range(self._runs)]
        table = sweep(self._plain, rows, record="requests", threads=self._threads)
        usd = costs.columns(table, self._price)[GOAL]
        found = dict.fromkeys(TERMS, 0.0)
        for cost, run in zip(usd.tolist(), table.results, strict=True):
            if run is None:
                continue
            t, plain = run.totals, json.loads(run.scenario.to_json())
            servers = 1 if plain["fleet"] is None else plain["fleet"]["num_servers"]
            whole = (t["end_ns"] - t["start_ns"]) * servers * plain["pipeline_parallel_size"]
            shares = {name: t[f"{name}_ns"] / whole for name in TERMS if name != "idle"}
            shares["idle"] = 1 - sum(shares.values())
            for name, share in shares.items():
                found[name] += cost * share / len(rows)
        return found


def _most_saved(p99: Sequence[Floats], saved: Floats) -> list[float]:
    """Return, of each pair of runs, the share saved at the last rate before one is worse."""
    out = []
    for run in range(p99[0].shape[1]):
        best = saved[1]  # a run that fails at the lowest rate too saves less than this
        for row in range(1, len(saved)):
            if any(not figure[row, run] <= figure[0, run] for figure in p99):
                break
            best = saved[row]
        out.append(float(best))
    return out


def _terms(judge: _Judge, best: Answer | None) -> dict[str, tuple[float, float]]:
    before = judge.terms({})
    after = before if best is None else judge.terms({**best.point, RATE: best.rate_per_s})
    return {name: (before[name], after[name]) for name in TERMS}


def _assumptions(plain: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[str, ...]:
    said = ["traffic is divided among as many copies of a configuration as it takes"]
    for label, sets in known.get("speculation", {}).items():
        law = sets.get("engine.spec_acceptance")
        if law is not None:
            match = sets.get("engine.spec_match_probability")
            also = "" if match is None else f", a match in {match:.0%} of the steps"
            said.append(f"speculation {label}: acceptance {law['alpha']}{also} (assumed)")
    if plain["workload"]["prefixes"]["kind"] == "none" and "prefix caching" in known:
        said.append("the workload has no shared prefixes: prefix caching can gain nothing")
    said.append("fp8 is taken to answer as well as bf16: quality is not simulated")
    return tuple(said)
