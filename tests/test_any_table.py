"""Whatever gives its columns away as Arrow is a source, wherever a recording is."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import rmtoolkit as rm

if TYPE_CHECKING:
    from collections.abc import Callable

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
FRAME = pl.DataFrame(
    {
        "time": [START + dt.timedelta(minutes=at) for at in range(200)],
        "pod": "db-0",
        "rss_bytes": [10**8 + 10**5 * at for at in range(200)],
        "limit_bytes": 3 * 10**8,
    }
)


class Capsule:
    """A table of another library, of which nothing is known but that."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the columns away."""
        return FRAME.__arrow_c_stream__(requested_schema)


TAKERS: dict[str, Callable[[Any], object]] = {
    "Recording.from_frame": rm.Recording.from_frame,
    "read": rm.read,
    "concat": lambda source: rm.concat([source, source]),
    "assess": lambda source: rm.assess(source).workloads.drop("data_age_seconds"),
    "classify": rm.classify,
    "lives": rm.lives,
    "fits": rm.fits,
    "checklist": rm.checklist,
    "explain": lambda source: rm.explain(source, "db"),
    "recommend_limits": rm.recommend_limits,
    "limit_risk": lambda source: rm.limit_risk(source, [3 * 10**8]),
    "replay": lambda source: rm.replay(source, 2 * 10**8),
    "what_if": rm.what_if,
    "validate": rm.validate,
}


@pytest.mark.parametrize("name", TAKERS)
def test_a_table_of_another_library_is_a_source(name: str) -> None:
    """It gives what the same frame of polars gives."""
    found, expected = (TAKERS[name](source) for source in (Capsule(), FRAME))
    if isinstance(found, rm.Recording) and isinstance(expected, rm.Recording):
        found, expected = found.frame(), expected.frame()
    if isinstance(found, pl.DataFrame) and isinstance(expected, pl.DataFrame):
        assert found.write_json() == expected.write_json()
    else:
        assert repr(found) == repr(expected)
