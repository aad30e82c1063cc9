"""Step times against measurements, and the readers of measurement files."""

import json
from pathlib import Path

import pytest

import kvsim
from kvsim.validate import score_requests, score_rows
from kvsim.validate.conditions import Conditions, read_conditions, read_runs
from kvsim.validate.requests import OPEN_META, OPEN_REQUESTS
from kvsim.validate.rows import OPEN_ROWS, scenario_of


@pytest.fixture(scope="module")
def open_rows() -> kvsim.validate.StepTimeScore:
    return score_rows(seeds=range(3))


def test_45_open_runs_within_the_targets(open_rows: kvsim.validate.StepTimeScore) -> None:
    assert len(open_rows.rows) == 45
    assert open_rows.mape["ttft_ms"] < 5
    assert open_rows.mape["tpot_ms"] < 2.3
    assert open_rows.mape["e2e_ms"] < 2.3


def test_runs_at_the_kv_wall(open_rows: kvsim.validate.StepTimeScore) -> None:
    wall = [row for row in open_rows.rows if row.at_wall]
    assert {(r.run.prompt_tokens, r.run.concurrency) for r in wall} >= {(8192, 64), (1024, 64)}
    assert max(abs(row.errors["ttft_ms"]) for row in wall) < 0.10


def test_formulas_alone_stay_close() -> None:
    score = score_rows(seeds=[0], step_time={"kind": "kernels", "tables": "fitted"})
    assert score.mape["ttft_ms"] < 6.4
    assert score.mape["tpot_ms"] < 2.9


def test_requests_one_by_one() -> None:
    score = score_requests()
    assert score.num_requests == 300
    assert abs(score.mean_error["ttft_ms"]) < 4.6
    assert score.mape["tpot_ms"] < 2.6
    assert score.mape["e2e_ms"] < 3.1
    assert any("no measured kernels" in w for w in score.warnings)
    assert score.table().count("\n") == 4


def test_table_has_a_line_a_run(open_rows: kvsim.validate.StepTimeScore) -> None:
    lines = open_rows.table().splitlines()
    assert len(lines) == 48
    assert lines[-2].startswith("KV wall: ")
    assert lines[-1].startswith("MAPE of 45 runs: TTFT ")


def test_block_counts_explain_a_wall(tmp_path: Path) -> None:
    head, *rows = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    row = next(r for r in rows if "8192x1024_c32_tp2" in r)
    slow = row.replace("6518.3011", "20000")
    path = tmp_path / "rows.csv"
    path.write_text(f"{head}\n{slow}\n", encoding="utf-8")
    (score,) = score_rows(path, seeds=[0], explain=True).rows
    assert score.explaining_blocks is not None
    assert score.explaining_blocks < 0.95 * score.num_gpu_blocks
    assert score_rows(path, seeds=[0]).rows[0].explaining_blocks is None


def test_runs_that_could_not_be_do_not_hide_the_others(tmp_path: Path) -> None:
    head, row, *_ = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    large = row.replace(",fp8,2,", ",bf16,1,")  # 141 GB on one GPU
    path = tmp_path / "rows.csv"
    path.write_text(f"{head}\n{row}\n{large}\n", encoding="utf-8")
    score = score_rows(path, seeds=[0])
    assert len(score.rows) == 1
    ((run, reason),) = score.failed
    assert run.tensor_parallel_size == 1
    assert "GB a GPU are missing" in reason
    assert f"could not be simulated: {run.id}" in score.table()
    path.write_text(f"{head}\n{large}\n", encoding="utf-8")
    with pytest.raises(kvsim.InfeasibleError, match="no run can be simulated"):
        score_rows(path, seeds=[0])


def test_a_wall_that_no_block_count_explains(tmp_path: Path) -> None:
    head, *rows = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    row = next(r for r in rows if "8192x1024_c32_tp2" in r)
    path = tmp_path / "rows.csv"
    path.write_text(f"{head}\n{row.replace('6518.3011', '10')}\n", encoding="utf-8")
    score = score_rows(path, seeds=[0], explain=True)
    assert score.rows[0].explaining_blocks == 0
    assert "no count from half to twice as many would give" in score.table()


def test_conditions_under_several_names(tmp_path: Path) -> None:
    path = tmp_path / "conditions.json"
    document = {
        "note": "made up", "random_range_ratio": 0.5, "async": False, "kv_dtype": "fp8_e4m3",
        "prefix_caching": True, "max_num_seqs": 64, "token_budget": 2048,
        "prompts_per_concurrency": 5, "vllm_version": "0.12.0",
    }  # fmt: skip
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_conditions(path) == Conditions(
        length_range_ratio=(0.5, 1.0),
        async_scheduling=False,
        kv_cache_dtype="fp8",
        enable_prefix_caching=True,
        max_num_seqs=64,
        max_num_batched_tokens=2048,
        prompts_per_concurrency=5,
    )
    assert read_conditions(None) == Conditions()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "an object of conditions"),
        ("{", "no JSON"),
        ('{"asynch_scheduling": true}', "async_scheduling"),
        ('{"async_scheduling": 1}', "a value of type bool"),
        ('{"max_num_seqs": "64"}', "a value of type int"),
        ('{"length_range_ratio": 0}', "a share of 1, or"),
        ('{"length_range_ratio": [1, 0.5]}', "a share of 1, or"),
        ('{"engine": 3}', "no condition"),
    ],
)
def test_bad_conditions(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "conditions.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(kvsim.ConfigError, match=message):
        read_conditions(path)


def test_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    head, row, *_ = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    path.write_text(head.replace("ttft_ms", "ttft") + "\n" + row, encoding="utf-8")
    with pytest.raises(kvsim.ConfigError, match="lacks the columns ttft_ms"):
        score_rows(path)
    path.write_text(head, encoding="utf-8")
    with pytest.raises(kvsim.ConfigError, match="got no rows"):
        score_rows(path)
    path.write_text(head + "\n" + row.replace("121.3077", "fast"), encoding="utf-8")
    with pytest.raises(kvsim.ConfigError, match="line 2: ttft_ms: got 'fast'"):
        score_rows(path)
    path.write_text(head + "\n" + row.replace(",fp8,", ",fp6,"), encoding="utf-8")
    with pytest.raises(kvsim.ConfigError, match="precision: got 'fp6'"):
        score_rows(path)
    with pytest.raises(kvsim.ConfigError, match="at least one"):
        score_rows(seeds=[])


def test_bad_requests(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("input_toks\n1\n", encoding="utf-8")
    with pytest.raises(kvsim.ConfigError, match="lacks the columns output_toks"):
        score_requests(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(kvsim.ConfigError, match="engine_kwargs"):
        score_requests(OPEN_REQUESTS, path)
    with pytest.raises(kvsim.ConfigError, match="gpu"):
        score_requests(OPEN_REQUESTS, OPEN_META, "rtx-9000")


def test_a_runs_scenario_is_valid() -> None:
    run = read_runs(OPEN_ROWS)[0]
    text = json.dumps(scenario_of(run, Conditions(max_num_seqs=256)))
    scenario = kvsim.Scenario.from_json(text)
    assert scenario.engine.max_num_seqs == 256
    assert scenario.gpu == "h100-sxm"
    assert scenario.model == "llama-3.1-70b"
