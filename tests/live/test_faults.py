"""Networks break: what arrives in the end is whole, and nothing arrives twice."""

from __future__ import annotations

import logging
import socketserver
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.loaders.server import ServerError, TooMuchError
from tests.benchmarks.faulted_fetches import GOOD, Fetch, fetched, outcomes, planned
from tests.live.conftest import instant, pull, whole
from tests.live.history import END
from tests.live.proxy import FAULTS, SPOILED, Proxy, Seen, at_random
from tests.live.servers import T0, Prometheus

if TYPE_CHECKING:
    from pathlib import Path

_SECRET = "s3cr3t-w0rd-that-nobody-sees"  # noqa: S105 - looked for, not used
_PULLS = 24
_FAULTS = 125
_OPTIONS: dict[str, Any] = {"backoff_seconds": 0.0005, "retries": 40, "timeout_seconds": 20.0}


@pytest.mark.filterwarnings("ignore:.*JSON was read instead")
def test_hundreds_of_faults_over_many_pulls_change_nothing(
    server: Prometheus,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refusals, resets, cut and slow answers at random: each pull is what it would be without; no secret leaks."""
    caplog.set_level(logging.DEBUG)
    wanted: list[dict[str, Any]] = [
        {"namespace": "shop"},
        {"pod": "ha-0"},
        {"namespace": "restart"},
        {"namespace": "exact", "step": "5m"},
    ]
    undisturbed = [whole(server, **asked) for asked in wanted]
    found = undisturbed[0]
    begun = time.monotonic()
    faults: Counter[str] = Counter()
    texts: list[str] = []
    for number in range(_PULLS):
        with Proxy(server.url, at_random(0.55, number), packed=number % 3 == 0) as proxy:
            # Half of them as JSON, the others by remote read.
            way = bool(number % 2)
            source = rm.Prometheus(f"{proxy.url}/?key={_SECRET}", token=_SECRET, remote_read=way, **_OPTIONS)
            with source:
                found = source.recording(start=instant(T0), end=instant(END + 7), **wanted[number // 2 % 4])
            faults += proxy.faults
        expected = undisturbed[number // 2 % 4]
        assert found.samples.equals(expected.samples)
        assert found.events.equals(expected.events)
        assert found.report.left_out == expected.report.left_out
        assert found.report.partial == ()
        texts += [repr(source), repr(found), repr(found.report), repr(source._client), repr(source._client.auth)]
    assert faults.total() >= _FAULTS
    assert set(faults) == set(FAULTS)
    assert time.monotonic() - begun < 300
    found.write(tmp_path / "kept.parquet")
    texts += [record.getMessage() for record in caplog.records]
    assert [text for text in texts if _SECRET in text] == []
    assert _SECRET.encode() not in (tmp_path / "kept.parquet").read_bytes()


def test_what_arrives_spoiled_is_never_taken_for_the_whole(server: Prometheus) -> None:
    """Login pages, half documents, missing frames, answers without series: the same recording, or it is said."""
    done = outcomes(server, planned(len(FAULTS) + len(SPOILED), seed=17))
    assert [one for one in done if one[1] not in GOOD] == []
    assert len({fetch.fault for fetch, _ in done}) == len(FAULTS) + len(SPOILED)


@pytest.mark.parametrize("named", [b"kube_pod_owner", b"kube_node_status"])
def test_facts_that_came_short_are_missed(server: Prometheus, named: bytes) -> None:
    """Memory that is whole does not make limits, owners and kills whole, nor limits of CPUs."""
    fetch = Fetch(0, "no series, and not a word", "all", remote_read=False, seed=0)
    wanted = fetched(server.url, fetch)

    def short(seen: Seen) -> str | None:
        return fetch.fault if named in seen.body and b"count+by" not in seen.body else None

    with Proxy(server.url, short) as proxy, pytest.warns(RmtoolkitWarning, match="it gave fewer series"):
        found = fetched(proxy.url, fetch)
    assert found.samples.equals(wanted.samples)
    assert "than it counted" in " ".join(found.report.partial)


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_that_stays_is_one_clear_error(
    server: Prometheus, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not pass is told with the server's words, within a bounded time, without the token."""
    caplog.set_level(logging.DEBUG)
    with Proxy(server.url, lambda _: fault) as proxy:
        source = rm.Prometheus(proxy.url, token=_SECRET, backoff_seconds=0.001, retries=2)
        if fault == "slow":
            # Slow but whole is only slow.
            assert source.recording(start=instant(T0), end=instant(END), pod="ha-0").samples.height
            return
        with pytest.raises(ServerError) as caught:
            source.recording(start=instant(T0), end=instant(END))
    assert proxy.url in str(caught.value)
    if fault.isdigit():
        assert f"HTTP {fault}: upstream is tired" in str(caught.value)
    assert _SECRET not in str(caught.value) + caplog.text
    assert caught.value.__context__ is None


def test_a_server_that_says_nothing_is_given_up(server: Prometheus) -> None:
    """Silence is told from an answer that is too slow."""
    release = threading.Event()

    def never(_: Seen) -> None:
        release.wait(10)

    with Proxy(server.url, never) as proxy:
        begun = time.monotonic()
        source = rm.Prometheus(proxy.url, timeout_seconds=0.2, backoff_seconds=0.001, retries=3)
        with pytest.raises(TooMuchError, match=r"it was silent for 0\.2 s"):
            source.recording(start=instant(T0), end=instant(END))
        assert time.monotonic() - begun < 60
        release.set()


@pytest.mark.parametrize(
    "begin",
    [b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["headers", "chunk", "body"],
)
def test_a_server_that_trickles_is_given_up(begin: bytes) -> None:
    """Bytes that keep coming, but far too slowly, do not hold a pull forever, wherever in the answer they stand."""
    over = threading.Event()

    class Trickling(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            with suppress(OSError):
                self.request.sendall(begin)
                while not over.wait(0.01):
                    self.request.sendall(b"0")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Trickling) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        begun = time.monotonic()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        source = rm.Prometheus(url, timeout_seconds=0.2, backoff_seconds=0.001, retries=3)
        # On a machine that is very busy, the bytes may pause for as long as silence may last.
        with pytest.raises(TooMuchError, match=r"it took longer than 1(\.2)? s to answer|it was silent for"):
            source.recording(start=instant(T0), end=instant(END))
        assert time.monotonic() - begun < 60
        over.set()
        server.shutdown()


def test_the_wait_that_a_server_asks_for_is_kept(server: Prometheus) -> None:
    """Retry-After goes before our own pace."""
    times: list[float] = []

    def first_time(_: Seen) -> tuple[int, dict[str, str], bytes] | None:
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}, b"slow down") if len(times) == 1 else None

    with Proxy(server.url, answer=first_time) as proxy:
        pull(proxy, pod="ha-0")
    assert times[1] - times[0] >= 0.99


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server: Prometheus) -> None:
    """A pull does not sleep for an hour: it says what the server said."""
    hour = (503, {"Retry-After": "3600"}, b'{"status":"error","errorType":"unavailable","error":"compacting"}')
    with Proxy(server.url, answer=lambda _: hour) as proxy, pytest.raises(ServerError, match="HTTP 503: compacting"):
        pull(proxy, pod="ha-0")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, b'{"status":"error","errorType":"execution","error":"query processing would load too many samples"}'),
        (503, b'{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}'),
        (413, b"request entity too large"),
    ],
    ids=["422", "503 timeout", "413"],
)
def test_what_is_too_much_is_asked_for_in_halves(server: Prometheus, status: int, body: bytes) -> None:
    """A server that bears half an hour at once gets requests of half an hour; the recording is the same."""
    refused: list[str] = []

    def too_much(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        text = seen.body.decode("utf-8", "replace")
        seconds = text.rpartition("%5B")[2].partition("s%5D")[0]
        if seen.path.endswith("/query") and seconds.isdigit() and int(seconds) > 1800:
            refused.append(seconds)
            return status, {"Content-Type": "application/json"}, body
        return None

    wanted = whole(server, namespace="shop")
    with Proxy(server.url, answer=too_much) as proxy:
        cut = pull(proxy, namespace="shop", options={"remote_read": False})
    assert refused
    assert cut.samples.equals(wanted.samples)
    assert cut.events.equals(wanted.events)
    assert "too large, halved since" in " ".join(cut.report.warnings)


def test_a_real_server_with_a_small_budget_is_asked_for_less(
    server: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Prometheus itself refuses to load more than 3,000 samples: all of them arrive, in smaller requests."""
    from tests.live.history import history

    folder = tmp_path_factory.mktemp("small")
    lines = [line for line in history() if 'namespace="shop"' in line]
    with Prometheus(folder, lines, "--query.max-samples=3000") as small:
        cut = pull(small, namespace="shop", options={"remote_read": False})
        assert cut.samples.equals(whole(server, namespace="shop").samples)


def test_more_than_fits_into_memory_is_not_begun(server: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole fleet, sample by sample, is refused before a single one is fetched; the message says what to do."""
    monkeypatch.setattr("rmtoolkit.loaders.prometheus.live._MOST_SAMPLES", 1_000)
    with Proxy(server.url) as proxy:
        with pytest.raises(TooMuchError, match=r"million samples\. For a whole fleet say step='1h'"):
            pull(proxy)
        assert len(proxy.seen) == 2
        assert pull(proxy, step="1h").samples.height


def test_a_server_that_cannot_look_eight_times_is_looked_at_once(server: Prometheus) -> None:
    """When finding out is too much already, one instant has to do."""

    def too_much(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        many = b"count+by" in seen.body and b"start=1700007192" not in seen.body
        return (422, {}, b'{"status":"error","errorType":"execution","error":"too many samples"}') if many else None

    with Proxy(server.url, answer=too_much) as proxy:
        assert pull(proxy, namespace="shop").samples.equals(whole(server, namespace="shop").samples)


def test_facts_that_fail_are_said_and_the_samples_stay(server: Prometheus) -> None:
    """A server that does not give limits and owners still gives memory: the report and a warning tell of it."""

    def no_facts(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        refused = b'{"status":"error","errorType":"bad_data","error":"not for you"}'
        about_facts = b"kube_pod_container_info" in seen.body and b"count+by" not in seen.body
        return (400, {}, refused) if about_facts else None

    with (
        Proxy(server.url, answer=no_facts) as proxy,
        pytest.warns(RmtoolkitWarning, match="limits, owners, restarts and versions are missing"),
    ):
        recording = pull(proxy, namespace="shop")
    assert recording.samples.height
    assert "not for you" in " ".join(recording.report.partial)


def test_two_pulls_at_once_do_not_disturb_each_other(server: Prometheus) -> None:
    """One source serves several threads."""
    wanted = whole(server, namespace="shop")
    source = rm.Prometheus(server.url)
    found: list[rm.Recording] = []

    def one() -> None:
        found.append(source.recording(start=instant(T0), end=instant(END + 7), namespace="shop"))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert all(one.samples.equals(wanted.samples) for one in found)
