"""Make the corpus of the recorded plan: recordings, truth, labels, and a picture of every run.

Usage: ``python data/lab/corpus.py out/corpus/raw data/corpus``. `overrides.csv` in the target (run, name of a
label, value, reason) holds what was changed after somebody looked at the pictures.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import export
import polars as pl
import recorded
import sheet
from judge import Label, judge
from measure import measure
from shapes import SHAPES
from shapes_hard import HARD
from shapes_odd import ODD

from rmtoolkit.recording import normalise
from rmtoolkit.schema import Report

PARTS = ("dev", "sealed")
#: Beside them, with what each run went on to do: the shapes that have fooled verdicts. And how its runs' names begin.
HARD_PARTS = {"hard": "h", "hard_sealed": "k"}
#: And behaviours that look like others.
ODD_PART = {"odd": "o"}
_FUTURE = ("working_set_bytes", "anon_bytes", "rss_bytes")
_TRUTH = ("live_bytes", "dead_bytes", "outside_bytes", "outside_dead_bytes")


def _verdict(label: Label) -> str:
    """Name the right verdict; alternatives where bytes alone cannot tell."""
    if label.decidable:
        return "leak" if label.leak else "not_leak"
    return "inconclusive"


def label_run(
    folder: Path, run: str, overrides: dict[str, list[tuple[str, str, str]]]
) -> tuple[recorded.Recorded, dict[str, Any]]:
    """Read a run and write its row of the labels table."""
    whole = recorded.read(folder, run, shown_seconds=1 << 20)
    shown = recorded.read(folder, run)
    plan = shown.plan
    facts = measure(shown, whole)
    has_gauges = bool(shown.frame["allocated_bytes"].count())
    label = judge(plan["label"], facts, has_gauges=has_gauges)
    for name, value, why in overrides.get(run, []):
        label.change(why, **{name: value == "True" if name in ("leak", "decidable") else value})
    first = shown.containers[0]
    row = {
        "run": run,
        "part": plan["label"]["part"],
        "shape": plan["label"]["shape"],
        "namespace": first["namespace"],
        "workload": first["workload"],
        "container": first["container"],
        "pods": len(shown.containers),
        "seed": plan["seed"],
        "allocator": plan["allocator"],
        "settings": " ".join(f"{key}={value}" for key, value in plan["environment"].items()),
        "allocator_numbers": has_gauges,
        "window_seconds": plan["window_seconds"],
        "leak": label.leak,
        "decidable": label.decidable,
        "reason": label.reason,
        "verdict": _verdict(label),
        "pattern": label.pattern,
        "cause": label.cause,
        "needs": label.needs,
        "onset_seconds": facts.onset,
        "lost_bytes": facts.lost,
        "lost_bytes_per_second": round(facts.rate),
        "level_bytes": round(facts.level),
        "peak_bytes": round(facts.peak),
        "limit_bytes": plan["limit_bytes"],
        "lives": facts.lives,
        "oom_kills": facts.kills,
        "seconds_to_limit": facts.seconds_to_limit if label.leak else None,
        "watched_seconds": facts.watched_seconds,
        "intended_leak": plan["label"]["leak"],
        "intended_decidable": plan["label"]["decidable"],
        "intended_pattern": plan["label"]["pattern"],
        "relabelled": bool(label.relabel_reason),
        "relabel_reason": label.relabel_reason,
        "components": " ".join(plan["components"]),
        "plan": json.dumps(
            {key: plan[key] for key in ("replicas", "releases", "gaps", "back_off_scale", "after_seconds")}
        ),
    }
    return shown, row


def truth(run: recorded.Recorded) -> pl.DataFrame:
    """List what the program counted: a row per pod and second, scraped or not."""
    first = run.containers[0]
    pods = pl.DataFrame(
        {"container": [one["index"] for one in run.containers], "pod": [one["pod"] for one in run.containers]}
    )
    return (
        run.frame.join(pods.with_columns(pl.col("container").cast(pl.UInt32)), on="container")
        .select(
            pl.lit(run.plan["run"]).alias("run"),
            pl.lit(first["namespace"]).alias("namespace"),
            pl.lit(first["workload"]).alias("workload"),
            "pod",
            (pl.col("unix") * 1000).cast(pl.Datetime("ms", "UTC")).alias("time"),
            pl.col("second").cast(pl.Int32),
            *_TRUTH,
        )
        .drop_nulls("live_bytes")
        .sort("pod", "time")
    )


def stack(runs: list[recorded.Recorded], target: Path, source: str) -> None:
    """Write all runs of a part as one recording."""
    parts = [export.recording(run) for run in runs]
    offset, containers, samples, events = 0, [], [], []
    for part in parts:
        shift = pl.col("container_id") + offset
        containers.append(part.containers.with_columns(shift.cast(pl.UInt32)))
        samples.append(part.samples.with_columns(shift.cast(pl.UInt32)))
        events.append(part.events.with_columns(shift.cast(pl.UInt32)))
        offset += part.containers.height
    report = Report(sources=(source,))
    normalise(pl.concat(containers), pl.concat(samples), pl.concat(events), report).write(target)


def store(
    part: str, runs: list[recorded.Recorded], rows: list[dict[str, Any]], target: Path, source: str, pictures: Path
) -> None:
    """Write recording, truth and labels of a part, and a sheet with a picture of every run beside what was recorded."""
    stack(runs, target / f"{part}.parquet", source)
    pl.concat([truth(run) for run in runs]).write_parquet(
        target / f"{part}_truth.parquet", compression="zstd", compression_level=19
    )
    pl.DataFrame(rows, infer_schema_length=None).write_csv(target / f"{part}_labels.csv")
    sheet.write(runs, rows, pictures / f"{part}_sheet.html")
    print(f"{part}: {len(rows)} runs, {sum(row['relabelled'] for row in rows)} relabelled")


def future(whole: recorded.Recorded) -> pl.DataFrame:
    """List what a run did after its window: of several pods the one that had lost most, or else was largest."""
    first = whole.containers[0]
    dead = pl.col("dead_bytes") + pl.col("outside_dead_bytes")
    after = whole.frame.filter(pl.col("second") >= whole.plan["window_seconds"])
    pods = after.group_by("container").agg(dead=dead.max(), level=pl.col("working_set_bytes").median())
    one = pods.sort("dead", "level").tail(1)
    return after.join(one, on="container", how="semi", maintain_order="left").select(
        pl.lit(whole.plan["run"]).alias("run"),
        pl.lit(first["namespace"]).alias("namespace"),
        pl.lit(first["workload"]).alias("workload"),
        pl.col("second").cast(pl.Int32),
        pl.col("life").cast(pl.Int32),
        *_FUTURE,
        dead.alias("dead_bytes"),
    )


def store_futures(part: str, wholes: list[recorded.Recorded], target: Path) -> None:
    """Write what the runs of a part went on to do."""
    pl.concat([future(whole) for whole in wholes]).write_parquet(
        target / f"{part}_future.parquet", compression="zstd", compression_level=19
    )


def tell(readme: Path, table: str, begin: str, end: str = "<!-- end of the counts -->") -> None:
    """Put a table between its marks in a README."""
    before, _, rest = readme.read_text().partition(begin)
    readme.write_text(f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}")


def counts(rows: list[dict[str, Any]]) -> str:
    """Write the runs per shape as a Markdown table."""
    head = "| shape | dev | sealed | leaks | decidable | relabelled |\n|---|---|---|---|---|---|"
    lines = []
    parts_of = PARTS if rows[0]["part"] in PARTS else tuple(HARD_PARTS)
    names = SHAPES if parts_of == PARTS else [name for shape in HARD for name in (shape, f"{shape}_like")]
    for shape in [*names, "all"]:
        mine = [row for row in rows if shape in (row["shape"], "all")]
        parts = [sum(row["part"] == part for row in mine) for part in parts_of]
        marks = [sum(row[name] for row in mine) for name in ("leak", "decidable", "relabelled")]
        lines.append(f"| {shape} | " + " | ".join(map(str, parts + marks)) + " |")
    return "\n".join([head, *lines])


def behaviours(rows: list[dict[str, Any]]) -> str:
    """Write what the odd runs do as a Markdown table."""
    reasons = {row["shape"]: row["reason"] for row in rows}
    lines = ["| shape | the leak | its look-alike |", "|---|---|---|"]
    for name in dict.fromkeys(odd.name for odd in ODD):
        notes = {odd.leak: odd.note for odd in ODD if odd.name == name}
        for leak, shape in ((True, name), (False, f"{name}_like")):
            if reasons.get(shape):
                notes[leak] += f" (not decidable: {reasons[shape]})"
        lines.append(f"| {name} | {notes.get(True, '–')} | {notes.get(False, '–')} |")
    return "\n".join(lines)


def _overrides(path: Path) -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["run"], []).append((row["name"], row["value"], row["reason"]))
    return found


def main() -> None:
    """Make everything for all parts."""
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    overrides = _overrides(target / "overrides.csv")
    tables: dict[str, list[dict[str, Any]]] = {"counts": [], "hard counts": [], "odd behaviours": []}
    for part, letter in ({part: part[0] for part in PARTS} | HARD_PARTS | ODD_PART).items():
        finished = sorted(path.stem for path in folder.glob(f"{letter}*.parquet"))
        if not finished:
            continue
        made = [label_run(folder, run, overrides) for run in finished]
        made.sort(key=lambda pair: (pair[1]["shape"], pair[1]["run"]))
        runs, rows = [run for run, _ in made], [row for _, row in made]
        store(part, runs, rows, target, "the lab of rmtoolkit", folder.parent)
        if part not in PARTS:
            wholes = [recorded.read(folder, run.plan["run"], shown_seconds=1 << 20) for run in runs]
            store_futures(part, wholes, target)
        tables["counts" if part in PARTS else "hard counts" if part in HARD_PARTS else "odd behaviours"] += rows
    for name, rows in tables.items():
        if rows:
            write = behaviours if name == "odd behaviours" else counts
            tell(target / "README.md", write(rows), f"<!-- {name}: made by data/lab/corpus.py -->")


if __name__ == "__main__":
    main()
