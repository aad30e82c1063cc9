"""KV memory: allocators, preemption, batching, classes, the map, users that fit."""

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import kvsim
from kvsim import memory, plots
from kvsim._memory_map import CLASSES
from kvsim.plots.style import figure_of

mpl.use("Agg")
SHARES = (
    "mean_token_slots", "mean_reserved_slots", "mean_internal_slots", "mean_rounding_slots",
    "mean_external_slots", "mean_cached_slots", "mean_free_slots",
)  # fmt: skip


def scenario(**engine: Any) -> kvsim.Scenario:
    """Long-tailed lengths, more than fit, and nothing that divides anything."""
    settings: dict[str, Any] = {
        "num_gpu_blocks": 402, "max_model_len": 2048, "enable_prefix_caching": False,
    }  # fmt: skip
    return kvsim.Scenario(
        engine=kvsim.Engine(**settings | engine),
        step_time=kvsim.Affine(),
        workload=kvsim.Workload(
            arrivals=kvsim.Burst(),
            lengths=kvsim.LogNormalLengths(
                prompt_mean_tokens=160, output_mean_tokens=340, output_cv=0.9,
                prompt_max_tokens=900, output_max_tokens=1000,
            ),
            num_requests=300,
        ),
        record_memory="heatmap",
        seed=3,
    )  # fmt: skip


@pytest.mark.parametrize(
    "engine",
    [
        {}, {"enable_prefix_caching": True}, {"preemption": {"mode": "none"}},
        {"kv_allocator": {"kind": "contiguous", "reservation": "max"}},
        {"kv_allocator": {"kind": "contiguous", "reservation": "pow2", "placement": "best_fit"}},
        {"kv_allocator": {"kind": "contiguous", "reservation": "oracle"}},
    ],
)  # fmt: skip
def test_every_slot_is_in_one_class(engine: dict[str, Any]) -> None:
    result = kvsim.simulate(scenario(**engine))
    assert sum(result.summary[name] for name in SHARES) == pytest.approx(1, abs=1e-12)
    found = result.memory_map
    assert found.num_slots == 401 * 16
    sums = np.sum(list(found.slots.values()), axis=0)
    assert (sums == found.num_slots).all()
    # The rows are samples of the slots: their shares are those of the whole memory.
    for number, name in enumerate(CLASSES):
        sampled = (found.slot_class == number).mean()
        assert sampled == pytest.approx(found.slots[name].mean() / found.num_slots, abs=0.04)
    held = np.isin(found.slot_class, [CLASSES.index(n) for n in ("tokens", "reserved", "internal")])
    assert (found.owner[held] >= 0).all()


def test_shares_are_null_and_the_map_is_missing_without_a_record() -> None:
    result = kvsim.simulate(scenario().replace({"record_memory": "none"}))
    assert result.summary["mean_token_slots"] is None
    with pytest.raises(ValueError, match="record_memory"):
        _ = result.memory_map


def test_recording_changes_nothing() -> None:
    base = scenario(enable_prefix_caching=True)
    with_map = kvsim.simulate(base)
    without = kvsim.simulate(base.replace({"record_memory": "none"}))
    assert (with_map.requests["finish_ns"] == without.requests["finish_ns"]).all()


