"""A container lifetime in words, a cell each: the chart's data as a table, on the page and in the dashboard."""

from __future__ import annotations

from typing import Any

from rmtoolkit import text


def cells(life: dict[str, Any], *, seconds: bool) -> tuple[object, ...]:
    """Write one lifetime.

    Parameters
    ----------
    life
        A row of `rmtoolkit.lives`.
    seconds
        Whether times are shown to the second.

    Returns
    -------
    tuple
        Its number, start, length, how it ended, version, limit, startup peak, settled level, peak.

    Examples
    --------
    >>> import polars as pl
    >>> from rmtoolkit.analysis.lives import lives
    >>> found = lives(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100}))
    >>> cells(found.row(0, named=True), seconds=False)[:4]
    (1, 'Thu 1 Jan 00:00 or earlier', '1.6 h', 'running')
    """
    return (
        life["life"] + 1,
        text.moment(life["start"], seconds=seconds) + ("" if life["start_seen"] else " or earlier"),
        text.hours((life["end"] - life["start"]).total_seconds() / 3600),
        life["ended"].replace("_", " ").replace("oom", "OOM"),
        text.printable(life["version"]),
        text.NOT_APPLICABLE if life["limit_bytes"] is None else text.configured(life["limit_bytes"]),
        *(amount(life[name]) for name in ("startup_peak_bytes", "settled_bytes", "peak_bytes")),
    )


def amount(value: int | None) -> str:
    """Write an amount of memory; what is not known of a life is a dash.

    Parameters
    ----------
    value
        Bytes.

    Returns
    -------
    str
        Such as ``50 Mi``.

    Examples
    --------
    >>> amount(50 << 20), amount(None)
    ('50 Mi', '–')
    """
    return text.NOT_APPLICABLE if value is None else text.memory(value)
