"""What a run needs beside its scenario: the catalogue and datasets, in the engine's memory."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from weakref import WeakKeyDictionary

from kvsim import _native
from kvsim._encode import Traces
from kvsim.datasets import Trace, load, names
from kvsim.errors import ConfigError

_LONGEST_S = 1e9
_FOLDER = Path(__file__).parent / "data" / "catalog"


@functools.cache
def native_catalog() -> _native.Catalog:
    """Return the packaged catalogue, read once."""
    texts = [(_FOLDER / f"{kind}.json").read_text(encoding="utf-8") for kind in ("models", "gpus")]
    catalog = _native.Catalog(*texts)
    for gpu in ("h100-sxm", "h200"):
        path = _FOLDER.parent / "step_time" / f"{gpu}.json"
        catalog.add_step_tables(path.read_text(encoding="ascii"))
    return catalog


# One copy in the engine's memory for each trace that is alive; equal traces share it.
_COPIES: WeakKeyDictionary[Trace, _native.Dataset] = WeakKeyDictionary()


def native_dataset(trace: Trace) -> _native.Dataset:
    """Return a trace's columns in the engine's memory."""
    copy = _COPIES.get(trace)
    if copy is None:
        copy = _native.Dataset(
            arrival_ns=trace.arrival_ns,
            prompt_tokens=trace.prompt_tokens,
            output_tokens=trace.output_tokens,
            priority=trace.priority,
            stop_after=trace.stop_after,
            hash_offset=trace.hash_offset,
            hash_ids=trace.hash_ids,
            hash_block_tokens=trace.hash_block_tokens or 0,
            token_offset=trace.token_offset,
            token_ids=trace.token_ids,
        )
        _COPIES[trace] = copy
    return copy


class Resolver:
    """Finds datasets by name: those handed over, those that stood in the scenario, the packaged."""

    def __init__(self, datasets: Mapping[str, Trace] | None, traces: Traces) -> None:
        for name, trace in (datasets or {}).items():
            if not isinstance(name, str):
                raise ConfigError(f"datasets[{name!r}]: got a name that is no text")
            check_trace(f"datasets[{name!r}]", trace)
        self._handed = dict(datasets or {})
        self._traces = traces
        self.hashes: dict[str, str] = {}

    def __call__(self, name: str) -> _native.Dataset | None:
        """Return a dataset, None if there is none of this name."""
        if name in self._handed:
            trace = self._handed[name]
            self.hashes[name] = trace.sha256
        elif name in self._traces:
            trace = self._traces[name]
        elif name in names():
            trace = load(name)
        else:
            return None
        return native_dataset(trace)

    def known(self) -> list[str]:
        """Return the names that can be asked for."""
        return [*self._handed, *names()]


def check_trace(what: str, trace: object) -> Trace:
    """Return the trace after checking that it is one."""
    if not isinstance(trace, Trace):
        raise ConfigError(f"{what}: got a {type(trace).__name__}; allowed: a Trace")
    return trace


def check_deadline(deadline_s: float | None) -> float | None:
    """Return a deadline in seconds after checking it."""
    if deadline_s is None:
        return None
    if (
        isinstance(deadline_s, bool)
        or not isinstance(deadline_s, int | float)
        or not deadline_s > 0
    ):
        raise ConfigError(f"deadline_s: got {deadline_s!r}; allowed: a number of seconds above 0")
    return min(float(deadline_s), _LONGEST_S)
