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

from kvsim import (
    _fields,
    catalog,
    costs,
    datasets,
    design,
    links,
    queueing,
    speculation,
    statistics,
    tracks,
)
from kvsim._cache import HitRates, prefix_hit_rates
from kvsim._concurrency import Concurrency, concurrency
from kvsim._fields import *  # noqa: F403
from kvsim._frontier import FrontierResult, FrontierSeries, frontier
from kvsim._json_schema import json_schema
from kvsim._knee import Knee
from kvsim._kv_budget import KvBudget
from kvsim._memory_map import MemoryMap
from kvsim._native import __version__
from kvsim._sharding import Sharding, Split, sharding
from kvsim._simulate import simulate
from kvsim._store import Store
from kvsim._sweep import iter_sweep, sweep
from kvsim._sweep_cache import SweepCache
from kvsim._sweep_result import SweepResult
from kvsim._sweep_row import SweepRow
from kvsim._verify import verify_vllm
from kvsim._waterfall import Waterfall
from kvsim._waterfall import table as waterfall_table
from kvsim.catalog import Gpu, Model
from kvsim.datasets import Trace
from kvsim.errors import (
    ConfigError,
    DeadlineExceeded,
    InfeasibleError,
    InvariantViolation,
    KvsimError,
    LivelockError,
    PandasMissingError,
    StoreError,
    SweepInterrupted,
)
from kvsim.result import ItlDistribution, Result, Trust

__all__ = [
    "Concurrency",
    "ConfigError",
    "DeadlineExceeded",
    "FrontierResult",
    "FrontierSeries",
    "Gpu",
    "HitRates",
    "InfeasibleError",
    "InvariantViolation",
    "ItlDistribution",
    "Knee",
    "KvBudget",
    "KvsimError",
    "LivelockError",
    "MemoryMap",
    "Model",
    "PandasMissingError",
    "Result",
    "Sharding",
    "Split",
    "Store",
    "StoreError",
    "SweepCache",
    "SweepInterrupted",
    "SweepResult",
    "SweepRow",
    "Trace",
    "Trust",
    "Waterfall",
    "__version__",
    "catalog",
    "concurrency",
    "costs",
    "datasets",
    "design",
    "frontier",
    "iter_sweep",
    "json_schema",
    "links",
    "prefix_hit_rates",
    "queueing",
    "sharding",
    "simulate",
    "speculation",
    "statistics",
    "sweep",
    "tracks",
    "verify_vllm",
    "waterfall_table",
]
__all__ += _fields.__all__
