"""One simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kvsim import _native
from kvsim._encode import Encodable, Traces, encode_scenario
from kvsim._inputs import Resolver, check_deadline, native_catalog
from kvsim._progress import Progress, watching
from kvsim.result import Result

if TYPE_CHECKING:
    from kvsim.datasets import Trace

ScenarioLike = Encodable | Mapping[str, Any] | str


def simulate(
    scenario: ScenarioLike,
    *,
    datasets: Mapping[str, Trace] | None = None,
    progress: Progress = None,
    deadline_s: float | None = None,
) -> Result:
    """Simulate a scenario.

    The run is in C++ with the GIL released; several Python threads may call this at once.

    Parameters
    ----------
    scenario : Scenario, mapping or JSON text
        What to simulate; the three forms are equal in effect.
    datasets : mapping, optional
        Your own traces by the names that the scenario uses. A `Trace` may also stand in the
        scenario itself, as `lengths`.
    progress : bool or callable, optional
        True shows a bar (tqdm, on stderr); a callable gets (requests finished, requests in all)
        from time to time in the calling thread. What it raises ends the run.
    deadline_s : float, optional
        Seconds after which the run ends with an error.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError
        If a field's value is not allowed; names field, value and what is allowed.
    MemoryError
        If this machine's memory does not suffice for the run; where that can be told before, it
        is a ConfigError with the GB.
    InfeasibleError
        If the model or a request does not fit into memory.
    LivelockError
        If the scheduler would never finish; names the requests and why.
    DeadlineExceeded
        If the deadline is over.
    KeyboardInterrupt
        At Ctrl-C, within 0.2 s.

    Examples
    --------
    >>> import kvsim
    >>> scenario = kvsim.Scenario(
    ...     engine=kvsim.Engine(num_gpu_blocks=1000, max_model_len=4096),
    ...     step_time=kvsim.Affine(),
    ...     workload=kvsim.Workload(num_requests=100, arrivals=kvsim.Deterministic(rate_per_s=2)),
    ... )
    >>> result = kvsim.simulate(scenario)
    >>> result.status, result.summary["completed"]
    ('ok', 100)
    """
    traces: Traces = {}
    text = encode_scenario(scenario, traces)
    resolver = Resolver(datasets, traces)
    limit_s = check_deadline(deadline_s)
    with watching(progress, None, "requests") as watch:
        native = _native.simulate(text, native_catalog(), resolver, watch, limit_s)
    return Result(native, resolver.hashes)


def canonical(scenario: ScenarioLike) -> str:
    """Return the canonical JSON of a scenario in any of its forms."""
    return _native.canonical("Scenario", encode_scenario(scenario, {}))
