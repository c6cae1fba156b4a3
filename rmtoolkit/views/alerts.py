"""What watches a fleet after a verdict: Prometheus rules, tests of them for promtool, a Grafana dashboard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import yaml

from rmtoolkit import text
from rmtoolkit._promql import quoted
from rmtoolkit.analysis.queries import METRICS, Alert, Watched, alerts
from rmtoolkit.schema import WORKLOAD, Signal, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.assessment import Assessment

    Row = dict[str, Any]

_SOON_HOURS: Final = 12
_METRICS: Final = {
    **{signal: METRICS[signal] for signal in (Signal.WORKING_SET, Signal.ANON, Signal.USAGE, Signal.RSS)},
    **{signal: f"jemalloc_{signal}" for signal in (Signal.ALLOCATED, Signal.ACTIVE, Signal.RESIDENT)},
}


def rules(found: Assessment) -> str:
    groups = [
        {"name": f"rmtoolkit {row['anchor']}", "rules": [_rule(row, alert) for alert in watching]}
        for row, watching in _watched(found)
    ]
    return "".join(f"# {line}\n" for line in text.not_complete(found.incomplete)) + _yaml({"groups": groups})


def _watched(found: Assessment) -> Iterator[tuple[Row, list[Alert]]]:
    for row in found.workloads.filter(~pl.col("accepted")).iter_rows(named=True):
        if watching := list(alerts(row)):
            yield row, watching


def _rule(row: Row, alert: Alert) -> dict[str, Any]:
    words = {"name": _plain(text.named(row)), "floor": text.rate(row["detection_floor_bytes_per_day"])}
    told = {what: text.filled(said, words) for what, said in text.texts("views/alerts")[alert.watched].items()}
    last = f"At {text.moment(row['window_end'])} UTC: {row['why']} Next: {row['next_step']}"
    return {
        "alert": str(alert.watched),
        "expr": alert.promql,
        **({"for": f"{alert.wait_seconds}s"} if alert.wait_seconds else {}),
        "labels": {"severity": told["severity"], **{key: _plain(value) for key, value in _labels(row).items()}},
        "annotations": {
            "summary": told["summary"],
            "description": told["means"],
            "runbook": f"{told['do']} {_plain(last)}",
        },
    }


def _labels(row: Row) -> dict[str, str]:
    return {name: text.printable(row[name]) for name in WORKLOAD if row[name] is not None}


def _plain(said: str) -> str:
    """Keep Prometheus from running foreign text as a template."""
    return text.printable(said).replace("{{", '{{"{{"}}')


def _yaml(document: object) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def rule_tests(found: Assessment, rules_file: str) -> str:
    """Write for promtool what was recorded, and which rules must have fired on it and which must not."""
    # A leak that was watched for long enough fires, a kill does, and nothing does on what is not a leak.
    # Of one step together: promtool tries each rule of the file on every test.
    tests: dict[int, dict[str, Any]] = {}
    for row, watching in _watched(found):
        series, minutes, step = _series(found, row)
        claims = [claim for alert in watching if (claim := _claim(row, alert, minutes)) is not None]
        if series and claims:
            test = tests.setdefault(step, {"interval": f"{step}m", "input_series": [], "promql_expr_test": []})
            test["input_series"] += series
            test["promql_expr_test"] += claims
    # What was recorded more seldom than rules look says nothing new in between, and each look costs.
    between = f"{max(15, min(tests, default=0))}m"
    return _yaml({"rule_files": [rules_file], "evaluation_interval": between, "tests": [*tests.values()]})


def _claim(row: Row, alert: Alert, minutes: int) -> dict[str, Any] | None:
    healthy = row["verdict"] == Verdict.NOT_LEAK
    # A kill sets memory back; a rule that looks back for longer than a recording lasts cannot fire on it.
    grows = row["verdict"] == Verdict.LEAK and not row["kills"] and minutes * 60 > alert.needs_seconds * 1.1
    latest = row["hours_to_limit_high"]
    fires = {
        Watched.GROWTH: grows,
        Watched.LIMIT: grows and latest is not None and latest < _SOON_HOURS,
        Watched.KILL: row["kills"] > 0,
        Watched.GAUGES: False,
    }[alert.watched]
    if not fires and not healthy and alert.watched in (Watched.GROWTH, Watched.LIMIT):
        return None
    labels = _labels(row) | {"alertname": str(alert.watched), "alertstate": "firing"}
    fired = f"count(max_over_time(ALERTS{_matchers(labels)}[{minutes}m]))"
    return {"expr": fired, "eval_time": f"{minutes}m", "exp_samples": [{"value": 1}] if fires else []}


def _series(found: Assessment, row: Row) -> tuple[list[dict[str, str]], int, int]:
    """Give what was recorded of a workload as promtool writes series, its length in minutes, and their step."""
    containers = found.recording.containers.filter(pl.col(name).eq_missing(row[name]) for name in WORKLOAD)
    samples = found.recording.samples.join(containers.select("container_id"), on="container_id", how="semi")
    first = row["window_start"]
    length = int((row["window_end"] - first).total_seconds() // 60)
    step = max(1, length // 400)
    series: list[dict[str, str]] = []
    # Of a lake only what charts show is at hand: without its samples nothing can be claimed of a workload.
    if not length or samples.is_empty():
        return series, length, step
    grid = pl.DataFrame({"at": range(0, length + 1, step)})
    at = ((pl.col("time") - first).dt.total_seconds() // (60 * step) * step).alias("at")
    kills = found.events.filter(pl.col("kind") == "oom_kill").select("container_id", at)
    for container in containers.iter_rows(named=True):
        labels = {name: container[name] for name in ("cluster", "namespace", "pod", "container") if container[name]}
        if row["namespace"] is None:
            labels = {"name": row["container"] or row["workload"], **labels}
        alone = pl.col("container_id") == container["container_id"]
        mine = samples.filter(alone).group_by(at).agg(pl.col(list(_METRICS)).last())
        laid = grid.join(mine, on="at", how="left", maintain_order="left")
        ended = kills.filter(alone)["at"].to_list()
        counted = [sum(end <= minute for end in ended) for minute in laid["at"]]
        limit, reason = [container["limit_bytes"]] * laid.height, [1 if number else None for number in counted]
        known = [
            *((metric, labels, laid[signal].to_list()) for signal, metric in _METRICS.items()),
            ("kube_pod_container_resource_limits", {**labels, "resource": "memory"}, limit),
            ("kube_pod_container_status_restarts_total", labels, counted),
            ("kube_pod_container_status_last_terminated_reason", {**labels, "reason": "OOMKilled"}, reason),
        ]
        for metric, told, taken in known:
            if any(value is not None for value in taken):
                values = " ".join("_" if one is None else str(one) for one in taken)
                series.append({"series": f"{metric}{_matchers(told)}", "values": values})
    return series, length, step


def _matchers(labels: dict[str, str]) -> str:
    return f"{{{','.join(f'{key}={quoted(value)}' for key, value in labels.items())}}}"


def dashboard(found: Assessment) -> str:
    """Write a Grafana dashboard: a row for each of the most urgent workloads, with the queries of its verdict."""
    rows = found.workloads.filter(~pl.col("accepted")).head(40)
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows.iter_rows(named=True):
        queries = found.queries.filter(pl.col("workload_id") == row["workload_id"])
        panels.append(_panel(len(panels), "row", _title(f"{text.named(row)}: {row['headline']}"), (0, top, 24, 1)))
        for number, (_, shows, promql) in enumerate(queries.iter_rows()):
            place = (number % 3 * 8, top + 1 + number // 3 * 7, 8, 7)
            # Variables of Grafana have no place in a query: `$` and `[[` stand only in strings there.
            inert = promql.replace("$", r"\x24").replace("[[", r"[\x5b")
            target = {"refId": "A", "expr": inert, "legendFormat": "{{pod}}"}
            panels.append(_panel(len(panels), "timeseries", _title(shows), place) | {"targets": [target]})
        top += 1 + -(-queries.height // 3) * 7
    left = found.workloads.height - rows.height
    said = text.not_complete(found.incomplete)
    said += [f"{text.count(left, 'workload')} more have no panels here."] if left else []
    source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}
    document = {
        "title": "Memory, by rmtoolkit",
        "description": " ".join(said),
        "tags": ["rmtoolkit"],
        "schemaVersion": 39,
        "editable": True,
        "time": {"from": "now-7d", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def _panel(number: int, kind: str, title: str, place: tuple[int, int, int, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    panel = {"id": number + 1, "type": kind, "title": title, "gridPos": dict(zip("xywh", place, strict=True))}
    return panel if kind == "row" else panel | {"datasource": source}


def _title(said: str) -> str:
    return text.shortened(text.printable(said), 160).replace("$", "$\u200b").replace("[[", "[\u200b[")
