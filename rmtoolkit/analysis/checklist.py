"""The five questions that are asked of every workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.analysis.heap_evidence import names_leak
from rmtoolkit.analysis.parameters import CLOSE_TO_LIMIT, LIKELY, RESERVED_SHARE
from rmtoolkit.text import configured, count, memory, number, printable

if TYPE_CHECKING:
    from rmtoolkit.analysis.pooling import Pool

#: In the order in which they are asked.
QUESTIONS: Final = (
    "Does memory stabilise after startup?",
    "Are caches bounded?",
    "Are thread counts controlled?",
    "Is the limit too close to average usage?",
    "Is reserved memory being confused with used memory?",
)

CHECKLIST: Final = pl.Schema(
    {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "container": pl.String(),
        "question": pl.String(),
        "answer": pl.String(),
        "reading": pl.String(),
        "because": pl.String(),
    },
)

Answer = tuple[str, str, str]


def answers(row: dict[str, Any], pool: Pool) -> list[tuple[str, ...]]:
    """Answer the five questions for one workload.

    Parameters
    ----------
    row
        Its verdict.
    pool
        The lives behind it.

    Returns
    -------
    list of tuple
        Five rows for a frame of the schema `CHECKLIST`.

    Examples
    --------
    >>> from rmtoolkit.analysis.pooling import Pool
    >>> place = dict.fromkeys(("cluster", "namespace", "workload", "container"))
    >>> row = {**place, "limit_bytes": None, "limit_known": True, "settled_bytes": None}
    >>> [line[5] for line in answers(row, Pool([], 0.0, 0.0, 1.0, None))]
    ['unknown', 'unknown', 'unknown', 'no', 'unknown']
    """
    found = (_stabilises(row, pool), _bounded(row, pool), _threads(pool), _close(row, pool), _reserved(pool))
    place = [row[name] for name in ("cluster", "namespace", "workload", "container")]
    return [(*place, question, *answer) for question, answer in zip(QUESTIONS, found, strict=True)]


def _stabilises(row: dict[str, Any], pool: Pool) -> Answer:
    if pool.main is None or pool.main.signal is None:
        return "unknown", "unknown", "too few samples"
    if row["verdict"] == "leak":
        return "no", "concern", "it keeps growing"
    if row["verdict"] == "inconclusive":
        return "unknown", "unknown", "still rising, or not seen long enough"
    return "yes", "fine", f"settled at {memory(row['settled_bytes'])}"


def _bounded(row: dict[str, Any], pool: Pool) -> Answer:
    main = pool.main
    if main is None or main.signal is None:
        return "unknown", "unknown", "too few samples"
    heap = main.readings.get("allocated_bytes")
    if row["verdict"] == "leak" and (code := names_leak(pool)) is not None:
        return "no", "concern", f"{printable(code)[:80]} keeps more and more, says the heap profile"
    if pool.heap is not None and pool.heap.kind == "rests" and pool.bounded > LIKELY:
        return "yes", "fine", "the heap profile shows nothing that grows"
    if heap is not None:
        if row["verdict"] == "leak" and row["cause"] == "heap":
            return "no", "concern", f"live heap at {memory(heap['end_level'])} and growing"
        if heap["bounded"] > LIKELY:
            return "yes", "fine", f"live heap flat at {memory(heap['end_level'])}"
    elif row["verdict"] == "not_leak" and row["pattern"] != "page_cache":
        return "yes", "fine", "nothing grows without bound"
    elif row["verdict"] == "leak":
        return "unknown", "unknown", "something grows without bound; no live-heap gauge says what"
    return "unknown", "unknown", "the live heap is not exported" if heap is None else "the live heap still rises"


def _threads(pool: Pool) -> Answer:
    threads = pool.main.readings.get("threads") if pool.main is not None else None
    if threads is None:
        return "unknown", "unknown", "threads not exported"
    if pool.main is not None and pool.main.notes.get("threads_grow"):
        return "no", "concern", f"{threads['first_level']:.0f} → {count(round(threads['end_level']), 'thread')}"
    return "yes", "fine", f"{count(round(threads['end_level']), 'thread')}, flat"


def _close(row: dict[str, Any], pool: Pool) -> Answer:
    limit, settled = row["limit_bytes"], row["settled_bytes"]
    if limit is None:
        return ("no", "fine", "no limit is set") if row["limit_known"] else ("unknown", "unknown", "limit not exported")
    if not settled or pool.main is None:
        return "unknown", "unknown", "too few samples"
    kills = int(pool.notes.get("kills", 0))
    if kills:
        lives = "life" if kills == 1 else "lives"
        return "yes", "concern", f"{kills} {lives} ended in an OOM kill at {configured(limit)}"
    share = settled / limit
    text = f"average use is {number(100 * share, 2)} % of {configured(limit)}"
    return ("yes", "concern", text) if share > CLOSE_TO_LIMIT else ("no", "fine", text)


def _reserved(pool: Pool) -> Answer:
    shares = pool.main.notes.get("shares", {}) if pool.main is not None else {}
    if not shares:
        return "unknown", "unknown", "no allocator or cgroup detail exported"
    kept, cache = shares.get("kept", 0.0), shares.get("cache", 0.0)
    if kept + cache > RESERVED_SHARE:
        word = "kept by the allocator" if kept >= cache else "page cache"
        return "yes", "concern", f"{number(100 * max(kept, cache), 2)} % of the working set is {word}, not used"
    if "kept" not in shares:
        return "unknown", "unknown", "allocator gauges not exported"
    return "no", "fine", f"{number(100 * (1 - kept - cache), 2)} % of the working set is in use"
