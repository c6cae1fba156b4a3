"""Remote read against a real Prometheus: the same samples as JSON, and the ends that JSON does not show."""

from __future__ import annotations

import gzip
import shutil
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.loaders.prometheus import HISTOGRAMS
from rmtoolkit.loaders.prometheus._remote_read import CONTENT_TYPE, HEADERS, request_body
from tests.live.conftest import instant, pull
from tests.live.history import STEP
from tests.live.proxy import Proxy, Seen
from tests.live.remote_write import STALE, histogram, series, write
from tests.live.servers import T0, Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "container_memory_working_set_bytes"
_SCRAPES = 100
_ENDS_AT = (T0 + 40 * STEP) * 1000 + 373
_LAST = T0 + _SCRAPES * STEP
_ADDED = "{cluster: lab, prometheus_replica: a, team: core}"


def labels(pod: str, node: str = "1", **more: str) -> dict[str, str]:
    """A container as cAdvisor names it."""
    place = {"__name__": _NAME, "namespace": "shop", "pod": pod, "container": "api"}
    return {**place, "id": f"/kubepods/{pod}/0", "job": "kubelet", "instance": f"10.0.0.{node}:10250", **more}


def points(first: int, last: int, base: float = 1e8) -> list[tuple[int, float]]:
    """Samples of a series, 373 ms after each whole step."""
    return [((T0 + STEP * number) * 1000 + 373, base + number * 4096) for number in range(first, last)]


