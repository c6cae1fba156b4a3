"""What is held for and against growth in one life, and what lives, pods and versions say together."""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from rmtoolkit.analysis import records
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.around import held_by_sockets
from rmtoolkit.analysis.models import SLOWING_DOWN, Family
from rmtoolkit.analysis.patterns import PATTERNS
from rmtoolkit.analysis.records import BESIDE, Halt, HeapKind, HeapReading, Layer, Level, Life, Opinion, Pool, Reading
from rmtoolkit.analysis.signals import DAY_SECONDS, JUDGED
from rmtoolkit.schema import Cause, Ending, Pattern, Signal


def doubt_growth(opinion: Opinion, row: Reading, *, restarts_known: bool) -> None:
    """Take from the growth, in place, what was not seen to go on to the end of the life."""
    _weigh_heap(opinion, row)
    _hold_to_end(opinion, row)
    _doubt_teeth(opinion, row, restarts_known=restarts_known)
    _lay_flat(opinion, row)


def _weigh_heap(opinion: Opinion, row: Reading) -> None:
    """A live heap that grows a little while the memory around it grows a lot is not what fills the limit."""
    whole = opinion.readings.get(Signal.ANON) or opinion.readings.get(Signal.RSS)
    if row.signal != Signal.ALLOCATED or whole is None:
        return
    if whole.mean_rise >= th.MATERIAL_SHARE * whole.settled and row.mean_rise < th.SMALL_PART * whole.mean_rise:
        _rest(opinion)


def _hold_to_end(opinion: Opinion, row: Reading) -> None:
    """A leak still grows at the end, and goes beyond what the memory did before."""
    if row.teeth >= th.TEETH:
        if row.floor_trend < th.TREND * _deviation(row.teeth):
            _floors_stay(opinion, row)
        elif row.floor_trend > th.STEADY and opinion.growing > th.LEANING / 2:
            _decide(opinion, growth=opinion.unresolved)
        elif row.floor_rise > th.MATERIAL_SHARE * row.settled and row.rest * row.teeth < th.TEETH:
            # Floors that rose have not rested for as many teeth as it takes to know them.
            _reopen(opinion)
        return
    # Bursts came before, and went, where memory did not stay up by as much: one more is no news.
    again = row.earlier_bursts >= th.BURSTS_BEFORE and row.mean_rise <= row.late_peak - row.settled
    if again:
        _decide(opinion, rest=min(row.fresh, opinion.unresolved))
    if row.stepped < th.LIKELY:
        _weigh_bend(opinion, row)
    # Of jumps that no step explains more may come; growth made of the steps that explain it best is none.
    if row.between is not None and row.between < th.NOTHING_BETWEEN and row.stepped <= th.LIKELY:
        _shift(opinion)
    only_steps = row.between is not None and row.between < th.BETWEEN and row.stepped > th.LIKELY
    at_rest = th.AT_REST if row.rest >= th.LONG_REST and not row.on_stairs else 0.0
    faint = row.growth_per_day < row.floor_per_day
    if row.last_third < th.ENDED or only_steps:
        opinion.halts.add(Halt.ENDED)
        _shift(opinion, at_rest)
        if row.last_third < th.ENDED / 2 and opinion.bounded > opinion.growing:
            # A long rest that stands still, and beside which no model grows, is as sure as one that took growth away.
            still = row.growing < th.UNTOLD and row.last_third < th.ENDED / 8
            seen = max(th.RESTS, at_rest) if still else th.RESTS
            _decide(opinion, rest=seen * max(opinion.unresolved - row.fresh, 0.0))
    elif row.last_third < th.SLOWING or (row.tail is not None and row.tail < th.ENDED):
        stopped = row.last_third < th.SLOWING and row.tail is not None and row.tail < th.STOPPED
        opinion.halts.add(Halt.ENDED if stopped else Halt.SLOWING)
        _shift(opinion, at_rest if stopped or faint else 0.0)
    elif row.last_third > th.STEADY and opinion.growing > th.LEANING:
        # Models that slow down or have just ended fit too, but nothing slowed down.
        _decide(opinion, growth=min(row.fresh, opinion.unresolved))
    if row.begun_at > 1 - th.YOUNG and row.mean_rise > 0:
        _shift(opinion)
    within = not row.teeth and row.mean_rise < th.BEYOND_NOISE * row.noise
    if faint or within or row.last_third == th.UNCHECKED:
        _shift(opinion, at_rest, th.BELOW_FLOOR)
    no_higher = row.mean_rise < th.MATERIAL_SHARE * row.settled
    if row.stepped > th.LIKELY and row.jump < 0 and row.onset < row.jump_at and no_higher:
        # A line that began before a fall has brought it no higher than it was.
        _shift(opinion)
    # A straight rise that has only paused, or of which growth is not ruled out: a ramp that ended fits as well.
    paused = row.last_third > th.STEADY and row.rest < th.LONG_REST
    doubtful = row.family == Family.RAMP and row.growing > th.RULED_OUT
    if (row.on_stairs and not again) or (row.rose_and_ended and (paused or doubtful)):
        _reopen(opinion)


def _floors_stay(opinion: Opinion, row: Reading) -> None:
    """Floors that do not rise: no leak, unless they do so only a little, or the allocator may hold them up."""
    opinion.halts.add(Halt.FLOOR_STAYS)
    deviation = _deviation(row.teeth)
    _shift(opinion, th.AT_REST if row.floor_trend < deviation else 0.0)
    climbs = row.top_trend > th.TREND * deviation and row.top_rise > th.MATERIAL_SHARE * row.settled
    if climbs and row.signal != Signal.ALLOCATED:
        _reopen(opinion)


def _deviation(teeth: int) -> float:
    return math.sqrt(2 * (2 * teeth + 5) / (9 * teeth * (teeth - 1)))


def _weigh_bend(opinion: Opinion, row: Reading) -> None:
    """Growth that is as fast in its later half as in its earlier one is no warm-up; slower, it may be one."""
    slowing = opinion.unresolved - min(row.fresh, opinion.unresolved)
    if row.last_third < th.ENDED or not math.isfinite(row.straight or math.inf):
        return
    steep = th.STRAIGHT_ODDS / (1 + (row.bend_noise / th.STRAIGHT_NOISE) ** 2)
    shift = min(max(steep * (row.straight - th.STRAIGHT), -th.STRAIGHT_MOST), th.STRAIGHT_MOST)
    for_growth = opinion.growing * math.exp(shift)
    growing = (opinion.growing + slowing) * for_growth / max(for_growth + slowing, 1e-12)
    if growing < opinion.growing / 2:
        opinion.halts.add(Halt.SLOWING)
    opinion.growing, opinion.unresolved = growing, opinion.unresolved + opinion.growing - growing


def _doubt_teeth(opinion: Opinion, row: Reading, *, restarts_known: bool) -> None:
    """Without restart data, deep teeth may be kills: a hidden leak, not a sawtooth."""
    if 0 < row.teeth < th.TEETH and th.TAKES_BACK <= row.repeats <= th.TAKES_MORE and row.rest < th.LONG_REST:
        # Too few teeth to know the floor, unless three go down to it: neither growth nor its absence was seen.
        down = row.teeth == th.TEETH - 1 and row.repeats > th.ONE_FLOOR
        opinion.growing, opinion.bounded = 0.0, th.AT_REST if down else 0.0
        opinion.unresolved = 1 - opinion.growing - opinion.bounded
        return
    whole, limit = opinion.footprint or row, opinion.life.limit_bytes
    # As deep as a restart goes, or from where the limit kills.
    deep = row.trough <= th.RESTART_LIKE or (limit and whole.late_peak >= th.AT_PEAK * limit)
    if not restarts_known and row.teeth >= th.TEETH and deep:
        opinion.restarts_unknown = True
        _reopen(opinion)


