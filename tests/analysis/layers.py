"""Lives, pods, versions, load and layers of memory that fool naive code, each with the right answer.

Every function draws a trace from a variant and a seed. Traces of one signal in one life are in `traces`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.analysis.curves import (
    CLEAN,
    GI,
    LEAK,
    MB,
    MI,
    NO_LEAK,
    OPEN,
    Trace,
    ar1,
    day,
    footprint,
    hours,
    ramp,
    record,
    saturate,
    small_noise,
    together,
)

if TYPE_CHECKING:
    from tests.analysis.curves import Array

SETTLED = frozenset({"warm_up", "plateau"})
IS_LEAK = frozenset({"leak"})


def stack(t: Array, rng: np.random.Generator, allocated: Array, *above: tuple[str, Array]) -> dict[str, Array]:
    """Signals in MiB laid on the live heap, one upon the other, sharing its noise so that their order holds."""
    jitter = small_noise(rng, allocated)
    found = {"allocated_bytes": (allocated + jitter) * MI}
    level = allocated + jitter
    for name, extra in above:
        level = level + extra + np.abs(ar1(rng, len(t), 0.15, 0.7))
        found[name] = level * MI
    return found


def masked(variant: str, seed: int) -> Trace:
    """A life of 7.3 h from 120 to 500 MiB, again and again; without restart data it might be a sawtooth."""
    rng = np.random.default_rng(1900 + seed)
    t = hours(96, 60)
    period = 7.3
    life = np.floor(t / period).astype(int)
    age = t - life * period
    rates = 380 * rng.uniform(0.97, 1.03, life.max() + 1)
    curve = 120 + rates[life] * age / period
    curve += small_noise(rng, curve)
    signals = {"working_set_bytes": np.minimum(curve, 512) * MI}
    if variant == "no_metadata":
        return Trace(record(t, signals), OPEN)
    ends = [period * (index + 1) for index in range(life.max())]
    events = [item for at in ends for item in ((at - 20 / 3600, "oom_kill", None), (at, "start", None))]
    if variant == "restarts_only":
        recording = record(t, signals, restarts_total=life, limit_bytes=512 * MI)
    else:
        recording = record(t, signals, events=events, limit_bytes=512 * MI)
    return Trace(recording, LEAK, IS_LEAK, outlooks=frozenset({"reaches"}))


def deploys(variant: str, seed: int) -> Trace:
    """Deploys every two days hide 1.2 MiB/h: the limit is never near."""
    rng = np.random.default_rng(2000 + seed)
    t = hours({"last_whole": 191, "last_short": 202}[variant], 120)
    life = np.floor(t / 48).astype(int)
    curve = 220 + 1.2 * (t - 48 * life)
    versions = [f"1.{number}.0" for number in life]
    return Trace(footprint(t, curve * MI, rng, limit=GI, version=versions), LEAK, IS_LEAK)


def fixed(variant: str, seed: int) -> Trace:
    """A leak until a new version; that one is flat, for long enough or for far too short a time."""
    rng = np.random.default_rng(2100 + seed)
    t = hours(48 if variant == "long_after" else 31.5, 60)
    at = 30.0
    curve = 150 + rng.uniform(0.9, 1.2) * np.where(t < at, t, 0)
    versions = ["2.0.1" if moment < at else "2.0.2" for moment in t]
    recording = footprint(t, curve * MI, rng, limit=GI, version=versions)
    return Trace(recording, CLEAN if variant == "long_after" else OPEN)


def allocator(variant: str, seed: int) -> Trace:
    """A flat live heap: the allocator keeps pages, or its gaps grow all week."""
    rng = np.random.default_rng(2200 + seed)
    if variant == "retention":
        t = hours(48, 60)
        heap = np.full(len(t), 150.0)
        kept = 15 + rng.uniform(180, 260) * saturate(t, rng.uniform(1, 3))
        signals = stack(
            t, rng, heap, ("active_bytes", 6 + 0 * t), ("resident_bytes", kept), ("anon_bytes", 8 + 0 * t),
            ("working_set_bytes", 12 + 0 * t),
        )  # fmt: skip
        recording = record(t, signals, limit_bytes=GI, restarts_total=0)
        return Trace(recording, CLEAN, frozenset({"retention"}), frozenset({"allocator"}), frozenset({"bounded"}))
    t = hours(168, 300)
    heap = np.full(len(t), 300.0)
    slack = 12 + rng.uniform(180, 220) * t / 168
    signals = stack(
        t, rng, heap, ("active_bytes", slack), ("resident_bytes", 8 + 0 * t), ("anon_bytes", 6 + 0 * t),
        ("working_set_bytes", 8 + 0 * t),
    )  # fmt: skip
    recording = record(t, signals, limit_bytes=600 * MI, restarts_total=0)
    return Trace(recording, CLEAN, frozenset({"fragmentation"}), frozenset({"allocator"}), frozenset({"reaches"}))


def kura(variant: str, seed: int) -> Trace:
    """Anonymous memory +300 MB in 36 h, the allocator's resident memory flat: outside it, owner unknown."""
    rng = np.random.default_rng(2300 + seed)
    t = hours(36, 60)
    signals = stack(
        t, rng, np.full(len(t), 420.0), ("active_bytes", 15 + 0 * t), ("resident_bytes", 30 + 0 * t),
        ("anon_bytes", 90 + 286 * t / 36), ("working_set_bytes", 20 + 0 * t),
    )  # fmt: skip
    if variant == "two_gauges":
        del signals["active_bytes"]
    recording = record(t, signals, limit_bytes=2 * GI, restarts_total=0)
    return Trace(recording, OPEN, frozenset({"unexplained_growth"}), frozenset({"outside_allocator"}))


