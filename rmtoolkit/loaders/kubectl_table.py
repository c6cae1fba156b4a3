"""The tables that `kubectl top` prints, in logs of every make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders.kubectl_cells import MEBIBYTE, two_names
from rmtoolkit.loaders.kubectl_lines import (
    EXPECTED,
    Layout,
    Line,
    classify,
    failure,
    looks_folded,
    split_lines,
    unfolded,
)
from rmtoolkit.loaders.kubectl_log import FAILURES, MARKS, ROWS, Log
from rmtoolkit.loaders.stamps import Stamp, find

if TYPE_CHECKING:
    import os

_KLOG: Final = r"^E[0-9]{4} "


def read_table(text: str, path: str | os.PathLike[str], *, containers: bool | None) -> Log:
    r"""Read a log of `kubectl top` tables.

    Parameters
    ----------
    text
        The log.
    path
        The file, for messages.
    containers
        What two names without a header are: pod and container (True), or namespace and pod (False).

    Returns
    -------
    Log
        Rows, failures and time stamps, not yet put together.

    Raises
    ------
    ReadError
        There is no row, or rows cannot be read safely: cut off, folded beyond repair, drawn by `watch`,
        or open to two readings.

    Examples
    --------
    >>> log = read_table("NAME   CPU(cores)   MEMORY(bytes)\ndb-0   1m   20Mi", "a.log", containers=None)
    >>> log.rows.select("pod", "memory_bytes").rows()
    [('db-0', 20971520)]
    """
    notes: tuple[str, ...] = ()
    stamps: dict[str, Stamp] = {}
    lines = split_lines(text, path)
    frame = classify(lines, stamps)
    if frame["kind"].is_in([Line.CUT]).any() or looks_folded(frame):
        frame = unfolded(lines, frame, path, stamps)
        notes = ("lines folded at a fixed width were put together again",)
    rows = frame.filter(pl.col("kind") == Line.ROW)
    if rows.is_empty():
        raise _nothing(frame, path)
    rows, notes = _named(rows, notes, path, containers=containers)
    if rows["memory_bytes"].null_count() == rows.height:
        first = rows.row(0, named=True)
        raise ReadError.at(path, found=first["text"], expected=f"{EXPECTED} with known memory", line=first["number"])
    known, places = _stamped(frame, stamps)
    counts = {
        "lines that are no rows of kubectl top": frame.filter(pl.col("kind") == Line.OTHER).height,
        "rows of nodes, which are no containers": frame.filter(pl.col("kind") == Line.NODE).height,
        "rows with <unknown> memory": rows["memory_bytes"].null_count(),
    }
    stray = frame.filter(pl.col("kind") == Line.OTHER).select("number", "text").head(1).rows()
    # The client library logs its own view of an error before kubectl prints it: one failure, not two.
    logged = pl.col("text").str.contains(_KLOG) & (pl.col("kind").shift(-1) == Line.FAILURE).fill_null(value=False)
    failures = frame.with_columns(empty=pl.col("kind") == Line.EMPTY).filter(
        pl.col("empty") | ((pl.col("kind") == Line.FAILURE) & ~logged),
    )
    messages = [(failure(line) or (line, False))[0] for line in failures["text"]]
    failures = failures.with_columns(detail=pl.Series(messages, dtype=pl.String))

    def stamped(some: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
        placed = some.join(places, on="own", how="left", maintain_order="left")
        return placed.select(pl.col(name).cast(dtype) for name, dtype in schema.items())

    return Log(
        stamped(rows.filter(pl.col("memory_bytes").is_not_null()), ROWS),
        stamped(failures, FAILURES),
        stamped(frame.filter(pl.col("kind") == Line.STAMP), MARKS),
        known,
        None if rows["exact"].all() else MEBIBYTE,
        {reason: count for reason, count in counts.items() if count},
        stray[0] if stray else None,
        notes,
    )


def _why(failure: str) -> str:
    """Say what helps against an error of kubectl."""
    if "NotFound" in failure:
        return "kubectl top found no such pod or node; check its name, and name the namespace with -n."
    if "unknown flag" in failure or "unknown shorthand" in failure:
        return "This kubectl does not know the flag; leave it out."
    return "kubectl printed only errors; it needs metrics-server and the right to read its metrics."


def _nothing(frame: pl.DataFrame, path: str | os.PathLike[str]) -> ReadError:
    """Say what is there instead of rows."""
    failures = frame.filter(pl.col("kind") == Line.FAILURE)["text"]
    for kind, hint in (
        (Line.FAILURE, _why(failures[0]) if len(failures) else ""),
        (Line.EMPTY, "kubectl top found no pods; name the namespace with -n, or use -A."),
        (Line.NODE, "These are nodes; log kubectl top pod --containers."),
        (Line.OTHER, "Log whole lines of kubectl top pod --containers, with a date before each table."),
        (Line.HEADER, "There is a header and no row."),
    ):
        lines = frame.filter(pl.col("kind") == kind).select("number", "text").head(1).rows()
        if lines:
            return ReadError.at(path, found=lines[0][1].strip(), expected=EXPECTED, line=lines[0][0], hint=hint)
    return ReadError.at(path, found="nothing but time stamps", expected=EXPECTED)


def _named(
    rows: pl.DataFrame,
    notes: tuple[str, ...],
    path: str | os.PathLike[str],
    *,
    containers: bool | None,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Say which of the words before the numbers is which name."""
    two = rows.filter(pl.col("layout").is_null() & (pl.col("cells") == 2))  # noqa: PLR2004
    meant = Layout.POD_CONTAINER
    if two.height:
        first = two["number"][0], two["text"][0]
        are_containers, note = two_names(two["b"], two["c"], first, path, containers=containers)
        meant = Layout.POD_CONTAINER if are_containers else Layout.NAMESPACE_POD
        notes = (*notes, note)
    by_cells = {1: Layout.POD, 2: meant, 3: Layout.ALL}
    guessed = pl.col("cells").replace_strict(by_cells, default=None, return_dtype=pl.Int8)
    rows = rows.with_columns(layout=pl.coalesce("layout", guessed))
    with_namespace = pl.col("layout").is_in([Layout.NAMESPACE_POD, Layout.ALL])
    with_container = pl.col("layout").is_in([Layout.POD_CONTAINER, Layout.ALL])
    return rows.with_columns(
        namespace=pl.when(with_namespace).then(pl.when(with_container).then("a").otherwise("b")),
        pod=pl.when(with_container).then("b").otherwise("c"),
        container=pl.when(with_container).then("c"),
    ), notes


def _stamped(frame: pl.DataFrame, stamps: dict[str, Stamp]) -> tuple[list[tuple[Stamp, str]], pl.DataFrame]:
    """Read every kind of time stamp once; say where each is in the list."""
    timed = pl.col("kind").is_in([Line.ROW, Line.STAMP, Line.FAILURE, Line.EMPTY])
    said = frame.filter(pl.col("own").is_not_null() & timed).unique("own", keep="first", maintain_order=True)
    known: list[tuple[Stamp, str]] = []
    places: list[int | None] = []
    for shape, line in said.select("own", "text").iter_rows():
        stamp = stamps.get(shape)
        if stamp is None and (found := find(shape)):
            stamp = found[0]
        places.append(None if stamp is None else len(known))
        if stamp is not None:
            known.append((stamp, line))
    return known, pl.DataFrame({"own": said["own"], "stamp": places}, schema={"own": pl.String, "stamp": pl.Int64})
