"""Samples as they were scraped, for a stretch of time; by JSON here, and by whatever else has the same shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders.prometheus_answers import TRUNCATED, UNREADABLE
from rmtoolkit.loaders.prometheus_client import Client
from rmtoolkit.loaders.prometheus_decode import Decoded, Decoder
from rmtoolkit.loaders.prometheus_faults import DamagedError
from rmtoolkit.loaders.promql import Selector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: How raw samples are fetched: `(client, selector, after_seconds, until_seconds)` gives all samples later than
#: `after_seconds` and not later than `until_seconds` (whole seconds since 1970). Raises `TooMuchError` to be asked
#: for less, `ServerError` when nothing helps.
RawFetch: TypeAlias = Callable[[Client, Selector, int, int], Decoded]

#: Labels of our own queries; no answer keeps them.
OWN_LABELS: Final = ("rmtoolkit_leg", "rmtoolkit_name")


def raw_by_json(client: Client, selector: Selector, after_seconds: int, until_seconds: int) -> Decoded:
    """Fetch raw samples with a range selector in an instant query: the one way that every server has.

    Parameters
    ----------
    client
        The connection.
    selector
        Which series.
    after_seconds, until_seconds
        Samples after the first and up to the second, whole seconds since 1970.

    Returns
    -------
    Decoded
        Exactly these.

    Examples
    --------
    >>> raw_by_json.__name__
    'raw_by_json'
    """
    query = f"{selector.promql()}[{until_seconds - after_seconds}s]"
    decoded = ask(client, "/api/v1/query", {"query": query, "time": str(until_seconds)})
    # Up to version 2 a range holds both its ends, since version 3 only the later one.
    return between(decoded, after_seconds * 1000 + 1, until_seconds * 1000)


def ask(client: Client, path: str, parameters: Mapping[str, str], *, keep_own: bool = False) -> Decoded:
    """Ask for series and decode the answer, again if it was cut off on its way.

    Parameters
    ----------
    client
        The connection.
    path
        The endpoint.
    parameters
        The query and its times.
    keep_own
        Leave the labels in that our queries add.

    Returns
    -------
    Decoded
        All of it.

    Examples
    --------
    >>> ask.__name__
    'ask'
    """

    def read(body: bytes) -> Decoded:
        decoder = Decoder()
        try:
            decoder.add(body, repr(client.address))
        except ReadError as error:
            said = "no JSON" if not body.lstrip().startswith((b"{", b"[")) else "not whole"
            raise DamagedError(said) from error
        if decoder.left_out[TRUNCATED] or decoder.left_out[UNREADABLE]:
            said = "not whole"
            raise DamagedError(said)
        return decoder.finish()

    decoded = client.ask(path, parameters, read)
    mask = client.secrets.mask
    return replace(
        decoded,
        labels=decoded.labels if keep_own else [_own_names(labels) for labels in decoded.labels],
        warnings=[mask(line) for line in decoded.warnings],
        partial=[mask(line) for line in decoded.partial],
    )


def _own_names(labels: dict[str, str]) -> dict[str, str]:
    """Put the metric's name back where a function of PromQL had dropped it."""
    if labels.keys().isdisjoint(OWN_LABELS):
        return labels
    name = labels.get("rmtoolkit_name")
    kept = {label: value for label, value in labels.items() if label not in OWN_LABELS}
    return kept if name is None else {"__name__": name, **kept}


def between(decoded: Decoded, first: int, last: int) -> Decoded:
    """Keep the samples of a stretch of time.

    Parameters
    ----------
    decoded
        Series and samples.
    first, last
        Milliseconds since 1970, both included.

    Returns
    -------
    Decoded
        Only these samples, and the series that have one.

    Examples
    --------
    >>> decoder = Decoder()
    >>> _ = decoder.add(b'[{"metric": {}, "values": [[1, "7"], [2, "8"]]}]', "a.json")
    >>> between(decoder.finish(), 1001, 2000).values.tolist()
    [8.0]
    """
    good = (decoded.times >= first) & (decoded.times <= last)
    if good.all():
        return decoded
    owner = np.repeat(np.arange(len(decoded.counts)), decoded.counts)
    counts = np.bincount(owner[good], minlength=len(decoded.counts)).astype(np.int64)
    return _kept(replace(decoded, counts=counts, times=decoded.times[good], values=decoded.values[good]), counts > 0)


def _kept(decoded: Decoded, series: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Decoded:
    """Drop series that have no samples any more."""
    if series.all():
        return decoded
    chosen = np.flatnonzero(series).tolist()
    return replace(
        decoded,
        labels=[decoded.labels[index] for index in chosen],
        sources=[decoded.sources[index] for index in chosen],
        counts=decoded.counts[series],
    )


def where(decoded: Decoded, chosen: Sequence[bool]) -> Decoded:
    """Keep some series.

    Parameters
    ----------
    decoded
        Series and samples.
    chosen
        For each series, whether to keep it.

    Returns
    -------
    Decoded
        Only these.

    Examples
    --------
    >>> decoder = Decoder()
    >>> for pod in (b"a", b"b"):
    ...     _ = decoder.add(b'[{"metric": {"pod": "%b"}, "values": [[1, "7"]]}]' % pod, "a.json")
    >>> where(decoder.finish(), [False, True]).labels
    [{'pod': 'b'}]
    """
    series = np.array(chosen, bool)
    good = np.repeat(series, decoded.counts)
    return _kept(replace(decoded, times=decoded.times[good], values=decoded.values[good]), series)


def together(parts: Sequence[Decoded]) -> Decoded:
    """Put answers together.

    Parameters
    ----------
    parts
        Any number; the same series may be in several.

    Returns
    -------
    Decoded
        All of them, one after another.

    Examples
    --------
    >>> together([]).labels
    []
    """
    if len(parts) == 1:
        return parts[0]
    empty = Decoder().finish()
    return Decoded(
        [labels for part in parts for labels in part.labels],
        [source for part in parts for source in part.sources],
        np.concatenate([empty.counts, *(part.counts for part in parts)]),
        np.concatenate([empty.times, *(part.times for part in parts)]),
        np.concatenate([empty.values, *(part.values for part in parts)]),
        [line for part in parts for line in part.warnings],
        [line for part in parts for line in part.partial],
        sum((part.left_out for part in parts), Counter()),
    )
