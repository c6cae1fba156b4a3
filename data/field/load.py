"""Put load on one recorded program: send one template again and again, and count what the program is left to keep.

Usage: ``python data/field/load.py '{"send": …}'`` with the entries of `Load`. Each second a line goes to standard
output: ``work_total items load_thousandths`` and, where the program tells them, three numbers of its allocator.
A template may use ``$n`` (a number that never repeats), ``$old`` (``n`` less `keys`), ``$k`` (one of `keys`, small
ones more often), ``$p`` and ``$q`` (``n`` and ``k`` with eight digits), ``$b`` and ``$kb`` (in base 64) and ``$v``
(`size` letters).
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import math
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from random import Random
from string import Template
from typing import Any

#: Units of work are sent in so many batches a second.
TICKS = 5
_PR_SET_PDEATHSIG = 1
_ERRORS = (OSError, EOFError)


@dataclass(slots=True)
class Load:
    """What is sent, how often, and what stays.

    Attributes
    ----------
    seed, window, folder, port
        Of the run.
    send, size, keys
        Template of one unit of work, letters in ``$v``, and how many keys repeat; with 0 keys none does.
    frame
        How a template becomes bytes: ``line`` (as it is), ``http``, ``pg``, ``mysql``, ``resp``, ``lsp``, ``mqtt``,
        ``dns`` or ``update`` (of DNS).
    mode
        ``stay`` on one connection, ``visit`` on one for each unit, ``hold`` one for each unit and never close it.
    transport
        ``tcp``, ``udp``, ``unix`` (socket ``folder/sock``) or ``fifo`` (``folder/in``, ``folder/out``).
    hello, hello_ends, first
        Sent on each new connection, the replies to it, and templates sent once after the first.
    end, ends
        Bytes that end a reply, and how many a unit has; 0 waits for none.
    rate, profile, period, onset
        Units a second, how they vary, their period, and the second before which keys repeat.
    kept
        Items that stay for each unit; 0 counts none.
    most
        Most items that are kept open (``hold``) or counted.
    silent
        Templates of connections that are opened first and never read.
    origin
        Whether an HTTP server answers on ``port + 1``: the content behind a proxy, or metrics to be scraped.
    gauges
        ``redis`` asks the program for its allocator's numbers.
    """

    seed: int
    window: int
    folder: str
    port: int
    send: str
    size: int = 100
    keys: int = 0
    frame: str = "line"
    mode: str = "stay"
    transport: str = "tcp"
    hello: str = ""
    hello_ends: int = 1
    first: list[str] = field(default_factory=list)
    end: str = "\n"
    ends: int = 1
    rate: float = 20.0
    profile: str = "steady"
    period: int = 120
    onset: int = 0
    kept: float = 1.0
    most: int = 0
    silent: list[str] = field(default_factory=list)
    origin: bool = False
    gauges: str = ""


def share(profile: str, second: float, window: int, period: int, random: Random) -> float:  # noqa: PLR0911 - a table
    """Say how much of the rate there is at a second of the window."""
    noise = random.uniform(0.8, 1.2)
    phase = second % period
    match profile:
        case "wave":
            return noise * (1 - 0.8 * math.cos(2 * math.pi * second / period)) / 1.2
        case "bursts":
            return noise * (4.0 if phase > 0.9 * period else 0.5)
        case "burst":
            return noise * (6.0 if period <= second < period + 25 else 0.3)
        case "batch":
            return noise * (1.0 if phase > 0.75 * period else 0.0)
        case "ramp":
            return noise * min(1.0, 0.1 + 0.9 * second / (0.55 * window))
        case "pause":
            return 0.0 if 0.8 * window <= second < 0.88 * window else noise
        case "stairs":
            return noise * (1.0 if phase < 0.3 * period else 0.02)
        case "idle":
            return 0.0 if second > 20 else 0.3
        case _:
            return noise


def _mysql(text: str) -> bytes:
    if text == "HELLO":  # protocol 4.1, user root without a password
        body = struct.pack("<IIB23x", 0x0200 | 0x8000, 1 << 24, 33) + b"root\0\0"
        return len(body).to_bytes(3, "little") + b"\1" + body
    body = b"\3" + text.encode()
    return len(body).to_bytes(3, "little") + b"\0" + body


def _name(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def framed(frame: str, text: str) -> bytes:  # noqa: C901, PLR0911 - a table of protocols
    """Make the bytes of a filled template."""
    data = text.encode("latin-1")
    match frame:
        case "http":
            head, _, body = text.partition("\n")
            lines = f"{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            kind = "application/json" if body.startswith(("{", "[")) else "text/plain"
            if head.startswith("POST /update"):
                kind = "application/sparql-update"
            if body or not head.startswith("GET"):
                lines += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            return f"{lines}\r\n{body}".encode("latin-1")
        case "pg" if text.startswith("HELLO"):
            start = f"user\0{text[6:]}\0database\0postgres\0\0".encode()
            return struct.pack("!II", len(start) + 8, 196608) + start
        case "pg":
            return b"Q" + struct.pack("!I", len(data) + 5) + data + b"\0"
        case "mysql":
            return _mysql(text)
        case "resp":
            words = data.split(b" ")
            return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        case "lsp":
            return b"Content-Length: %d\r\n\r\n%b" % (len(data), data)
        case "mqtt":
            size = len(data) - 1
            low = bytes([size]) if size < 128 else bytes([size % 128 | 128, size // 128])
            return data[:1] + low + data[1:]
        case "dns":
            return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + _name(text) + struct.pack("!2H", 1, 1)
        case "update":  # a DNS update that adds a TXT record: zone, name and text
            zone, name, value = data.decode("latin-1").split()
            record = _name(name) + struct.pack("!HHIH", 16, 1, 3600, len(value) + 1) + bytes([len(value)])
            asked = struct.pack("!6H", 7, 0x2800, 1, 0, 1, 0) + _name(zone) + struct.pack("!2H", 6, 1)
            return asked + record + value.encode()
        case _:
            return data


class Connection:
    """One connection to the program, or the two pipes of its standard input and output."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._socket: socket.socket | None = None
        self._buffer = b""
        if load.transport == "fifo":
            self._files = [os.open(f"{load.folder}/{name}", os.O_RDWR) for name in ("in", "out")]
            threading.Thread(target=self._drain, daemon=True).start()
            return
        kind = socket.SOCK_DGRAM if load.transport == "udp" else socket.SOCK_STREAM
        unix = load.transport == "unix"
        self._socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, kind)
        self._socket.settimeout(3 if load.transport == "udp" else 20)
        self._socket.connect(f"{load.folder}/sock" if unix else ("127.0.0.1", load.port))
        if load.frame == "mysql":
            self._read_packet()

    def _drain(self) -> None:
        while os.read(self._files[1], 65536):
            pass

    def send(self, data: bytes) -> None:
        """Send all of it."""
        if self._socket is None:
            os.write(self._files[0], data)
        elif data:
            self._socket.sendall(data)

    def _more(self) -> bytes:
        data = self._socket.recv(65536) if self._socket else b""
        if not data:
            raise EOFError
        return data

    def _read_packet(self) -> None:
        while len(self._buffer) < 4 or len(self._buffer) < 4 + int.from_bytes(self._buffer[:3], "little"):
            self._buffer += self._more()
        self._buffer = self._buffer[4 + int.from_bytes(self._buffer[:3], "little") :]

    def replies(self, end: bytes, count: int) -> None:
        """Wait for so many replies, or, without an `end`, until the program closes the connection."""
        if self._socket is None or not count:
            self._skip()
            return
        if self._load.frame == "mysql":
            for _ in range(count):
                self._read_packet()
            return
        if self._load.transport == "udp":
            for _ in range(count):
                self._more()
            return
        if not end:
            with contextlib.suppress(EOFError):
                while True:
                    self._more()
            return
        while count > 0:
            data = self._buffer + self._more()
            count -= data.count(end)
            self._buffer = data[-len(end) + 1 :] if len(end) > 1 and not data.endswith(end) else b""

    def _skip(self) -> None:
        """Throw away what has come."""
        if self._socket is not None:
            self._socket.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while self._socket.recv(65536):
                    pass
            self._socket.settimeout(20)

    def close(self) -> None:
        """Close it."""
        if self._socket is not None:
            self._socket.close()
        else:
            for file in self._files:
                os.close(file)


