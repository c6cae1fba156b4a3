from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from msgspec import structs

from rmtoolkit.views import charts as svg
from rmtoolkit.views import timeline
from rmtoolkit.views._plot import text_box
from rmtoolkit.views.charts import Sparks
from rmtoolkit.views.timeline import Curve, Event, Layer

if TYPE_CHECKING:
    from rmtoolkit.assessment import Assessment


MI = 1 << 20
WORKLOADS = ["ledger-api", "indexer", "renderer", "recommender", "query-gateway", "router"]


def _row(assessed: Assessment, workload: str) -> dict[str, Any]:
    return next(row for row in assessed.workloads.iter_rows(named=True) if row["workload"] == workload)


def _draw(assessed: Assessment, workload: str, **changes: object) -> str:
    row = _row(assessed, workload) | changes
    found = timeline.Timelines(assessed).of(row)
    assert found is not None
    return timeline.draw(found, row, "c1", workload)


def _texts(drawn: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawn).iter("text")]  # noqa: S314 - our own output


@pytest.mark.parametrize("workload", WORKLOADS)
def test_charts_are_well_formed_and_closed(assessed: Assessment, workload: str) -> None:
    """A chart is XML, refers to nothing outside itself, and keeps its ids to itself."""
    drawn = _draw(assessed, workload)
    root = ET.fromstring(drawn)  # noqa: S314 - our own output
    assert root.get("role") == "img"
    assert "://" not in drawn
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert all((name or "").startswith("c1-") for name in ids)
    assert set(re.findall(r"url\(#([\w-]+)\)", drawn)) <= ids


@pytest.mark.parametrize("workload", WORKLOADS)
def test_labels_do_not_overlap(assessed: Assessment, workload: str) -> None:
    """No text lies on another text, and none leaves the picture."""
    root = ET.fromstring(_draw(assessed, workload))  # noqa: S314 - our own output
    boxes = []
    for element in root.iter("text"):
        bold = (element.get("class") or "").split(" ")[0] in ("strong", "alarm", "on-live")
        place = float(element.get("x") or 0), float(element.get("y") or 0)
        boxes.append(
            (element.text, text_box(*place, element.text or "", element.get("text-anchor") or "start", bold=bold))
        )
    assert [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)] == []
    outside = [text for text, box in boxes if box.left < -2 or box.right > timeline.WIDTH + 4]
    assert outside == []


def test_a_leak_shows_all_that_explains_it(assessed: Assessment) -> None:
    """Limit, request, now, kill, release, gap, fit, forecast and layers are labelled on the chart."""
    texts = _texts(_draw(assessed, "ledger-api"))
    for label in (
        "limit 512 Mi",
        "request 384 Mi",
        "now, Mon 23 Nov 03:05",
        "working set",
        "fit on live heap: +58.2 Mi/day",
        "reaches the limit in 61 h (54–69 h)",
        "OOM kill 23:35",
        "release 2.14.1 Fri 10:05",
        "no data 1.5 h",
        "live heap 245 Mi +58.2 Mi/day",
    ):
        assert label in texts


def test_a_bounded_memory_shows_its_level(assessed: Assessment) -> None:
    """Retention: layers with their values, a flat live heap and the level that is expected."""
    texts = _texts(_draw(assessed, "query-gateway"))
    assert "live heap 197 Mi flat" in texts
    assert "kept pages 503 Mi" in texts
    assert "expected 794 Mi (787–801)" in texts


def test_a_far_limit_does_not_flatten_the_curve(assessed: Assessment) -> None:
    """A limit many times above the curve is named at the top, and the scale is the curve's."""
    limit = pl.when(pl.col("kind") == "limit").then(64 << 30).otherwise("value_bytes")
    far = assessed.settings.with_columns(value_bytes=limit)
    texts = _texts(_draw(replace(assessed, settings=far), "router"))
    assert "limit 65,536 Mi, above this scale" in texts
    assert "512 Mi" in texts


