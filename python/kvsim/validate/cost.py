"""Costs against what they follow from: the dominance law exactly, a run's costs by hand."""

from __future__ import annotations

from typing import Any

from kvsim import costs, speculation
from kvsim._simulate import simulate
from kvsim.costs import Owned, Rented, ServingLife
from kvsim.validate.checks import Check, Report


def check_cost(*, query_factor: float = 1.0) -> Report:
    """Compare costs with closed forms and with a run's own totals.

    Parameters
    ----------
    query_factor : float
        Factor of the cost of a query against what the reference is told: 1.001 is a law that is
        wrong by a thousandth, which the check has to notice.

    Returns
    -------
    Report
    """
    return Report("Costs", (*_dominance(query_factor), *_closed_forms(), *_of_runs()))


def _dominance(factor: float) -> list[Check]:
    life = ServingLife(2e6, 0.001 * factor, 1e6 * 50)
    grows = ServingLife(2e6, 0.001 * factor, 1e6 * 50, growth_per_year=1.0)
    return [
        _exact("serving of a year, 1 M users, 50 queries a day, .001 USD (USD)",
               life.serving_usd(365), 18.25e6),
        _exact("over the training of 2 M USD", life.serving_usd(365) / 2e6, 9.125),
        _exact("break-even day", life.break_even_days, 40.0),
        _exact("serving's share after a year", life.serving_share(365), 18.25 / 20.25),
        _exact("10 % less a query, a year (USD)", life.gain(0.1, 365).usd, 1.825e6),
        # Doubling traffic serves 365 / ln 2 days of the first day's in a year.
        _exact("traffic doubling in a year: serving of that year (USD)", grows.serving_usd(365),
               50e3 * 365 / 0.6931471805599453),
        _exact("spent on serving at break-even (USD)", grows.serving_usd(grows.break_even_days),
               2e6),
    ]  # fmt: skip


def _closed_forms() -> list[Check]:
    known = ((0.9, 3.748472), (0.7, 2.3529360), (0.5, 1.575))
    return [
        _exact(f"speed-up, 5 drafts of a model 20 times faster, a {alpha}",
               speculation.speedup(alpha, 5, 0.05), value)
        for alpha, value in known
    ]  # fmt: skip


def _of_runs() -> list[Check]:
    scenario: dict[str, Any] = {
        "model": "llama-3-8b", "gpu": "h100-sxm", "tensor_parallel_size": 2,
        "fleet": {"num_servers": 3}, "slo": {"ttft_ms": 60},
        "workload": {
            "num_requests": 600, "arrivals": {"kind": "poisson", "rate_per_s": 30},
            "lengths": {"kind": "lognormal"},
        },
    }  # fmt: skip
    result = simulate(scenario)
    s = result.summary
    rented = costs.serving_cost(result, Rented(2.5))
    paid = 6 * 2.5 * s["duration_s"] / 3600
    requests = result.requests
    users = float((requests["finish_ns"] - requests["arrival_ns"]).sum()) / 1e9 / s["duration_s"]
    owned = costs.serving_cost(result, Owned(35_040, usd_per_kwh=0.1, pue=1.5, host_w_per_gpu=100))
    hourly = 6 * (1 + 0.1 * 1.5 * (owned.gpu_power_w / 6 + 100) / 1000)
    good = float((requests["ttft_ns"] <= 60e6).sum())
    return [
        _exact("3 servers of 2 GPUs: all requests pay for the GPUs (USD)",
               rented.usd_per_request * s["completed"], paid),
        _exact("all output tokens do", rented.usd_per_million_output_tokens / 1e6
               * s["total_output_tokens"], paid),
        _exact("the requests within the SLO do", (rented.usd_per_good_request or 0) * good, paid),
        _exact("users in the system, by Little's law", rented.usd_per_hour
               / rented.usd_per_concurrent_user_hour, users),
        _exact("owned: capital, electricity, PUE (USD/h)", owned.usd_per_hour, hourly),
    ]  # fmt: skip


def _exact(name: str, found: Any, reference: float) -> Check:
    """To a part in 10^12 or to the printed digits: what is left is the order of operations."""
    digits = 1e-6 if "speed-up" in name else 1e-12
    return Check(
        name, float(found), reference, 0.0, "equal", abs(found - reference) <= digits * reference
    )
