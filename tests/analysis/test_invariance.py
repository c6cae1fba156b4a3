"""Real recordings in other clothes: what changes nothing in the memory changes nothing in the verdict.

Judged is every eighth decidable run of the development part of the corpus. What may change, and why: a sample that is
lost or rounded away is evidence that is lost, so a few verdicts become inconclusive (or the reverse); none may turn
into its opposite.
A rise of one life needs 96 samples, and three times as many far below its limit: of every fourth sample most runs have
about a hundred left, and their leaks are open.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pytest

from rmtoolkit.assessment import classify
from rmtoolkit.recording import read_recording
from rmtoolkit.schema import SIGNALS
from tests.analysis.curves import MI
from tests.analysis.verdicts import judged

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

CORPUS: Final = Path(__file__).parents[2] / "data" / "corpus"
BYTES: Final = [name for name in SIGNALS if name.endswith("_bytes")]
KEYS: Final = ("namespace", "workload")


@cache
def recorded() -> Recording:
    """Runs of the development part that their labels call decidable."""
    chosen = labels().select("workload")
    return read_recording(CORPUS / "dev.parquet").filter(pl.col("workload").is_in(chosen["workload"].implode()))


@cache
def labels() -> pl.DataFrame:
    """What these runs are."""
    told = pl.read_csv(CORPUS / "dev_labels.csv", infer_schema_length=None).filter("decidable")
    return told.sort("shape", *KEYS).gather_every(8).select(*KEYS, "shape")


def decided(recording: Recording) -> pl.DataFrame:
    """The verdicts on them."""
    return judged(recording).join(labels(), on=KEYS).select(*KEYS, "shape", "verdict")


@cache
def before() -> pl.DataFrame:
    """The verdicts on what was recorded."""
    return decided(recorded())


def slower(recording: Recording, factor: int) -> Recording:
    """Seconds stretched to so many: an hour's recording at 1 s becomes days at that many."""
    begin = recording.samples["time"].min()
    stretched = begin + (pl.col("time") - begin) * factor
    return dataclasses.replace(
        recording,
        samples=recording.samples.with_columns(time=stretched.cast(recording.samples.schema["time"])),
        events=recording.events.with_columns(time=stretched.cast(recording.events.schema["time"])),
        containers=recording.containers.with_columns(pl.col("cadence_seconds") * factor),
    )


def changed(kind: str) -> Recording:
    """The same memory in another form."""
    recording = recorded()
    samples, events, containers = recording.samples, recording.events, recording.containers
    match kind:
        case "other_unit_and_year":
            # As if one who reads KiB had written bytes.
            samples = samples.with_columns(pl.col(BYTES) * 1024)
            containers = containers.with_columns(pl.col("limit_bytes", "request_bytes") * 1024)
            events = events.with_columns(pl.col("value_bytes") * 1024)
            # In another year, too.
            samples, events = (part.with_columns(pl.col("time") + dt.timedelta(days=400)) for part in (samples, events))
        case "minutes":
            return slower(recording, 60)
        case "a_fifth_lost":
            kept = np.random.default_rng(3).random(samples.height) > 0.2
            samples = samples.filter(pl.Series(kept))
        case "every_fourth":
            samples = samples.gather_every(4)
            containers = containers.with_columns(pl.col("cadence_seconds") * 4)
        case "whole_mebibytes":
            samples = samples.with_columns((pl.col(BYTES) / MI).ceil().cast(pl.Int64) * MI)
            containers = containers.with_columns(quantum_bytes=pl.lit(MI, dtype=pl.Int64))
    return dataclasses.replace(recording, samples=samples, events=events, containers=containers)


@pytest.mark.parametrize(
    ("kind", "open_more"),
    [
        ("other_unit_and_year", 0),
        ("minutes", 0),
        ("a_fifth_lost", 1),
        ("every_fourth", 5),
        ("whole_mebibytes", 1),
    ],
)
def test_the_same_memory_in_another_form(kind: str, open_more: int) -> None:
    """No verdict turns into its opposite; only lost evidence may open or close a few of 20."""
    both = before().join(decided(changed(kind)), on=KEYS, suffix="_after")
    assert both.height == before().height
    differ = both.filter(pl.col("verdict") != pl.col("verdict_after"))
    opposite = differ.filter(pl.col("verdict") != "inconclusive", pl.col("verdict_after") != "inconclusive")
    assert opposite.rows() == []
    assert differ.height <= open_more, differ["shape"].to_list()


def test_doubled_and_shuffled_rows() -> None:
    """A frame as a user hands it in, with every third row twice and in no order, gets the very same answers."""
    recording = recorded().filter(workload=before()["workload"].head(10).to_list())
    # Some have a request above their limit, of which a frame is warned.
    frame = recording.frame().drop("request_bytes")
    again = pl.concat([frame, frame.gather_every(3)]).sample(fraction=1.0, shuffle=True, seed=4)
    columns = [*KEYS, "verdict", "pattern", "leak_probability"]
    tidy, untidy = (classify(table).select(columns).sort(*KEYS) for table in (frame, again))
    assert untidy.equals(tidy)
