"""Fleets of made-up services, by three generators that have nothing in common but the kinds of service.

Two are to learn from, the third to test on. Each workload is a few pods with lives, in bytes of working set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

MIB: Final = 2**20
DAY: Final = 86_400
START: Final = 1_750_000_000
KINDS: Final = (
    "flat",
    "startup",
    "burst",
    "diurnal",
    "warm_up",
    "leak",
    "growth",
    "hot_replica",
    "restarts",
    "batch",
    "releases",
)


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod's container: its values, and the indices at which a new process begins."""

    values: Numbers
    starts: npt.NDArray[np.int64]


def noise(rng: np.random.Generator, size: int, rho: float, generator: str) -> Numbers:
    """AR(1) noise of unit size: Gaussian, or with the tails of Student's t with four degrees of freedom."""
    shocks = rng.standard_normal(size) if generator == "calm" else rng.standard_t(4, size) / np.sqrt(2)
    # A few long blocks are as good as one long chain, and the filter below is one pass.
    out = np.empty(size)
    scale = np.sqrt(1 - rho**2)
    value = shocks[0]
    for first in range(0, size, 4096):
        block = shocks[first : first + 4096] * scale
        powers = rho ** np.arange(block.size + 1)
        chain = np.convolve(block, powers[: min(block.size, 2000)])[: block.size] + value * powers[1:]
        out[first : first + 4096] = chain
        value = chain[-1]
    return out


def lives(rng: np.random.Generator, size: int, step: int, a_week: float) -> npt.NDArray[np.int64]:
    """Indices of restarts; the first life begins somewhere before the window."""
    number = rng.poisson(a_week * size * step / (7 * DAY))
    return np.sort(rng.choice(size, number, replace=False)).astype(np.int64) if number else np.zeros(0, np.int64)


def ages(size: int, starts: npt.NDArray[np.int64], before: int) -> npt.NDArray[np.int64]:
    """Steps since the process began."""
    index = np.arange(size)
    last = np.full(size, -before)
    for start in starts:
        last[start:] = start
    age: npt.NDArray[np.int64] = index - last
    return age


