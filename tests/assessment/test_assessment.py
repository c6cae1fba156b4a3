"""One row holds every number, whoever asks."""

from __future__ import annotations

import datetime as dt
import html
import json
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.assessment import WORKLOADS
from rmtoolkit.schema import Action
from tests.limits.conftest import DAY, MIB, START, samples, steady

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix not in (".md", ".csv", ".jsonl"))


def row_of(source: Any, **options: Any) -> dict[str, Any]:
    """The one workload."""
    workloads = rm.assess(source, **options).workloads
    assert workloads.height == 1
    return workloads.row(0, named=True)


def killed(table: pl.DataFrame, days: list[float]) -> rm.Recording:
    """The recording with an OOM kill of its pod at each of these days."""
    events = pl.DataFrame([{"time": START + int(day * DAY), "kind": "oom_kill", "pod": "api-0"} for day in days])
    return rm.Recording.from_frame(table, events=events)


@pytest.fixture(scope="module")
def everything() -> dict[str, rm.Assessment]:
    """The samples of the package, assessed."""
    return {name: rm.assess(rm.read(SAMPLES / name)) for name in NAMES}


def test_the_frame_has_the_columns_that_are_written_down(everything: dict[str, rm.Assessment]) -> None:
    """Names and types, and a number for each row that the other frames share."""
    for found in everything.values():
        assert found.workloads.schema == WORKLOADS
        assert found.workloads["workload_id"].to_list() == list(range(found.workloads.height))
        for frame in (found.instances, found.lives, found.evidence, found.checklist, found.completeness):
            assert frame["workload_id"].is_in(found.workloads["workload_id"].implode()).all()


def test_a_frame_is_made_when_it_is_asked_for() -> None:
    """Who asks for verdicts waits for no advice; what is sent elsewhere is whole, and the same."""
    found = rm.assess(samples(steady(1)))
    assert not isinstance(found.__dict__["advice"], pl.DataFrame)
    sent = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    frames = {name: frame for name, frame in sent.__dict__.items() if isinstance(frame, pl.DataFrame)}
    assert frames.keys() >= {"advice", "buys", "events", "instances", "lives", "queries", "risk_curves", "settings"}
    assert all(frame.equals(getattr(found, name)) for name, frame in frames.items())


def test_classify_and_limits_write_the_same_numbers(tmp_path: Path) -> None:
    """What both write of every workload of the samples agrees."""
    recording = rm.concat([rm.read(SAMPLES / name) for name in NAMES])
    rm.classify(recording).drop("evidence").write_ndjson(tmp_path / "c.json")
    rm.recommend_limits(recording).write_ndjson(tmp_path / "l.json")
    verdicts, limits = (
        {row["workload"]: row for row in map(json.loads, (tmp_path / file).read_text().splitlines())}
        for file in ("c.json", "l.json")
    )
    assert verdicts.keys() == limits.keys()
    assert len(verdicts) == len(NAMES)
    same = {
        "oom_probability_7d": "oom_probability_now",
        "oom_probability_24h": "oom_probability_24h",
        "oom_probability_30d": "oom_probability_30d",
        "limit_bytes": "limit_bytes",
        "peak_bytes": "peak_bytes",
        "settled_bytes": "settled_bytes",
        "verdict": "verdict",
        "pattern": "pattern",
    }
    for name, verdict in verdicts.items():
        for mine, theirs in same.items():
            one, other = verdict[mine], limits[name][theirs]
            assert one == other or one == pytest.approx(other, rel=1e-6), (name, mine)


def test_every_selection_agrees_with_the_assessment(everything: dict[str, rm.Assessment]) -> None:
    """Asked of the recording or of the assessment, each function gives the same frame."""
    for name in ("opal-egret", "tidy-grouse", "amber-kestrel"):
        found, recording = everything[name], rm.read(SAMPLES / name)
        assert rm.classify(recording).equals(rm.classify(found))
        assert rm.classify(recording, by="instance").equals(rm.classify(found, by="instance"))
        assert rm.recommend_limits(recording).equals(rm.recommend_limits(found))
        assert rm.limit_risk(recording, 300 * MIB).equals(rm.limit_risk(found, 300 * MIB))
        assert rm.checklist(recording).equals(rm.checklist(found))
        assert rm.fits(recording).equals(rm.fits(found))
        assert rm.lives(recording).equals(rm.lives(found))
        row = found.workloads.row(0, named=True)
        at_limit = rm.limit_risk(found, row["limit_bytes"])
        assert at_limit["oom_probability"].item() == row["oom_probability_7d"]
        curve = found.risk_curves.filter(pl.col("limit_bytes") == row["limit_bytes"])
        assert curve["oom_probability"].item() == row["oom_probability_7d"]


