"""How many users fit: in closed form and by simulation under churn."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim import _native
from kvsim._encode import Traces, encode_scenario
from kvsim._fields import Burst, ContiguousAllocator, DatasetLengths, Scenario, StaticBatching
from kvsim._simulate import ScenarioLike, canonical, simulate
from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvsim.datasets import Trace
    from kvsim.result import Result

LIMITS = ("memory", "max_num_seqs", "max_num_batched_tokens")
# Student's t at .975 for 1, 2, ... degrees of freedom.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)


@dataclass(frozen=True)
class Concurrency:
    """How many requests run at once when others always wait.

    Attributes
    ----------
    slots : int
        Token slots of the KV memory.
    kv_bytes_per_token : float
        A GPU; 0 without a model.
    slots_at_end, slots_held : float
        Slots that a request holds: at its end, mean over requests; and as it grows, mean over all
        steps of all requests.
    users_at_end, users_steady : float
        Closed forms: `slots` over the two, that is if every request had its full length, and if
        requests of all ages are there.
    running, running_ci : float
        Simulated: requests running, time mean while others wait; half of the 95 % confidence
        interval over the seeds.
    throughput, throughput_ci : float
        Requests finished per second in that time, likewise.
    running_by_seed, throughput_by_seed : tuple of float
        The same of each seed. Equal seeds see equal requests, so two scenarios may be compared seed
        by seed (`over`).
    preemptions : float
        A request, mean.
    limit : str
        What binds most of that time: memory, max_num_seqs or max_num_batched_tokens.
    limit_shares : dict
        Share of that time in which each binds.
    """

    slots: int
    kv_bytes_per_token: float
    slots_at_end: float
    slots_held: float
    users_at_end: float
    users_steady: float
    running: float
    running_ci: float
    throughput: float
    throughput_ci: float
    preemptions: float
    limit: str
    limit_shares: dict[str, float]
    running_by_seed: tuple[float, ...]
    throughput_by_seed: tuple[float, ...]

    def over(self, other: Concurrency) -> dict[str, tuple[float, float]]:
        """Return running and throughput over the other's: mean ratio, half of its 95 % interval.

        Raises
        ------
        ConfigError
            If the two are not of equally many seeds.
        """
        if len(self.running_by_seed) != len(other.running_by_seed):
            raise ConfigError(
                f"other: got {len(other.running_by_seed)} seeds; allowed: the same "
                f"{len(self.running_by_seed)}"
            )
        pairs = {
            "running": zip(self.running_by_seed, other.running_by_seed, strict=True),
            "throughput": zip(self.throughput_by_seed, other.throughput_by_seed, strict=True),
        }
        ratios = {name: [own / others for own, others in pair] for name, pair in pairs.items()}
        return {name: (statistics.fmean(r), _half_width(r)) for name, r in ratios.items()}


def concurrency(
    scenario: ScenarioLike,
    *,
    num_requests: int = 2000,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    datasets: Mapping[str, Trace] | None = None,
) -> Concurrency:
    """Return how many users fit, for any model, GPU, precision, allocator and law of lengths.

    The closed form divides the memory by what a request holds. The simulation keeps a queue waiting
    (all requests arrive at time 0) and looks at the time between the first turnover of the batch
    and the last admission, so what it counts includes placement, preemptions and every cap of the
    scheduler, and it says which cap binds.

    Parameters
    ----------
    scenario : Scenario, mapping or JSON text
        Its arrivals do not matter, and rows of a dataset are drawn with replacement. Prefixes may
        not be shared.
    num_requests : int
        Of each simulation; many times the number that fits.
    seeds : sequence of int
        One simulation each, two different ones at least.
    datasets : mapping, optional
        Your own traces, as for `simulate`.

    Returns
    -------
    Concurrency

    Raises
    ------
    ConfigError
        If prefixes are shared, batches are static, there is a fleet, preemption rejects, or there
        are too few seeds or requests.

    Examples
    --------
    >>> import kvsim
    >>> found = kvsim.concurrency(
    ...     kvsim.Scenario(
    ...         engine=kvsim.Engine(num_gpu_blocks=601, max_model_len=4096),
    ...         step_time=kvsim.Affine(),
    ...         workload=kvsim.Workload(
    ...             lengths=kvsim.FixedLengths(prompt_tokens=100, output_tokens=100), num_requests=1
    ...         ),
    ...     ),
    ...     num_requests=600,
    ... )
    >>> found.limit, round(found.users_steady), round(found.users_at_end)
    ('memory', 61, 46)
    """
    traces: Traces = {}
    base = Scenario.from_json(_native.canonical("Scenario", encode_scenario(scenario, traces)))
    datasets = {**traces, **(datasets or {})}
    _check(base, num_requests, seeds)
    changes: dict[str, Any] = {
        "workload.arrivals": Burst(), "workload.num_requests": num_requests, "record": "steps",
        "engine.enable_prefix_caching": False,
    }  # fmt: skip
    if isinstance(base.workload.lengths, DatasetLengths):
        changes["workload.lengths.order"] = "resample"
    saturated = base.replace(changes)
    runs = [simulate(saturated.replace({"seed": s}), datasets=datasets) for s in seeds]
    windows = [_window(run) for run in runs]
    running = [w["running"] for w in windows]
    throughput = [w["throughput"] for w in windows]
    shares = {name: statistics.fmean(w[name] for w in windows) for name in LIMITS}
    budget = runs[0].kv_budget
    at_end, held = _held(saturated, runs)
    return Concurrency(
        slots=budget.usable_tokens,
        kv_bytes_per_token=budget.kv_bytes_per_token,
        slots_at_end=at_end,
        slots_held=held,
        users_at_end=budget.usable_tokens / at_end,
        users_steady=budget.usable_tokens / held,
        running=statistics.fmean(running),
        running_ci=_half_width(running),
        throughput=statistics.fmean(throughput),
        throughput_ci=_half_width(throughput),
        preemptions=statistics.fmean(r.summary["preemptions"] / num_requests for r in runs),
        limit=max(shares, key=lambda name: shares[name]),
        limit_shares=shares,
        running_by_seed=tuple(running),
        throughput_by_seed=tuple(throughput),
    )


def _check(base: Scenario, num_requests: int, seeds: Sequence[int]) -> None:
    kind = json.loads(canonical(base))["workload"]["prefixes"]["kind"]
    if kind != "none":
        raise ConfigError(f"workload.prefixes: got {kind!r}; allowed: 'none', nothing shared")
    if base.fleet is not None:
        raise ConfigError("fleet: got a fleet; allowed: null, the users of one replica")
    if isinstance(base.engine.batching, StaticBatching):
        raise ConfigError("engine.batching: got 'static'; allowed: 'continuous'")
    if base.engine.preemption.at_limit == "reject":
        raise ConfigError(
            "engine.preemption.at_limit: got 'reject'; allowed: 'wait', since who is turned away "
            "does not fit"
        )
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"seeds: got {list(seeds)}; allowed: 2 or more different ones, for an interval"
        )
    if num_requests < 100:
        raise ConfigError(f"num_requests: got {num_requests}; allowed: 100 or more")


def _held(scenario: Scenario, runs: Sequence[Result]) -> tuple[float, float]:
    """Return the slots held at the end, mean over requests, and mean over their steps."""
    engine = json.dumps(json.loads(canonical(scenario))["engine"])
    last, total, steps = [], 0, 0
    for run in runs:
        prompts = np.asarray(run.requests["prompt_tokens"], dtype=np.int64)
        outputs = np.asarray(run.requests["output_tokens"], dtype=np.int64)
        longest = scenario.engine.max_model_len
        if longest is None:
            if isinstance(scenario.engine.kv_allocator, ContiguousAllocator):
                raise ConfigError(
                    "engine.max_model_len: got None; allowed: the longest request, since it is "
                    "what a contiguous kv_allocator reserves"
                )
            longest = int((prompts + outputs).max())
        ends, sums = _native.held_slots(
            engine, prompts, outputs, longest, run.kv_budget.usable_tokens
        )
        last.append(float(ends.mean()))
        total += int(sums.sum())
        steps += int(outputs.sum())
    return statistics.fmean(last), total / steps


def _window(run: Result) -> dict[str, float]:
    """Return figures of the time while requests wait and the batch has turned over."""
    steps, requests = run.steps, run.requests
    finish = np.sort(requests["finish_ns"])
    admitted = int(run.summary["max_running"])
    begin = finish[min(admitted, len(finish) - 1)]
    end = int(requests["scheduled_ns"].max())
    inside = (steps["t_ns"] >= begin) & (steps["t_ns"] < end)
    if inside.sum() < 10:
        raise ConfigError(
            f"num_requests: got {len(finish)}; allowed: several times the {admitted} that run "
            "at once"
        )
    engine: Any = run.scenario.engine
    time = steps["dur_ns"][inside].astype(np.float64)
    of_seqs = steps["running"][inside] >= (engine.max_num_active_seqs or engine.max_num_seqs)
    of_tokens = ~of_seqs & (steps["tokens"][inside] >= engine.max_num_batched_tokens)
    share = [float(time[of_seqs].sum() / time.sum()), float(time[of_tokens].sum() / time.sum())]
    return {
        "running": float(np.average(steps["running"][inside], weights=time)),
        "throughput": float(((finish >= begin) & (finish < end)).sum() / ((end - begin) / 1e9)),
        "memory": 1 - share[0] - share[1], "max_num_seqs": share[0],
        "max_num_batched_tokens": share[1],
    }  # fmt: skip


def _half_width(values: Sequence[float]) -> float:
    n = len(values)
    t = _T[n - 2] if n - 2 < len(_T) else 1.96
    return float(t * statistics.stdev(values) / n**0.5)
