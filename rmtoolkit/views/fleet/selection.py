"""Which workloads of a fleet are shown, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit.limits.changes import TARGET
from rmtoolkit.views import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rmtoolkit.views.report.contents import Entry

    Value = Callable[[Entry], float | str | None]

#: Rows of one page.
PAGE: Final = 25
#: What the tiles ask for.
ABOVE: Final = "above"
SPARE: Final = "spare"
TILES: Final = (ABOVE, *("leak", "inconclusive", "not_leak"), SPARE)


def _ratio(entry: Entry) -> float | None:
    row = entry.row
    return row["peak_bytes"] / row["limit_bytes"] if row["peak_bytes"] is not None and row["limit_bytes"] else None


def _growth(entry: Entry) -> float | None:
    growth: float | None = entry.row["growth_bytes_per_day"] if summary.is_growing(entry.row) else None
    return growth


#: What can be sorted by: value, and whether the largest comes first.
SORTS: Final[Mapping[str, tuple[Value, bool]]] = {
    "worst": (lambda entry: entry.at, False),
    "name": (lambda entry: entry.name.casefold(), False),
    "verdict": (lambda entry: summary.ORDER.index(entry.row["verdict"]), False),
    "kill": (lambda entry: entry.row["oom_probability"], True),
    "time": (lambda entry: entry.row["hours_to_limit"], False),
    "growth": (_growth, True),
    "peak": (_ratio, True),
    "spare": (lambda entry: entry.spare_bytes, True),
    "pods": (lambda entry: entry.row["pods"], True),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What somebody wants to see.

    Attributes
    ----------
    search
        A part of a name, in capitals or not; several words must all be in it.
    namespace
        One namespace; None: all.
    tile
        One of `TILES`; None: all.
    sort
        One of `SORTS`.
    turned
        Whether the order is turned around.
    page
        From 0 on.

    Examples
    --------
    >>> Selection().sort
    'worst'
    """

    search: str = ""
    namespace: str | None = None
    tile: str | None = None
    sort: str = "worst"
    turned: bool = False
    page: int = 0


def belongs(entry: Entry, tile: str) -> bool:
    """Tell whether a workload is one of those that a tile counts.

    Parameters
    ----------
    entry
        The workload.
    tile
        One of `TILES`.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> from rmtoolkit.views.report.contents import Entry
    >>> belongs(Entry(0, {"oom_probability": 0.2}, "shop/api", "a"), "above")
    True
    """
    if tile == ABOVE:
        return (entry.row["oom_probability"] or 0.0) > TARGET
    if tile == SPARE:
        return entry.spare_bytes is not None
    return bool(entry.row["verdict"] == tile)


def selected(entries: Sequence[Entry], wanted: Selection) -> list[Entry]:
    """Filter and sort.

    Parameters
    ----------
    entries
        All workloads.
    wanted
        What somebody wants to see.

    Returns
    -------
    list of Entry
        Of all pages; what has no value to sort by comes last, whichever way it is sorted.

    Examples
    --------
    >>> from rmtoolkit.views.report.contents import Entry
    >>> counts = enumerate((1, None, 3))
    >>> rows = [Entry(at, {"namespace": "shop", "pods": pods}, f"shop/{at}", "") for at, pods in counts]
    >>> [entry.at for entry in selected(rows, Selection(sort="pods"))]
    [2, 0, 1]
    >>> [entry.at for entry in selected(rows, Selection(sort="pods", turned=True, search="SHOP"))]
    [0, 2, 1]
    """
    words = wanted.search.casefold().split()
    found = [
        entry
        for entry in entries
        if (wanted.namespace is None or text.printable(entry.row["namespace"]) == wanted.namespace)
        and (wanted.tile is None or belongs(entry, wanted.tile))
        and all(word in entry.name.casefold() for word in words)
    ]
    value, largest = SORTS[wanted.sort]
    known: list[tuple[float | str, Entry]] = []
    unknown: list[Entry] = []
    for entry in found:
        key = value(entry)
        if key is None:
            unknown.append(entry)
        else:
            known.append((key, entry))
    known.sort(key=lambda pair: pair[0], reverse=largest != wanted.turned)
    return [entry for _, entry in known] + unknown


def pages(count: int) -> int:
    """Count the pages of so many rows.

    Parameters
    ----------
    count
        Rows.

    Returns
    -------
    int
        1 at the least.

    Examples
    --------
    >>> pages(0), pages(25), pages(26)
    (1, 1, 2)
    """
    return max(-(-count // PAGE), 1)
