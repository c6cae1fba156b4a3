"""What a real Prometheus with the history of `tests.live.history` is read as, written down.

``python -m tests.live.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.exceptions import RmtoolkitError
from tests.live.conftest import WAY, instant, pull
from tests.live.history import END, ODD, history
from tests.live.servers import T0, Prometheus
from tests.loaders.outcomes import digest
from tests.written import write

if TYPE_CHECKING:
    import rmtoolkit as rm

FILE: Final = Path(__file__).parents[1] / "data" / "prometheus_live.json"
ASKED: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    "steps of ten minutes": {"step": "10m"},
    "steps of a quarter of an hour, one name": {"step": "15m", "namespace": "shop", "workload": "api"},
    "another metric": {
        "namespace": "shop",
        "metrics": {"shop_requests_total": "load", "shop_jemalloc_arena_allocated_bytes": "free_bytes"},
    },
    "a pattern": {"namespace": ["brief", "twojobs"], "workload_pattern": r"(?P<workload>[a-z]{3}).*"},
    "an odd name": {"namespace": ODD},
    "a pod": {"pod": "api-7d4b9c8f6d-m8rtz", "start": instant(T0 + 3000), "end": instant(T0 + 4000)},
    "the last half hour": {"last": "30m", "start": None},
    "no such workload": {"workload": "nobody"},
    "no such namespace": {"namespace": "nowhere"},
    "no such pod": {"namespace": "shop", "pod": "none-0"},
    "another time": {"start": instant(T0 - 90_000), "end": instant(T0 - 3600)},
    "turned around": {"start": instant(END), "end": instant(T0)},
}


def _read(server: Prometheus, asked: dict[str, Any]) -> list[Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found: rm.Recording = pull(server, **asked)
        except RmtoolkitError as error:
            return [{"error": str(error).replace(server.url, "URL")}]
    report = found.report
    rows: list[Any] = [*digest(found), {"asked": report.asked, "found": list(report.found)}]
    rows += [{"warnings": [str(one.message) for one in caught]}]
    return [
        {
            name: str(value).replace(server.url, "URL") if name in ("source", "asked") else value
            for name, value in row.items()
        }
        for row in rows
    ]


def told(server: Prometheus) -> dict[str, list[Any]]:
    """What is read of each that was asked."""
    return {name: _read(server, asked) for name, asked in ASKED.items()}


if __name__ == "__main__":
    WAY["remote_read"] = False
    with tempfile.TemporaryDirectory() as folder, Prometheus(Path(folder), history()) as running:
        write(FILE, told(running))
