"""`kubectl top pod`: logs of its tables, CSV made of them, and the JSON behind it."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Literal

import polars as pl
from msgspec import Struct, field
from msgspec.structs import replace

from rmtoolkit._identity import OF_DEPLOYMENT
from rmtoolkit._tables import beside, conform, one_stretch
from rmtoolkit.exceptions import ReadError, quote
from rmtoolkit.loaders import _files, _kubectl_rows, _timestamps, kubernetes
from rmtoolkit.loaders._kubectl_rows import EXPECTED, LAYOUTS, USE_RAW, Line, failure, quantity
from rmtoolkit.loaders._timestamps import Asked, Stamp, find, find_instant
from rmtoolkit.loaders.kubernetes import Objects
from rmtoolkit.recording import Recording, concat, normalise
from rmtoolkit.schema import ANEW, Report
from rmtoolkit.text import MI, counted, texts

_NAMED: Final = dict.fromkeys(("namespace", "pod", "container"), pl.String())
_PLACED: Final = dict.fromkeys(("number", "table", "stamp"), pl.Int64())
ROWS: Final = pl.Schema(
    {**_PLACED, "of_day": pl.Int64(), **_NAMED, "memory_bytes": pl.Int64(), "swap_bytes": pl.Int64()}
)
MARKS: Final = pl.Schema({"number": pl.Int64(), "stamp": pl.Int64(), "of_day": pl.Int64()})
FAILURES: Final = pl.Schema({**MARKS, "detail": pl.String(), "empty": pl.Boolean()})

_SECOND_MS: Final = 1000
_SERVED_AGAIN: Final = "samples that metrics-server served again"
#: What the client library logs of an error that kubectl prints next.
_KLOG: Final = r"^E[0-9]{4} "
#: A row of `kubectl top` of which awk or a spreadsheet made CSV, and what parts its cells.
_CSV: Final = re.compile(r"""(?m)^[^\n]{0,300}?([,;\t|])["' ]*+\d++m["' ]*+\1["' ]*+\d++Mi["' ]*+$""")
_METRICS_OBJECTS: Final = "PodMetrics from metrics.k8s.io"
_DOCUMENTS: Final = re.compile("|".join(texts("loaders/signs")["metrics"]["marks"]))
_UNREADABLE: Final = "containers without a name or a readable amount of memory"
_SHOWN: Final = 100
_MESSAGE: Final = 200

#: Line, table, place of the stamp, namespace, pod, container, memory and swap as they are written.
_Row = tuple[int, int, int | None, str | None, str, str | None, str, str | None]
_TEXTS: Final = pl.Schema({**_PLACED, **_NAMED, "memory": pl.String(), "swap": pl.String()})


class Log(Struct, frozen=True):
    rows: pl.DataFrame
    failures: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FAILURES))
    marks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MARKS))
    stamps: Sequence[tuple[Stamp, str]] = ()
    quantum_bytes: int | None = None  # memory was rounded down to a multiple of this; None = exact
    left_out: Mapping[str, int] = field(default_factory=dict)
    first_left_out: tuple[int, str] | None = None
    notes: tuple[str, ...] = ()
    objects: Objects = field(default_factory=Objects)


