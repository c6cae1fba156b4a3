"""What each file beside the tests is read as, in one line a container, written down.

``python -m tests.loaders.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.schema import SIGNALS
from tests.written import plain, write

ROOT: Final = Path(__file__).parents[2]
DATA: Final = ROOT / "tests" / "data"
FOLDER: Final = DATA / "worked"
FOLDERS: Final = ("docker", "jemalloc", "kubectl", "procfs", "prometheus", "samples")
#: When the files were written, for those that hold no time.
WRITTEN: Final = 1_764_115_200


def digest(recording: rm.Recording) -> list[dict[str, Any]]:
    """A row for each container with its events, and one for the report."""
    column = [
        expression
        for name in SIGNALS
        for expression in (
            pl.col(name).count().alias(f"{name} count"),
            pl.col(name).cast(pl.Float64).mean().alias(f"{name} mean"),
            pl.col(name).drop_nulls().last().cast(pl.Float64).alias(f"{name} last"),
        )
    ]
    sums = recording.samples.group_by("container_id").agg(
        *column, first=pl.col("time").min(), last=pl.col("time").max(), gaps=pl.col("time").diff().n_unique()
    )
    events = recording.events.group_by("container_id").agg(
        events=pl.struct("time", "kind", "value_bytes", "detail").implode()
    )
    rows = (
        recording.containers.join(sums, on="container_id", how="left", maintain_order="left")
        .join(events, on="container_id", how="left", maintain_order="left")
        .iter_rows(named=True)
    )
    known = [{name: value for name, value in row.items() if value not in (0, None)} for row in rows]
    return [*map(plain, known), {"notes": list(recording.report.notes()), "axis": recording.report.time_axis}]


def _read(path: Path) -> list[dict[str, Any]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            rows = digest(rm.read(path))
        except RmtoolkitError as error:
            rows = [{"error": str(error).replace(f"{path.parent}/", "")}]
    said = [str(one.message).replace(f"{path.parent}/", "") for one in caught]
    assert all(issubclass(one.category, RmtoolkitWarning) for one in caught), said
    return [*rows, {"warnings": said}] if said else rows


def told(folder: str) -> dict[str, list[dict[str, Any]]]:
    """What every file of a folder is read as; of the samples, what they are together."""
    if folder == "samples":
        return {folder: _read(ROOT / "data" / "samples")}
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for file in sorted((DATA / folder).rglob("*")):
            if file.is_file() and file.suffix != ".md":
                copy = Path(shutil.copy(file, place))
                os.utime(copy, (WRITTEN, WRITTEN))
                found[file.relative_to(DATA / folder).as_posix()] = _read(copy)
                copy.unlink()
    return found


if __name__ == "__main__":
    for one in FOLDERS:
        write(FOLDER / f"{one}.json", told(one))
