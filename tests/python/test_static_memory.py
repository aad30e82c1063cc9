"""The memory's classes and picture with request-level batches, against their definition."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvsim
from kvsim import plots
from kvsim._memory_map import CLASSES
from kvsim.plots.style import figure_of

mpl.use("Agg")
BLOCKS = 60
TOKENS, RESERVED, INTERNAL, ROUNDING = (
    CLASSES.index(name) for name in ("tokens", "reserved", "internal", "rounding")
)


def scenario(lengths: list[tuple[int, int]], gap_ms: float, **engine: Any) -> kvsim.Scenario:
    """Requests one after the other into a memory of 960 slots."""
    return kvsim.Scenario(
        engine=kvsim.Engine(
            num_gpu_blocks=BLOCKS + 1, max_model_len=400, enable_prefix_caching=False,
            batching=kvsim.StaticBatching(window_ms=engine.pop("window_ms", 0)), **engine,
        ),
        step_time=kvsim.Affine(),
        workload=kvsim.Workload(
            arrivals=kvsim.Deterministic(rate_per_s=1e3 / gap_ms),
            lengths=kvsim.Trace(
                prompt_tokens=[p for p, _ in lengths], output_tokens=[o for _, o in lengths]
            ),
        ),
        record="steps",
        record_memory="heatmap",
    )  # fmt: skip


def computed(batch: list[tuple[int, int]], budget: int) -> Iterator[list[int]]:
    """Yield what each member has computed by the end of each of the batch's steps."""
    done = [0] * len(batch)
    while any(d < p for d, (p, _) in zip(done, batch, strict=True)):
        left = budget
        for i, (prompt, _) in enumerate(batch):
            n = min(left, prompt - done[i])
            done[i] += n
            left -= n
        yield list(done)
    for made in range(1, max(outputs for _, outputs in batch)):
        yield [prompt + min(made, outputs - 1) for prompt, outputs in batch]


