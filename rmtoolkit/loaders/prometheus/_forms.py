"""What says what answers of Prometheus say: text of exporters and promtool; JSON of Grafana, Datadog, CloudWatch."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from rmtoolkit._tables import as_time
from rmtoolkit.exceptions import ReadError, quote
from rmtoolkit.loaders import _timestamps
from rmtoolkit.loaders._files import as_text, mapping
from rmtoolkit.loaders.prometheus import TRUNCATED, Found
from rmtoolkit.loaders.prometheus._metrics import LABELS, is_known
from rmtoolkit.schema import TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rmtoolkit.loaders._timestamps import Asked, Stamp

_EXPECTED: Final = "metrics as text"
_LABELS: Final = r'\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}'
_HEAD: Final = rf"[a-zA-Z_:][\w:.]*(?:{_LABELS})?|{_LABELS}"
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|(?i:nan|inf))"
#: `name{label="it"} 1.5 1795878049932`, with an exemplar perhaps, and what promtool's queries print.
_SAMPLE: Final = rf"^\s*(?P<head>{_HEAD})\s+(?P<value>{_NUMBER})(?:\s+(?P<time>{_NUMBER}))?\s*(?:# .*)?$"
_QUERIED: Final = rf"^\s*(?:(?P<head>{_HEAD})\s+=>)?\s*(?:(?P<value>{_NUMBER}) @\[(?P<time>{_NUMBER})\])?\s*$"
#: Without its last quote it is what remains of the line, lest that quote be looked for from each one before it.
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+(?:"|$)'
_LABEL: Final = re.compile(rf"({_QUOTED}|[\w.:]++)(?:\s*+=\s*+({_QUOTED}))?")
_ESCAPED: Final = re.compile(r"\\(.)")
#: What no other text has: comments, labels of a metric, what promtool prints between head and samples.
_SURE: Final = re.compile(rf"# (?:HELP|TYPE|UNIT) [\w:.]+ |[\w:.]*+{_LABELS} (?:=>|(?<=\"}} )[-+\dNI])")
_HEAD_BYTES: Final = 1 << 16
_PIECE: Final = 1 << 23
_LINES: Final = 200
_MOST: Final = 0.8

_AXIS: Final = "as recorded, UTC"
NO_SAMPLE: Final = "lines that are no sample"
BEFORE: Final = "samples of a scrape without a time"
#: Labels that name a process or a container; without any a file is one process.
_NAMING: Final = {"instance", "job", "id", "name"}.union(*LABELS.values())


def is_samples(text: str) -> bool:
    """Tell by its beginning whether a text is metrics: nearly all lines are, but for those with a time."""
    lines = [line for line in text.split("\n", _LINES)[:_LINES] if line.strip()]
    if not any(_SURE.match(line) or is_known(line.split(" ", 1)[0], {}) for line in lines):
        return False
    samples = pl.Series([line[:4000] for line in lines], dtype=pl.String)
    good = samples.str.contains(_SAMPLE) | samples.str.contains(_QUERIED) | samples.str.starts_with("#")
    timed = sum(_timestamps.find(line[:100]) is not None for line in samples.filter(~good))
    return int(good.sum()) >= _MOST * (len(lines) - timed)


def read(content: bytes, asked: Asked) -> Found | None:
    """Read what is no answer of Prometheus; None where it may be one."""
    try:
        head, _ = as_text(content[:_HEAD_BYTES], asked.path, expected=_EXPECTED)
    except ReadError:
        return None
    read_form = _read_json if is_other_json(head) else _read_samples if is_samples(head) else None
    return read_form(as_text(content, asked.path, expected=_EXPECTED)[0], asked) if read_form else None


def _read_samples(text: str, asked: Asked) -> Found:
    """Read text whose samples have a time, or are of a scrape before which one stands, or of the file's own time."""
    is_queried = " @[" in text
    frame = pl.concat(_parsed(text, _QUERIED if is_queried else _SAMPLE))
    frame = frame.with_row_index("at")
    said = frame.drop_nulls("line")
    if is_queried:
        frame = frame.with_columns(pl.col("head").forward_fill())
    found = [(at, _timestamps.find(line[:200]), line) for at, line in said.select("at", "line").iter_rows()]
    stamps = [(at, stamp[0], line) for at, stamp, line in found if stamp]
    rows = frame.drop_nulls(["head", "value"])
    # Every line ends, but for one in which the file was cut off: its number may be short of digits.
    cut = not is_queried and rows.height > 1 and not text.endswith("\n") and rows["at"].max() == frame.height - 1
    rows = rows.head(rows.height - cut).select("at", "head", "value", time=as_time(pl.col("time"), pl.Float64()))
    axis = _AXIS
    if rows["time"].null_count():
        rows, axis = _timed(rows, stamps, asked)
    left_out = Counter({NO_SAMPLE: said.height - len(stamps), TRUNCATED: int(cut), BEFORE: rows["time"].null_count()})
    series = rows.drop_nulls("time").group_by("head", maintain_order=True).agg(pl.col("time").to_physical(), "value")
    return Found(
        [_named(head, asked) for head in series["head"]],
        series["time"].list.len().cast(pl.Int64).to_numpy(),
        series["time"].explode().to_numpy(),
        series["value"].explode().to_numpy(),
        +left_out,
        time_axis=axis,
    )


