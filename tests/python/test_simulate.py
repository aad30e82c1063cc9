"""`simulate` and `Result`."""

import gc
import json
import threading
from typing import Any

import numpy as np
import pytest

import kvsim

SCENARIO = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=200, max_model_len=4096, max_num_seqs=32),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(
        num_requests=300,
        arrivals=kvsim.Poisson(rate_per_s=15),
        lengths=kvsim.UniformLengths(output_min_tokens=1, output_max_tokens=200),
    ),
    slo=kvsim.SLO(ttft_ms=200, tpot_ms=20),
    record="all",
)
PARTS = ("frontend", "queue", "host", "compute", "hbm", "comm", "preempted", "redo", "bubble")


@pytest.fixture(scope="module")
def result() -> kvsim.Result:
    return kvsim.simulate(SCENARIO)


def test_waterfall_adds_up(result: kvsim.Result) -> None:
    requests = result.requests
    total = sum(requests[f"{part}_ns"] for part in PARTS if f"{part}_ns" in requests)
    assert np.array_equal(total, requests["e2e_ns"])
    assert result.totals["preemptions"] > 0


def test_derived_columns(result: kvsim.Result) -> None:
    r = result.requests
    assert np.array_equal(r.ttft_ns, r["first_token_ns"] - r["arrival_ns"])
    assert np.array_equal(r.e2e_ns, r["finish_ns"] - r["arrival_ns"])
    one = r["output_tokens"] == 1
    assert one.any()
    assert np.array_equal(np.isnan(r["tpot_ns"]), one)
    assert r["ttft_ns"] is r["ttft_ns"]


def test_summary_is_what_the_columns_say(result: kvsim.Result) -> None:
    summary, r = result.summary, result.requests
    assert summary["completed"] == 300
    assert isinstance(summary["completed"], int)
    for key, column in (("ttft", "ttft_ns"), ("e2el", "e2e_ns"), ("tpot", "tpot_ns")):
        values = np.sort(r[column][~np.isnan(r[column].astype(float))]) / 1e6
        assert summary[f"mean_{key}_ms"] == pytest.approx(values.mean(), rel=1e-12)
        for q in (0.5, 0.9, 0.99, 0.999):
            rank = values[int(np.ceil(q * len(values))) - 1]
            assert summary[f"p{100 * q:g}_{key}_ms"] == pytest.approx(rank, rel=1e-9)
    within = (r["ttft_ns"] <= 200e6) & (np.nan_to_num(r["tpot_ns"]) <= 20e6)
    assert summary["request_goodput"] == pytest.approx(within.sum() / summary["duration_s"])


def test_itl_counts_every_gap(result: kvsim.Result) -> None:
    itl = result.itl()
    assert itl.exact
    assert itl.total == result.requests["output_tokens"].sum() - 300
    assert (np.diff(itl.values_ns) > 0).all()
    p99 = itl.quantile_ns(0.99)
    assert p99 is not None
    assert result.summary["p99_itl_ms"] == p99 / 1e6
    share = itl.cdf()[1]
    assert share[-1] == 1
    assert p99 == itl.values_ns[np.searchsorted(itl.counts.cumsum(), 0.99 * itl.total)]
    with pytest.raises(ValueError, match="q: got 0"):
        itl.quantile_ns(0)


def test_time_series_keeps_littles_law(result: kvsim.Result) -> None:
    series = result.time_series()
    assert (np.diff(series["t_ns"]) > 0).all()
    assert series["running"].max() == result.summary["max_running"]
    assert series["kv_usage"].max() == pytest.approx(result.summary["max_kv_use"])
    sojourn = int(result.requests["e2e_ns"].sum())
    totals = result.totals
    assert totals["waiting_integral"] + totals["running_integral"] == sojourn


