"""Verdicts as files for other programs: Parquet, CSV, JSON; written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import RmtoolkitError, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.analysis.verdict import Judgement

FORMATS: Final = (".parquet", ".csv", ".json")

#: A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA: Final = r"^[=+\-@\t\r]"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file under another name and rename it when it is whole.

    Parameters
    ----------
    path
        The file to make; an existing one stays as it is until the new one is complete.

    Yields
    ------
    pathlib.Path
        The file to write to, in the same folder.

    Raises
    ------
    RmtoolkitError
        There is no such folder, or the path is a folder.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(f"{folder}/a.txt") as part:
    ...         _ = part.write_text("whole")
    ...     os.listdir(folder)
    ['a.txt']
    """
    target = Path(path)
    if target.is_dir():
        msg = f"Could not write {quote(path)}: it is a folder. Name a file in it."
        raise RmtoolkitError(msg)
    if not target.parent.is_dir():
        msg = f"Could not write {quote(path)}: there is no folder {quote(target.parent)}. Make it first."
        raise RmtoolkitError(msg)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def check_format(path: str | os.PathLike[str]) -> str:
    """Tell from a file's name how to write it.

    Parameters
    ----------
    path
        The file to make.

    Returns
    -------
    str
        One of `FORMATS`.

    Raises
    ------
    RmtoolkitError
        The name ends in something else.

    Examples
    --------
    >>> check_format("verdicts.JSON")
    '.json'
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        msg = f"Could not write {quote(path)}: the name must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        raise RmtoolkitError(msg)
    return ending


def columns(judgement: Judgement, by: str) -> pl.DataFrame:
    """Select what `rm.classify` returns from a judgement that is there already.

    Parameters
    ----------
    judgement
        What `judge` found.
    by
        ``workload`` or ``instance``.

    Returns
    -------
    polars.DataFrame
        The same frame as ``rm.classify(recording, by=by)``.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> found = judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100}))
    >>> columns(found, "instance").columns[:5]
    ['cluster', 'namespace', 'workload', 'pod', 'container']
    """
    from rmtoolkit.analysis.columns import VERDICTS  # noqa: PLC0415 - analysis is imported by whoever has a judgement

    if by == "workload":
        return judgement.verdicts.select(*VERDICTS)
    return judgement.instances.select("cluster", "namespace", "workload", "pod", *list(VERDICTS)[3:], "lives")


def write(verdicts: pl.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write verdicts in the format that the file's name asks for.

    Parameters
    ----------
    verdicts
        What `rm.classify` returned.
    path
        Ends in .parquet, .csv or .json. Parquet and JSON (an array of objects) keep everything; CSV joins
        `also` with spaces and leaves the evidence out.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    RmtoolkitError
        The name ends in something else, or there is no such folder.

    Examples
    --------
    >>> frame = pl.DataFrame({"workload": ["=HYPERLINK(0)"], "growth_bytes_per_day": [-1.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write(frame, f"{folder}/a.csv").read_text(), end="")
    workload,growth_bytes_per_day
    '=HYPERLINK(0),-1.5
    """
    ending = check_format(path)
    with replacing(path) as part:
        if ending == ".parquet":
            verdicts.write_parquet(part)
        elif ending == ".csv":
            for_spreadsheets(verdicts).write_csv(part)
        else:
            verdicts.write_json(part)
    return Path(path)


def for_spreadsheets(frame: pl.DataFrame) -> pl.DataFrame:
    """Flatten a frame for CSV and take the danger out of text that looks like a formula.

    Parameters
    ----------
    frame
        Any frame.

    Returns
    -------
    polars.DataFrame
        Lists of text joined with spaces, other nested columns left out, and an apostrophe before any text
        that a spreadsheet would run.

    Examples
    --------
    >>> for_spreadsheets(pl.DataFrame({"a": ["@SUM(1)", "plain"], "b": [["x", "y"], []]})).rows()
    [("'@SUM(1)", 'x y'), ('plain', '')]
    """
    kept = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if dtype == pl.List(pl.String):
            column, dtype = column.list.join(" "), pl.String()  # noqa: PLW2901 - the column is text from here on
        elif dtype.is_nested():
            continue
        if dtype == pl.String:
            column = pl.when(column.str.contains(_FORMULA)).then("'" + column).otherwise(column).alias(name)
        kept.append(column)
    return frame.select(kept)
