"""Whether the recordings of data/causes get the cause that they show, and those that look alike do not."""

from __future__ import annotations

import pytest

from tests.benchmarks.causes import CAUSES, PARTS, count, is_right, judged, truth

DEV = truth()


def test_table_of_the_readme_and_no_leak_that_shrinks() -> None:
    """So many get their cause, and so many look-alikes, as the table says; kept pages that climb leak nothing."""
    lines = (CAUSES / "README.md").read_text().splitlines()
    for kind, (right, shown, false, alike) in count(DEV).items():
        (line,) = [line for line in lines if line.startswith(f"| `{kind}` ")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[3] == f"{right} of {shown}", kind
        assert cells[5] == f"{false} of {alike}", kind
    # Pages that climb into the limit around a live heap that rests kill, and leak nothing.
    said = [judged(CAUSES / f"{row['recording']}.parquet").row for row in DEV]
    assert not [row["headline"] for row in said if row["verdict"] == "leak" and not row["growth_bytes_per_day"] > 0]


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row["run"]) for row in DEV if (CAUSES / f"{row['recording']}.json").exists()]
)
def test_answers_of_prometheus_name_the_same_cause(row: dict[str, str]) -> None:
    """The count is found under the name that its exporter gives it, and belongs to the container with the memory."""
    assert is_right(row, CAUSES / f"{row['recording']}.json")


def test_truth_names_every_recording() -> None:
    """Whatever was recorded has a row."""
    named = {row["recording"] for part in PARTS for row in truth(part)}
    assert {path.stem for path in CAUSES.glob("*.parquet")} == named