def test_columns_are_read_only_views_that_keep_the_result_alive() -> None:
    result = kvsim.simulate(SCENARIO)
    column = result.requests["finish_ns"]
    derived = result.requests["ttft_ns"]
    assert not column.flags.owndata
    for array in (column, derived, column[:5]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        column.flags.writeable = True
    before = column.copy()
    del result
    gc.collect()
    _ = [kvsim.simulate(SCENARIO) for _ in range(3)]
    assert np.array_equal(column, before)


@pytest.mark.parametrize(
    ("record", "tables"),
    [
        ("summary", set()),
        ("requests", {"requests"}),
        ("steps", {"requests", "steps"}),
        ("all", {"requests", "steps", "entries"}),
    ],
)
def test_what_is_recorded(record: str, tables: set[str]) -> None:
    result = kvsim.simulate(SCENARIO.replace(record=record))
    assert {t for t in ("requests", "steps", "entries") if len(getattr(result, t))} == tables
    for table in {"requests", "steps", "entries"} - tables:
        with pytest.raises(ValueError, match=f"{table} were not kept"):
            result.to_pandas(table)
        with pytest.raises(KeyError, match="record"):
            getattr(result, table)["t_ns"]
    full = kvsim.simulate(SCENARIO).summary
    assert result.summary == full


def test_without_a_waterfall() -> None:
    result = kvsim.simulate(SCENARIO.replace(record_waterfall=False))
    assert "hbm_ns" not in result.requests
    assert result.requests["queue_ns"].min() >= 0
    assert result.summary["mean_hbm_ms"] is None


def test_unknown_column_suggests_others(result: kvsim.Result) -> None:
    with pytest.raises(KeyError, match="did you mean 'ttft_ns'"):
        result.requests["tttft_ns"]
    with pytest.raises(AttributeError):
        _ = result.requests.nothing
    with pytest.raises(ValueError, match="table: got 'rows'"):
        result.to_pandas("rows")


def test_pandas(result: kvsim.Result) -> None:
    frame = result.to_pandas()
    assert len(frame) == 300
    assert set(frame) == set(result.requests)
    assert len(result.to_pandas("entries")) == result.totals["entries"]


def finite(value: Any) -> bool:
    """Whether no NaN and no infinity stands in nested plain values."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or bool(np.isfinite(value))


def test_json_has_no_nan(result: kvsim.Result) -> None:
    text = result.to_json(tables=["requests", "steps", "entries"])
    parsed = json.loads(text)
    assert finite(parsed)
    assert parsed["requests"]["tpot_ns"].count(None) > 0
    assert parsed["summary"]["acceptance_rate"] is None
    assert parsed["status"] == result.status
    assert kvsim.Scenario.from_dict(parsed["scenario"]) == SCENARIO


def test_step_and_leap_are_the_same_bits(result: kvsim.Result) -> None:
    step = kvsim.simulate(SCENARIO.replace(mode="step"))
    for table in ("requests", "steps", "entries"):
        for name, column in getattr(result, table).items():
            assert np.array_equal(column, getattr(step, table)[name], equal_nan="tpot" in name)


def test_overload_is_unstable() -> None:
    busy = kvsim.simulate(
        SCENARIO.replace({"workload.arrivals.rate_per_s": 1000, "workload.num_requests": 3000})
    )
    assert busy.status == "unstable"
    assert busy.reason
    assert "unstable" in repr(busy)
    assert "<table>" in busy._repr_html_()


def test_several_python_threads_at_once() -> None:
    expected = kvsim.simulate(SCENARIO).to_json(tables=["requests"])
    got: list[str] = []

    def work() -> None:
        for _ in range(5):
            got.append(kvsim.simulate(SCENARIO).to_json(tables=["requests"]))
            axes = {"seed": [0, 1]}
            assert kvsim.sweep(SCENARIO, axes, threads=2)["completed"].tolist() == [300, 300]

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [expected] * 20


def test_progress_counts_up_to_all_requests() -> None:
    long = {
        "engine": {"num_gpu_blocks": 500, "max_model_len": 4096},
        "step_time": {"kind": "affine"},
        "workload": {"num_requests": 30_000},
        "mode": "step",
    }
    calls: list[tuple[int, int]] = []
    kvsim.simulate(long, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (30_000, 30_000)
    assert calls == sorted(set(calls))
    queued = {**long, "engine": {**long["engine"], "async_scheduling": True}}  # type: ignore[dict-item]
    kvsim.simulate(queued, progress=lambda done, total: calls.append((done, total)))
    # Both kinds of replica report on their way, unless the machine is faster than the watcher.
    assert {total for _, total in calls} == {30_000}


def test_what_progress_raises_ends_the_run() -> None:
    def stop(*_: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        kvsim.simulate(
            {
                "step_time": {"kind": "affine"},
                "engine": {"num_gpu_blocks": 500},
                "workload": {"num_requests": 100},
            },
            progress=stop,
        )
    with pytest.raises(kvsim.ConfigError, match="progress: got a int"):
        kvsim.simulate({}, progress=3)  # type: ignore[arg-type]