class Pages:
    """Blocks of 16 slots, taken from the top of a stack and put back on it."""

    def __init__(self) -> None:
        """Block 1 lies on top."""
        self.free = list(range(BLOCKS, 0, -1))
        self.tables: dict[int, list[int]] = {}

    def admit(self, r: int, prompt: int, outputs: int) -> None:
        """Take the blocks of all that the request will compute."""
        blocks = -(-(prompt + outputs - 1) // 16)
        self.tables[r] = [self.free.pop() for _ in range(blocks)]

    def leave(self, r: int) -> None:
        """Put them back."""
        self.free += self.tables.pop(r)

    def cells(self, tokens: dict[int, int]) -> dict[int, tuple[int, int]]:
        """Return class and owner of the first slot of each block in use."""
        return {
            16 * (block - 1): (TOKENS if 16 * i < tokens[r] else RESERVED, r)
            for r, table in self.tables.items()
            for i, block in enumerate(table)
        }


class Pieces:
    """One piece a request, side by side: a batch begins with an empty memory."""

    def __init__(self, slots: Any) -> None:
        """Reserve slots(prompt, outputs)."""
        self.slots = slots
        self.pieces: dict[int, tuple[int, int, int]] = {}

    def admit(self, r: int, prompt: int, outputs: int) -> None:
        """Take the next piece."""
        at = sum(reserved for _, reserved, _ in self.pieces.values())
        self.pieces[r] = (at, self.slots(prompt, outputs), prompt + outputs - 1)

    def leave(self, r: int) -> None:
        """Give it back."""
        del self.pieces[r]

    def cells(self, tokens: dict[int, int]) -> dict[int, tuple[int, int]]:
        """Return class and owner of each slot in use."""
        found = {}
        for r, (at, reserved, needed) in self.pieces.items():
            for i in range(reserved):
                what = TOKENS if i < tokens[r] else RESERVED if i < needed else INTERNAL
                found[at + i] = (what, r)
        return found


def check_cells(result: kvsim.Result, lengths: list[tuple[int, int]], memory: Any) -> None:
    """Play the batches that the result's requests were in, and compare each cell."""
    found, steps, starts = result.memory_map, result.steps, result.requests["scheduled_ns"]
    idle = CLASSES.index("free"), CLASSES.index("external")
    for start in np.unique(starts):
        batch = np.flatnonzero(starts == start).tolist()
        for r in batch:
            memory.admit(r, *lengths[r])
        first = int(np.searchsorted(steps["t_ns"], start))
        budget = result.scenario.engine.max_num_batched_tokens
        for step, done in enumerate(computed([lengths[r] for r in batch], budget), first):
            cells = memory.cells(dict(zip(batch, done, strict=True)))
            at = (found.t_ns >= steps["t_ns"][step]) & (found.t_ns < steps["end_ns"][step])
            for column in np.flatnonzero(at):
                unheld = idle[int(found.slots["external"][column] > 0)]
                expected = [cells.get(int(slot), (unheld, -1)) for slot in found.row_slot]
                assert found.slot_class[:, column].tolist() == [what for what, _ in expected]
                assert found.owner[:, column].tolist() == [owner for _, owner in expected]
                assert found.slots["tokens"][column] == sum(done)
        for r in batch:
            memory.leave(r)


def check_sums(result: kvsim.Result) -> None:
    found = result.memory_map
    assert (np.sum(list(found.slots.values()), axis=0) == 16 * BLOCKS).all()
    shares = [
        v for k, v in result.summary.items() if k.startswith("mean_") and k.endswith("_slots")
    ]
    assert len(shares) == 7
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    # Nobody is there before the first batch and between two of them.
    idle = (found.t_ns[:, None] >= result.steps["t_ns"]) & (
        found.t_ns[:, None] < result.steps["end_ns"]
    )
    assert (found.owner[:, ~idle.any(axis=1)] == -1).all()


requests = st.lists(st.tuples(st.integers(1, 150), st.integers(1, 120)), min_size=1, max_size=14)
engines = st.fixed_dictionaries(
    {"window_ms": st.sampled_from([0.0, 40.0]), "max_num_seqs": st.integers(1, 6),
     "max_num_batched_tokens": st.sampled_from([64, 8192])}
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(requests, st.sampled_from([1.0, 30.0, 3000.0]), engines)
def test_pages(lengths: list[tuple[int, int]], gap_ms: float, engine: dict[str, Any]) -> None:
    result = kvsim.simulate(scenario(lengths, gap_ms, **engine))
    check_sums(result)
    check_cells(result, lengths, Pages())


@settings(max_examples=40, deadline=None)
@given(
    requests, st.sampled_from([1.0, 30.0, 3000.0]), engines,
    st.sampled_from(["first_fit", "best_fit"]), st.sampled_from(["max", "pow2", "oracle"]),
)  # fmt: skip
def test_pieces(
    lengths: list[tuple[int, int]], gap_ms: float, engine: dict[str, Any], placement: Any,
    reservation: Any,
) -> None:  # fmt: skip
    slots = {
        "max": lambda _prompt, _outputs: 400,
        "pow2": lambda prompt, outputs: min(prompt + (1 << (outputs - 1).bit_length()), 400),
        "oracle": lambda prompt, outputs: prompt + outputs - 1,
    }[reservation]
    allocator = kvsim.ContiguousAllocator(reservation=reservation, placement=placement)
    result = kvsim.simulate(scenario(lengths, gap_ms, kv_allocator=allocator, **engine))
    check_sums(result)
    check_cells(result, lengths, Pieces(slots))


@settings(max_examples=20, deadline=None)
@given(requests, engines, st.floats(0, 1))
def test_buddies(lengths: list[tuple[int, int]], engine: dict[str, Any], fraction: float) -> None:
    allocator = kvsim.ContiguousAllocator(reservation="fraction", fraction=fraction)
    result = kvsim.simulate(scenario(lengths, 30, kv_allocator=allocator, **engine))
    check_sums(result)
    rounding = (result.memory_map.slot_class == ROUNDING).sum()
    assert (result.memory_map.slots["rounding"].sum() > 0) >= (rounding > 0)


@pytest.mark.parametrize("allocator", ["paged", "contiguous"])
def test_the_picture_is_bounded_and_draws(allocator: str) -> None:
    lengths = [(100 + 7 * i % 50, 10 + 31 * i % 110) for i in range(400)]
    result = kvsim.simulate(scenario(lengths, 20, kv_allocator={"kind": allocator}))
    found = result.memory_map
    assert found.slot_class.shape[0] <= 512
    assert 512 <= found.slot_class.shape[1] < 1024
    check_sums(result)
    ax = plots.KVCacheHeatmap(result).plot()
    figure_of(ax).canvas.draw()
    assert ax.get_ylabel() == ("physical block" if allocator == "paged" else "token slot")
    plt.close(figure_of(ax))
