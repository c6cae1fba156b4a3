"""The lake: nothing is lost, nothing is doubled, whatever happens to whoever appends."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit import _lake_files
from rmtoolkit import lake as lake_module
from rmtoolkit._io import MARKER
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning, UnknownWorkloadError
from rmtoolkit.schema import IDENTITY, SIGNALS
from tests import peak
from tests.loaders.test_scenarios import (
    FLAT,
    K8S,
    LEAK,
    STEP,
    WORKING_SET,
    answer,
    levels,
    of,
    read_back,
    same_answer,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.loaders.test_scenarios import Series

DAY: Final = 86_400
START: Final = 1_795_564_800  # 2026-11-25T00:00:00Z
ROOT: Final = Path(__file__).parent.parent
_TOLD: Final = ("workload", "container", "pods", "peak_bytes", "verdict")


def fleet(times: Iterable[int], workloads: Iterable[str] = ("api", "web", "db"), **more: Any) -> rm.Recording:
    """Samples of some workloads, two pods each."""
    rows = [
        {
            "time": START + time,
            "namespace": "shop",
            "workload": workload,
            "pod": f"{workload}-{number}",
            "pod_uid": f"{workload}-uid-{number}",
            "container": "main",
            "working_set_bytes": 1_000_000 * (number + 1) + time,
            **more,
        }
        for workload in workloads
        for number in range(2)
        for time in times
    ]
    return rm.Recording.from_frame(pl.DataFrame(rows))


def content(recording: rm.Recording) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Samples and events by who they are of."""
    names = recording.containers.select("container_id", *IDENTITY)

    def named(frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.join(names, on="container_id").drop("container_id")
        return joined.sort([*IDENTITY, *(name for name in ("time", "kind", "detail") if name in joined.columns)])

    return named(recording.samples), named(recording.events)


def same(one: rm.Recording, other: rm.Recording) -> bool:
    """Whether two recordings say the same of the same containers."""
    return all(mine.equals(theirs) for mine, theirs in zip(content(one), content(other), strict=True))


def state(folder: Path) -> dict[str, bytes]:
    """All files of a lake."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


@pytest.fixture
def lake(tmp_path: Path) -> rm.Lake:
    """A lake that nothing is in yet."""
    return rm.Lake(tmp_path / "lake")


def test_what_goes_in_comes_out(lake: rm.Lake) -> None:
    """Samples, containers and events are those that were appended, over midnight too."""
    recording = fleet(range(0, 2 * DAY, 3600))
    assert lake.append(recording) == lake.partitions().height
    assert same(lake.recording(), recording)
    assert lake.recording().containers.equals(recording.containers)


def test_rows_of_no_container_are_left_out(lake: rm.Lake) -> None:
    """A recording put together by hand may have samples whose container it does not list: nobody's, they go nowhere."""
    whole = fleet(range(5))
    nobodys = whole.samples.head(1).with_columns(container_id=pl.lit(99, whole.samples.schema["container_id"]))
    lake.append(replace(whole, samples=pl.concat([whole.samples, nobodys])))
    assert lake.recording().samples.equals(whole.samples)


def test_files_are_by_bucket_and_day_and_sorted(lake: rm.Lake) -> None:
    """A workload is in one bucket; each file is a recording in itself, sorted by container and time."""
    lake.append(fleet(range(0, 3 * DAY, 3600)))
    found = lake.partitions()
    assert found["date"].unique().len() == 3
    assert found["samples"].sum() == 3 * 2 * 72
    buckets: dict[str, set[int]] = {}
    for file in lake.files():
        part = rm.read_recording(file)
        keys = part.samples.select("container_id", "time")
        assert keys.equals(keys.unique().sort("container_id", "time"))
        for workload in part.containers["workload"]:
            buckets.setdefault(workload, set()).add(int(file.parent.name[-3:]))
    assert all(len(numbers) == 1 for numbers in buckets.values())
    assert buckets["api"] == {_lake_files.bucket_of(None, "shop", "api", 64)}


def test_appending_the_same_again_changes_nothing(lake: rm.Lake) -> None:
    """Not a byte of any file."""
    recording = fleet(range(0, DAY, 600), limit_bytes=1 << 30)
    lake.append(recording)
    before = state(lake.path)
    assert lake.append(recording) == 0
    assert state(lake.path) == before


def test_overlapping_stretches_become_one(lake: rm.Lake) -> None:
    """Whatever the order, overlapping appends give what one append of all gives."""
    for start, end in ((0, 50), (40, 90), (20, 60), (80, 120)):
        lake.append(fleet(range(start * 600, end * 600, 600)))
    assert same(lake.recording(), fleet(range(0, 120 * 600, 600)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(cuts=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 60)), min_size=1, max_size=5))
