"""Where a latency curve bends."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kvsim import _native

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Knee:
    """The lowest load whose P99 latency is five times its low-load value.

    Attributes
    ----------
    offered_per_s, achieved_per_s : float
        Arrivals and completions per second there, interpolated between two points.
    latency_ms, low_load_ms : float
        The latency there and at the lowest load, of which it is five times.
    load : float or None
        `offered_per_s` as a share of the capacity, if that is known.
    """

    offered_per_s: float
    achieved_per_s: float
    latency_ms: float
    low_load_ms: float
    load: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return dataclasses.asdict(self)


def find_knee(
    offered_per_s: Floats, achieved_per_s: Floats, latency_ms: Floats, capacity_per_s: float | None
) -> Knee | None:
    """Return the knee of a curve, None if the latency stays below five times its first value.

    Between two points, the reciprocal of the latency is taken as linear in the offered rate, which
    an M/M/1 queue's is (its P99 is ln(100) / (mu - lambda)); there the knee is .8 of capacity.

    Examples
    --------
    >>> load = np.array([0.001, 0.3, 0.6, 0.9])
    >>> round(find_knee(load, load, np.log(100) / (1 - load), 1.0).load, 3)
    0.8
    """
    found = _native.find_knee(offered_per_s.tolist(), achieved_per_s.tolist(), latency_ms.tolist())
    if found is None:
        return None
    offered, achieved, latency, low = found
    return Knee(
        offered, achieved, latency, low, offered / capacity_per_s if capacity_per_s else None
    )
