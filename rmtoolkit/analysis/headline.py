"""The headline of a verdict: one sentence with the finding and its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.heap_evidence import names_leak
from rmtoolkit.analysis.layers import BESIDE
from rmtoolkit.analysis.parameters import FAR_HOURS, LIKELY
from rmtoolkit.analysis.settle import open_question
from rmtoolkit.text import configured, hours, memory, printable, rate

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion
    from rmtoolkit.analysis.situation import Situation

_HORIZON_WORDS: Final = "90 days"
#: Why it cannot be decided yet, by the question that is open.
_OPEN: Final = {
    "idle": "it rested, and a leak for each request would not show at rest",
    "young_release": "its last release has not run for long enough",
    "few_teeth": "it rose and fell too few times to know its floor",
    "half_wave": "a daily cycle and a leak fit what was seen equally well",
    "young": "a rise has only begun",
    "heap_rests": "its memory grows and its heap profile does not",
}


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
    subject = row["workload"] or row["container"] or "this process"
    if row["verdict"] == "leak":
        return _leak_headline(situation, subject)
    if row["verdict"] == "inconclusive":
        return _open_headline(situation, subject)
    if situation.pool.fixed_version is not None:
        return f"{subject} no longer leaks: version {printable(situation.pool.fixed_version)[:40]} fixed it."
    return f"{subject} does not leak: {_not_leak_clause(situation)}."


def _leak_headline(situation: Situation, subject: str) -> str:
    row = situation.row
    growth = rate(row["growth_bytes_per_day"])
    what = "leaks thread stacks," if row["cause"] == "thread_stacks" else "leaks"
    since = situation.pool.since_version
    begin = f"{subject} {what} {growth}" + (f" since version {printable(since)[:40]}" if since is not None else "")
    if (code := names_leak(situation.pool)) is not None and row["cause"] == "heap":
        begin += f" in {printable(code)[:80]}"
    if row["limit_outlook"] == "reaches" and row["hours_to_limit"] is not None:
        limit = configured(row["limit_bytes"])
        if row["hours_to_limit"] > FAR_HOURS:
            return f"{begin}; its {limit} limit is more than {_HORIZON_WORDS} away."
        if situation.capped:
            return f"{begin}; restarts end every life before its {limit} limit, {hours(row['hours_to_limit'])} away."
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
    beside = BESIDE.get(main.notes.get("growing_layer", ""))
    if beside is not None:
        return f"{subject} cannot be decided yet: {beside.grows}, the rest does not."
    if row["cause"] == "outside_allocator":
        return f"{subject} cannot be decided yet: memory outside the allocator grows while the live heap does not."
    kind = open_question(situation).kind
    if kind in _OPEN:
        return f"{subject} cannot be decided yet: {_OPEN[kind]}."
    reading = main.readings[main.signal or ""]
    if situation.pool.unresolved > LIKELY and reading["mean_rise"] > 0:
        return f"{subject} cannot be decided yet: a warm-up and a leak fit what was seen equally well."
    return f"{subject} cannot be decided yet: growth and rest fit what was seen equally well."


def _not_leak_clause(situation: Situation) -> str:
    row, main = situation.row, situation.main
    settled = memory(row["settled_bytes"])
    if main is None:
        return "nothing grows"
    pattern = row["pattern"]
    heap = main.level("allocated_bytes")
    footprint = situation.footprint
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
        return f"it warmed up to {settled}{_settles(main)}"
    return f"it stays at {settled}"


def _settles(main: Opinion) -> str:
    """Say after how long a life settled, or nothing when that is not known."""
    seconds = main.life.get("startup_seconds")
    return f" within {hours(seconds / 3600)}" if seconds else ""


def _range(main: Opinion) -> tuple[float, float]:
    row = main.readings.get("footprint_bytes") or main.readings[main.signal or ""]
    high = row["late_peak"]
    reading = main.readings[main.signal or ""]
    return min(row["early_level"], row["middle_level"], row["end_level"]) * min(reading["trough"], 1.0), high
