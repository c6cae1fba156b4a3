"""Stacks and frames from the tables of a heaptrack file."""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np

from rmtoolkit.heap.rust_names import demangle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from rmtoolkit.heap.frames import FrameTable
    from rmtoolkit.heap.heaptrack_tables import Tables

    Integers = NDArray[np.int64]

#: What libraries keep on purpose until the end; heaptrack leaves them out of what leaked too.
SUPPRESSIONS: Final = (
    "__nss_module_allocate",
    "__gconv_read_conf",
    "__new_exitfn",
    "tzset_internal",
    "dl_open_worker",
    "g_main_context_new",
    "g_thread_self",
)
#: Stacks are cut, at the end where the program begins, when all together have more entries than this.
_MOST_ENTRIES: Final = 8 << 20


def frames_of_pointers(tables: Tables, table: FrameTable) -> list[tuple[int, ...]]:
    """Find the frames of each instruction pointer, the innermost inlined function first.

    Parameters
    ----------
    tables
        Of an interpreted file.
    table
        Takes the frames.

    Returns
    -------
    list of tuple of int
        By the 1-based number of the pointer; the first entry is empty.

    Examples
    --------
    >>> from rmtoolkit.heap.frames import FrameTable
    >>> from rmtoolkit.heap.heaptrack_tables import Tables
    >>> tables = Tables("a", strings=[b"/app/a", b"inner", b"a.rs", b"outer"], pointers=[(9, 1, 2, 3, 7, 4, 3, 8)])
    >>> table = FrameTable()
    >>> frames_of_pointers(tables, table), table.frame()["function"].to_list()
    ([(), (0, 1)], ['inner', 'outer'])
    """
    strings: list[str | None] = [None, *(text.decode("utf-8", "replace") for text in tables.strings)]

    def string(number: int) -> str | None:
        return strings[number] if 0 <= number < len(strings) else None

    found: list[tuple[int, ...]] = [()]
    for fields in tables.pointers:
        module = string(fields[1]) if len(fields) > 1 else None
        numbers = []
        for place in range(2, max(len(fields), 3), 3):
            name, file, line = (*fields[place : place + 3], 0, 0, 0)[:3]
            function = string(name)
            numbers.append(table.number(None if function is None else demangle(function), string(file), line, module))
        found.append(tuple(numbers))
    return found


def frames_of_addresses(tables: Tables, addresses: Integers, table: FrameTable) -> list[tuple[int, ...]]:
    """Find a frame for each address: the module and how far into it.

    Parameters
    ----------
    tables
        Of a raw file.
    addresses
        Where the code is.
    table
        Takes the frames.

    Returns
    -------
    list of tuple of int
        By the 1-based place in `addresses`; the first entry is empty.

    Examples
    --------
    >>> from rmtoolkit.heap.frames import FrameTable
    >>> from rmtoolkit.heap.heaptrack_tables import Tables
    >>> table = FrameTable()
    >>> _ = frames_of_addresses(Tables("a", modules=[(16, 64, b"/app/a", 0)]), np.array([32]), table)
    >>> table.frame().row(0)
    (0, 'a+0x20', None, None, '/app/a', None)
    """
    modules = sorted(dict.fromkeys(tables.modules))
    begins = [begin for begin, *_ in modules]
    found: list[tuple[int, ...]] = [()]
    for address in addresses.tolist():
        place = bisect_right(begins, address) - 1
        if place >= 0 and address < modules[place][1]:
            name = modules[place][2].decode("utf-8", "replace")
            text = f"{PurePosixPath(name).name}+{address - modules[place][3]:#x}"
            found.append((table.number(text, None, None, name),))
        else:
            found.append((table.number(f"{address:#x}", None, None, None),))
    return found


def walk(traces: Integers, pointers: Integers, parents: Integers) -> tuple[Integers, Integers, int]:
    """Follow traces from the allocation to where the program begins.

    Parameters
    ----------
    traces
        1-based numbers.
    pointers, parents
        Of each trace.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray, int)
        Which of the traces and which pointer, by trace and outwards; and after how many steps all were cut, or 0.

    Examples
    --------
    >>> walk(np.array([2, 1]), np.array([7, 8]), np.array([0, 1]))
    (array([0, 0, 1]), array([8, 7, 7]), 0)
    """
    rows = np.flatnonzero(traces > 0)
    here = traces[rows]
    found: list[tuple[Integers, Integers]] = []
    total = 0
    while len(here) and total + len(here) <= _MOST_ENTRIES:
        found.append((rows, pointers[here - 1]))
        total += len(here)
        here = parents[here - 1]
        on = np.flatnonzero(here > 0)
        rows, here = rows[on], here[on]
    if not found:
        return traces[:0], traces[:0], 0
    all_rows = np.concatenate([row for row, _ in found])
    order = np.argsort(all_rows, kind="stable")
    return (
        all_rows[order].astype(np.int64),
        np.concatenate([pointer for _, pointer in found])[order],
        (len(found) if len(here) else 0),
    )


def expand(rows: Integers, pointers: Integers, frames: Sequence[tuple[int, ...]]) -> tuple[Integers, Integers]:
    """Put the frames of each pointer in its place.

    Parameters
    ----------
    rows, pointers
        As `walk` gives them.
    frames
        Of each pointer, the innermost first; one that is not there has none.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray)
        Rows and frames.

    Examples
    --------
    >>> expand(np.array([0, 0]), np.array([1, 2]), [(), (5, 6), (7,)])
    (array([0, 0, 0]), array([5, 6, 7]))
    """
    counts = np.array([len(found) for found in frames], np.int64)
    flat = np.array([number for found in frames for number in found], np.int64)
    begins = np.append(0, np.cumsum(counts))[:-1]
    pointers = np.where((pointers > 0) & (pointers < len(frames)), pointers, 0)
    each = counts[pointers]
    within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    return np.repeat(rows, each), flat[np.repeat(begins[pointers], each) + within]


def matches(patterns: Iterable[str], frames: pl.DataFrame) -> Integers:
    """Find frames that a suppression names, by function, file or module.

    Parameters
    ----------
    patterns
        As LeakSanitizer writes them: a part of a name; ``*`` is anything, ``^`` and ``$`` are its ends.
    frames
        See `rmtoolkit.heap.profile.FRAMES`.

    Returns
    -------
    numpy.ndarray
        Their numbers.

    Examples
    --------
    >>> from rmtoolkit.heap.frames import FrameTable
    >>> table = FrameTable()
    >>> numbers = [table.number(name, None, None, None) for name in ("leak_me", "other", "mother")]
    >>> matches(["leak_*", "^oth"], table.frame())
    array([0, 1])
    """
    expressions = [
        ("" if pattern.startswith("^") else ".*")
        + ".*".join(map(re.escape, pattern.removeprefix("^").removesuffix("$").split("*")))
        + ("$" if pattern.endswith("$") else "")
        for pattern in patterns
        if pattern.strip("^$*")
    ]
    if not expressions or not frames.height:
        return np.zeros(0, np.int64)
    names = [re.compile(text, re.DOTALL) for text in expressions]
    found = []
    for number, *texts in frames.select("frame_id", "function", "file", "module").rows():
        if any(text is not None and name.match(text) for text in texts for name in names):
            found.append(number)
    return np.array(found, np.int64)
