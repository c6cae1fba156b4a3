"""The records and columns that a verdict is made of."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

import polars as pl
from msgspec import Struct, structs

from rmtoolkit.analysis import thresholds as th
from rmtoolkit.analysis.models import Family
from rmtoolkit.schema import TIME, Cause, Ending, Outlook, Pattern, Signal, Verdict
from rmtoolkit.text import filled, memory, pace, texts

#: How fields of records are stored; all others are told by their names.
_STORED: Final = {"int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean(), "dt.datetime": TIME}


def columns_of(record: type) -> dict[str, pl.DataType]:
    told = record.__annotations__.items()
    return {name: _STORED.get(kind.removesuffix(" | None"), pl.String()) for name, kind in told}


class Says(StrEnum):
    """For or against growth, in this order."""

    FOR = "for"
    AGAINST = "against"
    NOT_MEASURED = "not_measured"


class Unit(StrEnum):
    BYTES = "bytes"
    BYTES_PER_DAY = "bytes/day"
    BYTES_PER_WORK = "bytes/unit"
    BYTES_PER_THREAD = "bytes/thread"
    BYTES_PER_PIECE = "bytes/piece"
    SHARE = "share"
    COUNT = "count"
    HOURS = "hours"
    PER_HOUR = "per hour"


class Statistic(StrEnum):
    """What was measured, where it is called as no layer, cause or signal; ``open_`` and ``rejected_`` begin others."""

    SHAPE = "shape"
    GROWTH = "growth"
    LIVES_RISING = "lives_rising"
    PODS_GROWING = "pods_growing"
    OOM_KILLS = "oom_kills"
    NODE_EVENTS = "node_events"
    FIXED_VERSION = "fixed_version"
    SINCE_VERSION = "since_version"
    MOVED_AROUND = "moved_around"
    LIFE_LENGTH = "life_length"
    RESTARTS_UNKNOWN = "restarts_unknown"
    COVERAGE = "coverage"
    NO_LIMIT = "no_limit"
    NO_LIVE_HEAP = "no_live_heap"
    NO_WORK = "no_work"
    NO_RESTARTS = "no_restarts"
    LIVE_HEAP = "live_heap"
    STARTUP_HEAP = "startup_heap"
    SWAP = "swap"
    THREADS_RISE = "threads_rise"
    STACK_OF_A_THREAD = "stack_of_a_thread"
    THREADS_MANY = "threads_many"
    FILES_LEFT = "files_left"
    FILES_GROW = "files_grow"
    QUOTA = "quota"
    HELD_RISE = "held_rise"
    HELD_APART = "held_apart"
    BYTES_EACH = "bytes_each"
    AT_LIMIT = "at_limit"
    PEAK_AT_LIMIT = "peak_at_limit"
    FOLLOWS_LOAD = "follows_load"
    IDLE = "idle"
    GROWTH_PER_WORK = "growth_per_work"
    HEAP_GROWTH = "heap_growth"
    HEAP_SUSPECT = "heap_suspect"
    HEAP_RESTS = "heap_rests"
    HEAP_SMALL = "heap_small"
    HEAP_SHORT = "heap_short"
    HEAP_PICTURE = "heap_picture"
    HEAP_BLIND = "heap_blind"


#: Before the name of a check.
REJECTED: Final = "rejected_"


class Evidence(Struct, frozen=True):
    """One piece of evidence: what it says to people, and the same for programs; where it can, with an 80 % interval."""

    says: Says
    text: str
    value: str
    #: 0 to 3.
    weight: int
    signal: str | None
    start: dt.datetime | None
    end: dt.datetime | None
    statistic: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    unit: Unit | None = None

    @classmethod
    def of(
        cls,
        main: Opinion | None,
        name: str,
        value: str,
        estimate: float | None = None,
        *,
        low: float | None = None,
        high: float | None = None,
        statistic: str | None = None,
        says: Says | None = None,
        weight: int | None = None,
        signal: Signal | None = None,
        **figures: object,
    ) -> Evidence:
        """Say what stands under a name in `evidence.toml`; it rests on the window of a life."""
        told = texts("analysis/evidence")[name]
        says, words = says or Says(told["says"]), filled(told["text"], figures)
        weight = int(told["weight"]) if weight is None else weight
        shown = signal or told.get("signal") or (main.signal if main is not None else None)
        start, end = (main.life.start, main.life.end) if main is not None else (None, None)
        name = statistic or told.get("statistic", name)
        unit = None if estimate is None or "unit" not in told else Unit(told["unit"])
        return cls(says, words, value, weight, shown, start, end, name, estimate, low, high, unit)

    @property
    def hours(self) -> float:
        return (self.end - self.start).total_seconds() / 3600 if self.start and self.end else 0.0


class Ahead(Struct, frozen=True):
    #: What fills the limit grows by so much a day; its standard error, and that of how much more it may be.
    per_day_bytes: float | None = None
    error_bytes: float | None = None
    error_up_bytes: float | None = None
    level_bytes: float | None = None
    fresh_bytes: float | None = None
    noise_bytes: float | None = None
    goes_on: float | None = None
    age_hours: float | None = None
    longest_hours: float | None = None

    def days_until(self, more_bytes: float) -> tuple[float | None, float | None, float | None]:
        """Say how many days growth takes to so much more, and by its interval the fewest and the most."""
        if self.per_day_bytes is None:
            return None, None, None
        fast = self.per_day_bytes + th.QUANTILE * (self.error_up_bytes or 0.0)
        slow = self.per_day_bytes - th.QUANTILE * (self.error_bytes or 0.0)
        middle, soonest, latest = (more_bytes / rate if rate > 0 else None for rate in (self.per_day_bytes, fast, slow))
        return middle, soonest, latest


class VerdictRow(Struct, kw_only=True):
    """A row of verdicts, filled as it is found out: first what is, then the evidence, then the words."""

    cluster: str | None
    namespace: str | None
    workload: str | None
    container: str | None
    pods: int
    verdict: Verdict
    leak_probability: float
    pattern: Pattern
    also: list[Pattern]
    cause: Cause | None
    signal: Signal | None
    evidence_level: int
    growth_bytes_per_day: float | None = None
    growth_low_bytes_per_day: float | None = None
    growth_high_bytes_per_day: float | None = None
    detection_floor_bytes_per_day: float | None = None
    limit_outlook: Outlook
    hours_to_limit: float | None
    hours_to_limit_low: float | None
    hours_to_limit_high: float | None
    #: Of a stored row; judging knows no chances, those are the limits' business.
    oom_probability_7d: float | None = None
    oom_probability_24h: float | None = None
    oom_probability_30d: float | None = None
    startup_peak_bytes: int | None
    settled_bytes: int | None
    peak_bytes: int | None
    limit_bytes: int | None
    coverage: float | None
    explanation: str = ""
    next_step: str = ""
    evidence: Sequence[Evidence] = ()
    headline: str = ""
    reason: str = ""
    container_id: int
    workload_inferred: bool
    limit_known: bool
    ahead: Ahead | None
    pod: str | None
    lives: int

    @classmethod
    def stored(cls, row: Mapping[str, object]) -> VerdictRow:
        """Make a record of a row of `classify`, maybe of another version: what it has not is None."""
        given: dict[str, Any] = {column: row.get(column) for column in _ROW}
        for name, members in _CLOSED.items():
            given[name] = members.get(given[name])
        given["pattern"] = given["pattern"] or Pattern.INSUFFICIENT_DATA
        given["also"] = [_CLOSED["pattern"][name] for name in given["also"] or () if name in _CLOSED["pattern"]]
        given["evidence"] = [Evidence(*map(piece.get, _PIECE)) for piece in given["evidence"] or ()]
        # Of a forecast nobody asks a stored row.
        given["ahead"] = None
        return cls(**given)

    @property
    def by_statistic(self) -> dict[str, Evidence]:
        """The evidence by its statistic; of several the strongest."""
        return {piece.statistic: piece for piece in reversed(self.evidence) if piece.statistic}


_SETS: Final = {"verdict": Verdict, "pattern": Pattern, "cause": Cause, "signal": Signal, "limit_outlook": Outlook}
_CLOSED: Final[dict[str, dict[str, StrEnum]]] = {
    column: {str(member): member for member in kind} for column, kind in _SETS.items()
}
_PIECE: Final = columns_of(Evidence)
EVIDENCE: Final = pl.List(pl.Struct(_PIECE))
_ROW: Final = columns_of(VerdictRow) | {
    "also": pl.List(pl.String()),
    "evidence": EVIDENCE,
    "container_id": pl.UInt32(),
    "ahead": pl.Struct(columns_of(Ahead)),
}
INSTANCE: Final = {name: _ROW[name] for name in ("pod", "lives")}
#: What judging says of a workload: `limits` adds the chances of an OOM kill.
JUDGED: Final = {
    name: dtype for name, dtype in _ROW.items() if name not in INSTANCE and not name.startswith("oom_probability")
}
VERDICTS: Final = pl.Schema(list(_ROW.items())[: list(_ROW).index("headline")])


def frame_of(rows: Iterable[VerdictRow], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    found = list(rows)
    columns: dict[str, Any] = {name: [getattr(row, name) for row in found] for name in schema}
    columns["ahead"] = [None if row.ahead is None else structs.asdict(row.ahead) for row in found]
    # All pieces stand in one frame that is then cut: a dict for each takes far longer.
    told = attrgetter(*_PIECE)
    every = [(at, *told(piece)) for at, row in enumerate(found) for piece in row.evidence]
    kinds = {"row": pl.Int64(), **_PIECE}
    theirs = pl.DataFrame(every, kinds, orient="row").group_by("row").agg(evidence=pl.struct(*_PIECE))
    everyone = pl.DataFrame({"row": range(len(found))}, {"row": pl.Int64()})
    cut = everyone.join(theirs, on="row", how="left", maintain_order="left")["evidence"]
    columns["evidence"] = cut.fill_null(pl.Series([[]], dtype=EVIDENCE))
    return pl.DataFrame(columns, schema=schema)


class Rejected(Struct, frozen=True):
    """What `validate` does not accept as evidence: its check, the signal, and a sentence."""

    check: str
    signal: str
    detail: str


class Layer(StrEnum):
    KEPT = "kept"
    SLACK = "slack"
    OUTSIDE = "outside"
    CACHE = "cache"
    SHMEM = "shmem"
    KERNEL = "kernel"
    MAPPED = "mapped"
    OTHERS = "others"


#: Layers that may grow beside the judged signal and fill the limit, with the signal that shows each.
BESIDE: Final = {
    Layer.SHMEM: Signal.SHMEM,
    Layer.KERNEL: Signal.KERNEL,
    Layer.MAPPED: Signal.FOOTPRINT,
    Layer.OTHERS: Signal.FOOTPRINT,
}


class Halt(StrEnum):
    """What was seen to end growth that a model found, the most telling first."""

    FLOOR_STAYS = "floor_stays"
    ENDED = "ended"
    SLOWING = "slowing"


class Life(Struct, frozen=True):
    """From one start of a container to its end; the columns of `lives` that a verdict needs."""

    row: int
    container_id: int
    start: dt.datetime
    end: dt.datetime
    ended: Ending
    version: str | None
    limit_bytes: int | None
    samples: int
    startup_peak_bytes: int | None
    startup_seconds: float | None
    settled_bytes: int | None
    peak_bytes: int | None
    last_bytes: int | None
    hashed: bool

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def hours(self) -> float:
        return self.seconds / 3600


#: From the middle of a window to the middle of its last eighth, of which the end level is, as a share of the window.
_LATER_PART: Final = 0.4375


class Level(Struct, frozen=True):
    signal: Signal
    samples: int
    first_level: float
    early_level: float
    middle_level: float
    end_level: float
    top: float
    #: Median of the later half; and shortly after the start, at a twentieth of the window: the very first samples of a
    #: process say little.
    settled: float
    begun: float
    #: Highest sample within the start-up share of the window, until it rests, and after it.
    early_peak: float
    late_peak: float

    @property
    def came(self) -> float:
        return self.end_level - self.early_level

    @property
    def half_way(self) -> float:
        """How much of its rise it had behind it in the middle of the window."""
        return (self.middle_level - self.early_level) / max(self.came, 1e-9)

    @property
    def late_rise(self) -> float:
        """What it would rise by in a window, going on as from the middle to where its end level is read."""
        return (self.end_level - self.middle_level) / _LATER_PART

    @property
    def piles_up(self) -> bool:
        return self.came >= max(th.HELD_RISE, th.HELD_RISE_SHARE * self.early_level)


class Reading(Level, frozen=True):
    """One signal of one life with its shape and the models that explain it."""

    #: Probabilities of the three kinds; of `unresolved` only just begun.
    growing: float
    bounded: float
    unresolved: float
    fresh: float
    #: The likeliest shape, and the likeliest of those that do not grow.
    family: Family
    bounded_family: Family
    stepped: float
    #: Share of the movement that a cycle was, and that the load explains.
    periodic: float
    load_share: float
    growth_per_day: float
    #: Its standard error, and that of how much faster it may be.
    growth_error_per_day: float
    growth_error_up_per_day: float
    floor_per_day: float
    #: Where the growth begins, 0 to 1, and what is left around the best shape.
    onset: float
    noise: float
    #: From the early part, after the start-up, to the end, of the means.
    mean_rise: float
    #: The same of what was fitted: of the floors of teeth, and without a cycle.
    floor_rise: float
    #: Slope in the last third of the growth phase over that of the whole phase; 1 is steady growth.
    last_third: float
    #: Rise in the last eighth of the window over what the slope predicts for it; None where the prediction is within
    #: the noise, or where growth comes in jumps that may fall beside the tail.
    tail: float | None
    #: Rise without the few large steps over what the slope predicts; None where there is none, or many.
    between: float | None
    #: Where a quarter of the rise is reached for good, 0 to 1.
    begun_at: float
    #: How long the last rest is, and how much longer it must be to outlast those before it on lower ground, as shares
    #: of the window.
    rest: float
    unrested: float
    #: Slope in the later half of the growth, after a start-up, over the slope in its earlier half; and the noise as a
    #: share of what each half would bring at the same speed.
    straight: float
    bend_noise: float
    #: Releases: abrupt falls of a good part of the range.
    teeth: int
    #: Median of the floors between releases over the median of the tops before them; 1 without teeth.
    trough: float
    #: Kendall's tau over time of the floors, and of the tops before them: 1 is a steady rise; 0 without teeth.
    floor_trend: float
    top_trend: float
    #: Bytes from the tops of the first third of the teeth to those of the last third; 0 without teeth.
    top_rise: float
    #: With one to three releases: how much of the rise before the last one it took back; 0 otherwise.
    repeats: float
    #: Share of bins after the start-up that reach half way from the settled level to the late peak.
    high_share: float
    flutter: float
    #: How many separate times the highest samples do that; and how often before the last share `YOUNG`.
    bursts: int
    earlier_bursts: int
    #: How much the times between those usually differ, as a share of the usual one; infinite with too few of them.
    rhythm: float
    #: The usual time from one to the next, as a share of the window; 0 with too few of them.
    period: float
    #: How far the bins after the start-up go below the settled level, without the lowest 3 %.
    depth: float
    #: How low the samples in those bins usually go.
    late_low: float
    #: Largest change of level between two neighbouring bins that lasts, and where (0 to 1).
    jump: float
    jump_at: float
    #: Range of the bins after the start-up, without the highest and lowest 3 %.
    swing: float
    rise: float

    @property
    def on_stairs(self) -> bool:
        """Whether it rose in steps and has not rested for longer than before: one more may come."""
        return self.unrested > 0 and self.teeth < th.TEETH and self.flutter < th.FLUTTER * max(self.settled, 1.0)

    @property
    def rose_and_ended(self) -> bool:
        """Whether a straight rise that has ended is what fits best of all that ends."""
        rose = self.mean_rise > th.MATERIAL_SHARE * self.settled and self.teeth < th.TEETH
        return rose and self.bounded_family in (Family.RAMP_END, Family.RAMP)

    @property
    def from_start(self) -> bool:
        return self.onset <= th.STARTUP_SHARE and self.teeth < th.TEETH

    @property
    def spikes_early(self) -> bool:
        """Whether the start needs clearly more than running does, and more than any later peak."""
        return self.early_peak >= max(th.SPIKE_RATIO * max(self.settled, 1.0), th.ABOVE_LATER * self.late_peak)


class Opinion(Struct):
    life: Life
    reading: Reading | None = None
    readings: Mapping[Signal, Reading] = {}
    levels: Mapping[Signal, Level] = {}
    #: Probabilities, they sum to 1.
    growing: float = 0.0
    bounded: float = 0.0
    unresolved: float = 1.0
    #: What the memory at the end of the life is mostly made of, if it is not a leak.
    pattern: Pattern = Pattern.INSUFFICIENT_DATA
    also: list[Pattern] = []
    cause: Cause | None = None
    halts: set[Halt] = set()
    restarts_unknown: bool = False
    spikes_early: bool = False
    threads_grow: bool = False
    growing_layer: Layer | None = None
    #: Of the footprint at the end.
    shares: dict[Layer, float] = {}
    kept_known: bool = True
    #: Files in memory at its first sample, the most in its first few, and at its last; whether the kernel tells them.
    files: tuple[float, float, float] | None = None
    files_told: bool = True
    #: The layers of its container at the last sample: `rmtoolkit._tables.last_layers`.
    now: Mapping[str, Any] = {}
    quota_cores: float | None = None
    node_cores: float | None = None

    @property
    def signal(self) -> Signal | None:
        return None if self.reading is None else self.reading.signal

    def end_level(self, signal: Signal) -> float | None:
        level = self.levels.get(signal)
        return None if level is None else level.end_level

    def amount(self, layer: Layer) -> float:
        """Bytes of a layer: at the last sample where that tells, else at the end of the life."""
        now = self.now.get(f"{layer}_bytes")
        return now if now is not None else self.shares.get(layer, 0.0) * (self.end_level(Signal.FOOTPRINT) or 0.0)

    @property
    def live_bytes(self) -> float | None:
        now = self.now.get("live_bytes")
        return now if now is not None else self.end_level(Signal.ALLOCATED)

    @property
    def whole_bytes(self) -> float | None:
        now = self.now.get("working_set_bytes")
        return now if now is not None else self.end_level(Signal.FOOTPRINT)

    @property
    def beside(self) -> Layer | None:
        return self.growing_layer if self.growing_layer in BESIDE else None

    @property
    def footprint(self) -> Reading | None:
        return self.readings.get(Signal.FOOTPRINT)

    @property
    def pause_left(self) -> float:
        """Share of the life by which what rose for long must rest longer, or a night or a weekend is all it was."""
        row, days = self.reading, self.life.seconds / 86_400
        if row is None or days <= 0:
            return 0.0
        if (1 - row.rest) * days >= th.FEWEST_CYCLES:
            return max(th.WEEKEND_DAYS / days - row.rest, 0.0) if row.rose_and_ended else 0.0
        rises = min(row.mean_rise, row.floor_rise) > th.MATERIAL_SHARE * row.settled
        rises = rises and 1 - row.rest - row.begun_at >= th.NIGHT_DAYS / days / 2
        ended = Signal.WORK not in self.levels and (row.rose_and_ended or Halt.ENDED in self.halts)
        return max(th.NIGHT_DAYS / days - row.rest, 0.0) if rises and ended else 0.0

    @property
    def rests(self) -> float:
        return 0.0 if self.pause_left else self.bounded

    @property
    def pressure(self) -> dict[Signal, float]:
        """How hard the kernel held the container back in the later part of a life, where that is much."""
        of_memory = 3600 * _PAGE_BYTES / (self.end_level(Signal.FOOTPRINT) or math.inf)
        stalls = ((name, 1.0, th.PRESSURE) for name in (Signal.PSI_SOME, Signal.PSI_FULL))
        found = {}
        for name, unit, least in (*stalls, (Signal.REFAULTS, of_memory, th.REFAULTS)):
            rise = self.levels[name].late_rise if name in self.levels else 0.0
            if rise * unit > least * self.life.seconds > 0:
                found[name] = rise * unit / self.life.seconds
        return found

    @property
    def peaks_at_limit(self) -> bool:
        """Whether the kernel's own peak counter is at the limit, which scrapes may have missed."""
        limit, peak = self.life.limit_bytes, self.end_level(Signal.PEAK)
        return bool(limit and peak is not None and peak >= th.PEAK_AT_LIMIT * limit)


