"""Closed forms of queueing theory, computed by the engine, to hold simulations against.

Rates are in 1/s and times in s; every argument but `servers`, `batch`, `n` and `d` may be an
array. A queue at or above its capacity has no steady state: its times are infinite.

Examples
--------
Why is 80 % the practical ceiling? Between 80 and 90 % the mean time in an M/M/1 queue doubles:

>>> from kvsim import queueing
>>> queueing.mm1_mean_sojourn_s([0.5, 0.8, 0.9], service_s=1.0).round(3)
array([ 2.,  5., 10.])
"""

from __future__ import annotations

from typing import Any

from kvsim import _native
from kvsim._each import Floats
from kvsim._each import each as _each

__all__ = [
    "any_slow_probability",
    "batch_queue_capacity_per_s",
    "batch_queue_mean_sojourn_s",
    "erlang_c",
    "kingman_mean_wait_s",
    "leaf_quantile",
    "max_exponential_mean_s",
    "max_exponential_quantile_s",
    "md1_mean_wait_s",
    "mg1_mean_wait_s",
    "mm1_knee_utilization",
    "mm1_mean_sojourn_s",
    "mm1_mean_wait_s",
    "mm1_sojourn_quantile_s",
    "mmc_mean_wait_s",
    "mmc_sojourn_quantile_s",
    "mmc_wait_quantile_s",
    "power_of_d_mean_sojourn_s",
    "utilization",
]


def utilization(rate_per_s: Floats, service_s: Floats, servers: int = 1) -> Any:
    """Return the offered load of each server, rho = lambda S / c.

    Examples
    --------
    >>> utilization(8, 0.5, servers=5)
    0.8
    """
    return _each(_native.queueing_utilization, rate_per_s, service_s, servers)


def mm1_mean_wait_s(rate_per_s: Floats, service_s: Floats) -> Any:
    """Return the mean wait of M/M/1, rho / (1 - rho) S (Kleinrock, Queueing Systems I, 3.2).

    Examples
    --------
    >>> round(mm1_mean_wait_s(0.8, 1.0), 9)
    4.0
    """
    return _each(_native.queueing_mm1_mean_wait_s, rate_per_s, service_s)


def mm1_mean_sojourn_s(rate_per_s: Floats, service_s: Floats) -> Any:
    """Return the mean of wait plus service of M/M/1, S / (1 - rho).

    Examples
    --------
    >>> round(mm1_mean_sojourn_s(0.9, 1.0), 9)
    10.0
    """
    return _each(_native.queueing_mm1_mean_sojourn_s, rate_per_s, service_s)


def mm1_sojourn_quantile_s(rate_per_s: Floats, service_s: Floats, q: Floats = 0.99) -> Any:
    """Return a quantile of wait plus service of M/M/1, -log(1 - q) S / (1 - rho).

    It grows as 1 / (1 - rho): hyperbolically, neither linearly nor exponentially.

    Examples
    --------
    >>> mm1_sojourn_quantile_s([0.8, 0.9], 1.0).round(2)
    array([23.03, 46.05])
    """
    return _each(_native.queueing_mm1_sojourn_quantile_s, rate_per_s, service_s, q)


def erlang_c(rate_per_s: Floats, service_s: Floats, servers: int) -> Any:
    """Return the probability that an arrival waits in M/M/c (Erlang's C; Kleinrock, 3.5).

    Examples
    --------
    >>> round(erlang_c(0.8 * 8, 1.0, servers=8), 4)
    0.4576
    """
    return _each(_native.queueing_erlang_c, rate_per_s, service_s, servers)


def mmc_mean_wait_s(rate_per_s: Floats, service_s: Floats, servers: int) -> Any:
    """Return the mean wait of M/M/c, C S / (c - a) with the load a = lambda S.

    Examples
    --------
    >>> round(mmc_mean_wait_s(0.9 * 8, 1.0, servers=8), 3)
    0.877
    """
    return _each(_native.queueing_mmc_mean_wait_s, rate_per_s, service_s, servers)


def mmc_wait_quantile_s(
    rate_per_s: Floats, service_s: Floats, servers: int, q: Floats = 0.99
) -> Any:
    """Return a quantile of the wait of M/M/c: P(W > t) = C exp(-(c - a) t / S).

    Examples
    --------
    >>> mmc_wait_quantile_s(0.5 * 8, 1.0, servers=8, q=0.5)
    0.0
    """
    return _each(_native.queueing_mmc_wait_quantile_s, rate_per_s, service_s, servers, q)


def mmc_sojourn_quantile_s(
    rate_per_s: Floats, service_s: Floats, servers: int, q: Floats = 0.99
) -> Any:
    """Return a quantile of wait plus service of M/M/c, by inverting the closed form of its tail.

    Examples
    --------
    >>> round(mmc_sojourn_quantile_s(0.9, 1.0, servers=1), 2)
    46.05
    """
    return _each(_native.queueing_mmc_sojourn_quantile_s, rate_per_s, service_s, servers, q)


