"""Functions of numbers, applied to arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.ArrayLike


def each(function: Callable[..., float], *arguments: Any) -> Any:
    """Apply a function of numbers to arrays; numbers give a float."""
    if all(np.ndim(a) == 0 for a in arguments):
        return function(*arguments)
    shaped = np.broadcast_arrays(*arguments)
    rows = zip(*(a.flat for a in shaped), strict=True)
    values = [function(*(a.item() for a in row)) for row in rows]
    return np.array(values).reshape(shaped[0].shape)