def _lay_flat(opinion: Opinion, row: Reading) -> None:
    """What rested for most of the window and gained nothing but noise is at rest, whatever its start looked like."""
    flat = row.growth_per_day < row.floor_per_day and row.mean_rise < th.MATERIAL_SHARE * row.settled
    if flat and row.rest >= th.MOSTLY_REST and row.teeth < th.TEETH and not row.on_stairs:
        _rest(opinion)


def _rest(opinion: Opinion | Pool) -> None:
    opinion.growing, opinion.bounded, opinion.unresolved = 0.0, 1.0, 0.0


def doubt_rest(opinion: Opinion) -> None:
    """Open again, in place, the rest that was forced or that nothing disturbed: it is no sign of health."""
    work, whole, limit = opinion.levels.get(Signal.WORK), opinion.footprint, opinion.life.limit_bytes
    held = opinion.pattern == Pattern.AT_LIMIT and opinion.signal != Signal.ALLOCATED
    idle = work is not None and work.end_level - work.first_level <= 0
    # What climbed up to its limit and fell may have lost a child to the kernel: the container lives on.
    fell = whole is not None and whole.repeats >= th.TAKES_BACK and limit and whole.late_peak >= th.AT_PEAK * limit
    if held or idle or fell:
        _reopen(opinion)


def doubt_name(opinion: Opinion) -> None:
    """Open, in place, the rest of teeth that come as seldom as releases: of one name it may be one process each."""
    row = opinion.reading
    if row is None or row.teeth < th.TEETH or row.trough > 1 - th.NEW_PROCESS_FALL:
        return
    # Jobs run every night.
    if (row.period or 1 / row.teeth) * opinion.life.seconds >= th.PACE * DAY_SECONDS:
        opinion.restarts_unknown = True
        _reopen(opinion)


def _reopen(opinion: Opinion | Pool) -> None:
    _decide(opinion, rest=-opinion.bounded)


def _decide(opinion: Opinion | Pool, *, growth: float = 0.0, rest: float = 0.0) -> None:
    """Count as growth and as rest, in place, so much of what could not be told; what is less than nothing opens it."""
    opinion.growing, opinion.bounded = opinion.growing + growth, opinion.bounded + rest
    opinion.unresolved -= growth + rest


def going_on(opinion: Opinion, row: Reading) -> tuple[float, float]:
    """Tell how probably another signal of a life grows on, and may: doubts of the judged one take away from it, too."""
    seen = _as_read(opinion, row)
    may = min(row.growing + row.unresolved, seen.growing + seen.unresolved)
    steady = row.last_third > th.STEADY and (row.tail or 1.0) > th.STEADY
    return may if steady else min(row.growing, seen.growing), may


def _shift(opinion: Opinion, ended: float = 0.0, share: float = 1.0) -> None:
    """Take off, in place, the growth that was not seen to go on, or a share of it; of it, some was seen to end."""
    moved = share * opinion.growing
    _decide(opinion, growth=-moved, rest=ended * moved)


_DAYS_OF_LOAD: Final = th.FEWEST_CYCLES * DAY_SECONDS
_STEPPED: Final = (Family.STEP, Family.TWO_STEPS, Family.SATURATING_STEP)


def name_shape(opinion: Opinion, row: Reading) -> tuple[Pattern, Cause | None]:
    settled = max(row.settled, 1.0)
    limit = opinion.life.limit_bytes
    whole = opinion.footprint or row
    startup = whole.spikes_early or row.spikes_early
    spread = row.late_peak / settled
    if startup and row.teeth < th.TEETH:
        opinion.spikes_early = True
    anon = opinion.end_level(Signal.ANON)
    still = limit and whole.end_level - whole.middle_level <= th.AT_LIMIT_RISE * limit
    if limit and still and opinion.life.ended != Ending.OOM_KILL:
        share = th.AT_LIMIT
        if th.AT_HIGH * limit <= whole.end_level < th.AT_LIMIT * limit:
            share = th.AT_HIGH if opinion.pressure else th.AT_PEAK if opinion.peaks_at_limit else th.AT_LIMIT
        if whole.end_level >= share * limit and (anon is None or anon >= th.AT_LIMIT_ANON * share * limit):
            return Pattern.AT_LIMIT, None
    if row.unresolved + row.growing > th.LIKELY and opinion.bounded < th.LIKELY:
        return Pattern.UNEXPLAINED_GROWTH, None
    swings = row.swing >= th.SWING * settled
    over = row.end_level < settled * (1 + th.BURST_OVER * (spread - 1))
    above = row.late_peak - row.settled
    from_rest = above >= th.BURST_ABOVE * row.depth
    again = from_rest and row.bursts >= th.TEETH
    rare = row.high_share <= (th.BURSTS_SHARE if again else th.BURST_SHARE)
    bursts = spread >= th.BURST_RATIO and rare and over and (row.bursts > 1 or row.begun < settled + above / 2)
    follows = row.load_share > 0 and swings and whole.swing >= th.SWING * max(whole.settled, 1.0)
    if row.teeth >= th.TEETH and not (follows and row.load_share >= th.LOAD_EXPLAINS_ALONE):
        return Pattern.SAWTOOTH, None
    if follows and from_rest and (bursts or (again and spread >= th.BURST_RATIO)):
        return Pattern.BURST, Cause.TRAFFIC
    if follows or (row.periodic > th.PERIODIC and swings):
        return Pattern.PERIODIC, Cause.TRAFFIC
    if startup:
        return Pattern.STARTUP_SPIKE, Cause.STARTUP
    if from_rest and spread >= th.BURST_RATIO and row.rhythm <= th.EVEN and row.high_share >= th.EVEN_SHARE:
        # What comes by the clock and lasts is a cycle: that of the day, or the program's own.
        daily = abs(row.period * opinion.life.seconds / DAY_SECONDS - 1) <= th.EVEN
        return (Pattern.PERIODIC, Cause.TRAFFIC) if daily else (Pattern.SAWTOOTH, None)
    if bursts:
        return (Pattern.SAWTOOTH, None) if row.bursts >= th.TEETH and not from_rest else (Pattern.BURST, Cause.TRAFFIC)
    if row.flutter >= th.FLUTTER * settled:
        return Pattern.SAWTOOTH, None
    family = row.bounded_family
    abrupt = abs(row.jump) >= max(th.STEP_SHARE * settled, th.STEP_OF_SWING * row.swing) and row.jump_at > th.STEP_AFTER
    one_step = family in _STEPPED or abs(row.jump) >= th.STEP_OF_RISE * abs(row.rise)
    if abrupt and one_step and not row.rose_and_ended:
        # What comes back, and goes again, is no step.
        stays = (row.end_level - row.begun) / row.jump >= th.STEP_OF_RISE
        if stays or spread < th.BURST_RATIO:
            return (Pattern.STEP if stays else Pattern.PLATEAU), None
        return Pattern.BURST, Cause.TRAFFIC
    if row.settled - row.begun >= th.WARM_UP_RISE * settled and family in SLOWING_DOWN:
        return Pattern.WARM_UP, Cause.STARTUP
    return Pattern.PLATEAU, None


class Amount(NamedTuple):
    """Bytes of a layer at the end of a life, and its growth since the early part."""

    end: float
    growth: float

    def less(self, other: Amount) -> Amount:
        return Amount(self.end - other.end, self.growth - other.growth)


