"""The next step after a verdict: one thing to do that fits the cause."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.parameters import PEAK_NEAR_LIMIT, RISKY
from rmtoolkit.text import hours, memory, number, rate

if TYPE_CHECKING:
    from rmtoolkit.analysis.situation import Situation

#: What a decay setting looks like; the prefix is needed by the tikv-jemallocator crate's default build.
_DECAY: Final = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0"


def next_step(situation: Situation) -> str:
    """Say one thing to do, its expected effect, and what must stay.

    Parameters
    ----------
    situation
        What is known.

    Returns
    -------
    str
        One action; "Nothing to do." where there is none.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> import polars as pl
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).verdicts["next_step"].item()
    'Nothing to do.'
    """
    row, main = situation.row, situation.main
    if row["verdict"] == "leak":
        if row["cause"] == "thread_stacks":
            return (
                "Find the threads that are never joined: compare thread names in /proc/PID/task/*/comm an hour apart."
            )
        if row["cause"] == "heap":
            return "Take heap profiles half an hour apart on one pod and compare them: what grew names the code."
        return (
            "Export the allocator's live-heap gauge (jemalloc stats.allocated): "
            "it tells a leak in the heap from memory outside it."
        )
    if row["verdict"] == "inconclusive":
        return _what_would_settle(situation)
    if row["pattern"] == "retention":
        back = main.notes.get("shares", {}).get("kept", 0.0) * (situation.footprint or 0.0) if main else 0.0
        settings = f"MALLOC_CONF={_DECAY} (_RJEM_MALLOC_CONF with tikv-jemallocator)"
        if main is not None and "free_bytes" in main.readings:
            settings = "MALLOC_ARENA_MAX=2 and a malloc_trim after the startup work"
        keep = " Keep the limit: startup needs it." if "startup_spike" in row["also"] else ""
        return f"Let the allocator return pages: {settings}; about {memory(back)} less.{keep}"
    if row["pattern"] == "fragmentation":
        return "Group allocations by lifetime, or compare with jemalloc: gaps between live blocks cannot be returned."
    if row["pattern"] == "page_cache":
        return "Nothing to do: watch anonymous memory, not the working set."
    limit, peak = row["limit_bytes"], row["peak_bytes"]
    if limit and peak and peak > PEAK_NEAR_LIMIT * limit:
        which = "The startup peak" if row["pattern"] == "startup_spike" else "The peak"
        share = number(100 * peak / limit)
        return f"{which} of {memory(peak)} is {share} % of the limit: raise the limit or spread the work."
    if main is not None and (row["oom_probability_7d"] or 0.0) > RISKY:
        floor = rate(row["detection_floor_bytes_per_day"], digits=2)
        return f"Watch it for longer: in {hours(main.duration_seconds / 3600)} growth below {floor} cannot be seen."
    return "Nothing to do."


def _what_would_settle(situation: Situation) -> str:
    row, main = situation.row, situation.main
    if (main is None or main.signal is None) and situation.pool.notes.get("kills", 0):
        return (
            "Raise the limit once by half: if a life then settles, the start needed the memory; "
            "if it is killed later, it leaks."
        )
    if main is None or main.signal is None:
        return "Record for longer: at least 24 samples of one life, better 200."
    if main.notes.get("restarts_unknown"):
        return "Export the restart counter (kube_pod_container_status_restarts_total) and look again."
    if row["pattern"] == "at_limit":
        return "Raise the limit once by a quarter and watch whether the memory follows."
    if main.notes.get("growing_layer") == "shmem":
        return "List the largest files on the container's tmpfs mounts and in /dev/shm: they name the writer."
    if row["cause"] == "outside_allocator":
        return "Compare /proc/PID/smaps an hour apart: the mapping that grew names the owner."
    wait = main.duration_seconds / 3600 * 2
    until = main.life["end"] + dt.timedelta(hours=wait)
    when = f"{until:%a %d %b %H:%M} UTC"
    more = f"Wait until {when} ({hours(wait)} more)"
    if main.signal != "allocated_bytes":
        return f"{more}, or export the allocator's live-heap gauge (jemalloc stats.allocated)."
    return f"{more}, then judge again."
