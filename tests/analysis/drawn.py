"""Lives and workloads drawn by lot, most of their figures exactly at the turns that decide, and what is said of each.

``python -m tests.analysis.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import datetime as dt
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from msgspec import structs

from rmtoolkit._tables import PARTS, edges, last_layers
from rmtoolkit.analysis import patterns, signals, words
from rmtoolkit.analysis.around import Seen, clause_of, look_around
from rmtoolkit.analysis.assess import assess_lifetime, pool_lives
from rmtoolkit.analysis.judge import Assessed, Instance
from rmtoolkit.analysis.models import Family
from rmtoolkit.analysis.records import HeapKind, HeapReading, Layer, Level, Life, Opinion, Reading, Rejected, Suspect
from rmtoolkit.schema import Cause, Ending, Pattern, Signal, Verdict
from tests.analysis.curves import BEGIN, MI
from tests.written import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Shares and ratios at which something turns; written here, so that a threshold that moves does not take them along.
TURNS: Final = (
    *(0.0, 0.004, 0.02, 0.05, 0.08, 0.1, 0.12, 0.125, 0.15, 0.2, 0.21, 0.25, 0.28, 0.3, 0.35, 0.42, 0.45, 0.5, 0.6),
    *(0.7, 0.75, 0.8, 0.81, 0.84, 0.85, 0.9, 0.95, 0.955, 0.985, 1.0, 1.1, 1.15, 1.25, 1.5, 1.8, 2.0, 2.2, 2.5, 3.0),
)
LOW: Final = tuple(turn for turn in TURNS if turn <= 1)
LEVEL: Final = 1000 * MI
#: What is read of growth that nothing speaks against, and of it the shares of the level.
STEADY: Final[dict[str, Any]] = {
    "growing": 0.95,
    "bounded": 0.03,
    "unresolved": 0.02,
    "fresh": 0.01,
    "family": Family.LINEAR,
    "last_third": 1.0,
    "tail": 1.0,
    "between": None,
    "straight": 1.0,
    "begun_at": 0.3,
    "rest": 0.05,
    "unrested": 0.0,
    "onset": 0.0,
    "stepped": 0.0,
    "earlier_bursts": 0,
}
STEADY_BYTES: Final = {"growth_per_day": 0.5, "growth_error_per_day": 0.02, "floor_per_day": 0.05, "mean_rise": 0.5}
#: Nested: each counts what stands before it, and more.
NESTED: Final = (Signal.ALLOCATED, Signal.ACTIVE, Signal.RESIDENT, Signal.ANON, Signal.RSS, Signal.WORKING_SET)
BESIDE: Final = (Signal.SHMEM, Signal.KERNEL, Signal.FILE, Signal.FILE_MAPPED, Signal.SOCK, Signal.FREE)
COUNTS: Final = (Signal.THREADS, Signal.TASKS, Signal.DESCRIPTORS, Signal.QUEUED, Signal.SERIES)
HOURS: Final = (2.0, 7.0, 24.0, 57.6, 96.0, 200.0)
SAMPLES: Final = (8, 23, 24, 71, 72, 95, 96, 300, 599, 600)


class _Lot(Random):
    """A lot that is repeated with its seed, in which so many signals grow, and as many rest."""

    grows = 0.1


def _chances(lot: _Lot) -> tuple[float, float, float]:
    """Three that sum to 1."""
    if lot.random() < (0.6 if lot.grows else 0.9):
        return lot.choice(((0.0, 1.0, 0.0), (0.0, 0.9, 0.1), (0.1, 0.9, 0.0)))
    first = lot.choice((0.0, 0.1, 0.3, 0.5, 0.55, 0.7, 0.75, 0.9, 1.0))
    second = (1 - first) * lot.choice((0.0, 0.0, 0.2, 0.5, 0.6, 1.0))
    three = [first, second, 1 - first - second]
    lot.shuffle(three)
    return three[0], three[1], three[2]


def _level(lot: _Lot, signal: Signal, settled: float, end: float) -> dict[str, Any]:
    early = settled * lot.choice((0.2, 0.5, 0.75, 0.9, 0.98, 1.0, 1.0, 1.25))
    return {
        "signal": signal,
        "samples": lot.choice(SAMPLES),
        "first_level": early * lot.choice((0.5, 0.9, 1.0)),
        "early_level": early,
        "middle_level": lot.choice((early, settled, (early + settled) / 2, end)),
        "end_level": end,
        "top": max(end, settled) * lot.choice((1.0, 1.1, 1.25)),
        "settled": settled,
        "begun": early * lot.choice((0.5, 0.9, 1.0)),
        "early_peak": max(early, settled) * lot.choice((1.0, 1.0, 1.1, 1.25, 1.5, 3.0)),
        "late_peak": max(end, settled) * lot.choice((1.0, 1.0, 1.1, 1.15, 1.25, 2.0)),
    }


def _reading(lot: _Lot, level: dict[str, Any]) -> Reading:
    growing, bounded, unresolved = _chances(lot)
    settled, growth = level["settled"], lot.choice(TURNS) * lot.choice((1, 1, 1, -1))
    floor = lot.choice((0.02, 0.1, 0.5, growth)) * settled
    teeth = lot.choice((0, 0, 0, 0, 0, 0, 1, 3, 4, 16))
    values: dict[str, Any] = level | {
        "growing": growing,
        "bounded": bounded,
        "unresolved": unresolved,
        "fresh": unresolved * lot.choice((0.0, 0.5, 1.0)),
        "family": lot.choice(tuple(Family)),
        "bounded_family": lot.choice(tuple(Family)[:12]),
        "stepped": lot.choice((0.0, 0.1, 0.5, 0.6, 1.0)),
        "periodic": lot.choice((0.0, 0.0, 0.5, 0.6)),
        "load_share": lot.choice((0.0, 0.0, 0.0, 0.5, 0.9)),
        "growth_per_day": growth * settled,
        "growth_error_per_day": abs(growth) * settled * lot.choice((0.01, 0.1, 1 / 2.74, 1.0)),
        "growth_error_up_per_day": abs(growth) * settled * lot.choice((0.01, 0.1, 2.0)),
        "floor_per_day": abs(floor),
        "onset": lot.choice((0.0, 0.0, 0.15, 0.3, 0.8)),
        "noise": settled * lot.choice((0.0, 0.001, 0.005, 0.02)),
        "mean_rise": settled * lot.choice((-0.1, 0.0, 0.0, 0.006, 0.015, 0.02, 0.05, 0.1, 0.3, 0.6)),
        "last_third": lot.choice(TURNS),
        "tail": lot.choice((None, 0.0, 0.1, 0.2, 0.75, 0.8, 2.2, 2.5)),
        "between": lot.choice((None, None, 0.0, 0.1, 0.2, 0.35, 1.0)),
        "begun_at": lot.choice((0.0, 0.1, 0.25, 0.5, 0.81, 0.9)),
        "rest": lot.choice((0.0, 0.1, 0.21, 0.3, 0.7, 0.9)),
        "unrested": lot.choice((0.0, 0.0, 0.1, 0.5)),
        "straight": lot.choice((0.0, 0.5, 0.84, 1.0, 1.5, float("inf"))),
        "bend_noise": lot.choice((0.0, 0.15, 0.5)),
        "teeth": teeth,
        "trough": lot.choice((0.2, 0.35, 0.6, 1.0)),
        "floor_trend": lot.choice((-0.5, 0.0, 0.3, 0.6, 0.7, 0.75, 0.8, 1.0)),
        "top_trend": lot.choice((0.0, 0.8, 0.9)),
        "top_rise": settled * lot.choice((0.0, 0.04, 0.1)),
        "repeats": lot.choice((0.0, 0.3, 0.5, 0.95, 1.0, 1.8, 2.0)),
        "high_share": lot.choice((0.02, 0.15, 0.3, 0.4, 0.45, 0.6)),
        "flutter": settled * lot.choice((0.0, 0.0, 0.1, 0.2, 0.3)),
        "bursts": lot.choice((0, 0, 1, 2, 4, 9)),
        "earlier_bursts": lot.choice((0, 0, 1, 2, 4)),
        "rhythm": lot.choice((0.05, 0.15, 0.5, float("inf"))),
        "period": lot.choice((0.0, 0.1, 0.25, 0.4, 0.5)),
        "late_low": level["begun"] / 2,
        "depth": settled * lot.choice((0.0, 0.01, 0.06, 0.1, 0.3)),
        "jump": settled * lot.choice((0.0, 0.0, 0.05, 0.08, 0.2, -0.2)),
        "jump_at": lot.choice((0.05, 0.08, 0.3, 0.95)),
        "swing": settled * lot.choice((0.0, 0.05, 0.08, 0.3, 0.6)),
        "rise": settled * lot.choice((0.0, 0.05, 0.1, 0.3)),
        "floor_rise": settled * lot.choice((-0.1, -0.03, 0.0, 0.02, 0.05, 0.2)),
    }
    if lot.random() < lot.grows:
        values |= STEADY | {name: settled * value for name, value in STEADY_BYTES.items()}
        values |= {"floor_trend": 1.0 if teeth else 0.0}
    return Reading(**values)


def _others(lot: _Lot, whole: float) -> Iterator[dict[str, Any]]:
    """Parts of the whole that are counted by themselves, and what is counted one by one."""
    for name in BESIDE:
        if lot.random() < 0.25:
            part = whole * lot.choice((0.05, 0.25, 0.5))
            yield _level(lot, name, part, part * lot.choice((1.0, 1.1, 2.0)))
    for name in COUNTS:
        if lot.random() < 0.2:
            some = lot.choice((2.0, 15.0, 16.0, 64.0, 400.0, 20_000.0))
            yield _level(lot, name, some, some + lot.choice((0.0, 1.0, 3.0, 10.0, 0.2 * some, some)))


def _signals(lot: _Lot) -> tuple[dict[Signal, Reading], dict[Signal, Level]]:
    """Some signals of a life, those within others smaller than these."""
    first = lot.randrange(len(NESTED))
    chosen = [name for name in NESTED[first:] if lot.random() < 0.6] or [Signal.RSS]
    settled = end = LEVEL * lot.choice((0.1, 0.5, 1.0))
    drawn: list[dict[str, Any]] = []
    for name in chosen:
        drawn.append(_level(lot, name, settled, end))
        settled += LEVEL * lot.choice((0.0, 0.02, 0.1, 0.25, 0.5, 1.0))
        end = settled + LEVEL * lot.choice((0.0, 0.0, 0.02, 0.1, 0.25))
    drawn += _others(lot, end)
    if lot.random() < 0.3:
        drawn.append(_level(lot, Signal.USAGE, end * 1.1, end * 1.1))
    shows = Signal.WORKING_SET if Signal.WORKING_SET in chosen else chosen[-1]
    if shows not in (Signal.ALLOCATED, Signal.ACTIVE, Signal.RESIDENT):
        found = next(one for one in drawn if one["signal"] == shows)
        drawn.append(found | {"signal": Signal.FOOTPRINT})
    readings = {one["signal"]: _reading(lot, one) for one in drawn}
    levels: dict[Signal, Level] = dict(readings)
    for name, most in ((Signal.WORK, 1e6), (Signal.LOAD, 50.0), (Signal.PSI_SOME, 9e3), (Signal.PSI_FULL, 9e3)):
        if lot.random() < 0.15:
            levels[name] = Level(**_level(lot, name, most * lot.choice((0.1, 0.5)), most * lot.choice((0.0, 0.5, 1.0))))
    if lot.random() < 0.2:
        levels[Signal.REFAULTS] = Level(**_level(lot, Signal.REFAULTS, 1e5, lot.choice((1e5, 1e6, 1e8))))
    if lot.random() < 0.2:
        levels[Signal.PEAK] = Level(**_level(lot, Signal.PEAK, end, end * lot.choice((1.0, 1.005, 1.5))))
    return readings, levels


def _life(lot: _Lot, row: int, container: int, start: float, whole: Level | None, **about: Any) -> Life:
    hours = lot.choice(HOURS)
    begin = BEGIN + dt.timedelta(hours=start)
    peak = None if whole is None else int(max(whole.early_peak, whole.late_peak))
    return Life(
        row=row,
        container_id=container,
        start=begin,
        end=begin + dt.timedelta(hours=hours),
        samples=lot.choice(SAMPLES),
        startup_peak_bytes=None if whole is None else int(whole.early_peak),
        startup_seconds=600.0,
        settled_bytes=None if whole is None else int(whole.settled),
        peak_bytes=peak,
        last_bytes=None if whole is None else int(whole.end_level),
        hashed=False,
        **about,
    )


def _opinion(lot: _Lot, row: int, container: int, start: float, version: str | None, ended: Ending) -> Opinion:
    readings, levels = _signals(lot)
    if lot.random() < 0.1:
        readings, levels = {}, {}
    whole = levels.get(Signal.FOOTPRINT)
    end = whole.end_level if whole is not None else LEVEL
    limit = lot.choice((None, end / 0.955, end / 0.9, end / 0.7, end * 1.5, end * 2, end * 3, end * 30))
    life = _life(
        lot, row, container, start, whole,
        version=version, ended=ended, limit_bytes=None if limit is None else round(limit),
    )  # fmt: skip
    opinion = assess_lifetime(life, readings, levels, restarts_known=lot.random() < 0.6, files_told=True)
    if lot.random() < 0.3:
        files = [lot.choice((0.0, 0.05, 0.25, 0.3, 0.5)) * end for _ in range(2)]
        opinion.files = (files[0], max(files), lot.choice((files[0], files[1], 0.3 * end)))
    if lot.random() < 0.3:
        opinion.quota_cores, opinion.node_cores = lot.choice((0.5, 1.0, 4.0)), lot.choice((None, 16.0))
    return opinion


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def lives(number: int = 1000) -> Iterator[list[Any]]:
    """A row for each life: its shape and causes, what ended its growth, its chances, and its layers."""
    for seed in range(number):
        lot = _Lot(seed)
        one = _opinion(lot, 0, 0, 0.0, None, lot.choice(tuple(Ending)))
        named = [str(one.signal), str(one.pattern), *map(str, one.also), str(one.cause), str(one.growing_layer)]
        flags = (one.restarts_unknown, one.spikes_early, one.threads_grow, one.kept_known)
        seen = sorted(map(str, one.halts)) + [str(int(flag)) for flag in flags]
        layers = [f"{layer} {share:.3g}" for layer, share in sorted(one.shares.items())]
        stack = patterns.stack_of_a_thread(one)
        told = [one.growing, one.bounded, one.unresolved, stack, *one.pressure.values(), float(one.peaks_at_limit)]
        yield [" ".join([*named, *seen]), " ".join([*map(_shown, told), *layers])]


def _heap(lot: _Lot) -> HeapReading:
    suspect = Suspect("src/cache.rs:12 cache::insert", "cache::insert", 50 * MI, 0.8)
    kind = lot.choice(tuple(HeapKind)[:5])
    reading = HeapReading(
        kind,
        (suspect,) if kind in (HeapKind.GROWS, HeapKind.FILLS) or lot.random() < 0.5 else (),
        growth_bytes=lot.choice((0, 50 * MI)),
        growth_bytes_per_second=lot.choice((None, 10.0, 200.0, 5000.0)),
        moved_bytes=lot.choice((0, MI, 60 * MI)),
        held_bytes=200 * MI,
        seconds=lot.choice((None, 30.0, 3600.0)),
        why="it has no times",
        largest="cache::insert",
        shows_bytes=64 << 10,
    )
    return structs.replace(reading, span_seconds=reading.seconds and 2 * reading.seconds)


def _workload(lot: _Lot) -> Assessed:
    """Pods of one workload, each with some lives that follow one another."""
    lot.grows, pods, row = lot.choice((0.0, 0.1, 0.9)), lot.choice((1, 1, 1, 2, 3)), 0
    opinions: dict[int, list[Opinion]] = {}
    versions = lot.choice(((None,), ("1.0",), ("1.0", "1.1"), ("1.0", "1.1", "1.2")))
    usual = lot.choice((*tuple(Ending)[:8], *(Ending.OOM_KILL,) * 3))
    for pod in range(pods):
        hours, found = lot.choice((0.0, 0.0, 30.0)), []
        several = lot.choice((1, 1, 2, 3, 5))
        first = lot.randrange(len(versions))
        for number in range(several):
            version = versions[max(first, min(number, len(versions) - 1))]
            ended = Ending.RUNNING if number == several - 1 and lot.random() < 0.7 else usual
            found.append(_opinion(lot, row, pod, hours, version, ended))
            hours, row = hours + found[-1].life.hours + 0.1, row + 1
        if lot.random() < 0.5:
            # What comes again is alike.
            for one in found[1:]:
                one.growing, one.bounded, one.unresolved = found[0].growing, found[0].bounded, found[0].unresolved
        opinions[pod] = found
    about = {
        pod: Instance(pod, "eu", "shop", "api", "main", f"api-{pod}", found[-1].life.limit_bytes,
                      lot.random() < 0.7, lot.random() < 0.5, lot.choice((None, 60.0, 300.0)))
        for pod, found in opinions.items()
    }  # fmt: skip
    rejected = [Rejected("stale_allocator", "allocated_bytes", "It stands still."), Rejected("counter_fell", "a", "B.")]
    report = SimpleNamespace(found={"restarts": 1} if lot.random() < 0.5 else {})
    recording: Any = SimpleNamespace(report=report)
    nothing: Any = None
    key = about[0].key
    return Assessed(
        recording,
        *(nothing, nothing, nothing, nothing, nothing),
        about,
        opinions,
        {pod: pool_lives(found) for pod, found in opinions.items()},
        {pod: lot.choice(((100, 100), (50, 100), (None, None), (3, None))) for pod in opinions},
        {0: lot.choices(rejected, k=lot.choice((0, 0, 1, 3)))},
        set(opinions) if lot.random() < 0.5 else set(),
        {0: lot.choice((0, 0, 1, 4))},
        {key: _heap(lot)} if lot.random() < 0.3 else {},
        {},
    )


def workloads(number: int = 300) -> dict[str, list[Any]]:
    """A row for each workload: its verdict, and by number what is said of it, its evidence and answers."""
    known: dict[str, int] = {}
    rows: list[Any] = []

    def places(sentences: Sequence[str]) -> list[int]:
        return [known.setdefault(one, len(known)) for one in sentences]

    for seed in range(number):
        lot = _Lot(100_000 + seed)
        for _, row, pool, line in _workload(lot).workloads():
            named = (row.verdict, row.pattern, *row.also, row.cause, row.signal, row.evidence_level, row.limit_outlook)
            figures = (
                *(row.leak_probability, row.hours_to_limit, row.hours_to_limit_low, row.hours_to_limit_high),
                *(row.growth_bytes_per_day, row.growth_low_bytes_per_day, row.growth_high_bytes_per_day),
                *(row.detection_floor_bytes_per_day, row.coverage, pool.growing, pool.bounded, pool.surest),
                *(pool.moved_bytes, pool.moved_heap_bytes, pool.moved_around_bytes, pool.moved_threads),
                *(() if row.ahead is None else structs.astuple(row.ahead)),
                *(line or ()),
            )
            shown = [_shown(float(one)) if isinstance(one, int | float) else str(one) for one in figures]
            evidence = [f"{one.statistic} {one.says} {one.weight}: {one.text}: {one.value}" for one in row.evidence]
            answers = [" ".join(map(str, answer[-2:])) for answer in words.answers(row, pool)]
            rows.append([" ".join(map(str, named)), " ".join(shown)])
            rows[-1] += [places(part) for part in ([row.headline, row.reason, row.next_step], evidence, answers)]
    return {"workloads": rows, "sentences": list(known)}


def _seen(lot: _Lot) -> Seen:
    """Lives of one container with what lies around the heap, most of it at the turns of what is named."""
    left, stacks, grows, keeps, maps = (lot.random() < share for share in (0.4, 0.4, 0.3, 0.5, 0.3))
    found: list[Opinion] = []
    for row in range(lot.choice((2, 3, 4) if left else (1,))):
        whole = LEVEL * lot.choice((0.1, 1.0))
        levels: dict[Signal, Level] = {}
        readings: dict[Signal, Reading] = {}
        for name in (*NESTED, Signal.FOOTPRINT, *BESIDE):
            is_mapped = name in (Signal.FILE, Signal.FILE_MAPPED)
            seldom = (name in NESTED and not keeps) or (is_mapped and not maps) or name == Signal.SHMEM
            if lot.random() < (0.4 if seldom else 0.8):
                share = lot.choice((0.04, 0.1, 0.25, 0.5, 1.0, 1.05)) if name != Signal.FOOTPRINT else 1.0
                drawn = _level(lot, name, whole * share, whole * share * lot.choice((1.0, 1.0, 1.5, 2.0)))
                levels[name] = readings[name] = _reading(lot, drawn)
        for name in (Signal.THREADS, Signal.DESCRIPTORS):
            if lot.random() < 0.8:
                some = lot.choice((15.0, 16.0, 31.0, 64.0, 1000.0))
                levels[name] = Level(**_level(lot, name, some, some + lot.choice((0.0, 9.0, 10.0, 1e4))))
        ended = lot.choice((Ending.OOM_KILL, Ending.OOM_KILL, Ending.RUNNING))
        limit = lot.choice((None, round(whole), round(whole / 0.8), round(2 * whole)))
        about: dict[str, Any] = {"version": None, "ended": ended, "limit_bytes": limit}
        one = Opinion(_life(lot, row, 0, 300.0 * row, levels.get(Signal.FOOTPRINT), **about))
        one.levels, one.readings, one.reading = levels, readings, lot.choice((*(None,) * 3, *readings.values()))
        one.growing_layer = lot.choice((None, Layer.SHMEM, Layer.KERNEL)) if grows else None
        one.shares = {layer: lot.choice((0.05, 0.25, 0.3, 0.5)) for layer in Layer if lot.random() < 0.8}
        one.now = {"outside_bytes": whole / 4} if lot.random() < 0.2 else {}
        one.threads_grow = lot.random() < 0.1
        if left:
            ends = [whole * lot.choice((0.0, 0.05, 0.2, 0.25, 0.4, 0.5, 0.6)) for _ in range(3)]
            last = 1.25 * ends[0] if stacks else lot.choice((*ends, ends[0]))
            one.files = (ends[0], max(ends[:2]), last) if lot.random() < 0.9 else None
        one.quota_cores, one.node_cores = lot.choice((None, 0.5, 1.0, 4.0, 16.0)), lot.choice((None, 16.0))
        found.append(one)
    verdict = lot.choice((*(Verdict.NOT_LEAK,) * 3, Verdict.INCONCLUSIVE, Verdict.LEAK))
    pattern = lot.choice((Pattern.RETENTION, Pattern.FRAGMENTATION) if keeps else (Pattern.PLATEAU, Pattern.PAGE_CACHE))
    cause = lot.choice((*(None,) * 6, Cause.ALLOCATOR, *Cause))
    return Seen(lives=[found], main=found[-1], verdict=verdict, pattern=pattern, also=[], cause=cause)


def around(number: int = 2000) -> list[str]:
    """What is named of each that lies around the heap, with the evidence."""
    told = []
    for seed in range(number):
        cause, evidence = look_around(_seen(_Lot(f"around {seed}")))
        pieces = [f"{one.statistic} {one.value} of {one.signal} {_shown(one.estimate)}" for one in evidence]
        told.append("; ".join([str(cause), *pieces, str(clause_of(cause, evidence))]) if pieces else "")
    return told


def _curve(lot: _Lot, bins: int) -> tuple[list[float], float]:
    """A curve of stairs, of a growth and of a ripple, of which each may be none; and what it grew by."""
    growth = lot.choice((0.0, 0.0, 10.0, 60.0))
    shape = lot.choice((1.0, 1.0, 0.3, 2.0))
    begin, end = lot.choice((0.0, 0.0, 0.25, 0.6, 0.85)), lot.choice((1.0, 1.0, 0.9, 0.7))
    noise, large = lot.choice((0.0, 0.2, 2.0)), lot.choice((1.0, 5.0, 30.0))
    level = 0.0
    values: list[float] = []
    while len(values) < bins:
        # How long a rest is, and over how many bins the next step goes up, lie at a twelfth of the window.
        level += lot.choice((0.0, large, large, 2.2 * large, -large))
        values += [level] * (bins // 12 + lot.choice((-1, 0, 1, bins // 8, bins // 3)))
        ramp = lot.choice((0, 0, 1, bins // 12, bins // 12 + 1))
        values += [level + large * step / (ramp + 1) for step in range(1, ramp + 1)]
        large *= lot.choice((0.0, 1.0, 1.0, 1.3, 2.0))
    grown = [growth * min(max((at / bins - begin) / (end - begin), 0.0), 1.0) ** shape for at in range(bins)]
    ripple = [noise * ((at * at * 7919 % 1000) / 500 - 1) for at in range(bins)]
    return [100 + a + b + c for a, b, c in zip(values, grown, ripple, strict=False)], growth + max(values[:bins])


def curves(number: int = 160) -> list[list[Any]]:
    """What the end of each curve does with the growth that was found in it, by how many bins it has."""
    told = []
    for bins in (24, 96):
        drawn = [(lot, *_curve(lot, bins)) for lot in (_Lot(f"{bins} {seed}") for seed in range(number))]
        given = [
            [lot.choice((0.0, 0.0, 0.15, 0.5, 0.95)), growth * lot.choice((0.5, 1.0, 1.0, -1.0)),
             lot.choice((0.2, 1.0)), lot.choice((0.0, 0.0, 1.0))]
            for lot, _, growth in drawn
        ]  # fmt: skip
        found, third = signals.check(np.array([curve for _, curve, _ in drawn]), *np.array(given).T)
        columns = [*found.values(), third]
        told += [[f"{bins} bins", *plain([float(column[row]) for column in columns])] for row in range(number)]
    return told


def layers(number: int = 200) -> dict[str, list[Any]]:
    """The last layers of containers whose samples lie at the turns of what is still shown, and their upper edges."""
    ages_ms = (0, 1, 60_000, 3_600_000, 3_600_001, 86_399_999, 86_400_000, 90_000_000)
    rows = []
    for container in range(number):
        lot = _Lot(container)
        told = [name for name in PARTS if lot.random() < 0.6] or ["rss_bytes"]
        for age in sorted({0, *(lot.choice(ages_ms) for _ in range(5))}, reverse=True):
            amounts = {name: lot.choice((0, 1, 5, 50, 100, 101, 150, 200)) * MI for name in told if lot.random() < 0.6}
            amounts = amounts or {told[0]: 70 * MI}
            rows.append({"container_id": container, "life": container // 2, "time": 2_000_000_000 - age, **amounts})
    types = {"container_id": pl.UInt32(), "life": pl.UInt32(), "time": pl.Int64(), **dict.fromkeys(PARTS, pl.Int64())}
    samples = pl.DataFrame(rows, schema=types).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))
    last = last_layers(samples, pl.Series(range(number), dtype=pl.UInt32))
    mebibytes, since = pl.selectors.ends_with("_bytes") / MI, 2_000_000_000 - pl.col("layers_time").dt.epoch("ms")
    shown = last.sort("container_id").with_columns(mebibytes, since.alias("layers_time"))
    tops = edges(samples).select(pl.all() / MI)
    return {
        "layers": [" ".join(map(_shown, row)) for row in shown.iter_rows()],
        "edges": [" ".join(map(_shown, row)) for row in tops.iter_rows()],
    }


def told() -> dict[str, list[Any]]:
    """All of it."""
    return {"lives": list(lives()), **workloads(), "around": around(), "curves": curves(), **layers()}
