"""What cannot be true in a recording: layers out of order, dead gauges, wrong units."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from rmtoolkit import schema, text
from rmtoolkit._parallel import parallel_map
from rmtoolkit._tables import FOLLOWS, beside, conform, in_force, one_signal
from rmtoolkit.exceptions import fault
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.text import MI

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

#: One row per container, check and signal.
FINDINGS: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        **schema.typed(schema.TEXT, "namespace workload pod container check signal"),
        "count": schema.WHOLE,
        **schema.typed(schema.TIME, "first last"),
        "detail": schema.TEXT,
        "rejected": schema.YES_NO,
    }
)

#: What a check finds, before it is put in words: `low` and `high` are figures for the sentence.
FOUND: Final = pl.Schema(
    {
        "container_id": pl.UInt32(),
        **schema.typed(schema.TEXT, "check signal"),
        **schema.typed(schema.WHOLE, "count compared"),
        **schema.typed(schema.TIME, "first last"),
        **schema.typed(schema.NUMBER, "low high"),
        "about": schema.TEXT,
        "rejected": schema.YES_NO,
    }
)
_NOTHING: Final = schema.empty(FOUND)

#: A signal at fault in this share of its samples is no slip of a clock.
REJECT_SHARE: Final = 0.05
#: An allocator counts pages that were never touched, but not this much more than the process has.
ABOVE_SHARE: Final = 0.25
ABOVE_BYTES: Final = 16 * MI

#: Gauges of one allocator; they are refreshed together.
ALLOCATOR: Final = (
    *("allocated_bytes", "active_bytes", "resident_bytes", "mapped_bytes", "metadata_bytes", "retained_bytes"),
    "free_bytes",
)
#: Unchanged for this many samples, with this much movement beside it: nobody refreshes the gauge.
STALE_SAMPLES: Final = 20
_STALE_MOVE_BYTES: Final = 8 * MI
_STALE_MOVE_SHARE: Final = 0.1
#: Rises that make a habit.
_RISES: Final = 10


def _steps(samples: pl.DataFrame, signal: str) -> pl.DataFrame:
    there = samples.select("container_id", "time", value=signal).drop_nulls("value")
    return there.with_columns(before=pl.when(FOLLOWS).then(pl.col("value").shift()))


def _told(rows: pl.DataFrame, check: str, signal: str, about: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Say of each container what its rows at fault tell; where nothing else is said, all of them were compared."""
    time, value, name = pl.col("time"), pl.col("value"), {"check": pl.lit(check), "signal": pl.lit(signal)}
    usual = {"count": pl.len(), "compared": pl.len(), "first": time.min(), "last": time.max()}
    return rows.group_by("container_id").agg(**name, **{**usual, "low": value.min(), "high": value.max(), **about})


def stale(samples: pl.DataFrame) -> pl.DataFrame:
    """Find allocator gauges that all stand still while the memory of the process moves."""
    gauges = [name for name in ALLOCATOR if samples[name].count()]
    known = samples.select("container_id", "time", *gauges).filter(pl.any_horizontal(pl.col(gauges).is_not_null()))
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in ("container_id", *gauges))
    length = pl.col("run").shift(-1, fill_value=known.height) - pl.col("run")
    runs = known.with_row_index("run").filter(changed).with_columns(samples=length)
    runs = runs.filter(pl.col("samples") >= STALE_SAMPLES)
    if not runs.height:
        return _NOTHING
    runs = runs.with_columns(end=known["time"].gather(runs["run"] + runs["samples"] - 1))
    begun = runs.select("container_id", "time", "end", "run")
    moving = samples.select("container_id", "time", "moving").drop_nulls("moving")
    during = moving.join_asof(begun, on="time", by="container_id", check_sortedness=False)
    of_run = during.filter(pl.col("time") <= pl.col("end")).group_by("run")
    moved = of_run.agg(low=pl.col("moving").min(), high=pl.col("moving").max())
    enough = pl.max_horizontal(pl.col("high") * _STALE_MOVE_SHARE, pl.lit(_STALE_MOVE_BYTES))
    total = samples.group_by("container_id").agg(pl.col(name).count().alias(f"{name}_n") for name in gauges)
    still = runs.join(moved.filter(pl.col("high") - pl.col("low") >= enough), on="run").join(total, on="container_id")
    seen = {"last": pl.col("end").max(), "low": pl.col("low").min(), "high": pl.col("high").max()}
    found = []
    for name in gauges:
        count, compared = pl.col("samples").sum(), pl.col(f"{name}_n").first()
        about = {**seen, "count": count, "compared": compared, "rejected": count >= compared / 2}
        found.append(_told(still.filter(pl.col(name).is_not_null()), "stale_allocator", name, about))
    return pl.concat(found)


