"""Records of lives, made by hand where no curve is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmtoolkit.analysis.models import Family
from rmtoolkit.analysis.records import Life, Opinion, Reading
from rmtoolkit.schema import Ending, Signal
from tests.analysis.curves import when

if TYPE_CHECKING:
    from collections.abc import Mapping


def life_of(start: float = 0.0, end: float = 24.0, ended: str = "running", **changed: Any) -> Life:
    """A life between two hours, of which nothing is known but what is given."""
    values: dict[str, Any] = dict.fromkeys(Life.__struct_fields__)
    values |= {"row": 0, "container_id": 0, "samples": 100}
    return Life(**(values | {"start": when(start), "end": when(end), "ended": Ending(ended)} | changed))


def reading_of(signal: Signal, **changed: Any) -> Reading:
    """Readings of a signal that are all 0 but what is given."""
    values: dict[str, Any] = dict.fromkeys(Reading.__struct_fields__, 0.0)
    values |= {"samples": 100, "family": Family.CONSTANT, "bounded_family": Family.CONSTANT, "signal": signal}
    return Reading(**(values | changed))


def opinion_of(life: Life, readings: Mapping[Signal, Reading], judged: Signal | None = None, **changed: Any) -> Opinion:
    """An opinion on a life with these readings."""
    reading = readings[judged] if judged is not None else None
    return Opinion(life, reading, readings, readings, **changed)
