"""Fleets: what a single replica would do, conservation, books, failures, routers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import kvsim
from fleet_cases import PARTS, random_fleet

# What only fleets have, or what depends on how a run was cut into leaps.
ONLY_FLEETS = {
    "lazy_steps", "mean_gateway_ms", "mean_network_ms", "mean_dispatch_ms", "rejected", "lost",
    "retries", "hedge_percent", "extra_work_percent",
}  # fmt: skip
REJECTED = 6  # kind of a fleet's event
BASE: dict[str, Any] = {
    "engine": {"num_gpu_blocks": 600, "max_model_len": 8192, "max_num_seqs": 32},
    "step_time": {"kind": "affine"},
    "workload": {
        "arrivals": {"kind": "poisson", "rate_per_s": 20},
        "lengths": {
            "kind": "lognormal",
            "prompt_mean_tokens": 200,
            "output_mean_tokens": 60,
            "prompt_max_tokens": 2000,
            "output_max_tokens": 1000,
        },
        "num_requests": 800,
    },
}
CHANGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "steps": {"mode": "step"},
    "batches in flight": {"engine": {"async_scheduling": True}},
    "no prefix cache": {"engine": {"enable_prefix_caching": False}},
    "priority": {
        "engine": {"scheduling_policy": "priority"},
        "workload": {"priority_levels": 3},
    },
    "closed loop": {"workload": {"arrivals": {"kind": "closed_loop", "concurrency": 40}}},
    "closed loop, batches in flight": {
        "engine": {"async_scheduling": True},
        "workload": {"arrivals": {"kind": "closed_loop", "concurrency": 40}},
    },
    "sessions": {
        "engine": {"num_gpu_blocks": 2000},
        "workload": {"prefixes": {"kind": "sessions", "turns": 3, "think_time_s": 1.0}},
    },
    "prefix groups": {
        "workload": {"prefixes": {"kind": "groups", "num_groups": 5, "prefix_tokens": 256}}
    },
    "pipeline": {"pipeline_parallel_size": 2},
    "speculation": {"engine": {"spec_method": "ngram", "num_spec_tokens": 3}},
    "front end": {"engine": {"frontend_ms": 5, "frontend_us_per_prompt_token": 20}},
    "contiguous": {
        "engine": {"enable_prefix_caching": False, "kv_allocator": {
            "kind": "contiguous", "reservation": "pow2"}}
    },
    "swap": {
        "model": "llama-3-8b", "gpu": "a100-80",
        "engine": {"num_gpu_blocks": 200, "max_model_len": 3000, "preemption": {
            "mode": "swap", "swap_space_gib": 0.1, "victim": "least_work_lost"}},
    },
    "budget": {
        "engine": {"num_gpu_blocks": 200, "max_model_len": 3000, "preemption": {
            "max_per_request": 1, "max_per_s": 10}}
    },
}  # fmt: skip


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the base with the fields of some parts replaced."""
    scenario = copy.deepcopy(BASE)
    for name, value in changes.items():
        scenario[name] = {**scenario[name], **value} if isinstance(value, dict) else value
    return scenario


def one_shot(rate_per_s: float, num_requests: int = 2000, **fleet: Any) -> dict[str, Any]:
    """Return one-shot servers of 10 ms (exponential unless the fleet says otherwise)."""
    server = {"kind": "one_shot", "s0_ms": 10, "jitter": {"kind": "exponential"}}
    return {
        "workload": {
            "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s},
            "num_requests": num_requests,
        },
        "fleet": {"server": {**server, **fleet.pop("server", {})}, **fleet},
    }


