"""Find in a few quick passes the containers that a check might object to: most have nothing to hide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit.schema import BYTE_SIGNALS, COUNTERS, FOOTPRINTS, SIGNALS
from rmtoolkit.stretches import begins
from rmtoolkit.validation import gauges, orders, values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmtoolkit.recording import Recording

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.int64] | NDArray[np.float64]

#: Rows looked at in each of three places of a container, where any of them can clear it.
_LOOK: Final = 100


def suspects(recording: Recording) -> pl.Series:
    """List the containers that are worth a closer look.

    Parameters
    ----------
    recording
        Samples, events and settings.

    Returns
    -------
    polars.Series
        Their `container_id`. The checks find nothing in any other container; in these they may.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> moving = [(90 + 7 * step % 11) << 20 for step in range(40)]
    >>> table = {"time": [*range(40)] * 2, "pod": ["a-0"] * 40 + ["b-0"] * 40, "rss_bytes": moving + [9] * 40}
    >>> suspects(as_recording(pl.DataFrame(table))).to_list()
    [1]
    """
    odd = recording.containers.filter(
        pl.any_horizontal(
            (pl.col(name) < values.LEAST_LIMIT_BYTES)
            | (pl.col(name) >= values.ABSURD_BYTES)
            | values.whole_megabytes(name)
            for name in ("limit_bytes", "request_bytes")
        ),
    )["container_id"]
    if not recording.samples.height:
        return odd
    columns = _Columns.of(recording.samples)
    bad = (
        _amounts(columns)
        | _orders(columns)
        | _limits(columns, recording)
        | _stale(columns)
        | _incrementing(columns)
        | _repeated(columns)
        | _decimal(columns)
        | _counters(columns)
    )
    return pl.concat([columns.ids.filter(pl.Series(bad)), odd]).unique()


@dataclass(frozen=True, slots=True)
class _Columns:
    """Signals as arrays, with the first row and the length of each container.

    `there` says which containers have a signal at all, `gaps` which of these lack it in some row. A null reads 0 and
    is never looked at: a container with gaps is a suspect wherever its neighbours would matter.
    """

    ids: pl.Series
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    signals: dict[str, Numbers]
    there: dict[str, Flags]
    gaps: dict[str, Flags]

    @staticmethod
    def of(samples: pl.DataFrame) -> _Columns:
        first = begins(samples["container_id"])
        signals: dict[str, Numbers] = {}
        there: dict[str, Flags] = {}
        gaps: dict[str, Flags] = {}
        for name in SIGNALS:
            column = samples[name]
            if column.null_count() == len(column):
                continue
            there[name], gaps[name] = np.ones(len(first), dtype=bool), np.zeros(len(first), dtype=bool)
            if column.null_count():
                known = column.is_not_null().to_numpy()
                there[name] = np.logical_or.reduceat(known, first)
                gaps[name] = there[name] & ~np.logical_and.reduceat(known, first)
            signals[name] = column.fill_null(0).to_numpy()
        length = np.diff(first, append=samples.height)
        return _Columns(samples["container_id"].gather(first), first, length, signals, there, gaps)

    def none(self) -> Flags:
        return np.zeros(len(self.first), dtype=bool)

    def any(self, rows: NDArray[np.int64]) -> Flags:
        """Containers with one of these rows."""
        found = self.none()
        found[np.searchsorted(self.first, rows, side="right") - 1] = True
        return found

    def unchanged(self, name: str) -> NDArray[np.int64]:
        """How often a value stands right after the same one."""
        signal = self.signals[name]
        same = np.concatenate([[False], signal[1:] == signal[:-1]])
        same[self.first] = False
        return np.add.reduceat(same, self.first, dtype=np.int64)

    def highest(self, name: str) -> Numbers:
        return np.maximum.reduceat(self.signals[name], self.first)

    def looks(self, name: str) -> Numbers:
        """Rows of three places of each container, that follow each other: containers x places x rows."""
        latest = np.maximum(self.length - _LOOK, 0)
        places = np.stack([np.zeros_like(latest), latest // 2, latest], axis=1)
        rows = np.minimum(places[:, :, None] + np.arange(_LOOK), self.length[:, None, None] - 1)
        looked: Numbers = self.signals[name][self.first[:, None, None] + rows]
        return looked

    def chosen(self, *names: str) -> list[tuple[str, Flags]]:
        """For each container the first of these signals that it has."""
        left = ~self.none()
        found = []
        for name in names:
            if name in self.signals:
                found.append((name, left & self.there[name]))
                left = left & ~self.there[name]
        return found


def _amounts(columns: _Columns) -> Flags:
    bad = columns.none()
    for name in (*BYTE_SIGNALS, "threads"):
        if name in columns.signals:
            most = values.ABSURD_BYTES if name in BYTE_SIGNALS else values.ABSURD_THREADS
            highest = columns.highest(name)
            bad |= highest >= most
            if name in FOOTPRINTS:
                bad |= columns.there[name] & (highest < values.LEAST_FOOTPRINT_BYTES)
    return bad


def _orders(columns: _Columns) -> Flags:
    bad = columns.none()
    for order in orders.ORDERS:
        if order.low not in columns.signals or order.high == "limit":
            continue
        names = orders.FOOTPRINT if order.high == "footprint" else (order.high,)
        for high, mine in columns.chosen(*names):
            pairs = mine & columns.there[order.low]
            bad |= pairs & (columns.gaps[order.low] | columns.gaps[high])
            low, above = columns.signals[order.low], columns.signals[high]
            # Few rows, if any, are out of order at all: only these are measured.
            rows = np.flatnonzero(low > above)
            rows = rows[low[rows] > above[rows] * (1 + order.share) + order.slack_bytes]
            bad |= pairs & columns.any(rows)
    return bad


def _limits(columns: _Columns, recording: Recording) -> Flags:
    changes = recording.events.filter(pl.col("kind") == "limit").select("container_id", limit_bytes="value_bytes")
    known = pl.concat([recording.containers.select("container_id", "limit_bytes"), changes])
    least = known.group_by("container_id").agg(pl.col("limit_bytes").min())
    limit = (
        columns.ids.to_frame("container_id")
        .join(least, on="container_id", how="left", maintain_order="left")["limit_bytes"]
        .cast(pl.Float64)
        .fill_null(np.inf)
        .to_numpy()
    )
    bad = columns.none()
    order = next(order for order in orders.ORDERS if order.high == "limit")
    for name, mine in columns.chosen(*orders.FULLNESS):
        bad |= mine & (columns.highest(name) > limit * (1 + order.share) + order.slack_bytes)
    return bad


def _stale(columns: _Columns) -> Flags:
    exports = columns.none()
    stands = ~columns.none()
    for name in gauges.ALLOCATOR:
        if name in columns.signals:
            exports |= columns.there[name]
            # All stand still together: one that moves clears the others.
            stands &= columns.gaps[name] | ~columns.there[name] | (columns.unchanged(name) >= gauges.STALE_SAMPLES - 1)
    return exports & stands


def _incrementing(columns: _Columns) -> Flags:
    bad = columns.none()
    for name in gauges.ALLOCATOR:
        if name in columns.signals:
            looked = columns.looks(name)
            before, after = looked[:, :, :-1], looked[:, :, 1:]
            falls = ((after < before) & (after >= before / 2)).any(axis=(1, 2))
            bad |= columns.there[name] & (columns.gaps[name] | ~falls)
    return bad


def _repeated(columns: _Columns) -> Flags:
    bad = columns.none()
    for name in FOOTPRINTS:
        if name in columns.signals:
            # The first value of a container counts as a change.
            often = columns.unchanged(name) > (1 - values.CHANGES) * columns.length - 1
            bad |= columns.there[name] & (columns.gaps[name] | often)
    return bad


def _decimal(columns: _Columns) -> Flags:
    bad = columns.none()
    for name in FOOTPRINTS:
        if name in columns.signals:
            looked = columns.looks(name)
            whole = ((looked > 0) & (looked % values.DECIMAL == 0)).all(axis=(1, 2))
            bad |= columns.there[name] & (columns.gaps[name] | whole)
    return bad


def _counters(columns: _Columns) -> Flags:
    bad = columns.none()
    for name in COUNTERS:
        if name in columns.signals:
            signal = columns.signals[name]
            falls = np.concatenate([[False], signal[1:] < signal[:-1]])
            falls[columns.first] = False
            bad |= columns.there[name] & (columns.gaps[name] | columns.any(np.flatnonzero(falls)))
    return bad
