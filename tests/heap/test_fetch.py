"""A service of Rust serves its profile as jemalloc writes it: it is fetched twice, kept, compared and named."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm
from rmtoolkit.cli import main
from rmtoolkit.heap.served import fetch
from tests.heap import makers
from tests.heap.conftest import library, needed
from tests.live.api_server import Cluster, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.heap.conftest import Workshop

TOKEN: Final = "s3cret-token"  # noqa: S105 - of our own server


@pytest.fixture
def address(workshop: Workshop, tmp_path: Path) -> Iterator[str]:
    """Where the service listens."""
    needed("addr2line")
    program = workshop.program("served.rs")
    told = {"LD_PRELOAD": library("libjemalloc.so.2"), "MALLOC_CONF": "prof:true,lg_prof_sample:8"}
    with subprocess.Popen(
        [program, tmp_path / "own.heap"], env={**os.environ, **told}, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.kill()


def test_two_are_fetched_and_compared(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function that leaks is named from what came between; files are kept, and the token is nowhere."""
    kept = tmp_path / "kept"
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    words = ["heap", f"{address}/debug/pprof/heap", "--every", "1s", "--count", "3", "-o", str(kept)]
    assert main([*words, "--token-file", str(tmp_path / "token")]) == 0
    said = capsys.readouterr().out
    assert said.count("Kept: ") == 3
    assert "served::remember" in said.partition("READING")[0]
    assert len(list(kept.iterdir())) == 3
    heap = rm.read_heap(kept)
    assert heap.timeline["live_bytes"].is_sorted()
    assert "served::remember" in heap.frames["function"].to_list()
    monkeypatch.setenv("RMTOOLKIT_TOKEN", TOKEN)
    page = tmp_path / "page.html"
    monkeypatch.chdir(tmp_path)
    assert main(["heap", f"{address}/debug/pprof/heap", "--every", "500ms", "-o", str(page)]) == 0
    assert len(list((tmp_path / "heap-profiles").iterdir())) == 2
    assert TOKEN not in said + capsys.readouterr().out + page.read_text()


def test_what_is_no_profile(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits half an hour for it: no token, a wrong path, another text, nobody there, no time in between."""
    folder = ["-o", str(tmp_path / "kept"), "--every", "30m"]
    assert main(["heap", f"{address}/debug/pprof/heap", *folder]) == 2
    assert "HTTP 401" in capsys.readouterr().err
    monkeypatch.setenv("RMTOOLKIT_TOKEN", TOKEN)
    for path, said in (("/", "/debug/pprof/heap?"), ("/text", "found 'hello'")):
        assert main(["heap", f"{address}{path}", *folder]) == 2
        assert said in (text := capsys.readouterr().err)
        assert TOKEN not in text
        assert "Prometheus" not in text
    assert main(["heap", "http://127.0.0.1:9/debug/pprof/heap", *folder]) == 2
    assert "rmtoolkit heap pod/NAME" in capsys.readouterr().err
    assert main(["heap", f"{address}/debug/pprof/heap", "--count", "2", *folder[:2]]) == 2
    assert "how long to wait in between" in capsys.readouterr().err


#: What `kubectl port-forward` does, as far as one sees it: it listens, says where, and goes on until it is ended.
KUBECTL: Final = """#!{python}
import os, pathlib, signal, socket, sys, threading
pathlib.Path({told!r}).open("a").write(f"{{os.getpid()}} {{' '.join(sys.argv[1:])}}\\n")
listener = socket.create_server(("127.0.0.1", 0))
print("Forwarding", end="", flush=True)
print(f" from 127.0.0.1:{{listener.getsockname()[1]}} -> 6060", flush=True)
def carry(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
while True:
    here, _ = listener.accept()
    there = socket.create_connection(("127.0.0.1", {port}))
    for pair in ((here, there), (there, here)):
        threading.Thread(target=carry, args=pair, daemon=True).start()
"""


def gone(process: int) -> bool:
    """Wait for the end of a process that is no child of ours."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_a_port_of_a_pod_is_forwarded_and_let_go(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each profile through a kubectl of its own, in the namespace that was said; none of them is left over."""
    told, program = tmp_path / "told", tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL.format(python=sys.executable, told=str(told), port=address.rpartition(":")[2]))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("RMTOOLKIT_TOKEN", TOKEN)
    kept = str(tmp_path / "kept")
    words = ["heap", "pod/api-7d9f8b6c5d-x2x4z:6060/debug/pprof/heap", "-n", "shop", "--context", "prod", "-o", kept]
    assert main([*words, "--every", "500ms"]) == 0
    assert capsys.readouterr().out.count("Kept: ") == 2
    started = [line.split(maxsplit=1) for line in told.read_text().splitlines()]
    asked = "--context=prod port-forward --address=127.0.0.1 --namespace=shop pod/api-7d9f8b6c5d-x2x4z :6060"
    assert [said for _, said in started] == [asked, asked]
    assert all(gone(int(process)) for process, _ in started)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a process that was killed")
def test_kubectl_ends_with_us_even_when_we_are_killed(tmp_path: Path) -> None:
    """A kill that nobody can catch, while an answer is waited for, leaves no forwarded port behind."""
    silent = socket.create_server(("127.0.0.1", 0))
    silent.settimeout(60)
    told, program = tmp_path / "told", tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, told=str(told), port=silent.getsockname()[1]))
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    words = [sys.executable, "-m", "rmtoolkit", "heap", "svc/api:http/debug/pprof/heap", "-o", str(tmp_path / "kept")]
    with subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL) as ours:
        asking, _ = silent.accept()
        process = int(told.read_text().split()[0])
        ours.kill()
    assert gone(process)
    asking.close()
    silent.close()


