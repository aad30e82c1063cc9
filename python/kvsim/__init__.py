"""kvsim: a fast, exact simulator of LLM serving.

`simulate` runs one scenario, `sweep` many on all cores, `frontier` finds capacity and knee.

Examples
--------
>>> import kvsim
>>> scenario = kvsim.Scenario(
...     model="llama-3-70b",
...     gpu="h100-sxm",
...     tensor_parallel_size=8,
...     workload=kvsim.Workload(
...         arrivals=kvsim.Poisson(rate_per_s=4),
...         lengths="azure-2023-conversation",
...         num_requests=500,
...     ),
...     slo=kvsim.SLO(ttft_ms=500, tpot_ms=50),
... )
>>> kvsim.simulate(scenario).summary["completed"]
500
"""

from typing import TYPE_CHECKING

# What has these names. A module is imported when one of its names is first asked for, so that
# `import kvsim` costs next to nothing; type checkers read the imports below. Names that are not
# here are those of the scenario's classes.
_NAMES = {
    "_cache": ("HitRates", "prefix_hit_rates"),
    "_cfo": ("CfoResult", "cfo"),
    "_concurrency": ("Concurrency", "concurrency"),
    "_frontier": ("FrontierResult", "FrontierSeries", "frontier"),
    "_json_schema": ("json_schema",),
    "_knee": ("Knee",),
    "_kv_budget": ("KvBudget",),
    "_latency_tradeoff": ("LatencyTradeoff", "latency_tradeoff"),
    "_max_rate": ("CapacityResult", "capacity"),
    "_memory_map": ("MemoryMap",),
    "_native": ("__version__",),
    "_optimize": ("OptimizeResult", "optimize"),
    "_sharding": ("Sharding", "Split", "sharding"),
    "_search": ("Configuration",),
    "_simulate": ("simulate",),
    "_store": ("Store",),
    "_sweep": ("iter_sweep", "sweep"),
    "_sweep_cache": ("SweepCache",),
    "_sweep_result": ("SweepResult",),
    "_sweep_row": ("SweepRow",),
    "_verify": ("verify_vllm",),
    "_waterfall": ("Waterfall", "waterfall_table"),
    "catalog": ("Gpu", "Model"),
    "datasets": ("Trace",),
    "errors": (
        "ConfigError",
        "DeadlineExceeded",
        "InfeasibleError",
        "InvariantViolation",
        "KvsimError",
        "LivelockError",
        "PandasMissingError",
        "StoreError",
        "SweepInterrupted",
    ),
    "result": ("ItlDistribution", "Result", "Trust"),
}
_MODULES = (
    "catalog",
    "costs",
    "datasets",
    "design",
    "links",
    "memory",
    "parallelism",
    "queueing",
    "speculation",
    "statistics",
    "tracks",
)

if TYPE_CHECKING:
    from kvsim import catalog as catalog
    from kvsim import costs as costs
    from kvsim import datasets as datasets
    from kvsim import design as design
    from kvsim import links as links
    from kvsim import memory as memory
    from kvsim import parallelism as parallelism
    from kvsim import queueing as queueing
    from kvsim import speculation as speculation
    from kvsim import statistics as statistics
    from kvsim import tracks as tracks
    from kvsim._cache import HitRates as HitRates
    from kvsim._cache import prefix_hit_rates as prefix_hit_rates
    from kvsim._cfo import CfoResult as CfoResult
    from kvsim._cfo import cfo as cfo
    from kvsim._concurrency import Concurrency as Concurrency
    from kvsim._concurrency import concurrency as concurrency
    from kvsim._fields import *  # noqa: F403
    from kvsim._frontier import FrontierResult as FrontierResult
    from kvsim._frontier import FrontierSeries as FrontierSeries
    from kvsim._frontier import frontier as frontier
    from kvsim._json_schema import json_schema as json_schema
    from kvsim._knee import Knee as Knee
    from kvsim._kv_budget import KvBudget as KvBudget
    from kvsim._latency_tradeoff import LatencyTradeoff as LatencyTradeoff
    from kvsim._latency_tradeoff import latency_tradeoff as latency_tradeoff
    from kvsim._max_rate import CapacityResult as CapacityResult
    from kvsim._max_rate import capacity as capacity
    from kvsim._memory_map import MemoryMap as MemoryMap
    from kvsim._native import __version__ as __version__
    from kvsim._optimize import OptimizeResult as OptimizeResult
    from kvsim._optimize import optimize as optimize
    from kvsim._search import Configuration as Configuration
    from kvsim._sharding import Sharding as Sharding
    from kvsim._sharding import Split as Split
    from kvsim._sharding import sharding as sharding
    from kvsim._simulate import simulate as simulate
    from kvsim._store import Store as Store
    from kvsim._sweep import iter_sweep as iter_sweep
    from kvsim._sweep import sweep as sweep
    from kvsim._sweep_cache import SweepCache as SweepCache
    from kvsim._sweep_result import SweepResult as SweepResult
    from kvsim._sweep_row import SweepRow as SweepRow
    from kvsim._verify import verify_vllm as verify_vllm
    from kvsim._waterfall import Waterfall as Waterfall
    from kvsim._waterfall import waterfall_table as waterfall_table
    from kvsim.catalog import Gpu as Gpu
    from kvsim.catalog import Model as Model
    from kvsim.datasets import Trace as Trace
    from kvsim.errors import ConfigError as ConfigError
    from kvsim.errors import DeadlineExceeded as DeadlineExceeded
    from kvsim.errors import InfeasibleError as InfeasibleError
    from kvsim.errors import InvariantViolation as InvariantViolation
    from kvsim.errors import KvsimError as KvsimError
    from kvsim.errors import LivelockError as LivelockError
    from kvsim.errors import PandasMissingError as PandasMissingError
    from kvsim.errors import StoreError as StoreError
    from kvsim.errors import SweepInterrupted as SweepInterrupted
    from kvsim.result import ItlDistribution as ItlDistribution
    from kvsim.result import Result as Result
    from kvsim.result import Trust as Trust
else:

    def __getattr__(name: str) -> object:
        """Import what has the name, and keep it."""
        from importlib import import_module

        if name in (*_MODULES, "errors", "lab", "result", "scenario", "widgets"):
            return import_module(f"kvsim.{name}")
        if name == "__all__":
            value: object = sorted(_public())
        elif name.startswith("__") and name != "__version__":
            raise AttributeError(f"module 'kvsim' has no attribute {name!r}")
        else:
            module = next((m for m, names in _NAMES.items() if name in names), "_fields")
            value = getattr(import_module(f"kvsim.{module}"), name, None)
            if value is None or name not in _public():
                raise AttributeError(f"module 'kvsim' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_public()})

    def _public() -> set[str]:
        from kvsim import _fields

        return {*_MODULES, *_fields.__all__, *(n for names in _NAMES.values() for n in names)}
