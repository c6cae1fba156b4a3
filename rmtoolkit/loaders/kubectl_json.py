"""The JSON of `metrics.k8s.io`: one answer, or many in one file with whatever stands between them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders.kubectl_cells import quantity
from rmtoolkit.loaders.kubectl_lines import failure
from rmtoolkit.loaders.kubectl_log import FAILURES, ROWS, Log
from rmtoolkit.loaders.stamps import Kind, Stamp, find

if TYPE_CHECKING:
    import os

_EXPECTED: Final = "PodMetrics from metrics.k8s.io"
_NEXT_DOCUMENT: Final = re.compile(r"\n(?=\{)")


@dataclass(slots=True)
class _Found:
    """What has been read so far."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    failures: list[tuple[int, int | None, None, str, bool]] = field(default_factory=list)
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)
    places: dict[str, int | None] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    first_left_out: tuple[int, str] | None = None
    last_stamp: int | None = None

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

    def leave_out(self, reason: str, line: int, text: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1
        if self.first_left_out is None and "node" not in reason:
            self.first_left_out = (line, text)


def read_json(text: str, path: str | os.PathLike[str]) -> Log:
    """Read answers of ``kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods`` and their like.

    Parameters
    ----------
    text
        PodMetricsList, PodMetrics, List, one or many, one per line or not, with error lines between.
    path
        The file, for messages.

    Returns
    -------
    Log
        Rows with exact bytes and the time stamps of metrics-server.

    Raises
    ------
    ReadError
        There are no pod metrics in it.

    Examples
    --------
    >>> answer = '''{"kind": "PodMetrics", "metadata": {"name": "db-0", "namespace": "shop"},
    ... "timestamp": "2026-11-24T22:50:51Z", "containers": [{"name": "db", "usage": {"memory": "512Ki"}}]}'''
    >>> read_json(answer, "a.json").rows.select("pod", "container", "memory_bytes").rows()
    [('db-0', 'db', 524288)]
    """
    found = _Found()
    decoder = json.JSONDecoder()
    position, line, table = 0, 1, 0
    while position < len(text):
        start = text.find("{", position)
        stop = start if start >= 0 else len(text)
        _between(text[position:stop], line, found)
        line += text.count("\n", position, stop)
        if start < 0:
            break
        try:
            document, position = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            found.leave_out("documents that are cut off or damaged", line, text[start : start + 100])
            after = _NEXT_DOCUMENT.search(text, start)
            position = after.end() if after else len(text)
        else:
            _document(document, line, table, found)
        line += text.count("\n", start, position)
        table += 1
    if not found.rows:
        line, what = found.first_left_out or (1, "metrics of nodes" if found.left_out else "a list without pods")
        if found.failures:
            line, what = found.failures[0][0], found.failures[0][3]
        hint = "kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods prints them."
        raise ReadError.at(path, found=what, expected=_EXPECTED, line=line, hint=hint)
    return Log(
        pl.DataFrame(found.rows, schema=ROWS, orient="row"),
        pl.DataFrame(found.failures, schema=FAILURES, orient="row"),
        stamps=found.stamps,
        left_out=found.left_out,
        first_left_out=found.first_left_out,
    )


def _between(text: str, line: int, found: _Found) -> None:
    """Read what stands between two documents: errors, dates, or the commas of a list."""
    for number, part in enumerate(text.split("\n"), line):
        stripped = part.strip(" \t[],")
        if not stripped:
            continue
        failed = failure(stripped)
        place = found.place(stripped)
        if place is not None:
            found.last_stamp = place
        if failed:
            found.failures.append((number, place if place is not None else found.last_stamp, None, *failed))
        elif place is None and find(stripped) is None:
            found.leave_out("lines that are no JSON", number, stripped)


def _document(document: Any, line: int, table: int, found: _Found) -> None:  # noqa: ANN401 - any JSON
    """Read one answer of the server."""
    if not isinstance(document, dict):
        return
    if document.get("kind") == "Status":
        found.failures.append((line, found.last_stamp, None, str(document.get("message", "Status"))[:200], False))
        return
    items = document.get("items")
    for item in items if isinstance(items, list) else [document]:
        if not isinstance(item, dict):
            found.leave_out("items that are no pod metrics", line, repr(item)[:100])
        elif isinstance(item.get("containers"), list) and item.get("kind", "PodMetrics") == "PodMetrics":
            _pod(item, line, table, found)
        elif "usage" in item:
            found.leave_out("rows of nodes, which are no containers", line, "")
        else:
            found.leave_out(
                "items that are no pod metrics", line, str(item.get("kind", "an item without a kind"))[:100]
            )


def _pod(item: dict[str, Any], line: int, table: int, found: _Found) -> None:
    """Read the containers of one pod."""
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    place = found.place(item.get("timestamp"))
    if place is None:
        place = found.place(metadata.get("creationTimestamp"))
    for container in item["containers"]:
        usage = container.get("usage") if isinstance(container, dict) else None
        memory, swap = (_bytes(usage.get(name)) if isinstance(usage, dict) else None for name in ("memory", "swap"))
        pod = _text(metadata.get("name"))
        if memory is None or pod is None:
            found.leave_out("containers without a name or a readable amount of memory", line, repr(container)[:100])
            continue
        row = (
            line,
            table,
            place,
            None,
            _text(metadata.get("namespace")),
            pod,
            _text(container.get("name")),
            memory,
            swap,
        )
        found.rows.append(row)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _bytes(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 1 << 63 else None
    return quantity(value) if isinstance(value, str) else None
