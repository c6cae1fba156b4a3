"""Turn a recorded run into the files a user of Prometheus, kubectl or jemalloc has.

Usage: ``python data/lab/export.py FOLDER RUN FORMAT TARGET [--time-scale 60]``, where FOLDER is what
``record.py`` left. Formats: ``prometheus`` (TARGET is a folder, a file per metric), ``prometheus_one_file``,
``kubectl_top`` and ``kubectl_top_all`` (with ``-A``), ``jemalloc_text``, ``jemalloc_json``, ``openmetrics`` (for
``promtool tsdb create-blocks-from openmetrics``) and ``parquet`` (the package's own).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import recorded
from series import Series, series

from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import SIGNALS, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from recorded import Recorded


def _number(value: float) -> str:
    """Write a value as Prometheus does."""
    return str(value) if isinstance(value, int) or value != int(value) else str(int(value))


def _metric(one: Series) -> dict[str, str]:
    return {"__name__": one.name} | one.labels


def _matrix(found: Iterable[Series], *, every: int = 1) -> dict[str, Any]:
    result = [
        {
            "metric": _metric(one),
            "values": [[time, _number(value)] for time, value in zip(one.times, one.values, strict=True)][::every],
        }
        for one in found
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def _vector(found: Iterable[Series]) -> dict[str, Any]:
    result = [{"metric": _metric(one), "value": [one.times[-1], _number(one.values[-1])]} for one in found]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


#: Facts that do not change: people ask for them once, with an instant query.
_INSTANT = (
    "kube_pod_container_resource_limits",
    "kube_pod_container_resource_requests",
    "kube_pod_container_info",
    "kube_pod_owner",
    "kube_replicaset_owner",
)
#: What a person who looks for a leak would export.
USUAL = (
    "container_memory_working_set_bytes",
    "container_memory_rss",
    "container_memory_cache",
    "container_start_time_seconds",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_status_last_terminated_reason",
    *_INSTANT,
    "process_resident_memory_bytes",
    "process_threads",
    "jemalloc_allocated_bytes",
    "jemalloc_active_bytes",
    "jemalloc_resident_bytes",
    "jemalloc_retained_bytes",
)
#: Changes rarely, so that it may be asked for with a larger step.
_COARSE = ("container_start_time_seconds", "kube_pod_container_status_restarts_total", "process_threads")


def prometheus(run: Recorded, folder: Path, *, metrics: Iterable[str] = USUAL, every: int = 1) -> None:
    """Write a query answer per metric into a folder.

    Parameters
    ----------
    run
        The run.
    folder
        Target; made when missing.
    metrics
        Which metrics.
    every
        Step of the queries in scrapes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = series(run)
    for metric in metrics:
        part = [one for one in found if one.name == metric]
        if part:
            steady = metric in _COARSE and all(len(set(one.values)) == 1 for one in part)
            answer = _vector(part) if metric in _INSTANT else _matrix(part, every=every * (10 if steady else 1))
            _write(folder / f"{metric}.json", json.dumps(answer, separators=(",", ":")))


def prometheus_one_file(run: Recorded, target: Path, *, metrics: Iterable[str] = USUAL, every: int = 1) -> None:
    """Write one answer with several metrics, as a query with ``{__name__=~"…"}`` gives it."""
    wanted = set(metrics) - {"kube_pod_container_resource_requests", "process_threads"}
    found = [one for one in series(run) if one.name in wanted]
    changing = [one for one in found if one.name not in _INSTANT and one.name not in _COARSE]
    steady = [one for one in found if one not in changing]
    answer = _matrix(changing, every=every)
    # One answer has one step; the steady series are cut to the ends of theirs to save space.
    answer["data"]["result"] += _matrix(_ends(steady))["data"]["result"]
    _write(target, json.dumps(answer, separators=(",", ":")))


def _ends(found: Iterable[Series]) -> Iterator[Series]:
    """Thin series to the samples where they change, begin and end."""
    for one in found:
        last = len(one.values) - 1
        at = [i for i in range(last + 1) if i in (0, last) or one.values[i] != one.values[i - 1]]
        yield Series(one.name, one.labels, [one.times[i] for i in at], [one.values[i] for i in at])


