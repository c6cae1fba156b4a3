"""What an Assessment of the worked fleet says, written down.

``python -m tests.assessment.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit.assessment import WORKLOADS, _incomplete, _rows, _totals
from rmtoolkit.schema import LOST_ROWS, LOST_VALUES, Action, Alarm, Report
from tests import fleet
from tests.written import markup, plain, write

FOLDER: Final = Path(__file__).parents[1] / "data" / "assessment"
#: What the worked examples of analysis have in full.
_ELSEWHERE: Final = ("evidence", "explanation", "headline", "why", "reason")


PAIRS: Final = Path(__file__).parents[2] / "data" / "causes" / "pairs"


@cache
def assessed(name: str) -> rm.Assessment:
    """One side of a pair of recordings of one program."""
    return rm.assess(rm.read(PAIRS / f"{name}.parquet"))


def compared_pairs() -> dict[str, list[str]]:
    """What is said of each pair, and of each the other way round; of one where something is missing; of a fleet."""
    told = {}
    now = set(fleet.assessed().workloads["name"])
    for at, name in enumerate(fleet.before().workloads["name"].sort()):
        here = assessed(f"local-{at % 3 + 1}")
        told[f"{name} here"] = rm.compare(here, fleet.before(), name).summary().splitlines()
        if name in now and name.count("/") == 1:
            told[f"{name} then"] = rm.compare(fleet.before(), fleet.assessed(), name).summary().splitlines()
    for number in (1, 2, 3):
        local, cluster = assessed(f"local-{number}"), assessed(f"cluster-{number}")
        told[f"{number} there"] = rm.compare(local, cluster).summary().splitlines()
        told[f"{number} back"] = rm.compare(cluster, local).summary().splitlines()
    lacking = dataclasses.replace(
        rm.compare(local, cluster), incomplete="a store did not answer", limit_text="It has no limit."
    )
    html = markup(lacking._repr_html_())
    return told | {"incomplete": lacking.summary().splitlines()[:6], "html": html, "repr": [repr(lacking)]}


#: What a row may hold of each column, most at a turn, where words are made of it.
_HELD: Final[dict[str, tuple[Any, ...]]] = {
    "alarm": (None, *Alarm),
    "kills_7d": (0, 0, 1, 2),
    "last_kill": (fleet.NOW,),
    "limit_at": (None, fleet.NOW, fleet.NOW),
    "hours_to_limit": (-1.0, 0.0, 0.4, 30.0, 168.0, 168.5, 2160.0, 2161.0),
    "limit_known": (True, False),
    "limit_outlook": ("reaches", "bounded"),
    "verdict": ("leak", "not_leak", "inconclusive"),
    "growing": (True, False, False),
    "growth_bytes_per_day": (None, 3.0e6, 9.0e8),
    "oom_probability_24h": (None, 0.0001, 0.2),
    "oom_probability_7d": (None, 0.05, 0.0501, 0.4989, 0.499, 1.0),
    "oom_probability_30d": (None, 0.498, 0.499, 1.0),
    "action": tuple(Action),
    "bound_by": (None, "startup", "allocator"),
    "undecided_until": (None, fleet.NOW),
    "kills_now": (0, 0, 0, 1, 3),
    "killed_limit_bytes": (None, 256 << 20),
    "limit_bytes": (None, 256 << 20, 512_000_000),
    "need_bytes": (None, 200 << 20),
    "need_of": ("working set", "kernel peak"),
    "advised_limit_bytes": (300 << 20,),
    "advised_oom_probability": (None, 0.01),
    "wait_seconds": (3600.0,),
    "history_seconds": (None, 0.0, 7200.0, 86_400 / 1.02, 7 * 86_400 / 1.02 - 1, 7 * 86_400 / 1.02),
    "accepted": (True, False, False, False),
    "peak_bytes": (None, 100 << 20, 250 << 20),
    "container": ("main", "proxy", None),
    "risk_basis": (None, "forecast", "margins"),
    "next_text": ("Wait.",),
}


def words_by_lot(number: int = 300) -> dict[str, list[Any]]:
    """What is said of rows and of totals in which everything is drawn."""
    told: list[Any] = []
    rows: list[dict[str, Any]] = []
    for seed in range(number):
        lot = Random(seed)  # noqa: S311
        row = {name: lot.choice(several) for name, several in _HELD.items()}
        rows.append(row | {"cluster": None, "namespace": "shop", "workload": f"w{seed}"})
        advice = _rows._of_limit(
            row | {"undecided_until": fleet.NOW}, lot.choice((*_rows._VERBS, Action.WAIT, Action.FIX_EXPORTER))
        )
        words = (_rows._worst(row), _rows._limit_because(row), _rows._alarm_text(row), _totals._because(row, 0.05))
        told.append([*words, advice.sentence])
    frame = pl.DataFrame(rows, schema={name: WORKLOADS.get(name, pl.Int64()) for name in rows[0]})
    ranked = _rows.by_urgency(_rows.with_alarms(frame, 0.05))
    order = ranked.select("workload", "alarm", "above_target", "reaches_soon").rows()
    calm, totals = fleet.assessed().fleet, []
    for seed in range(number):
        lot = Random(seed)  # noqa: S311
        few: dict[str, Any] = {name: lot.choice((0, 0, 1, 2)) for name in _COUNTED}
        alarms = tuple((str(name), lot.choice((0, 1, 3))) for name in Alarm)
        one = dataclasses.replace(calm, **few, alarms=alarms, stale=lot.choice((True, False)))
        totals.append([one.sentence, one.age_sentence])
    return {"rows": told, "totals": totals, "order": list(map(list, order))}


_COUNTED: Final = (
    "leak", "inconclusive", "not_leak", "killed", "leaks_reaching", "leaks_unknown", "dying_otherwise"
)  # fmt: skip


#: What was otherwise last time, of whom.
_BEFORE: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("killed-climbs", {"kills": 1, "growth_bytes_per_day": 9.0e6, "hours_to_limit": None, "verdict": "leak"}),
    ("restarted-before-it-fills", {"verdict": "leak", "growth_bytes_per_day": 1.0e6, "hours_to_limit": 900.0}),
    ("quick-flutter", {"verdict": "leak", "limit_bytes": 128 << 20, "advised_limit_bytes": 256 << 20}),
    ("teeth-on-a-rising-floor", {"verdict": "not_leak", "hours_to_limit": None}),
    ("release-after-a-gap", {"verdict": "leak", "limit_bytes": 1 << 30, "hours_to_limit": 500.0}),
    ("held-at-its-limit", {"kills": 3, "kills_7d": 3}),
    ("killed-while-starting", {"kills": 1, "kills_7d": 1, "verdict": "not_leak"}),
    ("days-and-nights", {"verdict": "leak", "growth_bytes_per_day": 5.0e6}),
    ("thread-stacks", {"verdict": "leak", "growth_bytes_per_day": None, "version": "0.9"}),
    ("start-and-bursts", {"oom_probability_7d": 0.01}),
    ("kept-pages", {"oom_probability_7d": 0.6, "version": "0.9"}),
    ("free-lists-without-a-heap", {"oom_probability_7d": 0.6}),
    ("a-step-and-a-slow-rise", {"limit_bytes": 512 << 20, "advised_limit_bytes": 1 << 30}),
    ("late-and-young", {"limit_bytes": 300 << 20, "oom_probability_7d": None}),
    ("few-samples", {"oom_probability_7d": 0.3}),
    ("files-in-a-tmpfs", {"workload": "another"}),
    ("outside-the-allocator", {"workload": "gone-leaking", "verdict": "leak"}),
)


def _changes() -> list[dict[str, Any]]:
    """What is said to have changed since such a last time, and how many changes of which kind there are."""
    rows = {row["workload"]: row for row in fleet.assessed().workloads.iter_rows(named=True)}
    for name, otherwise in _BEFORE:
        rows[name] = rows[name] | otherwise
    before = pl.DataFrame(list(rows.values()), schema=WORKLOADS)
    found = rm.assess(fleet.recording(), previous=before, prices=fleet.PRICES, now=fleet.NOW)
    changed = found.workloads.select("name", "change", "changed", "applied", "^previous.*$").filter(
        pl.col("change") != "same"
    )
    fleets = {name: value for name, value in dataclasses.asdict(found.fleet).items() if name in _OF_CHANGES}
    return [*(plain(row) for frame in (found.changes, changed) for row in frame.iter_rows(named=True)), plain(fleets)]


_OF_CHANGES: Final = ("leaks_new", "leaks_gone", "appeared", "gone", "above_target_before")


def _longer(found: rm.Assessment) -> pl.DataFrame:
    return pl.concat([found.workloads] * 3)


def _lacking(number: int = 40) -> list[Any]:
    """What is said to be missing, of reports drawn by lot."""
    reasons = (*LOST_VALUES, *LOST_ROWS, "lines that could not be read", "something else")
    lines = ("a store did not answer.", "no owners", "a\tb", "c", "d")
    told = []
    for seed in range(number):
        lot = Random(seed)  # noqa: S311
        left_out = {reason: lot.choice((1, 2345)) for reason in reasons if lot.random() < 0.4}
        share = lot.choice((0.0, 0.004, 0.2))
        partial, unusable = (lines[: lot.choice((0, 0, 1, 5))] for _ in range(2))
        told.append(_incomplete(Report(left_out=left_out, dropped_share=share, partial=partial, unusable=unusable)))
    return told


def told() -> dict[str, list[Any]]:
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
    rows: dict[str, list[Any]] = {
        name: [plain(row) for row in frame.iter_rows(named=True)] for name, frame in frames.items()
    }
    fleets = [plain(dataclasses.asdict(one.fleet)) for one in (found, fleet.before())]
    said = [
        {"sentence": one.fleet.sentence, "repr": repr(one), "span": plain(one.span)} for one in (found, fleet.before())
    ]
    rows["html"] = [markup(one._repr_html_()) for one in (found, dataclasses.replace(found, workloads=_longer(found)))]
    rows["incomplete"] = _lacking()
    return rows | {"fleet": fleets, "said": said, "changed": _changes()}


if __name__ == "__main__":
    write(FOLDER / "fleet.json", told())
    write(FOLDER / "compared.json", compared_pairs())
    write(FOLDER / "words.json", words_by_lot())
