"""The words of an Assessment, each made once, from the columns that a reader can hold them against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis import evidence as promql
from rmtoolkit.analysis.advice import advise
from rmtoolkit.analysis.records import Advice
from rmtoolkit.limits.patches import OF_LIMITS, quantity
from rmtoolkit.schema import TIME, Action, Pattern, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Row = Mapping[str, Any]

_WORDS: Final = {
    "headline": pl.String(),
    "explanation": pl.String(),
    "next_step": pl.String(),
    "next_text": pl.String(),
    "setting": pl.String(),
    "expected": pl.String(),
    "undecided_until": TIME,
    "worst_until_then": pl.String(),
    "limit_because": pl.String(),
}
#: Columns of the frame of advice, behind `workload_id`.
ADVICE: Final = pl.Schema(
    {
        "workload_id": pl.UInt32(),
        "rank": pl.Int64(),
        "text": pl.String(),
        "setting": pl.String(),
        "expected": pl.String(),
        "because": pl.String(),
        "until": TIME,
    }
)
QUERIES: Final = pl.Schema({"workload_id": pl.UInt32(), "shows": pl.String(), "promql": pl.String()})


def with_words(rows: pl.DataFrame) -> pl.DataFrame:
    """Say the verdict, the one action and what the limit rests on."""
    said = []
    # A row with all its evidence is large: few need it.
    for at, row in enumerate(rows.select(name for name in _SAID_FROM if name in rows.columns).iter_rows(named=True)):
        action = Action(row["action"] or Action.NONE)
        until = row["undecided_until"]
        if action is Action.NONE:
            found = Advice(NOTHING)
            if row["next_step"].startswith(NOTHING[:-1]) and row["next_step"] != NOTHING:
                beside = advise(rows.row(at, named=True))
                found = next((one for one in beside if one.text.startswith(NOTHING[:-1])), found)
        elif action in OF_LIMITS or _waits_for_history(row, action) or _limit_missing(row):
            found = _of_limit(row, action)
        else:
            every = list(advise(rows.row(at, named=True)))
            found = next((one for one in every if _fits(one, action)), Advice(_OTHERWISE[action]))
            until = next((one.until for one in every if one.until is not None), until)
        until = found.until or until
        headline = _headline(row)
        said.append(
            (
                headline,
                f"{headline} {row['why']}",
                found.sentence,
                found.text.rstrip(".") + ".",
                found.setting,
                found.expected,
                until,
                _worst(row),
                _limit_because(row),
            )
        )
    return rows.with_columns(pl.DataFrame(said, schema=_WORDS, orient="row"))


_SAID_FROM: Final = (
    "workload",
    "container",
    "headline",
    "why",
    "pattern",
    "also",
    "live_bytes",
    "slack_bytes",
    "kept_bytes",
    "cache_bytes",
    "working_set_bytes",
    "verdict",
    "growing",
    "growth_bytes_per_day",
    "oom_probability_24h",
    "oom_probability_7d",
    "action",
    "bound_by",
    "undecided_until",
    "next_step",
    "kills_now",
    "killed_limit_bytes",
    "limit_bytes",
    "need_bytes",
    "need_of",
    "advised_limit_bytes",
    "advised_oom_probability",
    "wait_seconds",
    "history_seconds",
)
#: Patterns whose headline names layers of the last instant.
OF_LAYERS: Final = (Pattern.RETENTION, Pattern.FRAGMENTATION, Pattern.PAGE_CACHE)


def _headline(row: Row) -> str:
    """Name the layers of the instant that is shown, where the headline names any."""
    said: str = row["headline"]
    if row["verdict"] != Verdict.NOT_LEAK or row["pattern"] not in OF_LAYERS or " does not leak: " not in said:
        return said
    subject = said.partition(" does not leak: ")[0]
    live, slack, kept, cache, whole = (
        row.get(f"{name}_bytes") for name in ("live", "slack", "kept", "cache", "working_set")
    )
    clause = None
    if row["pattern"] == Pattern.RETENTION and kept is not None:
        startup = " startup" if Pattern.STARTUP_SPIKE in (row["also"] or ()) else ""
        used = f"it uses {text.memory(live)} and" if live is not None else "it"
        gaps = slack is not None and slack > kept
        clause = f"{used} keeps {text.memory(kept)} of freed{startup} memory"
        if gaps:
            clause = f"{used} leaves {text.memory(slack)} of gaps where{startup} memory was freed"
    elif row["pattern"] == Pattern.FRAGMENTATION and None not in (slack, whole):
        clause = f"{text.memory(slack)} of its {text.memory(whole)} are gaps between live blocks"
    elif row["pattern"] == Pattern.PAGE_CACHE and None not in (cache, whole):
        clause = f"{text.memory(cache)} of its {text.memory(whole)} is page cache the kernel can take back"
    return said if clause is None else f"{subject} does not leak: {clause}."


def _worst(row: Row) -> str | None:
    """Say what may happen while somebody waits."""
    waits = row["verdict"] == Verdict.INCONCLUSIVE or row["action"] == Action.WAIT
    if not waits or row["oom_probability_24h"] is None:
        return None
    day, week = (text.chance(row[name]) for name in ("oom_probability_24h", "oom_probability_7d"))
    return f"an OOM kill: {day} chance within a day, {week} within 7 days"


def _limit_because(row: Row) -> str | None:
    """Say in a few words what decides the limit."""
    if row["kills_now"]:
        at = "" if row["killed_limit_bytes"] is None else f" at {text.configured(row['killed_limit_bytes'])}"
        return f"OOM-killed {text.times(row['kills_now'])}{at}"
    if row["growing"] or row["verdict"] == Verdict.LEAK:
        grows = "grows" if row["verdict"] == Verdict.LEAK else "may grow"
        rate = row["growth_bytes_per_day"]
        return grows if rate is None else f"{grows} by {text.rate(rate)}"
    if row["need_bytes"] is None:
        return None
    if row["bound_by"] == "startup":
        return f"startup needs {text.memory(row['need_bytes'])}"
    if row["need_of"] == "kernel peak":
        return f"the kernel saw a peak of {text.memory(row['need_bytes'])}"
    return f"needs up to {text.memory(row['need_bytes'])}"


_VERBS: Final = {Action.RAISE_LIMIT: "Raise", Action.LOWER_LIMIT: "Lower", Action.SET_LIMIT: "Set"}
NOTHING: Final = "Nothing to do."
_OTHERWISE: Final = {
    Action.WAIT: "Record for longer, then judge again.",
    Action.FIX_LEAK: "Take a heap profile: what was not freed names the code.",
    Action.TUNE_ALLOCATOR: "Let the allocator return freed pages.",
    Action.REDUCE_STARTUP: "Fill caches when they are first used, instead of all at once at the start.",
    Action.FIX_EXPORTER: "Mend the exporter: its figures cannot be.",
}


def _names_limit(one: Advice) -> bool:
    """Tell whether a piece of advice names a limit of its own."""
    return (one.setting or "").startswith("resources.limits")


def _fits(one: Advice, action: Action) -> bool:
    """Tell whether a piece of advice is about the one action; what names another limit never is."""
    about_exporter = (one.because or "").startswith("rejected_")
    if action is Action.FIX_EXPORTER:
        return about_exporter
    if action is Action.REDUCE_STARTUP:
        return one.because == "startup_peak_bytes"
    return not _names_limit(one) and not about_exporter and one.because != "oom_probability_7d"


def _waits_for_history(row: Row, action: Action) -> bool:
    """Tell whether there is a history, and it is only too short."""
    return action is Action.WAIT and None not in (row["undecided_until"], row["history_seconds"])


def _limit_missing(row: Row) -> bool:
    return row["action"] == Action.FIX_EXPORTER and bool(row["kills_now"]) and row["limit_bytes"] is None


def _of_limit(row: Row, action: Action) -> Advice:
    """Say what to do about a limit."""
    if action is Action.FIX_EXPORTER:
        return Advice(
            f"Export the limit: it was OOM-killed {text.times(row['kills_now'])}, at a limit that the data do not name",
            setting="kube_pod_container_resource_limits",
            expected="the limit to raise",
        )
    if action is Action.WAIT:
        until = row["undecided_until"]
        chance, left = text.chance(row["oom_probability_7d"]), text.hours(row["wait_seconds"] / 3600)
        return Advice(
            f"Wait until {text.moment(until)} UTC ({left} more), then judge again: the {chance} chance of an OOM kill "
            f"in 7 days rests on {text.hours(row['history_seconds'] / 3600)} of data",
            expected="a smaller chance, or a reason to raise the limit",
            until=until,
        )
    old, new = row["limit_bytes"], row["advised_limit_bytes"]
    change = f" from {text.configured(old)}" if old is not None else ""
    before = row["oom_probability_7d"]
    instead = f" instead of {text.chance(before)}" if before is not None and old is not None else ""
    chance = row["advised_oom_probability"]
    return Advice(
        f"{_VERBS[action]} the limit{change} to {text.configured(new)}",
        setting=f"resources.limits.memory: {quantity(new)}",
        expected=None if chance is None else f"{text.chance(chance)} chance of an OOM kill in 7 days{instead}",
    )


def advice_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Lay out all advice, a row each: the one action first, then what else there is to do."""
    found = [
        (row["workload_id"], rank, one.text.rstrip(".") + ".", one.setting, one.expected, one.because, one.until)
        for row in rows.iter_rows(named=True)
        for rank, one in enumerate(_all(row))
    ]
    return pl.DataFrame(found, schema=ADVICE, orient="row")


def _all(row: Row) -> Iterator[Advice]:
    first = row["next_text"]
    every = list(advise(row))
    because = next((one.because for one in every if one.text.rstrip(".") + "." == first), row["action"])
    yield Advice(first, row["setting"], row["expected"], because, row["undecided_until"])
    for one in every:
        # A limit is named in one place.
        if one.text.rstrip(".") + "." not in (first, NOTHING) and not _names_limit(one):
            yield one
    if row["raise_to_bytes"] is not None and row["action"] not in OF_LIMITS:
        bought = text.hours(24 * row["buys_days"])
        yield Advice(
            "If it must live until the cure, raise the limit: this buys time, not a cure",
            setting=f"resources.limits.memory: {quantity(row['raise_to_bytes'])}",
            expected=f"{bought} more until the limit is met",
            because="hours_to_limit",
        )


def queries_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Lay out the queries that show in Grafana what a verdict rests on."""
    found = [
        (row["workload_id"], query.shows, query.promql)
        for row in rows.iter_rows(named=True)
        # Pods come and go: those of a workload that has a name are asked for by it.
        for query in promql.queries(row if row["workload"] is None else {**row, "pod": None})
    ]
    return pl.DataFrame(found, schema=QUERIES, orient="row")
