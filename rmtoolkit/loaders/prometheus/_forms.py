"""What says what answers of Prometheus say: text of exporters, promtool and Telegraf; JSON of kubelets and clouds."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from rmtoolkit._identity import statistic
from rmtoolkit._tables import as_time, parse_time
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.loaders import _timestamps
from rmtoolkit.loaders._files import as_text, grouped, mapping
from rmtoolkit.loaders.prometheus import TRUNCATED, Found
from rmtoolkit.loaders.prometheus._metrics import LABELS, TOLD, is_known
from rmtoolkit.schema import TIME, UNITS
from rmtoolkit.text import looks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
#: InfluxDB's line protocol: a measurement with its tags, fields, perhaps a time; `telegraf --test` puts a mark before.
_TAGGED: Final = r"(?:[^\s\\,=#{]|\\.)+(?:,(?:[^\s\\,=]|\\.)+=(?:[^\s\\,]|\\.)+)*"
_FIELDS: Final = r'[\w.:-]+=(?:[^\s"]|"(?:[^"\\]|\\.)*")+'
_PROTOCOL: Final = rf"^(?:> )?(?P<head>{_TAGGED}) (?P<fields>{_FIELDS})(?: (?P<time>\d{{10,19}}))?\s*$"
_FIELD: Final = rf"(?P<field>[\w.:-]+)=(?P<value>{_NUMBER})[iu]?"
_COMMA: Final = re.compile(r"(?<!\\),")
#: What no other text has: comments, labels of a metric, what promtool prints between head and samples.
_SURE: Final = re.compile(rf"# (?:HELP|TYPE|UNIT) [\w:.]+ |[\w:.]*+{_LABELS} (?:=>|(?<=\"}} )[-+\dNI])")
_HEAD_BYTES: Final = 1 << 16
_PIECE: Final = 1 << 23
_LINES: Final = 200
_MOST: Final = 0.8

#: Two digits alone may be whose file it is, and so may what goes on behind them.
_HOUR: Final = (
    r"(?:T(?:[01]\d|2[0-3])|[-_](?:[01]\d|2[0-3])[-_.h]?[0-5]\d)(?:[-_.]?[0-5]\d){0,2}(?:Z|[-+]\d{4})?(?![^\W_]|[-.]\d)"
)
_DAY: Final = re.compile(rf"(?<!\d)(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:{_HOUR}|(?!\d))")
_AXIS: Final = "as recorded, UTC"
NO_SAMPLE: Final = "lines that are no sample"
BEFORE: Final = "samples of a scrape without a time"
#: Labels that name a process or a container; without any a file is one process.
_NAMING: Final = {"instance", "job", "id", "name"}.union(*LABELS.values())
#: Whether a line is neither empty nor a comment.
_SAYS: Final = ~pl.col("line").str.contains(r"^\s*(?:#|$)")
#: How Telegraf calls the only field of a metric of Prometheus, or the measurement that all such metrics are in.
_VALUES, _SCRAPES = ("gauge", "counter", "value"), ("prometheus", "prometheus_remote_write")
#: What JSON has that Grafana's Inspector, Datadog, kubelets, container runtimes, OpenTelemetry or clouds give away.
_OTHER_JSON: Final = re.compile(looks("metrics")["other_json"])
#: A document begins a line, or stands behind its time.
_BEGINS: Final = re.compile(r"(?m)^(?:[^\n{\[]{0,60}+[{\[]|stats:$)")
#: CloudWatch says the unit of statistics, which has binary multiples; of data nobody does, and ECS gives MiB.
CLOUDWATCH_UNITS: Final = {"Bytes": 1, "Kilobytes": 1 << 10, "Megabytes": 1 << 20, "Gigabytes": 1 << 30}

#: Tags by which Datadog must be asked to group: without any of them it gives a mean over pods.
_OF_ONE: Final = {*TOLD["series"]["of_one"]}
_OF_ECS: Final = "MemoryUtilized"
#: How OpenTelemetry says that a sum is told by its changes.
_CHANGES: Final = ("1", "AGGREGATION_TEMPORALITY_DELTA")
#: A metric of Prometheus that Google keeps has its type behind it.
_OF_PROMETHEUS: Final = re.compile(r"prometheus\.googleapis\.com/([^/]+)/.*")
#: What Azure's Container Insights call a container: the id of its cluster, its pod's uid, its name.
_OF_AZURE: Final = re.compile(r"(?:.*/)?([^/]+)/([0-9a-f-]{32,36})/([^/]+)")
#: Of amounts, as Datadog names them; a byte is one.
_DATADOG_UNITS: Final = {f"{name}byte": 1024**power for power, name in enumerate(("kibi", "mebi", "gibi", "tebi"), 1)}

#: What one of a field's numbers is, as Grafana calls it.
_GRAFANA_UNIT: Final = re.compile("(dec)?([kmgt])?bytes")
#: What may happen where a document has something else than it should.
#: An error of msgspec is a ValueError from 0.21 on alone.
_ODD: Final = (
    *(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    *(msgspec.MsgspecError, PolarsError),
)
#: A query of Datadog, as it stands above its values: the metric, and in braces what all of it has.
_DATADOG: Final = re.compile(looks("metrics")["datadog"])
_TAG: Final = r"[a-zA-Z][\w.\-/]*+:[^,{}\s]++"
_SCOPE: Final = re.compile(rf"{_TAG}(?:,\s*+{_TAG})*+")


def is_samples(text: str) -> bool:
    """Tell by its beginning whether a text is metrics: nearly all lines are, but for those with a time."""
    lines = [line for line in text.split("\n", _LINES)[:_LINES] if line.strip()]
    if is_protocol(lines):
        return True
    if not any(_SURE.match(line) or is_known(line.split(" ", 1)[0], {}) for line in lines):
        return False
    samples = pl.Series([line[:4000] for line in lines], dtype=pl.String)
    good = samples.str.contains(_SAMPLE) | samples.str.contains(_QUERIED) | samples.str.starts_with("#")
    timed = sum(_timestamps.find(line[:100]) is not None for line in samples.filter(~good))
    return int(good.sum()) >= _MOST * (len(lines) - timed)


def is_protocol(lines: Sequence[str]) -> bool:
    found = pl.Series([line[:4000] for line in lines], dtype=pl.String)
    found = found.filter(found.str.contains(_PROTOCOL))
    if not len(found) or len(found) < _MOST * len(lines):
        return False
    heads = pl.concat(_measured("\n".join(found)))["head"].drop_nulls().unique()
    return any(is_known(of_measurement(head)["__name__"], {}) for head in heads)


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
    is_lines = is_protocol(text[:_HEAD_BYTES].split("\n", _LINES)[:_LINES])
    frame = pl.concat(_measured(text) if is_lines else _parsed(text, _QUERIED if is_queried else _SAMPLE))
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
        [of_measurement(head) if is_lines else _named(head, asked) for head in series["head"]],
        series["time"].list.len().cast(pl.Int64).to_numpy(),
        series["time"].explode().to_numpy(),
        series["value"].explode().to_numpy(),
        +left_out,
        time_axis=axis,
    )


def _parsed(text: str, pattern: str) -> Iterator[pl.DataFrame]:
    other = pl.col("head").is_null() & pl.col("value").is_null() & _SAYS
    numbers = pl.col("value", "time").cast(pl.Float64)
    for lines in _pieces(text):
        found = lines.select("line", pl.col("line").str.extract_groups(pattern).struct.unnest())
        yield found.select(pl.when(other).then("line"), pl.col("head").cast(pl.Categorical), numbers)


def _measured(text: str) -> Iterator[pl.DataFrame]:
    for lines in _pieces(text):
        found = lines.select("line", pl.col("line").str.extract_groups(_PROTOCOL).struct.unnest())
        plain = pl.col("fields").str.replace_all(r'"(?:[^"\\]|\\.)*"', '""').str.extract_all(_FIELD)
        rows = found.with_columns(other=pl.col("head").is_null() & _SAYS, field=plain).explode("field")
        rows = rows.with_columns(pl.col("field").str.extract_groups(_FIELD)).unnest("field")
        head = pl.concat_str("head", "field", separator="\0").cast(pl.Categorical)
        yield rows.select(pl.when("other").then("line"), head, pl.col("value", "time").cast(pl.Float64))


def _pieces(text: str) -> Iterator[pl.DataFrame]:
    end = -1
    # Piece by piece: the fields of many lines take several times their place.
    while (begin := end + 1) < len(text):
        end = text.find("\n", begin + _PIECE)
        end = len(text) if end < 0 else end
        yield pl.Series("line", [text[begin:end]]).str.split("\n").explode().to_frame()


def _timed(rows: pl.DataFrame, stamps: list[tuple[int, Stamp, str]], asked: Asked) -> tuple[pl.DataFrame, str]:
    if stamps:
        first = stamps[0]
        instants, axis = _timestamps.instants([stamp for _, stamp, _ in stamps], (first[0] + 1, first[2]), asked)
        said = pl.DataFrame({"at": [at for at, *_ in stamps], "said": pl.Series(instants, dtype=pl.Int64).cast(TIME)})
        # A loop may print the time after each scrape.
        after = rows["at"].max() < stamps[-1][0] and rows["at"].min() < first[0]  # type: ignore[operator]
        said = said.with_columns(pl.col("at").cast(rows["at"].dtype))
        rows = rows.join_asof(said, on="at", strategy="forward" if after else "backward")
        return rows.with_columns(time=pl.coalesce("time", "said")), axis
    rows = rows.with_columns(number=pl.when(pl.col("time").is_null()).then(pl.int_range(pl.len()).over("head")))
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
        named = (found[1] if found else _DAY.sub("", stem)).strip(" -_.")
        # Where the name says no more than when, the folder may say of what.
        labels["instance"] = named or Path(asked.path).absolute().parent.name or stem
    return labels


def of_measurement(head: str) -> dict[str, str]:
    line, _, field = head.partition("\0")
    measurement, *tags = (_unescaped(part) for part in _COMMA.split(line))
    name = measurement if field in _VALUES else field if measurement in _SCRAPES else f"{measurement}_{field}"
    return {"__name__": name, **dict(tag.split("=", 1) for tag in tags if "=" in tag)}


def _stem(asked: Asked) -> str:
    stem = re.sub(r"(\.[a-z]\w*)?(\.gz|\.zstd?)?$", "", Path(asked.path).name)
    return re.sub(r"[-_.](?=(?:19|20)\d\d-?\d\d|1\d{9})", " ", stem)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: {"n": "\n"}.get(found[1], found[1]), text) if "\\" in text else text


class _Series(NamedTuple):
    labels: dict[str, str]
    times: Any
    values: Any
    factor: int = 1


def is_other_json(text: str) -> bool:
    """Tell by its beginning whether a text is such JSON, perhaps of a loop that prints the time as well."""
    return _OTHER_JSON.search(text) is not None and _BEGINS.search(text) is not None


def _read_json(text: str, asked: Asked) -> Found | None:
    try:
        documents, left_out = _documents(text)
        series = [one for one in _series_in(documents, _stem(asked)) if one.times]
        alike = grouped(((frozenset(one.labels.items()), one.factor), one) for one in series)
        frames = []
        for (_, factor), pieces in alike.items():
            times = pl.Series("time", list(chain.from_iterable(one.times for one in pieces)))
            values = pl.Series(
                "value", [*chain.from_iterable(one.values for one in pieces)], pl.Float64(), strict=False
            )
            frame = pl.DataFrame([times, values if factor == 1 else (factor * values).round()])
            frames.append(frame.with_columns(as_time(pl.col("time"), times.dtype).to_physical()).drop_nulls())
    except _ODD as error:
        said = f": {error}" if isinstance(error, RmtoolkitError | msgspec.MsgspecError) else ""
        found = f"JSON with something else where names, times or numbers stand{said}"
        raise ReadError.at(asked.path, found=found, expected=_EXPECTED) from error
    if not frames:
        return None
    together = pl.concat(frames)
    counts = pl.Series([frame.height for frame in frames], dtype=pl.Int64()).to_numpy()
    labels = [pieces[0].labels for pieces in alike.values()]
    partial = tuple(dict.fromkeys(said for document in documents for said in _unsaid(document)))
    return Found(labels, counts, together["time"].to_numpy(), together["value"].to_numpy(), left_out, partial, _AXIS)


def _documents(text: str) -> tuple[list[object], Counter[str]]:
    try:
        return [msgspec.json.decode(text)], Counter()
    except msgspec.MsgspecError:
        from rmtoolkit.loaders.kubernetes import parts  # noqa: PLC0415 - one document does without

        found = list(parts(text))
        documents = [part.content for part in found if part.content is not None]
        if not documents:
            raise
        others = sum(bool(part.text) and not part.damaged and not _timestamps.find(part.text) for part in found)
        return documents, +Counter({TRUNCATED: sum(part.damaged for part in found), NO_SAMPLE: others})


def _unsaid(document: object) -> Iterator[str]:
    answer = mapping(document)
    if answer.get("nextPageToken"):
        yield "Google says that there are more pages: ask for them with pageToken, and save them all"
    parts = answer.get("MetricDataResults")
    states = {mapping(one).get("StatusCode") for one in parts} if isinstance(parts, list) else set()
    if answer.get("NextToken") or states & {"PartialData", "InternalError"}:
        yield "CloudWatch says that there is more: ask without --max-items, or for a shorter time"
    for name, one in (mapping(mapping(document, "response"), "results") or mapping(document, "results")).items():
        if error := mapping(one).get("error"):
            yield f"Grafana's query {quote(name)} failed: {quote(error)}"


def _series_in(node: object, stem: str) -> Iterator[_Series]:
    if isinstance(node, list):
        yield from chain.from_iterable(_series_in(part, stem) for part in node)
    elif isinstance(node, dict):
        read_shape = next((shape for names, shape in _SHAPES.items() if node.keys() >= set(names)), None)
        yield from read_shape(node, stem) if read_shape else _series_in([*node.values()], stem)


def _of_azure_row(node: Mapping[str, Any]) -> _Series:
    labels = of_azure({name: str(node.get(name)) for name in ("CounterName", "InstanceName", "Computer")})
    return _Series(labels, [node.get("TimeGenerated")], [_number(node.get("CounterValue"))])


def _of_datadog_1(node: Mapping[str, Any]) -> _Series:
    labels = {"__name__": str(node.get("metric")), **_tags(node.get("tag_set") or str(node.get("scope")).split(","))}
    asked = _DATADOG.fullmatch(str(node.get("expression")))
    named = of_statistic(of_one(labels), asked[3] if asked else None)
    return _Series(named, *_columns(node["pointlist"]), _unit_of(node))


def _of_kubelet(node: Mapping[str, Any]) -> Iterator[_Series]:
    for pod in node.get("pods") or [node]:
        about = mapping(pod, "podRef")
        place = {"namespace": about.get("namespace"), "pod": about.get("name"), "uid": about.get("uid")}
        place["node"] = mapping(node, "node").get("nodeName")
        for one in mapping(pod).get("containers") or ():
            labels = {name: str(value) for name, value in {**place, "container": one.get("name")}.items() if value}
            told = list(_told_of(one, labels))
            yield from told
            if told and (began := one.get("startTime")):
                begin = [parse_time(began).timestamp()]
                yield _Series({"__name__": "container_start_time_seconds", **labels}, told[0].times, begin)


def _of_runtime(node: Mapping[str, Any]) -> Iterator[_Series]:
    about = mapping(node, "attributes")
    labels = {f"container_label_{name}": str(value) for name, value in mapping(about, "labels").items()}
    if not any(name.startswith("container_label_io.kubernetes.") for name in labels):
        labels |= {"container": str(mapping(about, "metadata").get("name"))}
    yield from _told_of(node, {**labels, "id": str(about.get("id"))})


def _told_of(container: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[_Series]:
    for part in (mapping(container, "memory"), mapping(container, "swap")):
        time = part.get("time") or part.get("timestamp")
        for name, metric in TOLD["kubelet"].items():
            if time and (amount := _number(mapping(part, name).get("value", part.get(name)))) is not None:
                # A runtime counts nanoseconds, and writes them as text.
                yield _Series({"__name__": metric, **labels}, [int(time) if str(time).isdigit() else time], [amount])


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, str | int | float) else None


def _of_opentelemetry(resource: object) -> Iterator[_Series]:
    """Read what a collector writes of a resource; the changes of a sum are no amounts."""
    place = _attributes(mapping(resource, "resource"))
    if "k8s.pod.name" not in place and (service := place.get("service.name")):
        of_one = place.get("service.instance.id") or place.get("host.name") or service
        place = {"job": service, "instance": of_one, **place}
    scopes = mapping(resource).get("scopeMetrics") or mapping(resource).get("instrumentationLibraryMetrics") or ()
    for metric in chain.from_iterable(scope.get("metrics") or () for scope in scopes):
        data = mapping(metric, "gauge") or mapping(metric, "sum")
        changes = " as changes" if str(data.get("aggregationTemporality")) in _CHANGES else ""
        factor = UNITS.get(str(metric.get("unit")).lower().replace("by", "b"), 1)
        for point in data.get("dataPoints") or ():
            labels = {"__name__": f"{metric.get('name')}{changes}", **place, **_attributes(point)}
            value = _number(point.get("asInt", point.get("asDouble")))
            yield _Series(labels, [int(point.get("timeUnixNano") or 0)], [value], factor)


def _attributes(node: Mapping[str, Any]) -> dict[str, str]:
    return {str(one.get("key")): str(*mapping(one, "value").values()) for one in node.get("attributes") or ()}


def _of_google(node: Mapping[str, Any]) -> _Series:
    named = {**mapping(node, "metric", "labels"), **mapping(node, "resource", "labels")}
    metric = _OF_PROMETHEUS.sub(r"\1", str(mapping(node, "metric").get("type")))
    labels = {"__name__": metric, **{name: str(value) for name, value in named.items()}}
    ended = [mapping(point, "interval").get("endTime") for point in node["points"]]
    values = [_number(next(iter(mapping(point, "value").values()), None)) for point in node["points"]]
    is_container = mapping(node, "resource").get("type") == "k8s_container"
    return _Series(of_one(labels) if is_container else labels, ended, values)


def of_azure(row: Mapping[str, str | None]) -> dict[str, str]:
    """Read what a row of Azure's table Perf is of; what names no container is none."""
    if (found := _OF_AZURE.fullmatch(row.get("InstanceName") or "")) is None:
        return {"__name__": f"{row['CounterName']} of no container"}
    place = dict(zip(("cluster", "pod", "container"), found.groups(), strict=True))
    return {"__name__": str(row["CounterName"]), **place, "uid": place["pod"], "node": str(row.get("Computer"))}


