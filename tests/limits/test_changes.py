"""Two weeks compared: made weeks for each rule, and two consecutive recordings of the programs of the corpus."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.week import Changes, Week, compare, survey, verdicts_before
from rmtoolkit.recording import Recording, normalise, read_recording

CORPUS = Path(__file__).parents[2] / "data" / "corpus" / "dev.parquet"
MI = 1 << 20
WEEK = dt.timedelta(days=7)
MONDAY = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
TABLE = pl.DataFrame({"time": range(0, 60_000, 600), "workload": "api", "rss_bytes": 50 * MI, "limit_bytes": 100 * MI})


@pytest.fixture(scope="module")
def week() -> Week:
    """A calm week of one workload."""
    return survey(TABLE)


def _now(week: Week, **changed: Any) -> Week:
    """The week with other figures in its only row."""
    judgement = week.judgement
    mine = {name: value for name, value in changed.items() if name in judgement.verdicts.columns}
    columns = {name: pl.lit(value, dtype=judgement.verdicts.schema[name]) for name, value in mine.items()}
    changed = {name: value for name, value in changed.items() if name not in mine}
    happened = {
        name: pl.lit(changed.pop(name), dtype=week.happened.schema[name])
        for name in list(changed)
        if name in week.happened.columns
    }
    limits = {name: pl.lit(value, dtype=week.limits.schema[name]) for name, value in changed.items()}
    return Week(
        replace(judgement, verdicts=judgement.verdicts.with_columns(**columns)),
        week.limits.with_columns(**limits),
        week.happened.with_columns(**happened),
    )


def _before(week: Week, **changed: Any) -> pl.DataFrame:
    """Last week's verdicts with other figures in the only row."""
    return _now(week, **changed).verdicts()


LEAK = {
    "verdict": "leak",
    "signal": "rss_bytes",
    "growth_bytes_per_day": 10.0 * MI,
    "growth_low_bytes_per_day": 9.0 * MI,
    "growth_high_bytes_per_day": 11.0 * MI,
    "limit_outlook": "reaches",
    "hours_to_limit": 300.0,
    "growing": True,
}
RISKY = {"growing": False, "oom_probability_now": 0.3}
SAFE = {"growing": False, "oom_probability_now": 0.01}


@pytest.mark.parametrize(
    ("last", "now", "kinds", "words"),
    [
        ({}, {}, [], ""),
        (LEAK, LEAK, [], ""),
        ({}, LEAK, ["new"], "leaks 10 Mi/day: 12.5 d to the limit."),
        ({"verdict": "inconclusive"}, LEAK, ["new"], "leaks 10 Mi/day"),
        (LEAK, {"verdict": "inconclusive"}, [], ""),
        (LEAK, {}, ["resolved"], "no longer leaks (was 10 Mi/day)."),
        (
            LEAK | {"version": "1.0"},
            {"version": "1.1"},
            ["fixed"],
            "no longer leaks since release 1.1 (was 10 Mi/day).",
        ),
        (LEAK, LEAK | {"kills": 1}, ["worse"], "was OOM-killed once, last week never; 12.5 d to the limit"),
        (LEAK | {"kills": 1}, LEAK | {"kills": 2}, [], ""),
        (LEAK | {"kills": 1}, LEAK | {"kills": 9}, ["worse"], "was OOM-killed 9 times, last week once"),
        (LEAK, LEAK | {"hours_to_limit": 61.0}, ["worse"], "reaches its limit in 61 h, last week 12.5 d."),
        (
            LEAK,
            LEAK | {"growth_bytes_per_day": 30.0 * MI, "growth_low_bytes_per_day": 25.0 * MI},
            ["worse"],
            "leaks 30 Mi/day, last week 10 Mi/day",
        ),
        (LEAK, LEAK | {"growth_bytes_per_day": 12.0 * MI, "growth_low_bytes_per_day": 11.5 * MI}, [], ""),
        ({}, {"kills": 3}, ["new"], "was OOM-killed 3 times, last week never; it does not leak."),
        ({"kills": 3}, {}, ["resolved"], "a week without an OOM kill, last week 3 kills."),
        (SAFE, RISKY, ["new"], "exceeds the 5 % target: 30 % chance of an OOM kill, last week 1 %."),
        (RISKY, SAFE, [], ""),
        (
            RISKY,
            SAFE | {"version": "2"},
            ["resolved"],
            "is within the 5 % target since release 2: 1 %, last week 30 %.",
        ),
        (SAFE | {"oom_probability_now": 0.04}, SAFE | {"oom_probability_now": 0.06}, [], ""),
        (
            RISKY | {"limit_bytes": 60 * MI},
            SAFE | {"kills": 0},
            ["applied"],
            "limit 60 → 100 Mi: chance of an OOM kill 30 → 1 %, none seen.",
        ),
        (
            {"limit_bytes": 60 * MI, "recommended_limit_bytes": 100 * MI},
            {"kills": 2, "kills_since": 1, "limit_changed": MONDAY},
            ["new", "applied"],
            "limit 60 → 100 Mi, as recommended",
        ),
        (
            LEAK | {"limit_bytes": 60 * MI, "hours_to_limit": 20.0},
            LEAK | {"hours_to_limit": 100.0},
            ["applied"],
            "limit 60 → 100 Mi; that buys time, it still leaks: 4.2 d to it.",
        ),
    ],
)
def test_each_change_has_its_word(
    week: Week, last: dict[str, Any], now: dict[str, Any], kinds: list[str], words: str
) -> None:
    """A change that is clear is named once, in words with figures; what is not clear is not named."""
    found = compare(_now(week, **now), _before(week, **last)).rows
    assert found["kind"].to_list() == kinds
    assert words in " ".join(found["what"])


