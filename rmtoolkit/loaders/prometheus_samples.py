"""Signals of containers side by side: a row an instant, from one array a signal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit.schema import ABSURD_BYTES, SAMPLES, TIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_PIECE: Final = 1 << 15


class Signal(NamedTuple):
    """One signal of many containers, sorted by container and time, each instant once.

    Attributes
    ----------
    container
        The container of each sample.
    times
        Milliseconds.
    values
        The samples.
    """

    container: NDArray[np.uint32]
    times: NDArray[np.int64]
    values: NDArray[np.float64]


def side_by_side(signals: Mapping[str, Signal]) -> pl.DataFrame:
    """Put signals in columns.

    Parameters
    ----------
    signals
        Name to samples.

    Returns
    -------
    polars.DataFrame
        `container_id`, `time` and the signals; a row for every instant at which one was sampled, sorted.

    Examples
    --------
    >>> signal = lambda times: Signal(np.zeros(len(times), np.uint32), np.array(times), np.array(times, float))
    >>> side_by_side({"rss_bytes": signal([1000]), "threads": signal([1000, 2000])}).rows()[1][2:]
    (None, 2000)
    """
    if not signals:
        return pl.DataFrame(schema={"container_id": pl.UInt32(), "time": TIME})
    parts = list(signals.values())
    frame = parts[0]
    if all(_same_instants(part, frame) for part in parts[1:]):
        columns = {name: _column(name, part.values) for name, part in signals.items()}
        return pl.DataFrame({**_instants(frame.container, frame.times), **columns})
    origin = min(int(part.times.min()) for part in parts if len(part.times))
    span = max(int(part.times.max()) for part in parts if len(part.times)) - origin + 1
    lines = {name: part.container.astype(np.int64) * span + (part.times - origin) for name, part in signals.items()}
    union = np.unique(np.concatenate(list(lines.values())))
    columns = {}
    for name, part in signals.items():
        place = np.searchsorted(union, lines[name])
        values = np.zeros(len(union))
        values[place] = part.values
        if len(place) == len(union):
            columns[name] = _column(name, values)
            continue
        there = np.zeros(len(union), bool)
        there[place] = True
        both = pl.DataFrame({"value": _column(name, values), "there": there})
        columns[name] = both.select(pl.when("there").then("value"))["value"]
    return pl.DataFrame({**_instants((union // span).astype(np.uint32), union % span + origin), **columns})


def _same_instants(one: Signal, other: Signal) -> bool:
    return np.array_equal(one.times, other.times) and np.array_equal(one.container, other.container)


def _instants(container: NDArray[np.uint32], times: NDArray[np.int64]) -> dict[str, pl.Series]:
    return {
        "container_id": pl.Series(container),
        "time": pl.Series(times).cast(TIME),
    }


def _column(name: str, values: NDArray[np.float64]) -> pl.Series:
    """Whole numbers where the schema wants them and all are real; else leave it to `normalise`, which counts."""
    if SAMPLES[name] != pl.Int64 or not len(values):
        return pl.Series(values)
    whole = np.empty(len(values), np.int64)
    # Piece by piece, so that each is looked at several times while a processor's cache holds it.
    for first in range(0, len(values), _PIECE):
        piece, into = values[first : first + _PIECE], whole[first : first + _PIECE]
        with np.errstate(invalid="ignore"):  # what is no number becomes another one, and is seen to differ
            into[:] = piece
        if not np.array_equal(into, piece):
            if not (piece.min() >= 0 and piece.max() < ABSURD_BYTES):
                return pl.Series(values)
            into[:] = np.rint(piece)
        # As unsigned numbers, negative ones are the largest.
        elif into.view(np.uint64).max() >= ABSURD_BYTES:
            return pl.Series(values)
    return pl.Series(whole)
