"""Advice that fits the cause: what to do, the exact setting, and what it should change.

Everything is read off a row of verdicts and its evidence, so that advice on a stored verdict is the same.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.analysis import advice_leak, advice_open, settings
from rmtoolkit.analysis.hint import Advice, evidence_of
from rmtoolkit.analysis.parameters import CLOSE_TO_LIMIT, PEAK_NEAR_LIMIT, RISKY
from rmtoolkit.schema import TIME
from rmtoolkit.text import MI, configured, hours, memory, number, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Columns of the frame that `frame` makes.
ADVICE: Final = pl.Schema(
    {"text": pl.String(), "setting": pl.String(), "expected": pl.String(), "because": pl.String(), "until": TIME}
)


#: By the check that rejected a gauge: what to do, and how.
_MENDING: Final = {
    "rejected_stale_allocator": (
        "Mend the exporter: jemalloc's figures stand still until its epoch is advanced",
        "tikv_jemalloc_ctl::epoch::advance() before each read",
    ),
    "rejected_self_incrementing": (
        "Mend the exporter: it adds the value to the gauge at each scrape instead of setting it",
        "gauge.set(value), not gauge.increment(value)",
    ),
    **{
        f"rejected_{check}": (
            "Mend the exporter: figures of one allocator are to be read together, in bytes, after one epoch",
            "tikv_jemalloc_ctl::epoch::advance() once, then allocated, active, resident",
        )
        for check in (
            "allocated_above_active",
            "active_above_resident",
            "allocated_above_resident",
            "allocator_above_footprint",
        )
    },
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row of verdicts and its evidence by statistic."""

    row: dict[str, Any]
    evidence: dict[str, dict[str, Any]]

    def amount(self, statistic: str) -> float | None:
        found = self.evidence.get(statistic)
        return None if found is None else found["estimate"]


def advise(row: dict[str, Any]) -> Iterator[Advice]:
    """Give advice on a verdict, the first thing to do first; made as it is asked for.

    Parameters
    ----------
    row
        A row of `classify`, as a dict.

    Yields
    ------
    Advice
        At least one: "Nothing to do." where there is nothing.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import classify
    >>> verdicts = classify(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100}))
    >>> next(advise(verdicts.row(0, named=True))).sentence
    'Nothing to do.'
    """
    seen = _Seen(row, evidence_of(row))
    given = 0
    for found in _all(seen):
        given += 1
        yield found
    if not given:
        yield Advice("Nothing to do.", because=row["pattern"])


def _all(seen: _Seen) -> Iterator[Advice]:
    verdict = seen.row["verdict"]
    # A broken gauge comes first where the working one would say more; else after what there is to do.
    needed = verdict != "not_leak" and "no_live_heap" in seen.evidence
    if needed:
        yield from _mend(seen)
    if verdict == "leak":
        yield from advice_leak.leak(seen.row, seen.evidence)
    elif verdict == "inconclusive":
        yield from advice_open.open_verdict(seen.row, seen.evidence)
    else:
        yield from _not_leak(seen)
    if verdict != "leak" and "shmem" in seen.evidence and "open_shmem" not in seen.evidence:
        yield advice_open.files_in_memory(seen.amount("shmem"))
    if not needed:
        yield from _mend(seen)


def _mend(seen: _Seen) -> Iterator[Advice]:
    """Exporters that are broken, the way to mend each."""
    for check, (text, setting) in _MENDING.items():
        if check in seen.evidence:
            yield Advice(text, setting=setting, expected="the live heap becomes evidence (level 4)", because=check)


def _not_leak(seen: _Seen) -> Iterator[Advice]:
    row = seen.row
    pattern = row["pattern"]
    if pattern == "retention" or "retention" in row["also"]:
        yield from _retention(seen)
    if pattern == "fragmentation":
        yield from _fragmentation(seen)
    if pattern == "page_cache":
        cache = seen.amount("cache")
        amount = f" ({memory(cache)})" if cache is not None else ""
        yield Advice(
            f"Nothing to do: the kernel takes page cache{amount} back before it kills; watch anonymous memory instead",
            setting="container_memory_rss",
            expected="the line that an OOM kill follows; the working set counts active page cache as well",
            because="page_cache",
        )
    yield from _room(seen)
    if pattern in ("startup_spike", "retention", "burst") or "startup_spike" in row["also"]:
        yield from _peaks(seen)
    if "threads_many" in seen.evidence and pattern in ("retention", "fragmentation", "thread_growth"):
        yield settings.threads_for_quota(seen.amount("threads_many"))


def _retention(seen: _Seen) -> Iterator[Advice]:
    """Pages that were freed and kept."""
    layer = "kept" if "kept" in seen.evidence else "slack"
    found = seen.evidence.get(layer)
    amount = None if found is None else found["estimate"]
    back = f"about {memory(amount)} less" if amount else "less memory kept"
    keep = "Keep the limit: startup needs it" if "startup_spike" in seen.row["also"] else None
    signal = found["signal"] if found is not None else None
    if signal == "free_bytes":
        yield settings.glibc(back, keep)
    elif signal in ("resident_bytes", "active_bytes"):
        yield settings.jemalloc_decay(back, keep)
        yield settings.jemalloc_arenas()
    else:
        yield settings.jemalloc_decay(back, keep)
        yield settings.glibc(back, None)
        yield settings.mimalloc()
        yield settings.musl()