def layers_of(opinion: Opinion) -> dict[Layer, Amount]:
    levels = opinion.levels
    amounts = {name: Amount(one.end_level, one.came) for name, one in levels.items()}

    def between(upper: Signal, lower: Signal) -> Amount | None:
        return amounts[upper].less(amounts[lower]) if upper in amounts and lower in amounts else None

    anonymous = Signal.ANON if Signal.ANON in levels else Signal.RSS
    above, heap = between(anonymous, Signal.ALLOCATED), levels.get(Signal.ALLOCATED)
    found = {
        Layer.SLACK: between(Signal.ACTIVE, Signal.ALLOCATED),
        Layer.KEPT: between(Signal.RESIDENT, Signal.ACTIVE) or between(Signal.RESIDENT, Signal.ALLOCATED),
        Layer.OUTSIDE: between(anonymous, Signal.RESIDENT),
        Layer.CACHE: between(Signal.WORKING_SET, Signal.ANON),
    }
    if (kept := amounts.get(Signal.FREE)) is not None:
        if above is not None:
            # Pages of free blocks may have been given back: no more is kept than lies above the heap.
            if kept.end > max(above.end, 0.0):
                kept = Amount(max(above.end, 0.0), max(above.growth, 0.0))
            found[Layer.OUTSIDE] = above.less(kept)
        found[Layer.KEPT] = kept
    # Where the heap was once this much larger, and the pages are still there, the allocator keeps them.
    once = heap.early_peak - heap.settled if heap is not None else 0.0
    if found[Layer.KEPT] is None and above is not None and once >= th.ONCE_USED * above.end:
        found[Layer.KEPT] = above
    files = amounts.get(Signal.SHMEM)
    if found[Layer.KEPT] is None and found[Layer.OUTSIDE] is None and heap is not None:
        # Nothing says where the pages above the live heap are: the allocator is the likeliest place.
        above = above or between(Signal.FOOTPRINT, Signal.ALLOCATED)
        if above is not None and files is not None and 0 < files.growth <= 2 * above.growth and anonymous == Signal.RSS:
            # The RSS of a process counts the files in memory that it maps: they are nothing that the allocator keeps.
            above = above.less(files)
        found[Layer.KEPT] = above
        opinion.kept_known = False
    if found[Layer.CACHE] is not None:
        found[Layer.KERNEL] = _kernel(amounts)
    elif Signal.ANON in levels and Signal.WORKING_SET not in levels:
        # Of a process without a cgroup: its RSS counts the files that it maps, and those in memory.
        found[Layer.CACHE if Signal.FILE in levels else Layer.MAPPED] = between(Signal.RSS, Signal.ANON)
    found[Layer.SHMEM] = files
    for inner in (Layer.SHMEM, Layer.KERNEL):
        for name in (Layer.CACHE, Layer.MAPPED):
            whole, part = found.get(name), found.get(inner)
            if whole is not None and part is not None:
                found[name] = whole.less(part)
    other = between(Signal.WORKING_SET, Signal.RSS) or between(Signal.USAGE, Signal.RSS)
    if Signal.ANON not in levels and other is not None:
        # A process is not its container: of what lies beside it, files and the kernel explain as much as they have.
        for layer, signal in ((Layer.CACHE, Signal.FILE), (Layer.KERNEL, Signal.KERNEL)):
            if signal in amounts:
                end, growth = amounts[signal]
                explained = Amount(min(end, other.end), min(max(growth, 0.0), max(other.growth, 0.0)))
                other = other.less(explained)
                found[layer] = explained if files is None or layer == Layer.KERNEL else explained.less(files)
        found[Layer.OTHERS] = other
    return {name: value for name, value in found.items() if value is not None}


def _kernel(amounts: Mapping[Signal, Amount]) -> Amount | None:
    """What the kernel holds for the container (sockets, page tables, slab): measured, or what nothing else explains."""
    names = (Signal.KERNEL, Signal.ANON, Signal.FILE, Signal.USAGE, Signal.WORKING_SET)
    kernel, anon, file, usage, working = map(amounts.get, names)
    if kernel is not None:
        # Page cache takes some for its own index, which goes with it.
        of_files = file is not None and kernel.growth <= th.INDEX_SHARE * file.growth
        return kernel._replace(growth=0.0) if of_files else kernel
    if anon is None or file is None:
        return None
    if usage is not None:
        return usage.less(anon).less(file)
    if working is None:
        return None
    # Without the files that are left out of the working set: at least so much at the end, at most so much before.
    beside = working.less(anon)
    end = max(beside.end - file.end, 0.0)
    return Amount(end, max(end - max(beside.end - beside.growth, 0.0), 0.0))


def _files_explain(opinion: Opinion) -> bool:
    shared, row = opinion.readings.get(Signal.SHMEM), opinion.reading
    with_files = row is not None and row.signal in (Signal.RSS, Signal.WORKING_SET, Signal.USAGE)
    if shared is None or row is None or not with_files or shared.growing + shared.unresolved <= th.LIKELY:
        return False
    return row.mean_rise - shared.mean_rise < th.MATERIAL_SHARE * row.settled < row.mean_rise


def name_growing_layer(opinion: Opinion, layers: Mapping[Layer, Amount], footprint: float) -> None:
    """Name, in place, the layer that grows where the judged signal is bounded but the footprint is not."""
    candidates = (opinion.footprint, opinion.readings.get(Signal.ANON) or opinion.readings.get(Signal.RSS))
    rises = (row for row in candidates if row is not None and row.mean_rise > 0)
    grows = max((going_on(opinion, row)[1] for row in rises), default=0.0)
    threads = opinion.readings.get(Signal.THREADS)
    if threads is not None and threads.growing + threads.unresolved > th.LIKELY:
        opinion.threads_grow = threads.mean_rise >= th.THREADS_RISE
    if _files_explain(opinion):
        _name_outside(opinion, Layer.SHMEM)
        return
    if opinion.bounded < th.LIKELY:
        return
    read = {layer: row for layer in (Layer.SHMEM, Layer.KERNEL) if (row := opinion.readings.get(BESIDE[layer]))}
    if grows < th.LIKELY:
        # Under a cycle that is larger the whole may look bounded.
        for layer, row in read.items():
            large = layer in layers and layers[layer].growth >= th.MATERIAL_SHARE * footprint
            if large and row.growing > th.LIKELY:
                _name_outside(opinion, layer)
        return
    layers = {name: value for name, value in layers.items() if name not in read or read[name].bounded <= th.LIKELY}
    if not layers:
        return
    name, (_, growth) = max(layers.items(), key=lambda item: item[1][1])
    if growth < th.MATERIAL_SHARE * footprint:
        return
    if name == Layer.KEPT and not opinion.kept_known and threads is not None and opinion.threads_grow:
        # Where nothing says that the allocator has them, pages that come with threads are their stacks.
        name = Layer.OUTSIDE if th.STACK_LEAST <= growth / threads.mean_rise <= th.STACK_MOST else name
    if name in GIVEN_BACK:
        opinion.growing_layer = name
        opinion.pattern, opinion.cause = GIVEN_BACK[name]
    elif threads is not None and opinion.threads_grow:
        # Their stacks lie outside of the live heap: what counts them tells how fast.
        own = filter(None, (opinion.readings.get(signal) for signal in JUDGED if signal != Signal.ALLOCATED))
        opinion.reading = next((row for row in own if row.growing + row.unresolved >= th.LIKELY), opinion.reading)
        opinion.growing_layer = name
        opinion.pattern, opinion.cause = Pattern.THREAD_GROWTH, Cause.THREAD_STACKS
        opinion.growing, opinion.bounded = max(opinion.growing, _as_read(opinion, threads).growing), 0.0
        opinion.unresolved = 1 - opinion.growing
    else:
        _name_outside(opinion, name)


#: What growth of a layer is, where the kernel or the allocator can give it back.
GIVEN_BACK: Final = {
    Layer.KEPT: (Pattern.RETENTION, Cause.ALLOCATOR),
    Layer.SLACK: (Pattern.FRAGMENTATION, Cause.ALLOCATOR),
    Layer.CACHE: (Pattern.PAGE_CACHE, Cause.PAGE_CACHE),
}


