"""Series in order: pieces joined, times rising, each instant once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.loaders.prometheus_decode import Decoded

TWICE: Final = "values given twice for one instant"

_Number = TypeVar("_Number", np.int64, np.float64)


def stack(array: NDArray[_Number], starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[_Number]:
    """Put stretches of an array one after another; copies nothing when they are so already.

    Parameters
    ----------
    array
        Samples, stretch after stretch.
    starts, counts
        The stretches wanted.

    Returns
    -------
    numpy.ndarray
        Only these, in this order.

    Examples
    --------
    >>> stack(np.arange(5), np.array([3, 0]), np.array([2, 1]))
    array([3, 4, 0])
    """
    if not len(starts):
        return array[:0]
    if np.array_equal(starts[1:], starts[:-1] + counts[:-1]):
        return array[starts[0] : starts[-1] + counts[-1]]
    stretches = zip(starts.tolist(), (starts + counts).tolist(), strict=True)
    return np.concatenate([array[start:end] for start, end in stretches])


def tidy(decoded: Decoded) -> Decoded:
    """Join series that came in pieces; sort samples by time; keep one of those at the same instant.

    Parameters
    ----------
    decoded
        As decoded: the same labels may come several times, from several files or chunks.

    Returns
    -------
    Decoded
        Each label set once, its times rising; of repeated instants the last one.

    Examples
    --------
    >>> from rmtoolkit.loaders.prometheus_decode import Decoder
    >>> decoder = Decoder()
    >>> for values in (b'[2,"8"]', b'[1,"7"],[2,"9"]'):
    ...     _ = decoder.add(b'[{"metric": {"pod": "db-0"}, "values": [%b]}]' % values, "a.json")
    >>> tidied = tidy(decoder.finish())
    >>> tidied.times.tolist(), tidied.values.tolist(), tidied.left_out[TWICE]
    ([1000, 2000], [7.0, 9.0], 1)
    """
    decoded = _joined(decoded)
    ends = np.cumsum(decoded.counts)
    falls = decoded.times[1:] <= decoded.times[:-1]
    falls[ends[:-1] - 1] = False
    wrong = np.flatnonzero(falls)
    if not len(wrong):
        return decoded
    disordered = np.zeros(len(ends), bool)
    disordered[np.searchsorted(ends, wrong, side="right")] = True
    owner = np.repeat(np.arange(len(ends)), decoded.counts)
    rows = np.flatnonzero(disordered[owner])
    order = rows[np.lexsort((decoded.times[rows], owner[rows]))]
    times, values = decoded.times.copy(), decoded.values.copy()
    times[rows], values[rows] = times[order], values[order]
    kept = np.ones(len(times), bool)
    kept[:-1] = (np.diff(times) != 0) | (np.diff(owner) != 0)
    twice = Counter({TWICE: int(len(kept) - kept.sum())})
    return replace(
        decoded,
        counts=np.bincount(owner[kept], minlength=len(ends)).astype(np.int64),
        times=times[kept],
        values=values[kept],
        left_out=+(decoded.left_out + twice),
    )


def _joined(decoded: Decoded) -> Decoded:
    first: dict[frozenset[tuple[str, str]], int] = {}
    owners = np.array([first.setdefault(frozenset(labels.items()), len(first)) for labels in decoded.labels], np.int64)
    if len(first) == len(owners):
        return decoded
    order = np.argsort(owners, kind="stable")
    starts = np.cumsum(decoded.counts) - decoded.counts
    chosen = np.unique(owners, return_index=True)[1].tolist()
    return replace(
        decoded,
        labels=[decoded.labels[index] for index in chosen],
        sources=[decoded.sources[index] for index in chosen],
        counts=np.bincount(owners, decoded.counts).astype(np.int64),
        times=stack(decoded.times, starts[order], decoded.counts[order]),
        values=stack(decoded.values, starts[order], decoded.counts[order]),
    )
