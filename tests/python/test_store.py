"""Stores: rows are kept, found again, merged and checked; what is wrong is named and refused."""

import contextlib
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvsim
from kvsim import _runs, _store, _store_rows
from kvsim.errors import ConfigError, StoreError

RATE = "workload.arrivals.rate_per_s"
BASE = kvsim.Scenario(
    engine=kvsim.Engine(num_gpu_blocks=300, max_model_len=4096),
    step_time=kvsim.Affine(),
    workload=kvsim.Workload(num_requests=150),
)
AXES = {RATE: [1.0, 4.0, 1e4], "engine.max_num_seqs": [2, 64, 0], "engine.num_gpu_blocks": [9, 300]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def steps_of(points: Any, **options: Any) -> list[tuple[int, int]]:
    """Return what a sweep's progress callback is told."""
    calls: list[tuple[int, int]] = []
    kvsim.sweep(BASE, points, progress=lambda *a: calls.append(a), **options)
    return calls


def test_a_second_sweep_simulates_nothing(folder: Path) -> None:
    plain = kvsim.sweep(BASE, AXES)
    first = kvsim.sweep(BASE, AXES, store=folder)
    parts = sorted(folder.rglob("*.parquet"))
    calls: list[Any] = []
    again = kvsim.sweep(BASE, AXES, store=folder, progress=lambda *a: calls.append(a))
    assert calls == [(18, 18)]
    assert sorted(folder.rglob("*.parquet")) == parts
    assert plain.to_json() == first.to_json() == again.to_json()
    assert set(again.status) >= {"ok", "infeasible", "invalid", "unstable"} - {"unstable"}


def test_other_designs_and_forms_find_the_same_runs(folder: Path) -> None:
    kvsim.sweep(BASE, {RATE: [1.0, 4.0]}, store=folder)
    other = BASE.replace({RATE: 4.0, "workload.num_requests": 7})
    points = [{"workload.num_requests": 150}, {"workload.num_requests": 8}]
    result = kvsim.sweep(other, points, store=folder)
    assert result.to_json() == kvsim.sweep(other, points).to_json()
    assert len(kvsim.Store(folder)) == 3
    assert len(kvsim.Store(folder).ls()) == 2


def test_iter_sweep_yields_stored_rows_first(folder: Path) -> None:
    kvsim.sweep(BASE, {"seed": [5, 6]}, store=folder)
    rows = list(kvsim.iter_sweep(BASE, {"seed": range(8)}, store=folder, threads=1))
    assert sorted(r.index for r in rows[:2]) == [5, 6]
    assert sorted(r.index for r in rows) == list(range(8))
    assert len(kvsim.Store(folder)) == 8


def test_traces_count_by_content(folder: Path) -> None:
    def trace(tokens: int) -> kvsim.Trace:
        return kvsim.Trace(prompt_tokens=np.array([tokens]), output_tokens=np.array([3]))

    scenario = BASE.replace({"workload.lengths": "mine"})
    one = kvsim.sweep(scenario, {"seed": [1]}, datasets={"mine": trace(40)}, store=folder)
    two = kvsim.sweep(scenario, {"seed": [1]}, datasets={"mine": trace(80)}, store=folder)
    assert two["total_input_tokens"].tolist() == [2 * one["total_input_tokens"][0]]
    assert len(kvsim.Store(folder)) == 2
    assert kvsim.Store(folder).check() == 2


def test_the_key_has_version_and_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    def key() -> bytes:
        runs = _runs.Runs(BASE, kvsim.design.points([{"seed": 1}]))
        runs.note_keys()
        return runs.keys(np.array([0])).tobytes()

    before = key()
    monkeypatch.setattr(_runs, "_VERSION", "\nkvsim=9\nschema=1")
    assert key() != before


@pytest.mark.parametrize("point", [{"seed": 2}, {"engine.block_size": 32}, {"workload.lengths": 3}])
def test_the_key_is_the_hash_of_the_scenario(point: dict[str, Any]) -> None:
    runs = _runs.Runs(BASE, kvsim.design.points([point]))
    runs.note_keys({"mine": "0"})
    fields = json.loads(runs.scenario_json)
    with contextlib.suppress(kvsim.ConfigError):
        fields = json.loads(kvsim.Scenario.from_dict(fields).replace(point).to_json())
    if "workload.lengths" in point:  # not valid: the fields as they are
        fields["workload"]["lengths"] = 3
    text = b""
    for name, value in sorted(fields.items()):
        whole = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        part = b"#" + hashlib.sha256(whole).digest() if isinstance(value, dict) else b":" + whole
        text += name.encode() + part + b"\n"
    assert (
        runs.keys(np.array([0])).tobytes()
        == hashlib.sha256(text + _runs._VERSION.encode()).digest()
    )


@given(
    st.lists(st.text(max_size=3), max_size=8), st.lists(st.lists(st.text(max_size=2)), max_size=4)
)
def test_rows_keep_their_texts(texts: list[str], lists: list[list[str]]) -> None:
    assert _store_rows._texts(texts).to_pylist() == texts
    assert _store_rows._lists(lists).to_pylist() == lists


def test_writing_imports_no_pandas(folder: Path) -> None:
    code = (
        "import sys, kvsim; "
        f"kvsim.sweep({BASE.to_json()!r}, {{'seed': [1, 2]}}, store={str(folder)!r}); "
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


KILLED = """
    import json, sys
    import kvsim
    from kvsim import _store_writer
    _store_writer._FLUSH_S = 0.02  # many parts, so that kills fall between and into them
    base, axes, folder = json.loads(sys.argv[1])
    def progress(done, total):
        print(done, flush=True)
    kvsim.sweep(base, axes, threads=2, store=folder, progress=progress)
"""


def killed_and_resumed(folder: Path, axes: dict[str, Any], kills: int) -> list[int]:
    """Run a sweep in processes that are killed at random moments; return what each had found."""
    arguments = json.dumps([BASE.to_dict(), axes, str(folder)])
    moments = random.Random(3)
    found = []
    for _ in range(kills):
        found.append(len(kvsim.Store(folder)) if folder.exists() else 0)
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), arguments],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(moments.randrange(1, 6)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return found


def sorted_bytes(folder: Path) -> bytes:
    """Return the bytes of a store's rows, sorted by key."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    table = kvsim.Store(folder).table().combine_chunks()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def check_kills(tmp_path: Path, points: int, kills: int) -> None:
    axes = {RATE: [2.0, 6.0], "seed": list(range(points // 2))}
    folder = tmp_path / "killed"
    found = killed_and_resumed(folder, axes, kills)
    assert found == sorted(found), "a kill lost rows that were written"
    assert found[-1] > 0
    resumed = kvsim.sweep(BASE, axes, store=folder)
    whole = kvsim.sweep(BASE, axes, store=tmp_path / "whole")
    assert resumed.to_json() == whole.to_json()
    assert sorted_bytes(folder) == sorted_bytes(tmp_path / "whole")
    assert kvsim.Store(folder).check() == points


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kills(tmp_path, 400, 2)


@pytest.mark.full
def test_kill_and_resume_at_20_moments(tmp_path: Path) -> None:
    check_kills(tmp_path, 4000, 20)


def test_an_interrupt_keeps_what_is_finished(folder: Path) -> None:
    def progress(done: int, _: int) -> None:
        if done >= 50:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(kvsim.SweepInterrupted) as caught:
        kvsim.sweep(BASE, {"seed": range(20_000)}, threads=1, store=folder, progress=progress)
    assert len(kvsim.Store(folder)) == len(caught.value.result) >= 50


def test_a_callback_that_raises_leaves_rows_in_the_store(folder: Path) -> None:
    def progress(done: int, _: int) -> None:
        if done:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        kvsim.sweep(BASE, {"seed": range(20_000)}, threads=1, store=folder, progress=progress)
    rows = caught.value.sweep_result  # type: ignore[attr-defined]
    assert len(kvsim.Store(folder)) == len(rows) > 0


def test_two_sweeps_share_a_store(folder: Path) -> None:
    kvsim.Store(folder)
    code = f"""
        import kvsim
        from kvsim import _store_writer
        _store_writer._FLUSH_S = 0.01
        base = kvsim.Scenario.from_json({BASE.to_json()!r})
        kvsim.sweep(base, {{"seed": range(400)}}, threads=1, store={str(folder)!r})
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    store = kvsim.Store(folder)
    assert len(store) == 400
    assert store.merge() == 400
    assert len(store.parts()) == 1
    assert kvsim.sweep(BASE, {"seed": range(400)}, store=folder).to_json() == (
        kvsim.sweep(BASE, {"seed": range(400)}).to_json()
    )


@pytest.fixture
def filled(folder: Path) -> Path:
    kvsim.sweep(BASE, {"seed": [1, 2, 3]}, store=folder)
    return folder


def refused(folder: Path, text: str) -> None:
    """Check that nothing uses a store, and that the error names what is wrong."""
    for use in (
        lambda: kvsim.sweep(BASE, {"seed": [1]}, store=folder),
        lambda: next(kvsim.iter_sweep(BASE, {"seed": [1]}, store=folder)),
        lambda: kvsim.Store(folder).check(),
        lambda: kvsim.Store(folder).merge(),
        lambda: kvsim.Store(folder).table(),
    ):
        with pytest.raises(StoreError, match=text):
            use()


@pytest.mark.parametrize("where", [4, 0.5, -6])
def test_a_flipped_bit_is_found(filled: Path, where: float) -> None:
    (part,) = kvsim.Store(filled).parts()
    data = bytearray(part.read_bytes())
    at = int(where * len(data)) if isinstance(where, float) else where
    data[at] ^= 1
    part.write_bytes(data)
    refused(filled, f"{part.name}: damaged")


def test_a_part_that_is_cut_off_is_found(filled: Path) -> None:
    (part,) = kvsim.Store(filled).parts()
    part.write_bytes(part.read_bytes()[:-100])
    refused(filled, f"{part.name}: damaged")


def test_foreign_files_are_found(filled: Path) -> None:
    (filled / "parts" / "notes.txt").write_text("mine")
    refused(filled, r"notes\.txt: not a part")


def rewrite(folder: Path, change: Any) -> None:
    """Replace a store's part by a changed one with a right name."""
    import pyarrow.parquet as pq

    (part,) = kvsim.Store(folder).parts()
    table = change(pq.read_table(part))
    part.unlink()
    kvsim.Store(folder).write(table)


def test_foreign_and_newer_parts_are_found(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "other")
    rewrite(filled, lambda t: t.replace_schema_metadata({"format": "other"}))
    refused(filled, "not written by kvsim")

    def newer(table: Any) -> Any:
        about = {**table.schema.metadata, b"schema_version": b"2"}
        return table.replace_schema_metadata(about)

    rewrite(tmp_path / "other", newer)
    refused(tmp_path / "other", "schema_version 2, written by a newer kvsim")


def test_a_store_of_a_newer_schema(filled: Path) -> None:
    marker = filled / "kvsim-store.json"
    marker.write_text('{"format": "kvsim-store", "schema_version": 2}')
    refused(filled, r"kvsim-store\.json: schema_version 2, written by a newer kvsim")
    marker.write_text("{")
    refused(filled, r"kvsim-store\.json: damaged")


def test_check_finds_rows_under_a_wrong_key(filled: Path) -> None:
    import pyarrow as pa

    def swapped(table: Any) -> Any:
        keys = pa.chunked_array([table.column("key").combine_chunks().take(pa.array([1, 0, 2]))])
        return table.set_column(0, "key", keys)

    rewrite(filled, swapped)
    with pytest.raises(StoreError, match="not that of its scenario"):
        kvsim.Store(filled).check()


def test_rows_that_contradict_each_other_are_refused(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "other")

    def changed(table: Any) -> Any:
        index = table.column_names.index("completed")
        return table.set_column(index, "completed", [[1.0, 2.0, 3.0]])

    rewrite(tmp_path / "other", changed)
    with pytest.raises(StoreError, match="different completed"):
        kvsim.Store(filled).merge(kvsim.Store(tmp_path / "other"))


def test_merging_stores(filled: Path, tmp_path: Path) -> None:
    kvsim.sweep(BASE, {"seed": [3, 4]}, store=tmp_path / "other")
    assert kvsim.Store(filled).merge(kvsim.Store(tmp_path / "other")) == 4
    assert kvsim.Store(filled).check() == 4
    assert steps_of({"seed": [1, 2, 3, 4]}, store=filled) == [(4, 4)]
    frame = kvsim.Store(filled).to_pandas()
    assert sorted(frame["seed"]) == [1, 2, 3, 4]


def test_folders_that_are_no_stores(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="not empty"):
        kvsim.sweep(BASE, {"seed": [1]}, store=tmp_path)
    with pytest.raises(StoreError, match=r"thesis\.tex"):
        kvsim.sweep(BASE, {"seed": [1]}, store=tmp_path / "thesis.tex")
    with pytest.raises(StoreError, match="no kvsim store"):
        kvsim.Store(tmp_path, create=False)
    with pytest.raises(ConfigError, match="store: got a int"):
        kvsim.sweep(BASE, {"seed": [1]}, store=3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="record: got 'requests' with a store"):
        kvsim.sweep(BASE, {"seed": [1]}, store=tmp_path / "new", record="requests")


def test_a_full_disk_ends_the_sweep_and_keeps_what_was_written(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = _store._write

    def full(file: Path, data: bytes, *, keep: bool = True) -> None:
        if keep:
            monkeypatch.setattr(_store.os, "fsync", no_space)
        write(file, data, keep=keep)

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_store, "_write", full)
    with pytest.raises(StoreError, match="No space left") as caught:
        kvsim.sweep(BASE, {"seed": range(10)}, store=filled)
    monkeypatch.undo()
    assert len(caught.value.sweep_result) == 10  # type: ignore[attr-defined]
    store = kvsim.Store(filled)
    assert store.check() == 3
    assert store.leftovers() == []


def test_a_read_only_folder_is_an_error_before_anything_is_simulated(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def read_only(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if "x" in mode or "w" in mode:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opened(path, mode, *args, **options)

    monkeypatch.setattr(Path, "open", read_only)
    with pytest.raises(StoreError, match=r"parts.*: Read-only file system") as caught:
        kvsim.sweep(BASE, {"seed": range(100_000)}, store=filled)
    assert len(caught.value.sweep_result) == 0  # type: ignore[attr-defined]


def test_what_a_machine_has_no_memory_for_is_not_kept(folder: Path) -> None:
    result = kvsim.sweep(BASE, {"workload.num_requests": [5, 10**9]}, store=folder)
    assert result.status == ["ok", "invalid"]
    assert "fits into memory" in result.reason[1]
    assert len(kvsim.Store(folder)) == 1
    calls = steps_of({"workload.num_requests": [5, 10**9]}, store=folder)
    assert calls[0] == (1, 2)


def test_engines_by_name_and_what_step_times_rest_on(folder: Path) -> None:
    base = {"model": "llama-3-8b", "gpu": "h100-sxm", "workload": {"num_requests": 20}}
    axes = {
        "engine": ["vllm-0.12", {"preset": "vllm-0.33", "block_size": 32}],
        "engine.max_num_seqs": [2, 64, 0],
        "step_time": [{"kind": "kernels"}, {"kind": "affine"}],
    }
    plain = kvsim.sweep(base, axes)
    rests = ["table", "given", "table", "given", "given", "given"]
    assert plain.calibration == rests * 2
    first = kvsim.sweep(base, axes, store=folder)
    again = kvsim.sweep(base, axes, store=folder)
    with ThreadPoolExecutor(2) as pool:
        elsewhere = kvsim.sweep(base, axes, executor=pool, chunk_points=5)
    assert plain.to_json() == first.to_json() == again.to_json() == elsewhere.to_json()
    assert kvsim.Store(folder).check() == 12
    table = kvsim.Store(folder).table()
    assert sorted(table.column("calibration").to_pylist()) == sorted(rests * 2)
    points = kvsim.sweep(base, plain.points)
    assert points["p99_ttft_ms"].tolist() == pytest.approx(
        plain["p99_ttft_ms"].tolist(), nan_ok=True
    )
    averaged = kvsim.sweep(base, axes, replications=2)
    assert averaged.calibration == rests * 2
    rows = [row["calibration"] for row in kvsim.iter_sweep(base, {"seed": [1, 2]})]
    assert rows == ["table", "table"]
