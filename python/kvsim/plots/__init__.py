"""Pictures of results. Matplotlib is imported when something is drawn.

Every function takes `ax=`, draws on it (or on a new one) and returns it. Colours are Okabe and
Ito's, which the colour-blind can tell apart; markers and line styles differ too, for prints in
grey.

Examples
--------
>>> from kvsim.plots import LatencyThroughputFrontier
>>> LatencyThroughputFrontier(frontier).plot()  # doctest: +SKIP
<Axes: ...>
"""

from kvsim.plots.breakdown import Tornado, WaterfallBars
from kvsim.plots.caching import hit_rates
from kvsim.plots.costs import cost_dominance, speculation_gain
from kvsim.plots.curves import SmallMultiples, SweepFrontier
from kvsim.plots.distributions import itl_distribution, latency_cdf
from kvsim.plots.fleet import hedging_frontier, queues, seesaw, tail
from kvsim.plots.frontier import LatencyThroughputFrontier
from kvsim.plots.heatmap import Heatmap
from kvsim.plots.kv_memory import KVCacheHeatmap
from kvsim.plots.memory import memory
from kvsim.plots.search import cost_latency_frontier, slo_capacity
from kvsim.plots.sharding import sharding
from kvsim.plots.style import save, style
from kvsim.plots.timeline import timeline
from kvsim.plots.tradeoff import latency_tradeoff
from kvsim.plots.waterfall import waterfall
from kvsim.plots.weight_gather import weight_gather

# What `SweepResult.plot` draws, by kind.
SWEEP_PLOTS = {
    "frontier": SweepFrontier,
    "heatmap": Heatmap,
    "small_multiples": SmallMultiples,
    "tornado": Tornado,
    "waterfall": WaterfallBars,
}

__all__ = [
    "SWEEP_PLOTS",
    "Heatmap",
    "KVCacheHeatmap",
    "LatencyThroughputFrontier",
    "SmallMultiples",
    "SweepFrontier",
    "Tornado",
    "WaterfallBars",
    "cost_dominance",
    "cost_latency_frontier",
    "hedging_frontier",
    "hit_rates",
    "itl_distribution",
    "latency_cdf",
    "latency_tradeoff",
    "memory",
    "queues",
    "save",
    "seesaw",
    "sharding",
    "slo_capacity",
    "speculation_gain",
    "style",
    "tail",
    "timeline",
    "waterfall",
    "weight_gather",
]
