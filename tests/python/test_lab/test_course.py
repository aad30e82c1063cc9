"""The lab's data file: every lab runs, every knob has a start, every position means something."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kvsim
from kvsim import result

SITE = Path(__file__).parents[3] / "python" / "kvsim" / "lab" / "site"
COURSE = json.loads((SITE / "course.json").read_text())
LABS = {
    (part["id"], track["id"]): COURSE["labs"][part["id"]][track["id"]]
    for part in COURSE["parts"]
    for track in COURSE["tracks"]
}
PLAYED = {place: lab for place, lab in LABS.items() if "none" not in lab}
SUMMARY = {name for name, _, _ in result.summary_fields()}
each_lab = pytest.mark.parametrize("place", PLAYED, ids="/".join)


def get(scenario: Any, path: str) -> Any:
    for part in path.split("."):
        scenario = scenario.get(part) if isinstance(scenario, dict) else None
    return scenario


def put(scenario: dict[str, Any], path: str, value: Any) -> None:
    *parts, last = path.split(".")
    for part in parts:
        if not isinstance(scenario.get(part), dict):
            scenario[part] = {}
        scenario = scenario[part]
    scenario[last] = value


def covers(value: Any, asked: Any) -> bool:
    if isinstance(asked, dict):
        return isinstance(value, dict) and all(covers(value.get(k), v) for k, v in asked.items())
    return bool(value == asked)


def knobs(lab: dict[str, Any]) -> list[dict[str, Any]]:
    return [*lab["controls"]["primary"], *lab["controls"]["more"]]


def values(knob: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if knob["widget"] == "range":
        yield "least", knob["min"]
        yield "most", knob["max"]
    else:
        yield from ((p["label"], p["value"]) for p in knob["positions"])


def with_setting(
    lab: dict[str, Any], knob: dict[str, Any], label: str, value: Any
) -> kvsim.Scenario:
    """Return the scenario with one knob moved and, where it needs others, those set for it."""
    scenario = kvsim.Scenario.from_dict(lab["base"]).to_dict()
    by_id = {k["id"]: k for k in knobs(lab)}
    moves = [(by_id[i], labels[0]) for i, labels in knob.get("needs", {}).items()]
    for needed, position in moves:
        put(scenario, needed["path"], dict(values(needed))[position])
    put(scenario, knob["path"], value)
    for moved, position in [*moves, (knob, label)]:
        for path, more in moved.get("also", {}).get(position, {}).items():
            put(scenario, path, more)
    return kvsim.Scenario.from_dict(scenario)


def test_three_parts_four_tracks_and_what_makes_no_sense_says_why() -> None:
    assert (len(COURSE["parts"]), len(COURSE["tracks"])) == (3, 4)
    assert len(LABS) - len(PLAYED) <= 3
    for place, lab in LABS.items():
        if place not in PLAYED:
            assert len(" ".join(lab["none"])) > 200
            assert set(lab) == {"none", "instead"}


@each_lab
def test_a_lab_is_complete(place: tuple[str, str]) -> None:
    lab = PLAYED[place]
    for name in (
        "know",
        "scenario",
        "facts",
        "evidence",
        "source",
        "reflection",
        "checkpoint",
        "break",
    ):
        assert lab[name], name
    assert len(lab["controls"]["primary"]) <= 3
    assert set(lab["readouts"]) <= SUMMARY
    assert {limit["key"] for limit in lab["limits"]} | {lab["metric"]} <= SUMMARY
    for peek in lab["peeks"]:
        assert (SITE / "peeks" / f"{peek}.js").is_file()
    choices = lab["prediction"].get("choices")
    assert choices is None or len(choices) == 4


@each_lab
def test_every_knob_starts_at_the_scenario(place: tuple[str, str]) -> None:
    lab = PLAYED[place]
    ids = {knob["id"] for knob in knobs(lab)}
    for knob in knobs(lab):
        start = get(lab["base"], knob["path"])
        if knob["widget"] == "range":
            assert knob["min"] <= start <= knob["max"]
        else:
            assert any(covers(start, p["value"]) for p in knob["positions"]), knob["id"]
        assert set(knob.get("needs", {})) <= ids
        labels = {p["label"] for p in knob.get("positions", [])}
        assert set(knob.get("also", {})) <= labels


@each_lab
def test_every_position_is_a_scenario_that_runs_or_says_why(place: tuple[str, str]) -> None:
    lab = PLAYED[place]
    outcomes = {
        f"{knob['id']} {label}": outcome(with_setting(lab, knob, label, value))
        for knob in knobs(lab)
        for label, value in values(knob)
    }
    # More GPUs than there are is the one setting that is not allowed: a target's budget has it.
    refused = {k: said for k, said in outcomes.items() if said not in ("runs", "does not fit")}
    assert all(re.search("GPUs; allowed: at most", said) for said in refused.values()), refused
    assert not refused or "budget" in lab["tries"]
    if place[0] == "memory":
        assert "does not fit" in outcomes.values()


def outcome(scenario: kvsim.Scenario) -> str:
    try:
        kvsim.simulate(scenario)
    except kvsim.InfeasibleError:
        return "does not fit"
    except kvsim.ConfigError as error:
        return str(error)
    return "runs"


@each_lab
def test_limits_can_be_missed_and_kept(place: tuple[str, str]) -> None:
    """A failure that a student can cause and undo, by one knob or two."""
    lab = PLAYED[place]
    limits = lab["limits"]
    kept = set()
    scenarios = [kvsim.Scenario.from_dict(lab["base"])]
    scenarios += [
        with_setting(lab, knob, label, value)
        for knob in knobs(lab)
        for label, value in values(knob)
    ]
    if "tries" in lab:
        scenarios += [reached(lab)]
    for scenario in scenarios:
        try:
            summary = kvsim.simulate(scenario).summary
        except kvsim.KvsimError:
            kept.add(False)
        else:
            kept.add(all((summary[x["key"]] or 0) <= x["max"] for x in limits))
    assert kept == {True, False}


def reached(lab: dict[str, Any]) -> kvsim.Scenario:
    """Return the last explained setting that has the target's figure."""
    target = lab["tries"]["target"]["key"]
    run = [r for r in lab["tries"]["why"]["runs"] if r["key"] == target][-1]
    scenario = kvsim.Scenario.from_dict(lab["base"]).to_dict()
    for path, value in run["set"].items():
        put(scenario, path, value)
    return kvsim.Scenario.from_dict(scenario)


