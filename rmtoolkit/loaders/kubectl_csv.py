"""CSV that people make of `kubectl top` with awk: with or without a header, with or without units."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders.kubectl_cells import MEBIBYTE, quantity, two_names
from rmtoolkit.loaders.kubectl_lines import failure
from rmtoolkit.loaders.kubectl_log import FAILURES, ROWS, Log
from rmtoolkit.loaders.stamps import Stamp, find

if TYPE_CHECKING:
    import os

_DELIMITERS: Final = ",;\t|"
_ROLES: Final = {
    "time": ("time", "timestamp", "ts", "date", "datetime"),
    "namespace": ("namespace", "ns"),
    "pod": ("pod", "pod_name", "podname"),
    "container": ("container", "container_name"),
    "cpu": ("cpu", "cpu(cores)", "cpu_cores", "cpu_m"),
    "memory": ("memory", "mem", "memory(bytes)", "memory_mi", "mem_mi", "memory_mib", "mem_mib", "memory_mb", "mem_mb"),
    "memory_bytes": ("memory_bytes", "mem_bytes", "bytes"),
}
_NAMES: Final = {name: role for role, names in _ROLES.items() for name in names}
_AMOUNTS: Final = re.compile(r"\d+(?:\.\d+)?(?:[KMGTPE]i|[kMGTPEm])?(?: \d+(?:\.\d+)?(?:[KMGTPE]i|[kMGTPEm])?)*")
_CPU: Final = re.compile(r"\d+(?:\.\d+)?[num]?")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_WHOLE_MEBIBYTES: Final = re.compile(r"\d+(?:Mi)?")
_OTHER_UNIT: Final = r"[0-9](?:[KGTPE]i|[kMGTPEm])(?: |$)"
_LOOK_AT: Final = 20
_LOOK_AT_CHARACTERS: Final = 100_000
_FEWEST_CELLS: Final = 3
_MOST_MEBIBYTES: Final = 1 << 22
_EXPECTED: Final = "a time, a pod and an amount of memory in each line"


def looks_like_csv(text: str) -> bool:
    """Tell whether lines are CSV made of `kubectl top`.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    bool
        Most of the first lines are a header or rows of it.

    Examples
    --------
    >>> looks_like_csv("2026-11-24T22:51:36Z,db-0,33m,430Mi"), looks_like_csv("db-0   33m   430Mi")
    (True, False)
    """
    return _delimiter(_head(text)) is not None


def _head(text: str) -> list[str]:
    return [line for line in text[:_LOOK_AT_CHARACTERS].split("\n", 5 * _LOOK_AT) if line.strip()][:_LOOK_AT]


def _split(line: str, delimiter: str) -> list[str]:
    return [cell.strip("\"' \t") for cell in line.strip().split(delimiter)]


def _delimiter(head: list[str]) -> str | None:
    """Find the delimiter of which most lines make sense."""
    for delimiter in _DELIMITERS:
        if head and _by_header(_split(head[0], delimiter)):
            return delimiter
        good = sum(bool(_by_header(cells) or _by_shape(cells)) for cells in (_split(line, delimiter) for line in head))
        if good > len(head) / 2:
            return delimiter
    return None


def _by_header(cells: list[str]) -> dict[str, int]:
    """Read which column is what from the names; empty when this is no header."""
    roles: dict[str, int] = {}
    for index, cell in enumerate(cells):
        role = _NAMES.get(cell.lower())
        if role is not None:
            roles.setdefault(role, index)
    names = [index for index, cell in enumerate(cells) if cell.lower() == "name"]
    if names:
        roles.setdefault("container" if "pod" in roles else "pod", names[0])
    # awk puts its time before kubectl's own header too.
    stamps = (index for index, cell in enumerate(cells) if cell[:1].isdigit() and find(cell))
    if "time" not in roles and (stamp := next(stamps, None)) is not None:
        roles["time"] = stamp
    has_memory = "memory" in roles or "memory_bytes" in roles
    return roles if has_memory and "pod" in roles and len(cells) >= _FEWEST_CELLS else {}


def _by_shape(cells: list[str]) -> dict[str, int]:
    """Read which column is what from a row; empty when this is no row. Two names are told apart later."""
    if len(cells) < _FEWEST_CELLS or not _AMOUNTS.fullmatch(cells[-1]):
        return {}
    left = list(range(len(cells) - 1))
    roles = {"memory": len(cells) - 1}
    if _CPU.fullmatch(cells[left[-1]]):
        roles["cpu"] = left.pop()
    stamp = next((index for index in left if not _NAME.fullmatch(cells[index]) or cells[index].isdigit()), None)
    if stamp is not None:
        if find(cells[stamp]) is None:
            return {}
        roles["time"] = stamp
        left.remove(stamp)
    if not 1 <= len(left) <= 3 or any(not _NAME.fullmatch(cells[index]) for index in left):  # noqa: PLR2004
        return {}
    names = {1: ("pod",), 2: ("one", "two"), 3: ("namespace", "pod", "container")}[len(left)]
    return roles | dict(zip(names, left, strict=True))


def read_csv(text: str, path: str | os.PathLike[str], *, containers: bool | None) -> Log:
    r"""Read CSV made of `kubectl top`.

    Parameters
    ----------
    text
        The file.
    path
        The file, for messages.
    containers
        What two names without a header are: pod and container (True), or namespace and pod (False).

    Returns
    -------
    Log
        Rows, failures and time stamps, not yet put together. Memory without a unit is MiB, as kubectl
        prints it, unless its column is called bytes.

    Raises
    ------
    ReadError
        There is no row, or an amount without a unit is too large for MiB.

    Examples
    --------
    >>> log = read_csv("time,pod,memory\n2026-11-24T22:51:36Z,db-0,430", "a.csv", containers=None)
    >>> log.rows["memory_bytes"].item() // 2**20
    430
    """
    head = _head(text)
    delimiter = _delimiter(head) or ","
    cells = [_split(line, delimiter) for line in head]
    width = Counter(map(len, cells)).most_common(1)[0][0]
    roles = next((roles for row in cells if (roles := _by_header(row))), {}) or next(
        (roles for row in cells if len(row) == width and (roles := _by_shape(row))),
        {},
    )
    split = pl.col("text").str.split(delimiter)
    frame = (
        pl.DataFrame({"text": pl.Series([text], dtype=pl.String).str.split("\n").explode()})
        .with_row_index("number", offset=1)
        .with_columns(number=pl.col("number").cast(pl.Int64), text=pl.col("text").str.strip_chars())
        .filter(pl.col("text") != "")
        .with_columns(
            split.list.get(index, null_on_oob=True).str.strip_chars("\"' \t").alias(role)
            for role, index in roles.items()
        )
        .with_columns(whole=split.list.len() == width)
    )
    amount = "memory_bytes" if "memory_bytes" in roles else "memory"
    read = _amounts(frame, amount, path)
    frame = frame.join(read, on=amount, how="left", maintain_order="left")
    pod = "pod" if "pod" in roles else "two"
    is_row = (
        pl.col("whole")
        & pl.col("bytes").is_not_null()
        & pl.col(pod).str.contains(rf"^{_NAME.pattern}$").fill_null(value=False)
    )
    rows = frame.filter(is_row)
    if rows.is_empty():
        first = frame.row(0, named=True)
        raise ReadError.at(path, found=first["text"], expected=_EXPECTED, line=first["number"])
    rows, notes = _named(rows, path, containers=containers)
    failures, strays = _others(frame.filter(~is_row.fill_null(value=False)), delimiter)
    stamps, places = _stamps(rows)
    if amount == "memory" and not rows["with_unit"].all() and rows["floored"].all():
        notes = (*notes, "memory without a unit was read as MiB, as kubectl top prints it")
    rows = rows.join(places, on="time", how="left", maintain_order="left") if "time" in roles else rows
    # Without blank lines or headers between them, snapshots are told apart by pods that come again.
    rows = rows.with_columns(memory_bytes="bytes", table=pl.lit(0))
    return Log(
        rows.select(
            (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
            for name, dtype in ROWS.items()
        ),
        pl.DataFrame(
            [(number, None, None, text, empty) for number, text, empty in failures], schema=FAILURES, orient="row"
        ),
        stamps=stamps,
        quantum_bytes=MEBIBYTE if rows["floored"].all() else None,
        left_out={"lines that are no rows of kubectl top": len(strays)} if strays else {},
        first_left_out=strays[0] if strays else None,
        notes=notes,
    )


def _amounts(frame: pl.DataFrame, column: str, path: str | os.PathLike[str]) -> pl.DataFrame:
    """Read every different amount of memory once."""
    texts = frame[column].drop_nulls().unique(maintain_order=True)
    # kubectl top prints Mi and nothing else; among other units a bare number is Kubernetes' way to write bytes.
    other_units = texts.str.contains(_OTHER_UNIT).any()
    read: list[tuple[str, int | None, bool, bool]] = []
    for text in texts:
        if not _AMOUNTS.fullmatch(text):
            read.append((text, None, True, True))
            continue
        with_unit = any(map(str.isalpha, text))
        in_bytes = not with_unit and (column == "memory_bytes" or other_units)
        if not with_unit and not in_bytes and float(text.split()[-1]) > _MOST_MEBIBYTES:
            number = frame.filter(pl.col(column) == text)["number"][0]
            raise ReadError.at(
                path,
                found=text,
                expected="memory in MiB, as kubectl top prints it",
                line=number,
                hint="If these are bytes, call the column memory_bytes.",
            )
        unit = "" if with_unit or in_bytes else "Mi"
        parts = [quantity(part if part[-1].isalpha() else part + unit) for part in text.split()]
        total = None if None in parts else sum(part for part in parts if part is not None)
        floored = not in_bytes and _WHOLE_MEBIBYTES.fullmatch(text) is not None
        read.append((text, total if total is not None and total < 1 << 63 else None, with_unit, floored))
    schema = {column: pl.String, "bytes": pl.Int64, "with_unit": pl.Boolean, "floored": pl.Boolean}
    return pl.DataFrame(read, schema=schema, orient="row")


def _named(
    rows: pl.DataFrame, path: str | os.PathLike[str], *, containers: bool | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Say which of two names is which."""
    if "one" not in rows.columns:
        return rows, ()
    first = rows["number"][0], rows["text"][0]
    are_containers, note = two_names(rows["one"], rows["two"], first, path, containers=containers)
    names = ("pod", "container") if are_containers else ("namespace", "pod")
    return rows.rename(dict(zip(("one", "two"), names, strict=True))), (note,)


def _others(rest: pl.DataFrame, delimiter: str) -> tuple[list[tuple[int, str, bool]], list[tuple[int, str]]]:
    """Sort lines that are no rows into failures and strays; headers are neither."""
    failures: list[tuple[int, str, bool]] = []
    strays: list[tuple[int, str]] = []
    for number, text in rest.select("number", "text").iter_rows():
        failed = failure(text.replace(delimiter, " "))
        if failed:
            failures.append((number, *failed))
        elif not _by_header(_split(text, delimiter)):
            strays.append((number, text))
    return failures, strays


def _stamps(rows: pl.DataFrame) -> tuple[list[tuple[Stamp, str]], pl.DataFrame]:
    """Read every different time stamp once."""
    texts = (
        rows["time"].drop_nulls().unique(maintain_order=True)
        if "time" in rows.columns
        else pl.Series([], dtype=pl.String)
    )
    stamps: list[tuple[Stamp, str]] = []
    places: dict[str, int | None] = {}
    for text in texts:
        found = find(text)
        places[text] = len(stamps) if found else None
        if found:
            stamps.append((found[0], text))
    return stamps, pl.DataFrame(
        {"time": list(places), "stamp": list(places.values())}, schema={"time": pl.String, "stamp": pl.Int64}
    )