def self_incrementing(samples: pl.DataFrame) -> pl.DataFrame:
    """Find gauges to which an exporter adds their own value at every scrape."""
    found = [_rises(samples, name) for name in ALLOCATOR if samples[name].count()]
    rising = pl.concat(found).filter("only_rises").select("container_id").unique() if found else _NOTHING
    if not rising.height:
        return _NOTHING
    whole = pl.col("footprint")
    of_container = samples.join(rising, on="container_id", how="semi").group_by("container_id")
    beside = of_container.agg(usual=whole.median(), most=whole.max() * (1 + ABOVE_SHARE) + ABOVE_BYTES)
    passes = (pl.col("high") > pl.col("most")) & pl.col("low").is_between(pl.col("usual") / 20, pl.col("most"))
    own_size = pl.col("only_rises") & pl.col("low").is_between(pl.col("start") / 3, pl.col("start") * 3)
    all_alike = own_size.all().over("container_id") & (pl.len().over("container_id") > 1)
    wrong = pl.when(pl.col("most").is_null()).then(all_alike).otherwise(pl.col("only_rises") & passes)
    rows = pl.concat(found).join(beside, on="container_id").filter(wrong)
    return rows.with_columns(check=pl.lit("self_incrementing"), compared="count", rejected=pl.lit(value=True))


def _rises(samples: pl.DataFrame, signal: str) -> pl.DataFrame:
    step = pl.col("value") - pl.col("before")
    steps = _steps(samples, signal).with_columns(
        up=step > 0,
        # Down to less than half is a restart, not a gauge that fell.
        falls=(step < 0) & (pl.col("value") >= pl.col("before") / 2),
    )
    count = pl.col("up").sum()
    found = steps.group_by("container_id").agg(
        signal=pl.lit(signal),
        count=count,
        first=pl.col("time").first(),
        last=pl.col("time").last(),
        high=pl.col("value").max(),
        start=pl.col("value").first(),
        only_rises=~pl.col("falls").any() & (count >= _RISES) & (count >= pl.len() / 2),
    )
    rising = steps.filter("up").join(found.filter("only_rises"), on="container_id", how="semi")
    return beside(found, rising.group_by("container_id").agg(low=step.median()), "container_id")


class _Order(NamedTuple):
    """`low` is part of `high`; where it is larger by more than share and slack, `blamed` are not to be trusted."""

    check: str
    low: str
    high: str
    share: float
    slack_bytes: int
    blamed: tuple[str, ...]
    #: From this share of the samples on it is no slip; what may have been changed since must be so at the last, too.
    least: float = REJECT_SHARE
    to_the_end: bool = False


ABOVE_LIMIT: Final = "usage_above_limit"
#: Signals for all memory of a process, the best first.
FOOTPRINT: Final = ("rss_bytes", "usage_bytes", "working_set_bytes", "anon_bytes")


def _layers(low: str, high: str, slack_bytes: int = MI, share: float = 0.02) -> _Order:
    words = (name.removesuffix("_bytes") for name in (low, high))
    return _Order("_above_".join(words), low, high, share, slack_bytes, (low, high))


ORDERS: Final = (
    _layers("allocated_bytes", "active_bytes"),
    _layers("active_bytes", "resident_bytes"),
    _layers("allocated_bytes", "resident_bytes"),
    _layers("active_bytes", "mapped_bytes"),
    # These may come from two exporters, each with a clock of its own.
    _layers("working_set_bytes", "usage_bytes", share=0.05),
    _layers("anon_bytes", "usage_bytes", 4 * MI, share=0.05),
    _layers("usage_bytes", "peak_bytes")._replace(blamed=("peak_bytes",)),
    *(
        _Order("allocator_above_footprint", name, "footprint", ABOVE_SHARE, ABOVE_BYTES, (name,))
        for name in ("allocated_bytes", "resident_bytes")
    ),
    _Order(ABOVE_LIMIT, "fullness", "limit", 0.1, MI, ("limit_bytes",), least=0.5, to_the_end=True),
)


