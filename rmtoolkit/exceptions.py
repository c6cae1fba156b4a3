"""Errors and warnings that say what was found, what was expected and what to do next."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")
Other = TypeVar("Other")

_QUOTE_CHARACTERS = 80
_NAMES_SHOWN = 20
#: A path is of no use without its end.
_PATH_CHARACTERS = 1000
#: How files are called that a user does not know by their paths.
CALLED: Final[dict[str, str]] = {}


def quote(text: object, characters: int = _QUOTE_CHARACTERS) -> str:
    r"""Show foreign text in a message: one line, bounded, control characters escaped."""
    if isinstance(text, bytes):
        text = text[: 4 * characters].decode("utf-8", "replace")
    cut = str(text)
    cut = cut if len(cut) <= characters else cut[:characters] + "…"
    return ascii(cut) if not cut.isprintable() else repr(cut)


def quote_path(path: object) -> str:
    """Show a file's place in a message: whole, since what is cut off may be its name."""
    return CALLED.get(str(path)) or quote(path, _PATH_CHARACTERS)


class RmtoolkitError(ValueError):
    """Base of every error that rmtoolkit raises on purpose.

    Examples
    --------
    >>> import rmtoolkit as rm
    >>> try:
    ...     rm.classify(rm.read("no-such-file"))
    ... except rm.RmtoolkitError:
    ...     print("nothing to judge")
    nothing to judge
    """


class ReadError(RmtoolkitError):
    """A file could not be read as what it claims to be.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import rmtoolkit as rm
    >>> file = pathlib.Path(tempfile.mkdtemp(), "top.log")
    >>> _ = file.write_text("")
    >>> try:
    ...     rm.read_kubectl_top(file)
    ... except rm.ReadError as error:
    ...     print("found 'an empty file'" in str(error))
    True
    """

    @classmethod
    def at(
        cls, path: object, *, found: object, expected: str, line: int | None = None, hint: str | None = None
    ) -> ReadError:
        """Build the one message a reader of a bad file sees."""
        place = quote_path(path) + (f", line {line}" if line is not None else "")
        msg = f"Could not read {place}: found {quote(found)}, expected {expected}."
        return cls(f"{msg} {hint}" if hint else msg)


class ColumnError(RmtoolkitError):
    """A frame lacks a column that is needed, or holds the wrong type in one.

    Examples
    --------
    >>> import polars as pl
    >>> import rmtoolkit as rm
    >>> rm.classify(pl.DataFrame({"tim": [0], "rss_bytes": [1]}))
    Traceback (most recent call last):
    rmtoolkit.exceptions.ColumnError: The frame has no column 'time'. It has: tim, rss_bytes. Hint: did you mean 'tim'?
    """

    @classmethod
    def missing(cls, wanted: str, available: Iterable[str]) -> ColumnError:
        """Say which column is missing, which exist, and the nearest name."""
        names = list(available)
        msg = f"The frame has no column {wanted!r}. It has: {_listed(names) or 'no columns'}."
        return cls(f"{msg} {did_you_mean(wanted, names)}".rstrip())

    @classmethod
    def no_memory(cls, available: Iterable[str], known: Iterable[str], taken: Iterable[str]) -> ColumnError:
        """Say that no column holds memory, which would do, and the nearest name."""
        names, wanted = list(available), list(known)
        has = _listed(names) or "no columns"
        msg = f"The frame has no memory column. One of these would do: {', '.join(wanted)}. It has: {has}."
        for name in names:
            if name not in taken and (close := _closest(name, wanted)):
                return cls(f"{msg} Hint: rename {quote(name)} to {close!r}?")
        return cls(f"{msg} Hint: a row for each time and container, its name in a column pod.")

    @classmethod
    def mistyped(cls, name: str, *, found: object, expected: str) -> ColumnError:
        """Say which column holds the wrong type."""
        return cls(f"The column {name!r} holds {found}, expected {expected}.")


def system_words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _closest(name: object, names: Iterable[str]) -> str | None:
    import difflib  # noqa: PLC0415 - only errors need it

    return next(iter(difflib.get_close_matches(str(name), list(names), n=1)), None)


def did_you_mean(name: object, names: Iterable[str]) -> str:
    close = _closest(name, names)
    return f"Hint: did you mean {quote(close)}?" if close else ""


def _listed(names: list[str], most: int | None = None) -> str:
    """Show foreign names as they are, unless one would break the line; and how many more there are."""
    plain = (name if name.isprintable() and len(name) <= _QUOTE_CHARACTERS else quote(name) for name in names[:most])
    more = 0 if most is None else len(names) - most
    return ", ".join(plain) + (f" and {more} more" if more > 0 else "")


class UnknownWorkloadError(RmtoolkitError):
    """No workload (or namespace, pod …) of that name is in the recording.

    Examples
    --------
    >>> import polars as pl
    >>> import rmtoolkit as rm
    >>> table = pl.DataFrame({"time": [0], "pod": ["db-0"], "rss_bytes": [1]})
    >>> rm.Recording.from_frame(table).filter(workload="dbb")
    Traceback (most recent call last):
    rmtoolkit.exceptions.UnknownWorkloadError: No workload 'dbb'. There are: db. Hint: did you mean 'db'?
    """

    @classmethod
    def named(cls, wanted: object, available: Iterable[str], *, kind: str = "workload") -> UnknownWorkloadError:
        """Say which workload is missing and which exist."""
        names = list(available)
        msg = f"No {kind} {quote(wanted)}. There are: {_listed(names, _NAMES_SHOWN) or 'none'}."
        return cls(f"{msg} {did_you_mean(wanted, names)}".rstrip())

    @classmethod
    def not_one(cls, wanted: object, meant: list[str], available: Iterable[str]) -> UnknownWorkloadError:
        """Say in full which several workloads a name may mean, or that there is none of it."""
        if not meant:
            return cls.named(wanted, available)
        shown = _listed(meant, _NAMES_SHOWN)
        return cls(f"{len(meant)} workloads match {quote(wanted)}: {shown}. Hint: name one in full.")


