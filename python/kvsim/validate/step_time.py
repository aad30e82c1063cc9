"""Simulated against measured latencies of real vLLM runs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kvsim._simulate import simulate
from kvsim.datasets import Trace
from kvsim.errors import ConfigError
from kvsim.validate.conditions import (
    DTYPES,
    Conditions,
    Run,
    gpu_name,
    model_name,
    read_conditions,
    read_runs,
)

SEEDS = tuple(range(10))
METRICS = ("ttft_ms", "tpot_ms", "e2e_ms")
MEASURED = Path(__file__).parents[1] / "data" / "measured"
OPEN_ROWS = MEASURED / "closed_loop_llama70b_fp8_h100_vllm.csv"
OPEN_REQUESTS = MEASURED / "rtx-pro-6000_llama-3.1-8b_requests.csv"
OPEN_META = MEASURED / "rtx-pro-6000_llama-3.1-8b_meta.json"
REQUEST_COLUMNS = (
    "input_toks", "output_toks", "arrival_s", "ttft_from_queued_s", "e2e_from_queued_s", "tpot_ms",
)  # fmt: skip
# A run whose requests wait for memory: the KV wall.
_WALL_ERROR = 0.10


@dataclass(frozen=True)
class RowScore:
    """One run: what was measured, what was simulated (means over the seeds), in ms.

    `errors` are simulated / measured - 1; `preemptions` tells whether memory ran out;
    `explaining_blocks` is the KV block count that gives the measured TTFT, where one was sought.
    """

    run: Run
    measured: Mapping[str, float]
    simulated: Mapping[str, float]
    errors: Mapping[str, float]
    preemptions: float
    num_gpu_blocks: int
    warnings: tuple[str, ...]
    explaining_blocks: int | None = None


@dataclass(frozen=True)
class StepTimeScore:
    """Errors of a file of runs. `mape` in percent: of each seed, then the mean over the seeds."""

    rows: tuple[RowScore, ...]
    mape: Mapping[str, float]

    def table(self) -> str:
        """Return a text table, one line a run."""
        lines = [
            f"{'model':<16}{'gpu':<10}{'tp':>3}{'isl':>6}{'osl':>6}{'conc':>5}"
            f"{'TTFT ms':>18}{'':>8}{'TPOT ms':>16}{'':>8}{'E2E':>8}  preempted"
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
            if row.explaining_blocks is not None:
                lines.append(
                    f"    {row.num_gpu_blocks} KV blocks; {row.explaining_blocks} would give the "
                    "measured TTFT"
                )
        lines.append("MAPE " + ", ".join(f"{k[:-3]} {v:.2f} %" for k, v in self.mape.items()))
        return "\n".join(lines)


@dataclass(frozen=True)
class RequestScore:
    """Errors of one run by request, in percent.

    `mean_error` is simulated mean / measured mean - 1, `mape` the mean absolute error of single
    requests, `median_ape` its median.
    """

    num_requests: int
    simulated_mean: Mapping[str, float]
    measured_mean: Mapping[str, float]
    mean_error: Mapping[str, float]
    mape: Mapping[str, float]
    median_ape: Mapping[str, float]
    warnings: tuple[str, ...]

    def table(self) -> str:
        """Return a text table, one line a metric."""
        lines = [f"{'':<9}{'simulated':>10}{'measured':>10}{'mean':>9}{'MAPE':>9}{'median':>9}"]
        lines += [
            f"{m:<9}{self.simulated_mean[m]:>10.2f}{self.measured_mean[m]:>10.2f}"
            f"{self.mean_error[m]:>+8.1f}%{self.mape[m]:>8.1f}%{self.median_ape[m]:>8.1f}%"
            for m in METRICS
        ]
        return "\n".join(lines)


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
    blocks = 0
    warnings: tuple[str, ...] = ()
    for seed in seeds:
        result = simulate({**scenario_of(run, conditions, seed), **changes})
        summary = result.summary
        by_seed.append(_latencies(summary["mean_ttft_ms"], summary["mean_tpot_ms"], run))
        preemptions.append(summary["preemptions"])
        blocks = result.kv_budget.num_gpu_blocks
        warnings = tuple(result.warnings)
    simulated = {m: float(np.mean([x[m] for x in by_seed])) for m in METRICS}
    errors = {m: simulated[m] / measured[m] - 1 for m in METRICS}
    score = RowScore(
        run, measured, simulated, errors, float(np.mean(preemptions)), blocks, warnings
    )
    return score, [{m: abs(x[m] / measured[m] - 1) for m in METRICS} for x in by_seed]


def _explain(score: RowScore, conditions: Conditions, seeds: Sequence[int]) -> RowScore:
    """Seek the block count at which the simulated TTFT is the measured one."""
    low, high = score.num_gpu_blocks // 2, score.num_gpu_blocks * 2
    while high - low > max(1, score.num_gpu_blocks // 200):
        middle = (low + high) // 2
        changed = Conditions(**{**conditions.__dict__, "num_gpu_blocks": middle})
        trial, _ = _score_run(score.run, changed, seeds, {})
        if trial.errors["ttft_ms"] > 0:
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

    Examples
    --------
    >>> score = score_rows(seeds=[0])
    >>> len(score.rows), score.mape["tpot_ms"] < 2.9
    (45, True)
    """
    known = read_conditions(conditions)
    all_seeds = list(seeds)
    if not all_seeds:
        raise ConfigError("seeds: got none; allowed: at least one")
    changes: dict[str, Any] = {} if step_time is None else {"step_time": dict(step_time)}
    scores: list[RowScore] = []
    errors: list[list[dict[str, float]]] = []
    for run in read_runs(rows):
        score, by_seed = _score_run(run, known, all_seeds, changes)
        wall = score.preemptions > 0 and abs(score.errors["ttft_ms"]) > _WALL_ERROR
        scores.append(_explain(score, known, all_seeds[:3]) if explain and wall else score)
        errors.append(by_seed)
    mape = {m: 100 * float(np.mean([[x[m] for x in row] for row in errors])) for m in METRICS}
    return StepTimeScore(tuple(scores), mape)


