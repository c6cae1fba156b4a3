"""The short answers about a heap profile, about two, and about an allocator's own statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.heap_reading import read_profile
from rmtoolkit.analysis.records import Advice, HeapKind, HeapReading
from rmtoolkit.heap._names import STD, SYSTEM, plain_name, spoken
from rmtoolkit.heap.suspects import churn, diff, limits_of_sight, suspects
from rmtoolkit.heap.tree import tree
from rmtoolkit.text import MI, count, filled, hours, memory, number, printable, share, texts

if TYPE_CHECKING:
    from rmtoolkit.heap.allocator import Allocator
    from rmtoolkit.heap.profile import HeapProfile

_COMMAND: Final = 60


@dataclass(frozen=True, slots=True, eq=False)
class HeapAnswer:
    heap: HeapProfile
    reading: HeapReading
    headline: str
    suspects: pl.DataFrame
    #: The user's own functions from the program's start to the first suspect.
    path: tuple[str, ...]
    churn: pl.DataFrame
    unseen: tuple[str, ...]
    next_step: str


def answer(heap: HeapProfile) -> HeapAnswer:
    table = suspects(heap)
    reading = read_profile(heap, table)
    path = _path(heap, table["stack_id"][0]) if table.height else ()
    headline, next_step = _growth(reading, rose=bool(heap.summary.taken_as_it_rose))
    return HeapAnswer(heap, reading, headline, table, path, churn(heap), tuple(limits_of_sight(heap)), next_step)


def _told(name: str, **figures: object) -> tuple[str, str]:
    told = texts("analysis/heap")[name]
    return filled(told["headline"], figures), filled(told["next"], figures)


def _growth(reading: HeapReading, *, rose: bool) -> tuple[str, str]:
    if reading.kind == HeapKind.PICTURE:
        return _told("picture", most=f" {reading.largest} holds most." if reading.largest else "")
    if reading.suspects and reading.kind != HeapKind.RESTS:
        first, grown = reading.suspects[0], memory(reading.growth_bytes)
        speed, part = reading.pace_of(first.growth_bytes), share(min(first.share, 1))
        figures = {"grown": grown, "speed": speed, "part": part, "function": first.function, "place": first.place}
        name = "sampled" if reading.kind == HeapKind.RISES and not rose else reading.kind
        return _told(name, snapshots=reading.snapshots, **figures)
    least, moved = th.HEAP_SAME * reading.held_bytes, reading.moved_bytes
    thin = reading.kind == HeapKind.RESTS and reading.shows_bytes > max(least, moved)
    kind = "thin" if thin else "moved" if reading.kind == HeapKind.RESTS and moved > least else reading.kind
    where = "" if reading.suspects else "; no function keeps more than comes and goes"
    where = next((f", most of it in {one.function}" for one in reading.suspects if 2 * one.growth_bytes > moved), where)
    return _told(kind, shows=memory(reading.shows_bytes), came=memory(moved), where=where)


def _path(heap: HeapProfile, stack_id: int) -> tuple[str, ...]:
    frames = heap.stack(stack_id).reverse()
    own = frames.filter(pl.col("origin").is_null() | ~pl.col("origin").is_in([STD, SYSTEM]))
    names = [spoken(plain_name(name)) for name in own["function"].drop_nulls()]
    return tuple(printable(name) for at, name in enumerate(names) if not at or name != names[at - 1])


@dataclass(frozen=True, slots=True)
class DiffAnswer:
    before: HeapProfile
    after: HeapProfile
    table: pl.DataFrame
    headline: str
    #: The user's own functions from the program's start to what changed most.
    path: tuple[str, ...]


def answer_diff(before: HeapProfile, after: HeapProfile) -> DiffAnswer:
    table = diff(before, after)
    path = _changed_path(before, after) if table.height else ()
    said = _changed(before, after, table, path)
    peaks = before.summary.peak_bytes, after.summary.peak_bytes
    if None not in peaks and abs(peaks[1] - peaks[0]) > th.HEAP_SAME * peaks[0]:  # type: ignore[operator]
        said += f" At its peak it holds {memory(peaks[1])}, the first {memory(peaks[0])}."
    return DiffAnswer(before, after, table, said, path)


def _changed(before: HeapProfile, after: HeapProfile, table: pl.DataFrame, path: tuple[str, ...]) -> str:
    if not table.height:
        return "The two profiles do not differ."
    change = int(table["live_bytes_change"].sum() or 0)
    held = int(before.stacks["live_bytes"].sum() or 0)
    first = table.row(0, named=True)
    ended, other = (one.summary.live_at_end_bytes is not None for one in (before, after))
    if ended != other or table["live_bytes_change"].null_count() == table.height:
        return f"{count(table.height, 'function')} changed; what is held at the end is unknown in one of them."
    when = "at the end" if ended else "in its last snapshot"
    if abs(change) <= th.HEAP_SAME * held and abs(first["live_bytes_change"]) <= th.HEAP_SAME * held:
        return f"The second holds as much as the first {when} ({memory(held + change)}), in the same places."
    word = "more" if change > 0 else "less"
    # A helper that allocates for many says little without its caller.
    through = " → ".join(path[-2:]) or printable(spoken(first["function"]))
    return f"The second holds {memory(abs(change))} {word} {when} than the first, most of it through {through}."


def _changed_path(before: HeapProfile, after: HeapProfile) -> tuple[str, ...]:
    """Follow the largest change from the program's start; list the own functions on the way."""
    nodes = tree(after, "live_bytes", before=before).with_columns(change=pl.col("value") - pl.col("before"))
    largest = nodes["change"].max() if nodes["change"][0] >= 0 else nodes["change"].min()
    if not isinstance(largest, int) or not largest:
        return ()
    sign = 1 if largest > 0 else -1
    names: list[str] = []
    node = 0
    while True:
        below = nodes.filter(pl.col("parent_id") == node).sort(pl.col("change") * sign, descending=True)
        if not below.height or below["change"][0] * sign <= 0:
            return tuple(names)
        node, name, origin = below.select("node_id", "name", "origin").row(0)
        if origin not in (STD, SYSTEM) and (not names or names[-1] != name):
            names.append(printable(name))


