"""`rm.read_allocator`: what jemalloc, glibc or tcmalloc keep, per arena and size of block."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final, TypeAlias

import polars as pl

from rmtoolkit._html import framed, table
from rmtoolkit.exceptions import ReadError, quote_path, warn
from rmtoolkit.loaders import allocators
from rmtoolkit.loaders._files import mapping, read_text, whole_number
from rmtoolkit.schema import WHOLE, Report, typed
from rmtoolkit.text import UNKNOWN, counted, memory

Row: TypeAlias = dict[str, int | str | None]


@dataclass(slots=True)
class Rows:
    totals: list[Row] = field(default_factory=list)
    arenas: list[Row] = field(default_factory=list)
    bins: list[Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, allocator: str, line: int, **amounts: int | None) -> None:
        self.totals.append({"document": len(self.totals), "allocator": allocator, "line": line, **amounts})


def less(whole: object, *parts: object) -> int | None:
    taken = plus(*parts)
    return max(whole - taken, 0) if isinstance(whole, int) and taken is not None else None


def plus(*parts: object) -> int | None:
    known = [part for part in parts if isinstance(part, int)]
    return sum(known) if len(known) == len(parts) else None


#: glibc does not say how large its pages are; this is the size nearly everywhere.
_PAGE_BYTES: Final = 4096


def collect_glibc(text: str, rows: Rows) -> None:
    for number, document in enumerate(allocators.glibc_documents(text)):
        for arena in document.arenas:
            kept = _purgeable(arena)
            whole, free = arena.system_bytes, arena.free_bytes
            told = {"allocated_bytes": less(whole, free), "active_bytes": less(whole, kept), "mapped_bytes": whole}
            told |= {"fragmentation_bytes": less(free, kept), "purgeable_bytes": kept}
            rows.arenas.append({"document": number, "arena": arena.number, **told})
            for largest, count, total in arena.chunks:
                gaps = {"free_blocks": count, "fragmentation_bytes": total - _whole_pages(count, total)}
                rows.bins.append({"document": number, "arena": arena.number, "size_bytes": largest, **gaps})
        # The end of an arena is not all that could go back, and what lies in between only malloc_info tells.
        purgeable = plus(*map(_purgeable, document.arenas)) if document.arenas else None
        mapped = plus(document.system_bytes, document.mapped_bytes)
        rows.add(
            "glibc",
            document.line,
            allocated_bytes=document.allocated_bytes(),
            active_bytes=less(mapped, purgeable),
            mapped_bytes=mapped,
            fragmentation_bytes=less(document.free_bytes, purgeable),
            purgeable_bytes=purgeable,
        )


def _purgeable(arena: allocators.Arena) -> int | None:
    """Add up the end of an arena, and pages that lie wholly inside free chunks."""
    if arena.top_bytes is None:
        return None
    return _whole_pages(1, arena.top_bytes) + sum(_whole_pages(count, total) for _, count, total in arena.chunks)


def _whole_pages(count: int, total: int) -> int:
    """Say how many bytes some chunks have on whole pages at least, wherever they begin."""
    return count * max((total // count - _PAGE_BYTES + 1) // _PAGE_BYTES, 0) * _PAGE_BYTES


_MOST: Final = 1 << 62

SHORT: Final = "rows of tables with other columns than their heads"


def collect_jemalloc(text: str, rows: Rows) -> None:
    found = [document for document in allocators.jemalloc_documents(text) if document.totals()]
    for number, document in enumerate(found):
        sizes, every = mapping(document.data, "arenas"), mapping(document.data, "stats.arenas")
        page, arenas = _amount(sizes, "page"), {name: one for name, one in every.items() if isinstance(one, dict)}
        rows.left_out.update({SHORT: document.short} if document.short else {})
        single = [name for name in arenas if name not in ("merged", "destroyed")]
        own = []
        for arena in single or arenas.keys() & {"merged"}:
            whose: Row = {"document": number, "arena": arena}
            own.append(whose | _arena(arenas[arena], page))
            rows.bins += (whose | row for row in _bins(arenas[arena], sizes, page))
        rows.arenas += own
        said = document.totals()
        dirty, muzzy = (plus(*(row[name] for row in own)) if own else None for name in ("dirty_bytes", "muzzy_bytes"))
        rows.add(
            "jemalloc",
            document.line,
            **{f"{name}_bytes": amount for name, amount in said.items()},
            dirty_bytes=dirty,
            muzzy_bytes=muzzy,
            fragmentation_bytes=less(said.get("active"), said.get("allocated")),
            purgeable_bytes=plus(dirty, muzzy),
            resident_if_purged_bytes=less(said.get("resident"), dirty),
        )


def _amount(values: Mapping[str, Any], name: str) -> int | None:
    return whole_number(values.get(name), _MOST)


def _pages(values: Mapping[str, Any], name: str, page: int | None) -> int | None:
    value = _amount(values, name)
    return None if value is None or page is None or value >= _MOST // page else value * page


def _arena(arena: Mapping[str, Any], page: int | None) -> Row:
    allocated = plus(*(_amount(mapping(arena, kind), "allocated") for kind in ("small", "large")))
    active = _pages(arena, "pactive", page) if "pactive" in arena else _amount(arena, "active")
    dirty, muzzy = (_pages(arena, name, page) for name in ("pdirty", "pmuzzy"))
    return {
        "threads": _amount(arena, "nthreads"),
        "allocated_bytes": allocated,
        "active_bytes": active,
        **{f"{name}_bytes": _amount(arena, name) for name in ("resident", "mapped", "retained")},
        "metadata_bytes": plus(_amount(arena, "base"), _amount(arena, "internal")),
        "dirty_bytes": dirty,
        "muzzy_bytes": muzzy,
        "cached_bytes": _amount(arena, "tcache_bytes"),
        "fragmentation_bytes": less(active, allocated),
        "purgeable_bytes": plus(dirty, muzzy),
    }


def _bins(arena: Mapping[str, Any], sizes: Mapping[str, Any], page: int | None) -> Iterator[Row]:
    for values, kind in _kinds(arena.get("bins"), sizes.get("bin")):
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
    for values, kind in _kinds(arena.get("lextents"), sizes.get("lextent")):
        size, live = _amount(kind, "size"), _amount(values, "curlextents")
        if live and size is not None:
            # A large block has pages of its own.
            own = {"live_bytes": live * size, "active_bytes": live * size, "free_blocks": 0, "fragmentation_bytes": 0}
            yield {"size_bytes": size, "live_blocks": live, **own}


def _kinds(*found: object) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Give the values of each size, and what is known of the size: beside them, or in a table of all sizes."""
    for values, known in zip_longest(*(one if isinstance(one, list) else [] for one in found)):
        kind = values if isinstance(values, dict) and "size" in values else known
        if isinstance(values, dict) and isinstance(kind, dict):
            yield values, kind


