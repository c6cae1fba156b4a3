"""The records and columns that a verdict is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.schema import TIME

if TYPE_CHECKING:
    import datetime as dt


#: A piece of evidence: what it says (``for``, ``against``, ``not_measured``) in words, and the window it rests on;
#: then the same for programs: which statistic, its value with an 80 % interval where it has one, and its unit.
EVIDENCE: Final = pl.List(
    pl.Struct(
        {
            "says": pl.String,
            "text": pl.String,
            "value": pl.String,
            "weight": pl.Int64,
            "signal": pl.String,
            "start": TIME,
            "end": TIME,
            "statistic": pl.String,
            "estimate": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
            "unit": pl.String,
        },
    ),
)
#: Columns of `classify`, in this order.
VERDICTS: Final = pl.Schema(
    {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "container": pl.String(),
        "pods": pl.Int64(),
        "verdict": pl.String(),
        "leak_probability": pl.Float64(),
        "pattern": pl.String(),
        "also": pl.List(pl.String()),
        "cause": pl.String(),
        "signal": pl.String(),
        "evidence_level": pl.Int64(),
        "growth_bytes_per_day": pl.Float64(),
        "growth_low_bytes_per_day": pl.Float64(),
        "growth_high_bytes_per_day": pl.Float64(),
        "detection_floor_bytes_per_day": pl.Float64(),
        "limit_outlook": pl.String(),
        "hours_to_limit": pl.Float64(),
        "hours_to_limit_low": pl.Float64(),
        "hours_to_limit_high": pl.Float64(),
        "oom_probability_7d": pl.Float64(),
        "oom_probability_24h": pl.Float64(),
        "oom_probability_30d": pl.Float64(),
        "startup_peak_bytes": pl.Int64(),
        "settled_bytes": pl.Int64(),
        "peak_bytes": pl.Int64(),
        "limit_bytes": pl.Int64(),
        "coverage": pl.Float64(),
        "explanation": pl.String(),
        "next_step": pl.String(),
        "evidence": EVIDENCE,
    },
)
#: What the chance of an OOM kill at any limit is worked out from, where memory grows: see `forecast.Growth` and
#: `chances.Exposure`. `fresh_bytes` is the level after a restart, `goes_on` the chance that the growth does.
AHEAD: Final = pl.Struct(
    {
        "per_day_bytes": pl.Float64,
        "error_bytes": pl.Float64,
        "level_bytes": pl.Float64,
        "fresh_bytes": pl.Float64,
        "noise_bytes": pl.Float64,
        "goes_on": pl.Float64,
        "age_hours": pl.Float64,
        "longest_hours": pl.Float64,
        "endings": pl.Int64,
        "watched_hours": pl.Float64,
    }
)
#: What the views need besides.
FOR_VIEWS: Final = {
    "headline": pl.String(),
    "reason": pl.String(),
    "container_id": pl.UInt32(),
    "workload_inferred": pl.Boolean(),
    "limit_known": pl.Boolean(),
    "ahead": AHEAD,
}
#: What makes a row of verdicts.
WORKLOAD: Final = ("cluster", "namespace", "workload", "container")
#: What a row of the instances has besides.
INSTANCE: Final = {"pod": pl.String(), "lives": pl.Int64()}

Row = dict[str, Any]


@dataclass(slots=True)
class Opinion:
    """What one life says."""

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


Piece = dict[str, Any]


def piece(
    main: Opinion,
    says: str,
    text: str,
    value: str,
    weight: int,
    statistic: str,
    *,
    estimate: float | None = None,
    low: float | None = None,
    high: float | None = None,
    unit: str | None = None,
    signal: str | None = None,
) -> Piece:
    """Write one row of evidence."""
    return {
        "says": says,
        "text": text,
        "value": value,
        "weight": weight,
        "signal": signal or main.signal,
        "start": main.life["start"],
        "end": main.life["end"],
        "statistic": statistic,
        "estimate": None if estimate is None else float(estimate),
        "low": None if low is None else float(low),
        "high": None if high is None else float(high),
        "unit": unit,
    }


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do."""

    text: str
    setting: str | None = None
    expected: str | None = None
    because: str | None = None
    until: dt.datetime | None = None

    @property
    def sentence(self) -> str:
        """All of it in running text, the setting as code."""
        action = self.text.rstrip(".")
        if self.setting:
            action += f"{'.' if ':' in action else ':'} `{self.setting}`"
        action += "."
        return f"{action} Expected: {self.expected.rstrip('.')}." if self.expected else action


def evidence_of(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Find the evidence of a verdict by statistic."""
    found: dict[str, dict[str, Any]] = {}
    for item in row.get("evidence") or []:
        if item.get("statistic"):
            found.setdefault(item["statistic"], item)
    return found
