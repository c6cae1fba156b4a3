"""Name the pattern and the cause of a workload, from its verdict and the life that stands for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.thresholds import (
    BURST_RATIO,
    JUMP_RATIO,
    MOVED_SHARE,
    STACK_LEAST,
    STACK_MOST,
    TEETH,
    THREADS_EXPLAIN,
)

if TYPE_CHECKING:
    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.analysis.records import Opinion, Row


_GROWS_WITH: Final = {
    "saturating_linear": "warm_up",
    "saturating_hinge": "warm_up",
    "step_linear": "step",
    "step_hinge": "step",
    "two_steps_linear": "step",
}


def name_pattern(pool: Pool, verdict: str) -> tuple[str, list[str], str | None]:
    """Name what explains most of the memory at the end of the window."""
    main = pool.main
    if main is None or main.signal is None:
        return "insufficient_data", [], None
    also = list(main.also)
    row = main.readings[main.signal]
    if verdict == "leak":
        if main.notes.get("threads_grow") and (main.pattern == "thread_growth" or _threads_explain(main)):
            return "thread_growth", [name for name in also if name != "thread_growth"], "thread_stacks"
        if row["teeth"] >= TEETH:
            also.append("sawtooth")
        elif row["family"] in _GROWS_WITH:
            also.append(_GROWS_WITH[row["family"]])
        if row["periodic"] > 0:
            also.append("periodic")
        if main.notes.get("startup"):
            also.append("startup_spike")
        cause = "heap" if main.signal == "allocated_bytes" else None
        skipped = ("leak", "plateau", "thread_growth", "unexplained_growth")
        return "leak", [name for name in dict.fromkeys(also) if name not in skipped], cause
    pattern, cause = main.pattern, main.cause
    faint = bool(main.notes.get("faint")) and pattern == "plateau"
    if verdict == "inconclusive" and pattern not in ("at_limit", "insufficient_data") and not faint:
        if pattern != "unexplained_growth":
            also.insert(0, pattern)
        pattern = "unexplained_growth"
    if verdict == "not_leak" and pattern == "unexplained_growth":
        pattern = "plateau"
    if verdict == "not_leak" and pattern == "plateau" and _burst_before(pool, main):
        pattern, cause = "burst", "traffic"
    moved = pool.moved_bytes
    if verdict == "not_leak" and moved is not None and abs(moved) > MOVED_SHARE * row["settled"]:
        if pattern == "plateau":
            pattern, cause = "step", "release"
        else:
            also.append("step")
    if verdict == "not_leak" and main.notes.get("startup") and pattern != "startup_spike":
        also.append("startup_spike")
    return pattern, [name for name in dict.fromkeys(also) if name != pattern], cause


def _burst_before(pool: Pool, main: Opinion) -> bool:
    """Whether another life of the same level had a burst, which may have ended it."""
    level = main.level("footprint_bytes", "settled") or 0.0
    for opinion in pool.opinions:
        whole = opinion.readings.get("footprint_bytes")
        if whole is None or opinion is main:
            continue
        if whole["late_peak"] >= BURST_RATIO * level and whole["middle_level"] < JUMP_RATIO * level:
            return True
    return False


def stack_of_a_thread(main: Opinion) -> float | None:
    """Divide the growth outside the live heap by the threads that came with it."""
    whole, threads = _whole(main), main.readings.get("threads")
    if whole is None or threads is None or threads["mean_rise"] <= 0:
        return None
    heap = main.readings.get("allocated_bytes")
    outside = whole["mean_rise"] - (max(heap["mean_rise"], 0.0) if heap is not None else 0.0)
    return float(outside / threads["mean_rise"])


def _whole(main: Opinion) -> Row | None:
    return main.readings.get("anon_bytes") or main.readings.get("rss_bytes") or main.readings.get("footprint_bytes")


def _threads_explain(main: Opinion) -> bool:
    """Whether the growth lies outside the live heap, where stacks are, and is as much as stacks can be."""
    heap, whole, stack = main.readings.get("allocated_bytes"), _whole(main), stack_of_a_thread(main)
    if stack is not None and not STACK_LEAST <= stack <= STACK_MOST:
        return False
    if heap is None or whole is None:
        return True
    return bool(heap["mean_rise"] < THREADS_EXPLAIN * whole["mean_rise"])
