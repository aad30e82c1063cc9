"""Files as batches of rows: CSV and JSON lines, plain or gzipped."""

from __future__ import annotations

import csv
import decimal
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TextIO

from kvsim.datasets.errors import TraceError, Where
from kvsim.datasets.parse import shown

# Some rows of a file: the column names it has, and the cells of each. Files of any size are read
# batch by batch.
Batch = tuple[list[str], dict[str, Sequence[Any]]]
_CSV_ROWS = 65536
_JSON_ROWS = 4096


@contextmanager
def open_text(file: str) -> Iterator[TextIO]:
    """Open the file as text, decompressed if it is gzip, with damage reported as a TraceError."""
    with (
        _open_binary(file) as binary,
        io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as stream,
    ):
        try:
            yield stream
        except _DAMAGE as error:
            raise _damaged(error, file) from None
        except UnicodeDecodeError as error:
            _check_whole(file)
            reason = f"the text is not UTF-8: {error}"
            raise TraceError(reason, file=file, line=_undecodable_line(file)) from None
        except TraceError:
            # What is wrong with the text may come of damage that only the end tells.
            _check_whole(file)
            raise


_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)


def _damaged(error: Exception, file: str) -> TraceError:
    return TraceError(f"the gzip data is damaged or cut off: {error}", file=file)


@contextmanager
def _open_binary(file: str) -> Iterator[Any]:
    with Path(file).open("rb") as raw:
        start = raw.peek(2)[:2]
        zipped = start == b"\x1f\x8b"
        if start and not zipped and file.endswith(".gz"):
            raise TraceError("the name ends in .gz, but the data is not gzip's", file=file)
        yield gzip.GzipFile(fileobj=raw) if zipped else raw


def _check_whole(file: str) -> None:
    """Fail if the file is gzip and damaged anywhere."""
    with _open_binary(file) as binary:
        if not isinstance(binary, gzip.GzipFile):
            return
        try:
            while binary.read(1 << 20):
                pass
        except _DAMAGE as error:
            raise _damaged(error, file) from None


def _undecodable_line(file: str) -> int | None:
    """Find the first line that is not UTF-8."""
    with _open_binary(file) as binary:
        for number, line in enumerate(binary, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def csv_batches(
    rows: Any, where: Where, check_header: Callable[[list[str]], object]
) -> Iterator[Batch]:
    """Read batches from a `csv.reader`; `check_header` runs before any row is looked at."""
    try:
        header = next((row for row in rows if row), None)
        if header is None:
            where.fail("the file is empty")
        check_header(header)
        count = 0
        while chunk := list(itertools.islice(rows, _CSV_ROWS)):
            if [] in chunk:  # blank lines
                chunk = [row for row in chunk if row]
            if set(map(len, chunk)) - {len(header)}:
                _wrong_width(chunk, header, count, where)
            if chunk:
                yield header, dict(zip(header, zip(*chunk, strict=True), strict=True))
            count += len(chunk)
    except csv.Error as error:
        reason = f"not readable as CSV: {error}"
        raise TraceError(reason, file=where.file, line=rows.line_num) from None


def _wrong_width(chunk: list[list[str]], header: list[str], count: int, where: Where) -> NoReturn:
    index = next(i for i, row in enumerate(chunk) if len(row) != len(header))
    width = len(chunk[index])
    if width < len(header):
        where.fail("the cell is missing: the row ends before it", count + index, header[width])
    where.fail(f"the row has {width} cells, the header {len(header)}", count + index)


def csv_line(file: str, delimiter: str, index: int) -> int | None:
    """Find the line on which a data row ends."""
    with open_text(file) as stream:
        rows = csv.reader(stream, delimiter=delimiter, strict=True)
        seen = -1  # the header
        for row in rows:
            if row:
                if seen == index:
                    return int(rows.line_num)
                seen += 1
    return None


def _lines(stream: TextIO) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their number."""
    return ((n, line) for n, line in enumerate(stream, 1) if not line.isspace())


def jsonl_line(file: str, index: int) -> int | None:
    """Find the line of a data row."""
    with open_text(file) as stream:
        return next((n for n, _ in itertools.islice(_lines(stream), index, None)), None)


class _TwiceError(ValueError):
    """A key that an object has twice, of which one value would be lost."""


class _ConstantError(ValueError):
    """NaN or Infinity, which JSON does not have."""


def _no_constant(text: str) -> NoReturn:
    raise _ConstantError(f"{text} is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for i, key in enumerate(keys) if key in keys[:i]))
    return made


def _loads(text: str) -> Any:
    return json.loads(
        text,
        parse_float=decimal.Decimal,
        parse_constant=_no_constant,
        object_pairs_hook=_unique_keys,
    )


def jsonl_batches(stream: TextIO, where: Where) -> Iterator[Batch]:
    """Read batches from lines with a JSON object each."""
    lines = _lines(stream)
    count = 0
    keys: dict[str, None] = {}
    while chunk := list(itertools.islice(lines, _JSON_ROWS)):
        try:  # one call for all lines is several times faster than one for each
            rows = _loads("[" + ",".join(line for _, line in chunk) + "]")
        except (ValueError, RecursionError):
            rows = []
        if len(rows) != len(chunk) or set(map(type, rows)) != {dict}:
            rows = [_one_line(line, where, count + i) for i, (_, line) in enumerate(chunk)]
        keys |= dict.fromkeys(itertools.chain.from_iterable(rows))
        yield list(keys), {key: [row.get(key) for row in rows] for key in keys}
        count += len(chunk)


def _one_line(line: str, where: Where, index: int) -> dict[str, Any]:
    try:
        row = _loads(line)
    except _ConstantError as error:
        where.fail(str(error), index)
    except _TwiceError as error:
        where.fail("the object has this key twice", index, str(error))
    except json.JSONDecodeError as error:
        where.fail(f"not valid JSON ({error.msg}, character {error.pos + 1})", index)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 brackets
        where.fail(f"not usable JSON ({error})", index)
    if not isinstance(row, dict):
        where.fail(f"holds {shown(row)}, not an object; one JSON object a line is expected", index)
    return row
