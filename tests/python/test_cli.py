"""The command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import kvsim
from kvsim.cli import main
from kvsim.cli.options import parse_axis, parse_values, set_path

GOLDEN = Path(__file__).parents[1] / "golden"
SCENARIO: dict[str, Any] = {
    "engine": {"num_gpu_blocks": 500, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {"num_requests": 40},
}


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(SCENARIO))
    return str(path)


class Run:
    """What a command printed, and its exit code."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as left:
            main(arguments)
        self.code = left.value.code
        self.out, self.err = capsys.readouterr()


def test_run_prints_tables(capsys: pytest.CaptureFixture[str], scenario: str) -> None:
    run = Run(capsys, "run", scenario)
    assert run.code == 0
    for text in ("status ok", "time to first token", "p99.9", "request_throughput", "KV pool 500"):
        assert text in run.out
    assert run.err == ""


def test_the_parts_that_a_run_prints_add_up(
    capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    text = Run(capsys, "run", scenario, "--set", "engine.frontend_ms=50").out
    parts = {
        line.split()[0]: float(line.split()[1].replace(",", ""))
        for line in text.splitlines() if line.startswith(" mean_") and " ms" in line
    }  # fmt: skip
    e2e = next(line for line in text.splitlines() if "arrival to last token" in line)
    assert len(parts) == 9
    assert sum(parts.values()) == pytest.approx(float(e2e.split()[4].replace(",", "")), rel=2e-3)


def test_run_prints_json(capsys: pytest.CaptureFixture[str], scenario: str) -> None:
    run = Run(capsys, "run", scenario, "--json", "--set", "seed=7", "--set", "record=summary")
    parsed = json.loads(run.out)
    expected = kvsim.simulate({**SCENARIO, "seed": 7, "record": "summary"})
    assert parsed == json.loads(expected.to_json())


def test_run_writes_files(
    capsys: pytest.CaptureFixture[str], scenario: str, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    run = Run(capsys, "run", scenario, "--out", str(out), "--set", "record=steps")
    files = sorted(p.name for p in out.iterdir())
    assert files == ["requests.csv", "result.json", "steps.csv"]
    assert all(str(out / name) in run.out for name in files)
    header, first, *_ = (out / "requests.csv").read_text().splitlines()
    assert header.startswith("arrival_ns,scheduled_ns")
    assert len(first.split(",")) == len(header.split(","))


def test_run_shows_memory_and_budgets(
    capsys: pytest.CaptureFixture[str], scenario: str, tmp_path: Path
) -> None:
    changes = [
        "record_memory=heatmap", "engine.num_gpu_blocks=257", "workload.num_requests=200",
        'workload.arrivals={"kind": "burst"}',
        'engine.preemption={"max_per_request": 0, "at_limit": "reject"}',
    ]  # fmt: skip
    sets = [word for change in changes for word in ("--set", change)]
    run = Run(capsys, "run", scenario, "--out", str(tmp_path / "out"), *sets)
    assert run.code == 0, run.err
    for text in ("shares of the KV memory", "mean_external_slots", "rejected", "kv_memory.png"):
        assert text in run.out
    assert (tmp_path / "out" / "kv_memory.png").stat().st_size > 10_000
    plain = Run(capsys, "run", scenario).out
    assert "slots" not in plain
    assert "rejected" not in plain


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(SCENARIO)))
    assert Run(capsys, "run", "-", "--json").code == 0


def test_sweep(capsys: pytest.CaptureFixture[str], scenario: str, tmp_path: Path) -> None:
    axes = ["--axis", "workload.arrivals.rate_per_s=1:5:3", "--axis", "engine.max_num_seqs=0,8"]
    run = Run(capsys, "sweep", scenario, *axes, "--out", str(tmp_path / "points.csv"))
    assert run.code == 0
    assert "invalid: 3, the first: engine.max_num_seqs: got 0" in run.out
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 7
    parsed = json.loads(Run(capsys, "sweep", scenario, *axes, "--json").out)
    assert [row["workload.arrivals.rate_per_s"] for row in parsed["points"]] == [1, 1, 3, 3, 5, 5]
    other = Run(capsys, "sweep", scenario, *axes, "--figures", "p99_itl_ms")
    assert "p99_itl_ms" in other.out


def test_frontier(capsys: pytest.CaptureFixture[str], scenario: str, tmp_path: Path) -> None:
    plot = tmp_path / "curve.svg"
    run = Run(
        capsys, "frontier", scenario, "--points", "4", "--set", "engine.max_num_seqs=1",
        "--series", "engine.block_size=16,32", "--plot", str(plot), "--slo", "100",
    )  # fmt: skip
    assert run.code == 0
    assert run.out.count("capacity 1.") == 2
    assert "knee of p99_e2el_ms" in run.out
    assert plot.read_text().startswith("<?xml")
    parsed = json.loads(Run(capsys, "frontier", scenario, "--rates", "1,2", "--json").out)
    assert len(parsed["series"][0]["rows"]) == 2


