"""The report: one self-contained HTML page that needs no network and no server, and the files beside it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit._io import check_target, replacing
from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.views.report.page import Contents, contents, page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl
    from distributed import Client

    from rmtoolkit._accepted import Acknowledgement
    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_reading import Heap
    from rmtoolkit.assessment import Assessment
    from rmtoolkit.limits.risk import Margins

__all__ = ["ENDINGS", "Contents", "contents", "page", "report", "write"]

#: How the name of a page may end.
ENDINGS: Final = (".html", ".htm", ".pdf")


def report(
    recording: Source | Assessment,
    path: str | os.PathLike[str],
    *,
    heap: Heap | Mapping[str, Heap] | None = None,
    previous: Assessment | pl.DataFrame | str | os.PathLike[str] | None = None,
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
    """Assess a recording and write what was found as one HTML page.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, a lake, which is read part by part, or an Assessment: of that only
        `beside`, `title` and `date` are heeded.
    path
        The page to write, such as week.html; an existing one is replaced whole. A name that ends in .pdf is printed by
        Chromium, where there is one.
    heap
        As `rm.classify` takes it: profiles that name the code.
    previous
        Last time, to name what changed: ``verdicts.parquet`` of its report or the folder it is in, an Assessment or its
        `workloads`.
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
        now=_date(date),
    )
    made = write(found, path, date=date)
    if beside is not None:
        from rmtoolkit.views.report.files import write_beside  # noqa: PLC0415 - only where files are asked for

        write_beside(found, beside)
    return made


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
