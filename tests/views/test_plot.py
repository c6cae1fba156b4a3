from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.views import _plot, _plot_svg
from rmtoolkit.views import _plot_vega as timeline_chart
from rmtoolkit.views._plot import Area, Bar, Box, Grows, Line, Plot, Point, Rule, Scale
from rmtoolkit.views._plot_vega import Slot

MI = 1 << 20


@given(st.lists(st.floats(0, 200), min_size=1, max_size=8).map(sorted))
def test_labels_are_spread(wanted: list[float]) -> None:
    """Labels keep their order, their distance and, where there is room, their bounds."""
    placed = _plot.spread(wanted, 15, 0, 200)
    assert all(second - first >= 15 - 1e-6 for first, second in pairwise(placed))
    assert placed[0] >= -1e-6
    assert placed[-1] <= 200 + 1e-6


def test_data_that_lack_for_long_end_a_line() -> None:
    """A step of three usual steps and a half is one with a late scrape in it; a longer one is a gap."""
    steps = np.array([2000, 2000, 7000, 2000, 2000, 7001, 2000])
    times = np.concatenate([[0], steps.cumsum()])
    assert _plot.stretches(times, np.zeros(len(times), dtype=np.int64)) == [(0, 6), (6, 8)]
    assert _plot.stretches(times, (times > 2000).astype(np.int64)) == [(0, 2), (2, 6), (6, 8)]


def test_labels_with_room_stay_where_they_are() -> None:
    """What does not touch is not moved."""
    assert _plot.spread([10, 50, 90], 15, 0, 100) == [10, 50, 90]


@given(st.floats(1, 1e15))
def test_memory_ticks_are_few_and_inside(top: float) -> None:
    """Any axis has three to seven ticks from 0 on, none above its end, the unit on the last only."""
    values, labels = map(list, zip(*_plot.memory_ticks(top), strict=True))
    assert 3 <= len(values) <= 7
    assert values[0] == 0
    assert values[-1] <= top
    assert [label for label in labels if " " in label] == [labels[-1]]


@pytest.mark.parametrize(
    ("top", "labels"),
    [
        (640 * MI, ["0", "128", "256", "384", "512", "640 Mi"]),
        (3.1 * MI, ["0", "0.5", "1", "1.5", "2", "2.5", "3 Mi"]),
        (40 << 30, ["0", "8", "16", "24", "32", "40 GiB"]),
    ],
    ids=["service", "tiny", "huge"],
)
def test_memory_ticks_are_round(top: float, labels: list[str]) -> None:
    """Ticks are multiples of a power of two."""
    assert [label for _, label in _plot.memory_ticks(top)] == labels


@given(st.integers(0, 4_000_000_000_000), st.integers(1_000, 10**11))
def test_time_ticks_keep_apart(start: int, span: int) -> None:
    """Whatever the span, labels stand at least 78 px apart and inside the axis."""
    ticks = [time for time, _ in _plot.time_ticks(start, start + span, 1000)]
    assert all(start <= time <= start + span for time in ticks)
    assert all((second - first) * 1000 / span >= 78 for first, second in pairwise(ticks))


@pytest.mark.parametrize(
    ("span", "first"),
    [(60_000, "00:00:05"), (3_600_000, "00:05"), (86_400_000, "02:00"), (7 * 86_400_000, "Fri 2 Jan")],
    ids=["minute", "hour", "day", "week"],
)
def test_time_ticks_name_what_changes(span: int, first: str) -> None:
    """Seconds, minutes, hours or days, as the span needs; midnight is its day."""
    ticks = _plot.time_ticks(0, span, 1000)
    assert ticks[0][0] == 0
    assert [written for _, written in ticks[:2]] == ["Thu 1 Jan", first]


def test_a_label_finds_the_first_free_place() -> None:
    """A place that is taken or outside is passed over; without any place nothing is taken."""
    plot = _plot.Plot(_plot.PX, _plot.PX, _plot.Box(0, 0, 100, 40))
    wanted = [_plot.Box(90, 0, 120, 10), _plot.Box(0, 0, 30, 10), _plot.Box(0, 20, 30, 30)]
    assert [plot.free(wanted) for _ in range(3)] == [1, 2, None]


