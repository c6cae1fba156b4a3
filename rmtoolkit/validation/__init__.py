"""What cannot be true in a recording: layers out of order, dead gauges, wrong units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from rmtoolkit import text
from rmtoolkit.parts import parts
from rmtoolkit.recording import as_recording
from rmtoolkit.validation import gauges, orders, screen, values
from rmtoolkit.validation.found import FINDINGS, FOUND

if TYPE_CHECKING:
    import pandas as pd

    from rmtoolkit.recording import Recording

__all__ = ["FINDINGS", "validate"]


def validate(recording: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame) -> pl.DataFrame:
    """List what cannot be true, without raising.

    Gauges of one container come from different scrapes, so an order counts as broken only where no reading
    within one scrape satisfies it, beyond a small tolerance.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.

    Returns
    -------
    polars.DataFrame
        A row per container, check and signal: `container_id`, `namespace`, `workload`, `pod`, `container`,
        `check` (a stable key), `signal`, `count` (samples at fault), `first` and `last` (UTC, null where no
        sample is at fault), `detail` (a sentence with the figures) and `rejected`: true means that the
        signal is not to be used as evidence, false that the reader should know. No rows is good news.

    Notes
    -----
    An order is broken in `allocated_above_active`, `active_above_resident`, `allocated_above_resident`,
    `active_above_mapped`, `working_set_above_usage`, `anon_above_usage`, `usage_above_peak`,
    `allocator_above_footprint` and `usage_above_limit`. An exporter is at fault in `stale_allocator` and
    `self_incrementing`, a unit in `absurd_value`, `tiny_value` and `decimal_units`. Fewer measurements than
    rows: `repeated_values`. No counter, or an unseen restart: `counter_fell`.

    Examples
    --------
    >>> rows = {"time": [0, 60, 120], "working_set_bytes": [900 << 20] * 3, "usage_bytes": [300 << 20] * 3}
    >>> for row in validate(pl.DataFrame(rows)).iter_rows(named=True):
    ...     print(row["signal"], row["rejected"], row["detail"])
    usage_bytes True Working set was above usage in 3 of 3 samples, at worst 900 Mi against 300 Mi.
    working_set_bytes True Working set was above usage in 3 of 3 samples, at worst 900 Mi against 300 Mi.
    """
    return pl.concat([_check(part) for part in parts(as_recording(recording))])


def _check(recording: Recording) -> pl.DataFrame:
    """Make every check of the containers that one of them might object to."""
    suspects = screen.suspects(recording)
    if not len(suspects):
        return pl.DataFrame(schema=FINDINGS)
    if len(suspects) < recording.containers.height:
        recording = recording.filter(pl.col("container_id").is_in(suspects.implode()))
    samples = orders.with_references(recording)
    found = [
        *orders.check(samples, recording),
        gauges.stale(samples),
        gauges.self_incrementing(samples),
        *values.absurd(recording),
        *values.decimal_units(recording),
        *values.repeated(recording),
        *values.falling_counters(recording),
    ]
    rows = pl.concat(part.select(pl.col(name).cast(dtype) for name, dtype in FOUND.items()) for part in found)
    details = [_sentence(row) for row in rows.iter_rows(named=True)]
    about = recording.containers.select("container_id", "namespace", "workload", "pod", "container")
    return (
        rows.with_columns(pl.Series("detail", details, dtype=pl.String))
        .join(about, on="container_id")
        .select(FINDINGS.names())
        .sort("container_id", "check", "signal")
    )


#: Columns that only stand in for signals.
_STAND_INS = {"footprint": "the memory of the process", "limit": "the limit", "fullness": "usage"}


def _word(signal: str) -> str:
    if signal in _STAND_INS:
        return _STAND_INS[signal]
    return text.SIGNAL_WORDS.get(signal, signal.removesuffix("_bytes").replace("_", " "))


def _sentence(row: dict[str, Any]) -> str:
    """Put one finding in words."""
    name = _word(row["signal"])
    low, high = text.memory(row["low"]), text.memory(row["high"])
    of = f"in {row['count']:,} of {text.count(row['compared'], 'sample')}"
    match row["check"]:
        case "stale_allocator":
            said = f"{name} did not change {of}, while the memory of the process moved between {low} and {high}"
        case "self_incrementing":
            said = f"{name} only rises, by about {low} each time, up to {high}: its exporter seems to add, not to set"
        case "absurd_value":
            unit = "threads" if row["signal"] == "threads" else "bytes"
            said = f"{name} of {row['high']:,.0f} {unit} is no real amount" + (f" ({of})" if row["first"] else "")
        case "tiny_value":
            said = f"{name} never exceeds {row['high']:,.0f} bytes, less than any process needs: is its unit MiB?"
        case "decimal_units" if row["first"] is None:
            said = f"{name} of {text.configured(int(row['low']))} is a whole number of MB: was MiB meant?"
        case "decimal_units":
            said = f"all {row['compared']:,} values of {name}, {low} to {high}, are whole numbers of MB: were they MiB?"
        case "repeated_values":
            said = f"each value of {name} stands about {row['low']:g} times: it is stored more often than it is read"
        case "counter_fell":
            times = text.count(row["count"], "time")
            said = f"{name} is a counter but fell {times} with no restart on record, {row['high']:g} to {row['low']:g}"
        case _:
            lower, higher = (_word(signal) for signal in row["about"].split())
            said = f"{lower} was above {higher} {of}, at worst {low} against {high}"
    return said[0].upper() + said[1:] + ("" if said.endswith("?") else ".")
