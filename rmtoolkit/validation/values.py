"""Values and settings no machine has, in the wrong unit, read too seldom; counters that fall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.schema import BYTE_SIGNALS, COUNTERS, FOOTPRINTS
from rmtoolkit.validation.found import FOUND, MI, REJECT_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.recording import Recording

#: No machine has this much memory, no kernel this many threads; no container runs in so little.
ABSURD_BYTES: Final = 1 << 46
ABSURD_THREADS: Final = 1 << 22
LEAST_LIMIT_BYTES: Final = MI
LEAST_FOOTPRINT_BYTES: Final = 64 << 10
DECIMAL: Final = 1_000_000
#: Values that are needed before a habit is called one.
_FEW: Final = 5
_SOME: Final = 10
#: Shares of the runs of equal values that have the usual length, or stand alone.
_ALIKE: Final = 0.8
_SINGLE: Final = 0.2
#: A signal that changes from row to row this often is not repeated.
CHANGES: Final = 0.7

_NO_TIME: Final = pl.lit(None, dtype=FOUND["first"])
_NOT_ABOUT: Final = pl.lit(None, dtype=pl.String)


def absurd(recording: Recording) -> Iterator[pl.DataFrame]:
    """Find amounts that no machine has, and settings in which nothing runs.

    Parameters
    ----------
    recording
        Samples and settings.

    Yields
    ------
    polars.DataFrame
        Findings in the schema `FOUND`.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> frame = pl.DataFrame({"time": [0], "rss_bytes": [9 * MI], "limit_bytes": [512]})
    >>> [found["signal"][0] for found in absurd(as_recording(frame)) if found.height]
    ['limit_bytes']
    """
    samples = recording.samples
    for name in BYTE_SIGNALS:
        yield _values(samples, name, "absurd_value", pl.col(name) >= ABSURD_BYTES)
    yield _values(samples, "threads", "absurd_value", pl.col("threads") > ABSURD_THREADS)
    for name in ("limit_bytes", "request_bytes"):
        wrong = (pl.col(name) < LEAST_LIMIT_BYTES) | (pl.col(name) >= ABSURD_BYTES)
        yield _setting(recording, name, "absurd_value", wrong, rejected=True)
    for name in FOOTPRINTS:
        tiny = _values(samples, name, "tiny_value", pl.col(name) < LEAST_FOOTPRINT_BYTES)
        yield tiny.filter(pl.col("count") == pl.col("compared")).with_columns(rejected=pl.lit(value=False))


def decimal_units(recording: Recording) -> Iterator[pl.DataFrame]:
    """Find amounts that are whole numbers of MB, where Kubernetes and kubectl count in MiB.

    Parameters
    ----------
    recording
        Samples and settings.

    Yields
    ------
    polars.DataFrame
        Findings in the schema `FOUND`, none of them rejected: the error is 5 %.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> frame = pl.DataFrame({"time": [0], "rss_bytes": [9 * MI], "limit_bytes": [512_000_000]})
    >>> [found["signal"][0] for found in decimal_units(as_recording(frame)) if found.height]
    ['limit_bytes']
    """
    for name in FOOTPRINTS:
        found = _values(recording.samples, name, "decimal_units", whole_megabytes(name))
        every = (pl.col("count") >= _FEW) & (pl.col("count") == pl.col("compared")) & (pl.col("low") < pl.col("high"))
        yield found.filter(every).with_columns(rejected=pl.lit(value=False))
    for name in ("limit_bytes", "request_bytes"):
        yield _setting(recording, name, "decimal_units", whole_megabytes(name), rejected=False)


def whole_megabytes(name: str) -> pl.Expr:
    """Tell whole numbers of MB from others.

    Parameters
    ----------
    name
        A column of bytes.

    Returns
    -------
    polars.Expr
        True for a multiple of a million that is none of 2**20.

    Examples
    --------
    >>> pl.DataFrame({"rss_bytes": [5_000_000, 5 * MI]}).select(whole_megabytes("rss_bytes")).to_series().to_list()
    [True, False]
    """
    return (pl.col(name) > 0) & (pl.col(name) % DECIMAL == 0) & (pl.col(name) % MI != 0)


def repeated(recording: Recording) -> Iterator[pl.DataFrame]:
    """Find signals that are stored more often than they are read: each value stands equally often.

    Parameters
    ----------
    recording
        Samples.

    Yields
    ------
    polars.DataFrame
        Findings in the schema `FOUND`, none of them rejected: there are fewer measurements than rows. `low`
        is how often a value stands.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> twice = [9 * MI + 4096 * (step // 2) for step in range(40)]
    >>> frame = pl.DataFrame({"time": range(0, 600, 15), "working_set_bytes": twice})
    >>> [found["low"][0] for found in repeated(as_recording(frame)) if found.height]
    [2.0]
    """
    # Values in whole MiB stand still without being repeated.
    exact = recording.containers.filter(pl.col("quantum_bytes").is_null()).select("container_id")
    for name in FOOTPRINTS:
        changed = pl.any_horizontal(
            pl.col(column).ne_missing(pl.col(column).shift()) for column in ("container_id", "value")
        )
        rows = (
            recording.samples.lazy()
            .select("container_id", "time", value=name)
            .drop_nulls("value")
            .join(exact.lazy(), on="container_id", how="semi")
            .with_columns(changed=changed)
        )
        often = rows.group_by("container_id").agg(share=pl.col("changed").mean()).filter(pl.col("share") < CHANGES)
        # The window cuts the first and the last run.
        inner = pl.col("times").slice(1, pl.max_horizontal(pl.len(), pl.lit(2)) - 2)
        yield (
            rows.join(often, on="container_id", how="semi")
            .with_columns(run=pl.col("changed").cum_sum())
            .group_by("run", maintain_order=True)
            .agg(
                pl.col("container_id").first(),
                first=pl.col("time").first(),
                last=pl.col("time").last(),
                times=pl.len().cast(pl.Int64),
            )
            .group_by("container_id")
            .agg(
                check=pl.lit("repeated_values"),
                signal=pl.lit(name),
                count=(pl.col("times") - 1).sum(),
                compared=pl.col("times").sum(),
                first=pl.col("first").first(),
                last=pl.col("last").last(),
                low=inner.median(),
                high=inner.len(),
                about=_NOT_ABOUT,
                rejected=pl.lit(value=False),
                alike=((inner - inner.median()).abs() <= 1).mean(),
                single=(inner == 1).mean(),
            )
            .filter(
                (pl.col("high") >= _SOME)
                & (pl.col("low") > 1)
                & (pl.col("alike") > _ALIKE)
                & (pl.col("single") < _SINGLE),
            )
            .collect()
        )


def falling_counters(recording: Recording) -> Iterator[pl.DataFrame]:
    """Find counters that fall where no restart is on record.

    Parameters
    ----------
    recording
        Samples and events.

    Yields
    ------
    polars.DataFrame
        Findings in the schema `FOUND`; `high` and `low` are the values before and after the largest fall.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> frame = pl.DataFrame({"time": [0, 15, 30], "rss_bytes": [9 * MI] * 3, "work_total": [10.0, 9.0, 12.0]})
    >>> [found["count"][0] for found in falling_counters(as_recording(frame))]
    [1]
    """
    marks = (
        recording.events.filter(pl.col("kind").is_in(["start", "end", "oom_kill", "node_oom", "evicted", "error"]))
        .select("container_id", "time", event="time")
        .sort("container_id", "time")
    )
    for name in COUNTERS:
        same = pl.col("container_id") == pl.col("container_id").shift()
        falls = (
            recording.samples.lazy()
            .select("container_id", "time", value=name)
            .drop_nulls("value")
            .with_columns(
                before=pl.when(same).then(pl.col("value").shift()),
                gap=pl.when(same).then(pl.col("time").diff()),
            )
            .filter(pl.col("value") < pl.col("before"))
            .collect()
            .join_asof(marks, on="time", by="container_id", strategy="nearest", check_sortedness=False)
            .filter(((pl.col("time") - pl.col("event")).abs() <= 2 * pl.col("gap")).fill_null(value=False).not_())
        )
        if falls.height:
            largest = (pl.col("before") - pl.col("value")).arg_max()
            yield falls.group_by("container_id").agg(
                check=pl.lit("counter_fell"),
                signal=pl.lit(name),
                count=pl.len(),
                compared=pl.len(),
                first=pl.col("time").min(),
                last=pl.col("time").max(),
                low=pl.col("value").get(largest),
                high=pl.col("before").get(largest),
                about=_NOT_ABOUT,
                # Down to a small part is an unseen restart; down by a part is no counter at all.
                rejected=(pl.col("value") > pl.col("before") / 2).any(),
            )


def _values(samples: pl.DataFrame, signal: str, check: str, at_fault: pl.Expr) -> pl.DataFrame:
    faulty = samples.lazy().filter(at_fault).select("container_id", "time", value=signal).collect()
    total = (
        samples.lazy()
        .join(faulty.lazy().select("container_id").unique(), on="container_id", how="semi")
        .group_by("container_id")
        .agg(compared=pl.col(signal).count())
        .collect()
        if faulty.height
        else pl.DataFrame(schema={"container_id": pl.UInt32, "compared": pl.UInt32})
    )
    return (
        faulty.group_by("container_id")
        .agg(
            check=pl.lit(check),
            signal=pl.lit(signal),
            count=pl.len(),
            first=pl.col("time").min(),
            last=pl.col("time").max(),
            low=pl.col("value").min(),
            high=pl.col("value").max(),
            about=_NOT_ABOUT,
        )
        .join(total, on="container_id")
        .with_columns(rejected=pl.col("count") >= REJECT_SHARE * pl.col("compared"))
    )


def _setting(recording: Recording, setting: str, check: str, at_fault: pl.Expr, *, rejected: bool) -> pl.DataFrame:
    return recording.containers.filter(at_fault).select(
        "container_id",
        check=pl.lit(check),
        signal=pl.lit(setting),
        count=pl.lit(1),
        compared=pl.lit(1),
        first=_NO_TIME,
        last=_NO_TIME,
        low=setting,
        high=setting,
        about=_NOT_ABOUT,
        rejected=pl.lit(rejected),
    )
