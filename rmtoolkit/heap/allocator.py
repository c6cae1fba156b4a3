"""`rm.read_allocator`: what an allocator keeps beyond what the program holds, by arena and by size."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.heap import allocator_glibc, allocator_jemalloc, allocator_tcmalloc
from rmtoolkit.heap.allocator_rows import Rows
from rmtoolkit.loaders import files
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.provenance import Report
from rmtoolkit.text import UNKNOWN, memory

if TYPE_CHECKING:
    import os

_EXPECTED: Final = "statistics of jemalloc (malloc_stats_print), glibc (malloc_info) or tcmalloc (MALLOCSTATS)"

#: One row per document. `purgeable_bytes` are pages that the allocator could give back to the system now,
#: `fragmentation_bytes` are free bytes on pages that it cannot give back, since something else lives there.
TOTALS: Final = pl.Schema(
    {
        "document": pl.UInt32(),
        "allocator": pl.String(),
        "line": pl.Int64(),
        "allocated_bytes": pl.Int64(),
        "active_bytes": pl.Int64(),
        "resident_bytes": pl.Int64(),
        "metadata_bytes": pl.Int64(),
        "mapped_bytes": pl.Int64(),
        "retained_bytes": pl.Int64(),
        "dirty_bytes": pl.Int64(),
        "muzzy_bytes": pl.Int64(),
        "fragmentation_bytes": pl.Int64(),
        "purgeable_bytes": pl.Int64(),
        "resident_if_purged_bytes": pl.Int64(),
    },
)

#: One row per document and arena, in the order of the document.
ARENAS: Final = pl.Schema(
    {
        "document": pl.UInt32(),
        "arena": pl.String(),
        "threads": pl.Int64(),
        "allocated_bytes": pl.Int64(),
        "active_bytes": pl.Int64(),
        "resident_bytes": pl.Int64(),
        "metadata_bytes": pl.Int64(),
        "mapped_bytes": pl.Int64(),
        "retained_bytes": pl.Int64(),
        "dirty_bytes": pl.Int64(),
        "muzzy_bytes": pl.Int64(),
        "cached_bytes": pl.Int64(),
        "fragmentation_bytes": pl.Int64(),
        "purgeable_bytes": pl.Int64(),
    },
)

#: One row per document, arena and size of a block. `size_bytes` is the largest block that falls into the row.
BINS: Final = pl.Schema(
    {
        "document": pl.UInt32(),
        "arena": pl.String(),
        "size_bytes": pl.Int64(),
        "live_blocks": pl.Int64(),
        "live_bytes": pl.Int64(),
        "slabs": pl.Int64(),
        "partial_slabs": pl.Int64(),
        "slab_bytes": pl.Int64(),
        "active_bytes": pl.Int64(),
        "free_blocks": pl.Int64(),
        "fragmentation_bytes": pl.Int64(),
    },
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
        """Say what it is in one line."""
        if not self.totals.height:
            return "<Allocator: nothing>"
        said = ", ".join(f"{what} {text}" for what, text in self.lines()[1:])
        return f"<Allocator: {self.lines()[0][1]}, {said}>"

    def lines(self) -> list[tuple[str, str]]:
        """Put the latest totals in words.

        Returns
        -------
        list of tuple of (str, str)
            What, and how much; what is unknown is left out.

        Examples
        --------
        >>> Allocator().lines()
        []
        """
        if not self.totals.height:
            return []
        last = self.totals.row(-1, named=True)
        rows = [
            ("live", last["allocated_bytes"]),
            ("resident", last["resident_bytes"]),
            ("could be given back", last["purgeable_bytes"]),
            ("fragmented", last["fragmentation_bytes"]),
        ]
        said = [(what, memory(amount)) for what, amount in rows if amount is not None]
        return [("allocator", last["allocator"] or UNKNOWN), *said]

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(what)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for what, text in self.lines()
        )
        return f"<div class='rm-allocator' style='font:14px/1.45 system-ui,sans-serif'><table>{rows}</table></div>"


def read_allocator(path: str | os.PathLike[str]) -> Allocator:
    r"""Read what an allocator keeps: per arena and per size of block, where it says so.

    Parameters
    ----------
    path
        What jemalloc's ``malloc_stats_print`` (text or JSON), glibc's ``malloc_info``, ``mallinfo2`` and
        ``malloc_stats``, or tcmalloc's ``MALLOCSTATS`` wrote: one document or many, alone or in a program's output or
        a container's log; also packed.

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
    OSError
        There is no such file.

    Notes
    -----
    jemalloc: fragmentation is active − allocated; purgeable is dirty + muzzy, of which only dirty counts as resident.
    A bin's fragmentation is what its slabs have room for beyond the blocks in use. glibc: purgeable are the top of each
    arena and the whole pages inside free chunks, as far as their sizes tell for certain: ``malloc_trim(0)`` gives
    back those of them that were ever touched. tcmalloc: purgeable is the page heap's free list.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.stats.log")
    >>> _ = log.write_text("Allocated: 3145728, active: 4194304, resident: 8388608\n")
    >>> read_allocator(log)
    <Allocator: jemalloc, live 3 Mi, resident 8 Mi, fragmented 1 Mi>
    """
    data, notes = files.read_bytes(path, expected=_EXPECTED)
    text, more = files.as_text(data, path, expected=_EXPECTED)
    rows = Rows()
    for module in (allocator_jemalloc, allocator_glibc, allocator_tcmalloc):
        module.collect(text, rows)
        if rows.totals:
            break
    else:
        raise ReadError.at(path, found=text.strip().split("\n", 1)[0], expected=_EXPECTED, line=1)
    if rows.left_out:
        said = "; ".join(f"left out {counted(number, reason)}" for reason, number in rows.left_out.items())
        files.warn(f"{quote_path(path)}: {said}. The rest was read.")
    return Allocator(
        pl.DataFrame(rows.totals, schema=TOTALS),
        pl.DataFrame(rows.arenas, schema=ARENAS),
        pl.DataFrame(rows.bins, schema=BINS),
        Report(sources=(str(path),), left_out=dict(rows.left_out), warnings=(*notes, *more)),
    )