def score_requests(
    requests: str | Path = OPEN_REQUESTS,
    meta: str | Path = OPEN_META,
    gpu: str = "rtx-pro-6000",
    *,
    step_time: Mapping[str, Any] | None = None,
) -> RequestScore:
    """Simulate a measured run with its own arrivals and lengths, score it request by request.

    Latencies count from the moment the engine queued a request, as the file has them, so there is
    no front end. Data-parallel replicas get requests in turn.

    Parameters
    ----------
    requests : path
        CSV with input_toks, output_toks, arrival_s, ttft_from_queued_s, e2e_from_queued_s, tpot_ms;
        the packaged run of Llama-3.1-8B if left out, and so for the next two.
    meta : path
        JSON with `engine_kwargs` (model, tensor_parallel_size, max_num_seqs, ...).
    gpu : str
        Name in the catalogue.
    step_time : mapping, optional
        Another step time than `{"kind": "kernels"}`.

    Returns
    -------
    RequestScore

    Raises
    ------
    ConfigError
        If a file lacks columns or keys.

    Examples
    --------
    >>> score = score_requests()
    >>> score.num_requests, score.mape["tpot_ms"] < 2.6
    (300, True)
    """
    columns = _read_requests(requests)
    kwargs = _read_meta(meta)
    base = _scenario_of_engine(kwargs, gpu, step_time)
    replicas = int(kwargs.get("data_parallel_size") or 1)
    order = np.argsort(columns["arrival_s"], kind="stable")
    simulated = {m: np.zeros(len(order)) for m in METRICS}
    warnings: list[str] = []
    if replicas > 1:
        warnings.append(f"{replicas} data-parallel replicas are simulated apart, requests in turn")
    for replica in range(replicas):
        mine = order[replica::replicas]
        trace = Trace(
            prompt_tokens=columns["input_toks"][mine].astype(np.int32),
            output_tokens=columns["output_toks"][mine].astype(np.int32),
            arrival_ns=np.rint(columns["arrival_s"][mine] * 1e9).astype(np.int64),
        )
        lengths = {"kind": "dataset", "name": "measured"}
        workload = {"num_requests": len(mine), "arrivals": {"kind": "trace"}, "lengths": lengths}
        result = simulate({**base, "workload": workload}, datasets={"measured": trace})
        warnings += [w for w in result.warnings if w not in warnings]
        r = result.requests
        first, finish = r["first_token_ns"], r["finish_ns"]
        simulated["ttft_ms"][mine] = (first - r["arrival_ns"]) / 1e6
        simulated["e2e_ms"][mine] = (finish - r["arrival_ns"]) / 1e6
        gaps = np.maximum(1, r["output_tokens"] - 1)
        simulated["tpot_ms"][mine] = (finish - first) / 1e6 / gaps
    measured = {
        "ttft_ms": 1e3 * columns["ttft_from_queued_s"],
        "tpot_ms": columns["tpot_ms"],
        "e2e_ms": 1e3 * columns["e2e_from_queued_s"],
    }
    return _request_score(simulated, measured, tuple(warnings))


