"""Envelopes keep the mean, the lowest and the highest sample of each bin."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.shapes import MINIMUM_SAMPLES, WIDTHS, Envelope, envelopes

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    assert width_of(MINIMUM_SAMPLES - 1) == 0
    assert width_of(MINIMUM_SAMPLES) == WIDTHS[-1]
    assert width_of(5000) == WIDTHS[0]
    widths = [width_of(samples) for samples in range(MINIMUM_SAMPLES, 300, 7)]
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
