"""Growth that a model found is checked at the window's end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis import signals
from rmtoolkit.analysis.models import Envelope
from rmtoolkit.analysis.signals import _grain, _rests_before

BINS = 96
U = (np.arange(BINS) + 0.5) / BINS


def check(*given: np.ndarray) -> SimpleNamespace:
    """Check rows, and name what is found."""
    found, third = signals.check(*given)
    return SimpleNamespace(**found, third=third)


def one(curve: np.ndarray, growth: float = 60.0) -> tuple[float, float]:
    """Last third and tail of one row."""
    found = check(curve[None, :], np.array([0.0]), np.array([growth]), np.array([1.0]), np.array([0.0]))
    return float(found.last_third[0]), float(found.tail[0])


def rests(curve: np.ndarray) -> tuple[float, float]:
    """How long the last rest of one row is, and how much longer it must be."""
    found = check(curve[None, :], np.array([0.0]), np.array([60.0]), np.array([1.0]), np.array([0.0]))
    return float(found.rest[0]), float(found.unrested[0])


def test_steady_line() -> None:
    """A line grows in its last third and in its tail as everywhere."""
    last_third, tail = one(100 + 60 * U)
    assert last_third == pytest.approx(1, abs=0.1)
    assert tail == pytest.approx(1, abs=0.15)


def test_growth_that_ended() -> None:
    """A ramp that ended has no rise in its last third."""
    last_third, _ = one(100 + 60 * np.minimum(U, 0.5))
    assert last_third == pytest.approx(0, abs=0.05)


def test_growth_that_slows() -> None:
    """A logarithm's last third rises less than half of the mean third."""
    last_third, _ = one(100 + 20 * np.log1p(U / 0.03))
    assert 0 < last_third < 0.5


def test_growth_that_speeds_up() -> None:
    """An accelerating curve rises more in its last third than on the mean, and by how much is told."""
    curve = 100 + 60 * U**2
    assert one(curve)[0] > 1.3
    found = check(curve[None, :], np.array([0.0]), np.array([60.0]), np.array([1.0]), np.array([0.0]))
    assert found.third[0] == pytest.approx(60 * (1 - (2 / 3) ** 2) * 3, rel=0.05)


def stairs(*steps: tuple[float, float]) -> np.ndarray:
    """A level of 100 and steps up: where each is, and how high."""
    return 100 + sum((height * (at < U) for at, height in steps), np.zeros(BINS))


@pytest.mark.parametrize(
    ("curve", "rest", "lacks"),
    [
        pytest.param(100 + 0 * U, 1.0, 0.0, id="all of it"),
        pytest.param(100 + 60 * U, 0.05, 0.0, id="a line never rests"),
        pytest.param(stairs((0.5, 60)), 0.5, 0.0, id="as long as the first"),
        pytest.param(stairs((0.8, 60)), 0.2, 0.7 * 0.9 * 0.8 - 0.2, id="shorter than the first, of which .7 count"),
        pytest.param(stairs((0.1, 30), (0.5, 30), (0.85, 30)), 0.15, 0.9 * 0.4 - 0.15, id="shorter than the longest"),
        pytest.param(stairs((0.1, 30), (0.3, 30), (0.55, 30)), 0.45, 0.0, id="outlasts them"),
        pytest.param(stairs((0.1, 30), (0.3, 60), (0.62, 120)), 0.38, 2.2 * 0.32 - 0.38, id="doubles: twice as long"),
        pytest.param(stairs((0.8, -60)), 0.2, 0.0, id="a fall"),
    ],
)
def test_the_last_rest_must_outlast_those_before(curve: np.ndarray, rest: float, lacks: float) -> None:
    """A rest counts once it is as long as the longest on lower ground; what grows in doublings rests ever longer."""
    assert rests(curve) == pytest.approx((rest, lacks), abs=0.025)


def test_tail_within_the_noise_is_unknown() -> None:
    """Where the slope predicts less than the noise, the tail says nothing."""
    curve = 100 + 2 * U + np.random.default_rng(3).normal(0, 3, BINS)
    assert np.isnan(one(curve, 2.0)[1])


