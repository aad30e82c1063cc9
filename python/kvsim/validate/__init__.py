"""Predictions against measurements of real engines; `kvsim validate` prints them.

Examples
--------
>>> score_requests().num_requests
300
"""

from kvsim.validate.operators import OperatorScore, score_operators
from kvsim.validate.packaged import PackagedScore, score_packaged
from kvsim.validate.requests import RequestScore, score_requests
from kvsim.validate.rows import RowScore, StepTimeScore, score_rows

__all__ = [
    "OperatorScore",
    "PackagedScore",
    "RequestScore",
    "RowScore",
    "StepTimeScore",
    "score_operators",
    "score_packaged",
    "score_requests",
    "score_rows",
]
