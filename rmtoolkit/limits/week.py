"""A week of a fleet in small frames: verdicts, limits, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis.columns import VERDICTS, WORKLOAD
from rmtoolkit.analysis.verdict import Judgement, judge_with
from rmtoolkit.limits.recommend import also, of_gathered
from rmtoolkit.schema import TIME

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Mapping

    from distributed import Client

    from rmtoolkit.analysis.heap_reading import Heap
    from rmtoolkit.limits.margins import Margins
    from rmtoolkit.recording import Recording
    from rmtoolkit.spread import Source

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
        Verdicts and all that belongs to them; of a lake its recording has only the samples that charts show.
    limits
        As `recommend_limits` gives them.
    happened
        A row per workload container: `kills`, OOM kills of its pods; `version`, what ran last; `released`, when
        that began; `limit_changed`, when its limit last did, and `kills_since`.

    Examples
    --------
    >>> survey(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": 50 << 20}))
    <Week: 1 workload, 1970-01-01 00:00 to 1970-01-01 01:39 UTC>
    """

    judgement: Judgement
    limits: pl.DataFrame
    happened: pl.DataFrame

    def __repr__(self) -> str:
        """Say in one line what is inside."""
        count = self.judgement.verdicts.height
        span = "" if self.span is None else f", {self.span[0]:%Y-%m-%d %H:%M} to {self.span[1]:%Y-%m-%d %H:%M} UTC"
        return f"<Week: {count:,} workload{'' if count == 1 else 's'}{span}>"

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime] | None:
        """First and last sample; None without any."""
        first, last = self.judgement.completeness.select(pl.col("first").min(), pl.col("last").max()).row(0)
        return None if first is None else (first, last)

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
        first, last = self.span or (None, None)
        window = {"window_start": pl.lit(first, dtype=TIME), "window_end": pl.lit(last, dtype=TIME)}
        return self.rows().with_columns(**window).select(*VERDICTS, *BESIDE)

    def rows(self) -> pl.DataFrame:
        """Put verdict, limit and what happened in one row.

        Returns
        -------
        polars.DataFrame
            A row per workload container: the verdicts' columns, `kills` … `kills_since`, `oom_probability`, and the
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
    source: Source,
    heap: Heap | Mapping[str, Heap] | None = None,
    *,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    price_per_gib_hour: float | None = None,
    client: Client | None = None,
) -> Week:
    """Judge a recording or a lake and recommend its limits, in one pass.

    Parameters
    ----------
    source
        A recording, a frame that can become one, or a lake, which is read part by part.
    heap, client
        As in `judge`.
    oom_probability, margins, price_per_gib_hour
        As in `recommend_limits`.

    Returns
    -------
    Week
        Small, where the source is not in memory.

    Raises
    ------
    RmtoolkitError
        There are no samples.

    Examples
    --------
    >>> survey(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": 50 << 20})).happened["kills"].to_list()
    [0]
    """
    judgement, frames = judge_with(source, also, heap, client=client)
    limits = of_gathered(frames["needs"], oom_probability, margins, price_per_gib_hour=price_per_gib_hour)
    return Week(judgement, limits, happened(judgement.recording))


def happened(recording: Recording) -> pl.DataFrame:
    """Count kills, and find the last release and the last change of the limit of each workload.

    Parameters
    ----------
    recording
        Its containers and events; samples are not needed.

    Returns
    -------
    polars.DataFrame
        As `Week.happened`.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": [0, 60, 120], "rss_bytes": 1, "workload": "api", "limit_bytes": [5, 5, 9]})
    >>> happened(as_recording(table)).select("kills", "limit_changed").rows()[0][1].minute
    2
    """
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
