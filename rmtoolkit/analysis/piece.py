"""One piece of evidence: what it says to people, and the same for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion

Piece = dict[str, Any]


def piece(
    main: Opinion,
    says: str,
    text: str,
    value: str,
    weight: int,
    statistic: str,
    *,
    estimate: float | None = None,
    low: float | None = None,
    high: float | None = None,
    unit: str | None = None,
    signal: str | None = None,
) -> Piece:
    """Write one row of evidence.

    Parameters
    ----------
    main
        The life it rests on: its window is the evidence's.
    says
        ``for``, ``against`` or ``not_measured``.
    text, value
        For people.
    weight
        0 to 3.
    statistic
        A stable word for what was measured: advice and programs look for it.
    estimate, low, high, unit
        Its value, the 80 % interval where it has one, and its unit: ``bytes``, ``bytes/day``, ``bytes/unit`` (of
        work), ``share`` (0 to 1), ``count``, ``hours``, ``bytes/thread``, ``per hour``.
    signal
        What was read; the judged signal when left out.

    Returns
    -------
    dict
        A row in the schema `columns.EVIDENCE`.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> life = Opinion({"start": None, "end": None}, {}, "rss_bytes")
    >>> piece(life, "for", "Lives that ended in an OOM kill", "3", 1, "oom_kills", estimate=3)["statistic"]
    'oom_kills'
    """
    return {
        "says": says,
        "text": text,
        "value": value,
        "weight": weight,
        "signal": signal or main.signal,
        "start": main.life["start"],
        "end": main.life["end"],
        "statistic": statistic,
        "estimate": None if estimate is None else float(estimate),
        "low": None if low is None else float(low),
        "high": None if high is None else float(high),
        "unit": unit,
    }
