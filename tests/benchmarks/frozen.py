"""Freeze what the package says of the samples and of the dev part of the corpus, and tell what has changed since.

Usage: ``python tests/benchmarks/frozen.py [--part samples] [--only verdicts] [--tolerance 1e-6]`` compares with the
Parquet files in `data/frozen` and ends with status 1 when something differs; ``--write`` makes them anew. Only public
names are used. What a version does not have is a line in the output, as is each column that is new or gone.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

import rmtoolkit as rm

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).resolve().parents[2]
FROZEN: Final = ROOT / "data" / "frozen"
MEBIBYTE: Final = 2**20
#: Tried for every workload, whatever its peak: 64 Mi to 1 Gi, each 19 % above the one before.
LIMITS: Final = [round(64 * 2 ** (step / 4)) * MEBIBYTE for step in range(17)]

WORKLOAD: Final = ["cluster", "namespace", "workload", "container"]
INSTANCE: Final = [*WORKLOAD[:3], "pod", "container"]
#: What names a row of each frame.
KEYS: Final[dict[str, list[str]]] = {
    "containers": INSTANCE,
    "samples": [*INSTANCE, "signal"],
    "events": [*INSTANCE, "kind", "number"],
    "verdicts": WORKLOAD,
    "instances": INSTANCE,
    "evidence": [*WORKLOAD, "says", "signal", "statistic", "number"],
    "checklist": [*WORKLOAD, "question"],
    "lives": [*INSTANCE, "life"],
    "fits": [*INSTANCE, "life"],
    "forecast": [*INSTANCE, "number"],
    "limits": WORKLOAD,
    "risk": [*WORKLOAD, "limit_bytes"],
    "heap": ["profile"],
    "suspects": ["profile", "number"],
}
HEAPS: Final = ("data/heap", "tests/data/heap/recorded")


def _samples() -> Any:
    return rm.read(ROOT / "data" / "samples")


def _dev() -> Any:
    return rm.read(ROOT / "data" / "corpus" / "dev.parquet")


def _working_set(recording: Any) -> Any:
    hidden = set(recording.samples.columns) - {"container_id", "time", "working_set_bytes"}
    blank = [pl.lit(None, dtype=recording.samples.schema[name]).alias(name) for name in hidden]
    return dataclasses.replace(recording, samples=recording.samples.with_columns(blank))


VIEWS: Final[dict[str, Callable[[], Any]]] = {
    "samples": _samples,
    "dev": _dev,
    "dev, working set only": lambda: _working_set(_dev()),
}
#: Views that hide signals: which containers there are, and what happened to them, stands in the other already.
HIDING: Final = {"dev, working set only"}


def _named(frame: pl.DataFrame, recording: Any) -> pl.DataFrame:
    """Put names in place of a container's number, which depends on the order of reading."""
    names = recording.containers.select("container_id", *INSTANCE)
    return frame.join(names, on="container_id", how="left").drop("container_id")


