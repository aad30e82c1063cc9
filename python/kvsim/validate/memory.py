"""KV memory against closed forms and the figures of the vLLM paper."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kvsim import memory
from kvsim._cache import prefix_hit_rates
from kvsim._concurrency import Concurrency, concurrency
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
from kvsim.catalog import model
from kvsim.datasets import Trace, load
from kvsim.validate.memory_figure import ASSUMPTIONS, FIG_2, figure_2

_PARTS = ("tokens", "reservation", "internal", "external and others")


@dataclass(frozen=True)
class MemoryRow:
    """One comparison.

    Attributes
    ----------
    what, unit : str
        The quantity.
    expected, found, tolerance : float
        Closed form or published figure, kvsim's, and how far apart they may be.
    verdict : str
        "ok"; "open" where the published conditions leave room and the figure lies within what
        other assumptions give; "off".
    note : str
        Conditions, spread over the assumptions.
    """

    what: str
    unit: str
    expected: float
    found: float
    tolerance: float
    verdict: str
    note: str = ""


@dataclass(frozen=True)
class MemoryScore:
    """What `validate_memory` found.

    Attributes
    ----------
    rows : tuple of MemoryRow
        Comparisons.
    contiguous, paged : Concurrency
        Llama-3-70B with 4-bit weights on one H100 and ShareGPT's lengths, with both allocators.
    """

    rows: tuple[MemoryRow, ...]
    contiguous: Concurrency
    paged: Concurrency

    @property
    def ok(self) -> bool:
        """Whether nothing is off."""
        return all(row.verdict != "off" for row in self.rows)

    def lines(self) -> Iterator[str]:
        """Yield the report, a line each."""
        width = max(len(row.what) for row in self.rows)
        yield f"{'':{width}}  {'expected':>10} {'kvsim':>10}  verdict"
        for row in self.rows:
            yield (
                f"{row.what:{width}}  {row.expected:10g} {row.found:10.6g}  {row.verdict:7} "
                f"{row.unit}{'; ' if row.unit and row.note else ''}{row.note}"
            )
        yield ""
        yield "Llama-3-70B, 4-bit weights, one H100, ShareGPT lengths, saturated (95 % intervals):"
        for name, found in (("contiguous, max", self.contiguous), ("paged", self.paged)):
            yield (
                f"  {name:16} {found.running:6.1f} +- {found.running_ci:.1f} requests at once, "
                f"{found.throughput:.2f} +- {found.throughput_ci:.2f} requests/s; "
                f"{found.limit} binds"
            )
        ratio = self.paged.over(self.contiguous)
        yield (
            "  paged over contiguous: {:.2f} +- {:.2f} times the requests at once, ".format(
                *ratio["running"]
            )
            + "{:.2f} +- {:.2f} times the throughput".format(*ratio["throughput"])
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "ok": self.ok,
            "rows": [asdict(row) for row in self.rows],
            "contiguous": asdict(self.contiguous),
            "paged": asdict(self.paged),
        }


def validate_memory(seeds: Sequence[int] = (0, 1, 2)) -> MemoryScore:
    """Compare KV memory with closed forms, published hit rates and the vLLM paper's figure 2.

    Parameters
    ----------
    seeds : sequence of int
        Of the simulations; two at least.

    Examples
    --------
    >>> from kvsim.validate.memory import validate_memory
    >>> validate_memory().ok  # doctest: +SKIP
    True
    """
    rows = [*_users(), *_waste(seeds), *_hit_rates(), *_figure_2(seeds)]
    contiguous, paged = compare_allocators(seeds)
    return MemoryScore(tuple(rows), contiguous, paged)


def _row(what: str, unit: str, expected: float, found: float, tolerance: float) -> MemoryRow:
    verdict = "ok" if abs(found - expected) <= tolerance else "off"
    return MemoryRow(what, unit, expected, found, tolerance, verdict)


# ---- closed forms


def _users() -> Iterator[MemoryRow]:
    """KV bytes of a token and users of Llama-3-70B, from the catalogue's shapes."""
    shape = model("llama-3-70b")
    scenario = Scenario(
        model="llama-3-70b", engine=Engine(num_gpu_blocks=1000, max_model_len=4096),
        step_time=Affine(), workload=Workload(num_requests=1),
    )  # fmt: skip
    bytes_per_token = simulate(scenario).kv_budget.kv_bytes_per_token
    yield _row(f"KV bytes a token, {shape.name}", "B", 327_680, bytes_per_token, 0)

    def users(memory_gb: float, weights_gb: float, reserve_gb: float, slots: float) -> int:
        return int(
            memory.users_that_fit(
                memory_gb * 1e9, weights_gb * 1e9, bytes_per_token, slots, reserve_gb * 1e9
            )
        )

    yield _row("users of 128 Ki tokens, 8 x 80 GB", "", 11, users(640, 141.2, 20, 131_072), 0)
    yield _row("users of 4,096 tokens, 4 x 80 GB", "", 118, users(320, 141.2, 20, 4096), 0)
    yield _row("users, 4 bits in 80 GB, contiguous", "", 33, users(80, 35.3, 0, 4096), 0)
    for mean, cut, expected in ((512.2, 512, 262), (1044.7, 1024, 132), (2570.2, 2048, 66)):
        slots = 16 * memory.mean_blocks(mean, 4096)
        yield _row(f"  paged, mean length {cut}", "", expected, users(80, 35.3, 0, slots), 0)


