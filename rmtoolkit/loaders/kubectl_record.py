"""`rm.record_kubectl`: sample a cluster through the user's own kubectl, into a file that a crash cannot spoil."""

from __future__ import annotations

import math
import os
import re
import time as clock
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rmtoolkit.exceptions import RmtoolkitError, quote, quote_path
from rmtoolkit.loaders.kubectl import read_kubectl_top
from rmtoolkit.loaders.kubectl_client import Kubectl
from rmtoolkit.loaders.kubectl_sampler import Sampler
from rmtoolkit.times import parse_duration
from rmtoolkit.writing import check_target

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from rmtoolkit.recording import Recording

ENDINGS: Final = (".jsonl", ".ndjson", ".json", ".log", ".parquet")

#: A large cluster needs more than an interval.
_TIMEOUT: Final = 10.0
_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_OURS: Final = re.compile(rb'\{"time": ?"[^"]*", ?"kubectl": ?"')


def record_kubectl(
    path: str | os.PathLike[str],
    *,
    namespace: str | None = None,
    all_namespaces: bool = False,
    context: str | None = None,
    kubeconfig: str | os.PathLike[str] | None = None,
    interval: str | dt.timedelta = "15s",
    duration: str | dt.timedelta | None = None,
    objects_interval: str | dt.timedelta = "1m",
    kubectl: str = "kubectl",
    progress: bool | None = None,
) -> Recording:
    """Record the memory of a cluster's containers through `kubectl`, until Ctrl-C or for a while.

    Parameters
    ----------
    path
        The file: ``.jsonl`` (also .ndjson, .json, .log), a line per answer, added to what an earlier recording left
        there; or ``.parquet``, made of such lines (in a file beside it, ``.parquet.jsonl``) at the end.
    namespace
        Which namespace; None is that of the context.
    all_namespaces
        Of all namespaces.
    context, kubeconfig
        Which cluster; None is kubectl's own choice.
    interval
        Time between two samples. metrics-server has a new one every 15 seconds, or what it was told to.
    duration
        Stop after so long; None goes on until Ctrl-C.
    objects_interval
        Time between two looks at the pods, for limits, versions and restarts.
    kubectl
        The program.
    progress
        Show a line that counts; None shows it on a terminal.

    Returns
    -------
    Recording
        What is in the file: `working_set_bytes` per container with the time stamps of metrics-server, limits,
        requests, owners, versions, restarts with reason and time.

    Raises
    ------
    RmtoolkitError
        There is no kubectl; it may not, or cannot, read metrics; the file cannot be written. Once something was
        recorded, failed answers are counted, are `gap` events, and end nothing.

    Notes
    -----
    ``kubectl get --raw /apis/metrics.k8s.io/…`` is asked for exact bytes with their own time stamps; where the
    server does not have it, ``kubectl top pod --containers``, which rounds down to whole MiB. Of pods only what
    is needed is kept: no environment, no arguments, no annotations.

    Examples
    --------
    >>> record_kubectl("week.txt", duration="1s")
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: Could not write 'week.txt': the name must end in .jsonl, .ndjson, ...
    """
    target = Path(path)
    every, looks = parse_duration(interval).total_seconds(), parse_duration(objects_interval).total_seconds()
    until = None if duration is None else parse_duration(duration).total_seconds()
    if namespace is not None and (all_namespaces or not _LABEL.fullmatch(namespace)):
        why = "give a namespace or all of them, not both" if all_namespaces else f"{quote(namespace)} is no namespace"
        msg = f"Could not record: {why}."
        raise RmtoolkitError(msg)
    check_target(target, ENDINGS)
    if target.exists() and not target.is_file():
        msg = f"Could not write {quote_path(target)}: it is no file. Name one."
        raise RmtoolkitError(msg)
    lines = target.with_name(f"{target.name}.jsonl") if target.suffix.lower() == ".parquet" else target
    client = Kubectl.find(kubectl, context, kubeconfig)
    with _appending(lines) as stream:
        sampler = Sampler(client, stream, namespace, everywhere=all_namespaces, timeout_seconds=max(every, _TIMEOUT))
        _run(sampler, every=every, looks=looks, until=until, progress=progress)
    if not sampler.samples and sampler.last_error is not None:
        raise sampler.last_error
    if not sampler.containers and not sampler.continued:
        where = "" if all_namespaces else f" in the namespace {quote(sampler.namespace)}"
        msg = f"Nothing was recorded: there are no pods with metrics{where}."
        raise RmtoolkitError(msg)
    recording = read_kubectl_top(lines)
    if lines != target:
        recording.write(target)
        lines.unlink()
    return recording


def _run(sampler: Sampler, *, every: float, looks: float, until: float | None, progress: bool | None) -> None:
    """Sample until the time is over or Ctrl-C is pressed."""
    from tqdm import tqdm  # noqa: PLC0415 - only this needs it

    total = None if until is None else int(until / every) + 1
    begin = due = clock.monotonic()
    looked: float | None = None
    hidden = None if progress is None else not progress
    try:
        with tqdm(total=total, unit=" samples", desc="kubectl", disable=hidden, leave=False) as bar:
            while True:
                sampler.sample()
                if sampler.samples and (looked is None or due - looked >= looks):
                    sampler.look()
                    looked = due
                bar.set_postfix(containers=sampler.containers, failed=sampler.failed)
                bar.update()
                # What takes longer than an interval costs turns, and shifts none.
                due += every * max(1, math.ceil((clock.monotonic() - due) / every))
                if until is not None and due > begin + until:
                    break
                clock.sleep(max(0.0, due - clock.monotonic()))
        if sampler.samples and due - every != looked:
            sampler.look()
    except KeyboardInterrupt:
        # The usual end: a last look, for what restarted meanwhile.
        if not sampler.samples:
            raise
        with suppress(KeyboardInterrupt):
            sampler.look()


@contextmanager
def _appending(path: Path) -> Iterator[BinaryIO]:
    """Open a file for whole lines, behind what an earlier recording left."""
    try:
        with path.open("ab+", buffering=0) as stream:
            size = stream.seek(0, os.SEEK_END)
            if size:
                stream.seek(0)
                if not _OURS.match(stream.read(200)):
                    msg = f"Could not write {quote_path(path)}: it holds something else. Choose another name."
                    raise RmtoolkitError(msg)
                stream.seek(size - 1)
                if stream.read(1) != b"\n":
                    # A crash left half a line: it stays alone.
                    stream.write(b"\n")
            yield stream
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        msg = f"Could not write {quote_path(path)}: {why}. What was recorded before is in it."
        raise RmtoolkitError(msg) from error
    finally:
        if path.exists() and not path.stat().st_size:
            path.unlink()
