"""Who may include whom in C++, and what the engine must not use."""

from codebase import Source

# A layer of the engine and the layers it may include, itself apart. Layers are folders of
# cpp/kvsim, with three that are none: `description` (what a scenario and its requests consist
# of), `records` (what a run leaves behind, and who fills it) and `simulate` (the entry, above
# everything).
LAYERS: dict[str, set[str]] = {
    "core": set(),
    "theory": {"core"},
    "description": {"core"},
    "workload": {"core", "description"},
    "kv": {"core", "description"},
    "step_time": {"core", "description"},
    "routing": {"core", "description"},
    "scenario": {"core", "description", "step_time", "kv", "routing"},
    "records": {"core", "description", "step_time", "scenario"},
    "metrics": {"core", "description", "records", "scenario"},
    "scheduler": {"core", "description", "records", "workload", "kv", "step_time", "scenario"},
}
LAYERS["server"] = LAYERS["scheduler"] | {"scheduler"}
LAYERS["fleet"] = LAYERS["server"] | {"server", "routing"}
EVERYTHING = set(LAYERS) | {"simulate"}
DESCRIPTION = {
    "field", "field_json", "field_schema", "json", "json_parse", "catalog_types",
    "workload_types", "request_table",
}  # fmt: skip
RECORDS = {"result", "result_fields", "ledger", "kv_budget"}

# Standard headers that bring in threads, files, clocks, streams, or random numbers and
# locales that differ between libraries.
FORBIDDEN_HEADERS = {
    "barrier", "chrono", "condition_variable", "csignal", "filesystem", "fstream", "future",
    "iostream", "latch", "locale", "mutex", "random", "semaphore", "shared_mutex", "stop_token",
    "syncstream", "thread",
}  # fmt: skip
FORBIDDEN_WORDS = {
    r"\bgetenv\b": "the environment",
    r"\bf(?:open|read|write|close|printf|scanf)\s*\(": "files",
    r"\b(?:printf|puts|putchar)\s*\(": "standard output",
    r"\bstd::(?:cout|cerr|clog|cin)\b": "streams",
    r"\b(?:clock_gettime|gettimeofday|std::time|std::clock)\b": "clocks",
    r"\bstd::\w+_distribution\b": "distributions that differ between libraries",
    r"\b(?:std::)?s?rand\s*\(": "a global generator",
    r"\bstd::random_device\b": "a random device",
    r"\bstd::hash\b": "hashes that differ between libraries",
    r"\bthread_local\b": "threads",
    r"\bpthread_\w+": "threads",
}
# Functions whose last bit differs between C libraries; core/math.hpp has portable ones.
LIBM = (
    r"(?:exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh"
    r"|asinh|acosh|atanh|tgamma|lgamma|erf|erfc|cbrt|hypot|fma)[fl]?"
)


def layer(name: str) -> str:
    """Return the layer of a file in cpp/kvsim, by its path from there."""
    folder, _, rest = name.partition("/")
    stem = name.rpartition("/")[2].partition(".")[0]
    if stem in DESCRIPTION | RECORDS:
        return "description" if stem in DESCRIPTION else "records"
    return folder if rest else "core" if stem == "version" else "simulate"


def test_every_folder_of_the_engine_has_its_rule(engine: list[Source]) -> None:
    layers = {layer(source.name.removeprefix("cpp/kvsim/")) for source in engine}
    assert layers <= EVERYTHING


def test_engine_layers(engine: list[Source]) -> None:
    wrong = []
    for source in engine:
        here = layer(source.name.removeprefix("cpp/kvsim/"))
        allowed = EVERYTHING if here == "simulate" else LAYERS[here] | {here}
        wrong += [
            f"{source.name} ({here}) includes {include}"
            for include in source.includes
            if include.startswith("kvsim/") and layer(include.removeprefix("kvsim/")) not in allowed
        ]
    assert wrong == []


def test_headers_include_no_circle(engine: list[Source]) -> None:
    includes = {
        source.name.removeprefix("cpp/"): [i for i in source.includes if i.startswith("kvsim/")]
        for source in engine
    }
    done: set[str] = set()

    def visit(name: str, chain: list[str]) -> None:
        assert name not in chain, " -> ".join([*chain, name])
        if name not in done:
            for include in includes.get(name, []):
                visit(include, [*chain, name])
            done.add(name)

    for name in includes:
        visit(name, [])


def test_engine_includes_only_itself_and_the_standard_library(engine: list[Source]) -> None:
    wrong = [
        f"{source.name} includes {include}"
        for source in engine
        for include in source.includes
        if not include.startswith("kvsim/") and ("/" in include or "." in include)
    ]
    assert wrong == []


def test_engine_has_no_threads_files_clocks_environment(engine: list[Source]) -> None:
    wrong = [
        f"{source.name} includes <{include}>"
        for source in engine
        for include in source.includes
        if include in FORBIDDEN_HEADERS
    ]
    for pattern, what in FORBIDDEN_WORDS.items():
        wrong += [f"{place} ({what})" for source in engine for place in source.matches(pattern)]
    assert wrong == []


def test_engine_calls_libm_only_in_core_math(engine: list[Source]) -> None:
    # A name of the portable functions' own namespace (math::exp) and a member (x.log()) are fine.
    pattern = rf"(?:(?<![\w.>:])|\bstd::|(?<!\w)::){LIBM}\s*\("
    wrong = [
        place
        for source in engine
        if not source.name.startswith("cpp/kvsim/core/math")
        for place in source.matches(pattern)
    ]
    assert wrong == []


def test_errors_leave_the_engine_through_core_error(engine: list[Source]) -> None:
    # The WebAssembly build has no exceptions, so neither may the engine throw or catch.
    wrong = [
        place
        for source in engine
        if not source.name.startswith("cpp/kvsim/core/error")
        for place in source.matches(r"\b(?:throw|try|catch)\b")
    ]
    assert wrong == []


def test_only_bindings_see_pybind11(cpp_sources: list[Source]) -> None:
    outside = [
        s for s in cpp_sources if not s.name.startswith(("cpp/bindings/", "bench/bindings/"))
    ]
    wrong = [place for s in outside for place in s.matches(r"\bpy::\w+|\bpybind11\b|\bPyObject\b")]
    wrong += [
        f"{source.name} includes {include}"
        for source in outside
        for include in source.includes
        if include.startswith(("pybind11/", "nanobind/")) or include == "Python.h"
    ]
    assert wrong == []


def test_only_the_runner_and_bindings_have_threads(cpp_sources: list[Source]) -> None:
    wrong = [
        place
        for source in cpp_sources
        if source.name.startswith("cpp/")
        and not source.name.startswith(("cpp/runner/", "cpp/bindings/"))
        for place in source.matches(r"\bstd::(?:jthread|thread|async|mutex|atomic\w*)\b")
    ]
    assert wrong == []


def test_headers_say_pragma_once(cpp_sources: list[Source]) -> None:
    headers = [source for source in cpp_sources if source.path.suffix == ".hpp"]
    assert [h.name for h in headers if "#pragma once" not in h.text] == []
