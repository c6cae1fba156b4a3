"""What views make of the worked fleet and of heap profiles: words, tables and pictures, written down.

``python -m tests.views.worked`` writes it down anew after a change that is meant; the difference is for a person to
read.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import numpy as np
import polars as pl

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit._accepted import Acknowledgement
from rmtoolkit._html import Markup
from rmtoolkit.analysis import heap_answers
from rmtoolkit.limits.patches import per_workload
from rmtoolkit.views import (
    _plot,
    _plot_svg,
    _plot_vega,
    alerts,
    charts,
    exports,
    heap,
    heap_terminal,
    report,
    style,
    terminal,
    timeline,
)
from rmtoolkit.views.dashboards._base import LiveChart
from rmtoolkit.views.report import files, sections
from tests import fleet
from tests.analysis.curves import BEGIN, MI
from tests.views import by_lot, timeline_form
from tests.written import markup, plain, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER: Final = Path(__file__).parents[1] / "data" / "views"
HEAPS: Final = Path(__file__).parents[2] / "data" / "heap"
ASSETS: Final = Path(_plot_vega.__file__).with_name("assets")
STATS: Final = Path(__file__).parents[1] / "data" / "jemalloc"
#: Those whose pictures differ most from each other.
DRAWN: Final = ("heap-leak", "killed-climbs", "kept-pages", "release-after-a-gap", "days-and-nights", "few-samples")


@cache
def _contents() -> report.Contents:
    gone = Acknowledgement("shop/no-more", "it is gone", None, dt.date(2027, 1, 1), None, 12)
    return report.Contents(fleet.assessed(), "Week 47", (gone,))


def _row(name: str) -> dict[str, Any]:
    return fleet.assessed().workloads.filter(workload=name).row(0, named=True)


def _packed(page: str, name: str) -> Any:
    found = re.search(rf'<script type="text/plain" id="{name}">([A-Za-z0-9+/=]*)</script>', page)
    return json.loads(zlib.decompress(base64.b64decode(found[1]), -15)) if found else None


def page() -> dict[str, list[Any]]:
    """The report: what stands in the page, and of what is packed some cards and the rows."""
    html = report.page(_contents(), written=dt.datetime(2026, 11, 23, 3, 5, tzinfo=dt.UTC))
    rows, cards = _packed(html, "rows"), _packed(html, "cards-0") or []
    return {
        "page": markup(html),
        "rows": [plain(rows["anchors"]), *([name, *found[:6]] for name, found in rows["sections"].items())],
        "sparks": [line for spark in rows["sparks"][:4] for line in markup(spark)],
        "cards": [line for card in cards[:2] for line in markup(card)],
    }


def long() -> dict[str, list[Any]]:
    """What stands in lists that are cut, folded or counted when they are long, each with far more than it shows."""
    once = _contents()

    def many(frame: pl.DataFrame, times: int = 12) -> pl.DataFrame:
        return pl.concat([frame] * times)

    found = once.found
    totals = replace(found.fleet, gone=30, appeared=1, workloads=40)
    long = replace(
        found,
        fleet=totals,
        capacity=many(found.capacity, 30),
        changes=many(found.changes, 30),
        findings=many(found.findings, 60),
        kills=many(found.kills, 30),
        groups=many(found.groups, 6),
        recording=replace(found.recording, report=replace(found.recording.report, sources=tuple(map(str, range(14))))),
    )
    folders = replace(long.recording.report, sources=tuple(f"{at % 13}/{at}" for at in range(15)))
    rows, awake = list(once.rows) * 6, once.awake * 6
    parts = [(one, f"{at} {patch}") for at in range(9) for one, patch in per_workload(found.workloads)]
    drawn = {
        "changed": sections.changed(long, once.awake),
        "capacity": sections.capacity(long),
        "failures": sections.failures(replace(long, checklist=many(found.checklist)), awake),
        "quality": sections.quality(long, rows),
        "folders": sections.quality(replace(long, recording=replace(long.recording, report=folders)), rows[:3]),
        "acts": sections.acts(long, awake),
        "kills": sections.kills(long, rows),
        "groups": sections.groups(long),
        "apply": sections.apply(parts, rows),
    }
    unpriced = sections.of(replace(found, fleet=replace(found.fleet, currency=None)))
    cells = {
        f"{section.key} {column.head}": [
            [plain(column.value(row)) if column.value else None, str(column.cell(row))] for row in chosen[:2]
        ]
        for section in (*unpriced, sections.ALL)
        if (chosen := section.choose(once.awake))
        for column in section.columns
    }
    lines = {name: markup(str(one)) for name, one in drawn.items()}
    counted = re.compile("more|others|provisional|in their cards|shown|details")
    told = {name: [len(all_), *filter(counted.search, all_), *all_[::23]] for name, all_ in lines.items()}
    cut = files.markdown(replace(once, found=replace(long, workloads=many(found.workloads, 6)))).splitlines()
    told["without prices"] = [[name, *told_of] for name, told_of in cells.items()]
    return told | {"markdown": [len(cut), *(line for line in cut if "more" in line or line.startswith("#"))]}


def words() -> dict[str, list[Any]]:
    """Tables of the terminal, Markdown, patches, and the explanation of some workloads."""
    found = fleet.assessed()
    told = {
        "classify": terminal.table(found, source="a.parquet", pen=text.Pen(colour=True)),
        "instances": terminal.table(found, by="instance", pen=text.Pen(unicode=False)),
        "limits": terminal.limits_table(found, details=True, pen=text.Pen()),
        "limits of many": terminal.limits_table(found, details=False, pen=text.Pen()),
        "before": terminal.limits_table(fleet.before(), details=True, pen=text.Pen(unicode=False)),
        "markdown": files.markdown(_contents()),
        "first": files.markdown(report.Contents(fleet.before())),
        "patches": exports.patches(found),
        "csv": exports.for_spreadsheets(
            found.workloads.head(2).select(pl.col(pl.String, pl.List(pl.String)))
        ).write_csv(),
    }
    told |= {name: rm.explain(found, name).summary() for name in DRAWN}
    told |= {f"{name} drawn": "\n".join(markup(rm.explain(found, name)._repr_html_())) for name in DRAWN[:4]}
    return {name: text.splitlines() for name, text in told.items()}


def pictures() -> dict[str, list[Any]]:
    """Memory over time, as SVG and as rows of Vega."""
    found = fleet.assessed()
    lines = timeline.Timelines(found)
    told: dict[str, list[Any]] = {}
    for name in DRAWN:
        row = _row(name)
        shown = lines.of(row)
        if shown is None:
            continue
        told[name] = markup(timeline.draw(shown, row, "c", name))
        columns = _plot_vega.rows(shown, row)
        told[f"{name} of Vega"] = [{of: {at: plain(list(v)[:3]) for at, v in c.items()}} for of, c in columns.items()]
    row = _row("heap-leak")
    part = lines.of(row, (timeline.ms(BEGIN + dt.timedelta(hours=6)), timeline.ms(BEGIN + dt.timedelta(hours=9))))
    told["a part"] = [] if part is None else markup(timeline.draw(part, row, "p", "a part"))
    form = timeline_form.form().to_dict(validate=False)
    told["form"] = [{"mark": layer["mark"], "encoding": layer["encoding"]} for layer in form["layer"]]
    small = [charts.bullet(peak * MI, 128 * MI, reached=peak > 128) for peak in (90, 200)]
    small += [charts.risk_bar(0.3, 0.1), charts.boxes(3), charts.dots(2), *(charts.mark(one) for one in charts._SHAPES)]
    told["small"] = [line for one in small for line in markup(one)]
    return told


def _of_altair(chart: Any) -> list[Any]:
    """A chart with its data inside: layers, and of their rows how many, the first, the middle and the last."""
    told = chart.to_dict(validate=False)
    sets, layers = told.pop("datasets", {}), told.pop("layer")
    for layer in layers:
        data = layer.pop("data")
        rows = data.get("values") or sets[data["name"]]
        layer["rows"] = [len(rows), *map(plain, rows[:: max(len(rows) // 2, 1)])]
    return [{name: said for name, said in told.items() if name not in ("$schema", "config")}, *layers]


def notebook() -> dict[str, list[Any]]:
    """Charts for notebooks, styles, rules and tests of alerts, and a dashboard of Grafana."""
    found = fleet.assessed()
    told = {
        "memory": _of_altair(rm.plot_memory(found, "killed-climbs")),
        "dark": _of_altair(rm.plot_memory(found, theme="dark"))[:4],
        "lives": _of_altair(rm.plot_lives(found, "killed-climbs")),
        "risk": _of_altair(rm.plot_risk(found, "held")),
        "fleet": _of_altair(rm.plot_fleet(found)),
        "heap": _of_altair(rm.plot_heap(rm.read_heap(fleet.PROFILE))),
        "looks": _plot_svg.STYLE.split("}"),
        "sheets": [by_lot.begun(sheet) for sheet in vars(style).values() if isinstance(sheet, Markup)],
        "note": markup(_plot_svg.note(90, 20, "Nothing here")),
    }
    few = replace(found, workloads=found.workloads.filter(~pl.col("accepted"))[3:7])
    written = {
        "rules": alerts.rules(found)[:9000],
        "few rules": alerts.rules(few)[:900],
        "tests": alerts.rule_tests(few, "rules.yaml"),
        "few in grafana": alerts.dashboard(few)[:300],
        "told": exports.as_told(rm.recommend_limits(few), found)[:, -4:].write_csv(),
        "as Markdown": exports.as_bytes(found.buys, ".md").decode(),
        "as JSON": exports.as_bytes(found.buys.select("workload", "limit_bytes"), "").decode(),
    }
    told |= {name: list(map(by_lot.begun, text.splitlines())) for name, text in written.items()}
    grafana = alerts.dashboard(found)
    return told | {"grafana": [*grafana.splitlines()[::12], by_lot.begun(grafana)]}


def heaps() -> dict[str, list[Any]]:
    """Pages and tables of a profile, of two, of one picture, and of an allocator's statistics."""
    early, late = (rm.read_heap(HEAPS / f"warm-jackdaw{name}.heaptrack.zst") for name in ("-early", ""))
    dhat = heap_answers.answer(rm.read_heap(HEAPS / "warm-jackdaw.dhat.json.gz"))
    grows, changed = heap_answers.answer(late), heap_answers.answer_diff(early, late)
    stats = [STATS / "svc_jemalloc_stats.json.gz", STATS / "jemalloc_known_stats.txt"]
    kept = [heap_answers.answer_allocator(rm.read_allocator(file)) for file in stats]
    # The same arena again and again: with the threads that use it, and without.
    arenas = pl.concat(
        [kept[0].arenas.with_columns(arena=pl.lit(str(at)), threads=pl.lit(at or None, pl.Int64)) for at in range(10)]
    )
    kept.append(replace(kept[0], arenas=arenas.cast(kept[0].arenas.schema)))
    kept.append(heap_answers.answer_allocator(rm.read_allocator(HEAPS / "opal-vole.stats.log.zst")))
    told = {
        "profile": heap_terminal.answer(grows, source="a.zst", pen=text.Pen(colour=True)),
        "picture": heap_terminal.answer(dhat, pen=text.Pen(unicode=False)),
        "changes": heap_terminal.changes(changed, source="a → b"),
        **{f"allocator {at}": heap_terminal.allocator(one, source=f"{at}") for at, one in enumerate(kept)},
    }
    drawn = {"profile": heap.page(grows, source="a.zst"), "changes": heap.page(changed), "picture": heap.page(dhat)}
    drawn |= {f"allocator {at}": heap.page(one) for at, one in enumerate(kept)}
    pages = {f"page of {name}": [line[:400] for line in markup(one)][:160] for name, one in drawn.items()}
    return {name: text.splitlines() for name, text in told.items()} | pages


