"""Tables that people bring: CSV and Parquet with a time and a memory column."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitError, quote_path
from rmtoolkit.loaders import _files
from rmtoolkit.loaders._files import check_samples
from rmtoolkit.recording import Recording
from rmtoolkit.schema import CONTAINERS, SIGNALS, Report

if TYPE_CHECKING:
    import os


_EXPECTED: Final = "a table with a time and a memory column"
_ALSO_NUMBERS: Final = ("memory_bytes", "working_set", "rss", "restarts", "restarts_total", "oom_kills_total")


def read_table(path: str | os.PathLike[str], *, workload_pattern: str | None = None) -> Recording:
    """Read CSV or Parquet with a time and a memory column."""
    data, notes = _files.read_bytes(path, expected=_EXPECTED)
    try:
        if data.startswith(b"PAR1"):
            table = pl.read_parquet(io.BytesIO(data))
        else:
            text, more = _files.as_text(data, path, expected=_EXPECTED)
            notes += more
            found = _files.columns_of(text)
            if found is None:
                raise ReadError.at(path, found=text.lstrip().split("\n", 1)[0], expected=_EXPECTED, line=1)
            table = _csv(text, *found)
        table, lost = _typed(table)
        recording = Recording.from_frame(table, workload_pattern=workload_pattern, source=str(path))
    except ColumnError as error:
        raise ReadError.at(path, found="another table", expected=_EXPECTED, hint=str(error)) from error
    except RmtoolkitError:
        raise
    except (pl.exceptions.PolarsError, ValueError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise ReadError.at(path, found=first, expected=_EXPECTED) from error
    left_out = {"values that are no numbers": lost} if lost else {}
    extra = Report(left_out=left_out, warnings=notes, time_axis=recording.report.time_axis)
    recording = replace(recording, report=extra.joined(recording.report))
    check_samples(recording, quote_path(path))
    if recording.samples.is_empty():
        raise ReadError.at(path, found="no row with a time and an amount of memory", expected=_EXPECTED)
    return recording


def _csv(text: str, delimiter: str, columns: list[str]) -> pl.DataFrame:
    """Read everything as text: a column with one wrong word in it must not be lost whole."""
    table = pl.read_csv(
        io.StringIO(text.lstrip()),
        separator=delimiter,
        new_columns=columns,
        infer_schema=False,
        truncate_ragged_lines=True,
    ).with_columns(pl.all().str.strip_chars())
    return table.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _typed(table: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Give text the types of the schema; count what cannot be one."""
    lost = 0
    for name, dtype in table.schema.items():
        if dtype != pl.String:
            continue
        wanted = CONTAINERS.get(name, pl.Float64() if name in (*SIGNALS, *_ALSO_NUMBERS) else pl.String())
        if wanted == pl.Boolean:
            table = table.with_columns(pl.col(name).str.to_lowercase().is_in(["true", "1", "yes"]))
        elif wanted.is_numeric():
            numbers = table[name].cast(pl.Float64, strict=False)
            lost += numbers.null_count() - table[name].null_count()
            table = table.with_columns(numbers)
        elif name in _files.TIMES:
            numbers = table[name].cast(pl.Float64, strict=False)
            if numbers.null_count() == table[name].null_count():
                table = table.with_columns(numbers)
    return table, lost
