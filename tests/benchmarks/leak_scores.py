"""The arithmetic behind `leak_or_not.py`: what a table of answers is worth against a table of true labels.

Nothing here knows where answers come from. Frames in, numbers with 95 % intervals out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERDICTS: Final = ("leak", "not_leak", "inconclusive")
#: What an answer may have beside its verdict.
ANSWERS: Final = {
    "verdict": pl.String,
    "leak_probability": pl.Float64,
    "pattern": pl.String,
    "hours_to_limit": pl.Float64,
    "hours_to_limit_low": pl.Float64,
    "hours_to_limit_high": pl.Float64,
    "evidence_level": pl.Int64,
}
#: Every figure and how to read it. Inconclusive is neither a leak nor clean.
FIGURES: Final = {
    "right": "decidable runs with the right verdict",
    "precision": "decidable runs called a leak that are one",
    "recall": "decidable leaks called a leak; inconclusive is a miss",
    "f1": "of precision and recall; its interval is that of TP / (TP + FP + FN), of which it is a function",
    "decided_recall": "leaks called a leak, of the decidable leaks that got a verdict",
    "decided_f1": "F1 of the decidable runs that got a verdict",
    "false_clean": "decidable leaks called clean: the dangerous mistake",
    "false_alarms": "decidable clean runs called a leak",
    "abstained": "decidable runs called inconclusive",
    "cost": "mean over decidable runs: 10 for a leak called clean, 3 for a false alarm, 1 for inconclusive",
    "wrong_undecidable": "undecidable runs that got a verdict, and the wrong one: confident and wrong",
    "pattern_right": "runs whose pattern is one of the right ones",
    "pattern_f1": "F1 averaged over patterns, each weighing the same",
    "timed": "decidable leaks with a known time to their limit that got an estimate",
    "time_error": "median of |estimate - truth| / truth; its interval is read off the sorted errors",
    "time_covered": "known times inside the stated 80 % interval; one without an upper end is open",
    "too_early": "leaks not killed while they were watched whose stated interval had ended before",
    "brier": "mean squared error of the leak probability over all runs; 0 is perfect",
    "base_rate_brier": "the same for always saying the share of leaks",
}
#: Edges of the reliability table.
_EDGES: Final = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
_Z: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a table with its 95 % interval.

    Attributes
    ----------
    value, low, high
        Shares are 0 to 1. Null when there was nothing to measure; the interval is null when it has none.
    count
        How many runs it stands on.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int


NOTHING: Final = Figure(None, None, None, 0)


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of the reliability table: runs that were given about the same probability.

    Attributes
    ----------
    low, high
        Edges of the bin.
    said
        Mean probability that was said.
    seen
        Share that did leak.
    """

    low: float
    high: float
    said: float
    seen: Figure


@dataclass(frozen=True, slots=True)
class Scores:
    """What a classifier's answers are worth.

    Attributes
    ----------
    runs, leaks, clean, undecidable
        Counts of runs: all; of the decidable ones those that leak and those that do not; the undecidable.
    unanswered
        Runs that got no answer; they count as inconclusive.
    figures
        A figure for each name in `FIGURES`.
    reliability
        Runs by stated probability; empty when none was stated.
    """

    runs: int
    leaks: int
    clean: int
    undecidable: int
    unanswered: int
    figures: dict[str, Figure]
    reliability: tuple[Bin, ...]


def wilson(hits: float, count: int) -> tuple[float, float]:
    """Bound a share with 95 % confidence.

    Parameters
    ----------
    hits, count
        So many of so many.

    Returns
    -------
    tuple[float, float]
        Wilson's score interval; 0 to 1 when nothing was counted.
    """
    if not count:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z / count
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == count else middle + half)


def rate(hits: int, count: int) -> Figure:
    """Make a share with its interval; null of nothing."""
    return Figure(hits / count, *wilson(hits, count), count) if count else NOTHING


