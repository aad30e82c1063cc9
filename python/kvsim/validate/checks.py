"""What the checks against theory share: one line a check, a table, intervals over replications."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from kvsim._sweep import sweep
from kvsim._sweep_result import SweepResult
from kvsim.errors import ConfigError


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes
    ----------
    name : str
        What is compared.
    simulated, reference : float
        The simulation's figure and what it should be.
    half_width : float
        Half the interval of the simulation's figure; 0 where the comparison is exact.
    allowed : str
        The rule in words.
    ok : bool
        Whether it holds.
    """

    name: str
    simulated: float
    reference: float
    half_width: float
    allowed: str
    ok: bool


@dataclass(frozen=True)
class Report:
    """Checks in order; `ok` if all hold."""

    title: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(c.ok for c in self.checks)

    def table(self) -> str:
        """Return a text table, one line a check."""
        width = max(len(c.name) for c in self.checks)
        lines = [
            self.title,
            f"{'':<{width}}  {'simulated':>12} {'+-':>9} {'reference':>12}  rule",
        ]
        for c in self.checks:
            half = f"{c.half_width:9.3g}" if c.half_width else f"{'':>9}"
            lines.append(
                f"{c.name:<{width}}  {c.simulated:12.6g} {half} {c.reference:12.6g}  "
                f"{c.allowed}: {'ok' if c.ok else 'FAILS'}"
            )
        failed = sum(not c.ok for c in self.checks)
        lines.append(f"{len(self.checks)} checks, {failed} fail")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "title": self.title,
            "ok": self.ok,
            "checks": [dict(c.__dict__) for c in self.checks],
        }


def checked_seeds(seeds: Iterable[int]) -> list[int]:
    """Return the seeds of a validation.

    Raises
    ------
    ConfigError
        If there is none.
    """
    listed = list(seeds)
    if not listed:
        raise ConfigError("seeds: got none; allowed: at least one")
    return listed


def student_quantile(p: float, freedom: int) -> float:
    """Return a quantile of Student's t, to four digits from 10 degrees of freedom on.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.

    Examples
    --------
    >>> round(student_quantile(0.975, 30), 3)
    2.042
    """
    z = NormalDist().inv_cdf(p)
    z2, v = z * z, float(freedom)
    terms = (
        (z2 + 1) / 4,
        ((5 * z2 + 16) * z2 + 3) / 96,
        (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
        ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160,
    )
    return z * (1 + sum(t / v ** (i + 1) for i, t in enumerate(terms)))


def interval(values: Sequence[float] | np.ndarray, confidence: float) -> tuple[float, float]:
    """Return mean and half-width of a two-sided interval of independent replications.

    Examples
    --------
    >>> mean, half = interval([1.0, 2.0, 3.0, 4.0] * 4, 0.95)
    >>> round(mean, 2), round(half, 2)
    (2.5, 0.62)
    """
    array = np.asarray(values, dtype=float)
    quantile = student_quantile(0.5 + confidence / 2, len(array) - 1)
    return float(array.mean()), quantile * float(array.std(ddof=1)) / math.sqrt(len(array))


def one_shot(
    rate_per_s: float,
    num_requests: int,
    server: Mapping[str, Any],
    **fleet: Any,
) -> dict[str, Any]:
    """Return a scenario of one-shot servers with Poisson arrivals, summaries only."""
    return {
        "workload": {
            "arrivals": {"kind": "poisson", "rate_per_s": rate_per_s},
            "num_requests": num_requests,
        },
        "fleet": {"server": {"kind": "one_shot", **server}, **fleet},
        "record": "summary",
        "record_waterfall": False,
    }


def replications(scenario: Mapping[str, Any], seeds: Sequence[int]) -> SweepResult:
    """Run a scenario once for each seed."""
    return sweep(scenario, {"seed": list(seeds)})
