"""Arenas and free chunks of glibc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.heap.allocator_rows import less, plus
from rmtoolkit.loaders.glibc_documents import Arena, parse_documents

if TYPE_CHECKING:
    from rmtoolkit.heap.allocator_rows import Rows

#: glibc does not say how large its pages are; this is the size nearly everywhere.
_PAGE_BYTES: Final = 4096


def collect(text: str, rows: Rows) -> None:
    r"""Read every document of glibc in a text.

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
    >>> collect("arena=1000 hblkhd=0 uordblks=600 fordblks=400 keepcost=100", rows)
    >>> rows.totals[0]["allocated_bytes"], rows.totals[0]["purgeable_bytes"]
    (600, 100)
    """
    for number, document in enumerate(parse_documents(text)):
        purgeable = document.top_bytes
        for arena in document.arenas:
            kept = _purgeable(arena)
            rows.arenas.append(
                {
                    "document": number,
                    "arena": arena.number,
                    "allocated_bytes": less(arena.system_bytes, arena.free_bytes),
                    "active_bytes": less(arena.system_bytes, kept),
                    "mapped_bytes": arena.system_bytes,
                    "fragmentation_bytes": less(arena.free_bytes, kept),
                    "purgeable_bytes": kept,
                }
            )
            rows.bins.extend(
                {
                    "document": number,
                    "arena": arena.number,
                    "size_bytes": largest,
                    "free_blocks": count,
                    "fragmentation_bytes": total - _whole_pages(count, total),
                }
                for largest, count, total in arena.chunks
            )
        if document.arenas:
            purgeable = plus(*(_purgeable(arena) for arena in document.arenas))
        mapped = plus(document.system_bytes, document.mapped_bytes)
        rows.totals.append(
            {
                "document": number,
                "allocator": "glibc",
                "line": document.line,
                "allocated_bytes": document.allocated_bytes(),
                "active_bytes": less(mapped, purgeable),
                "mapped_bytes": mapped,
                "fragmentation_bytes": less(document.free_bytes, purgeable),
                "purgeable_bytes": purgeable,
            }
        )


def _purgeable(arena: Arena) -> int | None:
    """Add up the end of an arena, and pages that lie wholly inside free chunks."""
    if arena.top_bytes is None:
        return None
    inside = sum(_whole_pages(count, total) for _, count, total in arena.chunks)
    return _whole_pages(1, arena.top_bytes) + inside


def _whole_pages(count: int, total: int) -> int:
    """Say how many bytes some chunks have on whole pages at least, wherever they begin."""
    each = total // count
    return count * max((each - _PAGE_BYTES + 1) // _PAGE_BYTES, 0) * _PAGE_BYTES
