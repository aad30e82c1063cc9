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
    "calibration_names",
    "canonical",
    "check",
    "costs_break_even_days",
    "costs_cumulative_usd",
    "costs_queries_served",
    "costs_serving_share",
    "costs_serving_usd",
    "cut_exponential_mean",
    "find_knee",
    "held_slots",
    "mean_blocks",
    "operator_ns",
    "paged_internal_waste",
    "parallelism_all_gather_ns",
    "parallelism_all_reduce_ns",
    "parallelism_bubble_fraction",
    "parallelism_prefill_ns",
    "parallelism_weight_gather_tokens",
    "queueing_any_slow_probability",
    "queueing_batch_queue_capacity_per_s",
    "queueing_batch_queue_mean_sojourn_s",
    "queueing_erlang_c",
    "queueing_kingman_mean_wait_s",
    "queueing_leaf_quantile",
    "queueing_max_exponential_mean_s",
    "queueing_max_exponential_quantile_s",
    "queueing_md1_mean_wait_s",
    "queueing_mg1_mean_wait_s",
    "queueing_mm1_knee_utilization",
    "queueing_mm1_mean_sojourn_s",
    "queueing_mm1_mean_wait_s",
    "queueing_mm1_sojourn_quantile_s",
    "queueing_mmc_mean_wait_s",
    "queueing_mmc_sojourn_quantile_s",
    "queueing_mmc_wait_quantile_s",
    "queueing_power_of_d_mean_sojourn_s",
    "queueing_utilization",
    "replay_cache",
    "schema_json",
    "simulate",
    "speculation_best_drafts",
    "speculation_speedup",
    "speculation_tokens_per_pass",
    "speculation_tokens_per_pass_by_position",
    "status_names",
    "summary_fields",
    "users_that_fit",
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
    def backlog_throughput(self) -> float | None: ...
    def columns(self, table: str) -> dict[str, numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]]:
        """
        The recorded columns of a table, read-only.
        """
    def itl(
        self,
    ) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], bool]: ...
    def itl_quantile_ns(self, q: typing.SupportsFloat | typing.SupportsIndex) -> int: ...
    def kv_budget(self) -> dict[str, typing.Any]: ...
    def mean_parts(
        self,
        ttft: bool,
        low: typing.SupportsFloat | typing.SupportsIndex,
        high: typing.SupportsFloat | typing.SupportsIndex,
    ) -> tuple[int, dict[str, float]]: ...
    def summary(self) -> dict[str, float | None]: ...
    def totals(self) -> dict[str, int]: ...
    def trust(self) -> dict[str, typing.Any]: ...
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
    def column(self, name: str) -> numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]:
        """
        A summary field of all points, without a copy.
        """
    def drop_result(self, point: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Free what a point's record kept.
        """
    def keys(
        self, points: typing.Annotated[numpy.typing.ArrayLike, numpy.int64]
    ) -> numpy.typing.NDArray[numpy.uint8]:
        """
        Content hashes of some points, 32 bytes a row; after note_keys.
        """
    def note_keys(self, datasets: collections.abc.Mapping[str, str], version: str) -> None:
        """
        Let the threads note the content hash of each point that they run: of its scenario, the contents of the trace that it names (by name) and a text.
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
        numpy.typing.NDArray[numpy.uint8],
        numpy.typing.NDArray[numpy.float64],
        dict[int, str],
        dict[int, list[str]],
    ]:
        """
        Points finished since the last call: numbers, status, calibration, figures (a column a point), reasons and warnings by point.
        """
    def warnings(self) -> dict[str, list[int]]: ...
    @property
    def calibration(self) -> numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]: ...
    @property
    def finished(self) -> numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]: ...
    @property
    def num_points(self) -> int: ...
    @property
    def scenario_json(self) -> str: ...
    @property
    def status(self) -> numpy.ndarray[typing.Any, numpy.dtype[typing.Any]]: ...

def calibration_names() -> list[str]:
    """
    Calibrations by the numbers that Sweep.calibration has.
    """

def canonical(type_name: str, text: str) -> str:
    """
    The canonical JSON of a struct: every field, keys sorted, no blanks.
    """

def check(type_name: str, text: str) -> None:
    """
    Raise ConfigError unless the JSON text describes a valid struct of this type.
    """