def mg1_mean_wait_s(rate_per_s: Floats, service_s: Floats, service_cv: Floats) -> Any:
    """Return the mean wait of M/G/1, rho / (1 - rho) (1 + cs^2) / 2 S (Pollaczek-Khinchine).

    Parameters
    ----------
    rate_per_s, service_s : float or array
        Arrival rate and mean service time.
    service_cv : float or array
        Coefficient of variation of the service time, cs.

    Examples
    --------
    >>> round(mg1_mean_wait_s(0.8, 1.0, service_cv=2.0), 9)
    10.0
    """
    return _each(_native.queueing_mg1_mean_wait_s, rate_per_s, service_s, service_cv)


def md1_mean_wait_s(rate_per_s: Floats, service_s: Floats) -> Any:
    """Return the mean wait of M/D/1, rho / (2 (1 - rho)) S: half of M/M/1's.

    Examples
    --------
    >>> round(md1_mean_wait_s(0.9, 1.0), 9)
    4.5
    """
    return _each(_native.queueing_md1_mean_wait_s, rate_per_s, service_s)


def kingman_mean_wait_s(
    rate_per_s: Floats, service_s: Floats, arrival_cv: Floats, service_cv: Floats
) -> Any:
    """Return Kingman's approximation of the mean wait of G/G/1.

    rho / (1 - rho) (ca^2 + cs^2) / 2 S (Kingman, 1961): exact for Poisson arrivals, and in the
    limit of heavy traffic.

    Examples
    --------
    >>> round(kingman_mean_wait_s(0.8, 1.0, arrival_cv=0.5, service_cv=0.5), 9)
    1.0
    """
    return _each(
        _native.queueing_kingman_mean_wait_s, rate_per_s, service_s, arrival_cv, service_cv
    )


def batch_queue_mean_sojourn_s(rate_per_s: Floats, s0_s: Floats, s1_s: Floats, batch: int) -> Any:
    """Return the mean time in a server that waits for exactly `batch` requests.

    lambda S^2 / (2 B (1 - rho)) + B / (2 lambda) + S, with S = s0 + s1 B and rho = lambda S / B. An
    approximation: its first term takes the batches for Poisson arrivals, so it is too long.

    Examples
    --------
    >>> round(batch_queue_mean_sojourn_s(100, 0.05, 0.0005, batch=8), 4)
    0.1501
    """
    return _each(_native.queueing_batch_queue_mean_sojourn_s, rate_per_s, s0_s, s1_s, batch)


def batch_queue_capacity_per_s(s0_s: Floats, s1_s: Floats, batch: int) -> Any:
    """Return the most requests per second of a server of batches, B / (s0 + s1 B).

    Examples
    --------
    >>> round(batch_queue_capacity_per_s(0.05, 0.0005, batch=8), 1)
    148.1
    """
    return _each(_native.queueing_batch_queue_capacity_per_s, s0_s, s1_s, batch)


def max_exponential_mean_s(n: int, mean_s: Floats) -> Any:
    """Return the mean of the largest of n independent exponentials, H_n times the mean of one.

    Examples
    --------
    >>> round(max_exponential_mean_s(10, 1.0), 3)
    2.929
    """
    return _each(_native.queueing_max_exponential_mean_s, n, mean_s)


def max_exponential_quantile_s(n: int, mean_s: Floats, q: Floats = 0.99) -> Any:
    """Return a quantile of the largest of n independent exponentials, -log(1 - q^(1/n)) times one.

    Examples
    --------
    >>> round(max_exponential_quantile_s(10, 1.0, q=0.99), 2)
    6.9
    """
    return _each(_native.queueing_max_exponential_quantile_s, n, mean_s, q)


def any_slow_probability(p: Floats, n: int) -> Any:
    """Return the probability that any of n parts is slow, 1 - (1 - p)^n.

    Dean and Barroso, The tail at scale, CACM 56 (2013).

    Examples
    --------
    >>> round(any_slow_probability(0.01, 100), 3)
    0.634
    """
    return _each(_native.queueing_any_slow_probability, p, n)


def leaf_quantile(q: Floats, n: int) -> Any:
    """Return the quantile of one of n parts that is quantile q of the slowest, q^(1/n).

    Examples
    --------
    The P99 of a fan-out to 10 is a part's P99.9:

    >>> round(leaf_quantile(0.99, 10), 5)
    0.999
    """
    return _each(_native.queueing_leaf_quantile, q, n)


def power_of_d_mean_sojourn_s(rate_per_server_per_s: Floats, service_s: Floats, d: int) -> Any:
    """Return the mean time in many M/M/1 servers, joining the shorter of d chosen at random.

    S sum_i rho^((d^i - d) / (d - 1)), the limit of infinitely many servers (Mitzenmacher, The power
    of two choices in randomized load balancing, IEEE TPDS 12, 2001).

    Examples
    --------
    >>> power_of_d_mean_sojourn_s([0.9, 0.99], 1.0, d=2).round(2)
    array([2.61, 5.43])
    """
    return _each(_native.queueing_power_of_d_mean_sojourn_s, rate_per_server_per_s, service_s, d)


def mm1_knee_utilization(factor: Floats = 5.0) -> Any:
    """Return the load at which an M/M/1 queue's percentiles are `factor` times the unloaded ones.

    Examples
    --------
    >>> mm1_knee_utilization(5)
    0.8
    """
    return _each(_native.queueing_mm1_knee_utilization, factor)
