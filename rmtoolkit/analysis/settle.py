"""What keeps a verdict open, what would settle it, and when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.layers import BESIDE
from rmtoolkit.analysis.parameters import (
    COARSE_SAMPLES,
    EXCURSION,
    FEW_SAMPLES,
    FEWEST_CYCLES,
    LIKELY,
    SHORT,
    TEETH,
    YOUNG,
    YOUNG_SEEN,
)
from rmtoolkit.text import hours, moment, number, rate

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion, Row
    from rmtoolkit.analysis.situation import Situation

#: A bend is told from a line when the window is this many times as long.
_LONGER: Final = 3.0
#: No wait is longer than so many windows like the one seen: something else settles it sooner.
_PATIENCE: Final = 8.0
_DAY_HOURS: Final = 24.0
#: Shapes that rise less and less.
_SLOWING_DOWN: Final = ("saturating", "two_saturating", "saturating_step", "log", "power", "ramp_end", "ramp")


@dataclass(frozen=True, slots=True)
class Open:
    """Why a verdict is open.

    Attributes
    ----------
    kind
        A stable word: ``too_few``, ``killed``, ``restarts_unknown``, ``at_limit``, ``shmem``, ``kernel``, ``mapped``,
        ``outside``, ``idle``, ``young_release``, ``few_teeth``, ``young``, ``within_range``, ``half_wave``,
        ``few_samples``, ``lives_differ``, ``faint``, ``slowing`` or ``heap_rests``.
    why
        The end of a sentence that begins with what was seen.
    until
        When the same data, longer, decides; None where waiting does not help.

    Examples
    --------
    >>> Open("at_limit", "what it would need is hidden", None).until is None
    True
    """

    kind: str
    why: str
    until: dt.datetime | None

    def wait(self, since: dt.datetime) -> str:
        """Say until when to wait, in UTC, and how much longer that is."""
        if self.until is None:
            return ""
        span = self.until - since
        when = moment(self.until, seconds=span < dt.timedelta(minutes=10))
        return f"{when} UTC ({hours(span.total_seconds() / 3600)} more)"


def open_question(situation: Situation) -> Open:
    """Find what keeps the verdict open: the doubt that weighs most first.

    Parameters
    ----------
    situation
        What is known; its verdict is ``inconclusive``.

    Returns
    -------
    Open
        With the time when enough samples, cycles or hours will have been seen, counted from what was seen so far.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> from rmtoolkit.analysis.pooling import Pool
    >>> from rmtoolkit.analysis.situation import Situation
    >>> noon = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
    >>> life = {"start": noon, "end": noon + dt.timedelta(minutes=10), "samples": 11}
    >>> pool = Pool([], 0.0, 0.0, 1.0, Opinion(life, {}, None))
    >>> found = open_question(Situation({}, pool, 0, 0))
    >>> found.kind, found.wait(life["end"])
    ('too_few', 'Wed 25 Nov 12:23 UTC (13 min more)')
    """
    main, pool = situation.main, situation.pool
    if main is None or main.signal is None:
        return _too_few(situation)
    row = main.readings[main.signal]
    if situation.row["pattern"] == "at_limit":
        return Open("at_limit", "what it would need above the limit is hidden", None)
    if main.notes.get("restarts_unknown"):
        return Open("restarts_unknown", "the falls may be restarts, which the source does not report", None)
    layer = main.notes.get("growing_layer")
    if layer in BESIDE:
        return Open(layer, BESIDE[layer].unknown, None)
    if situation.row["cause"] == "outside_allocator":
        return Open("outside", "what grows lies outside the allocator: mappings, C code or stacks", None)
    if pool.heap is not None and pool.heap.kind == "rests" and row["mean_rise"] > 0 and row["bounded"] < LIKELY:
        return Open("heap_rests", "the heap does not: the allocator keeps it, or it lies outside the heap", None)
    work = main.readings.get("work_total")
    if work is not None and work["end_level"] <= work["first_level"] and row["bounded"] > LIKELY:
        return Open("idle", "no work was done meanwhile, so a leak for each request would not show", None)
    if pool.notes.get("young_release"):
        return _young_release(situation, main)
    return _shape(situation, main, row)


def _shape(situation: Situation, main: Opinion, row: Row) -> Open:
    """What the curve itself leaves open."""
    start, span = main.life["start"], main.duration_seconds
    if 0 < row["teeth"] < TEETH:
        period = span / (row["teeth"] + 0.5)
        falls = round(row["teeth"])
        seen = "once" if falls == 1 else f"{falls} times"
        why = f"it fell back only {seen}, and {TEETH} falls are needed to know its floor"
        return Open("few_teeth", why, _at(start, (TEETH + 0.5) * period, span))
    half_wave = "half_wave" in (row["family"], row["bounded_family"]) and row["unresolved"] > LIKELY
    if half_wave and span < FEWEST_CYCLES * _DAY_HOURS * 3600:
        why = f"it may be a part of a daily cycle, and {number(FEWEST_CYCLES)} days are needed to know one"
        return Open("half_wave", why, start + dt.timedelta(hours=FEWEST_CYCLES * _DAY_HOURS))
    rises = row["mean_rise"] > 0 and row["bounded"] < LIKELY
    if rises and row["begun_at"] > 1 - YOUNG_SEEN * YOUNG:
        # Twice the share that a growth phase must fill: a burst has gone away by then.
        why = "the rise began in the last fifth of what was seen"
        return Open("young", why, _at(start, row["begun_at"] * span / (1 - 2 * YOUNG), span))
    if rises and row["excursion"] < EXCURSION:
        why = "the rise goes no further than the memory wandered before"
        grown = (1 - row["onset"]) * span
        return Open("within_range", why, _at(start, span + (EXCURSION / max(row["excursion"], 0.5) - 1) * grown, span))
    cadence = span / max(row["samples"] - 1, 1)
    if row["samples"] < FEW_SAMPLES:
        why = f"there are only {row['samples']} samples, and {COARSE_SAMPLES} show a bend"
        return Open("few_samples", why, _at(start, COARSE_SAMPLES * cadence, span))
    lives = int(situation.pool.notes.get("lives_judged", 1))
    rising = int(situation.pool.notes.get("lives_rising", 0))
    if lives > 1 and 0 < rising < lives:
        return Open("lives_differ", f"it rises in {rising} of {lives} lives only", _at(start, 2 * span, span))
    growth, floor = row["growth_per_day"], row["floor_per_day"]
    if rises and growth > 0 and growth < floor and row["growing"] > row["unresolved"]:
        # The floor falls with the window's length to the power of one and a half.
        why = (
            f"it grows by {rate(growth, digits=2)}, and growth below {rate(floor, digits=2)} cannot be told from noise"
        )
        return Open("faint", why, _at(start, span * (floor / growth) ** (2 / 3), span))
    why = "it neither rises nor rests clearly enough"
    if rises:
        slows = row["family"] in _SLOWING_DOWN or main.notes.get("slowing")
        why = "the rise slows down, and may end or go on" if slows else "it rises, but not steadily enough to tell"
    return Open("slowing", why, _at(start, _LONGER * span, span))


def _too_few(situation: Situation) -> Open:
    pool, main = situation.pool, situation.main
    if kills := int(pool.notes.get("kills", 0)):
        return Open("killed", f"each of {kills} OOM kills came before a trend could show", None)
    if main is None or not main.life:
        return Open("too_few", f"at least {FEW_SAMPLES} samples of one life are needed to see a trend", None)
    samples = int(main.life.get("samples") or 0)
    cadence = main.duration_seconds / (samples - 1) if samples > 1 else None
    until = main.life["start"] + dt.timedelta(seconds=(FEW_SAMPLES - 1) * cadence) if cadence else None
    why = f"there {'is' if samples == 1 else 'are'} {samples}, and at least {FEW_SAMPLES} of one life show a trend"
    return Open("too_few", why, until if until is None or until > main.life["end"] else None)


def _young_release(situation: Situation, main: Opinion) -> Open:
    """A release is judged when it was seen for a good part of the longest life before it."""
    current = max(situation.pool.opinions, key=lambda opinion: opinion.life["start"])
    longest = float(situation.pool.notes.get("longest_before_seconds", main.duration_seconds))
    version = current.life["version"]
    since = hours(current.duration_seconds / 3600)
    why = f"version {version} has run for only {since}" if version else f"the last release is only {since} old"
    return Open("young_release", why, _at(current.life["start"], 1.1 * SHORT * longest, current.duration_seconds))


def _at(start: dt.datetime, needed_seconds: float, seen_seconds: float) -> dt.datetime:
    """When so much will have been seen: at least a tenth more than now, and not for ever."""
    seconds = min(max(needed_seconds, 1.1 * seen_seconds), _PATIENCE * seen_seconds)
    return start + dt.timedelta(seconds=seconds)
