"""Samples as text: what exporters answer, federation, promtool's queries and dumps; of one instant or of many."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from rmtoolkit._tables import as_time
from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import _timestamps
from rmtoolkit.loaders._files import as_text
from rmtoolkit.loaders.prometheus._metrics import LABELS, is_known
from rmtoolkit.schema import TIME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rmtoolkit.loaders._timestamps import Asked, Stamp


_EXPECTED: Final = "metrics as text"
_LABELS: Final = r'\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}'
_HEAD: Final = rf"[a-zA-Z_:][\w:.]*(?:{_LABELS})?|{_LABELS}"
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|(?i:nan|inf))"
#: `name{label="it"} 1.5 1795878049932`, with an exemplar perhaps, and what promtool's queries print.
_SAMPLE: Final = rf"^\s*(?P<head>{_HEAD})\s+(?P<value>{_NUMBER})(?:\s+(?P<time>{_NUMBER}))?\s*(?:# .*)?$"
_QUERIED: Final = rf"^\s*(?:(?P<head>{_HEAD})\s+=>)?\s*(?:(?P<value>{_NUMBER}) @\[(?P<time>{_NUMBER})\])?\s*$"
_LABEL: Final = re.compile(r'("(?:[^"\\]|\\.)*"|[\w.:]+)(?:\s*=\s*"((?:[^"\\]|\\.)*)")?')
_ESCAPED: Final = re.compile(r"\\(.)")
#: What no other text has: comments, labels of a metric, what promtool prints between head and samples.
_SURE: Final = re.compile(r'# (?:HELP|TYPE|UNIT) [\w:.]+ |[\w:.]*\{[^{}\n]*\} =>|[\w:.]*\{[^{}\n]*"\} [-+\dNI]')
_HEAD_BYTES: Final = 1 << 16
_LINES: Final = 200
_MOST: Final = 0.8

_AXIS: Final = "as recorded, UTC"
NO_SAMPLE: Final = "lines that are no sample"
BEFORE: Final = "samples of a scrape without a time"
#: Labels that name a process or a container; without any a file is one process.
_NAMING: Final = {"instance", "job", "id", "name"}.union(*LABELS.values())


class Forms(NamedTuple):
    """Series with their samples, one stretch a series; what was not read, and how times were told."""

    labels: list[dict[str, str]]
    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    left_out: Counter[str]
    time_axis: str


def is_samples(text: str) -> bool:
    """Tell by its beginning whether a text is metrics: nearly all lines are, but for those with a time."""
    lines = [line for line in text.split("\n", _LINES)[:_LINES] if line.strip()]
    samples = pl.Series([line[:4000] for line in lines], dtype=pl.String)
    good = samples.str.contains(_SAMPLE) | samples.str.contains(_QUERIED) | samples.str.starts_with("#")
    known = any(_SURE.match(line) for line in lines) or any(
        is_known(line.split(" ", 1)[0], {}) for line, fits in zip(lines, good, strict=True) if fits
    )
    if not known:
        return False
    timed = sum(_timestamps.find(line[:100]) is not None for line in samples.filter(~good))
    return int(good.sum()) >= _MOST * (len(lines) - timed)


def read(content: bytes, asked: Asked) -> Forms | None:
    """Read what is no answer of Prometheus; None where it may be one."""
    try:
        head, _ = as_text(content[:_HEAD_BYTES], asked.path, expected=_EXPECTED)
    except ReadError:
        return None
    if not is_samples(head):
        return None
    return _read_samples(as_text(content, asked.path, expected=_EXPECTED)[0], asked)


def _read_samples(text: str, asked: Asked) -> Forms:
    """Read text whose samples have a time, or are of a scrape before which one stands, or of the file's own time."""
    lines = pl.Series("line", [text]).str.split("\n").explode()
    is_queried = " @[" in text
    frame = (
        lines.to_frame()
        .with_row_index("at")
        .with_columns(pl.col("line").str.extract_groups(_QUERIED if is_queried else _SAMPLE).struct.unnest())
    )
    said = frame.filter(
        pl.col("value").is_null(), pl.col("head").is_null(), ~pl.col("line").str.contains(r"^\s*(?:#|$)")
    )
    if is_queried:
        frame = frame.with_columns(pl.col("head").forward_fill())
    stamps = [(at, found[0], line) for at, line in said.select("at", "line").iter_rows() if (found := _stamp(line))]
    rows = frame.drop_nulls(["head", "value"])
    # Every line ends, but for one in which the file was cut off: its number may be short of digits.
    cut = not is_queried and rows.height > 1 and not text.endswith("\n") and rows["at"].max() == frame.height - 1
    rows = rows.head(rows.height - cut).select(
        "at", "head", pl.col("value").cast(pl.Float64), time=as_time(pl.col("time").cast(pl.Float64), pl.Float64())
    )
    axis = _AXIS
    if rows["time"].null_count():
        rows, axis = _timed(rows, stamps, asked)
    left_out = Counter({NO_SAMPLE: said.height - len(stamps) + cut, BEFORE: rows["time"].null_count()})
    series = rows.drop_nulls("time").group_by("head", maintain_order=True).agg(pl.col("time").to_physical(), "value")
    return Forms(
        [_named(head, asked) for head in series["head"]],
        series["time"].list.len().cast(pl.Int64).to_numpy(),
        series["time"].explode().to_numpy(),
        series["value"].explode().to_numpy(),
        +left_out,
        axis,
    )