def _of_azure_metric(node: Mapping[str, Any]) -> Iterator[_Series]:
    """Read a metric of Azure's Monitor; what is not split by pod or container is a mean over several."""
    resource = str(node.get("id")).partition("/providers/Microsoft.Insights")[0].rpartition("/")[2]
    for one in node["timeseries"]:
        split = {str(mapping(part, "name").get("value")).lower(): part.get("value") for part in one["metadatavalues"]}
        place = {label: str(split[f"{label}name"]) for label in ("pod", "container") if f"{label}name" in split}
        labels = {"__name__": str(mapping(node, "name").get("value")), "service_name": resource, **place}
        said, points = _statistics(one["data"], "timeStamp", "maximum", "average")
        yield _Series(of_statistic(of_one(labels), said), *points)


def _unit_of(node: Any) -> int:  # noqa: ANN401 - any JSON
    """Tell how many bytes a number of Datadog is: its unit, and perhaps that of the time, stand beside a series."""
    units = mapping(node).get("unit")
    unit = mapping(units[0]) if isinstance(units, list) and units else {}
    told = unit.get("scale_factor") if unit.get("family") == "bytes" else None
    return _DATADOG_UNITS.get(str(unit.get("name"))) or (int(told) if isinstance(told, int | float) and told > 1 else 1)