def test_any_cuts_in_any_order_lose_and_double_nothing(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int]]
) -> None:
    """The union of what was appended is what is read."""
    lake = rm.Lake(tmp_path_factory.mktemp("lake") / "lake", buckets=2)
    times: set[int] = set()
    for start, length in cuts:
        stretch = range(start * 1800, (start + length) * 1800, 1800)
        times.update(stretch)
        lake.append(fleet(stretch, ["api"]))
    assert same(lake.recording(), fleet(sorted(times), ["api"]))


def test_signals_of_two_sources_share_their_instants(lake: rm.Lake) -> None:
    """A second source adds its signal to the rows that are there."""
    lake.append(fleet([0, 60], ["api"]))
    lake.append(fleet([0, 60], ["api"], working_set_bytes=None, allocated_bytes=7))
    row = lake.recording().samples.row(0, named=True)
    assert (row["working_set_bytes"], row["allocated_bytes"]) == (1_000_000, 7)
    assert lake.recording().samples.height == 4


def test_a_later_value_for_one_instant_wins(lake: rm.Lake) -> None:
    """A correction replaces what was there."""
    lake.append(fleet([0], ["api"]))
    assert lake.append(fleet([0], ["api"], working_set_bytes=5)) == 1
    assert lake.recording().samples["working_set_bytes"].to_list() == [5, 5]


