"""A server on the loopback that passes requests on to another, and does to the answers what networks do."""

from __future__ import annotations

import gzip
import http.server
import json
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

Answer = tuple[int, dict[str, str], bytes]
#: What may happen to an answer.
FAULTS: Final = ("429", "500", "503", "reset", "reset within", "cut", "cut unseen", "slow")
_JSON: Final = {"Content-Type": "application/json"}


def _changed(change: Callable[[list[object]], object], warnings: list[str] | None = None) -> Callable[[bytes], Answer]:
    """Change the result of an answer of Prometheus in JSON; another answer loses its second half."""

    def spoil(body: bytes) -> Answer:
        try:
            said = json.loads(body)
            said["data"]["result"] = change(said["data"]["result"])
        except (ValueError, KeyError, TypeError):
            return 200, {}, body[: len(body) // 2]
        return 200, _JSON, json.dumps({**said, **({"warnings": warnings} if warnings else {})}).encode()

    return spoil


def _framed(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], Answer]:
    """Change the frames of a streamed remote read; another answer stays."""

    def spoil(body: bytes) -> Answer:
        frames, at = [], 0
        if body[:1] in (b"{", b"["):
            return 200, _JSON, body
        while at < len(body):
            size, shift, end = 0, 0, at
            while True:
                size, shift, end = size | (body[end] & 127) << shift, shift + 7, end + 1
                if body[end - 1] < 128:
                    break
            frames.append(body[at : end + 4 + size])
            at = end + 4 + size
        return 200, {"Content-Type": REMOTE}, b"".join(change(frames))

    return spoil


REMOTE: Final = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
#: What may stand in an answer that arrives whole, by what made it so: the answer instead.
SPOILED: Final[dict[str, Callable[[bytes], Answer]]] = {
    "half a document": lambda body: (200, _JSON, body[: len(body) // 2]),
    "nothing": lambda _: (200, _JSON, b""),
    "no content": lambda _: (204, {}, b""),
    "a login page": lambda _: (200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html>Sign in</html>"),
    "a login elsewhere": lambda _: (302, {"Location": "http://127.0.0.1:9/login"}, b""),
    "not allowed": lambda _: (403, {}, b"forbidden"),
    "not found": lambda _: (404, {}, b"404 page not found"),
    "an error with status 200": lambda _: (200, _JSON, b'{"status":"error","errorType":"internal","error":"boom"}'),
    "no data": lambda _: (200, _JSON, b'{"status":"success","data":null}'),
    "another type": lambda _: (200, _JSON, b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}'),
    "a list": lambda _: (200, _JSON, b"[]"),
    "noise": lambda body: (200, _JSON, bytes((byte * 7 + 13) % 256 for byte in body[:999])),
    "half a packed answer": lambda body: (
        200,
        {**_JSON, "Content-Encoding": "gzip"},
        (packed := gzip.compress(body, 1))[: len(packed) // 2],
    ),
    "not packed, though it says so": lambda body: (200, {**_JSON, "Content-Encoding": "gzip"}, body),
    "each series twice": _changed(lambda result: [one for one in result for _ in range(2)]),
    "half of the series, and it says so": _changed(lambda result: result[: len(result) // 2], ["a store is away"]),
    "no series, and it says so": _changed(lambda _: [], ["no store answers"]),
    "no series, and not a word": _changed(lambda _: []),
    "a result that is no list": _changed(lambda _: {"a": 1}),
    "series that are none": _changed(lambda result: [5, None, {}, *result]),
    "a frame less": _framed(lambda frames: frames[:-1]),
    "a frame twice": _framed(lambda frames: [one for frame in frames for one in (frame, frame)]),
    "a bit in a frame": _framed(lambda frames: [frame[:-1] + bytes([frame[-1] ^ 1]) for frame in frames]),
}


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
    answer: Callable[[Seen], Answer | None] = lambda _: None
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
        elif fault in SPOILED:
            status, headers, body = self._passed_on(seen)
            self._send(*(SPOILED[fault](body) if status == 200 else (status, headers, body)), packed=False)
        else:
            self._send(*(self.of.answer(seen) or self._passed_on(seen)), fault)

    do_GET = do_POST  # noqa: N815

    def _passed_on(self, seen: Seen) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = seen.body if seen.method == "POST" else None
        request = urllib.request.Request(self.of.target + seen.path, body, headers, method=seen.method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, {"Content-Type": answer.headers.get("Content-Type", "")}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {"Content-Type": "application/json"}, error.read()

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, fault: str | None = None, *, packed: bool = True
    ) -> None:
        if self.of.packed and packed and status == 200:
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
