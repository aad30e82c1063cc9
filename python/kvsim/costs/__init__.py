"""What serving costs: GPUs rented or owned, costs of tokens, requests and users, and over years.

Examples
--------
>>> from kvsim import costs
>>> costs.price("h100-sxm").usd_per_gpu_hour
2.95
>>> life = costs.ServingLife(training_usd=2e6, usd_per_query=0.001, queries_per_day=50e6)
>>> life.break_even_days, round(life.serving_usd(365) / life.training_usd, 3)
(40.0, 9.125)
"""

from kvsim.costs.dominance import Gain, ServingLife
from kvsim.costs.prices import Owned, Price, Rented, price, price_table
from kvsim.costs.serving import FIGURES, ServingCost, columns, gpus_of, intervals, serving_cost

__all__ = [
    "FIGURES",
    "Gain",
    "Owned",
    "Price",
    "Rented",
    "ServingCost",
    "ServingLife",
    "columns",
    "gpus_of",
    "intervals",
    "price",
    "price_table",
    "serving_cost",
]