def _request_score(
    simulated: Mapping[str, Any], measured: Mapping[str, Any], warnings: tuple[str, ...]
) -> RequestScore:
    keep = {m: measured[m] > 0 for m in METRICS}
    ape = {m: 100 * np.abs(simulated[m][keep[m]] / measured[m][keep[m]] - 1) for m in METRICS}
    means = [{m: float(x[m][keep[m]].mean()) for m in METRICS} for x in (simulated, measured)]
    return RequestScore(
        num_requests=len(measured["ttft_ms"]),
        simulated_mean=means[0],
        measured_mean=means[1],
        mean_error={m: 100 * (means[0][m] / means[1][m] - 1) for m in METRICS},
        mape={m: float(ape[m].mean()) for m in METRICS},
        median_ape={m: float(np.median(ape[m])) for m in METRICS},
        warnings=warnings,
    )


def _read_requests(path: str | Path) -> dict[str, Any]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in REQUEST_COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            needed = ", ".join(REQUEST_COLUMNS)
            raise ConfigError(f"{path}: lacks the columns {', '.join(missing)}; needed: {needed}")
        rows = list(reader)
    if not rows:
        raise ConfigError(f"{path}: got no rows; allowed: one row a request")
    columns: dict[str, Any] = {}
    for name in REQUEST_COLUMNS:
        values = []
        for line, row in enumerate(rows, start=2):
            try:
                values.append(float(row[name]))
            except (TypeError, ValueError):
                message = f"{path}, line {line}: {name}: got {row[name]!r}; allowed: a number"
                raise ConfigError(message) from None
        columns[name] = np.array(values)
    return columns


def _read_meta(path: str | Path) -> dict[str, Any]:
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from None
    kwargs = document.get("engine_kwargs") if isinstance(document, dict) else None
    if not isinstance(kwargs, dict) or not isinstance(kwargs.get("model"), str):
        raise ConfigError(f"{path}: lacks engine_kwargs with a model")
    return kwargs


def _scenario_of_engine(
    kwargs: Mapping[str, Any], gpu: str, step_time: Mapping[str, Any] | None
) -> dict[str, Any]:
    dtype = str(kwargs.get("quantization") or kwargs.get("dtype") or "bfloat16").lower()
    if dtype == "auto":
        dtype = "bfloat16"
    if dtype not in DTYPES:
        raise ConfigError(f"engine_kwargs.dtype: got {dtype!r}; allowed: {', '.join(DTYPES)}")
    engine = {
        "async_scheduling": kwargs.get("async_scheduling", True),
        "enable_prefix_caching": kwargs.get("enable_prefix_caching", True),
    }
    for name in ("max_num_seqs", "max_num_batched_tokens", "max_model_len", "block_size",
                 "gpu_memory_utilization", "num_gpu_blocks"):  # fmt: skip
        if kwargs.get(name) is not None:
            engine[name] = kwargs[name]
    return {
        "model": model_name(kwargs["model"]),
        "gpu": gpu_name(gpu),
        "tensor_parallel_size": int(kwargs.get("tensor_parallel_size") or 1),
        "pipeline_parallel_size": int(kwargs.get("pipeline_parallel_size") or 1),
        "weight_dtype": DTYPES[dtype],
        "kv_cache_dtype": str(kwargs.get("kv_cache_dtype") or "auto"),
        "engine": engine,
        "step_time": dict(step_time or {"kind": "kernels"}),
        "record": "requests",
        "record_waterfall": False,
    }