def _of_cloudwatch(node: Mapping[str, Any], stem: str) -> _Series:
    points = [mapping(point) for point in node.get("Datapoints") or ()]
    points = [point for point in points if point.get("Unit", "Bytes") in CLOUDWATCH_UNITS]
    unit = max((str(one.get("Unit", "Bytes")) for one in points), key=CLOUDWATCH_UNITS.__getitem__, default=None)
    labels, factor = of_cloudwatch(str(node.get("Label")), unit)
    labels = {"container": str(node.get("Id", stem)), **labels}
    if isinstance(times := node.get("Timestamps"), list):
        return _Series(labels, times, node.get("Values"), factor)
    said, told = _statistics(points, "Timestamp", "Maximum", "Average")
    return _Series(of_statistic(labels, said), *told, factor)


def _statistics(points: Sequence[Mapping[str, Any]], time: str, *names: str) -> tuple[str, tuple[list[Any], list[Any]]]:
    """Choose of several statistics the first that at least half as many points have as any other."""
    having = [sum(point.get(name) is not None for point in points) for name in names]
    said = next(name for name, count in zip(names, having, strict=True) if 2 * count >= max(having))
    return said, _columns([(point.get(time), point.get(said)) for point in points])


def of_statistic(labels: Mapping[str, str], said: str | None) -> dict[str, str]:
    """Say of which statistic of an amount a series is; what a sum over time or a count is of is no amount."""
    if not said:
        return dict(labels)
    is_amount = statistic({"stat": said}) is not None
    return {**labels, "stat": said} if is_amount else {**labels, "__name__": f"{labels['__name__']} as {said}"}


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


