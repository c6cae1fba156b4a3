"""Two windows compared: made rows for each rule, and two consecutive recordings of the programs of the corpus."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit._accepted import Acknowledgement
from rmtoolkit.analysis.records import VERDICTS
from rmtoolkit.assessment import WORKLOADS, Assessment
from rmtoolkit.assessment._totals import CHANGES, compare
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.recording import Recording, normalise, read_recording
from rmtoolkit.schema import WORKLOAD

CORPUS = Path(__file__).parents[2] / "data" / "corpus" / "dev.parquet"
MI = 1 << 20
WEEK = dt.timedelta(days=7)
MONDAY = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
TABLE = pl.DataFrame({"time": range(0, 60_000, 600), "workload": "api", "rss_bytes": 50 * MI, "limit_bytes": 100 * MI})


@pytest.fixture(scope="module")
def calm() -> Assessment:
    """One workload in which nothing happens."""
    return rm.assess(TABLE)


def _rows(calm: Assessment, changed: dict[str, Any]) -> pl.DataFrame:
    """The only row, with other figures."""
    return calm.workloads.with_columns(**{name: pl.lit(value, WORKLOADS[name]) for name, value in changed.items()})


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
RISKY = {"growing": False, "oom_probability_7d": 0.3}
SAFE = {"growing": False, "oom_probability_7d": 0.01}


@pytest.mark.parametrize(
    ("last", "now", "kinds", "words"),
    [
        ({}, {}, [], ""),
        (LEAK, LEAK, [], ""),
        ({}, LEAK, ["worse"], "leaks 10 Mi/day; may hit its limit in 12.5 d."),
        ({"verdict": "inconclusive"}, LEAK, ["worse"], "leaks 10 Mi/day"),
        (
            {},
            LEAK | {"released": MONDAY, "version": "1.1"},
            ["worse"],
            "leaks 10 Mi/day, with release 1.1 of Mon 16 Nov in the week; may hit its limit in 12.5 d.",
        ),
        (LEAK, {"verdict": "inconclusive"}, [], ""),
        (LEAK, {}, ["resolved"], "no longer leaks (was 10 Mi/day)."),
        (
            LEAK | {"version": "1.0"},
            {"version": "1.1"},
            ["resolved"],
            "no longer leaks since release 1.1 (was 10 Mi/day).",
        ),
        (LEAK, LEAK | {"kills": 1}, ["worse"], "was OOM-killed once, last time never; may hit its limit in 12.5 d"),
        (LEAK | {"kills": 1}, LEAK | {"kills": 2}, [], ""),
        (LEAK | {"kills": 1}, LEAK | {"kills": 9}, ["worse"], "was OOM-killed 9 times, last time once"),
        (LEAK | {"kills": None}, LEAK | {"kills": 9}, [], ""),
        (LEAK, LEAK | {"hours_to_limit": 61.0}, ["worse"], "may hit its limit in 61 h, last time 12.5 d."),
        (
            LEAK,
            LEAK | {"hours_to_limit": 61.0, "oom_probability_7d": 0.8},
            ["worse"],
            "will hit its limit in 61 h, last time 12.5 d.",
        ),
        (
            LEAK,
            LEAK | {"growth_bytes_per_day": 30.0 * MI, "growth_low_bytes_per_day": 25.0 * MI},
            ["worse"],
            "leaks 30 Mi/day, last time 10 Mi/day",
        ),
        (LEAK, LEAK | {"growth_bytes_per_day": 15.0 * MI, "growth_low_bytes_per_day": 11.5 * MI}, [], ""),
        (
            LEAK,
            LEAK | {"growth_bytes_per_day": 15.1 * MI, "growth_low_bytes_per_day": 11.5 * MI},
            ["worse"],
            "leaks 15.1 Mi/day, last time 10 Mi/day",
        ),
        (LEAK, LEAK | {"growth_bytes_per_day": 30.0 * MI, "growth_low_bytes_per_day": 11.0 * MI}, [], ""),
        (
            LEAK | {"signal": "anon_bytes"},
            LEAK | {"growth_bytes_per_day": 30.0 * MI, "growth_low_bytes_per_day": 25.0 * MI},
            [],
            "",
        ),
        ({}, {"kills": 3}, ["worse"], "was OOM-killed 3 times, last time never; it does not leak."),
        ({"kills": None}, {"kills": 3}, [], ""),
        ({"kills": 3}, {}, ["resolved"], "no OOM kill, last time 3 kills."),
        (SAFE, RISKY, ["worse"], "exceeds the 5 % target: 30 % chance of an OOM kill, last time 1 %."),
        (RISKY, SAFE, [], ""),
        (
            RISKY,
            SAFE | {"version": "2"},
            ["better"],
            "is within the 5 % target since release 2: 1 %, last time 30 %.",
        ),
        (SAFE | {"oom_probability_7d": 0.04}, SAFE | {"oom_probability_7d": 0.06}, [], ""),
        (
            RISKY | {"limit_bytes": 60 * MI, "advised_limit_bytes": None},
            SAFE | {"kills": 0},
            ["applied"],
            "limit 60 → 100 Mi: chance of an OOM kill 30 → 1 %, none seen.",
        ),
        (
            {"limit_bytes": 60 * MI, "advised_limit_bytes": 100 * MI},
            {"kills": 2, "kills_since": 1, "limit_changed": MONDAY},
            ["worse", "applied"],
            "limit 60 → 100 Mi, as recommended",
        ),
        (
            {"limit_bytes": 60 * MI, "advised_limit_bytes": None},
            {"kills": 2, "kills_since": 0, "limit_changed": MONDAY},
            ["applied"],
            "none seen.",
        ),
        (
            LEAK | {"limit_bytes": 60 * MI, "hours_to_limit": 20.0, "advised_limit_bytes": None},
            LEAK | {"hours_to_limit": 100.0},
            ["applied"],
            "limit 60 → 100 Mi; that only delays the kill, it still leaks: it may hit its limit in 4.2 d.",
        ),
    ],
)
def test_each_change_has_its_word(
    calm: Assessment, last: dict[str, Any], now: dict[str, Any], kinds: list[str], words: str
) -> None:
    """A change that is clear is named once, in words with figures; what is not clear is not named."""
    before, after = _rows(calm, last), _rows(calm, now)
    rows, found = compare(after, before)
    assert found["kind"].to_list() == kinds
    assert words in " ".join(found["sentence"])
    assert found["workload_id"].to_list() == [0] * len(kinds)
    row, old = rows.row(0, named=True), before.row(0, named=True)
    assert (row["change"], row["changed"]) == (found.row(0)[1], found["sentence"][0]) if kinds else ("same", None)
    assert row["applied"] == ("applied" in kinds and old["advised_limit_bytes"] == row["limit_bytes"])
    for name in ("verdict", "oom_probability_7d", "limit_bytes"):
        assert row[f"previous_{name}"] == old[name]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({}, "was not there last time."),
        (LEAK, "leaks 10 Mi/day; it was not there last time; may hit its limit in 12.5 d."),
        ({"kills": 2}, "was not there last time, and was OOM-killed twice; it does not leak."),
    ],
    ids=["calm", "leak", "killed"],
)
def test_what_comes_and_goes_is_told(calm: Assessment, now: dict[str, Any], words: str) -> None:
    """A workload that was not there is new, with what is wrong with it; one that is not there any more is gone."""
    rows, found = compare(_rows(calm, now), calm.workloads.with_columns(workload=pl.lit("gone")))
    assert found.select("workload_id", "kind", "workload", "sentence").rows() == [
        (0, "new", "api", words),
        (None, "gone", "gone", "is gone."),
    ]
    assert rows.select("change", "previous_verdict", "applied").row(0) == ("new", None, False)


def test_the_fleet_counts_what_comes_and_goes(calm: Assessment) -> None:
    """How many appeared and went; unknown where nothing is compared, and then no change is listed."""
    found = rm.assess(TABLE, previous=calm.workloads.with_columns(workload=pl.lit("gone")))
    assert (found.fleet.appeared, found.fleet.gone) == (1, 1)
    assert (calm.fleet.appeared, calm.fleet.gone) == (None, None)
    assert calm.changes.height == 0
    assert calm.changes.schema == found.changes.schema == CHANGES


def test_what_is_accepted_is_compared_too(calm: Assessment) -> None:
    """To accept a workload, today or last time, is no change; what changed in one that is accepted is told."""
    known = [Acknowledgement("api", "a cache", up_to_bytes=200 * MI, until=None, cluster=None, line=1)]
    accepted = rm.assess(TABLE, accepted=known, previous=calm)
    assert accepted.workloads.select("accepted", "change").row(0) == (True, "same")
    assert rm.assess(TABLE, previous=accepted).changes.height == 0
    killed = _rows(calm, {"kills": 3})
    assert rm.assess(TABLE, accepted=known, previous=killed).changes["kind"].to_list() == ["resolved"]


def test_last_time_is_taken_from_where_it_is(calm: Assessment, tmp_path: Path) -> None:
    """A file, its folder, an Assessment, a frame, what `classify` gives, a recording or its file: all compare alike."""
    calm.workloads.write_parquet(tmp_path / "verdicts.parquet")
    Recording.from_frame(TABLE).write(tmp_path / "recording.parquet")
    for previous in (
        tmp_path,
        tmp_path / "verdicts.parquet",
        str(tmp_path / "recording.parquet"),
        calm,
        calm.workloads,
        calm.workloads.lazy(),
        calm.workloads.drop("evidence", "also").to_pandas(),
        rm.classify(TABLE),
        TABLE,
        Recording.from_frame(TABLE),
    ):
        found = rm.assess(TABLE, previous=previous)
        assert found.workloads.select("change", "previous_verdict").row(0) == ("same", "not_leak")
        assert found.changes.height == 0


def test_a_file_of_an_earlier_version_is_read_by_its_own_names(calm: Assessment, tmp_path: Path) -> None:
    """Its recommended limit is the advised one, and its `oom_probability` is that of the limit in force."""
    older = calm.workloads.select(
        *VERDICTS, "kills", "version", recommended_limit_bytes=pl.lit(100 * MI), oom_probability=pl.lit(0.3)
    ).with_columns(limit_bytes=pl.lit(60 * MI), oom_probability_7d=pl.lit(0.9))
    older.write_parquet(tmp_path / "verdicts.parquet")
    row = rm.assess(TABLE, previous=tmp_path).workloads.row(0, named=True)
    assert (row["change"], row["applied"], row["previous_oom_probability_7d"]) == ("applied", True, 0.3)
    assert row["changed"].startswith("limit 60 → 100 Mi, as recommended: chance of an OOM kill 30 → ")


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("no-such.parquet", None, "no-such.parquet': found 'no such file or directory', expected verdicts.parquet"),
        ("other.parquet", pl.DataFrame({"a": [1]}), "other.parquet"),
        ("broken.parquet", b"PAR1 nothing", "broken.parquet"),
    ],
    ids=["missing", "other", "broken"],
)
def test_what_was_no_assessment_is_named(tmp_path: Path, name: str, written: Any, message: str) -> None:
    """A file that is missing, broken or something else is an error that names it."""
    if isinstance(written, pl.DataFrame):
        written.write_parquet(tmp_path / name)
    elif written is not None:
        (tmp_path / name).write_bytes(written)
    with pytest.raises(RmtoolkitError, match=message):
        rm.assess(TABLE, previous=tmp_path / name)


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
    ("release_leak", "plain-tern"): "worse",
    ("warm_up_then_leak", "keen-badger"): "worse",
    ("endless_threads", "keen-plover"): "worse",
    ("replica_leak", "calm-swift"): "worse",
    ("fixed_leak", "dapper-swift"): "resolved",
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
def compared() -> tuple[pl.DataFrame, Assessment]:
    """The two weeks of the corpus, with one limit that somebody raised between them."""
    names = _labels()
    first, second = _halves(names)
    raised = names.filter(pl.col("shape") == "plateau").sort("namespace", "workload").row(0)[1]
    mine = pl.col("workload") == raised
    limit = pl.when(mine).then(pl.col("limit_bytes") * 2).otherwise("limit_bytes")
    second = replace(second, containers=second.containers.with_columns(limit_bytes=limit))
    return names.with_columns(raised=mine), rm.assess(second, previous=first)


def test_every_planted_change_is_named(compared: tuple[pl.DataFrame, Assessment]) -> None:
    """A leak that starts, one that a release fixes, kills that begin and end, a limit that is raised: all are told."""
    names, found = compared
    changes = found.changes
    on = ["namespace", "workload"]
    told = {
        (shape, workload): kind
        for shape, workload, kind in changes.join(names, on=on).select("shape", "workload", "kind").iter_rows()
    }
    raised = names.filter("raised").select("shape", "workload").row(0)
    assert {place: told.get(place) for place in (*PLANTED, raised)} == PLANTED | {raised: "applied"}
    fixed = changes.join(names, on=on).filter(pl.col("shape") == "fixed_leak")["sentence"].item()
    assert "no longer leaks since release 1.6.0, Mon 16 Nov (was " in fixed
    assert (found.fleet.leaks_new, found.fleet.leaks_gone) == (2, 1)
    assert "none seen." in changes.filter(pl.col("kind") == "applied")["sentence"].item()


def test_nothing_else_is_named(compared: tuple[pl.DataFrame, Assessment]) -> None:
    """Of all the programs that go on as they were, leaks among them, none is in the list."""
    names, found = compared
    planted = {*PLANTED, names.filter("raised").select("shape", "workload").row(0)}
    told = found.changes.join(names, on=["namespace", "workload"])
    other = [row for row in told.iter_rows(named=True) if (row["shape"], row["workload"]) not in planted]
    assert other == []
    assert names.height - len(planted) >= 40
    assert (found.fleet.appeared, found.fleet.gone) == (0, 0)
    assert found.workloads.height == names.height
    assert found.changes.select(WORKLOAD).is_duplicated().sum() == 0
