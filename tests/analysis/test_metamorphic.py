"""What must not matter to a verdict: a crash before it, a signal that is missing, where a start falls, who is asked.

Recordings of other people's programs are changed, and judged again. Evidence that is lost may open a sure verdict; it
never turns one into its opposite.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pytest

from rmtoolkit.assessment import classify
from rmtoolkit.recording import read_recording
from rmtoolkit.schema import COUNTERS, EVENTS, SAMPLES
from tests.analysis.curves import GI, hours, record, saw, small_noise
from tests.analysis.verdicts import judged

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

FIELD: Final = Path(__file__).parents[2] / "data" / "field" / "dev.parquet"
KEYS: Final = ["namespace", "workload"]


@cache
def recorded() -> Recording:
    """Every fifth program that was recorded under load."""
    whole = read_recording(FIELD)
    return whole.filter(workload=whole.containers["workload"].unique().sort().gather_every(5).to_list())


def verdicts(recording: Recording) -> pl.DataFrame:
    """The verdicts, and how sure they are."""
    return judged(recording).select(*KEYS, "verdict", "leak_probability")


@cache
def before() -> pl.DataFrame:
    """The verdicts on what was recorded."""
    return verdicts(recorded())


def changed(recording: Recording) -> pl.DataFrame:
    """Workloads whose verdict is another one, with both."""
    both = before().join(verdicts(recording), on=KEYS, suffix="_after")
    return both.filter(pl.col("verdict") != pl.col("verdict_after"))


def crashed(recording: Recording) -> Recording:
    """The same, after a life that lasted for a twentieth of the time and ended in an error."""
    since = (pl.col("time") - pl.col("time").min().over("container_id")).dt.total_milliseconds()
    span = since.max().over("container_id")
    before_it = recording.samples.filter(since <= span / 20).with_columns(
        *(pl.lit(None, SAMPLES[name]).alias(name) for name in COUNTERS)
    )
    ended = before_it.group_by("container_id").agg(pl.col("time").max())
    later = pl.duration(milliseconds=(pl.col("time").max() - pl.col("time").min()).dt.total_milliseconds() + 3000)
    moved = before_it.with_columns((pl.col("time") - later.over("container_id")).cast(SAMPLES["time"]))
    begun = recording.samples.group_by("container_id").agg(pl.col("time").min())
    events = [
        begun.select(
            "container_id",
            time=(pl.col("time") - pl.duration(milliseconds=gap)).cast(EVENTS["time"]),
            kind=pl.lit(kind),
            value_bytes=pl.lit(None, EVENTS["value_bytes"]),
            detail=pl.lit(None, EVENTS["detail"]),
        )
        for gap, kind in ((2000, "error"), (500, "start"))
    ]
    assert ended.height == recording.containers.height
    return dataclasses.replace(
        recording,
        samples=pl.concat([moved, recording.samples]).sort("container_id", "time"),
        events=pl.concat([recording.events, *events]).sort("container_id", "time"),
    )


def test_a_short_crash_before_it_changes_nothing() -> None:
    """What a long life shows is neither hidden nor made surer by a false start."""
    both = before().join(verdicts(crashed(recorded())), on=KEYS, suffix="_after")
    assert both.filter(pl.col("verdict") != pl.col("verdict_after")).height <= 2
    leaks = both.filter(pl.col("verdict") == pl.col("verdict_after"), verdict="leak")
    assert leaks.height > 10
    assert leaks.filter((pl.col("leak_probability_after") - pl.col("leak_probability")).abs() > 0.1).rows() == []


def test_falls_from_the_limit_may_be_kills() -> None:
    """A sawtooth whose tops are at the limit is none before somebody says that nothing was restarted."""
    t = hours(24, 60)
    values = (0.45 + 0.52 * saw(t, 4.0)) * GI
    signals = {"working_set_bytes": values + small_noise(np.random.default_rng(5), values)}
    told = classify(record(t, signals, limit_bytes=GI, restarts_total=0)).row(0, named=True)
    untold, roomy = (classify(record(t, signals, limit_bytes=limit)).row(0, named=True) for limit in (GI, 2 * GI))
    assert (told["verdict"], roomy["verdict"]) == ("not_leak", "not_leak")
    assert (untold["verdict"], "new processes may be behind it" in untold["explanation"]) == (
        "inconclusive",
        True,
    )


@pytest.mark.parametrize("signal", ["anon_bytes", "working_set_bytes", "kernel_bytes", "file_bytes", "shmem_bytes"])
def test_a_signal_that_is_missing_turns_no_verdict(signal: str) -> None:
    """The RSS of a main process whose children grow is none of the container's: it clears nobody."""
    samples = recorded().samples.with_columns(pl.lit(None, SAMPLES[signal]).alias(signal))
    differ = changed(dataclasses.replace(recorded(), samples=samples))
    assert differ.filter(pl.all_horizontal(pl.col("verdict", "verdict_after") != "inconclusive")).rows() == []
    assert differ.height <= 4
