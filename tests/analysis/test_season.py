"""Cycles are taken out, trends and bends are left."""

from __future__ import annotations

import numpy as np
import pytest

from rmtoolkit.analysis.models import remove

BINS = 96
U = (np.arange(BINS) + 0.5) / BINS


@pytest.mark.parametrize("cycles", [3.0, 5.5, 7.0, 14.2], ids="cycles{}".format)
@pytest.mark.parametrize("trend", [0.0, 25.0], ids="trend{}".format)
def test_wave_is_removed_and_the_trend_stays(cycles: float, trend: float) -> None:
    """Whatever the number of cycles, what is left is the trend."""
    rest, share = remove((100 + trend * U + 12 * np.sin(2 * np.pi * cycles * U + 1))[None, :], np.array([0.1]))
    assert share[0] > 0.9
    assert np.abs(rest[0] - rest[0].mean() - trend * (U - U.mean())).max() < 3


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(100 + 0 * U, id="flat"),
        pytest.param(100 + 50 * U, id="line"),
        pytest.param(100 + 20 * np.sin(np.pi * U), id="half_wave"),
        pytest.param(100 + 0.05 * np.sin(2 * np.pi * 6 * U), id="wave_below_the_meter"),
    ],
)
def test_what_is_no_cycle_stays(curve: np.ndarray) -> None:
    """Lines, bends and what no meter can tell are left exactly alone."""
    rest, share = remove(curve[None, :], np.array([0.1]))
    assert share[0] == 0
    assert (rest[0] == curve).all()


def test_white_noise_has_no_cycle() -> None:
    """Of fifty rows of noise none is half a cycle."""
    noise = 100 + np.random.default_rng(1).normal(0, 1, (50, BINS))
    assert (remove(noise, np.full(50, 0.1))[1] == 0).all()


def test_mean_is_kept() -> None:
    """Removing a cycle does not move the level."""
    values = (100 + 12 * np.sin(2 * np.pi * 6.3 * U))[None, :]
    assert remove(values, np.array([0.1]))[0].mean() == pytest.approx(values.mean())


def test_no_rows() -> None:
    """Nothing to look at is no error."""
    rest, share = remove(np.zeros((0, BINS)), np.zeros(0))
    assert rest.shape == (0, BINS)
    assert share.shape == (0,)