def test_what_kubectl_says_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real kubectl against a server that has no such pod, and no kubectl at all."""
    needed("kubectl")
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["heap", "pod/nobody:6060/debug/pprof/heap", "-o", str(tmp_path / "kept")]
    with serving(Cluster(), tmp_path) as file:
        monkeypatch.setenv("KUBECONFIG", str(file))
        assert main(words) == 2
    said = capsys.readouterr().err
    assert "kubectl port-forward --address=127.0.0.1 pod/nobody :6060 failed" in said
    assert "could not find the requested resource" in said
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(words) == 2
    assert "There is no program 'kubectl'" in capsys.readouterr().err


@pytest.mark.parametrize("says", ["", "Forwarding"], ids=["nothing", "half a line"])
def test_a_kubectl_that_says_no_port_is_given_up(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it started somebody, such as a helper for credentials, who holds its pipes open."""
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/helper\nprintf '{says}'\nwait\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(rm.RmtoolkitError, match="no port within 2 s"):
        next(fetch("pod/api:6060/debug/pprof/heap", tmp_path / "kept", timeout_seconds=2))
    assert gone(int((tmp_path / "helper").read_text()))


def test_from_python(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file after the other, as they come."""
    monkeypatch.setenv("RMTOOLKIT_TOKEN", TOKEN)
    files = list(fetch(f"{address}/debug/pprof/heap", tmp_path / "kept", every="500ms"))
    assert [file.name.rsplit(".", 2)[1] for file in files] == ["0001", "0002"]
    assert rm.read_heap(files).growth.height


def test_the_authority_is_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server whose certificate is signed by nobody known is refused, and read with that certificate."""
    needed("openssl")
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "pem")]
    subprocess.run(words, check=True, capture_output=True)
    (tmp_path / "heap").write_text(makers.jeprof(1, [([0x1010, 0x2020], 1, 8)]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem", tmp_path / "key")
    # Hands are shaken by the thread of each connection: one that stays silent holds up nobody else.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked = ["heap", f"https://127.0.0.1:{server.server_port}/heap", "-o", str(tmp_path / "kept")]
    assert main(asked) == 2
    assert "--ca-file" in capsys.readouterr().err
    assert main([*asked, "--ca-file", str(tmp_path / "pem")]) == 0
    assert "A single snapshot shows" in capsys.readouterr().out
    server.shutdown()
    server.server_close()
