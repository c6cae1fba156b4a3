"""Record real Rust servers for `data/causes`: ``python data/lab/real_servers.py TOOLS [NAME …]``.

TOOLS is a folder with a virtual environment `py` (granian, eclipse-zenoh); node, hickory-dns, sccache and gcc come from
Debian. A recording that is there already is not made again; each gets its row of the truth, whose label stands below.
Tasks and messages are counted by the load, the rest by the kernel.
"""

from __future__ import annotations

import base64
import csv
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cgroups
import polars as pl
from causes import COLUMNS

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


@dataclass(slots=True)
class At:
    """Where a load finds its server, and what it has open there."""

    port: int
    folder: Path
    second: int = 0
    opened: list[socket.socket] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Server:
    """One server, what is done to it, and what that shows: written before it was recorded."""

    run: str
    part: str
    shown: str
    cause: str
    #: Words of its command; `{py}` is the environment's bin, `{port}` its port, `{folder}` one of its own, `{memory}`
    #: one on a tmpfs.
    command: Sequence[str]
    #: A program whose last line is the count, likewise; or what is done each second.
    load: Sequence[str] | Callable[[At], None] | None
    signal: str
    port: int = 0
    #: Whether it runs in a memory cgroup of its own, and that is recorded.
    contained: bool = False


def hold(each: int, most: int) -> Callable[[At], None]:
    """Open connections, ask each for a name once, and close none."""
    name = b"".join(bytes([len(part)]) + part for part in (b"ns", b"example", b"com")) + b"\0"
    query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)

    def act(at: At) -> None:
        for _ in range(each if len(at.opened) < most else 0):
            one = socket.create_connection(("127.0.0.1", at.port), timeout=5)
            one.sendall(struct.pack(">H", len(query)) + query)
            one.recv(512)
            at.opened.append(one)

    return act


def _ask(at: At, path: str) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(5)
    one.connect(str(at.folder / "s"))
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return one


def feeds(
    each: int, size: int, *, most: int = 1_000_000, takes: bool = False, lives: int = 1_000_000, kept: int = 0
) -> Callable[[At], None]:
    """Subscribe over a UNIX socket, and take what is sent or not; of other requests the application keeps something."""

    def act(at: At) -> None:
        for _ in range(kept):
            with _ask(at, "/keep") as one:
                one.recv(512)
        for _ in range(each if len(at.opened) < most else 0):
            one = _ask(at, f"/feed/{size}")
            left = size if takes else 0
            while left > 0:
                left -= len(one.recv(65536))
            at.opened.append(one)
        for _ in range(each if at.second > lives else 0):
            at.opened.pop(0).close()

    return act


def compiles(size: int, *, every: int, most: int = 1_000_000, after: int = 0) -> Callable[[At], None]:
    """Have a source compiled whose object takes so many bytes, packed; from the first `most` on, those again."""

    def act(at: At) -> None:
        if at.second < after or at.second % every:
            return
        number = at.second // every % most
        text = base64.b64encode(random.Random(number).randbytes(size)).decode()
        (at.folder / "a.c").write_text(f'const char a{number}[] = "{text}";')
        environment = {**os.environ, "SCCACHE_SERVER_PORT": str(at.port)}
        words = ("nice", "sccache", "gcc", "-c", "a.c", "-o", "a.o")
        subprocess.run(words, cwd=at.folder, env=environment, check=True, capture_output=True)

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
_FEEDS = (
    *("{py}/granian", "--interface", "asgi", "--workers", "1", "--uds", "{folder}/s", "--log-level", "error"),
    *("--working-dir", str(HOSTED), "--backlog", "2048", "waits:asgi"),
)


def _cache(folder: str, size: str = "10G") -> Sequence[str]:
    """Give the command of a server of sccache whose store is in this folder."""
    names = ("SCCACHE_START_SERVER=1", "SCCACHE_NO_DAEMON=1", "SCCACHE_IDLE_TIMEOUT=0", "SCCACHE_SERVER_PORT={port}")
    return ("env", *names, f"SCCACHE_DIR={folder}", f"SCCACHE_CACHE_SIZE={size}", "sccache")


