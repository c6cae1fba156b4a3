"""How much of what is held keeps growing: curves of what each function holds, and how they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmtoolkit._tables import conform
from rmtoolkit.exceptions import UnknownWorkloadError
from rmtoolkit.heap._names import CUT_OFF, OWN, STD, SYSTEM, crates, frame_name, plain_name, spoken
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.schema import TEXT, WHOLE, typed
from rmtoolkit.text import texts

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Path = tuple[str, ...]

#: Parts into which a recording is cut; of each the least counts that was held in it.
_PARTS: Final = 32
#: A program that ends gives back more than this share of what it holds, between two pictures.
_ENDS: Final = 0.01
#: ... in so much of its time at most; as threads end in turn so much of what it holds, of that so much before.
_LATE: Final = 1 / 8
_MUCH: Final = 1 / 4
#: Less than this share is hardly anything.
_HARDLY: Final = 0.02
#: With fewer stamps than this the number of events is the better clock.
_FEW_STAMPS: Final = 24
#: So many moments at which nothing was allocated are looked at: they tell that time passes.
_MOST_STAMPS: Final = 4096
#: The first part of a recording counts as startup, and growth is measured after it.
STARTUP: Final = 0.5
#: A growth counts from this share of what was held at most; of massif, which shows no code below 1 %, from this one.
_MATERIAL: Final = 1e-3
_TOLD: Final = 0.02
#: Growth that goes on comes in so many parts, and stands still for no longer than this times its usual pause.
_RISES: Final = 4
_PATIENCE: Final = 3
#: So many pictures show that: the first is where it starts, and what comes in the first quarter is no rise.
FEWEST: Final = _RISES + 2
#: It is more than comes and goes: so many times the root of a number of blocks, or what falls where none are counted.
_BY_CHANCE: Final = 3
#: What has a bound comes in the last quarter at less than this share of the pace of the second, and of the third.
_SLOWER: Final = 0.7
_EVER: Final = 0.85
#: Or in its second half at less than this share of the first.
_LASTS: Final = 0.75
_LASTS_BY_TIME: Final = 0.4
#: Of what a sample has seen: it came before so much of the time had passed, in the mean, and is too much for chance.
_EARLY: Final = 0.4
_TOO_MUCH: Final = 33
#: It has begun when more than this share of it has come.
_BEGUN: Final = 0.1
#: A clock by which the pace changes so many times as much as by the other is not the one that growth goes by.
_UNEVEN: Final = 1.4
#: One container that grows becomes so much larger each time, and waits so much longer; so many times are looked at.
_DOUBLES: Final = (1.5, 2.7)
_WAITS: Final = 3
_STAIRS: Final = 3

#: Readings, the most suspicious first, and what they mean.
READINGS: Final[dict[str, str]] = texts("heap/words")["readings"]
#: Of these more may come.
MOVES: Final = ("grows", "rises", "doubles", "fills")


class Curves(NamedTuple):
    seconds: Floats
    clocks: tuple[Floats, ...]
    size: Floats
    blocks: Floats
    #: The last clock counts what the program did; otherwise it may be that of dumps that come as memory is taken.
    counted: bool = False
    sample_bytes: int = 1
    blocks_told: bool = True
    #: Each group's share of all allocations: of who makes most of them these tell how it grows, not what was done.
    share: Floats = np.zeros(1)


class Readings(NamedTuple):
    reading: NDArray[np.str_]
    growth: Floats
    growth_blocks: Floats
    seconds: Floats
    steadiness: Floats
    held: Floats

    def order(self) -> NDArray[np.int64]:
        places = np.array([list(READINGS).index(name) for name in self.reading], dtype=np.int64)
        return np.lexsort((-self.held, -self.growth, places))


def curves(heap: HeapProfile, of_stack: pl.DataFrame, count: int, *, end: int | None = None) -> Curves | None:
    """Add up what the stacks of each group hold, from the start until the program begins to end."""
    if heap.growth.height < 2:
        return None
    held = heap.growth.with_columns(pl.col("live_bytes", "live_blocks").fill_null(0))
    before = pl.col("live_bytes", "live_blocks").shift(1, fill_value=0).over("stack_id")
    of_stack = of_stack.cast({"stack_id": pl.UInt32})
    changes = held.with_columns(pl.col("live_bytes", "live_blocks") - before).join(of_stack, on="stack_id")
    keys = ["events", "time_seconds"]
    stamps = heap.timeline.gather_every(-(-heap.timeline.height // _MOST_STAMPS) or 1)
    moments = (
        pl.concat(frame.select(keys) for frame in (heap.growth, stamps, heap.timeline.tail(1)))
        .unique()
        .sort(keys)
        .with_columns(moment=pl.int_range(pl.len()))
        .join(heap.timeline.unique(keys, keep="last"), on=keys, how="left", nulls_equal=True, maintain_order="left")
    )
    placed = changes.join(moments, on=keys, nulls_equal=True)
    where = placed["group"].to_numpy().astype(np.int64) * moments.height + placed["moment"].to_numpy()
    size, blocks = (
        np.bincount(where, weights=placed[name].to_numpy().astype(np.float64), minlength=count * moments.height)
        .astype(np.float64)
        .reshape(count, -1)
        for name in ("live_bytes", "live_blocks")
    )
    seconds, events = (moments[name].to_numpy().astype(np.float64) for name in ("time_seconds", "events"))
    # The clock of a profiler that takes long to start runs before the program does.
    begin = 0 if end == ALL else size.any(axis=0).argmax()
    seconds, events = np.maximum(seconds, seconds[begin]), np.maximum(events, events[begin])
    live = moments["live_bytes"].cast(pl.Float64).fill_null(pl.Series(size.sum(axis=0).cumsum())).to_numpy()
    known = heap.summary.allocations is not None
    counted = known and bool(events[-1] >= len(events))
    has_times = len(np.unique(seconds[~np.isnan(seconds)])) >= (_FEW_STAMPS if counted else FEWEST)
    # Where most of what was allocated since the start is kept, events are that growth itself, and not what was done.
    many = blocks.sum(axis=0).cumsum()
    start = len(many) // _PARTS
    top = start + many[start:].argmax()
    is_measure = not (known and has_times) or 2 * (many[top] - many[start]) <= events[top] - events[start]
    idle = (np.diff(events, prepend=0) <= 0) & is_measure
    end = _working(live, size, idle, events if np.isnan(seconds).any() else seconds) if end is None else end
    if min(end, len(events)) < 2:
        return None
    seconds, events = seconds[:end], events[:end]
    size, blocks = (values[:, :end].cumsum(axis=1) for values in (size, blocks))
    told = bool(blocks.any())
    if heap.summary.sampled and not told and len(events) > FEWEST:
        # Each that a sample has seen stands for so many bytes at least.
        blocks = size / heap.summary.sample_bytes
    both = [clock for clock, tells in ((seconds, has_times), (events, is_measure)) if tells]
    clocks = list(map(_from_zero_to_one, both))
    made = heap.stacks.join(of_stack, on="stack_id").select("group", pl.col("allocations").fill_null(0)).to_numpy().T
    share = np.bincount(made[0], made[1], count) / max(made[1].sum(), 1)
    return Curves(seconds, tuple(clocks), size, blocks, counted, heap.summary.sample_bytes, told, share)


def _working(live: Floats, size: Floats, idle: Flags, clock: Floats) -> int:
    """Find where the program begins to end: from there on nothing is done, or memory is given back and hardly taken."""
    rises, falls = size.clip(min=0).sum(axis=0), -size.clip(max=0).sum(axis=0)
    clock = _from_zero_to_one(clock)
    # What is known at more moments than those at which stacks are told apart: how much will still come, and go.
    moves = np.diff(live, prepend=0)
    to_come, to_go = (part[::-1].cumsum()[::-1] for part in (moves.clip(min=0), -moves.clip(max=0)))
    hardly = (len(live) > _PARTS) & (clock > 1 - _LATE) & (to_come < _ENDS * to_go)
    hardly &= live < (1 - _ENDS) * live.max(where=hardly, initial=0)
    ending = ((rises <= 0) & ((falls > 0) | (moves < 0) | idle)) | hardly
    working = np.flatnonzero(~ending)
    end = int(working[-1]) + 1 if len(working) else len(live)
    if len(live) > _PARTS:
        # Its threads may end one after the other: then far more goes than ever before, and less comes than usual.
        top = int(live[:end].argmax())
        lost, before = live[top] - live[end - 1], _fallen(live[None, : top + 1]).max()
        usual = rises[: top + 1].sum() * (clock[end - 1] - clock[top])
        less = rises[top + 1 : end].sum() * clock[top] < _SLOWER * usual
        ends = less and lost > _MUCH * live[top] and before < _MUCH * lost
        return top + 1 if ends and clock[top] > 1 - _LATE else end
    # Between pictures that are far apart a little less is held now and then: it ends where so much has gone.
    gone = falls[end:].cumsum() >= _ENDS * live[end - 1]
    busy = np.flatnonzero(~idle | (falls > 0))
    return end + int(gone.argmax()) if gone.any() else int(busy[-1]) + 1 if len(busy) else len(live)


def _from_zero_to_one(clock: Floats) -> Floats:
    length = clock[-1] - clock[0]
    return (clock - clock[0]) / length if length > 0 else np.linspace(0, 1, len(clock))


def cut(clock: Floats) -> NDArray[np.int64]:
    if len(clock) <= _PARTS:
        return np.arange(len(clock))
    return np.searchsorted(np.minimum((clock * _PARTS).astype(np.int64), _PARTS - 1), np.arange(_PARTS))


def floors(values: Floats, starts: NDArray[np.int64]) -> Floats:
    if len(starts) == values.shape[1]:
        return values
    # What was held when the part began counts as well.
    least = values[:, np.maximum(starts - 1, 0)]
    parts = np.flatnonzero(np.diff(starts, append=values.shape[1]))
    least[:, parts] = np.minimum(least[:, parts], np.minimum.reduceat(values, starts[parts], axis=1))
    return least


def for_good(least: Floats) -> tuple[Floats, Floats]:
    """Tell what is held in each part and never goes away later, and how much comes and goes."""
    # What came since the last fall may go in the next one, as deep as the deepest so far; what a start needs goes once.
    steps = np.diff(least, axis=1)
    again = steps.copy()
    again[np.arange(len(steps)), steps.argmin(axis=1)] = 0
    cycles = _fallen(np.concatenate((np.zeros((len(least), 1)), again.cumsum(axis=1)), axis=1)).max(axis=1)
    kept = np.minimum.accumulate(least[:, ::-1], axis=1)[:, ::-1]
    low = (steps < 0) & (_fallen(least)[:, 1:] >= cycles[:, None] / 2) & (cycles[:, None] > 0)
    last = np.where(low.any(axis=1), low.shape[1] - low[:, ::-1].argmax(axis=1), 0)
    sure = np.maximum(least[:, -1] - cycles, kept[np.arange(len(kept)), last])
    return np.minimum(kept, sure[:, None]), cycles


def _fallen(values: Floats) -> Floats:
    return np.maximum.accumulate(values, axis=1) - values


def _seen(found: Curves) -> Floats:
    """Tell how many of the blocks at the end a sample has seen; of all that are counted, all."""
    many = found.blocks[:, -1].clip(min=1)
    seen: Floats = -many * np.expm1(-found.size[:, -1] / many / max(found.sample_bytes, 1))
    return seen


class _Clocked(NamedTuple):
    growth: Floats
    growth_blocks: Floats
    #: Growth without its largest step, where that is above what comes and goes.
    steady: Floats
    seconds: Floats
    steadiness: Floats
    goes_on: Flags
    slows: Flags
    #: How much of what came in the first half comes in the second, where it is ever less.
    lasts: Floats
    #: How much the pace of the growth changes, over all of it.
    uneven: Floats
    doubles: Flags
    #: One that doubles did so just now: until then it grew, and a recording that ends long after that tells no more.
    lately: Flags


def read_curves(found: Curves) -> Readings:
    """Tell what grows on and on from what fills up, has a bound, or comes and goes."""
    held, seen = found.size[:, -1], _seen(found)
    tells = (found.sample_bytes > 1) & (seen > _TOO_MUCH)
    several = [_by_clock(found, clock, tells) for clock in found.clocks]
    steady = np.array([said.steady for said in several])
    # An idle program grows by time alone, a busy one by its work alone; where something grows by both, only that does.
    both = steady.min(axis=0).max() >= _MATERIAL * found.size.sum(axis=0).max()
    chosen = steady.argmin(axis=0) if both else steady.argmax(axis=0)
    growth, blocks, steady, seconds = (np.choose(chosen, values) for values in list(zip(*several, strict=True))[:4])
    # A machine that has other work to do makes gaps in time, and idling makes gaps in the work: neither is unsteady.
    steadiness = np.array([said.steadiness for said in several], dtype=np.float64).max(axis=0)
    goes_on = np.any([said.goes_on for said in several], axis=0)
    # Stairs by time alone may come of a machine that was busy.
    by_itself = 2 * found.share > 1
    doubles, lately = (np.where(by_itself, *ends) for ends in zip(several[0][-2:], several[-1][-2:], strict=True))
    # By a clock that makes the growth far more uneven than the other does, nothing is told of its pace.
    uneven = np.array([said.uneven for said in several])
    slows = np.all([said.slows for said in several] | (uneven > _UNEVEN * uneven.min(axis=0)), axis=0)
    # Dumps come as memory is taken: by their number what fills up looks even, by what was done or by time it does not.
    lasts = np.where(by_itself | (not found.counted), several[0].lasts, several[-1].lasts)
    slows |= lasts < (_LASTS if found.counted else _LASTS_BY_TIME)
    # Of the few blocks that a sample has seen, more may have come early by chance.
    by_chance = (found.sample_bytes > 1) & ((1 - lasts) * np.sqrt(seen) < _BY_CHANCE * (1 + lasts))
    enough = (_MATERIAL if found.blocks.any() else _TOLD) * found.size.sum(axis=0).max()
    steadily = (steady > _HARDLY * growth) & goes_on & (growth >= enough)
    doubles &= growth >= enough
    said = {"grows": (steadily & ~slows) | (doubles & lately), "doubles": doubles}
    said |= {"rises": steadily & by_chance, "fills": steadily, "grew": growth > 0}
    reading = np.select([*said.values()], [*said], "held")
    return Readings(reading, growth, blocks, seconds, steadiness, held)


def _by_clock(found: Curves, clock: Floats, tells: Flags) -> _Clocked:
    starts = cut(clock)
    parts = len(starts)
    begin = max(int(parts * STARTUP) - 1, 0)
    # Where what came after startup begins to come.
    first = int(starts[min(begin + (len(clock) > parts), parts - 1)])
    least = floors(found.size, starts)
    (kept, cycles), (kept_blocks, cycles_blocks) = for_good(least), for_good(floors(found.blocks, starts))
    growth, blocks = (values[:, -1] - values[:, begin] for values in (kept, kept_blocks))
    rises = np.diff(kept, axis=1)
    after = rises[:, begin:]
    steady, evenly_more = (
        more - _largest_step(values[:, begin:], across=len(clock) > parts)
        for more, values in ((growth, kept), (blocks, kept_blocks))
    )
    goes = -np.diff(found.blocks[:, first:], axis=1).clip(max=0).sum(axis=1)
    many, size = found.blocks[:, -1].clip(min=0), found.size[:, -1]
    # Each that a sample has seen stands for several, and so does its chance.
    several = np.sqrt(many.clip(min=1) / _seen(found).clip(min=1)).clip(min=1) if found.blocks_told else 1
    chance = np.where(
        (goes > blocks) | (after.shape[1] < _RISES) | (several > 1 + _HARDLY),
        _BY_CHANCE * np.sqrt(many) * several,
        0 if parts < _PARTS else 2,
    )
    by_sizes = _BY_CHANCE * size / np.maximum(many, 1) * np.sqrt(np.maximum(many - 1, 0)) * several
    # What hardly ever falls, in so many steps, is no noise.
    moves = np.diff(least[:, begin:], axis=1)
    falls = -moves.clip(max=0).sum(axis=1)
    noisy = (falls > _BEGUN * moves.clip(min=0).sum(axis=1)) | ((after > 0).sum(axis=1) < 2 * _RISES)
    # Where far more came in hardly any more blocks, it is not their number that tells how it goes on.
    more_blocks = (blocks > chance) & (noisy | (2 * blocks * size >= growth * many))
    only_sizes = ~more_blocks & (by_sizes > growth) & noisy
    # A container is one block, whatever it holds; what a sample has seen of many doubles by chance, if it misses any.
    alone = ~more_blocks | (blocks <= _STAIRS) | (not found.blocks_told)
    missed = many * np.exp(-size / np.maximum(many, 1) / found.sample_bytes)
    bound = np.where((found.sample_bytes > 1) & (missed > _HARDLY), by_sizes, 0)
    across = parts < len(clock)
    places = clock if parts == len(clock) else np.linspace(0, 1, parts)
    doubles, last = _double(rises, alone & (growth > bound), across=across), _last(rises, places)
    if across and not found.counted:
        # Of a container that doubles in the last pictures all may lie in one part.
        stairs = np.diff(for_good(found.size)[0], axis=1)
        more = stairs[:, first:].sum(axis=1)
        late = _double(stairs, alone & (more > np.maximum(growth, bound)), across=False)
        growth, steady, doubles = np.where(late, more, growth), np.where(late, more, steady), doubles | late
        last = np.where(late, _last(stairs, clock), last)
    # What wanders is as far up as it was down before.
    bar = np.where(only_sizes & ~doubles, np.inf, cycles if found.blocks.any() else _BY_CHANCE * cycles)
    growth, steady = np.where(growth > bar, growth, 0), np.where(steady > bar, steady, 0)
    # Blocks may come evenly where bytes come as their table doubles.
    by_blocks = np.where(more_blocks & (evenly_more > cycles_blocks), evenly_more * size / many.clip(min=1), 0)
    steady = np.where(growth > 0, np.maximum(steady, by_blocks.clip(max=growth)), 0)
    since = after.shape[1] - np.where((after > 0).any(axis=1), (after > 0).argmax(axis=1), 0)
    steadiness = np.where(growth > 0, (after > 0).sum(axis=1) / np.maximum(since, (after.shape[1] + 1) // 2), 0)
    judged = np.where(more_blocks[:, None], kept_blocks, kept)
    pace = np.diff(judged, axis=1)
    since_start = pace[:, parts // 4 :]
    # Sizes vary: in bytes a rise far below the usual one is none.
    hardly = np.where(more_blocks, 0, _BEGUN * since_start.mean(axis=1)) if since_start.size else np.zeros(len(pace))
    goes_on = _goes_on(since_start > 0) & _goes_on(since_start > hardly[:, None])
    # Of parts without a picture nothing is known.
    told = np.flatnonzero(np.diff(starts, append=len(clock)))
    return _Clocked(
        growth,
        np.maximum(blocks, 0),
        steady,
        np.full(len(growth), found.seconds[-1] - found.seconds[min(first, len(clock) - 1)]),
        steadiness,
        goes_on,
        *_slows(judged[:, told], places[told], 0 if found.counted else _BEGUN, tells),
        np.abs(np.diff(pace, axis=1)).sum(axis=1) / pace.sum(axis=1).clip(min=1),
        doubles,
        last >= 1 - _LATE,
    )


def _largest_step(kept: Floats, *, across: bool) -> Floats:
    """One may lie across two parts, but not across two pictures; one alone is no step of several."""
    steps = np.diff(kept, axis=1)
    if steps.shape[1] < 2:
        return np.zeros(len(kept))
    largest: Floats = (steps[:, 1:] + steps[:, :-1] if across else steps).max(axis=1)
    return largest


def _last(rises: Floats, clock: Floats) -> Floats:
    """Tell when the last rise that counts came."""
    counts = rises > _BEGUN * rises.max(axis=1, keepdims=True)
    return clock[:0:-1][counts[:, ::-1].argmax(axis=1)]


def _goes_on(rises: Flags) -> Flags:
    if not rises.shape[1]:
        # All that was done was done at the start.
        return np.zeros(len(rises), np.bool_)
    often = rises.sum(axis=1)
    span = rises.shape[1] - rises.argmax(axis=1)
    pause = np.where(often > 0, rises[:, ::-1].argmax(axis=1), span)
    usual = (span - pause - 1) / np.maximum(often - 1, 1)
    going: Flags = (often >= _RISES) & (pause <= np.maximum(_PATIENCE * usual, 2))
    return going


def _slows(kept: Floats, clock: Floats, least: float, tells: Flags) -> tuple[Flags, Floats]:
    """Tell whether less came in each quarter, and how much of the first half in the second, where ever less came."""
    parts = kept.shape[1]
    if parts < 4:
        return np.zeros(len(kept), np.bool_), np.ones(len(kept))
    grown = kept - kept[:, :1]
    begin = (grown <= _BEGUN * grown[:, -1:]).sum(axis=1, keepdims=True) - 1
    since = np.where(begin > 0, clock[begin - 1], 2 * clock[0] - clock[1])
    marks = since + (clock[-1] - since) * np.linspace(0, 1, 5)
    at = np.array([np.interp(mark, clock, row) for mark, row in zip(marks, kept, strict=True)])
    first, second, third, fourth = np.diff(at, axis=1).T
    # What comes in bursts has now one more in a quarter and now one less.
    within = (clock[1:] > marks[:, 1:2]) & (clock[:-1] <= marks[:, 2:3])
    bursts = np.diff(kept, axis=1) * within
    burst = bursts.max(axis=1) - bursts.sum(axis=1) / within.sum(axis=1).clip(min=1)
    second_less = (second - burst).clip(min=0)
    slows: Flags = (fourth < _SLOWER * second_less) & (third <= second) & (fourth < _EVER * third)
    soon, late = first + second, third + fourth
    ever_less = (second <= first) & (third <= second) & (late <= 2 * _EVER * second_less)
    # Blocks that a sample sees come by chance more or less in a quarter: the mean of their times tells, but of a burst.
    middle = (first + 3 * second + 5 * third + 7 * fourth) / 8
    early = tells & (middle < _EARLY * (soon + late)) & (fourth < _EVER * second_less)
    return slows | early, np.where(ever_less | early | (late < least * soon), late / soon.clip(min=1), 1)


def _double(rises: Floats, asked: Flags, *, across: bool) -> Flags:
    """Tell which is one container that grows: in stairs, twice as high as the one before and after twice the time."""
    return np.array([one and _is_stairs(row, across=across) for one, row in zip(asked, rises, strict=True)], np.bool_)


def _is_stairs(rises: Floats, *, across: bool) -> bool:
    places = np.flatnonzero(rises > _BEGUN * rises.max())
    # A stair may lie across two parts, but not across two pictures.
    stairs = np.split(places, np.flatnonzero(np.diff(places) > across) + 1)[-_STAIRS:]
    if len(stairs) < _STAIRS:
        return False
    first, second, third = (rises[stair].sum() for stair in stairs)
    least, most = _DOUBLES
    # From nothing to its first size, and from there to twice that, are stairs of one height.
    larger = least <= third / second <= most and 1 / least <= second / first <= most
    waits = [*np.diff([stair[0] for stair in stairs]), len(rises) - 1 - stairs[-1][-1]]
    return bool(larger and all(later <= _WAITS * wait + 1 for wait, later in pairwise(waits)))


#: What a tree can be of, and how that is called.
MEASURES: Final[dict[str, str]] = texts("heap/words")["measures"]
#: Stacks that are told apart; what is smaller is one node.
_STACKS: Final = 4096
_GROWING_STACKS: Final = 1024

#: One row per node, parents first: as wide as its children and what is its own, now or before, and so far right.
TREE: Final = pl.Schema(
    {
        **typed(pl.UInt32(), "node_id parent_id depth"),
        **typed(TEXT, "name file"),
        "line": WHOLE,
        "origin": TEXT,
        "frames": pl.UInt32(),
        **typed(WHOLE, "value before left width"),
    }
)


def measure_of(heap: HeapProfile) -> str:
    return next((name for name in ("growth_bytes", "peak_bytes") if _amounts(heap, name)), "live_bytes")


def tree(
    heap: HeapProfile, by: str | None = None, *, root: str | None = None, before: HeapProfile | None = None
) -> pl.DataFrame:
    by = measure_of(heap) if by is None else by
    profiles = [heap] if before is None else [heap, before]
    plants = [(profile, _amounts(profile, by), which) for which, profile in enumerate(profiles)]
    return _planted(plants, 2, None if root is None else spoken(plain_name(root))).frame(with_before=before is not None)


def _amounts(heap: HeapProfile, by: str) -> dict[int, int]:
    if by != "growth_bytes":
        return dict(heap.stacks.filter(pl.col(by) > 0).select("stack_id", by).iter_rows())
    numbers, found = _curves_of_stacks(heap)
    growth = np.zeros(0) if found is None else read_curves(found).growth
    return {stack: int(more) for stack, more in zip(numbers, growth, strict=False) if more > 0}


def _curves_of_stacks(
    heap: HeapProfile, *, most: int = _GROWING_STACKS, end: int | None = None
) -> tuple[dict[int, int], Curves | None]:
    """Give the curves of the stacks that held most at any time, each with its place; the last is of all others."""
    held = heap.growth.group_by("stack_id").agg(pl.col("live_bytes").max()).filter(pl.col("live_bytes") > 0)
    stacks = held.sort("live_bytes", "stack_id", descending=[True, False]).head(most)["stack_id"].to_list()
    numbers = {stack: place for place, stack in enumerate(stacks)}
    every = heap.stacks.select("stack_id").with_columns(
        group=pl.col("stack_id").replace_strict(numbers, default=len(stacks), return_dtype=pl.Int64)
    )
    return numbers, curves(heap, every, len(stacks) + 1, end=end) if stacks else None


class _Nodes(NamedTuple):
    """The nodes of a tree, level by level: each stands behind its parent."""

    #: Where each level begins, and where the last one ends.
    levels: list[int]
    parents: Integers
    #: Of each node its place in `about`, for how many frames it stands, and its amounts, those below it included.
    places: Integers
    frames: Integers
    values: Integers
    about: list[dict[str, Any]]
    #: At which node each stack ends, by plant.
    ends: list[dict[int, int]]

    def inner(self) -> list[tuple[int, int]]:
        return [*pairwise(self.levels)][1:]

    def add_up(self, amounts: NDArray[Any]) -> None:
        for begin, end in reversed(self.inner()):
            np.add.at(amounts, self.parents[begin:end], amounts[begin:end])

    def own(self) -> Integers:
        own = self.values.copy()
        np.subtract.at(own, self.parents[1:], self.values[1:])
        return own

    def frame(self, *, with_before: bool) -> pl.DataFrame:
        size = np.ones((len(self.parents), 2), np.int64)
        size[:, 1] = self.own().max(axis=1).clip(0)
        self.add_up(size)
        rank, depth = np.zeros_like(size), np.zeros(len(size), np.int64)
        for level, (begin, end) in enumerate(self.inner(), 1):
            order = begin + np.lexsort((-self.values[begin:end].max(axis=1), self.parents[begin:end]))
            above = self.parents[order]
            # What the siblings before it take, with all that is below those.
            before = size[order].cumsum(axis=0) - size[order]
            rank[order] = rank[above] + before - before[np.searchsorted(above, above)]
            rank[order, 0] += 1
            depth[begin:end] = level
        order = np.argsort(rank[:, 0])
        columns = {
            "node_id": np.arange(len(order)),
            "parent_id": rank[self.parents[order], 0],
            "depth": depth[order],
            "frames": self.frames[order],
            "left": rank[order, 1],
            "width": size[order, 1],
            **dict(zip(("value", "before") if with_before else ("value",), self.values[order].T, strict=False)),
        }
        about = pl.DataFrame(self.about, schema={name: TREE[name] for name in ("name", "file", "line", "origin")})
        table = about[self.places[order]].with_columns(**{name: pl.Series(values) for name, values in columns.items()})
        return conform(table.with_columns(parent_id=pl.when(pl.col("depth") > 0).then("parent_id")), TREE)


_Plant: TypeAlias = "tuple[HeapProfile, Mapping[int, int], int]"


def _planted(plants: Sequence[_Plant], columns: int, root: str | None = None) -> _Nodes:
    """Put stacks together, each with its amount in a column; with a root what is below it, wherever it is called."""
    about = [_unnamed("all")]
    begins: dict[int, int] = {}
    paths: list[Integers] = []
    of_rows: list[tuple[int, int, int, int]] = []
    for number, (heap, amounts, column) in enumerate(plants):
        if id(heap) not in begins:
            begins[id(heap)] = len(about)
            about += map(_about, heap.frames.iter_rows(named=True))
        largest = sorted(amounts, key=lambda stack: (-amounts[stack], stack))[:_STACKS]
        paths.append(_paths(heap, largest, about, begins[id(heap)], len(of_rows)))
        of_rows += [(number, stack, amounts[stack], column) for stack in largest]
        if rest := amounts.keys() - set(largest):
            paths.append(np.array([[len(of_rows)], [len(about)], [0]]))
            of_rows.append((number, 0, sum(amounts[stack] for stack in rest), column))
            about.append(_unnamed(f"({len(rest):,} smaller stacks)"))
    rows, places, counts = np.concatenate(paths, axis=1)
    codes: dict[str, int] = {}
    names = np.array([codes.setdefault(one["name"], len(codes)) for one in about])
    through, top = np.arange(len(of_rows)), np.zeros(2, np.int64)
    if root is not None:
        found = np.flatnonzero(names[places] == codes.get(root, -1))
        if not len(found):
            known = dict.fromkeys(about[place]["name"] for place in places)
            raise UnknownWorkloadError.named(root, known, kind="function")
        top = np.array([places[found[0]], counts[found[0]]])
        # Where a function calls itself the outermost counts.
        below = np.arange(len(rows)) > _firsts(rows, found, len(of_rows))[rows]
        through = np.unique(rows[found])
        rows, places, counts = rows[below], places[below], counts[below]
    amounts_of, columns_of = np.array([row[2:] for row in of_rows], np.int64).reshape(-1, 2).T
    lengths = np.bincount(rows, minlength=len(of_rows))
    starts = np.cumsum(lengths) - lengths
    here = np.zeros(len(of_rows), np.int64)
    whole = np.zeros(columns, np.int64)
    np.add.at(whole, columns_of[through], amounts_of[through])
    levels = [0, 1]
    parts: list[tuple[Integers, ...]] = [(np.zeros(1, np.int64), top[:1], top[1:], whole[None])]
    while len(active := np.flatnonzero(lengths >= len(levels) - 1)):
        at = starts[active] + len(levels) - 2
        _, first, which = np.unique(
            here[active] * len(codes) + names[places[at]], return_index=True, return_inverse=True
        )
        # In the order in which stacks come: the first names the file and the line.
        order = np.argsort(first)
        which, first = np.argsort(order)[which], first[order]
        values = np.zeros((len(first), columns), np.int64)
        np.add.at(values, (which, columns_of[active]), amounts_of[active])
        parts.append((here[active][first], places[at][first], counts[at][first], values))
        here[active] = levels[-1] + which
        levels.append(levels[-1] + len(first))
    ends: list[dict[int, int]] = [{} for _ in plants]
    for (number, stack, *_), node in zip(of_rows, here.tolist(), strict=True):
        ends[number][stack] = node
    parents, own_places, frames, values = map(np.concatenate, zip(*parts, strict=True))
    return _Nodes(levels, parents, own_places, frames, values, about, ends)


def _firsts(rows: Integers, found: Integers, count: int) -> Integers:
    first = np.full(count, len(rows))
    np.minimum.at(first, rows[found], found)
    return first


def _paths(heap: HeapProfile, stacks: list[int], about: Sequence[Mapping[str, Any]], begin: int, row: int) -> Integers:
    """Give what is shown of each stack, from the program's own code on: row, first frame, number of frames alike."""
    about = about[begin : begin + heap.frames.height]
    wanted = pl.DataFrame({"stack_id": stacks}, schema={"stack_id": pl.UInt32()})
    lists = wanted.join(heap.stacks.select("stack_id", "frames"), on="stack_id", how="left", maintain_order="left")
    rows = np.repeat(np.arange(len(stacks)), lists["frames"].list.len().to_numpy())
    numbers = lists["frames"].list.reverse().explode(empty_as_null=False).to_numpy()
    order = heap.frames["frame_id"].arg_sort().to_numpy()
    places = order[np.searchsorted(heap.frames["frame_id"].to_numpy()[order], numbers)]
    codes: dict[tuple[str, str], int] = {}
    kinds = np.array([codes.setdefault(_kind(one), len(codes)) for one in about], np.int64)
    is_own = np.array([one["origin"] == OWN for one in about], np.bool_)
    # What runs before the program's own code is left out.
    first = _firsts(rows, np.flatnonzero(is_own[places]), len(stacks))[rows]
    shown = (np.arange(len(rows)) >= first) | (first == len(rows))
    rows, places = rows[shown], places[shown]
    begins = np.flatnonzero((np.diff(rows, prepend=-1) != 0) | (np.diff(kinds[places], prepend=-1) != 0))
    return np.array([rows[begins] + row, places[begins] + begin, np.diff(begins, append=len(rows))], np.int64)


