"""Packaged datasets and `Trace`."""

import hashlib
import itertools
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from kvsim import datasets
from kvsim.datasets import Trace, TraceError

DATA = Path(datasets.__file__).parent.parent / "data" / "traces"

# name: rows, prompt (mean, median, p99), output (mean, median, p99), seconds, CV of the gaps
FIGURES = {
    "azure-2023-conversation": (19_366, (1154.7, 1020, 4142), (211.1, 129, 601), 3501.7, 1.09),
    "azure-2023-code": (8_819, (2047.8, 1469, 7436), (27.9, 13, 252), 3435.9, 13.15),
    "mooncake-conversation": (12_031, (12035.1, 6909, 85401), (342.6, 350, 1120), 3537.0, 3.03),
    "mooncake-synthetic": (3_993, (15325.5, 11587, 66458), (149.1, 69, 769), 1022.0, 1.01),
    "sharegpt-300": (300, (857.5, 730, 2764), (652.5, 631, 784), 29.1, 0.94),
}


def small(**columns: object) -> Trace:
    values = {"arrival_ns": [0, 3, 9], "prompt_tokens": [5, 6, 7], "output_tokens": [1, 2, 3]}
    return datasets.from_arrays(**(values | columns))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", datasets.names())
def test_published_statistics(name: str) -> None:
    rows, prompt, output, seconds, cv = FIGURES[name]
    about = datasets.load(name).describe()
    assert about["requests"] == rows == datasets.info(name).requests
    for column, (mean, median, p99) in (("prompt_tokens", prompt), ("output_tokens", output)):
        got = about[column]  # type: ignore[literal-required]
        assert got["mean"] == pytest.approx(mean, abs=0.06)
        assert (got["median"], got["p99"]) == (median, p99)
    arrivals = about["arrivals"]
    assert arrivals is not None
    assert arrivals["duration_s"] == pytest.approx(seconds, abs=0.06)
    assert arrivals["gap_cv"] == pytest.approx(cv, abs=0.006)
    assert arrivals["rate_per_s"] == rows / arrivals["duration_s"]
    json.dumps(about, allow_nan=False)


@pytest.mark.parametrize(
    ("name", "unique", "percent"),
    [("mooncake-conversation", 182_790, 36.6), ("mooncake-synthetic", 43_924, 64.0)],
)
def test_prefix_hits_of_an_unlimited_cache(name: str, unique: int, percent: float) -> None:
    trace = datasets.load(name)
    about = trace.describe()["prefixes"]
    assert about is not None
    assert about["unique_blocks"] == unique
    assert about["hit_fraction"] * 100 == pytest.approx(percent, abs=0.05)
    # By hand: a request hits up to its first new id.
    seen: set[int] = set()
    hits = 0
    assert trace.hash_ids is not None
    assert trace.hash_offset is not None
    ids, starts = trace.hash_ids.tolist(), trace.hash_offset.tolist()
    for begin, end in itertools.pairwise(starts):
        run = next((i for i in range(begin, end) if ids[i] not in seen), end)
        hits += run - begin
        seen.update(ids[begin:end])
    assert about["hit_blocks"] == hits


@pytest.mark.parametrize("name", ["mooncake-conversation", "mooncake-synthetic"])
def test_a_mooncake_id_stands_for_one_prefix(name: str) -> None:
    """Each id follows one id only, and always as a block of the same size."""
    trace = datasets.load(name)
    assert trace.hash_ids is not None
    assert trace.hash_offset is not None
    ids, starts = trace.hash_ids, trace.hash_offset
    before = np.concatenate([[-1], ids[:-1]])
    before[starts[:-1]] = -1
    size = np.full(len(ids), 512)
    size[starts[1:] - 1] = (trace.prompt_tokens - 1) % 512 + 1
    triples = np.unique(np.stack([ids, before, size]), axis=1)
    assert triples.shape[1] == len(np.unique(ids))


