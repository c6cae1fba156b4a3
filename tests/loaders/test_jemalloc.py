"""`rm.read_jemalloc_stats`: real documents with exact numbers, the shapes they come in, and bad input."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.loaders import allocators
from rmtoolkit.loaders.allocators import TOTALS, jemalloc_documents
from tests.loaders.outcomes import Outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

DATA: Final = Path(__file__).parents[1] / "data" / "jemalloc"
WRITTEN: Final = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)

#: Allocated, active, metadata, resident, mapped, retained.
KNOWN: Final = (1165784, 1261568, 2807408, 21889024, 25460736, 8093696)
INTERVAL: Final = (
    (8641056, 8699904, 2737008, 11350016, 14991360, 2834432),
    (17029664, 17121280, 2738416, 19771392, 23412736, 10141696),
    (1165784, 1261568, 2807408, 21958656, 25530368, 8024064),
)
SERVICE: Final = (20681264, 20815872, 4518704, 46166016, 56410112, 85147648)


def totals(recording: rm.Recording) -> list[tuple[int | None, ...]]:
    """The six totals of every sample."""
    return recording.samples.select(f"{name}_bytes" for name in TOTALS).rows()


def clocks(recording: rm.Recording) -> list[str]:
    """When there are samples."""
    return [f"{time:%H:%M:%S}" for time in recording.samples["time"]]


def document(allocated: int, uptime_s: float | None = None, *, text: bool = False) -> str:
    """Make a small document of the shape that jemalloc prints."""
    sizes = dict(zip(TOTALS, range(allocated, allocated + 6), strict=True))
    if text:
        words = ", ".join(f"{name}: {size}" for name, size in sizes.items()).replace("allocated", "Allocated")
        words = words.replace("metadata: ", "metadata: ").replace(", resident", " (n_thp 0), resident")
        arena = f"arenas[0]:\nassigned threads: 1\nuptime: {int(uptime_s * 1e9)}\n" if uptime_s is not None else ""
        return f'___ Begin jemalloc statistics ___\nVersion: "5.3.0"\n{words}\n{arena}--- End jemalloc statistics ---\n'
    arenas = {"stats.arenas": {"0": {"uptime_ns": int(uptime_s * 1e9)}}} if uptime_s is not None else {}
    return json.dumps({"jemalloc": {"version": "5.3.0", "stats": sizes, **arenas}}, separators=(",", ":"))


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., rm.Recording]:
    """Read a text as if it were a log last written at 2026-11-25 00:00 UTC."""

    def reader(text: str | bytes, **options: Any) -> rm.Recording:
        log = tmp_path / "api.stats.log"
        log.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(log, (WRITTEN.timestamp(), WRITTEN.timestamp()))
        return rm.read_jemalloc_stats(log, **options)

    return reader


@pytest.mark.parametrize(
    ("name", "expected", "uptime_ms"),
    [
        ("jemalloc_known_stats.txt", KNOWN, 624),
        ("jemalloc_known_stats.raw.json", KNOWN, 624),
        ("svc_jemalloc_stats.json.gz", SERVICE, 6988),
        ("svc_jemalloc_stats.json.txt.gz", (20681272, *SERVICE[1:]), 6992),
    ],
    ids=["text, one arena", "JSON, one arena", "JSON, five arenas", "text, five arenas"],
)
def test_a_real_document_gives_its_totals(name: str, expected: tuple[int, ...], uptime_ms: int) -> None:
    """Totals are exact; the process began as long ago as its first arena is old."""
    recording = rm.read_jemalloc_stats(
        DATA / name, time="2026-11-24T22:51", namespace="shop", pod="api-0", container="api"
    )
    assert totals(recording) == [expected]
    assert clocks(recording) == ["22:51:00"]
    start = dt.datetime(2026, 11, 24, 22, 51, tzinfo=dt.UTC) - dt.timedelta(milliseconds=uptime_ms)
    assert recording.events.select("kind", "time").rows() == [("start", start)]
    assert recording.containers.select("namespace", "workload", "pod", "container", "workload_inferred").row(0) == (
        "shop",
        "api",
        "api-0",
        "api",
        True,
    )
    assert recording.report.found == ("restarts",)


def test_real_documents_without_a_separator() -> None:
    """Three documents and a line of the program in one stream; without arenas they tell no age: interval= is needed."""
    source = DATA / "jemalloc_interval_mixed.stderr.txt"
    with pytest.raises(ReadError, match=r"found '3 documents and no time stamp'.*interval='15s'"):
        rm.read_jemalloc_stats(source)
    recording = rm.read_jemalloc_stats(source, interval="60s", time="2026-11-24", workload="known")
    assert totals(recording) == list(INTERVAL)
    assert clocks(recording) == ["00:00:00", "00:01:00", "00:02:00"]
    assert recording.containers.select("workload", "workload_inferred").row(0) == ("known", False)
    assert recording.events.is_empty()
    assert recording.report.found == ()


def test_parsed_documents_keep_what_later_readers_need() -> None:
    """Arenas of JSON and of text agree where both say the same; places and versions are kept."""
    as_text = jemalloc_documents((DATA / "jemalloc_known_stats.txt").read_text())[0]
    as_json = jemalloc_documents((DATA / "jemalloc_known_stats.raw.json").read_text())[0]
    assert (as_text.line, as_text.whole) == (2, True)
    assert (as_json.line, as_json.whole) == (2, True)
    assert as_text.data["version"] == as_json.data["version"]
    assert set(as_json.data["stats.arenas"]) == set(as_text.data["stats.arenas"]) == {"0"}
    arena, of_text = as_json.data["stats.arenas"]["0"], as_text.data["stats.arenas"]["0"]
    same = ("nthreads", "mapped", "retained", "base", "internal", "resident", "abandoned_vm", "tcache_bytes")
    assert {name: arena[name] for name in same} == {name: of_text[name] for name in same}
    merged = jemalloc_documents(gzip.decompress((DATA / "svc_jemalloc_stats.json.txt.gz").read_bytes()).decode())[0]
    assert set(merged.data["stats.arenas"]) == {"merged", "0", "1", "2", "3", "4"}
    assert merged.data["stats.arenas"]["merged"]["resident"] == SERVICE[3]


def after_a_date(body: str, second: int) -> str:
    return f"2026-11-24T22:51:{second}Z\n{body}\n"


def further_after_a_date(body: str, second: int) -> str:
    return f"Tue Nov 24 22:51:{second} UTC 2026\nserved 5 requests\n{body}\n"


def in_a_log_line(body: str, second: int) -> str:
    return f"2026-11-24T22:51:{second}.5Z INFO svc: {body}\n"


def as_cri(body: str, second: int) -> str:
    return "".join(f"2026-11-24T22:51:{second}.1Z stderr F {line}\n" for line in body.split("\n"))


def as_docker(body: str, second: int) -> str:
    time = f"2026-11-24T22:51:{second}Z"
    entries = ({"log": f"{line}\n", "stream": "stderr", "time": time} for line in body.split("\n"))
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def as_a_json_log(body: str, second: int) -> str:
    return json.dumps({"timestamp": f"2026-11-24T22:51:{second}Z", "fields": {"message": body}}) + "\n"


def with_timestamps(body: str, second: int) -> str:
    return "".join(f"2026-11-24T22:51:{second}.123456789Z {line}\n" for line in body.split("\n"))


@pytest.mark.parametrize("text", [False, True], ids=["JSON", "text"])
@pytest.mark.parametrize(
    "wrap",
    [after_a_date, further_after_a_date, in_a_log_line, as_cri, as_docker, as_a_json_log, with_timestamps],
    ids=lambda wrap: wrap.__name__,
)
def test_a_log_dates_its_documents(
    read: Callable[..., rm.Recording],
    wrap: Callable[[str, int], str],
    text: bool,
) -> None:
    """The stamp of the log is the time of the document, whoever wrote it."""
    recording = read(wrap(document(1000, text=text), 29) + wrap(document(2000, text=text), 59))
    assert clocks(recording) == ["22:51:29", "22:51:59"]
    assert recording.samples["allocated_bytes"].to_list() == [1000, 2000]
    assert recording.samples["retained_bytes"].to_list() == [1005, 2005]
    assert recording.report.time_axis == "as recorded, UTC"


def test_a_line_in_pieces_is_one_document(read: Callable[..., rm.Recording]) -> None:
    """A runtime cuts long lines: the pieces of a JSON document are put together."""
    body = document(1000)
    pieces = ("29Z stderr P " + body[:40], "29Z stdout F ready", "30Z stderr F " + body[40:])
    log = "\n".join(f"2026-11-24T22:51:{piece}" for piece in pieces)
    recording = read(log)
    assert (clocks(recording), recording.samples["allocated_bytes"].to_list()) == (["22:51:29"], [1000])


def test_bare_totals_of_a_filtered_log(read: Callable[..., rm.Recording]) -> None:
    """`grep Allocated` leaves one line a document; older versions print fewer totals: those are unknown, not 0."""
    recording = read("2026-11-24T22:51:29Z Allocated: 10, active: 20, mapped: 30\n")
    assert totals(recording) == [(10, 20, None, None, 30, None)]


def test_the_age_of_the_process_spaces_documents(read: Callable[..., rm.Recording]) -> None:
    """Without stamps, uptime gives an axis that ends when the file was written; a younger process is a new one."""
    ages = (10, 40, 100, 5, 35)
    recording = read("".join(document(index + 1, age) for index, age in enumerate(ages)))
    offsets = [(WRITTEN - time).total_seconds() for time in recording.samples["time"]]
    assert offsets == [125, 95, 35, 30, 0]
    assert "by the age of the process that jemalloc tells" in recording.report.time_axis
    assert "the time between two processes is not known" in recording.report.time_axis
    starts = recording.events.filter(pl.col("kind") == "start")["time"]
    assert [(WRITTEN - time).total_seconds() for time in starts] == [135, 35]
    from_start = read("".join(document(index + 1, age) for index, age in enumerate(ages)), time="2026-11-24")
    assert clocks(from_start)[:2] == ["00:00:00", "00:00:30"]


def test_a_restart_shows_in_stamped_documents(read: Callable[..., rm.Recording]) -> None:
    """Each process has one start event, at its true time."""
    log = "".join(
        f"2026-11-24T22:{minute}:00Z\n{document(minute, age)}\n" for minute, age in ((10, 60), (20, 660), (30, 120))
    )
    recording = read(log)
    assert recording.events.select("kind", pl.col("time").dt.minute()).rows() == [("start", 9), ("start", 28)]


def test_a_single_document_takes_the_time_of_the_file(read: Callable[..., rm.Recording]) -> None:
    """Nothing says when: the file's modification time, and the report says so; the workload is the file's name."""
    recording = read(document(1000))
    assert recording.samples["time"].to_list() == [WRITTEN]
    assert recording.report.time_axis == (
        "assumed: no time in the file; taken as when the file was last written (2026-11-25 00:00:00 UTC)"
    )
    assert recording.containers.select("workload", "workload_inferred", "pod", "source").row(0) == (
        "api",
        True,
        None,
        "jemalloc stats",
    )


def test_numbers_of_the_program_are_no_time_stamps(read: Callable[..., rm.Recording]) -> None:
    """A line such as `1795560689 bytes read` before a document does not date it."""
    recording = read(f"1795560689 bytes read\ntook 10:20 in all\n{document(1000)}")
    assert recording.samples["time"].to_list() == [WRITTEN]


def test_documents_without_a_stamp_among_others_are_counted(read: Callable[..., rm.Recording]) -> None:
    """One date line before two documents dates the first; the second is left out, not guessed."""
    with pytest.warns(RmtoolkitWarning, match="left out 1 document without a time stamp") as seen:
        recording = read(f"2026-11-24T22:51:29Z\n{document(1)}{document(2)}")
    assert seen[0].filename == __file__
    assert recording.samples["allocated_bytes"].to_list() == [1]


def test_a_document_cut_off_after_its_totals_still_counts(read: Callable[..., rm.Recording]) -> None:
    """The last thing a killed process wrote may be the best evidence: its totals come before its arenas."""
    log = f"2026-11-24T22:51:29Z\n{document(1)}\n2026-11-24T22:52:29Z\n{document(2, 5)[:-20]}"
    with pytest.warns(RmtoolkitWarning, match="1 document cut off after the totals"):
        recording = read(log)
    assert recording.samples["allocated_bytes"].to_list() == [1, 2]
    text = f"2026-11-24T22:51:29Z\n{document(1, text=True)[:-20]}\n2026-11-24T22:52:29Z\n{document(2, text=True)}"
    with pytest.warns(RmtoolkitWarning, match="1 document cut off after the totals"):
        recording = read(text)
    assert recording.samples["allocated_bytes"].to_list() == [1, 2]
    assert recording.report.left_out == {}


def test_a_document_cut_off_before_its_totals_is_left_out(read: Callable[..., rm.Recording]) -> None:
    """Without totals there is nothing to read in it."""
    log = f"2026-11-24T22:51:29Z\n{document(1)}\n2026-11-24T22:52:29Z\n{document(2)[:40]}"
    with pytest.warns(RmtoolkitWarning, match="left out 1 document without totals"):
        assert read(log).samples.height == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found 'an empty file', expected statistics that jemalloc's malloc_stats_print wrote"),
        (b"hello\n", "line 1: found 'hello'"),
        (b"<html>", r"found 'a web page \(HTML\)'"),
        (b"\0\1\2\3" * 9, "found 'binary data'"),
        (b'ready\n{"jemalloc":{"version"', "line 2: found 'a document without totals'.*built without stats"),
        (b'{"jemalloc": 5}', "found 'a document without totals'"),
        (b'{"jemalloc":' + b'{"a":' * 100_000, "found 'a document without totals'"),
    ],
    ids=["empty", "other text", "login page", "binary", "cut off", "no object", "deep"],
)
def test_what_cannot_be_read_gives_one_line(read: Callable[..., rm.Recording], data: bytes, message: str) -> None:
    """One line that names the file, what was found and what was expected."""
    with pytest.raises(ReadError, match=message) as caught:
        read(data)
    assert "api.stats.log" in str(caught.value)
    assert "\n" not in str(caught.value)


sizes = st.lists(st.integers(0, (1 << 62) - 6), min_size=1, max_size=5)


@given(sizes=sizes, text=st.booleans(), between=st.sampled_from(["", "\n", "done 5\n", "{} [] \n"]))
def test_any_amounts_come_back(sizes: list[int], text: bool, between: str) -> None:
    """Documents of any size in any number come back exactly, whatever stands between them."""
    log = "".join(document(size, text=text) + between for size in sizes)
    assert [found.totals()["allocated"] for found in jemalloc_documents(log)] == sizes


PIECES: Final = st.sampled_from(
    [
        document(5),
        document(6, 3),
        document(7, text=True),
        document(8, 4, text=True),
        document(9)[:50],
        document(9, text=True)[:60],
        "2026-11-24T22:51:29Z\n",
        "2026-11-24T22:51:30Z stderr F ",
        "\n",
        "noise ",
        '{"log": "',
        "arenas[0]:\n",
        "uptime: 5\n",
        "22:51:29\n",
        "11/12/2026 10:00:00\n",
        '{"jemalloc":{"stats":{"allocated":-1,"active":1e3,"resident":true}}}',
    ],
)


def test_any_mixture_gives_a_recording_or_one_clear_error() -> None:
    """Never anything but a sound Recording or an RmtoolkitError."""
    met = Outcomes()
    mixtures = st.lists(PIECES, max_size=8).map(lambda parts: "".join(parts).encode())

    @settings(max_examples=30)
    @example(data=document(5).encode(), interval="1s")
    @example(data=b"", interval=None)
    @given(data=st.one_of(mixtures, st.binary(max_size=200)), interval=st.sampled_from([None, "1s"]))
    def mixed(data: bytes, interval: str | None) -> None:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", RmtoolkitWarning)
            log = Path(folder, "a.log")
            log.write_bytes(data)
            recording = met.of(lambda: rm.read_jemalloc_stats(log, interval=interval))
            assert recording is None or recording.samples.height > 0

    mixed()
    assert met.recordings > 0
    assert met.errors > 0


def test_a_cell_of_twenty_digits_is_unknown() -> None:
    """Nineteen are the most that 64 bits hold; the other cells of its row are read."""
    assert allocators._row(f"{10**19} {10**18} 7", ["size", "bytes", "n"]) == {"bytes": 10**18, "n": 7}
