"""DHAT, massif, jemalloc and gperftools dumps, pprof; and several of them in order, as one profile."""

from __future__ import annotations

import glob
import math
import os
import re
from array import array
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from operator import attrgetter
from pathlib import Path, PurePosixPath
from statistics import median_low
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec
import numpy as np
import polars as pl

from rmtoolkit._tables import conform
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote_path
from rmtoolkit.heap._names import CUT_OFF, OWN, FrameTable, deep, origin, report, stacks_frame
from rmtoolkit.heap.profile import GROWTH, TIMELINE, HeapProfile, HeapSummary, Module, Places, read_maps
from rmtoolkit.heap.rust_names import demangle
from rmtoolkit.heap.symbols import Paths, symbolised
from rmtoolkit.loaders import _files
from rmtoolkit.loaders._wire import BYTES, VARINT, WireError, fields, read_varint
from rmtoolkit.text import counted, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rmtoolkit.schema import Report

DHAT_EXPECTED: Final = "a DHAT profile (JSON, dhatFileVersion 2)"

#: Columns of `STACKS`, and what DHAT calls them.
_AMOUNTS: Final[dict[str, str]] = texts("heap/formats")["dhat"]
_Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]

_POINT: Final[list[Any]] = [("fs", list[_Natural]), *((name, _Natural, 0) for name in _AMOUNTS.values())]
_decode_point: Final = msgspec.json.Decoder(msgspec.defstruct("_Point", _POINT)).decode
_amounts_of: Final = attrgetter(*_AMOUNTS.values())


class _Document(msgspec.Struct, rename={"version": "dhatFileVersion"}):
    """Points are decoded one by one: as objects of Python all of them would take many times their size."""

    pps: list[msgspec.Raw]
    ftbl: list[Any]
    version: Any = None
    mode: Any = None
    cmd: Any = None
    tu: Any = None
    te: Any = None
    tg: Any = None


#: Seconds in the units of time that are times, of DHAT and of massif.
_SECONDS: Final = {"µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_FRAME: Final = re.compile(
    r"(?:0x[0-9A-Fa-f]+: )?(?P<name>.*?)"
    r"(?: \((?:in (?P<module>[^()]*)|(?P<file>[^()]*?)(?::(?P<line>\d{1,9}))?(?::\d+)?)\))?$",
    re.DOTALL,
)


def read_dhat(path: str | os.PathLike[str]) -> HeapProfile:
    r"""Read a DHAT profile.

    Parameters
    ----------
    path
        What dhat-rs wrote (``dhat-heap.json``), or ``valgrind --tool=dhat``; also packed.

    Returns
    -------
    HeapProfile
        Every allocation is counted: in all, at the peak of the whole program, and at the end. DHAT follows no
        stack over time, so `growth` is empty.

    Raises
    ------
    ReadError
        It is no DHAT profile of a heap.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "dhat-heap.json")
    >>> point = {"tb": 9, "tbk": 1, "gb": 9, "gbk": 1, "eb": 9, "ebk": 1, "fs": [1]}
    >>> table = ["[root]", "0x1: api::put (src/a.rs:3:5)"]
    >>> text = json.dumps({"dhatFileVersion": 2, "mode": "rust-heap", "cmd": "api", "pps": [point], "ftbl": table})
    >>> _ = file.write_text(text)
    >>> read_dhat(file)
    <HeapProfile: dhat, 1 stack, peak 9 B, live at the end 9 B>
    """
    data, notes = _files.read_bytes(path, expected=DHAT_EXPECTED, costly=True)
    document = _document(data, path)
    del data
    if document.mode not in ("heap", "rust-heap"):
        expected = "a profile of the heap (mode heap or rust-heap)"
        raise ReadError.at(path, found=f"mode {document.mode}", expected=expected)
    table = FrameTable()
    numbers = number_frames(document.ftbl, table)
    points = [_point(point, numbers) for point in document.pps]
    # The file is no longer needed.
    document.pps.clear()
    good = [point for point in points if point is not None]
    amounts = _columns(_AMOUNTS, [values for _, values in good])
    stacks, cut = stacks_frame([frames for frames, _ in good], amounts)
    unit = _SECONDS.get(str(document.tu))
    ended, peaked = (_files.whole_number(moment, _MOST_BYTES) for moment in (document.te, document.tg))
    summary = replace(
        _summary("dhat", document.cmd if isinstance(document.cmd, str) else None, amounts),
        peak_bytes=sum(amounts["peak_bytes"]),
        peak_time_seconds=None if unit is None or peaked is None else peaked * unit,
        runtime_seconds=None if unit is None or ended is None else ended * unit,
    )
    clock = () if unit is not None else ("time is counted in instructions, not in seconds",)
    left_out = {"points that are damaged": len(points) - len(good)}
    told = report(path, left_out, deep(cut), (*notes, *clock), time_axis="none")
    return HeapProfile(summary, stacks, table.frame(), report=told)


def _summary(
    form: str, command: str | None, amounts: Mapping[str, Sequence[Any]], *, sample_bytes: int = 1
) -> HeapSummary:
    # A column is known of all rows or of none.
    known = {name: sum(values) for name, values in amounts.items() if None not in values}
    return HeapSummary(
        form,
        command,
        allocations=known.get("allocations"),
        allocated_bytes=known.get("allocated_bytes"),
        live_at_end_bytes=known.get("live_bytes"),
        live_at_end_blocks=known.get("live_blocks"),
        sample_bytes=sample_bytes,
    )


