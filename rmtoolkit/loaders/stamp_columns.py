"""Time stamps of many lines at once: lines that differ only in the clock are read once."""

from __future__ import annotations

from typing import Final

import polars as pl

_CLOCKS: Final = r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
_HALF_DAY: Final = r"^\s*[aApP]\.?\s?[mM]\b"
_PARTS: Final = (
    r"^(?P<before>(?:.*[^0-9:.])?)(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9])"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?(?P<after>(?:[^0-9:.].*)?)$"
)


def shaped(texts: pl.Series) -> pl.DataFrame:
    """Take the clock out of lines.

    Parameters
    ----------
    texts
        Lines, or what stands before the data in them.

    Returns
    -------
    polars.DataFrame
        A row per line: ``shape``, the line with its clock at midnight, and ``of_day``, the milliseconds
        since then: `stamps.find` of the shape, moved on by so much, is that of the line. Where a line has
        no clock, or more than one, the shape is the line and ``of_day`` null.

    Examples
    --------
    >>> shaped(pl.Series(["Nov 24 22:51:29 db-0", "1795560777"])).rows()
    [('Nov 24 00:00:00 db-0', 82289000), ('1795560777', None)]
    """
    # Step by step: an expression that is used twice would be computed twice.
    frame = texts.to_frame("text").select("text", pl.col("text").str.extract_groups(_PARTS).struct.unnest())
    another = pl.concat_str("before", pl.lit(" "), "after").str.contains(_CLOCKS)
    half_day = pl.col("after").str.contains(_HALF_DAY)
    frame = frame.with_columns(usable=pl.col("hour").is_not_null() & ~another & ~half_day)
    hour, minute, second = (pl.col(name).cast(pl.Int64) for name in ("hour", "minute", "second"))
    fraction = pl.concat_str(pl.col("fraction").fill_null(""), pl.lit("000")).str.slice(0, 3).cast(pl.Int64)
    return frame.select(
        shape=pl.when("usable").then(pl.concat_str("before", pl.lit("00:00:00"), "after")).otherwise("text"),
        of_day=pl.when("usable").then(((hour * 60 + minute) * 60 + second) * 1000 + fraction),
    )
