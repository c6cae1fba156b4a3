"""Where the data of a recording comes from, and what did not come along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Report:
    """What a loader was asked, what it found and what it did not use."""

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
        """Put everything a reader should know in lines."""
        return (
            *(f"partial: {line}" for line in self.partial),
            *(f"missing: {line}" for line in self.missing),
            *(f"left out: {count:,} {reason}" for reason, count in self.left_out.items()),
            *self.warnings,
        )

    def joined(self, other: Report) -> Report:
        """Add another report to this one."""
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
