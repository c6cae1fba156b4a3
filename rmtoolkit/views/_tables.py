"""Parts of an answer that the report and the notebook show alike: facts, marks, code."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit._html import Markup, breakable, el, folded, join, not_complete, table, wide, with_code
from rmtoolkit.schema import Ending, Outlook, Verdict
from rmtoolkit.views import charts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rmtoolkit.assessment import Assessment

    Row = dict[str, Any]
    Column = tuple[str, str, Callable[[Row], object]]

#: A longer name is cut, and whole in the title of its element.
SHOWN_NAME: Final = 160


def caveats(found: Assessment) -> Markup:
    age = found.fleet.age_sentence
    lacks = not_complete(found.incomplete, class_="warned", role="alert")
    return join(lacks, el("p", text.told(age), class_="warned") if age is not None else None)


def answer(
    row: Row,
    name: str,
    heading: Markup,
    then: Markup,
    target: float,
    *,
    badge: Markup | None = None,
    most: int = SHOWN_NAME,
    class_: str = "answer",
) -> Markup:
    """Write the answer about a workload: verdict, whose it is, why, what to do next, and the facts beside it."""
    mark, shown = text.VERDICTS[row["verdict"]], text.shortened(name, most)
    pods = [text.count(row["pods"], "pod")] if row["pods"] else []
    words = [row["pattern"], *(f"also {other}" for other in row["also"] or [])]
    words += [f"cause: {row['cause']}"] if row["cause"] else []
    words += ["name inferred from the pod"] if row.get("workload_inferred") else []
    who = ", ".join([shown, *pods, *(word.replace("_", " ") for word in words if word)])
    said = el(
        "div",
        badge or el("span", charts.mark(mark.shape), mark.badge, class_="badge"),
        el("span", who, class_="who", title=name if shown != name else None),
        heading,
        el("p", text.told(row["why"]), class_="reason"),
        then,
    )
    return el("div", said, facts(row, target), class_=class_)


def facts(row: Row, target: float = 0.05) -> Markup:
    label, level = row["confidence_of"], row["evidence_level"]
    drawn, note = (None, "") if level is None else (charts.boxes(level), f"evidence {level}/5: {row['evidence_words']}")
    sure = fact(label, text.chance(row["confidence_share"]), drawn, note)
    return el("dl", _time(row), _risk(row, target), sure, _growth(row), class_="facts")


def fact(label: str, value: str, drawn: Markup | None, note: str) -> Markup:
    return el(
        "div",
        el("dt", label),
        el("dd", value, class_="fact"),
        el("dd", drawn, text.whole_amounts(note), class_="note") if drawn or note else None,
    )


def _time(row: Row) -> Markup:
    notes = []
    if row["limit_outlook"] == Outlook.REACHES:
        notes = [f"about {text.moment(row['limit_at'])} UTC"] if row["limit_at"] is not None else []
        if span := text.hours_range(row["hours_to_limit_low"], row["hours_to_limit_high"]):
            notes.append(f"80 % interval {span}")
    elif row["limit_outlook"] == Outlook.BOUNDED:
        settled = row["settled_bytes"]
        notes = ["bounded" if settled is None else f"bounded: settled at {text.memory(settled)}"]
    return fact("Time to limit", text.time_to_limit(row), None, ", ".join(notes))


def _risk(row: Row, target: float) -> Markup:
    value, drawn = row["oom_probability_7d"], None
    note = "there is no limit to exceed" if row["limit_bytes"] is None and row["limit_known"] else ""
    if value is not None:
        drawn = charts.risk_bar(value, target)
        note = f"{'above' if value > target else 'within'} the {text.share(target)} target"
    return fact("OOM kill, 7 days", text.kill_chance(row), drawn, note)


def _growth(row: Row) -> Markup:
    span, floor = _span(row), row["detection_floor_bytes_per_day"]
    notes = (
        "what grows towards the limit lies beside it" if text.grows_beside(row) else "",
        span,
        f"we would notice growth above {text.floor(floor)}" if floor else "",
    )
    return fact(_growth_of(row), text.growth(row).removeprefix("+"), None, ", ".join(filter(None, notes)))


def _growth_of(row: Row) -> str:
    return f"Growth of {text.signal_word(row['signal'])}"


def _span(row: Row) -> str:
    return text.rate_range(*(row[f"growth_{side}bytes_per_day"] for side in ("", "low_", "high_")))


def action(one: Row, *, copied: bool = False) -> tuple[Markup | None, ...]:
    """Write what to do, the setting on a line of its own, perhaps with a button, and what it should change."""
    block = code(text.printable(one["setting"]), copied=copied) if one["setting"] else None
    expected = f"Expected: {text.printable(one['expected'].rstrip('.'))}." if one["expected"] else None
    return with_code(one["text"]), block, el("span", expected, class_="small") if expected else None


def code(line: str, *, copied: bool) -> Markup:
    block = el("code", breakable(line), class_="block")
    if not copied:
        return block
    button = el("button", "Copy", type="button", class_="rm-button small", data_rm_copy=line)
    return el("div", block, button, class_="copied")


@lru_cache(maxsize=64)
def marked(mark: text.Mark, name: str = "span") -> Markup:
    return el(name, charts.mark(mark.shape), mark.word, class_=f"marked {mark.token}")


_SHOWN: Final = 40
#: A longer value may be broken over lines.
_SHORT: Final = 26
_HOUR: Final = 3600


def write(columns: Sequence[Column], rows: Sequence[Row], **attributes: Any) -> Markup:  # noqa: ANN401 - of `table`
    heads = [(head, kind) for head, kind, _ in columns]
    return table(heads, [[cell(row) for _, _, cell in columns] for row in rows], **attributes)


def _value(item: Row) -> Markup:
    said = text.printable(item["value"] or "")
    return el("span", said, class_="whole" if len(said) <= _SHORT else None)


def _with(said: str, small: str) -> Markup:
    return el("span", said, el("span", text.printable(small), class_="small"))


def seen(items: Sequence[Row]) -> tuple[str, list[str]]:
    """Say on which signal and when most of the evidence was seen, and of each piece what is otherwise."""
    told = list(map(_seen, items))
    usual = max(told, key=lambda one: (all(one), told.count(one)), default=(None, None))
    others = ((part for part, same in zip(one, usual, strict=True) if part != same) for one in told)
    return ", ".join(filter(None, usual)), [", ".join(filter(None, parts)) for parts in others]


def _seen(item: Row) -> tuple[str | None, str | None]:
    if item["says"] == "not_measured" and not (item.get("statistic") or "").startswith("rejected"):
        return None, None
    is_known = item.get("start") is not None and item.get("end") is not None
    window = text.period(item["start"], item["end"]) if is_known else None
    return text.signal_word(item["signal"]) if item.get("signal") else None, window


_EVIDENCE: Final[Sequence[Column]] = (
    ("Says", "", lambda item: marked(text.EVIDENCE[item["says"]])),
    ("Evidence", "", lambda item: text.printable(item["text"])),
    ("Value", "value", _value),
    ("Weight", "n weight", lambda item: charts.dots(item["weight"]) if item["weight"] else text.NOT_APPLICABLE),
)
_EVIDENCE_SEEN: Final[Sequence[Column]] = (
    _EVIDENCE[0],
    ("Evidence", "", lambda item: _with(text.printable(item["text"]), item["seen"])),
    ("Value (80 % interval)", "value", _value),
    _EVIDENCE[3],
)
_QUESTIONS: Final[Sequence[Column]] = (
    ("Question, and because", "", lambda item: _with(item["question"], item["because"] or "")),
    ("Answer", "word", lambda item: el("b", item["answer"].capitalize())),
    ("Reading", "word", lambda item: marked(text.READINGS[item["reading"]])),
)
_PODS: Final[Sequence[Column]] = (
    ("Pod", "", lambda pod: text.printable(pod["pod"])),
    ("Verdict", "", lambda pod: marked(text.VERDICTS[pod["verdict"]])),
    ("Growth", "n", text.growth),
    ("Peak", "n", lambda pod: text.known(text.memory, pod["peak_bytes"])),
    ("Lives", "n", lambda pod: f"{pod['lives']:,}"),
    ("Coverage", "n", lambda pod: text.share(pod["coverage"])),
)


def evidence(row: Row, *, where: bool = False, **attributes: Any) -> Markup:  # noqa: ANN401 - of `table`
    """List what speaks for a leak, what against, and what was not measured; what supports the verdict stands first."""
    sides = ("for", "against") if row["verdict"] == Verdict.LEAK else ("against", "for")
    order = {name: at for at, name in enumerate((*sides, "not_measured"))}
    items = sorted(row["evidence"] or [], key=lambda item: (order[item["says"]], -(item["weight"] or 0)))
    if not items:
        return el("p", "No evidence: too few samples.", class_="note")
    if not where:
        return write(_EVIDENCE, items, class_="evidence", **attributes)
    usual, others = seen(items)
    items = [item | {"seen": other} for item, other in zip(items, others, strict=True)]
    caption = f"Evidence: {text.printable(usual)}" if usual else "Evidence"
    return write(_EVIDENCE_SEEN, items, class_="evidence", caption=caption, **attributes)


def how(row: Row, queries: Sequence[Row], *, copied: bool = False) -> Markup:
    """Say what each figure of the answer rests on, and write the queries that show the same."""
    window = "no samples"
    if row["window_start"] is not None:
        window = text.period(row["window_start"], row["window_end"])
    since, span, words = row["growth_since"], _span(row), row["evidence_words"]
    rests: dict[str, tuple[str | None, ...]] = {
        "Window": (
            window,
            _every(row["cadence_seconds"]),
            f"coverage {text.share(row['coverage'])}",
            text.count(row["runs"], "life", "lives") if row["runs"] else None,
        ),
        _growth_of(row): (
            text.growth(row).removeprefix("+"),
            f"80 % interval {span}" if span else None,
            None if since is None else f"since {text.moment(since)} UTC",
        ),
        "OOM kill, 7 days": (text.chance(row["oom_probability_7d"]), row["risk_because"]),
        row["confidence_of"]: (text.chance(row["confidence_share"]), f"from {words}" if words else None),
        "Limit": (row["limit_reason"],),
    }
    known = {figure: ", ".join(filter(None, said)) for figure, said in rests.items()}
    told = [join(el("dt", figure), el("dd", text.printable(said))) for figure, said in known.items() if said]
    shown = [
        join(el("dt", one["shows"]), el("dd", code(text.printable(one["promql"]), copied=copied))) for one in queries
    ]
    counted = text.count(len(shown), "query for Grafana", "queries for Grafana") if shown else "no queries"
    return folded("How this was got", f"{window}, {counted}", el("dl", *told, *shown, class_="queries"))


def _every(cadence: float | None) -> str | None:
    return None if cadence is None else f"a sample every {text.hours(cadence / _HOUR)}"


def kills(rows: Sequence[Row]) -> Markup | None:
    if not rows:
        return None
    newest = sorted(rows, key=lambda row: row["time"], reverse=True)
    lines = [el("li", text.printable(row["sentence"])) for row in newest[:_SHOWN]]
    note = f"{len(rows):,}, what the data said before, and what came"
    return folded("OOM kills", note, _cut("newest", len(rows)), el("ul", *lines, class_="plain"))


def questions(checklist: Sequence[Row], **attributes: Any) -> Markup:  # noqa: ANN401 - of `table`
    return write(_QUESTIONS, checklist, class_="questions", **attributes)


def lives(rows: Sequence[Row], pods: Mapping[int, str] | None = None, about: Row | None = None) -> Markup | None:
    """List the lifetimes of a workload, the newest first; with `pods` each says whose it is."""
    if not rows:
        return None
    kills = sum(row["ended"] == Ending.OOM_KILL for row in rows) if about is None else about["kills"]
    said = text.count(kills, "OOM kill") if kills else "no OOM kill"
    shown = sorted(rows, key=lambda row: (row["end"], row["start"]), reverse=True)[:_SHOWN]
    columns = _lives(seconds=(shown[0]["end"] - min(row["start"] for row in rows)).total_seconds() < _HOUR)
    if pods is not None:
        columns = (("Pod", "", lambda row: text.printable(pods.get(row["container_id"], ""))), *columns)
    return folded(
        "Lifetimes", f"{len(rows):,}, {said}", _cut("newest", len(rows)), wide("Lifetimes", write(columns, shown))
    )


def _lives(*, seconds: bool) -> tuple[Column, ...]:
    def start(row: Row) -> str:
        return text.moment(row["start"], seconds=seconds) + ("" if row["start_seen"] else " or earlier")

    return (
        ("Life", "n", lambda row: row["life"] + 1),
        ("Start, UTC", "", start),
        ("Length", "n", lambda row: text.hours((row["end"] - row["start"]).total_seconds() / _HOUR)),
        ("Ended", "", lambda row: text.event(row["ended"])),
        ("Version", "", lambda row: text.printable(row["version"])),
        ("Limit", "n", lambda row: text.known(text.configured, row["limit_bytes"])),
        ("Startup peak", "n", lambda row: text.known(text.memory, row["startup_peak_bytes"])),
        ("Settled", "n", lambda row: text.known(text.memory, row["settled_bytes"])),
        ("Peak", "n", lambda row: text.known(text.memory, row["peak_bytes"])),
        ("Coverage", "n", lambda row: text.share(row["coverage"])),
    )


def _cut(which: str, amount: int) -> Markup | None:
    return el("p", f"The {which} {_SHOWN} of {amount:,}.", class_="note") if amount > _SHOWN else None


def pods(instances: Sequence[Row]) -> Markup | None:
    if len(instances) < 2:  # noqa: PLR2004
        return None
    counted = ", ".join(
        f"{amount:,} {text.VERDICTS[name].word.lower()}"
        for name, amount in Counter(pod["verdict"] for pod in instances).most_common()
    )
    return folded("Pods", counted, _cut("first", len(instances)), wide("Pods", write(_PODS, instances[:_SHOWN])))


def quality(
    coverage: float | None, findings: Sequence[Row], gaps: Sequence[tuple[int, int]], cadence: float | None
) -> Markup:
    """Say how good the data of a workload is; gaps are first and last ms of stretches without a sample."""
    lost = sum(last - first for first, last in gaps) / 3_600_000
    said = [f"coverage {text.share(coverage)}"]
    said.append(f"{text.count(len(gaps), 'gap')} of {text.hours(lost)} in all" if gaps else "no gaps")
    items = [*said, *filter(None, [_every(cadence)])]
    items += [
        f"{text.signal_word(found['signal'])}: {text.printable(found['detail'])} "
        f"{'Not used as evidence.' if found['rejected'] else 'Used all the same.'}"
        for found in findings[:_SHOWN]
    ]
    said += [f"{len(findings):,} doubtful"] if findings else []
    return folded("Data quality", ", ".join(said), el("ul", *(el("li", item) for item in items), class_="plain"))