@pytest.mark.parametrize("router", ["round_robin", "least_outstanding"])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_a_fleet_of_one_is_a_single_replica(changes: dict[str, Any], router: str) -> None:
    scenario = changed(changes)
    alone = kvsim.simulate(scenario)
    fleet = kvsim.simulate({**scenario, "fleet": {"router": {"kind": router}}})
    for name, column in alone.requests.items():
        assert np.array_equal(column, fleet.requests[name], equal_nan=True), name
    for name, total in alone.totals.items():
        assert total == fleet.totals[name] or name in ONLY_FLEETS, name
    for name, value in alone.summary.items():
        assert value == fleet.summary[name] or name in ONLY_FLEETS, name


@pytest.mark.parametrize("limit", [{"max_per_request": 0}, {"max_per_s": 0.5}], ids=str)
@pytest.mark.parametrize(
    "arrivals",
    [{"kind": "poisson", "rate_per_s": 60}, {"kind": "closed_loop", "concurrency": 40}],
    ids=["open", "closed"],
)
def test_who_has_no_budget_of_preemptions_is_rejected_in_a_fleet_too(
    limit: dict[str, float], arrivals: dict[str, Any]
) -> None:
    scenario = changed(
        {"engine": {"num_gpu_blocks": 200, "max_model_len": 3000,
                    "preemption": {"at_limit": "reject", **limit}},
         "workload": {"arrivals": arrivals}}
    )  # fmt: skip
    alone = kvsim.simulate(scenario)
    fleet = kvsim.simulate({**scenario, "fleet": {}})
    rejected = alone.requests["outcome"] == 1
    assert alone.summary["rejected"] == fleet.summary["rejected"] == rejected.sum() > 5
    for name in ("outcome", "arrival_ns", "finish_ns"):
        assert np.array_equal(alone.requests[name], fleet.requests[name]), name
    for name, column in alone.requests.items():
        assert np.array_equal(column[~rejected], fleet.requests[name][~rejected]), name
    for name, value in alone.summary.items():
        assert value == fleet.summary[name] or name in ONLY_FLEETS, name
    # At another server, with links, it is told so by the same way.
    link = {"alpha_ms": 3}
    linked = kvsim.simulate(
        {**scenario, "record": "steps", "fleet": {"num_servers": 2, "downlink": link}}
    )
    told = linked.requests["outcome"] == 1
    events = linked.fleet_events
    assert (events["kind"] == REJECTED).sum() == told.sum() == linked.summary["rejected"] > 0
    at = events["t_ns"][events["kind"] == REJECTED]
    assert np.array_equal(np.sort(at) + 3_000_000, np.sort(linked.requests["finish_ns"][told]))


def test_round_robin_over_n_is_n_single_replicas() -> None:
    scenario = changed({"workload": {"arrivals": {"kind": "poisson", "rate_per_s": 60}}})
    fleet = kvsim.simulate({**scenario, "fleet": {"num_servers": 4}}).requests
    for i in range(4):
        mine = np.arange(len(fleet["arrival_ns"])) % 4 == i
        assert (fleet["server"][mine] == i).all()
        trace = kvsim.Trace(
            prompt_tokens=fleet["prompt_tokens"][mine],
            output_tokens=fleet["output_tokens"][mine],
            arrival_ns=fleet["arrival_ns"][mine],
        )
        workload = {
            "arrivals": {"kind": "trace"},
            "lengths": {"kind": "dataset", "name": "mine"},
        }
        alone = kvsim.simulate({**scenario, "workload": workload}, datasets={"mine": trace})
        first = fleet["arrival_ns"][mine][0]  # a trace begins at 0
        for name in ("scheduled_ns", "first_token_ns", "finish_ns"):
            assert np.array_equal(alone.requests[name] + first, fleet[name][mine]), name
        for name in ("host_ns", "compute_ns", "queue_ns", "num_preemptions"):
            assert np.array_equal(alone.requests[name], fleet[name][mine]), name


