"""Make the field corpus of the recorded plan: recordings, futures, truth, labels, and a picture of every run.

Usage: ``PYTHONPATH=data/lab python data/field/pack.py out/field/raw data/field``. The files and columns are those of
`data/corpus`; beside them stand what each run went on to do after its window, and the second at which a bound was met.
A part of which nothing was recorded stays as it is.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import corpus
import numpy as np
import polars as pl
import recorded
from judge import FEWEST_SAMPLES, MATTERS, Label, why_undecidable
from measure import Facts, measure

if TYPE_CHECKING:
    from recorded import Recorded

#: The last ones were recorded when the verdicts were done with.
PARTS = (*corpus.PARTS, "fresh", "fresh2", "fresh3", "fresh4")
#: Growth beyond this part of the level is no rest.
REST = 0.03
_UNREST = "memory still grows at the window's end"


def floor(frame: pl.DataFrame, begin: float, end: float, at: float = 0.1) -> float:
    """Give the floor of the working set between two seconds: waves, teeth and bursts are above it."""
    part = frame.filter(pl.col("second").is_between(begin, end))["working_set_bytes"].drop_nulls()
    return float(part.quantile(at) or 0.0)


def bound_met(frame: pl.DataFrame, label: dict[str, Any]) -> int | None:
    """Tell at which second the load had sent as much as the program may keep; null when it has no bound or did not."""
    if not label["bound_items"]:
        return None
    full = frame.filter(pl.col("live_bytes") >= 0.98 * label["bound_items"] * label["item_bytes"])
    return int(full["second"][0]) if full.height else None


def weighed(shown: Recorded, whole: Recorded) -> tuple[Recorded, Recorded, int]:
    """Count what is lost by what one item was seen to take: the line of the working set over the items that were left.

    The whole run is looked at, future included, in its longest life. Where that shows no growth the plan's size stays.
    """
    planned: int = shown.plan["label"]["item_bytes"]
    frame = whole.frame.drop_nulls(["dead_bytes", "working_set_bytes"])
    of = ["container", "life"]
    longest = frame.group_by(of).len().sort("len", *of).select(of).tail(1)
    frame = frame.join(longest, on=of, maintain_order="left").filter(pl.col("dead_bytes") > 0)
    if frame["dead_bytes"].n_unique() < FEWEST_SAMPLES:
        return shown, whole, planned
    items = frame["dead_bytes"].to_numpy() / planned
    item = round(float(np.polyfit(items, frame["working_set_bytes"].to_numpy(), 1)[0]))
    if item <= 0:
        return shown, whole, planned
    scaled = [(pl.col(name) / planned * item).round().cast(pl.Int64) for name in ("live_bytes", "dead_bytes")]
    shown, whole = (replace(one, frame=one.frame.with_columns(scaled)) for one in (shown, whole))
    return shown, whole, item


def judge(planned: dict[str, Any], facts: Facts, whole: pl.DataFrame, met: int | None) -> Label:
    """Write the label that is true of what was measured: the plan's, unless the run does not show it."""
    label = Label(**{name: planned[name] for name in ("leak", "decidable", "reason", "pattern", "cause", "needs")})
    window, most = facts.window, facts.window + facts.watched_seconds
    if planned["leak"]:
        _judge_leak(label, facts, whole)
        return label
    grown = floor(whole, 0.75 * window, window) - floor(whole, 0.5 * window, 0.75 * window)
    later = floor(whole, 0.5 * (window + most), most) - floor(whole, 0.75 * window, window)
    rests = max(grown, later) <= REST * facts.level
    if planned["bound_items"] and label.decidable and (met is None or met > 0.85 * window):
        why = "the bound is met only after the window"
        label.change(why, decidable=False, reason=why)
    elif label.decidable and not rests:
        why = _UNREST if grown > REST * facts.level else "memory grows after the window"
        label.change(why, decidable=False, reason=why)
    if facts.kills:
        label.change("killed by its limit without a leak", needs="restarts")
        if facts.longest_life < 0.3 and label.decidable:
            label.change("no life is long enough", decidable=False, reason="no life is long enough")
    if not label.decidable:
        label.pattern += "|leak|unexplained_growth|insufficient_data"
    return label


def _judge_leak(label: Label, facts: Facts, whole: pl.DataFrame) -> None:
    """Look for the growth that the load's count promises: the program decides what an item takes."""
    seen = max(facts.seen, 0.0) * (facts.lives if facts.kills >= 3 else 1)
    why = why_undecidable(replace(facts, lost=round(seen)))
    window, most = facts.window, facts.window + facts.watched_seconds
    middle = 0.5 * (window + most)
    later = max(floor(whole, middle, most, at) - floor(whole, window, middle, at) for at in (0.1, 0.5))
    if not facts.kills and facts.seconds_to_limit is None and later < 0.1 * MATTERS * facts.level:
        why = "the program has a bound that the plan did not know" if not why else "what is kept does not show"
        label.pattern += "|plateau|warm_up|step|retention"
    if label.decidable and why:
        label.change(why, decidable=False, reason=why)


