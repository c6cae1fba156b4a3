"""What must hold of every row of an Assessment, whatever was recorded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import polars.selectors as cs
import pytest
from polars.testing import assert_frame_equal

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit.assessment import assess
from rmtoolkit.limits.risk import USUAL
from tests.shown_numbers import run_of_corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rmtoolkit.assessment import Assessment

    Row = dict[str, Any]
    Rule = Callable[[Row], bool]

MI: Final = 2**20
TARGET: Final = 0.05
OF_LIMITS: Final = ("raise_limit", "lower_limit", "set_limit")

RULES: Final[dict[str, Rule]] = {}


def rule(check: Rule) -> Rule:
    """Add a rule under its name: it is given a row and says whether it holds."""
    RULES[check.__name__] = check
    return check


@pytest.fixture(scope="session")
def recordings() -> dict[str, rm.Recording]:
    """The samples and thirty runs of the corpus."""
    return {"samples": rm.read("data/samples"), "corpus": run_of_corpus(30)}


@pytest.fixture(scope="session")
def found(recordings: dict[str, rm.Recording]) -> dict[str, Assessment]:
    """What is said of them."""
    return {name: assess(recording, prices=USUAL) for name, recording in recordings.items()}


def _rows(found: dict[str, Assessment]) -> Iterator[tuple[str, Row]]:
    for name, assessment in found.items():
        for row in assessment.workloads.iter_rows(named=True):
            yield f"{name}/{row['workload']}", row


# Layers and levels.


@rule
def layers_add_up_to_the_working_set(row: Row) -> bool:
    """Anonymous memory, cache, kernel and files in memory are the working set."""
    parts = [row[name] for name in ("anon_bytes", "cache_bytes", "kernel_bytes", "shmem_bytes")]
    if row["working_set_bytes"] is None or row["anon_bytes"] is None or row["cache_bytes"] is None:
        return True
    return bool(abs(sum(part or 0 for part in parts) - row["working_set_bytes"]) <= MI / 10)


@rule
def heap_and_what_is_outside_add_up_to_anonymous_memory(row: Row) -> bool:
    """Live heap, slack, kept pages and what lies outside are the anonymous memory."""
    parts = [row[name] for name in ("live_bytes", "slack_bytes", "kept_bytes", "outside_bytes")]
    if row["live_bytes"] is None or row["anon_bytes"] is None:
        return True
    return bool(abs(sum(part or 0 for part in parts) - row["anon_bytes"]) <= MI / 10)


@rule
def no_layer_is_negative(row: Row) -> bool:
    """An amount of memory is not below nothing."""
    names = ("live", "slack", "kept", "outside", "anon", "cache", "kernel", "shmem", "working_set", "rss")
    return all((row[f"{name}_bytes"] or 0) >= 0 for name in names)


@rule
def peak_is_at_least_what_is_used_now(row: Row) -> bool:
    """The highest sample is not below the last one, nor below anonymous memory at it."""
    now = max(row["working_set_bytes"] or 0, row["anon_bytes"] or 0)
    return row["peak_bytes"] is None or row["peak_bytes"] >= now


@rule
def need_is_at_least_what_cannot_be_taken_back_now(row: Row) -> bool:
    """The highest need is not below what counts towards the limit at the last sample."""
    parts = ("anon_bytes", "kernel_bytes", "shmem_bytes")
    now = sum(row[name] or 0 for name in parts)
    return row["need_bytes"] is None or row["need_bytes"] >= now - MI / 10


@rule
def need_is_known_where_memory_was_seen(row: Row) -> bool:
    """Where a peak is known, so is a need."""
    return row["peak_bytes"] is None or row["need_bytes"] is not None


@rule
def startup_and_settled_levels_are_below_the_peak(row: Row) -> bool:
    """No level is above the highest sample."""
    levels = (row["startup_peak_bytes"] or 0, row["settled_bytes"] or 0)
    return row["peak_bytes"] is None or max(levels) <= row["peak_bytes"]


@rule
def what_grows_has_not_settled(row: Row) -> bool:
    """Nothing that grows has a settled level."""
    return row["settled_bytes"] is None or not (row["growing"] or row["verdict"] == "leak")


@rule
def what_is_called_growing_is_no_clean_verdict(row: Row) -> bool:
    """What does not leak does not grow, and what leaks does."""
    return bool(row["growing"] == (row["verdict"] == "leak") or row["verdict"] == "inconclusive")


@rule
def interval_holds_the_growth(row: Row) -> bool:
    """A growth lies within its interval."""
    low, high = row["growth_low_bytes_per_day"], row["growth_high_bytes_per_day"]
    return None in (low, high) or low <= row["growth_bytes_per_day"] <= high


@rule
def a_leak_grows_above_its_floor(row: Row) -> bool:
    """The growth of a leak is above the smallest that would be seen."""
    floor, growth = row["detection_floor_bytes_per_day"], row["growth_bytes_per_day"]
    return row["verdict"] != "leak" or None in (floor, growth) or growth >= floor


# The limit and the time to it.


@rule
def instants_are_the_hours_from_the_end_of_the_window(row: Row) -> bool:
    """The instant at which a limit is met is the end of the window and the hours."""
    if row["hours_to_limit"] is None:
        return row["limit_at"] is None
    return bool(abs((row["limit_at"] - row["window_end"]).total_seconds() - 3600 * row["hours_to_limit"]) < 1)


@rule
def hours_are_known_exactly_where_the_limit_is_reached(row: Row) -> bool:
    """Only what reaches its limit has a time to it."""
    return bool((row["hours_to_limit"] is not None) == (row["limit_outlook"] == "reaches"))


@rule
def hours_lie_within_their_interval(row: Row) -> bool:
    """The time to the limit lies within its interval."""
    value, low, high = (row[f"hours_to_limit{end}"] for end in ("", "_low", "_high"))
    return value is None or ((low is None or low <= value) and (high is None or value <= high))


@rule
def without_a_limit_nothing_is_said_of_it(row: Row) -> bool:
    """No limit: no chance, no headroom, no time to it."""
    names = ("oom_probability_7d", "headroom_share", "hours_to_limit", "waste_bytes", "over_settled_share")
    return row["limit_bytes"] is not None or all(row[name] is None for name in names)


@rule
def headroom_is_the_free_share(row: Row) -> bool:
    """Headroom is what the need leaves of the limit."""
    if None in (row["need_bytes"], row["limit_bytes"]):
        return row["headroom_share"] is None
    return bool(abs(row["headroom_share"] - (1 - row["need_bytes"] / row["limit_bytes"])) < 1e-9)


# The chance of an OOM kill.


@rule
def a_chance_is_known_where_there_is_a_limit(row: Row) -> bool:
    """A limit and a need give a chance."""
    return None in (row["limit_bytes"], row["need_bytes"]) or row["oom_probability_7d"] is not None


@rule
def chances_rise_with_the_horizon(row: Row) -> bool:
    """A longer time does not make an OOM kill less likely."""
    day, week, month = (row[f"oom_probability_{span}"] for span in ("24h", "7d", "30d"))
    return None in (day, week, month) or 0 <= day <= week <= month <= 1


@rule
def the_chance_lies_within_its_interval(row: Row) -> bool:
    """A chance lies within its interval."""
    value, low, high = (row[f"oom_probability_7d{end}"] for end in ("", "_low", "_high"))
    return None in (value, low, high) or low <= value <= high


@rule
def no_small_chance_for_a_limit_that_killed(row: Row) -> bool:
    """A limit that is not above one that killed is not called safe."""
    killed, limit = row["killed_limit_bytes"], row["limit_bytes"]
    return None in (killed, limit) or limit > killed or row["oom_probability_7d"] > TARGET


@rule
def the_chance_of_what_meets_its_limit_within_a_week_is_high(row: Row) -> bool:
    """What is expected to meet its limit within seven days is more likely than not to be killed."""
    hours = row["hours_to_limit"]
    return hours is None or hours > 168 or row["oom_probability_7d"] >= 0.5


@rule
def need_near_the_limit_is_no_small_chance(row: Row) -> bool:
    """A need above 97 % of the limit is above the target."""
    if None in (row["need_bytes"], row["limit_bytes"]):
        return True
    return bool(row["need_bytes"] < 0.97 * row["limit_bytes"] or row["oom_probability_7d"] > TARGET)


@rule
def every_chance_says_what_it_rests_on(row: Row) -> bool:
    """A chance has a basis."""
    return row["oom_probability_7d"] is None or row["risk_basis"] is not None


# The action and the limit that goes with it.


@rule
def advice_is_above_what_has_killed(row: Row) -> bool:
    """No limit is advised that is not above one that killed."""
    return None in (row["advised_limit_bytes"], row["killed_limit_bytes"]) or (
        row["advised_limit_bytes"] > row["killed_limit_bytes"]
    )


@rule
def advice_is_above_the_need(row: Row) -> bool:
    """No limit is advised that is below the highest need."""
    return None in (row["advised_limit_bytes"], row["need_bytes"]) or row["advised_limit_bytes"] >= row["need_bytes"]


@rule
def the_request_is_at_most_the_limit(row: Row) -> bool:
    """A request is never above its limit."""
    return None in (row["advised_limit_bytes"], row["advised_request_bytes"]) or (
        row["advised_request_bytes"] <= row["advised_limit_bytes"]
    )


@rule
def what_leaks_gets_no_plain_limit(row: Row) -> bool:
    """What leaks gets neither a limit nor a request; what may leak gets a limit only after kills, to try."""
    if row["verdict"] == "leak":
        return row["advised_limit_bytes"] is None and row["advised_request_bytes"] is None
    tried = row["action"] == "raise_limit" and row["kills"] and row["advised_limit_bytes"] == row["raise_to_bytes"]
    return not row["growing"] or row["advised_limit_bytes"] is None or bool(tried)


@rule
def what_grows_gets_no_request_below_its_use(row: Row) -> bool:
    """No request is advised for what grows, unless it is its whole limit."""
    return not row["growing"] or row["advised_request_bytes"] in (None, row["advised_limit_bytes"])


@rule
def rest_has_no_growth(row: Row) -> bool:
    """Where rest was shown there is no growth, but the smallest that would have been seen."""
    if row["verdict"] != "not_leak" or row["growing"]:
        return True
    return row["growth_bytes_per_day"] is None and row["growth_low_bytes_per_day"] is None


@rule
def the_interval_of_a_doubtful_forecast_is_wide(row: Row) -> bool:
    """Where growth may or may not go on, the chance is no single number."""
    low, high = row["oom_probability_7d_low"], row["oom_probability_7d_high"]
    doubtful = row["risk_basis"] == "forecast" and 0.1 < row["oom_probability_7d"] < 0.9
    return not doubtful or high - low > 0.1


@rule
def the_next_step_is_made_of_its_parts(row: Row) -> bool:
    """The sentence holds the act, the setting and what is expected of it."""
    parts = (row["next_text"].rstrip("."), row["setting"] or "", (row["expected"] or "").rstrip("."))
    return all(part in row["next_step"] for part in parts)


@rule
def the_explanation_is_headline_and_reason(row: Row) -> bool:
    """What explains a verdict are its two sentences."""
    return bool(row["explanation"] == f"{row['headline']} {row['why']}")


@rule
def the_action_moves_the_limit_as_it_says(row: Row) -> bool:
    """Raising raises, lowering lowers, setting sets where there is none; all else leaves the limit."""
    now, then = row["limit_bytes"], row["advised_limit_bytes"]
    if row["action"] == "set_limit":
        return now is None and then is not None
    if row["action"] in OF_LIMITS:
        return None not in (now, then) and (then > now) == (row["action"] == "raise_limit") and then != now
    return then is None or bool(then == now)


@rule
def an_advised_limit_is_within_the_target(row: Row) -> bool:
    """What is advised as a change is within the target."""
    return row["action"] not in OF_LIMITS or row["advised_oom_probability"] <= TARGET


@rule
def nothing_to_do_means_within_the_target(row: Row) -> bool:
    """`none` is for what is within the target."""
    return row["action"] != "none" or (row["oom_probability_7d"] or 0) <= TARGET


@rule
def above_the_target_is_left_to_waiting_only_while_the_data_are_short(row: Row) -> bool:
    """What does not leak and is above the target waits only where less than a day was seen, and is told until when.

    A margin for so short a past is so wide that a day more may well show that nothing is to be done; what may happen
    until then is said.
    """
    if row["verdict"] != "not_leak" or (row["oom_probability_7d"] or 0) <= TARGET or row["action"] != "wait":
        return True
    told = row["undecided_until"] is not None and row["worst_until_then"] is not None
    return bool(told and not row["kills_7d"] and row["history_seconds"] < 86_400)


@rule
def the_same_limit_has_the_same_chance(row: Row) -> bool:
    """Where the advised limit is the one in force, so is its chance."""
    same = row["limit_bytes"] is not None and row["limit_bytes"] == row["advised_limit_bytes"]
    return not same or abs(row["advised_oom_probability"] - row["oom_probability_7d"]) < 1e-9


@rule
def a_limit_that_kills_is_not_left_alone(row: Row) -> bool:
    """What is killed and gets no leak to fix gets a limit to try: it does not wait."""
    return not row["kills_7d"] or row["limit_bytes"] is None or row["action"] not in ("wait", "none")


@rule
def waiting_has_a_reason_in_its_numbers(row: Row) -> bool:
    """To wait for a smaller chance makes sense only where the chance is above the target."""
    waits = "smaller chance" in (row["next_step"] or "")
    return not waits or row["oom_probability_7d"] > TARGET


@rule
def a_leak_is_to_be_fixed(row: Row) -> bool:
    """The action of a leak is to fix it, and of nothing else."""
    return bool((row["action"] == "fix_leak") == (row["verdict"] == "leak"))


@rule
def what_would_do_is_below_what_is_advised(row: Row) -> bool:
    """A limit that would do once pages are given back is below the one that is advised, else it is not told."""
    return row["purged_limit_bytes"] is None or (
        row["advised_limit_bytes"] is not None and row["purged_limit_bytes"] < row["advised_limit_bytes"]
    )


@rule
def a_setting_is_that_of_the_action(row: Row) -> bool:
    """The setting names the advised limit exactly where the limit is to be changed."""
    named = re.search(r"limits\.memory: (\d+)Mi", row["setting"] or "")
    if row["action"] not in OF_LIMITS:
        return named is None
    return named is not None and int(named[1]) * MI == row["advised_limit_bytes"]


# Kills.


@rule
def each_kill_counts_once(row: Row) -> bool:
    """A run is ended by one kill: no fewer kills than killed runs, and no more runs killed than seen."""
    return bool(row["runs_killed"] <= min(row["kills"], row["runs"]))


@rule
def peaks_of_runs_are_peaks(row: Row) -> bool:
    """No run peaked above the highest peak, and the lowest of their peaks is not above the highest."""
    low, high, peak = (row[name] for name in ("run_peak_low_bytes", "run_peak_high_bytes", "peak_bytes"))
    return None in (low, high, peak) or 0 <= low <= high <= peak


@rule
def what_has_been_at_its_limit_peaked_there(row: Row) -> bool:
    """Only a peak within half a percent of the limit, or above it, has been at it."""
    peak, limit = row["peak_bytes"], row["limit_bytes"]
    return row["peak_at_limit"] is (None if None in (peak, limit) else peak >= 0.995 * limit)


@rule
def kills_of_a_week_are_kills(row: Row) -> bool:
    """The kills of the last week are among all of them, and the last one is known."""
    return bool(row["kills_7d"] <= row["kills"] and (row["last_kill"] is not None) == (row["kills"] > 0))


@rule
def after_a_kill_the_need_is_at_least_the_limit(row: Row) -> bool:
    """After a kill the need was at least the limit that killed."""
    return row["killed_limit_bytes"] is None or row["need_bytes"] >= row["killed_limit_bytes"]


@rule
def a_known_limit_that_killed_is_named(row: Row) -> bool:
    """Where kills and a limit are known, so is the limit that killed."""
    return not row["kills"] or row["limit_bytes"] is None or row["killed_limit_bytes"] is not None


# Money.


@rule
def waste_is_what_is_set_aside_above_the_advice(row: Row) -> bool:
    """Waste is what is requested, or else the limit, above the advised request, of all pods; never below nothing."""
    now = row["limit_bytes"] if row["request_bytes"] is None else row["request_bytes"]
    if None in (now, row["advised_request_bytes"]):
        return row["waste_bytes"] is None
    return bool(row["waste_bytes"] == max(now - row["advised_request_bytes"], 0) * row["pods_now"])


@rule
def lowering_makes_the_whole_cheaper(row: Row) -> bool:
    """A limit is lowered only where memory and incidents together cost less."""
    parts = [row[f"{what}_{when}_per_month"] for when in ("now", "then") for what in ("cost", "incidents")]
    return row["action"] != "lower_limit" or None in parts or sum(parts[2:]) <= sum(parts[:2])


@rule
def memory_has_a_price_where_it_is_set_aside(row: Row) -> bool:
    """A limit sets memory aside even without a request: it has a price."""
    return row["limit_bytes"] is None or row["cost_now_per_month"] is not None


@rule
def there_is_no_price_of_no_advice(row: Row) -> bool:
    """Without an advised limit there is no cost of it."""
    return row["advised_limit_bytes"] is not None or row["cost_then_per_month"] is None


@rule
def pods_now_are_pods(row: Row) -> bool:
    """Some pod is there now, and no more than were seen."""
    return bool(0 < row["pods_now"] <= row["pods"])


# Words.


def _told(row: Row, sentence: str, pattern: str) -> list[str]:
    return re.findall(pattern, row[sentence] or "")


_AMOUNT: Final = r"([\d.,]+ (?:Ki|Mi|GiB))"


@rule
def the_headline_names_the_growth(row: Row) -> bool:
    """A headline's rate is the column's, but for that of all that grows."""
    return all(
        told == text.rate(row["growth_bytes_per_day"])
        for told in _told(row, "headline", r"([\d.,]+ (?:Ki|Mi|GiB)/day)(?! with what grows)")
    )


@rule
def the_headline_names_the_time_to_the_limit(row: Row) -> bool:
    """A headline's instant and the time to it are the columns', and so are those of the list of what to do."""
    return all(
        told == text.instant(row["limit_at"], row["hours_to_limit"])
        for sentence in ("headline", "alarm_text")
        for told in _told(row, sentence, r"(?:will|may) hit its .* limit on (.* UTC \(in [\d.,]+ \w+\))")
    )


@rule
def the_headline_names_the_layers(row: Row) -> bool:
    """What a headline says of live heap, kept pages, gaps and cache are the columns."""
    return all(
        told == text.memory(row[column])
        for pattern, column in (
            (rf"uses {_AMOUNT} and keeps", "live_bytes"),
            (rf"keeps {_AMOUNT} of", "kept_bytes"),
            (rf"{_AMOUNT} of its [\d.,]+ \w+ are gaps", "slack_bytes"),
            (rf"{_AMOUNT} of its [\d.,]+ \w+ is page cache", "cache_bytes"),
            (rf"of its {_AMOUNT} (?:are gaps|is page cache)", "working_set_bytes"),
        )
        for told in _told(row, "headline", pattern)
    )


@rule
def the_headline_names_the_levels(row: Row) -> bool:
    """What a headline says of the levels are the columns."""
    return all(
        told == text.memory(row[column])
        for pattern, column in (
            (rf"starting needs {_AMOUNT}", "startup_peak_bytes"),
            (rf"running needs {_AMOUNT}", "settled_bytes"),
            (rf"stays at {_AMOUNT}", "settled_bytes"),
            (rf"(?:settles|settled) at {_AMOUNT}", "settled_bytes"),
        )
        for sentence in ("headline", "limit_reason")
        for told in _told(row, sentence, pattern)
    )


@rule
def the_reasons_count_the_kills(row: Row) -> bool:
    """A sentence that counts OOM kills counts all of them."""
    return all(
        int(told) == row["kills"]
        for sentence, pattern in (
            ("headline", r"OOM-killed (\d+) time"),
            ("limit_reason", r"OOM-killed (\d+) time"),
            ("why", r"(\d+) of \d+ runs? (?:was|were) OOM-killed"),
        )
        for told in _told(row, sentence, pattern)
    )


@rule
def the_reason_names_the_need(row: Row) -> bool:
    """What the reason of a limit calls the highest use is the peak, and what it says killed did."""
    return all(
        told == text.memory(row["peak_bytes"]) for told in _told(row, "limit_reason", rf"highest use was {_AMOUNT}")
    )


@rule
def the_next_step_names_the_advice(row: Row) -> bool:
    """Limits and chances of the next step are the columns."""
    limits = _told(row, "next_step", r"the limit (?:from [\d.,]+ Mi )?to ([\d.,]+ Mi)")
    chances = _told(row, "next_step", r"(\S+ %) chance of an OOM kill in 7 days")
    wanted = row["oom_probability_7d"] if row["action"] == "wait" else row["advised_oom_probability"]
    return all(told == text.configured(row["advised_limit_bytes"]) for told in limits) and all(
        told == text.chance(wanted) for told in chances
    )


@rule
def a_leak_that_kills_within_a_day_names_what_a_raise_buys(row: Row) -> bool:
    """Nobody mends and rolls out a leak in some hours: what keeps it alive stands beside what mends it."""
    soon = (row["hours_to_limit"] or 1000) <= 24 and None not in (row["limit_bytes"], row["buys_days"])
    wanted = []
    if row["action"] == "fix_leak" and soon:
        wanted = [f"{text.configured(row['raise_to_bytes'])} buys {text.hours(24 * row['buys_days'])}"]
    return _told(row, "next_step", r"^A limit of ([\d.,]+ [KMG]i buys .+) more\.") == wanted


@rule
def a_sentence_says_above_or_below_truly(row: Row) -> bool:
    """A chance that the reason calls above or within the target is so."""
    chance = row["advised_oom_probability"]
    said = row["limit_reason"] or ""
    return not (
        (re.search(r"chance is \S+ %[^.]*, above", said) and chance <= TARGET)
        or (re.search(r"chance is \S+ %[^.]*, within", said) and chance > TARGET)
    )


@rule
def the_patterns_also_named_are_others(row: Row) -> bool:
    """No pattern is named twice."""
    return row["pattern"] not in (row["also"] or []) and len(set(row["also"] or [])) == len(row["also"] or [])


@pytest.mark.parametrize("name", RULES)
def test_every_workload(found: dict[str, Assessment], name: str) -> None:
    """A rule holds of every workload."""
    broken = [where for where, row in _rows(found) if not RULES[name](row)]
    assert not broken, f"{RULES[name].__doc__} Not so: {', '.join(broken)}"


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_chances_fall_with_the_limit(found: dict[str, Assessment], fleet: str) -> None:
    """A higher limit is never more likely to be met."""
    curves = found[fleet].risk_curves.sort("workload_id", "limit_bytes")
    rises = curves.with_columns(step=pl.col("oom_probability").diff().over("workload_id")).filter(pl.col("step") > 1e-9)
    assert not rises.height


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_the_curve_passes_through_the_row(found: dict[str, Assessment], fleet: str) -> None:
    """The chance at the limit in force and at the advised one is that of the curve."""
    assessment = found[fleet]
    for limit, chance in (
        ("limit_bytes", "oom_probability_7d"),
        ("advised_limit_bytes", "advised_oom_probability"),
    ):
        rows = assessment.workloads.select("workload_id", "workload", limit_bytes=limit, here=chance).drop_nulls()
        both = rows.join(assessment.risk_curves, on=["workload_id", "limit_bytes"], how="left")
        wrong = both.filter((pl.col("here") - pl.col("oom_probability")).abs().fill_null(1.0) > 1e-9)
        assert not wrong.height, f"{limit}: {wrong['workload'].to_list()}"


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_one_pod_is_its_workload(found: dict[str, Assessment], fleet: str) -> None:
    """The only pod of a workload has the workload's verdict, peak and chance."""
    assessment = found[fleet]
    names = ("verdict", "pattern", "peak_bytes", "peak_at_limit", "oom_probability_7d", "hours_to_limit")
    single = assessment.workloads.filter(pl.col("pods") == 1)
    both = single.select("workload_id", "workload", *names).join(
        assessment.instances.select("workload_id", *(pl.col(name).alias(f"pod {name}") for name in names)),
        on="workload_id",
    )
    wrong = {name: both.filter(pl.col(name).ne_missing(pl.col(f"pod {name}")))["workload"].to_list() for name in names}
    assert both.height == single.height
    assert not any(wrong.values()), wrong


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_each_interval_holds_what_it_is_of(found: dict[str, Assessment], fleet: str) -> None:
    """Of workloads and of their pods, each of which has a chance at its own limit: none lies beside its interval."""
    for frame in (found[fleet].workloads, found[fleet].instances):
        for low in (name for name in frame.columns if name.endswith("_low")):
            name = low.removesuffix("_low")
            if name not in frame.columns:
                continue
            known = frame.drop_nulls([name, low, f"{name}_high"]).with_columns(cs.datetime().to_physical())
            wrong = known.filter(~pl.col(name).is_between(pl.col(low) - 1e-9, pl.col(f"{name}_high") + 1e-9))
            assert not wrong.height, (name, wrong.select("workload", low, name, f"{name}_high").rows())


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_lives_and_events_count_the_same_kills(found: dict[str, Assessment], fleet: str) -> None:
    """Kills are the events, each once, and each ended one life of one pod."""
    assessment = found[fleet]
    events = assessment.events.filter(pl.col("kind") == "oom_kill").group_by("workload_id").len("events")
    lives = assessment.lives.filter(pl.col("ended") == "oom_kill").group_by("workload_id").len("lives")
    counted = assessment.workloads.select("workload_id", "workload", "kills").join(events, on="workload_id", how="left")
    counted = counted.join(lives, on="workload_id", how="left")
    pods = assessment.instances.group_by("workload_id").agg(pods=pl.col("kills").sum())
    counted = counted.join(pods, on="workload_id", how="left").fill_null(0)
    wrong = counted.filter(pl.any_horizontal(pl.col("events", "lives", "pods") != pl.col("kills")))
    assert not wrong.height, wrong["workload"].to_list()


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_what_was_set_last_is_in_force(found: dict[str, Assessment], fleet: str) -> None:
    """The stretch of a limit or a request that still lasts has the value of its container, and no two overlap."""
    assessment = found[fleet]
    settings, containers = assessment.settings, assessment.recording.containers
    still = settings.filter(pl.col("end").is_null())
    for kind in ("limit", "request"):
        both = still.filter(kind=kind).join(containers, on="container_id", how="full")
        assert both["value_bytes"].eq_missing(both[f"{kind}_bytes"]).all(), kind
    following = pl.col("start").shift(-1).over("container_id", "kind")
    assert settings.filter(pl.col("end") > following).is_empty()


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_no_event_is_lost_and_none_comes_twice(found: dict[str, Assessment], fleet: str) -> None:
    """What was recorded is there in order, and beside it restarts alone, each at the beginning of a life."""
    assessment, told = found[fleet], ["container_id", "time", "kind", "value_bytes", "detail"]
    mine = assessment.events.filter(pl.col("kind") != "restart").select(told)
    assert_frame_equal(mine, assessment.recording.events, check_row_order=False)
    assert assessment.events.select("container_id", "time").equals(
        assessment.events.select("container_id", "time").sort("container_id", "time", maintain_order=True)
    )
    begun = assessment.lives.select("container_id", "start")
    restarts = assessment.events.filter(kind="restart")
    assert restarts.join(
        begun, left_on=["container_id", "time"], right_on=["container_id", "start"], how="anti"
    ).is_empty()


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_classify_alone_says_the_same(
    recordings: dict[str, rm.Recording], found: dict[str, Assessment], fleet: str
) -> None:
    """Who asks for verdicts alone gets the rows of the Assessment, in the same order."""
    assert_frame_equal(rm.classify(recordings[fleet]), rm.classify(found[fleet]))


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_the_first_advice_is_the_next_step(found: dict[str, Assessment], fleet: str) -> None:
    """Every workload has advice, its one action first, and no other advice repeats it or names another limit."""
    assessment = found[fleet]
    both = assessment.advice.join(
        assessment.workloads.select("workload_id", "next_text", "action", first="setting"), on="workload_id"
    )
    first = both.filter(pl.col("rank") == 0)
    assert first["workload_id"].sort().to_list() == assessment.workloads["workload_id"].to_list()
    assert first["text"].to_list() == first["next_text"].to_list()
    assert first["setting"].to_list() == first["first"].to_list()
    assert both.filter((pl.col("rank") > 0) & (pl.col("text") == pl.col("next_text"))).is_empty()
    limits = both.filter(pl.col("setting").str.starts_with("resources.limits"))
    assert limits["workload_id"].is_unique().all()


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_no_leak_shrinks(found: dict[str, Assessment], fleet: str) -> None:
    """What is called a leak grows, whatever it was judged by."""
    leaks = found[fleet].workloads.filter(verdict="leak")
    assert leaks.filter(pl.col("growth_bytes_per_day") <= 0)["headline"].to_list() == []


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_the_fleet_counts_its_rows(found: dict[str, Assessment], fleet: str) -> None:
    """The few figures of a fleet are sums and counts of its rows."""
    rows, fleet_ = found[fleet].workloads, found[fleet].fleet
    verdicts = dict(rows["verdict"].value_counts().iter_rows())
    assert (fleet_.leak, fleet_.not_leak, fleet_.inconclusive) == tuple(
        verdicts.get(name, 0) for name in ("leak", "not_leak", "inconclusive")
    )
    assert fleet_.kills == rows["kills_7d"].sum()
    assert fleet_.waste_bytes == rows["waste_bytes"].sum()
    assert fleet_.above_target == rows["above_target"].sum()
    assert fleet_.reaching == rows["reaches_soon"].sum()
    assert fleet_.start_with == 0
    assert str(fleet_.leak) in fleet_.sentence


