"""What measured runs were made with, as scenario fields: the readers behind `score_rows`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvsim._names import nearest
from kvsim.errors import ConfigError
from kvsim.validate.files import Row, read_csv, read_object
from kvsim.validate.names import gpu_name, kv_cache_dtype, model_name, weight_dtype

ALIASES = {
    "range_ratio": "length_range_ratio",
    "len_range_ratio": "length_range_ratio",
    "range": "length_range_ratio",
    "random_range_ratio": "length_range_ratio",
    "length_range": "length_range_ratio",
    "length_ratio": "length_range_ratio",
    "async": "async_scheduling",
    "async_sched": "async_scheduling",
    "asynchronous": "async_scheduling",
    "asynchronous_scheduling": "async_scheduling",
    "kv_cache": "kv_cache_dtype",
    "kv_dtype": "kv_cache_dtype",
    "prefix_cache": "enable_prefix_caching",
    "max_seqs": "max_num_seqs",
    "budget": "max_num_batched_tokens",
    "max_tokens_per_step": "max_num_batched_tokens",
    "prefix_caching": "enable_prefix_caching",
    "token_budget": "max_num_batched_tokens",
    "max_batched_tokens": "max_num_batched_tokens",
    "prompts_per_unit_of_concurrency": "prompts_per_concurrency",
    "num_prompts_per_concurrency": "prompts_per_concurrency",
    "prompts_per_conc": "prompts_per_concurrency",
    "prompts_per_client": "prompts_per_concurrency",
    "num_prompts_per_client": "prompts_per_concurrency",
    "requests_per_concurrency": "prompts_per_concurrency",
}
# What a file may say of itself; only text, so no condition is missed.
TEXTS = (
    "note", "notes", "source", "comment", "description", "provenance", "engine", "engine_version",
    "backend", "backend_version", "vllm_version", "model", "system", "gpu",
)  # fmt: skip
NEEDED = ("model", "system", "precision", "tp", "isl", "osl", "concurrency", "ttft_ms", "tpot_ms")


@dataclass(frozen=True)
class Conditions:
    """How a file of closed-loop runs was made; the defaults are those of the 45 open runs.

    Parameters
    ----------
    length_range_ratio : (float, float)
        Lengths are uniform between these shares of the nominal ones.
    prompts_per_concurrency : int
        Requests of a run for each client.
    async_scheduling, enable_prefix_caching : bool
    kv_cache_dtype : str
    max_num_batched_tokens : int
    max_num_seqs : int or None
        None: the run's concurrency.
    gpu_memory_utilization : float
    frontend_ms, frontend_us_per_prompt_token : float
        Assumed, not measured.
    num_gpu_blocks : int or None
    """

    length_range_ratio: tuple[float, float] = (0.8, 1.0)
    prompts_per_concurrency: int = 10
    async_scheduling: bool = True
    enable_prefix_caching: bool = False
    kv_cache_dtype: str = "auto"
    max_num_batched_tokens: int = 8192
    max_num_seqs: int | None = None
    gpu_memory_utilization: float = 0.9
    frontend_ms: float = 5.0
    frontend_us_per_prompt_token: float = 2.0
    num_gpu_blocks: int | None = None

    def __str__(self) -> str:
        """In a line."""
        low, high = self.length_range_ratio
        parts = [
            f"lengths {low:g} to {high:g} of the nominal",
            f"{self.prompts_per_concurrency} prompts a client",
            f"{'a' if self.async_scheduling else ''}synchronous scheduling",
            f"KV cache {self.kv_cache_dtype}",
            f"{'' if self.enable_prefix_caching else 'no '}prefix caching",
            f"{self.max_num_batched_tokens} tokens a step",
            f"max_num_seqs {self.max_num_seqs or '= clients'}",
            f"gpu_memory_utilization {self.gpu_memory_utilization:g}",
            f"front end {self.frontend_ms:g} ms + {self.frontend_us_per_prompt_token:g} us a token",
        ]
        if self.num_gpu_blocks is not None:
            parts.append(f"{self.num_gpu_blocks} KV blocks")
        return ", ".join(parts)


@dataclass(frozen=True)
class Run:
    """One measured closed-loop run."""

    id: str
    model: str
    gpu: str
    weight_dtype: str
    tensor_parallel_size: int
    pipeline_parallel_size: int
    prompt_tokens: int
    output_tokens: int
    concurrency: int
    ttft_ms: float
    tpot_ms: float


def read_conditions(path: str | Path | None) -> Conditions:
    """Read a conditions file; None gives the conditions of the 45 open runs.

    Raises
    ------
    ConfigError
        If it is no JSON object or has a key or a value that it cannot have.
    """
    if path is None:
        return Conditions()
    known = list(Conditions.__dataclass_fields__)
    values: dict[str, Any] = {}
    said: dict[str, str] = {}
    for key, value in read_object(path, "an object of conditions").items():
        name = re.sub(r"[\s-]+", "_", key.strip().lower())
        name = ALIASES.get(name, name)
        if name in TEXTS and isinstance(value, str):
            continue
        if name not in known:
            raise ConfigError(
                f"{path}: {key}: no condition; allowed: {', '.join(known)}{nearest(key, known)}"
            )
        if name in said:
            raise ConfigError(f"{path}: {key}: the same as {said[name]}; allowed: one of them")
        said[name] = key
        if value is not None:
            values[name] = _checked(f"{path}: {key}", name, value)
    return Conditions(**values)


def _checked(where: str, name: str, value: Any) -> Any:
    default = getattr(Conditions(), name)
    if name == "kv_cache_dtype" and isinstance(value, str):
        return kv_cache_dtype(value)
    if name == "length_range_ratio":
        pair = [value, 1.0] if isinstance(value, int | float) else value
        good = isinstance(pair, list) and len(pair) == 2
        good = good and all(
            isinstance(x, int | float) and not isinstance(x, bool) and 0 < x <= 2 for x in pair
        )
        if not good or pair[0] > pair[1]:
            raise ConfigError(f"{where}: got {value!r}; allowed: a share of 1, or [low, high]")
        return (float(pair[0]), float(pair[1]))
    if name == "max_num_seqs" and value == "concurrency":
        return None
    if name in ("max_num_seqs", "num_gpu_blocks"):
        default = 1
    if isinstance(default, int) and isinstance(value, float) and value.is_integer():
        value = int(value)
    kinds = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}[type(default)]
    if not isinstance(value, kinds) or (isinstance(value, bool) and type(default) is not bool):
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ConfigError(f"{where}: got {value!r}; allowed: {kind[type(default)]}")
    return value


def read_runs(path: str | Path) -> list[Run]:
    """Read a file of measured closed-loop runs.

    A model, GPU or data type that kvsim does not know keeps its name: simulating it says so.

    Raises
    ------
    ConfigError
        If columns are missing or a value is no number, naming file, line and column.
    """
    return [_run(row) for row in read_csv(path, NEEDED, "a run")]


def _run(row: Row) -> Run:
    cells = row.cells
    if row.whole("osl") < 2:
        raise row.error("osl", "2 or more, for a time between tokens")
    return Run(
        id=cells.get("id") or row.where.rpartition(", ")[2],
        model=model_name(cells["model"]),
        gpu=gpu_name(cells["system"]),
        weight_dtype=weight_dtype(cells["precision"]),
        tensor_parallel_size=row.whole("tp"),
        pipeline_parallel_size=row.whole("pp") if cells.get("pp") else 1,
        prompt_tokens=row.whole("isl"),
        output_tokens=row.whole("osl"),
        concurrency=row.whole("concurrency"),
        ttft_ms=row.number("ttft_ms", above=True),
        tpot_ms=row.number("tpot_ms", above=True),
    )
