"""Record real Rust servers for `data/causes`: ``python data/lab/real_servers.py TOOLS [NAME …]``.

TOOLS is a folder with a virtual environment `py` (granian, eclipse-zenoh); node and hickory-dns come from Debian.
A recording that is there already is not made again. What is counted besides open files, the load counts itself.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

import rmtoolkit as rm
from rmtoolkit.recording import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HOSTED = Path(__file__).parents[1] / "field" / "hosted"
CAUSES = Path(__file__).parents[1] / "causes"
SECONDS = 420
_DNS = """listen_addrs_ipv4 = ["127.0.0.1"]
tcp_request_timeout = 86400
directory = "{folder}"
[[zones]]
zone = "example.com"
zone_type = "Primary"
file = "zone"
"""
_ZONE = """@ 3600 IN SOA ns.example.com. a.example.com. 1 3600 3600 3600 3600
@ 3600 IN NS ns.example.com.
ns 3600 IN A 127.0.0.1
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One server and what is done to it."""

    #: Words of its command; `{py}` is the environment's bin, `{port}` its port, `{folder}` one of its own.
    command: Sequence[str]
    #: A program whose last line is the count, likewise; or what is done each second, given the port and what is open.
    load: Sequence[str] | Callable[[int, list[socket.socket]], None] | None
    signal: str
    port: int


def hold(each: int, most: int) -> Callable[[int, list[socket.socket]], None]:
    """Open connections, ask each for a name once, and close none."""
    name = b"".join(bytes([len(part)]) + part for part in (b"ns", b"example", b"com")) + b"\0"
    query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)

    def act(port: int, opened: list[socket.socket]) -> None:
        for _ in range(each if len(opened) < most else 0):
            one = socket.create_connection(("127.0.0.1", port), timeout=5)
            one.sendall(struct.pack(">H", len(query)) + query)
            one.recv(512)
            opened.append(one)

    return act


_GRANIAN = (
    *(
        "{py}/granian",
        "--interface",
        "asgi",
        "--http",
        "2",
        "--workers",
        "1",
        "--port",
        "{port}",
        "--log-level",
        "error",
    ),
    *("--http2-max-concurrent-streams", "1000000", "--working-dir", str(HOSTED), "--backlog", "2048", "waits:asgi"),
)
_STREAMS = ("node", str(HOSTED / "streams.mjs"), "{port}")
_QUEUE = ("{py}/python", str(HOSTED / "orders.py"))
SERVERS = {
    "web-streams": Server(_GRANIAN, (*_STREAMS, "12", "1000000", "2"), "tasks", 18431),
    "web-streams-kept": Server(_GRANIAN, (*_STREAMS, "40", "400", "10"), "tasks", 18432),
    "names-connections": Server(
        ("hickory-dns", "-c", "{folder}/dns.toml", "-z", "{folder}", "-p", "{port}", "--quiet"),
        hold(25, 1_000_000), "descriptors", 18433,
    ),
    "orders-unread": Server((*_QUEUE, "20", "4", "0"), None, "queued", 0),
    "orders-kept": Server((*_QUEUE, "20", "20", "150000"), None, "queued", 0),
}  # fmt: skip


def record(name: str, server: Server, tools: Path, target: Path) -> None:
    """Start a server and its load, record it, and put the counts beside its memory."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "dns.toml").write_text(_DNS.format(folder=folder))
        (folder / "zone").write_text(_ZONE)
        values = {"py": tools.absolute() / "py/bin", "port": server.port, "folder": folder}

        def start(words: Sequence[str]) -> subprocess.Popen[str]:
            filled = [word.format(**values) for word in words]
            started = subprocess.Popen(filled, stdout=subprocess.PIPE, text=True, cwd=folder, start_new_session=True)
            stack.callback(started.wait)
            # A server's workers are in its group.
            stack.callback(os.killpg, started.pid, signal.SIGKILL)
            return started

        process = start(server.command)
        time.sleep(3)
        counts: list[tuple[float, int]] = []
        opened: list[socket.socket] = []
        counting = process if server.load is None else None
        if isinstance(server.load, tuple):
            counting = start(server.load)

        def count() -> None:
            counts.extend((time.time(), int(line)) for line in (counting.stdout if counting else None) or ())

        threading.Thread(target=count, daemon=True).start()
        if callable(server.load):
            act, end = server.load, time.time() + SECONDS

            def keep_on() -> None:
                while time.time() < end:
                    act(server.port, opened)
                    time.sleep(1)

            threading.Thread(target=keep_on, daemon=True).start()
        found = rm.record(pid=process.pid, duration_seconds=SECONDS, name=name)
    samples = found.samples
    if counts:
        time_ = pl.Series("time", [int(at * 1000) for at, _ in counts]).cast(samples.schema["time"])
        counted = pl.DataFrame({"time": time_, server.signal: [value for _, value in counts]})
        samples = samples.drop(server.signal).join_asof(counted, on="time", strategy="backward")
    normalise(found.containers, samples, found.events, found.report).write(target / f"{name}.parquet")
    values_ = samples[server.signal].drop_nulls()
    print(f"{name}: {server.signal} {values_[len(values_) // 5]} to {values_[-1]}", flush=True)


def main() -> None:
    """Record what is missing, all at once."""
    tools, names = Path(sys.argv[1]), sys.argv[2:] or list(SERVERS)
    wanted = [name for name in names if not (CAUSES / f"{name}.parquet").exists()]
    running = [threading.Thread(target=record, args=(name, SERVERS[name], tools, CAUSES)) for name in wanted]
    for one in running:
        one.start()
    for one in running:
        one.join()


if __name__ == "__main__":
    main()
