"""Drawn histories, ten or more of each kind, and what must hold of the limit that is advised for each.

Whatever else a scenario asks for, no two numbers of its row may contradict each other.
"""

from __future__ import annotations

import dataclasses
import re
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.text import hours as hours_words
from tests.limits.conftest import DAY, MIB, START, samples, steady

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Row = dict[str, Any]

HOUR: Final = 3600
OF_LIMITS: Final = ("raise_limit", "lower_limit", "set_limit")


def recorded(table: pl.DataFrame, *events: Row) -> rm.Recording:
    """A recording of a table and of what happened, in hours since its start."""
    known = [{"time": START + round(event["hour"] * HOUR), "pod": "api-0"} | event for event in events]
    schema = {"time": pl.Int64, "pod": pl.String, "kind": pl.String, "value_bytes": pl.Int64}
    return rm.Recording.from_frame(table, events=pl.DataFrame(known, schema=schema) if known else None)


def kills(*hours: float, pod: str = "api-0") -> list[Row]:
    """OOM kills at some hours."""
    return [{"hour": hour, "kind": "oom_kill", "pod": pod} for hour in hours]


def limits(**by_hour: int | None) -> list[Row]:
    """Limits from some hours on, written as h0=256."""
    return [
        {"hour": int(hour[1:]), "kind": "limit", "value_bytes": None if mib is None else mib * MIB}
        for hour, mib in by_hour.items()
    ]


def rough(values: Numbers, share: float = 0.005, seed: int = 5) -> Numbers:
    """A curve in MiB with a little noise, in bytes."""
    drawn: Numbers = values * MIB * (1 + share * np.random.default_rng(seed).standard_normal(values.size))
    return drawn


def hours(days: int) -> Numbers:
    """A value each hour."""
    return np.arange(days * 24, dtype=float)


def rising(a_week: float, days: int = 28, level: float = 200.0, seed: int = 5) -> Numbers:
    """Growth by a share of the level each week."""
    return rough(level * (1 + a_week) ** (hours(days) / 168), seed=seed)


