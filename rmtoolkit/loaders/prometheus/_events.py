"""Restarts, reasons, limits and stale markers of a container, told as events: each thing once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit._identity import Event, changes
from rmtoolkit.loaders.prometheus import NO_SAMPLES
from rmtoolkit.loaders.prometheus._decode import STALE_BITS, Decoded
from rmtoolkit.schema import SIGNALS

#: What kube-state-metrics learns through the API server may be this late.
_LATE: Final = 90_000
#: Start times of one start differ by less than this between two who tell them.
_SAME_START: Final = 60_000
#: The same start told twice by one source differs by rounding only.
_ROUNDING: Final = 2_000
#: Two reports of one kill are at most this far apart: a lookback and a scrape.
_SAME_KILL: Final = 360_000
#: 2001: an earlier start time is no time.
_FIRST_START: Final = 1_000_000_000_000

#: How far before a start its reason may have been told, when no earlier start is known.
_AN_HOUR: Final = 3_600_000

#: The server stores a marker where a series ends.
VANISHED: Final = "no longer there"
#: Facts of a container that kube-state-metrics tells from its beginning.
_OF_KUBE: Final = ("restarts_total", "limit_bytes", "request_bytes", "image")


class Run(NamedTuple):
    value: float
    first: int
    last: int
    before: int | None  # the sample before the first; None at the beginning of the data
    fact: str | None = None  # a reason, where the metric carries one
    after: int | None = None  # the sample after the first; None at the end of the data


class Seen(NamedTuple):
    runs: Mapping[str, Sequence[Run]]
    first: int | None
    last: int | None
    replaced: Sequence[tuple[int, int]] = ()
    ended: int | None = None  # when the server saw that it was no longer there; None when it did not

    def of(self, role: str) -> Sequence[Run]:
        return self.runs.get(role, ())

    def reasons(self, *roles: str) -> list[Run]:
        return [run for role in roles for run in self.of(role) if run.value > 0 and run.fact]


class _Start(NamedTuple):
    time: int
    #: A life is known to have been there before.
    follows: bool = False
    detail: str | None = None
    #: When a counter told of it.
    counted: int = 0


# ``last_terminated_reason`` stays for as long as the container lives, so it is never counted: it only says how the life
# before a restart ended.
def events_of(seen: Seen) -> list[Event]:
    starts = _starts(seen)
    found = [*(Event(start.time, "start", None, start.detail) for start in starts), *_ends(seen, starts)]
    found += _kills_without_restart(seen, found)
    for kind in ("limit", "request"):
        found += changes(kind, ((run.first, int(run.value) or None) for run in seen.of(f"{kind}_bytes")))
    return sorted(found, key=lambda event: (event.time, event.kind))


def limit_at(runs: Sequence[Run], time: int) -> int | None:
    value = next((run.value for run in reversed(runs) if run.first <= time), runs[0].value if runs else 0)
    return int(value) or None


def _starts(seen: Seen) -> list[_Start]:
    starts = [_Start(time) for time in _told_starts(seen)]
    _add_counted(starts, seen)
    _add_replaced(starts, seen.replaced)
    if not starts and seen.first is not None:
        pod = [round(run.value * 1000) for run in seen.of("pod_start_seconds") if run.value > 0]
        near = [time for time in pod if seen.first - _SAME_KILL <= time <= seen.first]
        starts += [_Start(time, detail="the pod's start") for time in near[:1]]
    starts.sort(key=lambda start: start.time)
    begun = seen.first
    if starts and begun is not None and not starts[0].follows and begun < starts[0].time <= begun + _LATE:
        # Nothing can be sampled before it starts: the clocks of the node and of the server differ.
        starts[0] = starts[0]._replace(time=begun)
    return starts


def _near(starts: Sequence[_Start], taken: set[int], after: int, until: int) -> list[int]:
    return [index for index, start in enumerate(starts) if index not in taken and after < start.time <= until]


def _add_counted(starts: list[_Start], seen: Seen) -> None:
    """Match each counted restart with a start that somebody told; add those that nobody told."""
    taken: set[int] = set()
    for before, after in pairwise(seen.of("restarts_total")):
        if after.value == before.value:
            continue
        # A fall means that the pod was made anew under the same name.
        number = max(1, round(after.value - before.value))
        near = _near(starts, taken, before.last - _LATE, after.first + _ROUNDING)[-number:]
        taken.update(near)
        for index in near:
            # A reason is that of the last one.
            starts[index] = starts[index]._replace(follows=True, counted=after.first * (index == near[-1]))
        if missing := number - len(near):
            detail = "restart counted" if missing == 1 else f"{missing} restarts counted at once"
            taken.add(len(starts))
            # Who counts may have been away: then the new container was seen before.
            time = next((begin for _, begin in seen.replaced if before.last < begin <= after.first), after.first)
            starts.append(_Start(time, follows=True, detail=detail, counted=after.first))


def _add_replaced(starts: list[_Start], replaced: Sequence[tuple[int, int]]) -> None:
    taken: set[int] = set()
    for before, begin in replaced:
        near = _near(starts, taken, before - _LATE, begin + _LATE)
        index = min(near, key=lambda index: abs(starts[index].time - begin), default=None)
        if index is None:
            index = len(starts)
            starts.append(_Start(begin, detail="another container of the same name"))
        else:
            # A counter is seen later than the new container's first sample; and clocks differ.
            starts[index] = starts[index]._replace(time=min(begin, starts[index].time))
        taken.add(index)
        starts[index] = starts[index]._replace(follows=True)


def _told_starts(seen: Seen) -> list[int]:
    def told(role: str) -> list[int]:
        real: dict[int, bool] = {}
        for run in seen.of(role):
            time = round(run.value * 1000)
            if time >= _FIRST_START and not any(abs(time - other) <= _ROUNDING for other in real):
                # What was still to come when the data began is told by a clock that is wrong; but an answer
                # may stand at the begin of the interval that it is about.
                real[time] = time <= (run.last if run.before is not None else run.after or run.first) + _SAME_START
        return [time for time, is_real in real.items() if is_real]

    times = told("start_time_seconds")
    times += [time for time in told("started_seconds") if not any(abs(time - other) <= _SAME_START for other in times)]
    # A process may begin long after its container: its start counts only where nobody tells the container's.
    return sorted(times or told("process_start_seconds"))


def _ends(seen: Seen, starts: Sequence[_Start]) -> Iterator[Event]:
    for number, start in enumerate(starts):
        was_alive = seen.first is not None and seen.first < start.time - _ROUNDING
        if number or start.follows or was_alive:
            since = starts[number - 1].time if number else start.time - _AN_HOUR
            if said := _reason(seen, since, start, is_last=number == len(starts) - 1):
                yield _end(seen, *said)
    yield from _final_end(seen, starts)


def _final_end(seen: Seen, starts: Sequence[_Start]) -> list[Event]:
    started = starts[-1].time if starts else (seen.first if seen.first is not None else 0)
    stopped = [run for run in seen.reasons("terminated_reason", "pod_reason") if run.first > started]
    stopped += _told_since(seen, starts, started)
    if seen.first is None or seen.last is None:
        return []
    vanished = [Event(seen.ended, "end", None, VANISHED)] if seen.ended is not None and seen.ended > started else []
    if not stopped:
        return vanished
    run = min(stopped, key=lambda run: run.first)
    if seen.first > run.first or seen.last > run.first + _SAME_KILL:
        return vanished
    evicted = any(other.fact == "Evicted" and other.first <= run.first + _SAME_KILL for other in stopped)
    # Told long after the last sample, as by an instant query, it had happened right after it.
    time = run.first if run.first <= seen.last + _SAME_KILL else seen.last
    return [_end(seen, time, "Evicted" if evicted else str(run.fact), run.first)]


def _told_since(seen: Seen, starts: Sequence[_Start], started: int) -> list[Run]:
    """Reasons of the last termination that must be about the last life: it was not started again, or not yet."""
    reasons = seen.reasons("last_terminated_reason")
    stamps = [(round(run.value * 1000), run.first) for run in seen.of("last_terminated_timestamp")]
    found = [
        run._replace(first=time)
        for time, told in stamps
        for run in reasons
        if time > started + _ROUNDING and run.first <= told + _LATE and run.last >= told
    ]
    # Without that time a reason counts which was not there before; that of the life before may come late.
    had_another = bool(starts) and (starts[-1].follows or (seen.first or 0) < starts[-1].time)
    since = started + (_LATE if had_another else 0)
    known = min((runs[0].first for role, runs in seen.runs.items() if runs and role in _OF_KUBE), default=None)
    return found + [run for run in reasons if run.first > since and known is not None and known < run.first]


def _reason(seen: Seen, since: int, begun: _Start, *, is_last: bool) -> tuple[int, str, int] | None:
    """Why the life before a start ended: when, the reason, and the instant at which it was told."""
    start = begun.time
    while_down = [run for run in seen.reasons("terminated_reason") if since < run.first <= start + _LATE]
    told = seen.reasons("last_terminated_reason")
    # The reason stays: the first one told after the last start is about the life before it.
    until = (seen.last if is_last and seen.last is not None else max(start, begun.counted)) + _SAME_KILL
    current = [run for run in told if run.first <= start + _LATE and run.last >= start]
    later = [run for run in told if start < run.first <= until]
    if current:
        # Of two that overlap (a lookback), the one that came last is the new one.
        run = max(current, key=lambda run: run.first)
    elif later:
        run = min(later, key=lambda run: run.first)
    elif while_down:
        run = while_down[-1]
    else:
        return None
    latest = max(run.first, start) + _LATE
    stamps = [stamp for stamp in seen.of("last_terminated_timestamp") if stamp.first <= latest and stamp.last >= start]
    exact = [time for stamp in stamps if since < (time := round(stamp.value * 1000)) <= start + _LATE]
    down = [run.first for run in while_down]
    # Killed between its last sample and the start of its successor; the curve ends at the former.
    gone = [before for before, begin in seen.replaced if since < before <= start <= begin + _ROUNDING]
    time = next((times[-1] for times in (exact, down, gone[:1]) if times), start)
    return min(time, start), str(run.fact), max(run.first, start)


def _end(seen: Seen, time: int, reason: str, instant: int) -> Event:
    kind = {"OOMKilled": "oom_kill", "Completed": "end", "Evicted": "evicted"}.get(reason, "error")
    codes = [run for run in seen.of("last_terminated_exitcode") if run.first <= instant + _LATE]
    current = [run for run in codes if run.last >= instant]
    code = f", exit code {int(max(current, key=lambda run: run.first).value)}" if current else ""
    limits = seen.of("limit_bytes")
    limit = limit_at(limits, time)
    if kind == "oom_kill" and limits and limit is None:
        # Without a limit of its own, a container can only be killed because the node ran out.
        kind = "node_oom"
    return Event(time, kind, limit if kind == "oom_kill" else None, f"{reason}{code}")


def _kills_without_restart(seen: Seen, found: Sequence[Event]) -> Iterator[Event]:
    """Kills that cAdvisor counted and no reason tells: of a process that was not the container's first."""
    told = [event.time for event in found if event.kind in ("oom_kill", "node_oom")]
    for before, after in pairwise(seen.of("oom_events_total")):
        rose = after.value > before.value
        if rose and not any(before.last - _SAME_KILL <= time <= after.first + _SAME_KILL for time in told):
            detail = f"{round(after.value - before.value)} counted by cAdvisor"
            yield Event(after.first, "oom_kill", limit_at(seen.of("limit_bytes"), after.first), detail)


