"""Scenarios as typed objects, mappings and JSON: equal in effect, and checked in one place."""

import copy
import dataclasses
import itertools
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvsim
from kvsim import _native
from kvsim._schema import paths, schema

STRUCTS = {s["name"]: s for s in schema()["structs"]}
ENUMS = {e["name"]: e["values"] for e in schema()["enums"]}


def values_of(field: dict[str, Any], kind: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a field allows, by the engine's own description."""
    low, high = field["min"], field["max"]
    match kind["type"]:
        case "bool":
            return st.booleans()
        case "double":
            return st.floats(
                low, high, exclude_min=field["exclusive_min"], allow_nan=False, allow_infinity=False
            )
        case "int32" | "int64" | "uint64":
            top = 2**63 - 1 if kind["type"] != "int32" else 2**31 - 1
            return st.integers(
                int(low) if low is not None else 0, int(high) if high is not None else top
            )
        case "enum":
            return st.sampled_from(ENUMS[kind["enum"]])
        case "string":
            return st.text(max_size=8)
        case "optional":
            return st.none() | values_of(field, kind["of"])
        case "list":
            return st.lists(values_of(field, kind["of"]), max_size=3)
        case "name_or_struct":
            return st.sampled_from(["llama-3-8b", "h100-sxm"])
        case "struct":
            return struct_values(kind["struct"])
        case "variant":
            return st.one_of(*(struct_values(name) for name in kind["structs"]))
    raise AssertionError(kind)


def struct_values(name: str) -> st.SearchStrategy[dict[str, Any]]:
    about = STRUCTS[name]
    members = {f["name"]: values_of(f, f["type"]) for f in about["fields"]}
    if name == "Scenario":
        members["schema_version"] = st.just(1)
    required = {"kind": st.just(about["kind"])} if about["kind"] else {}
    return st.fixed_dictionaries(required, optional=members)


def repaired(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the engine does not take together: single ranges do not say everything."""
    for _ in range(60):
        fields.setdefault("workload", {}).setdefault("num_requests", 7)
        try:
            _native.check("Scenario", json.dumps(fields))
        except kvsim.ConfigError as error:
            # Of a list, the whole.
            path = itertools.takewhile(
                lambda part: not part.isdigit(), str(error).partition(":")[0].split(".")
            )
            *above, last = path
            node = fields
            for part in above:
                node = node[part]
            if last == "num_requests":
                node[last] = 7
            elif node.pop(last, None) is None:
                fields.pop(above[0] if above else last, None)
        else:
            return fields
    raise AssertionError(fields)


@given(struct_values("Scenario").map(repaired))
def test_json_round_trip(fields: dict[str, Any]) -> None:
    scenario = kvsim.Scenario.from_dict(fields)
    text = scenario.to_json()
    again = kvsim.Scenario.from_json(text)
    assert again == scenario
    assert hash(again) == hash(scenario)
    assert again.to_json() == text
    assert kvsim.Scenario.from_dict(scenario.to_dict()) == scenario
    assert _native.canonical("Scenario", json.dumps(fields)) == text
    assert again.run_id == scenario.run_id
    assert pickle.loads(pickle.dumps(scenario)) == copy.deepcopy(scenario) == scenario


SMALL: dict[str, Any] = {
    "engine": {"num_gpu_blocks": 500, "max_model_len": 4096},
    "step_time": {"kind": "affine"},
    "workload": {
        "num_requests": 60,
        "arrivals": {"kind": "gamma", "rate_per_s": 20, "cv": 2},
        "lengths": {"kind": "lognormal", "prompt_mean_tokens": 200, "prompt_max_tokens": 1000},
    },
    "seed": 5,
}


def typed() -> kvsim.Scenario:
    return kvsim.Scenario(
        engine=kvsim.Engine(num_gpu_blocks=500, max_model_len=4096),
        step_time=kvsim.Affine(),
        workload=kvsim.Workload(
            num_requests=60,
            arrivals=kvsim.Gamma(rate_per_s=20, cv=2),
            lengths=kvsim.LogNormalLengths(prompt_mean_tokens=200, prompt_max_tokens=1000),
        ),
        seed=5,
    )


def test_three_forms_are_equal_in_effect() -> None:
    results = [
        kvsim.simulate(form)
        for form in (typed(), SMALL, json.dumps(SMALL), typed().to_dict(), typed().to_json())
    ]
    assert len({r.run_id for r in results}) == 1
    assert len({r.to_json(tables=["requests"]) for r in results}) == 1
    assert results[0].scenario == typed()
    assert results[0].run_id == typed().run_id


def test_mixed_forms() -> None:
    mixed = kvsim.Scenario(
        engine={"num_gpu_blocks": 500, "max_model_len": np.int64(4096)},
        step_time=kvsim.Affine(),
        workload={**SMALL["workload"], "arrivals": kvsim.Gamma(rate_per_s=np.float32(20), cv=2)},
        seed=np.uint8(5),
    )
    assert mixed == typed()
    inside = {**SMALL, "engine": kvsim.Engine(num_gpu_blocks=500, max_model_len=4096)}
    assert kvsim.simulate(inside).run_id == typed().run_id


def test_integers_and_floats_of_equal_value_are_one_scenario() -> None:
    assert kvsim.Poisson(rate_per_s=8) == kvsim.Poisson(rate_per_s=8.0)
    assert kvsim.Poisson(rate_per_s=8).to_json() == kvsim.Poisson(rate_per_s=8.0).to_json()
    assert kvsim.Engine(block_size=16.0).block_size == 16  # type: ignore[arg-type]
    assert isinstance(kvsim.Engine(block_size=16.0).block_size, int)  # type: ignore[arg-type]


def test_objects_are_frozen_and_keyword_only() -> None:
    engine = kvsim.Engine()
    with pytest.raises(AttributeError):
        engine.block_size = 8  # type: ignore[misc]
    with pytest.raises(TypeError):
        kvsim.Poisson(8)  # type: ignore[misc]


def test_repr_shows_what_differs_from_the_defaults() -> None:
    assert repr(kvsim.Engine()) == "Engine()"
    assert repr(typed()).startswith("Scenario(engine=Engine(max_model_len=4096, num_gpu_blocks=500")
    names = {name: getattr(kvsim, name) for name in kvsim.scenario.__all__}
    assert eval(repr(typed()), names) == typed()


def test_replace() -> None:
    changed = typed().replace({"engine.max_num_seqs": 8, "workload.arrivals.cv": 1.5}, seed=9)
    assert (changed.engine.max_num_seqs, changed.seed) == (8, 9)
    assert changed.workload.arrivals == kvsim.Gamma(rate_per_s=20, cv=1.5)
    assert typed().seed == 5
    swapped = typed().replace({"workload.arrivals": kvsim.Burst()})
    assert swapped.workload.arrivals == kvsim.Burst()
    for path, message in {
        "engine.max_num_seq": "did you mean 'max_num_seqs'",
        "workload.arrivals.concurrency": "no field of Gamma",
        "model.layers": "model is None, which has no fields",
    }.items():
        with pytest.raises(kvsim.ConfigError, match=message):
            typed().replace({path: 1})


def test_catalogue_objects_stand_for_their_names() -> None:
    by_name = kvsim.Scenario(
        model="llama-3-8b", gpu="h100-sxm", workload=kvsim.Workload(num_requests=20)
    )
    inline = by_name.replace(
        model=kvsim.catalog.model("llama-3-8b"), gpu=kvsim.catalog.gpu("h100-sxm").to_dict()
    )
    assert isinstance(inline.gpu, kvsim.Gpu)
    assert inline.replace({"gpu.tdp_w": 500}).gpu.tdp_w == 500  # type: ignore[union-attr]
    assert kvsim.Scenario.from_json(inline.to_json()) == inline
    assert kvsim.simulate(inline).summary == kvsim.simulate(by_name).summary


def trace(n: int = 50) -> kvsim.Trace:
    return kvsim.Trace(
        arrival_ns=np.arange(n) * 10**7,
        prompt_tokens=10 + np.arange(n) % 7,
        output_tokens=1 + np.arange(n) % 5,
    )


def test_own_traces() -> None:
    own = trace()
    changes = {"arrivals": kvsim.TraceArrivals(), "num_requests": 50, "lengths": "mine"}
    base = typed().replace({f"workload.{name}": value for name, value in changes.items()})
    by_name = kvsim.simulate(base, datasets={"mine": own})
    inside = base.replace({"workload.lengths": own})
    assert inside.to_dict()["workload"]["lengths"]["name"] == f"sha256-{own.sha256}"
    results = [
        by_name,
        kvsim.simulate(inside),
        kvsim.simulate({**base.to_dict(), "workload": {**base.workload.to_dict(), "lengths": own}}),
        kvsim.simulate(inside.to_json(), datasets={f"sha256-{own.sha256}": own}),
    ]
    assert np.array_equal(by_name.requests["prompt_tokens"], own.prompt_tokens)
    for result in results[1:]:
        assert np.array_equal(result.requests["finish_ns"], by_name.requests["finish_ns"])
    # A trace that is handed over counts in the run's name, since its own name says nothing.
    assert by_name.run_id != base.run_id
    assert results[1].run_id == inside.run_id
    other = kvsim.simulate(base, datasets={"mine": trace(60)})
    assert other.run_id != by_name.run_id


def test_every_path_is_described() -> None:
    for path, about in paths().items():
        assert about.doc.endswith((".", ".)")), path
        assert about.type in ("int", "float", "bool", "str", "choice", "object", "list"), path
    assert paths()["engine.block_size"].unit == "tokens"
    assert paths()["workload.lengths.kind"].allowed.startswith("fixed, uniform")


def test_specs_are_frozen_dataclasses() -> None:
    poisson = kvsim.Poisson(rate_per_s=2)
    assert dataclasses.is_dataclass(poisson)
    assert [f.name for f in dataclasses.fields(kvsim.Sessions)] == list(kvsim.Sessions._defaults)
    assert dataclasses.asdict(poisson) == {"rate_per_s": 2.0}
    assert dataclasses.replace(poisson, rate_per_s=3) == kvsim.Poisson(rate_per_s=3)
    assert hash(poisson) == hash(kvsim.Poisson(rate_per_s=2.0))
    assert poisson != kvsim.Deterministic(rate_per_s=2)
    for change in (
        lambda: setattr(poisson, "rate_per_s", 1),
        lambda: delattr(poisson, "rate_per_s"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError, match="rate_per_s"):
            change()
