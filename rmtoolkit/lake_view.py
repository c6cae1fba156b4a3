"""What of a lake is looked at: a stretch of time, some containers."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - the example uses it
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from rmtoolkit.exceptions import ColumnError
from rmtoolkit.recording import Recording
from rmtoolkit.schema import CONTAINERS, IDENTITY, SAMPLES, empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at; everything, unless told.

    Attributes
    ----------
    start, end
        First and last instant; None is open.
    predicates, equal
        Containers, as `Recording.filter` takes them.

    Examples
    --------
    >>> View() == View(), View().covers(dt.date(2026, 11, 25))
    (True, True)
    """

    start: dt.datetime | None = None
    end: dt.datetime | None = None
    predicates: tuple[pl.Expr, ...] = ()
    equal: Mapping[str, Any] = field(default_factory=dict)

    def between(self, start: dt.datetime | None, end: dt.datetime | None) -> View:
        """Look at a stretch of this one.

        Parameters
        ----------
        start, end
            First and last instant; None is open.

        Returns
        -------
        View
            What both show.
        """
        starts = [time for time in (self.start, start) if time is not None]
        ends = [time for time in (self.end, end) if time is not None]
        return replace(self, start=max(starts, default=None), end=min(ends, default=None))

    def only(self, predicates: Iterable[pl.Expr], equal: Mapping[str, Any]) -> View:
        """Look at some of these containers.

        Parameters
        ----------
        predicates, equal
            As for `Recording.filter`.

        Returns
        -------
        View
            What both show.

        Raises
        ------
        ColumnError
            No such column.
        """
        for name in equal:
            if name not in CONTAINERS:
                raise ColumnError.missing(name, CONTAINERS)
        same = [_is(name, self.equal[name]) for name in equal if name in self.equal]
        return replace(self, predicates=(*self.predicates, *same, *predicates), equal={**self.equal, **equal})

    def covers(self, date: dt.date) -> bool:
        """Tell whether anything of a day is looked at.

        Parameters
        ----------
        date
            The day, UTC.

        Returns
        -------
        bool
            It may be.
        """
        return (self.start is None or self.start.date() <= date) and (self.end is None or date <= self.end.date())

    def kept(self, part: Recording) -> Recording:
        """Keep of a recording what is looked at.

        Parameters
        ----------
        part
            All there is of some workloads on the days that are covered.

        Returns
        -------
        Recording
            Without containers when nothing of it is.
        """
        if self.start is not None or self.end is not None:
            part = part.window(self.start, self.end)
        conditions = [*(_is(name, wanted) for name, wanted in self.equal.items()), *self.predicates]
        return part.filter(*conditions) if conditions else part

    def may_have(self, containers: pl.DataFrame) -> bool:
        """Tell by their names whether any of some containers is looked at.

        Parameters
        ----------
        containers
            In their schema.

        Returns
        -------
        bool
            False is sure.
        """
        names = [_is(name, wanted) for name, wanted in self.equal.items() if name in IDENTITY]
        return bool(containers.filter(*names).height) if names else True

    def check(self, containers: pl.DataFrame) -> None:
        """Say which of the names that are looked for is not there.

        Parameters
        ----------
        containers
            All there are.

        Raises
        ------
        UnknownWorkloadError
            As `Recording.filter` raises it.
        """
        names = {name: wanted for name, wanted in self.equal.items() if name in IDENTITY}
        Recording(containers, empty(SAMPLES)).filter(**names)


def _is(name: str, wanted: str | int | Iterable[str] | None) -> pl.Expr:
    values = [wanted] if wanted is None or isinstance(wanted, str | int) else list(wanted)
    return pl.col(name).is_in(values, nulls_equal=True)
