"""What mimalloc says of itself (MIMALLOC_SHOW_STATS), found in whatever stands around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.loaders.around import unwrapped

if TYPE_CHECKING:
    from rmtoolkit.loaders.stamps import Stamp

_AMOUNT: Final = r"(-?\d{1,9}(?:\.\d+)?) ?([KkMmGgTt]?i?[Bb]?)"
_COMMITTED: Final = re.compile(rf"\bcommitted: +{_AMOUNT} +{_AMOUNT} +{_AMOUNT} +{_AMOUNT}")
_PROCESS: Final = re.compile(rf"\bprocess: [^\n]*?\brss: +{_AMOUNT}")
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class MimallocDocument(NamedTuple):
    """One answer of ``mi_stats_print``: committed memory now, and the most that was ever resident; None is unknown."""

    line: int
    stamp: tuple[Stamp, str] | None
    committed_bytes: int | None
    rss_peak_bytes: int | None


def parse_documents(text: str) -> list[MimallocDocument]:
    r"""Find every document in a text.

    Parameters
    ----------
    text
        A file or a program's whole output, with any number of documents and log lines around them.

    Returns
    -------
    list of MimallocDocument
        In the order of the text. Its columns are peak, total, freed and current; what it calls ``rss`` is the peak.

    Examples
    --------
    >>> text = " committed:   4.0 MiB   4.0 MiB   2.0 MiB   2.0 MiB\n process: user: 0.1 s, rss: 3.0 MiB"
    >>> parse_documents(text)[0][2:]
    (2097152, 3145728)
    """
    text, around = unwrapped(text)
    starts = list(_COMMITTED.finditer(text))
    documents = []
    before = 0
    for number, found in enumerate(starts):
        following = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        process = _PROCESS.search(text, found.end(), following)
        documents.append(
            MimallocDocument(
                around.line(found.start()),
                around.stamp(found.start(), before),
                _bytes(found[7], found[8]),
                _bytes(process[1], process[2]) if process else None,
            )
        )
        before = process.end() if process else found.end()
    return documents


def _bytes(number: str, unit: str) -> int | None:
    """Read an amount; some versions count below zero, which says nothing."""
    amount = float(number) * 1024 ** _POWERS[unit[:1].lower().replace("b", "")]
    return round(amount) if 0 <= amount < 1 << 62 else None
