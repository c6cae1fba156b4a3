"""Time stamps of many lines at once: lines that differ only in the clock are read once."""

from __future__ import annotations

from typing import Final

import polars as pl

_CLOCKS: Final = r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
_HALF_DAY: Final = r"(?i)[0-9]\s*[ap]\.?\s?m\b"
_PARTS: Final = (
    r"^(?P<before>(?:.*[^0-9:.])?)(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9])"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?(?P<after>(?:[^0-9:.].*)?)$"
)


def shaped(text: pl.Expr) -> pl.Expr:
    """Take the clock out of lines.

    Parameters
    ----------
    text
        Lines, or what stands before the data in them.

    Returns
    -------
    polars.Expr
        A struct of ``shape``, the line with its clock at midnight, and ``of_day``, the milliseconds since
        then: `stamps.find` of the shape, moved on by so much, is that of the line. Where a line has no
        clock, or more than one, the shape is the line and ``of_day`` null.

    Examples
    --------
    >>> lines = pl.DataFrame({"line": ["Nov 24 22:51:29 db-0", "1795560777"]})
    >>> lines.select(shaped(pl.col("line")).struct.unnest()).rows()
    [('Nov 24 00:00:00 db-0', 82289000), ('1795560777', None)]
    """
    alone = (text.str.count_matches(_CLOCKS) == 1) & ~text.str.contains(_HALF_DAY)
    parts = text.str.extract_groups(_PARTS)
    hour, minute, second = (parts.struct.field(name).cast(pl.Int64) for name in ("hour", "minute", "second"))
    fraction = pl.concat_str(parts.struct.field("fraction").fill_null(""), pl.lit("000")).str.slice(0, 3).cast(pl.Int64)
    of_day = ((hour * 60 + minute) * 60 + second) * 1000 + fraction
    shape = pl.concat_str(parts.struct.field("before"), pl.lit("00:00:00"), parts.struct.field("after"))
    usable = alone & hour.is_not_null()
    return pl.struct(
        shape=pl.when(usable).then(shape).otherwise(text),
        of_day=pl.when(usable).then(of_day),
    )
