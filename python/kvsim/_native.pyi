"""
The C++ engine of kvsim.
"""

from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing

__all__: list[str] = [
    "BlockTrace",
    "Catalog",
    "Dataset",
    "Result",
    "Sweep",
    "canonical",
    "check",
    "replay_cache",
    "schema_json",
    "simulate",
    "status_names",
    "summary_fields",
]

class Catalog:
    """
    Models and GPUs by name.
    """
    def __init__(self, models_json: str, gpus_json: str) -> None: ...
    def add_step_tables(self, json_text: str) -> None:
        """
        Measured operators of one GPU.
        """

class Dataset:
    """
    A trace's columns, copied.
    """
    def __init__(
        self,
        *,
        arrival_ns: typing.Annotated[numpy.typing.ArrayLike, numpy.int64] | None,
        prompt_tokens: typing.Annotated[numpy.typing.ArrayLike, numpy.int32] | None,
        output_tokens: typing.Annotated[numpy.typing.ArrayLike, numpy.int32] | None,
        priority: typing.Annotated[numpy.typing.ArrayLike, numpy.int32] | None,
        stop_after: typing.Annotated[numpy.typing.ArrayLike, numpy.int32] | None,
        hash_offset: typing.Annotated[numpy.typing.ArrayLike, numpy.int64] | None,
        hash_ids: typing.Annotated[numpy.typing.ArrayLike, numpy.int64] | None,
        hash_block_tokens: typing.SupportsInt | typing.SupportsIndex,
        token_offset: typing.Annotated[numpy.typing.ArrayLike, numpy.int64] | None,
        token_ids: typing.Annotated[numpy.typing.ArrayLike, numpy.int32] | None,
    ) -> None: ...
    def __len__(self) -> int: ...

class Result:
    """
    What a run left behind.
    """
    def columns(self, table: str) -> dict[str, numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]]:
        """
        The recorded columns of a table, read-only.
        """
    def itl(
        self,
    ) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], bool]: ...
    def itl_quantile_ns(self, q: typing.SupportsFloat | typing.SupportsIndex) -> int: ...
    def kv_budget(self) -> dict[str, typing.Any]: ...
    def summary(self) -> dict[str, float | None]: ...
    def totals(self) -> dict[str, int]: ...
    @property
    def reason(self) -> str: ...
    @property
    def scenario_json(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def warnings(self) -> list[str]: ...

class BlockTrace:
    """
    Chains of block keys.
    """
    def __init__(
        self,
        offset: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
        keys: typing.Annotated[numpy.typing.ArrayLike, numpy.uint32],
        num_keys: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...

class Sweep:
    """
    The points of a sweep and what they gave.
    """
    def __init__(
        self,
        base_json: str,
        points_json: str,
        grid: bool,
        catalog: Catalog,
        resolver: collections.abc.Callable[[str], Dataset | None],
        record: str,
        threads: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...
    def canonical(
        self,
        first: typing.SupportsInt | typing.SupportsIndex,
        count: typing.SupportsInt | typing.SupportsIndex,
    ) -> list[bytes]:
        """
        Canonical scenarios of some points; of an invalid one, its fields as they are.
        """
    def column(self, name: str) -> numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]:
        """
        A summary field of all points, without a copy.
        """
    def drop_result(self, point: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Free what a point's record kept.
        """
    def reasons(self) -> dict[int, str]: ...
    def result(self, point: typing.SupportsInt | typing.SupportsIndex) -> Result | None: ...
    def run(
        self, watch: typing.Any, deadline_s: typing.SupportsFloat | typing.SupportsIndex | None
    ) -> bool:
        """
        Run the unfinished points; return whether Ctrl-C ended it. watch gets the points done every 40 ms and at the end; False stops.
        """
    def take_rows(
        self,
    ) -> tuple[
        numpy.typing.NDArray[numpy.int64],
        numpy.typing.NDArray[numpy.uint8],
        numpy.typing.NDArray[numpy.float64],
        dict[int, str],
        dict[int, list[str]],
    ]:
        """
        Points finished since the last call: numbers, status, figures (a row a point), reasons and warnings by point.
        """
    def warnings(self) -> dict[str, list[int]]: ...
    @property
    def finished(self) -> numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]: ...
    @property
    def num_points(self) -> int: ...
    @property
    def scenario_json(self) -> str: ...
    @property
    def status(self) -> numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]: ...

def canonical(type_name: str, text: str) -> str:
    """
    The canonical JSON of a struct: every field, keys sorted, no blanks.
    """

def check(type_name: str, text: str) -> None:
    """
    Raise ConfigError unless the JSON text describes a valid struct of this type.
    """

def replay_cache(
    trace: BlockTrace,
    capacity_blocks: typing.SupportsInt | typing.SupportsIndex,
    policy: str,
    seed: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[int, int]:
    """
    Blocks found and blocks asked for.
    """

def schema_json() -> str:
    """
    Every struct, field and enum of a scenario, as JSON.
    """

def simulate(
    scenario_json: str,
    catalog: Catalog,
    resolver: collections.abc.Callable[[str], Dataset | None],
    deadline_s: typing.SupportsFloat | typing.SupportsIndex | None,
) -> Result:
    """
    Run one scenario. The resolver returns the Dataset of a name, or None.
    """

def status_names() -> list[str]:
    """
    Statuses by the numbers that Sweep.status has.
    """

def summary_fields() -> list[tuple[str, str, str]]:
    """
    (name, unit, doc) of every figure of a summary.
    """

__version__: str = "0.1.0"
