"""Layers of tcmalloc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtoolkit.heap.allocator_rows import less, plus
from rmtoolkit.loaders.tcmalloc_documents import IN_USE, parse_documents

if TYPE_CHECKING:
    from rmtoolkit.heap.allocator_rows import Rows


def collect(text: str, rows: Rows) -> None:
    r"""Read every document of tcmalloc in a text.

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
    >>> collect("MALLOC:  2097152 (    2.0 MiB) Bytes in use by application\n", rows)
    >>> rows.totals[0]["allocated_bytes"]
    2097152
    """
    for number, document in enumerate(parse_documents(text)):
        said = document.amounts
        pages, free = document.sum_of("page heap freelist"), document.sum_of("freelist")
        resident = document.sum_of("Actual memory used")
        virtual = document.sum_of("Virtual address space used")
        rows.totals.append(
            {
                "document": number,
                "allocator": "tcmalloc",
                "line": document.line,
                "allocated_bytes": said.get(IN_USE),
                "active_bytes": plus(said.get(IN_USE), less(free, pages)),
                "resident_bytes": resident,
                "metadata_bytes": document.sum_of("malloc metadata"),
                "mapped_bytes": resident,
                "retained_bytes": less(virtual, resident),
                "dirty_bytes": pages,
                "fragmentation_bytes": less(free, pages),
                "purgeable_bytes": pages,
                "resident_if_purged_bytes": less(resident, pages),
            }
        )
