"""The report: one self-contained HTML page that needs no network, no server and no script."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from rmtoolkit.views.report.page import page
from rmtoolkit.writing import check_target, replacing

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from distributed import Client

    from rmtoolkit.analysis.verdict import Judgement
    from rmtoolkit.spread import Source

__all__ = ["ENDINGS", "page", "report", "write"]

#: How the name of a page may end.
ENDINGS: Final = (".html", ".htm")


def report(
    recording: Source,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    client: Client | None = None,
) -> Path:
    """Judge a recording and write what was found as one HTML page.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, or a lake, which is read part by part.
    path
        The page to write, such as week.html; an existing one is replaced whole.
    title
        Stands at the top of the page.
    client
        Of Dask distributed, as for `rm.classify`.

    Returns
    -------
    pathlib.Path
        The page. It opens in any browser, light or dark, wide or narrow, and prints; it asks for nothing
        from anywhere.

    Raises
    ------
    RmtoolkitError
        There are no samples, no such folder, or the name does not end in .html.

    Examples
    --------
    >>> import polars as pl, tempfile
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     "api does not leak" in report(table, f"{folder}/week.html").read_text(encoding="utf-8")
    True
    """
    from rmtoolkit.analysis.verdict import judge  # noqa: PLC0415 - who has a judgement needs no analysis

    check_target(path, ENDINGS)
    return write(judge(recording, client=client), path, title=title)


def write(judgement: Judgement, path: str | os.PathLike[str], *, title: str | None = None) -> Path:
    """Write a judgement that is there already as one HTML page.

    Parameters
    ----------
    judgement
        What `judge` found.
    path
        The page to write, such as week.html; an existing one is replaced whole.
    title
        Stands at the top of the page.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    RmtoolkitError
        There is no such folder, the name does not end in .html, or the disk is full.

    Examples
    --------
    >>> import polars as pl, tempfile
    >>> from rmtoolkit.analysis.verdict import judge
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(judge(table), f"{folder}/week.html").name
    'week.html'
    """
    from pathlib import Path  # noqa: PLC0415 - only needed here

    with replacing(path, ENDINGS) as part:
        part.write_text(page(judgement, title=title, written=dt.datetime.now(dt.UTC)), encoding="utf-8")
    return Path(path)
