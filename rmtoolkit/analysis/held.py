"""Whether the kernel holds a container's memory down: pressure, pages read again, a peak at the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmtoolkit.analysis.parameters import PEAK_AT_LIMIT, PRESSURE, REFAULTS

if TYPE_CHECKING:
    from rmtoolkit.analysis.opinion import Opinion

#: Refaults are counted in pages.
_PAGE_BYTES: Final = 4096


def pressure(opinion: Opinion) -> dict[str, float]:
    """Tell how hard the kernel held the container back in the later half of a life, where that is much.

    Parameters
    ----------
    opinion
        The life.

    Returns
    -------
    dict of str to float
        By counter: of pressure, the share of the time that tasks were stalled; of refaults, how often an hour the
        whole footprint was read again. Only what is above its threshold: empty means no pressure, or none measured.

    Examples
    --------
    >>> import datetime as dt
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> noon = dt.datetime(2026, 11, 25, 12)
    >>> life = {"start": noon, "end": noon + dt.timedelta(hours=1)}
    >>> stalled = {"end_level": 200.0, "middle_level": 20.0}
    >>> pressure(Opinion(life, {"psi_some_seconds": stalled}, None))
    {'psi_some_seconds': 0.1}
    """
    half = opinion.duration_seconds / 2
    found: dict[str, float] = {}
    if half <= 0:
        return found
    for name in ("psi_some_seconds", "psi_full_seconds"):
        row = opinion.readings.get(name)
        if row is not None and (share := (row["end_level"] - row["middle_level"]) / half) > PRESSURE:
            found[name] = share
    refaults, footprint = opinion.readings.get("refaults_total"), opinion.level("footprint_bytes")
    if refaults is not None and footprint:
        read_again = (refaults["end_level"] - refaults["middle_level"]) * _PAGE_BYTES
        if (times := read_again / footprint / (half / 3600)) > REFAULTS:
            found["refaults_total"] = times
    return found


def peaks_at_limit(opinion: Opinion) -> bool:
    """Tell whether the kernel's own peak counter is at the limit, which scrapes may have missed.

    Parameters
    ----------
    opinion
        The life.

    Returns
    -------
    bool
        False also where no peak was measured or there is no limit.

    Examples
    --------
    >>> from rmtoolkit.analysis.opinion import Opinion
    >>> peaks_at_limit(Opinion({"limit_bytes": 100}, {"peak_bytes": {"end_level": 100.0}}, None))
    True
    """
    limit, peak = opinion.life.get("limit_bytes"), opinion.level("peak_bytes")
    return bool(limit and peak is not None and peak >= PEAK_AT_LIMIT * limit)
