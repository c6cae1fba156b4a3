"""Verdicts and limits as tables for a terminal, a log or a pipe."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._io import check_target, replacing
from rmtoolkit.limits.patches import patches_yaml
from rmtoolkit.views import exports, summary, theme

if TYPE_CHECKING:
    from rmtoolkit.analysis.judge import Judgement


WIDTH: Final = 100
_GAP: Final = "  "

#: What words and figures use beyond ASCII, for encodings without it.
_ASCII: Final = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "−": "-",
        "…": "...",
        "·": ".",
        "→": "->",
        "×": "x",
        "≤": "<=",
        "≥": ">=",
        "≈": "~",
        "’": "'",
        "±": "+-",
    }
)


def wants_colour(stream: IO[str]) -> bool:
    """Tell whether colour belongs on a stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def has_unicode(stream: IO[str]) -> bool:
    """Tell whether a stream's encoding has the marks."""
    try:
        "▲◆●–−·…→".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def table(
    judgement: Judgement, *, source: str = "", by: str = "workload", colour: bool = False, unicode: bool = True
) -> str:
    """Write the answer, then a block of three lines for each workload, the worst first."""
    rows = judgement.instances if by == "instance" else judgement.verdicts
    counted = summary.counts(judgement.verdicts)
    pen = _Pen(colour=colour, unicode=unicode)
    lines = [pen.style("bold", counted.sentence)]
    if counted.total:
        lines += [*textwrap.wrap(about(judgement, source), WIDTH), "", *_blocks(rows, pen), *_closing(rows)]
    body = "\n".join(lines) + "\n"
    return body if unicode else plain(body)


def plain(body: str) -> str:
    """Write a text in ASCII."""
    return body.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def about(judgement: Judgement, source: str) -> str:
    """Say what was judged."""
    recording = judgement.recording
    words = [text.count(judgement.verdicts.height, "workload"), text.count(recording.containers.height, "container")]
    span = summary.extent(judgement.completeness)
    if span:
        words.append(text.period(*span))
    words.append(f"coverage {text.share(summary.coverage(judgement.completeness))}")
    return (f"{text.printable(source)}: " if source else "") + ", ".join(words)


class _Pen:
    """Writes marks and styles, or leaves them out."""

    def __init__(self, *, colour: bool, unicode: bool) -> None:
        self.colour = colour
        self.unicode = unicode

    def style(self, name: str, written: str) -> str:
        return f"\x1b[{theme.SGR[name]}m{written}\x1b[0m" if self.colour and written else written

    def verdict(self, name: str) -> str:
        mark = text.VERDICTS[name]
        return f"{mark.shape if self.unicode else mark.plain} {mark.badge}"


def _blocks(rows: pl.DataFrame, pen: _Pen) -> list[str]:
    dicts = summary.worst_first(rows).to_dicts()
    names = summary.names(dicts)
    heads = ("GROWTH", "PEAK / LIMIT", "TIME TO LIMIT", "OOM KILL 7 D")
    figures = [_figures(row) for row in dicts]
    widths = [max(len(line[at]) for line in (heads, *figures)) for at in range(len(heads))]
    first = max(len("VERDICT"), *(len(line) for row in dicts for line in _first_column(row, pen)))
    room = max(WIDTH - first - 1 - sum(width + len(_GAP) for width in widths), len("WORKLOAD"))

    def numbers(cells: tuple[str, ...]) -> str:
        return "".join(_GAP + cell.rjust(width) for cell, width in zip(cells, widths, strict=True))

    lines = [
        pen.style("dim", f"{'VERDICT'.ljust(first)} {'WORKLOAD'.ljust(room)}{numbers(heads)}"),
        pen.style("dim", f"{'pattern, cause'.ljust(first)} why, next step"),
    ]
    for row, name, cells in zip(dicts, names, figures, strict=True):
        column = _first_column(row, pen)
        verdict = pen.style(text.VERDICTS[row["verdict"]].token, column[0]) + " " * (first - len(column[0]))
        # A name longer than its column keeps a line to itself, because cut names cannot be copied; but no name more.
        name = summary.shortened(name, WIDTH - first - 1)  # noqa: PLW2901 - shown from here on
        spaces = " " * (room - len(name)) if len(name) <= room else "\n" + " " * (first + 1 + room)
        lines += ["", f"{verdict} {pen.style('bold', name)}{spaces}{numbers(cells)}"]
        why = [pen.style("dim", part) for part in _wrapped(row["reason"] or row["explanation"], first)]
        why += _wrapped(f"Next: {_lower_first(row['next_step'])}" if row["next_step"] else "", first)
        beside = [*column[1:], *[""] * len(why)][: max(len(why), len(column) - 1)]
        why += [""] * (len(beside) - len(why))
        lines += [f"{label.ljust(first)} {part}".rstrip() for label, part in zip(beside, why, strict=True)]
    return lines


def _wrapped(sentence: str, first: int) -> list[str]:
    width = WIDTH - first - 1
    words = (summary.shortened(word, width) for word in text.printable(sentence).split(" "))
    return textwrap.wrap(" ".join(words), width, break_on_hyphens=False) if sentence else []


