"""Teeth, floors, spikes and steps are described as an eye sees them."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.models import WIDTHS, Envelope, describe, envelopes
from tests.analysis.curves import saw

if TYPE_CHECKING:
    from collections.abc import Sequence


BINS = 96
U = (np.arange(BINS) + 0.5) / BINS


def shape(curve: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None) -> SimpleNamespace:
    """Describe one row."""
    mean = curve[None, :]
    found, floor = describe(
        Envelope(pl.DataFrame(), mean, mean if low is None else low[None, :], mean if high is None else high[None, :])
    )
    return SimpleNamespace(**found, floor=floor)


@pytest.mark.parametrize("teeth", [5, 8, 12], ids="teeth{}".format)
def test_teeth_are_counted(teeth: int) -> None:
    """Each abrupt fall after the start-up is one release."""
    found = shape(100 + 60 * saw(U, 1 / teeth))
    assert teeth * 0.8 - 1 <= found.teeth[0] <= teeth


@pytest.mark.parametrize("rise", [0.0, 50.0], ids="rise{}".format)
def test_floor_runs_through_the_troughs(rise: float) -> None:
    """The floor of teeth is what they stand on, flat or rising."""
    stands_on = 100 + rise * U
    found = shape(stands_on + 60 * saw(U, 0.1))
    slope = np.polyfit(U[20:], found.floor[0, 20:], 1)[0]
    assert slope == pytest.approx(rise, abs=8)
    assert np.abs(found.floor[0] - stands_on).max() < 20


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(100 + 0 * U, id="flat"),
        pytest.param(100 + 60 * U, id="line"),
        pytest.param(100 + 40 * np.sin(2 * np.pi * 7 * U), id="wave"),
        pytest.param(100 + 40 * (np.abs(U - 0.5) < 0.05), id="burst"),
    ],
)
def test_what_is_no_tooth(curve: np.ndarray) -> None:
    """Flat lines, trends, waves and a single burst have no teeth."""
    assert shape(curve).teeth[0] < 4


def test_trough_is_the_depth_of_the_teeth() -> None:
    """The trough compares floors with tops."""
    assert shape(30 + 70 * saw(U, 0.125)).trough[0] == pytest.approx(0.35, abs=0.08)
    assert shape(100 + 0 * U).trough[0] == 1


def test_a_spike_is_clipped_from_the_trend() -> None:
    """A spike of two bins leaves the floor alone and stands in the late peak."""
    curve = 100 + 80.0 * (np.abs(U - 0.6) < 0.01)
    found = shape(curve)
    assert found.floor.max() < 115
    assert found.late_peak[0] == 180
    assert found.late_low[0] == pytest.approx(100)
    assert found.high_share[0] < 0.05


@pytest.mark.parametrize("at", [0.25, 0.5, 0.75], ids="at{}".format)
def test_step_is_found_where_it_is(at: float) -> None:
    """The largest lasting change has the step's size and place."""
    found = shape(100 + 40 * (at < U))
    assert found.jump[0] == pytest.approx(40)
    assert found.jump_at[0] == pytest.approx(at, abs=0.03)


def test_a_ramp_is_no_jump() -> None:
    """A smooth rise has no abrupt change of its size."""
    assert abs(shape(100 + 60 * U).jump[0]) < 5


def test_levels() -> None:
    """Start, settled and end levels, and the peaks of both parts."""
    curve = 100 + 300 * np.exp(-U / 0.02)
    found = shape(curve)
    assert found.settled[0] == pytest.approx(100, abs=0.1)
    assert found.end_level[0] == pytest.approx(100, abs=0.1)
    assert found.early_peak[0] == curve.max()
    assert found.late_peak[0] < 102


@pytest.mark.parametrize("inside", [100.0, 112.0, 120.0, 133.0], ids="inside{:.0f}".format)
def test_a_step_within_a_bin_has_its_whole_size(inside: float) -> None:
    """The bin that the step falls into lies between the levels, wherever in it the step is."""
    curve = np.where(U < 0.5, 100.0, 140.0)
    curve[48] = inside
    assert shape(curve).jump[0] == pytest.approx(40)


def test_a_slow_rise_before_the_last_fall_is_taken_back_and_a_burst_is_not() -> None:
    """Two teeth give all of their rise back; a burst rose at once, and so it repeats nothing."""
    whole = np.where(U < 0.35, 170 * U, np.where(U < 0.7, 170 * (U - 0.35), 170 * (U - 0.7)))
    assert shape(100 + whole).repeats[0] == pytest.approx(1, abs=0.1)
    assert shape(100 + 40 * (np.abs(U - 0.5) < 0.05)).repeats[0] == 0


START = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)


def bins_of(values: Sequence[float | None], keep: slice | list[int] = slice(None)) -> list[Envelope]:
    """Envelopes of one life with a sample a minute."""
    times = [START + dt.timedelta(minutes=minute) for minute in range(len(values))]
    samples = pl.DataFrame({"life_row": [0] * len(values), "time": times, "rss_bytes": values})
    lives = pl.DataFrame({"start": [times[0]], "end": [times[-1]]})
    return envelopes(samples[keep], lives, ["rss_bytes"])


def width_of(samples: int) -> int:
    """Bins of a life with so many samples; 0 where it has none."""
    found = bins_of([float(value) for value in range(samples)])
    return found[0].bins if found else 0


def test_width_follows_the_samples() -> None:
    """Too few samples give no bins, the fewest that count the widest ones, many the finest; never two a bin less."""
    least = 10
    assert width_of(least - 1) == 0
    assert width_of(least) == WIDTHS[-1]
    assert width_of(5000) == WIDTHS[0]
    widths = [width_of(samples) for samples in range(least, 300, 7)]
    assert widths == sorted(widths)
    assert set(widths) == set(WIDTHS)


def test_mean_low_and_high() -> None:
    """Ten samples a bin: their mean, lowest and highest."""
    values = np.arange(960.0)
    (found,) = bins_of(values.tolist())
    groups = np.array_split(values, WIDTHS[0])
    assert np.abs(found.mean[0] - [group.mean() for group in groups]).max() <= 1
    assert found.low[0, 0] == 0
    assert found.high[0, -1] == 959
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()


def test_gap_is_bridged_and_counted() -> None:
    """Bins without a sample are straight lines, and `filled` says that they were empty."""
    values = [float(value) for value in range(960)]
    (found,) = bins_of(values, [*range(320), *range(640, 960)])
    assert found.rows["filled"].item() == pytest.approx(2 / 3, abs=0.02)
    assert np.abs(found.mean[0] - np.arange(4.5, 960, 10)).max() < 6


def test_nulls_are_no_zeros() -> None:
    """A signal sampled every other time has the levels of its own samples."""
    (found,) = bins_of([100.0 if minute % 2 else None for minute in range(960)])
    assert found.mean.min() == found.low.min() == found.high.max() == 100
    assert found.rows["samples"].item() == 480


def test_one_life_does_not_touch_another() -> None:
    """Two lives in one pass have the bins that each has alone."""
    times = [START + dt.timedelta(minutes=minute) for minute in range(200)]
    values = np.linspace(0, 199, 200)
    samples = pl.DataFrame(
        {"life_row": [0] * 200 + [1] * 200, "time": times * 2, "rss_bytes": np.concatenate([values, 7 * values])},
    )
    lives = pl.DataFrame({"start": [times[0]] * 2, "end": [times[-1]] * 2})
    (both,) = envelopes(samples, lives, ["rss_bytes"])
    assert np.allclose(both.mean[1], 7 * both.mean[0])
