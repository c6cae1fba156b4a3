from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.views import layout

MI = 1 << 20


@given(st.lists(st.floats(0, 200), min_size=1, max_size=8).map(sorted))
def test_labels_are_spread(wanted: list[float]) -> None:
    """Labels keep their order, their distance and, where there is room, their bounds."""
    placed = layout.spread(wanted, 15, 0, 200)
    assert all(second - first >= 15 - 1e-6 for first, second in pairwise(placed))
    assert placed[0] >= -1e-6
    assert placed[-1] <= 200 + 1e-6


def test_labels_with_room_stay_where_they_are() -> None:
    """What does not touch is not moved."""
    assert layout.spread([10, 50, 90], 15, 0, 100) == [10, 50, 90]


@given(st.floats(1, 1e15))
def test_memory_ticks_are_few_and_inside(top: float) -> None:
    """Any axis has three to seven ticks from 0 on, none above its end, the unit on the last only."""
    values, labels = layout.memory_ticks(top)
    assert 3 <= len(values) <= 7
    assert values[0] == 0
    assert values[-1] <= top
    assert [label for label in labels if " " in label] == labels[-1:]


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
    assert layout.memory_ticks(top)[1] == labels


@given(st.integers(0, 4_000_000_000_000), st.integers(1_000, 10**11))
def test_time_ticks_keep_apart(start: int, span: int) -> None:
    """Whatever the span, labels stand at least 78 px apart and inside the axis."""
    ticks = [time for time, _ in layout.time_ticks(start, start + span, 1000)]
    assert all(start <= time <= start + span for time in ticks)
    assert all((second - first) * 1000 / span >= 78 for first, second in pairwise(ticks))


@pytest.mark.parametrize(
    ("span", "first"),
    [(60_000, "00:00:05"), (3_600_000, "00:05"), (86_400_000, "02:00"), (7 * 86_400_000, "Fri 2 Jan")],
    ids=["minute", "hour", "day", "week"],
)
def test_time_ticks_name_what_changes(span: int, first: str) -> None:
    """Seconds, minutes, hours or days, as the span needs; midnight is its day."""
    ticks = layout.time_ticks(0, span, 1000)
    assert ticks[0] == (0, "Thu 1 Jan")
    assert ticks[1][1] == first


def test_a_label_finds_the_first_free_place() -> None:
    """A place that is taken or outside is passed over; without any place nothing is taken."""
    labels = layout.Labels(layout.Box(0, 0, 100, 40))
    wanted = [layout.Box(90, 0, 120, 10), layout.Box(0, 0, 30, 10), layout.Box(0, 20, 30, 30)]
    assert [labels.first_free(wanted) for _ in range(3)] == [1, 2, None]
