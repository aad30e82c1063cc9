"""Traces from CSV and JSON-lines files: formats, exact times, errors that name the place."""

import datetime
import decimal
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvsim import datasets
from kvsim.datasets import Trace, TraceError

HEADER = "arrival_s,prompt_tokens,output_tokens\n"


def csv_trace(tmp_path: Path, text: str | bytes, **options: Any) -> Trace:
    file = tmp_path / "t.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return datasets.from_csv(file, **options)


def jsonl_trace(tmp_path: Path, *rows: Any, **options: Any) -> Trace:
    file = tmp_path / "t.jsonl"
    file.write_text("".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows))
    return datasets.from_jsonl(file, **({"time_unit": "ms"} | options))


def times(trace: Trace) -> list[int]:
    assert trace.arrival_ns is not None
    result: list[int] = trace.arrival_ns.tolist()
    return result


def row(**changed: Any) -> dict[str, Any]:
    return {"timestamp": 0, "input_length": 600, "output_length": 2, "hash_ids": [7, 8]} | changed


# ---- what is accepted ----


def test_plain_gzip_bom_crlf_and_blank_lines_are_the_same(tmp_path: Path) -> None:
    text = HEADER + "1,10,2\n1.5,20,3\n"
    wanted = csv_trace(tmp_path, text)
    assert times(wanted) == [0, 500_000_000]
    assert wanted.start_time == "1"
    for other in (
        text.replace("\n", "\r\n"),
        "\ufeff" + text,
        gzip.compress(text.encode()),
        gzip.compress(("\ufeff" + text.replace("\n", "\r\n")).encode()),
        text.replace("\n", "\n\n") + "\n\n",
        text.rstrip("\n"),
        text.replace("1.5", '"1.5"').replace(",10,", ", 10 ,"),
    ):
        assert csv_trace(tmp_path, other) == wanted


def test_headers_of_known_traces_are_recognised(tmp_path: Path) -> None:
    for header, unit in (
        ("TIMESTAMP,ContextTokens,GeneratedTokens", "s"),
        ("Timestamp,Model,Request tokens,Response tokens,Log Type", "s"),
        ("arrived_at,num_prefill_tokens,num_decode_tokens", "s"),
        ("id,arrival_ns,prompt_len,max_tokens", None),
    ):
        cells = ",".join("1" for _ in header.split(","))
        assert len(csv_trace(tmp_path, f"{header}\n{cells}\n{cells}\n", time_unit=unit)) == 2


def test_columns_can_be_named(tmp_path: Path) -> None:
    trace = csv_trace(
        tmp_path,
        "when;in;out;who\n5;1;2;a\n6;3;4;\n7;3;4;a\n",
        columns={
            "arrival": "when",
            "prompt_tokens": "in",
            "output_tokens": "out",
            "session": "who",
        },
        time_unit="us",
        delimiter=";",
        name="mine",
    )
    assert times(trace) == [0, 1000, 2000]
    assert trace.session_id is not None
    assert trace.session_id.tolist() == [0, -1, 0]
    assert trace.name == "mine"


def test_a_column_can_be_left_out(tmp_path: Path) -> None:
    text = "arrival_s,prompt_len,max_tokens,priority\nx,1,2,3\n"
    trace = csv_trace(tmp_path, text, columns={"arrival": None, "priority": None})
    assert trace.arrival_ns is None
    assert trace.priority is None


def test_an_empty_session_column_is_none(tmp_path: Path) -> None:
    assert (
        csv_trace(tmp_path, "arrival_s,input_toks,output_toks,session\n0,1,1,\n").session_id is None
    )


def test_every_field_in_a_csv(tmp_path: Path) -> None:
    trace = csv_trace(
        tmp_path,
        "arrival_ns,prompt_tokens,output_tokens,priority,session_id,hash_ids,token_ids,stop_after\n"
        '3,2,9,-4,s1,"[1]","[5, 6]",0\n'
        "4,3,9,5,s2,1 2,7;8;9,3\n",
        hash_block_tokens=2,
    )
    columns = {
        "arrival_ns": [0, 1], "prompt_tokens": [2, 3], "output_tokens": [9, 9],
        "priority": [-4, 5], "session_id": [0, 1], "stop_after": [0, 3],
        "hash_offset": [0, 1, 3], "hash_ids": [1, 1, 2],
        "token_offset": [0, 2, 5], "token_ids": [5, 6, 7, 8, 9],
    }  # fmt: skip
    for name, values in columns.items():
        assert getattr(trace, name).tolist() == values
    assert trace.hash_block_tokens == 2


