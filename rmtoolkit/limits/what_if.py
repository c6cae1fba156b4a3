"""What would memory have been, if? Each change is a plain function of a frame, and says what it assumes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis.lives import split
from rmtoolkit.analysis.parameters import SETTLED_BAND, STARTUP_SHARE
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.recording import Recording, as_recording
from rmtoolkit.schema import FOOTPRINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rmtoolkit.limits.usage import AnyRecording

#: Stack that a thread touches when nothing is known: two pages of the kernel's and what a shallow call chain needs.
TOUCHED_STACK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A recording as it would have been, and what had to be assumed.

    Attributes
    ----------
    recording
        The same containers and instants; only the footprint differs.
    assumptions
        A sentence for every change.

    Examples
    --------
    >>> what_if(pl.DataFrame({"time": [0], "rss_bytes": [9]})).assumptions
    ()
    """

    recording: Recording
    assumptions: tuple[str, ...]

    def then(self, change: Callable[[Recording], WhatIf]) -> WhatIf:
        """Change it once more.

        Parameters
        ----------
        change
            One of the functions below.

        Returns
        -------
        WhatIf
            With the assumptions of both.
        """
        after = change(self.recording)
        return WhatIf(after.recording, (*self.assumptions, *after.assumptions))

    def __repr__(self) -> str:
        """Count what was changed."""
        changed = len(self.assumptions)
        return f"<WhatIf: {changed} change{'' if changed == 1 else 's'}, {self.recording!r}>"


def what_if(
    recording: AnyRecording,
    *,
    startup_scale: float | None = None,
    startup_spread_seconds: float | None = None,
    threads: int | None = None,
    traffic: float | None = None,
    purge: bool = False,
) -> WhatIf:
    """Change a recorded past: a smaller or slower startup, other threads, other traffic, an allocator that gives back.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    startup_scale
        Height of every startup spike over the settled level, 1 as it was: 0.5 halves it.
    startup_spread_seconds
        Spread each startup over so much more time, as delayed cache initialisation does: what comes at once is
        averaged over it.
    threads
        Number of threads instead of the recorded one.
    traffic
        Load, 1 as it was: what follows the load follows it, the rest stays.
    purge
        Take away the pages that the allocator keeps though nothing is in them.

    Returns
    -------
    WhatIf
        The changed recording and what was assumed.

    Raises
    ------
    RmtoolkitError
        A number is negative, or the recording does not have what a change needs.

    Examples
    --------
    >>> table = pl.DataFrame({
    ...     "time": range(0, 1200, 10),
    ...     "rss_bytes": [500] * 20 + [100] + [900] * 3 + [500] * 96,
    ...     "restarts_total": [0] * 20 + [1] * 100,
    ... })
    >>> what_if(table, startup_scale=0.5).recording.samples["rss_bytes"].max()
    700
    """
    for name, value in (
        ("startup_scale", startup_scale),
        ("startup_spread_seconds", startup_spread_seconds),
        ("threads", threads),
        ("traffic", traffic),
    ):
        if value is not None and not 0 <= value < float("inf"):
            msg = f"{name} must be 0 or more, got {value!r}."
            raise RmtoolkitError(msg)
    changed = WhatIf(as_recording(recording), ())
    if purge:
        changed = changed.then(purged)
    if threads is not None:
        changed = changed.then(lambda known: with_threads(known, threads))
    if traffic is not None:
        changed = changed.then(lambda known: with_traffic(known, traffic))
    if startup_scale is not None:
        changed = changed.then(lambda known: startup_scaled(known, startup_scale))
    if startup_spread_seconds:
        changed = changed.then(lambda known: startup_spread(known, startup_spread_seconds))
    return changed


def startup_scaled(recording: AnyRecording, scale: float) -> WhatIf:
    """Scale every startup spike: what is above the settled level until the process has settled.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    scale
        1 as it was.

    Returns
    -------
    WhatIf
        The changed recording and what was assumed.

    Examples
    --------
    >>> startup_scaled(pl.DataFrame({"time": [0], "rss_bytes": [9]}), 0.5).assumptions[0][:38]
    'Every startup spike is 0.5 times as hi'
    """
    recording = as_recording(recording)
    samples = startups(recording)
    said = (
        f"Every startup spike is {scale:g} times as high over the settled level, for as long as it was; startups that "
        "were not recorded are not changed."
    )
    return _shifted(recording, samples.select("container_id", "time", shift=pl.col("excess") * (scale - 1)), said)


