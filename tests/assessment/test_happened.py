"""What happened to a container: kills at the limit then in force, restarts that nobody told of, what was set when."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from rmtoolkit.assessment import Assessment, assess
from rmtoolkit.assessment._rows import by_urgency
from rmtoolkit.assessment._totals import kills_of
from rmtoolkit.recording import Recording

MI = 1 << 20
START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def at(minute: float) -> dt.datetime:
    """An instant of the recording."""
    return START + dt.timedelta(minutes=minute)


def found(*events: tuple[float, str, int | None], work: list[int] | None = None, **columns: object) -> Assessment:
    """Two hours of one container, a sample a minute, and what happened to it."""
    table = pl.DataFrame({"time": [at(minute) for minute in range(120)], "pod": "api-0", "rss_bytes": 100 * MI})
    table = table.with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    told = [{"time": at(minute), "kind": kind, "value_bytes": value, "pod": "api-0"} for minute, kind, value in events]
    if work is not None:
        table = table.with_columns(work_total=pl.Series(work))
    return assess(Recording.from_frame(table, events=pl.DataFrame(told) if told else None))


LIMITS = ((30, "limit", 200 * MI), (60, "limit", 300 * MI))


@pytest.mark.parametrize(
    ("minute", "limit"),
    [(10, None), (30, 200), (45, 200), (60, 200), (60.5, 300), (119, 300)],
    ids=["before any is known", "at the first", "between", "at a change: the old one", "after it", "at the end"],
)
def test_a_kill_has_the_limit_that_was_in_force(minute: float, limit: int | None) -> None:
    """At the instant of a change the old limit was still the one that killed."""
    kill = found(*LIMITS, (minute, "oom_kill", None)).events.filter(kind="oom_kill")
    assert kill["limit_bytes"].to_list() == [None if limit is None else limit * MI]


def test_a_limit_that_was_taken_away_killed_nobody() -> None:
    """After a limit of none a kill has no limit, and with the same limit all the time it has that one."""
    gone = found((30, "limit", 200 * MI), (60, "limit", None), (90, "oom_kill", None)).events.filter(kind="oom_kill")
    assert gone["limit_bytes"].to_list() == [None]
    always = found((90, "oom_kill", None), limit_bytes=256 * MI).events.filter(kind="oom_kill")
    assert always["limit_bytes"].to_list() == [256 * MI]


def test_kills_are_counted_all_together_and_since_the_limit_changed() -> None:
    """The first word on a limit changes nothing; where nothing happened none was killed."""
    told = ("kills", "kills_7d", "limit_changed", "kills_since")
    kills = ((45, "oom_kill", None), (70, "oom_kill", None), (90, "oom_kill", None))
    assert found(*LIMITS, *kills).workloads.select(told).row(0) == (3, 3, at(60), 2)
    assert found(LIMITS[0], *kills).workloads.select(told).row(0) == (3, 3, None, None)
    assert found().workloads.select(told).row(0) == (0, 0, None, None)


@pytest.mark.parametrize("known", [True, False])
def test_how_sure_a_forecast_was_is_told_where_it_is_known(known: bool) -> None:
    """An hour ahead the data said when, with or without a range."""
    row = {
        "time": at(60),
        "said_time": at(0),
        "said_kill_time": at(50),
        "said_pattern": "linear",
        "said_verdict": "leak",
    }
    row |= {"said_kill_time_low": at(40) if known else None, "said_kill_time_high": at(70) if known else None}
    sentence = kills_of(pl.DataFrame([row]))["sentence"].item()
    assert ("(80 %: 00:40 to 01:10)" in sentence) is known
    assert "the data said 00:50" in sentence


def test_no_kill_is_a_table_of_the_same_columns() -> None:
    """Where nothing was killed the sentence is text all the same."""
    nothing = kills_of(pl.DataFrame(schema={"time": pl.Datetime("ms", "UTC")}))
    assert nothing.schema["sentence"] == pl.String


def test_an_unknown_chance_stands_where_none_does() -> None:
    """Of two that nothing threatens the fuller one comes first, whether or not its chance is known."""
    rows = [{"workload": name, "oom_probability_7d": chance, "peak_bytes": peak} for name, chance, peak in CALM]
    calm = {"verdict": "not_leak", "kills_now": 0, "history_seconds": 1e9, "limit_bytes": 100}
    empty = dict.fromkeys(("oom_probability_24h", "hours_to_limit", "cluster", "namespace", "container"))
    frame = pl.DataFrame([row | calm | empty for row in rows], schema_overrides=dict.fromkeys(empty, pl.Float64))
    assert by_urgency(frame)["workload"].to_list() == ["full", "half", "low"]


CALM = (("half", 0.0, 50), ("low", 0.0, 10), ("full", None, 90))


def test_a_change_knows_what_was_set_before() -> None:
    """The first word on a limit follows nothing; the next one follows it, whatever else happens in between."""
    events = found(LIMITS[0], (40, "request", 50 * MI), (45, "oom_kill", None), LIMITS[1]).events
    said = events.select("kind", "value_bytes", "before_bytes").rows()
    assert ("limit", 200 * MI, None) in said
    assert ("limit", 300 * MI, 200 * MI) in said
    assert ("request", 50 * MI, None) in said


def test_settings_are_stretches_of_one_value() -> None:
    """A value lasts until the next change; the last one lasts; what never changed has no beginning either."""
    rows = found(*LIMITS, request_bytes=64 * MI).settings.select("kind", "start", "end", "value_bytes").rows()
    assert rows == [
        ("limit", at(30), at(60), 200 * MI),
        ("limit", at(60), None, 300 * MI),
        ("request", None, None, 64 * MI),
    ]


def test_settings_stand_by_container_kind_and_time() -> None:
    """Whichever never changed: of two containers the request of the first, then all of the second."""
    minutes = [at(minute) for minute in range(120)]
    table = pl.DataFrame({"time": minutes * 2, "pod": ["api-0"] * 120 + ["api-1"] * 120, "rss_bytes": 100 * MI})
    changes = [{"time": at(at_minute), "kind": "limit", "value_bytes": value, "pod": "api-1"}
               for at_minute, _, value in LIMITS]  # fmt: skip
    recording = Recording.from_frame(table.with_columns(request_bytes=64 * MI), events=pl.DataFrame(changes))
    rows = assess(recording).settings.select("container_id", "kind", "start").rows()
    assert rows == [(0, "request", None), (1, "limit", at(30)), (1, "limit", at(60)), (1, "request", None)]


#: A counter that falls in the middle: a new process, though nobody tells of one.
RESTARTED = [10 * minute for minute in range(60)] * 2


@pytest.mark.parametrize(
    ("event", "told"),
    [(None, True), ((48, "start"), True), ((52, "start"), False), ((68, "oom_kill"), False), ((72, "error"), True)],
    ids=["no event", "long before", "before", "after", "long after"],
)
def test_a_restart_that_no_event_explains_is_told(event: tuple[float, str] | None, told: bool) -> None:
    """A life that begins ten samples or more from any event that would explain it is a restart of its own."""
    events = [] if event is None else [(*event, None)]
    restarts = found(*events, work=RESTARTED).events.filter(kind="restart")
    assert (at(60) in restarts["time"].to_list()) == told


def test_what_a_long_gap_hides_is_no_restart() -> None:
    """Nobody saw what happened between two lives with a day of nothing in between."""
    hours = [*range(120), *range(120 + 2880, 240 + 2880)]
    table = pl.DataFrame({"time": [at(minute) for minute in hours], "rss_bytes": 100 * MI})
    assessed = assess(table)
    assert assessed.lives["ended"].to_list() == ["gap", "running"]
    assert assessed.events.is_empty()


def test_kills_of_the_last_seven_days_are_counted_from_the_end_of_the_window() -> None:
    """Of a workload and of each of its pods, one that is gone too; exactly seven days before is no longer recent."""
    hours = {"api-0": range(14 * 24 + 1), "api-1": range(6 * 24)}
    table = pl.concat(
        pl.DataFrame({"time": [at(60 * hour) for hour in some], "pod": pod, "workload": "api", "rss_bytes": 100 * MI})
        for pod, some in hours.items()
    )
    week = 7 * 24 * 60
    kills = [("api-0", week - 100), ("api-0", week), ("api-0", week + 1 / 60), ("api-0", week + 90), ("api-1", 5000)]
    events = pl.DataFrame([{"time": at(minute), "kind": "oom_kill", "pod": pod} for pod, minute in kills])
    assessed = assess(Recording.from_frame(table, events=events))
    said = ("kills", "kills_7d", "last_kill")
    assert assessed.workloads.select(said).rows() == [(5, 2, at(week + 90))]
    assert assessed.instances.sort("pod").select(said).rows() == [(4, 2, at(week + 90)), (1, 0, at(5000))]
