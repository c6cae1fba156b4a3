"""What a source lacks is said through every door, in the same words."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.cli import main
from rmtoolkit.cli.mcp import Tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.filterwarnings("ignore::rmtoolkit.exceptions.RmtoolkitWarning"),
    pytest.mark.usefixtures("judged_once"),
]

START, SAMPLES = 1_795_000_000, 200


def gauge(folder: Path, lost: int) -> Path:
    """A table in which some values are no numbers."""
    rows = [f"{START + 60 * at},shop,api,{'NaN' if at < lost else 300 << 20}" for at in range(SAMPLES)]
    file = folder / "table.csv"
    file.write_text("\n".join(["time,namespace,workload,rss_bytes", *rows]) + "\n")
    return file


def mixed(folder: Path) -> Path:
    """A saved answer in which two series have one name, other values, and no label that tells containers apart."""
    name = {"__name__": "container_memory_working_set_bytes", "namespace": "shop", "pod": "api-0", "container": "api"}
    result: list[dict[str, object]] = [
        {
            "metric": {**name, "image": f"api:{number}"},
            "values": [[START + 60 * at, str((300 << 20) * number + at)] for at in range(SAMPLES)],
        }
        for number in (1, 2)
    ]
    file = folder / "answer.json"
    file.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    return file


SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "lost": (lambda folder: gauge(folder, 10), "5 % of what was measured is left out: 10 values that were NaN"),
    "mixed": (mixed, "1 container of one name whose series overlap in time with other values, and no label"),
}
DOORS = {
    "classify": ["classify", "SOURCE"],
    "classify -v": ["classify", "SOURCE", "-v"],
    **{f"classify {form}": ["classify", "SOURCE", "-o", "-", "--format", form] for form in ("json", "csv", "markdown")},
    "classify by instance": ["classify", "SOURCE", "--by", "instance", "-o", "-"],
    "limits": ["limits", "SOURCE"],
    **{f"limits {form}": ["limits", "SOURCE", "-o", "-", "--format", form] for form in ("json", "csv", "yaml")},
    "explain": ["explain", "api", "SOURCE"],
    "compare": ["compare", "SOURCE", "SOURCE"],
    **{f"compare {form}": ["compare", "SOURCE", "SOURCE", "-o", "-", "--format", form] for form in ("json", "csv")},
    "compare page": ["compare", "SOURCE", "SOURCE", "-o", "FOLDER/week.html"],
    "alerts": ["alerts", "SOURCE", "-o", "-"],
    "page": ["report", "SOURCE", "-o", "FOLDER/week.html"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each source, once."""
    return {name: make(tmp_path_factory.mktemp(name)) for name, (make, _) in SOURCES.items()}


@pytest.mark.usefixtures("judged_once")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("door", DOORS)
def test_every_command_says_what_is_missing(
    source: str, door: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command, and each format that it writes, carries the sentence of the Assessment."""
    words = [word.replace("SOURCE", str(files[source])).replace("FOLDER", str(tmp_path)) for word in DOORS[door]]
    assert main(words) == 0
    written = [file.read_text() for file in tmp_path.glob("week.*")]
    shown = " ".join((written[0] if written else capsys.readouterr().out).split())
    assert SOURCES[source][1] in shown.replace("\\", "")


@pytest.mark.parametrize("source", SOURCES)
def test_every_object_says_what_is_missing(source: str, files: dict[str, Path]) -> None:
    """So do the Assessment, its rows, an explanation, patches, the dashboard for Grafana and what agents are told."""
    file, (_, said) = files[source], SOURCES[source]
    found = rm.assess(rm.read(file))
    assert found.incomplete is not None
    assert found.incomplete.startswith(said)
    assert found.workloads["incomplete"].unique().to_list() == [found.incomplete]
    assert found.incomplete in rm.explain(found, "api").summary()
    tools = Tools(argparse.Namespace(**{**dict.fromkeys(OPTIONS), "sources": [str(file)]}))
    for told in (tools.judge(str(file)), tools.limits(str(file)), tools.explain(str(file), "api")):
        assert told["incomplete"] is not None
        assert said.partition(" % ")[2] in told["incomplete"]


OPTIONS = (
    *("last", "start", "end", "namespace", "workload", "pod", "step", "token_file", "tenant", "ca_file"),
    *("remote_read", "timezone", "time", "interval", "timeout", "metric", "label"),
)


def test_what_is_whole_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Less than one in a hundred stands in the report only; rows of files then have an empty column."""
    file = gauge(tmp_path, 1)
    assert main(["classify", str(file), "-o", "-"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["incomplete"] is None
    assert main(["limits", str(file), "-o", "-", "--format", "yaml"]) == 0
    text = capsys.readouterr().out
    assert "Not complete" not in text
    found = rm.assess(rm.read(file))
    assert found.workloads["dropped_share"].to_list() == [pytest.approx(1 / SAMPLES)]


def test_a_part_keeps_the_share_of_the_whole(tmp_path: Path) -> None:
    """What was left out is of the whole source: less of it, stored or not, loses no larger share."""
    recording = rm.read(gauge(tmp_path, 10))
    later = recording.window(last="10m")
    assert later.report.dropped_share == recording.report.dropped_share == pytest.approx(0.05)
    assert rm.read(recording.write(tmp_path / "kept.parquet")).report.dropped_share == pytest.approx(0.05)
    twice = rm.concat([recording, rm.Recording.from_frame(pl.DataFrame({"time": [0] * 200, "rss_bytes": [1] * 200}))])
    assert twice.report.dropped_share is not None
    assert twice.report.dropped_share < 0.05
