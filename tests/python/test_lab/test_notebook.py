"""The widgets: their state in Python, and live in marimo and in JupyterLab in a browser."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import kvsim
from browser import open_tab

pytest.importorskip("anywidget", reason="anywidget is not installed (pip install -e .[dev])")

EXAMPLE = Path(__file__).parents[3] / "examples" / "widgets_notebook.py"
RATE = "workload.arrivals.rate_per_s"
BASE: dict[str, Any] = {
    "model": "llama-3-8b",
    "gpu": "h100-sxm",
    "engine": {"num_gpu_blocks": 1500, "max_model_len": 8192},
    "workload": {
        "arrivals": {"kind": "poisson", "rate_per_s": 4},
        "lengths": {"kind": "fixed", "prompt_tokens": 500, "output_tokens": 50},
        "num_requests": 60,
    },
}


def test_a_frontier_holds_its_result() -> None:
    widget = kvsim.widgets.Frontier(BASE, {"engine.max_num_seqs": [4, 8]}, num_points=4)
    small = {**BASE, "engine": {**BASE["engine"], "max_num_seqs": 4}}
    expected = kvsim.frontier(small, num_points=4)
    assert widget.settings == {"engine.max_num_seqs": 4}
    assert widget.data["capacity_per_s"] == expected.capacity_per_s
    assert [r["summary"]["p99_ttft_ms"] for r in widget.data["runs"]] == (
        expected.series[0].latency_ms("p99_ttft_ms").tolist()
    )
    widget.settings = {"engine.max_num_seqs": 8}
    assert widget.scenario.engine.max_num_seqs == 8
    assert widget.data["capacity_per_s"] == widget.result.capacity_per_s != expected.capacity_per_s


def test_a_slider_begins_at_the_base() -> None:
    widget = kvsim.widgets.Waterfall(BASE, {RATE: [2, 4, 8]})
    assert widget.settings == {RATE: 4}
    assert widget.controls[0]["unit"] == "1/s"


def test_a_waterfall_keeps_the_run_before_as_its_ghost() -> None:
    widget = kvsim.widgets.Waterfall({**BASE, "record": "summary"}, {RATE: [4, 8]})
    before = widget.data
    widget.settings = {RATE: 8}
    assert widget.ghost == before
    shown = widget.data["waterfalls"]["ttft"]["p99"]["parts_ms"]
    assert shown == dict(widget.result.waterfall("ttft", percentile=99).parts_ms)


def test_a_heatmap_thins_the_picture_and_loses_no_event() -> None:
    small = {**BASE, "engine": {"num_gpu_blocks": 60, "max_model_len": 900}}
    small["workload"] = {**BASE["workload"], "arrivals": {"kind": "burst"}}
    widget = kvsim.widgets.KVCacheHeatmap(small)
    shown = widget.data["columns"]["heatmap"]
    full = widget.result.memory_map
    assert len(shown["slot_class"]) == len(shown["t_ns"]) * len(shown["row_slot"])
    assert sum(shown["preemptions"]) == full.preemptions.sum()
    assert shown["t_ns"][-1] == full.t_ns[-1]


def test_what_cannot_run_is_shown_as_such() -> None:
    widget = kvsim.widgets.Waterfall(BASE, {"engine.num_gpu_blocks": [1500, 5]})
    widget.settings = {"engine.num_gpu_blocks": 5}
    assert widget.result is None
    assert widget.data["status"] == "infeasible"
    assert "engine.num_gpu_blocks" in widget.reason
    widget.settings = {"engine.num_gpu_blocks": 1500}
    assert widget.data["status"] == "ok"


def test_a_slider_of_nothing_is_refused() -> None:
    with pytest.raises(kvsim.ConfigError, match=r"controls.*did you mean"):
        kvsim.widgets.Frontier(BASE, {"engine.max_num_seq": [1]})
    with pytest.raises(kvsim.ConfigError, match="at least one"):
        kvsim.widgets.Frontier(BASE, {"engine.max_num_seqs": []})


@contextmanager
def served(module: str, *options: str) -> Iterator[str]:
    """Run a notebook server on a free port and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, *(option.format(port=port) for option in options)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if f":{port}" in line:
                break
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def marimo() -> Iterator[str]:
    """Run the example notebook and give its address."""
    with served(
        "marimo", "run", str(EXAMPLE), "--headless", "--no-token",
        "--host", "127.0.0.1", "--port", "{port}",
    ) as url:  # fmt: skip
        yield url


