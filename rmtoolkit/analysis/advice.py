"""The words of a verdict: the headline, the reason, and one next step that fits the cause."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.text import SIGNAL_WORDS, configured, hours, memory, number, rate

if TYPE_CHECKING:
    import polars as pl

    from rmtoolkit.analysis.opinion import Opinion
    from rmtoolkit.analysis.pooling import Pool

#: What a limit further away than this is worth saying in a headline.
_FAR_HOURS: Final = 90 * 24
_HORIZON_WORDS: Final = "90 days"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the words are made from.

    Attributes
    ----------
    row
        The verdict's columns so far.
    pool
        The pooled lives behind it.
    growing, judged
        Instances that grow, and instances that could be judged.
    findings
        What `validate` found about the instance that is shown.

    Examples
    --------
    >>> Situation.__slots__
    ('row', 'pool', 'growing', 'judged', 'findings')
    """

    row: dict[str, Any]
    pool: Pool
    growing: int
    judged: int
    findings: pl.DataFrame

    @property
    def main(self) -> Opinion | None:
        """The life that stands for the workload."""
        return self.pool.main


def name(row: dict[str, Any]) -> str:
    """Name a workload in a sentence.

    Parameters
    ----------
    row
        A row of verdicts.

    Returns
    -------
    str
        The workload, with its container where that differs.

    Examples
    --------
    >>> name({"workload": "api", "container": "app"}), name({"workload": None, "container": None})
    ('api', 'this process')
    """
    return row["workload"] or row["container"] or "this process"


def _level(situation: Situation, signal: str, at: str = "end_level") -> float | None:
    return situation.main.level(signal, at) if situation.main is not None else None


def _footprint(situation: Situation) -> float | None:
    return _level(situation, "footprint_bytes")


def headline(situation: Situation) -> str:
    """Say the verdict in one sentence.

    Parameters
    ----------
    situation
        What is known.

    Returns
    -------
    str
        Names the workload, the finding and its size.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": ["api"] * 100, "rss_bytes": [50 << 20] * 100})
    >>> judge(table).verdicts["headline"].item()
    'api does not leak: it stays at 50 Mi.'
    """
    row = situation.row
    subject = name(row)
    if row["verdict"] == "leak":
        return _leak_headline(situation, subject)
    if row["verdict"] == "inconclusive":
        return _open_headline(situation, subject)
    if situation.pool.fixed_version is not None:
        return f"{subject} no longer leaks: version {situation.pool.fixed_version} fixed it."
    return f"{subject} does not leak: {_not_leak_clause(situation)}."


def _leak_headline(situation: Situation, subject: str) -> str:
    row = situation.row
    growth = rate(row["growth_bytes_per_day"])
    what = "leaks thread stacks," if row["cause"] == "thread_stacks" else "leaks"
    begin = f"{subject} {what} {growth}"
    if row["limit_outlook"] == "reaches" and row["hours_to_limit"] is not None:
        limit = configured(row["limit_bytes"])
        if row["hours_to_limit"] > _FAR_HOURS:
            return f"{begin}; its {limit} limit is more than {_HORIZON_WORDS} away."
        if row["hours_to_limit"] <= 0:
            return f"{begin} and has reached its {limit} limit."
        return f"{begin} and reaches its {limit} limit in about {hours(row['hours_to_limit'])}."
    if row["limit_bytes"] is None:
        return f"{begin} and has no limit." if row["limit_known"] else f"{begin}; its limit is unknown."
    return f"{begin}."


