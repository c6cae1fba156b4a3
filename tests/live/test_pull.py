"""`rmtoolkit pull` from a real Prometheus: nothing lost and nothing doubled, whatever interrupts it."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rmtoolkit as rm
from rmtoolkit.cli import main
from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.loaders import pull as pull_module
from rmtoolkit.loaders.pull import Pulled, pull
from rmtoolkit.loaders.server import ServerError
from rmtoolkit.schema import IDENTITY, SIGNALS
from tests import store
from tests.live.conftest import whole
from tests.live.history import END
from tests.live.proxy import Proxy, Seen
from tests.live.servers import T0, Prometheus, lines
from tests.views.test_triage_dashboard import inside

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[2]
STOP: Final = END + 7


def instant(seconds: float) -> dt.datetime:
    """Seconds since 1970 as a time."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def pulled(server: Prometheus | Proxy, lake: rm.Lake, **asked: Any) -> Pulled:
    """Pull the whole history, or what is asked of it."""
    window: dict[str, Any] = {"start": instant(T0), "end": instant(STOP)} | asked
    with rm.Prometheus(server.url, backoff_seconds=0.001, timeout_seconds=20) as source:
        return pull(source, lake, **window)


def at_once(server: Prometheus, **asked: Any) -> rm.Recording:
    """The same in one request, without a lake."""
    window: dict[str, Any] = {"start": instant(T0), "end": instant(STOP)} | asked
    with rm.Prometheus(server.url) as source:
        return source.recording(**window)