def test_catalog(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "catalog")
    for text in ("llama-3-70b", "h100-sxm", "azure-2023-conversation", "CC-BY-4.0", "327,680"):
        assert text in run.out
    parsed = json.loads(Run(capsys, "catalog", "gpus", "--json").out)
    assert {"name", "hbm_bytes_per_s", "source"} <= set(parsed["gpus"][0])


def test_fields(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "fields", "engine")
    assert "engine.block_size" in run.out
    assert "tokens" in run.out
    assert "workload." not in run.out
    parsed = json.loads(Run(capsys, "fields", "workload.arrivals.rate_per_s", "--json").out)
    assert parsed[0]["kinds"] == ["poisson", "gamma", "deterministic", "trace"]
    assert "p99_ttft_ms" in Run(capsys, "fields", "summary").out


def test_verify(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "verify-vllm", str(GOLDEN / "sync" / "o00_toy"))
    assert run.code == 0
    assert "1 of 1 cases reproduced in every column" in run.out
    assert Run(capsys, "verify-vllm", str(GOLDEN / ".." / "support")).code == 1


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert Run(capsys, "--version").out.strip() == kvsim.__version__
    for arguments in ([], ["--help"], ["run", "-h"], ["sweep", "--help"]):
        run = Run(capsys, *arguments)
        assert "Usage: kvsim" in run.out
    assert "1,2,5 or START:STOP:N" in Run(capsys, "sweep", "--help").out


def test_demo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run(capsys, "demo", "--out", str(tmp_path), "--requests", "300", "--points", "4")
    assert run.code == 0
    assert "capacity" in run.out
    pictures = sorted(p.name for p in tmp_path.iterdir())
    assert "frontier_ttft.png" in pictures
    for name in pictures:
        assert str(tmp_path / name) in run.out
        assert (tmp_path / name).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere.json"], 2, "nowhere.json"),
        (["run", "{scenario}", "--set", "engine.block_size=0"], 2, "engine.block_size: got 0"),
        (["run", "{scenario}", "--set", "engine.blocksize=8"], 2, "did you mean 'engine.block_s"),
        (["run", "{scenario}", "--set", "seed"], 2, "--set: got 'seed'; allowed: path=value"),
        (["run", "{scenario}", "--set", "engine.num_gpu_blocks=9"], 1, "needs 40"),
        (["run", "{scenario}", "--deadline", "soon"], 2, "--deadline"),
        (["run"], 2, "Missing argument"),
        (["walk"], 2, "No such command 'walk'"),
        (["run", "{scenario}", "--jsn"], 2, "No such option"),
        (["sweep", "{scenario}", "--axis", "seed=1:2:x"], 2, "START:STOP:N"),
        (["sweep", "{scenario}", "--axis", "seed="], 2, "axes['seed']: got no values"),
        (["sweep", "{scenario}", "--axis", "seed=1", "--axis", "seed=2"], 2, "twice"),
        (["sweep", "{scenario}", "--axis", "seed=1:9:1e7"], 2, "10,000,000 values"),
        (["sweep", "{scenario}", "--axis", "seed=1", "--figures", "p99"], 2, "no column 'p99'"),
        (["catalog", "gpu"], 2, "did you mean 'gpus'"),
        (["fields", "engin.x"], 2, "fields: got 'engin.x'"),
        (["verify-vllm", "nowhere"], 2, "nowhere: no such folder"),
        (["frontier", "{scenario}", "--plot", "x.gif"], 2, "x.gif"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], scenario: str, arguments: list[str], code: int, message: str
) -> None:
    run = Run(capsys, *(text.replace("{scenario}", scenario) for text in arguments))
    assert run.code == code
    assert run.err.startswith("kvsim: ")
    assert run.err.count("\n") == 1
    assert message in run.err


@pytest.mark.parametrize("text", ["{", "[]", '{"seed": 1,}', "\ufeff"])
def test_files_that_are_no_scenario(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    run = Run(capsys, "run", str(path))
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert "bad.json" in run.err


def test_files_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"seed": "\xe9"}')
    for name, words in (
        ("none.json", "got '{}' (no such file or directory); allowed: a scenario's JSON file"),
        ("", "got '{}' (is a directory); allowed: a scenario's JSON file"),
        ("latin.json", "{}: byte 11 is not UTF-8; allowed: a scenario's JSON file"),
    ):
        path = str(tmp_path / name) if name else str(tmp_path)
        run = Run(capsys, "run", path)
        assert (run.code, run.err.count("\n")) == (2, 1)
        assert words.format(path) in run.err


