"""Margins: what they are learnt from, and that they survive being saved."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError
from rmtoolkit.limits.history import needs
from rmtoolkit.limits.recommend import limits_at
from rmtoolkit.limits.risk import CENSORED, HISTORIES, SPREADS, Margins, pairs, swing_of, with_own
from rmtoolkit.recording import as_recording
from tests.benchmarks.shipped_margins import tables_of
from tests.limits.conftest import DAY, MIB, START, samples, steady

if TYPE_CHECKING:
    from pathlib import Path


def test_five_weeks_give_four_pairs_a_workload(fleet: rm.Recording) -> None:
    """The last four weeks each have a week before them; the last two have three."""
    margins = rm.learn_margins(fleet)
    assert margins.own_pairs == 4 * 40
    assert len(margins.own) == (4 + 3 + 2 + 1) * 40


def test_a_pair_is_how_far_the_next_week_went() -> None:
    """A week that goes as high again rises by 0; one that goes 10 MiB higher by the log of 126 over 116."""
    values = np.full(21 * 24, 100.0 * MIB)
    values[14 * 24 + 50] *= 1.1
    end = dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC)
    found = pairs(as_recording(samples(values)), end).filter(pl.col("history_seconds") == 7 * DAY).sort("rise")
    assert found["rise"].to_list() == pytest.approx([0.0, np.log(126 / 116)], abs=1e-6)
    assert found["spread"].to_list() == [0.0, 0.0]


def test_a_next_week_with_an_oom_kill_counts_as_higher_than_anything() -> None:
    """What a killed week needed is not known: no limit may be said to have held."""
    table = samples(steady(21), limit_bytes=256 * MIB)
    kill = pl.DataFrame([{"time": START + 20 * DAY, "kind": "oom_kill", "pod": "api-0"}])
    recording = rm.Recording.from_frame(table, events=kill)
    found = pairs(recording, dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC))
    assert found.filter(pl.col("history_seconds") == 14 * DAY)["rise"].to_list() == [CENSORED]


def test_three_kills_in_a_week_are_one_pair() -> None:
    """A week that was killed is one week, however often it was."""

    def found(days: list[float]) -> pl.DataFrame:
        kills = pl.DataFrame([{"time": START + int(day * DAY), "kind": "oom_kill", "pod": "api-0"} for day in days])
        recording = rm.Recording.from_frame(samples(steady(21), limit_bytes=256 * MIB), events=kills)
        return pairs(recording, dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC))

    assert found([18, 19, 20]).equals(found([20]))


def test_too_few_weeks_teach_nothing() -> None:
    """Thirty weeks of workloads are the least; the error says what there is, and that there are shipped margins."""
    tables = [samples(steady(21, seed=seed), workload=f"w{seed}", pod=f"w{seed}") for seed in range(15)]
    assert rm.learn_margins(pl.concat(tables)).own_pairs == 30
    with pytest.raises(RmtoolkitError, match=r"found 28 in 21\.0 days.*shipped"):
        rm.learn_margins(pl.concat(tables[1:]))
    with pytest.raises(RmtoolkitError, match=r"found 0 in 2\.0 days.*shipped"):
        rm.learn_margins(samples(steady(2)))


def test_scores_are_those_of_the_history_and_the_kind_that_fit() -> None:
    """The longest table that is no longer than the history, with a fiftieth to spare, and the kind of past."""
    places = len(Margins.shipped().tables["rises"][0])
    rows = [(DAY, 0.0, 1.0), (DAY, 0.3, 2.0), (7 * DAY, 0.0, 3.0), (7 * DAY, 0.3, 4.0)]
    made = [(float(length), spread, 200, 20, [rise] * places) for length, spread, rise in rows]
    margins = Margins("made", pl.DataFrame(made, schema=Margins.shipped().tables.schema, orient="row"))

    def rise(days: float, spread: float = 0.0) -> float:
        (only,) = set(margins.scores(days * DAY, spread).rises)
        return float(only)

    assert rise(0.1) == rise(1) == rise(6.8) == rise(1, 0.29) == 1.0
    assert rise(1, 0.3) == rise(1, 5) == 2.0
    assert rise(7) == rise(6.9) == rise(30) == 3.0
    assert rise(7, 0.5) == 4.0


MONDAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def wild(margins: Margins, rises: list[float]) -> Margins:
    """Margins of a fleet of a hundred workloads whose weeks rose like that."""
    frame = pl.DataFrame({"rise": rises}).with_row_index("number")
    about = {"spread": pl.lit(0.05), "history_seconds": pl.lit(7.0 * DAY), "week": pl.lit(MONDAY)}
    names = {name: pl.lit(None, dtype=pl.String) for name in ("cluster", "namespace", "container")}
    return with_own(margins, frame.with_columns(workload=pl.col("number").cast(pl.String), **about, **names))


def test_a_fleet_is_believed_the_more_the_more_it_has_shown() -> None:
    """Weeks that rise further than any in the tables widen the margin: four hundred of them more than forty."""
    shipped = Margins.shipped()
    before = np.quantile(shipped.scores(7 * DAY, 0.05).rises, 0.8)
    few, many = (wild(shipped, [2.0] * (count // 4) + [0.0] * (3 * count // 4)) for count in (40, 400))
    found = [np.quantile(margins.scores(7 * DAY, 0.05).rises, 0.8) for margins in (few, many)]
    assert before < 0.3
    assert before <= found[0] < found[1] > 0.5
    # What is learnt of one kind and length holds for the others.
    assert np.quantile(many.scores(DAY, 0.5).rises, 0.95) > np.quantile(shipped.scores(DAY, 0.5).rises, 0.95)


def test_what_grows_now_teaches_nothing(fleet: rm.Recording) -> None:
    """It gets no limit by margins: those of the others are as they were without it, by every door."""
    climb = np.linspace(0, 700, 35 * 24) * MIB
    leaks = [samples(steady(35, 100, seed=at) + climb, workload=f"leak-{at}", pod=f"leak-{at}-0") for at in range(5)]
    both = rm.concat([fleet, rm.Recording.from_frame(pl.concat(leaks))])
    alone, learnt = rm.learn_margins(fleet), rm.learn_margins(both)
    assert (learnt.own, learnt.own_pairs) == (alone.own, alone.own_pairs)
    assert rm.assess(both).margins == learnt


def test_a_calm_fleet_gets_smaller_margins() -> None:
    """Weeks that never rise take the shipped tails back."""
    shipped = Margins.shipped()
    calm = wild(shipped, [-0.05] * 1000)
    high = [np.quantile(margins.scores(14 * DAY, 1.0).rises, 0.95) for margins in (shipped, calm)]
    assert high[1] < 0.5 * high[0]


def test_killed_weeks_have_no_limit_that_holds() -> None:
    """A chance of one in ten is refused to a fleet of which one week in five was killed."""
    killed = wild(Margins.shipped(), [CENSORED] * 80 + [0.0] * 320)
    known = needs(as_recording(samples(steady(14))))
    assert limits_at(known, 0.1, killed)["limit_bytes"].to_list() == [None]
    assert limits_at(known, 0.3, killed)["limit_bytes"][0] < 300 * MIB


def test_margins_differ_by_their_tables(fleet: rm.Recording) -> None:
    """The same origin with other numbers is another artefact."""
    margins = rm.learn_margins(fleet)
    assert margins == dataclasses.replace(margins)
    for other in ({"tables": margins.tables.head(1)}, {"origin": "elsewhere"}, {"swing": 0.5}, {"own": ()}):
        assert margins != dataclasses.replace(margins, **other)
    assert margins.origin.startswith("learnt from 40 workloads over 4 weeks until 2025-07-")


def test_an_eviction_or_a_node_oom_says_nothing_about_a_limit() -> None:
    """Only the cgroup's own kill censors a week."""
    for kind in ("evicted", "node_oom"):
        events = pl.DataFrame([{"time": START + 20 * DAY, "kind": kind, "pod": "api-0"}])
        recording = rm.Recording.from_frame(samples(steady(21)), events=events)
        found = pairs(recording, dt.datetime.fromtimestamp(START + 21 * DAY - 3600, dt.UTC))
        assert (found["rise"] < 1).all(), kind