_PAGE_BYTES: Final = 4096

_LIFE: Final = Life.__struct_fields__
_LEVEL: Final = Level.__struct_fields__
_READING: Final = Reading.__struct_fields__


def lives_of(table: pl.DataFrame) -> Iterator[Life]:
    ended = _LIFE.index("ended")
    for row in map(list, table.with_row_index("row").select(_LIFE).iter_rows()):
        row[ended] = Ending(row[ended])
        yield Life(*row)


def readings_of(table: pl.DataFrame) -> dict[int, tuple[dict[Signal, Reading], dict[Signal, Level]]]:
    """Make records of the readings table, by the row of the life: those that were fitted, and all."""
    found: dict[int, tuple[dict[Signal, Reading], dict[Signal, Level]]] = {}
    signal, family, bounded, growing = map(_READING.index, ("signal", "family", "bounded_family", "growing"))
    for number, *row in table.select("life_row", *_READING).iter_rows():
        readings, levels = found.setdefault(number, ({}, {}))
        name = row[signal] = Signal(row[signal])
        if row[growing] is None:
            levels[name] = Level(*row[: len(_LEVEL)])
            continue
        row[family], row[bounded] = Family(row[family]), Family(row[bounded])
        readings[name] = levels[name] = Reading(*row)
    return found


