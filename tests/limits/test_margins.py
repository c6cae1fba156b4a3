"""Margins: what they are learnt from, and that they survive being saved."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError
from rmtoolkit.limits.history import block_peaks, describe, spread_over, usage
from rmtoolkit.limits.risk import Margins, pairs, tables_of
from tests.limits.conftest import DAY, MIB, START, samples, steady

if TYPE_CHECKING:
    from pathlib import Path


def test_five_weeks_give_three_pairs_a_workload_after_two_weeks(fleet: rm.Recording) -> None:
    """The last three weeks each have two weeks before them."""
    margins = rm.learn_margins(fleet)
    two_weeks = margins.tables.filter(pl.col("history_seconds") == 14 * DAY)
    assert two_weeks["pairs"].sum() == 3 * 40


def test_a_pair_is_scored_by_how_far_the_next_week_went() -> None:
    """A week that goes as high again scores 0; one that goes 10 % higher scores the log of that over the spread."""
    values = np.full(21 * 24, 100.0 * MIB)
    values[14 * 24 + 50] *= 1.1
    end = dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC)
    scored = pairs(samples(values), end).filter(pl.col("history_seconds") == 7 * DAY).sort("score")
    assert scored["score"].to_list() == pytest.approx([0.0, np.log(1.1) / np.sqrt(0.01)], abs=1e-6)


def test_a_next_week_with_an_oom_kill_counts_as_higher_than_anything() -> None:
    """What a killed week needed is not known: no limit may be said to have held."""
    table = samples(steady(21), limit_bytes=256 * MIB)
    kill = pl.DataFrame([{"time": START + 20 * DAY, "kind": "oom_kill", "pod": "api-0"}])
    recording = rm.Recording.from_frame(table, events=kill)
    scored = pairs(recording, dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC))
    last = scored.filter(pl.col("history_seconds") == 14 * DAY)["score"].to_list()
    assert last == [1e9]


def test_three_kills_in_a_week_are_one_pair() -> None:
    """A week that was killed is one week, however often it was."""

    def scored(days: list[float]) -> pl.DataFrame:
        kills = pl.DataFrame([{"time": START + int(day * DAY), "kind": "oom_kill", "pod": "api-0"} for day in days])
        recording = rm.Recording.from_frame(samples(steady(21), limit_bytes=256 * MIB), events=kills)
        return pairs(recording, dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC))

    assert scored([18, 19, 20]).equals(scored([20]))


@pytest.mark.parametrize("short", [0, 1])
def test_eight_days_are_the_least_to_learn_from(short: int) -> None:
    """A week and the day before it, less an hour for what was missed: so much is enough, a scrape less is not."""
    number = (8 * 24 - 1) * 6 + 1 - short
    levels = {f"w{seed}": steady(8, seed=seed, step=600)[:number] for seed in range(3)}
    tables = [samples(values, step=600, workload=name, pod=name) for name, values in levels.items()]
    if short:
        with pytest.raises(RmtoolkitError, match="eight days"):
            rm.learn_margins(pl.concat(tables))
    else:
        assert rm.learn_margins(pl.concat(tables)).origin.startswith("learnt from 3 workloads over 8 days until ")


def test_eight_days_by_the_hour_are_enough_too() -> None:
    """A day of which 23 hours lie between first and last sample is a day: what passes the gate teaches."""
    margins = rm.learn_margins(samples(steady(8)))
    assert margins.tables.select("history_seconds", "pairs").rows() == [(float(DAY), 1)]
    with pytest.raises(RmtoolkitError, match="eight days"):
        rm.learn_margins(samples(steady(8)[:-1]))


def test_scores_are_those_of_the_history_that_fits() -> None:
    """The longest table that is no longer than the history, with a fiftieth to spare, and with pairs enough."""
    rows = [(DAY, "settled", 200, [1.0]), (DAY, "climbing", 200, [2.0]), (7 * DAY, "settled", 200, [3.0])]
    few = (14 * DAY, "settled", 50, [4.0])
    margins = Margins("made", pl.DataFrame([*rows, few], schema=Margins.shipped().tables.schema, orient="row"))

    def scores(days: float, *, climbing: bool = False) -> list[float]:
        return list(margins.scores(days * DAY, climbing=climbing))

    assert scores(0.1) == scores(1) == scores(6.8) == [1.0]
    assert scores(3, climbing=True) == [2.0]
    assert scores(7) == scores(6.9) == scores(30) == [3.0]
    # Of a kind with too few pairs all are taken.
    assert scores(7, climbing=True) == [3.0]


def test_margins_differ_by_their_tables(fleet: rm.Recording) -> None:
    """The same origin with other numbers is another artefact."""
    margins = rm.learn_margins(fleet)
    assert margins == Margins(margins.origin, margins.tables)
    assert margins != Margins(margins.origin, margins.tables.head(1))
    assert margins != Margins("elsewhere", margins.tables)
    assert margins.origin.startswith("learnt from 40 workloads over 35 days until 2025-07-")


def test_an_eviction_or_a_node_oom_says_nothing_about_a_limit() -> None:
    """Only the cgroup's own kill censors a week."""
    for kind in ("evicted", "node_oom"):
        events = pl.DataFrame([{"time": START + 20 * DAY, "kind": kind, "pod": "api-0"}])
        recording = rm.Recording.from_frame(samples(steady(21)), events=events)
        scored = pairs(recording, dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC))
        assert (scored["score"] < 1e3).all(), kind


