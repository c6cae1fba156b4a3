"""The sections of the report, from the first screen to the quality of the data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl
from msgspec import structs

from rmtoolkit import text
from rmtoolkit._html import Markup, el, folded, headed, join, table, wide
from rmtoolkit.limits.patches import Resources, obstacle
from rmtoolkit.schema import WORKLOAD, Action, Alarm, Ending, Verdict
from rmtoolkit.views import charts
from rmtoolkit.views._tables import SHOWN_NAME, marked, write
from rmtoolkit.views.report import columns
from rmtoolkit.views.report.columns import Row, Section, bounds, link, links

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit.assessment import Assessment
    from rmtoolkit.assessment._totals import Totals
    from rmtoolkit.views._tables import Column


@dataclass(frozen=True)
class Contents:
    found: Assessment
    title: str = "Memory report"
    #: What is accepted of workloads that are not there.
    unmatched: tuple[Acknowledgement, ...] = ()

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The workloads, the most urgent first; the place of each is its `workload_id`."""
        currency = pl.lit(self.found.fleet.currency, pl.String)
        return tuple(self.found.workloads.with_columns(currency=currency).iter_rows(named=True))

    @cached_property
    def awake(self) -> list[Row]:
        return [row for row in self.rows if not row["accepted"]]


def _has(name: str, *values: str) -> Callable[[Row], bool]:
    return lambda row: row[name] in values


_leaks: Final = _has("verdict", Verdict.LEAK)
_undecided: Final = _has("verdict", Verdict.INCONCLUSIVE)
_to_raise: Final = _has("action", Action.RAISE_LIMIT, Action.SET_LIMIT)


def _at_risk(row: Row) -> bool:
    listed = _leaks(row) or _to_raise(row) or row["action"] == Action.LOWER_LIMIT or _undecided(row)
    return row["alarm"] == Alarm.ABOVE_TARGET and not listed


#: Which rows each table has: its title, its note and its columns stand in sections.toml.
_BELONG: Final[Mapping[str, Callable[[Row], bool]]] = {
    "dying": _has("alarm", Alarm.WILL_BE_KILLED),
    "leak": _leaks,
    "raise": _to_raise,
    "spare": lambda row: bool(row["waste_bytes"]) or row["action"] == Action.LOWER_LIMIT,
    "risk": _at_risk,
    "startup": _has("bound_by", "startup"),
    "allocator": lambda row: row["bound_by"] == "allocator" and row["verdict"] == Verdict.NOT_LEAK,
    "short": _has("alarm", Alarm.TOO_LITTLE_DATA),
    "undecided": _undecided,
}
_ORDER: Final[Mapping[str, Callable[[Row], float]]] = {
    "raise": lambda row: row["action"] == Action.SET_LIMIT,
    "spare": lambda row: -(row["waste_bytes"] or 0),
}


_TOLD: Final = text.texts("views/sections")
SECTIONS: Final = tuple(
    Section(key, belongs, tuple(getattr(columns, name) for name in _TOLD[key]["columns"]), _ORDER.get(key))
    for key, belongs in _BELONG.items()
)


def of(found: Assessment) -> list[Section]:
    """Give the tables of a page: without prices there is no cost."""
    instead = {} if found.fleet.currency else {columns.COST: columns.RESERVED}
    return [structs.replace(one, columns=tuple(instead.get(each, each) for each in one.columns)) for one in SECTIONS]