def test_saved_margins_are_the_same_margins(fleet: rm.Recording, tmp_path: Path) -> None:
    """Four digits of every rise and of every place, and who they come from, survive."""
    margins = rm.learn_margins(fleet)
    again = rm.Margins.load(margins.save(tmp_path / "margins.json"))
    assert again.origin == margins.origin
    one, two = (m.tables.explode("rises")["rises"].to_numpy() for m in (margins, again))
    assert np.allclose(one, two, rtol=1e-3)
    assert (again.own, again.own_pairs) == (margins.own, margins.own_pairs)
    assert again.swing == pytest.approx(margins.swing, abs=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"format": "rmtoolkit margins 2"}', '{"format": "else", "origin": "", "tables": []}'),
        *("[" * 100_000, '{"format":' * 100_000),
    ],
    ids=["empty", "a list", "an object", "no tables", "another format", "deep lists", "deep objects"],
)
def test_what_are_no_margins_is_refused_by_name(tmp_path: Path, content: str) -> None:
    """One clear error with the file's name."""
    path = tmp_path / "margins.json"
    path.write_text(content)
    with pytest.raises(ReadError, match=r"margins\.json"):
        Margins.load(path)


def test_unknown_kinds_of_past_are_refused(tmp_path: Path) -> None:
    """A file from somewhere else is not half used."""
    table = {"history_seconds": 3600.0, "spread": 0.123, "pairs": 1, "workloads": 1, "rises": [0.1]}
    path = tmp_path / "margins.json"
    content = {"format": "rmtoolkit margins 2", "origin": "x", "swing": 0, "own_pairs": 0, "own": [], "tables": [table]}
    path.write_text(json.dumps(content))
    with pytest.raises(ReadError, match="kind"):
        Margins.load(path)