def restarted(table: pl.DataFrame, every: int) -> pl.DataFrame:
    """The same, by a new process every so many samples."""
    return table.with_columns(restarts_total=pl.int_range(pl.len()) // every)


def released(table: pl.DataFrame, at: int) -> pl.DataFrame:
    """The same, of a new version from a sample on."""
    return table.with_columns(version=pl.when(pl.int_range(pl.len()) < at).then(pl.lit("1.0")).otherwise(pl.lit("1.1")))


def parts(whole: float, limit: int = 512, **mib: float) -> pl.DataFrame:
    """Two weeks of a working set with what it is made of, in MiB."""
    table = samples(rough(np.full(14 * 24, whole), 0.002), limit_bytes=limit * MIB)
    return table.with_columns(pl.lit(round(value * MIB)).alias(f"{name}_bytes") for name, value in mib.items())


@dataclass(frozen=True, slots=True)
class Scenario:
    """A history, and what must hold of its row."""

    made: Callable[[], rm.Recording]
    action: str | tuple[str, ...]
    #: Lowest and highest limit that may be advised, in MiB; None: no limit may be.
    limit: tuple[float, float] | None
    #: Words of the reason or of the next step.
    says: tuple[str, ...] = ()
    #: Words that none of them may have.
    never: tuple[str, ...] = ()
    holds: Callable[[Row], bool] = lambda _: True


FLAT: Final = steady(14, 150)
#: A day from midnight on, in MiB.
DAILY: Final = 120 + 40 * np.sin((np.arange(24) - 8) * np.pi / 12)


def with_kills(*happened: Row, values: Numbers = FLAT, limit: int | None = 256, **labels: Any) -> rm.Recording:
    """A level of 150 MiB below a limit that killed it."""
    about = {} if limit is None else {"limit_bytes": limit * MIB}
    return recorded(samples(values, **about, **labels), *happened)


def with_peak(mib: float) -> Numbers:
    """Two weeks of 150 MiB, and an hour of more in the second."""
    values = FLAT.copy()
    values[9 * 24] = mib * MIB
    return values


def raised_in_a_new_pod() -> rm.Recording:
    """A limit of a Deployment is raised by pods that come after the old ones."""
    old = samples(steady(7, 150), limit_bytes=256 * MIB)
    new = samples(steady(7, 150, seed=2), pod="api-1", limit_bytes=512 * MIB)
    return recorded(pl.concat([old, new.with_columns(pl.col("time") + 7 * DAY)]), *kills(20, 60, 90))


def new_pods(days: int, named: bool) -> rm.Recording:
    """Two weeks of 300 MiB, then pods of another hash that need half, and name their version or not."""
    old = samples(steady(14, 300), pod="api-7d9c5b6f4-bcdfg", limit_bytes=640 * MIB, request_bytes=128 * MIB)
    new = samples(steady(days, 150), pod="api-5c8d7f9b6-hjklm", limit_bytes=640 * MIB, request_bytes=128 * MIB)
    both = pl.concat(
        [old.with_columns(version=pl.lit("1.0")), new.with_columns(pl.col("time") + 14 * DAY, version=pl.lit("1.1"))]
    )
    return recorded(both if named else both.drop("version"))


def flat(days: int) -> rm.Recording:
    """Days of 254 MiB under a limit of 256."""
    return recorded(samples(steady(days, 254, rough=0.002), limit_bytes=256 * MIB))


def crash_loop() -> rm.Recording:
    """Four samples on the way up, then a kill, for four hours."""
    table = samples(np.tile([20.0, 60.0, 120.0, 200.0], 60) * MIB, step=60, limit_bytes=256 * MIB)
    return recorded(table, *kills(*((240 * number + 230) / HOUR for number in range(59))))


def killed_leak() -> rm.Recording:
    """A leak that its limit ended once."""
    values = steady(14, 100, rough=0.002) + np.linspace(0, 14 * 20 * MIB, 14 * 24)
    values[168:] -= values[168] - values[0]
    return recorded(restarted(samples(values, limit_bytes=256 * MIB), 168), *kills(168))


def killed_of_two() -> rm.Recording:
    """Two pods with different limits; the lower one killed."""
    other = samples(steady(14, 150, seed=2), pod="api-1", limit_bytes=512 * MIB)
    return recorded(pl.concat([samples(FLAT, limit_bytes=256 * MIB), other]), *kills(20, 50))


def at_least_vpa(row: Row) -> bool:
    """What the VPA recommender takes a kill for."""
    killed = row["killed_limit_bytes"]
    return bool(row["advised_limit_bytes"] >= max(killed + 100 * MIB, 1.2 * killed))


def jobs(nights: int = 14, peak: float = 300.0, *, every: int = 1, **labels: Any) -> pl.DataFrame:
    """A CronJob that runs for half an hour a night, or more seldom, each time in a pod of its own."""
    ramped = peak * np.minimum(np.arange(30) / 15, 1.0)
    tables = [samples(rough(ramped, 0.01, seed), step=60, pod=f"api-29{seed:06}-abcde") for seed in range(nights)]
    days = [table.with_columns(pl.col("time") + number * every * DAY) for number, table in enumerate(tables)]
    return pl.concat(days).with_columns(pl.lit(value).alias(name) for name, value in labels.items())


def killed_jobs(nights: int, limit: int, seed: int = 0) -> rm.Recording:
    """A CronJob whose runs of 20 to 50 minutes rise for three fifths of them, to 360 to 600 MiB, or die of it."""
    tables, killed = [], []
    for night in range(nights):
        rng = np.random.default_rng([seed, night])
        pod, highest, size = f"api-{29_400_000 + night}-abcde", 600 * rng.uniform(0.6, 1.0), int(rng.integers(20, 50))
        values = rough(highest * np.minimum(np.arange(1, size + 1) / (0.6 * size), 1.0), 0.01, night)
        lives = int((values > limit * MIB).argmax()) or size
        if lives < size:
            killed.append({"hour": 24 * night + (lives - 0.5) / 60, "kind": "oom_kill", "pod": pod})
        table = samples(values[:lives], step=60, pod=pod, limit_bytes=limit * MIB)
        tables.append(table.with_columns(pl.col("time") + night * DAY))
    return recorded(pl.concat(tables), *killed)


def climbs_at_times(every: int) -> rm.Recording:
    """A rise of four hours that its limit ends, each so many hours, and rest between them."""
    age = hours(28) % every
    rise = (age >= every - 6) & (age < every - 2)
    table = samples(rough(np.where(rise, 300 + (age - every + 6) * 230, 300)), limit_bytes=1024 * MIB)
    return recorded(table, *kills(*range(every - 2, 28 * 24, every)))


def on_a_node(table: pl.DataFrame, mib: int, *events: Row) -> rm.Recording:
    """The same on a node that has so much."""
    recording = recorded(table.with_columns(node=pl.lit("small")), *events)
    return dataclasses.replace(recording, report=dataclasses.replace(recording.report, nodes={"small": mib * MIB}))


KILLS: Final = {
    "one run of a job in ten is killed: no certainty for a week": Scenario(
        lambda: recorded(jobs(10, 490, limit_bytes=512 * MIB), *kills(6 * 24 + 0.5, pod="api-29000006-abcde")),
        "raise_limit",
        (615, 900),
        ("OOM-killed once",),
        holds=lambda row: 0.4 < row["oom_probability_7d"] < 0.7,
    ),
    "runs that rise until some are killed are no growth of a week": Scenario(
        lambda: killed_jobs(12, 512),
        "raise_limit",
        (614, 1400),
        ("OOM-killed",),
        never=("grows", "beside the heap"),
    ),
    "a reading just above the limit that kills is no need": Scenario(
        lambda: with_kills(*kills(20, 60, 90, 200), values=with_peak(258.0)),
        "raise_limit",
        (440, 700),
        ("real need was higher and is unknown", "taken to halve the chance"),
        holds=lambda row: row["advised_basis"] == "kills",
    ),
    "a reading above the limit at the kill, which was raised then": Scenario(
        lambda: with_kills(*kills(9 * 24), *limits(h0=256, h217=640), values=with_peak(262.0), limit=640),
        ("none", "lower_limit"),
        (356, 640),
        ("real need was higher and is unknown",),
        never=("below what it was seen",),
    ),
    "killed, raised, and seen a little above what killed since": Scenario(
        lambda: with_kills(*kills(20, 60, 90), *limits(h0=256, h100=640), values=with_peak(270.0), limit=640),
        ("none", "lower_limit"),
        (356, 640),
        ("below what it was seen to need",),
        never=("is unknown",),
    ),
    "killed on a node that has too little: it needs a larger one": Scenario(
        lambda: on_a_node(samples(steady(14, 600), limit_bytes=900 * MIB), 1024, *kills(20, 90, 200)),
        "raise_limit",
        (1080, 2048),
        ("it needs a larger one",),
    ),
    "killed each Friday after hours of rising: no growth a day": Scenario(
        lambda: climbs_at_times(168), "raise_limit", (1126, 4000), ("OOM-killed 4 times",), never=("/day", "buys")
    ),
    "killed twice a week after hours of rising": Scenario(
        lambda: climbs_at_times(84), "raise_limit", (1126, 4000), ("OOM-killed 8 times",), never=("/day", "buys")
    ),
    "killed at each release, the last of which has not run for a week": Scenario(
        lambda: with_kills(
            *kills(20, 190, 360, 530),
            *({"hour": at, "kind": "release"} for at in (19, 189, 359, 529)),
            values=steady(28, 150),
        ),
        "raise_limit",
        (384, 768),
        ("OOM-killed twice (4 times in all)",),
    ),
    "killed at a limit that nobody wrote down": Scenario(
        lambda: with_kills(*kills(20, 90, 200, 300), limit=None),
        "fix_exporter",
        None,
        ("OOM-killed 4 times", "255 Mi or more"),
        holds=lambda row: row["oom_probability_7d"] > 0.5,
    ),
    "killed four times far above every sample": Scenario(
        lambda: with_kills(*kills(20, 90, 200, 300)),
        "raise_limit",
        (384, 768),
        ("OOM-killed 4 times, at 256 Mi", "Each 15 % above what killed"),
        never=("learnt from",),
        holds=at_least_vpa,
    ),
    "twenty kills in a day ask for more than four in two weeks": Scenario(
        lambda: with_kills(*kills(*range(300, 320))),
        "raise_limit",
        (457, 1024),
        ("OOM-killed 20 times",),
        holds=at_least_vpa,
    ),
    "killed, raised, and quiet since: never lowered to what killed": Scenario(
        lambda: with_kills(*kills(20, 60, 90), *limits(h0=256, h100=512), values=steady(21, 150), limit=512),
        "none",
        (356, 512),
        ("OOM-killed 3 times, at 256 Mi",),
    ),
    "a limit that was cut below what it needs killed at once": Scenario(
        lambda: with_kills(*kills(*range(330, 336)), *limits(h0=512, h329=128), limit=128),
        "raise_limit",
        (228, 260),
        ("at 128 Mi, below what it was seen to need", "a fifth or 100 Mi more, at the least", "learnt from"),
        never=("unknown", "is for 5 %"),
        holds=at_least_vpa,
    ),
    "killed at the very instant of its raise: at the limit before it": Scenario(
        lambda: with_kills(*kills(100), *limits(h0=256, h100=512), values=steady(21, 150), limit=512),
        "none",
        (356, 512),
        ("OOM-killed once, at 256 Mi",),
    ),
    "killed, and released an hour ago: the new version has shown nothing": Scenario(
        lambda: recorded(released(samples(FLAT, limit_bytes=256 * MIB), 335), *kills(20, 60, 90, 200)),
        "raise_limit",
        (384, 768),
        ("OOM-killed 4 times, at 256 Mi",),
        holds=at_least_vpa,
    ),
    **{
        f"new pods that need half, of {what}, {days} days ago": Scenario(
            partial(new_pods, days, named), ("none", "wait"), (640, 640), says, never
        )
        for what, named, days, says, never in (
            ("new code", True, 3, ("needed up to 15", "the limit still covers what ran before"), ()),
            (
                "new code",
                True,
                9,
                ("needed up to 15", "the limit still covers what ran before"),
                ("Since the release",),
            ),
            ("who knows what", False, 9, ("The highest use was 30",), ("Since the release",)),
        )
    },
    "killed two weeks before a release that has needed less since": Scenario(
        lambda: recorded(released(samples(steady(28, 150), limit_bytes=256 * MIB), 14 * 24), *kills(20, 60)),
        ("lower_limit", "none"),
        (155, 256),
        never=("OOM-killed",),
        holds=lambda row: row["kills"] == 2 and row["killed_limit_bytes"] is None,
    ),
    "a limit that was taken away after it killed": Scenario(
        lambda: recorded(
            samples(FLAT).with_columns(limit_bytes=pl.when(pl.int_range(336) < 100).then(256 * MIB).otherwise(0)),
            *kills(20, 60, 90),
        ),
        "set_limit",
        (384, 768),
        ("OOM-killed 3 times, at 256 Mi",),
        holds=lambda row: at_least_vpa(row) and row["oom_probability_7d"] is None,
    ),
    "a limit that was raised by new pods is the limit in force": Scenario(
        raised_in_a_new_pod,
        ("none", "wait"),
        (356, 512),
        ("OOM-killed 3 times, at 256 Mi",),
        holds=lambda row: row["limit_bytes"] == 512 * MIB,
    ),
    "a loop of kills in the start": Scenario(crash_loop, "raise_limit", (384, 1024), ("OOM-killed 59 times",)),
    "killed in a pod that no sample shows": Scenario(
        lambda: with_kills(*kills(300, 310, 320, pod="api-9")),
        "raise_limit",
        (384, 768),
        ("OOM-killed 3 times, at 256",),
    ),
    "a child is killed: its counter rises, and nothing restarts": Scenario(
        lambda: recorded(
            samples(FLAT, limit_bytes=512 * MIB).with_columns(oom_kills_total=pl.int_range(pl.len()) // 200)
        ),
        "raise_limit",
        (615, 1536),
        ("OOM-killed once, at 512 Mi",),
    ),
    "node pressure says nothing of the limit": Scenario(
        lambda: with_kills({"hour": 20, "kind": "node_oom"}, {"hour": 90, "kind": "evicted"}, limit=512),
        ("none", "lower_limit"),
        (155, 512),
        never=("OOM-killed",),
    ),
    "a leak that was killed gets no limit, and its kill is told": Scenario(
        killed_leak,
        "fix_leak",
        None,
        ("OOM-killed once, at 256 Mi",),
        holds=lambda row: row["oom_probability_7d"] > 0.5,
    ),
}


def pinned(seed: int) -> rm.Recording:
    """A cache of files at its limit."""
    noise = 0.3 * MIB * np.random.default_rng(seed).standard_normal(14 * 1440)
    return recorded(samples(250 * MIB + noise, step=60, limit_bytes=256 * MIB))


def tmpfs_filled_early() -> rm.Recording:
    """Files, none of them inactive and no gauge of shared memory, that fill most of a limit in days and stay."""
    whole = 512 * np.minimum(0.3 + 0.7 * hours(14) / (24 * 4), 0.997)
    table = samples(whole * MIB, limit_bytes=512 * MIB, anon_bytes=100 * MIB, inactive_file_bytes=0)
    return recorded(table.with_columns(file_bytes=pl.col("working_set_bytes") - 100 * MIB))


def waited(share: float) -> rm.Recording:
    """Page cache at the limit, and tasks that wait for memory for a share of the time."""
    table = parts(500, anon=60, file=430)
    return recorded(table.with_columns(psi_some_seconds=pl.int_range(pl.len()) * HOUR * share))


def filling() -> rm.Recording:
    """Files fill a limit, beside anonymous memory that rests."""
    files = np.linspace(20, 430, 14 * 24) * MIB
    about = samples(60 * MIB + files, limit_bytes=512 * MIB)
    return recorded(about.with_columns(anon_bytes=pl.lit(60 * MIB), file_bytes=pl.Series(files).cast(pl.Int64)))


CACHES: Final = {
    **{
        f"a cache pinned at its limit does not grow, {number}": Scenario(
            lambda seed=seed: pinned(seed),  # type: ignore[misc]
            "raise_limit",
            (252, 280),
            ("flat at its limit",),
            never=("grows", "grew", "buys"),
        )
        for number, seed in (("first", 1), ("second", 5))
    },
    **{
        f"flat at its limit for {days} days without a kill: no week of it would show more": Scenario(
            partial(flat, days),
            ("raise_limit", "none", "wait"),
            (256, 295),
            ("No whole week was seen",),
        )
        for days in (2, 5)
    },
    "a working set near its limit that is page cache": Scenario(
        lambda: recorded(parts(500, anon=60, file=430)),
        ("lower_limit", "none"),
        (70, 511),
        ("page cache, which is given back",),
        holds=lambda row: row["oom_probability_7d"] < 0.01,
    ),
    "what may be a tmpfs that filled early is need": Scenario(
        tmpfs_filled_early, ("raise_limit", "none"), (512, 1024), never=("given back", "taken back")
    ),
    "page cache that is missed is need": Scenario(
        lambda: waited(0.15), "raise_limit", (513, 640), ("Tasks waited for memory",), never=("given back",)
    ),
    "page cache that is hardly missed is none": Scenario(
        lambda: waited(0.001), ("lower_limit", "none"), (70, 511), ("page cache, which is given back",)
    ),
    "a peak that only the kernel saw": Scenario(
        lambda: recorded(parts(200, peak=480)),
        ("raise_limit", "none"),
        (512, 640),
        ("a peak that the kernel recorded and no scrape saw it needed up to 480 Mi",),
    ),
    "a peak that only the kernel saw, and a limit far above": Scenario(
        lambda: recorded(parts(200, limit=2048, peak=480)),
        "lower_limit",
        (500, 1800),
        ("a peak that the kernel recorded",),
    ),
    "swap would come back into memory": Scenario(
        lambda: recorded(parts(200, limit=256, swap=100)), "raise_limit", (301, 400), ("swapped out",)
    ),
    "files in memory cannot be taken back": Scenario(
        lambda: recorded(parts(400, anon=60, file=330, shmem=300)),
        ("lower_limit", "none"),
        (371, 512),
        holds=lambda row: row["need_bytes"] > 360 * MIB,
    ),
    "page cache that fills its limit unharmed is no file in memory, though hardly any of it is inactive": Scenario(
        lambda: recorded(parts(507, anon=100, file=411, inactive_file=4, usage=511)),
        ("lower_limit", "none"),
        (105, 512),
        ("page cache, which is given back",),
    ),
    "files that fill the limit are no growth": Scenario(
        filling, ("lower_limit", "none"), (60, 512), never=("grows by", "buys"), holds=lambda row: not row["growing"]
    ),
}


def warmed(days: int, tau: float) -> rm.Recording:
    """A warm-up that has ended, long before the end."""
    return recorded(samples(rough(150 + 100 * (1 - np.exp(-hours(days) / tau))), limit_bytes=512 * MIB))


def grown(a_week: float, *, limit: int = 512, every: int = 0) -> rm.Recording:
    """Growth over four weeks, by one process or by many."""
    table = samples(rising(a_week), limit_bytes=limit * MIB)
    return recorded(restarted(table, every) if every else table)


def numbered(table: pl.DataFrame, pod: str = "api-0") -> pl.DataFrame:
    """The same, of a new version each week."""
    week = (pl.col("time") - START) // (7 * DAY)
    return table.with_columns(version=pl.format("1.{}", week), pod=pl.format(pod, week) if "{}" in pod else pl.lit(pod))


def files_in_memory() -> rm.Recording:
    """A tmpfs that grows by 200 MiB a day beside a heap that rests."""
    heap, files = rough(np.full(5 * 24, 150.0)), np.arange(5 * 24) * 8.0 * MIB
    parts_ = {"anon_bytes": heap, "shmem_bytes": files, "file_bytes": files + 20 * MIB}
    about = samples(heap + files, limit_bytes=2048 * MIB)
    return recorded(about.with_columns(pl.Series(name, values).cast(pl.Int64) for name, values in parts_.items()))


def each_release(more: float, pod: str) -> rm.Recording:
    """Six weekly releases that each need so much more than the one before, flat in between, close to the limit."""
    levels = 470 * (1 + more) ** (hours(42) // 168 - 5)
    return recorded(numbered(samples(rough(levels), limit_bytes=512 * MIB), pod))


def kernel_grows() -> rm.Recording:
    """Kernel memory that grows beside what rests, far below the limit."""
    kernel = 60 + 4 * hours(14) / 24
    table = samples(rough(170 + kernel, 0.001), limit_bytes=512 * MIB)
    held = {"anon_bytes": rough(np.full(kernel.size, 150.0)), "kernel_bytes": kernel * MIB}
    table = table.with_columns(pl.Series(name, values).cast(pl.Int64) for name, values in held.items())
    return recorded(table.with_columns(file_bytes=pl.lit(20 * MIB), shmem_bytes=pl.lit(0)))


def carried() -> rm.Recording:
    """Two pods that grow by a tenth a week, one of which restarts a day before the end."""
    pods = [samples(rising(0.1, seed=seed), pod=f"api-{seed}") for seed in (1, 2)]
    return recorded(pl.concat([restarted(pods[0], 648), restarted(pods[1], 1000)]))


GROWTH: Final = {
    "organic growth over weekly restarts is no leak, and its limit is": Scenario(
        lambda: grown(0.1, every=168),
        ("wait", "none"),
        (512, 512),
        ("% a month",),
        holds=lambda row: row["verdict"] != "leak",
    ),
    **{
        f"organic growth over weekly releases is no leak, {name}": Scenario(
            made, ("wait", "none"), (512, 512), ("% a month",), holds=lambda row: row["leak_probability"] < 0.8
        )
        for name, made in (
            ("of one pod", lambda: recorded(numbered(samples(rising(0.1), limit_bytes=512 * MIB)))),
            ("in new pods", lambda: recorded(numbered(samples(rising(0.1), limit_bytes=512 * MIB), pod="api-{}"))),
        )
    },
    "files in memory that fill the limit within days are a leak of files": Scenario(
        files_in_memory,
        "fix_leak",
        None,
        ("/dev/shm",),  # noqa: S108
        never=("the limit is for", "% a month"),
    ),
    "organic growth close to its limit gets one that covers the next week": Scenario(
        lambda: grown(0.1, limit=300, every=168), "raise_limit", (294 * 1.1, 294 * 1.35), ("% a month",)
    ),
    "organic growth without a limit gets one too": Scenario(
        lambda: recorded(restarted(samples(rising(0.05)), 168)), "set_limit", (244 * 1.05, 244 * 1.35), ("% a month",)
    ),
    "growth of half a percent a week is no reason to refuse": Scenario(
        lambda: grown(0.005), ("lower_limit", "none", "wait"), (207, 512), holds=lambda row: not row["growing"]
    ),
    "growth of less than a percent a week is drawn on": Scenario(
        lambda: grown(0.008), ("lower_limit", "none", "wait"), (209, 512), ("rise 3.", "% a month")
    ),
    "a warm-up that has ended is not drawn on": Scenario(
        lambda: warmed(28, 72), ("lower_limit", "none"), (250, 380), never=("a month", "grows")
    ),
    "growth that a late restart of one pod in two does not end": Scenario(
        carried,
        "set_limit",
        (1.02 * 292, 1.3 * 292),
        ("% a month",),
        holds=lambda row: row["verdict"] != "leak",
    ),
    "what rises with each release is not lowered below what a month needs": Scenario(
        lambda: recorded(restarted(samples(rough(200 * 1.04 ** (hours(28) // 84)), limit_bytes=420 * MIB), 84)),
        ("lower_limit", "none", "wait"),
        (277 * 1.25, 420),
        ("% a month",),
    ),
    "each release needs 8 % more, in the same pod": Scenario(
        lambda: each_release(0.08, "api-0"), "raise_limit", (520, 760), ("Peaks rise",)
    ),
    "each release needs 12 % more, in pods of its own": Scenario(
        lambda: each_release(0.12, "api-{}"), "raise_limit", (520, 760), ("Peaks rise",)
    ),
    "what may grow beside the heap is not lowered": Scenario(kernel_grows, "wait", (512, 512)),
    "a batch each week": Scenario(
        lambda: recorded(samples(rough(np.where(hours(28) % 168 < 3, 460.0, 200.0)), limit_bytes=1024 * MIB)),
        ("lower_limit", "none"),
        (465, 1024),
        never=("a month", "grows"),
    ),
    "a leak is refused": Scenario(
        lambda: recorded(
            samples(steady(14, 200, rough=0.002) + np.linspace(0, 280 * MIB, 14 * 24), limit_bytes=2048 * MIB)
        ),
        "fix_leak",
        None,
        ("no limit holds for good",),
    ),
    "a leak so slow that its limit lasts for months is told what it is": Scenario(
        lambda: recorded(samples(rough(200 + hours(28) / 48, 0.002), limit_bytes=1024 * MIB)),
        "fix_leak",
        None,
        ("no limit holds for good", "chance of an OOM kill is <0.1 % in 30 days"),
        never=("No safe limit", "buys"),
    ),
    "a leak that restarts hide is refused": Scenario(
        lambda: recorded(restarted(samples(rough(100 + 3 * (hours(14) % 24), 0.003), limit_bytes=512 * MIB), 24)),
        "fix_leak",
        None,
    ),
    "two steps of which nobody knows whether more come": Scenario(
        lambda: recorded(
            samples(rough(100 + 30.0 * (hours(21) > 150) + 20.0 * (hours(21) > 350)), limit_bytes=512 * MIB)
        ),
        ("wait", "none", "lower_limit"),
        (152, 512),
    ),
    "teeth on a flat floor": Scenario(
        lambda: recorded(samples(rough(100 + 60 * (hours(14) % 36) / 36, 0.003), limit_bytes=512 * MIB)),
        ("lower_limit", "none"),
        (160, 450),
        never=("grows", "a month"),
    ),
}


def zeros() -> rm.Recording:
    """A container that was never seen to use anything, under a limit."""
    return recorded(samples(np.zeros(14 * 24), limit_bytes=256 * MIB))


def holey(pod: str = "api-5d4f8c7b9-x2x2x") -> rm.Recording:
    """Two weeks of which ten days are missing."""
    minute = pl.int_range(pl.len())
    table = samples(steady(14, 200, step=60), step=60, limit_bytes=1024 * MIB)
    return recorded(table.filter((minute < 2 * 1440) | (minute > 12 * 1440)).with_columns(pod=pl.lit(pod)))


def nightly(limit: int) -> rm.Recording:
    """Two weeks of a job inside the service, half an hour each night."""
    step = np.arange(14 * 288)
    values = rough(np.where(step % 288 // 6 == 6, 600.0, 256.0))
    return recorded(samples(values, step=300, limit_bytes=limit * MIB))


def minutes_of_days(days: int) -> rm.Recording:
    """Twenty minutes of a day, each time of the same process."""
    minute = pl.int_range(pl.len())
    table = samples(steady(days, 200, step=60), step=60)
    return recorded(table.filter(minute % 1440 < 20))


def passing() -> rm.Recording:
    """Pods that come with traffic and go after two hours, over nine days; each rises and falls by a little."""
    pods = []
    for number in range(100):
        rng = np.random.default_rng(number)
        values = (150 + 30 * rng.random() + 0.3 * np.cumsum(rng.standard_normal(120))) * MIB
        table = samples(values, step=60, pod=f"api-6c9f7d8b5-x{number:03}z", limit_bytes=600 * MIB)
        pods.append(table.with_columns(pl.col("time") + int(rng.integers(9 * DAY))))
    return recorded(pl.concat(pods))


def on_sundays() -> rm.Recording:
    """Five days, Monday to Friday, of what has a batch on Sundays."""
    return recorded(samples(steady(5, 200, step=300), step=300, limit_bytes=1024 * MIB))


def lossy(broken: pl.Expr) -> rm.Recording:
    """A week of which many scrapes are no number."""
    table = samples(steady(7, step=300), step=300)
    values = pl.when(broken).then(pl.lit(float("nan"))).otherwise("working_set_bytes")
    return recorded(table.with_columns(working_set_bytes=values))


LITTLE: Final = {
    **{
        f"the same peak every night, {name}": Scenario(
            lambda limit=limit: nightly(limit),  # type: ignore[misc]
            action,
            (615, highest),
            never=("grows", "leaks"),
        )
        for name, limit, action, highest in (
            ("far below its limit", 800, "none", 800),
            ("near its limit", 612, "raise_limit", 760),
            ("without a limit", 0, "set_limit", 760),
        )
    },
    "a limit that hardly a machine has is lowered to what costs least": Scenario(
        lambda: recorded(samples(steady(28, 300), limit_bytes=1 << 45)), "lower_limit", (310, 500)
    ),
    "one peak a night": Scenario(
        lambda: recorded(jobs(limit_bytes=512 * MIB)),
        ("lower_limit", "none"),
        (310, 512),
        never=("grows", "No safe limit", "have no samples"),
    ),
    "four runs of a weekly job count as half of their time": Scenario(
        lambda: recorded(jobs(4, every=7, limit_bytes=2048 * MIB)),
        ("lower_limit", "none"),
        (310, 1024),
        ("rests on 4 runs, which count as 10.5 d",),
        never=("have no samples",),
    ),
    "three nights are enough for a first limit": Scenario(
        lambda: recorded(jobs(3)), "set_limit", (400, 900), ("rests on 3 runs, which count as 18 h",)
    ),
    "runs that rise while they run are no growth of a week": Scenario(
        lambda: killed_jobs(6, 640, 9),
        "raise_limit",
        (640, 900),
        ("rests on 6 runs",),
        never=("Provisional",),
        holds=lambda row: not row["growing"],
    ),
    "eight runs of a weekly job are enough": Scenario(
        lambda: recorded(jobs(8, every=7, limit_bytes=1024 * MIB)), ("lower_limit", "none"), (310, 1024)
    ),
    "every third scrape is no number": Scenario(
        lambda: lossy(pl.int_range(pl.len()) % 3 == 0), "set_limit", (207, 330), never=("have no samples",)
    ),
    "zeros are no need, and no reason to crash": Scenario(
        zeros, "fix_exporter", None, ("Every sample is zero", "fix the exporter")
    ),
    "use above the limit is no need, and not what keeps a limit from being advised": Scenario(
        lambda: recorded(samples(steady(28, 300), limit_bytes=256 * MIB)),
        "fix_exporter",
        None,
        ("What was measured cannot be true",),
        never=("1,000 times",),
    ),
    "five MiB start in sixteen": Scenario(
        lambda: recorded(samples(steady(14, 5))), "set_limit", (16, 16), ("Less is advised for no container",)
    ),
    "a third of a MiB starts in sixteen": Scenario(lambda: recorded(samples(steady(14, 0.3))), "set_limit", (16, 16)),
    "a single sample says nothing of a week": Scenario(
        lambda: recorded(samples([200.0 * MIB], limit_bytes=256 * MIB)), "wait", None, ("from a single sample",)
    ),
    "two samples say nothing of a week": Scenario(
        lambda: recorded(samples([200.0 * MIB] * 2)), "wait", None, ("too few samples to say what a week needs",)
    ),
    "a sample every half hour sees no burst": Scenario(
        lambda: recorded(samples(steady(14, step=1800), step=1800, limit_bytes=1024 * MIB)),
        "lower_limit",
        (206, 900),
        ("sampled every 30 min",),
    ),
    "a sample a minute is fine enough": Scenario(
        lambda: recorded(samples(steady(7, step=60), step=60, limit_bytes=1024 * MIB)),
        "lower_limit",
        (206, 900),
        never=("sampled every", "No whole week"),
    ),
    "twenty minutes are a first guess": Scenario(
        lambda: recorded(samples(steady(1, step=15)[:80], step=15, limit_bytes=1024 * MIB)),
        ("none", "wait"),
        (1024, 1024),
        ("20 min of data", "first guess"),
    ),
    "a day of rest far below its limit moves no limit": Scenario(
        lambda: recorded(samples(steady(1, 280, step=60), step=60, limit_bytes=512 * MIB)),
        "wait",
        (512, 512),
        ("rests on 24 h of data",),
    ),
    "a day of rest close to its limit is no week of it": Scenario(
        lambda: recorded(samples(steady(1, 280, step=60), step=60, limit_bytes=320 * MIB)), "raise_limit", (340, 800)
    ),
    "weekdays are no week, and their margin is wider": Scenario(
        on_sundays, ("lower_limit", "none"), (1.3 * 207, 1024), ("No whole week was seen",)
    ),
    "two pods through the same holes are no runs": Scenario(
        lambda: rm.concat([holey("a"), holey("b")]), "lower_limit", (300, 900), ("it counts as 4 d",), never=("runs",)
    ),
    "two weeks of holes are the days that were seen": Scenario(
        holey,
        "lower_limit",
        (300, 900),
        ("Most of its time has no samples: it counts as 4 d", "No whole week"),
    ),
    "minutes of two days are no days": Scenario(
        lambda: minutes_of_days(2), "set_limit", (400, 900), ("it counts as 40 min", "this is a first guess")
    ),
    "pods of two hours meet no limit of days, and no wait makes them older": Scenario(
        passing,
        ("wait", "none", "lower_limit"),
        (185, 600),
        never=("Wait until",),
        holds=lambda row: row["limit_outlook"] != "reaches" and "At worst" not in row["headline"],
    ),
}


def by_night(used: float, then: float = 140.0) -> rm.Recording:
    """A release three hours ago that needs more than the days before it, whose nights used so little."""
    values = np.append(np.tile(np.repeat([used, 100.0], 12), 14), steady(1, then)[:3])
    return recorded(released(samples(values, limit_bytes=512 * MIB), 14 * 24))


def lower_since(days: int) -> rm.Recording:
    """A release some days before the end that needs two fifths of what was needed before it."""
    values = steady(28, 400)
    at = (28 - days) * 24
    values[at:] *= 0.4
    return recorded(released(samples(values, limit_bytes=512 * MIB), at))


def with_request(limit: int, request: int, level: float = 200.0) -> rm.Recording:
    """A level with a limit and a request in MiB; 0: none is set."""
    return recorded(samples(steady(14, level), limit_bytes=limit * MIB, request_bytes=request * MIB))


def own_limits(*pods: tuple[float, int]) -> rm.Recording:
    """Pods that run, each at a level and below a limit of its own."""
    tables = [
        samples(steady(14, level, seed=at), pod=f"api-{at}", limit_bytes=limit * MIB)
        for at, (level, limit) in enumerate(pods)
    ]
    return recorded(pl.concat(tables))


def replicas(*levels: float, **labels: Any) -> rm.Recording:
    """Pods of one workload at different levels in MiB."""
    pods = [samples(steady(14, level, seed=at), pod=f"api-{at}", **labels) for at, level in enumerate(levels)]
    return recorded(pl.concat(pods))


SETTINGS: Final = {
    "a limit that costs least is not said to be for the chance that is accepted": Scenario(
        lambda: with_request(1024, 1024),
        "lower_limit",
        (206, 600),
        ("would stay within 5 %", "cost least"),
        never=("The margin is for",),
    ),
    "one replica three times as high rules": Scenario(
        lambda: replicas(150, 150, 450, limit_bytes=1024 * MIB), "lower_limit", (455, 620), ("3.0 times as high",)
    ),
    "Guaranteed stays Guaranteed when it is raised": Scenario(
        lambda: with_request(256, 256, level=250),
        "raise_limit",
        (257, 320),
        holds=lambda row: (
            row["advised_request_bytes"] == row["advised_limit_bytes"] and row["qos_then"] == "Guaranteed"
        ),
    ),
    "Guaranteed stays Guaranteed when it is lowered": Scenario(
        lambda: with_request(1024, 1024),
        "lower_limit",
        (206, 600),
        holds=lambda row: row["advised_request_bytes"] == row["advised_limit_bytes"],
    ),
    "a request below what is used is pointed out": Scenario(
        lambda: with_request(512, 64), ("none", "lower_limit"), (206, 512), ("It requests 64 Mi", "evicted first")
    ),
    "a hot replica is no startup": Scenario(
        lambda: replicas(100, 100, 100, 430, limit_bytes=1024 * MIB),
        ("none", "lower_limit"),
        (435, 1024),
        ("4.3 times",),
        never=("Startup sets",),
    ),
    "a request above the limit is pointed out": Scenario(
        lambda: with_request(256, 512),
        "none",
        (256, 256),
        ("The request of 512 Mi is above the limit",),
        holds=lambda row: row["advised_request_bytes"] <= row["advised_limit_bytes"],
    ),
    "a release that needs less since two weeks rules": Scenario(
        lambda: lower_since(14), "lower_limit", (166, 450), ("Since the release of", "164 Mi")
    ),
    "a release that needs less since yesterday does not rule yet": Scenario(
        lambda: lower_since(1), ("none", "lower_limit", "wait"), (412, 512), never=("Since the release",)
    ),
    "a release that needs more since yesterday rests on that day, and on how weeks differed before": Scenario(
        lambda: recorded(
            released(samples(np.append(steady(14, 160), steady(1, 440, seed=2)), limit_bytes=512 * MIB), 14 * 24)
        ),
        ("raise_limit", "none", "wait"),
        (512, 700),
        ("Since the release of", "taken from the versions before"),
        never=("of data, so",),
    ),
    "a release at an hour at which nothing was used before has a limit of its order": Scenario(
        lambda: by_night(0.0), ("none", "raise_limit", "wait"), (240, 512)
    ),
    "a release at an hour at which next to nothing was used before has a limit of its order": Scenario(
        lambda: by_night(0.1), ("none", "raise_limit", "wait"), (240, 512)
    ),
    "a release after weeks of next to no use has a limit": Scenario(
        lambda: recorded(
            released(
                samples(np.append(np.full(14 * 24, 0.1 * MIB), steady(1, 140)[:3]), limit_bytes=512 * MIB), 14 * 24
            )
        ),
        ("none", "raise_limit", "wait"),
        (150, 1400),
    ),
    "four flat days at three quarters of the limit wait for a week, as three do": Scenario(
        lambda: recorded(samples(steady(4, 300), limit_bytes=400 * MIB)), ("wait", "none"), (400, 400)
    ),
    "two hours of a release that needs more lower nothing": Scenario(
        lambda: recorded(
            released(samples(np.append(steady(21, 100), steady(1, 200)[:2]), limit_bytes=1024 * MIB), 21 * 24)
        ),
        "none",
        (1024, 1024),
        ("Since the release of",),
    ),
    "a night's release that needs more is expected to need more by day, as the one before did": Scenario(
        lambda: recorded(
            released(samples(rough(np.append(np.tile(DAILY, 21), 2.1 * DAILY[:6])), limit_bytes=320 * MIB), 21 * 24)
        ),
        "raise_limit",
        (336, 640),
        ("taken from the versions before",),
    ),
    "a night's release that needs more than nights did is held against nights, below the highest of the days": Scenario(
        lambda: recorded(
            released(samples(rough(np.append(np.tile(DAILY, 21), 1.6 * DAILY[:6])), limit_bytes=240 * MIB), 21 * 24)
        ),
        "raise_limit",
        (252, 400),
        ("Its last release uses more than was used at these hours before",),
    ),
    "a night's release that needs as much as nights did moves nothing": Scenario(
        lambda: recorded(
            released(samples(rough(np.append(np.tile(DAILY, 21), DAILY[:6])), limit_bytes=240 * MIB), 21 * 24)
        ),
        ("none", "lower_limit"),
        (165, 240),
        never=("Its last release uses",),
    ),
    "an hour of a night's release is no level yet": Scenario(
        lambda: recorded(
            released(samples(rough(np.append(np.tile(DAILY, 21), [1.6 * DAILY[0]])), limit_bytes=240 * MIB), 21 * 24)
        ),
        ("none", "lower_limit"),
        (165, 240),
        never=("Its last release uses",),
    ),
    "one pod of a night's release among the old ones that uses more": Scenario(
        lambda: recorded(
            pl.concat(
                [
                    *(
                        samples(rough(np.append(np.tile(DAILY, 21), DAILY[:6])), pod=f"api-{n}", version="1")
                        for n in (0, 1)
                    ),
                    samples(rough(1.6 * DAILY[:6]), pod="api-2", version="2").with_columns(
                        pl.col("time") + 21 * 24 * HOUR
                    ),
                ]
            ).with_columns(limit_bytes=240 * MIB)
        ),
        ("raise_limit", "wait"),
        (240, 400),
        ("Its last release uses more",),
    ),
    "a night's release at hours at which nothing was used before has a limit of its order": Scenario(
        lambda: by_night(0.0, then=104.0), "none", (200, 512)
    ),
    "the start of a night's release is no new level": Scenario(
        lambda: recorded(
            released(
                samples(rough(np.concatenate([np.tile(DAILY, 21), [140], DAILY[1:6]])), limit_bytes=240 * MIB), 21 * 24
            )
        ),
        ("none", "lower_limit", "wait"),
        (165, 240),
        never=("Since the release of",),
    ),
    "a release that was rolled back is none": Scenario(
        lambda: recorded(
            pl.concat(
                samples(
                    steady(21, level)[first:last], pod=f"api-{pod}", version=version, limit_bytes=512 * MIB
                ).with_columns(pl.col("time") + first * HOUR)
                for pod, version, level, first, last in (
                    (1, "1.0", 200, 0, 490),
                    (2, "1.1", 400, 490, 495),
                    (3, "1.0", 200, 495, 504),
                )
            )
        ),
        ("none", "lower_limit"),
        (405, 512),
        never=("Since the release of",),
        holds=lambda row: row["pattern"] == "plateau",
    ),
    "a release that needs more, in pods of its own, rests on what was seen of it": Scenario(
        lambda: recorded(
            pl.concat(
                [
                    samples(steady(21, 200), limit_bytes=512 * MIB, pod="api-1", version="1.0"),
                    samples(np.append(np.zeros(21 * 24), steady(1, 440, seed=2)), pod="api-2", version="1.1")
                    .with_columns(limit_bytes=pl.lit(512 * MIB))
                    .tail(24),
                ],
                how="diagonal",
            )
        ),
        ("raise_limit", "none", "wait"),
        (512, 700),
        ("Since the release of", "taken from the versions before"),
    ),
    "a release that needs more is not drawn on": Scenario(
        lambda: recorded(
            released(samples(np.append(steady(14, 160), steady(14, 400, seed=2)), limit_bytes=512 * MIB), 14 * 24)
        ),
        "none",
        (512, 512),
        ("Since the release of",),
        never=("a month",),
    ),
    "nothing set gets both": Scenario(
        lambda: with_request(0, 0),
        "set_limit",
        (206, 240),
        holds=lambda row: row["qos_now"] == "BestEffort" and row["advised_request_bytes"] is not None,
    ),
    "a request alone gets a limit above it or a lower request": Scenario(
        lambda: with_request(0, 512),
        "set_limit",
        (206, 240),
        holds=lambda row: row["advised_request_bytes"] <= row["advised_limit_bytes"],
    ),
    "the limit in force is that of the pod that is killed first": Scenario(
        lambda: own_limits((200, 256), (200, 1024)),
        "none",
        (256, 256),
        holds=lambda row: row["limit_bytes"] == 256 * MIB,
    ),
    "each pod is held against its own limit": Scenario(
        lambda: own_limits((400, 512), (700, 1024)),
        "none",
        (512, 512),
        ("limits of their own: with each below its own",),
        never=("At 512 Mi",),
        holds=lambda row: row["oom_probability_7d"] < 0.03 and row["headroom_share"] > 0.15,
    ),
    "one of the pods is too near to its own limit": Scenario(
        lambda: own_limits((500, 512), (700, 1024)),
        "raise_limit",
        (714, 840),
        ("is for 5 %", "this one is for all of them"),
    ),
    "a chance that is hardly above what is accepted is no reason for a rollout": Scenario(
        lambda: recorded(samples(steady(14, 300), limit_bytes=320 * MIB)),
        "none",
        (320, 320),
        ("so near 5 % that another limit is not worth a rollout",),
        holds=lambda row: 0.05 < row["oom_probability_7d"] < 0.0667,
    ),
    "the lower of two limits killed": Scenario(
        killed_of_two, "raise_limit", (384, 768), holds=lambda row: row["limit_bytes"] == 256 * MIB
    ),
}
KINDS: Final = (KILLS, CACHES, GROWTH, LITTLE, SETTINGS)
SCENARIOS: Final = KILLS | CACHES | GROWTH | LITTLE | SETTINGS


def test_there_are_ten_of_each_kind() -> None:
    """Ten of each at least, and no name twice."""
    assert min(map(len, KINDS)) >= 10
    assert len(SCENARIOS) == sum(map(len, KINDS))


@pytest.fixture(scope="module")
def histories() -> dict[str, rm.Recording]:
    """Each scenario's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Working set never exceeds|.* may have request and limit swapped")
        return {name: scenario.made() for name, scenario in SCENARIOS.items()}


@pytest.fixture(scope="module")
def told(histories: dict[str, rm.Recording]) -> dict[str, dict[str, tuple[Row, ...]]]:
    """What is said of all scenarios at once, each in a cluster of its own: that takes a fraction of the time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(Working set never exceeds|Usage was above the limit)")
        found = rm.assess(
            rm.concat(
                dataclasses.replace(one, containers=one.containers.with_columns(cluster=pl.lit(name)))
                for name, one in histories.items()
            ),
            # So many workloads have margins of their own.
            margins=rm.Margins.shipped(),
        )
    frames = {"rows": found.workloads, "limits": rm.recommend_limits(found)}
    by_name = {frame: table.partition_by("cluster", as_dict=True) for frame, table in frames.items()}
    return {
        name: {frame: tuple(part[name,].iter_rows(named=True)) for frame, part in by_name.items()} for name in histories
    }


@pytest.mark.filterwarnings("ignore:.*Working set never exceeds")
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_limit_is_what_the_history_asks_for(
    name: str, told: dict[str, dict[str, tuple[Row, ...]]], histories: dict[str, rm.Recording]
) -> None:
    """Action, limit, sentences, and whatever else the scenario names; and no two numbers contradict each other."""
    scenario = SCENARIOS[name]
    (row,), (same,) = told[name].values()
    actions = (scenario.action,) if isinstance(scenario.action, str) else scenario.action
    assert row["action"] in actions
    if scenario.limit is None:
        assert row["advised_limit_bytes"] is None
    else:
        assert scenario.limit[0] * MIB <= row["advised_limit_bytes"] <= scenario.limit[1] * MIB
    said = f"{row['limit_reason']} {row['next_step']}"
    for words in scenario.says:
        assert words in said
    for words in scenario.never:
        assert words not in said
    assert scenario.holds(row)
    assert (same["recommended_limit_bytes"], same["action"]) == (row["advised_limit_bytes"], row["action"])
    no_two_numbers_contradict(row, histories[name])


def no_two_numbers_contradict(row: Row, recording: rm.Recording) -> None:
    """Chances rise with time and lie in their interval; an action does what it says; kills are never made little of."""
    now, limit, advised = row["oom_probability_7d"], row["limit_bytes"], row["advised_limit_bytes"]
    if now is not None:
        assert row["oom_probability_24h"] <= now <= row["oom_probability_30d"]
        assert row["oom_probability_7d_low"] <= now <= row["oom_probability_7d_high"]
    killed = row["killed_limit_bytes"]
    if killed is not None:
        assert "OOM-killed" in row["limit_reason"]
        assert advised is None or at_least_vpa(row)
        assert now is None or limit > killed or now > 0.15
        assert "At worst it hits" not in row["headline"]
    if row["action"] in OF_LIMITS:
        assert advised > (row["need_bytes"] if killed is None else killed)
        assert row["advised_oom_probability"] <= 0.05
        assert {
            "raise_limit": limit is not None and advised > limit,
            "lower_limit": limit is not None and advised < limit,
            "set_limit": limit is None,
        }[row["action"]]
        assert advised is not None
        assert f"{advised // MIB:,} Mi" in row["next_step"]
        assert row["advised_request_bytes"] is None or row["advised_request_bytes"] <= advised
        if "is for 5 %" in row["limit_reason"] and not row["growing"]:
            assert rm.limit_risk(recording, advised - 2 * MIB).row(0, named=True)["oom_probability"] > 0.05
    elif advised is not None:
        assert advised == limit
        assert row["advised_oom_probability"] == now
    if advised is not None and "of their own" not in row["limit_reason"]:
        asked = rm.limit_risk(recording, advised).row(0, named=True)
        assert asked["oom_probability"] == row["advised_oom_probability"]
        assert (asked["oom_probability_low"], asked["oom_probability_high"]) == (
            row["advised_oom_probability_low"],
            row["advised_oom_probability_high"],
        )
    if left := re.search(r"\(([^()]*) more\)", row["next_step"]):
        assert left[1] == hours_words((row["undecided_until"] - row["window_end"]).total_seconds() / 3600)
    for said in ("limit_reason", "next_text", "headline"):
        assert row[said].endswith(".")
        assert "None" not in row[said]


def test_room_is_below_the_limit_of_the_pod_itself() -> None:
    """A table of limits says of pods with limits of their own what an Assessment says."""
    recording = own_limits((400, 512), (700, 1024))
    headroom = rm.recommend_limits(recording)["headroom"].item()
    assert headroom == rm.assess(recording).workloads["headroom_share"].item() > 0.15


@pytest.mark.filterwarnings("ignore:.*Working set never exceeds")
def test_zeros_are_a_row_of_their_fleet() -> None:
    """Beside others, one container of zeros changes none of them."""
    web = samples(steady(14), workload="web", pod="web-0")
    rows = rm.recommend_limits(rm.Recording.from_frame(pl.concat([samples(np.zeros(14 * 24)), web])))
    alone = rm.recommend_limits(rm.Recording.from_frame(web))
    assert rows["workload"].to_list() == ["api", "web"]
    assert rows.filter(workload="web").equals(alone)


def test_a_recording_without_samples_is_one_clear_error() -> None:
    """Nothing to judge is no row."""
    known = recorded(samples(steady(1), limit_bytes=256 * MIB))
    with pytest.raises(RmtoolkitError, match="no samples"):
        rm.assess(dataclasses.replace(known, samples=known.samples.clear()))