def _parsed(text: str, pattern: str) -> Iterator[pl.DataFrame]:
    """Read head, value and time of each line; keep a line that is neither a sample nor a comment."""
    other = pl.col("head").is_null() & pl.col("value").is_null() & ~pl.col("line").str.contains(r"^\s*(?:#|$)")
    numbers = pl.col("value", "time").cast(pl.Float64)
    end = -1
    # Piece by piece: the fields of many lines take several times their place.
    while (begin := end + 1) < len(text):
        end = text.find("\n", begin + _PIECE)
        end = len(text) if end < 0 else end
        lines = pl.Series("line", [text[begin:end]]).str.split("\n").explode().to_frame()
        found = lines.select("line", pl.col("line").str.extract_groups(pattern).struct.unnest())
        yield found.select(pl.when(other).then("line"), pl.col("head").cast(pl.Categorical), numbers)


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
        if latest is not None:
            return rows.with_columns(time=pl.col("time").fill_null(pl.lit(latest, TIME))), _AXIS
        if (named := _timestamps.find_instant(_stem(asked))) is not None:
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
            labels[label.strip('"')] = _unescaped(value[1:-1])
    if not _NAMING & labels.keys():
        stem = _stem(asked)
        found = _timestamps.find(stem) if _timestamps.find_instant(stem) else None
        labels["instance"] = (found[1].strip() if found else "") or stem
    return labels


def _stem(asked: Asked) -> str:
    """Give the name of a file without endings, a blank before the time in it."""
    return re.sub(
        r"[-_.](?=(?:19|20)\d\d-?\d\d|1\d{9})", " ", re.sub(r"(\.[a-z]\w*)?(\.gz|\.zstd?)?$", "", Path(asked.path).name)
    )


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: {"n": "\n"}.get(found[1], found[1]), text) if "\\" in text else text


#: What JSON has that Grafana's Inspector, Datadog or CloudWatch give away.
_OTHER_JSON: Final = re.compile(r'"type"\s*+:\s*+"time"|"(?:pointlist|group_tags|MetricDataResults|Datapoints)"\s*+:')
#: CloudWatch says the unit of statistics, which has binary multiples; of data nobody does, and ECS gives MiB.
CLOUDWATCH_UNITS: Final = {"Bytes": 1, "Kilobytes": 1 << 10, "Megabytes": 1 << 20, "Gigabytes": 1 << 30}

#: Tags by which Datadog must be asked to group: without any of them it gives a mean over pods.
_OF_ONE: Final = {
    *("pod", "pod_name", "container", "container_name", "kube_container_name", "container_id", "task_arn"),
    "docker_name",
}
_OF_ECS: Final = "MemoryUtilized"

#: What may happen where a document has something else than it should.
#: An error of msgspec is a ValueError from 0.21 on alone.
_ODD: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    msgspec.MsgspecError,
    RuntimeError,
    TypeError,
    ValueError,
    PolarsError,
)


class _Series(NamedTuple):
    labels: dict[str, str]
    times: Any
    values: Any
    factor: int = 1


def is_other_json(text: str) -> bool:
    """Tell by its beginning whether a text is JSON of Grafana's Inspector, Datadog or CloudWatch."""
    return text.lstrip()[:1] in ("{", "[") and _OTHER_JSON.search(text) is not None