def test_the_layers_add_up_to_the_working_set(everything: dict[str, rm.Assessment]) -> None:
    """To the byte, at one instant, with nothing counted twice."""
    seen = 0
    for found in everything.values():
        row = found.workloads.row(0, named=True)
        if row["working_set_bytes"] is None or row["anon_bytes"] is None:
            continue
        parts = [row[name] or 0 for name in ("anon_bytes", "cache_bytes", "kernel_bytes", "shmem_bytes")]
        assert sum(parts) == row["working_set_bytes"]
        if row["live_bytes"] is not None:
            heap = [row[name] or 0 for name in ("live_bytes", "slack_bytes", "kept_bytes", "outside_bytes")]
            assert sum(heap) == row["anon_bytes"]
            seen += 1
    assert seen >= 4


def test_a_longer_horizon_is_never_safer(everything: dict[str, rm.Assessment]) -> None:
    """A day, a week and a month rise, and the week lies within its interval."""
    for name, found in everything.items():
        row = found.workloads.row(0, named=True)
        day, week, month = (row[f"oom_probability_{span}"] for span in ("24h", "7d", "30d"))
        if week is not None:
            assert 0 <= day <= week <= month <= 1, name
            assert row["oom_probability_7d_low"] <= week <= row["oom_probability_7d_high"], name


def test_page_cache_is_no_need() -> None:
    """Working set at 96 % of the limit, most of it files: nothing to do, at a small chance."""
    table = samples(steady(14, 490, rough=0.002), limit_bytes=512 * MIB).with_columns(
        anon_bytes=pl.lit(150 * MIB), file_bytes=pl.lit(345 * MIB)
    )
    row = row_of(table)
    assert row["need_of"] == "working set less files"
    assert row["need_bytes"] < 180 * MIB
    assert row["oom_probability_7d"] < 0.01
    assert row["action"] in (Action.NONE, Action.LOWER_LIMIT)
    assert "page cache" in row["limit_reason"]


def test_shared_memory_is_a_need() -> None:
    """Files in memory are not given back: they count although they stand among the files."""
    table = samples(steady(14, 490, rough=0.002), limit_bytes=512 * MIB).with_columns(
        anon_bytes=pl.lit(150 * MIB), file_bytes=pl.lit(345 * MIB), shmem_bytes=pl.lit(300 * MIB)
    )
    assert row_of(table)["need_bytes"] >= 450 * MIB


@pytest.mark.parametrize(
    ("grows", "base"), [(True, 0), (True, 30), (False, 0)], ids=["growing", "beside a binary", "flat"]
)
def test_files_in_memory_are_one_fact_whoever_tells_them(*, grows: bool, base: int) -> None:
    """A gauge, lists of the kernel, or page cache that is never inactive: verdict, limit and advice are the same."""
    heap = steady(5, 150, rough=0.002)
    files = np.linspace(80, 400, heap.size) * MIB if grows else np.full(heap.size, 300.0 * MIB)
    told = {
        "usage_bytes": heap + files + base * MIB,
        "anon_bytes": heap,
        "file_bytes": files + base * MIB,
        "inactive_file_bytes": np.full(heap.size, base * MIB),
    }
    table = samples(heap + files, limit_bytes=1024 * MIB, request_bytes=256 * MIB)
    table = table.with_columns(pl.Series(name, values).cast(pl.Int64) for name, values in told.items())
    gauge = row_of(table.with_columns(shmem_bytes=pl.Series(files).cast(pl.Int64)))
    lists = row_of(table.with_columns(active_file_bytes=pl.lit(0)))
    nothing = row_of(table)
    kept = ("need_bytes", "need_of", "shmem_bytes", "cache_bytes", "peak_bytes", "kernel_bytes")
    judged = (
        *("verdict", "growth_bytes_per_day", "hours_to_limit", "action", "advised_limit_bytes"),
        *("advised_request_bytes", "limit_reason", "headline", "next_step"),
    )
    assert {name: lists[name] for name in (*kept, *judged)} == {name: gauge[name] for name in (*kept, *judged)}
    assert {name: nothing[name] for name in kept} == {name: gauge[name] for name in kept}
    assert gauge["need_bytes"] > 0.9 * table["working_set_bytes"].max()  # type: ignore[operator]
    # What only looks like files in memory is no sure leak.
    assert (gauge["verdict"], nothing["verdict"]) == (("leak", "inconclusive") if grows else ("not_leak", "not_leak"))
    assert nothing["oom_probability_7d"] == pytest.approx(gauge["oom_probability_7d"], abs=0.1)