def test_a_prompt_longer_than_the_csv_modules_limit_for_a_cell(tmp_path: Path) -> None:
    ids = " ".join(["100000"] * 30_000)
    trace = csv_trace(tmp_path, f"arrival_s,prompt_len,max_tokens,token_ids\n0,30000,1,{ids}\n")
    assert trace.token_ids is not None
    assert len(trace.token_ids) == 30_000


def test_jsonl(tmp_path: Path) -> None:
    trace = jsonl_trace(
        tmp_path,
        row(timestamp=3),
        "\n",
        row(timestamp=27.5, priority=1, x=[]),
        columns={"priority": None},
    )
    assert times(trace) == [0, 24_500_000]
    assert trace.hash_ids is not None
    assert trace.hash_ids.tolist() == [7, 8, 7, 8]


def test_many_batches(tmp_path: Path) -> None:
    n = 70_001
    trace = csv_trace(tmp_path, HEADER + "".join(f"{i},1,{i + 1}\n" for i in range(n)))
    assert trace.output_tokens.tolist() == list(range(1, n + 1))
    rows = [row(timestamp=i, output_length=i + 1) for i in range(9000)]
    assert jsonl_trace(tmp_path, *rows).output_tokens.tolist() == list(range(1, 9001))


# ---- times ----


