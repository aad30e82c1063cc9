"""Simulated speculative decoding against Leviathan et al.'s closed forms, and under load."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from kvsim import speculation
from kvsim._simulate import simulate
from kvsim._sweep import sweep
from kvsim.validate.checks import Check, Report, checked_seeds, interval

JOINT_CONFIDENCE = 0.99
WIDEST = 0.02  # half-width of an interval, relative to the reference
RUNS = 32
STEP_MS = 10.0
# Table 4 of Leviathan et al. (2023), T5-XXL at batch 1: drafts, acceptance, cost of a draft.
TABLE_4 = (
    ("EnDe T=0", 7, 0.75, 0.02), ("EnDe T=0", 7, 0.80, 0.04), ("EnDe T=0", 7, 0.82, 0.11),
    ("EnDe T=1", 7, 0.62, 0.02), ("EnDe T=1", 5, 0.68, 0.04), ("EnDe T=1", 3, 0.71, 0.11),
    ("CNNDM T=0", 5, 0.65, 0.02), ("CNNDM T=0", 5, 0.73, 0.04), ("CNNDM T=0", 3, 0.74, 0.11),
    ("CNNDM T=1", 5, 0.53, 0.02), ("CNNDM T=1", 3, 0.55, 0.04), ("CNNDM T=1", 3, 0.56, 0.11),
)  # fmt: skip


def check_speculation(
    seeds: Iterable[int] = range(10),
    *,
    outputs: int = 40_000,
    alpha_error: float = 0.0,
    cost_error: float = 0.0,
    load: bool = True,
) -> Report:
    """Compare tokens a pass and speed-up with closed forms, and check what load and memory do.

    Every row of table 4 and seed is 32 runs of one long output. Their mean has an interval at a
    confidence of 99 % for all checks together (Bonferroni); the closed form has to lie in it, and
    its half-width has to be at most 2 % of it.

    Parameters
    ----------
    seeds : iterable of int
        Each is a whole set of runs.
    outputs : int
        Tokens of each run; few make wide intervals, which fail.
    alpha_error, cost_error : float
        What the engine's acceptance and cost of a draft are off the printed values: an engine that
        is wrong by so much has to be noticed.
    load : bool
        Whether to check gain against load and memory pressure too.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError
        If there is no seed.
    """
    all_seeds = checked_seeds(seeds)
    confidence = 1 - (1 - JOINT_CONFIDENCE) / (2 * len(TABLE_4) * len(all_seeds))
    checks: list[Check] = []
    for seed in all_seeds:
        for name, drafts, alpha, cost in TABLE_4:
            table = sweep(
                lone_request(drafts, alpha + alpha_error, cost + cost_error, outputs),
                {"seed": range(1000 * seed, 1000 * seed + RUNS)},
            )
            label = f"{name}, g {drafts}, a {alpha}, c {cost}, seed {seed}"
            made = speculation.tokens_per_pass(alpha, drafts)
            gain = speculation.speedup(alpha, drafts, cost)
            checks += [
                _check(
                    f"tokens a pass, {label}", table["mean_acceptance_length"], made, confidence
                ),
                _check(f"speed-up, {label}", STEP_MS / table["mean_tpot_ms"], gain, confidence),
            ]  # fmt: skip
    if load:
        checks += [*_under_load(), *_under_pressure()]
    return Report("Speculative decoding against closed forms", tuple(checks))


def lone_request(drafts: int, alpha: float, cost: float, outputs: int) -> dict[str, Any]:
    """Return one request at batch 1 whose steps last 10 ms and whose drafts cost `cost` of that."""
    return {
        "engine": {
            "num_gpu_blocks": 2 + (outputs + 100) // 16, "max_model_len": outputs + 64,
            "enable_prefix_caching": False, "spec_method": "draft_model",
            "num_spec_tokens": drafts,
            "spec_acceptance": {"kind": "constant", "alpha": alpha},
            "spec_draft": {"step_time": _constant(cost * STEP_MS)},
        },
        "step_time": _constant(STEP_MS),
        "workload": {
            "num_requests": 1,
            "lengths": {"kind": "fixed", "prompt_tokens": 1, "output_tokens": outputs},
        },
        "record_waterfall": False,
    }  # fmt: skip


def _constant(ms: float) -> dict[str, Any]:
    return {"kind": "affine", "a_ns": ms * 1e6, "b_ns_per_token": 0, "c_ns_per_context_token": 0}


def _check(name: str, values: Any, reference: float, confidence: float) -> Check:
    mean, half = interval(np.asarray(values, dtype=np.float64), confidence)
    inside = abs(mean - reference) <= half <= WIDEST * reference
    return Check(name, mean, reference, half, "inside, +- 2 %", inside)


# ---- gain against load


def _under_load() -> list[Check]:
    base = loaded()
    rows = speculation.gain(base, alphas=(0.4, 0.8), batches=(1, 8, 32, 128, 256))
    checks = []
    for alpha in (0.4, 0.8):
        mine = [row for row in rows if row["alpha"] == alpha]
        one, most = mine[0], mine[-1]
        # A pass over five tokens takes hardly longer than one over one: memory binds both.
        cost = one["draft_ms_per_pass"] / (one["drafts"] * one["plain_step_ms"])
        closed = speculation.speedup(alpha, one["drafts"], cost)
        name = f"Llama-3-70B, TP 4, drafts by Llama-3.2-1B, a {alpha}"
        checks += [
            Check(f"{name}: speed-up at batch 1", one["gain"], closed, 0.1 * closed,
                  "closed form, +- 10 %", abs(one["gain"] - closed) <= 0.1 * closed),
            Check(f"{name}: largest rise of the gain with the batch",
                  max(b["gain"] - a["gain"] for a, b in itertools.pairwise(mine)), 0.0,
                  0.03, "at most .03", all(b["gain"] <= a["gain"] + 0.03
                                           for a, b in itertools.pairwise(mine))),
        ]  # fmt: skip
        if alpha == 0.4:
            checks.append(Check(f"{name}: gain at batch {most['batch']}", most["gain"], 1.0, 0.0,
                                "below 1", most["gain"] < 1))  # fmt: skip
    return checks


def loaded() -> dict[str, Any]:
    """Return the scenario of the gain against load: Llama-3-70B in FP8 on four H100."""
    return {
        "model": "llama-3-70b", "gpu": "h100-sxm", "tensor_parallel_size": 4,
        "weight_dtype": "fp8",
        "engine": {
            "enable_prefix_caching": False, "max_model_len": 4096, "max_num_seqs": 256,
            "spec_method": "draft_model", "num_spec_tokens": 4,
            "spec_draft": {"model": "llama-3.2-1b", "weight_dtype": "fp8"},
        },
        "workload": {
            "num_requests": 1,
            "lengths": {"kind": "fixed", "prompt_tokens": 512, "output_tokens": 256},
        },
    }  # fmt: skip


# ---- memory pressure


def _under_pressure() -> list[Check]:
    def run(drafts: int) -> Any:
        engine: dict[str, Any] = {
            "num_gpu_blocks": 65, "max_num_seqs": 32, "max_model_len": 512,
            "enable_prefix_caching": False,
        }  # fmt: skip
        if drafts:
            engine |= {
                "spec_method": "draft_model", "num_spec_tokens": drafts,
                "spec_acceptance": {"kind": "constant", "alpha": 0.3},
                "spec_draft": {"step_time": _constant(0.1)},
            }  # fmt: skip
        return simulate(
            {
                "engine": engine,
                "step_time": _constant(STEP_MS),
                "workload": {
                    "arrivals": {"kind": "burst"},
                    "num_requests": 200,
                    "lengths": {"kind": "fixed", "prompt_tokens": 32, "output_tokens": 128},
                },
            }
        )

    with_, without = run(8), run(0)
    s, parts = with_.summary, with_.waterfall("e2e").parts_ms
    lost = parts["preempted"] + parts["redo"]
    gap = abs(with_.waterfall("e2e").total_ms - s["mean_e2el_ms"])
    return [
        Check("pool of 64 blocks, 8 drafts: preemptions", s["preemptions"],
              without.summary["preemptions"], 0.0, "more than without drafts",
              s["preemptions"] > without.summary["preemptions"]),
        Check("of these, for want of blocks for drafts and slots ahead",
              s["speculative_preemptions"], 0.0, 0.0, "above 0", s["speculative_preemptions"] > 0),
        Check("time a request loses by preemptions (ms)", lost, 0.0, 0.0, "above 0, in its E2E",
              lost > 0 and gap < 1e-6),
    ]  # fmt: skip
