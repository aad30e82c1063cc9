"""Designs: what points they have."""

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvsim
from kvsim import design
from kvsim.errors import ConfigError

RATE = "workload.arrivals.rate_per_s"
SEQS = "engine.max_num_seqs"
BLOCK = "engine.block_size"
CACHE = "engine.enable_prefix_caching"
BASE = {
    "engine": {"num_gpu_blocks": 1000, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {"num_requests": 40},
}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_is_every_combination_the_last_fastest(sizes: list[int]) -> None:
    import itertools

    paths = [RATE, SEQS, BLOCK, "seed"][: len(sizes)]
    axes = {p: list(range(1, n + 1)) for p, n in zip(paths, sizes, strict=True)}
    wanted = [dict(zip(paths, v, strict=True)) for v in itertools.product(*axes.values())]
    assert design.grid(axes).points() == wanted
    assert design.grid(axes).full_grid
    halves = design.grid({p: axes[p] for p in paths[:1]}), {p: axes[p] for p in paths[1:]}
    assert (halves[0] * design.grid(halves[1])).points() == wanted


def test_conditional_axes_multiply_only_where_they_apply() -> None:
    d = design.grid({
        CACHE: [True, False],
        BLOCK: design.only_if({CACHE: True}, [16, 32]),
        SEQS: [1, 2],
    })  # fmt: skip
    assert len(d) == 6
    assert not d.full_grid
    assert [p for p in d.points() if not p[CACHE]] == [
        {CACHE: False, SEQS: 1}, {CACHE: False, SEQS: 2}
    ]  # fmt: skip
    result = kvsim.sweep(BASE, d)
    assert result.status == ["ok"] * 6
    assert result[BLOCK].tolist() == [16, 16, 32, 32, None, None]
    assert len(result.select({BLOCK: None})) == 2
    assert result.points[-1] == {CACHE: False, BLOCK: None, SEQS: 2}


POINTS = st.lists(
    st.dictionaries(
        st.sampled_from([RATE, SEQS, "workload.lengths"]),
        st.sampled_from([1, 2.5, 1e-9, True, "\u00e9", {"kind": "fixed"}]),
    ),
    min_size=1,
    max_size=6,
)


@given(POINTS)
def test_texts_are_what_the_points_set(points: list[dict[str, Any]]) -> None:
    made = design.points(points)
    rows = np.arange(len(points))[::-1]
    assert [json.loads(text) for text in made.texts(rows)] == points[::-1]


def test_a_field_that_is_not_set_is_the_base_s() -> None:
    result = kvsim.sweep(BASE, [{SEQS: 1}, {BLOCK: 32}])
    alone = kvsim.sweep(BASE, [{BLOCK: 32}])
    assert result.rows()[1]["mean_ttft_ms"] == alone.rows()[0]["mean_ttft_ms"]


def test_frames_are_lists_of_points() -> None:
    columns = {SEQS: [1, 2, 3], RATE: [1.0, None, 3.0]}
    for frame in (pd.DataFrame(columns), pl.DataFrame(columns)):
        assert design.points(frame).points() == [
            {SEQS: 1, RATE: 1.0}, {SEQS: 2}, {SEQS: 3, RATE: 3.0}
        ]  # fmt: skip
        assert len(kvsim.sweep(BASE, frame)) == 3


def test_sums() -> None:
    d = design.grid({SEQS: [1, 2]}) + design.zipped({SEQS: [3], RATE: [5.0]})
    assert d.points() == [{SEQS: 1}, {SEQS: 2}, {SEQS: 3, RATE: 5.0}]


@pytest.mark.parametrize("make", [design.sobol, design.latin_hypercube])
def test_samples_are_balanced_in_every_axis(make: Any) -> None:
    space = {
        RATE: design.LogUniform(1, 16),
        SEQS: design.Integers(1, 4),
        BLOCK: [16, 32],
        "engine.gpu_memory_utilization": design.Uniform(0.5, 0.9),
    }
    d = make(space, 64, seed=3)
    assert len(d) == 64
    for path, values in ((SEQS, [1, 2, 3, 4]), (BLOCK, [16, 32])):
        assert d.column(path).count(values[0]) == 64 // len(values)
        assert sorted(set(d.column(path))) == values
    octaves = np.floor(np.log2(d.column(RATE)))
    assert np.bincount(octaves.astype(int)).tolist() == [16] * 4
    use = d.column("engine.gpu_memory_utilization")
    assert min(use) >= 0.5
    assert max(use) <= 0.9
    assert make(space, 64, seed=3).points() == d.points()
    assert make(space, 64, seed=4).points() != d.points()
    assert len(make(space, 7)) == 7


def test_sampled_conditions() -> None:
    d = design.sobol({CACHE: [True, False], BLOCK: design.only_if({CACHE: True}, [16, 32])}, 16)
    for point in d.points():
        assert (BLOCK in point) == point[CACHE]


def test_integers_have_equal_shares_and_logs_shrink_upwards() -> None:
    u = np.arange(1000) / 1000
    shares = np.bincount(design.Integers(0, 9).at(u))
    assert shares.tolist() == [100] * 10
    logs = np.bincount(design.Integers(1, 15, log=True).at(u))[1:]
    assert logs[0] == pytest.approx(250, abs=2)
    assert logs[7:].sum() == pytest.approx(250, abs=2)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: design.grid({SEQS: []}), "got no values"),
        (lambda: design.grid({SEQS: [1, 2, 1]}), "got 1 twice"),
        (lambda: design.grid({"workload.lengths": [{"kind": "fixed"}] * 2}), "twice"),
        (lambda: design.grid({"engine.max_num_seq": [1]}), "unknown path 'engine.max_num_seq'"),
        (lambda: design.grid({SEQS: range(10**9)}), "1,000,000,000 points; allowed: max_points"),
        (lambda: design.grid({SEQS: design.Integers(1, 3)}), "design.sobol"),
        (lambda: design.grid({SEQS: 5}), "allowed: a list of values"),
        (lambda: design.grid({SEQS: design.only_if({BLOCK: 16}, [1])}), "an axis before it"),
        (
            lambda: design.grid({BLOCK: [16], SEQS: design.only_if({BLOCK: 8}, [1])}),
            "none of its values",
        ),
        (lambda: design.grid({SEQS: [1]}) * design.grid({SEQS: [2]}), "in both designs"),
        (lambda: design.zipped({SEQS: [1], BLOCK: [16, 32]}), "different lengths"),
        (lambda: design.zipped({}), "got no axes"),
        (lambda: design.points([]), "got no points"),
        (lambda: design.points([3]), "got a int"),
        (lambda: design.points("abc"), "got a str"),
        (lambda: design.sobol({SEQS: [1, 2]}, 0), "num_points: got 0"),
        (lambda: design.sobol({}, 4), "axes: got"),
        (lambda: design.Uniform(2, 1), "low < high"),
        (lambda: design.LogUniform(0, 1), "above 0"),
        (lambda: design.Integers(1.5, 3), "whole numbers"),  # type: ignore[arg-type]
        (lambda: design.Uniform(0, float("inf")), "finite"),
        (lambda: design.Choice([]), "got no values"),
        (lambda: design.only_if({}, [1]), "only_if: got"),
        (lambda: kvsim.sweep(BASE, design.grid({"seed": range(20)}), max_points=10), "20 points"),
    ],
)
def test_errors(make: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make()


def test_the_size_is_shown() -> None:
    assert repr(design.grid({SEQS: [1, 2], BLOCK: [16]})) == (
        "<Design: 2 points, engine.max_num_seqs (2 values), engine.block_size (1 values)>"
    )
