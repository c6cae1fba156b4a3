"""Score verdicts on services of days and weeks that are drawn by rule: releases, restarts, kills, idle weeks, caches.

Usage: ``python tests/benchmarks/drawn_histories.py [--seed 1 …] [--each 4] [--level restarts] [--kind idle_long …]
[--kinds] [--wrong]``. Each kind of history is drawn `--each` times a seed: one to five pods, two to fourteen days, and
noise that is correlated, comes in pages, and has the teeth of a collector. All are judged whole and cut at shares of
their window, at each level of evidence: names of pods and the working set alone; limits and restarts too; the live
heap and the work done too.

The truth at a cut is what the process that was drawn had lost by then: a version that runs leaks when one of its
processes has lost 3 % of its level and twice what moves besides; it is healthy when none lost anything. Left out is
what is in between, a version without loss before it ran for as long as the one before it took to show its own, stairs
before the third, and a leak whose processes began anew in place where nothing tells of restarts.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import rmtoolkit as rm
from rmtoolkit.recording import Recording
from tests.analysis.curves import BEGIN, MI, ar1, saturate
from tests.benchmarks.leak_early import LOST, NOTHING_LOST, VISIBLE, cut_at, flips
from tests.benchmarks.leak_scores import rate
from tests.benchmarks.leak_tables import aligned, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Array = NDArray[Any]

CUTS: Final = (0.25, 0.4, 0.6, 0.8, 1.0)
_TOLD: Final = ("working_set_bytes", "limit_bytes", "restarts_total", "version")
LEVELS: Final = {
    "names": _TOLD[:1],
    "restarts": _TOLD,
    "heap": (*_TOLD, "allocated_bytes", "anon_bytes", "work_total"),
}
#: So many stairs are a leak: one is a step, two may be a start.
STAIRS: Final = 3
#: A collector's or an allocator's page, and the letters of a pod's hash.
PAGE: Final = 4096
SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Version:
    """What a version of the program does; shares are of its level, and for a whole day of usual load."""

    name: str
    by_time: float = 0.0
    by_work: float = 0.0
    #: Hours after which a leak begins, the power of its growth, and the hours of a stair.
    begins: float = 0.0
    power: float = 1.0
    stair: float = 0.0
    level: float = 1.0
    #: A cache: how much of the level, and after how many hours of usual load two thirds of it are full.
    cache: float = 0.0
    fills: float = 1.0


@dataclass
class Process:
    """One process that was planned: whose, from when to when, and how often its container had restarted."""

    pod: str
    version: Version
    begin: float
    end: float
    restarts: int = 0
    ended: str | None = None


@dataclass(frozen=True)
class Ran:
    """One process as it ran: hours, working set, and bytes that were lost by then."""

    version: str
    restarts: int
    hours: Array
    held: Array
    lost: Array


@dataclass
class Service:
    """What all processes of one service share, and how they ran."""

    kind: str
    name: str
    days: float
    pods: int
    step: float
    level: float
    load: Callable[[Array], Array]
    version: Version
    daily: float
    noise: float
    memory: float
    teeth: float
    warm: float
    nightly: float = 0.0
    limit: float | None = None
    ran: list[Ran] = field(default_factory=list)
    rows: list[pl.DataFrame] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def hours(self) -> float:
        """The length of the window."""
        return self.days * 24


def by_day(depth: float, peak: float) -> Callable[[Array], Array]:
    """Load of people: high by day."""
    return lambda hours: 1 + depth * np.cos(2 * np.pi * (hours - peak) / 24)


def in_office(hours: Array) -> Array:
    """Load of Monday to Friday, 8 to 18 o'clock; the window begins on a Monday."""
    at, day = hours % 24, hours // 24 % 7
    return np.where((at >= 8) & (at < 18) & (day < 5), 2.4, 0.02)


