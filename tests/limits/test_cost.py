"""What is set aside with a limit, and what a month of it costs."""

from __future__ import annotations

import numpy as np
import pytest

import rmtoolkit as rm
from rmtoolkit.limits.history import Need
from rmtoolkit.limits.risk import Scores, advised_request, at_limit, expected, per_month, requested, reserved
from tests.limits.conftest import MIB

GIB = 2**30
SCORES = Scores(np.linspace(0, 0.4, 99), workloads=99, swing=0.0)
BURSTABLE = Need(limit_bytes=512 * MIB, request_bytes=300 * MIB, busy_bytes=200 * MIB - 5, pods_now=3)
GUARANTEED = Need(limit_bytes=512 * MIB, request_bytes=512 * MIB, busy_bytes=200 * MIB, pods_now=3)
UNKNOWN = Need(limit_bytes=512 * MIB, busy_bytes=200 * MIB, pods_now=3)


def test_a_month_is_priced_by_hand() -> None:
    """730.5 hours of memory, and so many weeks of incidents."""
    prices = rm.Prices(0.01, 40.0)
    assert per_month(2 * GIB, prices) == pytest.approx(2 * 0.01 * 730.5)
    assert expected(0.25, prices) == pytest.approx(0.25 * 40 * 730.5 / 168)
    assert per_month(None, prices) is per_month(GIB, None) is None
    assert expected(None, prices) is expected(0.5, None) is None
    assert per_month(0, prices) == expected(0.0, prices) == 0.0


def test_what_is_set_aside_is_the_request_or_else_the_limit() -> None:
    """Of all pods that run now; never more than the limit; null where neither is known."""
    assert reserved(BURSTABLE, 512 * MIB, 300 * MIB) == 900 * MIB
    assert reserved(BURSTABLE, 512 * MIB, None) == 1536 * MIB
    assert reserved(BURSTABLE, 100 * MIB, 300 * MIB) == 300 * MIB
    assert reserved(BURSTABLE, None, 300 * MIB) == 900 * MIB
    assert reserved(BURSTABLE, None, None) is None


@pytest.mark.parametrize(
    ("need", "in_force", "lower"),
    [(BURSTABLE, 300, 200), (GUARANTEED, 512, 256), (UNKNOWN, None, 200)],
    ids=["burstable", "guaranteed", "unknown"],
)
def test_the_request_in_force_goes_with_the_limit_in_force(need: Need, in_force: int | None, lower: int) -> None:
    """Any other limit comes with the request that is advised: Guaranteed stays Guaranteed, else what is used."""
    assert requested(need, 512 * MIB, whole=None) == (None if in_force is None else in_force * MIB)
    assert requested(need, 256 * MIB, whole=None) == lower * MIB
    assert requested(need, 150 * MIB, whole=None) == 150 * MIB
    assert requested(need, 512 * MIB, whole=None, anew=True) == (512 if in_force == 512 else 200) * MIB
    assert requested(need, 512 * MIB, whole=True) == 512 * MIB
    assert requested(need, 512 * MIB, whole=False) == 200 * MIB


def test_a_request_is_whole_mi_and_never_nothing() -> None:
    """Rounded up; unknown where nothing is known of the use."""
    assert advised_request(BURSTABLE, None) == 200 * MIB
    assert advised_request(Need(busy_bytes=1), None) == MIB
    assert advised_request(Need(busy_bytes=MIB + 1), None) == 2 * MIB
    assert advised_request(Need(), 512 * MIB) is None


def test_one_limit_says_everything_at_once() -> None:
    """The chance is that of the pairs, and the sum that of its parts."""
    need = Need(base_bytes=100.0 * MIB, spread=0.5, history_seconds=1e6, pods_now=2)
    found = at_limit(need, 200 * MIB, 128 * MIB, SCORES, rm.Prices(0.01, 40.0))
    # log 1.8 is above every rise.
    assert found.risk.week == pytest.approx(1 / 100)
    assert found.memory_per_month == pytest.approx(0.25 * 0.01 * 730.5)
    assert found.incidents_per_month == pytest.approx(0.01 * 40 * 730.5 / 168)
    assert found.total_per_month == pytest.approx((found.memory_per_month or 0) + (found.incidents_per_month or 0))
    assert at_limit(need, 200 * MIB, 128 * MIB, SCORES, None).total_per_month is None