def costs_break_even_days(
    training_usd: typing.SupportsFloat | typing.SupportsIndex,
    usd_per_query: typing.SupportsFloat | typing.SupportsIndex,
    queries_per_day: typing.SupportsFloat | typing.SupportsIndex,
    growth_per_year: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def costs_cumulative_usd(
    training_usd: typing.SupportsFloat | typing.SupportsIndex,
    usd_per_query: typing.SupportsFloat | typing.SupportsIndex,
    queries_per_day: typing.SupportsFloat | typing.SupportsIndex,
    growth_per_year: typing.SupportsFloat | typing.SupportsIndex,
    days: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def costs_queries_served(
    training_usd: typing.SupportsFloat | typing.SupportsIndex,
    usd_per_query: typing.SupportsFloat | typing.SupportsIndex,
    queries_per_day: typing.SupportsFloat | typing.SupportsIndex,
    growth_per_year: typing.SupportsFloat | typing.SupportsIndex,
    days: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def costs_serving_share(
    training_usd: typing.SupportsFloat | typing.SupportsIndex,
    usd_per_query: typing.SupportsFloat | typing.SupportsIndex,
    queries_per_day: typing.SupportsFloat | typing.SupportsIndex,
    growth_per_year: typing.SupportsFloat | typing.SupportsIndex,
    days: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def costs_serving_usd(
    training_usd: typing.SupportsFloat | typing.SupportsIndex,
    usd_per_query: typing.SupportsFloat | typing.SupportsIndex,
    queries_per_day: typing.SupportsFloat | typing.SupportsIndex,
    growth_per_year: typing.SupportsFloat | typing.SupportsIndex,
    days: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def cut_exponential_mean(
    mean: typing.SupportsFloat | typing.SupportsIndex,
    max: typing.SupportsFloat | typing.SupportsIndex,
) -> float:
    """
    Mean of min(X, max).
    """

def find_knee(
    offered_per_s: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex],
    achieved_per_s: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex],
    latency: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex],
) -> tuple[float, float, float, float] | None:
    """
    (offered, achieved, latency, lowest load's latency) at the knee, None if there is none.
    """

def held_slots(
    engine_json: str,
    prompts: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    outputs: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    max_model_len: typing.SupportsInt | typing.SupportsIndex,
    memory_slots: typing.SupportsInt | typing.SupportsIndex,
) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
    """
    Slots that each request holds at its end, and their sum over its steps.
    """

def mean_blocks(
    mean: typing.SupportsFloat | typing.SupportsIndex,
    max: typing.SupportsInt | typing.SupportsIndex,
    block_size: typing.SupportsInt | typing.SupportsIndex,
) -> float:
    """
    Mean blocks of such lengths.
    """

def operator_ns(
    name: str,
    catalog: Catalog,
    gpu: str,
    a: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    b: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
    c: typing.Annotated[numpy.typing.ArrayLike, numpy.float64],
) -> numpy.typing.NDArray[numpy.float64]:
    """
    ns of an operator by the fitted formulas, for arrays of its sizes.
    """

def paged_internal_waste(
    mean: typing.SupportsFloat | typing.SupportsIndex,
    max: typing.SupportsInt | typing.SupportsIndex,
    block_size: typing.SupportsInt | typing.SupportsIndex,
) -> float:
    """
    Share of those blocks' slots without a token.
    """

def parallelism_all_gather_ns(
    gpus: typing.SupportsInt | typing.SupportsIndex,
    bytes: typing.SupportsFloat | typing.SupportsIndex,
    bytes_per_s: typing.SupportsFloat | typing.SupportsIndex,
    hop_ns: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def parallelism_all_reduce_ns(
    gpus: typing.SupportsInt | typing.SupportsIndex,
    bytes: typing.SupportsFloat | typing.SupportsIndex,
    bytes_per_s: typing.SupportsFloat | typing.SupportsIndex,
    hop_ns: typing.SupportsFloat | typing.SupportsIndex,
    tree: bool,
) -> float: ...
def parallelism_bubble_fraction(
    stages: typing.SupportsInt | typing.SupportsIndex,
    micro_batches: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def parallelism_prefill_ns(
    params: typing.SupportsFloat | typing.SupportsIndex,
    layers: typing.SupportsInt | typing.SupportsIndex,
    hidden: typing.SupportsFloat | typing.SupportsIndex,
    tokens: typing.SupportsFloat | typing.SupportsIndex,
    gpus: typing.SupportsInt | typing.SupportsIndex,
    flops_per_gpu: typing.SupportsFloat | typing.SupportsIndex,
    bytes_per_s: typing.SupportsFloat | typing.SupportsIndex,
    hop_ns: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[float, float]: ...
def parallelism_weight_gather_tokens(
    layer_weight_bytes: typing.SupportsFloat | typing.SupportsIndex,
    hidden: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_any_slow_probability(
    p: typing.SupportsFloat | typing.SupportsIndex, n: typing.SupportsInt | typing.SupportsIndex
) -> float: ...
def queueing_batch_queue_capacity_per_s(
    s0_s: typing.SupportsFloat | typing.SupportsIndex,
    s1_s: typing.SupportsFloat | typing.SupportsIndex,
    batch: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def queueing_batch_queue_mean_sojourn_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    s0_s: typing.SupportsFloat | typing.SupportsIndex,
    s1_s: typing.SupportsFloat | typing.SupportsIndex,
    batch: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def queueing_erlang_c(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    servers: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def queueing_kingman_mean_wait_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    arrival_cv: typing.SupportsFloat | typing.SupportsIndex,
    service_cv: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_leaf_quantile(
    q: typing.SupportsFloat | typing.SupportsIndex, n: typing.SupportsInt | typing.SupportsIndex
) -> float: ...
def queueing_max_exponential_mean_s(
    n: typing.SupportsInt | typing.SupportsIndex,
    mean_s: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_max_exponential_quantile_s(
    n: typing.SupportsInt | typing.SupportsIndex,
    mean_s: typing.SupportsFloat | typing.SupportsIndex,
    q: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_md1_mean_wait_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_mg1_mean_wait_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    service_cv: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_mm1_knee_utilization(factor: typing.SupportsFloat | typing.SupportsIndex) -> float: ...
def queueing_mm1_mean_sojourn_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_mm1_mean_wait_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_mm1_sojourn_quantile_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    q: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_mmc_mean_wait_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    servers: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def queueing_mmc_sojourn_quantile_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    servers: typing.SupportsInt | typing.SupportsIndex,
    q: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_mmc_wait_quantile_s(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    servers: typing.SupportsInt | typing.SupportsIndex,
    q: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def queueing_power_of_d_mean_sojourn_s(
    rate_per_server_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    d: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def queueing_utilization(
    rate_per_s: typing.SupportsFloat | typing.SupportsIndex,
    service_s: typing.SupportsFloat | typing.SupportsIndex,
    servers: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
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
    progress: typing.Any,
    deadline_s: typing.SupportsFloat | typing.SupportsIndex | None,
) -> Result:
    """
    Run one scenario. The resolver returns the Dataset of a name, or None; progress is called with (requests finished, requests in all), or is None.
    """

def speculation_best_drafts(
    acceptance: typing.SupportsFloat | typing.SupportsIndex,
    draft_cost: typing.SupportsFloat | typing.SupportsIndex,
    most: typing.SupportsInt | typing.SupportsIndex,
) -> int: ...
def speculation_speedup(
    acceptance: typing.SupportsFloat | typing.SupportsIndex,
    drafts: typing.SupportsInt | typing.SupportsIndex,
    draft_cost: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def speculation_tokens_per_pass(
    acceptance: typing.SupportsFloat | typing.SupportsIndex,
    drafts: typing.SupportsInt | typing.SupportsIndex,
) -> float: ...
def speculation_tokens_per_pass_by_position(
    acceptance: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex],
) -> float: ...
def status_names() -> list[str]:
    """
    Statuses by the numbers that Sweep.status has.
    """

def summary_fields() -> list[tuple[str, str, str]]:
    """
    (name, unit, doc) of every figure of a summary.
    """

def users_that_fit(
    memory_bytes: typing.SupportsFloat | typing.SupportsIndex,
    weight_bytes: typing.SupportsFloat | typing.SupportsIndex,
    reserve_bytes: typing.SupportsFloat | typing.SupportsIndex,
    kv_bytes_per_token: typing.SupportsFloat | typing.SupportsIndex,
    slots_per_user: typing.SupportsFloat | typing.SupportsIndex,
) -> int:
    """
    Requests of so many slots that fit.
    """

__version__: str = "0.1.0"
