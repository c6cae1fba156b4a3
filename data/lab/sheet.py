"""A picture of every run, to look at: plain SVG in one HTML page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path

    from recorded import Recorded

WIDTH, HEIGHT, PER_ROW = 300, 150, 6
_TOP, _BOTTOM = 34, 14
#: Colour per line: working set, process, allocator's allocated, in use by the truth, lost by the truth.
_LINES = (
    ("working_set_bytes", "#1f5fa8", 1.4),
    ("anon_bytes", "#7db3e8", 0.9),
    ("allocated_bytes", "#8a6fc4", 0.9),
    ("live", "#3a9a5b", 0.9),
    ("dead", "#c8402f", 1.1),
)


def _marks(run: Recorded) -> list[tuple[float, str]]:
    """List times and colours of what ended a container."""
    colours = {"oom_kill": "#c8402f", "error": "#e0a030", "end": "#999"}
    events = [event for one in run.containers for event in one["events"]]
    return [(event["time"], colours[event["kind"]]) for event in events if event["kind"] in colours]


def panel(run: Recorded, row: dict[str, Any]) -> str:
    """Draw one run as an SVG group of `WIDTH` by `HEIGHT`."""
    window: int = run.plan["window_seconds"]
    frame = run.frame.filter(pl.col("scraped")).with_columns(
        live=pl.col("live_bytes") + pl.col("outside_bytes"),
        dead=pl.col("dead_bytes") + pl.col("outside_dead_bytes"),
    )
    limit = run.plan["limit_bytes"]
    top = max(frame["working_set_bytes"].to_list(), default=1.0) * 1.12
    if limit and limit < 1.6 * top:  # a far limit would press the curves flat
        top = max(top, limit * 1.04)

    def x(second: float) -> float:
        return 4 + second / window * (WIDTH - 8)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)

    frame_colour = "#e0a030" if row["relabelled"] else "#ddd"
    colour = "#c8402f" if row["leak"] else "#3a9a5b"
    first = f"{row['run']} {row['shape']} {row['allocator']}"
    second = f"{row['verdict']} · {row['pattern'].split('|')[0]} · {row['cause'].split('|')[0]}"
    parts = [
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" fill="white" stroke="{frame_colour}"/>',
        f'<text x="5" y="13">{html.escape(first)}</text>',
        f'<text x="5" y="26" fill="{colour}">{html.escape(second)}</text>',
        f'<text x="5" y="{HEIGHT - 3}" fill="#777">0 to {top / 2**20:.0f} MiB, {window} s</text>',
    ]
    if limit and limit <= top:
        parts.append(f'<path d="M4 {y(limit):.1f}H{WIDTH - 4}" stroke="#c8402f" stroke-dasharray="4 3"/>')
    for name, stroke, width in _LINES:
        for (_, _), life in frame.group_by(["container", "life"], maintain_order=True):
            points = life.select("second", name).drop_nulls()
            step = max(1, points.height // 300)
            text = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points.gather_every(step).rows())
            if text:
                parts.append(f'<polyline points="{text}" fill="none" stroke="{stroke}" stroke-width="{width}"/>')
    for time, colour in _marks(run):
        at = x((time - run.start) / run.time_scale)
        parts.append(f'<path d="M{at:.1f} {_TOP}V{HEIGHT - _BOTTOM}" stroke="{colour}" stroke-dasharray="1 2"/>')
    return "".join(parts)


def svg(runs: list[Recorded], rows: list[dict[str, Any]]) -> str:
    """Draw many runs as one SVG document."""
    height = (len(runs) + PER_ROW - 1) // PER_ROW * HEIGHT
    cells = [
        f'<g transform="translate({at % PER_ROW * WIDTH} {at // PER_ROW * HEIGHT})">{panel(run, row)}</g>'
        for at, (run, row) in enumerate(zip(runs, rows, strict=True))
    ]
    size = f'width="{PER_ROW * WIDTH}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">{"".join(cells)}</svg>'
    )


def write(runs: list[Recorded], rows: list[dict[str, Any]], target: Path) -> None:
    """Write a page with a legend and a picture of every run."""
    legend = " ".join(f'<span style="color:{stroke}">■ {name}</span>' for name, stroke, _ in _LINES)
    body = f"<p>{legend}; dashed: limit; dotted: OOM kill, error, end; orange frame: relabelled</p>{svg(runs, rows)}"
    target.write_text(f'<!doctype html><meta charset="utf-8"><title>Every run</title>{body}')