def workload(kind: str, generator: str, seed: int, days: int, step: int = 60) -> list[Pod]:  # noqa: C901, PLR0915 - one story, told once
    """Make the pods of one workload.

    `generator` is ``calm`` (Gaussian noise, Poisson bursts, exponential shapes), ``wild`` (heavy tails, weekends,
    clustered bursts of Pareto heights, power-law shapes) or ``field`` (another program altogether, see there).
    """
    if generator == "field":
        return field_workload(kind, seed, days, step)
    rng = np.random.default_rng([seed, KINDS.index(kind), generator == "wild"])
    size = days * DAY // step
    wild = generator == "wild"
    level = float(np.exp(rng.normal(np.log(300), 0.8))) * MIB
    replicas = int(rng.integers(1, 5))
    often = {"restarts": rng.uniform(4, 14), "releases": rng.uniform(1, 3), "startup": rng.uniform(1, 6)}
    a_week = float(often.get(kind, float(rng.choice([0.0, 0.5, 1.5]))))
    together = rng.random() < 0.5
    shared = lives(rng, size, step, a_week)
    rough = float(np.exp(rng.uniform(np.log(0.002), np.log(0.03))))
    rho = float(rng.uniform(0.7, 0.995))
    clock = np.arange(size) * step / DAY
    spike = rng.uniform(0.2, 1.5) if kind == "startup" or rng.random() < 0.15 else rng.uniform(0, 0.1)
    spike_steps = max(float(rng.uniform(30, 400)) / step, 1.0)
    jitter = rng.uniform(0.01, 0.12)
    pods = []
    drift = rng.uniform(0.02, 0.12) / 7 if kind == "growth" else 0.0
    slope = float(np.exp(rng.uniform(np.log(0.01), np.log(0.15)))) if kind == "leak" else 0.0
    wave = rng.uniform(0.1, 0.5) if kind == "diurnal" else rng.uniform(0, 0.04)
    phase = rng.uniform(0, 1)
    burst_rate = rng.uniform(0.3, 6) if kind == "burst" else 0.0
    burst_height = rng.uniform(0.1, 0.8)
    batch_period = rng.uniform(0.1, 1.0)
    batch_height = rng.uniform(0.1, 0.6)
    tau = rng.uniform(0.1, 2.5)
    warm_height = rng.uniform(0.3, 1.2)
    hot = int(rng.integers(replicas)) if kind == "hot_replica" else -1
    hot_ratio = rng.uniform(1.5, 4)
    weekend = rng.uniform(0.2, 0.7) if wild and kind == "diurnal" else 0.0
    release_levels = np.cumprod(np.exp(rng.normal(0, 0.05, size=64)))
    for pod in range(replicas):
        starts = shared if together or kind == "releases" else lives(rng, size, step, a_week)
        age = ages(size, starts, int(rng.uniform(0.2, 10) * DAY / step))
        days_old = age * step / DAY
        base = np.ones(size) * (1 + drift * clock)
        daily = np.sin(2 * np.pi * (clock - phase))
        if wild:
            daily = np.sign(daily) * np.abs(daily) ** 0.6 * np.where((clock % 7) >= 5, 1 - weekend, 1.0)
        base += wave * daily
        base += slope * days_old
        if kind == "warm_up":
            base += warm_height * (
                1 - np.exp(-days_old / tau) if not wild else (days_old / (days_old + tau)) ** 0.7 - 1
            )
        for start in starts:
            height = spike * (1 + jitter * (rng.standard_normal() if not wild else abs(rng.standard_t(4))))
            length = int(8 * spike_steps) + 2
            shape = np.exp(-np.arange(length) / spike_steps) if not wild else np.arange(length) < 1.5 * spike_steps
            stop = min(start + length, size)
            base[start:stop] += max(height, 0) * shape[: stop - start]
        if burst_rate:
            number = rng.poisson(burst_rate * days)
            when = rng.uniform(0, size, number)
            if wild:
                when = np.concatenate([when, when + rng.exponential(1800 / step, number)])
            for at in when[when < size - 1]:
                height = burst_height * (
                    float(np.exp(rng.normal(0, 0.35))) if not wild else min(float(rng.pareto(4) + 0.6), 4.0)
                )
                length = int(rng.uniform(60, 1800) / step) + 1
                stop = min(int(at) + length, size)
                base[int(at) : stop] += height
        if kind == "batch":
            base += batch_height * (((clock + phase * pod) % batch_period) / batch_period)
        if kind == "releases":
            release = np.searchsorted(starts, np.arange(size), side="right")
            base *= release_levels[np.minimum(release, 63)]
        if pod == hot:
            base *= hot_ratio
        base *= 1 + rough * noise(rng, size, rho, generator)
        pods.append(Pod(np.maximum(base * level, MIB), starts))
    return pods