def without_markers(decoded: Decoded) -> tuple[Decoded, pl.DataFrame]:
    """Take the markers out of the samples: they are no values, but the first scrape that did not find a series."""
    if not (marked := decoded.values.view(np.uint64) == STALE_BITS).any():
        return decoded, pl.DataFrame()
    kept, owners, times = decoded.only(~marked), decoded.owners[marked], decoded.times[marked]
    # A series that had ended before says nothing but that.
    some = kept.counts > 0
    said = some[owners]
    silent = Counter({NO_SAMPLES: int(len(some) - some.sum())})
    markers = pl.DataFrame({"series": (np.cumsum(some) - 1)[owners[said]], "time": times[said]})
    return replace(kept.where(some), left_out=decoded.left_out + silent), markers


def ends_of(table: pl.DataFrame, markers: pl.DataFrame, spans: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    if markers.is_empty():
        return {}
    used = table.filter(pl.col("role").is_in(SIGNALS), pl.col("entity").is_not_null())
    alive = used.select(pl.col("series").cast(pl.Int64), "entity", pl.col("last").max().over("source"))
    found = markers.join(alive, on="series").group_by("entity").agg(pl.col("time", "last").sort_by("time").last())
    return {
        entity: time
        for entity, time, alive_until in found.iter_rows()
        if entity in spans and spans[entity][1] < time <= alive_until
    }