def sipi(variant: str, seed: int) -> Trace:
    """RSS +0.5 GB/h into 4 GiB while the engine's own accounting is flat: glibc keeps it, and it kills."""
    rng = np.random.default_rng(2400 + seed)
    t = hours(4.5, 15)
    heap = 300 * MB * (1 + ar1(rng, len(t), 0.006, 0.8))
    free = (60 + 500 * t) * MB * (1 + ar1(rng, len(t), 0.004, 0.8))
    anon = heap + free + 40 * MB
    signals = {
        "allocated_bytes": heap,
        "rss_bytes": anon + 10 * MB,
        "anon_bytes": anon,
        "working_set_bytes": anon + 30 * MB,
    }
    if variant == "with_free":
        signals["free_bytes"] = free
    recording = record(t, signals, limit_bytes=4 * GI, restarts_total=0)
    if variant == "with_free":
        return Trace(recording, CLEAN, frozenset({"retention"}), frozenset({"allocator"}), frozenset({"reaches"}))
    patterns = frozenset({"retention", "unexplained_growth"})
    return Trace(recording, NO_LEAK, patterns, outlooks=frozenset({"reaches"}))


def page_cache(variant: str, seed: int) -> Trace:
    """The working set fills to 98 % of the limit with page cache; shared memory cannot be taken back."""
    rng = np.random.default_rng(2500 + seed)
    t = hours(36, 60)
    anon = 300 * (1 + ar1(rng, len(t), 0.006, 0.8)) * MI
    if variant == "cache":
        cache = (0.98 * GI - 330 * MI) * ramp(t, 0, rng.uniform(7, 12)) + 20 * MI
        signals = {"anon_bytes": anon, "file_bytes": cache + 5 * MI, "working_set_bytes": anon + cache}
        recording = record(t, signals, limit_bytes=GI, restarts_total=0)
        return Trace(recording, CLEAN, frozenset({"page_cache"}), frozenset({"page_cache"}), frozenset({"bounded"}))
    shared = (15 + 400 * t / 36) * MI * (1 + ar1(rng, len(t), 0.004, 0.7))
    signals = {
        "anon_bytes": anon,
        "shmem_bytes": shared,
        "file_bytes": shared + 10 * MI,
        "working_set_bytes": anon + shared + 8 * MI,
    }
    recording = record(t, signals, limit_bytes=GI, restarts_total=0)
    return Trace(recording, NO_LEAK, frozenset({"unexplained_growth"}), outlooks=frozenset({"reaches", "unknown"}))


def pinned(variant: str, seed: int) -> Trace:
    """Flat where it cannot grow, under rising pressure: what it would need is hidden."""
    rng = np.random.default_rng(2600 + seed)
    t = hours(24, 60)
    limit = 512 * MI
    share = 0.992 if variant == "at_limit" else 0.9
    level = share * limit * ramp(t, -1.5, 4)
    anon = np.minimum(level + ar1(rng, len(t), 0.001 * limit, 0.5), share * limit + 0.3 * MI)
    stalled = np.cumsum(np.where(t > 4, rng.uniform(4, 12, len(t)) * (1 + t / 12), 0.01))
    recording = record(
        t,
        {"anon_bytes": anon - 4 * MI, "working_set_bytes": anon, "psi_some_seconds": stalled},
        limit_bytes=limit,
        restarts_total=0,
    )
    return Trace(recording, OPEN, frozenset({"at_limit"}))