def _as_read(opinion: Opinion, row: Reading) -> Opinion:
    """What another signal of a life says of growth, doubted as that of the judged one is."""
    seen = replace(opinion, growing=row.growing, bounded=row.bounded, unresolved=row.unresolved, halts=set())
    doubt_growth(seen, row, restarts_known=True)
    return seen


def _name_outside(opinion: Opinion, layer: Layer) -> None:
    opinion.growing_layer = layer
    opinion.pattern, opinion.cause = Pattern.UNEXPLAINED_GROWTH, Cause.OUTSIDE_ALLOCATOR
    opinion.growing = 0.0
    row = opinion.readings.get(BESIDE.get(layer, Signal.ANON))
    # Of slab, of mapped files and of what lies beside a process the kernel may take back who knows how much, and of
    # what only looks like files in memory.
    kept = layer == Layer.OUTSIDE or (layer == Layer.SHMEM and opinion.files_told)
    kept = kept or (layer == Layer.KERNEL and held_by_sockets(opinion) is not None)
    if kept and row is not None and (opinion.life.seconds >= _DAYS_OF_LOAD or Signal.WORK in opinion.levels):
        # Through days of load, or over the work done, it is told of as what grows inside is.
        seen = _as_read(opinion, row)
        if seen.growing > th.LIKELY:
            opinion.reading, opinion.growing, opinion.halts = row, seen.growing, seen.halts
    opinion.bounded = th.UNTOLD * (1 - opinion.growing)
    opinion.unresolved = 1 - opinion.growing - opinion.bounded


def name_large_layers(opinion: Opinion, layers: Mapping[Layer, Amount], footprint: float) -> None:
    """Name, in place, the layers that are much of the footprint at the end; first where they are most of it."""
    if footprint <= 0:
        return
    shares = opinion.shares = {name: end / footprint for name, (end, _) in layers.items()}

    def comes_first(layer: Layer, least: float) -> bool:
        return shares.get(layer, 0.0) >= least and layer in PATTERNS[opinion.pattern].hides

    def put_first(layer: Layer) -> None:
        if opinion.pattern not in (Pattern.PLATEAU, Pattern.AT_LIMIT):
            opinion.also.append(opinion.pattern)
        opinion.pattern, opinion.cause = GIVEN_BACK[layer]

    if opinion.kept_known and comes_first(Layer.KEPT, th.NAMING_SHARE):
        put_first(Layer.KEPT)
    elif opinion.kept_known and shares.get(Layer.KEPT, 0.0) >= th.NAMING_SHARE:
        opinion.also.append(Pattern.RETENTION)
    if comes_first(Layer.SLACK, th.NAMING_SHARE):
        # Gaps that the startup left are pages it keeps; gaps that come while running are fragmentation.
        heap = opinion.readings.get(Signal.ALLOCATED)
        put_first(Layer.KEPT if heap is not None and heap.spikes_early else Layer.SLACK)
    moves = opinion.pattern == Pattern.PLATEAU and Layer.CACHE in layers and _cache_moves(opinion)
    if moves or comes_first(Layer.CACHE, th.MOST_SHARE):
        put_first(Layer.CACHE)
    elif shares.get(Layer.CACHE, 0.0) >= th.NAMING_SHARE:
        opinion.also.append(Pattern.PAGE_CACHE)
    if opinion.threads_grow and opinion.pattern != Pattern.THREAD_GROWTH:
        opinion.also.append(Pattern.THREAD_GROWTH)


def _cache_moves(opinion: Opinion) -> bool:
    whole, read = opinion.footprint, opinion.readings
    if whole is None or Signal.ANON not in read:
        return False
    others = sum(read[name].swing for name in (Signal.ANON, Signal.KERNEL, Signal.SHMEM) if name in read)
    return whole.swing - others >= (th.BURST_RATIO - 1) * whole.settled


def assess_lifetime(
    life: Life,
    readings: Mapping[Signal, Reading],
    levels: Mapping[Signal, Level],
    *,
    restarts_known: bool,
    files_told: bool,
) -> Opinion:
    opinion = Opinion(life, next((readings[name] for name in JUDGED if name in readings), None), readings, levels)
    opinion.files_told = files_told
    whole = readings.get(Signal.WORKING_SET) or readings.get(Signal.USAGE)
    if opinion.signal == Signal.RSS and whole is not None and Signal.FILE in levels:
        other = layers_of(opinion).get(Layer.OTHERS)
        if other is not None and other.growth > max(whole.mean_rise / 2, th.MATERIAL_SHARE * whole.settled):
            # Most of the growth of the container is neither in the process nor in files.
            opinion.reading, opinion.growing_layer = whole, Layer.OTHERS
    if (row := opinion.reading) is None:
        return opinion
    opinion.growing, opinion.bounded, opinion.unresolved = row.growing, row.bounded, row.unresolved
    doubt_growth(opinion, row, restarts_known=restarts_known)
    footprint, found = opinion.end_level(Signal.FOOTPRINT) or row.end_level, layers_of(opinion)
    name_growing_layer(opinion, found, footprint)
    if opinion.pattern == Pattern.INSUFFICIENT_DATA:
        opinion.pattern, opinion.cause = name_shape(opinion, row)
    name_large_layers(opinion, found, footprint)
    opinion.also = [name for name in dict.fromkeys(opinion.also) if name != opinion.pattern]
    doubt_rest(opinion)
    return opinion


def _logit(value: float) -> float:
    clipped = min(max(value, 1 - th.MOST_SURE), th.MOST_SURE)
    return math.log(clipped / (1 - clipped))


def _chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(min(-log_odds, 700.0)))


def pool_lives(opinions: Sequence[Opinion]) -> Pool:
    usable = [opinion for opinion in opinions if opinion.reading is not None]
    if not usable:
        return Pool(list(opinions), 0.0, 0.0, 1.0, opinions[-1] if opinions else None)
    if opinions[-1].signal is None and opinions[-1].life.version not in {None, usable[-1].life.version}:
        return _just_released(pool_lives(usable), opinions[-1:])
    version = usable[-1].life.version
    current, older = (
        [one for one in usable if (one.life.version == version) == is_current] for is_current in (True, False)
    )
    short = _longest(current) < th.SHORT * _longest(usable)
    pool = _combine(current)
    _unmask(pool, current)
    _weigh_endings(pool, current, [opinion.life for opinion in opinions if opinion.life.version == version])
    if not older:
        return pool
    before = _combine(older)
    _unmask(before, older)
    if short and pool.growing > th.LIKELY and before.growing > th.LEAKED_BEFORE:
        # The new version has begun as the old one did: what agrees is surer than either.
        _raise(pool, _chance(_logit(pool.growing) + th.INDEPENDENCE * _logit(before.growing)))
        pool.main = before.main
    elif short and not any(map(_Past(older).passed_by, (one for one in current if one.growing > th.LIKELY))):
        pool = _just_released(before, current)
    else:
        _set_release(pool, usable[-1].life, [before])
    _set_moves(pool, current, older)
    pool.too_young = current[-1].life if short else None
    return pool


