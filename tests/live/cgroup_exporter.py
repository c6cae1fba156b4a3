"""What cAdvisor and kube-state-metrics say of containers, said of real cgroups: for a real server to scrape."""

from __future__ import annotations

import http.server
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE: Final = "lab"
WORKING_SET: Final = "container_memory_working_set_bytes"
#: In which files, and under which words of `memory.stat`, the two versions say what.
_FILES: Final = {1: ("memory.usage_in_bytes", "memory.limit_in_bytes"), 2: ("memory.current", "memory.max")}
_WORDS: Final = {1: ("total_rss", "total_cache", "total_inactive_file"), 2: ("anon", "file", "inactive_file")}


@dataclass
class Exporter:
    """Serves the cgroups below `folder`, each a pod with one container of its name; keeps what it has said."""

    folder: Path
    #: By container: (milliseconds, metric, value), in the order in which it was served.
    said: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)
    #: Containers of which a kubelet would know that the kernel killed them for their limit.
    killed: set[str] = field(default_factory=set)
    _limits: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = (exporter.cadvisor() if self.path == "/metrics/cadvisor" else exporter.kube()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's shape
                """Keep the test's output clean."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def scrapes(self) -> str:
        """The part of a Prometheus' configuration that scrapes it: each second, with the exporter's own times."""
        jobs = (
            f"{{job_name: {job}, metrics_path: {path}, scrape_interval: 1s, scrape_timeout: 1s, honor_labels: true, "
            f"track_timestamps_staleness: true, static_configs: [{{targets: ['{self.address}']}}]}}"
            for job, path in (("kubelet", "/metrics/cadvisor"), ("kube-state-metrics", "/metrics"))
        )
        return f"[{', '.join(jobs)}]"

    def cadvisor(self) -> str:
        """Memory of each container, with the time at which it was read, as cAdvisor says it."""
        lines = []
        for group in sorted(self.folder.iterdir()):
            with suppress(OSError):
                # Of a container whose processes have ended, cAdvisor says nothing any more.
                if group.is_dir() and (group / "cgroup.procs").read_text():
                    lines += self._measured(group)
        return "\n".join([*lines, ""])

    def _measured(self, group: Path) -> list[str]:
        version = 1 if (group / _FILES[1][0]).exists() else 2
        usage_file, limit_file = _FILES[version]
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        anon, file, inactive = (int(stat[word]) for word in _WORDS[version])
        usage = int((group / usage_file).read_text())
        limit = (group / limit_file).read_text().strip()
        milliseconds = time.time_ns() // 1_000_000
        name = group.name
        self._limits |= {name: int(limit)} if limit.isdigit() and int(limit) < 1 << 60 else {}
        values = {
            "container_memory_usage_bytes": usage,
            WORKING_SET: max(0, usage - inactive),
            "container_memory_rss": anon,
            "container_memory_cache": file,
        }
        self.said.setdefault(name, []).extend((milliseconds, metric, value) for metric, value in values.items())
        labels = f'{_labels(name)},id="/kubepods/{name}",image="lab/{name}:1"'
        return [f"{metric}{{{labels}}} {value} {milliseconds}" for metric, value in values.items()]

    def kube(self) -> str:
        """Limits, and who was killed, as kube-state-metrics says it: also of a container that is gone."""
        memory = 'resource="memory",unit="byte"'
        limits = [
            f"kube_pod_container_resource_limits{{{_labels(name)},{memory}}} {limit}"
            for name, limit in self._limits.items()
        ]
        killed = [
            f'kube_pod_container_status_last_terminated_reason{{{_labels(name)},reason="OOMKilled"}} 1'
            for name in self.killed
        ]
        return "\n".join([*limits, *killed, ""])


def _labels(name: str) -> str:
    return f'namespace="{NAMESPACE}",pod="{name}-0",container="{name}"'
