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
    assert len(lines) == 49
    assert lines[0].startswith(
        "conditions: lengths 0.8 to 1 of the nominal, 10 prompts a client, asy"
    )
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
        ('{"async_scheduling": 1}', "got 1; allowed: true or false"),
        ('{"max_num_seqs": "64"}', "got '64'; allowed: a whole number"),
        ('{"prompts_per_concurrency": 2.5}', "got 2.5; allowed: a whole number"),
        ('{"async": true, "async_scheduling": false}', "async_scheduling: the same as async"),
        ('{"async": true, "async": false}', "async: named twice"),
        ('{"length_range_ratio": true}', "a share of 1, or"),
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


def test_conditions_as_other_tools_write_them(tmp_path: Path) -> None:
    path = tmp_path / "conditions.json"
    text = '\ufeff{"max_num_batched_tokens": 2048.0, "kv_cache_dtype": null, "max_num_seqs": null}'
    path.write_text(text, encoding="utf-8")
    assert read_conditions(path) == Conditions(max_num_batched_tokens=2048)


def test_names_as_measurements_spell_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    head, row, *_ = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    (known,) = read_runs(write(path, head, row))
    spelled = row.replace("meta-llama/Llama-3.1-70B", " RedHatAI/Meta-Llama-3.1-70B-Instruct-FP8 ")
    spelled = spelled.replace("h100_sxm,", "NVIDIA H100 80GB HBM3,").replace(
        ",fp8,2,", ", FP8 ,2.0,"
    )
    (run,) = read_runs(write(path, "\ufeff" + head.upper().replace(",", " ,"), "", spelled, ""))
    assert run == known
    assert read_runs(write(path, head, row, row)) == [known, known]
    odd = row.replace(known.id, "läuft 测试\u2028")
    assert read_runs(write(path, head, odd))[0].id == "läuft 测试"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("121.3077", "nan", "line 2: ttft_ms: got 'nan'; allowed: a number above 0"),
        ("121.3077", "", "line 2: ttft_ms: got ''"),
        ("17.40722", "-1", "line 2: tpot_ms: got '-1'"),
        (",fp8,2,", ",fp8,2.5,", "line 2: tp: got '2.5'; allowed: a whole number from 1"),
        (",1024,1024,", ",1024,1,", "line 2: osl: got '1'; allowed: 2 or more"),
        (",fp8,2,", ",fp8,", "line 2: got 17 cells; allowed: 18"),
        (",fp8,", ",fp6,", 'no run can be simulated; the first: weight_dtype: got "fp6"'),
        ("h100_sxm,", "gb300,", 'the first: gpu: got "gb300"'),
        (",fp8,2,", ",fp8,3,", "the first: tensor_parallel_size: got 3"),
    ],
)
def test_a_row_that_cannot_be(tmp_path: Path, old: str, new: str, message: str) -> None:
    head, row, *_ = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    assert old in row
    with pytest.raises(kvsim.ConfigError, match=message):
        score_rows(write(tmp_path / "rows.csv", head, row.replace(old, new, 1)), seeds=[0])


def test_unknown_names_do_not_hide_the_other_rows(tmp_path: Path) -> None:
    head, row, *_ = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    unknown = row.replace("meta-llama/Llama-3.1-70B", "acme/anvil-7b")
    score = score_rows(write(tmp_path / "rows.csv", head, unknown, row), seeds=[0])
    ((_, reason),) = score.failed
    assert "anvil-7b" in reason
    assert score.table().splitlines()[-1].startswith("MAPE of 1 of 2 runs: ")


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xfe")
    for read in (read_runs, read_conditions):
        with pytest.raises(kvsim.ConfigError, match="file: byte 0 is no UTF-8"):
            read(path)


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


def requests_file(path: Path, **changes: str) -> Path:
    """Copy the open requests, the first with other cells."""
    head, first, *others = OPEN_REQUESTS.read_text(encoding="utf-8").splitlines()
    cells = dict(zip(head.split(","), first.split(","), strict=True)) | changes
    return write(path, head, ",".join(cells.values()), *others)


