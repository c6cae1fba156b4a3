"""What a reader makes of any input: a recording or one clear error, and both of them some time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.schema import SIGNALS
from tests.written import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import rmtoolkit as rm


class Outcomes:
    """Counts what came out: a reader that refuses everything, or nothing, has not been tried."""

    def __init__(self) -> None:
        self.recordings = 0
        self.errors = 0

    def of(self, read: Callable[[], rm.Recording]) -> rm.Recording | None:
        """Read; an error of ours is said in a line that a terminal shows as it is."""
        try:
            recording = read()
        except RmtoolkitError as error:
            told = str(error)
        else:
            self.recordings += 1
            return recording
        self.errors += 1
        assert told.isprintable()
        assert len(told) > 10
        return None


#: Of more events than these, those in the middle are left out.
MOST: Final = 12

#: What the report says beside its notes.
REPORTED: Final = ("asked", "found", "time_axis", "dropped_share", "nodes", "quotas", "ranges", "governors", "owners")


def ends(rows: list[Any]) -> list[Any]:
    """The first and the last of many."""
    return rows if len(rows) <= MOST else [*rows[: MOST // 2], f"{len(rows) - MOST} more", *rows[-MOST // 2 :]]


def digest(recording: rm.Recording) -> list[dict[str, Any]]:
    """A row for each container with its events, and one for the report: of a signal number, mean and last."""
    column = [
        pl.concat_list(
            pl.col(name).count().cast(pl.Float64),
            pl.col(name).cast(pl.Float64).mean(),
            pl.col(name).drop_nulls().last().cast(pl.Float64),
        ).alias(name)
        for name in SIGNALS
    ]
    sums = recording.samples.group_by("container_id").agg(
        *column, first=pl.col("time").min(), last=pl.col("time").max(), gaps=pl.col("time").diff().n_unique()
    )
    events = recording.events.group_by("container_id").agg(
        events=pl.struct("time", "kind", "value_bytes", "detail").implode()
    )
    # Where files lie is not for every machine to know.
    containers = recording.containers.with_columns(pl.col("source").str.replace(r"^/.*/", ""))
    rows = (
        containers.join(sums, on="container_id", how="left", maintain_order="left")
        .join(events, on="container_id", how="left", maintain_order="left")
        .iter_rows(named=True)
    )
    known = [{name: value for name, value in row.items() if value not in (0, None, [0, None, None])} for row in rows]
    for row in known:
        row.update({"events": ends(row["events"])} if "events" in row else {})
    report = {name: getattr(recording.report, name) for name in REPORTED}
    return [
        *map(plain, known),
        {"notes": list(recording.report.notes()), **{name: plain(told) for name, told in report.items() if told}},
    ]
