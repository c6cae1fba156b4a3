"""The report in a few lines of Markdown, for a chat or a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.views import summary
from rmtoolkit.views.report.lists import missing
from rmtoolkit.views.report.sections import SECTIONS
from rmtoolkit.views.report.top import begin, figures, headline

if TYPE_CHECKING:
    from rmtoolkit.views.report.contents import Contents, Entry

_SHOWN: Final = 10
_SHOWN_CHANGES: Final = 20
_NAME: Final = 120
#: What Markdown, its tables or a chat would take for more than text.
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#!|~@&$])")
_PLAIN: Final = re.compile(r"[A-Za-z0-9./ -]+")


def escaped(words: object) -> str:
    r"""Write foreign text so that Markdown shows it as it is."""
    said = text.printable(words)
    said = said if _PLAIN.fullmatch(said) else _SPECIAL.sub(r"\\\1", said)
    # An address that is written out becomes a link in many places, escaped or not.
    said = re.sub(r"(?i)\b(https?|ftp)(?=:)", "\\1\u200b", said)
    said = re.sub(r"(?i)\bwww\.", "www\u200b.", said)
    return re.sub(r"^(\s*\d*)([-+=]|(?<=\d)[.)](?=\s|$))", r"\1\\\2", said)


def markdown(contents: Contents) -> str:
    """Write the report as Markdown."""
    lines = [f"# {' '.join(headline(contents))}", ""]
    entry, why = begin(contents)
    where = f"Start with **{_name(entry)}**: " if entry is not None else ""
    span = contents.week.span
    period = f" {text.period(*span)}." if span is not None else ""
    lines += [f"{where}{escaped(why)}", "", f"{escaped(contents.title)}.{escaped(period)}", ""]
    if (lost := missing(contents)) is not None:
        lines += [f"**Not complete:** {escaped(lost)}", ""]
    for figure, _, label, note in figures(contents):
        lines.append(f"* **{escaped(figure)}** {label}" + (f" ({escaped(note)})" if note else ""))
    lines += _changes(contents)
    for key, heads, cells in _TABLES:
        section = next(section for section in SECTIONS if section.key == key)
        found = section.choose(contents)
        if found:
            lines += ["", f"## {section.title} ({len(found):,})", "", f"| Workload | {' | '.join(heads)} |"]
            lines += ["|---" * (len(heads) + 1) + "|"]
            lines += [f"| {_name(one)} | {' | '.join(map(escaped, cells(one)))} |" for one in found[:_SHOWN]]
            if len(found) > _SHOWN:
                lines += ["", f"and {len(found) - _SHOWN:,} more"]
    return "\n".join(lines) + "\n"


def _name(entry: Entry) -> str:
    return escaped(summary.shortened(entry.name, _NAME))


def _changes(contents: Contents) -> list[str]:
    if contents.changes is None:
        return []
    known = {tuple(entry.row[part] for part in WORKLOAD): entry for entry in contents.entries}
    told = [
        (row, entry)
        for row in contents.changes.rows.iter_rows(named=True)
        if (entry := known.get(tuple(row[part] for part in WORKLOAD))) is not None and not entry.rests
    ]
    lines = ["", "## What changed since last week", ""]
    for row, entry in told[:_SHOWN_CHANGES]:
        lines.append(f"* **{row['kind'].capitalize()}** {_name(entry)} {escaped(row['what'])}")
    if len(told) > _SHOWN_CHANGES:
        lines.append(f"* and {len(told) - _SHOWN_CHANGES:,} more")
    return lines if told else [*lines, "Nothing changed that is clear."]


def _leak(entry: Entry) -> tuple[str, ...]:
    row = entry.row
    time = text.time_to_limit(row["limit_outlook"], row["hours_to_limit"], row["limit_bytes"], known=row["limit_known"])
    return text.rate(row["growth_bytes_per_day"]), time, text.chance(row["oom_probability"])


def _limit(entry: Entry) -> tuple[str, ...]:
    row = entry.row
    now = text.configured(row["limit_bytes"], known=row["limit_known"])
    then = text.configured(row["recommended_limit_bytes"])
    return f"{now} → {then}", f"{text.chance(row['oom_probability'])} → {text.chance(row['oom_probability_then'])}"


_TABLES: Final = (
    ("leak", ("Growth", "Time to limit", "OOM kill, 7 days"), _leak),
    ("raise", ("Limit", "OOM kill, 7 days"), _limit),
    ("lower", ("Limit", "OOM kill, 7 days"), _limit),
)
