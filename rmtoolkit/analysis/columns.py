"""The columns of verdicts, in the order of `classify`."""

from __future__ import annotations

from typing import Final

import polars as pl

from rmtoolkit.schema import TIME

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
#: What the views need besides.
FOR_VIEWS: Final = {
    "headline": pl.String(),
    "reason": pl.String(),
    "container_id": pl.UInt32(),
    "workload_inferred": pl.Boolean(),
    "limit_known": pl.Boolean(),
}
#: What makes a row of verdicts.
WORKLOAD: Final = ("cluster", "namespace", "workload", "container")
#: What a row of the instances has besides.
INSTANCE: Final = {"pod": pl.String(), "lives": pl.Int64()}
