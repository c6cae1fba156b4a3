"""A lake: recordings of a fleet kept in many small files, appended to again and again, read by filter."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import socket
import stat
import time
import warnings
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import _lake_files, exceptions, recording
from rmtoolkit._io import MARKER, as_place, for_polars, read_json, refuse_links, write_whole
from rmtoolkit._parallel import Parted, each, partition
from rmtoolkit._tables import key_containers, settings_at_time, window_bounds
from rmtoolkit.exceptions import ReadError, RmtoolkitError, door, quote, quote_path, warn
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import CONTAINERS, EVENTS, IDENTITY, NO_LIMITS, SAMPLES, SIGNALS, Report, empty
from rmtoolkit.text import counted, stamp, unread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import FileIO

    import pandas as pd
    from distributed import Client

    from rmtoolkit._parallel import Frames, Work
    from rmtoolkit._store import Remote

    Place = Path | Remote
    Done = tuple[list[tuple[Frames, Report]], list[ReadError]]

#: Raised when an older version could not read what this one writes.
FORMAT: Final = 1
_LOCK: Final = ".lock"
#: How long an append waits for another one, how long without a word, and how often it looks.
_LOCK_SECONDS: Final = 600.0
_QUIET_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.05
#: Bytes in which who has the lock is named.
_HOLDER: Final = 200
_BUCKETS: Final = 64
_MOST_BUCKETS: Final = 1000
_DAY: Final = dt.timedelta(days=1)
#: Buckets are taken together up to this size of their files: some hundred thousand samples.
_GROUP_BYTES: Final = 8 << 20


class Lake(Parted):
    """Recordings of a fleet in a folder, as ``bucket=NNN/DATE.parquet``.

    A workload is in one bucket, told by a hash of its cluster, namespace and name; a file has what one bucket's
    containers did on one day (UTC), sorted by container and time, with their events.

    Parameters
    ----------
    path
        The folder, or an address in an object store, such as ``s3://bucket/lake``. The first append makes it.
    buckets
        How many buckets a new lake has; an existing one keeps its number. More make smaller files.

    Raises
    ------
    RmtoolkitError
        `buckets` is not from 1 to 1000.
    ReadError
        Of whatever reads: there is no lake, or it is of a later version; or, of `recording` and `scan`, it is empty.

    Notes
    -----
    Whatever kills an append, each file is whole and appending the same again finishes it. Appends wait for each other;
    readers never wait. Appends to an object store from several machines lose nothing; one that cannot write an object
    only if nobody else did is refused. Its credentials come from the environment. A container is who its cluster,
    namespace, workload, pod, pod uid and name say; its `container_id` is given anew in each recording that is read.

    Examples
    --------
    >>> import tempfile
    >>> lake = Lake(tempfile.mkdtemp())
    >>> table = pl.DataFrame({"time": [0, 60], "pod": ["db-0"] * 2, "rss_bytes": [10, 20]})
    >>> lake.append(table), lake.append(table)
    (1, 0)
    >>> lake.recording(workload="db")
    <Recording: 1 container, 2 samples, 1970-01-01 00:00 to 1970-01-01 00:01 UTC>
    """

    @door
    def __init__(self, path: str | os.PathLike[str], *, buckets: int = _BUCKETS) -> None:
        if not 1 <= buckets <= _MOST_BUCKETS:
            msg = f"A lake has 1 to {_MOST_BUCKETS} buckets, got {buckets}."
            raise RmtoolkitError(msg)
        self.path: Any = as_place(path)
        self._new_buckets = buckets
        #: What of it is looked at; see `window` and `filter`.
        self.view = _lake_files.View()

    def __repr__(self) -> str:
        return f"<Lake: {quote_path(self.path)}>"

    def make(self) -> None:
        """Make the lake if there is none; an error says why nothing could be appended, as that of `append` does."""
        with self._locked():
            pass

    @door
    def append(
        self,
        data: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame,
        *,
        events_within: tuple[dt.datetime, dt.datetime] | None = None,
    ) -> int:
        """Add a recording.

        Parameters
        ----------
        data
            A recording, or a frame that can become one.
        events_within
            Between these instants the recording knows all events of its containers: those that the lake has are
            replaced. For pulls that overlap. None keeps all.

        Returns
        -------
        int
            How many files changed: 0 when everything was there already. Samples at the same instant are joined
            signal by signal; where two differ, the new one counts.

        Raises
        ------
        ReadError
            A file that would have to change is damaged; nothing in it is lost.
        RmtoolkitError
            The folder holds something else, or cannot be written to.
        """
        recording = as_recording(data)
        if (times := recording.times()) is not None:
            # The first day that both have tells which containers are the same.
            with suppress(RmtoolkitError):
                days = [date for _, date in self._placed().values() if date >= times[0].date()]
                begin = max(times[0], dt.datetime.combine(min(days, default=dt.date.min), dt.time(), dt.UTC))
                alike = {name: recording.containers[name].unique() for name in ("pod", "container")}
                whole = self._looking(_lake_files.View(equal=alike))
                there = whole.known(begin, min(times[1], begin + _DAY), _lake_files.beginnings)
                recording = _lake_files.as_known(recording, there)
        return self.add(recording, events_within)

    def add(self, recording: Recording, events_within: tuple[dt.datetime, dt.datetime] | None) -> int:
        """Add a recording whose containers are called as they are here."""
        with self._locked() as buckets:
            return sum(self._append(part, buckets, events_within) for part in partition(recording))

    def _append(self, recording: Recording, buckets: int, events_within: tuple[dt.datetime, dt.datetime] | None) -> int:
        names = recording.containers.select("cluster", "namespace", "workload").iter_rows()
        numbers = [_lake_files.bucket_of(cluster, namespace, name, buckets) for cluster, namespace, name in names]
        homes = recording.containers.select("container_id", bucket=pl.Series(numbers, dtype=pl.Int64))

        def placed(frame: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
            joined = frame.join(homes, on="container_id", maintain_order="left")
            keyed = joined.with_columns(date=pl.col("time").dt.date())
            return keyed.partition_by("bucket", "date", as_dict=True, include_key=False, maintain_order=True)

        samples, events = placed(recording.samples), placed(recording.events)
        changed = 0
        for bucket, date in sorted({*samples, *events}):
            rows = samples.get((bucket, date), empty(SAMPLES)).select(*SAMPLES)
            told = events.get((bucket, date), empty(EVENTS)).select(*EVENTS)
            ids = pl.concat([rows["container_id"], told["container_id"]]).unique().implode()
            containers = recording.containers.filter(pl.col("container_id").is_in(ids))
            end = dt.datetime.combine(date, dt.time.max, dt.UTC)
            containers = settings_at_time(containers, recording.events, end)
            new = _lake_files.cut(recording, containers, rows, told)
            add = partial(_lake_files.added, new=new, events_within=events_within)
            changed += _lake_files.rewrite(self.path / f"bucket={bucket:03}" / f"{date.isoformat()}.parquet", add)
        return changed

    @door
    def window(
        self,
        start: str | dt.datetime | None = None,
        end: str | dt.datetime | None = None,
        *,
        last: str | dt.timedelta | None = None,
    ) -> Lake:
        """Look only at a stretch of time; nothing is read.

        It is the same lake, for `rm.classify` and others; appending, `partitions` and `scan` are as without.

        Parameters
        ----------
        start, end, last
            As for `Recording.window`: ``last="7d"`` counts from the end of a window that was set before.
        """
        newest = self.view.end
        if last is not None and end is None and (times := self.times()):
            newest = min(times[1], newest or times[1])
        return self._looking(self.view.between(*window_bounds(start, end, last, newest)))

    def _looking(self, view: _lake_files.View) -> Lake:
        narrow = copy(self)
        narrow.view = view
        return narrow

    def filter(self, *predicates: pl.Expr, **equal: str | int | Iterable[str] | None) -> Lake:
        """Look only at some containers: the same lake, as `window` gives it; nothing is read.

        Parameters
        ----------
        *predicates, **equal
            As for `Recording.filter`: ``namespace="shop"``; a column that is none is an error.
        """
        return self._looking(self.view.only(predicates, equal))

    def times(self) -> tuple[dt.datetime, dt.datetime] | None:
        """Find the instants of the first and the last sample, in UTC; None when there is no sample."""
        days: dict[dt.date, list[Path]] = {}
        for file, (_, date) in self._placed().items():
            days.setdefault(date, []).append(file)
        ends = (map(_lake_files.extent, map(days.__getitem__, dates)) for dates in (sorted(days), sorted(days)[::-1]))
        first, last = (next((end for end in some if end is not None), None) for some in ends)
        return None if first is None or last is None else (first[0], last[1])

    def pulled(self, source: str) -> list[tuple[dt.datetime, dt.datetime]]:
        """Tell which stretches of time of a source, whatever tells one pull from another, are in the lake."""
        return self._pulls(source).pulled

    def owed(self, source: str) -> list[tuple[dt.datetime, dt.datetime]]:
        """Tell which stretches of time of a source were asked for, and have not come."""
        return self._pulls(source).owed

    def _pulls(self, source: str) -> _lake_files.Pulls:
        return _lake_files.read_pulls(self.path / _lake_files.FILE).get(source, _lake_files.Pulls())

    def note(
        self, source: str, *, asked: _lake_files.Span | None = None, pulled: _lake_files.Span | None = None
    ) -> None:
        """Note that a pull of everything of a source from one instant to another has begun, or has been appended."""
        with self._locked():
            _lake_files.note(self.path, source, asked=asked, pulled=pulled)

    @door
    def recording(
        self,
        *predicates: pl.Expr,
        start: str | dt.datetime | None = None,
        end: str | dt.datetime | None = None,
        last: str | dt.timedelta | None = None,
        **equal: str | int | Iterable[str] | None,
    ) -> Recording:
        """Read what is asked for; only the files that may have it are opened.

        Parameters
        ----------
        *predicates, start, end, last, **equal
            What to keep, as for `Recording.filter` and `Recording.window`: ``namespace="shop", last="7d"``.

        Returns
        -------
        Recording
            Everything as one. A limit or request that changed between two appends is an event. Damaged files are left
            out with a warning, and counted in the report.

        Raises
        ------
        ReadError
            Every file is damaged.
        UnknownWorkloadError, ColumnError
            As for `Recording.filter`.
        """
        asked = self.window(start, end, last=last).filter(*predicates, **equal)
        found = asked._as_it_is()  # noqa: SLF001 - our own
        return replace(found, report=_unfinished(asked, found.report))

    def known(self, start: dt.datetime, end: dt.datetime, some: Work = _lake_files.samples_of) -> pl.DataFrame:
        """Read samples of a stretch as they are, and who was there in the day before, in the midst of a pull."""
        found, before = Recording(empty(CONTAINERS), empty(SAMPLES)), empty(CONTAINERS)
        # What cannot be read is said by who reads it.
        with suppress(RmtoolkitError), warnings.catch_warnings(action="ignore", category=exceptions.RmtoolkitWarning):
            there, before = _lake_files.named_in(self.window(start - _DAY, end).files(), self.view)
            if files := [file for file in self.window(start, end).files() if file in there]:
                found = self.window(start, end)._as_it_is(some, files)  # noqa: SLF001 - our own
        return _lake_files.known(found, before)

    def _as_it_is(self, some: Work = _lake_files.samples_of, files: Sequence[Path] | None = None) -> Recording:
        frames, who = self._mapped(some, files=files)
        return replace(who, samples=frames.get("samples", empty(SAMPLES)))

    def unfinished(self) -> tuple[str, ...]:
        """Say what pulls still owe of what is looked at."""
        return _lake_files.owed_lines(self.path, self.view)

    def partitions(self) -> pl.DataFrame:
        """List the files.

        Returns
        -------
        polars.DataFrame
            A row per file, sorted by bucket and day, with its size in bytes; a damaged one has no counts.
        """
        rows = []
        for file, (bucket, date) in self._placed().items():
            row: dict[str, Any] = {"bucket": bucket, "date": date, "path": str(file), "bytes": file.stat().st_size}
            with suppress(ReadError, OSError):
                containers, stored, _, _ = recording.open_parts(file)
                row |= {"samples": stored.rows, "containers": containers.height}
            rows.append(row)
        numbers = dict.fromkeys(("bytes", "samples", "containers"), pl.Int64())
        return pl.DataFrame(rows, schema={"bucket": pl.Int64(), "date": pl.Date(), "path": pl.String(), **numbers})

    def scan(self) -> pl.LazyFrame:
        """Give all samples as one lazy table, for questions of your own.

        Returns
        -------
        polars.LazyFrame
            The identity columns, `time` and every signal; `bucket` and `date` prune files when they are filtered by.
            Unlike `recording`, this does not check what was written.
        """
        if not (placed := self._placed()):
            raise self.nothing()
        frames = []
        for file, (bucket, date) in placed.items():
            there = pl.read_parquet_schema(for_polars(file))
            columns = [pl.col(name) if name in there else pl.lit(None, SAMPLES[name]).alias(name) for name in SIGNALS]
            place = (pl.lit(bucket).alias("bucket"), pl.lit(date).alias("date"))
            frames.append(pl.scan_parquet(for_polars(file)).select(*place, *IDENTITY, "time", *columns))
        return pl.concat(frames)

    def files(self) -> list[Path]:
        """List the paths of the files, sorted by bucket and day; after `window` those of its days."""
        return list(self._placed())

    def _placed(self) -> dict[Path, tuple[int, dt.date]]:
        _check(self.path)
        found = ((file, _lake_files.place_of(file)) for file in self.path.glob("bucket=*/*.parquet"))
        inside = [(file, place) for file, place in found if place is not None and self.view.covers(place[1])]
        return dict(sorted(inside, key=lambda one: one[1]))

    def tells_restarts(self) -> bool:
        """Tell whether any source of what is in the lake reports restarts; only the ends of files are read."""
        return any(_lake_files.tells_restarts(file) for file in self.files())

    def containers(self) -> pl.DataFrame:
        """List who is in the lake, in the schema `CONTAINERS` without cadences; no samples are read."""
        known = []
        # Where two days differ the later one is right: ids rise with the days.
        for file in sorted(self.files(), key=lambda file: file.name):
            with suppress(ReadError, OSError):
                known.append(recording.open_parts(file)[0])
        numbered = pl.concat([empty(CONTAINERS), *known]).drop("container_id").with_row_index("container_id")
        return key_containers(numbered, None)[0].with_columns(cadence_seconds=pl.lit(None, dtype=pl.Float64))

    def nothing(self) -> RmtoolkitError:
        """Make the error for a lake in which nothing is found."""
        try:
            self.view.check(self.containers())
        except RmtoolkitError as error:
            return error
        return ReadError.at(self.path, found="a lake without any file of that time", expected="something in it")

    def map_parts(self, work: Work, client: Client | None) -> tuple[Frames, Recording]:
        """Do the same work on every part, and put the answers together: frames, and who was in them without samples."""
        frames, found = self._mapped(work, client)
        if found.containers.is_empty():
            raise self.nothing()
        return frames, replace(found, report=_unfinished(self, found.report))

    def _mapped(
        self, work: Work, client: Client | None = None, files: Sequence[Path] | None = None
    ) -> tuple[Frames, Recording]:
        groups = list(_groups(self.files() if files is None else files))
        done = list(each(partial(_of_group, work, self.view), groups, client, total=len(groups)))
        found = [part for made, _ in done for part in made]
        failed = [error for _, errors in done for error in errors]
        count = sum(map(len, groups))
        # An expression may find nothing; a time or a name that finds nothing is a mistake.
        if not found and (len(failed) == count or not self.view.predicates):
            raise failed[0] if failed and len(failed) == count else self.nothing()
        nobody: Frames = {"containers": empty(CONTAINERS), "events": empty(EVENTS)}
        frames = _lake_files.gathered([frames for frames, _ in found]) if found else nobody
        report = _lake_files.joined(report for _, report in found) if found else Report()
        if wrong := report.left_out.get(NO_LIMITS):
            warn(f"Left out {counted(wrong, NO_LIMITS)}.")
        if failed:
            warn(f"{unread(len(failed), count, f' of {self!r}')}; the first: {failed[0]}")
        who = Recording(frames.pop("containers"), empty(SAMPLES), frames.pop("events"), report.without(failed))
        return frames, who

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Wait until nobody else appends; make the lake if there is none; tell its number of buckets."""
        said = json.dumps({"format": FORMAT, "buckets": self._new_buckets}) + "\n"
        marker = self.path / MARKER
        if not isinstance(self.path, Path):
            # Nothing is locked: what was written by somebody else since it was read is not replaced.
            if not marker.exists():
                _refuse_foreign(self.path, marker)
                marker.found_new(said.encode())
            yield _check(self.path)
            return
        try:
            refuse_links(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            with _lock(self.path / _LOCK):
                if not marker.exists():
                    _refuse_foreign(self.path, marker)
                    write_whole(marker, said.encode())
                    _lake_files.sync_folder(self.path)
                buckets = _check(self.path)
                for leftover in (*self.path.glob(".rmtoolkit-*"), *self.path.glob("bucket=*/.rmtoolkit-*")):
                    shutil.rmtree(leftover)
                yield buckets
        except OSError as error:
            msg = f"Could not write to the lake {quote_path(self.path)}: {exceptions.system_words(error)}."
            raise RmtoolkitError(msg) from error


def read_lake(path: str | os.PathLike[str]) -> Recording:
    return Lake(path).recording()


def _check(path: Path | Remote) -> int:
    marker = path / MARKER
    expected = f"a folder with {MARKER}"
    try:
        told = read_json(marker)
        version, buckets = int(told["format"]), int(told["buckets"])
    except RmtoolkitError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ReadError.at(path, found="no lake", expected=expected) from error
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise ReadError.at(marker, found="a marker that cannot be read", expected=expected) from error
    if version > FORMAT:
        hint = "Update rmtoolkit."
        raise ReadError.at(marker, found=f"format {version}", expected=f"format {FORMAT} or earlier", hint=hint)
    if not 1 <= buckets <= _MOST_BUCKETS:
        raise ReadError.at(marker, found=f"{buckets} buckets", expected=f"1 to {_MOST_BUCKETS}")
    return buckets


def _refuse_foreign(path: Place, marker: Place) -> None:
    others = any(file.name != _LOCK and not file.name.startswith(".rmtoolkit-") for file in path.glob("*"))
    # In a store somebody else may have made the lake meanwhile.
    if others and not marker.exists():
        if isinstance(path, Path):
            (path / _LOCK).unlink(missing_ok=True)
        msg = f"Could not make a lake of {quote_path(path)}: the folder holds other things. Name a new or empty one."
        raise RmtoolkitError(msg)


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    refuse_links(file)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o660)
    with os.fdopen(descriptor, "r+b", buffering=0) as lock:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ReadError.at(file, found="a pipe or a device", expected="the lock of a lake")
        # Who can open it can hold it: nobody who could not write to the lake, too.
        if os.name == "posix" and found.st_uid == os.geteuid():
            os.fchmod(descriptor, 0o660 if found.st_mode & 0o020 else 0o600)
        _wait(lock, file)
        lock.truncate(0)
        lock.seek(0)
        since = stamp(dt.datetime.now(dt.UTC), seconds=True)
        lock.write(f"process {os.getpid()} on {socket.gethostname()} since {since} UTC".encode())
        try:
            yield
        finally:
            lock.truncate(0)


