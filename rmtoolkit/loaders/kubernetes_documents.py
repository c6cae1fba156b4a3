"""What `kubectl -o json` and `-o yaml` print: the documents of a file, and the lines between them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rmtoolkit.loaders.kubectl_lines import failure

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A regular expression for what holds metrics: answers of `metrics.k8s.io`, or our own recordings of them.
METRICS: Final = (
    r'"(?:Pod|Node)Metrics(?:List)?"|"metrics\.k8s\.io/|(?:^|\n)(?:- |  )?(?:kind: ["\']?(?:Pod|Node)Metrics'
    r'|apiVersion: ["\']?metrics\.k8s\.io/)|(?:^|\n)\{"time": ?"[^"]*", ?"kubectl": ?"'
)
#: Words without one of which there is none of it; looking for a word is quick.
METRICS_WORDS: Final = ("Metrics", "metrics.k8s.io/", '"kubectl"')
_YAML: Final = ("apiVersion: ", "kind: ", "- apiVersion: ", "- kind: ")
_NEXT_DOCUMENT: Final = re.compile(r"\n(?=\{)")
_TOP_LEVEL: Final = re.compile(r"(?:- )?[A-Za-z][\w.-]*:(?: |$)|-(?: |$)|#")
_BEGINS: Final = ("apiVersion:", "kind:")
#: What looks like a reference to another part of the document.
_ALIAS: Final = re.compile(r"(?:^|[\s\[,:-])\*[^\s*,\[\]{}]")
_SHOWN: Final = 100


class Part(NamedTuple):
    """A document, or a line that is none.

    Attributes
    ----------
    line
        Its first line, 1-based.
    content
        The document; None for a line between documents and for what is damaged.
    text
        The line, or the beginning of what is damaged.
    damaged
        It begins like a document and cannot be read.
    """

    line: int
    content: Any = None
    text: str = ""
    damaged: bool = False


def looks_like_yaml(text: str) -> bool:
    r"""Tell whether documents are YAML.

    Parameters
    ----------
    text
        The file.

    Returns
    -------
    bool
        A line begins with the key of a Kubernetes object.

    Examples
    --------
    >>> looks_like_yaml("apiVersion: v1\nitems: []"), looks_like_yaml('{"apiVersion": "v1"}')
    (True, False)
    """
    return text.startswith(_YAML) or any(f"\n{mark}" in text for mark in _YAML)


def parts(text: str) -> Iterator[Part]:
    r"""Take a file apart.

    Parameters
    ----------
    text
        JSON or YAML documents, one or many, one per line or not, with whatever stands between them.

    Yields
    ------
    Part
        In the order of the file.

    Examples
    --------
    >>> [part.content or part.text for part in parts('Tue Nov 24\n{"kind": "Pod"}\n{"kind": ')]
    ['Tue Nov 24', {'kind': 'Pod'}, '{"kind": ']
    >>> [part.content for part in parts("kind: Pod\nspec: {}\n---\nkind: Node\n")]
    [{'kind': 'Pod', 'spec': {}}, {'kind': 'Node'}]
    """
    return _yaml_parts(text) if looks_like_yaml(text) else _json_parts(text)


def _json_parts(text: str) -> Iterator[Part]:
    decoder = json.JSONDecoder()
    position, line = 0, 1
    while position < len(text):
        start = text.find("{", position)
        stop = start if start >= 0 else len(text)
        yield from _between(text[position:stop], line)
        line += text.count("\n", position, stop)
        if start < 0:
            break
        content, position, whole = _one_json(text, start, decoder)
        yield Part(line, content) if whole else Part(line, None, text[start : start + _SHOWN], damaged=True)
        line += text.count("\n", start, position)


def _one_json(text: str, start: int, decoder: json.JSONDecoder) -> tuple[Any, int, bool]:
    """Read the document that starts here; say where it stops and whether it is whole."""
    import msgspec  # noqa: PLC0415 - only documents need it

    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    try:
        # One document a line is what long recordings are made of.
        return msgspec.json.decode(text[start:end]), end, True
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return *decoder.raw_decode(text, start), True
    except (ValueError, RecursionError):
        after = _NEXT_DOCUMENT.search(text, start)
        return None, after.end() if after else len(text), False


def _between(text: str, line: int) -> Iterator[Part]:
    """Give lines between documents, without the commas of a list."""
    for number, part in enumerate(text.split("\n"), line):
        stripped = part.strip(" \t[],")
        if stripped:
            yield Part(number, None, stripped)


def _yaml_parts(text: str) -> Iterator[Part]:
    """Cut at separators, and where a document without one begins: a loop that appends writes none."""
    begin, seen = 0, set[str]()
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line or line[0] in " \t\r" or line.startswith("- "):
            continue
        key = line.partition(" ")[0]
        separator = line.startswith(("---", "..."))
        stray = not separator and (not _TOP_LEVEL.match(line) or failure(line) is not None)
        if separator or stray or key in seen:
            yield from _one_yaml(lines[begin:number], begin + 1)
            begin, seen = number + (separator or stray), set()
        if stray:
            yield Part(number + 1, None, line.strip())
        elif not separator and key in _BEGINS:
            seen.add(key)
    yield from _one_yaml(lines[begin:], begin + 1)


def _one_yaml(lines: list[str], first: int) -> Iterator[Part]:
    """Read one document; without content there is none."""
    if not any(line.strip() and not line.startswith("#") for line in lines):
        return
    import yaml  # noqa: PLC0415 - slow to import, and only YAML needs it

    # Texts only: `no` stays a name, a time stamp stays one, and no tag can make anything else.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    text = "\n".join(lines)
    try:
        # kubectl writes no aliases: a document with them may be a bomb.
        refers = _ALIAS.search(text) and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader))
        content = None if refers else yaml.load(text, Loader=loader)  # noqa: S506 - BaseLoader makes texts, lists, dicts
    except (yaml.YAMLError, RecursionError, ValueError):
        content = None
    if isinstance(content, dict | list):
        yield Part(first, content if isinstance(content, dict) else {"items": content})
    else:
        yield Part(first, None, next(line for line in lines if line.strip())[:_SHOWN], damaged=True)