def meta_file(path: Path, **changes: object) -> Path:
    document = json.loads(OPEN_META.read_text(encoding="utf-8"))
    document["engine_kwargs"] |= changes
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_latencies_that_were_not_measured(tmp_path: Path) -> None:
    path = requests_file(tmp_path / "requests.csv", ttft_from_queued_s="", tpot_ms="NaN")
    score = score_requests(path)
    assert len(score.residuals["ttft_ms"]) == len(score.residuals["tpot_ms"]) == 299
    assert len(score.residuals["e2e_ms"]) == 300
    assert "not scored, for lack of a measured tpot_ms: 1 of 300" in score.table()
    # One token has no time between tokens: nothing is missing.
    one = score_requests(requests_file(path, output_toks="1", tpot_ms=""))
    assert not any("tpot_ms" in w for w in one.warnings)
    head, *rows = OPEN_REQUESTS.read_text(encoding="utf-8").splitlines()
    ones = [",".join([*r.split(",")[:2], "1", *r.split(",")[3:]]) for r in rows]
    none = score_requests(write(path, head, *ones))
    assert set(none.mape) == {"ttft_ms", "e2e_ms"}
    assert "tpot" not in none.table()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_toks": "12.7"}, "line 2: input_toks: got '12.7'; allowed: a whole number"),
        ({"input_toks": "1e12"}, "input_toks: got '1e12'"),
        ({"output_toks": "0"}, "output_toks: got '0'"),
        ({"arrival_s": "inf"}, "arrival_s: got 'inf'"),
        ({"ttft_from_queued_s": "-1"}, "ttft_from_queued_s: got '-1'"),
        ({"tpot_ms": "fast"}, "tpot_ms: got 'fast'"),
    ],
)
def test_bad_cells_of_requests(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        score_requests(requests_file(tmp_path / "requests.csv", **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tensor_parallel_size": 0}, "tensor_parallel_size: got 0; allowed: a whole number"),
        ({"data_parallel_size": "two"}, "data_parallel_size: got 'two'"),
        ({"max_model_len": 1000}, "has 4765 tokens; allowed: the engine's max_model_len = 1000"),
        ({"dtype": "float32"}, 'weight_dtype: got "float32"'),
        ({"dtype": 16}, "dtype: got 16; allowed: a text"),
        ({"speculative_config": {"method": "ngram"}}, "speculative_config: got"),
        ({"max_num_seqs": "lots"}, 'max_num_seqs: got "lots"'),
    ],
)
def test_bad_settings(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(kvsim.ConfigError, match=message):
        score_requests(OPEN_REQUESTS, meta_file(tmp_path / "meta.json", **changes))


def test_settings_as_engines_have_them(tmp_path: Path) -> None:
    path = tmp_path / "meta.json"
    plain = score_requests()
    same = score_requests(
        OPEN_REQUESTS,
        meta_file(path, dtype="torch.bfloat16", data_parallel_size=None, enforce_eager=True),
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
    )
    assert same.mape == plain.mape
    assert "settings that are not simulated: enforce_eager" in same.warnings
    # Weights are stored as the model's name says, blocks are those that the engine was told.
    eight = score_requests(OPEN_REQUESTS, meta_file(path, model="x/Llama-3.1-8B-FP8", dtype="auto"))
    assert eight.simulated_mean["tpot_ms"] < 0.9 * plain.simulated_mean["tpot_ms"]
    few = score_requests(OPEN_REQUESTS, meta_file(path, num_gpu_blocks_override=2000))
    assert few.simulated_mean["ttft_ms"] > 2 * plain.simulated_mean["ttft_ms"]
    # Told nothing, vLLM takes the more requests the larger the GPU.
    free = meta_file(path, max_num_seqs=None, max_num_batched_tokens=None)
    assert score_requests(OPEN_REQUESTS, free).simulated_mean["ttft_ms"] < 200


def test_a_runs_scenario_is_valid() -> None:
    run = read_runs(OPEN_ROWS)[0]
    text = json.dumps(scenario_of(run, Conditions(max_num_seqs=256)))
    scenario = kvsim.Scenario.from_json(text)
    assert scenario.engine.max_num_seqs == 256
    assert scenario.gpu == "h100-sxm"
    assert scenario.model == "llama-3.1-70b"
