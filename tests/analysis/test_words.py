"""What a verdict says of pods and versions, why it is open, and when that ends."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import rmtoolkit as rm
from rmtoolkit.analysis import records
from rmtoolkit.analysis.around import AROUND
from rmtoolkit.analysis.assess import GIVEN_BACK
from rmtoolkit.analysis.models import Family
from rmtoolkit.analysis.patterns import HELD
from rmtoolkit.schema import Cause, Signal
from rmtoolkit.text import texts
from tests.analysis.curves import BEGIN, GI, MI, footprint, hours, record, saturate, saw, small_noise, together, when
from tests.analysis.verdicts import chance_of, judged, row_of

if TYPE_CHECKING:
    import polars as pl

    from tests.analysis.curves import Array

T = hours(24, 60)


def noisy(values: Array, seed: int) -> Array:
    """A curve in MiB with half a percent of noise, in bytes."""
    return (values + small_noise(np.random.default_rng(seed), values)) * MI


def by_statistic(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Evidence by its statistic."""
    return {item["statistic"]: item for item in row["evidence"]}


# Pods


def pods(*rates: float) -> pl.DataFrame:
    """Pods of one workload that grow by so many MiB an hour."""
    return judged(
        together(
            [
                footprint(T, (200 + rate * T) * MI, np.random.default_rng(30 + n), pod=f"api-{n}", limit=GI)
                for n, rate in enumerate(rates)
            ]
        )
    )


def test_one_pod_of_several_is_named() -> None:
    """One of four grows: that pod is named, and what is different there is to be looked for."""
    (row,) = pods(0, 0, 5, 0).rows(named=True)
    assert row["verdict"] == "leak"
    assert "on 1 of 4 pods, api-2" in row["explanation"]
    assert "only api-2" in by_statistic(row)["pods_growing"]["text"]


def test_a_pod_is_not_alone_while_another_is_undecided() -> None:
    """One pod grows and another may: nobody is sent to look for what is different in the first."""
    frames = [
        footprint(T, (200 + rise) * MI, np.random.default_rng(n), pod=f"api-{n}", limit=GI)
        for n, rise in enumerate((5 * T, 60 * (1 - np.exp(-T / 18))))
    ]
    (row,) = judged(together(frames)).rows(named=True)
    found = by_statistic(row)["pods_growing"]
    assert (row["verdict"], found["value"]) == ("leak", "1 of 2")
    assert "only" not in found["text"]
    assert "that pod" not in str(row)


def test_all_pods_point_at_the_code() -> None:
    """All of three grow: it is the code."""
    (row,) = pods(5, 4, 6).rows(named=True)
    assert row["verdict"] == "leak"
    assert "on all 3 pods" in row["explanation"]
    found = by_statistic(row)["pods_growing"]
    assert "the code" in found["text"]
    assert found["estimate"] == 3


# Lives and versions


def versions(first: float, second: float, names: tuple[str, str] = ("v1.4.1", "v1.4.2"), length: float = 24) -> Any:
    """Two versions after each other that grow by so many MiB an hour."""
    t = hours(24, 300)
    later = hours(length, 300)
    events = [(24.1, "release", names[1])]
    curve = np.concatenate([200 + first * t, 200 + second * later])
    time = np.concatenate([t, 24.1 + later])
    signals = {"working_set_bytes": noisy(curve, 5)}
    return record(time, signals, events=[(0.0, "release", names[0]), *events], limit_bytes=2 * GI)


def test_fixed_in_a_version() -> None:
    """The old version leaked, the running one is flat: fixed, and by which."""
    row = row_of(versions(8, 0))
    assert row["verdict"] == "not_leak"
    assert "version v1.4.2 fixed it" in row["explanation"]
    assert by_statistic(row)["fixed_version"]["value"] == "v1.4.2"