def put_together(
    log: Log, asked: Asked, *, notes: tuple[str, ...], namespace: str | None, workload_pattern: str | None
) -> Recording:
    rows = log.rows.with_columns(namespace=pl.coalesce("namespace", pl.lit(namespace, dtype=pl.String))).with_columns(
        container_id=pl.struct("namespace", "pod", "container").rank("dense").cast(pl.UInt32)
    )
    rows, failures, axis = _timed(rows, log, asked)
    timeless = rows["time"].null_count()
    left_out = Counter({**log.left_out, "rows before the first time stamp or without one": timeless})
    rows = rows.filter(pl.col("time").is_not_null())
    if rows.is_empty():
        raise ReadError.at(asked.path, found=f"{timeless:,} rows without a time stamp", expected="a time for each")
    if log.quantum_bytes is None:
        # metrics-server serves a sample again until its next window: that is no double.
        new = rows.unique(["container_id", "time", "memory_bytes"], keep="first", maintain_order=True)
        left_out[_SERVED_AGAIN], rows = rows.height - new.height, new
    samples, left_out[ANEW] = one_stretch(
        rows.select("container_id", "time", working_set_bytes="memory_bytes", swap_bytes="swap_bytes")
    )
    quantum = pl.lit(log.quantum_bytes, dtype=pl.Int64)
    containers = rows.unique("container_id", keep="first", maintain_order=True).select(
        "container_id", *_NAMED, quantum_bytes=quantum, source=pl.lit(kubernetes.SOURCE)
    )
    partial = []
    for some, what in ((failures.filter(~pl.col("empty")), "failed"), (failures.filter("empty"), "found no pods")):
        if some.height:
            first = f"line {some['number'][0]}: {quote(some['detail'][0])}"
            partial.append(f"{some.height:,} scrape{'' if some.height == 1 else 's'} {what} ({first})")
    report = Report(
        sources=(str(asked.path),),
        missing=(kubernetes.WITHOUT_OBJECTS,),
        left_out=+left_out,
        partial=tuple(partial),
        warnings=log.notes,
        time_axis=axis,
    )
    lost = ", ".join(
        counted(count, reason) for reason, count in report.left_out.items() if reason not in (_SERVED_AGAIN, ANEW)
    )
    if lost and log.first_left_out:
        lost += f" (line {log.first_left_out[0]}: {quote(log.first_left_out[1])})"
    if complaints := [*([f"left out {lost}"] if lost else []), *partial]:
        _files.warn_of_rest([asked.path], *complaints)
    report = _files.noted(report, [asked.path], notes)
    recording = normalise(containers, samples, _gaps(rows, failures), report, workload_pattern=workload_pattern)
    return kubernetes.joined(recording, log.objects)


def _timed(rows: pl.DataFrame, log: Log, asked: Asked) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    own = rows["stamp"].drop_nulls()
    marks = log.marks
    if own.len() and (marks.is_empty() or _says(own, log) >= _says(marks["stamp"], log)):
        return _by_own_stamps(rows, log, asked)
    if marks.is_empty():
        return _counted_on(rows, log, asked, "snapshots")
    times, axis = _instants(marks, log, asked)
    # There are several snapshots below the only time stamp, or above it.
    again = pl.struct("container_id", below=pl.col("number") > marks["number"][0]).is_duplicated().any()
    if marks.height == 1 and rows.select(again).item():
        known = asked._replace(time=_timestamps.as_datetime(times[0]))
        rows, failures, _ = _counted_on(rows, log, known, "snapshots under one time stamp")
        one = "assumed: the one time stamp is that of the first snapshot"
        return rows, failures, f"{one}, the others are {asked.interval} apart ({axis})"
    marked = marks.select("number", mark="number", time=pl.Series(times, dtype=pl.Int64))
    # `date` may stand before or after the table: after, when a table comes first and a stamp last.
    last_row = rows["number"].max()
    after = rows["number"][0] < marks["number"][0] and isinstance(last_row, int) and last_row < marks["number"][-1]
    strategy: Literal["forward", "backward"] = "forward" if after else "backward"
    rows, failures = (some.join_asof(marked, on="number", strategy=strategy) for some in (rows, log.failures))
    return rows, failures, axis


def _says(ids: pl.Series, log: Log) -> tuple[int, bool]:
    return max((int(stamp.kind), stamp.utc) for stamp in (log.stamps[index][0] for index in ids.unique()))


def _instants(some: pl.DataFrame, log: Log, asked: Asked) -> tuple[list[int], str]:
    stamps = [stamp for stamp, _ in log.stamps]
    places = zip(some["stamp"], some["of_day"], strict=True)
    read = [stamps[index] if of_day is None else stamps[index].at(of_day) for index, of_day in places]
    return _timestamps.instants(read, (some["number"][0], log.stamps[some["stamp"][0]][1]), asked)


def _by_own_stamps(rows: pl.DataFrame, log: Log, asked: Asked) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    both = pl.concat([rows.select(*MARKS), log.failures.select(*MARKS)]).drop_nulls("stamp").sort("number")
    both = both.filter(pl.struct("stamp", "of_day").rle_id().diff().fill_null(1) > 0)
    times, axis = _instants(both, log, asked)
    heads = both.select("number", "stamp", time=pl.Series(times, dtype=pl.Int64))

    def at(some: pl.DataFrame) -> pl.DataFrame:
        # By stamp as well: each pod of one answer has its own.
        return some.join_asof(heads, on="number", by="stamp", strategy="backward", check_sortedness=False)

    timed = at(rows)
    if timed.select((pl.col("time") % _SECOND_MS != 0).any()).item():
        # A stamp per line runs on while kubectl prints: the lines of one snapshot have the time of the first.
        timed = timed.with_row_index("row")
        known = timed.drop_nulls("time")
        known = known.with_columns(place=_snapshots(known, ~pl.col("time").diff().is_between(0, _SECOND_MS - 1)))
        first = known.select("row", time=pl.col("time").first().over("place"))
        timed = beside(timed.drop("time"), first, "row").drop("row")
    return timed, at(log.failures), axis


