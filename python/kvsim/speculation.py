"""Closed forms of speculative decoding (Leviathan et al., 2023), computed by the engine.

`acceptance` is the probability that a drafted token is accepted if all before it were, `drafts` how
many are drafted a pass, `draft_cost` the time of one draft step over that of a pass of the target.
The speed-up is that of one sequence whose pass takes the same time however many tokens it verifies;
`kvsim.simulate` says what is left of it in a batch (docs/speculation.md).

Examples
--------
>>> from kvsim import speculation
>>> speculation.speedup([0.9, 0.7, 0.5], drafts=5, draft_cost=0.05).round(3)
array([3.748, 2.353, 1.575])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kvsim import _native
from kvsim._each import Floats
from kvsim._each import each as _each

__all__ = ["best_drafts", "speedup", "tokens_per_pass", "tokens_per_pass_by_position"]


def tokens_per_pass(acceptance: Floats, drafts: int) -> Any:
    """Return the mean number of tokens that a pass makes, (1 - a^(g + 1)) / (1 - a).

    Examples
    --------
    >>> round(tokens_per_pass(0.8, 7), 3)
    4.161
    """
    return _each(_native.speculation_tokens_per_pass, acceptance, drafts)


def tokens_per_pass_by_position(acceptance: Sequence[float]) -> float:
    """Return the same where each place has a probability of its own, 1 + a1 + a1 a2 + ...

    Examples
    --------
    >>> round(tokens_per_pass_by_position([0.8, 0.5]), 3)
    2.2
    """
    return _native.speculation_tokens_per_pass_by_position([float(a) for a in acceptance])


def speedup(acceptance: Floats, drafts: int, draft_cost: Floats) -> Any:
    """Return the speed-up over one token a pass, (1 - a^(g + 1)) / ((1 - a) (g c + 1)).

    Examples
    --------
    >>> round(speedup(0.75, 7, 0.02), 2)
    3.16
    """
    return _each(_native.speculation_speedup, acceptance, drafts, draft_cost)


def best_drafts(acceptance: float, draft_cost: float, most: int = 32) -> int:
    """Return the number of drafts a pass, 0 up to `most`, with the greatest speed-up.

    Examples
    --------
    >>> best_drafts(0.8, 0.05), best_drafts(0.1, 0.2)
    (8, 0)
    """
    return _native.speculation_best_drafts(acceptance, draft_cost, most)
