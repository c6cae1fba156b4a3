"""What happened to a container: events in words, and limits as stretches."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import polars as pl

from rmtoolkit import text


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the container."""

    time: int
    kind: str
    words: str


def steps(
    events: pl.DataFrame,
    kind: str,
    about: dict[str, Any],
    span: tuple[int, int],
) -> tuple[tuple[int, int, int], ...]:
    """Cut a limit or a request into stretches of one value."""
    start, until = span
    changes = events.filter(pl.col("kind") == kind).select(pl.col("time").to_physical(), "value_bytes").rows()
    if not changes:
        value = about[f"{kind}_bytes"]
        return ((start, until, value),) if value is not None else ()
    # What held before the first change is unknown.
    stretches = [(start, None), *changes]
    ends = [max(time, start) for time, _ in changes] + [until]
    return tuple(
        (max(begin, start), end, value)
        for (begin, value), end in zip(stretches, ends, strict=True)
        if value is not None and end > max(begin, start)
    )


_WORDS: Final = {
    "oom_kill": "OOM kill",
    "node_oom": "node OOM",
    "evicted": "evicted",
    "error": "error",
    "start": "start",
    "end": "end",
    "restart": "restart",
}
#: Events that explain why a new life begins.
_CUTS: Final = ("oom_kill", "node_oom", "evicted", "error", "end", "start", "release")


def happened(events: pl.DataFrame, lives: pl.DataFrame, start: int, now: int, reach: int) -> tuple[Event, ...]:
    """List what happened, restarts that no event names among them."""
    found: list[Event] = []
    limit: int | None = None
    for row in events.select(pl.col("time").to_physical(), "kind", "value_bytes", "detail").iter_rows(named=True):
        kind, detail = row["kind"], row["detail"]
        if kind == "limit":
            before, limit = limit, row["value_bytes"]
            words = f"limit {text.configured(limit)}"
            if before == limit or (before is None and row["time"] <= start):
                continue
            if before is not None and limit is not None:
                words = f"limit {text.configured_mi(before)} → {text.configured(limit)}"
        elif kind == "release":
            words = f"release {text.printable(detail)}" if detail else "release"
        elif kind == "error" and detail:
            words = f"error {text.printable(detail)}"[:40]
        elif kind in _WORDS:
            words = "restart" if kind == "start" and row["time"] > start else _WORDS[kind]
        else:
            continue
        found.append(Event(row["time"], kind, words))
    hidden = lives["ended"] == "gap" if "ended" in lives.columns else [False] * lives.height
    rows = zip(lives["start"], lives["end"], hidden, strict=True)
    for (_, before, unseen), (begin, _, _) in pairwise(rows):
        # What happened in a long stretch without samples is not known: the strip shows the gap itself.
        known = unseen or any(
            event.kind in _CUTS and ms(before) - reach <= event.time <= ms(begin) + reach for event in found
        )
        if not known:
            found.append(Event(ms(begin), "restart", "restart"))
    slack = (now - start) // 100
    inside = [event for event in found if start - slack <= event.time <= now + slack]
    placed = (Event(min(max(event.time, start), now), event.kind, event.words) for event in inside)
    return tuple(sorted(placed, key=lambda event: (event.time, event.kind)))


def ms(value: object) -> int:
    """Turn a time of a frame into ms since 1970."""
    if not isinstance(value, dt.datetime):
        msg = f"expected a time, got {type(value).__name__}"
        raise TypeError(msg)
    return round(value.timestamp() * 1000)
