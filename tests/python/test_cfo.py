"""The CFO's challenge, on a small model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import kvsim
from kvsim import costs
from kvsim._cfo import GOAL, P99
from kvsim._cfo_space import levers
from kvsim.validate.cost import check_cost

BASE: dict[str, Any] = {
    "model": "llama-3-8b",
    "gpu": "h100-sxm",
    "tensor_parallel_size": 4,
    "workload": {
        "num_requests": 400,
        "lengths": {"kind": "lognormal"},
        "arrivals": {"kind": "poisson", "rate_per_s": 10},
    },
}
SPACE: dict[str, Any] = {
    "layout": {
        "1 x TP4": {},
        "2 x TP2": {"tensor_parallel_size": 2, "fleet": {"num_servers": 2}},
        "1 x TP1": {"tensor_parallel_size": 1},
    },
    "quantization": {"bf16": {}, "fp8": {"weight_dtype": "fp8"}},
}
PRICE = costs.Rented(3.0)


@pytest.fixture(scope="module")
def found() -> kvsim.CfoResult:
    return kvsim.cfo(BASE, SPACE, price=PRICE, trials=8, final_replications=4)


def test_the_answer_is_cheaper_and_no_worse(found: kvsim.CfoResult) -> None:
    best = found.best
    assert best is not None
    assert 0 < best.saving < 1
    assert best.usd == pytest.approx(found.baseline_usd * (1 - best.saving))
    assert [c.metric for c in best.p99] == list(P99)
    for c in best.p99:
        assert c.paired
        assert c.high <= 0
    assert best.possible.low <= best.possible.estimate <= best.possible.high


def test_the_answer_holds_in_runs_of_ones_own(found: kvsim.CfoResult) -> None:
    assert found.best is not None
    best = {**found.best.point, "workload.arrivals.rate_per_s": found.best.rate_per_s}
    rate = {"workload.arrivals.rate_per_s": found.baseline_rate_per_s}
    table = kvsim.sweep({**BASE, "seed": 2}, [rate, best], replications=4)
    for metric in P99:
        assert table.compare(0, 1, metric).high <= 0
    usd = costs.columns(table, PRICE)[GOAL]
    assert 1 - usd[1] / usd[0] == pytest.approx(found.best.saving)


def test_terms_add_up_to_the_costs(found: kvsim.CfoResult) -> None:
    assert found.best is not None
    before, after = (sum(pair[i] for pair in found.terms_usd.values()) for i in (0, 1))
    assert before == pytest.approx(found.baseline_usd)
    assert after == pytest.approx(found.best.usd)
    assert found.paid_by in found.terms_usd


def test_each_lever_alone_saves_no_more_than_all(found: kvsim.CfoResult) -> None:
    assert found.best is not None
    assert set(found.levers) == set(SPACE)
    for answer in found.levers.values():
        if answer is not None:
            assert answer.usd >= found.best.usd - 1e-12
    assert json.dumps(found.to_dict())


def test_the_search_is_reproducible(found: kvsim.CfoResult) -> None:
    again = kvsim.cfo(BASE, SPACE, price=PRICE, trials=8, final_replications=4, threads=1)
    assert again.to_dict() == found.to_dict()


def test_nothing_cheaper_is_said_so() -> None:
    none = kvsim.cfo(BASE, {"layout": {"1 x TP4": {}}, "batching": {"usual": {}, "one": {
        "engine.max_num_seqs": 1}}}, price=PRICE, trials=4, final_replications=4)  # fmt: skip
    assert none.best is None or none.best.saving < 0.2
    assert none.levers["batching"] is None or none.levers["batching"].saving < 0.2


def test_a_lever_that_saves_nothing_says_how_far_it_goes() -> None:
    batching: dict[str, Any] = {"usual": {}, "one": {"engine.max_num_seqs": 1}}
    space: dict[str, Any] = {"layout": {"1 x TP4": {}}, "batching": batching}
    found = kvsim.cfo(BASE, space, price=PRICE, trials=4, final_replications=4)
    assert found.levers == {"layout": None, "batching": None}
    assert found.nearest["layout"].chosen == {}  # there is no other layout
    near = found.nearest["batching"]
    assert near.chosen == {"layout": "1 x TP4", "batching": "one"}
    assert np.isnan(near.saving)
    assert near.broken == ("unstable",)  # one request at a time is too slow at any rate
    assert found.to_dict()["nearest"]["batching"]["saving"] is None
    space["batching"] = {"usual": {}, "half": {"engine.max_num_seqs": 8}}
    nearest = kvsim.cfo(BASE, space, price=PRICE, trials=4, final_replications=4).nearest
    assert -20 < nearest["batching"].saving < 0  # eight at once bear a ninth of the traffic


def test_levers_name_their_options() -> None:
    space = levers()
    assert list(space) == ["layout", "batching", "quantization", "prefix caching", "speculation"]
    for options in space.values():
        assert next(iter(options.values())) in ({}, {"tensor_parallel_size": 8, "fleet": None})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"load": 0}, "load: got 0"),
        ({"space": {"engine.max_num_seqs": [1, 2]}}, "got values without names"),
        ({"confidence": 1.5}, "confidence: got 1.5"),
    ],
)
def test_bad_challenges_are_refused(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"space": SPACE, **arguments}
    with pytest.raises(kvsim.ConfigError, match=message):
        kvsim.cfo(BASE, **given)


def test_costs_are_what_they_follow_from_and_a_wrong_law_is_noticed() -> None:
    assert check_cost().ok, check_cost().table()
    wrong = check_cost(query_factor=1.001)
    assert sum(not c.ok for c in wrong.checks) == 6, wrong.table()
