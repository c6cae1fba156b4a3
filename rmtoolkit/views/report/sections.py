"""The sections of the report that are tables of workloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit.limits.week import TARGET
from rmtoolkit.views.report import cells
from rmtoolkit.views.report.contents import is_allocator_bound, is_startup_bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from rmtoolkit.views.report.cells import Column
    from rmtoolkit.views.report.contents import Contents, Entry


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    key: str
    title: str
    note: str
    choose: Callable[[Contents], list[Entry]]
    columns: tuple[Column, ...]


def _leaks(contents: Contents) -> list[Entry]:
    return [entry for entry in contents.awake if entry.row["verdict"] == "leak"]


def _to_raise(contents: Contents) -> list[Entry]:
    found = [entry for entry in contents.awake if entry.row["action"] in ("raise", "set")]
    return sorted(found, key=lambda entry: (entry.row["action"] == "set", -(entry.row["oom_probability"] or 0.0)))


def _to_lower(contents: Contents) -> list[Entry]:
    found = [entry for entry in contents.awake if entry.row["action"] == "lower"]
    return sorted(found, key=lambda entry: -(entry.spare_bytes or 0))


def _at_risk(contents: Contents) -> list[Entry]:
    """Find what may be killed and is in no other list: no limit can be certified for it, or it may still grow."""
    listed = {entry.at for choose in (_leaks, _to_raise, _undecided) for entry in choose(contents)}
    return [
        entry
        for entry in contents.awake
        if entry.at not in listed and (entry.row["oom_probability"] or 0.0) > TARGET and entry.row["action"] != "lower"
    ]


def _undecided(contents: Contents) -> list[Entry]:
    return [entry for entry in contents.awake if entry.row["verdict"] == "inconclusive"]


def _startup(contents: Contents) -> list[Entry]:
    found = [entry for entry in contents.awake if is_startup_bound(entry.row)]
    return sorted(found, key=lambda entry: -entry.row["startup_peak_bytes"] / max(entry.row["settled_bytes"], 1))


def _allocator(contents: Contents) -> list[Entry]:
    return [entry for entry in contents.awake if entry.row["verdict"] == "not_leak" and is_allocator_bound(entry.row)]


SECTIONS: Final = (
    Section(
        "leak",
        "Leaks",
        "fastest to the limit first",
        _leaks,
        (cells.SPARK, cells.GROWTH, cells.TIME, cells.KILL, cells.PEAK, cells.LEVEL, cells.NEXT),
    ),
    Section(
        "raise",
        "Limits to raise",
        "highest chance of an OOM kill first",
        _to_raise,
        (cells.SPARK, cells.LIMIT, cells.REQUEST, cells.RISK, cells.COST, cells.WHY),
    ),
    Section(
        "lower",
        "Limits to lower",
        "most to give back first",
        _to_lower,
        (cells.SPARK, cells.LIMIT, cells.REQUEST, cells.RISK, cells.SPARE, cells.COST, cells.WHY),
    ),
    Section(
        "risk",
        "Above the target otherwise",
        "no limit can be named for them yet",
        _at_risk,
        (cells.SPARK, cells.KILL, cells.TIME, cells.PEAK, cells.NEXT),
    ),
    Section(
        "startup",
        "Bound by their startup",
        "what starting needs sets the limit",
        _startup,
        (cells.SPARK, cells.STARTUP, cells.SETTLED, cells.PEAK, cells.KILL, cells.NEXT),
    ),
    Section(
        "allocator",
        "Bound by their allocator",
        "freed memory that is kept, or cannot be given back",
        _allocator,
        (cells.SPARK, cells.PATTERN, cells.PEAK, cells.GIVEN_BACK, cells.SETTING),
    ),
    Section(
        "undecided",
        "Not decidable yet",
        "the next measurement is named for each",
        _undecided,
        (cells.SPARK, cells.CHANCE, cells.GROWTH, cells.KILL, cells.PEAK, cells.NEXT),
    ),
)
#: Everything, at the end: what is accepted as well.
ALL: Final = Section(
    "all",
    "All workloads",
    "worst first",
    lambda contents: list(contents.entries),
    (cells.VERDICT, cells.SPARK, cells.KILL, cells.TIME, cells.GROWTH, cells.PEAK, cells.SPARE, cells.PODS),
)


def counted(section: Section, amount: int) -> str:
    """Write how many a section has, and their order."""
    return text.count(amount, "workload") + (f", {section.note}" if section.note else "")
