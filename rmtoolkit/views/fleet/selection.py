"""Which workloads of a fleet are shown, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit.limits.week import TARGET
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
    """What somebody wants to see."""

    search: str = ""
    namespace: str | None = None
    tile: str | None = None
    sort: str = "worst"
    turned: bool = False
    page: int = 0


def belongs(entry: Entry, tile: str) -> bool:
    """Tell whether a workload is one of those that a tile counts."""
    if tile == ABOVE:
        return (entry.row["oom_probability"] or 0.0) > TARGET
    if tile == SPARE:
        return entry.spare_bytes is not None
    return bool(entry.row["verdict"] == tile)


def selected(entries: Sequence[Entry], wanted: Selection) -> list[Entry]:
    """Filter and sort."""
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
    """Count the pages of so many rows."""
    return max(-(-count // PAGE), 1)
