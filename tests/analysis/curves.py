"""Build recordings out of curves: what the traces and the focused tests are made of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import cache, reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import _tables
from rmtoolkit.recording import Recording, frames_of, ids_apart
from rmtoolkit.schema import IDENTITY, SAMPLES, Report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

MI: Final = 1 << 20
GI: Final = 1 << 30
MB: Final = 1_000_000
#: A Monday.
BEGIN: Final = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)

LEAK: Final = frozenset({"leak"})
CLEAN: Final = frozenset({"not_leak"})
OPEN: Final = frozenset({"inconclusive"})
NO_LEAK: Final = CLEAN | OPEN


@dataclass(frozen=True, slots=True)
class Trace:
    """A recording and the right answer to it; an empty set allows everything."""

    recording: Recording
    verdicts: frozenset[str]
    patterns: frozenset[str] = frozenset()
    causes: frozenset[str | None] = frozenset()
    outlooks: frozenset[str] = frozenset()


def ar1(rng: np.random.Generator, count: int, sigma: float, rho: float) -> Array:
    """First-order autoregressive noise with standard deviation `sigma`, stationary from its first value."""
    shocks = rng.normal(0.0, 1.0, count)
    shocks[1:] *= np.sqrt(1 - rho**2)
    values = np.empty(count)
    last = 0.0
    for index, shock in enumerate(shocks.tolist()):
        last = rho * last + shock if index else shock
        values[index] = last
    return sigma * values


def noise(rng: np.random.Generator, values: Array) -> Array:
    """Ordinary noise of a memory curve: 0.5 to 1 % of its level, correlated by 0.5 to 0.9 from scrape to scrape."""
    return ar1(rng, len(values), float(np.median(values)) * rng.uniform(0.005, 0.01), rng.uniform(0.5, 0.9))


def small_noise(rng: np.random.Generator, values: Array) -> Array:
    """Noise of half a percent of the level."""
    return ar1(rng, len(values), 0.005 * float(np.median(values)), 0.7)


def hours(length: float, cadence_seconds: float) -> Array:
    """Scrape times in hours from 0 to `length`, the end included."""
    return np.arange(0, round(length * 3600 / cadence_seconds) + 1) * (cadence_seconds / 3600)


def saturate(t: Array, tau: float) -> Array:
    """0 at time 0, 1 for ever after, by an exponential with time constant `tau`."""
    return 1 - np.exp(-np.maximum(t, 0) / tau)


def ramp(t: Array, begin: float, end: float) -> Array:
    """0 until `begin`, 1 from `end` on, straight between."""
    return np.clip((t - begin) / (end - begin), 0, 1)


def saw(t: Array, period: float, phase: float = 0.0, fall: float = 0.03) -> Array:
    """Teeth from 0 to 1: a straight rise, and a fall that takes the share `fall` of the period."""
    place = np.mod(t / period + phase, 1.0)
    return np.where(place < 1 - fall, place / (1 - fall), (1 - place) / fall)


def day(t: Array, peak_hour: float = 15.0) -> Array:
    """One wave a day between 0 and 1."""
    return 0.5 + 0.5 * np.cos(2 * np.pi * (t - peak_hour) / 24)


def when(hour: float) -> dt.datetime:
    """The instant so many hours after the beginning."""
    return BEGIN + dt.timedelta(hours=hour)


def record(
    t: Array,
    signals: Mapping[str, Array],
    *,
    pod: str = "api-0",
    workload: str = "api",
    events: Sequence[tuple[float, str, str | None]] = (),
    **columns: Any,
) -> Recording:
    """One container's recording: signals over hours, events as (hour, kind, detail), other columns as they are."""
    about = {"workload": workload, "pod": pod, **columns}
    changing = any(isinstance(value, np.ndarray | list) for value in columns.values())
    if changing or not signals.keys() <= SAMPLES.keys() or np.isnan([*signals.values()]).any():
        return as_read(t, signals, about, events)
    # A hundred queries look through a table; one of the same columns has told all but the samples.
    like = _like(tuple(signals), tuple(about.items()), tuple(events))
    told = {name: pl.Series(values) for name, values in _rows(t, signals).items()}
    whole = {name: told[name].round() for name in signals if SAMPLES[name] == pl.Int64}
    samples, _ = _tables.order_samples(_tables.conform(pl.DataFrame({"container_id": 0, **told, **whole}), SAMPLES))
    return replace(like, samples=samples, containers=_tables.with_cadences(like.containers, samples))


def _rows(t: Array, signals: Mapping[str, Array]) -> dict[str, Array]:
    milliseconds = np.round(t * 3_600_000).astype(np.int64) + round(BEGIN.timestamp() * 1000)
    return {"time": milliseconds, **{name: np.maximum(values, 0) for name, values in signals.items()}}


@cache
def _like(
    signals: tuple[str, ...], about: tuple[tuple[str, Any], ...], events: tuple[tuple[float, str, str | None], ...]
) -> Recording:
    return as_read(np.arange(3.0), {name: np.ones(3) for name in signals}, dict(about), events)


def as_read(
    t: Array,
    signals: Mapping[str, Array],
    about: Mapping[str, Any],
    events: Sequence[tuple[float, str, str | None]] = (),
) -> Recording:
    """The same, by the door for tables of a user."""
    frame = pl.DataFrame(_rows(t, signals)).with_columns(
        pl.Series(name, value) if isinstance(value, np.ndarray | list) else pl.lit(value).alias(name)
        for name, value in about.items()
    )
    happened = pl.DataFrame(
        [(about["pod"], when(hour), kind, detail) for hour, kind, detail in events],
        schema={"pod": pl.String, "time": pl.Datetime("ms", "UTC"), "kind": pl.String, "detail": pl.String},
        orient="row",
    )
    return Recording.from_frame(frame, events=happened if len(events) else None)


def together(recordings: Sequence[Recording]) -> Recording:
    """Several containers in one recording, each of other names: nobody looks for what two may say of one."""
    parts = ids_apart([frames_of(one) for one in sorted(recordings, key=_names)])
    frames = {name: pl.concat(part[name] for part in parts) for name in parts[0]}
    assert not frames["containers"].select(IDENTITY).is_duplicated().any()
    return Recording(**frames, report=reduce(Report.joined, (one.report for one in recordings)))


def _names(recording: Recording) -> list[tuple[bool, str]]:
    return [(name is None, name or "") for name in recording.containers.select(IDENTITY).row(0)]


def footprint(
    t: Array,
    values: Array,
    rng: np.random.Generator,
    *,
    limit: float | None = None,
    restarts: bool = True,
    signal: str = "working_set_bytes",
    **more: Any,
) -> Recording:
    """One resident series with ordinary noise; with `restarts`, a counter that says there were none."""
    columns = dict(more)
    if limit is not None:
        columns["limit_bytes"] = int(limit)
    if restarts:
        columns["restarts_total"] = 0
    return record(t, {signal: values + noise(rng, values)}, **columns)