def of_datadog(text: str) -> dict[str, str] | None:
    if _SCOPE.fullmatch(text) and not is_known(text.partition(":")[2], {}):
        return _tags(re.split(r",\s*", text))
    found = _DATADOG.fullmatch(text.strip())
    return of_statistic({"__name__": found[1], **_tags(re.split(r",\s*", found[2] or ""))}, found[3]) if found else None


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
    rows = grouped((key, row) for row, key in enumerate(zip(*texts.values(), strict=False)))
    for field, values in columns:
        if field.get("type") != "number":
            continue
        shown = (field.get("name"), mapping(field, "config").get("displayNameFromDS"), title)
        names = [name for name in (str(one).partition("{")[0] for one in shown) if is_known(name, {})]
        labels = {label: str(value) for label, value in mapping(field, "labels").items()}
        labels = {"__name__": names[0], **labels} if names else labels
        unit = _GRAFANA_UNIT.fullmatch(str(mapping(field, "config").get("unit")))
        factor = (1000 if unit[1] else 1024) ** " kmgt".index(unit[2] or " ") if unit else 1
        if not texts:
            yield _Series(labels, times, values, factor)
        for key, places in rows.items():
            said = labels | {label: str(value) for label, value in zip(texts, key, strict=True)}
            yield _Series(said, [times[at] for at in places], [values[at] for at in places], factor)


