"""Cases for vLLM's scheduler: config.json, requests.csv and prompts.txt.gz in one folder.

The format is described in tests/golden/sync/README.md.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kvsim._names import nearest
from kvsim.datasets.errors import Where
from kvsim.datasets.files import open_text
from kvsim.datasets.parse import INT32_MAX, Cells, parse_lists
from kvsim.datasets.readers import from_csv
from kvsim.datasets.trace import Trace, check_token_counts

# Keys that a config must have, and those that older cases lack, with what their absence means.
_KEYS = (
    "block_size", "enable_chunked_prefill", "enable_prefix_caching",
    "long_prefill_token_threshold", "long_prefill_token_threshold_adaptive", "max_model_len",
    "max_num_active_seqs", "max_num_batched_tokens", "max_num_seqs", "note", "num_gpu_blocks",
    "num_spec_tokens", "policy", "prefill_schedule_interval", "scheduler_reserve_full_isl",
    "spec_method", "spec_seed", "step_ns", "watermark",
)  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "async_scheduling": False,
    "pipeline_parallel_size": 1,
    "empty_sleep_ns": 0,
}
_COLUMNS = ("id", "arrival_ns", "prompt_len", "max_tokens", "priority")


def from_vllm_case(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], Trace]:
    """Read one case for vLLM's scheduler.

    Parameters
    ----------
    folder : path
        Folder with config.json, requests.csv and, if prefix caching is on, prompts.txt.gz.

    Returns
    -------
    config : dict
        The settings, under vLLM's names; keys that older cases lack are filled in.
    trace : Trace
        The requests; times are those of the file (the first need not be 0), `output_tokens` is
        max_tokens, and `token_ids` are there if the folder has prompts.

    Raises
    ------
    TraceError
        If a file is not as the format says, naming file, row and column.
    OSError
        If a file is missing.

    Examples
    --------
    >>> config, trace = from_vllm_case("tests/golden/sync/o00_toy")
    >>> config["block_size"], len(trace)
    (4, 8)
    """
    path = Path(folder)
    config = _config(path / "config.json")
    trace = _requests(path / "requests.csv")
    prompts = path / "prompts.txt.gz"
    tokens: dict[str, Any] = {}
    if prompts.exists():
        tokens = _prompts(prompts, trace.prompt_tokens)
    elif config["enable_prefix_caching"]:
        Where(path).fail("enable_prefix_caching is true, but there is no prompts.txt.gz")
    trace = dataclasses.replace(
        trace, **tokens, name=path.name, source="vLLM scheduler case", description=config["note"]
    )
    return config, trace


def _config(path: Path) -> dict[str, Any]:
    where = Where(path)
    with open_text(os.fspath(path)) as stream:
        try:
            config = json.load(stream)
        except ValueError as error:
            where.fail(f"not valid JSON ({error})")
    if not isinstance(config, dict):
        where.fail(f"holds a {type(config).__name__}, not an object")
    for key in config:
        if key not in _KEYS and key not in _DEFAULTS:
            where.fail(f"unknown key {key!r}{nearest(key, (*_KEYS, *_DEFAULTS))}")
    for key in _KEYS:
        if key not in config:
            where.fail(f"there is no {key!r}")
    return _DEFAULTS | config


def _requests(path: Path) -> Trace:
    where = Where(path, lambda index: index + 2)
    with open_text(os.fspath(path)) as stream:
        rows = csv.reader(stream)
        header = next(rows, [])
        for column in header:
            if column not in (*_COLUMNS, "stop_after"):
                where.fail(f"unknown column {column!r}{nearest(column, (*_COLUMNS, 'stop_after'))}")
        for column in _COLUMNS:
            if column not in header:
                where.fail(f"there is no column {column!r}")
        at = header.index("id")
        for index, row in enumerate(rows):
            if len(row) > at and row[at] != str(index):
                where.fail(f"the id is {row[at]!r}; ids count from 0 in file order", index, "id")
    return from_csv(path, from_first_row=False)


def _prompts(path: Path, prompt_tokens: npt.NDArray[np.int32]) -> dict[str, npt.NDArray[Any]]:
    """Token ids, one prompt a line, with blanks between them."""
    where = Where(path)
    with open_text(os.fspath(path)) as stream:
        text = stream.read()
    lines = text.splitlines()
    if len(lines) != len(prompt_tokens):
        where.fail(f"there are {len(lines)} prompts for {len(prompt_tokens)} requests")
    if re.fullmatch(r"[0-9 \n]*", text):
        ids = np.fromstring(text, np.int64, sep=" ")  # text mode: several times faster than int()
        counts = np.array([len(line.split()) for line in lines], np.int64)
    else:
        counts, ids = parse_lists(Cells(lines, where, "prompt", 0), INT32_MAX, "token ids")
    check_token_counts(counts, prompt_tokens, where, "prompt")
    offset = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return {"token_offset": offset, "token_ids": ids}
