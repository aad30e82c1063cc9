"""Simulated against measured latencies of closed-loop runs of real vLLM."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kvsim._simulate import simulate
from kvsim.errors import ConfigError, InfeasibleError, KvsimError, LivelockError
from kvsim.validate.checks import checked_seeds
from kvsim.validate.conditions import Conditions, Run, read_conditions, read_runs

SEEDS = tuple(range(10))
METRICS = ("ttft_ms", "tpot_ms", "e2e_ms")
MEASURED = Path(__file__).parents[1] / "data" / "measured"
OPEN_ROWS = MEASURED / "closed_loop_llama70b_fp8_h100_vllm.csv"
# At the KV wall requests wait for memory or are preempted.
_WALL_USE = 0.97
_WALL_ERROR = 0.10


@dataclass(frozen=True)
class RowScore:
    """One run: what was measured, what was simulated (means over the seeds), in ms.

    `errors` are simulated / measured - 1; `preemptions` and `max_kv_use` tell whether memory ran
    out; `explaining_blocks` is the KV block count that gives the measured TTFT, None if none was
    sought, 0 if none from half to twice as many does.
    """

    run: Run
    measured: Mapping[str, float]
    simulated: Mapping[str, float]
    errors: Mapping[str, float]
    preemptions: float
    max_kv_use: float
    num_gpu_blocks: int
    warnings: tuple[str, ...]
    explaining_blocks: int | None = None

    @property
    def at_wall(self) -> bool:
        """Whether the KV pool was full at some time, so that requests waited for memory."""
        return self.preemptions > 0 or self.max_kv_use > _WALL_USE

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            **vars(self.run),
            **{f"simulated_{m}": v for m, v in self.simulated.items()},
            **{f"measured_{m}": v for m, v in self.measured.items()},
            **{f"error_{m.removesuffix('_ms')}": v for m, v in self.errors.items()},
            "preemptions": self.preemptions,
            "max_kv_use": self.max_kv_use,
            "at_wall": self.at_wall,
            "num_gpu_blocks": self.num_gpu_blocks,
            "explaining_blocks": self.explaining_blocks,
            "warnings": list(self.warnings),
        } | {"run": self.run.id}


@dataclass(frozen=True)
class StepTimeScore:
    """Errors of a file of runs. `mape` in percent: of each seed, then the mean over the seeds.

    `failed` are runs that cannot be simulated (a GPU that the catalogue lacks, a model that does
    not fit), with the reason; `mape` is over the others. `conditions` are those that they were
    simulated with.
    """

    conditions: Conditions
    rows: tuple[RowScore, ...]
    mape: Mapping[str, float]
    failed: tuple[tuple[Run, str], ...] = ()

    def table(self) -> str:
        """Return a text table, one line a run."""
        lines = [
            f"conditions: {self.conditions}",
            f"{'model':<16}{'gpu':<10}{'tp':>3}{'isl':>6}{'osl':>6}{'conc':>5}"
            f"{'TTFT ms':>18}{'':>8}{'TPOT ms':>16}{'':>8}{'E2E':>8}  preempted",
        ]
        for row in self.rows:
            run, sim, real, error = row.run, row.simulated, row.measured, row.errors
            lines.append(
                f"{run.model:<16}{run.gpu:<10}{run.tensor_parallel_size:>3}"
                f"{run.prompt_tokens:>6}{run.output_tokens:>6}{run.concurrency:>5}"
                f"{sim['ttft_ms']:>9.1f}{real['ttft_ms']:>9.1f}{100 * error['ttft_ms']:>+7.1f}%"
                f"{sim['tpot_ms']:>8.2f}{real['tpot_ms']:>8.2f}{100 * error['tpot_ms']:>+7.1f}%"
                f"{100 * error['e2e_ms']:>+7.1f}%{row.preemptions:>11.0f}"
            )
        lines += [*self.wall(), *self.notes()]
        lines += [f"could not be simulated: {run.id}: {reason}" for run, reason in self.failed]
        named = ", ".join(f"{m[:-3].upper()} {v:.2f} %" for m, v in self.mape.items())
        of = f" of {len(self.rows) + len(self.failed)}" if self.failed else ""
        lines.append(f"MAPE of {len(self.rows)}{of} runs: {named}")
        return "\n".join(lines)

    def wall(self) -> list[str]:
        """Return lines about the runs at the KV wall, empty if there is none."""
        walled = [row for row in self.rows if row.at_wall]
        if not walled:
            return []
        worst = max(abs(row.errors["ttft_ms"]) for row in walled)
        lines = [f"KV wall: {len(walled)} runs fill the pool; TTFT within {100 * worst:.1f} %"]
        for row in walled:
            if row.explaining_blocks is not None:
                run = row.run
                lines.append(
                    f"  {run.prompt_tokens} x {run.output_tokens}, {run.concurrency} clients, "
                    f"TP {run.tensor_parallel_size}: TTFT {100 * row.errors['ttft_ms']:+.1f} % "
                    f"with {row.num_gpu_blocks} KV blocks; "
                    f"{row.explaining_blocks or 'no count from half to twice as many'} would give "
                    "the measured TTFT"
                )
        return lines

    def notes(self) -> list[str]:
        """Return each warning of the runs once."""
        return [f"note: {text}" for text in dict.fromkeys(w for r in self.rows for w in r.warnings)]

    def residuals(self) -> dict[str, list[float]]:
        """Return measured / simulated - 1 of each run, by metric."""
        return {m: [r.measured[m] / r.simulated[m] - 1 for r in self.rows] for m in METRICS}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "mape_percent": {m.removesuffix("_ms"): v for m, v in self.mape.items()},
            "conditions": vars(self.conditions),
            "wall": self.wall(),
            "failed": [{"run": run.id, "reason": reason} for run, reason in self.failed],
            "rows": [row.to_dict() for row in self.rows],
        }


def scenario_of(run: Run, conditions: Conditions, seed: int = 0) -> dict[str, Any]:
    """Return the scenario of a measured closed-loop run, as a mapping."""
    low, high = conditions.length_range_ratio

    def bounds(kind: str, nominal: int) -> dict[str, int]:
        return {
            f"{kind}_min_tokens": max(1, math.floor(low * nominal)),
            f"{kind}_max_tokens": max(1, math.floor(high * nominal)),
        }

    return {
        "model": run.model,
        "gpu": run.gpu,
        "tensor_parallel_size": run.tensor_parallel_size,
        "pipeline_parallel_size": run.pipeline_parallel_size,
        "weight_dtype": run.weight_dtype,
        "kv_cache_dtype": conditions.kv_cache_dtype,
        "engine": {
            "max_num_seqs": conditions.max_num_seqs or run.concurrency,
            "max_num_batched_tokens": conditions.max_num_batched_tokens,
            "max_model_len": math.ceil(high * (run.prompt_tokens + run.output_tokens)) + 1,
            "num_gpu_blocks": conditions.num_gpu_blocks,
            "gpu_memory_utilization": conditions.gpu_memory_utilization,
            "enable_prefix_caching": conditions.enable_prefix_caching,
            "async_scheduling": conditions.async_scheduling,
            "frontend_ms": conditions.frontend_ms,
            "frontend_us_per_prompt_token": conditions.frontend_us_per_prompt_token,
        },
        "step_time": {"kind": "kernels"},
        "workload": {
            "num_requests": conditions.prompts_per_concurrency * run.concurrency,
            "arrivals": {"kind": "closed_loop", "concurrency": run.concurrency},
            "lengths": {
                "kind": "uniform",
                **bounds("prompt", run.prompt_tokens),
                **bounds("output", run.output_tokens),
            },
        },
        "record": "summary",
        "record_waterfall": False,
        "seed": seed,
    }


def _latencies(ttft_ms: float, tpot_ms: float, run: Run) -> dict[str, float]:
    # As the measured file derives it: from the nominal output length.
    e2e_ms = ttft_ms + tpot_ms * (run.output_tokens - 1)
    return {"ttft_ms": ttft_ms, "tpot_ms": tpot_ms, "e2e_ms": e2e_ms}


def _score_run(
    run: Run, conditions: Conditions, seeds: Sequence[int], changes: Mapping[str, Any]
) -> tuple[RowScore, list[dict[str, float]]]:
    measured = _latencies(run.ttft_ms, run.tpot_ms, run)
    by_seed = []
    preemptions: list[float] = []
    use: list[float] = []
    blocks = 0
    warnings: tuple[str, ...] = ()
    for seed in seeds:
        result = simulate({**scenario_of(run, conditions, seed), **changes})
        summary = result.summary
        if summary["mean_tpot_ms"] is None:
            raise ConfigError(f"osl: got {run.output_tokens}; allowed: outputs of two tokens")
        by_seed.append(_latencies(summary["mean_ttft_ms"], summary["mean_tpot_ms"], run))
        preemptions.append(summary["preemptions"])
        use.append(summary["max_kv_use"])
        blocks = result.kv_budget.num_gpu_blocks
        warnings = tuple(result.warnings)
    simulated = {m: float(np.mean([x[m] for x in by_seed])) for m in METRICS}
    errors = {m: simulated[m] / measured[m] - 1 for m in METRICS}
    score = RowScore(
        run, measured, simulated, errors, float(np.mean(preemptions)), float(np.mean(use)), blocks,
        warnings,
    )  # fmt: skip
    return score, [{m: abs(x[m] / measured[m] - 1) for m in METRICS} for x in by_seed]


def _explain(
    score: RowScore, conditions: Conditions, seeds: Sequence[int], step_time: Mapping[str, Any]
) -> RowScore:
    """Seek the block count at which the simulated TTFT is the measured one."""

    def error(blocks: int) -> float:
        changed = Conditions(**{**conditions.__dict__, "num_gpu_blocks": blocks})
        trial, _ = _score_run(score.run, changed, seeds, step_time)
        return trial.errors["ttft_ms"]

    low, high = score.num_gpu_blocks // 2, score.num_gpu_blocks * 2
    # Fewer blocks than the longest request needs cannot be; the pool itself is enough then.
    try:
        too_fast_with_few = error(low) < 0
    except InfeasibleError:
        low, too_fast_with_few = score.num_gpu_blocks, score.errors["ttft_ms"] < 0
    if too_fast_with_few or error(high) > 0:
        return RowScore(**{**score.__dict__, "explaining_blocks": 0})
    while high - low > max(1, score.num_gpu_blocks // 200):
        middle = (low + high) // 2
        if error(middle) > 0:
            low = middle
        else:
            high = middle
    return RowScore(**{**score.__dict__, "explaining_blocks": (low + high) // 2})


def score_rows(
    rows: str | Path = OPEN_ROWS,
    conditions: str | Path | None = None,
    *,
    seeds: Iterable[int] = SEEDS,
    step_time: Mapping[str, Any] | None = None,
    explain: bool = False,
) -> StepTimeScore:
    """Simulate measured closed-loop runs and score TTFT, TPOT and E2E.

    Parameters
    ----------
    rows : path
        CSV with model, system, precision, tp, isl, osl, concurrency, ttft_ms, tpot_ms (and pp);
        the packaged 45 open runs if left out.
    conditions : path, optional
        JSON object, see `kvsim.validate.conditions.Conditions`. None: those of the 45 open runs.
    seeds : iterable of int
        Each run is simulated once for each.
    step_time : mapping, optional
        Another step time than `{"kind": "kernels"}`.
    explain : bool
        For runs at the KV wall with more than 10 % error of TTFT, seek the block count that would
        explain the measurement.

    Returns
    -------
    StepTimeScore

    Raises
    ------
    ConfigError
        If a file lacks columns or has a value that it cannot have.
    ConfigError, InfeasibleError, LivelockError
        If no run at all can be simulated: the reason of the first.

    Examples
    --------
    >>> score = score_rows(seeds=[0])
    >>> len(score.rows), score.mape["tpot_ms"] < 2.9
    (45, True)
    """
    known = read_conditions(conditions)
    all_seeds = checked_seeds(seeds)
    changes: dict[str, Any] = {} if step_time is None else {"step_time": dict(step_time)}
    scores: list[RowScore] = []
    errors: list[list[dict[str, float]]] = []
    failed: list[tuple[Run, str]] = []
    first_error: KvsimError | None = None
    for run in read_runs(rows):
        try:
            score, by_seed = _score_run(run, known, all_seeds, changes)
        except (ConfigError, InfeasibleError, LivelockError) as error:
            failed.append((run, str(error)))
            first_error = first_error or error
            continue
        wall = score.at_wall and abs(score.errors["ttft_ms"]) > _WALL_ERROR
        if explain and wall:
            score = _explain(score, known, all_seeds[:3], changes)
        scores.append(score)
        errors.append(by_seed)
    if first_error is not None and not scores:
        message = f"{rows}: no run can be simulated; the first: {failed[0][1]}"
        raise type(first_error)(message) from None
    mape = {m: 100 * float(np.mean([[x[m] for x in row] for row in errors])) for m in METRICS}
    return StepTimeScore(known, tuple(scores), mape, tuple(failed))
