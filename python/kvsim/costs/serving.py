"""What a run or a sweep's points cost: tokens, requests, requests within the SLO, users, energy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kvsim import catalog
from kvsim._binding import setting
from kvsim._names import nearest
from kvsim.costs.prices import Owned, Price, Rented
from kvsim.costs.prices import price as listed_price
from kvsim.errors import ConfigError

if TYPE_CHECKING:
    from kvsim._sweep_result import SweepResult
    from kvsim.result import Result

Array = npt.NDArray[np.float64]
Prices = Price | Mapping[str, Price] | str | None
# Names of the figures, with units; docs/costs.md defines each.
FIGURES: dict[str, str] = {
    "gpus": "GPUs",
    "usd_per_hour": "USD/h",
    "usd_per_million_output_tokens": "USD",
    "usd_per_million_offered_output_tokens": "USD",
    "usd_per_million_tokens": "USD",
    "usd_per_request": "USD",
    "usd_per_good_request": "USD",
    "usd_per_concurrent_user_hour": "USD/h",
    "gpu_power_w": "W",
    "gpu_energy_per_output_token_j": "J",
}
# Figures of the summary that these follow from.
_NEEDED = (
    "request_throughput", "output_throughput", "total_token_throughput", "request_goodput",
    "offered_rate_per_s", "total_output_tokens", "completed", "mean_running", "mean_waiting",
    "utilization", "mean_power_mw",
)  # fmt: skip


@dataclass(frozen=True)
class ServingCost:
    """What a run costs; docs/costs.md defines each figure.

    Attributes
    ----------
    gpus : int
        GPUs paid for, of all servers.
    usd_per_hour : float
        Of all of them.
    usd_per_million_output_tokens, usd_per_million_tokens : float
        Of 10^6 generated tokens; of 10^6 tokens, prompts included.
    usd_per_million_offered_output_tokens : float or None
        Of 10^6 generated tokens at the rate at which requests arrive, so without the time after the
        last arrival; None if all arrive at once.
    usd_per_request : float
        Of a request that finished.
    usd_per_good_request : float or None
        Of a request within every limit of the SLO; None without an SLO, infinite if none was.
    usd_per_concurrent_user_hour : float
        Of an hour of one request in the system, mean over time.
    gpu_power_w, gpu_energy_per_output_token_j : float
        Mean power of all GPUs, and their energy for a generated token: an upper bound, since a busy
        GPU is taken to draw its TDP.
    """

    gpus: int
    usd_per_hour: float
    usd_per_million_output_tokens: float
    usd_per_million_offered_output_tokens: float | None
    usd_per_million_tokens: float
    usd_per_request: float
    usd_per_good_request: float | None
    usd_per_concurrent_user_hour: float
    gpu_power_w: float
    gpu_energy_per_output_token_j: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name."""
        return dict(self.__dict__)

    def __str__(self) -> str:
        """Text, a line a figure."""
        return "\n".join(
            f"{name:<32}{'-' if value is None else format(value, ',.6g'):>14} {FIGURES[name]}"
            for name, value in self.to_dict().items()
        )


def gpus_of(scenario: Any) -> dict[str, int]:
    """Return how many GPUs of which name a scenario's servers have.

    Parameters
    ----------
    scenario : Scenario, mapping or JSON text

    Raises
    ------
    ConfigError
        If the scenario names no GPU, or its servers are one-shot servers.

    Examples
    --------
    >>> gpus_of({"gpu": "h100-sxm", "model": "llama-3-70b", "tensor_parallel_size": 4,
    ...          "fleet": {"num_servers": 3}, "workload": {"num_requests": 1}})
    {'h100-sxm': 12}
    """
    from kvsim._simulate import canonical

    plain = json.loads(canonical(scenario))
    counts: dict[str, int] = {}
    for gpu, number in _servers(
        plain["gpu"], plain["tensor_parallel_size"], plain["pipeline_parallel_size"], plain["fleet"]
    ):
        name = _name(gpu)
        counts[name] = counts.get(name, 0) + number
    return counts


