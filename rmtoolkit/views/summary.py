"""What all verdicts together say: order, names, counts and the sentence that stands first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

ORDER: Final = ("leak", "inconclusive", "not_leak")

#: A week: the horizon of the chance of an OOM kill.
HORIZON_HOURS: Final = 168
#: The chance of an OOM kill in that week above which a workload is named.
TARGET: Final = 0.05


def worst_first(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Order verdicts for a reader: leaks, then what cannot be decided, then the rest."""
    rank = pl.col("verdict").replace_strict({name: at for at, name in enumerate(ORDER)}, default=len(ORDER))
    names = [name for name in ("cluster", "namespace", "workload", "container", "pod") if name in verdicts.columns]
    keys = [
        rank,
        pl.col("hours_to_limit"),
        -pl.col("oom_probability_7d"),
        -(pl.col("peak_bytes") / pl.col("limit_bytes")),
        *names,
    ]
    return verdicts.sort(keys, nulls_last=True, maintain_order=True)


def names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Name each row as shortly as tells it from the others."""
    found: list[str | None] = [None] * len(rows)
    for parts in _FORMS:
        written = ["/".join(text.printable(row[part]) for part in parts if row.get(part) is not None) for row in rows]
        times = Counter(written)
        found = [
            name or (form if times[form] == 1 or parts is _FORMS[-1] else None)
            for name, form in zip(found, written, strict=True)
        ]
    return [name or text.NOT_APPLICABLE for name in found]


_FORMS: Final = (
    ("namespace", "workload"),
    ("namespace", "workload", "container"),
    ("namespace", "workload", "pod", "container"),
    ("cluster", "namespace", "workload", "container"),
    ("cluster", "namespace", "workload", "pod", "container"),
)


def shortened(name: str, characters: int) -> str:
    """Cut a name in its middle: its beginning says whose it is, its end tells it from others."""
    if len(name) <= characters:
        return name
    tail = (characters - 1) // 2
    return f"{name[: characters - 1 - tail]}…{name[-tail:]}"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many workloads got which verdict."""

    total: int
    leak: int
    inconclusive: int
    not_leak: int
    soon: int
    unknown: int
    reaching: int
    above_target: int | None

    @property
    def sentence(self) -> str:
        """The answer for all of them."""
        if not self.total:
            return "There is no workload to judge."
        if self.leak:
            verb = "leaks" if self.leak == 1 else "leak"
            return f"{self.leak:,} of {text.count(self.total, 'workload')} {verb}. {self._when()}"
        if self.inconclusive == self.total:
            return f"None of {text.count(self.total, 'workload')} can be decided yet."
        first = f"No leak found in {text.count(self.total, 'workload')}."
        return f"{first} {self.inconclusive:,} cannot be decided yet." if self.inconclusive else first

    def _when(self) -> str:
        if self.soon:
            who = "It" if self.leak == 1 else f"{self.soon:,}"
            reach = "reaches its" if self.soon == 1 else "reach their"
            return f"{who} {reach} limit within 7 days."
        if self.unknown:
            return f"When {'it' if self.leak == 1 else 'they'} would reach a limit is not known."
        return f"{'It does not reach its' if self.leak == 1 else 'None reaches its'} limit within 7 days."


def counts(verdicts: pl.DataFrame) -> Counts:
    """Count verdicts."""
    by_verdict = {name: verdicts.filter(pl.col("verdict") == name).height for name in ORDER}
    reaching = verdicts.filter(pl.col("hours_to_limit") <= HORIZON_HOURS)
    soon = reaching.filter(pl.col("verdict") == "leak").height
    unknown = verdicts.filter((pl.col("verdict") == "leak") & pl.col("hours_to_limit").is_null()).height
    known = verdicts["oom_probability_7d"].drop_nulls()
    above = int((known > TARGET).sum()) if known.len() else None
    return Counts(
        verdicts.height,
        by_verdict["leak"],
        by_verdict["inconclusive"],
        by_verdict["not_leak"],
        soon,
        unknown,
        reaching.height,
        above,
    )


def growth(row: dict[str, Any]) -> str:
    """Write a row's growth, or that there is none to be seen."""
    if row["growth_bytes_per_day"] is None:
        return "none" if row["verdict"] == "not_leak" else text.UNKNOWN
    return text.rate(row["growth_bytes_per_day"], sign=True) if is_growing(row) else "none"


def is_growing(row: dict[str, Any]) -> bool:
    """Tell whether a row's growth is to be named; a leak's always is."""
    if row["verdict"] == "leak":
        return row["growth_bytes_per_day"] is not None
    return text.grows(
        row["growth_bytes_per_day"], row["growth_low_bytes_per_day"], row["detection_floor_bytes_per_day"]
    )


def extent(completeness: pl.DataFrame) -> tuple[dt.datetime, dt.datetime] | None:
    """Find the first and the last sample."""
    first, last = completeness.select(pl.col("first").min(), pl.col("last").max()).row(0)
    return None if first is None else (first, last)


def coverage(completeness: pl.DataFrame) -> float | None:
    """Compare samples that are there with those that were due, over all containers."""
    known = completeness.filter(pl.col("coverage").is_not_null())
    expected = int(known["expected"].sum())
    present = int(known.select(pl.min_horizontal("samples", "expected").sum()).item())
    return present / expected if expected else None
