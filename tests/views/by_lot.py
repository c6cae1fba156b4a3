"""Rows, totals and charts in which everything is drawn by lot, at the turns of what views write of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import zlib
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import polars as pl

from rmtoolkit._html import Markup, el, join
from rmtoolkit.assessment import WORKLOADS
from rmtoolkit.limits.patches import per_workload
from rmtoolkit.schema import Action, Alarm, Verdict
from rmtoolkit.text import Pen
from rmtoolkit.views import _plot, _plot_vega, _tables, lives, terminal, timeline
from rmtoolkit.views.report import columns, files, sections
from tests import fleet
from tests.analysis.curves import BEGIN, MI
from tests.written import markup, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rmtoolkit.views._plot import Mark, Piece, Plot

Row = dict[str, Any]
_HOUR: Final = 3_600_000
#: What a row may hold of each column where it is not as it was found.
_HELD: Final[dict[str, tuple[Any, ...]]] = {
    "namespace": (None, "shop", "a/b"),
    "verdict": tuple(map(str, Verdict)),
    "pattern": (None, "at_limit", "page_cache"),
    "also": ([], ["startup_spike", "retention"]),
    "cause": (None, "thread_stacks"),
    "workload_inferred": (True, False),
    "owner": (None, "team\ta"),
    "pods": (0, 1, 2, 1234),
    "signal": (None, "anon_bytes", "allocated_bytes", "odd"),
    "evidence_level": (None, 1, 5),
    "evidence_words": (None, "usage plus restarts"),
    "confidence_share": (None, 0.004, 0.5, 0.995),
    "window_start": (None, BEGIN),
    "growth_since": (None, BEGIN + dt.timedelta(hours=5)),
    "coverage": (None, 0.5, 0.9494, 1.0),
    "cadence_seconds": (None, 15.0, 300.0),
    "runs": (0, 1, 41),
    "runs_killed": (0, 2),
    "kills": (0, 1, 3),
    "run_peak_low_bytes": (None, 80 * MI),
    "run_peak_high_bytes": (90 * MI,),
    "growing": (True, False),
    "growth_bytes_per_day": (None, -3.0e6, 0.0, 2.5e7),
    "growth_low_bytes_per_day": (None, 1.0e6),
    "growth_high_bytes_per_day": (None, 9.0e7),
    "detection_floor_bytes_per_day": (None, 0.0, 3.0e6),
    "startup_peak_bytes": (None, 70 * MI),
    "settled_bytes": (None, 90 * MI),
    "peak_bytes": (None, 0, 50 * MI, 250 * MI, 300 * MI),
    "peak_at_limit": (True, False),
    "limits_differ": (True, False),
    "limit_bytes": (None, 64 * MI, 256 * MI, 512_000_000),
    "limit_known": (True, False),
    "request_bytes": (None, 64 * MI),
    "limit_outlook": ("reaches", "bounded", "unknown"),
    "limit_at": (None, fleet.NOW),
    "hours_to_limit": (-1.0, 0.5, 30.0, 900.0),
    "hours_to_limit_low": (None, 20.0),
    "hours_to_limit_high": (None, 60.0),
    "reaches_soon": (None, True, False),
    "oom_probability_7d": (None, 0.0004, 0.05, 0.0501, 0.5, 0.9996),
    "above_target": (True, False),
    "risk_because": (None, "as past weeks went"),
    "alarm": tuple(Alarm),
    "action": tuple(Action),
    "bound_by": (None, "startup", "allocator"),
    "advised_limit_bytes": (None, 64 * MI, 300 * MI),
    "advised_request_bytes": (None, 100 * MI),
    "advised_oom_probability": (None, 0.04, 0.05),
    "advised_oom_probability_low": (None, 0.02),
    "advised_oom_probability_high": (None, 0.09),
    "limit_reason": (None, "The highest use was 251 Mi (learnt)."),
    "limit_because": (None, "needs up to 1.00 Mi"),
    "margins": (None, "learnt"),
    "next_text": ("Wait.", "OOM kills come first.", "Raise it from 256.0 Mi."),
    "setting": (None, "a: 1", "x" * 160, "y" * 161),
    "expected": (None, "5 % instead."),
    "purged_limit_bytes": (None, 120 * MI),
    "vpa_target_bytes": (None, 100 * MI),
    "krr_limit_bytes": (None, 110 * MI),
    "reserved_change_bytes": (None, -(5 << 30), 0, 100 * MI),
    "cost_change_per_month": (None, -1.5, 0.0, 12.3),
    "waste_bytes": (None, 0, 70 * MI),
    "waste_per_month": (None, 0.0, 3.2),
    "currency": (None, "EUR"),
    "leak_probability": (None, 0.3),
    "accepted_because": (None, "it is known"),
    "accepted_passed": (None, "size", "day"),
    "accepted_bound_bytes": (None, 90 * MI),
    "accepted_until": (None, dt.date(2027, 1, 2)),
}
#: Lengths of lists, at and beside those from which they are cut.
_LENGTHS: Final = (0, 1, 2, 40, 41)


_MARK: Final = re.compile(r'<svg class="mark"[^>]*><path d="([^"]{,12})[^>]*>')


def _line(shown: object) -> str:
    return _MARK.sub(r"◇\1 ", "".join(markup(str(shown))))


def begun(said: str) -> str:
    """How a long one begins, and a sum of all of it."""
    return said if len(said) < 300 else f"{said[:280]}… {zlib.crc32(said.encode()):x}"


def _rows(number: int) -> Iterator[tuple[Random, Row]]:
    known = list(sections.Contents(fleet.assessed()).rows)
    for seed in range(number):
        lot = Random(seed)  # noqa: S311
        yield lot, lot.choice(known) | {name: lot.choice(held) for name, held in _HELD.items() if lot.random() < 0.7}


def _card(lot: Random, row: Row) -> dict[str, object]:
    """What a card and the lists around it write of a row."""
    found, name = fleet.assessed(), row["name"]
    bought = found.buys.with_columns(cost_per_month=pl.lit(lot.choice((None, 2.5)))).to_dicts()

    def some(rows: Sequence[Row]) -> list[Row]:
        return [dict(lot.choice(rows)) for _ in range(lot.choice(_LENGTHS))]

    gaps = [(at * _HOUR, at * _HOUR + lot.choice((600_000, _HOUR))) for at in range(lot.choice((0, 1, 3)))]
    findings = [one | {"rejected": lot.choice((True, False))} for one in some(found.findings.to_dicts())]
    copied = lot.choice((True, False))
    lived = some(found.lives.to_dicts())
    told = {
        "answer": _tables.answer(row, name, el("p", "so"), Markup(), 0.05, most=lot.choice((12, 160))),
        "action": join(*_tables.action({"text": "Try `a: 1`.", **row}, copied=copied)),
        "how": _tables.how(row, found.queries.head(lot.choice((0, 1, 2))).to_dicts(), copied=copied),
        "evidence": _tables.evidence(row, where=copied),
        "quality": _tables.quality(row["coverage"], findings[:41], gaps, row["cadence_seconds"]),
        "pods": _tables.pods(some(found.instances.to_dicts())),
        "lives": _tables.lives(lived, lot.choice((None, {3: "pod-3"})), lot.choice((None, row))),
        "kills": _tables.kills(some(found.kills.to_dicts())),
        "advised": columns.advised(row, lot.choice(([], [], bought))),
        "known": columns.known(row),
        "links": columns.links([row] * 3, lot.choice((1, 2, 3))),
        "act": sections._act(row) if row["alarm"] else None,
        "titled": [timeline._growth(row), *lives.titled(row, name)],
        "limits": terminal._block(row),
        "markdown": [files._leak(row), files._limit(row), files._spare(row)],
        "listed": [key for key, belongs in sections._BELONG.items() if belongs(row)],
        "counted": [key for key, counts in sections.COUNTED.items() if counts(row)],
    }
    told |= {"first": [files._act(row | {"name": "a_b"})]} if row["alarm"] else {}
    return {name: said if isinstance(said, list) else begun(_line(said)) for name, said in told.items() if said}


def rows(number: int = 40) -> dict[str, list[Any]]:
    """What every column, card and table writes of rows by lot; and sections of totals by lot."""
    every = {
        f"{column.head} {column.kind}": column
        for one in (*sections.SECTIONS, sections.ALL)
        for column in (*one.columns, columns.RESERVED, columns.GIVES, columns.CHANCE)
    }
    told: dict[str, list[Any]] = {"columns": list(every)}
    drawn = list(_rows(number))
    told["cells"] = [
        [
            _line(columns.name_cell(row)),
            *(
                [_line(one.cell(row)), columns.class_of(one, row), columns.values(row, (one,))[1]]
                for one in every.values()
            ),
        ]
        for _, row in drawn
    ]
    told["cards"] = [_card(lot, row) for lot, row in drawn]
    schema = {name: WORKLOADS[name] for name in WORKLOADS}
    for width, colour, unicode in ((60, False, True), (100, True, False), (101, True, True), (150, False, True)):
        frame = pl.DataFrame([row for _, row in drawn][:: 1 + width // 30], schema=schema)
        pen = Pen(colour=colour, unicode=unicode, width=width)
        told[f"terminal {width}"] = [*terminal._lines(frame, pen), *terminal._blocks(frame, pen)]
    return told | {"totals": [plain(one) for one in _totals(number)], "lists": list(_lists())}


def _lists() -> Iterator[object]:
    """Lists at the lengths from which they are cut, and how many patches are settled."""
    for left, held in ((0, 0), (1, 0), (0, 1), (1234, 1234)):
        yield _line(sections._rest(left, held, lambda: el("p", "inside")))
    yield [_line(sections._more(amount, 3)) for amount in (3, 4)]
    yield [files._list([1, 2, 3], most, str) for most in (2, 3)]
    drawn = [row for _, row in _rows(40)]
    yield [_line(sections.raised_again(drawn[:number])) for number in (1, 4, 40)]
    contents = sections.Contents(fleet.assessed())
    patched = list(per_workload(contents.found.workloads))
    for number, settled in ((1, 0), (1, 1), (3, 1), (3, 2), (10, 0), (11, 5), (60, 1), (61, 60)):
        parts = [
            (
                msgspec.structs.replace(patched[at % len(patched)][0], provisional=None if at < settled else "young"),
                f"{at}",
            )
            for at in range(number)
        ]
        yield [number, sections.patch_sets(parts)["settled"][:3], begun(_line(sections.apply(parts, contents.rows)))]
    for number in (9, 10, 11):
        leaks = contents.found.workloads.filter(verdict="leak", accepted=False)
        frame = pl.concat([leaks] * 3).head(number)
        found = dataclasses.replace(contents.found, workloads=frame)
        told = files.markdown(dataclasses.replace(contents, found=found)).splitlines()
        yield [len(told), *(line for line in told if "more" in line)]


#: Of totals: what is counted, and what is known or not.
_COUNTED: Final = ("killed", "kills", "leak", "inconclusive", "short_of_data", "killed_again", "waste_workloads")
_KNOWN: Final[dict[str, tuple[Any, ...]]] = {
    "waste_bytes": (None, 0, 64 * MI, 65 * MI),
    "waste_per_month": (None, 2.0),
    "leaks_new": (None, 0, 1),
    "leaks_gone": (0, 2),
    "leaks_reaching": (0, 1, 2),
    "leaks_unknown": (0, 1, 2),
    "above_target": (None, 3, 4, 9),
    "above_target_before": (None, 3, 4),
    "appeared": (None, 0, 1, 2),
    "gone": (None, 0, 1, 13),
    "accepted": (0, 2),
    "stale": (True, False),
    "start_with": (None, 0),
}


def _totals(number: int) -> Iterator[list[Any]]:
    found = fleet.assessed()
    awake = sections.Contents(found).awake
    calm = [row | {"alarm": None} for row in awake]
    for seed in range(number):
        lot = Random(seed)  # noqa: S311
        counts: Row = {name: lot.choice((0, 0, 1, 2, 1234)) for name in _COUNTED}
        known: Row = {name: lot.choice(held) for name, held in _KNOWN.items()}
        alarms = tuple((str(name), lot.choice((0, 1, 3))) for name in Alarm)
        one = dataclasses.replace(found, fleet=dataclasses.replace(found.fleet, alarms=alarms, **counts, **known))
        there = lot.choice(({"short", "spare"}, {"kills", "leak"}, set()))
        changed = sections.changed(one, awake)
        yield [
            _line(sections.tiles(one, there)),
            _line(sections.top(one, "A title")),
            _line(sections.heading(one)),
            "".join(markup(str(sections.acts(one, lot.choice((awake, awake[:9], calm)))))[-12:]),
            "".join(markup(str(changed))[-1:]) if changed else None,
        ]


def _curve(lot: Random, times: Any, level: float, name: str, token: str) -> timeline.Curve:
    """A curve that rises, falls or waves, whole or cut at a gap."""
    share = np.linspace(0, 1, len(times))
    values = level * (1 + lot.choice((-0.4, 0.0, 0.6)) * share + lot.choice((0.0, 0.2)) * np.sin(share * 20))
    cut = lot.choice((0, len(times) // 3))
    pieces: tuple[Piece, ...] = ((times, values),)
    if cut > 1:
        pieces = ((times[:cut], values[:cut]), (times[cut + 1 :], values[cut + 1 :]))
    return timeline.Curve(name, token, pieces)


_WORDS: Final = {"oom_kill": "OOM kill", "release": "release 2.0", "limit": "limit 64 → 128 Mi", "node_oom": "node OOM"}
_LAYERS: Final = (("live heap", "live"), ("allocator slack", "slack"), ("kept pages", "kept"), ("page cache", "cache"))


def _timeline(lot: Random) -> timeline.Timeline:
    start = timeline.ms(BEGIN)
    length = lot.choice((9_000, 14 * 60_000, 6 * _HOUR, 35 * _HOUR, 40 * _HOUR, 9 * 24 * _HOUR))
    now, level = start + length, lot.choice((3.0, 90.0, 700.0)) * MI
    until = now + int(lot.choice((0.36, 0.8)) * length)
    times = np.linspace(start, now, lot.choice((4, 30, 90))).astype(np.int64)
    tops = sorted(lot.uniform(0.05, 1) for _ in range(lot.choice((1, 2, 4))))
    layers = tuple(
        timeline.Layer(_curve(lot, times, top * level, *_LAYERS[at]), lot.choice((None, 0.001 * level, top * level)))
        for at, top in enumerate(tops)
    )

    def settings(*shares: float) -> tuple[tuple[int, int, int], ...]:
        several, ends = lot.choice((0, 1, 1, 2)), (start, start + length // 2, until)
        found = [
            (ends[at], ends[at + 1 if several > 1 else 2], int(lot.choice(shares) * level)) for at in range(several)
        ]
        return tuple(found)

    limits = settings(0.8, 1.3, 2.5, 9.0)
    events = [
        timeline.Event(
            start + int(lot.choice((0.001, 0.3, 0.3004, 0.5, 0.52, 0.9, 1.0)) * length),
            kind,
            _WORDS.get(kind, kind),
            lot.choice((None, limits[-1][2] if limits else None)),
        )
        for kind in lot.choices(timeline._RANK, k=lot.choice((0, 1, 3, 9)))
    ]
    there = np.linspace(now, until, 5).astype(np.int64)
    outlook = lot.choice(("reaches", "bounded"))
    hit = lot.choice((None, now + length // 5, until + length)) if outlook == "reaches" else None
    middle = level * np.linspace(1, lot.choice((1.0, 1.5, 3.0)), 5)
    wide = lot.choice((np.nan, 0.2))
    ahead = timeline.Forecast(
        there,
        middle * (1 - wide),
        middle,
        middle * (1 + wide),
        outlook,
        hit,
        *((None, None) if hit is None else lot.choice(((None, None), (now + length // 9, now + length)))),
    )
    return timeline.Timeline(
        start=start,
        now=now,
        until=until,
        current=lot.choice((True, False)),
        line=_curve(lot, times, level, "working set", "ink"),
        rss=lot.choice((None, _curve(lot, times, 0.7 * level, "RSS", "ink-3"))),
        layers=layers,
        limits=limits,
        requests=settings(0.3, 0.7, 2.1),
        events=tuple(sorted(events, key=lambda event: (event.time, event.kind))),
        gaps=lot.choice(((), ((start + length // 3, start + length // 2),))),
        fits=lot.choice(((), tuple(layers[0].edge.pieces))),
        fit_name=lot.choice(("live heap", "working set")),
        forecast=lot.choice((None, ahead, ahead)),
    )


def marks(plots: Sequence[Plot]) -> Iterator[str]:
    """Each mark in a line: how it looks, where it is in px, and what it says; of curves their ends and sums."""

    def at(plot: Plot, x: float, y: float) -> str:
        return f"{plot.x.at(x):.1f} {plot.y.at(y):.1f}"

    def points(plot: Plot, pieces: Sequence[Piece]) -> str:
        ends = [f"{at(plot, x[0], y[0])} {at(plot, x[-1], y[-1])}" for x, y in pieces if len(x)]
        sums = [f"{plot.y.of(y).sum():.1f} of {len(x)}" for x, y in pieces]
        return ", ".join(ends + sums)

    def told(plot: Plot, mark: Mark) -> str:
        match mark:
            case _plot.Text():
                beside = "" if mark.beside is None else f" beside {mark.beside:.1f}"
                return f" {mark.anchor} {mark.x:.1f} {mark.y:.1f} {mark.swatch}{beside}>{mark.written}"
            case _plot.Line():
                return f" {points(plot, mark.pieces)}>"
            case _plot.Area():
                return f" {points(plot, mark.upper)}; {points(plot, mark.lower or ())}>"
            case _plot.Point():
                return f" {at(plot, mark.x, mark.y)} {mark.shape} {mark.size:g}>{mark.says}"
            case _:
                return f" {at(plot, mark.x, mark.y)} {at(plot, mark.x2, mark.y2)}>{mark.says}"

    for plot in plots:
        for mark in plot.painted():
            yield f"<{type(mark).__name__.lower()} {mark.look}{told(plot, mark)}"


def _lived(lot: Random) -> list[lives.Life]:
    usual, found = lot.choice((50_000, _HOUR, 30 * _HOUR, 9 * 24 * _HOUR)), []
    for _ in range(lot.choice((1, 3, 41))):
        ages = np.linspace(0, usual * lot.choice((1, 1, 0.5, 3, 5)), lot.choice((1, 30))).astype(np.int64)
        values = lot.uniform(20, 200) * MI * np.linspace(1, lot.choice((1, 2)), len(ages))
        found.append(lives.Life(ages, values, lot.choice(("running", "oom_kill", "restart", "end", "gap"))))
    return found[-lives.SHOWN :]


def plots(number: int = 30) -> dict[str, list[Any]]:
    """Where everything stands in charts of memory over time, and of lives by age."""
    told: dict[str, list[Any]] = {}
    for (lot, row), seed in zip(_rows(number), range(number), strict=True):
        # What reaches its limit does so at some time.
        row["hours_to_limit"] = row["hours_to_limit"] or 30.0
        one = _timeline(lot)
        top = lot.choice((None, None, 1.5 * one.peak_bytes))
        chart = timeline.Chart(one, row, top, lot.choice((1.0, 0.6))).compose(axes=lot.choice((True, False)))
        both = (chart, chart.strip)
        told[f"memory {seed}"] = [
            *timeline.titled(one, row, "p-0"),
            timeline.describe(one, row),
            *marks(both),
            *(f"{name}: {plain(row)}" for name, rows in _texts(both) for row in rows[::3]),
        ]
        if seed % 2:
            told[f"lives {seed}"] = list(marks([lives.plotted(_lived(lot), row)]))
    return told


def _texts(both: tuple[Plot, Plot]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    found = _plot_vega.text_rows(both, _plot.LIGHT)
    return ((name, rows) for name, rows in found.items() if name != "pinned")
