"""`verify_vllm`: replaying recorded runs of vLLM's scheduler."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

import kvsim
from kvsim._verify import MODES, find_cases, replay

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = find_cases([GOLDEN])


def test_all_cases_are_there() -> None:
    assert len([c for c in CASES if c.parent.name == "sync"]) == 22
    assert len([c for c in CASES if c.parent.name == "async_pp"]) == 15


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_golden_case(case: Path, mode: str) -> None:
    report = replay(case, mode)
    assert report.ok, report.error or str(report.difference)
    assert report.steps > 0
    assert report.entries > 0


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "sync" / "o00_toy", tmp_path / "toy"))


def rewrite(path: Path, old: str, new: str) -> None:
    text = gzip.decompress(path.read_bytes()).decode()
    assert old in text
    path.write_bytes(gzip.compress(text.replace(old, new, 1).encode()))


def test_a_difference_is_named(toy: Path) -> None:
    steps = toy / "steps.csv.gz"
    header, first, *_ = gzip.decompress(steps.read_bytes()).decode().splitlines()
    cells = first.split(",")
    wrong = ",".join([*cells[:4], "9999", *cells[5:]])
    rewrite(steps, first, wrong)
    report = kvsim.verify_vllm(toy)
    assert not report.ok
    difference = report.cases[0].difference
    assert difference is not None
    assert (difference.file, difference.row) == ("steps.csv.gz", 1)
    assert (difference.column, difference.expected) == (header.split(",")[4], "9999")
    assert difference.got == cells[4]
    assert "row 1, column 'tokens': expected '9999'" in report.lines()[0]
    assert report.lines()[-1] == "0 of 1 cases reproduced in every column"


def test_missing_and_surplus_rows_are_differences(toy: Path) -> None:
    path = toy / "requests_out.csv.gz"
    *rows, last = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    short = replay(toy, "step").difference
    assert short is not None
    assert short.expected == ""
    path.write_bytes(gzip.compress("\n".join([*rows, last, "99" + last]).encode()))
    long = replay(toy, "step").difference
    assert long is not None
    assert long.got == ""


def test_other_columns_are_a_difference(toy: Path) -> None:
    rewrite(toy / "sched.csv.gz", "ntok", "n_tok")
    report = replay(toy, "leap")
    assert report.difference is not None
    assert report.difference.column == "(header)"


def test_what_cannot_run_is_reported(toy: Path) -> None:
    config = json.loads((toy / "config.json").read_text())
    config["speculation_depth"] = 3
    (toy / "config.json").write_text(json.dumps(config))
    report = kvsim.verify_vllm([toy])
    assert not report.ok
    assert "unknown key 'speculation_depth'" in report.cases[0].error


def test_no_case_is_no_success(tmp_path: Path) -> None:
    assert not kvsim.verify_vllm(tmp_path).ok
    with pytest.raises(NotADirectoryError, match="no such folder"):
        kvsim.verify_vllm(tmp_path / "nowhere")
