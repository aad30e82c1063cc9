"""Closed forms of speculative decoding."""

from __future__ import annotations

import pytest

import kvsim
from kvsim import speculation

# Leviathan et al. (2023), table 4: drafts, acceptance, cost of a draft, expected speed-up as
# printed (to one digit, from unrounded values).
TABLE_4 = [
    (7, 0.75, 0.02, 3.2), (7, 0.80, 0.04, 3.3), (7, 0.82, 0.11, 2.5), (7, 0.62, 0.02, 2.3),
    (5, 0.68, 0.04, 2.4), (3, 0.71, 0.11, 2.0), (5, 0.65, 0.02, 2.4), (5, 0.73, 0.04, 2.6),
    (3, 0.74, 0.11, 2.0), (5, 0.53, 0.02, 1.9), (3, 0.55, 0.04, 1.8), (3, 0.56, 0.11, 1.6),
]  # fmt: skip


@pytest.mark.parametrize(("drafts", "acceptance", "cost", "printed"), TABLE_4)
def test_the_speedup_is_the_papers(
    drafts: int, acceptance: float, cost: float, printed: float
) -> None:
    assert speculation.speedup(acceptance, drafts, cost) == pytest.approx(printed, abs=0.11)


def test_five_drafts_of_a_model_20_times_faster() -> None:
    assert speculation.speedup([0.9, 0.7, 0.5], 5, 0.05) == pytest.approx(
        [3.75, 2.35, 1.58], abs=0.006
    )


def test_places_of_equal_acceptance_are_the_closed_form() -> None:
    for a in (0.0, 0.4, 1.0):
        assert speculation.tokens_per_pass_by_position([a] * 5) == speculation.tokens_per_pass(a, 5)


def test_bad_values_are_refused() -> None:
    with pytest.raises(kvsim.ConfigError, match=r"acceptance: got 1\.5"):
        speculation.tokens_per_pass(1.5, 3)
    with pytest.raises(kvsim.ConfigError, match="drafts: got -1"):
        speculation.tokens_per_pass(0.5, -1)
    with pytest.raises(kvsim.ConfigError, match="draft_cost"):
        speculation.speedup(0.5, 3, -0.1)