def believed(recording: Recording, findings: pl.DataFrame) -> Recording:
    """Take limits as unknown that were rejected: those above which its container goes on running."""
    wrong = findings.filter("rejected", check=ABOVE_LIMIT)["container_id"]
    if wrong.is_empty():
        return recording
    theirs = pl.col("container_id").is_in(wrong.implode())
    known = pl.when(~theirs).then("limit_bytes").alias("limit_bytes"), pl.col("limit_known") & ~theirs
    events = recording.events.filter(~(theirs & (pl.col("kind") == "limit")))
    return replace(recording, containers=recording.containers.with_columns(known), events=events)


def _as_found(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([_NOTHING, *(conform(part, FOUND) for part in parts if part.height)])


def above_limits(recording: Recording) -> pl.DataFrame:
    return _as_found(check(with_references(recording), recording, ORDERS[-1:]))


def check(samples: pl.DataFrame, recording: Recording, orders: Sequence[_Order] = ORDERS) -> Iterator[pl.DataFrame]:
    has = {name: samples[name].count() > 0 for order in orders for name in (order.low, order.high)}
    layered: set[int] = set()
    for order in orders:
        if not (has[order.low] and has[order.high]):
            continue
        found = _out_of_order(samples, recording, order)
        if order.check in ("allocated_above_active", "active_above_resident"):
            layered.update(found["container_id"])
        elif order.check == "allocated_above_resident":
            # Said already, and nearer to the fault, where the layer between them is known.
            found = found.filter(~pl.col("container_id").is_in(list(layered)))
        yield found


def with_references(recording: Recording) -> pl.DataFrame:
    samples = recording.samples
    samples = samples.with_columns(
        footprint=one_signal(samples, FOOTPRINT) + pl.col("swap_bytes").fill_null(0),
        moving=one_signal(samples, ("rss_bytes", "anon_bytes", "working_set_bytes", "usage_bytes")),
        fullness=one_signal(samples, ("usage_bytes", "working_set_bytes")),
    )
    limits = recording.containers.select("container_id", "limit_bytes")
    limit = beside(samples.select("container_id", "time"), limits, "container_id")
    return samples.with_columns(limit=in_force(limit, recording.events, "limit")["limit_bytes"])


def _near(samples: pl.DataFrame, signal: str, *, largest: bool) -> pl.DataFrame:
    beside = [
        pl.when(pl.col("container_id") == pl.col("container_id").shift(by)).then(pl.col("value").shift(by))
        for by in (1, -1)
    ]
    pick = pl.max_horizontal if largest else pl.min_horizontal
    there = samples.select("container_id", "time", value=signal).drop_nulls("value")
    return there.with_columns(near=pick("value", *beside))


def _out_of_order(samples: pl.DataFrame, recording: Recording, order: _Order) -> pl.DataFrame:
    # Most orders hold at every instant, and then no neighbour needs a look.
    too_large = pl.col(order.low) > pl.col(order.high) * (1 + order.share) + order.slack_bytes
    there = pl.col(order.low).is_not_null() & (pl.col(order.high).is_null() | too_large)
    doubtful = samples.select(pl.col("container_id").filter(there).unique())
    if not doubtful.height:
        return _NOTHING
    samples = samples.select("container_id", "time", order.low, order.high).join(
        doubtful, on="container_id", how="semi", maintain_order="left"
    )
    lows = _near(samples, order.low, largest=False)
    highs = _near(samples, order.high, largest=True)
    others = highs.rename({"value": "other", "near": "other_near"}).with_columns(seen="time")
    pairs = lows.join_asof(others, on="time", by="container_id", strategy="nearest", check_sortedness=False)
    slack = pl.max_horizontal("quantum_bytes", pl.lit(order.slack_bytes))
    above = pl.col("near") > pl.col("other_near") * (1 + order.share) + slack
    quanta = recording.containers.select("container_id", "quantum_bytes")
    pairs = pairs.join(quanta, on="container_id").with_columns(bad=above)
    step = pl.col("time").diff().dt.total_milliseconds().median()
    steps = pl.concat(rows.group_by("container_id").agg(step=step) for rows in (lows, highs))
    reach = steps.group_by("container_id").agg(reach=pl.col("step").max().fill_null(0) * 1.5)
    apart = (pl.col("time") - pl.col("seen")).dt.total_milliseconds().abs()
    bad, time, value, other = pl.col("bad"), *(pl.col(name).filter("bad") for name in ("time", "value", "other"))
    worst = (value - other).arg_max()
    low, high = (one.get(worst, null_on_oob=True) for one in (value, other))
    rejected = (bad.mean() >= order.least) & (bad.sort_by("time").last() | (not order.to_the_end))
    about = {"count": bad.sum(), "first": time.min(), "last": time.max(), "low": low, "high": high}
    about |= {"about": pl.lit(f"{order.low} {order.high}"), "rejected": rejected}
    near = pairs.join(reach, on="container_id").filter(apart <= pl.col("reach"))
    found = _told(near, order.check, order.low, about).filter(pl.col("count") > 0)
    return pl.concat(found.with_columns(signal=pl.lit(name)) for name in order.blamed)


#: No kernel has this many threads, no process so little memory.
_NO_KERNEL_THREADS: Final = 1 << 22
LEAST_FOOTPRINT_BYTES: Final = 64 << 10
DECIMAL: Final = 1_000_000
#: Values that are needed before a habit is called one.
_FEW: Final = 5


def absurd(recording: Recording) -> Iterator[pl.DataFrame]:
    large = {name: pl.col(name) >= schema.NO_MACHINE_BYTES for name in schema.BYTE_SIGNALS}
    yield from _values(recording.samples, "absurd_value", large | {"threads": pl.col("threads") > _NO_KERNEL_THREADS})
    odd = ~pl.col("request_bytes").is_between(schema.LEAST_LIMIT_BYTES, schema.NO_MACHINE_BYTES - 1)
    yield from _values(_settings(recording), "absurd_value", {"request_bytes": odd})
    # What a cgroup is charged may be less than the C library alone, which a process shares.
    least = {**dict.fromkeys(schema.FOOTPRINTS, LEAST_FOOTPRINT_BYTES), "rss_bytes": 512 << 10, "allocated_bytes": 1}
    for tiny in _values(recording.samples, "tiny_value", {name: pl.col(name) < least[name] for name in least}):
        # A scale may be wrong; what is 0 throughout was never measured.
        yield tiny.filter(pl.col("count") == pl.col("compared")).with_columns(rejected=pl.col("high") == 0)


def decimal_units(recording: Recording) -> Iterator[pl.DataFrame]:
    """Find amounts that are whole numbers of MB, where Kubernetes and kubectl count in MiB."""
    every = (pl.col("count") >= _FEW) & (pl.col("count") == pl.col("compared")) & (pl.col("low") < pl.col("high"))
    parts = (recording.samples, schema.FOOTPRINTS, every), (_settings(recording), schema.SETTINGS, pl.lit(value=True))
    for rows, names, is_so in parts:
        whole = {name: (pl.col(name) > 0) & (pl.col(name) % DECIMAL == 0) & (pl.col(name) % MI != 0) for name in names}
        # Where every amount is so, the first one is.
        first = rows.group_by("container_id").agg(pl.col(names).first(ignore_nulls=True))
        likely = first.filter(pl.any_horizontal(whole.values()))
        for found in _values(rows.join(likely, on="container_id", how="semi"), "decimal_units", whole):
            yield found.filter(is_so).with_columns(rejected=pl.lit(value=False))


def falling_counters(recording: Recording) -> Iterator[pl.DataFrame]:
    ends = pl.col("kind").is_in(["start", "end", "oom_kill", "node_oom", "evicted", "error"])
    marks = recording.events.filter(ends).select("container_id", "time", event="time").sort("container_id", "time")
    for name in schema.COUNTERS:
        if not recording.samples[name].count():
            continue
        falls = (
            _steps(recording.samples, name)
            .with_columns(gap=pl.col("time").diff())
            .filter(pl.col("value") < pl.col("before"))
            .join_asof(marks, on="time", by="container_id", strategy="nearest", check_sortedness=False)
            .filter(((pl.col("time") - pl.col("event")).abs() <= 2 * pl.col("gap")).fill_null(value=False).not_())
        )
        if falls.height:
            largest = (pl.col("before") - pl.col("value")).arg_max()
            # Down to a small part is an unseen restart; down by a part is no counter at all.
            rejected = (pl.col("value") > pl.col("before") / 2).any()
            fall = {"low": pl.col("value").get(largest), "high": pl.col("before").get(largest), "rejected": rejected}
            yield _told(falls, "counter_fell", name, fall)


def _values(samples: pl.DataFrame, check: str, at_fault: Mapping[str, pl.Expr]) -> Iterator[pl.DataFrame]:
    there = samples.select(wrong.any().alias(name) for name, wrong in at_fault.items()).row(0, named=True)
    for signal in filter(there.get, there):
        all_of = pl.col(signal).count().over("container_id")
        rows = samples.select("container_id", "time", value=signal, bad=at_fault[signal], all=all_of)
        compared = pl.col("all").first()
        about = {"compared": compared, "rejected": pl.len() >= REJECT_SHARE * compared}
        yield _told(rows.filter("bad"), check, signal, about)


def _settings(recording: Recording) -> pl.DataFrame:
    return recording.containers.select("container_id", *schema.SETTINGS, time=pl.lit(None, schema.TIME))


def validate(recording: Recording | pl.DataFrame | pl.LazyFrame | pd.DataFrame) -> pl.DataFrame:
    """List what cannot be true, without raising.

    Gauges of one container come from different scrapes, so an order counts as broken only where no reading
    within one scrape satisfies it, beyond a small tolerance.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.

    Returns
    -------
    polars.DataFrame
        A row per container, check and signal: `container_id`, `namespace`, `workload`, `pod`, `container`,
        `check` (a stable key), `signal`, `count` (samples at fault), `first` and `last` (UTC, null where no
        sample is at fault), `detail` (a sentence with the figures) and `rejected`: true means that the
        signal is not to be used as evidence, false that the reader should know. No rows is good news.

    Notes
    -----
    An order is broken in `allocated_above_active`, `active_above_resident`, `allocated_above_resident`,
    `active_above_mapped`, `working_set_above_usage`, `anon_above_usage`, `usage_above_peak`,
    `allocator_above_footprint` and `usage_above_limit`. An exporter is at fault in `stale_allocator` and
    `self_incrementing`, a unit in `absurd_value`, `tiny_value` and `decimal_units`. No counter, or an unseen restart:
    `counter_fell`. A check that failed itself, of which no more is known: `not_checked`.

    Examples
    --------
    >>> rows = {"time": [0, 60, 120], "working_set_bytes": [900 << 20] * 3, "usage_bytes": [300 << 20] * 3}
    >>> for row in validate(pl.DataFrame(rows)).iter_rows(named=True):
    ...     print(row["signal"], row["rejected"], row["detail"])
    usage_bytes True Working set was above usage in 3 of 3 samples, at worst 900 Mi against 300 Mi.
    working_set_bytes True Working set was above usage in 3 of 3 samples, at worst 900 Mi against 300 Mi.
    """
    checked, _ = parallel_map(
        as_recording(recording), lambda part: {"findings": validate_part(part)}, otherwise=_not_checked
    )
    return checked["findings"]


def _not_checked(part: Recording, error: BaseException) -> dict[str, pl.DataFrame]:
    rows = part.containers.select("container_id", "namespace", "workload", "pod", "container")
    said = {"check": "not_checked", "detail": f"It could not be checked: {fault(error)}.", "rejected": False}
    return {"findings": conform(rows.with_columns(pl.lit(value).alias(name) for name, value in said.items()), FINDINGS)}


def validate_part(recording: Recording) -> pl.DataFrame:
    samples = with_references(recording)
    found = [
        *check(samples, recording),
        stale(samples),
        self_incrementing(samples),
        *absurd(recording),
        *decimal_units(recording),
        *falling_counters(recording),
    ]
    rows = _as_found(found)
    about = recording.containers.select("container_id", "namespace", "workload", "pod", "container")
    rows = rows.with_columns(pl.Series("detail", [*map(_sentence, rows.iter_rows(named=True))], dtype=pl.String))
    return rows.join(about, on="container_id").select(FINDINGS.names()).sort("container_id", "check", "signal")


#: Columns that only stand in for signals.
_STAND_INS = {"footprint": "the memory of the process", "limit": "the limit", "fullness": "usage"}


def _word(signal: str) -> str:
    return _STAND_INS.get(signal) or text.signal_word(signal)


def _sentence(row: dict[str, Any]) -> str:
    lower, _, higher = (row["about"] or "").partition(" ")
    of = f"in {row['count']:,} of {text.count(row['compared'], 'sample')}"
    told = row | {"name": _word(row["signal"]), "lower": _word(lower), "higher": _word(higher), "of": of}
    told |= {
        "unit": "threads" if row["signal"] == "threads" else "bytes",
        "seen": f" ({of})" if row["first"] else "",
        "whole": int(row["low"] or 0),
    }
    case = text.first(
        never_measured=row["check"] == "tiny_value" and not row["high"],
        decimal_setting=row["check"] == "decimal_units" and row["first"] is None,
        out_of_order=row["about"],
    )
    said = text.say("validation/findings", case or row["check"], told)
    return said[0].upper() + said[1:] + ("" if said.endswith("?") else ".")