@given(st.floats(1, 1e6), st.floats(1.5, 1e3), st.sampled_from(Grows), st.floats(0, 1))
def test_scales_go_both_ways(low: float, times: float, grows: Grows, share: float) -> None:
    """Whatever a scale turns into px comes back, and both ends stand where they should."""
    ends = (0.0, 1.0) if grows is Grows.AS_ROOT else (low, low * times)
    scale = Scale(*ends, 50, 350, grows)
    value = ends[0] + share * (ends[1] - ends[0])
    assert (scale.at(ends[0]), scale.at(ends[1])) == pytest.approx((50, 350))
    assert scale.back(scale.at(value)) == pytest.approx(value, abs=1e-6 * ends[1])


def _plotted() -> Plot:
    return Plot(Scale(0, 100, 0, 100), Scale(0, 100, 100, 0), Box(0, 0, 100, 100))


def test_an_area_lies_where_both_edges_are_known() -> None:
    """The lower edge begins later and pauses: nothing is drawn where it is unknown, and no edge crosses another."""
    upper = ((np.array([0, 50, 100]), np.array([10.0, 20.0, 30.0])),)
    lower = ((np.array([20, 40]), np.array([5.0, 17.0])), (np.array([60, 90]), np.array([5.0, 50.0])))
    found = list(Area("live", upper, lower).columns())
    assert [(x[0], x[-1]) for x, *_ in found] == [(20, 40), (60, 90)]
    assert found[0][2].tolist() == [14.0, 18.0]
    assert all((low <= high).all() for _, low, high in found)


def test_marks_are_painted_by_their_looks_whatever_was_added_first() -> None:
    """Layers below lines, lines below crosses, text above all."""
    plot = _plotted()
    piece = (np.array([0, 100]), np.array([10.0, 20.0]))
    plot.write(50, 50, "middle", "a < b")
    plot.add(Point("kill", 50, 50), Line("line", (piece,)), Area("cache", (piece,)))
    drawn = _plot_svg.picture(100, 100, plot, says="a < b")
    assert re.findall(r"<(path|circle|text)", drawn) == ["path", "path", "circle", "text"]
    assert "a < b" not in drawn


def test_the_same_marks_are_written_twice() -> None:
    """What SVG draws at px, the rows of Altair hold as values: instant, height, colour, words."""
    plot = _plotted()
    plot.add(Rule("limit", 0, 100, 60, 60, "limit 60"), Bar("hatch", 10, 20, 0, 5, "no data"))
    assert '<line x1="0" x2="100" y1="40" y2="40" class="limit"><title>limit 60</title></line>' in _plot_svg.picture(
        100, 100, plot, says="one"
    )
    rows = Slot("rules", Rule, ("limit",)).rows(plot, _plot.LIGHT)
    assert rows == [(0, 100, 60, 60, _plot.LIGHT["ink"], 2, 0, "limit 60")]


def test_altair_paints_in_the_order_of_the_looks() -> None:
    """Data sets of the timeline stand in the order in which SVG paints their marks."""
    order = list(_plot.LOOKS)
    depths = [order.index(look) for slot in timeline_chart.PLOT for look in slot.looks]
    assert depths == sorted(depths)


@pytest.mark.parametrize("right", [60, 160, 250, 300, 340])
@pytest.mark.parametrize("high", [14, 40, 100, 150, 175, 192, 204])
def test_a_point_is_named_beside_neighbours_and_a_rule(right: int, high: int) -> None:
    """Wherever it lies: what matters most is named first, and near rules, ends and neighbours a place is left."""
    plot = Plot(_plot.PX, _plot.PX, Box(50, 0, 372, 206))
    plot.take(
        Box(50, 167, 372, 169), *(Box(right + far - 6, high - 6, right + far + 6, high + 6) for far in (-8, 0, 17))
    )
    assert plot.name((right, high), "256 Mi: 1.1 % (.4–5)", "strong")


def test_a_label_covers_no_curve_where_it_can() -> None:
    """Beside a point on a rising line the label stands off the line."""
    plot = Plot(Scale(0, 100, 0, 400), Scale(0, 100, 400, 0), Box(0, 0, 400, 400))
    plot.add(Line("curve", ((np.array([0, 100]), np.array([0.0, 100.0])),)))
    assert plot.name(plot.mark("ink", 50, 50), "ours 488 Mi")
    label = plot.marks[-1]
    assert isinstance(label, _plot.Text)
    box = _plot.text_box(label.x, label.y, label.written, label.anchor)
    along = np.arange(0, 400.0)
    inside = (along > box.left) & (along < box.right) & (400 - along > box.top) & (400 - along < box.bottom)
    assert not inside.any()
