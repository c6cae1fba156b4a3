"""`rm.suspects`: which code holds more and more memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.heap.callers import tell_apart
from rmtoolkit.heap.groups import groups
from rmtoolkit.heap.growth import Readings, curves, read_curves
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.series import join
from rmtoolkit.text import count, memory, number

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: One row per function, the most suspicious first. Null means that the profile does not say.
SUSPECTS: Final = pl.Schema(
    {
        "function": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
        "origin": pl.String(),
        "through": pl.String(),
        "reading": pl.String(),
        "growth_bytes": pl.Int64(),
        "growth_blocks": pl.Int64(),
        "growth_bytes_per_second": pl.Float64(),
        "growth_bytes_per_unit": pl.Float64(),
        "growth_share": pl.Float64(),
        "steadiness": pl.Float64(),
        "held_bytes": pl.Int64(),
        "live_at_end_bytes": pl.Int64(),
        "allocations": pl.Int64(),
        "temporary": pl.Int64(),
        "stacks": pl.Int64(),
        "stack_id": pl.UInt32(),
        "evidence": pl.String(),
    },
)

#: Readings, and what they mean.
READINGS: Final = {
    "grows": "holds more and more, until the end",
    "grew": "grew after startup, but not to the end, or in few steps",
    "held": "holds memory that does not grow",
    "live": "holds memory; one picture does not tell whether it grows",
}

#: So much of the parts after startup must have grown, and the growth must go on so far, to be called one.
_STEADY: Final = 0.5
_PERSISTENT: Final = 0.4
_JUMPS: Final = 3
#: ... and be this share of what the function holds, or that share of all growth.
_DRIFT: Final = 2e-3
_SHARE: Final = 0.1


def suspects(
    heap: HeapProfile | Sequence[HeapProfile], *, work: float | None = None, own: Collection[str] = ()
) -> pl.DataFrame:
    """Rank code by how its memory grows, not by what is alive at the end.

    Parameters
    ----------
    heap
        A profile that knows time (heaptrack), or several of one program in the order in which they were taken.
        Of a single picture (pprof, jeprof, DHAT) only what is held can be told.
    work
        Units of work in the recording (requests, messages), for growth per unit.
    own
        Crates that are your own, where paths and names do not tell.

    Returns
    -------
    polars.DataFrame
        One row per function of your own code that is first on the way from an allocation outwards, most suspicious
        first: see `SUSPECTS`. `reading` is ``grows``, ``grew``, ``held`` or ``live`` (see `READINGS`);
        `growth_bytes` came after startup (the first half) and stayed; `steadiness` is the share of the time after
        startup in which it grew; `held_bytes` was held before the program began to end, `live_at_end_bytes` when it
        had ended. `stack_id` is the stack that grew most, or holds most. `evidence` says it in words. A helper of
        your own that allocates for many is named in `through`, where only some of its callers grow: then `function` is
        the caller.

    Raises
    ------
    RmtoolkitError
        There is no profile.

    Notes
    -----
    A recording is cut into 32 parts by time (by allocations where it is too short for that). Growth is the increase
    of the least that was held within a part, so what comes and goes does not count; where the program only gives
    memory back, at its end, does not count either. Functions are ranked by that growth times its steadiness times
    how far it goes on to the end: what fills up and stays (caches, pools) falls behind a smaller growth without end.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> suspects(HeapProfile(HeapSummary("dhat"))).height
    0
    """
    profiles = [heap] if isinstance(heap, HeapProfile) else list(heap)
    if not profiles or not all(isinstance(profile, HeapProfile) for profile in profiles):
        msg = "There is no heap profile to look at. Hint: rm.suspects(rm.read_heap(PATH)), or a list of profiles."
        raise RmtoolkitError(msg)
    # Pictures of one program are one profile that knows when what came.
    whole = join(profiles)
    named, names, said = _read(whole, own)
    return _table(whole, named, names, said, work) if names else pl.DataFrame(schema=SUSPECTS)


def by_function(heap: HeapProfile, own: Collection[str] = ()) -> tuple[pl.DataFrame, list[str]]:
    """Give each stack to the function that `suspects` counts it for.

    Parameters
    ----------
    heap
        A profile.
    own
        Crates that are your own, where paths and names do not tell.

    Returns
    -------
    tuple of (polars.DataFrame, list of str)
        A row per stack with `stack_id` and `function`; and the functions, most suspicious first.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> by_function(HeapProfile(HeapSummary("dhat")))[1]
    []
    """
    named, names, said = _read(heap, own)
    if said is None:
        return named, names
    order = np.lexsort((-said.held, -said.score))
    return named, [names[place] for place in order if said.held[place] > 0 or said.growth[place] > 0]


def _read(heap: HeapProfile, own: Collection[str]) -> tuple[pl.DataFrame, list[str], Readings | None]:
    """Group the stacks by function, and read what the groups hold over time."""
    named, names = _numbered(groups(heap, own).with_columns(through=pl.lit(None, pl.String())))
    found = curves(heap, named, len(names)) if names else None
    if found is None:
        return named, names, None
    said = read_curves(found)
    finer = tell_apart(heap, named, found, said)
    if finer is not None:
        named, names = _numbered(finer)
        again = curves(heap, named, len(names), end=len(found.seconds))
        said = said if again is None else read_curves(again)
    return named, names, said


def _numbered(named: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Give each function a number."""
    names = named["function"].unique(maintain_order=True).to_list()
    places = {name: place for place, name in enumerate(names)}
    return named.with_columns(group=pl.col("function").replace_strict(places, return_dtype=pl.Int64)), names


