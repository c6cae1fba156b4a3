"""`rm.suspects`: which code holds more and more memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from rmtoolkit._tables import beside, conform, known_sum
from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.heap._names import OWN, STD, SYSTEM, WRAPPER, crates, frame_name
from rmtoolkit.heap.formats import join
from rmtoolkit.heap.profile import HeapProfile, HeapSummary
from rmtoolkit.heap.tree import ALL, MOVES, READINGS, Readings, curves, evenly, read_curves, read_parts, tell_apart
from rmtoolkit.schema import NUMBER, TEXT, WHOLE, typed
from rmtoolkit.text import count, memory, pace

#: Whose code names a group, when a stack has none of what comes before.
_ORDER: Final = ("own", "dependency", None, STD, SYSTEM)
_DERIVED: Final = (
    r" as (?:core|std|serde\w*)::(?:\w+::)*(?:Clone|Default|Deserialize|Visitor)(?:<[^<>]*>)?>::"
    r"|^(?:clone|default|deserialize|\{.*)$"
)

_POOL: Final = "sync.(*Pool).Get"
#: More than any stack has frames; and so many stacks are looked at together.
_MOST_PLACES: Final = 1 << 32
_AT_ONCE: Final = 1 << 12

_PLACE: Final = {"function": TEXT, "file": TEXT, "line": WHOLE, "origin": TEXT}


def groups(heap: HeapProfile, own: Collection[str] = ()) -> pl.DataFrame:
    frames = heap.frames
    if own:
        is_own = [bool(set(crates(name or "")) & set(own)) for name in frames["function"]]
        demoted = pl.when(pl.col("origin") == OWN).then(pl.lit("dependency")).otherwise(pl.col("origin"))
        mine = pl.when(pl.Series(is_own, dtype=pl.Boolean)).then(pl.lit(OWN))
        frames = frames.with_columns(origin=mine.otherwise(demoted))
    # What derive writes, or has no name, makes values for whoever calls it.
    derived = (pl.col("origin") == OWN) & pl.col("function").str.contains(_DERIVED)
    frames = frames.with_columns(origin=pl.when(derived).then(pl.lit("dependency")).otherwise("origin"))
    listed = heap.stacks.select("stack_id", frame_id="frames")
    wrappers = pl.col("frame_id").is_in(_wrappers(listed, frames))
    frames = frames.with_columns(origin=pl.when(wrappers).then(pl.lit(SYSTEM)).otherwise("origin"))
    ranks = {origin: rank for rank, origin in enumerate(_ORDER)}
    rank = pl.col("origin").replace_strict(ranks, default=ranks[None], return_dtype=pl.Int64)
    ranked = frames.select("frame_id", rank=rank)
    # Of Rust's own frames the outermost says most: the innermost is always the allocator.
    place = pl.int_range(pl.len())
    order = 2 * _MOST_PLACES * pl.col("rank") + pl.when(pl.col("rank") == ranks[STD]).then(-place).otherwise(place)
    best = [
        listed.slice(begin, _AT_ONCE)
        .explode("frame_id", empty_as_null=True)
        .join(ranked, on="frame_id", how="left", maintain_order="left")
        .group_by("stack_id")
        .agg(pl.col("frame_id").get(order.arg_min()))
        for begin in range(0, max(listed.height, 1), _AT_ONCE)
    ]
    found = beside(beside(listed.select("stack_id"), pl.concat(best), "stack_id"), frames, "frame_id")
    names = [frame_name(function, module) for function, module in found.select("function", "module").iter_rows()]
    return found.with_columns(pl.Series("function", names, dtype=TEXT)).select("stack_id", *_PLACE)


def _wrappers(listed: pl.DataFrame, frames: pl.DataFrame) -> list[int]:
    """Find what makes memory for its callers: like an allocator by name, and called by several; what fills a pool."""
    like = [bool(name and name.isidentifier() and WRAPPER.search(name)) for name in frames["function"]]
    frame, name, outer = map(pl.col, ("frame_id", "function", "outer"))
    mine = ~pl.col("origin").is_in((STD, SYSTEM)).fill_null(value=False)
    named = frames.select(frame, name, like=pl.Series(like, dtype=pl.Boolean) & mine)
    wanted = named.filter(pl.col("like") | (name == _POOL))["frame_id"].implode()
    if not wanted.list.len().sum():
        return []
    found = [
        listed.slice(begin, _AT_ONCE)
        .select(frame, inner=frame.list.shift(1), outer=frame.list.shift(-1))
        .explode("frame_id", "inner", "outer", empty_as_null=True)
        .filter(frame.is_in(wanted) | outer.is_in(wanted))
        .unique()
        for begin in range(0, max(listed.height, 1), _AT_ONCE)
    ]
    calls = (
        pl.concat(found).join(named, on="frame_id").join(named, left_on="outer", right_on="frame_id", suffix="_outer")
    )
    calls = calls.filter(name != pl.col("function_outer"))
    # C's own way to memory does not go through Rust.
    rust = named.filter(name.str.contains(r"::|^__r(?:ust|dl|g)_"))["frame_id"].implode()
    of_rust = pl.col("inner").is_in(rust).fill_null(value=False).any().over("function")
    wraps = pl.col("like") & (pl.col("function_outer").n_unique().over("function") > 1) & ~of_rust
    return calls.filter(wraps | (pl.col("function_outer") == _POOL))["frame_id"].to_list()


#: One row per function, the most suspicious first. Null means that the profile does not say.
SUSPECTS: Final = pl.Schema(
    {
        **_PLACE,
        **typed(TEXT, "through reading"),
        **typed(WHOLE, "growth_bytes growth_blocks"),
        **typed(NUMBER, "growth_bytes_per_second growth_share steadiness"),
        **typed(WHOLE, "held_bytes live_at_end_bytes allocations temporary stacks"),
        "stack_id": pl.UInt32(),
        "evidence": TEXT,
    }
)


def suspects(heap: HeapProfile | Sequence[HeapProfile], *, own: Collection[str] = ()) -> pl.DataFrame:
    """Rank code by how its memory grows, not by what is alive at the end.

    Parameters
    ----------
    heap
        A profile that knows time (heaptrack), or several of one program in the order in which they were taken.
        Of a single snapshot (pprof, jeprof, DHAT) only what is held can be told.
    own
        Crates that are your own, where paths and names do not tell.

    Returns
    -------
    polars.DataFrame
        One row per function of your own code that is first on the way from an allocation outwards, most suspicious
        first: see `SUSPECTS`, and `READINGS` for `reading`. `growth_bytes` came after startup (the first half) and
        stayed, `growth_share` is its share of all with this reading; `steadiness` is the share of that time in which it
        grew; `held_bytes` was held before the program began to end. `stack_id` is the stack that grew or holds most. A
        helper of your own that allocates for many is named in `through`, where only some of its callers grow: then
        `function` is the caller. A function that grows at one line only, while others give back, has a row for it.

    Raises
    ------
    RmtoolkitError
        There is no profile.

    Notes
    -----
    A recording is cut into 32 parts, by time and by allocations. Growth is the increase of what is held in a part and
    never goes away again; what came since the last fall counts as far as it is beyond the deepest fall. It grows when
    that, without its largest step, is above what comes and goes, comes in many parts and does not stop before the end,
    in blocks and not only in their sizes; or when one container doubled just now. It fills when less comes in every
    quarter of what was done, or of the time; it rises when the snapshots came as memory did, and neither is known.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> suspects(HeapProfile(HeapSummary("dhat"))).height
    0
    """
    whole = _whole(heap)
    named, names, said = _read(whole, own)
    return _table(whole, named, names, said) if names else pl.DataFrame(schema=SUSPECTS)


def _whole(given: object) -> HeapProfile:
    profiles: list[HeapProfile] = []
    for one in given if isinstance(given, (list, tuple)) and given else (given,):
        if not isinstance(one, HeapProfile):
            msg = f"{quote(type(one).__name__)} is no heap profile. Hint: rm.read_heap(PATH) reads one, or several."
            raise RmtoolkitError(msg)
        profiles.append(one)
    return join(profiles)


def _read(heap: HeapProfile, own: Collection[str]) -> tuple[pl.DataFrame, list[str], Readings | None]:
    """Tell stacks by function, by line and by caller apart as far as they behave differently, and read each group."""
    unsplit = groups(heap, own).with_columns(through=pl.lit(None, pl.String()), spot=pl.lit(None, pl.Int64()))
    named, names = _numbered(unsplit)
    found = curves(heap, named, len(names)) if names else None
    if found is None:
        return named, names, None
    said = read_curves(found)
    finer = tell_apart(heap, named, found, said)
    while finer is not None:
        named, names = _numbered(finer)
        said = read_curves(curves(heap, named, len(names), end=len(found.seconds)) or found)
        # A line stands alone where the rest of its function rests: the table of a cache that fills doubles with it.
        moves = pl.Series([reading in (*MOVES, "grew") for reading in said.reading])
        rest = named.filter(pl.col("spot").is_null() & moves.gather(named["group"]))["function"]
        alike = pl.col("function").is_in(rest.implode()) & pl.col("spot").is_not_null()
        finer = named.with_columns(spot=pl.when(~alike).then("spot")) if named.select(alike.any()).item() else None
    if heap.summary.format.startswith("massif") and not {*MOVES} & {*said.reading}:
        # Its trees are few, the whole is known more often: where that grows steadily, what grew by half of it does.
        whole = read_parts(found, [[*range(len(names))]])
        said.reading[(whole.reading == "grows") & (2 * said.growth >= whole.growth)] = "grows"
    if heap.summary.taken_as_it_rose:
        said = said._replace(reading=np.where(said.reading == "grows", "rises", said.reading))
    return named, names, said


def _numbered(named: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    keys = named.select("function", "spot").unique(maintain_order=True).with_columns(group=pl.int_range(pl.len()))
    return beside(named.drop("group", strict=False), keys, ["function", "spot"]), keys["function"].to_list()


def _grown(heap: HeapProfile) -> pl.DataFrame:
    """Tell how much more each stack held at some time in the second half than at its beginning."""
    clock = "time_seconds" if heap.growth["time_seconds"].is_not_null().any() else "events"
    halved = heap.growth.with_columns(late=pl.col(clock) > (pl.col(clock).min() + pl.col(clock).max()) / 2)
    before = pl.col("live_bytes").filter(~pl.col("late")).last().fill_null(0)
    after = pl.col("live_bytes").filter("late").max()
    return halved.group_by("stack_id").agg(grown=(after - before).clip(0).fill_null(0))


def _table(heap: HeapProfile, numbered: pl.DataFrame, names: list[str], said: Readings | None) -> pl.DataFrame:
    joined = beside(heap.stacks.join(numbered, on="stack_id", maintain_order="left"), _grown(heap), "stack_id")
    biggest = joined.sort("grown", "live_bytes", "peak_bytes", "allocations", descending=True, nulls_last=True)
    place = pl.col("file", "line", "origin", "through", "stack_id").first()
    amounts = (pl.col("live_bytes").sum().alias("live_at_end_bytes"), pl.col("peak_bytes").sum())
    counts = (*map(known_sum, ("allocations", "temporary")), pl.len().alias("stacks"))
    totals = biggest.group_by("group", maintain_order=True).agg(place, *amounts, *counts)
    table = beside(pl.DataFrame({"group": range(len(names)), "function": names}), totals, "group")
    if said is None:
        # A program that ended and gave back all of its own: its peak tells what it held.
        is_own = ~pl.col("origin").is_in((STD, SYSTEM)).fill_null(value=False)
        ended = (pl.col("live_at_end_bytes") * is_own).sum() == 0
        held = pl.when(ended & (pl.col("peak_bytes").sum() > 0)).then("peak_bytes").otherwise("live_at_end_bytes")
        table = table.with_columns(held_bytes=held, reading=pl.lit("live"))
    else:
        growth = pl.Series("growth_bytes", said.growth)
        table = table.with_columns(
            growth,
            growth_blocks=pl.Series(said.growth_blocks) if (heap.growth["live_blocks"] > 0).any() else None,
            growth_bytes_per_second=growth / pl.Series(said.seconds).replace(0, None).fill_nan(None),
            steadiness=pl.Series(said.steadiness),
            held_bytes=pl.Series(said.held),
            reading=pl.Series(said.reading, dtype=pl.String),
        ).with_columns(growth_share=growth / pl.col("growth_bytes").sum().over("reading").clip(1))
    table = conform(table, SUSPECTS).filter((pl.col("growth_bytes") > 0) | (pl.col("held_bytes") > 0))
    rank = pl.col("reading").cast(pl.Enum(list(READINGS)))
    table = table.sort(rank, "growth_bytes", "held_bytes", descending=[False, True, True], nulls_last=True)
    words = [_words(row) for row in table.iter_rows(named=True)]
    return table.with_columns(pl.Series("evidence", words, dtype=pl.String))


def _words(row: dict[str, Any]) -> str:
    if row["reading"] == "live":
        return f"holds {memory(row['held_bytes'])}; a single snapshot does not tell whether that grows"
    if row["reading"] == "held":
        return f"holds {memory(row['held_bytes'])}, no more than after startup"
    text = f"{memory(row['growth_bytes'])} more after startup"
    if row["growth_blocks"]:
        text += f" in {count(row['growth_blocks'], 'block')}"
    if each := row["growth_bytes_per_second"]:
        text += f", {pace(each, row['growth_bytes'] / each)}"
    if row["through"] is not None:
        text += f", through {row['through']}"
    return text + f"; grew in {100 * row['steadiness']:.0f} % of that time"


#: One row per function, most allocations first. Null means that the profile does not say.
CHURN: Final = pl.Schema({**_PLACE, **typed(WHOLE, "allocations allocated_bytes temporary"), "temporary_share": NUMBER})


def churn(heap: HeapProfile) -> pl.DataFrame:
    named = heap.stacks.filter(pl.col("allocations") > 0).join(groups(heap), on="stack_id")
    # A group is shown at the line that allocates most often.
    by_function = named.sort("allocations", descending=True, maintain_order=True).group_by("function")
    sums = map(known_sum, ("allocations", "allocated_bytes", "temporary"))
    frame = by_function.agg(pl.col("file", "line", "origin").first(), *sums)
    frame = frame.with_columns(temporary_share=pl.col("temporary") / pl.col("allocations"))
    return conform(frame.sort("allocations", "function", descending=[True, False]), CHURN)


#: Resident memory beyond this times the peak of the heap, and this much more, is no overhead of the recorder.
_BLIND_RATIO: Final = 2
_BLIND_BYTES: Final = 64 << 20
_FEW_ALLOCATIONS: Final = 1000


def blind(summary: HeapSummary, stacks: pl.DataFrame, frames: pl.DataFrame) -> str | None:
    peak, rss = summary.peak_bytes or 0, summary.rss_peak_bytes or 0
    if rss > _BLIND_RATIO * peak + _BLIND_BYTES:
        return (
            f"at most {memory(peak)} of heap were seen while {memory(rss)} were resident: an allocator that is linked "
            "statically (jemalloc, mimalloc), memory maps or thread stacks are not in this profile"
        )
    if summary.format == "heaptrack" and (summary.allocations or 0) < _FEW_ALLOCATIONS:
        leaves = stacks.select(frame_id=pl.col("frames").list.first()).join(frames, on="frame_id")
        of_rust = map(crates, frames.filter(origin=STD)["function"].drop_nulls())
        said = (
            "no Rust code was seen to allocate: the allocator is linked statically (jemalloc, mimalloc), so heaptrack "
            "could not see it; build with the system's allocator to record"
        )
        return said if any(of_rust) and (leaves["origin"] == SYSTEM).all() else None
    return None


def limits_of_sight(heap: HeapProfile) -> list[str]:
    summary = heap.summary
    said = ["memory maps, thread stacks, and pages that the allocator keeps or that lie between live blocks"]
    if "pages" in summary.format:
        said = ["what is used of these pages: all count that the program took from the system, for its stacks too"]
    if summary.peak_bytes is not None and (beside := (summary.rss_peak_bytes or 0) - summary.peak_bytes) > 0:
        said.append(f"{memory(beside)} of what was resident at most: the above, the program's code, the recorder")
    if not heap.growth.height:
        said.append("how it went over time")
    elif heap.growth["time_seconds"].null_count():
        said.append("times: the snapshots have an order, so growth has no rate")
    if summary.sampled:
        said.append("small or few allocations: the amounts are estimates from a sample")
    return said


OTHERS: Final = "everything else"

#: One row per moment and function; `time_seconds` is null where the snapshots know only their order (`step`).
OVER_TIME: Final = pl.Schema({"step": WHOLE, "time_seconds": NUMBER, "function": TEXT, "live_bytes": WHOLE})

#: Moments that a snapshot of a heap has.
_MOMENTS: Final = 240


def over_time(heap: HeapProfile, *, most: int = 5) -> pl.DataFrame:
    named, order, said = _read(heap, ())
    if said is not None:
        shown = (order[place] for place in said.order() if said.held[place] > 0 or said.growth[place] > 0)
        order = list(dict.fromkeys(shown))
    places = {name: place for place, name in enumerate(order[:most])}
    group = pl.col("function").replace_strict(places, default=len(places), return_dtype=pl.Int64)
    found = curves(heap, named.with_columns(group=group), len(places) + 1, end=ALL) if places else None
    if found is None:
        return pl.DataFrame(schema=OVER_TIME)
    kept = evenly(found.clocks[0], _MOMENTS)
    seconds = pl.Series("time_seconds", found.seconds[kept]).fill_nan(None)
    rows = pl.concat(
        pl.DataFrame({"live_bytes": found.size[place][kept]}).select(
            seconds, "live_bytes", step=pl.int_range(pl.len()), function=pl.lit(name)
        )
        for place, name in enumerate([*places, *([OTHERS] if len(order) > most else [])])
    )
    return conform(rows, OVER_TIME)


AMOUNTS: Final = ("live_bytes", "live_blocks", "peak_bytes", "allocations", "allocated_bytes", "temporary")

#: One row per function that differs. Null means that one of the profiles does not say.
DIFF: Final = pl.Schema(
    _PLACE | {f"{name}_{which}": WHOLE for name in AMOUNTS for which in ("before", "after", "change")}
)


def diff(a: HeapProfile, b: HeapProfile, *, own: Collection[str] = ()) -> pl.DataFrame:
    """Compare two profiles: two builds, two versions, or two moments of one program.

    Parameters
    ----------
    a, b
        Before and after.
    own
        Crates that are your own, where paths and names do not tell.

    Returns
    -------
    polars.DataFrame
        A row per function of your own code, as `rm.suspects` names them; lines that moved do not matter. See `DIFF`:
        for each amount what it was before and after and by how much it changed, largest change of live memory first.
        What is in one profile only counts as zero in the other; what differs in nothing is left out. The sum of each
        change is the difference of the totals.

    Raises
    ------
    RmtoolkitError
        These are no profiles.

    Examples
    --------
    >>> from rmtoolkit.heap.profile import HeapProfile, HeapSummary
    >>> empty = HeapProfile(HeapSummary("dhat"))
    >>> diff(empty, empty).height
    0
    """
    before, after = (_amounts(_whole(heap), own) for heap in (a, b))
    joined = before.join(after, on="function", how="full", coalesce=True, suffix="_after", maintain_order="left_right")
    both = (a.stacks, b.stacks)
    known = {name: all(not of.height or of[name].null_count() < of.height for of in both) for name in AMOUNTS}
    table = joined.select(
        "function",
        *(pl.coalesce(f"{name}_after", name).alias(name) for name in ("file", "line", "origin")),
        *(
            (pl.col(source).fill_null(0) if known[name] else pl.lit(None, pl.Int64())).alias(f"{name}_{which}")
            for name in AMOUNTS
            for which, source in (("before", name), ("after", f"{name}_after"))
        ),
    ).with_columns((pl.col(f"{name}_after") - pl.col(f"{name}_before")).alias(f"{name}_change") for name in AMOUNTS)
    differs = pl.any_horizontal(pl.col(f"{name}_change").fill_null(0) != 0 for name in AMOUNTS)
    order = [pl.col("live_bytes_change").abs(), pl.col("peak_bytes_change").abs(), pl.col("allocations_change").abs()]
    return conform(table.filter(differs).sort(order, descending=True, nulls_last=True), DIFF)


def _amounts(heap: HeapProfile, own: Collection[str]) -> pl.DataFrame:
    named = heap.stacks.join(groups(heap, own), on="stack_id", maintain_order="left")
    return named.group_by("function", maintain_order=True).agg(
        pl.col("file", "line", "origin").first(), *(pl.col(name).sum() for name in AMOUNTS)
    )
