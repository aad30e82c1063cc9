"""Reading cases for vLLM's scheduler."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from kvsim import datasets
from kvsim.datasets import TraceError

ROOT = Path(__file__).parents[2]
CASES = sorted(
    p.parent
    for folder in ("tests/golden/sync", "tests/golden/async_pp", "bench/vllm")
    for p in (ROOT / folder).glob("*/config.json")
)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A copy of a small case with prompts that a test may damage."""
    folder = tmp_path / "case"
    shutil.copytree(ROOT / "tests/golden/sync/o08_prefix", folder)
    return folder


def edit_config(case: Path, **changed: object) -> None:
    file = case / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def test_all_cases_are_here() -> None:
    names = [c.name for c in CASES]
    assert len(names) == len(set(names)) == 22 + 15 + 3


@pytest.mark.parametrize("folder", CASES, ids=lambda p: p.name)
def test_every_case_can_be_read(folder: Path) -> None:
    config, trace = datasets.from_vllm_case(folder)
    lines = (folder / "requests.csv").read_text().splitlines()
    header, rows = lines[0].split(","), [list(map(int, line.split(","))) for line in lines[1:]]
    for column, field in (
        ("arrival_ns", "arrival_ns"), ("prompt_len", "prompt_tokens"),
        ("max_tokens", "output_tokens"), ("priority", "priority"), ("stop_after", "stop_after"),
    ):  # fmt: skip
        got = getattr(trace, field)
        wanted = [r[header.index(column)] for r in rows] if column in header else None
        assert (got is None and wanted is None) or got.tolist() == wanted
    assert (trace.token_ids is not None) == config["enable_prefix_caching"]
    for key in ("async_scheduling", "pipeline_parallel_size", "empty_sleep_ns"):
        assert key in config
    assert (trace.name, trace.description) == (folder.name, config["note"])


def test_prompts(case: Path) -> None:
    _, trace = datasets.from_vllm_case(case)
    lines = gzip.decompress((case / "prompts.txt.gz").read_bytes()).decode().splitlines()
    assert trace.token_offset is not None
    assert trace.token_ids is not None
    for i, line in enumerate(lines):
        ids = trace.token_ids[trace.token_offset[i] : trace.token_offset[i + 1]]
        assert ids.tolist() == list(map(int, line.split()))


def test_defaults_of_older_cases() -> None:
    config, _ = datasets.from_vllm_case(ROOT / "tests/golden/sync/o00_toy")
    assert config["async_scheduling"] is False
    assert (config["pipeline_parallel_size"], config["empty_sleep_ns"]) == (1, 0)


def test_unknown_and_missing_keys(case: Path) -> None:
    edit_config(case, blok_size=4)
    with pytest.raises(TraceError, match=r"config\.json: unknown key 'blok_size'; .*'block_size'"):
        datasets.from_vllm_case(case)
    (case / "config.json").write_text('{"block_size": 16}')
    with pytest.raises(TraceError, match="there is no 'enable_chunked_prefill'"):
        datasets.from_vllm_case(case)
    (case / "config.json").write_text('{"block_size": 16')
    with pytest.raises(TraceError, match="not valid JSON"):
        datasets.from_vllm_case(case)
    (case / "config.json").write_text("[]")
    with pytest.raises(TraceError, match="not an object"):
        datasets.from_vllm_case(case)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n1,", "\n7,", r"row 2 \(line 3\), column 'id': the id is '7'"),
        ("max_tokens", "max_token", "unknown column 'max_token'; did you mean 'max_tokens'"),
        ("priority", "stop_after", "there is no column 'priority'"),
        ("\n0,", "\n0,x", r"row 1 \(line 2\), column 'arrival_ns'"),
    ],
)
def test_bad_requests(case: Path, old: str, new: str, message: str) -> None:
    file = case / "requests.csv"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(TraceError, match=message):
        datasets.from_vllm_case(case)


def test_bad_prompts(case: Path) -> None:
    file = case / "prompts.txt.gz"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()

    def write(text: str) -> None:
        file.write_bytes(gzip.compress(text.encode()))

    write("\n".join(lines[:-1]) + "\n")
    with pytest.raises(TraceError, match=f"{len(lines) - 1} prompts for {len(lines)} requests"):
        datasets.from_vllm_case(case)
    write("\n".join([lines[0], lines[1] + " 5", *lines[2:]]))
    with pytest.raises(TraceError, match=r"row 2.*token ids for a prompt of"):
        datasets.from_vllm_case(case)
    for wrong in ("x", "-1", "99999999999"):
        write("\n".join([lines[0], wrong + lines[1][lines[1].index(" ") :], *lines[2:]]))
        with pytest.raises(TraceError, match=rf"row 2.*{wrong}"):
            datasets.from_vllm_case(case)
    file.unlink()
    with pytest.raises(TraceError, match=r"there is no prompts\.txt\.gz"):
        datasets.from_vllm_case(case)
