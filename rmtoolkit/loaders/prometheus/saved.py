"""Answers of Prometheus, saved or fresh, become a recording."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmtoolkit import schema
from rmtoolkit._identity import HANDOVER_MILLISECONDS, LOOKBACK_MILLISECONDS, OTHER_LIST, Image, releases, version_of
from rmtoolkit._tables import spans
from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote, quote_path, warn
from rmtoolkit.loaders._files import PathLike, check_samples, find_files, given_names, grouped, read_each, shown
from rmtoolkit.loaders._timestamps import Asked
from rmtoolkit.loaders.prometheus import _merge, _metrics
from rmtoolkit.loaders.prometheus._decode import DAMAGE, EXPECTED, Decoded, Decoder, stack, stacked, tidy
from rmtoolkit.loaders.prometheus._events import Run, Seen, ends_of, events_of, without_markers
from rmtoolkit.recording import Recording, doubt, normalise
from rmtoolkit.schema import ABSURD_BYTES, BYTE_SIGNALS, CONTAINERS, HELD_SIGNALS, NO_TIMES, SIGNALS, TIME, Report
from rmtoolkit.text import GI, MI, and_more, count, counted, texts

#: The first and the last sample of each container; versions with the first and the last time of each; a machine.
Spans: TypeAlias = dict[int, tuple[int, int]]
Versions: TypeAlias = dict[int, list[tuple[str, int, int]]]
Node: TypeAlias = tuple[str | None, str | None]

UNSAMPLED: Final = "containers without a memory sample, which only kube-state-metrics knows"
ABOUT_PODS: Final = "series about pods and owners, without a container"
NOT_FINITE: Final = "facts that were NaN or infinite"
NO_MEMORY: Final = "series that count what is held or done by a container whose memory is not there"
#: No time, count or limit is this large, not even one that stands for no limit.
_ABSURD_FACT: Final = 1e30

#: Facts of pods that have a time; the others are only labels.
_POD_FACTS: Final = ("pod_start_seconds", "pod_reason")
_MERGED: Final = (*SIGNALS, *(fact for fact in _metrics.FACTS if fact != "image"), *_POD_FACTS)

#: What the report says was looked for, and the metrics that would tell it.
_SOUGHT: Final = _metrics.TOLD["sought"]
_PACKED: Final = re.compile(r"\.(?:gz|zstd?)$")
_GIVE: Final = "Give a file, a folder, a glob such as 'week/*.json', or a list of them."
_SHOWN: Final = 4


class NothingUsableError(RmtoolkitError):
    def __init__(self, left_out: Mapping[str, int]) -> None:
        self.left_out = dict(left_out)
        super().__init__("; ".join(counted(count, reason) for reason, count in self.left_out.items()) or "no series")


def to_recording(decoded: Decoded, meant: _metrics.Meant, report: Report, parting: list[str]) -> Recording:
    there = set().union(*decoded.labels, (one.get("__name__", "") for one in decoded.labels))
    given, unseen = given_names(there, meant.said)
    decoded = replace(decoded, labels=_metrics.spelled(decoded.labels, meant))
    decoded, markers = without_markers(tidy(decoded))
    decoded, units = _in_bytes(decoded, meant.metrics)
    described = _metrics.describe(decoded.labels, meant.metrics)
    if not described.table.height:
        raise NothingUsableError(decoded.left_out + described.left_out)
    placed = _merge.tell_apart(described.table, decoded, meant.workload_pattern, parting)
    if not placed.containers.height:
        raise NothingUsableError(decoded.left_out + described.left_out + Counter({ABOUT_PODS: placed.table.height}))
    table, aside = _with_memory(placed.table)
    if not table.height:
        raise NothingUsableError(decoded.left_out + described.left_out + Counter({NO_MEMORY: aside}))
    table = _grouped(table)
    merged = _merge.merge(table, decoded)
    groups = table.unique("group", keep="first", maintain_order=True).with_columns(count=pl.Series(merged.counts))
    samples, sampled = _samples(groups.filter(pl.col("count") > 0), merged)
    runs, not_finite = _runs(groups, merged)
    images = _images(placed.table)
    warnings = [*units, *described.warnings, *placed.warnings, *_without_hosts(groups, runs)]
    seen = _seen(placed.containers, groups, runs, sampled, merged.lives)
    for entity, time in ends_of(placed.table, markers, sampled).items():
        seen[entity] = seen[entity]._replace(ended=time)
    kept = placed.containers.with_row_index("entity")
    told = {name for name, (roles, _) in _SOUGHT.items() if placed.table["role"].is_in(roles).any()}
    told |= {"versions"} if images else set()
    left_out = decoded.left_out + described.left_out + placed.left_out + merged.left_out
    left_out[NOT_FINITE] = not_finite
    left_out[NO_MEMORY] = aside
    doubts = placed.unusable
    if samples.height:
        # Other namespaces were perhaps not asked for.
        is_sampled = pl.col("entity").is_in(list(sampled))
        near = kept.filter(~is_sampled).join(kept.filter(is_sampled), on="namespace", how="semi")
        # What was killed before any scrape saw it needs a limit most of all.
        killed = [one for one in near["entity"] if any(event.kind == "oom_kill" for event in events_of(seen[one]))]
        kept = kept.filter(pl.col("entity").is_in([*sampled, *killed]))
        left_out[UNSAMPLED] = placed.containers.height - kept.height
        # Of some pods only the whole is told; who says nothing of ends tells starts of what has long ended, too.
        alone = near.join(kept, on="pod_entity", how="anti")
        ends_told = "terminated_reason" in placed.table["role"]
        ran = alone.filter([ends_told and _ran(seen[one]) for one in alone["entity"]])
        doubts += doubt(ran.with_columns(container="workload_guess"), "ran without a sample of memory")
    of_init = placed.table.filter(pl.col("name").str.starts_with(_metrics.OF_INIT))["entity"].implode()
    inits = kept.filter(pl.col("entity").is_in(of_init)).select("namespace", "workload_guess", "container").unique()
    return normalise(
        _container_rows(kept, seen, images, _node_cores(placed.table, decoded)),
        samples,
        _events(kept, seen, images),
        report.more(
            left_out=dict(+left_out),
            partial=tuple(dict.fromkeys(decoded.partial)),
            unusable=schema.in_doubt(*doubts),
            warnings=tuple(dict.fromkeys([*decoded.warnings, *warnings])),
            found=(*given, *(name for name in _SOUGHT if name in told)),
            unseen=tuple(unseen),
            missing=tuple(f"{name} ({metric})" for name, (_, metric) in _SOUGHT.items() if name not in told),
            governors=dict.fromkeys(map("/".join, inits.fill_null("").rows()), OTHER_LIST.format("initContainers")),
            owners=_metrics.teams(placed.table, decoded.labels, kept),
        ),
        workload_pattern=meant.workload_pattern,
    )


def _ran(seen: Seen) -> bool:
    """Tell whether it ran for longer than a scrape may be late; its start is told for as long as the pod stands."""
    ends = seen.reasons("terminated_reason", "pod_reason")
    stretches = ((run, [end.first for end in ends if end.last >= run.first]) for run in seen.of("started_seconds"))
    return any(min([run.last, *ended]) - run.first > HANDOVER_MILLISECONDS for run, ended in stretches)


def _in_bytes(decoded: Decoded, metrics: Mapping[str, str]) -> tuple[Decoded, list[str]]:
    if not metrics:
        return decoded, []
    from rmtoolkit._columns import unit_in  # noqa: PLC0415 - few name metrics

    units = {name: unit for name, role in metrics.items() if role.endswith("_bytes") and (unit := unit_in(name)) > 1}
    factors = [units.get(labels.get("__name__", ""), 1) for labels in decoded.labels]
    if max(factors, default=1) == 1:
        return decoded, []
    said = [
        f"metric {quote(name)} was read as {metrics[name]}, in units of {unit:,} bytes" for name, unit in units.items()
    ]
    return replace(decoded, values=decoded.values * np.repeat(factors, decoded.counts)), said


def _with_memory(table: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Leave out tasks, series and requests of something without memory: every target of a scrape has some."""
    # What was told by its name is meant.
    work = (pl.col("role") == "work_total") & (pl.col("rank") >= 0)
    counts = pl.col("role").is_in(HELD_SIGNALS) | work
    kept = table.filter(~counts | pl.col("role").is_in(BYTE_SIGNALS).any().over("entity"))
    return kept, table.height - kept.height


