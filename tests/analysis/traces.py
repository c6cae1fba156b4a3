"""One series that fools naive code: traces of a single signal, each with the right answer.

Every function draws a trace from a variant and a seed. Lives, pods and layers of memory are in `layers`.
"""

from __future__ import annotations

from typing import Any

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
    saw,
    small_noise,
)

SETTLED = frozenset({"warm_up", "plateau"})


def vigia(variant: str, seed: int) -> Trace:
    """24 h of a real terminal tool: quarter medians 30.95, 34.73, 35.02 and 35.06 MiB, scraped every 5 minutes."""
    rng = np.random.default_rng(100 + seed)
    t = hours(24, 300)
    # Quarter medians at 3, 9, 15 and 21 h give the time constant and the amplitude.
    curve = 35.06 - 14.5 * np.exp(-t / 2.379) if variant != "kinked" else 28.55 + 6.47 * ramp(t, 0, 8.08)
    length = {"full": 24, "kinked": 24, "first_8_h": 8, "first_4_h": 4}[variant]
    keep = t <= length
    recording = footprint(t[keep], curve[keep] * MI, rng, signal="rss_bytes", restarts=False)
    if length == 24:
        return Trace(recording, CLEAN, SETTLED)
    # After 8 h (3.4 time constants) it may pass for settled; after 4 h (1.7) nobody can know.
    return Trace(recording, NO_LEAK if length == 8 else OPEN)


def siphon(variant: str, seed: int) -> Trace:
    """8 h at constant calls: +93.1, +53.3, +7.9, +16.6, +0.2, +0.1, +0.8 and +0.5 MB per hour, then flat."""
    rng = np.random.default_rng(200 + seed)
    t = hours(8, 30)
    steps = np.array([93.1, 53.3, 7.9, 16.6, 0.2, 0.1, 0.8, 0.5])
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    # The 16.6 MB came as one burst; before it the curve looked converged.
    curve = np.interp(
        t,
        [0, 0.5, 1, 1.5, 2, 3, 3.5, 3.7, *range(4, 9)],
        [
            0,
            0.56 * 93.1,
            *reached[[1]],
            reached[1] + 0.62 * 53.3,
            reached[2],
            reached[3],
            reached[3] + 0.5,
            reached[4] - 0.5,
            *reached[4:],
        ],
    )
    base = rng.uniform(55, 75)
    length = {"full": 8, "with_live_heap": 8, "first_2_h": 2, "first_3_h": 3}[variant]
    keep = t <= length
    rss = (base + curve[keep]) * MB
    if variant == "with_live_heap":
        resident = rss - 6 * MB + small_noise(rng, rss)
        heap = np.full(len(rss), 0.7 * base * MB)
        signals = {
            "rss_bytes": resident + 6 * MB,
            "resident_bytes": resident,
            "allocated_bytes": heap + small_noise(rng, heap),
        }
        recording = record(t[keep], signals, restarts_total=0)
        return Trace(recording, CLEAN, frozenset({"retention"}), frozenset({"allocator"}))
    recording = footprint(t[keep], rss, rng, signal="rss_bytes")
    if variant == "full":
        return Trace(recording, CLEAN, SETTLED | {"retention", "step"})
    return Trace(recording, OPEN)


def appln2(variant: str, seed: int) -> Trace:
    """Flat, a step, flat, a ramp of three days, flat; the prefix ends one day into the ramp."""
    rng = np.random.default_rng(300 + seed)
    t = hours(240, 300)
    scale = rng.uniform(0.8, 1.3)
    curve = 400 + 60 * scale * (t > 72) + 130 * scale * ramp(t, 120, 192)
    if variant == "full":
        return Trace(footprint(t, curve * MI, rng, limit=2 * GI), CLEAN, SETTLED | {"step"})
    keep = t <= 144
    return Trace(footprint(t[keep], curve[keep] * MI, rng, restarts=False), OPEN)


def dotnet_start(variant: str, seed: int) -> Trace:
    """Low after the start, builds for 20 to 40 minutes, levels off."""
    rng = np.random.default_rng(400 + seed)
    length, cadence = {"day": (24, 30), "six_hours": (6, 15), "ramp": (12, 30)}[variant]
    t = hours(length, cadence)
    minutes = rng.uniform(20, 40)
    rise = ramp(t, 0.02, minutes / 60) if variant == "ramp" else saturate(t, minutes / 60 / 3)
    level = rng.uniform(150, 260)
    curve = 80 + level * rise
    recording = footprint(t, curve * MI, rng, limit=2.2 * (80 + level) * MI, events=[(0.0, "start", None)])
    return Trace(recording, CLEAN, SETTLED, outlooks=frozenset({"bounded"}))


