"""Replays recorded runs of vLLM's own scheduler and compares every column."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kvsim._columns import Array, Columns
from kvsim._simulate import simulate
from kvsim.datasets import Trace, TraceError, from_vllm_case
from kvsim.errors import KvsimError
from kvsim.result import Result

MODES = ("step", "leap")
FILES = ("steps.csv.gz", "sched.csv.gz", "requests_out.csv.gz")
_KINDS = np.array(["N", "R", "C"])
_REASONS = np.array(["length", "stop"])


@dataclass(frozen=True)
class Difference:
    """The first place where kvsim and the recording differ.

    Attributes
    ----------
    file, column : str
        Where.
    row : int
        Data row, from 1, the header not counted.
    expected, got : str
        The cells; empty where one side has no such row.
    """

    file: str
    row: int
    column: str
    expected: str
    got: str

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.file}, row {self.row}, column {self.column!r}: "
            f"expected {self.expected!r}, got {self.got!r}"
        )


@dataclass(frozen=True)
class CaseReport:
    """One case in one mode.

    Attributes
    ----------
    case : Path
        Its folder.
    mode : str
        `step` or `leap`.
    steps, entries : int
        Rows compared.
    difference : Difference or None
        The first one, None if all columns are equal.
    error : str
        Why it could not be run, else empty.
    """

    case: Path
    mode: str
    steps: int = 0
    entries: int = 0
    difference: Difference | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether all columns are equal."""
        return self.difference is None and not self.error


@dataclass(frozen=True)
class VerifyReport:
    """What `verify_vllm` found."""

    cases: tuple[CaseReport, ...]

    @property
    def ok(self) -> bool:
        """Whether there was a case and all were reproduced."""
        return bool(self.cases) and all(case.ok for case in self.cases)

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        out = []
        for report in self.cases:
            if not report.ok:
                what = report.error or str(report.difference)
                out.append(f"{report.case} ({report.mode}): {what}")
        folders = {report.case for report in self.cases}
        bad = {report.case for report in self.cases if not report.ok}
        for mode in MODES:
            done = [report for report in self.cases if report.mode == mode]
            out.append(
                f"{mode}: {len(done)} cases, {sum(r.steps for r in done):,} steps, "
                f"{sum(r.entries for r in done):,} entries compared"
            )
        out.append(f"{len(folders) - len(bad)} of {len(folders)} cases reproduced in every column")
        return out


def verify_vllm(
    folders: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    each: Callable[[CaseReport], object] | None = None,
) -> VerifyReport:
    """Replay cases of vLLM's scheduler by steps and by leaps, and compare every column.

    Parameters
    ----------
    folders : path or iterable of paths
        Cases (folders with a config.json), or folders that contain cases at any depth.
    each : callable, optional
        Called with each `CaseReport` as it is ready.

    Returns
    -------
    VerifyReport
        `ok` is False if a column differs, a case cannot be run, or there is none.

    Raises
    ------
    OSError
        If a folder does not exist.

    Examples
    --------
    >>> import kvsim
    >>> kvsim.verify_vllm("tests/golden/sync/o00_toy").ok  # doctest: +SKIP
    True
    """
    listed = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    reports = []
    for case in find_cases(listed):
        for mode in MODES:
            report = replay(case, mode)
            reports.append(report)
            if each is not None:
                each(report)
    return VerifyReport(tuple(reports))


