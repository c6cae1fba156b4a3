"""Make `data/samples` of the recorded plan: one export per run, the truth table, and the table in the README.

Usage: ``python data/lab/samples.py out/samples/raw data/samples``
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl
import recorded
from export import export

_SUFFIX = {
    "prometheus": "",
    "prometheus_one_file": ".json",
    "kubectl_top": ".top.log",
    "kubectl_top_all": ".top.log",
    "jemalloc_text": ".stats.log",
    "jemalloc_json": ".stats.log",
}
COLUMNS: tuple[str, ...] = (
    "sample",
    "format",
    "namespace",
    "workload",
    "container",
    "verdict",
    "pattern",
    "cause",
    "time_scale",
    "seconds_recorded",
    "limit_bytes",
    "peak_bytes",
    "lost_bytes",
    "lost_bytes_per_hour",
    "oom_kills",
    "run",
)
_BEGIN, _END = "<!-- truth table: made by data/lab/samples.py -->", "<!-- end of the truth table -->"


def lost_bytes(frame: pl.DataFrame) -> int:
    """Sum what the containers lost in a frame: the growth of their dead bytes within each life."""
    grown = (
        frame.select("container", "life", dead=pl.col("dead_bytes") + pl.col("outside_dead_bytes"))
        .drop_nulls()
        .group_by("container", "life")
        .agg(pl.col("dead").last() - pl.col("dead").first())
    )
    return int(grown["dead"].sum())


def make(folder: Path, line: dict[str, Any], target: Path) -> dict[str, Any]:
    """Export one run.

    Returns
    -------
    dict
        Its row of the truth table; rates are in the time of the cluster.
    """
    label = line["label"]
    run = recorded.read(folder, line["run"], time_scale=label["time_scale"], shown_seconds=label.get("shown_seconds"))
    first = run.containers[0]
    name = first["workload"] + _SUFFIX[label["export"]]
    where = target / name
    if where.is_dir():
        shutil.rmtree(where)
    export(run, label["export"], where, log=folder / f"{line['run']}.log", every=label.get("every", 1))
    hours = (run.end - run.start) / 3600
    lost = lost_bytes(run.frame)
    return {
        "sample": name,
        "format": label["export"],
        "namespace": first["namespace"],
        "workload": first["workload"],
        "container": first["container"],
        "verdict": label["verdict"],
        "pattern": label["pattern"],
        "cause": label["cause"],
        "time_scale": run.time_scale,
        "seconds_recorded": (run.end - run.start) // run.time_scale,
        "limit_bytes": line["limit_bytes"],
        "peak_bytes": run.frame["working_set_bytes"].max(),
        "lost_bytes": lost,
        "lost_bytes_per_hour": round(lost / hours),
        "oom_kills": sum(event["kind"] == "oom_kill" for one in run.containers for event in one["events"]),
        "run": line["run"],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Write the truth as a Markdown table."""
    head = ("sample", "verdict", "pattern", "cause", "lost, measured inside", "peak of limit", "OOM kills")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        lost = "nothing" if not row["lost_bytes"] else f"{row['lost_bytes_per_hour'] / 2**20:,.2f} MiB per hour"
        peak = f"{row['peak_bytes'] >> 20} of {row['limit_bytes'] >> 20} MiB"
        cause = row["cause"].rstrip("|").replace("|", " or ") + (" or none" if row["cause"].endswith("|") else "")
        cells = (
            f"`{row['sample']}`",
            row["verdict"],
            row["pattern"].replace("|", " or "),
            cause,
            lost,
            peak,
            row["oom_kills"],
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Export every run of the plan and renew the tables."""
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    plan = [json.loads(line) for line in (target / "plan.jsonl").read_text().splitlines()]
    rows = [make(folder, line, target) for line in plan]
    with (target / "truth.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    readme = target / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    readme.write_text(f"{before}{_BEGIN}\n{table(rows)}\n{_END}{rest.partition(_END)[2]}")


if __name__ == "__main__":
    main()