def _set_release(pool: Pool, running: Life, before: Sequence[Pool]) -> None:
    """Set, in place, whether growth ended or began with a version; growth that would not show now has not ended."""
    leaked = [one for one in before if one.growing > th.LEAKED_BEFORE]
    if pool.bounded > th.CLEAN_FROM and leaked:
        mains = [(one.main.life, one.main.reading) for one in leaked if one.main and one.main.reading]
        row = pool.main.reading if pool.main is not None else None
        # The longest of them tells best how fast it was.
        _, rate = max(((life.seconds, old.growth_per_day) for life, old in mains), default=(0.0, math.inf))
        # What comes at half the pace of before, or faster, may just have paused.
        paced = rate * _longest(pool.opinions) / DAY_SECONDS / 2
        # Where only some leaked, more than noise makes, that none of a few does may be chance.
        chance = (1 - len(leaked) / len(before)) ** len({one.life.container_id for one in pool.opinions})
        comes = row is not None and (row.mean_rise > paced > 0 or row.floor_per_day > rate > 0)
        # Pods that a new hash alone tells apart may run the same code: they must have seen half as much.
        seen, leaking = _span([one.life for one in pool.opinions]), _span([life for life, _ in mains])
        comes = comes or (running.hashed and seen < leaking / 2)
        if comes or (chance > 1 - th.GOOD and len(leaked) >= th.MASKED_LIVES):
            _reopen(pool)
        else:
            pool.fixed_version = running.version
    if pool.growing > th.LEAKED_BEFORE and min(one.bounded for one in before) > th.CLEAN_FROM:
        pool.since_version = running.version


def _just_released(pool: Pool, running: Sequence[Opinion]) -> Pool:
    """A version that was seen too shortly to judge clears no leak of the one before, nor is it cleared by its rest."""
    leaky = {opinion.life.version for opinion in pool.opinions if opinion.bounded < th.CLEAN_FROM}
    past = _Past(pool.opinions)
    outgrows = any(past.passed_by(one, one.life.seconds) for one in running)
    if (pool.growing > th.LEAKED_BEFORE and len(leaky) <= 1) or outgrows:
        pool.growing, pool.bounded, pool.unresolved = th.UNTOLD, th.UNTOLD, 1 - 2 * th.UNTOLD
        pool.longest_before_seconds = _longest(pool.opinions)
        # Where old and new were judged together they are there already.
        there = set(map(id, pool.opinions))
        pool.opinions = [*pool.opinions, *(one for one in running if id(one) not in there)]
    return pool


def _set_moves(pool: Pool, current: Sequence[Opinion], older: Sequence[Opinion]) -> None:
    """Set, in place, by how much a release moved the judged signal, the live heap and what lies around it."""

    def moved(level: Callable[[Opinion], float | None]) -> float | None:
        before, now = ([found for one in part if (found := level(one)) is not None] for part in (older, current))
        return float(np.median(now) - np.median(before)) if now and before else None

    def settled(one: Opinion, signal: Signal) -> float | None:
        level = one.levels.get(signal)
        return None if level is None else level.settled

    def around(one: Opinion) -> float | None:
        heap, whole = settled(one, Signal.ALLOCATED), settled(one, Signal.ANON) or settled(one, Signal.RSS)
        return None if heap is None or whole is None else whole - heap

    if current and older and min(one.life.start for one in current) < min(one.life.start for one in older):
        # It was rolled back.
        return
    pool.moved_bytes = moved(lambda one: None if one.reading is None else one.reading.settled)
    pool.moved_heap_bytes = moved(lambda one: settled(one, Signal.ALLOCATED))
    pool.moved_around_bytes = moved(around)
    pool.moved_threads = moved(lambda one: settled(one, Signal.THREADS))


def _span(lives: Sequence[Life]) -> dt.timedelta:
    return max(life.end for life in lives) - min(life.start for life in lives) if lives else dt.timedelta()


def _longest(opinions: Iterable[Opinion]) -> float:
    return max((opinion.life.seconds for opinion in opinions), default=0.0)


def _combine(opinions: Sequence[Opinion]) -> Pool:
    lives, longest = opinions, _longest(opinions)
    newest = [one for one in lives if one.life.seconds >= th.SHORT * longest or one.growing > th.LIKELY][-1]
    rested = [one for one in lives if one.bounded > th.LIKELY and one.life.start < newest.life.start]
    if newest.growing > th.LIKELY and _Past(rested).passed_by(newest):
        # Rest before it clears nothing of a life that goes where none of them has been.
        lives = [one for one in lives if one.bounded <= th.LIKELY or one.life.start >= newest.life.start]
        longest = _longest(lives)
    if len(lives) == 1:
        only = lives[0]
        return Pool(list(opinions), only.growing, only.rests, only.unresolved + (only.bounded - only.rests), only)
    lasts = np.array([opinion.life.seconds for opinion in lives]) / longest
    weights = np.where(lasts < 1, th.INDEPENDENCE * lasts, 1.0)
    # What runs now says the most of what is to come.
    weights[-1] = 1.0 if lasts[-1] >= th.STANDS_FOR_ALL else weights[-1]
    weights[:-1] *= [th.JUMPED if _ends_in_jump(opinion) else 1.0 for opinion in lives[:-1]]
    weights[lasts < th.SHORT] = 0.0
    weights /= min(weights.sum(), 1.0)
    logits = [(_logit(opinion.growing), _logit(opinion.rests)) for opinion in lives]
    growing, bounded = map(_chance, weights @ np.array(logits))
    total = max(1.0, growing + bounded)
    chances = (growing / total, bounded / total, max(0.0, 1 - growing - bounded) / total)
    grows = chances[0] > th.LIKELY

    def stands_for_all(opinion: Opinion) -> tuple[bool, bool, bool, dt.datetime]:
        """Growth is told of by a life that grows, else by the last one that is long."""
        long, tells = opinion.life.seconds >= th.STANDS_FOR_ALL * longest, opinion.growing > th.LIKELY or not grows
        return long and tells, tells, long, opinion.life.start

    return Pool(list(opinions), *chances, max(lives, key=stands_for_all))


def _ends_in_jump(opinion: Opinion) -> bool:
    """Whether a life ends in a burst that its end cut off: it says nothing about the lives after it."""
    row = opinion.reading
    if row is None or opinion.life.ended == Ending.RUNNING or opinion.growing > th.LIKELY:
        return False
    return row.top > th.JUMP_RATIO * row.middle_level and row.middle_level < th.JUMP_RATIO * row.early_level


def _rises(one: Opinion) -> bool:
    row, likely = one.reading, one.growing + one.unresolved > th.LIKELY
    return likely and row is not None and row.mean_rise > 0 and row.growth_per_day > 0


def _unmask(pool: Pool, opinions: Sequence[Opinion]) -> None:
    """See a leak that restarts keep hiding: the same growth in every life, ended by kills."""
    rising = [one for one in opinions if _rises(one)]
    ended = [opinion for opinion in opinions if opinion.life.ended != Ending.RUNNING]
    pool.lives_rising = len(rising)
    pool.lives_judged = len(opinions)
    if len(rising) < th.MASKED_LIVES or len(rising) < th.MASKED_SHARE * len(opinions) or not ended:
        return
    # A longer life that rose as they do, and rests, shows where the others were going, until they pass it.
    rise = max(one.reading.came for one in rising if one.reading) / 2
    longer = [one for one in opinions if one.bounded > th.CLEAN_FROM and one.life.seconds > _longest(rising)]
    bounds = [one for one in longer if one.reading and one.reading.came >= rise]
    past = _Past(bounds)
    if bounds and not any(past.passed_by(one, -math.inf) for one in rising):
        return
    # Sums of weights may be above 1 by a rounding error.
    typical = min(float(np.median([opinion.growing for opinion in rising])), 1.0)
    together = 1 - (1 - typical) ** (th.INDEPENDENCE * len(rising))
    pool.masked = together > th.LIKELY
    _raise(pool, together)


