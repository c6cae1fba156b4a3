"""The section on the data itself: how complete it is, what was left out, what was doubted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._html import folded, table
from rmtoolkit.views import summary
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.report.card import SHOWN_NAME

if TYPE_CHECKING:
    from rmtoolkit.analysis.judge import Judgement
    from rmtoolkit.views.report.contents import Contents

_SHOWN_SOURCES: Final = 12
_SHOWN_NAMES: Final = 20
_SHOWN_FINDINGS: Final = 40
_OPEN_FINDINGS: Final = 6
#: Workloads with less of their samples than this are named.
_COMPLETE: Final = 0.95


def quality(contents: Contents) -> Markup:
    """Write the section."""
    week = contents.week
    report = week.judgement.recording.report
    complete = text.share(summary.coverage(week.judgement.completeness))
    containers = text.count(week.judgement.completeness.height, "container")
    few = sorted(
        (entry for entry in contents.entries if (entry.row["coverage"] or 1.0) < _COMPLETE),
        key=lambda entry: (entry.row["coverage"], entry.at),
    )
    inferred = [entry for entry in contents.entries if entry.row["workload_inferred"]]
    sources = _sources(report.sources)
    more = f" and {len(sources) - _SHOWN_SOURCES:,} more" if len(sources) > _SHOWN_SOURCES else ""
    least = [f"{entry.name} {text.share(entry.row['coverage'])}" for entry in few]
    judged = f"{len(contents.entries):,}"
    entries: list[tuple[str, object]] = [
        (
            "Covers",
            f"{judged} of {judged} workloads read" + ("; see what was left out below" if report.partial else ""),
        ),
        ("Coverage", f"{complete}, {week.judgement.completeness['samples'].sum():,} samples of {containers}"),
        ("Least complete", _first(least)),
        ("Gaps", _gaps(contents)),
        ("Names inferred from pods", _first([entry.name for entry in inferred])),
        ("Read from", ", ".join(sources[:_SHOWN_SOURCES]) + more),
        ("Times", text.printable(report.time_axis)),
    ]
    notes = [text.printable(note) for note in report.notes()]
    entries.append(
        (
            "Not used, not found, assumed",
            el("ul", *(el("li", note) for note in notes), class_="plain") if notes else "nothing",
        ),
    )
    return el(
        "section",
        el("h2", "Data quality", id="section-quality"),
        el("dl", *(part for label, value in entries if value for part in (el("dt", label), el("dd", value)))),
        _findings(week.judgement),
        class_="data",
    )


def _first(names: list[str]) -> str:
    """Name the first of many."""
    shown = ", ".join(summary.shortened(name, SHOWN_NAME) for name in names[:_SHOWN_NAMES])
    return shown + (f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else "")


def _gaps(contents: Contents) -> str:
    """Count stretches without samples, as the lives that ended in one tell."""
    ended = contents.week.judgement.lives.filter(pl.col("ended") == "gap")
    if not ended.height:
        return ""
    hidden = text.count(ended["container_id"].n_unique(), "container")
    return (
        f"{text.count(ended.height, 'stretch', 'stretches')} without samples in {hidden}, too long to say what happened"
    )


def _sources(found: tuple[str, ...]) -> list[str]:
    """Name what was read; many files of one folder count as the folder."""
    if len(found) <= _SHOWN_SOURCES:
        return [text.printable(source) for source in found]
    folders = Counter(source.rpartition("/")[0] or source for source in found)
    return [
        text.printable(folder) + (f" ({text.count(amount, 'file')})" if amount > 1 else "")
        for folder, amount in folders.items()
    ]


def _findings(judgement: Judgement) -> Markup | None:
    """List what cannot be true in the data, as `validate` found it."""
    findings = judgement.findings
    if not findings.height:
        return None
    rows = [
        (
            _name(row),
            text.SIGNAL_WORDS.get(row["signal"] or "", text.printable(row["signal"])),
            text.printable(row["detail"]),
            "not used" if row["rejected"] else "used",
        )
        for row in findings.head(_SHOWN_FINDINGS).iter_rows(named=True)
    ]
    heads = (("Workload", ""), ("Signal", ""), ("What cannot be right", ""), ("As evidence", ""))
    more = findings.height - _SHOWN_FINDINGS
    rejected = findings.filter(pl.col("rejected")).height
    return folded(
        "Doubtful values",
        f"{findings.height:,}, {rejected:,} not used as evidence",
        table(heads, rows, named=True),
        el("p", f"and {more:,} more", class_="note") if more > 0 else None,
        opened=findings.height <= _OPEN_FINDINGS,
    )


def _name(row: dict[str, Any]) -> str:
    parts = [text.printable(row[part]) for part in ("namespace", "workload", "pod") if row[part] is not None]
    return "/".join(parts) or text.NOT_APPLICABLE
