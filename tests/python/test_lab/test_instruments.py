"""The instruments: what they show is what they were given, exactly, and it can be taken away."""

import csv
import io
import xml.etree.ElementTree as ET
from typing import Any

import pytest

import kvsim

BASE: dict[str, Any] = {
    "model": "llama-3-8b",
    "gpu": "h100-sxm",
    "engine": {"num_gpu_blocks": 600, "max_model_len": 2048},
    "workload": {
        "arrivals": {"kind": "poisson", "rate_per_s": 6},
        "lengths": {"kind": "fixed", "prompt_tokens": 700, "output_tokens": 80},
        "num_requests": 80,
    },
    "record_memory": "heatmap",
}
# Mounts an instrument on what the engine gives, changes it once, and returns all that it offers.
MOUNT = """async ([kind, base, changed, options]) => {
  const { createEngine } = await import("./engine.js");
  const { mount } = await import(`./instruments/${kind}.js`);
  const engine = await createEngine({ workers: 1 });
  const ask = (scenario) => kind === "frontier"
    ? engine.frontier(scenario, { numPoints: 5 }) : engine.simulate(scenario);
  const events = [];
  document.body.addEventListener("instrument-drawn", (event) => events.push(event.detail.runs));
  const element = document.createElement("div");
  document.body.append(element);
  const first = await ask(base), second = await ask(changed);
  const instrument = mount(element, { data: first, options, theme: "light" });
  await instrument.drawn;
  await instrument.update(second, { theme: "dark" });
  const shown = {
    first, second, events, csv: instrument.toCSV(), png: await instrument.toPNG(),
    svg: await instrument.toSVG(), runs: element.querySelector("figure").dataset.run,
    label: element.querySelector(".instrument-plot").getAttribute("aria-label"),
    text: element.querySelector(".instrument-plot").textContent,
    head: [...element.querySelectorAll("thead th")].map((c) => c.textContent),
    cells: [...element.querySelectorAll("tbody tr")].map((row) =>
      [...row.cells].map((c) => ({ run: c.dataset.run, text: c.textContent, exact: c.title }))),
    buttons: [...element.querySelectorAll("button")].map((b) => b.getAttribute("aria-label")),
  };
  instrument.destroy();
  shown.left = element.innerHTML;
  engine.close();
  return shown;
}"""


def mounted(page: Any, kind: str, change: dict[str, Any], **options: Any) -> dict[str, Any]:
    shown: dict[str, Any] = page.evaluate(MOUNT, [kind, BASE, {**BASE, **change}, options])
    assert shown["png"].startswith("data:image/png;base64,")
    assert ET.fromstring(shown["svg"]).tag.endswith("svg")
    assert shown["buttons"] == ["Save as PNG", "Save as SVG", "Save as CSV"]
    assert shown["left"] == ""
    assert shown["events"][-1] == shown["runs"].split(" ")
    return shown


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_frontier(page: Any) -> None:
    shown = mounted(page, "frontier", {"engine": {**BASE["engine"], "max_num_seqs": 4}}, slo_ms=200)
    second = shown["second"]
    exact = [run["summary"]["p99_ttft_ms"] for run in second["runs"]]
    assert [float(row[2]["exact"]) for row in shown["cells"]] == exact
    assert [float(r["P99 time to first token (ms)"]) for r in rows(shown["csv"])] == exact
    for row, run in zip(shown["cells"], second["runs"], strict=True):
        assert {cell["run"] for cell in row} == {run["id"]}
    assert shown["runs"].split(" ") == [
        second["capacity_run"]["id"], *(run["id"] for run in second["runs"]),
    ]  # fmt: skip
    assert "limit 200 ms" in shown["text"]
    assert "capacity" in shown["label"]


def test_waterfall_and_its_ghost(page: Any) -> None:
    change = {"workload": {**BASE["workload"], "arrivals": {"kind": "poisson", "rate_per_s": 20}}}
    shown = mounted(page, "waterfall", change, metric="e2e", which="mean")
    here = kvsim.simulate({**BASE, **change})
    before = kvsim.simulate(BASE)
    table = {row[0]["text"]: row for row in shown["cells"]}
    total = sum(here.waterfall("e2e").parts_ms.values())
    assert float(table["total"][1]["exact"]) == pytest.approx(total, rel=1e-15)
    for name, part in (("queue", "queue"), ("memory (HBM)", "hbm"), ("compute", "compute")):
        assert float(table[name][1]["exact"]) == here.waterfall("e2e").parts_ms[part]
        assert float(table[name][2]["exact"]) == before.waterfall("e2e").parts_ms[part]
    assert shown["head"] == ["part", "ms", "before (ms)", "change (ms)"]
    assert shown["runs"].split(" ") == [shown["second"]["id"], shown["first"]["id"]]
    assert "before:" in shown["text"]


def test_heatmap(page: Any) -> None:
    shown = mounted(page, "heatmap", {"seed": 1})
    here = kvsim.simulate({**BASE, "seed": 1}).memory_map
    found = rows(shown["csv"])
    assert [int(r["t_ns"]) for r in found] == here.t_ns.tolist()
    for name, column in (("tokens", "token_slots"), ("free", "free_slots")):
        assert [int(r[column]) for r in found] == here.slots[name].tolist()
    assert "holds a token" in shown["label"]


@pytest.mark.parametrize("kind", ["waterfall", "heatmap"])
def test_a_run_that_failed_is_shown_as_one(page: Any, kind: str) -> None:
    shown = mounted(page, kind, {"engine": {"num_gpu_blocks": 4, "max_model_len": 2048}})
    assert "infeasible" in shown["text"]
    assert "infeasible" in shown["label"]