def _snapshots(rows: pl.DataFrame, is_new: pl.Expr) -> pl.Series:
    """Count snapshots: one ends with its table, where that is told, and when a container comes again."""
    number, seen, found = -1, set[int](), list[int]()
    begins = (pl.col("table").diff() != 0) | is_new
    for begin, container in rows.select(begins.fill_null(value=True), "container_id").iter_rows():
        if begin or container in seen:
            number, seen = number + 1, set()
        seen.add(container)
        found.append(number)
    return pl.Series(found, dtype=pl.Int64)


def _counted_on(rows: pl.DataFrame, log: Log, asked: Asked, found: str) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    rows = rows.with_columns(place=_snapshots(rows, pl.lit(value=False)))
    tables = rows.group_by("place", maintain_order=True).agg(pl.col("number").first(), "container_id")
    steps = [(number, set(containers), False) for _, number, containers in tables.iter_rows()]
    steps += [(number, set(), True) for number in log.failures["number"]]
    tick, seen, is_new = -1, set[int](), True
    ticks: tuple[list[int], list[int]] = [], []
    for _, containers, failed in sorted(steps, key=itemgetter(0)):
        if failed or is_new or seen & containers:
            tick, seen = tick + 1, set()
        seen |= containers
        is_new = failed
        ticks[failed].append(tick)
    times, axis = _timestamps.spaced(tick + 1, asked, found=found)
    of_table, of_failure = (pl.Series([times[at] for at in some], dtype=pl.Int64) for some in ticks)
    rows = rows.with_columns(time=of_table.gather(rows["place"]))
    return rows, log.failures.with_columns(time=of_failure), axis


def _gaps(rows: pl.DataFrame, failures: pl.DataFrame) -> pl.DataFrame:
    """Tell the containers in the snapshots before and after a failed scrape that there was one."""
    failed = failures.filter(pl.col("time").is_not_null()).sort("number")
    several = pl.when(pl.col("count") > 1).then(pl.format(" ({} in a row)", "count")).otherwise(pl.lit(""))
    runs = (
        failed.with_columns(pl.Series("place", rows["number"].search_sorted(failed["number"]), dtype=pl.Int64))
        .group_by("place", maintain_order=True)
        .agg(pl.col("time", "detail").first(), count=pl.len())
        .with_columns(kind=pl.lit("gap"), detail=pl.format("scrape failed: {}{}", "detail", several))
    )
    return (
        runs.with_columns(beside=pl.concat_list(pl.col("place") - 1, "place"))
        .explode("beside")
        .join(rows.select(pl.int_range(pl.len()).alias("beside"), near="time"), on="beside")
        .join(rows.select("container_id", near="time").unique(), on="near")
        .unique(["container_id", "place"])
        .select("container_id", "time", "kind", "detail")
    )