def test_what_is_killed_by_files_that_rest_at_last_leaks_at_the_rate_that_fills_its_limit() -> None:
    """A tmpfs fills within three days and rests for one, then the kill: no leak shrinks, and no rate is told twice."""
    hours = np.arange(14 * 24)
    heap, files = steady(14, 200, rough=0.002), np.minimum(300, hours % 100 * 4) * MIB
    parts = {"anon_bytes": heap, "file_bytes": files, "shmem_bytes": files}
    table = samples(heap + files, limit_bytes=512 * MIB)
    table = table.with_columns(pl.Series(name, values).cast(pl.Int64) for name, values in parts.items())
    row = row_of(killed(table, [99.5 / 24, 199.5 / 24, 299.5 / 24]))
    assert row["verdict"] == "leak"
    assert row["growth_bytes_per_day"] > 0
    assert "−" not in row["headline"] + row["limit_reason"]


def test_the_kernels_own_peak_is_a_peak() -> None:
    """Working set 191 Mi, recorded peak 477 Mi, limit 512 Mi: the limit stays, and the reason names the peak."""
    values = steady(14, 191, rough=0.002)
    peak = np.where(np.arange(values.size) < 100, 200.0 * MIB, 477.0 * MIB).astype(np.int64)
    row = row_of(samples(values, limit_bytes=512 * MIB).with_columns(peak_bytes=pl.Series(peak)))
    assert row["need_of"] == "kernel peak"
    assert row["need_bytes"] == pytest.approx(477 * MIB, abs=MIB)
    assert row["advised_limit_bytes"] > 477 * MIB
    assert "477 Mi" in row["limit_reason"]


@pytest.mark.parametrize("days", [[10.0], [3.0, 6.0, 9.0, 12.0], list(np.linspace(10, 10.9, 20))])
def test_no_small_chance_is_printed_for_a_limit_that_killed(days: list[float]) -> None:
    """Killed at 256 Mi with a sampled peak of 156: half or more, and the advice is well above it."""
    row = row_of(killed(samples(steady(14, 150), limit_bytes=256 * MIB), days))
    assert row["oom_probability_7d"] >= 0.5
    assert row["risk_basis"] == "kills"
    assert row["need_of"] == "above a kill"
    assert row["action"] == Action.RAISE_LIMIT
    assert row["advised_limit_bytes"] > 1.4 * 256 * MIB
    assert row["advised_oom_probability"] <= 0.05
    risk = rm.limit_risk(killed(samples(steady(14, 150), limit_bytes=256 * MIB), days), [282 * MIB])
    assert risk["oom_probability"].item() > 0.2


def test_what_is_killed_before_it_can_be_measured_gets_a_limit_to_try() -> None:
    """Minutes of data, and kills: the advice is a higher limit, not to wait."""
    table = samples(np.full(6, 100.0 * MIB), step=60, limit_bytes=128 * MIB)
    row = row_of(killed(table, [60 / DAY, 180 / DAY]))
    assert row["action"] == Action.RAISE_LIMIT
    assert row["advised_limit_bytes"] > 1.4 * 128 * MIB
    assert row["provisional"]


def test_a_limit_that_killed_is_not_gone_back_to() -> None:
    """Killed at 256 Mi in the first week, then raised to 512: nothing near 256 is advised."""
    table = samples(steady(21, 150)).with_columns(
        limit_bytes=pl.when(pl.int_range(pl.len()) < 7 * 24).then(256 * MIB).otherwise(512 * MIB)
    )
    row = row_of(killed(table, [5.0]))
    assert row["limit_bytes"] == 512 * MIB
    assert row["killed_limit_bytes"] == 256 * MIB
    assert row["advised_limit_bytes"] > 1.2 * 256 * MIB
    assert "256 Mi" in row["limit_reason"]


def test_an_unknown_limit_does_not_hide_kills() -> None:
    """No number is advised, the chance is high, and the reason names the kills."""
    row = row_of(killed(samples(steady(14, 150)), [2.0, 5.0, 8.0, 11.0]))
    assert row["oom_probability_7d"] >= 0.5
    assert row["advised_limit_bytes"] is None
    assert row["action"] == Action.FIX_EXPORTER
    assert "OOM-killed 4 times" in row["limit_reason"]
    assert "OOM-killed 4 times" in row["next_step"]
    assert row["kills"] == 4


