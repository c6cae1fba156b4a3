"""PromQL selectors that hostile names cannot break out of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.exceptions import RmtoolkitError, quote

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What has a meaning in a RE2 expression; the rest is itself.
_META: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL: Final = re.compile(r"[\\\"\x00-\x1f\x7f]")
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Matcher(NamedTuple):
    """A condition on one label.

    Attributes
    ----------
    label
        Name of the label.
    operator
        ``=``, ``!=``, ``=~`` or ``!~``; the last two take a whole RE2 expression.
    value
        What it is compared with, unescaped.
    """

    label: str
    operator: str
    value: str


class Selector(NamedTuple):
    """The series of some metrics.

    Attributes
    ----------
    names
        Names of metrics, as they are.
    matchers
        Conditions that all of them have to meet.
    """

    names: tuple[str, ...]
    matchers: tuple[Matcher, ...] = ()

    def conditions(self) -> tuple[Matcher, ...]:
        """Say the names as a condition too.

        Returns
        -------
        tuple of Matcher
            First the one on ``__name__``.
        """
        return (one_of("__name__", self.names), *self.matchers)

    def promql(self) -> str:
        """Write it as PromQL.

        Returns
        -------
        str
            An instant selector; ``[5m]`` may follow it.
        """
        return "{" + ",".join(f"{label}{sign}{literal(value)}" for label, sign, value in self.conditions()) + "}"


def literal(text: str) -> str:
    r"""Write a PromQL string.

    Parameters
    ----------
    text
        Any text: quotes, braces, line ends and all.

    Returns
    -------
    str
        In double quotes; the server reads exactly this text again.

    Raises
    ------
    RmtoolkitError
        It cannot be written as UTF-8 (half of a surrogate pair).

    Examples
    --------
    >>> print(literal('a"} or vector(1) #' + "\n"))
    "a\"} or vector(1) #\n"
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"{quote(text)} is no text that a server could hold: it is not UTF-8."
        raise RmtoolkitError(msg) from error
    return '"' + _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or f"\\x{ord(found[0]):02x}", text) + '"'


def exactly(text: str) -> str:
    r"""Write a RE2 expression that matches one text only.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        Not yet a PromQL string: see `literal`.

    Examples
    --------
    >>> print(exactly("api.v1|web"))
    api\.v1\|web
    """
    return _META.sub(lambda found: "\\" + found[0], text)


def one_of(label: str, values: Iterable[str]) -> Matcher:
    r"""Demand that a label has one of several values.

    Parameters
    ----------
    label
        Name of the label.
    values
        At least one.

    Returns
    -------
    Matcher
        An equation for one value, an expression for several.

    Raises
    ------
    RmtoolkitError
        There is no such label name in PromQL, or no value.

    Examples
    --------
    >>> one_of("pod", ["a.b", "c"])
    Matcher(label='pod', operator='=~', value='a\\.b|c')
    """
    several = list(dict.fromkeys(values))
    if not _NAME.fullmatch(label) or not several:
        msg = f"{quote(label)} is no label name, or no value was given for it."
        raise RmtoolkitError(msg)
    if len(several) == 1:
        return Matcher(label, "=", several[0])
    return Matcher(label, "=~", "|".join(map(exactly, several)))
