from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.assessment import classify
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views import exports

if TYPE_CHECKING:
    from pathlib import Path

    from rmtoolkit.assessment import Assessment


HOSTILE = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(1)", "\tx", " =1", "＝1+1", "＠SUM(1)", "\n=1", "plain"]


def test_csv_runs_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    """Text that a spreadsheet would take for a formula gets an apostrophe; numbers stay numbers."""
    frame = pl.DataFrame({"workload": HOSTILE, "growth_bytes_per_day": [-1.5] * len(HOSTILE)})
    exports.write(frame, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["workload"][0] for row in rows] == ["'"] * (len(HOSTILE) - 1) + ["p"]
    assert {row["growth_bytes_per_day"] for row in rows} == {"-1.5"}


def test_a_table_printed_in_a_terminal_obeys_no_name() -> None:
    """Codes of a terminal, letters without a width and turns of direction are dots; a new line stays one."""
    texts = ["\x1b[31mred", "a\rb", "\x9b1m", "\u202egnp", "a\u200bb", "a\u2028b", "a\nb"]
    safe = exports.for_spreadsheets(pl.DataFrame({"a": texts, "b": [[text] for text in texts]}))
    assert safe["a"].to_list() == ["·[31mred", "a·b", "·1m", "·gnp", "a·b", "a·b", "a\nb"] == safe["b"].to_list()


@given(st.lists(st.text(), min_size=1))
def test_no_cell_begins_a_formula(texts: list[str]) -> None:
    """Whatever the text, no cell begins with a character that starts a formula."""
    safe = exports.for_spreadsheets(pl.DataFrame({"a": texts, "b": [[text] for text in texts]}))
    assert not any(
        str(value).lstrip(" ").startswith(tuple("=+-@＝＋－＠\t\r\n")) for row in safe.iter_rows() for value in row
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("lead", ["", " ", '"', "'"])
def test_no_separator_of_any_locale_begins_a_formula(separator: str, lead: str, tmp_path: Path) -> None:
    """Where a spreadsheet cuts a line at semicolons, tabs or bars, no piece of a name begins a formula there either."""
    names = [f"a{cut}{lead}{sign}cmd|' /C calc'!A0" for cut in (";", "\t", "|", "\n", "\r") for sign in "=+-@＝＋－＠"]
    exports.write(pl.DataFrame({"workload": names, "pods": 1}), tmp_path / "a.csv")
    written = (tmp_path / "a.csv").read_text("utf-8")
    assert len(written.splitlines()) > len(names)
    for row in csv.reader(written.splitlines(), delimiter=separator, quoting=csv.QUOTE_NONE):
        for cell in row:
            assert cell.strip(' "')[:1] not in tuple("=+-@＝＋－＠"), cell


def test_parquet_keeps_everything(assessed: Assessment, tmp_path: Path) -> None:
    """What is read back from Parquet is what classify returns, evidence and all."""
    verdicts = classify(assessed)
    exports.write(verdicts, tmp_path / "v.parquet")
    assert pl.read_parquet(tmp_path / "v.parquet").equals(verdicts)
    assert "evidence" in verdicts.columns
    assert "headline" not in verdicts.columns


def test_json_is_an_array_of_objects(assessed: Assessment, tmp_path: Path) -> None:
    """JSON holds one object a workload with its evidence; unknown is null."""
    exports.write(classify(assessed), tmp_path / "v.json")
    rows = json.loads((tmp_path / "v.json").read_text())
    assert [row["workload"] for row in rows][:2] == ["ledger-api", "indexer"]
    assert rows[0]["evidence"][0]["says"] == "for"
    assert rows[2]["hours_to_limit"] is None


def test_instances_have_pod_and_lives(assessed: Assessment) -> None:
    """By instance the columns are those of classify with pod and lives."""
    columns = classify(assessed, by="instance").columns
    assert columns[:5] == ["cluster", "namespace", "workload", "pod", "container"]
    assert columns[-1] == "lives"


@pytest.mark.parametrize("name", ["verdicts.xlsx", "verdicts", "parquet"])
def test_other_formats_are_refused(assessed: Assessment, tmp_path: Path, name: str) -> None:
    """The error names the formats that exist, and nothing is written."""
    with pytest.raises(RmtoolkitError, match=r"must end in \.parquet, \.csv or \.json"):
        exports.write(assessed.workloads, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_table_for_spreadsheets_lacks_nested_columns_and_no_other() -> None:
    """What stands behind such a column is there."""
    frame = pl.DataFrame({"a": [1], "evidence": [[{"says": "for"}]], "also": [["step", "burst"]], "b": ["=x"]})
    assert exports.for_spreadsheets(frame).rows(named=True) == [{"a": 1, "also": "step burst", "b": "'=x"}]