def test_a_limit_is_lowered_only_where_the_whole_cost_falls() -> None:
    """One small pod with a burst saves less than its incidents cost; of forty pods with room the sum falls."""
    values = steady(14, 150, rough=0.08)
    one = row_of(samples(values, limit_bytes=256 * MIB))
    assert one["action"] == Action.NONE
    assert one["advised_limit_bytes"] == 256 * MIB
    frames = [samples(steady(14, 150, seed=n), limit_bytes=2048 * MIB, pod=f"api-{n}") for n in range(40)]
    many = row_of(pl.concat(frames), prices=rm.Prices(0.005, 40.0))
    assert many["action"] == Action.LOWER_LIMIT
    assert many["need_bytes"] < many["advised_limit_bytes"] < 1024 * MIB
    assert many["advised_oom_probability"] <= 0.05

    def whole(limit: int, chance: float) -> float:
        return limit / 2**30 * 40 * 0.005 * 730.5 + chance * 40 * 730.5 / 168

    now = whole(2048 * MIB, many["oom_probability_7d"])
    assert whole(many["advised_limit_bytes"], many["advised_oom_probability"]) < now
    assert many["waste_bytes"] == 40 * (2048 * MIB - many["advised_request_bytes"])


def test_what_grows_has_not_settled() -> None:
    """A leak has no settled level, and its chance is that of the forecast."""
    values = steady(14, 200, rough=0.002) + np.linspace(0, 14 * 20 * MIB, 14 * 24)
    row = row_of(samples(values, limit_bytes=560 * MIB))
    assert row["verdict"] == "leak"
    assert row["settled_bytes"] is None
    assert row["over_settled_share"] is None
    assert row["risk_basis"] == "forecast"
    # One rise since the start is a leak by .8: so is what comes of it.
    assert row["oom_probability_7d"] == pytest.approx(0.8, abs=0.005)
    assert row["action"] == Action.FIX_LEAK
    assert row["advised_limit_bytes"] is None
    assert row["limit_at"] == row["window_end"] + dt.timedelta(milliseconds=round(row["hours_to_limit"] * 3_600_000))


def test_pods_that_are_gone_cost_nothing() -> None:
    """Four pods were seen, two of them run: requests, waste and costs count two."""
    old = [samples(steady(7, 150, seed=n), pod=f"old-{n}", request_bytes=256 * MIB) for n in range(2)]
    new = [
        samples(steady(7, 150, seed=n), pod=f"new-{n}", request_bytes=256 * MIB).with_columns(
            time=pl.col("time") + 7 * DAY
        )
        for n in range(2)
    ]
    row = row_of(pl.concat([*old, *new]), prices=rm.Prices(0.005, 40.0))
    assert (row["pods"], row["pods_now"]) == (4, 2)
    assert row["reserved_now_bytes"] == 512 * MIB
    assert row["cost_now_per_month"] == pytest.approx(0.5 * 0.005 * 730.5)


@pytest.mark.filterwarnings("ignore:.*Working set never exceeds")
@pytest.mark.parametrize("value", [0, 1])
def test_a_container_of_zeros_crashes_nothing(value: int) -> None:
    """Beside an ordinary one; a byte gets a size that a container can start in, and zeros are no figures."""
    zeros = samples(np.full(14 * 24, float(value)), workload="zero", pod="zero-0", limit_bytes=64 * MIB)
    found = rm.assess(pl.concat([zeros, samples(steady(14), limit_bytes=512 * MIB)]))
    assert found.workloads.height == 2
    assert rm.limit_risk(found, [16 * MIB])["oom_probability"].is_finite().all()
    assert (found.risk_curves["limit_bytes"] > 0).all()
    row = found.workloads.filter(pl.col("workload") == "zero").row(0, named=True)
    if value:
        assert 16 * MIB <= row["advised_limit_bytes"] <= 64 * MIB
    else:
        assert (row["action"], row["advised_limit_bytes"]) == ("fix_exporter", None)


def test_growth_at_an_unknown_rate_has_no_chance() -> None:
    """Nulls, not a number from nowhere."""
    from rmtoolkit.limits.history import Need
    from rmtoolkit.limits.risk import Scores, risk

    found = risk(Need(growing=True, need_bytes=100 * MIB), 200 * MIB, Scores(np.zeros(0), 0, 0.0))
    assert found.week is found.day is found.month is None
    assert "not at a rate that is known" in found.because