def _read_json(text: str, asked: Asked) -> Found | None:
    try:
        document = msgspec.json.decode(text)
        found = [one for one in _series_in(document, asked) if one.times]
        frames = []
        for one in found:
            times, values = pl.Series("time", one.times), pl.Series("value", one.values, pl.Float64(), strict=False)
            frame = pl.DataFrame([times, values * one.factor])
            frames.append(frame.with_columns(as_time(pl.col("time"), times.dtype).to_physical()).drop_nulls())
    except _ODD as error:
        said = str(error).split("\n", 1)[0]
        raise ReadError.at(asked.path, found=f"damaged JSON ({said})", expected=_EXPECTED) from error
    if not frames:
        return None
    together = pl.concat(frames)
    counts = pl.Series([frame.height for frame in frames], dtype=pl.Int64()).to_numpy()
    labels = [one.labels for one in found]
    partial = tuple(_unsaid(document))
    return Found(labels, counts, together["time"].to_numpy(), together["value"].to_numpy(), Counter(), partial, _AXIS)


def _unsaid(document: object) -> Iterator[str]:
    """Tell what CloudWatch or Grafana says is missing."""
    answer = mapping(document)
    parts = answer.get("MetricDataResults")
    states = {mapping(one).get("StatusCode") for one in parts} if isinstance(parts, list) else set()
    if answer.get("NextToken") or states & {"PartialData", "InternalError"}:
        yield "CloudWatch says that there is more: ask without --max-items, or for a shorter time"
    for name, one in (mapping(mapping(document, "response"), "results") or mapping(document, "results")).items():
        if error := mapping(one).get("error"):
            yield f"Grafana's query {quote(name)} failed: {quote(error)}"


def _series_in(node: object, asked: Asked) -> Iterator[_Series]:
    """Find series anywhere in a document."""
    if not isinstance(node, dict):
        for part in node if isinstance(node, list) else ():
            yield from _series_in(part, asked)
        return
    schema, data, fields = mapping(node, "schema"), mapping(node, "data"), node.get("fields")
    if isinstance(schema.get("fields"), list) and isinstance(data.get("values"), list):
        yield from _of_frame(list(zip(schema["fields"], data["values"], strict=False)), schema.get("name"))
    elif isinstance(fields, list):
        yield from _of_frame([(one, one["values"]) for one in fields], node.get("name"))
    elif isinstance(points := node.get("pointlist"), list):
        tags = _tags(node.get("tag_set") or str(node.get("scope")).split(","))
        yield _Series(of_one({"__name__": str(node.get("metric")), **tags}), *_columns(points), _unit_of(node))
    elif isinstance(times := node.get("times"), list) and isinstance(series := node.get("series"), list):
        for one, values in zip(series, node.get("values") or (), strict=False):
            yield _Series(_tags(mapping(one).get("group_tags")), times, values, _unit_of(one))
    elif "Timestamps" in node or "Datapoints" in node:
        yield _of_cloudwatch(node, asked)
    else:
        for part in node.values():
            yield from _series_in(part, asked)


#: Of amounts, as Datadog names them; a byte is one.
_DATADOG_UNITS: Final = {f"{name}byte": 1024**power for power, name in enumerate(("kibi", "mebi", "gibi", "tebi"), 1)}


def _unit_of(node: Any) -> int:  # noqa: ANN401 - any JSON
    """Tell how many bytes a number of Datadog is: its unit, and perhaps that of the time, stand beside a series."""
    units = mapping(node).get("unit")
    unit = mapping(units[0]) if isinstance(units, list) and units else {}
    told = unit.get("scale_factor") if unit.get("family") == "bytes" else None
    return _DATADOG_UNITS.get(str(unit.get("name"))) or (int(told) if isinstance(told, int | float) and told > 1 else 1)