def test_tail_of_a_staircase_is_unknown() -> None:
    """Growth in jumps may rest just at the end: the tail says nothing."""
    assert np.isnan(one(100 + 10 * np.floor(6 * U))[1])


def test_falling_values_have_no_last_third() -> None:
    """A decline is no growth, whatever its last third does."""
    assert one(100 - 60 * U)[0] == 0


def test_growth_after_a_flat_half_is_no_bend() -> None:
    """Where the first half did not grow, the second cannot be compared with it; a line's halves are alike."""
    found = check(
        np.array([100 + 60 * np.maximum(U - 0.7, 0), 100 + 60 * U, 100 + 60 * np.sqrt(U)]),
        np.zeros(3), np.full(3, 60.0), np.ones(3), np.zeros(3),
    )  # fmt: skip
    assert found.straight[0] == np.inf
    assert found.straight[1] == pytest.approx(1)
    assert 0.2 < found.straight[2] < 0.8


def test_the_tail_is_held_against_the_growth_expected_of_it() -> None:
    """It is 1 on a line, 0 where the rise ended before it, and unknown where little is expected."""
    curves = np.array([100 + 60 * U, 100 + 60 * np.minimum(U, 0.7), 100 + 0.5 * U + np.sin(40 * U)])
    found = check(curves, np.zeros(3), np.array([60.0, 60.0, 0.5]), np.ones(3), np.zeros(3))
    assert found.tail[:2] == pytest.approx([1, 0], abs=0.1)
    assert np.isnan(found.tail[2])


def test_the_grain_is_the_smallest_step_that_was_seen() -> None:
    """Bins that do not differ say nothing of it; steps larger than a MiB or two are moves, no grain."""
    low = np.array([[10, 10, 14, 14, 22], [1e9, 2e9, 3e9, 4e9, 5e9], [7, 7, 7, 7, 7]], dtype=float)
    assert _grain(Envelope(pl.DataFrame(), low, low, low)).tolist() == [4, 0, 0]


@pytest.mark.parametrize("follows", [True, False])
def test_memory_follows_the_load_in_both_halves_or_not_at_all(follows: bool) -> None:
    """A busy start that freed memory explains most of the movement, and nothing of the leak after it."""
    rng = np.random.default_rng(1)
    load = np.where(U < 0.27, 30.0, 20.0) + (8 * np.sin(30 * U) if follows else rng.normal(0, 2, len(U)))
    curve = 2 * load if follows else np.where(U < 0.27, 70.0, 34 + 20 * U)
    share = signals._explained(curve + rng.normal(0, 0.1, len(U)), load, U - 0.5)[1]
    assert (share > 0.9) if follows else (share == 0)


def test_each_rest_has_the_level_of_its_own_values() -> None:
    """A stretch begins with nothing of the one before it; what is too short is none."""
    assert _rests_before([0, 0, 0, 5, 10, 10, 10], 1, 2) == [(0, 0, 3), (10, 4, 7)]


def test_every_row_is_checked_for_itself() -> None:
    """Beside rows of other noise, other steps and another size each row is found as it is alone."""
    lot = np.random.default_rng(3)
    rows = np.stack(
        [
            100 + 60 * U,
            1000 + 600 * U + lot.normal(0, 80, BINS),
            10 + 5 * np.floor(8 * U),
            100 + 40 * (U > 0.5) + 20 * U,
            100 + 60 * np.minimum(U, 0.6),
            *(1e4 + lot.normal(0, 500, (4, BINS)).cumsum(axis=1)),
        ]
    )
    more = [np.zeros(len(rows)), rows[:, -1] - rows[:, 0], np.full(len(rows), 1.0), np.zeros(len(rows))]
    found, third = signals.check(rows, *more)
    for at in range(len(rows)):
        alone, of_third = signals.check(rows[at : at + 1], *(values[at : at + 1] for values in more))
        assert third[at] == pytest.approx(of_third[0], nan_ok=True)
        for name, values in alone.items():
            assert np.asarray(found[name])[at] == pytest.approx(np.asarray(values)[0], nan_ok=True), name
