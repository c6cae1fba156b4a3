"""Text inside an expression of PromQL: names are foreign, and may hold anything."""

from __future__ import annotations

import re
from typing import Final

_MEANS_MORE: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def exactly(text: str) -> str:
    """Write an expression of RE2 that matches one text only: all that has a meaning in it is escaped, nothing else."""
    return _MEANS_MORE.sub(r"\\\g<0>", text)


def quoted(text: str) -> str:
    # Half a surrogate is no character: no label of Prometheus can hold one.
    return '"' + "".join(map(_letter, _SURROGATE.sub("\ufffd", text))) + '"'


def _letter(letter: str) -> str:
    # Prometheus takes the mark of a broken character for one, unless it is escaped.
    plain = letter.isprintable() and letter != "\ufffd"
    return _ESCAPES.get(letter) or (letter if plain else f"\\U{ord(letter):08x}")
