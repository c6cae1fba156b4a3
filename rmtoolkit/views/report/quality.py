"""The section on the data itself: how complete it is, what was left out, what was doubted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.views import summary
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from rmtoolkit.analysis.verdict import Judgement

_SHOWN_SOURCES: Final = 12
_SHOWN_FINDINGS: Final = 40
_OPEN_FINDINGS: Final = 6
#: Workloads with less of their samples than this are named.
_COMPLETE: Final = 0.95


def quality(judgement: Judgement, names: list[str], rows: list[dict[str, Any]]) -> Markup:
    """Write the section.

    Parameters
    ----------
    judgement
        What `judge` found.
    names, rows
        The workloads as they are called on the page, and their verdicts.

    Returns
    -------
    Markup
        A section; what there is nothing to say about is left out.

    Examples
    --------
    >>> import polars as pl
    >>> from rmtoolkit.analysis.verdict import judge
    >>> found = judge(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100}))
    >>> "100 %, 100 samples" in quality(found, ["api"], found.verdicts.to_dicts())
    True
    """
    recording = judgement.recording
    report = recording.report
    complete = text.share(summary.coverage(judgement.completeness))
    containers = text.count(recording.containers.height, "container")
    few = [
        f"{name} {text.share(row['coverage'])}"
        for name, row in zip(names, rows, strict=True)
        if row["coverage"] is not None and row["coverage"] < _COMPLETE
    ]
    inferred = [name for name, row in zip(names, rows, strict=True) if row["workload_inferred"]]
    sources = _sources(report.sources)
    more = f" and {len(sources) - _SHOWN_SOURCES:,} more" if len(sources) > _SHOWN_SOURCES else ""
    entries: list[tuple[str, object]] = [
        (
            "Coverage",
            f"{complete}, {judgement.completeness['samples'].sum():,} samples of {containers}",
        ),
        ("Least complete", ", ".join(few)),
        ("Names inferred from pods", ", ".join(inferred)),
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
        el("h2", "Data quality"),
        el("dl", *(part for label, value in entries if value for part in (el("dt", label), el("dd", value)))),
        _findings(judgement),
        class_="data",
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
        el(
            "tr",
            el("th", _name(row), scope="row"),
            el("td", text.SIGNAL_WORDS.get(row["signal"] or "", text.printable(row["signal"]))),
            el("td", text.printable(row["detail"])),
            el("td", "not used" if row["rejected"] else "used"),
        )
        for row in findings.head(_SHOWN_FINDINGS).iter_rows(named=True)
    ]
    heads = ("Workload", "Signal", "What cannot be right", "As evidence")
    more = findings.height - _SHOWN_FINDINGS
    rejected = findings.filter(pl.col("rejected")).height
    return el(
        "details",
        el(
            "summary",
            "Doubtful values ",
            el("span", f"{findings.height:,}, {rejected:,} not used as evidence", class_="note"),
        ),
        el(
            "table",
            el("thead", el("tr", *(el("th", head, scope="col") for head in heads))),
            el("tbody", *rows),
        ),
        el("p", f"and {more:,} more", class_="note") if more > 0 else None,
        open=findings.height <= _OPEN_FINDINGS,
    )


def _name(row: dict[str, Any]) -> str:
    parts = [text.printable(row[part]) for part in ("namespace", "workload", "pod") if row[part] is not None]
    return "/".join(parts) or text.NOT_APPLICABLE
