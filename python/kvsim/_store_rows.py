"""Rows of finished runs as Arrow tables, which is what a store's parts are, and back.

Arrays are made of buffers rather than of lists: pyarrow looks lists over value by value and imports
pandas to do so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim import _native
from kvsim._runs import Batch
from kvsim.errors import StoreError
from kvsim.result import SUMMARY

if TYPE_CHECKING:
    import pyarrow as pa

# Columns of texts that equal scenarios have in common.
_TEXTS = ("status", "calibration")


def table(
    batch: Batch,
    keys: npt.NDArray[np.uint8],
    points: list[str],
    about: Mapping[str, str],
) -> pa.Table:
    """Return runs as a part's table.

    Parameters
    ----------
    batch : Batch
        The runs.
    keys : array of uint8, shape (runs, 32)
        Their content hashes.
    points : list of str
        What each sets, as JSON.
    about : mapping
        What holds for all of them.
    """
    import pyarrow as pa

    numbers = batch.index.tolist()
    statuses = np.array(_native.status_names(), dtype=object)
    calibrations = np.array(_native.calibration_names(), dtype=object)
    columns = {
        "key": _fixed(keys, pa.binary(32)),
        "point": _texts(points),
        "status": _texts(statuses[batch.status].tolist()),
        "calibration": _texts(calibrations[batch.calibration].tolist()),
        "reason": _texts([batch.reasons.get(i, "") for i in numbers]),
        "warnings": _lists([batch.warnings.get(i, []) for i in numbers]),
    }
    columns |= {
        name: _fixed(figures, pa.float64())
        for name, figures in zip(SUMMARY, batch.figures.T, strict=True)
    }
    schema = pa.schema([(name, column.type) for name, column in columns.items()], metadata=about)
    return pa.Table.from_arrays(list(columns.values()), schema=schema)


def _fixed(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [None, buffer])


def _texts(values: list[str]) -> pa.Array:
    import pyarrow as pa

    data = "".join(values)
    if data.isascii():
        ends, whole = _ends(values), data.encode()
    else:
        encoded = [text.encode() for text in values]
        ends, whole = _ends(encoded), b"".join(encoded)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(whole)]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def _lists(values: list[list[str]]) -> pa.Array:
    import pyarrow as pa

    inner = _texts(list(chain.from_iterable(values)))
    kind = pa.list_(pa.string())
    buffers = [None, pa.py_buffer(_ends(values))]
    return pa.Array.from_buffers(kind, len(values), buffers, children=[inner])


def _ends(values: list[Any]) -> npt.NDArray[np.int32]:
    """Return where each value begins, and where the last one ends, all in a row."""
    lengths = np.fromiter(chain((0,), map(len, values)), np.int32, len(values) + 1)
    return np.cumsum(lengths, dtype=np.int32)


def as_bytes(keys: npt.NDArray[np.uint8]) -> list[bytes]:
    """Return rows of bytes as Python has them."""
    out: list[bytes] = np.ascontiguousarray(keys).view(f"V{keys.shape[1]}").ravel().tolist()
    return out


def about_of(rows: pa.Table) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in (rows.schema.metadata or {}).items()}


def explicit(rows: pa.Table) -> pa.Table:
    """Return a part's rows with what holds for all of them as columns too."""
    import pyarrow as pa

    about = about_of(rows)
    out = rows.replace_schema_metadata(None)
    for name in ("kvsim_version", "datasets", "base"):
        column = pa.array([about[name]] * len(rows), pa.string())
        out = out.add_column(2, name, column)
    return out


def merged(tables: Iterable[pa.Table]) -> pa.Table:
    """Return rows sorted by key, each key once."""
    import pyarrow as pa

    listed = list(tables)
    if not listed:
        empty: pa.Table = pa.table({"key": pa.array([], pa.binary(32))})
        return empty
    rows = pa.concat_tables(listed).sort_by("key")
    keys = rows.column("key").to_pylist()
    first = [i for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
    if len(first) < len(keys):
        twins = np.setdiff1d(np.arange(len(keys)), first)
        for name in (*_TEXTS, *SUMMARY):
            column = rows.column(name)
            text = name in _TEXTS
            values = np.asarray(column.to_pylist()) if text else column.to_numpy()
            if not np.array_equal(values[twins], values[twins - 1], equal_nan=not text):
                raise StoreError(f"two rows of one key have different {name}; allowed: equal rows")
    out: pa.Table = rows.take(pa.array(first))
    return out


def found(rows: pa.Table, rows_of: Mapping[bytes, list[int]]) -> Batch | None:
    """Return the rows of a part that a sweep asks for, numbered as its runs."""
    keys = rows.column("key").to_pylist()
    pairs = [(i, row) for i, key in enumerate(keys) for row in rows_of.get(key, ())]
    if not pairs:
        return None
    at = np.array([i for i, _ in pairs])
    names = (_native.status_names(), _native.calibration_names())
    status, calibration = (
        np.array([known.index(text) for text in rows.column(name).to_pylist()], np.uint8)[at]
        for name, known in zip(_TEXTS, names, strict=True)
    )
    reason = rows.column("reason").to_pylist()
    warnings = rows.column("warnings").to_pylist()
    figures = np.stack([rows.column(name).to_numpy()[at] for name in SUMMARY])
    return Batch(
        np.array([row for _, row in pairs], dtype=np.int64),
        status,
        calibration,
        figures.T,
        {row: reason[i] for i, row in pairs if reason[i]},
        {row: warnings[i] for i, row in pairs if warnings[i]},
    )