def _wait(lock: FileIO, file: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    begun, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read(_HOLDER).decode("utf-8", "replace") or "a process that does not say which"
            waited = time.monotonic() - begun
            if waited > _LOCK_SECONDS:
                lake = quote_path(file.parent)
                msg = f"Could not write to the lake {lake}: {quote(holder)} holds its lock. Try later."
                raise RmtoolkitError(msg) from None
            if waited > _QUIET_SECONDS and not told:
                warn(f"Waiting for {quote(holder)}, which holds the lock of {quote_path(file.parent)}.")
                told = True
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _unfinished(lake: Lake, report: Report) -> Report:
    if lines := lake.unfinished():
        warn(f"{lake!r} is not complete: {'; '.join(lines)}.")
    return replace(report, partial=(*report.partial, *lines))


def _groups(files: Sequence[Place]) -> Iterator[list[Place]]:
    group: list[Place] = []
    size = 0
    for _, mine in groupby(files, key=lambda file: file.parent):
        bucket = list(mine)
        # What has gone meanwhile is noticed when it is read.
        more = sum(file.stat().st_size for file in bucket if not isinstance(file, Path) or file.exists())
        if group and size + more > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group += bucket
        size += more
    if group:
        yield group


def _of_group(work: Work, view: _lake_files.View, files: Sequence[Place]) -> Done:
    failed: list[ReadError] = []
    made = [
        (work(part) | {"containers": part.containers, "events": part.events}, part.report)
        for part in _lake_files.bucket_parts(files, view, failed)
        if part.containers.height
    ]
    return made, failed
