"""What stands around a document in a log: on which line it begins, and which time stamp belongs to it."""

from __future__ import annotations

import bisect
import re
from typing import Final

from rmtoolkit.loaders.container_logs import unwrap
from rmtoolkit.loaders.stamps import Kind, Stamp, find

_BARE_NUMBER: Final = re.compile(r"\d{10,}")
_LINES_BEFORE: Final = 20
_CHARACTERS: Final = 80


def unwrapped(text: str) -> tuple[str, Around]:
    r"""Take off what a container runtime put around each line.

    Parameters
    ----------
    text
        A file or a program's whole output.

    Returns
    -------
    tuple of (str, Around)
        What the program wrote, and what tells lines and times in it.

    Examples
    --------
    >>> text, around = unwrapped('{"log": "ready\\n", "time": "2026-11-24T10:00:00Z"}')
    >>> text, around.line(0), around.stamp(0, 0)[1]
    ('ready', 1, '2026-11-24T10:00:00Z')
    """
    wrapped = unwrap(text)
    if wrapped is None:
        return text, Around(text, None)
    text = "\n".join(line for _, line in wrapped)
    return text, Around(text, [stamp for stamp, _ in wrapped])


class Around:
    r"""Where a document stands, and which time stamp belongs to it.

    Parameters
    ----------
    text
        What the program wrote.
    stamps
        What the log says of the time of each line; None where it says nothing.

    Examples
    --------
    >>> Around("2026-11-24T10:00:00Z ready\nnow", None).line(28)
    2
    """

    def __init__(self, text: str, stamps: list[str] | None) -> None:
        self._text = text
        self._stamps = stamps
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def line(self, place: int) -> int:
        """Give the 1-based line on which a character stands."""
        return bisect.bisect_right(self._starts, place)

    def stamp(self, start: int, before: int) -> tuple[Stamp, str] | None:
        """Find the stamp that the log gave the line, else one on it, else one on the lines before it."""
        number = self.line(start)
        if self._stamps is not None and self._stamps[number - 1]:
            logged = find(self._stamps[number - 1])
            if logged is not None:
                return logged[0], self._stamps[number - 1]
        for index in range(number - 1, max(number - 2 - _LINES_BEFORE, -1), -1):
            line_start = max(self._starts[index], before)
            stop = start if index == number - 1 else self._starts[index + 1]
            if stop <= before:
                break
            said = self._text[line_start : min(stop, line_start + _CHARACTERS)].strip()
            found = find(said) if said else None
            if found is not None and (index == number - 1 or _heads(said, found)):
                return found[0], said
        return None


def _heads(line: str, found: tuple[Stamp, str]) -> bool:
    """Tell a time stamp from a number or a date that a program happened to write."""
    head = line.lstrip("[(=-# ")
    if _BARE_NUMBER.match(head):
        return not any(map(str.isalpha, found[1]))
    return found[0].kind != Kind.CLOCK or head[:1].isdigit()
