"""A changed past of one workload container and all that can be said of its limits: quick enough to play with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from msgspec import Struct, structs

from rmtoolkit.limits.history import Need, describe, highest
from rmtoolkit.limits.recommend import Advised, advise, qos
from rmtoolkit.limits.risk import USUAL, AtLimit, Margins, Prices, Scores, advised_request, at_limit, lookup, requested
from rmtoolkit.limits.what_if import Change, Past, changed
from rmtoolkit.schema import NUMBER, WHOLE, typed
from rmtoolkit.text import MI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Above this share of what it needs while running, startup is what matters.
_STARTUP_LEADS: Final = 1.05
#: A request is what it uses nearly always.
_BUSY: Final = 0.98
#: Limits tried for a curve.
_TRIED: Final = 96
#: A range wider than this is cut in equal ratios, not in equal steps.
_WIDE: Final = 6.0


class Level(NamedTuple):
    """A level that a limit is held against: its lowest, usual and highest value."""

    name: str
    low_bytes: float
    usual_bytes: float
    high_bytes: float

    def room(self, limit_bytes: int) -> float:
        """Say which share of a limit is free above it; negative where the limit is below."""
        return (limit_bytes - self.high_bytes) / limit_bytes


class Outcome(Struct, frozen=True):
    used: Floats
    need: Need
    settled_bytes: float | None
    running_bytes: float | None
    #: How high each recorded start went; of those that were OOM-killed, at least.
    startups: Floats
    pod: int
    #: What each recorded kill needed at least.
    killed: Floats
    #: The highest of them that was a start; None where no start was killed.
    killed_start_bytes: float | None = None

    @property
    def startup_leads(self) -> bool:
        """Whether startups set the peak, not the steady load."""
        highest, running = float(self.startups.max(initial=0.0)), self.running_bytes
        return bool(self.startups.size) and (running is None or highest > _STARTUP_LEADS * running)

    @property
    def levels(self) -> list[Level]:
        steady, running, starts = self.settled_bytes, self.running_bytes, self.startups
        found = [] if steady is None else [Level("steady", steady, steady, steady)]
        found += [] if running is None else [Level("running peak", running, running, running)]
        if starts.size:
            found.append(Level("startup", float(starts.min()), float(np.median(starts)), float(starts.max())))
        return found


def measured_spike(past: Past) -> float | None:
    spike = float((past.used - past.settled).max(where=past.starting, initial=0.0))
    return spike if spike > 0 else None


def measured_threads(past: Past) -> int | None:
    """Find how many threads there usually were; None where they were not recorded."""
    return None if past.threads is None else round(float(np.nanmedian(past.threads)))


def outcome(past: Past, need: Need, wanted: Change) -> Outcome:
    used, settled, moved = changed(past, wanted)
    if not used.size:
        return Outcome(used, need, None, None, np.zeros(0), 0, np.zeros(past.killed.height))
    peaks = highest(used, past.first)
    hot = int(used[peaks].argmax())
    killed, at = _killed(past, used, moved, wanted)
    of_now = killed[past.killed["now"].to_numpy()]
    worst = float(of_now.max()) if of_now.size else None
    after = need if wanted.nothing else _needed(past, need, used, worst, peaks)
    begins, starting = past.begins, past.starting
    # Of a changed past, a startup is where it was, and where it is spread to.
    high = used.copy()
    high[~starting] = -1.0
    tops = np.maximum.reduceat(high, begins)
    fell = (at >= 0) & starting[at]
    # A start that a limit killed needed more: a byte at least.
    np.maximum.at(tops, past.life[at[fell]], killed[fell] + 1)
    levels = settled[begins]
    running = used[~starting]
    return Outcome(
        used=used,
        need=after,
        settled_bytes=float(np.median(levels[np.isfinite(levels)])) if np.isfinite(levels).any() else None,
        running_bytes=float(running.max()) if running.size else None,
        startups=tops[tops >= 0],
        pod=hot,
        killed=killed,
        killed_start_bytes=float(killed[fell].max()) if fell.any() else None,
    )


def _needed(past: Past, need: Need, used: Floats, killed: float | None, peaks: NDArray[np.int64]) -> Need:
    history = describe(past.block_peaks(used), past.history_seconds)
    base, spread, climbing = history.select("base_bytes", "spread", "climbing").row(0)
    top, last = int(peaks[used[peaks].argmax()]), max(past.killed.filter("now")["time"], default=0)
    rank = min(int(np.ceil(_BUSY * (used.size - 1))), used.size - 1)
    return structs.replace(
        need,
        base_bytes=max(base, killed or 0.0),
        spread=spread,
        climbing=climbing,
        need_bytes=round(max(float(used[top]), killed or 0.0)),
        need_since_bytes=round(float(used.max(where=past.times > last, initial=0.0))),
        peak_bytes=round(float(used[top])),
        peak_pod=past.pods[int(past.pod[top])],
        peak_time=pl.Series([int(past.times[top])]).cast(pl.Datetime("ms", "UTC"))[0],
        killed_limit_bytes=None if killed is None else round(killed),
        busy_bytes=round(float(np.partition(used, rank)[rank])),
        hot_ratio=float(used[peaks].max() / max(float(np.median(used[peaks])), 1.0)) if peaks.size > 1 else None,
        # What is kept of the allocator's pages is not told apart from the rest of what moved.
        purged_base_bytes=None,
    )


def _killed(past: Past, used: Floats, moved: Floats, wanted: Change) -> tuple[Floats, NDArray[np.int64]]:
    """Move the limits that killed by what moved the sample before: the need was above them, and moves as it did."""
    # Beside them the row of that sample; -1 where there is none.
    found = past.killed["limit_bytes"].cast(pl.Float64).to_numpy().copy()
    rows = np.full(found.size, -1)
    ends = np.append(past.first[1:], used.size)
    for number, (pod, time) in enumerate(past.killed.select("pod", "time").iter_rows()):
        if pod >= past.first.size:
            continue
        low, high = int(past.first[pod]), int(ends[pod])
        at = low + int(np.searchsorted(past.times[low:high], time, side="left")) - 1
        rows[number] = at if at >= low else -1
        if not wanted.nothing:
            found[number] = _moved(past, used, moved, wanted, max(at, low), found[number])
    return found, rows


def _moved(past: Past, used: Floats, moved: Floats, wanted: Change, at: int, limit: float) -> float:
    """Move a limit that killed after a sample: as that sample moved, and by how high its startup is of what it was."""
    then, level = float(limit + moved[at]), float(past.settled[at] + moved[at])
    if not past.starting[at] or not math.isfinite(level):
        return then
    life = int(past.life[at])
    mine = slice(int(past.begins[life]), int(past.begins[life + 1]) if life + 1 < past.begins.size else None)
    same = past.starting[mine]
    before = float((past.used[mine] - past.settled[mine])[same].max())
    after = float((used[mine] - past.settled[mine] - moved[mine])[same].max())
    eased = max(after, 0.0) / before if before > 0 else wanted.startup_scale
    return level + max(then - level, 0.0) * eased


class Scene(Struct, frozen=True):
    past: Past
    found: Outcome
    change: Change
    ours: Advised
    low: int
    high: int
    #: A row per limit that was tried: chance with its interval, and what a month costs.
    curve: pl.DataFrame
    prices: Prices
    #: Whether the whole limit is requested; None: as it is, or as it is advised.
    whole: bool | None
    scores: Scores
    target: float

    @property
    def wide(self) -> bool:
        return self.high > _WIDE * self.low

    @property
    def ours_bytes(self) -> int | None:
        return self.ours.recommended_limit_bytes

    @property
    def growing(self) -> bool:
        return self.found.need.growing and self.ours_bytes is None

    def at(self, limit_bytes: int) -> AtLimit:
        """Say what one limit means: the one in force with the request in force."""
        need = self.found.need
        return at_limit(need, limit_bytes, requested(need, limit_bytes, whole=self.whole), self.scores, self.prices)

    def set_with(self, limit_bytes: int) -> tuple[int | None, str | None]:
        """Say what is requested together with a new limit, None for what is in force, and the QoS class then."""
        need, whole = self.found.need, self.whole
        then = requested(need, limit_bytes, whole=whole, anew=True)
        return advised_request(need, limit_bytes, whole=whole), qos(then, limit_bytes, known=True)


class Chosen(AtLimit, frozen=True):
    kills: pl.DataFrame
    #: Recorded starts that needed more.
    starts_above: int
    days: float | None
    days_low: float | None
    days_high: float | None

    @property
    def chance(self) -> float | None:
        return self.risk.week


def scene(
    past: Past,
    need: Need,
    change: Change,
    margins: Margins,
    target: float = 0.05,
    prices: Prices = USUAL,
    *,
    whole: bool | None = None,
) -> Scene:
    if need.held_bytes:
        # One limit for all pods is explored; what each has of its own is none.
        need = structs.replace(need, limit_bytes=None, limit_known=False, held_bytes=None)
    found = outcome(past, need, change)
    ours = advise(found.need, target, margins, prices)
    others = (found.need.vpa_target_bytes, found.need.krr_limit_bytes)
    named = (found.need.limit_bytes, ours.recommended_limit_bytes, *others)
    # As far as a card tells what higher limits buy.
    low, high = _span(found, [*named, ours.raise_to_bytes and 2 * ours.raise_to_bytes])
    scores = lookup(margins)(found.need)
    cut = np.geomspace if high > _WIDE * low else np.linspace
    tried = sorted(
        {
            *(round(float(limit)) for limit in cut(low, high, _TRIED)),
            *(limit for limit in named if limit and low <= limit <= high),
        }
    )
    curve = curve_of(found.need, tried, scores, prices, whole=whole)
    return Scene(past, found, change, ours, low, high, curve, prices, whole, scores, target)


def curve_of(need: Need, limits: Sequence[int], scores: Scores, prices: Prices, *, whole: bool | None) -> pl.DataFrame:
    """Give chance and cost of every limit, each as it would be once it is set."""
    rows = []
    for limit in limits:
        # What is set together with a limit is the advised request, at the limit in force too.
        one = at_limit(need, limit, requested(need, limit, whole=whole, anew=True), scores, prices)
        chances = (one.risk.week, one.risk.low, one.risk.high)
        rows.append((limit, *chances, one.memory_per_month, one.incidents_per_month, one.total_per_month))
    numbers = typed(NUMBER, "oom_probability oom_probability_low oom_probability_high memory incidents total")
    return pl.DataFrame(rows, schema={"limit_bytes": WHOLE, **numbers}, orient="row")


def _span(found: Outcome, named: Sequence[int | None]) -> tuple[int, int]:
    """Find the limits between which everything of interest lies, in whole steps of the axis."""
    need = found.need
    points = [float(limit) for limit in named if limit is not None]
    points += [float(need.need_bytes or need.peak_bytes or MI)]
    if need.killed_limit_bytes is not None:
        points.append(1.2 * need.killed_limit_bytes)
    level = found.settled_bytes if found.settled_bytes is not None else points[-1]
    low, high = min(0.9 * min(points), 0.95 * max(level, 1.0)), 1.2 * max(points)
    step = 2 ** max(math.floor(math.log2(max(high - low, 1) / 64)), 0)
    # A limit of nothing is no limit.
    return max(math.floor(low / step), 1) * step, math.ceil(high / step) * step


def choose(known: Scene, limit_bytes: int) -> Chosen:
    one, found = known.at(limit_bytes), known.found
    kills = known.past.kills(found.used, limit_bytes, found.killed)
    # From the limit in force, or the peak where there is none.
    more = limit_bytes - (found.need.limit_bytes or found.need.peak_bytes or 0)
    days = found.need.ahead.days_until(more) if known.growing else (None, None, None)
    starts_above = int((found.startups > limit_bytes).sum())
    about = structs.asdict(one)
    return Chosen(**about, kills=kills, starts_above=starts_above, days=days[0], days_low=days[1], days_high=days[2])