def read_table(text: str, path: str | os.PathLike[str], *, containers: bool | None) -> Log:
    stamps: dict[str, Stamp] = {}
    frame = _kubectl_rows.classify(_kubectl_rows.split_lines(text, path), stamps)
    if frame["kind"].is_in([Line.CUT]).any() or _kubectl_rows.looks_folded(frame):
        first = frame.filter(pl.col("kind").is_in([Line.OTHER, Line.CUT])).row(0, named=True)
        expected = f"{EXPECTED} with their numbers"
        hint = f"They are cut off or folded (cut -c, fold, a narrow terminal). Log whole lines, or better: {USE_RAW}"
        raise ReadError.at(path, found=first["text"], expected=expected, line=first["number"], hint=hint)
    rows = frame.filter(pl.col("kind") == Line.ROW)
    if rows.is_empty():
        raise _nothing(frame, path)
    rows, notes = _named(rows, path, containers=containers)
    if rows["memory_bytes"].null_count() == rows.height:
        first = rows.row(0, named=True)
        raise ReadError.at(path, found=first["text"], expected=f"{EXPECTED} with known memory", line=first["number"])
    timed = pl.col("kind").is_in([Line.ROW, Line.STAMP, Line.FAILURE, Line.EMPTY])
    said = frame.filter(pl.col("own").is_not_null() & timed).unique("own", keep="first", maintain_order=True)
    is_exact = bool(rows["exact"].all())
    left_out = {
        "lines that are no rows of kubectl top": frame.filter(pl.col("kind") == Line.OTHER).height,
        "rows of nodes, which are no containers": frame.filter(pl.col("kind") == Line.NODE).height,
        "rows with <unknown> memory": rows["memory_bytes"].null_count(),
    }
    stray = frame.filter(pl.col("kind") == Line.OTHER).select("number", "text").head(1).rows()
    # The client library logs its own view of an error before kubectl prints it: one failure, not two.
    logged = pl.col("text").str.contains(_KLOG) & (pl.col("kind").shift(-1) == Line.FAILURE).fill_null(value=False)
    failures = frame.with_columns(empty=pl.col("kind") == Line.EMPTY).filter(
        pl.col("empty") | ((pl.col("kind") == Line.FAILURE) & ~logged)
    )
    messages = [(failure(line) or (line, False))[0] for line in failures["text"]]
    failures = failures.with_columns(detail=pl.Series(messages, dtype=pl.String))

    # Every kind of time stamp is read once, and kept with its line.
    known: list[tuple[Stamp, str]] = []
    places: list[tuple[str, int | None]] = []
    for own, line in said.select("own", "text").iter_rows():
        found = None if own in stamps else find(own)
        stamp = stamps.get(own) if found is None else found[0]
        places.append((own, None if stamp is None else len(known)))
        known += [] if stamp is None else [(stamp, line)]
    at = pl.DataFrame(places, schema={"own": pl.String, "stamp": pl.Int64}, orient="row")
    parts = rows.filter(pl.col("memory_bytes").is_not_null()), failures, frame.filter(pl.col("kind") == Line.STAMP)
    schemas = zip(parts, (ROWS, FAILURES, MARKS), strict=True)
    rows, failures, marks = (conform(beside(part, at, "own"), schema) for part, schema in schemas)
    quantum, first_stray = None if is_exact else MI, stray[0] if stray else None
    return Log(rows, failures, marks, known, quantum, +Counter(left_out), first_stray, notes)


def _nothing(frame: pl.DataFrame, path: str | os.PathLike[str]) -> ReadError:
    told = texts("loaders/kubectl_top")
    for name, hint in told["hints"].items():
        for number, text in frame.filter(pl.col("kind") == Line[name]).select("number", "text").head(1).iter_rows():
            known = (why for says, why in told["failures"].items() if name == "FAILURE" and says in text)
            return ReadError.at(path, found=text.strip(), expected=EXPECTED, line=number, hint=next(known, hint))
    return ReadError.at(path, found="nothing but time stamps", expected=EXPECTED)


def _named(
    rows: pl.DataFrame, path: str | os.PathLike[str], *, containers: bool | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    two = rows.filter(pl.col("layout").is_null() & (pl.col("cells") == 2))  # noqa: PLR2004
    of_pods, meant = LAYOUTS[2]
    notes: tuple[str, ...] = ()
    if two.height:
        why = "as asked"
        if containers is None:
            why = "because of the hashes in the pods' names"
            containers, namespaces = (bool(two[names].str.contains(OF_DEPLOYMENT).any()) for names in ("b", "c"))
            if containers == namespaces:
                found, line = two["text"][0].strip(), two["number"][0]
                expected = "a header, or names that tell pod and container from namespace and pod"
                which = "containers=True (kubectl top pod --containers) or containers=False (kubectl top pod -A)"
                raise ReadError.at(path, found=found, expected=expected, line=line, hint=f"Say which: {which}.")
        meant = meant if containers else of_pods
        read = "pod and container" if containers else "namespace and pod"
        notes = (f"no header: two names were read as {read}, {why}",)
    by_cells = {1: LAYOUTS[1][0], 2: meant, 3: LAYOUTS[3][0]}
    guessed = pl.col("cells").replace_strict(by_cells, default=None, return_dtype=pl.String)
    rows = rows.with_columns(layout=pl.coalesce("layout", guessed))
    with_namespace, with_container = (pl.col("layout").str.contains(name) for name in ("NAMESPACE", "POD"))
    return rows.with_columns(
        namespace=pl.when(with_namespace).then(pl.when(with_container).then("a").otherwise("b")),
        pod=pl.when(with_container).then("b").otherwise("c"),
        container=pl.when(with_container).then("c"),
    ), notes


def as_table(text: str) -> str | None:
    if (row := _CSV.search(text)) is None:
        return None
    from rmtoolkit._columns import column_of  # noqa: PLC0415 - few logs are such

    head, *lines = re.sub("[\"']", "", text).replace(row[1], " ").split("\n")
    said = {column_of(word)[0] for word in head.split()}
    if {"pod", "working_set_bytes"} <= said:
        names = ["NAMESPACE"] * ("namespace" in said) + ["POD"] * ("container" in said) + ["NAME"]
        head = f"{' '.join(names)} CPU(cores) MEMORY(bytes)"
    return "\n".join([head, *lines])


class _Found(Struct):
    rows: list[_Row] = field(default_factory=list)
    failures: list[tuple[int, int | None, None, str, bool]] = field(default_factory=list)
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)
    places: dict[str, int | None] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
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
            stamp = find_instant(text)
            self.places[text] = len(self.stamps) if stamp is not None else None
            if stamp is not None:
                self.stamps.append((stamp, text))
        return self.places[text]

    def now(self) -> int | None:
        return None if self.last_stamp is None else self.stamps[self.last_stamp][0].milliseconds

    def leave_out(self, reason: str, line: int, text: str) -> None:
        self.left_out[reason] += 1
        if self.first_left_out is None and "node" not in reason:
            self.first_left_out = (line, text)