@given(st.data())
def test_numeric_times_are_exact(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    unit, power = data.draw(st.sampled_from([("s", 9), ("ms", 6), ("us", 3), ("ns", 0)]))
    wanted = sorted(data.draw(st.lists(st.integers(0, 10**18), min_size=1, max_size=5)))
    cells = [str(decimal.Decimal(t).scaleb(-power)) for t in wanted]  # 1E+3 and the like too
    text = f"arrival_{unit},prompt_len,max_tokens\n" + "".join(f"{c},1,1\n" for c in cells)
    trace = csv_trace(tmp_path_factory.mktemp("t"), text, from_first_row=False)
    assert times(trace) == wanted


@given(st.lists(st.integers(0, 4 * 10**15), min_size=1, max_size=5), st.sampled_from(" T"))
def test_wall_clock_times_are_exact(
    tmp_path_factory: pytest.TempPathFactory, ticks: list[int], between: str
) -> None:
    ticks = sorted(ticks)  # of 100 ns since 2020
    epoch = datetime.datetime(2020, 1, 1)
    cells = []
    for tick in ticks:
        second, part = divmod(tick, 10**7)
        moment = epoch + datetime.timedelta(seconds=second)
        cells.append(f"{moment:%Y-%m-%d}{between}{moment:%H:%M:%S}.{part:07d}")
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(f"{c},1,1\n" for c in cells)
    trace = csv_trace(tmp_path_factory.mktemp("t"), text)
    assert times(trace) == [100 * (t - ticks[0]) for t in ticks]


def test_wall_clock_forms(tmp_path: Path) -> None:
    text = (
        "arrival,prompt_len,max_tokens\n"
        "2024-02-29T23:59:59Z,1,1\n"
        "2024-03-01 01:00:00.5+01:00,1,1\n"
        "2024-02-29 19:30:01,1,1\n"
    ).replace("19:30:01", "19:30:01-0430")
    assert times(csv_trace(tmp_path, text)) == [0, 1_500_000_000, 2_000_000_000]
    rounded = "arrival,prompt_len,max_tokens\n2024-01-01 00:00:00,1,1\n"
    rounded += "2024-01-01 00:00:00.0000000025,1,1\n2024-01-01 00:00:00.0000000035,1,1\n"
    assert times(csv_trace(tmp_path, rounded)) == [0, 2, 4]


def test_parts_of_a_ns_are_rounded_half_to_even(tmp_path: Path) -> None:
    text = HEADER + "0,1,1\n0.0000000005,1,1\n0.0000000015,1,1\n0.30000000000000004,1,1\n"
    assert times(csv_trace(tmp_path, text)) == [0, 0, 2, 300_000_000]


def test_json_numbers_do_not_pass_through_floats(tmp_path: Path) -> None:
    rows = [
        '{"timestamp": 1700000000000.000001, "input_length": 1, "output_length": 1}\n',
        '{"timestamp": 1700000000000.000002, "input_length": 1, "output_length": 1}\n',
    ]
    assert times(jsonl_trace(tmp_path, *rows)) == [0, 1]


# ---- errors ----


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("0,10,2\n1,,3\n", r"t\.csv: row 2 \(line 3\), column 'prompt_tokens': .*is missing"),
        ("0,10,2\n\n1,20\n", r"row 2 \(line 4\), column 'output_tokens': the cell is missing"),
        ("0,10,2\n1,20,3,4\n", r"row 2 \(line 3\): the row has 4 cells, the header 3"),
        ("0,ten,2\n", r"row 1 \(line 2\), column 'prompt_tokens': .*is 'ten', not a number"),
        ("0,1_000,2\n", "'1_000', not a number"),
        ("0,10,2.5\n", r"column 'output_tokens': the output length is 2\.5, not a whole number"),
        ("0,10,nan\n", "'nan', not a number"),
        ("0,inf,1\n", "'inf', not a number"),
        ("0,-10,2\n", r"row 1 .*the prompt length is -10; it must be at least 1"),
        (
            "0,10,2\n1,10,0\n",
            r"row 2 \(line 3\), column 'output_tokens'.*is 0; it must be at least 1",
        ),
        ("0,2147483648,2\n", r"is 2147483648; it must be at most 2147483647"),
        ("0,10,1e40\n", "it must be at most 2147483647"),
        ("0,99999999999999999999,1\n", "it must be at most"),
        (
            "5,1,1\n4.5,1,1\n",
            r"row 2 \(line 3\), column 'arrival_s': .* 500000000 ns before the row",
        ),
        ("5,1,1\n,1,1\n", r"row 2 .*column 'arrival_s': the arrival time is missing"),
        (",1,1\n", r"row 1 .*column 'arrival_s': the arrival time is missing"),
        ("5,1,1\nnan,1,1\n", "the arrival time is 'nan', not a number"),
        ("soon,1,1\n", "'soon', neither a number nor a date and time"),
        ("5,1,1\n2023-11-16 18:15:46,1,1\n", r"not a number \(other rows hold numbers\)"),
        ("1e300,1,1\n", "'1e300' is beyond int64 nanoseconds"),
        ("0,1,1\n1e999999999,1,1\n", "'1e999999999' is beyond int64 nanoseconds"),
        ("0,1e999999999,1\n", "it must be at most"),
        ("0,1e-999999999,1\n", "not a whole number"),
        ("-9e9,1,1\n9e9,1,1\n", "span more than int64"),
        ("", "no rows of data"),
        ("\n\n", "no rows of data"),
        ('0,1,"1\n', r"line 2: not readable as CSV"),
    ],
)
def test_bad_rows_of_a_csv(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        csv_trace(tmp_path, HEADER + body)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("16/11/2023 18:15", "not a time like '2023-11-16"),
        ("2023-13-16 18:15:46.00", "is no date and time of day"),
        ("2023-02-30 18:15:46.00", "is no date and time of day"),
        ("2023-11-16 24:15:46.00", "is no date and time of day"),
        ("1500-11-16 18:15:46.00", "between 1700 and 2199"),
        ("17", "not a time like"),
        ("", "the arrival time is missing"),
    ],
)
def test_bad_wall_clock_times(tmp_path: Path, cell: str, message: str) -> None:
    text = f"arrival,prompt_len,max_tokens\n2023-11-16 18:15:46,1,1\n{cell},1,1\n"
    with pytest.raises(TraceError, match=rf"row 2 \(line 3\), column 'arrival': .*{message}"):
        csv_trace(tmp_path, text)


