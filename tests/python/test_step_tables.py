"""The packaged step-time tables and fits, against the engine and what they are made from."""

import base64
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

import build_step_tables as build
import fit_step_time as fit

ROOT = Path(__file__).parents[2]
DATA = ROOT / "python" / "kvsim" / "data" / "step_time"
# Folder of the operators' measurements, which are not packaged.
RAW = os.environ.get("KVSIM_OPERATORS")


@pytest.mark.parametrize("gpu", ["h100-sxm", "h200"])
def test_tables_are_small_whole_and_monotone(gpu: str) -> None:
    path = DATA / f"{gpu}.json"
    assert path.stat().st_size < 60_000
    document = json.loads(path.read_text(encoding="ascii"))
    assert document["gpu"] == gpu
    assert "Apache-2.0" in document["source"]
    for table in document["gemm"].values():
        words = np.frombuffer(base64.b64decode(table["log2_ns"]), "<u2")
        grid = words.reshape(len(table["m"]), len(table["n"]), len(table["k"]))
        assert (np.diff(grid.astype(int), axis=0) >= 0).all()
    reduce = document["all_reduce"]
    for gpus in ("2", "4", "8"):
        assert reduce[gpus] == sorted(reduce[gpus])


def test_the_engine_has_the_fitted_numbers() -> None:
    text = (ROOT / "cpp" / "kvsim" / "step_time" / "fitted.hpp").read_text(encoding="utf-8")
    operators = json.loads((DATA / "fit.json").read_text(encoding="ascii"))["operators"]
    for name, constant in {
        "gemm bf16": "gemm_16bit", "gemm fp8": "gemm_8bit", "decode attention": "decode_attention",
        "context attention": "context_attention", "all-reduce": "all_reduce",
    }.items():  # fmt: skip
        found = re.search(rf"{constant}\{{([^}}]*)\}}", text)
        assert found is not None
        engine = [float(x) for x in found[1].split(",")]
        values = operators[name]["values"]
        scale = {"bytes_8bit_per_kflop": 1e-3}
        assert engine == pytest.approx([v * scale.get(k, 1) for k, v in values.items()], rel=1e-6)


def test_fits_are_no_worse_than_the_studys() -> None:
    # Medians of the study's numbers (variant R) on the same operators, in percent.
    study = {
        "gemm bf16": (7.0, 8.4), "gemm fp8": (9.4, 11.1), "decode attention": (7.4, 11.3),
        "context attention": (4.9,), "all-reduce": (8.1, 7.5),
    }  # fmt: skip
    operators = json.loads((DATA / "fit.json").read_text(encoding="ascii"))["operators"]
    for name, bounds in study.items():
        errors = operators[name]["median_and_p90_error_percent"]
        for (median, _), bound in zip(errors.values(), bounds, strict=True):
            assert median <= bound


def test_smoothing_lowers_to_larger_sizes_and_keeps_proportion() -> None:
    rows = build.ROWS + build.LARGE_ROWS
    grid = np.array(rows, float)[:, None, None] + 100
    grid[rows.index(8)] = 500  # noise
    grid[rows.index(8192)] = 5000  # less than twice the time of 4,096
    out = build.smooth(grid)
    assert out[rows.index(8), 0, 0] == 116
    assert out[rows.index(8192), 0, 0] == 2 * 4196
    assert out[rows.index(16384), 0, 0] == pytest.approx(16484 + 300, abs=400)


def test_times_survive_16_bits() -> None:
    grid = np.geomspace(1e-6, 100, 8).reshape(2, 2, 2)
    words = np.frombuffer(base64.b64decode(build.encode(grid)), "<u2").reshape(2, 2, 2)
    back = 2 ** (words / build.STEPS_PER_OCTAVE) * 1e-6
    assert np.abs(back / grid - 1).max() < math.log(2) / build.STEPS_PER_OCTAVE


def test_nelder_mead_finds_a_minimum() -> None:
    best = fit.nelder_mead(lambda x: float((x[0] - 3) ** 2 + 5 * (x[1] + x[0]) ** 2), np.zeros(2))
    assert best == pytest.approx([3, -3], abs=1e-3)


@pytest.mark.skipif(RAW is None, reason="KVSIM_OPERATORS names no folder of measured operators")
def test_committed_tables_are_what_the_script_writes() -> None:
    assert RAW is not None
    for system, gpu in build.SYSTEMS.items():
        committed = (DATA / f"{gpu}.json").read_text(encoding="ascii")
        assert build.text_of(Path(RAW), system) == committed