@pytest.mark.parametrize("place", [p for p, lab in PLAYED.items() if "tries" in lab], ids="/".join)
def test_the_target_of_ten_tries_can_be_reached(place: tuple[str, str]) -> None:
    lab = PLAYED[place]
    target = lab["tries"]["target"]
    for seed in range(5):
        summary = kvsim.simulate(reached(lab).replace({"seed": seed})).summary
        assert summary[target["key"]] <= target["max"]


@pytest.mark.parametrize("place", [p for p, lab in PLAYED.items() if "cfo" in lab], ids="/".join)
def test_the_cfo_can_be_satisfied_by_speculation_and_not_by_more_users(
    place: tuple[str, str],
) -> None:
    lab = PLAYED[place]
    cfo = lab["cfo"]
    spec, users, _ = cfo["controls"]

    def run(seed: int, **moved: Any) -> tuple[float, float]:
        scenario = kvsim.Scenario.from_dict({**lab["base"], "seed": seed}).to_dict()
        for path, value in cfo["base"].items():
            put(scenario, path, value)
        for knob in (spec, users):
            if knob["id"] in moved:
                position = moved[knob["id"]]
                put(scenario, knob["path"], position["value"])
                for path, value in knob.get("also", {}).get(position["label"], {}).items():
                    put(scenario, path, value)
        summary = kvsim.simulate(scenario).summary
        return 1 / summary["output_throughput"], summary[cfo["guard"]["key"]]

    for seed in range(3):
        cost, tail = run(seed)

        def kept(seed: int = seed, cost: float = cost, tail: float = tail, **moved: Any) -> bool:
            found = run(seed, **moved)
            return found[0] <= (1 - cfo["saving"]) * cost and found[1] <= tail

        assert any(kept(spec=position) for position in spec["positions"])
        assert not any(kept(users=position) for position in users["positions"])
