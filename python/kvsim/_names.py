"""Suggestions for names that are not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the ending of an error message that lists what was probably meant.

    Examples
    --------
    >>> nearest("lama-3-8b", ["llama-3-8b", "opt-13b"])
    "; did you mean 'llama-3-8b'? Known: 'llama-3-8b', 'opt-13b'"
    >>> nearest("opt", ["llama-3-8b", "opt-13b"])
    "; did you mean 'opt-13b'? Known: 'llama-3-8b', 'opt-13b'"
    """
    names = list(known)
    lowered = {n.lower(): n for n in names}
    wanted = name.lower()
    found = difflib.get_close_matches(wanted, lowered, n=3, cutoff=0.6)
    if not found and len(wanted) >= 3:
        found = [n for n in lowered if wanted in n][:3]
    close = [lowered[n] for n in found]
    guess = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
    return f"{guess} Known: {', '.join(map(repr, names))}"