def _grouped(table: pl.DataFrame) -> pl.DataFrame:
    """Give a number to what has to become one series: a role, and a reason, of a container; by role, then container."""
    chosen = table.filter(pl.col("role").is_in(_MERGED)).drop_nulls("entity")
    key = ["role", "entity", "fact"]
    ordered = chosen.sort(*key, "rank", "series", nulls_last=True)
    return ordered.with_columns(group=pl.struct(key).rle_id().cast(pl.Int64))


def _samples(groups: pl.DataFrame, merged: _merge.Merged) -> tuple[pl.DataFrame, Spans]:
    starts = np.cumsum(merged.counts) - merged.counts
    signals: dict[str, pl.DataFrame] = {}
    for (role,), rows in groups.filter(pl.col("role").is_in(SIGNALS)).group_by("role", maintain_order=True):
        # Groups are sorted by role: a role is one stretch of the arrays.
        group = rows["group"].to_numpy()
        stretch = starts[group], merged.counts[group]
        times, values = stack(merged.times, *stretch), stack(merged.values, *stretch)
        container = np.repeat(rows["entity"].to_numpy().astype(np.uint32), stretch[1])
        signals[str(role)] = pl.DataFrame({"container_id": container, "time": times, "value": values})
    samples = _merge.side_by_side(signals).with_columns(pl.col("time").cast(TIME))
    ends = spans(samples).select("container_id", pl.col("first", "last").to_physical())
    return samples, {container: (first, last) for container, first, last in ends.iter_rows()}