def read_documents(text: str, path: str | os.PathLike[str], namespace: str | None) -> Iterator[tuple[Log, str | None]]:
    """Read answers of ``kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods`` and their like, with their namespace."""
    found = _Found()
    for table, part in enumerate(kubernetes.parts(text)):
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
            said, hint = "Kubernetes objects without metrics", texts("loaders/hints")["kubectl"]["beside"]
            raise ReadError.at(path, found=said, expected=_METRICS_OBJECTS, hint=hint)
        raise ReadError.at(path, found=what, expected=_METRICS_OBJECTS, line=line, hint=USE_RAW)
    if rows.height:
        failures = pl.DataFrame(found.failures, schema=FAILURES, orient="row")
        log = Log(rows, failures, stamps=found.stamps, left_out=found.left_out, first_left_out=found.first_left_out)
        yield replace(log, notes=tuple(dict.fromkeys(found.notes)), objects=found.objects), namespace
    if found.tables:
        log = read_table("\n".join(found.tables), path, containers=True)
        yield replace(log, objects=Objects() if rows.height else found.objects), found.namespace or namespace


def _between(text: str, line: int, found: _Found) -> None:
    failed = failure(text)
    if (place := found.place(text)) is not None:
        found.last_stamp = place
    if failed:
        found.failures.append((line, place if place is not None else found.last_stamp, None, *failed))
    elif place is None and find(text) is None:
        found.leave_out("lines that are no JSON", line, text)


def _document(document: Mapping[str, Any], line: int, table: int, found: _Found) -> None:
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
    # Metrics of pods, other objects that are of use, and the rest.
    for kind, item, gone in kubernetes.items(document):
        if isinstance(item.get("containers"), list) and kind in ("", "PodMetrics"):
            _pod(item, line, table, found)
        elif kind in _files.KINDS:
            found.objects.take(kind, item, found.now(), gone=gone)
        elif "usage" in item:
            found.leave_out("rows of nodes, which are no containers", line, "")
        elif kind:
            found.leave_out("objects of kinds that say nothing about memory", line, kind[:_SHOWN])
        else:
            found.leave_out("items that are no pod metrics", line, "an item without a kind")


def _recorded(document: Mapping[str, Any], line: int, table: int, found: _Found) -> None:
    place = found.place(document.get("time"))
    found.last_stamp = place if place is not None else found.last_stamp
    answer, error = document.get("answer"), document.get("error")
    if isinstance(answer, str):
        found.tables.append(f"{document.get('time')}\n{answer}")
        found.namespace = found.namespace or _files.text_of(document, "namespace")
    elif isinstance(answer, dict) and "kubectl" not in answer:
        _document(answer, line, table, found)
    elif isinstance(document.get("without"), str):
        command = document["kubectl"].removeprefix("get ")
        found.notes.append(f"not recorded: {quote(command)}, because of {quote(document['without'], _MESSAGE)}")
    elif isinstance(error, str):
        found.failures.append((line, found.last_stamp, None, error[:_MESSAGE], False))