def test_four_replicas_do_the_work_of_a_peer_that_was_measured() -> None:
    """AISimulate's counts and means on its own step times (docs/step_time.md)."""
    scenario = {
        "engine": {
            "max_model_len": 140_000,
            "num_gpu_blocks": 60_000,
            "enable_prefix_caching": False,
        },
        "step_time": {"kind": "polynomial"},
        "workload": {
            "arrivals": {"kind": "trace"},
            "lengths": "azure-2023-conversation",
        },
        "fleet": {"num_servers": 4},
    }
    summary = kvsim.simulate(scenario).summary
    assert summary["steps"] == 2_039_600
    assert summary["mean_ttft_ms"] == pytest.approx(42.349, abs=5e-4)
    assert summary["mean_tpot_ms"] == pytest.approx(6.127, abs=5e-4)
    assert summary["mean_e2el_ms"] == pytest.approx(1336.469, abs=5e-4)


def test_a_waterfall_of_a_fleet_adds_up_to_the_latency() -> None:
    link = {"alpha_ms": 3, "jitter": {"kind": "exponential"}}
    fleet = {"num_servers": 2, "uplink": link, "downlink": link}
    fleet["gateway"] = {"batch": 4, "window_ms": 100}
    result = kvsim.simulate({**BASE, "fleet": fleet})
    for metric in ("e2e", "ttft"):
        whole = result.waterfall(metric)
        assert whole.parts_ms["network"] > 5
        assert whole.parts_ms["gateway"] > 10
        assert whole.total_ms == pytest.approx(result.requests[f"{metric}_ns"].mean() / 1e6)
    with pytest.raises(kvsim.ConfigError, match="one-shot"):
        kvsim.simulate(one_shot(10, 100)).waterfall("ttft")


def check_books(seed: int) -> kvsim.Result:
    """Run a random fleet by events and by shortcuts; check what always holds."""
    scenario = random_fleet(seed)
    result = kvsim.simulate({**scenario, "mode": "leap"}, deadline_s=60)
    q = result.requests
    assert np.array_equal(sum(q[p] for p in PARTS), q["e2e_ns"])
    for part in PARTS:
        assert (q[part] >= 0).all(), part
    assert (q["arrival_ns"] <= q["scheduled_ns"]).all()
    assert (q["scheduled_ns"] <= q["first_token_ns"]).all()
    assert (q["first_token_ns"] <= q["finish_ns"]).all()
    t = result.totals
    assert t["completed"] == (q["outcome"] == 0).sum()
    assert t["rejected"] == (q["outcome"] == 1).sum()
    assert t["lost"] == (q["outcome"] == 2).sum()
    assert t["completed"] + t["rejected"] + t["lost"] == len(q["outcome"])
    assert ((q["server"] >= 0) == (q["outcome"] == 0)).all()
    slow = kvsim.simulate({**scenario, "mode": "step"}, deadline_s=60)
    for name in q:
        assert np.array_equal(q[name], slow.requests[name], equal_nan=True), name
    for name, value in t.items():
        assert value == slow.totals[name] or name == "lazy_steps", name
    return result


def test_books_of_random_fleets() -> None:
    seen = dict.fromkeys(
        ("hedges", "hedge_wins", "cancelled", "retries", "rejected", "lost", "wakeups"), 0
    )
    for seed in range(60):
        totals = check_books(seed).totals
        for name in seen:
            seen[name] += totals[name]
    assert all(seen.values()), seen


@pytest.mark.full
@pytest.mark.parametrize("block", range(20))
def test_books_of_many_random_fleets(block: int) -> None:
    for seed in range(100 * block, 100 * block + 100):
        check_books(1000 + seed)


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("quorum", [None, 1])
@pytest.mark.parametrize("placement", ["any", "sharded"])
@pytest.mark.parametrize("router", ["round_robin", "random", "weighted"])
def test_queues_by_recursion_are_queues_by_events(
    parts: int, workers: int, quorum: int | None, placement: str, router: str
) -> None:
    """One-shot servers that nothing can touch need no events: the same bits, ties included."""
    for jitter in ("exponential", "constant"):
        scenario = one_shot(
            300 * workers / parts,
            num_servers=4,
            server={"workers": workers, "jitter": {"kind": jitter}},
            fan_out={"parts": parts, "quorum": quorum, "placement": placement},
            router={"kind": router},
            power={"wakeup_ms": 1, "radio_mj": 1},
            deadlines_ms=[20],
        )
        fast = kvsim.simulate({**scenario, "mode": "leap"})
        slow = kvsim.simulate({**scenario, "mode": "step"})
        for name, column in fast.requests.items():
            assert np.array_equal(column, slow.requests[name], equal_nan=True), name
        assert fast.totals == slow.totals
        assert fast.summary == slow.summary