def test_filters_open_only_what_they_need(lake: rm.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and times choose files; the rest is not read."""
    lake.append(fleet(range(0, 5 * DAY, 3600)))
    opened: list[Path] = []
    real = _lake_files.read_partition

    def spy(file: Path, workloads: pl.DataFrame | None = None) -> rm.Recording:
        opened.append(file)
        return real(file, workloads)

    monkeypatch.setattr(_lake_files, "read_partition", spy)
    recording = lake.recording(workload="api", start="2026-11-26T12:00", end="2026-11-27T06:00")
    assert len(opened) == 2
    assert same(recording, fleet(range(0, 5 * DAY, 3600), ["api"]).window("2026-11-26T12:00", "2026-11-27T06:00"))
    opened.clear()
    assert lake.recording(pl.col("pod") == "db-1", last="2h").samples.height == 3
    assert len({file.stem for file in opened}) <= 2


def test_containers_chosen_by_name_keep_their_own_samples(lake: rm.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods of one, two and three containers: whichever of them is looked at has its samples, and no other's."""
    shapes = {"api": ("main",), "db": ("aa", "main"), "job": ("aa", "bb", "main"), "web": ("main", "zz")}
    parts = [fleet(range(0, 600, 60), [name], container=own) for name, inside in shapes.items() for own in inside]
    apart = [
        replace(part, samples=part.samples.with_columns(pl.col("working_set_bytes") + at * 10_000_000))
        for at, part in enumerate(parts)
    ]
    whole = rm.concat(apart)
    lake.append(whole)
    # Each bucket is worked on by itself, as large ones are.
    monkeypatch.setattr(lake_module, "_GROUP_BYTES", 0)
    for name in ("aa", "main", "zz"):
        wanted = whole.filter(container=name)
        assert same(lake.recording(container=name), wanted)
        assert same(lake.recording(pl.col("container") == name), wanted)
    told = (rm.classify(of.filter(container="main")).select(_TOLD).sort(_TOLD) for of in (lake, whole))
    assert next(told).equals(next(told))


def test_the_end_of_a_window_counts_from_the_window_before(lake: rm.Lake) -> None:
    """Two windows, one after the other, are the same of a lake and of a recording."""
    whole = fleet(range(0, 5 * DAY, 3600))
    lake.append(whole)

    @given(st.integers(0, 5 * 24), st.integers(1, 80))
    def looked(hour: int, length: int) -> None:
        end = dt.datetime.fromtimestamp(START + hour * 3600, dt.UTC)
        narrow = lake.window(end=end).window(last=f"{length}h")
        assert same(narrow.recording(), whole.window(end=end).window(last=f"{length}h"))

    looked()


def test_a_window_after_the_last_sample_holds_nothing(lake: rm.Lake) -> None:
    """Also later on the same day, where a file has to be opened to know."""
    lake.append(fleet(range(0, DAY // 2, 3600)))
    assert lake.recording(start="2026-11-25T10:30").samples.height == 6
    for start in ("2026-11-25T12:00", "2026-11-26T12:00"):
        with pytest.raises(ReadError, match="without any file of that time"):
            lake.recording(start=start, end="2026-11-27")


def test_a_name_that_is_not_there_is_said(lake: rm.Lake) -> None:
    """As for a recording, with the names that are."""
    lake.append(fleet([0]))
    with pytest.raises(UnknownWorkloadError, match=r"No workload 'apii'. There are: api, db, web. Hint: did you mean"):
        lake.recording(workload="apii")


def test_a_limit_that_changed_between_two_appends_is_an_event(lake: rm.Lake) -> None:
    """On another day or on the same: what neither append saw, the lake does."""
    for start, limit in ((0, 5), (3 * 3600, 7), (DAY, 9), (2 * DAY, 9)):
        lake.append(fleet(range(start, start + 7200, 600), ["api"], limit_bytes=limit << 20))
    events = lake.recording(pod="api-0").events
    seconds = [
        (time.timestamp() - START, kind, value >> 20)
        for time, kind, value in events.select("time", "kind", "value_bytes").rows()
    ]
    assert seconds == [(0, "limit", 5), (3 * 3600, "limit", 7), (DAY, "limit", 9)]
    assert lake.recording().containers["limit_bytes"].unique().to_list() == [9 << 20]
    assert rm.Lake(lake.path).recording(end="2026-11-25T02:00", pod="api-0").containers["limit_bytes"].item() == 5 << 20


@pytest.mark.parametrize("apart", [3 * 3600, DAY], ids=["on one day", "day by day"])
def test_what_held_before_a_change_that_an_append_saw_is_known(lake: rm.Lake, apart: int) -> None:
    """As of a pull each day: the limit is known from the first one on, and what stays is no change."""
    for start, limits in ((0, (5, 5)), (apart, (5, 5)), (2 * apart, (5, 9)), (3 * apart, (9, 9))):
        rows = [
            {"time": START + start + at, "pod": "api-0", "working_set_bytes": 1 << 20, "limit_bytes": limit << 20}
            for half, limit in enumerate(limits)
            for at in range(3600 * half, 3600 * (half + 1), 600)
        ]
        lake.append(rm.Recording.from_frame(pl.DataFrame(rows)))
    recording = lake.recording()
    events = recording.events.select(pl.col("time").dt.epoch("s") - START, pl.col("value_bytes") // (1 << 20)).rows()
    assert events == [(0, 5), (2 * apart + 3600, 9)]
    assert rm.lives(recording)["limit_bytes"].to_list()[-1] == 9 << 20


def test_limits_of_two_sources_of_one_time_are_no_change(lake: rm.Lake) -> None:
    """When one took the other's place is not known: the later one counts, throughout."""
    for start, limit in ((0, 5), (3600, 9)):
        lake.append(fleet(range(start, start + 7200, 600), ["api"], limit_bytes=limit << 20))
    recording = lake.recording(pod="api-0")
    assert recording.events.height == 0
    assert rm.lives(recording)["limit_bytes"].to_list() == [9 << 20]


def test_events_that_a_later_pull_knows_better_are_replaced(lake: rm.Lake) -> None:
    """Between the given instants the new recording's events count alone, for its containers only."""

    def told(workload: str, *events: tuple[int, str]) -> rm.Recording:
        rows = [{"time": START + at, "kind": kind, "namespace": "shop", "workload": workload, "pod": f"{workload}-0",
                 "pod_uid": f"{workload}-uid-0", "container": "main"} for at, kind in events]  # fmt: skip
        table = fleet(range(0, 3000, 600), [workload]).frame()
        return rm.Recording.from_frame(table, events=pl.DataFrame(rows))

    def at(seconds: int) -> dt.datetime:
        return dt.datetime.fromtimestamp(START + seconds, dt.UTC)

    for workload in ("api", "db"):
        lake.append(told(workload, (100, "start"), (900, "start"), (2500, "start")))
    lake.append(told("api", (905, "start")), events_within=(at(500), at(2000)))
    events = lake.recording().events.join(lake.recording().containers, on="container_id")
    found = [(workload, int(time.timestamp()) - START) for workload, time in events.select("workload", "time").rows()]
    assert sorted(found) == [("api", 100), ("api", 905), ("api", 2500), ("db", 100), ("db", 900), ("db", 2500)]


def test_reports_of_many_files_are_not_added_up(lake: rm.Lake) -> None:
    """What was left out once stands once in the report of what is read."""
    table = (
        fleet(range(0, 3 * DAY, 3600))
        .frame()
        .vstack(fleet([60]).frame().with_columns(working_set_bytes=pl.lit(-1, pl.Int64())))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rmtoolkit.exceptions.warnings.warn", lambda *_, **__: None)
        recording = rm.Recording.from_frame(table)
    assert recording.report.left_out["values that were negative or absurd"] == 6
    lake.append(recording)
    assert lake.recording().report.left_out["values that were negative or absurd"] == 6


def test_scan_is_one_lazy_table(lake: rm.Lake) -> None:
    """Questions of one's own go to all samples at once, without reading what is not asked for."""
    lake.append(fleet(range(0, DAY, 600)))
    top = lake.scan().filter(pl.col("workload") == "api").group_by("pod").agg(pl.col("working_set_bytes").max())
    assert top.sort("pod").collect().rows() == [("api-0", 1_085_800), ("api-1", 2_085_800)]
    assert set(SIGNALS) <= set(lake.scan().collect_schema().names())


def test_a_lake_is_a_source_like_any_other(lake: rm.Lake, tmp_path: Path) -> None:
    """`rm.read` and the command line take its folder, and a glob that finds it."""
    lake.append(fleet(range(0, DAY, 600)))
    assert same(rm.read(lake.path), lake.recording())
    assert same(rm.read(str(tmp_path / "la*")), lake.recording())
    done = subprocess.run(
        [sys.executable, "-m", "rmtoolkit", "classify", str(lake.path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "shop/api" in done.stdout


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flip"])
def test_a_damaged_file_is_named_and_the_rest_is_read(lake: rm.Lake, damage: str) -> None:
    """Reading warns and counts; appending to it refuses, so that nothing is written over."""
    lake.append(fleet(range(0, 2 * DAY, 600)))
    file = lake.files()[0]
    data = bytearray(file.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "flip":
        data[len(data) // 10] ^= 0xFF
    else:
        data = bytearray(b"" if damage == "empty" else b"no parquet")
    file.write_bytes(data)
    lost = rm.Lake(lake.path)
    with pytest.warns(RmtoolkitWarning, match=rf"1 of \d files of .* could not be read; the first: .*{file.name}"):
        recording = lost.recording()
    assert recording.report.left_out["files that could not be read"] == 1
    assert 0 < recording.samples.height < 6 * 288
    with pytest.raises(ReadError, match=file.name):
        lake.append(fleet(range(0, 2 * DAY, 300)))
    assert file.read_bytes() == bytes(data)


def test_a_recording_put_among_the_files_is_told_from_a_partition(lake: rm.Lake) -> None:
    """It has no sums: the one line says what it is and what was expected."""
    lake.append(fleet(range(0, DAY, 600)))
    file = lake.files()[0]
    fleet(range(0, DAY, 600)).write(file)
    said = "found 'a recording from elsewhere', expected a partition of a lake."
    with pytest.raises(ReadError, match=f"{file.name}': {said}$"):
        _lake_files.read_partition(file)


def test_sums_tell_every_change_from_every_other() -> None:
    """Each container has a sum of its own: another value, unknown for 0, another time; nothing of its neighbour."""
    samples = fleet(range(0, 180, 60), ["api"]).samples.with_columns(
        rss_bytes=pl.Series([2**60, None, 3, 4, 5, None], dtype=pl.Int64)
    )
    signals, counts = ("working_set_bytes", "rss_bytes"), (3, 3)
    first, second = _lake_files.checksums(samples, signals, counts)
    # Lakes that were written before have these: other ones would make all that is appended to them a change.
    assert (first, second) == (25705636, 673863485)
    assert _lake_files.checksums(samples, signals[:1], counts) == [4046939075, 2793094133]
    changes: list[tuple[str, int, Any]] = [
        ("rss_bytes", 0, 2**60 + 1),  # no float can tell these two apart
        ("rss_bytes", 0, None),
        ("rss_bytes", 1, 0),
        ("rss_bytes", 2, 2),
        ("working_set_bytes", 2, 7),
        ("time", 1, samples["time"][1] + dt.timedelta(milliseconds=1)),
    ]
    found = {(first, second)}
    for name, row, value in changes:
        column = samples[name].to_list()
        column[row] = value
        changed = samples.with_columns(pl.Series(name, column, dtype=samples.schema[name]))
        sums = _lake_files.checksums(changed, signals, counts)
        assert sums[1] == second
        found.add((sums[0], sums[1]))
    assert len(found) == 1 + len(changes)
    assert _lake_files.checksums(samples, signals, (3, 2)) == []


def test_values_that_were_changed_in_a_file_do_not_pass(lake: rm.Lake) -> None:
    """A file that can be read and holds other samples than were written is damaged."""
    lake.append(fleet(range(0, DAY, 600), ["api"]))
    file = lake.files()[0]
    metadata = pl.read_parquet_metadata(file)
    changed = pl.read_parquet(file).with_columns(pl.col("working_set_bytes") + 1)
    changed.write_parquet(file, metadata={key: value for key, value in metadata.items() if key.startswith("rmtoolkit")})
    with pytest.raises(ReadError, match="other samples than were written"):
        lake.recording()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (None, "no lake"),
        ("{", "a marker that cannot be read"),
        ('{"format": 99, "buckets": 4}', r"format 99.*Update rmtoolkit"),
        ('{"format": 1, "buckets": 0}', "0 buckets"),
        *(
            (f'{{"format": {version}, "buckets": {buckets}}}', "a marker that cannot be read")
            for hostile in ("1e999", "NaN", "null", "[]", "9" * 5000, "[" * 100_000)
            for version, buckets in ((1, hostile), (hostile, 1))
        ),
    ],
)
def test_what_is_no_lake_is_refused(tmp_path: Path, marker: str | None, message: str) -> None:
    """Without a marker, with a broken one, or one of the future, one clear error says so."""
    if marker is not None:
        (tmp_path / MARKER).write_text(marker)
    with pytest.raises(ReadError, match=message):
        rm.Lake(tmp_path).recording()


@pytest.mark.parametrize(
    "span",
    [
        ["2026-11-20", "2026-11-30"],
        ["2026-11-20T00:00:00+00:00", "2026-11-30"],
        ["0001-01-01T00:00:00+14:00", "2026-11-30T00:00:00+00:00"],
        ["2026-11-20T00:00:00+00:00", "9999-12-31T23:59:59-14:00"],
        ["9" * 5000, ""],
        [1e400, 5],
        [],
    ],
    ids=lambda span: str(span)[:60],
)
def test_a_list_of_pulls_that_cannot_be_stops_nobody(span: list[object], tmp_path: Path) -> None:
    """Who reads the lake is told, and reads it; all is pulled again."""
    lake = rm.Lake(tmp_path / "lake", buckets=1)
    lake.append(fleet([0]))
    other = [["2026-11-21T00:00:00+00:00", "2026-11-22T00:00:00+00:00"]]
    for told in ({"asked": [span], "pulled": []}, {"asked": other, "pulled": [span]}, [span]):
        (lake.path / "pulls.json").write_text(json.dumps({'{"url": "http://x"}': told}))
        with pytest.warns(RmtoolkitWarning, match="cannot be read: nobody knows what is missing"):
            assert lake.recording().height == fleet([0]).height


def test_a_lake_is_not_made_among_other_things(tmp_path: Path) -> None:
    """A folder with anything in it stays as it is."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RmtoolkitError, match="the folder holds other things"):
        rm.Lake(tmp_path).append(fleet([0]))
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_lake_says_so(lake: rm.Lake) -> None:
    """Nothing of that time is an error that names the lake."""
    lake.append(fleet([0]))
    with pytest.raises(ReadError, match="without any file of that time"):
        lake.recording(start="2027-01-01")
    with pytest.raises(RmtoolkitError, match="1 to 1000 buckets"):
        rm.Lake(lake.path, buckets=0)


def test_a_day_without_anything_of_that_hour_says_so(lake: rm.Lake) -> None:
    """A window behind the last sample of a day finds its file, but nothing in it; an expression may find nothing."""
    lake.append(fleet([0, 3600]))
    with pytest.raises(ReadError, match="without any file of that time"):
        lake.recording(start="2026-11-25T02:00", end="2026-11-25T03:00")
    assert lake.recording(start="2026-11-25T01:00", end="2026-11-25T03:00").samples.height == 6
    nobody = lake.recording(pl.col("pod") == "nobody")
    assert (nobody.containers.height, nobody.samples.height) == (0, 0)


def test_first_and_last_sample_need_two_days_only(lake: rm.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files of the first and of the last day are opened, and none between; a window looks at its own days."""
    lake.append(fleet([100, DAY, 2 * DAY, 3 * DAY + 500]))
    opened: list[str] = []
    extent = _lake_files.extent

    def noted(files: list[Path]) -> tuple[dt.datetime, dt.datetime] | None:
        opened.extend(file.stem for file in files)
        return extent(files)

    monkeypatch.setattr(_lake_files, "extent", noted)
    first, last = lake.times() or (None, None)
    assert first == dt.datetime.fromtimestamp(START + 100, dt.UTC)
    assert last == dt.datetime.fromtimestamp(START + 3 * DAY + 500, dt.UTC)
    buckets = len({file.parent.name for file in lake.files()})
    assert sorted(opened) == ["2026-11-25"] * buckets + ["2026-11-28"] * buckets
    inside = lake.window("2026-11-26", "2026-11-27T12:00").times()
    assert inside is not None
    assert [time.day for time in inside] == [26, 27]


def test_the_number_of_buckets_stays(lake: rm.Lake) -> None:
    """An existing lake keeps its own, whatever is asked for later."""
    rm.Lake(lake.path, buckets=3).append(fleet([0]))
    rm.Lake(lake.path, buckets=50).append(fleet([60]))
    assert json.loads((lake.path / MARKER).read_text())["buckets"] == 3
    assert lake.partitions()["bucket"].max() == max(lake.partitions()["bucket"].to_list())
    assert set(lake.partitions()["bucket"].to_list()) <= {0, 1, 2}


APPEND: Final = """
import sys
import tempfile
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
from test_lake import fleet
import rmtoolkit as rm
times = range({start}, {end}, 600)
print("ready", flush=True)
rm.Lake({path!r}, buckets=8).append(fleet(times, [f"w{{n}}" for n in range(8)]))
"""


def appender(path: Path, start: int, end: int) -> subprocess.Popen[str]:
    """A process that appends."""
    code = APPEND.format(root=str(ROOT), tests=str(ROOT / "tests"), path=str(path), start=start, end=end)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_limits_that_cannot_be_are_told_once_of_a_lake_of_before(
    lake: rm.Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files older versions wrote with them."""
    with monkeypatch.context() as patch:
        patch.setattr("rmtoolkit.recording._possible", lambda containers, events: (containers, events, 0))
        for day in range(3):
            times = range(day * DAY, (day + 1) * DAY, 3600)
            rows = [{"time": at, "pod": "db-0", "rss_bytes": 10**8, "limit_bytes": 2} for at in times]
            lake.append(rm.Recording.from_frame(pl.DataFrame(rows)))
    with pytest.warns(RmtoolkitWarning) as told:
        found = rm.classify(lake)
    assert [str(one.message).partition(" below")[0] for one in told] == ["Left out 1 limit"]
    assert found["limit_bytes"].to_list() == [None]


def test_appends_side_by_side_wait_for_each_other(lake: rm.Lake) -> None:
    """Three processes that append overlapping stretches to the same files lose nothing of each other."""
    with appender(lake.path, 0, 2 * DAY) as one, appender(lake.path, DAY, 3 * DAY) as two:
        for process in (one, two):
            process.wait(60)
    assert (one.returncode, two.returncode) == (0, 0)
    assert same(lake.recording(), fleet(range(0, 3 * DAY, 600), [f"w{number}" for number in range(8)]))


def test_reading_while_somebody_appends_sees_whole_files(lake: rm.Lake) -> None:
    """A reader beside an appender never meets half a file."""
    lake.append(fleet(range(0, DAY, 600), [f"w{number}" for number in range(8)]))
    with appender(lake.path, 0, 4 * DAY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while process.poll() is None:
            assert lake.recording().samples.height >= 16 * 144
    assert lake.recording().samples.height == 4 * 16 * 144


def test_a_folder_that_cannot_be_written_to_is_said(lake: rm.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer comes as one sentence."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RmtoolkitError, match=r"Could not write to the lake .*: permission denied"):
        lake.append(fleet([0]))


def test_a_lake_moves_as_a_folder(lake: rm.Lake, tmp_path: Path) -> None:
    """Nothing in it knows where it is."""
    lake.append(fleet(range(0, DAY, 3600)))
    shutil.move(lake.path, tmp_path / "elsewhere")
    assert same(rm.Lake(tmp_path / "elsewhere").recording(), fleet(range(0, DAY, 3600)))
    assert os.fspath(lake.path).encode() not in b"".join(state(tmp_path / "elsewhere").values())


def test_hostile_names_are_only_names(lake: rm.Lake) -> None:
    """Paths, quotes, line breaks and lone surrogates in labels neither leave the folder nor break a file."""
    names = ["../../etc", 'a"b', "a\nb", "bucket=000", "日本", ""]
    recording = fleet([0, 60], names)
    lake.append(recording)
    assert same(lake.recording(), recording)
    assert all(file.is_relative_to(lake.path) for file in lake.files())


FULL: Final = """
import resource, sys
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
from test_lake import DAY, fleet
import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    rm.Lake({path!r}).append(fleet(range(0, 2 * DAY, 60)))
except RmtoolkitError as error:
    print(error)
"""


def test_a_disk_that_is_full_spoils_nothing(lake: rm.Lake) -> None:
    """One sentence names the file; what was in the lake is whole, and nothing half-written stays."""
    recording = fleet(range(0, DAY, 3600))
    lake.append(recording)
    before = state(lake.path)
    code = FULL.format(root=str(ROOT), tests=str(ROOT / "tests"), path=str(lake.path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.match(r"Could not write '.*2026-11-2[56]\.parquet': file too large", done.stdout), done.stdout
    assert state(lake.path) == before
    assert same(lake.recording(), recording)


def test_what_was_pulled_is_joined_and_the_rest_is_missing() -> None:
    """Stretches that touch become one; what lies between them, and the overlap at their ends, is to be pulled."""
    at = [dt.datetime(2026, 11, 25, hour, tzinfo=dt.UTC) for hour in range(10)]
    hour = dt.timedelta(hours=1)
    spans = _lake_files.union([(at[5], at[6]), (at[1], at[3]), (at[2], at[2]), (at[6], at[7])])
    assert spans == [(at[1], at[3]), (at[5], at[7])]
    assert _lake_files.missing((at[0], at[9]), spans, dt.timedelta(0)) == [
        (at[0], at[1]),
        (at[3], at[5]),
        (at[7], at[9]),
    ]
    assert _lake_files.missing((at[2], at[8]), spans, hour) == [(at[2], at[5]), (at[6], at[8])]
    assert _lake_files.missing((at[5], at[7]), spans, dt.timedelta(0)) == []


def test_what_a_source_owes_is_what_was_asked_of_it_and_has_not_come(tmp_path: Path) -> None:
    """Hour by hour, in whatever order and however often the same is asked for and comes; of another source nothing."""
    lot = random.Random(7)  # noqa: S311
    at = [dt.datetime(2026, 11, 25, tzinfo=dt.UTC) + dt.timedelta(hours=hour) for hour in range(25)]
    asked: set[int] = set()
    come: set[int] = set()
    for _ in range(40):
        low, high = sorted(lot.sample(range(25), 2))
        span, comes = (at[low], at[high]), lot.random() < 0.5
        _lake_files.note(tmp_path, "a", asked=None if comes else span, pulled=span if comes else None)
        hours = come if comes else asked
        hours |= set(range(low, high))
        known = _lake_files.read_pulls(tmp_path / _lake_files.FILE)
        owed = {hour for start, end in known["a"].owed for hour in range(at.index(start), at.index(end))}
        assert owed == asked - come
        assert known["a"].pulled == _lake_files.union((at[hour], at[hour + 1]) for hour in come)
        assert list(known) == ["a"]
        if come == set(range(24)):
            asked, come = set(), set()
            (tmp_path / _lake_files.FILE).unlink()


@pytest.mark.parametrize(
    ("start", "end", "stretches"),
    [
        (None, None, "00:00 to {0} 01:00, {0} 02:00 to {0} 03:00, {0} 04:00 to {0} 05:00 and 2 more stretches"),
        (None, 6, "00:00 to {0} 01:00, {0} 02:00 to {0} 03:00, {0} 04:00 to {0} 05:00"),
        (5, None, "06:00 to {0} 07:00, {0} 08:00 to {0} 10:00"),
        (1, 4, "02:00 to {0} 03:00"),
        (9, 9.5, "08:00 to {0} 10:00"),
        (10, None, None),
        (None, 0, None),
    ],
)
def test_of_what_is_owed_that_is_said_which_is_looked_at(
    start: float | None, end: float | None, stretches: str | None, tmp_path: Path
) -> None:
    """Three stretches at most, and not those that another address of the same server has given."""
    begin = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)

    def hours(low: float, high: float) -> tuple[dt.datetime, dt.datetime]:
        return begin + dt.timedelta(hours=low), begin + dt.timedelta(hours=high)

    near, far = (json.dumps({"url": f"http://{name}", "namespace": "shop"}) for name in ("near", "far"))
    _lake_files.note(tmp_path, near, asked=hours(0, 10))
    for hour in (1, 3, 5):
        _lake_files.note(tmp_path, near, pulled=hours(hour, hour + 1))
    _lake_files.note(tmp_path, far, pulled=hours(7, 8))
    _lake_files.note(tmp_path, json.dumps({"url": "http://far", "namespace": "else"}), pulled=hours(0, 10))
    first, last = (None if hour is None else begin + dt.timedelta(hours=hour) for hour in (start, end))
    view = _lake_files.View(first, last)
    said = stretches and f"the pull from http://near lacks 2026-11-25 {stretches} UTC; run it again"
    assert _lake_files.owed_lines(tmp_path, view) == ((said.format("2026-11-25"),) if said else ())


def test_a_lake_may_have_one_bucket(lake: rm.Lake) -> None:
    """Everything is in the one there is."""
    rm.Lake(lake.path, buckets=1).append(fleet([0]))
    assert [file.parent.name for file in lake.files()] == ["bucket=000"]


def gauge(values: Sequence[int], at: int, **labels: str) -> Series:
    """Samples of one container from some number of samples on."""
    return of(WORKING_SET, [*values], {**K8S, **labels}, STEP * at)


UNSURE = "may go on what the lake has under another name"
#: What is appended to a lake, one after the other, and what each container then has; or what is said of it.
LAKES: dict[str, tuple[list[bytes], list[list[int]], str]] = {
    "a label begins to part them": (
        [
            answer(gauge(LEAK[:40], 0, region="eu")),
            answer(gauge(LEAK[20:], 20, region="eu"), gauge(FLAT[20:], 20, region="us")),
        ],
        [FLAT[20:], LEAK[20:], LEAK[:40]],
        UNSURE,
    ),
    "a label begins to part them, without an overlap": (
        [answer(gauge(LEAK[:30], 0)), answer(gauge(LEAK[30:], 30, region="eu"), gauge(FLAT[30:], 30, region="us"))],
        [FLAT[30:], LEAK[:30], LEAK[30:]],
        UNSURE,
    ),
    "a label ceases to part them": (
        [
            answer(gauge(LEAK[:40], 0, region="eu"), gauge(FLAT[:40], 0, region="us")),
            answer(gauge(LEAK[20:], 20, region="eu")),
            answer(gauge(LEAK[50:], 50), gauge(FLAT, 20, pod="db-1")),
        ],
        [FLAT[:40], FLAT, LEAK],
        "",
    ),
    "a cluster gets a name": (
        [answer(gauge(LEAK[:40], 0)), answer(gauge(LEAK[20:], 20, cluster="eu"))],
        [LEAK],
        "",
    ),
    "a namespace ceases to be said": (
        [answer(gauge(LEAK[:30], 0)), answer(gauge(LEAK[30:50], 30, namespace="")), answer(gauge(LEAK[50:], 50))],
        [LEAK],
        "",
    ),
    "a namespace begins to be said": (
        [answer(gauge(LEAK[:30], 0, namespace="")), answer(gauge(LEAK[30:], 30))],
        [LEAK[:30], LEAK[30:]],
        UNSURE,
    ),
    "nothing says of which namespace": (
        [
            answer(gauge(LEAK[:30], 0), gauge(FLAT[:30], 0, namespace="test")),
            answer(gauge(LEAK[30:], 30, namespace="")),
        ],
        [FLAT[:30], LEAK[:30], LEAK[30:]],
        UNSURE,
    ),
    "a pod of that name in another namespace": (
        [answer(gauge(LEAK, 0)), answer(gauge(FLAT, 0, namespace="test"))],
        [FLAT, LEAK],
        "",
    ),
    "two files of one name": (
        [same_answer(LEAK[:40], 0), same_answer(FLAT[:40], 7), same_answer(FLAT[20:], 7 + 20 * STEP)],
        [FLAT, LEAK[:40]],
        "",
    ),
    "two tables without names": (
        [table(LEAK, 0).replace(b",shop,db-0,db,", b",,,,"), table(FLAT, 7200).replace(b",shop,db-0,db,", b",,,,")],
        [LEAK + FLAT],
        "read as one",
    ),
    "the same file again": ([same_answer(LEAK, 0), same_answer(LEAK, 0)], [LEAK], ""),
}


@pytest.mark.parametrize("pulls", LAKES)
def test_a_lake_keeps_containers_apart_or_says_it(tmp_path: Path, pulls: str) -> None:
    """Containers go on under the name they have there, by their samples; where nothing tells which, all hear of it."""
    files, truth, said = LAKES[pulls]
    lake = rm.Lake(tmp_path / "lake")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RmtoolkitWarning)
        for name, content in zip("abc", files, strict=False):
            lake.append(read_back(tmp_path, f"{name}.json", content))
    found = lake.recording()
    signal = next(name for name in found.samples.columns[2:] if found.samples[name].count())
    assert sorted(levels(found, signal)) == sorted(truth)
    heard = str(caught[0].message) if caught else ""
    assert bool(said) == bool(heard)
    assert said in heard
    shown = rm.assess(lake).incomplete if said == UNSURE else " ".join(found.report.warnings)
    assert said in (shown or "")


WHO = {"namespace": "shop", "pod_uid": "uid-1", "workload": "database"}


@pytest.mark.parametrize("said", [[], ["namespace"], ["pod_uid"], ["workload"], [*WHO]], ids="-".join)
@pytest.mark.parametrize("days", ["+-", "-+", "+-+-"])
def test_what_some_appends_say_less_of_is_one_or_told(lake: rm.Lake, said: list[str], days: str) -> None:
    """Whoever was named whole goes on so, however little is said of it later; otherwise all hear that it is cut."""
    begin = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    names = {name: value for name, value in WHO.items() if name == "namespace" or name in said}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RmtoolkitWarning)
        for day, sign in enumerate(days):
            told = {name: value for name, value in names.items() if sign == "+" or name not in said}
            rows = [{"time": begin + dt.timedelta(days=day, hours=hour), "pod": "db-0", **told} for hour in range(24)]
            lake.append(pl.DataFrame(rows).with_columns(rss_bytes=pl.int_range(24) + (100 + day) * 1_000_000))
    found = lake.recording()
    # An id says which of several runs it is, and there is one.
    is_one = days[0] == "+" or set(said) <= {"pod_uid"}
    assert found.containers.height == (1 if is_one else 2)
    assert any(UNSURE in str(one.message) for one in caught) == (not is_one)
    assert bool(rm.assess(lake).incomplete) == (not is_one)
    assert found.samples.height == 24 * len(days)
    if is_one:
        assert found.containers.select(*names).row(0) == tuple(names.values())


@peak.needs_linux
def test_one_name_in_many_namespaces_is_paired_with_itself_alone(lake: rm.Lake) -> None:
    """As a store for each of thousands of tenants: all pairs of them took gigabytes."""
    code = """
        import datetime as dt, re, sys
        from pathlib import Path
        import polars as pl
        import rmtoolkit as rm
        lake, many = rm.Lake(sys.argv[1]), pl.DataFrame({"namespace": [f"tenant-{at}" for at in range(3000)]})
        for day in (20, 21):
            there = many.with_columns(time=dt.datetime(2026, 11, day, tzinfo=dt.UTC), pod=pl.lit("db-0"))
            lake.append(there.with_columns(rss_bytes=pl.int_range(1, pl.len() + 1) * 4096 + 10**8))
        print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    """
    words = [sys.executable, "-c", textwrap.dedent(code), str(lake.path)]
    printed = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
    assert lake.recording().containers.height == 3000
    assert int(printed) < 600 << 10


@pytest.mark.parametrize("counter", ["restarts_total", "oom_kills_total"])
@pytest.mark.parametrize("overlap", [0, 1])
def test_what_is_counted_between_two_appends_is_seen_or_told(lake: rm.Lake, counter: str, overlap: int) -> None:
    """A counter that stands higher in the next append says so where that begins with a scrape that is there."""
    rows = [{"time": 3600 * at, "pod": "db-0", "rss_bytes": 9, counter: 3 + (at >= 24)} for at in range(48)]
    lake.append(pl.DataFrame(rows[:24]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RmtoolkitWarning)
        lake.append(pl.DataFrame(rows[24 - overlap :]))
    found = lake.recording()
    assert found.events.height == overlap
    for said in (" ".join(str(one.message) for one in caught), " ".join(found.report.warnings)):
        assert ("counted in between" in said) == (not overlap)
