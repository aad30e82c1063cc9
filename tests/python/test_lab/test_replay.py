"""`kvsim replay`: the same numbers to the bit, or the first that is not; no foreign files."""

import copy
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvsim
from kvsim.lab import LedgerError, replay
from kvsim.lab._replay import _hash, _js_number, _js_text

SCENARIO: dict[str, Any] = {
    "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
    "step_time": {"kind": "affine", "a_ns": 5000000},
    "workload": {"num_requests": 50, "arrivals": {"kind": "poisson", "rate_per_s": 2.5}},
    "seed": 7,
}


def entry(scenario: dict[str, Any]) -> dict[str, Any]:
    try:
        result = kvsim.simulate(scenario)
        status, summary = result.status, dict(result.summary)
    except kvsim.InfeasibleError:
        status, summary = "infeasible", {}
    numbers = {k: v for k, v in summary.items() if v is not None}
    return {
        "scenario": scenario, "seed": 7, "version": kvsim.__version__, "status": status,
        "engine_run_id": f"{_hash(_js_text(scenario))}-1", "numbers": numbers,
    }  # fmt: skip


@pytest.fixture(scope="module")
def ledger() -> dict[str, Any]:
    oom = {**SCENARIO, "engine": {"num_gpu_blocks": 3, "max_model_len": 4096}}
    entries = [entry(SCENARIO), entry(oom)]
    return {"schema": "kvsim.ledger", "schema_version": 1, "entries": entries}


@pytest.fixture
def changed(ledger: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(ledger)


def test_same_numbers(ledger: dict[str, Any], tmp_path: Path) -> None:
    assert ledger["entries"][1]["status"] == "infeasible"
    file = tmp_path / "ledger.json"
    file.write_text(json.dumps(ledger))
    found = replay(file)
    assert found.ok
    assert (found.runs, found.numbers) == (2, 2 + len(ledger["entries"][0]["numbers"]))


def test_the_last_bit_counts(changed: dict[str, Any], tmp_path: Path) -> None:
    numbers = changed["entries"][0]["numbers"]
    numbers["mean_ttft_ms"] = math.nextafter(numbers["mean_ttft_ms"], 0)
    file = tmp_path / "ledger.json"
    file.write_text(json.dumps(changed))
    done = subprocess.run(
        [sys.executable, "-m", "kvsim", "replay", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "entry 0" in done.stdout
    assert "mean_ttft_ms" in done.stdout
    assert repr(numbers["mean_ttft_ms"]) in done.stdout


def test_a_status_that_differs(changed: dict[str, Any]) -> None:
    changed["entries"][1]["status"] = "ok"
    difference = replay(changed).difference
    assert difference is not None
    assert (difference.key, difference.recorded, difference.replayed) == (
        "status", "ok", "infeasible",
    )  # fmt: skip


def test_a_version_that_differs_is_named(changed: dict[str, Any]) -> None:
    changed["entries"][0] |= {"version": "0.0.1", "status": "unstable"}
    assert "written by kvsim 0.0.1" in str(replay(changed).difference)


@pytest.mark.parametrize(
    ("break_it", "match"),
    [
        (lambda d: d.update(schema="other"), "not a ledger"),
        (lambda d: d.update(schema_version=2), "schema_version: got 2; allowed: 1"),
        (lambda d: d.update(entries={}), "entries: missing or no list"),
        (lambda d: d["entries"][1].pop("seed"), r"entries\[1\].seed"),
        (lambda d: d["entries"][0].update(numbers=[]), r"entries\[0\].numbers"),
        (lambda d: d["entries"][0].update(seed=8), "the scenario has 7"),
        (lambda d: d["entries"][0]["scenario"]["workload"].update(num_requests=51), "changed"),
        (lambda d: d["entries"][0]["numbers"].update(nonsense=1), "which no result has"),
    ],
)
def test_damaged_ledgers_are_refused(changed: dict[str, Any], break_it: Any, match: str) -> None:
    break_it(changed)
    with pytest.raises(LedgerError, match=match):
        replay(changed)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no valid JSON"),
        (b'{"schema": "kvsim.le', "line 1, column"),
        (b"[1, 2]", "not a ledger"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply|no valid JSON"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    file = tmp_path / "ledger.json"
    file.write_bytes(content)
    with pytest.raises(LedgerError, match=match):
        replay(file)
    with pytest.raises(LedgerError, match="no such file"):
        replay(tmp_path / "none.json")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_javascript_writes_them(value: float) -> None:
    text = _js_number(value)
    assert float(text) == value
    size = abs(value)
    assert ("e" in text) == (size != 0 and not 1e-6 <= size < 1e21)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"), (1e20, "100000000000000000000"), (1e-6, "0.000001"), (1.5e-7, "1.5e-7"),
        (0.1, "0.1"), (123456.789, "123456.789"), (2.0, "2"), (1.2345e25, "1.2345e+25"),
    ],
)  # fmt: skip
def test_numbers_that_javascript_wrote(value: float, text: str) -> None:
    assert _js_number(value) == text


def test_hash_is_fnv_1a() -> None:
    # Landon Curt Noll's test vectors of FNV-1a, 64 bits.
    assert _hash("") == "cbf29ce484222325"
    assert _hash("foobar") == "85944171f73967e8"