def test_a_failed_server_gives_its_requests_to_others_or_takes_them_along() -> None:
    outage = {"server": 0, "start_s": 5, "duration_s": 3}
    for scenario in (one_shot(150, num_servers=2), {**BASE, "fleet": {"num_servers": 2}}):
        scenario["fleet"]["outages"] = [outage]
        for on_failure in ("retry", "lose"):
            scenario["fleet"]["on_failure"] = on_failure
            result = kvsim.simulate(scenario)
            q = result.requests
            late = (q["finish_ns"] > 5e9) & (q["finish_ns"] <= 8e9) & (q["outcome"] == 0)
            assert late.any()
            assert (q["server"][late] == 1).all()
            lost = result.totals["lost"]
            retries = result.totals["retries"]
            assert (lost > 0, retries > 0) == (on_failure == "lose", on_failure == "retry")
            assert (q["dispatch_ns"] > 0).any() == (on_failure == "retry")
            assert (q["server"][q["arrival_ns"] > 9e9] == 0).any()


def test_all_servers_down_hold_the_requests_until_one_is_back() -> None:
    fleet = one_shot(50, 500, outages=[{"server": 0, "start_s": 2, "duration_s": 4}])
    q = kvsim.simulate(fleet).requests
    assert (q["outcome"] == 0).all()
    assert not ((q["finish_ns"] > 2e9) & (q["finish_ns"] < 6e9)).any()


def test_a_slow_server_is_slow() -> None:
    slow = [{"server": 0, "start_s": 0, "duration_s": 1e6, "slowdown": 2.0}]
    one = one_shot(20, server={"jitter": {"kind": "constant"}}, outages=slow)
    assert (kvsim.simulate(one).requests["compute_ns"] == 20_000_000).all()
    token = {**BASE, "fleet": {"outages": slow}}
    plain = kvsim.simulate(BASE).totals
    slowed = kvsim.simulate(token).totals
    mean = slowed["busy_ns"] / slowed["steps"]
    assert mean > 1.9 * plain["busy_ns"] / plain["steps"]


def test_limits_reject_and_count() -> None:
    full = kvsim.simulate(one_shot(500, max_outstanding=5))
    assert full.summary["rejected"] == (full.requests["outcome"] == 1).sum() > 0
    assert full.summary["completed"] + full.summary["rejected"] == 2000
    assert full.totals["max_waiting"] <= 4
    queue = kvsim.simulate(one_shot(500, num_servers=2, max_server_outstanding=3))
    assert queue.totals["max_waiting"] <= 2
    assert queue.summary["rejected"] > 0


def test_the_gateway_releases_full_batches_and_those_whose_time_is_over() -> None:
    scenario = one_shot(100, gateway={"batch": 4, "window_ms": 25}, server={"workers": 64})
    q = kvsim.simulate(scenario).requests
    released = q["arrival_ns"] + q["gateway_ns"]
    times, sizes = np.unique(released, return_counts=True)
    assert sizes.max() == 4
    assert q["gateway_ns"].max() == 25_000_000
    for time in times[sizes < 4][:50]:
        assert q["gateway_ns"][released == time].max() == 25_000_000
    token = kvsim.simulate({**BASE, "fleet": {"gateway": {"batch": 8, "window_ms": 500}}})
    assert token.summary["mean_gateway_ms"] > 50