def find_cases(folders: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return every folder with a config.json and recorded output below the given ones, in order."""
    cases: dict[Path, None] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder}: no such folder")
        for config in sorted(folder.rglob("config.json")):
            if (config.parent / FILES[0]).exists():
                cases[config.parent] = None
    return list(cases)


def replay(case: Path, mode: str) -> CaseReport:
    """Simulate a case in one mode and compare."""
    try:
        config, trace = from_vllm_case(case)
        result = simulate(case_scenario(config, trace, mode), datasets={"case": trace})
        tables = _tables(result, trace)
        for file in FILES:
            if (difference := _compare(case, file, tables[file])) is not None:
                return CaseReport(case, mode, difference=difference)
    except (KvsimError, TraceError, OSError) as error:
        return CaseReport(case, mode, error=f"{type(error).__name__}: {error}")
    return CaseReport(case, mode, result.steps.num_rows, result.entries.num_rows)


def case_scenario(config: dict[str, Any], trace: Trace, mode: str) -> dict[str, Any]:
    """Return the scenario of a case; its requests are the dataset `case`."""
    renamed = {"policy": "scheduling_policy"}
    elsewhere = {"note", "step_ns", "pipeline_parallel_size"}
    step_ns = config["step_ns"]
    prefixes = "trace" if trace.token_ids is not None else "none"
    return {
        "engine": {renamed.get(k, k): v for k, v in config.items() if k not in elsewhere},
        "pipeline_parallel_size": config["pipeline_parallel_size"],
        "step_time": {
            "kind": "affine",
            "a_ns": step_ns["a"],
            "b_ns_per_token": step_ns["b"],
            "c_ns_per_context_token": step_ns["c"],
        },
        "workload": {
            "arrivals": {"kind": "trace"},
            "lengths": {"kind": "dataset", "name": "case"},
            "prefixes": {"kind": prefixes},
        },
        "record": "all",
        "mode": mode,
    }


# ---- the engine's columns under the names of the files

Table = dict[str, Array]


def _tables(result: Result, trace: Trace) -> dict[str, Table]:
    # The engine counts time from the first arrival.
    start = 0 if trace.arrival_ns is None else int(trace.arrival_ns[0])
    requests, steps, entries = result.requests, result.steps, result.entries
    rows = steps.num_rows
    step_table: Table = {"step": np.arange(rows), "t_ns": steps["t_ns"] + start}
    in_flight = "in_flight" in steps
    if in_flight:
        step_table |= {
            "start_ns": steps["start_ns"] + start,
            "end_ns": steps["end_ns"] + start,
            "upd_ns": steps["processed_ns"] + start,
        }
    step_table["dur_ns"] = steps["dur_ns"]
    if in_flight:
        step_table["inflight"] = steps["in_flight"]
    step_table |= {
        "n_sched": steps["scheduled"],
        "tokens": steps["tokens"],
        "ctx": steps["context"],
        "running": steps["running"],
        "waiting": steps["waiting"],
        "free_sched": steps["free_blocks_scheduled"],
        "free_end": steps["free_blocks_end"],
        "preempted": _preempted(steps, in_flight),
        "blocks_h": np.array([f"{h:016x}" for h in steps["blocks_hash"].tolist()]),
    }
    entry_table: Table = {
        "step": entries["step"],
        "req": entries["request"],
        "kind": _KINDS[entries["kind"]],
        "computed": entries["computed"],
        "ntok": entries["tokens"],
        "ndraft": entries["drafts"],
        "nsampled": entries["sampled"],
    }
    if "fate" in entries:
        entry_table["out"] = entries["fate"].astype(str)
    request_table: Table = {
        "req": np.arange(requests.num_rows),
        "first_token_ns": requests["first_token_ns"] + start,
        "finish_ns": requests["finish_ns"] + start,
        "n_out": requests["output_tokens"],
        "n_preempt": requests["num_preemptions"],
        "first_hit": requests["cached_tokens"],
        "reason": _REASONS[requests["finish_reason"]],
    }
    return dict(zip(FILES, (step_table, entry_table, request_table), strict=True))


def _preempted(steps: Columns, in_flight: bool) -> Array:
    """Return 'id:computed' (':in flight' more with batches in flight) of each step's victims."""
    parts = [_list(steps, "preempted_request"), _list(steps, "preempted_computed")]
    if in_flight:
        parts.append(_list(steps, "preempted_in_flight"))
    victims = [":".join(map(str, victim)) for victim in zip(*parts, strict=True)]
    offset = steps["preempted_offset"].tolist()
    return np.array([";".join(victims[a:b]) for a, b in pairwise(offset)])


def _list(columns: Columns, name: str) -> list[int]:
    return list(columns[name].tolist()) if name in columns else []


def _compare(case: Path, file: str, table: Table) -> Difference | None:
    """Return the first difference between a file and the engine's columns."""
    with gzip.open(case / file, "rt", encoding="utf-8", newline="") as stream:
        header, *lines = stream.read().splitlines()
    names = header.split(",")
    if names != list(table):
        return Difference(file, 0, "(header)", header, ",".join(table))
    texts = [[str(v) for v in column.tolist()] for column in table.values()]
    got = list(zip(*texts, strict=True))
    for row, line in enumerate(lines):
        if row >= len(got):
            return Difference(file, row + 1, names[0], line.split(",")[0], "")
        if line == ",".join(got[row]):
            continue
        for name, want, have in zip(names, line.split(","), got[row], strict=False):
            if want != have:
                return Difference(file, row + 1, name, want, have)
        return Difference(file, row + 1, "(row)", line, ",".join(got[row]))
    if len(got) > len(lines):
        return Difference(file, len(lines) + 1, names[0], "", got[len(lines)][0])
    return None