def test_since_a_version() -> None:
    """The old version was flat, the running one grows: since when, and roll back."""
    row = row_of(versions(0, 8, names=("v1.4.2", "v1.5.0")))
    assert row["verdict"] == "leak"
    assert "since version v1.5.0" in row["explanation"]
    assert by_statistic(row)["since_version"]["value"] == "v1.5.0"


def test_the_same_leak_in_both_versions_is_of_neither() -> None:
    """Both versions grow: no version is blamed."""
    row = row_of(versions(8, 8))
    assert row["verdict"] == "leak"
    assert "version" not in row["explanation"]


def test_versions_of_pods_of_their_own() -> None:
    """Each release makes a new pod: since and fixed are told across pods as well."""
    t = hours(24, 300)

    def one(pod: str, version: str, start: float, rate: float, seed: int) -> Any:
        signals = {"working_set_bytes": noisy(200 + rate * t, seed)}
        return record(t + start, signals, pod=pod, version=version, limit_bytes=2 * GI, restarts_total=0)

    since = row_of(together([one("api-a", "1.0", 0, 0, 1), one("api-b", "1.1", 24.2, 8, 2)]))
    assert (since["verdict"], "since version 1.1" in since["explanation"]) == ("leak", True)
    fixed = row_of(together([one("api-a", "1.0", 0, 8, 1), one("api-b", "1.1", 24.2, 0, 2)]))
    assert (fixed["verdict"], "version 1.1 fixed it" in fixed["explanation"]) == ("not_leak", True)


def test_a_strange_version_stays_on_one_line() -> None:
    """A version is a foreign label: it is cut, and carries no control character into the words."""
    row = row_of(versions(0, 8, names=("1", "2\x1b[31m\n" + "x" * 200)))
    assert "\x1b" not in row["explanation"]
    assert "\n" not in row["explanation"]
    assert len(row["explanation"]) < 400


def test_a_leak_that_restarts_hide() -> None:
    """The same growth in life after life, each killed, is a leak; the words count the lives."""
    period = 7.3
    t = hours(40, 60)
    curve = 120 + 380 * np.mod(t, period) / period
    events = [(at, "oom_kill", None) for at in np.arange(period, 40, period)]
    row = row_of(record(t, {"working_set_bytes": noisy(curve, 4)}, events=events, limit_bytes=512 * MI))
    assert row["verdict"] == "leak"
    assert re.search(r"in \d of \d lives", row["explanation"])
    assert by_statistic(row)["oom_kills"]["estimate"] >= 4


@pytest.mark.parametrize(
    ("hours_seen", "others", "says"),
    [
        (24, 0, "1 of 1 run was OOM-killed"),
        (24, 29, "it was OOM-killed 30 times, once in the only run that left samples"),
        (0.1, 29, "It was OOM-killed 30 times, once in the only run that left samples, the longest after 6 min"),
    ],
)
def test_starts_without_a_sample_are_no_runs_and_their_kills_count(hours_seen: float, others: int, says: str) -> None:
    """A pod that is killed again and again between two samples has one run: every sentence and number counts all."""
    t = hours(hours_seen, 60)
    events = [(t[-1] + at / 60, kind, None) for at in range(1, 2 + others) for kind in ("oom_kill", "start")][:-1]
    curve = 400 + 0 * t
    found = rm.assess(record(t, {"working_set_bytes": noisy(curve, 4)}, events=events, limit_bytes=512 * MI))
    (row,) = found.workloads.rows(named=True)
    assert (row["kills"], row["runs_killed"], row["runs"]) == (1 + others, 1, 1)
    assert says in row["explanation"]
    kills = by_statistic(row)["oom_kills"]
    assert (kills["estimate"], "30; 1 of 1" in kills["value"]) == (1 + others, others > 0)
    close = found.checklist.filter(question="Is the limit too close to average usage?").row(0, named=True)
    assert close["because"] == f"OOM-killed {'30 times' if others else 'once'} at 512 Mi"


