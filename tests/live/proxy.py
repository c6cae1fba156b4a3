"""A server on the loopback that passes requests on to another, and does to the answers what networks do."""

from __future__ import annotations

import gzip
import http.server
import random
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

#: What may happen to an answer.
FAULTS: Final = ("429", "500", "503", "reset", "reset within", "cut", "cut unseen", "slow")


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Proxy:
    """Stands before `target`; `fault` names for each request what to do with its answer, or nothing.

    `answer` gives a whole answer instead: status, headers, body.
    """

    target: str
    fault: Callable[[Seen], str | None] = lambda _: None
    answer: Callable[[Seen], tuple[int, dict[str, str], bytes] | None] = lambda _: None
    packed: bool = False
    seen: list[Seen] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        proxy = self

        class Handler(_Handler):
            of: Proxy = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def at_random(share: float, seed: int) -> Callable[[Seen], str | None]:
    """Draw a fault for that share of the requests."""
    draw = random.Random(seed)  # noqa: S311 - faults, no secrets
    lock = threading.Lock()

    def fault(_: Seen) -> str | None:
        with lock:
            return draw.choice(FAULTS) if draw.random() < share else None

    return fault


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone: the tests look at what they got."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Proxy

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        seen = Seen(self.command, self.path, dict(self.headers), self.rfile.read(length))
        self.of.seen.append(seen)
        fault = self.of.fault(seen)
        if fault is not None:
            self.of.faults[fault] += 1
        if fault == "reset":
            self._reset()
        elif fault is not None and fault.isdigit():
            wait = {"Retry-After": "0"} if fault != "500" else {}
            self._send(int(fault), wait, b"upstream is tired")
        else:
            self._send(*(self.of.answer(seen) or self._passed_on(seen)), fault)

    do_GET = do_POST  # noqa: N815

    def _passed_on(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = seen.body if seen.method == "POST" else None
        request = urllib.request.Request(self.of.target + seen.path, body, headers, method=seen.method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, {"Content-Type": answer.headers.get("Content-Type", "")}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {"Content-Type": "application/json"}, error.read()

    def _send(self, status: int, headers: dict[str, str], body: bytes, fault: str | None = None) -> None:
        if self.of.packed and status == 200:
            body = gzip.compress(body, 1)
            headers = {**headers, "Content-Encoding": "gzip"}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault == "cut unseen":
            # Neither a length nor chunks: the end of the connection is the end of the answer.
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault in ("cut", "cut unseen", "reset within"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if fault == "reset within":
                self._reset()
            self.close_connection = True
        elif fault == "slow":
            for place in range(0, len(body), max(1, len(body) // 7)):
                self.wfile.write(body[place : place + max(1, len(body) // 7)])
                self.wfile.flush()
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        """End the connection without a goodbye."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's shape
        """Keep the test's output clean."""