def test_the_idle_gap_of_the_code_trace_is_as_described() -> None:
    trace = datasets.load("azure-2023-code")
    arrivals = trace.describe()["arrivals"]
    assert trace.arrival_ns is not None
    assert arrivals is not None
    assert arrivals["longest_gap_s"] == 217.168952
    assert arrivals["longest_gap_before_row"] == 8101
    assert trace.arrival_ns[8099] == 2_855_821_485_000
    gaps = np.diff(trace.arrival_ns) / 1e9

    def cv(x: np.ndarray) -> float:
        return float(x.std() / x.mean())

    assert cv(np.delete(gaps, gaps.argmax())) == pytest.approx(12.53, abs=0.005)
    long = gaps >= 10
    assert long.sum() == 45
    assert gaps[long].sum() / gaps.sum() == pytest.approx(0.692, abs=0.0005)
    assert cv(gaps[~long]) == pytest.approx(3.01, abs=0.005)
    capped = trace.with_gaps_capped(10)
    about = capped.describe()["arrivals"]
    assert about is not None
    assert about["longest_gap_s"] == 10
    assert about["gap_cv"] == pytest.approx(4.63, abs=0.005)
    assert about["duration_s"] == pytest.approx(1508.5, abs=0.05)
    for figure in ("217.2 s", "row 8101", "12.5", "45 gaps", "69 %", "3.0"):
        assert figure in trace.description


def test_azure_times_are_exact() -> None:
    trace = datasets.load("azure-2023-conversation")
    assert trace.arrival_ns is not None
    assert trace.start_time == "2023-11-16 18:15:46.6805900"
    assert trace.arrival_ns[0] == 0
    assert trace.arrival_ns[-1] == 3_501_721_937_000


def test_files_are_the_ones_that_sources_md_states() -> None:
    stated = re.findall(r"`(\S+\.gz)`.*?`([0-9a-f]{64})`", (DATA / "SOURCES.md").read_text())
    files = {datasets.info(name).file for name in datasets.names()}
    assert {file for file, _ in stated} == files == {p.name for p in DATA.glob("*.gz")}
    for file, sha256 in stated:
        assert hashlib.sha256((DATA / file).read_bytes()).hexdigest() == sha256


def test_load_gives_one_object_with_its_origin() -> None:
    trace = datasets.load("sharegpt-300")
    assert datasets.load("sharegpt-300") is trace
    about = datasets.info("sharegpt-300")
    assert (trace.source, trace.licence) == (about.source, about.licence)
    assert trace.description == about.description


def test_unknown_dataset() -> None:
    with pytest.raises(TraceError, match="did you mean 'azure-2023-code'"):
        datasets.load("azure-2023-cod")


def test_columns_have_their_types_and_cannot_be_written() -> None:
    given = np.array([5, 6, 7])
    trace = small(
        prompt_tokens=given, priority=[-1, 0, 1], session_id=[0, -1, 0], stop_after=[0, 1, 2]
    )
    types = {
        "arrival_ns": "int64", "prompt_tokens": "int32", "output_tokens": "int32",
        "priority": "int32", "session_id": "int64", "stop_after": "int32",
    }  # fmt: skip
    for name, dtype in types.items():
        column = getattr(trace, name)
        assert column.dtype == dtype
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1
    given[0] = 99
    assert trace.prompt_tokens[0] == 5


def test_equality_and_hash_are_those_of_the_columns() -> None:
    trace, same = small(), small(name="other", source="elsewhere")
    assert trace == same
    assert hash(trace) == hash(same)
    assert trace.sha256 == same.sha256
    others = [
        small(output_tokens=[1, 2, 4]),
        small(priority=[0, 0, 0]),
        small(arrival_ns=None),
        small(hash_offset=[0, 1, 2, 3], hash_ids=[1, 2, 3], hash_block_tokens=16),
        small(hash_offset=[0, 1, 2, 3], hash_ids=[1, 2, 3], hash_block_tokens=32),
    ]
    assert len({t.sha256 for t in [trace, *others]}) == 6
    assert trace != "trace"
    assert pickle.loads(pickle.dumps(trace)) == trace


def test_hash_is_stable() -> None:
    assert datasets.load("azure-2023-conversation").sha256.startswith("a9747ddf")
    assert datasets.load("mooncake-conversation").sha256.startswith("79130ab4")


def test_head_and_slice() -> None:
    trace = small(
        hash_offset=[0, 2, 3, 5], hash_ids=[1, 2, 3, 4, 5], hash_block_tokens=4,
        prompt_tokens=[5, 4, 7], token_offset=[0, 5, 9, 16], token_ids=range(16),
    )  # fmt: skip
    first = trace.head(2)
    assert first.arrival_ns is not None
    assert first.arrival_ns.tolist() == [0, 3]
    assert trace.head(100) is trace
    last = trace.slice(1, 3)
    assert last.arrival_ns is not None
    assert last.hash_offset is not None
    assert last.hash_ids is not None
    assert last.token_ids is not None
    assert last.arrival_ns.tolist() == [0, 6]
    assert last.hash_offset.tolist() == [0, 1, 3]
    assert last.hash_ids.tolist() == [3, 4, 5]
    assert last.token_ids.tolist() == list(range(5, 16))
    for start, stop in ((-1, 2), (2, 2), (0, 4)):
        with pytest.raises(TraceError, match="0 <= start < stop"):
            trace.slice(start, stop)
    with pytest.raises(TraceError, match="0 <= start < stop"):
        trace.head(0)


