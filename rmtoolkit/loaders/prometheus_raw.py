"""Samples as they were scraped, for a stretch of time; by JSON here, and by whatever else has the same shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
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

#: Below this the start of numba (over a second) costs more than it saves, unless it runs already.
_NUMBA_SAMPLES: Final = 12_000_000

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


def warm_up(samples: int) -> None:
    """Load the accelerator, where there is one, when a pull is large enough for it to pay.

    Parameters
    ----------
    samples
        How many will come.

    Examples
    --------
    >>> warm_up(1000)
    """
    if samples >= _NUMBA_SAMPLES and find_spec("numba") is not None:
        # Loaded here, before several threads would do it at once; `Decoder` uses it where it is there.
        import rmtoolkit.loaders.prometheus_numba  # noqa: F401, PLC0415


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


def _order(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple([labels.get(name, "") for name in ("__name__", "cluster", "namespace", "pod", "container")])


def together(parts: list[Decoded]) -> Decoded:
    """Put answers together, each series in one stretch.

    Parameters
    ----------
    parts
        Any number; the same series may be in several, whose order in time is kept. Emptied, so that no sample is held
        twice for longer than needed.

    Returns
    -------
    Decoded
        All of them.

    Examples
    --------
    >>> parts = []
    >>> for values in (b'[1,"7"]', b'[2,"8"]'):
    ...     decoder = Decoder()
    ...     _ = decoder.add(b'[{"metric": {"pod": "a"}, "values": [%b]}]' % values, "a.json")
    ...     parts.append(decoder.finish())
    >>> together(parts).values.tolist(), parts
    ([7.0, 8.0], [])
    """
    if len(parts) == 1:
        return parts.pop()
    # Containers mostly stand in this order afterwards too: then nothing of this size is copied again.
    every = {frozenset(one.items()): _order(one) for part in parts for one in part.labels}
    numbers = {series: number for number, series in enumerate(sorted(every, key=every.__getitem__))}
    places = [np.array([numbers[frozenset(one.items())] for one in part.labels], np.int64) for part in parts]
    counts = np.zeros(len(numbers), np.int64)
    for part, place in zip(parts, places, strict=True):
        np.add.at(counts, place, part.counts)
    free = np.cumsum(counts) - counts
    whole = Decoded(
        [{} for _ in numbers],
        [""] * len(numbers),
        counts,
        np.empty(int(counts.sum()), np.int64),
        np.empty(int(counts.sum()), np.float64),
        [],
        [],
        Counter(),
    )
    places.reverse()
    parts.reverse()
    while parts:
        part, place = parts.pop(), places.pop()
        starts = (np.cumsum(part.counts) - part.counts).tolist()
        for labels, source, number, start, count in zip(
            part.labels, part.sources, place.tolist(), starts, part.counts.tolist(), strict=True
        ):
            whole.labels[number], whole.sources[number] = labels, source
            begin = free[number]
            whole.times[begin : begin + count] = part.times[start : start + count]
            whole.values[begin : begin + count] = part.values[start : start + count]
            free[number] += count
        whole.warnings.extend(part.warnings)
        whole.partial.extend(part.partial)
        whole.left_out.update(part.left_out)
    return whole
