"""Growth that a model found is checked at the window's end."""

from __future__ import annotations

import numpy as np
import pytest

from rmtoolkit.analysis.signals import check

BINS = 96
U = (np.arange(BINS) + 0.5) / BINS


def one(curve: np.ndarray, onset: float = 0.0, growth: float = 60.0) -> tuple[float, float, float]:
    """Last third, tail and excursion of one row."""
    found = check(curve[None, :], np.array([onset]), np.array([growth]), np.array([1.0]), np.array([0.0]))
    return float(found.last_third[0]), float(found.tail[0]), float(found.excursion[0])


def test_steady_line() -> None:
    """A line grows in its last third and in its tail as everywhere, and has no time before it."""
    last_third, tail, excursion = one(100 + 60 * U)
    assert last_third == pytest.approx(1, abs=0.1)
    assert tail == pytest.approx(1, abs=0.15)
    assert excursion == np.inf


def test_growth_that_ended() -> None:
    """A ramp that ended has no rise in its last third."""
    last_third, _, _ = one(100 + 60 * np.minimum(U, 0.5))
    assert last_third == pytest.approx(0, abs=0.05)


def test_growth_that_slows() -> None:
    """A logarithm's last third rises less than half of the mean third."""
    last_third, _, _ = one(100 + 20 * np.log1p(U / 0.03))
    assert 0 < last_third < 0.5


def test_growth_that_speeds_up() -> None:
    """An accelerating curve rises more in its last third than on the mean."""
    assert one(100 + 60 * U**2)[0] > 1.3


def test_excursion_compares_with_what_was_before() -> None:
    """A rise of 30 after wandering within about 10 goes three times beyond it."""
    rng = np.random.default_rng(2)
    before = 100 + rng.uniform(-5, 5, BINS)
    curve = np.where(U < 0.5, before, 100 + 60 * (U - 0.5))
    assert one(curve, 0.5)[2] == pytest.approx(3.2, abs=0.8)


def test_tail_within_the_noise_is_unknown() -> None:
    """Where the slope predicts less than the noise, the tail says nothing."""
    curve = 100 + 2 * U + np.random.default_rng(3).normal(0, 3, BINS)
    assert np.isnan(one(curve, 0.0, 2.0)[1])


def test_tail_of_a_staircase_is_unknown() -> None:
    """Growth in jumps may rest just at the end: the tail says nothing."""
    assert np.isnan(one(100 + 10 * np.floor(6 * U))[1])


def test_falling_values_have_no_last_third() -> None:
    """A decline is no growth, whatever its last third does."""
    assert one(100 - 60 * U)[0] == 0