def test_errors_can_be_pickled() -> None:
    error = TraceError("wrong", file="f", row=2, line=3, column="c")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("gap", [0, -1.0, float("nan"), float("inf")])
def test_cap_of_gaps_must_be_positive(gap: float) -> None:
    with pytest.raises(TraceError, match="max_gap_s"):
        small().with_gaps_capped(gap)


def test_lengths_only() -> None:
    trace = small(arrival_ns=None)
    assert trace.describe()["arrivals"] is None
    assert trace.duration_s == 0
    with pytest.raises(TraceError, match="no arrival times"):
        trace.with_gaps_capped(1)


def test_one_request_and_simultaneous_ones_have_no_rate() -> None:
    trace = datasets.from_arrays(prompt_tokens=[1], output_tokens=[1], arrival_ns=[7])
    about = trace.describe()["arrivals"]
    assert about == {
        "duration_s": 0.0, "rate_per_s": None, "gap_cv": None,
        "longest_gap_s": None, "longest_gap_before_row": None,
    }  # fmt: skip
    together = small(arrival_ns=[4, 4, 4]).describe()["arrivals"]
    assert together is not None
    assert (together["rate_per_s"], together["gap_cv"]) == (None, None)


def test_sessions_are_counted() -> None:
    assert small(session_id=[-1, 3, 3]).describe()["sessions"] == 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"prompt_tokens": [5, 0, 7]}, r"row 2, column 'prompt_tokens'.*is 0; .*at least 1"),
        ({"output_tokens": [5, 6, -7]}, r"row 3, column 'output_tokens'.*is -7"),
        ({"output_tokens": [1, 2, 2**31]}, r"row 3.*2147483648; .*at most 2147483647"),
        ({"prompt_tokens": [1.5, 2, 3]}, r"column 'prompt_tokens': has type float64"),
        ({"prompt_tokens": [True, True, True]}, "has type bool"),
        ({"prompt_tokens": ["1", "2", "3"]}, "whole numbers"),
        ({"prompt_tokens": [[1], [2], [3]]}, "2 dimensions"),
        ({"prompt_tokens": [1, [2], 3]}, "no array of whole numbers"),
        ({"output_tokens": [1, 2]}, r"column 'output_tokens': has 2 entries, prompt_tokens has 3"),
        ({"output_tokens": None}, "column 'output_tokens': the column is missing"),
        ({"arrival_ns": [0, 5, 4]}, r"row 3, column 'arrival_ns'.*1 ns before the row above"),
        ({"arrival_ns": [-1, 5, 6]}, r"row 1.*at least 0"),
        ({"arrival_ns": np.array([1, 2, 2**63], np.uint64)}, "beyond int64"),
        ({"arrival_ns": [], "prompt_tokens": [], "output_tokens": []}, "no requests"),
        ({"hash_ids": [1]}, "hash_offset"),
        ({"hash_offset": [0, 1, 2, 3], "hash_ids": [1, 2, 3]}, "hash_block_tokens"),
        ({"hash_block_tokens": 4}, "hash_block_tokens"),
        (
            {"hash_offset": [0, 2, 1, 3], "hash_ids": [1, 2, 3], "hash_block_tokens": 512},
            "must rise from 0 to the 3 hash ids in 4 entries",
        ),
        (
            {"hash_offset": [0, 1, 2, 3], "hash_ids": [1, -2, 3], "hash_block_tokens": 512},
            "row 2, column 'hash_ids': one of the hash ids is -2",
        ),
        (
            {"hash_offset": [0, 1, 2, 3], "hash_ids": [1, 2, 3], "hash_block_tokens": 6},
            r"row 3.*1 hash ids; a prompt of 7 tokens has 2 blocks of 6 tokens",
        ),
        (
            {"hash_offset": [0, 1, 2, 3], "hash_ids": [1, 2, 3], "hash_block_tokens": 0},
            "hash_block_tokens is 0",
        ),
        (
            {"token_offset": [0, 5, 11, 17], "token_ids": [1] * 17},
            "row 3.*6 token ids for a prompt of 7 tokens",
        ),
        ({"prioritty": [1]}, "did you mean 'priority'"),
    ],
)
def test_bad_columns(columns: dict[str, object], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        small(**columns)