def owners_by_definition(result: kvsim.Result, blocks: int) -> list[dict[int, int]]:
    """Who holds which block while each step runs: vLLM's free queue, played from the step's rows.

    Freed blocks go to its front, a table's last one first; blocks are taken from its front.
    """
    steps, entries = result.steps, result.entries
    free = list(range(blocks, 0, -1))  # the front is the end
    tables: dict[int, list[int]] = {}
    held = []
    finish = result.requests["finish_ns"]
    for step, end in enumerate(steps["end_ns"]):
        victims = steps["preempted_request"][
            slice(*steps["preempted_offset"][step : step + 2])
        ].tolist()
        rows = np.flatnonzero(entries["step"] == step)
        for i in rows:
            r = int(entries["request"][i])
            needed = -(-int(entries["computed"][i] + entries["tokens"][i]) // 16)
            while needed - len(tables.get(r, [])) > len(free):
                free += tables.pop(victims.pop(0))
            table = tables.setdefault(r, [])
            table += [free.pop() for _ in range(needed - len(table))]
        for victim in victims:
            free += tables.pop(victim)
        held.append({block: r for r, table in tables.items() for block in table})
        for i in rows:
            if finish[entries["request"][i]] == end:
                free += tables.pop(int(entries["request"][i]))
    return held


def test_cells_are_what_their_blocks_are() -> None:
    """With identities and, since none need be known, by a count of blocks."""
    result = kvsim.simulate(scenario().replace({"record": "all", "workload.num_requests": 120}))
    found, steps = result.memory_map, result.steps
    assert result.summary["preemptions"] > 10
    held = owners_by_definition(result, 401)
    at = np.searchsorted(steps["t_ns"], found.t_ns, side="right") - 1
    assert (found.t_ns < steps["end_ns"][at]).all()
    for column, step in enumerate(at):
        owners = [held[step].get(int(slot) // 16 + 1, -1) for slot in found.row_slot]
        assert found.owner[:, column].tolist() == owners
        idle = "external" if found.slots["external"][column] else "free"
        classes = [CLASSES.index(idle if owner < 0 else "tokens") for owner in owners]
        assert found.slot_class[:, column].tolist() == classes
    counted = kvsim.simulate(scenario().replace({"workload.num_requests": 120})).memory_map
    assert (counted.owner == found.owner).all()
    assert (counted.slot_class == found.slot_class).all()


def test_the_map_is_bounded_however_long_the_run() -> None:
    long = scenario().replace({"workload.num_requests": 5000})
    found = kvsim.simulate(long).memory_map
    assert found.slot_class.shape[0] <= 512
    assert 512 <= found.slot_class.shape[1] < 1024
    assert len(set(np.diff(found.t_ns).tolist())) == 1


def test_less_reservation_lets_more_requests_in() -> None:
    at_once = []
    for fraction in (1.0, 0.5, 0.0):
        allocator = kvsim.ContiguousAllocator(reservation="fraction", fraction=fraction)
        result = kvsim.simulate(scenario(kv_allocator=allocator))
        at_once.append(result.summary["mean_running"])
    at_once.append(kvsim.simulate(scenario()).summary["mean_running"])
    assert at_once == sorted(at_once)
    assert at_once[0] * 4 < at_once[-1]


def test_batching_on_and_off_is_one_field() -> None:
    base = scenario(max_num_seqs=16).replace({"record_memory": "classes"})
    sweep = kvsim.sweep(base, {"engine.batching": [{"kind": "continuous"}, {"kind": "static"}]})
    continuous, static = sweep["request_throughput"]
    assert continuous > 1.5 * static


def test_preemption_policies_in_a_sweep() -> None:
    base = scenario().replace({"record_memory": "none"})
    victims = ["latest", "lowest_priority", "least_work_lost", "longest_remaining"]
    sweep = kvsim.sweep(base, {"engine.preemption.victim": victims})
    assert set(sweep.status) == {"ok"}
    assert len(set(sweep["preemptions"])) >= 3


def test_swapping_on_a_real_bus() -> None:
    base = scenario().replace(
        {"model": "llama-3-8b", "gpu": "a100-80", "engine.preemption.mode": "swap",
         "record_memory": "none"}
    )  # fmt: skip
    result = kvsim.simulate(base)
    assert 0 < result.summary["swaps"] <= result.summary["preemptions"]
    slow = kvsim.simulate(base.replace({"engine.preemption.swap_gb_per_s": 1.0}))
    assert slow.summary["mean_comm_ms"] > 5 * result.summary["mean_comm_ms"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine.kv_allocator": {"kind": "contiguous", "max_tokens": 10}}, "request 0 needs"),
        ({"engine.kv_allocator": {"kind": "contigous"}}, "nearest: contiguous"),
        ({"engine.kv_allocator": {"kind": "contiguous", "placement": "budy"}}, "nearest: buddy"),
        ({"engine.kv_allocator": {"kind": "contiguous", "fraction": 0.5}}, "fraction: got 0.5"),
        (
            {"engine.kv_allocator": {"kind": "contiguous"}, "engine.enable_prefix_caching": True},
            "no blocks to share",
        ),
        ({"engine.preemption": {"max_per_request": -1}}, "max_per_request: got -1"),
        ({"engine.preemption": {"max_per_s": 0}}, "max_per_s: got 0"),
        ({"engine.preemption": {"mode": "swap"}}, "model: got null"),
        (
            {"engine.preemption": {"mode": "swap", "swap_space_gib": 1e-6},
             "model": "llama-3-8b", "gpu": "h200"},
            "room for at least one KV block",
        ),
        (
            {"engine.preemption": {"swap_overlap": True}},
            'preemption.swap_overlap: got true; allowed: false unless mode is "swap"',
        ),
        (
            {"engine.preemption": {"mode": "none", "max_per_s": 2}},
            "preemption.max_per_s: got 2.*null with mode",
        ),
        ({"engine.preemption": {"mode": "none", "victim": "latest"}}, 'victim: got "latest"'),
        ({"engine.preemption": {"victim": "last"}}, "nearest: latest"),
        ({"engine.preemption.max_per_s": -1}, "^engine.preemption.max_per_s: got -1"),
        (
            {"engine.batching": {"kind": "static"}, "engine.watermark": 0.1},
            "watermark: got 0.1; allowed: 0 with static batching",
        ),
        (
            {"engine.batching": {"kind": "static"}, "engine.prefill_schedule_interval": 4},
            "prefill_schedule_interval: got 4; allowed: 1 with static batching",
        ),
        (
            {"engine.batching": {"kind": "static"}, "engine.long_prefill_token_threshold": 9},
            "long_prefill_token_threshold: got 9; allowed: 0 with static batching",
        ),
        (
            {"engine.kv_allocator": {"kind": "contiguous"},
             "engine.scheduler_reserve_full_isl": False},
            "scheduler_reserve_full_isl: got false",
        ),
        (
            {"engine.preemption.mode": "swap", "engine.async_scheduling": True},
            'preemption.mode: got "swap"; allowed: "recompute" with batches in flight',
        ),
        (
            {"engine.preemption.max_per_request": 3, "pipeline_parallel_size": 2},
            "preemption.max_per_request: got 3; allowed: null with batches in flight",
        ),
        (
            {"engine.preemption.victim": "latest", "engine.batching": {"kind": "static"}},
            'preemption.victim: got "latest"; allowed: null with static batching',
        ),
        ({"engine.async_scheduling": True}, "record_memory: got .*batches in flight"),
        ({"record": "all", "engine.kv_allocator": {"kind": "contiguous"}}, "there are no blocks"),
    ],
)  # fmt: skip
def test_bad_input(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=words):
        kvsim.simulate(scenario().replace(changes))


def test_a_memory_that_no_request_fits_names_the_first() -> None:
    small = scenario(num_gpu_blocks=101, kv_allocator={"kind": "contiguous"})
    with pytest.raises(kvsim.InfeasibleError, match="request 0 reserves 2048 contiguous slots"):
        kvsim.simulate(small)


@pytest.mark.parametrize("by", ["class", "owner"])
@pytest.mark.parametrize("allocator", ["paged", "contiguous"])
def test_heatmap_draws(by: str, allocator: str) -> None:
    result = kvsim.simulate(scenario(kv_allocator={"kind": allocator}))
    ax = plots.KVCacheHeatmap(result, by=by).plot(title="memory")
    figure = figure_of(ax)
    figure.canvas.draw()
    below = figure.axes[1]
    place = "physical block" if allocator == "paged" else "token slot"
    assert ax.get_ylabel() == place + (" (a shade a request)" if by == "owner" else "")
    assert below.get_xlabel() == "time (s)"
    legend = below.get_legend()
    assert legend is not None
    assert any("tokens" in text.get_text() for text in legend.get_texts())
    marks = ax.get_legend()
    assert (marks is not None) == (allocator == "paged")  # only there are preemptions
    plt.close(figure)


def test_heatmap_on_a_grid_of_axes() -> None:
    result = kvsim.simulate(scenario())
    figure, pair = plt.subplots(1, 2)
    assert plots.KVCacheHeatmap(result).plot(pair[0]) is pair[0]
    with pytest.raises(ValueError, match="by: got 'block'"):
        plots.KVCacheHeatmap(result, by="block")
    plt.close(figure)


def test_hit_rates_draw() -> None:
    found = kvsim.prefix_hit_rates("mooncake-synthetic", [2000, 8000], ["lru", "belady"])
    ax = plots.hit_rates(found)
    figure_of(ax).canvas.draw()
    assert ax.get_xlabel() == "size of the cache (blocks of 512 tokens)"
    assert any("64.0 %" in text.get_text() for text in ax.texts)
    plt.close(figure_of(ax))


# ---- users that fit


def test_concurrency_says_what_binds() -> None:
    base = scenario().replace({"record_memory": "none"})
    bound = kvsim.concurrency(base, num_requests=400, seeds=(0, 1))
    assert bound.limit == "memory"
    assert bound.running == pytest.approx(bound.users_steady, rel=0.08)
    seqs = kvsim.concurrency(
        base.replace({"engine.max_num_seqs": 5}), num_requests=400, seeds=(0, 1)
    )
    assert (seqs.limit, seqs.running) == ("max_num_seqs", 5)
    prompts = {"engine.max_num_batched_tokens": 256, "workload.lengths.output_mean_tokens": 4}
    tokens = kvsim.concurrency(base.replace(prompts), num_requests=400, seeds=(0, 1))
    assert tokens.limit == "max_num_batched_tokens"


def test_closed_forms_take_arrays_and_refuse_what_makes_no_sense() -> None:
    users = memory.users_that_fit(80e9, 35.3e9, 327_680, [4096, 8192])
    assert users.tolist() == [33, 16]
    assert memory.mean_blocks([512.2, 1044.7], 4096).round(2).tolist() == [32.5, 64.49]
    for call, words in (
        (lambda: memory.mean_blocks(512, 4096, 0), "block_size: got 0"),
        (lambda: memory.paged_internal_waste(512, 4097), "max_tokens: got 4097"),
        (lambda: memory.paged_internal_waste(float("nan"), 4096), "mean_tokens: got NaN"),
        (lambda: memory.users_that_fit(-1, 0, 1, 1), "memory_bytes: got -1"),
    ):
        with pytest.raises(kvsim.ConfigError, match=words):
            call()


def test_concurrency_of_a_trace_draws_its_rows() -> None:
    trace = kvsim.Trace(prompt_tokens=[100, 200, 300], output_tokens=[50, 100, 700])
    base = scenario().replace({"record_memory": "none", "workload.lengths": trace})
    found = kvsim.concurrency(base, num_requests=500, seeds=(0, 1))
    assert found.running_ci > 0
    named = base.replace({"workload.lengths": {"kind": "dataset", "name": "mine"}})
    assert kvsim.concurrency(
        named, num_requests=500, seeds=(0, 1), datasets={"mine": trace}
    ) == found  # fmt: skip


def test_paging_gains_with_the_documented_defaults() -> None:
    """Nothing chosen but the allocator: default lengths of the log-normal law, default engine."""
    base = kvsim.Scenario(
        model="llama-3-70b", gpu="h100-sxm", weight_dtype="int4",
        engine=kvsim.Engine(enable_prefix_caching=False, max_model_len=8192),
        step_time=kvsim.Affine(),
        workload=kvsim.Workload(lengths=kvsim.LogNormalLengths(
            prompt_max_tokens=6000, output_max_tokens=2000), num_requests=1),
    )  # fmt: skip
    paged = kvsim.concurrency(base, num_requests=600, seeds=(0, 1))
    contiguous = kvsim.concurrency(
        base.replace({"engine.kv_allocator": kvsim.ContiguousAllocator()}),
        num_requests=600, seeds=(0, 1),
    )  # fmt: skip
    assert paged.running > 4 * contiguous.running
    ratio, half = paged.over(contiguous)["running"]
    assert ratio == pytest.approx(paged.running / contiguous.running, rel=0.05)
    assert 0 < half < ratio
    with pytest.raises(kvsim.ConfigError, match="other: got 2 seeds"):
        kvsim.concurrency(base, num_requests=600, seeds=(0, 1, 2)).over(contiguous)
    assert contiguous.limit == "memory"


@pytest.mark.parametrize(
    ("changes", "arguments", "words"),
    [
        ({"workload.prefixes": {"kind": "groups"}}, {}, "nothing shared"),
        ({"engine.batching": {"kind": "static"}, "record_memory": "none"}, {}, "continuous"),
        ({"fleet": {}, "record_memory": "none"}, {}, "fleet: got a fleet"),
        (
            {"engine.preemption": {"max_per_s": 1, "at_limit": "reject"}}, {},
            "at_limit: got 'reject'",
        ),
        ({}, {"seeds": (0,)}, "2 or more"),
        ({}, {"seeds": (3, 3)}, "different ones"),
        ({}, {"num_requests": 50}, "100 or more"),
        ({"engine.max_model_len": None, "engine.kv_allocator": {"kind": "contiguous"}}, {},
         "max_model_len"),
    ],
)  # fmt: skip
def test_concurrency_of_bad_input(
    changes: dict[str, Any], arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(kvsim.ConfigError, match=words):
        kvsim.concurrency(scenario().replace(changes), **arguments)
