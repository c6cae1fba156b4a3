"""Count how many recordings of `data/causes` get the cause that they show, and how many that look alike.

Usage: ``python -m tests.benchmarks.causes [--part dev] [--kind KIND …]``. ``--part sealed``, and ``later``, ``last``
and ``servers``, which were recorded when those before had been looked at, are for judging, never for tuning: each run
on them is written to `causes_sealed_runs.csv` beside this file.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

import rmtoolkit as rm
from tests.benchmarks.leak_or_not import commit

CAUSES: Final = Path(__file__).parents[2] / "data" / "causes"
SEALED_LOG: Final = Path(__file__).with_name("causes_sealed_runs.csv")
PARTS: Final = ("dev", "sealed", "later", "last", "servers")
#: The evidence that must stand beside a cause, by the kind of a recording.
EVIDENCE: Final = {
    **{cause: {"held_rise"} for cause in ("tasks", "connections", "queue", "exporter")},
    "allocator": {"moved_around"},
    "tmpfs": {"files_left", "files_grow"},
    **{cause: {cause} for cause in ("sockets", "mapped_files", "arenas", "runtime")},
    "startup": {"startup_heap"},
}


#: The cause of what is held, by the signal that counts it.
KINDS: Final = {"tasks": "tasks", "descriptors": "connections", "queued": "queue", "series": "exporter"}


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a recording of one workload."""

    row: dict[str, Any]
    evidence: dict[str, set[str | None]]


def truth(part: str = "dev") -> list[dict[str, str]]:
    """Give the rows of one part."""
    with (CAUSES / "truth.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["part"] == part]


_TOLD: Final[dict[Path, Told]] = {}


def judged(*paths: Path) -> Told:
    """Judge recordings at once, each a cluster of its own; give what is said of the first."""
    if new := [path for path in paths if path not in _TOLD]:
        found = rm.assess(rm.concat([_read(path) for path in new]))
        for row in found.workloads.rows(named=True):
            evidence: dict[str, set[str | None]] = {}
            for statistic, signal in found.evidence.filter(workload_id=row["workload_id"])[
                "statistic", "signal"
            ].rows():
                evidence.setdefault(statistic, set()).add(signal)
            assert _TOLD.setdefault(Path(row["cluster"]), told := Told(row, evidence)) is told
    return _TOLD[paths[0]]


def _read(path: Path) -> rm.Recording:
    # A name that is nowhere is told.
    names = path.suffix == ".json" and b'"queue_depth"' in path.read_bytes()
    recording = rm.read(path, **({"metrics": {"queue_depth": "queued"}} if names else {}))
    return replace(recording, containers=recording.containers.with_columns(cluster=pl.lit(str(path))))


def named(path: Path) -> set[str]:
    """Give the causes of the table that a recording gets, each with its evidence."""
    found = judged(path)
    cause = found.row["cause"]
    # What rises with the memory counts as named also where something else is the cause.
    held = {KINDS[signal] for signal in found.evidence.get("held_rise", ()) if signal in KINDS}
    return held | ({cause} if EVIDENCE.get(cause, set()) & found.evidence.keys() else set())


def is_right(row: dict[str, str], path: Path | None = None) -> bool:
    """Whether a recording gets the cause that it shows; of one that looks alike, whether it gets no other."""
    path = path or CAUSES / f"{row['recording']}.parquet"
    said = named(path)
    if not shows(row):
        # Many programs need more to start than to run, whatever else they show.
        return not said - {*row["cause"].split("|"), *({"startup"} - {row["shown"]})}
    found = judged(path)
    return found.row["cause"] in row["cause"].split("|") and row["shown"] in said


def shows(row: dict[str, str]) -> bool:
    """Whether a recording shows the cause of its kind."""
    return row["shown"] in row["cause"].split("|")


def count(rows: list[dict[str, str]]) -> dict[str, tuple[int, int, int, int]]:
    """Count by kind: right of how many that show it, false of how many that look alike."""
    judged(*(CAUSES / f"{row['recording']}.parquet" for row in rows))
    counted = {}
    for kind in dict.fromkeys(row["shown"] for row in rows):
        shown = [row for row in rows if row["shown"] == kind and shows(row)]
        alike = [row for row in rows if row["shown"] == kind and not shows(row)]
        counted[kind] = (sum(map(is_right, shown)), len(shown), len(alike) - sum(map(is_right, alike)), len(alike))
    return counted


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="dev")
    parser.add_argument("--kind", nargs="*", help="only these")
    given = parser.parse_args(arguments)
    rows = [row for row in truth(given.part) if not given.kind or row["shown"] in given.kind]
    counted = count(rows)
    for kind, (right, shown, false, alike) in counted.items():
        print(f"{kind:24} {right} of {shown}  false {false} of {alike}")
    if given.part != "dev":
        is_new, version = not SEALED_LOG.exists(), commit()
        with SEALED_LOG.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow(["date", "commit", "kind", "right", "shown", "false", "alike"])
            now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M")
            suffix = "" if given.part == "sealed" else f" ({given.part})"
            writer.writerows([now, version, kind + suffix, *numbers] for kind, numbers in counted.items())
        print(f"\nThis look was recorded in {SEALED_LOG.name}, beside this program.")
    else:
        for row in rows:
            if not is_right(row):
                said = judged(CAUSES / f"{row['recording']}.parquet").row
                print(f"wrong: {row['run']} ({row['recording']}), cause {said['cause']}: {said['headline']}")


if __name__ == "__main__":
    main()
