"""A lake is judged part by part, and the answer is that for the whole."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rmtoolkit as rm
from rmtoolkit import _lake_files
from rmtoolkit import lake as lake_module
from rmtoolkit.analysis.judge import judge
from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitWarning, UnknownWorkloadError
from rmtoolkit.limits.recommend import gathered, of_gathered
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from rmtoolkit.recording import Recording

FRAMES: Final = (
    "workloads",
    "instances",
    "lives",
    "fits",
    "forecast",
    "evidence",
    "checklist",
    "advice",
    "queries",
    "risk_curves",
    "buys",
    "findings",
    "completeness",
    "events",
    "settings",
)
NOW: Final = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
LIVES: Final = 24
GROUPED: Final = 10**12


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """24 lives of eight shapes over three days, two pods a workload, with kills, releases and other limits."""
    made = rm.read_recording(
        fleet.write(tmp_path_factory.mktemp("fleet") / "fleet.parquet", LIVES, 432, cadence_ms=600_000, replicas=2)
    )
    told = pl.DataFrame(
        {
            "container_id": [2, 9, 9, 17],
            "time": [1_790_100_000_000, 1_790_150_000_000, 1_790_150_000_000, 1_790_200_000_000],
            "kind": ["oom_kill", "oom_kill", "start", "limit"],
            "value_bytes": [None, None, None, 2 << 30],
        }
    )
    events = told.select(
        pl.col("container_id").cast(pl.UInt32),
        pl.col("time").cast(pl.Datetime("ms", "UTC")),
        "kind",
        pl.col("value_bytes").cast(pl.Int64),
        detail=pl.lit(None, dtype=pl.String),
    )
    limit = pl.when(pl.col("container_id") == 17).then(2 << 30).otherwise("limit_bytes").cast(pl.Int64)
    return rm.Recording(made.containers.with_columns(limit_bytes=limit), made.samples, events, made.report)


@pytest.fixture(scope="module")
def lake(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> rm.Lake:
    """The same in a lake of five buckets; no test changes it."""
    lake = rm.Lake(tmp_path_factory.mktemp("lake") / "lake", buckets=5)
    lake.append(recording)
    return lake


@pytest.fixture(scope="module")
def whole(lake: rm.Lake) -> rm.Assessment:
    """What is said of it at once."""
    return rm.assess(lake.recording(), now=NOW)


@pytest.mark.parametrize("rows", [1, GROUPED], ids=["workloads", "groups"])
def test_a_lake_is_judged_like_its_recording(
    lake: rm.Lake, whole: rm.Assessment, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every frame has the same rows in the same order, however small the parts of a bucket are."""
    monkeypatch.setattr(_lake_files, "PART_ROWS", rows)
    monkeypatch.setattr(lake_module, "_GROUP_BYTES", 0 if rows < GROUPED else 1 << 30)
    parts = rm.assess(lake, now=NOW)
    for name in FRAMES:
        # Matrices of another height are added up in another order: the last digits may differ.
        assert_frame_equal(getattr(parts, name), getattr(whole, name), rel_tol=1e-9, abs_tol=1e-9)
    assert parts.recording.containers.equals(whole.recording.containers)
    assert parts.recording.events.equals(whole.recording.events)
    assert parts.recording.report == whole.recording.report


def test_what_was_appended_is_what_is_judged(lake: rm.Lake, recording: Recording) -> None:
    """A lake says what the recording said that was appended to it."""
    assert_frame_equal(rm.classify(lake), rm.classify(recording), rel_tol=1e-9, abs_tol=1e-9)
    by_pod = (rm.classify(source, by="instance") for source in (lake, recording))
    assert_frame_equal(*by_pod, rel_tol=1e-9, abs_tol=1e-9)
    assert_frame_equal(rm.checklist(lake), rm.checklist(recording))


def test_charts_of_a_lake_keep_every_peak(lake: rm.Lake, recording: Recording) -> None:
    """Few samples stand for many: the highest of each stretch, and of each life the first and the last."""
    found = rm.assess(lake)
    kept = found.recording.samples
    drawn = found.workloads["container_id"].sort()
    assert kept["container_id"].unique().sort().equals(drawn)
    assert kept.height < recording.height / 4
    names = ("container_id", "time", "rss_bytes", "working_set_bytes")
    assert kept.select(names).join(recording.samples.select(names), on=names, how="anti").is_empty()
    peaks = found.lives.filter(pl.col("container_id").is_in(drawn.implode())).select("container_id", time="peak_time")
    assert peaks.join(kept, on=["container_id", "time"], how="anti").is_empty()
    written = rm.report(lake, lake.path.parent / "week.html").read_text("utf-8")
    assert f"{recording.height:,} samples of {LIVES} containers" in written