def spans(heap: HeapProfile) -> str:
    summary = heap.summary
    # A command line may hold more than anybody wants to read, or to show.
    command = printable(summary.command or "")
    shown = command if len(command) <= _COMMAND else command[: _COMMAND - 1] + "…"
    words = [summary.format + (f" of {shown}" if shown else "")]
    if summary.runtime_seconds:
        words.append(hours(summary.runtime_seconds / 3600))
    if summary.allocations is not None:
        words.append(count(summary.allocations, "allocation"))
        if summary.runtime_seconds:
            words.append(f"{number(summary.allocations / summary.runtime_seconds)} a second")
    return ", ".join(words)


_STEP: Final = 16 * MI

#: Pages that are kept of what is resident: muzzy ones no longer count as that.
_KEPT: Final = pl.coalesce("dirty_bytes", "purgeable_bytes").alias("kept_bytes")

#: What is resident, from what is used to what is kept, and the allocator's own.
OF_ARENA: Final = ("allocated_bytes", "fragmentation_bytes", "kept_bytes", "metadata_bytes")
#: One row per arena, or per size of block, the one with most kept, or most in gaps, first.
ARENAS: Final = ("arena", "threads", *OF_ARENA)
_SUMMED: Final = ("live_bytes", "active_bytes", "fragmentation_bytes", "partial_slabs", "slabs")
SIZES: Final = ("size_bytes", *_SUMMED, "used")


@dataclass(frozen=True, slots=True)
class AllocatorAnswer:
    allocator: Allocator
    headline: str
    #: Amounts of the last document, and `kept_bytes`; empty where there is none.
    last: dict[str, int | None]
    #: Limits that leave a tenth above the most that was resident in any document, as it is and if the allocator gave
    #: back what it could; without memory outside the allocator.
    limit_as_it_is_bytes: int | None
    limit_if_purged_bytes: int | None
    #: Of the last document, see `ARENAS` and `SIZES`; empty where it does not list them.
    arenas: pl.DataFrame
    sizes: pl.DataFrame
    next_step: str


