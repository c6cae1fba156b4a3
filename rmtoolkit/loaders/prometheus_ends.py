"""Markers that a server stores where a series ended, and which of them mean that a container did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit.loaders.prometheus_numbers import STALE_BITS
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rmtoolkit.loaders.prometheus_decode import Decoded


class Markers(NamedTuple):
    """Where series ended.

    Attributes
    ----------
    series
        The series of each marker.
    times
        Milliseconds since 1970: the first scrape that did not find the series any more.
    """

    series: NDArray[np.int64]
    times: NDArray[np.int64]


def without_markers(decoded: Decoded) -> tuple[Decoded, Markers]:
    """Take the markers out of the samples: they are no values.

    Parameters
    ----------
    decoded
        As decoded, series joined.

    Returns
    -------
    tuple of (Decoded, Markers)
        The samples, and the markers by themselves. A series of markers alone stays, without samples.

    Examples
    --------
    >>> from rmtoolkit.loaders.prometheus_decode import Decoder
    >>> decoder = Decoder()
    >>> _ = decoder.add(b'{"metric":{"pod":"db-0"},"values":[7,null],"timestamps":[1000,2000]}', "a.jsonl")
    >>> decoded, markers = without_markers(decoder.finish())
    >>> decoded.values.tolist(), markers.times.tolist()
    ([7.0], [2000])
    """
    marked = decoded.values.view(np.uint64) == STALE_BITS
    if not marked.any():
        return decoded, Markers(np.empty(0, np.int64), np.empty(0, np.int64))
    owner = np.repeat(np.arange(len(decoded.counts)), decoded.counts)
    kept = ~marked
    counts = np.bincount(owner[kept], minlength=len(decoded.counts)).astype(np.int64)
    found = replace(decoded, counts=counts, times=decoded.times[kept], values=decoded.values[kept])
    return found, Markers(owner[marked], decoded.times[marked])


def ends_of(
    table: pl.DataFrame,
    decoded: Decoded,
    markers: Markers,
    spans: Mapping[int, tuple[int, int]],
) -> dict[int, int]:
    """Tell which containers vanished, and when.

    Parameters
    ----------
    table
        A row a series: `series`, `entity`, `role`, `source`.
    decoded
        The samples, without markers.
    markers
        Where series ended.
    spans
        First and last memory sample of each container.

    Returns
    -------
    dict of int to int
        Milliseconds, by container. A marker counts when no sample follows it and other series of the same target
        go on at least as long: a target that cannot be scraped leaves markers in all of its series.

    Examples
    --------
    >>> from rmtoolkit.loaders.prometheus_decode import Decoder
    >>> decoder = Decoder()
    >>> for values in (b"7,null", b"7,8"):
    ...     line = b'{"metric":{"is":"%b"},"values":[%b],"timestamps":[1000,2000]}' % (values, values)
    ...     _ = decoder.add(line, "a.jsonl")
    >>> columns = {"series": [0, 1], "entity": [0, 1], "role": "rss_bytes", "source": "kubelet"}
    >>> ends_of(pl.DataFrame(columns), *without_markers(decoder.finish()), {0: (1000, 1000), 1: (1000, 2000)})
    {0: 2000}
    """
    if not len(markers.times):
        return {}
    used = table.filter(pl.col("role").is_in(SIGNALS), pl.col("entity").is_not_null())
    series = used["series"].to_numpy()
    ends = np.cumsum(decoded.counts)[series] - 1
    last = np.where(decoded.counts[series] > 0, decoded.times[np.maximum(ends, 0)], -1)
    alive = used.select("series", "source", last=pl.Series(last)).with_columns(pl.col("last").max().over("source"))
    marked = (
        pl.DataFrame({"series": markers.series, "time": markers.times})
        .join(used.select("series", "entity").cast({"series": pl.Int64}), on="series")
        .join(alive.select("series", "last").cast({"series": pl.Int64}), on="series")
        .group_by("entity")
        .agg(pl.all().sort_by("time").last())
    )
    return {
        entity: time
        for entity, time, alive_until in marked.select("entity", "time", "last").iter_rows()
        if entity in spans and spans[entity][1] < time <= alive_until
    }