def test_an_end_of_recording_that_is_not_now_says_so(assessed: Assessment) -> None:
    """A container whose samples end before the others' has a last sample, not a now."""
    samples = assessed.recording.samples
    row = _row(assessed, "router")
    end = samples["time"].max()
    early = samples.filter(
        (pl.col("container_id") != row["container_id"]) | (pl.col("time") < end - pl.duration(hours=12))
    )
    lives = assessed.lives.with_columns(
        end=pl.when(pl.col("container_id") == row["container_id"])
        .then(pl.col("end") - pl.duration(hours=12))
        .otherwise("end"),
    )
    shown = replace(assessed, recording=replace(assessed.recording, samples=early), lives=lives)
    assert any(text.startswith("last sample, ") for text in _texts(_draw(shown, "router")))


@pytest.mark.parametrize("stale", [False, True])
def test_what_ended_days_ago_is_not_called_now(assessed: Assessment, *, stale: bool) -> None:
    """Where the banner says that the data end long before now, no chart calls their end *now*."""
    texts = _texts(_draw(replace(assessed, fleet=replace(assessed.fleet, stale=stale)), "router"))
    assert any(text.startswith("last sample, ") for text in texts) == stale
    assert any(text.startswith("now, ") for text in texts) != stale


def test_kills_stand_at_the_limit(assessed: Assessment) -> None:
    """Every OOM kill is a cross on the plot at the limit in force, and one on the strip."""
    drawn = _draw(assessed, "recommender")
    assert drawn.count('class="kill"') == 2 * 3


def test_many_kills_are_counted(assessed: Assessment) -> None:
    """Where marks stand too close for their words, the last one tells how many there are."""
    row = _row(assessed, "recommender")
    first = assessed.events.filter(container_id=row["container_id"], kind="oom_kill")
    many = pl.concat([first.head(1).with_columns(time=pl.col("time") + pl.duration(hours=at)) for at in range(40)])
    shown = replace(assessed, events=many)
    assert any(text.startswith("40 × OOM kill") for text in _texts(_draw(shown, "recommender")))


def test_descriptions_give_the_figures(assessed: Assessment) -> None:
    """Who cannot see the chart hears its figures."""
    drawn = _draw(assessed, "ledger-api")
    description = next(ET.fromstring(drawn).iter("desc")).text or ""  # noqa: S314 - our own output
    for figure in (
        "peak 511 Mi",
        "live heap 245 Mi",
        "Limit 512 Mi",
        "OOM kill Wed 18 Nov 23:35",
        "+58.2 Mi/day",
        "in 61 h",
    ):
        assert figure in description


def test_hostile_names_stay_text(assessed: Assessment) -> None:
    """A label that looks like markup is text in title, description and labels."""
    hostile = '"><script>alert(1)</script>'
    row = _row(assessed, "ledger-api")
    found = timeline.Timelines(assessed).of(row)
    assert found is not None
    events = tuple(structs.replace(event, words=hostile) for event in found.events)
    drawn = timeline.draw(structs.replace(found, events=events), row, "c1", hostile)
    root = ET.fromstring(drawn)  # noqa: S314 - our own output
    assert not list(root.iter("script"))
    assert any(hostile in (element.text or "") for element in root.iter("text"))