def _stamp(line: str) -> tuple[Stamp, str] | None:
    return _timestamps.find(line[:200])


def _timed(rows: pl.DataFrame, stamps: list[tuple[int, Stamp, str]], asked: Asked) -> tuple[pl.DataFrame, str]:
    """Give each sample without a time that of its scrape."""
    if stamps:
        first = stamps[0]
        instants, axis = _timestamps.instants([stamp for _, stamp, _ in stamps], (first[0] + 1, first[2]), asked)
        said = pl.DataFrame({"at": [at for at, *_ in stamps], "said": pl.Series(instants, dtype=pl.Int64).cast(TIME)})
        # A loop may print the time after each scrape.
        after = rows["at"].max() < stamps[-1][0] and rows["at"].min() < first[0]  # type: ignore[operator]
        said = said.with_columns(pl.col("at").cast(rows["at"].dtype))
        rows = rows.join_asof(said, on="at", strategy="forward" if after else "backward")
        return rows.with_columns(time=pl.coalesce("time", "said")), axis
    number = pl.int_range(pl.len()).over("head")
    rows = rows.with_columns(number=pl.when(pl.col("time").is_null()).then(number))
    count = 1 + int(rows["number"].drop_nulls().to_numpy().max())
    latest = rows["time"].max()
    if asked.time is None and count == 1:
        named = _timestamps.find_instant(_stem(asked))
        if latest is not None:
            return rows.with_columns(time=pl.col("time").fill_null(pl.lit(latest, TIME))), _AXIS
        if named is not None:
            moment = pl.lit(_timestamps.as_datetime(named.milliseconds), TIME)
            return rows.with_columns(time=moment), "as the name of the file says, UTC"
    instants, axis = _timestamps.spaced(count, asked, found="scrapes")
    times = pl.Series(instants, dtype=pl.Int64).cast(TIME)
    return rows.with_columns(time=pl.coalesce("time", pl.lit(times).gather("number"))), axis


def _named(head: str, asked: Asked) -> dict[str, str]:
    """Read name and labels; what names nothing is of the process whose file it is."""
    name, _, inside = head.partition("{")
    labels = {"__name__": name} if name else {}
    for label, value in _LABEL.findall(inside):
        if label.startswith('"') and not value:
            labels["__name__"] = _unescaped(label[1:-1])
        else:
            labels[label.strip('"')] = _unescaped(value)
    if not _NAMING & labels.keys():
        stem = _stem(asked)
        found = _timestamps.find(stem) if _timestamps.find_instant(stem) else None
        labels["instance"] = (found[1].strip() if found else "") or stem
    return labels


def _stem(asked: Asked) -> str:
    """Give the name of a file without endings, a blank before the time in it."""
    return re.sub(r"[-_.](?=(?:19|20)\d\d-?\d\d|1\d{9})", " ", re.sub(r"\.[a-z]\w*$", "", Path(asked.path).name))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: {"n": "\n"}.get(found[1], found[1]), text) if "\\" in text else text