def _carried(opinions: Sequence[Opinion], least: float = 0.0) -> bool:
    """Whether long lives rose so far in all, and most of it was still there when the next processes had begun."""
    shortest, rises, falls = th.SHORT * _longest(opinions), 0.0, 0.0
    pods: dict[int, list[Opinion]] = {}
    for one in sorted(opinions, key=lambda one: one.life.start):
        pods.setdefault(one.life.container_id, []).append(one)
    firsts = [lives[0] for lives in pods.values()]
    starts = [one.life.start for one in firsts]
    free = 0
    for lives in sorted(pods.values(), key=lambda lives: lives[-1].life.end):
        last = lives[-1].life
        # The first pod that begins after most of the last life: those of a release may start before the old ones end.
        at = max(free, bisect_left(starts, last.end - th.SHORT * (last.end - last.start)))
        free = at + (at < len(firsts))
        for one, later in pairwise([*lives, *firsts[at : at + 1]]):
            row, new = one.reading, later.reading
            same = later.life.container_id == one.life.container_id and one.life.ended in (Ending.GAP, Ending.RUNNING)
            killed = one.life.ended == Ending.OOM_KILL
            long = one.life.seconds >= shortest and (killed or _rises(one))
            if row is not None and new is not None and long and not same:
                rises += row.mean_rise
                # What comes with the start alone is not still there; what is killed at a peak begins at it.
                still = new.begun if killed and later.life.seconds >= shortest else min(new.begun, new.early_level)
                # A new version that needs more makes up for no other fall, and tells nothing of data.
                falls += max(row.end_level - still, -math.inf if killed else -th.TAKEN * row.mean_rise)
    return rises > max(least, 0.0) and abs(falls) < th.TAKEN * rises


def _hold(pool: Pool, most: float) -> None:
    """Leave growth, in place, no more probable than that: what is above cannot be told."""
    pool.growing, pool.unresolved = min(pool.growing, most), pool.unresolved + max(pool.growing - most, 0.0)


def _raise(pool: Pool, least: float) -> None:
    """Take growth, in place, for no less probable than that, at the cost of both others alike."""
    more, rest = max(least - pool.growing, 0.0), max(pool.bounded + pool.unresolved, 1e-9)
    pool.growing += more
    pool.bounded, pool.unresolved = (part * (1 - more / rest) for part in (pool.bounded, pool.unresolved))


def _hold_one_rise(pool: Pool, main: Opinion, row: Reading) -> None:
    """A straight rise of one life may be a cache that has not met its bound: it counts by how much of it was seen."""
    # When it began tells nothing of a bound, nor do teeth; a fall before it is something else than a slow start.
    one_rise = row.mean_rise > 0 or row.samples < th.ONE_RISE_SAMPLES
    # Restarts between them make lives no shorter, be it pods that follow each other; side by side they count once.
    seen, until = row.samples * (1 - row.onset), None
    for one in sorted(pool.opinions, key=lambda one: one.life.end):
        apart = one.life.end <= main.life.start or one.life.start >= main.life.end
        if apart and one.reading and one.growing > th.LIKELY and (until is None or one.life.start >= until):
            seen, until = seen + one.reading.samples * (1 - one.reading.onset), one.life.end
    if one_rise and row.teeth < th.TEETH:
        # The smaller the rise, the longer it must last: many programs creep for a while.
        climbed, rise = _climbed(main), row.mean_rise / max(row.settled, 1.0)
        seen *= min(max(rise / th.WARM_UP_RISE, climbed / th.CLIMBED), 1.0)
        if main.life.limit_bytes:
            # The more of the room to the limit is left, the more is there for a bound.
            seen *= th.ROOM_LEFT + (1 - th.ROOM_LEFT) * min(max(climbed / th.ROOM_USED, 0.0), 1.0)
    pool.surest, pool.rise_samples = th.ONE_RISE if one_rise else 1.0, seen
    _hold(pool, pool.surest if seen >= th.ONE_RISE_SAMPLES else th.ONE_RISE_EARLY)


def _weigh_endings(pool: Pool, opinions: Sequence[Opinion], lives: Sequence[Life]) -> None:
    """A climb into the limit that comes again is a leak whatever its shape; no rest is known after one kill."""
    killed = [opinion for opinion in opinions if opinion.life.ended == Ending.OOM_KILL]
    outlived = [opinion for opinion in killed if opinion.life.samples >= th.FEW_SAMPLES]
    # What climbed around a live heap that rests is kept by the allocator, and kills, but leaks nothing.
    leaky = [one for one in outlived if one.signal != Signal.ALLOCATED or one.bounded <= th.CLEAN_FROM]
    climbs = [opinion for opinion in leaky if _climbed(opinion) >= th.CLIMBED]
    longest = _longest(opinions)
    kills = [life for life in lives if life.ended == Ending.OOM_KILL]
    # A leak climbs anew after each kill. What is killed again at once needs more than it may have, at that hour.
    at_once = sum(life.seconds < th.SHORT * longest for life in kills) > max(len(kills) / 2, 1)
    brief = max(opinion.life.samples for opinion in opinions) < th.FEW_SAMPLES
    failed = sum(life.ended == Ending.ERROR for life in lives)
    errors = failed > len(lives) / 2 and not kills and max(life.samples for life in lives) < th.ONE_RISE_SAMPLES
    last = opinions[-1]
    outlasted = last.bounded > th.CLEAN_FROM and all(last.life.seconds >= opinion.life.seconds for opinion in killed)
    if outlasted and last.life.seconds >= sum(one.life.seconds for one in killed) and _Past(killed).passed_by(last):
        # With more room it rests above where they were killed, for longer than all of them: that much it needs.
        return
    if len(climbs) >= th.CLIMBS and len(climbs) >= len(killed) / 2 and not at_once:
        _raise(pool, th.CLIMBS_LEAK)
        pool.masked = True
    elif at_once or (killed and brief) or errors:
        # Lives that never outlive their start show what it needs, or a leak: nobody can tell.
        _hold(pool, th.ONE_RISE_EARLY)
    if not outlasted and any(_climbed(opinion) >= th.CLIMBED / 2 for opinion in killed):
        _reopen(pool)


def _was_killed(pool: Pool) -> bool:
    return any(opinion.life.ended == Ending.OOM_KILL for opinion in pool.opinions)


def _climbed(opinion: Opinion) -> float:
    """How much of the way to its limit a life went, as its footprint shows it, before its last eighth."""
    whole, limit = opinion.footprint or opinion.reading, opinion.life.limit_bytes
    if whole is None or not limit:
        return 0.0
    return whole.came / max(limit - whole.early_level, 1.0)


def pool_instances(pools: Sequence[Pool]) -> tuple[Pool, int, int]:
    answer, growing, judged = _pool_instances(pools)
    # A pool may be that of its only instance, which stays as it is.
    answer = replace(answer)
    killed = any(map(_was_killed, pools))
    # What is killed at the height of each day, and begins as high again, needs that much then.
    answer.masked = answer.masked and not _carried([one for pool in pools for one in pool.opinions])
    if not (answer.masked and killed):
        _doubt_pools(answer, growing, pools)
    return answer, growing, judged


