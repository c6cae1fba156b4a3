"""What an Assessment of the worked fleet says, written down.

``python -m tests.assessment.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import polars as pl

from tests import fleet
from tests.written import plain, write

FOLDER: Final = Path(__file__).parents[1] / "data" / "assessment"
#: What the worked examples of analysis have in full.
_ELSEWHERE: Final = ("evidence", "explanation", "headline", "why", "reason")


def told() -> dict[str, list[dict[str, Any]]]:
    """Every frame but those that analysis gives as they are; of long ones some rows."""
    found = fleet.assessed()
    several = pl.col("name").is_in(["days-and-nights", "heap-leak", "release-after-a-gap"])
    frames = {
        "workloads": found.workloads.drop("evidence", "explanation"),
        "instances": found.instances.filter(pl.len().over("workload", "container") > 1 | several).drop(_ELSEWHERE[:4]),
        "lives": found.lives.select("workload_id", "container_id", "life", "ended", "start", "end"),
        "evidence": found.evidence.select("workload_id", "statistic", "says", "start", "end", "lives").gather_every(2),
        "advice": found.advice,
        "queries": found.queries.gather_every(3),
        "changes": found.changes,
        "risk_curves": found.risk_curves.drop("cluster", "namespace", "workload", "container").gather_every(3),
        "buys": found.buys,
        "capacity": found.capacity,
        "findings": found.findings,
        "completeness": found.completeness,
    }
    rows = {name: [plain(row) for row in frame.iter_rows(named=True)] for name, frame in frames.items()}
    fleets = [plain(dataclasses.asdict(one.fleet)) for one in (found, fleet.before())]
    said = [
        {"sentence": one.fleet.sentence, "repr": repr(one), "span": plain(one.span)} for one in (found, fleet.before())
    ]
    return rows | {"fleet": fleets, "said": said}


if __name__ == "__main__":
    write(FOLDER / "fleet.json", told())
