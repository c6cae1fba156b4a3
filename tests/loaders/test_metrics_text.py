"""Metrics as text: scrapes, OpenMetrics, federation, promtool; whose they are, and when they were taken."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders import Form, recognise
from tests.loaders.conftest import T0
from tests.loaders.test_scenarios import LEAK, STEP, dump, exposition, openmetrics, queried, scrapes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What a service with tikv-jemalloc-ctl and the process collector of the client for Rust answers.
SCRAPE = """\
# HELP jemalloc_allocated_bytes Bytes allocated by the application.
# TYPE jemalloc_allocated_bytes gauge
jemalloc_allocated_bytes 104857600
# TYPE jemalloc_resident_bytes gauge
jemalloc_resident_bytes 1.25829120e+08
# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 157286400
# TYPE process_threads gauge
process_threads 9
# TYPE http_requests_total counter
http_requests_total{code="200",path="/a{b}\\\\ \\"c\\""} 1027
"""
MOMENT = dt.datetime.fromtimestamp(T0, dt.UTC)


def kept(folder: Path, name: str, text: str) -> Path:
    """A file that was last written at T0."""
    file = folder / name
    file.write_text(text)
    os.utime(file, (T0, T0))
    return file


def test_a_scrape_is_of_the_process_whose_file_it_is(tmp_path: Path) -> None:
    """Gauges of jemalloc and of the process: one container, called as the file, when the file was written."""
    recording = rm.read(kept(tmp_path, "api-7.prom", SCRAPE))
    assert recording.containers.select("pod", "workload", "workload_inferred").rows() == [("api-7", "api-7", True)]
    names = ["time", "allocated_bytes", "resident_bytes", "rss_bytes", "threads", "work_total"]
    assert recording.samples.select(names).rows() == [(MOMENT, 100 << 20, 120 << 20, 150 << 20, 9, 1027)]
    assert "when the file was last written" in recording.report.time_axis
    assert recording.report.left_out == {}


@pytest.mark.parametrize(
    ("name", "options", "moment", "says"),
    [
        ("api.prom", {"time": "2026-11-24T22:00"}, dt.datetime(2026, 11, 24, 22, tzinfo=dt.UTC), "as asked"),
        ("api-20261124-220000Z.prom", {}, dt.datetime(2026, 11, 24, 22, tzinfo=dt.UTC), "name of the file"),
        ("api_1795557600.txt", {}, dt.datetime(2026, 11, 24, 22, tzinfo=dt.UTC), "name of the file"),
    ],
)
def test_a_scrape_is_of_the_time_that_is_said(
    tmp_path: Path, name: str, options: dict[str, str], moment: dt.datetime, says: str
) -> None:
    """By the option, else by the file's name, which is then no part of the process's name."""
    recording = rm.read(kept(tmp_path, name, SCRAPE), **options)
    assert recording.samples["time"].to_list() == [moment]
    assert recording.containers["pod"].item() == "api"
    assert says in recording.report.time_axis


def test_files_of_one_process_are_one_container(tmp_path: Path) -> None:
    """What a timer saved under names with times is one series."""
    for index, value in enumerate(LEAK):
        (tmp_path / f"api-{T0 + STEP * index}.prom").write_text(f"# TYPE\nprocess_resident_memory_bytes {value}\n")
    recording = rm.read(tmp_path)
    assert recording.containers.height == 1
    assert recording.samples["rss_bytes"].to_list() == LEAK


def loop(text: Callable[[int], str]) -> str:
    """Scrapes one after another."""
    return "".join(text(index) for index in range(len(LEAK)))


def rss(index: int) -> str:
    """One scrape, shortened with grep."""
    return f"process_resident_memory_bytes {LEAK[index]}\n"


def utc(index: int) -> str:
    """What `date -u` prints before or after it."""
    return dt.datetime.fromtimestamp(T0 + STEP * index, dt.UTC).strftime("%a %b %d %H:%M:%S UTC %Y\n")


LOOPS = {
    "date before": loop(lambda index: utc(index) + rss(index)),
    "date after": loop(lambda index: rss(index) + utc(index)),
    "curl -i": loop(
        lambda index: (
            "HTTP/1.1 200 OK\n"
            + dt.datetime.fromtimestamp(T0 + STEP * index, dt.UTC).strftime("Date: %a, %d %b %Y %H:%M:%S GMT\n\n")
            + "# HELP process_resident_memory_bytes It.\n# TYPE process_resident_memory_bytes gauge\n" * 4
            + rss(index)
        )
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_with_dates_is_a_series(tmp_path: Path, name: str) -> None:
    """The time of a scrape stands before it or behind it."""
    recording = rm.read(kept(tmp_path, "api.log", LOOPS[name]))
    assert recording.samples["rss_bytes"].to_list() == LEAK
    assert recording.samples["time"].dt.epoch("s").to_list() == [T0 + STEP * index for index in range(len(LEAK))]


def test_scrapes_without_times_ask_for_the_interval(tmp_path: Path) -> None:
    """Nobody knows how far apart they are; with `interval=` the last one is of when the file was written."""
    file = kept(tmp_path, "api.log", loop(rss))
    with pytest.raises(ReadError, match=r"60 scrapes and no time stamp.*interval='15s'"):
        rm.read(file)
    recording = rm.read(file, interval="30s")
    assert recording.samples["rss_bytes"].to_list() == LEAK
    assert recording.samples["time"].to_list()[-1] == MOMENT


def test_what_has_no_time_of_its_own_is_of_the_scrape(tmp_path: Path) -> None:
    """The kubelet gives times with the memory of containers, and none with other metrics of the same scrape."""
    labels = '{container="db",namespace="shop",pod="db-0"}'
    text = f"# TYPE x gauge\ncontainer_memory_rss{labels} 5 {T0}000\ncontainer_memory_usage_bytes{labels} 7\n"
    recording = rm.read(kept(tmp_path, "node", text))
    assert recording.samples.select("time", "anon_bytes", "usage_bytes").rows() == [(MOMENT, 5, 7)]
    assert recording.report.time_axis == "as recorded, UTC"


def test_numbers_as_the_format_allows_them(tmp_path: Path) -> None:
    """NaN and infinities are counted and no amounts; blanks and comments are nothing."""
    values = ["NaN", "+Inf", "-Inf", "1e3", "  2.5E+3 ", ".5"]
    lines = [f"  process_resident_memory_bytes \t{value} {T0 + at}000" for at, value in enumerate(values)]
    with pytest.warns(RmtoolkitWarning, match="3 values that were NaN or infinite"):
        recording = rm.read(kept(tmp_path, "a.prom", "\n\n# a comment\n".join(["# TYPE a gauge", *lines, ""])))
    assert recording.samples["rss_bytes"].to_list() == [1000, 2500, 0]


PROSE = {
    "documentation": "# Metrics\n\nWe export these:\n\n    container_memory_rss{pod='a'} 5\n\nand others, which see.\n",
    "an example in a page": 'Ask for it.\n\nIt says\n\ncontainer_memory_rss{pod="a"} 5\n\nor something like it.\n',
    "other text with numbers": "alpha 5\nbeta 7\ngamma 9\n",
    "other braces": "fn main() {\n    let a = 5;\n}\n",
}


@pytest.mark.parametrize("name", PROSE)
def test_prose_is_no_metrics(tmp_path: Path, name: str) -> None:
    """A page that quotes metrics holds no recording."""
    assert recognise(kept(tmp_path, "README.md", PROSE[name]))[0] is Form.OTHER


TEXTS = {
    "exposition": exposition,
    "OpenMetrics": openmetrics,
    "promtool tsdb dump": dump,
    "promtool query range": queried,
    "scrapes": scrapes,
}
SERIES = ({"__name__": "container_memory_rss", "pod": "db-0", "container": "db"}, LEAK, 0)


@given(share=st.floats(0, 1), form=st.sampled_from(sorted(TEXTS)))
def test_a_file_that_is_cut_gives_its_beginning(
    tmp_path_factory: pytest.TempPathFactory, share: float, form: str
) -> None:
    """Cut anywhere: the samples before, or one clear error; of a number that is cut, nothing larger than it was."""
    content = TEXTS[form](SERIES)
    file = tmp_path_factory.mktemp("cut") / "a.prom"
    file.write_bytes(content[: int(share * len(content))])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RmtoolkitWarning)
            recording = rm.read(file)
    except RmtoolkitError as error:
        told = str(error)
        assert "a.prom" in told
        return
    values = recording.samples["anon_bytes"].to_list()
    assert values[:-1] == LEAK[: len(values) - 1]
    assert values[-1] <= LEAK[len(values) - 1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_other_shells_write_is_read(tmp_path: Path, encoding: str) -> None:
    """PowerShell writes UTF-16 and line feeds of its own."""
    file = tmp_path / "a.txt"
    file.write_bytes(exposition(SERIES).decode().replace("\n", "\r\n").encode(encoding))
    assert rm.read(file).samples["anon_bytes"].to_list() == LEAK


def test_a_metric_is_named_as_in_answers(tmp_path: Path) -> None:
    """`metrics=` and `labels=` say of text what they say of JSON."""
    file = kept(tmp_path, "a.prom", f'# TYPE heap gauge\nheap{{box="db-0"}} 5 {T0}000\n')
    recording = rm.read(file, metrics={"heap": "allocated_bytes"}, labels={"box": "pod"})
    assert recording.frame().select("pod", "allocated_bytes").rows() == [("db-0", 5)]


def test_text_among_other_files_of_a_folder(tmp_path: Path) -> None:
    """A scrape of kube-state-metrics tells the limits of containers whose memory another file has."""
    (tmp_path / "ksm.prom").write_text(
        "# TYPE kube_pod_container_resource_limits gauge\n"
        'kube_pod_container_resource_limits{pod="db-0",container="db",resource="memory",unit="byte"} 5e8 '
        f"{T0}000\n"
    )
    (tmp_path / "memory.txt").write_bytes(queried(SERIES))
    recording = rm.read(tmp_path)
    assert recording.containers.select("pod", "container", "limit_bytes").rows() == [("db-0", "db", 500_000_000)]


def test_a_last_line_that_is_cut_is_said(tmp_path: Path) -> None:
    """Nobody knows whether it is whole, so it is not used, and a warning says so."""
    file = kept(tmp_path, "api.prom.gz", "")
    file.write_bytes(gzip.compress(f"{SCRAPE}process_virtual_memory_bytes 15728".encode()))
    with pytest.warns(RmtoolkitWarning, match="1 series at the end of cut-off files"):
        recording = rm.read(file)
    assert recording.containers["pod"].to_list() == ["api"]
