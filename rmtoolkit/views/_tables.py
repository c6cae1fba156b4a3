"""The tables of evidence, questions, lives, pods and data quality: each described once, for pages and dashboards."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit._html import Markup, el, folded, table, wide
from rmtoolkit.views import svg
from rmtoolkit.views.parts import marked
from rmtoolkit.views.summary import growth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Row = dict[str, Any]
    #: Head, class, and how the cell of a row is written.
    Column = tuple[str, str, Callable[[Row], object]]

_SHOWN: Final = 40
#: A longer value may be broken over lines.
_SHORT: Final = 26
_HOUR: Final = 3600
_GAP: Final = "  "


def write(columns: Sequence[Column], rows: Sequence[Row], **attributes: Any) -> Markup:  # noqa: ANN401 - of `table`
    """Write rows as the columns say."""
    heads = [(head, kind) for head, kind, _ in columns]
    return table(heads, [[cell(row) for _, _, cell in columns] for row in rows], **attributes)


def lines(heads: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str], room: int, name: str) -> list[str]:
    """Write a table for a terminal: figures to the right, and behind them whose they are, cut at its beginning."""
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    left = room - sum(widths) - len(_GAP) * len(widths)

    def line(row: Sequence[str], whose: str) -> str:
        return _GAP.join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), whose])

    return [line(heads, name), *(line(row, fitting(whose, left)) for row, whose in zip(rows, names, strict=True))]


def fitting(name: str, room: int) -> str:
    """Keep the end of a long path: the function says more than the crate."""
    return name if len(name) <= room else "…" + name[-(room - 1) :]


def _value(item: Row) -> Markup:
    said = text.printable(item["value"] or "")
    return el("span", said, class_="whole" if len(said) <= _SHORT else None)


def seen(item: Row) -> str:
    """Say on which signal and when a piece of evidence was seen."""
    signal = text.SIGNAL_WORDS.get(item.get("signal") or "", item.get("signal"))
    if item["says"] == "not_measured" and not (item.get("statistic") or "").startswith("rejected"):
        return ""
    if item.get("start") is None or item.get("end") is None:
        return signal or ""
    window = text.period(item["start"], item["end"])
    return f"{signal}, {window}" if signal else window


def _says(item: Row) -> Markup:
    return marked(text.EVIDENCE[item["says"]])


def _weight(item: Row) -> object:
    return svg.dots(item["weight"]) if item["weight"] else text.NOT_APPLICABLE


_EVIDENCE: Final[Sequence[Column]] = (
    ("Says", "", _says),
    ("Evidence", "", lambda item: text.printable(item["text"])),
    ("Value", "value", _value),
    ("Weight", "n weight", _weight),
)
_EVIDENCE_SEEN: Final[Sequence[Column]] = (
    _EVIDENCE[0],
    (
        "Evidence, signal and window",
        "",
        lambda item: el("span", text.printable(item["text"]), el("span", text.printable(seen(item)), class_="small")),
    ),
    ("Value (80 % interval)", "value", _value),
    _EVIDENCE[3],
)
_QUESTIONS: Final[Sequence[Column]] = (
    (
        "Question, and because",
        "",
        lambda item: el("span", item["question"], el("span", text.printable(item["because"] or ""), class_="small")),
    ),
    ("Answer", "word", lambda item: el("b", item["answer"].capitalize())),
    ("Reading", "word", lambda item: marked(text.READINGS[item["reading"]])),
)
_PODS: Final[Sequence[Column]] = (
    ("Pod", "", lambda pod: text.printable(pod["pod"])),
    ("Verdict", "", lambda pod: marked(text.VERDICTS[pod["verdict"]])),
    ("Growth", "n", growth),
    ("Peak", "n", lambda pod: _amount(pod["peak_bytes"])),
    ("Lives", "n", lambda pod: f"{pod['lives']:,}"),
    ("Coverage", "n", lambda pod: text.share(pod["coverage"])),
)


def evidence(row: Row, *, where: bool = False, **attributes: Any) -> Markup:  # noqa: ANN401 - of `table`
    """List what speaks for a leak, what against, and what was not measured; what supports the verdict stands first."""
    sides = ("for", "against") if row["verdict"] == "leak" else ("against", "for")
    order = {name: at for at, name in enumerate((*sides, "not_measured"))}
    items = sorted(row["evidence"] or [], key=lambda item: (order[item["says"]], -(item["weight"] or 0)))
    if not items:
        return el("p", "No evidence: too few samples.", class_="note")
    return write(_EVIDENCE_SEEN if where else _EVIDENCE, items, class_="evidence", **attributes)


def questions(checklist: Sequence[Row], **attributes: Any) -> Markup:  # noqa: ANN401 - of `table`
    """Answer the five questions, with what makes each answer a concern."""
    return write(_QUESTIONS, checklist, class_="questions", **attributes)


def lives(rows: Sequence[Row], pods: Mapping[int, str] | None = None) -> Markup | None:
    """List lifetimes, the newest first: the data of the charts; with `pods` each says whose it is."""
    if not rows:
        return None
    kills = sum(row["ended"] == "oom_kill" for row in rows)
    said = f"{kills:,} of them ended in an OOM kill" if kills else "none ended in an OOM kill"
    shown = sorted(rows, key=lambda row: (row["end"], row["start"]), reverse=True)[:_SHOWN]
    columns = _lives(seconds=(shown[0]["end"] - min(row["start"] for row in rows)).total_seconds() < _HOUR)
    if pods is not None:
        columns = (("Pod", "", lambda row: text.printable(pods.get(row["container_id"], ""))), *columns)
    return folded(
        "Lifetimes",
        f"{len(rows):,}, {said}",
        _cut("newest", len(rows)),
        wide("Lifetimes", write(columns, shown)),
    )


def _lives(*, seconds: bool) -> tuple[Column, ...]:
    def start(row: Row) -> str:
        return text.moment(row["start"], seconds=seconds) + ("" if row["start_seen"] else " or earlier")

    def limit(row: Row) -> str:
        return text.NOT_APPLICABLE if row["limit_bytes"] is None else text.configured(row["limit_bytes"])

    return (
        ("Life", "n", lambda row: row["life"] + 1),
        ("Start, UTC", "", start),
        ("Length", "n", lambda row: text.hours((row["end"] - row["start"]).total_seconds() / _HOUR)),
        ("Ended", "", lambda row: row["ended"].replace("_", " ").replace("oom", "OOM")),
        ("Version", "", lambda row: text.printable(row["version"])),
        ("Limit", "n", limit),
        ("Startup peak", "n", lambda row: _amount(row["startup_peak_bytes"])),
        ("Settled", "n", lambda row: _amount(row["settled_bytes"])),
        ("Peak", "n", lambda row: _amount(row["peak_bytes"])),
        ("Coverage", "n", lambda row: text.share(row["coverage"])),
    )


def _amount(value: int | None) -> str:
    """Write an amount; what is not known of a life or a pod is a dash."""
    return text.NOT_APPLICABLE if value is None else text.memory(value)


def _cut(which: str, amount: int) -> Markup | None:
    return el("p", f"The {which} {_SHOWN} of {amount:,}.", class_="note") if amount > _SHOWN else None


def pods(instances: Sequence[Row]) -> Markup | None:
    """List the pods of a workload with their own verdicts, where there are several."""
    if len(instances) < 2:  # noqa: PLR2004
        return None
    counted = ", ".join(
        f"{amount:,} {text.VERDICTS[name].word.lower()}"
        for name, amount in Counter(pod["verdict"] for pod in instances).most_common()
    )
    shown = write(_PODS, instances[:_SHOWN])
    return folded("Pods", counted, _cut("first", len(instances)), wide("Pods", shown))


def quality(
    coverage: float | None, findings: Sequence[Row], gaps: Sequence[tuple[int, int]], cadence: float | None
) -> Markup:
    """Say how good the data of a workload is; gaps are first and last ms of stretches without a sample."""
    lost = sum(last - first for first, last in gaps) / 3_600_000
    said = [f"coverage {text.share(coverage)}"]
    said.append(f"{text.count(len(gaps), 'gap')} of {text.hours(lost)} in all" if gaps else "no gaps")
    items = [*said]
    if findings:
        said.append(f"{len(findings):,} doubtful")
    if cadence is not None:
        items.append(f"a sample every {text.hours(cadence / _HOUR)}")
    items += [
        f"{text.SIGNAL_WORDS.get(found['signal'] or '', text.printable(found['signal']))}: "
        f"{text.printable(found['detail'])} {'Not used as evidence.' if found['rejected'] else 'Used all the same.'}"
        for found in findings[:_SHOWN]
    ]
    return folded("Data quality", ", ".join(said), el("ul", *(el("li", item) for item in items), class_="plain"))