def startup_spread(recording: AnyRecording, seconds: float) -> WhatIf:
    """Spread every startup spike over more time, as delayed initialisation of caches does.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    seconds
        Over how much more time; what came at once is averaged over it.

    Returns
    -------
    WhatIf
        The changed recording and what was assumed.

    Examples
    --------
    >>> startup_spread(pl.DataFrame({"time": [0], "rss_bytes": [9]}), 60).assumptions[0][:35]
    'Every startup spike is spread over '
    """
    recording = as_recording(recording)
    cadence = recording.containers.select("container_id", "cadence_seconds")
    samples = startups(recording).join(cadence, on="container_id", how="left", maintain_order="left")
    spread = spread_over(samples, seconds)
    said = (
        f"Every startup spike is spread over {seconds:g} s more: the same memory above the settled level, averaged; it "
        "is assumed to be given back as it was."
    )
    return _shifted(recording, samples.select("container_id", "time", shift=spread - samples["excess"]), said)


def with_threads(recording: AnyRecording, threads: int) -> WhatIf:
    """Set the number of threads.

    Parameters
    ----------
    recording
        A recording with `threads`.
    threads
        How many instead.

    Returns
    -------
    WhatIf
        The changed recording and what was assumed.

    Raises
    ------
    RmtoolkitError
        The recording does not know its threads.

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0, 60], "rss_bytes": [1 << 20, 1 << 20], "threads": [8, 8]})
    >>> with_threads(table, 4).recording.samples["rss_bytes"][0] // 1024
    768
    """
    recording = as_recording(recording)
    if recording.samples["threads"].null_count() == recording.samples.height:
        msg = "The recording does not know how many threads there were. Hint: scrape process_threads beside the memory."
        raise RmtoolkitError(msg)
    now = pl.col("threads").forward_fill().over("container_id")
    shift = (threads - now) * TOUCHED_STACK_BYTES
    said = (
        f"There are {threads} threads; each that is not there saves the {TOUCHED_STACK_BYTES // 1024} KiB of stack "
        "that a shallow call chain touches, and no allocator arena goes with it."
    )
    return _shifted(recording, recording.samples.select("container_id", "time", shift=shift), said)


def with_traffic(recording: AnyRecording, factor: float) -> WhatIf:
    """Scale the traffic.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    factor
        1 as it was.

    Returns
    -------
    WhatIf
        The changed recording and what was assumed.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 600, 60), "rss_bytes": [100] * 5 + [200] * 5})
    >>> with_traffic(table, 2).recording.samples["rss_bytes"].to_list()[-1]
    300
    """
    recording = as_recording(recording)
    used = pl.coalesce(FOOTPRINTS)
    floor = used.quantile(0.05, "lower").over("container_id")
    said = (
        f"Traffic is {factor:g} times what it was; what a container holds above its quietest twentieth is taken to "
        "follow the traffic in proportion, the rest to stay."
    )
    shift = (used - floor).clip(0) * (factor - 1)
    return _shifted(recording, recording.samples.select("container_id", "time", shift=shift), said)


def purged(recording: AnyRecording) -> WhatIf:
    """Take away the pages that the allocator keeps though nothing is in them.

    Parameters
    ----------
    recording
        A recording with `resident_bytes` and `active_bytes` (jemalloc), or `free_bytes` (glibc).

    Returns
    -------
    WhatIf
        The changed recording and what was assumed.

    Raises
    ------
    RmtoolkitError
        The recording has no allocator statistics.

    Examples
    --------
    >>> table = pl.DataFrame({"time": [0], "rss_bytes": [900], "resident_bytes": [800], "active_bytes": [500]})
    >>> purged(table).recording.samples["rss_bytes"].to_list()
    [600]
    """
    recording = as_recording(recording)
    known = {name for name in _KEPT if recording.samples[name].null_count() < recording.samples.height}
    if {"resident_bytes", "active_bytes"} <= known:
        kept = pl.col("resident_bytes") - pl.col("active_bytes") - pl.col("metadata_bytes").fill_null(0)
        what = "dirty and muzzy pages, as with dirty_decay_ms:0,muzzy_decay_ms:0"
    elif "free_bytes" in known:
        kept = pl.col("free_bytes")
        what = "free chunks, as malloc_trim would"
    else:
        msg = (
            "The recording has no allocator statistics: what is kept is not known. Hint: expose jemalloc's resident "
            "and active bytes, or glibc's mallinfo2."
        )
        raise RmtoolkitError(msg)
    held = kept.clip(0).forward_fill().over("container_id")
    said = f"The allocator gives back at once what it keeps ({what}); using it again then costs page faults."
    return _shifted(recording, recording.samples.select("container_id", "time", shift=-held), said)


_KEPT: Final = ("resident_bytes", "active_bytes", "free_bytes")


