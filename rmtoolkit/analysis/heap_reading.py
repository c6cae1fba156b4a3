"""What a heap profile says by itself, and to which workload of a recording it belongs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from rmtoolkit._io import is_url
from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.records import HeapKind, HeapReading, Suspect
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError, quote
from rmtoolkit.heap import read_heap
from rmtoolkit.heap._names import spoken
from rmtoolkit.heap.formats import join
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.suspects import blind, suspects
from rmtoolkit.heap.tree import FEWEST
from rmtoolkit.recording import Recording
from rmtoolkit.schema import WORKLOAD
from rmtoolkit.text import and_more, printable

if TYPE_CHECKING:
    from rmtoolkit._parallel import Parted

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
    kinds = HeapKind.GROWS, HeapKind.RISES, HeapKind.FILLS
    kind = next((kind for kind in kinds if kind in table["reading"]), HeapKind.RESTS)
    # What is cut off before its first stamp tells no rest.
    untold = kind == HeapKind.RESTS and not heap.timeline.height
    if not table.height or untold or table["reading"][0] == "live":
        return HeapReading(HeapKind.PICTURE, held_bytes=held, largest=most)
    moved = int(table["growth_bytes"].sum() or 0)
    if kind == HeapKind.RESTS and heap.timeline.height < FEWEST and moved > th.HEAP_SAME * held:
        kind = HeapKind.FEW
    growing = table.filter(reading=kind if kind in kinds else "grew")
    rates = table.filter(table["growth_bytes_per_second"] > 0).select("growth_bytes", "growth_bytes_per_second")
    # As it is drawn, by time or by the order of the snapshots, from when something is held: a profiler starts before.
    moments = heap.timeline.unique(["time_seconds", "events"], keep="last", maintain_order=True)
    moments = moments[(moments["live_bytes"].fill_null(1) > 0).arg_max() or 0 :]
    times = moments["time_seconds"].drop_nulls()
    span = float(times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else None
    # The part after startup, where nothing grew in it.
    seconds = float(rates.row(0)[0] / rates.row(0)[1]) if rates.height else span and span / 2
    total = int(growing["growth_bytes"].sum() or 0)
    early = (moments.height + 1) // 2 if span is None else (moments["time_seconds"] <= times[0] + span / 2).sum()
    before, last = (moments["live_bytes"][at] for at in (early - 1, -1)) if moments.height else (None, held)
    return HeapReading(
        kind,
        tuple(
            Suspect(place(row), spoken(row["function"]), row["growth_bytes"], row["growth_share"])
            for row in growing.head(_NAMED).iter_rows(named=True)
        ),
        growth_bytes=total,
        growth_bytes_per_second=total / seconds if seconds and kind in kinds else None,
        moved_bytes=moved if before is None else max(moved, max(held, last) - before),
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
        if len(keys) != 1 or _unnamed(containers) > 1:
            full = [found[-1] for found in names.values()]
            listed = ", ".join(map(printable, full[:10])) + and_more(len(full), 10)
            msg = f"A heap profile is of one workload, and the recording has {len(keys)}: {listed}."
            if _unnamed(containers) > 1:
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


def _unnamed(containers: pl.DataFrame) -> int:
    return containers.filter(containers["workload"].is_null() & containers["container"].is_null()).height


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