class Generator:
    """The load while it runs."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.random = Random(load.seed)
        self.work, self.items, self.number = 0, 0.0, 0
        self.due = 0.0
        self.started = time.time()
        self._payload = "".join(self.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=2 * load.size + 2))
        self._seen: set[int] = set()
        self._main: Connection | None = None
        self._open: list[Connection] = []

    def fill(self, template: str) -> str:
        """Fill a template for the next unit."""
        load, random = self.load, self.random
        fresh = load.keys == 0 and time.time() - self.started >= load.onset
        self.number += 1
        key = int(max(load.keys, 50) * random.random() ** 1.5)
        number = self.number if fresh or load.keys else key
        if not fresh and load.keys:
            self._seen.add(key)
        start = random.randint(0, load.size)
        value = self._payload[start : start + load.size]
        names = {"n": number, "old": number - load.keys, "p": f"{number:08d}", "k": key, "q": f"{key:08d}", "v": value}
        in_64 = {"b": number, "kb": key}
        names |= {name: base64.b64encode(f"{value:012d}".encode()).decode() for name, value in in_64.items()}
        return Template(template).safe_substitute(names)

    def bytes(self, template: str) -> bytes:
        """Make the bytes of the next unit."""
        return framed(self.load.frame, self.fill(template))

    def connect(self) -> Connection:
        """Open a connection and greet."""
        load = self.load
        made = Connection(load)
        self._open.append(made)
        if load.hello or load.hello_ends > 1:
            made.send(self.bytes(load.hello) if load.hello else b"")
            made.replies(load.end.encode("latin-1"), load.hello_ends)
        return made

    def ready(self) -> None:
        """Connect when there is no connection yet, and say what is said once."""
        load = self.load
        if self._main is not None:
            return
        end = load.end.encode("latin-1")
        for template in load.silent:
            self.connect().send(self.bytes(template))
        self._main = self.connect()
        for template in load.first:
            self._main.send(self.bytes(template))
            self._main.replies(end, load.ends)
            if load.mode != "stay":
                self._main.close()
                self._main = self.connect()
        if load.mode != "stay":
            self._main.close()

    def units(self, count: int) -> None:
        """Do so many units of work."""
        load, end = self.load, self.load.end.encode("latin-1")
        if load.mode == "stay" and self._main is not None:
            if load.transport == "udp" or load.frame == "mysql":
                for _ in range(count):
                    self._main.send(self.bytes(load.send))
                    self._main.replies(end, load.ends)
            elif load.send:
                self._main.send(b"".join(self.bytes(load.send) for _ in range(count)))
                self._main.replies(end, load.ends * count)
        else:
            for _ in range(count):
                if load.mode == "hold" and load.most and self.items >= load.most:
                    break
                made = self.connect()
                made.send(self.bytes(load.send))
                made.replies(end, load.ends)
                if load.mode == "visit":
                    made.close()
                    self._open.pop()
                self._count(1)
            self.work += count
            return
        self.work += count
        self._count(count)

    def _count(self, count: int) -> None:
        load = self.load
        if time.time() - self.started < load.onset:
            return
        self.items = float(len(self._seen)) if load.keys else self.items + count * load.kept
        self.items = min(self.items, load.most or math.inf) if load.kept else 0.0

    def lost(self) -> None:
        """Forget everything: the program is gone, and what it kept."""
        for made in self._open:
            with contextlib.suppress(OSError):
                made.close()
        self._open, self._main, self.items, self.number = [], None, 0.0, 0
        self._seen.clear()

    def gauges(self) -> str:
        """Ask redis or valkey what its allocator holds."""
        if self.load.gauges != "redis" or self._main is None:
            return ""
        self._main.send(b"INFO memory\r\n")
        text = b""
        while b"\r\nlazyfreed" not in text or not text.endswith(b"\r\n"):
            text += self._main._more()  # noqa: SLF001 - one reply is read in another way
        found = dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
        return " ".join(found[f"allocator_{name}"] for name in ("allocated", "active", "resident"))

    def run(self) -> None:
        """Work until killed; a line each second."""
        load = self.load
        said, reached, gauges = 0, 0.0, ""
        while True:
            now = time.time()
            part = share(load.profile, now - self.started, load.window, load.period, self.random)
            try:
                self.ready()
                self.due = min(self.due + load.rate * part / TICKS, 3 * load.rate)
                if self.due >= 1:
                    count = int(self.due)
                    self.due -= count
                    self.units(count)
                    reached += count
                if int(now) != said:
                    gauges = self.gauges()
            except _ERRORS as error:
                if os.environ.get("FIELD_LOUD"):
                    print(repr(error), file=sys.stderr)
                self.lost()
                time.sleep(0.5)
            if int(now) != said:
                said = int(now)
                print(self.work, int(self.items), int(1000 * reached), gauges, flush=True)
                reached = 0.0
            time.sleep(max(0.0, 1 / TICKS - (time.time() - now)))


def origin(generator: Generator) -> None:
    """Serve content behind a proxy: `size` bytes for any path, or metrics with a label for each item."""
    load = generator.load
    server = socket.create_server(("127.0.0.1", load.port + 1), backlog=256)

    def answer(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(30)
            while data := client.recv(4096):
                path = data.split(b" ")[1]
                body = b"x" * load.size
                if path.startswith(b"/metrics"):
                    lines = (
                        f'requests_total{{path="/{i}"}} {generator.number + i}' for i in range(int(generator.items))
                    )
                    body = ("# TYPE requests_total counter\n" + "\n".join(lines) + "\n").encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
                client.sendall(head.encode() + b"Cache-Control: max-age=3600\r\n\r\n" + body)

    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


def main() -> None:
    """Read the entries and go."""
    values: dict[str, Any] = json.loads(sys.argv[1])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    generator = Generator(Load(**values))
    if generator.load.origin:
        threading.Thread(target=origin, args=(generator,), daemon=True).start()
    generator.run()


if __name__ == "__main__":
    main()