def _columns(names: Iterable[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _document(data: bytes, path: str | os.PathLike[str]) -> _Document:
    try:
        document = msgspec.json.decode(data, type=_Document)
    except msgspec.ValidationError as error:
        raise ReadError.at(path, found=str(error).replace("`", ""), expected=DHAT_EXPECTED) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReadError.at(
            path, found=str(error), expected="whole JSON", hint="DHAT writes its file when the program ends."
        ) from None
    if document.version != 2:
        raise ReadError.at(path, found=f"dhatFileVersion {document.version}", expected=DHAT_EXPECTED)
    return document


def number_frames(texts: list[Any], table: FrameTable) -> list[int | None]:
    known = [text if isinstance(text, str) else "[root]" for text in texts]
    # Of the functions that are inlined at one address the outermost comes last.
    outer = {text.partition(": ")[0]: text.partition(": ")[2] for text in known if text.startswith("0x")}
    return [
        None
        if text == "[root]"
        else table.number(*parse_frame(text), inside=parse_frame(outer.get(text.partition(": ")[0], ""))[0])
        for text in known
    ]


def parse_frame(text: str) -> tuple[str | None, str | None, int | None, str | None]:
    found = _FRAME.match(text)
    if found is None:
        return text, None, None, None
    name = found["name"].strip()
    line = int(found["line"]) if found["line"] else None
    return None if name in ("???", "") else demangle(name), found["file"] or None, line, found["module"]


def _point(point: msgspec.Raw, numbers: list[int | None]) -> tuple[array[int], tuple[int, ...]] | None:
    try:
        read: Any = _decode_point(point)
        frames = array("I", [number for place in read.fs if (number := numbers[place]) is not None])
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError):
        return None
    return frames, _amounts_of(read)


MASSIF_EXPECTED: Final = "output of massif (massif.out.PID)"

_VALUE: Final = re.compile(r"(snapshot|time|mem_heap_B|mem_heap_extra_B|mem_stacks_B)=(\d{1,18})(?:\.\d+)?\s*$")
_NODE: Final = re.compile(r"( *)n(\d{1,9}): (\d{1,15}) (.*)$", re.DOTALL)
_ALIKE: Final = re.compile(r"in \d+ places?, ")
_BARE_CLOSURE: Final = re.compile(r"^0x[0-9A-F]+: \{closure#\d+\} \(")
_CALLED: Final = re.compile(r"(?<![\w:{}#])([A-Za-z_]\w*(?:::[\w{}#]+)*?)::\{closure_env#\d+\}")
_MOST_DEPTH: Final = 2048
#: So many stacks times snapshots are looked at; massif takes up to 100 unless it is told otherwise.
_MOST_AMOUNTS: Final = 1 << 23
#: Valgrind lets massif take a thousand.
_MOST_SNAPSHOTS: Final = 1 << 16
_NO_END: Final = (
    "massif takes its last snapshot some time before the program ends, so what is live at the end is not known"
)


@dataclass(slots=True)
class _Snapshot:
    number: int
    time: int = 0
    heap: int | None = None
    tree: str | None = None
    #: Bytes by stack, the allocating frame first.
    stacks: dict[tuple[str, ...], int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return self.tree in (None, "empty") or sum(self.stacks.values()) == (self.heap or 0)


@dataclass(slots=True)
class _Output:
    format: str = "massif"
    command: str | None = None
    unit: str | None = None
    snapshots: list[_Snapshot] = field(default_factory=list)
    damaged: int = 0


def read_massif(path: str | os.PathLike[str]) -> HeapProfile:
    r"""Read what valgrind's massif wrote.

    Parameters
    ----------
    path
        ``massif.out.PID``; also packed.

    Returns
    -------
    HeapProfile
        The heap as the program asked for it. `peak_bytes` of a stack is from the peak snapshot, `live_bytes` from the
        last detailed one, which is not the end; in `growth` what a stack held between detailed ones is estimated from
        the whole. Small stacks are one row. Times are in seconds only where massif ran with ``--time-unit=ms``.

    Raises
    ------
    ReadError
        It is no output of massif, or holds no snapshot.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "massif.out.7")
    >>> snapshot = "snapshot=0\ntime=5\nmem_heap_B=40\nmem_heap_extra_B=8\nmem_stacks_B=0\nheap_tree=peak\n"
    >>> tree = "n1: 40 (heap allocation functions) malloc\n n0: 40 0x1: api::put (a.rs:3)\n"
    >>> _ = file.write_text("desc: (none)\ncmd: ./api\ntime_unit: ms\n#---\n" + snapshot + tree)
    >>> heap = read_massif(file)
    >>> heap.summary.peak_bytes, heap.stack(1)["function"].to_list()
    (40, ['api::put'])
    """
    data, notes = _files.read_bytes(path, expected=MASSIF_EXPECTED, costly=True)
    text, more = _files.as_text(data, path, expected=MASSIF_EXPECTED)
    if text.count("snapshot=") > _MOST_SNAPSHOTS:
        raise ReadError.at(path, found=f"more than {_MOST_SNAPSHOTS:,} snapshots", expected=MASSIF_EXPECTED)
    output = _parse(text)
    snapshots = [snapshot for snapshot in output.snapshots if snapshot.heap is not None]
    if not snapshots:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=MASSIF_EXPECTED, line=1)
    if any(snapshot.whole and snapshot.stacks for snapshot in snapshots):
        for snapshot in snapshots:
            if not snapshot.whole:
                snapshot.stacks.clear()
    left_out = {
        "lines that are damaged": output.damaged,
        "snapshots without a heap": len(output.snapshots) - len(snapshots),
        "trees with parts missing": sum(not snapshot.whole for snapshot in snapshots),
    }
    partial = [*notes]
    # Each begins with three lines of which two are lines of hyphens.
    if not partial and (output.snapshots[-1].tree is None or not text.endswith("\n") or text.endswith("---\n")):
        partial.append("it ends within a snapshot, so it is cut off")
    if output.unit is None or [snapshot.number for snapshot in output.snapshots] != list(range(len(output.snapshots))):
        partial.append("its beginning or some snapshots are missing")
    axis = "seconds since the start of the program" if output.unit in _SECONDS else f"{output.unit}, no seconds"
    return _profile(output, snapshots, report(path, left_out, partial, (*more, _NO_END), time_axis=axis))


def _profile(output: _Output, snapshots: list[_Snapshot], told: Report) -> HeapProfile:
    unit = _SECONDS.get(output.unit or "")
    detailed = [snapshot for snapshot in snapshots if snapshot.stacks]
    peak = max(snapshots, key=lambda snapshot: snapshot.heap or 0)
    at_peak = max(detailed, key=lambda snapshot: (snapshot.tree == "peak", snapshot.heap or 0), default=peak)
    last = detailed[-1] if detailed else peak
    keys = list(dict.fromkeys(key for snapshot in detailed for key in snapshot.stacks))
    if len(keys) * len(snapshots) > _MOST_AMOUNTS:
        found = f"{len(snapshots):,} snapshots of {len(keys):,} stacks"
        hint = "massif --threshold and --max-snapshots say how many it tells apart."
        raise ReadError.at(told.sources[0], found=found, expected=f"{MASSIF_EXPECTED} of a program", hint=hint)
    table = FrameTable()
    named = [_with_closures(key) for key in keys]
    texts = list(dict.fromkeys(chain.from_iterable(named)))
    numbers = dict(zip(texts, number_frames(texts, table), strict=True))
    held = _between(snapshots, keys)
    stacks, _ = stacks_frame(
        [[number for text in stack if (number := numbers[text]) is not None] for stack in named],
        {
            name: held[:, snapshots.index(snapshot)].tolist()
            for name, snapshot in (("live_bytes", last), ("peak_bytes", at_peak))
        },
    )
    seconds = [None if unit is None else snapshot.time * unit for snapshot in snapshots]
    times, heaps = [snapshot.time for snapshot in snapshots], [snapshot.heap for snapshot in snapshots]
    timeline = conform(pl.DataFrame({"time_seconds": seconds, "live_bytes": heaps, "events": times}), TIMELINE)
    summary = HeapSummary(
        format=output.format,
        command=output.command,
        peak_bytes=peak.heap,
        peak_time_seconds=seconds[snapshots.index(peak)],
        runtime_seconds=seconds[-1],
    )
    stack, moment = np.nonzero(np.diff(held, axis=1, prepend=0))
    growth = timeline[moment].with_columns(stack_id=stack + 1, live_bytes=held[stack, moment])
    return HeapProfile(summary, stacks, table.frame(), timeline, conform(growth, GROWTH), report=told)


def _with_closures(stack: Sequence[str]) -> list[str]:
    """Name a closure without a path that a thread runs by what the frames that start it say that they call."""
    owner: str | None = None
    named: list[str] = []
    for text in reversed(stack):
        if "(library/" not in text:
            is_called = owner is not None and _BARE_CLOSURE.match(text)
            named.append(text.replace(": {", f": {owner}::{{", 1) if is_called else text)
            owner = None
            continue
        if "(library/std/src/thread/" in text:
            owner = next((one[1] for one in _CALLED.finditer(text) if origin(one[1], None, None) == OWN), owner)
        named.append(text)
    return named[::-1]


def _between(snapshots: Sequence[_Snapshot], keys: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    """Give what each stack held; between detailed snapshots that is estimated, so that it adds up to the heap."""
    detailed = [place for place, snapshot in enumerate(snapshots) if snapshot.stacks]
    if not detailed:
        return np.zeros((0, len(snapshots)), np.int64)
    times = np.maximum.accumulate([snapshot.time for snapshot in snapshots])
    told = np.array([[snapshots[place].stacks.get(key, 0) for place in detailed] for key in keys])
    held: NDArray[np.float64] = np.array([np.interp(times, times[detailed], row) for row in told])
    whole = np.array([snapshot.heap for snapshot in snapshots])
    # What is beyond that belongs to what comes and goes, more than to what goes on evenly.
    restless = np.abs(np.diff(told, n=2, axis=1)).sum(axis=1)
    weights = restless if restless.any() else told.sum(axis=1)
    held += np.outer(weights / max(weights.sum(), 1), whole - held.sum(axis=0))
    held = held.clip(0) * (whole / held.clip(0).sum(axis=0).clip(1))
    held[:, detailed] = told
    return held.round().astype(np.int64)


def _parse(text: str) -> _Output:  # noqa: PLR0912 - a branch per kind of line
    output = _Output()
    path: list[str] = []
    for line in text.split("\n"):
        if line.startswith("cmd: ") and output.command is None:
            output.command = line[5:].strip()
        elif line.startswith("desc:") and "--pages-as-heap=yes" in line:
            output.format = "massif --pages-as-heap"
        elif line.startswith("time_unit: "):
            output.unit = line[11:].strip()
        elif line.startswith("snapshot="):
            found = _VALUE.match(line)
            output.snapshots.append(_Snapshot(int(found[2]) if found else -1))
            path.clear()
        elif line.startswith(("desc:", "#")) or not line.strip():
            continue
        elif not output.snapshots:
            output.damaged += 1
        elif found := _VALUE.match(line):
            if found[1] == "time":
                output.snapshots[-1].time = int(found[2])
            elif found[1] == "mem_heap_B":
                output.snapshots[-1].heap = int(found[2])
        elif line.startswith("heap_tree="):
            output.snapshots[-1].tree = line[10:].strip()
            path.clear()
        elif found := _NODE.match(line):
            _node(output.snapshots[-1], found, path)
        else:
            output.damaged += 1
    return output


def _node(snapshot: _Snapshot, found: re.Match[str], path: list[str]) -> None:
    """Take a node of the tree: the root is all of the heap, its children allocate, theirs call them."""
    depth = len(found[1])
    if depth > min(len(path), _MOST_DEPTH):
        return
    del path[depth:]
    children, size, text = int(found[2]), int(found[3]), found[4]
    path.append(CUT_OFF if _ALIKE.match(text) else text)
    if not children and depth and size:
        key = tuple(path[1:])
        snapshot.stacks[key] = snapshot.stacks.get(key, 0) + size


_TOLD: Final = ("live_bytes", "live_blocks", "allocations", "allocated_bytes", "temporary", "peak_bytes", "peak_blocks")

#: Files written closer together than this were copied together.
_MOMENT_SECONDS: Final = 0.05
#: How jemalloc names what it writes: prefix and process; number, and why.
_OF_PROCESS: Final = re.compile(r"(.+\.\d+)\.\d+\.([a-z])\d*\.heap")
#: What brings a dump comes in steps that are above the least one by no more than this share.
_EVENLY: Final = 0.02
#: Less than this share of a usual step lies between a picture and that of the program's end.
_RIGHT_AFTER: Final = 0.1
#: Pictures of one program with so many stacks have some in common.
_TELLING: Final = 8


def read_series(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    read: Callable[[str | os.PathLike[str]], HeapProfile],
    expected: str,
    binary: Paths | None,
    debug: Paths | None,
) -> HeapProfile:
    if isinstance(path, str | os.PathLike):
        here = Path(path)
        if here.is_dir():
            found = [file for file in here.iterdir() if file.is_file() and not file.name.startswith(".")]
        elif not here.exists() and any(letter in str(path) for letter in "*?["):
            found = [Path(name) for name in glob.glob(str(path))]  # noqa: PTH207 - the pattern may be absolute
        else:
            return symbolised(read(path), binary, debug)
        found.sort(key=_order)
    else:
        found = [Path(item) for item in path]
        # A shell puts the tenth before the second; files whose names differ in more are in the order that was meant.
        if len({re.sub(r"\.[fimu]\d*\.heap|\d+", "0", file.name) for file in found}) == 1:
            found.sort(key=_order)
    if not found:
        raise ReadError.at(path, found="no files", expected=expected)
    good: list[tuple[HeapProfile, float]] = []
    # What lies beside the dumps, or was being written when the program was killed, is left out.
    _files.read_each(found, lambda file: good.append((read(file), Path(file).stat().st_mtime)), expected=expected)
    # A copy may be younger than what it is of.
    times = [time for _, time in good] if None in {one.summary.taken_seconds for one, _ in good} else [0.0]
    # Copies made in no time say nothing about when the snapshots were taken.
    rising = times == sorted(times) and times[-1] - times[0] > _MOMENT_SECONDS * len(times)
    heap = join([profile for profile, _ in good], [time - times[0] for time in times] if rising else None)
    why = {named[2] for file in found if (named := _OF_PROCESS.fullmatch(file.name))} if len(good) > 1 else set()
    # Those that come for every so many bytes allocated tell by their times, or by what was freed so far.
    telling = heap.timeline["time_seconds"].is_not_null().any() or heap.summary.allocations is not None
    if _rose([profile.summary for profile, _ in good]) or (why and why <= ({"u"} if telling else {"i", "u"})):
        heap = replace(heap, summary=replace(heap.summary, taken_as_it_rose=True))
    return symbolised(heap, binary, debug)


def _rose(several: Sequence[HeapSummary]) -> bool:
    made, live = (
        np.diff([getattr(one, name) or 0 for one in several]) for name in ("allocated_bytes", "live_at_end_bytes")
    )
    # The last one may be of the end.
    working = len(live) - int(len(live) > 0 and live[-1] < 0)
    made, live = made[:working], live[:working]
    if not len(live) or min(live.min(), made.min()) <= 0:
        return False
    # Now and then one block is larger than a step.
    above, above_made = (np.median(steps) / steps.min() - 1 for steps in (live, made))
    return bool(above < _EVENLY < above_made)


def _order(file: Path) -> tuple[list[int], float, str]:
    return [int(number) for number in re.findall(r"\d{1,18}", file.name)], file.stat().st_mtime, file.name


def join(profiles: Sequence[HeapProfile], seconds: Sequence[float] | None = None) -> HeapProfile:
    axis = "the order of the files" if seconds is None else "when the files were written"
    taken = [one.summary.taken_seconds or 0 for one in profiles]
    if seconds is None and min(taken) > 0 and len({*taken}) > 1:
        profiles, axis = sorted(profiles, key=lambda one: one.summary.taken_seconds or 0), "when each was taken"
        seconds = [time - min(taken) for time in sorted(taken)]
    new = _anew([one.summary for one in profiles])
    if len(new) < len(profiles):
        note = f"left out {len(profiles) - len(new)} of {len(profiles)} snapshots, the same as the one before: what "
        note += "was served had not been taken anew, as some profilers do for ?gc=1"
        profiles, seconds = [profiles[at] for at in new], seconds and [seconds[at] for at in new]
        report = replace(profiles[-1].report, warnings=(*profiles[-1].report.warnings, note))
        profiles[-1] = replace(profiles[-1], report=report)
    if len(profiles) == 1:
        return profiles[0]
    _check_alike("formats", {profile.summary.format: profile for profile in profiles})
    commands = [(one, (one.summary.command or "").split()) for one in profiles]
    _check_alike("programs", {PurePosixPath(words[0]).name: one for one, words in commands if words})
    named = ((_OF_PROCESS.match(PurePosixPath(source).name), one) for one in profiles for source in one.report.sources)
    _check_alike("processes", {name[1]: one for name, one in named if name is not None})
    table = FrameTable()
    numbers: dict[tuple[int, ...], int] = {}
    changes: list[tuple[int, float | None, int, int, int]] = []
    held: dict[int, tuple[int, int]] = {}
    said: dict[int, list[int | None]] = {}
    # Dumps come as memory is taken, so their number is no clock; what was freed so far tells how much was done.
    totals = [(one.summary.allocations, one.summary.live_at_end_blocks) for one in profiles]
    freed = [made - live for made, live in totals if made is not None and live is not None]
    clock = freed if len(freed) == len(profiles) and freed == sorted(set(freed)) else range(len(profiles))
    # What is written as the program ends, right after another, is no moment of its own.
    steps = np.diff(seconds or clock)
    moments = len(profiles) - int(steps[-1] < _RIGHT_AFTER * np.median(steps))
    for step, profile in enumerate(profiles):
        places = {number: table.number(*place) for number, *place, _ in profile.frames.iter_rows()}
        said = {}
        for frames, *amounts in profile.stacks.select("frames", *_TOLD).iter_rows():
            stack = numbers.setdefault(tuple(places[number] for number in frames), len(numbers) + 1)
            known = said.get(stack, [None] * len(amounts))
            both = zip(known, amounts, strict=True)
            said[stack] = [one if other is None else (one or 0) + other for one, other in both]
        now = {stack: (size or 0, blocks or 0) for stack, (size, blocks, *_) in said.items()}
        if min(len(now), len(held)) >= _TELLING and not now.keys() & held.keys():
            _check_alike("builds, for they have no stack in common", {0: profiles[step - 1], 1: profile})
        changes.extend(
            (stack, None if seconds is None else float(seconds[step]), clock[step], *now.get(stack, (0, 0)))
            for stack in sorted(now.keys() | held.keys())
            if step < moments and now.get(stack, (0, 0)) != held.get(stack, (0, 0))
        )
        held = now
    last = profiles[-1]
    sampled = min((one.summary.sample_bytes for one in profiles if one.stacks.height), default=1)
    gone = [0 if name.startswith("live") else None for name in _TOLD]
    rows = [said.get(stack, gone) for stack in numbers.values()]
    live = [profile.summary.live_at_end_bytes for profile in profiles]
    told = {"live_bytes": live, "events": clock, **({"time_seconds": seconds} if seconds else {})}
    report = last.report
    for profile in profiles[:-1]:
        report = profile.report.joined(report)
    return replace(
        last,
        summary=replace(last.summary, sample_bytes=sampled),
        stacks=stacks_frame(list(numbers), _columns(_TOLD, rows))[0],
        frames=table.frame(),
        timeline=conform(pl.DataFrame(told).head(moments), TIMELINE),
        growth=pl.DataFrame(changes, schema=GROWTH, orient="row").sort("stack_id", "events"),
        report=replace(report, time_axis=axis),
    )


def _anew(several: Sequence[HeapSummary]) -> list[int]:
    """Leave out what only repeats the one before, as Go serves its last collection until it has the next."""
    told = [(one.allocations, one.allocated_bytes, one.live_at_end_bytes) for one in several]
    begins = [at for at, now in enumerate(told) if not at or now != told[at - 1] or None in now]
    if len(begins) < 3 or several[0].format != "pprof":
        return list(range(len(told)))
    # Before the first change and after the last one nobody knows how long it was.
    usual, before = median_low(np.diff(begins[1:]).tolist()), 0
    new: list[int] = []
    for begin, end in pairwise([*begins, len(told)]):
        # Go collects when the heap has doubled: what grows evenly repeats itself twice as often each time.
        rests = end - begin > 2 * max(usual, before)
        new += range(begin, end, usual if rests else end - begin)
        before = 0 if rests else end - begin
    return new


def _check_alike(what: str, kinds: Mapping[Any, HeapProfile]) -> None:
    if len(kinds) > 1:
        names = ", ".join(quote_path((profile.report.sources or ("?",))[0]) for profile in list(kinds.values())[:2])
        hint = "growth needs snapshots of one program; --diff compares two."
        msg = f"{names}: these are of different {what}. Hint: {hint}"
        raise RmtoolkitError(msg)


JEPROF_EXPECTED: Final = "a heap dump of jemalloc (heap_v2/…) or gperftools (heap profile: …)"

_JEMALLOC: Final = re.compile(r"heap_v2/(\d{1,12})\s*$")
_GPERFTOOLS: Final = re.compile(
    r"heap profile: *(\d+): *(\d+) *\[ *(\d+): *(\d+) *\] *@ *(heap(?:profile|z?_v2)?|growthz?)(?:/(\d{1,12}))?\s*$"
)
_OF_THREADS: Final = re.compile(r"\s*t(\*|\d+): *(\d{1,19}): *(\d{1,19}) *\[ *(\d{1,19}): *(\d{1,19}) *\]\s*$")
_ROW: Final = re.compile(
    r" *(\d{1,19}): *(\d{1,19}) *\[ *(\d{1,19}): *(\d{1,19}) *\] *@((?: *0x[0-9a-fA-F]{1,16}(?=\s|$))*)\s*$"
)
#: Go writes names behind each stack of its text (debug=1), with offset and place, and its statistics at the end.
_SYMBOL: Final = re.compile(r"(?:#\s+)?0x([0-9a-fA-F]{1,16})\s+(\S.*?)(?:\+0x[0-9a-f]+\s+\S+:\d+)?$")
_ADDRESSES: Final = re.compile(r"@((?: *0x[0-9a-fA-F]{1,16}(?=\s|$))*)\s*$")
#: No stack is longer; to match one takes far more memory than its text.
_LONGEST_ROW: Final = 1 << 18


@dataclass(slots=True)
class _Dump:
    rate: int = 1
    format: str = "jeprof"
    #: Objects in all, where the first line says it.
    promised: int | None = None
    stacks: dict[tuple[int, ...], list[int]] = field(default_factory=dict)
    symbols: dict[int, str] = field(default_factory=dict)
    binary: str | None = None
    maps: list[str] = field(default_factory=list)
    damaged: int = 0


def read_jeprof(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    binary: Paths | None = None,
    debug: Paths | None = None,
) -> HeapProfile:
    r"""Read a heap dump of jemalloc or gperftools, or a series of them.

    Parameters
    ----------
    path
        A dump (``jeprof.PID.SEQ.iN.heap``, ``NAME.0001.heap``), with addresses or with symbols (``jeprof --raw``,
        services that symbolise themselves). Several of one process as for `read_heap`.
    binary, debug
        As for `read_heap`.

    Returns
    -------
    HeapProfile
        What was live when the dump was written. jemalloc samples: each stack is scaled up by the chance that it is
        seen, so numbers are estimates. gperftools counts all. Without symbols functions are named by module and offset.

    Raises
    ------
    ReadError
        It is no such dump.

    Notes
    -----
    A stack with objects of mean size s under a sampling interval of R bytes is multiplied by 1 / (1 - exp(-s / R)), as
    jeprof does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "jeprof.7.0.f.heap")
    >>> stack = "@ 0x10 0x20\n  t*: 2: 96 [0: 0]\n"
    >>> maps = "\nMAPPED_LIBRARIES:\n10-90 r-xp 0 00:00 7 /api\n"
    >>> _ = file.write_text("heap_v2/1\n  t*: 2: 96 [0: 0]\n" + stack + maps)
    >>> read_jeprof(file).summary.live_at_end_bytes
    96
    """
    return read_series(path, read_one_jeprof, JEPROF_EXPECTED, binary, debug)


def read_one_jeprof(path: str | os.PathLike[str]) -> HeapProfile:
    data, notes = _files.read_bytes(path, expected=JEPROF_EXPECTED, costly=True)
    text, more = _files.as_text(data, path, expected=JEPROF_EXPECTED)
    dump = _parse_jeprof(text, path)
    table = FrameTable()
    places, modules = read_maps(dump.maps)
    has_totals = any(values[2] for values in dump.stacks.values())
    every = dict.fromkeys(chain.from_iterable(dump.stacks))
    numbers = {address: _frames(dump, places, table, address) for address in every}
    rows = (chain.from_iterable(map(numbers.__getitem__, addresses)) for addresses in dump.stacks)
    live = [_scaled(values[0], values[1], dump.rate) for values in dump.stacks.values()]
    made = [_scaled(values[2], values[3], dump.rate) if has_totals else (None, None) for values in dump.stacks.values()]
    amounts = _columns(("live_blocks", "live_bytes"), live) | _columns(("allocations", "allocated_bytes"), made)
    stacks, cut = stacks_frame(rows, amounts)
    partial = [*notes]
    if not (partial or dump.format == "pprof" or (text.endswith("\n") and places.reach(max(every, default=0)))):
        partial.append("the list of modules at its end is missing or not whole, so it may be cut off")
    partial += deep(cut)
    listed = sum(values[0] for values in dump.stacks.values())
    if dump.promised not in (None, listed):
        partial.append(f"the stacks hold {listed:,} of the {dump.promised:,} objects that the first line promises")
    summary = _summary(dump.format, dump.binary or next(iter(modules), None), amounts, sample_bytes=dump.rate)
    told = report(path, {"lines that are damaged": dump.damaged}, partial, more)
    return HeapProfile(summary, stacks, table.frame(), modules=modules, report=told)


def _scaled(blocks: int, size: int, rate: int) -> tuple[int, int]:
    if rate <= 1 or blocks <= 0:
        return blocks, size
    factor = 1 / -math.expm1(-(size / blocks) / rate) if size else 1.0
    return round(blocks * factor), round(size * factor)


def _parse_jeprof(text: str, path: str | os.PathLike[str]) -> _Dump:  # noqa: PLR0912 - a branch per kind of line
    dump = _Dump()
    section, started = "heap", False
    addresses: tuple[int, ...] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("--- "):
            section = line[4:].strip() or section
            if section not in ("symbol", "heap", "growth"):
                raise ReadError.at(path, found=line, expected="a section symbol or heap", line=number)
            continue
        if section == "symbol":
            _symbol(dump, line)
        elif not started:
            if not line.strip():
                continue
            _header(dump, line, path, number)
            started = True
        elif section == "maps":
            dump.maps.append(line)
        elif line.startswith("MAPPED_LIBRARIES"):
            section = "maps"
        elif len(line) > _LONGEST_ROW:
            dump.damaged += 1
        elif line.startswith("@") and (found := _ADDRESSES.match(line)):
            addresses = _numbers(found[1])
        elif found := _ROW.match(line):
            _add(dump, _numbers(found[5]), [int(word) for word in found.groups()[:4]])
        elif found := _OF_THREADS.match(line):
            if found[1] == "*" and addresses is not None:
                _add(dump, addresses, [int(word) for word in found.groups()[1:]])
        elif line.startswith("#\t0x"):
            _symbol(dump, line)
        elif line.startswith("# runtime.MemStats"):
            dump.format = "pprof"
        elif line.strip() and not line.startswith("#"):
            dump.damaged += 1
    if not started:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=JEPROF_EXPECTED, line=1)
    return dump


def _header(dump: _Dump, line: str, path: str | os.PathLike[str], number: int) -> None:
    if found := _JEMALLOC.match(line):
        dump.rate = int(found[1])
    elif found := _GPERFTOOLS.match(line):
        dump.format = "gperftools"
        dump.promised = int(found[1])
        # What calls itself heap and no more counts its interval twice.
        dump.rate = int(found[6] or 1) // (2 if found[5] == "heap" and found[6] else 1)
    else:
        raise ReadError.at(path, found=line, expected=JEPROF_EXPECTED, line=number)


def _symbol(dump: _Dump, line: str) -> None:
    if line.startswith("binary="):
        dump.binary = line.removeprefix("binary=").strip()
    elif found := _SYMBOL.match(line.strip()):
        address, name = int(found[1], 16), found[2]
        names = dump.symbols.setdefault(address, name)
        if name not in (names, *names.split("--")):
            dump.symbols[address] = f"{names}--{name}"
    elif line.strip() not in ("", "---"):
        dump.damaged += 1


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in text.split())