def openmetrics(run: Recorded, target: Path, *, metrics: Iterable[str] | None = None) -> None:
    """Write OpenMetrics text with timestamps, one family after the other."""
    wanted = None if metrics is None else set(metrics)
    lines: list[str] = []
    family = ""
    for one in sorted(series(run), key=lambda one: one.name):
        if wanted is not None and one.name not in wanted:
            continue
        if one.name != family:
            family = one.name
            kind = "counter" if family.endswith("_total") else "gauge"
            lines.append(f"# TYPE {family.removesuffix('_total') if kind == 'counter' else family} {kind}")
        labels = ",".join(f'{key}="{_escape(value)}"' for key, value in one.labels.items())
        lines += [f"{one.name}{{{labels}}} {_number(v)} {t}" for t, v in zip(one.times, one.values, strict=True)]
    _write(target, "\n".join([*lines, "# EOF", ""]))


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def kubectl_top(run: Recorded, target: Path, *, every: int = 1, all_namespaces: bool = False) -> None:
    """Write the log of a loop over ``date`` and ``kubectl top pod --containers``, with or without ``-A``.

    Memory is the working set in whole Mi, rounded down, as kubectl prints it. CPU was not recorded and is
    always ``1m``.
    """
    rows = run.frame.filter(pl.col("scraped"), pl.col("second") % every == 0)
    lines: list[str] = []
    for (unix,), part in rows.sort("second", "container").group_by(["unix"], maintain_order=True):
        stamp = dt.datetime.fromtimestamp(unix, dt.UTC)
        lines.append(f"{stamp:%a %b} {stamp.day:2} {stamp:%H:%M:%S} UTC {stamp.year}")
        table = [("NAMESPACE", "POD", "NAME", "CPU(cores)", "MEMORY(bytes)")]
        for index, working_set in part.select("container", "working_set_bytes").rows():
            container = next(one for one in run.containers if one["index"] == index)
            memory = f"{working_set >> 20}Mi"
            table.append((container["namespace"], container["pod"], container["container"], "1m", memory))
        columns = [*zip(*table, strict=True)][0 if all_namespaces else 1 :]
        widths = [max(map(len, column)) + 3 for column in columns]
        printed = zip(*columns, strict=True)
        lines += ["".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in printed]
    _write(target, "\n".join([*lines, ""]))


def jemalloc_log(run: Recorded, source: Path, target: Path) -> None:
    """Date the statistics that the service printed: a line with the time, then what jemalloc wrote."""

    def date(match: re.Match[str]) -> str:
        unix = run.start + int(match[1]) * run.time_scale
        return dt.datetime.fromtimestamp(unix, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    _write(target, re.sub(r"^# second (\d+)$", date, source.read_text(), flags=re.MULTILINE))


def recording(run: Recorded) -> Recording:
    """Make the package's own Recording of a run.

    Returns
    -------
    Recording
        One recorded second is one scrape; nothing of the truth is in it.
    """
    plan = run.plan
    containers = pl.DataFrame(
        [
            {
                "container_id": one["index"],
                "node": run.node,
                "namespace": one["namespace"],
                "workload": one["workload"],
                "workload_kind": "Deployment",
                "pod": one["pod"],
                "pod_uid": one["pod_uid"],
                "container": one["container"],
                "version": run.version(one),
                "limit_bytes": plan["limit_bytes"],
                "request_bytes": plan["request_bytes"],
                "limit_known": True,
                "quota_cores": plan.get("quota_cores"),
                "node_cores": plan.get("node_cores"),
                "workload_inferred": False,
                "source": "lab",
            }
            for one in run.containers
        ],
    )
    samples = run.frame.filter(pl.col("scraped")).select(
        pl.col("container").alias("container_id"),
        (pl.col("unix") * 1000).cast(pl.Datetime("ms", "UTC")).alias("time"),
        *(name for name in SIGNALS if name in run.frame.columns),
    )
    return normalise(containers, samples, _events(run), Report(sources=(plan["run"],)))


def _events(run: Recorded) -> pl.DataFrame:
    rows: list[tuple[int, float, str, None, str | None]] = []
    for one in run.containers:
        rows += [(one["index"], event["time"], event["kind"], None, event["detail"]) for event in one["events"]]
        if one["version"] > 1:
            rows.append((one["index"], one["events"][0]["time"], "release", None, run.version(one)))
        for begin, end in run.plan["gaps"]:
            span = f"{(end - begin) * run.time_scale} s"
            rows.append((one["index"], run.start + begin * run.time_scale, "gap", None, span))
    schema = {
        "container_id": pl.UInt32,
        "time": pl.Float64,
        "kind": pl.String,
        "value_bytes": pl.Int64,
        "detail": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").filter(pl.col("time") <= run.end)


def _write(target: Path, text: str) -> None:
    part = target.with_name(f".{target.name}.part")
    part.write_text(text)
    part.replace(target)


def export(run: Recorded, form: str, target: Path, *, log: Path = Path("/dev/null"), every: int = 1) -> None:
    """Write a run in one of the formats; see the module for their names."""
    writers: dict[str, Callable[[], object]] = {
        "prometheus": lambda: prometheus(run, target, every=every),
        "prometheus_one_file": lambda: prometheus_one_file(run, target, every=every),
        "openmetrics": lambda: openmetrics(run, target),
        "kubectl_top": lambda: kubectl_top(run, target, every=every),
        "kubectl_top_all": lambda: kubectl_top(run, target, every=every, all_namespaces=True),
        "jemalloc_text": lambda: jemalloc_log(run, log, target),
        "jemalloc_json": lambda: jemalloc_log(run, log, target),
        "parquet": lambda: recording(run).write(target),
    }
    if form not in writers:
        msg = f"no format is called {form!r}; there are {', '.join(writers)}"
        raise ValueError(msg)
    writers[form]()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("run")
    parser.add_argument("format")
    parser.add_argument("target", type=Path)
    parser.add_argument("--time-scale", type=int, default=1, help="seconds that one recorded second stands for")
    given = parser.parse_args()
    run = recorded.read(given.folder, given.run, time_scale=given.time_scale)
    export(run, given.format, given.target, log=given.folder / f"{given.run}.log")


if __name__ == "__main__":
    main()