#: A place in a fleet, and a name that tells it from others there.
_OF_A_FLEET: Final = ("workload_id", "container_id", "data_age_seconds", "name", "anchor")


def test_alone_is_as_in_a_fleet(recordings: dict[str, rm.Recording], found: dict[str, Assessment]) -> None:
    """A workload that is assessed alone has the same row."""
    wrong = []
    for row in found["samples"].workloads.drop("evidence").iter_rows(named=True):
        alone = assess(recordings["samples"].filter(workload=row["workload"]), prices=USUAL)
        other = alone.workloads.row(0, named=True)
        wrong += [
            f"{row['workload']}, {name}: {row[name]!r} and {other[name]!r}"
            for name in row
            if name not in _OF_A_FLEET and not _same(row[name], other[name])
        ]
    assert not wrong, "\n".join(wrong)


def _same(one: object, other: object) -> bool:
    """Tell whether two values are one, but for the order in which they were added up."""
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-6)
    return one == other


_INSTANT: Final = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{1,2} \w{3} \d\d:\d\d")


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_each_instant_names_its_zone(found: dict[str, Assessment], fleet: str) -> None:
    """No sentence, advice or value tells a time of day without its zone."""
    one, words = found[fleet], pl.selectors.string()
    told = [
        said
        for frame in (one.workloads, one.instances, one.evidence, one.advice, one.kills, one.checklist)
        for column in frame.select(words)
        for paragraph in column.drop_nulls()
        for said in paragraph.split(". ")
        if _INSTANT.search(said) and "UTC" not in said
    ]
    assert not told


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_evidence_of_a_row_is_that_of_the_frame(found: dict[str, Assessment], fleet: str) -> None:
    """Each piece is the same in both, its window too: that of all lives where it rests on all of them."""
    one = found[fleet]
    rows = one.workloads.select("workload_id", "evidence").explode("evidence", empty_as_null=False).drop_nulls()
    assert_frame_equal(rows.unnest("evidence"), one.evidence.drop("lives"))
    whole = one.evidence.filter(statistic="lives_rising").join(one.workloads, on="workload_id")
    assert whole.height or fleet != "samples"
    assert whole.filter(
        (pl.col("start") != pl.col("window_start")) | (pl.col("end") != pl.col("window_end"))
    ).is_empty()


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_evidence_that_counts_as_growth_names_no_end_of_it(found: dict[str, Assessment], fleet: str) -> None:
    """A shape that levels off speaks for a leak only where its end is not seen; the reader is told so."""
    shapes = found[fleet].evidence.filter(says="for", statistic="shape")["text"]
    bounded = shapes.filter(shapes.str.contains("levels off|One level|ramp that ends"))
    assert bounded.str.contains("its end is not seen yet").all()


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_one_growth_has_one_unit(found: dict[str, Assessment], fleet: str) -> None:
    """The growth among the evidence reads as the growth of the row does."""
    rates = found[fleet].evidence.filter(statistic="growth").select("value", "estimate").drop_nulls()
    usual = re.compile(r" (?:Mi|GiB)/day")
    wrong = [
        (value, estimate)
        for value, estimate in rates.iter_rows()
        if usual.search(value) and usual.search(text.rate(estimate)) and not value.startswith(text.rate(estimate))
    ]
    assert not wrong


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_nothing_is_raised_that_is_not_set(found: dict[str, Assessment], fleet: str) -> None:
    """Where no limit is known, no sentence and no advice raises it."""
    rows = found[fleet].workloads.filter(pl.col("limit_bytes").is_null())
    ids = rows["workload_id"].to_list()
    told = [*rows["limit_reason"].drop_nulls(), *found[fleet].advice.filter(pl.col("workload_id").is_in(ids))["text"]]
    assert not [said for said in told if re.search(r"[Rr]ais(?:e the limit|ing to)", said)]


@pytest.mark.parametrize("fleet", ["samples", "corpus"])
def test_what_little_data_leave_open_stands_below_what_is_foretold(found: dict[str, Assessment], fleet: str) -> None:
    """Who reads from the top meets every kill and leak before a workload that only has too little data."""
    alarms = found[fleet].workloads["alarm"].to_list()
    below = alarms[alarms.index("too_little_data") :] if "too_little_data" in alarms else []
    assert not {"will_be_killed", "leak"} & set(below)
