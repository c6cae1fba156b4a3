"""Alert rules, judged by the real promtool on what was recorded."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
import yaml

import rmtoolkit as rm
from rmtoolkit import cli
from rmtoolkit.recording import Recording
from rmtoolkit.views import alerts
from tests.analysis.curves import MI, hours, record

ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLES: Final = ROOT / "data" / "samples"
pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: apt-get install prometheus (Debian)"
)
HOSTILE: Final = 'a"} or up{ {{ query "up" }} $labels ${x} [[x]]\n\\é'


def promtool(*words: str | Path, status: int = 0) -> str:
    """What promtool prints."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)  # noqa: S607 - from PATH
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def written(tmp_path: Path, *sources: Path) -> tuple[Path, Path, dict[str, Any]]:
    """The rules, their tests, and the dashboard of a source."""
    rules, tests, board = (tmp_path / name for name in ("rules.yaml", "rules_test.yaml", "board.json"))
    words = ["alerts", *map(str, sources), "-o", str(rules), "--tests", str(tests), "--dashboard", str(board)]
    assert cli.main(words) == 0
    return rules, tests, json.loads(board.read_text("utf-8"))


def claims(tests: Path) -> dict[tuple[str, str], bool]:
    """Which rule of which workload has to fire."""
    return {
        (
            "/".join(re.findall(r'\b(?:namespace|workload)="([^"]*)"', claim["expr"])),
            re.findall(r'alertname="(\w+)"', claim["expr"])[0],
        ): bool(claim["exp_samples"])
        for test in yaml.safe_load(tests.read_text("utf-8"))["tests"]
        for claim in test["promql_expr_test"]
    }


def test_rules_fire_on_recorded_leaks_and_on_nothing_else(tmp_path: Path) -> None:
    """Growth fires on two leaks, the kill rule on a third; a full cache, a release and a start-up spike stay silent."""
    named = ("mellow-jackdaw", "fair-finch", "tidy-grouse", "opal-newt", "amber-kestrel", "opal-egret")
    rules, tests, _ = written(tmp_path, *(SAMPLES / name for name in named))
    assert "SUCCESS: 20 rules found" in promtool("check", "rules", rules)
    told = claims(tests)
    assert {key for key, fires in told.items() if fires} == {
        ("fern/mellow-jackdaw", "MemoryGrows"),
        ("fern/fair-finch", "MemoryGrows"),
        ("aster/tidy-grouse", "MemoryOomKilled"),
    }
    healthy = ("birch/opal-newt", "aster/amber-kestrel", "cedar/opal-egret")
    assert {told[name, rule] for name in healthy for rule in ("MemoryGrows", "MemoryReachesLimit")} == {False}
    promtool("test", "rules", tests)


def test_the_limit_rule_fires_where_the_limit_is_near(tmp_path: Path) -> None:
    """A recorded leak under a limit that it meets within hours; and a test that claims the opposite fails."""
    leak = rm.read(SAMPLES / "mellow-jackdaw")
    near = leak.frame().with_columns(limit_bytes=pl.lit(140 << 20), request_bytes=pl.lit(128 << 20))
    rules, tests, _ = written(tmp_path, Recording.from_frame(near).write(tmp_path / "near.parquet"))
    assert claims(tests)["fern/mellow-jackdaw", "MemoryReachesLimit"]
    promtool("test", "rules", tests)
    tests.write_text(tests.read_text("utf-8").replace("exp_samples: []", "exp_samples:\n    - value: 1"), "utf-8")
    assert "FAILED" in promtool("test", "rules", tests, status=1)
    assert rules.exists()