def _unnamed(name: str) -> dict[str, Any]:
    return {"name": name, "file": None, "line": None, "origin": None, "frames": 0}


def _about(row: dict[str, Any]) -> dict[str, Any]:
    told = {column: row[column] for column in ("file", "line", "origin")}
    return {"name": spoken(frame_name(row["function"], row["module"])), **told, "frames": 1}


def _kind(about: Mapping[str, Any]) -> tuple[str, str]:
    """Say what makes neighbours one node: all of Rust and the system, or one dependency; own code by function."""
    origin, name = about["origin"], about["name"]
    if origin in (STD, SYSTEM):
        return STD, ""
    if origin == OWN or origin is None:
        return OWN, name
    roots = crates(name)
    return origin, roots[0] if roots else name


#: Nodes that a page takes along, moments of which it knows what was held, and stacks of which it knows that.
_MOST_NODES: Final = 3000
_MOMENTS: Final = 64
_TIMED_STACKS: Final = 512
#: Longer than any recording: all of it counts, its end too.
ALL: Final = 1 << 60


class CallTree(NamedTuple):
    """Every stack as a node below its caller's, parents first; amounts are a node's own, without those below it."""

    about: list[dict[str, Any]]
    parents: list[int]
    amounts: dict[str, list[int]]
    #: The same of an older profile; empty where there is none.
    before: dict[str, list[int]]
    #: When (None: only the order is known), and what each node held then.
    seconds: list[float | None]
    held: dict[int, Integers]


