"""Every error that the packaged measurements give, and the residuals that error bands are from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvsim.validate.operators import OperatorScore, operator_table, score_operators
from kvsim.validate.requests import OPEN_META, OPEN_REQUESTS, RequestScore, score_requests
from kvsim.validate.rows import MEASURED, METRICS, SEEDS, StepTimeScore, score_rows

EXPERT_REQUESTS = MEASURED / "rtx-pro-6000_qwen3-30b-a3b_requests.csv"
EXPERT_META = MEASURED / "rtx-pro-6000_qwen3-30b-a3b_meta.json"
RUNS = "closed-loop runs of Llama-70B FP8, 2, 4 and 8 H100"
# Step times that the 45 runs are simulated with, by the class of residuals that they give.
FORMS: Mapping[str, Mapping[str, Any]] = {
    "table": {"kind": "kernels", "tables": "measured"},
    "fitted": {"kind": "kernels", "tables": "fitted"},
    "roofline": {"kind": "roofline"},
}
REQUESTS = {
    "spec_sheet": ("Llama-3.1-8B on one RTX PRO 6000", OPEN_REQUESTS, OPEN_META),
    "experts": ("Qwen3-30B-A3B on two RTX PRO 6000", EXPERT_REQUESTS, EXPERT_META),
}
BAND = (0.05, 0.95)


@dataclass(frozen=True)
class PackagedScore:
    """Scores of all packaged measurements.

    Attributes
    ----------
    runs : mapping of StepTimeScore
        The 45 closed-loop runs, by what the step times rest on: table, fitted, roofline.
    requests : mapping of RequestScore
        Runs that were measured request by request: spec_sheet, experts.
    operators : list of OperatorScore
        The fitted formulas against measured operators.
    """

    runs: Mapping[str, StepTimeScore]
    requests: Mapping[str, RequestScore]
    operators: list[OperatorScore]

    def bands(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Return the 5th and 95th percentile of measured / simulated - 1, by class and metric."""
        scored: dict[str, StepTimeScore | RequestScore] = {**self.runs}
        out = {}
        for name, score in scored.items():
            assert isinstance(score, StepTimeScore)
            out[name] = {m: band(r) for m, r in score.residuals().items()}
        for name, by_request in self.requests.items():
            out[name] = {m: band(by_request.residuals[m]) for m in METRICS}
        return {c: {m.removesuffix("_ms"): b for m, b in bs.items()} for c, bs in out.items()}

    def table(self) -> str:
        """Return everything as text."""
        parts = [self.runs["table"].table()]
        lines = [f"{'MAPE (%)':<44}{'TTFT':>8}{'TPOT':>8}{'E2E':>8}"]
        for name, score in self.runs.items():
            text = f"{len(score.rows)} closed-loop runs, {name}"
            lines.append(f"{text:<44}" + "".join(f"{score.mape[m]:>8.2f}" for m in METRICS))
        for name, by_request in self.requests.items():
            text = f"{by_request.num_requests} requests, {REQUESTS[name][0]}"
            lines.append(f"{text:<44}" + "".join(f"{by_request.mape[m]:>8.2f}" for m in METRICS))
        parts.append("\n".join(lines))
        for name, by_request in self.requests.items():
            parts.append(f"{REQUESTS[name][0]}, request by request\n{by_request.table()}")
        parts.append("fitted formulas against measured operators\n" + _columns(self._operators()))
        parts.append(
            "error bands: 5th and 95th percentile of measured / simulated - 1\n"
            + _columns(self._bands())
        )
        return "\n\n".join(parts)

    def _operators(self) -> list[list[str]]:
        return operator_table(self.operators)

    def _bands(self) -> list[list[str]]:
        rows = [["class", "TTFT", "TPOT", "E2E"]]
        for name, bands in self.bands().items():
            cells = (f"{100 * low:+.1f} ... {100 * high:+.1f} %" for low, high in bands.values())
            rows.append([name, *cells])
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "runs": {name: score.to_dict() for name, score in self.runs.items()},
            "requests": {name: score.to_dict() for name, score in self.requests.items()},
            "operators": [vars(score) for score in self.operators],
            "bands": self.bands(),
        }


def score_packaged(*, seeds: Iterable[int] = SEEDS) -> PackagedScore:
    """Score every packaged measurement: closed-loop runs, single requests, operators.

    Parameters
    ----------
    seeds : iterable of int
        Each closed-loop run is simulated once for each.

    Raises
    ------
    ConfigError
        If there is no seed.

    Examples
    --------
    >>> score = score_packaged(seeds=[0])
    >>> sorted(score.bands())
    ['experts', 'fitted', 'roofline', 'spec_sheet', 'table']
    """
    chosen = list(seeds)
    return PackagedScore(
        runs={
            name: score_rows(seeds=chosen, step_time=form, explain=name == "table")
            for name, form in FORMS.items()
        },
        requests={
            name: score_requests(requests, meta) for name, (_, requests, meta) in REQUESTS.items()
        },
        operators=score_operators(),
    )


def band(residuals: Sequence[float]) -> tuple[float, float]:
    """Return the nearest-rank quantiles that a band ends at.

    Examples
    --------
    >>> band([0.3, -0.1, 0.0, 0.1])
    (-0.1, 0.3)
    """
    ordered = sorted(residuals)
    low, high = (ordered[max(0, math.ceil(q * len(ordered)) - 1)] for q in BAND)
    return low, high


def _columns(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)