def test_restarts_that_cap_a_leak_are_said() -> None:
    """Daily releases end every life long before the limit: the words say so, in the headline and the reason."""
    t = hours(168, 300)[:-1]
    curve = 200 + 4 * np.mod(t, 24)
    events = [(float(at), "release", f"1.{n}") for n, at in enumerate(np.arange(24, 168, 24))]
    recording = record(t, {"working_set_bytes": noisy(curve, 5)}, events=events, limit_bytes=GI)
    row = row_of(recording)
    assert row["verdict"] == "leak"
    assert "restarts end every life before its 1,024 Mi limit" in row["explanation"]
    assert "no life is expected to last longer than 28 h" in row["explanation"]
    assert chance_of(recording, "30d") < 0.05


# Open verdicts


def open_row(t: Array, curve: Array, seed: int = 4, **more: Any) -> dict[str, Any]:
    """An open verdict on one RSS curve in MiB; restarts are known."""
    given: dict[str, Any] = {"restarts_total": 0, "limit_bytes": GI} | more
    given = {name: value for name, value in given.items() if value is not None}
    row: dict[str, Any] = row_of(record(t, {"rss_bytes": noisy(curve, seed)}, **given))
    assert row["verdict"] == "inconclusive", row["explanation"]
    return row


def question(row: dict[str, Any]) -> dict[str, Any]:
    """The piece of evidence that says what keeps it open."""
    found: list[dict[str, Any]] = [item for item in row["evidence"] if item["statistic"].startswith("open_")]
    assert len(found) == 1
    return found[0]


def test_a_warm_up_cut_short_says_until_when_to_wait() -> None:
    """Three windows like the one seen: the absolute time in UTC, and that a gauge would settle it sooner."""
    row = open_row(hours(3.5, 15), 60 + 60 * saturate(hours(3.5, 15), 3.5))
    found = question(row)
    assert found["statistic"] == "open_slowing"
    assert found["start"] == BEGIN + dt.timedelta(hours=3.5)
    assert found["end"] == pytest.approx(BEGIN + dt.timedelta(hours=10.5), abs=dt.timedelta(minutes=1))
    assert found["estimate"] == pytest.approx(7, rel=0.01)
    assert row["next_step"].startswith("Wait until Mon 16 Nov 10:30 UTC (7 h more)")
    assert "jemalloc" in row["next_step"]
    assert "Mi/day" in row["explanation"]


def test_too_few_samples_say_when_there_will_be_enough() -> None:
    """Eight samples a minute apart: the 24th comes at 00:23; a gauge would bring it no sooner."""
    t = hours(7 / 60, 60)
    row = open_row(t, 100 + 0 * t)
    assert question(row)["statistic"] == "open_too_few"
    assert row["next_step"].startswith("Wait until Mon 16 Nov 00:23")
    assert "gauge" not in row["next_step"]
    assert "There are 8 samples; a trend takes at least 24 of one life" in row["explanation"]


def test_kills_too_early_to_see_a_trend() -> None:
    """Killed after five samples again and again: waiting does not help, a higher limit does."""
    t = hours(1, 60)
    curve = 300 + 40 * np.mod(t * 60, 5)
    events = [(at / 60, "oom_kill", None) for at in range(5, 60, 5)]
    row = open_row(t, curve, events=events, limit_bytes=512 * MI, restarts_total=None)
    assert question(row)["statistic"] == "open_killed"
    assert question(row)["value"] == "time alone does not help"
    assert "Raise the limit once by half" in row["next_step"]
    assert "768Mi" in row["next_step"]


def test_falls_without_restart_data_ask_for_it() -> None:
    """Deep falls without a restart counter: the counter is named."""
    t = hours(40, 60)
    row = open_row(t, 120 + 380 * saw(t, 7.3, fall=0.01), restarts_total=None)
    assert question(row)["statistic"] == "open_restarts_unknown"
    assert "kube_pod_container_status_restarts_total" in row["next_step"]


