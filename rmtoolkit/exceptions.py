"""Errors and warnings that say what was found, what was expected and what to do next."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUOTE_CHARACTERS = 80
#: A path is of no use without its end.
_PATH_CHARACTERS = 1000


def quote(text: object, characters: int = _QUOTE_CHARACTERS) -> str:
    r"""Show foreign text in a message: one line, bounded, control characters escaped.

    Parameters
    ----------
    text
        Anything that came from a file, a label or a server.
    characters
        How many of its characters to show.

    Returns
    -------
    str
        The text in quotes, cut after so many characters.

    Examples
    --------
    >>> quote("a" * 100)[-4:]
    "aa…'"
    >>> print(quote("two\nlines"))
    'two\nlines'
    """
    if isinstance(text, bytes):
        text = text[: 4 * characters].decode("utf-8", "replace")
    cut = str(text)
    cut = cut if len(cut) <= characters else cut[:characters] + "…"
    return ascii(cut) if not cut.isprintable() else repr(cut)


def quote_path(path: object) -> str:
    """Show a file's place in a message: whole, since what is cut off may be its name.

    Parameters
    ----------
    path
        A path, or another source.

    Returns
    -------
    str
        In quotes, on one line; only what no system allows as a path is cut.

    Examples
    --------
    >>> quote_path("exports/" * 20 + "week.json")[-10:]
    "week.json'"
    """
    return quote(path, _PATH_CHARACTERS)


class RmtoolkitError(ValueError):
    """Base of every error that rmtoolkit raises on purpose.

    Examples
    --------
    >>> raise RmtoolkitError("no memory column")
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: no memory column
    """


class ReadError(RmtoolkitError):
    """A file could not be read as what it claims to be.

    Examples
    --------
    >>> str(ReadError.at("top.log", found="<html>", expected="kubectl top rows", line=3))
    "Could not read 'top.log', line 3: found '<html>', expected kubectl top rows."
    """

    @classmethod
    def at(
        cls,
        path: object,
        *,
        found: object,
        expected: str,
        line: int | None = None,
        hint: str | None = None,
    ) -> ReadError:
        """Build the one message a reader of a bad file sees.

        Parameters
        ----------
        path
            File (or other source) that was read.
        found
            What stood there: quoted and cut.
        expected
            What should have stood there, as the end of a sentence.
        line
            1-based line number; None where lines mean nothing.
        hint
            One sentence that says what to do next.

        Returns
        -------
        ReadError
            The error, ready to raise.

        Examples
        --------
        >>> print(ReadError.at("a.json", found="", expected="JSON", hint="Export it again."))
        Could not read 'a.json': found '', expected JSON. Export it again.
        """
        place = quote_path(path) + (f", line {line}" if line is not None else "")
        msg = f"Could not read {place}: found {quote(found)}, expected {expected}."
        return cls(f"{msg} {hint}" if hint else msg)


class ColumnError(RmtoolkitError):
    """A frame lacks a column that is needed, or holds the wrong type in one.

    Examples
    --------
    >>> print(ColumnError.missing("time", ["tiem", "rss_bytes"]))
    The frame has no column 'time'. It has: tiem, rss_bytes. Hint: did you mean 'tiem'?
    """

    @classmethod
    def missing(cls, wanted: str, available: Iterable[str]) -> ColumnError:
        """Say which column is missing, which exist, and the nearest name.

        Parameters
        ----------
        wanted
            Name that was looked for.
        available
            Names that exist.

        Returns
        -------
        ColumnError
            The error, ready to raise.

        Examples
        --------
        >>> print(ColumnError.missing("x", []))
        The frame has no column 'x'. It has: no columns.
        """
        import difflib  # noqa: PLC0415 - only needed on this path

        names = list(available)
        msg = f"The frame has no column {wanted!r}. It has: {_listed(names)}."
        close = difflib.get_close_matches(wanted, names, n=1)
        return cls(f"{msg} Hint: did you mean {close[0]!r}?" if close else msg)

    @classmethod
    def no_memory(cls, available: Iterable[str], known: Iterable[str]) -> ColumnError:
        """Say that no column holds memory, which would do, and the nearest name.

        Parameters
        ----------
        available
            Columns that exist.
        known
            Names of columns that hold memory.

        Returns
        -------
        ColumnError
            The error, ready to raise.

        Examples
        --------
        >>> print(ColumnError.no_memory(["time", "rss_byte"], ["rss_bytes", "anon_bytes"]))
        The frame has no memory column. One of these would do: rss_bytes, anon_bytes. It has: time, rss_byte. Hint: \
