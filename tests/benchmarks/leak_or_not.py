"""Score verdicts on the labelled corpus: the engine's, and those of the rules that others use.

Usage: ``python tests/benchmarks/leak_or_not.py [--corpus lab] [--part dev] [--classifier all] [--level full]
[--csv FILE]``. A classifier is a function from a `Recording` to a frame with `workload` (and `namespace`), `verdict`
and, when it knows them, `leak_probability`, `pattern` and `hours_to_limit` with `_low` and `_high`.

``--part sealed`` is for judging, never for tuning: each run on it is written to `sealed_runs.csv` beside this file
(``--corpus field``: to `field_sealed_runs.csv`). ``--part hard``, ``hard_sealed`` and ``odd`` are of `data/corpus` too;
``fresh`` of `data/field` are programs chosen when the verdicts were done with, ``fresh2`` to ``fresh4`` others, chosen
after what the looks before had shown was mended: all are for tuning since they were looked at.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

import rmtoolkit as rm
from rmtoolkit.schema import SIGNALS
from tests.benchmarks import leak_tables
from tests.benchmarks.baselines_leak import BASELINES
from tests.benchmarks.leak_scores import Scores, join, score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rmtoolkit.recording import Recording

    Classifier = Callable[[Recording], pl.DataFrame]

ROOT: Final = Path(__file__).parents[2]
CORPUS: Final = ROOT / "data" / "corpus"
FIELD: Final = ROOT / "data" / "field"
#: Where each look at a part that is for judging is written down.
LOGS: Final = Path(__file__).parent

_ALLOCATOR: Final = (
    "allocated_bytes",
    "active_bytes",
    "resident_bytes",
    "mapped_bytes",
    "retained_bytes",
    "metadata_bytes",
    "free_bytes",
)
#: Levels of evidence: which signals are hidden, and what a label may need that is then gone.
LEVELS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "full": ((), ()),
    "no-allocator": (_ALLOCATOR, ("allocator",)),
    "working-set": (
        tuple(name for name in SIGNALS if name != "working_set_bytes"),
        ("allocator", "cgroup", "load", "threads"),
    ),
}
LEVELS["kubectl-top"] = (LEVELS["working-set"][0], (*LEVELS["working-set"][1], "restarts"))
#: Beside development and judging the same of the shapes that have fooled verdicts, and what was recorded last.
PARTS: Final = ("dev", "sealed", "hard", "hard_sealed", "odd", "fresh", "fresh2", "fresh3", "fresh4")
JUDGING: Final = ("sealed", "hard_sealed")
_MEBI: Final = 1 << 20
_WINDOWS: Final = ("up to 300 s", "301 to 600 s", "over 600 s")
#: What goes into the log of sealed runs.
_HEADLINE: Final = (
    "right",
    "precision",
    "recall",
    "f1",
    "false_clean",
    "false_alarms",
    "abstained",
    "cost",
    "wrong_undecidable",
    "pattern_right",
    "pattern_f1",
    "time_error",
    "time_covered",
    "brier",
)


def engine(recording: Recording) -> pl.DataFrame:
    """Judge with rmtoolkit itself."""
    return rm.classify(recording)


CLASSIFIERS: Final[dict[str, Classifier]] = {"engine": engine, **BASELINES}


def load(part: str, folder: Path) -> tuple[Recording, pl.DataFrame]:
    """Read a part of the corpus.

    Parameters
    ----------
    part
        One of `PARTS`.
    folder
        Where it is.

    Returns
    -------
    tuple[Recording, polars.DataFrame]
        All runs as one recording, and their labels.
    """
    # Of a part that meets no limit, the column of times to it is empty.
    times = {"seconds_to_limit": pl.Float64()}
    labels = pl.read_csv(folder / f"{part}_labels.csv", infer_schema_length=None, schema_overrides=times)
    return rm.read_recording(folder / f"{part}.parquet"), labels.with_columns(pl.col("needs").fill_null(""))


def at_level(recording: Recording, labels: pl.DataFrame, level: str) -> tuple[Recording, pl.DataFrame]:
    """Hide what a level of evidence lacks.

    Parameters
    ----------
    recording, labels
        What `load` gave.
    level
        A name in `LEVELS`.

    Returns
    -------
    tuple[Recording, polars.DataFrame]
        The recording without the hidden signals, and labels in which a run that needs one of them is undecidable.
    """
    hidden, gone = LEVELS[level]
    if level == "kubectl-top":
        recording = as_top(recording)
    blank = [pl.lit(None, dtype=recording.samples.schema[name]).alias(name) for name in hidden]
    return (
        dataclasses.replace(recording, samples=recording.samples.with_columns(blank)),
        labels.with_columns(decidable=pl.col("decidable") & ~pl.col("needs").is_in(gone)),
    )


def as_top(recording: Recording) -> Recording:
    """Leave what who polls `kubectl top` has: whole Mi, every first to fourth sample, neither limits nor events."""
    every = 1 + pl.col("container_id") % 4
    seen = pl.int_range(pl.len()).over("container_id") % every == 0
    nothing = [pl.lit(None, pl.Int64).alias(name) for name in ("limit_bytes", "request_bytes")]
    return dataclasses.replace(
        recording,
        containers=recording.containers.with_columns(
            *nothing,
            limit_known=pl.lit(value=False),
            quantum_bytes=pl.lit(_MEBI, pl.Int64),
            cadence_seconds=pl.col("cadence_seconds") * every,
        ),
        samples=recording.samples.filter(seen).with_columns(pl.col("working_set_bytes") // _MEBI * _MEBI),
        events=recording.events.clear(),
    )


def slices(judged: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Cut judged runs by what may make a difference: kind of slice, its name, its runs."""
    windows = np.searchsorted([300, 600], judged["window_seconds"].to_numpy())
    cuts = {
        "allocator": judged["allocator"],
        "window": pl.Series([_WINDOWS[place] for place in windows], dtype=pl.Enum(_WINDOWS)),
        "stated level": judged["said_evidence_level"].cast(pl.String),
        "shape": judged["shape"],
    }
    for kind, values in cuts.items():
        for value in values.drop_nulls().unique().sort().to_list():
            yield kind, value, judged.filter(values == value)