class Advice(Struct, frozen=True):
    text: str
    #: Exactly what to set, run or write; None where there is nothing.
    setting: str | None = None
    expected: str | None = None
    #: The `statistic` of the evidence, or the column of the verdict, that it follows from.
    because: str | None = None
    #: When, where waiting is the advice; UTC.
    until: dt.datetime | None = None

    @classmethod
    def of(cls, name: str, because: str | None = None, until: dt.datetime | None = None, **figures: object) -> Advice:
        """Fill figures into what stands under a name in `advice.toml`."""
        said = {part: filled(words, figures) for part, words in texts("analysis/advice")[name].items()}
        return cls(said["text"], said.get("setting"), said.get("expected"), because or said.get("because"), until)

    @property
    def sentence(self) -> str:
        action = self.text.rstrip(".")
        if self.setting:
            action += f"{'.' if ':' in action else ':'} `{self.setting}`"
        action += "."
        return f"{action} Expected: {self.expected.rstrip('.')}." if self.expected else action


class Suspect(Struct, frozen=True):
    place: str
    function: str
    #: What came after startup and stayed.
    growth_bytes: int
    share: float


class HeapKind(StrEnum):
    GROWS = "grows"
    #: It knows time, and what grows does so ever more slowly: a bound is near, or far.
    FILLS = "fills"
    #: It knows time, and nothing grows steadily to the end.
    RESTS = "rests"
    PICTURE = "picture"
    BLIND = "blind"
    #: It grows by snapshots that were taken because it grew.
    RISES = "rises"
    #: One container doubled, and the recording ended before it would again.
    DOUBLES = "doubles"
    #: More is held, in too few snapshots to tell whether that goes on.
    FEW = "few"
    #: Beside a recording: it grows by too little to explain what was recorded.
    SMALL = "small"
    #: Beside a recording: what was recorded would hardly show in it.
    SHORT = "short"


