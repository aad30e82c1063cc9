"""`sweep` and `SweepResult`."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvsim
from kvsim.result import SUMMARY

RATE = "workload.arrivals.rate_per_s"
SEQS = "engine.max_num_seqs"
BASE = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=150),
)
GRID = {RATE: [1.0, 4.0, 20.0], SEQS: [2, 64]}


def test_a_grid_has_every_combination_in_order() -> None:
    result = kvsim.sweep(BASE, GRID)
    assert len(result) == 6
    assert result.points[:3] == [{RATE: 1.0, SEQS: 2}, {RATE: 1.0, SEQS: 64}, {RATE: 4.0, SEQS: 2}]
    assert result[RATE].tolist() == [1, 1, 4, 4, 20, 20]
    assert result[SEQS].tolist() == [2, 64] * 3
    for row in result:
        alone = kvsim.simulate(BASE.replace({RATE: row[RATE], SEQS: row[SEQS]}))
        assert {k: row[k] for k in alone.summary} == alone.summary
        assert (row["status"], row["reason"]) == (alone.status, alone.reason)


def test_a_list_of_points() -> None:
    points = [{RATE: 2.0}, {SEQS: 4, "engine.block_size": 32}, {}]
    result = kvsim.sweep(BASE, points)
    assert len(result) == 3
    for row, point in zip(result.rows(), points, strict=True):
        assert row["mean_ttft_ms"] == kvsim.simulate(BASE.replace(point)).summary["mean_ttft_ms"]
    assert result.points[0] == {RATE: 2.0, SEQS: None, "engine.block_size": None}


@settings(max_examples=10, deadline=None)
@given(threads=st.integers(1, 9), seed=st.integers(0, 2**64 - 1))
def test_threads_change_nothing(threads: int, seed: int) -> None:
    axes = {**GRID, "engine.num_gpu_blocks": [20, 60, 300]}
    scenario = BASE.replace(seed=seed)
    assert (
        kvsim.sweep(scenario, axes, threads=threads).to_json()
        == kvsim.sweep(scenario, axes, threads=1).to_json()
    )


def test_every_point_keeps_its_status_and_reason() -> None:
    result = kvsim.sweep(
        BASE.replace({"workload.num_requests": 1000}),
        [{}, {"engine.num_gpu_blocks": 10}, {RATE: 1e6}, {"engine.block_size": 0}, {"model": "x"}],
    )
    assert result.status == ["ok", "infeasible", "unstable", "invalid", "invalid"]
    assert [bool(reason) for reason in result.reason] == [False, True, True, True, True]
    assert "engine.block_size: got 0" in result.reason[3]
    assert np.isnan(result["mean_ttft_ms"][1])
    assert not np.isnan(result["mean_ttft_ms"][2])
    assert result.rows()[1]["mean_ttft_ms"] is None
    assert "2 invalid" in repr(result)


def test_select_and_knee() -> None:
    rates = np.linspace(0.2, 6, 12)
    scenario = BASE.replace({"workload.num_requests": 2000})
    result = kvsim.sweep(scenario, {RATE: rates, SEQS: [1, 64]})
    one = result.select({SEQS: 1})
    assert len(one) == 12
    assert one[RATE].tolist() == rates.tolist()
    assert len(result.select({SEQS: 1}, status="ok")) < 12
    knee = one.knee("p99_e2el_ms")
    assert knee is not None
    # Service is constant (5 ms a step), so this is M/D/1: its tail is shorter than M/M/1's.
    assert 0.7 < knee.offered_per_s * 0.665 < 1
    assert knee.latency_ms == 5 * knee.low_load_ms
    assert result.select({SEQS: 64}).knee("p99_tpot_ms") is None
    with pytest.raises(ValueError, match=f"{SEQS} has several values"):
        result.knee()
    with pytest.raises(KeyError, match=r"no axis 'engine\.max_num_seq'"):
        result.select({"engine.max_num_seq": 1})
    with pytest.raises(KeyError, match="did you mean 'p99_ttft_ms'"):
        result["p99_tttft_ms"]


def test_records_keep_whole_results() -> None:
    result = kvsim.sweep(BASE, {SEQS: [2, 0, 64]}, record="requests")
    first, bad, last = result.results
    assert first is not None
    assert last is not None
    assert bad is None
    assert last.scenario == BASE.replace({SEQS: 64})
    assert np.array_equal(
        last.requests["finish_ns"],
        kvsim.simulate(last.scenario).requests["finish_ns"],
    )
    assert kvsim.sweep(BASE, {SEQS: [2]}).results == [None]


def test_other_forms() -> None:
    result = kvsim.sweep(BASE, {**GRID, "workload.lengths": [kvsim.FixedLengths(), "sharegpt-300"]})
    parsed = json.loads(result.to_json(indent=1))
    assert parsed["num_points"] == 12
    assert parsed["unfinished"] == []
    assert parsed["points"][0]["workload.lengths"]["kind"] == "fixed"
    assert parsed["points"][1]["workload.lengths"] == "sharegpt-300"
    assert kvsim.Scenario.from_dict(parsed["inputs"]["scenario"]) == BASE.replace(record="summary")
    table = list(csv.DictReader(io.StringIO(result.to_csv())))
    assert len(table) == 12
    assert table[3]["status"] == "ok"
    assert float(table[3]["mean_ttft_ms"]) == result["mean_ttft_ms"][3]
    assert table[0]["request_goodput"] == ""
    # What counts is a whole number, as in a run's summary.
    one = kvsim.simulate(result.scenario.replace(result.points[0])).summary
    assert parsed["points"][0].items() >= one.items()
    for name, value in one.items():
        assert type(result.rows()[0][name]) is type(value), name
    assert table[0]["completed"] == str(one["completed"])
    frame = result.to_pandas()
    assert frame["p99_e2el_ms"].tolist() == result["p99_e2el_ms"].tolist()
    assert "SweepResult" in result._repr_html_()


def test_columns_are_read_only() -> None:
    result = kvsim.sweep(BASE, GRID)
    for name in ("mean_ttft_ms", RATE):
        with pytest.raises(ValueError, match="read-only"):
            result[name][0] = 1


def test_progress_counts_up_to_all_points() -> None:
    calls: list[tuple[int, int]] = []
    kvsim.sweep(BASE, {"seed": range(40)}, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (40, 40)
    assert calls == sorted(calls)


def test_what_progress_raises_ends_the_sweep() -> None:
    def stop(*_: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        kvsim.sweep(BASE, {"seed": range(40)}, progress=stop)


def test_datasets_by_name_and_by_object() -> None:
    own = kvsim.Trace(
        prompt_tokens=np.array([40, 50, 60]), output_tokens=np.array([3, 2, 1]), name="own"
    )
    result = kvsim.sweep(
        BASE,
        {"workload.lengths": ["mine", own, {"kind": "dataset", "name": "sharegpt-300"}, "no such"]},
        datasets={"mine": own},
    )
    assert result.status == ["ok", "ok", "ok", "invalid"]
    tokens = result["total_input_tokens"]
    assert tokens[0] == tokens[1] == 50 * 150
    assert tokens[2] != tokens[0]
    names = kvsim.sweep(BASE, {"workload.lengths.name": ["mine"]}, datasets={"mine": own})
    assert names.status == ["invalid"], "the base's lengths are of another kind"
    with_dataset = BASE.replace({"workload.lengths": "mine"})
    both = kvsim.sweep(
        with_dataset, {"workload.lengths.name": ["mine", "sharegpt-300"]}, datasets={"mine": own}
    )
    assert both["total_input_tokens"].tolist() == tokens[[1, 2]].tolist()


def test_warnings_are_kept_with_their_rows() -> None:
    scenario = kvsim.Scenario(
        model="llama-3-8b", gpu="h100-sxm",
        workload=kvsim.Workload(lengths="azure-2023-conversation", num_requests=200),
    )  # fmt: skip
    longest = kvsim.FixedLengths(prompt_tokens=9000, output_tokens=2)
    result = kvsim.sweep(scenario, {"workload.lengths": [kvsim.FixedLengths(), longest]})
    assert kvsim.simulate(scenario.replace({"workload.lengths": longest})).warnings
    (warning,) = result.warnings
    assert "max_model_len" in warning
    assert result.warnings[warning] == [1]
    assert result.select({"workload.lengths": longest}).warnings == {warning: [0]}


def test_dataset_paths_with_whole_workloads() -> None:
    workload = {"num_requests": 20, "lengths": "azure-2023-code"}
    result = kvsim.sweep(BASE.replace({"engine.num_gpu_blocks": 9000}), {"workload": [workload]})
    assert result.status == ["invalid" if "max_model_len" in result.reason[0] else "ok"]


def test_arrow_and_polars() -> None:
    axes = {**GRID, "workload.lengths": [kvsim.FixedLengths(), "sharegpt-300"]}
    result = kvsim.sweep(BASE, axes)
    table = result.to_arrow()
    assert table.column_names == [
        *GRID,
        "workload.lengths",
        "status",
        "reason",
        "calibration",
        *SUMMARY,
    ]
    assert json.loads(table.column("workload.lengths")[0].as_py())["kind"] == "fixed"
    frame = result.to_polars()
    assert frame["p99_e2el_ms"].to_list() == result["p99_e2el_ms"].tolist()
    assert frame[SEQS].to_list() == result[SEQS].tolist()
    assert frame["status"].to_list() == result.status


def test_xarray_has_the_axes_of_a_grid_as_dimensions() -> None:
    result = kvsim.sweep(BASE, {**GRID, "engine.num_gpu_blocks": [9, 300]})
    data = result.to_xarray()
    assert dict(data.sizes) == {RATE: 3, SEQS: 2, "engine.num_gpu_blocks": 2}
    for row in result.rows():
        cell = data.sel({path: row[path] for path in data.dims})
        assert cell["status"].item() == row["status"]
        figure = cell["p99_ttft_ms"].item()
        assert row["p99_ttft_ms"] == (None if np.isnan(figure) else figure)
    assert data["p99_ttft_ms"].attrs["units"] == "ms"
    some = result.select({SEQS: 2}, status="ok").to_xarray()
    assert dict(some.sizes) == {RATE: 3, SEQS: 1, "engine.num_gpu_blocks": 1}
    listed = kvsim.sweep(BASE, [{SEQS: 2}, {RATE: 3.0}]).to_xarray()
    assert dict(listed.sizes) == {"point": 2}
    assert listed[SEQS].values.tolist() == [2, None]