def read(folder: Path, run: str, taken: set[tuple[str, str]]) -> tuple[Recorded, Recorded]:
    """Read a run, cut to its window and whole, under a name that no other run has."""
    shown, whole = recorded.read(folder, run), recorded.read(folder, run, shown_seconds=1 << 20)
    first, number = shown.containers[0], 1
    while (place := (first["namespace"] + (f"-{number}" if number > 1 else ""), first["workload"])) in taken:
        number += 1
    taken.add(place)
    shown, whole = (
        replace(one, containers=[{**container, "namespace": place[0]} for container in one.containers])
        for one in (shown, whole)
    )
    return shown, whole


def label_run(shown: Recorded, whole: Recorded, item: int) -> dict[str, Any]:
    """Write the row of the labels table."""
    plan = shown.plan
    planned, facts, first = plan["label"], measure(shown, whole), shown.containers[0]
    met = bound_met(whole.frame, planned)
    label = judge(planned, facts, whole.frame, met)
    return {
        "run": plan["run"],
        "part": planned["part"],
        "shape": planned["shape"],
        "use": planned["use"],
        "kind": planned["kind"],
        "namespace": first["namespace"],
        "workload": first["workload"],
        "container": first["container"],
        "pods": len(shown.containers),
        "seed": plan["seed"],
        "allocator": plan["allocator"],
        "settings": " ".join(f"{key}={value}" for key, value in planned["settings"].items()),
        "allocator_numbers": bool(shown.frame["allocated_bytes"].count()),
        "window_seconds": plan["window_seconds"],
        "leak": label.leak,
        "decidable": label.decidable,
        "reason": label.reason,
        "verdict": ("leak" if label.leak else "not_leak") if label.decidable else "inconclusive",
        "pattern": label.pattern,
        "cause": label.cause,
        "needs": label.needs,
        "onset_seconds": facts.onset,
        "bound_met_seconds": met,
        "item_bytes": item,
        "lost_bytes": facts.lost,
        "lost_bytes_per_second": round(facts.rate),
        "seen_bytes": round(facts.seen),
        "level_bytes": round(facts.level),
        "peak_bytes": round(facts.peak),
        "limit_bytes": plan["limit_bytes"],
        "lives": facts.lives,
        "oom_kills": facts.kills,
        "seconds_to_limit": facts.seconds_to_limit if label.leak else None,
        "watched_seconds": facts.watched_seconds,
        "intended_leak": planned["leak"],
        "intended_decidable": planned["decidable"],
        "intended_pattern": planned["pattern"],
        "relabelled": bool(label.relabel_reason),
        "relabel_reason": label.relabel_reason,
        "components": plan["components"][0],
        "plan": json.dumps({key: plan[key] for key in ("back_off_scale", "after_seconds")}),
    }


def counts(rows: list[dict[str, Any]]) -> str:
    """Write the runs per program as a Markdown table."""
    lines = ["| program | part | runs | leaks | decidable | relabelled | kills |", "|---|---|---|---|---|---|---|"]
    for name in [*sorted({row["shape"] for row in rows}), "all"]:
        mine = [row for row in rows if name in (row["shape"], "all")]
        marks = [str(sum(int(row[key]) for row in mine)) for key in ("leak", "decidable", "relabelled", "oom_kills")]
        lines.append(
            f"| {name} | {mine[0]['part'] if name != 'all' else ''} | {len(mine)} | " + " | ".join(marks) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Make everything of each part."""
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    plan = [json.loads(line) for line in (target / "plan.jsonl").read_text().splitlines()]
    taken: set[tuple[str, str]] = set()
    everything: list[dict[str, Any]] = []
    for part in PARTS:
        mine = sorted(run["run"] for run in plan if run["label"]["part"] == part)
        finished = [run for run in mine if (folder / f"{run}.parquet").exists()]
        if not finished:
            everything += pl.read_csv(target / f"{part}_labels.csv", infer_schema_length=None).rows(named=True)
            continue
        read_runs = [read(folder, run, taken) for run in finished]
        # A load that never got through shows nothing but a program that starts.
        pairs = [pair for pair in read_runs if (pair[0].frame["work_total"].max() or 0) and pair[0].frame.height > 100]
        for shown, _ in (pair for pair in read_runs if pair not in pairs):
            print(f"{shown.plan['run']} {shown.plan['label']['shape']} was never under load and is left out")
        triples = [weighed(*pair) for pair in pairs]
        rows = [label_run(*triple) for triple in triples]
        runs = [shown for shown, _, _ in triples]
        corpus.store(part, runs, rows, target, "data/field of rmtoolkit", folder.parent)
        corpus.store_futures(part, [whole for _, whole, _ in triples], target)
        everything += rows
    corpus.tell(target / "README.md", counts(everything), "<!-- counts: made by data/field/pack.py -->")


if __name__ == "__main__":
    main()