def _waste(seeds: Sequence[int]) -> Iterator[MemoryRow]:
    """Slots of the last block that stay empty, for lengths min(Exp(mean), 4096)."""
    for mean in (512.2, 1044.7, 2570.2):
        expected = 100 * memory.paged_internal_waste(mean, 4096)
        found = 100 * statistics.fmean(simulated_waste(mean, seed) for seed in seeds)
        yield _row(f"paged internal waste, mean {mean}", "%", round(expected, 3), found, 0.05)


def simulated_waste(mean: float, seed: int, num_requests: int = 20_000) -> float:
    """Return the share of slots without a token in the blocks of requests at full length.

    Every request is there for one step of equal length, with its whole length as prompt, so the
    time mean of its blocks is the mean over requests.
    """
    lengths = np.minimum(np.random.default_rng(seed).exponential(mean, num_requests), 4096)
    scenario = Scenario(
        engine=Engine(
            num_gpu_blocks=(1 << 20) + 1, max_model_len=8192, max_num_seqs=1,
            enable_prefix_caching=False,
        ),
        step_time=Affine(a_ns=1e6, b_ns_per_token=0, c_ns_per_context_token=0),
        workload=Workload(
            arrivals=Burst(),
            lengths=Trace(
                prompt_tokens=np.maximum(np.ceil(lengths), 1).astype(np.int32),
                output_tokens=np.full(num_requests, 1), name="exponential",
            ),
        ),
    )  # fmt: skip
    totals = simulate(scenario).totals
    blocks = totals["used_block_integral"] / totals["running_integral"]
    return float(1 - lengths.mean() / (16 * blocks))


# ---- published figures


def _hit_rates() -> Iterator[MemoryRow]:
    for name, published in (("mooncake-conversation", 36.6), ("mooncake-synthetic", 64.0)):
        found = 100 * prefix_hit_rates(name, [1 << 20], ["lru"]).unlimited
        yield _row(f"blocks hit without limit, {name}", "%", published, found, 0.05)


def _figure_2(seeds: Sequence[int]) -> Iterator[MemoryRow]:
    for system, published in FIG_2.items():
        found = [
            [
                statistics.fmean(part)
                for part in zip(*(figure_2(system, s, lengths) for s in seeds), strict=True)
            ]
            for lengths in ASSUMPTIONS.values()
        ]
        for i, expected in enumerate(published):
            shares = [by_part[i] for by_part in found]
            row = _row(f"{system}: {_PARTS[i]}", "%", expected, shares[0], 3)
            low, high = min(shares), max(shares)
            note = f"{low:.1f} to {high:.1f} over {len(shares)} laws of lengths"
            verdict = row.verdict
            if verdict == "off" and low - 3 <= expected <= high + 3:
                verdict = "open"
            yield MemoryRow(row.what, row.unit, expected, shares[0], 3, verdict, note)


def compare_allocators(seeds: Sequence[int]) -> tuple[Concurrency, Concurrency]:
    """Return users of Llama-3-70B, 4-bit weights, on one H100: contiguous `max`, and paged.

    ShareGPT's measured lengths, drawn with replacement, cut to 4,096 tokens by `max_model_len`.
    """
    lengths = load("sharegpt-300")
    base = Scenario(
        model="llama-3-70b", gpu="h100-sxm", weight_dtype="int4",
        engine=Engine(
            max_model_len=4096, max_num_seqs=1024, enable_prefix_caching=False,
            gpu_memory_utilization=0.95, max_num_batched_tokens=2048,
        ),
        step_time={"kind": "roofline"},
        workload=Workload(
            arrivals=Burst(), lengths={"kind": "dataset", "name": lengths.name,
                                       "order": "resample"}, num_requests=3000,
        ),
    )  # fmt: skip

    def found(allocator: ContiguousAllocator | PagedAllocator) -> Concurrency:
        scenario = base.replace({"engine.kv_allocator": allocator})
        return concurrency(scenario, num_requests=3000, seeds=seeds)

    return found(ContiguousAllocator(reservation="max")), found(PagedAllocator())
