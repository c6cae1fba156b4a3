"""Heap dumps of jemalloc and gperftools, with addresses or symbols."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.heap.addresses import Maps
from rmtoolkit.heap.frames import FrameTable, stacks_frame
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.heap.rust_names import demangle
from rmtoolkit.heap.series import read_series
from rmtoolkit.loaders import files
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.provenance import Report

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

EXPECTED: Final = "a heap dump of jemalloc (heap_v2/…) or gperftools (heap profile: …)"

_JEMALLOC: Final = re.compile(r"heap_v2/(\d{1,12})\s*$")
_GPERFTOOLS: Final = re.compile(
    r"heap profile: *(\d+): *(\d+) *\[ *(\d+): *(\d+) *\] *@ *(heapprofile|heap(?:_v2)?(?:/(\d{1,12}))?)\s*$"
)
_OF_THREADS: Final = re.compile(r"\s*t(\*|\d+): *(\d{1,19}): *(\d{1,19}) *\[ *(\d{1,19}): *(\d{1,19}) *\]\s*$")
_ROW: Final = re.compile(
    r" *(\d{1,19}): *(\d{1,19}) *\[ *(\d{1,19}): *(\d{1,19}) *\] *@((?: *0x[0-9a-fA-F]{1,16}(?=\s|$))*)\s*$"
)
_SYMBOL: Final = re.compile(r"0x([0-9a-fA-F]{1,16})\s+(\S.*)$")
_ADDRESSES: Final = re.compile(r"@((?: *0x[0-9a-fA-F]{1,16}(?=\s|$))*)\s*$")


@dataclass(slots=True)
class _Dump:
    """What stands in one file."""

    rate: int = 1
    format: str = "jeprof"
    totals: tuple[int, int, int, int] | None = None
    stacks: dict[tuple[int, ...], list[int]] = field(default_factory=dict)
    symbols: dict[int, str] = field(default_factory=dict)
    binary: str | None = None
    maps: list[str] = field(default_factory=list)
    damaged: int = 0


def read_jeprof(path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> HeapProfile:
    r"""Read a heap dump of jemalloc or gperftools, or a series of them.

    Parameters
    ----------
    path
        A dump (``jeprof.PID.SEQ.iN.heap``, ``NAME.0001.heap``), with addresses or with symbols (``jeprof --raw``,
        services that symbolise themselves). Several of one process, also as a folder or a glob, make one profile
        with growth, in the order of their numbers.

    Returns
    -------
    HeapProfile
        What was live when the dump was written. jemalloc samples: each stack is scaled up by the chance that its
        allocations are seen, so numbers are estimates (`summary.sampled`) unless every allocation is sampled.
        gperftools counts every allocation. Without symbols, functions are named by module and offset.

    Raises
    ------
    ReadError
        It is no such dump.
    OSError
        There is no such file.

    Notes
    -----
    A stack with objects of mean size s under a sampling interval of R bytes is multiplied by 1 / (1 - exp(-s / R)), as
    jeprof does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "jeprof.7.0.f.heap")
    >>> _ = file.write_text("heap_v2/1\n  t*: 2: 96 [0: 0]\n@ 0x10 0x20\n  t*: 2: 96 [0: 0]\n\nMAPPED_LIBRARIES:\n-\n")
    >>> read_jeprof(file).summary.live_at_end_bytes
    96
    """
    return read_series(path, _read_one, EXPECTED)


def _read_one(path: str | os.PathLike[str]) -> HeapProfile:
    data, notes = files.read_bytes(path, expected=EXPECTED)
    text, more = files.as_text(data, path, expected=EXPECTED)
    dump = _parse(text, path)
    table = FrameTable()
    maps = Maps(dump.maps)
    rows, amounts = (
        [],
        {name: list[int | None]() for name in ("live_blocks", "live_bytes", "allocations", "allocated_bytes")},
    )
    has_totals = any(values[2] for values in dump.stacks.values())
    numbers: dict[int, list[int]] = {}
    for addresses, (blocks, size, all_blocks, all_size) in dump.stacks.items():
        for address in addresses:
            if address not in numbers:
                numbers[address] = _frames(dump, maps, table, address)
        rows.append([number for address in addresses for number in numbers[address]])
        live_blocks, live = _scaled(blocks, size, dump.rate)
        allocations, allocated = _scaled(all_blocks, all_size, dump.rate) if has_totals else (None, None)
        for name, value in zip(amounts, (live_blocks, live, allocations, allocated), strict=True):
            amounts[name].append(value)
    stacks, cut = stacks_frame(rows, amounts)
    partial = [f"{counted(cut, 'stack')} cut because of their depth"] if cut else []
    left_out = {"damaged lines": dump.damaged} if dump.damaged else {}
    partial += [note for note in notes if "cut off" in note]
    listed = sum(values[0] for values in dump.stacks.values())
    if dump.format == "gperftools" and dump.totals is not None and listed != dump.totals[0]:
        partial.append(f"the stacks hold {listed:,} of the {dump.totals[0]:,} objects that the first line promises")
    if not dump.maps and not dump.symbols:
        partial.append("the list of modules at its end is missing, so it may be cut off")
    if left_out or partial:
        said = [*partial, *(f"left out {counted(number, reason)}" for reason, number in left_out.items())]
        files.warn(f"{quote_path(path)}: {'; '.join(said)}.")
    frames = table.frame()
    warnings = [note for note in (*notes, *more) if note not in partial]
    if not dump.symbols:
        warnings.append("no symbols, so functions have no names: symbolise it first (jeprof --raw, or rm.read_pprof)")
    summary = HeapSummary(
        format=dump.format,
        command=dump.binary or _program(dump),
        allocations=_sum(amounts["allocations"]),
        allocated_bytes=_sum(amounts["allocated_bytes"]),
        live_at_end_bytes=_sum(amounts["live_bytes"]),
        live_at_end_blocks=_sum(amounts["live_blocks"]),
        sampled=dump.rate > 1,
    )
    report = Report(sources=(str(path),), left_out=left_out, partial=tuple(partial), warnings=tuple(warnings))
    return HeapProfile(summary, stacks, frames, report=report)


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known or not values else None


def _program(dump: _Dump) -> str | None:
    """Take the first module that the memory maps name."""
    found = (line.split(maxsplit=5) for line in dump.maps)
    return next((words[-1] for words in found if words and words[-1].startswith("/")), None)


def _scaled(blocks: int, size: int, rate: int) -> tuple[int, int]:
    """Undo the sampling."""
    if rate <= 1 or blocks <= 0:
        return blocks, size
    factor = 1 / -math.expm1(-(size / blocks) / rate) if size else 1.0
    return round(blocks * factor), round(size * factor)


def _parse(text: str, path: str | os.PathLike[str]) -> _Dump:  # noqa: PLR0912 - a branch per kind of line
    dump = _Dump()
    section = "heap"
    started = False
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
            started = _header(dump, line, path, number)
        elif section == "maps":
            dump.maps.append(line)
        elif line.startswith("MAPPED_LIBRARIES"):
            section = "maps"
        elif found := _ROW.match(line):
            _add(dump, _numbers(found[5]), [int(word) for word in found.groups()[:4]])
        elif found := _ADDRESSES.match(line):
            addresses = _numbers(found[1])
        elif found := _OF_THREADS.match(line):
            if found[1] == "*":
                values = [int(word) for word in found.groups()[1:]]
                if addresses is None:
                    dump.totals = dump.totals or (values[0], values[1], values[2], values[3])
                else:
                    _add(dump, addresses, values)
        elif line.strip():
            dump.damaged += 1
    if not started:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=EXPECTED, line=1)
    return dump


def _header(dump: _Dump, line: str, path: str | os.PathLike[str], number: int) -> bool:
    if found := _JEMALLOC.match(line):
        dump.rate = int(found[1])
        return True
    if found := _GPERFTOOLS.match(line):
        dump.format = "gperftools"
        dump.totals = int(found[1]), int(found[2]), int(found[3]), int(found[4])
        dump.rate = int(found[6] or 1)
        return True
    raise ReadError.at(path, found=line, expected=EXPECTED, line=number)


def _symbol(dump: _Dump, line: str) -> None:
    if line.startswith("binary="):
        dump.binary = line.removeprefix("binary=").strip()
    elif found := _SYMBOL.match(line.strip()):
        dump.symbols[int(found[1], 16)] = found[2]
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


def _frames(dump: _Dump, maps: Maps, table: FrameTable, address: int) -> list[int]:
    """Find the frames at an address, inlined functions first."""
    # Addresses are those where callers go on; the call itself stands one byte before.
    names = dump.symbols.get(address) or dump.symbols.get(address - 1)
    text, module = maps.place(address - 1)
    if names is None:
        return [table.number(text, None, None, module)]
    return [table.number(demangle(name.strip()), None, None, module) for name in names.split("--") if name.strip()]