def serving_cost(result: Result, price: Prices = None) -> ServingCost:
    """Return what a run costs.

    Parameters
    ----------
    result : Result
        Of a scenario that names its GPU.
    price : Rented, Owned, mapping of GPU names to them, "rented", "owned", optional
        By default the packaged table's price of the GPU on demand (`costs.price`).

    Raises
    ------
    ConfigError
        If the scenario names no GPU, the table has no price of it, or nothing was generated.

    Examples
    --------
    >>> import kvsim
    >>> scenario = kvsim.Scenario(
    ...     model="llama-3-8b", gpu="h100-sxm",
    ...     workload=kvsim.Workload(arrivals=kvsim.Poisson(rate_per_s=4), num_requests=200))
    >>> cost = serving_cost(kvsim.simulate(scenario), Rented(3.0))
    >>> cost.gpus, cost.usd_per_hour
    (1, 3.0)
    """
    figures = {name: np.array([_number(result.summary[name])]) for name in _NEEDED}
    plain = json.loads(result.scenario.to_json())
    servers = _servers(
        plain["gpu"], plain["tensor_parallel_size"], plain["pipeline_parallel_size"], plain["fleet"]
    )
    found = _costs([servers], [plain["pipeline_parallel_size"]], figures, price)
    values = {name: float(column[0]) for name, column in found.items()}
    if not np.isfinite(values["usd_per_million_tokens"]):
        raise ConfigError("result: got a run without tokens; allowed: one that generated some")
    has_slo = any(v is not None for v in plain["slo"].values())
    offered = values.pop("usd_per_million_offered_output_tokens")
    return ServingCost(
        gpus=int(values.pop("gpus")),
        usd_per_million_offered_output_tokens=offered if np.isfinite(offered) else None,
        usd_per_good_request=values.pop("usd_per_good_request") if has_slo else None,
        **{k: v for k, v in values.items() if k != "usd_per_good_request"},
    )


def columns(table: SweepResult, price: Prices = None) -> dict[str, Array]:
    """Return what each row of a sweep costs, a column a figure; NaN where a row has no figures.

    With replications they are means over a point's runs; `intervals` has the bounds.

    Examples
    --------
    >>> import kvsim
    >>> base = {"model": "llama-3-8b", "gpu": "h100-sxm", "workload": {"num_requests": 100}}
    >>> result = kvsim.sweep(base, {"workload.arrivals.rate_per_s": [4, 8]})
    >>> costs = columns(result, Rented(3.0))
    >>> bool(costs["usd_per_request"][0] > costs["usd_per_request"][1])
    True
    """
    return {name: intervals(table, name, price)[0] for name in FIGURES}


def intervals(table: SweepResult, name: str, price: Prices = None) -> tuple[Array, Array, Array]:
    """Return a cost of each row with the bounds of its interval, NaN where there is none.

    Raises
    ------
    KeyError
        If there is no such cost.
    """
    if name not in FIGURES:
        raise KeyError(f"costs have no figure {name!r}{nearest(name, FIGURES)}")
    mean, half = table.of_runs(lambda runs: _table_costs(runs, price)[name])
    return mean, mean - half, mean + half


def _table_costs(table: SweepResult, price: Prices) -> dict[str, Array]:
    columns = [
        setting(table, path)
        for path in (
            "gpu", "tensor_parallel_size", "pipeline_parallel_size", "fleet.num_servers",
            "fleet.groups", "fleet.server",
        )
    ]  # fmt: skip
    servers, stages = [], []
    known: dict[str, list[tuple[Any, int]]] = {}
    for row in zip(*columns, strict=True):
        gpu, tp, pp, number, groups, server = row
        key = repr(row)
        if key not in known:
            fleet = {"num_servers": number or 1, "groups": groups or [], "server": server}
            known[key] = _servers(gpu, tp, pp, fleet)
        servers.append(known[key])
        stages.append(pp)
    figures = {name: np.asarray(table[name], dtype=np.float64) for name in _NEEDED}
    return _costs(servers, stages, figures, price)