class HeapReading(Struct, frozen=True):
    kind: HeapKind
    #: What grows, the most suspicious first.
    suspects: tuple[Suspect, ...] = ()
    #: Of all that grows steadily, after startup; the rate is None where the profile knows an order but no times.
    growth_bytes: int = 0
    growth_bytes_per_second: float | None = None
    #: Of all that is more than after startup, steadily or not.
    moved_bytes: int = 0
    #: Held before the program began to end, or in the snapshot.
    held_bytes: int = 0
    #: Length of the stretch in which growth was measured; None is unknown.
    seconds: float | None = None
    span_seconds: float | None = None
    why: str | None = None
    largest: str | None = None
    snapshots: int = 0
    #: Growth of less may not show in a sample.
    shows_bytes: int = 0

    def pace_of(self, grown: int) -> str:
        """Write a growth of the stretch that was measured: by time, where that is known."""
        return pace(grown / self.seconds, self.seconds) if self.seconds else f"{memory(grown)} after startup"


class Pool(Struct):
    #: The lives that count, of the running version.
    opinions: list[Opinion]
    growing: float
    bounded: float
    unresolved: float
    main: Opinion | None
    #: True when growth in life after life ends in kills or restarts.
    masked: bool = False
    #: The running version, when it no longer grows and an older one did.
    fixed_version: str | None = None
    #: The running version, when it grows and the lives of older versions were flat.
    since_version: str | None = None
    #: Settled level of the running version less that of the one before; None where one is unknown.
    moved_bytes: float | None = None
    #: A life of the running version, which is too short to stand for the workload.
    too_young: Life | None = None
    moved_heap_bytes: float | None = None
    moved_around_bytes: float | None = None
    moved_threads: float | None = None
    lives_rising: int = 0
    lives_judged: int = 0
    #: The running version was seen too shortly to judge; for so long the longest life before it was.
    longest_before_seconds: float | None = None
    #: It is young, and its rise is no larger than the cycle of longer lives that it replaced.
    cycles_before: bool = False
    #: No more probable is growth said to be.
    surest: float = 1.0
    #: What a rise of only one life counts as, in samples: the smaller it is, the fewer.
    rise_samples: float = math.inf
    #: So much do all lives rise as they age, beyond their load, and none lasts for long enough to show an end.
    rise_by_age_bytes: float = 0.0
    heap: HeapReading | None = None

    @property
    def leaking_code(self) -> str | None:
        heap = self.heap
        return heap.suspects[0].function if heap is not None and heap.kind == HeapKind.GROWS and heap.suspects else None