def _lower_first(sentence: str) -> str:
    """Continue a sentence after a colon; names and acronyms keep their capital."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def _first_column(row: dict[str, Any], pen: _Pen) -> list[str]:
    words = [row["pattern"], *([row["cause"]] if row["cause"] else [])]
    return [pen.verdict(row["verdict"]), *(f"{word.replace('_', ' ')}" for word in words if word)]


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        summary.growth(row),
        text.peak_against_limit(row["peak_bytes"], row["limit_bytes"], known=row["limit_known"]),
        text.time_to_limit(row["limit_outlook"], row["hours_to_limit"], row["limit_bytes"], known=row["limit_known"]),
        text.chance(row["oom_probability_7d"]),
    )


def _closing(rows: pl.DataFrame) -> list[str]:
    signals = [text.SIGNAL_WORDS.get(name, name) for name in rows["signal"].drop_nulls().unique(maintain_order=True)]
    order = [word for word in text.SIGNAL_WORDS.values() if word in signals]
    if len(order) > 1:
        of = f"{', '.join(order[:-1])} or {order[-1]}, whichever says most of a workload"
    else:
        of = order[0] if order else "memory"
    return ["", *textwrap.wrap(f"Growth is of {of}. Intervals: -o verdicts.json", WIDTH)]


YAML: Final = (".yaml", ".yml")
FORMATS: Final = (*exports.FORMATS, *YAML)

#: What to do, the most urgent first, and how it reads.
ACTIONS: Final = {
    "fix_leak": "Fix first",
    "raise_limit": "Raise",
    "set_limit": "Set",
    "lower_limit": "Lower",
    "tune_allocator": "Tune the allocator",
    "reduce_startup": "Reduce the startup",
    "fix_exporter": "Mend the exporter",
    "wait": "Wait",
    "none": "Keep",
}
_NAMES_SHOWN: Final = 60


def limits_table(limits: pl.DataFrame, chance: float, *, unicode: bool = True) -> str:
    """Write what to do, then a block for each workload container, the most urgent first."""
    order = {action: place for place, action in enumerate(ACTIONS)}
    rows = sorted(limits.iter_rows(named=True), key=lambda row: (order[row["action"]], -(row["peak_bytes"] or 0)))
    counted = [(sum(row["action"] == action for row in rows), word.lower()) for action, word in ACTIONS.items()]
    said = ", ".join(f"{number} to {word}" for number, word in counted if number)
    lines = [
        f"{text.count(len(rows), 'workload')}{': ' + said if said else ''}. Limits for at most {text.chance(chance)} "
        "chance of an OOM kill in 7 days."
    ]
    # Where the margins come from is said once, not in every row.
    lines += [f"Margins: {origin}." for origin in limits["margins"].unique(maintain_order=True).drop_nulls()]
    for row in rows:
        lines += ["", *_block(row)]
    wrapped = "\n".join(part for line in lines for part in _wrap(line)) + "\n"
    return wrapped if unicode else plain(wrapped)


def _wrap(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _block(row: dict[str, Any]) -> list[str]:
    names = [row["namespace"], row["workload"], row["container"] if row["container"] != row["workload"] else None]
    name = "/".join(text.printable(part)[:_NAMES_SHOWN] for part in names if part) or "(no name)"
    now = text.configured(row["limit_bytes"], known=row["limit_bytes"] is not None)
    if row["recommended_limit_bytes"] is None:
        then = "no plain limit"
    else:
        then = f"limit {text.configured(row['recommended_limit_bytes'])}"
    if row["recommended_request_bytes"] is not None:
        then += f", request {text.configured(row['recommended_request_bytes'])}"
    risk = "" if row["oom_probability_now"] is None else f", risk now {text.chance(row['oom_probability_now'])}"
    if row["oom_probability"] is not None:
        risk += f", then {text.chance(row['oom_probability'])}"
    reason = text.printable(row["reason"] or "").replace(f" ({text.printable(row['margins'] or '')})", "")
    beside = [
        f"{tool} {text.memory(row[column])}"
        for tool, column in (("VPA", "vpa_target_bytes"), ("KRR", "krr_limit_bytes"))
        if row[column] is not None
    ]
    return [
        f"{ACTIONS[row['action']]:10} {name}",
        f"  {then}; limit now {now}{risk}",
        f"  {reason}",
        *([f"  Others would say: {', '.join(beside)}."] if beside else []),
    ]


def check_format(path: str | os.PathLike[str]) -> None:
    """See that limits can be written to a file of that name."""
    check_target(path, FORMATS)


def write(limits: pl.DataFrame, containers: pl.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write limits in the format that the file's name asks for."""
    check_format(path)
    if Path(path).suffix.lower() not in YAML:
        return exports.write(limits, path)
    names = ["cluster", "namespace", "workload"]
    kinds = containers.group_by(names, maintain_order=True).agg(pl.col("workload_kind").drop_nulls().first())
    known = limits.join(kinds, on=names, how="left", nulls_equal=True, maintain_order="left")
    with replacing(path, FORMATS) as part:
        part.write_text(patches_yaml(known), "utf-8")
    return Path(path)
