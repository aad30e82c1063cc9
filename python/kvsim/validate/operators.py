"""The engine's fitted formulas against measured operators."""

from __future__ import annotations

import base64
import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kvsim import _native
from kvsim._inputs import native_catalog

Array = npt.NDArray[np.float64]

FOLDER = Path(__file__).parents[1] / "data" / "step_time"
ATTENTION = FOLDER / "attention.csv.gz"
# GPUs whose operators the formulas are fitted to, and one that they were not.
FITTED = ("h100-sxm", "h200")
UNFITTED = "a100-80"
UNFITTED_PRODUCTS = FOLDER / "products_a100-80.csv"
GPUS = (*FITTED, UNFITTED)
# Sizes that models have, steps of the default budget: what the formulas were fitted to.
PRODUCT_SIZES = (512, 16384)
MOST_ROWS = 8192
ALL_REDUCE_BYTES = (4096, 2**29)
NAMES = {
    "product_bf16": "product, BF16",
    "product_fp8": "product, FP8",
    "decode_attention": "decode attention",
    "context_attention": "context attention",
    "all_reduce": "all-reduce",
}


@dataclass(frozen=True)
class OperatorScore:
    """Absolute errors of one operator's formula on one GPU, in percent.

    Attributes
    ----------
    operator, gpu : str
    number : int
        Measured calls.
    median, p90 : float
        Median and 90th percentile.
    """

    operator: str
    gpu: str
    number: int
    median: float
    p90: float


def score_operators() -> list[OperatorScore]:
    """Compare the formulas for GPUs without tables with operators measured on H100, H200 and A100.

    The formulas are fitted to those of H100 and H200; the A100's products test how they carry over.

    Returns
    -------
    list of OperatorScore
        One an operator and a GPU that has measurements of it.

    Examples
    --------
    >>> best = min(score_operators(), key=lambda score: score.median)
    >>> best.operator, best.gpu, best.median < 4
    ('context_attention', 'h100-sxm', True)
    """
    scores = []
    for gpu in GPUS:
        errors: dict[str, list[Array]] = {}
        for operator, form, sizes, measured_ns in _measured(gpu):
            predicted = _native.operator_ns(form, native_catalog(), gpu, *sizes)
            errors.setdefault(operator, []).append(100 * np.abs(predicted / measured_ns - 1))
        for operator, parts in errors.items():
            error = np.concatenate(parts)
            median, p90 = np.percentile(error, [50, 90]).tolist()
            scores.append(OperatorScore(operator, gpu, len(error), median, p90))
    return sorted(scores, key=lambda s: (list(NAMES).index(s.operator), s.gpu))


def operator_table(scores: list[OperatorScore]) -> list[list[str]]:
    """Return rows of text: operator, then median and P90 of each GPU; the first is the heading."""
    head = ["operator", *(f"{gpu} {what} (%)" for gpu in GPUS for what in ("median", "P90"))]
    by_key = {(s.operator, s.gpu): s for s in scores}
    rows = [head]
    for operator, name in NAMES.items():
        cells = [name]
        for gpu in GPUS:
            s = by_key.get((operator, gpu))
            cells += ["-", "-"] if s is None else [f"{s.median:.1f}", f"{s.p90:.1f}"]
        rows.append(cells)
    return rows


def _measured(gpu: str) -> Iterator[tuple[str, str, tuple[Array, Array, Array], Array]]:
    """Yield (operator, the engine's name of its form, three sizes, measured ns)."""
    if gpu == UNFITTED:
        with UNFITTED_PRODUCTS.open(encoding="ascii", newline="") as file:
            rows = [[float(x) for x in row.values()] for row in csv.DictReader(file)]
        m, n, k, ns = np.array(rows).T.copy()
        yield "product_bf16", "product_bf16", (m, n, k), ns
        return
    document = json.loads((FOLDER / f"{gpu}.json").read_text(encoding="ascii"))
    for dtype, table in document["gemm"].items():
        yield f"product_{dtype}", f"product_{dtype}", *_products(document, table)
    for kind in ("decode_attention", "context_attention"):
        for form, sizes, ns in _attention(gpu, kind):
            yield kind, form, sizes, ns
    reduce = document["all_reduce"]
    size = np.array(reduce["bytes"], float)
    keep = (size >= ALL_REDUCE_BYTES[0]) & (size <= ALL_REDUCE_BYTES[1])
    one = np.ones(int(keep.sum()))
    for gpus in (2, 4, 8):
        ns = np.array(reduce[str(gpus)], float)[keep]
        yield "all_reduce", "all_reduce", (gpus * one, size[keep], one), ns


def _products(
    document: Mapping[str, Any], table: Mapping[str, Any]
) -> tuple[tuple[Array, Array, Array], Array]:
    words = np.frombuffer(base64.b64decode(table["log2_ns"]), "<u2")
    ns = np.exp2(words / document["log2_steps_per_octave"])
    m, n, k = (a.ravel() for a in np.meshgrid(table["m"], table["n"], table["k"], indexing="ij"))
    low, high = PRODUCT_SIZES
    keep = (m <= MOST_ROWS) & (n >= low) & (k >= low) & (n <= high) & (k <= high)
    sizes = (m[keep].astype(float), n[keep].astype(float), k[keep].astype(float))
    return sizes, ns[keep]


def _attention(gpu: str, kind: str) -> Iterator[tuple[str, tuple[Array, Array, Array], Array]]:
    with gzip.open(ATTENTION, "rt", encoding="ascii", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["gpu"] == gpu and r["operator"] == kind]
    for eight_bits in (False, True):
        mine = [r for r in rows if (r["kv_bytes"] == "1") == eight_bits]
        if not mine:
            continue
        a, b, c, ns = (
            np.array([float(r[name]) for r in mine])
            for name in ("sequences", "heads", "tokens", "ns")
        )
        yield kind + ("_fp8" if eight_bits else ""), (a, b, c), ns