rename 'rss_byte' to 'rss_bytes'?
        """
        import difflib  # noqa: PLC0415 - only needed on this path

        names, wanted = list(available), list(known)
        msg = f"The frame has no memory column. One of these would do: {', '.join(wanted)}. It has: {_listed(names)}."
        for name in names:
            close = difflib.get_close_matches(name, wanted, n=1)
            if close:
                return cls(f"{msg} Hint: rename {quote(name)} to {close[0]!r}?")
        return cls(msg)

    @classmethod
    def mistyped(cls, name: str, *, found: object, expected: str) -> ColumnError:
        """Say which column holds the wrong type.

        Parameters
        ----------
        name
            The column.
        found
            Its type.
        expected
            What it should hold, as the end of a sentence.

        Returns
        -------
        ColumnError
            The error, ready to raise.

        Examples
        --------
        >>> print(ColumnError.mistyped("rss_bytes", found="String", expected="a number"))
        The column 'rss_bytes' holds String, expected a number.
        """
        return cls(f"The column {name!r} holds {found}, expected {expected}.")


def _listed(names: list[str]) -> str:
    """Foreign names as they are, unless one would break the line."""
    return ", ".join(map(_plain, names)) or "no columns"


def _plain(name: str) -> str:
    return name if name.isprintable() and len(name) <= _QUOTE_CHARACTERS else quote(name)


class UnknownWorkloadError(RmtoolkitError):
    """No workload (or namespace, pod …) of that name is in the recording.

    Examples
    --------
    >>> print(UnknownWorkloadError.named("apii", ["api", "web"]))
    No workload 'apii'. There are: api, web. Hint: did you mean 'api'?
    """

    @classmethod
    def named(cls, wanted: object, available: Iterable[str], *, kind: str = "workload") -> UnknownWorkloadError:
        """Say which workload is missing and which exist.

        Parameters
        ----------
        wanted
            Name that was looked for.
        available
            Names that exist; the first twenty are shown.
        kind
            What was looked for.

        Returns
        -------
        UnknownWorkloadError
            The error, ready to raise.

        Examples
        --------
        >>> print(UnknownWorkloadError.named("x", ["api"]))
        No workload 'x'. There are: api.
        """
        import difflib  # noqa: PLC0415 - only needed on this path

        names = list(available)
        shown = ", ".join(map(_plain, names[:20]))
        shown += f" and {len(names) - 20} more" if len(names) > 20 else ""  # noqa: PLR2004
        close = difflib.get_close_matches(str(wanted), names, n=1)
        msg = f"No {kind} {quote(wanted)}. There are: {shown or 'none'}."
        return cls(f"{msg} Hint: did you mean {quote(close[0])}?" if close else msg)


class RmtoolkitWarning(UserWarning):
    """Something was left out, assumed or doubtful; the rest was used.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     warnings.warn("3 rows left out", RmtoolkitWarning, stacklevel=1)
    >>> seen[0].category.__name__
    'RmtoolkitWarning'
    """


def warn(message: str) -> None:
    """Warn at the line outside this package that asked for what was done.

    Parameters
    ----------
    message
        What was left out or assumed.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     warn("3 lines left out")
    >>> str(seen[0].message)
    '3 lines left out'
    """
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - the only way before Python 3.12's skip_file_prefixes
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "rmtoolkit":
        frame = frame.f_back
        level += 1
    warnings.warn(message, RmtoolkitWarning, stacklevel=level + 1)