def call_tree(heap: HeapProfile, measures: Sequence[str], *, before: HeapProfile | None) -> CallTree:
    profiles = [heap] if before is None else [heap, before]
    plants: list[_Plant] = [
        (profile, _amounts(profile, by), which * len(measures) + place)
        for place, by in enumerate(measures)
        for which, profile in enumerate(profiles)
    ]
    seconds: list[float | None] = []
    held: dict[int, Integers] = {}
    numbers, found = _curves_of_stacks(heap, most=_TIMED_STACKS, end=ALL) if before is None else ({}, None)
    if found is not None:
        plants.append((heap, dict.fromkeys(numbers, 0), 0))
    nodes = _planted(plants, len(measures) * len(profiles))
    if found is not None:
        moments = evenly(found.clocks[0], _MOMENTS)
        seconds = [None if np.isnan(second) else float(second) for second in found.seconds[moments]]
        sizes = found.size[:, moments].astype(np.int64)
        # What smaller stacks hold stands for itself below all.
        for stack, node in {**nodes.ends[-1], **({-1: 0} if sizes[-1].any() else {})}.items():
            held[node] = held.get(node, 0) + sizes[numbers.get(stack, len(numbers))]
    return _cut_small(nodes, measures, seconds, held)


def _cut_small(
    nodes: _Nodes, measures: Sequence[str], seconds: list[float | None], held: dict[int, Integers]
) -> CallTree:
    count = len(nodes.parents)
    own = nodes.own()
    most = np.zeros(count)
    most[[*held]] = [curve.max() for curve in held.values()]
    nodes.add_up(most)
    scores = np.column_stack((nodes.values / nodes.values[0].clip(min=1), most / max(most[0], 1))).max(axis=1)
    scores[0] = np.inf
    kept = np.sort(np.lexsort((np.arange(count), -scores))[:_MOST_NODES])
    # Places of those that are kept, and of the nearest one above the others.
    places = np.full(count, -1)
    places[kept] = np.arange(len(kept))
    above = places.copy()
    for begin, end in nodes.inner():
        above[begin:end] = np.where(above[begin:end] < 0, above[nodes.parents[begin:end]], above[begin:end])
    lost = np.flatnonzero(places < 0)
    owners, rests = np.unique(above[lost], return_inverse=True)
    places[lost] = len(kept) + rests
    about = [nodes.about[nodes.places[node]] | {"frames": int(nodes.frames[node])} for node in kept]
    about += [_unnamed("(smaller)") for _ in owners]
    amounts = np.zeros((len(about), own.shape[1]), np.int64)
    np.add.at(amounts, places, own)
    timed: dict[int, Integers] = {}
    for node, curve in held.items():
        timed[int(places[node])] = timed.get(int(places[node]), 0) + curve
    columns = amounts.T.tolist()
    now, then = (dict(zip(measures, part, strict=False)) for part in (columns, columns[len(measures) :]))
    return CallTree(about, [*above[nodes.parents[kept]].tolist(), *owners.tolist()], now, then, seconds, timed)