def _add(dump: _Dump, addresses: tuple[int, ...], values: list[int]) -> None:
    known = dump.stacks.get(addresses, [0, 0, 0, 0])
    together = [one + other for one, other in zip(known, values, strict=True)]
    if max(together) >= 1 << 62:
        dump.damaged += 1
    else:
        dump.stacks[addresses] = together


def _frames(dump: _Dump, places: Places, table: FrameTable, address: int) -> list[int]:
    # Addresses are those where callers go on; the call itself stands one byte before.
    names = dump.symbols.get(address) or dump.symbols.get(address - 1)
    text, module = places.place(address - 1)
    if names is None:
        return [table.number(text, None, None, module)]
    return [table.number(demangle(name.strip()), None, None, module) for name in names.split("--") if name.strip()]


PPROF_EXPECTED: Final = "a pprof profile of the heap (protocol buffers, packed with gzip or not)"

_SAMPLE_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRING, _TIME, _PERIOD = 1, 2, 3, 4, 5, 6, 9, 12
#: Columns of `STACKS` by the name of a value.
_VALUES: Final[dict[str, str]] = texts("heap/formats")["pprof"]
_MOST_BYTES: Final = 1 << 62
#: A program holds something smaller than this, of which a sample has seen more; no usual interval is longer than that.
_SAMPLED: Final = (4096, 1 << 21)
#: No program has so many stacks, places, functions and names.
_MOST_FIELDS: Final = 1 << 20

