"""Queries that Prometheus accepts, whatever the labels hold."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit._promql import quoted
from rmtoolkit.analysis import queries

if TYPE_CHECKING:
    from pathlib import Path

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
EVERYTHING = ("threads_rise", "kept", "cache", "at_limit", "growth_per_work")
HOSTILE = "a\"b\\c\nd{}e`f'$(g)\x00\t\u202eh.*+?[i]^|"


def row(**changed: Any) -> dict[str, Any]:
    """A verdict with all kinds of evidence."""
    plain = {"cluster": None, "namespace": "shop", "workload": "api", "container": "app", "signal": "anon_bytes"}
    return plain | {"evidence": [{"statistic": name} for name in EVERYTHING]} | changed


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)


def test_names_of_the_metrics() -> None:
    """Each signal is asked for under the name that its exporter gives it."""
    asked = {query.shows: query.promql for query in queries.queries(row(signal="rss_bytes"))}
    assert (
        asked["RSS, which the verdict rests on"] == 'process_resident_memory_bytes{namespace="shop",pod=~"api(-.+)?"}'
    )
    assert asked["Threads"] == 'container_threads{namespace="shop",pod=~"api(-.+)?",container="app"}'
    assert 'container="app",resource="memory"' in asked["Working set as a share of the limit"]
    assert asked["jemalloc, resident"].startswith('{__name__=~"(.+_)?jemalloc_(.+_)?resident(_bytes)?",namespace=')


def test_a_pod_is_asked_for_exactly() -> None:
    """Without a workload there is no pattern; pods of one come and go, so it is asked for."""
    assert 'pod="api-7d4b9-m8rtz"' in next(queries.queries(row(pod="api-7d4b9-m8rtz", workload=None))).promql
    assert 'pod=~"api(-.+)?"' in next(queries.queries(row(pod="api-7d4b9-m8rtz"))).promql


def test_without_a_container_the_sums_are_left_out() -> None:
    """CAdvisor's rows for whole pods and pause containers would double everything."""
    assert 'container!="",container!="POD"' in next(queries.queries(row(container=None))).promql


def test_outside_kubernetes() -> None:
    """Bare cAdvisor knows containers by name, and there is no kube-state-metrics to ask."""
    found = list(queries.queries(row(namespace=None, container="db", evidence=None)))
    assert found[0].promql == 'container_memory_rss{name="db"}'
    assert not any("kube_" in query.promql for query in found)
    assert next(queries.queries(row(namespace=None, workload=None, container=None))).promql == "container_memory_rss"


@given(st.text())
def test_quoting_round_trips(text: str) -> None:
    """Whatever the text, the string literal has no raw control character or quote in it and says the text again."""
    written = quoted(text)
    inside = written[1:-1]
    assert all(letter.isprintable() for letter in inside)
    unescaped = []
    rest = inside
    while rest:
        if rest[0] != "\\":
            assert rest[0] != '"'
            unescaped.append(rest[0])
            rest = rest[1:]
        elif rest[1] == "U":
            unescaped.append(chr(int(rest[2:10], 16)))
            rest = rest[10:]
        else:
            unescaped.append({"n": "\n", "r": "\r", "t": "\t"}.get(rest[1], rest[1]))
            rest = rest[2:]
    assert "".join(unescaped) == re.sub("[\ud800-\udfff]", "\ufffd", text)


@needs_promtool
@pytest.mark.parametrize("value", ["api", HOSTILE, "\ud800", "ü日本"], ids=["plain", "hostile", "surrogate", "foreign"])
def test_prometheus_parses_every_query(value: str, tmp_path: Path) -> None:
    """Prometheus' own parser accepts all of them, in one file of recording rules."""
    names = {"cluster": value, "namespace": value, "workload": value, "container": value}
    asked = [
        query.promql
        for signal in ("allocated_bytes", "rss_bytes", "working_set_bytes")
        for query in queries.queries(row(**names, signal=signal))
    ]
    assert len(asked) > 20
    rules = [{"record": f"r{number}", "expr": expression} for number, expression in enumerate(asked)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}), "utf-8")
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout


@needs_promtool
def test_hostile_labels_select_their_own_series(tmp_path: Path) -> None:
    """In Prometheus' rule tester the selector of a strange workload finds its pods and no other's."""
    # Values that promtool's notation of series can carry.
    name = 'a.b+c"d\\e'
    selector = next(queries.queries(row(workload=name, namespace='n"s', container="app", evidence=None))).promql

    def series(pod: str) -> str:
        space, app = quoted('n"s'), quoted("app")
        return f"container_memory_rss{{namespace={space},pod={quoted(pod)},container={app}}}"

    mine, others = [f"{name}-7d4b9-m8rtz", name], ['aXb+c"d\\e-1', "other", f"x{name}"]
    tests = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series(pod), "values": "1+0x5"} for pod in [*mine, *others]],
                "promql_expr_test": [
                    {
                        "expr": f"count({selector})",
                        "eval_time": "1m",
                        "exp_samples": [{"labels": "{}", "value": len(mine)}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "tests.json"
    file.write_text(json.dumps(tests), "utf-8")
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_window_of_the_slope() -> None:
    """The slope is taken over what was judged, not over a week where there is an hour."""
    end = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
    for span, expected in (
        (dt.timedelta(minutes=20), "20m"),
        (dt.timedelta(hours=16), "16h"),
        (dt.timedelta(30), "168h"),
    ):
        seen = [{"statistic": "growth", "start": end - span, "end": end}]
        asked = list(queries.queries(row(evidence=seen)))[1].promql
        assert f"[{expected}]" in asked