def field_workload(kind: str, seed: int, days: int, step: int = 60) -> list[Pod]:
    """Make the pods of one workload in the third way: memory is what requests in flight, caches and releases make it.

    Requests arrive by a daily curve with two humps on workdays; each holds memory for a while. A cache fills with what
    was asked for. Releases happen in office hours, and bring a new baseline; nodes are drained at random.
    """
    rng = np.random.default_rng([77, seed, KINDS.index(kind)])
    size = days * DAY // step
    hour = (np.arange(size) * step / 3600 + rng.uniform(-3, 3)) % 24
    weekday = (np.arange(size) * step // DAY + int(rng.integers(7))) % 7
    humps = np.exp(-((hour - 11) ** 2) / 8) + 0.8 * np.exp(-((hour - 16) ** 2) / 10)
    demand = 0.3 + humps * np.where(weekday >= 5, rng.uniform(0.3, 1), 1.0)
    knots = np.arange(0, size + 600, 600)
    demand *= np.exp(0.1 * np.interp(np.arange(size), knots, rng.standard_normal(knots.size)))
    baseline = rng.gamma(2, 120) * MIB + 20 * MIB
    replicas = int(rng.integers(1, 5))
    follows = {"diurnal": rng.uniform(0.2, 0.7), "burst": 0.1}.get(kind, rng.uniform(0, 0.08))
    office = np.flatnonzero((hour > 9) & (hour < 17) & (weekday < 5))
    a_week = {"releases": rng.uniform(1, 4), "restarts": rng.uniform(3, 10), "startup": rng.uniform(1, 5)}.get(
        kind, 0.4
    )
    released = (
        np.sort(rng.choice(office, rng.poisson(a_week * days / 7), replace=False)) if office.size else np.zeros(0, int)
    )
    steps = np.exp(rng.normal(0, 0.04 if kind == "releases" else 0.003, released.size + 1))
    overshoot = rng.uniform(0.3, 1.0) if kind == "startup" else rng.choice([0.0, 0.05, 0.4], p=[0.6, 0.3, 0.1])
    ramp = max(int(rng.uniform(20, 600) / step), 1)
    pods = []
    weights = np.ones(replicas)
    if kind == "hot_replica":
        weights[int(rng.integers(replicas))] = rng.uniform(1.5, 3.5)
    for pod in range(replicas):
        drained = np.sort(rng.choice(size, rng.poisson(0.15 * days / 7), replace=False))
        starts = np.unique(np.concatenate([released, drained])).astype(np.int64)
        age_days = ages(size, starts, int(rng.uniform(0.3, 12) * DAY / step)) * step / DAY
        level = 1 + follows * demand * weights[pod]
        level += rng.uniform(0.001, 0.02) * noise(rng, size, 0.9, "calm")
        if kind == "growth":
            level *= (1 + rng.uniform(0.01, 0.1)) ** (np.arange(size) * step / (7 * DAY))
        if kind == "leak":
            level += rng.uniform(0.01, 0.15) * age_days
        if kind == "warm_up":
            filled = np.floor(6 * (1 - 2.0 ** (-age_days / rng.uniform(0.2, 2)))) / 6
            level += rng.uniform(0.3, 1.0) * filled
        if kind == "burst":
            chance = rng.uniform(0.5, 5) / (DAY / step) * demand / demand.mean()
            for at in np.flatnonzero(rng.random(size) < chance).tolist():
                length = max(int(rng.gamma(2, 300) / step), 1)
                stop = min(at + length, size)
                level[at:stop] += rng.gamma(6, 0.08) * np.hanning(2 * length)[: stop - at]
        if kind == "batch":
            period = int(rng.choice([3600, 6 * 3600, DAY]) / step)
            within = (np.arange(size) % period) / period
            level += rng.uniform(0.1, 0.5) * np.where(within < 0.3, within / 0.3, 0.0)
        for start in starts:
            length = min(3 * ramp, size - int(start))
            shape = np.minimum(np.arange(length) / ramp, 1) * np.where(np.arange(length) < 2 * ramp, 1.0, 0.3)
            level[start : start + length] += overshoot * rng.lognormal(0, 0.06) * shape
        level *= np.cumprod(steps)[np.searchsorted(released, np.arange(size), side="right")]
        pods.append(Pod(np.maximum(baseline * level * (weights[pod] if kind == "hot_replica" else 1), MIB), starts))
    return pods


def fleet(generator: str, seed: int, a_kind: int, days: int, step: int = 60) -> Iterator[tuple[str, list[Pod]]]:
    """Make so many workloads of every kind."""
    for kind in KINDS:
        for number in range(a_kind):
            yield kind, workload(kind, generator, seed * 10_000 + number, days, step)


def frame(name: str, pods: list[Pod], step: int = 60) -> pl.DataFrame:
    """Make the samples of a workload a frame that a Recording can be made of."""
    tables = []
    for number, pod in enumerate(pods):
        restarts = np.zeros(pod.values.size, np.int64)
        restarts[pod.starts] = 1
        tables.append(
            pl.DataFrame(
                {
                    "time": START + np.arange(pod.values.size) * step,
                    "working_set_bytes": pod.values.astype(np.int64),
                    "restarts_total": np.cumsum(restarts),
                }
            ).with_columns(
                namespace=pl.lit("fleet"),
                workload=pl.lit(name),
                pod=pl.lit(f"{name}-{number}"),
                container=pl.lit("app"),
            )
        )
    return pl.concat(tables)
