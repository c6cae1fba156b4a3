"""What a heap profile says by itself, beside another and of its workload; what an allocator's statistics say."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from rmtoolkit._io import is_url
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.records import Advice, HeapKind, HeapReading, Suspect
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError, quote
from rmtoolkit.heap import read_heap
from rmtoolkit.heap._names import STD, SYSTEM, plain_name, spoken
from rmtoolkit.heap.formats import join
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.suspects import blind, churn, diff, limits_of_sight, suspects
from rmtoolkit.heap.tree import FEWEST, tree
from rmtoolkit.recording import Recording
from rmtoolkit.schema import WORKLOAD
from rmtoolkit.text import MI, and_more, count, filled, hours, memory, number, printable, share, texts

if TYPE_CHECKING:
    from rmtoolkit._parallel import Parted
    from rmtoolkit.heap.allocator import Allocator

#: One profile, or several of one program in the order in which they were taken.
Heap: TypeAlias = "HeapProfile | str | os.PathLike[str] | Sequence[HeapProfile | str | os.PathLike[str]]"
Key: TypeAlias = tuple[str | None, ...]

#: So many functions are named.
_NAMED: Final = 3
#: Pods that a Pyroscope server is asked for.
_PODS: Final = 5
_HINT: Final = "heap=rm.read_heap(PATH), a list of them, or {'WORKLOAD': rm.read_heap(PATH)}"


def read_profile(heap: HeapProfile, table: pl.DataFrame | None = None) -> HeapReading:
    unseen = blind(heap.summary, heap.stacks, heap.frames)
    if unseen is not None:
        return HeapReading(HeapKind.BLIND, why=unseen)
    table = suspects(heap) if table is None else table
    held = int(table["held_bytes"].sum() or 0)
    largest = table.sort("held_bytes", descending=True, nulls_last=True, maintain_order=True)
    most = place(largest.row(0, named=True)) if largest.height else None
    kinds = HeapKind.GROWS, HeapKind.RISES, HeapKind.DOUBLES, HeapKind.FILLS
    kind = next((kind for kind in kinds if kind in table["reading"]), HeapKind.RESTS)
    # What is cut off before its first stamp tells no rest.
    untold = kind == HeapKind.RESTS and not heap.timeline.height
    if not table.height or untold or table["reading"][0] == "live":
        return HeapReading(HeapKind.PICTURE, held_bytes=held, largest=most)
    moved = int(table["growth_bytes"].sum() or 0)
    rates = table.filter(table["growth_bytes_per_second"] > 0).select("growth_bytes", "growth_bytes_per_second")
    # As it is drawn, by time or by the order of the snapshots, from when something is held: a profiler starts before.
    moments = heap.timeline.unique(["time_seconds", "events"], keep="last", maintain_order=True)
    moments = moments[(moments["live_bytes"].fill_null(1) > 0).arg_max() or 0 :]
    times = moments["time_seconds"].drop_nulls()
    span = float(times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else None
    # The part after startup, where nothing grew in it.
    seconds = float(rates.row(0)[0] / rates.row(0)[1]) if rates.height else span and span / 2
    early = (moments.height + 1) // 2 if span is None else (moments["time_seconds"] <= times[0] + span / 2).sum()
    before, last = (moments["live_bytes"][at] for at in (early - 1, -1)) if moments.height else (None, held)
    moved = moved if before is None else max(moved, max(held, last) - before)
    growing = table.filter(reading=kind if kind in kinds else "grew")
    # What begins in the second half needs twice as many to be seen to go on.
    least = th.HEAP_SAME * held
    rises = (moments["live_bytes"].tail(3).diff().drop_nulls() > least).all()
    few = heap.timeline.height < (2 * FEWEST if rises else FEWEST) and moved > least
    kind = HeapKind.FEW if kind == HeapKind.RESTS and few and growing.height else kind
    total = int(growing["growth_bytes"].sum() or 0)
    return HeapReading(
        kind,
        tuple(
            Suspect(place(row), spoken(row["function"]), row["growth_bytes"], row["growth_share"])
            for row in growing.head(_NAMED).iter_rows(named=True)
        ),
        growth_bytes=total,
        growth_bytes_per_second=total / seconds if seconds and kind in kinds else None,
        moved_bytes=moved,
        held_bytes=held,
        seconds=seconds,
        span_seconds=span,
        largest=most,
        snapshots=heap.timeline.height,
        shows_bytes=th.HEAP_SAMPLED * heap.summary.sample_bytes if heap.summary.sampled else 0,
    )


def place(row: Mapping[str, Any]) -> str:
    name = printable(spoken(row["function"]))
    if row["file"] is None:
        return name
    line = "" if row["line"] is None else f":{row['line']}"
    return f"{name} ({printable(PurePosixPath(row['file']).name)}{line})"


def profiles_by_workload(heap: Heap | Mapping[str, Heap], source: Recording | Parted) -> dict[Key, HeapProfile]:
    """Find the workload that each heap profile belongs to; of a Pyroscope server, what it kept in the same time."""
    samples = source.samples if isinstance(source, Recording) else None
    containers = source.containers if isinstance(source, Recording) else source.containers()
    keys = containers.select(*WORKLOAD).unique(maintain_order=True).rows()
    names = {key: _names(key) for key in keys}
    if not isinstance(heap, Mapping):
        unnamed = containers.filter(containers["workload"].is_null() & containers["container"].is_null()).height
        if len(keys) != 1 or unnamed > 1:
            full = [found[-1] for found in names.values()]
            listed = ", ".join(map(printable, full[:10])) + and_more(len(full), 10)
            msg = f"A heap profile is of one workload, and the recording has {len(keys)}: {listed}."
            if unnamed > 1:
                msg = "A heap profile is of one process, and the recording has several without a name."
            msg += f" Hint: heap={{{quote(full[0])}: PROFILE}}, or --heap {printable(full[0])}=FILE."
            raise RmtoolkitError(msg)
        return {keys[0]: _found(heap, keys[0], containers, samples)}
    found = {}
    for wanted, given in heap.items():
        fitting = [key for key, said in names.items() if wanted in said]
        if len(fitting) != 1:
            whole = [names[key][-1] for key in fitting]
            raise UnknownWorkloadError.not_one(wanted, whole, [said[-1] for said in names.values()])
        found[fitting[0]] = _found(given, fitting[0], containers, samples)
    return found


def _found(given: object, key: Key, containers: pl.DataFrame, samples: pl.DataFrame | None) -> HeapProfile:
    """Read a profile; of a Pyroscope server, by the labels of the workload's pods and in the time of the recording."""
    url = given[0] if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 1 else given
    if not is_url(url):
        return _profile(given)
    from rmtoolkit.heap.served import read_pyroscope  # noqa: PLC0415 - few ask a server

    mine = containers.filter(*(pl.col(name).eq_missing(one) for name, one in zip(WORKLOAD, key, strict=True)))
    start = end = None
    if samples is not None:
        samples = samples.filter(pl.col("container_id").is_in(mine["container_id"].implode()))
        start, end = samples.select(start=pl.col("time").min(), end=pl.col("time").max()).row(0)
        # The pod that was seen longest has grown longest.
        seen = samples["container_id"].value_counts(sort=True).select("container_id")
        mine = seen.join(mine, on="container_id", maintain_order="left")
    rows = mine.head(_PODS).select("namespace", "pod", "container").rows(named=True)
    full = [{name: value for name, value in row.items() if value is not None} for row in rows if row["pod"] is not None]
    choices: list[dict[str, str]] = [*full, *({k: v for k, v in one.items() if k != "container"} for one in full)]
    choices += [{"service_name": name} for name in dict.fromkeys((key[2], key[3])) if name is not None]
    return read_pyroscope(str(url), choices, start=start, end=end)


def _names(key: Key) -> tuple[str, ...]:
    cluster, namespace, workload, container = key
    parts = [part for part in (namespace, workload, container) if part is not None]
    shorter = [workload, "/".join(parts[:2]) if namespace is not None else None, container]
    names = [name for name in (*shorter, "/".join(parts) or "this process") if name is not None]
    return (*names, *(f"{cluster}/{name}" for name in names if cluster is not None))


def _profile(given: object) -> HeapProfile:
    if isinstance(given, HeapProfile):
        return given
    if isinstance(given, str | os.PathLike):
        return read_heap(given)
    if isinstance(given, Sequence) and given:
        if all(isinstance(one, str | os.PathLike) for one in given):
            return read_heap(given)
        if all(isinstance(one, HeapProfile | str | os.PathLike) for one in given):
            return join([_profile(one) for one in given])
    msg = f"{quote(type(given).__name__)} is no heap profile. Hint: {_HINT}."
    raise RmtoolkitError(msg)


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
