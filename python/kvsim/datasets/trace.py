"""`Trace`: the requests of a trace as checked, read-only columns."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kvsim.datasets.errors import Where
from kvsim.datasets.parse import INT32_MAX, INT64_MAX
from kvsim.datasets.statistics import Description, describe

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


class _Flat(NamedTuple):
    """A column with one value a request."""

    name: str
    dtype: type[np.integer[Any]]
    low: int
    high: int
    what: str


class _List(NamedTuple):
    """A column with a list a request: where each begins, and all values."""

    offset: str
    name: str
    dtype: type[np.integer[Any]]
    high: int
    what: str


_FLAT = (
    _Flat("arrival_ns", np.int64, 0, INT64_MAX, "the arrival time"),
    _Flat("prompt_tokens", np.int32, 1, INT32_MAX, "the prompt length"),
    _Flat("output_tokens", np.int32, 1, INT32_MAX, "the output length"),
    _Flat("priority", np.int32, -(2**31), INT32_MAX, "the priority"),
    _Flat("session_id", np.int64, -1, INT64_MAX, "the session"),
    _Flat("stop_after", np.int32, 0, INT32_MAX, "stop_after"),
)
_LISTS = (
    _List("hash_offset", "hash_ids", np.int64, INT64_MAX, "hash ids"),
    _List("token_offset", "token_ids", np.int32, INT32_MAX, "token ids"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """Requests in order of arrival, one entry a request in every column.

    Columns are checked, copied and read-only. Two traces are equal if their columns are: name,
    source and description do not count, and neither do they in `sha256`.

    Parameters
    ----------
    prompt_tokens, output_tokens : array of int32
        Lengths in tokens, at least 1.
    arrival_ns : array of int64 or None
        Arrival times in ns, not negative and not decreasing. None for lengths alone. Readers of
        files count from the first row, so its time is 0 (`start_time` keeps what the file says).
    priority : array of int32, optional
        Smaller is more urgent, as in vLLM.
    hash_offset, hash_ids : arrays of int64, optional
        Prefix blocks: request r has the ids `hash_ids[hash_offset[r]:hash_offset[r + 1]]`, one for
        every started block of `hash_block_tokens` prompt tokens. Equal ids stand for equal prompts
        up to and including that block.
    hash_block_tokens : int, optional
        Tokens of a prefix block.
    session_id : array of int64, optional
        Requests of one conversation have equal ids; -1 is a request without one.
    token_offset, token_ids : arrays of int64 and int32, optional
        The prompts themselves, laid out like `hash_ids`.
    stop_after : array of int32, optional
        The output token (from 1) at which the model stops unforeseen; 0 is never.
    name, source, licence, description : str
        What this is and where it is from.
    start_time : str
        The first row's time as the file has it.

    Raises
    ------
    TraceError
        If a column has the wrong length, type or values, naming column and row.

    Examples
    --------
    >>> trace = Trace(arrival_ns=[0, 5], prompt_tokens=[100, 7], output_tokens=[1, 2])
    >>> trace
    Trace('unnamed': 2 requests, 5e-09 s)
    >>> trace.prompt_tokens.sum()
    np.int64(107)
    """

    prompt_tokens: Int32
    output_tokens: Int32
    arrival_ns: Int64 | None = None
    priority: Int32 | None = None
    hash_offset: Int64 | None = None
    hash_ids: Int64 | None = None
    hash_block_tokens: int | None = None
    session_id: Int64 | None = None
    token_offset: Int64 | None = None
    token_ids: Int32 | None = None
    stop_after: Int32 | None = None
    name: str = "unnamed"
    source: str = ""
    licence: str = ""
    description: str = ""
    start_time: str = ""

    def __post_init__(self) -> None:
        """Check every column; copy it as a contiguous, read-only array of its type."""
        where = Where(f"trace {self.name!r}")
        for flat in _FLAT:
            raw = getattr(self, flat.name)
            if raw is not None:
                values = _integers(raw, where, flat.name)
                _check_range(values, where, flat)
                self._set(flat.name, values.astype(flat.dtype))
            elif flat.name in ("prompt_tokens", "output_tokens"):
                where.fail("the column is missing", column=flat.name)
        for flat in _FLAT:
            self._check_length(where, flat.name)
        if len(self) == 0:
            where.fail("there are no requests")
        if self.arrival_ns is not None:
            check_order(self.arrival_ns, where, "arrival_ns")
        for column in _LISTS:
            self._check_list(where, column)
        self._check_blocks(where)

    def _set(self, name: str, values: npt.NDArray[Any]) -> None:
        values = np.array(values, order="C")
        values.flags.writeable = False
        object.__setattr__(self, name, values)

    def _check_length(self, where: Where, name: str) -> None:
        column = getattr(self, name)
        if column is not None and len(column) != len(self.prompt_tokens):
            where.fail(
                f"has {len(column)} entries, prompt_tokens has {len(self.prompt_tokens)}",
                column=name,
            )

    def _check_list(self, where: Where, column: _List) -> None:
        raw_offset, raw_values = getattr(self, column.offset), getattr(self, column.name)
        if (raw_offset is None) != (raw_values is None):
            where.fail(f"goes with {column.offset}; one of them is missing", column=column.name)
        if raw_values is None:
            return
        starts = _integers(raw_offset, where, column.offset).astype(np.int64)
        values = _integers(raw_values, where, column.name)
        good = len(starts) == len(self) + 1 and starts[0] == 0 and starts[-1] == len(values)
        if not good or (np.diff(starts) < 0).any():
            where.fail(
                f"must rise from 0 to the {len(values)} {column.what} in {len(self) + 1} entries",
                column=column.offset,
            )
        outside = (values < 0) | (values > column.high)
        if outside.any():
            at = int(outside.argmax())
            row = int(np.searchsorted(starts, at, side="right")) - 1
            reason = f"one of the {column.what} is {values[at]}, not in 0..{column.high}"
            where.fail(reason, row, column.name)
        self._set(column.offset, starts)
        self._set(column.name, values.astype(column.dtype))

    def _check_blocks(self, where: Where) -> None:
        size = self.hash_block_tokens
        if (size is None) != (self.hash_ids is None):
            where.fail("hash_ids and hash_block_tokens belong together", column="hash_ids")
        if self.hash_offset is not None and size is not None:
            check_hash_counts(
                np.diff(self.hash_offset), self.prompt_tokens, size, where=where, column="hash_ids"
            )
        if self.token_offset is not None:
            counts = np.diff(self.token_offset)
            check_token_counts(counts, self.prompt_tokens, where, "token_ids")

    def __len__(self) -> int:
        """Count the requests."""
        return len(self.prompt_tokens)

    def __repr__(self) -> str:
        """Show name, size and duration; columns are too long to print."""
        time = "no times" if self.arrival_ns is None else f"{self.duration_s:.6g} s"
        return f"Trace({self.name!r}: {len(self)} requests, {time})"

    def __eq__(self, other: object) -> bool:
        """Compare the columns."""
        return self.sha256 == other.sha256 if isinstance(other, Trace) else NotImplemented

    def __hash__(self) -> int:
        """Hash the columns."""
        return hash(self.sha256)

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last arrival; 0 without times."""
        if self.arrival_ns is None:
            return 0.0
        return float(self.arrival_ns[-1] - self.arrival_ns[0]) / 1e9

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the columns (name, type, length, little-endian bytes of each), in hex.

        Examples
        --------
        >>> Trace(prompt_tokens=[1], output_tokens=[2]).sha256[:16]
        'cdf557d97401b702'
        """
        digest = hashlib.sha256()
        names = [c.name for c in _FLAT] + [n for c in _LISTS for n in (c.offset, c.name)]
        for name in names:
            column = getattr(self, name)
            if column is not None:
                digest.update(f"{name}:{column.dtype.name}:{len(column)};".encode())
                digest.update(column.astype(column.dtype.newbyteorder("<"), copy=False).data)
        if self.hash_block_tokens is not None:
            digest.update(f"hash_block_tokens:{self.hash_block_tokens};".encode())
        return digest.hexdigest()

    def describe(self) -> Description:
        """Compute statistics of the columns; percentiles are nearest-rank.

        Examples
        --------
        >>> trace = Trace(arrival_ns=[0, 10**9], prompt_tokens=[3, 5], output_tokens=[1, 1])
        >>> trace.describe()["prompt_tokens"]
        {'mean': 4.0, 'median': 3, 'p99': 5, 'min': 3, 'max': 5, 'sum': 8}
        >>> trace.describe()["arrivals"]["rate_per_s"]
        2.0
        """
        return describe(self)

    def head(self, n: int) -> Trace:
        """Return the first `n` requests (all, if there are fewer), times unchanged.

        Examples
        --------
        >>> Trace(prompt_tokens=[1, 2, 3], output_tokens=[1, 1, 1]).head(2)
        Trace('unnamed[0:2]': 2 requests, no times)
        """
        return self._part(0, min(n, len(self)))

    def slice(self, start: int, stop: int) -> Trace:
        """Return the requests start..stop-1, with times counted from the first of them.

        Raises
        ------
        TraceError
            Unless 0 <= start < stop <= len(self).

        Examples
        --------
        >>> trace = Trace(arrival_ns=[0, 4, 9], prompt_tokens=[1, 2, 3], output_tokens=[1, 1, 1])
        >>> trace.slice(1, 3).arrival_ns.tolist()
        [0, 5]
        """
        part = self._part(start, stop)
        if part.arrival_ns is None:
            return part
        return dataclasses.replace(
            part, arrival_ns=part.arrival_ns - part.arrival_ns[0], start_time=""
        )

    def _part(self, start: int, stop: int) -> Trace:
        if not 0 <= start < stop <= len(self):
            where = Where(f"trace {self.name!r}")
            where.fail(f"rows {start}..{stop} asked of {len(self)}; 0 <= start < stop <= rows")
        if (start, stop) == (0, len(self)):
            return self
        changed: dict[str, Any] = {"name": f"{self.name}[{start}:{stop}]"}
        for flat in _FLAT:
            column = getattr(self, flat.name)
            if column is not None:
                changed[flat.name] = column[start:stop]
        for pair in _LISTS:
            starts = getattr(self, pair.offset)
            if starts is not None:
                changed[pair.offset] = starts[start : stop + 1] - starts[start]
                changed[pair.name] = getattr(self, pair.name)[starts[start] : starts[stop]]
        return dataclasses.replace(self, **changed)

    def with_gaps_capped(self, max_gap_s: float) -> Trace:
        """Return the same requests with gaps between arrivals cut to at most `max_gap_s` seconds.

        For traces with idle phases, which no steady load has; see the Azure code trace.

        Raises
        ------
        TraceError
            If there are no times, or `max_gap_s` is not a positive finite number.

        Examples
        --------
        >>> trace = Trace(arrival_ns=[0, 9 * 10**9], prompt_tokens=[1, 2], output_tokens=[1, 1])
        >>> trace.with_gaps_capped(0.5).duration_s
        0.5
        """
        where = Where(f"trace {self.name!r}")
        if self.arrival_ns is None:
            where.fail("has no arrival times, so no gaps either", column="arrival_ns")
        if not (0 < max_gap_s <= INT64_MAX // 10**9):
            where.fail(f"max_gap_s is {max_gap_s!r}; it must be positive and finite")
        gaps = np.minimum(np.diff(self.arrival_ns), round(max_gap_s * 1e9))
        times = self.arrival_ns[0] + np.concatenate([np.zeros(1, np.int64), np.cumsum(gaps)])
        name = f"{self.name}, gaps <= {max_gap_s:g} s"
        return dataclasses.replace(self, arrival_ns=times, name=name)


def check_order(times: Int64, where: Where, column: str) -> None:
    """Fail at the first arrival that is earlier than the one before it."""
    back = np.diff(times) < 0
    if back.any():
        at = int(back.argmax()) + 1
        ns = int(times[at - 1]) - int(times[at])
        where.fail(
            f"the arrival time is {ns} ns before the row above; rows must be in order of arrival",
            at,
            column,
        )


def check_token_counts(
    counts: Int64, prompt_tokens: npt.NDArray[Any], where: Where, column: str
) -> None:
    """Fail unless there are as many token ids as the prompt is long."""
    wrong = counts != prompt_tokens
    if wrong.any():
        at = int(wrong.argmax())
        reason = f"there are {counts[at]} token ids for a prompt of {prompt_tokens[at]} tokens"
        where.fail(reason, at, column)


def check_hash_counts(
    counts: Int64,
    prompt_tokens: npt.NDArray[Any],
    size: int,
    *,
    where: Where,
    column: str,
    first: int = 0,
) -> None:
    """Fail unless every prompt has one id for each started block of `size` tokens."""
    if size < 1:
        where.fail(f"hash_block_tokens is {size}; it must be at least 1", column=column)
    blocks = -(-prompt_tokens.astype(np.int64) // size)
    wrong = counts != blocks
    if wrong.any():
        at = int(wrong.argmax())
        where.fail(
            f"there are {counts[at]} hash ids; a prompt of {prompt_tokens[at]} tokens has "
            f"{blocks[at]} blocks of {size} tokens (hash_block_tokens)",
            first + at,
            column,
        )


def _integers(raw: Any, where: Where, column: str) -> npt.NDArray[Any]:
    try:
        values = np.asarray(raw)
    except (ValueError, TypeError, OverflowError) as error:
        where.fail(f"is no array of whole numbers: {error}", column=column)
    if values.ndim != 1:
        where.fail(f"has {values.ndim} dimensions; it must have 1", column=column)
    if values.size == 0:
        return values.astype(np.int64)
    if values.dtype.kind == "u" and values.max() > INT64_MAX:
        where.fail(f"holds {values.max()}, beyond int64", column=column)
    if values.dtype.kind not in "iu":
        where.fail(f"has type {values.dtype}; it must hold whole numbers", column=column)
    return values


def _check_range(values: npt.NDArray[Any], where: Where, column: _Flat) -> None:
    outside = (values < column.low) | (values > column.high)
    if outside.any():
        at = int(outside.argmax())
        low = values[at] < column.low
        bound = f"at least {column.low}" if low else f"at most {column.high}"
        where.fail(f"{column.what} is {values[at]}; it must be {bound}", at, column.name)
