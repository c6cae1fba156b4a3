"""Where the data of a recording comes from, and what did not come along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Report:
    """What a loader was asked, what it found and what it did not use.

    Attributes
    ----------
    sources
        Files, commands or addresses that were read, without secrets.
    asked
        The request in words; empty where a file was simply read.
    found
        Kinds of facts that the source reports even when nothing happened: ``restarts``, ``limits``.
    missing
        What was looked for and not found.
    left_out
        How many values or rows were not used, by reason.
    partial
        What is incomplete although it was loaded.
    warnings
        Everything else the reader should know.
    time_axis
        Where the times come from.
    nodes
        Memory that pods may use on each node, in bytes (allocatable), where the source tells it.
    quotas
        Memory that the pods of a namespace may have together, in bytes: ``namespace/quota limits.memory``.

    Examples
    --------
    >>> Report(sources=("a.json",), left_out={"NaN": 2}).notes()
    ('left out: 2 NaN',)
    """

    sources: tuple[str, ...] = ()
    asked: str = ""
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    partial: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    time_axis: str = "as recorded, UTC"
    nodes: Mapping[str, int] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)

    def notes(self) -> tuple[str, ...]:
        """Put everything a reader should know in lines.

        Returns
        -------
        tuple of str
            Empty when everything was found and used.

        Examples
        --------
        >>> Report(missing=("limits",)).notes()
        ('missing: limits',)
        """
        return (
            *(f"partial: {line}" for line in self.partial),
            *(f"missing: {line}" for line in self.missing),
            *(f"left out: {count:,} {reason}" for reason, count in self.left_out.items()),
            *self.warnings,
        )

    def joined(self, other: Report) -> Report:
        """Add another report to this one.

        Parameters
        ----------
        other
            The report of what is added.

        Returns
        -------
        Report
            Both; counts are summed, lines are kept once.

        Examples
        --------
        >>> Report(left_out={"NaN": 1}).joined(Report(left_out={"NaN": 2})).left_out
        {'NaN': 3}
        """
        counts = dict(self.left_out)
        for reason, count in other.left_out.items():
            counts[reason] = counts.get(reason, 0) + count

        def both(mine: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(mine + theirs))

        return Report(
            sources=both(self.sources, other.sources),
            asked="; ".join(dict.fromkeys(text for text in (self.asked, other.asked) if text)),
            found=both(self.found, other.found),
            missing=both(self.missing, other.missing),
            left_out=counts,
            partial=both(self.partial, other.partial),
            warnings=both(self.warnings, other.warnings),
            time_axis="; ".join(dict.fromkeys((self.time_axis, other.time_axis))),
            nodes={**self.nodes, **other.nodes},
            quotas={**self.quotas, **other.quotas},
        )
