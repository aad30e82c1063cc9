"""Queues against theory, in small; `kvsim validate queueing` and `tail` do it in full."""

from __future__ import annotations

import numpy as np
import pytest

import kvsim
from kvsim import queueing
from kvsim.validate.queueing import check_queueing
from kvsim.validate.tail import check_tail


def test_closed_forms_take_arrays() -> None:
    rho = np.array([[0.5, 0.8], [0.9, 1.0]])
    found = queueing.mm1_mean_sojourn_s(rho, 1.0)
    assert found.shape == (2, 2)
    assert found == pytest.approx(np.array([[2, 5], [10, np.inf]]))
    with pytest.raises(kvsim.ConfigError, match="servers: got 0"):
        queueing.mmc_mean_wait_s(1, 1, 0)


def test_queues_are_what_theory_says() -> None:
    report = check_queueing([0], loads=[0.5], effort=0.6)  # enough for one seed
    assert report.ok, report.table()


def test_a_service_3_percent_longer_is_noticed() -> None:
    report = check_queueing([0], loads=[0.5], service_factor=1.03, effort=0.6)
    assert not any(c.ok for c in report.checks if "Little" not in c.name), report.table()


@pytest.mark.full
@pytest.mark.parametrize("load", [0.8, 0.9])
def test_queues_at_high_load_are_what_theory_says(load: float) -> None:
    report = check_queueing([0], loads=[load])
    assert report.ok, report.table()


def test_tails_are_what_they_should_be() -> None:
    report = check_tail([0], effort=0.2)
    assert report.ok, report.table()


@pytest.mark.full
def test_tails_of_several_seeds() -> None:
    report = check_tail(range(1, 3))
    assert report.ok, report.table()


def test_bad_requests_of_checks_are_refused() -> None:
    with pytest.raises(kvsim.ConfigError, match="loads: got"):
        check_queueing(loads=[0.7])
    with pytest.raises(kvsim.ConfigError, match="seeds"):
        check_tail([])