def _servers(gpu: Any, tp: int, pp: int, fleet: Mapping[str, Any] | None) -> list[tuple[Any, int]]:
    """Return the GPUs of each kind of server: the GPU as the scenario has it, and how many."""
    groups: list[Mapping[str, Any]] = [{"count": 1}]
    if fleet is not None:
        server = fleet["server"]
        if isinstance(server, Mapping) and server.get("kind") == "one_shot":
            raise ConfigError("fleet.server: got one-shot servers, which have no GPU to pay for")
        groups = list(fleet["groups"]) or [{"count": fleet["num_servers"]}]
    listed = []
    for group in groups:
        device = group.get("gpu") or gpu
        if device is None:
            raise ConfigError(
                "gpu: got null; allowed: one of the catalogue, since costs are a GPU's"
            )
        degree = group.get("tensor_parallel_size") or tp
        listed.append((device, int(group.get("count", 1)) * int(degree) * int(pp)))
    return listed


def _costs(
    servers: list[list[tuple[Any, int]]],
    stages: list[int],
    figures: Mapping[str, Array],
    price: Prices,
) -> dict[str, Array]:
    """Return the figures of rows: GPUs paid for, over what they did."""
    n = len(servers)
    gpus, per_hour, power = np.zeros(n), np.zeros(n), np.zeros(n)
    # Of a pipeline the stages' busy times add up.
    busy = np.clip(figures["utilization"] / np.asarray(stages, dtype=np.float64), 0, 1)
    for i, listed in enumerate(servers):
        measured = figures["mean_power_mw"][i] / 1e3
        number = sum(count for _, count in listed)
        for device, count in listed:
            watts = _power_w(device, float(busy[i]))
            if np.isfinite(measured):
                watts = measured / number
            power[i] += count * watts
            per_hour[i] += count * _price_of(device, price).usd_per_hour(watts)
        gpus[i] = number
    per_s = per_hour / 3600
    users = figures["mean_running"] + figures["mean_waiting"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "gpus": gpus,
            "usd_per_hour": per_hour,
            "usd_per_million_output_tokens": 1e6 * per_s / figures["output_throughput"],
            "usd_per_million_offered_output_tokens": 1e6
            * per_s
            / figures["offered_rate_per_s"]
            / (figures["total_output_tokens"] / figures["completed"]),
            "usd_per_million_tokens": 1e6 * per_s / figures["total_token_throughput"],
            "usd_per_request": per_s / figures["request_throughput"],
            "usd_per_good_request": per_s / figures["request_goodput"],
            "usd_per_concurrent_user_hour": per_hour / users,
            "gpu_power_w": power,
            "gpu_energy_per_output_token_j": power / figures["output_throughput"],
        }


def _power_w(device: Any, busy: float) -> float:
    """Return the mean power of a GPU: idle power while idle, its TDP while a step runs."""
    if isinstance(device, str):
        gpu = catalog.gpu(device)
        tdp, idle = gpu.tdp_w, gpu.idle_w
    else:
        plain = device if isinstance(device, Mapping) else device.to_dict()
        tdp, idle = plain["tdp_w"], plain["idle_w"]
    return float(idle + (tdp - idle) * busy)


def _price_of(device: Any, price: Prices) -> Price:
    name = _name(device)
    if price is None or isinstance(price, str):
        return listed_price(name, price or "rented")
    if isinstance(price, Rented | Owned):
        return price
    if name not in price:
        known = ", ".join(price) or "none"
        raise ConfigError(
            f"price: got none for GPU {name!r}; allowed: a mapping that has it ({known})"
        )
    return price[name]


def _name(device: Any) -> str:
    if isinstance(device, str):
        return device
    return str(device["name"] if isinstance(device, Mapping) else device.name)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