def _runs(groups: pl.DataFrame, merged: _merge.Merged) -> tuple[dict[int, list[Run]], int]:
    facts = groups.filter(~pl.col("role").is_in(SIGNALS)).select("group", "fact")
    # Only the facts: they are few, the signals are many.
    chosen = facts["group"].to_numpy()
    counts = merged.counts[chosen]
    starts = (np.cumsum(merged.counts) - merged.counts)[chosen]
    times, values = stack(merged.times, starts, counts), stack(merged.values, starts, counts)
    told = pl.DataFrame({"group": np.repeat(chosen, counts), "time": times, "value": values})
    finite = told.filter(pl.col("value").abs() < _ABSURD_FACT)
    beside = (pl.col("time").shift(by).over("group").alias(name) for name, by in (("before", 1), ("after", -1)))
    stretches = (
        finite.with_columns(*beside, run=pl.struct("group", "value").rle_id())
        .group_by("run", maintain_order=True)
        .agg(pl.col("group", "value", "before", "after", "time").first(), last=pl.col("time").last())
        .join(facts, on="group", maintain_order="left")
    )
    rows = stretches.select("group", "value", "time", "last", "before", "fact", "after").iter_rows()
    return grouped((group, Run(*run)) for group, *run in rows), told.height - finite.height


