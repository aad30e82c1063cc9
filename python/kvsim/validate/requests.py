"""Simulated against measured latencies of single requests to real vLLM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kvsim import catalog
from kvsim._fields import Engine
from kvsim._simulate import simulate
from kvsim.datasets import Trace
from kvsim.errors import ConfigError
from kvsim.validate.files import read_csv, read_object
from kvsim.validate.names import (
    gpu_name,
    kv_cache_dtype,
    model_name,
    stored_dtype,
    weight_dtype,
)
from kvsim.validate.rows import MEASURED, METRICS

OPEN_REQUESTS = MEASURED / "rtx-pro-6000_llama-3.1-8b_requests.csv"
OPEN_META = MEASURED / "rtx-pro-6000_llama-3.1-8b_meta.json"
MEASURED_COLUMNS = ("ttft_from_queued_s", "e2e_from_queued_s", "tpot_ms")
REQUEST_COLUMNS = ("input_toks", "output_toks", "arrival_s", *MEASURED_COLUMNS)
# Settings of vLLM that have the same name in a scenario's engine.
_ENGINE_FIELDS = (
    "max_num_seqs", "max_num_batched_tokens", "block_size", "gpu_memory_utilization",
    "num_gpu_blocks", "async_scheduling", "enable_prefix_caching", "enable_chunked_prefill",
    "scheduling_policy", "long_prefill_token_threshold",
)  # fmt: skip
# What else is read, and what decides nothing here: names, places, random numbers of outputs.
_OTHER_SETTINGS = (
    "model", "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "dtype",
    "quantization", "kv_cache_dtype", "max_model_len", "num_gpu_blocks_override",
    "enable_expert_parallel", "seed", "trust_remote_code", "download_dir", "served_model_name",
    "tokenizer", "tokenizer_mode", "load_format", "revision", "disable_log_stats",
    "disable_log_requests", "distributed_executor_backend",
)  # fmt: skip


@dataclass(frozen=True)
class RequestScore:
    """Errors of one run by request, in percent.

    `mean_error` is simulated mean / measured mean - 1, `mape` the mean absolute error of single
    requests, `median_ape` its median; `residuals` are measured / simulated - 1 of each request.
    A metric that no request has a measurement of is in none of them.
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
            for m in self.mape
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
        If a file lacks columns or keys, or has a value that it cannot have.
    InfeasibleError
        If the model or a request does not fit into memory.

    Examples
    --------
    >>> score = score_requests()
    >>> score.num_requests, score.mape["tpot_ms"] < 2.6
    (300, True)
    """
    columns = _read_requests(requests)
    kwargs = _Settings(f"{meta}: engine_kwargs", _read_meta(meta))
    base = _scenario_of_engine(kwargs, gpu, step_time)
    warnings = [*kwargs.notes(), *_not_measured(columns)]
    # The requests ran, so their lengths are within the engine's; a longer limit decides nothing but
    # whether the pool is refused for not holding it.
    longest = int((columns["input_toks"] + columns["output_toks"]).max())
    allowed = kwargs.whole("max_model_len") or longest
    if longest > allowed:
        raise ConfigError(
            f"{requests}: a request has {longest} tokens; allowed: the engine's max_model_len = "
            f"{allowed}"
        )
    base["engine"]["max_model_len"] = longest + 1
    replicas = min(kwargs.whole("data_parallel_size") or 1, len(columns["arrival_s"]))
    order = np.argsort(columns["arrival_s"], kind="stable")
    simulated = {m: np.zeros(len(order)) for m in METRICS}
    if replicas > 1:
        warnings.append(f"{replicas} data-parallel replicas are simulated apart, requests in turn")
    arrival_s = columns["arrival_s"] - columns["arrival_s"].min()
    for replica in range(replicas):
        mine = order[replica::replicas]
        trace = Trace(
            prompt_tokens=columns["input_toks"][mine].astype(np.int32),
            output_tokens=columns["output_toks"][mine].astype(np.int32),
            arrival_ns=np.rint(arrival_s[mine] * 1e9).astype(np.int64),
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
        # A request of one token has no time between tokens.
        "tpot_ms": np.where(columns["output_toks"] > 1, columns["tpot_ms"], 0.0),
        "e2e_ms": 1e3 * columns["e2e_from_queued_s"],
    }
    return _request_score(simulated, measured, tuple(warnings))


def _request_score(
    simulated: Mapping[str, Any], measured: Mapping[str, Any], warnings: tuple[str, ...]
) -> RequestScore:
    keep = {m: measured[m] > 0 for m in METRICS if (measured[m] > 0).any()}
    if not keep:
        raise ConfigError("requests: got no measured latency; allowed: at least one")
    ape = {m: 100 * np.abs(simulated[m][k] / measured[m][k] - 1) for m, k in keep.items()}
    means = [{m: float(x[m][k].mean()) for m, k in keep.items()} for x in (simulated, measured)]
    return RequestScore(
        num_requests=len(measured["ttft_ms"]),
        simulated_mean=means[0],
        measured_mean=means[1],
        mean_error={m: 100 * (means[0][m] / means[1][m] - 1) for m in keep},
        mape={m: float(ape[m].mean()) for m in keep},
        median_ape={m: float(np.median(ape[m])) for m in keep},
        residuals={m: (measured[m][k] / simulated[m][k] - 1).tolist() for m, k in keep.items()},
        warnings=warnings,
    )


def _read_requests(path: str | Path) -> dict[str, Any]:
    """Return the columns; latencies that were not measured are 0."""
    rows = read_csv(path, REQUEST_COLUMNS, "a request")
    columns: dict[str, Any] = {
        name: np.array([row.whole(name) for row in rows]) for name in ("input_toks", "output_toks")
    }
    columns["arrival_s"] = np.array([row.number("arrival_s", least=-1e9) for row in rows])
    for name in MEASURED_COLUMNS:
        columns[name] = np.array([row.measured(name) or 0.0 for row in rows])
    return columns


def _not_measured(columns: Mapping[str, Any]) -> list[str]:
    notes = []
    for name in MEASURED_COLUMNS:
        has_one = columns["output_toks"] > 1 if name == "tpot_ms" else columns["output_toks"] > 0
        missing = int((has_one & (columns[name] <= 0)).sum())
        if missing:
            notes.append(f"not scored, for lack of a measured {name}: {missing} of {len(has_one)}")
    return notes


def _read_meta(path: str | Path) -> dict[str, Any]:
    kwargs = read_object(path, "an object with engine_kwargs").get("engine_kwargs")
    if not isinstance(kwargs, dict) or not isinstance(kwargs.get("model"), str):
        raise ConfigError(f"{path}: lacks engine_kwargs with a model")
    return kwargs


class _Settings:
    """The settings of a measured engine."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where = where
        self.values = {name: value for name, value in values.items() if value is not None}
        if self.values.get("speculative_config"):
            raise self._error(
                "speculative_config",
                "null, since the measurements do not tell how many drafts were accepted",
            )

    def _error(self, name: str, allowed: str) -> ConfigError:
        return ConfigError(f"{self._where}.{name}: got {self.values[name]!r}; allowed: {allowed}")

    def whole(self, name: str) -> int | None:
        """Return a whole number from 1, None if it is not given."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._error(name, "a whole number from 1")
        return value

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise self._error(name, "a text")
        return value

    def weight_dtype(self) -> str:
        """Return how the weights are stored: as the engine was told, else as the model's name."""
        stored = stored_dtype(self.values["model"])
        if "quantization" in self.values:
            return weight_dtype(self.text("quantization", ""))
        dtype = weight_dtype(self.text("dtype", "auto"))
        return stored or ("bf16" if dtype == "auto" else dtype)

    def notes(self) -> list[str]:
        """Return what of the settings is not simulated."""
        known = (*_ENGINE_FIELDS, *_OTHER_SETTINGS)
        others = [name for name, value in self.values.items() if name not in known and value]
        notes = [f"settings that are not simulated: {', '.join(others)}"] if others else []
        if self.values.get("enable_expert_parallel"):
            notes.append("expert parallelism is not modelled: each replica has all experts")
        return notes