def test_saved_margins_are_the_same_margins(fleet: rm.Recording, tmp_path: Path) -> None:
    """Four digits of every score, and who they come from, survive."""
    margins = rm.learn_margins(fleet)
    again = rm.Margins.load(margins.save(tmp_path / "margins.json"))
    assert again.origin == margins.origin
    one, two = (m.tables.explode("scores")["scores"].to_numpy() for m in (margins, again))
    assert np.allclose(one, two, rtol=1e-3)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": "rmtoolkit margins 1"}', '{"format": "else", "origin": "", "tables": []}'],
    ids=["empty", "a list", "an object", "no tables", "another format"],
)
def test_what_are_no_margins_is_refused_by_name(tmp_path: Path, content: str) -> None:
    """One clear error with the file's name."""
    path = tmp_path / "margins.json"
    path.write_text(content)
    with pytest.raises(ReadError, match=r"margins\.json"):
        Margins.load(path)


def test_unknown_kinds_of_past_are_refused(tmp_path: Path) -> None:
    """A file from somewhere else is not half used."""
    table = {"history_seconds": 3600.0, "kind": "odd", "pairs": 1, "scores": [0.1]}
    path = tmp_path / "margins.json"
    path.write_text(json.dumps({"format": "rmtoolkit margins 1", "origin": "x", "tables": [table]}))
    with pytest.raises(ReadError, match="kind"):
        Margins.load(path)


def test_a_week_is_too_little_to_learn_from() -> None:
    """The error says how much there is, and that there are shipped margins."""
    with pytest.raises(RmtoolkitError, match=r"found 2\.0 days.*shipped"):
        rm.learn_margins(samples(steady(2)))


def test_the_shipped_margins_name_themselves() -> None:
    """Nobody shall take them for his own."""
    shipped = Margins.shipped()
    assert "generated fleets" in shipped.origin
    assert "not from your services" in shipped.origin
    assert shipped.scores(14 * DAY, climbing=False).size >= 1000


def test_a_longer_history_needs_smaller_margins() -> None:
    """An hour says less of a week than two weeks do, of a service whose peaks differ by two percent."""
    shipped = Margins.shipped()
    peaks = pl.DataFrame(
        {
            "workload_row": pl.Series([0] * 14, dtype=pl.UInt32),
            "block": range(14),
            "peak_bytes": [10**8, 102 * 10**6] * 7,
            "started": False,
        }
    )
    margins = [
        float(np.quantile(shipped.scores(seconds, climbing=False), 0.95)) * describe(peaks, seconds)["spread"][0]
        for seconds in (3600, DAY, 7 * DAY, 14 * DAY, 28 * DAY)
    ]
    assert margins == sorted(margins, reverse=True)


def test_a_startup_is_no_movement() -> None:
    """Whether the highest block holds a startup makes its peak the base, and leaves the spread to the quiet blocks."""
    hours = np.arange(0, 14 * 24)
    level = np.where(hours < 2, 500, 100 + hours % 3) * 10**6
    table = pl.DataFrame({"time": hours * 3600, "workload": "w", "rss_bytes": level})
    started = pl.DataFrame({"workload_row": [0], "time": [dt.datetime(1969, 12, 31, 23, 55, tzinfo=dt.UTC)]}).cast(
        {"workload_row": pl.UInt32, "time": pl.Datetime("ms", "UTC")}
    )
    used = usage(table)
    apart = describe(block_peaks(used, started), 14 * DAY)
    together = describe(block_peaks(used, started.clear()), 14 * DAY)
    assert apart["base_bytes"].to_list() == together["base_bytes"].to_list() == [500 * 10**6]
    assert apart["spread"][0] < 0.15
    assert together["spread"][0] > 0.5


def test_a_spread_is_translated_between_lengths() -> None:
    """The same movement over a day and over a week gives spreads that belong together; an hour's tells nothing."""
    peaks = pl.DataFrame(
        {
            "workload_row": pl.Series([0] * 14, dtype=pl.UInt32),
            "block": range(14),
            "peak_bytes": [10**8, 12 * 10**7] * 7,
            "started": False,
        }
    )
    day, week = (describe(peaks, seconds)["spread"][0] for seconds in (DAY, 7 * DAY))
    assert spread_over(day, DAY, 7 * DAY) == pytest.approx(week)
    assert spread_over(1.0, 3600, 7 * DAY) is None


def test_thinning_keeps_the_shape_and_the_highest() -> None:
    """Two thousand scores stand for more."""
    scores = np.random.default_rng(3).standard_normal(20_000)
    scored = pl.DataFrame({"history_seconds": 3600.0, "kind": "settled", "score": scores})
    row = tables_of(scored).row(0, named=True)
    assert row["pairs"] == 20_000
    assert len(row["scores"]) == 2000
    assert row["scores"][-1] == scores.max()
    assert np.quantile(row["scores"], 0.95) == pytest.approx(np.quantile(scores, 0.95), abs=0.01)
