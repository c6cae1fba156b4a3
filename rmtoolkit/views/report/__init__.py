"""The report: one self-contained HTML page that needs no network and no server, and the files beside it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit._io import check_target, replacing
from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.views.report.contents import Contents, gather
from rmtoolkit.views.report.page import page, shown_card

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from distributed import Client

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_reading import Heap
    from rmtoolkit.limits.risk import Margins
    from rmtoolkit.limits.week import Previous

__all__ = ["ENDINGS", "Contents", "contents", "gather", "page", "report", "shown_card", "write"]

#: How the name of a page may end.
ENDINGS: Final = (".html", ".htm", ".pdf")


def report(
    recording: Source,
    path: str | os.PathLike[str],
    *,
    heap: Heap | Mapping[str, Heap] | None = None,
    previous: Previous | None = None,
    acknowledged: str | os.PathLike[str] | Iterable[Acknowledgement] | None = None,
    beside: str | os.PathLike[str] | None = None,
    title: str | None = None,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    price_per_gib_hour: float | None = None,
    currency: str = "USD",
    date: dt.datetime | None = None,
    client: Client | None = None,
) -> Path:
    """Judge a recording, recommend its limits and write what was found as one HTML page.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, or a lake, which is read part by part.
    path
        The page to write, such as week.html; an existing one is replaced whole. A name that ends in .pdf is printed by
        Chromium, where there is one.
    heap
        As in `judge`: profiles that name the code.
    previous
        The week before, to name what changed: ``verdicts.parquet`` of its report or the folder it is in, a frame of
        verdicts, or its recording.
    acknowledged
        A TOML file of what is known and accepted; see `rmtoolkit._accepted.read_acknowledgements`.
    beside
        A folder for verdicts and limits as Parquet, CSV and JSON, ``limits.yaml`` and ``summary.md``; None: no files.
    title
        Stands at the top of the page.
    oom_probability, margins, price_per_gib_hour
        As in `recommend_limits`.
    currency
        Of the price.
    date
        When the page is written; None: ``SOURCE_DATE_EPOCH`` where that is set, else now. All else is the same for the
        same input.
    client
        Of Dask distributed, as for `rm.classify`.

    Returns
    -------
    pathlib.Path
        The page. It opens in any browser, light or dark, wide or narrow, and prints; it asks for nothing from anywhere.

    Raises
    ------
    RmtoolkitError
        There are no samples, no such folder, or the name does not end in .html or .pdf.

    Examples
    --------
    >>> import polars as pl, tempfile
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     "api does not leak" in report(table, f"{folder}/week.html").read_text(encoding="utf-8")
    True
    """
    check_target(path, ENDINGS)
    found = contents(
        recording,
        heap=heap,
        previous=previous,
        acknowledged=acknowledged,
        title=title,
        oom_probability=oom_probability,
        margins=margins,
        price_per_gib_hour=price_per_gib_hour,
        currency=currency,
        client=client,
    )
    made = write(found, path, date=date)
    if beside is not None:
        from rmtoolkit.views.report.files import write_beside  # noqa: PLC0415 - only where files are asked for

        write_beside(found, beside)
    return made


def contents(
    recording: Source,
    *,
    heap: Heap | Mapping[str, Heap] | None = None,
    previous: Previous | None = None,
    acknowledged: str | os.PathLike[str] | Iterable[Acknowledgement] | None = None,
    title: str | None = None,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    price_per_gib_hour: float | None = None,
    currency: str = "USD",
    client: Client | None = None,
) -> Contents:
    """Find out what a report says, without writing it."""
    # Who has contents needs no analysis; what is wrong with small files is said before the long work.
    from rmtoolkit._accepted import read_acknowledgements  # noqa: PLC0415
    from rmtoolkit.limits.week import survey, verdicts_before  # noqa: PLC0415

    known = read_acknowledgements(acknowledged) if isinstance(acknowledged, str | os.PathLike) else acknowledged
    before = None if previous is None else verdicts_before(previous)
    week = survey(
        recording,
        heap,
        oom_probability=oom_probability,
        margins=margins,
        price_per_gib_hour=price_per_gib_hour,
        client=client,
    )
    return gather(
        week,
        before=before,
        acknowledged=known or (),
        title=title,
        currency=currency,
        price_per_gib_hour=price_per_gib_hour,
        asked=oom_probability,
    )


def write(found: Contents, path: str | os.PathLike[str], *, date: dt.datetime | None = None) -> Path:
    """Write what a report says as one HTML page, or as PDF."""
    check_target(path, ENDINGS)
    html = page(found, written=_date(date))
    with replacing(path, ENDINGS) as part:
        if Path(path).suffix.lower() == ".pdf":
            from rmtoolkit.views.report.files import print_page  # noqa: PLC0415 - only for PDF

            print_page(html, part)
        else:
            part.write_text(html, encoding="utf-8")
    return Path(path)


def _date(asked: dt.datetime | None) -> dt.datetime:
    if asked is not None:
        return asked if asked.tzinfo is not None else asked.replace(tzinfo=dt.UTC)
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return dt.datetime.now(dt.UTC)
    try:
        return dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    except (ValueError, OverflowError, OSError) as error:
        msg = f"SOURCE_DATE_EPOCH must be seconds since 1970, got {quote(epoch)}."
        raise RmtoolkitError(msg) from error