def collect_tcmalloc(text: str, rows: Rows) -> None:
    for document in allocators.tcmalloc_documents(text):
        said = document.amounts
        pages, central, transfer, free = (
            document.sum_of(f"{name}freelist") for name in ("page heap ", "central cache ", "transfer cache ", "")
        )
        resident = document.sum_of("Actual memory used")
        rows.add(
            "tcmalloc",
            document.line,
            allocated_bytes=said.get(allocators.IN_USE),
            active_bytes=plus(said.get(allocators.IN_USE), less(free, pages)),
            resident_bytes=resident,
            metadata_bytes=document.sum_of("malloc metadata"),
            mapped_bytes=resident,
            retained_bytes=less(document.sum_of("Virtual address space used"), resident),
            dirty_bytes=pages,
            thread_cache_bytes=less(free, pages or 0, central or 0, transfer or 0),
            transfer_cache_bytes=transfer,
            fragmentation_bytes=central,
            purgeable_bytes=pages,
            resident_if_purged_bytes=less(resident, pages),
        )


def collect_mimalloc(text: str, rows: Rows) -> None:
    for document in allocators.mimalloc_documents(text)[0]:
        rows.add("mimalloc", document.line, **document.amounts)


_EXPECTED: Final = (
    "statistics of jemalloc (malloc_stats_print), glibc (malloc_info), tcmalloc (MALLOCSTATS) or mimalloc "
    "(MIMALLOC_SHOW_STATS)"
)

#: What an allocator says of the whole and of each arena.
_HELD: Final = typed(WHOLE, "allocated_bytes active_bytes resident_bytes metadata_bytes mapped_bytes") | typed(
    WHOLE, "retained_bytes dirty_bytes muzzy_bytes"
)
#: A row per document: pages that could go back now (`purgeable_bytes`), free bytes that cannot (`fragmentation_bytes`).
TOTALS: Final = pl.Schema(
    {"document": pl.UInt32(), "allocator": pl.String(), "line": pl.Int64()}
    | _HELD
    | typed(WHOLE, "thread_cache_bytes transfer_cache_bytes")
    | typed(WHOLE, "fragmentation_bytes purgeable_bytes resident_if_purged_bytes")
)

#: One row per document and arena, in the order of the document.
ARENAS: Final = pl.Schema(
    {"document": pl.UInt32(), "arena": pl.String(), "threads": pl.Int64()}
    | _HELD
    | typed(WHOLE, "cached_bytes fragmentation_bytes purgeable_bytes")
)

