"""What a report is about: an Assessment with a title, and the records that its tables are made of."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rmtoolkit import text
from rmtoolkit.assessment import Assessment, assess

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    import polars as pl
    from distributed import Client

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_reading import Heap
    from rmtoolkit.limits.risk import Margins

    Row = dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """Everything that a report says."""

    found: Assessment
    title: str = "Memory report"
    #: What is accepted of workloads that are not there.
    unmatched: tuple[Acknowledgement, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        """Say the headline's sentence."""
        return f"<Contents: {self.found.fleet.sentence}>"

    def _repr_html_(self) -> str:
        """Show the report without what needs a script: for notebooks."""
        from rmtoolkit.views.report.page import fragment  # noqa: PLC0415 - the page is written from this

        return fragment(self)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The workloads, the most urgent first; the place of each is its `workload_id`."""
        return tuple(self.found.workloads.iter_rows(named=True))

    @cached_property
    def awake(self) -> list[Row]:
        """What is not accepted: headline and sections are about these."""
        return [row for row in self.rows if not row["accepted"]]

    def amount(self, cost: float, *, sign: bool = False) -> str:
        """Write an amount of money."""
        return text.money(cost, self.found.fleet.currency or "", sign=sign)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its head, its cell, and what it is sorted by."""

    head: str
    kind: str
    cell: Callable[[Contents, Row], object]
    value: Callable[[Row], float | str | None] | None = None
    number: bool = False
    #: Whether a cell is set in bold.
    hot: Callable[[Row], bool | None] | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    key: str
    title: str
    note: str
    choose: Callable[[Contents], list[Row]]
    columns: tuple[Column, ...]


def contents(
    source: Source | Assessment,
    *,
    heap: Heap | Mapping[str, Heap] | None = None,
    previous: Assessment | pl.DataFrame | str | os.PathLike[str] | None = None,
    acknowledged: str | os.PathLike[str] | Iterable[Acknowledgement] | None = None,
    title: str | None = None,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    price_per_gib_hour: float | None = None,
    currency: str = "USD",
    client: Client | None = None,
    now: dt.datetime | None = None,
) -> Contents:
    """Find out what a report says, without writing it."""
    # Who has an Assessment needs no analysis; what is wrong with a small file is said before the long work.
    from rmtoolkit._accepted import read_acknowledgements  # noqa: PLC0415
    from rmtoolkit.limits.risk import USUAL  # noqa: PLC0415

    if isinstance(acknowledged, str | os.PathLike):
        acknowledged = read_acknowledgements(acknowledged)
    known = tuple(acknowledged or ())
    found = assess(
        source,
        heap=heap,
        margins=margins,
        oom_probability=oom_probability,
        prices=None
        if price_per_gib_hour is None
        else replace(USUAL, per_gib_hour=price_per_gib_hour, currency=currency),
        previous=previous,
        accepted=known,
        client=client,
        now=now,
    )
    made = Contents(found, title or "Memory report")
    unmatched = tuple(one for one in known if not any(map(one.covers, made.rows)))
    return replace(made, unmatched=unmatched)