def test_a_damaged_day_is_named_and_everything_else_judged(recording: Recording, tmp_path: Path) -> None:
    """The report counts and names the files that could not be read, and no workload is lost that other days have."""
    lake = rm.Lake(tmp_path / "lake", buckets=2)
    lake.append(recording)
    file = lake.files()[1]
    data = bytearray(file.read_bytes())
    data[len(data) // 10] ^= 0xFF
    file.write_bytes(data)
    with pytest.warns(RmtoolkitWarning, match=rf"1 of {len(lake.files())} files of .* not be read; .*{file.name}"):
        found = rm.assess(lake)
    assert found.recording.report.left_out["files that could not be read"] == 1
    assert any(file.name in line and "bucket=" in line for line in found.recording.report.partial)
    assert found.workloads.height == LIVES // 2
    assert found.completeness["samples"].sum() < recording.height


def test_a_lake_of_damaged_files_is_an_error(recording: Recording, tmp_path: Path) -> None:
    """Where nothing can be read the first file is named; where nothing is, the lake."""
    lake = rm.Lake(tmp_path / "lake", buckets=1)
    lake.append(recording.filter(pl.col("container_id") < 2))
    for file in lake.files():
        file.write_bytes(b"no parquet")
    with pytest.raises(ReadError, match=lake.files()[0].name):
        rm.classify(lake)
    for file in lake.files():
        file.unlink()
    with pytest.raises(ReadError, match="without any file"):
        rm.classify(lake)
    with pytest.raises(ReadError, match="no lake"):
        rm.classify(rm.Lake(tmp_path / "nothing"))


def test_limits_of_a_lake_are_those_of_its_recording(lake: rm.Lake, recording: Recording) -> None:
    """The same rows in the same order, from one pass over the lake."""
    assert_frame_equal(rm.recommend_limits(lake), rm.recommend_limits(recording), rel_tol=1e-9, abs_tol=1e-9)
    frames, _ = judge(lake, lambda part, verdicts: {"needs": gathered(part, verdicts)})
    assert of_gathered(frames["needs"], 0.05, rm.Margins.shipped()).equals(rm.recommend_limits(lake))
    assert frames["verdicts"].equals(judge(lake)[0]["verdicts"])


def test_a_part_of_a_lake_is_judged_like_that_of_its_recording(lake: rm.Lake, recording: Recording) -> None:
    """A stretch of time, a workload or what an expression says: as for a recording, and no other day is opened."""
    assert lake.times() == recording.times()
    names = ["svc-03", "svc-07"]
    few = lake.window(last="1d").filter(workload=names)
    assert len(few.files()) < len(lake.files())
    wanted = recording.window(last="1d").filter(workload=names)
    assert few.recording().samples.drop("container_id").equals(wanted.samples.drop("container_id"))
    assert few.recording().containers.drop("container_id").equals(wanted.containers.drop("container_id"))
    assert_frame_equal(rm.classify(few), rm.classify(wanted), rel_tol=1e-9, abs_tol=1e-9)
    pod = pl.col("pod") == "svc-09"
    by_pod = (rm.classify(source.filter(pod), by="instance") for source in (lake, recording))
    assert_frame_equal(*by_pod, rel_tol=1e-9, abs_tol=1e-9)
    with pytest.raises(UnknownWorkloadError, match=r"No workload 'svc-99'. There are: svc-00"):
        rm.classify(lake.filter(workload="svc-99"))
    with pytest.raises(ColumnError, match="nonsense"):
        lake.filter(nonsense="a")
    with pytest.raises(ReadError, match="without any file of that time"):
        rm.classify(lake.window(start="2030-01-01"))


def test_kills_that_left_no_sample_are_told_of_a_lake_too(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody saw it run: beside others, in a part of its own, alone, of a lake or not, the kills are the answer."""
    few = recording.filter(workload=["svc-03"])
    ended: dt.datetime = few.samples.select(pl.col("time").max()).item()
    events = [{"container_id": 99, "time": ended - dt.timedelta(minutes=at), "kind": "oom_kill"} for at in range(30)]
    about = few.containers.head(1).with_columns(
        container_id=pl.lit(99, pl.UInt32), workload=pl.lit("svc-99"), pod=pl.lit("svc-99-0"), limit_known=True
    )
    about = about.with_columns(limit_bytes=pl.lit(400 << 20, pl.Int64), cadence_seconds=pl.lit(None, pl.Float64))
    told = pl.DataFrame(events, schema=few.events.schema)
    whole = rm.Recording(pl.concat([few.containers, about]), few.samples, pl.concat([few.events, told]), few.report)
    lake = rm.Lake(tmp_path / "lake", buckets=2)
    lake.append(whole)
    monkeypatch.setattr(_lake_files, "PART_ROWS", 1)
    monkeypatch.setattr(lake_module, "_GROUP_BYTES", 0)
    alone = {"workload": "svc-99"}
    found = [rm.assess(one, now=NOW) for one in (whole, lake, whole.filter(**alone), lake.filter(**alone))]
    rows = [one.workloads.filter(**alone).drop("workload_id", "container_id") for one in found]
    (row,) = rows[0].rows(named=True)
    assert (row["verdict"], row["kills"]) == ("inconclusive", 30)
    assert "It was OOM-killed 30 times, and no run left a sample." in row["explanation"]
    assert [(one["statistic"], one["estimate"]) for one in row["evidence"]] == [("oom_kills", 30)]
    close = found[0].checklist.filter(workload="svc-99", reading="concern")["because"].to_list()
    assert close == ["OOM-killed 30 times at 400 Mi"]
    for one in rows[1:]:
        assert_frame_equal(one, rows[0])
    for source in (whole, lake):
        assert "OOM-killed 11 times" in rm.classify(source.window(last="10m")).filter(**alone)["explanation"].item()


@pytest.mark.parametrize("given", [rm.Lake, rm.Recording], ids=["a lake", "a recording"])
def test_a_class_is_no_source(given: Any) -> None:
    """Whoever forgot the brackets is told what was given."""
    with pytest.raises(rm.RmtoolkitError, match="Expected a Recording or a table"):
        rm.classify(given)