def but_weekends(hours: Array) -> Array:
    """Load by day from Monday to Friday, and hardly any on weekends."""
    return by_day(0.5, 14)(hours) * np.where(hours // 24 % 7 < 5, 1.2, 0.01)


def between(begin: float, end: float, load: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Load in a part of the window, and none else."""
    return lambda hours: np.where((hours >= begin) & (hours < end), load(hours), 0.0)


def draw(rng: np.random.Generator, kind: str, name: str) -> Service:
    """Draw a service, its load and its noise; its history comes after that."""
    days, pods = float(rng.choice([2, 3, 4, 5, 7, 10, 14])), int(rng.choice([1, 1, 2, 3, 4, 5]))
    daily = float(rng.uniform(0.02, 0.25)) if rng.random() < 0.6 else 0.0
    load = by_day(rng.uniform(0.3, 0.9), rng.uniform(10, 20)) if daily else np.ones_like
    level = float(np.exp(rng.uniform(np.log(40), np.log(3000)))) * MI
    return Service(
        *(kind, name, days, pods, 1 / 12 if days <= 7 else 1 / 6, level, load, Version("1.0"), daily),
        noise=float(np.exp(rng.uniform(np.log(0.0015), np.log(0.015)))),
        memory=float(rng.uniform(0.5, 0.97)),
        teeth=float(rng.uniform(0.02, 0.15)) if rng.random() < 0.25 else 0.0,
        warm=float(rng.uniform(0.05, 0.4)),
        limit=level * float(rng.uniform(1.5, 4)) if rng.random() < 0.6 else None,
    )


def leaky(rng: np.random.Generator, service: Service, lasts: float, *, by: str | None = None) -> Version:
    """Draw a leak that brings 15 to 150 % of the level within so many hours of usual load, by time or by work."""
    a_day = float(np.exp(rng.uniform(np.log(0.15), np.log(1.5)))) / lasts * 24
    by = by or str(rng.choice(["by_time", "by_work"]))
    return replace(service.version, name="1.1", **{by: a_day})


def hashed(rng: np.random.Generator, letters: int) -> str:
    """Draw a part of a pod's name."""
    return "".join(rng.choice(list(SAFE), letters))


def rollout(rng: np.random.Generator, service: Service, plan: list[tuple[float, Version]]) -> Iterator[Process]:
    """Begin a new pod of each replica wherever a version begins; one that comes back has the hash that it had."""
    ends = [begin for begin, _ in plan[1:]] + [service.hours]
    hashes = {version.name: hashed(rng, 9) for _, version in plan}
    for (begin, version), end in zip(plan, ends, strict=True):
        of = hashes[version.name]
        for number in range(service.pods):
            late = 0.1 * number if begin else 0.0
            yield Process(f"{service.name}-{of}-{hashed(rng, 5)}", version, begin + late, end + 0.1 * number)


def restarted(service: Service, version: Version, times: list[float], ended: str = "error") -> Iterator[Process]:
    """Restart the process of each pod in place, at the same times but for some minutes."""
    for number in range(service.pods):
        edges = [0.0, *(at + 0.2 * number for at in times), service.hours]
        for count, (begin, end) in enumerate(pairwise(edges)):
            how = ended if end < service.hours else None
            yield Process(f"{service.name}-{number}", version, begin, end, count, how)


def some(rng: np.random.Generator, service: Service, least: int, most: int) -> list[float]:
    """Draw some times of the window, each well apart from the others."""
    count = int(rng.integers(least, most + 1))
    return [service.hours * (place + rng.uniform(0.2, 0.8)) / (count + 1) for place in range(1, count + 1)]


def history(rng: np.random.Generator, service: Service) -> list[Process]:  # noqa: C901, PLR0911, PLR0912, PLR0915
    """Draw what happened to a service of its kind."""
    healthy, kind, middle = service.version, service.kind, service.hours * float(rng.uniform(0.3, 0.75))
    if kind.endswith("daily"):
        service.daily, service.load = float(rng.uniform(0.1, 0.5)), by_day(0.8, rng.uniform(0, 24))
    if kind in ("weekly", "office", "leak_weekend"):
        service.days = float(rng.choice([6, 7, 13, 14]))
        service.load = in_office if kind == "office" else but_weekends
    if kind == "nightly":
        service.nightly = float(rng.uniform(0.2, 1.0))
    whole, at_night = service.hours, [24.0 * day + 3 for day in range(1, int(service.days))]
    match kind:
        case "steady" | "daily" | "weekly" | "office" | "nightly" | "gaps":
            return list(rollout(rng, service, [(0.0, healthy)]))
        case "cache_fills" | "cache_full" | "cache_restarted":
            fills = whole * float(rng.uniform(0.15, 0.6) if kind == "cache_fills" else rng.uniform(0.02, 0.1))
            cached = replace(healthy, cache=float(rng.uniform(0.3, 2.0)), fills=fills)
            service.limit = service.level * 5
            return list(restarted(service, cached, some(rng, service, 1, 4) if kind == "cache_restarted" else []))
        case "rollout":
            versions = [Version(f"1.{number}", level=float(rng.uniform(0.8, 1.4))) for number in range(1, 4)]
            return list(rollout(rng, service, [(0.0, healthy), *zip(some(rng, service, 1, 3), versions, strict=False)]))
        case "restarts":
            return list(restarted(service, healthy, some(rng, service, 1, 5)))
        case "bursts_killed":
            service.limit, service.nightly = service.level * 1.5, float(rng.uniform(0.2, 0.45))
            return list(restarted(service, healthy, some(rng, service, 1, 3), "oom_kill"))
        case "fix":
            leak = leaky(rng, service, middle)
            return list(rollout(rng, service, [(0.0, leak), (middle, replace(healthy, name="1.2"))]))
        case "rollback":
            plan = [(0.0, healthy), (middle / 2, leaky(rng, service, middle)), ((middle + whole) / 2, healthy)]
            return list(rollout(rng, service, plan))
        case "regression":
            return list(rollout(rng, service, [(0.0, healthy), (middle, leaky(rng, service, whole - middle))]))
        case "canary" | "canary_leaks":
            new = leaky(rng, service, whole - middle) if kind == "canary_leaks" else replace(healthy, name="1.1")
            pod = f"{service.name}-{hashed(rng, 9)}-{hashed(rng, 5)}"
            return [*rollout(rng, service, [(0.0, healthy)]), Process(pod, new, middle, whole)]
        case "scaled" | "leak_scaled":
            version = healthy if kind == "scaled" else leaky(rng, service, 0.7 * whole)
            found = list(rollout(rng, service, [(0.0, version)]))
            of = found[0].pod.rpartition("-")[0]
            for day in range(int(service.days)):
                begin = 24 * day + float(rng.uniform(7, 10))
                found.append(Process(f"{of}-{hashed(rng, 5)}", version, begin, begin + float(rng.uniform(5, 10))))
            return found
        case "leak_time" | "leak_work":
            return list(rollout(rng, service, [(0.0, leaky(rng, service, whole, by=f"by_{kind[5:]}"))]))
        case "leak_daily" | "leak_gaps":
            return list(rollout(rng, service, [(0.0, leaky(rng, service, whole))]))
        case "leak_late":
            return list(rollout(rng, service, [(0.0, replace(leaky(rng, service, whole - middle), begins=middle))]))
        case "leak_accelerates":
            leak = leaky(rng, service, whole, by="by_time")
            return list(rollout(rng, service, [(0.0, replace(leak, power=float(rng.uniform(1.5, 3))))]))
        case "leak_stairs":
            leak = leaky(rng, service, whole)
            return list(rollout(rng, service, [(0.0, replace(leak, stair=whole / float(rng.integers(5, 15))))]))
        case "leak_restarted":
            return list(restarted(service, leaky(rng, service, 48), at_night, "restart"))
        case "leak_masked":
            times = some(rng, service, 1, 4)
            return list(restarted(service, leaky(rng, service, whole / (len(times) + 1)), times))
        case "leak_killed":
            service.limit = service.level * float(rng.uniform(1.4, 2))
            return list(restarted(service, leaky(rng, service, whole / float(rng.uniform(2, 6))), []))
        case "leak_weekend":
            return list(restarted(service, leaky(rng, service, 72, by="by_work"), at_night, "restart"))
        case "idle_long" | "leak_idle_long":
            begin, end = sorted(float(at) for at in rng.uniform(0, whole, 2))
            end = min(max(end, begin + whole / 4), whole)
            service.load = between(begin, end, by_day(0.4, 14))
            work = leaky(rng, service, end - begin, by="by_work") if kind == "leak_idle_long" else healthy
            return list(restarted(service, work, some(rng, service, 1, 4)))
    raise AssertionError(kind)


KINDS: Final = (
    *("steady", "daily", "weekly", "office", "nightly", "cache_fills", "cache_full", "cache_restarted", "rollout"),
    *("restarts", "bursts_killed", "fix", "rollback", "canary", "scaled", "gaps", "idle_long", "leak_time"),
    *("leak_work", "leak_daily", "leak_late", "leak_accelerates", "leak_stairs", "leak_restarted", "leak_masked"),
    *("leak_killed", "leak_weekend", "leak_idle_long", "leak_scaled", "leak_gaps", "regression", "canary_leaks"),
)


def run(rng: np.random.Generator, service: Service, process: Process) -> None:
    """Run a process, and after a kill the next one in its container, and write down what is seen of it."""
    first = np.ceil(process.begin / service.step) * service.step
    hours = np.arange(first, min(process.end, service.hours) + service.step / 2, service.step)
    if len(hours) < 2:
        return
    version, level, age = process.version, service.level * process.version.level, hours - process.begin
    load = service.load(hours)
    work = np.concatenate([[0.0], np.cumsum(load[1:] * np.diff(hours))])
    lost = level * _leaked(version, age, work, service)
    at_work = level * (version.cache * saturate(work, version.fills) + service.daily * load / 2)
    warm = level * service.warm * (saturate(age, 0.4) - 1)
    live = level + warm + lost + at_work + ar1(rng, len(hours), level * service.noise, service.memory)
    if service.teeth:
        live += level * service.teeth * np.mod(age / rng.uniform(0.4, 4) + rng.random(), 1.0)
    if service.nightly:
        night = np.mod(hours - 2, 24)
        live += level * service.nightly * np.where(night < rng.uniform(0.5, 2), np.sin(np.pi * np.minimum(night, 1)), 0)
    anon = np.ceil(np.maximum(live * 1.06, level / 20) / PAGE) * PAGE
    held = anon + level * 0.05 + np.abs(ar1(rng, len(hours), level * service.noise / 3, 0.9))
    killed = np.flatnonzero(held >= service.limit) if service.limit is not None else np.array([], int)
    then = None
    if len(killed) and killed[0] > 1:
        stop = int(killed[0])
        then = Process(process.pod, version, hours[stop] + 0.05, process.end, process.restarts + 1, process.ended)
        process = replace(process, end=float(hours[stop]), ended="oom_kill")
        hours, held, lost, live, anon, work = (one[:stop] for one in (hours, held, lost, live, anon, work))
    keep = np.ones(len(hours), bool)
    if service.kind.endswith("gaps"):
        begin = service.hours * rng.uniform(0.1, 0.6)
        keep = (hours < begin) | (hours > begin + service.hours * rng.uniform(0.03, 0.25))
    if keep.sum() > 1:
        service.ran.append(Ran(version.name, process.restarts, hours[keep], held[keep], lost[keep]))
        told = {"working_set_bytes": held, "allocated_bytes": live, "anon_bytes": anon, "work_total": 1e5 * work}
        service.rows.append(_rows(service, process, hours, **told).filter(pl.Series(keep)))
    if process.ended in ("oom_kill", "error") and len(hours):
        at = BEGIN + dt.timedelta(hours=float(hours[-1]) + service.step / 3)
        names = {"namespace": service.kind, "workload": service.name, "pod": process.pod}
        service.events.append({**names, "time": at, "kind": process.ended})
    if then is not None:
        run(rng, service, then)


def _leaked(version: Version, age: Array, work: Array, service: Service) -> Array:
    due = (version.by_time * np.maximum(age - version.begins, 0) + version.by_work * work) / 24
    if version.power != 1:
        span = version.by_time * service.hours / 24
        due = span * (due / span) ** version.power
    if version.stair:
        stair = (version.by_time + version.by_work) * version.stair / 24
        due = np.floor(due / stair) * stair
    return due


def _rows(service: Service, process: Process, hours: Array, **columns: Array) -> pl.DataFrame:
    times = np.round(hours * 3_600_000).astype(np.int64) + round(BEGIN.timestamp() * 1000)
    about = {"namespace": service.kind, "workload": service.name, "pod": process.pod, "version": process.version.name}
    whole = {"time": times, **{name: one.astype(np.int64) for name, one in columns.items()}}
    return pl.DataFrame(whole).with_columns(
        *(pl.lit(value).alias(name) for name, value in about.items()),
        restarts_total=process.restarts,
        limit_bytes=pl.lit(None if service.limit is None else int(service.limit), pl.Int64),
    )


def services(seed: int, each: int, kinds: tuple[str, ...] = KINDS) -> list[Service]:
    """Draw every kind so many times; what is drawn of one is the same whatever else is drawn."""
    found = []
    for kind in kinds:
        for number in range(each):
            rng = np.random.default_rng([seed, KINDS.index(kind), number])
            service = draw(rng, kind, f"{kind.replace('_', '-')}-{seed}-{number}")
            for process in history(rng, service):
                run(rng, service, process)
            found.append(service)
    return found


def recorded(drawn: list[Service], level: str) -> Recording:
    """What a level of evidence sees of all services."""
    kept = ["time", "namespace", "workload", "pod", *LEVELS[level]]
    frame = pl.concat([rows for service in drawn for rows in service.rows]).select(kept)
    happened = [event for service in drawn for event in service.events]
    return Recording.from_frame(frame, events=pl.DataFrame(happened) if happened and level != "names" else None)


def truth_at(service: Service, share: float, level: str) -> bool | None:
    """Tell whether what runs at a share of the window leaks, by what was lost until then; null where nobody can."""
    end = max(one.hours[-1] for one in service.ran) * share
    begun = [one for one in service.ran if one.hours[0] <= end]
    now = max(min(one.hours[-1], end) for one in begun)
    running = {one.version for one in begun if one.hours[-1] >= now - 2 * service.step}
    shown, lost, ran = dict[str, float](), defaultdict[str, float](float), defaultdict[str, float](float)
    for one in begun:
        until = one.hours <= end
        held, gone = one.held[until], one.lost[until]
        size, rest = float(np.median(held[-len(held) // 5 :])), held - gone
        least = max(LOST * size, VISIBLE * 1.4826 * float(np.median(np.abs(rest - np.median(rest)))))
        lost[one.version] = max(lost[one.version], float(gone[-1]) / size)
        ran[one.version] = max(ran[one.version], float(one.hours[until][-1] - one.hours[0]))
        if gone[-1] >= least and (service.kind != "leak_stairs" or len(np.unique(gone)) > STAIRS):
            took = float(one.hours[until][np.argmax(gone >= least)] - one.hours[0])
            shown[one.version] = min(shown.get(one.version, took), took)
    if running & shown.keys():
        return None if level == "names" and any(one.restarts for one in begun) else True
    if any(lost[version] > NOTHING_LOST for version in running):
        return None
    return None if any(ran[version] < took for version in running for took in shown.values()) else False


def judge(drawn: list[Service], level: str) -> pl.DataFrame:
    """Judge all services at every cut: a row each, with its truth."""
    whole, parts = recorded(drawn, level), []
    for share in CUTS:
        said = rm.classify(cut_at(whole, share)).select(
            "workload", "verdict", "leak_probability", "pattern", "explanation"
        )
        true = {"workload": [one.name for one in drawn], "namespace": [one.kind for one in drawn]}
        leaks = pl.Series("leaks", [truth_at(one, share, level) for one in drawn], pl.Boolean)
        told = pl.DataFrame(true).with_columns(leaks, cut=pl.lit(share), level=pl.lit(level))
        parts.append(told.join(said, on="workload", how="left", maintain_order="left"))
    return pl.concat(parts).with_columns(pl.col("verdict").fill_null("inconclusive"))


def table(judged: pl.DataFrame, by: str) -> str:
    """Write a line for each cut, or for each kind."""
    head = ("cut" if by == "cut" else "kind", "leaks", "called clean", "open", "healthy", "called leaks", "open")
    lines = []
    for (name,), rows in judged.group_by(by, maintain_order=True):
        cells = [f"{name:.0%}" if isinstance(name, float) else str(name)]
        for leaks, wrong in ((True, "not_leak"), (False, "leak")):
            of = rows.filter(pl.col("leaks") == leaks)
            counts = [of.filter(verdict=verdict).height for verdict in (wrong, "inconclusive")]
            cells += [str(of.height), *(percent(rate(count, of.height)) for count in counts)]
        lines.append(cells)
    return aligned(head, lines)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, draw, judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--each", type=int, default=4, help="services of each kind, for each seed")
    parser.add_argument("--level", choices=(*LEVELS, "all"), default="all")
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--kinds", action="store_true", help="also a line for each kind, all cuts together")
    parser.add_argument("--wrong", action="store_true", help="also list each sure and wrong verdict")
    given = parser.parse_args(arguments)
    drawn = [one for seed in given.seed for one in services(seed, given.each, tuple(given.kind))]
    levels = LEVELS if given.level == "all" else [given.level]
    judged = pl.concat(judge(drawn, level) for level in levels)
    for level in levels:
        of = judged.filter(level=level)
        print(f"{len(drawn)} services, {level}\n{table(of, 'cut')}\nSure verdicts that flipped: {flips(of)}.\n")
        if given.kinds:
            print(table(of, "namespace") + "\n")
    if given.wrong:
        wrong = pl.when("leaks").then(pl.lit("not_leak")).otherwise(pl.lit("leak"))
        for row in judged.filter(pl.col("verdict") == wrong, pl.col("leaks").is_not_null()).iter_rows(named=True):
            print(
                "{level} {cut:.0%} {workload}: {verdict} {leak_probability:.2f} {pattern}: {explanation}".format(**row)
            )


if __name__ == "__main__":
    main()
