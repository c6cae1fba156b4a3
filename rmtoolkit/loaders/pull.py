"""`rmtoolkit pull`: keep a lake current from a live server, whatever interrupts it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import _lake_files
from rmtoolkit._tables import asked_window, ends_early, parse_duration
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError
from rmtoolkit.loaders.prometheus.live import names_asked
from rmtoolkit.loaders.server import NothingThereError
from rmtoolkit.recording import Recording
from rmtoolkit.schema import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rmtoolkit.lake import Lake
    from rmtoolkit.loaders.prometheus.live import Prometheus

#: Samples come late: an agent that was cut off sends what it kept, a rule is evaluated after its minute.
_OVERLAP: Final = dt.timedelta(minutes=10)
#: The first piece is small, since nobody knows yet how much there is; the others follow its measure.
_FIRST: Final = dt.timedelta(hours=1)
_LONGEST: Final = dt.timedelta(days=1)
_SHORTEST: Final = dt.timedelta(minutes=5)
_ROWS: Final = 2_000_000
#: A sample nearer than this share of the usual distance to one of another server stands for the same scrape.
_NEAR: Final = 0.75
#: What the lake has so long before a piece tells as well which of a pair of servers its first samples are of.
_BEFORE: Final = dt.timedelta(minutes=10)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Pulled:
    start: dt.datetime
    end: dt.datetime
    samples: int  # samples that were fetched; those that the lake had already are among them
    files: int
    pieces: int


def pull(
    server: Prometheus,
    lake: Lake,
    *,
    last: str | dt.timedelta | None = None,
    start: str | dt.datetime | None = None,
    end: str | dt.datetime | None = None,
    namespace: str | Iterable[str] | None = None,
    workload: str | Iterable[str] | None = None,
    step: str | dt.timedelta | None = None,
    metrics: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    workload_pattern: str | None = None,
    overlap: str | dt.timedelta = _OVERLAP,
    again: bool = False,
    progress: Callable[[dt.datetime, int], None] | None = None,
) -> Pulled:
    """Fetch into a lake what it does not have yet.

    Parameters
    ----------
    server
        Where from.
    lake
        Where to. It notes what was pulled from which server with which filter and step.
    last, start, end, namespace, workload, step, metrics, labels, workload_pattern
        As for `Prometheus.recording`.
    overlap
        How much of the end of what the lake has is fetched again: samples come late.
    again
        Fetch everything, whatever was pulled before.
    progress
        Called after each piece with its end and the number of samples so far.

    Returns
    -------
    Pulled
        What was done.

    Raises
    ------
    RmtoolkitError
        As for `Prometheus.recording` and `Lake.append`. What was fetched is kept: the next pull goes on from there.

    Notes
    -----
    It goes forward in pieces of at most about two million samples. A piece of which the server gave a part only is
    appended, and fetched again next time. Until all that was asked for has come, whoever reads the lake is told what it
    lacks, and the next pull goes on with it.

    Examples
    --------
    >>> import tempfile
    >>> from rmtoolkit.lake import Lake
    >>> from rmtoolkit.loaders.prometheus.live import Prometheus
    >>> pull(Prometheus("http://127.0.0.1:9"), Lake(tempfile.mkdtemp()), last="7 days")
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: '7 days' is no duration. Write it like '7d', '36h' or '1h30m'.
    """
    grain = parse_duration(step) if step is not None else dt.timedelta(milliseconds=1)
    again_for = max(parse_duration(overlap), 2 * grain if step is not None else dt.timedelta(0))
    begin, stop = (_floor(moment, grain) for moment in asked_window(last, start, end))
    if begin >= stop:
        raise ends_early(begin, stop)
    wanted = max(begin, _EPOCH), stop
    asked: dict[str, Any] = {
        "namespace": sorted(names_asked(namespace, "namespace")) or None,
        "workload": sorted(names_asked(workload, "workload")) or None,
        "metrics": metrics,
        "labels": labels,
        "workload_pattern": workload_pattern,
    }
    told = {"url": server.url, "step_seconds": None if step is None else grain.total_seconds(), **asked}
    source = json.dumps({name: value for name, value in told.items() if value is not None}, sort_keys=True)
    known = [] if again else lake.pulled(source)
    work = _Work(server, lake, source, asked, wanted, step, again_for, grain, progress, _FIRST)
    # What an earlier pull owes is gone on with, whatever is asked for now.
    for each in _lake_files.union([wanted, *lake.owed(source)]):
        for stretch in _lake_files.missing(each, known, again_for):
            work.fetch(stretch, fresh=not any(begin < stretch[0] <= until for begin, until in known))
    if work.nothing is not None and not work.samples:
        raise work.nothing
    return Pulled(*wanted, work.samples, work.files, work.pieces)


@dataclass(slots=True)
class _Work:
    server: Prometheus
    lake: Lake
    source: str
    asked: dict[str, Any]
    wanted: _lake_files.Span
    step: str | dt.timedelta | None
    overlap: dt.timedelta
    grain: dt.timedelta
    progress: Callable[[dt.datetime, int], None] | None
    length: dt.timedelta
    samples: int = 0
    files: int = 0
    pieces: int = 0
    nothing: RmtoolkitError | None = None

    def fetch(self, stretch: _lake_files.Span, *, fresh: bool) -> None:
        """Fetch a stretch piece by piece; unless it is fresh, the lake has what comes before it."""
        begin, stop = stretch
        # What the lake has there: the end of the last pull, and what one that was killed left behind. Day by day, as
        # such a remainder may be of any day, and no piece goes beyond one.
        looked = _midnight(begin)
        there = self.lake.known(max(begin - self.overlap - _BEFORE, _EPOCH), looked)
        first = fresh
        while begin < stop:
            if begin >= looked:
                there = pl.concat([there, self.lake.known(begin, _midnight(begin))])
                looked = _midnight(begin)
            until = self._cut(begin, stop)
            # A little of what came before shows what changed across the border.
            context = max(begin if first else begin - self.overlap, _EPOCH)
            recording = None
            try:
                recording = self.server.recording(
                    start=context, end=until, step=self.step, progress=False, **self.asked
                )
            except (NothingThereError, UnknownWorkloadError) as error:
                # The server has nothing of that time.
                self.nothing = error
            whole = recording is None or not recording.report.partial
            if not self.pieces:
                # From here on the lake is not complete until all has come.
                self.lake.note(self.source, asked=self.wanted)
            if recording is not None:
                # Near the beginning of what was fetched, the server told less than it had before.
                sure = begin if first else begin - self.overlap / 2
                kept = _without_doubles(_lake_files.as_known(recording, there), there)
                if not first:
                    # Events that the lake had told better, of the containers that it has.
                    timed = there.drop_nulls("time")
                    known = kept.containers.join(timed, on=IDENTITY, how="semi", nulls_equal=True)["container_id"]
                    ours = (pl.col("time") >= sure) | ~pl.col("container_id").is_in(known.implode())
                    kept = replace(kept, events=kept.events.filter(ours))
                self.files += self.lake.add(kept, (sure, until) if whole else None)
                self.samples += recording.samples.height
                since = until - self.overlap - _BEFORE
                late = kept.window(since)
                rest = there.filter(pl.col("time").is_null() | (pl.col("time") > since))
                there = pl.concat([rest, _lake_files.known(late, late.containers)], how="diagonal")
                # The next piece has about as many samples as memory is meant for.
                rows = recording.samples.height
                wanted = (until - context) * (_ROWS / rows) if rows else _LONGEST
                self.length = min(max(wanted, _SHORTEST, 2 * self.grain), _LONGEST, 24 * self.length)
            if whole:
                self.lake.note(self.source, pulled=(begin, until))
            self.pieces += 1
            if self.progress is not None:
                self.progress(until, self.samples)
            begin, first = until, False

    def _cut(self, begin: dt.datetime, stop: dt.datetime) -> dt.datetime:
        until = min(begin + self.length, _midnight(begin), stop)
        if self.step is not None:
            until = max(begin + self.grain, _floor(until, self.grain))
        return min(until, stop)


def _without_doubles(recording: Recording, there: pl.DataFrame) -> Recording:
    names = recording.containers.select("container_id", *IDENTITY, near=pl.col("cadence_seconds") * _NEAR * 1000)
    old = there.drop_nulls("time").join(names, on=IDENTITY, nulls_equal=True).select("container_id", "time").unique()
    if old.is_empty():
        return recording
    instants = recording.samples.select("container_id", "time")
    # Only what this server does not have as well can be another server's.
    strange = old.join(instants, on=["container_id", "time"], how="anti").sort("time").with_columns(nearest="time")
    doubled = (
        instants.join(old, on=["container_id", "time"], how="anti")
        .sort("time")
        .join_asof(strange, on="time", by="container_id", strategy="nearest", check_sortedness=False)
        .join(names.select("container_id", "near"), on="container_id")
        .filter((pl.col("time") - pl.col("nearest")).dt.total_milliseconds().abs() < pl.col("near"))
        .select("container_id", "time")
    )
    samples = recording.samples.join(doubled, on=["container_id", "time"], how="anti", maintain_order="left")
    return Recording(recording.containers, samples, recording.events, recording.report)


def _midnight(moment: dt.datetime) -> dt.datetime:
    return (moment + dt.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _floor(moment: dt.datetime, grain: dt.timedelta) -> dt.datetime:
    return moment - (moment - _EPOCH) % grain
