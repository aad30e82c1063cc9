"""Scenarios as typed objects.

The classes are generated from the engine's own description of its fields, which `kvsim fields`
prints; `docs/fields.md` has them all on one page.

Examples
--------
>>> scenario = Scenario(
...     model="llama-3-70b",
...     gpu="h100-sxm",
...     tensor_parallel_size=8,
...     engine=Engine(max_num_seqs=64),
...     workload=Workload(arrivals=Poisson(rate_per_s=8), lengths="azure-2023-conversation"),
... )
>>> Scenario.from_json(scenario.to_json()) == scenario
True
>>> scenario.workload.lengths
DatasetLengths(name='azure-2023-conversation')
"""

from kvsim._fields import *  # noqa: F403
from kvsim._fields import __all__  # noqa: F401