def test_values_and_paths() -> None:
    assert parse_axis("a.b=1,2.5,x") == ("a.b", [1, 2.5, "x"])
    assert parse_axis('m=[{"kind":"burst"},"y"]') == ("m", [{"kind": "burst"}, "y"])
    assert parse_values("0:10:5", "--axis x") == [0, 2.5, 5, 7.5, 10]
    assert parse_values("2:8:4", "--axis x") == [2, 4, 6, 8]
    assert all(isinstance(v, int) for v in parse_values("2:8:4", "--axis x"))
    assert parse_values('[{"kind":"burst"}]', "--axis x") == [{"kind": "burst"}]
    for cut in ("1:5", "1:5:", ":5:2", "1:5:2:3", "1:x:3"):
        with pytest.raises(kvsim.ConfigError, match=f"--axis seed: got '{cut}'; .*START:STOP:N"):
            parse_axis(f"seed={cut}")
    tree: dict[str, Any] = {"workload": {"lengths": "sharegpt-300"}}
    set_path(tree, "workload.lengths.order", "resample")
    set_path(tree, "workload.arrivals.rate_per_s", 5)
    assert tree["workload"]["lengths"] == {
        "kind": "dataset",
        "name": "sharegpt-300",
        "order": "resample",
    }
    assert tree["workload"]["arrivals"] == {"kind": "poisson", "rate_per_s": 5}


def test_as_a_module_and_with_a_closed_pipe() -> None:
    command = f"{sys.executable} -m kvsim fields | head -1"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_ctrl_c(tmp_path: Path) -> None:
    pipe = tmp_path / "scenario.json"
    os.mkfifo(pipe)
    long = ["--set", "mode=step", "--set", "workload.num_requests=3000000"]
    long += ["--set", "engine.max_num_seqs=4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kvsim", "run", str(pipe), *long],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    pipe.write_text(json.dumps(SCENARIO))  # waits until the command has begun to read
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "kvsim: interrupted\n")


# ---- validate, sharding


def test_validate_prints_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "validate", "step-time", "--seeds", "1")
    assert run.code == 0
    for text in ("MAPE of 45 runs", "KV wall: ", "Qwen3-30B-A3B", "all-reduce", "error bands"):
        assert text in run.out
    parsed = json.loads(Run(capsys, "validate", "step-time", "--seeds", "1", "--json").out)
    assert set(parsed) == {"runs", "requests", "operators", "bands"}
    assert len(parsed["runs"]["table"]["rows"]) == 45


def test_validate_scores_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from kvsim.validate.requests import OPEN_META, OPEN_REQUESTS
    from kvsim.validate.rows import OPEN_ROWS

    head, *lines = OPEN_ROWS.read_text(encoding="utf-8").splitlines()
    rows, conditions = tmp_path / "rows.csv", tmp_path / "conditions.json"
    rows.write_text("\n".join([head, *lines[:3]]) + "\n", encoding="utf-8")
    conditions.write_text('{"Length-Range Ratio": 0.8, "async": false}', encoding="utf-8")
    arguments = ["--rows", str(rows), "--conditions", str(conditions), "--seeds", "2"]
    both = [*arguments, "--requests", str(OPEN_REQUESTS), "--meta", str(OPEN_META)]
    run = Run(capsys, "validate", "step-time", *both, "--gpu", "RTXPRO6000")
    assert run.code == 0
    assert "MAPE of 3 runs" in run.out
    assert "ttft_ms     7164" in run.out
    parsed = json.loads(Run(capsys, "validate", "step-time", *arguments, "--json").out)
    assert len(parsed["rows"]["rows"]) == 3
    other = Run(capsys, "validate", "step-time", "--requests", str(OPEN_REQUESTS), "--meta",
                str(OPEN_META), "--gpu", "rtx-4090", "--json")  # fmt: skip
    assert json.loads(other.out)["requests"]["num_requests"] == 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "{missing}"], "lacks the columns ttft_ms"),
        (["--rows", "{rows}", "--conditions", "{bad}"], "asynch_scheduling: no condition"),
        (["--conditions", "{bad}"], "--conditions: got a file without --rows"),
        (["--requests", "{rows}"], "--requests: needs --meta, --gpu as well"),
        (["--gpu", "h100-sxm"], "--gpu: needs --requests, --meta as well"),
        (["--requests", "{rows}", "--meta", "{bad}", "--gpu", "h200"], "lacks the columns input"),
        (["--seeds", "0"], "--seeds: got 0"),
        (["--rows", "{rows}", "--tables", "some"], "step_time.tables"),
        (["--rows", "/nowhere.csv"], "No such file"),
    ],
)
def test_validate_refuses_bad_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    from kvsim.validate.rows import OPEN_ROWS

    text = OPEN_ROWS.read_text(encoding="utf-8")
    (tmp_path / "missing").write_text(text.replace("ttft_ms", "ttft"), encoding="utf-8")
    (tmp_path / "rows").write_text(text, encoding="utf-8")
    (tmp_path / "bad").write_text('{"asynch_scheduling": true}', encoding="utf-8")
    files = {name: str(tmp_path / name) for name in ("missing", "rows", "bad")}
    run = Run(capsys, "validate", "step-time", *(a.format(**files) for a in arguments))
    assert run.code == 2
    assert message in run.err
    assert run.err.count("\n") == 1