def test_a_batch_window_waits_and_edf_serves_the_urgent() -> None:
    window = {"max_batch": 8, "window_ms": 40, "s0_ms": 5, "jitter": {"kind": "constant"}}
    q = kvsim.simulate(one_shot(50, 2000, server=window)).requests
    assert q["queue_ns"].max() >= 40_000_000
    assert q["e2e_ns"].min() >= 5_000_000
    scenario = one_shot(95, 4000, server={"discipline": "edf"}, deadlines_ms=[20, 2000])
    scenario["workload"]["priority_levels"] = 2
    edf = kvsim.simulate(scenario).summary["deadline_miss_rate"]
    scenario["fleet"]["server"]["discipline"] = "fcfs"
    fcfs = kvsim.simulate(scenario).summary["deadline_miss_rate"]
    assert edf < 0.7 * fcfs


def test_a_shared_link_is_a_queue_and_a_bad_channel_comes_in_bursts() -> None:
    # 1 ms a message at 900 messages/s: an M/D/1 queue at load .9.
    link = {"bytes_per_s": 1e6, "message_bytes": 1000, "shared": True}
    scenario = one_shot(900, 100_000, uplink=link, server={"s0_ms": 1e-3, "workers": 100})
    mean = kvsim.simulate(scenario).summary["mean_network_ms"]
    assert mean == pytest.approx(1 + kvsim.queueing.md1_mean_wait_s(900, 1e-3) * 1e3, rel=0.1)
    channel = {"good_s": 3.0, "bad_s": 1.0, "bad_factor": 10}
    link = {"alpha_ms": 1.0, "channel": channel}
    q = kvsim.simulate(one_shot(100, 100_000, uplink=link, server={"workers": 100})).requests
    bad = q["network_ns"] > 5_000_000
    assert set(np.unique(q["network_ns"])) == {1_000_000, 10_000_000}
    assert bad.mean() == pytest.approx(0.25, abs=0.04)
    assert np.count_nonzero(np.diff(bad.astype(int))) < 0.02 * len(bad)


def test_a_second_copy_takes_over_from_a_slow_one_and_tied_ones_cancel() -> None:
    law = {"kind": "empirical", "values": [1, 50], "weights": [0.98, 0.02]}
    plain = one_shot(20, 5000, num_servers=4, server={"jitter": law})
    hedged = one_shot(20, 5000, num_servers=4, server={"jitter": law},
                      hedge={"kind": "delay", "delay_ms": 15})  # fmt: skip
    a, b = kvsim.simulate(plain), kvsim.simulate(hedged)
    assert a.summary["p99_e2el_ms"] == 500
    assert b.summary["p99_e2el_ms"] < 60
    assert 2 < b.summary["hedge_percent"] < 10
    won = b.requests["dispatch_ns"] > 0
    assert won.sum() == b.totals["hedge_wins"] > 50
    assert (b.requests["dispatch_ns"][won] == 15_000_000).all()
    tied = one_shot(120, 5000, num_servers=2, hedge={
        "kind": "delay", "delay_ms": 0, "cancel": "at_start"})  # fmt: skip
    t = kvsim.simulate(tied).totals
    assert t["hedges"] == 5000
    assert t["served"] + t["cancelled"] == 10_000
    assert t["cancelled"] > 2000


def test_hedging_token_level_replicas_aborts_the_loser() -> None:
    outage = [{"server": 0, "start_s": 0, "duration_s": 1e5, "slowdown": 5.0}]
    hedge = {"kind": "delay", "delay_ms": 400, "cancel": "at_finish"}
    slow = kvsim.simulate({**BASE, "fleet": {"num_servers": 2, "outages": outage}})
    helped = kvsim.simulate(
        {**BASE, "fleet": {"num_servers": 2, "outages": outage, "hedge": hedge}}
    )
    assert helped.summary["p99_e2el_ms"] < 0.8 * slow.summary["p99_e2el_ms"]
    assert helped.totals["cancelled"] > 0
    assert helped.totals["hedge_wins"] > 0


