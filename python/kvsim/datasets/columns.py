"""Which column of a file holds what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kvsim._names import nearest
from kvsim.datasets.parse import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kvsim.datasets.errors import Where

# What may stand in a file, and the headers that are recognised without being told (lower case):
# kvsim's own, vLLM's, and those of the Azure, Mooncake, Vidur, LLMServingSim and BurstGPT traces.
HEADERS: dict[str, tuple[str, ...]] = {
    "arrival": (
        "arrival",
        "arrival_ns",
        "arrival_us",
        "arrival_ms",
        "arrival_s",
        "arrival_time",
        "arrived_at",
        "timestamp",
    ),
    "prompt_tokens": (
        "prompt_tokens",
        "prompt_len",
        "input_tokens",
        "input_toks",
        "input_length",
        "contexttokens",
        "num_prefill_tokens",
        "request tokens",
    ),
    "output_tokens": (
        "output_tokens",
        "output_toks",
        "output_length",
        "max_tokens",
        "generatedtokens",
        "num_decode_tokens",
        "response tokens",
    ),
    "priority": ("priority",),
    "session": ("session", "session_id"),
    "hash_ids": ("hash_ids",),
    "token_ids": ("token_ids", "prompt_token_ids"),
    "stop_after": ("stop_after",),
}
_REQUIRED = ("arrival", "prompt_tokens", "output_tokens")


def resolve(
    present: Iterable[str], columns: Mapping[str, str | None] | None, where: Where
) -> dict[str, str]:
    """Map field to column of the file: those given in `columns`, the others by their header.

    A field that `columns` maps to None is left out; without `arrival` a trace has lengths only.
    """
    names = list(present)
    given = dict(columns or {})
    for field in given:
        if field not in HEADERS:
            where.fail(f"columns= has no field {field!r}{nearest(field, HEADERS)}")
    found: dict[str, str] = {}
    for field, headers in HEADERS.items():
        if field in given:
            column = given[field]
            if column is None:
                if field in ("prompt_tokens", "output_tokens"):
                    where.fail(f"columns= leaves out {field!r}, which a trace must have")
                continue
            if column not in names:
                where.fail(f"there is no column {column!r}{nearest(column, names)}")
            found[field] = column
            continue
        hits = [n for n in names if n.strip().lower() in headers]
        if len(hits) > 1:
            where.fail(
                f"columns {', '.join(map(repr, hits))} may all be {field!r}; "
                f"say which: columns={{{field!r}: {hits[0]!r}}}"
            )
        if hits:
            found[field] = hits[0]
        elif field in _REQUIRED:
            where.fail(
                f"there is no column for {field!r}: none of {', '.join(headers)}. The file has "
                f"{', '.join(map(repr, names)) or 'none'}; say which: columns={{{field!r}: ...}}"
            )
    for field, column in found.items():
        if names.count(column) > 1:
            where.fail(f"the column appears twice, so {field!r} is ambiguous", column=column)
    return found


def unit_exponent(column: str, time_unit: str | None, wall_clock: bool, where: Where) -> int | None:
    """Power of ten from the column's unit to ns; None for dates and times."""
    if time_unit is not None and time_unit not in UNITS:
        where.fail(f"time_unit is {time_unit!r}; it must be one of {', '.join(UNITS)}")
    if wall_clock:
        if time_unit is not None:
            where.fail("time_unit is given, but the column holds dates and times", column=column)
        return None
    suffix = re.search(r"_(s|ms|us|ns)$", column.strip().lower())
    if suffix and time_unit not in (None, suffix[1]):
        where.fail(
            f"time_unit is {time_unit!r}, but the column's name says {suffix[1]}", column=column
        )
    unit = time_unit or (suffix[1] if suffix else None)
    if unit is None:
        where.fail(
            f"holds numbers of an unknown unit; give time_unit= (one of {', '.join(UNITS)})",
            column=column,
        )
    return UNITS[unit]