def test_nothing_finite_overflows() -> None:
    """A rise of a week that ended in kills gives no limit and a finite chance."""
    from rmtoolkit.limits.history import Need
    from rmtoolkit.limits.recommend import _limit
    from rmtoolkit.limits.risk import Scores, risk

    need = Need(base_bytes=float(100 * MIB), spread=5.0, need_bytes=100 * MIB, history_seconds=86_400.0)
    scores = Scores(np.array([0.1, 0.2, 1e9]), 3, 0.0)
    assert _limit(need, 0.25, scores) is None
    assert math.isfinite(risk(need, 200 * MIB, scores).week or math.nan)


def test_evidence_names_the_window_and_lives_it_rests_on(everything: dict[str, rm.Assessment]) -> None:
    """What is counted over all lives has the whole window."""
    found = everything["tidy-grouse"]
    row = found.workloads.row(0, named=True)
    kills = found.evidence.filter(pl.col("statistic") == "oom_kills").row(0, named=True)
    assert (kills["start"], kills["end"]) == (row["window_start"], row["window_end"])
    assert kills["lives"] == row["runs"] == 5
    assert kills["estimate"] == row["kills"] == row["runs_killed"] == 4
    shape = found.evidence.filter(pl.col("statistic") == "shape").row(0, named=True)
    assert shape["lives"] == 1


def test_the_action_its_setting_and_its_limit_are_one(everything: dict[str, rm.Assessment]) -> None:
    """Where a limit is to change, sentence, setting and number name the same one; elsewhere no sentence names one."""
    changed = 0
    for found in everything.values():
        row = found.workloads.row(0, named=True)
        if row["action"] in (Action.RAISE_LIMIT, Action.LOWER_LIMIT, Action.SET_LIMIT):
            changed += 1
            assert row["setting"] == f"resources.limits.memory: {row['advised_limit_bytes'] // MIB}Mi"
            assert row["setting"] in row["next_step"]
            assert row["advised_limit_bytes"] != row["limit_bytes"]
        else:
            assert not (row["setting"] or "").startswith("resources.limits")
            assert row["advised_limit_bytes"] in (None, row["limit_bytes"])
    assert changed >= 3


def test_last_time_is_compared() -> None:
    """New, worse and the same; a longer time to the limit is not worse."""
    calm = rm.assess(samples(steady(7), limit_bytes=512 * MIB))
    again = rm.assess(samples(steady(7), limit_bytes=512 * MIB), previous=calm)
    assert again.workloads["change"].to_list() == ["same"]
    values = steady(9, 200, rough=0.002) + np.linspace(0, 9 * 60 * MIB, 9 * 24)
    leak = rm.assess(samples(values, limit_bytes=900 * MIB), previous=calm)
    assert leak.workloads["change"].to_list() == ["worse"]
    assert leak.workloads["previous_verdict"].to_list() == ["not_leak"]
    other = rm.assess(samples(steady(7), workload="other"), previous=calm)
    assert other.workloads["change"].to_list() == ["new"]


def test_the_age_of_the_data_is_counted_by_the_clock_of_the_run() -> None:
    """From the last sample to the time that is given."""
    table = samples(steady(2), limit_bytes=512 * MIB)
    end = dt.datetime.fromtimestamp(int(table["time"].to_numpy().max()), dt.UTC)
    assert row_of(table, now=end + dt.timedelta(hours=5))["data_age_seconds"] == 5 * 3600


def test_a_notebook_shows_what_to_know_and_to_do_of_the_most_urgent() -> None:
    """A row each, in the order of urgency, and the words of the Assessment; more is counted."""
    named = [f"svc-{number:02}" for number in range(31)] + ["<script>alert(1)</script>"]
    times = range(0, 6000, 60)
    level = [pl.DataFrame({"time": times, "workload": name, "rss_bytes": [50 << 20] * 100}) for name in named]
    rising = [pl.DataFrame({"time": times, "workload": "leaky", "rss_bytes": [(50 + at) << 20 for at in range(100)]})]
    found = rm.assess(pl.concat(level + rising))
    shown = found._repr_html_()
    rows = re.findall("<tr>(.*?)</tr>", shown)[1:]
    for row, line in zip(found.workloads.head(30).iter_rows(named=True), rows, strict=True):
        cells = [html.unescape(cell) for cell in re.findall("<td[^>]*>(.*?)</td>", line)]
        assert (cells[0], cells[-1]) == (row["name"], row["next_text"])
    assert "leaky" in rows[0]
    assert found.fleet.sentence in html.unescape(shown)
    assert "and 3 more workloads" in shown
    assert "<script" not in shown
