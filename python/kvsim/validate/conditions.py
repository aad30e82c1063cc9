"""What measured runs were made with, as scenario fields: the readers behind `score_rows`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvsim import catalog
from kvsim._names import nearest
from kvsim.errors import ConfigError

# Names that measurements have for GPUs, beside the catalogue's own.
GPUS = {"h100": "h100-sxm", "h10080gb": "h100-sxm", "h200sxm": "h200", "b200sxm": "b200"}
DTYPES = {"fp8": "fp8", "bf16": "bf16", "bfloat16": "bf16", "fp16": "fp16", "float16": "fp16"}
KV_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8"}
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


def model_name(name: str) -> str:
    """Return the catalogue's name of a model as its repository spells it.

    Examples
    --------
    >>> model_name("meta-llama/Llama-3.1-70B"), model_name("Qwen/Qwen3-30B-A3B-Instruct-2507")
    ('llama-3.1-70b', 'qwen3-30b-a3b')
    """
    short = name.rpartition("/")[2].lower()
    short = re.sub(r"(-instruct|-it|-chat|-hf|-fp8|-fp8-dynamic|-\d{4})+$", "", short)
    bare = short.removeprefix("meta-")
    return bare if bare in catalog.models() else short


def gpu_name(name: str) -> str:
    """Return the catalogue's name of a GPU as measurements spell it.

    Examples
    --------
    >>> gpu_name("h100_sxm"), gpu_name("RTXPRO6000"), gpu_name("h200_sxm"), gpu_name("RTX4090")
    ('h100-sxm', 'rtx-pro-6000', 'h200', 'rtx-4090')
    """
    letters = _letters(name).removeprefix("nvidia")
    known = {_letters(known): known for known in catalog.gpus()}
    return known.get(letters) or GPUS.get(letters) or name


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_conditions(path: str | Path | None) -> Conditions:
    """Read a conditions file; None gives the conditions of the 45 open runs.

    Raises
    ------
    ConfigError
        If it is no JSON object or has a key or a value that it cannot have.
    """
    if path is None:
        return Conditions()
    text = Path(path).read_text(encoding="utf-8")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from None
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise ConfigError(f"{path}: got a {kind}; allowed: an object of conditions")
    known = list(Conditions.__dataclass_fields__)
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = re.sub(r"[\s-]+", "_", key.strip().lower())
        name = ALIASES.get(name, name)
        if name in TEXTS and isinstance(value, str):
            continue
        if name not in known:
            raise ConfigError(
                f"{path}: {key}: no condition; allowed: {', '.join(known)}{nearest(key, known)}"
            )
        values[name] = _checked(f"{path}: {key}", name, value)
    return Conditions(**values)


def _checked(where: str, name: str, value: Any) -> Any:
    default = getattr(Conditions(), name)
    if name == "kv_cache_dtype" and isinstance(value, str):
        return KV_DTYPES.get(value.lower(), value.lower())
    if name == "length_range_ratio":
        pair = [value, 1.0] if isinstance(value, int | float) else value
        good = isinstance(pair, list) and len(pair) == 2
        good = good and all(isinstance(x, int | float) and 0 < x <= 2 for x in pair)
        if not good or pair[0] > pair[1]:
            raise ConfigError(f"{where}: got {value!r}; allowed: a share of 1, or [low, high]")
        return (float(pair[0]), float(pair[1]))
    if name in ("max_num_seqs", "num_gpu_blocks") and value in (None, "concurrency"):
        return None
    if name in ("max_num_seqs", "num_gpu_blocks"):
        default = 1
    kinds = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}[type(default)]
    if not isinstance(value, kinds) or (isinstance(value, bool) and type(default) is not bool):
        kind = type(default).__name__
        raise ConfigError(f"{where}: got {value!r}; allowed: a value of type {kind}")
    return value


def read_runs(path: str | Path) -> list[Run]:
    """Read a file of measured closed-loop runs.

    Raises
    ------
    ConfigError
        If columns are missing or a value is no number, naming file, line and column.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in NEEDED if name not in (reader.fieldnames or [])]
        if missing:
            raise ConfigError(
                f"{path}: lacks the columns {', '.join(missing)}; needed: {', '.join(NEEDED)}"
            )
        runs = [_run(row, f"{path}, line {line}") for line, row in enumerate(reader, start=2)]
    if not runs:
        raise ConfigError(f"{path}: got no rows; allowed: one row a run")
    return runs


def _run(row: Mapping[str, str], where: str) -> Run:
    def number(name: str) -> float:
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            value = -1.0
        if not 0 < value < 1e12:
            raise ConfigError(f"{where}: {name}: got {row[name]!r}; allowed: a number above 0")
        return value

    precision = row["precision"].lower()
    if precision not in DTYPES:
        raise ConfigError(
            f"{where}: precision: got {row['precision']!r}; allowed: {', '.join(DTYPES)}"
        )
    return Run(
        id=row.get("id") or where.rpartition(", ")[2],
        model=model_name(row["model"]),
        gpu=gpu_name(row["system"]),
        weight_dtype=DTYPES[precision],
        tensor_parallel_size=int(number("tp")),
        pipeline_parallel_size=int(number("pp")) if row.get("pp") else 1,
        prompt_tokens=int(number("isl")),
        output_tokens=int(number("osl")),
        concurrency=int(number("concurrency")),
        ttft_ms=number("ttft_ms"),
        tpot_ms=number("tpot_ms"),
    )