def _grown(heap: HeapProfile) -> pl.DataFrame:
    """Tell how much more each stack held at some time in the second half than at its beginning."""
    clock = "time_seconds" if heap.growth["time_seconds"].is_not_null().any() else "events"
    halved = heap.growth.with_columns(late=pl.col(clock) > (pl.col(clock).min() + pl.col(clock).max()) / 2)
    before = pl.col("live_bytes").filter(~pl.col("late")).last().fill_null(0)
    after = pl.col("live_bytes").filter("late").max()
    return halved.group_by("stack_id").agg(grown=(after - before).clip(0).fill_null(0))


def _table(
    heap: HeapProfile, numbered: pl.DataFrame, names: list[str], said: Readings | None, work: float | None
) -> pl.DataFrame:
    joined = heap.stacks.join(numbered, on="stack_id").join(_grown(heap), on="stack_id", how="left")
    biggest = joined.sort("grown", "live_bytes", "peak_bytes", "allocations", descending=True, nulls_last=True)
    totals = biggest.group_by("group", maintain_order=True).agg(
        pl.col("file", "line", "origin", "through", "stack_id").first(),
        pl.col("live_bytes").sum().alias("live_at_end_bytes"),
        *(
            pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)
            for name in ("allocations", "temporary")
        ),
        pl.len().alias("stacks"),
    )
    frame = pl.DataFrame({"group": range(len(names)), "function": names}).join(totals, on="group", how="left")
    if said is None:
        table = frame.with_columns(
            held_bytes="live_at_end_bytes", reading=pl.lit("live"), score=pl.col("live_at_end_bytes").cast(pl.Float64)
        ).filter(pl.col("held_bytes") > 0)
    else:
        # A table that doubles grows as one block, seldom, and by more each time.
        doubles = (said.growth_blocks == 0) & (heap.growth["live_blocks"].count() > 0) & (said.jumps >= _JUMPS)
        steady = ((said.steadiness >= _STEADY) | doubles) & (said.persistence >= _PERSISTENT)
        # A full cache whose entries differ in size drifts a little for ever.
        steady &= (said.growth >= _DRIFT * said.held) | (said.growth >= _SHARE * said.growth.sum())
        table = frame.with_columns(
            growth_bytes=pl.Series(said.growth),
            growth_blocks=pl.Series(said.growth_blocks) if heap.growth["live_blocks"].count() else None,
            steadiness=pl.Series(said.steadiness),
            held_bytes=pl.Series(said.held),
            seconds=pl.Series(said.seconds).fill_nan(None),
            score=pl.Series(said.score),
            reading=pl.Series(np.where(said.growth <= 0, "held", np.where(steady, "grows", "grew")), dtype=pl.String),
        ).filter((pl.col("growth_bytes") > 0) | (pl.col("held_bytes") > 0))
        table = table.with_columns(
            growth_share=pl.col("growth_bytes") / max(float(said.growth.sum()), 1.0),
            growth_bytes_per_second=pl.when(pl.col("seconds") > 0).then(pl.col("growth_bytes") / pl.col("seconds")),
            # What came in the stretch that was measured came with that share of the work.
            growth_bytes_per_unit=None if work is None else pl.col("growth_bytes") / (work * (1 - 0.5)),
        )
    for column, kind in SUSPECTS.items():
        if column not in table.columns and column != "evidence":
            table = table.with_columns(pl.lit(None, dtype=kind).alias(column))
    table = table.sort("score", "held_bytes", descending=True, nulls_last=True)
    words = [_words(row) for row in table.iter_rows(named=True)]
    table = table.with_columns(pl.Series("evidence", words, dtype=pl.String))
    return table.select(SUSPECTS.names()).cast(SUSPECTS)


def _words(row: dict[str, object]) -> str:
    """Say the evidence in one sentence."""

    def amount(name: str) -> float:
        value = row[name]
        return float(value) if isinstance(value, int | float) else 0.0

    if row["reading"] == "live":
        return f"holds {memory(amount('held_bytes'))}; one picture does not tell whether that grows"
    if row["reading"] == "held":
        return f"holds {memory(amount('held_bytes'))}, no more than after startup"
    text = f"{memory(amount('growth_bytes'))} more after startup"
    if amount("growth_blocks") > 0:
        text += f" in {count(int(amount('growth_blocks')), 'block')}"
    if amount("growth_bytes_per_second") > 0:
        text += f", {memory(amount('growth_bytes_per_second'))}/s"
    if row["growth_bytes_per_unit"] is not None:
        text += f", {number(amount('growth_bytes_per_unit'))} bytes per unit of work"
    if row["through"] is not None:
        text += f", through {row['through']}"
    return text + f"; grew in {100 * amount('steadiness'):.0f} % of that time"