def postgres(variant: str, seed: int) -> Trace:
    """Buffers fill by 40 % an hour after a rollout; over a week it stays between 40 and 130 of 512 MiB."""
    rng = np.random.default_rng(500 + seed)
    if variant == "one_life":
        t = hours(168, 300)
        curve = 40 + 88 * saturate(t, rng.uniform(3, 6))
        return Trace(footprint(t, curve * MI, rng, limit=512 * MI), CLEAN, SETTLED, outlooks=frozenset({"bounded"}))
    t = hours(168, 120)
    rollouts = np.array([0.0, 55.0, 130.0]) + np.array([0.0, *rng.uniform(-4, 4, 2)])
    life = np.searchsorted(rollouts, t, side="right") - 1
    curve = 40 + rng.uniform(80, 88) * saturate(t - rollouts[life], rng.uniform(2.5, 5))
    recording = record(
        t,
        {"working_set_bytes": curve * MI + small_noise(rng, curve * MI)},
        limit_bytes=512 * MI,
        restarts_total=life,
    )
    return Trace(recording, CLEAN, SETTLED, outlooks=frozenset({"bounded"}))


def apid(variant: str, seed: int) -> Trace:
    """Short spikes from 10 to 30 MiB: 122 % an hour in a window of one hour, and nothing at all over a day."""
    rng = np.random.default_rng(600 + seed)
    length, cadence = {"day": (24, 30), "hour": (1, 15)}[variant]
    t = hours(length, cadence)
    curve = 10 + 20 * saw(t, rng.uniform(0.4, 0.6), rng.uniform(0, 1)) ** 2
    verdicts = CLEAN if variant == "day" else NO_LEAK
    patterns = frozenset({"sawtooth", "periodic", "burst", "plateau"}) if variant == "day" else frozenset()
    return Trace(footprint(t, curve * MI, rng, limit=128 * MI), verdicts, patterns)


def sawtooth(variant: str, seed: int) -> Trace:
    """Teeth 62 MiB deep, cut anywhere by the window; the floor is flat, or rises by 48 MiB over the window."""
    rng = np.random.default_rng(700 + seed)
    kind, cycles = variant.split("_")
    # The same picture at three time scales: judged by samples and cycles, not by hours.
    length, cadence = ((24, 60), (24, 60), (10 / 60, 1))[seed % 3]
    t = hours(length, cadence)
    curve = 14 + 62 * saw(t, length / (float(cycles) + rng.uniform(-0.4, 0.4)), rng.uniform(0, 1))
    if kind == "rising":
        curve += 48 * t / length
    recording = footprint(t, curve * MI, rng, limit=512 * MI)
    if kind == "rising":
        return Trace(recording, LEAK, frozenset({"leak"}))
    return Trace(
        recording,
        CLEAN,
        frozenset({"sawtooth", "periodic"} if int(cycles) < 40 else {"sawtooth", "periodic", "plateau"}),
    )


def few_teeth(variant: str, seed: int) -> Trace:
    """Fewer than three teeth, the window ends on a rise."""
    rng = np.random.default_rng(800 + seed)
    t = hours(24, 60)
    cycles = {"two": 2.6, "one": 1.7}[variant]
    curve = 90 + 62 * saw(t, 24 / cycles, rng.uniform(0, 0.1))
    return Trace(footprint(t, curve * MI, rng), OPEN)


def small_leak(variant: str, seed: int) -> Trace:
    """+11 MB a day on 27 MB: a leak, half a year away from its 2 GiB."""
    rng = np.random.default_rng(900 + seed)
    t = hours(24, {"minute": 60, "two_minutes": 120}[variant])
    curve = 27 + 11.4 * t / 24
    return Trace(footprint(t, curve * MB, rng, limit=2 * GI), LEAK, frozenset({"leak"}))


def kubeedge(variant: str, seed: int) -> Trace:
    """Nearly free of noise, straight to the limit in 59 h, with strongly autocorrelated residuals."""
    rng = np.random.default_rng(1000 + seed)
    t = hours({"whole": 58, "first_35_h": 35}[variant], 300)
    limit = 1 * GI
    curve = limit * (0.12 + 0.88 * t / 59)
    curve += ar1(rng, len(t), 0.004 * limit, 0.998) + ar1(rng, len(t), 0.0005 * limit, 0.5)
    recording = record(t, {"working_set_bytes": np.minimum(curve, limit)}, limit_bytes=limit, restarts_total=0)
    return Trace(recording, LEAK, frozenset({"leak"}), outlooks=frozenset({"reaches"}))


