"""What a GPU costs an hour, rented or owned, and a small table of sourced prices."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from kvsim.errors import ConfigError

HOURS_PER_YEAR = 8760.0
KINDS = ("rented", "owned")


@dataclass(frozen=True)
class Rented:
    """A GPU by the hour, power and housing included; paid whether it works or not.

    Parameters
    ----------
    usd_per_gpu_hour : float
        Price in USD/h.
    source : str
        Where the figure is from and of when.

    Examples
    --------
    >>> Rented(3.0).usd_per_hour(gpu_power_w=500)
    3.0
    """

    usd_per_gpu_hour: float
    source: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self)

    def usd_per_hour(self, gpu_power_w: float) -> float:
        """Return USD/h of one GPU; its power in W makes no difference."""
        del gpu_power_w
        return self.usd_per_gpu_hour


@dataclass(frozen=True)
class Owned:
    """A GPU that was bought, with its share of the server.

    USD/h = capital / (years * 8760) + upkeep * capital / 8760 + electricity, which is PUE * (power
    of the GPU + of the rest of the server).

    Parameters
    ----------
    capital_usd_per_gpu : float
        Price of the server and its network over its GPUs, in USD.
    amortization_years : float
        Written off in equal parts over so many years.
    usd_per_kwh : float
        Price of electricity.
    pue : float
        Power of the data centre over that of the servers, 1 or more.
    host_w_per_gpu : float
        Power of the rest of the server over its GPUs, in W; the default is that of a DGX H100 at
        most.
    upkeep_per_year : float
        Staff, housing, repairs a year as a share of the capital.
    source : str
        Where the figures are from and of when.

    Examples
    --------
    >>> round(Owned(35040, amortization_years=4, usd_per_kwh=0).usd_per_hour(700), 6)
    1.0
    """

    capital_usd_per_gpu: float
    amortization_years: float = 4.0
    usd_per_kwh: float = 0.08
    pue: float = 1.2
    host_w_per_gpu: float = 575.0
    upkeep_per_year: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self)

    def usd_per_hour(self, gpu_power_w: float) -> float:
        """Return USD/h of one GPU that draws so much power (W) in the mean."""
        capital = self.capital_usd_per_gpu / HOURS_PER_YEAR
        kw = self.pue * (gpu_power_w + self.host_w_per_gpu) / 1e3
        return (
            capital / self.amortization_years
            + capital * self.upkeep_per_year
            + kw * self.usd_per_kwh
        )


Price = Rented | Owned
_LEAST = {"pue": 1.0}
_ABOVE = {"amortization_years"}


def _check(price: Price) -> None:
    for f in fields(price):
        if f.name == "source":
            continue
        value = getattr(price, f.name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        least = _LEAST.get(f.name, 0.0)
        positive = f.name in _ABOVE
        if not number or not least <= value < math.inf or (positive and value == 0):
            allowed = "a number above 0" if positive else f"a number, {least:g} or more"
            raise ConfigError(f"{f.name}: got {value!r}; allowed: {allowed}")


def price(gpu: str, kind: str = "rented") -> Price:
    """Return the price of a GPU of the catalogue from the packaged table.

    Parameters
    ----------
    gpu : str
        Name in the catalogue.
    kind : {"rented", "owned"}
        On demand by the hour, or bought.

    Raises
    ------
    ConfigError
        If the table has no such price; names the GPUs that it has.

    Examples
    --------
    >>> price("h100-sxm", "owned").capital_usd_per_gpu
    38750
    """
    if kind not in KINDS:
        raise ConfigError(f"kind: got {kind!r}; allowed: {', '.join(KINDS)}")
    table = _table()
    for row in table[kind]:
        if row["gpu"] == gpu:
            source = f"{row['source']}; {row['as_of']}"
            if kind == "rented":
                return Rented(row["usd_per_gpu_hour"], source)
            defaults = dict(table["owned_defaults"])
            more = defaults.pop("source")
            return Owned(row["capital_usd_per_gpu"], **defaults, source=f"{source}; {more}")
    known = ", ".join(row["gpu"] for row in table[kind])
    maker = "Rented(usd_per_gpu_hour)" if kind == "rented" else "Owned(capital_usd_per_gpu)"
    raise ConfigError(
        f"price: got GPU {gpu!r}, of which the table has no {kind} price; allowed: {known}, or "
        f"your own as costs.{maker}"
    )


def price_table() -> list[dict[str, Any]]:
    """Return the packaged prices, a row a GPU and kind, with source and date.

    Examples
    --------
    >>> [row["gpu"] for row in price_table() if row["kind"] == "rented"]
    ['h100-sxm', 'a100-80', 'h200']
    """
    table = _table()
    rows = []
    for kind, unit in (("rented", "usd_per_gpu_hour"), ("owned", "capital_usd_per_gpu")):
        for row in table[kind]:
            shown = {"gpu": row["gpu"], "kind": kind, "usd": row[unit], "unit": unit}
            rows.append(
                {
                    **shown,
                    "low": row.get("low"),
                    "high": row.get("high"),
                    "as_of": row["as_of"],
                    "source": row["source"],
                }
            )
    return rows


@functools.cache
def _table() -> Mapping[str, Any]:
    text = files("kvsim").joinpath("data/prices/prices.json").read_text(encoding="utf-8")
    table: Mapping[str, Any] = json.loads(text)
    return table
