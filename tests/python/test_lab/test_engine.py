"""The engine in a page: the same bits as here, and runs that are dropped when newer ones come."""

import json
from typing import Any

import pytest

import kvsim

BASE: dict[str, Any] = {
    "model": "llama-3-70b",
    "gpu": "h100-sxm",
    "tensor_parallel_size": 8,
    "workload": {
        "arrivals": {"kind": "poisson", "rate_per_s": 6.5},
        "lengths": {"kind": "lognormal", "prompt_mean_tokens": 900, "output_mean_tokens": 150},
        "num_requests": 600,
    },
    "slo": {"ttft_ms": 500, "tpot_ms": 50},
    "seed": 3,
}
START = """
const { createEngine } = await import("./engine.js");
const engine = await createEngine();
"""


def run(page: Any, body: str, *arguments: Any) -> Any:
    """Run JavaScript that has an engine, and return what it returns."""
    return page.evaluate(
        f"async (given) => {{ {START} const body = async () => {{ {body} }};"
        " try { return await body(); } finally { engine.close(); } }",
        list(arguments),
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"pipeline_parallel_size": 2, "tensor_parallel_size": 4},
        {"engine": {"num_gpu_blocks": 900, "enable_prefix_caching": False, "max_model_len": 14000}},
        {"workload": {**BASE["workload"], "lengths": "azure-2023-conversation"}},
        {"workload": {**BASE["workload"], "arrivals": {"kind": "poisson", "rate_per_s": 60}}},
    ],
)
def test_same_bits_as_in_python(page: Any, change: dict[str, Any]) -> None:
    scenario = {**BASE, **change}
    there = run(page, "return engine.simulate(given[0]);", scenario)
    here = kvsim.simulate(scenario)
    assert there["status"] == here.status
    assert there["summary"] == dict(here.summary)
    assert there["version"] == kvsim.__version__
    assert there["seed"] == 3
    columns = there["columns"]["requests"]
    assert columns["finish_ns"] == here.requests["finish_ns"].tolist()
    for metric, which, percentile in (
        ("ttft", "p99", 99),
        ("e2e", "p50", 50),
        ("e2e", "mean", None),
    ):
        shown = there["waterfalls"][metric][which]
        expected = here.waterfall(metric, percentile=percentile)
        assert shown["parts_ms"] == dict(expected.parts_ms)
        assert shown["requests"] == expected.requests


def test_frontier_is_that_of_python(page: Any) -> None:
    there = run(page, "return engine.frontier(given[0], { numPoints: 6 });", BASE)
    here = kvsim.frontier(BASE, num_points=6)
    series = here.series[0]
    assert there["capacity_per_s"] == series.capacity_per_s
    assert there["offered_per_s"] == series.offered_per_s.tolist()
    latencies = [run["summary"]["p99_ttft_ms"] for run in there["runs"]]
    assert latencies == series.latency_ms("p99_ttft_ms").tolist()
    assert [run["status"] for run in there["runs"]] == series.status
    knee = here.knee
    assert there["knee"] == (knee and knee.to_dict())


def test_sweep_reaches_into_defaults(page: Any) -> None:
    points = [{"engine.max_num_seqs": 4}, {"workload.arrivals": {"kind": "burst"}}]
    there = run(page, "return engine.sweep(given[0], given[1]);", BASE, points)
    here = kvsim.sweep(BASE, points)
    assert [r["summary"]["p99_e2el_ms"] for r in there] == here["p99_e2el_ms"].tolist()


def test_ids_tell_runs_apart_and_scenarios_together(page: Any) -> None:
    ids = run(
        page,
        """const a = await engine.simulate(given[0]), b = await engine.simulate(given[0]);
        const c = await engine.simulate({ ...given[0], seed: 4 });
        return [a.id, b.id, c.id];""",
        BASE,
    )
    assert len(set(ids)) == 3
    hashes = [i.split("-")[0] for i in ids]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"tensor_parallel_size": 1}, "infeasible", "does not fit"),
        ({"weight_dtype": "int3"}, "invalid", "weight_dtype"),
        ({"nonsense": 1}, "invalid", "nonsense"),
    ],
)
def test_a_failed_point_has_a_status(
    page: Any, change: dict[str, Any], status: str, word: str
) -> None:
    there = run(
        page,
        """const bad = await engine.simulate(given[0]);
        return [bad, (await engine.simulate(given[1])).status];""",
        {**BASE, **change},
        BASE,
    )
    assert there[0]["status"] == status
    assert word in there[0]["reason"]
    assert there[1] == "ok"  # a trap leaves nothing behind


def test_a_newer_run_takes_the_place_of_an_older(page: Any) -> None:
    long = json.loads(json.dumps(BASE))
    long["workload"]["num_requests"] = 3_000_000
    ends = run(
        page,
        """const began = performance.now();
        const old = Array.from({ length: engine.workers + 1 }, () => 0).map(() =>
          engine.simulate(given[0], { key: "slider" }).catch((error) => error.name));
        const fresh = await engine.simulate(given[1], { key: "slider" });
        return [await Promise.all(old), fresh.status];""",
        long,
        BASE,
    )
    assert set(ends[0]) == {"AbortError"}
    assert ends[1] == "ok"


def test_numbers_that_a_page_cannot_hold_are_refused(page: Any) -> None:
    message = run(
        page,
        "return engine.simulate({ seed: 2 ** 60 }).catch((error) => error.message);",
    )
    assert message.startswith("scenario.seed: got 11529215046068")
    assert message.endswith("allowed in a page: whole numbers below 2^53")


@pytest.mark.parametrize(
    ("missing", "word"), [("WebAssembly", "WebAssembly"), ("Worker", "Workers")]
)
def test_a_browser_that_lacks_something_is_told(page: Any, missing: str, word: str) -> None:
    message = page.evaluate(
        """async (missing) => {
            const { createEngine } = await import("./engine.js");
            const kept = globalThis[missing];
            globalThis[missing] = undefined;
            try { await createEngine(); return ""; }
            catch (error) { return error.message; }
            finally { globalThis[missing] = kept; }
        }""",
        missing,
    )
    assert message.startswith("This browser has no")
    assert word in message


def test_fields_are_those_of_the_engine(page: Any) -> None:
    from kvsim._schema import paths

    table = run(page, "return engine.fields;")
    known = {path: about for path, about in paths().items() if not path.endswith(".kind")}
    assert set(table) == set(known)
    for path, about in known.items():
        assert (table[path]["unit"], table[path]["doc"]) == (about.unit, about.doc)
        assert tuple(table[path]["kinds"]) == about.kinds


def test_closed_forms_are_those_of_python(page: Any) -> None:
    found = run(
        page,
        """return [await engine.theory("mm1_sojourn_quantile_s", [0.8, 1, 0.99]),
        await engine.theory("mm1_mean_wait_s", [2, 1]),
        await engine.theory("none", []).catch((error) => error.message)];""",
    )
    assert found[0] == kvsim.queueing.mm1_sojourn_quantile_s(0.8, 1.0, 0.99)
    assert found[1] is None
    assert found[2].startswith('name: got "none"; allowed: knee, utilization')
