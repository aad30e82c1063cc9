"""What the CFO's challenge is about: the baseline and the levers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Drafted tokens that are accepted: assumptions (docs/costs.md), to be replaced by your own.
ACCEPTANCE = {"ngram": 0.5, "draft_model": 0.7, "mtp": 0.75}
NGRAM_MATCH = 0.2


def scenario(rate_per_s: float = 6.0, num_requests: int = 3000) -> dict[str, Any]:
    """Return the baseline: Llama-3-70B in BF16 over eight H100, vLLM's defaults, Azure's trace.

    Examples
    --------
    >>> scenario()["tensor_parallel_size"]
    8
    """
    return {
        "model": "llama-3-70b", "gpu": "h100-sxm", "tensor_parallel_size": 8,
        "engine": {"max_model_len": 16_384},
        "workload": {
            "num_requests": num_requests,
            "lengths": {"kind": "dataset", "name": "azure-2023-conversation", "order": "resample"},
            "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s},
        },
    }  # fmt: skip


def levers(acceptance: Mapping[str, float] = ACCEPTANCE) -> dict[str, Any]:
    """Return the space of the challenge: named options, the first of each is the baseline's.

    Parameters
    ----------
    acceptance : mapping
        Probability that a draft is accepted, by method.
    """
    layouts: dict[str, Any] = {}
    for degree, servers in ((8, 1), (4, 2), (2, 4), (1, 8), (4, 1), (2, 1)):
        fleet = None
        if servers > 1:
            fleet = {"num_servers": servers, "router": {"kind": "least_outstanding"}}
        layouts[f"{servers} x TP{degree}"] = {"tensor_parallel_size": degree, "fleet": fleet}

    def drafts(method: str, k: int, **more: Any) -> dict[str, Any]:
        law = {"kind": "constant", "alpha": acceptance[method]}
        return {
            "engine.spec_method": method, "engine.num_spec_tokens": k,
            "engine.spec_acceptance": law, **more,
        }  # fmt: skip

    head = {"weight_dtype": "bf16"}
    small = {"model": "llama-3.2-1b", "weight_dtype": "fp8"}
    return {
        "layout": layouts,
        "batching": {
            "256 x 8192": {},
            "128 x 8192": {"engine.max_num_seqs": 128},
            "64 x 8192": {"engine.max_num_seqs": 64},
            "256 x 2048": {"engine.max_num_batched_tokens": 2048},
            "256 x 1024": {"engine.max_num_batched_tokens": 1024},
            "512 x 16384": {
                "engine.max_num_seqs": 512, "engine.max_num_batched_tokens": 16_384,
            },
        },
        "quantization": {
            "bf16": {},
            "fp8": {"weight_dtype": "fp8"},
            "fp8, KV fp8": {"weight_dtype": "fp8", "kv_cache_dtype": "fp8"},
        },
        "prefix caching": {"on": {}, "off": {"engine.enable_prefix_caching": False}},
        "speculation": {
            "none": {},
            "ngram 3": drafts("ngram", 3, **{"engine.spec_match_probability": NGRAM_MATCH}),
            "draft 3": drafts("draft_model", 3, **{"engine.spec_draft": small}),
            "mtp 1": drafts("mtp", 1, **{"engine.spec_draft": head}),
            "mtp 3": drafts("mtp", 3, **{"engine.spec_draft": head}),
        },
    }  # fmt: skip
