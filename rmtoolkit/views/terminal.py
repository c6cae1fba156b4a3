"""The verdicts as a table for a terminal, a log or a pipe."""

from __future__ import annotations

import os
import textwrap
from typing import IO, TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views import summary, theme

if TYPE_CHECKING:
    import polars as pl

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
    },
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
    judgement: Judgement,
    *,
    source: str = "",
    by: str = "workload",
    colour: bool = False,
    unicode: bool = True,
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
    words = [
        text.count(judgement.verdicts.height, "workload"),
        text.count(recording.containers.height, "container"),
    ]
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