def f1(true_alarms: int, false_alarms: int, missed: int) -> Figure:
    """Make an F1 with its interval.

    Parameters
    ----------
    true_alarms, false_alarms, missed
        Counts.

    Returns
    -------
    Figure
        2J / (1 + J) for J = true_alarms / (all three); J is a share, so Wilson bounds it.
    """
    share = rate(true_alarms, true_alarms + false_alarms + missed)
    value, low, high = (None if x is None else 2 * x / (1 + x) for x in (share.value, share.low, share.high))
    return Figure(value, low, high, share.count)


def mcnemar(only_first: int, only_second: int) -> float:
    """Compare two classifiers on the same runs.

    Parameters
    ----------
    only_first, only_second
        Runs that one of them alone judged right.

    Returns
    -------
    float
        Two-sided exact p-value: the chance of a split at least as uneven if both were equally good.
    """
    count = only_first + only_second
    tail = sum(math.comb(count, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, tail / 2.0 ** (count - 1))


def join(answers: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Put a classifier's answers beside the truth.

    Parameters
    ----------
    answers
        A row per workload: `workload`, `namespace` where names repeat, `verdict`, and what else of `ANSWERS`
        the classifier knows.
    labels
        The labels table of a part of the corpus.

    Returns
    -------
    polars.DataFrame
        The labels with the answers as `said_verdict`, `said_pattern` and so on; a run without an answer is
        inconclusive and has `answered` false.

    Raises
    ------
    ValueError
        A workload has two answers, or a verdict is none of the three.
    """
    keys = [name for name in ("namespace", "workload") if name in answers.columns]
    said = answers.select(
        *keys,
        *(
            (pl.col(name) if name in answers.columns else pl.lit(None)).cast(dtype).alias(f"said_{name}")
            for name, dtype in ANSWERS.items()
        ),
    )
    strange = set(said["said_verdict"].drop_nulls()) - set(VERDICTS)
    if strange:
        msg = f"A verdict is one of {', '.join(VERDICTS)}; found {sorted(strange)}."
        raise ValueError(msg)
    if said.select(keys).is_duplicated().any():
        twice = said.filter(said.select(keys).is_duplicated())["workload"][0]
        msg = f"The workload {twice!r} has more than one answer."
        raise ValueError(msg)
    return labels.join(said, on=keys, how="left", nulls_equal=True, maintain_order="left").with_columns(
        answered=pl.col("said_verdict").is_not_null(),
        said_verdict=pl.col("said_verdict").fill_null("inconclusive"),
    )


def score(judged: pl.DataFrame) -> Scores:
    """Measure a classifier.

    Parameters
    ----------
    judged
        What `join` made, or some of its rows.

    Returns
    -------
    Scores
        All figures; those without a run behind them are null.
    """
    decidable = judged.filter("decidable")
    undecidable = judged.filter(~pl.col("decidable"))
    counts = {(leak, said): n for leak, said, n in decidable.group_by("leak", "said_verdict").len().rows()}
    found, missed, unsure = (counts.get((True, verdict), 0) for verdict in VERDICTS)
    alarms, cleared, open_clean = (counts.get((False, verdict), 0) for verdict in VERDICTS)
    leaks, clean = found + missed + unsure, alarms + cleared + open_clean
    opposite = pl.when("leak").then(pl.lit("not_leak")).otherwise(pl.lit("leak"))
    wrong = undecidable.filter(pl.col("said_verdict") == opposite)
    cost = 10 * missed + 3 * alarms + unsure + open_clean
    calibration, reliability = _calibration(judged.drop_nulls("said_leak_probability"))
    figures = {
        "right": rate(found + cleared, leaks + clean),
        "precision": rate(found, found + alarms),
        "recall": rate(found, leaks),
        "f1": f1(found, alarms, leaks - found),
        "decided_recall": rate(found, found + missed),
        "decided_f1": f1(found, alarms, missed),
        "false_clean": rate(missed, leaks),
        "false_alarms": rate(alarms, clean),
        "abstained": rate(unsure + open_clean, leaks + clean),
        "cost": Figure(cost / decidable.height, None, None, decidable.height) if decidable.height else NOTHING,
        "wrong_undecidable": rate(wrong.height, undecidable.height),
        **_patterns(judged),
        **_times(decidable.filter("leak")),
        **calibration,
    }
    unanswered = judged.height - int(judged["answered"].sum())
    return Scores(judged.height, leaks, clean, undecidable.height, unanswered, figures, reliability)


def _patterns(judged: pl.DataFrame) -> dict[str, Figure]:
    # Of some parts nobody has said which pattern is right.
    judged = judged.filter(pl.col("pattern").fill_null("") != "")
    if not judged["said_pattern"].count():
        return {"pattern_right": NOTHING, "pattern_f1": NOTHING}
    pairs = [
        (said if said in right.split("|") else right.split("|")[0], said)
        for right, said in judged.select("pattern", "said_pattern").rows()
    ]
    names = {name for pair in pairs for name in pair if name is not None}
    each = [
        2 * pairs.count((name, name)) / sum((right == name) + (said == name) for right, said in pairs) for name in names
    ]
    return {
        "pattern_right": rate(sum(right == said for right, said in pairs), len(pairs)),
        "pattern_f1": Figure(sum(each) / len(each), None, None, len(pairs)),
    }


def _times(leaks: pl.DataFrame) -> dict[str, Figure]:
    called = leaks.filter(pl.col("said_verdict") == "leak", pl.col("said_hours_to_limit").is_not_null()).with_columns(
        said=pl.col("said_hours_to_limit") * 3600,
        low=pl.col("said_hours_to_limit_low") * 3600,
        high=pl.col("said_hours_to_limit_high").fill_null(math.inf) * 3600,
    )
    killed = called.filter(pl.col("seconds_to_limit").is_not_null())
    bounded = killed.filter(pl.col("low").is_not_null())
    # The time of a kill is rounded down to the second.
    inside = bounded.filter(pl.col("seconds_to_limit").is_between(pl.col("low") - 1, "high"))
    alive = called.filter(pl.col("seconds_to_limit").is_null(), pl.col("low").is_not_null())
    # A kill within the first second is known to the second only.
    truth = killed["seconds_to_limit"].cast(pl.Float64).to_numpy().clip(min=1)
    return {
        "timed": rate(killed.height, leaks["seconds_to_limit"].count()),
        "time_error": _median(np.abs(killed["said"].to_numpy() - truth) / truth),
        "time_covered": rate(inside.height, bounded.height),
        "too_early": rate(alive.filter(pl.col("high") < pl.col("watched_seconds")).height, alive.height),
    }


def _median(values: NDArray[np.float64]) -> Figure:
    """Take the median; half of all values lie below it, so the bounds of that share give its interval."""
    if not len(values):
        return NOTHING
    middle, low, high = (float(np.quantile(values, at)) for at in (0.5, *wilson(len(values) / 2, len(values))))
    return Figure(middle, low, high, len(values))


def _calibration(rated: pl.DataFrame) -> tuple[dict[str, Figure], tuple[Bin, ...]]:
    if not rated.height:
        return {"brier": NOTHING, "base_rate_brier": NOTHING}, ()
    said, leaks = rated["said_leak_probability"].to_numpy(), rated["leak"].to_numpy()
    place = np.clip(np.searchsorted(_EDGES, said, side="right") - 1, 0, len(_EDGES) - 2)
    bins = tuple(
        Bin(_EDGES[i], _EDGES[i + 1], float(said[here].mean()), rate(int(leaks[here].sum()), int(here.sum())))
        for i in range(len(_EDGES) - 1)
        if (here := place == i).any()
    )
    share = float(leaks.mean())
    figures = {
        "brier": Figure(float(np.mean((said - leaks) ** 2)), None, None, rated.height),
        "base_rate_brier": Figure(share * (1 - share), None, None, rated.height),
    }
    return figures, bins