def test_margins_of_another_format_are_refused_however_whole_they_are(tmp_path: Path) -> None:
    """What a later version writes may mean something else by the same words."""
    path = Margins.shipped().save(tmp_path / "margins.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"format": content["format"] + "0"}))
    with pytest.raises(ReadError, match="another format"):
        Margins.load(path)


def test_the_shipped_margins_name_themselves() -> None:
    """Nobody shall take them for his own."""
    shipped = Margins.shipped()
    assert "generated fleets" in shipped.origin
    assert "not from your services" in shipped.origin
    assert shipped.scores(14 * DAY, 0.2).size >= 500
    assert shipped.tables.height == len(HISTORIES) * len(SPREADS)


def test_a_longer_history_needs_smaller_margins() -> None:
    """A day says less of a week than a week does, and that less than four, whatever kind of past it is."""
    shipped = Margins.shipped()
    for spread in SPREADS:
        found = [float(np.quantile(shipped.scores(days * DAY, spread).rises, 0.95)) for days in (1, 7, 28)]
        assert found == sorted(found, reverse=True), spread


def test_nobody_is_told_more_than_such_tails_have_shown() -> None:
    """The rarest chance asks for no more than the highest rise of all pairs of the kind."""
    shipped = Margins.shipped()
    highest = float(shipped.tables.select(pl.col("rises").list.max().max()).item())
    known = needs(as_recording(samples(steady(14))))
    limit = limits_at(known, 0.001, shipped)["limit_bytes"][0]
    assert limit is None or limit <= (known["base_bytes"][0] + 16 * MIB) * np.exp(highest)


def test_tables_keep_the_rare() -> None:
    """Of two thousand pairs of which four rise by 1, 0.2 % do; a kind without pairs has those of its neighbours."""
    learnt = pl.DataFrame({"rise": [0.0] * 1996 + [1.0] * 4}).with_columns(
        history_seconds=pl.lit(3600.0), spread=pl.lit(0.5), workload=pl.lit("w"), cluster=pl.lit(None, dtype=pl.String)
    )
    tables = tables_of(learnt.with_columns(namespace="cluster", container="cluster"))
    assert tables.select("pairs", "workloads").unique().rows() == [(2000, 1)]
    rises = rm.Margins("made", tables).scores(3600, 0.5).rises
    assert (rises > 0.5).mean() == pytest.approx(0.002, abs=0.0005)


def test_weeks_that_differ_by_chance_alone_do_not_differ() -> None:
    """Ten weeks of a hundred with five each differ by nothing; with one at fifty and nine at none by nearly all."""
    week = pl.Series(np.repeat(np.arange(10), 100))
    even = pl.Series(np.tile(np.arange(100) < 5, 10))
    assert swing_of(even, week) == 0.0
    assert swing_of((week == 3) & even.not_(), week) == pytest.approx(0.94, abs=0.02)


def test_weeks_alike_may_all_differ_from_what_was_promised() -> None:
    """Ten weeks of a hundred with five each are as promised at 5 %, and 5 points off at 10 %."""
    week, even = pl.Series(np.repeat(np.arange(10), 100)), pl.Series(np.tile(np.arange(100) < 5, 10))
    assert swing_of(even, week, 0.05) == 0.0
    assert swing_of(even, week, 0.1) == pytest.approx(0.05**2 / 0.09 - 0.01, abs=1e-6)
