"""The lock is held against published advisories, as they are in a file."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from tests.benchmarks import audit

if TYPE_CHECKING:
    from pathlib import Path


def advisory(name: str, *, versions: tuple[str, ...] = (), **events: str) -> dict[str, Any]:
    """An advisory about a package, in the OSV format."""
    spans = [{"type": "ECOSYSTEM", "events": [{what: at} for what, at in events.items()]}] if events else []
    about = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": spans, "versions": list(versions)}
    return {"id": "OSV-1", "summary": "reads too much\x1b[31m", "affected": [about]}


@pytest.mark.parametrize(
    ("told", "hit"),
    [
        (advisory("Polars", introduced="0", fixed="2.0"), False),
        (advisory("polars", introduced="0", fixed="2.1.1"), True),
        (advisory("polars", introduced="0", fixed="2.1"), False),
        (advisory("polars", introduced="2.1"), True),
        (advisory("polars", introduced="2.2"), False),
        (advisory("polars", introduced="1", last_affected="2.1"), True),
        (advisory("polars", introduced="1", last_affected="2.0.9"), False),
        (advisory("polars", versions=("2.1",)), True),
        (advisory("polars_", introduced="0"), False),
        (advisory("polars", introduced="0") | {"withdrawn": "2026-01-01T00:00:00Z"}, False),
        (
            {"id": "OSV-2", "affected": [{"package": {"ecosystem": "npm", "name": "polars"}, "versions": ["2.1"]}]},
            False,
        ),
    ],
)
def test_an_advisory_is_found_where_it_covers_the_version(told: dict[str, Any], hit: object, tmp_path: Path) -> None:
    """Introduced and last affected are inside, fixed is outside; withdrawn ones count no more."""
    (tmp_path / "one.json").write_text(json.dumps(told))
    read, lines = audit.found({"polars": Version("2.1")}, [tmp_path])
    assert (read, bool(lines)) == (1, hit)


def test_a_list_lines_a_folder_and_a_zip_are_read_alike(tmp_path: Path) -> None:
    """Whoever exports advisories, the same ones are found."""
    two = [advisory("polars", introduced="0"), advisory("numpy", introduced="0")]
    (tmp_path / "list.json").write_text(json.dumps(two))
    (tmp_path / "answer.json").write_text(json.dumps({"vulns": two}))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, two)))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for number, one in enumerate(two):
            packed.writestr(f"{number}.json", json.dumps(one))
    lock = {"polars": Version("2.1"), "numpy": Version("2")}
    for name in ("list.json", "answer.json", "lines.jsonl", "all.zip"):
        read, lines = audit.found(lock, [tmp_path / name])
        assert (read, len(lines)) == (2, 2), name


def test_the_lock_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each pinned package is compared; what is found is said in a plain line, with status 1."""
    lock = audit.pins(audit.LOCK.read_text("utf-8"))
    assert len(lock) > 150
    (tmp_path / "one.json").write_text(json.dumps(advisory("polars", introduced="0")))
    monkeypatch.setattr("sys.argv", ["audit", str(tmp_path)])
    assert audit.main() == 1
    first, last, _ = capsys.readouterr().out.split("\n")
    assert first == rf"polars {lock['polars']}: OSV-1: reads too much\x1b[31m"
    assert last == f"{len(lock)} packages, 1 advisories, 1 found"
