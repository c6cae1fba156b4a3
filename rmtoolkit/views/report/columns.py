"""The columns of the report's tables, each once; and the parts of a card that are about limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct, structs

from rmtoolkit import text
from rmtoolkit._html import Markup, breakable, el, headed, join, table
from rmtoolkit.schema import Verdict
from rmtoolkit.views import charts
from rmtoolkit.views._tables import SHOWN_NAME, marked

Row = dict[str, Any]
_LONGEST_SETTING: Final = 160


class Column(Struct, frozen=True):
    head: str
    kind: str
    cell: Callable[[Row], object]
    value: Callable[[Row], float | str | None] | None = None
    number: bool = False
    #: Whether a cell is set in bold.
    hot: Callable[[Row], bool | None] | None = None


class Section(Struct, frozen=True):
    """One table: which rows belong to it, and by what they are sorted where not by urgency."""

    key: str
    belongs: Callable[[Row], bool]
    columns: tuple[Column, ...]
    order: Callable[[Row], float] | None = None

    @property
    def title(self) -> str:
        return str(text.texts("views/sections")[self.key]["title"])

    @property
    def note(self) -> str:
        return str(text.texts("views/sections")[self.key]["note"])

    def choose(self, rows: Iterable[Row]) -> list[Row]:
        found = [row for row in rows if self.belongs(row)]
        return found if self.order is None else sorted(found, key=self.order)


def row(about: Row, columns: tuple[Column, ...], spark: object, history: str) -> Markup:
    cells = [
        el(
            "td",
            spark if column is SPARK else column.cell(about),
            role="cell",
            data_spark=column is SPARK and not spark,
            class_=class_of(column, about),
            data_label=history if column is SPARK else column.head,
        )
        for column in columns
    ]
    return el("tr", name_cell(about), *cells, class_="row", role="row")


def name_cell(about: Row) -> Markup:
    return named(about, "a", SHOWN_NAME, href=f"#{about['anchor']}", data_card=about["anchor"], role="rowheader")


def named(about: Row, tag: str, most: int, *, role: str | None = None, **attributes: object) -> Markup:
    """Write the head of a row: the name that leads on, and under it its namespace; a label may hold slashes."""
    space, own = text.printable(about["namespace"] or ""), about["name"]
    space = space if space and own.startswith(f"{space}/") else ""
    own = own.removeprefix(f"{space}/" if space else "")
    shown = text.shortened(own, most)
    whole = about["name"] if shown != own or len(space) > most else None
    where = el("span", text.shortened(space, most), class_="small") if space else None
    return el("th", el(tag, shown, **attributes, title=whole), where, scope="row", role=role)


def class_of(column: Column, about: Row) -> str | None:
    is_hot = column.hot is not None and column.hot(about)
    return " ".join(filter(None, ("n" if column.number else "", "hot" if is_hot else ""))) or None


def links(rows: Sequence[Row], most: int) -> Markup:
    shown = [part for about in rows[:most] for part in (", ", link(about))]
    return join(*shown[1:], text.and_more(len(rows), most))


def link(about: Row) -> Markup:
    name: str = about["name"]
    whole = name if len(name) > SHOWN_NAME else None
    return el("a", text.shortened(name, SHOWN_NAME), href=f"#{about['anchor']}", title=whole)


def heads(columns: tuple[Column, ...], spark: str) -> list[tuple[str, str, str]]:
    rest: list[tuple[str, str, str]] = [
        (spark if column is SPARK else column.head, column.kind, "n" if column.number else "") for column in columns
    ]
    return [("Workload", "name", ""), *rest]


def values(about: Row, columns: tuple[Column, ...]) -> list[Any]:
    found = (None if column.value is None else column.value(about) for column in columns)
    return [None, *(float(f"{value:.4g}") if isinstance(value, float) else value for value in found)]


def namespaces(rows: Sequence[Row]) -> list[str]:
    return sorted({text.printable(about["namespace"]) for about in rows if about["namespace"]})


def _growth(about: Row) -> object:
    rate, low, high = (about[f"growth_{side}bytes_per_day"] for side in ("", "low_", "high_"))
    if rate is None:
        return text.NOT_APPLICABLE if about["verdict"] == Verdict.NOT_LEAK else text.UNKNOWN
    interval = el("span", text.between(low, high), class_="small") if None not in (low, high) else None
    if text.grows_beside(about):
        interval = el("span", f"of {text.signal_word(about['signal'])}", class_="small words")
    return el("span", f"{'+' if rate > 0 else ''}{text.mi(rate)}", interval)


def _peak(about: Row) -> Markup:
    peak = text.peak_against_limit(about, unit=False)
    if not about["peak_bytes"] or not about["limit_bytes"] or about["limits_differ"]:
        return el("span", peak)
    return el("span", peak, charts.bullet(about["peak_bytes"], about["limit_bytes"], reached=about["peak_at_limit"]))


def _short(words: str) -> Markup:
    return el("span", text.told(words), class_="short")


def _change(setting: str) -> Callable[[Row], object]:
    def cell(about: Row) -> object:
        now, then = about[f"{setting}_bytes"], about[f"advised_{setting}_bytes"]
        before = text.limit_now(about) if setting == "limit" else text.configured(now, known=about["limit_known"])
        before = before.removesuffix(" Mi")
        return el("span", f"{before} → {text.configured_mi(then)}" if then not in (None, now) else before)

    return cell


def _risk(about: Row) -> str:
    now, then = text.kill_chance(about), text.chance(about["advised_oom_probability"])
    if now == then:
        return now
    return f"{now.removesuffix(' %')} → {then}".replace(" %", "\u00a0%")


def _reserved(about: Row) -> str:
    change = about["reserved_change_bytes"]
    return text.UNKNOWN if change is None else text.fleet_memory(change, sign=True)


def _cost(about: Row) -> object:
    cost = about["cost_change_per_month"]
    written = text.UNKNOWN if cost is None else text.money(cost, about["currency"], sign=True)
    return el("span", written, el("span", _reserved(about), class_="small"))


def _gives(about: Row) -> Markup:
    cost = about["waste_per_month"]
    priced = el("span", f"{text.money(cost, about['currency'])} a month", class_="small") if cost else None
    return el("span", text.fleet_memory(about["waste_bytes"] or 0), priced)


def _given_back(about: Row) -> str:
    both = about["limit_bytes"], about["purged_limit_bytes"]
    return text.NOT_APPLICABLE if None in both else " → ".join(map(text.configured_mi, both))


def _setting(about: Row) -> Markup:
    if about["setting"] is None:
        return _short(about["next_text"])
    shown = text.printable(about["setting"])
    return el("code", breakable(shown if len(shown) <= _LONGEST_SETTING else f"{shown[:_LONGEST_SETTING]}…"))


def spare(about: Row) -> Any:  # noqa: ANN401 - an amount to sort by
    return about["waste_bytes"] or None


def _spare(about: Row) -> str:
    return text.whole_amounts(text.fleet_memory(about["waste_bytes"])) if about["waste_bytes"] else text.NOT_APPLICABLE


def rank_of_verdict(about: Row) -> int:
    return (Verdict.LEAK, Verdict.INCONCLUSIVE, Verdict.NOT_LEAK).index(about["verdict"])


def _figure(
    head: str,
    kind: str,
    key: str,
    cell: Callable[[Row], object] | None = None,
    hot: Callable[[Row], bool | None] | None = None,
) -> Column:
    """Make a column that is sorted by what it shows: Mi, unless a cell is written otherwise."""
    cell = cell or (lambda about: text.known(text.mi, about[key]))
    return Column(head, kind, cell, itemgetter(key), number=True, hot=hot)


SPARK: Final = Column("History, to limit", "spark", lambda _: "")
VERDICT: Final = Column("Verdict", "verdict", lambda about: marked(text.VERDICTS[about["verdict"]]), rank_of_verdict)
GROWTH: Final = _figure("Growth, Mi/day", "growth", "growth_bytes_per_day", _growth)
TIME: Final = _figure("Time to limit", "time", "hours_to_limit", text.time_to_limit, itemgetter("reaches_soon"))
KILL: Final = _figure("OOM kill 7\u00a0d", "kill", "oom_probability_7d", text.kill_chance, itemgetter("above_target"))
PEAK: Final = _figure("Peak / limit, Mi", "peak", "peak_bytes", _peak)
NEXT: Final = Column("Next step", "next", lambda about: _short(about["next_text"]))
ALARM: Final = Column("What", "next", lambda about: text.told(about["alarm_text"]))
LIMIT: Final = _figure("Limit, Mi", "change", "advised_limit_bytes", _change("limit"))
REQUEST: Final = _figure("Request, Mi", "change", "advised_request_bytes", _change("request"))
RISK: Final = structs.replace(KILL, kind="risk", cell=_risk)
COST: Final = _figure("Cost a month", "cost", "reserved_change_bytes", _cost)
#: In its place where nobody said what memory costs.
RESERVED: Final = structs.replace(COST, head="Reserved, all pods", cell=_reserved)
#: What the limit rests on in a few words; the card has the whole reason.
WHY: Final = Column("Why", "next", lambda about: _short(text.sentence(about["limit_because"] or text.UNKNOWN)))
SPARE: Final = structs.replace(_figure("Spare", "time", "waste_bytes", _spare), value=spare)
#: The same with its price.
GIVES: Final = structs.replace(SPARE, kind="change", cell=_gives)
PODS: Final = _figure("Pods", "pods", "pods", lambda about: f"{about['pods'] or 0:,}")
STARTUP: Final = _figure("Starting needs, Mi", "time", "startup_peak_bytes")
SETTLED: Final = _figure("Running needs, Mi", "time", "settled_bytes")
PATTERN: Final = Column(
    "Pattern", "verdict", lambda row: text.event(row["pattern"] or text.UNKNOWN), itemgetter("pattern")
)
GIVEN_BACK: Final = _figure("Limit if given back, Mi", "change", "purged_limit_bytes", _given_back)
SETTING: Final = Column("Setting to try", "next", _setting)
CHANCE: Final = _figure(
    "Chance of a leak", "time", "leak_probability", lambda about: text.chance(about["leak_probability"])
)


def advised(about: Row, bought: Sequence[Row]) -> Markup | None:
    if about["action"] is None:
        return None
    if bought:
        return el("section", el("h4", "What a higher limit buys"), _bought(about["currency"], bought))
    return el(
        "section",
        headed("h4", "Request and limit", text.ACTIONS[about["action"]].lower()),
        _table(("", "Request", "Limit", "OOM kill 7 d"), _rows(about)),
        el("p", text.printable(about["limit_reason"] or ""), class_="because"),
    )


def _rows(about: Row) -> list[tuple[str, ...]]:
    risk = text.NOT_APPLICABLE
    now = text.configured(about["request_bytes"], known=bool(about["limit_known"])), text.limit_now(about)
    then = [about[f"advised_{name}_bytes"] for name in ("request", "limit")]
    if then[1] is not None:
        span = text.chance_range(about["advised_oom_probability_low"], about["advised_oom_probability_high"])
        risk = text.chance(about["advised_oom_probability"]) + span
    advice = (text.NOT_APPLICABLE if one is None else text.configured(one) for one in then)
    rows: list[tuple[str, ...]] = [("now", *now, text.kill_chance(about)), ("recommended", *advice, risk)]
    purged, vpa, krr = (about[name] for name in ("purged_limit_bytes", "vpa_target_bytes", "krr_limit_bytes"))
    if purged is not None:
        rows.append(("once kept pages are given back", "", text.configured(purged), ""))
    if vpa is not None:
        rows.append(("VPA would say", text.memory(vpa), "", ""))
    if krr is not None:
        rows.append(("KRR would say", text.memory(krr), text.memory(krr), ""))
    return rows


def _bought(currency: str | None, bought: Sequence[Row]) -> Markup:
    rows: list[tuple[str, ...]] = []
    for number, one in enumerate(bought):
        limit = text.configured(one["limit_bytes"]) + ("" if number else " (now)")
        rows.append((limit, text.chance(one["oom_probability"]), text.hours(one["hours_to_limit"])))
        if currency is not None:
            cost = one["cost_per_month"] if number else None
            rows[-1] += (text.NOT_APPLICABLE if cost is None else text.money(cost, currency, sign=True),)
    return _table(("Limit", "OOM kill 7 d", "Time", *([] if currency is None else ["Cost a month"])), rows)


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> Markup:
    return table([(name, "n" if at else "") for at, name in enumerate(heads)], rows, named=True, class_="limits")


def known(about: Row) -> Markup | None:
    if about["accepted_because"] is None:
        return None
    said = {"size": "It has passed the size that was accepted.", "day": "It was accepted until a day that is past."}
    passed = said.get(about["accepted_passed"])
    because, until = text.printable(about["accepted_because"]), el("span", bounds(about), class_="note")
    return el(
        "section",
        el("h4", "Known"),
        el("p", because, " ", until, class_="because"),
        el("p", passed, class_="because") if passed else None,
    )


def bounds(about: Row) -> str:
    words = []
    if about["accepted_bound_bytes"] is not None:
        words.append(f"up to {text.configured(about['accepted_bound_bytes'])}")
    if (day := about["accepted_until"]) is not None:
        words.append(f"until {day.day} {text.MONTHS[day.month - 1]} {day.year}")
    return ", ".join(words)
