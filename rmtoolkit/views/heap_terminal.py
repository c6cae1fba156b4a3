"""What a heap profile answers, for a terminal, a log or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from rmtoolkit import text
from rmtoolkit.analysis.heap_answers import OF_ARENA, AllocatorAnswer, DiffAnswer, HeapAnswer, place, spans
from rmtoolkit.schema import Report

MARKS: Final = text.marks("heap")
#: Amounts whose change is shown.
SHOWN: Final = ("live_bytes", "peak_bytes", "allocations")
_PLAIN: Final = text.Pen()
_MOST: Final = 6
#: Less room beside figures is no room for a name.
_LEAST: Final = 16
#: In ASCII these must not take more room than in Unicode.
_NARROW: Final = str.maketrans({"…": "~", "→": ">"})


def answer(found: HeapAnswer, *, source: str = "", pen: text.Pen = _PLAIN) -> str:
    width = pen.width
    said = [pen.style("bold", line) for line in text.wrapped(found.headline, width)]
    lines = [*said, *_about(source, spans(found.heap), width)]
    told = (fact for fact in found.heap.summary.lines() if fact[0] != "recorded")
    lines += _listed([(what, _said(what, said, found)) for what, said in told], width)
    rows = list(found.suspects.head(_MOST).iter_rows(named=True))
    if rows and found.reading.kind != "blind":
        lines += ["", *_suspects(rows, found, pen)]
        lines += _rest(found.suspects.height - len(rows))
    lines += _churn(found, width)
    lines += ["", *text.wrapped("Not in this profile: " + "; ".join(found.unseen) + ".", width)]
    lines += [*_notes(found.heap.report, width), *_next(found.next_step, width)]
    return _body(lines, pen)


def changes(found: DiffAnswer, *, source: str = "", pen: text.Pen = _PLAIN) -> str:
    old, new, width = found.before.summary, found.after.summary, pen.width
    before, after = spans(found.before), spans(found.after)
    both = f"{before}; then {after.split(', ', 1)[-1]}" if old.command == new.command else f"{before} → {after}"
    lines = [*text.wrapped(found.headline, width), *_about(source, both if after != before else before, width)]
    sums = [("live at the end", old.live_at_end_bytes, new.live_at_end_bytes), ("peak", old.peak_bytes, new.peak_bytes)]
    lines += _listed(
        [
            (what, f"{_arrow(one, other)} ({text.change(other - one) if other != one else 'no change'})")
            for what, one, other in sums
            if one is not None and other is not None
        ],
        width,
    )
    changed = changed_rows(found)
    rows = changed[: _MOST * 2]
    if rows:
        cells = [
            (
                text.change(row["live_bytes_change"]),
                _arrow(row["live_bytes_before"], row["live_bytes_after"]),
                text.change(row["peak_bytes_change"]),
                text.change(row["allocations_change"], counted=True),
            )
            for row in rows
        ]
        heads = ("LIVE", "BEFORE → AFTER", "PEAK", "ALLOCATIONS")
        lines += ["", *chain(*columns(heads, cells, [place(row) for row in rows], width))]
        if (path := " → ".join(found.path)) not in found.headline:
            lines += ["", *text.wrapped(f"Most of the change comes through {path}.", width)]
        lines += _rest(len(changed) - len(rows))
    return _body(lines, pen)


def changed_rows(found: DiffAnswer) -> list[dict[str, Any]]:
    return [row for row in found.table.iter_rows(named=True) if any(row[f"{name}_change"] for name in SHOWN)]


def allocator(found: AllocatorAnswer, *, source: str = "", pen: text.Pen = _PLAIN) -> str:
    totals, width = found.allocator.totals, pen.width
    lines = text.wrapped(found.headline, width)
    lines += _about(source, text.count(totals.height, "document") + ", the last one:", width)
    if found.last:
        held = found.last | {"muzzy_bytes": found.last["muzzy_bytes"] or None}
        told = ((*names, held[column]) for column, names in text.texts("views/heap")["allocator"].items())
        facts = [(name, f"{text.memory(size):>9}  {said}") for name, said, size in told if size is not None]
        lines += _listed(facts, width, more=11)
    if found.limit_as_it_is_bytes is not None:
        most = f"the most of {text.count(totals.height, 'document')}" if totals.height > 1 else "this document"
        purged = found.limit_if_purged_bytes
        said = f"Limit as it is {text.configured(found.limit_as_it_is_bytes)}"
        said += "" if purged is None else f", if purged {text.configured(purged)}"
        room = f"{said}: {most} and a tenth of room; memory outside the allocator comes on top."
        lines += ["", *text.wrapped(room, width)]
    if found.arenas.height > 1:
        rows = found.arenas.head(_MOST).to_dicts()
        heads = ("LIVE", "GAPS", "KEPT", "METADATA")
        cells = [[text.memory(row[name]) for name in OF_ARENA] for row in rows]
        threads = ["" if row["threads"] is None else f" ({text.count(row['threads'], 'thread')})" for row in rows]
        names = [f"{row['arena']}{with_}" for row, with_ in zip(rows, threads, strict=True)]
        lines += ["", *chain(*columns(heads, cells, names, width, name="ARENA"))]
    # A size whose gaps are less than this share of what is resident is not worth a line.
    least = 0.002 * (found.last.get("resident_bytes") or 0)
    rows = [row for row in found.sizes.head(_MOST).to_dicts() if (row["fragmentation_bytes"] or 0) > least]
    if rows:
        heads = ("LIVE", "GAPS", "USED", "PARTIAL SLABS")
        slabs = ((row["partial_slabs"], row["slabs"]) for row in rows)
        partial = [text.UNKNOWN if None in both else "{:,} of {:,}".format(*both) for both in slabs]
        cells = [
            [text.memory(row["live_bytes"]), text.memory(row["fragmentation_bytes"]), text.share(row["used"]), some]
            for row, some in zip(rows, partial, strict=True)
        ]
        sizes = [text.block_size(row["size_bytes"]) for row in rows]
        lines += ["", *chain(*columns(heads, cells, sizes, width, name="BLOCKS OF"))]
    lines += [*_notes(found.allocator.report, width), "", *_next(found.next_step, width)]
    return _body(lines, pen)


def _body(lines: list[str], pen: text.Pen) -> str:
    return pen.body(lines if pen.unicode else [line.translate(_NARROW) for line in lines])


def _listed(facts: Sequence[tuple[str, str]], width: int, more: int = 0) -> list[str]:
    """List facts behind what they are of; what goes on in the next line stands below its beginning."""
    first = max((len(what) for what, _ in facts), default=0)
    told = (
        text.wrapped(f"{what.ljust(first)}  {said}", width, indent=" " * (first + 2 + more)) for what, said in facts
    )
    return ["", *chain(*told)] if facts else []


def _rest(left: int) -> list[str]:
    return [f"and {text.count(left, 'function')} more: -o FILE.csv"] if left else []


def _notes(report: Report, width: int) -> list[str]:
    return [part for note in report.notes() for part in text.wrapped(f"Note: {note}.", width)]


def _next(step: str, width: int) -> list[str]:
    return text.wrapped(f"Next: {step[:1].lower()}{step[1:]}", width)


def _about(source: str, spans_: str, width: int) -> list[str]:
    return text.wrapped((f"{text.printable(source)}: " if source else "") + spans_, width)


def _said(what: str, said: str, found: HeapAnswer) -> str:
    summary = found.heap.summary
    if what == "live at the end" and summary.live_at_end_bytes:
        return f"{said}; that alone is no leak"
    if what == "temporary" and summary.allocations and summary.temporary:
        part = text.chance(summary.temporary / summary.allocations)
        return f"{said}, {part} of all: freed before anything else happened"
    if what == "allocations" and summary.allocated_bytes is not None:
        return f"{said} of {text.memory(summary.allocated_bytes)} in all"
    return said


def _suspects(rows: list[dict[str, Any]], found: HeapAnswer, pen: text.Pen) -> list[str]:
    length, unit = text.pace_unit(found.reading.seconds)
    writers: dict[str, Callable[[dict[str, Any]], str]] = {
        "GROWTH": lambda row: text.known(text.memory, row["growth_bytes"] or None),
        unit.upper(): lambda row: text.known(text.small_memory, length * (row["growth_bytes_per_second"] or 0) or None),
        "SHARE": lambda row: text.known(text.share, row["growth_share"] or None),
        "HELD": lambda row: text.memory(row["held_bytes"]),
        "AT THE END": lambda row: text.memory(row["live_at_end_bytes"]),
    }
    if found.heap.summary.live_at_end_bytes is None:
        del writers["AT THE END"]
    told = {head: [write(row) for row in rows] for head, write in writers.items()}
    # What is known of none of them has no column.
    known = [head for head, cells in told.items() if {*cells} != {text.NOT_APPLICABLE}]
    heads = ["HELD"] if found.reading.kind == "picture" else known
    cells = list(zip(*(told[head] for head in heads), strict=True))
    marks = [MARKS[row["reading"]] for row in rows]
    shown = [pen.marked(mark, mark.word) for mark in marks]
    first = max(len("READING"), *map(len, shown))
    (head, *under), *body = columns(heads, cells, [place(row) for row in rows], pen.width, before=first + 2)
    lines = [f"{'READING'.ljust(first)}{text.GAP}{head}", *under]
    for at, (line, *below) in enumerate(body):
        label = pen.style(marks[at].token, shown[at]) + " " * (first - len(shown[at]))
        lines += [f"{label}{text.GAP}{line}", *below]
        if not at and len(found.path) > 1:
            path = " → ".join(text.shortened(name, 60) for name in found.path)
            parts = text.wrapped(f"through {path}", pen.width - first - 2, indent="  ")
            lines += [" " * (first + 2) + part for part in parts]
    return lines


def _churn(found: HeapAnswer, width: int) -> list[str]:
    total = found.heap.summary.allocations or 0
    most = found.churn.head(3)
    # A function that makes less than this share of all allocations is not worth a line.
    rows = most.filter(most["allocations"] >= 0.05 * total).to_dicts() if total else []
    exact = found.heap.summary.temporary_exact
    lines = ["", "Most allocations:"] if rows else []
    for row in rows:
        said = f"{row['allocations']:>13,}  {text.chance(row['allocations'] / total):>6}"
        part = row["temporary_share"]
        short = "" if not part else f", {text.share_up_to(part, exact=exact)} temporary"
        lines += [f"{said}  {fitting(place(row) + short, width - len(said) - 2)}"]
    return lines


def _arrow(before: int | None, after: int | None) -> str:
    return text.UNKNOWN if before is None or after is None else f"{text.memory(before)} → {text.memory(after)}"


def columns(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    names: Sequence[str],
    width: int,
    *,
    name: str = "FUNCTION",
    before: int = 0,
) -> list[list[str]]:
    """Put names behind their figures, or below where no room is left; so much stands before the figures."""
    lines = text.aligned([heads, *rows])
    left = width - before - len(lines[0]) - len(text.GAP)
    both = zip(lines, [name, *names], strict=True)
    if left >= _LEAST:
        return [[f"{line}{text.GAP}{fitting(whose, left)}"] for line, whose in both]
    return [[line, f"{text.GAP}{fitting(whose, width - len(text.GAP))}"] for line, whose in both]


def fitting(name: str, room: int) -> str:
    """Keep the end of a long path: the function says more than the crate."""
    return name if len(name) <= room else "…" + name[-(room - 1) :]
