"""pprof profiles of the heap: protocol buffers, read by hand so that nothing foreign is trusted.

The form is that of ``profile.proto`` in pprof's repository.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.heap.frames import FrameTable, stacks_frame
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.heap.rust_names import demangle
from rmtoolkit.heap.series import read_series
from rmtoolkit.loaders import files
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.provenance import Report

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

EXPECTED: Final = "a pprof profile of the heap (protocol buffers, packed with gzip or not)"

#: Fields of the messages.
_SAMPLE_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRING, _PERIOD = 1, 2, 3, 4, 5, 6, 12
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: Columns of `STACKS` by the name of a value.
_VALUES: Final = {
    "inuse_space": "live_bytes",
    "inuse_objects": "live_blocks",
    "alloc_space": "allocated_bytes",
    "alloc_objects": "allocations",
    "space": "live_bytes",
    "objects": "live_blocks",
}
_MOST_BYTES: Final = 1 << 62


class _BrokenError(Exception):
    """The bytes are no such message."""


@dataclass(slots=True)
class _Profile:
    types: list[tuple[int, int]] = field(default_factory=list)
    samples: list[tuple[list[int], list[int]]] = field(default_factory=list)
    mappings: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    locations: dict[int, tuple[int, int, list[tuple[int, int]]]] = field(default_factory=dict)
    functions: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    strings: list[str] = field(default_factory=list)
    period: int = 0
    damaged: int = 0

    def string(self, number: int) -> str:
        return self.strings[number] if 0 <= number < len(self.strings) else ""


def read_pprof(path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> HeapProfile:
    r"""Read a pprof profile of the heap, or a series of them.

    Parameters
    ----------
    path
        What ``jemalloc_pprof`` serves at ``/debug/pprof/allocs`` or ``/debug/pprof/heap``, also of other profilers
        that write pprof. Several of one process, also as a folder or a glob, make one profile with growth.

    Returns
    -------
    HeapProfile
        What was live; numbers are estimates where the profiler sampled. Functions without symbols are named by
        module and offset.

    Raises
    ------
    ReadError
        It is no pprof profile, or not one of the heap.
    OSError
        There is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> strings = b"".join(b"\x32" + bytes([len(text)]) + text for text in (b"", b"inuse_space", b"bytes", b"api::put"))
    >>> message = b"\x0a\x04\x08\x01\x10\x02\x12\x04\x08\x01\x10\x28\x22\x06\x08\x01\x22\x02\x08\x01"
    >>> message += b"\x2a\x04\x08\x01\x10\x03"
    >>> file = pathlib.Path(tempfile.mkdtemp(), "heap.pb")
    >>> _ = file.write_bytes(message + strings)
    >>> heap = read_pprof(file)
    >>> heap.summary.live_at_end_bytes, heap.stack(1)["function"].to_list()
    (40, ['api::put'])
    """
    return read_series(path, _read_one, EXPECTED)


def _read_one(path: str | os.PathLike[str]) -> HeapProfile:
    data, notes = files.read_bytes(path, expected=EXPECTED)
    profile = _Profile()
    partial = [note for note in notes if "cut off" in note]
    try:
        for number, value in _fields(data):
            _top(profile, number, value)
    except _BrokenError as error:
        if not profile.samples:
            raise ReadError.at(path, found=str(error), expected=EXPECTED) from None
        partial.append(f"{error}; what stands before was read")
    columns: dict[int, str] = {}
    for place, (kind, _) in enumerate(profile.types):
        column = _VALUES.get(profile.string(kind))
        # Of two columns with one name the first counts.
        if column is not None and column not in columns.values():
            columns[place] = column
    if not columns:
        names = ", ".join(profile.string(kind) for kind, _ in profile.types) or "no values"
        raise ReadError.at(path, found=names, expected="a profile with inuse_space")
    table = FrameTable()
    frames = {number: _frames(profile, number, table) for number in profile.locations}
    rows, amounts = [], {column: list[int]() for column in columns.values()}
    for locations, values in profile.samples:
        if len(values) != len(profile.types):
            profile.damaged += 1
            continue
        rows.append([number for location in locations for number in frames.get(location, ())])
        for place, column in columns.items():
            amounts[column].append(values[place])
    stacks, cut = stacks_frame(rows, amounts)
    if cut:
        partial.append(f"{counted(cut, 'stack')} cut because of their depth")
    left_out = {"damaged samples": profile.damaged} if profile.damaged else {}
    if left_out or partial:
        said = [*partial, *(f"left out {counted(number, reason)}" for reason, number in left_out.items())]
        files.warn(f"{quote_path(path)}: {'; '.join(said)}.")

    def total(column: str) -> int | None:
        return sum(amounts[column]) if column in amounts else None

    first = profile.mappings[min(profile.mappings)] if profile.mappings else None
    summary = HeapSummary(
        format="pprof",
        command=(profile.string(first[3]) or None) if first else None,
        allocations=total("allocations"),
        allocated_bytes=total("allocated_bytes"),
        live_at_end_bytes=total("live_bytes"),
        live_at_end_blocks=total("live_blocks"),
        sampled=profile.period > 1,
    )
    return HeapProfile(
        summary,
        stacks,
        table.frame(),
        report=Report(sources=(str(path),), left_out=left_out, partial=tuple(partial)),
    )


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), place
        shift += 7
    msg = "a number that does not end"
    raise _BrokenError(msg)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Give number and value of each field of a message."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
        elif kind == _BYTES:
            size, place = _varint(data, place)
            if size > len(data) - place:
                msg = f"a field of {size:,} bytes of which {len(data) - place:,} are there"
                raise _BrokenError(msg)
            yield key >> 3, data[place : place + size]
            place += size
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        else:
            msg = f"a field of the unknown kind {kind}"
            raise _BrokenError(msg)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _message(data: int | bytes) -> dict[int, list[int | bytes]]:
    if isinstance(data, int):
        msg = "a number where a message should be"
        raise _BrokenError(msg)
    found: dict[int, list[int | bytes]] = {}
    for number, value in _fields(data):
        found.setdefault(number, []).append(value)
    return found


def _number(message: dict[int, list[int | bytes]], field_number: int) -> int:
    value = message.get(field_number, [0])[-1]
    return value if isinstance(value, int) else 0


def _numbers(message: dict[int, list[int | bytes]], field_number: int) -> list[int]:
    """Read a list of numbers, packed or one by one."""
    found = []
    for value in message.get(field_number, ()):
        if isinstance(value, int):
            found.append(value)
            continue
        place = 0
        while place < len(value):
            number, place = _varint(value, place)
            found.append(number)
    return found


def _top(profile: _Profile, number: int, value: int | bytes) -> None:
    """Take one field of the profile."""
    if number == _PERIOD and isinstance(value, int):
        profile.period = _signed(value)
    elif number == _STRING and isinstance(value, bytes):
        profile.strings.append(value.decode("utf-8", "replace"))
    elif number == _SAMPLE_TYPE:
        message = _message(value)
        profile.types.append((_number(message, 1), _number(message, 2)))
    elif number == _SAMPLE:
        message = _message(value)
        values = [_signed(amount) for amount in _numbers(message, 2)]
        if all(0 <= amount < _MOST_BYTES for amount in values):
            profile.samples.append((_numbers(message, 1), values))
        else:
            profile.damaged += 1
    elif number == _MAPPING:
        message = _message(value)
        begin, end, offset, name = (_number(message, place) for place in (2, 3, 4, 5))
        profile.mappings[_number(message, 1)] = begin, end, offset, name
    elif number == _LOCATION:
        message = _message(value)
        lines = [(_number(line, 1), _signed(_number(line, 2))) for line in map(_message, message.get(4, ()))]
        profile.locations[_number(message, 1)] = _number(message, 2), _number(message, 3), lines
    elif number == _FUNCTION:
        message = _message(value)
        name = _number(message, 2) or _number(message, 3)
        profile.functions[_number(message, 1)] = name, _number(message, 3), _number(message, 4)


def _frames(profile: _Profile, location: int, table: FrameTable) -> list[int]:
    """Find the frames at a location, inlined functions first."""
    mapping, address, lines = profile.locations[location]
    begin, _, offset, name = profile.mappings.get(mapping, (0, 0, 0, 0))
    module = profile.string(name) or None
    if not lines:
        place = address - begin + offset if address >= begin else address
        text = f"{PurePosixPath(module).name}+{place:#x}" if module else f"{address:#x}"
        return [table.number(text, None, None, module)]
    found = []
    for function, line in lines:
        title, _, file = profile.functions.get(function, (0, 0, 0))
        shown = profile.string(title)
        found.append(table.number(demangle(shown) if shown else None, profile.string(file) or None, line, module))
    return found