def _doubt_pools(answer: Pool, growing: int, pools: Sequence[Pool]) -> None:
    """Take from what instances say together, in place, what one rise of all of them does not show."""
    main, row = answer.main, answer.main.reading if answer.main is not None else None
    if main is None or row is None:
        return
    # A short life beside a long one, as before a crash, says nothing of what the long one fills.
    shortest = th.SHORT * main.life.seconds
    every = [one for pool in pools for one in pool.opinions if one.reading is not None]
    lives = [one for one in every if one.life.seconds >= shortest]
    if not lives:
        return
    # What a new process begins with was not leaked by the one before it: the data grow.
    if _carried(every, row.mean_rise / 4):
        _hold(answer, th.LIKELY)
    begun = [one.life.start.timestamp() for one in lives]
    # Lives that all rise, together or one after the other, have seen one rise between them, not several.
    at_once = max(begun) - min(begun) < shortest
    past = _Past(lives)
    beyond = any(past.passed_by(one, shortest) for one in lives if one.growing > th.LIKELY)
    one_rise = at_once or not (any(map(_was_killed, pools)) or beyond)
    # Only one that rests beside them, and did not rise itself, shows that the others do not fill up alike.
    rests = any(
        one.bounded > th.LIKELY and one.reading.mean_rise <= min(row.mean_rise / 2, th.MATERIAL_SHARE * row.settled)
        for one in lives
        if one.reading
    )
    if len(lives) == 1 or (one_rise and not rests) or (growing == 1 and row.teeth >= th.TEETH):
        _hold_one_rise(answer, main, row)
    bounds = [level for level, bounded in past.seen_by(main, shortest) if bounded > th.CLEAN_FROM]
    ends = [read.end_level for one in lives if (read := one.reading) and (one is main or one.growing > th.LIKELY)]
    longer = [one for one in lives if th.STANDS_FOR_ALL * one.life.seconds >= main.life.seconds]
    calm = [one.reading for one in longer if one.growing <= th.LIKELY and one.signal == row.signal]
    passed = max((read.end_level for read in calm if read), default=-math.inf)
    # What replaces others may stand at its own level: a rise no larger than their cycle may be a part of one.
    middle = main.life.start + (main.life.end - main.life.start) / 2
    before = [one.reading for one in longer if one.signal == row.signal and one.life.end <= middle]
    cycles = [read.swing / max(read.settled, 1.0) for read in before if read and read.periodic > th.PERIODIC]
    young = main.life.seconds < _DAYS_OF_LOAD and not row.periodic
    answer.cycles_before = young and 0 < row.mean_rise <= max(cycles, default=0.0) * row.settled
    if main.life.ended == Ending.OOM_KILL:
        # Whoever came as far as the limit was killed: what climbed half as far, lived longer and rests tells more.
        longer = [one for one in lives if one.rests > th.LIKELY and one.life.seconds > main.life.seconds]
        rested = [one.reading for one in longer if one.reading and one.signal == row.signal]
        half = row.mean_rise / 2
        passed = max([passed, *(read.end_level + half for read in rested if read.mean_rise >= half)])
    reached = bool(bounds) and np.median(ends) <= (1 + th.MATERIAL_SHARE) * max(bounds)
    if reached or row.end_level <= passed or answer.cycles_before:
        # Up to where a life before them rested, or a longer one that is not seen to grow: a bound, until they pass it.
        _hold(answer, th.ONE_RISE_EARLY)
    doubtful = [one for one in lives if one.rests < th.LIKELY]
    doubtful = doubtful or [one for one in lives if one.rests <= th.CLEAN_FROM]
    resting = _Past(one for one in lives if one.rests > th.CLEAN_FROM)
    if doubtful and all(_moves_with(one, resting) for one in doubtful):
        _rest(answer)


def _moves_with(one: Opinion, resting: _Past) -> bool:
    """Whether a life goes no further, and no higher, than one of its version that ran beside it, outlasts it, rests."""
    row, life = one.reading, one.life
    return row is not None and any(
        read.swing >= row.mean_rise and _top(read) >= row.end_level and other.life.version == life.version
        for other, read, _ in reversed(resting.begun(one, -life.seconds))
        if th.OUTLASTS * other.life.seconds >= life.seconds
        if min(life.end, other.life.end) - max(life.start, other.life.start) >= th.OUTLASTS * (life.end - life.start)
    )


def _top(row: Reading) -> float:
    return row.settled - row.depth + row.swing


class _Past:
    """Lives by their signal, in the order in which they began: up to where each has been, and all before it."""

    def __init__(self, lives: Iterable[Opinion]) -> None:
        self.lives: dict[Signal | None, list[tuple[Opinion, Reading, float]]] = {}
        for one in sorted(lives, key=lambda one: one.life.start):
            if (row := one.reading) is not None:
                before = self.lives.setdefault(row.signal, [])
                before.append((one, row, max(_top(row), before[-1][-1] if before else 0.0)))

    def begun(self, one: Opinion, apart: float) -> Sequence[tuple[Opinion, Reading, float]]:
        lives, start = self.lives.get(one.signal, []), one.life.start
        return lives[: bisect_right(lives, -apart, key=lambda other: (other[0].life.start - start).total_seconds())]

    def seen_by(self, one: Opinion, apart: float) -> Iterator[tuple[float, float]]:
        """Up to where lives that had begun well before another one have been, and how probable rest was in each."""
        for other, row, _ in self.begun(one, apart):
            # What grew in a life nearly as long would have grown until it was.
            lacks = one.life.seconds - other.life.seconds
            nearly = 0 < lacks <= (1 - th.STANDS_FOR_ALL) * one.life.seconds and other.growing > th.LIKELY
            yield _top(row) + (max(row.growth_per_day, 0.0) * lacks / DAY_SECONDS if nearly else 0.0), other.bounded

    def passed_by(self, one: Opinion, apart: float = 0.0) -> bool:
        row, before = one.reading, self.begun(one, apart)
        # Few go beyond the highest: for these alone each life needs a look.
        if row is None or not before or row.end_level <= (1 + th.MATERIAL_SHARE) * before[-1][-1]:
            return False
        return all(row.end_level > (1 + th.MATERIAL_SHARE) * level for level, _ in self.seen_by(one, apart))


def _pool_instances(pools: Sequence[Pool]) -> tuple[Pool, int, int]:
    judged = [pool for pool in pools if pool.main is not None and pool.main.reading is not None]
    if not judged:
        return pools[0], 0, 0
    life = max((pool.main.life for pool in judged if pool.main), key=lambda one: one.start)
    running, older = (
        [pool for pool in judged if pool.main and (pool.main.life.version == life.version) == is_current]
        for is_current in (True, False)
    )
    longest = max(_longest(pool.opinions) for pool in judged)
    grows, grew = (sum(pool.growing > th.LIKELY for pool in part) for part in (running, older))
    now_at = max(opinion.life.end for pool in pools for opinion in pool.opinions)
    is_short = bool(older) and max(_longest(pool.opinions) for pool in running) < th.SHORT * longest
    beside = any(_still_runs(pool, now_at) and (pool.growing > th.LIKELY or not grows) for pool in older)
    # What only a hash tells apart, and leaks as before, is the same code begun anew.
    goes_on = life.hashed and grows and 2 * grew > len(older) > 0
    together = is_short or beside or goes_on
    counted = judged if together else running
    answer, growing = _pool_running(counted, longest, now_at)
    if older and (not together or any(map(_was_killed, running))):
        _set_moves(answer, *([opinion for pool in part for opinion in pool.opinions] for part in (running, older)))
    young: list[Pool] = []
    if is_short and not grows and _are_gone(older, running):
        young = running
    elif is_short and not grows and not grew:
        # What old pods outlive, or what rests beside them, tells nothing new. Those that leak, and run, leak on.
        young = [pool for pool in running if _is_open(pool, now_at)]
    latest = max((pool for pool in pools if pool.opinions), key=lambda pool: pool.opinions[-1].life.start)
    if latest not in judged and latest.opinions[-1].life.version not in {None, life.version}:
        young = [latest] if _are_gone(judged, [latest]) else young
    if young:
        answer = _just_released(answer, [opinion for pool in young for opinion in pool.opinions])
    elif not together and older:
        _set_release(answer, life, older)
    return answer, growing, len(counted)


