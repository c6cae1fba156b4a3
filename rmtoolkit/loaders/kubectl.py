"""`kubectl top pod`: logs of its tables, CSV made of them, and the JSON behind it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rmtoolkit.loaders import files
from rmtoolkit.loaders.container_logs import unwrap
from rmtoolkit.loaders.kubectl_csv import looks_like_csv, read_csv
from rmtoolkit.loaders.kubectl_json import read_documents
from rmtoolkit.loaders.kubectl_log import put_together
from rmtoolkit.loaders.kubectl_table import read_table
from rmtoolkit.loaders.kubernetes import read_objects
from rmtoolkit.loaders.kubernetes_documents import METRICS, METRICS_WORDS
from rmtoolkit.loaders.kubernetes_join import joined
from rmtoolkit.loaders.kubernetes_objects import Objects
from rmtoolkit.loaders.timeline import Asked
from rmtoolkit.recording import concat

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from rmtoolkit.loaders.kubectl_log import Log
    from rmtoolkit.recording import Recording

_DOCUMENTS: Final = re.compile(METRICS)
_EXPECTED: Final = "the output of kubectl top pod"


def read_kubectl_top(
    path: str | os.PathLike[str],
    *,
    pods: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
    namespace: str | None = None,
    containers: bool | None = None,
    workload_pattern: str | None = None,
) -> Recording:
    r"""Read a log of ``kubectl top pod``.

    Parameters
    ----------
    path
        A text file, also packed with gzip or zstd: tables of any kubectl version and any of its flags,
        one or many, with or without headers and time stamps, errors among them; CSV made of them with
        awk; JSON or YAML of ``metrics.k8s.io`` (``kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods``),
        one answer or many; or what ``rmtoolkit record --kubectl`` wrote.
    pods
        Dumps of ``kubectl get pods,replicasets,nodes -o json`` (or yaml), one or several over time: limits,
        requests, owners, versions, restarts with reason and time. `rm.read` finds them by itself.
    time
        When a single snapshot without a time stamp was taken, or the first of several; the day on which
        a log of clock times starts. Without a zone it is in `timezone`, else in UTC.
    interval
        Time between two snapshots that have no time stamps: ``"15s"`` or a timedelta.
    timezone
        Zone of time stamps that do not say theirs: ``"Europe/Berlin"``, ``"UTC"``, ``"+01:00"``.
    namespace
        Namespace of rows that do not name theirs.
    containers
        What two names without a header are: pod and container (True, ``--containers``), or namespace
        and pod (False, ``-A``).
    workload_pattern
        Regular expression with a group ``workload`` that reads the owner from a pod's name.

    Returns
    -------
    Recording
        `working_set_bytes` per container, or per pod (`container` null) where the log has only pods, and
        `swap_bytes` where it has them. Tables print whole MiB, rounded down: `quantum_bytes` is 1048576,
        and a slow leak looks like stairs. JSON is exact: `quantum_bytes` is null. A scrape that failed is
        a `gap` event. The report says where the times come from and what was left out.

    Raises
    ------
    ReadError
        There are no rows; or they cannot be read safely (cut off, drawn by ``watch``, open to two
        readings); or their times are not known and nothing was said about them.
    OSError
        There is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "top.log")
    >>> _ = log.write_text("Tue Nov 24 22:51:07 UTC 2026\nNAME   CPU(cores)   MEMORY(bytes)\ndb-0   3m   345Mi\n")
    >>> recording = read_kubectl_top(log, namespace="shop")
    >>> recording.samples["working_set_bytes"].item() // 2**20, recording.containers["workload"].item()
    (345, 'db')
    """
    data, notes = files.read_bytes(path, expected=_EXPECTED)
    text, more = files.as_text(data, path, expected=_EXPECTED)
    asked = Asked(path, files.modified(path), time, interval, timezone)
    recordings: list[Recording] = []
    logs: list[tuple[Log, str | None]] = []
    if any(word in text for word in METRICS_WORDS) and _DOCUMENTS.search(text):
        documents = read_documents(text, path)
        if documents.log is not None:
            logs.append((documents.log, namespace))
        if documents.tables:
            log = read_table(documents.tables, path, containers=True)
            objects = Objects() if logs else documents.objects
            logs.append((replace(log, objects=objects), documents.namespace or namespace))
    else:
        wrapped = unwrap(text)
        if wrapped is not None:
            text = "\n".join(f"{stamp} {line}" if stamp else line for stamp, line in wrapped)
        read = read_csv if looks_like_csv(text) else read_table
        logs.append((read(text, path, containers=containers), namespace))
    for log, place in logs:
        recordings.append(
            put_together(log, asked, notes=(*notes, *more), namespace=place, workload_pattern=workload_pattern)
        )
    recording = concat(recordings)
    dumps = [pods] if isinstance(pods, str | os.PathLike) else list(pods)
    if not dumps:
        return recording
    objects, failed = read_objects(dumps)
    if failed:
        raise failed[0][1]
    return joined(recording, objects)