def test_what_comes_and_goes_is_counted(week: Week) -> None:
    """Workloads that were not there last week, and those that are not there now, are no changes but are told."""
    other = week.verdicts().with_columns(workload=pl.lit("gone"))
    found = compare(week, other)
    assert (found.rows.height, found.appeared, found.gone["workload"].to_list()) == (0, 1, ["gone"])


def test_last_week_is_taken_from_where_it_is(week: Week, tmp_path: Path) -> None:
    """A file, its folder, a frame, what `classify` wrote, a recording or its file: all compare alike."""
    week.verdicts().write_parquet(tmp_path / "verdicts.parquet")
    Recording.from_frame(TABLE).write(tmp_path / "recording.parquet")
    bare = week.judgement.verdicts
    for previous in (
        tmp_path,
        tmp_path / "verdicts.parquet",
        str(tmp_path / "recording.parquet"),
        week,
        week.verdicts(),
        week.verdicts().lazy(),
        bare,
        TABLE,
        Recording.from_frame(TABLE),
    ):
        before = verdicts_before(previous)
        assert before["verdict"].to_list() == ["not_leak"]
        assert compare(week, before).rows.height == 0


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("no-such.parquet", None, "no-such.parquet': found 'no such file or directory', expected verdicts.parquet"),
        ("other.parquet", pl.DataFrame({"a": [1]}), "other.parquet"),
        ("broken.parquet", b"PAR1 nothing", "broken.parquet"),
    ],
    ids=["missing", "other", "broken"],
)
def test_what_is_no_week_is_named(tmp_path: Path, name: str, written: Any, message: str) -> None:
    """A file that is missing, broken or something else is an error that names it."""
    if isinstance(written, pl.DataFrame):
        written.write_parquet(tmp_path / name)
    elif written is not None:
        (tmp_path / name).write_bytes(written)
    with pytest.raises(RmtoolkitError, match=message):
        verdicts_before(tmp_path / name)


# --- Two real weeks ---------------------------------------------------------------------------------------------

#: Programs that do in the second half of their recording what they did in the first, by shape.
UNCHANGED = (
    "plateau",
    "daily",
    "bursty_traffic",
    "arena_ratchet",
    "bounded_threads",
    "startup_kept",
    "warm_up",
    "jobs",
)
#: What changes between the halves, in truth, and how it must be named.
PLANTED = {
    ("release_leak", "rapid-swift"): "new",
    ("release_leak", "plain-tern"): "new",
    ("warm_up_then_leak", "keen-badger"): "new",
    ("endless_threads", "keen-plover"): "worse",
    ("replica_leak", "calm-swift"): "worse",
    ("fixed_leak", "dapper-swift"): "fixed",
    ("burst_too_big", "brisk-badger"): "resolved",
    ("burst_too_big", "fair-yak"): "resolved",
}
#: Leaks that go on as they were, far from their limits or killed by them again and again.
STEADY = ("steady_leak", "request_leak", "killed_leak")