def test_fan_out_places_parts_as_asked() -> None:
    scenario = one_shot(20, num_servers=6, record="steps")
    del scenario["fleet"]["record"]
    for placement in ("distinct", "sharded"):
        scenario["fleet"]["fan_out"] = {"parts": 3, "placement": placement}
        scenario["fleet"]["router"] = {"kind": "random"}
        e = kvsim.simulate({**scenario, "record": "steps"}).fleet_events
        sent = e["kind"] == 0
        servers = e["server"][sent].reshape(-1, 3)
        if placement == "sharded":
            assert (servers // 2 == [0, 1, 2]).all()
        else:
            assert all(len(set(row)) == 3 for row in servers.tolist())


def test_affinity_routers_keep_what_belongs_together() -> None:
    sessions = {"kind": "sessions", "turns": 4, "think_time_s": 0.5}
    scenario = changed({"workload": {"prefixes": sessions}, "engine": {"num_gpu_blocks": 2000}})
    scenario["fleet"] = {"num_servers": 3, "router": {"kind": "session_affinity"}}
    result = kvsim.simulate(scenario)
    servers = result.requests["server"].reshape(-1, 4)
    assert (servers == servers[:, :1]).all()
    assert len(np.unique(servers)) == 3
    groups = {"kind": "groups", "num_groups": 30, "prefix_tokens": 512}
    scenario = changed({"workload": {"prefixes": groups}, "engine": {"num_gpu_blocks": 900}})
    hits = {}
    for router in ("round_robin", "prefix_affinity"):
        scenario["fleet"] = {"num_servers": 4, "router": {"kind": router}}
        hits[router] = kvsim.simulate(scenario).summary["prefix_hit_rate"]
    assert hits["prefix_affinity"] > hits["round_robin"] + 0.05


def test_weights_and_ties_are_even() -> None:
    groups = [{"count": 1, "weight": 1}, {"count": 2, "weight": 3}]
    q = kvsim.simulate(one_shot(1, 20_000, groups=groups, router={"kind": "weighted"})).requests
    share = np.bincount(q["server"], minlength=3) / 20_000
    assert share == pytest.approx([1 / 7, 3 / 7, 3 / 7], abs=0.02)
    # Hardly any load: all servers are tied nearly always.
    for router in ("least_outstanding", "power_of_d", "random", "least_kv_tokens"):
        scenario = one_shot(0.1, 8000, num_servers=4, router={"kind": router})
        share = np.bincount(kvsim.simulate(scenario).requests["server"], minlength=4) / 8000
        assert share == pytest.approx([0.25] * 4, abs=0.02), router


def test_power_and_energy_add_up() -> None:
    power = {
        "idle_mw": 2,
        "e0_mj": 3,
        "e1_mj": 0.5,
        "wakeup_ms": 1,
        "wakeup_mj": 7,
        "radio_mj": 0.1,
    }
    result = kvsim.simulate(one_shot(50, 1000, server={"max_batch": 4}, power=power))
    t, s = result.totals, result.summary
    energy = (
        2 * s["duration_s"] + 3 * t["batches"] + 0.5 * t["served"] + 7 * t["wakeups"]
        + 0.1 * t["packets"]
    )  # fmt: skip
    assert t["served"] == 1000
    assert s["energy_per_request_mj"] == pytest.approx(energy / 1000)
    assert s["mean_power_mw"] == pytest.approx(energy / s["duration_s"])


def test_mixed_groups_have_their_own_engines() -> None:
    engine = {**BASE["engine"], "max_num_seqs": 1}
    groups = [{"count": 1}, {"count": 1, "engine": engine}]
    q = kvsim.simulate({**BASE, "fleet": {"groups": groups}}).requests
    wait = [float(q["queue_ns"][q["server"] == i].mean()) for i in (0, 1)]
    assert wait[1] > 10 * wait[0]


def test_beyond_capacity_is_unstable_and_kept() -> None:
    sweep = kvsim.sweep(one_shot(50, 5000), {"workload.arrivals.rate_per_s": [50, 120]})
    assert sweep.status == ["ok", "unstable"]
    assert np.isfinite(sweep["p99_e2el_ms"]).all()


def test_events_tell_what_is_where() -> None:
    scenario = one_shot(150, 500, num_servers=2, outages=[
        {"server": 1, "start_s": 1, "duration_s": 1}])  # fmt: skip
    events = kvsim.simulate({**scenario, "record": "steps"}).fleet_events
    assert (np.diff(events["t_ns"]) >= 0).all()
    assert (events["outstanding"] >= 0).all()
    assert set(events["kind"]) == {0, 1, 4, 5}
    with pytest.raises(KeyError, match="fleets with record"):
        kvsim.simulate(scenario).fleet_events["t_ns"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"num_servers": 0}, "fleet.num_servers: got 0"),
    ({"fan_out": {"parts": 0}}, "fleet.fan_out.parts: got 0"),
    ({"fan_out": {"parts": 2, "quorum": 3}}, "fleet.fan_out.quorum: got 3"),
    ({"fan_out": {"parts": 2, "placement": "distinct"}}, "fleet.fan_out.parts: got 2"),
    ({"num_servers": 3, "fan_out": {"parts": 2, "placement": "sharded"}}, "a divisor"),
    ({"hedge": {"kind": "delay", "delay_ms": -1}, "num_servers": 2}, "delay_ms: got -1"),
    ({"hedge": {"kind": "delay"}}, "hedging with one server"),
    ({"groups": [{"weight": 0}], "router": {"kind": "weighted"}}, "sum to 0"),
    ({"groups": [{}], "num_servers": 2}, "fleet.num_servers: got 2"),
    ({"gateway": {"window_ms": -1}}, "fleet.gateway.window_ms: got -1"),
    ({"gateway": {"window_ms": 5}}, "fleet.gateway.window_ms: got 5"),
    ({"gateway": {"batch": 5}}, "fleet.gateway.window_ms: got 0"),
    ({"router": {"kind": "shortest"}}, "fleet.router.kind"),
    ({"router": {"kind": "session_affinity"}}, "session_affinity"),
    ({"router": {"kind": "prefix_affinity"}}, "prefix_affinity"),
    ({"server": {"jitter": {"kind": "pareto", "shape": 1}}}, "shape: got 1"),
    ({"server": {"jitter": {"kind": "empirical"}}}, "at least one factor"),
    ({"server": {"jitter": {"kind": "empirical", "values": [1], "weights": [0]}}}, "sum to 0"),
    ({"server": {"jitter": {"kind": "weibull"}}}, "weibull"),
    ({"server": {"s0_ms": 0}}, "s0_ms: got 0"),
    ({"server": {"window_ms": 1}}, "window_ms: got 1"),
    ({"server": {"discipline": "edf"}}, "deadlines_ms"),
    ({"deadlines_ms": [0]}, "deadlines_ms: got 0"),
    ({"outages": [{"server": 1}]}, "outages.0.server: got 1"),
    ({"uplink": {"message_bytes": 10}}, "bytes_per_s: got null"),
]


