"""Saved answers of a Prometheus server, or of one that speaks its language, as a Recording."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rmtoolkit._provenance import Report
from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.loaders._files import check_samples, counted, warn
from rmtoolkit.loaders.prometheus._answers import (
    NO_SERIES,
    NOT_UTF8,
    ODD_LABELS,
    TRUNCATED,
    find_files,
    without_compression,
)
from rmtoolkit.loaders.prometheus._decode import NO_NUMBERS, NO_PAIR, NO_SERIES_FORM, NO_TIMES, Decoder
from rmtoolkit.loaders.prometheus._metrics import NO_NAME, NO_USE, check_overrides, is_known
from rmtoolkit.loaders.prometheus._recording import NothingUsableError, to_recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rmtoolkit.loaders.prometheus._answers import PathLike
    from rmtoolkit.recording import Recording


_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PASSED_OVER: Final = "files of the folder that are neither JSON by their name nor a remote read"
_UNREAD: Final = "files that could not be read"
_DAMAGE: Final = (_UNREAD, TRUNCATED, NOT_UTF8, ODD_LABELS, NO_SERIES, NO_SERIES_FORM, NO_PAIR, NO_NUMBERS, NO_TIMES)
_SHOWN: Final = 4


def read_prometheus(
    path: PathLike | Iterable[PathLike],
    *,
    metrics: Mapping[str, str] | None = None,
    workload_pattern: str | None = None,
) -> Recording:
    """Read saved answers of Prometheus, VictoriaMetrics, Thanos, Mimir and their like.

    Parameters
    ----------
    path
        A file, a folder, a glob, or several of them. A file holds one or more answers of
        ``/api/v1/query_range`` or ``/api/v1/query`` (one metric or several; best is a range such as
        ``container_memory_working_set_bytes[7d]``, which gives the samples as they were scraped), lines of
        VictoriaMetrics' ``/api/v1/export``, or the body of an answer to a remote read (``/api/v1/read``, streamed
        or not). It may be compressed with gzip or zstd. Series without a
        ``__name__`` are named by their file, when it is called like a metric.
    metrics
        What metrics mean that are not known: metric name to signal, for example
        ``{"http_requests_total": "work_total", "app_heap_bytes": "allocated_bytes"}``. Goes before what is known.
    workload_pattern
        Regular expression with a group ``workload`` that reads the owner from a pod's name, where the data
        hold no owners.

    Returns
    -------
    Recording
        Samples in bytes, one row a container and instant, nothing filled in; restarts, reasons, limits, releases
        and start times as events; in its report everything that was not used, with counts. A null means that
        nobody said it. Within one container and signal one series is used: the longest of several replicas or
        jobs, whose gaps (more than two intervals) the others fill; after a restart the new container's.

    Raises
    ------
    ReadError
        Nothing in the input can be used; or the only file is damaged, an error answer, or no JSON.
    RmtoolkitError
        `metrics` names an unknown signal.

    Warns
    -----
    RmtoolkitWarning
        Part of the input was damaged, refused or incomplete; the rest was loaded.

    Notes
    -----
    ``container_memory_rss`` is the anonymous memory of the cgroup, not a process's RSS: it becomes `anon_bytes`.
    Values of VictoriaMetrics are rounded to about 15 digits. Answers of ``query_range`` repeat the last value for
    up to five minutes after a series has ended without a marker; these repeats are left as they are, unless a new
    container of the same name overlaps them.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> labels = {"__name__": "container_memory_working_set_bytes", "pod": "db-0", "container": "db"}
    >>> result = [{"metric": labels, "values": [[1795000000, "104857600"], [1795000030.5, "105906176"]]}]
    >>> answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "answer.json")
    ...     _ = file.write_text(json.dumps(answer))
    ...     read_prometheus(file).samples["working_set_bytes"].to_list()
    [104857600, 105906176]
    """
    overrides = check_overrides(metrics)
    files, passed_over = find_files(path)
    decoder = Decoder()
    unread = _decode(files, decoder, overrides)
    decoded = decoder.finish()
    decoded.left_out.update({_PASSED_OVER: passed_over, _UNREAD: len(unread)})
    report = Report(
        sources=tuple(str(file) for file in files if file not in unread),
        partial=tuple(str(error) for error in unread.values()),
    )
    try:
        recording = to_recording(decoded, metrics=overrides, workload_pattern=workload_pattern, report=report)
    except NothingUsableError as error:
        raise _nothing_usable(files, error) from error
    check_samples(recording, quote_path(files[0]) + (f" and {len(files) - 1:,} more" if len(files) > 1 else ""))
    _warn_of(recording.report)
    return recording


def _warn_of(report: Report) -> None:
    """Warn once of what was damaged, refused or incomplete."""
    # What was no JSON is said with its file, in `partial`.
    damage = [
        *(counted(count, reason) for reason, count in report.left_out.items() if reason in _DAMAGE),
        *report.partial,
    ]
    if damage:
        more = f"; and {len(damage) - _SHOWN} more, see recording.report" if len(damage) > _SHOWN else ""
        warn(f"Not everything could be read: {'; '.join(line.rstrip('.') for line in damage[:_SHOWN])}{more}.")


def _decode(files: list[Path], decoder: Decoder, overrides: Mapping[str, str]) -> dict[Path, ReadError]:
    """Read all files; give the errors of those that could not be read, unless it is all of them."""
    unread: dict[Path, ReadError] = {}
    for file in files:
        stem = _METRIC.match(without_compression(file.name))
        name = stem[0] if stem and is_known(stem[0], overrides) else None
        try:
            decoder.add_file(file, name)
        except ReadError as error:
            unread[file] = error
    if len(unread) == len(files):
        first = next(iter(unread.values()))
        if len(files) == 1:
            raise first
        msg = f"None of {len(files)} files could be read. The first: {first}"
        raise ReadError(msg) from first
    return unread


def _nothing_usable(files: list[Path], error: NothingUsableError) -> ReadError:
    place = quote_path(files[0]) if len(files) == 1 else f"any of {len(files)} files ({quote_path(files[0])} …)"
    counts = dict(error.left_out)
    msg = f"Found nothing about memory in {place}: {error}."
    if NO_NAME in counts:
        name = _METRIC.match(without_compression(files[0].name))
        shown = name[0] if name else "answer"
        return ReadError(
            f"{msg} The series do not say which metric they are. Name the file after it, such as "
            f"container_memory_working_set_bytes.json, or say metrics={{{shown!r}: 'working_set_bytes'}}."
        )
    if not counts:
        return ReadError(f"{msg} The query matched nothing: check its labels and its time.")
    if not any(reason.startswith(NO_USE) for reason in counts):
        return ReadError(msg)
    return ReadError(f"{msg} If one of these metrics is memory, say so: metrics={{'its_name': 'rss_bytes'}}.")