def _without_hosts(groups: pl.DataFrame, runs: dict[int, list[Run]]) -> list[str]:
    """Take the memory of a host, which Docker and its like show where there is no limit, for none."""
    told = groups.filter(pl.col("name").is_in(_metrics.TOLD["series"]["of_host"]), role="limit_bytes")
    if told.is_empty():
        return []
    guessed = 0
    for _, some in told.filter(pl.col("group").is_in(runs.keys())).group_by("cluster", "node"):
        of_node = {group: runs[group] for group in some["group"]}
        amounts = {run.value for one in of_node.values() for run in one if run.value < ABSURD_BYTES}
        # What people choose is whole. A machine has one memory, and is larger than what is chosen.
        odd = [value for value in amounts if value % MI and value % 10**6]
        host = odd[0] if len(odd) == 1 and odd[0] == max(amounts) and odd[0] >= GI else -1
        for group, mine in of_node.items():
            runs[group] = [run._replace(value=0.0) if run.value == host else run for run in mine]
            guessed += runs[group] != mine
    return [f"{count(guessed, 'container')}: {texts('loaders/hints')['docker']['host']}"] if guessed else []


def _seen(
    containers: pl.DataFrame, groups: pl.DataFrame, runs: Mapping[int, list[Run]], sampled: Spans, lives: pl.DataFrame
) -> dict[int, Seen]:
    of_container: dict[int, dict[str, list[Run]]] = {}
    of_pod: dict[int, dict[str, list[Run]]] = {}
    for group, role, entity in groups.select("group", "role", "entity").iter_rows():
        if group in runs:
            known = (of_pod if role in _metrics.POD_ROLES else of_container).setdefault(entity, {})
            mine = sorted([*known.get(role, ()), *runs[group]], key=lambda run: run.first)
            if role in ("limit_bytes", "request_bytes"):
                # Zero, or nearly 2**63, stands for none; less than a byte does not.
                mine = [run._replace(value=max(run.value, 1) if 0 < run.value < ABSURD_BYTES else 0.0) for run in mine]
            known[role] = mine
    replaced = grouped(
        (entity, tuple(times)) for entity, *times in lives.select("entity", "before", "begin").iter_rows()
    )
    found: dict[int, Seen] = {}
    for entity, pod in enumerate(containers["pod_entity"].to_list()):
        first, last = sampled.get(entity, (None, None))
        known = {**of_pod.get(pod, {}), **of_container.get(entity, {})}
        found[entity] = Seen(known, first, last, replaced.get(entity, ()))
    return found


def _images(table: pl.DataFrame) -> Versions:
    """Which version each container ran, and when: by kube-state-metrics, else by cAdvisor's image label."""
    rows = table.drop_nulls(["image", "entity"]).filter(level="container")
    told = pl.col("role") == "image"
    rows = rows.filter(told | ~told.any().over("entity"))
    versions = pl.Series(list(map(version_of, rows["image"], rows["image_id"])), dtype=pl.String)
    rows = rows.with_columns(version=versions).drop_nulls("version")
    ran = rows.group_by("entity", "version", maintain_order=True).agg(pl.col("first").min(), pl.col("last").max())
    ordered = ran.sort("first", "last", maintain_order=True)
    return grouped((entity, tuple(span)) for entity, *span in ordered.iter_rows())


def _node_cores(table: pl.DataFrame, decoded: Decoded) -> dict[Node, float]:
    # The best source comes last, and stays.
    rows = table.drop_nulls("node").filter(pl.col("role").is_in(_metrics.NODE_ROLES)).sort("rank", descending=True)
    told = decoded.values[(decoded.starts + decoded.counts - 1)[rows["series"].to_numpy()]].tolist()
    places = zip(rows["cluster"], rows["node"], told, strict=True)
    return {(cluster, node): cores for cluster, node, cores in places if 0 < cores < _ABSURD_FACT}


