"""What was not used, in words: counts by reason, as warnings and errors say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.loaders.files import warn
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

_VALUES: Final = (
    "values that were NaN or infinite",
    "values that were negative or absurd",
    "values that are no numbers",
    "values given twice for one instant",
    "values that contradict each other at one instant; the later one was used",
)
_ROWS: Final = ("rows without a readable time", "rows without any value", "rows of no known container")
#: A smaller share stands in the report only.
_NOTICEABLE: Final = 0.01
_ENDINGS: Final = {"stretches": "stretch", "series": "series"}


def counted(count: int, reason: str) -> str:
    """Put a count before a reason that is written for several.

    Parameters
    ----------
    count
        How many.
    reason
        A key of `Report.left_out`: it begins with a plural.

    Returns
    -------
    str
        Count and reason, in the singular for one.

    Examples
    --------
    >>> counted(2000, "values that were NaN"), counted(1, "values that were NaN"), counted(1, "rows of nodes")
    ('2,000 values that were NaN', '1 value that was NaN', '1 row of nodes')
    """
    if count != 1:
        return f"{count:,} {reason}"
    noun, space, rest = reason.partition(" ")
    rest = (
        rest.replace("that were ", "that was ", 1).replace("that are ", "that is ", 1).replace("no rows", "no row", 1)
    )
    return f"1 {_ENDINGS.get(noun, noun.removesuffix('s'))}{space}{rest}"


def check_samples(recording: Recording, place: str) -> None:
    """Refuse a recording of which nothing is left.

    Parameters
    ----------
    recording
        What was read.
    place
        Where, for the message.

    Raises
    ------
    ReadError
        There are no samples, and values or rows were left out.

    Examples
    --------
    >>> import rmtoolkit as rm
    >>> frame = pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [-5.0]})
    >>> check_samples(rm.Recording.from_frame(frame), "'a.csv'")
    Traceback (most recent call last):
    rmtoolkit.exceptions.ReadError: Could not use 'a.csv': no sample is left. Left out: 1 value that was negative ...
    """
    left_out = {reason: recording.report.left_out.get(reason, 0) for reason in (*_VALUES, *_ROWS)}
    # Facts about a container that was not sampled leave rows without any value too, and are no failure.
    lost = any(count for reason, count in left_out.items() if reason != "rows without any value")
    if not recording.height and lost:
        lines = ", ".join(counted(count, reason) for reason, count in left_out.items() if count)
        msg = f"Could not use {place}: no sample is left. Left out: {lines}."
        raise ReadError(msg)


def warn_of_values(recording: Recording) -> None:
    """Warn once when a noticeable share of the values or rows was left out.

    Parameters
    ----------
    recording
        All that was read at once.

    Examples
    --------
    >>> import rmtoolkit as rm
    >>> warn_of_values(rm.Recording.from_frame(pl.DataFrame({"time": [0], "rss_bytes": [5]})))
    """
    left_out = recording.report.left_out
    values, rows = (sum(left_out.get(reason, 0) for reason in reasons) for reasons in (_VALUES, _ROWS))
    if not values + rows:
        return
    kept = recording.samples.select(pl.sum_horizontal(pl.col(name).count() for name in SIGNALS)).item()
    if values < _NOTICEABLE * (values + kept) and rows < _NOTICEABLE * (rows + recording.samples.height):
        return
    lines = [counted(left_out[reason], reason) for reason in (*_VALUES, *_ROWS) if left_out.get(reason)]
    if lines:
        sources = recording.report.sources
        more = "" if len(sources) == 1 else f" and {len(sources) - 1:,} more"
        warn(
            f"{quote_path(sources[0])}{more}: left out {', '.join(lines)}. The rest was read." if sources else lines[0]
        )
