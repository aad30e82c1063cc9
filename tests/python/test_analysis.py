"""What a sweep's table says: Pareto set, best, pivot, effects, constraints; how it prints."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvsim
from kvsim import _analysis
from kvsim._binding import setting

RATE = "workload.arrivals.rate_per_s"
SEQS = "engine.max_num_seqs"
BLOCKS = "engine.num_gpu_blocks"
BASE = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=300),
)


@pytest.fixture(scope="module")
def result() -> kvsim.SweepResult:
    return kvsim.sweep(BASE, {RATE: [1.0, 3.0, 6.0, 1e4], SEQS: [2, 8, 64], BLOCKS: [9, 120, 300]})


class Figures:
    """A table of made-up figures."""

    def __init__(self, **columns: list[float]) -> None:
        self._columns = {k: np.array(v, float) for k, v in columns.items()}
        self.status = ["ok"] * len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


@settings(max_examples=50)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=30))
def test_the_pareto_set_is_its_definition(rows: list[tuple[int, int, int]]) -> None:
    a, b, c = (list(map(float, column)) for column in zip(*rows, strict=True))
    table: Any = Figures(a=a, b=b, c=c)
    found = _analysis.pareto(table, ["a", "b"], ["c"]).tolist()

    def beaten(i: int) -> bool:
        return any(
            a[j] <= a[i] and b[j] <= b[i] and c[j] >= c[i]
            and (a[j], b[j], c[j]) != (a[i], b[i], c[i])
            for j in range(len(rows))
        )  # fmt: skip

    assert found == [i for i in range(len(rows)) if not beaten(i)]


def test_pareto_leaves_out_what_is_not_ok(result: kvsim.SweepResult) -> None:
    front = result.pareto("p99_ttft_ms", ["request_throughput"])
    assert set(front.status) == {"ok"}
    assert 0 < len(front) < result.status.count("ok")
    with pytest.raises(ValueError, match="no figures"):
        result.pareto([], [])


def test_best_keeps_limits(result: kvsim.SweepResult) -> None:
    best = result.best(maximize="request_throughput", limits={"p99_ttft_ms": 500})
    assert len(best) == 1
    ok = result.select(status="ok")
    within = ok["request_throughput"][ok["p99_ttft_ms"] <= 500]
    assert best["request_throughput"][0] == within.max()
    assert result.best(minimize="mean_tpot_ms")["mean_tpot_ms"][0] == ok["mean_tpot_ms"].min()
    with pytest.raises(ValueError, match="no row is ok and keeps"):
        result.best(minimize="mean_tpot_ms", limits={"p99_ttft_ms": 1e-3})
    with pytest.raises(ValueError, match="none or both"):
        result.best()


def test_pivot(result: kvsim.SweepResult) -> None:
    table = result.select({BLOCKS: 300}).pivot(SEQS, RATE, "mean_ttft_ms")
    assert (table.row_values, table.column_values) == ([2, 8, 64], [1.0, 3.0, 6.0, 1e4])
    cell = result.select({BLOCKS: 300, SEQS: 8, RATE: 3.0})
    assert table.values[1, 1] == cell["mean_ttft_ms"][0]
    assert table.status[1, 1] == cell.status[0]
    assert table.to_pandas().loc[8, 3.0] == table.values[1, 1]
    with pytest.raises(ValueError, match=f"{BLOCKS} has several values"):
        result.pivot(SEQS, RATE)
    with pytest.raises(KeyError, match="no axis 'seed'"):
        result.pivot(SEQS, "seed")
    with pytest.raises(ValueError, match="twice"):
        result.pivot(SEQS, SEQS)
    twice = kvsim.sweep(BASE, [{SEQS: 2, RATE: 1.0}, {SEQS: 2, RATE: 1.0}])
    with pytest.raises(ValueError, match="several rows"):
        twice.pivot(SEQS, RATE)


def test_slices_take_the_nearest(result: kvsim.SweepResult) -> None:
    assert set(result.slice({RATE: 2.6, SEQS: 7})[RATE].tolist()) == {3.0}
    assert len(result.slice({RATE: 2.6, SEQS: 7})) == 3
    with pytest.raises(KeyError, match="no axis"):
        result.slice({"seed": 1})


def test_effects_are_sobol_s_indices_on_a_grid() -> None:
    result = kvsim.sweep(
        BASE, {RATE: [1.0, 2.0, 3.0], "engine.block_size": [16, 32], "seed": [1, 2]}
    )
    y = result["mean_e2el_ms"].reshape(3, 2, 2)
    found = {e.path: e for e in result.effects("mean_e2el_ms")}
    for axis, path in enumerate([RATE, "engine.block_size", "seed"]):
        means = y.mean(axis=tuple(k for k in range(3) if k != axis))
        assert found[path].share == pytest.approx(means.var() / y.var())
        assert (found[path].low, found[path].high) == pytest.approx((means.min(), means.max()))
    ranges = [e.high - e.low for e in result.effects("mean_e2el_ms")]
    assert ranges == sorted(ranges, reverse=True)
    assert sum(e.share for e in found.values()) <= 1 + 1e-12


def test_effects_of_samples_take_groups() -> None:
    space = {RATE: kvsim.design.Uniform(1, 6), SEQS: kvsim.design.Integers(32, 64)}
    effects = kvsim.sweep(BASE, kvsim.design.sobol(space, 64)).effects("mean_tpot_ms")
    assert effects[0].path == RATE
    assert effects[0].share > 0.8
    assert effects[1].share < 0.3
    assert 1 < effects[0].low_value < 2
    assert 5 < effects[0].high_value < 6


def test_binding_constraints() -> None:
    def constraint(changes: dict[str, Any]) -> str | None:
        return kvsim.sweep(BASE, [changes]).binding_constraints()[0]

    assert constraint({RATE: 0.1}) == "arrivals"
    assert constraint({RATE: 20.0, SEQS: 2}) == "max_num_seqs"
    assert constraint({RATE: 20.0, BLOCKS: 50}) == "kv_cache"
    prompts = {"kind": "fixed", "prompt_tokens": 2000, "output_tokens": 1}
    budget = {"engine.max_num_batched_tokens": 2048, BLOCKS: 100_000}
    flood = {RATE: 1000.0, "workload.lengths": prompts, **budget}
    assert constraint(flood) == "max_num_batched_tokens"
    engine = {"max_num_seqs": 2, "num_gpu_blocks": 300, "max_model_len": 4096}
    assert constraint({RATE: 20.0, "engine": engine}) == "max_num_seqs", "inside an object"
    assert constraint({BLOCKS: 5}) is None


def test_what_an_object_does_not_name_is_its_default() -> None:
    base = BASE.replace({SEQS: 2})
    engine = {"num_gpu_blocks": 300, "max_model_len": 4096}
    result = kvsim.sweep(base, [{"engine": engine}, {"engine": engine, SEQS: 3}, {RATE: 20.0}])
    assert setting(result, SEQS) == [256, 3, 2]
    assert setting(result, "engine.num_gpu_blocks") == [300] * 3
    assert setting(result, "fleet.num_servers") == [None] * 3


def test_binding_constraints_of_fleets_are_those_of_their_servers() -> None:
    def constraint(rate: float, fleet: Any, **engine: Any) -> str | None:
        base = BASE.replace({"fleet": fleet, **{f"engine.{k}": v for k, v in engine.items()}})
        return kvsim.sweep(base, {RATE: [rate]}).binding_constraints()[0]

    four = {"num_servers": 4}
    assert constraint(0.1, four) == "arrivals"
    assert constraint(80.0, four, max_num_seqs=2) == "max_num_seqs"
    assert constraint(80.0, four, num_gpu_blocks=50) == "kv_cache"
    # Of one pool of 50 blocks a mean request is a great part, of four a quarter of that.
    assert constraint(20.0, {"num_servers": 1}, num_gpu_blocks=50) == "kv_cache"
    # Less than half a request waits at each of 40 servers, if not at all together.
    waits = kvsim.sweep(BASE.replace(fleet=kvsim.Fleet(num_servers=40)), {RATE: [60.0], SEQS: [1]})
    assert 0.5 < waits["mean_waiting"][0] < 20
    assert waits.binding_constraints() == ["arrivals"]
    engine = {"max_num_seqs": 2, "num_gpu_blocks": 300, "max_model_len": 4096}
    groups = {"groups": [{"count": 3, "engine": engine}]}
    assert constraint(80.0, groups, max_num_seqs=64) == "max_num_seqs"
    one_shot = {
        "workload": {"num_requests": 300},
        "fleet": {"num_servers": 2, "server": {"kind": "one_shot", "s0_ms": 100}},
    }
    found = kvsim.sweep(one_shot, {RATE: [0.1, 100.0]}).binding_constraints()
    assert found == ["arrivals", "servers"]


def test_it_prints_well(result: kvsim.SweepResult) -> None:
    page = result._repr_html_()
    assert page.count("<tr>") == 21
    assert "and 16 more rows" in page
    assert "infeasible" in page
    assert "&lt;SweepResult: 36 points" in page
    assert 'title="engine.num_gpu_blocks: request 0 needs' in page
    with_intervals = kvsim.sweep(BASE, {SEQS: [8]}, replications=3)._repr_html_()
    assert " ± " in with_intervals
    long = BASE.replace({"workload.num_requests": 20_000, SEQS: 8})
    within = kvsim.sweep(long, {RATE: [3.0]}, intervals="batch_means")
    low, high = (float(bound[0]) for bound in within.interval("p99_ttft_ms"))
    assert f"({low:,.4g} to {high:,.4g})" in within._repr_html_(), "not at equal distances"
