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
from rmtoolkit.loaders.prometheus import _discover, _fetch, _metrics
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


#: What containers may be asked for, and how metrics and labels may be called.
WANTED: Final[tuple[tuple[_discover.Wanted, dict[str, str], dict[str, str]], ...]] = (
    (_discover.Wanted(), {}, {}),
    (_discover.Wanted(("shop", 'a"b')), {"my_rss": "rss_bytes"}, {"space": "namespace", "unit": "container"}),
    (_discover.Wanted(workloads=("a" * 60, "we.b")), {}, {"pod": "unit"}),
    (_discover.Wanted(("shop",), ("api",), ("api-0", "api-1")), {"container_memory_rss": "load"}, {}),
)
#: Samples a second, series, length in seconds and step of what may be asked of a server.
PLANS: Final = (
    *((0.1, 1, 3600, 0), (100.0, 1500, 2499, 0), (100.0, 1500, 2501, 0), (100.0, 1500, 86_400, 0)),
    *(
        (1e6, 10**6, 90, 0),
        (1e6, 10**6, 240, 60),
        (50.0, 500, 604_800, 15),
        (1.0, 1, 660_600, 60),
        (900.0, 1, 86_400, 600),
    ),
)


def queries() -> dict[str, list[Any]]:
    """How a server is looked through, and how what it has is cut into requests."""
    found: dict[str, list[Any]] = {"metrics": [f"{name}: {one}" for name, one in _metrics.KNOWN.items()]}
    for place, (wanted, metrics, labels) in enumerate(WANTED):
        legs = list(_discover.legs_of(wanted, metrics, labels))
        looks = [[leg.family, leg.pod_label, *_discover._looks(at, leg)] for at, leg in enumerate(legs)]
        found[f"looks {place}"] = [line for look in looks for line in look] + [_discover._lone(legs)]
    two = [_fetch.Selector(names, (_fetch.Matcher("pod", "=", "a"),)) for names in (("a", "b", "c"), ("d",))]
    for rate, series, length, step in PLANS:
        asks = [_fetch.Ask(one, how) for one, how in zip(two, ("last", "max"), strict=True)][: 2 if step else 1]
        parts = _fetch.plan(
            asks, _fetch.Stretch(1000, 1000 + length), samples_per_second=rate, series=series, step_seconds=step
        )
        cut = [[*part.time, part.samples, *(ask.selector.names for ask in part.asks)] for part in parts]
        told = [parts[0].promql(), plain(parts[0].times())] if step else [parts[0].asks[0].selector.promql()]
        found[f"plan {rate:g} {series} {length} {step}"] = [len(cut), *cut[:6], *cut[-1:], *told]
    return found


if __name__ == "__main__":
    write(FOLDER / "queries.json", queries())
    for one in FOLDERS:
        write(FOLDER / f"{one}.json", told(one))
