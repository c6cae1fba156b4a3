"""Short recordings: what twenty samples can say, what several lives of twenty can, and what they cannot."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rmtoolkit.analysis.judge import judge
from tests.analysis.curves import BEGIN, GI, MI, record, saturate, small_noise, together
from tests.analysis.verdicts import row_of, rows_of

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


@pytest.mark.parametrize("samples", [22, 40, 95, 100, 260])
def test_a_straight_line_is_never_cleared(samples: int) -> None:
    """A rise since the start is a cache that fills or a leak: open below 96 samples of it, and never surer than .8."""
    line = 100 + 400 * np.arange(samples) / samples
    rows = rows_of(one_life(line, seed) for seed in SEEDS)
    assert {row["verdict"] for row in rows} == {"inconclusive" if samples < 96 else "leak"}
    assert max(row["leak_probability"] for row in rows) <= 0.8


@pytest.mark.parametrize(("limit", "said"), [(None, "leak"), (GI // 4, "leak"), (4 * GI, "inconclusive")])
def test_a_rise_that_leaves_room_for_a_bound_must_last_longer(limit: int | None, said: str) -> None:
    """A hundred and fifty samples from 100 MiB up: with 4 GiB of room it may be a cache that ends somewhere."""
    line = 100 + 100 * np.arange(300) / 200
    rising = (line + small_noise(np.random.default_rng(1), line)) * MI

    def after(samples: int) -> str:
        signals = {"working_set_bytes": rising[:samples]}
        recording = record(minutes(samples), signals, limit_bytes=limit, restarts_total=0)
        return str(row_of(recording)["verdict"])

    assert after(150) == said
    # For twice as long it met no bound.
    assert after(300) == "leak"


def test_a_rise_near_the_end_is_no_surer_than_one_since_the_start() -> None:
    """A rest, then a rise in the last third of 200 samples: nobody knows where it ends."""
    place = np.arange(200) / 200
    line = 100 + 60 * np.maximum(place - 0.66, 0) / 0.34
    for row in rows_of(one_life(line, seed) for seed in SEEDS):
        assert row["verdict"] == "inconclusive"
        assert "undecided until" in row["headline"]


@pytest.mark.parametrize(
    ("later", "times", "verdict"), [(0, 1.4, "inconclusive"), (60, 1, "inconclusive"), (60, 1.4, "leak")]
)
def test_a_second_pod_that_rises_beyond_the_first_is_no_cache(later: int, times: float, verdict: str) -> None:
    """Below 96 samples two pods that rise are a leak where the later one passes the earlier: else they saw one rise."""
    pods = []
    for pod in range(2):
        line = 100 + 400 * np.arange(90) / 90 * (times if pod else 1)
        values = (line + small_noise(np.random.default_rng(pod), line)) * MI
        name = f"api-{pod}"
        t = minutes(90) + pod * later / 60
        pods.append(record(t, {"working_set_bytes": values}, pod=name, limit_bytes=GI, restarts_total=0))
    row = row_of(together(pods))
    assert row["verdict"] == verdict
    assert (row["leak_probability"] > 0.8) == (verdict == "leak")


@pytest.mark.parametrize("samples", [30, 55, 100, 197, 300, 700])
def test_a_line_has_no_cycle(samples: int) -> None:
    """Nearly without noise too: bins that hold two samples or three make no ripples on a line."""
    line = (100 + 60 * np.arange(samples) / samples) * MI
    row = row_of(record(minutes(samples), {"rss_bytes": line}, restarts_total=0))
    assert (row["verdict"], row["also"]) == ("leak" if samples >= 96 else "inconclusive", [])


@pytest.mark.parametrize("samples", [15, 20])
@pytest.mark.parametrize("lives", [2, 3, 6])
def test_short_lives_that_run_straight_to_the_limit(lives: int, samples: int) -> None:
    """Lives that never outlive their start need more than they may have, or leak: nobody can tell, however many."""
    line = 100 + 400 * np.arange(samples) / samples
    assert {row["verdict"] for row in rows_of(killed_lives(line, lives, seed) for seed in SEEDS)} == {"inconclusive"}


@pytest.mark.parametrize("shape", ["line", "slows", "doubles"])
def test_two_climbs_into_the_limit_are_a_leak(shape: str) -> None:
    """Lives of sixty samples have outlived their start: killed twice at the end of a climb of whatever shape."""
    u = np.arange(60) / 60
    curve = 100 + 400 * {"line": u, "slows": u**0.7, "doubles": 2 ** np.floor(5 * u) / 16 - 1 / 16}[shape]
    twice, once = (rows_of(killed_lives(curve, lives, seed) for seed in SEEDS) for lives in (2, 1))
    assert {row["verdict"] for row in twice} == {"leak"}
    assert {row["verdict"] for row in once}.isdisjoint({"not_leak"})


@pytest.mark.parametrize("lives", [2, 12])
def test_short_lives_that_end_in_errors_are_open(lives: int) -> None:
    """A loop of starts that fail at half of the limit shows what a start needs, not what comes after it."""
    values = np.tile(80 + 120 * np.arange(16) / 16, lives)
    values = (values + small_noise(np.random.default_rng(lives), values)) * MI
    ends = np.arange(1, lives + 1) * 16 / 60
    events = [(end - 0.5 / 60, "error", None) for end in ends]
    events += [(end - 0.2 / 60, "start", None) for end in ends[:-1]]
    row = row_of(record(minutes(len(values)), {"working_set_bytes": values}, events=events, limit_bytes=512 * MI))
    assert row["verdict"] == "inconclusive"


@pytest.mark.parametrize("tau", [0.3, 0.6, 1.0])
def test_short_lives_that_warm_up(tau: float) -> None:
    """Short lives that rise less and less are no leak, however often they are begun anew."""
    curve = 100 + 380 * saturate(np.arange(20) / 20, tau)
    rows = rows_of(killed_lives(curve, lives, seed) for seed in SEEDS for lives in (2, 3))
    assert "leak" not in {row["verdict"] for row in rows}


def test_one_time_constant_in_forty_samples() -> None:
    """A warm-up of which one time constant was seen is open, also where only forty samples show it."""
    curve = 120 + 200 * saturate(np.arange(40) / 40, 1.0)
    assert {row["verdict"] for row in rows_of(one_life(curve, seed) for seed in SEEDS)} == {"inconclusive"}


def test_a_life_of_bins_with_one_sample_is_judged() -> None:
    """A late rise after a short rest leaves a single bin to compare it with: judged without a warning."""
    values = np.concatenate([np.full(4, 100.0), 100 + 9 * np.arange(8)]) * MI
    assert judge(record(minutes(12), {"rss_bytes": values}, limit_bytes=GI))[0]["verdicts"].height == 1


@pytest.mark.parametrize("short", [False, True], ids=["each run climbs alike", "most are killed at once"])
def test_what_is_killed_again_at_once_needs_more_and_leaks_no_more_than_others(short: bool) -> None:
    """Six climbs into the limit are a leak, unless a fresh process is there within minutes: then it may be the load."""
    climb, loop = 100 + 400 * np.arange(90) / 90, np.array([120.0, 350.0, 480.0])
    day = [climb, *(loop,) * 5] if short else [climb]
    runs = day * 6
    values = np.concatenate(runs)
    values = (values + small_noise(np.random.default_rng(4), values)) * MI
    ends = np.cumsum([len(run) for run in runs]) / 60
    events = [(end - 0.5 / 60, "oom_kill", None) for end in ends]
    events += [(end - 0.2 / 60, "start", None) for end in ends[:-1]]
    table = record(minutes(len(values)), {"working_set_bytes": values}, events=events, limit_bytes=512 * MI)
    row = row_of(table)
    assert row["verdict"] == ("inconclusive" if short else "leak")
    if short:
        # The life that it was read off is long over: what is to come is counted from now.
        times = re.findall(r"(?:on|about) \w{3} (\d+ \w{3} \d\d:\d\d) UTC", row["headline"])
        ends_at = BEGIN + dt.timedelta(minutes=len(values) - 1)
        until = [
            dt.datetime.strptime(f"{time} 2026", "%d %b %H:%M %Y").replace(tzinfo=dt.UTC) for time in times if time
        ]
        assert all(time > ends_at for time in until)
        assert until or "cannot be decided" in row["headline"]
