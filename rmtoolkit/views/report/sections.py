"""The sections of the report, from the first screen to the quality of the data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, el, folded, join, table, wide
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.limits.week import TARGET
from rmtoolkit.views import charts, summary
from rmtoolkit.views.report import columns
from rmtoolkit.views.report.card import SHOWN_NAME
from rmtoolkit.views.report.columns import bounds, first_sentence, links, whole_name
from rmtoolkit.views.report.contents import is_allocator_bound, is_startup_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rmtoolkit.analysis.judge import Judgement
    from rmtoolkit.views.report.columns import Column
    from rmtoolkit.views.report.contents import Contents, Entry


@dataclass(frozen=True, slots=True)
class Section:
    """One table."""

    key: str
    title: str
    note: str
    choose: Callable[[Contents], list[Entry]]
    columns: tuple[Column, ...]


def _leaks(contents: Contents) -> list[Entry]:
    return [entry for entry in contents.awake if entry.row["verdict"] == "leak"]


def _to_raise(contents: Contents) -> list[Entry]:
    found = [entry for entry in contents.awake if entry.row["action"] in ("raise", "set")]
    return sorted(found, key=lambda entry: (entry.row["action"] == "set", -(entry.row["oom_probability"] or 0.0)))


def _to_lower(contents: Contents) -> list[Entry]:
    found = [entry for entry in contents.awake if entry.row["action"] == "lower"]
    return sorted(found, key=lambda entry: -(entry.spare_bytes or 0))


def _at_risk(contents: Contents) -> list[Entry]:
    """Find what may be killed and is in no other list: no limit can be certified for it, or it may still grow."""
    listed = {entry.at for choose in (_leaks, _to_raise, _undecided) for entry in choose(contents)}
    return [
        entry
        for entry in contents.awake
        if entry.at not in listed and (entry.row["oom_probability"] or 0.0) > TARGET and entry.row["action"] != "lower"
    ]


def _undecided(contents: Contents) -> list[Entry]:
    return [entry for entry in contents.awake if entry.row["verdict"] == "inconclusive"]


def _startup(contents: Contents) -> list[Entry]:
    found = [entry for entry in contents.awake if is_startup_bound(entry.row)]
    return sorted(found, key=lambda entry: -entry.row["startup_peak_bytes"] / max(entry.row["settled_bytes"], 1))


def _allocator(contents: Contents) -> list[Entry]:
    return [entry for entry in contents.awake if entry.row["verdict"] == "not_leak" and is_allocator_bound(entry.row)]


SECTIONS: Final = (
    Section(
        "leak",
        "Leaks",
        "fastest to the limit first",
        _leaks,
        (columns.SPARK, columns.GROWTH, columns.TIME, columns.KILL, columns.PEAK, columns.LEVEL, columns.NEXT),
    ),
    Section(
        "raise",
        "Limits to raise",
        "highest chance of an OOM kill first",
        _to_raise,
        (columns.SPARK, columns.LIMIT, columns.REQUEST, columns.RISK, columns.COST, columns.WHY),
    ),
    Section(
        "lower",
        "Limits to lower",
        "most to give back first",
        _to_lower,
        (columns.SPARK, columns.LIMIT, columns.REQUEST, columns.RISK, columns.SPARE, columns.COST, columns.WHY),
    ),
    Section(
        "risk",
        "Above the target otherwise",
        "no limit can be named for them yet",
        _at_risk,
        (columns.SPARK, columns.KILL, columns.TIME, columns.PEAK, columns.NEXT),
    ),
    Section(
        "startup",
        "Bound by their startup",
        "what starting needs sets the limit",
        _startup,
        (columns.SPARK, columns.STARTUP, columns.SETTLED, columns.PEAK, columns.KILL, columns.NEXT),
    ),
    Section(
        "allocator",
        "Bound by their allocator",
        "freed memory that is kept, or cannot be given back",
        _allocator,
        (columns.SPARK, columns.PATTERN, columns.PEAK, columns.GIVEN_BACK, columns.SETTING),
    ),
    Section(
        "undecided",
        "Not decidable yet",
        "the next measurement is named for each",
        _undecided,
        (columns.SPARK, columns.CHANCE, columns.GROWTH, columns.KILL, columns.PEAK, columns.NEXT),
    ),
)
#: Everything, at the end: what is accepted as well.
ALL: Final = Section(
    "all",
    "All workloads",
    "worst first",
    lambda contents: list(contents.entries),
    (
        columns.VERDICT,
        columns.SPARK,
        columns.KILL,
        columns.TIME,
        columns.GROWTH,
        columns.PEAK,
        columns.SPARE,
        columns.PODS,
    ),
)


def counted(section: Section, amount: int) -> str:
    """Write how many a section has, and their order."""
    return text.count(amount, "workload") + (f", {section.note}" if section.note else "")


_WORDS: Final = {
    "new": ("▲", "New", "leak"),
    "worse": ("▲", "Worse", "leak"),
    "fixed": ("●", "Fixed", "ok"),
    "applied": ("●", "Applied", "ok"),
    "resolved": ("●", "Resolved", "ok"),
}
_SHOWN_CHANGES: Final = 60
_SHOWN_NAMES: Final = 12
_SHOWN_CAPACITY: Final = 60
_SHOWN_PARTIAL: Final = 3


def changed(contents: Contents) -> Markup | None:
    """Write what changed since the week before."""
    if contents.changes is None:
        return None
    known = {tuple(entry.row[part] for part in WORKLOAD): entry for entry in contents.entries}
    told = [
        (row, entry)
        for row in contents.changes.rows.iter_rows(named=True)
        if (entry := known.get(tuple(row[part] for part in WORKLOAD))) is not None and not entry.rests
    ]
    rows = [_change(row, entry) for row, entry in told[:_SHOWN_CHANGES]]
    more = len(told) - _SHOWN_CHANGES
    body: Markup = el("dl", *rows, class_="changes") if rows else el("p", "Nothing changed that is clear.")
    return el(
        "section",
        el("h2", "What changed since last week", id="section-changed"),
        body,
        el("p", f"and {more:,} more", class_="note") if more > 0 else None,
        _came_and_went(contents),
    )


def _change(row: dict[str, Any], entry: Entry) -> Markup:
    shape, word, token = _WORDS[row["kind"]]
    name = summary.shortened(entry.name, SHOWN_NAME)
    return el(
        "div",
        el("dt", charts.mark(shape), word, class_=f"marked {token}"),
        el("dd", el("a", name, href=f"#{entry.anchor}"), " ", row["what"]),
    )


def _came_and_went(contents: Contents) -> Markup | None:
    changes = contents.changes
    if changes is None:
        return None
    words = []
    if changes.appeared:
        words.append(f"{text.count(changes.appeared, 'workload')} {_was(changes.appeared)} not there last week.")
    if changes.gone.height:
        names = [
            "/".join(text.printable(part) for part in row[1:3] if part is not None)
            for row in changes.gone.select(WORKLOAD).head(_SHOWN_NAMES).iter_rows()
        ]
        more = f" and {changes.gone.height - _SHOWN_NAMES:,} more" if changes.gone.height > _SHOWN_NAMES else ""
        gone = text.count(changes.gone.height, "workload")
        words.append(f"{gone} of last week {_was(changes.gone.height)} not seen this week: {', '.join(names)}{more}.")
    return el("p", " ".join(words), class_="note") if words else None


def _was(amount: int) -> str:
    return "was" if amount == 1 else "were"


def failures(contents: Contents) -> Markup | None:
    """Write which of the five questions fail, and for whom."""
    checklist = contents.week.judgement.checklist
    places = {tuple(entry.row[part] for part in WORKLOAD): entry for entry in contents.awake}
    rows = []
    for question in checklist["question"].unique(maintain_order=True):
        mine = checklist.filter(pl.col("question") == question)
        concern = [
            entry
            for row in mine.filter(pl.col("reading") == "concern").select(WORKLOAD).iter_rows()
            if (entry := places.get(row)) is not None
        ]
        concern.sort(key=lambda entry: entry.at)
        unknown = mine.filter(pl.col("reading") == "unknown").height
        fine = mine.filter(pl.col("reading") == "fine").height
        rows.append((question, concern, unknown, fine))
    if not any(concern for _, concern, _, _ in rows):
        return None
    body = [
        (
            question,
            f"{len(concern):,}",
            f"{unknown:,}",
            f"{fine:,}",
            links(concern, _SHOWN_NAMES) if concern else text.NOT_APPLICABLE,
        )
        for question, concern, unknown, fine in rows
    ]
    heads = (("Question", ""), ("▲ concern", "n"), ("◆ unknown", "n"), ("● fine", "n"), ("Concern for", "names"))
    return _plain("checklist", "The five questions", "asked of every workload", heads, body)


def _plain(
    key: str,
    title: str,
    note: str,
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[object]],
    after: Markup | None = None,
) -> Markup:
    return el(
        "section",
        el("h2", title, " ", el("span", note, class_="note"), id=f"section-{key}"),
        wide(title, table(heads, rows, named=True, class_=f"plain-table {key}"), "wide-list"),
        after,
    )


def capacity(contents: Contents) -> Markup | None:
    """Write what nodes and quotas hold, and what the proposals would free."""
    frame = contents.capacity
    if not frame.height:
        return None
    order = frame.sort(pl.col("kind") == "quota", -pl.col("freed_bytes").abs(), "name", maintain_order=True)
    rows = [_held(row) for row in order.head(_SHOWN_CAPACITY).iter_rows(named=True)]
    heads = (
        ("Node or quota", ""),
        ("Available, GiB", "n"),
        ("Taken now, GiB", "n"),
        ("With the proposals, GiB", "n"),
        ("Freed, GiB", "n"),
        ("Containers", "n"),
    )
    nodes = frame.filter(pl.col("kind") == "node")
    freed = int(nodes["freed_bytes"].sum())
    words = []
    if nodes.height:
        side = "free" if freed >= 0 else "take"
        words.append(f"Applied, the proposals {side} {text.gib(abs(freed))} GiB of requests on all nodes.")
    if frame.height > _SHOWN_CAPACITY:
        words.append(f"{frame.height - _SHOWN_CAPACITY:,} more are not shown.")
    if unknown := int(nodes["unknown"].sum()):
        words.append(f"{text.count(unknown, 'container')} without a known request {_was(unknown)} not counted.")
    words.append("Only what is in this recording is counted; other pods take room as well.")
    after = el("p", " ".join(words), class_="note")
    return _plain("capacity", "Capacity", "by node and namespace", heads, rows, after)


def _held(row: dict[str, Any]) -> list[object]:
    amounts = (row["available_bytes"], row["now_bytes"], row["then_bytes"], row["freed_bytes"])
    kind = "node" if row["kind"] == "node" else "quota"
    unknown = f" ({row['unknown']:,} unknown)" if row["unknown"] else ""
    return [
        join(text.printable(row["name"]), el("span", kind, class_="small")),
        *map(text.gib, amounts),
        f"{row['containers']:,}{unknown}",
    ]


def accepted(contents: Contents) -> Markup | None:
    """Write what is known and accepted, at the end."""
    known = [entry for entry in contents.entries if entry.accepted is not None]
    if not known and not contents.unmatched:
        return None
    states = {None: ("●", "accepted", "ok"), "size": ("▲", "raised: size", "leak"), "day": ("▲", "raised: day", "leak")}
    rows = []
    for entry in known:
        shape, word, token = states[entry.passed]
        rows.append(
            (
                links([entry], 1),
                el("span", charts.mark(shape), word, class_=f"marked {token}"),
                text.printable(entry.accepted.known) if entry.accepted else "",
                bounds(entry),
                text.memory(entry.row["peak_bytes"]),
                text.VERDICTS[entry.row["verdict"]].word,
            )
        )
    heads = (("Workload", ""), ("State", ""), ("What is known", ""), ("Accepted", ""), ("Peak", "n"), ("Verdict", ""))
    names = ", ".join(f"{text.printable(one.workload)} (line {one.line})" for one in contents.unmatched)
    after = el("p", f"Known, but not in this recording: {names}.", class_="note") if names else None
    note = "out of the headline until a bound is passed"
    if not rows:
        return el("section", el("h2", "Known and accepted", id="section-accepted"), after)
    return _plain("accepted", "Known and accepted", note, heads, rows, after)


def incomplete(contents: Contents) -> Markup | None:
    """Say before anything else that something could not be read."""
    said = missing(contents)
    return None if said is None else el("p", el("b", "Not complete: "), said, class_="warned", role="alert")


def missing(contents: Contents) -> str | None:
    """Say what could not be read."""
    report = contents.week.judgement.recording.report
    lost = sum(amount for reason, amount in report.left_out.items() if "could not be read" in reason)
    if not lost and not report.partial:
        return None
    lines = [text.printable(line).rstrip(".") for line in report.partial[:_SHOWN_PARTIAL]]
    more = len(report.partial) - len(lines)
    head = [
        f"{text.count(lost, 'file')} could not be read: workloads in {'it' if lost == 1 else 'them'} may be missing"
    ]
    tail = [f"and {more:,} more, under Data quality"] if more > 0 else []
    return f"{'; '.join([*(head if lost else []), *lines, *tail])}."


def raised_again(contents: Contents) -> Markup | None:
    """Name what was accepted and has passed its bound."""
    passed = [entry for entry in contents.entries if entry.passed is not None]
    if not passed:
        return None
    told: list[object] = []
    for entry in passed[:_SHOWN_NAMES]:
        why = (
            f"peak {text.memory(entry.row['peak_bytes'])}, accepted {bounds(entry)}"
            if entry.passed == "size"
            else f"accepted {bounds(entry)}"
        )
        told += [", " if told else "", links([entry], 1), f" ({why})"]
    return el("p", el("b", "Past what was accepted: "), join(*told), ".", class_="again")


_SHOWN_SOURCES: Final = 12
_SHOWN_NAMES_QUALITY: Final = 20
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
        )
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
    shown = ", ".join(summary.shortened(name, SHOWN_NAME) for name in names[:_SHOWN_NAMES_QUALITY])
    return shown + (f" and {len(names) - _SHOWN_NAMES_QUALITY:,} more" if len(names) > _SHOWN_NAMES_QUALITY else "")


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


#: Less than this is not worth a word.
_LITTLE_BYTES: Final = 64 << 20


def top(contents: Contents) -> Markup:
    """Write title, clusters and period."""
    named = contents.week.judgement.recording.containers["cluster"].drop_nulls().unique().sort()
    clusters = [text.printable(name) for name in named]
    where = f", cluster{'s' if len(clusters) > 1 else ''} {', '.join(clusters)}" if clusters else ""
    span = contents.week.span
    period = None
    if span is not None:
        beside = ", compared with the week before" if contents.changes is not None else ""
        period = el("p", text.period(*span) + beside)
    return el("header", el("p", el("b", text.printable(contents.title)), where), period, class_="top")


def headline(contents: Contents) -> list[str]:
    """Write the answer for all workloads."""
    counted = contents.counts
    lines = [counted.sentence]
    if counted.leak and counted.soon == counted.leak:
        verb = "leak reaches its" if counted.leak == 1 else "leaks reach their"
        lines = [f"{counted.leak:,} {verb} limit within 7 days."]
    if counted.above_target:
        verb = "exceeds" if counted.above_target == 1 else "exceed"
        lines.append(f"{text.count(counted.above_target, 'workload')} {verb} the {text.share(TARGET)} OOM target.")
    return lines


def heading(contents: Contents) -> Markup:
    """Write the headline as a heading."""
    return el("h1", *(el("span", line) for line in headline(contents)))


def begin(contents: Contents) -> tuple[Entry | None, str]:
    """Find where to start and why."""
    awake = contents.awake
    if not awake:
        return None, "Nothing to do."
    entry = awake[0]
    row = entry.row
    risk = row["oom_probability"] or 0.0
    if row["verdict"] == "leak":
        cure = "and a higher limit does not cure it"
        if row["limit_outlook"] == "reaches" and row["hours_to_limit"]:
            return entry, f"{text.hours(row['hours_to_limit'])} to its limit, {cure}."
        return entry, f"it leaks {text.rate(row['growth_bytes_per_day'])}, {cure}."
    if risk > TARGET and row["verdict"] == "not_leak":
        said = f"{text.chance(risk)} chance of an OOM kill in the next 7 days"
        if row["action"] == "raise":
            said += f"; a limit of {text.configured(row['recommended_limit_bytes'])} brings it to "
            said += text.chance(row["oom_probability_then"])
        return entry, f"{said}."
    if row["verdict"] == "inconclusive":
        return entry, first_sentence(row["next_step"])
    return None, "Nothing to do."


def start(contents: Contents) -> Markup:
    """Say where to start, and what can be given back."""
    entry, why = begin(contents)
    spare = ""
    if contents.spare_bytes > _LITTLE_BYTES:
        where = " elsewhere" if entry is not None else ""
        spare = f" {text.fleet_memory(contents.spare_bytes)} can be given back{where}."
    if entry is None:
        return el("p", why if not spare else spare.strip(), class_="start")
    name = summary.shortened(entry.name, SHOWN_NAME)
    link = el("a", name, href=f"#{entry.anchor}", title=whole_name(entry.name))
    return el("p", "Start with ", link, f": {why}{spare}", class_="start")


def figures(contents: Contents) -> list[tuple[str, str | None, str, str]]:
    """Gather what the tiles say."""
    counted = contents.counts
    above = text.UNKNOWN if counted.above_target is None else f"{counted.above_target:,}"
    soon = f"{counted.soon:,} {'reaches its' if counted.soon == 1 else 'reach their'} limit within 7 days"
    news = _since(contents)
    money = contents.money(contents.spare_bytes)
    givers = sum(entry.spare_bytes is not None for entry in contents.awake)
    unknown = all(entry.row["recommended_request_bytes"] is None for entry in contents.awake)
    resting = sum(entry.rests for entry in contents.entries)
    count = f"{len(contents.entries):,}"
    covers = f"covers {count} of {count} workloads" + (f", {resting:,} accepted" if resting else "")
    return [
        (above, None, "above the OOM target", f"more than {text.share(TARGET)} in 7 days{_more_above(contents)}"),
        (f"{counted.leak:,}", "leak", "leak", news or (soon if counted.leak else "")),
        (
            text.UNKNOWN if unknown and contents.awake else text.fleet_memory(contents.spare_bytes),
            None,
            "can be given back",
            ", ".join(filter(None, (money, f"{text.count(givers, 'workload')}" if givers else ""))),
        ),
        (
            f"{counted.inconclusive:,}",
            "inconclusive",
            "not decidable yet",
            "next step named for each" if counted.inconclusive else "",
        ),
        (text.share(summary.coverage(contents.week.judgement.completeness)), None, "coverage", covers),
    ]


def _more_above(contents: Contents) -> str:
    """Compare with the week before."""
    now = contents.counts.above_target
    if contents.changes is None or contents.changes.above_before is None or now is None:
        return ""
    more = now - contents.changes.above_before
    if not more:
        return "; as many last week"
    return f"; {abs(more):,} {'more' if more > 0 else 'fewer'} than last week"


def _since(contents: Contents) -> str:
    if contents.changes is None:
        return ""
    rows = contents.changes.rows
    new = rows.filter((pl.col("kind") == "new") & pl.col("what").str.starts_with("leaks")).height
    gone = rows.filter(pl.col("what").str.starts_with("no longer leaks")).height
    return ", ".join(f"{amount:,} {word}" for amount, word in ((new, "new"), (gone, "gone")) if amount) or "none new"


def tiles(contents: Contents) -> Markup:
    """Write the tiles."""
    return el(
        "ul",
        *(
            el(
                "li",
                el("div", charts.mark(text.VERDICTS[verdict].shape) if verdict else None, figure, class_="figure"),
                el("b", label),
                el("span", note, class_="note") if note else None,
                class_=text.VERDICTS[verdict].token if verdict else None,
            )
            for figure, verdict, label, note in figures(contents)
        ),
        class_="tiles",
    )