def _open_headline(situation: Situation, subject: str) -> str:
    row = situation.row
    main = situation.main
    if row["pattern"] == "insufficient_data" or main is None:
        if situation.pool.notes.get("kills", 0):
            return f"{subject} cannot be decided yet: an OOM kill ends every life before a trend can show."
        return f"{subject} cannot be decided yet: there are too few samples."
    if row["pattern"] == "at_limit":
        return f"{subject} cannot be decided yet: it lies flat at its limit, where growth would not show."
    if main.notes.get("restarts_unknown"):
        return f"{subject} cannot be decided yet: the falls may be restarts that hide a leak, or a sawtooth."
    if main.notes.get("growing_layer") == "shmem":
        return f"{subject} cannot be decided yet: files in memory (tmpfs, shared memory) grow, the rest does not."
    if row["cause"] == "outside_allocator":
        return f"{subject} cannot be decided yet: memory outside the allocator grows while the live heap does not."
    reading = main.readings[main.signal or ""]
    if situation.pool.unresolved > 0.5 and reading["mean_rise"] > 0:
        return f"{subject} cannot be decided yet: a warm-up and a leak fit what was seen equally well."
    return f"{subject} cannot be decided yet: growth and rest fit what was seen equally well."


def _not_leak_clause(situation: Situation) -> str:
    row, main = situation.row, situation.main
    settled = memory(row["settled_bytes"])
    if main is None:
        return "nothing grows"
    pattern = row["pattern"]
    heap = _level(situation, "allocated_bytes")
    footprint = _footprint(situation)
    shares = main.notes.get("shares", {})
    if pattern == "retention":
        share = shares.get("slack" if main.notes.get("kept_as_gaps") else "kept", 0.0)
        kept = memory(share * (footprint or 0.0))
        startup = " startup" if "startup_spike" in row["also"] else ""
        used = f"it uses {memory(heap)} and " if heap is not None else "it "
        return f"{used}keeps {kept} of freed{startup} memory"
    if pattern == "fragmentation":
        slack = memory(shares.get("slack", 0.0) * (footprint or 0.0))
        return f"{slack} of its {memory(footprint)} are gaps between live blocks"
    if pattern == "page_cache":
        cache = memory(shares.get("cache", 0.0) * (footprint or 0.0))
        return f"{cache} of its {memory(footprint)} is page cache the kernel can take back"
    if pattern == "startup_spike":
        return f"starting needs {memory(row['startup_peak_bytes'] or row['peak_bytes'])}, running needs {settled}"
    if pattern == "thread_growth":
        return f"it grew with its threads and stays at {settled}"
    if pattern in ("periodic", "sawtooth", "burst"):
        low, high = _range(main)
        verb = {"periodic": "follows a cycle", "sawtooth": "rises and falls", "burst": "has bursts"}[pattern]
        return f"it {verb} between {memory(low)} and {memory(high)}, and its floor is flat"
    if pattern == "step":
        return f"it moved to {settled} in one step and stays there"
    if pattern == "warm_up":
        after = row_settles(main)
        return f"it warmed up to {settled}{after}"
    return f"it stays at {settled}"


def row_settles(main: Opinion) -> str:
    """Say after how long a life settled, or nothing when that is not known.

    Parameters
    ----------
    main
        The life.

    Returns
    -------
    str
        Starts with a space.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> row_settles(Opinion({"startup_seconds": 7200.0}, {}, None))
    ' within 2 h'
    """
    seconds = main.life.get("startup_seconds")
    return f" within {hours(seconds / 3600)}" if seconds else ""


def _range(main: Opinion) -> tuple[float, float]:
    row = main.readings.get("footprint_bytes") or main.readings[main.signal or ""]
    high = row["late_peak"]
    reading = main.readings[main.signal or ""]
    return min(row["early_level"], row["middle_level"], row["end_level"]) * min(reading["trough"], 1.0), high


