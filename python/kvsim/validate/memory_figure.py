"""Figure 2 of the vLLM paper: where the KV memory goes with four systems."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kvsim._fields import (
    Affine,
    Burst,
    ContiguousAllocator,
    Engine,
    PagedAllocator,
    Scenario,
    Workload,
)
from kvsim._simulate import simulate
from kvsim.datasets import Trace

# Kwon et al., Efficient memory management for LLM serving with PagedAttention (SOSP 2023), Fig. 2:
# tokens, reservation, internal, external and others, in per cent of the KV memory.
FIG_2: dict[str, tuple[float, ...]] = {
    "Orca (Max)": (20.4, 13.3, 57.3, 8.9),
    "Orca (Pow2)": (26.8, 17.9, 13.6, 41.6),
    "Orca (Oracle)": (38.2, 25.2, 0.0, 36.6),
    "vLLM": (96.3,),
}
ALLOCATORS: dict[str, ContiguousAllocator | PagedAllocator] = {
    "Orca (Max)": ContiguousAllocator(reservation="max"),
    "Orca (Pow2)": ContiguousAllocator(reservation="pow2"),
    "Orca (Oracle)": ContiguousAllocator(reservation="oracle"),
    "vLLM": PagedAllocator(),
}
_SLOTS = 15_700  # the paper's table 1: OPT-13B on an A100 with 40 GB
_MAX_TOKENS = 2048
_MEANS = (161.3, 338.0)  # ShareGPT's prompts and outputs in the paper's figure 11


class Lengths(NamedTuple):
    """How lengths vary, which the paper does not say.

    Attributes
    ----------
    prompt_cv2, output_cv2 : float
        Squared coefficients of variation of the laws.
    law : {"gamma", "lognormal"}
        Which law both follow.
    dropped : bool
        Requests that do not fit are left out and the means are those of the others; else they are
        cut to 2,048 tokens.
    """

    prompt_cv2: float
    output_cv2: float
    law: str = "gamma"
    dropped: bool = True


BASE = Lengths(1.0, 0.83)
"""What vLLM's own benchmark does with ShareGPT's requests (`is_valid_sequence`): it leaves out
prompts and outputs below 4 tokens, prompts above 1,024 and what is longer than 2,048 together. The
outputs' spread is the one with which Orca (Max) has its published shares: they depend on lengths
alone, so the other rows are predictions."""

ASSUMPTIONS: dict[str, Lengths] = {
    "prompts 1, outputs .83": BASE,
    "prompts 2, outputs .83": BASE._replace(prompt_cv2=2.0),
    "prompts 4, outputs .83": BASE._replace(prompt_cv2=4.0),
    "prompts 1, outputs .7": BASE._replace(output_cv2=0.7),
    "prompts 1, outputs 1": BASE._replace(output_cv2=1.0),
    "log-normal, prompts 1, outputs 1.1": Lengths(1.0, 1.1, law="lognormal"),
    "cut, not left out; prompts 1, outputs .75": Lengths(1.0, 0.75, dropped=False),
}


def figure_2(
    system: str, seed: int, lengths: Lengths = BASE, num_requests: int = 8000
) -> tuple[float, ...]:
    """Return the shares of the paper's figure 2 in per cent: tokens, reservation, internal, rest.

    OPT-13B's 15,700 slots on an A100 with 40 GB, requests to 2,048 tokens that always wait, with
    ShareGPT's mean lengths. Rounding to buddies counts as external, as in the figure, whose oracle
    has no internal waste.

    Parameters
    ----------
    system : str
        "Orca (Max)", "Orca (Pow2)", "Orca (Oracle)" or "vLLM".
    seed, num_requests : int
        Of the lengths.
    lengths : Lengths
        Their laws.

    Examples
    --------
    >>> [round(share) for share in figure_2("Orca (Max)", 0)]
    [20, 13, 58, 9]
    """
    prompts, outputs = draw(lengths, seed, num_requests)
    scenario = Scenario(
        engine=Engine(
            num_gpu_blocks=_SLOTS // 16 + 1, max_model_len=_MAX_TOKENS,
            enable_prefix_caching=False, kv_allocator=ALLOCATORS[system],
        ),
        step_time=Affine(),
        workload=Workload(
            arrivals=Burst(),
            lengths=Trace(
                prompt_tokens=prompts, output_tokens=outputs, name="ShareGPT's means"
            ),
        ),
        record="summary",
        record_memory="classes",
    )  # fmt: skip
    s = simulate(scenario).summary
    share = {k: 100 * s[f"mean_{k}_slots"] for k in ("token", "reserved", "internal")}
    return (*share.values(), 100 - sum(share.values()))


def draw(lengths: Lengths, seed: int, n: int) -> tuple[npt.NDArray[np.int32], ...]:
    """Return prompt and output lengths of n requests."""
    rng = np.random.default_rng(seed)
    if not lengths.dropped:
        prompts, outputs = _raw(lengths, _MEANS, rng, n)
        prompts = np.clip(prompts, 1, _MAX_TOKENS - 1)
        outputs = np.clip(outputs, 1, _MAX_TOKENS - prompts)
    else:
        prompts, outputs = _kept(*_raw(lengths, _means_before(lengths), rng, 2 * n))
    return prompts[:n].astype(np.int32), outputs[:n].astype(np.int32)


def _raw(
    lengths: Lengths, means: tuple[float, ...], rng: np.random.Generator, n: int
) -> tuple[npt.NDArray[np.float64], ...]:
    def one(mean: float, cv2: float) -> npt.NDArray[np.float64]:
        if lengths.law == "gamma":
            return np.ceil(rng.gamma(1 / cv2, mean * cv2, n))
        sigma2 = np.log(1 + cv2)
        return np.ceil(rng.lognormal(np.log(mean) - sigma2 / 2, np.sqrt(sigma2), n))

    return one(means[0], lengths.prompt_cv2), one(means[1], lengths.output_cv2)


def _kept(
    prompts: npt.NDArray[np.float64], outputs: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], ...]:
    kept = (prompts >= 4) & (outputs >= 4) & (prompts <= 1024)
    kept &= prompts + outputs <= _MAX_TOKENS
    return prompts[kept], outputs[kept]


@cache
def _means_before(lengths: Lengths) -> tuple[float, ...]:
    """Return the means of the laws with which those left in have the published ones."""
    means: tuple[float, ...] = _MEANS
    for _ in range(12):
        left = _kept(*_raw(lengths, means, np.random.default_rng(0), 50_000))
        means = tuple(
            mean * wanted / float(found.mean())
            for mean, wanted, found in zip(means, _MEANS, left, strict=True)
        )  # fmt: skip
    return means
