"""Limits and requests as they were at another time."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - the example uses it

import polars as pl


def settings_at(containers: pl.DataFrame, events: pl.DataFrame, end: dt.datetime) -> pl.DataFrame:
    """Give containers the limits and requests they had at an instant.

    Parameters
    ----------
    containers
        In the schema `CONTAINERS`; their settings are those of the window's end.
    events
        In the schema `EVENTS`: the changes of the settings.
    end
        The instant.

    Returns
    -------
    polars.DataFrame
        The same containers; null where nothing is known of that time.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> found = as_recording(pl.DataFrame({"time": [0, 60], "rss_bytes": [1, 2], "limit_bytes": [5, 9]}))
    >>> early = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    >>> settings_at(found.containers, found.events, early)["limit_bytes"].to_list()
    [5]
    """
    for kind in ("limit", "request"):
        column = f"{kind}_bytes"
        changes = events.filter(pl.col("kind") == kind)
        then = (
            changes.filter(pl.col("time") <= end)
            .group_by("container_id", maintain_order=True)
            .agg(pl.col("value_bytes").last().alias("then"), pl.lit(value=True).alias("set"))
        )
        later = changes.filter(pl.col("time") > end).select("container_id", later=pl.lit(value=True)).unique()
        containers = containers.join(then, on="container_id", how="left", maintain_order="left")
        containers = containers.join(later, on="container_id", how="left", maintain_order="left")
        # What was set only later says nothing about what held before.
        unknown = pl.col("set").is_null() & pl.col("later").is_not_null()
        containers = containers.with_columns(
            pl.when(pl.col("set") | unknown).then("then").otherwise(column).alias(column),
            *([(pl.col("limit_known") & ~unknown).alias("limit_known")] if kind == "limit" else []),
        ).drop("then", "set", "later")
    return containers
