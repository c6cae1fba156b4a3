"""Short recordings: what twenty samples can say, what several lives of twenty can, and what they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rmtoolkit.analysis.judge import judge
from tests.analysis.curves import GI, MI, record, saturate, small_noise
from tests.analysis.verdicts import row_of

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording
    from tests.analysis.curves import Array

SEEDS = range(8)


def minutes(samples: int) -> Array:
    """Times of so many scrapes, one a minute, in hours."""
    return np.arange(samples) / 60


def one_life(curve: Array, seed: int) -> Recording:
    """A curve in MiB with little noise, below a limit of 512 MiB."""
    values = (curve + small_noise(np.random.default_rng(seed), curve)) * MI
    return record(minutes(len(curve)), {"working_set_bytes": values}, limit_bytes=512 * MI, restarts_total=0)


def killed_lives(curve: Array, lives: int, seed: int) -> Recording:
    """The same curve in MiB in life after life, each ended by an OOM kill."""
    values = np.tile(curve, lives)
    values = (values + small_noise(np.random.default_rng(seed), values)) * MI
    ends = np.arange(1, lives + 1) * len(curve) / 60
    events = [(end - 0.5 / 60, "oom_kill", None) for end in ends]
    events += [(end - 0.2 / 60, "start", None) for end in ends[:-1]]
    return record(minutes(len(values)), {"working_set_bytes": values}, events=events, limit_bytes=512 * MI)


@pytest.mark.parametrize("samples", [22, 30, 40, 50])
def test_a_straight_line_is_never_cleared(samples: int) -> None:
    """A line through few bins is no cycle and has not ended, wherever in its bins the samples fall."""
    line = 100 + 400 * np.arange(samples) / samples
    said = [row_of(one_life(line, seed))["verdict"] for seed in SEEDS]
    assert set(said) == ({"inconclusive"} if samples < 24 else {"leak"})


@pytest.mark.parametrize("samples", [30, 55, 100, 197, 300, 700])
def test_a_line_has_no_cycle(samples: int) -> None:
    """Nearly without noise too: bins that hold two samples or three make no ripples on a line."""
    line = (100 + 60 * np.arange(samples) / samples) * MI
    row = row_of(record(minutes(samples), {"rss_bytes": line}, restarts_total=0))
    assert (row["verdict"], row["also"]) == ("leak", [])


@pytest.mark.parametrize("lives", [2, 3])
def test_short_lives_that_run_straight_to_the_limit(lives: int) -> None:
    """Twenty samples of one life decide nothing; two or more such lives, each killed at the limit, are a leak."""
    line = 100 + 400 * np.arange(20) / 20
    said = [row_of(killed_lives(line, lives, seed))["verdict"] for seed in SEEDS]
    assert said.count("leak") >= 7, said
    assert "not_leak" not in said


@pytest.mark.parametrize("tau", [0.3, 0.6, 1.0])
def test_short_lives_that_warm_up(tau: float) -> None:
    """Short lives that rise less and less are no leak, however often they are begun anew."""
    curve = 100 + 380 * saturate(np.arange(20) / 20, tau)
    said = [row_of(killed_lives(curve, lives, seed))["verdict"] for seed in SEEDS for lives in (2, 3)]
    assert "leak" not in said


@pytest.mark.parametrize("seed", SEEDS)
def test_one_time_constant_in_forty_samples(seed: int) -> None:
    """A warm-up of which one time constant was seen is open, also where only forty samples show it."""
    curve = 120 + 200 * saturate(np.arange(40) / 40, 1.0)
    assert row_of(one_life(curve, seed))["verdict"] == "inconclusive"


def test_a_life_of_bins_with_one_sample_is_judged() -> None:
    """A late rise after a short rest leaves a single bin to compare it with: judged without a warning."""
    values = np.concatenate([np.full(4, 100.0), 100 + 9 * np.arange(8)]) * MI
    assert judge(record(minutes(12), {"rss_bytes": values}, limit_bytes=GI))[0].verdicts.height == 1
