"""A small fleet with every kind of verdict: real Recordings from arrays, and hand-made frames beside them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from rmtoolkit._tables import conform
from rmtoolkit.analysis.records import JUDGED, VERDICTS
from rmtoolkit.assessment import WORKLOADS, Assessment, _rows, assess
from rmtoolkit.assessment._totals import evidence_of, totals_of
from rmtoolkit.recording import Recording, concat
from rmtoolkit.schema import TIME, Report
from rmtoolkit.validation import FINDINGS

MI = 1 << 20
END = dt.datetime(2026, 11, 23, 3, 5, tzinfo=dt.UTC)
START = END - dt.timedelta(days=7)
HOSTILE = '"><script>alert(1)</script>\x1b[31m<!--'


SCHEMA = VERDICTS | JUDGED


def times(minutes: int = 10) -> list[dt.datetime]:
    """Seven days at one sample every few minutes."""
    count = 7 * 24 * 60 // minutes + 1
    return [START + dt.timedelta(minutes=minutes * at) for at in range(count)]


def _ledger() -> Recording:
    """A leak with allocator layers: killed once, released once."""
    stamps = times()
    hours = np.arange(len(stamps)) / 6
    kill, release = 68.5, 103.0
    noise = np.random.default_rng(1).normal(0, 1.2, len(hours))
    live = np.where(
        hours < kill,
        232 + 2.42 * hours,
        np.where(hours < release, 80 + 2.42 * (hours - kill), 88 + 2.42 * (hours - release)),
    )
    slack, kept, outside, cache = 18 + noise / 3, 22 + noise, 45 + noise / 2, 28 + 2 * noise
    seen = (hours < 40) | (hours > 41.2)
    frame = pl.DataFrame(
        {
            "time": stamps,
            "allocated_bytes": live,
            "active_bytes": live + slack,
            "resident_bytes": live + slack + kept,
            "anon_bytes": live + slack + kept + outside,
            "working_set_bytes": live + slack + kept + outside + cache - 6,
            "usage_bytes": live + slack + kept + outside + cache,
            "threads": 34,
        },
    ).with_columns((pl.col("^.*_bytes$") * MI).round().cast(pl.Int64))
    frame = frame.with_columns(
        cluster=pl.lit("prod-eu"),
        namespace=pl.lit("payments"),
        workload=pl.lit("ledger-api"),
        pod=pl.lit("ledger-api-6c9f7-x2kq8"),
        container=pl.lit("app"),
        limit_bytes=512 * MI,
        request_bytes=384 * MI,
    ).filter(pl.Series(seen))
    events = pl.DataFrame(
        {
            "pod": ["ledger-api-6c9f7-x2kq8"] * 3,
            "time": [START + dt.timedelta(hours=at) for at in (kill, kill + 0.02, release)],
            "kind": ["oom_kill", "start", "release"],
            "detail": [None, None, "2.14.1"],
        },
    )
    return Recording.from_frame(frame, events=events, source="ledger.json")


def _gateway() -> Recording:
    """A startup spike whose pages jemalloc keeps."""
    stamps = times(10)
    minutes = np.arange(len(stamps)) * 10.0
    start = 7200.0
    age = np.where(minutes < start, minutes + 4000, minutes - start)
    live = np.where(age < 20, 60 + 654 * age / 20, np.where(age < 40, 714 - 517 * (age - 20) / 20, 197.0))
    resident = np.where(age < 20, live + 30, 724.0)
    frame = pl.DataFrame(
        {
            "time": stamps,
            "allocated_bytes": live,
            "active_bytes": live + 24,
            "resident_bytes": np.maximum(resident, live + 24),
            "anon_bytes": np.maximum(resident, live + 24) + 44,
            "working_set_bytes": np.maximum(resident, live + 24) + 70,
            "usage_bytes": np.maximum(resident, live + 24) + 82,
        },
    ).with_columns((pl.col("^.*_bytes$") * MI).round().cast(pl.Int64))
    frame = frame.with_columns(
        cluster=pl.lit("prod-eu"),
        namespace=pl.lit("search"),
        workload=pl.lit("query-gateway"),
        pod=pl.lit("query-gateway-7d4b9-m8rtz"),
        container=pl.lit("app"),
        limit_bytes=1024 * MI,
        request_bytes=512 * MI,
    )
    events = pl.DataFrame(
        {
            "pod": ["query-gateway-7d4b9-m8rtz"] * 2,
            "time": [START + dt.timedelta(minutes=start), START + dt.timedelta(minutes=start)],
            "kind": ["release", "start"],
            "detail": ["5.3.0", None],
        },
    )
    return Recording.from_frame(frame, events=events, source="gateway.json")


def _plain(workload: str, namespace: str, megabytes: np.ndarray, **more: Any) -> Recording:
    """A container of which only one resident signal is known."""
    signal = more.pop("signal", "working_set_bytes")
    stamps = times(30)[-len(megabytes) :]
    events = more.pop("events", None)
    frame = pl.DataFrame({"time": stamps, signal: np.round(megabytes * MI).astype(np.int64)}).with_columns(
        cluster=pl.lit("prod-eu"),
        namespace=pl.lit(namespace),
        workload=pl.lit(workload),
        pod=pl.lit(f"{workload}-0"),
        container=pl.lit("app"),
        **{name: pl.lit(value) for name, value in more.items()},
    )
    if events is not None:
        events = events.with_columns(pod=pl.lit(f"{workload}-0"))
    return Recording.from_frame(frame, events=events, source=f"{workload}.log")


def _kills(*hours: float) -> pl.DataFrame:
    return pl.DataFrame({"time": [START + dt.timedelta(hours=at) for at in hours], "kind": ["oom_kill"] * len(hours)})


def recordings() -> Recording:
    """All workloads of the fleet as one recording."""
    hours = np.arange(337) / 2
    noise = np.random.default_rng(2).normal(0, 1.5, 337)
    spike = 290 + noise + np.where(np.isin(np.arange(337) % 84, (0, 1)), 236, 0)
    return concat(
        [
            _ledger(),
            _plain("indexer", "search", 2320 + 4.0 * hours + 60 * (hours % 12 > 10) + noise, limit_bytes=4096 * MI),
            _plain(
                "renderer", "mail", 640 + 44 / 24 * hours[:53] + noise[:53], signal="rss_bytes", limit_bytes=768 * MI
            ),
            _plain("recommender", "catalog", spike, limit_bytes=512 * MI, events=_kills(42, 84, 126)),
            _gateway(),
            _plain("router", "edge", 430 + 90 * np.sin(hours / 24 * 2 * np.pi) + noise, limit_bytes=768 * MI),
            _plain(HOSTILE, "ops", 118 + noise[:60]),
        ],
    )


def _evidence(*rows: tuple[str, str, str, int]) -> list[dict[str, Any]]:
    return [
        {"says": says, "text": what, "value": value, "weight": weight, "signal": None, "start": None, "end": None}
        for says, what, value, weight in rows
    ]


def _verdicts(recording: Recording) -> pl.DataFrame:
    ids = {row["workload"]: row for row in recording.containers.iter_rows(named=True)}

    def row(workload: str, verdict: str, **more: Any) -> dict[str, Any]:
        about = ids[workload]
        known = {
            name: about[name]
            for name in ("cluster", "namespace", "workload", "container", "limit_bytes", "limit_known", "container_id")
        }
        rest = {"pods": 1, "also": [], "workload_inferred": False, "coverage": 0.99, "evidence_level": 1, **more}
        for name in more:
            if name.endswith("_mi_per_day"):
                rest[name.replace("_mi_per_day", "_bytes_per_day")] = rest.pop(name) * MI
        rest["explanation"] = f"{rest['headline']} {rest['reason']}"
        return dict.fromkeys(SCHEMA) | known | {"verdict": verdict} | rest

    rows = [
        row(
            "ledger-api",
            "leak",
            pods=3,
            leak_probability=0.97,
            pattern="leak",
            cause="heap",
            signal="allocated_bytes",
            evidence_level=4,
            growth_mi_per_day=58.2,
            growth_low_mi_per_day=52.0,
            growth_high_mi_per_day=64.0,
            detection_floor_mi_per_day=3.1,
            limit_outlook="reaches",
            hours_to_limit=61.2,
            hours_to_limit_low=54.0,
            hours_to_limit_high=69.0,
            oom_probability_7d=0.97,
            startup_peak_bytes=200 * MI,
            settled_bytes=300 * MI,
            peak_bytes=512 * MI,
            coverage=0.993,
            headline="ledger-api leaks 58 Mi/day and will hit its 512 Mi limit on Wed 25 Nov 16:17 UTC (in 61 h).",
            reason="The live heap grows at the same rate in all 9 lives, on all 3 pods and both versions.",
            next_step="Take a heap profile of one pod: `rmtoolkit heap ledger-api.heap` names the call site.",
            evidence=_evidence(
                ("for", "Live heap grows in every life", "58 Mi/day (52–64)", 3),
                ("against", "Growth is slower at night", "41 against 69 Mi/day", 1),
                ("for", "Growth does not follow requests per second", "r = 0.04", 2),
                ("not_measured", "Heap profile: which call site", "none loaded", 0),
            ),
        ),
        row(
            "indexer",
            "leak",
            leak_probability=0.83,
            pattern="leak",
            signal="working_set_bytes",
            growth_mi_per_day=96.4,
            growth_low_mi_per_day=80.0,
            growth_high_mi_per_day=112.0,
            detection_floor_mi_per_day=9.0,
            limit_outlook="reaches",
            hours_to_limit=304.0,
            hours_to_limit_low=250.0,
            hours_to_limit_high=None,
            oom_probability_7d=0.061,
            peak_bytes=3056 * MI,
            headline="indexer leaks 96 Mi/day; the limit is more than 7 days away.",
            reason="The floor rises after each index merge.",
            next_step="Compare two heap profiles.",
            evidence=_evidence(("for", "The floor rises", "7 of 7 merges", 3)),
        ),
        row(
            "renderer",
            "inconclusive",
            leak_probability=0.5,
            pattern="insufficient_data",
            signal="rss_bytes",
            growth_mi_per_day=44.0,
            growth_low_mi_per_day=11.0,
            growth_high_mi_per_day=70.0,
            detection_floor_mi_per_day=30.0,
            limit_outlook="unknown",
            oom_probability_7d=0.18,
            peak_bytes=702 * MI,
            headline="renderer cannot be decided yet: warm-up and a leak fit equally well. Next: 2 more days.",
            reason="26 h of data, one life, no live-heap gauge.",
            next_step="Record 2 more days, or export jemalloc stats.allocated.",
            evidence=_evidence(("not_measured", "Live heap", "not exported", 0), ("for", "RSS rises", "44 Mi/day", 1)),
        ),
        row(
            "recommender",
            "not_leak",
            leak_probability=0.02,
            pattern="startup_spike",
            cause="startup",
            signal="working_set_bytes",
            growth_mi_per_day=-0.4,
            growth_low_mi_per_day=-2.2,
            growth_high_mi_per_day=1.5,
            detection_floor_mi_per_day=4.0,
            limit_outlook="bounded",
            oom_probability_7d=0.23,
            startup_peak_bytes=531 * MI,
            settled_bytes=290 * MI,
            peak_bytes=531 * MI,
            headline="recommender does not leak: starting needs 531 Mi, running needs 290 Mi.",
            reason="3 of 4 starts were OOM-killed.",
            next_step="Raise the limit to 640 Mi.",
            evidence=_evidence(("against", "Memory returns to its level after each start", "290 Mi", 3)),
        ),
        row(
            "query-gateway",
            "not_leak",
            leak_probability=0.01,
            pattern="retention",
            also=["startup_spike"],
            cause="allocator",
            signal="allocated_bytes",
            evidence_level=4,
            growth_mi_per_day=-0.4,
            growth_low_mi_per_day=-2.2,
            growth_high_mi_per_day=1.5,
            detection_floor_mi_per_day=4.0,
            limit_outlook="bounded",
            oom_probability_7d=0.018,
            startup_peak_bytes=825 * MI,
            settled_bytes=794 * MI,
            peak_bytes=825 * MI,
            headline="query-gateway does not leak: it uses 197 Mi and keeps 503 Mi of freed startup memory.",
            reason="The program frees its index after 14 minutes, but jemalloc keeps the pages.",
            next_step="Let the allocator return pages. Keep the limit: startup needs 825 Mi.",
            evidence=_evidence(("against", "Live heap is flat", "−0.4 Mi/day", 3)),
        ),
        row(
            "router",
            "not_leak",
            leak_probability=0.03,
            pattern="periodic",
            cause="traffic",
            signal="working_set_bytes",
            growth_mi_per_day=0.2,
            growth_low_mi_per_day=-1.0,
            growth_high_mi_per_day=1.4,
            detection_floor_mi_per_day=2.5,
            limit_outlook="bounded",
            oom_probability_7d=0.0004,
            settled_bytes=430 * MI,
            peak_bytes=524 * MI,
            headline="router does not leak: it follows traffic between 340 Mi and 524 Mi.",
            reason="The floor is flat for 7 days.",
            next_step="Nothing to do.",
            evidence=[],
        ),
        row(
            HOSTILE,
            "inconclusive",
            pattern="insufficient_data",
            signal="working_set_bytes",
            limit_outlook="unknown",
            peak_bytes=122 * MI,
            coverage=None,
            headline=f"{HOSTILE} cannot be decided yet.",
            reason=f"{HOSTILE} has too few samples.",
            next_step="Record for 2 more days.",
            evidence=_evidence(("not_measured", HOSTILE, HOSTILE, 0)),
            workload_inferred=True,
        ),
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _lives(recording: Recording) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for about in recording.containers.iter_rows(named=True):
        mine = recording.samples.filter(pl.col("container_id") == about["container_id"])
        cuts = (
            recording.events.filter(
                (pl.col("container_id") == about["container_id"]) & pl.col("kind").is_in(["oom_kill", "release"]),
            )
            .unique("time", maintain_order=True)
            .select("time", "kind")
            .rows()
        )
        edges = [mine["time"].min(), *(time for time, _ in cuts), END + dt.timedelta(seconds=1)]
        kinds = [*(kind for _, kind in cuts), "running"]
        for life, (first, last, ended) in enumerate(zip(edges, edges[1:], kinds, strict=False)):
            part = mine.filter((pl.col("time") >= first) & (pl.col("time") < last))
            footprint = part.select(pl.coalesce("working_set_bytes", "rss_bytes")).to_series()
            rows.append(
                {
                    "container_id": about["container_id"],
                    "life": life,
                    "start": part["time"].min(),
                    "end": part["time"].max(),
                    "start_seen": life > 0,
                    "ended": ended,
                    "version": None,
                    "limit_bytes": about["limit_bytes"],
                    "samples": part.height,
                    "coverage": 1.0,
                    "startup_peak_bytes": footprint.head(10).max(),
                    "startup_seconds": 60.0,
                    "settled_bytes": int(footprint.sort()[footprint.len() // 2]),
                    "peak_bytes": footprint.max(),
                    "peak_time": part["time"][footprint.arg_max() or 0],
                    "last_bytes": footprint[-1],
                },
            )
    types: dict[str, Any] = {
        "container_id": pl.UInt32,
        "life": pl.UInt32,
        "start": TIME,
        "end": TIME,
        "peak_time": TIME,
    }
    return pl.DataFrame(rows, schema_overrides=types)


def _fits(lives: pl.DataFrame, verdicts: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    """A straight line from the first to the last value of each life of what grows."""
    rows: list[dict[str, Any]] = []
    for verdict in verdicts.filter(pl.col("verdict") == "leak").iter_rows(named=True):
        for life in lives.filter(pl.col("container_id") == verdict["container_id"]).iter_rows(named=True):
            part = recording.samples.filter(
                (pl.col("container_id") == verdict["container_id"])
                & pl.col("time").is_between(life["start"], life["end"]),
            )
            values = part[verdict["signal"]].cast(pl.Float64)
            curve = [
                {"time": life["start"], "value_bytes": values[0]},
                {"time": life["end"], "value_bytes": values[-1]},
            ]
            rows.append(
                {
                    "container_id": verdict["container_id"],
                    "life": life["life"],
                    "signal": verdict["signal"],
                    "model": "linear",
                    "growth_start": life["start"],
                    "growth_end": life["end"],
                    "growth_bytes_per_day": verdict["growth_bytes_per_day"],
                    "growth_low_bytes_per_day": verdict["growth_low_bytes_per_day"],
                    "growth_high_bytes_per_day": verdict["growth_high_bytes_per_day"],
                    "detection_floor_bytes_per_day": verdict["detection_floor_bytes_per_day"],
                    "fitted": curve,
                },
            )
    types: dict[str, Any] = {
        "container_id": pl.UInt32,
        "life": pl.UInt32,
        "growth_start": TIME,
        "growth_end": TIME,
        "fitted": pl.List(pl.Struct({"time": TIME, "value_bytes": pl.Float64})),
    }
    return pl.DataFrame(rows, schema_overrides=types)


def _forecast(verdicts: pl.DataFrame, recording: Recording) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for verdict in verdicts.filter(pl.col("limit_outlook") != "unknown").iter_rows(named=True):
        last = recording.samples.filter(pl.col("container_id") == verdict["container_id"])[
            "working_set_bytes"
        ].drop_nulls()[-1]
        ahead = np.linspace(0, 72, 13)
        slopes = [
            (verdict[f"growth_{name}bytes_per_day"] / 24) if verdict["limit_outlook"] == "reaches" else wobble * MI
            for name, wobble in (("low_", -0.1), ("", 0.0), ("high_", 0.1))
        ]
        rows.extend(
            {
                "container_id": verdict["container_id"],
                "time": END + dt.timedelta(hours=float(hour)),
                "low_bytes": last + slopes[0] * hour,
                "mid_bytes": last + slopes[1] * hour,
                "high_bytes": last + slopes[2] * hour,
            }
            for hour in ahead
        )
    return pl.DataFrame(rows, schema_overrides={"container_id": pl.UInt32, "time": TIME})


class _Judged(NamedTuple):
    recording: Recording
    lives: pl.DataFrame
    fits: pl.DataFrame
    verdicts: pl.DataFrame
    forecast: pl.DataFrame
    findings: pl.DataFrame


def _judged() -> _Judged:
    """Make the whole fleet with its frames."""
    recording = recordings()
    report = Report(
        sources=recording.report.sources,
        left_out={"values that were NaN or infinite": 3},
        missing=("jemalloc gauges for mail/renderer",),
    )
    recording = Recording(recording.containers, recording.samples, recording.events, report)
    verdicts = _verdicts(recording)
    # Where rest was shown there is no growth.
    growth = [name for name in verdicts.columns if name.startswith("growth_")]
    verdicts = verdicts.with_columns(pl.when(pl.col("verdict") != "not_leak").then(name).alias(name) for name in growth)
    lives = _lives(recording)
    return _Judged(
        recording,
        lives,
        _fits(lives, verdicts, recording),
        verdicts,
        _forecast(verdicts, recording),
        pl.DataFrame(
            [
                dict.fromkeys(FINDINGS)
                | {"container_id": 2, "check": "order", "signal": "rss_bytes", "detail": HOSTILE, "rejected": True}
            ],
            schema=FINDINGS,
        ),
    )


@pytest.fixture(scope="session")
def assessed() -> Assessment:
    """Seven workloads with every verdict: verdicts and words are made by hand, all else is worked out."""
    judged = _judged()
    real = assess(judged.recording, now=END)
    hand = judged.verdicts.rename({"reason": "why"})
    rests = pl.col("verdict") == "not_leak"
    hand = hand.with_columns(
        next_text=pl.col("next_step"),
        growing=~rests,
        peak_at_limit=pl.col("peak_bytes") >= 0.995 * pl.col("limit_bytes"),
        confidence_share=pl.when(rests).then(1 - pl.col("leak_probability")).otherwise("leak_probability"),
        **{
            f"limit_at{side}": pl.lit(END, dtype=TIME) + pl.duration(seconds=pl.col(f"hours_to_limit{side}") * 3600)
            for side in ("", "_low", "_high")
        },
    )
    mine = [name for name in WORKLOADS if name in hand.columns]
    rest = real.workloads.drop([name for name in mine if name != "container_id"])
    return arranged(real, hand.select(mine).join(rest, on="container_id", maintain_order="left"), judged)


def arranged(real: Assessment, rows: pl.DataFrame, judged: _Judged | Assessment) -> Assessment:
    """Give an Assessment other rows, in their order of urgency, with every frame beside them."""
    # The window of what is made by hand is a week: its kills are all in it.
    rows = _rows.with_alarms(rows.with_columns(kills_now="kills_7d"), real.oom_probability)
    rows = conform(_rows.by_urgency(rows), WORKLOADS)
    ids = rows.select("container_id", "workload_id")

    def keyed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.drop("workload_id", strict=False).join(ids, on="container_id", maintain_order="left")

    def moved(frame: pl.DataFrame) -> pl.DataFrame:
        back = real.workloads.select("workload_id", "container_id")
        return keyed(frame.join(back, on="workload_id", maintain_order="left")).drop("container_id")

    instances = rows.with_columns(lives=pl.lit(1, dtype=pl.UInt32))
    return replace(
        real,
        recording=judged.recording,
        workloads=rows,
        instances=instances,
        fleet=totals_of(rows, real.completeness, None, real.oom_probability, None, None),
        lives=keyed(judged.lives),
        fits=keyed(judged.fits),
        forecast=keyed(judged.forecast),
        findings=keyed(judged.findings),
        evidence=evidence_of(rows),
        checklist=moved(real.checklist),
        advice=moved(real.advice),
        queries=moved(real.queries),
        risk_curves=moved(real.risk_curves),
        buys=moved(real.buys),
    )


@pytest.fixture(scope="module", autouse=True)
def _fleets_are_judged_once(judged_once: None) -> None:
    """Many tests look at the same fleets in another form."""
