"""How much of what is held keeps growing: curves of what each function holds, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.heap.profile import HeapProfile

    Floats = NDArray[np.float64]


#: Parts into which a recording is cut; growth is that of what never goes away within one.
_PARTS: Final = 32
#: With fewer stamps than this the number of events is the better clock.
_FEW_STAMPS: Final = 24
#: The first part of a recording counts as startup, and growth is measured after it.
_STARTUP: Final = 0.5
#: A growth by both clocks counts from this share of what the program held at most.
_MATERIAL: Final = 1e-3
#: What is left of a growth that came to its end while the program went on working.
_ENDED: Final = 0.02
#: A growth in one step, as of a table that doubles, counts at least so much against one that is steady.
_IN_STEPS: Final = 0.25


class Curves(NamedTuple):
    """What each group holds over time."""

    seconds: Floats
    clocks: tuple[Floats, ...]
    size: Floats
    blocks: Floats


class Readings(NamedTuple):
    """What the curves say, a value per group."""

    growth: Floats
    growth_blocks: Floats
    seconds: Floats
    steadiness: Floats
    persistence: Floats
    jumps: Floats
    held: Floats
    score: Floats


def curves(heap: HeapProfile, of_stack: pl.DataFrame, count: int, *, end: int | None = None) -> Curves | None:
    """Add up what the stacks of each group hold, from the start until the program begins to end."""
    growth = heap.growth
    if growth.height < 2:
        return None
    held = growth.with_columns(pl.col("live_bytes", "live_blocks").fill_null(0))
    before = pl.col("live_bytes", "live_blocks").shift(1, fill_value=0).over("stack_id")
    changes = held.with_columns(pl.col("live_bytes", "live_blocks") - before)
    changes = changes.join(of_stack.cast({"stack_id": pl.UInt32}), on="stack_id")
    moments = (
        pl.concat((growth.select("events", "time_seconds"), heap.timeline.select("events", "time_seconds")))
        .unique()
        .sort("events", "time_seconds")
        .with_columns(moment=pl.int_range(pl.len()))
    )
    placed = changes.join(moments, on=["events", "time_seconds"], nulls_equal=True)
    where = placed["group"].to_numpy().astype(np.int64) * moments.height + placed["moment"].to_numpy()
    size, blocks = (
        np.bincount(where, weights=placed[name].to_numpy().astype(np.float64), minlength=count * moments.height)
        .astype(np.float64)
        .reshape(count, -1)
        for name in ("live_bytes", "live_blocks")
    )
    seconds, events = (moments[name].to_numpy().astype(np.float64) for name in ("time_seconds", "events"))
    end = _working(size, events) if end is None else end
    seconds, events, size, blocks = seconds[:end], events[:end], size[:, :end], blocks[:, :end]
    by_time = [_from_zero_to_one(seconds)] if len(np.unique(seconds[~np.isnan(seconds)])) >= _FEW_STAMPS else []
    clocks = (*by_time, _from_zero_to_one(events))
    return Curves(seconds, clocks, size.cumsum(axis=1), blocks.cumsum(axis=1))


def _working(size: Floats, events: Floats) -> int:
    """Find where the program begins to end: from there on nothing is done, or memory is only given back."""
    grows = (size > 0).any(axis=0)
    falls = (size < 0).any(axis=0)
    idle = np.diff(events, prepend=0) <= 0
    ending = ~grows & (falls | idle)
    working = np.flatnonzero(~ending)
    return int(working[-1]) + 1 if len(working) else len(events)


def _from_zero_to_one(clock: Floats) -> Floats:
    length = clock[-1] - clock[0]
    return (clock - clock[0]) / length if length > 0 else np.linspace(0, 1, len(clock))


def floors(values: Floats, clock: Floats, parts: int) -> Floats:
    """Give the least that each group held within each part of the recording."""
    part = np.minimum((clock * parts).astype(np.int64), parts - 1)
    starts = np.searchsorted(part, np.arange(parts))
    least = np.empty((len(values), parts))
    for number in range(parts):
        begin = starts[number]
        end = starts[number + 1] if number + 1 < parts else values.shape[1]
        # What was held when the part began counts as well.
        least[:, number] = values[:, max(begin - 1, 0) : max(end, begin, 1)].min(axis=1)
    return least


def read_curves(found: Curves) -> Readings:
    """Tell what grows on and on from what was there at startup, has a bound, or comes and goes."""
    several = [_by_clock(found, clock) for clock in found.clocks]
    if len(several) == 1:
        return several[0]
    scores = np.array([said.score for said in several])
    both = scores.min(axis=0).max() >= _MATERIAL * found.size.sum(axis=0).max()
    chosen = scores.argmin(axis=0) if both else scores.argmax(axis=0)
    read = Readings(*(np.choose(chosen, values) for values in zip(*several, strict=True)))
    # A machine that has other work to do makes gaps in time, and idling makes gaps in the work: neither is unsteady.
    steadiest = np.array([said.steadiness for said in several], dtype=np.float64).max(axis=0)
    return read._replace(steadiness=steadiest)


def _by_clock(found: Curves, clock: Floats) -> Readings:
    parts = min(_PARTS, max(len(clock) - 1, 2))
    least, least_blocks = (floors(values, clock, parts) for values in (found.size, found.blocks))
    begin = int(parts * _STARTUP) - 1 if parts > 3 else 0
    middle = (begin + parts) // 2
    growth = np.maximum(least[:, -1] - least[:, begin], 0)
    late = np.maximum(least[:, -1] - least[:, middle], 0)
    persistence = np.where(growth > 0, np.minimum(late / np.maximum(growth - late, 1), 1), 0)
    rises = np.diff(least, axis=1) > 0
    after = rises[:, begin:]
    since = after.shape[1] - np.where(after.any(axis=1), after.argmax(axis=1), 0)
    steadiness = after.sum(axis=1) / np.maximum(since, (after.shape[1] + 1) // 2)
    # A growth that slows down over the whole recording fills something up.
    quarter = max(begin // 2, 0)
    before = np.maximum(least[:, begin] - least[:, quarter], 0) / max(begin - quarter, 1)
    slowing = np.where(before > 0, np.minimum(growth / (parts - 1 - begin) / np.maximum(before, 1e-9), 1), 1)
    score = growth * (_IN_STEPS + (1 - _IN_STEPS) * steadiness) * (_ENDED + (1 - _ENDED) * persistence) * slowing
    first = np.searchsorted(clock, (begin + 1) / parts)
    seconds = found.seconds[-1] - found.seconds[min(int(first), len(found.seconds) - 1)]
    return Readings(
        growth,
        np.maximum(least_blocks[:, -1] - least_blocks[:, begin], 0),
        np.full(len(growth), seconds),
        steadiness,
        persistence,
        rises.sum(axis=1).astype(np.float64),
        found.size[:, -1],
        score,
    )