def _of_cloudwatch(node: Mapping[str, Any], asked: Asked) -> _Series:
    """Read the answer of `get-metric-data` or `get-metric-statistics`."""
    points = [mapping(point) for point in node.get("Datapoints") or ()]
    points = [point for point in points if point.get("Unit", "Bytes") in CLOUDWATCH_UNITS]
    unit = max((str(one.get("Unit", "Bytes")) for one in points), key=CLOUDWATCH_UNITS.__getitem__, default=None)
    labels, factor = of_cloudwatch(str(node.get("Label")), unit)
    labels = {"container": str(node.get("Id", _stem(asked))), **labels}
    if isinstance(times := node.get("Timestamps"), list):
        return _Series(labels, times, node.get("Values"), factor)
    return _Series(
        labels, *_columns([(one.get("Timestamp"), one.get("Maximum", one.get("Average"))) for one in points]), factor
    )


def of_cloudwatch(label: str, unit: str | None) -> tuple[dict[str, str], int]:
    """Read what CloudWatch calls a series: a word is its metric, the others say of what; and how many bytes one is."""
    words = label.split()
    metrics = {_OF_ECS: "container_memory_working_set_bytes"}
    metrics |= {word: f"{word}_bytes" for word in words if is_known(f"{word}_bytes", {})}
    at = next((at for at, word in enumerate(words) if word in metrics), 0)
    name = metrics.get(words[at], words[at]) if words else ""
    rest = " ".join(words[:at] + words[at + 1 :]).strip(" ,·-")
    factor = CLOUDWATCH_UNITS[unit or ("Megabytes" if _OF_ECS in words else "Bytes")]
    return {"__name__": name, **({"container": rest} if rest else {})}, factor


#: A query of Datadog, as it stands above its values: the metric, and in braces what all of it has.
_DATADOG: Final = re.compile(
    r"(?:[a-z]\w*+:)?([a-zA-Z]\w*+(?:\.\w++)++)(?: \(\w++\))?(?:\s*+\{([^{}\"]*+)\})?"
    r"(?:\s*+by\s*+\{[^{}]*+\})?(?:\.(?:rollup|fill)\([^()]*+\))*+"
)
_TAG: Final = r"[a-zA-Z][\w.\-/]*+:[^,{}\s]++"
_SCOPE: Final = re.compile(rf"{_TAG}(?:,\s*+{_TAG})*+")


def of_datadog(text: str) -> dict[str, str] | None:
    """Read what Datadog calls a series: a query, a metric with its tags, or tags alone."""
    if _SCOPE.fullmatch(text) and not is_known(text.partition(":")[2], {}):
        return _tags(re.split(r",\s*", text))
    found = _DATADOG.fullmatch(text.strip())
    return {"__name__": found[1], **_tags(re.split(r",\s*", found[2] or ""))} if found else None


def of_one(labels: Mapping[str, str]) -> dict[str, str]:
    """Rename a metric of Datadog that nothing names one container of: it is a mean over several."""
    several = "" if labels.keys() & _OF_ONE else " of several containers"
    return {**labels, "__name__": f"{labels['__name__']}{several}"}


def _columns(pairs: Sequence[Sequence[Any]]) -> tuple[list[Any], list[Any]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _of_frame(columns: Sequence[tuple[Mapping[str, Any], list[Any]]], title: object) -> Iterator[_Series]:
    """Read a frame of Grafana: a column a series, or a row a sample with its labels in columns of text."""
    times = next((values for field, values in columns if field.get("type") == "time"), [])
    texts = {str(field.get("name")): values for field, values in columns if field.get("type") == "string"}
    rows: dict[tuple[Any, ...], list[int]] = {}
    for row, key in enumerate(zip(*texts.values(), strict=False)):
        rows.setdefault(key, []).append(row)
    for field, values in columns:
        if field.get("type") != "number":
            continue
        shown = (field.get("name"), mapping(field, "config").get("displayNameFromDS"), title)
        names = [name for name in (str(one).partition("{")[0] for one in shown) if is_known(name, {})]
        labels = {label: str(value) for label, value in mapping(field, "labels").items()}
        labels = {"__name__": names[0], **labels} if names else labels
        if not texts:
            yield _Series(labels, times, values)
        for key, places in rows.items():
            said = labels | {label: str(value) for label, value in zip(texts, key, strict=True)}
            yield _Series(said, [times[at] for at in places], [values[at] for at in places])


def _tags(tags: object) -> dict[str, str]:
    pairs = (str(tag).partition(":") for tag in tags) if isinstance(tags, list) else ()
    return {name: value for name, colon, value in pairs if colon}