#: Everything, at the end: what is accepted as well.
ALL: Final = Section(
    "all",
    lambda _: True,
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

_WORDS: Final = text.marks("changes")
#: Rows that stand before the fold, and how many there are at all: of capacity and patches, of kills and findings.
_SHOWN: Final = 10
_MOST: Final = 60
_MOST_TOLD: Final = 40
_MOST_CHANGES: Final = 100
_SHOWN_NAMES: Final = 12


def told(found: Assessment, awake: Iterable[Row]) -> list[tuple[Row, str, str]]:
    known = {row["workload_id"]: row for row in awake}
    changes = found.changes.select("workload_id", "kind", "sentence").iter_rows()
    return [(known[one], kind, said) for one, kind, said in changes if one in known]


def changed(found: Assessment, awake: Iterable[Row]) -> Markup | None:
    if found.fleet.gone is None:
        return None
    changes = told(found, awake)
    rows = [
        el("div", marked(_WORDS[kind], "dt"), el("dd", link(row), " ", text.printable(said)))
        for row, kind, said in changes[:_MOST_CHANGES]
    ]
    first, rest = rows[:_SHOWN], rows[_SHOWN:]
    fleet, words = found.fleet, []
    if fleet.appeared:
        words.append(f"{text.count(fleet.appeared, 'workload')} {_was(fleet.appeared)} not there last time.")
    if fleet.gone:
        gone = found.changes.filter(kind="gone").select("namespace", "workload").head(_SHOWN_NAMES)
        names = ["/".join(text.printable(part) for part in row if part is not None) for row in gone.iter_rows()]
        count, more = text.count(fleet.gone, "workload"), text.and_more(fleet.gone, _SHOWN_NAMES)
        words.append(f"{count} of last time {_was(fleet.gone)} not seen this time: {', '.join(names)}{more}.")
    return el(
        "section",
        el("h2", "What changed since last time", id="section-changed"),
        el("dl", *first, class_="changes") if first else el("p", "Nothing changed that is clear."),
        _rest(len(changes) - len(rows), len(rest), lambda: el("dl", *rest, class_="changes")),
        el("p", " ".join(words), class_="note") if words else None,
    )


def _rest(left_out: int, held: int, inside: Callable[[], Markup]) -> Markup | None:
    """Fold the rows behind the first ones; it says how many it holds and how many are nowhere."""
    note = f"and {left_out:,} that are not listed" if left_out else ""
    if held:
        return folded(f"{held:,} more", note, inside())
    return el("p", note, class_="note") if note else None


def _more(amount: int, shown: int) -> Markup | None:
    return el("p", text.and_more(amount, shown).strip(), class_="note") if amount > shown else None


def _was(amount: int) -> str:
    return "was" if amount == 1 else "were"


def failures(found: Assessment, awake: Iterable[Row]) -> Markup | None:
    asked = found.checklist.select("workload_id", "question", "reading").sort("workload_id", maintain_order=True)
    known = {row["workload_id"]: row for row in awake}
    counted = Counter(asked.select("question", "reading").iter_rows())
    concerns: dict[str, list[Row]] = {question: [] for question in asked["question"].unique(maintain_order=True)}
    for one, question in asked.filter(reading="concern").select("workload_id", "question").iter_rows():
        concerns[question] += [known[one]] if one in known else []
    if not any(concerns.values()):
        return None
    rows = [
        {"question": question, "concern": len(those), "those": those}
        | {reading: counted[question, reading] for reading in ("unknown", "fine")}
        for question, those in concerns.items()
    ]
    return _plain("checklist", "The five questions", "asked of every workload", _CHECKLIST, rows)


def _plain(
    key: str, title: str, note: str, columns: Sequence[Column], rows: Sequence[Row], after: Markup | None = None
) -> Markup:
    return el(
        "section",
        headed("h2", title, note, id=f"section-{key}"),
        wide(title, write(columns, rows, named=True, class_=f"plain-table {key}"), "wide-list"),
        after,
    )


def _counted(head: str, key: str) -> Column:
    return head, "n", lambda row: f"{row[key]:,}"


def _gib(head: str, key: str) -> Column:
    return head, "n", lambda row: text.UNKNOWN if row[key] is None else text.gib(row[key])


_CHECKLIST: Final[Sequence[Column]] = (
    ("Question", "", itemgetter("question")),
    _counted("▲\u00a0concern", "concern"),
    _counted("◆\u00a0unknown", "unknown"),
    _counted("●\u00a0fine", "fine"),
    ("Concern for", "names", lambda row: links(row["those"], _SHOWN_NAMES) if row["those"] else text.NOT_APPLICABLE),
)
_CAPACITY: Final[Sequence[Column]] = (
    ("Node or quota", "", lambda row: join(text.printable(row["name"]), el("span", row["kind"], class_="small"))),
    _gib("Available, GiB", "available_bytes"),
    _gib("Taken now, GiB", "now_bytes"),
    _gib("With the proposals, GiB", "then_bytes"),
    _gib("Freed, GiB", "freed_bytes"),
    (
        "Containers",
        "n",
        lambda row: f"{row['containers']:,}" + (f" ({row['unknown']:,} unknown)" if row["unknown"] else ""),
    ),
)


def capacity(found: Assessment) -> Markup | None:
    if not found.capacity.height:
        return None
    frame = found.capacity.filter(pl.col("kind") != "nodes")
    nodes = next(found.capacity.filter(kind="nodes").iter_rows(named=True), None)
    order = frame.sort(pl.col("kind") == "quota", -pl.col("freed_bytes").abs(), "name", maintain_order=True)
    rows = order.head(_MOST).to_dicts()
    words, unknown = [], 0
    if nodes is not None:
        side, unknown = "free" if nodes["freed_bytes"] >= 0 else "take", nodes["unknown"]
        words.append(f"Applying these would {side} {text.gib(abs(nodes['freed_bytes']))} GiB of requests on all nodes.")
    if frame.height > _MOST:
        words.append(f"{frame.height - _MOST:,} more are not shown.")
    if unknown:
        words.append(f"{text.count(unknown, 'container')} without a known request {_was(unknown)} not counted.")
    words.append("Only what is in this recording is counted; other pods take room as well.")
    after = el("p", " ".join(words), class_="note")
    return _plain("capacity", "Capacity", "by node and namespace", _CAPACITY, rows, after)


_STATES: Final = {
    None: text.Mark("accepted", "ok"),
    "size": text.Mark("raised: size", "leak"),
    "day": text.Mark("raised: day", "leak"),
}


def accepted(rows: Iterable[Row], unmatched: Sequence[Acknowledgement]) -> Markup | None:
    known = [row for row in rows if row["accepted_because"] is not None]
    if not known and not unmatched:
        return None
    names = ", ".join(f"{text.printable(one.workload)} (line {one.line})" for one in unmatched)
    after = el("p", f"Known, but not in this recording: {names}.", class_="note") if names else None
    note = "out of the headline until a bound is passed"
    if not known:
        return el("section", el("h2", "Known and accepted", id="section-accepted"), after)
    return _plain("accepted", "Known and accepted", note, _ACCEPTED, known, after)


_ACCEPTED: Final[Sequence[Column]] = (
    ("Workload", "", link),
    ("State", "", lambda row: marked(_STATES[row["accepted_passed"]])),
    ("What is known", "", lambda row: text.printable(row["accepted_because"])),
    ("Accepted", "", bounds),
    ("Peak", "n", lambda row: text.memory(row["peak_bytes"])),
    ("Verdict", "", lambda row: text.VERDICTS[row["verdict"]].word),
)


def raised_again(rows: Iterable[Row]) -> Markup | None:
    passed = [row for row in rows if row["accepted_passed"] is not None]
    said: list[object] = []
    for row in passed[:_SHOWN_NAMES]:
        peak = f"peak {text.memory(row['peak_bytes'])}, " if row["accepted_passed"] == "size" else ""
        said += [", " if said else "", link(row), f" ({peak}accepted {bounds(row)})"]
    return el("p", el("b", "Past what was accepted: "), *said, ".", class_="again") if passed else None


_SHOWN_NAMES_QUALITY: Final = 20
_OPEN_FINDINGS: Final = 6
#: Workloads with less of their samples than this are named.
_COMPLETE: Final = 0.95


def quality(found: Assessment, rows: Sequence[Row]) -> Markup:
    fleet, report = found.fleet, found.recording.report
    known = (row for row in rows if row["coverage"] is not None)
    few = sorted((row for row in known if row["coverage"] < _COMPLETE), key=itemgetter("coverage"))
    sources = _sources(report.sources)
    judged, lacks = f"{fleet.workloads:,}", "; see what was left out below" if report.partial else ""
    samples = f"{fleet.samples:,} samples of {text.count(fleet.containers, 'container')}"
    notes = [el("li", text.printable(note)) for note in report.notes()]
    entries: dict[str, object] = {
        "Covers": f"{judged} of {judged} workloads read{lacks}",
        "Coverage": f"{text.share(fleet.coverage)}, {samples}",
        "Least complete": _first([f"{row['name']} {text.share(row['coverage'])}" for row in few]),
        "Gaps": _gaps(found),
        "Names inferred from pods": _first([row["name"] for row in rows if row["workload_inferred"]]),
        "Read from": ", ".join(sources[:_SHOWN_NAMES]) + text.and_more(len(sources), _SHOWN_NAMES),
        "Times": text.printable(report.time_axis),
        "Not used, not found, assumed": el("ul", *notes, class_="plain") if notes else "nothing",
    }
    return el(
        "section",
        el("h2", "Data quality", id="section-quality"),
        el("dl", *(join(el("dt", label), el("dd", value)) for label, value in entries.items() if value)),
        _findings(found),
        class_="data",
    )


def _first(names: list[str]) -> str:
    shown = ", ".join(text.shortened(name, SHOWN_NAME) for name in names[:_SHOWN_NAMES_QUALITY])
    return shown + text.and_more(len(names), _SHOWN_NAMES_QUALITY)


def _gaps(found: Assessment) -> str:
    ended = found.lives.filter(pl.col("ended") == Ending.GAP)["container_id"]
    stretches, hidden = text.count(len(ended), "stretch", "stretches"), text.count(ended.n_unique(), "container")
    return f"{stretches} without samples in {hidden}, too long to say what happened" if len(ended) else ""


def _sources(found: tuple[str, ...]) -> list[str]:
    """Name what was read; many files of one folder count as the folder."""
    if len(found) <= _SHOWN_NAMES:
        return list(map(text.printable, found))
    folders = Counter(source.rpartition("/")[0] or source for source in found)
    files = {folder: f" ({text.count(amount, 'file')})" if amount > 1 else "" for folder, amount in folders.items()}
    return [f"{text.printable(folder)}{counted}" for folder, counted in files.items()]


def _findings(found: Assessment) -> Markup | None:
    findings = found.findings
    if not findings.height:
        return None
    return folded(
        "Doubtful values",
        f"{findings.height:,}, {findings.filter(pl.col('rejected')).height:,} not used as evidence",
        wide("Doubtful values", write(_FINDINGS, findings.head(_MOST_TOLD).to_dicts(), named=True), "wide-list"),
        _more(findings.height, _MOST_TOLD),
        opened=findings.height <= _OPEN_FINDINGS,
    )


def _name(row: dict[str, Any]) -> str:
    parts = [text.printable(row[part]) for part in ("namespace", "workload", "pod") if row[part] is not None]
    return "/".join(parts) or text.NOT_APPLICABLE


_FINDINGS: Final[Sequence[Column]] = (
    ("Workload", "", _name),
    ("Signal", "", lambda row: text.signal_word(row["signal"])),
    ("What cannot be right", "", lambda row: text.printable(row["detail"])),
    ("As evidence", "", lambda row: "not used" if row["rejected"] else "used"),
)

#: From so many workloads on they are counted by namespace and owner too.
_MANY: Final = 30


def top(found: Assessment, title: str) -> Markup:
    clusters = list(map(text.printable, found.recording.containers["cluster"].drop_nulls().unique().sort()))
    where = f", cluster{'s' if len(clusters) > 1 else ''} {', '.join(clusters)}" if clusters else ""
    fleet, span = found.fleet, found.span
    words = [text.count(fleet.workloads, "workload"), f"coverage {text.share(fleet.coverage)}"]
    words = [text.period(*span), *words] if span is not None else words
    words += [f"{fleet.accepted:,} accepted"] if fleet.accepted else []
    words += ["compared with last time"] if fleet.gone is not None else []
    age = fleet.age_sentence
    return el(
        "header",
        el("p", el("b", text.printable(title)), where),
        el("p", text.whole_amounts(", ".join(words))),
        el("p", text.told(age), class_="aged", role="status") if age else None,
        class_="top",
    )


def heading(found: Assessment) -> Markup:
    first, *others = text.whole_amounts(found.fleet.sentence).split(". ")
    said = [el("span", first.removesuffix("."), "."), *(el("span", " ", one.removesuffix("."), ".") for one in others)]
    return el("h1", *said)


def urgent(awake: Sequence[Row]) -> list[Row]:
    return [row for name in Alarm if name != Alarm.TOO_LITTLE_DATA for row in awake if row["alarm"] == name]


def acts(found: Assessment, awake: Sequence[Row]) -> Markup:
    first = urgent(awake)
    lines = [_act(row) for row in first[:_SHOWN]]
    if not lines:
        named = [] if found.fleet.start_with is None else [link(awake[0]), ": "]
        lines.append(el("li", *named, text.printable(found.fleet.start_because), class_="act whole"))
    if rest := Counter(row["alarm"] for row in first[_SHOWN:]):
        kinds = [(f"{rest[name]:,} ", text.ALARMS[name].word.lower()) for name in Alarm if rest[name]]
        told = f": {', '.join(map(''.join, kinds))}" if len(kinds) > 1 else f" {kinds[0][1]}"
        lines.append(el("li", f"and {rest.total():,} more{told}, in the sections below", class_="act whole"))
    waste = found.fleet.waste_bytes or 0
    # Less than this is not worth a word.
    if waste > 64 << 20:
        money = found.fleet.waste_per_month
        priced = f", {text.money(money, found.fleet.currency)} a month" if money is not None else ""
        from_ = text.count(found.fleet.waste_workloads, "workload")
        words = f"{text.fleet_memory(waste)} can be given back{priced} in {from_}"
        given = el("a", words, href="#section-spare")
        lines.append(el("li", el("span", "Money", class_="marked"), given, el("span"), class_="act"))
    return el("section", el("h2", "What to do first", id="section-acts"), el("ol", *lines, class_="acts"))


def _act(row: Row) -> Markup:
    mark, owner = text.ALARMS[row["alarm"]], row["owner"]
    whose = el("span", f"owner {text.printable(owner)}", class_="small") if owner else None
    return el(
        "li",
        marked(mark),
        el("div", link(row), el("span", text.told(row["alarm_text"]), class_="small"), whose),
        el("div", text.told(row["next_text"]), class_="do"),
        class_="act",
    )


class Tile(NamedTuple):
    name: str
    figure: str
    verdict: str | None
    label: str
    note: str


COUNTED: Final[Mapping[str, Callable[[Row], bool]]] = {
    "killed": lambda row: row["alarm"] == Alarm.KILLED,
    "dying": lambda row: row["alarm"] == Alarm.WILL_BE_KILLED,
    "leak": _leaks,
    "spare": lambda row: bool(row["waste_bytes"]),
    "data": lambda row: row["alarm"] == Alarm.TOO_LITTLE_DATA or _undecided(row),
}


def figures(found: Assessment) -> list[Tile]:
    fleet = found.fleet
    alarms = dict(fleet.alarms)
    month = fleet.waste_per_month
    money = None if month is None else f"{text.money(month, fleet.currency)} a month"
    givers = text.count(fleet.waste_workloads, "workload") if fleet.waste_workloads else ""
    dying, short, above = (alarms[name] for name in (Alarm.WILL_BE_KILLED, Alarm.TOO_LITTLE_DATA, Alarm.ABOVE_TARGET))
    again = f"and {fleet.killed_again:,} that {_was(fleet.killed_again)} killed this week" if fleet.killed_again else ""
    over = f"{above:,} more above the {text.share(fleet.target)} target" if above else ""
    waste = text.UNKNOWN if fleet.waste_bytes is None else text.fleet_memory(fleet.waste_bytes)
    both = short + fleet.inconclusive - fleet.short_of_data
    lacks = ((short, "to rule a kill out"), (fleet.inconclusive, "for a verdict"), (both, "for both"))
    data = ", ".join(f"{amount:,} {why}" for amount, why in lacks if amount > 0)
    risky = "; ".join(filter(None, (again, over, _more_above(fleet))))
    leaking, kills = _since(fleet) or fleet.leaks_ahead.removesuffix("."), text.count(fleet.kills, "kill")

    def counted(name: str, amount: int, verdict: str, label: str, note: str) -> Tile:
        return Tile(name, f"{amount:,}", verdict if amount else None, label, note)

    return [
        counted("killed", fleet.killed, Verdict.LEAK, "OOM-killed this week", kills if fleet.kills else ""),
        counted("dying", dying, Verdict.LEAK, "will be killed", risky),
        counted("leak", fleet.leak, Verdict.LEAK, "leak", leaking),
        Tile("spare", waste, None, "can be given back", ", ".join(filter(None, (money, givers)))),
        counted("data", fleet.short_of_data, Verdict.INCONCLUSIVE, "need more data", data),
    ]


def _more_above(fleet: Totals) -> str:
    now, before = fleet.above_target, fleet.above_target_before
    if now is None or before is None:
        return ""
    if now == before:
        return "as many above the target as last time"
    return f"{abs(now - before):,} {'more' if now > before else 'fewer'} above the target than last time"


def _since(fleet: Totals) -> str:
    if fleet.leaks_new is None:
        return ""
    counted = ((fleet.leaks_new, "new"), (fleet.leaks_gone, "gone"))
    return ", ".join(f"{amount:,} {word}" for amount, word in counted if amount) or "none new"


def tiles(found: Assessment, there: Container[str]) -> Markup:
    return el(
        "ul",
        *(
            el(
                "li",
                el("div", charts.mark(text.VERDICTS[verdict].shape) if verdict else None, figure, class_="figure"),
                el("b", el("a", label, href=f"#section-{_section(name, there)}") if figure != "0" else label),
                el("span", note, class_="note") if note else None,
                class_=text.VERDICTS[verdict].token if verdict else None,
            )
            for name, figure, verdict, label, note in figures(found)
        ),
        class_="tiles",
    )


def _section(name: str, there: Container[str]) -> str:
    listed = {"killed": ("kills",), "data": ("short", "undecided")}
    return next((key for key in listed.get(name, (name,)) if key in there), "all")


def groups(found: Assessment) -> Markup | None:
    frame = found.groups
    if frame.height < 2 or found.fleet.workloads < _MANY:  # noqa: PLR2004
        return None

    def named(row: Row) -> Markup:
        space = text.printable(row["namespace"])
        return el("a", text.shortened(space, SHOWN_NAME), href="#section-acts", data_space=space)

    def month(row: Row) -> str:
        cost = row["waste_per_month"]
        return text.NOT_APPLICABLE if cost is None else text.money(cost, found.fleet.currency)

    def spare(row: Row) -> str:
        return text.UNKNOWN if row["waste_bytes"] is None else text.fleet_memory(row["waste_bytes"])

    owner: Column = ("Owner", "", lambda row: text.printable(row["owner"]))
    columns: list[Column] = [
        ("Namespace", "", named),
        *([owner] if frame["owner"].count() else []),
        _counted("Workloads", "workloads"),
        *(_counted(text.ALARMS[name].word, name) for name in Alarm),
        ("Can be given back", "n", spare),
        *([("a month", "n", month)] if found.fleet.currency is not None else []),
    ]
    note = "by namespace and owner, each workload once, by its worst; a name filters every table"
    rows = frame.head(_SHOWN).to_dicts()
    return _plain("groups", "Where it is worst", note, columns, rows, _more(frame.height, _SHOWN))


def kills(found: Assessment, rows: Sequence[Row]) -> Markup | None:
    frame = found.kills.sort("time", "container_id", descending=True)
    known = {row["workload_id"]: row for row in rows}
    shown = frame.filter(pl.col("workload_id").is_in(list(known))).head(_MOST_TOLD)
    lines = [
        el(
            "li",
            el("b", f"{text.moment(kill['time'])} UTC"),
            el("div", link(known[kill["workload_id"]]), " at ", text.configured(kill["limit_bytes"], known=False)),
            el("div", text.printable(kill["sentence"])),
            class_="act",
        )
        for kill in shown.iter_rows(named=True)
    ]
    if not lines:
        return None
    rest = lines[_SHOWN:]
    note = f"{text.count(frame.height, 'kill')}, what the data said before, and what came"
    how = "Of the newest three of a container: what was said a day before, or half-way through a shorter run."
    return el(
        "section",
        headed("h2", "OOM kills", note, id="section-kills"),
        el("ol", *lines[:_SHOWN], class_="acts"),
        _rest(frame.height - len(lines), len(rest), lambda: el("ol", *rest, class_="acts")),
        el("p", how, class_="note"),
    )


def patch_sets(parts: Sequence[tuple[Resources, str]]) -> dict[str, list[int]]:
    """Choose the patches that there are, and of them those that rest on enough; containers of a pod share one."""
    there = {patch: at for at, (one, patch) in reversed([*enumerate(parts)]) if obstacle(one) is None}
    guessed = {patch for one, patch in parts if one.provisional is not None}
    return {"all": sorted(there.values()), "settled": sorted(at for patch, at in there.items() if patch not in guessed)}


def apply(parts: Sequence[tuple[Resources, str]], rows: Sequence[Row]) -> Markup | None:
    """Write the panel of patches: one for each workload, one for all; what is provisional is marked."""
    if not parts:
        return None
    known = {tuple(row[name] for name in WORKLOAD): row for row in rows}
    cells = []
    for at, (one, _) in enumerate(parts):
        row, missing = known[one.cluster, one.namespace, one.workload, one.container], obstacle(one)
        state = join(
            *([el("b", "provisional"), el("span", one.provisional, class_="small")] if one.provisional else []),
            el("span", f"No patch: {missing}.", class_="small") if missing else None,
        )
        button = el("button", "Copy", type="button", data_patch=at, aria_label=f"Copy the patch of {row['name']}")
        button = Markup() if missing else button
        limit = f"{text.limit_now(row)} → {text.configured(one.limit_bytes)}"
        cells.append((link(row), limit, columns.RISK.cell(row), state, button))
    heads = (("Workload", "names"), ("Limit", "n"), ("OOM kill 7\u00a0d", "n"), ("Note", ""), ("Patch", ""))
    whole, settled = (len(chosen) for chosen in patch_sets(parts).values())
    buttons = [el("button", f"Copy all {whole:,}", type="button", data_patch="all")] if whole else []
    if 0 < settled < whole:
        words = f"Copy the {settled:,} that {'is' if settled == 1 else 'are'} not provisional"
        buttons.append(el("button", words, type="button", data_patch="settled"))
    said = el("span", class_="note", role="status", id="copied")
    first, rest = cells[:_SHOWN], cells[_SHOWN:_MOST]
    listed, hidden = (table(heads, some, named=True, class_="plain-table apply") for some in (first, rest))
    left = max(len(cells) - _MOST, 0)
    in_cards = f"and {left:,} in their cards" if left else ""
    said_of = [text.count(whole, "patch", "patches")]
    said_of += [f"{whole - settled:,} provisional"] if whole > settled else []
    by_hand = sum(obstacle(one) is not None for one, _ in parts)
    said_of += [f"{text.count(by_hand, 'limit')} to change by hand"] if by_hand else []
    return el(
        "section",
        headed("h2", "Apply", f"{', '.join(said_of)}; each card shows its own", id="section-apply"),
        el("p", *buttons, said, class_="buttons"),
        wide("Patches", listed, "wide-list"),
        folded(f"{len(rest):,} more", in_cards, wide("More patches", hidden, "wide-list")) if rest else None,
    )
