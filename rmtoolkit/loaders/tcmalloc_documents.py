"""What tcmalloc says of itself (MALLOCSTATS), found in whatever stands around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.loaders.around import unwrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rmtoolkit.loaders.stamps import Stamp

_LINE: Final = re.compile(r"\bMALLOC: *[+=]? *(\d{1,19}) \( *[\d.]+ [A-Za-z]+\) +([A-Z][^\n\r]*)")
#: The first line of a document.
IN_USE: Final = "Bytes in use by application"


class TcmallocDocument(NamedTuple):
    """One answer of ``MallocExtension::GetStats``: bytes by the words beside them, in the order of the text."""

    line: int
    stamp: tuple[Stamp, str] | None
    amounts: Mapping[str, int]

    def sum_of(self, word: str) -> int | None:
        """Add up what stands beside words that contain another.

        Parameters
        ----------
        word
            Such as ``freelist``.

        Returns
        -------
        int or None
            None where there is no such line.

        Examples
        --------
        >>> TcmallocDocument(1, None, {"Bytes in page heap freelist": 2, "Bytes in x": 1}).sum_of("freelist")
        2
        """
        found = [size for name, size in self.amounts.items() if word in name]
        return sum(found) if found else None


def parse_documents(text: str) -> list[TcmallocDocument]:
    r"""Find every document in a text.

    Parameters
    ----------
    text
        A file or a program's whole output, with any number of documents and log lines around them.

    Returns
    -------
    list of TcmallocDocument
        In the order of the text.

    Examples
    --------
    >>> parse_documents("MALLOC:  2097152 (    2.0 MiB) Bytes in use by application\n")[0].amounts
    {'Bytes in use by application': 2097152}
    """
    text, around = unwrapped(text)
    documents: list[TcmallocDocument] = []
    amounts: dict[str, int] = {}
    before = 0
    for found in _LINE.finditer(text):
        name = found[2].strip()
        if name == IN_USE:
            amounts = {}
            documents.append(TcmallocDocument(around.line(found.start()), around.stamp(found.start(), before), amounts))
        if documents and int(found[1]) < 1 << 62:
            amounts.setdefault(name, int(found[1]))
        before = found.end()
    return documents