def _batch_defaults(gpu: str) -> dict[str, Any]:
    """Return what vLLM takes on a GPU if it is told nothing, as kvsim's presets have it."""
    name = gpu_name(gpu)
    known = catalog.gpu(name) if name in catalog.gpus() else None
    large = known is not None and known.memory_bytes >= 70 * 2**30 and "a100" not in name
    preset = Engine.preset("vllm-0.33" if large else "vllm-0.33-small")
    return {name: getattr(preset, name) for name in ("max_num_seqs", "max_num_batched_tokens")}


def _scenario_of_engine(
    kwargs: _Settings, gpu: str, step_time: Mapping[str, Any] | None
) -> dict[str, Any]:
    engine = {"async_scheduling": True, "enable_prefix_caching": True, **_batch_defaults(gpu)}
    engine |= {name: kwargs.values[name] for name in _ENGINE_FIELDS if name in kwargs.values}
    blocks = kwargs.whole("num_gpu_blocks_override")
    if blocks is not None:
        engine["num_gpu_blocks"] = blocks
    return {
        "model": model_name(kwargs.text("model", "")),
        "gpu": gpu_name(gpu),
        "tensor_parallel_size": kwargs.whole("tensor_parallel_size") or 1,
        "pipeline_parallel_size": kwargs.whole("pipeline_parallel_size") or 1,
        "weight_dtype": kwargs.weight_dtype(),
        "kv_cache_dtype": kv_cache_dtype(kwargs.text("kv_cache_dtype", "auto")),
        "engine": engine,
        "step_time": dict(step_time or {"kind": "kernels"}),
        "record": "requests",
        "record_waterfall": False,
    }
