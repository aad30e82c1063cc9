"""Write the findings in docs/lab.md anew: what the lab's questions come out at, over seeds.

    python tools/write_lab_notes.py          (make lab-notes)

Every lab of the course's data file is run here in Python, by the same engine that runs in the
page, with the seeds 0 to 19; means with 95 % intervals (Student's t) take the place of what stands
between the two marks in the page.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import kvsim
from kvsim import statistics
from kvsim._capacity import backlog_patch, backlog_throughput

ROOT = Path(__file__).parents[1]
COURSE = ROOT / "python" / "kvsim" / "lab" / "site" / "course.json"
PAGE = ROOT / "docs" / "lab.md"
MARKS = ("<!-- findings: make lab-notes -->", "<!-- end of the findings -->")
SEEDS = range(20)
LOADS = (0.5, 0.8, 0.9)
RATE = "workload.arrivals.rate_per_s"
Patch = Mapping[str, Any]


def scenario(base: Mapping[str, Any], patch: Patch, seed: int) -> kvsim.Scenario:
    """Return a scenario with fields set one after the other, as the page sets them."""
    given = kvsim.Scenario.from_dict({**base, "seed": seed}).to_dict()
    for path, value in patch.items():
        *parts, last = path.split(".")
        node = given
        for part in parts:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[last] = value
    return kvsim.Scenario.from_dict(given)


def figure(base: Mapping[str, Any], patch: Patch, key: str, seed: int) -> float:
    """Run a scenario; return a figure of its summary."""
    return float(kvsim.simulate(scenario(base, patch, seed)).summary[key])


def over_seeds(value: Callable[[int], float], unit: str) -> str:
    """Return mean and half width of the interval as text."""
    values = np.array([value(seed) for seed in SEEDS])
    mean = values.mean()
    if np.ptp(values) == 0:
        return f"{shown(mean)} {unit}".strip()
    found = statistics.replications(values)
    return f"{shown(mean)} ± {shown(found.high - mean)} {unit}".strip()


def measured(base: Mapping[str, Any], patch: Patch, key: str, unit: str, scale: float = 1) -> str:
    """Return a figure over the seeds."""
    return over_seeds(lambda seed: scale * figure(base, patch, key, seed), unit)


def shown(value: float) -> str:
    """Return a number with three digits, or whole."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def knee(lab: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the rows of part 1."""
    base, metric = lab["base"], lab["metric"]
    capacities = {}
    for seed in SEEDS:
        whole = scenario({**base, "record": "requests"}, {}, seed)
        backlog = scenario({**base, "record": "requests"}, backlog_patch(whole.to_dict()), seed)
        capacities[seed] = float(backlog_throughput(kvsim.simulate(backlog)) or np.nan)
    yield "capacity", over_seeds(lambda seed: capacities[seed], "/s")

    def at_load(load: float, seed: int) -> float:
        return figure(base, {RATE: load * capacities[seed]}, metric, seed)

    for load in LOADS:
        label = f"{lab['metric_label']} at {100 * load:.0f} % of it"
        yield label, over_seeds(partial(at_load, load), "ms")
    if any(limit["key"] == "mean_power_mw" for limit in lab["limits"]):
        window = next(c for c in lab["controls"]["primary"] if c["id"] == "window")
        for position in window["positions"]:
            patch = {window["path"]: position["value"]}
            p99 = measured(base, patch, metric, "ms")
            power = measured(base, patch, "mean_power_mw", "mW")
            yield f"window {position['label']}: P99, power", f"{p99}, {power}"


def answer(lab: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a prediction is compared with."""
    asked, base = lab["prediction"]["answer"], lab["base"]
    key = asked["key"]
    if asked["method"] == "value":
        yield "the question's figure", measured(base, asked["set"], key, asked["unit"])
        return

    def ratio(seed: int) -> float:
        return figure(base, asked["over"], key, seed) / figure(base, asked["under"], key, seed)

    yield "the question's figure", over_seeds(ratio, asked["unit"])
    for more in asked.get("also", []):
        in_percent = more["key"].endswith("_slots")
        scale, unit = (100, "%") if in_percent else (1, "users")
        yield NAMES[more["name"]], measured(base, more["set"], more["key"], unit, scale)


NAMES = {
    "shared": "users at once, pages and shared prompts",
    "held": "KV memory that holds tokens, reserving",
    "held_paged": "KV memory that holds tokens, pages",
}


def tries(lab: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what explains the ten tries of part 2."""
    for run in lab["tries"]["why"]["runs"]:
        unit = "ms" if run["key"].endswith("_ms") else "%"
        what = f"{run['name']}: {run['key']}"
        yield what, measured(lab["base"], run["set"], run["key"], unit)


def challenge(lab: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what speculation and more users do to cost and tail."""
    cfo, base = lab["cfo"], lab["base"]
    today = cfo["base"]
    users = today["workload.arrivals.concurrency"]

    def change(patch: Patch, key: str) -> str:
        def percent(seed: int) -> float:
            now, then = (figure(base, p, key, seed) for p in ({**today, **patch}, today))
            # What a token costs is the reverse of the tokens a second.
            return 100 * ((then / now if key == "output_throughput" else now / then) - 1)

        return over_seeds(percent, "%")

    knob = next(knob for knob in cfo["controls"] if knob["id"] == "spec")
    three, seven = ({knob["path"]: n, **knob["also"][str(n)]} for n in (3, 7))
    crowd = {"workload.arrivals.concurrency": base["workload"]["arrivals"]["concurrency"]}
    many = crowd["workload.arrivals.concurrency"]
    for label, patch in (
        (f"{users} users, 3 drafts", three),
        (f"{users} users, 7 drafts", seven),
        (f"{many} users, no drafts", crowd),
        (f"{many} users, 3 drafts", {**three, **crowd}),
        (f"{many} users, 7 drafts", {**seven, **crowd}),
    ):
        cost, tail = change(patch, "output_throughput"), change(patch, cfo["guard"]["key"])
        yield f"{label}: cost, P99 against {users} users, no drafts", f"{cost}, {tail}"


def table() -> str:
    """Return the findings of all labs."""
    course = json.loads(COURSE.read_text())
    lines = [
        f"Means over the seeds 0 to {SEEDS[-1]} with 95 % intervals; without one, nothing in the "
        "run is random.",
        "",
        "| part | track | what | simulated |",
        "|---|---|---|---|",
    ]
    for part in course["parts"]:
        for track in course["tracks"]:
            lab = course["labs"][part["id"]][track["id"]]
            if "none" in lab:
                continue
            rows = list(knee(lab) if part["id"] == "knee" else answer(lab))
            rows += list(tries(lab)) if "tries" in lab else []
            rows += list(challenge(lab)) if "cfo" in lab else []
            lines += [f"| {part['title']} | {track['name']} | {a} | {b} |" for a, b in rows]
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    begin, end = (re.escape(mark) for mark in MARKS)
    text = PAGE.read_text()
    whole = re.compile(f"{begin}.*{end}", re.DOTALL)
    if not whole.search(text):
        raise SystemExit(f"{PAGE}: has no {MARKS[0]}")
    filled = f"{MARKS[0]}\n{table()}\n{MARKS[1]}"
    PAGE.write_text(whole.sub(lambda _: filled, text))


if __name__ == "__main__":
    main()
