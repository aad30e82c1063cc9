"""Predictions against measurements of real engines."""

from kvsim.validate.step_time import (
    RequestScore,
    RowScore,
    StepTimeScore,
    score_requests,
    score_rows,
)

__all__ = ["RequestScore", "RowScore", "StepTimeScore", "score_requests", "score_rows"]
