"""The one writer of HTML and SVG: elements that escape whatever they are given, tables, what folds away."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from typing import Final

from rmtoolkit.text import printable

_VOID: Final = frozenset({"meta", "br", "col", "link", "path", "line", "rect", "circle", "stop"})

# XML 1.0 cannot hold these at all, not even escaped; HTML parsers turn them into errors.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_SUSPECT: Final = re.compile("[&<>\"'\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already. Only `el`, `join` and literals in this package make it."""

    __slots__ = ()


def _escaped(text: object) -> str:
    text = str(text)
    # Most text has nothing in it that must be escaped.
    return html.escape(_FORBIDDEN.sub("\ufffd", text)) if _SUSPECT.search(text) else text


def el(name: str, /, *children: object, **attributes: object) -> Markup:
    start = name
    for key, value in attributes.items():
        if value is not None and value is not False:
            start += f" {key.rstrip('_').replace('_', '-')}"
            start += "" if value is True else f'="{value if isinstance(value, Markup) else _escaped(value)}"'
    if name in _VOID and not children:
        return Markup(f"<{start}/>")
    return Markup(f"<{start}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    told = (child if isinstance(child, Markup) else _escaped(child) for child in children if child is not None)
    return Markup("".join(told))


def framed(name: str, *inside: object, style: str = "") -> str:
    return str(el("div", *inside, class_=name, style=f"font:14px/1.45 system-ui,sans-serif{style}"))


def breakable(code: str) -> Markup:
    """Let a long setting break behind its signs, not inside a word."""
    return Markup(re.sub(r"([,=:])(?=\w)", r"\1<wbr/>", join(code)))


def with_code(sentence: str) -> Markup:
    parts = re.split(r"`([^`]+)`", printable(sentence))
    return join(*(el("code", breakable(part)) if at % 2 else part for at, part in enumerate(parts)))


def table(
    heads: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[object]],
    *,
    caption: str | None = None,
    named: bool = False,
    inline: bool = False,
    **attributes: object,
) -> Markup:
    """Write a table: heads are word and class (``n`` for figures), rows are cells."""

    def cell(name: str, content: object, kind: str, **more: object) -> Markup:
        if inline:
            side = "right" if kind == "n" else "left"
            return el(name, content, style=f"padding:2px 10px;text-align:{side}", **more)
        return el(name, content, class_=kind or None, **more)

    head = [cell("th", word, kind, scope="col") if word else el("td", class_="corner") for word, kind in heads]
    body = [
        el(
            "tr",
            *(
                cell("th", content, kind, scope="row") if named and not at else cell("td", content, kind)
                for at, (content, (_, kind)) in enumerate(zip(row, heads, strict=True))
            ),
        )
        for row in rows
    ]
    return el(
        "table",
        el("caption", caption) if caption else None,
        el("thead", el("tr", *head)) if any(word for word, _ in heads) else None,
        el("tbody", *body),
        **attributes,
    )


def document(
    title: str, sheet: str, body: Iterable[object], script: str, *, inline: bool = False, **more: object
) -> str:
    """Write a page that asks for nothing from anywhere: no script or style but its own, or those on its elements."""

    def own(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    styles = "'unsafe-inline'" if inline else own(sheet)
    rules = ("default-src 'none'", f"style-src {styles}", f"script-src {own(script)}", "base-uri 'none'")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content="; ".join((*rules, "form-action 'none'"))),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", sheet),
    )
    whole = el("html", head, el("body", *body, el("script", script), **more), lang="en")
    return f"<!doctype html>\n{whole}\n"


def not_complete(lacks: str | None, **attributes: object) -> Markup | None:
    return None if lacks is None else el("p", el("b", "Not complete: "), lacks, **attributes)


def headed(level: str, title: str, note: str, **attributes: object) -> Markup:
    return el(level, title, " ", el("span", note, class_="note"), **attributes)


def wide(name: str, inside: Markup, class_: str = "wide") -> Markup:
    """Let a table of many columns scroll by itself, by keyboard too."""
    return el("div", inside, class_=class_, tabindex=0, role="group", aria_label=name)


def folded(title: str, summary: str, *inside: object, opened: bool = False) -> Markup:
    """Put something behind a title and what is read while it is closed."""
    return el("details", el("summary", title, " ", el("span", summary, class_="note")), *inside, open=opened)
