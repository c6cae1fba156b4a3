"""The report of a lake: read part by part, complete or saying what is missing; and the command that writes it."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import cli
from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.views import report
from rmtoolkit.views.report.files import markdown
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from pathlib import Path

    from rmtoolkit.recording import Recording

WORKLOADS = 12


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A week of twelve workloads, every ten minutes."""
    return rm.read_recording(
        fleet.write(tmp_path_factory.mktemp("fleet") / "fleet.parquet", WORKLOADS, 1008, cadence_ms=600_000)
    )


@pytest.fixture(scope="module")
def written(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a lake."""
    folder = tmp_path_factory.mktemp("fleet") / "lake"
    rm.Lake(folder, buckets=6).append(recording)
    return folder


@pytest.fixture
def lake(written: Path, tmp_path: Path) -> rm.Lake:
    """A copy of it, to be damaged."""
    return rm.Lake(shutil.copytree(written, tmp_path / "lake"))


def test_a_lake_gives_the_report_of_its_recording(lake: rm.Lake, recording: Recording) -> None:
    """The same headline, figures, changes and rows; only charts have fewer points."""
    parts, whole = report.contents(lake), report.contents(recording)
    assert parts.found.recording.height < recording.height
    assert markdown(parts) == markdown(whole)
    rows = [[(row["anchor"], row["verdict"], row["action"]) for row in found.rows] for found in (parts, whole)]
    assert rows[0] == rows[1]
    assert f"{WORKLOADS} of {WORKLOADS} workloads read" in report.page(parts)


def test_a_damaged_file_is_stated(lake: rm.Lake) -> None:
    """The report is written, says at its top that a file is missing, names it, and counts what it covers."""
    file = lake.files()[3]
    file.write_bytes(file.read_bytes()[:200])
    with pytest.warns(RmtoolkitWarning, match=r"1 of \d+ files"):
        found = report.contents(lake)
    page = report.page(found)
    alert = re.search(r'<p class="warned" role="alert">(.*?)</p>', page)
    assert alert
    assert "1 file could not be read" in alert[1]
    assert file.name in alert[1]
    assert f"{len(found.rows)} of {len(found.rows)} workloads read; see what was left out below" in page
    assert "**Not complete:**" in markdown(found)


def test_a_missing_bucket_is_stated(lake: rm.Lake) -> None:
    """Where all files of some workloads are damaged, the rest is reported, and that something is missing."""
    bucket = lake.files()[0].parent
    files = sorted(bucket.glob("*.parquet"))
    for file in files:
        file.write_bytes(b"PAR1")
    with pytest.warns(RmtoolkitWarning, match=rf"{len(files)} of \d+ files"):
        found = report.contents(lake)
    assert 0 < len(found.rows) < WORKLOADS
    assert f"{len(files)} files could not be read: workloads in them may be missing" in report.page(found)


def test_the_command_looks_at_what_is_asked_for(
    lake: rm.Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stretch of time and some workloads of a lake; last week's files name nothing when nothing changed."""
    page, files = tmp_path / "week.html", tmp_path / "files"
    words = ["report", str(lake.path), "--last", "4d", "--workload", "svc-01", "--workload", "svc-02"]
    assert cli.main([*words, "-o", str(page), "--beside", str(files), "--price", "0.01", "--currency", "EUR"]) == 0
    said = capsys.readouterr().out
    assert f"Report: {page}\nFiles: {files}\nCovers 2 of 2 workloads." in said
    verdicts = pl.read_parquet(files / "verdicts.parquet")
    assert sorted(verdicts["workload"]) == ["svc-01", "svc-02"]
    length = verdicts["window_end"][0] - verdicts["window_start"][0]
    assert 3.9 < length.total_seconds() / 86_400 <= 4
    again = tmp_path / "again.html"
    assert cli.main([*words, "-o", str(again), "--previous", str(files)]) == 0
    assert "Nothing changed that is clear." in again.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--previous", "no/such"], "no/such"),
        (["--acknowledged", "no.toml"], "no.toml"),
        (["--namespace", "nowhere"], "nowhere"),
        (["--date", "soon"], "soon"),
        (["--pdf", "week.html"], "must end in .pdf"),
        (["--oom-probability", "2"], "between 0 and 1"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_line(
    lake: rm.Lake, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, one line that names what was wrong, and no page."""
    page = tmp_path / "week.html"
    status: object
    try:
        status = cli.main(["report", str(lake.path), "-o", str(page), *words])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not page.exists()


def test_what_is_accepted_fails_no_pipeline(recording: Recording, tmp_path: Path) -> None:
    """`--fail-on` is about what is not accepted: with every leak acknowledged, the status is 0."""
    stored = recording.filter(workload=["svc-02", "svc-00"]).write(tmp_path / "two.parquet")
    words = ["report", str(stored), "-o", str(tmp_path / "week.html"), "--fail-on", "leak"]
    assert cli.main(words) == 1
    known = tmp_path / "known.toml"
    known.write_text('[[accepted]]\nworkload = "fleet/svc-02"\nknown = "grows"\nuntil = 2030-01-01\n', "utf-8")
    assert cli.main([*words, "--acknowledged", str(known)]) == 0
