"""A week of a fleet in small frames: verdicts, limits, what happened, and samples thinned to what a chart shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis.columns import VERDICTS, WORKLOAD
from rmtoolkit.analysis.verdict import Judgement, judge
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.recommend import recommend_limits
from rmtoolkit.parts import parts
from rmtoolkit.recording import Recording, Report, as_recording
from rmtoolkit.schema import FOOTPRINTS, TIME

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Iterable, Mapping

    from rmtoolkit.analysis.heap_reading import Heap
    from rmtoolkit.limits.margins import Margins
    from rmtoolkit.limits.usage import AnyRecording

#: Up to so many samples a week is kept as it is.
_WHOLE: Final = 300_000
#: Steps of time that a thinned container keeps the smallest and the largest value of: hours of a week.
_STEPS: Final = 168

#: Columns of a week's verdicts behind those of `classify`.
BESIDE: Final = pl.Schema(
    {
        "oom_probability": pl.Float64(),
        "recommended_limit_bytes": pl.Int64(),
        "kills": pl.Int64(),
        "version": pl.String(),
        "released": TIME,
        "limit_changed": TIME,
        "kills_since": pl.Int64(),
        "window_start": TIME,
        "window_end": TIME,
    }
)


@dataclass(frozen=True, slots=True)
class Week:
    """What a report is written from.

    Attributes
    ----------
    judgement
        Verdicts and all that belongs to them. Its recording holds the samples of one container for each workload,
        thinned so that peaks stay.
    limits
        As `recommend_limits` gives them.
    happened
        A row per workload container: `kills`, OOM kills of its pods; `version`, what ran last; `released`, when
        that began; `limit_changed`, when its limit last did, and `kills_since`.
    containers
        A row per container: `container_id`, `last` (time of its last sample), `samples`, `expected`.
    span
        First and last sample; None without any.

    Examples
    --------
    >>> survey(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20}))
    <Week: 1 workload, 1970-01-01 00:00 to 1970-01-01 01:39 UTC>
    """

    judgement: Judgement
    limits: pl.DataFrame
    happened: pl.DataFrame
    containers: pl.DataFrame
    span: tuple[dt.datetime, dt.datetime] | None

    def __repr__(self) -> str:
        """Say in one line what is inside."""
        count = self.judgement.verdicts.height
        span = "" if self.span is None else f", {self.span[0]:%Y-%m-%d %H:%M} to {self.span[1]:%Y-%m-%d %H:%M} UTC"
        return f"<Week: {count:,} workload{'' if count == 1 else 's'}{span}>"

    @property
    def samples(self) -> int:
        """How many samples were judged."""
        return int(self.containers["samples"].sum())

    @property
    def coverage(self) -> float | None:
        """Samples that are there of those that were due, over all containers; None when nobody knows."""
        known = self.containers.filter(pl.col("expected") > 1)
        due = int(known["expected"].sum())
        return int(known.select(pl.min_horizontal("samples", "expected").sum()).item()) / due if due else None

    def verdicts(self) -> pl.DataFrame:
        """Give the verdicts with what the next week's report compares itself to.

        Returns
        -------
        polars.DataFrame
            The columns of `classify`, then those of `BESIDE`. `oom_probability` is the chance of an OOM kill within
            seven days that the report shows: the one counted in past pairs of weeks where there is one, the
            forecast's for what grows.

        Examples
        --------
        >>> week = survey(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20}))
        >>> week.verdicts().select("verdict", "kills").rows()
        [('not_leak', 0)]
        """
        rows = self.rows()
        first, last = self.span or (None, None)
        return rows.with_columns(window_start=pl.lit(first, dtype=TIME), window_end=pl.lit(last, dtype=TIME)).select(
            *VERDICTS, *BESIDE
        )

    def rows(self) -> pl.DataFrame:
        """Put verdict, limit and what happened in one row.

        Returns
        -------
        polars.DataFrame
            A row per workload container: the verdicts' columns, `kills` … `released`, `oom_probability`, and the
            columns of the limits that verdicts do not have, with `limit_reason` for theirs.

        Examples
        --------
        >>> week = survey(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20}))
        >>> week.rows().select("verdict", "action").rows()
        [('not_leak', 'set')]
        """
        on = list(WORKLOAD)
        limits = self.limits.rename({"reason": "limit_reason", "oom_probability": "oom_probability_then"})
        new = [name for name in limits.columns if name not in self.judgement.verdicts.columns and name != "kills"]
        counted = pl.when(pl.col("growing")).then(None).otherwise(pl.col("oom_probability_now"))
        return (
            self.judgement.verdicts.join(
                limits.select(*on, *new), on=on, how="left", nulls_equal=True, maintain_order="left"
            )
            .join(self.happened, on=on, how="left", nulls_equal=True, maintain_order="left")
            .with_columns(
                oom_probability=pl.coalesce(counted, "oom_probability_7d"), kills=pl.col("kills").fill_null(0)
            )
        )


def survey(
    recording: AnyRecording,
    heap: Heap | Mapping[str, Heap] | None = None,
    *,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    price_per_gib_hour: float | None = None,
) -> Week:
    """Judge a recording and recommend its limits, once, for a report.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    heap
        As in `judge`.
    oom_probability, margins, price_per_gib_hour
        As in `recommend_limits`.

    Returns
    -------
    Week
        Small: it has no more samples than charts need.

    Raises
    ------
    RmtoolkitError
        There are no samples.

    Examples
    --------
    >>> survey(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": 50 << 20})).coverage
    1.0
    """
    recording = as_recording(recording)
    judgement = judge(recording, heap)
    limits = recommend_limits(recording, oom_probability, margins, price_per_gib_hour=price_per_gib_hour)
    return assemble(recording, judgement, limits)


def assemble(recording: Recording, judgement: Judgement, limits: pl.DataFrame) -> Week:
    """Make a week of what was found out about a recording.

    Parameters
    ----------
    recording
        What was judged, with its samples.
    judgement, limits
        What `judge` and `recommend_limits` found.

    Returns
    -------
    Week
        Small.

    Examples
    --------
    >>> table = as_recording(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": 50 << 20}))
    >>> assemble(table, judge(table), recommend_limits(table)).samples
    100
    """
    counted = recording.completeness()
    return Week(
        replace(judgement, recording=_thinned(recording, judgement)),
        limits,
        _happened(recording),
        counted.select("container_id", "last", "samples", "expected"),
        recording.times(),
    )


def together(weeks: Iterable[Week]) -> Week:
    """Put the weeks of parts of a fleet together.

    Parameters
    ----------
    weeks
        At least one; no workload may be in two of them.

    Returns
    -------
    Week
        All of them as one.

    Raises
    ------
    RmtoolkitError
        There is none.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": 50 << 20})
    >>> together(survey(table.with_columns(workload=pl.lit(name))) for name in "ba").limits["workload"].to_list()
    ['a', 'b']
    """
    found: list[Week] = []
    shift = 0
    for week in weeks:
        found.append(_shifted(week, shift))
        shift += int(week.judgement.recording.containers.select(pl.col("container_id").max()).item() or 0) + 1
    if not found:
        msg = "There is no week to put together."
        raise RmtoolkitError(msg)
    if len(found) == 1:
        return found[0]
    report = Report()
    for number, week in enumerate(found):
        mine = week.judgement.recording.report
        report = mine if number == 0 else report.joined(mine)
    frames = {
        name: pl.concat([getattr(week.judgement, name) for week in found])
        for name in ("lives", "fits", "verdicts", "instances", "checklist", "forecast", "findings")
    }
    recordings = [week.judgement.recording for week in found]
    recording = Recording(
        pl.concat([part.containers for part in recordings]),
        pl.concat([part.samples for part in recordings]),
        pl.concat([part.events for part in recordings]),
        report,
    )
    spans = [week.span for week in found if week.span is not None]
    return Week(
        Judgement(recording=recording, **frames),
        pl.concat([week.limits for week in found]).sort(WORKLOAD, nulls_last=False, maintain_order=True),
        pl.concat([week.happened for week in found]),
        pl.concat([week.containers for week in found]),
        (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None,
    )


def _shifted(week: Week, by: int) -> Week:
    """Give containers ids that no other part has."""
    if not by:
        return week

    def moved(frame: pl.DataFrame) -> pl.DataFrame:
        if "container_id" not in frame.columns:
            return frame
        return frame.with_columns(pl.col("container_id") + pl.lit(by, dtype=pl.UInt32))

    judgement = week.judgement
    inside = judgement.recording
    recording = Recording(moved(inside.containers), moved(inside.samples), moved(inside.events), inside.report)
    names = ("lives", "fits", "verdicts", "instances", "checklist", "forecast", "findings")
    frames = {name: moved(getattr(judgement, name)) for name in names}
    return replace(week, judgement=Judgement(recording=recording, **frames), containers=moved(week.containers))


def _happened(recording: Recording) -> pl.DataFrame:
    """Count kills and find the last release of each workload."""
    names = recording.containers.select("container_id", *WORKLOAD, running="version")
    events = recording.events.join(names, on="container_id", maintain_order="left")
    killed, release = (pl.col("kind") == kind for kind in ("oom_kill", "release"))
    # The first word on a limit says what it is, not that it changed.
    changed = (pl.col("kind") == "limit") & pl.col("value_bytes").ne(
        pl.col("value_bytes").filter(pl.col("kind") == "limit").first().over("container_id")
    )
    told = (
        events.sort("time", maintain_order=True)
        .with_columns(changed=changed)
        .group_by(*WORKLOAD, maintain_order=True)
        .agg(
            kills=killed.sum().cast(pl.Int64),
            detail=pl.col("detail").filter(release).last(),
            released=pl.col("time").filter(release).last(),
            limit_changed=pl.col("time").filter("changed").last(),
            kills_since=(killed & (pl.col("time") > pl.col("time").filter("changed").last())).sum().cast(pl.Int64),
        )
    )
    known = names.group_by(*WORKLOAD, maintain_order=True).agg(running=pl.col("running").drop_nulls().last())
    return known.join(told, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left").select(
        *WORKLOAD,
        kills=pl.col("kills").fill_null(0),
        version=pl.coalesce("detail", "running"),
        released=pl.col("released").cast(TIME),
        limit_changed=pl.col("limit_changed").cast(TIME),
        kills_since=pl.when(pl.col("limit_changed").is_not_null()).then("kills_since"),
    )


def _thinned(recording: Recording, judgement: Judgement) -> Recording:
    """Keep of the containers that stand for their workloads what a chart can show."""
    if recording.stored is None and recording.height <= _WHOLE:
        return recording
    shown = judgement.verdicts["container_id"].implode()
    samples = pl.concat(
        [_extremes(part.samples.filter(pl.col("container_id").is_in(shown))) for part in parts(recording)]
    )
    return Recording(recording.containers, samples, recording.events, recording.report)


def _extremes(samples: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows in which memory is lowest and highest within each step of time, and the ends of each container."""
    if not samples.height:
        return samples
    time = pl.col("time").to_physical()
    numbered = samples.with_row_index("row")
    spans = numbered.lazy().group_by("container_id").agg(first=time.min(), length=time.max() - time.min() + 1)
    watched = [name for name in (*FOOTPRINTS, "allocated_bytes") if samples[name].null_count() < samples.height]
    stepped = (
        numbered.lazy()
        .select("row", "container_id", "time", *watched)
        .join(spans, on="container_id")
        .with_columns(step=(time - pl.col("first")) * _STEPS // pl.col("length"))
    )
    extremes = [
        pl.col("row").sort_by(name, nulls_last=last).get(place).alias(f"{name} {place}")
        for name in watched
        for place, last in ((0, True), (-1, False))
    ]
    ends = [pl.col("row").min().alias("begin"), pl.col("row").max().alias("end")]
    found = stepped.group_by("container_id", "step").agg(*extremes, *ends).drop("container_id", "step").collect()
    rows = pl.concat([found[name].rename("row") for name in found.columns]).unique().sort()
    return samples[rows]
