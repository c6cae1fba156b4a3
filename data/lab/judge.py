"""Compare what a run was built to show with what was measured, and write its final label.

Nothing is dropped: a run that does not show what it was built for keeps its data, gets the label that is
true of it, and says why in `relabel_reason`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from measure import Facts

#: Growth below this part of the level does not matter; below so many noise widths it cannot be seen.
MATTERS, VISIBLE = 0.03, 2.0
#: Fewer samples than this after the onset cannot carry a verdict, nor can less of the window.
FEWEST_SAMPLES, LEAST_OF_WINDOW = 60, 0.2
#: Of these the plan's label stays: what went wrong with a run is told by hand.
AS_PLANNED = ("odd",)


@dataclass(slots=True)
class Label:
    """The final answers; see the corpus README for the meaning of each."""

    leak: bool
    decidable: bool
    reason: str
    pattern: str
    cause: str
    needs: str
    relabel_reason: str = ""

    def change(self, why: str, **values: str | bool) -> None:
        """Set other answers than those intended."""
        for name, value in values.items():
            setattr(self, name, value)
        if why not in self.relabel_reason:
            self.relabel_reason = "; ".join(part for part in (self.relabel_reason, why) if part)


def judge(intended: dict[str, Any], facts: Facts, *, has_gauges: bool) -> Label:
    """Write the label that is true of what was measured.

    Parameters
    ----------
    intended
        The label of the plan.
    facts
        What was measured.
    has_gauges
        Whether the recording has allocator numbers.
    """
    label = Label(**{name: intended[name] for name in ("leak", "decidable", "reason", "pattern", "cause", "needs")})
    if intended["part"] in AS_PLANNED:
        return label
    if intended["leak"]:
        _judge_leak(label, intended, facts, has_gauges=has_gauges)
    else:
        _judge_steady(label, intended, facts, has_gauges=has_gauges)
    label.pattern = "|".join(dict.fromkeys(label.pattern.split("|")))
    return label


def why_undecidable(facts: Facts) -> str:
    """Say why a leak cannot be called from its window; empty when it can."""
    masked_by_kills = facts.kills >= 3 and facts.lost / facts.lives >= MATTERS * facts.level
    seen_seconds = facts.window - (facts.onset or 0)
    if facts.kills >= 3 and not masked_by_kills:
        return "no life is long enough"
    if seen_seconds < max(FEWEST_SAMPLES, LEAST_OF_WINDOW * facts.window):
        return "too little of the window after the onset"
    if facts.lost < MATTERS * facts.level:
        return "growth below what matters"
    if facts.lost < VISIBLE * facts.noise and not masked_by_kills:
        return "growth within the noise"
    return ""


def _judge_leak(label: Label, intended: dict[str, Any], facts: Facts, *, has_gauges: bool) -> None:
    if facts.lost <= 0:
        why = "nothing was lost in the window"
        label.change(why, leak=False, decidable=False, pattern="plateau", reason=why)
        return
    why = why_undecidable(facts)
    if label.decidable and why:
        label.change(why, decidable=False, reason=why)
    elif not why and intended["shape"] == "faint_leak":
        label.change("the growth is large enough to be seen", decidable=True, reason="", pattern="leak")
    if intended["shape"] == "cached_leak":
        label.pattern = "leak|page_cache"  # the cache is the larger part of the memory
    if intended["shape"] == "spike_then_leak" and label.decidable:
        masked = facts.seen < 0.4 * facts.lost and facts.kept > 0.5 * facts.lost
        if masked and not has_gauges:
            why = "freed pages hide the growth and the allocator says nothing"
            label.change(why, decidable=False, reason=why, pattern="retention|startup_spike|plateau|leak")
        elif masked:
            label.change(
                "freed pages hide the growth from resident memory", needs="allocator", pattern="leak|retention"
            )
        else:
            label.needs = ""


def _startup(label: Label, facts: Facts) -> None:
    if facts.kept > 0.3 * facts.level:
        label.pattern, label.cause = "retention|startup_spike", "allocator|startup"
    elif facts.peak > 1.3 * facts.level:
        label.pattern, label.cause, label.needs = "startup_spike", "startup", ""
    else:
        label.change("start-up left no visible spike", pattern="plateau|startup_spike|retention", needs="")


def _bounded(label: Label, facts: Facts) -> None:
    if facts.late_growth > 0.05 * facts.live:
        why = "still filling when the window ends"
        pattern = f"{label.pattern}|insufficient_data|unexplained_growth"
        label.change(why, decidable=False, reason=why, pattern=pattern)


def _unfinished(label: Label, facts: Facts) -> None:
    if facts.settled_at < 0.55:
        label.change(
            "the cache was full before", decidable=True, reason="", pattern="warm_up|plateau", cause="heap|startup"
        )


def _moving(label: Label, facts: Facts) -> None:
    if facts.swing < 0.08 * facts.level:
        label.change("hardly visible in the working set", pattern=f"{label.pattern}|plateau|retention")


def _half_a_wave(label: Label, facts: Facts) -> None:
    if facts.follows > 0.8:
        label.change("the load explains it", decidable=True, reason="", needs="load", cause="traffic|")
    elif facts.level - facts.early < 0.04 * facts.level:
        label.change("hardly visible in the working set", decidable=True, reason="", needs="")
    if label.decidable and facts.level - facts.early < 0.1 * facts.level:
        label.pattern += "|plateau"


def _fragments(label: Label, facts: Facts) -> None:
    flat = abs(facts.live - facts.live_early) < 0.1 * facts.live_early
    if facts.level - facts.early < 0.15 * facts.early:
        why = "the allocator found room in the holes"
        label.change(why, pattern="plateau|retention|fragmentation|warm_up", needs="")
    elif not flat:
        label.change("bytes in use changed too", pattern="fragmentation|warm_up|step")


def _page_cache(label: Label, facts: Facts) -> None:
    if facts.level - facts.early < 0.05 * facts.level and facts.swing < 0.08 * facts.level:
        why = "most of the cache is inactive and not in the working set"
        label.change(why, pattern="page_cache|plateau|at_limit")


def _burst_retained(label: Label, facts: Facts) -> None:
    if facts.kept <= 0.25 * facts.level:
        label.change("the pages were returned", pattern="burst", cause="traffic|heap|allocator|", needs="")


def _burst_returned(label: Label, facts: Facts) -> None:
    if facts.kept > 0.25 * facts.level:
        label.change("the pages were kept", pattern="retention|step|burst", cause="allocator|", needs="allocator")


def _startup_too_big(label: Label, facts: Facts) -> None:
    if facts.kills == 0:
        label.change("the limit was not met", decidable=True, reason="", needs="", pattern="startup_spike|retention")
    elif facts.longest_life > 0.5:
        label.change("one life outlasted its start-up", decidable=True, reason="", pattern="startup_spike|retention")


def _burst_too_big(label: Label, facts: Facts) -> None:
    if facts.kills == 0:
        label.change("the limit was not met", needs="", pattern="burst|retention|plateau")


#: What must be checked of a shape that loses nothing; the others are taken as they were built.
_CHECKS: dict[str, Callable[[Label, Facts], None]] = {
    "startup_freed": _startup,
    "startup_kept": _startup,
    "warm_up": _bounded,
    "expiring_cache": _bounded,
    "startup_slow": _bounded,
    "bounded_threads": _bounded,
    "bounded_tmpfs": _bounded,
    "bounded_mapping": _bounded,
    "warm_up_unfinished": _unfinished,
    "daily": _moving,
    "flat_sawtooth": _moving,
    "jobs": _moving,
    "rare_spikes": _moving,
    "bursty_traffic": _moving,
    "reload_copy": _moving,
    "rising_half_day": _half_a_wave,
    "endless_ramp": _half_a_wave,
    "fragmenting": _fragments,
    "page_cache": _page_cache,
    "page_cache_full": _page_cache,
    "burst_retained": _burst_retained,
    "burst_returned": _burst_returned,
    "startup_too_big": _startup_too_big,
    "burst_too_big": _burst_too_big,
}
#: A look-alike whose bytes in use have not changed since this part of the window is no longer filling.
SETTLED_BY = 0.7
#: Built to be killed although nothing leaks.
_KILLED = ("startup_too_big", "burst_too_big")


def _widen(label: Label, facts: Facts, *, has_gauges: bool) -> None:
    """Allow for what the allocator adds to any shape: pages that it keeps, and a slow rise to that state."""
    if not label.decidable:
        return
    rises = facts.level - facts.early > 0.04 * facts.level
    flat = abs(facts.live - facts.live_early) < 0.03 * facts.live_early
    if facts.kept > 0.25 * facts.level or (rises and flat):
        label.pattern += "|retention"
        # Without the allocator's word the rise can only be named by its shape.
        if rises or not has_gauges:
            label.pattern += "|warm_up" if has_gauges else "|warm_up|step|plateau"


def _judge_steady(label: Label, intended: dict[str, Any], facts: Facts, *, has_gauges: bool) -> None:
    shape = intended["shape"]
    if facts.lost > 0.01 * facts.level and shape != "fixed_leak":
        label.change("memory was lost", leak=True, pattern="leak")
        return
    if shape in _CHECKS:
        _CHECKS[shape](label, facts)
    elif shape.endswith("_like") and label.decidable and facts.settled_at > SETTLED_BY:
        _bounded(label, facts)
    _widen(label, facts, has_gauges=has_gauges)
    if facts.kills and shape not in _KILLED:
        label.change("killed by its limit without a leak", needs="restarts")
        if facts.longest_life < 0.3 and label.decidable:
            label.change("no life is long enough", decidable=False, reason="no life is long enough")
