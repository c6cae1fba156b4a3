"""The short answer about an allocator's own statistics: what it keeps, what lies in gaps, which limit that needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis import settings
from rmtoolkit.analysis.parameters import LAYER_SHOWN, PEAK_NEAR_LIMIT
from rmtoolkit.text import MI, memory, share

if TYPE_CHECKING:
    from rmtoolkit.heap.allocator import Allocator

#: Limits are written in whole steps of this.
_STEP: Final = 16 * MI

#: One row per arena, or per size of block, the one with most to give back, or most in gaps, first.
ARENAS: Final = pl.Schema(
    {
        "arena": pl.String(),
        "threads": pl.Int64(),
        "allocated_bytes": pl.Int64(),
        "fragmentation_bytes": pl.Int64(),
        "purgeable_bytes": pl.Int64(),
        "metadata_bytes": pl.Int64(),
    },
)
SIZES: Final = pl.Schema(
    {
        "size_bytes": pl.Int64(),
        "live_bytes": pl.Int64(),
        "active_bytes": pl.Int64(),
        "fragmentation_bytes": pl.Int64(),
        "partial_slabs": pl.Int64(),
        "slabs": pl.Int64(),
        "used": pl.Float64(),
    },
)


@dataclass(frozen=True, slots=True)
class AllocatorAnswer:
    """What an allocator's statistics answer.

    Attributes
    ----------
    allocator
        The statistics.
    headline
        The answer in a sentence.
    kept_bytes, gaps_bytes, resident_bytes
        Retention, fragmentation, and all that is resident, in the last document; None is unknown.
    limit_as_it_is_bytes, limit_if_purged_bytes
        Limits that leave a tenth above the most that was resident in any document, as it is and if the allocator gave
        back what it could; without memory outside the allocator, unless that is known.
    outside_bytes
        Resident memory outside the allocator, where the RSS was given.
    arenas, sizes
        Of the last document, see `ARENAS` and `SIZES`; empty where it does not list them.
    next_step
        One action.

    Examples
    --------
    >>> from rmtoolkit.heap.allocator import Allocator
    >>> answer_allocator(Allocator()).headline
    'These statistics have no totals.'
    """

    allocator: Allocator
    headline: str
    kept_bytes: int | None
    gaps_bytes: int | None
    resident_bytes: int | None
    limit_as_it_is_bytes: int | None
    limit_if_purged_bytes: int | None
    outside_bytes: int | None
    arenas: pl.DataFrame
    sizes: pl.DataFrame
    next_step: str

    def __repr__(self) -> str:
        """Give the answer."""
        return f"<AllocatorAnswer: {self.headline}>"


def answer_allocator(allocator: Allocator, *, rss_bytes: int | None = None) -> AllocatorAnswer:
    r"""Put together what an allocator's statistics answer.

    Parameters
    ----------
    allocator
        As `rmtoolkit.read_allocator` gives it.
    rss_bytes
        Resident memory of the process when the last document was written.

    Returns
    -------
    AllocatorAnswer
        For the command line, a page, a notebook.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from rmtoolkit.heap.allocator import read_allocator
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.stats.log")
    >>> _ = log.write_text("Allocated: 52428800, active: 104857600, metadata: 3145728, resident: 109051904\n")
    >>> found = answer_allocator(read_allocator(log))
    >>> found.headline
    'jemalloc: 50 Mi of 104 Mi resident (48 %) are gaps between live blocks, which no setting gives back.'
    >>> found.limit_as_it_is_bytes // 2**20
    128
    """
    totals = allocator.totals
    if not totals.height:
        return AllocatorAnswer(
            allocator,
            "These statistics have no totals.",
            None,
            None,
            None,
            None,
            None,
            None,
            _arenas(allocator, 0),
            _sizes(allocator, 0),
            "Write them with malloc_stats_print.",
        )
    last = totals.row(-1, named=True)
    resident, kept, gaps = (last[name] for name in ("resident_bytes", "purgeable_bytes", "fragmentation_bytes"))
    outside = None if rss_bytes is None or resident is None else max(rss_bytes - resident, 0)
    as_it_is, purged = (_limit(totals[name].max(), outside) for name in ("resident_bytes", "resident_if_purged_bytes"))
    arenas, sizes = _arenas(allocator, last["document"]), _sizes(allocator, last["document"])
    return AllocatorAnswer(
        allocator,
        _headline(last, sizes),
        kept,
        gaps,
        resident,
        as_it_is,
        purged,
        outside,
        arenas,
        sizes,
        _next(last),
    )


def _limit(most: object, outside: int | None) -> int | None:
    if not isinstance(most, int):
        return None
    return math.ceil((most + (outside or 0)) / PEAK_NEAR_LIMIT / _STEP) * _STEP


def _arenas(allocator: Allocator, document: int) -> pl.DataFrame:
    found = allocator.arenas.filter(pl.col("document") == document, pl.col("allocated_bytes") > 0)
    known = found if found.height else allocator.arenas.filter(pl.col("document") == document)
    waste = pl.col("purgeable_bytes").fill_null(0) + pl.col("fragmentation_bytes").fill_null(0)
    return known.sort(waste, descending=True, maintain_order=True).select(*ARENAS)


def _sizes(allocator: Allocator, document: int) -> pl.DataFrame:
    """Add the sizes of all arenas up: which sizes have the gaps."""
    found = allocator.bins.filter(pl.col("document") == document)
    summed = found.group_by("size_bytes", maintain_order=True).agg(
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)
        for name in ("live_bytes", "active_bytes", "fragmentation_bytes", "partial_slabs", "slabs")
    )
    used = pl.when(pl.col("active_bytes") > 0).then(pl.col("live_bytes") / pl.col("active_bytes"))
    order = summed.with_columns(used=used).sort(
        "fragmentation_bytes", "live_bytes", descending=True, nulls_last=True, maintain_order=True
    )
    return order.select(*SIZES)


def _headline(last: dict[str, int | str | None], sizes: pl.DataFrame) -> str:
    name = last["allocator"] or "the allocator"
    resident, kept, gaps = (last[column] for column in ("resident_bytes", "purgeable_bytes", "fragmentation_bytes"))
    if not isinstance(resident, int) or not resident:
        return f"{name}: how much is resident is not said."
    kept, gaps = (amount if isinstance(amount, int) else 0 for amount in (kept, gaps))
    of = f"of {memory(resident)} resident"
    if max(kept, gaps) < LAYER_SHOWN * resident:
        return f"{name}: {memory(last['allocated_bytes'])} {of} are in use; little is kept or lies in gaps."  # type: ignore[arg-type]
    if kept >= gaps:
        part = share(min(kept / resident, 1))
        return f"{name} keeps {memory(kept)} {of} ({part}): pages that were freed and not given back."
    where = ""
    if sizes.height and (sizes["fragmentation_bytes"][0] or 0) > gaps / 2:
        where = f", most of them between blocks of {sizes['size_bytes'][0]:,} bytes"
    part = share(min(gaps / resident, 1))
    return f"{name}: {memory(gaps)} {of} ({part}) are gaps between live blocks{where}, which no setting gives back."


def _next(last: dict[str, int | str | None]) -> str:
    resident, kept, gaps = (
        amount if isinstance(amount := last[column], int) else 0
        for column in ("resident_bytes", "purgeable_bytes", "fragmentation_bytes")
    )
    if max(kept, gaps) < LAYER_SHOWN * resident:
        return "Nothing to do in the allocator."
    if kept >= gaps:
        back = f"about {memory(kept)} less"
        if last["allocator"] == "glibc":
            return settings.glibc(back, None).sentence
        if last["allocator"] == "jemalloc":
            return settings.jemalloc_decay(back, None).sentence
        return "Let the allocator return pages: a lower release delay."
    return (
        "Allocate together what is freed together (an arena for each request), or box large values: gaps between live "
        "blocks cannot be returned."
    )
