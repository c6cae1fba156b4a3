"""What is said of the limits of the worked fleet, of changed pasts and of past weeks, written down.

``python -m tests.limits.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from msgspec import structs

import rmtoolkit as rm
from rmtoolkit.analysis.records import Ahead
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits import baselines, history, patches, recommend, risk, what_if
from rmtoolkit.limits.backtest import mcnemar
from rmtoolkit.limits.history import as_need
from rmtoolkit.limits.risk import USUAL, wilson
from rmtoolkit.limits.what_if import Change, of_workload
from tests import fleet
from tests.analysis.curves import BEGIN, MI
from tests.limits.conftest import DAY, gather, samples
from tests.written import plain, write

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER: Final = Path(__file__).parents[1] / "data" / "limits"
RULES: Final = (baselines.vpa_memory, baselines.krr_memory)
CHANGES: Final[tuple[dict[str, Any], ...]] = (
    {"startup_scale": 0.4},
    {"startup_spread_seconds": 1800},
    {"traffic": 1.6},
    {"traffic": 0.5, "startup_scale": 1.5},
    {"threads": 16},
    {"purge": True},
)
NAMES: Final = ("workload", "container")


def _rows(frame: pl.DataFrame, *, drop: Iterable[str] = ("cluster", "namespace")) -> list[Any]:
    return [plain(row) for row in frame.drop(drop, strict=False).iter_rows(named=True)]


@cache
def weeks() -> rm.Recording:
    """Eight workloads over six weeks; one climbs, one was killed in the fourth, and one leaks."""
    days = 42
    hour = np.arange(days * 24)
    ripple = np.sin(hour**2 * 0.7)
    curves = {
        "level": 200 + 2 * ripple,
        "climbing": 150 + 0.04 * hour + 3 * np.sin(hour / 4) + ripple,
        "mondays": 120 + 60 * (hour % 168 < 9) + ripple,
        "starting": 140 + 90 * (hour % 100 < 2) + ripple,
        "killed": 100 + 70 * np.isin(hour, [520, 521, 700]) + ripple,
        "leaking": 80 + 0.3 * hour + ripple,
        "evenings": 160 + 30 * (hour % 24 > 17) + ripple,
        "buffers": 90 + 2 * (hour % 12) + ripple,
    }
    frames = [
        samples(
            values * MI, workload=name, pod=f"{name}-{pod}", limit_bytes=512 * MI, request_bytes=256 * MI
        ).with_columns(restarts_total=pl.Series(hour // 100 if name == "starting" else hour * 0))
        for name, values in curves.items()
        for pod in range(2 if name == "mondays" else 1)
    ]
    killed = pl.DataFrame(
        [{"time": 1_750_000_000 + 522 * 3600, "kind": "oom_kill", "pod": "killed-0", "workload": "killed"}]
    )
    return rm.Recording.from_frame(pl.concat(frames), events=killed)


def advice() -> dict[str, list[Any]]:
    """Limits at three chances, the risk of some limits, what others recommend, patches."""
    found = fleet.recording()
    known = gather(found)
    margins = rm.Margins.shipped()
    told = {f"at {chance:g}": _rows(recommend.of_gathered(known, chance, margins)) for chance in (0.01, 0.2)}
    told["priced"] = _rows(
        recommend.of_gathered(known, 0.05, margins, prices=dataclasses.replace(USUAL, per_gib_hour=0.01)).select(
            *NAMES, "^cost.*$"
        )
    )
    told["needs"] = _rows(known)
    limits = [64 * MI, 256 * MI, 300 * MI, 1024 * MI]
    told["risk"] = _rows(rm.limit_risk(found, limits))
    for rule in RULES:
        told[rule.__name__] = _rows(rule(found))
        told[f"{rule.__name__} of one sample"] = _rows(rule(found.filter(workload="few-samples").window(end=BEGIN)))
    told["max + 12.5 %"] = _rows(baselines.max_plus(found, 12.5))
    workloads = fleet.before().workloads
    told["patches"] = patches.patches_yaml(workloads).splitlines()
    return told


def pasts() -> dict[str, list[Any]]:
    """What would have been used, which kills a limit would have caused, and what the explorer says of both."""
    told: dict[str, list[Any]] = {"replayed": _rows(rm.replay(fleet.recording(), 128 * MI).gather_every(9), drop=())}
    # What reaches a limit is not above it.
    peaks = rm.classify(fleet.recording()).select("workload", "container", "peak_bytes")
    for less in (0, 1):
        at = rm.replay(
            fleet.recording(), peaks.select("workload", "container", limit_bytes=pl.col("peak_bytes") - less)
        )
        told[f"at its peak less {less}"] = [
            plain(row) for row in at.group_by("workload", "phase").len().sort("workload").rows()
        ]
    own = fleet.recording().containers.select("workload", limit_bytes=pl.col("limit_bytes") // 2).unique()
    told["at half of its own limit"] = _rows(rm.replay(fleet.recording(), own), drop=())
    for options in CHANGES:
        used_by: list[Any] = []
        for name in (
            "start-and-bursts",
            "restarted-before-it-fills",
            "killed-while-starting",
            "thread-stacks",
            "kept-pages",
        ):
            try:
                then = rm.what_if(fleet.recording().filter(workload=name), **options)
            except RmtoolkitError as error:
                used_by.append({"error": str(error)})
                continue
            used = then.recording.samples.select(pl.coalesce("working_set_bytes", "rss_bytes").alias("used"))["used"]
            used_by.append(
                plain({"name": name, "used": list(map(float, used)), "most": used.max(), "mean": used.mean()})
                | {"said": list(then.assumptions)}
            )
        told[str(options)] = used_by
    known = {row["workload"]: as_need(row) for row in gather(fleet.recording()).iter_rows(named=True)}
    changes = (
        Change(),
        Change(startup_scale=0.5),
        Change(startup_spread_seconds=1200.0),
        Change(traffic=1.8),
        Change(traffic=1.3, startup_scale=1.4, startup_spread_seconds=600.0),
    )
    for name in ("start-and-bursts", "killed-while-starting", "days-and-nights", "late-and-young", "killed-climbs"):
        need = known[name]
        past = of_workload(fleet.recording(), need.names)
        rows: list[Any] = [{"spike": plain(what_if.measured_spike(past)), "history": past.history_seconds}]
        for change, whole in zip(changes, (None, True, False, None, True), strict=True):
            scene = what_if.scene(past, need, change, rm.Margins.shipped(), 0.05, whole=whole)
            after = {key: value for key, value in structs.asdict(scene.found.need).items() if key != "ahead"}
            rows.append(plain({"need": after, "low": scene.low, "high": scene.high, "wide": scene.wide}))
            rows += [plain(level._asdict() | {"room": level.room(300 * MI)}) for level in scene.found.levels]
            rows += _rows(scene.curve.gather_every(24))
            for limit in (150 * MI, scene.ours_bytes or 400 * MI):
                chosen = what_if.choose(scene, limit)
                one = structs.asdict(chosen)
                rows.append(plain(one | {"kills": chosen.kills.to_dicts(), "risk": structs.asdict(chosen.risk)}))
        told[name] = rows
    return told


def past_weeks() -> dict[str, list[Any]]:
    """Weeks of the past, margins that are learnt from them, and limits that follow."""
    found = rm.backtest(weeks(), history="14d", promised=(0.2, 0.05))
    learnt = rm.learn_margins(weeks())
    told = {
        "weeks": _rows(found.weeks.gather_every(7)),
        "arms": _rows(found.arms),
        "calibration": _rows(found.calibration),
        "margins": _rows(learnt.tables),
        "needs": _rows(gather(weeks())),
        "limits": _rows(rm.recommend_limits(weeks(), 0.1, margins=learnt)),
        "risk": _rows(rm.limit_risk(weeks(), [200 * MI, 260 * MI])),
    }
    chosen = [(seconds, spread) for seconds in (3600, DAY, 3 * DAY, 8 * DAY, 40 * DAY) for spread in (0.05, 1.0)]
    scores = [plain(list(map(float, rm.Margins.shipped().scores(seconds, spread).rises))) for seconds, spread in chosen]
    short = weeks().window(end=dt.datetime.fromtimestamp(1_750_000_000 + 5 * 3600, dt.UTC))
    told["first hours"] = _rows(rm.recommend_limits(short))
    counts = [(0, 0), (1, 1), (0, 7), (2, 9), (5, 5), (20, 40), (39, 40)]
    told["tests"] = [
        plain([one, two, *wilson(one / max(one + two, 1), one + two), mcnemar(one, two)]) for one, two in counts
    ]
    return told | {
        "scores": scores,
        "said": [repr(found), repr(learnt), rm.backtest(weeks(), history="7d").weeks.height],
    }


def _ahead(per_day: float) -> dict[str, Any]:
    """Growth by so much a day, and nothing else that is known of it."""
    return structs.asdict(Ahead(per_day_bytes=per_day, error_bytes=per_day / 8, error_up_bytes=per_day / 4))


#: What a need may be otherwise, each thing by itself.
_OTHERWISE: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"limit_bytes": None, "limit_known": False, "request_bytes": None},
    {"limit_bytes": None, "limit_known": True},
    {"limit_bytes": 64 * MI},
    {"limit_bytes": 4096 * MI},
    {"limit_bytes": 4096 * MI, "request_bytes": 4096 * MI},
    {"request_bytes": 40 * MI},
    {"request_bytes": None, "busy_bytes": None},
    {"busy_bytes": 2000 * MI},
    {"kills": 2, "kills_now": 2, "killed_days": 1.5, "killed_limit_bytes": None},
    {"kills": 1, "kills_now": 1, "killed_days": 0.5, "killed_limit_bytes": 300 * MI, "limit_bytes": 400 * MI},
    {"kills": 9, "kills_now": 1, "killed_days": 0.9, "killed_limit_bytes": 300 * MI, "limit_bytes": 300 * MI},
    {"history_seconds": 600.0},
    {"history_seconds": 1800.0, "limit_bytes": None},
    {"history_seconds": 3600.0},
    {"history_seconds": 30 * 3600.0},
    {"history_seconds": 5 * 86_400.0},
    {"history_seconds": 8 * 86_400.0},
    {"history_seconds": 40 * 86_400.0, "climbing": True},
    {"spread": None},
    {"spread": 0.0001},
    {"spread": 1.5},
    {"base_bytes": None},
    {"above_hours": 1.5},
    {"need_of": "kernel peak", "need_bytes": 700 * MI},
    {"peak_bytes": 900 * MI},
    {"peak_bytes": None},
    {"peak_bytes": None, "need_bytes": None},
    {"peak_pod": None, "hot_ratio": 1.31, "hot_pod": "api-1"},
    {"peak_time": None, "hot_ratio": 1.29},
    {"startup_peak_bytes": 390 * MI, "settled_bytes": 200 * MI, "pattern": "startup_spike"},
    {"startup_peak_bytes": 390 * MI, "settled_bytes": 380 * MI},
    {"growing": True, "verdict": "leak", "growth_bytes_per_day": None},
    {"growing": True, "verdict": "leak", "growth_bytes_per_day": 50.0 * MI, "ahead": _ahead(50.0 * MI)},
    {
        "growing": True,
        "verdict": "inconclusive",
        "growth_bytes_per_day": 50.0 * MI,
        "limit_bytes": None,
        "ahead": _ahead(50.0 * MI),
    },
    {"growing": True, "verdict": "leak", "growth_bytes_per_day": 10.0, "ahead": _ahead(10.0)},
    {"growing": False, "verdict": "not_leak", "exporter_broken": True},
    {"growing": False, "verdict": "not_leak", "pattern": "retention", "purged_base_bytes": 120.0 * MI},
    {"growing": False, "verdict": "not_leak", "pattern": "plateau", "also": ["retention"], "limit_bytes": 2048 * MI},
    {"growing": False, "verdict": "inconclusive", "pattern": "insufficient_data"},
    {"pods": 5, "pods_now": 4},
    {"pods_now": 0},
    {"vpa_target_bytes": None, "krr_limit_bytes": None},
)
_SHOWN: Final = (
    *(
        "action",
        "recommended_request_bytes",
        "recommended_limit_bytes",
        "oom_probability",
        "oom_probability_now",
        "pairs",
    ),
    *("reason", "headroom", "purged_limit_bytes", "raise_to_bytes", "buys_days", "qos_now", "qos_then", "provisional"),
    *("reserved_now_bytes", "reserved_then_bytes", "cost_now_per_month", "oom_probability_24h", "oom_probability_30d"),
    *("oom_probability_7d_low", "oom_probability_7d_high", "risk_basis", "risk_because", "target_limit_bytes"),
    *("advised_basis", "incidents_then_per_month", "wait_seconds"),
)


def otherwise() -> dict[str, list[Any]]:
    """What is advised where one thing of a need is otherwise, at two chances."""
    known = gather(fleet.recording())
    told: dict[str, list[Any]] = {}
    for name, chance in (
        ("start-and-bursts", 0.05),
        ("days-and-nights", 0.0005),
        ("late-and-young", 0.05),
        ("killed-climbs", 0.3),
    ):
        base = known.filter(workload=name)
        changed = [
            base.with_columns(pl.lit(value, known.schema[key]).alias(key) for key, value in one.items())
            for one in _OTHERWISE
        ]
        advised = recommend.of_gathered(pl.concat(changed), chance, rm.Margins.shipped(), prices=fleet.PRICES)
        rows = [plain(row) for row in advised.select(_SHOWN).iter_rows(named=True)]
        first = rows[0]
        # Only what is otherwise than in the first row, and the reason.
        told[name] = [first, *({k: row.get(k) for k in _SHOWN if row.get(k) != first.get(k)} for row in rows[1:])]
        # The names are the same: a chance for each need by itself.
        found = [risk.of_needs(one, [500 * MI], rm.Margins.shipped()) for one in changed]
        told[f"risk of {name}"] = [plain(list(row)[4:]) for frame in found for row in frame.iter_rows()]
    return told


#: Figures of a need, most of them at a turn.
_HOURS: Final = (0.5, 1.0, 10.0, 24.0, 24 / 1.02, 30.0, 48.0, 60.0, 84.0, 100.0, 164.0, 168.0, 400.0, 1400.0)
_SHARES: Final = (0.5, 0.8, 0.9, 0.95, 1.0, 1.0, 1.1, 1.2, 1.25, 1.5, 2.0, 3.0, 8.0)
_NAMED: Final[dict[str, tuple[Any, ...]]] = {
    "spread": (None, 0.0, 0.05, 0.2, 0.4, 1.0, 2.0),
    "climbing": (None, False, False, True),
    "need_of": (None, history.WHOLE, history.PRESSED, "kernel peak", "above a kill", "with swap"),
    "since": (None, None, None, dt.datetime(2026, 11, 20, 7, 30, tzinfo=dt.UTC)),
    "cadence_seconds": (None, 15.0, 599.0, 600.0, 3600.0),
    "kills": (0, 0, 0, 0, 0, 1, 5),
    "kills_hours": (None, 0.5, 24.0, 100.0),
    "pods_now": (0, 1, 3),
    "limit_known": (True, False),
    "peak_pod": (None, "api-0"),
    "peak_time": (None, dt.datetime(2026, 11, 22, 3, 4, 5, tzinfo=dt.UTC)),
    "hot_ratio": (None, 1.0, 1.3, 1.31),
    "verdict": (*("not_leak",) * 6, "inconclusive", "leak", None),
    "pattern": ("plateau", "startup_spike", "retention", "fragmentation", "at_limit", "page_cache"),
    "also": ((), (), ("startup_spike",), ("retention", "startup_spike")),
    "cause": (None, None, None, "tmpfs"),
    "exporter_broken": (*(False,) * 11, True),
}
#: Of the sizes those that are nearly always known.
_KNOWN: Final = ("base_bytes", "limit_bytes", "request_bytes", "busy_bytes", "peak_bytes")
_OF_ADVICE: Final = tuple(name for name in (*_SHOWN, "cost_then_per_month") if name != "reason")


def by_lot_need(seed: int) -> tuple[history.Need, float]:
    """A need in which everything is drawn, and a limit to try."""
    lot = Random(seed)  # noqa: S311
    need = lot.choice((0, 1, 20, *(300,) * 9, 5000)) * MI

    def about(*more: Any) -> int | None:
        """Some share of the need, or nothing."""
        share = lot.choice((*_SHARES, *more))
        return None if share is None else round(share * need)

    def rate() -> float | None:
        return lot.choice((None, None, -0.1, 0.0, 0.001, 0.01, 0.1, 0.5)) and need * lot.choice((0.001, 0.01, 0.1, 0.5))

    middle = rate()
    level = about(None)
    ahead = Ahead(
        per_day_bytes=middle,
        error_bytes=None if middle is None else middle * lot.choice((0.01, 0.3, 1.0)),
        error_up_bytes=None if middle is None else middle * lot.choice((0.01, 0.3, 1.0)),
        level_bytes=level,
        fresh_bytes=None if level is None else level * lot.choice((0.3, 1.0)),
        noise_bytes=0.01 * need,
        goes_on=lot.choice((None, 0.05, 0.1, 0.5, 0.6, 0.9, 0.95, 1.0)),
        age_hours=lot.choice((0.0, 5.0, 100.0)),
        longest_hours=lot.choice((None, 4.0, 24.0, 200.0)),
    )
    values: dict[str, Any] = {name: lot.choice(several) for name, several in _NAMED.items()}
    values["kills_now"] = min(values["kills"], lot.choice((0, 1, 5)))
    values["killed_days"] = values["kills_now"] / 2
    sizes: tuple[str, ...] = (
        "base_bytes",
        "killed_limit_bytes",
        "limit_bytes",
        "request_bytes",
        "node_bytes",
        "busy_bytes",
    )
    sizes += ("peak_bytes", "startup_peak_bytes", "settled_bytes", "purged_base_bytes")
    values |= {name: about(None) if name in _KNOWN else about(*(None,) * 15) for name in sizes}
    if lot.random() < 0.2:
        values["request_bytes"] = values["limit_bytes"]
    growing = values["verdict"] == "leak" or lot.random() < 0.2
    values["growth_bytes_per_day"] = rate()
    length = 3600 * lot.choice(_HOURS)
    drawn = history.Need(
        workload="api", need_bytes=need, history_seconds=length, growing=growing, ahead=ahead, **values
    )
    return drawn, float(about() or MI)


def by_lot(number: int = 400) -> dict[str, list[Any]]:
    """What is advised where everything of a need is drawn, at the chance, with the prices and pairs that are drawn."""
    shipped = rm.Margins.shipped()
    few = dataclasses.replace(shipped, origin="learnt", own=(0.5, 0.9, 1.2), own_pairs=40, swing=0.02)
    known: dict[str, int] = {}
    rows: list[Any] = []
    for seed in range(number):
        lot = Random(-1 - seed)  # noqa: S311
        need, limit = by_lot_need(seed)
        margins = lot.choice((shipped, shipped, few))
        chance, prices = lot.choice((0.0004, 0.01, 0.05, 0.05, 0.3)), lot.choice((None, USUAL, fleet.PRICES))
        advised = recommend.advise(need, chance, margins, prices)
        one = risk.risk(need, limit, margins.scores(need.history_seconds or 0.0, need.spread or 0.0))
        shown = [advised.action, *(getattr(advised, name) for name in _OF_ADVICE), *structs.astuple(one)]
        words = [str(plain(value)) for value in shown if value not in (advised.risk_because, one.because)]
        sentences = [
            *(f"{part}." for part in advised.reason.rstrip(".").split(". ")),
            advised.risk_because,
            one.because,
        ]
        rows.append([" ".join("-" if word == "None" else word for word in words)])
        rows[-1] += [known.setdefault(sentence, len(known)) for sentence in sentences]
    return {"advised": rows, "sentences": list(known)}


PARTS: Final = (advice, otherwise, pasts, past_weeks, by_lot)


if __name__ == "__main__":
    for part in PARTS:
        write(FOLDER / f"{part.__name__}.json", part())