def _fragmentation(seen: _Seen) -> Iterator[Advice]:
    """Gaps between live blocks: no decay returns a page that a single block holds."""
    amount = seen.amount("slack")
    gaps = f"up to {memory(amount)} of gaps could close" if amount else "the gaps could close"
    yield Advice(
        "Allocate together what is freed together (an arena for each request, `bumpalo`), or box large values: "
        "gaps between live blocks cannot be returned",
        setting="bumpalo::Bump::new() for each request, dropped at its end",
        expected=gaps,
        because="slack",
    )
    yield settings.jemalloc_arenas()
    yield settings.huge_pages()
    yield settings.musl()


def _room(seen: _Seen) -> Iterator[Advice]:
    """A limit that the ordinary peak comes near to."""
    row = seen.row
    limit, peak, settled = row["limit_bytes"], row["peak_bytes"], row["settled_bytes"]
    if limit and peak and peak > PEAK_NEAR_LIMIT * limit and row["pattern"] != "page_cache":
        # Whole steps of 16 Mi, as people write limits.
        enough = math.ceil(peak / PEAK_NEAR_LIMIT / (16 * MI)) * 16 * MI
        which = "startup peak" if row["pattern"] == "startup_spike" else "peak"
        share = number(100 * peak / limit)
        yield Advice(
            f"Raise the limit or spread the work: the {which} of {memory(peak)} is {share} % of the limit",
            setting=f"resources.limits.memory: {enough // MI}Mi",
            expected=f"the same peak is then {number(100 * peak / enough, 2)} % of the limit instead of {share} %",
            because="peak",
        )
    elif limit and settled and settled > CLOSE_TO_LIMIT * limit and row["pattern"] != "page_cache":
        yield Advice(
            f"Leave room for a burst: ordinary use is {number(100 * settled / limit, 2)} % of {configured(limit)}",
            setting=f"resources.limits.memory: {math.ceil(settled / CLOSE_TO_LIMIT / (16 * MI)) * 16}Mi",
            expected=f"ordinary use is then {number(100 * CLOSE_TO_LIMIT)} % of the limit or less",
            because="settled",
        )
    elif "oom_kills" in seen.evidence:
        yield Advice(
            "Find the burst that kills: it comes and goes between two samples",
            setting="container_memory_max_usage_bytes, or memory.peak in the cgroup; a scrape interval of 5 s",
            expected=f"a peak at the limit, beside {memory(settled)} of ordinary use",
            because="oom_kills",
        )
    elif (row["oom_probability_7d"] or 0.0) > RISKY and (watched := seen.evidence.get("growth")) is not None:
        span = (watched["end"] - watched["start"]).total_seconds() / 3600
        floor = rate(row["detection_floor_bytes_per_day"], digits=2)
        yield Advice(
            f"Watch it for longer: in {hours(span)} growth below {floor} cannot be seen",
            expected="the detection floor falls to about a third when the window doubles",
            because="oom_probability_7d",
        )


def _peaks(seen: _Seen) -> Iterator[Advice]:
    """Needs that come and go: a startup, a burst."""
    row = seen.row
    settled, peak, limit = row["settled_bytes"], row["peak_bytes"], row["limit_bytes"]
    if row["pattern"] == "burst" and limit and peak and peak < CLOSE_TO_LIMIT * limit:
        return
    if "startup_spike" in (row["pattern"], *row["also"]) and row["startup_peak_bytes"] and settled:
        above = row["startup_peak_bytes"] - settled
        if above > 0:
            yield Advice(
                "Fill caches when they are first used, or step by step, instead of all at once at the start",
                setting="std::sync::LazyLock, or loading behind a tokio::sync::Semaphore of 1",
                expected=f"up to {memory(above)} less at the start, which is what the limit must hold",
                because="startup_peak_bytes",
            )
    if row["pattern"] == "burst" and row["peak_bytes"] and settled:
        above = row["peak_bytes"] - settled
        yield Advice(
            "Stream what is large instead of holding it whole, and bound how many such jobs run at once",
            setting="Body::into_data_stream() or tokio_util::io::ReaderStream; tokio::sync::Semaphore::new(2)",
            expected=f"up to {memory(above)} less at the peak",
            because="peak_bytes",
        )


def next_step(row: dict[str, Any]) -> str:
    """Say the first piece of advice in a sentence or two.

    Parameters
    ----------
    row
        A row of `classify` with its evidence.

    Returns
    -------
    str
        One action, its expected effect, and what must stay; "Nothing to do." where there is none.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).verdicts["next_step"].item()
    'Nothing to do.'
    """
    return next(advise(row)).sentence


def frame(row: dict[str, Any]) -> pl.DataFrame:
    """Lay out all advice on a verdict.

    Parameters
    ----------
    row
        A row of `classify`, as a dict.

    Returns
    -------
    polars.DataFrame
        A row each, the first thing to do first: `text`, `setting` (exact; null where there is nothing to set),
        `expected` (what it should change), `because` (the evidence's `statistic`, or the column, it follows from),
        and `until` (when waiting is the advice).

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import classify
    >>> verdicts = classify(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100}))
    >>> frame(verdicts.row(0, named=True)).select("text", "because").rows()
    [('Nothing to do.', 'plateau')]
    """
    return pl.DataFrame([asdict(found) for found in advise(row)], schema=ADVICE)
