"""Arenas and bins of jemalloc, from its statistics in JSON or as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.heap.allocator_rows import less, plus
from rmtoolkit.loaders.jemalloc_documents import Document, parse_documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rmtoolkit.heap.allocator_rows import Row, Rows

_PAGE: Final = re.compile(r"(?:^|\s)Page size: (\d{1,9})$", re.MULTILINE)
_SECTION: Final = re.compile(
    r"(?:^|\s)(?:(?P<merged>Merged arenas stats)|Destroyed arenas stats|arenas\[(?P<number>\d+)\]):$"
)
_TABLE: Final = re.compile(r"(?:^|\s)(bins|large|extents):\s+(size\s.*)$")
_SUMS: Final = re.compile(r"(?:^|\s)(small|large):\s+(\d{1,19})\s")
_DECAY: Final = re.compile(r"(?:^|\s)(dirty|muzzy):\s+(?:-?\d+|N/A)\s+(\d{1,19})\s")
_NUMBERS: Final = re.compile(r"(?:\d+(?:\.\d+)?\s*)+$")
_MOST: Final = 1 << 62

SHORT: Final = "rows of tables with other columns than their heads"


def collect(text: str, rows: Rows) -> None:
    r"""Read every document of jemalloc in a text.

    Parameters
    ----------
    text
        A file or a program's output.
    rows
        Takes what is found.

    Examples
    --------
    >>> from rmtoolkit.heap.allocator_rows import Rows
    >>> rows = Rows()
    >>> collect('{"jemalloc":{"arenas":{"page":4096},"stats":{"allocated":9},"stats.arenas":{"0":{"pdirty":2}}}}', rows)
    >>> rows.arenas[0]["dirty_bytes"], rows.totals[0]["dirty_bytes"]
    (8192, 8192)
    """
    found = [document for document in parse_documents(text) if document.totals()]
    for number, document in enumerate(found):
        page, sizes, arenas = _json(document) if document.format == "json" else _text(document, rows)
        own = [
            _arena({"document": number, "arena": name}, arena, page)
            for name, arena in arenas.items()
            if name not in ("merged", "destroyed")
        ]
        if not own and "merged" in arenas:  # a document without single arenas
            own = [_arena({"document": number, "arena": "merged"}, arenas["merged"], page)]
        rows.arenas.extend(own)
        names = [row["arena"] for row in own]
        for name in names:
            rows.bins.extend(
                {"document": number, "arena": name, **row} for row in _bins(arenas[str(name)], sizes, page)
            )
        rows.totals.append(_totals(document, own) | {"document": number})


def _totals(document: Document, arenas: list[Row]) -> Row:
    said = document.totals()
    dirty, muzzy = (
        plus(*(arena[name] for arena in arenas)) if arenas else None for name in ("dirty_bytes", "muzzy_bytes")
    )
    return {
        "allocator": "jemalloc",
        "line": document.line,
        **{f"{name}_bytes": amount for name, amount in said.items()},
        "dirty_bytes": dirty,
        "muzzy_bytes": muzzy,
        "fragmentation_bytes": less(said.get("active"), said.get("allocated")),
        "purgeable_bytes": plus(dirty, muzzy),
        "resident_if_purged_bytes": less(said.get("resident"), dirty),
    }


def _amount(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None


def _pages(values: Mapping[str, Any], name: str, page: int | None) -> int | None:
    value = _amount(values, name)
    return None if value is None or page is None or value >= _MOST // page else value * page


def _arena(row: Row, arena: Mapping[str, Any], page: int | None) -> Row:
    parts = [arena.get(kind) for kind in ("small", "large")]
    allocated = plus(*(_amount(part, "allocated") if isinstance(part, dict) else None for part in parts))
    active = _pages(arena, "pactive", page) if "pactive" in arena else _amount(arena, "active")
    dirty, muzzy = (_pages(arena, name, page) for name in ("pdirty", "pmuzzy"))
    row.update(
        {
            "threads": _amount(arena, "nthreads"),
            "allocated_bytes": allocated,
            "active_bytes": active,
            "resident_bytes": _amount(arena, "resident"),
            "metadata_bytes": plus(_amount(arena, "base"), _amount(arena, "internal")),
            "mapped_bytes": _amount(arena, "mapped"),
            "retained_bytes": _amount(arena, "retained"),
            "dirty_bytes": dirty,
            "muzzy_bytes": muzzy,
            "cached_bytes": _amount(arena, "tcache_bytes"),
            "fragmentation_bytes": less(active, allocated),
            "purgeable_bytes": plus(dirty, muzzy),
        }
    )
    return row


def _bins(arena: Mapping[str, Any], sizes: tuple[list[Any], list[Any]], page: int | None) -> Iterator[Row]:
    """Give the sizes in which an arena has slabs or blocks."""
    found = arena.get("bins")
    for place, values in enumerate(found if isinstance(found, list) else []):
        kind = values if "size" in values else sizes[0][place] if place < len(sizes[0]) else {}
        if not isinstance(values, dict) or not isinstance(kind, dict):
            continue
        size, regions = _amount(kind, "size"), _amount(kind, "nregs")
        live, slabs = _amount(values, "curregs"), _amount(values, "curslabs")
        slab = _pages(kind, "pgs", page) if "pgs" in kind else _amount(kind, "slab_size")
        if not (live or slabs) or size is None:
            continue
        room = None if regions is None or slabs is None else regions * slabs
        active = None if slab is None or slabs is None else slab * slabs
        live_bytes = None if live is None else live * size
        yield {
            "size_bytes": size,
            "live_blocks": live,
            "live_bytes": live_bytes,
            "slabs": slabs,
            "partial_slabs": _amount(values, "nonfull_slabs"),
            "slab_bytes": slab,
            "active_bytes": active,
            "free_blocks": less(room, live),
            "fragmentation_bytes": less(active, live_bytes),
        }
    found = arena.get("lextents")
    for place, values in enumerate(found if isinstance(found, list) else []):
        kind = values if "size" in values else sizes[1][place] if place < len(sizes[1]) else {}
        if not isinstance(values, dict) or not isinstance(kind, dict):
            continue
        size, live = _amount(kind, "size"), _amount(values, "curlextents")
        if live and size is not None:
            # A large block has pages of its own.
            own = {"live_bytes": live * size, "active_bytes": live * size, "free_blocks": 0, "fragmentation_bytes": 0}
            yield {"size_bytes": size, "live_blocks": live, **own}


def _json(document: Document) -> tuple[int | None, tuple[list[Any], list[Any]], dict[str, dict[str, Any]]]:
    about = document.data.get("arenas")
    about = about if isinstance(about, dict) else {}
    sizes = [found if isinstance(found := about.get(name), list) else [] for name in ("bin", "lextent")]
    arenas = document.data.get("stats.arenas")
    kept = {
        str(name): arena
        for name, arena in (arenas.items() if isinstance(arenas, dict) else ())
        if isinstance(arena, dict)
    }
    return _amount(about, "page"), (sizes[0], sizes[1]), kept


def _text(document: Document, rows: Rows) -> tuple[int | None, tuple[list[Any], list[Any]], dict[str, dict[str, Any]]]:
    """Read the numbers of each arena, and the tables under its head, as JSON would have them."""
    page = _PAGE.search(document.body)
    plain = document.data.get("stats.arenas")
    arenas: dict[str, dict[str, Any]] = {}
    arena: dict[str, Any] | None = None
    columns: list[str] = []
    table: list[dict[str, int]] | None = None
    for raw in document.body.split("\n"):
        line = raw.rstrip()
        if section := _SECTION.search(line):
            name = section["number"] or ("merged" if section["merged"] else "destroyed")
            known = plain.get(name, {}) if isinstance(plain, dict) else {}
            arena, table = arenas.setdefault(name, dict(known)), None
        elif arena is None:
            continue
        elif head := _TABLE.search(line):
            columns = head[2].split()
            kind = {"bins": "bins", "large": "lextents", "extents": "extents"}[head[1]]
            table = arena.setdefault(kind, [])
        elif table is not None and _is_row(line, columns):
            _row(line.split()[-len(columns) :], columns, table, rows)
        elif table is not None and line.strip() not in ("", "---"):
            table = None
        elif table is None and (sums := _SUMS.search(line + " ")):
            arena.setdefault(sums[1], {"allocated": int(sums[2])})
        elif table is None and (decay := _DECAY.search(line + " ")):
            arena.setdefault(f"p{decay[1]}", int(decay[2]))
    return int(page[1]) if page else None, ([], []), arenas


def _is_row(line: str, columns: list[str]) -> bool:
    """Tell whether a line is of the table: numbers only, or as many as there are columns behind what a log adds."""
    found = _NUMBERS.search(line)
    return found is not None and (found[0].strip() == line.strip() or len(found[0].split()) >= len(columns))


def _row(words: list[str], columns: list[str], table: list[dict[str, int]], rows: Rows) -> None:
    if len(words) != len(columns):
        rows.left_out[SHORT] += 1
        return
    values = {
        column: int(word) for column, word in zip(columns, words, strict=True) if word.isdecimal() and len(word) < 20
    }
    if "regs" in values:
        values["nregs"] = values["regs"]
    table.append(values)