def test_sharding_lists_splits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fast = ["--concurrencies", "1,4", "--out", str(tmp_path)]
    run = Run(capsys, "sharding", "llama-3-70b", "--weight-dtype", "fp8", *fast)
    assert run.code == 0
    for text in ("TP 8 x PP 1", "TP 1 x PP 8", "meets", "50 ms", "sharding.png"):
        assert text in run.out
    assert (tmp_path / "sharding.png").stat().st_size > 10_000
    rows = json.loads(Run(capsys, "sharding", "llama-3-8b", "--gpus", "2", "--json").out)
    assert [row["split"] for row in rows] == ["TP 2 x PP 1", "TP 1 x PP 2"]
    nodes = ("--gpus", "8", "--node-gpus", "4", "--concurrencies", "1", "--json")
    alone = json.loads(Run(capsys, "sharding", "llama-3-70b", *nodes).out)
    assert {row["status"] for row in alone} == {"invalid"}
    assert all("step_time.node_link_gb_per_s" in row["reason"] for row in alone)
    joined = Run(capsys, "sharding", "llama-3-70b", *nodes, "--node-link-gb-per-s", "50")
    by_split = {row["split"]: row["ttft_comm_ms"] for row in json.loads(joined.out)}
    assert by_split["TP 8 x PP 1"] > 5 * by_split["TP 4 x PP 2"]
    wrong = Run(capsys, "sharding", "llama-3-70b", "--engine", "vllm-0.3")
    assert wrong.code == 2
    assert "vllm-0.33" in wrong.err


def test_users_that_fit(capsys: pytest.CaptureFixture[str], scenario: str) -> None:
    fast = ["--num-requests", "300", "--seeds", "2"]
    run = Run(capsys, "concurrency", scenario, *fast)
    assert run.code == 0
    for text in ("of all ages", "queue never empty", "memory 100 % of the time", "7,984"):
        assert text in run.out
    found = json.loads(Run(capsys, "concurrency", scenario, *fast, "--json").out)
    expected = kvsim.concurrency(SCENARIO, num_requests=300, seeds=(0, 1))
    assert found["running"] == expected.running
    wrong = Run(capsys, "concurrency", scenario, "--seeds", "1")
    assert (wrong.code, "2 or more" in wrong.err) == (2, True)


def test_hit_rates(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    some = ["--capacities", "100,2000", "--policies", "lru, belady", "--out", str(tmp_path)]
    run = Run(capsys, "hit-rates", "mooncake-synthetic", *some)
    assert run.code == 0
    for text in ("without limit 64.0", "belady", "37.4", "hit_rates.png"):
        assert " ".join(text.split()) in " ".join(run.out.split())
    assert (tmp_path / "hit_rates.png").stat().st_size > 10_000
    found = json.loads(Run(capsys, "hit-rates", "mooncake-synthetic", *some[:4], "--json").out)
    assert found["rates"]["lru"][0] is None  # too small for a request
    assert found["capacities"] == [100, 2000]
    wrong = Run(capsys, "hit-rates", "--policies", "sieved")
    assert (wrong.code, "did you mean 'sieve'" in wrong.err) == (2, True)


def test_demo_of_a_track(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run(capsys, "demo", "tiny_pioneer", "--requests", "500", "--out", str(tmp_path))
    assert run.code == 0
    assert "Objective: 10 ms" in run.out
    assert (tmp_path / "tiny_pioneer.png").exists()
    run = Run(capsys, "demo", "tiny_pioner")
    assert run.code == 2
    assert "tiny_pioneer" in run.err


def test_validate_queues_and_tails(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "validate", "tail", "--seeds", "1", "--effort", "0.05", "--json")
    report = json.loads(run.out)
    assert run.code == (0 if report["ok"] else 1)
    assert any("BigTable" in check["name"] for check in report["checks"])
    # With so few requests the intervals are too wide, and it says so.
    run = Run(capsys, "validate", "queueing", "--seeds", "1", "--effort", "0.001")
    assert run.code == 1
    assert "FAILS" in run.out
    assert Run(capsys, "validate", "queueing", "--seeds", "0").code == 2
