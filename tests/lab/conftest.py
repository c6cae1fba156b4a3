"""The lab is a folder of scripts that import each other by name; the tests import them the same way."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
for folder in ("lab", "field"):
    sys.path.insert(0, str(ROOT / "data" / folder))

EPOCH = 1_795_000_000


def row(second: int, working_set: int, *, container: int = 0, dead: int = 0, scraped: bool = True) -> dict[str, Any]:
    """Make a measured second as the recorder writes it."""
    return {
        "container": container,
        "time": (EPOCH + second) * 1000 + 700,
        "scraped": scraped,
        "usage_bytes": working_set + 4096,
        "working_set_bytes": working_set,
        "anon_bytes": working_set - 8192,
        "file_bytes": 8192,
        "inactive_file_bytes": 4096,
        "peak_bytes": working_set + 4096,
        "rss_bytes": working_set + 2_000_000,
        "threads": 3,
        "allocated_bytes": working_set - 90_000,
        "live_bytes": working_set - 100_000,
        "dead_bytes": dead,
        "outside_bytes": 0,
        "outside_dead_bytes": 0,
        "work_total": 10 * second,
        "load_thousandths": 10_000,
        "age_seconds": second,
    }


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Store a short run: two replicas; one loses memory, is killed after second 5 and back at second 8."""
    import record

    first = [row(s, 20_000_000 + 1_500_000 * s, dead=1_500_000 * s) for s in range(6)]
    again = [row(s, 20_000_000 + 1_500_000 * (s - 8), dead=1_500_000 * (s - 8)) for s in range(8, 12)]
    other = [row(s, 21_000_000 + 1000 * s, container=1, scraped=s not in (3, 4)) for s in range(12)]
    rows = [*first, *again, *other]
    pl.DataFrame(rows, schema=record.SCHEMA, strict=False).write_parquet(tmp_path / "r1.parquet")
    base = {"namespace": "elm", "workload": "calm-otter", "container": "app", "replica_set": "calm-otter-7c9f8d6b5"}
    killed = [(0.0, "start"), (6.7, "oom_kill"), (8.0, "start")]
    containers = [
        {
            **base,
            "pod": f"calm-otter-7c9f8d6b5-x2x9{replica}",
            "pod_uid": f"00000000-0000-0000-0000-00000000000{replica}",
            "version": 1,
            "replica": replica,
            "restarts": 1 - replica,
            "events": [
                {"time": EPOCH + at, "kind": kind, "detail": None} for at, kind in (killed, [(0.0, "start")])[replica]
            ],
        }
        for replica in (0, 1)
    ]
    plan = record.Run(
        run="r1",
        seed=5,
        components=["leak:bytes=1500k"],
        allocator="jemalloc",
        limit_bytes=30_000_000,
        request_bytes=20_000_000,
        window_seconds=12,
        replicas=2,
        gaps=[[3, 5]],
    )
    about = {
        "plan": {name: getattr(plan, name) for name in record.Run.__slots__},
        "epoch": EPOCH,
        "containers": containers,
    }
    (tmp_path / "r1.json").write_text(json.dumps(about))
    return tmp_path
