"""What a real Prometheus and promtool print as text is what the server answers."""

from __future__ import annotations

import subprocess
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import pytest

import rmtoolkit as rm
from tests.live.conftest import instant, pull
from tests.live.history import END
from tests.live.servers import T0, Prometheus, lines

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

METRIC = "container_memory_working_set_bytes"


def promtool(*words: str) -> bytes:
    """What it prints."""
    command = ["promtool", *words]
    return subprocess.run(command, capture_output=True, check=True).stdout


def get(url: str, accept: str = "text/plain") -> bytes:
    """The body of an answer."""
    asked = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
        body: bytes = answer.read()
        return body


def signal(recording: rm.Recording) -> pl.DataFrame:
    """Memory by container and time."""
    return (
        recording.frame()
        .select("namespace", "pod", "container", "time", "working_set_bytes")
        .drop_nulls("working_set_bytes")
    )


@pytest.mark.parametrize("what", ["dump", "dump-openmetrics"])
def test_a_dump_is_the_whole_history(server: Prometheus, tmp_path: Path, what: str) -> None:
    """Everything that is stored, by `promtool tsdb`, and the same by remote read: no sample differs."""
    (tmp_path / "dump.txt").write_bytes(promtool("tsdb", what, str(server._data)))
    read = signal(rm.read(tmp_path / "dump.txt").window(end=instant(END + 7)))
    asked = signal(pull(server))
    assert read.height > 1000
    assert read.equals(asked)


def test_a_range_that_promtool_asks_for(server: Prometheus, tmp_path: Path) -> None:
    """The steps that the server computes, as its JSON has them."""
    (tmp_path / "range.txt").write_bytes(
        promtool("query", "range", f"--start={T0}", f"--end={END}", "--step=5m", server.url, METRIC)
    )
    words = urllib.parse.urlencode({"query": METRIC, "start": T0, "end": END, "step": "5m"})
    (tmp_path / "range.json").write_bytes(get(f"{server.url}/api/v1/query_range?{words}"))
    assert signal(rm.read(tmp_path / "range.txt")).equals(signal(rm.read(tmp_path / "range.json")))


def test_an_instant_that_promtool_asks_for(server: Prometheus, tmp_path: Path) -> None:
    """A range in an instant query gives the samples as they were scraped."""
    query = f"{METRIC}[1h]"
    at = str(T0 + 7200)
    (tmp_path / "instant.txt").write_bytes(promtool("query", "instant", f"--time={at}", server.url, query))
    words = urllib.parse.urlencode({"query": query, "time": at})
    (tmp_path / "instant.json").write_bytes(get(f"{server.url}/api/v1/query?{words}"))
    assert signal(rm.read(tmp_path / "instant.txt")).equals(signal(rm.read(tmp_path / "instant.json")))


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_the_server_s_own_metrics(server: Prometheus, tmp_path: Path, accept: str) -> None:
    """One scrape of a real exporter: its RSS, and what it says is neither lost nor taken for memory."""
    content = get(f"{server.url}/metrics", accept)
    (tmp_path / "prom.txt").write_bytes(content)
    recording = rm.read(tmp_path / "prom.txt")
    said = next(line for line in content.decode().split("\n") if line.startswith("process_resident_memory_bytes "))
    assert recording.samples["rss_bytes"].to_list() == [int(float(said.split()[1]))]
    assert recording.containers["workload"].to_list() == ["prom"]
    # Its requests and the number of their times are one count.
    aside = ("series of metrics without a use", "samples of another metric that says the same")
    assert all(reason.startswith(aside) for reason in recording.report.left_out)


def test_federation_tells_the_time_of_the_scrape(tmp_path: Path) -> None:
    """Memory of a container that the server scrapes, as of the scrape, with its labels."""
    labels = {"namespace": "shop", "pod": "db-0", "container": "db", "odd": 'a"b\\c'}
    now = int(time.time()) - 30
    samples = lines("container_memory_rss", labels, [(now - 60, 5), (now, 7)])
    with Prometheus(tmp_path / "own", samples, external_labels="{cluster: eu}") as own:
        (tmp_path / "a.txt").write_bytes(get(f"{own.url}/federate?match[]=container_memory_rss"))
    recording = rm.read(tmp_path / "a.txt")
    assert recording.frame().select("cluster", "pod", "container", "anon_bytes").rows() == [("eu", "db-0", "db", 7)]
    assert recording.samples["time"].dt.epoch("s").to_list() == [now]
