"""Traces of requests: the packaged ones, and readers for your own.

Examples
--------
>>> trace = load("mooncake-synthetic")
>>> round(trace.describe()["prefixes"]["hit_fraction"], 3)
0.64
"""

from kvsim.datasets.errors import TraceError
from kvsim.datasets.packaged import Dataset, info, load, names
from kvsim.datasets.readers import from_arrays, from_csv, from_jsonl
from kvsim.datasets.statistics import Arrivals, Description, Lengths, Prefixes
from kvsim.datasets.trace import Trace
from kvsim.datasets.vllm_case import from_vllm_case

__all__ = [
    "Arrivals",
    "Dataset",
    "Description",
    "Lengths",
    "Prefixes",
    "Trace",
    "TraceError",
    "from_arrays",
    "from_csv",
    "from_jsonl",
    "from_vllm_case",
    "info",
    "load",
    "names",
]
