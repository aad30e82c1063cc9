"""Tables of sweeps in the forms of other tools, each imported when asked for."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim import _native
from kvsim._analysis import knees, pareto
from kvsim._binding import binding_constraints
from kvsim._columns import as_array
from kvsim._encode import encode, encode_strict
from kvsim.design import Design

# Of the JSON that `to_dict` makes; raised when a reader of an older one would misread it.
SCHEMA_VERSION = 1
_SHOWN_ROWS = 20
_HEADLINE = ("request_throughput", "p50_ttft_ms", "p99_ttft_ms", "p99_tpot_ms", "p99_e2el_ms")

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import xarray as xr

    from kvsim._sweep_result import SweepResult


def to_csv(result: SweepResult) -> str:
    """Return the rows as CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.table())
    for row in result.rows():
        writer.writerow(
            v if v is None or isinstance(v, str | int | float) else encode_strict(v, "axes")
            for v in row.values()
        )
    return stream.getvalue()


def to_arrow(result: SweepResult) -> pa.Table:
    """Return the rows as an Arrow table; values that are objects are JSON."""
    import pyarrow as pa

    def plain(values: Any) -> Any:
        objects = isinstance(values, list) and any(
            not isinstance(v, bool | int | float | str | None) for v in values
        )
        return [encode_strict(v, "axes") for v in values] if objects else values

    return pa.table({name: plain(values) for name, values in result.table().items()})


def to_polars(result: SweepResult) -> pl.DataFrame:
    """Return the rows as a polars DataFrame."""
    import polars as pl

    frame = pl.from_arrow(to_arrow(result))
    assert isinstance(frame, pl.DataFrame)
    return frame


def to_xarray(result: SweepResult) -> xr.Dataset:
    """Return the figures with a grid's axes as dimensions."""
    import xarray as xr

    design, paths = result.design, result.design.paths
    units = {name: unit for name, unit, _ in _native.summary_fields()}
    texts = {"status": result.status, "calibration": result.calibration}
    data = {name: np.asarray(values, dtype=object) for name, values in texts.items()}
    data |= {name: result[name] for name in result.columns[len(paths) :]}
    codes = {path: result.codes(path) for path in paths}
    if design.kind != "grid" or any((c < 0).any() for c in codes.values()):
        dims: list[str] = ["point"]
        coords: dict[str, Any] = {p: ("point", result[p]) for p in paths}
        arrays = dict(data)
    else:
        kept = {p: np.unique(c) for p, c in codes.items()}
        dims = list(kept)
        coords = {p: as_array([design.values[p][i] for i in at]) for p, at in kept.items()}
        cell = tuple(np.searchsorted(kept[p], c) for p, c in codes.items())
        arrays = {}
        for name, values in data.items():
            empty: Any = None if name in texts else np.nan
            array = np.full([len(at) for at in kept.values()], empty, dtype=values.dtype)
            array[cell] = values
            arrays[name] = array
    variables = {n: (dims, a, {"units": units.get(n, "")}) for n, a in arrays.items()}
    return xr.Dataset(variables, coords=coords, attrs={"scenario": result.scenario.to_json()})


def to_dict(result: SweepResult, metric: str) -> dict[str, Any]:
    """Return everything as plain values; docs/sweeps.md describes the keys."""
    points = result.rows()
    for point, constraint in zip(points, binding_constraints(result), strict=True):
        point["binding_constraint"] = constraint
    scenario = json.loads(result.scenario_json)
    return {
        "format": "kvsim-sweep",
        "schema_version": SCHEMA_VERSION,
        "inputs": {
            "scenario": scenario,
            "axes": result.design.values,
            "design": result.design.kind,
        },
        "seed": scenario["seed"],
        "num_points": result.num_points,
        "unfinished": result.unfinished,
        "points": points,
        "metric": metric,
        "frontier": pareto(result, [metric], ["request_throughput"]).tolist(),
        "knees": knees(result, metric),
        "warnings": result.warnings,
        "confidence": result.confidence,
        "interval_method": result.interval_method,
        "provenance": {
            "kvsim_version": _native.__version__,
            "input_sha256": input_hash(result.scenario_json, result.design, result.hashes),
            "datasets": result.hashes,
        },
    }


def input_hash(
    scenario_json: str, design: Design, hashes: Mapping[str, str], options: str = ""
) -> str:
    """Return the SHA-256 of what a sweep is given: base, design, traces, version, options."""
    codes = [design.codes(path).tobytes() for path in design.paths]
    digest = hashlib.sha256(scenario_json.encode())
    digest.update(encode(list(design.values.items()), {}, "axes").encode())
    for code in codes:
        digest.update(code)
    about = [_native.__version__, SCHEMA_VERSION, dict(sorted(hashes.items())), options]
    digest.update(json.dumps(about).encode())
    return digest.hexdigest()


def to_html(result: SweepResult) -> str:
    """Return the table for a notebook: axes, status and the most asked-for figures."""
    units = {name: unit for name, unit, _ in _native.summary_fields()}
    paths = result.design.paths
    figures = [n for n in _HEADLINE if np.isfinite(result[n]).any()]
    heads = [f"<th>{html.escape(path)}</th>" for path in paths] + ["<th>status</th>"]
    heads += [f"<th>{name}<br><small>{units[name]}</small></th>" for name in figures]
    shown = list(range(min(len(result), _SHOWN_ROWS)))
    some = result.take(np.array(shown, dtype=np.intp))
    bounds = {name: some.interval(name) for name in figures}
    lines = []
    for i, row in enumerate(some.rows()):
        cells = [html.escape(_cell(row[path])) for path in paths]
        reason = html.escape(row["reason"], quote=True)
        cells.append(f'<span title="{reason}">{row["status"]}</span>')
        for name in figures:
            low, high = (float(bound[i]) for bound in bounds[name])
            cells.append(_cell(row[name]) + _margin(row[name], low, high))
        lines.append("".join(f'<td style="text-align:right">{cell}</td>' for cell in cells))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    left = len(result) - len(shown)
    more = f"<p>and {left:,} more rows</p>" if left else ""
    return (
        f"<p><code>{html.escape(repr(result))}</code></p>"
        f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>{more}"
    )


def _margin(value: Any, low: float, high: float) -> str:
    """Return an interval as a cell shows it beside the value, nothing if there is none."""
    if not math.isfinite(high - low):
        return ""
    half = (high - low) / 2
    even = abs((high + low) / 2 - value) < 0.05 * half or half == 0
    return f" ± {half:.2g}" if even else f" ({_cell(low)} to {_cell(high)})"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    simple = isinstance(value, bool | int | str)
    return str(value) if simple else encode_strict(value, "axes")