#: What each field of a message holds, by its number.
Message: TypeAlias = "dict[int, list[Any]]"


def read_pprof(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    binary: Paths | None = None,
    debug: Paths | None = None,
) -> HeapProfile:
    r"""Read a pprof profile of the heap, or a series of them.

    Parameters
    ----------
    path
        What ``jemalloc_pprof`` serves at ``/debug/pprof/allocs`` or ``/debug/pprof/heap``, also of other profilers
        that write pprof. Several of one process as for `read_heap`.
    binary, debug
        As for `read_heap`.

    Returns
    -------
    HeapProfile
        What was live; numbers are estimates where the profiler sampled. Functions without symbols are named by
        module and offset.

    Raises
    ------
    ReadError
        It is no pprof profile, or not one of the heap.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "heap.pb")
    >>> message = "0a0408011002 120408011028 2206080122020801 2a0408011003 3200 320b696e7573655f7370616365 "
    >>> _ = file.write_bytes(bytes.fromhex(message + "32056279746573 32086170693a3a707574"))
    >>> heap = read_pprof(file)
    >>> heap.summary.live_at_end_bytes, heap.stack(1)["function"].to_list()
    (40, ['api::put'])
    """
    return read_series(path, read_one_pprof, PPROF_EXPECTED, binary, debug)