def _tags(tags: object) -> dict[str, str]:
    pairs = (str(tag).partition(":") for tag in tags) if isinstance(tags, list) else ()
    return {name: value for name, colon, value in pairs if colon}


#: What reads a mapping that has all of these names.
_SHAPES: Final[Mapping[tuple[str, ...], Callable[[Mapping[str, Any], str], Iterable[_Series]]]] = {
    ("schema", "data"): lambda node, _: _of_frame(
        list(zip(node["schema"]["fields"], node["data"]["values"], strict=False)), node["schema"].get("name")
    ),
    ("fields",): lambda node, _: _of_frame([(one, one["values"]) for one in node["fields"]], node.get("name")),
    ("pointlist",): lambda node, _: [_of_datadog_1(node)],
    ("times", "series"): lambda node, _: [
        _Series(_tags(mapping(one).get("group_tags")), node["times"], values, _unit_of(one))
        for one, values in zip(node["series"], node.get("values") or (), strict=False)
    ],
    ("Timestamps",): lambda node, stem: [_of_cloudwatch(node, stem)],
    ("Datapoints",): lambda node, stem: [_of_cloudwatch(node, stem)],
    ("pods",): lambda node, _: _of_kubelet(node),
    ("podRef",): lambda node, _: _of_kubelet(node),
    ("attributes", "memory"): lambda node, _: _of_runtime(node),
    ("resourceMetrics",): lambda node, _: chain.from_iterable(map(_of_opentelemetry, node["resourceMetrics"])),
    ("metric", "resource", "points"): lambda node, _: [_of_google(node)],
    ("columns", "rows"): lambda node, stem: _series_in(
        [
            dict(zip([str(mapping(one).get("name")) for one in node["columns"]], row, strict=True))
            for row in node["rows"]
        ],
        stem,
    ),
    ("CounterName",): lambda node, _: [_of_azure_row(node)],
    ("name", "timeseries"): lambda node, _: _of_azure_metric(node),
}
