"""The columns of the report's tables: each once, with its head, its cell and what it is sorted by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit._html import Markup, el, join, table
from rmtoolkit.limits.week import TARGET
from rmtoolkit.views import charts, summary
from rmtoolkit.views._tables import marked
from rmtoolkit.views.report.card import SHOWN_NAME
from rmtoolkit.views.report.contents import setting

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from rmtoolkit.views.report.contents import Contents, Entry

    Cell = Callable[[Contents, Entry], object]
    Value = Callable[[Entry], float | str | None]


_LONGEST_SETTING: Final = 160
#: A startup this many times the settled level is named; a peak this near another is the same; a pod so hot is named.
_SPIKE: Final = 1.1
_SAME: Final = 0.95
_HOT: Final = 1.3


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    head: str
    kind: str
    cell: Cell
    value: Value | None = None
    number: bool = False


def row(
    contents: Contents, entry: Entry, columns: tuple[Column, ...], spark: object, history: str = "History"
) -> Markup:
    """Write one row."""
    cells = [
        el(
            "td",
            spark if column is SPARK else column.cell(contents, entry),
            role="cell",
            data_spark=column is SPARK and not spark,
            class_=" ".join(filter(None, ("n" if column.number else "", _heat(column, entry)))) or None,
            data_label=history if column is SPARK else column.head,
        )
        for column in columns
    ]
    return el("tr", _name(entry), *cells, class_="row", role="row")


def _name(entry: Entry) -> Markup:
    space, own = apart(entry)
    shown = summary.shortened(own, SHOWN_NAME)
    whole = entry.name if shown != own or len(space) > SHOWN_NAME else None
    link = el("a", shown, href=f"#{entry.anchor}", data_card=entry.anchor, title=whole)
    where = el("span", summary.shortened(space, SHOWN_NAME), class_="small") if space else None
    return el("th", link, where, scope="row", role="rowheader")


def apart(entry: Entry) -> tuple[str, str]:
    """Part a name into its namespace and the rest; a label may hold slashes of its own."""
    space = text.printable(entry.row["namespace"]) if entry.row["namespace"] is not None else ""
    return (space, entry.name[len(space) + 1 :]) if space and entry.name.startswith(f"{space}/") else ("", entry.name)


def _heat(column: Column, entry: Entry) -> str:
    """Bold only where the target is exceeded, or the limit is near."""
    row = entry.row
    if column is TIME:
        return "hot" if row["hours_to_limit"] is not None and row["hours_to_limit"] <= summary.HORIZON_HOURS else ""
    if column in (KILL, RISK):
        return "hot" if (row["oom_probability"] or 0) > TARGET else ""
    return ""


def first_sentence(words: str | None) -> str:
    """Shorten a next step to what is done."""
    return f"{text.printable(words or 'Nothing to do.').split('. ')[0].removesuffix('.')}.".replace("`", "")


def _growth(_: Contents, entry: Entry) -> object:
    row = entry.row
    if not summary.is_growing(row):
        known = row["growth_bytes_per_day"] is not None or row["verdict"] == "not_leak"
        return text.NOT_APPLICABLE if known else text.UNKNOWN
    low, high = row["growth_low_bytes_per_day"], row["growth_high_bytes_per_day"]
    interval = None
    if low is not None and high is not None:
        interval = el("span", text.mi_range(low, high), class_="small")
    return el("span", f"+{text.mi(row['growth_bytes_per_day'])}", interval)


def _time(_: Contents, entry: Entry) -> str:
    row = entry.row
    return text.time_to_limit(row["limit_outlook"], row["hours_to_limit"], row["limit_bytes"], known=row["limit_known"])


def _peak(_: Contents, entry: Entry) -> Markup:
    row = entry.row
    peak = text.peak_against_limit(row["peak_bytes"], row["limit_bytes"], known=row["limit_known"], unit=False)
    bar = charts.bullet(row["peak_bytes"], row["limit_bytes"]) if row["peak_bytes"] and row["limit_bytes"] else None
    return el("span", peak, bar)


def _short(words: str) -> Markup:
    return el("span", words, class_="short")


def _change(now: int | None, then: int | None, *, known: bool = True) -> str:
    before = text.configured_mi(now) if now is not None else ("none" if known else text.UNKNOWN)
    return f"{before} → {text.configured_mi(then)}" if then is not None else before


def _limit(_: Contents, entry: Entry) -> object:
    row = entry.row
    return el("span", _change(row["limit_bytes"], row["recommended_limit_bytes"], known=row["limit_known"]))


def _request(_: Contents, entry: Entry) -> object:
    row = entry.row
    return el("span", _change(row["request_bytes"], row["recommended_request_bytes"], known=bool(row["limit_known"])))


def _risk(_: Contents, entry: Entry) -> str:
    now, then = entry.row["oom_probability"], entry.row["oom_probability_then"]
    if now is None and then is None:
        return text.UNKNOWN
    return f"{text.chance(now).removesuffix(' %') if now is not None else text.NOT_APPLICABLE} → {text.chance(then)}"


def _cost(contents: Contents, entry: Entry) -> object:
    row = entry.row
    now, then = row["cost_now_per_month"], row["cost_then_per_month"]
    if now is None or then is None:
        bytes_ = _reserved(entry)
        return text.UNKNOWN if bytes_ is None else _gib(bytes_)
    return el("span", contents.amount(then - now, sign=True), el("span", _gib(_reserved(entry)), class_="small"))


def _gib(bytes_: float | None) -> str:
    return text.UNKNOWN if bytes_ is None else text.fleet_memory(bytes_, sign=True)


def _reserved(entry: Entry) -> int | None:
    """Change of what all pods reserve together."""
    row = entry.row
    now = row["request_bytes"] if row["request_bytes"] is not None else row["limit_bytes"]
    then = row["recommended_request_bytes"]
    return None if now is None or then is None else int((then - now) * (row["pods"] or 1))


def _spare(_: Contents, entry: Entry) -> str:
    return text.NOT_APPLICABLE if entry.spare_bytes is None else text.fleet_memory(entry.spare_bytes)


def _mi(key: str) -> Cell:
    def cell(_: Contents, entry: Entry) -> str:
        return text.NOT_APPLICABLE if entry.row[key] is None else text.mi(entry.row[key])

    return cell


def _given_back(_: Contents, entry: Entry) -> str:
    row = entry.row
    value = row["purged_limit_bytes"]
    if value is None or row["recommended_limit_bytes"] is None:
        return text.NOT_APPLICABLE
    return f"{text.configured_mi(row['recommended_limit_bytes'])} → {text.configured_mi(value)}"


def _setting(_: Contents, entry: Entry) -> Markup:
    found = setting(entry.row)
    if found is None:
        return _short(first_sentence(entry.row["next_step"]))
    shown = text.printable(found)
    return el("code", shown if len(shown) <= _LONGEST_SETTING else f"{shown[:_LONGEST_SETTING]}…")


def _verdict(_: Contents, entry: Entry) -> Markup:
    return marked(text.VERDICTS[entry.row["verdict"]])


def _pattern(_: Contents, entry: Entry) -> str:
    return (entry.row["pattern"] or text.UNKNOWN).replace("_", " ")


def _of(key: str) -> Value:
    def value(entry: Entry) -> float | str | None:
        found: float | str | None = entry.row[key]
        return found

    return value


def _difference(then: str, now: str) -> Value:
    def value(entry: Entry) -> float | None:
        row = entry.row
        return None if row[then] is None or row[now] is None else float(row[then] - row[now])

    return value


def _why(_: Contents, entry: Entry) -> Markup:
    """Say in a few words what the limit rests on; the card has the whole reason."""
    row = entry.row
    said = []
    if row["killed_limit_bytes"] is not None:
        said.append(f"OOM killed at {text.configured(row['killed_limit_bytes'])}")
    startup, settled, peak = row["startup_peak_bytes"], row["settled_bytes"], row["peak_bytes"]
    if None not in (startup, settled, peak) and startup > _SPIKE * settled and startup >= _SAME * peak:
        said.append(f"starting needs {text.memory(startup)}, running {text.memory(settled)}")
    elif peak is not None:
        said.append(f"highest use {text.memory(peak)}")
    if row["hot_ratio"] is not None and row["hot_ratio"] > _HOT:
        said.append(f"one pod is {row['hot_ratio']:.1f} times the median")
    if row["purged_limit_bytes"] is not None and row["purged_limit_bytes"] < (row["recommended_limit_bytes"] or 0):
        said.append(f"{text.configured(row['purged_limit_bytes'])} would do once kept pages are given back")
    words = "; ".join(said)
    return _short(f"{words[:1].upper()}{words[1:]}." if words else text.UNKNOWN)


SPARK: Final = Column("History, to limit", "spark", lambda *_: "")
VERDICT: Final = Column("Verdict", "verdict", _verdict, lambda entry: summary.ORDER.index(entry.row["verdict"]))
GROWTH: Final = Column(
    "Growth, Mi/day",
    "growth",
    _growth,
    lambda entry: entry.row["growth_bytes_per_day"] if summary.is_growing(entry.row) else None,
    number=True,
)
TIME: Final = Column("Time to limit", "time", _time, _of("hours_to_limit"), number=True)
KILL: Final = Column(
    "OOM kill 7\u00a0d",
    "kill",
    lambda _, entry: text.chance(entry.row["oom_probability"]),
    _of("oom_probability"),
    number=True,
)
PEAK: Final = Column("Peak / limit, Mi", "peak", _peak, _of("peak_bytes"), number=True)
LEVEL: Final = Column(
    "Evidence",
    "level",
    lambda _, entry: f"level {entry.row['evidence_level']}" if entry.row["evidence_level"] else text.UNKNOWN,
    _of("evidence_level"),
)
NEXT: Final = Column("Next step", "next", lambda _, entry: _short(first_sentence(entry.row["next_step"])))
LIMIT: Final = Column("Limit, Mi", "change", _limit, _difference("recommended_limit_bytes", "limit_bytes"), number=True)
REQUEST: Final = Column(
    "Request, Mi", "change", _request, _difference("recommended_request_bytes", "request_bytes"), number=True
)
RISK: Final = Column("OOM kill 7\u00a0d", "risk", _risk, _of("oom_probability"), number=True)
COST: Final = Column("Cost a month", "cost", _cost, _reserved, number=True)
WHY: Final = Column("Why", "next", _why)
SPARE: Final = Column("Spare", "time", _spare, lambda entry: entry.spare_bytes, number=True)
PODS: Final = Column("Pods", "pods", lambda _, entry: f"{entry.row['pods'] or 0:,}", _of("pods"), number=True)
STARTUP: Final = Column("Starting needs, Mi", "time", _mi("startup_peak_bytes"), _of("startup_peak_bytes"), number=True)
SETTLED: Final = Column("Running needs, Mi", "time", _mi("settled_bytes"), _of("settled_bytes"), number=True)
PATTERN: Final = Column("Pattern", "verdict", _pattern, _of("pattern"))
GIVEN_BACK: Final = Column("Limit if given back, Mi", "change", _given_back, _of("purged_limit_bytes"), number=True)
SETTING: Final = Column("Setting to try", "next", _setting)
CHANCE: Final = Column(
    "Chance of a leak",
    "time",
    lambda _, entry: text.chance(entry.row["leak_probability"]),
    _of("leak_probability"),
    number=True,
)


def links(entries: list[Entry], most: int) -> Markup:
    """Name workloads as links to their cards."""
    shown: list[object] = []
    for entry in entries[:most]:
        name = summary.shortened(entry.name, SHOWN_NAME)
        shown += [", " if shown else "", el("a", name, href=f"#{entry.anchor}", title=whole_name(entry.name))]
    more = len(entries) - most
    return join(*shown, f" and {more:,} more" if more > 0 else None)


def whole_name(name: str) -> str | None:
    """Give a name that is cut where it is shown."""
    return name if len(name) > SHOWN_NAME else None


def heads(columns: tuple[Column, ...], spark: str) -> list[tuple[str, str, str]]:
    """Give text, class and side of the heads."""
    rest: list[tuple[str, str, str]] = [
        (spark if column is SPARK else column.head, column.kind, "n" if column.number else "") for column in columns
    ]
    return [("Workload", "name", ""), *rest]


def values(entry: Entry, columns: tuple[Column, ...]) -> list[Any]:
    """Give what the columns are sorted by, the name's first."""
    found: list[Any] = [None]
    for column in columns:
        value = None if column.value is None else column.value(entry)
        found.append(float(f"{value:.4g}") if isinstance(value, float) else value)
    return found