def read_one_pprof(path: str | os.PathLike[str]) -> HeapProfile:
    data, notes = _files.read_bytes(path, expected=PPROF_EXPECTED, costly=True)
    partial = [*notes]
    top: Message = {}
    try:
        for count, (number, value) in enumerate(_fields(data)):
            if count > _MOST_FIELDS:
                msg = f"more than {_MOST_FIELDS:,} entries"
                raise WireError(msg)  # noqa: TRY301 - as where the rest is damaged
            top.setdefault(number, []).append(_message(value, _INSIDE[number]) if number in _INSIDE else value)
    except WireError as error:
        if not top.get(_SAMPLE):
            raise ReadError.at(path, found=str(error), expected=PPROF_EXPECTED) from None
        partial.append(f"{error}; what stands before was read")
    tables = _Tables(top)
    columns: dict[str, int] = {}
    names = [tables.string(one, 1) for one in top.get(_SAMPLE_TYPE, ())]
    for place, name in enumerate(names):
        # Of two columns with one name the first counts.
        if name in _VALUES:
            columns.setdefault(_VALUES[name], place)
    if not columns:
        raise ReadError.at(path, found=", ".join(names) or "no values", expected="a profile with inuse_space")
    table = FrameTable()
    frames = {number: tables.frames(location, table) for number, location in tables.locations.items()}
    every = [(one.get(1, ()), list(map(_signed, one.get(2, ())))) for one in top.get(_SAMPLE, ())]
    # What was freed since the profile before, in one of changes, is less than nothing.
    samples = [one for one in every if len(one[1]) == len(names) and all(abs(value) < _MOST_BYTES for value in one[1])]
    rows = (chain.from_iterable(frames.get(place, ()) for place in locations) for locations, _ in samples)
    lost = len(tables.missing) + len(set(chain.from_iterable(locations for locations, _ in samples)) - frames.keys())
    if lost:
        partial.append(f"{counted(lost, 'names and places')} of its stacks are not in it, so it may be cut off")
    amounts = {column: [values[place] for _, values in samples] for column, place in columns.items()}
    if any(sum(map(abs, values)) >= _MOST_BYTES for values in amounts.values()):
        raise ReadError.at(path, found="amounts that add up to more than any program has", expected=PPROF_EXPECTED)
    stacks, cut = stacks_frame(rows, amounts)
    files = {tables.string(one, 5): tables.string(one, 6) or None for one in tables.mappings.values()}
    modules = {name: Module(build) for name, build in files.items() if name}
    sampled = max(_signed(_last(top, _PERIOD)), 1)
    least = min((size for size in amounts.get("live_bytes", ()) if size > 0), default=1)
    if sampled == 1 and "live_blocks" not in amounts and least >= _SAMPLED[0]:
        # jemalloc_pprof tells neither its interval, a power of two, nor blocks; it scales each up to the interval.
        sampled = min(1 << least.bit_length() - 1, _SAMPLED[1])
    summary = _summary("pprof", next(iter(files), None) or None, amounts, sample_bytes=sampled)
    summary = replace(summary, taken_seconds=_signed(_last(top, _TIME)) / 1e9 or None)
    told = report(path, {"samples that are damaged": len(every) - len(samples)}, [*partial, *deep(cut)])
    return HeapProfile(summary, stacks, table.frame(), modules=modules, report=told)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    for number, kind, begin, end in fields(data, 0, len(data)):
        if kind == VARINT:
            yield number, begin
        elif kind == BYTES:
            yield number, data[begin:end]


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _message(data: int | bytes, inside: Mapping[int, Callable[[int | bytes], list[Any]]]) -> Message:
    if isinstance(data, int):
        msg = "a number where a message should be"
        raise WireError(msg)
    found: Message = {}
    for number, value in _fields(data):
        found.setdefault(number, []).extend(inside[number](value) if number in inside else [value])
    return found