def startups(recording: Recording) -> pl.DataFrame:
    """Say of every sample whether its process was still starting, and what it held above the settled level then.

    Parameters
    ----------
    recording
        A recording.

    Returns
    -------
    polars.DataFrame
        A row per sample: `container_id`, `time`, `life_row`, `settled_bytes` (where its life settles), `starting`
        (from a start that was seen until the settled level is reached for the first time after the highest point),
        `excess` (bytes above the settled level while starting, else 0). A life that was OOM killed at an age at which
        others were still starting never settled: it is taken to settle where the others did.

    Examples
    --------
    >>> startups(as_recording(pl.DataFrame({"time": [0], "rss_bytes": [9]})))["starting"].to_list()
    [False]
    """
    cut = split(recording)
    spans = _settling(cut.table.with_row_index("life_row"))
    known = cut.samples.join(spans, on="life_row", how="left", maintain_order="left")
    value = pl.col("footprint_bytes")
    age, length = pl.col("time") - pl.col("start"), pl.col("end") - pl.col("start")
    early = (age <= STARTUP_SHARE * length) | pl.col("cut_short")
    tops = (
        known.filter(pl.col("start_seen") & early & value.is_not_null())
        .group_by("life_row", maintain_order=True)
        .agg(top=pl.col("time").get(value.arg_max()))
    )
    known = known.join(tops, on="life_row", how="left", maintain_order="left")
    # Startup is over when, after its highest point, the settled level is reached for the first time.
    low = (pl.col("time") > pl.col("top")) & (value <= (1 + SETTLED_BAND) * pl.col("settled_bytes"))
    over = known.filter(low).group_by("life_row", maintain_order=True).agg(over=pl.col("time").min())
    known = known.join(over, on="life_row", how="left", maintain_order="left")
    starting = (pl.col("time") < pl.col("over")).fill_null(value=False) | pl.col("cut_short")
    excess = (value - pl.col("settled_bytes")).clip(0)
    return known.select(
        "container_id",
        "time",
        "life_row",
        "settled_bytes",
        starting=starting,
        excess=pl.when(starting).then(excess).otherwise(0).fill_null(0),
    )


def _settling(table: pl.DataFrame) -> pl.DataFrame:
    """Find where lives settle; those that were killed before they could take the level of the others."""
    settles = pl.col("startup_seconds").is_not_null()
    others = (
        table.filter(settles)
        .group_by("container_id")
        .agg(usual=pl.col("settled_bytes").median().cast(pl.Int64), longest=pl.col("startup_seconds").max())
    )
    length = (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000
    short = (pl.col("ended") == "oom_kill") & ~settles & pl.col("start_seen") & (length <= pl.col("longest"))
    return (
        table.join(others, on="container_id", how="left", maintain_order="left")
        .with_columns(cut_short=short.fill_null(value=False))
        .select(
            "life_row",
            "start",
            "end",
            "start_seen",
            "cut_short",
            settled_bytes=pl.when("cut_short").then("usual").otherwise("settled_bytes"),
        )
    )


def spread_over(starting: pl.DataFrame, seconds: float) -> pl.Series:
    """Average what startups hold over more time.

    Parameters
    ----------
    starting
        As `startups` gives it, with `cadence_seconds`.
    seconds
        Over how much more time.

    Returns
    -------
    polars.Series
        What is above the settled level then, in bytes, a value per row.

    Examples
    --------
    >>> import datetime as dt
    >>> times = [dt.datetime(2026, 1, 1, 0, minute, tzinfo=dt.UTC) for minute in range(3)]
    >>> one = pl.DataFrame({"life_row": 0, "time": times, "excess": [60.0, 0, 0], "cadence_seconds": 60.0})
    >>> spread_over(one, 120).to_list()
    [30.0, 30.0, 0.0]
    """
    window = f"{max(round(seconds * 1000), 1)}ms"
    spread = (
        pl.col("excess").rolling_sum_by("time", window_size=window).over("life_row")
        * pl.col("cadence_seconds").fill_null(0)
        / max(seconds, 0.001)
    )
    # Averaging over less than one scrape would add memory.
    highest = pl.col("excess").rolling_max_by("time", window_size=window).over("life_row")
    return starting.select(pl.min_horizontal(spread, highest)).to_series()


def _shifted(recording: Recording, shifts: pl.DataFrame, said: str) -> WhatIf:
    """Move every footprint by the same bytes; none falls below zero."""
    by = shifts["shift"].fill_null(0).round().cast(pl.Int64)
    samples = recording.samples.with_columns((pl.col(name) + by).clip(0) for name in FOOTPRINTS)
    return WhatIf(replace(recording, samples=samples), (said,))