def _labels() -> pl.DataFrame:
    labels = pl.read_csv(CORPUS.with_name("dev_labels.csv"), infer_schema_length=None)
    far = pl.col("shape").is_in(STEADY) & ~pl.col("workload").is_in(["ivory-newt"])
    planted = [pl.col("shape").eq(shape) & pl.col("workload").eq(name) for shape, name in PLANTED]
    return labels.filter(pl.col("shape").is_in(UNCHANGED) | far | pl.any_horizontal(planted)).select(
        "namespace", "workload", "shape"
    )


def _halves(names: pl.DataFrame) -> tuple[Recording, Recording]:
    """Read each run as two weeks: its first half and its second."""
    whole = read_recording(CORPUS)
    mine = whole.containers.join(names, on=["namespace", "workload"], how="semi", maintain_order="left")
    time = pl.col("time").to_physical()
    placed = whole.samples.join(mine.select("container_id", "namespace", "workload"), on="container_id")
    spans = placed.group_by("namespace", "workload").agg(first=time.min(), last=time.max())
    spans = mine.join(spans, on=["namespace", "workload"]).select("container_id", "first", "last")
    start, length = round((MONDAY - WEEK).timestamp() * 1000), round(2 * WEEK.total_seconds() * 1000)

    def stretched(frame: pl.DataFrame) -> pl.DataFrame:
        share = (time - pl.col("first")) * length // (pl.col("last") - pl.col("first") + 1)
        moved = (start + share).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
        return frame.join(spans, on="container_id", maintain_order="left").select(
            moved.alias("time") if name == "time" else name for name in frame.columns
        )

    recording = normalise(mine, stretched(whole.samples), stretched(whole.events), whole.report)
    return recording.window(end=MONDAY - dt.timedelta(milliseconds=1)), recording.window(start=MONDAY)


@pytest.fixture(scope="module")
def compared() -> tuple[pl.DataFrame, Changes, Week]:
    """The two weeks of the corpus, with one limit that somebody raised between them."""
    names = _labels()
    first, second = _halves(names)
    raised = names.filter(pl.col("shape") == "plateau").sort("namespace", "workload").row(0)[1]
    mine = pl.col("workload") == raised
    limit = pl.when(mine).then(pl.col("limit_bytes") * 2).otherwise("limit_bytes")
    second = replace(second, containers=second.containers.with_columns(limit_bytes=limit))
    week = survey(second)
    return names.with_columns(raised=mine), compare(week, survey(first).verdicts()), week


def test_every_planted_change_is_named(compared: tuple[pl.DataFrame, Changes, Week]) -> None:
    """A leak that starts, one that a release fixes, kills that begin and end, a limit that is raised: all are told."""
    names, changes, _ = compared
    on = ["namespace", "workload"]
    told = {
        (shape, workload): kind
        for shape, workload, kind in changes.rows.join(names, on=on).select("shape", "workload", "kind").iter_rows()
    }
    raised = names.filter("raised").select("shape", "workload").row(0)
    assert {place: told.get(place) for place in (*PLANTED, raised)} == PLANTED | {raised: "applied"}
    fixed = changes.rows.filter(pl.col("kind") == "fixed")["what"].item()
    assert "no longer leaks since release 1.6.0, Mon 16 Nov (was " in fixed
    assert "none seen." in changes.rows.filter(pl.col("kind") == "applied")["what"].item()


def test_nothing_else_is_named(compared: tuple[pl.DataFrame, Changes, Week]) -> None:
    """Of all the programs that go on as they were, leaks among them, none is in the list."""
    names, changes, week = compared
    planted = {*PLANTED, names.filter("raised").select("shape", "workload").row(0)}
    told = changes.rows.join(names, on=["namespace", "workload"])
    other = [row for row in told.iter_rows(named=True) if (row["shape"], row["workload"]) not in planted]
    assert other == []
    assert names.height - len(planted) >= 40
    assert changes.appeared == 0
    assert changes.gone.height == 0
    assert week.judgement.verdicts.height == names.height
    assert changes.rows.select(WORKLOAD).is_duplicated().sum() == 0