@pytest.mark.parametrize(("fleet", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_fleets_are_refused(fleet: dict[str, Any], message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        kvsim.simulate(one_shot(10, 10, **fleet))


def test_what_one_shot_servers_would_ignore_is_refused() -> None:
    for name, value in (
        ("model", "llama-3-8b"), ("gpu", "h100-sxm"), ("tensor_parallel_size", 2),
        ("engine", {"max_num_seqs": 4}), ("step_time", {"kind": "affine"}),
        ("slo", {"ttft_ms": 5}), ("record_memory", "classes"),
    ):  # fmt: skip
        with pytest.raises(kvsim.ConfigError, match=name):
            kvsim.simulate(one_shot(10, 10) | {name: value})


def test_batches_in_flight_cannot_be_called_back() -> None:
    scenario = changed({"engine": {"async_scheduling": True}})
    hedge = {"kind": "delay", "delay_ms": 100, "cancel": "at_finish"}
    with pytest.raises(kvsim.ConfigError, match=r"hedge.cancel: got .at_finish."):
        kvsim.simulate({**scenario, "fleet": {"num_servers": 2, "hedge": hedge}})
    hedge["cancel"] = "at_start"
    with pytest.raises(kvsim.ConfigError, match=r"hedge.cancel: got .at_start."):
        kvsim.simulate({**BASE, "fleet": {"num_servers": 2, "hedge": hedge}})


def test_what_token_level_replicas_do_not_do_is_refused() -> None:
    with pytest.raises(kvsim.ConfigError, match=r"record_memory: got .heatmap.* with a fleet"):
        kvsim.simulate({**BASE, "record_memory": "heatmap", "fleet": {}})
    engine = {"batching": {"kind": "static"}, "enable_prefix_caching": False}
    with pytest.raises(kvsim.ConfigError, match=r"engine.batching: got .static.* in a fleet"):
        kvsim.simulate({**BASE, "engine": engine, "fleet": {}})
    # An engine of a group is held to the same rules, and the error says where it is.
    groups: list[dict[str, Any]] = [{}, {"engine": engine}]
    with pytest.raises(kvsim.ConfigError, match=r"fleet.groups.1.engine.batching: got"):
        kvsim.simulate({**BASE, "fleet": {"groups": groups}})
    groups[1]["engine"] = {"async_scheduling": True, "preemption": {"max_per_s": 5}}
    with pytest.raises(kvsim.ConfigError, match=r"groups.1.engine.preemption.max_per_s: got 5"):
        kvsim.simulate({**BASE, "fleet": {"groups": groups}})


def test_a_warm_up_leaves_out_the_first_completed_requests() -> None:
    fleet = one_shot(500, max_outstanding=5, power={"idle_mw": 1})
    whole = kvsim.simulate(fleet)
    result = kvsim.simulate({**fleet, "warmup": {"kind": "requests", "num_requests": 300}})
    q, s = result.requests, result.summary
    late = np.flatnonzero(q["outcome"] == 0)[300:]
    first = q["arrival_ns"][late[0]]
    assert (s["warmup_requests"], s["completed"]) == (300, len(late))
    assert s["duration_s"] == (q["finish_ns"].max() - first) / 1e9
    for name, column in (
        ("mean_e2el_ms", "e2e_ns"), ("mean_queue_ms", "queue_ns"),
        ("mean_gateway_ms", "gateway_ns"), ("mean_compute_ms", "compute_ns"),
    ):  # fmt: skip
        assert s[name] == pytest.approx(q[column][late].mean() / 1e6), name
    offered = q["arrival_ns"][q["arrival_ns"] >= first]
    assert s["offered_rate_per_s"] == pytest.approx((len(offered) - 1) / np.ptp(offered) * 1e9)
    for name in ("rejected", "utilization", "mean_power_mw", "energy_per_request_mj"):
        assert s[name] == whole.summary[name], name
    assert s["mean_power_mw"] > 0
    # A request that was rejected has no latency, neither for MSER-5 nor for batch means.
    assert kvsim.simulate({**fleet, "warmup": {"kind": "mser5"}}).summary["warmup_requests"] < 1000
    interval = result.interval("mean_e2el_ms")
    assert interval.estimate == pytest.approx(s["mean_e2el_ms"])
    with pytest.raises(kvsim.ConfigError, match=r"fewer than the run's [0-9]+ requests that were"):
        kvsim.simulate({**fleet, "warmup": {"kind": "requests", "num_requests": 1999}})