def test_a_young_release_says_when_it_is_old_enough() -> None:
    """Two hours after a release nobody knows: a third of the longest life is needed."""
    row = row_of(versions(8, 0, length=2))
    assert row["verdict"] == "inconclusive"
    found = question(row)
    assert found["statistic"] == "open_young_release"
    assert "version v1.4.2 has run for only 2 h" in row["explanation"]
    assert found["end"] == pytest.approx(
        BEGIN + dt.timedelta(hours=24.1 + 1.1 * 0.3 * 24), abs=dt.timedelta(minutes=10)
    )


def test_half_a_day_may_be_a_daily_cycle() -> None:
    """The rising half of a day is open until 2.4 days were seen."""
    t = hours(12, 60)
    row = open_row(t, 250 + 80 * np.sin(np.pi * t / 12 - np.pi / 2))
    found = question(row)
    if found["statistic"] == "open_half_wave":
        assert found["end"] == BEGIN + dt.timedelta(hours=2.4 * 24)
    assert found["end"] > BEGIN + dt.timedelta(hours=12)


def test_every_open_verdict_has_a_price_list() -> None:
    """Whatever the shape: a reason, a piece of advice with a time or a measurement, and never "nothing to do"."""
    rng = np.random.default_rng(8)
    shapes = {
        "log": 100 + 40 * np.log1p(T),
        "walk": 200 + np.cumsum(rng.normal(0, 0.4, len(T))),
        "late": 200 + 6 * np.maximum(T - 21.5, 0),
        "step": 200 + 60.0 * (T > 23),
        "teeth": 150 + 60 * saw(T, 9.0),
    }
    seen = 0
    for name, curve in shapes.items():
        row = row_of(record(T, {"rss_bytes": noisy(curve, 9)}, limit_bytes=GI, restarts_total=0))
        if row["verdict"] != "inconclusive":
            continue
        seen += 1
        found = question(row)
        assert found["text"].startswith("Undecided because "), name
        assert found["end"] > when(24), name
        assert found["end"] <= when(24 * 8), name
        assert "UTC" in row["next_step"], name
        assert "Mi/day" in row["explanation"], name
    assert seen >= 3


# The floor


def test_the_floor_is_always_said() -> None:
    """Leak, rest or open: the smallest growth that shows is in the words."""
    for curve in (200 + 8 * T, 200 + 0 * T, 100 + 150 * saturate(T, 20)):
        row = row_of(record(T, {"rss_bytes": noisy(curve, 4)}, limit_bytes=GI, restarts_total=0))
        assert re.search(r"growth (of it )?(above|below) [\d.,]+ .i/day", row["explanation"]), row["explanation"]


def test_all_that_is_said_has_its_words() -> None:
    """Each statistic, shape and question has words in the files of texts, and nobody else has."""
    evidence, words = texts("analysis/evidence"), texts("analysis/words")
    of_signals = (Signal.PSI_SOME, Signal.PSI_FULL, Signal.REFAULTS)
    of_causes = (one.cause for one in AROUND if not one.statistics)
    assert {*records.Statistic, *records.Layer, *of_signals, *of_causes} == {
        told.get("statistic", name) for name, told in evidence.items()
    } - {
        "open",
        "rejected",
    }
    assert {told["says"] for told in evidence.values()} == set(records.Says)
    assert {told["weight"] for told in evidence.values()} <= set("0123")
    assert {told["unit"] for told in evidence.values() if "unit" in told} == set(records.Unit)
    assert {told["signal"] for told in evidence.values() if "signal" in told} <= {*Signal, "heap_profile"}
    assert set(words["shape"]) == set(Family)
    assert tuple(words["halt"]) == tuple(records.Halt)
    assert set(words["open"]) <= set(records.OpenKind)
    assert set(words["why"]) >= {*records.OpenKind} - {records.OpenKind.REJECTED}
    assert set(words["around"]) == {pattern for pattern, _ in GIVEN_BACK.values()}
    assert set(words["leaks"]) == {Cause.OUTSIDE_ALLOCATOR, *(one.cause for one in (*HELD, *AROUND))}
    assert set(words["clause"]) == {one.cause for one in AROUND}