def _widgets(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _widgets(child)


_IDENT: Final = re.compile("rm-[0-9a-f]{32}")
_SAID: Final = ("description", "value", "options", "min", "max", "step", "disabled", "placeholder")


def _state(board: Any) -> list[Any]:
    """What a dashboard shows: markup as lines, controls with their ends and choices."""
    lines: list[Any] = []
    for widget in _widgets(board):
        if isinstance(widget, ipywidgets.HTML):
            lines += markup(widget.value)
        elif not isinstance(widget, ipywidgets.Box) and hasattr(widget, "description"):
            lines.append({name: plain(getattr(widget, name)) for name in _SAID if hasattr(widget, name)})
        if isinstance(widget, LiveChart):
            rows = {name: len(next(iter(columns.values()))) for name, columns in widget.rows.items() if columns}
            lines += [
                {name: plain(getattr(widget, name))} for name in ("axes", "home", "step", "drag", "says", "serial")
            ]
            lines.append({"rows": rows})
        classes = [name for name in getattr(widget, "_dom_classes", ()) if name.startswith("rm")]
        if classes or getattr(getattr(widget, "layout", None), "display", None):
            lines.append({"classes": classes, "display": widget.layout.display})
    return lines


def _changed(board: Any, steps: dict[str, Callable[[], object]]) -> dict[str, list[Any]]:
    """What a dashboard shows at first, and after each step what is new."""
    told = {"at first": _state(board)}
    before = told["at first"]
    for name, step in steps.items():
        step()
        now = _state(board)
        told[name] = [line for line in now if line not in before]
        before = now
    return told


def boards() -> dict[str, list[Any]]:
    """Fleet, Triage and LimitExplorer, as somebody uses them."""
    told: dict[str, list[Any]] = {}

    def press(board: Any, value: str, kind: str = "send") -> Callable[[], object]:
        page = next(widget for widget in _widgets(board) if hasattr(widget, "css"))
        return lambda: page._handle_custom_msg({"kind": kind, "value": value}, [])

    def types(control: Any, value: object) -> Callable[[], object]:
        return lambda: setattr(control, "value", value)

    def sets(board: Any, **traits: object) -> Callable[[], object]:
        def step() -> None:
            for name, value in traits.items():
                setattr(board, name, value)

        return step

    table = rm.Fleet(fleet.assessed())
    steps = {
        "leaks": press(table, "tile leak"),
        "by peak": press(table, "sort peak"),
        "turned": press(table, "sort peak"),
        "search": sets(table, search="s a", tile=""),
        "space": sets(table, search="", namespace="mail", sort="pods"),
        "typed": types(table._search_box, "heap"),
        "chosen": types(table._spaces, table._spaces.options[-1][1]),
        "verdict": types(table._verdicts, table._verdicts.options[-1][1]),
        "order": types(table._order, table._order.options[3][1]),
        "next": press(table, "page next"),
        "nothing": press(table, "open 99"),
    }
    told |= {f"fleet: {name}": lines for name, lines in _changed(table, steps).items()}
    told["fleet: says"] = [repr(table), *table.shown, *markup(str(table.static("f")))[1:]]
    table.close()
    triage = rm.Triage(fleet.assessed(), {"release-after-a-gap": fleet.PROFILE}, workload="release-after-a-gap")
    begin = timeline.ms(BEGIN)
    chart, named = triage._chart, re.findall(r'data-rm-send="(zoom [^"]+)"', triage._heap.value)
    steps = {
        "part": sets(triage, last_ms=24 * 3_600_000),
        "judged": sets(triage, last_ms=0, judged=(begin + 31 * 3_600_000, begin + 49 * 3_600_000)),
        "all": press(triage, "", "escape"),
        "zoomed": press(triage, named[1]),
        "whole": press(triage, "tree", "escape"),
        "near": lambda: setattr(chart, "shown", [begin + 30 * 3_600_000, begin + 33 * 3_600_000]),
        "selecting": types(triage._drags, "judge"),
        "selected": lambda: setattr(chart, "selection", [begin + 20 * 3_600_000, begin + 40 * 3_600_000]),
        "from": types(triage._from, "2026-11-16 12:00"),
        "no time": types(triage._to, "soon"),
        "to": types(triage._to, "2026-11-17 18:00:30"),
        "judged again": triage._judge.click,
        "undone": triage._undo.click,
        "searched": types(triage._search, "quick"),
        "pods": sets(triage, workload="heap-leak"),
        "other pod": lambda: setattr(triage, "pod", triage._pods.options[-1][1]),
        "killed": sets(triage, workload="killed-climbs"),
        "unknown": sets(triage, workload="nothing like it"),
    }
    told |= {f"triage: {name}": lines for name, lines in _changed(triage, steps).items()}
    told["triage: says"] = [repr(triage), *(_IDENT.sub("", one) for one in markup(str(triage.static()))[1::6])]
    triage.close()
    explorer = rm.LimitExplorer(fleet.assessed(), "start-and-bursts", samples_from=fleet.recording(), currency="EUR")
    steps = {
        "lower": sets(explorer, limit_bytes=200 * MI),
        "startup": sets(explorer, startup_bytes=100.0 * MI, spread_seconds=900.0),
        "traffic": sets(explorer, traffic=1.5),
        "prices": sets(explorer, price_per_gib_hour=0.01, price_per_incident=5.0, reserve_limit=False),
        "reset": explorer.reset,
        "pods": sets(explorer, workload="days-and-nights", limit_bytes=250 * MI),
        "threads": sets(explorer, workload="thread-stacks", threads=20),
        "grows": sets(explorer, workload="late-and-young", limit_bytes=400 * MI),
        "killed": sets(explorer, workload="killed-climbs"),
        "few": sets(explorer, workload="few-samples"),
        "starting": sets(explorer, workload="killed-while-starting"),
        "no limit": sets(explorer, workload="outside-the-allocator"),
        "searched": types(explorer._search, "held"),
        "slid": types(explorer._limit.slider, 300.0),
        "numbered": types(explorer._sliders["traffic"].number, 1.25),
        "used": types(explorer._whole, value=False),
        "preset": lambda: setattr(explorer._presets, "value", explorer._presets.options[-1][1]),
        "pressed": explorer._reset.click,
    }
    told |= {f"explorer: {name}": lines for name, lines in _changed(explorer, steps).items()}
    told["explorer: says"] = [repr(explorer)]
    explorer.close()
    some = fleet.recording().filter(workload=["few-samples", "quick-flutter"])
    both = rm.Fleet(rm.assess(some, now=fleet.NOW))
    steps = {name: sets(both, view=name) for name in ("triage", "limits", "fleet")}
    steps |= {"opened": press(both, "open 1"), "back": press(both, "", "escape")}
    told |= {f"all: {name}": lines[::4] for name, lines in _changed(both, steps).items()}
    both.close()
    return told


def axes() -> dict[str, list[Any]]:
    """Where ticks stand and what they say, how scales go there and back, and where labels are pushed to."""
    start = timeline.ms(BEGIN)
    day = 86_400_000
    spans = (9_000, 400_000, 2 * 3_600_000, day // 2, day, 3 * day, 9 * day, 40 * day, 300 * day)
    scales = [_plot.Scale(16.0, 4096.0, 40.0, 360.0, grows) for grows in _plot.Grows]
    values = (16.0, 20.0, 100.0, 1000.0, 4096.0, 5000.0)
    wanted: tuple[list[int], ...] = ([], [5], [5, 6, 7], [0, 50, 52, 100], [90, 95, 99, 100], [-9, 3, 40, 41, 42, 200])
    boxes = [
        _plot.text_box(30, 20, "ab W", anchor, bold=bold)
        for anchor in ("start", "middle", "end")
        for bold in (False, True)
    ]
    return {
        "memory": [_plot.memory_ticks(top) for top in (0, 1, 500, 1e5, 3e6, 2.6e8, 3e9, 4.2e10)],
        "limit": [
            _plot.limit_ticks(low * MI, high * MI, 400, 80, doubled=False)
            for low, high in ((1, 2), (100, 164), (64, 8192))
        ],
        "doubled": [
            _plot.limit_ticks(low * MI, high * MI, 300, 70, doubled=True) for low, high in ((1, 9), (1, 16), (5, 9000))
        ],
        "chance": [_plot.CHANCE_TICKS],
        "money": [[_plot.money_step(top), _plot.money_ticks(top)] for top in (0.003, 0.9, 4.4, 18, 99, 1234, 56_789)],
        "heap time": [heap._timed(3.0, 3.0 + seconds) for seconds in (0.1, 1, 8, 17, 70, 400, 4000, 90_000, 1e6)],
        "heap events": [heap._counted(0.5, most) for most in (3, 60, 12_345)],
        "time": [
            _plot.time_ticks(start + 12_345, start + 12_345 + span, width) for span in spans for width in (300, 900)
        ],
        "age": [list(_plot.age_ticks(end)) for end in (1e4, 1e5, 2e6, 4e7, 2e8, 9e9)],
        "count": [_plot.count_step(most, ticks) for most in (1, 9, 17, 40, 333, 12_345, 5e7) for ticks in (4, 8)],
        "scale": [
            [round(scale.at(value), 3), round(scale.back(scale.at(value)), 3)] for scale in scales for value in values
        ],
        "spread": [[round(place, 2) for place in _plot.spread(list(map(float, one)), 12, 0, 100)] for one in wanted],
        "boxes": [[round(edge, 2) for edge in box] for box in boxes],
        "widths": [[sign, round(_plot.text_width(sign), 2)] for sign in (*map(chr, range(32, 127)), *"éя’…→界가")],
        "overlaps": [[one.overlaps(other), one.holds(other)] for one in boxes[:3] for other in boxes],
        "stretches": [
            _plot.stretches(np.array(times), np.array(life))
            for times, life in (
                ([0, 1, 2, 9, 10], [0] * 5),
                ([0, 1, 2, 3], [0, 0, 1, 1]),
                ([0, 1, 2, 5, 6], [0] * 5),
                ([], []),
            )
        ],
        "thin": [
            _plot.thin(np.arange(200) * 5, (np.arange(200) * 7 % 31).astype(float), 0, 1000, bins)[0].tolist()[:40]
            for bins in (5, 20, 200)
        ],
    }


PARTS: Final = (page, long, words, pictures, axes, notebook, heaps, boards, by_lot.rows, by_lot.plots)


if __name__ == "__main__":
    for part in PARTS:
        write(FOLDER / f"{part.__name__}.json", part())
    form = json.dumps(timeline_form.form().to_dict(), separators=(",", ":"), sort_keys=True)
    (ASSETS / _plot_vega.SPEC).write_text(f"{form}\n", encoding="utf-8")