SERVERS = {
    "web-streams": Server(
        "tasks-real", "sealed", "tasks", "tasks",
        _GRANIAN, (*_STREAMS, "12", "1000000", "2"), "tasks", 18431,
    ),
    "web-streams-kept": Server(
        "tasks-not-real", "sealed", "tasks", "",
        _GRANIAN, (*_STREAMS, "40", "400", "10"), "tasks", 18432,
    ),
    "names-connections": Server(
        "connections-real-2", "sealed", "connections", "connections",
        ("hickory-dns", "-c", "{folder}/dns.toml", "-z", "{folder}", "-p", "{port}", "--quiet"),
        hold(25, 1_000_000), "descriptors", 18433,
    ),
    "orders-unread": Server("queue-real", "sealed", "queue", "queue", (*_QUEUE, "20", "4", "0"), None, "queued"),
    "orders-kept": Server("queue-not-real", "sealed", "queue", "", (*_QUEUE, "20", "20", "150000"), None, "queued"),
    # Subscribers that do not take what is sent, so that it lies in the kernel; of those that do, each takes heap.
    **{
        name: Server(run, part, "sockets", cause, _FEEDS, load, "kernel_bytes", contained=True)
        for name, run, part, cause, load in (
            ("feeds-unread", "sockets-real", "dev", "sockets", feeds(2, 120_000)),
            ("feeds-taken", "sockets-not-real", "dev", "connections", feeds(4, 120_000, takes=True)),
            ("feeds-unread-2", "sockets-real-2", "servers", "sockets", feeds(1, 180_000)),
            ("feeds-unread-3", "sockets-real-3", "servers", "sockets", feeds(3, 140_000)),
            ("feeds-unread-4", "sockets-real-4", "servers", "sockets", feeds(2, 160_000, kept=1)),
            ("feeds-taken-2", "sockets-not-real-2", "servers", "connections", feeds(3, 60_000, takes=True)),
            ("feeds-waiting", "sockets-not-real-3", "servers", "", feeds(20, 150_000, most=300)),
            ("feeds-waiting-kept", "sockets-not-real-4", "servers", "", feeds(4, 130_000, lives=25, kept=6)),
        )
    },
    # A store that lies in memory and grows; on disk, or bounded, or asked for the same again, it does not.
    **{
        name: Server(run, part, "tmpfs", cause, command, load, "shmem_bytes", port, contained=True)
        for name, run, part, cause, command, load, port in (
            ("objects-memory", "tmpfs-real", "dev", "tmpfs", _cache("{memory}"), compiles(900_000, every=3), 18441),
            ("objects-disk", "tmpfs-not-real", "dev", "", _cache("{folder}/c"), compiles(900_000, every=3), 18442),
            ("objects-memory-2", "tmpfs-real-2", "servers", "tmpfs",
             _cache("{memory}"), compiles(300_000, every=2), 18443),
            ("objects-memory-3", "tmpfs-real-3", "servers", "tmpfs",
             _cache("{memory}"), compiles(1_500_000, every=5), 18444),
            ("objects-memory-4", "tmpfs-real-4", "servers", "tmpfs",
             _cache("{memory}"), compiles(900_000, every=3, after=90), 18445),
            ("objects-disk-2", "tmpfs-not-real-2", "servers", "",
             _cache("{folder}/c"), compiles(400_000, every=2), 18446),
            ("objects-bounded", "tmpfs-not-real-3", "servers", "",
             _cache("{memory}", "20M"), compiles(1_000_000, every=3), 18447),
            ("objects-again", "tmpfs-not-real-4", "servers", "",
             _cache("{memory}"), compiles(800_000, every=3, most=20), 18448),
        )
    },
}  # fmt: skip


def record(name: str, server: Server, tools: Path, target: Path) -> dict[str, object]:
    """Start a server and its load, record it, put the counts beside its memory, and give its row of the truth."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        memory = stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
        (folder / "dns.toml").write_text(_DNS.format(folder=folder))
        (folder / "zone").write_text(_ZONE)
        at = At(server.port, folder)
        values = {"py": tools.absolute() / "py/bin", "port": server.port, "folder": folder, "memory": memory}
        group = cgroups.Cgroup(cgroups.find(), name, None) if server.contained else None
        if group is not None:
            stack.callback(group.close)

        def start(words: Sequence[str], joins: Sequence[Path] = ()) -> subprocess.Popen[str]:
            filled = [word.format(**values) for word in words]
            script = 'for file in $RMLAB_JOIN; do echo $$ >"$file"; done; exec "$@"'
            started = subprocess.Popen(
                ["sh", "-c", script, "sh", *filled],
                stdout=subprocess.PIPE,
                text=True,
                cwd=folder,
                env={**os.environ, "RMLAB_JOIN": " ".join(map(str, joins))},
                start_new_session=True,
            )
            stack.callback(started.wait)
            # A server's workers are in its group.
            stack.callback(os.killpg, started.pid, signal.SIGKILL)
            return started

        process = start(server.command, group.joins if group is not None else ())
        time.sleep(3)
        counts: list[tuple[float, int]] = []
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
                    act(at)
                    at.second += 1
                    time.sleep(1)

            threading.Thread(target=keep_on, daemon=True).start()
        pid, cgroup = (process.pid, None) if group is None else (None, group.folder)
        found = rm.record(pid=pid, cgroup=cgroup, duration_seconds=SECONDS, name=name)
    samples = found.samples
    if counts:
        time_ = pl.Series("time", [int(then * 1000) for then, _ in counts]).cast(samples.schema["time"])
        counted = pl.DataFrame({"time": time_, server.signal: [value for _, value in counts]})
        samples = samples.drop(server.signal).join_asof(counted, on="time", strategy="backward")
    normalise(found.containers, samples, found.events, found.report).write(target / f"{name}.parquet")
    values_ = samples[server.signal].drop_nulls()
    first, last = values_[len(values_) // 5], values_[-1]
    print(f"{name}: {server.signal} {first} to {last}", flush=True)
    # What was lost is not counted inside.
    said = (name, server.run, server.part, server.shown, server.cause, server.signal, first, last, "")
    return dict(zip(COLUMNS, said, strict=True))


def main() -> None:
    """Record what is missing, all at once."""
    tools, names = Path(sys.argv[1]), sys.argv[2:] or list(SERVERS)
    wanted = [name for name in names if not (CAUSES / f"{name}.parquet").exists()]
    with ThreadPoolExecutor(len(wanted) or 1) as pool:
        rows = list(pool.map(lambda name: record(name, SERVERS[name], tools, CAUSES), wanted))
    cgroups.remove(cgroups.find())
    with (CAUSES / "truth.csv").open("a", newline="") as file:
        csv.DictWriter(file, COLUMNS, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