def wandering(variant: str, seed: int) -> Trace:
    """A flat level that wanders: noise correlated by .98 to .998 from minute to minute."""
    rng = np.random.default_rng(1100 + seed)
    t = hours(24, 60)
    rho = {"rho_980": 0.98, "rho_995": 0.995, "rho_998": 0.998}[variant]
    curve = 300 * (1 + ar1(rng, len(t), 0.02, rho))
    return Trace(record(t, {"working_set_bytes": curve * MI}, limit_bytes=600 * MI, restarts_total=0), NO_LEAK)


def random_walk(variant: str, seed: int) -> Trace:
    """A random walk whose spread over a day is 5 or 12 % of its level."""
    rng = np.random.default_rng(1200 + seed)
    t = hours(24, 60)
    walk = np.cumsum(rng.normal(0, 1, len(t)))
    walk *= {"narrow": 0.05, "wide": 0.12}[variant] / np.std(walk)
    return Trace(record(t, {"working_set_bytes": 300 * (1 + walk - walk[0]).clip(0.2) * MI}, restarts_total=0), NO_LEAK)


def diurnal(variant: str, seed: int) -> Trace:
    """Daily load: half a wave cannot be told from growth, a week can, with and without 0.6 MiB/h beneath."""
    rng = np.random.default_rng(1300 + seed)
    amplitude = rng.uniform(60, 90)
    if variant == "rising_half":
        t = hours(12, 60)
        curve = 300 + amplitude * day(t, 12 + rng.uniform(-0.5, 0.5))
        return Trace(footprint(t, curve * MI, rng), OPEN)
    t = hours(168, 300)
    curve = 300 + amplitude * day(t, rng.uniform(12, 18)) ** rng.uniform(0.8, 1.3)
    if variant == "week":
        return Trace(footprint(t, curve * MI, rng, limit=GI), CLEAN, frozenset({"periodic"}))
    return Trace(footprint(t, (curve + 0.6 * t) * MI, rng, limit=GI), LEAK, frozenset({"leak"}))


def weekend(variant: str, seed: int) -> Trace:
    """Saturday to Wednesday: weekdays are higher than the weekend, and have larger daily waves."""
    rng = np.random.default_rng(1400 + seed)
    t = hours(120, 300)
    working = ramp(t, 54, 57) if variant == "abrupt" else ramp(t, 48, 60)
    curve = 300 + (20 + rng.uniform(30, 50) * working) * day(t) + rng.uniform(25, 40) * working
    return Trace(footprint(t, curve * MI, rng, limit=GI), NO_LEAK)


def step(variant: str, seed: int) -> Trace:
    """A deploy adds 90 MiB at once, flat on both sides; in the last 5 % nobody knows what follows."""
    rng = np.random.default_rng(1500 + seed)
    t = hours(24, 30)
    at = rng.uniform(10, 15) if variant.startswith("middle") else 24 * rng.uniform(0.953, 0.965)
    curve = (260.0 + 90.0 * (t > at)) * MI
    versioned = variant.endswith("versioned")
    more: dict[str, Any] = {"version": ["1.4.0" if moment <= at else "1.5.0" for moment in t]} if versioned else {}
    recording = footprint(t, curve, rng, limit=700 * MI, **more)
    if variant.startswith("fresh"):
        return Trace(recording, OPEN)
    causes: frozenset[str | None] = frozenset({"release"} if versioned else {None})
    return Trace(recording, CLEAN, frozenset({"step"}), causes, frozenset({"bounded"}))


def staircase(variant: str, seed: int) -> Trace:
    """A job each night for ten days: +12 MiB each time is a leak, ever smaller steps are kept pages."""
    rng = np.random.default_rng(1600 + seed)
    t = hours(240, 300)
    nights = np.arange(10) * 24 + 2 + rng.uniform(-0.3, 0.3, 10)
    rises = np.full(10, 12.0) if variant == "constant" else 60 * 0.45 ** np.arange(10)
    curve = 200 + np.sum(
        [rise * ramp(t, night, night + 0.4) for night, rise in zip(nights, rises, strict=True)], axis=0
    )
    recording = footprint(t, curve * MI, rng, limit=GI)
    if variant == "constant":
        return Trace(recording, LEAK, frozenset({"leak"}))
    return Trace(recording, CLEAN, SETTLED | {"retention", "step"})


