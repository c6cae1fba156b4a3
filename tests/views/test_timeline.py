from __future__ import annotations

import cProfile
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.assessment import assess
from rmtoolkit.recording import Recording
from rmtoolkit.views import _plot, _plot_vega, timeline
from tests.views import timeline_form

if TYPE_CHECKING:
    from rmtoolkit.assessment import Assessment
    from rmtoolkit.views.timeline import Timeline

MI = 1 << 20
START = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def _of(assessed: Assessment, workload: str) -> Timeline:
    row = next(row for row in assessed.workloads.iter_rows(named=True) if row["workload"] == workload)
    found = timeline.Timelines(assessed).of(row)
    assert found is not None
    return found


def _id(assessed: Assessment, workload: str) -> int:
    return int(assessed.workloads.row(by_predicate=pl.col("workload") == workload, named=True)["container_id"])


def _minutes(count: int) -> list[dt.datetime]:
    return [START + dt.timedelta(minutes=at) for at in range(count)]


def _prepare(frame: pl.DataFrame, events: pl.DataFrame | None = None) -> Timeline:
    assessed = assess(Recording.from_frame(frame, events=events))
    found = timeline.Timelines(assessed).of(assessed.workloads.row(0, named=True))
    assert found is not None
    return found


def test_lives_are_never_joined(assessed: Assessment) -> None:
    """Every piece of every curve lies inside one life."""
    found = _of(assessed, "ledger-api")
    lives = assessed.lives.filter(pl.col("container_id") == _id(assessed, "ledger-api"))
    spans = [(start.timestamp() * 1000, end.timestamp() * 1000) for start, end in lives.select("start", "end").rows()]
    curves = [found.line, *(layer.edge for layer in found.layers)]
    for times, _ in (piece for curve in curves for piece in curve.pieces):
        assert any(first <= times[0] and times[-1] <= last for first, last in spans)


