"""What the words of a verdict are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmtoolkit.analysis.opinion import Opinion, Row
    from rmtoolkit.analysis.pooling import Pool


@dataclass(frozen=True, slots=True)
class Situation:
    """What the words are made from.

    Attributes
    ----------
    row
        The verdict's columns so far.
    pool
        The pooled lives behind it.
    growing, judged
        Instances that grow, and instances that could be judged.
    findings
        What `validate` found about the instance that is shown, a row each.

    Examples
    --------
    >>> Situation.__slots__
    ('row', 'pool', 'growing', 'judged', 'findings')
    """

    row: dict[str, Any]
    pool: Pool
    growing: int
    judged: int
    findings: Sequence[Row]

    @property
    def main(self) -> Opinion | None:
        """The life that stands for the workload."""
        return self.pool.main

    @property
    def footprint(self) -> float | None:
        """Bytes of its footprint at the end; None where it was not measured."""
        return None if self.main is None else self.main.level("footprint_bytes")
