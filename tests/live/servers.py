"""Real servers for tests: started on a port of their own, filled with made-up history, and always ended."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: The first instant of made-up history, in seconds: long ago, so that no test depends on the day.
T0: Final = 1_700_000_000
_DEADLINE_SECONDS: Final = 60
_PR_SET_PDEATHSIG: Final = 1
#: Lets the system end a child when its parent dies, however that happens; looked up before any fork.
with_parent: Final = partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def escaped(value: str) -> str:
    """A label's value as the text format writes it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def lines(name: str, labels: Mapping[str, str], points: Iterable[tuple[float, object]]) -> list[str]:
    """Samples of one series in the text format: `(seconds, value)`."""
    said = ",".join(f'{label}="{escaped(value)}"' for label, value in labels.items())
    # Milliseconds in full: a float of seconds would be written with too many digits.
    return [f"{name}{{{said}}} {value} {at:.3f}" for at, value in points]


def started(command: Sequence[str], log: Path, ready_url: str) -> subprocess.Popen[bytes] | None:
    """Start a server and wait until it is ready; None when it ended, as on a port that somebody else has taken."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=with_parent)  # noqa: PLW1509
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(ready_url, timeout=5) as answer:  # noqa: S310
                if answer.status == 200:
                    return process
        except OSError:
            # The only pause: between two looks at a condition with a deadline.
            time.sleep(0.02)
    process.kill()
    process.wait()
    return None


class Prometheus:
    """A real Prometheus over blocks of its own."""

    def __init__(
        self, folder: Path, samples: Sequence[str], *flags: str, external_labels: str = "{}", scrapes: str = "[]"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "prometheus.yml"
        self._config.write_text(
            f"global: {{scrape_interval: 1h, external_labels: {external_labels}}}\nscrape_configs: {scrapes}\n"
        )
        self._data = folder / "data"
        self._log = folder / "log"
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        if samples:
            text = folder / "samples.txt"
            # Series by series, as the format wants it.
            text.write_text("\n".join(sorted(samples, key=lambda line: line.partition(" ")[0])) + "\n# EOF\n", "utf-8")
            command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=2000h"]
            done = subprocess.run([*command, str(text), str(self._data)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            text.unlink()

    def __enter__(self) -> Self:
        for _ in range(5):
            if self._started():
                return self
        msg = f"prometheus does not start: {self._log.read_text()[-2000:]}"
        raise RuntimeError(msg)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._data, ignore_errors=True)

    def _started(self) -> bool:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            "prometheus",
            f"--config.file={self._config}",
            f"--storage.tsdb.path={self._data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
            *self._flags,
        ]
        self._process = started(command, self._log, f"{self.url}/-/ready")
        return self._process is not None

    def query(self, query: str, at: float) -> list[dict[str, Any]]:
        """The result of an instant query, asked without our own client."""
        data = urllib.parse.urlencode({"query": query, "time": at}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query", data, timeout=60) as answer:  # noqa: S310
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return result
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def raw(self, selector: str, after: float, until: float) -> dict[tuple[tuple[str, str], ...], list[list[Any]]]:
        """Raw samples of series, by their labels; later than `after`, not later than `until`."""
        found = self.query(f"{selector}[{round((until - after) * 1000)}ms]", until)
        return {
            tuple(sorted(one["metric"].items())): [pair for pair in one["values"] if pair[0] > after] for one in found
        }


class VictoriaMetrics:
    """A real VictoriaMetrics without any data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for _ in range(5):
            port = free_port()
            self.url = f"http://127.0.0.1:{port}"
            command = [
                "victoria-metrics",
                f"-storageDataPath={self._folder / 'data'}",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-retentionPeriod=100y",
                "-loggerLevel=ERROR",
            ]
            self._process = started(command, self._folder / "log", f"{self.url}/health")
            if self._process is not None:
                return self
        msg = f"victoria-metrics does not start: {(self._folder / 'log').read_text()[-2000:]}"
        raise RuntimeError(msg)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder / "data", ignore_errors=True)

    def load(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Import lines of its own export, and make them visible."""
        self.post("/api/v1/import", "\n".join(json.dumps(line) for line in lines).encode())
        self.post("/internal/force_flush", b"")

    def post(self, path: str, data: bytes) -> bytes:
        """Send a request and give the answer, without our own client."""
        with urllib.request.urlopen(f"{self.url}{path}", data, timeout=60) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body
