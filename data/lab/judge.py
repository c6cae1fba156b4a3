"""Compare what a run was built to show with what was measured, and write its final label.

Nothing is dropped: a run that does not show what it was built for keeps its data, gets the label that is
true of it, and says why in `relabel_reason`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from recorded import Recorded

#: Growth below this part of the level does not matter; below so many noise widths it cannot be seen.
MATTERS, VISIBLE = 0.03, 3.0
#: Fewer samples than this after the onset cannot carry a verdict, nor can less of the window.
FEWEST_SAMPLES, LEAST_OF_WINDOW = 60, 0.2
_OUTSIDE = "nothing recorded says whether it will end"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured in the window; bytes, recorded seconds.

    Attributes
    ----------
    level, peak
        Working set: median of the last tenth, and the highest sample.
    early
        Median working set of the second tenth of the window.
    live, live_early
        Bytes in use inside the program, heap and outside, at the same places.
    lost
        Bytes lost by the container that lost most, summed over its lives.
    onset
        Second at which it began to lose; null when it lost nothing.
    rate
        Bytes lost per second from the onset on.
    noise
        Spread of the working set around a straight line from the onset on.
    swing
        From the 5th to the 98th percentile of the working set, after the first fifth of the window.
    settled_at
        Part of the window after which the bytes in use stay within 5 % of their last level.
    seen
        Growth of the working set from the onset to the window's end, as the line through it.
    file_growth
        Growth of the page cache.
    kills, lives
        OOM kills and lives in the window, all containers.
    longest_life
        Part of the window that the longest life covers.
    seconds_to_limit
        From the window's end to the next OOM kill; null when there was none.
    watched_seconds
        How long the run went on after its window.
    """

    level: float
    peak: float
    early: float
    live: float
    live_early: float
    lost: int
    onset: int | None
    rate: float
    noise: float
    swing: float
    settled_at: float
    seen: float
    file_growth: float
    kills: int
    lives: int
    longest_life: float
    seconds_to_limit: int | None
    watched_seconds: int


def _median(frame: pl.DataFrame, column: str, low: float, high: float, window: int) -> float:
    part = frame.filter(pl.col("second").is_between(low * window, high * window))[column]
    return float(part.median() or 0.0)


def _line(second: pl.Series, value: pl.Series) -> tuple[float, float]:
    """Fit a line; returns its rise over the span and the spread around it."""
    if second.len() < 3:
        return 0.0, 0.0
    x, y = second.cast(pl.Float64), value.cast(pl.Float64)
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / max(((x - x.mean()) ** 2).sum(), 1e-9))
    rest = y - y.mean() - slope * (x - x.mean())
    return slope * float(x[-1] - x[0]), 1.48 * float((rest - rest.median()).abs().median())


def measure(shown: Recorded, whole: Recorded) -> Facts:
    """Measure a run.

    Parameters
    ----------
    shown
        The run cut to its window.
    whole
        The same run with what went on after the window.
    """
    window = shown.plan["window_seconds"]
    frame = shown.frame.with_columns(
        dead=pl.col("dead_bytes") + pl.col("outside_dead_bytes"),
        inside=pl.col("live_bytes") + pl.col("outside_bytes"),
    )
    grown = (
        frame.drop_nulls("dead")
        .group_by("container", "life", maintain_order=True)
        .agg(lost=pl.col("dead").last() - pl.col("dead").first())
        .group_by("container", maintain_order=True)
        .agg(pl.col("lost").sum())
        .sort("lost", maintain_order=True)
    )
    loser, lost = (grown["container"][-1], int(grown["lost"][-1])) if grown.height else (0, 0)
    focus = frame.filter(pl.col("container") == loser) if lost else frame.filter(pl.col("container") == frame["container"].max())
    losing = focus.filter(pl.col("dead") > 0)
    onset = int(losing["second"][0]) if lost and losing.height else None
    tail = focus.filter(pl.col("second") >= (onset or 0), pl.col("life") == focus["life"].max())
    seen, noise = _line(tail["second"], tail["working_set_bytes"])
    settled = focus.filter(pl.col("second") >= 0.2 * window)["working_set_bytes"].cast(pl.Float64)
    live = _median(focus, "inside", 0.9, 1.0, window)
    moving = focus.filter((pl.col("inside").rolling_median(9) - live).abs() > 0.05 * live)
    events = [event for one in shown.containers for event in one["events"]]
    kills = [event for one in whole.containers for event in one["events"] if event["kind"] == "oom_kill"]
    end = shown.plan["window_seconds"]
    after = [int(event["time"] - whole.start) - end for event in kills if event["time"] - whole.start > end]
    spans = focus.group_by("container", "life").len()["len"]
    span = max(window - (onset or 0), 1)
    return Facts(
        level=_median(focus, "working_set_bytes", 0.9, 1.0, window),
        peak=float(frame["working_set_bytes"].max() or 0),
        early=_median(focus, "working_set_bytes", 0.1, 0.2, window),
        live=live,
        live_early=_median(focus, "inside", 0.1, 0.2, window),
        lost=lost,
        onset=onset,
        rate=lost / span if onset is not None else 0.0,
        noise=noise,
        swing=float((settled.quantile(0.98) or 0) - (settled.quantile(0.05) or 0)),
        settled_at=float(moving["second"].max() or 0) / window,
        seen=seen,
        file_growth=_median(focus, "file_bytes", 0.9, 1.0, window) - _median(focus, "file_bytes", 0.0, 0.1, window),
        kills=sum(event["kind"] == "oom_kill" for event in events),
        lives=sum(event["kind"] == "start" for event in events),
        longest_life=float(spans.max() or 0) / window,
        seconds_to_limit=min(after, default=None),
        watched_seconds=int(whole.frame["second"].max() or 0) - end,
    )


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

    def change(self, why: str, **values: Any) -> None:
        """Set other answers than those intended."""
        for name, value in values.items():
            setattr(self, name, value)
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
    if intended["leak"]:
        _judge_leak(label, intended, facts, has_gauges=has_gauges)
    else:
        _judge_steady(label, intended, facts)
    return label