_ACTIONS: Final = {
    "raise": "raise the limit",
    "set": "set a limit",
    "lower": "lower the limit",
    "keep": "keep the limit",
    "wait": "wait for more history",
    "fix": "fix the growth first",
}


def advised(contents: Contents, entry: Entry, bought: pl.DataFrame | None) -> Markup | None:
    """Write the limits of one workload."""
    row = entry.row
    if row["action"] is None:
        return None
    if bought is not None and bought.height:
        return el("section", el("h4", "What a higher limit buys"), _bought(contents, bought))
    note = _ACTIONS.get(row["action"], "")
    return el(
        "section",
        el("h4", "Request and limit ", el("span", note, class_="note")),
        _table(("", "Request", "Limit", "OOM kill 7 d"), _rows(row)),
        el("p", text.printable(row["limit_reason"] or ""), class_="because"),
    )


def _rows(row: dict[str, Any]) -> list[tuple[str, ...]]:
    then = row["recommended_limit_bytes"]
    known = bool(row["limit_known"])
    low, high = row["oom_probability_low"], row["oom_probability_high"]
    span = f" ({text.chance(low).removesuffix(' %')}–{text.chance(high)})" if None not in (low, high, then) else ""
    rows: list[tuple[str, ...]] = [
        (
            "now",
            text.configured(row["request_bytes"], known=known),
            text.configured(row["limit_bytes"], known=known),
            text.chance(row["oom_probability"]),
        ),
        (
            "recommended",
            _or_dash(row["recommended_request_bytes"]),
            _or_dash(then),
            text.NOT_APPLICABLE if then is None else text.chance(row["oom_probability_then"]) + span,
        ),
    ]
    if row["purged_limit_bytes"] is not None and then is not None and row["purged_limit_bytes"] < then:
        rows.append(("once kept pages are given back", "", text.configured(row["purged_limit_bytes"]), ""))
    if row["vpa_target_bytes"] is not None:
        rows.append(("VPA would say", text.memory(row["vpa_target_bytes"]), "", ""))
    if row["krr_limit_bytes"] is not None:
        rows.append(("KRR would say", text.memory(row["krr_limit_bytes"]), text.memory(row["krr_limit_bytes"]), ""))
    return rows