def commit() -> str:
    """Name the commit that is checked out, with a plus when the code that judges differs from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def ask(*words: str) -> str:
        done = subprocess.run([git, "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = ask("status", "--porcelain", "--", "rmtoolkit", "tests/benchmarks", ":!*_runs.csv")
    return (ask("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def log_of(corpus: str, part: str, looks: str = "runs") -> Path | None:
    """Name the file that keeps the looks at a part; none where the part is for development."""
    return LOGS / f"{'field_' * (corpus == 'field')}{part}_{looks}.csv" if part in JUDGING else None


def record(scored: dict[tuple[str, str], Scores], log: Path) -> None:
    """Append a run on a part that is for judging to its log.

    Parameters
    ----------
    scored
        Scores by level and classifier.
    log
        The file; made with a line of names when missing.
    """
    now, version, is_new = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M"), commit(), not log.exists()
    with log.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(["date", "commit", "level", "classifier", "leaks", "clean", "undecidable", *_HEADLINE])
        for (level, name), scores in scored.items():
            values = [scores.figures[figure].value for figure in _HEADLINE]
            counts = [scores.leaks, scores.clean, scores.undecidable]
            rounded = ["" if value is None else f"{value:.4f}" for value in values]
            writer.writerow([now, version, level, name, *counts, *rounded])


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", choices=("lab", "field"), default="lab")
    parser.add_argument("--part", choices=PARTS, default="dev")
    parser.add_argument("--classifier", choices=(*CLASSIFIERS, "all"), default="all", metavar="NAME")
    parser.add_argument("--level", choices=tuple(LEVELS), default="full")
    parser.add_argument("--csv", type=Path, help="also write every figure of every slice, a row each")
    given = parser.parse_args(arguments)
    folder, target = (FIELD, "corpus-field") if given.corpus == "field" else (CORPUS, "corpus")
    for file in (folder / f"{given.part}.parquet", folder / f"{given.part}_labels.csv"):
        if not file.exists():
            sys.exit(f"{file} is not there. Hint: `make {target}` records the corpus.")
    whole, all_labels = load(given.part, folder)
    names = list(CLASSIFIERS) if given.classifier == "all" else [given.classifier]
    first = names[0]
    judged = {}
    for level in LEVELS:
        recording, labels = at_level(whole, all_labels, level)
        for name in names if level == given.level else names[:1]:
            judged[level, name] = join(CLASSIFIERS[name](recording), labels)
    scored = {key: score(frame) for key, frame in judged.items()}
    if log := log_of(given.corpus, given.part):
        record(scored, log)
    here = {name: judged[given.level, name] for name in names}
    parts = [("evidence", level, scored[level, first]) for level in LEVELS]
    parts += [(kind, value, score(rows)) for kind, value, rows in slices(here[first])]
    print(leak_tables.page(given.part, given.level, {name: scored[given.level, name] for name in names}, here, parts))
    if given.csv:
        leak_tables.write(given.csv, given.level, scored, parts)
        print(f"\nEvery figure is in {given.csv}.")
    if log:
        print(f"\nThis run on {given.part} was recorded in {log.name}, beside this program.")


if __name__ == "__main__":
    main()
