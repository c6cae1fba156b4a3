"""One life at a time: which signal speaks, what is held against it, which layer of memory explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtoolkit.analysis import doubts, layers, naming
from rmtoolkit.analysis.opinion import Opinion
from rmtoolkit.analysis.signals import JUDGED

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Row


def form(life: Row, readings: dict[str, Row], *, restarts_known: bool, others: int = 0) -> Opinion:
    """Form an opinion on one life.

    Parameters
    ----------
    life
        Row of the lives table.
    readings
        Its readings by signal.
    restarts_known
        Whether the source reports restarts; without, a deep fall may be one.
    others
        Samples of other lives of the same container, where all of them have only few.

    Returns
    -------
    Opinion
        Growing near 1 says leak, bounded near 1 says none; the pattern holds where it is not a leak.

    Examples
    --------
    >>> form({}, {}, restarts_known=True).pattern
    'insufficient_data'
    """
    signal = next((name for name in JUDGED if name in readings), None)
    opinion = Opinion(life, readings, signal)
    if signal is None:
        return opinion
    row = readings[signal]
    opinion.growing, opinion.bounded, opinion.unresolved = row["growing"], row["bounded"], row["unresolved"]
    doubts.doubt_growth(opinion, row, restarts_known=restarts_known, others=others)
    _explain(opinion, row)
    doubts.doubt_rest(opinion)
    return opinion


def _explain(opinion: Opinion, row: Row) -> None:
    """Name what the memory is made of, unless it is a leak."""
    footprint = opinion.level("footprint_bytes") or opinion.level(opinion.signal or "") or 0.0
    found = layers.layers_of(opinion)
    layers.name_growing_layer(opinion, found, footprint)
    if opinion.pattern == "insufficient_data":
        opinion.pattern, opinion.cause = naming.name_shape(opinion, row)
    layers.name_large_layers(opinion, found, footprint)
    opinion.also = [name for name in dict.fromkeys(opinion.also) if name != opinion.pattern]