def answer_allocator(allocator: Allocator) -> AllocatorAnswer:
    totals = allocator.totals
    if not totals.height:
        said, do = _told("no_totals")
        return AllocatorAnswer(allocator, said, {}, None, None, _arenas(allocator, 0), _sizes(allocator, 0), do)
    last = totals.select(pl.selectors.integer(), _KEPT).row(-1, named=True)
    most = (totals[name].max() for name in ("resident_bytes", "resident_if_purged_bytes"))
    as_it_is, purged = (
        math.ceil(one / th.PEAK_NEAR_LIMIT / _STEP) * _STEP if isinstance(one, int) else None for one in most
    )
    arenas, sizes = _arenas(allocator, last["document"]), _sizes(allocator, last["document"])
    said, do = _said(totals["allocator"][-1] or "the allocator", last, sizes)
    return AllocatorAnswer(allocator, said, last, as_it_is, purged, arenas, sizes, do)


def _arenas(allocator: Allocator, document: int) -> pl.DataFrame:
    known = allocator.arenas.filter(document=document).with_columns(_KEPT)
    used = known.filter(pl.col("allocated_bytes") > 0)
    known = used if used.height else known
    waste = pl.sum_horizontal("kept_bytes", "fragmentation_bytes")
    return known.sort(waste, descending=True, maintain_order=True).select(*ARENAS)


def _sizes(allocator: Allocator, document: int) -> pl.DataFrame:
    found = allocator.bins.filter(pl.col("document") == document)
    summed = found.group_by("size_bytes", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in _SUMMED
    )
    used = pl.when(pl.col("active_bytes") > 0).then(pl.col("live_bytes") / pl.col("active_bytes"))
    order = summed.with_columns(used=used).sort(
        "fragmentation_bytes", "live_bytes", descending=True, nulls_last=True, maintain_order=True
    )
    return order.select(*SIZES)


def _said(allocator: str, last: dict[str, int | None], sizes: pl.DataFrame) -> tuple[str, str]:
    # What is resident, or else taken from the system, kept, in gaps, in caches; unknown is none.
    taken = "mapped_bytes" if last["resident_bytes"] is None else "resident_bytes"
    names = (taken, "kept_bytes", "fragmentation_bytes", "thread_cache_bytes", "transfer_cache_bytes")
    whole, kept, gaps, *both = (last[name] or 0 for name in names)
    cached = sum(both)
    live, told = last["allocated_bytes"], partial(_told, allocator=allocator)
    if not whole:
        return told("unused" if live == 0 else "not_resident")
    if live is None:
        return told("committed", whole=memory(whole))
    of = f"of {memory(whole)} {'taken from the system' if last['resident_bytes'] is None else 'resident'}"
    if last["purgeable_bytes"] is None and allocator == "glibc":
        return told("by_malloc_info", live=memory(live), of=of)
    most = max(kept, gaps, cached)
    if most < th.LAYER_SHOWN * whole:
        return told("in_use", live=memory(live), of=of)
    told = partial(told, most=memory(most), of=of, part=share(min(most / whole, 1)))
    if cached > max(kept, gaps):
        return told("caches", thread=memory(both[0]), transfer=memory(both[1]))
    if kept >= gaps:
        back = "Let the allocator return pages: a higher release rate (TCMALLOC_RELEASE_RATE=10)."
        if (remedy := {"glibc": "glibc_trim", "jemalloc": "jemalloc_decay"}.get(allocator)) is not None:
            back = Advice.of(remedy, back=f"about {memory(kept)} less", keep="").sentence
        return told("keeps", back=back)
    where = ""
    if sizes.height and (sizes["fragmentation_bytes"][0] or 0) > gaps / 2:
        where = f", most of them between blocks of {sizes['size_bytes'][0]:,} bytes"
    return told("gaps", where=where)
