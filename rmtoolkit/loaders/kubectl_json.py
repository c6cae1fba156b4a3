"""The JSON and YAML of `metrics.k8s.io`: one answer, or many in one file with whatever stands between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, quote
from rmtoolkit.loaders.kubectl_cells import quantity
from rmtoolkit.loaders.kubectl_lines import failure
from rmtoolkit.loaders.kubectl_log import FAILURES, ROWS, Log
from rmtoolkit.loaders.kubernetes_documents import parts
from rmtoolkit.loaders.kubernetes_objects import KINDS, Objects, items
from rmtoolkit.loaders.stamps import Kind, Stamp, find

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_EXPECTED: Final = "PodMetrics from metrics.k8s.io"
_RAW: Final = "kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods prints them."
_BESIDE: Final = (
    "These are read beside memory samples: rm.read(['top.log', 'pods.json']), with kubectl top pod --containers or "
    "kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods as the log."
)
_UNREADABLE: Final = "containers without a name or a readable amount of memory"
_SHOWN: Final = 100
_MESSAGE: Final = 200


#: Line, table, place of the stamp, namespace, pod, container, memory and swap as they are written.
_Row = tuple[int, int, int | None, str | None, str, str | None, str, str | None]
_TEXTS: Final = pl.Schema(
    {
        "number": pl.Int64(),
        "table": pl.Int64(),
        "stamp": pl.Int64(),
        "namespace": pl.String(),
        "pod": pl.String(),
        "container": pl.String(),
        "memory": pl.String(),
        "swap": pl.String(),
    }
)
_KIBIBYTES: Final = r"^([0-9]{1,15})Ki$"


@dataclass(slots=True)
class _Found:
    """What has been read so far."""

    rows: list[_Row] = field(default_factory=list)
    failures: list[tuple[int, int | None, None, str, bool]] = field(default_factory=list)
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)
    places: dict[str, int | None] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    first_left_out: tuple[int, str] | None = None
    last_stamp: int | None = None
    objects: Objects = field(default_factory=Objects)
    tables: list[str] = field(default_factory=list)
    namespace: str | None = None
    notes: list[str] = field(default_factory=list)

    def place(self, text: object) -> int | None:
        """Find a time stamp that says everything in the list of stamps; None where there is none."""
        if not isinstance(text, str):
            return None
        if text not in self.places:
            found = find(text)
            whole = found is not None and found[0].kind == Kind.DATED and found[0].utc
            self.places[text] = len(self.stamps) if whole else None
            if whole and found is not None:
                self.stamps.append((found[0], text))
        return self.places[text]

    def now(self) -> int | None:
        """Tell the last instant that was told, in milliseconds."""
        return None if self.last_stamp is None else self.stamps[self.last_stamp][0].milliseconds

    def leave_out(self, reason: str, line: int, text: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1
        if self.first_left_out is None and "node" not in reason:
            self.first_left_out = (line, text)


@dataclass(frozen=True, slots=True)
class Documents:
    """What stands in a file of documents.

    Attributes
    ----------
    log
        Metrics, failures and objects; None where there are no metrics.
    tables
        Tables of `kubectl top` with their time stamps, as `rmtoolkit record --kubectl` keeps them where the
        server gives nothing better; empty where there are none.
    namespace
        Namespace of the rows of these tables.
    objects
        Pods and other objects.
    """

    log: Log | None
    tables: str
    namespace: str | None
    objects: Objects


def read_documents(text: str, path: str | os.PathLike[str]) -> Documents:
    """Read answers of ``kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods`` and their like.

    Parameters
    ----------
    text
        PodMetricsList, PodMetrics, List, one or many, one per line or not, JSON or YAML, with error lines and
        other objects between.
    path
        The file, for messages.

    Returns
    -------
    Documents
        Rows with exact bytes and the time stamps of metrics-server.

    Raises
    ------
    ReadError
        There are no pod metrics in it.

    Examples
    --------
    >>> answer = '''{"kind": "PodMetrics", "metadata": {"name": "db-0", "namespace": "shop"},
    ... "timestamp": "2026-11-24T22:50:51Z", "containers": [{"name": "db", "usage": {"memory": "512Ki"}}]}'''
    >>> read_documents(answer, "a.json").log.rows.select("pod", "container", "memory_bytes").rows()
    [('db-0', 'db', 524288)]
    """
    found = _Found()
    for table, part in enumerate(parts(text)):
        if part.damaged:
            found.leave_out("documents that are cut off or damaged", part.line, part.text)
        elif part.content is None:
            _between(part.text, part.line, found)
        else:
            _document(part.content, part.line, table, found)
    found.objects.settle()
    rows = _read_amounts(found)
    if rows.is_empty() and not found.tables:
        line, what = found.first_left_out or (1, "metrics of nodes" if found.left_out else "a list without pods")
        if found.failures:
            line, what = found.failures[0][0], found.failures[0][3]
        if found.objects:
            raise ReadError.at(path, found="Kubernetes objects without metrics", expected=_EXPECTED, hint=_BESIDE)
        raise ReadError.at(path, found=what, expected=_EXPECTED, line=line, hint=_RAW)
    log = Log(
        rows,
        pl.DataFrame(found.failures, schema=FAILURES, orient="row"),
        stamps=found.stamps,
        left_out=found.left_out,
        first_left_out=found.first_left_out,
        notes=tuple(dict.fromkeys(found.notes)),
        objects=found.objects,
    )
    return Documents(log if rows.height else None, "\n".join(found.tables), found.namespace, found.objects)


def _between(text: str, line: int, found: _Found) -> None:
    """Read what stands between two documents: errors and dates."""
    failed = failure(text)
    place = found.place(text)
    if place is not None:
        found.last_stamp = place
    if failed:
        found.failures.append((line, place if place is not None else found.last_stamp, None, *failed))
    elif place is None and find(text) is None:
        found.leave_out("lines that are no JSON", line, text)


def _document(document: Any, line: int, table: int, found: _Found) -> None:  # noqa: ANN401 - any JSON
    """Read one answer of the server."""
    if not isinstance(document, dict):
        return
    if isinstance(document.get("kubectl"), str):
        _recorded(document, line, table, found)
        return
    if document.get("kind") == "Status":
        found.failures.append((line, found.last_stamp, None, str(document.get("message", "Status"))[:_MESSAGE], False))
        return
    listed = document.get("items")
    for item in listed if isinstance(listed, list) else ():
        if not isinstance(item, dict):
            found.leave_out("items that are no pod metrics", line, repr(item)[:_SHOWN])
    _items(document, line, table, found)


def _items(document: Mapping[str, Any], line: int, table: int, found: _Found) -> None:
    """Sort objects into metrics of pods, other objects that are of use, and the rest."""
    for kind, item, gone in items(document):
        if isinstance(item.get("containers"), list) and kind in ("", "PodMetrics"):
            _pod(item, line, table, found)
        elif kind in KINDS:
            found.objects.take(kind, item, found.now(), gone=gone)
        elif "usage" in item:
            found.leave_out("rows of nodes, which are no containers", line, "")
        elif kind:
            found.leave_out("objects of kinds that say nothing about memory", line, kind[:_SHOWN])
        else:
            found.leave_out("items that are no pod metrics", line, "an item without a kind")


def _recorded(document: Mapping[str, Any], line: int, table: int, found: _Found) -> None:
    """Read a line of `rmtoolkit record --kubectl`: when it was, and what kubectl said."""
    place = found.place(document.get("time"))
    found.last_stamp = place if place is not None else found.last_stamp
    answer, error = document.get("answer"), document.get("error")
    if isinstance(answer, str):
        found.tables.append(f"{document.get('time')}\n{answer}")
        found.namespace = found.namespace or _text(document.get("namespace"))
    elif isinstance(answer, dict) and "kubectl" not in answer:
        _document(answer, line, table, found)
    elif isinstance(document.get("without"), str):
        command = document["kubectl"].removeprefix("get ")
        found.notes.append(f"not recorded: {quote(command)}, because of {quote(document['without'], _MESSAGE)}")
    elif isinstance(error, str):
        found.failures.append((line, found.last_stamp, None, error[:_MESSAGE], False))


def _pod(item: Mapping[str, Any], line: int, table: int, found: _Found) -> None:
    """Read the containers of one pod."""
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    place = found.place(item.get("timestamp"))
    if place is None:
        place = found.place(metadata.get("creationTimestamp"))
    if place is None:
        place = found.last_stamp
    now = found.now()
    if place is not None and (now is None or found.stamps[place][0].milliseconds > now):
        found.last_stamp = place
    pod, namespace = _text(metadata.get("name")), _text(metadata.get("namespace"))
    for container in item["containers"]:
        usage = container.get("usage") if isinstance(container, dict) else None
        memory = _written(usage.get("memory")) if isinstance(usage, dict) else None
        if memory is None or usage is None or pod is None:
            found.leave_out(_UNREADABLE, line, repr(container)[:_SHOWN])
            continue
        swap = _written(usage["swap"]) if "swap" in usage else None
        found.rows.append((line, table, place, namespace, pod, _text(container.get("name")), memory, swap))


def _read_amounts(found: _Found) -> pl.DataFrame:
    """Read the amounts of all rows at once: nearly all are in Ki."""
    frame = pl.DataFrame(found.rows, schema=_TEXTS, orient="row")
    frame = frame.with_columns(_amounts(frame[name]).alias(f"{name}_bytes") for name in ("memory", "swap"))
    unread = frame.filter(pl.col("memory_bytes").is_null())
    for line, text in unread.select("number", "memory").iter_rows():
        found.leave_out(_UNREADABLE, line, text[:_SHOWN])
    kept = frame.filter(pl.col("memory_bytes").is_not_null())
    return kept.select(
        (pl.col(name) if name in kept.columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in ROWS.items()
    )


def _amounts(texts: pl.Series) -> pl.Series:
    quick = texts.str.extract(_KIBIBYTES).cast(pl.Int64) * 1024
    rest = texts.filter(quick.is_null()).drop_nulls().unique()
    read = pl.DataFrame(
        {"text": rest, "bytes": [quantity(text) for text in rest]}, {"text": pl.String, "bytes": pl.Int64}
    )
    other = texts.alias("text").to_frame().join(read, on="text", how="left", maintain_order="left")["bytes"]
    return pl.select(pl.coalesce(quick, other)).to_series()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _written(value: object) -> str | None:
    """Take an amount as it is written; a bare number is bytes."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
