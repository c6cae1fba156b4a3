"""What a heap profile answers, as one self-contained page, and what the heap held over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, breakable, document, el, table, with_code
from rmtoolkit._io import write_whole
from rmtoolkit.analysis.heap_answers import (
    OF_ARENA,
    AllocatorAnswer,
    DiffAnswer,
    HeapAnswer,
    answer,
    answer_allocator,
    answer_diff,
    place,
    spans,
)
from rmtoolkit.heap._names import spoken
from rmtoolkit.heap.profile import HeapProfile
from rmtoolkit.heap.suspects import OTHERS, over_time
from rmtoolkit.views import _plot
from rmtoolkit.views._plot_svg import note, picture
from rmtoolkit.views._tables import fact, marked
from rmtoolkit.views._tables import write as write_rows
from rmtoolkit.views.heap_terminal import MARKS, SHOWN, changed_rows
from rmtoolkit.views.icicle import COMPARED, LETTER, SCRIPT, fitting, shorter, zoomable
from rmtoolkit.views.style import HEAP_PAGE

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from rmtoolkit.heap.allocator import Allocator
    from rmtoolkit.views._tables import Column

WIDTH: Final = 1080
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BASE = 62, WIDTH - 262, 30, HEIGHT - 40
#: The largest is the lightest, so that the picture is no wall; what grows has the colour of alarm instead.
_FILLS: Final = ("kept", "slack", "whole", "live")
#: What grows is this share of all growth at least.
_GROWS: Final = 0.02
_STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
_TICKS: Final = 8
#: Fewer samples of resident memory make no line.
_FEWEST: Final = 2

_STYLE: Final = "max-width:100%;height:auto;display:block"
#: Where bars of an allocator begin and end, px.
_BARS, _BARS_END = 150, WIDTH - 20
_ARENAS: Final = 8
#: Layers from used to given back on demand, and what they are called.
LAYERS: Final = {"live": "live heap", "slack": "gaps between live blocks", "kept": "kept pages", "whole": "metadata"}
ENDINGS: Final = (".html",)
_ROWS: Final = 25
_SUSPECTS: Final[Sequence[Column]] = (
    ("Reading", "", lambda row: marked(MARKS[row["reading"]])),
    (
        "Function of your own code",
        "code",
        lambda row: el("span", breakable(place(row)), el("span", text.printable(row["evidence"]), class_="small")),
    ),
    ("Growth", "n", lambda row: text.known(text.memory, row["growth_bytes"] or None)),
    ("Share", "n", lambda row: text.known(text.share, row["growth_share"] or None)),
    ("Held", "n", lambda row: text.memory(row["held_bytes"])),
)


def plot_over_time(heap: HeapProfile, suspects: pl.DataFrame) -> tuple[_plot.Plot, str] | None:
    """Plot what the heap holds by function, what grows at the bottom, and say it; None where no time is known."""
    table = over_time(heap)
    if not table.height:
        return None
    curves = table.partition_by("function", maintain_order=True)
    known = {curve["function"][0]: curve["live_bytes"].to_numpy().astype(np.float64) for curve in curves}
    first = curves[0]
    timed = first["time_seconds"].null_count() == 0
    clock = (first["time_seconds"] if timed else first["step"] + 1).to_numpy().astype(np.float64)
    # Time begins with the program, whenever the first stamp came.
    begin, end = (0.0 if timed else float(clock[0])), float(clock[-1])
    resident = _resident(heap, end) if timed else None
    grows = set(suspects.filter(pl.col("growth_share") >= _GROWS, reading="grows")["function"])
    top = float(np.sum([*known.values()], axis=0).max())
    # What grows stands below, the largest of the others next; what is too small to see goes to everything else.
    names = [name for name in known if name in grows]
    # What never holds this share of the top is not worth a colour, unless it grows.
    seen = [name for name, level in known.items() if name not in (*grows, OTHERS) and level.max() >= 0.01 * top]
    names += sorted(seen, key=lambda name: -known[name][-1])
    parts = [known.pop(name) for name in names]
    if known:
        names, parts = [*names, OTHERS], [*parts, np.sum([*known.values()], axis=0)]
    levels = np.array(parts)
    top = max(top, float(resident[1].max()) if resident is not None else 0.0, 1.0)

    across, up = _plot.Scale(begin, max(end, begin + 1e-9), _LEFT, _RIGHT), _plot.Scale(0, top, _BASE, _TOP)
    plot = _plot.Plot(across, up, _plot.Box(0, 0, WIDTH, HEIGHT))
    plot.left_axis(_plot.memory_ticks(top))
    plot.bottom_axis(_timed(begin, end) if timed else _counted(begin, end), marks=False)
    below = "since the recording began" if timed else "snapshots, in the order in which they were taken"
    plot.write(_RIGHT, _BASE + 34, "end", below, "note")
    calm, alarms = iter(_FILLS), iter(("alarm", "alarm-faint"))
    looks = ["cache" if name == OTHERS else next(alarms if name in grows else calm, "whole") for name in names]
    edges = [((clock, edge),) for edge in levels.cumsum(axis=0)]
    for at, (look, edge) in enumerate(zip(looks, edges, strict=True)):
        plot.add(_plot.Area(look, edge, edges[at - 1] if at else None))
    if resident is not None:
        plot.add(_plot.Line("wide-halo", (resident,)), _plot.Line("line", (resident,)))
    _name(plot, names, looks, levels, resident)
    when, most = heap.summary.peak_time_seconds, heap.summary.peak_bytes
    if timed and when is not None and most is not None and plot.x.low <= when <= plot.x.high:
        plot.add(_plot.Point("event", when, most))
        x, written = plot.x.at(when), f"peak {text.memory(most)} after {text.hours(when / 3600)}"
        plot.write(x, plot.y.at(most) + 19, "end" if x > (_LEFT + _RIGHT) / 2 else "start", written, "strong")
    whole = levels.sum(axis=0)
    said = f"Live heap over time: {text.memory(whole[0])} at first, {text.memory(whole[-1])} at the end"
    if heap.summary.peak_bytes is not None:
        said += f", at most {text.memory(heap.summary.peak_bytes)}"
    told = [
        f"{text.printable(spoken(name))} {'grows' if name in grows else 'goes'} from {text.memory(level[0])} to "
        f"{text.memory(level[-1])}"
        for name, level in zip(names[:2], levels[:2], strict=True)
    ]
    return plot, f"{said}; {', '.join(told)}"


def _resident(heap: HeapProfile, end: float) -> _plot.Piece | None:
    known = heap.timeline.drop_nulls(["time_seconds", "rss_bytes"]).sort("time_seconds")
    known = known.filter(known["time_seconds"].is_between(0, end))
    if known.height < _FEWEST:
        return None
    times, values = (known["time_seconds"] * 1000).round().cast(int).to_numpy(), known["rss_bytes"].cast(pl.Float64)
    times, kept = _plot.thin(times, values.to_numpy(), int(times[0]), int(times[-1]), 240)
    return times / 1000, kept


def _timed(begin: float, end: float) -> _plot.Ticks:
    span = end - begin
    step = next((step for step in _STEPS if span / step <= _TICKS), span / _TICKS)
    ticks = range(math.ceil(begin / step), math.floor(end / step + 1e-9) + 1)
    return [(tick * step, text.hours(tick * step / 3600) if tick else "0") for tick in ticks]


def _counted(begin: float, end: float) -> _plot.Ticks:
    step = _plot.count_step(end - begin, _TICKS)
    return [(at, f"{at:,}") for at in range(math.ceil(begin / step) * step, math.floor(end) + 1, step)]


def _name(
    plot: _plot.Plot, names: list[str], looks: list[str], levels: _plot.Floats, resident: _plot.Piece | None
) -> None:
    upper = levels[:, -1].cumsum()
    told: list[tuple[float, str, str]] = []
    for name, look, top, level in zip(names, looks, upper, levels[:, -1], strict=True):
        size = f" {text.memory(level)}"
        shown = fitting(shorter(spoken(name)), 240 - LETTER * len(size)) + size
        told.append((plot.y.at(top - level / 2), look, shown))
    if resident is not None:
        told.append((plot.y.at(resident[1][-1]), "", f"resident {text.memory(resident[1][-1])}"))
    told.sort()
    x = _RIGHT + 12
    for y, (_, look, shown) in zip(_plot.spread([y for y, *_ in told], 17, _TOP, _BASE), told, strict=True):
        grows = look.startswith("alarm")
        kind = "alarm" if grows else "" if look in ("", "cache") else "plain"
        if look:
            plot.write(x, y + 4, "start", f"{'▲ ' if grows else ''}{shown}", kind, swatch=look)
        else:
            height = plot.y.back(y)
            plot.add(_plot.Rule("line", plot.x.back(x), plot.x.back(x + 10), height, height))
            plot.write(x + 15, y + 4, "start", shown, "plain")


def allocator_layers(found: AllocatorAnswer) -> Markup:
    if not found.last:
        return note(WIDTH, 40, found.headline.removesuffix("."))
    whole = _layers(found.last)
    several = found.arenas.height > 1
    arenas = list(found.arenas.head(_ARENAS).iter_rows(named=True)) if several else []
    parts = list(map(_layers, arenas))
    top = max(sum(layers.values()) for layers in [whole, *parts])
    plot = _bars(top, _BARS_END)
    plot.write(0, 46, "start", "whole process", "strong")
    _bar(plot, whole, 24, 34)
    x = float(_BARS)
    for kind, amount in whole.items():
        shown = f"{LAYERS[kind]} {text.memory(amount)}"
        plot.write(x, 84, "start", shown, "plain" if kind in ("live", "kept") else "", swatch=kind)
        x += 16 + _plot.text_width(shown) + 22
    y = 98
    if arenas:
        plot.write(0, 118, "start", "arenas", "strong")
        y = 128
    for row, layers in zip(arenas, parts, strict=True):
        threads = "" if row["threads"] is None else f", {text.count(row['threads'], 'thread')}"
        plot.write(0, y + 13, "start", f"{text.printable(row['arena'])}{threads}")
        _bar(plot, layers, y, 18)
        y += 24
    hidden = found.arenas.height - _ARENAS if several else 0
    if hidden > 0:
        plot.write(_BARS, y + 12, "start", f"and {text.count(hidden, 'arena')} more with less", "note")
        y += 20
    floor = _plot.Plot(plot.x, _plot.Scale(0, 1, y + 4, y + 3), _plot.Box(0, 0, WIDTH, y + 32))
    floor.bottom_axis(_plot.memory_ticks(top), "note", marks=False)
    told = ", ".join(f"{LAYERS[kind]} {text.memory(amount)}" for kind, amount in whole.items())
    return _shown(y + 32, f"{found.headline} Layers: {told}.", plot, floor)


def allocator_sizes(found: AllocatorAnswer) -> Markup:
    large = found.sizes.head(10).filter(pl.col("fragmentation_bytes") > 0)
    # A size with less than this share of the largest gaps is not drawn.
    rows = large.filter(pl.col("fragmentation_bytes") >= 0.02 * pl.first("fragmentation_bytes")).to_dicts()
    if not rows:
        return note(WIDTH, 40, "No size of block has gaps")
    # Words stand right of the bars.
    plot = _bars(max(row["active_bytes"] or 0 for row in rows), _BARS_END - 300)
    for at, row in enumerate(rows):
        y = 6 + 24 * at
        plot.write(0, y + 13, "start", f"blocks of {text.block_size(row['size_bytes'])}")
        end = _bar(plot, {"live": row["live_bytes"] or 0, "slack": row["fragmentation_bytes"]}, y, 18)
        used = "" if row["used"] is None else f", {text.share(row['used'])} used"
        shown = f"{text.memory(row['fragmentation_bytes'])} in gaps, {text.memory(row['live_bytes'])} live{used}"
        plot.write(plot.x.at(end) + 8, y + 13, "start", shown, "" if at else "plain")
    first = rows[0]
    says = (
        f"Blocks of {text.block_size(first['size_bytes'])} have most of the gaps: "
        f"{text.memory(first['fragmentation_bytes'])} of {text.memory(first['active_bytes'])} on their pages"
    )
    return _shown(12 + 24 * len(rows), says, plot)


def _layers(row: dict[str, Any]) -> dict[str, int]:
    return {kind: row[column] for kind, column in zip(LAYERS, OF_ARENA, strict=True) if row[column]}


def _bars(top: int, right: float) -> _plot.Plot:
    return _plot.Plot(_plot.Scale(0, max(top, 1), _BARS, right), _plot.PX, _plot.Box(0, 0, WIDTH, 0))


def _bar(plot: _plot.Plot, layers: dict[str, int], y: float, height: float) -> int:
    end = 0
    for kind, amount in layers.items():
        least = plot.x.back(plot.x.at(end) + 0.5)
        says = f"{LAYERS[kind]}: {text.memory(amount)}"
        plot.add(_plot.Bar(kind, end, max(end + amount, least), y, y + height, says))
        end += amount
    return end


def _shown(height: float, says: str, *plots: _plot.Plot) -> Markup:
    return picture(WIDTH, height, *plots, says=says, also="rm-heap-bars", style=_STYLE)


def page(found: HeapAnswer | DiffAnswer | AllocatorAnswer, *, source: str = "") -> str:
    kind = ""
    if isinstance(found, AllocatorAnswer):
        what, parts = "Statistics of an allocator", _of_allocator(found)
    elif isinstance(found, DiffAnswer):
        what, parts = "Two heap profiles", _of_diff(found)
    else:
        what, parts, kind = "Heap profile", _of_profile(found), found.reading.kind
    # The colour at the side is that of the answer.
    token = {"grows": "leak", "rests": "ok"}.get(kind, "unsure")
    main = el(
        "main",
        el("p", f"{what}: {text.printable(source)}" if source else what, class_="note"),
        el("h1", text.printable(found.headline)),
        *parts,
        class_=f"rm rm-explanation {token}",
    )
    return document(text.printable(found.headline), HEAP_PAGE, [main], SCRIPT, inline=True)


def write(found: HeapAnswer | DiffAnswer | AllocatorAnswer, path: str | os.PathLike[str], *, source: str = "") -> Path:
    return write_whole(path, page(found, source=source).encode(), ENDINGS)


def report_heap(
    heap: HeapProfile | Allocator, path: str | os.PathLike[str], *, before: HeapProfile | None = None
) -> Path:
    r"""Write what a heap profile, or an allocator's statistics, answer as one HTML page.

    Parameters
    ----------
    heap
        What `rm.read_heap` or `rm.read_allocator` read.
    path
        The page to write, such as heap.html; an existing one is replaced whole.
    before
        An older profile: then the page says what changed since.

    Returns
    -------
    pathlib.Path
        The page: charts, and call trees that zoom and can be searched. It asks for nothing from anywhere.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import rmtoolkit as rm
    >>> log = pathlib.Path(tempfile.mkdtemp(), "api.stats.log")
    >>> _ = log.write_text("Allocated: 3145728, active: 4194304, resident: 8388608\n")
    >>> report_heap(rm.read_allocator(log), log.with_suffix(".html")).name
    'api.stats.html'
    """
    if isinstance(heap, HeapProfile):
        return write(answer(heap) if before is None else answer_diff(before, heap), path)
    return write(answer_allocator(heap), path)


def _next(step: str) -> Markup:
    return el("div", el("b", "Next:"), " ", with_code(step), class_="next")


def _facts(facts: Sequence[tuple[str, str, str]]) -> Markup:
    return el("dl", *(fact(name, value, None, note) for name, value, note in facts), class_="facts")


def _of_profile(found: HeapAnswer) -> list[Markup | None]:
    heap, summary = found.heap, found.heap.summary
    facts = []
    if summary.peak_bytes is not None:
        when = "" if summary.peak_time_seconds is None else f"after {text.hours(summary.peak_time_seconds / 3600)}"
        facts.append(("Peak", text.memory(summary.peak_bytes), when))
    if (live := summary.live_at_end_bytes) is not None:
        facts.append(("Live at the end", text.memory(live), "that alone is no leak" if live else ""))
    if found.reading.kind in ("grows", "fills", "rests"):
        rests = found.reading.kind == "rests"
        grown = found.reading.moved_bytes if rests else found.reading.growth_bytes
        value, after = "none" if rests else found.reading.pace_of(grown), f"{text.memory(grown)} after startup"
        # Where nothing tells the time they are one.
        facts.append(("Steady growth", value, after if value != after else ""))
    if summary.rss_peak_bytes is not None:
        facts.append(("Resident at most", text.memory(summary.rss_peak_bytes), "with the recorder"))
    if summary.temporary is not None and summary.allocations:
        part = text.share_up_to(summary.temporary / summary.allocations, exact=summary.temporary_exact)
        facts.append(("Temporary", part, f"of {summary.allocations:,} allocations"))
    drawn, blind = plot_over_time(heap, found.suspects), found.reading.kind == "blind"
    return [
        el("p", text.printable(spans(heap)), class_="reason"),
        _next(found.next_step),
        _facts(facts),
        _over_time(*drawn) if drawn else None,
        el("h2", "Which code holds it, and who calls it"),
        zoomable(heap, suspects=found.suspects),
        None if blind or not found.suspects.height else _suspects(found),
        _churn(found) if found.churn.height else None,
        el("h2", "Not in this profile"),
        el("ul", *(el("li", part) for part in (*found.unseen, *heap.report.notes()))),
    ]


def _over_time(plot: _plot.Plot, says: str) -> Markup:
    svg = picture(WIDTH, HEIGHT, plot, says=says, style=_STYLE)
    ends = {"data_left": _LEFT, "data_right": _RIGHT, "data_top": _TOP, "data_base": _BASE}
    chart = el("div", svg, class_="wide rm-over-time", **ends, data_begin=plot.x.low, data_end=plot.x.high)
    drag = el("p", "Drag over it to see below what came in that time, and stayed.", class_="note rm-drag")
    return el("section", el("h2", "What the heap holds over time"), chart, drag)


def _section(title: str, drawn: Markup) -> Markup:
    return el("section", el("h2", title), el("div", drawn, class_="wide"))


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    kinds = [(head, "n" if at else "code") for at, head in enumerate(heads)]
    return el("div", table(kinds, rows, caption=caption), class_="wide")


def _suspects(found: HeapAnswer) -> Markup:
    shown = found.suspects.head(_ROWS)
    # A function that holds less than this share, and does not grow, has no row.
    least = 1e-3 * float(shown["held_bytes"].sum() or 0)
    worth = shown.filter((shown["growth_bytes"] > 0) | (shown["held_bytes"] >= least))
    return el("div", write_rows(_SUSPECTS, worth.to_dicts(), caption="By function"), class_="wide")


def _churn(found: HeapAnswer) -> Markup:
    total = max(found.heap.summary.allocations or 1, 1)
    rows = [
        (
            breakable(place(row)),
            f"{row['allocations']:,}",
            text.chance(row["allocations"] / total),
            text.UNKNOWN if row["temporary"] is None else f"{row['temporary']:,}",
            text.memory(row["allocated_bytes"]),
        )
        for row in found.churn.head(8).iter_rows(named=True)
    ]
    return _table("Most allocations", ("Function", "Allocations", "Share", "Temporary", "Bytes in all"), rows)


def _of_diff(found: DiffAnswer) -> list[Markup | None]:
    rows = [
        (breakable(place(row)), *(text.change(row[f"{name}_change"], counted=name == "allocations") for name in SHOWN))
        for row in changed_rows(found)[:_ROWS]
    ]
    path = " → ".join(found.path)
    through = None if path in found.headline else el("p", "Most of the change comes through ", path, ".", class_="note")
    return [
        el("p", text.printable(f"{spans(found.before)}; then {spans(found.after)}"), class_="reason"),
        el("h2", "Which code changed, and who calls it"),
        zoomable(found.after, by=COMPARED, before=found.before),
        through,
        _table("By function", ("Function", "Live at the end", "At the peak", "Allocations"), rows),
    ]


def _of_allocator(found: AllocatorAnswer) -> list[Markup | None]:
    limits = (text.configured(one, known=False) for one in (found.limit_as_it_is_bytes, found.limit_if_purged_bytes))
    facts = [
        ("Kept pages", text.memory(found.last.get("kept_bytes")), "freed, and not given back"),
        ("Gaps", text.memory(found.last.get("fragmentation_bytes")), "between live blocks: no setting gives them back"),
        ("Limit as it is", next(limits), "a tenth above the most that was resident"),
        ("Limit if purged", next(limits), "the same, if the allocator gave back what it could"),
    ]
    return [
        _next(found.next_step),
        _facts(facts),
        _section("Layers", allocator_layers(found)),
        _section("Sizes of blocks with gaps", allocator_sizes(found)) if found.sizes.height else None,
    ]
