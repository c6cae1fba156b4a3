"""Verdicts and limits as tables for a terminal, a log or a pipe."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.assessment import Assessment, recommend_limits
from rmtoolkit.views import exports

if TYPE_CHECKING:
    import polars as pl

_FIGURES: Final = {
    "GROWTH": text.growth,
    "PEAK / LIMIT": text.peak_against_limit,
    "TIME TO LIMIT": text.time_to_limit,
    "OOM KILL 7 D": text.kill_chance,
}
#: Rows below which the answer is still on the screen.
_ON_SCREEN: Final = 12
#: From this width on there is room for figures.
_ROOMY: Final = 101
#: Less room beside a name is no room for a sentence.
_BESIDE: Final = 36
#: Lines for what does not press: the rest is told with -v.
_CALM: Final = 2
#: Namespace, workload and container at their longest: names are copied, so whole even where a terminal breaks them.
_LONGEST: Final = 63 + 253 + 63 + 2
YAML: Final = (".yaml", ".yml")
_PLAIN: Final = text.Pen()
FORMATS: Final = (*exports.FORMATS, *YAML)


def table(
    found: Assessment, *, source: str = "", by: str = "workload", details: bool = True, pen: text.Pen = _PLAIN
) -> str:
    """Write the answer, then a block for each workload, or a line where no `details` are asked for; the worst first."""
    rows = found.instances.sort("workload_id", maintain_order=True) if by == "instance" else found.workloads
    width = pen.width
    answer = [pen.style("bold", line) for line in text.wrapped(found.fleet.sentence, width)]
    lines = list(answer)
    if rows.height:
        lines += text.wrapped(about(found, source), width)
        lines += [part for line in text.not_complete(found.incomplete) for part in text.wrapped(line, width)]
        lines += [""]
        lines += [*_blocks(rows, pen), *_closing(rows, width)] if details else [*_lines(rows, pen), ""]
        if not details:
            # What has scrolled away is said once more.
            lines += answer if rows.height > _ON_SCREEN else []
            lines += text.wrapped("Details: -v. One of them: rmtoolkit explain WORKLOAD SOURCE.", width)
    return pen.body(lines)


def about(found: Assessment, source: str) -> str:
    fleet = found.fleet
    words = [text.count(fleet.workloads, "workload"), text.count(fleet.containers, "container")]
    if found.span:
        words.append(text.period(*found.span))
    words.append(f"coverage {text.share(fleet.coverage)}")
    return (f"{text.printable(source)}: " if source else "") + ", ".join(words)


def _lines(rows: pl.DataFrame, pen: text.Pen) -> list[str]:
    dicts = rows.drop("evidence").to_dicts()
    told = list(map(_told, dicts))
    roomy = pen.width >= _ROOMY
    head, *figures = [f"{line}{text.GAP}" if roomy else "" for line in _figures(dicts)]
    first = max(len(mark.word) for mark, _ in told) + (2 if pen.unicode else 5)
    names = [text.shortened(text.named(row), _LONGEST) for row in dicts]
    second = min(max(len("WORKLOAD"), *map(len, names)), max(pen.width // 3, 20))
    at = first + second + len(head) + 2
    below = pen.width - at < _BESIDE
    at = first + 1 if below else at
    lines = [pen.style("dim", f"{' ' * first} {'WORKLOAD'.ljust(second)} {head}".rstrip())] if roomy else []
    for (mark, said), name, numbers in zip(told, names, figures, strict=True):
        shown = pen.marked(mark, mark.word)
        line = f"{pen.style(mark.token, shown)}{' ' * (first - len(shown))} {pen.style('bold', name)}"
        parts = text.wrapped(said, pen.width - at)
        if len(parts) > _CALM and mark not in text.ALARMS.values():
            parts[_CALM - 1 :] = [f"{parts[_CALM - 1][: pen.width - at - 1]}…"]
        beside = f" {numbers}{'' if below else parts.pop(0)}".rstrip()
        if beside and len(name) > second:
            beside = "\n" + " " * (first + 1 + second) + beside
        elif beside:
            beside = " " * (second - len(name)) + beside
        lines += [f"{line}{beside}", *(f"{' ' * at}{part}" for part in parts)]
    return lines


def _told(row: dict[str, Any]) -> tuple[text.Mark, str]:
    if row["alarm"] and "lives" not in row:
        return text.ALARMS[row["alarm"]], row["alarm_text"]
    pattern, step = (row["pattern"] or "").replace("_", " "), row["next_text"]
    return text.VERDICTS[row["verdict"]], f"{pattern}: {_lower_first(step.rstrip('.'))}" if pattern else step


def _blocks(rows: pl.DataFrame, pen: text.Pen) -> list[str]:
    dicts = rows.drop("evidence").to_dicts()
    head, *figures = _figures(dicts)
    below = [[row[name].replace("_", " ") for name in ("pattern", "cause") if row[name]] for row in dicts]
    marks = [text.VERDICTS[row["verdict"]] for row in dicts]
    columns = [[pen.marked(mark, mark.badge), *names] for mark, names in zip(marks, below, strict=True)]
    first = max(len("VERDICT"), *(len(line) for column in columns for line in column))

    def beside(name: str) -> str:
        """Leave as much room as figures need, or begin a line for them."""
        room = pen.width - first - 1 - len(head) - len(name)
        return " " * room if room >= len(text.GAP) else "\n" + " " * max(pen.width - len(head), 0)

    lines = [
        pen.style("dim", f"{'VERDICT'.ljust(first)} WORKLOAD{beside('WORKLOAD')}{head}"),
        pen.style("dim", f"{'pattern, cause'.ljust(first)} why, next step"),
    ]
    for row, mark, column, numbers in zip(dicts, marks, columns, figures, strict=True):
        verdict = pen.style(mark.token, column[0]) + " " * (first - len(column[0]))
        name = text.shortened(text.named(row), _LONGEST)
        lines += ["", f"{verdict} {pen.style('bold', name)}{beside(name)}{numbers}"]
        said = text.wrapped(row["why"], pen.width - first - 1) if row["why"] else []
        why = [pen.style("dim", part) for part in said]
        why += text.wrapped(f"Next: {_lower_first(row['next_step'])}", pen.width - first - 1)
        both = zip_longest(column[1:], why, fillvalue="")
        lines += [f"{label.ljust(first)} {part}".rstrip() for label, part in both]
    return lines


def _lower_first(sentence: str) -> str:
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def _figures(rows: list[dict[str, Any]]) -> list[str]:
    return text.aligned([[*_FIGURES], *([write(row) for write in _FIGURES.values()] for row in rows)])


def _closing(rows: pl.DataFrame, width: int) -> list[str]:
    signals = rows["signal"].drop_nulls().unique(maintain_order=True)
    *most, last = map(text.signal_word, signals) if signals.len() else [text.signal_word(None)]
    of = f"{', '.join(most)} or {last}, the most reliable signal of each workload" if most else last
    return ["", *text.wrapped(f"Growth is of {of}. Intervals: -o verdicts.json", width)]


def limits_table(found: Assessment, *, details: bool, pen: text.Pen) -> str:
    """Write what to do, the most urgent first: of many without the reasons, and what needs nothing as a count."""
    rows, width = found.workloads.drop("evidence").to_dicts(), pen.width
    counted = Counter(row["action"] for row in rows if row["action"] != "none")
    said = ", ".join(f"{counted[name]:,} to {word.lower()}" for name, word in text.ACTIONS.items() if counted[name])
    answer = (
        f"{text.count(len(rows), 'workload')}{': ' + said if said else ''}. Limits for at most "
        f"{text.chance(found.oom_probability)} chance of an OOM kill in 7 days."
    )
    lines = [answer, *text.not_complete(found.incomplete)]
    # Where the margins come from is said once, not in every row.
    margins = found.workloads["margins"].unique(maintain_order=True).drop_nulls()
    lines += [f"Margins: {text.printable(origin)}." for origin in margins]
    lines += [f"{found.record.sentence}."] if found.record else []
    lines = [part for line in lines for part in text.wrapped(line, width)]
    in_full = details or len(rows) <= _ON_SCREEN
    lines += [] if in_full else [""]
    for row in rows if in_full else [row for row in rows if row["action"] != "none"]:
        head, setting, *why = _block(row)
        lines += ["", head] if in_full else [head]
        for line in [setting, *why] if in_full else [setting]:
            lines += text.wrapped(f"  {line}", width, indent="  ")
    if not in_full:
        idle = len(rows) - counted.total()
        lines += ["", *text.wrapped(answer, width)]
        lines += text.wrapped(f"{idle:,} with nothing to do. All of them, with reasons: -v.", width)
    return pen.body(lines)


def _block(row: dict[str, Any]) -> list[str]:
    now, chance = text.limit_now(row), row["oom_probability_7d"]
    risk = f"; limit now {now}" + ("" if chance is None else f", risk now {text.chance(chance)}")
    if row["advised_oom_probability"] is not None:
        risk += f", then {text.chance(row['advised_oom_probability'])}"
    if row["advised_limit_bytes"] is None:
        then = "no safe limit" if row["action"] == "fix_leak" else "no limit yet"
    elif row["advised_limit_bytes"] == row["limit_bytes"]:
        # What stays as it is, is said once.
        then, risk = f"keep the limit of {now}", "" if chance is None else f"; risk {text.chance(chance)}"
        then = "keep each pod's limit" if row["limits_differ"] else then
    else:
        then = f"limit {text.configured(row['advised_limit_bytes'])}"
    if row["advised_request_bytes"] is not None:
        then += f", request {text.configured(row['advised_request_bytes'])}"
    reason = text.printable(row["limit_reason"] or "").replace(f" ({text.printable(row['margins'] or '')})", "")
    beside = [
        f"{tool} {text.memory(row[column])}"
        for tool, column in (("VPA", "vpa_target_bytes"), ("KRR", "krr_limit_bytes"))
        if row[column] is not None
    ]
    return [
        f"{text.ACTIONS[row['action']]:18} {text.shortened(text.printable(row['name']), _LONGEST)}",
        f"{then}{risk}",
        reason,
        *([f"For comparison: {', '.join(beside)}."] if beside else []),
    ]


def as_bytes(found: Assessment, ending: str) -> bytes:
    if ending in YAML:
        return exports.patches(found).encode()
    return exports.as_bytes(exports.as_told(recommend_limits(found), found), ending)