def replicas(variant: str, seed: int) -> Trace:
    """Four pods become nine, each of them flat; or one of five climbs and the mean hardly moves."""
    rng = np.random.default_rng(2700 + seed)
    pods = []
    if variant == "scaled_out":
        for number in range(9):
            begin = 0.0 if number < 4 else 8.0 + 5 * (number - 4)
            t = hours(48, 60)
            t = t[t >= begin]
            curve = (180 + 25 * saturate(t - begin, 0.5)) * rng.uniform(0.95, 1.05)
            pods.append(
                footprint(t, curve * MI, rng, limit=512 * MI, pod=f"api-{number}", events=[(begin, "start", None)])
            )
        return Trace(together(pods), CLEAN, SETTLED)
    for number in range(5):
        t = hours(48, 60)
        curve = (200 + (2.0 * t if number == 3 else 0 * t)) * rng.uniform(0.95, 1.05)
        pods.append(footprint(t, curve * MI, rng, limit=512 * MI, pod=f"api-{number}"))
    return Trace(together(pods), LEAK, IS_LEAK)


def load(variant: str, seed: int) -> Trace:
    """Memory that follows requests growing threefold in a week; or 8 KB kept for each call at a constant load."""
    rng = np.random.default_rng(2800 + seed)
    if variant == "follows":
        t = hours(168, 300)
        requests = 100 * (1 + 2 * t / 168) * (0.6 + 0.8 * day(t)) * (1 + ar1(rng, len(t), 0.03, 0.8))
        curve = 150 + rng.uniform(0.6, 0.9) * requests
        recording = footprint(t, curve * MI, rng, limit=GI, load=requests)
        return Trace(recording, CLEAN, frozenset({"periodic"}), frozenset({"traffic"}))
    t = hours(12, 30)
    calls = np.cumsum(np.full(len(t), 40.0) + rng.normal(0, 2, len(t)))
    curve = 180 * MI + rng.uniform(6000, 10000) * calls
    recording = footprint(t, curve, rng, limit=GI, work_total=calls, load=200 + rng.normal(0, 3, len(t)))
    return Trace(recording, LEAK, IS_LEAK)


def idle(variant: str, seed: int) -> Trace:
    """No work overnight: flat memory says nothing about growth per request."""
    rng = np.random.default_rng(2900 + seed)
    t = hours(10, 60)
    calls = np.full(len(t), 81_000.0)
    more: dict[str, Any] = {"work_total": calls} if variant == "counter" else {"work_total": calls, "load": 0.0 * t}
    return Trace(footprint(t, np.full(len(t), 210.0 * MI), rng, limit=GI, **more), OPEN)


def overlap(variant: str, seed: int) -> Trace:
    """After a restart the killed process is shown for minutes more; ten minutes elsewhere are missing."""
    rng = np.random.default_rng(3000 + seed)
    t = hours(24, 30)
    at, shown = 13.0, rng.uniform(3, 4.5) / 60
    old, new = rng.uniform(380, 420), rng.uniform(300, 330)
    curve = np.where(
        t < at, old, np.where(t < at + shown, old + 0.2 * new, new * (0.75 + 0.25 * saturate(t - at, 0.3)))
    )
    missing = (t > 5) & (t < 5 + 10 / 60)
    counted = (t >= at + 30 / 3600) if variant == "counter_late" else (t >= at)
    jitter = small_noise(rng, curve)
    signals = {"working_set_bytes": ((curve + jitter) * MI)[~missing]}
    more: dict[str, Any] = (
        {"restarts_total": counted.astype(int)[~missing]}
        if variant == "counter_late"
        else {"events": [(at, "start", None)]}
    )
    return Trace(record(t[~missing], signals, limit_bytes=GI, **more), CLEAN, SETTLED | {"startup_spike"})


def runs(variant: str, seed: int) -> Trace:
    """One run, then one of four times the work: both keep 48 MB, or each keeps by its work."""
    rng = np.random.default_rng(3200 + seed)
    t = hours(50 / 60, 1)
    second = t >= 10 / 60
    age = np.where(second, t - 10 / 60, t)
    curve = 30 + 48 * (saturate(age, 0.02) if variant == "same" else age / (10 / 60))
    work = 10 * age * 3600
    recording = footprint(t, curve * MB, rng, restarts=False, work_total=work, restarts_total=second.astype(int))
    return Trace(recording, CLEAN, SETTLED) if variant == "same" else Trace(recording, LEAK, IS_LEAK)


def stale(variant: str, seed: int) -> Trace:
    """Allocator gauges whose epoch nobody advances: constant to the byte while the process moves."""
    rng = np.random.default_rng(3300 + seed)
    t = hours(24, 60)
    rss = (300 + 220 * t / 24 if variant == "growing" else 300 + 120 * day(t)) * MI
    signals = {
        "rss_bytes": rss + small_noise(rng, rss),
        "allocated_bytes": np.full(len(t), 181_321_728.0),
        "resident_bytes": np.full(len(t), 201_326_592.0),
    }
    recording = record(t, signals, limit_bytes=2 * GI, restarts_total=0)
    return Trace(recording, (LEAK | OPEN) if variant == "growing" else NO_LEAK)