def unfinished(variant: str, seed: int) -> Trace:
    """A warm-up of which one time constant was seen, and growth like a logarithm."""
    rng = np.random.default_rng(1700 + seed)
    t = hours(12, 60)
    u = t / 12
    curve = 150 + 200 * saturate(u, rng.uniform(0.85, 1.1)) if variant == "one_tau" else 150 + 45 * np.log1p(u / 0.06)
    return Trace(footprint(t, curve * MI, rng, limit=GI), OPEN, outlooks=frozenset({"unknown", "reaches"}))


def warm_up_flat_then_leak(variant: str, seed: int) -> Trace:
    """A warm-up, 26 flat hours, then growth; and growth between two flat stretches, over for a day."""
    rng = np.random.default_rng(1800 + seed)
    if variant == "leak":
        t = hours(48, 60)
        curve = 180 + 120 * saturate(t, 0.7) + rng.uniform(1.4, 2.2) * np.maximum(t - 28, 0)
        return Trace(footprint(t, curve * MI, rng, limit=GI), LEAK, frozenset({"leak"}))
    t = hours(60, 60)
    curve = 250 + rng.uniform(60, 100) * ramp(t, 12, 26)
    patterns = SETTLED | {"step", "unexplained_growth"}
    return Trace(footprint(t, curve * MI, rng, limit=GI), CLEAN, patterns)


def load_test(variant: str, seed: int) -> Trace:
    """Twenty minutes: judged by samples, so 1200 of them can decide what 40 cannot."""
    rng = np.random.default_rng(3400 + seed)
    shape, cadence = variant.rsplit("_", 1)
    t = hours(20 / 60, {"1s": 1, "30s": 30}[cadence])
    u = t / t[-1]
    curve = {"flat": 200 + 0 * u, "steady": 200 + 90 * u, "warming": 120 + 90 * saturate(u, 0.9)}[shape]
    verdicts = {
        "flat_1s": CLEAN,
        "steady_1s": LEAK,
        "warming_1s": OPEN,
        "flat_30s": NO_LEAK,
        "steady_30s": LEAK | OPEN,
        "warming_30s": OPEN,
    }[variant]
    return Trace(footprint(t, curve * MI, rng, limit=GI), verdicts)


def stress_hog(variant: str, seed: int) -> Trace:
    """A hog fills the limit five times within five minutes; before and after, the service is flat."""
    rng = np.random.default_rng(3450 + seed)
    t = hours(8 if variant == "recovered" else 6.1, 15)
    begin = 6.0
    since = (t - begin) * 60
    hogging = (since >= 0) & (since < 5)
    curve = 190 + np.where(hogging, 330 * np.mod(since, 1.0), 0)
    kills = [begin + (minute + 1) / 60 for minute in range(5)]
    events = [item for at in kills for item in ((at, "oom_kill", None), (at + 2 / 3600, "start", None))]
    recording = footprint(t, np.minimum(curve, 510) * MI, rng, limit=512 * MI, restarts=False, events=events)
    return Trace(recording, CLEAN if variant == "recovered" else NO_LEAK)


def burst(variant: str, seed: int) -> Trace:
    """A burst of two hours in the middle, or one in the last 40 minutes that may be anything yet."""
    rng = np.random.default_rng(3500 + seed)
    t = hours(24, 60)
    begin, end = (11, 13) if variant == "middle" else (24 - 40 / 60, 25)
    curve = 250 + rng.uniform(120, 200) * (ramp(t, begin, begin + 0.1) - ramp(t, end - 0.1, end))
    recording = footprint(t, curve * MI, rng, limit=700 * MI)
    return Trace(recording, CLEAN, frozenset({"burst"})) if variant == "middle" else Trace(recording, OPEN)


def decline(variant: str, seed: int) -> Trace:
    """Start-up memory is released and stays released; or the level drops and then grows for 42 h."""
    rng = np.random.default_rng(3600 + seed)
    if variant == "then_flat":
        t = hours(24, 60)
        curve = 350 + rng.uniform(150, 250) * np.exp(-t / rng.uniform(0.4, 1.5))
        patterns = frozenset({"startup_spike", "plateau", "warm_up"})
        recording = footprint(t, curve * MI, rng, limit=GI, events=[(0.0, "start", None)])
        return Trace(recording, CLEAN, patterns)
    t = hours(66, 60)
    drop = rng.uniform(120, 220)
    curve = 500 - drop * (t > 24) + 1.5 * np.maximum(t - 24, 0)
    return Trace(footprint(t, curve * MI, rng, limit=GI), LEAK, frozenset({"leak"}))
