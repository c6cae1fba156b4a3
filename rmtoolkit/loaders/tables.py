"""Tables that people bring (CSV, Parquet, Arrow) with a time and memory columns; Grafana's with a column a series."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import polars as pl
from numpy.typing import NDArray

from rmtoolkit import _columns, schema
from rmtoolkit._columns import column_of
from rmtoolkit._identity import ENOUGH, SUMMARY_WORDS, statistic
from rmtoolkit._io import IN_COLUMNS, read_columns
from rmtoolkit._tables import as_time
from rmtoolkit.exceptions import ColumnError, ReadError, quote, quote_path, warn
from rmtoolkit.loaders import _files, _timestamps
from rmtoolkit.recording import Recording, normalise, reading
from rmtoolkit.schema import BYTE_SIGNALS, CONTAINERS, IDENTITY, NO_NUMBERS, POWERS, SIGNALS, TIME, UNITS, Report
from rmtoolkit.text import MI, counted, looks

#: Whose a column is by its head, and how many bytes one of its numbers is.
Heads: TypeAlias = dict[str, tuple[dict[str, str], int]]

_EXPECTED: Final = "a table with a time and a memory column"
#: Rows of JSON with more names, or names inside more others, are no table.
_MOST_NAMES, _DEEPEST = 1000, 8
_OBJECT: Final = re.compile(r"(?m)^[\[{]")
_HEAD_CHARACTERS: Final = 1 << 14
#: What holds the amounts of memory in a line of a log: `fields` is what the crate tracing writes.
_HOLDERS: Final = ("fields", "mem", "memory")
_COUNTS: Final = ("restarts_total", "oom_kills_total", *(name for name in SIGNALS if not name.endswith("_bytes")))
#: An amount as programs write it: a number with any signs between its digits, and perhaps a unit.
_AMOUNT: Final = r"^([-+]?\d[\d.,'’\s\u00a0\u202f]*(?:[eE][-+]?\d+)?)\s*([A-Za-z]*)$"
#: The head of a series of Grafana, in which the labels stand as Prometheus writes them; and one of them.
_SERIES: Final = re.compile(r"\s*+([a-zA-Z_:][\w:.]*+)?\s*+\{(.*)\}\s*")
_LABEL: Final = re.compile(r'(?<![\w.])([\w.]++)"?\s*+=~?\s*+"((?:[^"\\]|\\.)*+)"')
_WITH_UNIT: Final = re.compile(looks("metrics")["cloudwatch"])
#: What a comment says of all rows below it: `# pod: api-0`.
_SAID: Final = re.compile(r"(?m)^#[ \t]*(\w+)[ \t]*[:=][ \t]*(\S+)[ \t]*$")
#: Of InfluxDB's annotated CSV: where the result has a name, it is that of a statistic.
_DEFAULT: Final = re.compile(r"(?m)^#default,.*$")
#: A cell in quotes, as a spreadsheet keeps text; a line of signs below a head; the pair that Docker writes.
_QUOTED, _RULER, _PAIR = r'^=?"\s*(.*?)\s*"$', re.compile(r"\n[-+|=:][-+|=: \t]*+(?=\n)"), r"^(.*\d.*?)\s*/\s*(\d.*)$"
#: A line that says nothing: a spreadsheet leaves the delimiters of its empty cells.
_NOTHING: Final = " \t\r\u00a0,;|"
_LINES_OF_NOTHING: Final = re.compile(rf"\n[{_NOTHING}]*+(?=\n)")
#: The last of several words of a head.
_LAST_WORD: Final = re.compile(r"(?:^|[\s:(])([a-zA-Z]+?)(s?)\)?$")
#: An amount that says that it is of bytes; and what those of a machine are whole numbers of.
_OF_BYTES, _PAGE = r"(?i)\d\s*(?:[kmgt]?i?b|bytes)$", 4096
#: How cgroups, systemd, Docker and kubectl write that there is no limit, or no request.
_NO_LIMIT: Final = r"(?i)^(?:max|infinity|unlimited|<none>|no limit)$"
#: The same in a path, as of Hive.
_PARTITION: Final = re.compile(r"(?:^|/)(\w+)=([^/]+)(?=/)")
_NAME_THEM: Final = "Or name columns: metrics={'its_name': 'rss_bytes'}, one for each pod; labels={'its_name': 'pod'}."
#: Columns of text that say whose a row is: which metric, and tags of Datadog.
_METRIC_HEADS: Final = ("metric", "metric_name", "metric name", "__name__", "query", "_field", "countername")
_DELIMITERS: Final = ",;\t|"
#: Longer heads of one column are prose.
_LONGEST_HEAD: Final = 2000
#: The console of CloudWatch says in lines of their own what each column is; these are looked at.
_LINES_OF_HEAD: Final = 20
_TITLES: Final = ("full label", "label", "metricname", "metric name", "metric")
_CELLS: Final = re.compile(r"[;|\t]")
#: What stands behind a time whose zone it says in its own way.
_IN_ZONE: Final = re.compile(r"[a-z]/[A-Z]|[+-]\d")
#: What says of which zone the times of another column are.
_ZONES: Final = ("tz", "timezone", "utcoffset")


def read_table(
    path: str | os.PathLike[str],
    *,
    metrics: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    timezone: str | dt.tzinfo | None = None,
    workload_pattern: str | None = None,
) -> Recording:
    """Read a table with a time and a memory column; `metrics` and `labels` name columns that are not known."""
    data, notes = _files.read_bytes(path, expected=_EXPECTED)
    left_out, lost = Counter[str](), list[str]()
    asked, given = _timestamps.Asked(path, timezone=timezone), {*(metrics or ()), *(labels or ())}
    try:
        with reading(path, _EXPECTED):
            if data.startswith(IN_COLUMNS):
                table = read_columns(data, path, _EXPECTED)
                renamed = {head: name for head, name in _columns.own_names(table.columns).items() if head not in given}
                notes += tuple(f"column {head!r} was read as {name!r}" for head, name in renamed.items())
                table = table.rename(renamed)
            else:
                text, more = _files.as_text(data, path, expected=_EXPECTED)
                notes += more
                table = _csv(text, path, left_out)
                lost = [counted(count, reason) for reason, count in (+left_out).items()]
                if not set(metrics or {}) & set(table.columns) and (series := _of_series(table, path)):
                    meant = metrics, labels, workload_pattern
                    return _telling(lost, _read_series(table, series, asked, left_out, notes, meant), path)
            said = dict(_PARTITION.findall(Path(path).as_posix()))
            # Rows that name things may be of others than who wrote them.
            said |= {} if {*IDENTITY} & {column_of(head)[0] for head in table.columns} else _files.of_kubelet(path)
            seen, unseen = _files.given_names((*table.columns, *said), {"metrics": metrics, "labels": labels})
            table, metrics = _a_row_each(table, metrics or {}, path)
            table = _with_said(table, said)
            named = {column_of(head)[0] for head in table.columns}
            # kubectl calls a pod NAME, and beside pods their containers.
            other = {"NAME": "container" if "pod" in named else "pod"} if "MEMORY(bytes)" in table.columns else {}
            by = next((head for head in table.columns if head.lower() == "name"), "container_id")
            told_of = {*named, *other.values(), *(labels or {}).values()} & {"pod", "container", "workload"}
            other |= {by: "container"} if "time" in named and not told_of else {}
            other |= (of_cgroup := _of_cgroup(table))
            notes += tuple(f"column {head!r} was read as {name!r}" for head, name in of_cgroup.items())
            told = {**other, **(labels or {}), **metrics}
            told = {head: name for head, name in told.items() if head in table.columns}
            # What was named goes before what else is called so.
            table = table.drop({*told.values()}.difference(told), strict=False).rename(told)
            table = table.drop("container_id", strict=False)
            table, left_out[NO_NUMBERS], more = _typed(_pairs_apart(table), asked)
            table, units = _in_bytes(table, metrics)
            notes += (*more, *units)
            containers, samples, events, report = _columns.take_apart(table, None, str(path))
            own = Report(found=tuple(seen), unseen=tuple(unseen), left_out=+left_out, time_axis=report.time_axis)
            report = _files.noted(own, [path], notes).joined(report)
            recording = normalise(containers, samples, events, report, workload_pattern=workload_pattern)
    except ColumnError as error:
        hint = f"{error} {_NAME_THEM}" if "The frame has no" in str(error) else str(error)
        raise ReadError.at(path, found="another table", expected=_EXPECTED, hint=hint) from error
    _files.check_samples(recording, quote_path(path))
    if recording.samples.is_empty():
        raise ReadError.at(path, found="no row with a time and an amount of memory", expected=_EXPECTED)
    return _telling(lost, recording, path)


def _telling(lost: list[str], recording: Recording, path: str | os.PathLike[str]) -> Recording:
    # What is a large share is told of all together.
    if lost and not recording.report.is_noticeable:
        _files.warn_of_rest([path], f"left out {', '.join(lost)}")
    return recording


def _csv(text: str, path: str | os.PathLike[str], left_out: Counter[str]) -> pl.DataFrame:
    """Read everything as text: a column with one wrong word in it must not be lost whole."""
    whole, text = text, _without_preamble(text)
    # What comments above a table say of all its rows, and of cells that are empty.
    said = dict(_SAID.findall(whole[: len(whole) - len(text)]))
    default = _DEFAULT.search(whole, 0, len(whole) - len(text))
    found = head_of(text)
    rows, cut = json_rows(text) if found is None else ([], 0)
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        if len(names) > _MOST_NAMES:
            raise ReadError.at(path, found=f"rows of {len(names):,} names", expected=_EXPECTED)
        left_out[schema.CUT] += cut
        return pl.DataFrame({name: [row.get(name) for row in rows] for name in names})
    if found is None:
        raise ReadError.at(path, found=text.split("\n", 1)[0], expected=_EXPECTED, line=1, hint=_NAME_THEM)
    heads, text = found.columns, _LINES_OF_NOTHING.sub("", text.rstrip(_NOTHING))
    columns = [name if name not in heads[:at] else f"{name} ({at + 1})" for at, name in enumerate(heads)]
    if twice := {name for name, column in zip(heads, columns, strict=True) if name != column and column_of(name)[0]}:
        warn(f"{quote_path(path)}: of several columns {', '.join(map(quote, sorted(twice)))} the first was read.")
    table = _cells(text, found, columns, path, left_out).with_columns(
        pl.all().str.strip_chars().str.replace(_QUOTED, "$1")
    )
    # A head among the rows: of the same table, as where files were put together, or of another one.
    time = next(iter(_times_in(columns)), "")
    again = table.select(pl.any_horizontal(pl.all() == time)).to_series().fill_null(value=False)
    if again.any() and found.lines == 1:
        if said or table.filter(again).unique().rows() != [tuple(columns)]:
            return pl.concat([_csv(part, path, left_out) for part in _tables_in(whole, time)], how="diagonal")
        table = table.filter(~again)
    table = table.select(name for name, head in zip(columns, heads, strict=True) if head)
    lengths = table.to_series(-1).str.len_bytes()
    # Without an end of its own, and shorter by two digits than each before it, a number is the beginning of one.
    short = (lengths.head(-1).min() or 0) > (lengths.tail(1).max() or 0) + 1  # type: ignore[operator]
    if short and not text.endswith("\n") and table.to_series(-1).last() != "0":
        left_out["rows that are cut off at the end"] += 1
        table = table.head(-1)
    table = table.with_columns(pl.when(pl.all() != "").then(pl.all()))
    told = dict(zip(columns, default[0].split(","), strict=False)) if default else {}
    table = table.with_columns(
        pl.col(name).fill_null(one) for name, one in told.items() if one and name in table.columns
    )
    return _with_said(table, said)


def _cells(
    text: str, found: Head, columns: list[str], path: str | os.PathLike[str], left_out: Counter[str]
) -> pl.DataFrame:
    form: dict[str, Any] = {"separator": found.delimiter, "new_columns": columns, "truncate_ragged_lines": True}
    form |= {"has_header": False, "infer_schema": False}
    try:
        table = pl.read_csv(io.StringIO(text), skip_rows=found.lines, **form)
        if not table.select(pl.any_horizontal(pl.all().str.contains("\n")).any()).item():
            return table
    except pl.exceptions.ComputeError:
        table = None
    # A quotation mark that opens or closes no cell takes what follows with it, up to the next one or the end.
    sound, lost = _sound_rows(text, found)
    if lost > len(sound):
        said = counted(lost, schema.ASTRAY)
        raise ReadError.at(path, found=f"{said} among {len(sound):,} others", expected=_EXPECTED)
    left_out[schema.ASTRAY] += lost
    return pl.read_csv(io.StringIO("\n".join(sound)), **form) if lost or table is None else table


def _sound_rows(text: str, found: Head) -> tuple[list[str], int]:
    """Find rows whose quotation marks belong to their cells; count lines that belong to none."""
    sign = re.escape(found.delimiter)
    cell = rf' *+(?:"(?:[^"]|"")*+" *+|(?!")(?:[^{sign}\n"]|"[^{sign}\n"]*+")*+)'
    row = re.compile(rf"{cell}(?:{sign}{cell})*+(?=\n|\Z)")

    def is_several(parts: list[str]) -> bool:
        # Two marks may close each other, whatever is between them: each line is as long as a row is.
        return len(parts) > 1 and all(part.count(found.delimiter) == len(found.columns) - 1 for part in parts)

    at, lines, sound, lost = 0, found.lines, list[str](), 0
    while at < len(text):
        end = text.find("\n", at) % (len(text) + 1)
        if lines or end == at:
            lines -= bool(lines)
        elif (whole := row.match(text, at)) is None or is_several(whole[0].split("\n")):
            lost += 1
        else:
            end = whole.end()
            sound.append(whole[0])
        at = end + 1
    return sound, lost


def _with_said(table: pl.DataFrame, said: Mapping[str, str]) -> pl.DataFrame:
    free = {*IDENTITY}.difference(column_of(head)[0] for head in table.columns)
    return table.with_columns(pl.lit(one).alias(name) for name, one in said.items() if column_of(name)[0] in free)


class Head(NamedTuple):
    """What stands above the rows of a table; a column without a name is no column."""

    delimiter: str
    columns: list[str]
    lines: int = 1


def _without_preamble(text: str) -> str:
    """Leave out what stands above a table: comments, and what a spreadsheet says of the sign between cells."""
    text = re.sub(r"\A[\ufeff\s]*+(?:(?:#[^\n]*+|sep=.|[-+|=:][-+|=: \t]*+)\n\s*+)*+", "", text)
    return _RULER.sub("", text) if _RULER.search(text, 0, _HEAD_CHARACTERS) else text


def head_of(text: str) -> Head | None:
    """Read the beginning of a text as the head of a table: names with a time among them, and rows that fit below."""
    near = _without_preamble(text).split("\n", 2 * _LINES_OF_HEAD)[: 2 * _LINES_OF_HEAD]
    lines = [line for line in near if line.strip(_NOTHING)][:_LINES_OF_HEAD] or [""]
    if lines[0].startswith(("{", "[")):  # JSON, whose one line may be all there is
        return None
    for delimiter in _DELIMITERS:
        try:
            read = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
            rows = [[cell.strip(" \t\"'") for cell in row] for row in read]
        except csv.Error:  # a cell longer than any name
            continue
        columns, first = rows[0], rows[1] if len(rows) > 1 else []
        if columns[:1] == [""] and first and _timestamps.find(first[0]) is not None:
            # What pandas writes of a table whose index is the time.
            columns = ["time", *columns[1:]]
        # Its own count of the rows has no name, nor what stands behind a delimiter at the end.
        last = max((at for at, name in enumerate(columns) if name), default=0)
        names = columns[not columns[0] : last + 1]
        are_names = all(
            0 < len(one) < _LONGEST_HEAD and not one[0].isdigit() and not _timestamps.find(one) for one in names
        )
        if last > 0 and are_names and _times_in(columns) and len(first) in (0, len(columns)):
            return Head(delimiter, columns)
        if (several := _of_lines(rows)) is not None:
            return Head(delimiter, *several)
    return None


def _of_lines(rows: list[list[str]]) -> tuple[list[str], int] | None:
    """Put the lines above the first time together: what a column is called, and its unit where one says it."""
    count = next((at for at, row in enumerate(rows) if row and _timestamps.find(row[0]) is not None), 0)
    said = {row[0].lower(): row for row in reversed(rows[:count]) if row}
    titles = next((said[name] for name in _TITLES if name in said), None)
    if titles is None or len(titles) < 2 or any(len(row) != len(rows[count]) for row in said.values()):  # noqa: PLR2004
        return None
    more = [said[name][1:] for name in ("unit", "statistic") if name in said]
    return [
        "time",
        *(" ".join([title, *(f"({one})" for one in of if one)]) for title, *of in zip(titles[1:], *more, strict=True)),
    ], count


def _times_in(heads: Iterable[str]) -> list[str]:
    return [head for head in heads if column_of(head)[0] == "time"]


def _tables_in(text: str, time: str) -> list[str]:
    lines = text.split("\n")
    named = (at for at, line in enumerate(lines) if time in line and not line.startswith("#"))
    heads = [at for at in named if head_of("\n".join(lines[at : at + 2]))]
    # With the comments above it.
    begins = [next(up for up in range(at, -1, -1) if not up or not lines[up - 1].startswith("#")) for at in heads]
    return ["\n".join(lines[begin:end]) for begin, end in pairwise([*begins, len(lines)])]


def json_rows(text: str) -> tuple[list[dict[str, str]], int]:
    """Find objects that name a time and an amount of memory, also in a container's log; count those that are cut."""
    from rmtoolkit.loaders.kubernetes import parts  # noqa: PLC0415 - few tables are such

    for one in (text, "\n".join(line for _, line in _files.unwrap(text) or ())):
        if _OBJECT.search(one, 0, _HEAD_CHARACTERS):
            found = list(parts(one))
            nodes = chain.from_iterable(map(_rows_of, (part.content for part in found)))
            rows = [row for row in (dict(_flat(node)) for node in nodes) if _times_in(row)]
            if rows := [row for row in rows if any(column_of(name)[0] in BYTE_SIGNALS for name in row)]:
                return rows, sum(part.damaged for part in found)
    return [], 0


