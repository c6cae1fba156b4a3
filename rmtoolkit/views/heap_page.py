"""What a heap profile answers, as one self-contained page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit._html import table
from rmtoolkit._io import check_target, replacing
from rmtoolkit.analysis.heap_answers import AllocatorAnswer, DiffAnswer, HeapAnswer, spans
from rmtoolkit.analysis.heap_reading import place
from rmtoolkit.views.heap_allocator import allocator_layers, allocator_sizes
from rmtoolkit.views.heap_over_time import heap_over_time
from rmtoolkit.views.heap_terminal import MARKS, SHOWN
from rmtoolkit.views.heap_zoom import SCRIPT, zoomable
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.notebook_style import HEAP_PAGE
from rmtoolkit.views.parts import marked, with_code

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import polars as pl

ENDINGS: Final = (".html",)
_ROWS: Final = 25
_CHURNS: Final = 8
#: A function that holds less than this share, and does not grow, has no row.
_HELD: Final = 1e-3
#: The colour at the side is that of the answer.
_TOKENS: Final = {"grows": "leak", "rests": "ok"}


def page(found: HeapAnswer | DiffAnswer | AllocatorAnswer, *, source: str = "") -> str:
    """Write the whole page."""
    what = "Heap profile"
    if isinstance(found, AllocatorAnswer):
        what = "Statistics of an allocator"
        token, parts = "unsure", _of_allocator(found)
    elif isinstance(found, DiffAnswer):
        what = "Two heap profiles"
        token, parts = "unsure", _of_diff(found)
    else:
        token, parts = _TOKENS.get(found.reading.kind, "unsure"), _of_profile(found)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy()),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", text.printable(found.headline)),
        el("style", HEAP_PAGE),
    )
    said = f"{what}: {text.printable(source)}" if source else what
    body = el(
        "body",
        el(
            "main",
            el("p", said, class_="note"),
            el("h1", text.printable(found.headline)),
            *parts,
            class_=f"rm rm-explanation {token}",
        ),
        el("script", SCRIPT),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def write(found: HeapAnswer | DiffAnswer | AllocatorAnswer, path: str | os.PathLike[str], *, source: str = "") -> Path:
    """Write the page to a file, whole or not at all."""
    check_target(path, ENDINGS)
    with replacing(path, ENDINGS) as part:
        part.write_text(page(found, source=source), encoding="utf-8")
    return Path(path)


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"


def _next(step: str) -> Markup:
    return el("div", el("b", "Next:"), " ", with_code(step), class_="next")


def _facts(facts: Sequence[tuple[str, str, str]]) -> Markup:
    return el(
        "dl",
        *(
            el("div", el("dt", name), el("dd", value, class_="fact"), el("dd", note, class_="note"))
            for name, value, note in facts
        ),
        class_="facts",
    )


def _of_profile(found: HeapAnswer) -> list[Markup | None]:
    heap, summary = found.heap, found.heap.summary
    facts = []
    if summary.peak_bytes is not None:
        when = "" if summary.peak_time_seconds is None else f"after {text.hours(summary.peak_time_seconds / 3600)}"
        facts.append(("Peak", text.memory(summary.peak_bytes), when))
    if summary.live_at_end_bytes is not None:
        facts.append(("Live at the end", text.memory(summary.live_at_end_bytes), "that alone is no leak"))
    if found.reading.kind in ("grows", "rests"):
        rate = found.reading.growth_bytes_per_second
        value = (
            f"{text.small_memory(rate)}/s"
            if rate
            else "none"
            if not found.reading.growth_bytes
            else text.memory(found.reading.growth_bytes)
        )
        facts.append(("Steady growth", value, f"{text.memory(found.reading.growth_bytes)} after startup"))
    if summary.rss_peak_bytes is not None:
        facts.append(("Resident at most", text.memory(summary.rss_peak_bytes), "with the recorder"))
    if summary.temporary is not None and summary.allocations:
        bound = "" if summary.temporary_exact else "at most "
        part = text.chance(summary.temporary / summary.allocations)
        facts.append(("Temporary", f"{bound}{part}", f"of {summary.allocations:,} allocations"))
    blind = found.reading.kind == "blind"
    return [
        el("p", text.printable(spans(heap)), class_="reason"),
        _next(found.next_step),
        _facts(facts),
        _section("What the heap holds over time", heap_over_time(heap, found.suspects).svg)
        if heap.growth.height
        else None,
        el("h2", "Which code holds it, and who calls it"),
        zoomable(heap, suspects=found.suspects),
        None if blind or not found.suspects.height else _suspects(found),
        _churn(found) if found.churn.height else None,
        el("h2", "Not in this profile"),
        el("ul", *(el("li", part) for part in (*found.unseen, *heap.report.notes()))),
    ]


def _section(title: str, drawn: Markup) -> Markup:
    return el("section", el("h2", title), el("div", drawn, class_="wide"))


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> Markup:
    """Lay out a table whose first columns are text and whose others are figures."""
    kinds = ["" if at < left - 1 else "code" if at < left else "n" for at in range(len(heads))]
    return el("div", table(list(zip(heads, kinds, strict=True)), rows, caption=caption), class_="wide")


def _suspects(found: HeapAnswer) -> Markup:
    rows = [
        (
            marked(MARKS[row["reading"]]),
            el("span", place(row), el("span", text.printable(row["evidence"]), class_="small")),
            text.NOT_APPLICABLE if not row["growth_bytes"] else text.memory(row["growth_bytes"]),
            text.NOT_APPLICABLE if not row["growth_share"] else text.chance(row["growth_share"]),
            text.memory(row["held_bytes"]),
        )
        for row in _worth_a_row(found).iter_rows(named=True)
    ]
    return _table("By function", ("Reading", "Function of your own code", "Growth", "Share", "Held"), rows, 2)


def _worth_a_row(found: HeapAnswer) -> pl.DataFrame:
    """Keep what grows, and what holds more than next to nothing."""
    table = found.suspects.head(_ROWS)
    least = _HELD * float(table["held_bytes"].sum() or 0)
    return table.filter((table["growth_bytes"].fill_null(0) > 0) | (table["held_bytes"] >= least))


def _churn(found: HeapAnswer) -> Markup:
    total = max(found.heap.summary.allocations or 1, 1)
    rows = [
        (
            place(row),
            f"{row['allocations']:,}",
            text.chance(row["allocations"] / total),
            text.UNKNOWN if row["temporary"] is None else f"{row['temporary']:,}",
            text.UNKNOWN if row["allocated_bytes"] is None else text.memory(row["allocated_bytes"]),
        )
        for row in found.churn.head(_CHURNS).iter_rows(named=True)
    ]
    return _table("Most allocations", ("Function", "Allocations", "Share", "Temporary", "Bytes in all"), rows)


def _of_diff(found: DiffAnswer) -> list[Markup | None]:
    rows = [
        (place(row), *(_change(row, name) for name in SHOWN))
        for row in found.table.iter_rows(named=True)
        if any(row[f"{name}_change"] for name in SHOWN)
    ][:_ROWS]
    through = (
        el("p", "Most of the change comes through ", " → ".join(found.path), ".", class_="note")
        if len(found.path) > 1
        else None
    )
    return [
        el("p", text.printable(f"{spans(found.before)}; then {spans(found.after)}"), class_="reason"),
        el("h2", "Which code changed, and who calls it"),
        zoomable(found.after, by="live_bytes", before=found.before),
        through,
        _table("By function", ("Function", "Live at the end", "At the peak", "Allocations"), rows),
    ]


def _change(row: dict[str, Any], name: str) -> str:
    value = row[f"{name}_change"]
    if value is None:
        return text.UNKNOWN
    if not value:
        return text.NOT_APPLICABLE
    size = text.memory(abs(value)) if name.endswith("_bytes") else f"{abs(value):,}"
    return f"{'+' if value > 0 else '−'}{size}"


def _of_allocator(found: AllocatorAnswer) -> list[Markup | None]:
    limits = found.limit_as_it_is_bytes, found.limit_if_purged_bytes
    notes = ("a tenth above the most that was resident", "the same, if the allocator gave back what it could")
    facts = [
        ("Kept pages", text.memory(found.kept_bytes), "freed, and not given back"),
        ("Gaps", text.memory(found.gaps_bytes), "between live blocks: no setting gives them back"),
        *(
            (name, text.configured(limit, known=limit is not None), note)
            for name, limit, note in zip(("Limit as it is", "Limit if purged"), limits, notes, strict=True)
        ),
    ]
    return [
        _next(found.next_step),
        _facts(facts),
        _section("Layers", allocator_layers(found).svg),
        _section("Sizes of blocks with gaps", allocator_sizes(found).svg) if found.sizes.height else None,
    ]
