"""Writers are ended at any moment: a small part of `tests.benchmarks.killed_writers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.killed_writers import DOORS, Place, rounds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.servers import Prometheus


def test_what_is_ended_at_any_moment_loses_and_doubles_nothing(server: Prometheus, tmp_path: Path) -> None:
    """SIGKILL and full disks over pull, append, record, classify and report: old or new and whole, or it says so."""
    # Lakes, which are written in many steps, twice.
    doors = [*DOORS, "pull", "append"]
    done = rounds(Place(tmp_path, server), doors, seed=5)
    assert done.total() == len(doors)
    assert {name.partition(":")[0] for name in done} == set(DOORS)
