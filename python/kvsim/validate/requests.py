"""Simulated against measured latencies of single requests to real vLLM."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kvsim._simulate import simulate
from kvsim.datasets import Trace
from kvsim.errors import ConfigError
from kvsim.validate.conditions import DTYPES, KV_DTYPES, gpu_name, model_name
from kvsim.validate.rows import MEASURED, METRICS

OPEN_REQUESTS = MEASURED / "rtx-pro-6000_llama-3.1-8b_requests.csv"
OPEN_META = MEASURED / "rtx-pro-6000_llama-3.1-8b_meta.json"
REQUEST_COLUMNS = (
    "input_toks", "output_toks", "arrival_s", "ttft_from_queued_s", "e2e_from_queued_s", "tpot_ms",
)  # fmt: skip


@dataclass(frozen=True)
class RequestScore:
    """Errors of one run by request, in percent.

    `mean_error` is simulated mean / measured mean - 1, `mape` the mean absolute error of single
    requests, `median_ape` its median; `residuals` are measured / simulated - 1 of each request.
    """

    num_requests: int
    simulated_mean: Mapping[str, float]
    measured_mean: Mapping[str, float]
    mean_error: Mapping[str, float]
    mape: Mapping[str, float]
    median_ape: Mapping[str, float]
    residuals: Mapping[str, list[float]]
    warnings: tuple[str, ...]

    def table(self) -> str:
        """Return a text table, one line a metric."""
        lines = [f"{'':<9}{'simulated':>10}{'measured':>10}{'mean':>9}{'MAPE':>9}{'median':>9}"]
        lines += [
            f"{m:<9}{self.simulated_mean[m]:>10.2f}{self.measured_mean[m]:>10.2f}"
            f"{self.mean_error[m]:>+8.1f}%{self.mape[m]:>8.1f}%{self.median_ape[m]:>8.1f}%"
            for m in METRICS
        ]
        lines += [f"note: {text}" for text in self.warnings]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single residuals as plain values."""
        return {name: value for name, value in vars(self).items() if name != "residuals"} | {
            "warnings": list(self.warnings)
        }


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
    # The requests ran, so their lengths are within the engine's; a longer limit decides nothing but
    # whether the pool is refused for not holding it.
    base["engine"]["max_model_len"] = 1 + int(
        (columns["input_toks"] + columns["output_toks"]).max()
    )
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
        residuals={m: (measured[m][keep[m]] / simulated[m][keep[m]] - 1).tolist() for m in METRICS},
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
    kv_dtype = str(kwargs.get("kv_cache_dtype") or "auto").lower()
    engine = {
        "async_scheduling": kwargs.get("async_scheduling", True),
        "enable_prefix_caching": kwargs.get("enable_prefix_caching", True),
    }
    for name in ("max_num_seqs", "max_num_batched_tokens", "block_size", "gpu_memory_utilization",
                 "num_gpu_blocks"):  # fmt: skip
        if kwargs.get(name) is not None:
            engine[name] = kwargs[name]
    return {
        "model": model_name(kwargs["model"]),
        "gpu": gpu_name(gpu),
        "tensor_parallel_size": int(kwargs.get("tensor_parallel_size") or 1),
        "pipeline_parallel_size": int(kwargs.get("pipeline_parallel_size") or 1),
        "weight_dtype": DTYPES[dtype],
        "kv_cache_dtype": KV_DTYPES.get(kv_dtype, kv_dtype),
        "engine": engine,
        "step_time": dict(step_time or {"kind": "kernels"}),
        "record": "requests",
        "record_waterfall": False,
    }
