"""HTML and SVG elements that escape whatever they are given."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID: Final = frozenset({"meta", "br", "col", "link", "path", "line", "rect", "circle", "stop"})

# XML 1.0 cannot hold these at all, not even escaped; HTML parsers turn them into errors.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_SUSPECT: Final = re.compile("[&<>\"'\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already. Only `el`, `join` and literals in this package make it."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """Escape text for an element or an attribute; markup stays as it is."""
    return text if isinstance(text, Markup) else Markup(_escaped(text))


def _escaped(text: object) -> str:
    text = str(text)
    # Most text has nothing in it that must be escaped.
    return html.escape(_FORBIDDEN.sub("\ufffd", text)) if _SUSPECT.search(text) else text


def el(name: str, /, *children: object, **attributes: object) -> Markup:
    """Write one element."""
    start = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        if value is True:
            start += f" {label}"
        else:
            start += f' {label}="{value if isinstance(value, Markup) else _escaped(value)}"'
    if name in _VOID and not children:
        return Markup(f"<{start}/>")
    return Markup(f"<{start}>{_joined(children)}</{name}>")


def join(*children: object) -> Markup:
    """Put markup and text one after the other."""
    return Markup(_joined(children))


def _joined(children: Iterable[object]) -> str:
    return "".join(
        [child if isinstance(child, Markup) else _escaped(child) for child in children if child is not None],
    )
