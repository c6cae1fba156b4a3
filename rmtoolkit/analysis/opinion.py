"""What one life says: the signal that speaks, three probabilities, and what the memory is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(slots=True)
class Opinion:
    """What one life says.

    Attributes
    ----------
    life
        Row of the lives table, with `life_row`.
    readings
        Row of the readings by signal.
    signal
        The signal it is judged by; None when there are too few samples.
    growing, bounded, unresolved
        Probabilities, they sum to 1.
    pattern, also, cause
        What the memory at the end of the life is mostly made of, if it is not a leak.
    notes
        Facts found on the way, by key, for the words.

    Examples
    --------
    >>> Opinion({}, {}, None).unresolved
    1.0
    """

    life: Row
    readings: dict[str, Row]
    signal: str | None
    growing: float = 0.0
    bounded: float = 0.0
    unresolved: float = 1.0
    pattern: str = "insufficient_data"
    also: list[str] = field(default_factory=list)
    cause: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def level(self, signal: str, at: str = "end_level") -> float | None:
        """Level of a signal in bytes at a place of the life; None where it was not measured."""
        row = self.readings.get(signal)
        return None if row is None else row[at]

    @property
    def duration_seconds(self) -> float:
        """From the first to the last sample."""
        return float((self.life["end"] - self.life["start"]).total_seconds())