def test_a_spark_marks_a_kill_at_the_limit_then_in_force(assessed: Assessment) -> None:
    """A kill at half of today's limit stands at half of the height."""
    container = _row(assessed, "recommender")["container_id"]
    half = assessed.events.with_columns(limit_bytes=pl.col("limit_bytes") // 2)
    heights = []
    for events in (assessed.events, half):
        drawn = str(Sparks(replace(assessed, events=events), [container]).of(container))
        heights.append({float(y) for y in re.findall(r'class="kill"[^>]*|d="M[\d.]+ ([\d.]+)l6', drawn) if y})
    assert len(heights[0]) == len(heights[1]) == 1
    floor = svg.SPARK_HEIGHT - 1 - 3
    whole, halved = (floor - height.pop() for height in heights)
    assert halved == pytest.approx(whole / 2, abs=0.2)


def test_a_bullet_is_red_where_the_limit_was_reached() -> None:
    """Whether a peak has met its limit is told, not worked out."""
    assert ['class="alarm"' in svg.bullet(99, 100, reached=reached) for reached in (True, False)] == [True, False]


def test_sparks_start_at_zero_and_keep_kills(assessed: Assessment) -> None:
    """A spark is small, closed, says its figures, and marks kills."""
    container = _row(assessed, "recommender")["container_id"]
    drawn = str(Sparks(assessed, [container]).of(container))
    assert len(drawn) < 4000
    assert "limit 512 Mi, 3 OOM kills" in drawn
    assert drawn.count('class="kill"') == 3


@pytest.mark.parametrize(("share", "width"), [(0.0, 0), (0.01, 20), (0.25, 100), (1.0, 200)])
def test_risk_is_on_a_square_root_scale(share: float, width: int) -> None:
    """5 % is readable, and 0 and 1 have their places."""
    assert f'y="5" width="{width}"' in svg.risk_bar(share, 0.05)


def _sawtooth(spikes: bool) -> timeline.Timeline:
    """Memory that rises through its request, or stands below it under spikes, with a fit on it."""
    at = np.arange(0, 960) * 1000
    values = 95 + np.maximum(at % 60_000 - 50_000, 0) / 500 if spikes else 35 + (at % 192_000) / 2000
    pieces = ((at, values * MI),)
    line = Curve("working set", "ink", pieces)
    fit = ((at[[0, -1]], np.array([95.0, 95.0]) * MI),) if spikes else pieces
    requests = ((0, int(at[-1]), (128 if spikes else 64) * MI),)
    now = int(at[-1])
    layer = Layer(line, float(values[-1] * MI))
    return timeline.Timeline(
        0, now, now + 300_000, now > 0, line, None, (layer,), (), requests, (), (), fit, "anonymous memory", None
    )


@pytest.mark.parametrize("spikes", [True, False], ids=["fit under spikes", "request on a rise"])
def test_labels_cover_no_curve(spikes: bool) -> None:
    """The fit's label and that of the request stand where no measured line runs through them."""
    shown = _sawtooth(spikes)
    row = {"verdict": "not_leak", "signal": "anon_bytes", "limit_outlook": "unknown"} | dict.fromkeys(
        (
            "growth_bytes_per_day",
            "growth_low_bytes_per_day",
            "detection_floor_bytes_per_day",
            "hours_to_limit",
            "limit_bytes",
        )
    )
    root = ET.fromstring(timeline.draw(shown, row, "c1", "shop/api"))  # noqa: S314 - our own output
    scales = timeline.Chart(shown, row)
    x, y = scales.x.of(shown.line.pieces[0][0]), scales.y.of(shown.line.pieces[0][1])
    checked = 0
    for element in root.iter("text"):
        written = element.text or ""
        if written.startswith("fit on" if spikes else "request"):
            place = float(element.get("x") or 0), float(element.get("y") or 0)
            box = text_box(*place, written, element.get("text-anchor") or "start", bold=spikes)
            inside = (x > box.left) & (x < box.right) & (y > box.top) & (y < box.bottom)
            assert not inside.any()
            checked += 1
    assert checked == 1


def test_nothing_hangs_over_the_strip(assessed: Assessment) -> None:
    """Marks lie on the strip: nothing of them stands above its edge."""
    assert 'class="tick"' not in _draw(assessed, "ledger-api")


def test_a_kill_is_marked_at_the_limit_in_force() -> None:
    """A kill is marked at the limit that it met, and at the last value where that is unknown or far above."""
    limits = ((0, 5000, 100 * MI), (5000, 900_000, 200 * MI))
    known, unknown = Event(5000, "oom_kill", "OOM kill", 100 * MI), Event(4500, "oom_kill", "OOM kill")
    chart = timeline.Chart(structs.replace(_sawtooth(spikes=False), limits=limits), {})
    assert chart.kill_height(known) == 100 * MI
    last = float(chart.t.line.pieces[0][1][4])
    assert chart.kill_height(unknown) == last
    far = timeline.Chart(structs.replace(chart.t, limits=((0, 900_000, 64 << 30),)), {})
    assert far.kill_height(structs.replace(unknown, limit_bytes=64 << 30)) == last


def test_a_quiet_strip_says_so() -> None:
    """Without an event and without a gap the strip has words instead of marks."""
    shown = structs.replace(_sawtooth(spikes=False), fits=())
    strip = timeline.Chart(shown, {"signal": None}).compose().strip
    assert "no restart, kill, release or gap seen" in [getattr(mark, "written", "") for mark in strip.marks]