def _packed(value: int | bytes) -> list[int]:
    if isinstance(value, int):
        return [value]
    found, place = [], 0
    while place < len(value):
        number, place = read_varint(value, place, len(value))
        found.append(number)
    return found


#: Fields that are messages, and those of theirs that are more than a number or a text.
_INSIDE: Final[dict[int, dict[int, Callable[[int | bytes], list[Any]]]]] = {
    _SAMPLE: {1: _packed, 2: _packed},
    _LOCATION: {4: lambda line: [_message(line, {})]},
    _SAMPLE_TYPE: {},
    _MAPPING: {},
    _FUNCTION: {},
}


def _last(message: Message, field_number: int) -> int:
    value = message.get(field_number, [0])[-1]
    return value if isinstance(value, int) else 0


class _Tables:
    def __init__(self, top: Message) -> None:
        self._strings = [text.decode("utf-8", "replace") for text in top.get(_STRING, ()) if isinstance(text, bytes)]
        #: What is named by a number that nothing has.
        self.missing: set[tuple[int, int]] = set()
        self.mappings, self.locations, self._functions = (
            {_last(one, 1): one for one in top.get(kind, ())} for kind in (_MAPPING, _LOCATION, _FUNCTION)
        )

    def string(self, message: Message, field_number: int) -> str:
        number = _last(message, field_number)
        if number < len(self._strings):
            return self._strings[number]
        self.missing.add((_STRING, number))
        return ""

    def frames(self, location: Message, table: FrameTable) -> list[int]:
        mapping = self.mappings.get(_last(location, 2), {})
        module = self.string(mapping, 5) or None
        if 4 not in location:
            address, begin = _last(location, 3), _last(mapping, 2)
            place = address - begin + _last(mapping, 4) if address >= begin else address
            text = f"{PurePosixPath(module).name}+{place:#x}" if module else f"{address:#x}"
            return [table.number(text, None, None, module)]
        found = []
        for line in location[4]:
            function = self._functions.get(_last(line, 1))
            if function is None:
                function = {}
                self.missing.add((_FUNCTION, _last(line, 1)))
            name = self.string(function, 2 if _last(function, 2) else 3)
            file = self.string(function, 4) or None
            found.append(table.number(demangle(name) if name else None, file, _signed(_last(line, 2)), module))
        return found