class AgeKind(StrEnum):
    """What all lives need as they age: no more; no more that shows; more, maybe just while they start; more."""

    RESTS = "rests"
    NO_RISE = "no_rise"
    SLOW_START = "slow_start"
    RISES = "rises"


class ByAge(Struct, frozen=True):
    signal: str
    kind: AgeKind
    rise_bytes: float


class Exposure(Struct, frozen=True):
    age_hours: float
    #: What a life hardly exceeds; None where restarts are too few to tell.
    longest_hours: float | None

    @property
    def left_hours(self) -> float:
        """Hours that the running life still has; infinite where nothing is known to end it."""
        if self.longest_hours is None or self.age_hours > self.longest_hours:
            return math.inf
        return self.longest_hours - self.age_hours


ENDLESS: Final = Exposure(0.0, None)


class OpenKind(StrEnum):
    TOO_FEW = "too_few"
    REJECTED = "rejected"
    KILLED = "killed"
    RESTARTS_UNKNOWN = "restarts_unknown"
    AT_LIMIT = "at_limit"
    SHMEM = "shmem"
    KERNEL = "kernel"
    MAPPED = "mapped"
    OTHERS = "others"
    OUTSIDE = "outside"
    IDLE = "idle"
    RISES_BY_AGE = "rises_by_age"
    YOUNG_RELEASE = "young_release"
    FEW_TEETH = "few_teeth"
    YOUNG = "young"
    ONE_RISE = "one_rise"
    UNRESTED = "unrested"
    PAUSED = "paused"
    HALF_WAVE = "half_wave"
    FEW_SAMPLES = "few_samples"
    LIVES_DIFFER = "lives_differ"
    FAINT = "faint"
    SLOWING = "slowing"
    HEAP_RESTS = "heap_rests"

    @property
    def statistic(self) -> str:
        return f"open_{self}"


class Open(Struct, frozen=True):
    kind: OpenKind
    #: The end of a sentence that begins with what was seen.
    why: str
    #: When the same data, longer, decides; None where waiting does not help.
    until: dt.datetime | None