def written() -> list[bytes]:
    """A pod that stays, one that vanishes, one that restarts, a node that is lost, and what is no gauge."""
    end = [(_ENDS_AT, STALE)]
    odd = [float("nan"), float("inf"), float("-inf"), -0.0, 1e9, 2.0**45]
    return [
        series(labels("stays-0"), points(0, _SCRAPES)),
        series(labels("gone-0"), points(0, 40) + end),
        series(labels("back-0", id="/kubepods/back-0/old"), points(0, 40, 5e8) + end),
        series(labels("back-0", id="/kubepods/back-0/new"), points(41, _SCRAPES)),
        series(labels("pause-0"), points(0, 40) + end + points(60, _SCRAPES)),
        series(labels("lost-0", node="2"), points(0, 40) + end),
        series(labels("odd-0"), [(at, value) for (at, _), value in zip(points(0, 6), odd, strict=True)]),
        series(labels("hist-0"), [], [histogram(at, 6) for at, _ in points(0, 9)]),
    ]


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with markers, histograms and external labels."""
    if shutil.which("prometheus") is None:
        pytest.skip("needs Debian's package prometheus: apt install prometheus")
    flags = ("--web.enable-remote-write-receiver", "--enable-feature=native-histograms")
    folder = tmp_path_factory.mktemp("marked")
    with Prometheus(folder, [], *flags, external_labels=_ADDED) as server:
        write(server.url, written())
        yield server


def fetched(server: Prometheus | Proxy, *, remote_read: bool = True, **asked: Any) -> rm.Recording:
    """What was written, by remote read or not."""
    options = {"remote_read": remote_read, "retries": 2}
    return pull(server, options=options, **{"end": instant(_LAST), **asked})


def times(recording: rm.Recording, pod: str) -> list[tuple[int, int | None]]:
    """Samples of a pod as (milliseconds, bytes)."""
    rows = recording.samples.join(recording.containers.filter(pod=pod), on="container_id", how="semi")
    return [(round(at.timestamp() * 1000), value) for at, value in rows.select("time", "working_set_bytes").iter_rows()]


def test_both_ways_give_the_same_recording(server: Prometheus) -> None:
    """Samples, containers, events and what was left out: equal, value by value, of a cluster with every oddity."""
    by_read, by_json = (pull(server, options={"remote_read": way}) for way in (True, False))
    assert by_read.samples.equals(by_json.samples)
    assert by_read.containers.equals(by_json.containers)
    assert by_read.events.equals(by_json.events)
    assert by_read.report == by_json.report


def test_every_byte_and_millisecond_is_what_was_written(marked: Prometheus) -> None:
    """From remote write to the recording and back, one by one, for each pod."""
    recording = fetched(marked)
    for pod, expected in {
        "stays-0": points(0, _SCRAPES),
        "gone-0": points(0, 40),
        "back-0": points(0, 40, 5e8) + points(41, _SCRAPES),
        "pause-0": points(0, 40) + points(60, _SCRAPES),
        "odd-0": [(at, value) for (at, _), value in zip(points(3, 6), [0, 1e9, 2.0**45], strict=True)],
    }.items():
        assert times(recording, pod) == [(at, int(value)) for at, value in expected], pod
    assert recording.report.left_out["values that were NaN or infinite"] == 3
    assert recording.report.left_out[HISTOGRAMS] == 1


def test_counts_are_the_servers(marked: Prometheus) -> None:
    """`count_over_time` counts the same samples; it does not count markers either."""
    recording = fetched(marked)
    for found in marked.query(f'count_over_time({_NAME}{{pod=~"stays-0|gone-0|pause-0"}}[1h])', _LAST):
        assert len(times(recording, found["metric"]["pod"])) == int(found["value"][1])


def test_a_marker_ends_a_container_and_nothing_else(marked: Prometheus) -> None:
    """The one that vanished ended at that millisecond; not the restarted, the paused, or those of a lost node."""
    recording = fetched(marked)
    ends = recording.events.filter(kind="end").join(recording.containers, on="container_id")
    assert ends.select("pod", pl.col("time").dt.epoch("ms"), "detail").rows() == [
        ("gone-0", _ENDS_AT, "no longer there"),
    ]
    table = rm.lives(recording).join(recording.containers, on="container_id")
    ended = {pod: table.filter(pod=pod).sort("life")["ended"].to_list() for pod in ("gone-0", "stays-0", "back-0")}
    assert ended == {"gone-0": ["end"], "stays-0": ["running"], "back-0": ["restart", "running"]}
    by_json = fetched(marked, remote_read=False)
    assert by_json.samples.equals(recording.samples)
    assert by_json.events.filter(kind="end").is_empty()


def test_external_labels_do_not_make_other_containers(marked: Prometheus) -> None:
    """The server adds them to a remote read only: with or without it, a container has one name."""
    recording, by_json = fetched(marked), fetched(marked, remote_read=False)
    assert recording.containers.equals(by_json.containers)
    assert recording.containers["cluster"].null_count() == recording.containers.height


def test_a_window_cuts(marked: Prometheus) -> None:
    """What is outside does not come in, at either end."""
    start, end = points(10, 11)[0][0], points(30, 31)[0][0]
    recording = fetched(marked, pod="stays-0", start=instant(start / 1000), end=instant(end / 1000))
    assert times(recording, "stays-0") == [(at, int(value)) for at, value in points(10, 31)]


def body_of(server: Prometheus) -> bytes:
    """The answer to a remote read, fetched without our own client."""
    data = request_body([("__name__", "=", _NAME)], T0 * 1000, _LAST * 1000)
    request = urllib.request.Request(f"{server.url}/api/v1/read", data, HEADERS)  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "bare"])
def test_a_saved_body_is_read_like_the_live_one(marked: Prometheus, tmp_path: Path, *, packed: bool) -> None:
    """The bytes of the answer in a file, `rm.read`, and the samples are those of the live source."""
    body = body_of(marked)
    file = tmp_path / "answer"
    file.write_bytes(gzip.compress(body) if packed else body)
    saved, live = rm.read(file), fetched(marked)
    assert saved.samples.equals(live.samples)
    assert saved.report.left_out == live.report.left_out
    assert set(saved.containers["cluster"]) == {"lab"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param((404, {}, b"404 page not found\n"), "HTTP 404", id="404"),
        pytest.param((400, {}, b'unsupported path requested: "/api/v1/read"'), "HTTP 400", id="400"),
        pytest.param((403, {}, b"forbidden"), "HTTP 403", id="403"),
        pytest.param((500, {}, b"boom"), "HTTP 500", id="500"),
        pytest.param((504, {}, b"gateway"), "HTTP 504", id="504"),
        pytest.param((200, {"Content-Type": "application/json"}, b'{"status":"success"}'), "json", id="JSON"),
        pytest.param((200, {"Content-Type": "text/html"}, b"<html>sign in</html>"), "text/html", id="HTML"),
        pytest.param((200, {"Content-Type": CONTENT_TYPE}, b"<html>sign in</html>"), "web page", id="hidden HTML"),
        pytest.param((200, {"Content-Type": CONTENT_TYPE}, b"sorry"), "something else", id="text"),
        pytest.param((200, {"Content-Type": CONTENT_TYPE}, b""), "fewer series", id="empty"),
    ],
)
def test_without_remote_read_json_is_used(
    marked: Prometheus, answer: tuple[int, dict[str, str], bytes], why: str
) -> None:
    """A server that does not have it gives the same samples soon, with one warning that says why."""

    def none_there(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        if seen.path.startswith("/api/v1/export"):
            return 404, {}, b""
        return answer if seen.path.startswith("/api/v1/read") else None

    with Proxy(marked.url, answer=none_there) as proxy:
        with pytest.warns(RmtoolkitWarning, match=f"JSON was read instead: .*{why}") as warned:
            found = fetched(proxy)
        asked = [seen.path for seen in proxy.seen]
    assert len(warned) == 1
    assert found.samples.equals(fetched(marked, remote_read=False).samples)
    assert asked.count("/api/v1/read") <= 2
    assert not found.report.partial
    assert "JSON was read instead" in " ".join(found.report.warnings)


def test_silence_is_not_waited_for_long(marked: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that never answers costs two short waits, however long answers may take."""
    monkeypatch.setattr("rmtoolkit.loaders.prometheus._fetch._HASTY_SECONDS", 0.1)
    over = threading.Event()

    def silent(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        if seen.path.startswith("/api/v1/read"):
            over.wait(60)
        return (404, {}, b"") if seen.path.startswith(("/api/v1/read", "/api/v1/export")) else None

    with Proxy(marked.url, answer=silent) as proxy:
        with pytest.warns(RmtoolkitWarning, match="JSON was read instead: .*silent for 0.1 s"):
            found = fetched(proxy)
        over.set()
    assert found.samples.equals(fetched(marked, remote_read=False).samples)


def test_a_cut_answer_is_asked_for_again(marked: Prometheus) -> None:
    """Its block says how long it is; the next answer is whole."""
    body = body_of(marked)[:-9]
    spoilt: list[Seen] = []

    def once(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        if seen.path != "/api/v1/read" or spoilt:
            return None
        spoilt.append(seen)
        return 200, {"Content-Type": CONTENT_TYPE}, body

    with Proxy(marked.url, answer=once) as proxy:
        found = fetched(proxy)
    assert spoilt
    assert found.samples.equals(fetched(marked).samples)


def test_an_answer_without_its_length_or_with_too_few_series_is_not_believed(marked: Prometheus) -> None:
    """What looks whole may lack what came later: JSON is read instead."""
    data = request_body([("__name__", "=", _NAME), ("pod", "=", "stays-0")], T0 * 1000, _LAST * 1000)
    request = urllib.request.Request(f"{marked.url}/api/v1/read", data, HEADERS)  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        first = answer.read()
    whole = fetched(marked, remote_read=False).samples
    for fault, why in (("cut unseen", "without its length"), (None, "fewer series")):
        with Proxy(marked.url, lambda seen, fault=fault: fault if seen.path == "/api/v1/read" else None) as proxy:  # type: ignore[misc]
            proxy.answer = lambda seen: (
                (200, {"Content-Type": CONTENT_TYPE}, first)
                if seen.path == "/api/v1/read"
                else (404, {}, b"")
                if seen.path.startswith("/api/v1/export")
                else None
            )
            with pytest.warns(RmtoolkitWarning, match=why):
                found = fetched(proxy)
        assert found.samples.equals(whole)


def test_an_answer_that_is_too_much_is_asked_for_in_halves(marked: Prometheus) -> None:
    """The first request is refused for its size; two of half the time bring the same."""
    refused: list[Seen] = []

    def once(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        if seen.path != "/api/v1/read" or refused:
            return None
        refused.append(seen)
        return 422, {}, b"exceeded sample limit (10)"

    with Proxy(marked.url, answer=once) as proxy:
        found = fetched(proxy)
    assert found.samples.equals(fetched(marked).samples)
    assert "1 request too large" in " ".join(found.report.warnings)
