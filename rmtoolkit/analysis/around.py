"""What lies around the heap and makes memory high: files in memory, sockets, arenas, a large runtime, mapped files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.records import Advice, Evidence, Layer, Level, Opinion, Statistic, VerdictRow
from rmtoolkit.schema import Cause, Ending, Pattern, Signal, Verdict
from rmtoolkit.text import configured, filled, memory, number, small_memory, texts


class Seen(Struct, frozen=True):
    """What is known when a cause is looked for: the lives of each container, and how they were named so far."""

    lives: Sequence[Sequence[Opinion]]
    main: Opinion
    verdict: Verdict
    pattern: Pattern
    also: Sequence[Pattern]
    cause: Cause | None

    @property
    def whole_bytes(self) -> float:
        """The largest of what is called the memory of the process: its RSS counts files that its cgroup does not."""
        return max(self.main.end_level(name) or 0.0 for name in (Signal.FOOTPRINT, Signal.RSS))


class Around(Struct, frozen=True):
    cause: Cause
    #: When it speaks, with the evidence for it.
    rule: Callable[[Seen], Evidence | None]
    #: What there is to do, with the evidence, which is called as the cause or as one of these.
    remedy: Callable[[VerdictRow, Evidence], Iterator[Advice]]
    statistics: tuple[Statistic, ...] = ()


def _files_left(lives: Sequence[Opinion]) -> float:
    """Find what earlier lives left in memory, where with it a later life was killed: it outlives every restart."""
    found, left, base, beside = 0.0, 0.0, None, False
    for before, life in pairwise(lives):
        if before.files is None or life.files is None:
            continue
        base = before.files[1] if base is None else base
        first, last = life.files[0], before.files[2]
        # Where each life has a cgroup of its own, what is left counts beside it, in that of the pod; a start that is
        # killed before it makes files shows none, and takes none away.
        beside = beside or first < th.LEFT * last
        left = left + last if beside else first - base
        limit, peak = life.life.limit_bytes, life.life.peak_bytes
        if not limit or peak is None or life.life.ended != Ending.OOM_KILL or left < th.NAMING_SHARE * limit:
            continue
        below = peak + left >= th.KILLED_WITH * limit and peak <= th.KILLED_BELOW * limit
        if below if beside else life.life.seconds < th.SHORT * before.life.seconds or found > 0:
            found = left
    return found


def _files_stacked(lives: Sequence[Opinion]) -> float:
    """Find what lives left that make their files at once: the first kill comes when together they fill the limit."""
    stack = 0.0
    for place, one in enumerate(lives):
        if one.files is None or one.files[0] < th.LEFT * one.files[2]:
            return 0.0
        limit, peak, left = one.life.limit_bytes, one.life.peak_bytes, stack + one.files[2]
        if one.life.ended == Ending.OOM_KILL:
            if place < th.LIVES_STACKED or not limit or peak is None or peak > th.KILLED_BELOW * limit:
                return 0.0
            # What was killed may have been the next start, of which there is no sample.
            is_full = left + (one.life.startup_peak_bytes or peak) >= th.KILLED_WITH * limit and limit >= stack + peak
            return left if is_full and left >= th.NAMING_SHARE * limit else 0.0
        stack = left
    return 0.0


def _files_at_kills(seen: Seen) -> float | None:
    """Find the least that files in memory were at kills of lives too short to judge, where they were most of each."""
    killed = [one for lives in seen.lives for one in lives if one.life.ended == Ending.OOM_KILL]
    sizes = [(one.files[2], one.life.peak_bytes) for one in killed if one.files is not None and one.life.peak_bytes]
    if seen.main.reading is not None or not sizes or len(sizes) < len(killed):
        return None
    return min(size for size, _ in sizes) if all(size >= th.MOST_SHARE * peak for size, peak in sizes) else None


def _files_most(seen: Seen) -> bool:
    """Tell whether files in memory are most of what a growing whole has grown by, beside a heap that does not leak."""
    whole, files = seen.main.footprint, seen.main.readings.get(Signal.SHMEM)
    if seen.verdict == Verdict.LEAK or whole is None or files is None:
        return False
    if min(one.growing + one.unresolved for one in (whole, files)) <= th.LIKELY:
        return False
    return files.came >= max(th.MOST_SHARE * whole.came, th.NAMING_SHARE * whole.end_level)


def _tmpfs(seen: Seen) -> Evidence | None:
    main = seen.main
    if (left := max((find(lives) for lives in seen.lives for find in (_files_left, _files_stacked)), default=0.0)) > 0:
        return Evidence.of(main, Statistic.FILES_LEFT, memory(left), left)
    if (at_kill := _files_at_kills(seen)) is not None:
        return Evidence.of(main, "files_at_kills", memory(at_kill), at_kill)
    level = main.levels.get(Signal.SHMEM)
    if level is None or (main.growing_layer != Layer.SHMEM and not _files_most(seen)):
        return None
    change = f"{memory(level.early_level)} → {memory(level.end_level)}"
    return Evidence.of(main, Statistic.FILES_GROW, change, level.end_level)


def _kernel_leads(seen: Seen, kernel: Level) -> bool:
    """Tell whether connections that stay open hold more in the kernel than in the heap that grows with them."""
    heap, reading = seen.main.reading, seen.main.readings.get(Signal.KERNEL)
    if seen.cause != Cause.CONNECTIONS or heap is None or reading is None or reading.growing <= th.LIKELY:
        return False
    return kernel.came > heap.came


def held_by_sockets(main: Opinion) -> tuple[float, float | None] | None:
    """Tell what the kernel holds more of for sockets, and how many came with it; None where nothing says so."""
    kernel, buffers, files = (main.levels.get(name) for name in (Signal.KERNEL, Signal.SOCK, Signal.DESCRIPTORS))
    if kernel is None:
        return None
    opened = files is not None and files.piles_up and abs(files.half_way - kernel.half_way) <= th.HELD_TOGETHER
    if files is not None and opened and th.SOCKET_LEAST <= kernel.came / files.came <= th.SOCKET_MOST:
        return kernel.came, files.came
    in_buffers = buffers is not None and buffers.came >= th.SOCKETS_SHARE * kernel.came
    return (kernel.came, None) if in_buffers else None


def _sockets(seen: Seen) -> Evidence | None:
    main = seen.main
    kernel, held = main.levels.get(Signal.KERNEL), held_by_sockets(main)
    if kernel is None or held is None or not (main.growing_layer == Layer.KERNEL or _kernel_leads(seen, kernel)):
        return None
    grown, came = held
    if came is None:
        return Evidence.of(main, Cause.SOCKETS, f"{memory(grown)} more", grown)
    each = f"{number(round(came))} of them, {small_memory(grown / came)} each"
    return Evidence.of(main, "sockets_open", f"{memory(grown)} more with {each}", grown)


def _mapped(seen: Seen) -> Evidence | None:
    main = seen.main
    if seen.verdict == Verdict.LEAK or seen.cause not in (None, Cause.PAGE_CACHE, Cause.STARTUP):
        return None
    mapped = main.end_level(Signal.FILE_MAPPED)
    if mapped is None and Signal.WORKING_SET not in main.levels and Signal.ANON in main.levels:
        # Of a process without a cgroup all file pages are mapped.
        mapped, shared = main.end_level(Signal.FILE), 0.0
    else:
        shared = main.end_level(Signal.SHMEM) or 0.0
    if mapped is None or mapped - shared < th.NAMING_SHARE * seen.whole_bytes:
        return None
    amount, value = mapped - shared, f"{memory(mapped - shared)} of {memory(seen.whole_bytes)}"
    signal = Signal.FILE_MAPPED if Signal.FILE_MAPPED in main.levels else Signal.FILE
    return Evidence.of(main, Cause.MAPPED_FILES, value, amount, signal=signal)


def too_many_threads(main: Opinion) -> tuple[float, float] | None:
    """Tell how many threads there are and the cores that they may use, where that is far too many and stays so."""
    threads, quota = main.end_level(Signal.THREADS), main.quota_cores
    if threads is None or not quota or main.threads_grow:
        return None
    return (threads, quota) if threads >= max(th.TOO_MANY_THREADS, th.THREADS_PER_CORE * quota) else None


def threads_for_cores(threads: float, quota: float) -> str:
    return f"{number(round(threads))} threads for {number(quota)} CPU{'' if quota == 1 else 's'}"


def _kept_at_first(main: Opinion, heap: Level) -> float:
    """Tell how much the allocator kept when it began: at the first sample, where so many follow that none is missed."""
    free, pages = main.levels.get(Signal.FREE), main.levels.get(Signal.RESIDENT) or main.levels.get(Signal.ANON)
    many = main.life.samples >= th.SAMPLES_OF_A_START
    kept, above, below = ((one.first_level if many else one.begun) if one else 0.0 for one in (free, pages, heap))
    return kept if free is not None else above - below


def _arenas(seen: Seen) -> Evidence | None:
    main, many = seen.main, too_many_threads(seen.main)
    keeps = {Pattern.RETENTION, Pattern.FRAGMENTATION} & {seen.pattern, *seen.also}
    if seen.verdict == Verdict.LEAK or many is None or not keeps or seen.cause not in (None, Cause.ALLOCATOR):
        return None
    heap = main.levels.get(Signal.ALLOCATED)
    kept = main.amount(Layer.KEPT) + main.amount(Layer.SLACK)
    if heap is None or heap.early_peak - heap.settled >= th.ONCE_USED * kept:
        # What startup freed, the main thread may have freed.
        return None
    if kept < th.MOST_SHARE * seen.whole_bytes:
        # A lesser part one thread may have left in holes, beside many that hardly allocate.
        return None
    if _kept_at_first(main, heap) >= (1 - th.ARENAS_RISE) * kept:
        # Arenas fill one after another; what was kept at once, a start may have freed that nobody sampled.
        return None
    return Evidence.of(main, Cause.ARENAS, f"{threads_for_cores(*many)}; {memory(kept)} kept", kept)


def _runtime(seen: Seen) -> Evidence | None:
    main, many = seen.main, too_many_threads(seen.main)
    if seen.verdict == Verdict.LEAK or many is None or seen.cause not in (None, Cause.STARTUP, Cause.OUTSIDE_ALLOCATOR):
        return None
    amount = main.amount(Layer.OUTSIDE)
    if Layer.OUTSIDE not in main.shares or main.growing_layer is not None:
        return None
    each = amount / many[0]
    if main.shares[Layer.OUTSIDE] < th.NAMING_SHARE or not th.STACK_LEAST <= each <= th.STACK_MOST:
        return None
    value = f"{threads_for_cores(*many)}; {memory(amount)}, {memory(each)} each"
    return Evidence.of(main, Cause.RUNTIME, value, amount)


def _bound_tmpfs(row: VerdictRow, found: Evidence) -> Iterator[Advice]:
    why, amount, files = found.statistic, memory(found.estimate), found.estimate or 0.0
    # What is there now need not be too much.
    files /= 1 if why == Statistic.FILES_GROW and 2 * files <= (row.limit_bytes or math.inf) else 4
    size = max(math.ceil(files / (16 << 20)) * 16, 16)
    if why == Statistic.FILES_LEFT:
        above = f"a limit above {configured(row.limit_bytes)}" if row.limit_bytes else "a higher limit"
        yield Advice.of("new_pod", why, amount=amount, limit=above)
        yield Advice.of("remove_files", why)
    else:
        yield Advice.of("list_files", why, amount=amount, bound="")
    yield Advice.of("bound_volume", why, size=size)


def _advising(*names: str) -> Callable[[VerdictRow, Evidence], Iterator[Advice]]:
    return lambda _, found: (Advice.of(name, found.statistic, amount=memory(found.estimate)) for name in names)


def _fewer_arenas(row: VerdictRow, found: Evidence) -> Iterator[Advice]:
    kept = row.by_statistic.get(Layer.KEPT)
    for name, other in (("glibc_arenas", Signal.RESIDENT), ("fewer_jemalloc_arenas", Signal.FREE)):
        if kept is None or kept.signal != other:
            yield Advice.of(name, found.statistic, amount=memory(found.estimate))


def _fewer_workers(row: VerdictRow, found: Evidence) -> Iterator[Advice]:
    quota = row.by_statistic.get(Statistic.QUOTA)
    workers = max(math.ceil((quota.estimate if quota is not None else None) or 1), 1)
    amount = memory(found.estimate)
    yield Advice.of("fewer_workers", found.statistic, workers=workers, amount=amount, threads=workers + 2)
    yield Advice.of("small_stacks", found.statistic)


AROUND: Final = (
    Around(Cause.TMPFS, _tmpfs, _bound_tmpfs, (Statistic.FILES_LEFT, Statistic.FILES_GROW)),
    Around(Cause.SOCKETS, _sockets, _advising("see_sockets", "bound_sockets")),
    Around(Cause.ARENAS, _arenas, _fewer_arenas),
    Around(Cause.RUNTIME, _runtime, _fewer_workers),
    Around(Cause.MAPPED_FILES, _mapped, _advising("leave_mapped", "keep_fewer_pages")),
)


def look_around(seen: Seen) -> tuple[Cause | None, list[Evidence]]:
    """Give the first cause around the heap that speaks, else the one named so far, with the evidence for it."""
    quota, node = seen.main.quota_cores, seen.main.node_cores
    for one in AROUND:
        if (piece := one.rule(seen)) is None:
            continue
        if one.cause not in (Cause.ARENAS, Cause.RUNTIME) or quota is None:
            return one.cause, [piece]
        value, of = (f"{number(quota)} of {number(node)}", ", of those of its machine") if node else (number(quota), "")
        return one.cause, [piece, Evidence.of(seen.main, Statistic.QUOTA, value, quota, of=of)]
    return seen.cause, []


def clause_of(cause: Cause | None, evidence: Iterable[Evidence]) -> str | None:
    """Say in a headline what lies around the heap; None of what only grows."""
    clause = texts("analysis/words")["clause"].get(cause or "")
    found = next((piece for piece in evidence if piece.statistic in _SAYS), None)
    return filled(clause, found) if clause is not None and found is not None else None


#: Statistics of which a headline speaks.
_SAYS: Final = (Statistic.FILES_LEFT, Cause.ARENAS, Cause.RUNTIME, Cause.MAPPED_FILES)


def remedies(row: VerdictRow) -> Iterator[Advice]:
    for one in AROUND:
        found = next((piece for piece in row.evidence if piece.statistic in (one.cause, *one.statistics)), None)
        if one.cause == row.cause and found is not None and found.estimate is not None:
            yield from one.remedy(row, found)
