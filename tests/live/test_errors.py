"""What is no Prometheus, or is not there, is one clear message with a hint."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.server import ServerError, TooMuchError
from tests.live.conftest import pull
from tests.live.proxy import Proxy
from tests.live.servers import T0, Prometheus, free_port

if TYPE_CHECKING:
    from pathlib import Path

_EMPTY = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<!doctype html><title>Sign in</title>", "it answered with a web page. That is no Prometheus"),
        (200, b'{"hello": "world"}', "its answer was damaged"),
        (200, b"OK", "its answer was damaged (no JSON)"),
        (401, b"", "It knows nobody without credentials"),
        (403, b'{"message": "not in your project"}', "HTTP 403: not in your project"),
        (404, b"404 page not found\n", "HTTP 404: 404 page not found. Is the path right?"),
        (400, b'{"status":"error","errorType":"bad_data","error":"parse error"}', "HTTP 400: parse error"),
        (502, b"<html><h1>Bad Gateway</h1></html>", "HTTP 502: a web page"),
        (200, _EMPTY, "It has no samples at all in the last minute of that"),
    ],
    ids=["login", "json", "text", "401", "403", "404", "400", "502", "empty"],
)
def test_an_answer_that_is_none(status: int, body: bytes, said: str) -> None:
    """Each is told with the server's own words and what to do."""
    with Proxy("", answer=lambda _: (status, {}, body)) as proxy:
        with pytest.raises(RmtoolkitError) as caught:
            pull(proxy, options={"retries": 1})
        assert said in str(caught.value)
        assert proxy.url in str(caught.value)
        assert "\n" not in str(caught.value)


def test_nobody_there_is_said_soon() -> None:
    """A refused connection is tried twice, not for minutes; the hint says how to reach into a cluster."""
    with pytest.raises(ServerError, match=r"the connection was refused\. Is it running.*kubectl port-forward"):
        rm.Prometheus(f"http://127.0.0.1:{free_port()}", backoff_seconds=0.01).recording()


def test_no_such_host_is_said() -> None:
    """A name that cannot be resolved is told apart from a server that is down."""
    with pytest.raises(ServerError, match="there is no such host"):
        rm.Prometheus("http://prometheus.invalid:9090", backoff_seconds=0.01).recording()


@pytest.mark.parametrize("url", ["prometheus:9090", "ftp://host", "http://", "http://host:port", ""])
def test_what_is_no_address_is_said_at_once(url: str) -> None:
    """Before anything is asked."""
    with pytest.raises(RmtoolkitError, match="is no address of a server"):
        rm.Prometheus(url)


@pytest.mark.parametrize("url", ["http://me:pa55/w0rd@host", "me:pa55@prometheus:9090", "http:/host/?token=pa55"])
def test_an_address_that_is_none_keeps_its_secrets(url: str) -> None:
    """A slip of the finger in an address does not show the password in it."""
    with pytest.raises(RmtoolkitError, match="is no address of a server") as caught:
        rm.Prometheus(url)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("path", ["/graph", "/graph?g0.expr=up&g0.tab=0", "/api/v1/query?", "/query", "/"])
def test_what_stands_in_a_browsers_address_bar_will_do(server: Prometheus, path: str) -> None:
    """The address of a page of the server's own is taken for that of the server."""
    assert rm.Prometheus(server.url + path).url == server.url
    assert pull(server, path=path, pod="ha-0").samples.height


def test_a_server_without_memory_of_containers_names_its_jobs(tmp_path: Path) -> None:
    """The metrics that were expected, and what is scraped instead."""
    from tests.live.servers import lines

    samples = lines("up", {"job": "node"}, ((T0 + 15 * number, 1) for number in range(480)))
    with Prometheus(tmp_path / "other", samples) as other:
        said = "no memory of containers.*container_memory_working_set_bytes.*it scrapes: node"
        with pytest.raises(ServerError, match=said):
            pull(other)


def test_the_command_line_reads_a_server(server: Prometheus, tmp_path: Path) -> None:
    """`rmtoolkit classify http://…` prints verdicts; a secret of the address is nowhere in what it says."""
    command = [sys.executable, "-m", "rmtoolkit", "classify", server.url.replace("//", "//me:pa55word@")]
    window = ["--start", "2023-11-14T22:13:20", "--end", "2023-11-15T00:13:20"]
    file = tmp_path / "verdicts.json"
    done = subprocess.run(
        [*command, *window, "--namespace", "shop", "-o", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "shop/api" in done.stdout
    assert server.url in done.stdout
    assert "pa55word" not in done.stdout + done.stderr + file.read_text()
    wrong = subprocess.run([*command, *window, "--namespace", "shopp"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "did you mean 'shop'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_an_answer_that_unpacks_to_too_much_is_not_unpacked(
    server: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes that become very many are read only as far as what counts series may be long."""
    seen: list[int] = []
    write = io.BytesIO.write

    class Counting(io.BytesIO):
        def write(self, piece: bytes, /) -> int:  # type: ignore[override]
            seen.append(self.tell() + len(piece))
            return write(self, piece)

    monkeypatch.setattr("rmtoolkit.loaders.server.io.BytesIO", Counting)
    bomb = (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(64 << 20)))
    said = "its answer has more than 16,777,216 bytes"
    with Proxy(server.url, answer=lambda _: bomb) as proxy, pytest.raises(TooMuchError, match=said):
        pull(proxy)
    assert max(seen) < 17 << 20