def test_the_example_is_live_in_a_browser(chrome: Any, marimo: str) -> None:
    tab = open_tab(chrome)
    page = tab.page
    page.goto(marimo)
    for name in ("frontier", "waterfall", "kv-cache-heatmap"):
        page.locator(f"[data-instrument='{name}'] .main-svg").first.wait_for(timeout=60_000)
    before = page.locator("text=the knee is").inner_text()
    drawn = page.locator("[data-instrument='frontier']").get_attribute("data-run")
    slider = page.locator(".instrument-controls input").first
    slider.focus()
    slider.press("ArrowLeft")
    page.wait_for_function(
        """(old) => [...document.querySelectorAll("p, span")].some((e) =>
            e.textContent.includes("the knee is") && !e.textContent.includes(old))""",
        arg=before.split(" the knee")[0],
    )
    after = page.locator("text=the knee is").inner_text()
    assert "= 64" in after
    assert after != before
    assert page.locator("[data-instrument='frontier']").get_attribute("data-run") != drawn
    page.context.close()


CELLS = (
    f"import kvsim\nbase = {BASE!r}",
    "shown = kvsim.widgets.Frontier(base, {'engine.max_num_seqs': [4, 8]}, num_points=4)\nshown",
    "kvsim.widgets.Waterfall(base)",
    "kvsim.widgets.KVCacheHeatmap(base)",
    "print('knob', shown.settings['engine.max_num_seqs'], shown.result.capacity_per_s)",
)


def notebook(cells: tuple[str, ...]) -> str:
    return json.dumps({
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": source,
             "outputs": [], "execution_count": None}
            for i, source in enumerate(cells)
        ],
    })  # fmt: skip


@pytest.mark.full
def test_the_widgets_are_live_in_jupyterlab(chrome: Any, tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed (make test-full)")
    (tmp_path / "widgets.ipynb").write_text(notebook(CELLS))
    with served(
        "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={tmp_path}",
    ) as url:  # fmt: skip
        tab = open_tab(chrome, viewport={"width": 1280, "height": 2400})
        page = tab.page
        page.goto(f"{url}lab/tree/widgets.ipynb")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        page.locator(".jp-Notebook .cm-content").first.click()
        for _ in CELLS:
            page.keyboard.press("Shift+Enter")
        for name in ("frontier", "waterfall", "kv-cache-heatmap"):
            page.locator(f"[data-instrument='{name}'] .main-svg").first.wait_for(timeout=60_000)
        drawn = page.locator("[data-instrument='frontier']").get_attribute("data-run")
        # JupyterLab has shortcuts on the arrows; the slider must get them all the same.
        slider = page.locator(".instrument-controls input").first
        slider.focus()
        slider.press("ArrowRight")
        page.wait_for_function(
            "(old) => document.querySelector('[data-instrument=frontier]').dataset.run !== old",
            arg=drawn,
        )
        page.locator(".jp-Notebook .cm-content").nth(len(CELLS) - 1).click()
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-OutputArea-output:has-text('knob 8')").wait_for()
        expected = kvsim.frontier(
            {**BASE, "engine": {**BASE["engine"], "max_num_seqs": 8}}, num_points=4
        )
        assert str(expected.capacity_per_s) in page.inner_text(".jp-Notebook")
        page.context.close()