def _or_dash(value: int | None) -> str:
    return text.NOT_APPLICABLE if value is None else text.configured(value)


def _bought(contents: Contents, bought: pl.DataFrame) -> Markup:
    rows: list[tuple[str, ...]] = [
        (
            text.configured(row["limit_bytes"]) + (" (now)" if number == 0 else ""),
            text.chance(row["oom_probability"]),
            text.UNKNOWN if row["hours"] is None else text.hours(row["hours"]),
            text.NOT_APPLICABLE if row["cost_per_month"] is None else contents.amount(row["cost_per_month"], sign=True),
        )
        for number, row in enumerate(bought.iter_rows(named=True))
    ]
    return _table(("Limit", "OOM kill 7 d", "Time", "Cost a month"), rows)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Markup:
    sides = [(name, "n" if at else "") for at, name in enumerate(heads)]
    return table(sides, rows, named=True, class_="limits")


def known(entry: Entry) -> Markup | None:
    """Write what the team knows and accepts of a workload."""
    if entry.accepted is None:
        return None
    said = {"size": "It has passed the size that was accepted.", "day": "It was accepted until a day that is past."}
    return el(
        "section",
        el("h4", "Known"),
        el("p", text.printable(entry.accepted.known), " ", el("span", bounds(entry), class_="note"), class_="because"),
        el("p", said[entry.passed], class_="because") if entry.passed else None,
    )


def bounds(entry: Entry) -> str:
    """Write up to which size and day a workload is accepted."""
    if entry.accepted is None:
        return ""
    words = []
    if entry.accepted.up_to_bytes is not None:
        words.append(f"up to {text.configured(entry.accepted.up_to_bytes)}")
    if (day := entry.accepted.until) is not None:
        words.append(f"until {day.day} {text.MONTHS[day.month - 1]} {day.year}")
    return ", ".join(words)
