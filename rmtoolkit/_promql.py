"""Text inside an expression of PromQL: names are foreign, and may hold anything."""

from __future__ import annotations

import re
from typing import Final

_MEANS_MORE: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_NOT_PLAIN_ASCII: Final = re.compile(r"[^ !#-\[\]-~]")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def exactly(text: str) -> str:
    """Write an expression of RE2 that matches one text only: all that has a meaning in it is escaped, nothing else."""
    return _MEANS_MORE.sub(r"\\\g<0>", text)


def quoted(text: str) -> str:
    return f'"{_NOT_PLAIN_ASCII.sub(_letter, text)}"'


def _letter(found: re.Match[str]) -> str:
    # Half a surrogate is no character, which no label holds; the mark of a broken one is one only where it is escaped.
    letter = "\ufffd" if "\ud800" <= found[0] <= "\udfff" else found[0]
    plain = letter.isprintable() and letter != "\ufffd"
    return _ESCAPES.get(letter) or (letter if plain else f"\\U{ord(letter):08x}")