def _judge_leak(label: Label, intended: dict[str, Any], facts: Facts, *, has_gauges: bool) -> None:
    if facts.lost <= 0:
        label.change("nothing was lost in the window", leak=False, decidable=False, pattern="plateau", reason="nothing to see")
        return
    if intended["shape"] == "late_leak":
        return
    window = facts.lost / facts.rate + (facts.onset or 0)
    after_onset = window - (facts.onset or 0)
    too_few = after_onset < max(FEWEST_SAMPLES, LEAST_OF_WINDOW * window)
    small = facts.lost < MATTERS * facts.level
    hidden = facts.lost < VISIBLE * facts.noise and facts.kills < 3
    if label.decidable and (too_few or small or hidden):
        why = "too little of the window after the onset" if too_few else "growth below what matters" if small else "growth within the noise"
        label.change(why, decidable=False, reason=why)
    elif intended["shape"] == "faint_leak" and not small and not hidden:
        label.change("the growth is large enough to be seen", decidable=True, reason="", pattern="leak")
    if intended["shape"] == "spike_then_leak" and label.decidable:
        masked = facts.seen < 0.4 * facts.lost and facts.level - facts.live > 0.5 * facts.lost
        if masked and not has_gauges:
            why = "freed pages hide the growth and the allocator says nothing"
            label.change(why, decidable=False, reason=why, pattern="retention|startup_spike|plateau|leak")
        elif masked:
            label.change("freed pages hide the growth from resident memory", needs="allocator", pattern="leak|retention")
        else:
            label.needs = ""


def _judge_steady(label: Label, intended: dict[str, Any], facts: Facts) -> None:
    shape = intended["shape"]
    if facts.lost > 0.01 * facts.level and shape != "fixed_leak":
        label.change("memory was lost", leak=True, pattern="leak")
        return
    kept = facts.level - facts.live
    spiked = facts.peak > 1.3 * facts.level
    if shape in ("startup_freed", "startup_kept"):
        if kept > 0.3 * facts.level:
            label.pattern, label.cause = "retention|startup_spike", "allocator|startup"
        elif spiked:
            label.pattern, label.cause, label.needs = "startup_spike", "startup", ""
        else:
            label.change("start-up left no visible spike", pattern="plateau|startup_spike|retention", needs="")
    elif shape in ("warm_up", "expiring_cache", "startup_slow", "bounded_threads", "bounded_tmpfs", "bounded_mapping"):
        if facts.settled_at > 0.7:
            why = "still filling when the window ends"
            label.change(why, decidable=False, reason=why, pattern=f"{label.pattern}|insufficient_data|unexplained_growth")
    elif shape == "warm_up_unfinished" and facts.settled_at < 0.55:
        label.change("the cache was full before", decidable=True, reason="", pattern="warm_up|plateau", cause="heap|startup")
    elif shape in ("daily", "flat_sawtooth", "jobs", "rare_spikes", "bursty_traffic", "reload_copy") and facts.swing < 0.08 * facts.level:
        label.change("hardly visible in the working set", pattern=f"{label.pattern}|plateau|retention")
    elif shape == "fragmenting":
        _judge_fragments(label, facts)
    elif shape in ("page_cache", "page_cache_full"):
        if facts.level - facts.early < 0.05 * facts.level and facts.swing < 0.08 * facts.level:
            label.change("most of the cache is inactive and not in the working set", pattern="page_cache|plateau|at_limit")
    elif shape in ("burst_retained", "burst_returned"):
        retained = kept > 0.25 * facts.level
        if retained != (shape == "burst_retained"):
            why = "the pages were kept" if retained else "the pages were returned"
            pattern = "retention|step|burst" if retained else "burst"
            label.change(why, pattern=pattern, cause="allocator|" if retained else "traffic|heap|allocator|", needs="allocator" if retained else "")
    _judge_kills(label, shape, facts)


def _judge_fragments(label: Label, facts: Facts) -> None:
    grows = facts.level - facts.early
    flat = abs(facts.live - facts.live_early) < 0.1 * facts.live_early
    if grows < 0.15 * facts.early:
        label.change("the allocator found room in the holes", pattern="plateau|retention|fragmentation|warm_up", needs="")
    elif not flat:
        label.change("bytes in use changed too", pattern="fragmentation|warm_up|step")


def _judge_kills(label: Label, shape: str, facts: Facts) -> None:
    if shape in ("startup_too_big", "burst_too_big"):
        if facts.kills == 0:
            label.change(
                "the limit was not met", decidable=True, reason="", needs="",
                pattern="startup_spike|retention" if shape == "startup_too_big" else "burst|retention|plateau",
            )  # fmt: skip
        elif shape == "startup_too_big" and facts.longest_life > 0.5:
            label.change("one life outlasted its start-up", decidable=True, reason="", pattern="startup_spike|retention")
        return
    if facts.kills:
        label.change("killed by its limit without a leak", needs="restarts")
        if facts.longest_life < 0.3 and label.decidable:
            label.change("no life is long enough", decidable=False, reason="no life is long enough")