#: One row per document, arena and size of a block. `size_bytes` is the largest block that falls into the row.
BINS: Final = pl.Schema(
    {"document": pl.UInt32(), "arena": pl.String()}
    | typed(WHOLE, "size_bytes live_blocks live_bytes slabs partial_slabs slab_bytes active_bytes free_blocks")
    | typed(WHOLE, "fragmentation_bytes")
)


@dataclass(frozen=True, slots=True)
class Allocator:
    """What an allocator said of itself, once or several times.

    Attributes
    ----------
    totals
        One row per document, see `TOTALS`: the last row is the latest.
    arenas
        One row per arena of each document, see `ARENAS`; empty where the document does not list them.
    bins
        One row per size of each arena, see `BINS`; empty where the document does not list them.
    report
        What was read, and what a reader should know.

    Examples
    --------
    >>> Allocator()
    <Allocator: nothing>
    """

    totals: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TOTALS))
    arenas: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ARENAS))
    bins: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BINS))
    report: Report = field(default_factory=Report)

    def __repr__(self) -> str:
        first, *said = self.lines() or [("", "nothing")]
        return f"<Allocator: {', '.join((first[1], *map(' '.join, said)))}>"

    def lines(self) -> list[tuple[str, str]]:
        """Put the latest totals in words, in pairs of what and how much; what is unknown is left out."""
        if not self.totals.height:
            return []
        last = self.totals.row(-1, named=True)
        names = {"allocated": "live", "resident": "resident", "purgeable": "could be given back"}
        said = {what: last[f"{name}_bytes"] for name, what in {**names, "fragmentation": "fragmented"}.items()}
        known = [(what, memory(amount)) for what, amount in said.items() if amount is not None]
        return [("allocator", last["allocator"] or UNKNOWN), *known]

    def _repr_html_(self) -> str:
        return framed("rm-allocator", table((("", ""), ("", "")), self.lines(), named=True, inline=True))


def read_allocator(path: str | os.PathLike[str]) -> Allocator:
    r"""Read what an allocator keeps: per arena and per size of block, where it says so.

    Parameters
    ----------
    path
        What jemalloc's ``malloc_stats_print`` (text or JSON), glibc's ``malloc_info``, ``mallinfo2`` and
        ``malloc_stats``, tcmalloc's ``MALLOCSTATS`` or mimalloc's ``MIMALLOC_SHOW_STATS`` wrote: one document or many,
        alone or in a program's output or a container's log; also packed.

    Returns
    -------
    Allocator
        `totals`, `arenas` and `bins`. **Retention** is `purgeable_bytes`: pages without anything on them that the
        allocator keeps for later, so `resident_if_purged_bytes` is what would stay resident if it did not.
        **Fragmentation** is `fragmentation_bytes`: free blocks on pages where something lives, which no setting gives
        back.

    Raises
    ------
    ReadError
        There is no document of an allocator.

    Notes
    -----
    jemalloc: fragmentation is active − allocated; purgeable is dirty + muzzy, of which only dirty counts as resident.
    A bin's fragmentation is what its slabs have room for beyond the blocks in use. glibc: purgeable are the top of each
    arena and the whole pages inside free chunks, as far as their sizes tell for certain: ``malloc_trim(0)`` gives
    back those of them that were ever touched; ``mallinfo2`` and ``malloc_stats`` do not tell. tcmalloc: purgeable is
    the page heap's free list, fragmentation what its central lists have; caches of threads and transfers have bounds
    of their own. mimalloc tells what is committed (`mapped_bytes`) and no more.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.stats.log")
    >>> _ = log.write_text("Allocated: 3145728, active: 4194304, resident: 8388608\n")
    >>> read_allocator(log)
    <Allocator: jemalloc, live 3 Mi, resident 8 Mi, fragmented 1 Mi>
    """
    text, notes = read_text(path, expected=_EXPECTED)
    rows = Rows()
    for collect in (collect_jemalloc, collect_glibc, collect_tcmalloc, collect_mimalloc):
        collect(text, rows)
        if rows.totals:
            break
    else:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    if rows.left_out:
        said = "; ".join(f"left out {counted(number, reason)}" for reason, number in rows.left_out.items())
        warn(f"{quote_path(path)}: {said}. The rest was read.")
    return Allocator(
        pl.DataFrame(rows.totals, schema=TOTALS),
        pl.DataFrame(rows.arenas, schema=ARENAS),
        pl.DataFrame(rows.bins, schema=BINS),
        Report(sources=(str(path),), left_out=dict(rows.left_out), warnings=notes),
    )