class RmtoolkitWarning(UserWarning):
    """Something was left out, assumed or doubtful; the rest was used.

    Examples
    --------
    >>> import warnings
    >>> import rmtoolkit as rm
    >>> warnings.simplefilter("error", rm.RmtoolkitWarning)  # to be strict
    >>> warnings.simplefilter("default", rm.RmtoolkitWarning)
    """


def is_fault(error: BaseException) -> bool:
    """Tell whether nobody foresaw it, and nobody asked to see where it was."""
    # A panic of polars is no Exception.
    odd = isinstance(error, Exception) or type(error).__name__ == "PanicException"
    return odd and not (isinstance(error, RmtoolkitError | OSError) or os.environ.get("RMTOOLKIT_TRACEBACK"))


def met(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def fault(error: BaseException) -> str:
    return f"internal error, {met(error)} (a bug; RMTOOLKIT_TRACEBACK=1 shows where)"


#: The statistic of the evidence on what met such an error, and how its next step begins.
NOT_JUDGED: Final = "not_judged"
REPORT_BUG: Final = "Run again with RMTOOLKIT_TRACEBACK=1 and open an issue with what it shows"


def spared(
    otherwise: Callable[[BaseException], Other], work: Callable[Given, Made], *given: Given.args, **named: Given.kwargs
) -> Made | Other:
    """Do one part of many; what nobody foresaw is said of it, and of no other."""
    try:
        return work(*given, **named)
    except BaseException as error:
        if not is_fault(error):
            raise
        return otherwise(error)


@contextmanager
def named(what: str, kind: type[RmtoolkitError] = RmtoolkitError) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if not is_fault(error):
            raise
        msg = f"{what}: {fault(error)}."
        raise kind(msg) from error


def door(public: Callable[Given, Made]) -> Callable[Given, Made]:
    """Name the argument of another kind than is taken, where an error met that nobody foresaw."""

    @wraps(public)
    def called(*given: Given.args, **named: Given.kwargs) -> Made:
        try:
            return public(*given, **named)
        except BaseException as error:
            if not is_fault(error) or not (said := _of_another_kind(public, given, named)):
                raise
            raise RmtoolkitError(said) from error

    return called


def _of_another_kind(public: Callable[..., Any], given: tuple[object, ...], named: Mapping[str, object]) -> str:
    import builtins  # noqa: PLC0415 - only errors need these
    import datetime as dt  # noqa: PLC0415
    import inspect  # noqa: PLC0415
    import re  # noqa: PLC0415
    from collections import abc, defaultdict  # noqa: PLC0415

    import rmtoolkit  # noqa: PLC0415

    signature = inspect.signature(public)
    try:
        bound = signature.bind(*given, **named).arguments
    except TypeError:  # Python says which is missing or unknown
        return ""
    # Also what is imported for types alone; of the rest nothing is known.
    own = {one: getattr(rmtoolkit, one) for one in ("Allocator", "Assessment", "HeapProfile", "Recording")}
    known = {**vars(builtins), **vars(abc), "dt": dt, "os": os, **own, **public.__globals__}
    names = defaultdict(lambda: Any, known)
    for name, value in bound.items():
        parameter = signature.parameters[name]
        taken: Any = Any
        # Our own words, nobody else's; a part of what is not known is an error.
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            with suppress(TypeError, AttributeError, SyntaxError):
                taken = eval(str(parameter.annotation), {}, names)  # noqa: S307
        if not _is_of(value, taken):
            takes = re.sub(r"\b\w+\.", "", str(parameter.annotation))
            return f"{name}= takes {takes}, and {quote(value)} is {type(value).__name__}."
    return ""


def _is_of(value: object, taken: Any) -> bool:  # noqa: ANN401 - any annotation
    """Tell whether a value may be what an annotation says, as far as can be told."""
    import numbers  # noqa: PLC0415 - only errors need these
    import types  # noqa: PLC0415
    import typing  # noqa: PLC0415

    kind, inside = typing.get_origin(taken) or taken, typing.get_args(taken)
    if kind in (types.UnionType, typing.Union):
        return any(_is_of(value, one) for one in inside)
    if kind is typing.Literal:
        return repr(value) in map(repr, inside)
    kind = {None: types.NoneType, float: numbers.Real}.get(kind, kind)
    if kind is Any or not isinstance(kind, type):
        return True
    several: list[Any] = [value, value.values()] if isinstance(value, dict) else [value]
    inner = zip(several if isinstance(value, dict | list | tuple | str) else [], inside, strict=False)
    return isinstance(value, kind) and all(_is_of(one, of) for some, of in inner for one in some)


def warn(message: str) -> None:
    """Warn at the line outside this package that asked for what was done."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - the only way before Python 3.12's skip_file_prefixes
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "rmtoolkit":
        frame = frame.f_back
        level += 1
    warnings.warn(message, RmtoolkitWarning, stacklevel=level + 1)
