"""A start that is over within a few samples says nothing about what comes after it, and hides nothing."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from rmtoolkit.analysis.models import _without_start
from tests.analysis.curves import MI, record
from tests.analysis.verdicts import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.analysis.curves import Array

    Rest = Callable[[Array], Array]

#: The level after the start.
LEVEL: Final = 80.0


def started(samples: int, length: int, shape: str, rest: Array, seed: int) -> dict[str, Array]:
    """A process whose first samples come up to its level, and then do what `rest` says."""
    start = np.ones(samples)
    place = np.arange(length)
    start[:length] = {"ramp": place / length, "late": np.full(length, 0.05), "curve": 1 - np.exp(-place)}[shape]
    noise = np.random.default_rng(seed).normal(0, 0.002 * LEVEL, samples)
    return {"anon_bytes": np.maximum(LEVEL * start + rest + noise, 0.1) * MI}


@pytest.mark.parametrize(
    ("rest", "verdicts"),
    [
        pytest.param(lambda place: 0.4 * place, {"leak"}, id="line"),
        pytest.param(lambda place: 0 * place, {"not_leak"}, id="rest"),
        pytest.param(lambda place: 0.3 * (1 - np.exp(-place / 0.1)), {"not_leak"}, id="warm-up"),
        pytest.param(lambda place: 0.4 * (place > 0.45), {"not_leak", "inconclusive"}, id="step"),
        pytest.param(
            lambda place: 0.3 * (place > 0.4) + 0.6 * (place > 0.8), {"not_leak", "inconclusive"}, id="stairs"
        ),
    ],
)
def test_a_short_start_hides_nothing(rest: Rest, verdicts: set[str]) -> None:
    """A clean line behind it is a leak once seen for long; rest and a warm-up are none, nor a step or two."""
    recordings = []
    # Each shape once with each number of samples and with each length.
    for (at, samples), (by, length) in product(enumerate((110, 200, 400)), enumerate((1, 2, 3, 6))):
        shape = ("ramp", "late", "curve")[(at + by) % 3]
        place = np.arange(samples) / samples
        curve = started(samples, length, shape, LEVEL * rest(place), samples)
        recordings.append(record(place * samples / 240, curve))
    for row in rows_of(recordings):
        assert row["verdict"] in verdicts, row["explanation"]


def test_a_start_and_a_warm_up_hide_no_line() -> None:
    """Together they look as if all of it slowed down; with a step instead of the line nobody knows."""
    for samples, length in product((200, 400), (1, 2, 3)):
        place = np.arange(samples) / samples
        for rest, verdict in ((0.4 * place, "leak"), (0.4 * (place > 0.6), "inconclusive")):
            curve = started(samples, length, "curve", LEVEL * (0.15 * (1 - np.exp(-place / 0.1)) + rest), samples)
            (row,) = rows_of([record(place * samples / 240, curve)])
            assert row["verdict"] == verdict, row["explanation"]


def spike(at: float) -> Array:
    """Two weeks at a level, and a sample three times as high."""
    values = np.ones(4032)
    values[round(at * 288)] = 3
    return values


FIVE_MINUTES: Final = np.arange(4032) / 12
LEADS: Final = np.where(FIVE_MINUTES // 80 % 3 == 0, 3.0, 1.0)


@pytest.mark.parametrize(
    ("hours", "curve", "pattern"),
    [
        pytest.param(FIVE_MINUTES, spike(0), "startup_spike", id="start"),
        pytest.param(FIVE_MINUTES, spike(2), "plateau", id="once_after_two_days"),
        pytest.param(FIVE_MINUTES, np.where(FIVE_MINUTES < 150, 1.0, 1.5), "step", id="step"),
        pytest.param(FIVE_MINUTES, LEADS, "burst", id="leader_that_comes_back"),
        pytest.param(np.arange(20) / 60, np.minimum(np.arange(20) / 10 + 0.05, 1), "warm_up", id="run_of_a_job"),
    ],
)
def test_what_is_called_a_start_or_a_step_is_one(hours: Array, curve: Array, pattern: str) -> None:
    """A start comes before any rest, and a step is one jump that stays."""
    noise = np.random.default_rng(4).normal(0, 0.006, curve.size)
    (row,) = rows_of([record(hours, {"working_set_bytes": LEVEL * (curve + noise) * MI})])
    assert (row["verdict"], row["pattern"]) == ("not_leak", pattern), row["explanation"]


@pytest.mark.parametrize(
    ("jump", "others", "taken"),
    [
        pytest.param(4.0, 7, False, id="four_times"),
        pytest.param(4.01, 7, True, id="more"),
        pytest.param(4.1, 16, True, id="half_of_all"),
        pytest.param(4.1, 17, False, id="less_than_half"),
    ],
)
def test_a_start_is_what_stands_out_from_all_that_the_shape_leaves(jump: float, others: int, taken: bool) -> None:
    """More than four times what is usual after it, and half of all that is left: then it is levelled, else it stays."""
    steps = np.zeros((1, 64))
    steps[0, 2] = jump
    steps[0, 10 : 10 + 3 * others : 3] = np.where(np.arange(others) % 2, -1, 1)
    curve = steps.cumsum(axis=1)
    rows, flat = _without_start(curve, np.zeros_like(curve))
    assert rows.tolist() == [0] * taken
    assert flat.tolist() == [[jump, jump, *curve[0, 2:].tolist()]] * taken