def test_an_error_in_a_later_batch_names_its_row(tmp_path: Path) -> None:
    lines = [f"{i},1,1\n" for i in range(70_000)]
    lines[69_998] = "69998,1,x\n"
    with pytest.raises(TraceError, match=r"row 69999 \(line 70000\)") as caught:
        csv_trace(tmp_path, HEADER + "".join(lines))
    error = caught.value
    assert (error.row, error.line, error.column) == (69_999, 70_000, "output_tokens")
    rows = [row() for _ in range(5000)]
    rows[4999] = row(hash_ids=[1, "x"])
    with pytest.raises(TraceError, match=r"row 5000 \(line 5000\), column 'hash_ids'.*'x'"):
        jsonl_trace(tmp_path, *rows)


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("arrival_s,prompts,output_tokens", {}, "no column for 'prompt_tokens'.*'prompts'"),
        ("arrival_s,a,b", {"columns": {"prompt_tokens": "aa"}}, "no column 'aa'"),
        ("arrival_s,size,b", {"columns": {"prompt_tokens": "sise"}}, "did you mean 'size'"),
        ("arrival_s,a,b", {"columns": {"promt_tokens": "a"}}, "did you mean 'prompt_tokens'"),
        ("arrival_s,prompt_len,b", {"columns": {"output_tokens": None}}, "must have"),
        ("arrival_s,prompt_len,input_toks", {}, r"may all be 'prompt_tokens'.*columns="),
        ("arrival_s,prompt_len,prompt_len", {}, "may all be"),
        ("arrival_s,a,a", {"columns": {"prompt_tokens": "a"}}, "no column for 'output_tokens'"),
        ("time,prompt_len,max_tokens", {}, "no column for 'arrival'"),
        ("timestamp,prompt_len,max_tokens", {}, "unknown unit; give time_unit="),
        ("timestamp,prompt_len,max_tokens", {"time_unit": "h"}, "'h'; it must be one of s, ms"),
        ("arrival_ms,prompt_len,max_tokens", {"time_unit": "s"}, "name says ms"),
        ("x,prompt_len,max_tokens", {"columns": {"arrival": None}, "time_unit": "s"}, "no arrival"),
        ("arrival_s;prompt_len;max_tokens", {}, "no column for 'arrival'"),
    ],
)
def test_bad_headers(tmp_path: Path, header: str, options: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        csv_trace(tmp_path, header + "\n1,1,1\n", **options)


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    text = "arrival_s,a,a,max_tokens\n0,1,2,3\n"
    with pytest.raises(TraceError, match="twice"):
        csv_trace(tmp_path, text, columns={"prompt_tokens": "a"})


def test_time_unit_with_dates(tmp_path: Path) -> None:
    text = "arrival,prompt_len,max_tokens\n2023-11-16 18:15:46,1,1\n"
    with pytest.raises(TraceError, match="holds dates and times"):
        csv_trace(tmp_path, text, time_unit="s")


def test_times_before_zero_are_fine_unless_kept(tmp_path: Path) -> None:
    text = HEADER + "-1,1,1\n2,1,1\n"
    assert times(csv_trace(tmp_path, text)) == [0, 3_000_000_000]
    with pytest.raises(TraceError, match=r"row 1 \(line 2\).*negative"):
        csv_trace(tmp_path, text, from_first_row=False)


def test_damaged_files(tmp_path: Path) -> None:
    packed = gzip.compress(
        (HEADER + "".join(f"{i},{i % 97 + 1},7\n" for i in range(5000))).encode()
    )
    for data in (packed[: len(packed) // 2], packed[:-4], packed[:40] + b"\0\0\0" + packed[43:]):
        with pytest.raises(TraceError, match=r"t\.csv: the gzip data is damaged or cut off"):
            csv_trace(tmp_path, data)
    with pytest.raises(TraceError, match="not UTF-8"):
        csv_trace(tmp_path, HEADER.encode("utf-16"))
    latin = (HEADER + "0,5,7\n1,5,7\n").encode() + "2,5,7 \xe9\n3,5,7\n".encode("latin-1")
    for data in (latin, gzip.compress(latin)):
        with pytest.raises(TraceError, match=r"t\.csv: line 4: the text is not UTF-8"):
            csv_trace(tmp_path, data)
    with pytest.raises(TraceError, match="the file is empty"):
        csv_trace(tmp_path, "")
    with pytest.raises(TraceError, match="no rows of data"):
        jsonl_trace(tmp_path, "")
    with pytest.raises(FileNotFoundError):
        datasets.from_csv(tmp_path / "none.csv")


@pytest.mark.parametrize("place", range(0, 900, 7))
def test_gzip_with_a_wrong_bit_is_never_an_error_about_its_rows(tmp_path: Path, place: int) -> None:
    text = HEADER + "".join(f"{i},{i * i % 97 + 1},7\n" for i in range(400))
    packed = bytearray(gzip.compress(text.encode(), mtime=0))
    packed[place] ^= 16
    file = tmp_path / "t.csv.gz"
    file.write_bytes(packed)
    reason = ""
    try:
        assert len(datasets.from_csv(file)) == 400
    except TraceError as error:
        reason = error.reason
    # A bit of the header that means nothing, such as the time, changes nothing.
    assert "gzip" in reason or (place < 10 and not reason)


@pytest.mark.parametrize("line", [0, 1, 4999])
def test_a_key_twice_in_a_row(tmp_path: Path, line: int) -> None:
    rows = [json.dumps(row(timestamp=i)) + "\n" for i in range(5000)]
    rows[line] = rows[line].replace("}", ', "output_length": 9}')
    place = rf"row {line + 1} \(line {line + 1}\), column 'output_length': .* twice"
    with pytest.raises(TraceError, match=place):
        jsonl_trace(tmp_path, *rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"timestamp": 0, "input_len'], r"row 1 \(line 1\): not valid JSON"),
        ([row(), "\n", "[1, 2]\n"], r"row 2 \(line 3\): holds \[1, 2\], not an object"),
        ([row(), '{"timestamp": NaN}\n'], r"row 2 \(line 2\): NaN is not JSON"),
        ([row(), row(), "{} {}\n"], r"row 3 \(line 3\): not valid JSON"),
        (['{"timestamp": ' + "9" * 5000 + "}\n"], "not usable JSON"),
        ([row(), row(input_length=None)], r"row 2 .*'input_length': the prompt length is missing"),
        ([row(), {"timestamp": 1}], "row 2 .*'input_length': the prompt length is missing"),
        ([row(input_length="many")], "'many', not a number"),
        ([row(input_length=True)], "True, not a number"),
        ([row(input_length=[1])], r"\[1\], not a number"),
        ([row(input_length=1.5)], "1.5, not a whole number"),
        ([row(hash_ids=[1])], r"1 hash ids; a prompt of 600 tokens has 2 blocks of 512 tokens"),
        ([row(), row(hash_ids=None)], "row 2 .*the hash ids are missing"),
        ([row(), row(hash_ids=3)], "row 2 .*the hash ids are 3, not a list"),
        (
            [row(), row(hash_ids=[3, -1])],
            "row 2 .*one of the hash ids is -1; it must be at least 0",
        ),
        ([row(), row(hash_ids=[3, 2**63])], "row 2 .*9223372036854775808; it must be at most"),
        ([row(timestamp=9), row(timestamp=8)], r"row 2 \(line 2\), column 'timestamp'"),
        ([row(token_ids=[1, 2])], "2 token ids for a prompt of 600 tokens"),
        ([row(timestamp="2023-11-16 18:15:46")], "holds dates and times"),
    ],
)
def test_bad_jsonl(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        jsonl_trace(tmp_path, *rows)


def test_a_key_that_appears_late(tmp_path: Path) -> None:
    rows = [row() for _ in range(5000)]
    assert len(jsonl_trace(tmp_path, *rows[:4999], row(comment="x"))) == 5000
    rows[4500] = row(priority=3)
    with pytest.raises(TraceError, match="column 'priority': the first 4096 rows lack it"):
        jsonl_trace(tmp_path, *rows)


def test_missing_hash_block_size(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="hash_block_tokens is 0"):
        jsonl_trace(tmp_path, row(), hash_block_tokens=0)


CELL = st.one_of(
    st.sampled_from(
        ["", "1", "2.5", "-3", "1e9", "nan", '"', "a,b", "[1 2]", "\x00", "2024-01-01 00:00:00"]
    ),
    st.text(max_size=5),
)


@given(st.lists(st.lists(CELL, max_size=4), max_size=5), st.booleans())
def test_no_text_does_anything_but_load_or_raise_a_trace_error(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]], header: bool
) -> None:
    text = (HEADER if header else "") + "\n".join(",".join(r) for r in cells)
    folder = tmp_path_factory.mktemp("t")
    for read in (datasets.from_csv, datasets.from_jsonl):
        file = folder / "t"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            trace = read(file)
        except TraceError:
            continue
        assert min(trace.prompt_tokens.min(), trace.output_tokens.min()) >= 1
        assert min(times(trace)) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(row(), JSON)), max_size=3))
def test_no_json_does_anything_but_load_or_raise_a_trace_error(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    try:
        trace = jsonl_trace(tmp_path_factory.mktemp("t"), *(row() | r for r in rows))
    except TraceError:
        return
    assert len(trace) == len(rows)
