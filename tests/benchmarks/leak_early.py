"""Score the verdicts as data come in: every run of the corpus cut at shares of its window, at each level of evidence.

Usage: ``python tests/benchmarks/leak_early.py [--corpus lab] [--part dev] [--level full] [--decidable] [--wrong]``. The
truth at a cut is what the programs themselves counted by then: a run leaks when it has lost 3 % of its level and twice
what moves besides, is healthy when it has lost nothing, and is left out in between. The intervals of growth and of the
time to the limit are held against what came after the cut: in the rest of the window, and in the future where one was
recorded. `--decidable` leaves out runs of which their label says that even the whole window tells nobody.
``--part sealed`` is for judging, never for tuning: each run on it goes to `sealed_early_runs.csv` beside this file.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import rmtoolkit as rm
from tests.benchmarks.leak_or_not import CORPUS, FIELD, LEVELS, PARTS, at_level, commit, load, log_of
from tests.benchmarks.leak_scores import rate
from tests.benchmarks.leak_tables import aligned, percent

if TYPE_CHECKING:
    from pathlib import Path

    from rmtoolkit.recording import Recording

#: Shares of the window at which a run is cut.
CUTS: Final = (0.15, 0.25, 0.4, 0.6, 0.8, 1.0)
#: Share of its level that a leak has lost when it is one, and that a healthy run may have lost.
LOST, NOTHING_LOST = 0.03, 0.003
#: A loss below so many widths of what moves besides cannot be seen.
VISIBLE: Final = 2.0
#: What comes is looked at for this share of what was seen, and there must be as much of it as the second share.
AHEAD, LEAST_AHEAD = 0.5, 0.2
#: A lost byte takes this much memory at least and at most: allocators round up, and losses are not all that moves.
TAKES: Final = (1.0, 1.3)
#: The end that all cut runs are moved to.
_END: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_PLACE: Final = ["namespace", "workload"]


def ends(recording: Recording) -> pl.DataFrame:
    """Give the first and last instant of each run."""
    named = recording.samples.join(recording.containers.select("container_id", *_PLACE), on="container_id")
    return named.group_by(_PLACE).agg(start=pl.col("time").min(), end=pl.col("time").max())


def cut_at(recording: Recording, share: float) -> Recording:
    """Cut every run at a share of its own window; all are moved to end at one instant, so that one cut does it."""
    span = pl.col("end") - pl.col("start")
    moved = (
        recording.containers.select("container_id", *_PLACE)
        .join(ends(recording), on=_PLACE)
        .select("container_id", by=pl.lit(_END) - (pl.col("start") + span * share).dt.cast_time_unit("ms"))
    )

    def shift(frame: pl.DataFrame) -> pl.DataFrame:
        found = frame.join(moved, on="container_id", how="left", maintain_order="left")
        return found.with_columns(pl.col("time") + pl.col("by")).drop("by")

    whole = dataclasses.replace(recording, samples=shift(recording.samples), events=shift(recording.events))
    return whole.window(end=_END)


def truth_at(truth: pl.DataFrame, recording: Recording, share: float) -> pl.DataFrame:
    """Tell by run whether it had begun to leak at a share of its window (`leaks`: null in between)."""
    span = pl.col("end") - pl.col("start")
    cut = ends(recording).with_columns(cut=pl.col("start") + span * share)
    dead = pl.col("dead_bytes") + pl.col("outside_dead_bytes")
    measured = recording.samples.join(recording.containers.select("container_id", "pod"), on="container_id").select(
        "pod", "time", "working_set_bytes"
    )
    # What an ended life had lost is lost; pods that are gone by then say nothing of the version that runs. What moves
    # besides hides a loss of twice as much.
    rest = pl.col("working_set_bytes") - dead
    lost = (
        truth.sort("pod", "time")
        .join(cut, on=_PLACE)
        .filter(pl.col("time") <= pl.col("cut"))
        .with_columns(step=dead.diff().over(*_PLACE, "pod").fill_null(dead).clip(lower_bound=0))
        .filter(pl.col("time").max().over(*_PLACE, "pod") > pl.col("start") + 0.9 * (pl.col("cut") - pl.col("start")))
        .join(measured, on=["pod", "time"], how="left")
        .group_by(*_PLACE, "pod")
        .agg(lost=pl.col("step").sum(), noise=1.4826 * (rest - rest.median()).abs().median())
        .group_by(_PLACE)
        .agg(pl.col("lost", "noise").sort_by("lost", "noise").last())
    )
    level = (
        recording.samples.join(recording.containers.select("container_id", *_PLACE), on="container_id")
        .join(cut, on=_PLACE)
        .filter(pl.col("time").is_between(pl.col("start") + 0.8 * (pl.col("cut") - pl.col("start")), pl.col("cut")))
        .group_by(_PLACE)
        .agg(level=pl.col("working_set_bytes").median())
    )
    part = pl.col("lost") / pl.col("level")
    said = (
        pl.when((part >= LOST) & (pl.col("lost") >= VISIBLE * pl.col("noise").fill_null(0)))
        .then(pl.lit(1))
        .when(part <= NOTHING_LOST)
        .then(pl.lit(0))
        .cast(pl.Boolean)
    )
    return lost.join(level, on=_PLACE).select(*_PLACE, leaks=said)


@dataclasses.dataclass(frozen=True, slots=True)
class Course:
    """What a run lost, second by second, into its future where that was recorded, and when its limit ended it."""

    seconds: np.ndarray[Any, Any]
    lost: np.ndarray[Any, Any]
    #: Memory that a lost byte takes.
    takes: float
    kills: list[float]
    #: How long its window is, and how long it was watched from its beginning.
    window: float
    watched: float

    def rate(self, share: float) -> float | None:
        """Give the bytes a day that it took after a cut, until its limit ended it; null where too little came."""
        begin = share * self.window
        end = min(begin * (1 + AHEAD), self.seconds[-1], *(at for at in self.kills if at > begin))
        if end - begin < LEAST_AHEAD * begin:
            return None
        lost = np.interp([begin, end], self.seconds, self.lost)
        return float(self.takes * (lost[1] - lost[0]) / (end - begin) * 86_400)


def courses(part: str, folder: Path, whole: Recording, labels: pl.DataFrame) -> dict[tuple[str, str], Course]:
    """Tell by run what became of it: of the pod that lost most."""
    truth = pl.read_parquet(folder / f"{part}_truth.parquet").with_columns(
        dead=pl.col("dead_bytes") + pl.col("outside_dead_bytes")
    )
    step = pl.col("dead").diff().fill_null(0).clip(lower_bound=0)
    most = (
        truth.group_by(*_PLACE, "pod", maintain_order=True)
        .agg(lost=step.sum())
        .sort("lost", maintain_order=True)
        .group_by(_PLACE, maintain_order=True)
        .agg(pl.col("pod").last())
    )
    measured = whole.samples.join(whole.containers.select("container_id", "pod"), on="container_id")
    columns = [*_PLACE, "second", "dead", "working_set_bytes"]
    known = (
        truth.join(most, on=[*_PLACE, "pod"])
        .join(measured.select("pod", "time", "working_set_bytes"), on=["pod", "time"], how="left")
        .select(columns)
    )
    if (path := folder / f"{part}_future.parquet").exists():
        later = pl.read_parquet(path).rename({"dead_bytes": "dead"}).select(columns)
        known = pl.concat([known, later], how="vertical_relaxed")
    begun = ends(whole).select(*_PLACE, "start")
    killed = (
        whole.events.filter(kind="oom_kill")
        .join(whole.containers.select("container_id", *_PLACE), on="container_id")
        .join(begun, on=_PLACE)
        .select(*_PLACE, at=(pl.col("time") - pl.col("start")).dt.total_milliseconds() / 1000)
    )
    kills = {place: rows["at"].to_list() for place, rows in killed.group_by(_PLACE)}
    about = {row[:2]: row[2:] for row in labels.select(*_PLACE, *_AFTER).iter_rows()}
    found = {}
    for place, rows in known.drop_nulls("dead").sort("second").group_by(_PLACE):
        dead, level = rows["dead"].to_numpy(), rows["working_set_bytes"].to_numpy()
        steps = np.clip(np.diff(dead, prepend=dead[0]), 0, None)
        window, left, watched = about[place]
        after = [] if left is None else [window + left]
        seen = np.flatnonzero(np.isfinite(level) & (dead > 0) & (np.cumsum(np.diff(dead, prepend=0) < 0) == 0))
        line = np.polyfit(dead[seen], level[seen], 1)[0] if len(np.unique(dead[seen])) > 2 else 1.0
        found[place] = Course(
            rows["second"].to_numpy(),
            np.cumsum(steps),
            float(np.clip(line, *TAKES)),
            kills.get(place, []) + after,
            window,
            window + watched,
        )
    return found


def held(answers: pl.DataFrame, known: dict[tuple[str, str], Course], share: float) -> pl.DataFrame:
    """Tell of each leak that was called one whether its intervals of growth and time held what came."""
    rows = []
    for row in answers.iter_rows(named=True):
        place = (row["namespace"], row["workload"])
        course, cut = known[place], share * known[place].window
        came, (slow, fast) = course.rate(share), row["growth"]
        growth = None if came is None or slow is None else slow <= came <= fast
        time = None
        if row["hours"][0] is not None:
            first, last = (math.inf if hours is None else hours * 3600 for hours in row["hours"])
            # The time of a kill is rounded down to the second.
            kill = min((at - cut for at in course.kills if at > cut), default=None)
            if kill is not None:
                time = first - 1 <= kill <= last
            elif last < course.watched - cut:
                time = False
        rows.append((*place, growth, time))
    schema = {"namespace": pl.String, "workload": pl.String, "growth_held": pl.Boolean, "time_held": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


_AFTER: Final = ("window_seconds", "seconds_to_limit", "watched_seconds")
_RATES: Final = ("growth_low_bytes_per_day", "growth_high_bytes_per_day")
_HOURS: Final = ("hours_to_limit_low", "hours_to_limit_high")


def judge(part: str, level: str, folder: Path = CORPUS) -> pl.DataFrame:
    """Judge every run at every cut: a row each, with its truth, and whether what was said of the time to come held."""
    whole, labels = load(part, folder)
    truth = pl.read_parquet(folder / f"{part}_truth.parquet")
    recording, labels = at_level(whole, labels, level)
    known = courses(part, folder, whole, labels)
    rows = []
    for share in CUTS:
        said = rm.classify(cut_at(recording, share))
        true = truth_at(truth, whole, share).join(labels.select(*_PLACE, "shape", "needs", "decidable"), on=_PLACE)
        answers = said.select(
            *_PLACE,
            "verdict",
            "leak_probability",
            "pattern",
            growth=pl.concat_list(_RATES),
            hours=pl.concat_list(_HOURS),
        )
        found = true.join(answers, on=_PLACE, how="left").with_columns(cut=pl.lit(share))
        found = found.filter(~pl.col("needs").is_in(LEVELS[level][1]))
        right = found.filter("leaks", verdict="leak")
        found = found.join(held(right, known, share), on=_PLACE, how="left", maintain_order="left")
        rows.append(found.drop("growth", "hours"))
    return pl.concat(rows).with_columns(pl.col("verdict").fill_null("inconclusive"))


def calibration_error(judged: pl.DataFrame) -> tuple[float, float] | None:
    """Give the calibration error of the leak probability over ten bins, and what chance makes of a perfect one."""
    rated = judged.drop_nulls(["leak_probability", "leaks"])
    if not rated.height:
        return None
    said, leaks = rated["leak_probability"].to_numpy(), rated["leaks"].to_numpy()
    place = np.clip((said * 10).astype(int), 0, 9)
    bins = [place == i for i in np.unique(place)]
    gaps = [abs(said[here].mean() - leaks[here].mean()) * here.mean() for here in bins]
    chance = [math.sqrt(2 / math.pi * (said[here] * (1 - said[here])).sum()) / len(said) for here in bins]
    return float(sum(gaps)), sum(chance)


def flips(judged: pl.DataFrame) -> int:
    """Count sure verdicts that turn into the other one at the next cut although the truth is the same."""
    later = judged.sort("cut").with_columns(
        then=pl.col("verdict").shift(-1).over(_PLACE), true_then=pl.col("leaks").shift(-1).over(_PLACE)
    )
    turned = {("leak", "not_leak"), ("not_leak", "leak")}
    same = later.filter(pl.col("leaks") == pl.col("true_then")).select("verdict", "then").rows()
    return sum(pair in turned for pair in same)


def table(judged: pl.DataFrame) -> str:
    """Write a line for each cut."""
    head = (
        "cut",
        "leaks",
        "called clean",
        "open",
        "healthy",
        "called leak",
        "open",
        "≥ .9: leaks",
        "ECE (by chance)",
        "growth held",
        "time held",
    )
    lines = []
    for (share,), rows in judged.group_by("cut", maintain_order=True):
        counts = {(leaks, verdict): n for leaks, verdict, n in rows.group_by("leaks", "verdict").len().rows()}
        leaks, healthy = rows.filter("leaks").height, rows.filter(~pl.col("leaks")).height
        sure = rows.drop_nulls("leaks").filter(pl.col("leak_probability") >= 0.9)
        error = calibration_error(rows)
        lines.append(
            (
                f"{share:.0%}",
                str(leaks),
                percent(rate(counts.get((True, "not_leak"), 0), leaks)),
                percent(rate(counts.get((True, "inconclusive"), 0), leaks)),
                str(healthy),
                percent(rate(counts.get((False, "leak"), 0), healthy)),
                percent(rate(counts.get((False, "inconclusive"), 0), healthy)),
                percent(rate(int(sure["leaks"].sum()), sure.height)),
                "–" if error is None else f"{error[0]:.3f} ({error[1]:.3f})",
                *(percent(rate(int(rows[name].sum()), rows[name].count())) for name in ("growth_held", "time_held")),
            )
        )
    turned, pairs = flips(judged), judged.height - judged.select(_PLACE).n_unique()
    return aligned(head, lines) + f"\nSure verdicts that flipped between two cuts: {turned} of {pairs} pairs."


def record(judged: pl.DataFrame, level: str, log: Path) -> None:
    """Append a run on a part that is for judging to its log, a line for each cut."""
    now, is_new = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M"), not log.exists()
    with log.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(
                ["date", "commit", "level", "cut", "leaks", "called_clean", "healthy", "called_leak", "flips"]
            )
        for (share,), rows in judged.group_by("cut", maintain_order=True):
            leaks, healthy = rows.filter("leaks")["verdict"], rows.filter(~pl.col("leaks"))["verdict"]
            wrong = (leaks == "not_leak").sum(), (healthy == "leak").sum()
            counts = [len(leaks), wrong[0], len(healthy), wrong[1], flips(judged)]
            writer.writerow([now, commit(), level, share, *counts])


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", choices=("lab", "field"), default="lab")
    parser.add_argument("--part", choices=PARTS, default="dev")
    parser.add_argument("--level", choices=(*LEVELS, "all"), default="all")
    parser.add_argument("--decidable", action="store_true", help="only runs that a whole window decides")
    parser.add_argument("--wrong", action="store_true", help="also list each sure and wrong verdict")
    given = parser.parse_args(arguments)
    for level in LEVELS if given.level == "all" else [given.level]:
        judged = judge(given.part, level, FIELD if given.corpus == "field" else CORPUS)
        if log := log_of(given.corpus, given.part, "early_runs"):
            record(judged, level, log)
        if given.decidable:
            judged = judged.filter("decidable")
        print(f"{given.corpus} {given.part}, {level}: cut at shares of the window\n{table(judged)}\n")
        if given.wrong:
            wrong = judged.filter(
                (pl.col("leaks") & (pl.col("verdict") == "not_leak"))
                | (~pl.col("leaks") & (pl.col("verdict") == "leak"))
            )
            for row in wrong.sort("shape", "workload", "cut").iter_rows(named=True):
                print(
                    f"  {row['cut']:.0%} {row['shape']} {row['namespace']}/{row['workload']}: "
                    f"{row['verdict']} {row['leak_probability']:.2f} {row['pattern']}"
                )


if __name__ == "__main__":
    main()