def _pod(item: Mapping[str, Any], line: int, table: int, found: _Found) -> None:
    metadata = _files.mapping(item, "metadata")
    told = (found.place(text) for text in (item.get("timestamp"), metadata.get("creationTimestamp")))
    place = next((place for place in told if place is not None), found.last_stamp)
    now = found.now()
    if place is not None and (now is None or found.stamps[place][0].milliseconds > now):
        found.last_stamp = place
    pod, namespace = _files.text_of(metadata, "name"), _files.text_of(metadata, "namespace")
    for container in item["containers"]:
        usage = _files.mapping(container, "usage")
        memory = _written(usage.get("memory"))
        if memory is None or pod is None:
            found.leave_out(_UNREADABLE, line, repr(container)[:_SHOWN])
            continue
        swap = _written(usage["swap"]) if "swap" in usage else None
        found.rows.append((line, table, place, namespace, pod, _files.text_of(container, "name"), memory, swap))


def _read_amounts(found: _Found) -> pl.DataFrame:
    frame = pl.DataFrame(found.rows, schema=_TEXTS, orient="row")
    for name in ("memory", "swap"):
        # Nearly all are in Ki, which is read at once.
        quick = pl.col(name).str.extract("^([0-9]{1,15})Ki$").cast(pl.Int64) * 1024
        rest = pl.when(quick.is_null()).then(name).map_elements(quantity, return_dtype=pl.Int64)
        frame = frame.with_columns(pl.coalesce(quick, rest).alias(f"{name}_bytes"))
    for line, text in frame.filter(pl.col("memory_bytes").is_null()).select("number", "memory").iter_rows():
        found.leave_out(_UNREADABLE, line, text[:_SHOWN])
    return conform(frame.drop_nulls("memory_bytes"), ROWS)


def _written(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def read_kubectl_top(
    path: str | os.PathLike[str],
    *,
    pods: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
    namespace: str | None = None,
    containers: bool | None = None,
    workload_pattern: str | None = None,
) -> Recording:
    r"""Read a log of ``kubectl top pod``.

    Parameters
    ----------
    path
        A text file, also packed: tables of any kubectl version, one or many, with or without headers and time
        stamps, errors among them; JSON or YAML of ``metrics.k8s.io``; or what ``rmtoolkit record --kubectl`` wrote.
    pods
        Dumps of ``kubectl get pods,replicasets,nodes -o json`` (or yaml), one or several over time: limits,
        requests, owners, versions, restarts with reason and time. `rm.read` finds them by itself.
    time, interval, timezone
        As for `rmtoolkit.read_jemalloc_stats`, of snapshots instead of documents.
    namespace
        Namespace of rows that do not name theirs.
    containers
        What two names without a header are: pod and container (True, ``--containers``), or namespace
        and pod (False, ``-A``).
    workload_pattern
        Regular expression with a group ``workload`` that reads the owner from a pod's name.

    Returns
    -------
    Recording
        `working_set_bytes` per container, or per pod (`container` null) where the log has only pods. Tables print
        whole MiB, rounded down: `quantum_bytes` is 1048576, and a slow leak looks like stairs. A scrape that failed
        is a `gap` event. The report says where the times come from and what was left out.

    Raises
    ------
    ReadError
        There are no rows; or they cannot be read safely (cut off, drawn by ``watch``, open to two
        readings); or their times are not known and nothing was said about them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp(), "top.log")
    >>> _ = log.write_text("Tue Nov 24 22:51:07 UTC 2026\nNAME   CPU(cores)   MEMORY(bytes)\ndb-0   3m   345Mi\n")
    >>> recording = read_kubectl_top(log, namespace="shop")
    >>> recording.samples["working_set_bytes"].item() // 2**20, recording.containers["workload"].item()
    (345, 'db')
    """
    text, notes = _files.read_text(path, expected="the output of kubectl top pod")
    asked = Asked(path, time, interval, timezone)
    if any(word in text for word in kubernetes.METRICS_WORDS) and _DOCUMENTS.search(text):
        logs = list(read_documents(text, path, namespace))
    else:
        if (wrapped := _files.unwrap(text)) is not None:
            text = "\n".join(f"{stamp} {line}" if stamp else line for stamp, line in wrapped)
        logs = [(read_table(as_table(text) or text, path, containers=containers), namespace)]
    recording = concat(
        put_together(log, asked, notes=notes, namespace=place, workload_pattern=workload_pattern) for log, place in logs
    )
    objects, failed = kubernetes.read_objects([pods] if isinstance(pods, str | os.PathLike) else list(pods))
    if failed:
        raise failed[0][1]
    return kubernetes.joined(recording, objects)