def _pool_running(running: Sequence[Pool], longest: float, now_at: dt.datetime) -> tuple[Pool, int]:
    if len(running) == 1:
        return running[0], int(running[0].growing > th.LIKELY)
    noise = _rises_as_others_fall(running)
    growing = sum(pool.growing > th.LIKELY for pool in running) if not noise else 0
    odds = [_logit(pool.growing) for pool in running]
    # The best of n looks better than it is; several that agree are better than they look.
    best = max(odds) - th.BEST_OF_MANY * math.log(len(running))
    together = _together(odds)
    if _read_in_two_ways(running):
        best = together
    chance = _chance(max(best, together)) if growing else _chance(together if noise or together > 0 else max(odds))
    every = [opinion for pool in running for opinion in pool.opinions]
    told = [pool for pool in running if _longest(pool.opinions) >= th.SHORT * longest or _was_killed(pool)]
    # Of one that runs, and goes where none has been that is as old, the rest of the others tells nothing.
    doubted = [pool for pool in running if _is_open(pool, now_at)]
    past = _Past(every)
    told += [pool for pool in doubted if any(past.passed_by(one, one.life.seconds) for one in pool.opinions)]
    worst = min(told, key=lambda pool: pool.bounded)
    # What is doubted although it grew stands at just that.
    rises = [pool for pool in running if pool.growing >= th.LIKELY]
    sure = [(pool, _longest(pool.opinions)) for pool in rises if pool.growing >= th.LEAK_FROM]
    shortest = th.STANDS_FOR_ALL * max((seconds for _, seconds in sure), default=0.0)
    long = [pool for pool, seconds in sure if seconds >= shortest] or rises or running

    def stands_for_all(pool: Pool) -> tuple[float, float, dt.datetime]:
        """Of those that are as sure the longest tells most, then the newest."""
        return growing and round(pool.growing, 2), _longest(pool.opinions), pool.opinions[-1].life.start

    main = max(long, key=stands_for_all)
    bounded = worst.bounded
    if noise:
        main = max(running, key=lambda pool: pool.bounded)
        bounded = _chance(_together([_logit(pool.bounded) for pool in running]))
    elif not rises and worst.bounded < th.LIKELY:
        main = worst
    bounded = min(bounded, 1 - chance)
    answer = replace(main, opinions=every, growing=chance, bounded=bounded, unresolved=max(0.0, 1 - chance - bounded))
    # What a release moved in one of them says nothing of all.
    _set_moves(answer, (), ())
    return answer, growing


def _together(odds: Sequence[float]) -> float:
    return th.INDEPENDENCE * sum(odds) / math.sqrt(len(odds))


def _rises_as_others_fall(pools: Sequence[Pool]) -> bool:
    """Whether instances in doubt rise no further than one that rests beside them falls: noise goes both ways."""
    rows = [(pool, pool.main, pool.main.reading) for pool in pools if pool.main is not None and pool.main.reading]
    doubted = [(pool, main, row) for pool, main, row in rows if pool.bounded <= th.CLEAN_FROM]
    resting = [(_longest(pool.opinions), row) for pool, _, row in rows if pool.bounded > th.CLEAN_FROM]
    told = any(_was_killed(pool) or pool.masked or main.growing_layer for pool, main, _ in doubted)
    if told or not 0 < len(doubted) < len(resting):
        return False
    # A short life falls as far as it happens to.
    least = th.STANDS_FOR_ALL * max(_longest(pool.opinions) for pool, *_ in doubted)
    signals = {row.signal for *_, row in doubted}
    falls = max(
        (-row.floor_rise for seconds, row in resting if seconds >= least and {row.signal} == signals), default=0
    )
    return max(row.floor_rise for *_, row in doubted) <= falls > 0


def _read_in_two_ways(pools: Sequence[Pool]) -> bool:
    """Whether as many instances rest as grow although they rose as far: one of two readings of the same is wrong."""
    rises = [(pool, pool.main.reading.mean_rise) for pool in pools if pool.main is not None and pool.main.reading]
    growing = [rise for pool, rise in rises if pool.growing > th.LIKELY]
    alike = th.ROSE_ALIKE * max(growing, default=0.0)
    return 0 < len(growing) <= sum(pool.main.bounded > th.LIKELY and rise >= alike for pool, rise in rises if pool.main)


def _are_gone(older: Sequence[Pool], newer: Sequence[Pool]) -> bool:
    """Whether some instances had ended by the middle of the lives of others, which replace them."""
    ends = [opinion.life.end for pool in older for opinion in pool.opinions]
    lives = [opinion.life for pool in newer for opinion in pool.opinions]
    start, end = min(life.start for life in lives), max(life.end for life in lives)
    return max(ends) <= start + (end - start) / 2


def _is_open(pool: Pool, at: dt.datetime) -> bool:
    return pool.bounded <= th.CLEAN_FROM and _still_runs(pool, at)


def _still_runs(pool: Pool, at: dt.datetime) -> bool:
    """Whether an instance is sampled up to a time: what has run beside a new version for long is not replaced."""
    life = pool.opinions[-1].life
    scrape = life.seconds / max(life.samples - 1, 1)
    return life.ended == Ending.RUNNING and (at - life.end).total_seconds() <= th.SILENT_SCRAPES * scrape


def weigh_age(pool: Pool, by_age: records.ByAge | None) -> None:
    """Weigh, in place, what all lives say together of their age and of the day, which no single one tells apart."""
    main = pool.main
    if by_age is None or main is None or main.signal != by_age.signal or main.growing_layer or _was_killed(pool):
        return
    match by_age.kind:
        case records.AgeKind.RESTS:
            _rest(pool)
        case records.AgeKind.NO_RISE:
            # What single lives rise by comes and goes with the day.
            pool.cycles_before = pool.growing > th.ONE_RISE_EARLY
            _hold(pool, th.ONE_RISE_EARLY)
        case _ if pool.fixed_version is None:
            pool.rise_by_age_bytes = by_age.rise_bytes
            if by_age.kind == records.AgeKind.SLOW_START:
                _hold(pool, th.ONE_RISE_EARLY)
            if pool.bounded >= th.CLEAN_FROM:
                _reopen(pool)


def with_heap(pool: Pool, reading: HeapReading | None) -> Pool:
    main = pool.main
    if reading is None or main is None or main.reading is None:
        return pool
    heard = replace(reading, kind=_heard(pool, main.reading, reading))
    growing, bounded, unresolved, surest = pool.growing, pool.bounded, pool.unresolved, pool.surest
    if heard.kind == HeapKind.GROWS:
        # What fills up to a bound was seen to be the heap that grows.
        surest = 1.0
        growing, unresolved = growing + th.HEAP_SETTLES * unresolved, (1 - th.HEAP_SETTLES) * unresolved
        growing *= th.HEAP_ODDS
    elif heard.kind == HeapKind.RESTS and main.signal != Signal.ALLOCATED and not main.threads_grow:
        # What grows is not in the heap that was seen; whether it ends elsewhere is another question.
        taken = growing * (1 - 1 / th.HEAP_ODDS)
        growing, unresolved = growing - taken, unresolved + taken
    whole = growing + bounded + unresolved
    return replace(
        pool, growing=growing / whole, bounded=bounded / whole, unresolved=unresolved / whole, surest=surest, heap=heard
    )


def _heard(pool: Pool, judged: Reading, reading: HeapReading) -> HeapKind:
    # Few profiles, or such as growth itself brought, do not tell that it goes on: a recording may.
    is_told = reading.kind in (HeapKind.FEW, HeapKind.RISES, HeapKind.DOUBLES) and pool.growing >= th.LEAK_FROM
    kind = HeapKind.GROWS if is_told else reading.kind
    if kind not in (HeapKind.GROWS, HeapKind.RESTS):
        return kind
    recorded = max(judged.growth_per_day, 0.0) / DAY_SECONDS if pool.bounded < th.CLEAN_FROM else 0.0
    if kind == HeapKind.GROWS:
        rate = reading.growth_bytes_per_second
        return HeapKind.SMALL if rate is not None and rate < th.HEAP_EXPLAINS * recorded else HeapKind.GROWS
    if not recorded:
        return HeapKind.RESTS
    # In the stretch that the profile measured, so much would have come.
    due = recorded * (reading.seconds or 0.0)
    least = max(th.HEAP_LEAST, reading.shows_bytes, th.HEAP_SHOWS * reading.moved_bytes)
    return HeapKind.RESTS if due >= least else HeapKind.SHORT