def evenly(clock: Floats, moments: int) -> NDArray[np.int64]:
    if len(clock) <= moments:
        return np.arange(len(clock))
    ticks = np.searchsorted(clock, np.linspace(0, 1, moments), side="right") - 1
    return np.unique(np.concatenate([[0], ticks, [len(clock) - 1]]).clip(0))


#: So many own functions outwards from the allocation are looked at, and so many groups.
_DEPTH: Final = 5
_LOOKED_AT: Final = 16
#: Where in a path the line of the function stands; what calls it comes behind.
_LINE: Final = 0
#: Paths of one helper that are told apart; the others count as one.
_PATHS: Final = 64
#: Callers with this share of a helper's growth grow; together they must have so much of it ...
_GROWS: Final = 0.15
_TOGETHER: Final = 0.8
#: ... and the callers that do not grow must be so many; one is enough where who grows is itself called by own code.
_OTHERS: Final = 2


def tell_apart(heap: HeapProfile, named: pl.DataFrame, found: Curves, said: Readings) -> pl.DataFrame | None:
    """Name the line of a function, or the callers of a helper, where some of them grow and others do not."""
    wanted = [int(group) for group in said.order()[:_LOOKED_AT]]
    has_own = OWN in heap.frames["origin"]
    # In C without debugging information nothing tells whose code it is; then who calls a dependency says nothing.
    is_mine = pl.col("origin") == OWN if has_own else pl.col("origin").is_null()
    frames = heap.frames.filter(is_mine, ~pl.col("function").str.starts_with("{"))
    own = {row["frame_id"]: row | {"function": plain_name(row["function"])} for row in frames.iter_rows(named=True)}
    closures = {*frames.filter(pl.col("function").str.contains("::{", literal=True))["frame_id"]}
    unknown = set(heap.frames.filter(pl.col("function") == CUT_OFF)["frame_id"])
    nameless = {*heap.frames.filter(pl.col("function").is_null(), pl.col("origin").is_null())["frame_id"]}
    stacks = heap.stacks.select("stack_id", "frames", "live_bytes", "allocations")
    asked = pl.col("group").is_in(wanted) & (has_own | is_mine)
    looked_at = named.filter(asked).join(stacks, on="stack_id", maintain_order="left")
    # Of each stack its own frames, outwards from the allocation; its line and its callers tell it apart in its group.
    outwards: dict[int, list[dict[str, Any]]] = {}
    kinds: dict[int, tuple[int, Path]] = {}
    amounts: dict[tuple[int, Path], tuple[int, int]] = {}
    for row in looked_at.iter_rows(named=True):
        mine = [own[number] for number in row["frames"] if number in own]
        # What only makes memory for it stands before the function.
        begin = next((at for at, frame in enumerate(mine) if frame["function"] == row["function"]), 0)
        mine = outwards[row["stack_id"]] = mine[begin:]
        if mine and row["frames"][-1] not in unknown:
            line = "?" if row["line"] is None else str(row["line"])
            first, *outer = [list(run) for _, run in groupby(mine, key=lambda frame: frame["function"])]
            # What runs a closure, or polls what is async, is none of those that call the function.
            callers = [] if first[-1]["frame_id"] in closures else [run[0]["function"] for run in outer[:_DEPTH]]
            kind = kinds[row["stack_id"]] = row["group"], (line, *callers)
        elif not mine and nameless & {*row["frames"]}:
            # Of a stripped program nothing else tells them apart.
            kind = kinds[row["stack_id"]] = row["group"], (f"stack {row['stack_id']}",)
        else:
            continue
        live, made = amounts.get(kind, (0, 0))
        amounts[kind] = live + (row["live_bytes"] or 0), made + (row["allocations"] or 0)
    if len(kinds) == len({group for group, _ in kinds.values()}):
        return None
    of_group = Counter[int]()
    numbers: dict[tuple[int, Path], int] = {}
    for kind in sorted(amounts, key=amounts.__getitem__, reverse=True):
        of_group[kind[0]] += 1
        if of_group[kind[0]] <= _PATHS:
            numbers[kind] = len(numbers)
    # What is left over has the last number.
    rest = len(numbers)
    rows = {stack: numbers.get(kind, rest) for stack, kind in kinds.items()}
    numbered = named.select("stack_id", group=pl.col("stack_id").replace_strict(rows, default=rest))
    fine = curves(heap, numbered, rest + 1, end=len(found.seconds))
    if fine is None:
        return None
    paths = [path for _, path in numbers]
    chosen: dict[int, int] = {}
    for group in wanted:
        several = [row for (of, _), row in numbers.items() if of == group]
        if len(several) > 1:
            chosen |= _growers(fine, several, paths, _LINE)
    return _renamed(named, rows, chosen, paths, outwards) if chosen else None