def test_gauges_that_are_swapped_are_reported(tmp_path: Path) -> None:
    """The recorded gauges of a leak, allocated put for resident: the rule of a sound recording fires on them."""
    rules, tests, _ = written(tmp_path, SAMPLES / "mellow-jackdaw")
    swaps = {
        "jemalloc_allocated_bytes": "jemalloc_resident_bytes",
        "jemalloc_resident_bytes": "jemalloc_allocated_bytes",
    }
    document = yaml.safe_load(tests.read_text("utf-8"))
    (test,) = document["tests"]
    for series in test["input_series"]:
        series["series"] = re.sub(r"^\w+", lambda name: swaps.get(name[0], name[0]), series["series"])
    test["promql_expr_test"] = [one for one in test["promql_expr_test"] if "OutOfOrder" in one["expr"]]
    (claim,) = test["promql_expr_test"]
    assert claim["exp_samples"] == []
    claim["exp_samples"] = [{"value": 1}]
    tests.write_text(yaml.safe_dump(document), "utf-8")
    promtool("test", "rules", tests)
    assert rules.exists()


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    """In rules, templates and matchers a name is text: promtool renders it as it is, and its rule fires on its kill."""
    table = pl.DataFrame(
        {
            "time": range(0, 60 * 200, 60),
            "namespace": HOSTILE,
            "workload": HOSTILE,
            "pod": HOSTILE,
            "container": HOSTILE,
            "working_set_bytes": [50 << 20] * 200,
            "oom_kills_total": [0] * 100 + [1] * 100,
        }
    )
    rules, tests, board = written(tmp_path, Recording.from_frame(table).write(tmp_path / "hostile.parquet"))
    assert sorted(rule for (_, rule), fires in claims(tests).items() if fires) == ["MemoryOomKilled"]
    promtool("check", "rules", rules)
    promtool("test", "rules", tests)
    shown = [panel["title"] for panel in board["panels"]]
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert not [one for one in shown + queries if re.search(r"\$[{\w]|\[\[", one)]


def test_the_dashboard_asks_what_the_verdict_rests_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its queries are those of `rm.assess`, each one that promtool can parse; every file is named."""
    found = rm.assess(rm.read(SAMPLES / "noble-newt"))
    rules, tests, board = written(tmp_path, SAMPLES / "noble-newt")
    said = f"Rules: {rules}\nTests: {tests}\nDashboard: {tmp_path / 'board.json'}\n"
    assert capsys.readouterr().out == said
    panels = [panel for panel in board["panels"] if panel["type"] == "timeseries"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    assert asked == found.queries["promql"].to_list()
    assert [panel["title"] for panel in panels] == found.queries["shows"].to_list()
    recorded = [{"record": f"q{number}", "expr": query} for number, query in enumerate(asked)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": recorded}]}), "utf-8")
    assert f"SUCCESS: {len(asked)} rules found" in promtool("check", "rules", file)


def test_a_kill_counts_from_its_minute_on() -> None:
    """The counter of restarts that the rules are tried on rises where the recording says so."""
    t = hours(1, 60)
    recording = record(t, {"rss_bytes": (50 + t) * MI}, events=[(0.5, "oom_kill", None)], namespace="shop")
    told = yaml.safe_load(alerts.rule_tests(rm.assess(recording), "rules.yaml"))["tests"][0]["input_series"]
    (counted,) = [
        one["values"].split() for one in told if one["series"].startswith("kube_pod_container_status_restarts")
    ]
    assert counted == ["0"] * 30 + ["1"] * 31


@pytest.mark.parametrize(("container", "name"), [("api", "api"), (None, "shop")])
def test_without_a_namespace_series_bear_the_name_that_rules_ask_for(container: str | None, name: str) -> None:
    """Docker's containers are told by their name: in what was recorded as in the queries."""
    t = hours(2, 60)
    recording = record(t, {"working_set_bytes": (50 + t) * MI}, namespace=None, workload="shop", container=container)
    found = rm.assess(recording)
    told = yaml.safe_load(alerts.rule_tests(found, "rules.yaml"))["tests"][0]["input_series"]
    assert found.queries["promql"][0] == f'container_memory_working_set_bytes{{name="{name}"}}'
    assert {re.findall(r'\bname="(\w+)"', one["series"])[0] for one in told} == {name}


def test_rules_go_to_stdout_too(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """`-o -` writes the rules alone; their tests need the name of a file."""
    source = str(SAMPLES / "fair-badger.top.log")
    assert cli.main(["alerts", source, "-o", "-"]) == 0
    groups = yaml.safe_load(capsysbinary.readouterr().out)["groups"]
    assert [rule["alert"] for rule in groups[0]["rules"]] == ["MemoryGrows", "MemoryReachesLimit", "MemoryOomKilled"]
    assert cli.main(["alerts", source, "-o", "-", "--tests", "t.yaml"]) == 2
    assert b"Hint: -o rules.yaml" in capsysbinary.readouterr().err
