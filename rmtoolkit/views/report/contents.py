"""What a report is about, gathered once: the page, the Markdown and the files beside it are written from this."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote as percent

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.limits.cost import per_month
from rmtoolkit.limits.week import TARGET, buys, capacity, compare
from rmtoolkit.views import summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit.limits.week import Changes, Week

#: A workload that starts with so many times what it needs afterwards is bound by its startup.
_STARTUP: Final = 1.25
#: Patterns of memory that the allocator keeps or cannot give back.
_ALLOCATOR: Final = frozenset({"retention", "fragmentation"})
#: Money from here on is written without hundredths.
_RESTING: Final = {"raise": 0, "set": 1, "lower": 2, "keep": 3, "wait": 4, "fix": 5}


@dataclass(frozen=True, slots=True)
class Entry:
    """One workload container of the report."""

    at: int
    row: dict[str, Any]
    name: str
    anchor: str
    accepted: Acknowledgement | None = None
    passed: str | None = None

    @property
    def rests(self) -> bool:
        """Whether it is accepted and within its bounds: out of the headline."""
        return self.accepted is not None and self.passed is None

    @property
    def spare_bytes(self) -> int | None:
        """Reserved memory of all pods above what is recommended; None: unknown, or nothing to give back."""
        row = self.row
        now = row["request_bytes"] if row["request_bytes"] is not None else row["limit_bytes"]
        then = row["recommended_request_bytes"]
        if row["growing"] or None in (now, then, row["recommended_limit_bytes"]) or now <= then:
            return None
        return int((now - then) * (row["pods"] or 1))


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a report says."""

    week: Week
    entries: tuple[Entry, ...]
    changes: Changes | None
    capacity: pl.DataFrame
    buys: pl.DataFrame
    unmatched: tuple[Acknowledgement, ...]
    title: str
    currency: str
    price_per_gib_hour: float | None
    asked: float

    def __repr__(self) -> str:
        """Say the headline's sentence."""
        return f"<Contents: {self.counts.sentence}>"

    def _repr_html_(self) -> str:
        """Show the report without what needs a script: for notebooks."""
        from rmtoolkit.views.report.page import fragment  # noqa: PLC0415 - the page is written from this

        return fragment(self)

    @property
    def awake(self) -> list[Entry]:
        """What is not accepted: headline and sections are about these."""
        return [entry for entry in self.entries if not entry.rests]

    @property
    def counts(self) -> summary.Counts:
        """How many leak, reach their limit and are above the target, without what is accepted."""
        rows = [
            {
                "verdict": entry.row["verdict"],
                "hours_to_limit": entry.row["hours_to_limit"],
                "oom_probability_7d": entry.row["oom_probability"],
            }
            for entry in self.awake
        ]
        schema = {"verdict": pl.String(), "hours_to_limit": pl.Float64(), "oom_probability_7d": pl.Float64()}
        return summary.counts(pl.DataFrame(rows, schema=schema))

    @property
    def spare_bytes(self) -> int:
        """What can be given back in all."""
        return sum(entry.spare_bytes or 0 for entry in self.awake)

    def money(self, bytes_: float | None) -> str | None:
        """Price an amount of reserved memory for a month."""
        cost = per_month(bytes_, self.price_per_gib_hour)
        return None if cost is None else f"{self.amount(cost)} a month"

    def amount(self, cost: float, *, sign: bool = False) -> str:
        """Write an amount of money."""
        return text.money(cost, self.currency, sign=sign)

    def of(self, names: Sequence[str | None]) -> Entry | None:
        """Find a workload by `cluster`, `namespace`, `workload` and `container`."""
        wanted = tuple(names)
        return next((entry for entry in self.entries if tuple(entry.row[part] for part in WORKLOAD) == wanted), None)


def gather(
    week: Week,
    *,
    before: pl.DataFrame | None = None,
    acknowledged: Iterable[Acknowledgement] = (),
    title: str | None = None,
    currency: str = "USD",
    price_per_gib_hour: float | None = None,
    asked: float = 0.05,
) -> Contents:
    """Gather what a report says."""
    rows = _worst_first(week.rows()).to_dicts()
    known = list(acknowledged)
    used: set[int] = set()
    day = None if week.span is None else week.span[1].date()
    entries = []
    for at, (row, name, anchor) in enumerate(zip(rows, summary.names(rows), _anchors(rows), strict=True)):
        mine = [number for number, one in enumerate(known) if one.covers(row)]
        used.update(mine)
        accepted = known[mine[0]] if mine else None
        passed = None if accepted is None else accepted.passed(row["peak_bytes"], day)
        entries.append(Entry(at, row, name, anchor, accepted, passed))
    return Contents(
        week,
        tuple(entries),
        None if before is None else compare(week, before),
        capacity(week),
        buys(week, price_per_gib_hour),
        tuple(one for number, one in enumerate(known) if number not in used),
        title or "Memory report",
        currency,
        price_per_gib_hour,
        asked,
    )


def _worst_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Leaks, then what may be killed, then what cannot be decided, then the rest by its chance of a kill."""
    rank = pl.col("verdict").replace_strict({"leak": 0, "inconclusive": 1, "not_leak": 1}, default=2)
    risky = pl.col("oom_probability").fill_null(0.0) > TARGET
    return rows.sort(
        rank,
        pl.col("hours_to_limit"),
        risky.not_(),
        pl.when(risky).then(pl.lit(value=False)).otherwise(pl.col("verdict").ne("inconclusive")),
        -pl.col("oom_probability"),
        pl.col("action").replace_strict(_RESTING, default=9),
        -(pl.col("peak_bytes") / pl.col("limit_bytes")),
        *WORKLOAD,
        nulls_last=True,
        maintain_order=True,
    )


def _anchors(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Name cards ``namespace/workload/container``; what is no plain name is percent-encoded."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    for row in rows:
        parts = [
            percent(str(row[part]), safe="") for part in ("namespace", "workload", "container") if row[part] is not None
        ]
        name = "/".join(parts) or "workload"
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return found


def is_startup_bound(row: dict[str, Any]) -> bool:
    """Tell whether starting needs clearly more than running."""
    startup, settled, peak = row["startup_peak_bytes"], row["settled_bytes"], row["peak_bytes"]
    named = row["pattern"] == "startup_spike" or "startup_spike" in (row["also"] or [])
    return bool(
        named
        and row["verdict"] != "leak"
        and None not in (startup, settled, peak)
        and startup > _STARTUP * settled
        and startup > 0.9 * peak
    )


def is_allocator_bound(row: dict[str, Any]) -> bool:
    """Tell whether the allocator holds much of the memory."""
    patterns = {row["pattern"], *(row["also"] or [])}
    return bool(patterns & _ALLOCATOR) or row["cause"] == "allocator"


def setting(row: dict[str, Any]) -> str | None:
    """Find the setting that the next step names."""
    parts = (row["next_step"] or "").split("`")
    return parts[1] if len(parts) > 2 else None  # noqa: PLR2004 - before, between, after
