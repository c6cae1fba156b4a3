"""Which stretches of time of which source a lake has: where a pull that was killed goes on."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import quote_path, warn
from rmtoolkit.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE: Final = "pulls.json"
Span = tuple[dt.datetime, dt.datetime]


def read(lake: Path) -> dict[str, list[Span]]:
    """Read what was pulled.

    Parameters
    ----------
    lake
        Its folder.

    Returns
    -------
    dict
        For each source its stretches, sorted and apart. A file that cannot be read costs a warning: then everything
        is pulled again, which doubles nothing.

    Examples
    --------
    >>> from pathlib import Path
    >>> read(Path("/no/such"))
    {}
    """
    file = lake / FILE
    try:
        told = json.loads(file.read_text("utf-8"))
        spans = {
            source: [(dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end)) for start, end in stretches]
            for source, stretches in told.items()
        }
        return {source: union(stretches) for source, stretches in spans.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, AttributeError):
        warn(f"{quote_path(file)} cannot be read: what was pulled before is pulled again.")
        return {}


def add(lake: Path, source: str, span: Span) -> None:
    """Add a stretch; nobody else may be writing.

    Parameters
    ----------
    lake
        Its folder.
    source
        Whatever tells one pull from another; without secrets.
    span
        First and last instant, in UTC.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> moments = [dt.datetime(2026, 11, 25, hour, tzinfo=dt.UTC) for hour in (1, 3, 3, 4)]
    >>> add(folder, "a", (moments[0], moments[1]))
    >>> add(folder, "a", (moments[2], moments[3]))
    >>> read(folder)["a"] == [(moments[0], moments[3])]
    True
    """
    known = read(lake)
    known[source] = union([*known.get(source, []), span])
    told = {
        name: [[start.isoformat(), end.isoformat()] for start, end in spans] for name, spans in sorted(known.items())
    }
    with replacing(lake / FILE) as part, part.open("w", encoding="utf-8") as stream:
        json.dump(told, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def union(spans: Iterable[Span]) -> list[Span]:
    """Join stretches that touch.

    Parameters
    ----------
    spans
        In any order.

    Returns
    -------
    list
        Sorted and apart.

    Examples
    --------
    >>> one, two, three = (dt.datetime(2026, 11, day, tzinfo=dt.UTC) for day in (1, 2, 3))
    >>> union([(two, three), (one, two)]) == [(one, three)]
    True
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def missing(wanted: Span, known: Sequence[Span], overlap: dt.timedelta) -> list[Span]:
    """Tell what is still to be pulled.

    Parameters
    ----------
    wanted
        The whole stretch.
    known
        What was pulled, sorted and apart.
    overlap
        The end of each known stretch, which is pulled again: samples come late.

    Returns
    -------
    list
        Sorted and apart; empty when nothing is missing.

    Examples
    --------
    >>> first, last, now = (dt.datetime(2026, 11, 25, hour, tzinfo=dt.UTC) for hour in (1, 5, 8))
    >>> [(start.hour, end.hour) for start, end in missing((first, now), [(first, last)], dt.timedelta(hours=1))]
    [(4, 8)]
    """
    start, stop = wanted
    found: list[Span] = []
    for begin, end in known:
        settled = end - overlap
        if settled <= start or begin >= stop:
            continue
        if begin > start:
            found.append((start, begin))
        start = max(start, settled)
    if start < stop:
        found.append((start, stop))
    return found
