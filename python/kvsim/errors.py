"""What kvsim raises. Each class stands for one kind of the engine's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvsim._sweep_result import SweepResult

__all__ = [
    "ConfigError",
    "DeadlineExceeded",
    "InfeasibleError",
    "InvariantViolation",
    "KvsimError",
    "LivelockError",
    "StoreError",
    "SweepInterrupted",
]


class KvsimError(Exception):
    """Base of every error of the engine.

    Examples
    --------
    >>> issubclass(ConfigError, KvsimError) and issubclass(ConfigError, ValueError)
    True
    """


class ConfigError(KvsimError, ValueError):
    """A field's value is not allowed; the message names field, value and what is allowed."""


class InfeasibleError(KvsimError):
    """A valid scenario that cannot run: the model or a request does not fit into memory."""


class LivelockError(KvsimError):
    """A scenario that would never end; the message names the requests and why."""


class InvariantViolation(KvsimError, AssertionError):  # noqa: N818 (the design's name)
    """The engine contradicts itself. This is a bug in kvsim: please report the scenario."""


class DeadlineExceeded(KvsimError, TimeoutError):  # noqa: N818 (as TimeoutError's kin)
    """`simulate` was not done within its `deadline_s`."""


class PandasMissingError(KvsimError, ImportError):
    """`to_pandas` was called, and pandas is not installed."""


class StoreError(KvsimError, OSError):
    """A store that cannot be read or written; the message names the file."""


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep. The points that were finished are in `result`.

    Attributes
    ----------
    result : SweepResult
        The finished points; `result.unfinished` lists the others.
    """

    def __init__(self, result: SweepResult) -> None:
        self.result = result
        done, total = len(result), result.num_points
        super().__init__(f"sweep interrupted after {done} of {total} points; see .result")