def _numbered(frame: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Number the rows that share a key, in their order."""
    return frame.with_columns(number=pl.int_range(pl.len()).over(by))


def _sampled(recording: Any) -> pl.DataFrame:
    signals = [name for name in recording.samples.columns if name not in {"container_id", "time"}]
    long = recording.samples.unpivot(signals, index=["container_id", "time"], variable_name="signal").drop_nulls()
    return _named(
        long.group_by("container_id", "signal").agg(
            samples=pl.len(),
            first=pl.col("time").min(),
            last=pl.col("time").max(),
            lowest=pl.col("value").min(),
            highest=pl.col("value").max(),
            total=pl.col("value").sum(),
            at_end=pl.col("value").sort_by("time").last(),
        ),
        recording,
    )


def _evidence(recording: Any) -> pl.DataFrame:
    frame = rm.classify(recording).select(*WORKLOAD, "evidence").explode("evidence").drop_nulls("evidence")
    return _numbered(frame.unnest("evidence"), KEYS["evidence"][:-1])


def _forecast(recording: Any) -> pl.DataFrame:
    judged = rm.assess(recording)
    return _named(_numbered(judged.forecast.sort("container_id", "time"), ["container_id"]), recording)


def _events(recording: Any) -> pl.DataFrame:
    events = recording.events.sort("container_id", "time", "kind", "value_bytes", "detail")
    return _named(_numbered(events, ["container_id", "kind"]), recording)


FRAMES: Final[dict[str, Callable[[Any], pl.DataFrame]]] = {
    "containers": lambda recording: recording.containers.drop("container_id"),
    "samples": _sampled,
    "events": _events,
    "verdicts": lambda recording: rm.classify(recording).drop("evidence", strict=False),
    "instances": lambda recording: rm.classify(recording, by="instance").drop("evidence", strict=False),
    "evidence": _evidence,
    "checklist": lambda recording: rm.checklist(recording),  # noqa: PLW0108 - a missing name is a finding
    "lives": lambda recording: _named(rm.lives(recording), recording),
    "fits": lambda recording: _named(rm.fits(recording).drop("fitted", strict=False), recording),
    "forecast": _forecast,
    "limits": lambda recording: rm.recommend_limits(recording),  # noqa: PLW0108 - the same
    "risk": lambda recording: rm.limit_risk(recording, LIMITS),
}


def _profiles() -> dict[str, Any]:
    files = sorted(path for folder in HEAPS for path in (ROOT / folder).iterdir() if path.suffix not in {".md", ".raw"})
    return {path.name: rm.read_heap(path) for path in files if path.is_file() and ".stats." not in path.name}


def _summaries(profiles: dict[str, Any]) -> pl.DataFrame:
    rows = []
    for name, profile in profiles.items():
        shapes = {
            f"{what}_{kind}": value
            for what in ("stacks", "frames", "timeline", "growth")
            for kind, value in _shape(getattr(profile, what)).items()
        }
        rows.append({"profile": name, **dataclasses.asdict(profile.summary), **shapes})
    return pl.DataFrame(rows, infer_schema_length=None)


def _shape(frame: pl.DataFrame | None) -> dict[str, float | int | None]:
    """Say of a frame how many rows it has, and the sum of each column of numbers."""
    if frame is None:
        return {"rows": None}
    sums = {name: float(frame[name].sum()) for name, kind in frame.schema.items() if kind.is_numeric()}
    return {"rows": frame.height, **sums}


def _suspects(profiles: dict[str, Any]) -> pl.DataFrame:
    found = [rm.suspects(profile).with_columns(profile=pl.lit(name)) for name, profile in profiles.items()]
    return _numbered(pl.concat(found, how="vertical_relaxed"), ["profile"])


HEAP_FRAMES: Final[dict[str, Callable[[dict[str, Any]], pl.DataFrame]]] = {"heap": _summaries, "suspects": _suspects}


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn enums into strings, lists into sentences and instants into seconds, so that only values are compared."""
    turned = []
    for name, kind in frame.schema.items():
        column = pl.col(name)
        if isinstance(kind, pl.Enum | pl.Categorical):
            turned.append(column.cast(pl.String))
        elif isinstance(kind, pl.List):
            turned.append(column.cast(pl.List(pl.String)).list.join(", "))
        elif isinstance(kind, pl.Datetime):
            turned.append(column.dt.epoch("ms") / 1000)
        elif kind.is_integer():
            turned.append(column.cast(pl.Int64))
    return frame.with_columns(turned)


def _different(name: str, kind: pl.DataType, tolerance: float) -> pl.Expr:
    """Tell whether a row's old and new value differ."""
    old, new = pl.col(name), pl.col(f"{name}_new")
    if not kind.is_numeric():
        return old.ne_missing(new)
    gap = (old - new).abs() / pl.max_horizontal(old.abs(), new.abs(), 1e-12)
    return old.is_null().ne(new.is_null()) | gap.fill_null(0.0).fill_nan(0.0).gt(tolerance)


def _said(value: object) -> str:
    return "null" if value is None else f"{value:.10g}" if isinstance(value, float) else repr(value)


def compare(old: pl.DataFrame, new: pl.DataFrame, key: list[str], tolerance: float, examples: int) -> list[str]:
    """Tell every difference between two frames, a line each.

    Parameters
    ----------
    old, new
        What was frozen, and what is said now; both `plain`.
    key
        The columns that name a row.
    tolerance
        The largest relative difference between numbers that is none; instants are seconds.
    examples
        How many changed rows are shown for a column.

    Returns
    -------
    list[str]
        Nothing when both are the same.
    """
    lines = []
    if gone := [name for name in old.columns if name not in new.columns]:
        lines.append(f"  columns gone: {', '.join(gone)}")
    if extra := [name for name in new.columns if name not in old.columns]:
        lines.append(f"  columns new: {', '.join(extra)}")
    key = [name for name in key if name in new.columns and name in old.columns]
    for frame, other, word in ((old, new, "gone"), (new, old, "new")):
        lone = frame.join(other, on=key, how="anti", nulls_equal=True)
        if lone.height:
            shown = "; ".join(_row(row, key) for row in lone.head(examples).iter_rows(named=True))
            lines.append(f"  rows {word}: {lone.height}, such as {shown}")
    both = old.join(new, on=key, how="inner", nulls_equal=True, suffix="_new")
    for name in [name for name in old.columns if name in new.columns and name not in key]:
        kind, now = old.schema[name], new.schema[name]
        if kind.is_numeric() != now.is_numeric() and pl.Null not in {kind, now}:
            lines.append(f"  {name}: was {kind}, is {now}")
            continue
        changed = (
            both.filter(_different(name, kind, tolerance))
            if kind != pl.Null
            else both.filter(pl.col(f"{name}_new").is_not_null())
        )
        if not changed.height:
            continue
        worst = ""
        if kind.is_numeric():
            of = pl.max_horizontal(pl.col(name).abs(), pl.col(f"{name}_new").abs())
            gap = changed.select(((pl.col(name) - pl.col(f"{name}_new")).abs() / of).max()).item()
            worst = f", worst {gap:.3g}" if gap is not None else ", null on one side"
        lines.append(f"  {name}: {changed.height} of {both.height} rows{worst}")
        lines += [
            f"      {_row(row, key)}: {_said(row[name])} -> {_said(row[f'{name}_new'])}"
            for row in changed.head(examples).iter_rows(named=True)
        ]
    return lines


def _row(row: dict[str, Any], key: list[str]) -> str:
    hidden = {"cluster", "namespace"} | ({"container", "workload"} if "pod" in key else {"container"})
    return " ".join(str(row[name]) for name in key if name not in hidden and row[name] is not None)


def work_out(part: str, only: list[str]) -> dict[tuple[str, str], pl.DataFrame]:
    """Ask the package everything, frame by frame; what fails is said and left out."""
    sources: dict[str, tuple[Callable[[], Any], dict[str, Callable[[Any], pl.DataFrame]]]] = {
        view: (load, FRAMES) for view, load in VIEWS.items() if view.split(",")[0] == part
    }
    if part == "heap":
        sources = {"heap": (_profiles, HEAP_FRAMES)}
    found: dict[tuple[str, str], pl.DataFrame] = {}
    for view, (load, frames) in sources.items():
        unasked = {"containers", "events"} if view in HIDING else set()
        wanted = {name: make for name, make in frames.items() if name in only and name not in unasked}
        if not wanted:
            continue
        source = load()
        for name, make in wanted.items():
            try:
                frame = plain(make(source))
                have = [column for column in KEYS[name] if column in frame.columns]
                found[view, name] = frame.select(*have, pl.exclude(have)).sort(have)
            except Exception as error:  # noqa: BLE001 - the package is under repair: what does not work is a finding
                print(f"{view}: {name}: NOT COMPARED, {type(error).__name__}: {error}")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, then write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="freeze what is said now")
    parser.add_argument("--part", choices=("samples", "dev", "heap"), action="append", help="default: all")
    parser.add_argument("--only", choices=tuple(KEYS), action="append", metavar="FRAME", help=", ".join(KEYS))
    parser.add_argument("--tolerance", type=float, default=1e-6, help="relative, of numbers (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=3, help="changed rows shown for a column")
    given = parser.parse_args(arguments)
    began, differences, same = time.perf_counter(), 0, 0
    for part in given.part or ["samples", "dev", "heap"]:
        for (view, name), frame in work_out(part, given.only or list(KEYS)).items():
            file = FROZEN / f"{view.replace(', ', '-').replace(' ', '-')}.{name}.parquet"
            if given.write:
                file.parent.mkdir(parents=True, exist_ok=True)
                frame.write_parquet(file, compression="zstd", compression_level=19, statistics=False)
            elif not file.exists():
                print(f"{view}: {name}: was never frozen")
            elif lines := compare(pl.read_parquet(file), frame, KEYS[name], given.tolerance, given.examples):
                print(f"{view}: {name}: {frame.height} rows", *lines, sep="\n")
                differences += 1
            else:
                same += 1
    told = "written" if given.write else f"{same} frames are the same, {differences} differ"
    print(f"{told}; {time.perf_counter() - began:.0f} s; package at {Path(str(rm.__file__)).parent.parent.name}")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