def _container_rows(
    kept: pl.DataFrame, seen: Mapping[int, Seen], images: Versions, node_cores: Mapping[Node, float]
) -> pl.DataFrame:
    told = []
    for entity, *node in kept.select("entity", "cluster", "node").iter_rows():
        version = images[entity][-1][0] if entity in images else None
        limit, request, quota, used, period = (
            runs[-1].value if (runs := seen[entity].of(role)) else None
            for role in ("limit_bytes", "request_bytes", "quota_cores", "quota_microseconds", "period_microseconds")
        )
        if not quota and used and period and used > 0:
            quota = used / period
        whole = (None if value is None else int(value) or None for value in (limit, request))
        told.append((entity, *whole, limit is not None, quota or None, node_cores.get((node[0], node[1])), version))
    names = ("container_id", "limit_bytes", "request_bytes", "limit_known", "quota_cores", "node_cores", "version")
    columns = pl.DataFrame(told, schema={name: CONTAINERS[name] for name in names}, orient="row")
    about = kept.select(pl.exclude("entity", "pod_entity", "workload_guess"))
    return about.with_columns(columns.get_columns(), source=pl.lit("prometheus"))


def _events(kept: pl.DataFrame, seen: Mapping[int, Seen], images: Versions) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    ran: list[Image] = []
    for entity, *workload in kept.select("entity", "cluster", "namespace", "workload_guess", "container").iter_rows():
        rows += [(entity, *event) for event in events_of(seen[entity])]
        for number, (version, first, last) in enumerate(images.get(entity, ())):
            # A new pod's version is told a little later than its memory: both began together.
            begun = seen[entity].first if number == 0 else None
            ran.append(Image(entity, tuple(workload), version, first if begun is None else begun, last))
    released = releases(ran, LOOKBACK_MILLISECONDS)
    return [*rows, *((container, time, "release", None, version) for container, time, version in released)]


def read_prometheus(
    path: PathLike | Iterable[PathLike],
    *,
    metrics: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    time: str | dt.datetime | None = None,
    interval: str | dt.timedelta | None = None,
    timezone: str | dt.tzinfo | None = None,
    workload_pattern: str | None = None,
) -> Recording:
    """Read saved answers of Prometheus, VictoriaMetrics, Thanos, Mimir and their like.

    Parameters
    ----------
    path
        A file, a folder, a glob, or several of them, perhaps packed: answers, best to a range such as
        ``container_memory_working_set_bytes[7d]``, which gives the samples as they were scraped, or text. Series
        without a ``__name__`` are named by their file, when it is called like a metric.
    metrics
        What metrics mean that are not known: metric name to signal, for example
        ``{"orders_total": "work_total", "app_heap_bytes": "allocated_bytes"}``. Goes before what is known.
    labels
        What labels tell that are not known: ``{"k8s_ns": "namespace", "box": "node"}``. There are `cluster`,
        `namespace`, `pod`, `container`, `pod_uid`, `node` and `workload`. Goes before what is known.
    time, interval, timezone
        As for `rmtoolkit.read_jemalloc_stats`, of scrapes; one scrape is else of when its file was written.
    workload_pattern
        Regular expression with a group ``workload`` that reads the owner from a pod's name, where the data
        hold no owners.

    Returns
    -------
    Recording
        Samples and events, nothing filled in; in its report everything that was not used, with counts. Within one
        container and signal one series is used: the longest of several replicas or jobs, whose gaps (more than two
        intervals) the others fill; after a restart the new container's.

    Raises
    ------
    ReadError
        Nothing in the input can be used; of several files, what was damaged or refused is told in a warning.
    RmtoolkitError
        `metrics` names an unknown signal.

    Notes
    -----
    Requests that a server counts, as ``http_requests_total``, are the work of the container whose memory is there:
    those of all codes and paths together.
    ``container_memory_rss`` is the anonymous memory of the cgroup, not a process's RSS: it becomes `anon_bytes`.
    Answers of ``query_range`` repeat the last value for up to five minutes after a series has ended without a marker:
    these repeats stay, unless a new container of the same name overlaps them.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> labels = {"__name__": "container_memory_working_set_bytes", "pod": "db-0", "container": "db"}
    >>> result = [{"metric": labels, "values": [[1795000000, "104857600"], [1795000030.5, "105906176"]]}]
    >>> answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "answer.json")
    ...     _ = file.write_text(json.dumps(answer))
    ...     read_prometheus(file).samples["working_set_bytes"].to_list()
    [104857600, 105906176]
    """
    meant = _metrics.Meant.checked(metrics, labels, workload_pattern)
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    files, _ = find_files(given, expected=EXPECTED, meant=EXPECTED, hint=lambda _: _GIVE)
    decoder, sources = Decoder(), list[str]()

    def add(file: PathLike) -> None:
        stem = stem_of(Path(file))
        named_by = stem if _metrics.is_known(stem, meant.metrics) else None
        decoder.add_file(Path(file), named_by, Asked(file, time, interval, timezone))
        sources.append(str(file))

    failed = read_each(files, add, expected=EXPECTED)
    decoded = decoder.finish()
    report = Report(tuple(sources), time_axis="; ".join(dict.fromkeys(decoder.time_axes)) or Report().time_axis)
    recording = _recorded(decoded, files, meant, report)
    # Once, of what was damaged, refused or incomplete; of files that could not be read that is said already.
    left_out = recording.report.left_out.items()
    damage = [counted(number, reason) for reason, number in left_out if reason in DAMAGE]
    if damage := [*damage, *recording.report.partial]:
        said = "; ".join(line.rstrip(".") for line in damage[:_SHOWN])
        warn(f"Not everything could be read: {said}{and_more(len(damage), _SHOWN)}.")
    return replace(recording, report=recording.report.without(failed))