def named(recording: rm.Recording, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by the names of their containers."""
    names = recording.containers.select("container_id", *IDENTITY)
    return frame.join(names, on="container_id").drop("container_id")


def assert_same_samples(found: rm.Recording, wanted: rm.Recording) -> None:
    """Every sample once, with every value."""
    frames = [named(one, one.samples).sort([*IDENTITY, "time"]) for one in (found, wanted)]
    # Of a pair of servers each piece takes the one that has more: that is another test.
    alone = [frame.filter(pl.col("namespace").ne_missing("ha")) for frame in frames]
    assert alone[0].height == alone[1].height
    assert alone[0].equals(alone[1])


def assert_never_mixed(found: rm.Recording) -> None:
    """Of two servers that scrape 7 s apart, no instants of one between those of the other."""
    times = found.filter(namespace="ha").samples["time"]
    steps = times.diff().dt.total_milliseconds().drop_nulls()
    assert steps.filter(steps < 11_000).to_list() == []
    assert times.len() > 400


@pytest.fixture
def lake(tmp_path: Path) -> rm.Lake:
    """A lake that nothing is in yet."""
    return rm.Lake(tmp_path / "lake", buckets=2)


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 40 minutes: two hours are three."""
    length = dt.timedelta(minutes=40)
    monkeypatch.setattr(pull_module, "_FIRST", length)
    monkeypatch.setattr(pull_module, "_LONGEST", length)


@pytest.mark.usefixtures("pieces")
def test_a_pull_in_pieces_is_what_one_request_gives(server: Prometheus, lake: rm.Lake) -> None:
    """Samples to the last value and millisecond, and what happened to whom."""
    done = pulled(server, lake)
    assert done.pieces == 4  # one ends at midnight
    wanted = whole(server)
    assert_same_samples(lake.recording(), wanted)
    assert_never_mixed(lake.recording())
    kinds = ["oom_kill", "start", "error"]
    told = [
        named(one, one.events.filter(pl.col("kind").is_in(kinds))).group_by("pod", "kind").len().sort("pod", "kind")
        for one in (lake.recording(pod="api-7d4b9c8f6d-m8rtz"), wanted.filter(pod="api-7d4b9c8f6d-m8rtz"))
    ]
    assert told[0].equals(told[1])
    assert "oom_kill" in told[0]["kind"].to_list()
    about = [one.containers.drop("container_id", "cadence_seconds") for one in (lake.recording(), wanted)]
    assert_frame_equal(*about)
    assert about[0]["quota_cores"].count() == 3


#: What exporters call the signals of a recording of the lab.
EXPORTED: Final = {
    "working_set_bytes": "container_memory_working_set_bytes",
    "anon_bytes": "container_memory_rss",
    "threads": "container_threads",
    "allocated_bytes": "service_jemalloc_allocated_bytes",
    "resident_bytes": "service_jemalloc_resident_bytes",
    "free_bytes": "service_heap_free_bytes",
}


def exported(file: Path) -> list[str]:
    """A recording of one container as cAdvisor, kube-state-metrics and the service itself tell it."""
    recording = rm.read(file)
    about = recording.containers.row(0, named=True)
    place = {"namespace": about["namespace"], "pod": about["pod"], "container": about["container"]}
    made = []
    for name, metric in EXPORTED.items():
        told = recording.samples.select(pl.col("time").dt.epoch("ms") / 1000, name).drop_nulls()
        made += lines(metric, place, told.iter_rows())
    at = [time.timestamp() for time in recording.samples["time"]]
    limit = {**place, "resource": "cpu", "unit": "core"}
    made += lines("kube_pod_container_resource_limits", limit, ((time, about["quota_cores"]) for time in at))
    node = {"node": "n1", "resource": "cpu", "unit": "core"}
    made += lines("kube_node_status_capacity", node, ((time, about["node_cores"]) for time in at))
    info = {"namespace": about["namespace"], "pod": about["pod"], "node": "n1"}
    return made + lines("kube_pod_info", info, ((time, 1) for time in at))


@pytest.mark.usefixtures("pieces")
def test_causes_that_need_cpu_limits_are_told_of_a_server(tmp_path: Path, lake: rm.Lake) -> None:
    """Arenas and a runtime made for the whole machine, in one request and in a lake that was pulled in pieces."""
    with Path(ROOT / "data" / "causes" / "truth.csv").open(newline="") as truth:
        files = {row["run"]: row["recording"] for row in csv.DictReader(truth)}
    recordings = [ROOT / "data" / "causes" / f"{files[run]}.parquet" for run in ("arenas-1", "runtime-2")]
    # Node by node the same: the second is on the first one's machine.
    content = list(dict.fromkeys(line for file in recordings for line in exported(file)))
    times = pl.concat(rm.read(file).samples for file in recordings)["time"].sort()
    asked: dict[str, Any] = {"start": times[0], "end": times[-1], "metrics": {EXPORTED["free_bytes"]: "free_bytes"}}
    with Prometheus(tmp_path / "server", content) as server:
        wanted = at_once(server, **asked)
        pulled(server, lake, **asked)
    assert_frame_equal(*(one.containers.drop("cadence_seconds") for one in (wanted, lake.recording())))
    for told in (wanted, lake.recording()):
        found = rm.assess(told)
        assert set(found.workloads["cause"]) == {"arenas", "runtime"}
        said = found.evidence.filter(statistic="quota")["value"].to_list()
        assert sorted(said) == ["1 of 32", "2 of 32"]


@pytest.mark.usefixtures("pieces")
def test_a_pull_into_a_store_goes_on_where_it_was_stopped(server: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 in the place of the folder: stopped after two pieces and run again, it has every sample once."""
    seen: list[int] = []

    def stopped(_: dt.datetime, samples: int) -> None:
        seen.append(samples)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with store.serving() as url:
        for name, value in store.environment(url).items():
            monkeypatch.setenv(name, value)
        far = rm.Lake("s3://bucket/pulled", buckets=4)
        with pytest.raises(KeyboardInterrupt):
            pulled(server, far, progress=stopped)
        assert far.unfinished()
        assert pulled(server, far).pieces < 4
        assert far.unfinished() == ()
        assert_same_samples(far.recording(), whole(server))
        assert_never_mixed(far.recording())


@pytest.mark.usefixtures("pieces")
def test_a_second_pull_fetches_the_overlap_only_and_changes_nothing(server: Prometheus, lake: rm.Lake) -> None:
    """What the lake has is not fetched again, but for the end, and no file changes."""
    pulled(server, lake, namespace="shop")
    first = lake.recording()
    with Proxy(server.url) as between:
        done = pulled(between, lake, namespace="shop")
    assert done.pieces == 4  # another address is another source
    for name in ("containers", "samples", "events"):
        assert getattr(lake.recording(), name).equals(getattr(first, name)), name
    before = {file: file.read_bytes() for file in lake.files()}
    done = pulled(server, lake, namespace="shop")
    assert (done.pieces, done.files) == (1, 0)
    assert {file: file.read_bytes() for file in lake.files()} == before


def test_events_that_a_server_does_not_tell_again_stay(server: Prometheus, lake: rm.Lake) -> None:
    """Another pull knows all events of its stretch, unless a part of the answers did not come."""
    pulled(server, lake, namespace="shop")
    first = lake.recording().events
    assert {"start", "oom_kill"} <= set(first["kind"])
    silent = "no series, and it says so"

    def facts(seen: Seen) -> str | None:
        asked = seen.body + seen.path.encode()
        return silent if b"kube_" in asked and b"count+by" not in asked else None

    with Proxy(server.url, facts) as between, pytest.warns(RmtoolkitWarning, match="no store answers"):
        pulled(between, lake, namespace="shop")
    assert between.faults[silent]
    assert lake.recording().events.equals(first)


@pytest.mark.usefixtures("pieces")
def test_a_lake_grows_with_each_pull(server: Prometheus, lake: rm.Lake) -> None:
    """Pulled at odd moments, forwards and then further back, the lake has what one pull would give."""
    for start, end in ((2500, 3333.3), (2500, 4800), (3000, 7300), (0, 3000)):
        window = {"start": instant(T0 + start), "end": instant(min(T0 + end, STOP))}
        pulled(server, lake, namespace="shop", **window)
    assert_same_samples(lake.recording(), whole(server, namespace="shop"))
    spans = json.loads((lake.path / "pulls.json").read_text())
    assert [len(one["pulled"]) for one in spans.values()] == [1]


@pytest.mark.usefixtures("pieces")
def test_samples_that_come_late_are_found(server: Prometheus, lake: rm.Lake) -> None:
    """What the lake lost near its end comes with the next pull."""
    asked: dict[str, Any] = {"namespace": "shop", "end": instant(T0 + 3600)}
    pulled(server, lake, **asked)
    wanted = at_once(server, **asked)
    late = wanted.samples.filter(pl.col("time") <= instant(T0 + 3300))
    for file in lake.files():
        file.unlink()
    lake.append(rm.Recording(wanted.containers, late, wanted.events, wanted.report))
    pulled(server, lake, **asked)
    assert_same_samples(lake.recording(), wanted)


@pytest.mark.usefixtures("pieces")
def test_a_server_that_fails_in_between_costs_only_time(server: Prometheus, lake: rm.Lake) -> None:
    """A pull that dies of its server is gone on with by the next one."""
    asked = 0

    def breaks(_: Seen) -> str | None:
        nonlocal asked
        asked += 1
        return "reset" if asked > 25 else None

    with Proxy(server.url, breaks) as between:  # noqa: SIM117 - the error is of what is inside
        with rm.Prometheus(between.url, retries=0, timeout_seconds=5) as source, pytest.raises(ServerError):
            pull(source, lake, start=instant(T0), end=instant(STOP))
    pulled(server, lake)
    assert_same_samples(lake.recording(), whole(server))


#: What every command and page says of a lake whose pull was ended after 40 minutes.
UNFINISHED: Final = r"lacks 2023-11-14 22:53 to 2023-11-15 00:13 UTC; run it again"


@pytest.fixture
def unfinished(server: Prometheus, lake: rm.Lake, pieces: None) -> rm.Lake:  # noqa: ARG001 - the length of pieces
    """A lake whose pull was ended by its server after the first piece of four."""

    def ends(_: dt.datetime, samples: int) -> None:
        if samples:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pulled(server, lake, progress=ends)
    return lake


@pytest.mark.usefixtures("judged_once")
def test_a_lake_says_what_a_pull_still_owes(
    server: Prometheus, unfinished: rm.Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command and every page; the next pull goes on, whatever it is asked for, and then nothing is missing."""
    with pytest.warns(RmtoolkitWarning, match=f"is not complete: the pull from {server.url} {UNFINISHED}"):
        assert re.search(UNFINISHED, " ".join(unfinished.recording().report.partial))
    source = str(unfinished.path)
    for words in (["classify", source], ["limits", source], ["report", source, "-o", str(tmp_path / "a.html")]):
        assert main([*words, "--beside", str(tmp_path / "out")] if "report" in words else words) == 0
        out, err = capsys.readouterr()
        assert re.search(r"Not complete:.*lacks", out), words
        assert re.search(UNFINISHED, " ".join(out.split())), words
        assert "is not complete" in err
    for file in (tmp_path / "a.html", tmp_path / "out" / "summary.md"):
        assert re.search(r"Not complete:.*lacks 2023-11-14 22:53", file.read_text()), file
    with pytest.warns(RmtoolkitWarning, match="is not complete"):
        found = rm.assess(unfinished)
    assert re.search(UNFINISHED, found.incomplete or "")
    for board in (rm.Fleet(found), rm.Triage(found), rm.LimitExplorer(found)):
        texts = [one.value for one in inside(board) if isinstance(one, ipywidgets.HTML)]
        assert any(re.search(UNFINISHED, text) for text in texts), type(board)

    pulled(server, unfinished, start=instant(STOP - 60))
    assert_same_samples(unfinished.recording(), whole(server))
    assert rm.assess(unfinished).incomplete is None


def test_a_part_of_a_lake_owes_only_its_own(unfinished: rm.Lake) -> None:
    """What is looked at was there before the pull was ended."""
    assert unfinished.window(end=instant(T0 + 1200)).recording().report.partial == ()


def test_another_address_of_the_same_server_settles_what_is_owed(server: Prometheus, unfinished: rm.Lake) -> None:
    """Servers move: what came from the new address with the same filter has come."""
    with Proxy(server.url) as between:
        pulled(between, unfinished)
    assert unfinished.unfinished() == ()


def test_what_is_still_owed_is_said_after_a_pull_of_something_else(
    server: Prometheus, unfinished: rm.Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """One namespace from another address settles nothing of what the whole fleet still lacks."""
    words = ["-o", str(unfinished.path), "--namespace", "shop", "--start", instant(T0).isoformat()]
    with Proxy(server.url) as between:
        assert main(["pull", "--prometheus", between.url, *words, "--end", instant(STOP).isoformat()]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert re.match(rf"Pulled: .*Not complete: the pull from {server.url} {UNFINISHED}", told)


@pytest.mark.parametrize("minutes", [9, 45])
def test_of_a_pair_of_servers_one_is_kept_however_the_pieces_fall(
    server: Prometheus, lake: rm.Lake, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """The first gives way to the second while it is away and after it, never in between: in pieces of any length."""
    monkeypatch.setattr(pull_module, "_FIRST", dt.timedelta(minutes=minutes))
    monkeypatch.setattr(pull_module, "_LONGEST", dt.timedelta(minutes=minutes))
    pulled(server, lake, namespace="ha")
    assert_never_mixed(lake.recording())


@pytest.mark.usefixtures("pieces")
def test_what_a_pull_left_behind_after_midnight_is_known_to_the_next(server: Prometheus, lake: rm.Lake) -> None:
    """Ended between writing the first piece of a day and noting it, of a pair of servers still only one is kept."""
    midnight = T0 - T0 % 86_400 + 86_400
    pulled(server, lake, namespace="ha", end=instant(midnight))
    left = at_once(server, namespace="ha", start=instant(midnight), end=instant(midnight + 300))
    # As if the other server had been the one that was used.
    lake.append(replace(left, samples=left.samples.with_columns(pl.col("time") + dt.timedelta(seconds=7))))
    pulled(server, lake, namespace="ha")
    assert_never_mixed(lake.recording())


def test_steps_fall_on_the_same_instants_in_every_pull(server: Prometheus, lake: rm.Lake) -> None:
    """Pulled in two goes with a step, each instant stands once and has the value of its whole step."""
    pulled(server, lake, step="5m", namespace="shop", end=instant(T0 + 3600))
    pulled(server, lake, step="5m", namespace="shop")
    samples = lake.recording().samples
    assert (samples["time"].dt.epoch("s") % 300 == 0).all()
    assert samples.select("container_id", "time").is_duplicated().sum() == 0
    wanted = at_once(server, step="5m", namespace="shop", start=instant(T0 - T0 % 300), end=instant(STOP - STOP % 300))
    there = lake.recording()
    assert named(there, there.samples)["working_set_bytes"].max() == wanted.samples["working_set_bytes"].max()


def test_a_time_without_data_is_no_error_as_long_as_there_is_some(server: Prometheus, lake: rm.Lake) -> None:
    """A window that begins before the server's memory is pulled; one without anything says so."""
    done = pulled(server, lake, start=instant(T0 - 2 * 86_400), namespace="shop")
    assert done.samples > 0
    assert_same_samples(lake.recording(), whole(server, namespace="shop"))
    with pytest.raises(ServerError, match="has no samples at all"):
        pulled(server, lake, start=instant(T0 - 9 * 86_400), end=instant(T0 - 8 * 86_400))


def test_filters_are_sources_of_their_own(server: Prometheus, lake: rm.Lake) -> None:
    """What was pulled of one namespace does not stand for another."""
    pulled(server, lake, namespace="shop")
    assert lake.recording().containers["namespace"].unique().to_list() == ["shop"]
    pulled(server, lake)
    assert_same_samples(lake.recording(), whole(server))


def test_notes_that_cannot_be_read_cost_only_time(server: Prometheus, lake: rm.Lake) -> None:
    """Without them everything is pulled again, and nothing is doubled."""
    pulled(server, lake, namespace="shop")
    (lake.path / "pulls.json").write_text("{")
    with pytest.warns(RmtoolkitWarning, match=r"pulls\.json' cannot be read"):
        pulled(server, lake, namespace="shop")
    assert_same_samples(lake.recording(), at_once(server, namespace="shop"))


def test_the_command_line_says_what_it_did(
    server: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, status 0; the lake is a source for every other command; nothing in it holds a password.

    On a terminal a line is written over with how far it is.
    """
    folder = tmp_path / "fleet"
    address = server.url.replace("http://", "http://me:hunter2@")
    words = ["pull", "--prometheus", address, "-o", str(folder), "--namespace", "shop"]
    words += ["--start", instant(T0).isoformat(), "--end", instant(STOP).isoformat()]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Pulled: {folder} (2023-11-14 22:13 to 2023-11-15 00:13 UTC; ")
    assert err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main([*words, "--again"]) == 0
    told = r"(\rpulled to 2023-11-1\d \d\d:\d\d, [\d,]+ samples\x1b\[K)+\r\x1b\[K"
    assert re.fullmatch(told, capsys.readouterr().err)
    assert main(["classify", str(folder), "--no-color"]) == 0
    assert "shop/api" in capsys.readouterr().out
    assert not any(b"hunter2" in file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--last", "7 days"], "'7 days' is no duration"),
        (["--last", "1h", "--start", "2026-11-25"], "either start or last"),
        (["--prometheus", "prometheus:9090"], "prometheus:9090"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, change: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, and no lake is made."""
    words = ["pull", "--prometheus", "http://127.0.0.1:9", "-o", str(tmp_path / "fleet"), *change]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "fleet").exists()


def test_pieces_follow_the_amount(server: Prometheus, lake: rm.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is much, pieces are short; where there is little, they are long."""
    monkeypatch.setattr(pull_module, "_FIRST", dt.timedelta(minutes=5))
    asked: dict[str, Any] = {"namespace": "shop", "end": instant(T0 + 3600)}
    many = pulled(server, lake, **asked).pieces
    monkeypatch.setattr(pull_module, "_ROWS", 300)
    lengths: list[dt.datetime] = []
    shown: Callable[[dt.datetime, int], None] = lambda until, _: lengths.append(until)  # noqa: E731
    few = pulled(server, rm.Lake(lake.path.with_name("other")), progress=shown, **asked).pieces
    assert many <= 3
    assert few == len(lengths) > many
    assert sum(lake.recording().samples[name].count() for name in SIGNALS) > 0
