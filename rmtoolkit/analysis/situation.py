"""What the words of a verdict are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rmtoolkit.analysis.chances import ENDLESS, Exposure

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion
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
    rejected
        Check, signal and sentence of what `validate` does not accept as evidence, about the instance that is shown.
    pod
        The pod that is shown: the one that grows most, if any does.
    lasts
        How long a life lasts when memory does not end it.
    capped
        Whether restarts end a life before it is at the limit.

    Examples
    --------
    >>> from rmtoolkit.analysis.pooling import Pool
    >>> Situation({}, Pool([], 0.0, 0.0, 1.0, None), 0, 0).footprint is None
    True
    """

    row: dict[str, Any]
    pool: Pool
    growing: int
    judged: int
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    pod: str | None = None
    lasts: Exposure = ENDLESS
    capped: bool = False

    @property
    def main(self) -> Opinion | None:
        """The life that stands for the workload."""
        return self.pool.main

    @property
    def footprint(self) -> float | None:
        """Bytes of its footprint at the end; None where it was not measured."""
        return None if self.main is None else self.main.level("footprint_bytes")