def _recorded(decoded: Decoded, files: list[Path], meant: _metrics.Meant, report: Report) -> Recording:
    try:
        recording = to_recording(decoded, meant, report, [])
    except NothingUsableError as error:
        raise _nothing_usable(files, error) from error
    check_samples(recording, shown(files))
    return recording


def read_labelled(
    series: Sequence[tuple[dict[str, str], NDArray[np.int64], NDArray[np.float64]]],
    file: Path,
    meant: _metrics.Meant,
    report: Report,
) -> Recording:
    """Make a recording of the series of a file, labels, times in milliseconds and values, as of a saved answer."""
    stem = stem_of(file)
    name = {"__name__": stem} if _metrics.is_known(stem, meant.metrics) else {}
    decoded = Decoded(
        [{**name, **one} for one, *_ in series],
        [str(file)] * len(series),
        *stacked([(times, values) for _, times, values in series]),
    )
    return _recorded(decoded.where(decoded.counts > 0), [file], meant, replace(report, sources=(str(file),)))


def stem_of(file: Path) -> str:
    found = re.match(r"[a-zA-Z_:][a-zA-Z0-9_:]*", _PACKED.sub("", file.name))
    return found[0] if found else ""


def _nothing_usable(files: list[Path], error: NothingUsableError) -> ReadError:
    place = quote_path(files[0]) if len(files) == 1 else f"any of {len(files)} files ({quote_path(files[0])} …)"
    counts = dict(error.left_out)
    msg = f"Found nothing about memory in {place}: {error}."
    if not counts:
        return ReadError(f"{msg} The query matched nothing: check its labels and its time.")
    hints = {
        _metrics.NO_NAME: texts("loaders/hints")["saved"]["nameless"].format(stem=stem_of(files[0]) or "answer"),
        _metrics.NO_USE: "If one of these metrics is memory, say so: metrics={'its_name': 'rss_bytes'}.",
        NO_TIMES: "Times are seconds since 1970.",
        _metrics.NO_CONTAINER: "If one is a container, say so: labels={'id': 'container'}.",
    }
    found = (hint for start, hint in hints.items() if any(reason.startswith(start) for reason in counts))
    return ReadError(f"{msg} {next(found, '')}".rstrip())