def _rows_of(document: object) -> list[object]:
    """Give the rows of a table as pandas writes it: a list each below `columns`, or a column below each name."""
    node = _files.mapping(document)
    names, rows = node.get("columns"), node.get("data")
    if isinstance(names, list) and isinstance(rows, list):
        return [dict(zip(map(str, names), row, strict=False)) for row in rows if isinstance(row, list)]
    columns = [[*one.values()] if isinstance(one, dict) else one for one in node.values()]
    if columns and all(isinstance(one, list) and len(one) == len(columns[0]) for one in columns):
        return [dict(zip(node, row, strict=True)) for row in zip(*columns, strict=True)]
    return [document]


def _flat(node: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and depth < _DEEPEST:
        for inner, value in node.items():
            bare = not name or (inner in BYTE_SIGNALS and name in _HOLDERS)
            yield from _flat(value, inner if bare else f"{name}.{inner}", depth + 1)
    elif name and node is not None and not isinstance(node, (dict, list)):
        yield name, str(node)


def _a_row_each(table: pl.DataFrame, metrics: Mapping[str, str], path: Any) -> tuple[pl.DataFrame, Mapping[str, str]]:  # noqa: ANN401
    """Give pods rows of their own whose names are heads: heads told to be one signal, or Grafana's, over memory."""
    heads = {name: [head for head in table.columns if metrics.get(head) == name] for name in BYTE_SIGNALS}
    name, pods = max(heads.items(), key=lambda one: len(one[1]))
    if not pods and table.columns[:1] == ["Time"] and {*table.dtypes[1:]} == {pl.String}:
        numbers = pl.all().str.replace_all(",", "").cast(pl.Float64, strict=False)
        sure = pl.all().str.contains(_OF_BYTES).all() | ((numbers % _PAGE == 0).all() & (numbers.median() >= MI))
        words = {head: found[1].lower() for head in table.columns[1:] if (found := _LAST_WORD.search(head))}
        kinds = {head: SUMMARY_WORDS.get(word) or column_of(word)[0] for head, word in words.items()}
        # A limit is no use, and of several statistics the most counts.
        less = {"limit_bytes", "request_bytes", *(("mean", "min") if "max" in kinds.values() else ())}
        others = [head for head, kind in kinds.items() if kind in less]
        name, pods = "working_set_bytes", [head for head in table.columns[1:] if head not in others]
        # A cell such as `undefined` says nothing.
        cells = table.select(pl.when(pl.col(pods).str.contains(r"\d")).then(pl.col(pods)))
        # A time and a pod; or what sums up pods that are not there.
        is_alone = len(table.columns) <= 2 or all(statistic({"stat": head}) is not None for head in pods)  # noqa: PLR2004
        if is_alone or any(column_of(head)[0] for head in pods) or not all(cells.select(sure).row(0)):
            return table, metrics
        if others:
            warn(f"{quote_path(path)}: left out {', '.join(map(quote, others))}: limits, or less than the most.")
        table = pl.concat([table.select("Time"), cells], how="horizontal")
        warn(f"{quote_path(path)}: each column was read as the memory of a pod of that name, such as {quote(pods[0])}.")
    elif len(pods) <= 1 or "pod" in table.columns:
        return table, metrics
    rest = [head for head in table.columns if head not in pods]
    told = {head: metrics[head] for head in rest if head in metrics}
    return table.unpivot(pods, index=rest, variable_name="pod", value_name="value"), {**told, "value": name}


def _of_cgroup(table: pl.DataFrame) -> dict[str, str]:
    """Tell what files of a cgroup are; beside others, and where another name moves, the most is that of an interval."""
    # Where both are there, dots are the kernel's own.
    heads = {head.replace("_", "."): head for head in sorted(table.columns, reverse=True)}
    if "memory.current" not in heads or {"memory.min", "memory.avg", "memory.mean"} & heads.keys():
        return {}
    found = {}
    if head := heads.get("memory.max"):
        pair = table.select(most=pl.col(head).cast(pl.String), now=pl.col(heads["memory.current"]).cast(pl.String))
        seen = pair.drop_nulls().unique("most", keep="first", maintain_order=True)
        # The highest so far is there as soon as it is reached; a limit stands still, whatever is used.
        still = (
            0 < seen.height * ENOUGH <= pair.height and not seen.select((pl.col("most") == pl.col("now")).any()).item()
        )
        if head == "memory.max" or still or "max" in pair["most"]:
            found[head] = "limit_bytes"
    found |= {heads["memory.peak"]: "peak_bytes"} if "memory.peak" in heads else {}
    if "oom_kill" in table.columns and table["oom_kill"].cast(pl.String).str.contains(r"^\d+$").all():
        found["oom_kill"] = "oom_kills_total"
    return found


def _pairs_apart(table: pl.DataFrame) -> pl.DataFrame:
    texts = [head for head, dtype in table.schema.items() if dtype == pl.String and column_of(head)[0] in BYTE_SIGNALS]
    for head in (head for head in texts if table[head].str.contains(_PAIR).min()):
        both = pl.col(head).str.extract_groups(_PAIR).struct
        table = table.with_columns(both[0].alias(head), both[1].alias("limit_bytes"))
    return table


def _typed(table: pl.DataFrame, asked: _timestamps.Asked) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    lost, notes = 0, []
    timed = _times_in(table.columns)
    if len(timed) > 1 and table[timed[0]].dtype == table[timed[1]].dtype == pl.String:
        # A day in one column, the clock in the next.
        table = table.with_columns(pl.concat_str(*timed[:2], separator=" ").alias(timed[0])).drop(timed[1])
    zones = [head for head in table.columns if re.sub("[^a-z]", "", head.lower()) in _ZONES]
    if timed and zones and asked.timezone is None and _columns.is_naive(table[timed[0]]):
        first = next(iter(table[zones[0]].drop_nulls()), "UTC")
        where = f"The zone of the times stands in a column of its own, {quote(zones[0])}."
        msg = f"{where} Hint: say timezone={quote(first)}."
        raise ColumnError(msg)
    for head, dtype in table.schema.items():
        name, unit = column_of(head)
        if dtype != pl.String or not name:
            continue
        if name == "time":
            table = table.with_columns(_times(table[head], asked))
        elif name == "limit_known":
            table = table.with_columns(pl.col(head).str.to_lowercase().is_in(["true", "1", "yes"]))
        elif name.endswith("_bytes") or name in _COUNTS or CONTAINERS.get(name, pl.String()).is_numeric():
            cells = table[head].str.replace(_NO_LIMIT, "-1" if name in CONTAINERS else "$0")
            of_parts = unit == 1 << 10 and name in (*schema.FOOTPRINTS, *schema.SETTINGS)
            numbers, said, wrong = _amounts(cells, of_parts=of_parts)
            lost += wrong
            table = table.with_columns(numbers)
            if said:
                notes.append(f"column {head!r}: {said}")
                if said.endswith("(mi)") and name == "working_set_bytes" and (numbers % MI == 0).all():
                    table = table.with_columns(quantum_bytes=pl.lit(MI))
                table = table.rename({head: name}) if name not in table.columns else table
    return table, lost, tuple(notes)


def _in_bytes(table: pl.DataFrame, metrics: Mapping[str, str]) -> tuple[pl.DataFrame, list[str]]:
    notes: list[str] = []
    for head, name in metrics.items():
        if name not in BYTE_SIGNALS or name not in table.columns or not table[name].dtype.is_numeric():
            continue
        unit = _columns.unit_in(head)
        if unit == 1 and "byte" not in head.lower() and (table[name].median() or 0) < 1 << 20:  # type: ignore[operator]
            unit = _columns.plausible_unit(head, table[name])
        if unit > 1:
            table = table.with_columns(pl.col(name) * unit)
            notes.append(f"column {head!r} was read as {name!r}, in units of {unit:,} bytes")
    return table, notes


def _times(texts: pl.Series, asked: _timestamps.Asked) -> pl.Series:
    if (numbers := texts.cast(pl.Float64, strict=False)).null_count() == texts.null_count():
        return _columns.refuse_other_clocks(numbers)
    if asked.timezone is None:
        clocks = texts.filter(texts.str.contains(r"\d:\d\d") & ~texts.str.contains(_CELLS.pattern))
        is_zoned = clocks.str.contains(_columns.ZONED)
        if is_zoned.any() and not is_zoned.all():
            told, without = quote(clocks.filter(is_zoned)[0]), quote(clocks.filter(~is_zoned)[0])
            msg = f"The time {told} says its zone, {without} does not. Hint: say timezone='Europe/Berlin' or another."
            raise ColumnError(msg)
        read = texts.to_frame().select(as_time(pl.col(texts.name), texts.dtype)).to_series()
        if read.null_count() <= texts.null_count() or read.null_count() < read.len() / 2:
            return texts
    known = texts.drop_nulls().unique(maintain_order=True)
    # A cell that goes on after its time is a row whose cells another sign parts.
    found = {text: one for text in known if (one := _timestamps.find(text)) is not None and not _CELLS.search(one[1])}
    stamps = {text: stamp for text, (stamp, _) in found.items()}
    if not stamps:
        return texts
    zones = (text for text, (stamp, rest) in found.items() if not stamp.utc and (stamp.zone or _IN_ZONE.search(rest)))
    if asked.timezone is None and (text := next(zones, None)) is not None:
        msg = f"The time {quote(text)} is of a zone that is not known. Hint: say timezone='Europe/Berlin' or another."
        raise ColumnError(msg)
    zoned = asked if asked.timezone is not None else asked._replace(timezone="UTC")
    # Row by row: in the hour that comes twice the same text is two instants.
    said = texts.is_in(list(stamps))
    instants, _ = _timestamps.instants([stamps[text] for text in texts.filter(said)], (2, next(iter(stamps))), zoned)
    times = pl.Series(texts.name, [None] * len(texts), TIME)
    return times.scatter(said.arg_true(), pl.Series(instants, dtype=pl.Int64()).cast(TIME))


def _amounts(texts: pl.Series, *, of_parts: bool = False) -> tuple[pl.Series, str, int]:
    """Read amounts: point and comma, and units, by the whole column; say which units cells had, and count losses."""
    # Whole numbers below a thousand beside such, or parts of a KiB: a spreadsheet may have put the point there.
    thousands, short = texts.filter(texts.str.contains(r"^[1-9]\d{0,2}\.\d{3}$")), texts.str.contains(r"^\d{1,3}$")
    if 0 < thousands.len() == texts.count() - short.sum() and (of_parts or short.any()):
        raise _unclear(texts.name, thousands[0])
    if (plain := texts.cast(pl.Float64, strict=False)).null_count() == texts.null_count():
        return plain, "", 0
    parts = texts.str.extract_groups(_AMOUNT).struct.unnest()
    number, unit = parts["1"].str.replace_all(r"['’\s\u00a0\u202f]", ""), parts["2"].str.to_lowercase()
    comma, point = number.str.count_matches(",", literal=True), number.str.count_matches(".", literal=True)
    both = number.filter((comma > 0) & (point > 0))
    if both.len():
        is_decimal = bool((both.str.replace_all(r"[^.,]", "").str.slice(-1) == ",").all())
    elif (comma > 1).any() or (point > 1).any():
        is_decimal = bool((point > 1).any())
    else:
        commas = number.filter(comma > 0)
        if commas.len() and commas.str.contains(r",\d{3}$").all() and not commas.str.starts_with("0,").any():
            raise _unclear(texts.name, commas[0])
        is_decimal = bool(commas.len())
    number = number.str.replace_all("." if is_decimal else ",", "", literal=True).str.replace(",", ".", literal=True)
    # Kibana writes bytes of a field in powers of 1,024.
    told = UNITS | {f"{one}b": 1024**power for one, power in POWERS.items()} if texts.name.endswith(".bytes") else UNITS
    factor = unit.replace_strict(told, default=None, return_dtype=pl.Float64())
    values = (number.cast(pl.Float64, strict=False) * factor).alias(texts.name)
    # Of a larger unit what stands behind the point is whole bytes.
    values = values.zip_with(factor == 1, values.round())
    units = sorted({one for one in unit.drop_nulls() if one in UNITS and one})
    bare = number.filter((unit == "") & values.is_between(1, schema.LEAST_LIMIT_BYTES, closed="left"))
    # Of what stands beside the memory that is judged, no more is lost than that amount.
    if units and bare.len() and column_of(texts.name)[0] in schema.FOOTPRINTS:
        msg = f"In {quote(texts.name)} some amounts have a unit, and {bare[0]} has none. Hint: say it of all."
        raise ColumnError(msg)
    return values, f"units as written ({', '.join(units)})" if units else "", values.null_count() - texts.null_count()


def _unclear(head: str, amount: str) -> ColumnError:
    found = f"In the column {quote(head)} {quote(amount)} may be a thousand or a fraction."
    return ColumnError(f"{found} Hint: write a point and two digits, or no sign between digits.")


def _of_series(table: pl.DataFrame, path: str | os.PathLike[str]) -> Heads:
    """Find columns whose heads are series of Prometheus, Datadog or CloudWatch; or a row, or the file, says which."""
    from rmtoolkit.loaders.prometheus import _forms, _metrics, saved  # noqa: PLC0415 - few tables are such

    found: Heads = {}
    for head in table.columns:
        if (labels := _of_head(head)) is not None:
            found[head] = labels, 1
        elif column_of(head)[0]:
            continue
        elif (labels := _forms.of_datadog(head)) is not None:
            if "{" in head or "__name__" not in labels or _metrics.is_known(labels["__name__"], {}):
                found[head] = labels, 1
        else:
            label, unit, said, again = _WITH_UNIT.findall(head)[0]
            labels, factor = _forms.of_cloudwatch(label + again, unit or None)
            if _metrics.is_known(labels["__name__"], {}):
                found[head] = _forms.of_statistic(labels, said), factor
    if {"name", "tags"} <= {*table.columns}:
        # Of InfluxDB: fields of a measurement, whose tags stand together.
        said = table.filter(pl.col("tags").str.contains("="))["name"].drop_nulls().unique()
        found |= {
            head: ({}, 1) for head in table.columns if any(_metrics.is_known(f"{name}_{head}", {}) for name in said)
        }
    by_row = [head for head in table.columns if head.lower() in ("value", "_value", "countervalue")]
    is_named = any(head.lower() in _METRIC_HEADS for head in table.columns)
    if not found and by_row and (is_named or _metrics.is_known(saved.stem_of(Path(path)), {})):
        found[by_row[0]] = {}, 1
    return {**found, **_of_one_thing(table, found)} if found else found


def _of_one_thing(table: pl.DataFrame, found: Heads) -> Heads:
    from rmtoolkit.loaders.prometheus._metrics import NAMEABLE  # noqa: PLC0415 - few tables are such

    if any(labels.keys() - {"stat"} != {"__name__"} for labels, _ in found.values()):
        return {}
    meant = {head: column_of(head) for head in table.columns if head not in found}
    return {
        head: ({"__name__": name}, unit or _columns.plausible_unit(head, _amounts(table[head])[0]))
        for head, (name, unit) in meant.items()
        if name in NAMEABLE
    }


def _of_head(text: str) -> dict[str, str] | None:
    if (match := _SERIES.fullmatch(text)) and ('"' in match[2] or not match[2].strip()):
        return {**({"__name__": match[1]} if match[1] else {}), **dict(_LABEL.findall(match[2]))}
    return None


def _of_row(texts: Mapping[str, str | None]) -> dict[str, str]:
    from rmtoolkit.loaders.prometheus._forms import of_azure, of_datadog  # noqa: PLC0415 - few tables are such

    labels: dict[str, str] = {}
    for head, text in texts.items():
        if text is None:
            continue
        if head == "CounterName":
            labels |= of_azure(texts)
        elif head.lower() in _METRIC_HEADS:
            labels |= _of_head(text) or of_datadog(text) or {"__name__": text}
        elif head.lower() in ("scope", "tags", "group", "groups", "tag_set") and (tags := of_datadog(text)):
            labels |= tags
        else:
            labels[head] = text
    return labels


def _read_series(
    table: pl.DataFrame,
    series: Heads,
    asked: _timestamps.Asked,
    left_out: Counter[str],
    notes: tuple[str, ...],
    told: Iterable[Any],
) -> Recording:
    from rmtoolkit.loaders.prometheus import _forms, _metrics, saved  # noqa: PLC0415 - few tables are such

    meant, times = _metrics.Meant.checked(*told), _times_in(table.columns)[0]
    read, path = _times(table[times], asked), Path(asked.path)
    instants = read.to_frame().select(as_time(pl.col(times), read.dtype)).to_series().dt.epoch("ms")
    values = {}
    columns: list[tuple[dict[str, str], NDArray[Any], NDArray[Any]]] = []
    for head, (_, bytes_each) in series.items():
        numbers, said, wrong = _amounts(table[head])
        left_out[NO_NUMBERS] += wrong
        notes += (f"column {head!r}: {said}",) if said else ()
        values[head] = numbers if bytes_each == 1 else (numbers * bytes_each).round()
    # Numbers are no names of things.
    others = table.select(pl.exclude(times, *series))
    cast = others.select(pl.all().cast(pl.Float64, strict=False))
    texts = [head for head in others.columns if cast[head].null_count() > others[head].null_count()]
    rows = table.select(*texts, *values.values(), **{"": instants}).drop_nulls("")
    for key, part in rows.group_by(texts, maintain_order=True) if texts else [((), rows)]:
        of_row = _of_row(dict(zip(texts, key, strict=True)))
        measured = _forms.of_measurement(f"{of_row.get('_measurement')}\0{of_row.get('__name__')}")
        if of_row.get("__name__") not in meant.metrics and _metrics.is_known(measured["__name__"], {}):
            of_row |= measured
        for head, (labels, _) in series.items():
            named = {**of_row, **labels}
            if not labels and "name" in named and "__name__" not in named:
                named = _forms.of_measurement(f"{named['name']},{named.get('tags', '')}\0{head}")
            if "." in named.get("__name__", ""):
                named = _forms.of_one(named)
            # Of what all labels were taken from, more may be in it than the container that the file is called after.
            if named.keys() <= {"__name__", "stat"} and "{" not in head:
                named["container"] = path.name.partition(".")[0]
            there = part.select("", head).drop_nulls()
            columns.append((named, there[""].to_numpy(), there[head].to_numpy()))
    if not any(len(there) for *_, there in columns):
        said = next((text for head in series for text in table[head].drop_nulls()[:1]), "nothing")
        raise ReadError.at(path, found=said, expected="amounts of memory, such as 300 MiB")
    own = {name: name for name in _metrics.NAMEABLE}
    about = _files.noted(Report(left_out=+left_out), [path], notes)
    return saved.read_labelled(columns, path, meant._replace(metrics={**own, **meant.metrics}), about)
