"""Small Prometheus answers, written as a server writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

import rmtoolkit as rm
from tests import readings
from tests.loaders.outcomes import digest, ends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The first instant of made-up answers, in seconds.
T0 = 1_795_000_000


class Prom:
    """Makes answers, saves them and reads them."""

    t0 = T0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def series(
        name: str | None,
        values: list[Any],
        *,
        at: float = 0,
        step: float = 30,
        labels: dict[str, str] | None = None,
        **more: str,
    ) -> dict[str, Any]:
        """One series of a matrix: `values` every `step` seconds from `at` on; None leaves a hole."""
        metric = ({} if name is None else {"__name__": name}) | (labels or {}) | more
        times = [T0 + at + step * number for number in range(len(values))]
        pairs = [
            [int(time) if time == int(time) else time, str(value)]
            for time, value in zip(times, values, strict=True)
            if value is not None
        ]
        return {"metric": metric, "values": pairs}

    @staticmethod
    def answer(*series: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The answer of a server that found these series."""
        return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more}

    def save(self, content: Any, name: str = "answer.json") -> Path:
        """Save bytes, or an object as compact JSON."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, bytes):
            content = json.dumps(content, separators=(",", ":")).encode()
        file.write_bytes(content)
        return file

    def read(self, *series: dict[str, Any], **options: Any) -> rm.Recording:
        """Save one answer of these series and read it."""
        return rm.read_prometheus(self.save(self.answer(*series)), **options)

    def pod(self, pod: str = "api-7d4b9c8f6d-m8rtz", container: str = "api", **more: str) -> dict[str, str]:
        """Labels of a container."""
        return {"namespace": "shop", "pod": pod, "container": container, **more}

    def events(self, recording: rm.Recording) -> list[tuple[float, str, int | None, str | None]]:
        """Events of the first container, with times in seconds after `t0`."""
        first = recording.events.filter(container_id=0)
        return [
            (time.timestamp() - T0, kind, value, detail)
            for time, kind, value, detail in first.select("time", "kind", "value_bytes", "detail").iter_rows()
        ]

    def seconds(self, recording: rm.Recording, container_id: int = 0) -> list[float]:
        """Times of a container's samples in seconds after `t0`."""
        rows = recording.samples.filter(container_id=container_id)
        return [time.timestamp() - T0 for time in rows["time"].to_list()]


@pytest.fixture
def prom(tmp_path: Path) -> Prom:
    """Make, save and read Prometheus answers in a folder of the test's own."""
    return Prom(tmp_path)


_READERS: Final = [
    *("read", "read_docker_stats", "read_jemalloc_stats", "read_kubectl_top", "read_malloc_info", "read_procfs"),
    "read_prometheus",
]


def _shorter(recording: rm.Recording) -> list[Any]:
    """What is missing without the names of metrics that would tell it: other tables have them."""
    *rows, about = digest(recording)
    missing = [note.removeprefix("missing: ").partition(" (")[0] for note in about["notes"] if note[:9] == "missing: "]
    notes = [note for note in about["notes"] if note[:9] != "missing: "]
    return [*ends(rows), about | {"notes": notes, "missing": ", ".join(missing)}]


@pytest.fixture(autouse=True)
def _readings(request: pytest.FixtureRequest) -> Iterator[None]:
    """All that a reader gives is compared with what was stored, not only what the test looks at."""
    yield from readings.kept(request, dict.fromkeys(_READERS, _shorter))
