"""What the nodes and quotas of a cluster hold now, and what recommended requests and limits would free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.analysis.columns import WORKLOAD

if TYPE_CHECKING:
    from rmtoolkit.limits.week import Week

#: A container whose last sample is older than this many of its steps no longer runs.
_GONE_STEPS: Final = 5
_LEAST_SECONDS: Final = 300.0

_SETTINGS: Final = ("request", "limit")

CAPACITY: Final = pl.Schema(
    {
        "kind": pl.String(),
        "name": pl.String(),
        "available_bytes": pl.Int64(),
        "containers": pl.Int64(),
        "unknown": pl.Int64(),
        "now_bytes": pl.Int64(),
        "then_bytes": pl.Int64(),
        "freed_bytes": pl.Int64(),
    }
)


def capacity(week: Week) -> pl.DataFrame:
    """Add up requests by node, and requests or limits by quota, as they are and as they would be.

    Parameters
    ----------
    week
        The week; its report knows the allocatable memory of nodes and the quotas of namespaces, where a dump of
        ``kubectl get pods,nodes,resourcequotas`` was read with it.

    Returns
    -------
    polars.DataFrame
        A row per node and per quota: `kind` (``node`` or ``quota``), `name` (of a quota: ``namespace/quota resource``),
        `available_bytes`, `containers` that run there and are in the recording, `unknown` (of those, how many have no
        known request or limit and are not in the sums), `now_bytes`, `then_bytes` with the recommendations applied,
        `freed_bytes`: their difference.

    Examples
    --------
    >>> from rmtoolkit.limits.week import survey
    >>> capacity(survey(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": 50 << 20}))).height
    0
    """
    report = week.judgement.recording.report
    if not report.nodes and not report.quotas:
        return pl.DataFrame(schema=CAPACITY)
    running = _running(week)
    quotas = pl.DataFrame(
        [
            {
                "name": name,
                "namespace": name.partition("/")[0],
                "resource": name.rpartition(" ")[2],
                "available": amount,
            }
            for name, amount in report.quotas.items()
        ],
        schema={"name": pl.String(), "namespace": pl.String(), "resource": pl.String(), "available": pl.Int64()},
    )
    nodes = pl.DataFrame(
        {"name": list(report.nodes), "available": list(report.nodes.values())},
        schema={"name": pl.String(), "available": pl.Int64()},
    )
    found = [_summed("node", nodes.join(running, left_on="name", right_on="node", how="left"), "request")]
    for setting, resources in (
        ("request", ("requests.memory", "memory")),
        ("limit", ("limits.memory",)),
    ):
        mine = quotas.filter(pl.col("resource").is_in(resources))
        found.append(_summed("quota", mine.join(running, on="namespace", how="left"), setting))
    return pl.concat(found)


def _running(week: Week) -> pl.DataFrame:
    """List the containers that run at the week's end, with their settings now and then."""
    seen = week.judgement.completeness.select("container_id", "last")
    containers = week.judgement.recording.containers.join(seen, on="container_id", maintain_order="left")
    newest = containers["last"].max()
    reach = pl.max_horizontal(pl.col("cadence_seconds").fill_null(60.0) * _GONE_STEPS, pl.lit(_LEAST_SECONDS))
    limits = week.limits.select(*WORKLOAD, "recommended_request_bytes", "recommended_limit_bytes", "growing")
    return (
        containers.filter((pl.lit(newest) - pl.col("last")).dt.total_seconds() <= reach)
        .join(limits, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            # What leaks keeps what it has: nothing is recommended that a leak would fill.
            pl.when(pl.col(now).is_not_null() & pl.col("growing").not_().fill_null(value=False))
            .then(pl.coalesce(then, now))
            .otherwise(now)
            .alias(f"{now} then")
            for now, then in (
                ("request_bytes", "recommended_request_bytes"),
                ("limit_bytes", "recommended_limit_bytes"),
            )
        )
        .select(
            "node",
            "namespace",
            "container_id",
            "request_bytes",
            "limit_bytes",
            "request_bytes then",
            "limit_bytes then",
        )
    )


def _summed(kind: str, joined: pl.DataFrame, setting: str) -> pl.DataFrame:
    now, then = pl.col(f"{setting}_bytes"), pl.col(f"{setting}_bytes then")
    there = pl.col("container_id").is_not_null()
    return (
        joined.group_by("name", "available", maintain_order=True)
        .agg(
            containers=there.sum().cast(pl.Int64),
            unknown=(there & now.is_null()).sum().cast(pl.Int64),
            now_bytes=now.sum(),
            then_bytes=then.sum(),
        )
        .select(
            kind=pl.lit(kind),
            name="name",
            available_bytes="available",
            containers="containers",
            unknown="unknown",
            now_bytes="now_bytes",
            then_bytes="then_bytes",
            freed_bytes=pl.col("now_bytes") - pl.col("then_bytes"),
        )
        .cast(CAPACITY)
        .sort("name")
    )
