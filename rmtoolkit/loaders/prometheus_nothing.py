"""Why a server has nothing of what was asked for, found out so that the user does not have to."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit import workloads
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError
from rmtoolkit.loaders.prometheus_faults import NothingThereError
from rmtoolkit.loaders.prometheus_raw import ask
from rmtoolkit.loaders.promql import Selector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rmtoolkit.loaders.prometheus_client import Client
    from rmtoolkit.loaders.prometheus_discover import Wanted

_METRICS: Final = ("container_memory_working_set_bytes", "container_memory_usage_bytes", "container_memory_rss")
#: The window is looked at in that many instants.
_INSTANTS: Final = 8


def nothing_found(
    client: Client,
    wanted: Wanted,
    overrides: Mapping[str, str],
    after_seconds: int,
    until_seconds: int,
) -> RmtoolkitError:
    """Say why nothing was found: a name that does not exist, a time without data, a server without the metrics.

    Parameters
    ----------
    client
        The connection.
    wanted
        What was asked for.
    overrides
        What the user says that metrics mean.
    after_seconds, until_seconds
        The window.

    Returns
    -------
    RmtoolkitError
        Ready to raise.

    Examples
    --------
    >>> nothing_found.__name__
    'nothing_found'
    """
    names = (*_METRICS, *overrides, "process_resident_memory_bytes")
    there = _labels(client, f"group by (namespace, pod) ({Selector(names).promql()})", after_seconds, until_seconds)
    if there:
        frame = pl.DataFrame(there, schema={"namespace": pl.String(), "pod": pl.String()}, orient="row")
        for column, values in (("namespace", wanted.namespaces), ("pod", wanted.pods)):
            found = frame[column].drop_nulls().unique().sort()
            if values and not set(values) & set(found):
                return UnknownWorkloadError.named(values[0], found, kind=column)
            frame = frame.filter(pl.col(column).is_in(list(values))) if values else frame
        if wanted.workloads:
            owner = workloads.infer(pl.col("pod")).struct.field("workload").alias("workload")
            found = frame.select(owner)["workload"].drop_nulls().unique().sort()
            return UnknownWorkloadError.named(wanted.workloads[0], found)
    first, last = (dt.datetime.fromtimestamp(time, dt.UTC) for time in (after_seconds + 1, until_seconds))
    when = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC"
    metrics = _labels(client, 'count by (job) ({__name__=~".+"})', until_seconds - 60, until_seconds, label="job")
    if not metrics:
        return NothingThereError(
            client.fault(f"it has no samples at all {when}", "Is the time right? Does it scrape anything?")
        )
    jobs = ", ".join(sorted(str(job) for (job,) in metrics if job)[:5])
    return NothingThereError(
        client.fault(
            f"it has no memory of containers {when}",
            f"Expected {_METRICS[0]} (cAdvisor, in every kubelet) or process_resident_memory_bytes; it scrapes: "
            f"{jobs or 'jobs without a name'}. If another metric is memory, say so: "
            "metrics={'its_name': 'rss_bytes'}.",
        ),
    )


def _labels(
    client: Client,
    query: str,
    after_seconds: int,
    until_seconds: int,
    *,
    label: str | None = None,
) -> list[tuple[str | None, ...]]:
    step = max(60, (until_seconds - after_seconds) // _INSTANTS)
    first = until_seconds - (until_seconds - after_seconds) // step * step
    times = {"start": str(first), "end": str(until_seconds), "step": str(step)}
    try:
        decoded = ask(client, "/api/v1/query_range", {"query": query, **times})
    except RmtoolkitError:
        # The first trouble is told; why, cannot be found out.
        return []
    names = ("namespace", "pod") if label is None else (label,)
    return [tuple(labels.get(name) for name in names) for labels in decoded.labels]
