"""Traces from CSV and JSON-lines files, plain or gzipped, and from arrays."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim._names import nearest
from kvsim.datasets import columns as headers
from kvsim.datasets.errors import Where
from kvsim.datasets.files import Batch, csv_batches, csv_line, jsonl_batches, jsonl_line, open_text
from kvsim.datasets.parse import (
    INT32_MAX,
    INT64_MAX,
    Cells,
    is_missing,
    looks_like_wall_clock,
    parse_ints,
    parse_lists,
    parse_times,
    shown,
    to_decimal,
)
from kvsim.datasets.trace import Trace, check_hash_counts, check_order, check_token_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# What fields with a number a row may hold, and those with a list.
_NUMBERS = {
    "prompt_tokens": (1, INT32_MAX, "the prompt length"),
    "output_tokens": (1, INT32_MAX, "the output length"),
    "priority": (-(2**31), INT32_MAX, "the priority"),
    "stop_after": (0, INT32_MAX, "stop_after"),
}
_LISTS = {
    "hash_ids": ("hash_offset", INT64_MAX, "hash ids"),
    "token_ids": ("token_offset", INT32_MAX, "token ids"),
}


def from_csv(
    path: str | os.PathLike[str],
    columns: Mapping[str, str | None] | None = None,
    *,
    time_unit: str | None = None,
    hash_block_tokens: int = 512,
    delimiter: str = ",",
    from_first_row: bool = True,
    name: str | None = None,
    source: str = "",
    licence: str = "",
) -> Trace:
    r"""Read a trace from a CSV file with a header line; gzip and a byte-order mark are recognised.

    Parameters
    ----------
    path : path
        The file.
    columns : mapping, optional
        Field to column name, for headers that are not recognised. Fields: arrival, prompt_tokens,
        output_tokens (these three must be there), priority, session, hash_ids, token_ids,
        stop_after. None leaves a field out; a trace without arrival has lengths only.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Unit of numeric arrival times whose column name does not end in it. Dates and times
        ("2023-11-16 18:15:46.6805900", UTC unless they carry an offset) need none.
    hash_block_tokens : int
        Prompt tokens that one entry of hash_ids stands for.
    delimiter : str
        What separates cells.
    from_first_row : bool
        Count times from the first row, so that the first is 0. Otherwise they stay as they are and
        must not be negative.
    name, source, licence : str, optional
        Kept in the trace; the name is the file's unless given.

    Returns
    -------
    Trace
        Times are exact: no float in between, parts of a ns are rounded half to even.

    Raises
    ------
    TraceError
        Naming file, row, line and column of the first thing that is wrong.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "t.csv")
    ...     _ = file.write_text("arrival_s,prompt_tokens,output_tokens\n7.5,10,2\n7.6,20,3\n")
    ...     from_csv(file).arrival_ns.tolist()
    [0, 100000000]
    """
    # Prompts written out as token ids are longer than the module's default limit for a cell.
    csv.field_size_limit(max(csv.field_size_limit(), INT32_MAX))
    file = os.fspath(path)
    where = Where(file, lambda index: csv_line(file, delimiter, index))
    with open_text(file) as stream:
        rows = csv.reader(stream, delimiter=delimiter, strict=True)
        return _build(
            csv_batches(rows, where, lambda header: headers.resolve(header, columns, where)),
            where,
            columns,
            time_unit=time_unit,
            hash_block_tokens=hash_block_tokens,
            from_first_row=from_first_row,
            name=name or Path(file).name,
            source=source,
            licence=licence,
        )


def from_jsonl(
    path: str | os.PathLike[str],
    columns: Mapping[str, str | None] | None = None,
    *,
    time_unit: str | None = None,
    hash_block_tokens: int = 512,
    from_first_row: bool = True,
    name: str | None = None,
    source: str = "",
    licence: str = "",
) -> Trace:
    """Read a trace from a file with one JSON object a line, as Mooncake's.

    Parameters and result are those of `from_csv`; columns are the objects' keys.

    Raises
    ------
    TraceError
        Naming file, row, line and column of the first thing that is wrong.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "t.jsonl")
    ...     _ = file.write_text(
    ...         '{"timestamp": 3, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}')
    ...     from_jsonl(file, time_unit="ms").hash_ids.tolist()
    [0, 1]
    """
    file = os.fspath(path)
    where = Where(file, lambda index: jsonl_line(file, index))
    with open_text(file) as stream:
        return _build(
            jsonl_batches(stream, where),
            where,
            columns,
            time_unit=time_unit,
            hash_block_tokens=hash_block_tokens,
            from_first_row=from_first_row,
            name=name or Path(file).name,
            source=source,
            licence=licence,
        )


def from_arrays(
    *,
    prompt_tokens: npt.ArrayLike,
    output_tokens: npt.ArrayLike,
    arrival_ns: npt.ArrayLike | None = None,
    name: str = "arrays",
    **rest: Any,
) -> Trace:
    """Make a trace of columns in memory: anything numpy makes integer arrays of.

    Parameters
    ----------
    prompt_tokens, output_tokens : array_like of int
        Lengths in tokens.
    arrival_ns : array_like of int, optional
        Arrival times in ns, kept as they are (not counted from the first).
    name : str
        Name of the trace.
    **rest
        Further fields of `Trace`.

    Raises
    ------
    TraceError
        If a column is not usable, or there is no such field.

    Examples
    --------
    >>> from_arrays(prompt_tokens=[8, 9], output_tokens=[1, 1], arrival_ns=[10, 20])
    Trace('arrays': 2 requests, 1e-08 s)
    """
    fields = Trace.__dataclass_fields__
    for field in rest:
        if field not in fields:
            Where(f"trace {name!r}").fail(f"there is no column {field!r}{nearest(field, fields)}")
    return Trace(
        prompt_tokens=prompt_tokens,  # type: ignore[arg-type]  # Trace converts and checks
        output_tokens=output_tokens,  # type: ignore[arg-type]
        arrival_ns=arrival_ns,  # type: ignore[arg-type]
        name=name,
        **rest,
    )


class _Columns:
    """Collects the parsed columns of the batches."""

    def __init__(self, where: Where, fields: Mapping[str, str], exponent: int | None, block: int):
        self.where = where
        self.fields = fields
        self.exponent = exponent
        self.block = block
        self.parts: dict[str, list[npt.NDArray[Any]]] = {}
        self.sessions: dict[Any, int] = {}
        self.rows = 0

    def add(self, cells_of: Mapping[str, Sequence[Any]]) -> None:
        """Parse one batch; the first wrong cell of its first wrong column is an error."""
        for field, column in self.fields.items():
            cells = Cells(cells_of[column], self.where, column, self.rows)
            for key, part in self._parse(field, cells).items():
                self.parts.setdefault(key, []).append(part)
        if "hash_ids" in self.fields:
            check_hash_counts(
                self.parts["hash_offset"][-1],
                self.parts["prompt_tokens"][-1],
                self.block,
                where=self.where,
                column=self.fields["hash_ids"],
                first=self.rows,
            )
        self.rows += len(cells_of[self.fields["prompt_tokens"]])

    def _parse(self, field: str, cells: Cells) -> dict[str, npt.NDArray[Any]]:
        if field == "arrival":
            return {"arrival_ns": parse_times(cells, self.exponent)}
        if field == "session":
            return {"session_id": self._sessions(cells.values)}
        if field in _LISTS:
            offset, high, what = _LISTS[field]
            counts, values = parse_lists(cells, high, what)
            return {offset: counts, field: values}
        low, high, what = _NUMBERS[field]
        return {field: parse_ints(cells, low, high, what)}

    def _sessions(self, cells: Sequence[Any]) -> npt.NDArray[np.int64]:
        """Numbers in order of first appearance, -1 for none."""
        known = self.sessions
        return np.array(
            [-1 if is_missing(c) else known.setdefault(str(c), len(known)) for c in cells], np.int64
        )

    def finish(self, from_first_row: bool, **about: str) -> Trace:
        """Join the parts and make the trace."""
        joined = {key: np.concatenate(parts) for key, parts in self.parts.items()}
        if "arrival" in self.fields:
            times, column = joined["arrival_ns"], self.fields["arrival"]
            if int(times.max()) - int(times.min()) > INT64_MAX:
                self.where.fail("the times span more than int64 ns (292 years)", column=column)
            check_order(times, self.where, column)
            if from_first_row:
                joined["arrival_ns"] = times - times[0]
            elif times[0] < 0:
                self.where.fail("the arrival time is negative", 0, column)
        for key in ("hash_offset", "token_offset"):
            if key in joined:
                joined[key] = np.concatenate([np.zeros(1, np.int64), np.cumsum(joined[key])])
        if "token_offset" in joined:
            check_token_counts(
                np.diff(joined["token_offset"]),
                joined["prompt_tokens"],
                self.where,
                self.fields["token_ids"],
            )
        if "session_id" in joined and not self.sessions:
            del joined["session_id"]  # a column without a single entry
        values: dict[str, Any] = {**joined, **about}
        if "hash_ids" in joined:
            values["hash_block_tokens"] = self.block
        return Trace(**values)


def _build(
    batches: Iterator[Batch],
    where: Where,
    columns: Mapping[str, str | None] | None,
    *,
    time_unit: str | None,
    hash_block_tokens: int,
    from_first_row: bool,
    **about: str,
) -> Trace:
    state: _Columns | None = None
    known: list[str] = []
    for names, cells_of in batches:
        if state is None:
            fields = headers.resolve(names, columns, where)
            exponent = None
            if "arrival" in fields:
                cells = Cells(cells_of[fields["arrival"]], where, fields["arrival"], 0)
                exponent = _time_exponent(cells, time_unit)
                about["start_time"] = str(cells.values[0]).strip()
            elif time_unit is not None:
                where.fail("time_unit is given, but there is no arrival column")
            state = _Columns(where, fields, exponent, hash_block_tokens)
        elif len(names) != len(known):  # JSON objects with new keys
            late = headers.resolve(names, columns, where).items() - state.fields.items()
            for field, column in sorted(late):
                where.fail(f"the first {state.rows} rows lack it, as {field}", column=column)
        known = names
        state.add(cells_of)
    if state is None:
        where.fail("there are no rows of data")
    return state.finish(from_first_row, **about)


def _time_exponent(cells: Cells, time_unit: str | None) -> int | None:
    """Tell from the first cell and the column's name what the times are."""
    first = cells.values[0]
    if is_missing(first):
        cells.fail(0, "the arrival time is missing")
    wall = looks_like_wall_clock(first)
    if not wall and to_decimal(first) is None:
        cells.fail(0, f"the arrival time is {shown(first)}, neither a number nor a date and time")
    return headers.unit_exponent(cells.column, time_unit, wall, cells.where)
