"""What an Assessment of the worked fleet says, written down.

``python -m tests.assessment.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit.assessment import WORKLOADS, _incomplete, _rows, _totals
from rmtoolkit.limits.backtest import FORETOLD
from rmtoolkit.schema import LOST_ROWS, LOST_VALUES, UNREAD, WORKLOAD, Action, Alarm, Report
from tests import fleet
from tests.analysis.curves import BEGIN
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
        words = (_rows._worst(row), _rows._limit_because(row), _rows._alarm_text(row), _totals._why_start(row, 0.05))
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


#: What a row may hold beside, now and last time: of two that are compared both are drawn.
_ALSO: Final[dict[str, tuple[Any, ...]]] = {
    "accepted": (True, *(False,) * 7),
    "verdict": (*("leak",) * 5, *("not_leak",) * 3, "inconclusive"),
    "kills": (0, 0, 1, 2, 3, 4, 5, 6),
    "kills_since": (None, 0, 2),
    "signal": ("rss_bytes", "rss_bytes", "rss_bytes", "anon_bytes"),
    "growth_bytes_per_day": (None, 0.0, 3.0e6, 3.0e6, 4.5e6, 4.6e6, 9.0e8),
    "growth_low_bytes_per_day": (None, 3.0e6, 4.0e6, 4.0e6, 4.0e6),
    "growth_high_bytes_per_day": (None, 3.0e6, 3.0e6, 3.0e6, 9.0e8),
    "hours_to_limit": (None, -1.0, 0.4, 30.0, 168.0, 2160.0, 2160.1),
    "limit_bytes": (None, 256 << 20, 256 << 20, 300 << 20),
    "advised_limit_bytes": (None, 256 << 20, 300 << 20),
    "oom_probability_7d": (None, 0.0005, 0.012, 0.05, 0.0501, 0.06, 0.4989, 0.499, 1.0),
    "version": (None, "1.0", "1.0", "2.0"),
    "released": (None, None, fleet.NOW),
    "limit_changed": (None, fleet.NOW),
    "evidence": (
        [],
        [],
        [{"statistic": "since_version", "value": "1.0"}],
        [{"statistic": "fixed_version", "value": "9"}],
    ),
    "owner": (None, "pay", "core"),
    "pods_now": (0, 1, 3),
    "waste_bytes": (None, 0, 1 << 20),
    "waste_per_month": (None, 2.5),
    "data_age_seconds": (0.0, 180.0, 180.1),
    "cadence_seconds": (None, 60.0, 15.0),
}


def _rows_by_lot(begin: int, number: int) -> pl.DataFrame:
    """Rows of the fleet, each under a name of its own and with everything else of it drawn."""
    known = fleet.assessed().workloads.to_dicts()
    rows = []
    for seed in range(begin, begin + number):
        lot = Random(seed)  # noqa: S311
        held = {name: lot.choice(several) for name, several in (_HELD | _ALSO).items() if name in WORKLOADS}
        about = {
            "workload": f"w{seed % 1000}",
            "workload_id": seed % 1000,
            "cluster": "eu",
            "namespace": "ab"[seed % 2],
            "container": "main",
        }
        rows.append(lot.choice(known) | held | about)
    return pl.DataFrame(rows, schema=WORKLOADS)


def _running_by_lot() -> tuple[rm.Recording, pl.DataFrame]:
    """Containers whose last sample is as old as drawn, on nodes and within quotas; and when that sample was."""
    found = fleet.recording()
    number = found.containers.height
    ages = [0, *([299, 300, 301, 599, 600, 601] * number)[: number - 1]]
    containers = found.containers.with_columns(
        cadence_seconds=pl.Series([(None, 15.0, 120.0, 120.0, 15.0)[at % 5] for at in range(number)]),
        limit_bytes=pl.Series([(None, 256 << 20)[at % 7 > 1] for at in range(number)], dtype=pl.Int64),
    )
    last = pl.Series([fleet.NOW - dt.timedelta(seconds=age) for age in ages], dtype=pl.Datetime("ms", "UTC"))
    return dataclasses.replace(found, containers=containers), found.completeness().with_columns(last=last)


def happened_by_lot() -> dict[str, list[Any]]:
    """What happened when and at which limit, and what was set how long, of events and restarts that are drawn."""
    minutes, rows, events = 300, [], []
    for number in range(14):
        lot = Random(number)  # noqa: S311
        pod, work, again = f"api{number // 2}-{number % 2}", 0, {lot.randrange(20, minutes) for _ in range(3)}
        for minute in range(minutes):
            work = 0 if minute in again else work + 10
            rows.append({"time": BEGIN + dt.timedelta(minutes=minute), "pod": pod, "work_total": work})
        near = [minute + lot.choice((-11, -10, -9, 0, 9, 10, 11)) for minute in again]
        # Of the last two workloads one never had another limit, and of the other nothing is known.
        changed = ("limit", "limit", "limit", "request") if number < 10 else ()
        for minute in (*near, *(lot.randrange(minutes) for _ in range(8))) if number < 12 else ():
            kind = lot.choice((*_totals._CUTS, *changed))
            value = lot.choice((None, 100 << 20, 200 << 20, 300 << 20)) if kind in {"limit", "request"} else None
            time = BEGIN + dt.timedelta(minutes=minute, seconds=lot.choice((0, 0, 30)))
            events.append(
                {"time": time, "pod": pod, "kind": kind, "value_bytes": value, "detail": f"{minute} → {minute + 1}"}
            )
    samples = pl.DataFrame(rows).with_columns(rss_bytes=pl.lit(50 << 20), limit_bytes=pl.lit(400 << 20))
    recording = rm.Recording.from_frame(samples, events=pl.DataFrame(events))
    settings = _totals.settings_of(recording)
    happened = _totals.events_of(recording, rm.lives(recording), settings)
    ends = [BEGIN + dt.timedelta(hours=hours) for hours in (5, 170, 171.1, 172.5, 200)]
    end = recording.containers.select(WORKLOAD).unique(maintain_order=True).with_row_index("at")
    end = end.with_columns(window_end=pl.Series([ends[at % 5] for at in end["at"]], dtype=pl.Datetime("ms", "UTC")))
    frames = {
        "happened": _rows._happened(recording, end.drop("at")),
        "events": happened.drop("detail"),
        "settings": settings,
        "kills": _totals.kills_of(_foretold_by_lot()),
    }
    return {name: [plain(list(row)) for row in frame.rows()] for name, frame in frames.items()}


def _foretold_by_lot(number: int = 60) -> pl.DataFrame:
    """Kills, and what was said before of when each would come."""
    rows = []
    for seed in range(number):
        lot = Random(seed)  # noqa: S311
        said = fleet.NOW - dt.timedelta(seconds=lot.choice((300, 599, 600, 86_400)))
        times = [lot.choice((None, *(said + dt.timedelta(hours=hours) for hours in (1, 20, 30)))) for _ in range(3)]
        row = (
            seed,
            fleet.NOW,
            1 << 28,
            lot.choice((None, *(said,) * 7)),
            lot.choice(("leak", "not_leak", "inconclusive")),
        )
        rows.append((*row, lot.choice(("leak", "plateau", "insufficient_data")), *times))
    return pl.DataFrame(rows, schema=FORETOLD, orient="row")


BUYS_OF: Final = ("limit_bytes", "oom_probability", "hours_to_limit", "hours_bought", "cost_per_month")


def frames_by_lot(number: int = 300) -> dict[str, list[Any]]:
    """What changed, what limits buy, what is wrong with whom and what fits, of rows in which everything is drawn."""
    rows, before = _rows_by_lot(0, number), _rows_by_lot(1000, number - 10)
    compared, changes = _totals.compare(rows, before)
    tried = _totals.tried_limits(rows)
    curves = tried.with_columns(oom_probability=(pl.col("limit_bytes") % 97) / 97)
    needs = rows.select(*WORKLOAD, ahead=pl.struct(per_day_bytes="growth_bytes_per_day"))
    bought = [
        _totals.buys_of(rows, needs, tried, curves, prices).select("workload_id", *BUYS_OF)
        for prices in (None, fleet.PRICES)
    ]
    ranked = _rows.with_alarms(compared, 0.05)
    recording, completeness = _running_by_lot()
    groups = [ranked.slice(at, 1 if at % 40 else 20) for at in range(0, number, 4)]
    totals = [
        _totals.totals_of(one, completeness, changes.head(at) if at % 2 else None, 0.05, fleet.PRICES, before)
        for at, one in enumerate(groups)
    ]
    capacity = _totals.capacity_of(fleet.assessed().workloads, recording, completeness)
    return {
        "changes": [plain([row[0], row[1], *row[-2:]]) for row in changes.rows()],
        "compared": [plain(list(row)) for row in compared.select("change", "applied", "^previous.*$").rows()],
        "buys": [plain(list(row)) for frame in bought for row in frame.rows()],
        "groups": [plain(list(row)) for row in _totals.groups_of(ranked).rows()],
        "urgency": _rows.by_urgency(ranked.with_columns(kills_now="kills_7d"))["workload"].to_list(),
        "totals": [plain(list(dataclasses.astuple(one))) for one in totals],
        "capacity": [plain(list(row)) for row in capacity.rows()],
    }


def _longer(found: rm.Assessment) -> pl.DataFrame:
    return pl.concat([found.workloads] * 3)


def _lacking(number: int = 40) -> list[Any]:
    """What is said to be missing, of reports drawn by lot."""
    reasons = (*LOST_VALUES, *LOST_ROWS, UNREAD, "something else")
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
    return rows | {"fleet": fleets, "said": said}


if __name__ == "__main__":
    write(FOLDER / "fleet.json", told())
    write(FOLDER / "compared.json", compared_pairs())
    write(FOLDER / "words.json", words_by_lot())
    write(FOLDER / "frames.json", frames_by_lot() | happened_by_lot())