def reason(situation: Situation) -> str:
    """Say why, in one sentence.

    Parameters
    ----------
    situation
        What is known.

    Returns
    -------
    str
        What the judged signal does, in how many lives or pods, and what was held against it.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import judge
    >>> import polars as pl
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).verdicts["reason"].item()
    'The RSS is flat over 1.6 h; growth above 25 Mi/day would have shown.'
    """
    row, main, pool = situation.row, situation.main, situation.pool
    if main is None or main.signal is None:
        if kills := int(pool.notes.get("kills", 0)):
            longest = max((opinion.duration_seconds for opinion in pool.opinions), default=0.0)
            return f"{kills} lives ended in an OOM kill, the longest after {hours(longest / 3600)}."
        return "At least 24 samples of one life are needed to see a trend."
    signal = SIGNAL_WORDS.get(main.signal, main.signal)
    span = hours(main.duration_seconds / 3600)
    floor = rate(row["detection_floor_bytes_per_day"], digits=2)
    if row["verdict"] == "leak":
        return _why_leak(situation, signal, span)
    if row["verdict"] == "inconclusive":
        return _why_open(situation, signal, span)
    if row["pattern"] in ("retention", "fragmentation", "page_cache") and main.notes.get("growing_layer"):
        return f"The {signal} is flat over {span} while the memory around it grows by itself."
    lives = int(pool.notes.get("lives_judged", 1))
    where = f"over {span}" if lives <= 1 else f"in {lives} lives, the last over {span}"
    if situation.judged > 1:
        where = f"on {situation.judged} pods over {span}"
    verb = "has a flat floor" if row["pattern"] in ("sawtooth", "periodic", "burst") else "is flat"
    if row["pattern"] in ("warm_up", "startup_spike", "step"):
        verb = "levels off"
    return f"The {signal} {verb} {where}; growth above {floor} would have shown."


def _why_leak(situation: Situation, signal: str, span: str) -> str:
    row, main, pool = situation.row, situation.main, situation.pool
    rising, lives = int(pool.notes.get("lives_rising", 1)), int(pool.notes.get("lives_judged", 1))
    parts = []
    if row["cause"] == "thread_stacks" and main is not None:
        threads = main.readings["threads"]
        first, last = threads["first_level"], threads["end_level"]
        parts.append(f"The threads rise from {first:.0f} to {last:.0f} and the memory with them")
    elif "sawtooth" in row["also"]:
        parts.append(f"The floor of the {signal} rises after every fall over {span}")
    elif pool.masked:
        parts.append(f"The {signal} grows at the same rate in {rising} of {lives} lives")
    else:
        parts.append(f"The {signal} grows at a steady rate over {span}")
    if situation.judged > 1:
        parts.append(f"on {situation.growing} of {situation.judged} pods")
    text = " ".join(parts)
    kills = int(pool.notes.get("kills", 0))
    if kills:
        text += f", and {kills} {'life' if kills == 1 else 'lives'} ended in an OOM kill"
    return text + "."


def _why_open(situation: Situation, signal: str, span: str) -> str:
    row, main = situation.row, situation.main
    if main is None:
        return ""
    if row["pattern"] == "at_limit":
        return f"The {signal} holds within 5 % of the limit over {span}; what it would need is hidden."
    if main.notes.get("restarts_unknown"):
        return f"The {signal} falls to its first level several times and the source reports no restarts."
    if main.notes.get("growing_layer") == "shmem":
        return f"Over {span} the {signal} is flat, and what grows counts against the limit and cannot be reclaimed."
    if row["cause"] == "outside_allocator":
        where = "outside the allocator: mappings, C code or stacks"
        return f"Over {span} the live heap is flat, and the growth lies {where}."
    lives = int(situation.pool.notes.get("lives_judged", 1))
    counted = "one life" if lives <= 1 else f"{lives} lives"
    gauge = "" if main.signal == "allocated_bytes" else ", no live-heap gauge"
    return f"{span} of data, {counted}{gauge}: the {signal} rises, but not long or steadily enough to tell."


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
        back = main.notes.get("shares", {}).get("kept", 0.0) * (_footprint(situation) or 0.0) if main else 0.0
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
    if limit and peak and peak > 0.9 * limit:
        which = "The startup peak" if row["pattern"] == "startup_spike" else "The peak"
        share = number(100 * peak / limit)
        return f"{which} of {memory(peak)} is {share} % of the limit: raise the limit or spread the work."
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