def test_a_gap_stays_empty_and_is_told(assessed: Assessment) -> None:
    """No piece crosses a stretch without samples, and the stretch is listed."""
    found = _of(assessed, "ledger-api")
    assert len(found.gaps) == 1
    first, last = found.gaps[0]
    assert 1.3 < (last - first) / 3_600_000 < 1.7
    assert not any(times[0] <= first and times[-1] >= last for times, _ in found.line.pieces)


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=400), st.integers(1, 20))
def test_peaks_survive(values: list[int], bins: int) -> None:
    """However coarse the steps, both extremes and both ends are kept, and no value is invented."""
    times = np.arange(len(values), dtype=np.int64) * 1000
    numbers = np.array(values, dtype=np.float64)
    kept_times, kept = _plot.thin(times, numbers, 0, int(times[-1]), bins)
    assert kept.max() == numbers.max()
    assert kept.min() == numbers.min()
    assert (kept_times[0], kept_times[-1]) == (times[0], times[-1])
    assert all(values[int(time) // 1000] == value for time, value in zip(kept_times, kept, strict=True))
    assert len(kept) <= 2 * bins + 4 or len(kept) == len(values)


def test_layers_lie_on_each_other(assessed: Assessment) -> None:
    """From the bottom: live heap, slack, kept pages, outside, page cache; thicknesses add up to the working set."""
    found = _of(assessed, "ledger-api")
    assert [layer.edge.token for layer in found.layers] == ["live", "slack", "kept", "outside", "cache"]
    samples = assessed.recording.samples.filter(pl.col("container_id") == _id(assessed, "ledger-api"))
    last = samples["working_set_bytes"].drop_nulls()[-1]
    assert sum(layer.last_bytes or 0 for layer in found.layers) == last
    assert found.layers[-1].edge.last_bytes == found.line.last_bytes == last


def test_a_layer_never_falls_below_the_one_under_it() -> None:
    """Where a gauge claims less than the one inside it, its layer is empty, not negative."""
    frame = pl.DataFrame(
        {"time": _minutes(60), "allocated_bytes": 100 * MI, "resident_bytes": 90 * MI, "working_set_bytes": 120 * MI},
    )
    live, kept, cache = _prepare(frame).layers
    assert (live.last_bytes, kept.last_bytes, cache.last_bytes) == (100 * MI, 0, 20 * MI)
    assert kept.edge.peak_bytes == 100 * MI


def test_glibc_keeps_free_chunks() -> None:
    """Without active and resident, kept pages are what the allocator calls free."""
    frame = pl.DataFrame(
        {"time": _minutes(60), "allocated_bytes": 50 * MI, "free_bytes": 30 * MI, "rss_bytes": 90 * MI}
    )
    assert [(layer.edge.token, layer.last_bytes) for layer in _prepare(frame).layers] == [
        ("live", 50 * MI),
        ("kept", 30 * MI),
        ("outside", 10 * MI),
    ]


@pytest.mark.parametrize(
    ("columns", "name", "layers"),
    [
        (["rss_bytes"], "RSS", ["RSS"]),
        (["working_set_bytes", "rss_bytes"], "working set", ["working set"]),
        (["working_set_bytes", "anon_bytes"], "working set", ["anonymous memory", "page cache, kernel"]),
        (["allocated_bytes"], "live heap", ["live heap"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_the_chart_follows_what_is_there(columns: list[str], name: str, layers: list[str]) -> None:
    """The line is the signal nearest the limit; layers are named only where they were measured."""
    found = _prepare(pl.DataFrame({"time": _minutes(60)} | dict.fromkeys(columns, 64 * MI)))
    assert found.line.name == name
    assert [layer.edge.name for layer in found.layers] == layers


def test_a_changed_limit_is_a_step() -> None:
    """A limit that was raised is two stretches, and the change is an event with both amounts."""
    limits = [768 * MI] * 30 + [1024 * MI] * 30
    found = _prepare(pl.DataFrame({"time": _minutes(60), "rss_bytes": 100 * MI, "limit_bytes": limits}))
    assert [value // MI for _, _, value in found.limits] == [768, 1024]
    assert found.limits[0][1] == found.limits[1][0]
    assert [event.words for event in found.events] == ["limit 768 → 1,024 Mi"]


def test_an_unknown_limit_is_not_drawn() -> None:
    """No limit known means no rule, not a rule at zero."""
    assert _prepare(pl.DataFrame({"time": _minutes(60), "rss_bytes": 100 * MI})).limits == ()


def test_a_restart_without_an_event_is_told() -> None:
    """A life that begins for no known reason gets a mark."""
    work = [10 * at for at in range(60)] * 2
    found = _prepare(pl.DataFrame({"time": _minutes(120), "rss_bytes": 100 * MI, "work_total": work}))
    assert [event.kind for event in found.events] == ["restart"]


def test_kills_of_starts_without_a_sample_are_all_marked() -> None:
    """A pod that is killed again and again after its last sample has a mark for each kill, when that happened."""
    kills = [START + dt.timedelta(minutes=120 + at) for at in range(30)]
    events = pl.DataFrame({"time": kills, "kind": "oom_kill"})
    found = _prepare(pl.DataFrame({"time": _minutes(120), "rss_bytes": 100 * MI}), events)
    assert [event.time for event in found.events] == [timeline.ms(at) for at in kills]


def test_events_are_in_order_and_named(assessed: Assessment) -> None:
    """Kills, restarts and releases keep their order and say what they are."""
    assert [event.words for event in _of(assessed, "ledger-api").events] == ["OOM kill", "restart", "release 2.14.1"]


def test_the_future_fits_the_forecast(assessed: Assessment) -> None:
    """The axis reaches past the whole interval of the time to the limit, and always leaves room for labels."""
    reaching, bounded = _of(assessed, "ledger-api"), _of(assessed, "router")
    assert reaching.forecast is not None
    assert reaching.forecast.hit_high is not None
    assert reaching.until > reaching.forecast.hit_high
    assert bounded.until - bounded.now >= 0.3 * (bounded.now - bounded.start)


def test_an_unknown_outlook_has_no_forecast(assessed: Assessment) -> None:
    """Where nothing can be said nothing is drawn."""
    assert _of(assessed, "renderer").forecast is None


def test_a_container_without_memory_has_no_chart(assessed: Assessment) -> None:
    """Only threads were sampled: there is nothing to draw, and no error."""
    samples = assessed.recording.samples
    nothing = samples.with_columns(
        pl.lit(None, dtype=pl.Int64).alias(name) for name in samples.columns if name.endswith("_bytes")
    )
    bare = replace(assessed, recording=replace(assessed.recording, samples=nothing))
    assert timeline.Timelines(bare).of(bare.workloads.row(0, named=True)) is None


def test_a_single_sample_can_be_drawn() -> None:
    """One sample is a point in time with an axis around it."""
    found = _prepare(pl.DataFrame({"time": [START], "rss_bytes": [MI]}))
    assert found.until > found.now == found.start


def test_a_dashboard_has_the_form_that_altair_makes() -> None:
    """What is written down for the browser is what Altair makes now; `python -m tests.views.worked` writes it anew."""
    made = timeline_form.form().to_dict()
    # Each version of Altair names the version of Vega-Lite that it was made for.
    assert {**_plot_vega.spec(), "$schema": made["$schema"]} == made


def test_a_single_sample_is_seen() -> None:
    """One sample is drawn as a dash at its height, in the middle of which it lies."""
    frame = pl.DataFrame({"time": [START], "workload": ["api"], "working_set_bytes": [200 * MI]})
    assessed = assess(Recording.from_frame(frame))
    row = assessed.workloads.row(0, named=True)
    found = timeline.Timelines(assessed).of(row)
    assert found is not None
    chart = timeline.Chart(found, row).compose()
    ((times, values),) = next(mark.pieces for mark in chart.marks if isinstance(mark, _plot.Line))
    first, last = chart.x.of(times)
    assert last - first >= 8
    assert chart.x.back((first + last) / 2) == pytest.approx(found.now, abs=1)
    assert set(values) == {200 * MI}


@pytest.mark.parametrize("rate", [3, 9, 30, 60])
@pytest.mark.parametrize("narrow", [1.0, 0.7])
def test_what_is_said_of_the_future_stands_right_of_the_last_sample(rate: int, narrow: float) -> None:
    """When the limit is reached is written beside the rule of the last sample, never across it."""
    wave = [8 * (-1) ** (at // 40) for at in range(864)]
    used = [int((100 + rate * at / 288 + wave[at]) * MI) for at in range(864)]
    times = [START + dt.timedelta(minutes=5 * at) for at in range(864)]
    frame = pl.DataFrame({"time": times, "workload": "api", "working_set_bytes": used, "limit_bytes": 400 * MI})
    assessed = assess(Recording.from_frame(frame))
    row = assessed.workloads.row(0, named=True)
    found = timeline.Timelines(assessed).of(row)
    assert found is not None
    chart = timeline.Chart(found, row, narrow=narrow).compose()
    for mark in chart.marks:
        if isinstance(mark, _plot.Text) and mark.look == "alarm":
            box = _plot.text_box(mark.x, mark.y, mark.written, mark.anchor, bold=True, narrow=narrow)
            assert chart.now - 3 <= box.left < box.right <= timeline.WIDTH


def test_twice_the_lives_take_no_more_than_twice_the_work_to_draw() -> None:
    """A chart of a service that restarts all day, with a kill at each end, is no wait: its calls grow as lives do."""
    calls = []
    for lives in (40, 80):
        at = np.arange(24 * lives)
        times = 20 * at + 600 * (at // 24)
        kills = pl.DataFrame({"time": times[23::24] + 20, "kind": "oom_kill", "workload": "api", "pod": "api-0"})
        frame = pl.DataFrame({"time": times, "workload": "api", "pod": "api-0", "rss_bytes": (90 + at % 24) * MI})
        assessed = assess(Recording.from_frame(frame, events=kills))
        row = assessed.workloads.row(0, named=True)
        with cProfile.Profile() as profile:
            found = timeline.Timelines(assessed).of(row)
            assert found is not None
            chart = timeline.Chart(found, row).compose()
        assert sum(isinstance(mark, _plot.Point) and mark.look == "kill" for mark in chart.marks) == lives
        calls.append(sum(entry.callcount for entry in profile.getstats()))
    assert calls[1] < 2.2 * calls[0]


def test_kills_that_fall_on_one_px_are_marked_once() -> None:
    """Three kills within a second of a day are one cross, and each is told in the strip."""
    kills = pl.DataFrame({"time": [START + dt.timedelta(hours=9, milliseconds=at) for at in (0, 300, 600)]})
    kills = kills.with_columns(kind=pl.lit("oom_kill"), workload=pl.lit("api"))
    frame = pl.DataFrame({"time": _minutes(1440), "workload": "api", "rss_bytes": 200 * MI, "limit_bytes": 300 * MI})
    assessed = assess(Recording.from_frame(frame, events=kills))
    row = assessed.workloads.row(0, named=True)
    found = timeline.Timelines(assessed).of(row)
    assert found is not None
    chart = timeline.Chart(found, row).compose()
    assert [mark.says for mark in chart.marks if isinstance(mark, _plot.Point) and mark.look == "kill"] == [
        "OOM kill Mon 09:00 UTC"
    ]
    assert any("3 × OOM kill" in mark.written for mark in chart.strip.marks if isinstance(mark, _plot.Text))
