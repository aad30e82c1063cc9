"""Random scenarios of fleets: every router, law, placement, hedge and kind of failure."""

from __future__ import annotations

import random
from typing import Any

PARTS = (
    "frontend_ns", "queue_ns", "host_ns", "compute_ns", "hbm_ns", "comm_ns", "preempted_ns",
    "redo_ns", "bubble_ns", "gateway_ns", "dispatch_ns", "network_ns",
)  # fmt: skip
ROUTERS = (
    "round_robin", "random", "power_of_d", "least_outstanding", "least_kv_tokens", "weighted",
)  # fmt: skip


def law(draw: random.Random) -> dict[str, Any]:
    """Return a law of random times."""
    return draw.choice(
        [
            {"kind": "constant"},
            {"kind": "exponential"},
            {"kind": "lognormal", "cv": 1.0},
            {"kind": "gamma", "cv": 0.7},
            {"kind": "pareto", "shape": 2.2},
            {"kind": "empirical", "values": [1, 20], "weights": [0.95, 0.05]},
        ]
    )


def link(draw: random.Random) -> dict[str, Any]:
    """Return a network link."""
    made: dict[str, Any] = {"alpha_ms": draw.choice([0, 1, 5]), "jitter": law(draw)}
    if draw.random() < 0.4:
        made |= {"bytes_per_s": 1e6, "message_bytes": draw.choice([0, 100, 1000])}
        made["shared"] = draw.random() < 0.5
    if draw.random() < 0.3:
        made["channel"] = {"good_s": 1, "bad_s": 0.2, "bad_factor": 5}
    return made


def one_shot(draw: random.Random) -> dict[str, Any]:
    """Return a one-shot server."""
    batch = draw.choice([1, 1, 4])
    return {
        "kind": "one_shot",
        "workers": draw.choice([1, 2]),
        "max_batch": batch,
        "window_ms": draw.choice([0, 5]) if batch > 1 else 0,
        "s0_ms": 10,
        "s1_ms": draw.choice([0, 2]),
        "jitter": law(draw),
        "discipline": draw.choice(["fcfs", "edf"]),
    }


def hedge(draw: random.Random, cancels: list[str]) -> dict[str, Any]:
    """Return a way of hedging."""
    common = {
        "cancel": draw.choice(cancels),
        "cancel_delay_ms": draw.choice([0, 1]),
        "max_extra": draw.choice([1, 0.05]),
    }
    return draw.choice(
        [
            {**common, "kind": "delay", "delay_ms": draw.choice([0, 5, 30, 300])},
            {**common, "kind": "quantile", "quantile": 0.9, "min_samples": 20},
        ]
    )


def memory(draw: random.Random) -> dict[str, Any]:
    """Return fields of an engine that say how its memory is handed out and taken back."""
    limit = draw.choice(["wait", "reject"])
    return draw.choice(
        [
            {
                "kv_allocator": {
                    "kind": "contiguous",
                    "reservation": "oracle",
                    "placement": "first_fit",
                }
            },
            {"preemption": {"mode": "swap", "swap_space_gib": draw.choice([0.01, 1])}},
            {"preemption": {"mode": "none"}},
            {"preemption": {"victim": "longest_remaining"}},
            {"preemption": {"max_per_request": draw.choice([0, 1]), "at_limit": limit}},
            {"preemption": {"max_per_s": draw.choice([0.5, 5]), "at_limit": limit}},
        ]
    )


def random_fleet(seed: int) -> dict[str, Any]:
    """Return a scenario; the seed decides everything."""
    draw = random.Random(seed)
    token = draw.random() < 0.5
    servers = draw.choice([1, 2, 3, 4, 6])
    parts = draw.choice([1, 1, 1, 2, 3])
    placement = draw.choice(["any", "distinct", "sharded"])
    if (placement == "distinct" and parts > servers) or (
        placement == "sharded" and servers % parts
    ):
        placement = "any"
    share = servers // parts if placement == "sharded" else servers
    in_flight = token and draw.random() < 0.3
    fleet: dict[str, Any] = {
        "num_servers": servers,
        "fan_out": {
            "parts": parts,
            "placement": placement,
            "quorum": draw.choice([None, max(1, parts - 1)]),
        },
        "router": {"kind": draw.choice(ROUTERS)},
        "on_failure": draw.choice(["retry", "lose"]),
        "deadlines_ms": [50, 200] if draw.random() < 0.5 or not token else [],
    }
    if draw.random() < 0.2:
        del fleet["num_servers"]
        first = draw.randint(1, servers)
        fleet["groups"] = [{"count": first, "weight": 1}]
        if servers > first:
            fleet["groups"].append({"count": servers - first, "weight": 2.5})
    if not token:
        fleet["server"] = one_shot(draw)
        if draw.random() < 0.3:
            fleet["power"] = {"idle_mw": 1, "e0_mj": 0.1, "wakeup_ms": 2, "radio_mj": 0.01}
    if draw.random() < 0.3:
        fleet["gateway"] = {"batch": draw.choice([2, 5]), "window_ms": draw.choice([1, 50])}
    for way in ("uplink", "downlink"):
        if draw.random() < 0.4:
            fleet[way] = link(draw)
    if share >= 2 and draw.random() < 0.6:
        cancels = ["none"] if in_flight else ["none", "at_finish"] + ["at_start"] * (not token)
        fleet["hedge"] = hedge(draw, cancels)
    if draw.random() < 0.3:
        fleet["outages"] = [
            {
                "server": draw.randrange(servers),
                "start_s": draw.uniform(0, 5),
                "duration_s": draw.uniform(0.1, 3),
                "slowdown": None if draw.random() < 0.6 or in_flight else 3.0,
            }
        ]
    if draw.random() < 0.3:
        fleet["random_outages"] = {"mean_up_s": 3, "mean_down_s": 0.5}
    for limit, values in (("max_outstanding", [1, 5, 20]), ("max_server_outstanding", [1, 3, 10])):
        if draw.random() < 0.2:
            fleet[limit] = draw.choice(values)
    rate = draw.uniform(0.2, 1.1) * servers * (12 if token else 30) / parts
    arrivals: list[dict[str, Any]] = [{"kind": "poisson", "rate_per_s": rate}] * 3
    arrivals += [{"kind": "closed_loop", "concurrency": draw.randint(1, 20)}, {"kind": "burst"}]
    scenario: dict[str, Any] = {
        "workload": {
            "arrivals": draw.choice(arrivals),
            "num_requests": draw.choice([50, 300]),
            "priority_levels": draw.choice([1, 2]),
        },
        "fleet": fleet,
        "seed": seed,
        "record": draw.choice(["requests", "steps"]),
    }
    if token:
        scenario["engine"] = {
            "num_gpu_blocks": draw.choice([60, 200]),
            "max_model_len": 800,
            "max_num_seqs": 16,
            "async_scheduling": in_flight,
            "enable_prefix_caching": draw.random() < 0.5,
            "frontend_ms": draw.choice([0, 0, 3]),
        }
        scenario["step_time"] = {"kind": "affine"}
        scenario["workload"]["lengths"] = {
            "kind": "lognormal",
            "prompt_mean_tokens": 100,
            "output_mean_tokens": 30,
            "prompt_max_tokens": 400,
            "output_max_tokens": 300,
        }
        if not in_flight and draw.random() < 0.5:
            scenario["engine"] |= memory(draw)
            scenario |= {"model": "llama-3-8b", "gpu": "a100-80"}
            if "kv_allocator" in scenario["engine"]:
                scenario["engine"]["enable_prefix_caching"] = False
    return scenario