def _renamed(
    named: pl.DataFrame,
    rows: Mapping[int, int],
    chosen: Mapping[int, int],
    paths: Sequence[Path],
    outwards: Mapping[int, list[dict[str, Any]]],
) -> pl.DataFrame:
    told = named.sort("stack_id").to_dicts()
    for one in told:
        row = rows.get(one["stack_id"], -1)
        depth = chosen.get(row)
        if depth == _LINE:
            one["spot"] = -one["stack_id"] if one["line"] is None else one["line"]
        elif depth is not None:
            caller = next(frame for frame in outwards[one["stack_id"]] if frame["function"] == paths[row][depth])
            one.update({name: caller[name] for name in ("function", "file", "line")}, through=one["function"])
    return pl.DataFrame(told, schema=named.schema)


def _growers(fine: Curves, rows: list[int], paths: Sequence[Path], depth: int) -> dict[int, int]:
    """Find the rows that grow at a line or through a caller of their own, and how deep in their path that stands."""
    branches: dict[str | None, list[int]] = {}
    for row in rows:
        branches.setdefault(paths[row][depth] if depth < len(paths[row]) else None, []).append(row)
    if len(branches) == 1:
        return {} if None in branches else _growers(fine, rows, paths, depth + 1)
    parts = list(branches.values())
    said = read_parts(fine, parts)
    if depth == _LINE:
        if read_parts(fine, [rows]).reading[0] in MOVES:
            return _growers(fine, rows, paths, depth + 1)
        return {
            row: _LINE for part, reading in zip(parts, said.reading, strict=True) if reading == "grows" for row in part
        }
    growth, held = said.growth, said.held
    whole = growth.sum()
    has_name = np.array([branch is not None for branch in branches])
    grows = (growth > 0) & (growth >= _GROWS * whole) & has_name
    growing = [row for part, one in zip(parts, grows, strict=True) if one for row in part]
    is_inside = all(len(paths[row]) > depth + 1 for row in growing)
    others = (~grows).sum() >= (1 if is_inside else _OTHERS)
    if not grows.any() or growth[grows].sum() < _TOGETHER * whole or not others:
        return {}
    chosen: dict[int, int] = {}
    # Where it is a helper, whoever holds much through it is named too.
    named = grows | ((held >= _GROWS * held.sum()) & has_name)
    for part, caller in zip(parts, named, strict=True):
        if caller:
            deeper = _growers(fine, part, paths, depth + 1) if len(part) > 1 else {}
            # Whoever calls the caller is told apart in the same way; the rest of it is the caller's.
            chosen |= dict.fromkeys(part, depth) | deeper
    return chosen


def read_parts(fine: Curves, parts: list[list[int]]) -> Readings:
    size, blocks, share = (
        np.array([values[part].sum(axis=0) for part in parts]) for values in (fine.size, fine.blocks, fine.share)
    )
    return read_curves(fine._replace(size=size, blocks=blocks, share=share))
