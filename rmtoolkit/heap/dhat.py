"""DHAT profiles: of dhat-rs, and of valgrind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.heap.frames import FrameTable, stacks_frame
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.heap.rust_names import demangle
from rmtoolkit.loaders import files
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.provenance import Report

if TYPE_CHECKING:
    import os

EXPECTED: Final = "a DHAT profile (JSON, dhatFileVersion 2)"

#: Columns of `STACKS`, and what DHAT calls them.
_AMOUNTS: Final = {
    "allocations": "tbk",
    "allocated_bytes": "tb",
    "live_blocks": "ebk",
    "live_bytes": "eb",
    "peak_blocks": "gbk",
    "peak_bytes": "gb",
}
#: Seconds in the units of time that are times.
_SECONDS: Final = {"µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}
#: A frame: address, name, and file with line (and column) or the module it is in.
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
    OSError
        There is no such file.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "dhat-heap.json")
    >>> point = {"tb": 9, "tbk": 1, "gb": 9, "gbk": 1, "eb": 9, "ebk": 1, "fs": [1]}
    >>> table = ["[root]", "0x1: api::put (src/a.rs:3:5)"]
    >>> text = json.dumps({"dhatFileVersion": 2, "mode": "rust-heap", "cmd": "api", "pps": [point], "ftbl": table})
    >>> _ = file.write_text(text)
    >>> read_dhat(file)
    <HeapProfile: dhat, 1 stack, peak 0.00879 Ki, live at the end 0.00879 Ki>
    """
    data, notes = files.read_bytes(path, expected=EXPECTED)
    document = _document(data, path)
    mode = document.get("mode")
    if mode not in ("heap", "rust-heap"):
        raise ReadError.at(path, found=f"mode {mode}", expected="a profile of the heap (mode heap or rust-heap)")
    table = FrameTable()
    texts = document["ftbl"]
    numbers = number_frames(texts, table)
    rows: list[list[int]] = []
    amounts: dict[str, list[int]] = {name: [] for name in _AMOUNTS}
    bad = 0
    for point in document["pps"]:
        values = _point(point, numbers)
        if values is None:
            bad += 1
            continue
        rows.append(values[0])
        for name, value in zip(_AMOUNTS, values[1], strict=True):
            amounts[name].append(value)
    stacks, cut = stacks_frame(rows, amounts)
    partial = [f"{counted(cut, 'stack')} cut because of their depth"] if cut else []
    left_out = {"damaged allocation points": bad} if bad else {}
    if bad or partial:
        said = [*partial, *(f"left out {counted(number, reason)}" for reason, number in left_out.items())]
        files.warn(f"{quote_path(path)}: {'; '.join(said)}.")
    unit = _SECONDS.get(str(document.get("tu")))
    ended, peaked = (_amount(document.get(name)) for name in ("te", "tg"))
    command = document.get("cmd")
    summary = HeapSummary(
        format="dhat",
        command=command if isinstance(command, str) else None,
        allocations=sum(amounts["allocations"]),
        allocated_bytes=sum(amounts["allocated_bytes"]),
        live_at_end_bytes=sum(amounts["live_bytes"]),
        live_at_end_blocks=sum(amounts["live_blocks"]),
        peak_bytes=sum(amounts["peak_bytes"]),
        peak_time_seconds=None if unit is None or peaked is None else peaked * unit,
        runtime_seconds=None if unit is None or ended is None else ended * unit,
    )
    report = Report(
        sources=(str(path),),
        left_out=left_out,
        partial=tuple(partial),
        warnings=notes if unit is not None else (*notes, "time is counted in instructions, not in seconds"),
        time_axis="none",
    )
    return HeapProfile(summary, stacks, table.frame(), report=report)


def _document(data: bytes, path: str | os.PathLike[str]) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415 - fast on large files

    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReadError.at(
            path, found=str(error), expected="whole JSON", hint="DHAT writes its file when the program ends."
        ) from None
    if not isinstance(document, dict) or document.get("dhatFileVersion") != 2:
        version = document.get("dhatFileVersion") if isinstance(document, dict) else None
        raise ReadError.at(path, found=f"dhatFileVersion {version}", expected=EXPECTED)
    for name in ("pps", "ftbl"):
        if not isinstance(document.get(name), list):
            raise ReadError.at(path, found=f"no list {name}", expected=EXPECTED)
    return document


def number_frames(texts: list[Any], table: FrameTable) -> list[int | None]:
    """Find frames as valgrind and dhat-rs write them.

    Parameters
    ----------
    texts
        Frames; those with one address are inlined into the last of them.
    table
        Takes the frames.

    Returns
    -------
    list of (int or None)
        A number each; None for what is no frame.

    Examples
    --------
    >>> table = FrameTable()
    >>> number_frames(["[root]", "0x1: new<u8> (boxed.rs:2)", "0x1: std::rt::init (rt.rs:9)"], table)
    [None, 0, 1]
    >>> table.frame()["origin"].to_list()
    ['std', 'std']
    """
    outer: dict[str, str] = {}
    for text in texts:
        if isinstance(text, str) and text.startswith("0x"):
            address, _, rest = text.partition(": ")
            outer[address] = rest
    found: list[int | None] = []
    for text in texts:
        if not isinstance(text, str) or text == "[root]":
            found.append(None)
            continue
        inside = outer.get(text.partition(": ")[0])
        found.append(table.number(*parse_frame(text), inside=None if inside is None else parse_frame(inside)[0]))
    return found


def parse_frame(text: str) -> tuple[str | None, str | None, int | None, str | None]:
    """Take a frame apart, as valgrind and dhat-rs write it.

    Parameters
    ----------
    text
        Address, name and place.

    Returns
    -------
    tuple of (str or None, str or None, int or None, str or None)
        Function, file, line and module.

    Examples
    --------
    >>> parse_frame("0x11C8A3: known::real_leak (known.rs:28)"), parse_frame("0x1: ??? (in /lib/libc.so.6)")
    (('known::real_leak', 'known.rs', 28, None), (None, None, None, '/lib/libc.so.6'))
    """
    found = _FRAME.match(text)
    if found is None:
        return text, None, None, None
    name = found["name"].strip()
    line = int(found["line"]) if found["line"] else None
    return None if name in ("???", "") else demangle(name), found["file"] or None, line, found["module"]


def _point(point: object, numbers: list[int | None]) -> tuple[list[int], list[int]] | None:
    if not isinstance(point, dict) or not isinstance(point.get("fs"), list):
        return None
    values = [_amount(point.get(name, 0)) for name in _AMOUNTS.values()]
    frames = []
    for place in point["fs"]:
        if not isinstance(place, int) or not 0 <= place < len(numbers):
            return None
        number = numbers[place]
        if number is not None:
            frames.append(number)
    known = [value for value in values if value is not None]
    return (frames, known) if len(known) == len(values) else None


def _amount(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else None
